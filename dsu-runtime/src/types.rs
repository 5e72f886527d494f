//! The types that patches have changed in this process: their versions, and the stamps that tell which version an object
//! has.
//!
//! A version is a node. Its parent is the version that its transformer starts from; version 0, that of the executable,
//! is [`BASE`]. The versions in force are a chain from the base to the head of the type. Versions of patches that were
//! undone stay, beside that chain, as old frames of such patches may still ask for them, and as their stamps may still
//! stand in objects.
//!
//! A stamp is a number that cannot be guessed, so that bytes which are a stamp by accident, or by someone's design, do
//! not occur. It is the same in processes that are forks of one another and take the same patches, because they may
//! share objects.
//!
//! The table of all this is built anew by every patch that changes a type, and by its undoing, and never changed or
//! freed: [`crate::migrate`] reads it without a lock, at any time, in signal handlers, too. A process without such
//! patches has none.

use crate::elf::segment_flags;
use crate::image::Image;
use crate::layer::{self, Layer};
use crate::manifest::{Manifest, target, text};
use crate::refusal::{Refusal, Result};
use crate::registry::{self, Place, Variable};
use crate::rehearse::Objects;
use crate::side::{Form, SideTable};
use core::mem::offset_of;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use dsu_abi::control::TypeStatus;
use dsu_abi::patch::{NO_STAMP, PatchObject, PatchType, type_flags};
use std::hash::{DefaultHasher, Hasher};

/// Version 0 of every type.
pub const BASE: u32 = u32::MAX;

/// A version of a type.
#[derive(Clone, Copy)]
pub struct Node {
    /// The type.
    pub kind: u32,
    /// The version it comes from.
    pub parent: u32,
    /// How many versions lie between it and the base, itself included.
    pub version: u32,
    /// Whether its patch is in force.
    pub in_force: bool,
    /// Whether its transformer may run twice.
    pub repeatable: bool,
    /// Fingerprint of its layout.
    layout: u64,
    /// Stamp of its objects.
    pub stamp: u64,
    /// Stamp of its objects while they are brought to another version.
    pub busy: u64,
    /// Address of the transformer that makes it from its parent's, 0 if none is needed.
    pub transform: u64,
    /// Where its objects have the fields that do not fit into them.
    pub side: Option<&'static SideTable>,
    /// Figures.
    pub status: &'static TypeStatus,
}

/// A type.
#[derive(Clone, Copy)]
pub struct Kind {
    key: u64,
    /// Where an object has its stamp.
    pub stamp_offset: u32,
    /// Stamp of objects of version 0 while they are brought to another version.
    pub busy: u64,
    /// The newest version.
    pub head: u32,
}

/// What a stamp means.
#[derive(Clone, Copy)]
pub struct Mark {
    stamp: u64,
    /// The type.
    pub kind: u32,
    /// The version.
    pub node: u32,
    /// Whether the object is being brought to another one.
    pub busy: bool,
}

/// All that is known of changed types.
#[derive(Clone, Default)]
pub struct Table {
    kinds: Vec<Kind>,
    nodes: Vec<Node>,
    /// Sorted by stamp.
    marks: Vec<Mark>,
}

static TABLE: AtomicPtr<Table> = AtomicPtr::new(core::ptr::null_mut());

/// The table, once there is one.
pub fn table() -> Option<&'static Table> {
    // SAFETY: leaked from a box, and never changed.
    unsafe { TABLE.load(Ordering::Acquire).as_ref() }
}

fn publish(table: Table) {
    TABLE.store(Box::into_raw(Box::new(table)), Ordering::Release);
}

impl Table {
    /// What a stamp means; `None` for numbers that are none.
    pub fn find(&self, stamp: u64) -> Option<&Mark> {
        let index = self.marks.binary_search_by_key(&stamp, |mark| mark.stamp).ok()?;
        self.marks.get(index)
    }

    /// A type.
    pub fn kind(&self, index: u32) -> Option<&Kind> {
        self.kinds.get(index as usize)
    }

    fn kind_of(&self, key: u64) -> Option<u32> {
        self.kinds.iter().position(|kind| kind.key == key).map(|index| index as u32)
    }

    /// A version; `None` for the base.
    pub fn node(&self, index: u32) -> Option<&Node> {
        self.nodes.get(index as usize)
    }

    fn version(&self, node: u32) -> u32 {
        self.node(node).map_or(0, |node| node.version)
    }

    fn parent(&self, node: u32) -> u32 {
        self.node(node).map_or(BASE, |node| node.parent)
    }

    /// Whether the patch that made this version is in force.
    pub fn in_force(&self, node: u32) -> bool {
        self.node(node).is_none_or(|node| node.in_force)
    }

    /// The newest version that both come from. They are of one type.
    pub fn common(&self, mut a: u32, mut b: u32) -> u32 {
        while a != b {
            if self.version(a) >= self.version(b) {
                a = self.parent(a);
            } else {
                b = self.parent(b);
            }
        }
        a
    }

    /// Whether an object of version `node` serves code that wants version `wanted`.
    pub fn serves(&self, node: u32, wanted: u32) -> bool {
        if self.in_force(node) && self.in_force(wanted) {
            return self.version(node) >= self.version(wanted);
        }
        self.common(node, wanted) == wanted
    }

    /// The side table of a version, if it has one.
    pub fn side(&self, node: u32) -> Option<&'static SideTable> {
        self.node(node)?.side
    }

    /// The table that a new version of a type goes on using: that of the version it comes from, or that of one just like
    /// it that was undone. `Err`: the objects would need two.
    fn known_side(&self, key: u64, form: Form, layout: u64) -> Option<core::result::Result<&'static SideTable, ()>> {
        let kind = self.kind_of(key)?;
        let head = self.side(self.kind(kind)?.head);
        if let Some(side) = head {
            return Some(if side.form() == form { Ok(side) } else { Err(()) });
        }
        let same = |node: &&Node| node.kind == kind && node.layout == layout;
        self.nodes.iter().filter(same).filter_map(|node| node.side).find(|side| side.form() == form).map(Ok)
    }

    fn stamp_of_node(&self, node: u32) -> u64 {
        self.node(node).map_or(0, |node| node.stamp)
    }

    /// The stamp of the newest version of a type, 0 for the base.
    fn newest(&self, key: u64) -> u64 {
        self.kind_of(key).and_then(|kind| self.kind(kind)).map_or(0, |kind| self.stamp_of_node(kind.head))
    }

    fn mark(&mut self, mark: Mark) {
        let at = self.marks.partition_point(|other| other.stamp < mark.stamp);
        self.marks.insert(at, mark);
    }

    fn add_kind(&mut self, new: &NewType) -> u32 {
        if let Some(kind) = self.kind_of(new.key) {
            return kind;
        }
        let kind = self.kinds.len() as u32;
        self.kinds.push(Kind { key: new.key, stamp_offset: new.stamp_offset, busy: new.busy_base, head: BASE });
        self.mark(Mark { stamp: new.busy_base, kind, node: BASE, busy: true });
        kind
    }

    fn add(&mut self, new: &NewType, side: Option<&'static SideTable>, status: &'static TypeStatus) -> u32 {
        let kind = self.add_kind(new);
        let node = self.nodes.len() as u32;
        let parent = self.kind(kind).map_or(BASE, |kind| kind.head);
        let (stamp, busy) = (new.stamp, new.busy);
        self.nodes.push(Node {
            kind,
            parent,
            version: self.version(parent) + 1,
            in_force: true,
            repeatable: new.repeatable,
            layout: new.layout,
            stamp,
            busy,
            transform: new.transform,
            side,
            status,
        });
        self.mark(Mark { stamp, kind, node, busy: false });
        self.mark(Mark { stamp: busy, kind, node, busy: true });
        if let Some(kind) = self.kinds.get_mut(kind as usize) {
            kind.head = node;
        }
        node
    }

    /// Takes versions out of force, which are the newest of their types.
    fn retire(&mut self, nodes: &[u32]) {
        for &index in nodes.iter().rev() {
            let Some(node) = self.nodes.get_mut(index as usize) else { continue };
            node.in_force = false;
            if let Some(kind) = self.kinds.get_mut(node.kind as usize) {
                kind.head = node.parent;
            }
        }
    }
}

/// A type that a patch changes.
struct NewType {
    key: u64,
    name: &'static str,
    size: u64,
    /// [`NO_STAMP`]: its objects have none.
    stamp_offset: u32,
    repeatable: bool,
    stamp: u64,
    busy: u64,
    /// For the type as a whole, where it has not changed before.
    busy_base: u64,
    transform: u64,
    /// Fingerprint of the layout.
    layout: u64,
    side: Side,
}

/// The side table of a version to be.
enum Side {
    /// It needs none.
    None,
    /// One that exists.
    Known(&'static SideTable),
    /// A new one, which is given back if the patch is not applied.
    New(Box<SideTable>),
}

impl Side {
    fn address(&self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Known(side) => Some(side.address()),
            Self::New(side) => Some(side.address()),
        }
    }

    fn keep(self) -> Option<&'static SideTable> {
        match self {
            Self::None => None,
            Self::Known(side) => Some(side),
            Self::New(side) => Some(Box::leak(side)),
        }
    }
}

/// The types that a patch changes, checked. Nothing is known of them outside before [`Change::publish`].
pub struct Change {
    types: Vec<NewType>,
    /// How many patches have changed types before, here or in the processes this one was forked from.
    age: u64,
}

/// The types that a patch in force has changed.
#[derive(Default)]
pub struct Published {
    nodes: Vec<u32>,
    /// Figures, for the pusher.
    pub statuses: &'static [TypeStatus],
}

impl Change {
    /// Reads and checks the types that a patch changes, and adds their new layouts to `layer`.
    pub fn read(image: &Image, manifest: &Manifest, layer: &mut Layer) -> Result<Self> {
        let mut change = Self { types: Vec::new(), age: table().map_or(0, |table| table.nodes.len() as u64) };
        for index in 0..manifest.changed_types.len() {
            let (at, record) = manifest.changed_types.get(image, index)?;
            let name = text(image, at, offset_of!(PatchType, name), record.name)?;
            if change.find(record.key).is_some() {
                return Err(Refusal::damaged("it changes a type twice"));
            }
            check_layout(name, &record)?;
            layer.add_type(record.key, record.new_layout);
            let offset = offset_of!(PatchType, transform);
            let transform = target(image, at, offset, record.transform, 1, segment_flags::X)?.unwrap_or(0);
            check_stamp(name, &record, transform)?;
            let mut dice = Dice::new(manifest, record.key, change.age);
            change.types.push(NewType {
                key: record.key,
                name,
                size: record.size,
                stamp_offset: record.stamp_offset,
                repeatable: record.flags & type_flags::REPEATABLE != 0,
                stamp: dice.throw(),
                busy: dice.throw(),
                busy_base: dice.throw(),
                transform,
                layout: record.new_layout,
                side: side_table(name, &record)?,
            });
        }
        if change.types.iter().any(NewType::has_stamp) {
            crate::migrate::prepare()?;
        }
        Ok(change)
    }

    fn find(&self, key: u64) -> Option<&NewType> {
        self.types.iter().find(|new| new.key == key)
    }

    /// Finds the objects of a record in memory.
    pub fn objects(&self, image: &Image, at: u64, record: &PatchObject) -> Result<Objects> {
        let name = text(image, at, offset_of!(PatchObject, name), record.name)?;
        let new = self.find(record.changed).filter(|new| new.has_stamp());
        let new = new.ok_or_else(|| Refusal::damaged("it has objects of a type that it does not change"))?;
        let variable = layer::variable(record.variable).filter(|variable| variable.fingerprint == record.fingerprint);
        let Some(Variable { place: Place::Address(address), size, .. }) = variable else {
            return Err(Refusal::incompatible(&[
                "variable ",
                name,
                " is not in the running program as the patch expects",
            ]));
        };
        let before_last = record.count.saturating_sub(1).checked_mul(record.stride);
        let end = before_last.and_then(|length| length.checked_add(record.offset)?.checked_add(new.size));
        let aligned = (address | record.offset | record.stride) % 8 == 0;
        if end.is_none_or(|end| end > size) || !aligned || (record.count > 1 && record.stride < new.size) {
            return Err(Refusal::damaged("it has objects outside of their variables"));
        }
        let (first, stride, count) = (address + record.offset, record.stride, record.count);
        Ok(Objects { variable: name, first, stride, count, stamp: new.stamp })
    }

    /// Whether the patch leads a type to this layout.
    pub fn leads_to(manifest: &Manifest, image: &Image, key: u64, layout: u64) -> bool {
        (0..manifest.changed_types.len())
            .filter_map(|index| manifest.changed_types.get(image, index).ok())
            .any(|(_, record)| record.key == key && record.new_layout == layout)
    }

    /// The stamp that the patch's code wants objects of a type to have.
    pub fn stamp(&self, key: u64) -> u64 {
        match self.find(key) {
            Some(new) if new.has_stamp() => new.stamp,
            _ => table().map_or(0, |table| table.newest(key)),
        }
    }

    /// The address of the side table that the patch's code looks into for a type.
    pub fn side(&self, key: u64) -> Option<u64> {
        match self.find(key) {
            Some(new) => new.side.address(),
            None => table().and_then(|table| table.side(table.kind(table.kind_of(key)?)?.head)).map(SideTable::address),
        }
    }

    /// Makes the new versions known, as the newest of their types.
    pub fn publish(self) -> Published {
        if self.types.is_empty() {
            return Published::default();
        }
        let mut table = table().cloned().unwrap_or_default();
        let status = |new: &NewType| TypeStatus {
            key: new.key,
            name: new.name.as_ptr() as u64,
            stamp: if new.has_stamp() { new.stamp } else { 0 },
            version: 1 + crate::journal::changes_of(new.key),
            blocks: AtomicU32::new(0),
            migrated: AtomicU64::new(0),
            out_of_range: AtomicU64::new(0),
        };
        let statuses: &'static [TypeStatus] = Vec::leak(self.types.iter().map(status).collect());
        let mut nodes = Vec::new();
        for (mut new, status) in self.types.into_iter().zip(statuses).filter(|(new, _)| new.has_stamp()) {
            let side = core::mem::replace(&mut new.side, Side::None).keep();
            nodes.push(table.add(&new, side, status));
        }
        publish(table);
        Published { nodes, statuses }
    }
}

impl NewType {
    fn has_stamp(&self) -> bool {
        self.stamp_offset != NO_STAMP
    }
}

impl Published {
    /// The versions are not in force any more. What has their stamps counts as being of the version before.
    pub fn withdraw(&self) {
        if let Some(table) = table().filter(|_| !self.nodes.is_empty()) {
            let mut table = table.clone();
            table.retire(&self.nodes);
            publish(table);
        }
    }
}

fn check_layout(name: &str, record: &PatchType) -> Result<()> {
    match layer::type_layout(record.key) {
        None => Err(Refusal::incompatible(&[name, " is not in the running program"])),
        Some(layout) if layout != record.old_layout => {
            Err(Refusal::incompatible(&[name, " has another layout in the running program than the patch expects"]))
        }
        Some(_) if registry::type_size(record.key).is_some_and(|size| size != record.size) => {
            Err(Refusal::incompatible(&[name, " has another size in the running program than the patch expects"]))
        }
        Some(_) => Ok(()),
    }
}

fn check_stamp(name: &str, record: &PatchType, transform: u64) -> Result<()> {
    let offset = u64::from(record.stamp_offset);
    if record.stamp_offset == NO_STAMP {
        return match transform {
            0 => Ok(()),
            _ => Err(Refusal::damaged("a type has a transformer and no stamp")),
        };
    }
    if offset % 8 != 0 || record.size < 8 || offset > record.size - 8 {
        return Err(Refusal::damaged("the stamp of a type lies outside of it"));
    }
    let known = table().and_then(|table| table.kind(table.kind_of(record.key)?));
    if known.is_some_and(|kind| kind.stamp_offset != record.stamp_offset) {
        let text = [name, " has its stamp at another place in the running program than the patch expects"];
        return Err(Refusal::incompatible(&text));
    }
    Ok(())
}

/// The side table that a patch wants for a type.
fn side_table(name: &str, record: &PatchType) -> Result<Side> {
    if record.block == 0 {
        return Ok(Side::None);
    }
    let offset = u64::from(record.block_offset);
    let fits = record.stamp_offset != NO_STAMP && offset % 8 == 0 && record.size >= 8 && offset <= record.size - 8;
    if !fits || record.block % 16 != 0 || offset == u64::from(record.stamp_offset) {
        return Err(Refusal::damaged("the side table of a type makes no sense"));
    }
    let form = Form { object: record.size, block: record.block.into(), offset };
    match table().and_then(|table| table.known_side(record.key, form, record.new_layout)) {
        Some(Ok(side)) => Ok(Side::Known(side)),
        Some(Err(())) => {
            let text = [name, " has a side table of another form in the running program than the patch expects"];
            Err(Refusal::incompatible(&text))
        }
        None => Ok(Side::New(Box::new(SideTable::new(form)?))),
    }
}

/// Makes stamps of a type in a patch.
struct Dice(DefaultHasher);

impl Dice {
    fn new(manifest: &Manifest, key: u64, age: u64) -> Self {
        let mut hasher = DefaultHasher::new();
        // What the kernel gives every program when it starts: unknown outside, and the same after `fork`.
        // SAFETY: asks for the auxiliary vector, which says where 16 bytes are.
        if let Some(secret) = unsafe { (libc::getauxval(libc::AT_RANDOM) as *const [u8; 16]).as_ref() } {
            hasher.write(secret);
        }
        hasher.write(&manifest.header.patch.0);
        hasher.write_u64(key);
        hasher.write_u64(age);
        Self(hasher)
    }

    /// A number that is no stamp yet.
    fn throw(&mut self) -> u64 {
        loop {
            self.0.write_u8(0);
            let number = self.0.finish();
            if number != 0 && table().is_none_or(|table| table.find(number).is_none()) {
                return number;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(key: u64, stamp: u64) -> NewType {
        let (busy, busy_base) = (stamp + 1, stamp + 2);
        NewType {
            key,
            name: "t",
            size: 72,
            stamp_offset: 8,
            repeatable: false,
            stamp,
            busy,
            busy_base,
            transform: 0,
            layout: 0,
            side: Side::None,
        }
    }

    fn status() -> &'static TypeStatus {
        let zero = || AtomicU64::new(0);
        Box::leak(Box::new(TypeStatus {
            key: 0,
            name: 0,
            stamp: 0,
            version: 0,
            blocks: AtomicU32::new(0),
            migrated: zero(),
            out_of_range: zero(),
        }))
    }

    #[test]
    fn versions_in_force_and_beside() {
        let mut table = Table::default();
        let one = table.add(&new(7, 100), None, status());
        let two = table.add(&new(7, 200), None, status());
        let other = table.add(&new(8, 300), None, status());
        assert_eq!((table.newest(7), table.newest(8), table.newest(9)), (200, 300, 0));
        assert!(
            table.serves(two, one) && table.serves(one, BASE) && !table.serves(one, two) && !table.serves(BASE, one)
        );
        table.retire(&[two]);
        assert_eq!(table.newest(7), 100);
        // An object that the undone version has changed is still good for the one before.
        assert!(table.serves(two, one) && !table.serves(one, two));
        let again = table.add(&new(7, 400), None, status());
        assert_eq!(table.node(again).map(|node| node.version), Some(2));
        assert!(!table.serves(two, again) && !table.serves(again, two));
        assert_eq!((table.common(two, again), table.common(again, one), table.common(BASE, again)), (one, one, BASE));
        assert_eq!(table.find(201).map(|mark| (mark.node, mark.busy)), Some((two, true)));
        assert_eq!(table.find(102).map(|mark| (mark.node, mark.busy)), Some((BASE, true)));
        assert_eq!(table.find(300).map(|mark| mark.node), Some(other));
        assert!(table.find(0).is_none() && table.find(5).is_none());
    }
}
