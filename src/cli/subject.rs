//! `subject`: shows, exports and erases what is known about one person.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Subcommand;
use serde_json::Value;

use super::client::Client;
use super::when::moment;
use super::{Daemon, Ending, Failed, find, output};
use crate::api::bounds::{Reason, Whom};
use crate::api::subjects::{EraseSubject, Erased, Erasure, SubjectQuery, SubjectReport};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show everything about one person: cases, events, verdicts, enrolments, documents
    #[command(after_help = "Example: proofd subject show user/17 --reason 'request of 3 May'")]
    Show {
        /// A record such as user/17 or SOURCE/user/17, an id, or a name or mail address of a person with a case
        subject: Whom,
        /// Why; logged with the token's name
        #[arg(long, value_name = "TEXT")]
        reason: Reason,
    },
    /// Write everything about one person to a JSON file
    #[command(
        after_help = "Example: proofd subject export user/17 --reason 'request of 3 May' --to person.json"
    )]
    Export {
        /// A record such as user/17 or SOURCE/user/17, an id, or a name or mail address of a person with a case
        subject: Whom,
        /// Why; logged with the token's name
        #[arg(long, value_name = "TEXT")]
        reason: Reason,
        /// The file; an existing one is not overwritten
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Erase one person: from the store, its journal, and the verification providers that delete on request
    #[command(
        after_help = "Example: proofd subject erase user/17 --reason 'request of 3 May' --yes\n\nExit codes: 0 erased, or \
                      nothing was left, 1 refused, 4 erased, and something is still pending"
    )]
    Erase {
        /// An id, or a reference such as user/17 or SOURCE/user/17
        subject: Whom,
        /// Why; recorded in the journal
        #[arg(long, value_name = "TEXT")]
        reason: Reason,
        /// Cancel open cases and lift what they hold first
        #[arg(long)]
        close_cases: bool,
        /// Do it: an erasure cannot be undone
        #[arg(long)]
        yes: bool,
    },
}

/// Finds the person whom a name or a mail address means. To erase one, the record must be given.
async fn found(client: &Client, given: Whom) -> Result<Whom, Failed> {
    let found = find::subject(client, given.as_str()).await?;
    Whom::new(found).map_err(|why| Failed::usage(anyhow!("subject: {why}")))
}

pub async fn run(daemon: &Daemon, command: Command, json: bool) -> Result<Ending, Failed> {
    let client = Client::find(daemon)?;
    match command {
        Command::Show { subject, reason } => {
            let subject = found(&client, subject).await?;
            let query = SubjectQuery { subject, reason };
            client.get_by::<SubjectReport>("/v1/subjects", &query).await?.show(json, show)?;
            Ok(Ending::Ok)
        }
        Command::Export { subject, reason, to } => {
            let subject = found(&client, subject).await?;
            let query = SubjectQuery { subject, reason };
            let report = client.get_by::<SubjectReport>("/v1/subjects", &query).await?.into_value();
            write(&to, &report)?;
            output::line(&format!("wrote {}", to.display()));
            Ok(Ending::Ok)
        }
        Command::Erase { subject, reason, close_cases, yes } => {
            if !yes {
                return Err(Failed::usage(anyhow!(
                    "an erasure cannot be undone; look at the data with `proofd subject show`, then add --yes"
                )));
            }
            let body = EraseSubject { subject, reason, close_cases };
            let answer = client.post::<Erased>("/v1/subjects/erase", &body).await?;
            let pending = !answer.read()?.pending.is_empty();
            answer.show(json, erased)?;
            Ok(if pending { Ending::NotWhole } else { Ending::Ok })
        }
    }
}

/// Writes a new file that only its owner can read.
fn write(path: &std::path::Path, report: &Value) -> Result<(), Failed> {
    use std::io::Write as _;
    let mut options = std::fs::File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let doing = || format!("while writing {}", path.display());
    let mut file = options.open(path).with_context(doing).map_err(Failed::no)?;
    let text = serde_json::to_string_pretty(report).with_context(doing).map_err(Failed::no)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).with_context(doing).map_err(Failed::no)
}

fn show(report: &SubjectReport) {
    output::line(&format!("{:>12}  {}", "person", report.names.join(", ")));
    for (title, items) in [
        ("case", &report.cases),
        ("event", &report.events),
        ("verdict", &report.verdicts),
        ("enrolment", &report.enrolments),
        ("document", &report.documents),
    ] {
        for item in items {
            output::line("");
            output::line(title);
            lines(item, 2);
        }
    }
    report.erasures.iter().for_each(certificate);
    others(&report.others);
}

/// Prints a value as indented lines: one member each.
fn lines(value: &Value, indent: usize) {
    let line = |label: &str, text: &str| {
        output::line(&format!("{:indent$}{label}: {}", "", output::visible(text)));
    };
    let nested = |label: &str, value: &Value| match value {
        Value::Null => {}
        Value::Object(members) if members.is_empty() => {}
        Value::Array(items) if items.is_empty() => {}
        Value::Object(_) | Value::Array(_) => {
            output::line(&format!("{:indent$}{label}:", ""));
            lines(value, indent + 2);
        }
        Value::String(text) => line(label, text),
        Value::Bool(_) | Value::Number(_) => line(label, &value.to_string()),
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(label, value)| nested(label, value)),
        Value::Array(items) => items.iter().for_each(|item| nested("-", item)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => nested("-", value),
    }
}

fn erased(erased: &Erased) {
    if erased.erased {
        output::line(&format!("erased {}", erased.subject));
    } else {
        output::line(&format!("nothing is left of {}", erased.subject));
    }
    if !erased.cases.is_empty() {
        let cases: Vec<&str> = erased.cases.iter().map(|id| id.as_str()).collect();
        output::line(&format!("{:>12}  {}", "skeletons", cases.join(", ")));
    }
    erased.certificate.iter().for_each(certificate);
    for deletion in &erased.deletions {
        let state = if deletion.done { "deleted" } else { "pending" };
        output::line(&format!("{:>12}  {state}: account {}", deletion.provider, deletion.account));
    }
    for pending in &erased.pending {
        output::line(&format!("{:>12}  {}", "pending", output::visible(pending)));
    }
    others(&erased.others);
}

fn certificate(erasure: &Erasure) {
    let counts: Vec<String> = erasure.counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
    output::line(&format!(
        "{:>12}  record {} of {}, by {}: {}",
        "certificate",
        erasure.entry,
        moment(erasure.at),
        output::visible(&erasure.by),
        output::visible(&erasure.reason)
    ));
    output::line(&format!("{:>12}  {}", "removed", counts.join(", ")));
    output::line(&format!("{:>12}  {} (salt {})", "digest", erasure.digest, erasure.salt));
}

fn others(others: &[String]) {
    if !others.is_empty() {
        output::line(&format!(
            "{:>12}  the same mail address is known as {}; these are other records, and stay",
            "note",
            others.join(", ")
        ));
    }
}
