//! Packing of frames. A record of a case repeats most of the one before, so a segment is one compressed
//! stream that is flushed at the end of each frame: what a frame says is found with the frames before it, which
//! the chain demands anyway. It knows bytes only.

use std::fmt;
use std::io::{self, Write as _};

use zstd::stream::write::{Decoder, Encoder};

/// The quickest of the usual levels; higher ones gain a tenth for twice the time.
const LEVEL: i32 = 1;
/// Larger frames are floods of events, which have little in common; packing them would cost more time than
/// their writing.
const LARGEST: usize = 256 << 10;

/// A stream ends after so many packed bytes: damage makes the rest of its stream unreadable.
const STREAM: usize = 256 << 10;

/// The first byte of a packed payload.
const PLAIN: u8 = 0;
/// A stream begins here: after a start, and after a write that was taken back.
const BEGINS: u8 = 1;
const GOES_ON: u8 = 2;

/// Packs what is written.
#[derive(Default)]
pub(super) struct Packer {
    stream: Option<Encoder<'static, Vec<u8>>>,
    /// Bytes that the stream has so far.
    bytes: usize,
}

impl fmt::Debug for Packer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Packer")
    }
}

impl Packer {
    /// A payload as it is written. If it is not written after all, the packer is of no use any more: the
    /// next frame would lean on it.
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

/// Whether a payload is read without the frames before it.
pub(super) fn begins_a_stream(payload: &[u8]) -> bool {
    matches!(payload.first(), Some(&(PLAIN | BEGINS)))
}

/// Unpacks what is read, frame by frame in their order.
#[derive(Default)]
pub(super) struct Unpacker {
    stream: Option<Decoder<'static, Vec<u8>>>,
}

impl Unpacker {
    /// The lines of a payload; none if it does not follow from the frames before.
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
                // What is written after a restart begins anew, in the same segment.
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
