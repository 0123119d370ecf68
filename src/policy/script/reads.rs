//! The fields that a condition names. Only these become values of the script language when it is decided, and only
//! these are stored with a decision.

use std::collections::BTreeMap;

use rhai::{AST, ASTNode, Expr};
use serde_json::Value;

use super::lowered::path;
use super::{Clause, Condition, Tree};
use crate::model::{Fields, Subject};

/// The fields that clauses name, by root: `event`, `user`, `settings`, ...
#[derive(Debug, Clone, Default)]
pub(super) struct Reads(BTreeMap<String, Part>);

/// The named parts of a value.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    /// The value as a whole: it is passed on, compared, or indexed by a computed name.
    whole: bool,
    parts: BTreeMap<String, Part>,
}

impl Reads {
    pub(super) fn of(tree: &Tree) -> Self {
        let mut reads = Self::default();
        reads.tree(tree);
        reads
    }

    pub(super) fn of_clauses<'a>(clauses: impl IntoIterator<Item = &'a Clause>) -> Self {
        let mut reads = Self::default();
        clauses.into_iter().filter_map(|clause| clause.ast.as_ref()).for_each(|ast| reads.ast(ast));
        reads
    }

    /// Returns the part of a root; `None` if no clause names the root.
    pub(super) fn root(&self, name: &str) -> Option<&Part> {
        self.0.get(name)
    }

    fn tree(&mut self, tree: &Tree) {
        match tree {
            Tree::Clause(Clause { ast: Some(ast), .. }) => self.ast(ast),
            Tree::Clause(_) => {}
            Tree::All(trees) | Tree::Any(trees) | Tree::None(trees) => {
                trees.iter().for_each(|tree| self.tree(tree));
            }
        }
    }

    fn ast(&mut self, ast: &AST) {
        ast.walk(&mut |nodes: &[ASTNode<'_>]| {
            let Some((ASTNode::Expr(expr), above)) = nodes.split_last() else { return true };
            match expr {
                Expr::Dot(pair, ..) | Expr::Index(pair, ..) => {
                    if let Some((path, _)) = path(expr) {
                        self.add(&path);
                    } else if let Expr::Variable(variable, ..) = &pair.lhs {
                        self.add(&[variable.1.to_string()]);
                    }
                }
                Expr::Variable(variable, _, position) => {
                    // The root of a chain was handled with the chain.
                    let chain = match above.last() {
                        Some(ASTNode::Expr(Expr::Dot(pair, ..) | Expr::Index(pair, ..))) => {
                            matches!(&pair.lhs, Expr::Variable(_, _, root) if root == position)
                        }
                        Some(ASTNode::Expr(_) | ASTNode::Stmt(_)) | None => false,
                        Some(_) => false,
                    };
                    if !chain {
                        self.add(&[variable.1.to_string()]);
                    }
                }
                _ => {}
            }
            true
        });
    }

    fn add(&mut self, path: &[String]) {
        let Some((root, fields)) = path.split_first() else { return };
        let mut part = self.0.entry(root.clone()).or_default();
        for field in fields {
            part = part.parts.entry(field.clone()).or_default();
        }
        part.whole = true;
    }
}

impl Part {
    /// Returns the names of the fields; `None`: the value as a whole.
    pub(super) fn names(&self) -> Option<impl Iterator<Item = &str>> {
        (!self.whole).then(|| self.parts.keys().map(String::as_str))
    }

    /// Copies the named fields.
    fn copy(&self, from: &Fields, into: &mut Fields) {
        if self.whole {
            into.extend(from.iter().map(|(name, value)| (name.clone(), value.clone())));
            return;
        }
        for (name, part) in &self.parts {
            match (from.get(name), part.whole) {
                (Some(Value::Object(inner)), false) => {
                    let to = into.entry(name.clone()).or_insert_with(|| Value::Object(Fields::new()));
                    if let Value::Object(to) = to {
                        part.copy(inner, to);
                    }
                }
                (Some(value), _) => {
                    into.insert(name.clone(), value.clone());
                }
                (None, _) => {}
            }
        }
    }
}

impl Condition {
    /// Copies the fields of a person that the clauses name. With only these fields, the condition decides the same.
    pub fn copy_named(&self, subject: &Subject, into: &mut Fields) {
        let named = self.tree.as_ref().and_then(|_| self.reads.root(subject.kind.word()));
        if let Some(named) = named {
            named.copy(&subject.fields, into);
        }
    }
}
