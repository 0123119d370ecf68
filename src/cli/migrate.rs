//! `case migrate`: where open cases would be in another revision, person by person, and then the move.

use anyhow::anyhow;
use clap::Args;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::client::{Client, expect};
use super::{Ending, Failed, output};
use crate::model::Timestamp;
use crate::policy::diagnostic::nearest;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The cases.
    #[arg(required_unless_present = "policy")]
    cases: Vec<String>,
    /// All open cases of a policy.
    #[arg(long, conflicts_with = "cases")]
    policy: Option<String>,
    /// The first digits of a revision that ran; otherwise the one that runs now.
    #[arg(long, default_value = "running")]
    to: String,
    /// Moves them; otherwise it is only shown.
    #[arg(long, requires = "reason")]
    apply: bool,
    #[arg(long)]
    reason: Option<String>,
}

/// 1 if a case cannot be moved.
pub async fn run(client: &Client, arguments: Arguments, json: bool) -> Result<Ending, Failed> {
    let Arguments { mut cases, policy, to, apply, reason } = arguments;
    if let Some(policy) = policy {
        cases = open_cases(client, &policy).await?;
        if cases.is_empty() {
            known(client, &policy).await?;
            if json {
                output::json(&json!({ "items": [] }));
            } else {
                output::line(&format!("no case of {policy} is open"));
            }
            return Ok(Ending::Ok);
        }
    }
    let mut lines = Vec::new();
    for case in cases {
        let preview = expect(
            client.post(&format!("/v1/cases/{case}/migrate?preview=true"), json!({ "to": to })).await?,
        )?;
        if !apply || preview["can"] != true {
            lines.push(preview);
            continue;
        }
        let body = json!({ "to": to, "reason": reason });
        let (status, answer) = client.post(&format!("/v1/cases/{case}/migrate"), body).await?;
        if status.is_success() {
            lines.push(answer);
        } else {
            // Something happened between looking and moving; the others are moved all the same.
            let mut line = preview;
            line["can"] = Value::Bool(false);
            line["why_not"] = answer["detail"].clone();
            lines.push(line);
        }
    }
    let all = lines.iter().all(|line| line["can"] == true);
    if json {
        output::json(&json!({ "items": lines }));
    } else {
        table(&lines);
        let can = lines.iter().filter(|line| line["can"] == true).count();
        let done = if apply { "moved" } else { "can be moved (--apply --reason '...' moves them)" };
        output::line(&format!("{can} of {} {done}", lines.len()));
    }
    Ok(if all { Ending::Ok } else { Ending::No })
}

/// A name that no policy has or had is a mistake, and no policy without cases.
async fn known(client: &Client, policy: &str) -> Result<(), Failed> {
    let list = expect(client.get("/v1/policies").await?)?;
    let items = list["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names = items.iter().filter_map(|policy| policy["name"].as_str());
    if names.clone().any(|name| name == policy) {
        return Ok(());
    }
    // One that is gone from the tree has its revisions still.
    let (status, answer) = client.get(&format!("/v1/policies/{policy}/revisions")).await?;
    if status != StatusCode::NOT_FOUND {
        return expect((status, answer)).map(|_| ());
    }
    Err(Failed::no(anyhow!("there is no policy {policy}; {}", nearest(policy, names))))
}

/// Those with the revision already say so in their line.
async fn open_cases(client: &Client, policy: &str) -> Result<Vec<String>, Failed> {
    let mut cases = Vec::new();
    let mut cursor = None::<String>;
    loop {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs([("policy", policy), ("state", "open"), ("limit", "200")]);
        query.extend_pairs(cursor.iter().map(|cursor| ("cursor", cursor)));
        let page = expect(client.get(&format!("/v1/cases?{}", query.finish())).await?)?;
        let items = page["items"].as_array().cloned().unwrap_or_default();
        cases.extend(items.iter().filter_map(|case| case["id"].as_str().map(str::to_owned)));
        cursor = page["next"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return Ok(cases);
        }
    }
}

fn table(lines: &[Value]) {
    let text = |line: &Value, pointer: &str| {
        line.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let time = |line: &Value, key: &str| match text(line, key).parse::<Timestamp>() {
        Ok(at) => at.format("%Y-%m-%d %H:%M").to_string(),
        Err(_) => String::new(),
    };
    let words = |value: &Value, between: &str| {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(between)
    };
    let rows: Vec<_> = lines
        .iter()
        .map(|line| {
            let why = text(line, "/why_not");
            let notes = words(&line["notes"], "; ");
            let next = [("remind", "/remind_then"), ("escalate", "/escalate_then")];
            let next = next.iter().map(|(word, key)| (word, time(line, key))).find(|(_, at)| !at.is_empty());
            vec![
                text(line, "/case"),
                output::short_name(&text(line, "/subject/name")),
                text(line, "/step_now"),
                text(line, "/step_then"),
                time(line, "/due_now"),
                time(line, "/due_then"),
                next.map(|(word, at)| format!("{word} {at}")).unwrap_or_default(),
                words(&line["overdue"], ", "),
                if why.is_empty() { notes } else { format!("cannot: {why}") },
            ]
        })
        .collect();
    output::table(
        &["CASE", "WHO", "NOW AT", "THEN AT", "DUE NOW", "DUE THEN", "NEXT THEN", "OVERDUE", "NOTES"],
        &rows,
    );
}
