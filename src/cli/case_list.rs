//! `case list`: who, policy, state, what next and in how long, in the width of the terminal.

use std::collections::BTreeSet;

use anyhow::anyhow;
use clap::Args;

use super::client::Client;
use super::{Failed, find, output, sentences, when};
use crate::api::Page;
use crate::api::bounds::{CaseCursor, CaseLimit};
use crate::api::cases::{CaseLine, CaseQuery, Filters, StateFilter};
use crate::model::{CaseState, Timestamp};
use crate::policy::diagnostic::nearest;

/// Reviews that are read to show those due first.
const MOST_REVIEWS: usize = 2_000;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Only this state: running, waiting, in_review, in_grace, over_limit, stuck, closed, or open (all but closed)
    #[arg(long, value_parser = state)]
    state: Option<StateFilter>,
    /// Only cases of this policy
    #[arg(long)]
    policy: Option<String>,
    /// Only cases of this person: a record such as user/17, an id, a name, or a mail address
    #[arg(long)]
    subject: Option<String>,
    /// Only cases that closed with this result
    #[arg(long)]
    outcome: Option<String>,
    /// Only cases whose name, mail address, user name or id begins with this text
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
    /// Show whole ids, the record, and when the case opened; lines may be wider than the terminal
    #[arg(long)]
    wide: bool,
}

/// Parses a state. The error lists the states.
fn state(word: &str) -> Result<StateFilter, String> {
    word.parse().map_err(|_| {
        let words = ["open", "running", "waiting", "in_review", "in_grace", "over_limit", "stuck", "closed"];
        format!("no such state; {}", nearest(word, words))
    })
}

pub async fn run(client: &Client, arguments: Arguments, json: bool) -> Result<(), Failed> {
    let Arguments { state, policy, subject, outcome, text, queue, assignee, vendor, cursor, limit, wide } =
        arguments;
    let subject = match subject {
        Some(given) => Some(find::subject(client, &given).await?),
        None => None,
    };
    let query = CaseQuery { policy, subject, state, outcome, text, queue, assignee, vendor, cursor, limit };
    let checked = query.clone();
    let reviews = matches!(state, Some(StateFilter::InReview)) || query.queue.is_some();
    if json || !reviews || query.cursor.is_some() {
        let page = client.get_by::<Page<CaseLine>>("/v1/cases", &query).await?;
        if page.read()?.items.is_empty() {
            check_filters(client, &checked).await?;
        }
        return page.show(json, |page| {
            list(&page.items, client.now(), wide);
            if let Some(next) = &page.next {
                output::line(&format!("more: --cursor {next}"));
            }
        });
    }
    let mut lines = every(client, &query).await?;
    if lines.is_empty() {
        check_filters(client, &checked).await?;
    }
    lines.sort_by_key(|line| line.due_at.unwrap_or(Timestamp::MAX_UTC));
    let shown = limit.map_or(lines.len(), |limit| limit.get().min(lines.len()));
    list(lines.get(..shown).unwrap_or_default(), client.now(), wide);
    if shown < lines.len() {
        output::line(&format!(
            "{} more are due later; --limit {} shows all",
            lines.len() - shown,
            lines.len()
        ));
    }
    Ok(())
}

/// Refuses a filter that names something that does not exist, with the names that do.
async fn check_filters(client: &Client, query: &CaseQuery) -> Result<(), Failed> {
    let known = client.get::<Filters>("/v1/filters").await?.read()?;
    for (what, given, known) in [
        ("policy", &query.policy, &known.policies),
        ("queue", &query.queue, &known.queues),
        ("outcome", &query.outcome, &known.outcomes),
    ] {
        if let Some(given) = given.as_ref().filter(|given| !known.contains(given)) {
            let help = nearest(given, known.iter().map(String::as_str));
            return Err(Failed::usage(anyhow!("no such {what}: {given}; {help}")));
        }
    }
    Ok(())
}

/// Reads every page, because the cases that are due first may be on the last one.
async fn every(client: &Client, query: &CaseQuery) -> Result<Vec<CaseLine>, Failed> {
    let mut query = CaseQuery { limit: Some(CaseLimit::nearest(200)), ..query.clone() };
    let mut lines = Vec::new();
    loop {
        let page = client.get_by::<Page<CaseLine>>("/v1/cases", &query).await?.read()?;
        lines.extend(page.items);
        let Some(next) = page.next.filter(|_| lines.len() < MOST_REVIEWS) else { return Ok(lines) };
        query.cursor =
            Some(CaseCursor::new(next).map_err(|why| Failed::unreachable(anyhow!("cursor: {why}")))?);
    }
}

fn list(lines: &[CaseLine], now: Timestamp, wide: bool) {
    if lines.is_empty() {
        output::line("No cases.");
        return;
    }
    let ids = find::short_ids(&lines.iter().map(|line| &line.id).collect::<Vec<_>>());
    let row = |(id, line): (&String, &CaseLine)| {
        let mut row = vec![
            if wide { line.id.to_string() } else { id.clone() },
            output::short_name(&line.subject.name.0),
            line.policy.clone(),
            sentences::state(line.state).to_owned(),
            next(line),
            until(line, now),
        ];
        if wide {
            row.extend([find::reference(line).to_string(), when::moment(line.opened_at)]);
        }
        row
    };
    let rows: Vec<_> = ids.iter().zip(lines).map(row).collect();
    let head = ["CASE", "WHO", "POLICY", "STATE", "NEXT", "WHEN", "RECORD", "OPENED"];
    if wide {
        output::table(&head, &rows);
    } else {
        // What happens next can be read in `case show`; who and when cannot be guessed.
        output::fitted(head.get(..6).unwrap_or_default(), &rows, &[4, 2, 1]);
    }
    let troubles: BTreeSet<_> = lines.iter().filter_map(|line| line.trouble.as_ref()).collect();
    for trouble in troubles {
        output::line(&format!("cannot continue: {}", output::visible(trouble)));
    }
}

/// What the case waits for, without the time, which has a column of its own.
fn next(line: &CaseLine) -> String {
    if line.state == CaseState::Closed {
        return line.result.clone().unwrap_or_default();
    }
    without_times(&line.waiting_for)
}

/// Removes `, until 2026-11-30 21:35 UTC` and the like.
pub fn without_times(text: &str) -> String {
    let is_date = |part: &str| {
        let bytes = part.as_bytes();
        bytes.len() >= 10 && bytes.get(4) == Some(&b'-') && bytes.iter().take(4).all(u8::is_ascii_digit)
    };
    let at = text.char_indices().map(|(at, _)| at).find(|at| text.get(*at..).is_some_and(is_date));
    let Some(at) = at else { return text.to_owned() };
    let before = text.get(..at).unwrap_or_default().trim_end();
    let after = text.get(at..).and_then(|rest| rest.split_once("UTC")).map_or("", |(_, after)| after);
    let before = ["until", "at", "again", "to be tried"].iter().fold(before, |before, word| {
        before.trim_end_matches(',').trim_end().strip_suffix(word).unwrap_or(before).trim_end()
    });
    format!("{}{after}", before.trim_end_matches(',').trim_end())
}

fn until(line: &CaseLine, now: Timestamp) -> String {
    let at = if line.state == CaseState::Closed { line.closed_at } else { line.due_at };
    at.map(|at| when::distance(at, now)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{state, without_times};

    #[test]
    fn what_a_case_waits_for_is_shown_without_its_time() {
        for (text, expected) in [
            (
                "the person's verification at proof, until 2026-12-14 21:35 UTC",
                "the person's verification at proof",
            ),
            (
                "a decision in the queue desk until 2026-12-01 09:00 UTC (1 given, another person must agree)",
                "a decision in the queue desk (1 given, another person must agree)",
            ),
            ("the end of grace before delete, 2026-12-07 09:00 UTC", "the end of grace before delete"),
            ("mail at proof, to be tried again at 2026-12-07 09:00 UTC", "mail at proof"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(without_times(text), expected);
        }
    }

    #[test]
    fn an_unknown_state_lists_the_states() {
        assert!(state("bogus").is_err_and(|why| why.contains("in_review") && why.contains("stuck")));
        assert!(state("in_reviw").is_err_and(|why| why.contains("did you mean `in_review`?")));
        assert!(state("open").is_ok());
    }
}
