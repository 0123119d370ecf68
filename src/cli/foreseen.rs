//! What the past says of a revision, as people read it.

use serde_json::Value;

use super::output;

/// The columns of an export.
pub const HEAD: [&str; 9] =
    ["policy", "subject", "name", "opened_at", "opened_by", "before", "after", "did_before", "did_after"];

pub fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

/// A person as commands take them: `user/17`, with the identity provider before it where the answer names one.
pub fn reference(subject: &Value) -> String {
    let parts = ["source", "type", "id"].map(|key| text(subject, key));
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
}

/// With a comma between thousands.
pub fn number(value: &Value) -> String {
    let digits = value.as_u64().unwrap_or(0).to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// What was looked at.
pub fn span(span: &Value) -> Option<String> {
    let day = |key: &str| text(span, key).chars().take(16).collect::<String>().replace('T', " ");
    let cut = if span["cut"] == Value::Bool(true) { "; older ones were left out" } else { "" };
    span.is_object().then(|| {
        format!(
            "{} events and {} cases of {} people, {} to {}{cut}",
            number(&span["events"]),
            number(&span["cases"]),
            number(&span["people"]),
            day("from"),
            day("to"),
        )
    })
}

/// Effects, what is to come, and who.
pub fn show(past: &Value, people: usize) {
    if !past.is_object() {
        return;
    }
    output::line("");
    if past["silent"] == Value::Bool(true) {
        output::line("  The record has nothing that it looks at: what it would have done is not known.");
        sweeps(past);
        return;
    }
    output::line("  In the recorded past, with what runs and with the edit:");
    let both = |value: &Value| (range(&value["before"]), range(&value["after"]));
    let mut rows = vec![row_of("cases", &both(&past["cases"]), "")];
    for effect in past["effects"].as_array().into_iter().flatten() {
        let newly = match range(&effect["newly"]).as_str() {
            "0" => String::new(),
            newly => format!("{newly} people newly"),
        };
        rows.push(row_of(&text(effect, "what"), &both(effect), &newly));
    }
    rows.push(row_of("paid verifications", &both(&past["verifications"]), ""));
    aligned(&rows);
    coming(past);
    for (key, what) in [
        ("unknown", "cases of which the past does not say how they would go on"),
        ("undecided", "openings that the edit could not decide"),
        ("endless", "people whose cases would not come to rest"),
    ] {
        if let Some(count) = past[key].as_u64().filter(|count| *count > 0) {
            output::line(&format!("  {count} {what}"));
        }
    }
    sweeps(past);
    if let Some(because) = past["undecided_because"].as_str() {
        output::line(&format!("    such as: {}", output::visible(because)));
    }
    who(past, people);
    for other in past["heard_by"].as_array().into_iter().flatten() {
        output::line("");
        output::line(&format!(
            "  {} hears of its verifications, and would do otherwise too.",
            text(other, "policy")
        ));
        show(other, people);
    }
}

fn sweeps(past: &Value) {
    for sweep in past["sweeps"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        output::line(&format!("  It {}", output::visible(sweep)));
    }
}

fn coming(past: &Value) {
    let lines: Vec<&Value> = past["coming"].as_array().into_iter().flatten().collect();
    if lines.is_empty() {
        output::line("  The record is shorter than a day: what is to come cannot be said from it.");
        return;
    }
    let mut rows = Vec::new();
    for line in lines.iter().filter(|line| line["before"] != line["after"]) {
        let (before, after) = (range(&line["before"]), range(&line["after"]));
        let days = line["days"].as_u64().unwrap_or(0);
        let days = if days == 1 { "in a day".to_owned() } else { format!("in {days} days") };
        rows.push(vec![days, text(line, "what").replace('_', " "), before, "->".to_owned(), after]);
    }
    let swept = past["sweeps"].as_array().is_some_and(|sweeps| !sweeps.is_empty());
    if swept {
        output::line("  To come: not known, as far as it comes of a sweep that picks others; without them:");
    }
    if rows.is_empty() {
        output::line("  To come: as much as with what runs.");
    } else {
        output::line("  To come, if the times are as quiet or as busy as they were:");
        aligned(&rows);
    }
    let told = |days: u64| past["coming"].as_array().into_iter().flatten().any(|line| line["days"] == days);
    let untold: Vec<_> = [7, 30].iter().filter(|days| !told(**days)).map(ToString::to_string).collect();
    if !untold.is_empty() {
        output::line(&format!("    The record is too short to say it for {} days.", untold.join(" and ")));
    }
}

fn who(past: &Value, people: usize) {
    let different = past["different"].as_u64().unwrap_or(0);
    if different == 0 {
        output::line("  Nobody's case would have ended otherwise.");
        return;
    }
    output::line(&format!("  {different} cases would have ended otherwise:"));
    let items: Vec<&Value> = past["items"].as_array().into_iter().flatten().collect();
    let rows: Vec<Vec<String>> = items
        .iter()
        .take(people)
        .map(|item| {
            let row = row("", item);
            let opened: String = text(item, "opened_at").chars().take(16).collect();
            let cell = |place: usize| row.get(place).map(|cell| output::visible(cell)).unwrap_or_default();
            let opened = opened.replace('T', " ");
            vec![cell(1), cell(2), opened, cell(5), "->".to_owned(), cell(6), otherwise(item)]
        })
        .collect();
    aligned(&rows);
    let shown = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    if different > shown {
        let listed = u64::try_from(items.len()).unwrap_or(u64::MAX);
        let all = if listed < different { format!("the newest {listed}") } else { "them all".to_owned() };
        output::line(&format!("    and {} more; proofd plan --export FILE writes {all}", different - shown));
    }
}

/// Effects that only one of the two has.
fn otherwise(item: &Value) -> String {
    let did = |side: &str| {
        let deeds = item[side]["did"].as_array().into_iter().flatten();
        deeds.map(|deed| text(deed, "what")).collect::<Vec<_>>()
    };
    let (before, after) = (did("before"), did("after"));
    let only = |these: &[String], others: &[String], sign: &str| {
        let only = these.iter().filter(|what| !others.contains(what));
        only.map(|what| format!("{sign}{what}")).collect::<Vec<_>>()
    };
    [only(&after, &before, "+"), only(&before, &after, "-")].concat().join(" ")
}

fn row_of(what: &str, (before, after): &(String, String), more: &str) -> Vec<String> {
    vec![what.replace('_', " "), before.clone(), "->".to_owned(), after.clone(), more.to_owned()]
}

/// A number, or the least and the most.
fn range(value: &Value) -> String {
    match (&value["least"], &value["most"]) {
        (Value::Number(least), Value::Number(most)) if least == most => number(&value["least"]),
        (Value::Number(_), Value::Number(_)) => {
            format!("{} to {}", number(&value["least"]), number(&value["most"]))
        }
        _ => number(value),
    }
}

fn aligned(rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        output::line(format!("    {}", cells.join("  ")).trim_end());
    }
}

/// One person of the list: the columns of `HEAD`.
pub fn row(policy: &str, item: &Value) -> Vec<String> {
    let either = |key: &str| {
        let of = |side: &str| item[side][key].as_str().map(str::to_owned);
        of("after").or_else(|| of("before")).unwrap_or_default()
    };
    let did = |side: &str| {
        let words = item[side]["did"].as_array().into_iter().flatten().map(|deed| text(deed, "what"));
        words.collect::<Vec<_>>().join(", ")
    };
    vec![
        policy.to_owned(),
        reference(&item["subject"]),
        output::short_name(&text(item, "name")),
        text(item, "opened_at"),
        either("opened_by"),
        end(&item["before"]),
        end(&item["after"]),
        did("before"),
        did("after"),
    ]
}

fn end(fate: &Value) -> String {
    match fate["end"].as_str() {
        Some("closed") => text(fate, "result"),
        Some("in_grace") => format!("{}, in grace", text(fate, "result")),
        Some("open") => format!("{} at {}", text(fate, "state").replace('_', " "), text(fate, "step")),
        Some("unknown") => format!("not known after {}: {}", text(fate, "step"), text(fate, "because")),
        _ => "no case".to_owned(),
    }
}

/// One line of a CSV file (RFC 4180). A cell that a spreadsheet would take for a formula is made a text.
pub fn csv(row: &[String]) -> String {
    let cell = |cell: &String| {
        let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let safe = if formula { format!("'{cell}") } else { cell.clone() };
        format!("\"{}\"", safe.replace('"', "\"\""))
    };
    format!("{}\r\n", row.iter().map(cell).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{csv, number};

    #[test]
    fn cells_are_quoted_and_no_formula_is_left() {
        let check = |cells: &[&str], line: &str| {
            let row: Vec<String> = cells.iter().map(|cell| (*cell).to_owned()).collect();
            assert_eq!(csv(&row), format!("{line}\r\n"));
        };
        check(&["a", "b c"], r#""a","b c""#);
        check(&["say \"hi\"", "x,y"], r#""say ""hi""","x,y""#);
        check(&["=cmd()", "-1"], r#""'=cmd()","'-1""#);
    }

    #[test]
    fn thousands_are_told_apart() {
        for (given, shown) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(&json!(given)), shown);
        }
    }
}
