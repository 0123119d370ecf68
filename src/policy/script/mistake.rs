//! Translates errors of the engine. Almost any message of the engine can contain values of fields, so none is passed
//! on; only names from the source are.

use rhai::{EvalAltResult, Position};

use super::values::Raised;

/// A translated error of the engine.
#[derive(Debug)]
pub(super) struct Mistake {
    pub message: String,
    pub position: Position,
}

impl Mistake {
    pub fn of(error: &EvalAltResult) -> Self {
        use EvalAltResult as E;
        if let E::ErrorInFunctionCall(function, _, inner, position) = error {
            let inner = Self::of(inner);
            let at = if inner.position.is_none() {
                String::new()
            } else {
                format!(" at line {} of its file", inner.position.line().unwrap_or(0))
            };
            let inside = if function.starts_with("anon$") { "a closure" } else { function };
            return Self { message: format!("{} (in {inside}{at})", inner.message), position: *position };
        }
        let message = match error {
            E::ErrorRuntime(value, _) => match value.clone().try_cast::<Raised>() {
                Some(Raised(message)) => message,
                None => "the script stopped with `throw`".to_owned(),
            },
            E::ErrorPropertyNotFound(..) => {
                "a key is not in the map; check with `in` first, or use an index with ??".to_owned()
            }
            E::ErrorDotExpr(..) | E::ErrorIndexingType(..) => {
                "the value has no fields, perhaps because it is empty; test it with == () or use ?."
                    .to_owned()
            }
            E::ErrorFunctionNotFound(signature, _) => no_function(signature),
            E::ErrorMismatchDataType(wanted, got, _) | E::ErrorMismatchOutputType(wanted, got, _) => {
                let (wanted, got) = (type_name(wanted), type_name(got));
                let empty = if got == "empty" { "; test it with == () or use ??" } else { "" };
                format!("{wanted} is needed here, but the value is {got}{empty}")
            }
            E::ErrorArithmetic(cause, _) => arithmetic(cause).to_owned(),
            E::ErrorArrayBounds(0, ..) => "the list is empty; check its `len` first".to_owned(),
            E::ErrorArrayBounds(..) => "the list has no item at this index; check its `len` first".to_owned(),
            E::ErrorStringBounds(..) => {
                "the text has no character at this index; check its `len` first".to_owned()
            }
            E::ErrorBitFieldBounds(..) => "a number has no such bit".to_owned(),
            E::ErrorIndexNotFound(..) => "there is no item at this index".to_owned(),
            E::ErrorTooManyOperations(_) => {
                "the script needs too many operations; loop over fewer items".to_owned()
            }
            E::ErrorTerminated(..) => "the script takes too long".to_owned(),
            E::ErrorStackOverflow(_) => "the script calls functions too deeply".to_owned(),
            E::ErrorDataTooLarge(what, _) => too_large(what).to_owned(),
            E::ErrorTooManyVariables(_) => "the script has too many variables".to_owned(),
            E::ErrorFor(_) => {
                "`for` needs a list, a range or the keys of a map; add ?? [] if the value may be empty"
                    .to_owned()
            }
            E::ErrorDataRace(..) => {
                "a closure uses the list that it is called on; copy the list to another variable first"
                    .to_owned()
            }
            E::ErrorUnboundThis(_) => "`this` has no value here; pass it as an argument".to_owned(),
            E::ErrorAssignmentToConstant(name, _) => format!("`{name}` is a constant and cannot be changed"),
            E::ErrorVariableNotFound(name, _) => format!("unknown name `{name}`"),
            E::ErrorModuleNotFound(name, _) => format!("there is no script file `{name}.rhai`"),
            E::ErrorInModule(_, inner, _) => return Self::of(inner),
            _ => "it cannot be evaluated".to_owned(),
        };
        Self { message, position: error.position() }
    }
}

fn type_name(name: &str) -> &str {
    match name {
        "()" => "empty",
        "bool" => "true/false",
        "string" | "&str" | "char" => "text",
        "i64" | "f64" => "a number",
        "array" => "a list",
        "map" => "a map",
        "time" => "a time",
        "date" => "a date",
        "duration" => "a duration",
        _ => "something else",
    }
}

/// Explains `max (i64, string)`: no function of this name takes these types. Other messages have no types.
fn no_function(signature: &str) -> String {
    let Some((name, types)) = signature.split_once(" (") else {
        return if signature.contains("sorted") {
            "a list with values of several types cannot be sorted".to_owned()
        } else {
            format!("unknown function `{}`", signature.split_whitespace().next().unwrap_or_default())
        };
    };
    let types = types.strip_suffix(')').unwrap_or(types).split(", ");
    let words: Vec<_> =
        types.filter(|of| !of.is_empty()).map(|of| type_name(of.split(" | ").next().unwrap_or(of))).collect();
    let name = name.trim();
    if words.is_empty() {
        return format!("`{name}` needs an argument");
    }
    let empty = words.contains(&"empty");
    let help = if empty { "; test it with == () or use ??" } else { "" };
    format!("`{name}` does not work on {}{help}", words.join(" and "))
}

/// Explains the engine's arithmetic errors: calculations, and texts that are parsed as numbers.
fn arithmetic(cause: &str) -> &'static str {
    if cause.starts_with("Error taking") || cause.starts_with("Sign of NaN") {
        "this number has no root, logarithm or sign"
    } else if cause.starts_with("Error parsing") || cause.starts_with("Invalid radix") {
        "this text is not a number; check it first, or add a default"
    } else if cause.contains("negative") && cause.contains("power") {
        "a whole number cannot be raised to a negative power; write 2.0 ** -1"
    } else if cause.starts_with("Division by zero") {
        "the calculation divides by zero"
    } else if cause.starts_with("Modulo") {
        "the calculation divides by zero (%)"
    } else {
        "the calculation gives a number that is too large"
    }
}

fn too_large(what: &str) -> &'static str {
    if what.contains("string") {
        "the script creates a text that is too long"
    } else if what.contains("array") {
        "the script creates a list that is too long"
    } else if what.contains("map") {
        "the script creates a map with too many keys"
    } else {
        "the script uses too much memory"
    }
}
