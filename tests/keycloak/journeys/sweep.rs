//! A sweep over a thousand people of a realm.

use chrono::{SecondsFormat, TimeDelta};
use proofd::model::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use super::Scene;
use crate::admin::PENDING;

const POLICY: &str = "quarterly-reverification";
const FILE: &str = "quarterly-reverification/policy.yaml";
const PEOPLE: usize = 1_000;
/// People who are due, and how many of them one run asks.
const DUE: usize = 60;
const ASKED: usize = 50;

fn name(number: usize) -> String {
    format!("bulk-{number:04}")
}

/// The first `DUE` are due, each by an hour longer than the next; after them one of each kind that is not asked.
fn person(number: usize, now: Timestamp) -> Value {
    let ago = |days: i64| {
        let at = now - TimeDelta::days(days) + TimeDelta::hours(i64::try_from(number).unwrap());
        at.to_rfc3339_opts(SecondsFormat::Secs, true)
    };
    let attributes = match number {
        _ if number < DUE => json!({"verified_at": [ago(120)]}),
        DUE => json!({"verified_at": [ago(400)], "exempt_until": ["2199-12-31"]}),
        n if n == DUE + 1 => json!({"verified_at": [ago(400)], "service_account": ["true"]}),
        n if n == DUE + 2 || n == DUE + 3 => json!({"verified_at": [ago(400)]}),
        _ => json!({"verified_at": [ago(60)]}),
    };
    json!({
        "username": name(number), "email": format!("{}@partner.test", name(number)), "emailVerified": true,
        "firstName": "Bulk", "lastName": format!("Number {number}"), "attributes": attributes,
        // One who is due is suspended already; another one waits at the gate.
        "enabled": number != DUE + 2,
        "groups": if number == DUE + 3 { json!([format!("/{PENDING}")]) } else { json!([]) },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_of_a_thousand_people_asks_the_most_overdue() {
    let edits = [
        (
            FILE,
            "      run: daily\n      at: \"02:00\"\n      timezone: Europe/Berlin\n",
            "      cron: \"* * * * *\"\n",
        ),
        (
            FILE,
            "      spread: 14d                   # a stable share for each person; avoids a peak on the first day\n",
            "",
        ),
        (FILE, "      at_most: 500 ", "      at_most: 50 "),
    ];
    let Some(mut scene) = Scene::set("journey-sweep", &edits).await else { return };
    let now = scene.world.now();
    let people: Vec<_> = (0..PEOPLE).map(|number| person(number, now)).collect();
    let import = json!({"ifResourceExists": "FAIL", "users": people});
    scene.realm.ask(Method::POST, "/partialImport", Some(import)).await;
    scene.world.start();
    let run = scene
        .world
        .until("a run of the sweep", async |world| {
            let sweeps = world.get("/v1/sweeps").await;
            let line = sweeps["items"].as_array()?.iter().find(|line| line["policy"] == POLICY)?.clone();
            line["past"].as_array()?.last().cloned()
        })
        .await;
    println!("{run:#}");
    let cases = scene.world.cases().await;
    let mut asked: Vec<String> = cases
        .iter()
        .filter(|case| case["policy"] == POLICY)
        .map(|case| case["subject"]["name"].as_str().unwrap().to_owned())
        .collect();
    asked.sort();
    let mut expected: Vec<String> = (0..ASKED).map(|number| format!("Bulk Number {number}")).collect();
    expected.sort();
    assert_eq!(asked, expected, "{run:#}");
    // The mails go to them and to nobody else.
    scene
        .world
        .until("the mails", async |world| (world.town.mailbox.mails().len() >= ASKED).then_some(()))
        .await;
    let mut told: Vec<_> = scene.world.town.mailbox.mails().into_iter().map(|mail| mail.to).collect();
    told.sort();
    let expected: Vec<_> = (0..ASKED).map(|number| format!("{}@partner.test", name(number))).collect();
    assert_eq!(told, expected);
}
