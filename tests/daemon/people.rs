//! Who may decide: persons instead of tokens, members of the queue's team, with tokens that are long, unique and valid.
use std::path::Path;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::people::Person;
use crate::world::{World, edit, token};

/// Two tokens of one person, one of another, one without a person, one of another team, and two that reviews exclude.
const TOKENS: &str = "    - {name: Ida, role: desk, person: ida@example.com, teams: [lookers, leaders], token: t-ida-of-the-test-world}
    - {name: Ida at home, role: desk, person: IDA@example.com, teams: [lookers], token: t-ida-2-of-the-test-world}
    - {name: Jo, role: desk, person: jo@example.com, teams: [lookers, leaders], token: t-jo-of-the-test-world}
    - {name: Nobody, role: desk, teams: [lookers, clerks], token: t-nobody-of-the-test-world}
    - {name: Clerk, role: desk, person: clerk@example.com, teams: [clerks], token: t-clerk-of-the-test-world}
    - {name: Late, role: desk, person: late@example.com, teams: [lookers], token: t-late-of-the-test-world, expires: 2020-01-01}
    - {name: Manager, role: desk, person: MANAGER, teams: [lookers], token: t-manager-of-the-test-world}
    - {name: Subject, role: desk, person: s, known_as: ['SUBJECT'], teams: [lookers], token: t-subject-of-the-test-world}
";

async fn world() -> (World, Person) {
    let mut world = World::new(60, Path::new("tests/data/desk"), TOKENS).await;
    let person = world.employs();
    edit(&world.config(), "MANAGER", &world.manager(&person).to_uppercase());
    edit(&world.config(), "'SUBJECT'", &format!("'{}'", person.id()));
    world.start();
    (world, person)
}

async fn opened(world: &World, policy: &str, person: &Person) -> Value {
    let id = world.starts(policy, person).await;
    world.until_case(&id, "in_review").await
}

async fn refused(world: &World, case: &Value, token: &str, says: &str) {
    let (status, answer) = world.decides_as(token, case, "fine").await;
    assert_eq!(status, StatusCode::CONFLICT, "{token}: {answer}");
    assert!(answer["detail"].as_str().unwrap().contains(says), "{token}: {answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_compares_persons_and_belongs_to_its_team() {
    let (world, person) = world().await;
    let case = opened(&world, "second-look", &person).await;
    refused(&world, &case, "t-clerk", "not a member of the team lookers").await;
    // An admin must be a member of the team, too.
    refused(&world, &case, "t-admin", "not a member of the team lookers").await;
    refused(&world, &case, "t-nobody", "no person").await;
    refused(&world, &case, "t-manager", "never: manager").await;
    refused(&world, &case, "t-subject", "never: subject").await;
    assert_eq!(world.orders_as("t-clerk", &case, "claim").await.0, StatusCode::CONFLICT);
    assert_eq!(world.orders_as("t-ida", &case, "claim").await.0, StatusCode::OK);
    refused(&world, &case, "t-jo", "has claimed this review").await;
    assert_eq!(world.orders_as("t-jo", &case, "release").await.0, StatusCode::CONFLICT);
    // The other token of the person who claimed the review.
    assert_eq!(world.decides_as("t-ida-2", &case, "fine").await.0, StatusCode::OK);
    refused(&world, &case, "t-ida", "has decided already").await;
    refused(&world, &case, "t-ida-2", "has decided already").await;
    assert_eq!(world.decides_as("t-jo", &case, "fine").await.0, StatusCode::OK);
    world.until_case(case["id"].as_str().unwrap(), "closed").await;

    let journal = world.journal(&case).await;
    let decided = |what: &str| journal.iter().filter(|entry| entry["what"] == what).collect::<Vec<_>>();
    let made = decided("decided");
    assert_eq!((made.len(), decided("decision_refused").len()), (2, 8), "{journal:#?}");
    let by = |entry: &Value| (entry["decision"]["by"].clone(), entry["decision"]["person"].clone());
    assert_eq!(by(made[0]), ("Ida at home".into(), "IDA@example.com".into()));
    assert_eq!(decided("decision_refused")[0]["refused"]["reason"], "not_in_team");

    let metrics = world.get("/metrics").await;
    let metrics = metrics.as_str().unwrap();
    for (reason, count) in
        [("not_in_team", 2), ("person_required", 1), ("may_not_decide", 2), ("taken", 1), ("same_person", 2)]
    {
        let line = format!("proofd_refused_total{{what=\"decision\",reason=\"{reason}\"}} {count}");
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
    let log = world.log();
    let lines = |says: &str| log.lines().filter(|line| line.contains(says)).count();
    assert_eq!(
        (lines("decision refused"), lines("\"claim refused"), lines("release_claim refused")),
        (8, 1, 1),
        "{log}"
    );
    assert_eq!(lines("\"decision\":\"fine\""), 2, "only what was decided: {log}");
    assert!(!log.to_lowercase().contains("ida@example.com"), "no address of a person: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_persons_a_token_counts_by_its_name() {
    let (world, person) = world().await;
    let case = opened(&world, "first-look", &person).await;
    refused(&world, &case, "t-ida", "not a member of the team clerks").await;
    assert_eq!(world.decides_as("t-nobody", &case, "fine").await.0, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_decisions_do_not_fill_the_journal() {
    let (world, person) = world().await;
    let case = opened(&world, "first-look", &person).await;
    for _ in 0..25 {
        refused(&world, &case, "t-ida", "not a member").await;
    }
    let words = world.words(&case).await;
    assert_eq!(words.iter().filter(|word| *word == "decision_refused").count(), 20, "{words:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_short_and_duplicate_tokens_are_refused() {
    let (mut world, person) = world().await;
    let case = opened(&world, "second-look", &person).await;
    let (status, answer) = world.decides_as("t-late", &case, "fine").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "{answer}");
    assert!(answer["detail"].as_str().unwrap().contains("expired on 2020-01-01"), "{answer}");
    assert!(world.log().contains("the token Late expired on 2020-01-01"), "{}", world.log());
    let doctor = world.say(&["doctor"]);
    assert!(doctor.out.contains("the token Late expired on 2020-01-01"), "{doctor:?}");
    world.stop();

    let good = std::fs::read_to_string(world.config()).unwrap();
    let ida = token("t-ida");
    for (old, new, says) in [
        (ida.as_str(), "0123456789012345678", "the token Ida is too short"),
        (ida.as_str(), "t-jo-of-the-test-world", "the tokens Ida and Jo are equal"),
        ("name: Ida at home", "name: ida", "another token has this name"),
    ] {
        std::fs::write(world.config(), good.replace(old, new)).unwrap();
        let said = world.start_in_vain();
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.contains(says), "{said:?}");
        assert!(!said.err.contains("test-world") && !said.err.contains("0123456789"), "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_without_reviewers_is_reported_at_start_and_by_check() {
    let (world, _) = world().await;
    let tree = world.policies();
    let check = |world: &World| world.say(&["check", tree.to_str().unwrap()]);
    assert!(check(&world).out.contains("0 errors, 0 warnings"), "{:?}", check(&world));
    let path = world.policies().join("people.yaml");
    edit(&path, "clerks: {team: clerks}", "clerks: {team: nobodies}");
    edit(&path, "  clerks: {mail", "  nobodies: {mail: n@example.com}\n  clerks: {mail");
    let said = check(&world);
    assert!(
        said.out.contains("P0665 nobody-decides") && said.out.contains("the team `nobodies`"),
        "{said:?}"
    );
    let (status, report) = world.ask(Method::POST, "/v1/policies/reload", "t-author", Some(json!({}))).await;
    // The edit is also parked: other persons decide.
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{report}");
    assert!(report["text"].as_str().unwrap().contains("P0665"), "{report}");
    // The team needs two members and has only one left.
    let text = std::fs::read_to_string(world.config()).unwrap();
    let one = |line: &str| match line.split_once("person: ") {
        Some((before, after)) => {
            let rest = after.split_once(", ").map_or("", |(_, rest)| rest);
            format!("{before}person: ida@example.com, {rest}\n")
        }
        None => format!("{line}\n"),
    };
    std::fs::write(world.config(), text.lines().map(one).collect::<String>()).unwrap();
    let said = check(&world);
    assert!(said.out.contains("P0666 too-few-persons") && said.out.contains("needs 2"), "{said:?}");
}

/// An author with two tokens who may also release.
const ADMINS: &str =
    "    - {name: Rel, roles: [author, admin], person: rel@example.com, token: t-rel-of-the-test-world}
    - {name: Rel at home, role: admin, person: rel@example.com, token: t-rel-2-of-the-test-world}
reload: {release: other_person}
";

#[tokio::test(flavor = "multi_thread")]
async fn the_author_of_an_edit_cannot_release_it() {
    let mut world = World::new(60, Path::new("tests/data/tree"), ADMINS).await;
    world.start();
    let file = world.policies().join("proofing/policy.yaml");
    let good = std::fs::read_to_string(&file).unwrap();
    let push = |days: u32| {
        let more =
            format!("        - delete: registration\n          grace: {days}d\n        - close: unclear");
        std::fs::write(&file, good.replace("        - close: unclear", &more)).unwrap();
    };
    let release = async |token: &str| {
        let path = "/v1/policies/proofing/release";
        let (status, answer) = world.ask(Method::POST, path, token, Some(json!({ "reason": "read" }))).await;
        (status, answer["detail"].as_str().unwrap_or_default().to_owned())
    };
    // Pushed through the API. On a slow machine the daemon may notice the files itself first.
    let mut days = 0;
    let refused = loop {
        days += 1;
        // Shorter each time: a longer grace would not be parked.
        push(60 - days);
        world.ask(Method::POST, "/v1/policies/reload", "t-rel", None).await;
        let (status, says) = release("t-rel").await;
        assert_eq!(status, StatusCode::CONFLICT, "{says}");
        if says.contains("pushed this edit") || days > 20 {
            break says;
        }
    };
    assert!(refused.contains("another person must release it"), "{refused}");
    assert!(release("t-rel-2").await.1.contains("pushed this edit"));
    assert_eq!(release("t-admin").await, (StatusCode::OK, String::new()));
    // Written in place: the author is unknown, so two persons must release it.
    push(1);
    let parked = async |world: &World| {
        let list = world.get("/v1/policies").await;
        (list["items"][0]["state"] == "needs_release").then_some(())
    };
    world.until("the edit waits", parked).await;
    let (status, says) = release("t-admin").await;
    assert!(
        status == StatusCode::CONFLICT
            && says.contains("is recorded")
            && says.contains("another person must release"),
        "{says}"
    );
    assert!(release("t-admin").await.1.contains("has released this revision already"));
    assert_eq!(release("t-rel-2").await, (StatusCode::OK, String::new()));
    let list = world.get("/v1/policies").await;
    assert_eq!(list["items"][0]["state"], "active", "{list}");
}
