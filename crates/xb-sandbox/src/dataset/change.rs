//! Batches of changes between two backups.

use crate::client::Client;
use crate::error::SandboxError;
use crate::server::Server;

/// Changes rows and tables of every kind: the same for the same round on the same data. Rounds are taken in
/// their order, 1 first; each leaves a table of its own and removes that of two rounds ago.
///
/// May run beside a [`Writer`](super::Writer): a statement that loses against one of its transactions is
/// tried again.
///
/// # Errors
/// As [`Server::sql`].
pub fn change(server: &Server, round: u32) -> Result<(), SandboxError> {
    let client = server.client();
    for statement in rows(round).iter().chain(&tables(round)) {
        run(&client, statement)?;
    }
    Ok(())
}

fn run(client: &Client, statement: &str) -> Result<(), SandboxError> {
    client.statement(&format!("USE shop;\n{statement};\n")).map(drop)
}

fn rows(round: u32) -> Vec<String> {
    vec![
        format!("UPDATE customers SET balance = balance + {round} WHERE id % 17 = {round} % 17"),
        format!(
            "INSERT INTO customers (first_name, last_name, email, preferences) SELECT 'Round', seq, \
             CONCAT('round{round}-', seq, '@example.org'), JSON_OBJECT('round', {round}) FROM seq_1_to_200"
        ),
        format!("UPDATE orders SET status = 1 + (status + {round}) % 3 WHERE id % 23 = {round} % 23"),
        format!("DELETE FROM orders WHERE id % 29 = {round} % 29"),
        format!("DELETE FROM order_lines WHERE line_no = 1 + {round} % 3 AND order_id % 31 = {round} % 31"),
        format!(
            "UPDATE documents SET body = CONCAT(body, REPEAT('{round} ', 2000)) WHERE id % 19 = {round} % 19"
        ),
        format!("UPDATE documents SET body = NULL WHERE id % 41 = {round} % 41"),
        format!("DELETE FROM measurements WHERE sensor = {round} % 40"),
        format!("UPDATE articles SET body = CONCAT(body, ' round{round}') WHERE id % 7 = {round} % 7"),
        format!("UPDATE archived_orders SET history = REVERSE(history) WHERE id % 13 = {round} % 13"),
        format!(
            "UPDATE page_compressed SET text_in_pages = REVERSE(text_in_pages) WHERE id % 13 = {round} % 13"
        ),
        format!(
            "INSERT INTO access_log (path, agent) SELECT CONCAT('/round/{round}/', seq), 'x' FROM seq_1_to_300"
        ),
        format!("DELETE FROM access_log WHERE id % 37 = {round} % 37"),
        format!(
            "UPDATE counters SET total = total + {round}, note = REPEAT('n', {round} % 100) WHERE id % 11 = {round} % 11"
        ),
        format!("DELETE FROM search_cache WHERE id % 43 = {round} % 43"),
        format!(
            "UPDATE search_cache SET answer = CONCAT('round {round} ', answer) WHERE id % 5 = {round} % 5"
        ),
        format!(
            "UPDATE `książki`.`żółw` SET `tytuł` = 'Runda {round}' WHERE `klucz główny` % 7 = {round} % 7"
        ),
        format!("REPLACE INTO `książki`.`日本語` SELECT seq, '第{round}回' FROM seq_1_to_20"),
        format!("UPDATE `crm-data 2.0`.`a.b-c` SET name = 'round {round}' WHERE id % 3 = {round} % 3"),
        "SELECT NEXTVAL(order_numbers)".to_owned(),
    ]
}

fn tables(round: u32) -> Vec<String> {
    let last = round.saturating_sub(1);
    let mut statements = vec![
        "TRUNCATE TABLE staging".to_owned(),
        format!("INSERT INTO staging SELECT seq, SHA2(seq + {round}, 256) FROM seq_1_to_400"),
        format!("DROP TABLE IF EXISTS `round-{}`", round.saturating_sub(2)),
        format!(
            "CREATE TABLE `round-{round}` (id INT NOT NULL PRIMARY KEY, v VARCHAR(64), g INT AS (id * 2) STORED) \
             ENGINE={}",
            ["InnoDB", "MyISAM", "Aria"][round as usize % 3]
        ),
        format!("INSERT INTO `round-{round}` (id, v) SELECT seq, MD5(seq) FROM seq_1_to_1000"),
        format!("ALTER TABLE articles ADD COLUMN in_round_{round} INT NOT NULL DEFAULT {round}"),
        format!("CREATE OR REPLACE VIEW newest_round AS SELECT * FROM `round-{round}`"),
    ];
    if last > 0 {
        statements.push(format!("ALTER TABLE `round-{last}` ADD KEY (v), ADD COLUMN more TEXT"));
        statements.push(format!("ALTER TABLE articles DROP COLUMN in_round_{last}"));
        statements.push(format!(
            "RENAME TABLE `round-{last}` TO `round {last} moved`, `round {last} moved` TO `round-{last}`"
        ));
    }
    if round % 3 == 2 {
        statements.push("ALTER TABLE measurements TRUNCATE PARTITION in_2024".to_owned());
    }
    statements
}
