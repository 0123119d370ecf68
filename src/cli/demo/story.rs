//! Runs the cast against the running daemon, sets the clock forward between their actions, and compares the
//! results with the policy's promises.

use anyhow::{Context as _, anyhow};

use super::super::live::Teller;
use super::cast::{CAST, Part, Person};
use super::scene::{cases, decide, heading, pass, until};
use super::{Failed, Stage, output, workforce};
use crate::case::Case;
use crate::simulate::applicant::{Applicant, Led};
use crate::simulate::onelogin::Registered;

struct Player {
    person: &'static Person,
    applicant: Applicant,
    registered: Registered,
    visits: u32,
    /// Number of mails at the last visit; the next visit waits for another one.
    mails: usize,
}

/// Runs the story. True if every person's result is the promised one.
pub async fn run(stage: &Stage) -> Result<bool, Failed> {
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
    let others = workforce::run(stage, &mut teller).await?;
    compare(stage, &players, others)
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

/// The person opens the newest link, presses the button and follows the script at the vendor.
async fn visit(stage: &Stage, teller: &mut Teller, player: &mut Player) -> Result<(), Failed> {
    let Some(script) = player.person.part.script(player.visits + 1) else { return Ok(()) };
    let seen = player.mails;
    if player.person.part == Part::BlursFirst && player.visits > 0 {
        // A retry invalidates the old link: one mail announces that and a second one brings the new link.
        until(stage, teller, "another invitation", |_, _| player.applicant.mails(&stage.town) >= seen + 2)
            .await?;
    }
    let link = player
        .applicant
        .link(&stage.town)
        .ok_or_else(|| anyhow!("no mail with a link for {}", player.person.first))?;
    let led = player.applicant.press(&stage.town, &link).await.context("while pressing the button")?;
    let Led::Vendor { execution } = led else {
        return Err(anyhow!("{} was not redirected to Jumio: {led:?}", player.person.first).into());
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
    output::table(&["PERSON", "CASE", "STATE NOW", "INVITATIONS", ""], &rows);
    Ok(all_well)
}
