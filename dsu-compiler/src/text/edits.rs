//! Edits of a text by byte offset.

use std::fmt::Write as _;

/// A list of edits, applied together.
#[derive(Default)]
pub struct Edits {
    list: Vec<Edit>,
}

struct Edit {
    at: usize,
    remove: usize,
    /// Insertions at one offset: lower ranks come first in the result.
    rank: (i64, i64),
    insert: String,
}

/// Two edits overlap: a bug in whoever made them, reported instead of producing broken text.
#[derive(Debug, thiserror::Error)]
#[error("edits overlap at byte {0}")]
pub struct Overlap(pub usize);

impl Edits {
    /// Replaces `remove` bytes at `at`.
    pub fn replace(&mut self, at: usize, remove: usize, insert: impl Into<String>) {
        self.list.push(Edit { at, remove, rank: (i64::MAX, 0), insert: insert.into() });
    }

    /// Inserts before byte `at`, after what was inserted there before.
    pub fn insert(&mut self, at: usize, insert: impl Into<String>) {
        let rank = (self.list.len() as i64, 0);
        self.list.push(Edit { at, remove: 0, rank, insert: insert.into() });
    }

    /// Inserts an opening text at `start` and a closing one at `end`, so that ranges that share
    /// an end nest properly: of two ranges with one start, the longer one opens first. Of two equal ranges the first one
    /// wrapped is the outer one.
    pub fn wrap(&mut self, start: usize, end: usize, open: impl Into<String>, close: impl Into<String>) {
        let (length, number) = (end.saturating_sub(start) as i64, self.list.len() as i64);
        self.list.push(Edit { at: start, remove: 0, rank: ((1 << 40) - length, number), insert: open.into() });
        self.list.push(Edit { at: end, remove: 0, rank: (length - (1 << 40), -number), insert: close.into() });
    }

    /// The edited text.
    ///
    /// # Errors
    /// When edits overlap or leave the text.
    pub fn apply(mut self, text: &str) -> Result<String, Overlap> {
        self.list.sort_by_key(|e| (e.at, e.rank));
        let mut result = String::with_capacity(text.len() + self.list.iter().map(|e| e.insert.len()).sum::<usize>());
        let mut done = 0;
        for edit in &self.list {
            let kept = text.get(done..edit.at).ok_or(Overlap(edit.at))?;
            let _ = write!(result, "{kept}{}", edit.insert);
            done = edit.at.saturating_add(edit.remove);
        }
        result.push_str(text.get(done..).ok_or(Overlap(done))?);
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_nest_and_keep_order() -> Result<(), Overlap> {
        let mut edits = Edits::default();
        edits.wrap(0, 4, "<", ">");
        edits.wrap(0, 1, "[", "]");
        edits.wrap(0, 1, "(", ")");
        edits.replace(0, 1, "F");
        edits.insert(4, "1");
        edits.insert(4, "2");
        assert_eq!(edits.apply("f(x);")?, "<[(F)](x)>12;");
        Ok(())
    }

    #[test]
    fn places_that_make_no_sense_are_errors() {
        let mut edits = Edits::default();
        edits.wrap(4, 1, "<", ">");
        assert!(edits.apply("abcdef").is_ok());
        let mut edits = Edits::default();
        edits.replace(1, usize::MAX, "x");
        assert!(edits.apply("abcdef").is_err());
    }

    #[test]
    fn overlap_is_an_error() {
        let mut edits = Edits::default();
        edits.replace(0, 3, "");
        edits.replace(2, 1, "");
        assert!(edits.apply("abcdef").is_err());
    }
}
