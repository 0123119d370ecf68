//! The templates in `templates/`, compiled once. Values are escaped; only macros and filters of this file write HTML.

use std::sync::LazyLock;

use include_dir::{Dir, include_dir};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, Value};
use minijinja::{Environment, Error, ErrorKind, HtmlEscape, State, UndefinedBehavior};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::model::Timestamp;

use super::{assets, words};

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/console/templates");

static TEMPLATES: LazyLock<Result<Environment<'static>, String>> = LazyLock::new(compile);

fn compile() -> Result<Environment<'static>, String> {
    let mut all = Environment::new();
    all.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    all.set_syntax(syntax.map_err(|error| error.to_string())?);
    for file in FILES.files() {
        let name = file.path().to_str().ok_or("a template's name is not UTF-8")?;
        let text = file.contents_utf8().ok_or("a template is not UTF-8")?;
        all.add_template(name, text).map_err(|error| format!("{error:#}"))?;
    }
    all.add_function("asset", |name: &str| {
        assets::address(name)
            .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, format!("no asset {name}")))
    });
    all.add_filter("when", when);
    all.add_filter("clock", clock);
    all.add_filter("short", |id: &str| words::short(id));
    all.add_filter("plain", |word: &str| words::plain(word));
    all.add_filter("capital", |text: &str| words::capital(text));
    all.add_filter("untimed", |text: &str| words::untimed(text));
    all.add_filter("id", id);
    // For a part of a path or a value of a query.
    all.add_filter("urlencode", |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string());
    Ok(all)
}

/// Checks that every template compiles.
pub fn check() -> Result<(), String> {
    TEMPLATES.as_ref().map(|_| ()).map_err(Clone::clone)
}

/// Renders a template with `page` (the frame's) and `view` (the page's own).
pub fn render(name: &str, page: &impl Serialize, view: &impl Serialize) -> Result<String, String> {
    let all = TEMPLATES.as_ref().map_err(Clone::clone)?;
    let template = all.get_template(name).map_err(|error| format!("{error:#}"))?;
    let page = Value::from(Serde(page));
    let view = Value::from(Serde(view));
    template.render(minijinja::context! { page, view }).map_err(|error| format!("{error:#}"))
}

/// The times of a visit, from `page`.
fn times(state: &State<'_, '_>, text: &str) -> Result<(Timestamp, Timestamp, chrono_tz::Tz), Error> {
    let wrong = |what: &str| Error::new(ErrorKind::InvalidOperation, format!("not a time: {what}"));
    let page = state.lookup("page").ok_or_else(|| wrong("no page"))?;
    let now = page.get_attr("now")?;
    let zone = page.get_attr("zone")?;
    let now = now.as_str().and_then(|now| now.parse().ok()).ok_or_else(|| wrong("now"))?;
    let zone = zone.as_str().and_then(|zone| zone.parse().ok()).unwrap_or(chrono_tz::Tz::UTC);
    Ok((text.parse().map_err(|_| wrong(text))?, now, zone))
}

/// `{{ time|when }}`: the distance, with the wall time beside it (`beside=false`: in the title only).
fn when(state: &State<'_, '_>, time: Value, options: Kwargs) -> Result<Value, Error> {
    let beside = options.get::<Option<bool>>("beside")?.unwrap_or(true);
    options.assert_all_used()?;
    let Some(text) = time.as_str() else { return Ok(Value::from_safe_string("–".to_owned())) };
    let (at, now, zone) = times(state, text)?;
    let (full, near) = (words::full(at, zone), words::relative(at, now));
    let local =
        if beside { format!(" <small>{}</small>", words::local(at, now, zone)) } else { String::new() };
    Ok(Value::from_safe_string(format!(
        "<time datetime=\"{}\" title=\"{full}\">{near}{local}</time>",
        at.to_rfc3339()
    )))
}

/// `{{ time|clock }}`: the wall time, with the rest in the title.
fn clock(state: &State<'_, '_>, time: Value) -> Result<Value, Error> {
    let Some(text) = time.as_str() else { return Ok(Value::from_safe_string("–".to_owned())) };
    let (at, now, zone) = times(state, text)?;
    let (full, local) = (words::full(at, zone), words::local(at, now, zone));
    Ok(Value::from_safe_string(format!(
        "<time datetime=\"{}\" title=\"{full}\">{local}</time>",
        at.to_rfc3339()
    )))
}

/// `{{ case.id|id }}`: a short id with the whole one in its title.
fn id(text: &str) -> Value {
    let (whole, short) = (HtmlEscape(text).to_string(), words::short(text));
    Value::from_safe_string(format!("<span class=\"id\" title=\"{whole}\">{}</span>", HtmlEscape(&short)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_compiles() {
        assert_eq!(check(), Ok(()));
    }
}
