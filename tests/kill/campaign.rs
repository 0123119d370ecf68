//! The campaign: people register one after the other and act by their kind, while the daemon is killed and
//! restarted. This module makes no assertions about the result.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proofd::model::{Clock as _, Timestamp};
use proofd::simulate::applicant::{Applicant, Led};
use proofd::simulate::jumio::{Outcome, Script};
use proofd::simulate::town::Town;

use crate::evidence::Evidence;
use crate::world::{World, copy_tree, edit};

/// Number of kills, unless PROOFD_KILLS sets another.
const KILLS: usize = 30;
/// Interval between two people, chosen to spread the kills over every part of the daemon's work.
const APART: Duration = Duration::from_millis(50);

/// Number of kills between an edit and the wait until it is active.
const KILLS_WHILE_LOADING: usize = 3;

/// The behavior of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Honest,
    Forger,
    /// Never presses the button.
    Silent,
}

/// A person, and the events outside of the daemon.
#[derive(Debug, Clone)]
pub struct Life {
    pub kind: Kind,
    pub email: String,
    /// The person's user at the identity provider.
    pub user: String,
    /// Vendor sessions that the person was sent to, with their times.
    pub delivered: Vec<(String, Timestamp)>,
}

impl Kind {
    fn of(number: usize) -> Self {
        match number % 8 {
            3 | 7 => Self::Forger,
            5 => Self::Silent,
            _ => Self::Honest,
        }
    }

    /// The policy that the mail address selects.
    pub fn policy(self) -> &'static str {
        match self {
            Self::Honest | Self::Forger => "proofing",
            Self::Silent => "silence",
        }
    }

    fn domain(self) -> &'static str {
        match self {
            Self::Honest | Self::Forger => "partner.test",
            Self::Silent => "silent.test",
        }
    }

    fn script(self) -> Script {
        match self {
            Self::Honest | Self::Silent => Script::default(),
            Self::Forger => Script {
                outcome: Outcome::Reject,
                labels: vec!["imageChecks:MANIPULATED_DOCUMENT".to_owned()],
                ..Script::default()
            },
        }
    }
}

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

/// A small random number generator: its seed repeats a failing run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
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
    let mut random = Random(seed | 1);
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
    Evidence::collect(&world, lives, written)
}
