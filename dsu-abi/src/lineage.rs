//! The file that `dsu-push PID --lineage FILE` writes and `dsu-diff` reads: how a process came into its state.
//!
//! Layout: [`MAGIC`], then for each patch in force, oldest first:
//!
//! | offset | what |
//! |---|---|
//! | +0 | [`Id`]: the state the patch applied to; that of the first is the executable's build |
//! | +16 | [`Id`]: the state it led to |
//! | +32 | u64, little endian: length of the bytes that follow |
//! | +40 | the patch's [`PatchHeader::lineage`](crate::patch::PatchHeader::lineage) bytes |
//!
//! There is no padding. A process without patches has only the magic.

use crate::Id;

/// First bytes of the file.
pub const MAGIC: [u8; 8] = *b"DSULINE\0";

/// Length of what stands before the bytes of a patch.
pub const HEAD: usize = 40;

/// A patch in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// The state it applied to.
    pub from: Id,
    /// The state it led to.
    pub to: Id,
    /// What the patch says of the state it led to.
    pub bytes: &'a [u8],
}

impl Step<'_> {
    /// What stands before the bytes.
    pub fn head(&self) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        head[..16].copy_from_slice(&self.from.0);
        head[16..32].copy_from_slice(&self.to.0);
        head[32..].copy_from_slice(&(self.bytes.len() as u64).to_le_bytes());
        head
    }
}

/// The patches in the file, oldest first. `None` in the sequence: the rest is damaged.
pub fn steps(file: &[u8]) -> Option<impl Iterator<Item = Option<Step<'_>>>> {
    let mut rest = file.strip_prefix(&MAGIC)?;
    Some(core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let step = split(rest);
        rest = step.map_or(&[], |(_, rest)| rest);
        Some(step.map(|(step, _)| step))
    }))
}

/// The first patch, and what follows it.
fn split(bytes: &[u8]) -> Option<(Step<'_>, &[u8])> {
    let (from, bytes) = bytes.split_first_chunk::<16>()?;
    let (to, bytes) = bytes.split_first_chunk::<16>()?;
    let (length, bytes) = bytes.split_first_chunk::<8>()?;
    let (bytes, rest) = bytes.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    Some((Step { from: Id(*from), to: Id(*to), bytes }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let steps_of = |file: &[u8]| {
            steps(file)
                .map(|steps| steps.map(|step| step.map(|s| s.bytes.len())).fold(0, |sum, n| sum * 10 + n.unwrap_or(9)))
        };
        let step = |from, to, bytes| Step { from: Id([from; 16]), to: Id([to; 16]), bytes };
        let (one, two) = (step(1, 2, b"one" as &[u8]), step(2, 3, b""));
        let mut file = [0; 8 + 2 * HEAD + 3];
        file[..8].copy_from_slice(&MAGIC);
        file[8..8 + HEAD].copy_from_slice(&one.head());
        file[8 + HEAD..8 + HEAD + 3].copy_from_slice(one.bytes);
        file[8 + HEAD + 3..].copy_from_slice(&two.head());
        let mut read = steps(&file).into_iter().flatten();
        assert_eq!((read.next(), read.next(), read.next()), (Some(Some(one)), Some(Some(two)), None));
        assert_eq!(steps_of(&MAGIC), Some(0));
        assert_eq!(steps_of(b"DSULINE"), None);
        for end in 9..file.len() {
            let whole = end == 8 + HEAD + 3;
            assert_eq!(steps_of(&file[..end]).map(|number| number % 10 == 9), Some(!whole), "{end}");
        }
    }
}
