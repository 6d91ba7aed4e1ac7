//! A table that was dropped by mistake, and recoveries that do not go as wanted.

use std::path::{Path, PathBuf};

use rustix::process::Signal;
use xb_tests::server::Make;
use xb_tests::{cli, files, wait_until};

use crate::support::{GTIDS_OFF, GTIDS_ON, LIMIT, Moment, Scene, State, without_gtids};

/// What a user reads of a transaction in the output of `binlog show`.
#[derive(Debug)]
struct Shown {
    log: String,
    begin: u64,
    gtid: String,
}

/// A mistake, with good work before and behind it.
struct Mistake {
    scene: Scene,
    before: Moment,
    dropped: Shown,
    /// The end, had there been no mistake.
    without: State,
}

impl Mistake {
    fn on(make: Make) -> Self {
        let mut scene = Scene::on(make);
        scene
            .sql("CREATE TABLE d.precious (id INT PRIMARY KEY, v TEXT); INSERT INTO d.t (v) VALUES ('one');");
        scene.full();
        scene.sql("INSERT INTO d.precious VALUES (1, 'gold'), (2, 'drop table'); FLUSH BINARY LOGS;");
        scene.sql("INSERT INTO d.precious VALUES (3, 'DROP TABLE precious');");
        let before = scene.moment();
        scene.sql("DROP TABLE d.precious;");
        scene.sql("INSERT INTO d.t (v) VALUES ('good'); UPDATE d.t SET v = 'better' WHERE id = 1;");
        let mut without = scene.server.checksums().unwrap();
        let precious = "`d`.`precious`";
        without.insert(precious.to_owned(), before.state[precious]);
        scene.stream();
        let dropped = found(&scene, &before);
        Mistake { scene, before, dropped, without }
    }
}

/// Finds the DROP as a user does: the first place at a time, and from there on by reading.
#[track_caller]
fn found(scene: &Scene, before: &Moment) -> Shown {
    let answer = scene.good(&["binlog", "find", "--time", &before.at()]);
    // mysql-bin.000002:658 of epoch 1
    let place = answer.split_whitespace().next().unwrap();
    let (log, position) = place.rsplit_once(':').unwrap();
    let text = scene.good(&["binlog", "show", log, "--from", position]);
    let mut last = "";
    for line in text.lines() {
        if !line.starts_with(' ') {
            last = line;
        } else if line.contains("DROP TABLE") {
            // 658..780  2026-11-22 14:28:07Z  0-1-9
            let words: Vec<&str> = last.split("  ").collect();
            let begin = words[0].split_once("..").unwrap().0.parse().unwrap();
            return Shown { log: log.to_owned(), begin, gtid: words[2].to_owned() };
        }
    }
    panic!("no DROP TABLE in\n{text}");
}

#[test]
fn a_dropped_table_comes_back_on_mariadb() {
    comes_back(Make::MariaDb);
}

#[test]
fn a_dropped_table_comes_back_on_mysql() {
    comes_back(Make::MySql9);
}

#[track_caller]
fn comes_back(make: Make) {
    let Mistake { scene, before, dropped, without } = Mistake::on(make);
    // In between MariaDB may note that it does not need the log before any more.
    assert_eq!(dropped.log, before.place.file.to_string());
    let begins_there = dropped.begin == before.place.position;
    assert!(begins_there || (make == Make::MariaDb && dropped.begin > before.place.position));
    let answer = scene.good(&["binlog", "find", "--gtid", &dropped.gtid]);
    assert!(answer.starts_with(&format!("{}:{} of", dropped.log, dropped.begin)), "{answer}");
    let position = format!("{}:{}", dropped.log, dropped.begin);
    scene.assert_recovers(&["--to-position", &position], &before.state);
    let gtid = &*dropped.gtid;
    scene.assert_recovers(&["--to-gtid", gtid, "--exclude-gtid", gtid], &before.state);
    scene.assert_recovers(&["--to-latest", "--exclude-gtid", gtid], &without);
}

#[test]
fn an_end_before_the_target_is_an_error_and_what_there_is_comes_back_on_demand() {
    let Mistake { scene, .. } = Mistake::on(Make::MariaDb);
    let last = scene.server.checksums().unwrap();
    let far = ["--to-time", "2099-01-01 00:00:00"];
    let ended = scene.recover(&far).ended_with(66);
    assert!(ended.stderr.contains("has all that was committed before 20"), "{}", ended.stderr);
    assert!(ended.stderr.contains("--best-effort"), "{}", ended.stderr);
    assert!(restored(&scene).is_empty(), "{:?}", restored(&scene));
    let far = [&far[..], &["--best-effort"]].concat();
    let told = scene.recover(&[&["--dry-run"], &far[..]].concat()).good().text();
    assert!(told.contains("before the target: the archive has no more"), "{told}");
    scene.assert_recovers(&far, &last);
}

#[test]
fn a_dry_run_changes_nothing() {
    let Mistake { scene, dropped, .. } = Mistake::on(Make::MariaDb);
    let all = || {
        let sizes = |path: &String| (path.clone(), files::size(&scene.home.path().join(path)));
        let found = files::everything_below(scene.home.path()).into_iter();
        // What the tests themselves write down, and the log of the run.
        let is_own = |path: &String| path.starts_with("out-") || path.starts_with("err-");
        let is_log = |path: &String| path.contains("-pyxbackup") && path.ends_with(".log");
        found.filter(|path| !is_own(path) && !is_log(path)).map(|path| sizes(&path)).collect::<Vec<_>>()
    };
    let before = all();
    let text = scene.recover(&["--to-gtid", &dropped.gtid, "--dry-run"]).good().text();
    assert!(text.contains(&dropped.gtid) || text.contains(&dropped.log), "{text}");
    let text = scene.recover(&["--to-latest", "--exclude-gtid", &dropped.gtid, "--dry-run"]).good().text();
    assert!(text.contains(&dropped.gtid), "the plan does not tell what is left out:\n{text}");
    assert_eq!(all(), before);
}

#[test]
fn what_would_keep_a_recovery_from_being_done_is_told_by_a_dry_run() {
    let mut scene = Scene::new();
    scene.full();
    scene.sql("INSERT INTO d.t (v) VALUES ('x');");
    scene.stream();
    let dry = |more: &[&str]| scene.recover(&[&["--to-latest", "--dry-run"], more].concat());
    for run in [&["--dry-run"][..], &[]] {
        for program in ["/nowhere/mariadbd", "/bin/true"] {
            let server = format!("--recovery-server={program}");
            let bad = scene.recover(&[&["--to-latest", &*server], run].concat()).ended_with(65);
            assert!(
                bad.stderr.contains(program) && bad.stderr.contains("--recovery-server"),
                "{}",
                bad.stderr
            );
        }
    }
    let ended = cli::run(&scene.home, &["restore-set", "--to-latest", "--dry-run", "--restore-dir=/nowhere"]);
    assert!(ended.ended_with(128).stderr.contains("/nowhere"));
    dry(&[]).good();
    let plain = cli::run(
        &scene.home,
        &["--restore-dir", &scene.home.restored().display().to_string(), "restore-set"],
    );
    let text = plain.good().text();
    assert!(text.contains("restore-set --to-latest"), "{text}");
    assert!(dry(&[]).ended_with(128).stderr.contains("exists already"));
}

#[test]
fn what_was_restored_is_not_restored_again_after_the_server_did_not_start() {
    let Mistake { scene, before, .. } = Mistake::on(Make::MariaDb);
    let to = ["--to-time", &before.at()];
    let wrong = [&to[..], &["--recovery-options=--no-such-option"]].concat();
    let ended = scene.recover(&wrong).ended_with(64);
    assert!(ended.stderr.contains("no-such-option"), "{}", ended.stderr);
    let ended = scene.recover(&to).good();
    assert!(ended.text().contains("going on with that"), "{}", ended.text());
    let made = restored(&scene);
    let [directory] = made.as_slice() else { panic!("{made:?}") };
    scene.assert_restored(directory, &to, &before.state);
}

#[test]
fn a_damaged_log_at_the_end_is_not_taken_for_the_end() {
    let Mistake { scene, .. } = Mistake::on(Make::MariaDb);
    scene.sql("FLUSH BINARY LOGS; INSERT INTO d.t (v) VALUES ('last'); FLUSH BINARY LOGS;");
    scene.stream();
    let epoch = scene.home.store().join("binlogs/epoch-000001");
    std::fs::remove_file(epoch.join("mysql-bin.000004.partial")).unwrap();
    let damaged = epoch.join("mysql-bin.000003");
    std::fs::write(&damaged, &std::fs::read(&damaged).unwrap()[..100]).unwrap();
    let refused = scene.recover(&["--to-latest", "--dry-run"]);
    let named = refused.stderr.contains("mysql-bin.000003");
    assert!(refused.code != Some(0) && named, "{}", refused.text());
    scene.recover(&["--to-latest", "--dry-run", "--best-effort"]).good();
}

#[test]
fn a_recovery_begins_with_the_newest_backup_before_its_target_or_the_one_that_is_named() {
    let mut scene = Scene::new();
    scene.full();
    scene.sql("INSERT INTO d.t (v) VALUES ('between');");
    let between = scene.moment();
    scene.full();
    scene.sql("INSERT INTO d.t (v) VALUES ('behind');");
    scene.stream();
    let entries = std::fs::read_dir(scene.home.store().join("full")).unwrap();
    let mut backups: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    backups.sort();
    let [first, second] = backups.as_slice() else { panic!("{backups:?}") };
    let begins_with = |backup: &str, to: &[&str]| {
        let text = scene.recover(&[to, &["--dry-run"]].concat()).good().text();
        assert!(text.contains(&format!("backup      {backup}\n")), "{to:?}: {text}");
    };
    begins_with(second, &["--to-latest"]);
    begins_with(first, &["--to-time", &between.at()]);
    begins_with(first, &["--to-gtid", &between.gtid]);
    begins_with(first, &["--to-latest", "--restore-backup", first]);
}

#[test]
fn rows_are_shown_with_the_statement_behind_them_on_mariadb() {
    shows_rows(&Scene::with(|sandbox| sandbox.option("binlog-format", "ROW")));
}

#[test]
fn rows_are_shown_with_the_statement_behind_them_on_mysql() {
    shows_rows(&Scene::on_with(Make::MySql9, |sandbox| {
        sandbox.option("binlog-format", "ROW").option("binlog-rows-query-log-events", "ON")
    }));
}

#[track_caller]
fn shows_rows(scene: &Scene) {
    scene.sql("CREATE TABLE d.t2 LIKE d.t;");
    let ten =
        "INSERT INTO d.t (v) VALUES ('x'), ('x'), ('x'), ('x'), ('x'), ('x'), ('x'), ('x'), ('x'), ('x');";
    scene.sql(&format!(
        "{ten} INSERT INTO d.t (v) SELECT REPEAT('y', 200) FROM d.t AS a, d.t AS b, d.t AS c;"
    ));
    scene.sql("INSERT INTO d.t2\nSELECT * FROM d.t;");
    scene.stream();
    let log = scene.server.binlog_coordinate().unwrap().file.to_string();
    let text = scene.good(&["binlog", "show", &log]);
    let place = text.lines().position(|line| line.ends_with("as rows: INSERT INTO d.t2 SELECT * FROM d.t"));
    let events = text.lines().nth(place.unwrap() + 1).unwrap();
    assert!(events.starts_with("    d.t2: row events: insert "), "{text}");
    let json = scene.good(&["binlog", "show", &log, "--format=json"]);
    let line = json.lines().find(|line| line.contains("INSERT INTO d.t2\\nSELECT")).unwrap();
    let shown: serde_json::Value = serde_json::from_str(line).unwrap();
    let table = &shown["transaction"]["tables"][0];
    assert!(table["insert_events"].as_u64().is_some_and(|events| events > 1 && events < 1010), "{table}");
}

/// The transactions of a log whose text, as it is shown, has a word.
fn shown_with(scene: &Scene, log: &str, word: &str) -> Vec<Shown> {
    let text = scene.good(&["binlog", "show", log]);
    let (mut found, mut last) = (Vec::new(), "");
    for line in text.lines() {
        if !line.starts_with(' ') {
            last = line;
        } else if line.contains(word) {
            let words: Vec<&str> = last.split("  ").collect();
            let begin = words[0].split_once("..").unwrap().0.parse().unwrap();
            found.push(Shown { log: log.to_owned(), begin, gtid: words[2].to_owned() });
        }
    }
    found
}

/// The words behind a word that a program tells to type, up to the end of a line or a quote.
fn behind<'t>(text: &'t str, word: &str) -> Vec<&'t str> {
    let (_, rest) = text.split_once(word).unwrap_or_else(|| panic!("no {word} in {text}"));
    rest.split(['`', '\n']).next().unwrap().split_whitespace().collect()
}

#[test]
fn a_statement_that_is_refused_is_told_with_its_transaction_and_what_can_be_done() {
    let mut scene = Scene::new();
    scene.full();
    scene.sql("CREATE TABLE d.tt (v TEXT);");
    let before = scene.server.checksums().unwrap();
    scene.sql("INSERT INTO d.tt VALUES ('needs the table'); INSERT INTO d.t (v) VALUES ('does not');");
    let mut wanted = scene.server.checksums().unwrap();
    scene.stream();
    let log = "mysql-bin.000001";
    let created = &shown_with(&scene, log, "CREATE TABLE d.tt")[0];
    let inserted = &shown_with(&scene, log, "INSERT INTO d.tt")[0];
    let without = ["--to-latest", "--exclude-gtid", &created.gtid];
    let said = scene.recover(&without).ended_with(64).stderr;
    let named =
        format!("the transaction {}, which begins at {log}:{} of epoch 1", inserted.gtid, inserted.begin);
    assert!(said.contains(&named) && said.contains("ERROR 1146"), "{said}");
    // What it says to do can be done.
    let show = behind(&said, "`pyxbackup ");
    let shown = scene.good(&show);
    assert!(shown.starts_with(&inserted.begin.to_string()) && shown.contains("d.tt"), "{shown}");
    let both = behind(&said, "recover with ");
    assert_eq!(both[..2], ["--exclude-gtid", &inserted.gtid]);
    wanted.remove("`d`.`tt`");
    scene.assert_recovers(&[&without[..], &both[..2]].concat(), &wanted);
    let to: Vec<&str> = both.iter().skip_while(|word| **word != "--to-position").take(4).copied().collect();
    scene.assert_recovers(&to, &before);
}

#[test]
fn a_place_inside_of_a_transaction_shows_it_and_one_behind_the_end_says_where_that_is() {
    let scene = Scene::new();
    scene.sql("INSERT INTO d.t (v) VALUES ('inside');");
    scene.stream();
    let log = "mysql-bin.000001";
    let inside = shown_with(&scene, log, "'inside'").pop().unwrap();
    let shown = scene.good(&["binlog", "show", log, "--from", &(inside.begin + 5).to_string()]);
    assert!(shown.starts_with(&format!("{}..", inside.begin)), "{shown}");
    let end = scene.server.binlog_coordinate().unwrap().position;
    for from in [end, end + 1_000_000] {
        let shown = scene.good(&["binlog", "show", log, "--from", &from.to_string()]);
        assert!(
            shown.contains(&format!("{log} of epoch 1 ends at {end}, and has no transaction")),
            "{shown}"
        );
    }
    for what in [["--time", "2099-01-01 00:00:00"], ["--gtid", "0-1-99999"]] {
        let found = cli::run(&scene.home, &[&["binlog", "find"][..], &what].concat()).ended_with(1);
        assert!(
            found.text().contains(&format!("the archive ends at {log}:{end} of epoch 1")),
            "{}",
            found.text()
        );
    }
}

#[test]
fn a_recovery_that_was_told_to_stop_says_that_it_goes_on() {
    let (scene, wanted) = with_much_to_replay(Scene::new());
    let running = replayed_in_part(&scene);
    running.signal(Signal::TERM);
    let ended = running.wait().ended_with(143);
    let left = restored(&scene);
    let [left] = left.as_slice() else { panic!("{left:?}") };
    assert!(ended.stderr.contains("goes on where this one was"), "{}", ended.stderr);
    assert!(ended.stderr.contains(&left.display().to_string()), "{}", ended.stderr);
    assert!(!ended.stderr.contains("nothing was left"), "{}", ended.stderr);
    let again = scene.recover(&["--to-latest"]).good();
    assert!(again.text().contains("going on with that"), "{}", again.text());
    let made = restored(&scene);
    let [directory] = made.as_slice() else { panic!("{made:?}") };
    scene.assert_restored(directory, &["--to-latest"], &wanted);
}

#[test]
fn a_killed_recovery_goes_on_on_mariadb() {
    let (scene, wanted) = with_much_to_replay(Scene::on(Make::MariaDb));
    let said = killed_and_run_again(&scene, &wanted);
    assert!(said.contains("going on with that"), "{said}");
    assert!(said.contains("the logs are replayed up to"), "{said}");
}

#[test]
fn a_killed_recovery_goes_on_on_mysql() {
    let (scene, wanted) = with_much_to_replay(Scene::on(Make::MySql9));
    let said = killed_and_run_again(&scene, &wanted);
    assert!(said.contains("going on with that"), "{said}");
    assert!(said.contains("the logs are replayed up to"), "{said}");
}

#[test]
fn a_killed_recovery_without_gtids_begins_again() {
    let scene = Scene::on_with(Make::MySql9, without_gtids);
    let (scene, wanted) = with_much_to_replay(scene);
    let said = killed_and_run_again(&scene, &wanted);
    assert!(said.contains("the backup is restored again"), "{said}");
}

#[test]
fn a_killed_recovery_with_some_gtids_begins_again() {
    let mut scene = Scene::on_with(Make::MySql9, without_gtids);
    scene.full();
    scene.sql(GTIDS_ON);
    scene.sql("INSERT INTO d.t (v) VALUES ('with');");
    scene.sql(GTIDS_OFF);
    scene.sql("INSERT INTO d.t (v) VALUES ('without');");
    let wanted = work(&scene);
    let said = killed_and_run_again(&scene, &wanted);
    assert!(said.contains("the backup is restored again: there are transactions without GTIDs"), "{said}");
}

/// A log with many small transactions, each of which counts: none may be left out or come twice.
fn with_much_to_replay(mut scene: Scene) -> (Scene, State) {
    scene.full();
    let wanted = work(&scene);
    (scene, wanted)
}

fn work(scene: &Scene) -> State {
    scene.sql(
        "DELIMITER //\n\
         CREATE PROCEDURE d.work(n INT) BEGIN\n\
         WHILE n > 0 DO INSERT INTO d.t (v) VALUES (CONCAT(n, REPEAT('.', 200))); SET n = n - 1; END WHILE;\n\
         END//\n\
         DELIMITER ;\n\
         CREATE TABLE d.sum (n INT); INSERT INTO d.sum VALUES (0);\n\
         CREATE TRIGGER d.count AFTER INSERT ON d.t FOR EACH ROW UPDATE d.sum SET n = n + 1;\n\
         CALL d.work(6000); FLUSH BINARY LOGS; CALL d.work(6000);",
    );
    scene.stream();
    scene.server.checksums().unwrap()
}

/// Kills a recovery when its server has done a part of the work. Gives what the next run says.
#[track_caller]
fn killed_and_run_again(scene: &Scene, wanted: &State) -> String {
    replayed_in_part(scene).kill();
    let ended = scene.recover(&["--to-latest"]).good();
    let made: Vec<PathBuf> = restored(scene);
    let [directory] = made.as_slice() else { panic!("{made:?}") };
    scene.assert_restored(directory, &["--to-latest"], wanted);
    ended.text()
}

/// A recovery whose server has done a part of the work.
#[track_caller]
fn replayed_in_part(scene: &Scene) -> cli::Running {
    let args = scene.recovery(&["--to-latest"]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut running = cli::start(&scene.home, &args);
    // Of some megabytes.
    wait_until("a part is replayed", LIMIT, || {
        assert!(!running.has_ended(), "it ended too early:\n{}", running.said());
        replayed(&scene.home.restored()) > 500_000
    });
    running
}

/// The size of the private server's own log.
fn replayed(below: &Path) -> u64 {
    let found = files::everything_below(below).into_iter();
    let logs = found.filter(|path| path.ends_with("replay-bin.000001"));
    logs.map(|path| below.join(path).metadata().map_or(0, |data| data.len())).sum()
}

fn restored(scene: &Scene) -> Vec<PathBuf> {
    std::fs::read_dir(scene.home.restored()).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn servers_that_ask_for_a_password_come_back_and_ask_for_it_on_mariadb() {
    ask_for_a_password(Scene::on(Make::MariaDb));
}

#[test]
fn servers_that_ask_for_a_password_come_back_and_ask_for_it_on_mysql() {
    ask_for_a_password(Scene::on(Make::MySql9));
}

#[track_caller]
fn ask_for_a_password(mut scene: Scene) {
    scene.protect("the first word");
    scene.full();
    scene.sql(
        "CREATE USER app@localhost IDENTIFIED BY 'a word of its own'; GRANT SELECT ON d.* TO app@localhost;\n\
         INSERT INTO d.t (v) VALUES ('by root');",
    );
    scene.protect("the second word");
    scene.sql("INSERT INTO d.t (v) VALUES ('by root with another password');");
    let last = scene.moment();
    scene.stream();
    let ended = scene.recover(&["--to-latest", "--quiet"]).good();
    assert!(!ended.text().contains("word"), "{}", ended.text());
    let directory = Path::new(ended.stdout.trim());
    // By root with the second password; the first and none are refused.
    let accounts = scene.on_restored(directory, |server| {
        let login = scene.login();
        let kept = std::fs::read_to_string(&login).unwrap();
        for wrong in ["[client]\nuser=root\n", "[client]\nuser=root\npassword=the first word\n"] {
            std::fs::write(&login, wrong).unwrap();
            let error = server.sql("SELECT 1;").unwrap_err().to_string();
            assert!(error.contains("Access denied"), "{error}");
        }
        std::fs::write(&login, "[client]\nuser=app\npassword=a word of its own\n").unwrap();
        assert_eq!(server.sql("SELECT COUNT(*) FROM d.t;").unwrap()[0][0], "2");
        std::fs::write(&login, kept).unwrap();
        server.sql("SELECT user FROM mysql.user;").unwrap().concat()
    });
    assert!(accounts.contains(&"app".to_owned()), "{accounts:?}");
    assert!(!accounts.iter().any(|name| name.contains("replay")), "{accounts:?}");
    scene.assert_restored(directory, &["--to-latest"], &last.state);
}
