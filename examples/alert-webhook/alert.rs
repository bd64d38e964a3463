//! A `credits.alert.v1` as this program reads it. Members that it doesn't use are left out: whoever ignores what
//! it doesn't know keeps working when some are added.

use serde::Deserialize;

/// The one type that is read. Another version would be another meaning.
pub(crate) const ALERT_TYPE: &str = "credits.alert.v1";

/// An event with the bytes that it came in, which are what is posted, signed and kept.
#[derive(Clone, Debug)]
pub(crate) struct Alert {
    pub(crate) event: Event,
    pub(crate) body: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Event {
    /// Unique for its `source`, and the same however often it is sent.
    pub(crate) id: String,
    pub(crate) source: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) time: String,
    /// The trace context of what caused it.
    pub(crate) traceparent: Option<String>,
    pub(crate) data: Data,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Data {
    pub(crate) account_id: String,
    pub(crate) organization_id: Option<String>,
    /// Gapless from 1 for each account and type.
    pub(crate) sequence: i64,
    pub(crate) change: String,
    /// `None` once all is resolved.
    pub(crate) severity: Option<String>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) resolved: Vec<Resolved>,
    pub(crate) balance: Balance,
    pub(crate) queued: Queued,
    pub(crate) contact: Contact,
    pub(crate) largest_holds: Vec<Hold>,
    pub(crate) closest_to_settling: Vec<Hold>,
    pub(crate) cause: Cause,
}

/// A rule that is raised.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) measure: String,
    pub(crate) level: i64,
    pub(crate) severity: String,
    pub(crate) since: String,
    /// How many projects or grants it is about, where it is about such.
    pub(crate) subjects: Option<i64>,
}

/// A rule that no longer is.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Resolved {
    pub(crate) name: String,
    pub(crate) reason: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Balance {
    pub(crate) total: i64,
    pub(crate) held: i64,
    pub(crate) consumed: i64,
    pub(crate) available: i64,
}

/// What waits for credits.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Queued {
    pub(crate) projects: i64,
    pub(crate) credits: i64,
}

/// Whom to turn to.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Contact {
    pub(crate) role: String,
    pub(crate) contact: Option<String>,
}

/// A project that holds credits.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Hold {
    pub(crate) project_id: String,
    pub(crate) name: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) held: i64,
}

/// The message that brought it about.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Cause {
    pub(crate) source: String,
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) message_type: String,
}

impl Alert {
    /// Reads an event; an error says why it can't be used.
    pub(crate) fn read(body: &[u8]) -> Result<Self, String> {
        let body = std::str::from_utf8(body).map_err(|_| "it is not text".to_owned())?;
        let event: Event = serde_json::from_str(body).map_err(|error| format!("it is no alert: {error}"))?;
        if event.kind != ALERT_TYPE {
            return Err(format!("its type is {:?}, and only {ALERT_TYPE} is read here", event.kind));
        }
        if event.data.sequence < 1 {
            return Err(format!("its sequence is {}, and sequences begin at 1", event.data.sequence));
        }
        Ok(Self { event, body: body.to_owned() })
    }

    /// The same for every repetition, and for no other event: ids are unique for their source.
    pub(crate) fn key(&self) -> String {
        format!("{}/{}", self.event.source, self.event.id)
    }

    /// The ledger's era: the number at the end of its source, which has none in the first.
    pub(crate) fn era(&self) -> u64 {
        self.event.source.split('/').nth(2).and_then(|era| era.parse().ok()).unwrap_or(1)
    }

    pub(crate) fn account(&self) -> &str {
        &self.event.data.account_id
    }

    pub(crate) fn sequence(&self) -> i64 {
        self.event.data.sequence
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const EXAMPLES: [&str; 4] = [
        include_str!("../../docs/examples/credits.alert.v1.json"),
        include_str!("../../docs/examples/credits.alert.v1-overcommitted.json"),
        include_str!("../../docs/examples/credits.alert.v1-resolved.json"),
        include_str!("../../docs/examples/credits.alert.v1-subjects.json"),
    ];

    /// The contract's examples.
    pub(in super::super) fn examples() -> Vec<Alert> {
        EXAMPLES.iter().map(|example| Alert::read(example.as_bytes()).unwrap()).collect()
    }

    #[test]
    fn every_example_of_the_contract_is_read_and_named_by_its_source_and_id() {
        let alerts = examples();
        assert_eq!(alerts[0].key(), "creditd/creditd/1043");
        assert_eq!((alerts[0].account(), alerts[0].sequence()), ("studio.north", 3));
        assert_eq!(alerts[0].era(), 1);
        let restored = EXAMPLES[0].replace("\"creditd/creditd\"", "\"creditd/creditd/60134400\"");
        let restored = Alert::read(restored.as_bytes()).unwrap();
        assert_eq!(restored.era(), 60_134_400);
        assert_eq!(alerts[1].account(), "pool:group");
        assert_eq!(alerts[2].event.data.severity, None);
        assert_eq!(alerts[3].event.data.rules[0].subjects, Some(2));
    }

    #[test]
    fn members_that_are_not_known_are_ignored_and_other_versions_refused() {
        let read = |body: String| Alert::read(body.as_bytes());
        let more = EXAMPLES[0].replacen("\"change\"", "\"colour\": {\"red\": 1}, \"change\"", 1);
        assert_eq!(read(more).unwrap().event.data.change, "raised");
        let later = read(EXAMPLES[0].replace("credits.alert.v1", "credits.alert.v2")).unwrap_err();
        assert!(later.contains("credits.alert.v2"), "{later}");
        assert!(read(EXAMPLES[0].replace("\"sequence\": 3", "\"sequence\": 0")).is_err());
        assert!(read("hello".to_owned()).is_err());
        assert!(Alert::read(&[0xff]).is_err());
    }
}
