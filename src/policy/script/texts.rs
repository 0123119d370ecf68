//! Text functions that return a new text, where Rhai's own change the old one or can grow without bound. Also detects
//! an empty value in a text, which is an error.

use std::cell::Cell;

use rhai::{Array, Dynamic, Engine, FnPtr, ImmutableString, Map};

use super::values::{Date, Duration, Time, raise, written};

thread_local! {
    /// The kind of value without a text form that an evaluation put into a text. The engine cannot return an error at
    /// that point; it checks this value to decide whether to continue.
    static HOLE: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// Returns and clears the kind of value without a text form, if one was put into a text.
pub(super) fn hole() -> Option<&'static str> {
    HOLE.take()
}

/// Reports whether such a value was put into a text.
pub(super) fn is_holed() -> bool {
    HOLE.get().is_some()
}

fn no_text(what: &'static str) -> ImmutableString {
    HOLE.set(Some(what));
    ImmutableString::new()
}

/// Registers the text forms of values, for `${...}` between backticks and after `+`.
pub(super) fn register_written(engine: &mut Engine) {
    for name in ["to_string", "to_debug"] {
        engine.register_fn(name, |time: &mut Time| written(time));
        engine.register_fn(name, |date: &mut Date| date.0.to_string());
        engine.register_fn(name, |duration: &mut Duration| format!("{}s", duration.0.num_seconds()));
    }
    engine.register_fn("to_string", |(): ()| no_text("an empty value"));
    engine.register_fn("to_string", |_: &mut Array| no_text("a list"));
    engine.register_fn("to_string", |_: &mut Map| no_text("a map"));
    engine.register_fn("to_string", |_: &mut FnPtr| no_text("a closure"));
    engine.register_fn("+", |_: ImmutableString, (): ()| {
        raise::<Dynamic>("the value on the right of `+` is empty; test it with == () or use ??")
    });
    engine.register_fn("+", |(): (), _: ImmutableString| {
        raise::<Dynamic>("the value on the left of `+` is empty; test it with == () or use ??")
    });
    engine.register_fn("+=", |_: &mut ImmutableString, (): ()| {
        raise::<()>("the value on the right of `+=` is empty; test it with == () or use ??")
    });
}

/// Registers the text functions.
pub(super) fn register_texts(engine: &mut Engine, longest: usize) {
    engine.register_fn("lower", |text: ImmutableString| text.to_lowercase());
    engine.register_fn("upper", |text: ImmutableString| text.to_uppercase());
    engine.register_fn("trimmed", |text: ImmutableString| text.trim().to_owned());
    engine.register_fn("domain", |mail: ImmutableString| {
        mail.rsplit_once('@').map_or(Dynamic::UNIT, |(_, domain)| domain.to_lowercase().into())
    });
    let replaced = move |text: &str, from: &str, to: &str| {
        let hits = if from.is_empty() { text.len() + 1 } else { text.matches(from).count() };
        if hits.saturating_mul(to.len()).saturating_add(text.len()) > longest {
            return raise::<String>("the replaced text would be too long");
        }
        Ok(text.replace(from, to))
    };
    engine
        .register_fn("replaced", move |text: ImmutableString, from: ImmutableString, to: ImmutableString| {
            replaced(&text, &from, &to)
        });
    engine.register_fn(
        "replace",
        move |text: &mut ImmutableString, from: ImmutableString, to: ImmutableString| {
            *text = replaced(text, &from, &to)?.into();
            Ok::<_, Box<rhai::EvalAltResult>>(())
        },
    );
    engine.register_fn("replace", |_: &mut ImmutableString, _: char, _: ImmutableString| {
        raise::<()>("replace() needs texts in double quotes")
    });
    engine.register_fn("replace", |_: &mut ImmutableString, _: ImmutableString, _: char| {
        raise::<()>("replace() needs texts in double quotes")
    });
    // On a list it returns the removed items; on a text Rhai's own returns nothing.
    engine.register_fn("remove", |text: &mut ImmutableString, part: ImmutableString| {
        *text = text.replace(part.as_str(), "").into();
        text.clone()
    });
    // In Rhai, a minus between texts removes one from the other, which a calculation never intends.
    engine.register_fn("-", |_: ImmutableString, _: ImmutableString| {
        raise::<Dynamic>("texts cannot be subtracted; convert them with parse_int()")
    });
    engine
        .register_fn("pad", |_: &mut rhai::Array, _: i64, _: Dynamic| raise::<()>("pad() is not available"));
    engine
        .register_fn("pad", |_: &mut ImmutableString, _: i64, _: char| raise::<()>("pad() is not available"));
    engine.register_fn("pad", |_: &mut ImmutableString, _: i64, _: ImmutableString| {
        raise::<()>("pad() is not available")
    });
}

/// Registers division of fractions, which fails on zero; Rhai would continue with infinity or NaN.
#[expect(clippy::cast_precision_loss, reason = "a whole number among fractions; both are small")]
pub(super) fn register_division(engine: &mut Engine) {
    fn by(divisor: f64) -> Result<f64, Box<rhai::EvalAltResult>> {
        if divisor == 0.0 { raise("the calculation divides by zero") } else { Ok(divisor) }
    }
    engine.register_fn("/", |a: f64, b: f64| by(b).map(|b| a / b));
    engine.register_fn("/", |a: i64, b: f64| by(b).map(|b| a as f64 / b));
    engine.register_fn("/", |a: f64, b: i64| by(b as f64).map(|b| a / b));
    engine.register_fn("%", |a: f64, b: f64| by(b).map(|b| a % b));
    engine.register_fn("%", |a: i64, b: f64| by(b).map(|b| a as f64 % b));
    engine.register_fn("%", |a: f64, b: i64| by(b as f64).map(|b| a % b));
    engine.register_fn("set", |list: &mut Array, at: i64, value: Dynamic| {
        let length = i64::try_from(list.len()).unwrap_or(i64::MAX);
        let at = usize::try_from(if at < 0 { at + length } else { at }).ok();
        match at.and_then(|at| list.get_mut(at)) {
            Some(item) => {
                *item = value;
                Ok(())
            }
            None => raise("the list has no item at this index"),
        }
    });
}
