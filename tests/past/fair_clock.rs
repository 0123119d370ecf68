//! Time lost in an outage of a vendor or the daemon, or by a temporarily wrong clock, is given back. The engine runs in
//! the test with the shipped policies, on a clock that the test advances.
use crate::world::inside::Inside;
use crate::world::past::reproduces_the_record;
use chrono::TimeDelta;
use proofd::api::journal::{Entry, Note};
use proofd::model::{CaseId, Timestamp};
use proofd::simulate::applicant::{Applicant, Led};
use proofd::simulate::fault::{Fault, Mishap};
use proofd::simulate::jumio::Script;
use proofd::simulate::ledger::System;
use proofd::simulate::onelogin::{Ages, Crowd};

const INVITED: &str = "Please confirm who you are";
const REMINDED: &str = "Reminder: please confirm who you are";
const LAST_CALL: &str = "Last reminder: your registration is about to expire";
const EXPIRED: &str = "Your registration has expired";
const HOUR: TimeDelta = TimeDelta::hours(1);

async fn monday() -> Inside {
    Inside::open("2026-01-05T09:00:00Z".parse().unwrap()).await
}

struct Person {
    applicant: Applicant,
    user: i64,
    case: CaseId,
}

impl Person {
    /// A person who registered and was invited.
    async fn registers(inside: &Inside, first_name: &str) -> Self {
        let email = format!("{}@partner.test", first_name.to_lowercase());
        let applicant = Applicant::new(first_name, "Tester", &email).unwrap();
        let user = applicant.register(&inside.town).unwrap().user_id.unwrap();
        inside.comes("an invitation", async |inside| applicant.link(&inside.town)).await;
        let subject = format!("registration/{user}");
        let query = proofd::api::cases::CaseQuery { subject: Some(subject), ..Default::default() };
        let case = inside.engine().operators().list_cases(&query).unwrap().items.remove(0).id;
        Self { applicant, user, case }
    }

    fn state(&self, inside: &Inside) -> String {
        inside.engine().cases().case(&self.case).unwrap().unwrap().state_word().to_owned()
    }

    fn due(&self, inside: &Inside) -> Timestamp {
        inside.engine().cases().case(&self.case).unwrap().unwrap().due_at().unwrap()
    }

    fn journal(&self, inside: &Inside) -> Vec<Entry> {
        inside.engine().operators().journal(&self.case, 0, 1_000).unwrap()
    }

    fn given_back(&self, inside: &Inside) -> TimeDelta {
        let seconds = |entry: Entry| match entry.note {
            Note::Paused { seconds } => seconds,
            _ => 0,
        };
        TimeDelta::seconds(self.journal(inside).into_iter().map(seconds).sum())
    }

    fn mails(&self, inside: &Inside) -> Vec<String> {
        let mails = inside.town.mailbox.mails_to(&self.applicant.email);
        mails.into_iter().map(|mail| mail.subject).collect()
    }

    fn deletions(&self, inside: &Inside) -> usize {
        let id = self.user.to_string();
        let records = inside.town.ledger.records();
        records
            .iter()
            .filter(|one| one.system == System::OneLogin && one.what == "user.delete" && one.subject == id)
            .count()
    }

    /// Goes to the vendor by the newest link; returns the run's id.
    async fn presses(&self, inside: &Inside) -> String {
        let link = self.applicant.link(&inside.town).unwrap();
        match self.applicant.press(&inside.town, &link).await.unwrap() {
            Led::Vendor { execution } => execution,
            Led::Page(status, text) => panic!("{status} {text}"),
        }
    }
}

fn vendor_is_down(inside: &Inside, down: bool) {
    let fault = Fault::of(Mishap::Status(503));
    inside.town.jumio.turn(|knobs| knobs.faults = if down { vec![fault] } else { Vec::new() });
}

/// Whether two spans are equal, except for the interval between the daemon's checks.
fn about(one: TimeDelta, other: TimeDelta) -> bool {
    (one - other).abs() <= HOUR
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_during_an_outage_moves_by_its_length() {
    let inside = monday().await;
    let ada = Person::registers(&inside, "Ada").await;
    let deadline = ada.due(&inside);
    inside.pass(deadline - HOUR * 12 - inside.now(), HOUR).await;
    let mails = [INVITED, REMINDED, REMINDED, LAST_CALL];
    assert_eq!(ada.mails(&inside), mails);
    // Another person is at the vendor when it goes down, which reveals the outage.
    let ben = Person::registers(&inside, "Ben").await;
    let run = ben.presses(&inside).await;
    vendor_is_down(&inside, true);
    ben.applicant.prove(&inside.town, &run, Script::default()).unwrap();
    inside.pass(HOUR, TimeDelta::minutes(1)).await;
    inside.pass(HOUR * 29, HOUR).await;
    assert!(inside.now() > deadline + HOUR * 17);
    assert_eq!((ada.state(&inside).as_str(), ben.state(&inside).as_str()), ("waiting", "waiting"));
    vendor_is_down(&inside, false);
    inside.pass(HOUR, TimeDelta::minutes(1)).await;
    // Ben finished in time, and his result is read now.
    inside.comes("Ben's result", async |inside| (ben.state(inside) == "closed").then_some(())).await;
    assert_eq!(inside.town.onelogin.user(ben.user).unwrap()["state"], 1, "{:#?}", ben.journal(&inside));
    // Thirty hours were lost, so the deadline is thirty hours later.
    inside.pass(deadline + HOUR * 29 - inside.now(), HOUR).await;
    assert_eq!(
        (ada.state(&inside).as_str(), ada.mails(&inside).as_slice()),
        ("waiting", &mails.map(str::to_owned)[..])
    );
    assert!(about(ada.given_back(&inside), HOUR * 30), "{:?}", ada.given_back(&inside));
    inside.pass(HOUR * 3, HOUR).await;
    assert_eq!(
        (ada.state(&inside).as_str(), ada.mails(&inside).pop().as_deref()),
        ("in_grace", Some(EXPIRED))
    );
    assert_eq!(ada.deletions(&inside), 0);
    reproduces_the_record(inside.engine());
}

#[tokio::test(flavor = "multi_thread")]
async fn days_without_the_daemon_are_credited() {
    let mut inside = monday().await;
    let ada = Person::registers(&inside, "Ada").await;
    let deadline = ada.due(&inside);
    // Past the first reminder.
    inside.pass(TimeDelta::days(1), HOUR).await;
    inside.stop().await;
    inside.clock.advance(TimeDelta::days(3));
    inside.start().await;
    inside.settle().await;
    assert_eq!(ada.mails(&inside), [INVITED], "nothing goes out at once");
    inside.pass(TimeDelta::days(2), HOUR).await;
    assert_eq!(ada.mails(&inside), [INVITED, REMINDED]);
    assert!(about(ada.given_back(&inside), TimeDelta::days(3)), "{:?}", ada.given_back(&inside));
    // Past all other reminders: none of them is sent late, and the deadline moves.
    inside.stop().await;
    inside.clock.advance(TimeDelta::days(20));
    inside.start().await;
    inside.settle().await;
    assert!(inside.now() > deadline);
    assert_eq!((ada.state(&inside).as_str(), ada.mails(&inside).len()), ("waiting", 2));
    inside.pass(TimeDelta::days(10), HOUR).await;
    assert_eq!(ada.mails(&inside), [INVITED, REMINDED, REMINDED, LAST_CALL]);
    inside.pass(TimeDelta::days(2), HOUR).await;
    assert_eq!(ada.state(&inside), "in_grace");
    // A person with a week to object gets a whole week, whatever the daemon's outages.
    inside.stop().await;
    inside.clock.advance(TimeDelta::days(30));
    inside.start().await;
    inside.settle().await;
    inside.pass(TimeDelta::days(5), HOUR).await;
    assert_eq!((ada.state(&inside).as_str(), ada.deletions(&inside)), ("in_grace", 0));
    inside.pass(TimeDelta::days(3), HOUR).await;
    assert_eq!((ada.state(&inside).as_str(), ada.deletions(&inside)), ("closed", 1));
    reproduces_the_record(inside.engine());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_stop_is_not_credited() {
    let mut inside = monday().await;
    let ada = Person::registers(&inside, "Ada").await;
    let deadline = ada.due(&inside);
    for _ in 0..10 {
        inside.pass(HOUR, HOUR).await;
        inside.stop().await;
        inside.clock.advance(TimeDelta::minutes(5));
        inside.start().await;
        inside.settle().await;
    }
    assert_eq!((ada.due(&inside), ada.given_back(&inside)), (deadline, TimeDelta::zero()));
    reproduces_the_record(inside.engine());
}

/// The error of a temporarily wrong clock.
const TEN_YEARS: TimeDelta = TimeDelta::days(3_650);

#[tokio::test(flavor = "multi_thread")]
async fn a_briefly_wrong_clock_causes_no_effect_and_no_mail() {
    let inside = monday().await;
    // People whose proof is valid for another month.
    let crowd = Crowd {
        count: 5,
        moments: [("idv_verified_at".to_owned(), Ages { days: 60, without_percent: 0 })].into(),
        ..Crowd::default()
    };
    inside.town.onelogin.gather(&crowd);
    let (ada, forger) = (Person::registers(&inside, "Ada").await, Person::registers(&inside, "Carla").await);
    let run = forger.presses(&inside).await;
    let forged = Script { labels: vec!["imageChecks:MANIPULATED_DOCUMENT".to_owned()], ..rejected() };
    forger.applicant.prove(&inside.town, &run, forged).unwrap();
    inside.comes("the grace", async |inside| (forger.state(inside) == "in_grace").then_some(())).await;
    inside.pass(TimeDelta::days(1), HOUR).await;
    let (deadline, grace) = (ada.due(&inside), forger.due(&inside));
    let mails = inside.town.mailbox.mails().len();
    let cases = || {
        inside.engine().operators().list_cases(&proofd::api::cases::CaseQuery::default()).unwrap().items.len()
    };

    inside.clock.jump(TEN_YEARS);
    for _ in 0..6 {
        inside.look().await;
        inside.clock.advance(TimeDelta::seconds(15));
    }
    inside.look().await;
    inside.clock.jump(-TEN_YEARS);
    inside.clock.advance(TimeDelta::seconds(15));
    inside.settle().await;
    assert_eq!((ada.state(&inside).as_str(), forger.state(&inside).as_str()), ("waiting", "in_grace"));
    assert_eq!((ada.due(&inside), forger.due(&inside)), (deadline, grace));
    assert_eq!((forger.deletions(&inside), inside.town.mailbox.mails().len(), cases()), (0, mails, 2));

    // Everything continues as without the error: the reminder, the nightly sweep, the deletion.
    inside.pass(TimeDelta::days(1) + HOUR, HOUR).await;
    assert_eq!(ada.mails(&inside), [INVITED, REMINDED]);
    let sweeps = inside.engine().sweeps().list().unwrap();
    let last = sweeps[0].past.first().expect("the sweep ran");
    assert!((inside.now() - last.nominal).abs() < TimeDelta::days(1), "{last:?}");
    assert_eq!((last.due, last.opened, cases()), (0, 0, 2), "{last:?}");
    inside.pass(grace - inside.now() - HOUR, HOUR).await;
    assert_eq!((forger.state(&inside).as_str(), forger.deletions(&inside)), ("in_grace", 0));
    inside.pass(HOUR * 2, HOUR).await;
    assert_eq!((forger.state(&inside).as_str(), forger.deletions(&inside)), ("closed", 1));
    reproduces_the_record(inside.engine());
}

fn rejected() -> Script {
    Script { outcome: proofd::simulate::jumio::Outcome::Reject, ..Script::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn suspended_time_of_the_machine_is_credited() {
    let inside = monday().await;
    let ada = Person::registers(&inside, "Ada").await;
    let deadline = ada.due(&inside);
    inside.pass(HOUR, HOUR).await;
    inside.clock.jump(TimeDelta::days(20));
    inside.look().await;
    // The clock stays ahead for minutes, so it counts as correct.
    for _ in 0..20 {
        inside.clock.advance(TimeDelta::seconds(15));
        inside.look().await;
    }
    inside.settle().await;
    assert_eq!(
        (ada.state(&inside).as_str(), ada.mails(&inside).as_slice()),
        ("waiting", &[INVITED.to_owned()][..])
    );
    inside.pass(TimeDelta::days(13), HOUR).await;
    assert_eq!(ada.state(&inside), "waiting");
    assert!(about(ada.due(&inside) - deadline, TimeDelta::days(20)), "{}", ada.due(&inside));
    assert_eq!(ada.mails(&inside), [INVITED, REMINDED, REMINDED, LAST_CALL]);
    inside.pass(TimeDelta::days(1), HOUR).await;
    assert_eq!(ada.state(&inside), "in_grace");
    reproduces_the_record(inside.engine());
}

/// Starts with a clock that is weeks ahead and is set back while the daemon runs or while it is stopped.
async fn check_a_start_with_a_clock_ahead(stopped: bool) {
    const AHEAD: TimeDelta = TimeDelta::days(40);
    let mut inside = monday().await;
    let ada = Person::registers(&inside, "Ada").await;
    let forger = Person::registers(&inside, "Carla").await;
    let run = forger.presses(&inside).await;
    let forged = Script { labels: vec!["imageChecks:MANIPULATED_DOCUMENT".to_owned()], ..rejected() };
    forger.applicant.prove(&inside.town, &run, forged).unwrap();
    inside.comes("the grace", async |inside| (forger.state(inside) == "in_grace").then_some(())).await;
    inside.pass(TimeDelta::days(1), HOUR).await;
    let (deadline, grace) = (ada.due(&inside), forger.due(&inside));
    inside.stop().await;
    inside.clock.jump(AHEAD);
    inside.start().await;
    inside.settle().await;
    // The reminder is due by now, so the case is checked and time is given back; another person registers.
    inside.pass(TimeDelta::days(1) + HOUR, HOUR).await;
    assert!(about(ada.given_back(&inside), AHEAD), "{}", ada.given_back(&inside));
    let grace_time = grace - inside.now() + AHEAD;
    let ben = Person::registers(&inside, "Ben").await;
    let bens = ben.due(&inside) - inside.now();

    if stopped {
        inside.stop().await;
        inside.clock.jump(-AHEAD);
        inside.start().await;
    } else {
        inside.clock.jump(-AHEAD);
    }
    // The loop that wakes cases sleeps, and notices after a short time that the clock was set back.
    inside.clock.advance(TimeDelta::seconds(15));
    inside.settle().await;
    assert!(about(ada.due(&inside) - deadline, TimeDelta::zero()), "{} {deadline}", ada.due(&inside));
    assert!(about(ben.due(&inside) - inside.now(), bens), "{}", ben.due(&inside));
    assert_eq!(ada.mails(&inside), [INVITED, REMINDED]);
    let set_back = |entry: &Entry| matches!(entry.note, Note::ClockSetBack { .. });
    assert_eq!(ada.journal(&inside).iter().filter(|entry| set_back(entry)).count(), 1);
    // The other cases, and the nightly sweep, continue by the correct time.
    inside.pass(grace_time - HOUR, HOUR).await;
    assert_eq!((forger.state(&inside).as_str(), forger.deletions(&inside)), ("in_grace", 0));
    inside.pass(HOUR * 3, HOUR).await;
    assert_eq!((forger.state(&inside).as_str(), forger.deletions(&inside)), ("closed", 1));
    let sweeps = inside.engine().sweeps().list().unwrap();
    let lately =
        |run: &&proofd::api::sweeps::SweepRun| (inside.now() - run.nominal).abs() < TimeDelta::days(1);
    assert!(sweeps[0].past.iter().any(|run| lately(&run)), "{:?}", sweeps[0].past);
    inside.pass(deadline - inside.now() - HOUR, HOUR).await;
    assert_eq!(ada.state(&inside), "waiting");
    inside.pass(HOUR * 3, HOUR).await;
    assert_eq!((ada.state(&inside).as_str(), ada.deletions(&inside)), ("in_grace", 0));
    reproduces_the_record(inside.engine());
}

#[tokio::test(flavor = "multi_thread")]
async fn correcting_a_clock_that_was_ahead_moves_no_deadline() {
    check_a_start_with_a_clock_ahead(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn setting_the_clock_back_while_stopped_moves_no_deadline() {
    check_a_start_with_a_clock_ahead(true).await;
}
