//! Checks which functions an expression or a script file calls. Without this check, a misspelled call would fail only
//! in the first case that reaches it.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt};

use super::check::{error_at, nearest};
use super::natives;
use crate::policy::diagnostic::{Diagnostic, Place};

/// Function names, each with an accepted number of arguments.
pub(super) type Functions = BTreeSet<(String, usize)>;

/// Words of other languages, with the fix.
const FOREIGN: &[(&str, &str)] = &[
    ("not", "write `!` for not"),
    ("is_null", "test for an empty value with == ()"),
    ("isnull", "test for an empty value with == ()"),
    ("defined", "test for an empty value with == ()"),
    ("empty", "test for an empty value with == (), for an empty text or list with .is_empty()"),
    ("includes", "write `value in list`"),
    ("startswith", "use `starts_with`"),
    ("endswith", "use `ends_with`"),
    ("lowercase", "use `lower`"),
    ("tolowercase", "use `lower`"),
    ("length", "use `len`"),
    ("size", "use `len`"),
];

/// Checks all calls. `own`: functions of the file itself; `scripts`: functions of script files, by namespace.
pub(super) fn check(
    ast: &AST,
    own: &Functions,
    scripts: &BTreeMap<String, Functions>,
    place: &Place,
    diagnostics: &mut Vec<Diagnostic>,
) {
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        let called = match path.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, at))) => Some((call, at, 0)),
            // The value before the dot is an argument too.
            Some(ASTNode::Expr(Expr::MethodCall(call, at))) => Some((call, at, 1)),
            Some(ASTNode::Stmt(Stmt::FnCall(call, at))) => Some((call, at, 0)),
            _ => None,
        };
        if let Some((call, at, before)) = called
            && let Some(found) = fault(call, *at, before, own, scripts, place)
        {
            diagnostics.push(found);
        }
        true
    });
}

fn fault(
    call: &FnCallExpr,
    at: Position,
    before: usize,
    own: &Functions,
    scripts: &BTreeMap<String, Functions>,
    place: &Place,
) -> Option<Diagnostic> {
    let name = call.name.as_str();
    if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        || name.starts_with("anon$")
        || name == natives::CAPTURE
    {
        return None;
    }
    let error = |code, message, help| Some(error_at(place, at, name.chars().count(), code, message, help));
    let arguments = call.args.len() + before;
    if call.is_qualified() {
        let namespace = call.namespace.to_string();
        let namespace = namespace.trim_end_matches("::");
        // A missing file is an error of the parser.
        let known = scripts.get(namespace)?;
        let takes = takes(known, name);
        if takes.is_empty() {
            let message = format!("`{namespace}.rhai` has no function `{name}`");
            let names: BTreeSet<_> = known.iter().map(|(name, _)| name.as_str()).collect();
            return error("unknown-function", message, suggestion(name, names));
        }
        let message = wrong_number(&format!("{namespace}::{name}"), &takes, call.args.len());
        return if takes.contains(&arguments) {
            None
        } else {
            error("wrong-arguments", message, Some(format!("its `fn` line in {namespace}.rhai names them")))
        };
    }
    let mut known = natives::takes(name);
    // A function of the file gets the value before the dot as `this`, or ignores it.
    known.extend(takes(own, name).into_iter().flat_map(|count| [count, count + before]));
    if known.is_empty() {
        let foreign = FOREIGN.iter().find(|(word, _)| *word == name.to_ascii_lowercase());
        let names: BTreeSet<_> = natives::names().chain(own.iter().map(|(name, _)| name.as_str())).collect();
        let elsewhere =
            scripts.iter().find(|(_, functions)| functions.iter().any(|(other, _)| other == name));
        let help = match (foreign, elsewhere) {
            (Some((_, help)), _) => Some((*help).to_owned()),
            (None, Some((file, _))) => {
                Some(format!("write {file}::{name}(...); it is a function of {file}.rhai"))
            }
            (None, None) => nearest(name, names).map(|near| format!("did you mean `{near}`?")),
        };
        return error("unknown-function", format!("unknown function `{name}`"), help);
    }
    let wrong = !known.contains(&arguments);
    let counts: BTreeSet<_> = known.iter().map(|count| count.saturating_sub(before)).collect();
    let message = wrong_number(name, &counts, call.args.len());
    let help = (before > 0).then(|| "the value before the dot does not count".to_owned());
    if wrong { error("wrong-arguments", message, help) } else { None }
}

fn takes(functions: &Functions, name: &str) -> BTreeSet<usize> {
    functions.iter().filter(|(other, _)| other == name).map(|(_, count)| *count).collect()
}

fn suggestion(name: &str, known: BTreeSet<&str>) -> Option<String> {
    match nearest(name, known.iter().copied()) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None => Some(format!("known: {}", known.into_iter().collect::<Vec<_>>().join(", "))),
    }
}

fn wrong_number(name: &str, takes: &BTreeSet<usize>, given: usize) -> String {
    let takes: Vec<_> = takes.iter().map(ToString::to_string).collect();
    let word = if takes == ["1"] { "argument" } else { "arguments" };
    format!("`{name}` takes {} {word}, not {given}", takes.join(" or "))
}
