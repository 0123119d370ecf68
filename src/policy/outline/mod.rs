//! The definitions and uses of each name in the files of a tree. They are read from the files alone, even if policies
//! have errors, because an editor queries them while a file is edited.
//!
//! | file | what |
//! |---|---|
//! | `walk` | every name in the YAML of a tree |
//! | `script` | names in scripts and expressions |
//! | `offer` | completions at a cursor |
//! | `show` | the hover text of a name |

mod offer;
mod script;
mod show;
mod walk;

use super::diagnostic::Place;
use super::files::Files;
use super::grammar::NameKind;

pub use offer::{Offer, Wanted, offers, typed_name};
pub use show::about;

/// The definition of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defined {
    pub thing: NameKind,
    pub name: String,
    /// The folder of the policy that it belongs to; none if all policies can use it.
    pub folder: Option<String>,
    /// The place of the name.
    pub place: Place,
    /// The first line of the definition.
    pub from: usize,
    /// Parameters of a function, or the language of a template.
    pub more: String,
}

/// A use of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub thing: NameKind,
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
    /// Reads the names of a tree. Files that cannot be read as a whole are left out.
    pub fn read(files: &Files) -> Self {
        let mut outline = Self::default();
        walk::files(files, &mut outline);
        outline
    }

    /// Returns the name at a position with its extent. A cursor directly after its last character counts.
    pub fn name_at(&self, file: &str, line: usize, column: usize) -> Option<Named> {
        let covers = |place: &Place| {
            place.file == file
                && place.line == line
                && (place.column..=place.column + place.length).contains(&column)
        };
        // If two names touch, the one that begins here counts.
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

    /// Returns the definitions of a name: the folder's own, else those for all policies. A shared file may refer to a
    /// name that each policy defines for itself; all of those are returned.
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

    /// Returns all uses of the same definitions.
    pub fn uses(&self, named: &Named) -> Vec<&Named> {
        let wanted = self.definitions(named);
        let leads = |other: &&Named| {
            (other.thing, &other.name) == (named.thing, &named.name)
                && self.definitions(other).iter().any(|defined| wanted.contains(defined))
        };
        self.named.iter().filter(leads).collect()
    }

    /// Returns the definitions that a folder can use, ordered by name.
    pub fn within_reach(&self, thing: NameKind, folder: Option<&str>) -> Vec<&Defined> {
        let reach = |defined: &&Defined| {
            defined.thing == thing
                && (defined.folder.is_none() || folder.is_none() || defined.folder.as_deref() == folder)
        };
        let mut found: Vec<_> = self.defined.iter().filter(reach).collect();
        found.sort_by(|a, b| (&a.name, &a.more).cmp(&(&b.name, &b.more)));
        found.dedup_by(|a, b| a.name == b.name && (a.more == b.more || thing != NameKind::Function));
        found
    }
}

/// Returns the folder of the policy that a file belongs to.
pub fn folder_of(file: &str) -> Option<&str> {
    file.split_once('/').map(|(folder, _)| folder).filter(|folder| *folder != "shared")
}
