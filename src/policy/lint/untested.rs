//! Finds policies that can reject, delete or suspend people and have no test.

use super::Seen;
use crate::model::EffectKind;
use crate::policy::diagnostic::Diagnostic;

pub fn look(seen: &Seen<'_>) -> Option<Diagnostic> {
    // The worst effect comes first.
    let worst = [EffectKind::Delete, EffectKind::Reject, EffectKind::Suspend];
    let kind =
        worst.into_iter().find(|kind| seen.policy.steps.iter().any(|step| step.verb.may_do(&[*kind])))?;
    let word = kind.word();
    let message = format!("this policy can `{word}` and has no tests");
    let help = "add a tests.yaml to its directory; every reload runs it";
    Some(seen.warning(seen.at(&["policy"]), "untested", message).help(help))
}
