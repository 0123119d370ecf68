//! Checks triggers, limits, retention, settings and sweeps.

use std::collections::BTreeSet;

use super::Seen;
use crate::model::{EffectKind, Span, SubjectKind};
use crate::policy::diagnostic::Diagnostic;
use crate::policy::tree::{Amount, DueField, Limit, Trigger};

pub fn look(seen: &Seen<'_>, diagnostics: &mut Vec<Diagnostic>) {
    triggers(seen, diagnostics);
    limits(seen, diagnostics);
    settings(seen, diagnostics);
    sweeps(seen, diagnostics);
    let keep = seen.policy.keep;
    if seen.node().get("keep").is_some() {
        let message = "`keep` is not executed by this version; cases and evidence stay";
        let help = "remove old data by other means; remove `keep`, or leave it for a version that executes \
            it";
        diagnostics.push(seen.warning(seen.at(&["keep"]), "keep-not-executed", message).help(help));
    }
    if let (Span::Elapsed(case), Span::Elapsed(evidence)) = (keep.case, keep.evidence)
        && evidence > case
    {
        let message = "the evidence is kept longer than its case";
        let help = "keep the case at least as long as its evidence";
        diagnostics.push(seen.warning(seen.at(&["keep"]), "keep", message).help(help));
    }
}

fn triggers(seen: &Seen<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let mut opens = BTreeSet::new();
    for item in seen.items("when").iter().filter_map(|trigger| trigger.get("event")) {
        if !opens.insert(item.text().unwrap_or_default()) {
            let message = format!("`{}` is listed twice", item.text().unwrap_or_default());
            diagnostics.push(seen.warning(item.place.clone(), "twice", message).help("remove one of them"));
        }
    }
    let mut cancels = BTreeSet::new();
    for item in seen.items("cancel_when") {
        let name = item.text().unwrap_or_default();
        if opens.contains(name) {
            let message = format!("`{name}` both opens and cancels cases of this policy");
            let help = "remove it from `cancel_when`; `if_already_open` defines what a second event does";
            diagnostics.push(seen.warning(item.place.clone(), "opens-and-cancels", message).help(help));
        } else if !cancels.insert(name) {
            let message = format!("`{name}` is listed twice");
            diagnostics.push(seen.warning(item.place.clone(), "twice", message).help("remove one of them"));
        }
    }
    let applicant = seen.policy.subject == SubjectKind::Applicant;
    let has_no_applicant = |trigger: &Trigger| match trigger {
        Trigger::Event(kind) => !kind.as_str().starts_with("custom."),
        Trigger::Manual | Trigger::Sweep(_) => false,
    };
    if applicant && seen.policy.when.iter().all(has_no_applicant) {
        let message =
            "no case can open: these events come from an identity provider, and applicants are in none";
        let help = "use the CloudEvent that brings applicants, such as custom.com.example.hire.accepted";
        diagnostics.push(seen.warning(seen.at(&["when"]), "never-opens", message).help(help));
    }
}

fn limits(seen: &Seen<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let mut reported = BTreeSet::new();
    let stated = seen.policy.limits.iter().filter(|limit| limit.stated);
    for (limit, node) in stated.zip(seen.items("limits")) {
        let word = limit.action.word();
        if matches!(limit.at_most, Amount::Count(0)) {
            let place = node.get("at_most").unwrap_or(node).place.clone();
            let message = format!("a limit of 0 allows no `{word}`");
            let help = "write a larger number, or mode: shadow to try the policy without effects";
            diagnostics.push(seen.warning(place, "limit-of-nothing", message).help(help));
        }
        if !reported.insert((limit.action, limit.per)) {
            let place = node.get("action").unwrap_or(node).place.clone();
            let message =
                format!("two limits on `{word}` for the same time; only the smaller one has an effect");
            diagnostics.push(seen.warning(place, "two-limits", message).help("remove one of them"));
        }
    }
}

/// Reports a setting whose name occurs nowhere else in the policy's files.
fn settings(seen: &Seen<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let texts: Vec<_> = seen.policy.files.0.values().map(|bytes| String::from_utf8_lossy(bytes)).collect();
    let named = |name: &str| {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let whole = |text: &str, at: usize| {
            let after = text.get(at + name.len()..).and_then(|rest| rest.chars().next());
            let before = text.get(..at).and_then(|rest| rest.chars().next_back());
            !after.is_some_and(word) && !before.is_some_and(word)
        };
        texts
            .iter()
            .map(|text| text.match_indices(name).filter(|(at, _)| whole(text, *at)).count())
            .sum::<usize>()
    };
    for (key, _) in seen.node().get("settings").and_then(|settings| settings.map()).unwrap_or_default() {
        if named(&key.name) < 2 {
            let message = format!("unused setting `{}`", key.name);
            let help = format!("use settings.{} in a clause or a mail, or remove it", key.name);
            diagnostics.push(seen.warning(key.place.clone(), "unused-setting", message).help(help));
        }
    }
}

fn sweeps(seen: &Seen<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let policy = seen.policy;
    let stated = |limit: &&Limit| limit.stated && limit.action == EffectKind::Verify;
    let limited = policy.limits.iter().any(|limit| stated(&limit));
    for sweep in policy.sweeps() {
        if sweep.at_most.is_none() && !limited && policy.verifies().next().is_some() {
            let message = "one run of this sweep can ask everyone at once: it has no limit";
            let help = "add at_most: to the sweep, or a limit on `verify`; each verification may cost money";
            diagnostics.push(seen.warning(sweep.place.clone(), "uncapped-sweep", message).help(help));
        }
        let Some(due) = &sweep.due else { continue };
        let verified = matches!(&due.field, DueField::Field(name) if name == "verified_at");
        for (step, verify) in policy.verifies().filter(|_| verified) {
            if verify.reuse_within.and_then(Span::elapsed).is_some_and(|reuse| reuse >= due.plus) {
                let message = "the last pass still counts when the next one is due, so nobody is ever asked";
                let help = "make `reuse_within` shorter than the sweep's `plus`";
                diagnostics.push(seen.warning(step.place.clone(), "reuse-outlives-due", message).help(help));
            }
        }
    }
}
