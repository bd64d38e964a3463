//! The OpenAPI document, made from the types of the endpoints.

use axum::http::HeaderName;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use crate::contract::published::text::join_lines;
use crate::http::problem::{self, Details};

/// The version of OpenAPI.
const OPENAPI: &str = "3.1.0";
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

const ABOUT: &str = "\
What creditd's ledger says, to be read. Nothing is changed by it: what changes the books are messages and commands.

- **Each answer is one moment of the ledger.** The header `Creditd-Log-Number` says which: the last number of its
  log. Two answers with the same number go together.
- **Lists** come in pages: `limit` items at most, and where `next` isn't null, more follow; give it as `after`.
- **ETag**: give it back in `If-None-Match`, and an answer that is still the same is 304 and has no body. The tag of
  an account begins with the sequence of its last entry.
- **Who may ask**: on loopback without tokens anybody; else `Authorization: Bearer TOKEN`. A token has a scope: all,
  an organization or an account. What is outside of it is answered as what does not exist.
- **Problems** are told by RFC 9457, whatever the status.
- Credits are whole numbers, times are RFC 3339 in UTC. Ids may have a slash, which is `%2F` in a path. Ignore
  members that you don't know.";

/// The last number of the ledger's log when the answer was true.
pub(in crate::http) const LOG_NUMBER: HeaderName = HeaderName::from_static("creditd-log-number");

/// The words of an endpoint.
pub(super) struct About {
    /// A name for programs that are made from the document.
    pub(super) id: &'static str,
    /// What it answers, in a few words.
    pub(super) summary: &'static str,
    /// What else is to be known.
    pub(super) description: &'static str,
}

/// What is said of an endpoint.
pub(in crate::http) struct Operation {
    method: &'static str,
    path: &'static str,
    about: About,
    /// Whether it is written as it is read, so that nobody knows a tag of it beforehand.
    is_download: bool,
    describe: Box<dyn Fn(&mut Schemas) -> Described + Send + Sync>,
}

/// Where the schemas of named types come from. What is read may lack more than what is written.
struct Schemas {
    read: SchemaGenerator,
    written: SchemaGenerator,
}

impl Schemas {
    fn new() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        Self { read: settings.clone().into_generator(), written: settings.for_serialize().into_generator() }
    }

    /// All named types that were met.
    fn take(mut self) -> Map<String, Value> {
        let mut all = self.written.take_definitions(true);
        for (name, schema) in self.read.take_definitions(true) {
            let other = all.insert(name.clone(), schema.clone());
            // One name in the document can mean but one thing.
            assert!(
                other.is_none_or(|other| other == schema),
                "{name} is read and written in different ways"
            );
        }
        all
    }
}

/// What the types of an endpoint say.
struct Described {
    path: Schema,
    query: Option<Schema>,
    body: Option<Schema>,
    /// Media types and the schemas of what is in them.
    answers: Vec<(&'static str, Schema)>,
}

impl Operation {
    /// An endpoint that is asked by its path and its query, and answers in JSON.
    pub(super) fn reading<P: JsonSchema, Q: JsonSchema, A: JsonSchema>(
        method: &'static str,
        path: &'static str,
        about: About,
    ) -> Self {
        let describe = |schemas: &mut Schemas| Described {
            path: P::json_schema(&mut schemas.read),
            query: Some(Q::json_schema(&mut schemas.read)),
            body: None,
            answers: vec![("application/json", schemas.written.subschema_for::<A>())],
        };
        Self { method, path, about, is_download: false, describe: Box::new(describe) }
    }

    /// An endpoint that is asked by a body.
    pub(super) fn asking<P: JsonSchema, B: JsonSchema, A: JsonSchema>(
        method: &'static str,
        path: &'static str,
        about: About,
    ) -> Self {
        let describe = |schemas: &mut Schemas| Described {
            path: P::json_schema(&mut schemas.read),
            query: None,
            body: Some(schemas.read.subschema_for::<B>()),
            answers: vec![("application/json", schemas.written.subschema_for::<A>())],
        };
        Self { method, path, about, is_download: false, describe: Box::new(describe) }
    }

    /// An endpoint that answers with a document in another media type.
    pub(super) fn writing<P: JsonSchema, Q: JsonSchema, A: JsonSchema>(
        path: &'static str,
        media_type: &'static str,
        about: About,
    ) -> Self {
        let describe = move |schemas: &mut Schemas| Described {
            path: P::json_schema(&mut schemas.read),
            query: Some(Q::json_schema(&mut schemas.read)),
            body: None,
            answers: vec![(media_type, schemas.written.subschema_for::<A>())],
        };
        Self { method: "get", path, about, is_download: true, describe: Box::new(describe) }
    }

    fn document(&self, schemas: &mut Schemas) -> Value {
        let described = (self.describe)(schemas);
        let mut parameters = parameters("path", &described.path);
        parameters.extend(described.query.iter().flat_map(|query| self::parameters("query", query)));
        let mut responses = Map::new();
        let mut headers = json!({
            LOG_NUMBER.as_str(): {
                "description": "Which moment of the ledger this is: the last number of its log.",
                "schema": {"type": "integer", "minimum": 0},
            },
        });
        if !self.is_download {
            headers["ETag"] = json!({"description": "Which answer this is.", "schema": {"type": "string"}});
        }
        responses.insert(
            "200".into(),
            json!({
                "description": self.about.summary,
                "headers": headers,
                "content": described.answers.into_iter().map(|(media_type, schema)| {
                    (media_type.to_owned(), json!({"schema": schema}))
                }).collect::<Map<_, _>>(),
            }),
        );
        if self.method == "get" && !self.is_download {
            responses.insert("304".into(), json!({"description": "The answer that `If-None-Match` names."}));
        }
        for (status, name) in PROBLEMS {
            responses.insert((*status).into(), json!({"$ref": format!("#/components/responses/{name}")}));
        }
        let mut operation = json!({
            "operationId": self.about.id,
            "summary": self.about.summary,
            "description": self.about.description.replace('\n', " "),
            "parameters": parameters,
            "responses": responses,
        });
        if let Some(body) = described.body {
            operation["requestBody"] =
                json!({"required": true, "content": {"application/json": {"schema": body}}});
        }
        operation
    }
}

/// The problems that each endpoint may tell.
const PROBLEMS: &[(&str, &str)] = &[
    ("400", "BadRequest"),
    ("401", "Unauthorized"),
    ("403", "OutOfScope"),
    ("404", "Unknown"),
    ("422", "Refused"),
    ("503", "Unavailable"),
    ("default", "Other"),
];

/// The members of an object's schema as parameters.
fn parameters(place: &str, schema: &Schema) -> Vec<Value> {
    let Some(members) = schema.get("properties").and_then(Value::as_object) else { return Vec::new() };
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let parameter = |(name, member): (&String, &Value)| {
        let mut member = member.clone();
        let description = member.as_object_mut().and_then(|member| member.remove("description"));
        // A parameter is there or not: it is never null.
        if let Some(types) = member.get_mut("type").filter(|types| types.is_array()) {
            *types =
                types.as_array().and_then(|types| types.iter().find(|one| *one != "null")).cloned().into();
        }
        if let Some(choices) = member.get("anyOf").and_then(Value::as_array) {
            let choice = choices.iter().find(|choice| choice["type"] != "null").cloned();
            member = choice.unwrap_or(member);
        }
        json!({
            "name": name,
            "in": place,
            "required": place == "path" || required.iter().any(|one| one == name),
            "description": description,
            "schema": member,
        })
    };
    members.iter().map(parameter).collect()
}

/// The document.
pub(super) fn document(operations: &[Operation]) -> Value {
    let mut schemas = Schemas::new();
    let mut paths = Map::new();
    for operation in operations {
        let methods = paths.entry(operation.path).or_insert_with(|| json!({}));
        methods[operation.method] = operation.document(&mut schemas);
    }
    let problem = schemas.written.subschema_for::<Details>();
    let mut document = json!({
        "openapi": OPENAPI,
        "jsonSchemaDialect": DIALECT,
        "info": {
            "title": "creditd",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "security": [{"bearer": []}, {}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token from `creditd token new`. Not needed where the port listens on loopback and no tokens are configured.",
                },
            },
            "responses": responses(&problem),
            "schemas": schemas.take(),
        },
    });
    join_lines(&mut document["components"]["schemas"]);
    join_lines(&mut document["paths"]);
    document
}

fn responses(problem: &Schema) -> Value {
    let said = |description: &str| json!({"description": description, "content": {problem::CONTENT_TYPE: {"schema": problem}}});
    json!({
        "BadRequest": said("The request says something that can't be."),
        "Unauthorized": said("No token, or none that counts."),
        "OutOfScope": said("It belongs to the whole ledger, and the token sees a part of it."),
        "Unknown": said("There is no such thing, or not for who asks."),
        "Refused": said("What is asked makes sense, and can't be said."),
        "Unavailable": said("The ledger can't be reached, or too much is asked at once; `Retry-After` says when to ask again."),
        "Other": said("Anything else that went wrong."),
    })
}
