//! Checks trees beside the conversation, so that typing waits for nothing. Only the newest state is checked.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use serde_json::{Value, json};

use super::text::{self, Encoding};
use super::trees::Desk;
use crate::policy::diagnostic::{self, Diagnostic, Severity};
use crate::policy::tests::Tests;
use crate::policy::{self, Files, Loaded, Revision, codes};
use crate::trial;

/// A word is typed in less; whoever stops for longer wants to read.
const PAUSE: Duration = Duration::from_millis(80);

/// What is to be checked.
#[derive(Debug)]
pub struct Order {
    pub number: u64,
    pub desk: Desk,
    pub encoding: Encoding,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// The order that it answers.
    pub number: u64,
    /// Every file of the trees with its diagnoses, ready for the wire.
    pub files: BTreeMap<PathBuf, Vec<Value>>,
    /// Trees that could not be read: nothing is known of their files, not even that they are good.
    pub unread: Vec<PathBuf>,
    /// What kept a tree from being read or judged as a whole.
    pub troubles: Vec<String>,
}

/// Starts the checking. It ends when either side of it is gone.
pub fn start(tell: impl Fn(Found) -> bool + Send + 'static) -> Sender<Order> {
    let (orders, inbox) = channel();
    std::thread::spawn(move || {
        let mut played = Played::new();
        while let Some(order) = newest(&inbox) {
            if !tell(check(&order, &mut played)) {
                return;
            }
        }
    });
    orders
}

/// So many orders in a row are waited for; a file that changes without an end must not keep all others waiting.
const MOST_IN_A_ROW: usize = 25;

/// The last order once no other comes for a moment.
fn newest(inbox: &Receiver<Order>) -> Option<Order> {
    let mut order = inbox.recv().ok()?;
    for _ in 0..MOST_IN_A_ROW {
        match inbox.recv_timeout(PAUSE) {
            Ok(newer) => order = newer,
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
    // Whatever came meanwhile is newer still.
    Some(inbox.try_iter().last().unwrap_or(order))
}

/// What the tests of a policy said, by tree and file, with all that it depends on: a key pressed in one policy
/// plays the tests of no other.
type Played = BTreeMap<(PathBuf, String), (Revision, Arc<[u8]>, Vec<Diagnostic>)>;

fn check(order: &Order, played: &mut Played) -> Found {
    let mut found = Found { number: order.number, ..Found::default() };
    for root in order.desk.roots() {
        // A mistake of ours in one check must not end all later ones.
        let checked = catch_unwind(AssertUnwindSafe(|| tree(order, &root, played, &mut found)));
        if checked.is_err() {
            found
                .troubles
                .push(format!("internal error while checking {}; please report it", root.display()));
        }
    }
    found
}

fn tree(order: &Order, root: &Path, played: &mut Played, found: &mut Found) {
    let known = order.desk.known(root).unwrap_or_else(|trouble| {
        found.troubles.push(trouble);
        crate::cli::compose::known_to_all()
    });
    let (files, unread) = match order.desk.files(root) {
        Ok(files) => files,
        Err(trouble) => {
            found.unread.push(root.to_owned());
            return found.troubles.push(trouble);
        }
    };
    let mut loaded = policy::load_tree(&files, &unread, &known);
    let mut diagnostics = std::mem::take(&mut loaded.diagnostics);
    diagnostics.extend(failed(root, &files, loaded, played));
    for file in files.0.keys() {
        found.files.entry(root.join(file)).or_default();
    }
    for diagnostic in diagnostic::once(&diagnostics) {
        let range = text::range(&diagnostic.place, &files, order.encoding);
        found.files.entry(root.join(&diagnostic.place.file)).or_default().push(wire(diagnostic, &range));
    }
}

/// Tests that fail, as mistakes of their file: a policy with one is not activated.
fn failed(root: &Path, files: &Files, mut loaded: Loaded, played: &mut Played) -> Vec<Diagnostic> {
    let (mut all, mut same) = (Vec::new(), BTreeSet::new());
    let key = |tests: &Tests| (root.to_owned(), tests.file.clone());
    let now = |loaded: &Loaded, tests: &Tests| {
        let policy = loaded.set.policies.get(&tests.policy)?;
        Some((policy.revision.clone(), Arc::clone(files.get(&tests.file)?)))
    };
    for tests in &loaded.tests {
        if let (Some((revision, bytes)), Some((before, text, said))) =
            (now(&loaded, tests), played.get(&key(tests)))
            && (revision, &bytes) == (before.clone(), text)
        {
            all.extend(said.iter().cloned());
            same.insert(tests.file.clone());
        }
    }
    loaded.tests.retain(|tests| !same.contains(&tests.file));
    let tested = trial::run(&loaded);
    for tests in &loaded.tests {
        let of = tested.iter().filter(|tested| tested.file == tests.file).cloned().collect::<Vec<_>>();
        let said = trial::diagnostics(&of);
        all.extend(said.iter().cloned());
        if let Some((revision, bytes)) = now(&loaded, tests) {
            played.insert(key(tests), (revision, bytes, said));
        }
    }
    all
}

fn wire(diagnostic: &Diagnostic, range: &Value) -> Value {
    let message = match &diagnostic.help {
        Some(help) => format!("{}\n{help}", diagnostic.message),
        None => diagnostic.message.clone(),
    };
    json!({
        "range": range,
        "severity": match diagnostic.severity { Severity::Error => 1, Severity::Warning => 2 },
        "code": codes::number(diagnostic.code),
        "source": "proofd",
        "message": message,
    })
}
