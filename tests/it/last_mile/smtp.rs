//! A little SMTP server that keeps what is mailed by it.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::wait_until;

/// A mail as it came, with its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mail {
    pub(super) recipients: Vec<String>,
    pub(super) text: String,
}

/// A server on loopback, as long as the process lives.
#[derive(Clone)]
pub(super) struct MailServer {
    address: SocketAddr,
    mails: Arc<Mutex<Vec<Mail>>>,
    /// What it says to the next recipients, in place of yes.
    refusals: Arc<Mutex<Vec<&'static str>>>,
}

impl MailServer {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = Self { address, mails: Arc::default(), refusals: Arc::default() };
        let serving = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let serving = serving.clone();
                thread::spawn(move || serving.serve(stream));
            }
        });
        server
    }

    pub(super) fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// Refuses the next recipients in these words.
    pub(super) fn refuse(&self, mut words: Vec<&'static str>) {
        words.reverse();
        *self.refusals.lock().unwrap() = words;
    }

    /// Waits until so many mails have come, and returns them.
    pub(super) fn wait_for(&self, count: usize) -> Vec<Mail> {
        wait_until(&format!("{count} mails"), || self.mails.lock().unwrap().len() >= count);
        self.mails.lock().unwrap().clone()
    }

    /// One connection; ends with the client's.
    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut lines = BufReader::new(stream.try_clone().ok()?).lines().map_while(Result::ok);
        let mut recipients = Vec::new();
        stream.write_all(b"220 test\r\n").ok()?;
        while let Some(line) = lines.next() {
            let answer = match line.split([' ', ':']).next()? {
                "RCPT" => self.refusals.lock().unwrap().pop().unwrap_or_else(|| {
                    let address = line.split(['<', '>']).nth(1).unwrap();
                    recipients.push(address.to_owned());
                    "250 yes"
                }),
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").ok()?;
                    let text: Vec<_> = lines.by_ref().take_while(|line| line != ".").collect();
                    let mail = Mail { recipients: std::mem::take(&mut recipients), text: text.join("\n") };
                    self.mails.lock().unwrap().push(mail);
                    "250 kept"
                }
                "QUIT" => "221 bye",
                _ => "250 yes",
            };
            stream.write_all(format!("{answer}\r\n").as_bytes()).ok()?;
        }
        Some(())
    }
}
