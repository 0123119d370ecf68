//! Reads bytes to a `Node`, from the events of `saphyr-parser`. Anchors, aliases, merge keys, tags and multiple
//! documents are refused, because they can give a file another meaning than its text shows.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::broken::{Broken, explain};
use super::{DEEPEST, Data, Fault, Key, Node, Place, Scalar, conflict};

const NO_ALIAS: &str = "aliases are not supported; use a block, or repeat the text";

/// Reads one file of at most `largest` bytes. Returns no tree if the file cannot be read as a whole; a fault has the
/// reason. Faults that leave a usable tree (a duplicate key) are returned with it.
pub fn read(file: &str, bytes: &[u8], largest: usize) -> (Option<Node>, Vec<Fault>) {
    let text = match text(bytes, largest) {
        Ok(text) => text,
        Err((code, offset, message)) => {
            return (None, vec![Fault::new(place_of(file, bytes, offset), code, message)]);
        }
    };
    if let Some(found) = conflict(file, text) {
        return (None, vec![found]);
    }
    let lines = text.split('\n').map(str::trim_end).collect();
    let mut reader =
        Reader { file, text, lines, open: Vec::new(), root: None, documents: 0, faults: Vec::new() };
    (reader.all(), reader.faults)
}

type Refusal = (&'static str, usize, String);

/// Returns the text of a file, after checks of its size and encoding.
fn text(bytes: &[u8], largest: usize) -> Result<&str, Refusal> {
    if bytes.len() > largest {
        let (size, most) = (bytes.len() / 1024, largest / 1024);
        return Err(("too-large", 0, format!("the file has {size} KiB; at most {most} KiB are read")));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(("encoding", 0, "the file is UTF-16; save it as UTF-8".to_owned()));
    }
    if bytes.starts_with(&[0xef, 0xbb, 0xbf]) {
        let message = "the file starts with a byte order mark; save it as UTF-8 without one";
        return Err(("encoding", 0, message.to_owned()));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        ("encoding", error.valid_up_to(), "the file is not UTF-8; save it as UTF-8".to_owned())
    })?;
    let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    match text.char_indices().find(|(_, c)| control(*c)) {
        Some((at, c)) => {
            let message = format!("the control character U+{:04X} is not allowed; remove it", c as u32);
            Err(("encoding", at, message))
        }
        None => Ok(text),
    }
}

/// Returns the place of a byte offset. Invalid bytes before the offset are replaced.
fn place_of(file: &str, bytes: &[u8], offset: usize) -> Place {
    let before = String::from_utf8_lossy(bytes.get(..offset).unwrap_or_default());
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Place { file: file.to_owned(), line, column, length: 1 }
}

/// A collection that is being read.
enum Open {
    List(Place, Vec<Node>),
    Map(Place, Vec<(Key, Node)>, Option<Key>),
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    lines: Vec<&'a str>,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    faults: Vec<Fault>,
}

/// Stops the reading of a file.
struct Stop;

impl Reader<'_> {
    fn all(&mut self) -> Option<Node> {
        for event in Parser::new_from_str(self.text) {
            let stopped = match event {
                Ok((event, span)) => self.event(event, span).is_err(),
                Err(error) => {
                    let place = self.place(Span::empty(*error.marker()));
                    if error.info().contains("unknown anchor") {
                        self.refused(place, "alias", NO_ALIAS).is_err()
                    } else if error.info().contains("recursion limit") {
                        // The parser reads further ahead in brackets than its events show.
                        self.too_deep(place).is_err()
                    } else {
                        self.broken(&place, error.info());
                        true
                    }
                }
            };
            if stopped {
                return None;
            }
        }
        if self.root.is_none() {
            let place = Place { file: self.file.to_owned(), line: 1, column: 1, length: 1 };
            self.faults.push(Fault::new(place, "empty-file", "the file is empty"));
        }
        self.root.take()
    }

    /// Returns the place of a span. After a final line break the scanner counts one more line; the place is then the
    /// end of the last line.
    fn place(&self, span: Span) -> Place {
        let (line, before) = match span.start.line().max(1) {
            line if line > self.lines.len() => (self.lines.len().max(1), usize::MAX),
            line => (line, span.start.col()),
        };
        let shown = self.lines.get(line - 1).copied().unwrap_or_default();
        let width = shown.chars().count();
        let before = before.min(width);
        let room = (width - before).max(1);
        let one_line = span.end.line() == span.start.line();
        let wanted = if one_line { span.end.index().saturating_sub(span.start.index()) } else { room };
        Place { file: self.file.to_owned(), line, column: before + 1, length: wanted.clamp(1, room) }
    }

    fn stop(&mut self, place: Place, code: &'static str, message: String) -> Result<(), Stop> {
        self.faults.push(Fault::new(place, code, message));
        Err(Stop)
    }

    fn too_deep(&mut self, place: Place) -> Result<(), Stop> {
        self.stop(place, "too-deep", format!("more than {DEEPEST} levels of nesting"))
    }

    fn broken(&mut self, place: &Place, info: &str) {
        let Broken { line, column, length, message, help } =
            explain(&self.lines, place.line, place.column, info);
        let place = Place { file: self.file.to_owned(), line, column, length };
        self.faults.push(Fault::new(place, "yaml", message).help(help));
    }

    /// Reports a YAML feature that policies do not support. Usually plain text was meant.
    fn refused(&mut self, place: Place, code: &'static str, message: &str) -> Result<(), Stop> {
        let line = self.lines.get(place.line.saturating_sub(1)).copied().unwrap_or_default();
        let from: String = line.chars().skip(place.column.saturating_sub(1)).collect();
        let before: String = line.chars().take(place.column.saturating_sub(1)).collect();
        // On some lines the parser reports the place after a tag or an anchor instead of its own.
        let text = match before.trim_end().rsplit(' ').next() {
            Some(sign) if sign.starts_with(['!', '&', '*']) => format!("{sign} {from}"),
            _ => from,
        };
        let text = text.split(" #").next().unwrap_or_default().trim_end();
        // An item of `[a, b]` ends before the next item.
        let text = if text.contains('[') { text } else { text.split([',', ']']).next().unwrap_or_default() };
        let help = format!("for a text, write '{text}' with quotes");
        let found = Fault::new(place, code, message);
        self.faults.push(if text.starts_with(['!', '&', '*']) { found.help(help) } else { found });
        Err(Stop)
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Stop> {
        let place = self.place(span);
        let refuse = |anchor: usize, tag: bool| match (anchor, tag) {
            (0, false) => None,
            (0, true) => Some(("tag", "tags such as `!!str` are not supported; quote the value")),
            _ => Some(("anchor", "anchors are not supported; use a block, or repeat the text")),
        };
        match event {
            Event::Alias(_) => self.refused(place, "alias", NO_ALIAS),
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return self.stop(
                        place,
                        "documents",
                        "the file has several documents; keep one".to_owned(),
                    );
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                if let Some((code, message)) = refuse(anchor, tag.is_some()) {
                    return self.refused(place, code, message);
                }
                let quoted = matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted);
                let plain = style == ScalarStyle::Plain;
                let scalar = Scalar { text: text.into_owned(), plain, quoted };
                self.scalar(place, scalar)
            }
            Event::SequenceStart(anchor, tag) => match refuse(anchor, tag.is_some()) {
                Some((code, message)) => self.refused(place, code, message),
                None => self.push(place.clone(), Open::List(place, Vec::new())),
            },
            Event::MappingStart(anchor, tag) => match refuse(anchor, tag.is_some()) {
                Some((code, message)) => self.refused(place, code, message),
                None => self.push(place.clone(), Open::Map(place, Vec::new(), None)),
            },
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List(place, items)) => self.value(Node { place, data: Data::List(items) }),
                Some(Open::Map(place, entries, _)) => self.value(Node { place, data: Data::Map(entries) }),
                None => Ok(()),
            },
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn push(&mut self, place: Place, open: Open) -> Result<(), Stop> {
        if let Some(Open::Map(_, _, None)) = self.open.last() {
            return self.stop(place, "key", "a key must be a plain word".to_owned());
        }
        if self.open.len() >= DEEPEST {
            return self.too_deep(place);
        }
        self.open.push(open);
        Ok(())
    }

    fn scalar(&mut self, place: Place, scalar: Scalar) -> Result<(), Stop> {
        let Some(Open::Map(_, entries, key @ None)) = self.open.last_mut() else {
            return self.value(Node { place, data: Data::Scalar(scalar) });
        };
        if scalar.plain && scalar.text == "<<" {
            return self.stop(place, "merge", "merge keys are not supported; use a block".to_owned());
        }
        if let Some((first, _)) = entries.iter().find(|(key, _)| key.name == scalar.text) {
            let message = format!("duplicate key `{}`; first in line {}", scalar.text, first.place.line);
            let fault = Fault::new(place.clone(), "duplicate-key", message);
            self.faults.push(fault.help("remove one of the two"));
        }
        *key = Some(Key { name: scalar.text, place });
        Ok(())
    }

    fn value(&mut self, node: Node) -> Result<(), Stop> {
        match self.open.last_mut() {
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Map(place, entries, key)) => match key.take() {
                // The first of two duplicates counts, and the rest of the file is still checked.
                Some(key) if entries.iter().any(|(other, _)| other.name == key.name) => {}
                Some(key) => {
                    if entries.is_empty() {
                        *place = key.place.clone();
                    }
                    entries.push((key, node));
                }
                None => {
                    let place = node.place;
                    return self.stop(place, "key", "a key must be a plain word".to_owned());
                }
            },
            None => self.root = Some(node),
        }
        Ok(())
    }
}
