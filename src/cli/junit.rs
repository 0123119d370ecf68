//! Results of policy tests as JUnit XML: a suite for each policy, and one for what does not load.

use super::test::failed;
use crate::policy::Diagnostic;
use crate::trial::{TestResult, Tested};

pub fn xml(tested: &[Tested], errors: &[Diagnostic]) -> String {
    let failures = tested.iter().flat_map(|tested| &tested.tests).filter(|test| !test.ok).count();
    let tests = tested.iter().map(|tested| tested.tests.len()).sum::<usize>();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    text.push_str(&format!(
        "<testsuites name=\"proofd\" tests=\"{}\" failures=\"{failures}\" errors=\"{}\">\n",
        tests + errors.len(),
        errors.len(),
    ));
    for tested in tested {
        let failures = tested.tests.iter().filter(|test| !test.ok).count();
        text.push_str(&format!(
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"0\">\n",
            escaped(&tested.policy),
            tested.tests.len()
        ));
        tested.tests.iter().for_each(|test| case(&mut text, tested, test));
        text.push_str("  </testsuite>\n");
    }
    if !errors.is_empty() {
        let count = errors.len();
        text.push_str(&format!(
            "  <testsuite name=\"files\" tests=\"{count}\" failures=\"0\" errors=\"{count}\">\n"
        ));
        for error in errors {
            text.push_str(&format!(
                "    <testcase classname=\"{}\" name=\"{}\"><error message=\"{}\"/></testcase>\n",
                escaped(error.policy.as_deref().unwrap_or("files")),
                escaped(&error.place.to_string()),
                escaped(&error.message)
            ));
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn case(text: &mut String, tested: &Tested, test: &TestResult) {
    let head = format!(
        "    <testcase classname=\"{}\" name=\"{}\" file=\"{}\" line=\"{}\"",
        escaped(&tested.policy),
        escaped(&test.name),
        escaped(&tested.file),
        test.place.line
    );
    match &test.failure {
        None => text.push_str(&format!("{head}/>\n")),
        Some(failure) => text.push_str(&format!(
            "{head}>\n      <failure message=\"{}\">{}</failure>\n    </testcase>\n",
            escaped(&format!("expected {}, actual {}", failure.expected, failure.actual)),
            escaped(&failed(test).join("\n"))
        )),
    }
}

/// What XML cannot hold at all is left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => escaped.push(c),
        }
    }
    escaped
}
