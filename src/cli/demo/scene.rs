//! Steps of a story: waiting for a condition, advancing days, deciding a review. This module must not know the
//! story.

use std::time::Duration;

use anyhow::anyhow;
use chrono::TimeDelta;

use super::super::client::{Client, path};
use super::super::live::{self, Teller};
use super::super::sentences;
use super::{Failed, Stage, TOKEN, output};
use crate::api::Page;
use crate::api::cases::{CaseLine, CaseQuery, CaseSheet, Decide, StateFilter};
use crate::case::Case;
use crate::model::{Clock as _, Secret};

/// How long, in real time, the story waits for a condition.
const PATIENCE: Duration = Duration::from_secs(15);
const GLANCE: Duration = Duration::from_millis(40);

pub fn heading(text: &str) {
    output::line(&format!("\n{text}"));
}

/// Decides a review over the API, as `proofd case decide` does.
pub async fn decide(stage: &Stage, who: &str, decision: &str, reason: &str) -> Result<(), Failed> {
    let client = Client::at(stage.url.clone(), Secret::new(TOKEN))?;
    let (state, text) = (Some(StateFilter::InReview), Some(who.to_owned()));
    let query = CaseQuery { state, text, ..CaseQuery::default() };
    let list = client.get_by::<Page<CaseLine>>("/v1/cases", &query).await?.read()?;
    let case = list.items.first().ok_or_else(|| anyhow!("nothing to decide"))?;
    let sheet = client.get::<CaseSheet>(&path(&["cases", case.id.as_str()])).await?.read()?;
    if let Some(differs) = sentences::differences(Some("proof"), &sheet.steps) {
        output::line(&format!("  {differs}"));
    }
    let decide = Decide { decision: decision.to_owned(), reason: Some(reason.to_owned()) };
    client.post::<CaseLine>(&path(&["cases", case.id.as_str(), "decisions"]), &decide).await?;
    Ok(())
}

/// Advances the clock one day at a time, and the daemon executes what becomes due.
pub async fn pass(stage: &Stage, teller: &mut Teller, days: u32) -> Result<(), Failed> {
    for _ in 0..days {
        stage.clock.advance(TimeDelta::days(1));
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = stage.clock.now();
        // The work of one day ends before the next day begins.
        until(stage, teller, "a day's work", |stage, _| {
            let idle = stage.engine.store().due_cases(now, 1).is_ok_and(|(due, _)| due.is_empty());
            idle && stage.engine.store().begun_calls().is_ok_and(|calls| calls.is_empty())
        })
        .await?;
    }
    Ok(())
}

/// Waits for a condition and prints what happens meanwhile.
pub async fn until(
    stage: &Stage,
    teller: &mut Teller,
    what: &str,
    mut done: impl FnMut(&Stage, &[Case]) -> bool,
) -> Result<(), Failed> {
    let started = std::time::Instant::now();
    loop {
        let cases = cases(stage)?;
        teller.catch_up(&stage.engine, &cases);
        if done(stage, &cases) {
            return Ok(());
        }
        if started.elapsed() > PATIENCE {
            return Err(anyhow!("waiting for {what} timed out").into());
        }
        tokio::time::sleep(GLANCE).await;
    }
}

pub fn cases(stage: &Stage) -> Result<Vec<Case>, Failed> {
    live::cases(&stage.engine)
}
