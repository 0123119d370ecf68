//! The effects of one step: the verb and its target.

use super::Proof;
use crate::model::{EffectKind, NeedsProof, Span, SubjectKind};
use crate::policy::grammar::Rule;
use crate::policy::script::Data;
use crate::policy::tree::{Effect, Grace, Notify, Policy, Recipient, Step, Verb, Verify, Written};

/// One effect of a step.
pub(super) struct Site {
    /// An effect, or `close`.
    pub verb: Rule,
    pub to: String,
    pub grace: Option<Span>,
    /// The attributes that it writes in another system, one line for each.
    pub body: Vec<String>,
}

impl Site {
    fn new(verb: Rule, to: impl Into<String>) -> Self {
        Self { verb, to: to.into(), grace: None, body: Vec::new() }
    }

    fn of(kind: EffectKind, to: impl Into<String>) -> Self {
        Self::new(Rule::Effect(kind), to)
    }
}

/// The text between the target of a suspension and the end whose grace it covers.
pub(super) const GRACE_OF: &str = ", for the grace of ";

/// Reports whether an effect admits or readmits a person without proof of identity. Accounts and roles are often given
/// without a request for proof, by another policy or on purpose. They count only if proof was requested and failed.
pub(super) fn unproven(verb: Rule, to: &str, proof: Proof) -> bool {
    let Some(kind) = verb.effect() else { return false };
    match kind.row().needs_proof {
        NeedsProof::Always => proof != Proof::Given,
        NeedsProof::IfAsked => proof == Proof::Failed,
        // The mark that a person was verified.
        NeedsProof::Never => {
            kind == EffectKind::Set && proof == Proof::Failed && to.starts_with("user.verified_at")
        }
    }
}

/// Returns the effect by which a step admits a verified person, or gives something back.
pub fn lets_in(policy: &Policy, step: &Step) -> Option<EffectKind> {
    let sites = sites(policy, step);
    sites.iter().find(|site| unproven(site.verb, &site.to, Proof::Failed)).and_then(|site| site.verb.effect())
}

/// Returns all effects of a step.
pub(super) fn sites(policy: &Policy, step: &Step) -> Vec<Site> {
    let (subject, verb) = (policy.subject, step.verb.rule());
    match &step.verb {
        Verb::Verify(verify) => proving(verify),
        Verb::Approve => vec![Site::new(verb, subject.word())],
        Verb::Reject { grace } | Verb::Delete { grace } => adverse(verb, subject, *grace),
        Verb::Act { function, may } => {
            let to = format!("as {} says", function.source());
            may.iter().map(|kind| Site::of(*kind, &to)).collect()
        }
        Verb::Close { result } => vec![Site::new(verb, result)],
        Verb::Effect(effect) => changes(effect, subject),
        Verb::Review(_) | Verb::Wait(_) | Verb::Run { .. } | Verb::Do { .. } | Verb::RetryFrom { .. } => {
            Vec::new()
        }
    }
}

fn adverse(verb: Rule, subject: SubjectKind, grace: Grace) -> Vec<Site> {
    let mut sites = vec![Site { grace: Some(grace.length), ..Site::new(verb, subject.word()) }];
    if subject == SubjectKind::User && grace.length != Span::ZERO {
        sites.push(Site::of(EffectKind::Suspend, format!("user{GRACE_OF}{verb}")));
    }
    sites
}

fn proving(verify: &Verify) -> Vec<Site> {
    let by = &verify.verification;
    let mut sites = vec![Site::of(
        EffectKind::Verify,
        format!("subject, by {} ({} {})", by.name, by.provider, by.workflow),
    )];
    if let Some(other) = &verify.fallback {
        let to = format!(
            "subject, by {} ({} {}) if nothing is enrolled",
            other.name, other.provider, other.workflow
        );
        sites.push(Site::of(EffectKind::Verify, to));
    }
    sites.push(Site::of(EffectKind::Notify, format!("subject: {}", verify.invite)));
    for reminder in &verify.remind {
        for to in std::iter::once(&Recipient::Subject).chain(&reminder.also) {
            sites.push(Site::of(EffectKind::Notify, format!("{}: {}", recipient(to), reminder.template)));
        }
    }
    sites
}

fn mails(notify: &Notify) -> Vec<Site> {
    let site = |to: &Recipient| {
        let by = if notify.by_call && matches!(to, Recipient::Team(_)) { " and by call" } else { "" };
        Site::of(EffectKind::Notify, format!("{}: {}{by}", recipient(to), notify.template))
    };
    notify.to.iter().map(site).collect()
}

fn recipient(recipient: &Recipient) -> String {
    match recipient {
        Recipient::Subject => "subject".to_owned(),
        Recipient::Manager => "manager".to_owned(),
        Recipient::Team(team) => format!("team {team}"),
    }
}

fn changes(effect: &Effect<Written>, subject: SubjectKind) -> Vec<Site> {
    let verb = Rule::Effect(effect.kind());
    let who = subject.word();
    match effect {
        Effect::Suspend { end_sessions } => {
            let mut sites = vec![Site::new(verb, who)];
            sites.extend(end_sessions.then(|| Site::of(EffectKind::EndSessions, who)));
            sites
        }
        Effect::Notify(notify) => mails(notify),
        Effect::Reinstate | Effect::Account(_) | Effect::Invite => vec![Site::new(verb, who)],
        Effect::Role { role, .. } => vec![Site::new(verb, format!("role {}", role.source()))],
        Effect::Set(attributes) => named(attributes).into_iter().map(|to| Site::new(verb, to)).collect(),
        Effect::CreateUser { system, attributes } | Effect::UpdateUser { system, attributes, .. } => {
            let names = match attributes {
                Data::Map(entries) => entries.iter().map(|(name, _)| name.as_str()).collect(),
                _ => Vec::new(),
            };
            let to = format!("in {system}: {}", names.join(", "));
            vec![Site { body: named(attributes), ..Site::new(verb, to) }]
        }
        Effect::Call(request) => {
            let path = request.path.as_ref().map(|path| format!(" {}", path.source())).unwrap_or_default();
            let body = request.body.as_ref().map(named).unwrap_or_default();
            vec![Site { body, ..Site::new(verb, format!("{}: {}{path}", request.endpoint, request.method)) }]
        }
        Effect::Emit { kind, data } => vec![Site { body: named(data), ..Site::new(verb, kind) }],
    }
}

fn named(attributes: &Data) -> Vec<String> {
    match attributes {
        Data::Map(entries) => {
            entries.iter().map(|(name, value)| format!("{name} = {}", value.source())).collect()
        }
        other => vec![other.source()],
    }
}
