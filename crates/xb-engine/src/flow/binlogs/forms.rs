//! The form closed binary logs get, by the settings of backups.

use xb_pipeline::{Compression, Packing};

use crate::context::Context;
use crate::encryption::encryption;
use crate::error::EngineError;
use crate::flow::storing;

/// How they are packed; none when they stay as they are.
pub(super) fn packing(context: &Context) -> Result<Option<Packing>, EngineError> {
    let settings = &context.settings;
    let (compress, encrypt) = (settings.binlogs.binlog_compress, settings.binlogs.binlog_encrypt);
    if !compress && !encrypt {
        if settings.encrypt.is_some() {
            let text = "backups are encrypted and binary logs are not: set binlog_encrypt = 1";
            context.monitor().warn(text);
        }
        return Ok(None);
    }
    let encryption = if encrypt {
        Some(encryption(context)?.ok_or(EngineError::NotSet { key: "encrypt" })?)
    } else {
        None
    };
    let compression = if compress { compression(context) } else { Compression::None };
    Ok(Some(Packing { compression, encryption, threads: 1 }))
}

/// What compresses a stream also compresses a log; qpress packs the files of a backup one by one.
fn compression(context: &Context) -> Compression {
    match storing::compressor(context) {
        Compression::None => Compression::ZSTD,
        chosen => chosen,
    }
}

/// As they are.
pub(super) fn plain() -> Packing {
    Packing { compression: Compression::None, encryption: None, threads: 1 }
}
