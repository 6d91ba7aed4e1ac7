//! Any moment of a mixed load, by time, by GTID and by position, on servers of both kinds.

use std::time::Instant;

use xb_tests::server::Make;

use crate::support::{GTIDS_OFF, GTIDS_ON, Moment, Scene, without_gtids};

#[test]
fn a_server_of_mysql_with_gtids_comes_back() {
    comes_back(Scene::on(Make::MySql9));
}

#[test]
fn a_server_of_mysql_without_gtids_comes_back() {
    comes_back(Scene::on_with(Make::MySql9, without_gtids));
}

#[test]
fn a_server_of_mysql_that_began_and_ended_to_number_comes_back() {
    let mut scene = Scene::on_with(Make::MySql9, without_gtids);
    scene.full();
    scene.sql("INSERT INTO d.t (v) VALUES ('without');");
    scene.sql(GTIDS_ON);
    scene.sql("INSERT INTO d.t (v) VALUES ('with');");
    let first = scene.moment();
    scene.sql("INSERT INTO d.t (v) VALUES ('with another');");
    scene.sql(GTIDS_OFF);
    scene.sql("INSERT INTO d.t (v) VALUES ('without again');");
    let last = scene.moment();
    scene.stream();
    scene.assert_recovers(&["--to-gtid", &first.gtid], &first.state);
    scene.assert_recovers(&["--to-time", &first.at()], &first.state);
    scene.assert_recovers(&["--to-latest"], &last.state);
}

#[track_caller]
fn comes_back(mut scene: Scene) {
    scene.sql("INSERT INTO d.t (v) VALUES ('before all'); FLUSH BINARY LOGS;");
    scene.full();
    scene.sql("INSERT INTO d.t (v) VALUES ('one'); CREATE TABLE d.u (a INT) ENGINE=InnoDB;");
    let first = scene.moment();
    scene.sql("INSERT INTO d.u VALUES (1), (2); FLUSH BINARY LOGS; UPDATE d.t SET v = 'two' WHERE id = 1;");
    scene.stream();
    let second = scene.moment();
    scene.sql("DROP TABLE d.u; INSERT INTO d.t (v) VALUES (REPEAT('long', 1000000));");
    let last = scene.moment();
    scene.stream();
    for moment in [&first, &second, &last] {
        scene.assert_recovers(&["--to-time", &moment.at()], &moment.state);
        scene.assert_recovers(&["--to-position", &moment.place.to_string()], &moment.state);
        if !moment.gtid.is_empty() {
            scene.assert_recovers(&["--to-gtid", &moment.gtid], &moment.state);
        }
    }
    scene.assert_recovers(&["--to-latest"], &last.state);
}

#[test]
fn moments_of_a_mixed_load_on_mariadb_come_back() {
    assert_moments_come_back(Make::MariaDb, if is_full() { 60 } else { 6 });
}

#[test]
fn moments_of_a_mixed_load_on_mysql_come_back() {
    assert_moments_come_back(Make::MySql9, if is_full() { 40 } else { 4 });
}

fn is_full() -> bool {
    told("XB_ENDURANCE").is_some_and(|value| value == "full")
}

#[expect(clippy::disallowed_methods, reason = "people tell a test in this way what it cannot know")]
fn told(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[track_caller]
fn assert_moments_come_back(make: Make, targets: usize) {
    // The one that a failed run printed makes the same load and draws the same targets again.
    let seed = told("XB_SEED").map_or(u64::from(std::process::id()), |seed| seed.parse().unwrap());
    println!("seed {seed}");
    let mut dice = Dice::new(seed);
    let mut scene = Scene::on(make);
    let mut load = Load::new(&scene);
    scene.full();
    let count = (targets / 2).max(5);
    let mut moments: Vec<Moment> = Vec::new();
    for number in 0..count {
        load.go_on(&scene, &mut dice);
        moments.push(scene.moment());
        if number == count / 2 {
            scene.stream();
            // What comes later begins with this one.
            match make {
                Make::MariaDb => drop(scene.good(&["incr"])),
                _ => scene.full(),
            }
        }
    }
    load.go_on(&scene, &mut dice);
    scene.stream();
    let mut choices: Vec<(usize, &str)> = (0..count)
        .flat_map(|number| ["--to-time", "--to-gtid", "--to-position"].map(|kind| (number, kind)))
        .collect();
    let started = Instant::now();
    for number in 1..=targets {
        let (moment, kind) = choices.swap_remove(dice.below(choices.len()));
        let wanted = &moments[moment];
        let target = match kind {
            "--to-time" => wanted.at(),
            "--to-gtid" => wanted.gtid.clone(),
            _ => wanted.place.to_string(),
        };
        println!("{number} of {targets}: seed {seed}, moment {moment} of {count}, {kind} {target}");
        scene.assert_recovers(&[kind, &target], &wanted.state);
    }
    let each = started.elapsed().as_secs_f64() / targets as f64;
    println!("{make:?}: {targets} recoveries, all equal, {each:.1} s each, seed {seed}");
}

/// Random numbers that the same seed gives again.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 20) % limit as u64).unwrap()
    }
}

/// Everything that users do to tables.
struct Load {
    tables: Vec<String>,
    made: usize,
    columns: usize,
}

const DATABASES: [&str; 3] = ["d", "shop", "`odd name`"];

impl Load {
    fn new(scene: &Scene) -> Self {
        let mut load = Load { tables: Vec::new(), made: 0, columns: 0 };
        scene.sql("CREATE DATABASE shop; CREATE DATABASE `odd name`;");
        for database in DATABASES {
            let text = load.create(database);
            scene.sql(&text);
        }
        load
    }

    fn create(&mut self, database: &str) -> String {
        let table = self.name(database);
        let text = format!(
            "CREATE TABLE {table} (id INT AUTO_INCREMENT PRIMARY KEY, n INT, v LONGTEXT) ENGINE=InnoDB;\n\
             INSERT INTO {table} (n, v) VALUES (1, 'first'), (2, 'second'), (3, NULL);\n"
        );
        self.tables.push(table);
        text
    }

    fn name(&mut self, database: &str) -> String {
        self.made += 1;
        format!("{database}.t{}", self.made)
    }

    /// Some statements more, in one connection. There is always a transaction among them.
    fn go_on(&mut self, scene: &Scene, dice: &mut Dice) {
        let mut text = String::from("INSERT INTO d.t (v) VALUES (UUID());\n");
        for _ in 0..10 + dice.below(20) {
            text += &self.statement(dice);
        }
        scene.sql(&text);
    }

    fn statement(&mut self, dice: &mut Dice) -> String {
        let at = dice.below(self.tables.len());
        let table = self.tables[at].clone();
        let (number, part) = (dice.below(100_000), dice.below(5));
        let database = DATABASES[dice.below(DATABASES.len())];
        match dice.below(24) {
            0..7 => {
                format!("INSERT INTO {table} (n, v) VALUES ({number}, RAND()), ({part}, '\\n# at 4\\n');\n")
            }
            7..11 => format!("UPDATE {table} SET n = n + {part}, v = UUID() WHERE id % 5 = {part};\n"),
            11..13 => format!("DELETE FROM {table} WHERE id % 5 = {part};\n"),
            13..15 => {
                let other = &self.tables[dice.below(self.tables.len())];
                let end = if part == 0 { "ROLLBACK" } else { "COMMIT" };
                format!(
                    "BEGIN; INSERT INTO {table} (n) VALUES ({number}); UPDATE {other} SET n = {number};\n\
                     DELETE FROM {table} WHERE n < {part}; {end};\n"
                )
            }
            15 => format!("INSERT INTO {table} (n, v) VALUES (0, REPEAT('{number} ', {}));\n", 400_000),
            16 => self.create(database),
            17 => {
                let copy = self.name(database);
                self.tables.push(copy.clone());
                format!(
                    "CREATE TABLE {copy} (id INT AUTO_INCREMENT PRIMARY KEY, n INT, v LONGTEXT) ENGINE=InnoDB \
                     SELECT id, n, v FROM {table};\n"
                )
            }
            18 if self.tables.len() > 3 => {
                self.tables.swap_remove(at);
                format!("DROP TABLE {table};\n")
            }
            19 => {
                self.columns += 1;
                format!("ALTER TABLE {table} ADD COLUMN c{} INT DEFAULT {part}, ADD KEY (n);\n", self.columns)
            }
            20 => {
                self.tables[at] = self.name(database);
                format!("RENAME TABLE {table} TO {};\n", self.tables[at])
            }
            21 => format!("TRUNCATE TABLE {table};\n"),
            22 => "FLUSH BINARY LOGS;\n".to_owned(),
            _ => format!(
                "CREATE OR REPLACE VIEW {database}.w AS SELECT {number} AS n;\n\
                 DROP PROCEDURE IF EXISTS {database}.p;\n\
                 CREATE PROCEDURE {database}.p() INSERT INTO {table} (n) VALUES ({number});\n\
                 CALL {database}.p();\n"
            ),
        }
    }
}
