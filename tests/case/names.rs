//! Whether a registration and a document belong to one person: the rows of `tests/data/names.yaml`.

use proofd::case::comparison::{Difference, canonical, compare, forms};
use proofd::model::{Document, Subject, SubjectKind};
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, prop_assume, proptest};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Kind {
    kind: String,
    rows: Vec<Row>,
}

/// Registered given and family name, the document's names, and the fields that do not agree.
type Row = (String, String, Option<String>, Option<String>, Vec<String>);

fn fields(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn names() -> Vec<String> {
    fields(&["first_name", "last_name"])
}

fn registered(record: Value) -> Subject {
    let Value::Object(fields) = record else { panic!("not a map") };
    Subject { source: String::new(), kind: SubjectKind::Registration, id: "r".to_owned(), fields }
}

fn person(first: &str, last: &str) -> Subject {
    registered(json!({"first_name": first, "last_name": last}))
}

fn document(first: Option<&str>, last: Option<&str>) -> Document {
    Document {
        first_name: first.map(str::to_owned),
        last_name: last.map(str::to_owned),
        ..Document::default()
    }
}

/// The fields that do not agree; `?` marks those that cannot be compared.
fn words(differences: &[Difference]) -> Vec<String> {
    let mark = |difference: &Difference| if difference.not_comparable { "?" } else { "" };
    differences.iter().map(|difference| format!("{}{}", mark(difference), difference.field)).collect()
}

fn agree(first: &str, last: &str, read: (&str, &str)) -> bool {
    let read = document(Some(read.0), Some(read.1));
    compare(&names(), &[], &person(first, last), Some(&read)).is_empty()
}

#[test]
fn names_agree_as_the_table_expects() {
    let kinds: Vec<Kind> = serde_yaml::from_str(include_str!("../data/names.yaml")).unwrap();
    let mut wrong = Vec::new();
    let (mut same, mut other) = (0, 0);
    for Kind { kind, rows } in kinds {
        for (first, last, read_first, read_last, expected) in rows {
            if expected.is_empty() {
                same += 1
            } else {
                other += 1
            }
            let read = document(read_first.as_deref(), read_last.as_deref());
            let found = words(&compare(&names(), &[], &person(&first, &last), Some(&read)));
            if found != expected {
                wrong.push(format!(
                    "{kind}: {first} {last} / {read_first:?} {read_last:?}: {found:?}, not {expected:?}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(same >= 75 && other >= 75, "{same} rows of one person, {other} of two");
}

/// Country, registered names, the document's names, and whether they agree.
#[test]
fn romanizations_match_only_on_documents_of_countries_with_that_script() {
    let rows: Vec<(String, String, String, String, String, bool)> =
        serde_yaml::from_str(include_str!("../data/romanized.yaml")).unwrap();
    assert!(rows.len() >= 60, "{} rows", rows.len());
    let mut wrong = Vec::new();
    for (country, first, last, read_first, read_last, same) in rows {
        for country in [Some(country.as_str()).filter(|country| *country != "-"), None] {
            let mut read = document(Some(&read_first), Some(&read_last));
            read.country = country.map(str::to_owned);
            let agree = compare(&names(), &[], &person(&first, &last), Some(&read)).is_empty();
            // Without a country the two spellings are different names.
            if agree != (same && country.is_some()) {
                wrong.push(format!("{country:?}: {first} {last} / {read_first} {read_last}: {agree}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Registered names and date, optional fields, the document's names and date, and the fields that do not agree.
#[test]
fn missing_values_do_not_match() {
    let all = fields(&["first_name", "last_name", "date_of_birth"]);
    let born =
        |day: &str| json!({"first_name": "Ann", "last_name": "Smith", "attributes": {"date_of_birth": day}});
    let odd =
        |day: Value| json!({"first_name": "Ann", "last_name": "Smith", "attributes": {"date_of_birth": day}});
    let name =
        |first: Value| json!({"first_name": first, "last_name": "Smith", "date_of_birth": "1990-01-31"});
    let no_date: &[&str] = &["?date_of_birth"];
    let table: Vec<(Value, &[&str], &[&str])> = vec![
        (born("1990-01-31"), &[], &[]),
        (born("1990-01-31T00:00:00Z"), &[], &[]),
        (born("1990-01-31 00:00:00+01:00"), &[], &[]),
        (born(" 1990-01-31\u{200e}"), &[], &[]),
        (born("１９９０-01-31"), &[], &[]),
        (born("1990-01-30"), &[], &["date_of_birth"]),
        (born("1990-01-30"), &["date_of_birth"], &["date_of_birth"]),
        (born("31.01.1990"), &[], no_date),
        (born("31.01.1990"), &["date_of_birth"], no_date),
        (born("1990-01-31x"), &[], no_date),
        (born("1990-02-31"), &[], no_date),
        (born(""), &[], no_date),
        (born("\u{200b}"), &[], no_date),
        (born(" "), &["date_of_birth"], &[]),
        (odd(json!(19_900_131)), &["date_of_birth"], no_date),
        (odd(json!(633_744_000)), &[], no_date),
        (odd(json!(["1990-01-31"])), &["date_of_birth"], no_date),
        (odd(json!({"day": "1990-01-31"})), &["date_of_birth"], no_date),
        (odd(json!(true)), &["date_of_birth"], no_date),
        (odd(Value::Null), &["date_of_birth"], &[]),
        (odd(Value::Null), &[], no_date),
        (json!({"first_name": "Ann", "last_name": "Smith"}), &["date_of_birth"], &[]),
        (json!({"first_name": "Ann", "last_name": "Smith"}), &[], no_date),
        (name(json!("Ann")), &[], &[]),
        (name(json!(5)), &["first_name"], &["?first_name"]),
        (name(json!(["Ann"])), &[], &["?first_name"]),
        (name(json!({"first": "Ann"})), &[], &["?first_name"]),
        (name(json!("")), &["first_name"], &[]),
        (name(json!("\u{feff}")), &[], &["?first_name"]),
    ];
    let mut read = document(Some("ANN"), Some("SMITH"));
    read.date_of_birth = Some("1990-01-31".parse().unwrap());
    for (record, optional, expected) in table {
        let subject = registered(record);
        let found = words(&compare(&all, &fields(optional), &subject, Some(&read)));
        assert_eq!(found, expected, "{:?}", subject.fields);
    }
    // A field that the document lacks is never skipped, and without a document no field agrees.
    let subject = registered(born("1990-01-31"));
    let bare = document(Some("ANN"), Some("SMITH"));
    assert_eq!(words(&compare(&all, &all, &subject, Some(&bare))), no_date);
    let none = words(&compare(&all, &all, &subject, None));
    assert_eq!(none, ["?first_name", "?last_name", "?date_of_birth"]);
}

/// The length of a name bounds the work, whatever its content; without that bound these names took minutes.
#[test]
fn hostile_names_are_compared_in_bounded_work() {
    let table = [
        "ü".repeat(5_000),
        "\u{fdfa}".repeat(1_000),
        "ий".repeat(120),
        "ьь".repeat(120),
        "x ".repeat(5_000),
        "a ".repeat(14),
        "ю ".repeat(14),
        "ъь ".repeat(14),
        format!("{}b", "ü ".repeat(13)),
        "e\u{301}".repeat(2_000),
        "\u{301}".repeat(5_000),
    ];
    for name in &table {
        for other in &table {
            let same = agree(name, "Smith", (other, "SMITH"));
            assert!(!same || name == other || name.chars().count() < 300, "{} {}", name.len(), other.len());
        }
        assert!(!agree(name, "Smith", ("SMITH", name)) || name.chars().count() < 300);
    }
}

#[test]
fn a_pass_records_normalized_names() {
    let subject = registered(json!({
        "first_name": "Dr. Юлия  Anna", "last_name": "O’Neil-Müller", "attributes": {"date_of_birth": "1990-01-31T00:00:00Z"}
    }));
    let canonical = |field: &str| canonical(field, &subject);
    assert_eq!(canonical("first_name").as_deref(), Some("anna iuliia"));
    assert_eq!(canonical("last_name").as_deref(), Some("muller oneil"));
    assert_eq!(canonical("date_of_birth").as_deref(), Some("1990-01-31"));
    assert_eq!(canonical("email"), None);
    let empty = registered(json!({"first_name": "\u{200b}", "last_name": 5}));
    for field in ["first_name", "last_name", "date_of_birth"] {
        assert_eq!(proofd::case::comparison::canonical(field, &empty), None);
    }
    let seen = forms(&names(), &subject, Some(&document(Some("IULIIA ANNA"), None)));
    assert_eq!(seen[0].registered.as_deref(), Some("iuliia anna"));
    assert_eq!(seen[0].document.as_deref(), Some("iuliia anna"));
    assert_eq!((seen[1].registered.as_deref(), seen[1].document.as_deref()), (Some("oneil muller"), None));
    assert!(!format!("{seen:?}").contains("anna"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Invisible characters never make names agree, and no input panics.
    #[test]
    fn random_text_matches_no_other_name(first in any::<String>(), last in any::<String>()) {
        let _ = agree(&first, &last, (&last, &first));
        prop_assert!(!agree(&first, &last, ("QWRTZPL", "XKCDVBN")));
    }

    /// Different names of plain letters never agree; equal names always do.
    #[test]
    fn different_names_differ(a in "[a-z]{2,9}", b in "[a-z]{2,9}", last in "[a-z]{4,9}") {
        prop_assume!(![&a, &b, &last].into_iter().any(|word| is_filler(word)));
        prop_assert_eq!(agree(&a, &last, (&b, &last)), a == b);
        prop_assert!(agree(&a, &last, (&a.to_uppercase(), &last.to_uppercase())));
    }

    /// With the same number of words on both sides, exchanging the sides does not change the result.
    #[test]
    fn name_comparison_is_symmetric(
        first in "[А-я]{2,6}( [А-я]{2,6})?", read in "[A-Z]{2,6}( [A-Z]{2,6})?", last in "[A-Z]{4,9}",
    ) {
        if first.split(' ').count() == read.split(' ').count() {
            prop_assert_eq!(agree(&first, &last, (&read, &last)), agree(&read, &last, (&first, &last)));
        }
    }
}

/// Whether random letters form a filler, which is not a name; the table covers fillers.
fn is_filler(word: &str) -> bool {
    matches!(word, "fnu" | "lnu") || word.len() >= 3 && word.bytes().all(|byte| byte == b'x')
}

/// The table in `docs/names.md` matches the behavior.
#[test]
fn the_documented_examples_match() {
    let page = include_str!("../../docs/names.md");
    let table = page.split("## Examples").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert!(rows.len() >= 15, "{} rows", rows.len());
    for row in rows {
        let read = document(Some(row[2]), Some(row[3]));
        let found = compare(&names(), &[], &person(row[0], row[1]), Some(&read));
        let fields: Vec<_> = found.iter().map(|difference| difference.field.as_str()).collect();
        let word = match found.first() {
            None => "agrees".to_owned(),
            Some(first) if first.not_comparable => format!("not comparable: {}", fields.join(", ")),
            Some(_) => format!("differs: {}", fields.join(", ")),
        };
        assert_eq!(word, row[4], "{row:?}");
    }
}
