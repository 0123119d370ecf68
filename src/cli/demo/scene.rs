//! How a story moves on: waiting for what must come, days that go by, a decision at the desk. Knows no plot.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::teller::Teller;
use super::{Failed, Stage, output};
use crate::api::bounds::CaseLimit;
use crate::api::cases::CaseQuery;
use crate::case::Case;
use crate::model::Clock as _;

/// How long, in the machine's time, the story waits for something that must come.
const PATIENCE: Duration = Duration::from_secs(15);
const GLANCE: Duration = Duration::from_millis(40);

pub fn heading(text: &str) {
    output::line(&format!("\n{text}"));
}

/// Somebody at the desk decides over the API, as `proofd case decide` does.
pub async fn decide(stage: &Stage, who: &str, decision: &str, reason: &str) -> Result<(), Failed> {
    let http = reqwest::Client::builder().no_proxy().build().context("while making the desk's client")?;
    let ask = async |path: String| -> anyhow::Result<Value> {
        let answer =
            http.get(format!("{}{path}", stage.url)).bearer_auth(stage.token.expose()).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    };
    let list = ask(format!("/v1/cases?state=in_review&text={who}")).await?;
    let id =
        list.pointer("/items/0/id").and_then(Value::as_str).ok_or_else(|| anyhow!("nothing to decide"))?;
    let sheet = ask(format!("/v1/cases/{id}")).await?;
    let differs = sheet.pointer("/steps/proof/mismatches").cloned().unwrap_or_default();
    if differs.as_array().is_some_and(|differs| !differs.is_empty()) {
        output::line(&format!("  the case shows what differs between form and document: {differs}"));
    }
    let decided = http
        .post(format!("{}/v1/cases/{id}/decisions", stage.url))
        .bearer_auth(stage.token.expose())
        .json(&json!({ "decision": decision, "reason": reason }))
        .send()
        .await
        .context("while deciding")?;
    if !decided.status().is_success() {
        let why = decided.text().await.unwrap_or_default();
        return Err(anyhow!("the decision was refused: {why}").into());
    }
    Ok(())
}

/// Days go by, one at a time, and the daemon does what is due.
pub async fn pass(stage: &Stage, teller: &mut Teller, days: u32) -> Result<(), Failed> {
    for _ in 0..days {
        stage.clock.advance(TimeDelta::days(1));
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = stage.clock.now();
        // What is due is done before the next day begins.
        until(stage, teller, "a day's work", |stage, _| {
            let idle = stage.engine.store().due_cases(now, 1).is_ok_and(|(due, _)| due.is_empty());
            idle && stage.engine.store().begun_calls().is_ok_and(|calls| calls.is_empty())
        })
        .await?;
    }
    Ok(())
}

/// Waits for something that must come, and tells what happens meanwhile.
pub async fn until(
    stage: &Stage,
    teller: &mut Teller,
    what: &str,
    mut done: impl FnMut(&Stage, &[Case]) -> bool,
) -> Result<(), Failed> {
    let started = std::time::Instant::now();
    loop {
        let cases = cases(stage)?;
        teller.catch_up(stage, &cases);
        if done(stage, &cases) {
            return Ok(());
        }
        if started.elapsed() > PATIENCE {
            return Err(anyhow!("{what} did not come").into());
        }
        tokio::time::sleep(GLANCE).await;
    }
}

pub fn cases(stage: &Stage) -> Result<Vec<Case>, Failed> {
    let lines = stage
        .engine
        .list_cases(&CaseQuery { limit: Some(CaseLimit::nearest(100)), ..CaseQuery::default() })
        .context("while listing cases")?;
    let mut cases = Vec::new();
    for line in lines.items {
        cases.extend(stage.engine.case(&line.id).context("while reading a case")?);
    }
    Ok(cases)
}
