//! What is in a tar archive (POSIX.1-1988 `ustar`, POSIX.1-2001 `pax`, GNU tar with long names and sparse files).
//!
//! The headers are read here, so that none of them takes more memory than a name can need, holes stay holes, and
//! an archive that was cut is told from one that ends.

use std::io::{self, Read};
use std::thread::Scope;

use bytes::Bytes;
use tar::{EntryType, GnuExtSparseHeader, GnuSparseHeader, Header};
use xb_formats::archive::Layer;
use xb_formats::path::{StreamPath, escape};

use super::tar_headers::{Pax, Sparse};
use crate::flow::{About, BLOCK_BYTES, Blocks, BlocksReader, FlowError, Piece};
use crate::parallel::{Flow, Outflow, background};
use crate::read::source::read_full;

/// Everything counts in blocks of this size.
const TAR_BLOCK: usize = 512;

/// Bytes of a header that says more about the next one. Names have a few hundred.
const EXTENSION_LIMIT: u64 = 64 * 1024;

/// The pieces of a tar archive.
pub(super) fn tar_pieces<'scope>(
    scope: &'scope Scope<'scope, '_>,
    blocks: impl Blocks + 'scope,
) -> Flow<Vec<Piece>, FlowError> {
    background(scope, move |outflow| {
        let mut archive = Archive { reader: BlocksReader::new(blocks), start: 0 };
        let mut number = 0;
        while let Some(entry) = archive.next_entry()? {
            if !archive.give(number, entry, outflow)? {
                return Ok(());
            }
            number += 1;
        }
        Ok(())
    })
}

/// What comes next.
struct Entry {
    kind: EntryType,
    path: StreamPath,
    /// Bytes in the archive.
    stored: u64,
    /// Where they belong, if there is more to the file.
    sparse: Option<Sparse>,
}

struct Archive<B> {
    reader: BlocksReader<B>,
    /// Where the header that is being looked at begins.
    start: u64,
}

impl<B: Blocks> Archive<B> {
    fn refuse(&self, reason: impl Into<String>) -> FlowError {
        FlowError::Layer { layer: Layer::Tar, offset: self.start, reason: reason.into() }
    }

    /// The next file or directory, whose content follows; `None` after the end mark.
    fn next_entry(&mut self) -> Result<Option<Entry>, FlowError> {
        let mut more = Pax::default();
        loop {
            let Some(header) = self.next_header()? else {
                self.end()?;
                return Ok(None);
            };
            let kind = header.entry_type();
            let own_size = header.entry_size().map_err(|error| self.refuse(error.to_string()))?;
            match kind {
                EntryType::GNULongName => {
                    let mut name = self.extension(own_size)?;
                    name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
                    more.path = Some(name);
                }
                EntryType::XHeader => {
                    let records = self.extension(own_size)?;
                    more.read(&records).map_err(|reason| self.refuse(reason))?;
                }
                // What all entries have in common, which is nothing that counts here; names of links.
                EntryType::XGlobalHeader | EntryType::GNULongLink => drop(self.extension(own_size)?),
                kind => {
                    let stored = more.size.unwrap_or(own_size);
                    let name = more.path.unwrap_or_else(|| header.path_bytes().into_owned());
                    let Some(path) = path_of(kind, &name)? else {
                        self.skip(stored)?;
                        more = Pax::default();
                        continue;
                    };
                    let sparse = match kind {
                        EntryType::GNUSparse => Some(self.sparse(&header, stored)?),
                        _ => None,
                    };
                    return Ok(Some(Entry { kind, path, stored, sparse }));
                }
            }
        }
    }

    /// The next header that is none of zeros, its checksum held.
    fn next_header(&mut self) -> Result<Option<Header>, FlowError> {
        self.start = self.reader.passed();
        let mut header = Header::new_old();
        let got = read_full(&mut self.reader, header.as_mut_bytes())?;
        if got < TAR_BLOCK {
            return Err(self.refuse("it ends before its end mark; it is incomplete"));
        }
        let bytes = header.as_bytes();
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        // The checksum is taken with itself as blanks.
        let sum: u32 = bytes.iter().map(|byte| u32::from(*byte)).sum();
        let own: u32 = bytes.iter().skip(148).take(8).map(|byte| u32::from(*byte)).sum();
        match header.cksum() {
            Ok(expected) if expected == sum - own + 8 * u32::from(b' ') => Ok(Some(header)),
            _ => Err(self.refuse("the checksum of the header is wrong")),
        }
    }

    /// A block of zeros was there: another one makes the end mark, and zeros only may follow.
    fn end(&mut self) -> Result<(), FlowError> {
        let mut block = vec![0; BLOCK_BYTES];
        let mut passed = 0;
        loop {
            let got = read_full(&mut self.reader, &mut block)?;
            passed += got;
            if block.iter().take(got).any(|byte| *byte != 0) {
                return Err(
                    self.refuse("something follows its end mark: it is damaged, or more than one archive")
                );
            }
            if got == 0 && passed < TAR_BLOCK {
                return Err(self.refuse("it ends inside its end mark; it is incomplete"));
            }
            if got == 0 {
                return Ok(());
            }
        }
    }

    /// The content of a header that says more about the next one.
    fn extension(&mut self, size: u64) -> Result<Vec<u8>, FlowError> {
        let length = usize::try_from(size).ok().filter(|_| size <= EXTENSION_LIMIT);
        let length =
            length.ok_or_else(|| self.refuse(format!("a name or what belongs to it has {size} bytes")))?;
        let mut content = vec![0; length.next_multiple_of(TAR_BLOCK)];
        self.fill(&mut content)?;
        content.truncate(length);
        Ok(content)
    }

    /// Where the content of a sparse file belongs: in its header, and in those that follow.
    fn sparse(&mut self, header: &Header, stored: u64) -> Result<Sparse, FlowError> {
        let gnu = header.as_gnu().ok_or_else(|| self.refuse("a sparse file without a header of GNU tar"))?;
        let real = gnu.real_size().map_err(|error| self.refuse(error.to_string()))?;
        let mut sparse = Sparse::new(real);
        let add = |sparse: &mut Sparse, entries: &[GnuSparseHeader]| {
            entries.iter().filter(|entry| !entry.is_empty()).try_for_each(|entry| {
                let read = entry.offset().and_then(|offset| Ok((offset, entry.length()?)));
                read.map_err(|error| error.to_string())
                    .and_then(|(offset, length)| sparse.add(offset, length))
            })
        };
        add(&mut sparse, &gnu.sparse).map_err(|reason| self.refuse(reason))?;
        let mut is_extended = gnu.is_extended();
        while is_extended {
            let mut next = GnuExtSparseHeader::new();
            self.fill(next.as_mut_bytes())?;
            add(&mut sparse, next.sparse()).map_err(|reason| self.refuse(reason))?;
            is_extended = next.is_extended();
        }
        sparse.check(stored).map_err(|reason| self.refuse(reason))?;
        Ok(sparse)
    }

    fn fill(&mut self, space: &mut [u8]) -> Result<(), FlowError> {
        let got = read_full(&mut self.reader, space)?;
        if got == space.len() {
            Ok(())
        } else {
            Err(self.refuse("it ends inside what this header announces"))
        }
    }

    /// Passes over content, and what fills its last block.
    fn skip(&mut self, length: u64) -> Result<(), FlowError> {
        self.pass(length.checked_next_multiple_of(TAR_BLOCK as u64).unwrap_or(u64::MAX))
    }

    fn pass(&mut self, length: u64) -> Result<(), FlowError> {
        let got = io::copy(&mut (&mut self.reader).take(length), &mut io::sink())?;
        if got == length { Ok(()) } else { Err(self.refuse("it ends inside what this header announces")) }
    }

    /// Gives the pieces of one entry; false when nobody wants them.
    fn give(
        &mut self,
        number: u64,
        entry: Entry,
        outflow: &Outflow<Vec<Piece>, FlowError>,
    ) -> Result<bool, FlowError> {
        let Entry { kind, path, stored, sparse } = entry;
        match kind {
            EntryType::Directory => {
                self.skip(stored)?;
                return Ok(outflow.give(vec![Piece::Directory { path }]));
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {}
            other => return Err(FlowError::Kind { path: path.to_string(), what: in_words(other) }),
        }
        let sparse = sparse.unwrap_or_else(|| Sparse::whole(stored));
        let about = About { size: Some(sparse.size()), ..About::default() };
        let mut pieces = vec![Piece::Open { file: number, path: path.clone(), about }];
        for (mut offset, mut left) in sparse.parts() {
            while left > 0 {
                let mut block =
                    vec![0; usize::try_from(left).map_or(BLOCK_BYTES, |left| left.min(BLOCK_BYTES))];
                let got = read_full(&mut self.reader, &mut block)?;
                if got < block.len() {
                    return Err(self.refuse(format!("it ends inside {path}, of which it has {stored} bytes")));
                }
                pieces.push(Piece::Data { file: number, offset, bytes: Bytes::from(block) });
                offset += got as u64;
                left -= got as u64;
                if !outflow.give(std::mem::take(&mut pieces)) {
                    return Ok(false);
                }
            }
        }
        self.pass(stored.next_multiple_of(TAR_BLOCK as u64) - stored)?;
        let size = sparse.size();
        pieces.extend(sparse.ends_in_hole().then_some(Piece::Extend { file: number, size }));
        pieces.push(Piece::Close { file: number, size });
        Ok(outflow.give(pieces))
    }
}

/// The path, checked; `None` for the directory everything is in.
fn path_of(kind: EntryType, stored: &[u8]) -> Result<Option<StreamPath>, FlowError> {
    let path = if kind == EntryType::Directory {
        let trimmed = stored.strip_suffix(b"/").unwrap_or(stored);
        if matches!(trimmed, b"." | b"") {
            return Ok(None);
        }
        trimmed
    } else {
        stored
    };
    let refuse = |source| FlowError::Path { path: escape(path), source };
    StreamPath::new(path).map(Some).map_err(refuse)
}

fn in_words(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Symlink => "a symbolic link",
        EntryType::Link => "a link",
        EntryType::Char | EntryType::Block => "a device",
        EntryType::Fifo => "a pipe",
        _ => "of a kind that is not known",
    }
}
