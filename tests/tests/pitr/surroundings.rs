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

/// A server in another time zone than this machine, and what it made of statements that ask for the time.
fn far_away() -> (Scene, crate::support::State) {
    let scene = Scene::with(|sandbox| sandbox.env("TZ", ZONE).option("binlog-format", "STATEMENT"));
    scene.sql("CREATE TABLE d.z (d DATETIME(6), t TIMESTAMP(6) NULL, f VARCHAR(40)) ENGINE=InnoDB;");
    let full = ["TZ=".to_owned() + ZONE, cli::program().display().to_string()];
    let full = [&full[..], &cli::with_config(&scene.home, &["full"])].concat();
    cli::run_program(&scene.home, Path::new("/usr/bin/env"), &full).good();
    scene.sql("INSERT INTO d.z VALUES (NOW(6), '2026-02-03 04:05:06', FROM_UNIXTIME(1700000000));");
    scene.stream();
    let wanted = scene.server.checksums().unwrap();
    (scene, wanted)
}

const ZONE: &str = "Asia/Kathmandu";

#[test]
fn statements_with_the_time_in_them_give_the_time_of_their_server() {
    let (scene, wanted) = far_away();
    let elsewhere = ["TZ=America/New_York".to_owned()];
    let ended = recover_with(&scene, &elsewhere, &["--to-latest"]).good();
    assert!(!ended.text().contains("time zone"), "{}", ended.text());
    scene.assert_restored(Path::new(ended.stdout.trim()), &["--to-latest"], &wanted);
    let ended = recover_with(&scene, &[], &["--to-latest", "--recovery-time-zone=+02:00"]).good();
    let given = scene.on_restored(Path::new(ended.stdout.trim()), |server| {
        server.sql("SELECT TIMESTAMPDIFF(MINUTE, '2026-02-03 02:05:06', t), f FROM d.z;").unwrap()
    });
    assert_eq!(given, [["0", "2023-11-15 00:13:20"]]);
    let wrong = recover_with(&scene, &[], &["--to-latest", "--recovery-time-zone=No/Where"]).ended_with(65);
    assert!(wrong.text().contains("No/Where") && wrong.text().contains("Europe/Prague"), "{}", wrong.text());
}

#[test]
fn of_a_server_in_an_unknown_zone_the_difference_to_utc_is_kept() {
    let scene = Scene::with(|sandbox| sandbox.env("TZ", ZONE).option("binlog-format", "STATEMENT"));
    scene.good(&["full"]);
    scene.sql("CREATE TABLE d.z (d DATETIME(6), f VARCHAR(40)); INSERT INTO d.z VALUES (NOW(6), CURTIME());");
    scene.stream();
    let wanted = scene.server.checksums().unwrap();
    let ended = scene.recover(&["--to-latest"]).good();
    assert!(ended.text().contains("recovery_time_zone names the zone"), "{}", ended.text());
    let directory = scene.home.restored();
    let made: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    scene.assert_restored(&made[0], &["--to-latest"], &wanted);
}

#[test]
fn names_of_tables_mean_what_they_meant_on_their_server() {
    let scene = Scene::with(|sandbox| sandbox.option("lower-case-table-names", 1));
    scene.sql("CREATE TABLE d.Orders (a INT); INSERT INTO d.Orders VALUES (1);");
    scene.good(&["full"]);
    scene.sql("DROP TABLE IF EXISTS d.ORDERS; CREATE TABLE d.Orders (b INT, c INT); INSERT INTO D.oRDERS VALUES (2, 3);");
    scene.stream();
    let wanted = scene.server.checksums().unwrap();
    scene.assert_recovers(&["--to-latest"], &wanted);
}
