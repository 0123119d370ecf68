//! `case show`: where a case is, its evidence, what happens next, which decisions are open, and its story. `--raw` shows
//! every entry of the journal.

use serde_json::{Value, json};

use super::client::{Client, path};
use super::style::{Tone, paint};
use super::{Failed, case_list, find, output, sentences, when};
use crate::api::Page;
use crate::api::bounds::EntryLimit;
use crate::api::cases::CaseSheet;
use crate::api::holds::{Hold, HoldTarget};
use crate::api::journal::{Entry, JournalPage};
use crate::model::{CaseState, Timestamp};

pub async fn run(client: &Client, case: &str, raw: bool, json: bool) -> Result<(), Failed> {
    let sheet = client.get::<CaseSheet>(&path(&["cases", case])).await?;
    let page = JournalPage { cursor: None, limit: Some(EntryLimit::nearest(usize::MAX)) };
    let journal = client.get_by::<Page<Entry>>(&path(&["cases", case, "journal"]), &page).await?;
    if json {
        output::json(&json!({ "case": sheet.into_value(), "journal": journal.into_value()["items"] }));
        return Ok(());
    }
    let (sheet, journal) = (sheet.read()?, journal.read()?.items);
    let now = client.now();
    head(&sheet, now);
    if raw {
        output::line("");
        journal.iter().for_each(entry);
        return Ok(());
    }
    evidence(&sheet);
    coming(&sheet, now);
    decisions(&sheet);
    heading("Story");
    for one in &journal {
        if let Some(text) = sentences::headline(&one.note, one.step.as_deref(), &sheet.steps) {
            output::line(&format!(
                "  {}  {}",
                paint(Tone::Faint, &when::stamp(one.at)),
                output::visible(&text)
            ));
        }
    }
    Ok(())
}

fn heading(text: &str) {
    output::line(&format!("\n{}", paint(Tone::Strong, text)));
}

fn head(sheet: &CaseSheet, now: Timestamp) {
    let line = &sheet.line;
    let state = sentences::state(line.state);
    let tone = match line.state {
        CaseState::Stuck | CaseState::OverLimit => Tone::Bad,
        CaseState::InReview | CaseState::InGrace => Tone::Warning,
        CaseState::Running | CaseState::Waiting | CaseState::Closed => Tone::Strong,
    };
    let result = line.result.as_ref().map(|result| format!(": {result}")).unwrap_or_default();
    let name = output::name(&line.subject.name.0);
    output::line(&format!("{}  {}", paint(Tone::Strong, &name), paint(tone, &format!("{state}{result}"))));
    let short: String = line.revision.chars().take(8).collect();
    let until = |waiting: String| match line.due_at {
        Some(due) => format!("{waiting}, until {}", when::when(due, now)),
        None => waiting,
    };
    let closed = line.closed_at.map(|at| when::when(at, now));
    let waits = closed.is_none().then(|| until(case_list::without_times(&line.waiting_for)));
    let boxes = sheet.same_mailbox.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let holds = sheet.holds.iter().map(|one| hold(one, now)).collect::<Vec<_>>().join("; ");
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    for (label, value) in [
        ("case", Some(line.id.0.clone())),
        ("policy", Some(format!("{}, revision {short}", line.policy))),
        ("record", Some(find::reference(line).to_string())),
        ("opened", Some(when::when(line.opened_at, now))),
        ("closed", closed),
        ("waits for", waits),
        ("claimed by", line.assignee.clone()),
        ("holds", some(holds)),
        ("same mailbox", some(boxes)),
        ("stuck", sheet.stuck_because.clone()),
        ("problem", line.trouble.clone()),
    ] {
        if let Some(value) = value {
            output::line(&format!("  {label:<12}  {}", output::visible(&value)));
        }
    }
}

fn hold(hold: &Hold, now: Timestamp) -> String {
    let what = match &hold.what {
        HoldTarget::Account => "the account is suspended".to_owned(),
        HoldTarget::Role(role) => format!("the role {role} is withheld"),
    };
    format!("{what} since {}", when::when(hold.since, now))
}

/// The results of finished steps: verifications with their differences, decisions, answers of functions.
fn evidence(sheet: &CaseSheet) {
    let has_outcome = |(_, result): &(&String, &Value)| result["outcome"].is_string();
    let mut finished = sheet.steps.iter().filter(has_outcome).peekable();
    if finished.peek().is_none() {
        return;
    }
    heading("Evidence");
    for (step, result) in finished {
        let outcome = sentences::plain(result["outcome"].as_str().unwrap_or_default());
        let tone = match outcome.as_str() {
            "passed" => Tone::Good,
            "rejected" => Tone::Bad,
            _ => Tone::Warning,
        };
        output::line(&format!("  {step:<12}  {}", paint(tone, &output::visible(&outcome))));
        for text in details(step, result, sheet) {
            output::line(&format!("  {:<12}  {}", "", output::visible(&text)));
        }
    }
}

fn details(step: &str, result: &Value, sheet: &CaseSheet) -> Vec<String> {
    let mut lines: Vec<String> = sentences::differences(Some(step), &sheet.steps).into_iter().collect();
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect()
    };
    for field in compared(result) {
        lines.push(field);
    }
    let reasons: Vec<_> = texts(&result["reasons"]).iter().map(|word| sentences::reason(word)).collect();
    if !reasons.is_empty() {
        lines.push(format!("reasons: {}", reasons.join(", ")));
    }
    let checks: Vec<_> = result["checks"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, verdict)| format!("{name} {}", sentences::plain(verdict.as_str().unwrap_or("?"))))
        .collect();
    if !checks.is_empty() {
        lines.push(format!("checks: {}", checks.join(", ")));
    }
    if let Some(score) = result["score"].as_f64() {
        lines.push(format!("the provider's score: {score}"));
    }
    lines
}

/// The compared forms of each field, where the caller may see them.
fn compared(result: &Value) -> Vec<String> {
    let fields = result["document"]["compared"].as_array().into_iter().flatten();
    let form = |value: &Value| value.as_str().map_or_else(|| "nothing to compare".to_owned(), str::to_owned);
    let line = |field: &Value| {
        let name = sentences::plain(field["field"].as_str().unwrap_or_default());
        format!("{name}: registered {}, document {}", form(&field["registered"]), form(&field["document"]))
    };
    fields.map(line).collect()
}

fn coming(sheet: &CaseSheet, now: Timestamp) {
    if sheet.line.state == CaseState::Closed {
        return;
    }
    heading("If nobody acts");
    if sheet.coming.is_empty() {
        let id = find::short(&sheet.line.id);
        let how = match sheet.line.state {
            CaseState::Stuck => format!("nothing: proofd case retry {id} --reason TEXT"),
            CaseState::OverLimit => format!("nothing: proofd limits release {id} --reason TEXT, or drop"),
            CaseState::InGrace => "nothing: the objection waits for a decision".to_owned(),
            CaseState::Running | CaseState::Waiting | CaseState::InReview | CaseState::Closed => {
                "the case goes on by itself".to_owned()
            }
        };
        output::line(&format!("  {how}"));
    }
    for one in &sheet.coming {
        output::line(&format!("  {}  {}", when::when(one.at, now), output::visible(&one.what)));
    }
    if sheet.line.state == CaseState::InGrace {
        output::line(&format!("  undo it: proofd case undo {} --reason TEXT", find::short(&sheet.line.id)));
    }
}

fn decisions(sheet: &CaseSheet) {
    if sheet.decisions.is_empty() {
        return;
    }
    heading("Decisions");
    let id = find::short(&sheet.line.id);
    for one in &sheet.decisions {
        let people = match one.people {
            0 | 1 => String::new(),
            people => format!("  {people} people must agree; {} did", sheet.decisions_given.len()),
        };
        let reason = if one.reason_required { " --reason TEXT" } else { "" };
        output::line(&format!(
            "  proofd case decide {id} {}{reason}{people}",
            output::visible(&one.decision)
        ));
    }
    if let Some(why) = &sheet.may_not_decide {
        output::line(&format!("  not by you: {}", output::visible(why)));
    }
}

/// An entry with all of its members.
fn entry(entry: &Entry) {
    let (what, rest) = parts(entry);
    let step = entry.step.clone().unwrap_or_default();
    let at = entry.at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    output::line(&format!("{:>4}  {at}  {step:<24} {what:<16} {}", entry.number, output::visible(&rest)));
}

/// The kind of a journal entry, and its other members as JSON.
fn parts(entry: &Entry) -> (String, String) {
    let Ok(Value::Object(mut members)) = serde_json::to_value(&entry.note) else { return Default::default() };
    let what = match members.remove("what") {
        Some(Value::String(what)) => what,
        _ => String::new(),
    };
    let rest = if members.is_empty() { String::new() } else { Value::Object(members).to_string() };
    (what, rest)
}
