//! What people are asked for, and how long they have to answer; what another revision makes of it. A pass that
//! takes less, and a decision that more people may make, let in whom they did not let in before.

use serde::Serialize;

use super::Sheet;
use super::diff::{Change, changed, shorter};
use super::same::Known;
use super::site::harms;
use crate::model::{Method, Span};
use crate::policy::tree::{Policy, Step, Verb, Wait};

/// A step that waits for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Asks {
    pub step: String,
    pub answer_within: Span,
    /// The outcome when nobody answers.
    pub otherwise: &'static str,
    /// By which verification, and what must have passed in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub require: Vec<String>,
    /// Fields that must agree with the document.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub compare: Vec<String>,
    /// How old a pass may be that counts again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reuse_within: Option<Span>,
    /// Who may not decide.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub never: Vec<String>,
    /// The document is asked for, and not only the face that is known.
    #[serde(skip)]
    document: bool,
    #[serde(skip)]
    key: String,
}

pub(super) fn of(policy: &Policy, known: &Known) -> Vec<Asks> {
    policy.steps.iter().filter_map(|step| one(step, known)).collect()
}

fn one(step: &Step, known: &Known) -> Option<Asks> {
    let asks = |answer_within: Span, otherwise| Asks {
        step: step.id.as_ref().unwrap_or(&step.path).clone(),
        answer_within,
        otherwise,
        by: None,
        require: Vec::new(),
        compare: Vec::new(),
        reuse_within: None,
        never: Vec::new(),
        document: false,
        key: known.word(step.index).to_owned(),
    };
    Some(match &step.verb {
        Verb::Verify(verify) => Asks {
            by: Some(verify.verification.name.clone()),
            require: verify.verification.require.clone(),
            compare: verify.compare.clone(),
            reuse_within: verify.reuse_within,
            document: verify.verification.method == Method::Full,
            ..asks(verify.answer_within, "no_response")
        },
        Verb::Review(review) => Asks { never: review.never.clone(), ..asks(review.answer_within, "overdue") },
        Verb::Wait(Wait::For { answer_within, .. }) => asks(*answer_within, "timed_out"),
        _ => return None,
    })
}

pub(super) fn compare(old: &Sheet, new: &Sheet, changes: &mut Vec<Change>) {
    for asks in &new.asks {
        let same = old.asks.iter().find(|other| other.key == asks.key);
        let Some(before) = same.or_else(|| old.asks.iter().find(|other| other.step == asks.step)) else {
            continue;
        };
        patience(before, asks, new, changes);
        if before.by.is_some() == asks.by.is_some() {
            proof(before, asks, changes);
        }
    }
}

/// Less time to answer is graver where silence takes something from people.
fn patience(old: &Asks, new: &Asks, sheet: &Sheet, changes: &mut Vec<Change>) {
    if old.answer_within == new.answer_within {
        return;
    }
    let silence = format!("{} {}", new.key, new.otherwise);
    let mut takes = sheet.effects.iter().filter(|effect| harms(&effect.verb));
    let verb = takes.find(|effect| effect.ways.iter().any(|way| way.key.contains(&silence)));
    let verb = verb.map(|effect| effect.verb.clone());
    let graver = verb.is_some() && shorter(Some(old.answer_within), Some(new.answer_within));
    let how = format!("{} -> {}", old.answer_within, new.answer_within);
    changes.push(Change { verb, graver, ..changed("answer_within", &new.step, how) });
}

/// A pass that takes less than it did, and a decision that others may make.
fn proof(old: &Asks, new: &Asks, changes: &mut Vec<Change>) {
    let mut push = |how: String, graver| changes.push(Change { graver, ..changed("asks", &new.step, how) });
    let lost = |old: &[String], new: &[String]| -> Vec<String> {
        old.iter().filter(|word| !new.contains(word)).cloned().collect()
    };
    let (mut require, none) = ((&old.require, &new.require), Vec::new());
    if let (Some(before), Some(after)) = (&old.by, &new.by)
        && before != after
    {
        let less = !lost(&old.require, &new.require).is_empty() && (old.document || !new.document);
        push(format!("{before} -> {after}"), less);
        require = (&none, &none);
    }
    for (label, before, after) in [
        ("require", require.0, require.1),
        ("compare", &old.compare, &new.compare),
        ("never", &old.never, &new.never),
    ] {
        let (less, more) = (lost(before, after), lost(after, before));
        if !less.is_empty() {
            push(format!("{label} no longer has {}", less.join(", ")), true);
        }
        if !more.is_empty() {
            push(format!("{label} has {} too", more.join(", ")), false);
        }
    }
    if old.reuse_within != new.reuse_within {
        let age = |age: Option<Span>| age.map_or_else(|| "none".to_owned(), |age| age.to_string());
        let how = format!("reuse_within {} -> {}", age(old.reuse_within), age(new.reuse_within));
        push(how, shorter(new.reuse_within, old.reuse_within));
    }
}
