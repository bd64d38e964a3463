//! The mistakes that upstreams make. Each becomes one message of its own, so that no project is wrong by it.

use fastrand::Rng;
use serde_json::{Value, json};
use time::Duration;

use super::{Arrival, publish};

const PER_MILLE: usize = 10;
/// More than creditd takes.
const OVERSIZE_BYTES: usize = 256 * 1024 + 1;

/// What can be wrong with a message about a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    NotJson,
    NoCloudEvent,
    MissingField,
    UnknownStatus,
    NoRevision,
    PriceAsText,
    UnknownType,
    OtherDataUnderAKnownId,
    UnknownAccount,
}

const FAULTS: [Fault; 9] = [
    Fault::NotJson,
    Fault::MissingField,
    Fault::UnknownStatus,
    Fault::NoRevision,
    Fault::PriceAsText,
    Fault::UnknownType,
    Fault::OtherDataUnderAKnownId,
    Fault::NoCloudEvent,
    Fault::UnknownAccount,
];

/// Adds faulty messages behind some of the projects' messages, every fault in its turn and an oversize one.
pub(super) fn mix_in(arrivals: &mut Vec<Arrival>, random: &mut Rng) {
    let about_projects: Vec<usize> =
        (0..arrivals.len()).filter(|index| arrivals[*index].happening.data.get("status").is_some()).collect();
    let count = arrivals.len() * PER_MILLE / 1_000;
    for number in 0..count {
        let Some(model) = random.choice(&about_projects) else { return };
        let faulty = if number == 1 {
            oversize(&arrivals[*model])
        } else {
            spoil(&arrivals[*model], FAULTS[number % FAULTS.len()], number)
        };
        arrivals.push(faulty);
    }
}

/// A message with one fault, made of a good one, that arrives a few minutes behind it.
fn spoil(model: &Arrival, fault: Fault, number: usize) -> Arrival {
    let mut happening = model.happening.clone();
    if fault != Fault::OtherDataUnderAKnownId {
        happening.id = format!("{}-x{number}", happening.id);
    }
    let data = &mut happening.data;
    match fault {
        Fault::NotJson | Fault::NoCloudEvent => {}
        Fault::MissingField => remove(data, "project_id"),
        Fault::UnknownStatus => data["status"] = json!("on_hold"),
        Fault::NoRevision => remove(data, "revision"),
        Fault::PriceAsText => data["credits"] = json!("about 80"),
        Fault::UnknownType => happening.kind = "project.archived.v1",
        Fault::OtherDataUnderAKnownId => data["name"] = json!("the same id again, by a mistake"),
        Fault::UnknownAccount => {
            data["account_id"] = json!("nobody-knows");
            data["project_id"] = json!(format!("P-LOST-{number}"));
        }
    }
    let mut envelope = happening.envelope();
    if fault == Fault::NoCloudEvent {
        remove(&mut envelope, "specversion");
    }
    let mut message = publish(happening.kind, &envelope);
    if fault == Fault::NotJson {
        message.body.truncate(message.body.len() / 2);
    }
    Arrival { at: model.at + Duration::minutes(5), message, happening }
}

fn oversize(model: &Arrival) -> Arrival {
    let mut happening = model.happening.clone();
    happening.id = format!("{}-oversize", happening.id);
    happening.data["name"] = json!("x".repeat(OVERSIZE_BYTES));
    let message = publish(happening.kind, &happening.envelope());
    Arrival { at: model.at + Duration::minutes(5), message, happening }
}

fn remove(object: &mut Value, member: &str) {
    if let Some(members) = object.as_object_mut() {
        members.remove(member);
    }
}

#[cfg(test)]
mod tests {
    use super::super::messages;
    use super::*;

    fn bodies() -> Vec<Vec<u8>> {
        messages(1, 600, super::super::END.date()).map(|message| message.body).collect()
    }

    #[test]
    fn one_message_in_a_hundred_is_faulty_in_every_way_there_is() {
        let bodies = bodies();
        let events: Vec<Value> = bodies.iter().filter_map(|body| serde_json::from_slice(body).ok()).collect();
        let count = |is_so: &dyn Fn(&Value) -> bool| events.iter().filter(|event| is_so(event)).count();
        let counts = [
            bodies.len() - events.len(),
            count(&|event| event.get("specversion").is_none()),
            count(&|event| {
                event["type"].as_str().is_some_and(|kind| kind.starts_with("project."))
                    && event["data"].get("project_id").is_none()
            }),
            count(&|event| event["data"]["status"] == "on_hold"),
            count(&|event| {
                event["data"].get("project_id").is_some() && event["data"].get("revision").is_none()
            }),
            count(&|event| event["data"]["credits"].is_string()),
            count(&|event| event["type"] == "project.archived.v1"),
            count(&|event| event["data"]["name"] == "the same id again, by a mistake"),
            count(&|event| event["data"]["account_id"] == "nobody-knows"),
        ];

        assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
        let all: usize = counts.iter().sum();
        assert!((bodies.len() / 200..=bodies.len() * 3 / 200).contains(&all), "{all} of {}", bodies.len());
    }

    #[test]
    fn exactly_one_message_is_too_large() {
        assert_eq!(bodies().iter().filter(|body| body.len() > 256 * 1024).count(), 1);
    }

    #[test]
    fn data_under_a_known_id_differs_from_what_came_first() {
        let events: Vec<Value> =
            bodies().iter().filter_map(|body| serde_json::from_slice(body).ok()).collect();
        let wrong =
            events.iter().position(|event| event["data"]["name"] == "the same id again, by a mistake");
        let wrong = wrong.unwrap();

        let first = events[..wrong].iter().find(|event| event["id"] == events[wrong]["id"]).unwrap();

        assert_ne!(first["data"], events[wrong]["data"]);
    }
}
