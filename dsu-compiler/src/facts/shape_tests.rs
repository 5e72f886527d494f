use super::*;
use crate::clang::Library;
use crate::layout::{Member, SLOP, STAMP, label_of};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn unit(text: &str) -> UnitImage {
    UnitImage {
        source: "a.c".into(),
        directory: "/".into(),
        compiler: "cc".into(),
        flags: Vec::new(),
        text: format!("# 1 \"a.c\"\n{text}"),
    }
}

fn facts(image: &UnitImage) -> Result<UnitFacts, ClangError> {
    Library::load()?.enter();
    extract::extract(image)
}

fn find<'a>(facts: &'a UnitFacts, name: &str) -> Result<&'a TypeDefinition, String> {
    facts.types.iter().find(|t| t.name == name).ok_or_else(|| format!("no {name} in {:#?}", facts.types))
}

/// The shape that a struct of the base program gets: its own members, a stamp and room.
fn with_room(t: &TypeDefinition, slop: u64) -> (String, Shape) {
    let mut members: Vec<Member> = t
        .fields
        .iter()
        .map(|f| Member {
            name: f.name.clone(),
            offset: f.offset as u64,
            bits: f.bits,
            ty: f.ty.clone(),
            size: f.size,
            align: f.align,
            since: 0,
        })
        .collect();
    let stamp = t.size.next_multiple_of(8);
    let mut ours = |name: &str, at: u64, ty: String, size, align| {
        members.push(Member { name: name.into(), offset: at * 8, bits: None, ty, size, align, since: 0 });
    };
    ours(STAMP, stamp, "unsigned long".into(), 8, 8);
    ours(SLOP, stamp + 8, format!("[{slop}]unsigned char"), slop, 1);
    let size = (stamp + 8 + slop).next_multiple_of(8);
    let (name, label) = (t.name.clone(), label_of(&t.name));
    let shape =
        Shape { name: name.clone(), label, kind: t.kind, size, align: 8, members, reordered: false, natural: true };
    (name, shape)
}

#[test]
fn definitions_are_found_with_what_surrounds_them() -> Outcome {
    let image = unit(
        "typedef struct { int a; union { int x; long y; }; struct { int q; } named; } anon;\n\
         static const struct foo { int a; const struct inner { int z; } i; } v1, v2 = { 1 };\n\
         struct plain { int a : 3; int : 5; int b : 2; int packed; };\n\
         struct ret { int a; } f(void) { struct local { int a; } x = { 1 }; struct ret r = { x.a }; return r; }\n",
    );
    let facts = facts(&image)?;
    assert_eq!(facts.errors, Vec::<String>::new());
    let text = |name: &str| -> Result<_, String> {
        let t = find(&facts, name)?.text;
        Ok((&image.text[t.start..t.keyword], &image.text[t.open..=t.close], &image.text[t.close + 1..t.after]))
    };
    assert_eq!(text("anon")?, ("typedef ", " int a; union { int x; long y; }; struct { int q; } named; }", " anon;"));
    assert_eq!(text("struct foo")?.0, "static const ");
    assert_eq!(text("struct foo")?.2, " v1, v2 = { 1 };");
    assert_eq!(text("struct inner")?, ("const ", " int z; }", " i; } v1, v2 = { 1 };"));
    assert_eq!(text("struct plain")?.2, ";");
    assert!(text("struct ret")?.2.ends_with("return r; }"));
    assert!(find(&facts, "struct local in f")?.local);
    assert!(facts.types.iter().all(|t| !t.attributed && !t.flexible));
    assert_eq!(facts.types.iter().filter(|t| t.name == "struct foo").count(), 1);
    let offsets: Vec<(&str, i64)> = find(&facts, "anon")?.fields.iter().map(|f| (f.name.as_str(), f.offset)).collect();
    assert_eq!(offsets, [("a", 0), ("", 64), ("named", 128)]);
    let offsets: Vec<i64> = find(&facts, "struct plain")?.fields.iter().map(|f| f.offset).collect();
    assert_eq!(offsets, [0, 3, 8, 32]);
    Ok(())
}

#[test]
fn layouts_by_attribute_and_open_ends_are_known() -> Outcome {
    let image = unit(
        "struct a { char c; int i; } __attribute__((packed));\n\
         struct __attribute__((__aligned__(64))) b { int i; };\n\
         typedef struct { int i; } c __attribute__((aligned(16)));\n\
         struct d { int i __attribute__((aligned(32))); };\n\
         #pragma pack(push, 1)\n\
         struct e { long i; };\n\
         #pragma pack(pop)\n\
         struct f { _Alignas(16) int i; };\n\
         struct open { int n; char data[]; }; struct hack { int n; char data[1]; }; struct tail { struct open o; };\n\
         struct not { int packed, aligned; char data[2]; } __attribute__((unused));\n",
    );
    let facts = facts(&image)?;
    assert_eq!(facts.errors, Vec::<String>::new());
    let of = |what: fn(&TypeDefinition) -> bool| -> Vec<&str> {
        facts.types.iter().filter(|t| what(t)).map(|t| t.name.as_str()).collect()
    };
    assert_eq!(of(|t| t.attributed), ["struct a", "struct b", "c", "struct d", "struct e", "struct f"]);
    assert_eq!(of(|t| t.flexible), ["struct open", "struct hack", "struct tail"]);
    Ok(())
}

#[test]
fn extensions_decide_on_the_layout_of_those_that_use_them() -> Outcome {
    let mut image = unit(
        "struct base { int a; char b; };\n\
         struct derived { struct base; int c; };\n\
         struct usual { struct base base; struct { int x; }; union { int y; long z; }; int : 3; };\n\
         typedef struct base other;\n\
         struct again { int d; other; };\n\
         struct inside { struct derived derived; };\n",
    );
    image.flags = vec!["-fms-extensions".into()];
    let facts = facts(&image)?;
    assert_eq!(facts.errors, Vec::<String>::new());
    let attributed: Vec<&str> = facts.types.iter().filter(|t| t.attributed).map(|t| t.name.as_str()).collect();
    assert_eq!(attributed, ["struct derived", "struct again"]);
    Ok(())
}

#[test]
fn room_changes_sizes_wherever_they_matter() -> Outcome {
    let image = unit(
        "struct conn { long id; char name[60] };\n\
         struct pool { int n; struct conn all[3]; struct conn *first; };\n\
         struct pool pool; static struct conn *list; char copy[sizeof(struct pool)];\n\
         int f(void) { static struct conn last; return sizeof last + copy[0] + (list != 0); }\n",
    );
    let before = facts(&image)?;
    let (name, shape) = with_room(find(&before, "struct conn")?, 32);
    assert_eq!(shape.size, 112);
    let shapes = Shapes::from([(name, shape)]);
    let after = reshape(&image, &before, &shapes)?;
    assert_eq!(find(&after, "struct conn")?.size, 112);
    assert_eq!(find(&after, "struct pool")?.size, 8 + 3 * 112 + 8);
    assert_eq!(find(&after, "struct conn")?.text, find(&before, "struct conn")?.text);
    let sizes: Vec<(&str, u64)> = after.variables.iter().map(|v| (v.name.as_str(), v.size)).collect();
    assert_eq!(sizes, [("pool", 352), ("list", 8), ("copy", 352), ("last", 112)]);
    assert_eq!(after.variables[2].ty, "[352]char");
    assert_eq!(after.content, before.content);
    Ok(())
}

#[test]
fn wrong_shapes_are_errors() -> Outcome {
    let image = unit("struct conn { long id; char name[60]; };\nstruct conn c;\n");
    let before = facts(&image)?;
    let (name, mut shape) = with_room(find(&before, "struct conn")?, 32);
    shape.members[1].offset += 8;
    let error = reshape(&image, &before, &Shapes::from([(name.clone(), shape.clone())])).err();
    assert_eq!(
        error.map(|e| e.to_string()).as_deref(),
        Some(
            "a.c:1: struct conn cannot be laid out as planned: name is at bit 64 with 60 bytes, not at bit 72 with 60"
        )
    );
    shape.size += 8;
    assert!(reshape(&image, &before, &Shapes::from([(name, shape)])).is_err());
    Ok(())
}
