//! How a backup is made, and in which form it is kept.

use super::*;

const COMPRESSORS: &[&str] = &["gzip", "zstd", "lz4", "qpress"];
const ENGINES: &[&str] = &["auto", "mariadb-backup", "xtrabackup", "innobackupex"];
/// The word for a size that follows from the machine.
const AUTO: &str = "auto";
const CONTAINERS: &[&str] = &["tar", "xbs"];

pub(super) const KEYS: &[Key] = &[
    // Compression
    key(
        Group::Compression,
        "compress",
        "compress",
        Kind::Flag,
        "stream the backup into one compressed file instead of a directory",
    )
    .short('z')
    .default("0"),
    key(
        Group::Compression,
        "compress_with",
        "compress-with",
        Kind::Choice(COMPRESSORS),
        "gzip, zstd, lz4 or qpress",
    )
    .short('Z')
    .default("gzip"),
    key(
        Group::Compression,
        "compress_level",
        "compress-level",
        Kind::Number { min: -7, max: 19 },
        "gzip 1 to 12, zstd -7 to 19",
    )
    .of(WRITING)
    .default("the compressor's own"),
    key(
        Group::Compression,
        "compress_threads",
        "compress-threads",
        THREADS,
        "threads that compress, encrypt, decrypt or decompress",
    )
    .of(READING)
    .default("one per core, at most 8"),
    // Engine
    key(
        Group::Engine,
        "extra_ibx_options",
        "extra-ibx-options",
        Kind::Words,
        "more options for the engine, quoted as for a shell",
    ),
    key(
        Group::Engine,
        "extra_prepare_options",
        "extra-prepare-options",
        Kind::Words,
        "more options for the engine when it prepares, such as a keyring's",
    )
    .of(PREPARING),
    key(
        Group::Engine,
        "engine",
        "engine",
        Kind::Choice(ENGINES),
        "auto (the one that fits the server), mariadb-backup, xtrabackup or innobackupex",
    )
    .of(ENGINE)
    .default("auto"),
    key(Group::Engine, "engine_parallel", "engine-parallel", THREADS, "threads that copy")
        .of(ENGINE)
        .default("one per core, at most 4"),
    key(
        Group::Engine,
        "engine_dir",
        "engine-dir",
        Kind::Directories,
        "directories, with colons between, searched before PATH",
    )
    .of(ENGINE),
    key(
        Group::Engine,
        "allow_version_mismatch",
        "allow-version-mismatch",
        Kind::Flag,
        "use an engine not made for this server's version",
    )
    .of(ENGINE)
    .default("0"),
    key(
        Group::Engine,
        "prepare_memory",
        "prepare-memory",
        Kind::NumberOr { word: AUTO, min: 1, max: 16_777_216 },
        "memory for preparing a backup, in MB, or auto for half of what is free",
    )
    .short('m')
    .of(PREPARING)
    .default("128"),
    key(
        Group::Engine,
        "apply_log",
        "apply-log",
        Kind::Flag,
        "prepare each backup into a rolling copy under work_dir",
    )
    .short('x')
    .default("0"),
    key(
        Group::Engine,
        "apply_log_archive",
        "apply-log-archive",
        Kind::Choice(CONTAINERS),
        "how backups are stored with apply_log and compress: tar (.tar.gz, .qp) or xbs (.xbs.*)",
    )
    .default("tar"),
    key(
        Group::Engine,
        "purge_bitmaps",
        "purge-bitmaps",
        Kind::Flag,
        "drop Percona Server's changed page bitmaps that an incremental has used",
    )
    .default("0"),
];
