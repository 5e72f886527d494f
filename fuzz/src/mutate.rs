//! Changing inputs: anywhere, or where the format of an ELF file has its fields.

use crate::random::Random;
use std::ops::Range;

/// How the inputs of a target are changed.
pub type Mutator = fn(&mut Vec<u8>, &mut Random);

/// Changes a few places of any bytes.
pub fn bytes(data: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(data.len());
        match random.below(8) {
            0 => data.truncate(at),
            1 => data.insert(at, random.number() as u8),
            2 if !data.is_empty() => drop(data.remove(at)),
            3 => {
                let length = random.below(64).min(data.len() - at);
                let piece = data[at..at + length].to_vec();
                let to = random.below(data.len());
                data.splice(to..to, piece);
            }
            _ => field(data, 0..usize::MAX, 1, random),
        }
    }
}

/// Changes a few aligned words: what a process has in its memory.
pub fn words(data: &mut Vec<u8>, random: &mut Random) {
    if random.once_in(40) {
        data.truncate(random.below(data.len()));
    }
    for _ in 0..=random.below(6) {
        field(data, 0..usize::MAX, 4, random);
    }
}

/// Changes a few fields of an ELF file: of its headers, its tables, or of the project's own sections.
pub fn elf(data: &mut Vec<u8>, random: &mut Random) {
    if random.once_in(40) {
        data.truncate(random.below(data.len()));
    }
    let regions = regions(data);
    // Many small regions beside a few large ones: each gets its share.
    for _ in 0..=random.below(4) {
        let region = regions.get(random.below(regions.len() + 1)).cloned().unwrap_or(0..usize::MAX);
        field(data, region, 2, random);
    }
}

/// Changes an ELF file, or something else.
pub fn either(data: &mut Vec<u8>, random: &mut Random) {
    if data.starts_with(b"\x7fELF") { elf(data, random) } else { bytes(data, random) }
}

/// Changes one field in `region`, at a multiple of `alignment` from its start.
fn field(data: &mut [u8], region: Range<usize>, alignment: usize, random: &mut Random) {
    let region = region.start.min(data.len())..region.end.min(data.len());
    let size = [1, 2, 4, 4, 8, 8][random.below(6)].max(alignment.min(4));
    let align = size.min(8).max(alignment);
    let places = region.len().saturating_sub(size - 1).div_ceil(align);
    if places == 0 {
        return;
    }
    let at = region.start + random.below(places) * align;
    let mut word = [0; 8];
    word[..size].copy_from_slice(&data[at..at + size]);
    let old = u64::from_le_bytes(word);
    let new = match random.below(12) {
        0 => 0,
        1 => u64::MAX,
        2 => 1 << random.below(64),
        3 => (1 << random.below(64)) - 1,
        4 => data.len() as u64,
        5 => old ^ 1 << random.below(size * 8),
        6 => old.wrapping_add(random.below(32) as u64),
        7 => old.wrapping_sub(random.below(32) as u64),
        8 => random.below(256) as u64,
        9 => random.number(),
        // A value from elsewhere: often a valid one for another record.
        _ => {
            let other = region.start + random.below(places) * align;
            word[..size].copy_from_slice(&data[other..other + size]);
            u64::from_le_bytes(word)
        }
    };
    data[at..at + size].copy_from_slice(&new.to_le_bytes()[..size]);
}

/// Where an ELF file has fields worth changing, as far as it still is one.
fn regions(file: &[u8]) -> Vec<Range<usize>> {
    let number = |at: usize, size: usize| -> usize {
        let mut word = [0; 8];
        if let Some(bytes) = at.checked_add(size).and_then(|end| file.get(at..end)) {
            word[..size].copy_from_slice(bytes);
        }
        u64::from_le_bytes(word) as usize
    };
    let range = |start: usize, size: usize| start..start.saturating_add(size).min(file.len());
    let (programs, sections) = (number(32, 8), number(40, 8));
    let mut regions = vec![0..64, range(programs, number(56, 2) * 56), range(sections, number(60, 2) * 64)];
    let header = |index: usize| sections.wrapping_add(index * 64);
    let names = number(header(number(62, 2)).wrapping_add(24), 8);
    for at in (0..number(60, 2).min(256)).map(header) {
        const TABLES: [usize; 6] = [2, 4, 6, 11, 19, 0x6fff_fff6];
        let (kind, contents) =
            (number(at.wrapping_add(4), 4), range(number(at.wrapping_add(24), 8), number(at.wrapping_add(32), 8)));
        let name = file.get(names.wrapping_add(number(at, 4))..).unwrap_or_default();
        let ours = [&b".dsu."[..], b".eh_frame", b".data.rel.ro"].iter().any(|prefix| name.starts_with(prefix));
        if (TABLES.contains(&kind) || ours) && !contents.is_empty() && !name.starts_with(b".dsu.report") {
            regions.push(contents);
        }
    }
    regions
}
