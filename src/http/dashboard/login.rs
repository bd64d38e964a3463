//! The page to sign in.

use axum::http::StatusCode;
use axum::response::Response;
use maud::html;

use super::layout::Page;
use super::wall::WallClock;

/// The page to sign in by a token, with what was wrong with the last one, and where to go on to then.
pub(super) fn page(problem: Option<&str>, next: Option<&str>, wall: WallClock) -> Response {
    let body = html! {
        div.login {
            h1 { "Sign in" }
            p.lead { "With the access token that you were given. It shows you what it was made for, and nothing else." }
            form.card method="post" action="/login" {
                @if let Some(next) = next { input name="next" type="hidden" value=(next); }
                // Managers of passwords keep a password for somebody, and a token has nobody's name.
                input name="username" type="text" autocomplete="username" value="creditd" hidden;
                label for="token" { "Access token" }
                p.aside id="token-hint" { "It begins with " code { "creditd_" } ", and all of it counts." }
                input id="token" name="token" type="password" required autocomplete="current-password" autocapitalize="none"
                    spellcheck="false" autofocus aria-invalid=[problem.map(|_| "true")]
                    aria-describedby=(if problem.is_some() { "token-wrong token-hint" } else { "token-hint" });
                @if let Some(problem) = problem { p.wrong id="token-wrong" role="alert" { (problem) } }
                button type="submit" { "Sign in" }
            }
            p.aside { "Whoever runs creditd makes tokens with " code { "creditd token new" } "." }
        }
    };
    let status = if problem.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
    Page::still("Sign in", body, wall).answer(status, None)
}
