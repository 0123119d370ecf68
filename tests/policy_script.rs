//! What scripts decide, refuse and survive, through the same calls that the loader and a case make.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what went wrong by failing"
)]

use proofd::model::{EventType, Fields, Subject, SubjectKind};
use proofd::policy::diagnostic::{Diagnostic, Place};
use proofd::policy::schema;
use proofd::policy::script::{Compiler, ConditionSource, Context, Facts, StepShape, Verdict};
use serde_json::{Value, json};

const FUNCTIONS: &str = r#"
fn sort(reasons, registration) {
    if "FAKE" in reasons { "fraud" } else { "unclear" }
}
fn spin() { loop {} }
fn deep(n) { deep(n + 1) }
fn double() { let s = "xxxxxxxx"; loop { s += s; } }
fn grow() { let a = [1]; loop { a += a; } }
fn nest() { let a = [1]; loop { a = [a, a, a]; } }
fn pad() { let a = []; a.pad(200000000, 0); "x" }
fn number() { 7 }
fn leak(who) { throw who.email; }
"#;

fn map(value: Value) -> Fields {
    match value {
        Value::Object(fields) => fields,
        other => panic!("not a map: {other}"),
    }
}

fn user() -> Subject {
    let fields = map(json!({
        "id": "7", "status": "active", "email": "canary@secret.example", "title": "5",
        "verified_at": "2025-01-01T00:00:00Z", "exempt_until": null, "roles": ["a"], "attributes": {"n": 5}
    }));
    Subject { kind: SubjectKind::User, id: "7".to_owned(), fields }
}

fn with<T>(run: impl FnOnce(&Compiler, &Facts<'_>, &mut Vec<Diagnostic>) -> T) -> (T, Vec<Diagnostic>) {
    let settings = map(json!({"threshold": 70, "domains": ["example.com"]}));
    let steps = [("proof".to_owned(), StepShape::Verify)];
    let mut diagnostics = Vec::new();
    let context = Context {
        subject: SubjectKind::User,
        event_types: &[EventType::new("login.risk")],
        settings: &settings,
        steps: &steps,
    };
    let files = [("p/rejections.rhai".to_owned(), FUNCTIONS.to_owned())];
    let compiler = Compiler::new(&files, context, &mut diagnostics);
    assert_eq!(diagnostics, []);
    let (subject, none) = (user(), Fields::new());
    let facts = Facts {
        event: None,
        subject: &subject,
        settings: &settings,
        steps: &none,
        this_case: &none,
        now: "2026-01-05T09:00:00Z".parse().unwrap(),
    };
    let answer = run(&compiler, &facts, &mut diagnostics);
    (answer, diagnostics)
}

fn place() -> Place {
    Place { file: "policy.yaml".to_owned(), line: 3, column: 5, length: 1 }
}

/// `holds`, `fails`, `error: ...` at run time, or `code: ...` at load.
fn decide(source: &str) -> String {
    let (answer, diagnostics) = with(|compiler, facts, diagnostics| {
        let source = ConditionSource::Clause { source: source.to_owned(), place: place() };
        compiler.condition(&source, diagnostics).decide(facts)
    });
    match (diagnostics.first(), answer) {
        (Some(first), _) => format!("{}: {} {:?}", first.code, first.message, first.help),
        (None, Ok(Verdict::Holds)) => "holds".to_owned(),
        (None, Ok(Verdict::Fails { .. })) => "fails".to_owned(),
        (None, Err(error)) => format!("error: {error}"),
    }
}

#[test]
fn every_clause_of_the_table() {
    let table = [
        (r#"user.status == "active""#, "holds"),
        (r#"user.statsu == "active""#, "unknown-field"),
        (r#"user.statsu != "active""#, "unknown-field"),
        (r#"usr.status == "active""#, "unknown-name"),
        (r#"event.score > "a""#, "mixed-types"),
        (r#"user.attributes.n > "a""#, "error"),
        (r#""a" == user.attributes.n"#, "error"),
        ("event.score > 5", "error"),
        ("event.score == ()", "holds"),
        ("(event.score ?? 80) > settings.threshold", "holds"),
        ("user.manager?.email == ()", "holds"),
        ("event.case == 1", "reserved-word"),
        ("5", "error"),
        ("while true {}", "bad-script"),
        ("9223372036854775807 + user.attributes.n > 0", "error"),
        (r#""b" !in user.roles"#, "holds"),
        (r#"user.status !in ["active"]"#, "fails"),
        (r#""x" in event.reasons"#, "error"),
        ("now - user.verified_at > days(90)", "holds"),
        ("user.exempt_until == () || user.exempt_until < now", "holds"),
        ("user.verified_at > \"2020\"", "mixed-types"),
        ("steps.prof.outcome == ()", "unknown-field"),
        ("steps.proof.outcome == ()", "holds"),
        ("steps.proof.completed_at == ()", "holds"),
        ("\"${user.id}\" == \"7\"", "interpolated-clause"),
        ("1 > 0.5", "holds"),
        ("date(\"2026-01-05\") == date(now)", "holds"),
    ];
    for (source, expected) in table {
        let answer = decide(source);
        assert!(answer.starts_with(expected), "{source}: {answer}, not {expected}");
    }
}

#[test]
fn a_field_that_is_not_there_is_named_with_its_place_and_the_nearest() {
    let source = ConditionSource::Clause { source: "user.statsu == ()".to_owned(), place: place() };
    let (_, diagnostics) = with(|compiler, _, diagnostics| compiler.condition(&source, diagnostics));
    assert_eq!((diagnostics[0].place.line, diagnostics[0].place.column), (3, 10));
    assert_eq!(diagnostics[0].help.as_deref(), Some("did you mean `status`?"));
}

#[test]
fn functions_choose_and_hostile_ones_end() {
    let table = [
        ("rejections::sort([\"FAKE\"], user)", Ok("fraud")),
        ("rejections::spin()", Err(())),
        ("rejections::deep(1)", Err(())),
        ("rejections::double()", Err(())),
        ("rejections::grow()", Err(())),
        ("rejections::nest()", Err(())),
        ("rejections::pad()", Err(())),
        ("rejections::number()", Err(())),
        ("rejections::leak(user)", Err(())),
    ];
    for (call, expected) in table {
        let (answer, diagnostics) =
            with(|c, facts, diagnostics| c.function(call, &place(), diagnostics).choose(facts));
        assert_eq!(diagnostics, [], "{call}");
        if let Err(error) = &answer {
            assert!(!error.to_string().contains("canary"), "{error}");
        }
        assert_eq!(answer.as_deref().map_err(|_| ()), expected, "{call}");
    }
}

#[test]
fn what_scripts_must_not_have_is_refused() {
    for source in ["eval(\"true\")", "sleep(1) == ()", "print(1) == ()", "timestamp() == ()", "rand() > 0"] {
        let answer = decide(source);
        assert!(answer != "holds" && answer != "fails", "{source}: {answer}");
    }
}

#[test]
fn texts_are_filled_in() {
    let (text, diagnostics) =
        with(|c, facts, d| c.text("a ${user.id}/${user.status} b", &place(), d).render(facts));
    assert_eq!((text.unwrap().as_str(), diagnostics.len()), ("a 7/active b", 0));
}

#[test]
fn no_field_is_a_reserved_word() {
    for event in schema::event_types() {
        for field in schema::fields_of_event(&EventType::new(event.name)) {
            let engine = rhai::Engine::new();
            assert!(engine.compile(format!("x.{} == 1", field.name)).is_ok(), "{}", field.name);
        }
    }
    for kind in SubjectKind::ALL {
        for field in schema::fields_of_subject(kind) {
            let engine = rhai::Engine::new();
            assert!(engine.compile(format!("x.{} == 1", field.name)).is_ok(), "{}", field.name);
        }
    }
}

#[test]
fn an_applicant_has_the_published_fields() {
    let record = proofd::model::Applicant {
        id: "1".to_owned(),
        email: None,
        first_name: None,
        last_name: None,
        locale: None,
        attributes: Fields::new(),
    };
    let mut names: Vec<_> = Subject::from(record).fields.keys().cloned().collect();
    let mut published: Vec<_> = schema::APPLICANT.iter().map(|field| field.name.to_owned()).collect();
    names.sort();
    published.sort();
    assert_eq!(names, published);
}
