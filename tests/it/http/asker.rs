//! Somebody who asks over HTTP.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::support::Daemon;

/// Only ends a test that would never pass.
const PATIENCE: Duration = Duration::from_mins(5);

/// Somebody who asks a daemon, with a token or without.
pub(super) struct Asker {
    runtime: Runtime,
    client: Client,
    pub(super) base: String,
    token: Option<String>,
}

/// What was answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Asker {
    pub(super) fn of(daemon: &Daemon) -> Self {
        Self::at(&daemon.http_address())
    }

    pub(super) fn at(base: &str) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // Connections that are kept would be closed by the port without the runtime, which rests between two
        // questions, taking notice.
        let client = Client::builder()
            .redirect(Policy::none())
            .timeout(PATIENCE)
            .no_proxy()
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        Self { runtime, client, base: base.to_owned(), token: None }
    }

    /// The same with a token.
    pub(super) fn with(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..Self::at(&self.base) }
    }

    pub(super) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], None)
    }

    /// What is answered in JSON; it must be.
    pub(super) fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, &[("content-type", "application/json")], Some(&body.to_string()))
    }

    pub(super) fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Answer {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let mut more = HeaderMap::new();
        for (name, value) in headers {
            more.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        for (name, value) in &more {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.body(body.to_owned());
        }
        self.runtime.block_on(async {
            let response = request.send().await.unwrap_or_else(|error| panic!("{path}: {error:?}"));
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            Answer { status, headers, body: response.bytes().await.unwrap().to_vec() }
        })
    }

    /// A connection to say anything over.
    pub(super) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.base.trim_start_matches("http://")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// What comes back, until the connection ends, for bytes that need not be HTTP.
    pub(super) fn say(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        // Whoever is cut off while speaking may still have been answered.
        stream.write_all(bytes).ok();
        read_to_end(&mut stream)
    }
}

/// What comes on a connection until it ends, in whichever way.
pub(super) fn read_to_end(stream: &mut TcpStream) -> String {
    let mut told = Vec::new();
    if let Err(error) = stream.read_to_end(&mut told) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{}", String::from_utf8_lossy(&told));
    }
    String::from_utf8_lossy(&told).into_owned()
}

impl Answer {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// A header that must be there.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers)).to_str().unwrap()
    }

    /// The detail of problem details with this status (RFC 9457).
    pub(super) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let told = self.json();
        assert_eq!(told["status"], status, "{told}");
        assert!(told["type"].as_str().unwrap().starts_with("urn:creditd:problem:"), "{told}");
        assert!(!told["title"].as_str().unwrap().is_empty(), "{told}");
        let detail = told["detail"].as_str().unwrap().to_owned();
        assert!(!detail.is_empty() && !detail.ends_with('.'), "{told}");
        detail
    }
}
