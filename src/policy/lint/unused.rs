//! Finds unused definitions and files. The files of a policy are exactly those that it uses; other files are unused.
//! Names of people and verifications are searched in the steps.

use crate::model::EffectKind;
use std::collections::BTreeSet;

use super::Seen;
use crate::policy::diagnostic::{Diagnostic, Place};
use crate::policy::files::{BLOCKS, Files, PEOPLE, VERIFICATIONS};
use crate::policy::source::{self, Key, Node};
use crate::policy::tree::{Recipient, Verb};

pub fn look(files: &Files, seen: &[Seen<'_>], diagnostics: &mut Vec<Diagnostic>) {
    shared_files(files, seen, diagnostics);
    functions(files, seen, diagnostics);
    let named = Named::read(seen);
    let mut report = |file: &str, section: &str, used: &BTreeSet<String>, code, what: &str| {
        for (key, _) in entries(files, file, section).iter().filter(|(key, _)| !used.contains(&key.name)) {
            diagnostics.push(unused(key.place.clone(), code, what, &key.name));
        }
    };
    report(BLOCKS, "blocks", &named.blocks, "unused-block", "block");
    report(VERIFICATIONS, "verifications", &named.verifications, "unused-verification", "verification");
    report(PEOPLE, "queues", &named.queues, "unused-queue", "queue");
    report(PEOPLE, "calendars", &named.calendars, "unused-calendar", "calendar");
    if !named.any_team {
        report(PEOPLE, "teams", &named.teams, "unused-team", "team");
    }
}

fn unused(place: Place, code: &'static str, what: &str, name: &str) -> Diagnostic {
    let message = format!("unused {what} `{name}`");
    Diagnostic::warning(place, code, message).help("use it, or remove it")
}

fn start(path: &str) -> Place {
    Place { file: path.to_owned(), line: 1, column: 1, length: 1 }
}

fn entries(files: &Files, file: &str, section: &str) -> Vec<(Key, Node)> {
    let node = files.get(file).and_then(|bytes| source::read(file, bytes, &mut Vec::new()));
    let map = node.as_ref().and_then(|node| node.get(section)?.map());
    map.unwrap_or_default().to_vec()
}

/// Reports templates and shared scripts that are part of no policy.
fn shared_files(files: &Files, seen: &[Seen<'_>], diagnostics: &mut Vec<Diagnostic>) {
    let used = |path: &str| seen.iter().any(|seen| seen.policy.files.get(path).is_some());
    let mut reported = BTreeSet::new();
    for path in files.0.keys() {
        let Some(rest) = path.strip_prefix("shared/").filter(|_| !used(path)) else { continue };
        if let Some(name) = rest.strip_suffix(".rhai").filter(|name| !name.contains('/')) {
            diagnostics.push(unused(start(path), "unused-script", "script", name));
        }
        let template = rest.strip_prefix("templates/").filter(|rest| rest.ends_with(".md"));
        if let Some((name, _)) = template.and_then(|rest| rest.split_once('/'))
            && reported.insert(name)
        {
            diagnostics.push(unused(start(path), "unused-template", "template", name));
        }
    }
}

/// Reports functions whose name occurs only in their definition.
fn functions(files: &Files, seen: &[Seen<'_>], diagnostics: &mut Vec<Diagnostic>) {
    let texts: Vec<_> = files.0.iter().map(|(path, bytes)| (path, String::from_utf8_lossy(bytes))).collect();
    // A file that is in no policy is reported as a whole.
    let used = |path: &str| seen.iter().any(|seen| seen.policy.files.get(path).is_some());
    for (path, text) in texts.iter().filter(|(path, _)| path.ends_with(".rhai") && used(path)) {
        let namespace = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".rhai");
        for (line, at) in text.lines().zip(1..) {
            let head = line.trim_start().trim_start_matches("private ");
            let Some((name, _)) = head.strip_prefix("fn ").and_then(|rest| rest.split_once('(')) else {
                continue;
            };
            let name = name.trim();
            let (outside, inside) = (format!("{namespace}::{name}("), format!("{name}("));
            let within = text.matches(&inside).count() > 1;
            let elsewhere = texts.iter().any(|(other, text)| other != path && text.contains(&outside));
            if !within && !elsewhere {
                let column = line.find(name).map_or(1, |byte| line[..byte].chars().count() + 1);
                let place = Place { line: at, column, length: name.chars().count().max(1), ..start(path) };
                diagnostics.push(unused(
                    place,
                    "unused-function",
                    "function",
                    &format!("{namespace}::{name}"),
                ));
            }
        }
    }
}

#[derive(Default)]
struct Named {
    blocks: BTreeSet<String>,
    verifications: BTreeSet<String>,
    queues: BTreeSet<String>,
    calendars: BTreeSet<String>,
    teams: BTreeSet<String>,
    /// True if a function sends mail, whose recipients are known only when it runs.
    any_team: bool,
}

impl Named {
    fn read(seen: &[Seen<'_>]) -> Self {
        // The default calendar for business days.
        let mut named = Self { calendars: BTreeSet::from(["default".to_owned()]), ..Self::default() };
        for policy in seen.iter().map(|seen| seen.policy) {
            named.teams.extend(policy.owner.strip_prefix("team:").map(str::to_owned));
            for queue in policy.people.queues.values() {
                named.teams.insert(queue.team.clone());
                named.calendars.extend(queue.calendar.clone());
            }
            policy.steps.iter().for_each(|step| named.verb(&step.verb));
        }
        named
    }

    fn verb(&mut self, verb: &Verb) {
        self.recipients(&verb.recipients());
        self.any_team |= verb.may().contains(&EffectKind::Notify);
        if let Verb::Do { block, .. } = verb {
            self.blocks.insert(block.clone());
        }
        if let Verb::Verify(verify) = verb {
            self.verifications.extend(verify.verifications().map(|one| one.name.clone()));
            self.verifications
                .extend(verify.fallback.as_ref().and_then(|fallback| fallback.fallback.clone()));
        }
        if let Verb::Review(review) = verb {
            self.queues.extend(review.queues().map(str::to_owned));
        }
    }

    fn recipients(&mut self, recipients: &[&Recipient]) {
        self.teams.extend(recipients.iter().filter_map(|recipient| recipient.team()).map(str::to_owned));
    }
}
