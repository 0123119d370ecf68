//! What each name in the files of a tree stands for: where it is defined, and where it is used. It is read
//! from the files alone and needs no policy without mistakes, so that an editor can ask while somebody types.
//!
//! | file | what |
//! |---|---|
//! | `walk` | every name in the YAML of a tree |
//! | `script` | names in scripts and expressions |
//! | `offer` | which names may stand at a cursor |
//! | `show` | what is shown beside a name |

mod offer;
mod script;
mod show;
mod walk;

use super::diagnostic::Place;
use super::files::Files;
use super::grammar::Thing;

pub use offer::{Offer, Wanted, offers, typed_name};
pub use show::about;

/// Where a name is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defined {
    pub thing: Thing,
    pub name: String,
    /// The policy's folder that it belongs to; none: it is there for all.
    pub folder: Option<String>,
    /// Where the name stands.
    pub place: Place,
    /// The line with which the definition begins.
    pub from: usize,
    /// Parameters of a function, the language of a template.
    pub more: String,
}

/// Where a name is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub thing: Thing,
    pub name: String,
    pub folder: Option<String>,
    pub place: Place,
}

/// All names of a tree.
#[derive(Debug, Default)]
pub struct Outline {
    pub defined: Vec<Defined>,
    pub named: Vec<Named>,
}

impl Outline {
    /// Files that cannot be read as a whole are left out.
    pub fn read(files: &Files) -> Self {
        let mut outline = Self::default();
        walk::files(files, &mut outline);
        outline
    }

    /// The name at a place, and how far it goes. A cursor behind its last character is still at it.
    pub fn name_at(&self, file: &str, line: usize, column: usize) -> Option<Named> {
        let covers = |place: &Place| {
            place.file == file
                && place.line == line
                && (place.column..=place.column + place.length).contains(&column)
        };
        // Of two that touch, the one that begins here.
        let used =
            self.named.iter().filter(|named| covers(&named.place)).max_by_key(|named| named.place.column);
        used.cloned().or_else(|| {
            let defined = self.defined.iter().filter(|defined| covers(&defined.place));
            defined.max_by_key(|defined| defined.place.column).map(|defined| Named {
                thing: defined.thing,
                name: defined.name.clone(),
                folder: defined.folder.clone(),
                place: defined.place.clone(),
            })
        })
    }

    /// What a name stands for: the folder's own, else what is there for all. A shared file may speak of what
    /// each policy has for itself; then it is all of those.
    pub fn definitions(&self, named: &Named) -> Vec<&Defined> {
        let all: Vec<_> = self
            .defined
            .iter()
            .filter(|defined| defined.thing == named.thing && defined.name == named.name)
            .collect();
        let of = |folder: Option<&str>| -> Vec<&Defined> {
            all.iter().copied().filter(|defined| defined.folder.as_deref() == folder).collect()
        };
        let own = of(named.folder.as_deref());
        match (own.is_empty(), named.folder.is_some()) {
            (false, _) => own,
            (true, true) => of(None),
            (true, false) => all,
        }
    }

    /// Where what a name stands for is used.
    pub fn uses(&self, named: &Named) -> Vec<&Named> {
        let wanted = self.definitions(named);
        let leads = |other: &&Named| {
            (other.thing, &other.name) == (named.thing, &named.name)
                && self.definitions(other).iter().any(|defined| wanted.contains(defined))
        };
        self.named.iter().filter(leads).collect()
    }

    /// What can be named in a folder, by name.
    pub fn within_reach(&self, thing: Thing, folder: Option<&str>) -> Vec<&Defined> {
        let reach = |defined: &&Defined| {
            defined.thing == thing
                && (defined.folder.is_none() || folder.is_none() || defined.folder.as_deref() == folder)
        };
        let mut found: Vec<_> = self.defined.iter().filter(reach).collect();
        found.sort_by(|a, b| (&a.name, &a.more).cmp(&(&b.name, &b.more)));
        found.dedup_by(|a, b| a.name == b.name && (a.more == b.more || thing != Thing::Function));
        found
    }
}

/// The folder of a policy that a file belongs to.
pub fn folder_of(file: &str) -> Option<&str> {
    file.split_once('/').map(|(folder, _)| folder).filter(|folder| *folder != "shared")
}
