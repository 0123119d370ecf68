//! `policy`: shows and changes the daemon's policies, and reloads them.

use std::collections::BTreeMap;

use clap::Subcommand;

use super::client::{Client, path};
use super::{Daemon, Ending, Failed, foreseen, output, when};
use crate::api::Page;
use crate::api::bounds::{PeopleLimit, Reason};
use crate::api::past::PastEnd;
use crate::api::policies::{
    DiffQuery, LastReload, PolicyLine, PolicyList, PolicyState, Reject, Release, Reload, Revert,
    RevisionDiff, RevisionLine, RevisionSheet,
};
use crate::api::shadow::{LiveCase, ShadowCase, ShadowPerson, ShadowQuery, ShadowReport};
use crate::model::{EffectKind, Timestamp};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List policies: active revision, mode, state, and how they differ from the tree
    #[command(after_help = "Example: proofd policy list")]
    List,
    /// Show a revision: state, effects, and why it is parked
    #[command(after_help = "Example: proofd policy show registration-proofing --revision waiting")]
    Show {
        /// Name of the policy
        policy: String,
        /// First digits of a revision, or `running`, `waiting` or `last` (running, or the last that ran)
        #[arg(long, default_value = "last")]
        revision: String,
        /// For a parked revision: how many people with a changed result to list
        #[arg(long, value_name = "COUNT", default_value_t = 20)]
        people: usize,
    },
    /// List every revision of a policy in the store
    #[command(after_help = "Example: proofd policy revisions registration-proofing")]
    Revisions {
        /// Name of the policy
        policy: String,
    },
    /// Compare two revisions: effects and files
    #[command(after_help = "Example: proofd policy diff registration-proofing running waiting")]
    Diff {
        /// Name of the policy
        policy: String,
        /// First digits of a revision, or `running` or `waiting`
        #[arg(default_value = "running")]
        from: String,
        /// First digits of a revision, or `running` or `waiting`
        #[arg(default_value = "waiting")]
        to: String,
    },
    /// Release a parked revision: it becomes active
    #[command(
        after_help = "Example: proofd policy release registration-proofing --reason 'agreed with legal'"
    )]
    Release {
        /// Name of the policy
        policy: String,
        /// Why; recorded in the journal
        #[arg(long, value_name = "TEXT")]
        reason: Reason,
        /// Release this revision only; refused if another one is parked now
        #[arg(long)]
        revision: Option<String>,
    },
    /// Reject a parked revision: the active one stays until the policy's files are edited again
    #[command(
        after_help = "Example: proofd policy reject registration-proofing --reason 'too short a grace'"
    )]
    Reject {
        /// Name of the policy
        policy: String,
        /// Why; recorded in the journal
        #[arg(long, value_name = "TEXT")]
        reason: Reason,
        /// Reject this revision only; refused if another one is parked now
        #[arg(long)]
        revision: Option<String>,
    },
    /// Revert to an older revision until the policy's files are edited again
    #[command(
        after_help = "Example: proofd policy revert registration-proofing 9f2c11aa --reason 'too many deletes'"
    )]
    Revert {
        /// Name of the policy
        policy: String,
        /// First digits of the revision
        revision: String,
        /// Why; recorded in the journal
        #[arg(long, value_name = "TEXT")]
        reason: Reason,
    },
    /// Compare a shadow policy with what happened, person by person
    #[command(after_help = "Example: proofd policy shadow login-risk-strict --limit 50")]
    Shadow {
        /// Name of the policy
        policy: String,
        /// How many people to list, newest first
        #[arg(long, default_value = "100")]
        limit: PeopleLimit,
    },
    /// Load the policy tree now; exits with 1 if a part of it is not active afterwards
    #[command(after_help = "Example: proofd policy reload")]
    Reload,
}

pub async fn run(daemon: &Daemon, command: Command, json: bool) -> Result<Ending, Failed> {
    let client = Client::find(daemon)?;
    match command {
        Command::List => client.get::<PolicyList>("/v1/policies").await?.show(json, list)?,
        Command::Show { policy, revision, people } => {
            let path = path(&["policies", &policy, "revisions", &revision]);
            client.get::<RevisionSheet>(&path).await?.show(json, |sheet| {
                shown(sheet);
                if let Some(past) = &sheet.foreseen {
                    foreseen::show(past, people);
                }
            })?;
        }
        Command::Diff { policy, from, to } => {
            let between = DiffQuery { from: Some(from), to: Some(to) };
            let diff = client.get_by::<RevisionDiff>(&path(&["policies", &policy, "diff"]), &between).await?;
            diff.show(json, |diff| {
                output::line(&format!("{} -> {}", diff.from, diff.to));
                output::line(&diff.text);
                output::line(diff.files.trim_end());
            })?;
        }
        Command::Release { policy, reason, revision } => {
            let path = path(&["policies", &policy, "release"]);
            let release = Release { reason, revision };
            client.post::<RevisionSheet>(&path, &release).await?.show(json, runs_now)?;
        }
        Command::Reject { policy, reason, revision } => {
            let path = path(&["policies", &policy, "reject"]);
            client.post::<RevisionSheet>(&path, &Reject { reason, revision }).await?.show(json, shown)?;
        }
        Command::Revert { policy, revision, reason } => {
            let path = path(&["policies", &policy, "revert"]);
            let revert = Revert { reason, revision };
            client.post::<RevisionSheet>(&path, &revert).await?.show(json, runs_now)?;
        }
        Command::Revisions { policy } => {
            let path = path(&["policies", &policy, "revisions"]);
            client.get::<Page<RevisionLine>>(&path).await?.show(json, taken_in)?;
        }
        Command::Shadow { policy, limit } => {
            let (path, query) = (path(&["policies", &policy, "shadow"]), ShadowQuery { limit: Some(limit) });
            client.get_by::<ShadowReport>(&path, &query).await?.show(json, shadow)?;
        }
        Command::Reload => return reload(&client, json).await,
    }
    Ok(Ending::Ok)
}

/// Reloads the tree and waits for the result.
async fn reload(client: &Client, json: bool) -> Result<Ending, Failed> {
    let report = client.post::<Reload>("/v1/policies/reload", &serde_json::json!({})).await?;
    report.show(json, |report| {
        if !report.text.is_empty() && report.reload.problem.as_ref() != Some(&report.text) {
            output::line(&report.text);
        }
        table(&report.policies);
        notes(&report.policies);
        parked(&report.policies);
        whole_tree(&report.reload);
    })?;
    Ok(if report.read()?.reload.ok { Ending::Ok } else { Ending::No })
}

/// What runs after a release or a revert, in a line.
fn runs_now(sheet: &RevisionSheet) {
    let revision = short(&sheet.revision);
    let state = sheet.status.as_ref().map(|status| status.state);
    let (policy, runs) = (&sheet.policy, sheet.runs);
    let text = match (state, runs) {
        (Some(PolicyState::Gone), _) => "is removed: it opens no cases, its open cases go on".to_owned(),
        (Some(PolicyState::Reverted), true) => {
            format!("revision {revision} is active until the policy's files are edited again")
        }
        (_, true) => format!("revision {revision} is active"),
        (_, false) => format!("revision {revision} is released, and not active"),
    };
    output::line(&format!("{policy}: {text}"));
    output::next(&format!("proofd policy show {policy}"));
}

fn short(revision: &str) -> String {
    revision.chars().take(8).collect()
}

fn taken_in(revisions: &Page<RevisionLine>) {
    let row = |line: &RevisionLine| {
        let runs = if line.active { "active" } else { "" };
        vec![line.revision.clone(), time(line.at), runs.to_owned()]
    };
    let rows: Vec<_> = revisions.items.iter().map(row).collect();
    output::table(&["REVISION", "FIRST RAN", ""], &rows);
}

fn shown(sheet: &RevisionSheet) {
    let runs = if sheet.runs { ", active" } else { ", not active" };
    output::line(&format!("revision {}{runs}", sheet.revision));
    if let Some(status) = &sheet.status {
        match &status.waiting {
            // The reasons are those of the tree's revision, whichever revision is shown.
            Some(waiting) if *waiting != sheet.revision => {
                output::line(&format!("revision {} of the tree is not active, because it", short(waiting)));
            }
            Some(_) => output::line(&format!("state {}, because it", status.state.word())),
            None => output::line(&format!("state {}", status.state.word())),
        }
        why(&status.why);
        if status.state == PolicyState::NeedsRelease {
            output::next(&format!("proofd policy release {} --reason TEXT", sheet.policy));
        }
    }
    for note in &sheet.notes {
        output::line(&output::visible(note));
        for file in &sheet.files {
            output::line(&format!("  {}", output::visible(file)));
        }
    }
    output::line(&sheet.text);
}

/// Prints why the tree's revision is not active.
fn why(reasons: &[String]) {
    for why in reasons {
        output::line(&format!("  {}", output::visible(why)));
    }
}

fn shadow(report: &ShadowReport) {
    output::line(&format!(
        "{}: {} people; effects it would have had: {}; effects of live cases of the same events: {}; unknown for {}",
        report.policy,
        report.people,
        counts(&report.would),
        counts(&report.happened),
        report.unknown,
    ));
    for person in &report.items {
        let ShadowPerson { subject, would, happened, same } = person;
        let same = match same {
            Some(true) => "same effects",
            Some(false) => "different effects",
            None => "unknown to the end",
        };
        print_line(0, &format!("{subject}: {same}"));
        would.iter().for_each(would_be);
        for LiveCase { case, policy, end, did, same_event: _ } in happened {
            let did: Vec<_> = did.iter().map(|effect| effect.word()).collect();
            print_line(1, &format!("{policy} case {case}: {}, effects: {}", end.words(), list_of(&did)));
        }
    }
}

fn would_be(case: &ShadowCase) {
    print_line(1, &format!("would have opened a case at {}", time(case.opened_at)));
    for line in &case.lines {
        print_line(
            2,
            &format!("{} {}: {}", time(line.at), line.step.as_deref().unwrap_or_default(), line.would),
        );
    }
    match &case.end {
        PastEnd::Closed { .. } => {}
        PastEnd::Unknown { .. } | PastEnd::InGrace { .. } | PastEnd::Open { .. } => {
            print_line(2, &format!("end of the record: {}", case.end.words()));
        }
    }
    if case.assumed {
        print_line(2, "the person is assumed to have stayed as last seen");
    }
}

fn print_line(depth: usize, line: &str) {
    output::line(&format!("{}{}", "  ".repeat(depth), output::visible(line)));
}

fn time(at: Timestamp) -> String {
    when::moment(at)
}

fn counts(of: &BTreeMap<EffectKind, usize>) -> String {
    let counts: Vec<_> = of.iter().map(|(effect, count)| format!("{} {count}", effect.word())).collect();
    list_of(&counts.iter().map(String::as_str).collect::<Vec<_>>())
}

fn list_of(words: &[&str]) -> String {
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

fn list(policies: &PolicyList) {
    let PolicyList { items, last_reload, .. } = policies;
    table(items);
    let verdict =
        if last_reload.ok { "the whole tree is active" } else { "a part of the tree is not active" };
    for PolicyLine { status, .. } in items.iter().filter(|policy| policy.status.waiting.is_none()) {
        if status.state == PolicyState::NeedsRelease {
            output::line(&format!(
                "{}: stays active until its removal is released (needs_release)",
                status.name
            ));
            why(&status.why);
        }
    }
    for PolicyLine { status, .. } in items {
        let Some(waiting) = &status.waiting else { continue };
        let (name, state) = (&status.name, status.state.word());
        output::line(&format!("{name}: revision {} of the tree is not active ({state})", short(waiting)));
        why(&status.why);
    }
    notes(items);
    parked(items);
    let at = last_reload.at.map(time).unwrap_or_default();
    output::line(&format!("last reload {at}: {verdict}"));
    whole_tree(last_reload);
    for found in &last_reload.diagnostics {
        let place = &found.place;
        output::line(&format!("  {}:{}:{}: {}", place.file, place.line, place.column, found.message));
    }
}

/// Prints how to look at and release the first parked revision.
fn parked(policies: &[PolicyLine]) {
    let first = policies.iter().find(|policy| policy.status.state == PolicyState::NeedsRelease);
    if let Some(PolicyLine { status, .. }) = first {
        let name = &status.name;
        output::next(&format!(
            "proofd policy show {name} --revision waiting, then proofd policy release {name} --reason TEXT"
        ));
    }
}

fn notes(policies: &[PolicyLine]) {
    for policy in policies {
        for note in &policy.notes {
            output::line(&format!("{}: {note}", policy.status.name));
        }
    }
}

/// Prints why the tree was not loaded.
fn whole_tree(reload: &LastReload) {
    if let Some(problem) = &reload.problem {
        output::line(&format!("nothing of the tree was loaded: {}", output::visible(problem)));
        output::line("the policies above stay active");
    }
}

fn table(policies: &[PolicyLine]) {
    let row = |PolicyLine { status, .. }: &PolicyLine| {
        let mode = status.mode.map(|mode| mode.word().to_owned());
        let revision = status.revision.as_ref().map(|revision| revision.chars().take(8).collect());
        vec![
            status.name.clone(),
            mode.unwrap_or_default(),
            revision.unwrap_or_default(),
            status.state.word().to_owned(),
            status.title.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = policies.iter().map(row).collect();
    output::table(&["POLICY", "MODE", "REVISION", "STATE", "TITLE"], &rows);
}
