//! The words of a mail: what happened, whom to turn to, and what it takes to act.

use super::alert::{Alert, Balance, Cause, Contact, Data, Event, Hold, Queued, Rule};

/// One line: how urgent, about whom, and what is left.
pub(crate) fn subject(alert: &Alert) -> String {
    let Data { account_id, change, severity, balance, .. } = &alert.event.data;
    let urgency = match change.as_str() {
        "test" => "test",
        _ => severity.as_deref().unwrap_or("resolved"),
    };
    let Balance { total, available, .. } = balance;
    one_line(&format!("[{urgency}] {account_id}: {available} of {total} credits available"))
}

/// The text. No line of it comes from an event's line breaks.
pub(crate) fn body(alert: &Alert) -> String {
    let Event { id, source, time, data, .. } = &alert.event;
    let Balance { total, held, consumed, available } = data.balance;
    let Cause { source: from, id: cause, message_type } = &data.cause;
    let of_organization =
        data.organization_id.as_ref().map(|organization| format!(" (organization {organization})"));
    let mut lines = vec![
        format!("{}: {}", data.account_id, headline(data)),
        String::new(),
        format!("Account      {}{}", data.account_id, of_organization.unwrap_or_default()),
        format!("Turn to      {}", contact(&data.contact)),
        format!("Balance      {available} of {total} credits available; {held} held, {consumed} consumed"),
        format!("Waiting      {}", waiting(data.queued)),
    ];
    section(&mut lines, "Raised", data.rules.iter().map(rule));
    let resolved = data.resolved.iter();
    section(&mut lines, "No longer raised", resolved.map(|rule| format!("{} ({})", rule.name, rule.reason)));
    section(&mut lines, "Largest holds", data.largest_holds.iter().map(hold));
    section(&mut lines, "Closest to being finalized", data.closest_to_settling.iter().map(hold));
    lines.extend([
        String::new(),
        format!("Brought about by {message_type} {cause} of {from}, at {time}."),
        format!("Event {id} of {source}, alert {} of this account.", data.sequence),
    ]);
    lines.iter().map(|line| one_line(line) + "\n").collect()
}

fn section(lines: &mut Vec<String>, title: &str, items: impl Iterator<Item = String>) {
    let items: Vec<_> = items.map(|item| format!("  {item}")).collect();
    if items.is_empty() {
        return;
    }
    lines.extend([String::new(), title.to_owned()]);
    lines.extend(items);
}

fn headline(data: &Data) -> &'static str {
    match data.change.as_str() {
        "raised" => "an alert was raised",
        "resolved" => "all is well again, and nothing is raised any more",
        "escalated" => "it became more urgent",
        "eased" => "it became less urgent",
        "updated" => "other rules are raised, or other projects concerned, than before",
        "test" => "somebody tried whether alerts arrive, and nothing has happened",
        _ => "what is raised has changed",
    }
}

fn contact(contact: &Contact) -> String {
    let role = contact.role.replace('_', " ");
    match &contact.contact {
        Some(who) => format!("{who} ({role})"),
        None => format!("the {role}; nobody is named"),
    }
}

fn waiting(queued: Queued) -> String {
    let Queued { projects, credits } = queued;
    match projects {
        0 => "nothing".to_owned(),
        1 => format!("one project, for {credits} credits"),
        _ => format!("{projects} projects, for {credits} credits"),
    }
}

fn rule(rule: &Rule) -> String {
    let Rule { name, measure, level, severity, since, subjects } = rule;
    let about = match measure.as_str() {
        "available_percent" => format!("at most {level} % of the credits available"),
        "available_credits" => format!("at most {level} credits available"),
        "queued_projects" => "projects wait for credits".to_owned(),
        "credits_over_promised" => "more was promised of the pool than it has".to_owned(),
        "stale_holds" => format!("{} projects hold credits for too long", subjects.unwrap_or(0)),
        "expiring_grants" => format!("{} grants are about to expire", subjects.unwrap_or(0)),
        other => other.to_owned(),
    };
    format!("{severity}: {name}, {about}, since {since}")
}

fn hold(hold: &Hold) -> String {
    let Hold { project_id, name, status, held } = hold;
    let name = name.as_ref().map(|name| format!(" \"{name}\"")).unwrap_or_default();
    let status = status.as_deref().unwrap_or("no status");
    format!("{held} credits: {project_id}{name}, {status}")
}

/// Control characters, line breaks among them, become spaces.
fn one_line(text: &str) -> String {
    let is_break = |letter: char| letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}');
    text.chars().map(|letter| if is_break(letter) { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::alert::tests::examples;
    use super::*;

    #[test]
    fn a_mail_says_what_happened_whom_to_turn_to_and_what_can_be_done() {
        let expected = "\
studio.north: an alert was raised

Account      studio.north
Turn to      kim@example.com (account manager)
Balance      30 of 100 credits available; 65 held, 5 consumed
Waiting      one project, for 40 credits

Raised
  warning: low, at most 30 % of the credits available, since 2026-03-01T12:00:00.000001Z

No longer raised
  few (recovered)

Largest holds
  65 credits: p-1 \"Summer\", started

Closest to being finalized
  65 credits: p-1 \"Summer\", started

Brought about by project.status_changed.v1 m-1 of projects, at 2026-03-01T12:00:00.000001Z.
Event 1043 of creditd/creditd, alert 3 of this account.
";
        assert_eq!(body(&examples()[0]), expected);
    }

    #[test]
    fn the_subject_tells_a_resolved_alert_and_a_test_from_one_to_act_on() {
        let mut alerts = examples();
        assert_eq!(subject(&alerts[0]), "[warning] studio.north: 30 of 100 credits available");
        assert_eq!(subject(&alerts[2]), "[resolved] studio.north: 55 of 100 credits available");
        assert!(!body(&alerts[2]).contains("\nRaised"));
        alerts[0].event.data.change = "test".to_owned();
        assert_eq!(subject(&alerts[0]), "[test] studio.north: 30 of 100 credits available");
        assert!(body(&alerts[3]).contains("hold_stale, 2 projects hold credits for too long"));
        assert!(body(&alerts[1]).contains("more was promised of the pool than it has"));
    }
}
