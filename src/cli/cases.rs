//! `case`, `limits` and `hold`: show cases and change them.

use std::collections::BTreeSet;

use clap::Subcommand;
use serde::Serialize;
use serde_json::{Value, json};

use super::client::{Client, path};
use super::{Daemon, Ending, Failed, output};
use crate::api::Page;
use crate::api::bounds::{CaseCursor, CaseLimit, EntryLimit, Reason, Whom};
use crate::api::cases::{
    CaseLine, CaseQuery, CaseSheet, Decide, MayReason, OverLimitLine, Reasoned, StartCase, Started,
    StateFilter,
};
use crate::api::holds::{HoldLine, HoldQuery, HoldTarget};
use crate::api::journal::{Entry, JournalPage};
use crate::model::{SubjectRef, Timestamp};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List cases, newest first
    #[command(after_help = "Example: proofd case list --state in_review --queue identity-desk")]
    List {
        /// Only this state: running, waiting, in_review, in_grace, over_limit, stuck, closed, or open (all but closed)
        #[arg(long)]
        state: Option<StateFilter>,
        /// Only cases of this policy
        #[arg(long)]
        policy: Option<String>,
        /// Only cases of this subject id
        #[arg(long)]
        subject: Option<String>,
        /// Only cases that closed with this result
        #[arg(long)]
        outcome: Option<String>,
        /// Only cases with this text in the name, the mail address or the case id
        #[arg(long)]
        text: Option<String>,
        /// Only reviews of this queue
        #[arg(long)]
        queue: Option<String>,
        /// Only reviews that this token or person claimed; empty: unclaimed reviews
        #[arg(long)]
        assignee: Option<String>,
        /// Only the case with this execution or account id of the verification provider
        #[arg(long)]
        vendor: Option<String>,
        /// Continue a list; printed at the end of a page
        #[arg(long)]
        cursor: Option<CaseCursor>,
        /// Cases per page
        #[arg(long)]
        limit: Option<CaseLimit>,
    },
    /// Show a case with its journal
    #[command(after_help = "Example: proofd case show CASE")]
    Show {
        /// Id of the case
        case: String,
    },
    /// Decide a review or an objection
    #[command(after_help = "Example: proofd case decide CASE approve --reason 'seen in person'")]
    Decide {
        /// Id of the case
        case: String,
        /// One of the decisions that `case show` lists
        decision: String,
        /// Why; recorded in the journal, required by some decisions
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Claim a review for 30 minutes
    #[command(alias = "take", after_help = "Example: proofd case claim CASE")]
    Claim {
        /// Id of the case
        case: String,
    },
    /// Release the claim of a review
    #[command(alias = "give-back", after_help = "Example: proofd case release CASE")]
    Release {
        /// Id of the case
        case: String,
    },
    /// Retry the failed effect of a stuck case
    #[command(after_help = "Example: proofd case retry CASE --reason 'the role exists again'")]
    Retry {
        /// Id of the case
        case: String,
        /// Why; recorded in the journal
        #[arg(long, value_name = "TEXT")]
        reason: Reason,
    },
    /// Cancel a case; no further effects
    #[command(after_help = "Example: proofd case cancel CASE --reason 'opened by mistake'")]
    Cancel {
        /// Id of the case
        case: String,
        /// Why; recorded in the journal
        #[arg(long, value_name = "TEXT")]
        reason: Reason,
    },
    /// Undo an effect in grace before it happens, and close the case
    #[command(after_help = "Example: proofd case undo CASE --reason 'the person called'")]
    Undo {
        /// Id of the case
        case: String,
        /// Why; recorded in the journal
        #[arg(long, value_name = "TEXT")]
        reason: Reason,
    },
    /// Send the reminder now
    #[command(after_help = "Example: proofd case remind CASE --reason 'back from leave'")]
    Remind {
        /// Id of the case
        case: String,
        /// Why; recorded in the journal
        #[arg(long, value_name = "TEXT")]
        reason: Reason,
    },
    /// Show where open cases would be in another revision of their policy; move them with --apply
    #[command(after_help = "Example: proofd case migrate --policy registration-proofing")]
    Migrate(super::migrate::Arguments),
    /// Open a case by hand
    #[command(
        after_help = "Example: proofd case start support-reverification user/17 --reason 'asked for a new phone'"
    )]
    Start {
        /// A policy with `manual: true` under `when`
        policy: String,
        /// Reference of the person: user/ID or registration/ID
        subject: String,
        /// Why; recorded in the journal
        #[arg(long, value_name = "TEXT")]
        reason: Reason,
    },
}

#[derive(Debug, Subcommand)]
pub enum Hold {
    /// List holds, with the cases that placed them
    #[command(after_help = "Example: proofd hold list --subject 17")]
    List {
        /// Only holds of this person: an id, or a reference such as user/17
        #[arg(long)]
        subject: Option<Whom>,
    },
    /// Lift the holds of a case, open or closed
    #[command(after_help = "Example: proofd hold lift CASE --reason 'identity confirmed in person'")]
    Lift {
        /// Id of the case
        case: String,
        /// Why; recorded in the journal
        #[arg(long, value_name = "TEXT")]
        reason: Reason,
    },
}

#[derive(Debug, Subcommand)]
pub enum Limits {
    /// List effects over a limit
    #[command(after_help = "Example: proofd limits list")]
    List,
    /// Release an effect over a limit: it happens
    #[command(after_help = "Example: proofd limits release CASE --reason 'checked with HR'")]
    Release {
        /// Id of the case
        case: String,
        /// Why; recorded in the journal
        #[arg(long, value_name = "TEXT")]
        reason: Reason,
    },
    /// Drop an effect over a limit: it does not happen, and the case closes
    #[command(after_help = "Example: proofd limits drop CASE --reason 'the feed was wrong'")]
    Drop {
        /// Id of the case
        case: String,
        /// Why; recorded in the journal
        #[arg(long, value_name = "TEXT")]
        reason: Reason,
    },
}

pub async fn run(daemon: &Daemon, command: Command, json: bool) -> Result<Ending, Failed> {
    let client = Client::find(daemon)?;
    let order = async |case: &str, word: &str, reason: Reason| {
        let path = path(&["cases", case, word]);
        changed(&client, &path, &Reasoned { reason }, json).await
    };
    let claim = async |case: &str, word: &str| {
        changed(&client, &path(&["cases", case, word]), &MayReason::default(), json).await
    };
    match command {
        Command::List { state, policy, subject, outcome, text, queue, assignee, vendor, cursor, limit } => {
            let query =
                CaseQuery { policy, subject, state, outcome, text, queue, assignee, vendor, cursor, limit };
            client.get_by::<Page<CaseLine>>("/v1/cases", &query).await?.show(json, list)?;
        }
        Command::Show { case } => show(&client, &case, json).await?,
        Command::Decide { case, decision, reason } => {
            let path = path(&["cases", &case, "decisions"]);
            changed(&client, &path, &Decide { decision, reason }, json).await?;
        }
        Command::Claim { case } => claim(&case, "claim").await?,
        Command::Release { case } => claim(&case, "release").await?,
        Command::Retry { case, reason } => order(&case, "retry", reason).await?,
        Command::Cancel { case, reason } => order(&case, "cancel", reason).await?,
        Command::Undo { case, reason } => order(&case, "undo", reason).await?,
        Command::Remind { case, reason } => order(&case, "remind", reason).await?,
        Command::Migrate(arguments) => return super::migrate::run(&client, arguments, json).await,
        Command::Start { policy, subject, reason } => {
            let subject: SubjectRef =
                subject.parse().map_err(|why: String| Failed::usage(anyhow::anyhow!("subject: {why}")))?;
            let start = StartCase { policy, subject, reason };
            let started = client.post::<Started>("/v1/cases", &start).await?;
            started.show(json, |started| output::line(started.id.as_str()))?;
        }
    }
    Ok(Ending::Ok)
}

pub async fn limits(daemon: &Daemon, command: Limits, json: bool) -> Result<Ending, Failed> {
    let client = Client::find(daemon)?;
    let (case, word, reason) = match command {
        Limits::List => {
            client.get::<Page<OverLimitLine>>("/v1/limits").await?.show(json, |over| {
                let rows = over.items.iter().map(|line| {
                    let (id, action) = (line.id.to_string(), line.action.word().to_owned());
                    vec![id, line.policy.clone(), action, to_the_second(line.since)]
                });
                output::table(&["CASE", "POLICY", "ACTION", "SINCE"], &rows.collect::<Vec<_>>());
            })?;
            return Ok(Ending::Ok);
        }
        Limits::Release { case, reason } => (case, "release", reason),
        Limits::Drop { case, reason } => (case, "drop", reason),
    };
    changed(&client, &path(&["limits", &case, word]), &Reasoned { reason }, json).await?;
    Ok(Ending::Ok)
}

pub async fn holds(daemon: &Daemon, command: Hold, json: bool) -> Result<Ending, Failed> {
    let client = Client::find(daemon)?;
    match command {
        Hold::List { subject } => {
            let holds = client.get_by::<Page<HoldLine>>("/v1/holds", &HoldQuery { subject }).await?;
            holds.show(json, |holds| {
                let rows: Vec<_> = holds.items.iter().map(hold).collect();
                output::table(&["SUBJECT", "HOLD", "CASE", "POLICY", "SINCE", "CASE STATE"], &rows);
            })?;
        }
        Hold::Lift { case, reason } => {
            changed(&client, &path(&["cases", &case, "lift"]), &Reasoned { reason }, json).await?;
        }
    }
    Ok(Ending::Ok)
}

fn hold(line: &HoldLine) -> Vec<String> {
    let held = match &line.hold.what {
        HoldTarget::Account => "suspended".to_owned(),
        HoldTarget::Role(role) => format!("role {role}"),
    };
    let case = if line.case_closed { "closed" } else { "open" };
    vec![
        line.subject.id.clone(),
        held,
        line.case.to_string(),
        line.policy.clone(),
        to_the_second(line.hold.since),
        case.to_owned(),
    ]
}

/// Sends a change request and prints the resulting case.
async fn changed(client: &Client, path: &str, body: &impl Serialize, json: bool) -> Result<(), Failed> {
    client.post::<CaseLine>(path, body).await?.show(json, |case| {
        let result = case.result.as_ref().map(|result| format!(" ({result})")).unwrap_or_default();
        output::line(&format!("{}: {}{result}", case.id, case.state.word()));
    })
}

fn list(cases: &Page<CaseLine>) {
    let row = |case: &CaseLine| {
        vec![
            case.id.to_string(),
            case.policy.clone(),
            output::short_name(&case.subject.name.0),
            case.state.word().to_owned(),
            case.waiting_for.clone(),
            case.result.clone().unwrap_or_default(),
            case.due_at.map(to_the_second).unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = cases.items.iter().map(row).collect();
    output::table(&["CASE", "POLICY", "PERSON", "STATE", "WAITING FOR", "RESULT", "DUE"], &rows);
    let troubles: BTreeSet<_> = cases.items.iter().filter_map(|case| case.trouble.as_ref()).collect();
    for trouble in troubles {
        output::line(&format!("cannot continue: {}", output::visible(trouble)));
    }
    if let Some(next) = &cases.next {
        output::line(&format!("more: --cursor {next}"));
    }
}

async fn show(client: &Client, case: &str, json: bool) -> Result<(), Failed> {
    let sheet = client.get::<CaseSheet>(&path(&["cases", case])).await?;
    let page = JournalPage { cursor: None, limit: Some(EntryLimit::nearest(usize::MAX)) };
    let journal = client.get_by::<Page<Entry>>(&path(&["cases", case, "journal"]), &page).await?;
    if json {
        output::json(&json!({ "case": sheet.into_value(), "journal": journal.into_value()["items"] }));
        return Ok(());
    }
    let CaseSheet { line, decisions_allowed, stuck_because, .. } = sheet.read()?;
    for (label, value) in [
        ("case", Some(line.id.0)),
        ("policy", Some(line.policy)),
        ("revision", Some(line.revision)),
        ("person", Some(output::name(&line.subject.name.0))),
        ("subject", Some(line.subject.id)),
        ("state", Some(line.state.word().to_owned())),
        ("waiting for", Some(line.waiting_for)),
        ("due", line.due_at.map(to_the_second)),
        ("result", line.result),
        ("stuck because", stuck_because),
        ("error", line.trouble),
    ] {
        if let Some(value) = value {
            output::line(&format!("{label:>14}  {}", output::visible(&value)));
        }
    }
    if !decisions_allowed.is_empty() {
        output::line(&format!("{:>14}  {}", "decisions", decisions_allowed.join(", ")));
    }
    output::line("");
    for entry in journal.read()?.items {
        let (what, rest) = parts(&entry);
        output::line(&format!(
            "{:>4}  {}  {:<24} {what:<16} {}",
            entry.number,
            to_the_second(entry.at),
            entry.step.unwrap_or_default(),
            output::visible(&rest)
        ));
    }
    Ok(())
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

/// A time without fractions of a second; `--json` prints the full value.
pub fn to_the_second(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}
