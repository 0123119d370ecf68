//! Loads trees one after another, and builds only what changed: a policy whose files and shared files are those of the
//! tree before is taken over. The result equals that of a fresh load; a test compares both.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::layout::{Folder, Layout};
use super::policy::{self, Draft};
use super::shared::Shared;
use super::{Loaded, tests};
use crate::policy::diagnostic::Diagnostic;
use crate::policy::files::Files;
use crate::policy::known::Known;
use crate::policy::tests::Tests;

/// Loads trees with the same known names.
#[derive(Debug)]
pub struct Loader {
    known: Known,
    before: Mutex<Built>,
}

/// What was built of the last tree.
#[derive(Debug, Default)]
pub(super) struct Built {
    /// The files outside the folders of policies, and what they gave. Every folder may depend on them.
    shared: Option<(Files, Arc<Common>)>,
    folders: BTreeMap<String, (Files, Arc<Part>)>,
}

/// The shared files, read.
#[derive(Debug)]
pub(super) struct Common {
    pub shared: Shared,
    pub diagnostics: Vec<Diagnostic>,
    /// Errors of all templates, used or not.
    pub templates: Vec<Diagnostic>,
}

/// One folder, built.
#[derive(Debug)]
pub(super) struct Part {
    /// The folder's name if the file has none.
    pub name: String,
    pub draft: Option<Draft>,
    pub tests: Option<Arc<Tests>>,
    pub diagnostics: Vec<Diagnostic>,
}

impl Loader {
    pub fn new(known: Known) -> Self {
        Self { known, before: Mutex::default() }
    }

    pub fn known(&self) -> &Known {
        &self.known
    }

    /// Loads a whole tree and reports every error of every file at once.
    pub fn load(&self, files: &Files) -> Loaded {
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        super::load_after(files, &self.known, &mut before)
    }
}

impl Built {
    /// Returns the parts of a tree in the order of its folders. Keeps them for the next tree.
    pub fn of(&mut self, layout: &Layout<'_>, known: &Known) -> (Arc<Common>, Vec<Arc<Part>>) {
        let (common_files, mut own) = split(layout);
        let same = self.shared.take().filter(|(files, _)| *files == common_files);
        let common = match same {
            Some((_, common)) => common,
            None => {
                self.folders.clear();
                Arc::new(Common::read(layout, known))
            }
        };
        let mut folders = BTreeMap::new();
        let mut parts = Vec::new();
        for folder in &layout.folders {
            let files = own.remove(folder.name).unwrap_or_default();
            let same = self.folders.remove(folder.name).filter(|(before, _)| *before == files);
            let part = match same {
                Some((_, part)) => part,
                None => Arc::new(Part::build(folder, layout, &common.shared, known)),
            };
            parts.push(Arc::clone(&part));
            folders.insert(folder.name.to_owned(), (files, part));
        }
        *self = Self { shared: Some((common_files, Arc::clone(&common))), folders };
        (common, parts)
    }
}

/// Splits a tree into the files of each policy's folder and the rest.
fn split<'a>(layout: &Layout<'a>) -> (Files, BTreeMap<&'a str, Files>) {
    let mut own: BTreeMap<&str, Files> =
        layout.folders.iter().map(|folder| (folder.name, Files::default())).collect();
    let mut rest = Files::default();
    for (path, bytes) in &layout.files.0 {
        let folder = path.split_once('/').and_then(|(folder, _)| own.get_mut(folder));
        folder.unwrap_or(&mut rest).0.insert(path.clone(), Arc::clone(bytes));
    }
    (rest, own)
}

impl Common {
    fn read(layout: &Layout<'_>, known: &Known) -> Self {
        let mut diagnostics = Vec::new();
        let shared = Shared::read(layout, known, &mut diagnostics);
        let templates = Shared::template_errors(layout, &mut diagnostics);
        Self { shared, diagnostics, templates }
    }
}

impl Part {
    fn build(folder: &Folder<'_>, layout: &Layout<'_>, shared: &Shared, known: &Known) -> Self {
        let mut found = Vec::new();
        let mut draft = policy::build(folder, layout, shared, known, &mut found);
        let name = draft.as_ref().map(|draft| draft.name.clone()).unwrap_or_else(|| folder.name.to_owned());
        let mut of_policy = None;
        if let Some((file, bytes)) = folder.tests.and_then(|path| Some((path, layout.files.get(path)?))) {
            let compiled = draft.as_ref().and_then(|draft| draft.policy.as_deref());
            of_policy =
                tests::read(file, bytes, &name, compiled, &known.vocabulary, &mut found).map(Arc::new);
            if of_policy.is_none() {
                // A policy whose tests cannot be read has not passed them.
                draft.iter_mut().for_each(|draft| draft.policy = None);
            }
        }
        let diagnostics = found.into_iter().map(|diagnostic| diagnostic.of_policy(&name)).collect();
        Self { name, draft, tests: of_policy, diagnostics }
    }
}
