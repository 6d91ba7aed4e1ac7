//! The log that is written, piece by piece.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use xb_core::BinlogCoord;
use xb_pipeline::fs::FsError;
use xb_pipeline::keys::Keys;
use xb_pipeline::single::{FileForm, pack_single};
use xb_pipeline::store::About;
use xb_pipeline::{ObjectWriter, Packing};

use super::Push;
use super::index::{Index, path_of, place_of};
use crate::archive::describe::open_log;
use crate::archive::names::{Piece, log_file, partial_file, piece_file};
use crate::archive::pieces::chain;
use crate::archive::read::{Expected, packed, unpacked};
use crate::archive::{ArchiveError, Epoch, EpochNumber, LogState, Place};

/// How far the pieces of a log go.
fn pushed_to(index: &Index, epoch: EpochNumber, place: &Place) -> u64 {
    let listing = index.listing(epoch);
    let pieces = listing.log(&place.at.file).map(|files| chain(&files.pieces)).unwrap_or_default();
    pieces.last().map_or(0, |piece| piece.to)
}

impl Push<'_> {
    /// Sends the log that was written when an epoch ended, as far as it is good. Nobody will close it.
    pub(super) fn ended(&mut self, epoch: &Epoch, packing: &Packing) -> Result<(), ArchiveError> {
        let number = epoch.record.number;
        let Some(log) = epoch.logs.last().filter(|log| log.state == LogState::Open) else { return Ok(()) };
        let path = self.archive.directory(number).join(partial_file(&log.name));
        let file = match File::open(&path) {
            // All there is of it are pieces that came from elsewhere.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(FsError::on("open", &path))?,
        };
        let (good, _) = open_log(&log.name, file).map_err(FsError::on("read", &path))?;
        let at = BinlogCoord { file: log.name.clone(), position: good.size_bytes };
        self.open(epoch, &Place { epoch: number, at }, packing)
    }

    /// Sends what the log that is written has more, up to a place.
    pub(super) fn open(
        &mut self,
        epoch: &Epoch,
        place: &Place,
        packing: &Packing,
    ) -> Result<(), ArchiveError> {
        let (number, name) = (epoch.record.number, &place.at.file);
        let Some(log) = epoch.log(name).filter(|log| log.state == LogState::Open) else { return Ok(()) };
        let (from, to) = (pushed_to(self.index, number, place), place.at.position.min(log.size_bytes));
        if from >= to {
            return Ok(());
        }
        let directory = self.archive.directory(number);
        let closed = directory.join(log_file(name, FileForm::default()));
        let partial = if number == 0 { closed.clone() } else { directory.join(partial_file(name)) };
        let mut file = match File::open(&partial).or_else(|_| File::open(&closed)) {
            // It was closed and packed meanwhile; the next push has it.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(FsError::on("open", &partial))?,
        };
        file.seek(SeekFrom::Start(from)).map_err(FsError::on("seek in", &partial))?;
        let expected = Some(Expected::length(to - from));
        let bytes = unpacked(file.take(to - from), partial, FileForm::default(), &Keys::default(), expected)?;
        let piece = Piece { from, to, form: FileForm::of(packing) };
        let path = path_of(self.store, number, &piece_file(name, piece))?;
        let upload = self.store.create(&path, About { expected_bytes: Some(to - from), digest: None })?;
        let receipt = pack_single(bytes, packing, ObjectWriter::upload(upload, path.as_str()), self.cancel)
            .map_err(|error| packed(&place_of(self.store, &path), error))?;
        self.index.add(number, piece_file(name, piece), receipt.size);
        self.pushed.bytes += receipt.size;
        self.pushed.pieces += 1;
        Ok(())
    }
}
