//! Client programs of MySQL and MariaDB.

use std::path::Path;

use super::Invocation;

/// What an account's environment may tell a client program of another server, or of another password.
const MISLEADING: [&str; 4] = ["MYSQL_HOST", "MYSQL_PWD", "MYSQL_TCP_PORT", "MYSQL_UNIX_PORT"];
/// Names the file of `mysql_config_editor`, which MySQL's programs read even with `--no-defaults`, and last, so
/// that its host and account win over those of option files. It is not read if it is not there.
const LOGIN_FILE: (&str, &str) = ("MYSQL_TEST_LOGIN_FILE", "/nonexistent/login.cnf");

impl Invocation {
    /// A client program that knows of servers and passwords only what it is told, not what the environment and
    /// the login file of the account say.
    #[must_use]
    pub fn without_login(self) -> Self {
        let (name, file) = LOGIN_FILE;
        MISLEADING.iter().fold(self, |invocation, name| invocation.without_env(name)).env(name, file)
    }

    /// The same, which speaks to the server of a socket and to no other. The option file, if it has one, must be
    /// named before.
    #[must_use]
    pub fn at_socket(self, socket: &Path) -> Self {
        self.without_login()
            .args(["--host=localhost", "--protocol=SOCKET"])
            .arg(format!("--socket={}", socket.display()))
    }
}
