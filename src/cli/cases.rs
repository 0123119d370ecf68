//! `case`, `limits` and `hold`: show cases and change them.

use clap::Subcommand;
use serde::Serialize;

use super::client::{Client, path};
use super::{Daemon, Ending, Failed, case_list, case_show, find, output, sentences, when};
use crate::api::Page;
use crate::api::bounds::{Reason, Whom};
use crate::api::cases::{
    CaseLine, CaseSheet, Decide, MayReason, OverLimitLine, Reasoned, StartCase, Started,
};
use crate::api::holds::{HoldLine, HoldQuery, HoldTarget};
use crate::model::{CaseState, SubjectRef, Timestamp};
use crate::policy::outcome::OwnResult;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List cases, newest first; reviews that are due first
    #[command(after_help = "Example: proofd case list --state in_review --queue identity-desk")]
    List(case_list::Arguments),
    /// Show a case: evidence, what happens next, open decisions, and its story
    #[command(after_help = "Example: proofd case show ada@example.com")]
    Show {
        /// The case: the beginning of its id, or a name, mail address, user name or record of its person
        case: String,
        /// Show every entry of the journal instead of the story
        #[arg(long)]
        raw: bool,
    },
    /// Decide a review or an objection
    #[command(after_help = "Example: proofd case decide CASE approve --reason 'seen in person'")]
    Decide {
        /// The case: the beginning of its id, or a name, mail address, user name or record of its person
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
        /// The case: the beginning of its id, or a name, mail address, user name or record of its person
        case: String,
    },
    /// Release the claim of a review
    #[command(alias = "give-back", after_help = "Example: proofd case release CASE")]
    Release {
        /// The case: the beginning of its id, or a name, mail address, user name or record of its person
        case: String,
    },
    /// Retry the failed effect of a stuck case
    #[command(after_help = "Example: proofd case retry CASE --reason 'the role exists again'")]
    Retry {
        /// The case: the beginning of its id, or a name, mail address, user name or record of its person
        case: String,
        /// Why; recorded in the journal
        #[arg(long, value_name = "TEXT")]
        reason: Reason,
    },
    /// Cancel a case; no further effects
    #[command(after_help = "Example: proofd case cancel CASE --reason 'opened by mistake'")]
    Cancel {
        /// The case: the beginning of its id, or a name, mail address, user name or record of its person
        case: String,
        /// Why; recorded in the journal
        #[arg(long, value_name = "TEXT")]
        reason: Reason,
    },
    /// Undo an effect in grace before it happens, and close the case
    #[command(after_help = "Example: proofd case undo CASE --reason 'the person called'")]
    Undo {
        /// The case: the beginning of its id, or a name, mail address, user name or record of its person
        case: String,
        /// Why; recorded in the journal
        #[arg(long, value_name = "TEXT")]
        reason: Reason,
    },
    /// Send the reminder now
    #[command(after_help = "Example: proofd case remind CASE --reason 'back from leave'")]
    Remind {
        /// The case: the beginning of its id, or a name, mail address, user name or record of its person
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
        /// The person: a record such as user/17 or registration/17, or a name or mail address of a person with a case
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
        /// Only holds of this person: a record such as user/17, an id, a name, or a mail address
        #[arg(long)]
        subject: Option<String>,
    },
    /// Lift the holds of a case, open or closed
    #[command(after_help = "Example: proofd hold lift CASE --reason 'identity confirmed in person'")]
    Lift {
        /// The case: the beginning of its id, or a name, mail address, user name or record of its person
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
        /// The case: the beginning of its id, or a name, mail address, user name or record of its person
        case: String,
        /// Why; recorded in the journal
        #[arg(long, value_name = "TEXT")]
        reason: Reason,
    },
    /// Drop an effect over a limit: it does not happen, and the case closes
    #[command(after_help = "Example: proofd limits drop CASE --reason 'the feed was wrong'")]
    Drop {
        /// The case: the beginning of its id, or a name, mail address, user name or record of its person
        case: String,
        /// Why; recorded in the journal
        #[arg(long, value_name = "TEXT")]
        reason: Reason,
    },
}

pub async fn run(daemon: &Daemon, command: Command, json: bool) -> Result<Ending, Failed> {
    let client = Client::find(daemon)?;
    let order = async |case: &str, word: &str, reason: Reason| {
        let case = find::case(&client, case).await?;
        changed(&client, &case, &path(&["cases", &case, word]), &Reasoned { reason }, json).await
    };
    let claim = async |case: &str, word: &str| {
        let case = find::case(&client, case).await?;
        changed(&client, &case, &path(&["cases", &case, word]), &MayReason::default(), json).await
    };
    match command {
        Command::List(arguments) => case_list::run(&client, arguments, json).await?,
        Command::Show { case, raw } => {
            let case = find::case(&client, &case).await?;
            case_show::run(&client, &case, raw, json).await?;
        }
        Command::Decide { case, decision, reason } => {
            let case = find::case(&client, &case).await?;
            let path = path(&["cases", &case, "decisions"]);
            changed(&client, &case, &path, &Decide { decision, reason }, json).await?;
        }
        Command::Claim { case } => claim(&case, "claim").await?,
        Command::Release { case } => claim(&case, "release").await?,
        Command::Retry { case, reason } => order(&case, "retry", reason).await?,
        Command::Cancel { case, reason } => order(&case, "cancel", reason).await?,
        Command::Undo { case, reason } => order(&case, "undo", reason).await?,
        Command::Remind { case, reason } => order(&case, "remind", reason).await?,
        Command::Migrate(arguments) => return super::migrate::run(&client, arguments, json).await,
        Command::Start { policy, subject, reason } => {
            let found = match subject.parse::<SubjectRef>() {
                Ok(reference) => Ok(reference),
                Err(why) => find::subject(&client, &subject).await?.parse().map_err(|_| why),
            };
            let subject = found.map_err(|why| Failed::usage(anyhow::anyhow!("subject: {why}")))?;
            let start = StartCase { policy, subject, reason };
            let started = client.post::<Started>("/v1/cases", &start).await?;
            started.show(json, |started| {
                output::line(started.id.as_str());
                output::next(&format!("proofd case show {}", find::short(&started.id)));
            })?;
        }
    }
    Ok(Ending::Ok)
}

pub async fn limits(daemon: &Daemon, command: Limits, json: bool) -> Result<Ending, Failed> {
    let client = Client::find(daemon)?;
    let (case, word, reason) = match command {
        Limits::List => {
            client.get::<Page<OverLimitLine>>("/v1/limits").await?.show(json, |over| {
                over_limit(&over.items, client.now());
            })?;
            return Ok(Ending::Ok);
        }
        Limits::Release { case, reason } => (case, "release", reason),
        Limits::Drop { case, reason } => (case, "drop", reason),
    };
    let case = find::case(&client, &case).await?;
    changed(&client, &case, &path(&["limits", &case, word]), &Reasoned { reason }, json).await?;
    Ok(Ending::Ok)
}

fn over_limit(items: &[OverLimitLine], now: Timestamp) {
    if items.is_empty() {
        output::line("Nothing is over a limit.");
        return;
    }
    let ids = find::short_ids(&items.iter().map(|line| &line.id).collect::<Vec<_>>());
    let row = |(id, line): (&String, &OverLimitLine)| {
        let (who, effect) = (output::short_name(&line.subject.name.0), line.action.word().to_owned());
        vec![id.clone(), who, line.policy.clone(), effect, when::distance(line.since, now)]
    };
    let rows: Vec<_> = ids.iter().zip(items).map(row).collect();
    output::fitted(&["CASE", "WHO", "POLICY", "EFFECT", "SINCE"], &rows, &[2, 1]);
    output::next("proofd limits release CASE --reason TEXT, or proofd limits drop CASE --reason TEXT");
}

pub async fn holds(daemon: &Daemon, command: Hold, json: bool) -> Result<Ending, Failed> {
    let client = Client::find(daemon)?;
    match command {
        Hold::List { subject } => {
            let subject = match subject {
                Some(given) => {
                    let found = find::subject(&client, &given).await?;
                    Some(Whom::new(found).map_err(|why| Failed::usage(anyhow::anyhow!("--subject: {why}")))?)
                }
                None => None,
            };
            let holds = client.get_by::<Page<HoldLine>>("/v1/holds", &HoldQuery { subject }).await?;
            holds.show(json, |holds| {
                if holds.items.is_empty() {
                    output::line("No holds.");
                    return;
                }
                let rows: Vec<_> = holds.items.iter().map(|line| hold(line, client.now())).collect();
                output::fitted(&["RECORD", "HOLD", "CASE", "POLICY", "SINCE", "CASE IS"], &rows, &[3, 1]);
                output::next("proofd hold lift CASE --reason TEXT");
            })?;
        }
        Hold::Lift { case, reason } => {
            let case = find::case(&client, &case).await?;
            changed(&client, &case, &path(&["cases", &case, "lift"]), &Reasoned { reason }, json).await?;
        }
    }
    Ok(Ending::Ok)
}

fn hold(line: &HoldLine, now: Timestamp) -> Vec<String> {
    let held = match &line.hold.what {
        HoldTarget::Account => "account suspended".to_owned(),
        HoldTarget::Role(role) => format!("role {role} withheld"),
    };
    let case = if line.case_closed { "closed" } else { "open" };
    vec![
        line.subject.to_string(),
        held,
        find::short(&line.case).to_owned(),
        line.policy.clone(),
        when::distance(line.hold.since, now),
        case.to_owned(),
    ]
}

/// Sends a change request and prints where the case and the person are now, and how to go on.
async fn changed(
    client: &Client,
    case: &str,
    change: &str,
    body: &impl Serialize,
    json: bool,
) -> Result<(), Failed> {
    let answer = client.post::<CaseLine>(change, body).await?;
    if json {
        return answer.show(true, |_| {});
    }
    let line = answer.read()?;
    let now = client.now();
    let (id, name) = (find::short(&line.id), output::short_name(&line.subject.name.0));
    let state = sentences::state(line.state);
    if line.state != CaseState::Closed {
        let waits = case_list::without_times(&line.waiting_for);
        let until = line.due_at.map(|at| format!(", until {}", when::when(at, now))).unwrap_or_default();
        output::line(&format!("{id}  {name}: {state}, waiting for {}{until}", output::visible(&waits)));
        output::next(&format!("proofd case show {id}"));
        return Ok(());
    }
    let result = line.result.clone().unwrap_or_default();
    output::line(&format!("{id}  {name}: closed ({result})"));
    // What the case leaves behind at the identity provider.
    let sheet = client.get::<CaseSheet>(&path(&["cases", case])).await?.read()?;
    let (record, policy) = (find::reference(&line), &line.policy);
    if result == OwnResult::Undone.word() || result == OwnResult::Dropped.word() {
        output::line(&format!("the effect did not happen: {record} is as it was before"));
    }
    if sheet.holds.is_empty() {
        output::next(&format!("a new case: proofd case start {policy} {record} --reason TEXT"));
    } else {
        output::line(&format!("{} holds of the case stay on {record}", sheet.holds.len()));
        output::next(&format!("proofd hold lift {id} --reason TEXT"));
    }
    Ok(())
}
