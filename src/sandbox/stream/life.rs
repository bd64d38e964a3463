//! The life of one project, from brief to final files.

use fastrand::Rng;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::names::{AGENCIES, Agency, BRIEFS, Brief, CLIENTS};
use super::{Happening, LATECOMER, SPAN, chance, start};

const PER_CENT_CANCELED: u32 = 8;
const PER_CENT_AMENDED: u32 = 15;
const PER_CENT_REVISED: u32 = 30;
const PER_CENT_REOPENED: u32 = 5;
const PER_CENT_GIVEN_AWAY: u32 = 4;

/// Every status that the stream uses.
#[cfg(test)]
pub(super) const STATUSES: [&str; 15] = [
    "draft",
    "briefed",
    "queued",
    "pending_review",
    "clarification_requested",
    "started",
    "in_progress",
    "initial_delivery",
    "submitted",
    "reviewed",
    "delivered",
    "under_revision",
    "finalized",
    "canceled",
    "cancelled",
];

/// A project as upstream keeps it.
struct Project<'a> {
    id: String,
    account: &'static str,
    agency: Option<&'static Agency>,
    credits: u32,
    revision: u32,
    time: OffsetDateTime,
    happenings: Vec<Happening>,
    random: &'a mut Rng,
}

/// All that ever happens to a project of an agency; of the latecomer where that is `None`. May reach beyond
/// the stream's end, where the project is still running.
pub(super) fn of_project(number: u32, agency: Option<&'static Agency>, random: &mut Rng) -> Vec<Happening> {
    let brief = &BRIEFS[random.usize(..BRIEFS.len())];
    let client = CLIENTS[random.usize(..CLIENTS.len())];
    let begins = match agency {
        Some(_) => start() + Duration::minutes(random.i64(120..SPAN.whole_minutes())),
        None => start() + Duration::days(57) + Duration::hours(random.i64(0..48)),
    };
    let mut project = Project {
        id: format!("P-{number:05}"),
        account: agency.map_or(LATECOMER, |agency| agency.account),
        agency,
        credits: random.u32(brief.credits.clone()),
        revision: 0,
        time: begins,
        happenings: Vec::new(),
        random,
    };
    project.be_briefed(client, brief);
    project.be_made();
    project.happenings
}

impl Project<'_> {
    fn be_briefed(&mut self, client: &str, brief: &Brief) {
        let told = json!({"name": format!("{client}: {}", brief.title), "credits": self.credits});
        let first = if chance(self.random, 20) { "draft" } else { "briefed" };
        self.turn_with(first, told);
        if first == "draft" {
            self.pass_hours(4..72);
            self.turn("briefed");
        }
        self.pass_hours(1..36);
        let next = if chance(self.random, 25) { "pending_review" } else { "queued" };
        self.turn(next);
    }

    fn be_made(&mut self) {
        let canceled_after = chance(self.random, PER_CENT_CANCELED).then(|| self.random.usize(0..5));
        if chance(self.random, 12) {
            self.pass_hours(3..48);
            self.turn("clarification_requested");
        }
        for (step, status) in
            ["started", "in_progress", "initial_delivery", "submitted"].into_iter().enumerate()
        {
            if canceled_after == Some(step) {
                return self.be_canceled();
            }
            self.pass_hours(24..168);
            self.turn(status);
            if status == "in_progress" {
                self.change_course();
            }
        }
        if chance(self.random, PER_CENT_REVISED) {
            self.revise();
        }
        if canceled_after.is_some() {
            return self.be_canceled();
        }
        self.pass_hours(8..72);
        self.turn("reviewed");
        self.pass_hours(4..48);
        self.turn("delivered");
        self.finalize();
        if chance(self.random, PER_CENT_REOPENED) {
            self.pass_hours(24..240);
            self.revise();
            self.finalize();
        }
    }

    /// Scope grows or shrinks, or another team of the house takes over.
    fn change_course(&mut self) {
        if chance(self.random, PER_CENT_AMENDED) {
            self.pass_hours(4..72);
            self.credits = (self.credits * self.random.u32(70..150) / 100).max(1);
            let told = json!({"credits": self.credits});
            self.tell("project.amended.v1", told);
        }
        if chance(self.random, PER_CENT_GIVEN_AWAY)
            && let Some(colleague) = self.colleague()
        {
            self.pass_hours(4..72);
            self.account = colleague.account;
            self.agency = Some(colleague);
            self.turn("in_progress");
        }
    }

    fn revise(&mut self) {
        self.pass_hours(8..72);
        self.turn("under_revision");
        self.pass_hours(24..120);
        self.turn("submitted");
    }

    fn finalize(&mut self) {
        self.pass_hours(12..120);
        let is_used_up = self.agency.is_some_and(|agency| agency.consumes);
        let told = if is_used_up && chance(self.random, 50) {
            json!({"final_credits": self.credits * self.random.u32(80..111) / 100})
        } else {
            json!({})
        };
        self.turn_with("finalized", told);
    }

    fn be_canceled(&mut self) {
        self.pass_hours(2..96);
        let spelling = if chance(self.random, 70) { "canceled" } else { "cancelled" };
        self.turn(spelling);
    }

    /// Another agency of the same organization and of the same kind, so that its credits fit the work.
    fn colleague(&mut self) -> Option<&'static Agency> {
        let own = self.agency.filter(|agency| agency.organization.is_some())?;
        let colleagues: Vec<&Agency> = AGENCIES
            .iter()
            .filter(|other| other.organization == own.organization && other.kind == own.kind)
            .filter(|other| other.account != own.account && other.consumes == own.consumes)
            .collect();
        self.random.choice(colleagues)
    }

    fn pass_hours(&mut self, hours: std::ops::Range<i64>) {
        self.time += Duration::seconds(self.random.i64(hours.start * 3_600..hours.end * 3_600));
    }

    fn turn(&mut self, status: &str) {
        self.turn_with(status, json!({}));
    }

    fn turn_with(&mut self, status: &str, mut told: Value) {
        told["status"] = json!(status);
        self.tell("project.status_changed.v1", told);
    }

    fn tell(&mut self, kind: &'static str, mut data: Value) {
        self.revision += 1;
        data["project_id"] = json!(self.id);
        data["account_id"] = json!(self.account);
        data["revision"] = json!(self.revision);
        self.happenings.push(Happening {
            time: self.time,
            source: "/projects",
            id: format!("{}-{}", self.id, self.revision),
            kind,
            data,
        });
    }
}
