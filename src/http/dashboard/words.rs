//! Numbers and strangers' texts as people read them.

use maud::{Markup, html};
use sha2::{Digest, Sha256};

/// What fits a phone in large digits.
const LARGE_CHARS: usize = 11;

/// A number with its thousands apart, and a minus sign that is told from a dash.
pub(super) fn number(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::from(if value < 0 { "\u{2212}" } else { "" });
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The class of a number that stands large: the longest take less room a digit.
pub(super) fn size(value: i64) -> Option<&'static str> {
    (number(value).chars().count() > LARGE_CHARS).then_some("long")
}

/// A number of things: `1 project`, `2 projects`.
pub(super) fn counted(count: i64, one: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {one}{plural}", number(count))
}

/// A text that a stranger wrote. It can't reach beyond itself: what turns the direction of writing or has no
/// shape of its own is replaced, and its own direction is kept inside.
pub(super) fn said(text: &str) -> Markup {
    html! { bdi { (plain(text)) } }
}

/// The same where there is no place for elements.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if is_steering(c) { '\u{FFFD}' } else { c }).collect()
}

/// Control characters, line and paragraph separators, marks of direction and such as can't be seen.
fn is_steering(c: char) -> bool {
    let is_directing =
        matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    let is_invisible =
        matches!(c, '\u{200B}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}');
    c.is_control() || is_directing || is_invisible
}

/// A name where there is one, and the id below it or in its place.
pub(super) fn named(name: Option<&str>, id: &str) -> Markup {
    html! {
        @match name.filter(|name| !name.trim().is_empty()) {
            Some(name) => { (said(name)) span.id { (id) } }
            None => { (id) }
        }
    }
}

/// A word of a program's vocabulary in letters for people: `pending_review` is `pending review`.
pub(super) fn word(text: &str) -> String {
    plain(text).replace('_', " ")
}

/// Somebody to turn to. Where an address of mail is in it, writing to it is a press away.
pub(super) fn contact(text: &str) -> Markup {
    let address = text.rsplit_once('<').map_or(text, |(_, rest)| rest).trim_end_matches('>').trim();
    html! {
        @if is_mail_address(address) {
            a href=(format!("mailto:{address}")) { (said(text)) }
        } @else {
            (said(text))
        }
    }
}

/// Only what no program that reads the link could take for more than an address.
fn is_mail_address(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "._+-".contains(c))
    };
    text.split_once('@').is_some_and(|(who, host)| is_part(who) && is_part(host) && host.contains('.'))
}

/// A few digits that tell one text from another.
pub(super) fn fingerprint(text: &str) -> String {
    let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    let (first, _) = hash.split_first_chunk().expect("a hash has more than eight bytes");
    format!("{:016x}", u64::from_be_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_apart_and_a_debt_has_its_sign() {
        let shown: Vec<_> = [0, 7, 999, 1000, -12_345, 1_000_000].into_iter().map(number).collect();
        assert_eq!(shown, ["0", "7", "999", "1,000", "\u{2212}12,345", "1,000,000"]);
        assert_eq!(number(i64::MIN), "\u{2212}9,223,372,036,854,775,808");
    }

    #[test]
    fn a_strangers_text_is_escaped_and_cannot_turn_the_line() {
        let shown = said("<b>\u{202E}evil\u{0007}\u{200B}</b> ü עברית").into_string();
        assert_eq!(shown, "<bdi>&lt;b&gt;\u{FFFD}evil\u{FFFD}\u{FFFD}&lt;/b&gt; ü עברית</bdi>");
    }

    #[test]
    fn only_a_plain_address_becomes_a_link() {
        let link = contact("Tomasz Vale <tomasz@harbourvale.example>").into_string();
        assert!(link.starts_with("<a href=\"mailto:tomasz@harbourvale.example\">"), "{link}");
        for text in ["Tomasz Vale", "a@b.example?bcc=all@b.example", "javascript:a@b", "<x@y z.example>"] {
            assert!(!contact(text).into_string().contains("href"), "{text}");
        }
    }
}
