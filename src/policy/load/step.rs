//! Compiles one step: its verb with all names that it uses, and the check that its outcomes match the verb.

use super::chain::Build;
use super::reading::{self, Reading as _};
use crate::model::{Span, SubjectKind};
use crate::policy::diagnostic::{Diagnostic, Place, nearest};
use crate::policy::grammar::{self, Outcomes, Rule, VerbRule};
use crate::policy::outcome::{RequestOutcome, ReviewOutcome, WaitOutcome};
use crate::policy::schema::COMPARED;
use crate::policy::source::Node;
use crate::policy::tree::{
    DecisionRule, Escalate, Grace, Notify, Recipient, Reminder, Review, Step, StepIndex, Verb, Verify,
};

/// A placeholder that is replaced when the whole policy is known.
const LATER: StepIndex = StepIndex(u32::MAX);
const DEFAULT_INVITE: &str = "proof-invite";

impl Build<'_> {
    /// Compiles a step without its links to other steps. None: an error was reported.
    pub fn step(&mut self, item: &Node, index: usize, path: String) -> Option<Step> {
        let (key, value, rule) = grammar::step_verb(item)?;
        self.actions.extend(rule.effect());
        self.outcomes(item, &key.name, &key.place, rule);
        let condition = item.condition("if").map(|source| self.condition(&source));
        let retry = self.retry(item, value, rule);
        let verb = self.verb(item, value, rule)?;
        Some(Step {
            index: StepIndex(u32::try_from(index).ok()?),
            path,
            id: item.text_of("id").map(str::to_owned),
            condition,
            retry,
            verb,
            outcomes: std::collections::BTreeMap::new(),
            next: None,
            place: item.place.clone(),
        })
    }

    fn verb(&mut self, item: &Node, value: &Node, rule: &'static VerbRule) -> Option<Verb> {
        match rule.verb {
            Rule::Run => {
                let function = self.function(value.text()?, &value.text_place());
                let returns = item.texts("returns");
                if let Some(returns) = item.get("returns") {
                    self.results(&function, returns);
                }
                Some(Verb::Run { function, returns })
            }
            Rule::Review => self.review(value).map(Verb::Review),
            Rule::Do => Some(Verb::Do { block: value.text()?.to_owned(), target: LATER }),
            Rule::RetryFrom => {
                let at_most = item.number("at_most")?;
                Some(Verb::RetryFrom { step: LATER, at_most, or_else: LATER })
            }
            Rule::Close => Some(Verb::Close { result: value.text()?.to_owned() }),
            Rule::Wait => self.wait(value).map(Verb::Wait),
            Rule::Act => self.act(item, value),
            Rule::Effect(kind) => self.effect(item, value, kind),
        }
    }

    /// Checks that the verb's object is the subject kind of the policy.
    pub fn object(&mut self, value: &Node) {
        let named = value.text().and_then(SubjectKind::of_word);
        if let (Some(object), Some(subject)) = (named, self.subject)
            && object != subject
        {
            let message = format!("this policy is about {}, not {}", subject.one(), object.one());
            self.report(
                Diagnostic::error(value.place.clone(), "other-subject", message)
                    .help(format!("write {subject}")),
            );
        }
    }

    pub fn grace(&mut self, item: &Node, value: &Node, needed: bool) -> Option<Grace> {
        let Some(node) = item.get("grace") else {
            if needed {
                let message = "`delete` needs `grace:`, the time in which it can be undone";
                let help = "write grace: 7d, or grace: 0 with because: and the reason";
                self.report(Diagnostic::error(value.place.clone(), "no-grace", message).help(help));
            }
            return (!needed).then_some(Grace { length: Span::ZERO });
        };
        let length = item.span("grace")?;
        self.calendar(length, None, &node.place);
        if length == Span::ZERO && item.get("because").is_none() {
            let message = "`grace: 0` needs a reason";
            let help = "add because: with the reason, or write a time such as 7d";
            self.report(Diagnostic::error(node.place.clone(), "no-because", message).help(help));
        }
        Some(Grace { length })
    }

    fn retry(&mut self, item: &Node, value: &Node, rule: &VerbRule) -> Option<crate::policy::tree::Retry> {
        let (node, retry) =
            [item, value].into_iter().find_map(|node| Some((node.get("retry")?, node.retry()?)))?;
        if rule.effect().is_none() {
            let message = format!("`{}` calls no other system; there is nothing to retry", rule.key.name);
            self.report(Diagnostic::warning(node.place.clone(), "dead-retry", message));
        }
        for key in ["first", "longest"] {
            if let Some(span) = node.get(key) {
                self.elapsed(span);
            }
        }
        if retry.first > retry.longest {
            let message = "the first delay is longer than the longest";
            self.report(Diagnostic::error(node.place.clone(), "retry", message));
        }
        Some(retry)
    }

    fn outcomes(&mut self, item: &Node, verb: &str, place: &Place, rule: &VerbRule) {
        let given = item.entry("outcomes");
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (expected, needed): (Vec<String>, bool) = match rule.outcomes {
            Outcomes::None => return,
            Outcomes::Fixed(names) => (owned(names), true),
            // `decisions` that is not a map is reported by its kind, and has no outcomes to compare with.
            Outcomes::Decisions if !self.has_decisions(item) => return,
            Outcomes::Decisions => (self.decisions(item), true),
            Outcomes::Returns => (self.returns(item), true),
            Outcomes::Wait if item.get("wait").is_some_and(|wait| wait.get("until").is_some()) => {
                (Vec::new(), false)
            }
            Outcomes::Wait => (owned(WaitOutcome::WORDS), true),
            Outcomes::Optional(names) => {
                let returns = item.texts("returns");
                (
                    if returns.is_empty() {
                        owned(names)
                    } else {
                        [returns, owned(&[RequestOutcome::Failed.word()])].concat()
                    },
                    given.is_some(),
                )
            }
        };
        // The outcomes are one level too deep: an unknown key there, which is reported already.
        if given.is_none() && misplaced(item) {
            return;
        }
        let entries = given.and_then(|(_, value)| value.map()).unwrap_or_default();
        let at = given.map_or(place, |(key, _)| &key.place);
        let missing: Vec<_> =
            expected.iter().filter(|name| !entries.iter().any(|(key, _)| key.name == **name)).collect();
        if needed && !missing.is_empty() {
            let words = missing.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
            let message = format!("`{verb}` has no steps for: {words}");
            let help = format!("list every outcome: {}", expected.join(", "));
            self.report(Diagnostic::error(at.clone(), "missing-outcome", message).help(help));
        }
        for (key, _) in entries.iter().filter(|(key, _)| !expected.contains(&key.name)) {
            let message = format!("`{verb}` has no outcome `{}`", key.name);
            let help = match nearest(&key.name, missing.iter().map(|name| name.as_str())) {
                near if near.starts_with("did you mean") => near,
                _ if expected.is_empty() => "it has no outcomes".to_owned(),
                _ => format!("its outcomes: {}", expected.join(", ")),
            };
            self.report(Diagnostic::error(key.place.clone(), "extra-outcome", message).help(help));
        }
    }

    fn has_decisions(&self, item: &Node) -> bool {
        let decisions = item.get("review").and_then(|review| review.get("decisions"));
        decisions.is_none_or(|decisions| decisions.map().is_some())
    }

    fn decisions(&mut self, item: &Node) -> Vec<String> {
        let decisions = item.get("review").and_then(|review| review.get("decisions"));
        let mut names = Vec::new();
        for (key, _) in decisions.and_then(Node::map).unwrap_or_default() {
            if ReviewOutcome::of_word(&key.name).is_some() {
                let message = "`overdue` is not a decision; it is an outcome of every review";
                self.report(
                    Diagnostic::error(key.place.clone(), "bad-decision", message).help("choose another word"),
                );
            }
            names.push(key.name.clone());
        }
        if let Some(decisions) = decisions.filter(|_| names.is_empty()) {
            self.report(Diagnostic::error(
                decisions.place.clone(),
                "empty",
                "`decisions` is empty; a review needs at least one",
            ));
        }
        names.extend(ReviewOutcome::WORDS.iter().map(|word| (*word).to_owned()));
        names
    }

    fn returns(&mut self, item: &Node) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for node in item.get("returns").and_then(Node::list).unwrap_or_default() {
            let Some(name) = node.text() else { continue };
            if names.iter().any(|other| other == name) {
                let message = format!("`{name}` is listed twice");
                self.report(Diagnostic::error(node.place.clone(), "duplicate-name", message));
            } else {
                names.push(name.to_owned());
            }
        }
        if let Some(list) = item.get("returns").filter(|list| names.is_empty() && list.list().is_some()) {
            self.report(Diagnostic::error(
                list.place.clone(),
                "empty",
                "`returns` is empty; it lists the names that the function may return",
            ));
        }
        names
    }

    pub fn verify(&mut self, node: &Node) -> Option<Verify> {
        let verifications = &self.shared.verifications;
        let verification = node.text_of("workflow").and_then(|name| verifications.get(name)).cloned();
        // An unusable fallback was reported at its own place.
        let fallback = verification.as_ref().and_then(|found| found.fallback.as_ref());
        let fallback = fallback.and_then(|name| verifications.get(name)).cloned();
        let answer_within = self.deadline(node, None);
        let invite = node.get("invite").and_then(|invite| invite.get("template"));
        if invite.is_none() {
            self.template(DEFAULT_INVITE, &node.place);
        }
        let invite = invite.map_or(Some(DEFAULT_INVITE), Node::text);
        let mut remind = Vec::new();
        for item in node.get("remind").and_then(Node::list).unwrap_or_default() {
            remind.extend(self.reminder(item, answer_within));
        }
        remind.sort_by_key(|reminder| reminder.after);
        // A misspelled field is reported already.
        if node.texts("compare").iter().all(|field| COMPARED.contains(&field.as_str())) {
            self.compared(node);
        }
        Some(Verify {
            verification: verification?,
            fallback,
            answer_within: answer_within?,
            invite: invite?.to_owned(),
            remind,
            compare: node.texts("compare"),
            optional: node.texts("optional"),
            reuse_within: node.span("reuse_within"),
        })
    }

    /// Checks `optional`, the exceptions of `compare`: it names fields of it, once each, and must leave one.
    fn compared(&mut self, node: &Node) {
        let (compare, optional) = (node.texts("compare"), node.texts("optional"));
        for key in ["compare", "optional"] {
            for (n, item) in node.get(key).and_then(Node::list).unwrap_or_default().iter().enumerate() {
                let Some(field) = item.text() else { continue };
                if node.texts(key).iter().take(n).any(|other| other == field) {
                    let message = format!("`{key}` lists `{field}` twice");
                    let help = "remove one of them";
                    self.report(Diagnostic::warning(item.place.clone(), "twice", message).help(help));
                } else if !compare.iter().any(|compared| compared == field) {
                    let message = format!("`optional` lists `{field}`, which `compare` does not list");
                    let help = "add it to `compare`, or remove it from `optional`";
                    let report = Diagnostic::error(item.place.clone(), "optional-not-compared", message);
                    self.report(report.help(help));
                }
            }
        }
        if !compare.is_empty() && compare.iter().all(|field| optional.contains(field)) {
            let place = reading::at(node, "optional").clone();
            let message =
                "every compared field is optional; a person who registered none passes with any document";
            let help = "remove at least one field from `optional`";
            self.report(Diagnostic::error(place, "nothing-compared", message).help(help));
        }
    }

    fn reminder(&mut self, item: &Node, deadline: Option<Span>) -> Option<Reminder> {
        let template = item.text_of("template").map(str::to_owned);
        let also = item.get("also").map(|also| self.recipients(also)).unwrap_or_default();
        let after = item.span("after")?;
        let place = reading::at(item, "after").clone();
        self.calendar(after, None, &place);
        self.dead_after(after, deadline, &place, "this reminder");
        Some(Reminder { after, template: template?, also })
    }

    fn dead_after(&mut self, after: Span, deadline: Option<Span>, place: &Place, what: &str) {
        let late = match (after, deadline) {
            (Span::Elapsed(after), Some(Span::Elapsed(deadline))) => after >= deadline,
            (Span::BusinessDays(after), Some(Span::BusinessDays(deadline))) => after >= deadline,
            (_, _) => false,
        };
        if late {
            let message = format!("{what} never happens: it is not before the deadline");
            let help = "`after` counts from the start of the step, as `answer_within` does";
            self.report(Diagnostic::warning(place.clone(), "dead-rule", message).help(help));
        }
    }

    pub fn deadline(&mut self, node: &Node, calendar: Option<&str>) -> Option<Span> {
        let span = node.span("answer_within")?;
        self.calendar(span, calendar, reading::at(node, "answer_within"));
        Some(span)
    }

    /// Checks that business days have a calendar.
    fn calendar(&mut self, span: Span, calendar: Option<&str>, place: &Place) {
        let name = calendar.unwrap_or("default");
        match span {
            Span::Elapsed(_) => {}
            Span::BusinessDays(_)
                if self.shared.calendars.contains(name) || self.shared.calendars.is_broken() =>
            {
                self.shared.calendars.find(name, place, self.reports());
            }
            Span::BusinessDays(_) => {
                let message = format!(
                    "business days need the calendar `{name}`, which people.yaml does \
                    not define"
                );
                let help = "add it under `calendars:` with timezone, workdays and hours";
                self.report(Diagnostic::error(place.clone(), "no-calendar", message).help(help));
            }
        }
    }

    fn review(&mut self, node: &Node) -> Option<Review> {
        let queue = self.queue(node);
        let calendar =
            queue.as_ref().and_then(|queue| self.shared.people.queues.get(queue)?.calendar.clone());
        let answer_within = self.deadline(node, calendar.as_deref());
        let escalate = node.get("escalate").and_then(|item| {
            let queue = self.queue(item);
            let after = item.span("after")?;
            let place = reading::at(item, "after").clone();
            self.calendar(after, calendar.as_deref(), &place);
            self.dead_after(after, answer_within, &place, "this escalation");
            Some(Escalate { after, queue: queue? })
        });
        let decisions = node.get("decisions").and_then(Node::map).unwrap_or_default().iter();
        let rule = |rule: &Node| DecisionRule { reason_required: rule.text_of("reason") == Some("required") };
        Some(Review {
            queue: queue?,
            show: node.texts("show"),
            decisions: decisions.map(|(key, value)| (key.name.clone(), rule(value))).collect(),
            people: node.number("people").unwrap_or(1),
            never: node.texts("never"),
            answer_within: answer_within?,
            escalate,
        })
    }

    fn queue(&self, node: &Node) -> Option<String> {
        let name = node.text_of("queue")?;
        self.shared.queues.get(name).map(|_| name.to_owned())
    }

    pub fn notify(&mut self, node: &Node) -> Option<Notify> {
        for via in node.get("via").map(Node::one_or_many).unwrap_or_default() {
            if via.text().is_some_and(|via| !grammar::EXECUTED_CHANNELS.contains(&via)) {
                self.not_yet(&via.place, &format!("notice via `{}`", via.text().unwrap_or_default()));
            }
        }
        let template = node.text_of("template").map(str::to_owned);
        let to = node.get("to").map(|to| self.recipients(to))?;
        let urgent = node.get("urgent").and_then(|urgent| urgent.scalar()?.boolean()).unwrap_or(false);
        let by_call = urgent || node.texts("via").iter().any(|via| via == "call");
        Some(Notify { to, template: template?, urgent, by_call })
    }

    /// Returns the recipients that exist; unknown ones are reported with the names.
    fn recipients(&self, node: &Node) -> Vec<Recipient> {
        let one = |text: &str| match (text, text.strip_prefix("team:")) {
            ("subject", _) => Some(Recipient::Subject),
            ("manager", _) => (self.subject == Some(SubjectKind::User)).then_some(Recipient::Manager),
            (_, Some(team)) => self.shared.teams.get(team).map(|()| Recipient::Team(team.to_owned())),
            (_, None) => None,
        };
        node.one_or_many().iter().filter_map(Node::text).filter_map(one).collect()
    }
}

/// Reports whether the outcomes are under the verb and not beside it.
pub(super) fn misplaced(item: &Node) -> bool {
    grammar::step_verb(item).is_some_and(|(_, value, _)| value.get("outcomes").is_some())
}
