//! The planner on random structs: what must hold for every plan.

use std::collections::BTreeMap;

use dsu_compiler::facts::{Field, TypeDefinition, TypeKind, TypeText};
use dsu_compiler::layout::natural::{Part, align_up, natural};
use dsu_compiler::layout::place::{Change, Refusal, Renames, Sizes, own_fields, place};
use dsu_compiler::layout::{BLOCK, Member, OWNER, SLOP, SPARE, STAMP, Shape, is_ours, side_table};
use proptest::prelude::*;

/// Types of fields: canonical form, size, alignment.
const TYPES: &[(&str, u64, u64)] = &[
    ("char", 1, 1),
    ("short", 2, 2),
    ("int", 4, 4),
    ("unsigned int", 4, 4),
    ("long", 8, 8),
    ("*struct other", 8, 8),
    ("double", 8, 8),
    ("[3]char", 3, 1),
    ("[5]int", 20, 4),
    ("struct inner", 12, 4),
    ("[2]struct inner", 24, 4),
    ("long double", 16, 16),
];

#[derive(Clone, Debug)]
struct Spec {
    ty: usize,
    bits: Option<u32>,
}

fn spec() -> impl Strategy<Value = Spec> {
    (0..TYPES.len(), proptest::option::weighted(0.25, 1u32..32)).prop_map(|(ty, bits)| {
        let integer = matches!(TYPES[ty].0, "char" | "short" | "int" | "unsigned int" | "long");
        let width = bits.map(|b| 1 + (b - 1) % (TYPES[ty].1 * 8) as u32);
        Spec { ty, bits: width.filter(|_| integer) }
    })
}

/// A struct of the source: names and types of its fields.
type Source = Vec<(String, Spec)>;

fn sources(length: usize) -> impl Strategy<Value = Vec<Source>> {
    let first = proptest::collection::vec(spec(), 1..10);
    let edits = proptest::collection::vec((0..5u8, any::<prop::sample::Index>(), spec()), 1..5);
    (first, proptest::collection::vec(edits, length)).prop_map(|(first, rounds)| {
        let mut now: Source = first.into_iter().enumerate().map(|(n, s)| (format!("f{n}"), s)).collect();
        let mut all = vec![now.clone()];
        for (round, edits) in rounds.into_iter().enumerate() {
            for (n, (what, place, spec)) in edits.into_iter().enumerate() {
                let at = place.index(now.len());
                match what {
                    0 if now.len() > 1 => drop(now.remove(at)),
                    1 => now[at].1 = spec,
                    2 => {
                        let moved = now.remove(at);
                        now.push(moved);
                    }
                    _ => now.insert(at, (format!("g{round}_{n}"), spec)),
                }
            }
            all.push(now.clone());
        }
        all
    })
}

fn field(name: &str, spec: &Spec) -> Field {
    let (ty, size, align) = TYPES[spec.ty];
    Field {
        name: name.into(),
        offset: 0,
        bits: spec.bits,
        ty: ty.into(),
        size,
        align,
        since: 0,
        declaration: (0, 0),
        line: 1,
    }
}

fn bytes(name: &str, size: u64) -> Field {
    Field { ty: format!("[{size}]unsigned char"), size, align: 1, ..field(name, &Spec { ty: 0, bits: None }) }
}

/// What a compiler makes of a source; with room if asked.
fn definition(source: &Source, slop: Option<u64>) -> TypeDefinition {
    let mut fields: Vec<Field> = source.iter().map(|(name, spec)| field(name, spec)).collect();
    if let Some(slop) = slop {
        fields.push(Field { ty: "unsigned long".into(), ..field(STAMP, &Spec { ty: 4, bits: None }) });
        fields.push(bytes(SLOP, slop));
    }
    let laid_out = natural(&fields.iter().map(Part::of_field).collect::<Vec<_>>());
    for (f, offset) in fields.iter_mut().zip(&laid_out.offsets) {
        f.offset = *offset as i64;
    }
    TypeDefinition {
        name: "struct t".into(),
        kind: TypeKind::Struct,
        size: align_up(laid_out.end, laid_out.align * 8) / 8,
        align: laid_out.align,
        fields,
        text: TypeText::default(),
        attributed: false,
        flexible: false,
        local: false,
        file: "t.c".into(),
        line: 1,
    }
}

fn width(m: &Member) -> u64 {
    m.bits.map_or(m.size * 8, u64::from)
}

/// What must hold between a type in the process and its plan.
fn check(old: &TypeDefinition, new: &TypeDefinition, shape: &Shape, changes: &[Change]) {
    assert_eq!((shape.size, shape.align), (old.size, old.align));
    // No two members overlap; C itself puts every member there.
    for pair in shape.members.windows(2) {
        assert!(pair[0].offset + width(&pair[0]) <= pair[1].offset, "{:?} {:?}", pair[0], pair[1]);
    }
    let parts: Vec<Part> = shape.inside().map(Part::of_member).collect();
    let laid_out = natural(&parts);
    assert!(laid_out.offsets.iter().eq(shape.inside().map(|m| &m.offset)));
    assert_eq!(align_up(laid_out.end, shape.align * 8), shape.size * 8);
    check_block(old, shape);
    assert!(shape.members.iter().all(|m| m.bits.is_some() || m.offset % (m.align * 8) == 0));
    // Every field of the source is there, once.
    let mut names: Vec<&str> = shape.members.iter().filter(|m| !m.is_ours()).map(|m| m.name.as_str()).collect();
    let mut wanted: Vec<&str> = own_fields(new).map(|f| f.name.as_str()).collect();
    if !shape.reordered {
        assert_eq!(names, wanted);
        assert!(shape.members.iter().take(wanted.len()).all(|m| !m.is_ours()));
    }
    names.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(names, wanted);
    // What did not change did not move; what is new lies on no byte that the program used.
    for m in shape.members.iter().filter(|m| !m.is_ours()) {
        let was = own_fields(old).find(|f| f.name == m.name && f.ty == m.ty && f.bits == m.bits);
        match was {
            Some(was) => assert_eq!((was.offset as u64, was.since), (m.offset, m.since)),
            None => {
                assert!(m.since > 0);
                let used = old.fields.iter().filter(|f| {
                    !is_ours(&f.name)
                        || [STAMP, BLOCK, OWNER].contains(&f.name.as_str())
                        || f.name.starts_with("dsu_gone")
                });
                for f in used {
                    let (start, end) = (f.offset as u64, f.offset as u64 + f.bits.map_or(f.size * 8, u64::from));
                    assert!(end <= m.offset || m.offset + width(m) <= start, "{m:?} lies on {f:?}");
                }
            }
        }
    }
    // The stamp stays.
    let stamp = |fields: &[Field]| fields.iter().find(|f| f.name == STAMP).map(|f| f.offset as u64);
    assert_eq!(stamp(&old.fields), shape.members.iter().find(|m| m.name == STAMP).map(|m| m.offset));
    // Nothing is lost without being told.
    for f in own_fields(old) {
        let here = shape.members.iter().any(|m| m.name == f.name && m.offset == f.offset as u64 && m.ty == f.ty);
        let told = changes.iter().any(|c| matches!(c, Change::Removed(g) | Change::Retyped(g, _) if g.name == f.name));
        assert!(here || told, "{f:?}");
        if !here && f.bits.is_none() {
            let (start, end) = (f.offset as u64, f.offset as u64 + f.size * 8);
            let over = shape.members.iter().find(|m| m.offset < end && start < m.offset + width(m));
            assert!(over.is_some_and(|m| m.name.starts_with("dsu_gone_")), "{f:?} under {over:?}");
        }
    }
}

/// What must hold of the fields beside the objects.
fn check_block(old: &TypeDefinition, shape: &Shape) {
    let before = side_table(old);
    let Some((number, block)) = side_table(&shape.definition(old)) else {
        assert!(before.is_none() && shape.beside().next().is_none());
        return;
    };
    // Once it is there, neither its place nor its size changes.
    assert!(before.is_none_or(|before| before == (number, block)));
    assert!(number % 8 == 0 && number + 8 <= shape.size && block % 16 == 0);
    // C puts every member of the block there, behind the address of its object.
    let start = shape.size * 8;
    let parts: Vec<Part> = shape.beside().map(Part::of_member).collect();
    let laid_out = natural(&parts);
    assert!(laid_out.offsets.iter().map(|o| o + start).eq(shape.beside().map(|m| m.offset)));
    assert_eq!(laid_out.end.div_ceil(8), block);
    assert!(shape.beside().next().is_some_and(|m| m.name == OWNER && m.offset == start));
    if before.is_none() {
        // The number lies in what was slop, and there is room for later.
        let slop = old.fields.iter().find(|f| f.name == SLOP).expect("slop");
        assert!(slop.offset as u64 <= number * 8 && number * 8 + 64 <= slop.offset as u64 + slop.size * 8);
        assert!(shape.beside().any(|m| m.name == SPARE && m.size >= 32));
    }
}

fn plan(old: &TypeDefinition, new: &TypeDefinition, version: u32) -> Result<(Shape, Vec<Change>), Refusal> {
    let first = place(old, new, &Renames::new(), &Sizes::new(), version);
    assert_eq!(first, place(old, new, &Renames::new(), &Sizes::new(), version));
    if let Ok((shape, changes)) = &first {
        check(old, new, shape, changes);
        // The plan is stable: the same source again is no change, and where it is laid out is known.
        let again = place(&shape.definition(old), new, &Renames::new(), &Sizes::new(), version + 1);
        let (same, none) = again.expect("a plan can be planned again");
        assert_eq!(none, []);
        assert_eq!(same.members, shape.members);
    }
    first
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_plan(sources in sources(1), slop in proptest::option::of((1u64..9).prop_map(|n| n * 8))) {
        let (old, new) = (definition(&sources[0], slop), definition(&sources[1], None));
        match plan(&old, &new, 1) {
            Ok(_) | Err(Refusal::Alignment(..)) => {}
            // Any struct with 8 bytes of slop, aligned, can have a side table.
            Err(Refusal::Full { .. }) => prop_assert!(old.fields.iter().any(|f| f.name == SLOP && f.offset % 64 != 0)),
            Err(Refusal::NoStamp(_)) => prop_assert!(slop.is_none()),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    #[test]
    fn twelve_plans(sources in sources(12)) {
        let mut now = definition(&sources[0], Some(512));
        for (version, source) in sources.iter().enumerate().skip(1) {
            let new = definition(source, Some(512));
            match plan(&now, &new, version as u32) {
                Ok((shape, _)) => now = shape.definition(&now),
                Err(Refusal::Full { .. } | Refusal::Alignment(..)) => break,
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
    }

    #[test]
    fn twelve_plans_with_little_slop(sources in sources(12)) {
        let mut now = definition(&sources[0], Some(8));
        for (version, source) in sources.iter().enumerate().skip(1) {
            match plan(&now, &definition(source, Some(8)), version as u32) {
                Ok((shape, _)) => now = shape.definition(&now),
                Err(Refusal::Full { .. } | Refusal::Alignment(..)) => break,
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
    }

    #[test]
    fn what_did_not_change_needs_nothing(sources in sources(0), slop in proptest::option::of((1u64..9).prop_map(|n| n * 8))) {
        let old = definition(&sources[0], slop);
        let (shape, changes) = plan(&old, &definition(&sources[0], None), 1).expect("no change");
        prop_assert!(changes.is_empty() && shape.natural && !shape.reordered);
    }
}

#[test]
fn a_renamed_field_stays() {
    let old =
        definition(&vec![("a".into(), Spec { ty: 2, bits: None }), ("b".into(), Spec { ty: 2, bits: None })], None);
    let new =
        definition(&vec![("a".into(), Spec { ty: 2, bits: None }), ("c".into(), Spec { ty: 2, bits: None })], None);
    let renames = Renames::from([("b".to_owned(), "c".to_owned())]);
    let (shape, changes) = place(&old, &new, &renames, &Sizes::new(), 1).expect("a plan");
    assert_eq!(shape.members[1].offset, 32);
    assert!(matches!(&changes[..], [Change::Renamed(from, to)] if from.name == "b" && to.name == "c"));
    assert!(shape.natural);
}

#[test]
fn an_embedded_type_counts_as_it_is_in_the_process() {
    let mut old =
        definition(&vec![("a".into(), Spec { ty: 9, bits: None }), ("b".into(), Spec { ty: 4, bits: None })], None);
    let mut new = old.clone();
    // The new source's struct inner is larger: in the patch it has the size that it has in the process.
    new.fields[0].size = 40;
    new.fields[1].offset = 320;
    new.size = 48;
    let (shape, changes) =
        place(&old, &new, &Renames::new(), &BTreeMap::from([("struct inner".into(), (12, 4))]), 1).expect("a plan");
    assert!(changes.is_empty() && shape.natural);
    // One that is larger here for reasons nobody knows is none to plan with.
    old.fields[0].size = 16;
    let refused = place(&old, &new, &Renames::new(), &Sizes::new(), 1);
    assert_eq!(refused, Err(Refusal::Inside("a".into(), 40, 16)));
}

#[test]
fn unions_take_what_fits() {
    let union = |names: &[(&str, usize)], size: u64| TypeDefinition {
        kind: TypeKind::Union,
        size,
        align: names.iter().map(|(n, ty)| field(n, &Spec { ty: *ty, bits: None }).align).max().unwrap_or(1),
        fields: names.iter().map(|(n, ty)| field(n, &Spec { ty: *ty, bits: None })).collect(),
        ..definition(&Vec::new(), None)
    };
    let old = union(&[("i", 2), ("l", 4)], 8);
    let (shape, changes) =
        place(&old, &union(&[("i", 2), ("l", 4), ("c", 7)], 8), &Renames::new(), &Sizes::new(), 1).expect("fits");
    assert!(shape.natural && shape.members.iter().all(|m| m.offset == 0 && m.since == 0));
    assert!(matches!(&changes[..], [Change::Added(_)]));
    let (shape, _) = place(&old, &union(&[("i", 2)], 4), &Renames::new(), &Sizes::new(), 1).expect("smaller");
    assert!(!shape.natural && shape.members.iter().any(|m| m.size == 8));
    assert!(place(&old, &union(&[("i", 2), ("l", 4), ("a", 8)], 24), &Renames::new(), &Sizes::new(), 1).is_err());
    assert!(place(&old, &union(&[("i", 4), ("l", 4)], 8), &Renames::new(), &Sizes::new(), 1).is_err());
}
