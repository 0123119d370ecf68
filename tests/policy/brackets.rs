//! Deeply nested files: each is refused with its place, in a time that grows linearly with its length.
use proofd::cli::compose::known_to_all;
use proofd::policy::{Files, Severity, load};

const MANY: usize = 60_000;

const POLICY: &str = "format: 1\npolicy: seen\ntitle: Seen\nowner: iam@example.com\nmode: enforce\nsubject: user\n\
    when:\n  - event: user.activated\nsteps:\n  - notify: {to: subject, template: hello}\n  - close: seen\n";
const MAIL: &str = "---\nsubject: Hello\n---\nHello\n";

/// A tree in which one file has another text.
fn tree(path: &str, text: &str) -> Files {
    let mut files = vec![
        ("seen/policy.yaml".to_owned(), POLICY.as_bytes().to_vec()),
        ("shared/templates/hello/en.md".to_owned(), MAIL.as_bytes().to_vec()),
    ];
    files.retain(|(other, _)| other != path);
    files.push((path.to_owned(), text.as_bytes().to_vec()));
    files.into_iter().collect()
}

#[test]
fn deeply_nested_brackets_have_a_diagnosis() {
    let (square, round, curly) = ("[".repeat(MANY), "(".repeat(MANY), "{".repeat(MANY));
    let rows = [
        ("seen/policy.yaml", format!("format: 1\npolicy: {square}\n"), 2),
        ("seen/policy.yaml", format!("format: 1\npolicy: {curly}\n"), 2),
        ("seen/policy.yaml", POLICY.replace("when:", &format!("if: {square}\nwhen:")), 7),
        ("seen/policy.yaml", POLICY.replace("when:", &format!("if: {round}\nwhen:")), 7),
        ("seen/policy.yaml", POLICY.replace("when:", &format!("if: \"{square}\"\nwhen:")), 7),
        ("seen/tests.yaml", format!("tests:\n{square}\n"), 2),
        ("seen/rules.rhai", format!("fn f() {{\n{square}\n}}\n"), 2),
        ("seen/rules.rhai", format!("fn f() {{\n{round}\n}}\n"), 2),
        ("seen/rules.rhai", format!("fn f() {{\n{curly}\n}}\n"), 2),
        ("shared/blocks.yaml", format!("blocks:\n  x: {square}\n"), 2),
        ("verifications.yaml", format!("x: {square}\n"), 1),
        ("people.yaml", format!("x: {square}\n"), 1),
        ("shared/templates/hello/en.md", format!("---\nsubject: {square}\n---\nHello\n"), 2),
        ("shared/templates/hello/en.md", format!("---\nsubject: Hello\nx: {curly}\n---\nHello\n"), 3),
        ("shared/templates/hello/en.md", format!("---\nsubject: \"{{{{ {square} }}}}\"\n---\nHello\n"), 2),
        ("shared/templates/hello/en.md", format!("---\nsubject: Hello\n---\n{{{{ {square} }}}}\n"), 4),
        ("shared/templates/hello/en.md", format!("---\nsubject: Hello\n---\n{{{{ {round} }}}}\n"), 4),
    ];
    for (path, text, line) in rows {
        let loaded = load(&tree(path, &text), &known_to_all());
        let errors = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error);
        let places: Vec<_> =
            errors.map(|found| (found.place.file.as_str(), found.place.line, found.code)).collect();
        let found = places.iter().any(|(file, at, _)| *file == path && *at == line);
        assert!(found, "{path} {:.40}: {places:?}", text.lines().nth(line - 1).unwrap());
    }
}

/// Brackets in the text of a mail stay text, and take no longer than other text.
#[test]
fn brackets_in_a_mail_text_stay_text() {
    for bracket in ["[", "(", "![", "[](", "<", "`", "*", "> "] {
        let text = format!("---\nsubject: Hello\n---\n{}\n", bracket.repeat(MANY / bracket.len()));
        let loaded = load(&tree("shared/templates/hello/en.md", &text), &known_to_all());
        let errors: Vec<_> =
            loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{bracket}: {errors:?}");
    }
}
