//! Events of other programs, from the HTTP interface or the command line to a case.
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use crate::world::people::Person;
use crate::world::{Said, World, token};
use reqwest::StatusCode;
use serde_json::{Value, json};

const BATCHED: &str = "application/cloudevents-batch+json";

/// The shipped policy, changed to open cases only by a CloudEvent.
async fn asked() -> World {
    let mut world = World::new(60, Path::new("policies"), "").await;
    let policy = world.policies().join("registration-proofing/policy.yaml");
    crate::world::edit_shipped(&policy, "event: registration.created", "event: custom.com.example.hired");
    world.start();
    world
}

fn event(id: &str, person: &Person) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/hr", "type": "com.example.hired",
        "subject": person.id().to_string(), "subjecttype": "registration", "data": {"name": "PRIVATE"},
    })
}

async fn send(world: &World, kind: &str, body: String) -> (u16, Value) {
    let request = world.http().post(format!("{}/v1/events", world.url)).bearer_auth(token("t-source"));
    let answer = request.header("Content-Type", kind).body(body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn case_of(world: &World, name: &str) -> Value {
    world.until("the case", async |world| world.case_of(name).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_a_request_are_accepted_together_and_once() {
    let mut world = asked().await;
    let (ada, ben, cyd) = (world.registers("Ada"), world.registers("Ben"), world.registers("Cyd"));
    let mut bad = event("2", &ada);
    bad.as_object_mut().unwrap().remove("type");
    for (body, index, field) in [
        (json!([event("1", &ada), bad]), 1, "type"),
        (json!([event("1", &ada), event("2", &ada), 7]), 2, "event"),
        (json!([{"id": "PRIVATE"}, event("1", &ada)]), 0, "specversion"),
    ] {
        let (status, problem) = send(&world, BATCHED, body.to_string()).await;
        assert_eq!(status, 400, "{problem}");
        assert_eq!((&problem["index"], &problem["field"]), (&json!(index), &json!(field)), "{problem}");
        assert!(!problem.to_string().contains("PRIVATE"), "{problem}");
    }
    let thousand_and_one: Vec<_> = (0..1_001).map(|id| event(&id.to_string(), &ada)).collect();
    for (kind, body, expected) in [
        (BATCHED, json!(thousand_and_one).to_string(), 413),
        (BATCHED, format!("[{}", " ".repeat(1 << 20)), 413),
        ("application/json", event("1", &ada).to_string(), 415),
        ("application/cloudevents+avro", event("1", &ada).to_string(), 415),
        (BATCHED, "{".to_owned(), 400),
    ] {
        let (status, problem) = send(&world, kind, body).await;
        assert_eq!((status, &problem["status"]), (expected, &json!(expected)), "{kind}: {problem}");
    }

    // Ben's event is sent twice in each mode and counts once. None of Ada's events was accepted.
    let structured = "application/cloudevents+json";
    let one = event("ben", &ben);
    for (kind, body) in [
        (structured, one.to_string()),
        (structured, one.to_string()),
        (BATCHED, json!([one, one]).to_string()),
        (BATCHED, "[]".to_owned()),
    ] {
        let (status, answer) = send(&world, kind, body).await;
        assert_eq!(status, 202, "{answer}");
    }
    let headers = ["specversion", "id", "source", "type", "subject", "subjecttype"];
    let mut request = world.http().post(format!("{}/v1/events", world.url)).bearer_auth(token("t-source"));
    for name in headers {
        request = request.header(format!("ce-{name}"), one[name].as_str().unwrap());
    }
    let answer = request.json(&one["data"]).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({ "taken": 1 }));
    case_of(&world, "Ben").await;

    // An event that was answered with 202 survives a restart.
    let (status, answer) = send(&world, BATCHED, json!([event("cyd", &cyd)]).to_string()).await;
    assert_eq!((status, answer), (202, json!({ "taken": 1 })));
    world.kill();
    world.start();
    case_of(&world, "Cyd").await;
    let cases = world.cases().await;
    assert_eq!(cases.len(), 2, "{cases:?}");
    assert!(!world.log().contains("PRIVATE"));
    let metrics =
        world.http().get(format!("{}/metrics", world.url)).send().await.unwrap().text().await.unwrap();
    assert!(!metrics.contains("/hr"), "labels are not for others to choose: {metrics}");
}

fn with_input(world: &World, text: &str) -> Said {
    let mut command = world.proofd();
    command.args(["event", "send", "-", "--config"]).arg(world.config());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

#[tokio::test(flavor = "multi_thread")]
async fn event_posts_a_file() {
    let mut world = asked().await;
    let ada = world.registers("Ada");
    let file = world.dir.path().join("events.json");
    let send = |world: &World, text: &str| {
        std::fs::write(&file, text).unwrap();
        world.say(&["event", "send", file.to_str().unwrap()])
    };
    let one = event("1", &ada);
    for (text, says) in [
        (one.to_string(), "1 event taken"),
        (serde_json::to_string_pretty(&one).unwrap(), "1 event taken"),
        (json!([one, event("2", &ada)]).to_string(), "2 events taken"),
        (format!("{one}\n{}\n", event("3", &ada)), "2 events taken"),
    ] {
        let said = send(&world, &text);
        assert_eq!((said.code, said.out.trim()), (Some(0), says), "{said:?}");
        let said = with_input(&world, &text);
        assert_eq!((said.code, said.out.trim()), (Some(0), says), "{said:?}");
    }
    case_of(&world, "Ada").await;
    let many: Vec<_> = (0..1_200).map(|id| event(&format!("many{id}"), &ada).to_string()).collect();
    assert!(send(&world, &many.join("\n")).out.contains("1200 events taken"));
    std::fs::write(&file, one.to_string()).unwrap();
    let said = world.say(&["event", "send", "--json", file.to_str().unwrap()]);
    assert_eq!(said.json(), json!({ "taken": 1 }));

    let no_id = r#"{"specversion": "1.0", "source": "/hr"}"#;
    let broken = many.join("\n") + "\n" + no_id;
    for (text, code, says) in [
        (no_id, 1, "event 0, id: is missing"),
        (&broken, 1, "the first 1000 events of the file were taken"),
        ("", 2, "no event"),
        ("nonsense", 2, "line 1"),
        ("[7]", 2, "event 0 is not a JSON object"),
    ] {
        let said = send(&world, text);
        assert_eq!(said.code, Some(code), "{text:.60}: {said:?}");
        assert!(said.err.contains(says), "{text:.60}: {said:?}");
    }
    std::fs::write(&file, one.to_string()).unwrap();
    let path = file.to_str().unwrap().to_owned();
    assert_eq!(world.say(&["event", "send", "/nowhere.json"]).code, Some(2));
    assert_eq!(world.say_alone(&["event", "send", &path, "--config", "/nowhere.yaml"]).code, Some(2));
    let viewer = world.dir.path().join("viewer");
    std::fs::write(&viewer, token("t-viewer") + "\n").unwrap();
    let said = world.say(&["event", "send", &path, "--token-file", viewer.to_str().unwrap()]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("source, admin"), "{said:?}");
    assert_eq!(world.stop(), Some(0));
    assert_eq!(world.say(&["event", "send", &path]).code, Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_and_sinks_are_checked_in_the_configuration() {
    let world = World::new(60, Path::new("tests/data/tree"), "").await;
    let text = std::fs::read_to_string(world.config()).unwrap();
    // Only the sections that a row names.
    let (ours, others) = (text.find("  scim:\n").unwrap(), text.find("access:\n").unwrap());
    let text = format!("{}{}", &text[..ours], &text[others..]);
    let there = world.town.mailbox_served.web.url.trim_end_matches('/').to_owned();
    let configured = |more: &str| {
        std::fs::write(world.config(), text.replace("  smtp:\n", &format!("{more}  smtp:\n"))).unwrap();
    };
    configured(&format!(
        "  http: {{desk: {{url: '{there}/SECRETPATH', headers: {{X-Key: k}}}}}}\n  events: {{siem: {{url: '{there}'}}}}\n"
    ));
    let said = world.say(&["doctor"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for says in [
        "ok  desk: configured",
        "ok  siem: configured",
        "connectors.http.desk.headers.X-Key is stored in plain text",
    ] {
        assert!(said.out.contains(says), "{says}: {}", said.out);
    }
    assert!(!said.out.contains("SECRETPATH"), "{}", said.out);

    for (more, code, says) in [
        ("  scim: {hris: {url: 'http://127.0.0.1:1/v2', token: t}}\n", 3, "no connection to hris"),
        ("  http: {desk: {url: 'http://127.0.0.1:1'}}\n", 3, "BAD desk: no connection"),
        (
            "  events: {siem: {url: 'http://127.0.0.1:1', signing_secret: short}}\n",
            1,
            "connectors.events.siem.signing_secret",
        ),
        (
            "  http: {desk: {url: 'http://127.0.0.1:1', headers: {Host: x}}}\n",
            1,
            "connectors.http.desk.headers.Host",
        ),
    ] {
        configured(more);
        let said = world.say(&["doctor"]);
        assert_eq!(said.code, Some(code), "{more}: {said:?}");
        assert!(said.out.contains(says), "{more}: {said:?}");
    }

    configured("  events: {siem: {url: 'https://siem.example.com'}}\n");
    let said = world.say(&["run", "--rehearse", "60"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("siem.example.com is not one"), "{said:?}");
    configured("  scim: {hr: {url: 'https://h', token: {env: NO_SUCH_VARIABLE}}}\n");
    let said = world.say(&["run"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.err.contains("connectors.scim.hr.token") && said.err.contains("NO_SUCH_VARIABLE"),
        "{said:?}"
    );
}
