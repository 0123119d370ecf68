//! Positions in the editor's format. Internal positions count characters from 1; an editor counts from 0 and chooses
//! the unit.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use url::Url;

use crate::policy::Files;
use crate::policy::diagnostic::Place;

/// The unit in which an editor counts columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    /// The default, which every editor supports.
    #[default]
    Utf16,
    Utf32,
}

impl Encoding {
    /// The first supported encoding of those that the editor offers.
    pub fn choose(offered: &Value) -> Self {
        let known = |name: &Value| match name.as_str()? {
            "utf-8" => Some(Self::Utf8),
            "utf-16" => Some(Self::Utf16),
            "utf-32" => Some(Self::Utf32),
            _ => None,
        };
        offered.as_array().into_iter().flatten().find_map(known).unwrap_or_default()
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Utf16 => "utf-16",
            Self::Utf32 => "utf-32",
        }
    }

    fn width(self, c: char) -> usize {
        match self {
            Self::Utf8 => c.len_utf8(),
            Self::Utf16 => c.len_utf16(),
            Self::Utf32 => 1,
        }
    }

    /// Converts a number of characters to units.
    pub fn units(self, line: &str, characters: usize) -> usize {
        line.chars().take(characters).map(|c| self.width(c)).sum()
    }

    /// Converts a number of units to characters; a position within a character becomes its start.
    pub fn characters(self, line: &str, units: usize) -> usize {
        let ends = line.chars().scan(0, |sum, c| {
            *sum += self.width(c);
            Some(*sum)
        });
        ends.take_while(|end| *end <= units).count()
    }
}

/// A line by its number from 0, without its line end.
pub fn line(text: &str, number: usize) -> &str {
    text.split('\n').nth(number).unwrap_or_default().trim_end_matches('\r')
}

pub fn text_of<'a>(files: &'a Files, file: &str) -> std::borrow::Cow<'a, str> {
    files.get(file).map(|bytes| String::from_utf8_lossy(bytes)).unwrap_or_default()
}

/// The LSP range of a place.
pub fn range(place: &Place, files: &Files, encoding: Encoding) -> Value {
    let text = text_of(files, &place.file);
    let number = place.line.saturating_sub(1);
    let line = line(&text, number);
    let start = place.column.saturating_sub(1);
    let end = start + place.length.max(1);
    json!({
        "start": {"line": number, "character": encoding.units(line, start)},
        "end": {"line": number, "character": encoding.units(line, end)},
    })
}

/// The path of a URI; none: it is not a local file.
pub fn path(uri: &str) -> Option<PathBuf> {
    Url::parse(uri).ok().filter(|url| url.scheme() == "file")?.to_file_path().ok()
}

pub fn uri(path: &Path) -> Option<String> {
    Url::from_file_path(path).ok().map(String::from)
}
