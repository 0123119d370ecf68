//! The redo file: the changes of a layer that needs more than one batch, and the progress after them. It is on disk
//! before the first batch and is removed after the last one is. A start applies a complete one again, which changes
//! nothing twice. An incomplete one is ignored: nothing of its layer was written.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::block::{number, put};
use crate::store::journal::{self, Head};
use crate::store::{Error, codec};

const MAGIC: [u8; 4] = *b"PfR1";
const LEVEL: i32 = 1;

/// Changes of places by payload, in order.
pub(super) type Changes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// The changes of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Redo {
    /// The number of the layer.
    pub(super) layer: u64,
    /// The progress after it.
    pub(super) applied: u64,
    pub(super) head: Head,
    pub(super) changes: Changes,
}

pub(super) fn path(home: &Path) -> PathBuf {
    home.join("redo")
}

/// Returns the number of layers that were on disk at least; 0 if it is not known.
pub(super) fn written(home: &Path) -> u64 {
    std::fs::read_to_string(home.join("written")).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// Notes that a layer is on disk. Not synced: an older note proves less, and nothing wrong.
pub(super) fn note_written(home: &Path, layer: u64) -> Result<(), Error> {
    let path = home.join("written");
    std::fs::write(&path, format!("{layer:020}\n")).map_err(Error::io(format!("writing {}", path.display())))
}

impl Redo {
    pub(super) fn write(&self, home: &Path) -> Result<(), Error> {
        let path = path(home);
        let bytes = self.encode().map_err(Error::io(format!("packing {}", path.display())))?;
        journal::write_whole(&path, &bytes)
    }

    fn encode(&self) -> std::io::Result<Vec<u8>> {
        let mut fields = self.layer.to_be_bytes().to_vec();
        fields.extend(self.applied.to_be_bytes());
        fields.extend(self.head.sequence.to_be_bytes());
        fields.extend(self.head.chain);
        let mut packer = zstd::stream::write::Encoder::new(fields, LEVEL)?;
        let mut raw = Vec::new();
        for (place, payload) in &self.changes {
            raw.clear();
            put(&mut raw, place.len());
            put(&mut raw, payload.as_ref().map_or(0, |payload| payload.len() + 1));
            raw.extend_from_slice(place);
            raw.extend_from_slice(payload.as_deref().unwrap_or_default());
            packer.write_all(&raw)?;
        }
        let fields = packer.finish()?;
        let mut bytes = MAGIC.to_vec();
        bytes.append(&mut codec::seal(&MAGIC, &fields));
        Ok(bytes)
    }

    /// Returns the redo of a state; `None` if there is none, or an incomplete one.
    pub(super) fn read(home: &Path) -> Result<Option<Self>, Error> {
        let path = path(home);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Self::decode(&bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(format!("reading {}", path.display()))(error)),
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let fields = codec::unseal(&MAGIC, bytes.strip_prefix(&MAGIC)?)?;
        let (layer, fields) = fields.split_first_chunk::<8>()?;
        let (applied, fields) = fields.split_first_chunk::<8>()?;
        let (sequence, fields) = fields.split_first_chunk::<8>()?;
        let (chain, packed) = fields.split_first_chunk::<16>()?;
        let raw = zstd::stream::decode_all(packed).ok()?;
        let (mut at, mut changes) = (0, Vec::new());
        while at < raw.len() {
            let (place, payload) = (number(&raw, &mut at)?, number(&raw, &mut at)?);
            let end = at.checked_add(place)?;
            let place = raw.get(at..end)?.to_vec();
            at = end.checked_add(payload.saturating_sub(1))?;
            let value = raw.get(end..at)?;
            changes.push((place, (payload > 0).then(|| value.to_vec())));
        }
        Some(Self {
            layer: u64::from_be_bytes(*layer),
            applied: u64::from_be_bytes(*applied),
            head: Head { sequence: u64::from_be_bytes(*sequence), chain: *chain },
            changes,
        })
    }

    pub(super) fn remove(home: &Path) -> Result<(), Error> {
        let path = path(home);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io(format!("removing {}", path.display()))(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Redo;
    use crate::store::journal::Head;

    #[test]
    fn a_redo_file_is_read_only_if_complete_and_unchanged() {
        let changes = vec![
            (b"a".to_vec(), Some(b"one".to_vec())),
            (b"b".to_vec(), None),
            (b"c".to_vec(), Some(Vec::new())),
        ];
        let redo = Redo { layer: 4, applied: 9, head: Head { sequence: 8, chain: [7; 16] }, changes };
        let bytes = redo.encode().unwrap();
        assert_eq!(Redo::decode(&bytes), Some(redo));
        for length in 0..bytes.len() {
            assert_eq!(Redo::decode(&bytes[..length]), None, "cut to {length}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut harmed = bytes.clone();
            harmed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Redo::decode(&harmed), None, "bit {bit}");
        }
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Redo::read(dir.path()).unwrap(), None);
        Redo::remove(dir.path()).unwrap();
    }
}
