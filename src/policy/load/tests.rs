//! Reads `tests.yaml` and checks it against its policy: a test that names something nonexistent would prove nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr as _;

use serde_json::Value;

use super::reading::Reading as _;
use crate::model::{
    CaseState, EventType, Fields, Judgement, Order, SubjectKind, Target, Timestamp, Vocabulary,
};
use crate::policy::diagnostic::{Diagnostic, Place, nearest};
use crate::policy::grammar;
use crate::policy::outcome::{ContestOutcome, OwnResult, ProofOutcome};
use crate::policy::schema::{self, Field, FieldType};
use crate::policy::source::{self, Node};
use crate::policy::tests::{Act, ExpectKey, Expected, Found, Given, Move, MoveKey, Test, Tests, What};
use crate::policy::tree::{Policy, Verb};

/// How a check of a verification can end in a test.
const JUDGEMENTS: &[(&str, Judgement)] = &[
    ("passed", Judgement::Passed),
    ("warning", Judgement::Warning),
    ("rejected", Judgement::Rejected),
    ("not_executed", Judgement::NotExecuted),
];
/// The word for a person's objection.
const CONTEST: &str = "contest";

/// Reads the tests of one policy. None: they have an error, which is reported.
pub fn read(
    file: &str,
    bytes: &[u8],
    policy: &str,
    compiled: Option<&Policy>,
    words: &Vocabulary,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Tests> {
    let mut found = Vec::new();
    let node = source::read(file, bytes, &mut found);
    if let Some(node) = &node {
        grammar::check(node, &grammar::TESTS, words, &mut found);
    }
    let mut reader = Reader { policy: compiled, found };
    let tests = node.as_ref().and_then(|node| reader.tests(file, node, policy));
    let wrong = super::errors(&reader.found);
    diagnostics.append(&mut reader.found);
    tests.filter(|_| !wrong)
}

struct Reader<'a> {
    /// None: the policy has errors itself, and names cannot be checked.
    policy: Option<&'a Policy>,
    found: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn error(&mut self, place: &Place, code: &'static str, message: String, help: impl Into<String>) {
        self.found.push(Diagnostic::error(place.clone(), code, message).help(help));
    }

    fn one_of(&mut self, place: &Place, what: &str, word: &str, names: &BTreeSet<&str>) {
        if self.policy.is_some() && !names.contains(word) {
            let message = format!("unknown {what} `{word}`");
            self.error(place, "unknown-name", message, nearest(word, names.iter().copied()));
        }
    }

    fn tests(&mut self, file: &str, node: &Node, policy: &str) -> Option<Tests> {
        let named = node.text_of("tests_for")?;
        if named != policy {
            let message = format!("the policy in this directory is `{policy}`, not `{named}`");
            let place = node.get("tests_for").map_or(&node.place, |value| &value.place).clone();
            self.error(&place, "wrong-policy", message, format!("write tests_for: {policy}"));
        }
        let mut names = BTreeSet::new();
        let mut tests = Vec::new();
        for item in node.get("tests").and_then(Node::list).unwrap_or_default() {
            let Some(test) = self.test(item) else { continue };
            if !names.insert(test.name.clone()) {
                let message = "duplicate test name".to_owned();
                self.error(&test.place, "duplicate-test", message, "choose another name");
            }
            tests.push(test);
        }
        Some(Tests { policy: policy.to_owned(), file: file.to_owned(), tests })
    }

    fn test(&mut self, node: &Node) -> Option<Test> {
        let name = node.get("name")?;
        let given = node.get("given").map(|given| self.given(given)).unwrap_or_default();
        let mut play = Vec::new();
        for item in node.get("play").and_then(Node::list).unwrap_or_default() {
            if let Some(act) = self.act(item) {
                play.push(Move { place: item.place.clone(), act });
            }
        }
        let clock = node.text_of("clock").unwrap_or("2026-01-05T09:00:00Z");
        Some(Test {
            name: name.text()?.to_owned(),
            place: name.place.clone(),
            clock: clock.parse::<Timestamp>().ok()?,
            given,
            play,
        })
    }

    fn given(&mut self, node: &Node) -> Given {
        let mut given = Given::default();
        for kind in SubjectKind::ALL {
            let Some((key, value)) = node.entry(kind.word()) else { continue };
            if let Some(policy) = self.policy.filter(|policy| policy.subject != kind) {
                let message = format!("the policy is about a {}, not a {kind}", policy.subject);
                self.error(&key.place, "wrong-subject", message, format!("write {}:", policy.subject));
            }
            self.fields(value, schema::fields_of_subject(kind), "field");
            given.person = object(value);
        }
        for (key, value) in node.get("passed").and_then(Node::map).unwrap_or_default() {
            let known = self.verifications();
            self.one_of(&key.place, "verification of this policy", &key.name, &as_names(&known));
            given.passed.extend(value.text().and_then(|text| Some((key.name.clone(), text.parse().ok()?))));
        }
        for (key, value) in node.get("answers").and_then(Node::map).unwrap_or_default() {
            let known = self.endpoints();
            self.one_of(&key.place, "endpoint in this policy", &key.name, &as_names(&known));
            let status = value.number("status").and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
            let body = value.get("body").map_or(Value::Null, Node::json);
            given.answers.insert(key.name.clone(), (status, body));
        }
        given
    }

    /// Checks that fields of a person or an event exist and have values of their types.
    fn fields(&mut self, node: &Node, known: &[Field], what: &str) {
        for (key, value) in node.map().unwrap_or_default() {
            match known.iter().find(|field| field.name == key.name) {
                None => {
                    let message = format!("unknown {what} `{}`", key.name);
                    let help = nearest(&key.name, known.iter().map(|field| field.name));
                    self.error(&key.place, "unknown-field", message, help);
                }
                Some(field) => {
                    if let Some(expected) = misfit(&value.json(), field.kind) {
                        let message = format!("`{}` has the wrong type; expected {expected}", field.name);
                        self.error(&value.place, "wrong-type", message, format!("write {expected}"));
                    }
                }
            }
        }
    }

    fn act(&mut self, node: &Node) -> Option<Act> {
        let moves = node.map()?.iter().filter_map(|(key, value)| Some((MoveKey::of_word(&key.name)?, value)));
        let [(key, value)] = moves.collect::<Vec<_>>()[..] else {
            let message = "a line of `play` has exactly one move".to_owned();
            let help = format!("use one of: {}", MoveKey::WORDS.join(", "));
            self.error(&node.place, "one-move", message, help);
            return None;
        };
        if let Some((with, _)) = node.entry("with").filter(|_| key != MoveKey::Send) {
            let message = "`with` works beside `send` only".to_owned();
            self.error(&with.place, "one-move", message, "remove it");
        }
        match key {
            MoveKey::Send => self.send(node, value),
            MoveKey::Start => self.start(value),
            MoveKey::Advance => Some(Act::Advance(value.text()?.parse().ok()?)),
            MoveKey::Expect => Some(Act::Expect(self.expect(value))),
            MoveKey::Answer => self.answer(value),
            MoveKey::Press if value.text()? == CONTEST => Some(Act::Contest),
            MoveKey::Press => {
                let step = value.text()?.to_owned();
                self.step(&value.place, &step, |verb| matches!(verb, Verb::Verify(_)), "`verify` step");
                Some(Act::Press { step })
            }
            MoveKey::Decide => self.decide(value),
            MoveKey::Order => Some(Act::Order(Order::of_word(grammar::current(value.text()?))?)),
            MoveKey::Provider => self.provider(value),
            MoveKey::Change => {
                let known = self.policy.map(|policy| schema::fields_of_subject(policy.subject));
                self.fields(value, known.unwrap_or_default(), "field");
                Some(Act::Change(object(value)))
            }
        }
    }

    fn start(&mut self, value: &Node) -> Option<Act> {
        let sweep = value.text()? == "sweep";
        let can = |policy: &Policy| if sweep { policy.sweeps().next().is_some() } else { policy.manual() };
        if self.policy.is_some_and(|policy| !can(policy)) {
            let message = format!("`when` has no {}", if sweep { "sweep" } else { "`manual: true`" });
            self.error(&value.place, "no-such-start", message, "use a start that `when` lists");
        }
        Some(if sweep { Act::Sweep } else { Act::StartByHand })
    }

    fn send(&mut self, node: &Node, value: &Node) -> Option<Act> {
        let kind = EventType::new(value.text()?);
        let with = node.get("with");
        if let Some(with) = with {
            let mut known = schema::fields_of_event(&kind);
            known.push(Field { name: "by_subject", kind: FieldType::Bool, doc: "" });
            self.fields(with, &known, "field of this event");
        }
        Some(Act::Send { kind, with: with.map(object).unwrap_or_default() })
    }

    fn step(&mut self, place: &Place, id: &str, is: impl Fn(&Verb) -> bool, what: &str) {
        let steps = self.policy.map(|policy| policy.steps.as_slice()).unwrap_or_default();
        let ids = steps.iter().filter(|step| is(&step.verb)).filter_map(|step| step.id.clone());
        let ids: BTreeSet<String> = ids.collect();
        self.one_of(place, what, id, &as_names(&ids));
    }

    /// Returns the one entry that names a step, apart from the keys in `beside`.
    fn named<'n>(&mut self, node: &'n Node, beside: &[&str]) -> Option<(&'n source::Key, &'n Node)> {
        let entries = node.map()?;
        let mut steps = entries.iter().filter(|(key, _)| !beside.contains(&key.name.as_str()));
        match (steps.next(), steps.next()) {
            (Some((key, value)), None) => Some((key, value)),
            (_, Some((key, _))) => {
                let message = format!("unknown key `{}`; one step is named already", key.name);
                self.error(&key.place, "unknown-key", message, nearest(&key.name, beside.iter().copied()));
                None
            }
            (None, None) => {
                let message = "missing step".to_owned();
                self.error(&node.place, "missing-key", message, "write the id of a step and its outcome");
                None
            }
        }
    }

    fn answer(&mut self, node: &Node) -> Option<Act> {
        let (key, value) = self.named(node, &["reasons", "score", "document", "checks"])?;
        self.step(&key.place, &key.name, |verb| matches!(verb, Verb::Verify(_)), "`verify` step");
        let word = value.text().unwrap_or_default();
        let outcome = ProofOutcome::of_word(word);
        if outcome.is_none() {
            let message = format!("`{word}` is not an answer");
            let near = nearest(word, ProofOutcome::WORDS.iter().copied());
            self.error(&value.place, "not-one-of", message, near);
        }
        if let Some(document) = node.get("document") {
            let fields = schema::VERIFY.iter().find(|field| field.name == "document");
            if let Some(Field { kind: FieldType::Record(fields), .. }) = fields {
                self.fields(document, fields, "field of a document");
            }
        }
        let mut checks = BTreeMap::new();
        for (key, value) in node.get("checks").and_then(Node::map).unwrap_or_default() {
            let word = value.text().unwrap_or_default();
            self.one_of(&value.place, "judgement", word, &JUDGEMENTS.iter().map(|(word, _)| *word).collect());
            let judgement = JUDGEMENTS.iter().find(|(known, _)| *known == word);
            checks.extend(judgement.map(|(_, judgement)| (key.name.clone(), *judgement)));
        }
        let found = Found {
            reasons: node.texts("reasons"),
            score: node.get("score").and_then(|score| score.json().as_f64()),
            document: node.get("document").map(object).unwrap_or_default(),
            checks,
        };
        Some(Act::Answer { step: key.name.clone(), outcome: outcome?, found })
    }

    fn decide(&mut self, node: &Node) -> Option<Act> {
        let (key, value) = self.named(node, &["by", "reason", "refused"])?;
        let decision = value.text().unwrap_or_default().to_owned();
        let step = (key.name != CONTEST).then(|| key.name.clone());
        let allowed: BTreeSet<&str> = match &step {
            None => ContestOutcome::WORDS.iter().copied().collect(),
            Some(step) => {
                self.step(&key.place, step, |verb| matches!(verb, Verb::Review(_)), "`review` step");
                let index = self.policy.and_then(|policy| policy.by_id.get(step));
                let step = index.and_then(|index| self.policy?.step(*index));
                let Some(Verb::Review(review)) = step.map(|step| &step.verb) else { return None };
                review.decisions.keys().map(String::as_str).collect()
            }
        };
        self.one_of(&value.place, "decision", &decision, &allowed);
        let by = node.text_of("by").unwrap_or("Dana").to_owned();
        let reason = Some(node.text_of("reason").unwrap_or("as the test says").to_owned());
        let refused =
            node.get("refused").and_then(Node::scalar).and_then(source::Scalar::boolean) == Some(true);
        Some(Act::Decide { step, decision, by, reason, refused })
    }

    fn provider(&mut self, node: &Node) -> Option<Act> {
        let (key, value) = self.named(node, &["for"])?;
        // Targets that can be down besides verification providers, endpoints and systems.
        let mut known: BTreeSet<String> = [Target::IDENTITY, Target::MAIL].map(str::to_owned).into();
        known.extend(self.policy.iter().flat_map(|policy| providers(policy)));
        known.extend(self.endpoints());
        self.one_of(&key.place, "provider, endpoint or system in this policy", &key.name, &as_names(&known));
        let who = key.name.clone();
        let length = node.get("for");
        if let Some(length) = length.filter(|length| length.text().is_none_or(|text| !is_span(text))) {
            let message = "`for` is not a duration".to_owned();
            self.error(&length.place, "wrong-type", message, "write for example 3d");
        }
        match value.text() {
            Some("up") => Some(Act::Recovery { who }),
            Some("down") => Some(Act::Outage { who, length: node.span("for") }),
            _ => {
                let message = "a provider is `down` or `up`".to_owned();
                self.error(
                    &value.place,
                    "not-one-of",
                    message,
                    "write for example {identity: down, for: 3d}",
                );
                None
            }
        }
    }

    fn expect(&mut self, node: &Node) -> Vec<Expected> {
        let mut expected = Vec::new();
        for (key, value) in node.map().unwrap_or_default() {
            let texts = || node.texts(&key.name);
            let text = || value.text().map(str::to_owned);
            let Some(kind) = ExpectKey::of_word(&key.name) else { continue };
            let what = match kind {
                ExpectKey::Opened => value.scalar().and_then(source::Scalar::boolean).map(What::Opened),
                ExpectKey::Cases => {
                    node.number(&key.name).and_then(|n| usize::try_from(n).ok()).map(What::Cases)
                }
                ExpectKey::WaitingAt => text().map(What::WaitingAt),
                ExpectKey::State => {
                    value.text().map(grammar::current).and_then(CaseState::of_word).map(What::State)
                }
                ExpectKey::Sent => Some(What::Sent(texts())),
                ExpectKey::Did => Some(What::Did(texts())),
                ExpectKey::Destroyed => Some(What::Destroyed(texts())),
                ExpectKey::Grace => node.span(&key.name).map(What::Grace),
                ExpectKey::Closed => text().map(What::Closed),
                ExpectKey::Holds => Some(What::Holds(texts())),
                ExpectKey::Person => Some(What::Person(object(value))),
            };
            let Some(what) = what else { continue };
            self.judge(value, &what);
            expected.push(Expected { place: value.place.clone(), what });
        }
        expected
    }

    /// Checks that names in an expectation exist: an impossible expectation of absence would always pass.
    fn judge(&mut self, value: &Node, what: &What) {
        let Some(policy) = self.policy else { return };
        match what {
            What::WaitingAt(step) => {
                self.step(&value.place, step, Verb::waits, "step that waits");
            }
            What::Sent(_) => {
                let names: BTreeSet<&str> = policy.templates.names().collect();
                for item in value.one_or_many() {
                    let text = item.text().unwrap_or_default();
                    let template = text.split(" to ").next().unwrap_or(text);
                    self.one_of(&item.place, "mail template of this policy", template, &names);
                }
            }
            What::Did(_) | What::Destroyed(_) => {
                let verbs: BTreeSet<&str> = grammar::verbs().map(|rule| rule.key.name).collect();
                for item in value.one_or_many() {
                    let verb = item.text().and_then(|text| text.split(' ').next()).unwrap_or_default();
                    self.one_of(&item.place, "verb", verb, &verbs);
                }
            }
            What::Closed(result) => {
                let results = policy.steps.iter().filter_map(|step| {
                    if let Verb::Close { result } = &step.verb { Some(result.as_str()) } else { None }
                });
                let results: BTreeSet<&str> = results.chain(OwnResult::WORDS.iter().copied()).collect();
                self.one_of(&value.place, "result", result, &results);
            }
            What::Person(_) => self.fields(value, schema::fields_of_subject(policy.subject), "field"),
            What::Opened(_) | What::Cases(_) | What::State(_) | What::Grace(_) | What::Holds(_) => {}
        }
    }

    fn verifications(&self) -> BTreeSet<String> {
        let verifies = self.policy.iter().flat_map(|policy| policy.verifies());
        let both = verifies.flat_map(|(_, verify)| verify.verifications());
        both.map(|verification| verification.name.clone()).collect()
    }

    /// Returns the endpoints and systems that the policy names.
    fn endpoints(&self) -> BTreeSet<String> {
        let Some(policy) = self.policy else { return BTreeSet::new() };
        let named = policy.steps.iter().filter_map(|step| {
            if let Verb::Effect(effect) = &step.verb { effect.elsewhere().map(str::to_owned) } else { None }
        });
        named.chain(policy.people.teams.values().filter_map(|team| team.call.clone())).collect()
    }
}

fn providers(policy: &Policy) -> impl Iterator<Item = String> {
    policy.verifies().map(|(_, verify)| verify.verification.provider.clone())
}

fn as_names(names: &BTreeSet<String>) -> BTreeSet<&str> {
    names.iter().map(String::as_str).collect()
}

fn object(node: &Node) -> Fields {
    node.json().as_object().cloned().unwrap_or_default()
}

fn is_span(text: &str) -> bool {
    crate::model::Span::from_str(text).is_ok()
}

/// Returns the expected form of a field's value if the value does not fit. Null always fits.
fn misfit(value: &Value, kind: FieldType) -> Option<&'static str> {
    let text = value.as_str();
    let (fits, expected) = match kind {
        FieldType::Text => (text.is_some(), "a text (numbers in quotes)"),
        FieldType::Number => (value.is_number(), "a number"),
        FieldType::Bool => (value.is_boolean(), "true or false"),
        FieldType::Time => (
            text.is_some_and(|text| text.parse::<Timestamp>().is_ok()),
            "a time such as \"2026-01-05T09:00:00Z\"",
        ),
        FieldType::Date => (
            text.is_some_and(|text| text.parse::<chrono::NaiveDate>().is_ok()),
            "a day such as \"2026-01-05\"",
        ),
        FieldType::List => (value.is_array(), "a list"),
        FieldType::Map | FieldType::Record(_) => (value.is_object(), "keys with values"),
        FieldType::Any => (true, ""),
    };
    (!fits && !value.is_null()).then_some(expected)
}
