//! What surrounds a recovery: the account that runs it, and the server the logs are of.

use std::fs;
use std::path::{Path, PathBuf};

use xb_tests::cli::{self, Ended};
use xb_tests::server::Make;

use crate::support::Scene;

/// Recovers with variables in the environment.
fn recover_with(scene: &Scene, variables: &[String], to: &[&str]) -> Ended {
    let words = [&["--quiet"], to].concat();
    let program = cli::program().display().to_string();
    let words = scene.recovery(&words);
    let args = cli::with_config(&scene.home, &words.iter().map(String::as_str).collect::<Vec<_>>());
    let command = [variables, &[program], &args].concat();
    cli::run_program(&scene.home, Path::new("/usr/bin/env"), &command)
}

/// What `mysql_config_editor` writes of an account on a host where nothing listens, for all client programs.
fn login_file(home: &Path) -> PathBuf {
    let server = Make::MySql9.binaries().server;
    let root = server.parent().and_then(Path::parent).unwrap();
    let libraries = root.join("usr/lib/x86_64-linux-gnu");
    let file = home.join(".mylogin.cnf");
    let made = xb_pipeline::process::Invocation::new(libraries.join("ld-linux-x86-64.so.2"))
        .arg("--library-path")
        .arg(&libraries)
        .arg(root.join("usr/bin/mysql_config_editor"))
        .args(["set", "--login-path=client", "--host=127.0.0.1", "--port=1", "--user=nobody"])
        .env("MYSQL_TEST_LOGIN_FILE", &file)
        .output(crate::support::LIMIT)
        .unwrap();
    assert!(made.status.success() && file.exists(), "{made:?}");
    file
}

#[test]
fn no_other_server_is_spoken_to_whatever_the_account_says_of_one() {
    let mut scene = Scene::on(Make::MySql9);
    scene.full();
    scene.sql("INSERT INTO d.t (v) VALUES ('replayed');");
    scene.stream();
    let wanted = scene.server.checksums().unwrap();
    let home = scene.directory.path().join("home");
    fs::create_dir(&home).unwrap();
    login_file(&home);
    let variables = ["MYSQL_HOST=127.0.0.1", "MYSQL_TCP_PORT=1", "MYSQL_PWD=wrong"].map(str::to_owned);
    let own = format!("HOME={}", home.display());
    for variables in [&variables[..], &[own]] {
        let ended = recover_with(&scene, variables, &["--to-latest"]).good();
        scene.assert_restored(Path::new(ended.stdout.trim()), &["--to-latest"], &wanted);
    }
}
