//! `xtrabackup_galera_info`: where a node of a Galera cluster stood.

use xb_core::GtidSet;

use super::MetaError;

const FILE: &str = "xtrabackup_galera_info";

/// The file: `uuid:seqno`, and from MariaDB also a GTID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GaleraInfo {
    /// The cluster's history.
    pub uuid: String,
    /// The last write set; −1 when the node did not know.
    pub seqno: i64,
    /// MariaDB's GTID.
    pub gtid: Option<GtidSet>,
    /// What else stands there, when it is not understood.
    pub rest: Option<String>,
}

impl GaleraInfo {
    /// Reads the file.
    ///
    /// # Errors
    /// When it does not begin with a UUID and a number.
    pub fn parse(text: &str) -> Result<Self, MetaError> {
        let wrong = || MetaError::new(FILE, 1, text, "expected uuid:number, and perhaps a GTID");
        let text = text.trim();
        let (state, behind) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let (uuid, seqno) = state.split_once(':').filter(|(uuid, _)| is_uuid(uuid)).ok_or_else(wrong)?;
        let seqno = seqno.parse().map_err(|_| wrong())?;
        let behind = behind.trim();
        let gtid = if behind.is_empty() { None } else { behind.parse().ok() };
        let rest = (gtid.is_none() && !behind.is_empty()).then(|| behind.to_owned());
        Ok(GaleraInfo { uuid: uuid.to_owned(), seqno, gtid, rest })
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "f533eab1-e680-11f1-bdf8-02fc00000001";

    #[test]
    fn the_state_is_read_with_and_without_gtid() {
        let read = |tail: &str| GaleraInfo::parse(&format!("{UUID}:{tail}")).unwrap();
        assert_eq!(read("1234\n").seqno, 1234);
        assert_eq!((read("-1").seqno, read("-1").uuid), (-1, UUID.to_owned()));
        assert_eq!(read("12 0-1-99\n").gtid, "0-1-99".parse().ok());
        assert_eq!((read("12 7\n").gtid, read("12 7\n").rest.as_deref()), (None, Some("7")));
    }

    #[test]
    fn what_is_no_state_is_refused() {
        for text in ["", "abc:1", UUID, &format!("{UUID}:"), &format!("{UUID}:x")] {
            assert!(GaleraInfo::parse(text).is_err(), "{text:?}");
        }
    }
}
