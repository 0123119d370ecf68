//! Reads what several policies use: verifications, people, blocks. A broken entry is reported once at its own place,
//! and breaks only the policies that use it.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr as _;
use std::sync::Arc;

use super::layout::Layout;
use super::reading::{self, Reading as _};
use crate::model::{Method, VerificationWords, Vocabulary};
use crate::policy::choices::DAYS;
use crate::policy::diagnostic::{Diagnostic, Place, Severity, nearest};
use crate::policy::files;
use crate::policy::grammar::{self, Kind, Shape};
use crate::policy::known::Known;
use crate::policy::people::{Calendar, People, Queue, Team};
use crate::policy::source::{self, Node};
use crate::policy::template::Templates;
use crate::policy::tree::Verification;

/// Named entries of a shared file.
#[derive(Debug)]
pub struct Section<T> {
    what: &'static str,
    file: &'static str,
    /// True if the file has errors that affect all of it.
    broken: bool,
    /// None: the entry has errors.
    entries: BTreeMap<String, Option<T>>,
}

impl<T> Section<T> {
    /// Finds the entry that a policy names. An unknown name is reported at the place of use.
    pub fn find(&self, name: &str, place: &Place, diagnostics: &mut Vec<Diagnostic>) -> Option<&T> {
        let (what, file) = (self.what, self.file);
        let broken = || {
            let message = format!("the {what} `{name}` has an error in {file}");
            Diagnostic::error(place.clone(), "broken-name", message).help(format!("fix {file}"))
        };
        match self.entries.get(name) {
            Some(Some(entry)) if !self.broken => return Some(entry),
            Some(Some(_) | None) => diagnostics.push(broken()),
            None if self.broken => diagnostics.push(broken()),
            None => {
                let message = format!("unknown {what} `{name}`; {file} does not define it");
                let help = nearest(name, self.entries.keys().map(String::as_str));
                diagnostics.push(Diagnostic::error(place.clone(), "unknown-name", message).help(help));
            }
        }
        None
    }

    /// Finds an entry without a report; unknown names are reported elsewhere.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.entries.get(name).and_then(Option::as_ref).filter(|_| !self.broken)
    }

    pub fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// Reports whether the whole file cannot be read, which leaves its names unknown.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }
}

/// All shared entries.
#[derive(Debug)]
pub struct Shared {
    pub verifications: Section<Arc<Verification>>,
    pub teams: Section<()>,
    pub queues: Section<Queue>,
    pub calendars: Section<()>,
    pub people: Arc<People>,
    pub blocks: Section<Node>,
}

/// A file as read, and whether it is broken as a whole.
struct Source {
    node: Option<Node>,
    broken: bool,
}

impl Source {
    fn read(
        layout: &Layout<'_>,
        path: &str,
        shape: &'static Shape,
        words: &Vocabulary,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Self {
        let Some(bytes) = layout.files.get(path) else { return Self { node: None, broken: false } };
        let before = diagnostics.len();
        let node = source::read(path, bytes, diagnostics);
        let mut broken = node.is_none() || diagnostics.len() > before;
        if let Some(node) = &node {
            grammar::check(node, shape, words, diagnostics);
            // Errors outside all entries of a section are errors of the whole file.
            let sections = shape.keys.iter().filter_map(|key| Some((node.get(key.name)?, key.kind)));
            let within: usize = sections
                .filter_map(|(section, kind)| match kind {
                    Kind::MapOf(of) => Some((section, of)),
                    _ => None,
                })
                .flat_map(|(section, of)| {
                    section.map().unwrap_or_default().iter().map(move |(_, value)| (value, of))
                })
                .map(|(value, of)| grammar::mistakes(value, of, words))
                .sum();
            broken |= diagnostics.len() - before > within;
        }
        Self { node, broken }
    }

    fn section<T>(
        &self,
        names: (&'static str, &'static str, &'static str),
        kind: &Kind,
        words: &Vocabulary,
        read: impl Fn(&str, &Node) -> Option<T>,
    ) -> Section<T> {
        let (what, file, key) = names;
        let entries = self.node.as_ref().and_then(|node| node.get(key)?.map()).unwrap_or_default();
        let entry = |name: &str, node: &Node| {
            // A feature that is not executed yet is no error of the entry; its users report it themselves.
            let broken = grammar::mistakes(node, kind, words) > grammar::not_yet(node, kind, words).len();
            if broken { None } else { read(name, node) }
        };
        let entries = entries.iter().map(|(key, node)| (key.name.clone(), entry(&key.name, node)));
        Section { what, file, broken: self.broken, entries: entries.collect() }
    }
}

impl Shared {
    pub fn read(layout: &Layout<'_>, known: &Known, diagnostics: &mut Vec<Diagnostic>) -> Self {
        let verifications = verifications(layout, known, diagnostics);
        let source = Source::read(layout, files::BLOCKS, &grammar::BLOCKS, &known.vocabulary, diagnostics);
        let names = ("block", files::BLOCKS, "blocks");
        let blocks = source.section(names, &Kind::Steps, &known.vocabulary, |_, node| Some(node.clone()));
        let source = Source::read(layout, files::PEOPLE, &grammar::PEOPLE, &known.vocabulary, diagnostics);
        let file = files::PEOPLE;
        let mut teams =
            source.section(("team", file, "teams"), &Kind::Shape(&grammar::TEAM), &known.vocabulary, team);
        reached_by(source.node.as_ref().and_then(|node| node.get("teams")), known, &mut teams, diagnostics);
        let mut queues = source.section(
            ("queue", file, "queues"),
            &Kind::Shape(&grammar::QUEUE),
            &known.vocabulary,
            queue,
        );
        let mut calendars = source.section(
            ("calendar", file, "calendars"),
            &Kind::Shape(&grammar::CALENDAR),
            &known.vocabulary,
            calendar,
        );
        days(source.node.as_ref().and_then(|node| node.get("calendars")), &mut calendars, diagnostics);
        let places = source.node.as_ref().and_then(|node| node.get("queues"));
        for (name, entry) in &mut queues.entries {
            let node = places.and_then(|queues| queues.get(name));
            let before = diagnostics.len();
            if let (Some(queue), Some(node)) = (entry.as_ref(), node) {
                teams.find(&queue.team, reading::at(node, "team"), diagnostics);
                if let Some(name) = &queue.calendar {
                    calendars.find(name, reading::at(node, "calendar"), diagnostics);
                }
            }
            if diagnostics.len() > before {
                *entry = None;
            }
        }
        let people =
            Arc::new(People { teams: sound(&teams), queues: sound(&queues), calendars: sound(&calendars) });
        Self { verifications, teams: teams.bare(), queues, calendars: calendars.bare(), people, blocks }
    }

    /// Returns the errors of all templates. Those that are no text are reported at once.
    pub fn template_errors(layout: &Layout<'_>, diagnostics: &mut Vec<Diagnostic>) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        let sources = layout.mails(|_| true, diagnostics);
        Templates::build(&sources, &mut found);
        found
    }
}

/// Warns about errors in templates that no policy uses. Errors in used templates were already reported for their
/// policies.
pub fn unused_templates(errors: &[Diagnostic], diagnostics: &mut Vec<Diagnostic>) {
    let reported: BTreeSet<_> =
        diagnostics.iter().map(|one| (one.place.clone(), one.message.clone())).collect();
    let unused =
        errors.iter().filter(|error| !reported.contains(&(error.place.clone(), error.message.clone())));
    diagnostics.extend(unused.cloned().map(|mut error| {
        error.severity = Severity::Warning;
        error
    }));
}

/// Reports calendars without a workday, in which business days never end.
fn days(nodes: Option<&Node>, calendars: &mut Section<Calendar>, diagnostics: &mut Vec<Diagnostic>) {
    for (name, entry) in &mut calendars.entries {
        let node = nodes.and_then(|nodes| nodes.get(name));
        if entry.as_ref().is_some_and(|entry| !entry.workdays.contains(&true))
            && let Some(node) = node
        {
            let message = format!("the calendar `{name}` has no workdays; business days would never end");
            let place = reading::at(node, "workdays").clone();
            let help = "write workdays: [mon, tue, wed, thu, fri]";
            diagnostics.push(Diagnostic::error(place, "empty", message).help(help));
            *entry = None;
        }
    }
}

impl<T> Section<T> {
    /// Returns the names without their entries.
    fn bare(self) -> Section<()> {
        let entries = self.entries.into_iter().map(|(name, entry)| (name, entry.map(|_| ())));
        Section { what: self.what, file: self.file, broken: self.broken, entries: entries.collect() }
    }
}

fn sound<T: Clone>(section: &Section<T>) -> BTreeMap<String, T> {
    section.entries.iter().filter_map(|(name, entry)| Some((name.clone(), entry.clone()?))).collect()
}

fn team(_name: &str, node: &Node) -> Option<Team> {
    Some(Team { mail: node.text_of("mail")?.to_owned(), call: node.text_of("call").map(str::to_owned) })
}

/// Reports teams with an endpoint that is not configured; calls to it would fail forever.
fn reached_by(
    places: Option<&Node>,
    known: &Known,
    teams: &mut Section<Team>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let (Some(places), Some(endpoints)) = (places, &known.endpoints) else { return };
    for (name, entry) in &mut teams.entries {
        let call = places.get(name).and_then(|node| node.get("call"));
        let named = call.and_then(|call| Some((call.text()?, &call.place)));
        if let Some((endpoint, place)) = named
            && !endpoints.iter().any(|other| other == endpoint)
        {
            let message = format!("proofd.yaml has no endpoint `{endpoint}`");
            let help = nearest(endpoint, endpoints.iter().map(String::as_str));
            diagnostics.push(Diagnostic::error(place.clone(), "unknown-name", message).help(help));
            *entry = None;
        }
    }
}

fn queue(_name: &str, node: &Node) -> Option<Queue> {
    Some(Queue {
        team: node.text_of("team")?.to_owned(),
        calendar: node.text_of("calendar").map(str::to_owned),
    })
}

fn calendar(_name: &str, node: &Node) -> Option<Calendar> {
    let days = node.texts("workdays");
    let (opens, closes) = grammar::hours(node.text_of("hours")?)?;
    let timezone = chrono_tz::Tz::from_str(node.text_of("timezone")?).ok()?;
    Some(Calendar {
        timezone,
        workdays: DAYS.map(|day| days.iter().any(|other| other == day)),
        opens,
        closes,
    })
}

fn verifications(
    layout: &Layout<'_>,
    known: &Known,
    diagnostics: &mut Vec<Diagnostic>,
) -> Section<Arc<Verification>> {
    let source =
        Source::read(layout, files::VERIFICATIONS, &grammar::VERIFICATIONS, &known.vocabulary, diagnostics);
    let names = ("verification", files::VERIFICATIONS, "verifications");
    let mut section =
        source.section(names, &Kind::Shape(&grammar::VERIFICATION), &known.vocabulary, verification);
    let nodes = source.node.as_ref().and_then(|node| node.get("verifications"));
    let mut broken = Vec::new();
    for (name, entry) in &section.entries {
        let (Some(entry), Some(node)) = (entry, nodes.and_then(|nodes| nodes.get(name))) else { continue };
        let before = diagnostics.len();
        let providers = known.providers.as_ref();
        if let Some(providers) = providers.filter(|providers| !providers.contains_key(&entry.provider)) {
            let message = format!("proofd.yaml has no provider `{}`", entry.provider);
            let help = nearest(&entry.provider, providers.keys().map(String::as_str));
            let place = reading::at(node, "provider").clone();
            diagnostics.push(Diagnostic::error(place, "unknown-provider", message).help(help));
        }
        if let Some(fallback) = &entry.fallback {
            let place = reading::at(node, "fallback");
            section.find(fallback, place, diagnostics);
            if circular(&section, name) {
                let message = format!("cycle: the fallbacks of `{name}` lead back to it");
                let help = "remove the `fallback` of the last one";
                diagnostics.push(Diagnostic::error(place.clone(), "fallback-cycle", message).help(help));
            }
        }
        if diagnostics.len() > before {
            broken.push(name.clone());
        }
        let before = diagnostics.len();
        provider_words(entry, node, known, diagnostics);
        let must = diagnostics.iter().skip(before).any(|found| found.code == "unsupported");
        if entry.require.is_empty() && !must {
            let message = format!(
                "`{name}` requires no checks; the provider's overall result alone counts \
                as a pass"
            );
            let help = "list the checks that must have passed";
            let place = reading::at(node, "require").clone();
            diagnostics.push(Diagnostic::warning(place, "empty", message).help(help));
        }
    }
    for name in broken {
        section.entries.insert(name, None);
    }
    section
}

/// Checks the provider's names for checks, workflows and methods against the provider's vocabulary.
fn provider_words(entry: &Verification, node: &Node, known: &Known, diagnostics: &mut Vec<Diagnostic>) {
    // Without a configuration the name of a provider is its kind.
    let kind = known.providers.as_ref().and_then(|providers| providers.get(&entry.provider).copied());
    let kind = kind.unwrap_or(&entry.provider);
    let Some(VerificationWords { checks, workflow, methods, must_require }) =
        known.vocabulary.verification.get(kind)
    else {
        return;
    };
    for item in node.get("require").map(Node::one_or_many).unwrap_or_default() {
        let Some(name) = item.text().filter(|name| !checks.contains(name)) else { continue };
        let message = format!(
            "unknown check `{name}` of {kind}; if results do not contain it, nobody \
            passes"
        );
        let help = format!(
            "{}; a result without a required check is `warning`",
            nearest(name, checks.iter().copied())
        );
        diagnostics.push(Diagnostic::warning(item.place.clone(), "unknown-check", message).help(help));
    }
    if *must_require && entry.require.is_empty() {
        let place = reading::at(node, "require").clone();
        let message = format!("nothing ties a result of {kind} to the person without a required check");
        let help =
            format!("require checks that are compared with the registration; known: {}", checks.join(", "));
        diagnostics.push(Diagnostic::error(place, "unsupported", message).help(help));
    }
    if !methods.contains(&entry.method) {
        let place = reading::at(node, "method").clone();
        let message = format!("{kind} cannot verify anybody by `{}`", entry.method.word());
        let known: Vec<_> = methods.iter().map(|method| method.word()).collect();
        let help = format!("write one of {}", known.join(", "));
        diagnostics.push(Diagnostic::error(place, "unsupported", message).help(help));
    }
    if !(workflow.matches)(&entry.workflow) {
        let place = reading::at(node, "workflow").clone();
        let message = format!("`{}` is not a workflow of {kind}", entry.workflow);
        let help = format!("expected {}", workflow.expected);
        diagnostics.push(Diagnostic::warning(place, "odd-workflow", message).help(help));
    }
}

fn circular(section: &Section<Arc<Verification>>, name: &str) -> bool {
    let follow = |name: &str| section.entries.get(name)?.as_ref()?.fallback.clone();
    let chain = std::iter::successors(follow(name), |name| follow(name));
    chain.take(section.entries.len()).any(|other| other == name)
}

fn verification(name: &str, node: &Node) -> Option<Arc<Verification>> {
    Some(Arc::new(Verification {
        name: name.to_owned(),
        provider: node.text_of("provider")?.to_owned(),
        workflow: node.text_of("workflow")?.to_owned(),
        method: Method::of_word(node.text_of("method")?)?,
        require: node.texts("require"),
        fallback: node.text_of("fallback").map(str::to_owned),
    }))
}
