//! The functions of Rhai itself, with their argument and result types. They are read from the engine, which keeps this
//! list current when a function is registered or removed.

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use rhai::{Array, ImmutableString, Map};

use super::engine::engine;
use super::shape::Shape;
use super::values::{Date, Duration, Time};

/// The result of a call.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Gives {
    /// `()`: the function changes its value in place.
    Nothing,
    Value(Shape),
}

/// One overload of a function name.
#[derive(Debug)]
struct Signature {
    /// The type of its first argument, which is the value before the dot in a method call.
    first: Shape,
    gives: Gives,
}

/// Functions by name and number of arguments.
static NATIVE: LazyLock<BTreeMap<(String, usize), Vec<Signature>>> = LazyLock::new(|| {
    let read = |info: rhai::FuncInfo<'_>| {
        let of = info.metadata;
        let first = of.param_types.first().map_or(Shape::Any, |first| shape_of(*first));
        let signature = Signature { first, gives: given(&of.return_type) };
        Some(((of.name.to_string(), of.num_params), signature))
    };
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (key, signature) in engine().collect_fn_metadata(None, read, true) {
        found.entry(key).or_default().push(signature);
    }
    // Built-in words that are not functions in the engine.
    for (word, arguments, gives) in [
        ("type_of", 1, Shape::Text),
        ("is_def_var", 1, Shape::Bool),
        ("is_shared", 1, Shape::Bool),
        ("is_def_fn", 2, Shape::Bool),
        // The parser generates this call for a closure that captures variables.
        (CAPTURE, 2, Shape::Any),
    ] {
        let signature = Signature { first: Shape::Any, gives: Gives::Value(gives) };
        found.entry((word.to_owned(), arguments)).or_default().push(signature);
    }
    found
});

/// The call that the parser generates for a closure that captures variables. No script can write it.
pub(super) const CAPTURE: &str = "curry";

/// Returns every function name that scripts can use.
pub(super) fn names<'a>() -> impl Iterator<Item = &'a str> {
    let ours = [CAPTURE, super::choice::CHOSEN, super::rewrite::COPY];
    NATIVE.keys().map(|(name, _)| name.as_str()).filter(move |name| !ours.contains(name))
}

/// Returns the accepted numbers of arguments; empty if there is no such function.
pub(super) fn takes(name: &str) -> BTreeSet<usize> {
    NATIVE.keys().filter(|(other, _)| other == name).map(|(_, count)| *count).collect()
}

/// Returns the result of a call, as far as all matching overloads agree.
pub(super) fn gives(name: &str, arguments: &[Shape]) -> Gives {
    let all = NATIVE.get(&(name.to_owned(), arguments.len()));
    let fits = |of: &&Signature| match (arguments.first(), &of.first) {
        (Some(Shape::Any) | None, _) | (_, Shape::Any) => true,
        (Some(Shape::Record(_)), first) => *first == Shape::Map,
        (Some(given), first) => given == first,
    };
    let mut fitting = all.into_iter().flatten().filter(fits).map(|of| &of.gives);
    let Some(first) = fitting.next() else { return Gives::Value(Shape::Any) };
    if fitting.all(|other| other == first) { first.clone() } else { Gives::Value(Shape::Any) }
}

/// Returns what to write instead of a function that changes in place, where a value is needed.
pub(super) fn instead(name: &str) -> String {
    let other = match name {
        "trim" => "trimmed(text)",
        "make_lower" => "lower(text)",
        "make_upper" => "upper(text)",
        "replace" => "replaced(text, \"from\", \"to\")",
        "push" => "list + [item]",
        "append" => "one + other",
        "mixin" | "fill_with" => "map + other",
        "sort" | "sort_by" => "list.order()",
        "sort_desc" => "list.order_desc()",
        "truncate" | "crop" | "chop" => "list.extract(start, length), or text.sub_string(start, length)",
        "for_each" => return "write for item in list { ... }".to_owned(),
        _ => {
            return format!(
                "in a function, change a variable first: let changed = ...; changed.{name}(...); then use \
                    `changed`"
            );
        }
    };
    format!("write {other}; it returns the changed value and keeps the old one")
}

fn shape_of(kind: TypeId) -> Shape {
    let is = |others: &[TypeId]| others.contains(&kind);
    if is(&[
        TypeId::of::<ImmutableString>(),
        TypeId::of::<&str>(),
        TypeId::of::<String>(),
        TypeId::of::<char>(),
    ]) {
        Shape::Text
    } else if is(&[TypeId::of::<i64>(), TypeId::of::<f64>(), TypeId::of::<f32>()]) {
        Shape::Number
    } else if is(&[TypeId::of::<bool>()]) {
        Shape::Bool
    } else if is(&[TypeId::of::<Array>()]) {
        Shape::List
    } else if is(&[TypeId::of::<Map>()]) {
        Shape::Map
    } else if is(&[TypeId::of::<()>()]) {
        Shape::Empty
    } else if is(&[TypeId::of::<Time>()]) {
        Shape::Time
    } else if is(&[TypeId::of::<Date>()]) {
        Shape::Date
    } else if is(&[TypeId::of::<Duration>()]) {
        Shape::Duration
    } else {
        Shape::Any
    }
}

/// Returns the type of a result from its name, which is all that the engine keeps: `RhaiResultOf<bool >`,
/// `core::result::Result<alloc::string::String, ...>`.
fn given(name: &str) -> Gives {
    let inner = match name.split_once("Result") {
        // `RhaiResult` can be any type.
        Some((_, rest)) => rest.trim_start_matches("Of").trim_start_matches('<'),
        None => name,
    };
    if inner.contains("Vec<") {
        return Gives::Value(Shape::List);
    }
    let inner = inner.split([',', '>', '<']).next().unwrap_or_default().trim();
    let word = inner.rsplit("::").next().unwrap_or(inner);
    Gives::Value(match word {
        "()" => return Gives::Nothing,
        "bool" => Shape::Bool,
        "INT" | "FLOAT" | "i64" | "f64" | "f32" | "usize" => Shape::Number,
        "ImmutableString" | "String" | "string" | "&str" | "str" | "char" => Shape::Text,
        "Array" | "array" => Shape::List,
        "Map" | "map" => Shape::Map,
        "Time" | "time" => Shape::Time,
        "Date" | "date" => Shape::Date,
        "Duration" | "duration" => Shape::Duration,
        _ => Shape::Any,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_that_mutate_return_nothing() {
        let text = || vec![Shape::Text];
        let none = [
            ("trim", text()),
            ("make_lower", text()),
            ("make_upper", text()),
            ("clear", text()),
            ("push", vec![Shape::List, Shape::Any]),
            ("append", vec![Shape::Any, Shape::Any]),
            ("insert", vec![Shape::List, Shape::Number, Shape::Any]),
            ("set", vec![Shape::Map, Shape::Text, Shape::Any]),
            ("replace", vec![Shape::Any, Shape::Any, Shape::Any]),
            ("sort", vec![Shape::List]),
            ("reverse", vec![Shape::Any]),
            ("truncate", vec![Shape::Any, Shape::Number]),
            ("crop", vec![Shape::Text, Shape::Number]),
            ("dedup", vec![Shape::List]),
            ("mixin", vec![Shape::Map, Shape::Map]),
        ];
        for (name, arguments) in none {
            assert_eq!(gives(name, &arguments), Gives::Nothing, "{name}");
        }
    }

    #[test]
    fn functions_declare_their_return_type() {
        let some = [
            ("trimmed", vec![Shape::Text], Shape::Text),
            ("replaced", vec![Shape::Text, Shape::Text, Shape::Text], Shape::Text),
            ("len", vec![Shape::List], Shape::Number),
            ("starts_with", vec![Shape::Text, Shape::Text], Shape::Bool),
            ("domain", vec![Shape::Text], Shape::Any),
            ("date", vec![Shape::Time], Shape::Date),
            ("time", vec![Shape::Text], Shape::Time),
            ("days", vec![Shape::Number], Shape::Duration),
            // Several overloads, of which not all have a known result type.
            ("filter", vec![Shape::List, Shape::Any], Shape::Any),
            ("filter", vec![Shape::Any, Shape::Any], Shape::Any),
            ("pop", vec![Shape::Any], Shape::Any),
        ];
        for (name, arguments, expected) in some {
            assert_eq!(gives(name, &arguments), Gives::Value(expected), "{name}");
        }
    }
}
