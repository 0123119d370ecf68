//! Finds names and expressions in a file, by the table entry of each key.

use super::kind::{Key, Kind, Names, Shape};
use super::policy::TRIGGER;
use super::verbs::{STEP_KEYS, step_verb, verbs};
use crate::policy::source::{self, Data, Node};

/// A place in a file with a name or an expression.
#[derive(Debug)]
pub enum Site<'a> {
    /// A text that names something. `from`: the first line of what is named.
    Text { names: Names, node: &'a Node, from: usize },
    /// A key of a map that names something.
    Key { names: Names, key: &'a source::Key },
    /// A clause, or the call of a function.
    Expression(&'a Node),
    /// A text with `${...}` in it.
    Interpolated(&'a Node),
}

/// Visits every site of a value. Values of a wrong kind are skipped.
pub fn visit<'a>(node: &'a Node, kind: &Kind, visit: &mut dyn FnMut(Site<'a>)) {
    Visitor { visit }.node(node, kind, None, node.place.line);
}

struct Visitor<'a, 'v> {
    visit: &'v mut dyn FnMut(Site<'a>),
}

impl<'a> Visitor<'a, '_> {
    fn node(&mut self, node: &'a Node, kind: &Kind, names: Option<Names>, from: usize) {
        match (kind, &node.data) {
            (Kind::Shape(shape), Data::Map(entries)) => self.keys(entries, shape.keys.iter()),
            (Kind::Trigger, Data::Map(entries)) => self.keys(entries, TRIGGER.keys.iter()),
            (Kind::List(of) | Kind::OneOrMany(of), Data::Scalar(_) | Data::List(_)) => {
                node.one_or_many().iter().for_each(|item| self.node(item, of, names, item.place.line));
            }
            (Kind::MapOf(of), Data::Map(entries)) => {
                for (key, value) in entries {
                    if let Some(names) = names {
                        (self.visit)(Site::Key { names, key });
                    }
                    self.node(value, of, None, value.place.line);
                }
            }
            (Kind::Steps, Data::List(steps)) => steps.iter().for_each(|step| self.step(step)),
            (Kind::Condition | Kind::FunctionCall, _) => self.scalars(node, &Site::Expression),
            (Kind::Any | Kind::Template, _) => self.scalars(node, &Site::Interpolated),
            (_, Data::Scalar(_)) => {
                if let Some(names) = names {
                    (self.visit)(Site::Text { names, node, from });
                }
            }
            (_, Data::List(_) | Data::Map(_)) => {}
        }
    }

    fn keys(
        &mut self,
        entries: &'a [(source::Key, Node)],
        rules: impl Iterator<Item = &'static Key> + Clone,
    ) {
        for (key, value) in entries {
            if let Some(rule) = rules.clone().find(|rule| rule.name == key.name) {
                self.node(value, &rule.kind, rule.names, value.place.line);
            }
        }
    }

    fn step(&mut self, step: &'a Node) {
        let verb = step_verb(step).map(|(_, _, rule)| rule);
        for (key, value) in step.map().unwrap_or_default() {
            let beside = verb.map(|rule| rule.beside).unwrap_or_default();
            let mut rules = verb.map(|rule| &rule.key).into_iter().chain(beside).chain(STEP_KEYS);
            if let Some(rule) = rules.find(|rule| rule.name == key.name) {
                self.node(value, &rule.kind, rule.names, step.place.line);
            }
        }
    }

    fn scalars(&mut self, node: &'a Node, site: &dyn Fn(&'a Node) -> Site<'a>) {
        match &node.data {
            Data::Scalar(_) => (self.visit)(site(node)),
            Data::List(items) => items.iter().for_each(|item| self.scalars(item, site)),
            Data::Map(entries) => entries.iter().for_each(|(_, value)| self.scalars(value, site)),
        }
    }
}

/// Returns what the texts under a key name in a file of this shape, at any level.
pub fn key_naming(shape: &'static Shape, key: &str) -> Option<Names> {
    let mut kinds = vec![Kind::Shape(shape)];
    let mut steps_seen = false;
    while let Some(kind) = kinds.pop() {
        let keys: Vec<&Key> = match kind {
            Kind::Shape(shape) => shape.keys.iter().collect(),
            Kind::Trigger => TRIGGER.keys.iter().collect(),
            Kind::Steps if !std::mem::replace(&mut steps_seen, true) => {
                let of_verbs = verbs().flat_map(|rule| std::iter::once(&rule.key).chain(rule.beside));
                of_verbs.chain(STEP_KEYS).collect()
            }
            Kind::List(of) | Kind::OneOrMany(of) | Kind::MapOf(of) => {
                kinds.push(*of);
                continue;
            }
            _ => continue,
        };
        if let Some(names) = keys.iter().filter(|rule| rule.name == key).find_map(|rule| rule.names) {
            return Some(names);
        }
        kinds.extend(keys.iter().map(|rule| rule.kind));
    }
    None
}
