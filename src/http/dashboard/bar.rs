//! The usage bar: where an account's credits are, and what waits beyond them. Drawn in percent of its own width, so
//! that it is as sharp on a phone as on a wall.

use maud::{Markup, html};

use super::words::{counted, number};
use crate::report::AccountRow;

/// What waits is drawn no longer than all that there is, or little would be left to be seen of that.
const WAITING_SHARE_MAX: i128 = 1;

/// What a bar shows, in credits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    pub(super) total: i64,
    pub(super) held: i64,
    pub(super) consumed: i64,
    pub(super) available: i64,
    pub(super) waiting: i64,
}

impl From<&AccountRow> for Usage {
    fn from(account: &AccountRow) -> Self {
        let AccountRow { total, held, consumed, available, queued, .. } = account;
        Self {
            total: *total,
            held: *held,
            consumed: *consumed,
            available: *available,
            waiting: queued.credits.0,
        }
    }
}

/// A part of the bar, in hundredths of a percent of its width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    class: &'static str,
    x: u32,
    width: u32,
}

/// All of the width.
const WHOLE: i128 = 10_000;

/// The parts of a bar, and where the limit is if it isn't at the end.
fn segments(usage: Usage) -> (Vec<Segment>, Option<u32>) {
    let Usage { total, held, consumed, waiting, .. } = usage;
    let [total, held, consumed, waiting] =
        [total, held, consumed, waiting].map(|part| i128::from(part.max(0)));
    let used = held + consumed;
    let all = total.max(used);
    let waiting = if all == 0 { waiting } else { waiting.min(all * WAITING_SHARE_MAX) };
    let width = (all + waiting).max(1);
    let place =
        |credits: i128| u32::try_from(credits * WHOLE / width).expect("no part is wider than the whole");
    let part =
        |class, from: i128, to: i128| Segment { class, x: place(from), width: place(to) - place(from) };
    let parts = [
        part("consumed", 0, consumed),
        part("held", consumed, used),
        part("over", total.min(used), used),
        part("available", used, all),
        part("waiting", all, all + waiting),
    ];
    let limit = Some(place(total)).filter(|_| total < all + waiting);
    (parts.into_iter().filter(|part| part.width > 0).collect(), limit)
}

fn percent(hundredths: u32) -> String {
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

/// What the bar shows, in a sentence.
fn sentence(usage: Usage) -> String {
    let mut parts = vec![format!("{} held", number(usage.held))];
    if usage.consumed != 0 {
        parts.push(format!("{} consumed", number(usage.consumed)));
    }
    parts.push(match usage.available {
        over if over < 0 => format!("over limit by {}", number(-over)),
        left => format!("{} available", number(left)),
    });
    let waiting = match usage.waiting {
        0 => String::new(),
        waiting => format!(" Beyond that, {} waited for.", counted(waiting, "credit")),
    };
    format!("Of {}: {}.{waiting}", counted(usage.total, "credit"), parts.join(", "))
}

/// The bar alone.
pub(super) fn bar(usage: Usage) -> Markup {
    let (parts, limit) = segments(usage);
    html! {
        svg.bar role="img" aria-label=(sentence(usage)) width="100%" height="100%" {
            rect.ground width="100%" height="100%" {}
            @for Segment { class, x, width } in &parts {
                rect class=(class) x=(percent(*x)) width=(percent(*width)) height="100%" {}
            }
            @if let Some(limit) = limit {
                line.limit x1=(percent(limit)) x2=(percent(limit)) y1="0" y2="100%" {}
            }
        }
    }
}

/// The bar with its figures below it, each beside the pattern that it is drawn in.
pub(super) fn bar_with_figures(usage: Usage) -> Markup {
    let over = (-usage.available).max(0);
    html! {
        div.usage {
            (bar(usage))
            dl.figures {
                (figure("held", "Held by projects", usage.held))
                @if usage.consumed != 0 { (figure("consumed", "Consumed", usage.consumed)) }
                @if over > 0 {
                    (figure("over", "Over limit", over))
                } @else {
                    (figure("available", "Available", usage.available))
                }
                @if usage.waiting > 0 { (figure("waiting", "Waited for", usage.waiting)) }
                (figure("none", "Total", usage.total))
            }
        }
    }
}

fn figure(class: &str, name: &str, credits: i64) -> Markup {
    html! {
        div {
            dt {
                @if class != "none" { (swatch(class)) }
                (name)
            }
            dd { (number(credits)) }
        }
    }
}

/// A small sample of what something is drawn in.
pub(super) fn swatch(class: &str) -> Markup {
    html! {
        svg.swatch aria-hidden="true" width="12" height="12" { rect class=(class) width="12" height="12" {} }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(total: i64, held: i64, consumed: i64, waiting: i64) -> Usage {
        Usage { total, held, consumed, available: total - held - consumed, waiting }
    }

    fn drawn(usage: Usage) -> Vec<(&'static str, u32, u32)> {
        segments(usage).0.into_iter().map(|part| (part.class, part.x, part.width)).collect()
    }

    #[test]
    fn what_is_used_and_what_is_left_fill_the_bar() {
        let whole = usage(200, 50, 20, 0);
        assert_eq!(drawn(whole), [("consumed", 0, 1000), ("held", 1000, 2500), ("available", 3500, 6500)]);
        assert_eq!(segments(whole).1, None, "the limit is the end");
    }

    #[test]
    fn what_is_beyond_the_limit_is_drawn_over_what_holds_it() {
        let over = usage(100, 200, 0, 0);
        assert_eq!(drawn(over), [("held", 0, 10000), ("over", 5000, 5000)]);
        assert_eq!(segments(over).1, Some(5000));
        assert!(bar(over).into_string().contains("over limit by 100"));
    }

    #[test]
    fn what_waits_lies_beyond_and_never_crowds_the_rest_out() {
        assert_eq!(drawn(usage(100, 100, 0, 100_000)), [("held", 0, 5000), ("waiting", 5000, 5000)]);
        assert_eq!(drawn(usage(0, 0, 0, 7)), [("waiting", 0, 10000)]);
        assert_eq!(drawn(usage(0, 0, 0, 0)), []);
        assert_eq!(drawn(usage(-5, 3, 0, 0)), [("held", 0, 10000), ("over", 0, 10000)]);
    }

    #[test]
    fn the_largest_balances_can_be_drawn() {
        let large = 4_000_000_000_000_000_000;
        let parts = drawn(usage(large, large, large, large));
        assert!(parts.iter().all(|(_, x, width)| x + width <= 10_000), "{parts:?}");
    }
}
