//! What a step is, whatever it is called: so that two revisions can be compared by what they go through, and
//! a step that has only got another name is known again.

use std::collections::BTreeMap;

use crate::policy::tree::{Effect, Policy, Step, StepIndex, Verb, Wait};

/// The steps of a policy by what they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// `verify id-and-selfie`; the second of the kind is `verify id-and-selfie #2`.
    words: BTreeMap<StepIndex, String>,
    /// Ids, which clauses and texts name, to what they are.
    ids: BTreeMap<String, String>,
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
        }
        known
    }

    pub fn word(&self, at: StepIndex) -> &str {
        self.words.get(&at).map_or("", String::as_str)
    }

    /// A clause or a text in which steps are what they are, instead of their names.
    pub fn text(&self, text: &str) -> String {
        const BEFORE: &str = "steps.";
        let mut parts = text.split(BEFORE);
        let mut said = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(part.len());
            let (id, rest) = part.split_at(end);
            let name = self.ids.get(id).map_or_else(|| id.to_owned(), |word| format!("<{word}>"));
            said.push_str(BEFORE);
            said.push_str(&name);
            said.push_str(rest);
        }
        said
    }

    pub fn texts(&self, texts: &[String]) -> Vec<String> {
        texts.iter().map(|text| self.text(text)).collect()
    }

    /// Steps that have another name in the other revision and are the same: old and new. Certain, for a step
    /// whose name is gone and one whose name is new, of which each is the only one that is what it is.
    pub fn renamed<'a>(&'a self, after: &'a Self) -> Vec<(&'a str, &'a str)> {
        let gone = self.ids.iter().filter(|(id, _)| !after.ids.contains_key(*id));
        let new = |word: &String| {
            after.ids.iter().find(|(id, other)| *other == word && !self.ids.contains_key(*id))
        };
        gone.filter_map(|(id, word)| Some((id.as_str(), new(word)?.0.as_str()))).collect()
    }
}

impl Known {
    /// Steps of the same name at which another function decides: name, old and new.
    pub fn decided_otherwise<'a>(&'a self, after: &'a Self) -> Vec<(&'a str, &'a str, &'a str)> {
        let function =
            |word: &'a String| Some(word.strip_prefix("run ")?.split(' ').next().unwrap_or_default());
        let both = self.ids.iter().filter_map(|(id, word)| Some((id.as_str(), word, after.ids.get(id)?)));
        both.filter_map(|(id, old, new)| Some((id, function(old)?, function(new)?)))
            .filter(|(_, old, new)| old != new)
            .collect()
    }
}

/// What decides which way a case takes.
fn kind(step: &Step) -> String {
    match &step.verb {
        Verb::Verify(verify) => format!("verify {}", verify.verification.name),
        Verb::Review(review) => format!("review {}", review.queue),
        Verb::Run { function, .. } => {
            let source = function.source();
            format!("run {}", source.split('(').next().unwrap_or(source))
        }
        Verb::Wait(Wait::For { event, .. }) => format!("wait {event}"),
        Verb::Wait(Wait::Until(_)) => "wait".to_owned(),
        Verb::Effect(Effect::Call(request)) => format!("call {}", request.endpoint),
        verb => verb.word().to_owned(),
    }
}
