//! Back-tests. With the policies that ran, a back-test reproduces the recorded events byte for byte. With an edit, it
//! reports the cases with another result, and those whose result is unknown.
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::world::inside::Inside;
use crate::world::past::reproduces_the_record;
use crate::world::people::{forges, other_name, passes};
use crate::world::{copy_tree, edit};
use chrono::TimeDelta;
use proofd::api::cases::CaseQuery;
use proofd::api::plan::Plan;
use proofd::cli::compose::known_to_all;
use proofd::engine::Settings;
use proofd::model::{Actor, CaseId};
use proofd::policy::{self, Files, Policy};
use proofd::rollout::Edited;
use proofd::rollout::PolicyState;
use proofd::rollout::tree;
use proofd::simulate::applicant::{Applicant, Led};
use proofd::simulate::jumio::Script;
use proofd::trial::past::PolicyPast;

const POLICY: &str = "registration-proofing";
const HOUR: TimeDelta = TimeDelta::hours(1);
const DAY: TimeDelta = TimeDelta::days(1);

struct Person {
    applicant: Applicant,
    case: CaseId,
}

async fn registers(inside: &Inside, first_name: &str) -> Person {
    let email = format!("{}@partner.test", first_name.to_lowercase());
    let applicant = Applicant::new(first_name, "Tester", &email).unwrap();
    let user = applicant.register(&inside.town).unwrap().user_id.unwrap();
    inside.comes("an invitation", async |inside| applicant.link(&inside.town)).await;
    let subject = Some(format!("registration/{user}"));
    let query = CaseQuery { subject, ..Default::default() };
    let case = inside.engine().operators().list_cases(&query).unwrap().items.remove(0).id;
    Person { applicant, case }
}

async fn proves(inside: &Inside, person: &Person, script: Script) {
    let link = person.applicant.link(&inside.town).unwrap();
    let Led::Vendor { execution } = person.applicant.press(&inside.town, &link).await.unwrap() else {
        panic!("a page instead of the vendor");
    };
    person.applicant.prove(&inside.town, &execution, script).unwrap();
    let left = async |inside: &Inside| {
        let case = inside.engine().cases().case(&person.case).unwrap().unwrap();
        (case.state_word() != "waiting").then_some(())
    };
    inside.comes("the result", left).await;
}

/// Three weeks of registrations.
async fn weeks() -> Inside {
    let inside = Inside::open("2026-01-05T09:00:00Z".parse().unwrap()).await;
    let ada = registers(&inside, "Ada").await;
    proves(&inside, &ada, passes()).await;
    let ben = registers(&inside, "Ben").await;
    let cem = registers(&inside, "Cem").await;
    proves(&inside, &cem, forges()).await;
    let _dora = registers(&inside, "Dora").await;
    let eve = registers(&inside, "Eve").await;
    proves(&inside, &eve, other_name()).await;
    inside.pass(HOUR * 2, HOUR).await;
    let reason = Some("seen in a video call".to_owned());
    inside
        .engine()
        .operators()
        .decide_case(&eve.case, "approve".to_owned(), reason, Actor::person("Dana", ["identity-desk"]))
        .await
        .unwrap();
    inside.pass(DAY * 3, HOUR).await;
    proves(&inside, &ben, passes()).await;
    inside.pass(DAY * 7, HOUR).await;
    let _fay = registers(&inside, "Fay").await;
    inside.pass(DAY * 13, HOUR).await;
    inside
}

fn tree_with(edits: &[(&str, &str)]) -> Files {
    let (Files(mut files), _) = tree::read(&PathBuf::from("policies")).unwrap().unwrap();
    let path = format!("{POLICY}/policy.yaml");
    let mut text = String::from_utf8(files[&path].to_vec()).unwrap();
    for (from, to) in edits {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    files.insert(path, Arc::from(text.into_bytes()));
    // The tests of the policy describe it before the edit.
    files.remove(&format!("{POLICY}/tests.yaml"));
    Files(files)
}

fn loaded(files: &Files) -> Arc<Policy> {
    let loaded = policy::load(files, &known_to_all());
    let errors = policy::diagnostic::render(&loaded.diagnostics, files, false);
    Arc::clone(loaded.set.policies.get(POLICY).unwrap_or_else(|| panic!("{errors}")))
}

/// An edit and its effects: for each, least and most before and after, and the number of additional people.
struct Expected {
    what: &'static str,
    edits: &'static [(&'static str, &'static str)],
    effects: &'static [(&'static str, &'static str, &'static str, &'static str)],
    /// First name, and the results.
    ends: &'static [(&'static str, &'static str, &'static str)],
    unknown: usize,
}

const EDITS: &[Expected] = &[
    Expected {
        what: "a new title",
        edits: &[("title: Your", "title: A")],
        effects: &[],
        ends: &[],
        unknown: 0,
    },
    Expected {
        what: "a day to answer",
        edits: &[
            ("answer_within: 14d", "answer_within: 1d"),
            ("        - {after: 2d, template: proof-reminder}\n", ""),
            ("        - {after: 7d, template: proof-reminder}\n", ""),
            ("after: 12d", "after: 12h"),
        ],
        effects: &[("delete", "2", "4", "2")],
        ends: &[("Fay", "waiting at proof", "expired, in grace"), ("Ben", "approved", "expired, in grace")],
        unknown: 0,
    },
    Expected {
        what: "another month to answer",
        edits: &[("answer_within: 14d", "answer_within: 44d")],
        effects: &[("delete", "2", "1 to 2", "0")],
        ends: &[("Dora", "expired", "unknown")],
        unknown: 1,
    },
    Expected {
        what: "fraud goes to the desk",
        edits: &[
            ("            fraud:\n", "            fraud:\n              - do: desk_review\n"),
            (
                "              - notify: {to: \"team:fraud\", template: fraud-attempt}\n              - notify: {to: subject, template: registration-declined}\n              - delete: registration\n                grace: 7d           # the person can object and an operator can undo it\n              - close: rejected\n",
                "",
            ),
        ],
        effects: &[],
        ends: &[("Cem", "rejected", "unknown")],
        unknown: 1,
    },
    Expected {
        what: "people of another provider only",
        edits: &[("subject: registration\n", "subject: registration\nsource: elsewhere\n")],
        effects: &[("delete", "2", "0", "0")],
        ends: &[
            ("Fay", "waiting at proof", "no case"),
            ("Eve", "approved", "no case"),
            ("Dora", "expired", "no case"),
            ("Cem", "rejected", "no case"),
            ("Ben", "approved", "no case"),
            ("Ada", "approved", "no case"),
        ],
        unknown: 0,
    },
    Expected {
        what: "partners are trusted",
        edits: &[("trusted_domains: [example.com]", "trusted_domains: [example.com, partner.test]")],
        effects: &[("delete", "2", "0", "0")],
        ends: &[
            ("Fay", "waiting at proof", "no case"),
            ("Eve", "approved", "no case"),
            ("Dora", "expired", "no case"),
            ("Cem", "rejected", "no case"),
            ("Ben", "approved", "no case"),
            ("Ada", "approved", "no case"),
        ],
        unknown: 0,
    },
];

fn check(past: &PolicyPast, edit: &Expected) {
    let what = edit.what;
    let shown: Vec<_> = past
        .items
        .iter()
        .map(|item| {
            let words = |result: &Option<proofd::trial::past::Projected>| {
                result.as_ref().map_or("no case".to_owned(), |result| result.end.words())
            };
            let first = item.name.0.split(' ').next().unwrap().to_owned();
            (first, words(&item.before), words(&item.after))
        })
        .collect();
    let same = shown.len() == edit.ends.len()
        && shown.iter().zip(edit.ends).all(|(one, (name, before, after))| {
            one.0 == *name && one.1.starts_with(before) && one.2.starts_with(after)
        });
    assert!(same, "{what}: {shown:#?}");
    assert_eq!(past.unknown, edit.unknown, "{what}: {shown:#?}");
    for (word, before, after, newly) in edit.effects {
        let effect = past.effects.iter().find(|effect| effect.what.word() == *word).unwrap();
        let times = (effect.times.before.to_string(), effect.times.after.to_string());
        assert_eq!(
            (times.0.as_str(), times.1.as_str(), effect.newly.to_string().as_str()),
            (*before, *after, *newly),
            "{what}: {word}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_back_test_reproduces_the_record_and_lists_changed_results() {
    let inside = weeks().await;
    reproduces_the_record(inside.engine());
    let engine = inside.engine();
    let before = engine.active().set.policies.get(POLICY).cloned();
    for edit in EDITS {
        let after = Some(loaded(&tree_with(edit.edits)));
        let edited = Edited::new(POLICY, before.clone(), after);
        let foreseen =
            engine.rollout().back_tester.run(&[edited], &engine.active().set, &|_| {}, &|| true).unwrap();
        check(&foreseen.policies[POLICY], edit);
    }
    let plan: Plan = engine.migrations().plan(&tree_with(EDITS[1].edits), &|_| {}, &|| true).unwrap();
    let names: BTreeSet<_> = plan.policies.iter().map(|plan| plan.policy.as_str()).collect();
    assert_eq!(names, BTreeSet::from([POLICY]));
}

/// A registration policy that deletes the people in a list, and five people with a forged document.
async fn banning(set: fn(&mut Settings)) -> Inside {
    let made = tempfile::tempdir().unwrap();
    copy_tree(Path::new("tests/data/tree"), made.path());
    let file = made.path().join("proofing/policy.yaml");
    edit(&file, "limits:\n", "settings:\n  banned: [Zoe]\nlimits:\n");
    let only = "- delete: registration\n          if: registration.first_name in settings.banned\n";
    edit(&file, "- delete: registration\n", only);
    // A tree without any policy is not loaded.
    copy_tree(Path::new("tests/data/heard/proving"), &made.path().join("other"));
    let other = made.path().join("other/policy.yaml");
    edit(&other, "policy: proving", "policy: other");
    edit(&other, "mode: enforce", "mode: disabled");
    let inside = Inside::set_to(made.path(), "2026-01-05T09:00:00Z".parse().unwrap(), set).await;
    for first_name in ["Ada", "Ben", "Cem", "Dora", "Eve"] {
        let person = registers(&inside, first_name).await;
        proves(&inside, &person, forges()).await;
    }
    inside
}

/// The state of the policy after an edit, and the reasons.
async fn stands(inside: &Inside, from: &str, to: &str) -> (PolicyState, String) {
    edit(&inside.dir.path().join("policies/proofing/policy.yaml"), from, to);
    inside.engine().rollout().reload.reload(None).await;
    let active = inside.engine().active();
    let status = active.report.policies.iter().find(|status| status.name == "proofing").unwrap();
    (status.state, status.why.join("; "))
}

/// The files show no harm in a stricter comparison. The back-test counts the people it would have deleted, together
/// with those of the edits just before it.
#[tokio::test(flavor = "multi_thread")]
async fn small_edits_count_together_in_the_back_test() {
    let made = tempfile::tempdir().unwrap();
    copy_tree(Path::new("tests/data/tree"), made.path());
    let file = made.path().join("proofing/policy.yaml");
    let (first, last) = ("compare: [first_name]", "compare: [first_name, last_name]");
    let born = "compare: [first_name, last_name, date_of_birth]";
    edit(&file, last, first);
    let ends =
        "- delete: registration\n          grace: 0d\n          because: a test\n        - close: unclear";
    edit(&file, "- close: unclear", ends);
    let inside = Inside::with(made.path(), "2026-01-05T09:00:00Z".parse().unwrap()).await;
    for (first_name, script) in [("Ada", other_name()), ("Ben", passes()), ("Cem", passes())] {
        let person = registers(&inside, first_name).await;
        proves(&inside, &person, script).await;
    }
    assert_eq!(stands(&inside, first, last).await, (PolicyState::Active, String::new()));
    let (state, why) = stands(&inside, last, born).await;
    let said = why.contains("to 2 people") && why.contains("and to 1 by the edits just before");
    assert!(state == PolicyState::NeedsRelease && said, "{state:?} {why}");
    assert_eq!(stands(&inside, born, last).await.0, PolicyState::Active);
    inside.pass(DAY * 8, HOUR * 6).await;
    let (state, why) = stands(&inside, last, &format!("{born} # again")).await;
    let alone = why.contains("to 2 people") && !why.contains("edits just before");
    assert!(
        state == PolicyState::NeedsRelease && alone,
        "after a week an edit counts alone: {state:?} {why}"
    );
}

/// Each edit of a list deletes other people, which a list of effects cannot show. Each one waits, and waits again if it
/// was not the last active one.
#[tokio::test(flavor = "multi_thread")]
async fn each_edit_that_deletes_other_people_is_parked() {
    let inside = banning(|_| {}).await;
    // The files cannot show whom a list bans; the back-test gives the number.
    let setting = "decides differently by a setting: banned";
    for (from, to) in
        [("banned: [Zoe]", "banned: [Zoe, Ada]"), ("banned: [Zoe, Ada]", "banned: [Zoe, Ada, Cem]")]
    {
        let (state, why) = stands(&inside, from, to).await;
        assert!(state == PolicyState::NeedsRelease && why.contains(setting), "{state:?} {why}");
        let engine = inside.engine();
        engine
            .rollout()
            .orders
            .release("proofing", None, Actor::named("Dana"), "meant so".to_owned())
            .await
            .unwrap();
    }

    // A revision that was released once and was not the last active one waits again, at every reload.
    let (good, bad) = ("banned: [Zoe, Ada, Cem]", "banned: [Zoe, Ada, Cem, Ben, Dora, Eve]");
    assert_eq!(stands(&inside, good, bad).await.0, PolicyState::NeedsRelease);
    let engine = inside.engine();
    engine
        .rollout()
        .orders
        .release("proofing", None, Actor::named("Dana"), "meant so".to_owned())
        .await
        .unwrap();
    assert_eq!(stands(&inside, bad, good).await.0, PolicyState::Active);
    let (folder, away) = (inside.dir.path().join("policies/proofing"), inside.dir.path().join("away"));
    std::fs::rename(&folder, &away).unwrap();
    engine.rollout().reload.reload(None).await;
    // The policy asks for proof, so it stays active until its removal is released.
    assert!(engine.active().set.policies.contains_key("proofing"));
    engine
        .rollout()
        .orders
        .release("proofing", None, Actor::named("Dana"), "not needed".to_owned())
        .await
        .unwrap();
    engine.rollout().reload.reload(None).await;
    assert!(!engine.active().set.policies.contains_key("proofing"));
    inside.clock.advance(HOUR * 2);
    std::fs::rename(&away, &folder).unwrap();
    assert_eq!(stands(&inside, good, bad).await.0, PolicyState::NeedsRelease);
    assert_eq!(stands(&inside, bad, bad).await.0, PolicyState::NeedsRelease, "another look is no release");
}

/// One policy asks for the proof; another one, which is not edited, deletes people without a proof.
#[tokio::test(flavor = "multi_thread")]
async fn a_back_test_walks_policies_that_react_to_the_edited_one() {
    let tree = Path::new("tests/data/heard");
    let inside = Inside::with(tree, "2026-01-05T09:00:00Z".parse().unwrap()).await;
    for first_name in ["Ada", "Ben", "Cem"] {
        let email = format!("{}@partner.test", first_name.to_lowercase());
        let applicant = Applicant::new(first_name, "Tester", &email).unwrap();
        let user = applicant.register(&inside.town).unwrap().user_id.unwrap();
        let link = inside.comes("an invitation", async |inside| applicant.link(&inside.town)).await;
        let Led::Vendor { execution } = applicant.press(&inside.town, &link).await.unwrap() else {
            panic!("a page instead of the vendor");
        };
        applicant.prove(&inside.town, &execution, passes()).unwrap();
        let approved = async |inside: &Inside| (inside.town.onelogin.user(user)?["state"] == 1).then_some(());
        inside.comes("the approval", approved).await;
    }
    inside.pass(DAY * 5, HOUR).await;
    reproduces_the_record(inside.engine());
    let engine = inside.engine();
    // Without its proof no registration is approved; the file itself can delete none.
    let edits = [
        (
            "a filter",
            "subject: registration\n",
            "subject: registration\nif: registration.email.ends_with(\".example\")\n",
            3,
        ),
        (
            // No registration has a date, so none can be compared.
            "a check more",
            "compare: [first_name, last_name]",
            "compare: [first_name, last_name, date_of_birth]",
            3,
        ),
        (
            "a check more where there is a date",
            "compare: [first_name, last_name]",
            "compare: [first_name, last_name, date_of_birth]\n      optional: [date_of_birth]",
            0,
        ),
        ("switched off", "mode: enforce", "mode: disabled", 3),
        ("another title", "title: Proof", "title: A proof", 0),
    ];
    for (what, from, to, deleted) in edits {
        let (Files(mut files), _) = tree::read(tree).unwrap().unwrap();
        let path = "proving/policy.yaml".to_owned();
        let text = String::from_utf8(files[&path].to_vec()).unwrap();
        assert!(text.contains(from), "{what}");
        files.insert(path, Arc::from(text.replace(from, to).into_bytes()));
        let plan = engine.migrations().plan(&Files(files), &|_| {}, &|| true).unwrap();
        let [edited] = plan.policies.as_slice() else { panic!("{what}: {plan:#?}") };
        assert_eq!(edited.policy, "proving", "{what}");
        let past = edited.past.as_ref().unwrap();
        let theirs: Vec<_> =
            past.heard_by.iter().map(|other| (other.policy.as_str(), other.different)).collect();
        let waits = edited
            .why
            .iter()
            .any(|why| why.contains("triggers admission, which then would have done delete to 3"));
        if deleted == 0 {
            assert_eq!((theirs, waits, edited.why.len()), (vec![], false, 0), "{what}: {edited:#?}");
        } else {
            assert_eq!((theirs, waits), (vec![("admission", deleted)], true), "{what}: {edited:#?}");
        }
    }
}
