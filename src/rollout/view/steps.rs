//! Files and steps of a revision.

use std::collections::BTreeMap;

use crate::api::diagnostics::Place;
use crate::api::steps::{EdgeCause, RevisionSource, StepEdge, StepLine};
use crate::model::Nature;
use crate::policy::Policy;
use crate::policy::effects::effects;
use crate::policy::graph::{Edge, StepIndex, Via};
use crate::policy::tree::{Step, Verb, Wait};

impl From<&Policy> for RevisionSource {
    fn from(policy: &Policy) -> Self {
        let targets = targets(policy);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let files = policy.files.0.iter().map(|(path, bytes)| (path.clone(), text(bytes)));
        Self {
            policy: policy.name.clone(),
            revision: policy.revision.0.clone(),
            files: files.collect(),
            first: index(policy.graph.first),
            steps: policy.steps.iter().map(|step| line(policy, step, &targets)).collect(),
        }
    }
}

/// The targets of effects, by the name of the step that has them.
fn targets(policy: &Policy) -> BTreeMap<String, Vec<String>> {
    let mut targets: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for effect in effects(policy).effects {
        for way in effect.ways {
            let of = targets.entry(way.step).or_default();
            if !of.contains(&effect.to) {
                of.push(effect.to.clone());
            }
        }
    }
    targets
}

fn line(policy: &Policy, step: &Step, targets: &BTreeMap<String, Vec<String>>) -> StepLine {
    let place = &step.place;
    let adverse = step.verb.effect().is_some_and(|kind| match kind.nature() {
        Nature::Ends | Nature::Withholds => true,
        Nature::Lifts | Nature::Gives | Nature::Asks | Nature::Notifies => false,
    });
    let grace = match &step.verb {
        Verb::Reject { grace } | Verb::Delete { grace } => Some(grace.length),
        Verb::Verify(_)
        | Verb::Review(_)
        | Verb::Run { .. }
        | Verb::Wait(_)
        | Verb::Act { .. }
        | Verb::Approve
        | Verb::Do { .. }
        | Verb::RetryFrom { .. }
        | Verb::Close { .. }
        | Verb::Effect(_) => None,
    };
    StepLine {
        path: step.path.clone(),
        name: step.name().to_owned(),
        verb: step.verb.word().to_owned(),
        about: about(policy, step, targets),
        effect: step.verb.effect(),
        adverse,
        answer_within: step.verb.deadline().map(|(within, _)| within),
        grace,
        only_if: step.condition.as_ref().map(|condition| condition.clauses()).unwrap_or_default(),
        place: Place {
            file: place.file.clone(),
            line: place.line,
            column: place.column,
            length: place.length.max(1),
        },
        edges: policy.on(step).iter().map(edge).collect(),
    }
}

/// What the verb is about, in a few words.
fn about(policy: &Policy, step: &Step, targets: &BTreeMap<String, Vec<String>>) -> String {
    let name = |at: StepIndex| policy.step(at).map(|step| step.name().to_owned()).unwrap_or_default();
    match &step.verb {
        Verb::Verify(verify) => verify.verification.name.clone(),
        Verb::Review(review) if review.people > 1 => format!("{} ({} people)", review.queue, review.people),
        Verb::Review(review) => review.queue.clone(),
        Verb::Run { function, .. } => function.source().to_owned(),
        Verb::Act { may, .. } => may.iter().map(|kind| kind.word()).collect::<Vec<_>>().join(", "),
        Verb::Wait(Wait::For { event, .. }) => event.to_string(),
        Verb::Wait(Wait::Until(until)) => format!("until {}", until.source()),
        Verb::Do { block, .. } => block.clone(),
        Verb::RetryFrom { step, at_most, .. } => format!("{}, at most {at_most}", name(*step)),
        Verb::Close { result } => result.clone(),
        Verb::Approve | Verb::Reject { .. } | Verb::Delete { .. } | Verb::Effect(_) => {
            targets.get(step.name()).map(|to| to.join(", ")).unwrap_or_default()
        }
    }
}

fn edge(edge: &Edge) -> StepEdge {
    let (via, outcome) = match &edge.via {
        Via::Next => (EdgeCause::Next, None),
        Via::LeftOut => (EdgeCause::LeftOut, None),
        Via::Outcome(ending) => (EdgeCause::Outcome, Some(ending.word().to_owned())),
        Via::Block => (EdgeCause::Block, None),
        Via::Again => (EdgeCause::Again, None),
        Via::UsedUp => (EdgeCause::UsedUp, None),
    };
    StepEdge { to: index(edge.to), via, outcome }
}

fn index(at: StepIndex) -> usize {
    // A policy has fewer steps than a u32 counts; usize has at least 32 bits here.
    usize::try_from(at.0).unwrap_or(usize::MAX)
}
