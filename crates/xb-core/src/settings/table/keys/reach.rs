//! How the server is reached, and where backups are.

use super::*;

pub(super) const KEYS: &[Key] = &[
    // Server
    key(Group::Server, "mysql_user", "mysql-user", Kind::Text, "account on the server").short('u').of(SERVER),
    key(
        Group::Server,
        "mysql_pass",
        "mysql-pass",
        Kind::Secret,
        "its password; safer in a configuration file of mode 0600",
    )
    .short('p')
    .of(SERVER),
    key(Group::Server, "mysql_host", "mysql-host", Kind::Text, "host of the server")
        .short('H')
        .of(SERVER)
        .default("localhost"),
    key(Group::Server, "mysql_port", "mysql-port", PORT, "port of the server; a socket goes before it")
        .short('P')
        .of(SERVER)
        .default("3306"),
    key(Group::Server, "mysql_sock", "mysql-socket", Kind::File, "socket of the server")
        .short('S')
        .of(SERVER),
    key(
        Group::Server,
        "mysql_cnf",
        "mysql-cnf",
        Kind::File,
        "the server's option file, for the engine's --defaults-file",
    )
    .short('c')
    .of(REACHING),
    // Store
    key(Group::Store, "stor_dir", "stor-dir", Kind::Directory, "the store: where backups are kept")
        .short('s')
        .of(STORE)
        .required_by(STORE),
    key(Group::Store, "work_dir", "work-dir", Kind::Directory, "scratch space, run logs and the lock")
        .short('w')
        .of(WORK)
        .required_by(WORKING),
    key(
        Group::Store,
        "i_am_absolutely_sure_wipeout",
        "i-am-absolutely-sure-wipeout",
        Kind::Flag,
        "let wipeout remove every backup",
    )
    .short('X')
    .cli()
    .of(&[Task::Wipeout]),
];
