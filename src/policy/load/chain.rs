//! Compiles step lists to a flat list of spots: which step follows which, and which branch belongs to which outcome.
//! Every step has a spot, even one with an error, because the proofs need the whole graph.

use std::collections::{BTreeMap, BTreeSet};

use super::layout::Layout;
use super::shared::Shared;
use crate::model::{EffectKind, EventType, Span, SubjectKind, Vocabulary};
use crate::policy::diagnostic::{Diagnostic, Place, nearest};
use crate::policy::grammar::{self, Kind};
use crate::policy::graph::{Edge, Graph, Via};
use crate::policy::known::Known;
use crate::policy::outcome::Ending;
use crate::policy::script::{Compiler, Condition, ConditionSource, Data, Function, StepShape, Text, sayable};
use crate::policy::source::Node;
use crate::policy::tree::{Step, StepIndex, Verb};

use super::step::misplaced;

/// A named step list that a policy can use.
#[derive(Debug)]
pub struct Block {
    pub steps: Node,
    pub place: Place,
    pub shared: bool,
}

/// One step and its links to other spots.
#[derive(Debug)]
pub struct Spot {
    pub place: Place,
    pub id: Option<String>,
    pub next: Option<usize>,
    pub branches: BTreeMap<String, usize>,
    /// `do`: the block, and the place of its name.
    pub go: Option<(String, Place)>,
    /// `retry_from`: the step, and the place of its name.
    pub back: Option<(String, Place)>,
    pub or_else: Option<usize>,
    /// True if no step comes after it, unless its `if` skips it.
    ends: bool,
    pub step: Option<Step>,
}

impl Spot {
    /// Returns the edges from it; edges to another list come last.
    fn edges(&self, starts: &BTreeMap<String, usize>, by_id: &BTreeMap<String, StepIndex>) -> Vec<Edge> {
        let edge = |to: Option<usize>, via: Via| Some(Edge { to: index(to?)?, via });
        let ending = |word: &String| match &self.step {
            Some(step) => step.verb.ending(word),
            None => Ending::Declared(word.clone()),
        };
        let branches = self.branches.iter();
        let mut edges: Vec<Edge> =
            branches.filter_map(|(word, at)| edge(Some(*at), Via::Outcome(ending(word)))).collect();
        edges.extend(edge(self.next, if self.ends { Via::LeftOut } else { Via::Next }));
        let block = self.go.as_ref().and_then(|(name, _)| starts.get(name));
        edges.extend(edge(block.copied(), Via::Block));
        let back = self.back.as_ref().and_then(|(name, _)| by_id.get(name));
        edges.extend(back.map(|to| Edge { to: *to, via: Via::Again }));
        edges.extend(edge(self.or_else, Via::UsedUp));
        edges
    }
}

/// A compiled step list.
#[derive(Debug, Default, Clone, Copy)]
pub struct Chain {
    /// None: the list has no step.
    pub start: Option<usize>,
}

/// One policy while it is built.
pub struct Build<'a> {
    pub shared: &'a Shared,
    pub known: &'a Known,
    pub layout: &'a Layout<'a>,
    pub subject: Option<SubjectKind>,
    /// The policy's `source`; empty: all.
    pub sources: Vec<String>,
    compiler: Compiler,
    pub blocks: BTreeMap<String, Block>,
    pub ids: Vec<(String, StepShape)>,
    pub templates: BTreeSet<String>,
    pub actions: BTreeSet<EffectKind>,
    pub spots: Vec<Spot>,
    diagnostics: &'a mut Vec<Diagnostic>,
}

/// Returns the blocks that a policy defines or reaches: its own, and shared ones by `do`.
pub fn blocks(node: &Node, shared: &Shared, diagnostics: &mut Vec<Diagnostic>) -> BTreeMap<String, Block> {
    let mut found = BTreeMap::new();
    let mut wanted = Vec::new();
    if let Some(steps) = node.get("steps") {
        calls(steps, &mut wanted);
    }
    for (key, steps) in node.get("blocks").and_then(Node::map).unwrap_or_default() {
        if shared.blocks.contains(&key.name) {
            let message = format!("the block `{}` is also defined in shared/blocks.yaml", key.name);
            let help = "rename one of them";
            diagnostics.push(Diagnostic::error(key.place.clone(), "two-blocks", message).help(help));
        }
        calls(steps, &mut wanted);
        let block = Block { steps: steps.clone(), place: key.place.clone(), shared: false };
        found.insert(key.name.clone(), block);
    }
    let mut missing = BTreeSet::new();
    while let Some((name, place)) = wanted.pop() {
        if found.contains_key(&name) || missing.contains(&(name.clone(), place.clone())) {
            continue;
        }
        let own: Vec<String> = found.keys().cloned().collect();
        if let Some(steps) = resolve(&name, &place, shared, &own, diagnostics) {
            calls(steps, &mut wanted);
            let block = Block { steps: steps.clone(), place: steps.place.clone(), shared: true };
            found.insert(name, block);
        } else {
            missing.insert((name, place));
        }
    }
    found
}

fn resolve<'a>(
    name: &str,
    place: &Place,
    shared: &'a Shared,
    own: &[String],
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<&'a Node> {
    if shared.blocks.contains(name) {
        let steps = shared.blocks.find(name, place, diagnostics)?;
        // The block itself also gets this report; reporting it here keeps this policy from running.
        diagnostics.extend(grammar::not_yet(steps, &Kind::Steps, &Vocabulary::default()));
        return Some(steps);
    }
    let names = own.iter().map(String::as_str);
    let message = format!("unknown block `{name}`; it is not defined here or in shared/blocks.yaml");
    let help = nearest(name, names.chain(shared.blocks.names()));
    diagnostics.push(Diagnostic::error(place.clone(), "unknown-name", message).help(help));
    None
}

/// Visits every step of a list, including steps in branches.
fn each<'a>(steps: &'a Node, visit: &mut dyn FnMut(&'a Node)) {
    for step in steps.list().unwrap_or_default() {
        visit(step);
        for (_, branch) in step.get("outcomes").and_then(Node::map).unwrap_or_default() {
            each(branch, visit);
        }
        if let Some(branch) = step.get("or_else") {
            each(branch, visit);
        }
    }
}

fn calls(steps: &Node, wanted: &mut Vec<(String, Place)>) {
    each(steps, &mut |step| {
        if let Some(target) = step.get("do") {
            wanted.extend(target.text().map(|name| (name.to_owned(), target.place.clone())));
        }
    });
}

/// Returns every step's id with the type of its result.
pub fn ids(
    node: &Node,
    blocks: &BTreeMap<String, Block>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<(String, StepShape)> {
    let mut first: BTreeMap<&str, &Place> = BTreeMap::new();
    let mut shapes = Vec::new();
    let lists = node.get("steps").into_iter().chain(blocks.values().map(|block| &block.steps));
    for list in lists {
        each(list, &mut |step| {
            let Some(id) = step.get("id") else { return };
            let Some(name) = id.text() else { return };
            if !sayable(name) {
                let message = format!("`{name}` cannot be a step id: clauses cannot use `steps.{name}`");
                let help = "use letters, digits and underscores, and no reserved word of the script \
                    language";
                diagnostics.push(Diagnostic::error(id.place.clone(), "bad-id", message).help(help));
            }
            if let Some(other) = first.get(name) {
                let message = format!("duplicate step id `{name}`; the step at {other} has it");
                diagnostics.push(
                    Diagnostic::error(id.place.clone(), "duplicate-id", message).help("choose another id"),
                );
                return;
            }
            first.insert(name, &id.place);
            let shape = match grammar::step_verb(step).map(|(key, _, _)| key.name.as_str()) {
                Some("verify") => StepShape::Verify,
                Some("review") => StepShape::Review,
                Some("call") => StepShape::Call,
                Some(_) => StepShape::Other,
                None => StepShape::Unknown,
            };
            shapes.push((name.to_owned(), shape));
        });
    }
    shapes
}

impl<'a> Build<'a> {
    #[allow(clippy::too_many_arguments, reason = "everything that a policy is built from, handed over once")]
    pub fn new(
        shared: &'a Shared,
        known: &'a Known,
        layout: &'a Layout<'a>,
        subject: Option<SubjectKind>,
        compiler: Compiler,
        blocks: BTreeMap<String, Block>,
        ids: Vec<(String, StepShape)>,
        diagnostics: &'a mut Vec<Diagnostic>,
    ) -> Self {
        let (templates, actions, spots) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        let sources = Vec::new();
        Self {
            shared,
            known,
            layout,
            subject,
            sources,
            compiler,
            blocks,
            ids,
            templates,
            actions,
            spots,
            diagnostics,
        }
    }

    pub fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    pub fn reports(&mut self) -> &mut Vec<Diagnostic> {
        self.diagnostics
    }

    pub fn not_yet(&mut self, place: &Place, what: &str) {
        let message = format!("{what} is not executed by this version; the policy is not activated");
        let help = "remove it, or use a version that executes it";
        self.report(Diagnostic::error(place.clone(), "not-yet", message).help(help));
    }

    pub fn condition(&mut self, source: &ConditionSource) -> Condition {
        self.compiler.condition(source, self.diagnostics)
    }

    pub fn text(&mut self, text: &str, place: &Place) -> Text {
        self.compiler.text(text, place, self.diagnostics)
    }

    pub fn data(&mut self, node: &Node, now_is_a_word: bool) -> Data {
        Data::compile(node, now_is_a_word, &self.compiler, self.diagnostics)
    }

    /// Checks that a `run` function ends only with texts that the step declares.
    pub fn results(&mut self, function: &Function, returns: &Node) {
        let Some(ended) = self.compiler.results(function) else { return };
        let listed: Vec<_> =
            returns.list().unwrap_or_default().iter().filter(|name| name.text().is_some()).collect();
        if listed.is_empty() {
            return;
        }
        let names = || listed.iter().filter_map(|name| name.text());
        let of = function.source();
        let missing: Vec<_> =
            ended.texts.iter().filter(|(text, _)| !names().any(|name| name == text)).collect();
        for (text, place) in &missing {
            let message =
                format!("the function can return \"{text}\", which `returns:` of {of} does not list");
            let help = nearest(text, names());
            self.report(Diagnostic::error(place.clone(), "undeclared-result", message).help(help));
        }
        for (word, place) in &ended.others {
            let message = format!("the function can return {word}; {of} needs a name of `returns:`");
            let help = "return a text in double quotes";
            self.report(Diagnostic::error(place.clone(), "undeclared-result", message).help(help));
        }
        for name in &listed {
            let text = name.text().unwrap_or_default();
            if ended.whole
                && missing.is_empty()
                && ended.others.is_empty()
                && !ended.texts.iter().any(|(ended, _)| ended == text)
            {
                let message = format!("the function never returns \"{text}\"");
                let help = "remove it from `returns:` and `outcomes:`, or return it in the function";
                self.report(Diagnostic::warning(name.place.clone(), "unused-result", message).help(help));
            }
        }
    }

    /// Checks that an `act` function returns only actions that the step allows.
    pub fn actions_of(&mut self, function: &Function, may: &[EffectKind]) {
        let Some(ended) = self.compiler.results(function) else { return };
        let texts = ended.texts.iter().map(|(text, place)| (format!("\"{text}\""), place));
        let others = ended.others.iter().filter(|(word, _)| *word != "a list");
        let others = others.map(|(word, place)| ((*word).to_owned(), place));
        if let Some((word, place)) = texts.chain(others).next() {
            let message = format!("the function can return {word}; `act` needs a list of actions");
            let help = "return a list, such as [#{assign_role: \"staff\"}]; [] is no action";
            self.report(Diagnostic::error(place.clone(), "undeclared-action", message).help(help));
        }
        for action in &ended.actions {
            let verbs = || action.iter().filter(|(key, _)| grammar::verb(key).is_some());
            let known = verbs().any(|(key, _)| may.iter().any(|kind| kind.word() == *key));
            if let (false, Some((verb, place))) = (known, verbs().next()) {
                let message = format!(
                    "the function returns `{verb}`, which `may:` of {} does not list",
                    function.source()
                );
                let help = nearest(verb, may.iter().map(|kind| kind.word()));
                self.report(Diagnostic::error(place.clone(), "undeclared-action", message).help(help));
            }
        }
    }

    /// Compiles a call. Text that does not look like a call was already reported.
    pub fn function(&mut self, call: &str, place: &Place) -> Function {
        if !grammar::is_call(call) {
            return Function::default();
        }
        self.compiler.function(call, place, self.diagnostics)
    }

    /// Reads an event type and checks that it can happen to this policy's subject.
    pub fn event(&mut self, node: &Node) -> Option<EventType> {
        let name = node.text()?;
        let of = match name.split('.').next() {
            Some("registration") => Some(SubjectKind::Registration),
            Some("login" | "user" | "mfa" | "credential" | "session") => Some(SubjectKind::User),
            Some(_) | None => None,
        };
        if let (Some(of), Some(subject)) = (of, self.subject)
            && of != subject
        {
            let (one, other) = (subject.one(), of.one());
            let message = format!("`{name}` is an event of {other}; this policy is about {one}");
            let help = format!("use an event of {one}, or write subject: {of}");
            self.report(Diagnostic::error(node.place.clone(), "other-subject", message).help(help));
        }
        Some(EventType::new(name))
    }

    /// Refuses business days where only elapsed time can be counted.
    pub fn elapsed(&mut self, node: &Node) {
        if node
            .text()
            .and_then(|text| text.parse().ok())
            .is_some_and(|span| matches!(span, Span::BusinessDays(_)))
        {
            let message = "business days are not allowed here";
            self.report(
                Diagnostic::error(node.place.clone(), "business-days", message)
                    .help("write days, such as 2d"),
            );
        }
    }

    /// Compiles a step list. Its steps' paths begin with `prefix`.
    pub fn chain(&mut self, list: &Node, prefix: &str) -> Chain {
        let items = list.list().unwrap_or_default();
        let mut before: Option<usize> = None;
        let mut start = None;
        for (at, item) in items.iter().enumerate() {
            let spot = self.spot(item, prefix, at);
            start = start.or(Some(spot));
            if let Some(before) = before {
                self.link(before, spot, items.get(at.wrapping_sub(1)), &item.place);
            }
            before = Some(spot);
        }
        if let Some(last) = items.last().filter(|last| !ends(last) || last.get("if").is_some()) {
            let (message, help) = if ends(last) {
                ("this path ends in a step that its `if` can skip", "add a step after it that ends the path")
            } else {
                ("this path has no end", "end it with `close:`, `do:` or `retry_from:`")
            };
            // A step with an unknown verb has its own error.
            if grammar::step_verb(last).is_some() && !misplaced(last) {
                self.report(Diagnostic::error(last.place.clone(), "no-end", message).help(help));
            }
        }
        Chain { start }
    }

    fn link(&mut self, before: usize, spot: usize, earlier: Option<&Node>, place: &Place) {
        let dead = earlier.is_some_and(|earlier| ends(earlier) && earlier.get("if").is_none());
        if dead {
            let message = "unreachable step: the step before it ends the path or branches";
            let help = "remove it, or move it into a branch";
            self.report(Diagnostic::error(place.clone(), "dead-step", message).help(help));
        } else if let Some(earlier) = self.spots.get_mut(before) {
            earlier.next = Some(spot);
        }
    }

    fn spot(&mut self, item: &Node, prefix: &str, at: usize) -> usize {
        let index = self.spots.len();
        let id = item.text_of("id").map(str::to_owned);
        let path = format!("{prefix}{}", id.clone().unwrap_or_else(|| (at + 1).to_string()));
        let named = |key: &str| item.get(key).and_then(|to| Some((to.text()?.to_owned(), to.place.clone())));
        self.spots.push(Spot {
            place: item.place.clone(),
            id: id.clone(),
            next: None,
            branches: BTreeMap::new(),
            go: named("do"),
            back: named("retry_from"),
            or_else: None,
            ends: ends(item),
            step: None,
        });
        let mut branches = BTreeMap::new();
        for (outcome, list) in item.get("outcomes").and_then(Node::map).unwrap_or_default() {
            let chain = self.chain(list, &format!("{path}/{}/", outcome.name));
            branches.extend(chain.start.map(|start| (outcome.name.clone(), start)));
        }
        let or_else =
            item.get("or_else").and_then(|list| self.chain(list, &format!("{path}/or_else/")).start);
        let step = self.step(item, index, path);
        if let Some(spot) = self.spots.get_mut(index) {
            spot.branches = branches;
            spot.or_else = or_else;
            spot.step = step;
        }
        index
    }

    /// Compiles every block once.
    pub fn block_chains(&mut self) -> BTreeMap<String, usize> {
        let blocks = std::mem::take(&mut self.blocks);
        let mut starts = BTreeMap::new();
        for (name, block) in &blocks {
            let chain = self.chain(&block.steps, &format!("{name}/"));
            starts.extend(chain.start.map(|start| (name.clone(), start)));
        }
        self.blocks = blocks;
        starts
    }

    /// Returns the first step of each id.
    fn by_id(&self) -> BTreeMap<String, StepIndex> {
        let mut by_id = BTreeMap::new();
        for (at, spot) in self.spots.iter().enumerate() {
            if let (Some(id), Some(at)) = (&spot.id, index(at)) {
                by_id.entry(id.clone()).or_insert(at);
            }
        }
        by_id
    }

    /// Returns the graph of the spots, even if there are errors.
    pub fn graph(&self, first: usize, starts: &BTreeMap<String, usize>) -> Option<Graph> {
        let by_id = self.by_id();
        Some(Graph::new(index(first)?, self.spots.iter().map(|spot| spot.edges(starts, &by_id)).collect()))
    }

    /// Returns the steps with their links resolved. None: an error was reported.
    pub fn finish(self, graph: &Graph) -> Option<(Vec<Step>, BTreeMap<String, StepIndex>)> {
        let by_id = self.by_id();
        let mut steps = Vec::new();
        for (spot, at) in self.spots.into_iter().zip(0..) {
            let mut step = spot.step?;
            let edges = graph.on(StepIndex(at));
            let to = |via: &Via| edges.iter().find(|edge| edge.via == *via).map(|edge| edge.to);
            step.next = to(&Via::Next).or_else(|| to(&Via::LeftOut));
            if let Verb::Do { target, .. } = &mut step.verb {
                *target = to(&Via::Block)?;
            }
            if let Verb::RetryFrom { step, or_else, .. } = &mut step.verb {
                (*step, *or_else) = (to(&Via::Again)?, to(&Via::UsedUp)?);
            }
            let outcome = |edge: &Edge| {
                if let Via::Outcome(ending) = &edge.via { Some((ending.clone(), edge.to)) } else { None }
            };
            step.outcomes = edges.iter().filter_map(outcome).collect();
            steps.push(step);
        }
        Some((steps, by_id))
    }
}

pub(super) fn index(at: usize) -> Option<StepIndex> {
    u32::try_from(at).ok().map(StepIndex)
}

/// Reports whether no step comes after a step (unless its `if` skips it).
fn ends(step: &Node) -> bool {
    grammar::step_verb(step).is_some_and(|(_, _, rule)| rule.ends) || step.get("outcomes").is_some()
}
