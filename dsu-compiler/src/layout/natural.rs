//! How C lays out the members of a struct on x86-64, without attributes: the rules of the System V ABI.

use crate::facts::Field;
use crate::layout::Member;

/// What of a member matters to the layout.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Size in bytes of its type.
    pub size: u64,
    /// Alignment in bytes of its type.
    pub align: u64,
    /// Width in bits of a bit-field.
    pub bits: Option<u32>,
    /// It has no name: a bit-field without one does not count for the alignment of the struct.
    pub unnamed: bool,
}

impl Part {
    /// A field of a definition.
    pub fn of_field(f: &Field) -> Self {
        Self { size: f.size, align: f.align.max(1), bits: f.bits, unnamed: f.name.is_empty() }
    }

    /// A member of a shape.
    pub fn of_member(m: &Member) -> Self {
        Self { size: m.size, align: m.align.max(1), bits: m.bits, unnamed: m.name.is_empty() }
    }
}

/// Where the members are.
#[derive(Clone, Debug, Default)]
pub struct LaidOut {
    /// Offset of each member, in bits.
    pub offsets: Vec<u64>,
    /// Behind the last one, in bits.
    pub end: u64,
    /// Alignment of the struct, in bytes.
    pub align: u64,
}

/// The next multiple of `align`.
pub fn align_up(at: u64, align: u64) -> u64 {
    at.div_ceil(align.max(1)).saturating_mul(align.max(1))
}

/// Lays out members as C does.
pub fn natural(parts: &[Part]) -> LaidOut {
    let mut laid_out = LaidOut { align: 1, ..LaidOut::default() };
    for part in parts {
        let (unit, width) = (part.size.max(1) * 8, part.bits.map_or(part.size * 8, u64::from));
        let crosses = |at: u64| width == 0 || at / unit != (at + width - 1) / unit;
        let at = match part.bits {
            Some(_) if !crosses(laid_out.end) => laid_out.end,
            _ => align_up(laid_out.end, part.align * 8),
        };
        if !(part.unnamed && part.bits.is_some()) {
            laid_out.align = laid_out.align.max(part.align);
        }
        laid_out.offsets.push(at);
        laid_out.end = at + width;
    }
    laid_out
}
