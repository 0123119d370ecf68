//! Mails: hostile values of a registrant, the choice of the language, and the errors of the loader.
use proofd::model::{Fields, Subject, SubjectKind};
use proofd::policy::script::Facts;
use proofd::policy::template::{MailFacts, Rendered, Source, TemplateError, Templates};
use proptest::prelude::proptest;
use serde_json::{Value, json};

fn source(language: &str, text: &str) -> Source {
    let path = format!("shared/templates/hello/{language}.md");
    Source { name: "hello".to_owned(), language: language.to_owned(), path, text: text.to_owned() }
}

const HELLO: &str = "---\nsubject: Hello {{ registration.first_name }}\n---\nDear {{ registration.first_name }},\n\n[Start]({{ link }}) or {{ link }}\n";

fn render(name: &str, languages: &[&str]) -> Rendered {
    filled(HELLO, json!({"first_name": name}), languages).unwrap()
}

/// Renders a mail to a registration with these fields.
fn filled(text: &str, fields: Value, languages: &[&str]) -> Result<Rendered, TemplateError> {
    let mut diagnostics = Vec::new();
    let templates = Templates::build(&[source("en", text), source("de", text)], &mut diagnostics);
    assert_eq!(diagnostics, []);
    let Value::Object(fields) = fields else { panic!("not a map") };
    let subject =
        Subject { source: String::new(), kind: SubjectKind::Registration, id: "r".to_owned(), fields };
    let none = Fields::new();
    let facts = Facts {
        event: None,
        subject: &subject,
        settings: &none,
        steps: &none,
        this_case: &none,
        now: "2026-01-05T09:00:00Z".parse().unwrap(),
    };
    let mail = MailFacts {
        facts,
        link: Some("https://proof.example/p/1"),
        contest_link: None,
        deadline: None,
        organization: "Example.com",
    };
    templates.render("hello", languages, &mail)
}

#[test]
fn hostile_names_are_escaped() {
    let plain = render("Anna", &[]);
    let links = plain.html.matches("<a ").count();
    assert_eq!(links, 2, "{}", plain.html);
    let names = [
        "<img src=x onerror=1>",
        "[x](https://evil.example)",
        "![x](https://evil.example/i)",
        "# big",
        "a\r\nBcc: b@evil.example",
        "{{ settings }}",
        "<https://evil.example>",
        "\u{202e}anna",
        "a\n\n> q",
        "`x` **b** _i_",
        "</p><script>",
        "    code",
        "1. one",
        "a\u{2028}b",
        "&lt;b&gt;",
    ];
    for name in names {
        let mail = render(name, &[]);
        assert_eq!(
            mail.html.matches('<').count(),
            plain.html.matches('<').count(),
            "{name:?}: {}",
            mail.html
        );
        assert!(!mail.subject.contains(['\r', '\n', '\u{202e}', '\u{2028}']), "{name:?}");
        assert!(!mail.text.contains("\nBcc") && !mail.html.contains('\u{202e}'), "{name:?}");
    }
}

#[test]
fn the_nearest_language_is_chosen() {
    for (wanted, chosen) in [(&["de-AT"][..], "de"), (&["fr", "de"], "de"), (&["fr"], "en"), (&[], "en")] {
        assert_eq!(render("A", wanted).language, chosen);
    }
}

#[test]
fn template_errors_are_reported_at_load() {
    let table = [
        ("no front matter", "no-subject", 1),
        ("---\nsubject: x\n---\nfine\n{% if %}", "bad-template", 5),
        ("---\nsubject: x\n---\n{{ lnk }}", "unknown-variable", 4),
        ("---\nsubject: x\n---\n\n{{ registration.first }}", "unknown-variable", 5),
        ("---\nsubject: x\nsubjct: y\n---\nfine", "no-subject", 3),
        ("---\nsubject: [x]\n---\nfine", "no-subject", 2),
        ("---\nsubject: ''\n---\nfine", "no-subject", 2),
        ("---\n\n---\nfine", "no-subject", 2),
        ("---\nsubject: &a x\n---\nfine", "anchor", 2),
        ("---\n\nsubject: {{ lnk }}\n---\nfine", "key", 3),
        ("---\n# a mail\nsubject: Hello {{ lnk }}\n---\nfine", "unknown-variable", 3),
        ("---\nsubject: x\n---\n\n{{ registration.first or 'x' }}", "unknown-variable", 5),
        ("---\nsubject: x {{ lnk }}\n---\nfine", "unknown-variable", 2),
        ("---\nsubject: x\n---\nfine\n{{ deadline | dat }}", "unknown-filter", 5),
        ("---\nsubject: x\n---\nfine\n{% if link is definde %}x{% endif %}", "unknown-filter", 5),
        ("---\nsubject: x\n---\nfine\n{{ upper(link) }}", "unknown-filter", 5),
        ("---\nsubject: x\n---\nfine\n{{ link.upper() }}", "unknown-filter", 5),
        ("---\nsubject: x\n---\nfine\n${registration.email}", "foreign-braces", 5),
        (
            "---\nsubject: x\n---\n{% for a in steps.proof.reasons %}{{ b }}{% endfor %}",
            "unknown-variable",
            4,
        ),
        ("---\nsubject: x\n---\n{% set a = link %}{{ a }}{{ registration.email.x }}", "unknown-variable", 4),
    ];
    for (text, code, line) in table {
        let mut diagnostics = Vec::new();
        Templates::build(&[source("en", text)], &mut diagnostics);
        let found: Vec<_> = diagnostics.iter().map(|d| (d.code, d.place.line)).collect();
        assert_eq!(found, [(code, line)], "{text}");
    }
}

#[test]
fn names_contain_nothing_that_mail_clients_link() {
    for name in [
        "www.evil.example",
        "WWW.evil.example",
        "x wWw.evil.example",
        "https://www.evil.example",
        "go to evil.example/login",
        "evil.example",
        "(evil.example)",
        "evil\u{200b}.example",
        "evil.\u{2060}example",
        "evil\u{3002}example",
        "evil\u{ff0e}example",
        "evil\u{ff61}example",
        "evil&#46;example",
        "evil.\u{202e}example",
        "eve@evil.example",
        "mailto:eve@evil.example",
        "ftp://evil.example",
        "HTTPS://evil.example/\u{200d}",
        "\\\\evil.example\\share",
    ] {
        let mail = render(name, &[]);
        for shown in
            [mail.text.replace("https://proof", ""), mail.html.replace("https://proof", ""), mail.subject]
        {
            let shown = shown.to_lowercase();
            for bad in ["www.evil", "://", "evil.example", "mailto:e", "\\\\e"] {
                assert!(!shown.contains(bad), "{name}: {shown}");
            }
            let dots = ['\u{3002}', '\u{ff0e}', '\u{ff61}', '.'];
            assert!(!dots.iter().any(|dot| shown.contains(&format!("evil{dot}example"))), "{name}: {shown}");
            assert!(
                shown.chars().all(|c| c == '\n' || proofd::model::typed::is_plain(c)),
                "{name}: {shown:?}"
            );
        }
    }
}

/// An administrator's text is shown unchanged, even if it looks like an address.
#[test]
fn an_organization_name_may_contain_a_dot() {
    let mail = filled(
        "---\nsubject: From {{ organization }}\n---\n{{ organization }} and {{ registration.first_name }}\n",
        json!({"first_name": "Ada.com"}),
        &[],
    )
    .unwrap();
    assert_eq!(
        (mail.subject.as_str(), mail.text.as_str()),
        ("From Example.com", "Example.com and Ada. com\n")
    );
}

#[test]
fn values_are_formatted_for_people() {
    let fields = json!({
        "first_name": null, "created_at": "2026-01-05T09:00:00Z", "attributes": {"born": "1990-12-31"}
    });
    let table = [
        ("a{{ registration.first_name }}b", Some("ab")),
        ("{{ registration.created_at | date }}", Some("2026-01-05 UTC")),
        ("{{ registration.created_at | datetime }}", Some("2026-01-05 09:00 UTC")),
        ("{{ registration.attributes.born | date }}", Some("1990-12-31")),
        ("{{ registration.attributes.born | datetime }}", None),
        ("{{ registration.attributes.nothing }}", None),
        ("{% if registration.first_name %}x{% else %}y{% endif %}", Some("y")),
    ];
    for (body, shown) in table {
        let mail = filled(&format!("---\nsubject: x\n---\n{body}\n"), fields.clone(), &[]);
        let text = mail.ok().map(|mail| mail.text.trim().to_owned());
        assert_eq!(text.as_deref(), shown, "{body}");
    }
}

#[test]
fn a_missing_variable_is_reported_with_template_and_line() {
    let table = [
        (
            "---\nsubject: x\n---\nfine\n\n{{ registration.attributes.nothing }}\n",
            "line 6",
            "registration.attributes.nothing",
        ),
        ("---\nsubject: x {{ contest_link }}\n---\nfine\n", "line 2", "contest_link"),
        ("---\nsubject: x\n---\nfine\n{{ deadline | date }}\n", "line 5", "deadline"),
        (
            "---\nsubject: x\n---\n{% for one in registration.attributes.no %}{{ one }}{% endfor %}\n",
            "line 4",
            "",
        ),
        ("---\nsubject: x\n---\nfine\n{{ registration.first_name | datetime }}\n", "line 5", ""),
    ];
    for (text, line, variable) in table {
        let error =
            filled(text, json!({"first_name": "canary", "attributes": {}}), &[]).unwrap_err().to_string();
        assert!(error.starts_with("template hello: ") && error.contains(line), "{text}: {error}");
        assert!(error.contains(variable) && !error.contains("canary"), "{text}: {error}");
    }
    // A condition or a default avoids the error.
    for body in ["{% if deadline %}x{% endif %}", "{{ deadline or 'x' }}", "{{ deadline | default('x') }}"] {
        assert!(filled(&format!("---\nsubject: x\n---\n{body}\n"), json!({}), &[]).is_ok(), "{body}");
    }
}

proptest! {
    /// Every text is a valid template or has a diagnosis, and never panics.
    #[test]
    fn random_text_is_a_template_or_has_a_diagnosis(
        text in "(---\nsubject: [a-z{}% ]{0,12}\n---\n)?[a-z{}%|.()\\[\\]\"'<>#*_`&!\n äß-]{0,120}",
    ) {
        let mut diagnostics = Vec::new();
        let templates = Templates::build(&[source("en", &text)], &mut diagnostics);
        assert!(templates.has("hello") || !diagnostics.is_empty());
        for diagnostic in &diagnostics {
            assert!(diagnostic.place.line <= text.split('\n').count(), "{diagnostic:?}");
        }
    }
}
