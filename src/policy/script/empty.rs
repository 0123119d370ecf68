//! Reports fields that may be empty in ordering comparisons. Such a comparison is an error, not false: no case opens,
//! or an open case is stuck. Earlier checks of the field in the same clause are taken into account.

use std::collections::BTreeSet;

use rhai::Expr;

use super::check::error_at;
use super::lowered::path;
use crate::policy::diagnostic::{Diagnostic, Place, Severity};

/// Reports whether the field at a path can be empty.
type MayBeEmpty<'a> = dyn Fn(&Expr, &[String]) -> bool + 'a;

pub(super) fn check(expr: &Expr, may: &MayBeEmpty<'_>, place: &Place, diagnostics: &mut Vec<Diagnostic>) {
    let mut reading = Reading { may, place, reported: BTreeSet::new(), diagnostics };
    reading.look(expr, &BTreeSet::new());
}

struct Reading<'a> {
    may: &'a MayBeEmpty<'a>,
    place: &'a Place,
    reported: BTreeSet<String>,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Reading<'_> {
    /// Checks an expression. `filled`: fields that are known to be nonempty when it is evaluated.
    fn look(&mut self, expr: &Expr, filled: &BTreeSet<String>) {
        match expr {
            Expr::And(parts, _) | Expr::Or(parts, _) => {
                let holds = matches!(expr, Expr::And(..));
                let mut filled = filled.clone();
                for part in parts.iter() {
                    self.look(part, &filled);
                    collect_filled(part, holds, &mut filled);
                }
            }
            Expr::FnCall(call, _) if is_order(&call.name) => {
                call.args.iter().for_each(|arg| self.ordered(arg, filled, &call.name, &call.args));
            }
            Expr::FnCall(call, _) if !call.is_qualified() => {
                call.args.iter().for_each(|arg| self.look(arg, filled));
            }
            _ => {}
        }
    }

    /// Checks one side of a comparison: a field, or arithmetic with a field in it.
    fn ordered(&mut self, side: &Expr, filled: &BTreeSet<String>, sign: &str, sides: &[Expr]) {
        if let Expr::FnCall(call, _) = side
            && matches!(call.name.as_str(), "+" | "-" | "*" | "/")
        {
            return call.args.iter().for_each(|arg| self.ordered(arg, filled, sign, sides));
        }
        let Some((parts, true)) = path(side) else { return };
        let name = parts.join(".");
        if filled.contains(&name) || !(self.may)(side, &parts) || !self.reported.insert(name.clone()) {
            return;
        }
        let message = format!(
            "`{name}` may be empty; `{sign}` cannot be decided then: no case opens, or the case \
                gets stuck"
        );
        let number =
            sides.iter().any(|side| matches!(side, Expr::IntegerConstant(..) | Expr::FloatConstant(..)));
        let or = if number { format!("; or add a default: ({name} ?? 0)") } else { String::new() };
        let help = format!(
            "check it first: {name} == () || ... counts empty as true, {name} != () && ... counts it as \
                false{or}"
        );
        let length = name.chars().count();
        let found = error_at(self.place, side.start_position(), length, "may-be-empty", message, Some(help));
        self.diagnostics.push(Diagnostic { severity: Severity::Warning, ..found });
    }
}

fn is_order(name: &str) -> bool {
    matches!(name, "<" | "<=" | ">" | ">=")
}

/// Collects the fields that are nonempty if the expression has this result.
fn collect_filled(expr: &Expr, came_out: bool, filled: &mut BTreeSet<String>) {
    match expr {
        Expr::And(parts, _) if came_out => parts.iter().for_each(|part| collect_filled(part, true, filled)),
        Expr::Or(parts, _) if !came_out => parts.iter().for_each(|part| collect_filled(part, false, filled)),
        Expr::FnCall(call, _) => match (call.name.as_str(), call.args.as_slice()) {
            ("!", [of]) => collect_filled(of, !came_out, filled),
            ("==" | "!=", [left, right]) if came_out == (call.name == "!=") => {
                for (field, other) in [(left, right), (right, left)] {
                    if let (Expr::Unit(_), Some((parts, true))) = (other, path(field)) {
                        filled.insert(parts.join("."));
                    }
                }
            }
            // Equal to a nonempty value.
            ("==", [left, right]) if came_out => {
                for (field, other) in [(left, right), (right, left)] {
                    let constant = matches!(
                        other,
                        Expr::StringConstant(..) | Expr::IntegerConstant(..) | Expr::FloatConstant(..)
                    );
                    if let (true, Some((parts, true))) = (constant, path(field)) {
                        filled.insert(parts.join("."));
                    }
                }
            }
            _ => {}
        },
        _ => {}
    }
}
