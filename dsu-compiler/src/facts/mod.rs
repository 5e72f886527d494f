//! What a unit says, as data: its functions, variables, types, references and loops, by byte offset.
//!
//! Facts are read off the parser's tree once ([`extract`]) and then serve the link-time rewriting,
//! and, out of the program description in the executable, `dsu-diff`.

use std::collections::BTreeSet;

use dsu_abi::Id;
use serde::{Deserialize, Serialize};

mod access;
pub mod check;
pub mod content;
mod definition;
mod dialect;
pub mod extract;
mod flow;
pub mod freed;
mod function_pointers;
mod initializer;
mod prune;
pub mod returned;
pub mod shape;
mod starts;
pub mod types;
pub mod typeuse;
pub mod usage;
pub mod words;

pub use definition::{Field, TypeDefinition, TypeKind, TypeText, readable};

/// The facts of one unit. Indices in it refer to its own vectors.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct UnitFacts {
    /// Functions that the unit defines or refers to.
    pub functions: Vec<Function>,
    /// Variables with static storage that the unit defines or refers to.
    pub variables: Vec<Variable>,
    /// References to them, in order of position.
    pub references: Vec<Reference>,
    /// What becomes of addresses and of parameters that are pointers, where all of it is known.
    pub flows: Vec<Flow>,
    /// Conversions to and from pointers to functions, but for those of functions that are named there.
    pub conversions: Vec<Conversion>,
    /// Functions whose address is converted where they are named.
    pub converted: Vec<Converted>,
    /// Calls through pointers.
    pub indirect_calls: Vec<IndirectCall>,
    /// Pointers to functions that calls hand on.
    pub callbacks: Vec<Callback>,
    /// Calls that are made where the scope of a variable ends.
    pub cleanups: Vec<Cleanup>,
    /// Canonical types of functions that pointers point to which the unit puts into structs of system headers, or takes from there.
    pub library_pointers: Vec<String>,
    /// The same, of structs that are looked up by name (`dlsym`).
    pub looked_up: Vec<String>,
    /// Accesses to fields of structs and unions that are not from system headers.
    pub field_uses: Vec<FieldUse>,
    /// Structs, unions and enums that the unit defines outside system headers.
    pub types: Vec<TypeDefinition>,
    /// Initialiser lists of structs and unions that are not from system headers.
    pub initializers: Vec<InitializerList>,
    /// Variables of functions that are structs not from system headers and start without a value.
    pub unset_locals: Vec<UnsetLocal>,
    /// Calls whose result becomes a pointer to a struct that is not from a system header.
    pub creations: Vec<Creation>,
    /// Calls of the library's `free` with a pointer to such a struct.
    pub releases: Vec<Release>,
    /// What is done with structs as a whole.
    pub type_uses: Vec<TypeUse>,
    /// What functions that may allocate return.
    pub returned: Vec<Returned>,
    /// Parameters that functions only hand on.
    pub handed: Vec<Handed>,
    /// Loops, in source order within each function.
    pub loops: Vec<Loop>,
    /// Top-level declarations, in order.
    pub items: Vec<Item>,
    /// Text of top-level assembler.
    pub assembler: Vec<String>,
    /// Words of text that may name functions and variables without a reference: assembler anywhere, `weakref` attributes and
    /// pragmas that give symbols other names. Sorted.
    pub words: Vec<String>,
    /// What the pointers point to that are compared with each other, counted from, or made numbers of. Sorted.
    pub compared: Vec<String>,
    /// Identity of everything the unit says.
    pub content: Id,
    /// Errors of the parser outside system headers: the tree is not to be trusted.
    pub errors: Vec<String>,
}

/// A function.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Function {
    /// Its name in C.
    pub name: String,
    /// Its ELF symbol.
    pub symbol: String,
    /// Internal linkage.
    pub internal: bool,
    /// Something the unit must emit depends on it.
    pub reachable: bool,
    /// Declared `inline` somewhere.
    pub inline: bool,
    /// Attributes that matter.
    pub attributes: Attributes,
    /// Prototype in canonical form; the fingerprint is made of it.
    pub prototype: String,
    /// Whether it returns nothing.
    pub void: bool,
    /// Its definition, if in this unit.
    pub definition: Option<Definition>,
    /// Its other declarations.
    pub declarations: Vec<Site>,
}

/// Attributes of functions that matter here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// `weak`.
    pub weak: bool,
    /// `alias("target")`, `weakref("target")`.
    pub alias: Option<String>,
    /// `section("name")`.
    pub section: Option<String>,
    /// `ifunc`.
    pub ifunc: bool,
    /// `constructor` or `destructor`.
    pub constructor: bool,
    /// `always_inline`.
    pub always_inline: bool,
    /// `returns_twice`.
    pub returns_twice: bool,
    /// `used`.
    pub used: bool,
    /// `noreturn`.
    pub noreturn: bool,
}

/// Where a function is defined.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Definition {
    /// First byte of the definition.
    pub start: usize,
    /// Behind the `{` of the body.
    pub body: usize,
    /// Behind the `}` of the body.
    pub end: usize,
    /// Names of the parameters; empty if one has no name.
    pub parameters: Vec<String>,
    /// The user's file.
    pub file: String,
    /// The user's line.
    pub line: u32,
    /// In a system header.
    pub system: bool,
    /// Identity of its tokens.
    pub content: Id,
    /// Identity of its tokens and of all declarations it depends on in the unit.
    pub closure: Id,
}

/// A declaration.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Site {
    /// Its first byte.
    pub start: usize,
    /// Behind its `;`.
    pub after: usize,
    /// Inside a function, by index.
    pub function: Option<usize>,
}

/// A variable with static storage.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Variable {
    /// Its name in C.
    pub name: String,
    /// Its ELF symbol; meaningless for a `static` inside a function.
    pub symbol: String,
    /// Internal linkage, or none.
    pub internal: bool,
    /// Something the unit must emit depends on it.
    pub reachable: bool,
    /// For a `static` inside a function: the function, by index.
    pub function: Option<usize>,
    /// Which of the function's statics of that name, from 1.
    pub ordinal: u32,
    /// Thread-local.
    pub thread_local: bool,
    /// `const`, the elements included.
    pub constant: bool,
    /// `volatile`.
    pub volatile: bool,
    /// Another name for the variable of this symbol: attribute `alias`.
    pub alias: Option<String>,
    /// Attribute `section`.
    pub section: Option<String>,
    /// Alignments that its declarations ask for: numbers of bytes, that of the type included, and text that is no number.
    pub alignments: BTreeSet<String>,
    /// Another variable is an alias of it.
    pub aliased: bool,
    /// Its address is used, not only its value.
    pub addressed: bool,
    /// Its initialiser contains addresses of labels: it belongs to the code of one version.
    pub labels: bool,
    /// Its initialiser contains objects without names (compound literals) that are not constant.
    pub nameless: bool,
    /// Type in canonical form; the fingerprint is made of it.
    pub ty: String,
    /// Size in bytes; 0 if never complete in this unit.
    pub size: u64,
    /// Alignment of its type in bytes, as the source has it; 0 if never complete in this unit.
    pub natural: u64,
    /// Canonical element type if it is an array.
    pub element: Option<String>,
    /// A scalar: arithmetic, enum or pointer.
    pub scalar: bool,
    /// Its definition (for tentative definitions, the last), if in this unit.
    pub definition: Option<VariableDefinition>,
    /// All its declarations, definitions included.
    pub declarations: Vec<Site>,
}

impl Variable {
    /// An alignment that this declaration needs and that the storage of `other`, of the same type, need not have.
    pub fn stricter_alignment(&self, other: &Self) -> Option<String> {
        let bytes = |text: &String| text.parse::<u64>().ok();
        // A typedef can also ask for less than the type would have.
        let asked = other.alignments.iter().filter_map(bytes).max();
        let known = asked.unwrap_or(other.natural);
        let fits = |a: &&String| other.alignments.contains(*a) || bytes(a).is_some_and(|n| n <= known);
        let plain =
            (self.alignments.is_empty() && known < other.natural && known < self.natural).then_some(self.natural);
        self.alignments.iter().find(|a| !fits(a)).cloned().or(plain.map(|n| n.to_string()))
    }

    /// The linker set that it is in: the linker defines `__start_` and `__stop_` symbols for sections whose names are
    /// identifiers of C.
    pub fn linker_set(&self) -> Option<&str> {
        let word = |name: &&str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let section = self.section.as_deref().filter(word)?;
        (!section.is_empty() && !section.starts_with(|c: char| c.is_ascii_digit())).then_some(section)
    }

    /// The linker set that it is the start or the end of.
    pub fn bound_of_set(&self) -> Option<&str> {
        let set = self.symbol.strip_prefix("__start_").or_else(|| self.symbol.strip_prefix("__stop_"))?;
        (!set.is_empty() && self.function.is_none() && self.definition.is_none()).then_some(set)
    }

    /// How it is stored, in words.
    pub fn storage(&self) -> &'static str {
        if self.thread_local { "thread-local " } else { "" }
    }
}

/// Where a variable is defined.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VariableDefinition {
    /// First byte of the declaration's text.
    pub start: usize,
    /// Behind its own declarator or initialiser.
    pub end: usize,
    /// Behind the declarator, before attributes and initialiser.
    pub declarator: usize,
    /// The initialiser.
    pub initializer: Option<(usize, usize)>,
    /// The user's file.
    pub file: String,
    /// The user's line.
    pub line: u32,
    /// In a system header.
    pub system: bool,
    /// Identity of the initialiser and what it depends on; the default if there is none.
    pub value: Id,
    /// Identity of its tokens and of all declarations it depends on in the unit.
    pub closure: Id,
}

/// What a reference refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// A function, by index.
    Function(usize),
    /// A variable, by index.
    Variable(usize),
}

impl Target {
    /// The function, if it is one.
    #[must_use]
    pub fn function(self) -> Option<usize> {
        match self {
            Self::Function(index) => Some(index),
            Self::Variable(_) => None,
        }
    }
}

/// A reference to a function or variable, by its name.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Reference {
    /// Offset of the name.
    pub at: usize,
    /// What is referred to.
    pub target: Target,
    /// How.
    pub usage: Usage,
    /// The function whose body it is in, by index; else it is in an initialiser.
    pub inside: Option<usize>,
}

/// How something is referred to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Usage {
    /// A function is called: the range of the whole call.
    Call(usize, usize),
    /// A function stands for its address.
    Address,
    /// A function stands for its address, as an argument in a call of a function, by index.
    Argument(usize),
    /// A variable is read.
    Read,
    /// A variable's address goes, as pointer to `const`, to a library function that does not keep it, or is compared.
    Point,
    /// Its address is kept or passed on, as pointer to `const`.
    Keep,
    /// The address of one of its elements is kept or passed on, as pointer to `const`.
    KeepElement,
    /// Its address is subtracted from another, or compared by order.
    Compare,
    /// A variable is written.
    Write,
    /// Its address goes to a library function that may write there, but does not keep it.
    Lend,
    /// A variable's address is taken such that it might be written.
    Escape,
}

/// What becomes of a pointer in the function or initialiser where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// Where it comes from.
    pub origin: Origin,
    /// What is done with it, beyond reading what it points to.
    pub outcomes: Vec<Outcome>,
}

/// Where a pointer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Origin {
    /// The reference at this offset: it points to the variable, or is what the function gives that is called there.
    Reference(usize),
    /// A function, by index, and which of its parameters.
    Parameter(usize, usize),
}

/// What is done with a pointer, or with its *contents*: pointers loaded from what it points to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Outcome {
    /// Something is written through it.
    Written,
    /// It is subtracted from another, or compared by order.
    Counted,
    /// It is an argument of a function of the program.
    Passed {
        /// The function, by index.
        callee: usize,
        /// Which argument.
        index: usize,
        /// Not itself, but its contents.
        contents: bool,
    },
    /// It is an argument of a call through a pointer.
    Called {
        /// Canonical type of the function called.
        prototype: String,
        /// Which argument.
        index: usize,
        /// Not itself, but its contents.
        contents: bool,
    },
    /// The function that it is in gives it to its caller.
    Returned {
        /// Not itself, but its contents.
        contents: bool,
    },
    /// It is part of the initial value of the variable with static storage around it.
    Stored,
    /// What becomes of its contents is not known.
    ContentsLost,
    /// What becomes of it is not known.
    Lost,
}

/// A conversion of a pointer to a function. What is no such pointer (a pointer to anything, a number) has an empty type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Conversion {
    /// Canonical type of the function that was pointed to.
    pub from: String,
    /// Canonical type of the function that is pointed to now.
    pub to: String,
    /// Not the pointer is converted, but what is known of where it is: memory is looked at as two things.
    pub in_memory: bool,
}

/// A function whose address is converted where it is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Converted {
    /// Offset of its name: where the reference is.
    pub at: usize,
    /// Canonical type of the function that is pointed to then; empty for a pointer to anything, a number and so on.
    pub to: String,
}

/// A call through a pointer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IndirectCall {
    /// The function whose body it is in, by index.
    pub inside: usize,
    /// Canonical type of the function called.
    pub prototype: String,
    /// Offset of the call.
    pub at: usize,
}

/// A pointer to a function that a call hands on: as an argument that does not name the function, or in a struct that an
/// argument points to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Callback {
    /// The function whose body the call is in, by index.
    pub inside: usize,
    /// What is called.
    pub receiver: Receiver,
    /// Canonical type of the function pointed to.
    pub prototype: String,
    /// Offset of the call; of the first one, where several hand on the same.
    pub at: usize,
}

/// What a call calls.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Receiver {
    /// A function, by index.
    Function(usize),
    /// What a pointer points to, of this canonical type.
    Pointer(String),
    /// What a field of a struct of a system header points to.
    Library,
}

/// A call that is made where the scope of a variable ends: attribute `cleanup`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cleanup {
    /// The function that the variable is in, by index.
    pub inside: usize,
    /// The function called, by index.
    pub callee: usize,
}

/// An access to a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldUse {
    /// The function it is in, by index.
    pub inside: usize,
    /// Canonical name of the struct or union.
    pub ty: String,
    /// The field.
    pub field: String,
    /// Offset of the field's name.
    pub at: usize,
    /// The whole member expression, `base` included.
    pub expression: (usize, usize),
    /// What stands before the arrow or dot; empty for members of unnamed members.
    pub base: (usize, usize),
    /// `->` as opposed to `.`.
    pub arrow: bool,
    /// The base is a value without an address: the result of a call, of an assignment, of `?:`.
    pub rvalue: bool,
    /// The object is `const`, `volatile`.
    pub qualifiers: (bool, bool),
    /// Nothing is read or written: the operand of `sizeof`, part of a static initialiser, an offset from a number instead
    /// of an object, an address that is only compared.
    pub abstract_only: bool,
    /// It must be a constant: part of a static initialiser, or an offset from a number instead of an object, and not only
    /// measured.
    pub constant: bool,
    /// Its address may be kept or passed on: what is done with that may be done later.
    pub addressed: bool,
    /// The user's line.
    pub line: u32,
}

/// An initialiser list, `{...}`, of a struct or union; of a compound literal, too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitializerList {
    /// The function it is in, by index; `None` for the initialiser of a variable with static storage.
    pub inside: Option<usize>,
    /// Canonical name of the struct or union.
    pub ty: String,
    /// Behind the `{`.
    pub open: usize,
    /// Offset of the `}`.
    pub close: usize,
    /// Its elements: the offset of each, and if it has no designator, the member that it is for (empty if that has no name).
    pub elements: Vec<(usize, Option<String>)>,
    /// Braces of a nested list are left out: elements and members do not correspond. If `open` is `close`, the braces
    /// left out are those of this list: its elements stand in the list around it.
    pub elided: bool,
    /// The user's line.
    pub line: u32,
}

/// A variable of a function, not `static`, that starts without a value and is a struct, or an array of structs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsetLocal {
    /// The function it is in, by index.
    pub inside: usize,
    /// Its name.
    pub name: String,
    /// Canonical name of the struct.
    pub ty: String,
    /// If it is an array: its lengths, outermost first; 0 for one that is only known at run time.
    pub lengths: Vec<u64>,
    /// Behind its declarator and attributes, where an initialiser goes.
    pub at: usize,
    /// The user's line.
    pub line: u32,
}

/// A call of a function that returns a pointer to anything, where the result becomes a pointer to a struct.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Creation {
    /// The function it is in, by index.
    pub inside: usize,
    /// Canonical name of the struct.
    pub ty: String,
    /// The function called, by index.
    pub callee: usize,
    /// The call, without a cast around it.
    pub call: (usize, usize),
    /// The arguments of the call.
    pub arguments: Vec<(usize, usize)>,
    /// What the function gives the fields of the object first.
    pub starts: Vec<Start>,
    /// The function clears the object, or writes it as a whole.
    pub cleared: bool,
    /// The user's line.
    pub line: u32,
}

/// The first assignment to a field of an object by the function that makes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The field.
    pub field: String,
    /// The value as C, if it is a constant number that the field is given whenever the object is made.
    pub value: Option<String>,
    /// The user's line.
    pub line: u32,
}

/// A call of the library's `free`, or of a function of the program that may free it, with a pointer to a struct.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The function it is in, by index.
    pub inside: usize,
    /// Canonical name of the struct.
    pub ty: String,
    /// The argument.
    pub argument: (usize, usize),
    /// The function called, by index.
    pub callee: usize,
    /// As which argument it gets the pointer.
    pub position: usize,
}

/// Something that is done with a struct as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeUse {
    /// The function it is in, by index; `None` outside of functions.
    pub inside: Option<usize>,
    /// Canonical name of the struct.
    pub ty: String,
    /// What.
    pub usage: TypeUsage,
    /// The user's file, outside of functions.
    pub file: String,
    /// The user's line.
    pub line: u32,
}

/// What is done with a struct as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TypeUsage {
    /// Its address goes into a parameter that is a pointer to anything or to numbers, of the function of this name.
    Passed {
        /// The function called; empty for a call through a pointer.
        callee: String,
        /// Another argument of the call contains a `sizeof` of the struct.
        sized: bool,
    },
    /// A pointer to it is cast to or from a pointer to another struct or union, of this name.
    Cast(String),
    /// A pointer to it is cast or converted to or from a pointer to characters or other numbers.
    Bytes,
    /// A pointer to it comes, through a variable, from what the function of this name returned.
    From(String),
    /// Its address is stored as a pointer to anything, in a field of this name; empty for an element of an initialiser.
    Kept(String),
    /// Its size is stored in a field or an element of an initialiser.
    Measured,
    /// Its size is compared with another, or is what a variable with static storage starts with.
    Compared,
    /// Its size or an offset in it is part of a constant that must hold: an assertion, an array's length, a case.
    Asserted,
    /// An `offsetof` of this field stands in arithmetic other than finding the struct around a field.
    Offset(String),
    /// An `offsetof` of this field finds the struct around it.
    Container(String),
    /// A variable of a function, by value; its name.
    Local(String),
    /// A parameter or a result, by value.
    Value,
    /// Assigned as a whole.
    Assigned,
    /// Its value is copied: assigned, given to a variable, passed, returned.
    Copied,
    /// Its bytes are copied by the function of this name.
    Moved(String),
    /// Its size is an argument of the function of this name; empty for a call through a pointer, and where it is used
    /// otherwise.
    Sized(String),
    /// Something is taken from its size, or added to an offset in it: as many bytes end before the struct does, or were meant
    /// to end with its last field.
    Short,
    /// A pointer to it comes from the function of this name, which is told the size of another struct or union.
    Sham {
        /// The function called.
        callee: String,
        /// Whose size it is told; the struct itself if it is told an offset in it.
        by: String,
    },
}

/// What a function that returns a pointer to anything, or to characters, returns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Returned {
    /// The function, by index.
    pub function: usize,
    /// Everything that may be returned.
    pub sources: Vec<Source>,
    /// What is returned was handed to a function that copies something into it.
    pub filled: bool,
}

/// A parameter, a pointer to anything or to numbers, that is only compared and handed on to other functions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handed {
    /// The function, by index.
    pub function: usize,
    /// The parameter, by index.
    pub parameter: usize,
    /// The functions it is handed to, by index, and as which argument.
    pub to: Vec<(usize, usize)>,
    /// Those of them that are called whatever happens, unless it is null.
    pub always: Vec<Always>,
}

/// A call that is made in every run of a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Always {
    /// The function called, by index.
    pub callee: usize,
    /// As which argument it gets the parameter.
    pub argument: usize,
    /// No function is called before but the library's.
    pub first: bool,
}

/// Where a pointer comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// Nowhere: it is null.
    Null,
    /// The function's parameter of this index.
    Parameter(usize),
    /// The result of a call.
    Call {
        /// The function called, by index.
        callee: usize,
        /// The arguments.
        arguments: Vec<Argument>,
    },
    /// A field, a variable that outlives the function, or anything else.
    Other,
}

/// An argument of a call whose result is returned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Argument {
    /// The function's own parameters of which it is made, by index.
    pub parameters: Vec<usize>,
    /// They are multiplied.
    pub product: bool,
    /// If it is a pointer: where it comes from. At most [`returned::DEEPEST`] calls deep.
    #[serde(deserialize_with = "returned::nested")]
    pub sources: Vec<Source>,
}

/// A loop.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Loop {
    /// The function it is in, by index.
    pub function: usize,
    /// First byte of the statement.
    pub start: usize,
    /// Behind the statement.
    pub end: usize,
    /// First byte of the body.
    pub body: usize,
    /// Behind the body, its `;` included.
    pub body_end: usize,
    /// The body is a compound statement.
    pub compound: bool,
    /// It has no condition, or one that is always true.
    pub endless: bool,
    /// Its condition only looks at a variable, as in `while (!stop)`.
    pub until_told: bool,
    /// The user's line.
    pub line: u32,
}

/// A top-level declaration.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Item {
    /// Its first byte.
    pub start: usize,
    /// Behind its last byte.
    pub end: usize,
    /// The names it declares: functions, variables, typedefs, tags, enumeration constants.
    pub names: Vec<String>,
}

impl UnitFacts {
    /// A name for a variable that is unique in the unit: `name`, or for a `static` inside a function `function.name`
    /// (a second one: `function.name#2`).
    pub fn local_name(&self, v: &Variable) -> String {
        match v.function {
            Some(f) if v.ordinal > 1 => format!("{}.{}#{}", self.functions[f].name, v.name, v.ordinal),
            Some(f) => format!("{}.{}", self.functions[f].name, v.name),
            None => v.name.clone(),
        }
    }
}

impl Variable {
    /// What tells one initial value from another; `None` where the unit does not define the variable. Without an
    /// initialiser it is zero, which is not the same as an initialiser that says so.
    pub fn value(&self) -> Option<(Id, bool)> {
        self.definition.as_ref().map(|d| (d.value, d.initializer.is_some()))
    }
}

/// A canonical form without qualifiers: they change neither how a thing is stored nor how it is passed.
pub fn unqualified(canonical: &str) -> String {
    canonical.replace("const ", "").replace("volatile ", "")
}

/// Whether two canonical forms are the same, qualifiers aside.
pub fn same_type(a: &str, b: &str) -> bool {
    a == b || unqualified(a) == unqualified(b)
}

/// A 64-bit fingerprint of a canonical form, qualifiers aside.
pub fn fingerprint(canonical: &str) -> u64 {
    let hash = blake3::hash(unqualified(canonical).as_bytes());
    u64::from_le_bytes(*hash.as_bytes().first_chunk().unwrap_or(&[0; 8]))
}
