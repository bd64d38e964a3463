//! What became of an input.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ids::{AccountId, OrganizationId};

/// What became of a message. A repetition keeps the first outcome; a different message under the same key
/// is a conflict, and never gets here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It set a register or booked something.
    Applied,
    /// Everything it says was said by a newer message before.
    Stale,
    /// What it asked for was refused with a notice.
    Rejected(Rejection),
    /// It can't be applied yet, or at all. Nothing was changed by it.
    Parked(Parking),
}

/// What was refused, with a notice that says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// A project's claim. Its registers count.
    Hold,
    /// A transfer.
    Transfer,
}

/// Why a command was refused. It changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    /// For people: what stands in the way, and what to do.
    pub detail: String,
    /// The account whose credits in use stand in the way, where it is that.
    pub in_use_on: Option<AccountId>,
}

/// Why a message is parked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parking {
    /// The reason, for programs.
    pub reason: ParkReason,
    /// The reason, for people: what was seen and what was expected.
    pub detail: String,
    /// What would let it be applied, if that can come by itself.
    pub waits_for: Option<WaitsFor>,
}

/// Why a message is parked, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParkReason {
    /// The body is larger than the limit.
    Oversize,
    /// The body is not JSON.
    NotJson,
    /// JSON, or headers, but not a CloudEvent 1.0.
    NotCloudevent,
    /// A source that is kept for the ledger itself.
    ReservedSource,
    /// A type that this version does not know.
    UnknownType,
    /// A known type with missing or wrong data.
    InvalidData,
    /// The same source and id came with another type or other data.
    Conflict,
    /// No revision where `order = "revision"` needs one.
    RevisionMissing,
    /// No time where `order = "time"` needs one.
    TimeMissing,
    /// A time further ahead than the tolerance.
    TimeAhead,
    /// A status that the settings do not know.
    UnknownStatus,
    /// An account that is not known yet.
    AccountUnknown,
    /// An organization that is not known yet, or was not named where one is needed.
    OrganizationUnknown,
    /// A type of asset without a price.
    PriceUnknown,
    /// A transfer between accounts that are not integrated ones of one organization.
    NotTransferable,
    /// It would take a balance out of the range of numbers.
    OutOfRange,
    /// The database refused what it leads to.
    DatabaseRefused,
    /// The process died three times while it was alone in hand.
    Suspect,
}

impl ParkReason {
    /// Every reason.
    pub const ALL: [ParkReason; 18] = [
        ParkReason::Oversize,
        ParkReason::NotJson,
        ParkReason::NotCloudevent,
        ParkReason::ReservedSource,
        ParkReason::UnknownType,
        ParkReason::InvalidData,
        ParkReason::Conflict,
        ParkReason::RevisionMissing,
        ParkReason::TimeMissing,
        ParkReason::TimeAhead,
        ParkReason::UnknownStatus,
        ParkReason::AccountUnknown,
        ParkReason::OrganizationUnknown,
        ParkReason::PriceUnknown,
        ParkReason::NotTransferable,
        ParkReason::OutOfRange,
        ParkReason::DatabaseRefused,
        ParkReason::Suspect,
    ];

    /// Its name, as stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            ParkReason::Oversize => "oversize",
            ParkReason::NotJson => "not_json",
            ParkReason::NotCloudevent => "not_cloudevent",
            ParkReason::ReservedSource => "reserved_source",
            ParkReason::UnknownType => "unknown_type",
            ParkReason::InvalidData => "invalid_data",
            ParkReason::Conflict => "conflict",
            ParkReason::RevisionMissing => "revision_missing",
            ParkReason::TimeMissing => "time_missing",
            ParkReason::TimeAhead => "time_ahead",
            ParkReason::UnknownStatus => "unknown_status",
            ParkReason::AccountUnknown => "account_unknown",
            ParkReason::OrganizationUnknown => "organization_unknown",
            ParkReason::PriceUnknown => "price_unknown",
            ParkReason::NotTransferable => "not_transferable",
            ParkReason::OutOfRange => "out_of_range",
            ParkReason::DatabaseRefused => "database_refused",
            ParkReason::Suspect => "suspect",
        }
    }
}

impl fmt::Display for ParkReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What would let a parked message be applied.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum WaitsFor {
    /// This account appears, or is said more about.
    Account(AccountId),
    /// This organization appears.
    Organization(OrganizationId),
    /// The settings know this status.
    Status(Arc<str>),
    /// A price list prices this type.
    Price(Arc<str>),
}

impl fmt::Display for WaitsFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WaitsFor::Account(id) => write!(f, "account:{id}"),
            WaitsFor::Organization(id) => write!(f, "organization:{id}"),
            WaitsFor::Status(status) => write!(f, "status:{status}"),
            WaitsFor::Price(what) => write!(f, "price:{what}"),
        }
    }
}
