//! MySQL's GTID sets: `uuid:1-5:8,uuid:tag:1-3`, intervals of transaction numbers per source (and tag,
//! from MySQL 8.3 on).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ParseGtidError;

/// Closed intervals of transaction numbers, sorted, disjoint and not adjacent.
type Intervals = Vec<(u64, u64)>;

/// A set of transactions, by source and tag.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MysqlGtidSet {
    /// (UUID in lower case, tag or empty) → intervals.
    sources: BTreeMap<(String, String), Intervals>,
}

impl MysqlGtidSet {
    /// Whether no transaction is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Whether every transaction of `other` is also in here.
    #[must_use]
    pub fn includes(&self, other: &MysqlGtidSet) -> bool {
        other.sources.iter().all(|(source, wanted)| {
            let own = self.sources.get(source).map_or(&[][..], Vec::as_slice);
            wanted.iter().all(|(first, last)| own.iter().any(|(a, b)| a <= first && last <= b))
        })
    }

    /// Every source: its UUID, its tag (empty without one) and its intervals, which are closed, sorted and
    /// neither overlap nor touch.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &[(u64, u64)])> {
        self.sources
            .iter()
            .map(|((uuid, tag), intervals)| (uuid.as_str(), tag.as_str(), intervals.as_slice()))
    }

    /// How many transactions are in it.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.sources.values().flatten().map(|(first, last)| last - first + 1).sum()
    }

    /// Whether the transaction of this number is in it. UUID and tag in lower case.
    #[must_use]
    pub fn contains(&self, uuid: &str, tag: &str, number: u64) -> bool {
        let intervals = self.sources.get(&(uuid.to_owned(), tag.to_owned()));
        intervals.is_some_and(|intervals| intervals.iter().any(|(a, b)| (*a..=*b).contains(&number)))
    }

    /// Adds a transaction. UUID and tag in lower case, the number from 1 on.
    pub fn insert(&mut self, uuid: &str, tag: &str, number: u64) {
        let intervals = self.sources.entry((uuid.to_owned(), tag.to_owned())).or_default();
        match intervals.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => {
                intervals.push((number, number));
                normalise(intervals);
            }
        }
    }

    /// What is in one of the two.
    #[must_use]
    pub fn union(&self, other: &MysqlGtidSet) -> MysqlGtidSet {
        let mut sources = self.sources.clone();
        for (source, intervals) in &other.sources {
            let own = sources.entry(source.clone()).or_default();
            own.extend(intervals);
            normalise(own);
        }
        MysqlGtidSet { sources }
    }

    /// What is in here and not in `other`.
    #[must_use]
    pub fn minus(&self, other: &MysqlGtidSet) -> MysqlGtidSet {
        let left = self.sources.iter().filter_map(|(source, intervals)| {
            let gone = other.sources.get(source).map_or(&[][..], Vec::as_slice);
            let left = gone.iter().fold(intervals.clone(), |left, gone| without(&left, *gone));
            (!left.is_empty()).then(|| (source.clone(), left))
        });
        MysqlGtidSet { sources: left.collect() }
    }

    /// Whether some transaction is in both.
    #[must_use]
    pub fn intersects(&self, other: &MysqlGtidSet) -> bool {
        self.sources.iter().any(|(source, own)| {
            let others = other.sources.get(source).map_or(&[][..], Vec::as_slice);
            own.iter().any(|(a, b)| others.iter().any(|(c, d)| a <= d && c <= b))
        })
    }
}

/// Intervals without what lies in another one.
fn without(intervals: &[(u64, u64)], (from, to): (u64, u64)) -> Intervals {
    let cut = |&(first, last): &(u64, u64)| {
        let before = (first < from).then(|| (first, last.min(from - 1)));
        let behind = (last > to).then(|| (first.max(to + 1), last));
        [before, behind].into_iter().flatten()
    };
    intervals.iter().flat_map(cut).collect()
}

impl fmt::Display for MysqlGtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        let mut previous: Option<&str> = None;
        for ((uuid, tag), intervals) in &self.sources {
            if previous != Some(uuid) {
                text.push_str(if previous.is_some() { "," } else { "" });
                text.push_str(uuid);
            }
            previous = Some(uuid);
            if !tag.is_empty() {
                text.push(':');
                text.push_str(tag);
            }
            for (first, last) in intervals {
                text.push_str(&if first == last { format!(":{first}") } else { format!(":{first}-{last}") });
            }
        }
        f.pad(&text)
    }
}

impl FromStr for MysqlGtidSet {
    type Err = ParseGtidError;

    /// White space and line breaks anywhere between elements are allowed: servers print long sets over
    /// several lines.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut sources: BTreeMap<(String, String), Intervals> = BTreeMap::new();
        for element in text.split(',').map(str::trim).filter(|e| !e.is_empty()) {
            let mut parts = element.split(':').map(str::trim);
            let uuid = parts.next().filter(|u| is_uuid(u));
            let uuid = uuid.ok_or_else(|| ParseGtidError::new(text, "expected a UUID"))?.to_ascii_lowercase();
            let mut tag = String::new();
            let mut seen = false;
            for part in parts {
                if is_tag(part) {
                    tag = part.to_ascii_lowercase();
                    continue;
                }
                let interval = parse_interval(part)
                    .ok_or_else(|| ParseGtidError::new(text, "expected an interval such as 1-5"))?;
                sources.entry((uuid.clone(), tag.clone())).or_default().push(interval);
                seen = true;
            }
            if !seen {
                return Err(ParseGtidError::new(text, "a UUID without an interval"));
            }
        }
        sources.values_mut().for_each(normalise);
        Ok(MysqlGtidSet { sources })
    }
}

pub(super) fn is_uuid(text: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    let mut groups = text.split('-');
    lengths
        .iter()
        .all(|n| groups.next().is_some_and(|g| g.len() == *n && g.bytes().all(|b| b.is_ascii_hexdigit())))
        && groups.next().is_none()
}

/// A tag begins with a letter or underscore and has at most 32 of letters, digits and underscores.
pub(super) fn is_tag(text: &str) -> bool {
    text.len() <= 32
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn parse_interval(text: &str) -> Option<(u64, u64)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (1 <= first && first <= last && last < i64::MAX as u64).then_some((first, last))
}

/// Sorts intervals and joins those that overlap or touch.
fn normalise(intervals: &mut Intervals) {
    intervals.sort_unstable();
    let mut joined: Intervals = Vec::with_capacity(intervals.len());
    for &(first, last) in intervals.iter() {
        match joined.last_mut() {
            Some(previous) if first <= previous.1 + 1 => previous.1 = previous.1.max(last),
            _ => joined.push((first, last)),
        }
    }
    *intervals = joined;
}

impl TryFrom<String> for MysqlGtidSet {
    type Error = ParseGtidError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<MysqlGtidSet> for String {
    fn from(set: MysqlGtidSet) -> String {
        set.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "3E11FA47-71CA-11E1-9E33-C80AA9429562";
    const B: &str = "f533eab1-e680-11f1-bdf8-02fc00000001";

    fn set(text: &str) -> MysqlGtidSet {
        text.parse().unwrap()
    }

    #[test]
    fn spellings_of_one_set_are_equal() {
        assert_eq!(set(&format!("{A}:1-3:4-5:9,\n {B}:7")), set(&format!("{B}:7, {A}:9:1-5")));
        assert_eq!(set(&format!("{A}:1-3:3-9")).to_string(), format!("{}:1-9", A.to_lowercase()));
    }

    #[test]
    fn tags_are_sources_of_their_own() {
        let tagged = set(&format!("{B}:1-5:backup:1-2"));
        assert_eq!(tagged.to_string(), format!("{B}:1-5:backup:1-2"));
        assert!(tagged.includes(&set(&format!("{B}:backup:2"))));
        assert!(!tagged.includes(&set(&format!("{B}:backup:3"))));
    }

    #[test]
    fn inclusion_is_by_transaction() {
        let all = set(&format!("{A}:1-10:20-30"));
        assert!(all.includes(&set(&format!("{A}:2-9:25"))));
        assert!(!all.includes(&set(&format!("{A}:9-20"))));
        assert!(!all.includes(&set(&format!("{B}:1"))));
        assert!(all.includes(&set("")));
    }

    #[test]
    fn what_is_no_set_is_refused() {
        for text in [
            "abc",
            "abc:1",
            A,
            &format!("{A}:0"),
            &format!("{A}:5-1"),
            &format!("{A}:1-99999999999999999999"),
        ] {
            assert!(text.parse::<MysqlGtidSet>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn sets_are_joined_and_taken_from_one_another() {
        let (a, b) = (set(&format!("{A}:1-10:20,{B}:1")), set(&format!("{A}:4-5:9-20,{B}:tag:1")));
        assert_eq!(a.union(&b), set(&format!("{A}:1-20,{B}:1:tag:1")));
        assert_eq!(a.minus(&b), set(&format!("{A}:1-3:6-8,{B}:1")));
        assert_eq!(b.minus(&a), set(&format!("{A}:11-19,{B}:tag:1")));
        assert_eq!(a.minus(&a), MysqlGtidSet::default());
        assert_eq!((a.count(), b.count()), (12, 15));
    }

    #[test]
    fn sets_intersect_when_they_share_a_transaction() {
        let a = set(&format!("{A}:1-10"));
        assert!(a.intersects(&set(&format!("{A}:10-12"))) && a.intersects(&set(&format!("{A}:3"))));
        assert!(!a.intersects(&set(&format!("{A}:11"))) && !a.intersects(&set(&format!("{A}:t:1"))));
        assert!(!a.intersects(&MysqlGtidSet::default()));
    }

    #[test]
    fn transactions_are_added_in_any_order() {
        let mut all = MysqlGtidSet::default();
        for number in [1, 2, 7, 5, 3, 6, 3] {
            all.insert(B, "", number);
        }
        assert_eq!(all.to_string(), format!("{B}:1-3:5-7"));
        assert!(all.contains(B, "", 6) && !all.contains(B, "", 4) && !all.contains(B, "t", 6));
        let sources: Vec<_> = all.iter().collect();
        assert_eq!(sources, [(B, "", &[(1, 3), (5, 7)][..])]);
    }
}
