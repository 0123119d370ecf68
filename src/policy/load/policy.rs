//! Compiles one policy: its head, its steps, its mails, and the files of its revision.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr as _;
use std::sync::Arc;

use super::chain::{self, Build};
use super::layout::{self, Folder, Layout};
use super::mails::Mails;
use super::reading::{self, Reading as _};
use super::shared::Shared;
use super::{errors, proof, sweep};
use crate::model::{EffectKind, EventType, Span, SubjectKind};
use crate::policy::diagnostic::{Diagnostic, Place};
use crate::policy::files::{self, Files};
use crate::policy::grammar;
use crate::policy::known::Known;
use crate::policy::lint;
use crate::policy::script::{Compiler, Condition, Context, sayable};
use crate::policy::source::{self, Node};
use crate::policy::template::Templates;
use crate::policy::tree::{Amount, IfAlreadyOpen, Keep, Limit, Mode, Policy, Trigger, WhenExceeded};

/// A policy with a name; `policy` is set only if it has no error.
#[derive(Debug)]
pub struct Draft {
    pub name: String,
    pub name_place: Place,
    pub policy: Option<Arc<Policy>>,
    /// Findings about the policy by itself.
    pub lints: Vec<Diagnostic>,
}

/// Builds the policy of one folder. None: the file is not YAML, or has no name.
pub fn build(
    folder: &Folder<'_>,
    layout: &Layout<'_>,
    shared: &Shared,
    known: &Known,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Draft> {
    let node = source::read(folder.policy, layout.files.get(folder.policy)?, diagnostics)?;
    grammar::check(&node, &grammar::POLICY, &known.vocabulary, diagnostics);
    let name = node.text_of("policy").map(str::to_owned);
    let name_place = reading::at(&node, "policy").clone();
    if let Some(name) = name.as_deref().filter(|name| *name != folder.name) {
        let message = format!("the directory is named `{}` and the policy `{name}`", folder.name);
        diagnostics.push(Diagnostic::warning(name_place.clone(), "folder-name", message));
    }
    let policy = compile(&node, folder, layout, shared, known, diagnostics);
    let policy = policy.filter(|_| !errors(diagnostics));
    if policy.is_none() && !errors(diagnostics) {
        // A gap in the grammar. Reporting it is better than dropping the policy silently.
        let message = "internal error: this policy could not be built";
        let help = "undo the last change, and report this as an error in proofd";
        diagnostics.push(Diagnostic::error(name_place.clone(), "not-understood", message).help(help));
    }
    let lints = policy.as_ref().map(|policy| lint::alone(policy, known)).unwrap_or_default();
    Some(Draft { name: name?, name_place, policy: policy.map(Arc::new), lints })
}

fn compile(
    node: &Node,
    folder: &Folder<'_>,
    layout: &Layout<'_>,
    shared: &Shared,
    known: &Known,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Policy> {
    let subject = node.text_of("subject").and_then(SubjectKind::of_word);
    let blocks = chain::blocks(node, shared, diagnostics);
    let ids = chain::ids(node, &blocks, diagnostics);
    let scripts = scripts(folder, layout, blocks.values().any(|block| block.shared), diagnostics);
    let settings = node.get("settings").map(Node::json);
    let settings = settings.and_then(|value| value.as_object().cloned()).unwrap_or_default();
    unusable(node, diagnostics);
    let event_types = event_types(node);
    let mails;
    let compiler = {
        let texts: Vec<_> = scripts
            .iter()
            .filter_map(|path| Some(((*path).to_owned(), layout.text(path, diagnostics)?.to_owned())))
            .collect();
        let unread = scripts.iter().filter(|path| !texts.iter().any(|(other, _)| other == *path));
        let unread: Vec<_> = unread.copied().collect();
        let context = Context {
            // Clauses cannot be checked without a subject; the missing key is reported already.
            subject: subject.unwrap_or(SubjectKind::User),
            event_types: &event_types,
            words: &known.vocabulary,
            without_event: without_event(node),
            settings: &settings,
            steps: &ids,
        };
        mails = subject.map(|subject| Mails::new(subject, &context));
        let all = layout.scripts.iter().chain(&folder.scripts).copied();
        Compiler::new(&texts, context, diagnostics).beside(all).unreadable(unread)
    };
    let mut build = Build::new(shared, known, layout, subject, compiler, blocks, ids, diagnostics);
    let head = Head::read(node, &mut build);
    let first = node.get("steps").map(|steps| build.chain(steps, "")).unwrap_or_default();
    let starts = build.block_chains();
    build.names(node);
    let graph = first.start.and_then(|first| build.graph(first, &starts));
    proof::prove(&mut build, graph.as_ref(), &starts);
    head.judge(node, &mut build);
    let used_templates = build.templates.clone();
    let shared_blocks = build.blocks.values().any(|block| block.shared);
    let graph = graph?;
    let (steps, by_id) = build.finish(&graph)?;
    let templates = templates(&used_templates, layout, diagnostics);
    if let Some(mails) = mails {
        mails.look(&steps, &graph, &templates, layout, diagnostics);
    }
    let files = bundle(folder, layout, &scripts, &used_templates, shared_blocks);
    Some(Policy {
        name: node.text_of("policy")?.to_owned(),
        title: node.text_of("title")?.to_owned(),
        owner: node.text_of("owner")?.to_owned(),
        language: node.text_of("language").map(str::to_owned),
        mode: node.text_of("mode").and_then(Mode::of_word)?,
        subject: subject?,
        sources: head.sources,
        when: head.when,
        condition: head.condition,
        if_already_open: head.if_already_open,
        case_key: head.case_key,
        cancel_when: head.cancel_when,
        as_long_as: head.as_long_as,
        settings,
        limits: head.limits,
        keep: head.keep,
        graph,
        steps,
        by_id,
        people: shared.people.clone(),
        templates,
        revision: files.revision(),
        files,
    })
}

/// Reports settings with a name that no script can write.
fn unusable(node: &Node, diagnostics: &mut Vec<Diagnostic>) {
    for (key, _) in node.get("settings").and_then(Node::map).unwrap_or_default() {
        if !sayable(&key.name) {
            let message = format!("clauses cannot use `settings.{}`", key.name);
            let help = "use letters, digits and underscores, and no reserved word of the script language";
            diagnostics.push(Diagnostic::error(key.place.clone(), "unusable-name", message).help(help));
        }
    }
}

/// Returns the identity providers that the policy is limited to. Applicants have no provider.
fn sources(node: &Node, build: &mut Build<'_>) -> Vec<String> {
    let Some(value) = node.get("source") else { return Vec::new() };
    if value.one_or_many().is_empty() {
        let help = "name an identity provider, or remove `source` for all of them";
        build.report(Diagnostic::error(value.place.clone(), "empty", "`source` is empty").help(help));
    }
    if build.subject == Some(SubjectKind::Applicant) {
        let message = "`source` does not work with `subject: applicant`: applicants are in no identity \
            provider";
        build
            .report(Diagnostic::error(value.place.clone(), "other-subject", message).help("remove `source`"));
    }
    node.texts("source")
}

fn event_types(node: &Node) -> Vec<EventType> {
    let triggers = node.get("when").and_then(Node::list).unwrap_or_default();
    triggers.iter().filter_map(|trigger| trigger.text_of("event")).map(EventType::new).collect()
}

/// Reports whether a case can open by hand or by a sweep.
fn without_event(node: &Node) -> bool {
    let triggers = node.get("when").and_then(Node::list).unwrap_or_default();
    triggers.iter().any(|trigger| trigger.get("event").is_none())
}

/// Returns the folder's scripts, and the shared scripts that are called by name. A name in a comment counts too:
/// an extra file in the revision is harmless, a missing file is not.
fn scripts<'a>(
    folder: &Folder<'a>,
    layout: &Layout<'a>,
    blocks: bool,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<&'a str> {
    let mut paths = folder.scripts.clone();
    let callers = paths.iter().copied().chain([folder.policy]).chain(blocks.then_some(files::BLOCKS));
    let read = |path: &str| layout.files.get(path).map(|bytes| String::from_utf8_lossy(bytes));
    let mut callers: Vec<_> = callers.filter_map(read).collect();
    let mut rest: Vec<_> = layout.scripts.clone();
    while let Some(at) = rest.iter().position(|path| {
        let call = format!("{}::", stem(path));
        callers.iter().any(|text| text.contains(&call))
    }) {
        let path = rest.swap_remove(at);
        callers.extend(read(path));
        match folder.scripts.iter().find(|local| stem(local) == stem(path)) {
            Some(local) => {
                let message = format!("two scripts are named `{}`: here and {path}", stem(path));
                let help = "rename one of them";
                diagnostics.push(Diagnostic::error(layout::start(local), "two-scripts", message).help(help));
            }
            None => paths.push(path),
        }
    }
    paths.sort_unstable();
    paths
}

fn stem(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path).trim_end_matches(".rhai")
}

fn templates(used: &BTreeSet<String>, layout: &Layout<'_>, diagnostics: &mut Vec<Diagnostic>) -> Templates {
    let sources = layout.mails(|name| used.contains(name), diagnostics);
    Templates::build(&sources, diagnostics)
}

/// Returns exactly the files that the policy depends on.
fn bundle(
    folder: &Folder<'_>,
    layout: &Layout<'_>,
    scripts: &[&str],
    templates: &BTreeSet<String>,
    blocks: bool,
) -> Files {
    let used = layout.templates.iter().filter(|(name, _)| templates.contains(**name));
    let mails = used.flat_map(|(_, languages)| languages.iter().map(|(_, path)| *path));
    let always = [folder.policy, files::VERIFICATIONS, files::PEOPLE];
    let paths =
        always.into_iter().chain(scripts.iter().copied()).chain(mails).chain(blocks.then_some(files::BLOCKS));
    let read = |path: &str| Some((path.to_owned(), layout.files.get(path)?.clone()));
    Files(paths.filter_map(read).collect::<BTreeMap<_, _>>())
}

/// The keys above the steps.
struct Head {
    sources: Vec<String>,
    when: Vec<Trigger>,
    condition: Condition,
    if_already_open: IfAlreadyOpen,
    case_key: Option<crate::policy::script::Text>,
    cancel_when: Vec<EventType>,
    as_long_as: Option<Condition>,
    limits: Vec<Limit>,
    keep: Keep,
}

impl Head {
    fn read(node: &Node, build: &mut Build<'_>) -> Self {
        build.sources = sources(node, build);
        let triggers = node.get("when").and_then(Node::list).unwrap_or_default();
        let condition = node.condition("if").map(|source| build.condition(&source)).unwrap_or_default();
        let as_long_as = node.condition("as_long_as").map(|source| build.condition(&source));
        let case_key = node.get("case_key").and_then(|key| Some(build.text(key.text()?, &key.text_place())));
        let events = node.get("cancel_when").map(Node::one_or_many).unwrap_or_default();
        let cancel_when = events.iter().filter_map(|event| build.event(event)).collect();
        let name = node.text_of("policy").unwrap_or_default();
        let numbered = triggers.iter().zip(1..);
        let when = numbered.filter_map(|(trigger, at)| read_trigger(trigger, format!("{name}/{at}"), build));
        let when = when.collect();
        let keep = |key: &str, default: &str| {
            let stated = node.get("keep").and_then(|keep| keep.span(key));
            stated.or_else(|| Span::from_str(default).ok()).unwrap_or(Span::ZERO)
        };
        Self {
            sources: build.sources.clone(),
            when,
            condition,
            if_already_open: node
                .text_of("if_already_open")
                .and_then(IfAlreadyOpen::of_word)
                .unwrap_or(IfAlreadyOpen::Attach),
            case_key,
            cancel_when,
            as_long_as,
            limits: limits(node, build),
            keep: Keep { case: keep("case", "2y"), evidence: keep("evidence", "30d") },
        }
    }

    /// Checks conditions on the head that depend on the steps.
    fn judge(&self, node: &Node, build: &mut Build<'_>) {
        let open_another = self.if_already_open == IfAlreadyOpen::OpenAnother;
        match (open_another, node.entry("case_key")) {
            (true, None) => {
                let message = "`open_another` needs `case_key:`, which makes two cases different";
                let place = reading::at(node, "if_already_open").clone();
                let help = "write for example case_key: \"${user.id}/${event.role}\"";
                build.report(Diagnostic::error(place, "case-key", message).help(help));
            }
            (false, Some((key, _))) => {
                let message = "`case_key:` works with `if_already_open: open_another` only";
                build.report(
                    Diagnostic::error(key.place.clone(), "case-key", message).help("remove one of them"),
                );
            }
            (true, Some(_)) | (false, None) => {}
        }
        for limit in node.get("limits").and_then(Node::list).unwrap_or_default() {
            let action = limit.text_of("action").unwrap_or_default();
            if EffectKind::of_word(action).is_some_and(|action| !build.actions.contains(&action)) {
                let message = format!("no step of this policy has the effect `{action}`");
                let place = reading::at(limit, "action").clone();
                build.report(Diagnostic::warning(place, "dead-limit", message));
            }
        }
        let keep = node.get("keep");
        let spans = ["case", "evidence"].map(|key| keep.and_then(|keep| keep.get(key)));
        for place in spans.into_iter().flatten() {
            build.elapsed(place);
        }
    }
}

fn read_trigger(node: &Node, schedule: String, build: &mut Build<'_>) -> Option<Trigger> {
    if let Some(trigger) = node.get("event") {
        let event = build.event(trigger)?;
        build.sent(&event, &trigger.place);
        return Some(Trigger::Event(event));
    }
    if let Some(sweep) = node.get("sweep") {
        return sweep::read(sweep, schedule, build).map(Arc::new).map(Trigger::Sweep);
    }
    node.get("manual").map(|_| Trigger::Manual)
}

fn limits(node: &Node, build: &mut Build<'_>) -> Vec<Limit> {
    let mut limits = Vec::new();
    for entry in node.get("limits").and_then(Node::list).unwrap_or_default() {
        if let Some(per) = entry.get("per") {
            build.elapsed(per);
        }
        limits.extend(limit(entry, build));
    }
    // Default limits: enough for the worst ordinary hour, too few to empty a directory or lock out a company by
    // mistake. Starts of verifications are paid: enough for the worst ordinary day, too few for a costly flood.
    let (hour, day) = (chrono::TimeDelta::hours(1), chrono::TimeDelta::days(1));
    let unstated = [
        (EffectKind::Delete, Amount::Larger(20, 1.0), hour),
        (EffectKind::Suspend, Amount::Larger(20, 1.0), hour),
        (EffectKind::Verify, Amount::Larger(500, 5.0), day),
    ];
    for (action, at_most, per) in unstated {
        if !limits.iter().any(|limit: &Limit| limit.action == action) {
            let (per, when_exceeded) = (Span::Elapsed(per), WhenExceeded::Ask);
            limits.push(Limit { action, at_most, per, when_exceeded, stated: false });
        }
    }
    limits
}

fn limit(entry: &Node, build: &mut Build<'_>) -> Option<Limit> {
    let action = entry.text_of("action")?;
    let at_most = entry.text_of("at_most")?;
    let at_most = match at_most.strip_suffix('%') {
        Some(share) => {
            let place = reading::at(entry, "at_most").clone();
            if entry.get("of").is_none() {
                let message = format!("`{at_most}` needs a population");
                build.report(Diagnostic::error(place, "share", message).help("write `of: users` beside it"));
            }
            Amount::Percent(share.parse().ok()?)
        }
        None => Amount::Count(at_most.parse().ok()?),
    };
    let when_exceeded = WhenExceeded::of_word(grammar::current(entry.text_of("when_exceeded")?))?;
    let action = EffectKind::of_word(action);
    Some(Limit { action: action?, at_most, per: entry.span("per")?, when_exceeded, stated: true })
}
