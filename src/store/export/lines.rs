//! The lines of an export that are not records, and its stream: hashed, and compressed if the name ends in `.zst`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::super::disk::{self, Disk};
use super::super::journal::Head;
use super::super::outside::{End, EndLine, ExportVersion, Header, Lost, LostLine};
use super::super::shape::{self, Stored};
use super::Exported;
use crate::model::Timestamp;
use crate::store::Error;

/// The version of the format of exports.
const FORMAT: u32 = 1;
const LEVEL: i32 = 3;
/// Longest line that is read: the journal's largest group.
const LONGEST: u64 = 4 << 30;

impl Header {
    pub(super) fn new(taken: Timestamp, newest: Option<Timestamp>, head: Head, losses: u64) -> Self {
        Self {
            format: FORMAT,
            shapes: shape::VERSION,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            // Not before its records, whatever the clock says.
            taken: newest.map_or(taken, |newest| newest.max(taken)),
            newest,
            head,
            losses,
            secret: None,
        }
    }
}

/// Writes the lines of an export.
pub(super) struct Exporter<'a> {
    pub(super) to: &'a mut dyn Write,
}

impl Exporter<'_> {
    pub(super) fn header(&mut self, header: &Header) -> Result<(), Error> {
        self.json(header)
    }

    pub(super) fn lost(&mut self, lost: Lost) -> Result<(), Error> {
        self.json(&LostLine { lost })
    }

    fn json(&mut self, line: &impl Stored) -> Result<(), Error> {
        let mut bytes = shape::json(line)?;
        bytes.push(b'\n');
        self.to.write_all(&bytes).map_err(Error::io("writing the export"))
    }
}

/// Counts and hashes what passes.
struct Hashing<T> {
    inner: T,
    hash: Sha256,
}

impl<T: Write> Write for Hashing<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A file that is written from its start to its end.
struct Stream {
    disk: Disk,
    at: u64,
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.disk.write(self.at, bytes)?;
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a whole export under a temporary name and gives it its own. `work` writes header and records, and returns the
/// sequence of the last one.
pub(super) fn whole(
    path: &Path,
    work: &mut dyn FnMut(&mut Exporter<'_>) -> Result<u64, Error>,
) -> Result<u64, Error> {
    let beside = path.with_extension("partial");
    let outcome = write(path, &beside, work);
    if outcome.is_err() {
        // The first error counts.
        let _ = disk::remove(&beside);
    }
    outcome
}

fn write(
    path: &Path,
    beside: &Path,
    work: &mut dyn FnMut(&mut Exporter<'_>) -> Result<u64, Error>,
) -> Result<u64, Error> {
    let doing = || format!("writing {}", path.display());
    let disk = Disk::create(beside).map_err(Error::io(doing()))?;
    let mut stream = BufWriter::with_capacity(1 << 20, Stream { disk, at: 0 });
    let records = if is_packed(path) {
        let mut packed = zstd::stream::write::Encoder::new(&mut stream, LEVEL).map_err(Error::io(doing()))?;
        let records = lines(&mut packed, work)?;
        packed.finish().map_err(Error::io(doing()))?;
        records
    } else {
        lines(&mut stream, work)?
    };
    let stream = stream.into_inner().map_err(|error| Error::io(doing())(error.into_error()))?;
    stream.disk.sync().map_err(Error::io(doing()))?;
    disk::rename(beside, path).map_err(Error::io(doing()))?;
    path.parent().filter(|parent| parent.is_dir()).map_or(Ok(()), disk::sync_dir)?;
    Ok(records)
}

fn lines(
    to: &mut dyn Write,
    work: &mut dyn FnMut(&mut Exporter<'_>) -> Result<u64, Error>,
) -> Result<u64, Error> {
    let mut hashing = Hashing { inner: to, hash: Sha256::new() };
    let records = work(&mut Exporter { to: &mut hashing })?;
    let sha256 = data_encoding::HEXLOWER.encode(&hashing.hash.finalize());
    Exporter { to: hashing.inner }.json(&EndLine { end: End { records, sha256 } })?;
    Ok(records)
}

fn is_packed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "zst")
}

/// A line of an export between its header and its end.
pub(super) enum Line<'a> {
    Record(&'a [u8]),
    Lost(Lost),
}

/// Reads an export. `begin` receives the header, `visit` each line. The end is checked before this returns.
pub(super) fn read<T>(
    path: &Path,
    begin: &mut dyn FnMut(&Header) -> Result<T, Error>,
    visit: &mut dyn FnMut(&mut T, Line<'_>) -> Result<u64, Error>,
) -> Result<T, Error> {
    let refused = |what: &str| Error::Backup(format!("{} {what}", path.display()));
    let truncated = || refused("is truncated or changed: its end is missing or differs; use another export");
    let file = File::open(path).map_err(Error::io(format!("reading {}", path.display())))?;
    let reader: Box<dyn Read> = if is_packed(path) {
        Box::new(
            zstd::stream::read::Decoder::new(file)
                .map_err(Error::io(format!("reading {}", path.display())))?,
        )
    } else {
        Box::new(file)
    };
    let mut reader = BufReader::with_capacity(1 << 20, reader);
    let (mut hash, mut line, mut last) = (Sha256::new(), Vec::new(), 0);
    next(&mut reader, &mut line).map_err(|_| truncated())?;
    let mut work = begin(&header(path, &line)?)?;
    loop {
        hash.update(&line);
        next(&mut reader, &mut line).map_err(|_| truncated())?;
        if line.starts_with(b"{\"end\":") {
            let Some(EndLine { end }) = shape::from_json(&line) else { return Err(truncated()) };
            let sha256 = data_encoding::HEXLOWER.encode(&hash.finalize());
            if end.records != last || end.sha256 != sha256 || !nothing_left(&mut reader) {
                return Err(truncated());
            }
            return Ok(work);
        }
        last = if line.starts_with(b"{\"lost\":") {
            let Some(LostLine { lost }) = shape::from_json(&line) else { return Err(truncated()) };
            visit(&mut work, Line::Lost(lost))?
        } else {
            visit(&mut work, Line::Record(&line))?
        };
    }
}

/// Reads one whole line.
fn next(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<()> {
    line.clear();
    reader.by_ref().take(LONGEST).read_until(b'\n', line)?;
    if line.last() == Some(&b'\n') { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn nothing_left(reader: &mut impl BufRead) -> bool {
    reader.fill_buf().is_ok_and(<[u8]>::is_empty)
}

fn header(path: &Path, line: &[u8]) -> Result<Header, Error> {
    let refused = |what: String| Error::Backup(format!("{} {what}", path.display()));
    let versions: Option<ExportVersion> = shape::from_json(line);
    let versions = versions.filter(|versions| versions.format > 0);
    let versions = versions.ok_or_else(|| refused("is no export of a store".to_owned()))?;
    for (what, has, reads) in
        [("the format", versions.format, FORMAT), ("records of version", versions.shapes, shape::VERSION)]
    {
        if has > reads {
            return Err(refused(format!(
                "has {what} {has}, this program reads up to {reads}; use the version of the program that wrote it"
            )));
        }
    }
    shape::from_json(line).ok_or_else(|| refused("has a damaged header; use another export".to_owned()))
}

impl Exported {
    pub(super) fn new(records: u64, header: &Header) -> Self {
        Self { records, head: header.head, secret: header.secret.is_some() }
    }
}
