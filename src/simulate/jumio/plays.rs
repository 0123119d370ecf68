//! What a person can do in front of the camera, for the page: a button, a sentence, and the script of the result. This
//! module must not know HTTP.

use super::execution::{Outcome, Script};
use super::labels;

/// The action of a person who shows their own document and face.
pub(super) const PASS: &str = "pass";

/// One choice of the page.
pub(super) struct Play {
    /// The last part of the form's address.
    pub action: &'static str,
    pub button: &'static str,
    pub sentence: &'static str,
    needs: Needs,
}

/// The sessions that offer a choice.
#[derive(Clone, Copy)]
enum Needs {
    Nothing,
    Document,
    SelfieOnly,
}

impl Play {
    /// Whether a session with or without a document offers it.
    pub fn fits(&self, document: bool) -> bool {
        match self.needs {
            Needs::Nothing => true,
            Needs::Document => document,
            Needs::SelfieOnly => !document,
        }
    }
}

const fn play(action: &'static str, button: &'static str, sentence: &'static str, needs: Needs) -> Play {
    Play { action, button, sentence, needs }
}

/// The choices for people who try a policy.
pub(super) const USUAL: &[Play] = &[
    play(PASS, "Pass", "A genuine document in the name above, and the face on it.", Needs::Document),
    play(PASS, "Show my own face", "The face on file: the check passes.", Needs::SelfieOnly),
    play(
        "other_name",
        "A document in another name",
        "Genuine, with the right face, in the last name Othername. Jumio passes it; proofd sees that the names differ.",
        Needs::Document,
    ),
    play(
        "other_person",
        "Another person's document",
        "The document of Casey Morgan. The face does not match it: Jumio rejects with NO_MATCH.",
        Needs::Document,
    ),
    play("mismatch", "Show another face", "The face does not match: Jumio rejects.", Needs::Nothing),
    play(
        "blurred",
        "A blurred picture",
        "Jumio rejects with BLURRED. The shipped policies ask for another try.",
        Needs::Document,
    ),
    play(
        "manipulated",
        "A manipulated document",
        "Jumio rejects with MANIPULATED_DOCUMENT.",
        Needs::Document,
    ),
    play(
        "expired_document",
        "An expired document",
        "Genuine, but it expired in 2020: Jumio rejects with OTHER_REJECTION, and the expiry date is in the result.",
        Needs::Document,
    ),
    play(
        "unclear",
        "A warning",
        "The face cannot be compared for certain: Jumio warns with NOT_POSSIBLE, and people decide.",
        Needs::Document,
    ),
    play(
        "expire",
        "Let the session expire",
        "It ends without a result. The person's link still works.",
        Needs::Nothing,
    ),
    play(
        "abandon",
        "Close the tab",
        "Nothing happens now. The session expires 15 minutes later by the simulated clock.",
        Needs::Nothing,
    ),
    play("capture", "Take one picture", "The session goes on for another 15 minutes.", Needs::Nothing),
];

/// The choices that use the labels of the form.
pub(super) const LABELED: &[Play] = &[
    play("warn", "Warn with label", "The result is WARNING with these labels.", Needs::Nothing),
    play("reject", "Reject with label", "The result is REJECTED with these labels.", Needs::Nothing),
    play(
        "poor",
        "Show a face that cannot be seen well",
        "The selfie is unusable, for the reason of the label.",
        Needs::Nothing,
    ),
];

/// The labels that the form proposes.
pub(super) fn labels() -> impl Iterator<Item = &'static str> {
    labels::known()
}

/// Returns the script of an action that ends a session; none for an unknown action.
pub(super) fn script(action: &str, labels: Vec<String>) -> Option<Script> {
    let of = |outcome: Outcome, labels: Vec<String>| Script { outcome, labels, ..Script::default() };
    let reject = |label: &str| of(Outcome::Reject, vec![label.to_owned()]);
    let with = |mut script: Script, fields: &[(&str, &str)]| {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).into()));
        script.extraction.extend(fields);
        script
    };
    Some(match action {
        PASS => Script::default(),
        "other_name" => with(Script::default(), &[("lastName", "OTHERNAME")]),
        "other_person" => with(Script::another_person(), &[("firstName", "CASEY"), ("lastName", "MORGAN")]),
        "mismatch" => Script::another_person(),
        "blurred" => reject("usability:BLURRED"),
        "manipulated" => reject("imageChecks:MANIPULATED_DOCUMENT"),
        "expired_document" => with(reject("imageChecks:OTHER_REJECTION"), &[("expiryDate", "2020-01-01")]),
        "unclear" => of(Outcome::Warn, vec!["similarity:NOT_POSSIBLE".to_owned()]),
        "warn" => of(Outcome::Warn, labels),
        "reject" => of(Outcome::Reject, labels),
        "poor" => of(Outcome::PoorImage, labels),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{LABELED, USUAL, script};

    /// A button without an action would show the page of an invalid link.
    #[test]
    fn every_button_has_an_action() {
        let on_sessions = ["capture", "expire", "abandon"];
        for play in USUAL.iter().chain(LABELED) {
            let known = script(play.action, Vec::new()).is_some() || on_sessions.contains(&play.action);
            assert!(known && !play.sentence.is_empty(), "{}", play.action);
        }
        assert!(script("nothing", Vec::new()).is_none());
    }
}
