//! Rewrites a source before compilation: the same text on the same lines, with a few calls around values. All checks
//! use the source as written.

use rhai::{AST, ASTNode, Dynamic, Engine, Expr, Position};

use super::types::{Link, links};
use super::{bodies, choice, flow};

/// The function around a value that a closure uses while a function works on it. The function gets a copy, because two
/// borrows of one variable are not possible. No script calls it.
pub(super) const COPY: &str = "copy_to_work_on";

pub(super) fn register(engine: &mut Engine) {
    engine.register_fn(COPY, |value: Dynamic| value.flatten());
}

/// Returns the rewritten source; none if nothing needs to be inserted.
pub(super) fn rewritten(engine: &Engine, ast: &AST, source: &str) -> Option<String> {
    let mut inserts = choice::inserts(engine, source);
    inserts.extend(copies(ast, source));
    if inserts.is_empty() {
        return None;
    }
    let mut inserts: Vec<_> =
        inserts.into_iter().filter_map(|(at, text)| Some((offset(source, at)?, text))).collect();
    inserts.sort_by_key(|(at, _)| *at);
    inserts.dedup();
    let mut text = source.to_owned();
    for (at, insert) in inserts.iter().rev() {
        text.insert_str(*at, insert);
    }
    Some(text)
}

fn offset(source: &str, at: Position) -> Option<usize> {
    let (line, column) = (at.line()?.checked_sub(1)?, at.position()?.checked_sub(1)?);
    let before: usize = source.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = source.get(before..)?;
    Some(before + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at))
}

/// Returns inserts for calls such as `user.roles.some(|role| role == user.title)`.
fn copies(ast: &AST, source: &str) -> Vec<(Position, String)> {
    let mut found = Vec::new();
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        if let Some(ASTNode::Expr(expr @ (Expr::Dot(..) | Expr::Index(..)))) = path.last()
            && let (Expr::Variable(variable, _, start), links) = links(expr)
        {
            let uses = |link: &Link<'_>| match link {
                Link::Method(call, at) if !flow::CHANGING.contains(&call.name.as_str()) => {
                    let mut captured = call.args.iter().flat_map(bodies::captured);
                    captured.any(|name| name == variable.1.as_str()).then_some(*at)
                }
                _ => None,
            };
            if let Some(dot) = links.iter().find_map(uses).and_then(|at| dot(source, at)) {
                found.push((*start, format!("{COPY}(")));
                found.push((dot, ")".to_owned()));
            }
        }
        true
    });
    found
}

/// Returns the position of the dot before a method.
fn dot(source: &str, method: Position) -> Option<Position> {
    let before = source.get(..offset(source, method)?)?.trim_end().strip_suffix('.')?;
    let before = before.strip_suffix('?').unwrap_or(before);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Some(Position::new(u16::try_from(line).ok()?, u16::try_from(column).ok()?))
}
