//! What every page has around its content: whose view it is, ways to other pages, and when it was made.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::wall::WallClock;
use super::words::fingerprint;
use crate::access::Scope;
use crate::http::gate::Visitor;

/// A page's content.
pub(super) struct Page {
    /// What it is about, for the window's title.
    pub(super) title: String,
    /// What stands in its middle, from the heading on.
    pub(super) body: Markup,
    /// Whether it shows what may change at any time, and so is kept up to date.
    is_live: bool,
    /// When it is made, by the clocks that all of its times are told by.
    made: WallClock,
}

impl Page {
    /// A page that shows the ledger as it stands.
    pub(super) fn live(title: impl Into<String>, body: Markup, made: WallClock) -> Self {
        Self { title: title.into(), body, is_live: true, made }
    }

    /// A page that stays as it is.
    pub(super) fn still(title: impl Into<String>, body: Markup, made: WallClock) -> Self {
        Self { title: title.into(), body, is_live: false, made }
    }

    /// The page as `visitor` gets it; `None` is somebody who has not signed in.
    pub(super) fn answer(self, status: StatusCode, visitor: Option<&Visitor>) -> Response {
        let page = document(&self, visitor).into_string();
        let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
        (status, headers, page).into_response()
    }
}

fn document(page: &Page, visitor: Option<&Visitor>) -> Markup {
    // What tells one state of the content from another.
    let version = fingerprint(&page.body.0);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (page.title) " \u{00B7} creditd" }
                link rel="icon" type="image/svg+xml" href="/favicon.svg";
                link rel="stylesheet" href="/style.css";
                @if page.is_live { script src="/script.js" defer {} }
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                (top(visitor))
                main id="main" tabindex="-1" data-version=(version) { (page.body) }
                (bottom(page))
                (patterns())
            }
        }
    }
}

fn top(visitor: Option<&Visitor>) -> Markup {
    html! {
        header.top {
            div.wide {
                a.brand href="/" { (mark()) "creditd" }
                @if let Some(visitor) = visitor {
                    nav aria-label="Pages" {
                        ul {
                            li { a href="/" { (home_name(&visitor.scope)) } }
                            @if visitor.scope == Scope::All { li { a href="/prices" { "Prices" } } }
                        }
                    }
                    (who(visitor))
                }
            }
        }
    }
}

fn home_name(scope: &Scope) -> &'static str {
    match scope {
        Scope::All => "Overview",
        Scope::Organization(_) => "Organization",
        Scope::Account(_) => "Account",
    }
}

/// How far the visitor sees, and the way out where there is a session to end.
fn who(visitor: &Visitor) -> Markup {
    html! {
        div.who {
            @match &visitor.scope {
                Scope::All => {}
                Scope::Organization(id) => span { "Sees " span.id { (id) } }
                Scope::Account(id) => span { "Sees " span.id { (id) } }
            }
            @if let Some(name) = &visitor.name { span { "Signed in as " span.id { (name) } } }
            @if visitor.has_session {
                form method="post" action="/logout" { button.quiet type="submit" { "Sign out" } }
            }
        }
    }
}

/// When the page was made. Where scripts run, one adds whether it is kept up to date.
fn bottom(page: &Page) -> Markup {
    html! {
        footer.bottom {
            div.wide {
                p {
                    "Made " span id="made" { (page.made.now()) } ", all times in " (page.made.zone()) ". "
                    a id="reload" href="" { "Reload" }
                }
                @if page.is_live { p id="live" data-events="/events" {} }
            }
        }
    }
}

/// The patterns that parts of bars are drawn in, so that they differ by more than their colors. They stand outside
/// the content, which a script may exchange.
fn patterns() -> Markup {
    html! {
        svg.patterns aria-hidden="true" focusable="false" width="0" height="0" {
            defs {
                pattern id="pattern-consumed" width="6" height="6" patternUnits="userSpaceOnUse" {
                    rect.base width="6" height="6" {}
                    circle.mark cx="3" cy="3" r="1.2" {}
                }
                pattern id="pattern-over" width="6" height="6" patternUnits="userSpaceOnUse" {
                    rect.base width="6" height="6" {}
                    path.mark d="M-1 1l2-2M0 6l6-6M5 7l2-2" {}
                }
                pattern id="pattern-waiting" width="8" height="8" patternUnits="userSpaceOnUse" {
                    rect.base width="8" height="8" {}
                    path.mark d="M-1 7l2 2M0 0l8 8M7 -1l2 2" {}
                }
            }
        }
    }
}

/// The sign of the house: a bar, partly in use.
fn mark() -> Markup {
    html! {
        svg aria-hidden="true" width="22" height="22" viewBox="0 0 32 32" {
            rect.frame width="32" height="32" rx="8" {}
            rect.line x="7" y="9" width="18" height="5" rx="2.5" {}
            rect.line.short x="7" y="18" width="11" height="5" rx="2.5" {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::ids::AccountId;

    fn shown(page: &Page, visitor: Option<&Visitor>) -> String {
        document(page, visitor).into_string()
    }

    fn live(title: &str, body: Markup) -> Page {
        Page::live(title, body, WallClock::utc())
    }

    #[test]
    fn the_zone_of_all_times_is_named_once() {
        let page = shown(&live("Overview", html! {}), None);
        assert_eq!(page.matches("UTC").count(), 1, "{page}");
    }

    #[test]
    fn a_page_carries_no_style_and_no_script_of_its_own() {
        let visitor = Visitor { scope: Scope::All, name: None, has_session: true };
        let page = shown(&live("Overview", html! { h1 { "Overview" } }), Some(&visitor));
        for forbidden in [" style=", "<style", "onclick", "http:", "https:", "javascript:"] {
            assert!(!page.contains(forbidden), "{forbidden} in {page}");
        }
        assert_eq!(page.matches("<script").count(), 1);
        assert!(page.contains("<script src=\"/script.js\" defer></script>"), "{page}");
        assert!(
            !shown(&Page::still("Error", html! {}, WallClock::utc()), Some(&visitor)).contains("<script")
        );
    }

    #[test]
    fn the_version_follows_the_content_and_nothing_else() {
        let visitor = Visitor { scope: Scope::All, name: None, has_session: true };
        let version = |body: Markup, visitor: Option<&Visitor>| {
            let page = shown(&live("A page", body), visitor);
            page.split_once("data-version=\"").unwrap().1.split_once('"').unwrap().0.to_owned()
        };
        let seven = version(html! { p { "7" } }, None);
        assert_eq!(version(html! { p { "7" } }, Some(&visitor)), seven);
        assert_ne!(version(html! { p { "8" } }, None), seven);
    }

    #[test]
    fn who_sees_a_part_is_told_which_and_offered_no_more() {
        let scope = Scope::Account(AccountId::parse("studio").unwrap());
        let page = shown(&live("Studio", html! {}), Some(&Visitor { scope, name: None, has_session: false }));
        assert!(page.contains("Sees <span class=\"id\">studio</span>"), "{page}");
        assert!(!page.contains("/prices") && !page.contains("/logout"), "{page}");
    }
}
