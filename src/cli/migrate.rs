//! `case migrate`: shows where open cases would be in another revision, and moves them.

use anyhow::anyhow;
use clap::Args;
use reqwest::StatusCode;
use serde_json::json;

use super::client::{Client, path};
use super::{Ending, Failed, find, output, when};
use crate::api::Page;
use crate::api::bounds::{CaseCursor, CaseLimit, Reason};
use crate::api::cases::{CaseLine, CaseQuery, StateFilter};
use crate::api::migrations::{Migrate, MigrateQuery, MigrationLine};
use crate::api::policies::{PolicyList, RevisionLine};
use crate::model::Timestamp;
use crate::policy::diagnostic::nearest;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The cases: beginnings of their ids, or names, mail addresses or records of their people
    #[arg(required_unless_present = "policy")]
    cases: Vec<String>,
    /// All open cases of this policy
    #[arg(long, conflicts_with = "cases")]
    policy: Option<String>,
    /// First digits of the revision to move to, or `running`
    #[arg(long, value_name = "REVISION", default_value = "running")]
    to: String,
    /// Move the cases; without it nothing changes
    #[arg(long, requires = "reason")]
    apply: bool,
    /// Why; recorded in the journal
    #[arg(long, value_name = "TEXT")]
    reason: Option<Reason>,
}

/// Runs the command; the exit code is 1 if a case cannot be moved.
pub async fn run(client: &Client, arguments: Arguments, json: bool) -> Result<Ending, Failed> {
    let Arguments { mut cases, policy, to, apply, reason } = arguments;
    if let Some(policy) = policy {
        cases = open_cases(client, &policy).await?;
        if cases.is_empty() {
            known(client, &policy).await?;
            if json {
                output::json(&json!({ "items": [] }));
            } else {
                output::line(&format!("{policy} has no open cases"));
            }
            return Ok(Ending::Ok);
        }
    }
    let mut lines = Vec::new();
    for case in cases {
        let case = find::case(client, &case).await?;
        let path = path(&["cases", &case, "migrate"]);
        let (move_to, preview) =
            (Migrate { to: to.clone(), reason: reason.clone() }, MigrateQuery { preview: true });
        let seen = client.post_by::<MigrationLine>(&path, &preview, &move_to).await?.read()?;
        if !apply || !seen.can {
            lines.push(seen);
            continue;
        }
        lines.push(match client.try_post::<MigrationLine>(&path, &move_to).await? {
            Ok(moved) => moved.read()?,
            // The case changed between preview and move; the other cases are still moved.
            Err(refused) => MigrationLine { can: false, why_not: Some(refused.problem.detail), ..seen },
        });
    }
    let all = lines.iter().all(|line| line.can);
    if json {
        output::json(&json!({ "items": lines }));
    } else {
        table(&lines);
        let can = lines.iter().filter(|line| line.can).count();
        let done = if apply { "moved" } else { "can be moved; move them with --apply --reason TEXT" };
        output::line(&format!("{can} of {} {done}", lines.len()));
    }
    Ok(if all { Ending::Ok } else { Ending::No })
}

/// Reports an unknown policy name as an error, to distinguish it from a policy without cases.
async fn known(client: &Client, policy: &str) -> Result<(), Failed> {
    let list = client.get::<PolicyList>("/v1/policies").await?.read()?;
    let names = list.items.iter().map(|policy| policy.status.name.as_str());
    if names.clone().any(|name| name == policy) {
        return Ok(());
    }
    // A policy that was removed from the tree still has revisions.
    match client.try_get::<Page<RevisionLine>>(&path(&["policies", policy, "revisions"]), &()).await? {
        Err(refused) if refused.status == StatusCode::NOT_FOUND => {
            Err(Failed::no(anyhow!("unknown policy {policy}; {}", nearest(policy, names))))
        }
        answer => Ok(answer.map(|_| ())?),
    }
}

/// The open cases of a policy, including those that already have the target revision: their lines report that.
async fn open_cases(client: &Client, policy: &str) -> Result<Vec<String>, Failed> {
    let mut cases = Vec::new();
    let mut query = CaseQuery {
        policy: Some(policy.to_owned()),
        state: Some(StateFilter::Open),
        limit: Some(CaseLimit::nearest(200)),
        ..CaseQuery::default()
    };
    loop {
        let page = client.get_by::<Page<CaseLine>>("/v1/cases", &query).await?.read()?;
        cases.extend(page.items.into_iter().map(|case| case.id.0));
        let Some(next) = page.next else { return Ok(cases) };
        query.cursor =
            Some(CaseCursor::new(next).map_err(|why| Failed::unreachable(anyhow!("cursor: {why}")))?);
    }
}

fn table(lines: &[MigrationLine]) {
    let time = |at: Option<Timestamp>| at.map(when::moment);
    let row = |line: &MigrationLine| {
        let next = [("remind", line.remind_then), ("escalate", line.escalate_then)];
        let next = next.iter().find_map(|(word, at)| Some(format!("{word} {}", time(*at)?)));
        vec![
            line.case.to_string(),
            output::short_name(&line.subject.name.0),
            line.step_now.clone().unwrap_or_default(),
            line.step_then.clone().unwrap_or_default(),
            time(line.due_now).unwrap_or_default(),
            time(line.due_then).unwrap_or_default(),
            next.unwrap_or_default(),
            line.overdue.join(", "),
            line.why_not.as_ref().map_or_else(|| line.notes.join("; "), |why| format!("cannot move: {why}")),
        ]
    };
    output::table(
        &["CASE", "PERSON", "STEP", "NEW STEP", "DUE", "NEW DUE", "NEXT", "OVERDUE", "NOTES"],
        &lines.iter().map(row).collect::<Vec<_>>(),
    );
}
