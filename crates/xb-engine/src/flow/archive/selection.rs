//! Which files of an archive are wanted: paths and globs, and which of them meant anything.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use globset::{GlobBuilder, GlobMatcher};
use xb_formats::archive::MemberLayers;
use xb_formats::path::StreamPath;

use super::refusal::ArchiveRefusal;

/// So many paths are proposed in place of one that is not there.
const PROPOSED: usize = 3;
/// Below this, one path is no slip of the pen for another.
const LIKENESS: f64 = 0.75;

/// The patterns of a run.
pub(super) struct Selection {
    patterns: Vec<Pattern>,
    /// Whether paths come as they are stored, with the suffixes of packed files.
    as_stored: bool,
}

struct Pattern {
    text: String,
    /// The pattern as a path, without what only decorates it.
    literal: String,
    glob: GlobMatcher,
    met: AtomicBool,
    nearest: Mutex<Nearest>,
}

impl Selection {
    /// Reads patterns; none at all mean every file. `as_stored`: paths come with the suffixes of packed files,
    /// and are meant with and without them.
    pub(super) fn new(patterns: &[String], as_stored: bool) -> Result<Self, ArchiveRefusal> {
        let patterns = patterns.iter().map(|text| Pattern::new(text)).collect::<Result<_, _>>()?;
        Ok(Selection { patterns, as_stored })
    }

    /// Whether everything is wanted.
    pub(super) fn is_all(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether a file or directory is wanted, or one that it is in.
    pub(super) fn wants(&self, path: &StreamPath) -> bool {
        let stored = path.as_bytes();
        let forms = [stored, if self.as_stored { without_packing(stored) } else { stored }];
        // Every pattern is asked, so that each knows whether it meant anything.
        let is_met = |pattern: &&Pattern| {
            let is_met = forms.iter().any(|form| pattern.means(form));
            pattern.note(is_met, path);
            is_met
        };
        self.patterns.iter().filter(is_met).count() > 0
    }

    /// Refuses when there are patterns that meant nothing. `left_in`: where the others were written to.
    pub(super) fn check(self, archive: &Path, left_in: Option<&Path>) -> Result<(), ArchiveRefusal> {
        let is_alone = |pattern: &Pattern| !pattern.met.load(Ordering::Relaxed);
        let others = self.patterns.iter().any(|pattern| !is_alone(pattern));
        let alone: Vec<Pattern> = self.patterns.into_iter().filter(is_alone).collect();
        if alone.is_empty() {
            return Ok(());
        }
        let patterns = alone.iter().map(|pattern| pattern.text.clone()).collect();
        let nearest = alone.into_iter().flat_map(|pattern| {
            pattern.nearest.into_inner().unwrap_or_else(PoisonError::into_inner).into_paths()
        });
        let (archive, nearest) = (archive.to_owned(), nearest.collect());
        let left_in = left_in.filter(|_| others).map(PathBuf::from);
        Err(ArchiveRefusal::NoMatch { archive, patterns, nearest, left_in })
    }
}

impl Pattern {
    fn new(text: &str) -> Result<Self, ArchiveRefusal> {
        let refuse = |reason: String| ArchiveRefusal::Pattern { pattern: text.to_owned(), reason };
        let mut literal = text.trim_end_matches('/');
        while let Some(rest) = literal.strip_prefix("./") {
            literal = rest;
        }
        if literal.is_empty() {
            return Err(refuse("it is empty".to_owned()));
        }
        let glob = GlobBuilder::new(literal).literal_separator(true).backslash_escape(true).build();
        let glob = glob.map_err(|error| refuse(error.kind().to_string()))?.compile_matcher();
        let nearest = Mutex::new(Nearest::new(literal));
        let (text, literal) = (text.to_owned(), literal.to_owned());
        Ok(Pattern { text, literal, glob, met: AtomicBool::new(false), nearest })
    }

    /// Whether it means a path or a directory that this is in.
    fn means(&self, bytes: &[u8]) -> bool {
        let slashes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        let mut prefixes = slashes.chain([bytes.len()]).filter_map(|end| bytes.get(..end));
        prefixes.any(|prefix| {
            prefix == self.literal.as_bytes() || self.glob.is_match(Path::new(OsStr::from_bytes(prefix)))
        })
    }

    /// Keeps in mind that it meant something, or else what it might have meant.
    fn note(&self, is_met: bool, path: &StreamPath) {
        if is_met {
            self.met.store(true, Ordering::Relaxed);
        } else if !self.met.load(Ordering::Relaxed) {
            self.nearest.lock().unwrap_or_else(PoisonError::into_inner).consider(&path.to_string());
        }
    }
}

/// A path without the suffixes of a file that is packed by itself.
fn without_packing(path: &[u8]) -> &[u8] {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    let (inner, _) = MemberLayers::split(name);
    let cut = path.len() - (name.len() - inner.len());
    path.get(..cut).filter(|_| !inner.is_empty()).unwrap_or(path)
}

/// The paths that are most like one that is not there.
pub(super) struct Nearest {
    wanted: String,
    found: Vec<(f64, String)>,
}

impl Nearest {
    pub(super) fn new(wanted: &str) -> Self {
        Nearest { wanted: wanted.to_owned(), found: Vec::new() }
    }

    pub(super) fn consider(&mut self, path: &str) {
        let likeness = self.likeness(path);
        let is_known = self.found.iter().any(|(_, known)| known == path);
        if likeness < LIKENESS || is_known {
            return;
        }
        self.found.push((likeness, path.to_owned()));
        self.found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        self.found.truncate(PROPOSED);
    }

    /// From 0 to 1. What was given without its directory is as good as found.
    fn likeness(&self, path: &str) -> f64 {
        let name = |path: &str| path.rsplit('/').next().map(str::to_lowercase).unwrap_or_default();
        let whole = strsim::jaro_winkler(&self.wanted.to_lowercase(), &path.to_lowercase());
        let (wanted, found) = (name(&self.wanted), name(path));
        // Names that end alike are nothing special: most files of a backup have one of three endings.
        let alone =
            if wanted == found { 0.99 } else { strsim::normalized_damerau_levenshtein(&wanted, &found) };
        if self.wanted.contains('/') && wanted != found { whole } else { whole.min(0.98).max(alone) }
    }

    pub(super) fn into_paths(self) -> Vec<String> {
        self.found.into_iter().map(|(_, path)| path).collect()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const PATHS: [&str; 6] = [
        "ibdata1",
        "shop/customers.ibd",
        "shop/orders.ibd",
        "shop/a[1].ibd",
        "shop_old/x.ibd",
        "xtrabackup_info",
    ];

    fn selection(patterns: &[&str], as_stored: bool) -> Selection {
        let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        Selection::new(&patterns, as_stored).unwrap()
    }

    fn taken(selection: &Selection) -> Vec<&'static str> {
        PATHS.into_iter().filter(|path| selection.wants(&StreamPath::new(path.as_bytes()).unwrap())).collect()
    }

    #[rstest]
    #[case("ibdata1", &["ibdata1"])]
    #[case("./ibdata1", &["ibdata1"])]
    #[case("shop", &["shop/customers.ibd", "shop/orders.ibd", "shop/a[1].ibd"])]
    #[case("shop/", &["shop/customers.ibd", "shop/orders.ibd", "shop/a[1].ibd"])]
    #[case("shop/*", &["shop/customers.ibd", "shop/orders.ibd", "shop/a[1].ibd"])]
    #[case("shop/a[1].ibd", &["shop/a[1].ibd"])]
    #[case("*.ibd", &[])]
    #[case("*/*.ibd", &["shop/customers.ibd", "shop/orders.ibd", "shop/a[1].ibd", "shop_old/x.ibd"])]
    #[case("**/x.ibd", &["shop_old/x.ibd"])]
    #[case("sho?/{orders,x}.ibd", &["shop/orders.ibd"])]
    #[case("*", &PATHS)]
    fn a_pattern_takes_what_a_shell_would_and_all_below(#[case] pattern: &str, #[case] wanted: &[&str]) {
        assert_eq!(taken(&selection(&[pattern], false)), wanted);
    }

    #[test]
    fn where_files_are_left_as_they_are_both_their_paths_are_understood() {
        let stored = StreamPath::new(b"shop/orders.ibd.qp.xbcrypt").unwrap();
        for pattern in ["shop/orders.ibd.qp.xbcrypt", "shop/orders.ibd", "shop/*.ibd", "shop/*.qp.*", "shop"]
        {
            assert!(selection(&[pattern], true).wants(&stored), "{pattern}");
        }
        assert!(!selection(&["shop/orders.ibd"], false).wants(&stored));
        assert_eq!(without_packing(b"a/.qp"), b"a/.qp");
    }

    #[test]
    fn a_pattern_that_meant_nothing_is_told_with_what_it_might_have_meant() {
        let selection = selection(&["shop", "customer.ibd"], false);
        assert_eq!(taken(&selection).len(), 3);
        let error = selection.check(Path::new("a.xbs"), Some(Path::new("/to"))).unwrap_err();
        let (archive, left_in) = (PathBuf::from("a.xbs"), Some(PathBuf::from("/to")));
        let (patterns, nearest) = (vec!["customer.ibd".to_owned()], vec!["shop/customers.ibd".to_owned()]);
        assert_eq!(error.to_string(), "a.xbs has nothing that \"customer.ibd\" means");
        assert_eq!(error, ArchiveRefusal::NoMatch { archive, patterns, nearest, left_in });
    }

    #[rstest]
    #[case("")]
    #[case("/")]
    #[case("a[")]
    fn a_pattern_without_sense_is_refused(#[case] pattern: &str) {
        assert!(Selection::new(&[pattern.to_owned()], false).is_err(), "{pattern}");
    }

    #[rstest]
    #[case("customers.ibd", &["shop/customers.ibd"])]
    #[case("shop/costumers.ibd", &["shop/customers.ibd"])]
    #[case("xtrabackup_inof", &["xtrabackup_info"])]
    #[case("IBDATA1", &["ibdata1"])]
    #[case("nothing/like.it", &[])]
    fn what_is_most_like_a_path_is_proposed(#[case] wanted: &str, #[case] proposed: &[&str]) {
        let mut nearest = Nearest::new(wanted);
        PATHS.iter().for_each(|path| nearest.consider(path));
        let found = nearest.into_paths();
        assert!(
            found.len() <= PROPOSED
                && found.starts_with(&proposed.iter().map(ToString::to_string).collect::<Vec<_>>()),
            "{found:?}"
        );
        assert!(!proposed.is_empty() || found.is_empty(), "{found:?}");
    }
}
