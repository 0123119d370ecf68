//! Compiles steps that change something or send a message: the names that they use, and the values that they write.

use std::collections::BTreeMap;

use super::chain::Build;
use super::reading::Reading as _;
use crate::model::{EffectKind, EffectShape, EventType, IdentityWords, Lane, Repeat, Span, SubjectKind};
use crate::policy::diagnostic::{Diagnostic, Place, nearest};
use crate::policy::grammar;
use crate::policy::known;
use crate::policy::resolve::{self, SETTABLE, settable};
use crate::policy::script::{Data, Text};
use crate::policy::source::Node;
use crate::policy::tree::{Effect, Request, Verb, Wait};

/// Returns how messages name a configured provider.
fn called(name: &str, provider: &str) -> String {
    if name == provider { name.to_owned() } else { format!("{name} ({provider})") }
}

impl Build<'_> {
    /// Compiles a verb that is one effect. None: an error was reported.
    pub fn effect(&mut self, item: &Node, value: &Node, kind: EffectKind) -> Option<Verb> {
        self.supported(kind, &value.place);
        Some(Verb::Effect(match kind.row().shape {
            EffectShape::Verify => return self.verify(value).map(Verb::Verify),
            EffectShape::Approve => {
                self.object(value);
                return Some(Verb::Approve);
            }
            EffectShape::Reject => {
                self.object(value);
                return Some(Verb::Reject { grace: self.grace(item, value, false)? });
            }
            EffectShape::Delete => {
                self.object(value);
                return Some(Verb::Delete { grace: self.grace(item, value, true)? });
            }
            EffectShape::Notify => Effect::Notify(self.notify(value)?),
            EffectShape::Suspend => {
                self.object(value);
                let end_sessions = item.get(EffectKind::EndSessions.word());
                let end_sessions = end_sessions.and_then(|flag| flag.scalar()?.boolean());
                Effect::Suspend { end_sessions: end_sessions.unwrap_or(false) }
            }
            EffectShape::Reinstate => {
                self.object(value);
                Effect::Reinstate
            }
            EffectShape::Account(change) => {
                self.object(value);
                Effect::Account(change)
            }
            EffectShape::Invite => {
                self.object(value);
                Effect::Invite
            }
            EffectShape::Role(change) => Effect::Role { change, role: self.role(value, kind)? },
            EffectShape::Set => {
                self.attributes_of_subject(value);
                self.mapped(value);
                Effect::Set(self.data(value, true))
            }
            EffectShape::CreateUser => {
                self.object(value);
                self.user_name(item);
                Effect::CreateUser {
                    system: item.text_of("in")?.to_owned(),
                    attributes: self.attributes(item),
                }
            }
            EffectShape::UpdateUser => {
                self.object(value);
                let matching = item.get("match")?;
                if matching.map().is_none_or(<[_]>::is_empty) {
                    let message = "`match` is empty; it lists the attributes that find the account";
                    let help = "write for example match: {userName: \"${user.username}\"}";
                    self.report(Diagnostic::error(matching.place.clone(), "wrong-type", message).help(help));
                }
                Effect::UpdateUser {
                    system: item.text_of("in")?.to_owned(),
                    matching: self.data(matching, true),
                    attributes: self.attributes(item),
                }
            }
            EffectShape::Call => Effect::Call(self.request(item, value)?),
            EffectShape::Emit => Effect::Emit {
                kind: value.text()?.to_owned(),
                data: item.get("data").map_or(Data::Map(Vec::new()), |data| self.data(data, false)),
            },
        }))
    }

    /// Refuses an effect that an identity provider of the policy does not support.
    fn supported(&mut self, kind: EffectKind, place: &Place) {
        let Some(subject) = self.subject.filter(|_| kind.row().lane == Lane::Identity) else { return };
        let refused = self.takers().find_map(|(name, source, words)| {
            Some((name.clone(), source.provider, (words.refuses)(kind, subject)?))
        });
        let Some((name, provider, why)) = refused else { return };
        let (verb, one) = (kind.word(), subject.one());
        let message = format!("{} cannot `{verb}` {one}: {why}", called(&name, provider));
        let help = self.without(verb);
        self.report(Diagnostic::error(place.clone(), "unsupported", message).help(help));
    }

    /// Refuses a role that an identity provider of the policy does not change.
    fn role_supported(&mut self, kind: EffectKind, role: &str, place: &Place) {
        let refused = self.takers().find_map(|(name, source, words)| {
            Some((name.clone(), source.provider, (words.refuses_role)(role)?))
        });
        let Some((name, provider, why)) = refused else { return };
        let verb = kind.word();
        let message = format!("{} cannot `{verb}` {role}: {why}", called(&name, provider));
        let help = self.without(verb);
        self.report(Diagnostic::error(place.clone(), "unsupported", message).help(help));
    }

    /// Refuses to wait for an event that no identity provider of the policy sends.
    pub fn sent(&mut self, event: &EventType, place: &Place) {
        let mut never = None;
        for (name, source, words) in self.takers() {
            match (words.never_sends)(event.as_str()) {
                Some(why) => never = never.or_else(|| Some((name.clone(), source.provider, why))),
                None => return,
            }
        }
        let Some((name, provider, why)) = never else { return };
        let message = format!("{} never sends {event}: {why}", called(&name, provider));
        let help = format!("take {event} out of the policy");
        self.report(Diagnostic::error(place.clone(), "unsupported", message).help(help));
    }

    /// Returns the configured identity providers of the policy with their words.
    fn takers(&self) -> impl Iterator<Item = (&String, &known::Source, &IdentityWords)> {
        let words = &self.known.vocabulary.identity;
        let sources = self.known.sources.iter().flatten();
        sources.filter_map(|(name, source)| {
            let takes = self.sources.is_empty() || self.sources.contains(name);
            takes.then(|| Some((name, source, words.get(source.provider)?)))?
        })
    }

    fn without(&self, verb: &str) -> String {
        match self.known.sources.as_ref().map_or(0, BTreeMap::len) {
            0 | 1 => format!("take `{verb}` out of the policy"),
            _ => format!("take `{verb}` out, or name with `source:` the providers that this policy is for"),
        }
    }

    fn role(&mut self, value: &Node, kind: EffectKind) -> Option<Text> {
        let verb = kind.word();
        if let Some(role) = value.text().filter(|role| !role.contains("${")) {
            self.role_supported(kind, role, &value.place);
        }
        if self.subject.is_some_and(|subject| subject != SubjectKind::User) {
            let message = format!("`{verb}` needs an account; the subject of this policy is not a user");
            let help = "a registration has no roles";
            self.report(Diagnostic::error(value.place.clone(), "other-subject", message).help(help));
        }
        Some(self.text(value.text()?, &value.text_place()))
    }

    /// Checks that `set` changes only fields that the identity provider accepts, by known names.
    fn attributes_of_subject(&mut self, value: &Node) {
        let Some(subject) = self.subject else { return };
        if subject == SubjectKind::Applicant {
            let message = "`set` does not work on an applicant, who has no account";
            let help = "set the attributes in `create_user`";
            self.report(Diagnostic::error(value.place.clone(), "other-subject", message).help(help));
            return;
        }
        for (key, _) in value.map().unwrap_or_default() {
            if settable(&key.name, subject).is_none() {
                let word = subject.word();
                let known: Vec<_> = SETTABLE.iter().map(|name| format!("{word}.{name}")).collect();
                let message = format!("`{}` cannot be written", key.name);
                let near = nearest(&key.name, known.iter().map(String::as_str));
                let help = format!("{near}; custom attributes are {word}.attributes.<short name>");
                self.report(Diagnostic::error(key.place.clone(), "unknown-name", message).help(help));
            }
        }
    }

    /// Refuses fields that the configuration maps to no field of the identity provider.
    fn mapped(&mut self, value: &Node) {
        let (Some(sources), Some(subject)) = (self.known.sources.clone(), self.subject) else { return };
        for (key, _) in value.map().unwrap_or_default() {
            let Some(name) = resolve::settable(&key.name, subject) else { continue };
            if name.starts_with("attributes.") {
                continue;
            }
            let words = &self.known.vocabulary.identity;
            let settable = |source: &&known::Source| {
                let own = words.get(source.provider).is_some_and(|words| words.settable.contains(&name));
                own || source.mapped.iter().any(|other| other == name)
            };
            let mut takers = sources
                .iter()
                .filter(|(name, _)| self.sources.is_empty() || self.sources.contains(name))
                .map(|(_, source)| source);
            let Some(source) = takers.find(|source| !settable(source)) else { continue };
            let message = format!("proofd.yaml does not map `{name}` to a field of the identity provider");
            let help = format!("add {name}: <short name> under {}.attributes", source.path);
            self.report(Diagnostic::error(key.place.clone(), "unknown-name", message).help(help));
        }
    }

    /// Checks for a user name, without which a SCIM system creates no account.
    fn user_name(&mut self, item: &Node) {
        let system = item.text_of("in").unwrap_or_default();
        let scim = self.known.scim.as_ref().is_some_and(|scim| scim.iter().any(|name| name == system));
        let Some((key, attributes)) = item.entry("attributes").filter(|_| scim) else { return };
        let named = |(key, _): &(crate::policy::source::Key, Node)| key.name.eq_ignore_ascii_case("userName");
        if !attributes.map().unwrap_or_default().iter().any(named) {
            let message = format!("`{system}` is a SCIM system and needs `userName` to create an account");
            let help = "write for example userName: \"${applicant.email}\" under attributes";
            self.report(Diagnostic::error(key.place.clone(), "missing-key", message).help(help));
        }
    }

    fn attributes(&mut self, item: &Node) -> Data {
        if let Some(node) = item.get("attributes").filter(|node| node.map().is_some_and(<[_]>::is_empty)) {
            let message = "`attributes` is empty; nothing would be written";
            let help = "list attributes with their values, such as title: \"${user.title}\"";
            self.report(Diagnostic::error(node.place.clone(), "empty", message).help(help));
        }
        item.get("attributes").map_or(Data::Map(Vec::new()), |attributes| self.data(attributes, true))
    }

    fn request(&mut self, item: &Node, value: &Node) -> Option<Request<Text, Data>> {
        let method = item.text_of("method").unwrap_or("POST").to_owned();
        let repeat = item.text_of("idempotency").and_then(Repeat::of_word);
        let repeat = repeat.unwrap_or_else(|| resolve::repeat(&method));
        Some(Request {
            endpoint: value.text()?.to_owned(),
            method,
            path: item.get("path").and_then(|path| Some(self.text(path.text()?, &path.text_place()))),
            body: item.get("body").map(|body| self.data(body, false)),
            repeat,
            returns: item.texts("returns"),
        })
    }

    /// Compiles an `act` step. Its function may return only verbs that the loader does not need to prove.
    pub fn act(&mut self, item: &Node, value: &Node) -> Option<Verb> {
        let mut may = Vec::new();
        for name in item.get("may").and_then(Node::list).unwrap_or_default() {
            let Some(word) = name.text() else { continue };
            let kind = EffectKind::of_word(word);
            if let Some(kind) = kind.filter(|kind| kind.row().act) {
                may.push(kind);
                self.actions.insert(kind);
                self.supported(kind, &name.place);
                if let Some(subject) = self.subject.filter(|subject| !kind.is_for(*subject)) {
                    let message = format!("`{word}` does not work on {}", subject.one());
                    let help = "remove it from `may`";
                    self.report(Diagnostic::error(name.place.clone(), "other-subject", message).help(help));
                }
                continue;
            }
            let message = match grammar::verb(word) {
                Some(_) => format!(
                    "a function cannot return `{word}`: write steps that wait, branch, end or cannot be \
                        undone in the policy"
                ),
                None => format!("unknown verb `{word}`"),
            };
            let help = nearest(word, EffectKind::of_act().map(EffectKind::word));
            self.report(Diagnostic::error(name.place.clone(), "unknown-name", message).help(help));
        }
        if let Some(list) = item.get("may").filter(|list| list.list().is_some_and(<[_]>::is_empty)) {
            let message = "`may` is empty; it lists the verbs that the function may return";
            self.report(Diagnostic::error(list.place.clone(), "empty", message));
        }
        if may.contains(&EffectKind::Notify) {
            // The template is known only when the function runs.
            self.templates.extend(self.layout.templates.keys().map(|name| (*name).to_owned()));
        }
        let function = self.function(value.text()?, &value.text_place());
        self.actions_of(&function, &may);
        Some(Verb::Act { function, may })
    }

    pub fn wait(&mut self, value: &Node) -> Option<Wait> {
        let (event, time) = (value.get("for"), value.get("until"));
        if event.is_some() == time.is_some() {
            let message = "a wait has either `for:` (an event) or `until:` (a time)";
            self.report(Diagnostic::error(value.place.clone(), "wait", message));
        }
        if let Some(time) = time {
            return Some(Wait::Until(self.text(time.text()?, &time.text_place())));
        }
        if value.get("answer_within").is_none() {
            let message = "a wait for an event needs `answer_within:`";
            self.report(Diagnostic::error(value.place.clone(), "missing-key", message));
        }
        let awaited = event?;
        let event = self.event(awaited)?;
        self.sent(&event, &awaited.place);
        let answer_within: Span = self.deadline(value, None)?;
        Some(Wait::For { event, answer_within })
    }
}
