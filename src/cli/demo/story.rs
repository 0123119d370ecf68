//! Plays the cast against the running daemon, sets the clock forward while nobody acts, and compares the
//! ends with what the policy promises.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::cast::{CAST, Part, Person};
use super::teller::Teller;
use super::{Failed, Stage, output, workforce};
use crate::case::Case;
use crate::engine::desk::Query;
use crate::model::Clock as _;
use crate::simulate::applicant::{Applicant, Led};
use crate::simulate::onelogin::Registered;

/// How long, in the machine's time, the story waits for something that must come.
const PATIENCE: Duration = Duration::from_secs(15);
const GLANCE: Duration = Duration::from_millis(40);

struct Player {
    person: &'static Person,
    applicant: Applicant,
    registered: Registered,
    visits: u32,
    /// Mails that were there at the last visit; the next visit waits for a newer one.
    mails: usize,
}

/// True if everybody ended as promised.
pub async fn tell(stage: &Stage) -> Result<bool, Failed> {
    let mut teller = Teller::default();
    output::line(
        "proofd demo: people register at a simulated OneLogin and prove who they are at a simulated Jumio.\n",
    );
    let mut players = register(stage)?;
    heading("Invitations go out");
    until(stage, &mut teller, "the invitations", |_, cases| {
        let invited = players.iter().filter(|player| player.person.promise.result.is_some());
        cases.len() >= 7 && invited.clone().all(|player| player.applicant.link(&stage.town).is_some())
    })
    .await?;

    heading("People follow their links");
    for player in &mut players {
        visit(stage, &mut teller, player).await?;
    }
    until(stage, &mut teller, "the first results", |_, cases| {
        ["ada@", "carla@", "dmitri@", "hugo@"]
            .iter()
            .all(|who| of(cases, who).is_some_and(|case| case.state_word() != "waiting"))
    })
    .await?;
    let blurred = players.iter_mut().find(|player| player.person.part == Part::BlursFirst);
    if let Some(player) = blurred {
        visit(stage, &mut teller, player).await?;
    }

    heading("The identity desk decides");
    decide(stage, "dmitri", "approve", "married name, seen in a video call").await?;
    decide(stage, "hugo", "approve", "came to the desk with passport and face").await?;
    until(stage, &mut teller, "the decision", |_, cases| {
        ["dmitri@", "hugo@", "bruno@"].iter().all(|who| of(cases, who).is_some_and(Case::is_closed))
    })
    .await?;

    heading("Two days pass");
    pass(stage, &mut teller, 2).await?;
    let back = players.iter_mut().find(|player| player.person.part == Part::WalksAway);
    if let Some(player) = back {
        visit(stage, &mut teller, player).await?;
        until(stage, &mut teller, "the one who came back", |_, cases| {
            of(cases, "eve@").is_some_and(Case::is_closed)
        })
        .await?;
    }

    heading("Three weeks pass");
    pass(stage, &mut teller, 20).await?;
    until(stage, &mut teller, "the ends", |_, cases| cases.iter().all(Case::is_closed)).await?;
    let others = workforce::tell(stage, &mut teller).await?;
    compare(stage, &players, others)
}

pub fn heading(text: &str) {
    output::line(&format!("\n{text}"));
}

fn register(stage: &Stage) -> Result<Vec<Player>, Failed> {
    let mut players = Vec::new();
    for person in CAST {
        let applicant = Applicant::new(person.first, person.last, person.email).context("while casting")?;
        let registered = applicant.register(&stage.town).context("while registering")?;
        output::line(&format!("  {} {}: {}", person.first, person.last, person.about));
        players.push(Player { person, applicant, registered, visits: 0, mails: 0 });
    }
    Ok(players)
}

/// The person opens their newest link, presses the button and does their part at the vendor.
async fn visit(stage: &Stage, teller: &mut Teller, player: &mut Player) -> Result<(), Failed> {
    let Some(script) = player.person.part.script(player.visits + 1) else { return Ok(()) };
    let seen = player.mails;
    if player.person.part == Part::BlursFirst && player.visits > 0 {
        // The old link is dead after a retry: a mail that says so and one with the new link come.
        until(stage, teller, "another invitation", |_, _| player.applicant.mails(&stage.town) >= seen + 2)
            .await?;
    }
    let link = player
        .applicant
        .link(&stage.town)
        .ok_or_else(|| anyhow!("no link came for {}", player.person.first))?;
    let led = player.applicant.press(&stage.town, &link).await.context("while pressing the button")?;
    let Led::Vendor { execution } = led else {
        return Err(anyhow!("{} was not led to the vendor: {led:?}", player.person.first).into());
    };
    player.visits += 1;
    player.mails = player.applicant.mails(&stage.town);
    if player.person.part == Part::WalksAway && player.visits == 1 {
        stage.town.jumio.abandon(&execution).context("while walking away")?;
        return Ok(());
    }
    player.applicant.prove(&stage.town, &execution, script).context("while proving")?;
    Ok(())
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

fn cases(stage: &Stage) -> Result<Vec<Case>, Failed> {
    let lines = stage
        .engine
        .list_cases(&Query { limit: Some(100), ..Query::default() })
        .context("while listing cases")?;
    let mut cases = Vec::new();
    for line in lines.items {
        cases.extend(stage.engine.case(&line.id).context("while reading a case")?);
    }
    Ok(cases)
}

fn of<'a>(cases: &'a [Case], who: &str) -> Option<&'a Case> {
    cases.iter().find(|case| case.subject.text("email").is_some_and(|email| email.starts_with(who)))
}

fn compare(stage: &Stage, players: &[Player], others: Vec<workforce::Line>) -> Result<bool, Failed> {
    heading("How it ended");
    let cases = cases(stage)?;
    let mut all_well = true;
    let mut rows = Vec::new();
    for Player { person, registered, .. } in players {
        let result = of(&cases, person.email).and_then(|case| case.result.clone());
        let user = registered.user_id.and_then(|id| stage.town.onelogin.user(id));
        let state = match user.as_ref().map(|user| user["state"].as_i64()) {
            None => "deleted",
            Some(Some(0)) => "unapproved",
            Some(Some(1)) => "approved",
            Some(Some(2)) => "rejected",
            Some(_) => "unlicensed",
        };
        let invitations = user.as_ref().and_then(|user| user["invitations_sent"].as_u64()).unwrap_or(0);
        let promise = person.promise;
        let well = (result.as_deref(), state, invitations)
            == (promise.result, promise.onelogin, promise.invitations);
        all_well &= well;
        rows.push(vec![
            format!("{} {}", person.first, person.last),
            result.unwrap_or_else(|| "no case".to_owned()),
            state.to_owned(),
            invitations.to_string(),
            if well { "as promised".to_owned() } else { format!("NOT as promised: {promise:?}") },
        ]);
    }
    for workforce::Line { who, result, holds, well } in others {
        all_well &= well;
        let word = if well { "as promised" } else { "NOT as promised" };
        rows.push(vec![who, result, holds, String::new(), word.to_owned()]);
    }
    output::table(&["WHO", "CASE", "WHAT IS THERE NOW", "INVITATIONS", ""], &rows);
    Ok(all_well)
}
