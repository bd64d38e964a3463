//! `creditd bench`: how fast this machine is.

use std::num::NonZeroU32;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::CommandError;
use super::output::{Column, print, print_json, table};
use super::sandbox::interruption;
use crate::bench::{self, Mode, Plan, Report, Speed, Step};

/// What `creditd bench --help` ends with.
const ABOUT: &str = "\
It starts a PostgreSQL and a RabbitMQ of its own, which sync what they confirm, and are gone afterwards. After each
measurement the books are held against what was sent: where they are wrong no figure is told, and it exits with 1.
Ratios are of one run, since machines are noisy: hot and aged also run what they are compared with.

The messages: 1,000 accounts in 50 organizations and 200 on their own, the n-th busiest as often as 1/n; projects of
six messages, one of which holds, one in three amends, and one releases; 5 % come twice, 5 % late, 0.1 % can't be used.

aged and start fill a ledger with 10,000,000 entries first, which takes many minutes and some 10 GB below the
system's temporary directory (TMPDIR).";

#[derive(Args)]
#[command(after_long_help = ABOUT)]
pub(super) struct BenchArgs {
    /// What to measure [default: ledger null drain hot paced, which take three and a half minutes].
    #[arg(value_name = "MODE", value_enum)]
    modes: Vec<Mode>,
    /// How many messages; paced goes by --rate and --seconds.
    #[arg(long, value_name = "COUNT", default_value_t = 200_000, value_parser = messages)]
    messages: usize,
    /// Other messages; the same seed gives the same again.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// paced: how many messages in a second.
    #[arg(long, value_name = "COUNT", default_value = "500", value_parser = rate)]
    rate: NonZeroU32,
    /// paced: for how long, after a warm-up of two seconds that doesn't count.
    #[arg(long, value_name = "COUNT", default_value = "30", value_parser = seconds)]
    seconds: NonZeroU32,
    #[arg(long, hide = true, value_name = "COUNT", default_value_t = 10_000_000, value_parser = messages)]
    aged_entries: usize,
    #[arg(long, hide = true, value_name = "COUNT", default_value_t = 1_000_000, value_parser = messages)]
    aged_projects: usize,
    #[arg(long, hide = true, value_name = "COUNT", default_value_t = 1_000_000, value_parser = messages)]
    queued_messages: usize,
}

/// The most messages of a lot: each is kept in memory, with what is to come of it.
const COUNT_MAX: usize = 20_000_000;

fn messages(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..=COUNT_MAX) => Ok(count),
        _ => Err(format!("expected a number from 1 to {COUNT_MAX}")),
    }
}

/// The highest rate: several times what the servers allow.
const RATE_MAX: u32 = 100_000;
/// The longest time at a rate: an hour.
const SECONDS_MAX: u32 = 3_600;

fn rate(text: &str) -> Result<NonZeroU32, String> {
    between_one_and(RATE_MAX, text)
}

fn seconds(text: &str) -> Result<NonZeroU32, String> {
    between_one_and(SECONDS_MAX, text)
}

fn between_one_and(most: u32, text: &str) -> Result<NonZeroU32, String> {
    let number = text.parse().ok().filter(|number: &NonZeroU32| number.get() <= most);
    number.ok_or_else(|| format!("expected a number from 1 to {most}"))
}

pub(super) fn run(args: BenchArgs, json: bool) -> Result<(), CommandError> {
    let executable = std::env::current_exe()
        .map_err(|error| CommandError::System { what: "finding the running creditd", error })?;
    let interrupted =
        interruption().map_err(|error| CommandError::System { what: "listening to signals", error })?;
    let plan = Plan {
        modes: if args.modes.is_empty() { Mode::QUICK.to_vec() } else { args.modes },
        messages: args.messages,
        seed: args.seed,
        rate_per_second: args.rate,
        paced_seconds: args.seconds,
        aged_entries: args.aged_entries,
        aged_projects: args.aged_projects,
        queued_messages: args.queued_messages,
    };
    if plan.paced_messages() > COUNT_MAX {
        let what = "--rate and --seconds together make more than 20,000,000 messages";
        return Err(CommandError::Usage(format!("{what}; lower one of them")));
    }
    // Hidden by itself where standard error is no terminal.
    let bar = ProgressBar::no_length();
    let measured = bench::run(&executable, &plan, &interrupted, &|step| show_step(&bar, step));
    bar.finish_and_clear();
    let report = measured?;
    match json {
        true => print_json(&report),
        false => print(&as_table(&report)),
    }
}

fn show_step(bar: &ProgressBar, Step { mode, doing, done, of }: Step) {
    let template = match of {
        0 => "{msg}",
        _ => "{msg} {bar:40} {pos} of {len}",
    };
    bar.set_style(ProgressStyle::with_template(template).expect("the templates are constants"));
    bar.set_length(u64::try_from(of).unwrap_or(u64::MAX));
    bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
    bar.set_message(format!("{mode}: {doing}"));
}

fn as_table(report: &Report) -> String {
    let columns =
        [Column::Left("MEASURED"), Column::Right("FIGURE"), Column::Left("UNIT"), Column::Left("COMPARED")];
    let mut rows = Vec::new();
    let mut row = |what: &str, figure: String, unit: &str, compared: String| {
        rows.push(vec![what.to_owned(), figure, unit.to_owned(), compared]);
    };
    let speeds = [
        ("ledger: from memory to the commit", report.ledger, None, ""),
        ("null: RabbitMQ alone", report.null, None, ""),
        ("drain: from the queue to the last event", report.drain, report.drain_over_null, "null"),
        ("hot: one account", report.hot_account, report.hot_account_over_drain, "drain"),
        ("hot: one pool", report.hot_pool, report.hot_pool_over_drain, "drain"),
    ];
    for (what, speed, over, other) in speeds {
        if let Some(Speed { per_second }) = speed {
            row(what, speed_text(per_second), MESSAGES_PER_SECOND, compared(over, other));
        }
    }
    if let Some(aged) = &report.aged {
        let on = |what: &str| format!("aged: {what}, {} entries", grouped(&aged.entries.to_string()));
        let (ledger, drain) = (aged.ledger_per_second, aged.drain_per_second);
        let over = compared(aged.ledger_over_fresh, "ledger");
        row(&on("ledger"), speed_text(ledger), MESSAGES_PER_SECOND, over);
        row(&on("drain"), speed_text(drain), MESSAGES_PER_SECOND, compared(aged.drain_over_fresh, "drain"));
    }
    if let Some(paced) = &report.paced {
        let latencies = [
            ("commit", paced.commit_ms, paced.bare_message_ms),
            ("event", paced.event_ms, paced.bare_event_ms),
        ];
        for (what, with, bare) in latencies {
            let percentiles =
                [("p50", with.p50, bare.p50), ("p99", with.p99, bare.p99), ("p99.9", with.p999, bare.p999)];
            for (name, ms, bare_ms) in percentiles {
                let what = format!("paced: {}/s, publish to {what}, {name}", paced.rate_per_second);
                row(&what, format!("{ms:.2}"), "ms", format!("{bare_ms:.2} without creditd"));
            }
        }
    }
    if let Some(start) = &report.start {
        let what = format!("start: to ready, {} projects", grouped(&start.projects.to_string()));
        let connecting = format!("connecting alone takes {:.0} ms", start.servers_ms);
        row(&what, format!("{:.0}", start.ready_ms), "ms", connecting);
    }
    if let Some(queued) = &report.queued {
        let what = format!("queued: memory, {} messages", grouped(&queued.messages.to_string()));
        row(&what, format!("{:.1}", queued.rss_mib_max), "MiB", String::new());
    }
    if let Some(resident_mib) = report.daemon_rss_mib_max {
        row("the daemon's memory at most", format!("{resident_mib:.1}"), "MiB", String::new());
    }
    table(&columns, rows)
}

const MESSAGES_PER_SECOND: &str = "messages/s";

fn compared(over: Option<f64>, other: &str) -> String {
    over.map(|over| format!("{over:.2} of {other}")).unwrap_or_default()
}

fn speed_text(per_second: f64) -> String {
    grouped(&format!("{per_second:.0}"))
}

/// A number's digits, its thousands apart.
fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        for (digits, text) in [("7", "7"), ("123", "123"), ("1234", "1,234"), ("10000000", "10,000,000")] {
            assert_eq!(grouped(digits), text);
        }
    }
}
