//! The texts that a function of a script ends with as they stand in it: `"fraud"`, and not what it works out.

use std::collections::BTreeMap;

use rhai::{AST, ASTNode, Expr, Position, Stmt};

/// Each with its place.
pub(super) type Results = Vec<(String, Position)>;

/// What one function ends with, as far as its statements were read.
#[derive(Default)]
struct Read {
    /// By a `return` in a statement before the last.
    before: Results,
    /// By a `return` in the last one.
    returned: Results,
    /// By the last one, which is the function's value.
    last: Results,
}

/// By the function's name and the number of its arguments. The walk over a file goes through the bodies of its
/// functions one after the other; whose a statement is shows by its place.
pub(super) fn of_file(ast: &AST) -> Vec<((String, usize), Results)> {
    let bodies: Vec<_> = ast
        .iter_fn_def()
        .map(|of| {
            (at(of.body.start_position()), at(of.body.end_position()), of.name.to_string(), of.params.len())
        })
        .collect();
    let mut read: BTreeMap<usize, Read> = BTreeMap::new();
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        let [ASTNode::Stmt(one)] = path else { return true };
        let place = at(one.position());
        let Some(of) = bodies.iter().position(|(from, to, ..)| (*from..=*to).contains(&place)) else {
            return true;
        };
        let of = read.entry(of).or_default();
        of.before.append(&mut of.returned);
        of.last.clear();
        statement(one, false, &mut of.returned);
        statement(one, true, &mut of.last);
        true
    });
    let all = read.into_iter().filter_map(|(of, mut read)| {
        let (_, _, name, arguments) = bodies.get(of)?;
        read.before.append(&mut read.last);
        Some(((name.clone(), *arguments), read.before))
    });
    all.collect()
}

fn at(position: Position) -> (Option<usize>, Option<usize>) {
    (position.line(), position.position())
}

/// `last`: the value of the block is the function's.
fn block(statements: &[Stmt], last: bool, found: &mut Results) {
    let count = statements.len();
    for (statement, number) in statements.iter().zip(1..) {
        self::statement(statement, last && number == count, found);
    }
}

fn statement(statement: &Stmt, last: bool, found: &mut Results) {
    match statement {
        Stmt::Return(Some(value), flags, _) if !flags.intersects(rhai::ASTFlags::BREAK) => {
            result(value, found);
        }
        Stmt::Expr(value) if last => result(value, found),
        Stmt::If(flow, _) | Stmt::TryCatch(flow, _) => {
            block(flow.body.statements(), last, found);
            block(flow.branch.statements(), last, found);
        }
        Stmt::Block(inner) => block(inner.statements(), last, found),
        Stmt::While(flow, _) | Stmt::Do(flow, _, _) => block(flow.body.statements(), false, found),
        Stmt::For(parts, _) => block(parts.2.body.statements(), false, found),
        Stmt::Switch(parts, _) if last => {
            parts.1.expressions.iter().for_each(|case| result(&case.rhs, found));
        }
        _ => {}
    }
}

fn result(value: &Expr, found: &mut Results) {
    match value {
        Expr::StringConstant(text, at) => found.push((text.to_string(), *at)),
        Expr::Stmt(inner) => block(inner.statements(), true, found),
        _ => {}
    }
}
