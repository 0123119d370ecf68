//! Reports changes of the code that determines which people a policy covers, which path a case takes and when it ends:
//! clauses, settings and scripts. If the files do not show which version admits more people, a person must review it.

use serde_json::Value;

use super::super::details::{Stop, bare, called, shown};
use super::super::pairing::bare_texts;
use super::super::{Details, Sheet};
use super::{Beside, Both, Finding, Weight};
use crate::model::Nature;

/// Events after which nothing is left to protect or to give.
const FINAL: [&str; 4] =
    ["user.deleted", "user.deactivated", "registration.withdrawn", "registration.deleted"];

pub(super) fn look(both: &Both<'_>, less: bool) -> Vec<Finding> {
    if !both.new.matters() && !both.old.matters() {
        return Vec::new();
    }
    let mut found = who(both);
    found.extend(code(both));
    found.extend(opening(both));
    found.extend(endings(both, less));
    found
}

/// Clauses that exist only before, and only after.
pub(super) struct Lines {
    pub lost: Vec<String>,
    pub added: Vec<String>,
}

pub(super) fn clauses(both: &Both<'_>, old: &[String], new: &[String]) -> Lines {
    let (before, after) = (bare_texts(old), both.pairing.texts(new));
    let only = |lines: &[String], bare: &[String], others: &[String]| {
        let left = lines.iter().zip(bare).filter(|(_, bare)| !others.contains(bare));
        left.map(|(line, _)| line.clone()).collect()
    };
    Lines { lost: only(old, &before, &after), added: only(new, &after, &before) }
}

/// Reports rewritten clauses. Clauses that were only removed, or only added, are reported where they matter.
fn who(both: &Both<'_>) -> Vec<Finding> {
    let mut lines = vec![clauses(both, &both.old.only_if, &both.new.only_if)];
    let sweeps = |sheet: &Sheet| -> Vec<String> {
        sheet
            .opens_on
            .iter()
            .filter(|opens| opens.pace.is_some())
            .flat_map(|opens| opens.only_if.clone())
            .collect()
    };
    lines.push(clauses(both, &sweeps(both.old), &sweeps(both.new)));
    let rewritten = lines.into_iter().filter(|lines| !lines.lost.is_empty() && !lines.added.is_empty());
    let one = |lines: Lines| {
        let how = format!("{} -> {}", lines.lost.join("; "), lines.added.join("; "));
        Finding::new(Weight::Unknown, "covers other people by a rewritten clause", how)
    };
    rewritten.map(one).collect()
}

/// Reports changed settings that clauses, scripts and effects read, and changed scripts and calls.
fn code(both: &Both<'_>) -> Vec<Finding> {
    let (old, new) = (both.old, both.new);
    let mut found = Vec::new();
    let names: std::collections::BTreeSet<&String> = old.settings.keys().chain(new.settings.keys()).collect();
    for name in names {
        let (before, after) = (old.settings.get(name), new.settings.get(name));
        // A setting that only the edit reads is reported with the line that reads it.
        let same = before == after || reordered(both, name, before, after);
        if !same && before.is_some() && old.details.code.reads(name) {
            let how = format!("{name} {} -> {}", shown(before), shown(after));
            found.push(Finding::new(Weight::Unknown, "decides differently by a setting", how));
        }
    }
    for (path, before) in &old.details.code.scripts {
        let after = new.details.code.scripts.get(path);
        if after != Some(before) {
            let finding = Finding::new(Weight::Unknown, "decides differently by a script", path.clone());
            // If nothing calls the script any more, the line that called it is reported instead.
            let beside = after.map_or(Beside::Text(called(path)), |_| Beside::Nothing);
            found.push(Finding { beside, ..finding });
        }
    }
    let calls = |details: &Details| -> Vec<(String, String)> {
        let call = |stop: &Stop| Some((stop.name().to_owned(), stop.call.clone()?));
        details.stops.iter().filter_map(call).collect()
    };
    let (before, after) = (calls(&old.details), calls(&new.details));
    for (name, call) in &after {
        let known = before.iter().any(|(_, other)| bare(other) == both.pairing.text(call));
        if !known && !before.is_empty() {
            found.push(Finding::new(Weight::Unknown, format!("decides differently at {name}"), call.clone()));
        }
    }
    found
}

/// Reports whether a list has the same values in another order, and no code accesses them by position.
fn reordered(both: &Both<'_>, name: &str, before: Option<&Value>, after: Option<&Value>) -> bool {
    let sorted = |value: Option<&Value>| {
        let mut values: Vec<String> = value?.as_array()?.iter().map(ToString::to_string).collect();
        values.sort();
        Some(values)
    };
    let by_place = [both.old, both.new].iter().any(|sheet| sheet.details.code.counts(name));
    sorted(before).is_some() && sorted(before) == sorted(after) && !by_place
}

/// Reports changes in how further events of a person with an open case are treated, and in the case key.
fn opening(both: &Both<'_>) -> Vec<Finding> {
    let (old, new) = (&both.old.details, &both.new.details);
    let mut found = Vec::new();
    if old.if_already_open != new.if_already_open {
        let how = format!("{} -> {}", old.if_already_open.word(), new.if_already_open.word());
        found.push(Finding::new(Weight::Protection, "treats an event during an open case differently", how));
    }
    let key = |details: &Details| details.code.case_key.clone().unwrap_or_else(|| "the person".to_owned());
    if old.code.case_key.as_deref().map(bare)
        != new.code.case_key.as_deref().map(|key| both.pairing.text(key))
    {
        let how = format!("case_key {} -> {}", key(old), key(new));
        let finding = Finding::new(Weight::Protection, "joins other events to one case", how);
        // `open_another` requires a case key, and a single case has none.
        let beside = new.if_already_open.word();
        let same = old.if_already_open == new.if_already_open;
        let beside = if same { Beside::Nothing } else { Beside::Text(format!("-> {beside}")) };
        found.push(Finding { beside, ..finding });
    }
    found
}

/// Reports what can end a case early. Its holds then stay or are lifted without proof.
fn endings(both: &Both<'_>, less: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    let holds = both.new.effects.iter().any(|effect| effect.verb.nature() == Some(Nature::Withholds));
    if holds || (less && both.new.protects()) || both.new.takes() {
        let begin = "can end a case before its time";
        let lines = clauses(both, &both.old.as_long_as, &both.new.as_long_as);
        found.extend(
            lines
                .added
                .into_iter()
                .map(|line| Finding::new(Weight::Protection, begin, format!("as_long_as {line}"))),
        );
        let added = both.new.cancelled_by.iter().filter(|event| !both.old.cancelled_by.contains(event));
        let added = added.filter(|event| !FINAL.contains(&event.as_str()));
        found.extend(
            added.map(|event| Finding::new(Weight::Protection, begin, format!("cancel_when {event}"))),
        );
    }
    let gone = both.old.cancelled_by.iter().filter(|event| !both.new.cancelled_by.contains(event));
    found.extend(gone.map(|event| {
        Finding::new(Weight::Harm, "continues after an event that ended its cases", event.clone())
    }));
    found
}
