//! Paths of what archives hold: relative, without a way out.
//!
//! xbstream stores whole paths, qpress one component at a time; both come out as a [`StreamPath`], so that
//! who writes files has one rule to rely on.

use std::ffi::OsStr;
use std::fmt::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

/// The longest path a reader takes, in bytes: that of xbstream, whose writers let 512 through, which every
/// known reader refuses.
pub const PATH_LIMIT: usize = 511;

/// The longest component most file systems take.
pub(crate) const COMPONENT_LIMIT: usize = 255;

/// The path of a member, checked: relative, no component empty, `.` or `..`, no NUL byte.
///
/// Bytes in no declared charset; [`Display`](fmt::Display) escapes what a terminal could act on. Cloning is
/// cheap. Two paths that differ in a leading `./` only are equal, because it is dropped.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamPath(Arc<[u8]>);

/// The bytes are no path a member may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing is left of it.
    #[error("the path is empty")]
    Empty,
    /// Above [`PATH_LIMIT`].
    #[error("the path has {length} bytes, at most {PATH_LIMIT} are allowed")]
    TooLong {
        /// Its length in bytes.
        length: u64,
    },
    /// A NUL byte would cut the name short in every system call.
    #[error("the path has a NUL byte in it")]
    Nul,
    /// An empty component (`a//b`, or a slash at the end) or the component `.` behind the beginning.
    #[error("the path has an empty component or the component \".\"")]
    Component,
    /// A component above 255 bytes.
    #[error("the path has a component of {length} bytes, file systems take 255")]
    LongComponent {
        /// Its length in bytes.
        length: usize,
    },
    /// It begins with a slash.
    #[error("the path is absolute")]
    Absolute,
    /// It has the component `..`.
    #[error("the path has the component \"..\", which leads out of the target")]
    Parent,
    /// What has to be a single component has a slash or a backslash in it.
    #[error("the name has a separator in it, which can lead out of the target")]
    Separator,
}

impl PathError {
    /// Whether the path would lead out of the directory it is extracted to, a sign of malice.
    #[must_use]
    pub fn escapes(&self) -> bool {
        matches!(self, PathError::Absolute | PathError::Parent | PathError::Separator)
    }
}

impl StreamPath {
    /// Checks a path as it is stored. A leading `./` is dropped: innobackupex 2.2 stores `./name`.
    ///
    /// # Errors
    /// What is wrong with the path.
    pub fn new(stored: &[u8]) -> Result<Self, PathError> {
        if stored.len() > PATH_LIMIT {
            return Err(PathError::TooLong { length: stored.len() as u64 });
        }
        let mut path = stored;
        while let Some(rest) = path.strip_prefix(b"./") {
            path = rest;
        }
        match path.first() {
            None => return Err(PathError::Empty),
            Some(b'/') => return Err(PathError::Absolute),
            Some(_) => {}
        }
        let mut verdict = if path.contains(&0) { Err(PathError::Nul) } else { Ok(()) };
        for component in path.split(|byte| *byte == b'/') {
            match component {
                b".." => return Err(PathError::Parent),
                b"" | b"." => verdict = verdict.and(Err(PathError::Component)),
                long if long.len() > COMPONENT_LIMIT => {
                    verdict = verdict.and(Err(PathError::LongComponent { length: long.len() }));
                }
                _ => {}
            }
        }
        verdict.map(|()| StreamPath(Arc::from(path)))
    }

    /// The path of what has this name in a directory; nothing stands for the directory all paths are in. The
    /// name is one component: unlike in [`StreamPath::new`], no `./` is dropped.
    ///
    /// # Errors
    /// What is wrong with the name, or with the path as a whole.
    pub fn child(parent: Option<&StreamPath>, name: &[u8]) -> Result<Self, PathError> {
        match name {
            b"" => return Err(PathError::Empty),
            b".." => return Err(PathError::Parent),
            b"." => return Err(PathError::Component),
            _ if name.iter().any(|byte| matches!(byte, b'/' | b'\\')) => return Err(PathError::Separator),
            _ => {}
        }
        let mut path = parent.map_or_else(Vec::new, |parent| [parent.as_bytes(), b"/"].concat());
        path.extend_from_slice(name);
        StreamPath::new(&path)
    }

    /// The bytes, without a leading `./`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path, to be resolved below a directory. Symbolic links that already stand there are not its
    /// business: who opens it must not follow them.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// The last component.
    #[must_use]
    pub fn file_name(&self) -> &[u8] {
        self.0.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
    }
}

impl fmt::Display for StreamPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&escape(&self.0))
    }
}

impl fmt::Debug for StreamPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", escape(&self.0))
    }
}

/// Bytes as text that a terminal shows and does not obey. Not cut: a path has at most [`PATH_LIMIT`] bytes.
/// The bytes of a name, fit for a terminal: what cannot be shown is escaped.
#[must_use]
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for part in bytes.utf8_chunks() {
        for letter in part.valid().chars() {
            match letter {
                '\'' | '"' => text.push(letter),
                other => text.extend(other.escape_debug()),
            }
        }
        for byte in part.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(b"ibdata1", "ibdata1")]
    #[case(b"./shop/db.opt", "shop/db.opt")]
    #[case(b"././a", "a")]
    #[case(b".hidden", ".hidden")]
    #[case(b"...", "...")]
    #[case(b"a..b/..c", "a..b/..c")]
    fn relative_paths_are_taken_without_their_leading_dot(#[case] stored: &[u8], #[case] path: &str) {
        let read = StreamPath::new(stored).unwrap();
        assert_eq!(read.as_bytes(), path.as_bytes());
        assert_eq!(read.as_path(), Path::new(path));
    }

    #[rstest]
    #[case(b"", PathError::Empty)]
    #[case(b"./", PathError::Empty)]
    #[case(b".", PathError::Component)]
    #[case(b"a/", PathError::Component)]
    #[case(b"a//b", PathError::Component)]
    #[case(b"a/./b", PathError::Component)]
    #[case(b"a\0b", PathError::Nul)]
    #[case(b"/etc/passwd", PathError::Absolute)]
    #[case(b".//etc/passwd", PathError::Absolute)]
    #[case(b"..", PathError::Parent)]
    #[case(b"./../a", PathError::Parent)]
    #[case(b"a/../../b", PathError::Parent)]
    #[case(b"a\0/../b", PathError::Parent)]
    fn every_other_path_is_refused(#[case] stored: &[u8], #[case] error: PathError) {
        assert_eq!(StreamPath::new(stored), Err(error));
        assert_eq!(error.escapes(), matches!(error, PathError::Absolute | PathError::Parent));
    }

    #[test]
    fn a_child_is_one_component_below_its_parent() {
        let shop = StreamPath::child(None, b"shop").unwrap();
        assert_eq!(StreamPath::child(Some(&shop), b"..a.ibd").unwrap().as_bytes(), b"shop/..a.ibd");
        for (name, error) in [
            (&b""[..], PathError::Empty),
            (b".", PathError::Component),
            (b"..", PathError::Parent),
            (b"./a", PathError::Separator),
            (b"/a", PathError::Separator),
            (b"..\\a", PathError::Separator),
            (b"a\0b", PathError::Nul),
            (&[b'n'; 256], PathError::LongComponent { length: 256 }),
        ] {
            assert_eq!(StreamPath::child(None, name), Err(error), "{name:?}");
            assert_eq!(StreamPath::child(Some(&shop), name), Err(error), "{name:?}");
        }
    }

    #[test]
    fn lengths_are_limited_as_all_readers_limit_them() {
        let mut stored = vec![b'd'; 255];
        stored.push(b'/');
        stored.extend([b'n'; 255]);
        assert_eq!(StreamPath::new(&stored).map(|p| p.as_bytes().len()), Ok(511));
        stored.insert(255, b'd');
        assert_eq!(StreamPath::new(&stored), Err(PathError::TooLong { length: 512 }));
        assert_eq!(StreamPath::new(&[b'd'; 256]), Err(PathError::LongComponent { length: 256 }));
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        let path = StreamPath::new(b"na\xc3\xafve \x1b[31m\xff\n'\"").unwrap();
        assert_eq!(path.to_string(), "naïve \\u{1b}[31m\\xff\\n'\"");
    }

    #[test]
    fn the_file_name_is_the_last_component() {
        assert_eq!(StreamPath::new(b"a/b.ibd").unwrap().file_name(), b"b.ibd");
        assert_eq!(StreamPath::new(b"ibdata1").unwrap().file_name(), b"ibdata1");
    }
}
