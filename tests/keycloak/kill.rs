//! The kill campaign with a real Keycloak: people register while the daemon is killed at random moments and a mail is
//! edited. The twelve invariants are checked on what Keycloak, the vendor and the mailbox say. Seconds stand for the
//! minutes of `tests/kill`, because nothing can make Keycloak's clock faster. `PROOFD_KILLS` and `PROOFD_SEED` are the
//! same.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use proofd::model::Clock as _;
use proofd::simulate::applicant::{Applicant, Led};
use proofd::simulate::ledger::Record;
use proofd::simulate::town::Town;
use reqwest::Method;
use serde_json::{Value, json};

use crate::admin::Realm;
use crate::evidence::{Evidence, Heard, PROVIDER, Provider};
use crate::journeys::connect;
use crate::lives::{Kind, Life, Random};
use crate::person::Person;
use crate::server::{SECRET, keycloak};
use crate::world::{World, copy_tree, edit};
use crate::{invariants, tampered};

/// Number of kills, unless PROOFD_KILLS sets another.
const KILLS: usize = 8;
/// Interval between two people.
const APART: Duration = Duration::from_millis(250);

struct Stage {
    realm: Realm,
    town: Arc<Town>,
    clock: proofd::engine::clock::Scaled,
    /// The first person who comes after the edit is active.
    after_edit: usize,
    edit_is_live: tokio::sync::watch::Sender<bool>,
    over: AtomicBool,
}

impl Stage {
    /// One person, who retries while the daemon is down.
    async fn live(&self, number: usize) -> Life {
        let kind = Kind::of(number);
        let turn = match number.checked_sub(self.after_edit) {
            None => number,
            Some(turn) => {
                self.edit_is_live.subscribe().wait_for(|live| *live).await.unwrap();
                turn
            }
        };
        tokio::time::sleep(APART * u32::try_from(turn).unwrap()).await;
        let mut person = Person::new(&self.realm, &format!("Person{number}"));
        person.email = person.email.replace("partner.test", kind.domain());
        person.registers().await;
        let user = self.realm.id(&person.name).await;
        let who = Applicant::new(&person.first_name, &person.last_name, &person.email).unwrap();
        let mut life = Life { kind, email: person.email, user, delivered: Vec::new() };
        while kind != Kind::Silent && !self.over.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let Some(link) = who.link(&self.town) else { continue };
            if let Ok(Led::Vendor { execution }) = who.press(&self.town, &link).await {
                life.delivered.push((execution.clone(), self.clock.now()));
                if who.prove(&self.town, &execution, kind.script()).is_ok() {
                    break;
                }
            }
        }
        life
    }
}

async fn revision(world: &World) -> String {
    let list = world.get("/v1/policies").await;
    let line = list["items"].as_array().unwrap().iter().find(|line| line["name"] == "proofing").cloned();
    line.unwrap()["revision"].as_str().unwrap().to_owned()
}

/// What Keycloak's own records say of the client `proofd`, as a ledger.
async fn changes(realm: &Realm) -> Vec<Record> {
    let client = realm.get("/clients?clientId=proofd").await[0]["id"].clone();
    let mut events = realm.get("/admin-events?max=10000").await.as_array().unwrap().clone();
    events.retain(|event| event["authDetails"]["clientId"] == client);
    events.sort_by_key(|event| event["time"].as_i64());
    let mut records: Vec<Record> = Vec::new();
    for event in &events {
        let path = event["resourcePath"].as_str().unwrap_or_default();
        let user = path.split("users/").nth(1).unwrap_or_default().split('/').next().unwrap_or_default();
        let kind = (event["operationType"].as_str().unwrap(), event["resourceType"].as_str().unwrap());
        let what = match kind {
            ("DELETE", "GROUP_MEMBERSHIP") => "user.approve",
            ("DELETE", "USER_LOGIN_FAILURE") => "user.forgive",
            ("DELETE", "USER") => "user.delete",
            ("ACTION", "USER") if path.ends_with("/execute-actions-email") => "user.invite",
            ("ACTION", "USER") if path.ends_with("/logout") => "user.log_out",
            _ => "user.something",
        };
        let approved = records.iter().any(|one| one.what == "user.approve" && one.subject == user);
        records.push(Record {
            at: DateTime::from_timestamp_millis(event["time"].as_i64().unwrap()).unwrap(),
            system: PROVIDER,
            what: what.to_owned(),
            subject: user.to_owned(),
            applied: true,
            detail: json!({ "state": i32::from(approved) }),
        });
    }
    records
}

/// Every registration that Keycloak answered.
async fn registrations(realm: &Realm) -> Vec<Heard> {
    let events = realm.get("/events?type=REGISTER&max=10000").await;
    let heard = |event: &Value| Heard {
        id: event["id"].as_str().unwrap().to_owned(),
        kind: "keycloak.REGISTER".to_owned(),
        user: event["userId"].as_str().unwrap().to_owned(),
        at: DateTime::from_timestamp_millis(event["time"].as_i64().unwrap()).unwrap(),
    };
    events.as_array().unwrap().iter().map(heard).collect()
}

/// The policies of `tests/data/kill` with seconds for minutes, also between two attempts.
fn policies(world: &World) {
    copy_tree(Path::new("tests/data/kill"), &world.policies());
    let again = "retry: {attempts: 30, first: 1s, longest: 2s}";
    let seconds = [
        ("grace: 4m", "grace: 4s"),
        ("grace: 2m", "grace: 2s"),
        ("answer_within: 15m", "answer_within: 15s"),
        ("after: 5m", "after: 5s"),
        ("after: 10m", "after: 10s"),
        ("  - id: proof\n", "  - id: proof\n    AGAIN\n"),
        ("        - approve: registration\n", "        - approve: registration\n          AGAIN\n"),
        ("        - delete: registration\n", "        - delete: registration\n          AGAIN\n"),
        ("template: registration-declined}\n", "template: registration-declined}\n          AGAIN\n"),
    ];
    for policy in ["proofing", "silence"] {
        let file = world.policies().join(policy).join("policy.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        let text =
            seconds.iter().fold(text, |text, (from, to)| text.replace(from, &to.replace("AGAIN", again)));
        std::fs::write(&file, text).unwrap();
    }
}

async fn campaign(realm: Realm, seed: u64, kills: usize) -> Evidence {
    let mut world = World::new(1, Path::new("tests/data/tree"), "").await;
    policies(&world);
    connect(&world, &realm);
    world.start();
    let people = kills * 5;
    let stage = Arc::new(Stage {
        realm: realm.clone(),
        town: world.share_town(),
        clock: world.clock.clone(),
        after_edit: people / 2,
        edit_is_live: tokio::sync::watch::Sender::new(false),
        over: AtomicBool::new(false),
    });
    let before = revision(&world).await;
    let mut lives = tokio::task::JoinSet::new();
    for number in 0..people {
        let stage = Arc::clone(&stage);
        lives.spawn(async move { stage.live(number).await });
    }
    let mut random = Random::new(seed);
    let declined = world.policies().join("shared/templates/registration-declined/en.md");
    for kill in 0..kills {
        if kill == kills / 3 {
            // Cases of both revisions must exist, however slow the machine is.
            let half = people / 2;
            world
                .until("the cases before the edit", async |world| {
                    (world.cases().await.len() >= half).then_some(())
                })
                .await;
            edit(&declined, "Edition one.", "Edition two.");
        }
        if kill == kills / 3 + 2 {
            world.until("the edit", async |world| (revision(world).await != before).then_some(())).await;
            stage.edit_is_live.send_replace(true);
        }
        tokio::time::sleep(Duration::from_millis(300 + random.below(2_000))).await;
        world.kill();
        world.start();
    }
    world
        .until("the end of every case", async |world| {
            let page = world.try_ask(Method::GET, "/v1/cases?state=open&limit=500", "t-admin", None);
            let (_, page) = page.await.ok()?;
            let open = page["items"].as_array()?;
            for stuck in open.iter().filter(|case| case["state"] == "stuck") {
                world.orders(stuck, "retry").await;
            }
            (open.is_empty() && world.cases().await.len() == people).then_some(())
        })
        .await;
    stage.over.store(true, Ordering::Relaxed);
    let lives = lives.join_all().await;
    let (_, metrics) = world.ask(Method::GET, "/metrics", "", None).await;
    assert_eq!(world.stop(), Some(0));
    let written = format!("{}\n{metrics}", world.log());
    let provider = Provider {
        changes: changes(&realm).await,
        heard: registrations(&realm).await,
        secrets: vec!["sim-secret", SECRET],
        unit: TimeDelta::seconds(1),
    };
    Evidence::collect(&world, lives, written, provider)
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_do_not_change_the_results() {
    let Some(keycloak) = keycloak().await else { return };
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("PROOFD_SEED").unwrap_or(0x5eed);
    let kills = number("PROOFD_KILLS").map_or(KILLS, |kills| usize::try_from(kills).unwrap());
    assert!(kills >= 6, "PROOFD_KILLS is at least 6 here");
    println!("campaign=keycloak seed={seed} kills={kills}");
    let evidence = campaign(keycloak.realm("kill").await, seed, kills).await;
    println!("{}", evidence.summary());
    let mut broken = Vec::new();
    for (name, check) in invariants::ALL {
        broken.extend(check(&evidence).into_iter().map(|what| format!("{name}: {what}")));
    }
    assert!(broken.is_empty(), "campaign=keycloak seed={seed} {broken:#?}");
    tampered::is_noticed(&evidence);
}
