//! What an editor asks about a place: where it is defined, what it is, what may stand there.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::text::{self, Encoding};
use super::trees::{self, Desk};
use crate::policy::Files;
use crate::policy::diagnostic::Place;
use crate::policy::outline::{self, Named, Outline};

/// A position of a document, in its tree.
pub struct Asked {
    root: PathBuf,
    file: String,
    files: Files,
    /// From 0, as the editor counts.
    line: usize,
    character: usize,
}

impl Asked {
    /// None: the document is of no tree.
    pub fn read(desk: &Desk, parameters: &Value) -> Option<Self> {
        let uri = parameters.pointer("/textDocument/uri")?.as_str()?;
        let path = text::path(uri)?;
        let root = desk.root_of(&path)?;
        let file = trees::name(&root, &path)?;
        let number = |at: &str| usize::try_from(parameters.pointer(at)?.as_u64()?).ok();
        let (line, character) = (number("/position/line")?, number("/position/character")?);
        let files = desk.files(&root).ok()?;
        Some(Self { root, file, files, line, character })
    }

    fn named(&self, outline: &Outline, encoding: Encoding) -> Option<Named> {
        let text = text::text_of(&self.files, &self.file);
        let column = encoding.characters(text::line(&text, self.line), self.character) + 1;
        outline.name_at(&self.file, self.line + 1, column)
    }

    fn location(&self, desk: &Desk, place: &Place, encoding: Encoding) -> Option<Value> {
        let uri = address(desk, &self.root.join(&place.file))?;
        Some(json!({"uri": uri, "range": text::range(place, &self.files, encoding)}))
    }

    pub fn definition(&self, desk: &Desk, encoding: Encoding) -> Value {
        let outline = Outline::read(&self.files);
        let named = self.named(&outline, encoding);
        let defined = named.iter().flat_map(|named| outline.definitions(named));
        defined.filter_map(|defined| self.location(desk, &defined.place, encoding)).collect()
    }

    pub fn hover(&self, encoding: Encoding) -> Value {
        let outline = Outline::read(&self.files);
        let Some(named) = self.named(&outline, encoding) else { return Value::Null };
        let about: Vec<_> =
            outline.definitions(&named).into_iter().map(|found| outline::about(found, &self.files)).collect();
        if about.is_empty() {
            return Value::Null;
        }
        json!({
            "contents": {"kind": "markdown", "value": about.join("\n---\n")},
            "range": text::range(&named.place, &self.files, encoding),
        })
    }

    /// `sound` is the text of each open file when it could last be read, for the names of what is being typed.
    pub fn completion(
        &self,
        desk: &Desk,
        sound: impl Fn(&Path) -> Option<Vec<u8>>,
        encoding: Encoding,
    ) -> Value {
        let text = text::text_of(&self.files, &self.file);
        let line = text::line(&text, self.line);
        let typed: String = line.chars().take(encoding.characters(line, self.character)).collect();
        let above = text.split('\n').take(self.line);
        let before = above.chain([typed.as_str()]).collect::<Vec<_>>().join("\n");
        let mut files = self.files.clone();
        for (name, bytes) in &mut files.0 {
            if let Some(readable) = sound(&self.root.join(name)) {
                *bytes = readable.into();
            }
        }
        let outline = Outline::read(&files);
        let known = desk.known(&self.root).unwrap_or_default();
        let Some((wanted, offers)) = outline::offers(&outline, &known, &self.file, &before) else {
            return json!([]);
        };
        let written = typed.chars().count();
        let from = encoding.units(line, written - wanted.typed.min(written));
        let range = json!({
            "start": {"line": self.line, "character": from},
            "end": {"line": self.line, "character": encoding.units(line, written)},
        });
        let item = |offer: &outline::Offer| {
            json!({
                "label": offer.text,
                // A function, or a reference to something that stands elsewhere.
                "kind": if offer.thing == "function" { 3 } else { 18 },
                "detail": format!("{}, {}", offer.thing, offer.about),
                "textEdit": {"range": range, "newText": offer.text},
            })
        };
        offers.iter().map(item).collect()
    }
}

/// The address of a file: as the editor writes it, if it is open.
pub fn address(desk: &Desk, path: &Path) -> Option<String> {
    desk.open.get(path).map(|open| open.uri.clone()).or_else(|| text::uri(path))
}
