//! The large tables.

use std::thread;

use crate::client::Client;
use crate::error::SandboxError;

/// Rows of one statement, so of one transaction.
const BATCH: u64 = 20_000;
/// Every table gets these at least: enough that each kind of change finds rows.
const LEAST: u64 = 300;

/// One large table: its rows for each megabyte of the data set, and the expressions for the row `seq` (`r.seq` where an
/// inner query has a `seq` of its own).
struct Table {
    name: &'static str,
    columns: &'static str,
    rows_per_megabyte: u64,
    values: String,
}

/// Fills two lanes of tables at the same time, one for each of two cores; a table's foreign keys point into
/// its own lane, backwards. Gives the number of rows.
pub(super) fn fill(client: &Client, megabytes: u32) -> Result<u64, SandboxError> {
    thread::scope(|scope| {
        let related = scope.spawn(|| lane(client, &related(), megabytes));
        let rows = lane(client, &unrelated(), megabytes)?;
        let others = related.join().map_err(|_| SandboxError::Thread("filling"))??;
        Ok(rows + others)
    })
}

fn lane(client: &Client, tables: &[Table], megabytes: u32) -> Result<u64, SandboxError> {
    let mut rows = 0;
    for table in tables {
        let wanted = (table.rows_per_megabyte * u64::from(megabytes)).max(LEAST);
        let mut text = String::from("USE shop;\n");
        for from in (1..=wanted).step_by(usize::try_from(BATCH).unwrap_or(usize::MAX)) {
            let to = (from + BATCH - 1).min(wanted);
            text += &format!(
                "INSERT INTO {} ({}) SELECT {} FROM seq_{from}_to_{to} AS r;\n",
                table.name, table.columns, table.values
            );
        }
        client.sql(&text)?;
        rows += wanted;
    }
    Ok(rows)
}

fn word(salt: u32) -> String {
    format!(
        "ELT(1 + CRC32(seq * {salt}) % 16, 'lamp', 'chair', 'table', 'window', 'door', 'engine', 'pump', \
         'valve', 'red', 'green', 'blue', 'round', 'square', 'heavy', 'light', 'wooden')"
    )
}

fn words(salts: std::ops::Range<u32>) -> String {
    format!("CONCAT_WS(' ', {})", salts.map(word).collect::<Vec<_>>().join(", "))
}

fn related() -> Vec<Table> {
    vec![
        Table {
            name: "products",
            columns: "id, name, price, kind, tags",
            rows_per_megabyte: 20,
            values: format!("seq, {}, CRC32(seq) % 100000 / 100, 1 + seq % 3, seq % 8", words(3..6)),
        },
        Table {
            name: "customers",
            columns: "id, first_name, last_name, email, preferences, balance, note",
            rows_per_megabyte: 230,
            values: format!(
                "seq, ELT(1 + seq % 5, 'Zofia', 'Åsa', 'Jürgen', '太郎', 'Ann'), CONCAT('No. ', seq), \
                 CONCAT('c', seq, '@', {}, '.example'), \
                 JSON_OBJECT('colour', {}, 'limit', seq % 1000, 'token', MD5(seq)), \
                 CRC32(seq) % 1000000 / 100, CONCAT({}, ' ', SHA2(seq, 512))",
                word(11),
                word(13),
                words(14..16)
            ),
        },
        Table {
            name: "orders",
            columns: "id, customer_id, ordered_at, status, address",
            rows_per_megabyte: 450,
            values: format!(
                "seq, 1 + CRC32(seq) % (SELECT MAX(id) FROM customers), \
                 '2025-01-01' + INTERVAL seq * 37 SECOND, 1 + seq % 3, CONCAT({}, ' ', SHA2(seq, 384))",
                words(23..25)
            ),
        },
        Table {
            name: "order_lines",
            columns: "order_id, line_no, product_id, quantity, price, remark",
            // Three lines to an order, and not more orders than there are.
            rows_per_megabyte: 1150,
            values: format!(
                "1 + (seq - 1) DIV 3, 1 + (seq - 1) % 3, \
                 1 + CRC32(seq) % (SELECT MAX(id) FROM products), \
                 1 + seq % 9, CRC32(seq * 3) % 100000 / 100, CONCAT({}, ' ', SHA2(seq, 384))",
                words(31..32)
            ),
        },
    ]
}

fn unrelated() -> Vec<Table> {
    vec![
        Table {
            name: "documents",
            columns: "id, title, body, thumbnail",
            rows_per_megabyte: 14,
            values: format!(
                "seq, {}, \
                 (SELECT GROUP_CONCAT('<p>', SHA2(r.seq * 100 + seq, 512), {}, '</p>' SEPARATOR '\\n') \
                 FROM seq_1_to_40), \
                 UNHEX((SELECT GROUP_CONCAT(SHA2(r.seq * 100 - seq, 512) SEPARATOR '') FROM seq_1_to_16))",
                words(41..45),
                words(45..51)
            ),
        },
        Table {
            name: "measurements",
            columns: "id, taken, sensor, value, raw",
            rows_per_megabyte: 900,
            values: "seq, '2023-01-01' + INTERVAL seq * 7 % 1500 DAY, seq % 40, SIN(seq) * 100, \
                     UNHEX(SHA2(seq, 384))"
                .to_owned(),
        },
        Table {
            name: "articles",
            columns: "id, title, body",
            rows_per_megabyte: 10,
            values: format!("seq, {}, CONCAT({}, ' ', MD5(seq))", words(61..65), words(65..95)),
        },
        Table {
            name: "archived_orders",
            columns: "id, history",
            rows_per_megabyte: 60,
            values: format!("seq, CONCAT({}, ' ', SHA2(seq, 512), SHA2(-seq, 512))", words(101..112)),
        },
        Table {
            name: "page_compressed",
            columns: "id, text_in_pages",
            rows_per_megabyte: 60,
            values: format!("seq, CONCAT({}, ' ', SHA2(seq, 512), SHA2(-seq, 512))", words(131..142)),
        },
        Table {
            name: "access_log",
            columns: "path, agent",
            rows_per_megabyte: 400,
            values: format!(
                "CONCAT('/', {}, '/', SHA2(seq, 224), '.html'), CONCAT('{}', {})",
                word(171),
                "Mozilla/5.0 (X11; Linux) ",
                words(173..176)
            ),
        },
        Table {
            name: "counters",
            columns: "id, name, total, note",
            rows_per_megabyte: 500,
            values: format!(
                "seq, {}, CRC32(seq), CONCAT(SHA2(seq, 256), {})",
                words(181..184),
                words(184..188)
            ),
        },
        Table {
            name: "search_cache",
            columns: "id, question, answer",
            rows_per_megabyte: 150,
            values: format!("seq, {}, CONCAT({}, SHA2(seq, 512))", words(191..194), words(194..198)),
        },
    ]
}
