//! The texts of the pages, one file for each language. English and German are part of the program; an administrator adds
//! files. Every text of every file is rendered once at the start, so that a mistake is found before a person sees it.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::TimeDelta;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::{Deserialize, Serialize};

use crate::engine::portal::Page;
use crate::model::Span;

const SHIPPED: [(&str, &str); 2] =
    [("en", include_str!("languages/en.yaml")), ("de", include_str!("languages/de.yaml"))];

/// A file of texts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// The name of the language, in that language.
    #[serde(rename = "language")]
    _language: String,
    pages: Pages,
    notice: Notice,
    labels: Labels,
    periods: Periods,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pages {
    ask: Words,
    resume: Words,
    wait: Words,
    checking: Words,
    in_review: Words,
    decided: Words,
    over: Words,
    contest: Words,
    contested: Words,
    full: Words,
    often: Words,
    later: Words,
    trouble: Words,
    unknown: Words,
}

/// The words of a page.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    pub(super) title: String,
    pub(super) lead: String,
    #[serde(default)]
    pub(super) button: Option<String>,
}

/// What a person must know before the vendor starts.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Notice {
    pub(super) title: String,
    /// What a verification with a document collects.
    pub(super) document: String,
    /// What a comparison with the enrolled face collects.
    pub(super) face: String,
    pub(super) kept: String,
    pub(super) agree: String,
    pub(super) missing: String,
    pub(super) otherwise: String,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Labels {
    why: String,
    until: String,
    from: String,
    help: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Periods {
    hours: String,
    days: String,
    years: String,
    business_days: String,
}

/// What the texts may mention.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Facts {
    pub(super) organization: String,
    pub(super) vendor: String,
    pub(super) why: String,
    /// How long what was read from a document is kept, in words.
    pub(super) evidence: String,
    pub(super) case: String,
}

/// The texts of all languages.
#[derive(Debug)]
pub(super) struct Texts {
    environment: Environment<'static>,
    files: BTreeMap<String, File>,
}

impl Texts {
    /// Reads the shipped languages, and those of a directory. The error names the file.
    pub(super) fn load(dir: Option<&Path>) -> Result<Self, String> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let mut texts = Self { environment, files: BTreeMap::new() };
        for (language, text) in SHIPPED {
            texts.add(language, text).map_err(|why| format!("{language}.yaml: {why}"))?;
        }
        let Some(dir) = dir else { return Ok(texts) };
        let listing = |error: std::io::Error| format!("reading {}: {error}", dir.display());
        for entry in std::fs::read_dir(dir).map_err(listing)? {
            let path = entry.map_err(listing)?.path();
            let (Some(stem), Some("yaml")) =
                (path.file_stem(), path.extension().and_then(|ends| ends.to_str()))
            else {
                continue;
            };
            let language = stem.to_string_lossy().into_owned();
            if !matches!(language.len(), 2 | 3) || !language.bytes().all(|byte| byte.is_ascii_lowercase()) {
                return Err(format!(
                    "{}: the name of a language file is its code and `.yaml`, such as `fr.yaml`",
                    path.display()
                ));
            }
            let text = std::fs::read_to_string(&path)
                .map_err(|error| format!("reading {}: {error}", path.display()))?;
            texts.add(&language, &text).map_err(|why| format!("{}: {why}", path.display()))?;
        }
        Ok(texts)
    }

    fn add(&mut self, language: &str, text: &str) -> Result<(), String> {
        let file: File = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        self.files.insert(language.to_owned(), file);
        let sample = |text: &str| text.to_owned();
        let facts = Facts {
            organization: sample("Example Corp"),
            vendor: sample("Vendor"),
            why: sample("a reason"),
            evidence: sample("30 days"),
            case: sample("2 years"),
        };
        for page in samples() {
            self.words(language, &page, &facts)?;
        }
        for document in [true, false] {
            self.notice(language, document, &facts)?;
        }
        for span in [TimeDelta::hours(5), TimeDelta::days(1), TimeDelta::days(730)] {
            self.period(language, Span::Elapsed(span))?;
        }
        self.period(language, Span::BusinessDays(3)).map(drop)
    }

    fn file(&self, language: &str) -> Result<&File, String> {
        self.files.get(language).ok_or_else(|| format!("there are no texts in the language {language}"))
    }

    fn render(&self, text: &str, facts: &impl Serialize) -> Result<String, String> {
        // The detail of a template's error repeats the text, which holds no values.
        self.environment.render_str(text, Serde(facts)).map_err(|error| format!("{error}, in: {text}"))
    }

    /// Returns the first supported language, or English.
    pub(super) fn choose<'a>(&self, wanted: impl Iterator<Item = &'a str>) -> &str {
        let primary = |tag: &str| tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        let mut known = wanted.filter_map(|tag| self.files.get_key_value(&primary(tag)));
        known.next().map_or("en", |(language, _)| language)
    }

    pub(super) fn words(&self, language: &str, page: &Page, facts: &Facts) -> Result<Words, String> {
        let words = self.file(language)?.pages.of(page);
        let button = words.button.as_ref().map(|button| self.render(button, facts)).transpose()?;
        Ok(Words { title: self.render(&words.title, facts)?, lead: self.render(&words.lead, facts)?, button })
    }

    pub(super) fn notice(&self, language: &str, document: bool, facts: &Facts) -> Result<Shown, String> {
        let notice = &self.file(language)?.notice;
        let collected = if document { &notice.document } else { &notice.face };
        Ok(Shown {
            title: self.render(&notice.title, facts)?,
            collected: self.render(collected, facts)?,
            kept: self.render(&notice.kept, facts)?,
            agree: self.render(&notice.agree, facts)?,
            missing: self.render(&notice.missing, facts)?,
            otherwise: self.render(&notice.otherwise, facts)?,
        })
    }

    pub(super) fn labels(&self, language: &str) -> Result<&Labels, String> {
        Ok(&self.file(language)?.labels)
    }

    /// Returns a period in words: whole years, days or hours.
    pub(super) fn period(&self, language: &str, span: Span) -> Result<String, String> {
        let periods = &self.file(language)?.periods;
        let (text, n) = match span {
            Span::BusinessDays(days) => (&periods.business_days, i64::from(days)),
            Span::Elapsed(length) if length.num_days() > 0 && length.num_days() % 365 == 0 => {
                (&periods.years, length.num_days() / 365)
            }
            Span::Elapsed(length) if length.num_days() > 0 => (&periods.days, length.num_days()),
            Span::Elapsed(length) => (&periods.hours, length.num_hours()),
        };
        self.render(text, &serde_json::json!({ "n": n }))
    }
}

/// A notice as a person sees it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Shown {
    title: String,
    pub(super) collected: String,
    pub(super) kept: String,
    pub(super) agree: String,
    missing: String,
    otherwise: String,
}

impl Pages {
    fn of(&self, page: &Page) -> &Words {
        match page {
            Page::Unknown => &self.unknown,
            Page::Ask(ask) if ask.resumes => &self.resume,
            Page::Ask(_) => &self.ask,
            Page::Wait => &self.wait,
            Page::Checking => &self.checking,
            Page::InReview => &self.in_review,
            Page::Decided => &self.decided,
            Page::Over => &self.over,
            Page::Contest { .. } => &self.contest,
            Page::Full { .. } => &self.full,
            Page::Often { .. } => &self.often,
            Page::Later => &self.later,
            Page::Trouble => &self.trouble,
            Page::Contested => &self.contested,
        }
    }
}

/// A page of every kind.
fn samples() -> Vec<Page> {
    use crate::engine::portal::Ask;
    use crate::model::Timestamp;
    let (why, until) = (String::new(), Timestamp::UNIX_EPOCH);
    let ask = |resumes| {
        let (why, vendor) = (String::new(), String::new());
        let (evidence_kept, case_kept) = (Span::ZERO, Span::ZERO);
        Page::Ask(Ask { why, until, resumes, vendor, document: true, evidence_kept, case_kept })
    };
    vec![
        Page::Unknown,
        ask(false),
        ask(true),
        Page::Wait,
        Page::Checking,
        Page::InReview,
        Page::Decided,
        Page::Over,
        Page::Contest { why, until },
        Page::Full { from: None },
        Page::Often { from: until },
        Page::Later,
        Page::Trouble,
        Page::Contested,
    ]
}

#[cfg(test)]
mod tests {
    use super::{Facts, SHIPPED, Texts};
    use crate::model::Span;

    #[test]
    fn a_language_file_with_a_mistake_is_refused_with_its_name() {
        for (change, to, message) in [
            ("{{ vendor }}", "{{ vendr }}", "undefined value"),
            ("  title: About your data\n", "", "missing field `title`"),
            ("labels:", "lables:", "unknown field `lables`"),
            ("{{ 'day'", "{{ 'day", "syntax error"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("fr.yaml"), SHIPPED[0].1.replace(change, to)).unwrap();
            let why = Texts::load(Some(dir.path())).unwrap_err();
            assert!(why.contains("fr.yaml") && why.contains(message), "{change}: {why}");
        }
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("french.yaml"), SHIPPED[0].1).unwrap();
        assert!(Texts::load(Some(dir.path())).unwrap_err().contains("such as `fr.yaml`"));
    }

    #[test]
    fn an_added_language_is_chosen_by_its_primary_tag() {
        let dir = tempfile::tempdir().unwrap();
        let french = SHIPPED[0].1.replace("title: One moment", "title: Un moment");
        std::fs::write(dir.path().join("fr.yaml"), french).unwrap();
        let texts = Texts::load(Some(dir.path())).unwrap();
        for (wanted, chosen) in [("fr-CA,en", "fr"), ("de_AT", "de"), ("xx", "en"), ("", "en"), ("FR", "fr")]
        {
            assert_eq!(texts.choose(wanted.split(',')), chosen, "{wanted}");
        }
        let page = crate::engine::portal::Page::Wait;
        assert_eq!(texts.words("fr", &page, &Facts::default()).unwrap().title, "Un moment");
    }

    #[test]
    fn periods_are_whole_years_days_or_hours() {
        let texts = Texts::load(None).unwrap();
        for (span, english, german) in [
            ("30d", "30 days", "30 Tage"),
            ("1d", "1 day", "1 Tag"),
            ("2y", "2 years", "2 Jahre"),
            ("5h", "5 hours", "5 Stunden"),
            ("3bd", "3 business days", "3 Arbeitstage"),
        ] {
            let span: Span = span.parse().unwrap();
            assert_eq!(texts.period("en", span).unwrap(), english);
            assert_eq!(texts.period("de", span).unwrap(), german);
        }
    }
}
