//! Packing of frames. Consecutive records of a case repeat most of their content, so a segment is one compressed
//! stream, flushed at the end of each frame. Unpacking a frame needs the frames before it, which the chain requires
//! anyway. Operates on bytes only.

use std::fmt;
use std::io::{self, Write as _};

use zstd::stream::write::{Decoder, Encoder};

/// The fastest of the usual levels; higher ones save a tenth for twice the time.
const LEVEL: i32 = 1;
/// Larger frames hold many unrelated events; packing them would take longer than writing them.
const LARGEST: usize = 256 << 10;

/// Packed bytes after which a stream ends: damage makes the rest of its stream unreadable.
const STREAM: usize = 256 << 10;

/// The first byte of an unpacked payload.
const PLAIN: u8 = 0;
/// The first byte at the start of a stream: after a start, and after an undone write.
const BEGINS: u8 = 1;
const GOES_ON: u8 = 2;

/// Packs payloads for writing.
#[derive(Default)]
pub(super) struct Packer {
    stream: Option<Encoder<'static, Vec<u8>>>,
    /// Bytes in the stream so far.
    bytes: usize,
}

impl fmt::Debug for Packer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Packer")
    }
}

impl Packer {
    /// Returns a packed payload. If it is not written, the packer must be discarded: the next frame would depend on it.
    pub(super) fn pack(&mut self, records: &[&[u8]]) -> io::Result<Vec<u8>> {
        if records.iter().map(|record| record.len()).sum::<usize>() > LARGEST {
            let mut plain = vec![PLAIN];
            records.iter().for_each(|record| plain.extend_from_slice(record));
            return Ok(plain);
        }
        let (kind, mut stream) = match self.stream.take() {
            Some(stream) => (GOES_ON, stream),
            None => {
                self.bytes = 0;
                (BEGINS, Encoder::new(Vec::new(), LEVEL)?)
            }
        };
        stream.get_mut().push(kind);
        for record in records {
            stream.write_all(record)?;
        }
        stream.flush()?;
        let packed = std::mem::take(stream.get_mut());
        self.bytes += packed.len();
        self.stream = (self.bytes < STREAM).then_some(stream);
        Ok(packed)
    }
}

/// Returns whether a payload is readable without earlier frames.
pub(super) fn begins_a_stream(payload: &[u8]) -> bool {
    matches!(payload.first(), Some(&(PLAIN | BEGINS)))
}

/// Returns whether a payload begins a stream. An unpacked payload may be in the middle of one.
pub(super) fn is_start_of_stream(payload: &[u8]) -> bool {
    payload.first() == Some(&BEGINS)
}

/// Unpacks payloads, frame by frame in order.
#[derive(Default)]
pub(super) struct Unpacker {
    stream: Option<Decoder<'static, Vec<u8>>>,
}

impl Unpacker {
    /// Returns the lines of a payload; `None` if it does not follow from the earlier frames.
    pub(super) fn unpack(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let (kind, packed) = payload.split_first()?;
        let mut stream = match *kind {
            PLAIN => return Some(packed.to_vec()),
            BEGINS => Decoder::new(Vec::new()).ok()?,
            GOES_ON => self.stream.take()?,
            _ => return None,
        };
        stream.write_all(packed).and_then(|()| stream.flush()).ok()?;
        let lines = std::mem::take(stream.get_mut());
        self.stream = Some(stream);
        Some(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::{LARGEST, Packer, Unpacker};

    fn line(number: usize) -> Vec<u8> {
        format!("{{\"number\":{number},\"what\":\"{}\"}}\n", "the same every time ".repeat(50)).into_bytes()
    }

    #[test]
    fn frames_are_read_back_in_their_order_and_repetition_costs_little() {
        let (mut packer, mut unpacker) = (Packer::default(), Unpacker::default());
        let flood = vec![b'x'; LARGEST + 1];
        for number in 0..300 {
            if number == 100 {
                // Writing after a restart begins a new stream in the same segment.
                packer = Packer::default();
            }
            let (one, two) = (line(number), line(number + 1));
            let packed = packer.pack(&[&one, &two]).unwrap();
            assert!(number % 100 == 0 || packed.len() < 150, "{number}: {}", packed.len());
            assert_eq!(unpacker.unpack(&packed).unwrap(), [one, two].concat());
            if number % 50 == 7 {
                assert_eq!(unpacker.unpack(&packer.pack(&[&flood]).unwrap()).unwrap(), flood);
            }
        }
    }

    #[test]
    fn a_frame_without_the_ones_before_it_is_not_read() {
        let mut packer = Packer::default();
        packer.pack(&[&line(1)]).unwrap();
        let second = packer.pack(&[&line(2)]).unwrap();
        assert_eq!(Unpacker::default().unpack(&second), None);
        assert_eq!(Unpacker::default().unpack(b""), None);
        assert_eq!(Unpacker::default().unpack(b"\x07abc"), None);
        assert_eq!(Unpacker::default().unpack(b"\x01nonsense"), None);
    }
}
