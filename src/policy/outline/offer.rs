//! Completes names at a cursor. While a file is edited it is often not valid YAML. The current line and the lines above
//! it are therefore read as text; the names come from the outline.

use super::{Outline, folder_of};
use crate::policy::grammar::{self, NameKind, Names};
use crate::policy::known::Known;

/// One completion.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offer {
    /// The text to insert.
    pub text: String,
    pub thing: &'static str,
    /// Where it is defined, or a further description.
    pub about: String,
}

/// The names that fit at a cursor, and how many characters before it are already typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub names: Expected,
    pub typed: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    Of(NameKind),
    /// Functions of one script file, without its name before them.
    Within(String),
    /// `subject`, `manager`, `team:name`.
    Recipients,
    /// `team:name`.
    Teams,
}

/// Returns the completions at a cursor after `before`, the text of `file` up to there.
pub fn offers(outline: &Outline, known: &Known, file: &str, before: &str) -> Option<(Wanted, Vec<Offer>)> {
    let wanted = wanted(file, before)?;
    let folder = folder_of(file);
    let of = |thing: NameKind, text: &dyn Fn(&super::Defined) -> Option<String>| -> Vec<Offer> {
        let defined = outline.within_reach(thing, folder).into_iter();
        let offer = |defined: &super::Defined| {
            let about = format!("{}:{}", defined.place.file, defined.place.line);
            Some(Offer { text: text(defined)?, thing: thing.word(), about })
        };
        defined.filter_map(offer).collect()
    };
    let configured = |names: Vec<&str>, thing: NameKind| -> Vec<Offer> {
        let offer = |name: &str| Offer {
            text: name.to_owned(),
            thing: thing.word(),
            about: "proofd.yaml".to_owned(),
        };
        names.into_iter().map(offer).collect()
    };
    let teams = || of(NameKind::Team, &|team| Some(format!("team:{}", team.name)));
    let offers = match &wanted.names {
        Expected::Of(NameKind::Function) => {
            of(NameKind::Function, &|function| Some(format!("{}{}", function.name, function.more)))
        }
        Expected::Of(thing) => match known.names(*thing) {
            Some(names) => configured(names, *thing),
            None => of(*thing, &|defined| Some(defined.name.clone())),
        },
        Expected::Within(script) => of(NameKind::Function, &|function| {
            let name = function.name.strip_prefix(script.as_str())?.strip_prefix("::")?;
            Some(format!("{name}{}", function.more))
        }),
        Expected::Teams => teams(),
        Expected::Recipients => {
            let person = |text: &str, about: &str| Offer {
                text: text.to_owned(),
                thing: "person",
                about: about.to_owned(),
            };
            let mut all =
                vec![person("subject", "the person of the case"), person("manager", "the manager of a user")];
            all.extend(teams());
            all
        }
    };
    Some((wanted, offers))
}

/// Returns the name around a cursor from the text alone, for a file that is not valid YAML at the moment.
pub fn typed_name(file: &str, before: &str, after: &str) -> Option<(NameKind, String)> {
    let rest = after.split(|c: char| !is_part(c)).next().unwrap_or_default();
    let start = before.trim_end_matches(is_part);
    let name = format!("{}{rest}", before.get(start.len()..).unwrap_or_default());
    let recipient = start.strip_suffix("team:").filter(|start| start.ends_with(['"', '\'', ' ', '[', ',']));
    let thing = match wanted(file, recipient.unwrap_or(start))?.names {
        // A script's name, followed by the function.
        Expected::Of(NameKind::Function) => {
            let function = after.get(rest.len()..)?.strip_prefix("::")?;
            let function = function.split(|c: char| !is_part(c)).next().unwrap_or_default();
            return Some((NameKind::Function, format!("{name}::{function}")));
        }
        Expected::Within(script) => return Some((NameKind::Function, format!("{script}::{name}"))),
        Expected::Of(thing) => thing,
        Expected::Recipients | Expected::Teams => NameKind::Team,
    };
    (!name.is_empty()).then_some((thing, name))
}

/// Returns what fits after the text before a cursor.
fn wanted(file: &str, before: &str) -> Option<Wanted> {
    let line = before.rsplit('\n').next().unwrap_or_default();
    if line.trim_start().starts_with(['#', '/']) {
        return None;
    }
    if let Some(wanted) = within_expression(line) {
        return Some(wanted);
    }
    if !file.ends_with(".yaml") {
        return None;
    }
    let (key, value) = key_and_value(before, line)?;
    let typed = value.rsplit([' ', '[', '{', ',', '"', '\'']).next().unwrap_or_default();
    // No second name follows a whole name, except in a list.
    let behind = value.get(..value.len() - typed.len()).unwrap_or_default();
    let opens = behind.trim_end().is_empty() || behind.ends_with(['[', ',', '"', '\'', '{']) || {
        behind.trim_end().ends_with([',', '[', '{'])
    };
    if !opens {
        return None;
    }
    let names = names_of(file, key)?;
    Some(Wanted { names, typed: typed.chars().count() })
}

fn names_of(file: &str, key: &str) -> Option<Expected> {
    match grammar::key_naming(grammar::shape_of(file)?, key)? {
        Names::Of(thing) => Some(Expected::Of(thing)),
        Names::Recipient => Some(Expected::Recipients),
        Names::Owner => Some(Expected::Teams),
        Names::Mail => Some(Expected::Of(NameKind::Template)),
        Names::Gives(_) | Names::Path => None,
    }
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-')
}

/// Recognizes `settings.x`, `steps.x` and `file::x`.
fn within_expression(line: &str) -> Option<Wanted> {
    let start = line.trim_end_matches(|c: char| c.is_alphanumeric() || c == '_');
    let typed = line.get(start.len()..).unwrap_or_default().chars().count();
    if let Some(before) = start.strip_suffix("::") {
        let script = before.rsplit(|c: char| !is_part(c)).next().filter(|script| !script.is_empty())?;
        return Some(Wanted { names: Expected::Within(script.to_owned()), typed });
    }
    let before = start.strip_suffix("?.").or_else(|| start.strip_suffix('.'))?;
    let root = before.rsplit(|c: char| !is_part(c) && c != '.').next().unwrap_or_default();
    let thing = match root {
        "settings" => NameKind::Setting,
        "steps" => NameKind::Step,
        _ => return None,
    };
    Some(Wanted { names: Expected::Of(thing), typed })
}

/// Returns the key and the partial value at the end of a line: `key: val`, or an item of a list below `key:`.
fn key_and_value<'a>(before: &'a str, line: &'a str) -> Option<(&'a str, &'a str)> {
    let key = |text: &'a str| text.rsplit(|c: char| !is_part(c)).next().filter(|key| !key.is_empty());
    if let Some((head, value)) = line.rsplit_once(": ") {
        return Some((key(head)?, value.trim_start()));
    }
    // Only for a list item the lines above matter; other text alone in a line is a key that is being typed.
    let value = line.trim_start().strip_prefix("- ")?;
    let indent = |line: &str| line.len() - line.trim_start().len();
    let above = before.rsplit('\n').skip(1).filter(|above| !above.trim().is_empty());
    let mut above = above.skip_while(|above| {
        let item = above.trim_start().starts_with("- ") && !above.trim_end().ends_with(':');
        item && indent(above) >= indent(line)
    });
    let head = above.next()?.trim_end().strip_suffix(':')?;
    Some((key(head)?, value.trim_start()))
}
