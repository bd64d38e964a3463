//! What is to be taken along: the usage report of a stretch of days.

use maud::{Markup, html};

use super::links;
use super::wall::WallClock;

/// Buttons that download the usage report of the days between two dates, this month's where nothing is changed.
pub(super) fn downloads(account: &str, wall: &WallClock) -> Markup {
    let today = wall.today();
    let first = today.replace_day(1).unwrap_or(today);
    html! {
        section.card id="reports" aria-labelledby="reports-heading" {
            h2 id="reports-heading" { "Usage report" }
            p { "Every entry of these days, with its project, what it moved and what was left." }
            form.download method="get" action=(links::usage_report(account, "csv")) {
                div.field {
                    label for="report-from" { "From" }
                    input id="report-from" name="from" type="date" value=(first) required;
                }
                div.field {
                    label for="report-to" { "To, that day included" }
                    input id="report-to" name="to" type="date" value=(today) required;
                }
                div.row {
                    button type="submit" { "Download CSV" }
                    button.quiet type="submit" formaction=(links::usage_report(account, "json")) { "Download JSON" }
                }
            }
            h3 { "Statement" }
            (statement_form(account, &this_month(wall), None))
        }
    }
}

/// The present month.
pub(super) fn this_month(wall: &WallClock) -> String {
    let today = wall.today();
    format!("{:04}-{:02}", today.year(), u8::from(today.month()))
}

/// The form that asks for the statement of a month, with what is wrong with the one that was typed.
pub(super) fn statement_form(account: &str, month: &str, wrong: Option<&str>) -> Markup {
    html! {
        form.download method="get" action=(links::statement(account)) {
            div.field {
                label for="statement-month" { "Month" }
                input id="statement-month" name="month" type="month" value=(month) required pattern="[0-9]{4}-[0-9]{2}"
                    placeholder="2026-03" aria-invalid=[wrong.map(|_| "true")]
                    aria-describedby=[wrong.map(|_| "statement-wrong")];
                @if let Some(wrong) = wrong { p.wrong id="statement-wrong" { (wrong) } }
            }
            button.quiet type="submit" { "Show the statement" }
        }
    }
}
