//! What goes on at the server: a bit of everything, chosen by chance, the same each time.

use std::path::Path;

use xb_sandbox::Client;

/// Numbers by chance.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Chance(seed)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Before the base is taken.
pub(crate) const SCHEMA: &str = "
CREATE DATABASE shop; CREATE DATABASE `od d` DEFAULT CHARSET latin1; CREATE DATABASE other;
CREATE TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY, v TEXT, b LONGBLOB, n INT) CHARSET utf8mb4;
CREATE TABLE shop.log (id INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(100));
CREATE TABLE `od d`.`t'x` (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(200)) ENGINE=MyISAM;
CREATE TABLE other.a (id INT PRIMARY KEY, v DOUBLE) ENGINE=Aria;
INSERT INTO shop.t (v, n) SELECT MD5(seq), seq FROM shop.seq_1_to_300;
CREATE TRIGGER shop.tr AFTER INSERT ON shop.t FOR EACH ROW INSERT INTO shop.log (what) VALUES (CONCAT('new ', NEW.id));
CREATE USER old@localhost IDENTIFIED BY 'old word';
";

/// All 256 values of a byte, as an expression.
fn bytes() -> String {
    let hexadecimal: String = (0..=255).map(|byte| format!("{byte:02x}")).collect();
    format!("x'{hexadecimal}'")
}

const STATEMENT: &str = "SET SESSION binlog_format = STATEMENT;";
const ROW: &str = "SET SESSION binlog_format = ROW;";

/// One thing that happens. `n` is new each time, `at` the time it happens at, in seconds since 1970.
pub(crate) fn happen(client: &Client, chance: &mut Chance, n: u64, at: u64, scratch: &Path) {
    let head = format!("SET NAMES utf8mb4; SET TIMESTAMP = {at}; SET SESSION alter_algorithm = DEFAULT;\n");
    let sql = |text: String| drop(client.sql(&(head.clone() + &text)).unwrap());
    let format = if chance.below(2) == 0 { STATEMENT } else { ROW };
    match chance.below(19) {
        0 => sql(format!("{format} INSERT INTO shop.t (v, b, n) VALUES ('naïve 😀 line\\nbreak\\0 # at {n}\n# at 4\n', {}, {n});", bytes())),
        1 => sql(format!("{format} START TRANSACTION; UPDATE shop.t SET v = CONCAT(v, '{n}') WHERE id % 7 = {}; DELETE FROM shop.t WHERE id % 97 = {}; COMMIT;", n % 7, n % 97)),
        2 => sql(format!("CREATE TABLE shop.new_{n} (id INT PRIMARY KEY, v INT) AS SELECT id, n AS v FROM shop.t; ALTER TABLE shop.new_{n} ADD COLUMN more VARCHAR(20) DEFAULT 'Ж', ADD KEY (v);")),
        3 => sql(format!("{STATEMENT} USE shop; CREATE TEMPORARY TABLE tmp (a INT); INSERT INTO tmp VALUES ({n}), ({n} + 1); FLUSH BINARY LOGS; SET TIMESTAMP = {at}; INSERT INTO t (v, n) SELECT 'from tmp', a FROM tmp; INSERT INTO t (v, n) SELECT CONCAT('u', a), a FROM tmp; UPDATE t SET n = n + 1 WHERE n IN (SELECT a FROM tmp);")),
        4 => sql(format!("CREATE USER u{n}@localhost IDENTIFIED BY 'it''s {n}'; GRANT SELECT, INSERT ON shop.* TO u{n}@localhost; SET PASSWORD FOR old@localhost = PASSWORD('{n}');")),
        5 => sql(format!("CREATE OR REPLACE DEFINER = root@localhost TRIGGER shop.tr AFTER INSERT ON shop.t FOR EACH ROW BEGIN /* {n} */ INSERT INTO shop.log (what) VALUES (CONCAT('{n} ', NEW.id)); END;").replace("FOR EACH ROW BEGIN", "FOR EACH ROW\n-- a comment\nBEGIN").replace("CREATE OR", "DELIMITER $$\nCREATE OR").replace("END;", "END$$\n")),
        6 => sql(format!("DELIMITER $$\nCREATE PROCEDURE shop.p{n}() BEGIN\n  # why {n}\n  -- and {n}\n  INSERT INTO shop.log (what) VALUES ('p{n}'); /* so */ END$$\nDELIMITER ;\n{format} CALL shop.p{n}();")),
        7 => sql(format!("CREATE EVENT shop.e{n} ON SCHEDULE EVERY 1 SECOND DO INSERT INTO shop.log (what) VALUES ('never');")),
        8 => sql(format!("XA START 'near{n}'; INSERT INTO shop.t (v, n) VALUES ('xa', {n}); XA END 'near{n}'; XA PREPARE 'near{n}'; XA COMMIT 'near{n}';")),
        9 => {
            sql(format!("XA START 'far{n}'; INSERT INTO shop.log (what) VALUES ('far {n}'); XA END 'far{n}'; XA PREPARE 'far{n}';"));
            sql(format!("INSERT INTO other.a VALUES ({n}, 1);"));
            let end = if n.is_multiple_of(2) { "COMMIT" } else { "ROLLBACK" };
            // The server may not have noticed yet that the connection is gone.
            let text = format!("{head} XA {end} 'far{n}';");
            xb_tests::wait_until("the transaction can be ended", std::time::Duration::from_secs(10), || client.sql(&text).is_ok());
        }
        10 => sql(format!("{format} INSERT INTO `od d`.`t'x` (v) VALUES ('my {n}'), ('isam'); UPDATE `od d`.`t'x` SET v = CONCAT(v, '!') WHERE id % 3 = 0;")),
        11 => sql(format!("{STATEMENT} SET @v := {n} * 2; INSERT INTO shop.t (v, n) VALUES (RAND(), @v); INSERT INTO shop.log (what) VALUES (LAST_INSERT_ID()); INSERT INTO shop.t (v) VALUES (NOW()), (UNIX_TIMESTAMP());")),
        12 => sql(format!("SET SESSION gtid_domain_id = 5; {format} INSERT INTO shop.log (what) VALUES ('domain five, {n}');")),
        13 => {
            let path = scratch.join("load.txt");
            std::fs::write(&path, format!("loaded {n}\none 'more'\\\n\u{17e}\n")).unwrap();
            sql(format!("{STATEMENT} LOAD DATA LOCAL INFILE '{}' INTO TABLE shop.log CHARACTER SET utf8mb4 (what);", path.display()));
        }
        14 => sql(format!("SET GLOBAL log_bin_compress = ON; INSERT INTO shop.t (v, b) VALUES (REPEAT('zip {n} ', 100), REPEAT(x'00ff0a0d', 300000)); SET GLOBAL log_bin_compress = OFF;")),
        15 => sql(format!("{format} UPDATE shop.t, other.a SET shop.t.n = {n}, other.a.v = other.a.v * 2 WHERE shop.t.id % 50 = 1; DELETE FROM other.a WHERE id = {n}; UPDATE shop.t SET n = 0 WHERE id = -1;")),
        16 => sql("FLUSH BINARY LOGS;".to_owned()),
        17 => sql(format!("CREATE TABLE other.s{n} (id INT PRIMARY KEY, v TEXT); INSERT INTO other.s{n} VALUES (1, 'x'); RENAME TABLE other.s{n} TO shop.r{n}; ALTER TABLE shop.r{n} ENGINE = MyISAM; TRUNCATE shop.r{n};")),
        _ => sql(format!("{STATEMENT} USE `od d`; CREATE VIEW v{n} AS SELECT `t'x`.id /* {n} */ FROM `t'x`; {ROW} START TRANSACTION; INSERT INTO shop.t (n) VALUES ({n}); SAVEPOINT s; INSERT INTO shop.t (n) VALUES (-{n}); ROLLBACK TO s; INSERT INTO shop.t (n) VALUES ({n}); COMMIT;")),
    }
}
