//! 200 people register while the daemon is killed 30 times at random moments. At the end everybody stands
//! where the simulated vendor's results say, and nothing happened twice. The checker reads what the
//! simulators recorded; it does not ask the daemon what it believes until the very end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what went wrong by failing"
)]

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proofd::simulate::applicant::{Applicant, Led};
use proofd::simulate::jumio::{Outcome, Script};
use proofd::simulate::ledger::{Ledger, Record, System};
use proofd::simulate::town::Town;
use world::World;

const PEOPLE: usize = 200;
const KILLS: usize = 30;

/// What a person's document is like, by their number.
fn script(number: usize) -> Script {
    let reject = |label: &str| Script {
        outcome: Outcome::Reject,
        labels: vec![label.to_owned()],
        ..Script::default()
    };
    match number % 4 {
        3 => reject("imageChecks:MANIPULATED_DOCUMENT"),
        _ => Script::default(),
    }
}

/// One person, who keeps trying while the daemon is down.
async fn live(town: Arc<Town>, number: usize, over: Arc<AtomicBool>) {
    let who =
        Applicant::new(&format!("Person{number}"), "Tester", &format!("p{number}@partner.test")).unwrap();
    who.register(&town).unwrap();
    while !over.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let Some(link) = who.link(&town) else { continue };
        // The daemon may be down, or die in the middle of it: people press again.
        if let Ok(Led::Vendor { execution }) = who.press(&town, &link).await {
            match who.prove(&town, &execution, script(number)) {
                Ok(()) => return,
                // The session was finished or replaced meanwhile: the link still works.
                Err(_) => continue,
            }
        }
    }
}

/// A small generator, so that a failing run can be repeated with its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_killed_everybody_ends_as_the_vendor_said() {
    let seed = std::env::var("PROOFD_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0x5eed_u64);
    println!("campaign=kill seed={seed}");
    let mut world = World::new(60, Path::new("tests/data/tree"), "").await;
    // The campaign is about crashes; the vendor's own limits are another test's.
    world.town.jumio.turn(|knobs| {
        knobs.rate_limits = false;
        knobs.processing_seconds = 20;
    });
    let text = std::fs::read_to_string(world.config()).unwrap();
    std::fs::write(world.config(), text.replace("  jumio:\n", "  jumio:\n    starts_per_second: 50\n"))
        .unwrap();
    world.start();

    let over = Arc::new(AtomicBool::new(false));
    let mut random = Random(seed | 1);
    let people = {
        let town = world.share_town();
        let mut people = tokio::task::JoinSet::new();
        for number in 0..PEOPLE {
            people.spawn(live(Arc::clone(&town), number, Arc::clone(&over)));
        }
        people
    };
    for _ in 0..KILLS {
        tokio::time::sleep(Duration::from_millis(50 + random.below(900))).await;
        world.kill();
        world.start();
    }
    world
        .until("the end of every case", async |world| {
            let Ok((_, page)) =
                world.try_ask(reqwest::Method::GET, "/v1/cases?state=open&limit=500", "t-admin", None).await
            else {
                return None;
            };
            let open = page["items"].as_array().map_or(usize::MAX, Vec::len);
            let all = world.cases().await.len();
            (open == 0 && all == PEOPLE).then_some(())
        })
        .await;
    over.store(true, Ordering::Relaxed);
    people.join_all().await;
    let cases = world.cases().await;
    assert_eq!(world.stop(), Some(0));

    let records = Ledger::read(&world.dir.path().join("ledger.jsonl")).unwrap();
    let ledger = Checked::new(&records);
    ledger.nothing_twice();
    ledger.approved_only_with_a_pass(&cases);
    ledger.mails_arrived_and_copies_are_few();
    ledger.nobody_is_deleted_who_was_let_in();
    ledger.one_session_a_start(&cases);
    let log = world.log();
    for secret in ["Tester", "partner.test", "sim-secret", "sim-webhook", "sim-callback", "t-admin", "/v/c"] {
        assert!(!log.contains(secret), "seed={seed} the daemon's log contains {secret}");
    }
    let revisions: BTreeSet<_> = cases.iter().map(|case| case["revision"].as_str().unwrap()).collect();
    assert_eq!(revisions.len(), 1, "seed={seed} the policy was never edited: {revisions:?}");
    for number in 0..PEOPLE {
        let name = format!("Person{number} Tester");
        let case =
            cases.iter().find(|case| case["subject"]["name"] == name.as_str()).expect("a case for everybody");
        let user = case["subject"]["id"].as_str().unwrap();
        let (result, standing) = match script(number).outcome {
            Outcome::Reject => ("rejected", Standing::Deleted),
            _ => ("approved", Standing::Approved),
        };
        assert_eq!(case["result"], result, "seed={seed} {case}");
        assert_eq!(ledger.standing(user), standing, "seed={seed} {case}");
    }
    let report = proofd::store::verify(&world.dir.path().join("store")).unwrap();
    assert!(report.differences.is_empty(), "seed={seed} {:?}", report.differences);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Approved,
    Deleted,
    Neither,
}

/// What the simulators recorded, read for the invariants.
struct Checked<'a> {
    records: &'a [Record],
}

impl<'a> Checked<'a> {
    fn new(records: &'a [Record]) -> Self {
        Self { records }
    }

    fn applied(&self, what: &str) -> impl Iterator<Item = &'a Record> {
        self.records
            .iter()
            .filter(move |one| one.system == System::OneLogin && one.applied && one.what == what)
    }

    /// At most one approval and one deletion a person, never both, and no second invitation.
    fn nothing_twice(&self) {
        let mut acted = BTreeMap::<(&str, &str), u32>::new();
        for what in ["user.approve", "user.delete", "user.invite"] {
            for record in self.applied(what) {
                *acted.entry((record.subject.as_str(), record.what.as_str())).or_default() += 1;
            }
        }
        let twice: Vec<_> = acted.iter().filter(|(_, count)| **count > 1).collect();
        assert!(twice.is_empty(), "done twice: {twice:?}");
        let approved: BTreeSet<_> = self.applied("user.approve").map(|record| &record.subject).collect();
        let both: Vec<_> =
            self.applied("user.delete").filter(|record| approved.contains(&record.subject)).collect();
        assert!(both.is_empty(), "approved and deleted: {both:?}");
    }

    /// Every approval has a passed result at the vendor for a session of that very case, and it came first.
    fn approved_only_with_a_pass(&self, cases: &[serde_json::Value]) {
        for approval in self.applied("user.approve") {
            let case = cases.iter().find(|case| case["subject"]["id"] == approval.subject.as_str());
            let id = case.and_then(|case| case["id"].as_str()).expect("an approval belongs to a case");
            let passed = self.records.iter().any(|one| {
                one.system == System::Jumio
                    && one.what == "result"
                    && one.subject.starts_with(&format!("{id}."))
                    && one.detail["decision"] == "PASSED"
                    && one.at <= approval.at
            });
            assert!(passed, "approved without a pass: {approval:?}");
        }
    }

    /// Copies of a mail carry the same Message-ID and there are at most as many as crashes.
    fn mails_arrived_and_copies_are_few(&self) {
        let mut copies = BTreeMap::<&str, usize>::new();
        for mail in self.records.iter().filter(|one| one.system == System::Mail && one.what == "mail") {
            *copies.entry(mail.detail["message_id"].as_str().expect("a Message-ID")).or_default() += 1;
        }
        assert!(copies.len() >= PEOPLE, "everybody was invited");
        let extra: usize = copies.values().map(|count| count - 1).sum();
        // At most the mails of the lane that were under way at each kill.
        assert!(extra <= KILLS * 4, "{extra} extra copies");
    }

    /// A deletion never met a record that was approved.
    fn nobody_is_deleted_who_was_let_in(&self) {
        let wrong: Vec<_> = self.applied("user.delete").filter(|one| one.detail["state"] == 1).collect();
        assert!(wrong.is_empty(), "deleted though approved: {wrong:?}");
    }

    /// Every vendor session carries a reference of its own, of an existing case, so a session that was lost
    /// in a crash can never speak for another.
    fn one_session_a_start(&self, cases: &[serde_json::Value]) {
        let ids: BTreeSet<_> = cases.iter().filter_map(|case| case["id"].as_str()).collect();
        let mut seen = BTreeSet::new();
        let starts = self.records.iter().filter(|one| {
            one.system == System::Jumio && one.applied && (one.what == "create" || one.what == "update")
        });
        for start in starts {
            assert!(seen.insert(&start.subject), "a reference was used twice: {}", start.subject);
            let case = start.subject.split('.').next().unwrap_or_default();
            assert!(ids.contains(case), "a session of no case: {}", start.subject);
        }
    }

    fn standing(&self, user: &str) -> Standing {
        let did = |what: &str| self.applied(what).any(|record| record.subject == user);
        match (did("user.approve"), did("user.delete")) {
            (true, false) => Standing::Approved,
            (false, true) => Standing::Deleted,
            _ => Standing::Neither,
        }
    }
}
