//! Rewriting the definitions of structs and unions whose layout is not what the source alone would give.
//!
//! A struct that only gets room is extended in place. One with a planned layout keeps its text, under another tag, and the
//! planned definition follows on the line of its `}`, with the types of its members taken from the source's:
//!
//! ```c
//! typedef struct conn { int fd; char *added; } conn_t;
//! ```
//! becomes
//! ```c
//! struct conn; struct dsu_src_struct_conn { int fd; char *added; }; typedef struct conn {
//! __typeof__(((struct dsu_src_struct_conn *)0)->fd) fd; unsigned long dsu_stamp; ... } conn_t;
//! ```

use crate::facts::{Field, TypeDefinition, TypeKind, UnitFacts};
use crate::layout::{BLOCK, Member, OWNER, STAMP, Shape, Shapes};
use crate::rewrite::RewriteError;
use crate::text::edits::Edits;
use crate::text::lexer::{Kind, Lexer, Token};

/// Rewrites the definitions of all types that have a shape. Behind those whose objects may be of older versions, the
/// function that brings an object up to date is defined.
///
/// # Errors
/// When a definition stands where it cannot be rewritten.
pub fn definitions(facts: &UnitFacts, text: &str, shapes: &Shapes, edits: &mut Edits) -> Result<(), RewriteError> {
    let mut declarations = String::new();
    for t in facts.types.iter().filter(|t| t.kind != TypeKind::Enum) {
        let Some(shape) = shapes.get(&t.name) else { continue };
        if t.local {
            return Err(refused(t, "it is defined inside a function: define it outside"));
        }
        if t.text.open == 0 {
            return Err(refused(t, "its definition is not where the parser says"));
        }
        if shape.natural {
            room(t, shape, text, edits);
        } else {
            Planned { t, shape, facts, text }.rewrite(shapes, edits)?;
        }
        if has_versions(shape) || shape.has_side_table() {
            if facts.functions.iter().any(|f| f.definition.as_ref().is_some_and(|d| d.end == t.text.after)) {
                return Err(refused(t, "it is defined together with a function: give it a declaration of its own"));
            }
            declarations += &format!("extern char dsu_stamp_{}[]{VISIBLE}; ", shape.label);
            let mut text = up_to_date(shape);
            if shape.has_side_table() {
                text += &Planned { t, shape, facts, text: "" }.side_table()?;
            }
            edits.insert(t.text.after, text);
        }
    }
    if !declarations.is_empty() {
        let at = facts.items.first().map_or(text.len(), |i| i.start);
        edits.insert(
            at,
            format!(
                "extern void dsu_migrate(void *, unsigned long){VISIBLE}; extern void *dsu_block(void *, unsigned long){VISIBLE}; \
                 extern void dsu_block_free(void *, unsigned long){VISIBLE}; \
                 {declarations}"
            ),
        );
    }
    Ok(())
}

/// Whatever `#pragma GCC visibility` says, these come from the running program.
const VISIBLE: &str = " __attribute__((visibility(\"default\")))";

/// Whether objects of an older version may exist that lack a field.
pub fn has_versions(shape: &Shape) -> bool {
    shape.members.iter().any(|m| m.since > 0)
}

/// A value of the stamp that says that an object is of the newest version.
pub fn stamp(shape: &Shape) -> String {
    format!("(unsigned long)dsu_stamp_{}", shape.label)
}

fn refused(t: &TypeDefinition, reason: &str) -> RewriteError {
    RewriteError::Layout { ty: t.name.clone(), file: t.file.clone(), line: t.line, reason: reason.to_owned() }
}

/// The function that brings an object up to date and returns it, and a name for its type that nothing hides.
fn up_to_date(shape: &Shape) -> String {
    let (label, stamp) = (&shape.label, stamp(shape));
    // Of a struct without a tag, a typedef may name a pointer (`*name`) or an array (`name[]`).
    let (name, steps) = (shape.name.trim_matches(['*', '[', ']']), shape.name.matches(['*', '[']).count());
    let ty = if steps == 0 { name.to_owned() } else { format!("__typeof__({}({name} *)0)", "*".repeat(steps + 1)) };
    // The text is preprocessed: 2 is `__ATOMIC_ACQUIRE`.
    format!(
        " typedef {ty} dsu_type_{label}; static __inline __attribute__((always_inline, unused)) dsu_type_{label} \
         *dsu_at_{label}(const volatile void *dsu_o) {{ dsu_type_{label} *dsu_p = (dsu_type_{label} *)dsu_o; if \
         (__builtin_expect(__atomic_load_n(&dsu_p->{STAMP}, 2) != {stamp}, 0)) \
         dsu_migrate(dsu_p, {stamp}); return dsu_p; }}"
    )
}

/// Adds the stamp and room for later behind the program's own members.
fn room(t: &TypeDefinition, shape: &Shape, text: &str, edits: &mut Edits) {
    let inside = text.get(..t.text.close).unwrap_or("");
    // The `;` of the last member may be left out.
    let last = Lexer::new(inside, t.text.open).last().map(|token| text.as_bytes()[token.start]);
    let mut members = String::from(if last.is_none_or(|b| b == b';') { " " } else { "; " });
    members.extend(shape.members.iter().filter_map(ours));
    edits.insert(t.text.close, members);
}

/// The declaration of a member of ours.
fn ours(member: &Member) -> Option<String> {
    let name = &member.name;
    match member.bits {
        _ if !member.is_ours() => None,
        _ if name == STAMP || name == BLOCK => Some(format!("unsigned long {name}; ")),
        _ if name == OWNER => Some(format!("void *{OWNER}; ")),
        None => Some(format!("unsigned char {name}[{}]; ", member.size)),
        Some(bits) => {
            // What was there may have been of a type that has no name any more.
            let ty = match member.size {
                1 => "unsigned char",
                2 => "unsigned short",
                4 => "unsigned int",
                _ => "unsigned long",
            };
            Some(format!("{ty} {name} : {bits}; "))
        }
    }
}

/// A definition to be rewritten with a planned layout.
struct Planned<'a> {
    t: &'a TypeDefinition,
    shape: &'a Shape,
    facts: &'a UnitFacts,
    text: &'a str,
}

impl Planned<'_> {
    fn rewrite(&self, shapes: &Shapes, edits: &mut Edits) -> Result<(), RewriteError> {
        let place = self.t.text;
        let keyword = self.keyword();
        let source = format!("dsu_src_{}", self.shape.label);
        let tag = self.t.name.strip_prefix(keyword).and_then(|t| t.strip_prefix(' '));
        // The source's definition, under a tag of its own. The struct must be known before: it may name itself.
        let mut attributes = String::new();
        let mut depth = 0;
        for token in self.tokens(place.keyword + keyword.len(), place.open - 1) {
            let word = self.word(token);
            depth += i32::from(word == "(") - i32::from(word == ")");
            if depth == 0 && Some(word) == tag {
                edits.replace(token.start, token.end - token.start, "");
            } else {
                attributes += &format!("{word} ");
            }
        }
        if let Some(tag) = tag {
            edits.insert(place.start, format!("{keyword} {tag}; "));
        }
        edits.insert(place.open - 1, format!(" {source} "));
        let mut prefix = String::new();
        for token in self.tokens(place.start, place.keyword) {
            if token.kind == Kind::Directive {
                continue;
            }
            prefix += &format!("{} ", self.word(token));
            edits.replace(token.start, token.end - token.start, "");
        }
        let mut members = String::new();
        for member in self.shape.inside() {
            members += &self.member(member, &source, shapes, edits)?;
        }
        let aligned = self.shape.inside().map(|m| m.align).max().unwrap_or(1);
        if self.shape.align > aligned {
            attributes += &format!("__attribute__((aligned({}))) ", self.shape.align);
        }
        let tag = tag.map(|t| format!("{t} ")).unwrap_or_default();
        edits.insert(place.close + 1, format!("; {prefix}{keyword} {attributes}{tag}{{ {members}}}"));
        Ok(())
    }

    /// The struct of the fields that do not fit into objects, and the functions that find an object's: of any object, and
    /// of one that a transformer is making, which has a block already.
    fn side_table(&self) -> Result<String, RewriteError> {
        let label = &self.shape.label;
        let source = format!("dsu_src_{label}");
        let mut members = String::new();
        for member in self.shape.beside() {
            // None is without a name.
            members += &self.member(member, &source, &Shapes::new(), &mut Edits::default())?;
        }
        let function = "static __inline __attribute__((always_inline, unused))";
        Ok(format!(
            " struct dsu_side_{label} {{ {members}}}; extern struct dsu_side_{label} dsu_table_{label}[]{VISIBLE}; {function} struct \
             dsu_side_{label} *dsu_beside_{label}(const volatile void *dsu_o) {{ dsu_type_{label} *dsu_p = dsu_at_{label}(dsu_o); \
             unsigned long dsu_n = __atomic_load_n(&dsu_p->{BLOCK}, 2); if (__builtin_expect(dsu_n - 1 < (unsigned \
             long)__atomic_load_n(&dsu_table_{label}[0].{OWNER}, 2) && __atomic_load_n(&dsu_table_{label}[dsu_n].{OWNER}, 2) == (void \
             *)dsu_p, 1)) return &dsu_table_{label}[dsu_n]; return (struct dsu_side_{label} *)dsu_block(dsu_p, {}); }} {function} \
             struct dsu_side_{label} *dsu_made_{label}(const volatile void *dsu_o) {{ return &dsu_table_{label}[((dsu_type_{label} \
             *)dsu_o)->{BLOCK}]; }} {function} void *dsu_gone_{label}(const volatile void *dsu_o) {{ if (dsu_o) \
             dsu_block_free((void *)dsu_o, {}); return (void *)dsu_o; }}",
            stamp(self.shape),
            stamp(self.shape)
        ))
    }

    fn keyword(&self) -> &'static str {
        if self.t.kind == TypeKind::Union { "union" } else { "struct" }
    }

    fn tokens(&self, start: usize, end: usize) -> Lexer<'_> {
        Lexer::new(self.text.get(..end).unwrap_or(""), start)
    }

    fn word(&self, token: Token) -> &str {
        self.text.get(token.start..token.end).unwrap_or("")
    }

    /// The declaration of a member.
    fn member(
        &self,
        member: &Member,
        source: &str,
        shapes: &Shapes,
        edits: &mut Edits,
    ) -> Result<String, RewriteError> {
        let name = &member.name;
        if let Some(text) = ours(member) {
            return Ok(text);
        }
        if name.is_empty() {
            return self.unnamed(member, shapes, edits);
        }
        let Some(field) = self.t.fields.iter().find(|f| f.name == *name) else {
            return Err(refused(self.t, &format!("it has no member {name} to lay out")));
        };
        Ok(match member.bits {
            Some(bits) => format!("{} {name} : {bits}; ", self.bit_field_type(field)?),
            None => format!("__typeof__((({} {source} *)0)->{name}) {name}; ", self.keyword()),
        })
    }

    fn bit_field_type(&self, field: &Field) -> Result<String, RewriteError> {
        if field.ty.contains(['{', '*', '[']) {
            let reason = format!("the bit-field {} is of a type without a name: give its enum a tag", field.name);
            return Err(refused(self.t, &reason));
        }
        // The language of the unit may be too old to know `bool`.
        let words = field.ty.split(' ').map(|w| if w == "bool" { "_Bool" } else { w });
        Ok(words.collect::<Vec<_>>().join(" "))
    }

    /// A member without a name moves from the source's definition to the planned one: it may define things itself.
    fn unnamed(&self, member: &Member, shapes: &Shapes, edits: &mut Edits) -> Result<String, RewriteError> {
        let same = |f: &&Field| f.name.is_empty() && f.bits.is_none() && f.ty == member.ty;
        let Some(field) = self.t.fields.iter().find(same) else {
            return Err(refused(self.t, "a member without a name is planned that it does not have"));
        };
        let (start, end) = self.whole(field.declaration);
        let here = |t: &&TypeDefinition| (start..end).contains(&t.text.keyword) && shapes.contains_key(&t.name);
        if let Some(inner) = self.facts.types.iter().find(here) {
            let reason = format!("{} is defined in a member of it without a name: define it outside", inner.name);
            return Err(refused(self.t, &reason));
        }
        let mut moved = String::new();
        for token in self.tokens(start, end) {
            if token.kind == Kind::Directive {
                return Err(refused(self.t, "there is a #pragma in a member without a name"));
            }
            moved += &format!("{} ", self.word(token));
            edits.replace(token.start, token.end - token.start, "");
        }
        // Its `;` stays behind, where it declares nothing.
        Ok(format!("{moved}; "))
    }

    /// A member's declaration with what stands before and behind its type, up to the `;`.
    fn whole(&self, (start, end): (usize, usize)) -> (usize, usize) {
        let (mut depth, mut from, mut to) = (0, self.t.text.open, end);
        for token in self.tokens(self.t.text.open, self.t.text.close) {
            match self.word(token) {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => depth -= 1,
                ";" if depth == 0 && token.end <= start => from = token.end,
                ";" if depth == 0 && token.start >= end => break,
                _ => {}
            }
            to = token.end.max(end);
        }
        (from, to)
    }
}
