//! What the headers of a tar archive say beyond their fixed fields.

/// What a `pax` header says about the next entry (POSIX.1-2001, "pax Extended Header"), and a long name of GNU tar.
#[derive(Default)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    /// Bytes in the archive, where the field of the header is too short.
    pub(super) size: Option<u64>,
}

impl Pax {
    /// Reads records `length key=value\n`, the length being that of all of it.
    pub(super) fn read(&mut self, mut records: &[u8]) -> Result<(), String> {
        while !records.is_empty() {
            let (key, value, rest) = split_record(records).ok_or("a record of its pax header is damaged")?;
            match key {
                b"path" => self.path = Some(value.to_owned()),
                b"size" => self.size = Some(decimal(value).ok_or("the size in its pax header is no number")?),
                sparse if sparse.starts_with(b"GNU.sparse.") => {
                    return Err(
                        "a file is stored sparse in the way of pax; use tar --format=gnu for that".to_owned()
                    );
                }
                _ => {}
            }
            records = rest;
        }
        Ok(())
    }
}

fn split_record(records: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let blank = records.iter().take(20).position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(records.get(..blank)?)?).ok()?;
    let record = records.get(blank + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some((record.get(..equals)?, record.get(equals + 1..)?, records.get(length..)?))
}

fn decimal(digits: &[u8]) -> Option<u64> {
    let is_decimal = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| is_decimal)?.parse().ok()
}

/// Parts of a sparse file, at most: what an xbstream may have in one chunk.
const PARTS_LIMIT: usize = 1 << 20;

/// A file larger than this is none of a server: the limit of an xbstream, too.
const SIZE_LIMIT: u64 = 1 << 48;

/// Where the content of a file belongs: offsets and lengths, in order.
pub(super) struct Sparse {
    parts: Vec<(u64, u64)>,
    end: u64,
    size: u64,
}

impl Sparse {
    /// A file of this size of which nothing is known yet.
    pub(super) fn new(size: u64) -> Self {
        Sparse { parts: Vec::new(), end: 0, size }
    }

    /// A file without holes.
    pub(super) fn whole(size: u64) -> Self {
        Sparse { parts: vec![(0, size)], end: size, size }
    }

    /// The next part.
    pub(super) fn add(&mut self, offset: u64, length: u64) -> Result<(), String> {
        let end = offset.checked_add(length).filter(|end| *end <= self.size.min(SIZE_LIMIT));
        let end = end.ok_or("a part of a sparse file lies behind its end")?;
        // GNU tar writes whole blocks but for the last part, behind which an empty one marks the end; others would
        // have to be told where padding is.
        let is_whole = length == 0 || self.parts.last().is_none_or(|(_, length)| length % 512 == 0);
        if offset < self.end || !is_whole {
            return Err("the parts of a sparse file overlap, or are none of whole blocks".to_owned());
        }
        if self.parts.len() >= PARTS_LIMIT {
            return Err(format!("a sparse file has more than {PARTS_LIMIT} parts"));
        }
        if length > 0 {
            self.parts.push((offset, length));
        }
        self.end = end;
        Ok(())
    }

    /// Holds the parts against what is stored of them.
    pub(super) fn check(&self, stored: u64) -> Result<(), String> {
        let sum: u64 = self.parts.iter().map(|(_, length)| length).sum();
        if sum != stored {
            return Err(format!("the parts of a sparse file have {sum} bytes, and {stored} are stored"));
        }
        if self.size > SIZE_LIMIT {
            return Err(format!("a sparse file of {} bytes is larger than any server's", self.size));
        }
        Ok(())
    }

    /// The size of the file, holes included.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn ends_in_hole(&self) -> bool {
        self.parts.last().is_none_or(|(offset, length)| offset + length < self.size) && self.size > 0
    }

    /// Offsets and lengths.
    pub(super) fn parts(&self) -> impl Iterator<Item = (u64, u64)> + use<> {
        self.parts.clone().into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pax_records_are_read_by_their_length() {
        let mut pax = Pax::default();
        pax.read(b"12 path=a\nb\n10 size=7\n20 mtime=1350244992\n").unwrap();
        assert_eq!((pax.path.as_deref(), pax.size), (Some(&b"a\nb"[..]), Some(7)));
        for damaged in [
            &b"12 path=a"[..],
            b"path=a\n",
            b"8 path=a\n",
            b"99999999999999999999 a=b\n",
            b"3 \n",
            b"8 size=\n",
        ] {
            assert!(Pax::default().read(damaged).is_err(), "{}", damaged.escape_ascii());
        }
    }

    #[test]
    fn the_parts_of_a_sparse_file_are_in_order_and_within_it() {
        let mut sparse = Sparse::new(5000);
        sparse.add(512, 512).unwrap();
        assert!(
            sparse.add(600, 10).is_err() && sparse.add(4999, 2).is_err() && sparse.add(u64::MAX, 2).is_err()
        );
        sparse.add(2048, 100).unwrap();
        assert!(sparse.add(3000, 1).is_err(), "behind a part that is no whole block");
        assert!(sparse.check(612).is_ok() && sparse.check(611).is_err());
        assert!(sparse.ends_in_hole() && Sparse::new(9).ends_in_hole() && !Sparse::whole(0).ends_in_hole());
    }
}
