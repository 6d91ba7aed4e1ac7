//! What becomes of an archive that is damaged.

use std::path::Path;

use super::{Tree, extract_into, in_parallel, read_tree, scratch};
use xb_pipeline::extract::{ExtractError, Wanted};
use xb_pipeline::keys::Keys;

/// How the extraction of a damaged archive ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With an error.
    Refused,
    /// All files came out as they were.
    Same,
    /// The same contents came out, a file under another name or an empty one not at all.
    OtherName,
    /// A file came out changed, or is missing.
    Changed,
}

/// How many of the damages of one archive ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub refused: usize,
    pub same: usize,
    pub other_name: usize,
    pub changed: usize,
}

impl Counts {
    pub fn add(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Refused => &mut self.refused,
            Outcome::Same => &mut self.same,
            Outcome::OtherName => &mut self.other_name,
            Outcome::Changed => &mut self.changed,
        } += 1;
    }

    pub fn sum(self, other: Counts) -> Counts {
        Counts {
            refused: self.refused + other.refused,
            same: self.same + other.same,
            other_name: self.other_name + other.other_name,
            changed: self.changed + other.changed,
        }
    }
}

/// An archive that is going to be damaged, and what is in it.
pub struct Subject<'a> {
    pub archive: &'a [u8],
    pub tree: &'a Tree,
    pub keys: &'a Keys,
    pub wanted: Wanted<'a>,
    /// Whether everything that is written has passed a checksum: then what is left after an error is right, too.
    pub is_checked: bool,
}

impl Subject<'_> {
    /// Extracts a damaged copy below `target`, which is empty before and after.
    pub fn outcome(&self, damaged: &[u8], target: &Path) -> Outcome {
        let result = extract_into(damaged, target, self.keys, &self.wanted);
        let outcome = self.judge(&result, target);
        for entry in std::fs::read_dir(target).unwrap().map(|entry| entry.unwrap().path()) {
            match entry.is_dir() {
                true => std::fs::remove_dir_all(entry).unwrap(),
                false => std::fs::remove_file(entry).unwrap(),
            }
        }
        outcome
    }

    fn judge(&self, result: &Result<(), ExtractError>, target: &Path) -> Outcome {
        let got = read_tree(target);
        if let Err(error) = result {
            let message = error.to_string();
            assert!(!message.is_empty());
            // What is left after an error is complete. An xbstream whose chunk of data has lost its name to a flipped
            // bit has the end of that file still, which is how empty files look.
            let is_whole = |content: &Vec<u8>| {
                content.is_empty() || self.tree.values().any(|original| original == content)
            };
            assert!(!self.is_checked || got.values().all(is_whole), "{message}: leaves {got:?}");
            return Outcome::Refused;
        }
        if got == *self.tree {
            return Outcome::Same;
        }
        let contents = |tree: &Tree| {
            let mut contents: Vec<Vec<u8>> =
                tree.values().filter(|content| !content.is_empty()).cloned().collect();
            contents.sort();
            contents
        };
        if contents(&got) == contents(self.tree) { Outcome::OtherName } else { Outcome::Changed }
    }

    /// Single bits, one at a time: all of them, or one of each byte. What is not refused is handed to `on_taken`.
    pub fn flip_bits(&self, every: bool, on_taken: impl Fn(&[u8]) + Sync) -> Counts {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let share = |first: usize| {
            let (mut damaged, target, mut counts) = (self.archive.to_vec(), scratch(), Counts::default());
            for byte in (first..damaged.len()).step_by(threads) {
                for bit in (0..8).filter(|bit| every || *bit == byte % 8) {
                    damaged[byte] ^= 1 << bit;
                    let outcome = self.outcome(&damaged, target.path());
                    counts.add(outcome);
                    if outcome != Outcome::Refused {
                        on_taken(&damaged);
                    }
                    damaged[byte] ^= 1 << bit;
                }
            }
            counts
        };
        in_parallel((0..threads).collect(), share).into_iter().fold(Counts::default(), Counts::sum)
    }

    /// Every length it can be cut to, or each of so many; gives those that are taken without an error, and how.
    pub fn cut_at_each(&self, step: usize) -> Vec<(usize, Outcome)> {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let share = |first: usize| {
            let target = scratch();
            let lengths = (first * step..self.archive.len()).step_by(threads * step);
            lengths
                .map(|length| (length, self.outcome(&self.archive[..length], target.path())))
                .collect::<Vec<_>>()
        };
        let mut all: Vec<_> = in_parallel((0..threads).collect(), share).into_iter().flatten().collect();
        all.retain(|(_, outcome)| *outcome != Outcome::Refused);
        all.sort_by_key(|(length, _)| *length);
        all
    }
}
