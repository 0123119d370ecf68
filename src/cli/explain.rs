//! `explain`: why each policy did or did not fire for a person, and what policies would say: of an edited tree
//! about what was recorded, or any about an event that never happened.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::client::{Client, expect};
use super::{Daemon, Ending, Failed, output, read};
use crate::model::{EventType, Fields, SubjectKind, Timestamp};
use crate::policy::{given, schema};

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
    /// What would be said of an event that never happened, by its type, such as login.risk; of a start by hand,
    /// by the word `manual`; or by the sweeps, if they ran now, by the word `sweep`. The person is read as they
    /// are now. Nothing is recorded.
    #[arg(long = "try", value_name = "TYPE", conflicts_with_all = ["at", "event", "last"])]
    made_up: Option<String>,
    /// What would be said with another value: a field of the event, such as score=70, or of the person, such
    /// as user.department=Sales. May be given several times. Without --try, the event is a recorded one.
    #[arg(long, value_name = "FIELD=VALUE")]
    with: Vec<String>,
    /// What the policies of this tree would say in the place of those that run, about the newest recorded event
    /// that they react to, or about --event, or --try.
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// About so many of the newest recorded events, with --policies or --with; one, if it is not given.
    #[arg(long, value_name = "COUNT")]
    last: Option<usize>,
}

pub async fn run(arguments: &Arguments, json: bool) -> Result<Ending, Failed> {
    if arguments.made_up.is_some() || arguments.policies.is_some() || !arguments.with.is_empty() {
        return attempt(arguments, json).await;
    }
    if arguments.last.is_some() {
        return Err(Failed::usage(anyhow!("--last is about what would be said: give --policies or --with")));
    }
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
    show(&explained);
    Ok(Ending::Ok)
}

/// What would be said. The answer is no if a policy of the tree does not load.
async fn attempt(arguments: &Arguments, json: bool) -> Result<Ending, Failed> {
    let mut question = json!({ "subject": arguments.subject, "policy": arguments.policy });
    question["at"] = json!(arguments.at);
    question["last"] = json!(arguments.last);
    if let Some(dir) = &arguments.policies {
        question["files"] = json!(files(dir)?);
    }
    let (event, person) = fields(arguments)?;
    question["event"] = json!({ "type": arguments.made_up, "key": arguments.event, "fields": event });
    question["person"] = Value::Object(person);
    let (status, answer) = Client::find(&arguments.daemon)?.post("/v1/explain", question).await?;
    let answer = expect((status, answer)).map_err(|failed| match status {
        StatusCode::BAD_REQUEST => Failed::usage(failed.error),
        StatusCode::SERVICE_UNAVAILABLE => Failed::unreachable(failed.error),
        _ => failed,
    })?;
    if json {
        output::json(&answer);
    } else {
        let errors = text(&answer, "text");
        if !errors.is_empty() {
            output::line(&errors);
        }
        show(&answer);
    }
    let bad = answer["errors"].as_array().is_some_and(|errors| !errors.is_empty());
    Ok(if bad { Ending::No } else { Ending::Ok })
}

/// The files of a tree that policies are made of.
fn files(dir: &Path) -> Result<BTreeMap<String, String>, Failed> {
    let mut texts = read::texts(dir)?;
    // Nothing is tested, and people's notes are nobody else's.
    texts.retain(|path, _| !path.ends_with("/tests.yaml") && !path.ends_with("README.md"));
    Ok(texts)
}

/// The fields of the event and those of the person.
fn fields(arguments: &Arguments) -> Result<(Fields, Fields), Failed> {
    let of_event = match &arguments.made_up {
        Some(kind) => schema::fields_of_event(&EventType::new(kind.as_str())),
        None => schema::fields_of_any_event(),
    };
    // `user/7` or `SOURCE/user/7`.
    let words = || arguments.subject.split('/');
    let is_kind = |word: &&str| SubjectKind::ALL.iter().any(|kind| kind.word() == *word);
    let subject = words().take(2).find(is_kind).or_else(|| words().next()).unwrap_or_default();
    let (mut event, mut person) = (Fields::new(), Fields::new());
    for given in &arguments.with {
        let (path, value) = given.split_once('=').ok_or_else(|| {
            Failed::usage(anyhow!("--with {given}: write it as FIELD=VALUE, such as score=70"))
        })?;
        let (root, rest) = path.split_once('.').unwrap_or(("event", path));
        let kind = SubjectKind::ALL.into_iter().find(|kind| kind.word() == root);
        let (known, into, path) = match kind {
            Some(kind) if kind.word() != subject => {
                return Err(Failed::usage(anyhow!(
                    "--with {path}: --subject {subject} is not {}",
                    kind.one()
                )));
            }
            Some(kind) => (schema::fields_of_subject(kind), &mut person, rest),
            None if root == "event" => (&of_event[..], &mut event, rest),
            None => (&of_event[..], &mut event, path),
        };
        let field = known.iter().find(|field| field.name == path);
        let mut value = given::typed(field, value);
        let mut names: Vec<_> = path.split('.').collect();
        let first = names.remove(0);
        for name in names.into_iter().rev() {
            value = json!({ name: value });
        }
        given::put_over(into, &Fields::from_iter([(first.to_owned(), value)]));
    }
    Ok((event, person))
}

fn show(explained: &Value) {
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
}

/// The fields of each verification in the forms in which they were compared.
fn compared(steps: &Value) {
    for (step, fields) in steps.as_object().into_iter().flatten() {
        for field in fields.as_array().into_iter().flatten() {
            let form = |side: &str| field[side].as_str().unwrap_or("(nothing to compare)").to_owned();
            let name = text(field, "field");
            let (registered, document) = (form("registered"), form("document"));
            say(1, &format!("{step}: {name}: registered {registered}, document {document}"));
        }
    }
}

fn tell(policy: &Value) {
    say(0, &format!("{}: {}", text(policy, "policy"), text(policy, "says")));
    let notes = policy["notes"].as_array();
    if policy["mode"] == "shadow" && notes.is_none() {
        say(1, "it runs as a shadow: it opens nothing");
    }
    for note in notes.into_iter().flatten().filter_map(Value::as_str) {
        say(1, note);
    }
    if policy["then"].is_object() {
        let then = &policy["then"];
        say(1, &format!("then, at {}: {}", text(then, "at"), text(then, "says")));
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
        compared(&policy["case"]["compared"]);
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
