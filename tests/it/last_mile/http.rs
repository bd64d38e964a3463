//! A little HTTP server that keeps what is posted to it and answers as a test wants it to.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use crate::support::wait_until;

/// What was posted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Post {
    /// By names in lower case.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
}

impl Post {
    pub(super) fn event(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(super) fn account(&self) -> String {
        self.event()["data"]["account_id"].as_str().unwrap().to_owned()
    }

    pub(super) fn sequence(&self) -> i64 {
        self.event()["data"]["sequence"].as_i64().unwrap()
    }

    pub(super) fn key(&self) -> &str {
        &self.headers["idempotency-key"]
    }
}

/// What the server does with a post that it has kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Answers with this status.
    Status(u16),
    /// Ends the connection without a word.
    HangUp,
    /// Never answers.
    Silence,
}

pub(super) const OK: Answer = Answer::Status(200);

type Answers = Box<dyn Fn(&Post) -> Answer + Send>;

/// A server on loopback, as long as the process lives.
#[derive(Clone)]
pub(super) struct Endpoint {
    address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    posts: Arc<Mutex<Vec<(Post, Answer)>>>,
    answers: Arc<Mutex<Answers>>,
}

impl Endpoint {
    /// A server that takes everything.
    pub(super) fn start() -> Self {
        Self::serving(None)
    }

    /// The same by TLS, as the server that these files say it is.
    pub(super) fn start_with_tls(certificate: &Path, key: &Path) -> Self {
        let certificate = CertificateDer::from_pem_file(certificate).unwrap();
        let key = PrivateKeyDer::from_pem_file(key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
        Self::serving(Some(Arc::new(config)))
    }

    fn serving(tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = Self {
            address: listener.local_addr().unwrap(),
            tls,
            posts: Arc::default(),
            answers: Arc::new(Mutex::new(Box::new(|_| OK))),
        };
        let serving = endpoint.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let serving = serving.clone();
                // A client that was killed ends the exchange where it stands.
                thread::spawn(move || match &serving.tls {
                    None => serving.serve(stream),
                    Some(tls) => {
                        let connection = ServerConnection::new(tls.clone()).unwrap();
                        serving.serve(StreamOwned::new(connection, stream))
                    }
                });
            }
        });
        endpoint
    }

    pub(super) fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/alerts?token=s3cret", self.address)
    }

    /// From now on.
    pub(super) fn answer(&self, answers: impl Fn(&Post) -> Answer + Send + 'static) {
        *self.answers.lock().unwrap() = Box::new(answers);
    }

    /// What was posted, whatever the answer.
    pub(super) fn posts(&self) -> Vec<Post> {
        self.posts.lock().unwrap().iter().map(|(post, _)| post.clone()).collect()
    }

    /// What was posted and taken: account and sequence, in their order.
    pub(super) fn taken(&self) -> Vec<(String, i64)> {
        let posts = self.posts.lock().unwrap();
        let taken = posts.iter().filter(|(_, answer)| *answer == OK);
        taken.map(|(post, _)| (post.account(), post.sequence())).collect()
    }

    /// Waits until so many were taken, and returns them.
    pub(super) fn wait_for_taken(&self, count: usize) -> Vec<(String, i64)> {
        wait_until(&format!("{count} posts are taken"), || self.taken().len() >= count);
        self.taken()
    }

    /// Waits until so much was posted, whatever the answer.
    pub(super) fn wait_for_posts(&self, count: usize) -> Vec<Post> {
        wait_until(&format!("{count} posts"), || self.posts().len() >= count);
        self.posts()
    }

    fn serve(&self, stream: impl Read + Write) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        assert_eq!(lines[0], "POST /alerts?token=s3cret HTTP/1.1");
        let header = |line: &String| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_lowercase(), value.to_owned())
        };
        let headers: BTreeMap<_, _> = lines[1..].iter().map(header).collect();
        let mut body = vec![0; headers["content-length"].parse().unwrap()];
        reader.read_exact(&mut body).ok()?;
        let post = Post { headers, body: String::from_utf8(body).unwrap() };
        let answer = self.answers.lock().unwrap()(&post);
        self.posts.lock().unwrap().push((post, answer));
        match answer {
            Answer::Status(status) => {
                let text = "said the test";
                let length = text.len();
                let head = format!("HTTP/1.1 {status} -\r\ncontent-length: {length}\r\nconnection: close");
                reader.get_mut().write_all(format!("{head}\r\n\r\n{text}").as_bytes()).ok()
            }
            Answer::HangUp => None,
            // Until the client goes.
            Answer::Silence => reader.read_to_end(&mut Vec::new()).ok().map(drop),
        }
    }
}
