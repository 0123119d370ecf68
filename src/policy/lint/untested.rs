//! Policies that can turn people away or lock them out, and of which no test says what they do.

use super::Seen;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::tree::{Effect, Step, Verb};

pub fn look(seen: &Seen<'_>) -> Option<Diagnostic> {
    // The worst that it can do.
    let worst = ["delete", "reject", "suspend"];
    let word = worst.into_iter().find(|word| seen.policy.steps.iter().any(|step| does(step, word)))?;
    let message = format!("this policy can `{word}`, and no test says when it does");
    let help = "write a tests.yaml beside it: what happens, and what is expected; every reload runs it";
    Some(seen.warning(seen.at(&["policy"]), "untested", message).help(help))
}

fn does(step: &Step, word: &str) -> bool {
    match &step.verb {
        Verb::Delete { .. } | Verb::Reject { .. } | Verb::Effect(Effect::Suspend { .. }) => {
            step.verb.word() == word
        }
        Verb::Act { may, .. } => may.iter().any(|verb| verb == word),
        _ => false,
    }
}
