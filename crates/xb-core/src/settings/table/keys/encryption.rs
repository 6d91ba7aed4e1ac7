//! Backups that only a key opens.

use super::*;

const CIPHERS: &[&str] = &["AES128", "AES192", "AES256", "age"];

pub(super) const KEYS: &[Key] = &[
    // Encryption
    key(
        Group::Encryption,
        "encrypt",
        "encrypt",
        Kind::Choice(CIPHERS),
        "AES128, AES192 or AES256 with a key, or age for recipients",
    )
    .of(SERVER),
    key(
        Group::Encryption,
        "encrypt_key_file",
        "encrypt-key-file",
        Kind::File,
        "file that holds the key: 16, 24 or 32 bytes and nothing else",
    )
    .of(READING),
    key(
        Group::Encryption,
        "encrypt_recipients",
        "encrypt-recipients",
        Kind::List,
        "who can decrypt with age: age1... or files of such, separated by commas",
    )
    .of(WRITING),
    key(
        Group::Encryption,
        "encrypt_identity_file",
        "encrypt-identity-file",
        Kind::File,
        "file of age-keygen that decrypts; the server that is backed up needs none",
    )
    .of(READING),
    key(
        Group::Encryption,
        "strict_permissions",
        "strict-permissions",
        Kind::Flag,
        "refuse key files that others can read, instead of warning",
    )
    .of(READING)
    .default("0"),
];
