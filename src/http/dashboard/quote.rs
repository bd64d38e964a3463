//! A brief quoted before it is started: a form whose answer has an address that can be passed on.

use std::collections::BTreeMap;

use maud::{Markup, html};
use url::form_urlencoded;

use super::layout::Page;
use super::names::Subject;
use super::table::{Column, table};
use super::wall::WallClock;
use super::words::{counted, number, plain, said, size};
use super::{links, prices, waiting};
use crate::http::api::{Brief, Piece, QUANTITY_MAX};
use crate::http::problem::Problem;
use crate::ledger::credits::Credits;
use crate::report::quote::{Quote, QuotedAlert, Verdict};
use crate::report::{AccountRow, Prices, ReadError, Reading};

/// What a field's name begins with that says how many pieces of a type; the type follows.
const PIECES: &str = "pieces:";
/// The name of the field that says credits.
const CREDITS: &str = "credits";

/// What was typed into the form, and what is wrong with it.
#[derive(Debug, Default)]
struct Form {
    /// How many pieces, by type.
    pieces: BTreeMap<String, String>,
    credits: String,
    /// What is wrong, by the field's name.
    wrong: BTreeMap<String, String>,
}

impl Form {
    fn read(query: &str) -> Self {
        let mut form = Form::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = value.trim().to_owned();
            if value.is_empty() {
                continue;
            }
            match name.strip_prefix(PIECES) {
                Some(of) => drop(form.pieces.insert(of.to_owned(), value)),
                None if name == CREDITS => form.credits = value,
                None => {}
            }
        }
        form
    }

    /// What is to be quoted, if anything is and all of it can be read. What can't be is noted.
    fn brief(&mut self) -> Option<Brief> {
        let mut deliverables = Vec::new();
        for (of, typed) in &self.pieces {
            match in_range(typed, 0, QUANTITY_MAX) {
                Ok(0) => {}
                Ok(quantity) => deliverables.push(Piece { piece_type: of.clone(), quantity }),
                Err(wrong) => drop(self.wrong.insert(format!("{PIECES}{of}"), wrong)),
            }
        }
        let mut credits = None;
        if !self.credits.is_empty() {
            match in_range(&self.credits, 0, Credits::AMOUNT_MAX.0) {
                Ok(number) => credits = Some(number),
                Err(wrong) => drop(self.wrong.insert(CREDITS.to_owned(), wrong)),
            }
        }
        if credits.is_some() && !deliverables.is_empty() {
            let both = "either pieces or credits can be quoted, not both: empty this field or those above";
            self.wrong.insert(CREDITS.to_owned(), both.to_owned());
        }
        let is_something = credits.is_some() || !deliverables.is_empty();
        let deliverables = Some(deliverables).filter(|pieces| !pieces.is_empty());
        (is_something && self.wrong.is_empty()).then_some(Brief { deliverables, credits })
    }
}

fn in_range(typed: &str, least: i64, most: i64) -> Result<i64, String> {
    let typed = typed.replace([',', ' '], "").parse().ok();
    let expected = || format!("a whole number from {} to {} is expected here", number(least), number(most));
    typed.filter(|typed| (least..=most).contains(typed)).ok_or_else(expected)
}

/// The form, and the answer where something was asked.
pub(super) async fn page(reading: &mut Reading, id: &str, query: &str) -> Result<Page, Problem> {
    let account = reading.account(id).await?;
    let subject = Subject::read(reading, &account).await?;
    let prices = reading.prices_of_account(id).await?;
    let mut form = Form::read(query);
    let asked = form.brief();
    let answer = match asked.map(Brief::price) {
        None => None,
        Some(Err(wrong)) => Some(Err(wrong)),
        Some(Ok(price)) => match reading.quote(id, &price).await {
            Ok(quote) => Some(Ok(quote)),
            Err(ReadError::Refused(why)) => Some(Err(why)),
            Err(error) => return Err(error.into()),
        },
    };
    let body = html! {
        (subject.path_below())
        h1 { "Quote a brief" }
        p.lead { "What it would cost, and whether it would start at once. Nothing is booked or reserved by asking." }
        div.columns.quote {
            (fields(&form, &prices, id))
            (answered(answer.as_ref(), &account, &form))
        }
    };
    Ok(Page::still("Quote a brief", body, WallClock::read(reading).await?))
}

fn fields(form: &Form, prices: &Prices, id: &str) -> Markup {
    let in_force = prices::in_force(prices);
    let unlisted = form.pieces.keys().filter(|of| !in_force.contains_key(of.as_str()));
    let all: Vec<_> = in_force
        .iter()
        .map(|(of, price)| (*of, Some(price.credits)))
        .chain(unlisted.map(|of| (of.as_str(), None)))
        .collect();
    html! {
        form.card method="get" action=(format!("{}#answer", links::quote(id))) {
            @if !all.is_empty() {
                fieldset {
                    legend { "How many pieces" }
                    @for (place, (of, credits)) in all.iter().enumerate() {
                        @let price = credits.map_or_else(|| "no price".to_owned(), |credits| format!("{} each", number(credits)));
                        @let typed = form.pieces.get(*of).map_or("", String::as_str);
                        (field(form, &format!("pieces-{place}"), &format!("{PIECES}{of}"), of, &price, typed))
                    }
                }
            }
            fieldset {
                legend { (if all.is_empty() { "Credits" } else { "Or credits, where no list prices it" }) }
                (field(form, CREDITS, CREDITS, "Credits", "", &form.credits))
            }
            button type="submit" { "Quote" }
        }
    }
}

fn field(form: &Form, id: &str, name: &str, label: &str, aside: &str, typed: &str) -> Markup {
    let wrong = form.wrong.get(name);
    let wrong_id = format!("{id}-wrong");
    html! {
        div.field.line {
            label for=(id) { (said(label)) @if !aside.is_empty() { span.aside { (aside) } } }
            input id=(id) name=(name) inputmode="numeric" autocomplete="off" maxlength="20" value=(typed)
                aria-invalid=[wrong.map(|_| "true")] aria-describedby=[wrong.map(|_| wrong_id.as_str())];
            @if let Some(wrong) = wrong { p.wrong id=(wrong_id) { (wrong) } }
        }
    }
}

fn answered(answer: Option<&Result<Quote, String>>, account: &AccountRow, form: &Form) -> Markup {
    html! {
        section.card.answer id="answer" tabindex="-1" aria-labelledby="answer-heading" {
            h2 id="answer-heading" { "Answer" }
            @match answer {
                Some(Ok(quote)) => (quoted(quote)),
                Some(Err(why)) => p.wrong role="alert" { (plain(why)) }
                None if !form.wrong.is_empty() => p.wrong role="alert" { "Some fields can\u{2019}t be read; each says what it expects." }
                None => {
                    p.empty { "Say what is to be made, and it is told here what that costs and whether it would start." }
                    (left(account))
                }
            }
        }
    }
}

/// What there is to spend, as the account's own page says it.
fn left(account: &AccountRow) -> Markup {
    html! {
        @if account.available < 0 {
            p { "The account is " (counted(account.available.saturating_neg(), "credit")) " over its limit." }
        } @else {
            p { "The account has " (counted(account.available, "credit")) " left." }
        }
        @if account.pool_is_tighter() {
            p {
                "Only " strong { (number(account.max_usable.unwrap_or(0))) }
                " of them can be used now: the pool has no more."
            }
        }
    }
}

fn quoted(quote: &Quote) -> Markup {
    html! {
        p.figure {
            @match quote.credits {
                Some(credits) => { strong class=[size(credits.0)] { (number(credits.0)) } span { "credits" } }
                None => { strong { "?" } span { "no price is known" } }
            }
        }
        (verdict(&quote.verdict))
        (lines(quote))
        dl.facts {
            div { dt { "Available" } dd { (number(quote.available.0)) } }
            @if quote.usable != quote.available.or_zero() { div { dt { "Usable now" } dd { (number(quote.usable.0)) } } }
        }
        (raised(&quote.alerts))
    }
}

fn verdict(verdict: &Verdict) -> Markup {
    html! {
        @match verdict {
            Verdict::Start => p.verdict.good { strong { "It would start at once." } }
            Verdict::Wait { claim, unblocking } => {
                p.verdict.wait {
                    strong { "It would wait" @if let Some(place) = claim.position { ", as number " (number(place)) " in the queue" } "." }
                }
                p { (waiting::obstacle(claim.aside.as_ref(), claim.shortfall.as_ref())) }
                h3 { "What would unblock it" }
                @match unblocking {
                    Some(by) => p { (waiting::unblocking(by)) "." }
                    None => p { "The queue is too long to say." }
                }
            }
            Verdict::BeRefused { claim } => {
                p.verdict.bad { strong { "It would be refused." } }
                p { (waiting::refusal(claim.reason, claim.aside.as_ref(), claim.shortfall.as_ref())) }
            }
            Verdict::BeUnpriced { types } => {
                p.verdict.wait { strong { "It would hold nothing, for no list prices all of it." } }
                p { "Without a price: " @for (place, of) in types.iter().enumerate() { @if place > 0 { ", " } (said(of)) } "." }
            }
        }
    }
}

fn lines(quote: &Quote) -> Markup {
    let columns =
        [Column::Text("Type"), Column::Number("Pieces"), Column::Number("Each"), Column::Number("Credits")];
    let rows = html! {
        @for line in &quote.lines {
            tr {
                th scope="row" { (said(&line.deliverable_type)) }
                td.number { (number(line.quantity)) }
                td.number { @match line.each { Some(each) => (number(each.0)), None => "no price" } }
                td.number { @match line.credits { Some(credits) => (number(credits)), None => "\u{2013}" } }
            }
        }
    };
    html! { @if !quote.lines.is_empty() { (table("Price by line", "Price by line", &columns, &rows)) } }
}

fn raised(alerts: &[QuotedAlert]) -> Markup {
    let raising: Vec<_> = alerts.iter().filter(|alert| !alert.raises.is_empty()).collect();
    html! {
        @if raising.is_empty() {
            p.aside { "It would raise no alert." }
        } @else {
            h3 { "Alerts that it would raise" }
            ul.lines {
                @for alert in raising {
                    li {
                        span.id { (alert.account_id) }
                        span.aside { @for (place, rule) in alert.raises.iter().enumerate() { @if place > 0 { ", " } (super::attention::rule(rule)) } }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_told_from_what_was_left_empty() {
        let mut form = Form::read("pieces:video=2&pieces:photo=&pieces:3D+film=1%2C000&credits=");
        let brief = form.brief().unwrap();
        let pieces: Vec<_> =
            brief.deliverables.unwrap().into_iter().map(|piece| (piece.piece_type, piece.quantity)).collect();
        assert_eq!(pieces, [("3D film".to_owned(), 1000), ("video".to_owned(), 2)]);
        assert_eq!(brief.credits, None);
    }

    #[test]
    fn what_is_wrong_is_told_beside_its_field_and_nothing_is_asked() {
        let mut form = Form::read("pieces:video=two&pieces:photo=1");
        assert!(form.brief().is_none());
        assert!(form.wrong["pieces:video"].contains("a whole number from 0 to 1,000,000"), "{form:?}");
        let mut both = Form::read("pieces:photo=1&credits=5");
        assert!(both.brief().is_none());
        assert!(both.wrong[CREDITS].contains("not both"), "{both:?}");
    }

    #[test]
    fn an_empty_form_asks_nothing_and_is_not_wrong() {
        let mut form = Form::read("pieces:video=&credits=");
        assert!(form.brief().is_none() && form.wrong.is_empty());
        assert!(Form::read("pieces:video=0").brief().is_none());
    }
}
