//! The second part: people who have an account, a hire and a partner. Each shipped policy has one person, whose
//! promised result is compared with the final state of the simulated systems.

use std::collections::BTreeMap;

use anyhow::{Context as _, anyhow};
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::super::live::Teller;
use super::scene::{decide, heading, pass, until};
use super::{Failed, Stage, output};
use crate::case::Case;
use crate::model::Clock as _;
use crate::simulate::applicant::{Applicant, Led};
use crate::simulate::jumio::Script;
use crate::simulate::onelogin::{Ages, Crowd, Edit, Form, Login};

/// The role that the shipped policy grants only after a proof.
const ROLE: &str = "Payments admin";

/// One line of the comparison: person, event, result, and whether that was promised.
pub struct Line {
    pub who: String,
    pub result: String,
    pub holds: String,
    pub well: bool,
}

/// A person with an account.
struct Colleague {
    id: i64,
    name: String,
    person: Applicant,
}

pub async fn run(stage: &Stage, teller: &mut Teller) -> Result<Vec<Line>, Failed> {
    output::line("\nThree people with accounts, a hire, and a partner with a sponsor.");
    let [risky, promoted, due] = staff(stage)?;
    let mut lines = Vec::new();
    lines.push(risk(stage, teller, &risky).await?);
    lines.push(role(stage, teller, &promoted).await?);
    lines.push(quarter(stage, teller, &due).await?);
    lines.push(hire(stage, teller).await?);
    lines.push(partner(stage, teller).await?);
    Ok(lines)
}

/// Creates three people with a recent proof, which tonight's sweep does not select.
fn staff(stage: &Stage) -> Result<[Colleague; 3], Failed> {
    let moments = BTreeMap::from([("idv_verified_at".to_owned(), Ages { days: 20, without_percent: 0 })]);
    let crowd = Crowd { count: 3, people_per_manager: 0, moments, ..Crowd::default() };
    let mut staff = Vec::new();
    for id in stage.town.onelogin.gather(&crowd) {
        let user = stage.town.onelogin.user(id).unwrap_or_default();
        let text = |field: &str| user[field].as_str().unwrap_or_default().to_owned();
        let (first, last, email) = (text("firstname"), text("lastname"), text("email"));
        let person = Applicant::new(&first, &last, &email).context("while casting")?;
        staff.push(Colleague { id, name: format!("{first} {last}"), person });
    }
    staff.try_into().map_err(|_| anyhow!("the crowd has another size").into())
}

async fn risk(stage: &Stage, teller: &mut Teller, who: &Colleague) -> Result<Line, Failed> {
    heading(&format!("{} signs in from a new country", who.name));
    let login = Login {
        risk_score: Some(92),
        risk_reasons: Some("Accessed from a new country, Low trust for session".to_owned()),
        ..Login::default()
    };
    stage.town.onelogin.login(who.id, login);
    let suspended = |stage: &Stage| status(stage, who.id) == Some(2);
    let link = invited(stage, teller, &who.person, "the suspension", suspended).await?;
    output::line("  OneLogin: the account is suspended and its sessions have ended");
    prove(stage, teller, &who.person, &link, "login-risk").await?;
    let case = closed(stage, teller, "login-risk", &who.id.to_string()).await?;
    let holds = if status(stage, who.id) == Some(1) { "active" } else { "NOT active" };
    Ok(line(&who.name, &case, "reinstated", holds, holds == "active"))
}

async fn role(stage: &Stage, teller: &mut Teller, who: &Colleague) -> Result<Line, Failed> {
    heading(&format!("{} is given the role {ROLE}", who.name));
    let role = stage.town.onelogin.role(ROLE).unwrap_or_else(|| stage.town.onelogin.add_role(ROLE));
    stage.town.onelogin.grant(who.id, role);
    let withheld = |stage: &Stage| !roles(stage, who.id).contains(&role);
    let link = invited(stage, teller, &who.person, "the role to be withheld", withheld).await?;
    output::line("  OneLogin: the role is withheld until a proof");
    prove(stage, teller, &who.person, &link, "privileged-role").await?;
    let case = closed(stage, teller, "privileged-role", &who.id.to_string()).await?;
    let has = roles(stage, who.id).contains(&role);
    Ok(line(&who.name, &case, "granted", if has { "has the role" } else { "role MISSING" }, has))
}

async fn quarter(stage: &Stage, teller: &mut Teller, who: &Colleague) -> Result<Line, Failed> {
    heading(&format!("A night passes; {} last proved who they are 130 days ago", who.name));
    let before = (stage.clock.now() - TimeDelta::days(130)).to_rfc3339();
    let edit = Edit {
        custom_attributes: [("idv_verified_at".to_owned(), before.clone())].into(),
        ..Edit::default()
    };
    stage.town.onelogin.edit(who.id, &edit).map_err(|mistake| anyhow!("{mistake}"))?;
    pass(stage, teller, 1).await?;
    let link = invited(stage, teller, &who.person, "the nightly run", |_| true).await?;
    prove(stage, teller, &who.person, &link, "quarterly-reverification").await?;
    let case = closed(stage, teller, "quarterly-reverification", &who.id.to_string()).await?;
    let user = stage.town.onelogin.user(who.id).unwrap_or_default();
    let now = user["custom_attributes"]["idv_verified_at"].as_str().unwrap_or_default();
    let holds = format!("verified_at {}", now.get(..10).unwrap_or("MISSING"));
    Ok(line(&who.name, &case, "verified", &holds, now > before.as_str()))
}

async fn hire(stage: &Stage, teller: &mut Teller) -> Result<Line, Failed> {
    heading("Human resources hires Lena Hoffmann, who has no account anywhere");
    let lena = Applicant::new("Lena", "Hoffmann", "lena@mail.test").context("while casting")?;
    let event = json!({
        "specversion": "1.0", "id": "offer-4711", "source": "/recruiting", "type": "com.example.hire.accepted",
        "subject": "hire-4711",
        "data": {
            "email": "lena@mail.test", "first_name": "Lena", "last_name": "Hoffmann", "locale": "de",
            "job_title": "Engineer", "department": "Research",
        },
    });
    let http = reqwest::Client::builder().no_proxy().build().context("while making a client")?;
    let answer = http
        .post(format!("{}/v1/events", stage.url))
        .bearer_auth(super::TOKEN)
        .header("content-type", "application/cloudevents+json")
        .body(event.to_string())
        .send()
        .await
        .context("while sending the event")?;
    if !answer.status().is_success() {
        return Err(anyhow!("the daemon refused the event: {}", answer.status()).into());
    }
    let link = invited(stage, teller, &lena, "the invitation", |_| true).await?;
    prove(stage, teller, &lena, &link, "applicant-to-hr").await?;
    let case = closed(stage, teller, "applicant-to-hr", "hire-4711").await?;
    let accounts = stage.town.office.accounts();
    let account = accounts.iter().find(|account| account["externalId"] == "hire-4711");
    let proven = account.is_some_and(|account| account.to_string().contains("verifiedAt"));
    let holds = if proven { "account in HR, with time and method of the proof" } else { "NO account in HR" };
    Ok(line("Lena Hoffmann", &case, "created", holds, proven))
}

async fn partner(stage: &Stage, teller: &mut Teller) -> Result<Line, Failed> {
    heading("Omar Diaz registers as a partner and names a sponsor");
    let onelogin = &stage.town.onelogin;
    onelogin.add_profile("Sponsored partners", "partners");
    let omar = Applicant::new("Omar", "Diaz", "omar@supplier.test").context("while casting")?;
    let registered = onelogin
        .register(Form {
            firstname: "Omar".to_owned(),
            lastname: "Diaz".to_owned(),
            email: "omar@supplier.test".to_owned(),
            profile: Some("partners".to_owned()),
            custom_attributes: [("sponsor".to_owned(), "sally@example.com".to_owned())].into(),
        })
        .map_err(|mistake| anyhow!("{mistake}"))?;
    onelogin.verify_email(registered.registration_id).map_err(|mistake| anyhow!("{mistake}"))?;
    let link = invited(stage, teller, &omar, "the invitation", |_| true).await?;
    prove(stage, teller, &omar, &link, "partner-with-sponsor").await?;
    until(stage, teller, "the ticket", |_, cases| {
        of(cases, "partner-with-sponsor").is_some_and(|case| case.state_word() == "in_review")
    })
    .await?;
    output::line(&format!("  ticketing: {} ticket for the sponsor", stage.town.office.notes("ticket").len()));
    decide(stage, "omar", "vouched", "the sponsor confirmed in the ticket").await?;
    let user = registered.user_id.unwrap_or_default();
    let case = closed(stage, teller, "partner-with-sponsor", &user.to_string()).await?;
    let approved = onelogin.user(user).is_some_and(|user| user["state"] == 1);
    Ok(line("Omar Diaz", &case, "approved", if approved { "approved" } else { "NOT approved" }, approved))
}

fn line(who: &str, case: &Case, promised: &str, holds: &str, well: bool) -> Line {
    let result = case.result.clone().unwrap_or_default();
    Line { who: who.to_owned(), well: well && result == promised, result, holds: holds.to_owned() }
}

fn status(stage: &Stage, user: i64) -> Option<i64> {
    stage.town.onelogin.user(user)?["status"].as_i64()
}

fn roles(stage: &Stage, user: i64) -> Vec<i64> {
    let user = stage.town.onelogin.user(user).unwrap_or_default();
    user["role_ids"].as_array().into_iter().flatten().filter_map(Value::as_i64).collect()
}

/// Waits for a mail with a link and for a condition that must hold by then.
async fn invited(
    stage: &Stage,
    teller: &mut Teller,
    person: &Applicant,
    what: &str,
    so: impl Fn(&Stage) -> bool,
) -> Result<String, Failed> {
    until(stage, teller, what, |stage, _| person.link(&stage.town).is_some() && so(stage)).await?;
    person.link(&stage.town).ok_or_else(|| anyhow!("the mail has no link").into())
}

/// The person presses the button and proves their identity with their own document.
async fn prove(
    stage: &Stage,
    teller: &mut Teller,
    person: &Applicant,
    link: &str,
    policy: &str,
) -> Result<(), Failed> {
    let led = person.press(&stage.town, link).await.context("while pressing the button")?;
    let Led::Vendor { execution } = led else {
        return Err(anyhow!("no redirect to Jumio: {led:?}").into());
    };
    person.prove(&stage.town, &execution, Script::default()).context("while proving")?;
    until(stage, teller, "the result", |_, cases| {
        of(cases, policy).is_some_and(|case| case.is_closed() || case.state_word() != "waiting")
    })
    .await
}

async fn closed(stage: &Stage, teller: &mut Teller, policy: &str, subject: &str) -> Result<Case, Failed> {
    let is = |case: &&Case| case.policy == policy && case.subject.id == subject && case.is_closed();
    let mut found = None;
    until(stage, teller, "the end of the case", |_, cases| {
        found = cases.iter().find(is).cloned();
        found.is_some()
    })
    .await?;
    found.ok_or_else(|| anyhow!("the case was not found").into())
}

fn of<'a>(cases: &'a [Case], policy: &str) -> Option<&'a Case> {
    cases.iter().find(|case| case.policy == policy)
}
