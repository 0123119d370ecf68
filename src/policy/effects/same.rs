//! Identifies steps by content instead of name. Two revisions can then be compared by the steps on their paths, and a
//! step that was only renamed is recognized.

use std::collections::BTreeMap;

use crate::policy::script::Function;
use crate::policy::tree::{Effect, Policy, Step, StepIndex, Verb, Wait};

/// The steps of a policy by content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// `verify id-and-selfie`; the second of the kind is `verify id-and-selfie #2`.
    words: BTreeMap<StepIndex, String>,
    /// Ids, which clauses and texts use, to the content of the steps.
    ids: BTreeMap<String, String>,
    /// Ids of the steps at which a function decides, to the function.
    functions: BTreeMap<String, String>,
}

impl Known {
    pub fn of(policy: &Policy) -> Self {
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        let mut known = Self::default();
        for step in &policy.steps {
            let kind = kind(step);
            let count = counts.entry(kind.clone()).or_default();
            *count += 1;
            let word = if *count == 1 { kind } else { format!("{kind} #{count}") };
            known.ids.extend(step.id.clone().map(|id| (id, word.clone())));
            known.words.insert(step.index, word);
            if let (Some(id), Verb::Run { function, .. }) = (&step.id, &step.verb) {
                known.functions.insert(id.clone(), name(function).to_owned());
            }
        }
        known
    }

    pub fn word(&self, at: StepIndex) -> &str {
        self.words.get(&at).map_or("", String::as_str)
    }

    /// Returns a clause or a text with step names replaced by the content of the steps.
    pub fn text(&self, text: &str) -> String {
        const BEFORE: &str = "steps.";
        let mut parts = text.split(BEFORE);
        let mut written = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(part.len());
            let (id, rest) = part.split_at(end);
            let name = self.ids.get(id).map_or_else(|| id.to_owned(), |word| format!("<{word}>"));
            written.push_str(BEFORE);
            written.push_str(&name);
            written.push_str(rest);
        }
        written
    }

    pub fn texts(&self, texts: &[String]) -> Vec<String> {
        texts.iter().map(|text| self.text(text)).collect()
    }

    /// Returns the steps that were renamed: old and new. The result is certain: the old name is gone, the new name is
    /// new, and each is the only step with this content.
    pub fn renamed<'a>(&'a self, after: &'a Self) -> Vec<(&'a str, &'a str)> {
        let gone = self.ids.iter().filter(|(id, _)| !after.ids.contains_key(*id));
        let new = |word: &String| {
            after.ids.iter().find(|(id, other)| *other == word && !self.ids.contains_key(*id))
        };
        gone.filter_map(|(id, word)| Some((id.as_str(), new(word)?.0.as_str()))).collect()
    }
}

impl Known {
    /// Returns the steps with the same name at which another function decides: name, old and new.
    pub fn decided_otherwise<'a>(&'a self, after: &'a Self) -> Vec<(&'a str, &'a str, &'a str)> {
        let both = self.functions.iter();
        both.filter_map(|(id, old)| Some((id.as_str(), old.as_str(), after.functions.get(id)?.as_str())))
            .filter(|(_, old, new)| old != new)
            .collect()
    }
}

/// Returns a function without its arguments.
fn name(function: &Function) -> &str {
    let source = function.source();
    source.split('(').next().unwrap_or(source)
}

/// Returns what determines the path of a case.
fn kind(step: &Step) -> String {
    match &step.verb {
        Verb::Verify(verify) => format!("verify {}", verify.verification.name),
        Verb::Review(review) => format!("review {}", review.queue),
        Verb::Run { function, .. } => format!("run {}", name(function)),
        Verb::Wait(Wait::For { event, .. }) => format!("wait {event}"),
        Verb::Effect(Effect::Call(request)) => format!("call {}", request.endpoint),
        Verb::Wait(Wait::Until(_))
        | Verb::Act { .. }
        | Verb::Approve
        | Verb::Reject { .. }
        | Verb::Delete { .. }
        | Verb::Do { .. }
        | Verb::RetryFrom { .. }
        | Verb::Close { .. }
        | Verb::Effect(_) => step.verb.word().to_owned(),
    }
}
