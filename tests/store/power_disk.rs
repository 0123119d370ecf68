//! A disk that forgets what was not synced: records every change of a store's files, and computes what a power cut at
//! any point may leave.
//!
//! The model is stricter than common file systems. Of the content that was not synced, any subset of the 512-byte
//! sectors is written, one of them perhaps in part. Names that were not synced appear, or do not, independent of each
//! other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use proofd::store::{self, Change};

const SECTOR: usize = 512;

/// A small random number generator: its seed repeats a failing run.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    pub fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }
}

/// What happened, in order.
#[derive(Debug, Clone)]
pub enum Step {
    Create(PathBuf),
    Write(PathBuf, u64, Vec<u8>),
    Length(PathBuf, u64),
    Sync(PathBuf),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    Names(PathBuf),
    /// A commit was acknowledged.
    Acked(String),
    /// A backup was reported as written, up to this record.
    BackedUp(u64),
}

/// Records the changes below a directory, with paths relative to it.
#[derive(Debug, Clone)]
pub struct Recorder {
    root: PathBuf,
    steps: Arc<Mutex<Vec<Step>>>,
}

impl Recorder {
    pub fn of(root: &Path) -> Self {
        let recorder = Self { root: root.to_owned(), steps: Arc::default() };
        let own = recorder.clone();
        store::observe(Arc::new(move |path, change| own.saw(path, change)));
        recorder
    }

    fn saw(&self, path: &Path, change: Change<'_>) {
        let Ok(path) = path.strip_prefix(&self.root) else { return };
        let path = path.to_owned();
        self.add(match change {
            Change::Create => Step::Create(path),
            Change::Write { at, bytes } => Step::Write(path, at, bytes.to_vec()),
            Change::Length(length) => Step::Length(path, length),
            Change::Sync => Step::Sync(path),
            Change::Rename { to } => Step::Rename(path, to.strip_prefix(&self.root).unwrap().to_owned()),
            Change::Remove => Step::Remove(path),
            Change::Names => Step::Names(path),
        });
    }

    pub fn add(&self, step: Step) {
        self.steps.lock().unwrap().push(step);
    }

    pub fn steps(&self) -> Vec<Step> {
        self.steps.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.steps.lock().unwrap().len()
    }
}

/// A sync that the disk pretends to do. For tests of this test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    Nothing,
    /// Syncs of the journal's content.
    Journal,
    /// Syncs of names.
    Names,
}

#[derive(Debug, Clone)]
enum Pending {
    Write(usize, Vec<u8>),
    Length(usize),
}

#[derive(Debug, Clone, Default)]
struct Inode {
    durable: Vec<u8>,
    pending: Vec<Pending>,
}

#[derive(Debug, Clone)]
enum Name {
    Link(PathBuf, usize),
    Rename(PathBuf, PathBuf, usize),
    Unlink(PathBuf),
}

impl Name {
    fn dir(&self) -> &Path {
        match self {
            Self::Link(path, _) | Self::Unlink(path) | Self::Rename(_, path, _) => path.parent().unwrap(),
        }
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Link(path, inode) => drop(names.insert(path.clone(), *inode)),
            Self::Unlink(path) => drop(names.remove(path)),
            Self::Rename(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
        }
    }
}

/// The disk after some steps: what is on it for sure, and what is not yet.
#[derive(Debug, Clone)]
pub struct Disk {
    lie: Lie,
    inodes: Vec<Inode>,
    durable: BTreeMap<PathBuf, usize>,
    live: BTreeMap<PathBuf, usize>,
    pending: Vec<Name>,
}

impl Disk {
    /// A disk with these files, all of them durable.
    pub fn with(files: BTreeMap<PathBuf, Vec<u8>>, lie: Lie) -> Self {
        let (mut inodes, mut names) = (Vec::new(), BTreeMap::new());
        for (path, content) in files {
            names.insert(path, inodes.len());
            inodes.push(Inode { durable: content, pending: Vec::new() });
        }
        Self { lie, inodes, durable: names.clone(), live: names, pending: Vec::new() }
    }

    pub fn take(&mut self, step: &Step) {
        match step {
            Step::Create(path) => match self.live.get(path) {
                Some(inode) => self.inodes[*inode].pending.push(Pending::Length(0)),
                None => {
                    self.live.insert(path.clone(), self.inodes.len());
                    self.pending.push(Name::Link(path.clone(), self.inodes.len()));
                    self.inodes.push(Inode::default());
                }
            },
            Step::Write(path, at, bytes) => {
                let write = Pending::Write(usize::try_from(*at).unwrap(), bytes.clone());
                self.inode(path).pending.push(write);
            }
            Step::Length(path, length) => {
                let length = Pending::Length(usize::try_from(*length).unwrap());
                self.inode(path).pending.push(length);
            }
            Step::Sync(path) => {
                if self.lie == Lie::Journal && path.starts_with("store/journal") {
                    return;
                }
                let inode = self.inode(path);
                for change in std::mem::take(&mut inode.pending) {
                    change.apply(&mut inode.durable);
                }
            }
            Step::Rename(from, to) => {
                let inode = self.live.remove(from).expect("a renamed file is there");
                self.live.insert(to.clone(), inode);
                self.pending.push(Name::Rename(from.clone(), to.clone(), inode));
            }
            Step::Remove(path) => {
                self.live.remove(path);
                self.pending.push(Name::Unlink(path.clone()));
            }
            Step::Names(dir) => {
                if self.lie == Lie::Names {
                    return;
                }
                let (here, others) =
                    std::mem::take(&mut self.pending).into_iter().partition(|name| name.dir() == dir);
                self.pending = others;
                let here: Vec<Name> = here;
                here.iter().for_each(|name| name.apply(&mut self.durable));
            }
            Step::Acked(_) | Step::BackedUp(_) => {}
        }
    }

    fn inode(&mut self, path: &Path) -> &mut Inode {
        let inode = self.live.get(path).unwrap_or_else(|| panic!("{} is not there", path.display()));
        &mut self.inodes[*inode]
    }

    /// The files that a power cut leaves.
    pub fn cut(&self, random: &mut Random) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut names = self.durable.clone();
        for name in &self.pending {
            if !random.one_in(3) {
                name.apply(&mut names);
            }
        }
        names.into_iter().map(|(path, inode)| (path, self.inodes[inode].cut(random))).collect()
    }

    /// Whether a file is part of this disk now.
    pub fn has(&self, path: &Path) -> bool {
        self.live.contains_key(path)
    }
}

impl Pending {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Length(length) => content.resize(*length, 0),
            Self::Write(at, bytes) => put(content, *at, bytes),
        }
    }
}

fn put(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if content.len() < at + bytes.len() {
        content.resize(at + bytes.len(), 0);
    }
    content[at..at + bytes.len()].copy_from_slice(bytes);
}

impl Inode {
    fn cut(&self, random: &mut Random) -> Vec<u8> {
        let mut content = self.durable.clone();
        for change in &self.pending {
            match change {
                Pending::Length(_) if random.one_in(2) => {}
                Pending::Length(_) => change.apply(&mut content),
                Pending::Write(at, bytes) => match random.below(4) {
                    0 => {}
                    1 => change.apply(&mut content),
                    2 => {
                        // The length is written, the content is not.
                        content.resize(content.len().max(at + bytes.len()), 0);
                        sectors(&mut content, *at, bytes, random);
                    }
                    _ => sectors(&mut content, *at, bytes, random),
                },
            }
        }
        content
    }
}

/// Writes some of the sectors, one of them perhaps in part.
fn sectors(content: &mut Vec<u8>, at: usize, bytes: &[u8], random: &mut Random) {
    let mut from = 0;
    while from < bytes.len() {
        let to = (from + SECTOR - (at + from) % SECTOR).min(bytes.len());
        if random.one_in(2) {
            let torn = if random.one_in(8) { random.below(to - from) } else { to - from };
            put(content, at + from, &bytes[from..from + torn]);
        }
        from = to;
    }
}

/// Reads all files below a directory.
pub fn files_of(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn walk(root: &Path, dir: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, files);
            } else if let Ok(content) = std::fs::read(&path) {
                files.insert(path.strip_prefix(root).unwrap().to_owned(), content);
            }
        }
    }
    let mut files = BTreeMap::new();
    walk(root, root, &mut files);
    files
}

pub fn write_files(root: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) {
    for (path, content) in files {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}
