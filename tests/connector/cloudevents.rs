//! CloudEvents over HTTP in each mode: accepted events, and the errors for the others.
use proofd::connectors::cloudevents::{Unread, read};
use proofd::model::{Event, Timestamp};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

const STRUCTURED: &str = "application/cloudevents+json";
const BATCHED: &str = "application/cloudevents-batch+json";

fn now() -> Timestamp {
    "2026-01-02T00:00:00Z".parse().unwrap()
}

fn take(kind: &str, headers: &[(&str, &[u8])], body: &[u8]) -> Result<Vec<Event>, Unread> {
    let mut map = HeaderMap::new();
    if !kind.is_empty() {
        map.insert(CONTENT_TYPE, kind.parse().unwrap());
    }
    for (name, value) in headers {
        map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value).unwrap());
    }
    read(&map, body, now())
}

/// The smallest valid event with some members replaced; null removes one.
fn event(changes: &Value) -> Value {
    let mut event = json!({
        "specversion": "1.0", "id": "1", "source": "/hr", "type": "com.example.hired", "subject": "p-7",
    });
    let members = event.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    event
}

fn one(changes: &Value) -> Result<Event, String> {
    let body = event(changes).to_string();
    let events = take(STRUCTURED, &[], body.as_bytes()).map_err(|unread| unread.to_string())?;
    assert_eq!(events.len(), 1);
    Ok(events.into_iter().next().unwrap())
}

#[test]
fn a_minimal_event_is_parsed() {
    let event = one(&json!({})).unwrap();
    assert_eq!(event.key, "ce:3:/hr:1");
    assert_eq!(event.kind.as_str(), "custom.com.example.hired");
    assert_eq!(event.subject.to_string(), "applicant/p-7");
    assert_eq!((event.source.as_str(), event.time), ("/hr", now()));
    assert_eq!(Value::from(event.fields), json!({ "data": {} }));
}

#[test]
fn event_attributes_and_data_become_fields() {
    for (changes, path, expected) in [
        (json!({"data": {"email": "a@b", "n": [1]}}), "/data", json!({"email": "a@b", "n": [1]})),
        (json!({"data": "text"}), "/data/value", json!("text")),
        (json!({"data": [1, 2]}), "/data/value", json!([1, 2])),
        (json!({"data": false}), "/data/value", json!(false)),
        (
            json!({"data": "<x/>", "datacontenttype": "application/xml; charset=utf-8"}),
            "/data/value",
            json!("<x/>"),
        ),
        (json!({"data_base64": "AAEC"}), "/data/data_base64", json!("AAEC")),
        // Extensions are merged into the data, whose members take precedence.
        (
            json!({"tenant": "t1", "level": 7, "dry": true}),
            "/data",
            json!({"tenant": "t1", "level": 7, "dry": true}),
        ),
        (json!({"tenant": "t1", "data": {"tenant": "t2"}}), "/data", json!({"tenant": "t2"})),
        (json!({"dataschema": "https://x.example/s"}), "/data", json!({})),
        (json!({"averylongnameofanextension": "x"}), "/data/averylongnameofanextension", json!("x")),
    ] {
        let event = one(&changes).unwrap_or_else(|why| panic!("{changes}: {why}"));
        assert_eq!(Value::from(event.fields).pointer(path), Some(&expected), "{changes}");
    }
    for (changes, time) in [
        (json!({"time": "2026-01-01T09:30:00Z"}), "2026-01-01T09:30:00Z"),
        (json!({"time": "2026-01-01T09:30:00.123456789+02:00"}), "2026-01-01T07:30:00.123456789Z"),
    ] {
        assert_eq!(one(&changes).unwrap().time, time.parse::<Timestamp>().unwrap());
    }
    for (word, expected) in
        [("user", "user/p-7"), ("registration", "registration/p-7"), ("applicant", "applicant/p-7")]
    {
        assert_eq!(one(&json!({ "subjecttype": word })).unwrap().subject.to_string(), expected);
    }
    for source in ["urn:uuid:6e8bc430", "https://x.example/a?b=c#d", "mailto:x@y.example", "a%20b"] {
        assert!(one(&json!({ "source": source })).is_ok(), "{source}");
    }
}

#[test]
fn an_invalid_event_error_names_the_attribute() {
    let long = "x".repeat(1_025);
    for (changes, expected) in [
        (json!({"specversion": null}), "event 0, specversion: is missing"),
        (json!({"specversion": "0.3"}), "event 0, specversion: expected 1.0"),
        (json!({"specversion": 1.0}), "event 0, specversion: expected a text"),
        (json!({"id": null}), "event 0, id: is missing"),
        (json!({"id": ""}), "event 0, id: is empty"),
        (json!({"id": 7}), "event 0, id: expected a text"),
        (json!({"id": long}), "event 0, id: is longer"),
        (json!({"id": "a\nb"}), "event 0, id: a control character"),
        (json!({"id": "a\u{fffe}"}), "event 0, id: a control character"),
        (json!({"id": "a\u{202e}"}), "event 0, id: a character that cannot be seen"),
        (json!({"subject": "p\u{200b}7"}), "event 0, subject: a character that cannot be seen"),
        (json!({"tenant": "t\u{e0041}"}), "event 0, tenant: a character that cannot be seen"),
        (json!({"data": {"email": "a\u{200b}@b"}}), "event 0, data.email: has an invisible"),
        (
            json!({"data": {"email": format!("{}@b", "x".repeat(254))}}),
            "event 0, data.email: is longer than 254",
        ),
        (json!({"data": {"manager": {"email": "a\n@b"}}}), "event 0, data.manager.email: has an invisible"),
        (
            json!({"data": {"deep": (0..40).fold(json!(1), |inner, _| json!([inner]))}}),
            "event 0, data.deep: has more than 16 levels",
        ),
        (json!({"data": {"many": vec![0; 501]}}), "event 0, data.many: has more than 500 items"),
        (json!({"source": " "}), "event 0, source: is empty"),
        (json!({"source": "a b"}), "event 0, source: expected a URI"),
        (json!({"source": "a%2"}), "event 0, source: expected a URI"),
        (json!({"source": "ä"}), "event 0, source: expected a URI"),
        (json!({"type": ""}), "event 0, type: is empty"),
        (json!({"subject": null}), "event 0, subject: is missing"),
        (json!({"subject": ""}), "event 0, subject: is empty"),
        (json!({"subjecttype": "robot"}), "event 0, subjecttype: expected applicant, user or registration"),
        (json!({"subjecttype": true}), "event 0, subjecttype: expected applicant"),
        (json!({"time": "yesterday"}), "event 0, time: expected a time"),
        (json!({"time": "2026-01-01"}), "event 0, time: expected a time"),
        (json!({"time": "9999-01-01T00:00:00Z"}), "event 0, time: expected a time"),
        (json!({"time": 1_767_225_600}), "event 0, time: expected a text"),
        (json!({"datacontenttype": "json"}), "event 0, datacontenttype: expected a media type"),
        (json!({"datacontenttype": ""}), "event 0, datacontenttype: expected a media type"),
        (json!({"dataschema": "no schema"}), "event 0, dataschema: expected a URI"),
        (json!({"Tenant": "x"}), "event 0, Tenant: names of attributes"),
        (json!({"my_ext": "x"}), "event 0, my_ext: names of attributes"),
        (json!({"": "x"}), "event 0, : names of attributes"),
        (json!({"a\u{1b}[2J": "x"}), "event 0, a[2J: names of attributes"),
        (json!({"ext": {"a": 1}}), "event 0, ext: an extension attribute"),
        (json!({"ext": 1.5}), "event 0, ext: an extension attribute"),
        (json!({"ext": 2_147_483_648_u32}), "event 0, ext: an extension attribute"),
        (json!({"data": 1, "data_base64": "AAEC"}), "event 0, data_base64: there may be"),
        (json!({"data_base64": "no base64"}), "event 0, data_base64: expected bytes"),
        (json!({"data_base64": 7}), "event 0, data_base64: expected bytes"),
    ] {
        let why = one(&changes).expect_err(&changes.to_string());
        assert!(why.starts_with(expected), "{changes}: {why}");
    }
}

#[test]
fn bodies_without_an_event_are_refused() {
    let good = event(&json!({})).to_string();
    for (kind, body, expected) in [
        (STRUCTURED, "", "not a JSON object"),
        (STRUCTURED, "nonsense", "not a JSON object"),
        (STRUCTURED, "[]", "not a JSON object"),
        (STRUCTURED, &format!("[{good}]"), "not a JSON object"),
        (STRUCTURED, &format!("{good}{good}"), "not a JSON object"),
        (STRUCTURED, &good.replace("}", ",\"id\":\"2\"}"), "without repeated members"),
        (BATCHED, &good, "not a JSON array"),
        (BATCHED, &format!("[{good}"), "not a JSON array"),
        (BATCHED, &format!("[{good}, 7]"), "event 1, event: expected a JSON object"),
        (BATCHED, &format!("[{good}, [{good}]]"), "event 1, event: expected a JSON object"),
        (BATCHED, &format!("[{good}, {}]", good.replace("}", ",\"id\":\"2\"}")), "event 1, event"),
        (
            BATCHED,
            &format!("[{good}, {good}, {}]", event(&json!({"type": null}))),
            "event 2, type: is missing",
        ),
        ("application/cloudevents+avro", &good, "the only formats"),
        ("application/cloudevents", &good, "the only formats"),
        ("application/cloudevents-batch+xml", &good, "the only formats"),
        ("application/cloudevents+json; charset=iso-8859-1", &good, "UTF-8 only"),
        ("application/json", &good, "expected Content-Type"),
        ("", &good, "expected Content-Type"),
    ] {
        let why = take(kind, &[], body.as_bytes()).unwrap_err().to_string();
        assert!(why.contains(expected), "{kind} {body}: {why}");
    }
    assert!(take(STRUCTURED, &[], &good.replace("p-7", "\u{0}").into_bytes()).is_err());
    assert!(take(STRUCTURED, &[], b"{\"id\": \"\xff\"}").is_err());
}

#[test]
fn batches_are_parsed_and_bounded() {
    let batch = |count: usize| {
        let list: Vec<_> = (0..count).map(|id| event(&json!({ "id": id.to_string() }))).collect();
        take(BATCHED, &[], json!(list).to_string().as_bytes())
    };
    assert_eq!(batch(0).unwrap(), []);
    let keys: Vec<_> = batch(3).unwrap().into_iter().map(|event| event.key).collect();
    assert_eq!(keys, ["ce:3:/hr:0", "ce:3:/hr:1", "ce:3:/hr:2"]);
    assert_eq!(batch(1_000).unwrap().len(), 1_000);
    assert_eq!(batch(1_001), Err(Unread::TooMany(1_001)));
    for kind in ["application/cloudevents-batch+json; charset=utf-8", "Application/CloudEvents-Batch+JSON"] {
        assert_eq!(take(kind, &[], b"[]"), Ok(vec![]), "{kind}");
    }
}

const HEADERS: &[(&str, &[u8])] = &[
    ("ce-specversion", b"1.0"),
    ("ce-id", b"1"),
    ("ce-source", b"/hr"),
    ("ce-type", b"com.example.hired"),
    ("ce-subject", b"p-7"),
];

fn binary(kind: &str, more: &[(&str, &[u8])], body: &[u8]) -> Result<Event, String> {
    let replaced = |name: &&str| more.iter().any(|(other, _)| other == name);
    let mut headers: Vec<_> = HEADERS.iter().filter(|(name, _)| !replaced(name)).copied().collect();
    // An empty value omits the header.
    headers.extend(more.iter().filter(|(_, value)| !value.is_empty()));
    let events = take(kind, &headers, body).map_err(|unread| unread.to_string())?;
    Ok(events.into_iter().next().unwrap())
}

#[test]
fn binary_mode_is_parsed() {
    let event = binary("", &[], b"").unwrap();
    assert_eq!((event.key.as_str(), Value::from(event.fields)), ("ce:3:/hr:1", json!({"data": {}})));
    for (kind, body, expected) in [
        ("application/json", &b"{\"a\": 1}"[..], json!({"a": 1})),
        ("application/vnd.x+json; charset=utf-8", b"{\"a\": 1}", json!({"a": 1})),
        ("application/json", b"[1]", json!({"value": [1]})),
        ("", b"\"text\"", json!({"value": "text"})),
        ("text/plain", b"text", json!({"value": "text"})),
        ("application/xml", b"<x/>", json!({"value": "<x/>"})),
        ("application/octet-stream", b"\x00\x01\x02", json!({"data_base64": "AAEC"})),
        ("text/plain", b"\xff", json!({"data_base64": "/w=="})),
    ] {
        let event = binary(kind, &[], body).unwrap_or_else(|why| panic!("{kind}: {why}"));
        assert_eq!(Value::from(event.fields), json!({ "data": expected }), "{kind}");
    }
    for (value, expected) in [
        (&b"Euro%20%E2%82%AC%20%F0%9F%98%80"[..], "Euro € 😀"),
        (b"%e2%82%ac", "€"),
        (b"a b", "a b"),
        (b"\"a \\\"b\\\" %2525\"", "a \"b\" %25"),
    ] {
        let event = binary("", &[("ce-subject", value)], b"").unwrap();
        assert_eq!(event.subject.id, expected);
        let event = binary("", &[("ce-ext", value)], b"").unwrap();
        assert_eq!(event.fields["data"]["ext"], expected);
    }
    for (headers, body, expected) in [
        (
            &[("ce-subject", &b"%C0%A0"[..])][..],
            &b""[..],
            "event 0, subject: what is percent-encoded is not UTF-8",
        ),
        (&[("ce-subject", b"100%")], b"", "event 0, subject: '%' is not followed"),
        (&[("ce-subject", b"%0A")], b"", "event 0, subject: a control character"),
        (&[("ce-subject", "ä".as_bytes())], b"", "event 0, subject: expected ASCII"),
        (&[("ce-id", b"")], b"", "event 0, id: is missing"),
        (&[("ce-id", b"1"), ("ce-id", b"2")], b"", "event 0, id: the header is there more than once"),
        (&[("ce-datacontenttype", b"text/plain")], b"", "event 0, datacontenttype: in this mode"),
        (&[("ce-my-ext", b"x")], b"", "event 0, my-ext: names of attributes"),
        (&[("ce-data", b"x")], b"", "event 0, data: names of attributes"),
        (&[("ce-time", b"now")], b"", "event 0, time: expected a time"),
        (&[], b"{oops", "event 0, data: the body is not JSON"),
    ] {
        let why = binary("application/json", headers, body).unwrap_err();
        assert!(why.starts_with(expected), "{headers:?}: {why}");
    }
}

#[test]
fn events_are_equal_only_by_source_and_id() {
    let key = |source: &str, id: &str| one(&json!({ "source": source, "id": id })).unwrap().key;
    assert_eq!(key("/a", "1"), key("/a", "1"));
    let pairs = [("/a", "1"), ("/a:1", "1"), ("/a", "1:1"), ("/a:1:1", "1"), ("/", "a:1")];
    let keys: std::collections::BTreeSet<_> = pairs.iter().map(|(source, id)| key(source, id)).collect();
    assert_eq!(keys.len(), pairs.len(), "{keys:?}");
}
