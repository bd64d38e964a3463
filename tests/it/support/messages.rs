//! Messages as upstream sends them.

use serde_json::{Value, json};
use time::{Date, OffsetDateTime};

/// A message for the inbound exchange, in structured mode unless it was made otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) routing_key: String,
    pub(crate) content_type: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// The day by this machine's clock.
pub(crate) fn today() -> Date {
    OffsetDateTime::now_utc().date()
}

/// A CloudEvent of `message_type` (with its version) from `/test`.
pub(crate) fn message(id: &str, message_type: &str, data: &Value) -> Message {
    let event = json!({
        "specversion": "1.0",
        "id": id,
        "source": "/test",
        "type": message_type,
        "time": format!("{}T00:00:00Z", today()),
        "datacontenttype": "application/json",
        "data": data,
    });
    Message {
        routing_key: message_type.trim_end_matches(".v1").to_owned(),
        content_type: "application/cloudevents+json".to_owned(),
        headers: Vec::new(),
        body: event.to_string().into_bytes(),
    }
}

impl Message {
    /// An account that recycles, or whatever `data` says besides.
    pub(crate) fn account(id: &str, account: &str, revision: i64, data: Value) -> Self {
        let base = json!({ "account_id": account, "revision": revision });
        message(id, "account.changed.v1", &merged(base, data))
    }

    /// An organization with a pool.
    pub(crate) fn organization(id: &str, organization: &str, revision: i64, capacity: i64) -> Self {
        let data = json!({ "organization_id": organization, "revision": revision, "capacity": capacity });
        message(id, "organization.changed.v1", &data)
    }

    /// A project in a status.
    pub(crate) fn project(
        id: &str,
        project: &str,
        account: &str,
        revision: i64,
        status: &str,
        credits: i64,
    ) -> Self {
        let data = json!({
            "project_id": project, "account_id": account, "revision": revision, "status": status,
            "credits": credits,
        });
        message(id, "project.status_changed.v1", &data)
    }

    /// Credits given.
    pub(crate) fn grant(id: &str, account: &str, credits: i64) -> Self {
        message(id, "credits.granted.v1", &json!({ "account_id": account, "credits": credits }))
    }

    /// Bytes that upstream should not have sent.
    pub(crate) fn raw(routing_key: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            routing_key: routing_key.to_owned(),
            content_type: "application/cloudevents+json".to_owned(),
            headers: Vec::new(),
            body: body.into(),
        }
    }
}

fn merged(base: Value, more: Value) -> Value {
    let (Value::Object(mut base), Value::Object(more)) = (base, more) else {
        panic!("data are objects");
    };
    base.extend(more);
    Value::Object(base)
}
