//! Search in tables that are sorted by hashes.

use crate::refusal::Result;

/// The index of an entry with this key in a table of `count` entries sorted by key.
///
/// Keys are hashes, so they are spread evenly, and an entry is about where its key lies between those of the ends: a handful
/// of looks instead of the dozen and more of bisection, which a patch with thousands of imports feels. Every other step
/// bisects, which bounds the number of steps for tables that are not what they should be.
pub fn find(count: usize, key: u64, mut key_at: impl FnMut(usize) -> Result<u64>) -> Result<Option<usize>> {
    // What may be the entry is from `low` on and before `high`; its key is not below `least`, nor above `most`.
    let (mut low, mut high) = (0, count);
    let (mut least, mut most) = (0, u64::MAX);
    let mut guesses = 0_u32;
    while low < high && (least..=most).contains(&key) {
        let step = if guesses % 4 == 3 {
            (high - low) / 2
        } else {
            // No more exact than 53 bits, and at most one too far.
            let share = (key - least) as f64 / ((most - least) as f64 + 1.0);
            ((share * (high - low) as f64) as usize).min(high - low - 1)
        };
        guesses += 1;
        let at = low + step;
        let found = key_at(at)?;
        match found.cmp(&key) {
            core::cmp::Ordering::Equal => return Ok(Some(at)),
            core::cmp::Ordering::Less => (low, least) = (at + 1, found),
            core::cmp::Ordering::Greater => (high, most) = (at, found),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where it is, and after how many looks.
    fn looks(keys: &[u64], key: u64) -> (Option<usize>, usize) {
        let mut looks = 0;
        let found = find(keys.len(), key, |at| {
            looks += 1;
            Ok(keys[at])
        });
        (found.unwrap_or_default(), looks)
    }

    /// A step of splitmix64.
    fn hash(n: u64) -> u64 {
        let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    #[test]
    fn hashes_are_found_with_few_looks() {
        let mut keys: Vec<u64> = (0..10_000).map(hash).collect();
        keys.sort_unstable();
        let all: Vec<_> = keys.iter().map(|&key| looks(&keys, key)).collect();
        assert!(all.iter().enumerate().all(|(at, (found, _))| *found == Some(at)));
        let total: usize = all.iter().map(|(_, looks)| looks).sum();
        assert!(total < 6 * keys.len(), "{total}");
        assert!((10_000..20_000).all(|n| looks(&keys, hash(n)).0.is_none()));
    }

    #[test]
    fn any_table_is_searched_in_bounded_time() {
        let tables: [Vec<u64>; 6] = [
            vec![],
            vec![7],
            vec![u64::MAX; 100],
            (0..4096).collect(),
            (0..64).map(|n| 1 << n).collect(),
            [(0..4096).collect(), vec![u64::MAX - 1, u64::MAX]].concat(),
        ];
        for keys in &tables {
            for key in keys.iter().copied().chain([0, 1, 5, 1 << 40, u64::MAX - 2, u64::MAX]) {
                let (found, looks) = looks(keys, key);
                assert_eq!(found.map(|at| keys[at]), keys.contains(&key).then_some(key));
                assert!(looks <= 4 * 14, "{looks} looks for {key} among {}", keys.len());
            }
        }
    }
}
