//! Dry runs, over the real daemon's API and on the command line: recorded events with an edited tree, and events that
//! never happened.
use std::collections::BTreeMap;
use std::path::Path;

use crate::world::people::Person;
use crate::world::{World, copy_tree, edit};
use proofd::model::Clock as _;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// The policy files on disk.
fn tree() -> BTreeMap<String, String> {
    fn walk(root: &Path, at: &Path, found: &mut BTreeMap<String, String>) {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(Path::new("policies"), Path::new("policies"), &mut found);
    found.retain(|path, _| !path.ends_with("/tests.yaml"));
    found
}

/// The shipped tree with an edit to the policy about risky logins.
fn edited(from: &str, to: &str) -> BTreeMap<String, String> {
    let mut tree = tree();
    let text = tree.get_mut("login-risk/policy.yaml").unwrap();
    assert!(text.contains(from));
    *text = text.replacen(from, to, 1);
    tree
}

async fn tried(world: &World, question: Value) -> Value {
    let (status, answer) = world.ask(Method::POST, "/v1/explain", "t-author", Some(question.clone())).await;
    assert_eq!(status, StatusCode::OK, "{question}: {answer}");
    answer
}

fn of<'a>(answer: &'a Value, policy: &str) -> &'a Value {
    let items = answer["items"].as_array().unwrap();
    items.iter().find(|one| one["policy"] == policy).unwrap_or_else(|| panic!("{answer}"))
}

async fn asked(world: &World, subject: &str, count: usize) -> Vec<Value> {
    world
        .until("what was said", async |world| {
            let question = json!({"subject": subject, "policy": "login-risk", "last": 9, "files": tree()});
            let items = tried(world, question).await["items"].as_array().unwrap().clone();
            (items.len() == count && items[0]["then"].is_object()).then_some(items)
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_try_prints_the_projected_results() {
    let mut world = World::new(60, Path::new("policies"), "").await;
    world.start();
    let ada = world.employs();
    let subject = format!("user/{}", ada.id());
    never_happened(&world, &subject).await;
    by_the_sweeps(&world, &subject).await;
    another_person(&world, &ada, &subject).await;

    // A recorded event with another tree.
    world.logs_in(&ada, Some(75));
    asked(&world, &subject, 1).await;
    assert!(world.logs_in(&ada, Some(40)));
    let both = asked(&world, &subject, 2).await;
    let verdicts = |items: &[Value]| items.iter().map(|one| one["verdict"].clone()).collect::<Vec<_>>();
    assert_eq!(verdicts(&both), ["clause", "clause"]);
    assert_eq!(both[0]["then"]["verdict"], "clause");
    assert_eq!(
        (&both[0]["revised_since"], &both[0]["clauses"][0]["values"][0]["value"]),
        (&json!(false), &json!(40))
    );
    let lower = edited("risk_threshold: 76", "risk_threshold: 50");
    let question = json!({"subject": subject, "policy": "login-risk", "last": 9, "files": lower});
    let answer = tried(&world, question.clone()).await;
    let items = answer["items"].as_array().unwrap();
    assert_eq!(verdicts(items), ["clause", "would_open"], "{answer}");
    assert_eq!(items[1]["revised_since"], true);
    assert!(items[1]["then"]["says"].as_str().unwrap().contains("event.score >= settings.risk_threshold"));
    // The same event with another value, and only the newest one.
    let key = &items[1]["event"]["key"];
    let fields = json!({"key": key, "fields": {"score": 20}});
    let question = json!({"subject": subject, "policy": "login-risk", "event": fields, "files": lower});
    assert_eq!(of(&tried(&world, question).await, "login-risk")["clauses"][0]["values"][0]["value"], 20);
    let newest = json!({"subject": subject, "policy": "login-risk", "files": lower});
    assert_eq!(tried(&world, newest).await["items"].as_array().unwrap().len(), 1);

    on_the_command_line(&world, &subject);
    refusals(&world, &subject).await;

    // The dry runs recorded and opened nothing, and no value is in the log.
    assert_eq!(world.cases().await, [] as [Value; 0]);
    let live = world.get(&format!("/v1/explain?subject={subject}&policy=login-risk")).await;
    assert_eq!(
        (&live["items"][0]["verdict"], &live["items"][0]["event"]["type"]),
        (&json!("clause"), &json!("login.risk"))
    );
    assert_eq!(keys(&asked(&world, &subject, 2).await), keys(&both));
    assert!(!world.log().contains(&ada.applicant.email));

    // A dry run knows the open cases.
    assert!(world.logs_in(&ada, Some(91)));
    let case = world.until_in("login-risk", &ada, "waiting").await;
    let event = json!({"type": "login.risk", "fields": {"score": 95}});
    let joins = tried(&world, json!({"subject": subject, "policy": "login-risk", "event": event})).await;
    let joins = of(&joins, "login-risk");
    assert_eq!((&joins["verdict"], &joins["case"]["id"]), (&json!("would_join"), &case["id"]), "{joins}");
    let bob = world.employs();
    let case = world.starts(NIGHTLY, &bob).await;
    let open = swept(&world, &format!("user/{}", bob.id()), json!({"verified_at": LONG_AGO})).await;
    assert_eq!((&open["verdict"], &open["case"]["id"]), (&json!("open_case"), &json!(case)), "{open}");
}

const NIGHTLY: &str = "quarterly-reverification";
const LONG_AGO: &str = "2020-01-01T00:00:00Z";

/// The result of the shipped policy's sweep for a person.
async fn swept(world: &World, subject: &str, person: Value) -> Value {
    let question = json!({"subject": subject, "event": {"type": "sweep"}, "person": person});
    let answer = tried(world, question).await;
    assert_eq!(of(&answer, "login-risk")["verdict"], "not_asked");
    assert!(of(&answer, "login-risk")["says"].as_str().unwrap().contains("it has no sweep"), "{answer}");
    of(&answer, NIGHTLY).clone()
}

async fn by_the_sweeps(world: &World, subject: &str) {
    let noted = |one: &Value, part: &str| {
        let notes = one["notes"].as_array().unwrap();
        assert!(notes.iter().any(|note| note.as_str().unwrap().contains(part)), "{part}: {one}");
    };
    let unseen = swept(world, subject, json!({})).await;
    assert_eq!(unseen["verdict"], "not_due", "{unseen}");
    // The clock begins at the system time: in the minute of the nightly run, the run may already have seen her.
    let says = unseen["says"].as_str().unwrap();
    let sweeps = world.get("/v1/sweeps").await["items"].clone();
    let ran = sweeps
        .as_array()
        .unwrap()
        .iter()
        .any(|sweep| !sweep["run"].is_null() || sweep["past"][0].is_object());
    assert!(says.contains("user.verified_at is empty, and no run") || ran, "{unseen}");
    let lately = world.clock.now();
    let not_yet = swept(world, subject, json!({"verified_at": lately})).await;
    assert!(not_yet["says"].as_str().unwrap().contains("the first run after that is at"), "{not_yet}");
    assert_eq!(not_yet["clauses"][0]["values"][0]["path"], "user.verified_at", "{not_yet}");
    let due = swept(world, subject, json!({"verified_at": LONG_AGO})).await;
    assert_eq!(due["verdict"], "would_open", "{due}");
    for part in ["due since 2020-", "the next run is at", "one run opens at most 500 cases"] {
        noted(&due, part);
    }
    // Every failing clause is reported, not only the first.
    let robot = swept(world, subject, json!({"service_account": true})).await;
    assert_eq!(robot["verdict"], "where", "{robot}");
    assert_eq!(robot["clauses"][0]["values"].as_array().unwrap().last().unwrap()["value"], true, "{robot}");
    noted(&robot, "also: not due");
    noted(&robot, "also: a clause is false");
}

fn keys(items: &[Value]) -> Vec<&Value> {
    items.iter().map(|one| &one["event"]["key"]).collect()
}

async fn never_happened(world: &World, subject: &str) {
    let event = |score: i64| json!({"type": "login.risk", "fields": {"score": score}});
    let no = tried(world, json!({"subject": subject, "event": event(70)})).await;
    let one = of(&no, "login-risk");
    assert_eq!(
        (&one["verdict"], &one["event"]["type"], &one["then"]),
        (&json!("clause"), &json!("login.risk"), &Value::Null)
    );
    assert_eq!(
        one["changes"][0][0]["says"],
        "event.score is 70; it would hold from 76 (settings.risk_threshold)"
    );
    assert_eq!(of(&no, "registration-proofing")["says"], "not evaluated: it is about a registration");
    let role = of(&no, "privileged-role")["says"].as_str().unwrap();
    assert!(role.starts_with("not evaluated for login.risk; it reacts to user.role_granted"), "{role}");
    let yes = tried(world, json!({"subject": subject, "event": event(76)})).await;
    assert_eq!(of(&yes, "login-risk")["says"], "a case would open", "{yes}");
    // The same event with an edited tree.
    let higher = edited("risk_threshold: 76", "risk_threshold: 90");
    let yes = tried(world, json!({"subject": subject, "event": event(76), "files": higher})).await;
    assert_eq!(of(&yes, "login-risk")["verdict"], "clause", "{yes}");
    for (mode, note) in
        [("shadow", "shadow mode: it opens no cases"), ("disabled", "disabled: it opens no cases")]
    {
        let files = edited("mode: enforce", &format!("mode: {mode}"));
        let answer = tried(world, json!({"subject": subject, "event": event(76), "files": files})).await;
        let one = of(&answer, "login-risk");
        assert_eq!((&one["verdict"], &one["notes"]), (&json!(mode), &json!([note])), "{one}");
    }
    // A manual start.
    let hand = tried(world, json!({"subject": subject, "event": {"type": "manual"}})).await;
    assert_eq!(of(&hand, "support-reverification")["verdict"], "would_open", "{hand}");
    assert_eq!(of(&hand, "login-risk")["verdict"], "not_asked", "{hand}");
    // A person who does not exist.
    let none = tried(world, json!({"subject": "user/999999", "event": event(80)})).await;
    assert_eq!(of(&none, "login-risk")["verdict"], "no_subject", "{none}");
    // One policy of the tree is broken: the others still answer.
    let broken = edited("mode: enforce", "mode: enforced");
    let some = tried(world, json!({"subject": subject, "event": {"type": "manual"}, "files": broken})).await;
    assert_eq!(of(&some, "login-risk")["verdict"], "not_loaded");
    assert_eq!(of(&some, "support-reverification")["verdict"], "would_open");
    assert_eq!(some["errors"][0]["place"]["file"], "login-risk/policy.yaml", "{some}");
    assert!(some["text"].as_str().unwrap().contains("mode: enforced"), "{some}");
    let unseen = tried(world, json!({"subject": subject, "files": tree()})).await;
    assert!(
        of(&unseen, "login-risk")["says"]
            .as_str()
            .unwrap()
            .contains("no recorded event of this person triggers it")
    );
}

/// Changes a value of the person.
async fn another_person(world: &World, ada: &Person, subject: &str) {
    let event = json!({"type": "login.risk", "fields": {"score": 90}});
    let question = json!({"subject": subject, "event": event, "person": {"service_account": true}});
    let robot = tried(world, question).await;
    let one = of(&robot, "login-risk");
    assert_eq!(one["verdict"], "clause", "{one}");
    assert!(one["says"].as_str().unwrap().contains("service_account"), "{one}");
    assert_eq!(world.status(ada), "active");
}

async fn refusals(world: &World, subject: &str) {
    let event = |event: Value| json!({"subject": subject, "event": event});
    let score = |score: Value| event(json!({"type": "login.risk", "fields": {"score": score}}));
    for (question, token, status, says) in [
        (score(json!(70)), "t-viewer", StatusCode::OK, ""),
        (score(json!(70)), "t-source", StatusCode::FORBIDDEN, "one of these is required"),
        (score(json!(70)), "", StatusCode::UNAUTHORIZED, "send a token"),
        (score(json!("70")), "t-viewer", StatusCode::BAD_REQUEST, "event.score holds a number"),
        (json!({"subject": subject, "files": tree()}), "t-viewer", StatusCode::FORBIDDEN, "author"),
        (
            json!({"subject": subject, "files": {}}),
            "t-author",
            StatusCode::BAD_REQUEST,
            "no policy found in the files",
        ),
        (json!({"subject": subject}), "t-viewer", StatusCode::BAD_REQUEST, "a dry run needs"),
        (
            json!({"subject": " ", "event": {"type": "manual"}}),
            "t-viewer",
            StatusCode::UNPROCESSABLE_ENTITY,
            "subject: expected",
        ),
        (
            event(json!({"type": "login.riks"})),
            "t-viewer",
            StatusCode::BAD_REQUEST,
            "did you mean `login.risk`?",
        ),
        (event(json!({"type": "manual", "key": "k"})), "t-viewer", StatusCode::BAD_REQUEST, "either `type`"),
        (event(json!({"key": "nothing"})), "t-viewer", StatusCode::NOT_FOUND, "no such event"),
        (
            event(json!({"type": "login.risk", "fields": {"id": "x"}})),
            "t-viewer",
            StatusCode::BAD_REQUEST,
            "cannot be changed",
        ),
        (
            event(json!({"typ": "login.risk"})),
            "t-viewer",
            StatusCode::UNPROCESSABLE_ENTITY,
            "unknown field `typ`",
        ),
        (
            json!({"subject": subject, "policy": "nobody", "event": {"type": "manual"}}),
            "t-viewer",
            StatusCode::NOT_FOUND,
            "no such policy",
        ),
        (
            json!({"subject": "17", "event": {"type": "manual"}, "person": {"title": "x"}}),
            "t-viewer",
            StatusCode::BAD_REQUEST,
            "other values need the kind of the person",
        ),
        (
            json!({"subject": "user/x", "event": {"type": "manual"}}),
            "t-viewer",
            StatusCode::BAD_REQUEST,
            "is not an id of OneLogin",
        ),
    ] {
        let (got, answer) = world.ask(Method::POST, "/v1/explain", token, Some(question.clone())).await;
        assert_eq!(got, status, "{question} {token}: {answer}");
        let detail = answer["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(says), "{question}: {answer}");
    }
}

fn on_the_command_line(world: &World, subject: &str) {
    let edited = world.dir.path().join("edited");
    copy_tree(Path::new("policies"), &edited);
    edit(&edited.join("login-risk/policy.yaml"), "risk_threshold: 76", "risk_threshold: 50");
    let dir = edited.to_str().unwrap();
    for (arguments, code, lines) in [
        (
            &["--try", "login.risk", "--with", "score=70"][..],
            0,
            &[
                "login-risk/policy.yaml:16:9: event.score >= settings.risk_threshold  [fails]",
                "smallest change: event.score is 70; it would hold from 76 (settings.risk_threshold)",
            ][..],
        ),
        (
            &["--try", "login.risk", "--with", "score=70", "--policies", dir],
            0,
            &["login-risk: a case would open", "another revision of it is active now"],
        ),
        (
            &["--policies", dir, "--policy", "login-risk", "--last", "2"],
            0,
            &["login-risk: a case would open", "  then, at 2", "event.score = 40"],
        ),
        (
            &["--with", "event.score=99", "--with", "user.service_account=true", "--policy", "login-risk"],
            0,
            &["user.service_account = true"],
        ),
        (
            &["--try", "login.risk", "--with", "scroe=70"],
            2,
            &["unknown field event.scroe; did you mean `score`?"],
        ),
        (
            &["--try", "sweep", "--with", "user.verified_at=2020-01-01T00:00:00Z", "--policies", dir],
            0,
            &["quarterly-reverification: it would be selected", "due since 2020-", "it has no sweep"],
        ),
        (&["--try", "sweep", "--with", "score=70"], 2, &["a sweep has no event"]),
        (&["--try", "login.risk", "--with", "score"], 2, &["write it as FIELD=VALUE"]),
        (&["--try", "login.risk", "--with", "registration.state=x"], 2, &["is not a registration"]),
        (&["--try", "login.risk", "--event", "k"], 2, &["cannot be used with"]),
        (&["--last", "2"], 2, &["works with --policies or --with only"]),
        (&["--policies", "/nowhere"], 2, &["reading /nowhere failed"]),
    ] {
        let all = [&["explain", "--subject", subject], arguments].concat();
        let said = world.say(&all);
        assert_eq!(said.code, Some(code), "{said:?}");
        let (out, err) = (&said.out, &said.err);
        for line in lines {
            assert!(out.contains(line) || err.contains(line), "{line:?} is not in {out}\n{err}");
        }
    }
    edit(&edited.join("login-risk/policy.yaml"), "mode: enforce", "mode: enforced");
    let said = world.say(&["explain", "--subject", subject, "--try", "manual", "--policies", dir]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        said.out.contains("mode: enforced") && said.out.contains("login-risk: it has errors"),
        "{said:?}"
    );
    let said = world.say(&["explain", "--subject", subject, "--try", "manual", "--json"]).json();
    assert!(said["items"].as_array().unwrap().len() > 5, "{said}");
    assert!(world.say_alone(&["explain", "--help"]).out.contains("--try login.risk --with score=70"));
}
