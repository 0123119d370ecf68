//! Looks up names beneath the root of the tree, one component at a time and by descriptors. A name that changes during
//! the lookup cannot lead outside. The root itself may be a link, and links inside the tree may lead to other places
//! inside it. Only plain files and directories inside the tree are opened.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat, stat, statat};
use rustix::io::Errno;

use crate::policy::Unread;

/// More links than this on the way to one file are a loop.
const MOST_LINKS: u32 = 32;

/// An open directory of the tree.
#[derive(Debug, Clone)]
pub(super) struct Dir {
    /// From the root down, each with its name; the root has none.
    open: Vec<(OsString, Rc<OwnedFd>)>,
    root: Rc<Root>,
}

#[derive(Debug)]
struct Root {
    fd: Rc<OwnedFd>,
    real: PathBuf,
    dev: u64,
    ino: u64,
    owner: u32,
}

/// The kind of a name.
#[derive(Debug)]
pub(super) enum Found {
    Dir(Dir),
    File(Place),
    /// It exists and is not read.
    Unread(Unread),
    /// It no longer exists: the tree is changing.
    Gone,
}

/// A plain file, not open yet.
#[derive(Debug)]
pub(super) struct Place {
    dir: Dir,
    name: OsString,
    pub seen: Seen,
    pub linked: bool,
}

/// Attributes that show whether a file was replaced or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    length: u64,
    modified: (i64, i64),
    number: (u64, u64),
}

impl Dir {
    /// Opens the root of a tree.
    pub fn root(path: &Path) -> io::Result<Self> {
        let real = std::fs::canonicalize(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(&real, flags, Mode::empty())?;
        let known = File::from(fd.try_clone()?).metadata()?;
        let fd = Rc::new(fd);
        let root = Root { fd, real, dev: known.dev(), ino: known.ino(), owner: known.uid() };
        Ok(Self { open: Vec::new(), root: Rc::new(root) })
    }

    fn fd(&self) -> &OwnedFd {
        self.open.last().map_or(&self.root.fd, |(_, fd)| fd)
    }

    /// Returns the path without any link.
    pub fn real(&self) -> PathBuf {
        self.open.iter().fold(self.root.real.clone(), |path, (name, _)| path.join(name))
    }

    pub fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(self.fd())? {
            let name = OsString::from_vec(entry?.file_name().to_bytes().to_vec());
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// Looks up a path relative to this directory.
    pub fn find(&self, path: &Path) -> io::Result<Found> {
        let mut walk = Walk { at: self.clone(), links: 0 };
        let mut left: VecDeque<OsString> = VecDeque::new();
        prepend(&mut left, path);
        while let Some(name) = left.pop_front() {
            if name == ".." {
                if walk.at.open.pop().is_none() {
                    return Ok(Found::Unread(Unread::Outside));
                }
                continue;
            }
            let known = match statat(walk.at.fd(), &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(known) => known,
                Err(Errno::NOENT) => return Ok(walk.nothing()),
                Err(error) => return Err(error.into()),
            };
            match FileType::from_raw_mode(known.st_mode) {
                FileType::Symlink => {
                    if let Some(unread) = walk.follow(&name, &mut left)? {
                        return Ok(Found::Unread(unread));
                    }
                }
                FileType::Directory => match walk.at.enter(&name) {
                    Ok(dir) => walk.at = dir,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(walk.nothing()),
                    Err(error) => return Err(error),
                },
                FileType::RegularFile if left.is_empty() => return Ok(walk.at.file(name, &known)),
                FileType::RegularFile => return Ok(walk.nothing()),
                _ => return Ok(Found::Unread(Unread::Special)),
            }
        }
        Ok(Found::Dir(walk.at))
    }

    fn enter(&self, name: &OsStr) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(self.fd(), name, flags, Mode::empty())?;
        let mut dir = self.clone();
        dir.open.push((name.to_owned(), Rc::new(fd)));
        Ok(dir)
    }

    fn file(self, name: OsString, known: &Stat) -> Found {
        if let Some(unread) = self.root.refuses(known) {
            return Found::Unread(unread);
        }
        let linked = known.st_nlink > 1;
        Found::File(Place { dir: self, name, seen: seen(known), linked })
    }
}

/// A position during a lookup.
struct Walk {
    at: Dir,
    links: u32,
}

impl Walk {
    /// A link to a missing file is an error; a missing name is a change.
    fn nothing(&self) -> Found {
        if self.links > 0 { Found::Unread(Unread::Dangling) } else { Found::Gone }
    }

    fn follow(&mut self, name: &OsStr, left: &mut VecDeque<OsString>) -> io::Result<Option<Unread>> {
        self.links += 1;
        if self.links > MOST_LINKS {
            return Ok(Some(Unread::Dangling));
        }
        let target = readlinkat(self.at.fd(), name, Vec::new())?;
        let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
        if !target.is_absolute() {
            prepend(left, &target);
            return Ok(None);
        }
        let Some(inside) = self.at.root.inside(&target) else { return Ok(Some(Unread::Outside)) };
        self.at.open.clear();
        prepend(left, &inside);
        Ok(None)
    }
}

fn prepend(left: &mut VecDeque<OsString>, path: &Path) {
    for part in path.components().rev() {
        match part {
            Component::Normal(name) => left.push_front(name.to_owned()),
            Component::ParentDir => left.push_front("..".into()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
}

impl Root {
    /// Returns the part of an absolute path below the root, whatever name the root has in it.
    fn inside(&self, path: &Path) -> Option<PathBuf> {
        let is_root = |known: Stat| known.st_dev == self.dev && known.st_ino == self.ino;
        let root = path.ancestors().find(|ancestor| stat(*ancestor).is_ok_and(is_root))?;
        path.strip_prefix(root).ok().map(Path::to_owned)
    }

    /// Returns why a file is not read. A hard link to a file of another owner does not belong to the tree.
    fn refuses(&self, known: &Stat) -> Option<Unread> {
        if FileType::from_raw_mode(known.st_mode) != FileType::RegularFile {
            return Some(Unread::Special);
        }
        (known.st_nlink > 1 && known.st_uid != self.owner).then_some(Unread::HardLink)
    }
}

impl Place {
    /// Returns the directory that contains the file, without links.
    pub fn real_dir(&self) -> PathBuf {
        self.dir.real()
    }

    pub fn real(&self) -> PathBuf {
        self.dir.real().join(&self.name)
    }

    /// Opens the file that was found, and no other that has its name now. Never blocks, as a pipe would.
    pub fn open(&self) -> io::Result<Option<File>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = match openat(self.dir.fd(), &self.name, flags, Mode::empty()) {
            Ok(fd) => fd,
            // The name is another file now.
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let known = fstat(&fd)?;
        let same = seen(&known).number == self.seen.number && self.dir.root.refuses(&known).is_none();
        if same && made_by_the_kernel(&fd)? {
            return Err(io::Error::other("it is not a regular file"));
        }
        Ok(same.then(|| File::from(fd)))
    }
}

/// Files of `/proc` and `/sys` have no stored text: reading one runs kernel code.
#[cfg(target_os = "linux")]
fn made_by_the_kernel(fd: &OwnedFd) -> io::Result<bool> {
    const SYSFS: rustix::fs::FsWord = 0x6265_6572;
    let kind = rustix::fs::fstatfs(fd)?.f_type;
    Ok(kind == rustix::fs::PROC_SUPER_MAGIC || kind == SYSFS)
}

#[cfg(not(target_os = "linux"))]
fn made_by_the_kernel(_fd: &OwnedFd) -> io::Result<bool> {
    Ok(false)
}

fn seen(known: &Stat) -> Seen {
    Seen {
        length: known.st_size.try_into().unwrap_or(0),
        modified: (known.st_mtime, known.st_mtime_nsec.try_into().unwrap_or(0)),
        number: (known.st_dev, known.st_ino),
    }
}
