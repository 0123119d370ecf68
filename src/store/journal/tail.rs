//! Settles the end of the journal before anything is appended: a torn write is copied aside and cut, and bytes not
//! covered by the mark are rewritten. After a failed sync the system may report pages as written that are not on disk.
//! Only rewriting and syncing them proves that they are.

use std::io;
use std::path::Path;

use super::segment::{self, End};
use crate::store::disk::Disk;
use crate::store::{Act, Error, Options};

/// Makes the end durable. `synced` is the segment and length that are known to be durable. Without it, the whole last
/// segment is rewritten.
pub(in crate::store) fn settle(
    dir: &Path,
    options: &Options,
    end: &End,
    synced: Option<(u64, u64)>,
) -> Result<(), Error> {
    let Some((last, length)) = end.last else { return Ok(()) };
    let (from, offset) = synced.unwrap_or((last, 0));
    for segment in from..=last {
        let start = if segment == from { offset } else { 0 };
        let path = segment::path(dir, segment);
        let bytes = std::fs::read(&path).map_err(Error::io(format!("reading {}", path.display())))?;
        let whole = if segment == last { length } else { bytes.len() as u64 };
        if end.torn > 0 && segment == last {
            let torn = usize::try_from(whole).ok().and_then(|whole| bytes.get(whole..)).unwrap_or_default();
            super::write_whole(&aside(dir, segment, whole), torn)?;
        }
        if start < whole || whole < bytes.len() as u64 {
            renew(&path, segment, &bytes, start, whole, options)
                .map_err(Error::io(format!("writing the end of {} anew", path.display())))?;
        }
    }
    super::sync_dir(dir)
}

/// Writes the same bytes at the same offset, which no acknowledged record uses.
fn renew(
    path: &Path,
    segment: u64,
    bytes: &[u8],
    start: u64,
    whole: u64,
    options: &Options,
) -> io::Result<()> {
    let file = Disk::open(path)?;
    let place = |offset: u64| usize::try_from(offset).map_err(io::Error::other);
    options.before(Act::Write { segment, at: start, bytes: whole - start })?;
    file.write(start, bytes.get(place(start)?..place(whole)?).unwrap_or_default())?;
    file.set_len(whole)?;
    options.before(Act::Sync { segment })?;
    file.sync()
}

/// Returns an unused name: the same offset may be torn more than once.
fn aside(dir: &Path, segment: u64, length: u64) -> std::path::PathBuf {
    let name = |again: u32| dir.join(format!("cut-{segment:06}-{length}-{again}"));
    (0..u32::MAX).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(u32::MAX))
}
