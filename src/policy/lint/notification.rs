//! Checks that the person is notified before an adverse end, by a mail with the objection link.

use std::collections::BTreeSet;

use super::Seen;
use crate::model::Span;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::effects::notified::{Notified, of_ends};
use crate::policy::tree::Verb;

pub fn look(seen: &Seen<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let mut reported = BTreeSet::new();
    for (step, notified) in of_ends(seen.policy) {
        let (Verb::Delete { grace } | Verb::Reject { grace }) = &step.verb else { continue };
        if grace.length == Span::ZERO || notified == Notified::Link || !reported.insert(step.index) {
            continue;
        }
        let what = step.verb.word();
        let (code, message, help) = match notified {
            Notified::Link => continue,
            Notified::Mail => (
                "no-appeal",
                format!(
                    "no mail about this `{what}` always contains the objection link, so the person cannot \
                        object during the grace"
                ),
                "add {{ contest_link }} to the template of the mail to the person, in every language",
            ),
            Notified::Nothing => (
                "silent-end",
                format!(
                    "the person is not notified of this `{what}`: a path here has no mail to them about it"
                ),
                "notify the subject before it, with the objection link {{ contest_link }} in the mail",
            ),
        };
        diagnostics.push(seen.warning(step.place.clone(), code, message).help(help));
    }
}
