//! `case`, `held` and `hold`: looking at cases and ordering.

use std::collections::BTreeSet;

use clap::Subcommand;
use serde_json::{Value, json};

use super::client::{Client, expect};
use super::{Daemon, Ending, Failed, output};
use crate::model::{SubjectRef, Timestamp};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Cases, newest first.
    #[command(after_help = "Example: proofd case list --state in_review --queue identity-desk")]
    List {
        /// running, waiting, in_review, in_grace, held, stuck, closed, or open.
        #[arg(long)]
        state: Option<String>,
        #[arg(long)]
        policy: Option<String>,
        /// A subject's id.
        #[arg(long)]
        subject: Option<String>,
        /// The result that a case closed with.
        #[arg(long)]
        outcome: Option<String>,
        /// In a name, an address or a case id.
        #[arg(long)]
        text: Option<String>,
        /// A review queue.
        #[arg(long)]
        queue: Option<String>,
        /// Who has taken the review; empty: nobody.
        #[arg(long)]
        assignee: Option<String>,
        /// An execution or account id at the vendor.
        #[arg(long)]
        vendor: Option<String>,
        #[arg(long)]
        cursor: Option<String>,
        #[arg(long)]
        limit: Option<usize>,
    },
    /// One case with its journal.
    #[command(after_help = "Example: proofd case show CASE")]
    Show { case: String },
    /// Decides a review.
    #[command(after_help = "Example: proofd case decide CASE approve --reason 'seen in person'")]
    Decide {
        case: String,
        decision: String,
        #[arg(long)]
        reason: Option<String>,
    },
    /// Works on a review, so that nobody else does for half an hour.
    #[command(after_help = "Example: proofd case take CASE")]
    Take { case: String },
    /// The review is anybody's again.
    #[command(after_help = "Example: proofd case give-back CASE")]
    GiveBack { case: String },
    /// A stuck case tries again.
    #[command(after_help = "Example: proofd case retry CASE --reason 'the role is there again'")]
    Retry {
        case: String,
        #[arg(long)]
        reason: String,
    },
    /// The case ends; nothing more is done.
    #[command(after_help = "Example: proofd case cancel CASE --reason 'opened by mistake'")]
    Cancel {
        case: String,
        #[arg(long)]
        reason: String,
    },
    /// An effect in grace does not happen.
    #[command(after_help = "Example: proofd case undo CASE --reason 'the person called'")]
    Undo {
        case: String,
        #[arg(long)]
        reason: String,
    },
    /// The reminder goes out now.
    #[command(after_help = "Example: proofd case remind CASE --reason 'back from leave'")]
    Remind {
        case: String,
        #[arg(long)]
        reason: String,
    },
    /// Where open cases would be in another revision of their policy; with --apply they move there.
    #[command(after_help = "Example: proofd case migrate --policy registration-proofing")]
    Migrate(super::migrate::Arguments),
    /// Opens a case by hand.
    #[command(
        after_help = "Example: proofd case start support-reverification user/17 --reason 'asked for a new phone'"
    )]
    Start {
        policy: String,
        /// registration/ID or user/ID.
        subject: String,
        #[arg(long)]
        reason: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum Hold {
    /// Who is suspended or lacks a role, and by which case.
    #[command(after_help = "Example: proofd hold list --subject 17")]
    List {
        /// An account's id.
        #[arg(long)]
        subject: Option<String>,
    },
    /// Lifts what a case holds, also one that has ended.
    #[command(after_help = "Example: proofd hold lift CASE --reason 'identity confirmed in person'")]
    Lift {
        case: String,
        #[arg(long)]
        reason: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum Held {
    /// Effects that a limit stopped.
    #[command(after_help = "Example: proofd held list")]
    List,
    /// The effect happens.
    #[command(after_help = "Example: proofd held release CASE --reason 'checked with HR'")]
    Release {
        case: String,
        #[arg(long)]
        reason: String,
    },
    /// The effect does not happen.
    #[command(after_help = "Example: proofd held drop CASE --reason 'the feed was wrong'")]
    Drop {
        case: String,
        #[arg(long)]
        reason: String,
    },
}

pub async fn run(daemon: &Daemon, command: Command, json: bool) -> Result<Ending, Failed> {
    let client = Client::find(daemon)?;
    match command {
        Command::List { state, policy, subject, outcome, text, queue, assignee, vendor, cursor, limit } => {
            let limit = limit.map(|limit| limit.to_string());
            let filters = [
                ("state", state),
                ("policy", policy),
                ("subject", subject),
                ("outcome", outcome),
                ("text", text),
                ("queue", queue),
                ("assignee", assignee),
                ("vendor", vendor),
                ("cursor", cursor),
                ("limit", limit),
            ];
            let query: Vec<_> = filters.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
            let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
            list(&expect(client.get(&format!("/v1/cases?{query}")).await?)?, json);
        }
        Command::Show { case } => show(&client, &case, json).await?,
        Command::Decide { case, decision, reason } => {
            let body = json!({ "decision": decision, "reason": reason });
            changed(&expect(client.post(&format!("/v1/cases/{case}/decisions"), body).await?)?, json);
        }
        Command::Take { case } => order(&client, &format!("/v1/cases/{case}/take"), "", json).await?,
        Command::GiveBack { case } => {
            order(&client, &format!("/v1/cases/{case}/give_back"), "", json).await?
        }
        Command::Retry { case, reason } => {
            order(&client, &format!("/v1/cases/{case}/retry"), &reason, json).await?
        }
        Command::Cancel { case, reason } => {
            order(&client, &format!("/v1/cases/{case}/cancel"), &reason, json).await?
        }
        Command::Undo { case, reason } => {
            order(&client, &format!("/v1/cases/{case}/undo"), &reason, json).await?
        }
        Command::Remind { case, reason } => {
            order(&client, &format!("/v1/cases/{case}/remind"), &reason, json).await?
        }
        Command::Migrate(arguments) => return super::migrate::run(&client, arguments, json).await,
        Command::Start { policy, subject, reason } => {
            let subject: SubjectRef =
                subject.parse().map_err(|why: String| Failed::usage(anyhow::anyhow!("subject: {why}")))?;
            let body = json!({ "policy": policy, "subject": subject, "reason": reason });
            let started = expect(client.post("/v1/cases", body).await?)?;
            if json { output::json(&started) } else { output::line(text(&started, "id")) }
        }
    }
    Ok(Ending::Ok)
}

pub async fn held(daemon: &Daemon, command: Held, json: bool) -> Result<Ending, Failed> {
    let client = Client::find(daemon)?;
    match command {
        Held::List => {
            let held = expect(client.get("/v1/held").await?)?;
            if json {
                output::json(&held);
                return Ok(Ending::Ok);
            }
            let rows: Vec<_> =
                items(&held).map(|line| cells(line, &["id", "policy", "action", "since"])).collect();
            output::table(&["CASE", "POLICY", "ACTION", "SINCE"], &rows);
        }
        Held::Release { case, reason } => {
            order(&client, &format!("/v1/held/{case}/release"), &reason, json).await?
        }
        Held::Drop { case, reason } => {
            order(&client, &format!("/v1/held/{case}/drop"), &reason, json).await?
        }
    }
    Ok(Ending::Ok)
}

pub async fn holds(daemon: &Daemon, command: Hold, json: bool) -> Result<Ending, Failed> {
    let client = Client::find(daemon)?;
    match command {
        Hold::List { subject } => {
            let query = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(subject.iter().map(|subject| ("subject", subject)))
                .finish();
            let holds = expect(client.get(&format!("/v1/holds?{query}")).await?)?;
            if json {
                output::json(&holds);
                return Ok(Ending::Ok);
            }
            let rows: Vec<_> = items(&holds)
                .map(|line| {
                    let what = &line["what"];
                    let role = what.get("role").and_then(Value::as_str);
                    let held = role.map_or_else(|| "account".to_owned(), |role| format!("role {role}"));
                    let subject = line.pointer("/subject/id").and_then(Value::as_str).unwrap_or_default();
                    let mut row = vec![subject.to_owned(), held];
                    row.extend(cells(line, &["case", "policy", "since"]));
                    row.push(if line["case_closed"] == true { "closed" } else { "open" }.to_owned());
                    row
                })
                .collect();
            output::table(&["SUBJECT", "HELD", "CASE", "POLICY", "SINCE", "CASE IS"], &rows);
        }
        Hold::Lift { case, reason } => {
            order(&client, &format!("/v1/cases/{case}/lift"), &reason, json).await?
        }
    }
    Ok(Ending::Ok)
}

async fn order(client: &Client, path: &str, reason: &str, json: bool) -> Result<(), Failed> {
    changed(&expect(client.post(path, json!({ "reason": reason })).await?)?, json);
    Ok(())
}

fn changed(case: &Value, json: bool) {
    if json {
        output::json(case);
    } else {
        let result = case.get("result").and_then(Value::as_str).map(|result| format!(" ({result})"));
        output::line(&format!("{}: {}{}", text(case, "id"), text(case, "state"), result.unwrap_or_default()));
    }
}

fn list(cases: &Value, json: bool) {
    if json {
        return output::json(cases);
    }
    let rows: Vec<_> = items(cases)
        .map(|case| {
            let mut row = cells(case, &["id", "policy", "state", "waiting_for", "result", "due_at"]);
            row.insert(
                2,
                output::short_name(case.pointer("/subject/name").and_then(Value::as_str).unwrap_or_default()),
            );
            row
        })
        .collect();
    output::table(&["CASE", "POLICY", "WHO", "STATE", "WAITS FOR", "RESULT", "DUE"], &rows);
    let troubles: BTreeSet<_> = items(cases).map(|case| text(case, "trouble")).collect();
    for trouble in troubles.into_iter().filter(|trouble| !trouble.is_empty()) {
        output::line(&format!("cannot go on: {}", output::visible(trouble)));
    }
    if let Some(next) = cases.get("next").and_then(Value::as_str) {
        output::line(&format!("more: --cursor {next}"));
    }
}

async fn show(client: &Client, case: &str, json: bool) -> Result<(), Failed> {
    let sheet = expect(client.get(&format!("/v1/cases/{case}")).await?)?;
    let journal = expect(client.get(&format!("/v1/cases/{case}/journal?limit=1000")).await?)?;
    if json {
        output::json(&json!({ "case": sheet, "journal": journal["items"] }));
        return Ok(());
    }
    for (label, pointer) in [
        ("case", "/id"),
        ("policy", "/policy"),
        ("revision", "/revision"),
        ("who", "/subject/name"),
        ("subject", "/subject/id"),
        ("state", "/state"),
        ("waits for", "/waiting_for"),
        ("due", "/due_at"),
        ("result", "/result"),
        ("stuck because", "/stuck_because"),
        ("cannot go on", "/trouble"),
    ] {
        if let Some(value) = sheet.pointer(pointer).and_then(Value::as_str) {
            let shown =
                if label == "who" { output::name(value) } else { output::visible(&to_the_second(value)) };
            output::line(&format!("{label:>14}  {shown}"));
        }
    }
    let allowed: Vec<_> =
        sheet["decisions_allowed"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !allowed.is_empty() {
        output::line(&format!("{:>14}  {}", "decisions", allowed.join(", ")));
    }
    output::line("");
    for entry in items(&journal) {
        let mut rest = entry.clone();
        if let Some(members) = rest.as_object_mut() {
            members.retain(|key, _| !["number", "at", "step", "what"].contains(&key.as_str()));
        }
        let rest = if rest.as_object().is_some_and(serde_json::Map::is_empty) {
            String::new()
        } else {
            rest.to_string()
        };
        output::line(&format!(
            "{:>4}  {}  {:<24} {:<16} {}",
            entry["number"],
            to_the_second(text(entry, "at")),
            text(entry, "step"),
            text(entry, "what"),
            output::visible(&rest)
        ));
    }
    Ok(())
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.get("items").and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn cells(value: &Value, keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| to_the_second(text(value, key))).collect()
}

/// A time as people read it; anything else as it is. `--json` has it whole.
fn to_the_second(text: &str) -> String {
    match text.parse::<Timestamp>() {
        Ok(at) => at.format("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => text.to_owned(),
    }
}
