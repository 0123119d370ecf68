//! The campaign: people register one after the other and act by their kind, while the daemon is killed and
//! restarted. This module makes no assertions about the result.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use proofd::model::Clock as _;
use proofd::simulate::applicant::{Applicant, Led};
use proofd::simulate::town::Town;
use serde_json::Value;

use crate::evidence::{Evidence, Heard, Provider};
use crate::lives::{Kind, Life, Random};
use crate::world::{World, copy_tree, edit};

/// Number of kills, unless PROOFD_KILLS sets another.
const KILLS: usize = 30;
/// Interval between two people, chosen to spread the kills over every part of the daemon's work.
const APART: Duration = Duration::from_millis(50);

/// Number of kills between an edit and the wait until it is active.
const KILLS_WHILE_LOADING: usize = 3;

/// The size of a run.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub people: usize,
    pub kills: usize,
}

impl Size {
    /// The number of people is chosen to give the daemon work at every kill.
    pub fn of(kills: usize) -> Self {
        Self { people: kills * 20 / 3, kills }
    }

    /// The size that the environment sets.
    pub fn asked() -> Self {
        let kills = std::env::var("PROOFD_KILLS").ok();
        let size =
            Self::of(kills.map_or(KILLS, |kills| kills.parse().expect("PROOFD_KILLS is a number of kills")));
        assert!(size.edit() + KILLS_WHILE_LOADING < size.kills, "PROOFD_KILLS is at least 5");
        size
    }

    /// The first person who comes after the edit is active: cases open before it and after it.
    fn after_edit(self) -> usize {
        self.people / 2
    }

    /// The kill before which the policy of responding people is edited.
    fn edit(self) -> usize {
        self.kills / 3
    }
}

/// Shared state of the campaign.
struct Stage {
    size: Size,
    town: Arc<Town>,
    clock: proofd::engine::clock::Scaled,
    /// Maps a mail address to its newest link. There is one reader, because each read copies the whole mailbox.
    links: Mutex<HashMap<String, String>>,
    over: AtomicBool,
    edit_is_live: tokio::sync::watch::Sender<bool>,
}

impl Stage {
    async fn deliver(&self) {
        while !self.over.load(Ordering::Relaxed) {
            let mails = self.town.mailbox.mails();
            for mail in mails {
                if let Some(link) = mail.links.into_iter().find(|link| link.contains("/v/")) {
                    self.links.lock().unwrap().insert(mail.to, link);
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Runs one person, who retries while the daemon is down.
    async fn live(&self, number: usize) -> Life {
        let kind = Kind::of(number);
        let turn = match number.checked_sub(self.size.after_edit()) {
            None => number,
            Some(turn) => {
                self.edit_is_live.subscribe().wait_for(|live| *live).await.unwrap();
                turn
            }
        };
        tokio::time::sleep(APART * u32::try_from(turn).unwrap()).await;
        let email = format!("p{number}@{}", kind.domain());
        let who = Applicant::new(&format!("Person{number}"), "Tester", &email).unwrap();
        let user = who.register(&self.town).unwrap().user_id.unwrap().to_string();
        let mut life = Life { kind, email: email.clone(), user, delivered: Vec::new() };
        while kind != Kind::Silent && !self.over.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let link = self.links.lock().unwrap().get(&email).cloned();
            let Some(link) = link else { continue };
            // The daemon may be down or be killed during the request: the person presses again.
            if let Ok(Led::Vendor { execution }) = who.press(&self.town, &link).await {
                life.delivered.push((execution.clone(), self.clock.now()));
                // An error: the session was finished or replaced meanwhile, and the link still works.
                if who.prove(&self.town, &execution, kind.script()).is_ok() {
                    break;
                }
            }
        }
        life
    }
}

/// The active revision of the policy of responding people.
async fn revision(world: &World) -> String {
    let list = world.get("/v1/policies").await;
    let line = list["items"].as_array().unwrap().iter().find(|line| line["name"] == "proofing").cloned();
    line.unwrap()["revision"].as_str().unwrap().to_owned()
}

pub async fn run(seed: u64, size: Size) -> Evidence {
    let mut world = World::new(60, Path::new("tests/data/tree"), "").await;
    copy_tree(Path::new("tests/data/kill"), &world.policies());
    // The campaign tests crashes; another test covers the vendor's limits.
    world.town.jumio.turn(|knobs| {
        knobs.rate_limits = false;
        knobs.processing_seconds = 20;
    });
    world.edit_config("  jumio:\n", "  jumio:\n    starts_per_second: 50\n");
    world.start();

    let stage = Arc::new(Stage {
        size,
        town: world.share_town(),
        clock: world.clock.clone(),
        links: Mutex::default(),
        over: AtomicBool::new(false),
        edit_is_live: tokio::sync::watch::Sender::new(false),
    });
    let declined = world.policies().join("shared/templates/registration-declined/en.md");
    let before = revision(&world).await;
    let mut people = tokio::task::JoinSet::new();
    for number in 0..size.people {
        let stage = Arc::clone(&stage);
        people.spawn(async move { stage.live(number).await });
    }
    let post = {
        let stage = Arc::clone(&stage);
        tokio::spawn(async move { stage.deliver().await })
    };
    let mut random = Random::new(seed);
    for kill in 0..size.kills {
        if kill == size.edit() {
            edit(&declined, "Edition one.", "Edition two.");
        }
        // The first kills after the edit happen during its loading.
        if kill == size.edit() + KILLS_WHILE_LOADING {
            world.until("the edit", async |world| (revision(world).await != before).then_some(())).await;
            stage.edit_is_live.send_replace(true);
        }
        tokio::time::sleep(Duration::from_millis(50 + random.below(900))).await;
        world.kill();
        world.start();
    }
    world
        .until("the end of every case", async |world| {
            let page = world.try_ask(reqwest::Method::GET, "/v1/cases?state=open&limit=500", "t-admin", None);
            let (_, page) = page.await.ok()?;
            let open = page["items"].as_array()?;
            // On a slow machine an invitation may miss its deadline. By design, such a case is stuck until a person
            // retries it.
            for stuck in open.iter().filter(|case| case["state"] == "stuck") {
                world.orders(stuck, "retry").await;
            }
            (open.is_empty() && world.cases().await.len() == size.people).then_some(())
        })
        .await;
    stage.over.store(true, Ordering::Relaxed);
    post.await.unwrap();
    let lives = people.join_all().await;
    let (_, metrics) = world.ask(reqwest::Method::GET, "/metrics", "", None).await;
    assert_eq!(world.stop(), Some(0));
    let written = format!("{}\n{metrics}", world.log());
    let provider = Provider {
        changes: Vec::new(),
        heard: acknowledged(&world),
        secrets: vec!["sim-secret", "sim-webhook"],
        unit: TimeDelta::minutes(1),
    };
    Evidence::collect(&world, lives, written, provider)
}

/// The events that the provider broadcast and the daemon acknowledged.
fn acknowledged(world: &World) -> Vec<Heard> {
    let deliveries = world.town.onelogin.deliveries();
    let taken = deliveries.iter().filter(|one| {
        one["statuses"].as_array().is_some_and(|statuses| statuses.iter().any(|status| status == 200))
    });
    let ids: Vec<&Value> = taken.flat_map(|one| one["events"].as_array().unwrap()).collect();
    let mut events = world.town.onelogin.events();
    events.retain(|event| ids.contains(&&event["id"]));
    let heard = |event: &Value| {
        Some(Heard {
            id: event["id"].to_string(),
            kind: format!("onelogin.{}", event["event_type_id"]),
            user: event["user_id"].as_i64()?.to_string(),
            at: event["created_at"].as_str().unwrap().parse().unwrap(),
        })
    };
    events.iter().filter_map(heard).collect()
}
