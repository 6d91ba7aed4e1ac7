//! Which line of the SQL came from which event.

use std::collections::VecDeque;

/// Marks that are remembered: more than a client can have in its pipe and buffers.
const REMEMBERED: usize = 1 << 16;
/// Bytes of a line that are looked at.
const HEAD: usize = 32;

/// Follows the SQL and remembers the lines `# at N`, with which a printing program tells where an event
/// begins. A line within a statement's text may look like one; what is told is as near as can be.
#[derive(Debug)]
pub(super) struct Marks {
    /// The number of the line that is being read, from 1.
    line: u64,
    /// The first bytes of it.
    head: Vec<u8>,
    /// Number of a line, index of a run, and position.
    marks: VecDeque<(u64, usize, u64)>,
    run: usize,
}

impl Marks {
    pub(super) fn new() -> Self {
        Marks { line: 1, head: Vec::new(), marks: VecDeque::new(), run: 0 }
    }

    /// What follows is of another run, which begins at a position.
    pub(super) fn begin(&mut self, run: usize, position: u64) {
        self.run = run;
        self.push(position);
    }

    fn push(&mut self, position: u64) {
        if self.marks.len() == REMEMBERED {
            self.marks.pop_front();
        }
        self.marks.push_back((self.line, self.run, position));
    }

    /// Reads a piece of the SQL. Gives the last position in it.
    pub(super) fn see(&mut self, text: &[u8]) -> Option<u64> {
        let mut last = None;
        let mut lines = text.split(|byte| *byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            let room = HEAD.saturating_sub(self.head.len());
            self.head.extend(line.iter().take(room));
            if lines.peek().is_some() {
                if let Some(position) = position(&self.head) {
                    last = Some(position);
                    self.push(position);
                }
                self.head.clear();
                self.line += 1;
            }
        }
        last
    }

    /// Run and position of the event a line belongs to, or of the last one when there is no line.
    pub(super) fn find(&self, line: Option<u64>) -> Option<(usize, u64)> {
        let is_before = |mark: &&(u64, usize, u64)| line.is_none_or(|line| mark.0 <= line);
        let mark = self.marks.iter().rev().find(is_before).or(self.marks.front());
        mark.map(|(_, run, position)| (*run, *position))
    }
}

fn position(line: &[u8]) -> Option<u64> {
    std::str::from_utf8(line.strip_prefix(b"# at ")?).ok()?.trim_end().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_leads_to_the_event_before_it_however_the_text_is_cut() {
        let text = b"SET a;\n# at 4\nBEGIN\n# at 256\nINSERT\nx\n# at 300\nCOMMIT\n";
        for size in 1..text.len() {
            let mut marks = Marks::new();
            marks.begin(3, 4);
            let last = text.chunks(size).filter_map(|piece| marks.see(piece)).last();
            assert_eq!(last, Some(300));
            assert_eq!(marks.find(Some(1)), Some((3, 4)));
            assert_eq!(marks.find(Some(3)), Some((3, 4)));
            assert_eq!(marks.find(Some(6)), Some((3, 256)));
            assert_eq!((marks.find(Some(99)), marks.find(None)), (Some((3, 300)), Some((3, 300))));
        }
    }

    #[test]
    fn what_only_looks_like_a_mark_is_none() {
        let mut marks = Marks::new();
        assert_eq!(marks.see(b"# at x\n# at 4 and more\n #at 4\n# at 18446744073709551616\n"), None);
        assert_eq!(marks.find(None), None);
    }
}
