//! Canonical types back into C: declarations, and conversions between numbers.

use std::cell::LazyCell;
use std::collections::{BTreeSet, HashMap};

use crate::analyse::model::{Model, Unit};
use crate::facts::{TypeDefinition, TypeKind};
use crate::layout::is_beside;
use crate::layout::natural::{Part, natural};
use crate::layout::place::own_fields;

/// Something that is found when it is wanted.
type Lazy<'a, T> = LazyCell<T, Box<dyn FnOnce() -> T + 'a>>;

/// What a unit can name. Most numbers need neither names nor types, and there are many of both.
pub struct Scope<'a> {
    names: Lazy<'a, BTreeSet<&'a str>>,
    types: Lazy<'a, HashMap<&'a str, &'a TypeDefinition>>,
}

impl<'a> Scope<'a> {
    /// The names at the end of a unit; types by what they are in the whole program.
    pub fn new(model: &'a Model, unit: &'a Unit) -> Self {
        let names = || unit.facts.items.iter().flat_map(|i| &i.names).map(String::as_str).collect();
        let types = || {
            let mut types: HashMap<&str, &TypeDefinition> = HashMap::new();
            for t in unit.facts.types.iter().chain(model.units.iter().flat_map(|u| &u.facts.types)) {
                types.entry(t.name.as_str()).or_insert(t);
            }
            types
        };
        Self { names: LazyCell::new(Box::new(names)), types: LazyCell::new(Box::new(types)) }
    }

    /// A declaration of `name` with a canonical type, if the unit has words for it.
    pub fn declare(&self, ty: &str, name: &str) -> Option<String> {
        self.declarator(ty, name.to_owned(), true)
    }

    fn declarator(&self, ty: &str, inner: String, by_value: bool) -> Option<String> {
        let (qualifiers, rest) = split_qualifiers(ty);
        if let Some(pointee) = rest.strip_prefix('*') {
            let inner = format!("*{qualifiers}{inner}");
            let (_, target) = split_qualifiers(pointee);
            let inner = if target.starts_with('[') || target.starts_with("fn(") { format!("({inner})") } else { inner };
            // What the unit cannot name it can still point to.
            return self.declarator(pointee, inner.clone(), false).or_else(|| {
                let plain = !target.starts_with(['*', '[']) && !target.starts_with("fn(");
                plain.then(|| format!("void {inner}"))
            });
        }
        if let Some((length, element)) = rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
            let length: u64 = length.parse().ok()?;
            return self.declarator(&format!("{qualifiers}{element}"), format!("{inner}[{length}]"), by_value);
        }
        if let Some(function) = rest.strip_prefix("fn(") {
            return self.function(function, &inner);
        }
        let base = self.base(rest, by_value)?;
        Some(if inner.is_empty() { format!("{qualifiers}{base}") } else { format!("{qualifiers}{base} {inner}") })
    }

    fn function(&self, rest: &str, inner: &str) -> Option<String> {
        let (parameters, result) = split_function(rest)?;
        let mut list = Vec::new();
        for parameter in &parameters {
            list.push(match parameter.as_str() {
                "..." => "...".to_owned(),
                "?" => String::new(),
                ty => self.declarator(ty, String::new(), false)?,
            });
        }
        let list = if parameters.is_empty() { "void".to_owned() } else { list.join(", ") };
        self.declarator(result, format!("{inner}({list})"), false)
    }

    fn base(&self, name: &str, by_value: bool) -> Option<String> {
        if name.contains(['{', '*', '[']) || name.contains(" in ") {
            return None;
        }
        let tag = ["struct ", "union ", "enum "].iter().find_map(|k| name.strip_prefix(k));
        let known = match tag {
            Some(tag) if by_value => {
                self.types.contains_key(name) && self.names.contains(tag) || self.names.contains(tag)
            }
            Some(tag) => !name.starts_with("enum ") || self.names.contains(tag),
            None => is_builtin(name) || self.names.contains(name),
        };
        known.then(|| name.to_owned())
    }

    /// A number as the machine has it.
    pub fn number(&self, ty: &str) -> Option<Number> {
        let (_, name) = split_qualifiers(ty);
        let int = |bits, signed| Some(Number::Integer { bits, signed });
        match name {
            "char" | "signed char" => int(8, true),
            "unsigned char" => int(8, false),
            "short" => int(16, true),
            "unsigned short" => int(16, false),
            "int" => int(32, true),
            "unsigned int" => int(32, false),
            "long" | "long long" => int(64, true),
            "unsigned long" | "unsigned long long" => int(64, false),
            "_Bool" | "bool" => Some(Number::Bool),
            "float" => Some(Number::Float(32)),
            "double" => Some(Number::Float(64)),
            "long double" => Some(Number::Float(80)),
            _ => {
                let t = self.types.get(name).filter(|t| t.kind == TypeKind::Enum)?;
                let signed = t.fields.iter().any(|f| f.offset < 0);
                int(u32::try_from(t.size * 8).ok()?, signed)
            }
        }
    }

    /// The layout of a type as it was, under another name, in plain C: its fields where they were. Members of ours, and
    /// those without a name, are bytes.
    pub fn old_layout(&self, t: &TypeDefinition) -> String {
        let mut text = String::new();
        let mut parts: Vec<Part> = Vec::new();
        let mut pads = 0;
        let mut pad = |parts: &mut Vec<Part>, to: u64| {
            let at = natural(parts).end.div_ceil(8);
            if to > at * 8 {
                let length = to / 8 - at;
                pads += 1;
                parts.push(Part { size: length, align: 1, bits: None, unnamed: false });
                return format!(" unsigned char dsu_pad_{pads}[{length}];");
            }
            String::new()
        };
        for field in own_fields(t).filter(|f| !is_beside(t, f)) {
            let offset = u64::try_from(field.offset).unwrap_or(0);
            let part = Part::of_field(field);
            let lands =
                |parts: &[Part], part: Part| natural(&[parts, &[part]].concat()).offsets.last() == Some(&offset);
            if !lands(&parts, part) {
                text += &pad(&mut parts, offset / 8 * 8);
            }
            if field.bits.is_some() && !lands(&parts, part) {
                text += &fill(&mut parts, offset);
            }
            let declared = match field.bits {
                Some(bits) => self.declare(&field.ty, &field.name).map(|d| format!("{d} : {bits}")),
                None if field.name.is_empty() => None,
                None => self.declare(&field.ty, &field.name),
            };
            let bytes = || {
                let name =
                    if field.name.is_empty() { format!("dsu_unnamed_{}", offset / 8) } else { field.name.clone() };
                format!("unsigned char {name}[{}] __attribute__((aligned({})))", field.size, field.align.max(1))
            };
            text += &format!(" {};", declared.unwrap_or_else(bytes));
            parts.push(part);
        }
        text += &pad(&mut parts, t.size * 8);
        text
    }
}

/// Unnamed bit-fields up to a bit of the byte that the members end in, or of the next.
fn fill(parts: &mut Vec<Part>, offset: u64) -> String {
    let mut text = String::new();
    let mut push = |parts: &mut Vec<Part>, bits: u32| {
        text += &format!(" unsigned char : {bits};");
        parts.push(Part { size: 1, align: 1, bits: Some(bits), unnamed: true });
    };
    if natural(parts).end < offset / 8 * 8 {
        push(parts, 0);
    }
    let missing = offset.saturating_sub(natural(parts).end);
    if missing > 0 {
        push(parts, u32::try_from(missing).unwrap_or(7).min(7));
    }
    text
}

/// A number as the machine has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// Whole.
    Integer {
        /// Width.
        bits: u32,
        /// With a sign.
        signed: bool,
    },
    /// `_Bool`.
    Bool,
    /// Floating, of so many significant bits of storage.
    Float(u32),
}

impl Number {
    /// The same in a bit-field.
    pub fn narrowed(self, width: Option<u32>) -> Self {
        match (self, width) {
            (Self::Integer { bits, signed }, Some(width)) => Self::Integer { bits: bits.min(width), signed },
            _ => self,
        }
    }

    fn range(self) -> (i128, i128) {
        match self {
            Self::Integer { bits, signed: true } => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
            Self::Integer { bits, signed: false } => (0, (1 << bits) - 1),
            Self::Bool | Self::Float(_) => (0, 1),
        }
    }
}

/// A statement that assigns a number of another kind: what does not fit becomes the nearest that does, and is counted.
pub fn convert(to: &str, from: &str, (new, old): (Number, Number)) -> String {
    let saturate = |limit: &str| format!("{{ {to} = {limit}; dsu_out_of_range(); }}");
    match (new, old) {
        (Number::Bool, _) => format!("{to} = {from} != 0;"),
        (Number::Integer { .. }, Number::Integer { .. } | Number::Bool) => {
            let ((low, high), (least, most)) = (new.range(), old.range());
            let mut text = String::from("{ __typeof__(+");
            text += &format!("{from}) dsu_value = {from}; ");
            if least < low {
                text += &format!("if (dsu_value < {}) {} else ", constant(low), saturate(&constant(low)));
            }
            if most > high {
                text += &format!("if (dsu_value > {}) {} else ", constant(high), saturate(&constant(high)));
            }
            text + &format!("{to} = dsu_value; }}")
        }
        (Number::Integer { .. }, Number::Float(_)) => {
            let (low, high) = new.range();
            format!(
                "{{ long double dsu_value = {from}; if (dsu_value != dsu_value) {} else if (dsu_value <= {}.0L) {} else if (dsu_value >= \
                 {}.0L) {} else {to} = dsu_value; }}",
                saturate("0"),
                low - 1,
                saturate(&constant(low)),
                high + 1,
                saturate(&constant(high))
            )
        }
        (Number::Float(32), Number::Float(_)) => format!(
            "{to} = {from}; if (__builtin_isinf({to}) && !__builtin_isinf({from})) {{ {to} = {from} < 0 ? \
             -3.40282346638528859812e+38F : 3.40282346638528859812e+38F; dsu_out_of_range(); }}"
        ),
        (Number::Float(64), Number::Float(80)) => format!(
            "{to} = {from}; if (__builtin_isinf({to}) && !__builtin_isinf({from})) {{ {to} = {from} < 0 ? \
             -1.79769313486231570815e+308 : 1.79769313486231570815e+308; dsu_out_of_range(); }}"
        ),
        (Number::Float(_), _) => format!("{to} = {from};"),
    }
}

/// A constant of C.
fn constant(value: i128) -> String {
    if value == i128::from(i64::MIN) {
        "(-9223372036854775807L - 1)".to_owned()
    } else if value > i128::from(i64::MAX) {
        format!("{value}UL")
    } else if i32::try_from(value).is_ok() {
        value.to_string()
    } else {
        format!("{value}L")
    }
}

/// Array length and element of a canonical type.
pub fn array(ty: &str) -> Option<(u64, &str)> {
    let (_, rest) = split_qualifiers(ty);
    let (length, element) = rest.strip_prefix('[')?.split_once(']')?;
    Some((length.parse().ok()?, element))
}

fn split_qualifiers(ty: &str) -> (String, &str) {
    let (mut qualifiers, mut rest) = (String::new(), ty);
    while let Some(word) = ["const ", "volatile "].iter().find(|q| rest.starts_with(**q)) {
        qualifiers += word;
        rest = &rest[word.len()..];
    }
    (qualifiers, rest)
}

/// Parameters and result of `A,B)->R`.
fn split_function(rest: &str) -> Option<(Vec<String>, &str)> {
    let (mut depth, mut start) = (0, 0);
    let mut parameters = Vec::new();
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            b'(' | b'{' => depth += 1,
            b')' if depth == 0 => {
                if at > start {
                    parameters.push(rest[start..at].to_owned());
                }
                return Some((parameters, rest[at + 1..].strip_prefix("->")?));
            }
            b')' | b'}' => depth -= 1,
            b',' if depth == 0 => {
                parameters.push(rest[start..at].to_owned());
                start = at + 1;
            }
            _ => {}
        }
    }
    None
}

fn is_builtin(name: &str) -> bool {
    const WORDS: &[&str] = &[
        "void", "char", "short", "int", "long", "float", "double", "signed", "unsigned", "_Bool", "bool", "__int128",
        "_Complex",
    ];
    name.split(' ').all(|w| WORDS.contains(&w))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope<'static> {
        let names = LazyCell::new(Box::new(|| BTreeSet::from(["known", "word_t"])) as Box<_>);
        Scope { names, types: LazyCell::new(Box::new(HashMap::new)) }
    }

    #[test]
    fn declarations() {
        let declare = |ty: &str| scope().declare(ty, "x").unwrap_or_default();
        assert_eq!(declare("int"), "int x");
        assert_eq!(declare("*const char"), "const char *x");
        assert_eq!(declare("[3]*[2]int"), "int (*x[3])[2]");
        assert_eq!(declare("*fn(int,*struct known)->*void"), "void *(*x)(int, struct known *)");
        assert_eq!(declare("*fn(*fn(int)->void)->void"), "void (*x)(void (*)(int))");
        assert_eq!(declare("*fn()->int"), "int (*x)(void)");
        assert_eq!(declare("struct known"), "struct known x");
        assert_eq!(declare("*other_t"), "void *x");
        assert_eq!(declare("word_t"), "word_t x");
        assert_eq!(scope().declare("other_t", "x"), None);
        assert_eq!(scope().declare("struct unknown", "x"), None);
    }

    #[test]
    fn conversions_check_what_may_not_fit() {
        let numbers =
            |new: &str, old: &str| (scope().number(new).expect("number"), scope().number(old).expect("number"));
        let widened = convert("a", "b", numbers("long", "int"));
        assert!(!widened.contains("dsu_out_of_range"));
        let narrowed = convert("a", "b", numbers("signed char", "long"));
        assert!(narrowed.contains("dsu_value < -128") && narrowed.contains("dsu_value > 127"));
        let unsigned = convert("a", "b", numbers("unsigned int", "int"));
        assert!(unsigned.contains("dsu_value < 0") && !unsigned.contains("dsu_value >"));
        let signed = convert("a", "b", numbers("long", "unsigned long"));
        assert!(signed.contains("dsu_value > 9223372036854775807L") && !signed.contains("dsu_value <"));
    }
}
