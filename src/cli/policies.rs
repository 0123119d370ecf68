//! `policy`: what runs, and a reload that waits for its verdict.

use clap::Subcommand;
use serde_json::{Value, json};

use super::client::{Client, expect};
use super::{Daemon, Ending, Failed, foreseen, output};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// What runs and how it compares with the tree.
    #[command(after_help = "Example: proofd policy list")]
    List,
    /// What a policy can do, and how it stands.
    #[command(after_help = "Example: proofd policy show registration-proofing --revision waiting")]
    Show {
        policy: String,
        /// The first digits of a revision, or `running` or `waiting`; `last` is what runs, or ran last.
        #[arg(long, default_value = "last")]
        revision: String,
        /// Of one that waits, so many of those whose cases would have ended otherwise.
        #[arg(long, default_value_t = 20)]
        people: usize,
    },
    /// Every revision of a policy that the daemon has.
    #[command(after_help = "Example: proofd policy revisions registration-proofing")]
    Revisions { policy: String },
    /// What is different between two revisions: what they can do, and their files.
    #[command(after_help = "Example: proofd policy diff registration-proofing running waiting")]
    Diff {
        policy: String,
        /// The first digits of a revision, or `running` or `waiting`.
        #[arg(default_value = "running")]
        from: String,
        #[arg(default_value = "waiting")]
        to: String,
    },
    /// A revision that was parked runs from now on.
    #[command(
        after_help = "Example: proofd policy release registration-proofing --reason 'agreed with legal'"
    )]
    Release {
        policy: String,
        #[arg(long)]
        reason: String,
        /// The revision that was looked at; another one is not released. Otherwise the one that waits now.
        #[arg(long)]
        revision: Option<String>,
    },
    /// An older revision runs instead of the tree's, until the files of the policy are edited again.
    #[command(
        after_help = "Example: proofd policy revert registration-proofing 9f2c11aa --reason 'too many deletes'"
    )]
    Revert {
        policy: String,
        /// Its first digits.
        revision: String,
        #[arg(long)]
        reason: String,
    },
    /// What a shadow policy would have done, person by person, against what happened.
    #[command(after_help = "Example: proofd policy shadow login-risk-strict --limit 50")]
    Shadow {
        policy: String,
        /// So many people, the newest first.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Loads the tree now. Exit code 0 if all of it runs afterwards, 1 if something does not.
    #[command(after_help = "Example: proofd policy reload")]
    Reload,
}

pub async fn run(daemon: &Daemon, command: Command, json: bool) -> Result<Ending, Failed> {
    let client = Client::find(daemon)?;
    match command {
        Command::List => {
            let policies = expect(client.get("/v1/policies").await?)?;
            if json {
                output::json(&policies)
            } else {
                list(&policies)
            }
            Ok(Ending::Ok)
        }
        Command::Show { policy, revision, people } => {
            let sheet = expect(client.get(&format!("/v1/policies/{policy}/revisions/{revision}")).await?)?;
            shown(&sheet, json);
            if !json {
                foreseen::show(&sheet["foreseen"], people);
            }
            Ok(Ending::Ok)
        }
        Command::Diff { policy, from, to } => {
            let query = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs([("from", from), ("to", to)])
                .finish();
            let diff = expect(client.get(&format!("/v1/policies/{policy}/diff?{query}")).await?)?;
            if json {
                output::json(&diff);
            } else {
                output::line(&format!("{} -> {}", text(&diff, "from"), text(&diff, "to")));
                output::line(&text(&diff, "text"));
                output::line(text(&diff, "files").trim_end());
            }
            Ok(Ending::Ok)
        }
        Command::Release { policy, reason, revision } => {
            let body = json!({ "reason": reason, "revision": revision });
            shown(&expect(client.post(&format!("/v1/policies/{policy}/release"), body).await?)?, json);
            Ok(Ending::Ok)
        }
        Command::Revert { policy, revision, reason } => {
            let body = json!({ "reason": reason, "revision": revision });
            shown(&expect(client.post(&format!("/v1/policies/{policy}/revert"), body).await?)?, json);
            Ok(Ending::Ok)
        }
        Command::Revisions { policy } => {
            let revisions = expect(client.get(&format!("/v1/policies/{policy}/revisions")).await?)?;
            taken_in(&revisions, json);
            Ok(Ending::Ok)
        }
        Command::Shadow { policy, limit } => {
            let report = client.get(&format!("/v1/policies/{policy}/shadow?limit={limit}")).await?;
            let report = expect(report)?;
            if json {
                output::json(&report);
            } else {
                shadow(&report);
            }
            Ok(Ending::Ok)
        }
        Command::Reload => reload(&client, json).await,
    }
}

/// Loads the tree, and ends with the verdict.
async fn reload(client: &Client, json: bool) -> Result<Ending, Failed> {
    let (status, report) = client.post("/v1/policies/reload", json!({})).await?;
    if report.get("policies").is_none() {
        expect((status, report))?;
        return Ok(Ending::No);
    }
    if json {
        output::json(&report);
    } else {
        let (rendered, problem) = (text(&report, "text"), text(&report, "problem"));
        if !rendered.is_empty() && rendered != problem {
            output::line(&rendered);
        }
        table(report["policies"].as_array().map(Vec::as_slice).unwrap_or_default());
        notes(report["policies"].as_array().into_iter().flatten());
        whole_tree(&report);
    }
    Ok(if report["ok"] == Value::Bool(true) { Ending::Ok } else { Ending::No })
}

fn taken_in(revisions: &Value, json: bool) {
    if json {
        return output::json(revisions);
    }
    let rows: Vec<_> = items(revisions)
        .map(|line| {
            let runs = if line["active"] == Value::Bool(true) { "runs" } else { "" };
            vec![text(line, "revision"), text(line, "at"), runs.to_owned()]
        })
        .collect();
    output::table(&["REVISION", "FIRST RAN", ""], &rows);
}

fn shown(sheet: &Value, json: bool) {
    if json {
        return output::json(sheet);
    }
    let runs = if sheet["runs"] == Value::Bool(true) { ", runs" } else { ", does not run" };
    output::line(&format!("revision {}{runs}", text(sheet, "revision")));
    if let Some(state) = sheet.pointer("/status/state").and_then(Value::as_str) {
        output::line(&format!("state {state}"));
    }
    if let Some(status) = sheet.get("status") {
        why(status);
    }
    for note in sheet["notes"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        output::line(&output::visible(note));
        for file in sheet["files"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            output::line(&format!("  {}", output::visible(file)));
        }
    }
    output::line(&text(sheet, "text"));
}

/// Why the tree's revision does not run.
fn why(status: &Value) {
    for why in status["why"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        output::line(&format!("  {}", output::visible(why)));
    }
}

fn shadow(report: &Value) {
    output::line(&format!(
        "{}: {} people; would have done: {}; the live cases of the same events did: {}; not known of {}",
        text(report, "policy"),
        report["people"],
        counts(&report["would"]),
        counts(&report["happened"]),
        report["unknown"],
    ));
    for person in items(report) {
        let subject = &person["subject"];
        let same = match person["same"].as_bool() {
            Some(true) => "the same was done",
            Some(false) => "something else was done",
            None => "not known to the end",
        };
        say(0, &format!("{}: {same}", foreseen::reference(subject)));
        for case in person["would"].as_array().into_iter().flatten() {
            say(1, &format!("would have opened a case at {}", text(case, "opened_at")));
            for line in case["lines"].as_array().into_iter().flatten() {
                say(2, &format!("{} {}: {}", text(line, "at"), text(line, "step"), text(line, "would")));
            }
            match case["end"].as_str() {
                Some("unknown") => say(2, &format!("unknown from here: {}", text(case, "because"))),
                Some("stuck") => say(2, &format!("would be stuck: {}", text(case, "because"))),
                Some("in_grace") => say(2, &format!("would be in grace until {}", text(case, "until"))),
                _ => {}
            }
        }
        for case in person["happened"].as_array().into_iter().flatten() {
            let did: Vec<_> =
                case["did"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let (state, result) = (text(case, "state"), text(case, "result"));
            say(
                1,
                &format!(
                    "{} case {}: {state} {result}, did: {}",
                    text(case, "policy"),
                    text(case, "case"),
                    list_of(&did)
                ),
            );
        }
    }
}

fn say(depth: usize, line: &str) {
    output::line(&format!("{}{}", "  ".repeat(depth), output::visible(line)));
}

fn counts(of: &Value) -> String {
    let counts = of.as_object().into_iter().flatten();
    let counts: Vec<_> = counts.map(|(word, count)| format!("{word} {count}")).collect();
    list_of(&counts.iter().map(String::as_str).collect::<Vec<_>>())
}

fn list_of(words: &[&str]) -> String {
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

fn list(policies: &Value) {
    table(policies["items"].as_array().map(Vec::as_slice).unwrap_or_default());
    let reload = &policies["last_reload"];
    let verdict = if reload["ok"] == Value::Bool(true) {
        "everything in the tree runs"
    } else {
        "not everything in the tree runs"
    };
    for policy in items(policies).filter(|policy| policy["waiting"].is_null()) {
        if text(policy, "state") == "needs_release" {
            output::line(&format!(
                "{}: runs until its removal is released (needs_release)",
                text(policy, "name")
            ));
            why(policy);
        }
    }
    for policy in items(policies).filter(|policy| policy["waiting"].is_string()) {
        let (name, waiting) = (text(policy, "name"), text(policy, "waiting"));
        let short: String = waiting.chars().take(8).collect();
        output::line(&format!(
            "{name}: revision {short} of the tree does not run ({})",
            text(policy, "state")
        ));
        why(policy);
    }
    notes(items(policies));
    output::line(&format!("last reload {}: {verdict}", text(reload, "at")));
    whole_tree(reload);
    for found in reload["diagnostics"].as_array().into_iter().flatten() {
        let place = &found["place"];
        output::line(&format!(
            "  {}:{}:{}: {}",
            text(place, "file"),
            place["line"],
            place["column"],
            text(found, "message")
        ));
    }
}

fn notes<'a>(policies: impl Iterator<Item = &'a Value>) {
    for policy in policies {
        for note in policy["notes"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            output::line(&format!("{}: {note}", text(policy, "name")));
        }
    }
}

/// Why nothing of the tree was taken.
fn whole_tree(reload: &Value) {
    if let Some(problem) = reload["problem"].as_str() {
        output::line(&format!("nothing of the tree was taken: {}", output::visible(problem)));
        output::line("the policies above are those that ran before; they go on");
    }
}

fn table(policies: &[Value]) {
    let rows: Vec<_> = policies
        .iter()
        .map(|line| {
            let revision = text(line, "revision");
            vec![
                text(line, "name"),
                text(line, "mode"),
                revision.chars().take(8).collect(),
                text(line, "state"),
                text(line, "title"),
            ]
        })
        .collect();
    output::table(&["POLICY", "MODE", "REVISION", "STATE", "TITLE"], &rows);
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.get("items").and_then(Value::as_array).into_iter().flatten()
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}
