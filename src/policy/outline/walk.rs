//! Walks the files of a tree and records every name. The grammar's table defines what each key names, which covers new
//! keys without a change here.

use super::script::{self, Piece, Placed, Spoken};
use super::{Defined, Named, Outline, folder_of};
use crate::policy::diagnostic::Place;
use crate::policy::files::Files;
use crate::policy::grammar::{self, Kind, NameKind, Names, Shape, Site};
use crate::policy::script::interpolations;
use crate::policy::source::{self, Node};

pub(super) fn files(files: &Files, outline: &mut Outline) {
    for (path, bytes) in &files.0 {
        let Ok(text) = std::str::from_utf8(bytes) else { continue };
        let mut walk = Walk { file: path, text, folder: folder_of(path), outline };
        if let Some(shape) = grammar::shape_of(path) {
            walk.yaml(shape);
            continue;
        }
        let parts: Vec<&str> = path.split('/').collect();
        match parts.as_slice() {
            ["shared", "templates", name, file] => {
                if let Some(language) = file.strip_suffix(".md") {
                    walk.mail(name, language);
                }
            }
            [_, file] => {
                if let Some(namespace) = file.strip_suffix(".rhai") {
                    walk.script(namespace);
                }
            }
            _ => {}
        }
    }
}

/// The walk over one file.
struct Walk<'a> {
    file: &'a str,
    text: &'a str,
    folder: Option<&'a str>,
    outline: &'a mut Outline,
}

impl Walk<'_> {
    fn yaml(&mut self, shape: &'static Shape) {
        if let Some(node) = source::read(self.file, self.text.as_bytes(), &mut Vec::new()) {
            grammar::visit(&node, &Kind::Shape(shape), &mut |site| self.site(&site));
        }
    }

    fn named(&mut self, thing: NameKind, name: &str, place: Place) {
        let folder = self.folder.map(str::to_owned);
        self.outline.named.push(Named { thing, name: name.to_owned(), folder, place });
    }

    fn defined(&mut self, thing: NameKind, name: &str, place: Place, from: usize) {
        // The name of a policy is visible in the whole tree.
        let folder = self.folder.filter(|_| thing != NameKind::Policy).map(str::to_owned);
        let more = String::new();
        self.outline.defined.push(Defined { thing, name: name.to_owned(), folder, place, from, more });
    }

    fn site(&mut self, site: &Site<'_>) {
        match site {
            Site::Key { names, key } => self.name(*names, &key.name, key.place.clone(), key.place.line),
            Site::Text { names: Names::Path, node, .. } | Site::Expression(node) => {
                self.expressions(node, &[node.scalar().map_or("", |scalar| &scalar.text)]);
            }
            Site::Text { names, node, from } => {
                if let Some(text) = node.text() {
                    self.name(*names, text, node.text_place(), *from);
                }
            }
            Site::Interpolated(node) => {
                self.expressions(node, &interpolations(node.scalar().map_or("", |scalar| &scalar.text)));
            }
        }
    }

    fn name(&mut self, names: Names, text: &str, place: Place, from: usize) {
        match names {
            Names::Gives(thing) => self.defined(thing, text, place, from),
            // `proofd.yaml` is not a file of the tree.
            Names::Of(NameKind::Source | NameKind::Provider | NameKind::Endpoint | NameKind::System) => {}
            Names::Of(thing) => self.named(thing, text, place),
            Names::Recipient | Names::Owner => self.recipient(text, place),
            Names::Mail => self.sent(text, place),
            Names::Path => {}
        }
    }

    /// Records the team in `team:name`.
    fn recipient(&mut self, text: &str, place: Place) {
        if let Some(team) = text.strip_prefix("team:") {
            let before = "team:".len();
            let place = Place { column: place.column + before, length: team.chars().count(), ..place };
            self.named(NameKind::Team, team, place);
        }
    }

    /// Records the names in `template`, `template to subject` or `template to team:name`.
    fn sent(&mut self, text: &str, place: Place) {
        let (template, to) = text.split_once(" to ").map_or((text, None), |(name, to)| (name, Some(to)));
        let length = template.chars().count();
        if let Some(to) = to {
            let column = place.column + length + " to ".len();
            self.recipient(to, Place { column, ..place.clone() });
        }
        self.named(NameKind::Template, template, Place { length, ..place });
    }

    /// Records the names of the expressions in one scalar, in order.
    fn expressions(&mut self, node: &Node, expressions: &[&str]) {
        let mut finder = Finder::new(self.file, self.text, node.place.line, node.place.column);
        for expression in expressions {
            let pieces = script::pieces(expression);
            let places: Vec<_> = pieces.iter().map(|(piece, ..)| finder.piece(piece)).collect();
            self.speak(&pieces, &places, None);
        }
    }

    fn speak(&mut self, pieces: &[Placed], places: &[Option<Place>], beside: Option<&str>) {
        let name = |at: usize| match pieces.get(at) {
            Some((Piece::Name(name), ..)) => Some(name.as_str()),
            _ => None,
        };
        let place = |at: usize| places.get(at).cloned().flatten();
        for spoken in script::spoken(pieces) {
            let found = match spoken {
                Spoken::Step(at) => (NameKind::Step, name(at).map(str::to_owned), place(at)),
                Spoken::Setting(at) => (NameKind::Setting, name(at).map(str::to_owned), place(at)),
                Spoken::Beside(at) => {
                    let Some(namespace) = beside else { continue };
                    (NameKind::Function, name(at).map(|name| format!("{namespace}::{name}")), place(at))
                }
                Spoken::Function { namespace, name: at } => {
                    let whole = name(namespace).zip(name(at)).map(|(file, name)| format!("{file}::{name}"));
                    let place =
                        place(namespace).zip(place(at)).map(|(from, to)| match from.line == to.line {
                            true => Place { length: to.column + to.length - from.column, ..from },
                            false => to,
                        });
                    (NameKind::Function, whole, place)
                }
            };
            if let (thing, Some(name), Some(place)) = found {
                self.named(thing, &name, place);
            }
        }
    }

    fn script(&mut self, namespace: &str) {
        let pieces = script::pieces(self.text);
        let place = |(piece, line, column): &Placed| match piece {
            Piece::Name(name) => Some(Place {
                file: self.file.to_owned(),
                line: *line,
                column: *column,
                length: name.chars().count(),
            }),
            _ => None,
        };
        let places: Vec<_> = pieces.iter().map(place).collect();
        for (at, parameters) in script::functions(&pieces) {
            let (Some((Piece::Name(name), ..)), Some(Some(place))) = (pieces.get(at), places.get(at)) else {
                continue;
            };
            self.outline.defined.push(Defined {
                thing: NameKind::Function,
                name: format!("{namespace}::{name}"),
                folder: self.folder.map(str::to_owned),
                place: place.clone(),
                from: place.line,
                more: parameters,
            });
        }
        self.speak(&pieces, &places, Some(namespace));
    }

    /// Records a template, and the settings and steps that it shows.
    fn mail(&mut self, name: &str, language: &str) {
        let place = Place { file: self.file.to_owned(), line: 1, column: 1, length: 1 };
        self.outline.defined.push(Defined {
            thing: NameKind::Template,
            name: name.to_owned(),
            folder: None,
            place,
            from: 1,
            more: language.to_owned(),
        });
        let mut finder = Finder::new(self.file, self.text, 1, 1);
        for (open, close) in [("{{", "}}"), ("{%", "%}")] {
            finder.at = 0;
            for part in self.text.split(open).skip(1) {
                finder.skip(open);
                let pieces = script::pieces(part.split(close).next().unwrap_or_default());
                let places: Vec<_> = pieces.iter().map(|(piece, ..)| finder.piece(piece)).collect();
                self.speak(&pieces, &places, None);
            }
        }
    }
}

/// Finds the pieces of expressions in the text of their file, one after the other. Searching handles quotes, escapes
/// and folded lines without arithmetic.
struct Finder<'a> {
    file: &'a str,
    text: &'a str,
    /// The current byte offset.
    at: usize,
}

impl<'a> Finder<'a> {
    fn new(file: &'a str, text: &'a str, line: usize, column: usize) -> Self {
        let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let line = text.get(start..).unwrap_or_default();
        let within = line.char_indices().nth(column.saturating_sub(1)).map_or(0, |(at, _)| at);
        Self { file, text, at: start + within }
    }

    fn piece(&mut self, piece: &Piece) -> Option<Place> {
        match piece {
            Piece::Name(name) => self.name(name),
            Piece::Text(text) => {
                self.skip(text);
                None
            }
            _ => None,
        }
    }

    fn skip(&mut self, text: &str) {
        if let Some(found) = self.text.get(self.at..).and_then(|rest| rest.find(text)) {
            self.at += found + text.len();
        }
    }

    fn name(&mut self, name: &str) -> Option<Place> {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        let rest = self.text.get(self.at..)?;
        let (found, _) = rest.match_indices(name).find(|(at, _)| {
            let before = rest.get(..*at).and_then(|before| before.chars().next_back());
            let after = rest.get(at + name.len()..).and_then(|after| after.chars().next());
            !before.is_some_and(part) && !after.is_some_and(part)
        })?;
        let start = self.at + found;
        self.at = start + name.len();
        let before = self.text.get(..start)?;
        Some(Place {
            file: self.file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.rsplit('\n').next().unwrap_or_default().chars().count() + 1,
            length: name.chars().count(),
        })
    }
}
