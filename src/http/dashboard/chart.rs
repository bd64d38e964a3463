//! The history chart: what was held and consumed at the end of each day, as bars, and what there was in all, as a
//! line. Wide as its place is: across it is drawn in percent, so that its words keep their size.

use maud::{Markup, html};

use super::bar::swatch;
use super::table::{Column, table as table_of};
use super::words::number;

/// The height of the bars' ground, in pixels.
const HEIGHT: u32 = 160;
/// The room above it, for the topmost words.
const ABOVE: u32 = 18;
/// The room below it, for the days.
const BELOW: u32 = 22;
/// How many lines lie across at most, besides the ground.
const LINES_MAX: i128 = 4;
/// More bars than that touch each other.
const SPACED_MAX: usize = 100;

/// A day.
#[derive(Clone, Debug)]
pub(super) struct Point {
    /// Which, such as `2026-03-01`.
    pub(super) day: String,
    /// At its end, in credits.
    pub(super) total: i64,
    pub(super) held: i64,
    pub(super) consumed: i64,
    pub(super) available: i64,
    /// On it, in credits.
    pub(super) credited: i64,
    pub(super) debited: i64,
}

/// What a pixel of the height is worth, and where lines lie across.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scale {
    step: i128,
    top: i128,
}

impl Scale {
    /// Steps of 1, 2 or 5 times a power of ten, as few as reach the highest.
    fn reaching(highest: i128) -> Self {
        let highest = highest.max(1);
        let mut decade = 1;
        loop {
            for step in [decade, 2 * decade, 5 * decade] {
                let lines = (highest + step - 1) / step;
                if lines <= LINES_MAX {
                    return Self { step, top: lines * step };
                }
            }
            decade *= 10;
        }
    }

    /// How high so many credits are, in tenths of a pixel.
    fn height(self, credits: i128) -> u32 {
        let tenths = credits.clamp(0, self.top) * i128::from(HEIGHT) * 10 / self.top;
        u32::try_from(tenths).expect("nothing is higher than the ground")
    }

    /// How far down the line of so many credits is.
    fn y(self, credits: i128) -> String {
        tenths(ABOVE * 10 + HEIGHT * 10 - self.height(credits))
    }
}

fn tenths(value: u32) -> String {
    format!("{}.{}", value / 10, value % 10)
}

/// Where the `place`th of `count` bars begins, in percent.
fn x(place: usize, count: usize) -> String {
    let thousandths = place * 100_000 / count.max(1);
    format!("{}.{:03}%", thousandths / 1000, thousandths % 1000)
}

/// The chart, with the same figures as a table behind a press.
pub(super) fn chart(points: &[Point]) -> Markup {
    let Some((first, last)) = points.first().zip(points.last()) else {
        return html! { p.empty { "There is no history yet: nothing has moved credits here." } };
    };
    let highest = points.iter().map(|point| point.total.max(point.held.saturating_add(point.consumed)));
    let scale = Scale::reaching(highest.max().unwrap_or(0).into());
    let height = (ABOVE + HEIGHT + BELOW).to_string();
    let label = format!(
        "Credits at the end of each day from {} to {}. At the end: {} held, {} consumed, of {} in all.",
        first.day,
        last.day,
        number(last.held),
        number(last.consumed),
        number(last.total)
    );
    html! {
        figure.chart {
            svg role="img" aria-label=(label) width="100%" height=(height) {
                (ground(scale))
                @for (place, point) in points.iter().enumerate() { (column(scale, place, points.len(), point)) }
                (limits(scale, points))
                (days(points))
            }
            figcaption {
                span { (swatch("held")) "Held" }
                span { (swatch("consumed")) "Consumed" }
                span { (line_sample()) "Total" }
            }
        }
        (table(points))
    }
}

fn ground(scale: Scale) -> Markup {
    let lines = (0..=scale.top / scale.step).map(|line| line * scale.step);
    html! {
        @for credits in lines {
            line.grid x1="0" x2="100%" y1=(scale.y(credits)) y2=(scale.y(credits)) {}
            @if credits > 0 {
                text.scale x="2" y=(scale.y(credits)) dy="-4" { (number(i64::try_from(credits).unwrap_or(i64::MAX))) }
            }
        }
    }
}

fn column(scale: Scale, place: usize, count: usize, point: &Point) -> Markup {
    let Point { day, total, held, consumed, .. } = point;
    let (held, consumed) = (i128::from(*held.max(&0)), i128::from(*consumed.max(&0)));
    let width = x(1, count);
    let class = if count > SPACED_MAX { "column" } else { "column spaced" };
    let said = format!(
        "{day}: {} held, {} consumed, {} in all",
        number(point.held),
        number(point.consumed),
        number(*total)
    );
    html! {
        g class=(class) {
            title { (said) }
            rect.touch x=(x(place, count)) y=(ABOVE) width=(width) height=(HEIGHT) {}
            @if consumed > 0 {
                rect.consumed x=(x(place, count)) width=(width) y=(scale.y(consumed)) height=(tenths(scale.height(consumed))) {}
            }
            @if held > 0 {
                rect.held x=(x(place, count)) width=(width) y=(scale.y(held + consumed))
                    height=(tenths(scale.height(held + consumed) - scale.height(consumed))) {}
            }
        }
    }
}

/// The line of what there was in all: level through each day, and upright where it changed.
fn limits(scale: Scale, points: &[Point]) -> Markup {
    let count = points.len();
    html! {
        @for (place, point) in points.iter().enumerate() {
            @let y = scale.y(point.total.into());
            line.total x1=(x(place, count)) x2=(x(place + 1, count)) y1=(y) y2=(y) {}
            @if let Some(before) = place.checked_sub(1).map(|before| &points[before]).filter(|before| before.total != point.total) {
                line.total x1=(x(place, count)) x2=(x(place, count)) y1=(scale.y(before.total.into())) y2=(y) {}
            }
        }
    }
}

/// The first day, the last, and the one between.
fn days(points: &[Point]) -> Markup {
    let y = ABOVE + HEIGHT + BELOW - 6;
    let middle = points.len() / 2;
    html! {
        text.day x="0" y=(y) { (points[0].day) }
        @if points.len() > 2 {
            text.day.middle x=(x(2 * middle + 1, 2 * points.len())) y=(y) { (points[middle].day) }
        }
        @if points.len() > 1 {
            text.day.end x="100%" y=(y) { (points[points.len() - 1].day) }
        }
    }
}

fn line_sample() -> Markup {
    html! {
        svg.swatch aria-hidden="true" width="12" height="12" { line.total x1="0" x2="12" y1="6" y2="6" {} }
    }
}

/// The same figures, the last day first.
fn table(points: &[Point]) -> Markup {
    let names = ["Credited", "Debited", "Held", "Consumed", "Total", "Available"];
    let columns: Vec<_> = [Column::Text("Day")].into_iter().chain(names.map(Column::Number)).collect();
    let rows = html! {
        @for point in points.iter().rev() {
            tr {
                th scope="row" { (point.day) }
                @for credits in [point.credited, point.debited, point.held, point.consumed, point.total, point.available] {
                    td.number { (number(credits)) }
                }
            }
        }
    };
    let caption = "Credits by day: what moved on it, and how the account stood at its end";
    html! {
        details id="history-figures" {
            summary { "The same figures as a table" }
            (table_of("Credits by day", caption, &columns, &rows))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(day: &str, total: i64, held: i64, consumed: i64) -> Point {
        let available = total - held - consumed;
        Point { day: day.to_owned(), total, held, consumed, available, credited: 0, debited: 0 }
    }

    #[test]
    fn lines_across_lie_at_round_numbers_and_reach_the_highest() {
        let reached = |highest| (Scale::reaching(highest).step, Scale::reaching(highest).top);
        assert_eq!(reached(0), (1, 1));
        assert_eq!(reached(4), (1, 4));
        assert_eq!(reached(5), (2, 6));
        assert_eq!(reached(880), (500, 1000));
        assert_eq!(reached(100), (50, 100));
        let (step, top) = reached(8_000_000_000_000_000_000);
        assert!(top >= 8_000_000_000_000_000_000 && top / step <= LINES_MAX);
    }

    #[test]
    fn half_of_the_top_is_half_of_the_height() {
        let scale = Scale::reaching(1000);
        assert_eq!(scale.height(500), HEIGHT * 5);
        assert_eq!(scale.y(1000), "18.0");
        assert_eq!(scale.y(0), "178.0");
        assert_eq!(scale.height(-3), 0, "what is below the ground lies on it");
    }

    #[test]
    fn bars_share_the_width_and_the_table_says_the_same() {
        let shown = chart(&[point("2026-03-01", 100, 20, 0), point("2026-03-02", 100, 60, 10)]).into_string();
        assert!(shown.contains("x=\"50.000%\" width=\"50.000%\""), "{shown}");
        assert!(shown.contains("2026-03-02: 60 held, 10 consumed, 100 in all"));
        assert!(shown.contains("<td class=\"number\">60</td>"));
    }

    #[test]
    fn no_day_is_no_chart() {
        assert!(chart(&[]).into_string().contains("no history yet"));
    }
}
