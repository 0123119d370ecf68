//! Decisions, errors and limits of scripts, through the same calls as in the loader and a case.
use proofd::model::{EventType, Fields, Subject, SubjectKind, Vocabulary};
use proofd::policy::diagnostic::{Diagnostic, Place, Severity};
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
    Subject { source: String::new(), kind: SubjectKind::User, id: "7".to_owned(), fields }
}

fn with<T>(run: impl FnOnce(&Compiler, &Facts<'_>, &mut Vec<Diagnostic>) -> T) -> (T, Vec<Diagnostic>) {
    let settings = map(json!({"threshold": 70, "domains": ["example.com"]}));
    let steps = [("proof".to_owned(), StepShape::Verify)];
    let mut diagnostics = Vec::new();
    let context = Context {
        subject: SubjectKind::User,
        event_types: &[EventType::new("login.risk")],
        words: &Vocabulary::default(),
        without_event: false,
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
    let mut errors = diagnostics.iter().filter(|found| found.severity == Severity::Error);
    match (errors.next(), answer) {
        (Some(first), _) => format!("{}: {} {:?}", first.code, first.message, first.help),
        (None, Ok(Verdict::Holds)) => "holds".to_owned(),
        (None, Ok(Verdict::Fails { .. })) => "fails".to_owned(),
        (None, Err(error)) => format!("error: {error}"),
    }
}

#[test]
fn clauses_are_decided_as_the_table_expects() {
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
        ("5", "not-boolean"),
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
        // An empty true/false never counts as false.
        ("user.service_account", "error"),
        ("!user.service_account", "error"),
        ("user.status == \"active\" && !user.service_account", "error"),
        ("event.new_device && \"impossible_travel\" in event.reasons", "error"),
        ("!(user.service_account ?? false)", "holds"),
        ("user.service_account != true", "holds"),
        // Both orders, and both sides empty.
        ("5 > event.score", "error"),
        ("event.score < event.score", "error"),
        ("event.score != 5", "holds"),
        ("user.exempt_until == ()", "holds"),
        ("user.exempt_until > now", "error"),
        ("now - user.exempt_until > days(1)", "error"),
        ("now - user.verified_at > days(3650)", "fails"),
        ("user.verified_at + weeks(200) > now", "holds"),
        ("now - user.verified_at > 90", "mixed-types"),
        ("steps.proof.document.date_of_birth == ()", "error"),
        ("steps.proof?.document?.date_of_birth == ()", "holds"),
        ("user.attributes.missing == ()", "error"),
        ("\"missing\" in user.attributes", "fails"),
        ("user.attributes[\"case\"] == 1", "error"),
        ("event[\"scor\"] == 1", "unknown-field"),
        ("user.title > 4", "mixed-types"),
        ("[1, 2].all(|x| x > 0)", "holds"),
        ("for x in [1] { }", "bad-script"),
        ("let x = 1; x == 1", "bad-script"),
        ("now = now", "bad-script"),
        ("rejections::sort()", "wrong-arguments"),
        ("nothing(user)", "unknown-function"),
        ("", "bad-script"),
    ];
    for (source, expected) in table {
        let answer = decide(source);
        assert!(answer.starts_with(expected), "{source}: {answer}, not {expected}");
    }
}

#[test]
fn unknown_functions_and_wrong_argument_counts_are_refused() {
    for (source, expected) in [
        ("not(user.service_account ?? false)", "unknown-function"),
        ("\"a\".startswith(\"a\")", "unknown-function"),
        ("\"a\".starts_with()", "wrong-arguments"),
        ("\"a\".starts_with(\"a\")", "holds"),
        ("starts_with(\"a\", \"a\")", "holds"),
        ("\"aB\".lower() == \"ab\"", "holds"),
        ("days(1, 2) > days(1)", "wrong-arguments"),
        ("type_of(1) == \"i64\"", "holds"),
        ("[1, 2].filter(|x| x > 1).len() == 1", "holds"),
        ("\"a@b.test\".domain() == \"b.test\"", "holds"),
        ("user.roles.len > 0 || user.roles.is_empty()", "holds"),
    ] {
        let answer = decide(source);
        assert!(answer.starts_with(expected), "{source}: {answer}, not {expected}");
    }
}

#[test]
fn an_unknown_field_is_reported_with_place_and_suggestion() {
    let source = ConditionSource::Clause { source: "user.statsu == ()".to_owned(), place: place() };
    let (_, diagnostics) = with(|compiler, _, diagnostics| compiler.condition(&source, diagnostics));
    assert_eq!((diagnostics[0].place.line, diagnostics[0].place.column), (3, 10));
    assert_eq!(diagnostics[0].help.as_deref(), Some("did you mean `status`?"));
}

#[test]
fn functions_return_and_hostile_ones_are_stopped() {
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
fn forbidden_functions_are_refused() {
    for source in ["eval(\"true\")", "sleep(1) == ()", "print(1) == ()", "timestamp() == ()", "rand() > 0"] {
        let answer = decide(source);
        assert!(answer != "holds" && answer != "fails", "{source}: {answer}");
    }
}

#[test]
fn texts_are_interpolated() {
    let (text, diagnostics) =
        with(|c, facts, d| c.text("a ${user.id}/${user.status} b", &place(), d).render(facts));
    assert_eq!((text.unwrap().as_str(), diagnostics.len()), ("a 7/active b", 0));
}

/// The clause that is named when nested conditions fail.
fn failing(source: &ConditionSource) -> String {
    let (answer, diagnostics) =
        with(|compiler, facts, diagnostics| compiler.condition(source, diagnostics).decide(facts));
    assert_eq!(diagnostics, []);
    match answer {
        Ok(Verdict::Holds) => "holds".to_owned(),
        Ok(Verdict::Fails { clause, .. }) => clause,
        Err(_) => "error".to_owned(),
    }
}

#[test]
fn nested_conditions_name_the_failed_clause() {
    use ConditionSource::{All, Any, None};
    let clause = |source: &str| ConditionSource::Clause { source: source.to_owned(), place: place() };
    let (yes, no) = (|| clause("1 == 1"), || clause("1 == 2"));
    let error = || clause("event.score > 1");
    let table = [
        (All(vec![]), "holds"),
        (All(vec![yes(), yes()]), "holds"),
        (All(vec![yes(), no()]), "1 == 2"),
        (Any(vec![no(), yes()]), "holds"),
        (Any(vec![no(), no()]), "any: 1 == 2; 1 == 2"),
        (None(vec![no(), no()]), "holds"),
        (None(vec![no(), yes()]), "none: 1 == 2; 1 == 1"),
        (All(vec![Any(vec![no(), None(vec![no()])]), yes()]), "holds"),
        (All(vec![yes(), Any(vec![no(), All(vec![yes(), no()])])]), "any: 1 == 2; 1 == 1; 1 == 2"),
        // An error takes precedence over every answer, at any position.
        (Any(vec![yes(), error()]), "error"),
        (All(vec![no(), error()]), "error"),
        (None(vec![yes(), error()]), "error"),
    ];
    for (source, expected) in table {
        assert_eq!(failing(&source), expected, "{source:?}");
    }
}

#[test]
fn a_clause_cannot_change_the_facts_of_another() {
    let clause = |source: &str| ConditionSource::Clause { source: source.to_owned(), place: place() };
    let changes = clause("user.roles.pop() == \"a\"");
    assert_eq!(failing(&ConditionSource::All(vec![changes, clause("user.roles.len == 1")])), "holds");
}

#[test]
fn wrong_calls_are_reported_at_load() {
    let table = [
        ("rejections::sort(user)", "wrong-arguments"),
        ("rejections::sotr(user, 1)", "unknown-function"),
        ("rejection::sort(user, 1)", "unknown-script"),
        ("sort(user, 1)", "not-a-call"),
        ("rejections::sort(usr, 1)", "unknown-name"),
        ("rejections::sort(user.statsu, 1)", "unknown-field"),
    ];
    for (call, code) in table {
        let (_, diagnostics) = with(|c, _, diagnostics| c.function(call, &place(), diagnostics));
        let codes: Vec<_> = diagnostics.iter().map(|found| found.code).collect();
        assert_eq!(codes, [code], "{call}");
    }
}

/// The result of a script's `main()`, with all diagnoses of the load.
fn main_of(text: &str) -> (Result<String, String>, Vec<Diagnostic>) {
    let (settings, none, subject) = (Fields::new(), Fields::new(), user());
    let context = Context {
        subject: SubjectKind::User,
        event_types: &[],
        words: &Vocabulary::default(),
        without_event: false,
        settings: &settings,
        steps: &[],
    };
    let mut diagnostics = Vec::new();
    let files = [("p/hostile.rhai".to_owned(), text.to_owned())];
    let compiler = Compiler::new(&files, context, &mut diagnostics);
    let function = compiler.function("hostile::main()", &place(), &mut diagnostics);
    let facts = Facts {
        event: None,
        subject: &subject,
        settings: &settings,
        steps: &none,
        this_case: &none,
        now: "2026-01-05T09:00:00Z".parse().unwrap(),
    };
    (function.choose(&facts).map_err(|error| error.to_string()), diagnostics)
}

/// A hostile script is refused at load, or its call is an error: it reveals no name and never ends the process.
fn check_hostile(name: &str, text: &str) {
    let (answer, diagnostics) = main_of(text);
    assert!(answer.is_err(), "{name} gave {answer:?}");
    let told = format!("{answer:?} {diagnostics:?}");
    assert!(!told.contains("canary"), "{name}: {told}");
}

#[test]
fn every_hostile_script_is_an_error() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/scripts/hostile");
    let mut scripts: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    scripts.sort();
    assert!(scripts.len() >= 25);
    let harmless = main_of("fn main() {\n    \"x\"\n}\n");
    assert_eq!(harmless, (Ok("x".to_owned()), vec![]));
    for script in scripts {
        check_hostile(&script.display().to_string(), &std::fs::read_to_string(&script).unwrap());
    }
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

fn same_fields(subject: &Subject) {
    let mut names: Vec<_> = subject.fields.keys().map(String::as_str).collect();
    let mut published: Vec<_> =
        schema::fields_of_subject(subject.kind).iter().map(|field| field.name).collect();
    names.sort_unstable();
    published.sort_unstable();
    assert_eq!(names, published, "{}", subject.kind);
}

#[test]
fn subjects_have_the_published_fields() {
    let registration = json!({"id": "1", "state": "not_reviewed", "attributes": {}});
    let registration: proofd::model::Registration = serde_json::from_value(registration).unwrap();
    same_fields(&Subject::from(registration));
    let user = json!({"id": "1", "roles": [], "groups": [], "attributes": {}});
    let user: proofd::model::User = serde_json::from_value(user).unwrap();
    same_fields(&Subject::from(user));
    let record = proofd::model::Applicant {
        id: "1".to_owned(),
        email: None,
        first_name: None,
        last_name: None,
        locale: None,
        attributes: Fields::new(),
    };
    same_fields(&Subject::from(record));
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Trap {
    script: Option<String>,
    /// Further functions of the file.
    #[serde(default)]
    more: String,
    clause: Option<String>,
    #[serde(default)]
    x: Value,
    #[serde(default)]
    y: Value,
    gives: Option<Value>,
    load: Option<String>,
    says: Option<String>,
    stuck: Option<String>,
}

/// The result of a clause over a user, or of a function for its arguments.
fn outcome_of(trap: &Trap) -> (Result<Value, String>, Vec<Diagnostic>) {
    let settings = map(json!({
        "threshold": 70, "names": ["a"], "map": {}, "list": ["a"], "x": trap.x, "y": trap.y,
    }));
    let context = Context {
        subject: SubjectKind::User,
        event_types: &[EventType::new("login.risk")],
        words: &Vocabulary::default(),
        without_event: false,
        settings: &settings,
        steps: &[],
    };
    let mut diagnostics = Vec::new();
    let body = trap.script.clone().unwrap_or_else(|| "true".to_owned());
    let files = [("p/trap.rhai".to_owned(), format!("fn main(x, y, settings) {{ {body} }}\n{}", trap.more))];
    let compiler = Compiler::new(&files, context, &mut diagnostics);
    let (subject, none) = (user(), Fields::new());
    let facts = Facts {
        event: None,
        subject: &subject,
        settings: &settings,
        steps: &none,
        this_case: &none,
        now: "2026-01-05T09:00:00Z".parse().unwrap(),
    };
    let answer = match &trap.clause {
        Some(clause) => {
            let source = ConditionSource::Clause { source: clause.clone(), place: place() };
            let condition = compiler.condition(&source, &mut diagnostics);
            condition.decide(&facts).map(|verdict| Value::Bool(verdict == Verdict::Holds))
        }
        None if diagnostics.is_empty() => {
            let call = "${trap::main(settings.x, settings.y, settings)}";
            compiler.text(call, &place(), &mut diagnostics).value(&facts)
        }
        None => Ok(Value::Null),
    };
    diagnostics.retain(|found| found.severity == Severity::Error);
    (answer.map_err(|error| error.to_string()), diagnostics)
}

fn check_trap(trap: &Trap) -> Result<(), String> {
    let (answer, diagnostics) = outcome_of(trap);
    let first = diagnostics.first();
    let said =
        |text: &str| first.is_some_and(|found| format!("{} {:?}", found.message, found.help).contains(text));
    let fits = match (&trap.gives, &trap.load, &trap.stuck) {
        (Some(value), None, None) => first.is_none() && answer.as_ref() == Ok(value),
        (None, Some(code), None) => {
            first.is_some_and(|found| found.code == code) && trap.says.as_deref().is_none_or(said)
        }
        (None, None, Some(words)) => {
            first.is_none() && answer.as_ref().is_err_and(|error| error.contains(words.as_str()))
        }
        _ => false,
    };
    let source = trap.script.as_ref().or(trap.clause.as_ref());
    if fits { Ok(()) } else { Err(format!("{source:?} x={}: {answer:?}, {diagnostics:#?}", trap.x)) }
}

#[test]
fn every_language_trap_has_a_diagnosis() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/scripts/traps.yaml");
    let traps: Vec<Trap> = serde_yaml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert!(traps.len() > 180);
    let wrong: Vec<_> = traps.iter().filter_map(|trap| check_trap(trap).err()).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), traps.len(), wrong.join("\n"));
}
