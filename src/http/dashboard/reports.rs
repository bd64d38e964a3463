//! What is to be taken along: the usage report of a stretch of days.

use maud::{Markup, html};

use super::links;
use crate::ledger::moment::Timestamp;

/// Buttons that download the usage report of the days between two dates, this month's where nothing is changed.
pub(super) fn downloads(account: &str, now: Timestamp) -> Markup {
    let today = now.to_offset_date_time().date();
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
        }
    }
}
