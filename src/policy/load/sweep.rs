//! Compiles a sweep: its timetable, its population, and its rule for who is due.

use chrono::{NaiveTime, TimeDelta, Timelike as _, Weekday};

use super::chain::Build;
use super::reading::Reading as _;
use crate::model::SubjectKind;
use crate::policy::choices::DAYS;
use crate::policy::diagnostic::{Diagnostic, Place, nearest};
use crate::policy::schedule::{self, Rule, Timetable};
use crate::policy::schema::{self, FieldType};
use crate::policy::script::{Condition, Look};
use crate::policy::source::Node;
use crate::policy::tree::{Due, DueField, IfEmpty, IfMissed, Sweep};

/// Reads the value of `sweep:`. None: it has an error, which is reported.
pub fn read(node: &Node, schedule: String, build: &mut Build<'_>) -> Option<Sweep> {
    let condition = node.condition("where").map(|source| build.condition(&source)).unwrap_or_default();
    reads_only_listed_fields(&condition, build);
    subject(node, build);
    let due = node.get("due").map(|due| read_due(due, build));
    let spread = node.get("spread");
    if let Some(spread) = spread {
        build.elapsed(spread);
        if due.is_none() {
            let message = "`spread:` needs a due date, and this sweep has no `due:`";
            let help = "remove it, or add `due:`";
            build.report(Diagnostic::error(spread.place.clone(), "spread", message).help(help));
        }
    }
    let timetable = timetable(node, build)?;
    let spread = node.span("spread").and_then(|spread| spread.elapsed());
    Some(Sweep {
        schedule,
        condition,
        due: match due {
            Some(due) => Some(due?),
            None => None,
        },
        timetable,
        spread: spread.unwrap_or(TimeDelta::zero()),
        at_most: node.number("at_most"),
        if_missed: node.text_of("if_missed").and_then(IfMissed::of_word).unwrap_or(IfMissed::RunOnce),
        place: node.place.clone(),
    })
}

fn subject(node: &Node, build: &mut Build<'_>) {
    let Some(subject) = build.subject.filter(|subject| *subject != SubjectKind::User) else { return };
    let message = format!("a sweep covers users; this policy is about a {subject}");
    let help = "move it to another policy with subject: user";
    build.report(Diagnostic::error(node.place.clone(), "other-subject", message).help(help));
}

/// Checks that clauses use only fields that lists of users contain. Other fields would be empty, and a clause about
/// them would silently leave out people.
fn reads_only_listed_fields(condition: &Condition, build: &mut Build<'_>) {
    for Look { root, field, place } in condition.looks() {
        let what = match (root.as_str(), field.as_deref()) {
            ("event", _) => "a sweep has no event".to_owned(),
            ("user", Some("manager")) => "lists of users do not contain managers".to_owned(),
            ("user", None) => {
                "lists of users do not contain whole users; `where:` must name fields".to_owned()
            }
            _ => continue,
        };
        let help = match root.as_str() {
            "event" => "remove it",
            _ => "move the clause to the policy's `if:`, which reads the whole record",
        };
        build.report(Diagnostic::error(place, "where", what).help(help));
    }
}

fn read_due(node: &Node, build: &mut Build<'_>) -> Option<Due> {
    if let Some(plus) = node.get("plus") {
        build.elapsed(plus);
    }
    if node.get("if_empty").is_none() {
        let message = "people whose field is empty are never due";
        let help = "write if_empty: never, or if_empty: now";
        build.report(Diagnostic::warning(node.place.clone(), "if-empty", message).help(help));
    }
    let field = node.get("field").and_then(|field| due_field(field, build));
    Some(Due {
        field: field?,
        plus: node.span("plus")?.elapsed()?,
        if_empty: node.text_of("if_empty").and_then(IfEmpty::of_word).unwrap_or(IfEmpty::Never),
    })
}

fn due_field(node: &Node, build: &mut Build<'_>) -> Option<DueField> {
    let path = node.text()?;
    let name = path.strip_prefix("user.");
    if let Some(attribute) = name.and_then(|name| name.strip_prefix("attributes.")) {
        return Some(DueField::Attribute(attribute.to_owned()));
    }
    let times = schema::USER.iter().filter(|field| field.kind == FieldType::Time).map(|field| field.name);
    let times: Vec<_> = times.map(|name| format!("user.{name}")).collect();
    if times.iter().any(|time| time == path) {
        return name.map(|name| DueField::Field(name.to_owned()));
    }
    let near = nearest(path, times.iter().map(String::as_str));
    let help = format!("{near}; custom fields are user.attributes.NAME");
    let message = format!("`{path}` is not a time of a user");
    build.report(Diagnostic::error(node.place.clone(), "due-field", message).help(help));
    None
}

/// Reads the timetable; keys that do not belong together are reported.
fn timetable(node: &Node, build: &mut Build<'_>) -> Option<Timetable> {
    let (run, cron) = (node.get("run"), node.get("cron"));
    let zone = node.text_of("timezone").and_then(|zone| zone.parse().ok());
    let rule = match (run, cron) {
        (Some(_), None) => rule(node, build),
        (None, Some(line)) => {
            beside(node, &["at", "on"], "with `cron:`", build);
            match line.text().map(schedule::parse)? {
                Ok(line) => Some(Rule::Cron(line)),
                Err(why) => {
                    build.report(Diagnostic::error(line.place.clone(), "cron", why));
                    None
                }
            }
        }
        (Some(_), Some(_)) | (None, None) => {
            let message = "a sweep has either `run:` (with `at:` and `timezone:`) or `cron:`";
            let help = "write for example run: daily, at: \"02:00\", timezone: Europe/Berlin";
            build.report(Diagnostic::error(node.place.clone(), "sweep", message).help(help));
            None
        }
    }?;
    Some(Timetable { rule, zone: zone.unwrap_or(chrono_tz::UTC) })
}

fn rule(node: &Node, build: &mut Build<'_>) -> Option<Rule> {
    let run = node.text_of("run")?;
    let at = node.text_of("at").and_then(|at| NaiveTime::parse_from_str(at, "%H:%M").ok());
    if run == "hourly" {
        beside(node, &["on"], "with an hourly run", build);
        if let (Some(time), Some(place)) = (at.filter(|at| at.hour() != 0), node.get("at")) {
            let message = "`at:` of an hourly run has a minute only";
            let help = format!("write \"00:{:02}\"", time.minute());
            build.report(Diagnostic::error(place.place.clone(), "sweep", message).help(help));
        }
        return Some(Rule::Hourly { minute: at.map_or(0, |at| at.minute()) });
    }
    for (key, example) in [("at", "at: \"02:00\""), ("timezone", "timezone: Europe/Berlin")] {
        if node.get(key).is_none() {
            let message = format!("a {run} run needs `{key}:`");
            let help = format!("write for example {example}");
            build.report(Diagnostic::error(node.place.clone(), "sweep", message).help(help));
        }
    }
    let on = node.get("on");
    match run {
        "daily" => {
            beside(node, &["on"], "with a daily run", build);
            Some(Rule::Daily { at: at? })
        }
        "weekly" => {
            let day = on.and_then(Node::text).and_then(weekday);
            if day.is_none() {
                let place = on.map_or(&node.place, |on| &on.place);
                which_day(place, "a weekly run needs a day", "on: mon, to on: sun", build);
            }
            Some(Rule::Weekly { on: day?, at: at? })
        }
        "monthly" => {
            let day = on.and_then(Node::text).and_then(|on| match on {
                "last" => Some(31),
                number => number.parse().ok().filter(|day| (1..=31).contains(day)),
            });
            if day.is_none() {
                let place = on.map_or(&node.place, |on| &on.place);
                which_day(place, "a monthly run needs a day", "on: 1, to on: 31, or on: last", build);
            }
            Some(Rule::Monthly { on: day?, at: at? })
        }
        _ => None,
    }
}

fn which_day(place: &Place, message: &str, help: &str, build: &mut Build<'_>) {
    build.report(Diagnostic::error(place.clone(), "sweep", message).help(format!("write {help}")));
}

/// Reports keys that have no effect there.
fn beside(node: &Node, keys: &[&str], there: &str, build: &mut Build<'_>) {
    for (key, _) in keys.iter().filter_map(|key| node.entry(key)) {
        let message = format!("`{}:` does not work {there}", key.name);
        build.report(Diagnostic::error(key.place.clone(), "sweep", message).help("remove it"));
    }
}

fn weekday(word: &str) -> Option<Weekday> {
    let number = DAYS.iter().position(|day| *day == word)?;
    Weekday::try_from(u8::try_from(number).ok()?).ok()
}
