//! The log on its way here: by the protocol, or by the vendor's program.

use std::time::Duration;

use xb_core::{BinlogCoord, BinlogName};
use xb_pipeline::cancel::{CancelToken, HookGuard};

use super::StreamOptions;
use super::error::StreamError;
use crate::source::mysqlbinlog::VendorStream;
use crate::source::native::{EventStream, NativeError, NativeSource, Next, Start};

/// Events, from wherever.
pub(super) enum Feed {
    /// From the server.
    Native(Box<EventStream>),
    /// From the vendor's program.
    Vendor(Box<VendorStream>),
}

impl Feed {
    /// Asks for the log from an event on. The program sends each log from its head on.
    pub(super) fn open(options: &StreamOptions, from: BinlogCoord) -> Result<Self, StreamError> {
        let source = NativeSource::connect(options.source.clone())?;
        let BinlogCoord { file, position } = from;
        if let Some(vendor) = &options.vendor {
            let flavor = source.identity().flavor;
            let stream = VendorStream::start(vendor, &options.source, flavor, &file, options.once)?;
            return Ok(Feed::Vendor(Box::new(stream)));
        }
        let stream = source.dump(&Start::File { file, position }, !options.once)?;
        Ok(Feed::Native(Box::new(stream)))
    }

    /// Ends it when somebody asks to stop.
    pub(super) fn stop_on(&self, cancel: &CancelToken) -> Result<HookGuard, StreamError> {
        match self {
            Feed::Native(stream) => {
                let stopper = stream.stopper().map_err(NativeError::from)?;
                Ok(cancel.on_cancel(move || stopper.stop()))
            }
            Feed::Vendor(stream) => {
                let stopper = stream.stopper();
                Ok(cancel.on_cancel(move || stopper.stop()))
            }
        }
    }

    /// Whether the server waits for acknowledgements.
    pub(super) fn is_semi_sync(&self) -> bool {
        matches!(self, Feed::Native(stream) if stream.is_semi_sync())
    }

    /// The next event. Waits for `limit` at most.
    pub(super) fn next(&mut self, limit: Duration) -> Result<Next, StreamError> {
        match self {
            Feed::Native(stream) => Ok(stream.next(limit)?),
            Feed::Vendor(stream) => Ok(stream.next(limit)?),
        }
    }

    /// Tells the server that everything up to a place is kept for good.
    pub(super) fn acknowledge(&mut self, file: &BinlogName, position: u64) -> Result<(), StreamError> {
        match self {
            Feed::Native(stream) => Ok(stream.acknowledge(file, position)?),
            Feed::Vendor(_) => Ok(()),
        }
    }
}
