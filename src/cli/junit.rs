//! Results of policy tests as JUnit XML: a suite for each policy, and one for policies that do not load.

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::test::failed;
use crate::policy::Diagnostic;
use crate::trial::{TestResult, Tested};

pub fn xml(tested: &[Tested], errors: &[Diagnostic]) -> Result<String, SerializeError> {
    let mut report = Report::new("proofd");
    for tested in tested {
        let mut suite = TestSuite::new(&tested.policy);
        suite.add_test_cases(tested.tests.iter().map(|test| case(tested, test)));
        report.add_test_suite(suite);
    }
    if !errors.is_empty() {
        let mut suite = TestSuite::new("files");
        suite.add_test_cases(errors.iter().map(unloaded));
        report.add_test_suite(suite);
    }
    report.to_string()
}

fn case(tested: &Tested, test: &TestResult) -> TestCase {
    let status = match &test.failure {
        None => TestCaseStatus::success(),
        Some(failure) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(format!("expected {}, actual {}", failure.expected, failure.actual));
            status.set_description(failed(test, "").join("\n"));
            status
        }
    };
    let mut case = TestCase::new(&test.name, status);
    case.set_classname(&tested.policy);
    let place = [("file", tested.file.clone()), ("line", test.place.line.to_string())];
    case.extra.extend(place.map(|(name, value)| (name.into(), value.into())));
    case
}

fn unloaded(error: &Diagnostic) -> TestCase {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_message(&error.message);
    let mut case = TestCase::new(error.place.to_string(), status);
    case.set_classname(error.policy.as_deref().unwrap_or("files"));
    case
}
