//! Checks a tree against the tables: unknown and missing keys, wrong kinds, and values that YAML readers interpret
//! differently. Every error is reported; the loader then reads the tree leniently.

use std::str::FromStr as _;

use super::kind::{Key, Kind, Shape};
use super::policy::TRIGGER;
use super::renamed::former;
use super::span;
use super::verbs::{Outcomes, STEP_KEYS, VerbRule, step_verb, verb, verbs};
use crate::model::{Span, Vocabulary};
use crate::policy::diagnostic::{Diagnostic, Place, nearest};
use crate::policy::schema;
use crate::policy::source::{self, Data, Node, Scalar};

/// Reports everything in the tree that does not match the shape.
pub fn check(node: &Node, shape: &'static Shape, words: &Vocabulary, diagnostics: &mut Vec<Diagnostic>) {
    Check { words, diagnostics }.kind(node, &Kind::Shape(shape), "this file");
}

/// Words that a YAML 1.1 reader takes for true or false.
const BOOLEANS: &[&str] = &["yes", "no", "on", "off", "y", "n", "true", "false"];

/// The term for clauses in an error.
const CONDITION: &str = "a condition";

/// The code for valid input that is not executed yet.
const NOT_YET: &str = "not-yet";

/// Returns the number of errors in one value, without reporting them.
pub fn mistakes(node: &Node, kind: &Kind, words: &Vocabulary) -> usize {
    let mut diagnostics = Vec::new();
    Check { words, diagnostics: &mut diagnostics }.kind(node, kind, "this");
    diagnostics.len()
}

/// Returns the diagnostics for language features in a value that this version does not execute.
pub fn not_yet(node: &Node, kind: &Kind, words: &Vocabulary) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    Check { words, diagnostics: &mut diagnostics }.kind(node, kind, "this");
    diagnostics.retain(|mistake| mistake.code == NOT_YET);
    diagnostics
}

struct Check<'a> {
    words: &'a Vocabulary,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Check<'_> {
    fn error(&mut self, place: &Place, code: &'static str, message: String, help: impl Into<String>) {
        self.diagnostics.push(Diagnostic::error(place.clone(), code, message).help(help));
    }

    fn kind(&mut self, node: &Node, kind: &Kind, what: &str) {
        match (kind, &node.data) {
            (Kind::Any, _) => self.any(node),
            (Kind::Condition, _) => self.condition(node),
            (Kind::Shape(shape), Data::Map(entries)) => self.keys(node, entries, shape.keys, shape.what),
            (Kind::Trigger, Data::Map(entries)) => self.trigger(node, entries),
            (Kind::MapOf(of), Data::Map(entries)) => {
                for (key, value) in entries {
                    self.name(&key.name, &key.place, of);
                    self.kind(value, of, &format!("`{}`", key.name));
                }
            }
            (Kind::Steps, Data::List(items)) if !items.is_empty() => {
                for item in items {
                    self.step(item);
                }
            }
            (Kind::List(of), Data::List(items)) if !items.is_empty() => {
                for item in items {
                    self.kind(item, of, &format!("an item of {what}"));
                }
            }
            (Kind::OneOrMany(of), Data::List(items)) if !items.is_empty() => {
                for item in items {
                    self.kind(item, of, &format!("an item of {what}"));
                }
            }
            (Kind::List(_) | Kind::Steps | Kind::OneOrMany(_), Data::List(_)) => {
                // An empty list of names is valid, an empty list of steps is a path without an end.
                if matches!(kind, Kind::Steps | Kind::List(Kind::Trigger)) {
                    let help = format!("write {}", kind.expected());
                    self.error(&node.place, "empty", format!("{what} is empty"), help);
                }
            }
            (Kind::OneOrMany(of), Data::Scalar(_)) => self.kind(node, of, what),
            (
                Kind::Shape(_)
                | Kind::Trigger
                | Kind::MapOf(_)
                | Kind::Steps
                | Kind::List(_)
                | Kind::OneOrMany(_),
                Data::Scalar(_) | Data::List(_) | Data::Map(_),
            ) => self.wrong(node, kind, what),
            (_, Data::Scalar(scalar)) => self.scalar(node, scalar, kind, what),
            (_, Data::List(_) | Data::Map(_)) => self.wrong(node, kind, what),
        }
    }

    fn wrong(&mut self, node: &Node, kind: &Kind, what: &str) {
        let found = match &node.data {
            Data::Scalar(scalar) => format!("`{}`", shorten(&scalar.text)),
            Data::List(_) => "a list".to_owned(),
            Data::Map(_) => "keys with values".to_owned(),
        };
        let expected = kind.expected();
        let (message, help) = match &node.data {
            Data::List(items)
                if matches!(kind, Kind::MapOf(_)) && items.iter().all(|item| item.text().is_some()) =>
            {
                let names: Vec<_> =
                    items.iter().filter_map(|item| Some(format!("{}: ...", item.text()?))).collect();
                (
                    format!("{what} does not take {found}"),
                    format!("write {expected}: {{{}}}", names.join(", ")),
                )
            }
            Data::Scalar(scalar) if scalar.is_null() => {
                let text =
                    matches!(kind, Kind::Text | Kind::Template | Kind::Label | Kind::Owner | Kind::Name);
                let comment = if text { "; after ` #` everything is a comment" } else { "" };
                (format!("{what} has no value"), format!("write {expected}{comment}"))
            }
            Data::Scalar(_) | Data::List(_) | Data::Map(_) => {
                (format!("{what} does not take {found}"), format!("write {expected}"))
            }
        };
        self.error(&node.place, "wrong-type", message, help);
    }

    /// Checks a free value: only values that YAML readers interpret differently are refused.
    fn any(&mut self, node: &Node) {
        match &node.data {
            Data::Scalar(scalar) if scalar.boolean().is_none() => {
                self.braces(node, scalar);
                if let Some(trap) = trap(scalar, &Kind::Label) {
                    let message = format!("YAML 1.1 readers read unquoted `{}` as {trap}", scalar.text);
                    let boolean = BOOLEANS.contains(&scalar.text.to_ascii_lowercase().as_str());
                    let or = if boolean { ", or true or false for a boolean" } else { "" };
                    let help = format!("write \"{}\"{or}", scalar.text);
                    self.error(&node.place, "yaml-trap", message, help);
                }
            }
            Data::Scalar(_) => {}
            Data::List(items) => items.iter().for_each(|item| self.any(item)),
            Data::Map(entries) => entries.iter().for_each(|(_, value)| self.any(value)),
        }
    }

    /// Reports `{{ }}`, which works only in mails; in a policy it would be literal text.
    fn braces(&mut self, node: &Node, scalar: &Scalar) {
        let Some((before, rest)) = scalar.text.split_once("{{") else { return };
        let inside = rest.split("}}").next().unwrap_or(rest).trim();
        let mut place = node.text_place();
        if !scalar.text.contains('\n') {
            place.column += before.chars().count();
            place.length = 2;
        }
        let message = "`{{ }}` is for mails; here it is plain text";
        let help = format!("write \"${{{inside}}}\" for the value");
        self.diagnostics.push(Diagnostic::error(place, "foreign-braces", message).help(help));
    }

    /// Checks a key that the author chose: outcome, block, setting, attribute.
    fn name(&mut self, name: &str, place: &Place, of: &Kind) {
        let free = matches!(of, Kind::Any);
        if BOOLEANS.contains(&name.to_ascii_lowercase().as_str()) {
            let message = format!("YAML 1.1 readers read the name `{name}` as a boolean");
            self.error(place, "yaml-trap", message, "choose another name");
        } else if !free && !is_name(name) {
            let message = format!("invalid name `{}`", shorten(name));
            self.error(place, "bad-name", message, format!("write {}", Kind::Name.expected()));
        }
    }

    fn keys(&mut self, node: &Node, entries: &[(source::Key, Node)], keys: &[Key], what: &str) {
        // If `outcomes:` is a level too deep, all its outcomes are; one report is enough.
        let deep = entries.iter().any(|(key, _)| key.name == "outcomes");
        for (key, value) in entries {
            match keys.iter().find(|rule| rule.name == key.name) {
                None if deep && is_outcome(&key.name) => {}
                Some(rule) => self.known(key, value, rule),
                None => self.unknown(key, keys.iter().map(|rule| rule.name), what),
            }
        }
        self.missing(node, entries, keys, what);
    }

    fn known(&mut self, key: &source::Key, value: &Node, rule: &Key) {
        self.kind(value, &rule.kind, &format!("`{}`", rule.name));
        if !rule.executed {
            self.later(rule.name, &key.place);
        }
    }

    fn later(&mut self, name: &str, place: &Place) {
        let message = format!("`{name}` is not executed by this version; the policy is not activated");
        self.error(place, NOT_YET, message, "remove it, or use a version that executes it");
    }

    fn unknown<'a>(&mut self, key: &source::Key, known: impl Iterator<Item = &'a str>, what: &str) {
        let known: Vec<_> = known.collect();
        let help = match key.name.as_str() {
            "on" | "true" => "write triggers under `when:`".to_owned(),
            "then" | "actions" => "write steps under `steps:`".to_owned(),
            "on_success" | "on_failure" | "else" => "write branches under `outcomes:`".to_owned(),
            // Only a colon followed by a space makes a key; in a clause they were meant as text.
            wrong if what == CONDITION && !is_name(wrong) => {
                "a colon and a space turn the text before them into a key; put the whole clause in single \
                    quotes"
                    .to_owned()
            }
            wrong => misplaced(wrong, key, &known).unwrap_or_else(|| nearest(wrong, known.iter().copied())),
        };
        let message = format!("unknown key `{}` in {what}", shorten(&key.name));
        self.error(&key.place, "unknown-key", message, help);
    }

    fn missing(&mut self, node: &Node, entries: &[(source::Key, Node)], keys: &[Key], what: &str) {
        for rule in keys.iter().filter(|rule| rule.required) {
            if !entries.iter().any(|(key, _)| key.name == rule.name) {
                let message = format!("{what} needs `{}`", rule.name);
                let help = format!("{} Write {}.", rule.doc, rule.kind.expected());
                self.error(&node.place, "missing-key", message, help);
            }
        }
    }

    fn trigger(&mut self, node: &Node, entries: &[(source::Key, Node)]) {
        self.keys(node, entries, TRIGGER.keys, TRIGGER.what);
        if entries.len() != 1 {
            let message = "a trigger has exactly one of `event:`, `sweep:` and `manual:`".to_owned();
            self.error(&node.place, "trigger", message, "write each trigger as a list item of its own");
        }
    }

    fn step(&mut self, node: &Node) {
        let Some(entries) = node.map() else {
            return self.error(
                &node.place,
                "wrong-type",
                "a step needs a verb".to_owned(),
                "write for example `- close: approved`",
            );
        };
        let Some((key, value, rule)) = step_verb(node) else {
            return self.no_verb(node, entries);
        };
        self.known(key, value, &rule.key);
        self.beside(entries, key, rule);
        self.missing(node, entries, rule.beside, &format!("`{}`", key.name));
    }

    fn no_verb(&mut self, node: &Node, entries: &[(source::Key, Node)]) {
        let common = STEP_KEYS.iter().map(|key| key.name);
        let known: Vec<_> = verbs().map(|rule| rule.key.name).collect();
        let wrong = entries.iter().find(|(key, _)| !STEP_KEYS.iter().any(|rule| rule.name == key.name));
        let (place, message, help) = match wrong {
            Some((key, _)) if ["then", "else"].contains(&key.name.as_str()) => (
                &key.place,
                format!("unknown key `{}` beside `if`", key.name),
                "write the verb beside `if:`; the step is skipped when `if` is false".to_owned(),
            ),
            Some((key, _)) => {
                let names = known.into_iter().chain(common);
                (&key.place, format!("unknown verb `{}`", shorten(&key.name)), nearest(&key.name, names))
            }
            None => (&node.place, "this step has no verb".to_owned(), format!("verbs: {}", known.join(", "))),
        };
        self.error(place, "no-verb", message, help);
    }

    fn beside(&mut self, entries: &[(source::Key, Node)], key: &source::Key, rule: &VerbRule) {
        for (other, value) in entries.iter().filter(|(other, _)| other.name != key.name) {
            let sibling = rule.beside.iter().chain(STEP_KEYS).find(|known| known.name == other.name);
            match sibling {
                Some(known) if known.name == "outcomes" && rule.outcomes == Outcomes::None => {
                    let message = format!("`{}` has no outcomes", key.name);
                    self.error(
                        &other.place,
                        "no-outcomes",
                        message,
                        "write the next step as the next list item",
                    );
                }
                Some(known) => self.known(other, value, known),
                None if verb(&other.name).is_some() => {
                    let message =
                        format!("a step has one verb; this one has `{}` and `{}`", key.name, other.name);
                    self.error(&other.place, "two-verbs", message, "start a new list item with `- `");
                }
                None => {
                    let names = rule.beside.iter().chain(STEP_KEYS).map(|known| known.name);
                    self.unknown(other, names, &format!("the `{}` step", key.name));
                }
            }
        }
    }

    fn condition(&mut self, node: &Node) {
        match &node.data {
            Data::Scalar(scalar) if scalar.is_null() => self.wrong(node, &Kind::Condition, "a condition"),
            Data::Scalar(scalar) if scalar.text.contains("${") => {
                let message = "`${...}` is not allowed in a clause".to_owned();
                self.error(
                    &node.place,
                    "template-in-clause",
                    message,
                    "write the expression without `${` and `}`",
                );
            }
            Data::Scalar(_) => {}
            Data::List(items) if items.is_empty() => self.wrong(node, &Kind::Condition, "a condition"),
            Data::List(items) => items.iter().for_each(|item| self.condition(item)),
            Data::Map(entries) => {
                for (key, value) in entries {
                    match (key.name.as_str(), &value.data) {
                        ("all" | "any" | "none", Data::List(_)) => self.condition(value),
                        ("all" | "any" | "none", Data::Scalar(_) | Data::Map(_)) => {
                            self.wrong(value, &Kind::List(&Kind::Condition), &format!("`{}`", key.name));
                        }
                        _ => self.unknown(key, ["all", "any", "none"].into_iter(), CONDITION),
                    }
                }
                if entries.len() != 1 {
                    let message = "a condition has exactly one of `all:`, `any:` and `none:`".to_owned();
                    self.error(&node.place, "condition", message, "nest the others under one of them");
                }
            }
        }
    }

    fn scalar(&mut self, node: &Node, scalar: &Scalar, kind: &Kind, what: &str) {
        if scalar.is_null() {
            return self.wrong(node, kind, what);
        }
        let meant = !matches!(kind, Kind::OneOf(words) if !words.contains(&scalar.text.as_str()));
        if let Some(trap) = trap(scalar, kind).filter(|_| meant) {
            let message = format!("{what}: YAML 1.1 readers read unquoted `{}` as {trap}", scalar.text);
            return self.error(&node.place, "yaml-trap", message, format!("write \"{}\"", scalar.text));
        }
        let text = scalar.text.as_str();
        if matches!(kind, Kind::Text | Kind::Template) {
            self.braces(node, scalar);
        }
        match kind {
            Kind::OneOf(words) if !words.contains(&text) => {
                if let Some(warning) = former(&node.place, what, text, words) {
                    return self.diagnostics.push(warning);
                }
                let message = format!("{what} cannot be `{}`", shorten(text));
                let help = nearest(text, words.iter().copied());
                self.error(&node.place, "not-one-of", message, help);
            }
            Kind::Event if !schema::is_event_type(text, self.words) => {
                let message = format!("unknown event type `{}`", shorten(text));
                self.error(&node.place, "unknown-event", message, nearest(text, schema::event_names()));
            }
            Kind::Span { zero } if scalar.integer().is_some_and(|number| !(*zero && number == 0)) => {
                let message = format!("{what}: `{text}` has no unit");
                self.error(&node.place, "no-unit", message, format!("write {}", kind.expected()));
            }
            Kind::Span { .. } if !fits(scalar, kind) => {
                let message = format!("{what} does not take `{}`", shorten(text));
                self.error(&node.place, "wrong-type", message, span::meant(text, &kind.expected()));
            }
            _ if !fits(scalar, kind) => self.wrong(node, kind, what),
            _ => {}
        }
    }
}

/// Returns help for a key that is one level too deep and would be known beside a verb.
fn misplaced(wrong: &str, key: &source::Key, known: &[&str]) -> Option<String> {
    let of_step = STEP_KEYS.iter().any(|rule| rule.name == wrong) && !known.contains(&"outcomes");
    let left = key.place.column.checked_sub(2).filter(|column| *column > 0)?;
    if of_step {
        return Some(format!("`{wrong}:` belongs beside the verb, not under it; move it to column {left}"));
    }
    is_outcome(wrong).then(|| format!("`{wrong}` is an outcome; move it under `outcomes:`, beside the verb"))
}

fn is_outcome(name: &str) -> bool {
    let has = |rule: &VerbRule| matches!(rule.outcomes, Outcomes::Fixed(names) | Outcomes::Optional(names) if names.contains(&name));
    verbs().any(has)
}

/// Reports whether a scalar is of a kind. Collections are checked elsewhere.
fn fits(scalar: &Scalar, kind: &Kind) -> bool {
    let text = scalar.text.as_str();
    match kind {
        Kind::Text | Kind::Template | Kind::Label => !text.trim().is_empty(),
        Kind::Name => is_name(text),
        Kind::Mail => is_mail(text),
        Kind::Owner => text.strip_prefix("team:").map_or_else(|| is_mail(text), is_name),
        Kind::Span { zero } => {
            (*zero && scalar.integer() == Some(0))
                || Span::from_str(text).is_ok_and(|span| *zero || span != Span::ZERO)
        }
        Kind::Time => chrono::NaiveTime::parse_from_str(text, "%H:%M").is_ok() && text.len() == 5,
        Kind::Moment => text.parse::<crate::model::Timestamp>().is_ok(),
        Kind::Hours => hours(text).is_some(),
        Kind::Timezone => chrono_tz::Tz::from_str(text).is_ok(),
        Kind::Integer { least, most } => {
            scalar.integer().is_some_and(|number| (*least..=*most).contains(&number))
        }
        Kind::Amount => {
            scalar.integer().is_some_and(|count| (0..=i64::from(u32::MAX)).contains(&count))
                || text.strip_suffix('%').is_some_and(|share| {
                    share.parse::<f64>().is_ok_and(|share| share > 0.0 && share <= 100.0)
                })
        }
        Kind::Boolean => scalar.boolean().is_some(),
        Kind::True => scalar.boolean() == Some(true),
        Kind::FunctionCall => is_call(text),
        Kind::OneOf(_) | Kind::Event | Kind::Any | Kind::Condition => true,
        Kind::Shape(_)
        | Kind::List(_)
        | Kind::OneOrMany(_)
        | Kind::MapOf(_)
        | Kind::Steps
        | Kind::Trigger => false,
    }
}

/// Returns how a YAML 1.1 reader interprets an unquoted scalar where text is meant.
fn trap(scalar: &Scalar, kind: &Kind) -> Option<&'static str> {
    let text = scalar.text.as_str();
    if !scalar.plain {
        return None;
    }
    let texts = matches!(
        kind,
        Kind::Text
            | Kind::Template
            | Kind::Name
            | Kind::OneOf(_)
            | Kind::Time
            | Kind::Hours
            | Kind::Label
            | Kind::Mail
            | Kind::Owner
    );
    let lower = text.to_ascii_lowercase();
    let word = BOOLEANS.contains(&lower.as_str());
    let clock = {
        let mut parts = text.split(':');
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        text.contains(':') && parts.all(digits)
    };
    let number = scalar.integer().is_some() || scalar.float().is_some();
    match (texts, word, clock) {
        (true, true, _) => Some("a boolean"),
        (true, _, true) => Some("a number in base 60"),
        (true, false, false) if number && matches!(kind, Kind::Text | Kind::Template) => Some("a number"),
        _ => None,
    }
}

/// Parses `09:00-17:00`.
pub fn hours(text: &str) -> Option<(chrono::NaiveTime, chrono::NaiveTime)> {
    let (from, to) = text.split_once('-')?;
    let time = |text: &str| chrono::NaiveTime::parse_from_str(text.trim(), "%H:%M").ok();
    time(from).zip(time(to)).filter(|(from, to)| from < to)
}

/// Reports whether a text looks like the call of a script's function.
pub fn is_call(text: &str) -> bool {
    text.contains("::") && text.contains('(') && text.trim_end().ends_with(')')
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.len() <= 100
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

fn is_mail(text: &str) -> bool {
    let plain = !text.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | ','));
    plain
        && text
            .split_once('@')
            .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !host.contains('@'))
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}...", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}
