//! `explain`: why each policy did or did not fire for a person.

use clap::Args;
use serde_json::Value;

use super::client::{Client, expect};
use super::{Daemon, Ending, Failed, output};
use crate::model::Timestamp;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    pub daemon: Daemon,
    /// An id, or a reference such as user/17.
    #[arg(long)]
    subject: String,
    /// What was said last before this time, such as 2026-01-05T09:00:00Z; now, if it is not given.
    #[arg(long)]
    at: Option<Timestamp>,
    /// Only this policy.
    #[arg(long)]
    policy: Option<String>,
    /// What was said of the event with this key.
    #[arg(long)]
    event: Option<String>,
}

pub async fn run(arguments: &Arguments, json: bool) -> Result<Ending, Failed> {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("subject", &arguments.subject);
    if let Some(at) = arguments.at {
        query.append_pair("at", &at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true));
    }
    for (name, value) in [("policy", &arguments.policy), ("event", &arguments.event)] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    let path = format!("/v1/explain?{}", query.finish());
    let explained = expect(Client::find(&arguments.daemon)?.get(&path).await?)?;
    if json {
        output::json(&explained);
        return Ok(Ending::Ok);
    }
    let policies = explained["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let rows: Vec<_> = policies
        .iter()
        .map(|one| {
            let event = &one["event"];
            vec![text(one, "policy"), text(one, "verdict"), text(one, "asked_at"), text(event, "type")]
        })
        .collect();
    output::table(&["POLICY", "VERDICT", "ASKED", "BY"], &rows);
    for policy in policies {
        output::line("");
        tell(policy);
    }
    Ok(Ending::Ok)
}

fn tell(policy: &Value) {
    say(0, &format!("{}: {}", text(policy, "policy"), text(policy, "says")));
    if policy["mode"] == "shadow" {
        say(1, "it runs as a shadow: it opens nothing");
    }
    if policy["revised_since"] == Value::Bool(true) {
        say(1, "another revision of it runs now");
    }
    for clause in policy["clauses"].as_array().into_iter().flatten() {
        let place = format!("{}:{}:{}", text(clause, "file"), clause["line"], clause["column"]);
        say(1, &format!("{place}: {}  [{}]", text(clause, "clause"), text(clause, "answer")));
        if let Some(error) = clause["error"].as_str() {
            say(2, error);
        }
        for seen in clause["values"].as_array().into_iter().flatten() {
            say(2, &format!("{} = {}", text(seen, "path"), seen["value"]));
        }
    }
    for (number, change) in policy["changes"].as_array().into_iter().flatten().enumerate() {
        let says = change.as_array().into_iter().flatten().map(|edit| text(edit, "says"));
        let word = if number == 0 { "smallest change" } else { "or" };
        say(1, &format!("{word}: {}", says.collect::<Vec<_>>().join(", and ")));
    }
    if policy["case"].is_object() {
        let case = &policy["case"];
        let result = case["result"].as_str().map(|result| format!(", {result}")).unwrap_or_default();
        say(1, &format!("case {}: {}{result}", text(case, "id"), text(case, "state")));
    }
}

fn say(depth: usize, line: &str) {
    output::line(&format!("{}{}", "  ".repeat(depth), output::visible(line)));
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}
