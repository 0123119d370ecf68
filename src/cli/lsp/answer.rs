//! Answers an editor's requests about a position: definition, references, hover and completion.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::text::{self, Encoding};
use super::trees::{self, Desk};
use crate::policy::Files;
use crate::policy::diagnostic::Place;
use crate::policy::outline::{self, Defined, Named, Outline};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    Definition,
    References,
    Hover,
    Completion,
}

impl Question {
    pub fn of(method: &str) -> Option<Self> {
        match method {
            "textDocument/definition" => Some(Self::Definition),
            "textDocument/references" => Some(Self::References),
            "textDocument/hover" => Some(Self::Hover),
            "textDocument/completion" => Some(Self::Completion),
            _ => None,
        }
    }
}

/// A request about a position of a document.
pub struct Asked<'a> {
    desk: &'a Desk,
    encoding: Encoding,
    root: PathBuf,
    /// The files in their current state.
    files: Files,
    /// The files in the last state that parsed, for names: a text that is being typed is often invalid YAML.
    readable: Files,
    outline: Outline,
    file: String,
    /// The line, from 0. The column counts characters from 0.
    line: usize,
    column: usize,
    /// The editor requests the definition among the references.
    with_definition: bool,
}

impl<'a> Asked<'a> {
    /// Reads a request. None: no tree contains the document. `sound` holds the last parsed text of each open file.
    pub fn read(
        desk: &'a Desk,
        sound: &BTreeMap<PathBuf, Arc<str>>,
        encoding: Encoding,
        parameters: &Value,
    ) -> Option<Self> {
        let path = text::path(parameters.pointer("/textDocument/uri")?.as_str()?)?;
        let root = desk.root_of(&path)?;
        let file = trees::name(&root, &path)?;
        let number = |at: &str| usize::try_from(parameters.pointer(at)?.as_u64()?).ok();
        let (line, units) = (number("/position/line")?, number("/position/character")?);
        let (files, _) = desk.files(&root).ok()?;
        let column = encoding.characters(text::line(&text::text_of(&files, &file), line), units);
        let mut readable = files.clone();
        for (path, text) in sound {
            if let Some(bytes) = trees::name(&root, path).and_then(|name| readable.0.get_mut(&name)) {
                *bytes = Arc::from(text.as_bytes());
            }
        }
        let outline = Outline::read(&readable);
        let with_definition = parameters.pointer("/context/includeDeclaration") == Some(&Value::Bool(true));
        Some(Self { desk, encoding, root, files, readable, outline, file, line, column, with_definition })
    }

    pub fn answer(&self, question: Question) -> Value {
        match question {
            Question::Definition => self.definition(),
            Question::References => self.references(),
            Question::Hover => self.hover(),
            Question::Completion => self.completion(),
        }
    }

    /// The text of the file up to the cursor, and the rest of its line.
    fn around(&self) -> (String, String) {
        let text = text::text_of(&self.files, &self.file);
        let line = text::line(&text, self.line);
        let typed: String = line.chars().take(self.column).collect();
        let above = text.split('\n').take(self.line);
        let before = above.chain([typed.as_str()]).collect::<Vec<_>>().join("\n");
        (before, line.chars().skip(self.column).collect())
    }

    /// The name at the cursor. If the outline is older than the text, the name is read from the text at the cursor.
    fn named(&self) -> Option<Named> {
        let named = self.outline.name_at(&self.file, self.line + 1, self.column + 1);
        if let Some(named) =
            named.filter(|named| self.today(&named.place, &named.name).as_ref() == Some(&named.place))
        {
            return Some(named);
        }
        let (before, after) = self.around();
        let (thing, name) = outline::typed_name(&self.file, &before, &after)?;
        let place =
            Place { file: self.file.clone(), line: self.line + 1, column: self.column + 1, length: 1 };
        Some(Named { thing, name, folder: outline::folder_of(&self.file).map(str::to_owned), place })
    }

    /// Finds the current position of a place in the outline: the same, or the nearest line with the same text at
    /// the same column. None: the text was removed.
    fn today(&self, place: &Place, name: &str) -> Option<Place> {
        let text = text::text_of(&self.files, &place.file);
        let word = name.rsplit("::").next().unwrap_or(name);
        let stands = |line: &str| {
            let part: String = line.chars().skip(place.column.saturating_sub(1)).take(place.length).collect();
            part == word || part == name
        };
        // The place of a template is its file.
        if place.length == 1 && place.line == 1 {
            return Some(place.clone());
        }
        let lines = (1..).zip(text.split('\n')).filter(|(_, line)| stands(line)).map(|(number, _)| number);
        let line = lines.min_by_key(|number: &usize| number.abs_diff(place.line))?;
        Some(Place { line, ..place.clone() })
    }

    fn location(&self, place: &Place, name: &str) -> Option<Value> {
        let place = self.today(place, name)?;
        let uri = address(self.desk, &self.root.join(&place.file))?;
        Some(json!({"uri": uri, "range": text::range(&place, &self.files, self.encoding)}))
    }

    fn definitions(&self, named: &Named) -> Vec<&Defined> {
        self.outline.definitions(named)
    }

    fn definition(&self) -> Value {
        let named = self.named();
        let defined = named.iter().flat_map(|named| self.definitions(named));
        defined.filter_map(|defined| self.location(&defined.place, &defined.name)).collect()
    }

    fn references(&self) -> Value {
        let Some(named) = self.named() else { return json!([]) };
        let itself = self.definitions(&named).into_iter().filter(|_| self.with_definition);
        let itself = itself.filter_map(|defined| self.location(&defined.place, &defined.name));
        let uses = self.outline.uses(&named).into_iter();
        itself.chain(uses.filter_map(|used| self.location(&used.place, &used.name))).collect()
    }

    fn hover(&self) -> Value {
        let Some(named) = self.named() else { return Value::Null };
        let about = self.definitions(&named).into_iter().map(|found| outline::about(found, &self.readable));
        let about: Vec<_> = about.collect();
        if about.is_empty() {
            return Value::Null;
        }
        json!({
            "contents": {"kind": "markdown", "value": about.join("\n---\n")},
            "range": text::range(&named.place, &self.files, self.encoding),
        })
    }

    fn completion(&self) -> Value {
        let (before, _) = self.around();
        let known = self.desk.known(&self.root).unwrap_or_default();
        let Some((wanted, offers)) = outline::offers(&self.outline, &known, &self.file, &before) else {
            return json!([]);
        };
        let line = before.rsplit('\n').next().unwrap_or_default();
        let at = |column: usize| json!({"line": self.line, "character": self.encoding.units(line, column)});
        let written = line.chars().count();
        let range = json!({"start": at(written.saturating_sub(wanted.typed)), "end": at(written)});
        let item = |offer: &outline::Offer| {
            json!({
                "label": offer.text,
                // The kinds are function and reference.
                "kind": if offer.thing == "function" { 3 } else { 18 },
                "detail": format!("{}, {}", offer.thing, offer.about),
                "textEdit": {"range": range, "newText": offer.text},
            })
        };
        offers.iter().map(item).collect()
    }
}

/// The URI of a file: as the editor writes it, if the file is open.
pub fn address(desk: &Desk, path: &Path) -> Option<String> {
    desk.open.get(path).map(|open| open.uri.clone()).or_else(|| text::uri(path))
}
