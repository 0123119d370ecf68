//! Cutting the torn end of a write that was never acknowledged. A copy stays beside it, because a flipped
//! bit in the last frame looks the same.

use std::fs::File;
use std::path::Path;

use crate::store::Error;

pub(super) fn cut(dir: &Path, path: &Path, segment: u64, length: u64) -> Result<(), Error> {
    let doing = || format!("cutting the torn end of {}", path.display());
    let bytes = std::fs::read(path).map_err(Error::io(doing()))?;
    let torn = usize::try_from(length).ok().and_then(|length| bytes.get(length..)).unwrap_or_default();
    super::write_whole(&aside(dir, segment, length), torn)?;
    let file = File::options().write(true).open(path).map_err(Error::io(doing()))?;
    file.set_len(length).and_then(|()| file.sync_all()).map_err(Error::io(doing()))
}

/// A name that is not taken: the same place may be torn more than once.
fn aside(dir: &Path, segment: u64, length: u64) -> std::path::PathBuf {
    let name = |again: u32| dir.join(format!("cut-{segment:06}-{length}-{again}"));
    (0..u32::MAX).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(u32::MAX))
}
