//! Keys, as the settings name them.

use std::path::Path;

use xb_core::settings::EncryptWith;
use xb_formats::xbcrypt::Algorithm;
use xb_pipeline::Encryption;
use xb_pipeline::keys::{KeyError, Keys, Recipients, check_private, read_key};

use crate::context::Context;
use crate::error::EngineError;

/// How what is written is encrypted.
pub(crate) fn encryption(context: &Context) -> Result<Option<Encryption>, EngineError> {
    let settings = &context.settings;
    let algorithm = match settings.encrypt {
        None => return Ok(None),
        Some(EncryptWith::Age) => {
            return Ok(Some(Encryption::Age(Recipients::read(&settings.encrypt_recipients)?)));
        }
        Some(EncryptWith::Aes128) => Algorithm::Aes128,
        Some(EncryptWith::Aes192) => Algorithm::Aes192,
        Some(EncryptWith::Aes256) => Algorithm::Aes256,
    };
    let path = settings.encrypt_key_file.as_deref();
    let path = path.ok_or(EngineError::NotSet { key: "encrypt_key_file" })?;
    check_exposure(context, path)?;
    Ok(Some(Encryption::Xbcrypt(read_key(path, Some(algorithm))?)))
}

/// What opens archives. How long a key is, not `encrypt`, says what it is for: a store may hold older backups.
pub(crate) fn keys(context: &Context) -> Result<Keys, EngineError> {
    let mut keys = Keys::default();
    if let Some(path) = &context.settings.encrypt_key_file {
        check_exposure(context, path)?;
        keys = keys.with_key(read_key(path, None)?);
    }
    if let Some(path) = &context.settings.encrypt_identity_file {
        check_exposure(context, path)?;
        keys = keys.with_identity_file(path)?;
    }
    Ok(keys)
}

fn check_exposure(context: &Context, path: &Path) -> Result<(), KeyError> {
    match check_private(path) {
        Err(error) if context.settings.strict_permissions => Err(error),
        Err(error) => {
            context.monitor().warn(&error.to_string());
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}
