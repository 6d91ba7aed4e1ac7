//! The filling of an empty data directory, in the way its server has for that.

use std::path::Path;
use std::time::Duration;

use xb_core::Flavor;
use xb_pipeline::fs::{FsError, create_dir_private};
use xb_pipeline::process::{Invocation, Output, describe};

use crate::binaries::Binaries;
use crate::dialect;
use crate::error::{SandboxError, tail};
use crate::sandbox::{temporary_directory, user};

/// How long it may take to fill an empty data directory.
const LIMIT: Duration = Duration::from_secs(300);

/// Fills the directory. Its `root` has no password, and nobody else an account.
pub(crate) fn initialise(
    binaries: &Binaries,
    datadir: &Path,
    options: &[String],
) -> Result<(), SandboxError> {
    // Those decide about files for their whole life, such as the page size; the others may name files that
    // are only there later.
    let is_lasting = |option: &&String| {
        ["--innodb", "--lower-case", "--lower_case"].iter().any(|lasting| option.starts_with(lasting))
    };
    let defaults = dialect::defaults(binaries);
    let lasting: Vec<&String> = defaults.iter().chain(options).filter(is_lasting).collect();
    if binaries.flavor == Flavor::MariaDb {
        by_script(binaries, datadir, &lasting)
    } else if binaries.is_mysql_from(5, 7, 6) {
        by_server(binaries, datadir, &lasting)
    } else {
        by_bootstrap(binaries, datadir, &lasting)
    }
}

/// MariaDB has a script.
fn by_script(binaries: &Binaries, datadir: &Path, lasting: &[&String]) -> Result<(), SandboxError> {
    binaries.need(&binaries.install_db)?;
    // The script does not quote its variables: it gets a path it can handle.
    let plain = temporary_directory(&std::env::temp_dir())?;
    let link = plain.path().join("data");
    std::os::unix::fs::symlink(datadir, &link).map_err(FsError::on("create link", &link))?;
    let script = Invocation::new(&binaries.install_db)
        .arg("--no-defaults")
        .arg(format!("--datadir={}", link.display()))
        // Not the shared one: every server that starts removes the temporary tables it finds in its own.
        .arg(format!("--tmpdir={}", plain.path().display()))
        .args(["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"])
        .args(user())
        .args(lasting);
    run(&script, datadir).map(drop)
}

/// MySQL does it itself since 5.7.
fn by_server(binaries: &Binaries, datadir: &Path, lasting: &[&String]) -> Result<(), SandboxError> {
    let plain = temporary_directory(&std::env::temp_dir())?;
    let server = server(binaries, datadir, plain.path()).arg("--initialize-insecure").args(lasting);
    run(&server, datadir).map(drop)
}

/// Before, the server ran the statements given to it by a script in Perl, which is not always there; they
/// are beside its messages.
fn by_bootstrap(binaries: &Binaries, datadir: &Path, lasting: &[&String]) -> Result<(), SandboxError> {
    let plain = temporary_directory(&std::env::temp_dir())?;
    let help = server(binaries, datadir, plain.path()).args(["--verbose", "--help"]);
    let help = run(&help, datadir)?.stdout;
    let messages = help.lines().find_map(|line| line.strip_prefix("lc-messages-dir ")).unwrap_or_default();
    // Each statement ends with its line.
    let mut statements = String::from("USE mysql;\n");
    for name in ["mysql_system_tables.sql", "mysql_system_tables_data.sql"] {
        let path = Path::new(messages.trim()).join(name);
        statements += &std::fs::read_to_string(&path).map_err(FsError::on("read", &path))?;
    }
    statements += "DELETE FROM mysql.user WHERE user = '' OR host NOT IN ('localhost', '127.0.0.1');\n";
    statements += "DELETE FROM mysql.db;\n";
    create_dir_private(&datadir.join("mysql"))?;
    let server = server(binaries, datadir, plain.path()).arg("--bootstrap").args(lasting).input(statements);
    run(&server, datadir).map(drop)
}

fn server(binaries: &Binaries, datadir: &Path, temporary: &Path) -> Invocation {
    Invocation::new(&binaries.server)
        .arg("--no-defaults")
        .arg(format!("--datadir={}", datadir.display()))
        .arg(format!("--tmpdir={}", temporary.display()))
        .arg(format!("--secure-file-priv={}", temporary.display()))
        .args(user())
}

fn run(program: &Invocation, datadir: &Path) -> Result<Output, SandboxError> {
    let output = program.output(LIMIT)?;
    if output.status.success() {
        return Ok(output);
    }
    Err(SandboxError::Program {
        program: program.name(),
        about: datadir.to_owned(),
        how: describe(output.status),
        tail: tail(&format!("{}{}", output.stdout, output.stderr)),
    })
}
