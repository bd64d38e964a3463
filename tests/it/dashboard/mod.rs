//! The pages as a browser gets them: over HTTP, from a daemon on real servers.

mod forms;
mod live;
mod pages;
mod projects;
mod scopes;
mod times;

use std::sync::OnceLock;

use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use serde_json::json;

use crate::support::{Daemon, Message, World, blocking, message};

/// What a browser asks for.
const PAGE: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

/// An answer, read to its end.
struct Page {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Page {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("{name} in {:?}", self.headers)).to_str().unwrap()
    }

    /// Where it leads on to.
    fn location(&self) -> &str {
        assert!(self.status.is_redirection(), "{}: {}", self.status, self.text);
        self.headers[LOCATION].to_str().unwrap()
    }

    /// The part of it between an element with this id and the end of the section.
    fn section(&self, id: &str) -> &str {
        let begin = self.text.find(&format!(" id=\"{id}\""));
        let begin = begin.unwrap_or_else(|| panic!("a section {id} in {}", self.text));
        let end = self.text[begin..].find("</section>").unwrap();
        &self.text[begin..begin + end]
    }
}

fn client() -> &'static Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    CLIENT.get_or_init(|| {
        // reqwest comes without cryptography of its own choosing. This fails only where some is installed already.
        rustls::crypto::ring::default_provider().install_default().ok();
        // Each test has a runtime of its own, which a connection must not outlive.
        Client::builder().redirect(Policy::none()).pool_max_idle_per_host(0).build().unwrap()
    })
}

async fn read(answer: Response) -> Page {
    let (status, headers) = (answer.status(), answer.headers().clone());
    Page { status, headers, text: answer.text().await.unwrap() }
}

/// A page of a daemon, whatever its status.
fn page(daemon: &Daemon, path: &str) -> Page {
    page_with(daemon, path, &[])
}

/// The same, asked with these headers too.
fn page_with(daemon: &Daemon, path: &str, headers: &[(&str, &str)]) -> Page {
    let url = format!("{}{path}", daemon.http_address());
    let mut asked = HeaderMap::new();
    asked.insert(ACCEPT, HeaderValue::from_static(PAGE));
    for (name, value) in headers {
        asked.insert(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
    }
    blocking(async { read(client().get(url).headers(asked).send().await.unwrap()).await })
}

/// A page that must be there.
fn shown(daemon: &Daemon, path: &str) -> String {
    let page = page(daemon, path);
    assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text);
    page.text
}

/// An organization whose pool of 100 is in use and waited for, an account with a slash in its id that has a share of
/// it, and a standalone account over limit; and prices.
fn agency(world: &World) -> Daemon {
    let daemon = world.daemon();
    let organization = json!({
        "organization_id": "agency", "revision": 1, "capacity": 100, "name": "Agency <b>",
        "contact": "Ada Admin <ada@agency.example>",
    });
    let named = json!({
        "project_id": "P-1", "account_id": "agency/film", "revision": 1, "status": "in_progress", "credits": 90,
        "name": "Spring & \u{202E}<script>alert(1)</script>",
    });
    world.publish(&[
        message("o", "organization.changed.v1", &organization),
        Message::account(
            "a",
            "agency/film",
            1,
            json!({
                "kind": "integrated", "organization_id": "agency", "allocation": 95, "name": "Agency Film",
            }),
        ),
        Message::account("s", "studio", 1, json!({ "capacity": 10, "contact": "Max" })),
        message("l", "price_list.changed.v1", &json!({ "prices": { "photo": 5, "3D film": 40 } })),
        message("p1", "project.status_changed.v1", &named),
        Message::project("p2", "P-2", "agency/film", 1, "started", 8),
        message(
            "c",
            "asset.created.v1",
            &json!({ "account_id": "studio", "asset_type": "photo", "credits": 12, "quantity": 3 }),
        ),
    ]);
    world.wait_for_messages(&["o", "a", "s", "l", "p1", "p2", "c"]);
    daemon
}
