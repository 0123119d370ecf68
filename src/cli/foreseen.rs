//! Prints the back-test of a revision.

use chrono::SecondsFormat;

use super::{output, when};
use crate::api::past::{Coming, Differs, PastCase, PolicyPast, Range};
use crate::api::plan::PastSpan;
use crate::model::Timestamp;

/// The columns of the CSV export.
pub const HEAD: [&str; 9] =
    ["policy", "subject", "name", "opened_at", "opened_by", "before", "after", "did_before", "did_after"];

/// A number with a comma between thousands.
pub fn number(value: usize) -> String {
    let digits = value.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// The recorded data that a back-test covers.
pub fn span(span: &PastSpan) -> String {
    let cut = if span.cut { "; older records are not included" } else { "" };
    format!(
        "{} events and {} cases of {} people, {} to {}{cut}",
        number(span.events),
        number(span.cases),
        number(span.people),
        minute(span.from),
        minute(span.to),
    )
}

fn minute(at: Timestamp) -> String {
    when::moment(at)
}

/// Prints the effects, the forecast and the affected people.
pub fn show(past: &PolicyPast, people: usize) {
    output::line("");
    if past.silent {
        output::line("  Back-test: no recorded event concerns this policy; its effects are unknown.");
        sweeps(past);
        return;
    }
    output::line("  Back-test, active revision -> edit:");
    let mut rows = vec![row_of("cases", number(past.cases.before), number(past.cases.after), "")];
    for effect in &past.effects {
        let newly = match range(effect.newly).as_str() {
            "0" => String::new(),
            newly => format!("{newly} additional people"),
        };
        rows.push(row_of(effect.what.word(), range(effect.times.before), range(effect.times.after), &newly));
    }
    let paid = past.verifications;
    rows.push(row_of("paid verifications", range(paid.before), range(paid.after), ""));
    output::columns("    ", &rows);
    coming(past);
    for (count, what) in [
        (past.unknown, "cases reach a step without a recorded answer"),
        (past.undecided, "events for which the edit could not decide whether to open a case"),
        (past.endless, "people have cases that would never close"),
    ] {
        if count > 0 {
            output::line(&format!("  {count} {what}"));
        }
    }
    sweeps(past);
    if let Some(because) = &past.undecided_because {
        output::line(&format!("    for example: {}", output::visible(because)));
    }
    who(past, people);
    for other in &past.heard_by {
        output::line("");
        output::line(&format!("  {} reacts to its verifications and would change too:", other.policy));
        show(other, people);
    }
}

fn sweeps(past: &PolicyPast) {
    for sweep in &past.sweeps {
        output::line(&format!("  The edit {}", output::visible(sweep)));
    }
}

fn coming(past: &PolicyPast) {
    if past.coming.is_empty() {
        output::line("  Forecast: none; the record is shorter than a day.");
        return;
    }
    let row = |line: &Coming| {
        let days = if line.days == 1 { "1 day".to_owned() } else { format!("{} days", line.days) };
        let (before, after) = (range(line.times.before), range(line.times.after));
        vec![days, line.what.replace('_', " "), before, "->".to_owned(), after]
    };
    let different = past.coming.iter().filter(|line| line.times.before != line.times.after);
    let rows: Vec<_> = different.map(row).collect();
    if !past.sweeps.is_empty() {
        output::line("  Forecast: unknown for sweeps that select other people; without those sweeps:");
    }
    if rows.is_empty() {
        output::line("  Forecast: the same as with the active revision.");
    } else {
        output::line("  Forecast, from the quietest to the busiest such time in the record:");
        output::columns("    ", &rows);
    }
    let listed = |days: u32| past.coming.iter().any(|line| line.days == days);
    let unlisted: Vec<_> = [7, 30].iter().filter(|days| !listed(**days)).map(ToString::to_string).collect();
    if !unlisted.is_empty() {
        output::line(&format!(
            "    The record is too short for a forecast of {} days.",
            unlisted.join(" and ")
        ));
    }
}

fn who(past: &PolicyPast, people: usize) {
    let different = past.different;
    if different == 0 {
        output::line("  No case would have ended differently.");
        return;
    }
    output::line(&format!("  {different} cases would have ended differently:"));
    let rows: Vec<Vec<String>> = past
        .items
        .iter()
        .take(people)
        .map(|item| {
            let [_, subject, name, _, _, before, after, ..] =
                columns("", item).map(|cell| output::visible(&cell));
            vec![subject, name, minute(item.opened_at), before, "->".to_owned(), after, otherwise(item)]
        })
        .collect();
    output::columns("    ", &rows);
    if different > rows.len() {
        let listed = past.items.len();
        let all = if listed < different { format!("the newest {listed}") } else { "all".to_owned() };
        output::line(&format!(
            "    and {} more; proofd plan --export FILE writes {all}",
            different - rows.len()
        ));
    }
}

fn did(case: Option<&PastCase>) -> Vec<&'static str> {
    case.iter().flat_map(|case| &case.did).map(|deed| deed.what.word()).collect()
}

/// The effects that only one of the two revisions has.
fn otherwise(item: &Differs) -> String {
    let (before, after) = (did(item.before.as_ref()), did(item.after.as_ref()));
    let only = |these: &[&str], others: &[&str], sign: &str| {
        let only = these.iter().filter(|what| !others.contains(what));
        only.map(|what| format!("{sign}{what}")).collect::<Vec<_>>()
    };
    [only(&after, &before, "+"), only(&before, &after, "-")].concat().join(" ")
}

fn row_of(what: &str, before: String, after: String, more: &str) -> Vec<String> {
    vec![what.replace('_', " "), before, "->".to_owned(), after, more.to_owned()]
}

/// A number, or a range from the smallest to the largest.
fn range(Range { least, most }: Range) -> String {
    if least == most { number(least) } else { format!("{} to {}", number(least), number(most)) }
}

/// The row of one person, with the columns of `HEAD`.
pub fn row(policy: &str, item: &Differs) -> Vec<String> {
    columns(policy, item).into()
}

fn columns(policy: &str, item: &Differs) -> [String; HEAD.len()] {
    let Differs { subject, name, opened_at, before, after } = item;
    let opened_by = after.as_ref().or(before.as_ref()).map(|case| case.opened_by.clone());
    [
        policy.to_owned(),
        subject.to_string(),
        output::short_name(&name.0),
        opened_at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        opened_by.unwrap_or_default(),
        end(before.as_ref()),
        end(after.as_ref()),
        did(before.as_ref()).join(", "),
        did(after.as_ref()).join(", "),
    ]
}

fn end(case: Option<&PastCase>) -> String {
    case.map_or("no case".to_owned(), |case| case.end.words())
}

/// One line of a CSV file (RFC 4180). Written by hand: a crate would not add the guard against formulas either.
/// A cell that a spreadsheet would read as a formula becomes text.
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
    use super::{csv, number};

    #[test]
    fn csv_cells_are_quoted_and_formulas_are_escaped() {
        let check = |cells: &[&str], line: &str| {
            let row: Vec<String> = cells.iter().map(|cell| (*cell).to_owned()).collect();
            assert_eq!(csv(&row), format!("{line}\r\n"));
        };
        check(&["a", "b c"], r#""a","b c""#);
        check(&["say \"hi\"", "x,y"], r#""say ""hi""","x,y""#);
        check(&["=cmd()", "-1"], r#""'=cmd()","'-1""#);
    }

    #[test]
    fn numbers_have_thousands_separators() {
        for (given, shown) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(given), shown);
        }
    }
}
