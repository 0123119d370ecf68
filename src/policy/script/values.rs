//! Times, dates and durations in scripts, and comparisons that refuse incomparable values. Rhai itself returns `false`
//! for them, which would treat a missing score as a low one.

use std::cmp::Ordering;

use chrono::{NaiveDate, TimeDelta};
use rhai::{Dynamic, Engine, EvalAltResult, ImmutableString, Position};

use crate::model::{Span, Timestamp};

type Answer<T> = Result<T, Box<EvalAltResult>>;

/// An instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Time(pub Timestamp);

/// A calendar day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Date(pub NaiveDate);

/// A length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Duration(pub TimeDelta);

/// An error of proofd itself, distinct from a script's own `throw`, whose value may be personal data.
#[derive(Debug, Clone)]
pub(super) struct Raised(pub String);

pub(super) fn raise<T>(message: impl Into<String>) -> Answer<T> {
    Err(EvalAltResult::ErrorRuntime(Dynamic::from(Raised(message.into())), Position::NONE).into())
}

pub(super) fn type_word(value: &Dynamic) -> &'static str {
    if value.is_fnptr() {
        "a closure"
    } else if value.is_unit() {
        "empty"
    } else if value.is_string() || value.is_char() {
        "text"
    } else if value.is_int() || value.is_float() {
        "a number"
    } else if value.is_bool() {
        "true/false"
    } else if value.is_array() {
        "a list"
    } else if value.is_map() {
        "a map"
    } else if value.is::<Time>() {
        "a time"
    } else if value.is::<Date>() {
        "a date"
    } else if value.is::<Duration>() {
        "a duration"
    } else {
        "something else"
    }
}

const NO_NUMBER: &str = "the result of a calculation is not a number (such as 0.0 / 0.0) and cannot be \
    compared";

/// Returns the order of two values of one type; none if the type has no order.
fn order(a: &Dynamic, b: &Dynamic) -> Option<Ordering> {
    fn same<T: Clone + Ord + Send + Sync + 'static>(a: &Dynamic, b: &Dynamic) -> Option<Ordering> {
        Some(a.clone().try_cast::<T>()?.cmp(&b.clone().try_cast::<T>()?))
    }
    if let (Ok(a), Ok(b)) = (a.as_int(), b.as_int()) {
        return Some(a.cmp(&b));
    }
    if let (Some(a), Some(b)) = (number(a), number(b)) {
        return a.partial_cmp(&b);
    }
    if let (Some(a), Some(b)) = (text(a), text(b)) {
        return Some(a.cmp(&b));
    }
    same::<Time>(a, b).or_else(|| same::<Date>(a, b)).or_else(|| same::<Duration>(a, b))
}

#[expect(clippy::cast_precision_loss, reason = "a whole number compared with a fraction; both are small")]
fn number(value: &Dynamic) -> Option<f64> {
    value.as_float().or_else(|_| value.as_int().map(|n| n as f64)).ok()
}

fn text(value: &Dynamic) -> Option<String> {
    match value.as_char() {
        Ok(c) => Some(c.to_string()),
        Err(_) => value.clone().into_string().ok(),
    }
}

fn equal(a: &Dynamic, b: &Dynamic) -> Answer<bool> {
    // A variable that a closure captures is shared.
    let (a, b) = (&a.flatten_clone(), &b.flatten_clone());
    if a.is_unit() || b.is_unit() {
        return Ok(a.is_unit() && b.is_unit());
    }
    if let (Ok(a), Ok(b)) = (a.as_bool(), b.as_bool()) {
        return Ok(a == b);
    }
    if let (Some(a), Some(b)) = (number(a), number(b)) {
        return match a.partial_cmp(&b) {
            Some(order) => Ok(order == Ordering::Equal),
            None => raise(NO_NUMBER),
        };
    }
    match order(a, b) {
        Some(order) => Ok(order == Ordering::Equal),
        None => raise(format!(
            "{} and {} cannot be compared; compare values of one type",
            type_word(a),
            type_word(b)
        )),
    }
}

fn ordered(a: &Dynamic, b: &Dynamic) -> Answer<Ordering> {
    let (a, b) = (&a.flatten_clone(), &b.flatten_clone());
    if a.is_unit() || b.is_unit() {
        let side = if a.is_unit() { "left" } else { "right" };
        return raise(format!("the value on the {side} is empty; test it with == () or use ??"));
    }
    if number(a).is_some() && number(b).is_some() && order(a, b).is_none() {
        return raise(NO_NUMBER);
    }
    order(a, b).map_or_else(
        || raise(format!("{} and {} have no order; compare values of one type", type_word(a), type_word(b))),
        Ok,
    )
}

/// Registers the comparisons. Rhai may handle operands of one of its own types without them.
pub(super) fn register_comparisons(engine: &mut Engine) {
    engine.register_fn("==", |a: Dynamic, b: Dynamic| equal(&a, &b));
    engine.register_fn("!=", |a: Dynamic, b: Dynamic| equal(&a, &b).map(|equal| !equal));
    engine.register_fn("<", |a: Dynamic, b: Dynamic| ordered(&a, &b).map(Ordering::is_lt));
    engine.register_fn("<=", |a: Dynamic, b: Dynamic| ordered(&a, &b).map(Ordering::is_le));
    engine.register_fn(">", |a: Dynamic, b: Dynamic| ordered(&a, &b).map(Ordering::is_gt));
    engine.register_fn(">=", |a: Dynamic, b: Dynamic| ordered(&a, &b).map(Ordering::is_ge));
    engine.register_fn("contains", |_list: (), _item: Dynamic| {
        raise::<bool>("the list is empty; test it with == () or use ?? []")
    });
}

fn seconds(count: i64, of: i64) -> Answer<Duration> {
    match count.checked_mul(of).and_then(TimeDelta::try_seconds) {
        Some(delta) => Ok(Duration(delta)),
        None => raise("the duration is too long"),
    }
}

fn shifted(time: Time, by: TimeDelta) -> Answer<Time> {
    time.0.checked_add_signed(by).map_or_else(|| raise("the time is out of range"), |time| Ok(Time(time)))
}

fn shifted_date(date: Date, by: TimeDelta) -> Answer<Date> {
    if by.num_seconds() % 86_400 != 0 {
        return raise("a date can only move by whole days");
    }
    date.0.checked_add_signed(by).map_or_else(|| raise("the date is out of range"), |date| Ok(Date(date)))
}

/// Registers the types and their arithmetic.
pub(super) fn register_times(engine: &mut Engine) {
    engine.register_type_with_name::<Time>("time").register_type_with_name::<Date>("date");
    engine.register_type_with_name::<Duration>("duration").register_type_with_name::<Raised>("error");
    for (unit, length) in
        [("seconds", 1), ("minutes", 60), ("hours", 3_600), ("days", 86_400), ("weeks", 604_800)]
    {
        engine.register_fn(unit, move |count: i64| seconds(count, length));
    }
    engine.register_fn("duration", |text: ImmutableString| {
        match text.parse::<Span>().ok().and_then(Span::elapsed) {
            Some(delta) => Ok(Duration(delta)),
            None => raise("duration() needs a number with a unit, such as \"30m\", \"12h\" or \"14d\""),
        }
    });
    engine.register_fn("time", |text: ImmutableString| match text.parse::<Timestamp>() {
        Ok(time) => Ok(Time(time)),
        Err(_) => raise("time() needs a text such as \"2026-01-05T09:00:00Z\""),
    });
    engine.register_fn("date", |text: ImmutableString| match text.parse::<NaiveDate>() {
        Ok(date) => Ok(Date(date)),
        Err(_) => raise("date() needs a text such as \"2026-01-05\""),
    });
    engine.register_fn("date", |time: Time| Date(time.0.date_naive()));
    engine.register_fn("-", |a: Time, b: Time| Duration(a.0 - b.0));
    engine.register_fn("-", |a: Date, b: Date| Duration(a.0 - b.0));
    engine.register_fn("-", |a: Time, b: Duration| shifted(a, -b.0));
    engine.register_fn("+", |a: Time, b: Duration| shifted(a, b.0));
    engine.register_fn("-", |a: Date, b: Duration| shifted_date(a, -b.0));
    engine.register_fn("+", |a: Date, b: Duration| shifted_date(a, b.0));
    for (op, sign) in [("+", 1), ("-", -1)] {
        engine.register_fn(op, move |a: Duration, b: Duration| match a.0.checked_add(&(b.0 * sign)) {
            Some(sum) => Ok(Duration(sum)),
            None => raise("the duration is too long"),
        });
    }
    engine.register_fn("-", |_a: Dynamic, _b: Time| {
        raise::<Dynamic>("only a time can be subtracted from a time")
    });
    engine.register_fn("-", |_a: Time, _b: ()| {
        raise::<Dynamic>("the time on the right is empty; test it with == () or use ??")
    });
}

pub(super) fn written(time: &Time) -> String {
    time.0.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
