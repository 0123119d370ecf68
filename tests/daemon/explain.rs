//! Why a policy did or did not open a case, from the real daemon's API and from the command line.
use std::path::Path;

use crate::world::{World, edit};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

async fn explained(world: &World, query: &str, policy: &str) -> Value {
    let answer = world.get(&format!("/v1/explain?{query}")).await;
    let items = answer["items"].as_array().unwrap();
    items.iter().find(|one| one["policy"] == policy).unwrap_or_else(|| panic!("{answer}")).clone()
}

fn sentences(explained: &Value) -> Vec<Vec<String>> {
    let says = |edit: &Value| edit["says"].as_str().unwrap().to_owned();
    let changes = explained["changes"].as_array().unwrap().iter();
    changes.map(|edits| edits.as_array().unwrap().iter().map(says).collect()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_prints_a_reason_per_policy() {
    let mut world = World::new(60, Path::new("policies"), "").await;
    world.start();
    let ada = world.employs();
    let subject = format!("subject=user/{}", ada.id());
    let risk = async |world: &World, verdict: &str| {
        world
            .until(verdict, async |world| {
                let one = explained(world, &subject, "login-risk").await;
                (one["verdict"] == verdict).then_some(one)
            })
            .await
    };

    let never = risk(&world, "not_asked").await;
    let sentence = never["says"].as_str().unwrap();
    assert!(sentence.contains("since 20") && sentence.contains("it reacts to login.risk"), "{sentence}");

    // The risk is too low: the clauses, their values, and the smallest change that would open a case.
    world.logs_in(&ada, Some(75));
    let no = risk(&world, "clause").await;
    assert_eq!((&no["case"], &no["mode"]), (&Value::Null, &json!("enforce")));
    assert_eq!(no["event"]["type"], "login.risk", "{no}");
    let clauses = no["clauses"].as_array().unwrap();
    assert_eq!(clauses.len(), 2, "both of the `any`, and nothing that held: {no}");
    assert_eq!(clauses[0]["clause"], "event.score >= settings.risk_threshold");
    assert_eq!(
        (&clauses[0]["file"], &clauses[0]["line"]),
        (&json!("login-risk/policy.yaml"), &json!(16)),
        "{no}"
    );
    assert_eq!(clauses[0]["values"][0], json!({"path": "event.score", "value": 75}));
    assert_eq!(
        sentences(&no),
        [
            ["event.score is 75; it would hold from 76 (settings.risk_threshold)"],
            ["event.new_device is empty; it would hold with true"],
        ]
    );
    let before = no["asked_at"].as_str().unwrap().to_owned();

    // The risk is high: a case opened, and the earlier decision is still listed.
    assert!(world.logs_in(&ada, Some(91)));
    let yes = risk(&world, "opened").await;
    assert_eq!(yes["says"], format!("a case opened: {}", yes["case"]["id"].as_str().unwrap()));
    assert_eq!((sentences(&yes).len(), &yes["clauses"]), (0, &json!([])));
    let then = explained(&world, &format!("{subject}&at={before}"), "login-risk").await;
    assert_eq!((&then["verdict"], &then["asked_at"]), (&json!("clause"), &json!(before)));
    let key = no["event"]["key"].as_str().unwrap();
    let key: String = url::form_urlencoded::byte_serialize(key.as_bytes()).collect();
    let of_event = explained(&world, &format!("{subject}&event={key}"), "login-risk").await;
    assert_eq!(of_event["verdict"], "clause", "{of_event}");

    after_an_edit(&world, &format!("{subject}&event={key}"), &no).await;

    each_has_a_line(&world, &subject).await;
    for (query, token, status) in [
        (subject.as_str(), "t-viewer", StatusCode::OK),
        (subject.as_str(), "t-source", StatusCode::FORBIDDEN),
        (subject.as_str(), "", StatusCode::UNAUTHORIZED),
        ("", "t-viewer", StatusCode::BAD_REQUEST),
        ("subject=", "t-viewer", StatusCode::BAD_REQUEST),
        ("subject=1&at=yesterday", "t-viewer", StatusCode::BAD_REQUEST),
        ("subject=1&polcy=x", "t-viewer", StatusCode::BAD_REQUEST),
        ("subject=1&policy=nobody", "t-viewer", StatusCode::NOT_FOUND),
        ("subject=user/999999", "t-viewer", StatusCode::NOT_FOUND),
    ] {
        let (got, answer) = world.ask(Method::GET, &format!("/v1/explain?{query}"), token, None).await;
        assert_eq!(got, status, "{query} {token}: {answer}");
    }
    on_the_command_line(&world, &format!("user/{}", ada.id()), &before);

    // The decisions survive a restart, and no value of them is in the log.
    assert_eq!(world.stop(), Some(0));
    world.start();
    assert_eq!(explained(&world, &subject, "login-risk").await["verdict"], "opened");
    assert!(!world.log().contains(&ada.applicant.email));
}

/// Every policy has a line, including those for other subjects.
async fn each_has_a_line(world: &World, subject: &str) {
    let all = world.get(&format!("/v1/explain?{subject}")).await;
    let policies = world.get("/v1/policies").await;
    assert_eq!(all["items"].as_array().unwrap().len(), policies["items"].as_array().unwrap().len());
    let other = explained(world, subject, "registration-proofing").await;
    assert_eq!(other["says"], "not evaluated: it is about a registration");
}

/// After an edit, the clause and its values are those of the revision that decided.
async fn after_an_edit(world: &World, query: &str, before: &Value) {
    let file = world.policies().join("login-risk/policy.yaml");
    edit(&file, "title: A risky sign-in to your account", "title: Another title");
    let then = world
        .until("the edit", async |world| {
            let then = explained(world, query, "login-risk").await;
            (then["revised_since"] == true).then_some(then)
        })
        .await;
    assert_eq!((&then["clauses"], sentences(&then)), (&before["clauses"], sentences(before)), "{then}");
}

fn on_the_command_line(world: &World, subject: &str, before: &str) {
    let said = world.say(&["explain", "--subject", subject, "--at", before]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for line in [
        "login-risk/policy.yaml:16:9: event.score >= settings.risk_threshold  [fails]",
        "    event.score = 75",
        "  smallest change: event.score is 75; it would hold from 76 (settings.risk_threshold)",
        "  or: event.new_device is empty; it would hold with true",
        "registration-proofing: not evaluated: it is about a registration",
    ] {
        assert!(said.out.contains(line), "{line:?} is not in {}", said.out);
    }
    let one = world.say(&["explain", "--subject", subject, "--policy", "login-risk", "--json"]).json();
    assert_eq!((one["items"].as_array().unwrap().len(), &one["items"][0]["verdict"]), (1, &json!("opened")));
    let said = world.say(&["explain", "--subject", subject, "--policy", "nobody"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("no such policy"), "{said:?}");
    let said = world.say(&["explain", "--subject", "user/999999"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("unknown person user/999999"), "{said:?}");
    assert_eq!(world.say(&["explain", "--subject", subject, "--at", "noon"]).code, Some(2));
    assert!(world.say_alone(&["explain", "--help"]).out.contains("Example: proofd explain --subject"));
}
