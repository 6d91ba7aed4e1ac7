//! Whether a server's log goes on where an epoch ends, although it is not the same log: another server that
//! took over, or one whose logs have another name now. GTIDs are what both have in common.

use xb_core::gtid::GtidSet;

/// Whether a server has every transaction that is in `archived`, and as the same transaction. `state` is what
/// it says: `gtid_executed` of MySQL, `gtid_binlog_state` of MariaDB, which has the last of each server in
/// each domain.
pub(super) fn has_all(archived: &GtidSet, state: &str) -> bool {
    match archived {
        GtidSet::MySql(own) => {
            state.parse().is_ok_and(|server: xb_core::gtid::MysqlGtidSet| server.includes(own))
        }
        GtidSet::MariaDb(own) => {
            let own = own.to_string();
            let mut all = own.split(',').filter_map(parts);
            all.all(|(domain, server, sequence)| {
                // A number alone does not do: after a failover that lost something, the same numbers stand
                // for other transactions, of another server.
                state
                    .split(',')
                    .filter_map(|element| parts(element.trim()))
                    .any(|has| has.0 == domain && has.1 == server && has.2 >= sequence)
            })
        }
    }
}

fn parts(element: &str) -> Option<(u32, u32, u64)> {
    let mut parts = element.split('-');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(archived: &str, state: &str) -> bool {
        has_all(&archived.parse().unwrap(), state)
    }

    #[test]
    fn a_server_with_the_same_numbers_of_another_origin_has_other_transactions() {
        assert!(has("0-1-100", "0-1-100"));
        assert!(has("0-1-100,1-1-7", "0-1-105,0-2-110,1-1-7"));
        assert!(!has("0-1-100", "0-1-95,0-2-110"));
        assert!(!has("0-1-100,1-1-7", "0-1-105"));
        assert!(!has("0-1-100", ""));
    }

    #[test]
    fn sets_of_mysql_are_compared_as_sets() {
        let uuid = "96652f25-e6dd-11f1-b128-02fc00000001";
        assert!(has(&format!("{uuid}:1-5"), &format!("{uuid}:1-9")));
        assert!(!has(&format!("{uuid}:1-5"), &format!("{uuid}:1-3:5-9")));
        assert!(!has(&format!("{uuid}:1-5"), "no set"));
    }
}
