//! The planner: where the fields of a changed struct or union go, given where they are in the running program.
//!
//! Everything here is arithmetic on offsets: no text, no files. The rules:
//!
//! * size and alignment stay;
//! * a field that did not change (name, type, width) stays where it is, so pointers to it stay good;
//! * new and retyped fields go into the slop first, then into padding; the bytes that removed and retyped fields had are
//!   never used again, as old code may still write them;
//! * what does not fit goes into a block of the type's side table, if 8 bytes of slop are free for the block's number. The
//!   offsets of members there count on from the object's size. A block has spare room from the start, since it cannot grow;
//! * what C would not lay out so by itself is forced by members of ours: `dsu_pad_N` fills gaps, `dsu_gone_N` holds the
//!   place of what is gone.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::{Field, TypeDefinition, TypeKind, same_type, unqualified};
use crate::layout::natural::{LaidOut, Part, align_up, natural};
use crate::layout::{BLOCK, GONE, Member, OWNER, PAD, SLOP, SPARE, STAMP, Shape, is_beside, is_ours, label_of};

/// Sizes and alignments, in bytes, of named types as they are in the running program.
pub type Sizes = BTreeMap<String, (u64, u64)>;

/// Fields that have another name now: from the old name to the new one.
pub type Renames = BTreeMap<String, String>;

/// What happened to a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added(Field),
    /// It is gone.
    Removed(Field),
    /// It has another type or width: as it was, and as it is.
    Retyped(Field, Field),
    /// It is a union without a name that got members, which fit: as it was, and as it is.
    Widened(Field, Field),
    /// It has another name, by a directive: as it was, and as it is.
    Renamed(Field, Field),
}

/// Why a type cannot be laid out so that old objects stay good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Struct became union, and the like.
    #[error("it was a {0} and is a {1}")]
    Kind(&'static str, &'static str),
    /// Attributes decide on the layout.
    #[error("attributes or pragmas (packed, aligned) decide on its layout")]
    Attributed,
    /// A member without a name changed.
    #[error("its member without a name in line {0} changed: give that member a name, or leave it as it is")]
    Unnamed(u32),
    /// An enum is stored otherwise.
    #[error("values of it take {0} bytes and took {1}")]
    Enum(u64, u64),
    /// A field is laid out otherwise although its type reads the same.
    #[error("field {0} takes {1} bytes and took {2}, as a type inside it changed")]
    Inside(String, u64, u64),
    /// A field of a union has another type.
    #[error("field {field} of the union had type {from} and has type {to}: nobody knows which objects hold it", field = .0, from = .1, to = .2)]
    UnionRetyped(String, String, String),
    /// A new field is too large for the union.
    #[error("field {0} takes {1} bytes (aligned to {2}), but objects of the union have {3} (aligned to {4})")]
    UnionTooSmall(String, u64, u64, u64, u64),
    /// A field wants more alignment than objects have.
    #[error("field {0} must be aligned to {1} bytes, but objects are aligned to {2}")]
    Alignment(String, u64, u64),
    /// Objects cannot tell which version they are.
    #[error(
        "field {0} is new or has a new type, but objects have no room for it and no version: the type got none when the program was built"
    )]
    NoStamp(String),
    /// No room.
    #[error("field {field} ({size} bytes) does not fit: {free} bytes of room are left in its {total} bytes")]
    Full {
        /// The field.
        field: String,
        /// Bytes that it takes.
        size: u64,
        /// Bytes that are free for new fields.
        free: u64,
        /// Bytes of the whole struct.
        total: u64,
    },
}

/// Plans how a type of the new program is laid out in a patch for the running one.
///
/// `old` is the type as it is in the running program, members of ours included; `new` as the new source says (members of
/// ours in it do not count, nor do its offsets); `version` is the one in which the fields that are new here appear.
///
/// # Errors
/// [`Refusal`] when old objects would not stay good.
pub fn place(
    old: &TypeDefinition,
    new: &TypeDefinition,
    renames: &Renames,
    sizes: &Sizes,
    version: u32,
) -> Result<(Shape, Vec<Change>), Refusal> {
    if old.kind != new.kind {
        return Err(Refusal::Kind(kind_name(old.kind), kind_name(new.kind)));
    }
    match old.kind {
        TypeKind::Enum => enumeration(old, new),
        TypeKind::Union => union(old, new, renames, sizes),
        TypeKind::Struct => Planner::new(old, new, renames, sizes, version)?.plan(),
    }
}

fn kind_name(kind: TypeKind) -> &'static str {
    match kind {
        TypeKind::Struct => "struct",
        TypeKind::Union => "union",
        TypeKind::Enum => "enum",
    }
}

fn enumeration(old: &TypeDefinition, new: &TypeDefinition) -> Result<(Shape, Vec<Change>), Refusal> {
    if (old.size, old.align) != (new.size, new.align) {
        return Err(Refusal::Enum(new.size, old.size));
    }
    Ok((shape(old, Vec::new(), false, true), Vec::new()))
}

fn shape(old: &TypeDefinition, members: Vec<Member>, reordered: bool, natural: bool) -> Shape {
    Shape {
        name: old.name.clone(),
        label: label_of(&old.name),
        kind: old.kind,
        size: old.size,
        align: old.align,
        members,
        reordered,
        natural,
    }
}

/// The element type behind all arrays, and how many elements there are.
pub fn innermost(ty: &str) -> (&str, u64) {
    let (mut rest, mut count) = (ty, 1u64);
    loop {
        // Qualifiers of an array are those of its elements.
        rest = rest.trim_start_matches("const ").trim_start_matches("volatile ");
        let Some((length, element)) = rest.strip_prefix('[').and_then(|r| r.split_once(']')) else {
            return (rest, count);
        };
        count = count.saturating_mul(length.parse().unwrap_or(0));
        rest = element;
    }
}

/// A field of the new source with the size that its type has in the running program.
pub fn effective(field: &Field, sizes: &Sizes) -> Field {
    let (element, count) = innermost(&field.ty);
    match sizes.get(element) {
        Some((size, align)) => Field { size: size.saturating_mul(count), align: *align, ..field.clone() },
        None => field.clone(),
    }
}

/// Storage that nothing can be in: an unnamed bit-field.
fn is_filler(field: &Field) -> bool {
    field.name.is_empty() && field.bits.is_some()
}

/// The program's own fields, as opposed to ours and to padding.
pub fn own_fields(ty: &TypeDefinition) -> impl Iterator<Item = &Field> {
    ty.fields.iter().filter(|f| !is_ours(&f.name) && !is_filler(f))
}

/// A field as a member of a shape.
pub fn member(field: &Field, offset: u64, since: u32) -> Member {
    Member {
        name: field.name.clone(),
        offset,
        bits: field.bits,
        ty: field.ty.clone(),
        size: field.size,
        align: field.align,
        since,
    }
}

/// Bytes of ours.
fn bytes(name: String, offset: u64, length: u64) -> Member {
    let ty = format!("[{length}]unsigned char");
    Member { name, offset, bits: None, ty, size: length, align: 1, since: 0 }
}

/// Which old field each new one is, by index in `old`; and which old ones are gone.
struct Matching {
    of_new: Vec<Option<usize>>,
    gone: Vec<usize>,
}

fn match_fields(old: &[&Field], new: &[Field], renames: &Renames) -> Result<Matching, Refusal> {
    let mut taken = BTreeSet::new();
    let mut of_new = Vec::new();
    for field in new {
        let fits = |(index, o): &(usize, &&Field)| {
            let name = renames.get(&o.name).unwrap_or(&o.name);
            !taken.contains(index)
                && *name == field.name
                && (!field.name.is_empty() || same_type(&o.ty, &field.ty) || widened(&o.ty, &field.ty))
        };
        let found = old.iter().enumerate().find(fits).map(|(index, _)| index);
        if found.is_none() && field.name.is_empty() {
            return Err(Refusal::Unnamed(field.line));
        }
        taken.extend(found);
        of_new.push(found);
    }
    let gone: Vec<usize> = (0..old.len()).filter(|i| !taken.contains(i)).collect();
    match gone.iter().find(|i| old[**i].name.is_empty()) {
        Some(unnamed) => Err(Refusal::Unnamed(old[*unnamed].line)),
        None => Ok(Matching { of_new, gone }),
    }
}

/// Whether a type is a union without a name that has all members of another, and more, in the same size.
fn widened(old: &str, new: &str) -> bool {
    let (Some((old, old_size)), Some((new, new_size))) = (members_of_union(old), members_of_union(new)) else {
        return false;
    };
    old_size == new_size && old.iter().all(|m| new.contains(m))
}

/// The members of a union without a name, and its size and alignment, as its canonical form has them.
fn members_of_union(ty: &str) -> Option<(Vec<String>, String)> {
    let plain = unqualified(ty);
    let at = plain.find("union{").filter(|at| plain[..*at].chars().all(|c| "[]0123456789".contains(c)))?;
    let (arrays, inner) = (&plain[..at], plain[at..].strip_prefix("union{")?.strip_suffix('}')?);
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b';' if depth == 0 => {
                parts.push(inner[start..at].to_owned());
                start = at + 1;
            }
            _ => {}
        }
    }
    Some((parts, format!("{arrays}{}", &inner[start..])))
}

fn unchanged(old: &Field, new: &Field) -> Result<bool, Refusal> {
    if old.bits != new.bits || !same_type(&old.ty, &new.ty) && !widened(&old.ty, &new.ty) {
        return Ok(false);
    }
    if old.size != new.size || old.align != new.align {
        return Err(Refusal::Inside(new.name.clone(), new.size, old.size));
    }
    Ok(true)
}

fn union(
    old: &TypeDefinition,
    new: &TypeDefinition,
    renames: &Renames,
    sizes: &Sizes,
) -> Result<(Shape, Vec<Change>), Refusal> {
    let before: Vec<&Field> = own_fields(old).collect();
    let after: Vec<Field> = own_fields(new).map(|f| effective(f, sizes)).collect();
    let matching = match_fields(&before, &after, renames)?;
    let (mut members, mut changes) = (Vec::new(), Vec::new());
    for (field, index) in after.iter().zip(&matching.of_new) {
        match index.map(|i| before[i]) {
            None if field.size > old.size || field.align > old.align => {
                return Err(Refusal::UnionTooSmall(field.name.clone(), field.size, field.align, old.size, old.align));
            }
            None => changes.push(Change::Added(field.clone())),
            Some(was) if !unchanged(was, field)? => {
                return Err(Refusal::UnionRetyped(field.name.clone(), was.ty.clone(), field.ty.clone()));
            }
            Some(was) if was.name != field.name => changes.push(Change::Renamed(was.clone(), field.clone())),
            Some(was) if !same_type(&was.ty, &field.ty) => changes.push(Change::Widened((*was).clone(), field.clone())),
            Some(_) => {}
        }
        // Which member an object holds is the program's business: no version is needed to read a new one.
        members.push(member(field, 0, 0));
    }
    changes.extend(matching.gone.iter().map(|i| Change::Removed(before[*i].clone())));
    let reach =
        |m: &[Member]| (m.iter().map(|m| m.size).max().unwrap_or(0), m.iter().map(|m| m.align).max().unwrap_or(1));
    let (largest, align) = reach(&members);
    let natural = align == old.align && align_up(largest, align) == old.size;
    let placed_by_words = !natural && (old.attributed || new.attributed) && !changes.is_empty();
    if placed_by_words || is_attributed(old, new) && (old.size, old.align) != (new.size, new.align) {
        return Err(Refusal::Attributed);
    }
    if !natural {
        members.push(bytes(format!("{GONE}1"), 0, old.size));
    }
    Ok((shape(old, members, false, natural), changes))
}

/// A range of bits that nothing uses. `declared`: it belongs to a member of ours, so that copies of the struct carry it.
#[derive(Clone, Copy, Debug)]
struct Room {
    start: u64,
    end: u64,
    declared: bool,
    slop: bool,
    beside: bool,
}

/// The end of a block that can still be as large as it must.
const OPEN: u64 = u64::MAX / 2;

/// Fields that are placed together: one field, or bit-fields that follow each other.
struct Block {
    /// Indices of new fields, with their offsets in the block, in bits.
    parts: Vec<(usize, u64)>,
    size: u64,
    align: u64,
}

struct Planner<'a> {
    old: &'a TypeDefinition,
    source: &'a TypeDefinition,
    before: Vec<&'a Field>,
    after: Vec<Field>,
    matching: Matching,
    kept: Vec<bool>,
    version: u32,
    room: Vec<Room>,
    members: Vec<Member>,
    sizes: &'a Sizes,
}

impl<'a> Planner<'a> {
    fn new(
        old: &'a TypeDefinition,
        source: &'a TypeDefinition,
        renames: &Renames,
        sizes: &'a Sizes,
        version: u32,
    ) -> Result<Self, Refusal> {
        let before: Vec<&Field> = own_fields(old).collect();
        let after: Vec<Field> = own_fields(source).map(|f| effective(f, sizes)).collect();
        let matching = match_fields(&before, &after, renames)?;
        let mut kept = Vec::new();
        for (field, index) in after.iter().zip(&matching.of_new) {
            kept.push(match index {
                Some(i) => unchanged(before[*i], field)?,
                None => false,
            });
        }
        let room = rooms(old);
        Ok(Self { old, source, before, after, matching, kept, version, room, members: Vec::new(), sizes })
    }

    fn plan(mut self) -> Result<(Shape, Vec<Change>), Refusal> {
        let changes = self.changes();
        let attributed = is_attributed(self.old, self.source) || !is_natural(self.old);
        if attributed && !(changes.is_empty() && self.is_where_it_was()) {
            return Err(Refusal::Attributed);
        }
        self.keep();
        self.place_new()?;
        self.rest_of_room();
        if attributed {
            // Nothing changed: the source's own text says how it is laid out.
            return Ok((shape(self.old, self.members, false, true), changes));
        }
        let members = self.filled();
        let natural = self.is_as_in_source(&members);
        let sequence: Vec<&str> = members.iter().take(self.after.len()).map(|m| m.name.as_str()).collect();
        let reordered = !sequence.into_iter().eq(self.after.iter().map(|f| f.name.as_str()));
        Ok((shape(self.old, members, reordered, natural), changes))
    }

    /// Whether the new program has every field where the running one has it.
    fn is_where_it_was(&self) -> bool {
        let offsets = |t| own_fields(t).map(bit_offset).collect::<Vec<_>>();
        let whole = |t: &TypeDefinition| (t.size, t.align);
        offsets(self.old) == offsets(self.source) && whole(self.old) == whole(self.source)
    }

    fn changes(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        for (n, field) in self.after.iter().enumerate() {
            let was = self.matching.of_new[n].map(|i| self.before[i].clone());
            match was {
                None => changes.push(Change::Added(field.clone())),
                Some(was) if !self.kept[n] => changes.push(Change::Retyped(was, field.clone())),
                Some(was) if was.name != field.name => changes.push(Change::Renamed(was, field.clone())),
                Some(was) if !same_type(&was.ty, &field.ty) => changes.push(Change::Widened(was, field.clone())),
                Some(_) => {}
            }
        }
        changes.extend(self.matching.gone.iter().map(|i| Change::Removed(self.before[*i].clone())));
        changes
    }

    /// Everything that stays where it is, and what holds the place of what is gone.
    fn keep(&mut self) {
        for (n, index) in self.matching.of_new.iter().enumerate() {
            let Some(was) = index.map(|i| self.before[i]) else { continue };
            if self.kept[n] {
                self.members.push(member(&self.after[n], bit_offset(was), was.since));
            }
        }
        let stays = |f: &&Field| matches!(f.name.as_str(), STAMP | BLOCK | OWNER) || f.name.starts_with(GONE);
        self.members.extend(self.old.fields.iter().filter(stays).map(|f| member(f, bit_offset(f), 0)));
        let numbers = self.members.iter().filter_map(|m| m.name.strip_prefix(GONE)?.parse::<u32>().ok());
        let mut next = numbers.max().unwrap_or(0);
        let retyped = (0..self.after.len()).filter(|n| !self.kept[*n]).filter_map(|n| self.matching.of_new[n]);
        let mut gone: Vec<usize> = retyped.chain(self.matching.gone.iter().copied()).collect();
        gone.sort_by_key(|i| self.before[*i].offset);
        for index in gone {
            let was = self.before[index];
            next += 1;
            let name = format!("{GONE}{next}");
            if was.bits.is_some() {
                self.members.push(Member { name, ..member(was, bit_offset(was), 0) });
            } else if was.size > 0 {
                self.members.push(bytes(name, bit_offset(was), was.size));
            }
        }
    }

    fn place_new(&mut self) -> Result<(), Refusal> {
        let mut blocks = self.blocks();
        if let Some((n, _)) = blocks.first().and_then(|b| b.parts.first()) {
            if !self.old.fields.iter().any(|f| f.name == STAMP) {
                return Err(Refusal::NoStamp(self.after[*n].name.clone()));
            }
        }
        // Large alignments first, so that little is lost between them.
        blocks.sort_by_key(|b| std::cmp::Reverse((b.align, b.size)));
        let (room, placed) = (self.room.clone(), self.members.len());
        if let Err(refusal) = self.place_blocks(&blocks) {
            self.room = room;
            self.members.truncate(placed);
            if !self.open_side_table() {
                return Err(refusal);
            }
            self.place_blocks(&blocks)?;
            self.close_side_table();
        }
        Ok(())
    }

    fn place_blocks(&mut self, blocks: &[Block]) -> Result<(), Refusal> {
        for block in blocks {
            let field = block.parts.first().map_or_else(String::new, |(n, _)| self.after[*n].name.clone());
            if block.align > self.old.align {
                return Err(Refusal::Alignment(field, block.align, self.old.align));
            }
            let at = match self.take(block.size * 8, block.align * 8) {
                Some(at) => at,
                None => {
                    let free: u64 = rooms(self.old).iter().map(|r| (r.end - r.start) / 8).sum();
                    return Err(Refusal::Full { field, size: block.size, free, total: self.old.size });
                }
            };
            for (n, offset) in &block.parts {
                self.members.push(member(&self.after[*n], at + offset, self.version));
            }
        }
        Ok(())
    }

    /// Room in a side table, which objects did not have before; false if they have no place for the number of a block.
    fn open_side_table(&mut self) -> bool {
        if self.members.iter().any(|m| m.name == BLOCK) {
            return false;
        }
        // In the slop only: the compiler may write padding, and nobody else must write this.
        let fits = |r: &Room| r.slop && align_up(r.start, 64) + 64 <= r.end;
        let Some(index) = self.room.iter().position(fits) else { return false };
        let Some(at) = self.take_from(index, 64, 64) else { return false };
        let word = |name: &str, offset: u64, ty: &str| Member {
            name: name.to_owned(),
            offset,
            bits: None,
            ty: ty.to_owned(),
            size: 8,
            align: 8,
            since: 0,
        };
        self.members.push(word(BLOCK, at, "unsigned long"));
        let block = self.old.size * 8;
        self.members.push(word(OWNER, block, "*void"));
        self.room.push(Room { start: block + 64, end: OPEN, declared: true, slop: true, beside: true });
        true
    }

    /// Gives the block its size: half as much again as what is in it, so that later versions find room.
    fn close_side_table(&mut self) {
        let start = self.old.size * 8;
        if let Some(room) = self.room.iter_mut().find(|r| r.end == OPEN) {
            let used = room.start - start;
            room.end = start + align_up(room.start - start + (used / 2).max(32 * 8), 16 * 8);
        }
    }

    /// What has to be placed: bit-fields that follow each other in the source share their storage.
    fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut run: Vec<usize> = Vec::new();
        for n in 0..=self.after.len() {
            let field = self.after.get(n).filter(|_| !self.kept[n]);
            if field.is_some_and(|f| f.bits.is_some()) {
                run.push(n);
                continue;
            }
            if !run.is_empty() {
                blocks.push(self.block(std::mem::take(&mut run)));
            }
            if field.is_some() {
                blocks.push(self.block(vec![n]));
            }
        }
        blocks
    }

    fn block(&self, fields: Vec<usize>) -> Block {
        let parts: Vec<Part> = fields.iter().map(|n| Part::of_field(&self.after[*n])).collect();
        let laid_out = natural(&parts);
        let parts = fields.into_iter().zip(laid_out.offsets).collect();
        Block { parts, size: laid_out.end.div_ceil(8), align: laid_out.align }
    }

    /// Takes room for so many bits: from the slop, else from bytes of ours, else from padding, else beside the object.
    fn take(&mut self, bits: u64, align: u64) -> Option<u64> {
        let fits = |r: &Room| align_up(r.start, align) + bits <= r.end;
        let rank = |r: &Room| (r.beside, !r.slop, !r.declared, r.start);
        let index = (0..self.room.len()).filter(|i| fits(&self.room[*i])).min_by_key(|i| rank(&self.room[*i]))?;
        self.take_from(index, bits, align)
    }

    fn take_from(&mut self, index: usize, bits: u64, align: u64) -> Option<u64> {
        let room = *self.room.get(index)?;
        let at = align_up(room.start, align);
        self.room[index].start = at + bits;
        if at > room.start {
            self.room.push(Room { end: at, slop: false, ..room });
        }
        Some(at)
    }

    /// Members of ours that nothing was put into.
    fn rest_of_room(&mut self) {
        for room in self.room.iter().filter(|r| r.declared && r.end > r.start) {
            let name = match (room.slop, room.beside) {
                (true, false) => SLOP,
                (true, true) => SPARE,
                (false, _) => PAD,
            };
            self.members.push(bytes(name.to_owned(), room.start, (room.end - room.start) / 8));
        }
        self.members.sort_by_key(|m| (m.offset, m.size));
    }

    /// The members with padding where C would not put them where they belong, and at the end.
    fn filled(&self) -> Vec<Member> {
        let mut pads = 0;
        let end = self.old.size * 8;
        let (inside, mut beside): (Vec<Member>, Vec<Member>) =
            self.members.iter().cloned().partition(|m| m.offset < end || !self.has_block());
        let flexible = self.source.flexible || self.after.last().is_some_and(|f| f.size == 0);
        let mut filled = fill(&inside, (!flexible).then_some((end, self.old.align)), &mut pads);
        beside.iter_mut().for_each(|m| m.offset -= end);
        let block = fill(&beside, None, &mut pads);
        filled.extend(block.into_iter().map(|m| Member { offset: m.offset + end, ..m }));
        filled
    }

    fn has_block(&self) -> bool {
        self.members.iter().any(|m| m.name == BLOCK)
    }

    /// Whether the source's own text, followed by members of ours, is laid out like `members`.
    fn is_as_in_source(&self, members: &[Member]) -> bool {
        let own: Vec<&Member> = members.iter().take_while(|m| !m.is_ours()).collect();
        let ours = members.iter().skip(own.len()).map(|m| m.name.as_str());
        if own.len() != self.after.len() || !ours.eq([STAMP, SLOP]) && members.len() > own.len() {
            return false;
        }
        let fields: Vec<Field> =
            self.source.fields.iter().filter(|f| !is_ours(&f.name)).map(|f| effective(f, self.sizes)).collect();
        let mut parts: Vec<Part> = fields.iter().map(Part::of_field).collect();
        parts.extend(members.iter().skip(own.len()).map(Part::of_member));
        let laid_out = natural(&parts);
        let named = fields.iter().zip(&laid_out.offsets).filter(|(f, _)| !is_filler(f));
        let same = named.zip(&own).all(|((f, offset), m)| f.name == m.name && *offset == m.offset);
        let ours = laid_out.offsets.iter().skip(fields.len()).zip(members.iter().skip(own.len()));
        same && ours.into_iter().all(|(offset, m)| *offset == m.offset)
            && laid_out.align == self.old.align
            && align_up(laid_out.end, laid_out.align * 8) == self.old.size * 8
    }
}

/// Members with padding where C would not put them where they belong; and at the end, if that and the alignment are given.
fn fill(members: &[Member], end: Option<(u64, u64)>, pads: &mut u32) -> Vec<Member> {
    let mut filled: Vec<Member> = Vec::new();
    let mut parts: Vec<Part> = Vec::new();
    let mut push = |filled: &mut Vec<Member>, parts: &mut Vec<Part>, mut m: Member| {
        if m.name == PAD {
            *pads += 1;
            m.name = format!("{PAD}{pads}");
        }
        parts.push(Part::of_member(&m));
        filled.push(m);
    };
    for m in members {
        let behind = natural(&parts).end;
        parts.push(Part::of_member(m));
        let lands = natural(&parts).offsets.last().copied();
        parts.pop();
        if lands != Some(m.offset) {
            for pad in gap(behind, m.offset) {
                push(&mut filled, &mut parts, pad);
            }
        }
        push(&mut filled, &mut parts, m.clone());
    }
    let laid_out = natural(&parts);
    if let Some((end, align)) = end {
        if align_up(laid_out.end, align * 8) < end {
            for pad in gap(laid_out.end, end) {
                push(&mut filled, &mut parts, pad);
            }
        }
    }
    filled
}

fn bit_offset(field: &Field) -> u64 {
    u64::try_from(field.offset).unwrap_or(0)
}

/// Bytes (and bits) of ours from one bit to another.
fn gap(start: u64, end: u64) -> Vec<Member> {
    let bits = |start: u64, end: u64| Member {
        name: PAD.to_owned(),
        offset: start,
        bits: Some((end - start) as u32),
        ty: "unsigned char".to_owned(),
        size: 1,
        align: 1,
        since: 0,
    };
    let mut members = Vec::new();
    let first = align_up(start, 8).min(end);
    let last = (end / 8 * 8).max(first);
    if last > first {
        // Whole bytes find their place behind bits by themselves.
        members.push(bytes(PAD.to_owned(), first, (last - first) / 8));
    } else if first > start {
        members.push(bits(start, first));
    }
    if end > last {
        members.push(bits(last, end));
    }
    members
}

/// Whether something else than the rules of C decides on the layout of a type, as it was or as the source has it now: words
/// that say so, or what they have led to, such as `_Alignas` at a member.
fn is_attributed(old: &TypeDefinition, source: &TypeDefinition) -> bool {
    let misplaced = source.kind == TypeKind::Struct && !is_natural(source);
    old.attributed || source.attributed || misplaced || source.align > by_rules(source).1.align
}

/// The fields of a type's objects, and how C would lay them out.
fn by_rules(ty: &TypeDefinition) -> (Vec<&Field>, LaidOut) {
    let fields: Vec<&Field> = ty.fields.iter().filter(|f| !is_beside(ty, f)).collect();
    let laid_out = natural(&fields.iter().map(|f| Part::of_field(f)).collect::<Vec<_>>());
    (fields, laid_out)
}

/// Whether the members of a type are laid out as C does it without attributes.
fn is_natural(ty: &TypeDefinition) -> bool {
    let (fields, laid_out) = by_rules(ty);
    let same = fields.iter().zip(&laid_out.offsets).all(|(f, o)| is_filler(f) || bit_offset(f) == *o);
    same && laid_out.align <= ty.align && align_up(laid_out.end, ty.align * 8) == ty.size * 8
}

/// Room for new fields in a struct of the running program.
fn rooms(old: &TypeDefinition) -> Vec<Room> {
    let mut rooms = Vec::new();
    let (mut at, mut after_bits) = (0, None::<u64>);
    let mut fields: Vec<&Field> = old.fields.iter().filter(|f| !is_filler(f) && !is_beside(old, f)).collect();
    fields.sort_by_key(|f| (f.offset, f.size));
    for field in &fields {
        let (start, width) = (bit_offset(field), field.bits.map_or(field.size * 8, u64::from));
        padding(&mut rooms, at, start, after_bits);
        let free = field.bits.is_none() && (field.name == SLOP || field.name.starts_with(PAD));
        if free && width > 0 {
            rooms.push(Room { start, end: start + width, declared: true, slop: field.name == SLOP, beside: false });
        }
        at = at.max(start + width);
        after_bits = field.bits.map(|_| at);
    }
    let flexible = old.flexible || fields.last().is_some_and(|f| f.size == 0);
    if !flexible {
        padding(&mut rooms, at, old.size * 8, after_bits);
    }
    let spare = |f: &&Field| is_beside(old, f) && (f.name == SPARE || f.bits.is_none() && f.name.starts_with(PAD));
    for field in old.fields.iter().filter(spare) {
        let (start, slop) = (bit_offset(field), field.name == SPARE);
        rooms.push(Room { start, end: start + field.size * 8, declared: true, slop, beside: true });
    }
    rooms
}

/// Padding between two members. Code that writes a bit-field may write back bytes behind it, up to the next power of two:
/// those are not for other fields.
fn padding(rooms: &mut Vec<Room>, start: u64, end: u64, after_bits: Option<u64>) {
    let start = match after_bits {
        Some(at) => align_up(at, 64).min(end),
        None => align_up(start, 8),
    };
    if start < end {
        rooms.push(Room { start, end, declared: false, slop: false, beside: false });
    }
}
