//! Finds the fields that an expression reads, for places where not every field is known, and the names it can use.

use rhai::{AST, ASTNode, Expr, Position, Scope, Stmt};

use super::check::error_at;
use super::engine::{BARE, guarded};
use super::lowered::path;
use super::{Clause, Condition, Tree};
use crate::policy::diagnostic::Place;

/// One read of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// `user`, `event`, `settings`, ...
    pub root: String,
    /// None: the value as a whole, passed on or indexed by a computed name.
    pub field: Option<String>,
    pub place: Place,
}

impl Condition {
    /// Returns every read of its clauses. Clauses with an error are left out; they have a diagnostic.
    pub fn looks(&self) -> Vec<Look> {
        let mut looks = Vec::new();
        if let Some((_, tree)) = &self.tree {
            tree.looks(&mut looks);
        }
        looks
    }
}

impl Tree {
    fn looks(&self, looks: &mut Vec<Look>) {
        match self {
            Self::Clause(Clause { place, ast: Some(ast), .. }) => walk(ast, place, looks),
            Self::Clause(_) => {}
            Self::All(trees) | Self::Any(trees) | Self::None(trees) => {
                trees.iter().for_each(|tree| tree.looks(looks));
            }
        }
    }
}

fn walk(ast: &AST, place: &Place, looks: &mut Vec<Look>) {
    ast.walk(&mut |nodes: &[ASTNode<'_>]| {
        let Some((ASTNode::Expr(expr), above)) = nodes.split_last() else { return true };
        let look = match expr {
            Expr::Dot(pair, ..) | Expr::Index(pair, ..) => {
                let Expr::Variable(variable, _, position) = &pair.lhs else { return true };
                let field = path(expr).and_then(|(path, _)| path.into_iter().nth(1));
                Some((&variable.1, field, *position))
            }
            Expr::Variable(variable, _, position) => {
                // The root of a chain was handled with the chain.
                let chain = match above.last() {
                    Some(ASTNode::Expr(Expr::Dot(pair, ..) | Expr::Index(pair, ..))) => {
                        matches!(&pair.lhs, Expr::Variable(_, _, root) if root == position)
                    }
                    _ => false,
                };
                (!chain).then_some((&variable.1, None, *position))
            }
            _ => None,
        };
        if let Some((root, field, position)) = look {
            let place = at(place, position, root.chars().count());
            looks.push(Look { root: root.to_string(), field, place });
        }
        true
    });
}

fn at(place: &Place, position: Position, length: usize) -> Place {
    error_at(place, position, length, "", String::new(), None).place
}

/// Reports whether a script can write `settings.<name>`: reserved words and special characters are not possible.
pub fn sayable(name: &str) -> bool {
    let source = format!("x.{name} == 1");
    let mut names = Scope::new();
    names.push("x", ());
    let Ok(ast) = guarded(|| Ok(BARE.compile_expression_with_scope(&names, &source)?)) else {
        return false;
    };
    let [Stmt::Expr(expr)] = ast.statements() else { return false };
    let Expr::FnCall(call, _) = expr.as_ref() else { return false };
    let property = call.args.first().map(path);
    matches!(property, Some(Some((path, true))) if path.as_slice() == ["x", name])
}
