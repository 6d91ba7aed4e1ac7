//! `xtrabackup_binlog_info`: where the server's binary log stood when the backup was complete.

use xb_core::{BinlogCoord, BinlogName, GtidSet};

use super::MetaError;

const FILE: &str = "xtrabackup_binlog_info";

/// A place in the binary log, by coordinate, by GTID or by both; by neither when the server had no log.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct BinlogInfo {
    /// File and position.
    pub coord: Option<BinlogCoord>,
    /// What had been executed.
    pub gtid: Option<GtidSet>,
}

impl BinlogInfo {
    /// Reads the file: `file TAB position [TAB gtid]`. Four shapes of it exist:
    ///
    /// * XtraBackup 2.0 leaves two empty columns behind the position;
    /// * 2.2.10 and 2.3 alpha write, where the server has GTIDs, the GTID set and nothing else;
    /// * a long GTID set goes on over several lines;
    /// * MariaDB may write several records, all but the last with `[]` as GTID: the last one counts.
    ///
    /// # Errors
    /// When a record is neither a coordinate nor a GTID set. A file without any record is no error.
    pub fn parse(text: &str) -> Result<Self, MetaError> {
        let mut last: Option<(usize, BinlogInfo, String)> = None;
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            match (record(line), &mut last) {
                (Some((coord, gtid)), _) => {
                    let info = BinlogInfo { coord: Some(coord), gtid: None };
                    last = Some((index + 1, info, gtid.to_owned()));
                }
                (None, Some((_, _, gtid))) => gtid.push_str(line),
                (None, None) => last = Some((index + 1, BinlogInfo::default(), line.to_owned())),
            }
        }
        let Some((line, mut info, gtid)) = last else { return Ok(BinlogInfo::default()) };
        info.gtid = match gtid.trim() {
            "" | "[]" => None,
            set => Some(set.parse().map_err(|_| {
                MetaError::new(FILE, line, set, "expected a binary log, a position and perhaps a GTID set")
            })?),
        };
        Ok(info)
    }
}

/// The coordinate at the beginning of a record, and what follows it.
fn record(line: &str) -> Option<(BinlogCoord, &str)> {
    let (file, rest) = line.split_once('\t')?;
    let (position, gtid) = rest.split_once('\t').unwrap_or((rest, ""));
    let file: BinlogName = file.parse().ok()?;
    let position = position.trim().parse().ok()?;
    Some((BinlogCoord { file, position }, gtid))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-3";
    const B: &str = "f533eab1-e680-11f1-bdf8-02fc00000001:1-9";

    #[rstest]
    #[case("", "", "")]
    #[case("\n", "", "")]
    #[case("mysql-bin.000005\t120\n", "mysql-bin.000005:120", "")]
    #[case("mysql-bin.000005\t120\t\t\n", "mysql-bin.000005:120", "")]
    #[case("mysql-bin.000005\t120\t\r\n", "mysql-bin.000005:120", "")]
    #[case("db-bin.000001\t344\t0-1-5\n", "db-bin.000001:344", "0-1-5")]
    #[case("b.000001\t1\t[]\nb.000002\t2\t[]\nb.000003\t3\t0-1-7\n", "b.000003:3", "0-1-7")]
    #[case("b.000001\t1\t0-1-7\nb.000002\t2\t[]\n", "b.000002:2", "")]
    fn records_of_all_versions_are_read(#[case] text: &str, #[case] coord: &str, #[case] gtid: &str) {
        let info = BinlogInfo::parse(text).unwrap();
        assert_eq!(info.coord.map(|c| c.to_string()).unwrap_or_default(), coord);
        assert_eq!(info.gtid.map(|g| g.to_string()).unwrap_or_default(), gtid);
    }

    #[test]
    fn gtid_sets_may_span_lines_and_may_stand_alone() {
        let set: Option<GtidSet> = format!("{A},{B}").parse().ok();
        let spanning = BinlogInfo::parse(&format!("binlog.000009\t197\t{A},\n{B}\n")).unwrap();
        assert_eq!((spanning.coord.map(|c| c.position), spanning.gtid), (Some(197), set.clone()));
        let alone = BinlogInfo::parse(&format!("{A},\n{B}\n")).unwrap();
        assert_eq!(alone, BinlogInfo { coord: None, gtid: set });
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in ["mysql-bin.000005 120\n", "mysql-bin.000005\tx\n", "b.000001\t1\t0-1\n", "None\n"] {
            assert!(BinlogInfo::parse(text).is_err(), "{text:?}");
        }
    }
}
