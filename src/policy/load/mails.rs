//! Checks the mails of one policy: every value that a template names must exist in each place that sends it.

use std::collections::{BTreeMap, BTreeSet};

use super::layout::Layout;
use crate::model::SubjectKind;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::graph::Graph;
use crate::policy::schema;
use crate::policy::script::{self, Context, Shape};
use crate::policy::template::{Absent, LINKS, Names, Templates};
use crate::policy::tree::{Effect, Recipient, Step, StepIndex, Verb};

/// The names that the mails of a policy can use.
pub struct Mails {
    roots: Vec<(&'static str, Shape)>,
    missing: Vec<(&'static str, String)>,
    sometimes: Vec<(String, Absent)>,
}

/// The context in which a template is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sent {
    /// To the person, by a step that waits for their proof.
    Asking,
    /// To others, by such a step.
    Beside,
    /// To the person, by `notify`.
    Telling,
    /// To others, by `notify`.
    Reporting,
}

impl Sent {
    /// Reports whether a mail in this context has a name that only some mails have.
    fn has(self, name: &str) -> bool {
        match name {
            "link" => self == Self::Asking,
            "contest_link" => matches!(self, Self::Asking | Self::Telling),
            _ => matches!(self, Self::Asking | Self::Beside),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Asking | Self::Telling => "a `notify` mail to the person has none",
            Self::Beside => "a mail to another recipient than the person has none",
            Self::Reporting => "a `notify` mail to another recipient than the person has none",
        }
    }
}

impl Mails {
    pub fn new(subject: SubjectKind, context: &Context<'_>) -> Self {
        let mut roots = script::roots(context);
        // Mails have no `now`, and every field that any event type has.
        roots.retain(|(name, _)| *name != "now" && *name != "event");
        roots.push(("event", Shape::of_fields(&schema::fields_of_any_event())));
        roots.push(("organization", Shape::Text));
        let others = SubjectKind::ALL.into_iter().filter(|kind| *kind != subject);
        let why = format!("this policy is about {}", subject.one());
        let missing = others.map(|kind| (kind.word(), why.clone())).collect();
        Self { roots, missing, sometimes: sometimes(context) }
    }

    /// Checks each template that a step names. Templates that a function names are known only when it runs.
    pub fn look(
        &self,
        steps: &[Step],
        graph: &Graph,
        templates: &Templates,
        layout: &Layout<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let sent = sent(steps);
        let passed = graph.passed();
        for source in layout.mails(|name| sent.contains_key(name), &mut Vec::new()) {
            // The template has errors of its own, independent of the sender.
            if diagnostics.iter().any(|found| found.place.file == source.path) {
                continue;
            }
            let ways = sent.get(&source.name).map(Vec::as_slice).unwrap_or_default();
            let (mut roots, mut missing) = (self.roots.clone(), self.missing.clone());
            for name in LINKS {
                match ways.iter().find(|way| !way.has(name)) {
                    Some(way) => missing.push((name, way.word().to_owned())),
                    None => roots.push((name, Shape::Text)),
                }
            }
            let mut sometimes = self.sometimes.clone();
            sometimes.extend(self.not_run(steps, &passed, &source.name));
            let names = Names { roots, missing, sometimes };
            templates.look(&source, &names, diagnostics);
        }
    }

    /// Returns the values of steps that have not run on at least one path to a step that sends this template.
    fn not_run(
        &self,
        steps: &[Step],
        passed: &BTreeMap<StepIndex, BTreeSet<StepIndex>>,
        template: &str,
    ) -> Vec<(String, Absent)> {
        let senders: Vec<&BTreeSet<StepIndex>> = steps
            .iter()
            .filter(|step| sends(step).iter().any(|(name, _)| *name == template))
            .filter_map(|step| passed.get(&step.index))
            .collect();
        let shapes = self.roots.iter().find(|(name, _)| *name == "steps").map(|(_, shape)| shape);
        let Some(Shape::Record(shapes)) = shapes else { return Vec::new() };
        let mut found = Vec::new();
        for step in steps {
            let (Some(id), None) = (&step.id, &step.condition) else { continue };
            let Some(Shape::Record(fields)) = shapes.get(id.as_str()) else { continue };
            if senders.iter().all(|passed| passed.contains(&step.index)) {
                continue;
            }
            let never = senders.iter().all(|passed| !passed.contains(&step.index));
            let why = match never {
                true => format!("the step `{id}` runs after this mail"),
                false => format!("not every path to this mail runs the step `{id}`"),
            };
            let absent =
                |field: &String| (format!("steps.{id}.{field}"), Absent { why: why.clone(), always: never });
            found.extend(fields.keys().map(absent));
        }
        found
    }
}

/// Returns the fields of events that some cases of the policy do not have.
fn sometimes(context: &Context<'_>) -> Vec<(String, Absent)> {
    let has = |name: &str| {
        let types = context.event_types.iter();
        types.filter(|kind| schema::fields_of_event(kind).iter().any(|field| field.name == name)).count()
    };
    let mut found = Vec::new();
    for field in schema::fields_of_any_event() {
        let path = format!("event.{}", field.name);
        let count = has(field.name);
        if context.event_types.iter().any(|kind| !schema::is_event_type(kind.as_str(), context.words)) {
            continue;
        }
        let types = context.event_types.len();
        let (why, always) = match (count, context.without_event) {
            (0, _) => ("no event of this policy has it", true),
            (_, true) => ("a case can open without an event", false),
            (count, false) if count < types => ("not every event of this policy has it", false),
            (_, false) => continue,
        };
        found.push((path, Absent { why: why.to_owned(), always }));
    }
    found
}

/// Returns the templates that steps name, with every context in which they are sent.
fn sent(steps: &[Step]) -> BTreeMap<String, Vec<Sent>> {
    let mut found: BTreeMap<String, Vec<Sent>> = BTreeMap::new();
    for (template, sent) in steps.iter().flat_map(sends) {
        found.entry(template.to_owned()).or_default().push(sent);
    }
    found
}

/// Returns the templates that one step names.
fn sends(step: &Step) -> Vec<(&str, Sent)> {
    let mut found = Vec::new();
    if let Verb::Verify(verify) = &step.verb {
        found.push((verify.invite.as_str(), Sent::Asking));
        for reminder in &verify.remind {
            found.push((reminder.template.as_str(), Sent::Asking));
            if !reminder.also.is_empty() {
                found.push((reminder.template.as_str(), Sent::Beside));
            }
        }
    }
    if let Verb::Effect(Effect::Notify(notify)) = &step.verb {
        for to in &notify.to {
            let person = *to == Recipient::Subject;
            found.push((notify.template.as_str(), if person { Sent::Telling } else { Sent::Reporting }));
        }
    }
    found
}
