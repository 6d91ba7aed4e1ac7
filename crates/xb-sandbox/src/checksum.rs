//! Checksums of all tables, for comparing two servers.

use std::collections::BTreeMap;

use xb_core::Flavor;

use crate::client::{Client, quote_name};
use crate::error::SandboxError;
use crate::server::wrong;

/// `table_type` leaves out views and sequences.
fn tables(flavor: Flavor) -> String {
    let is_generated = match flavor {
        Flavor::MariaDb => "c.is_generated = 'ALWAYS'",
        // With a word in front: without, a default that is an expression is meant.
        Flavor::MySql | Flavor::Percona => "c.extra LIKE '%L GENERATED%' OR c.extra LIKE '%D GENERATED%'",
    };
    format!(
        "SELECT t.table_schema, t.table_name, EXISTS ( \
           SELECT * FROM information_schema.columns c \
           WHERE c.table_schema = t.table_schema AND c.table_name = t.table_name AND ({is_generated})) \
         FROM information_schema.tables t \
         WHERE t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') \
         AND t.table_schema NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema') \
         ORDER BY t.table_schema, t.table_name;"
    )
}

pub(crate) fn checksums(
    client: &Client,
    flavor: Flavor,
) -> Result<BTreeMap<String, Option<u64>>, SandboxError> {
    let question = tables(flavor);
    let tables = client.sql(&question)?;
    let mut names = Vec::new();
    let mut questions = String::from("SET sql_log_bin = 0; SET sql_mode = '';\n");
    for row in &tables {
        let [schema, table, has_generated] = row.as_slice() else { return Err(wrong(&question, &tables)) };
        let schema = quote_name(schema);
        let name = format!("{schema}.{}", quote_name(table));
        questions += &if has_generated == "1" { by_copy(&schema, &name) } else { directly(&name) };
        names.push(name);
    }
    // The answer has one row a table in the order asked for; the names in it are not quoted.
    let answer = client.sql(&questions)?;
    if answer.len() != names.len() {
        return Err(wrong("CHECKSUM TABLE", &answer));
    }
    let checksum = |row: &Vec<String>| match row.get(1).map(String::as_str) {
        Some("NULL") => Ok(None),
        Some(number) => number.parse().map(Some).map_err(|_| wrong("CHECKSUM TABLE", &answer)),
        None => Err(wrong("CHECKSUM TABLE", &answer)),
    };
    names.into_iter().zip(&answer).map(|(name, row)| Ok((name, checksum(row)?))).collect()
}

fn directly(name: &str) -> String {
    format!("CHECKSUM TABLE {name} EXTENDED;\n")
}

/// `CHECKSUM TABLE` does not read stored generated columns but adds up whatever its row buffer holds in
/// their place (MDEV-22943): the same table has another checksum after a restart. In a copy they are plain
/// columns; virtual ones too, which are no part of a checksum otherwise.
fn by_copy(schema: &str, name: &str) -> String {
    let copy = format!("{schema}.xb_sandbox_checksum_copy");
    format!(
        "CREATE TEMPORARY TABLE {copy} ENGINE=MyISAM AS SELECT * FROM {name};\n\
         CHECKSUM TABLE {copy} EXTENDED;\n\
         DROP TEMPORARY TABLE {copy};\n"
    )
}
