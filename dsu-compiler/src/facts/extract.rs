//! Reading the facts off the parser's tree.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::clang::{self, Ast, Bodies, ClangError, Node};
use crate::facts::function_pointers::{self, Called, FunctionUse};
use crate::facts::types::Printer;
use crate::facts::typeuse::{Collector, Freed};
use crate::facts::{
    Attributes, Callback, Cleanup, Conversion, Converted, Creation, Definition, Function, Handed, IndirectCall, Item,
    Loop, Receiver, Reference, Release, Returned, Site, Target, UnitFacts, Usage, Variable, VariableDefinition, access,
    content, dialect, flow, freed, initializer, prune, returned, shape, starts, usage, words,
};
use crate::layout::place::innermost;
use crate::text::lexer::{Kind, Lexer, Token, after_declarator, after_semicolon, identifier_at};
use crate::unit::UnitImage;

pub use crate::facts::shape::{ReshapeError, reshape};

/// Reads the facts of a unit. The calling thread must have entered the library.
///
/// # Errors
/// When the parser gives up altogether. Errors in the text are among the facts.
pub fn extract(image: &UnitImage) -> Result<UnitFacts, ClangError> {
    extract_like(image, &UnitFacts::default())
}

/// Reads the facts of a unit whose text had these facts before something was added at its end. What was known keeps its
/// index and its identity, so that what else refers to it stays right.
///
/// # Errors
/// As [`extract`].
pub fn extract_extended(image: &UnitImage, before: &UnitFacts) -> Result<UnitFacts, ClangError> {
    let mut facts = extract_like(image, before)?;
    for (f, known) in facts.functions.iter_mut().zip(&before.functions) {
        f.definition.clone_from(&known.definition);
    }
    for (v, known) in facts.variables.iter_mut().zip(&before.variables) {
        v.definition.clone_from(&known.definition);
    }
    facts.content = before.content;
    Ok(facts)
}

fn extract_like(image: &UnitImage, before: &UnitFacts) -> Result<UnitFacts, ClangError> {
    let mut facts = read(&image.text, &image.flags, Bodies::Parse)?;
    let tokens: Vec<Token> = Lexer::new(&image.text, 0).collect();
    let aliased: Vec<String> = facts.variables.iter().filter_map(|v| v.alias.clone()).collect();
    for v in &mut facts.variables {
        v.aliased = v.function.is_none() && aliased.iter().any(|a| *a == v.symbol || *a == v.name);
    }
    facts.references.sort_by_key(|r| r.at);
    facts.references.dedup_by_key(|r| r.at);
    content::identify(&mut facts, &image.text, tokens);
    prune::unused(&mut facts, before);
    Ok(facts)
}

/// Reads what the parser's tree says, without identities, and with all that headers declare.
pub(crate) fn read(text: &str, flags: &[String], bodies: Bodies) -> Result<UnitFacts, ClangError> {
    let ast = Ast::parse(&dialect::mask(text), &dialect::arguments(flags), bodies)?;
    let mut walker = Walker { text, ..Walker::default() };
    let top = ast.root().children();
    for node in &top {
        walker.note_names(*node);
    }
    for node in top {
        walker.top_level(node);
    }
    walker.errors(&ast);
    walker.flows.finish(None);
    let mut facts = walker.facts;
    facts.flows = walker.flows.flows();
    prune::plain_flows(&mut facts);
    facts.conversions = walker.conversions.into_iter().collect();
    let callback = |((inside, receiver, prototype), at)| Callback { inside, receiver, prototype, at };
    facts.callbacks = walker.callbacks.into_iter().map(callback).collect();
    facts.looked_up = walker.looked_up.into_iter().collect();
    facts.library_pointers = walker.library_pointers.into_iter().collect();
    facts.compared = walker.compared.into_iter().collect();
    facts.words = words::of_text(text).into_iter().collect();
    for (name, target) in words::weak_names(text) {
        let known = facts.functions.iter_mut().filter(|f| f.name == name);
        known.for_each(|f| f.attributes.alias = Some(target.to_owned()));
    }
    facts.type_uses = walker.collector.uses;
    facts.items.sort_by_key(|i| (i.start, i.end));
    shape::place(&mut facts, text, flags, &walker.members);
    Ok(facts)
}

#[derive(Default)]
struct Walker<'t> {
    text: &'t str,
    facts: UnitFacts,
    printer: Printer,
    functions: HashMap<usize, usize>,
    variables: HashMap<usize, usize>,
    /// Text of the members of structs and unions.
    members: Vec<(usize, usize)>,
    /// The function whose body is walked.
    inside: Option<usize>,
    /// Ranges of functions in system headers: errors there do not matter, as nothing there is rewritten.
    system: Vec<(usize, usize)>,
    /// What is done with structs as a whole.
    collector: Collector,
    /// What becomes of pointers.
    flows: flow::Collector,
    /// Pointers to functions that were converted.
    conversions: BTreeSet<Conversion>,
    /// Pointers to functions that calls hand on.
    callbacks: BTreeMap<(usize, Receiver, String), usize>,
    /// Types of functions that pointers in structs of system headers point to.
    library_pointers: BTreeSet<String>,
    /// The same, of structs that are looked up by name.
    looked_up: BTreeSet<String>,
    /// What pointers point to that are compared.
    compared: BTreeSet<String>,
}

impl<'t> Walker<'t> {
    /// First pass: names that types get from typedefs.
    fn note_names(&mut self, node: Node<'_>) {
        if node.kind() == clang::TYPEDEF {
            self.printer.note_typedef(node);
        }
    }

    fn top_level(&mut self, node: Node<'_>) {
        let (start, end) = node.range();
        let mut names = Vec::new();
        match node.kind() {
            clang::FUNCTION => {
                names.push(node.name());
                self.function(node);
            }
            clang::VARIABLE => {
                names.push(node.name());
                self.variable(node);
                self.walk_children(node, &mut vec![node]);
            }
            clang::TYPEDEF => names.push(node.name()),
            clang::STRUCT | clang::UNION | clang::ENUM => self.type_names(node, &mut names),
            _ => self.assembler(start, end),
        }
        if node.kind() != clang::VARIABLE && !node.is_definition_of_function() && !node.in_system_header() {
            self.collector.constants(node, &self.printer, self.text);
        }
        self.facts.items.push(Item { start, end, names });
    }

    fn assembler(&mut self, start: usize, end: usize) {
        let text = self.text.get(start..end).unwrap_or("");
        if words::is_assembler(text) {
            self.facts.assembler.push(text.to_owned());
        }
    }

    fn type_names(&mut self, node: Node<'_>, names: &mut Vec<String>) {
        if !node.is_anonymous() {
            names.push(node.name());
        }
        for child in node.children() {
            match child.kind() {
                clang::ENUM_CONSTANT => names.push(child.name()),
                clang::STRUCT | clang::UNION | clang::ENUM => self.type_names(child, names),
                _ => {}
            }
        }
        self.type_definition(node);
    }

    fn type_definition(&mut self, node: Node<'_>) {
        if node.is_definition() && !node.in_system_header() {
            self.conversions.extend(function_pointers::overlaid(node, &self.printer));
            self.members.extend(node.children().iter().filter(|c| c.kind() == clang::FIELD).map(|c| c.range()));
            if let Some(mut definition) = self.printer.definition(node) {
                (definition.text.keyword, definition.text.after) = node.range();
                definition.local = self.inside.is_some();
                self.facts.types.push(definition);
            }
        }
    }

    fn errors(&mut self, ast: &Ast) {
        for d in ast.diagnostics().into_iter().filter(|d| d.error) {
            if self.system.iter().any(|(start, end)| (*start..*end).contains(&d.offset)) {
                continue;
            }
            let line = self.text.get(..d.offset).map_or(0, |_| presumed_line(self.text, d.offset));
            self.facts.errors.push(format!("line {line}: {}", d.message));
        }
    }

    /// The index of a function, which is entered on first sight.
    fn function_index(&mut self, node: Node<'_>) -> usize {
        if let Some(&index) = self.functions.get(&node.identity()) {
            return index;
        }
        let index = self.facts.functions.len();
        self.functions.insert(node.identity(), index);
        self.facts.functions.push(Function {
            name: node.name(),
            symbol: node.symbol(),
            internal: node.is_internal(),
            reachable: false,
            inline: false,
            attributes: Attributes::default(),
            prototype: self.printer.prototype(node),
            void: node.ty().canonical().result().kind() == clang::T_VOID,
            definition: None,
            declarations: Vec::new(),
        });
        index
    }

    fn function(&mut self, node: Node<'_>) {
        let index = self.function_index(node);
        let (start, end) = node.range();
        let children = node.children();
        let body = children.iter().copied().find(|c| c.kind() == clang::COMPOUND).filter(|_| node.is_definition());
        let attributes = self.attributes(&children);
        let prototype = self.printer.prototype(node);
        let system = node.in_system_header();
        let entry = &mut self.facts.functions[index];
        entry.inline |= node.is_inline();
        merge(&mut entry.attributes, attributes);
        if entry.definition.is_none() && (body.is_some() || !prototype.contains("fn()->") || entry.prototype.is_empty())
        {
            entry.prototype = prototype;
        }
        let Some(body) = body else {
            let after = after_semicolon(self.text, end).unwrap_or(end);
            entry.declarations.push(Site { start, after, function: self.inside });
            return;
        };
        let (file, line) = node.presumed();
        let (open, close) = body.range();
        entry.definition = Some(Definition {
            start,
            body: open + 1,
            end: close,
            parameters: parameters(&children),
            file,
            line,
            system,
            content: Default::default(),
            closure: Default::default(),
        });
        if system {
            self.system.push((start, end));
        }
        let outer = self.inside.replace(index);
        let parameters: Vec<Node<'_>> = children.iter().copied().filter(|c| c.kind() == clang::PARAMETER).collect();
        for (parameter, node) in parameters.iter().enumerate().filter(|_| !system) {
            let text = self.text;
            let callees = &mut |callee| self.function_index(callee);
            if let Some(to) = returned::handed(*node, body, text, callees) {
                let always = freed::always(*node, body, text, callees);
                self.facts.handed.push(Handed { function: index, parameter, to, always });
            }
        }
        if !system && returned::may_allocate(node) {
            let found = returned::of_function(&parameters, body, self.text, &mut |callee| self.function_index(callee));
            if let Some((sources, filled)) = found {
                self.facts.returned.push(Returned { function: index, sources, filled });
            }
        }
        let known = self.facts.creations.len();
        for child in &children {
            self.walk(*child, &mut vec![node]);
        }
        if self.facts.creations.len() > known {
            let events = starts::Events::of(body, self.text);
            for creation in self.facts.creations.iter_mut().skip(known) {
                (creation.starts, creation.cleared) = events.starts(creation.call.0);
            }
        }
        let parameters = children.into_iter().filter(|c| c.kind() == clang::PARAMETER).collect();
        self.flows.finish(Some((index, parameters)).filter(|_| !system));
        self.inside = outer;
    }

    fn attributes(&self, children: &[Node<'_>]) -> Attributes {
        let mut found = Attributes::default();
        for child in children.iter().filter(|c| c.is_attribute()) {
            let (start, end) = child.range();
            let text = attribute_text(self.text.get(start..end).unwrap_or(""));
            let word = text.split(['(', ' ']).next().unwrap_or("").trim_matches('_');
            match word {
                "weak" => found.weak = true,
                // What is called is the function of that name in either case.
                "alias" | "weakref" => {
                    // Literals that stand side by side are one.
                    let name: String = text.split('"').skip(1).step_by(2).collect();
                    found.alias = Some(name).filter(|name| !name.is_empty());
                }
                "section" => found.section = text.split('"').nth(1).map(str::to_owned),
                "ifunc" => found.ifunc = true,
                "constructor" | "destructor" => found.constructor = true,
                "always_inline" => found.always_inline = true,
                "used" | "retain" => found.used = true,
                "noreturn" | "Noreturn" => found.noreturn = true,
                "returns_twice" => found.returns_twice = true,
                _ => {}
            }
        }
        found
    }

    /// The alignments that a declaration of a variable asks for.
    fn alignments(&self, node: Node<'_>) -> Vec<String> {
        // That of the type as it is written, if a typedef has one of its own. What the type itself has is a matter of its layout.
        let written = node.ty().align().filter(|bytes| node.ty().canonical().align() != Some(*bytes));
        let mut found: Vec<String> = written.map(|bytes| bytes.to_string()).into_iter().collect();
        for attribute in node.children().into_iter().filter(|c| c.is_attribute()) {
            // Of `_Alignas(64)` the parser names the word alone.
            let mut tokens = Lexer::new(self.text, attribute.range().0);
            let word = tokens.next().and_then(|t| self.text.get(t.start..t.end)).unwrap_or("");
            if matches!(word.trim_matches('_'), "aligned" | "Alignas" | "alignas") {
                let mut depth = 0;
                let words = tokens.filter_map(|t| self.text.get(t.start..t.end));
                let argument: String = words
                    .take_while(|w| {
                        depth += i32::from(*w == "(") - i32::from(*w == ")");
                        depth > 0
                    })
                    .skip(1)
                    .collect();
                found.push(if argument.is_empty() { word.to_owned() } else { argument });
            }
        }
        found
    }

    fn variable_index(&mut self, node: Node<'_>) -> usize {
        if let Some(&index) = self.variables.get(&node.identity()) {
            return index;
        }
        let index = self.facts.variables.len();
        self.variables.insert(node.identity(), index);
        let name = node.name();
        let local = node.is_static() && node.parent().is_some_and(|p| p.kind() == clang::FUNCTION);
        let function = if local { self.inside } else { None };
        let ordinal = 1 + self
            .facts
            .variables
            .iter()
            .filter(|v| function.is_some() && v.function == function && v.name == name)
            .count() as u32;
        let ty = node.ty().canonical();
        self.facts.variables.push(Variable {
            symbol: if local { String::new() } else { node.symbol() },
            internal: node.is_internal(),
            reachable: false,
            function,
            ordinal,
            thread_local: node.is_thread_local(),
            constant: false,
            volatile: ty.is_volatile(),
            alias: None,
            section: None,
            alignments: BTreeSet::new(),
            aliased: false,
            addressed: false,
            labels: false,
            nameless: false,
            ty: String::new(),
            size: 0,
            natural: 0,
            element: None,
            scalar: !matches!(ty.kind(), clang::T_RECORD | clang::T_ARRAY | clang::T_INCOMPLETE_ARRAY),
            definition: None,
            declarations: Vec::new(),
            name,
        });
        index
    }

    fn variable(&mut self, node: Node<'_>) {
        let index = self.variable_index(node);
        let (start, end) = node.range();
        let ty = node.ty().canonical();
        let mut innermost = ty;
        while matches!(innermost.kind(), clang::T_ARRAY | clang::T_INCOMPLETE_ARRAY) {
            innermost = innermost.element().canonical();
        }
        let printed = self.printer.print(ty);
        let element = (innermost.kind() != ty.kind()).then(|| self.printer.print(ty.element()));
        let (at, name) = (node.location(), node.name());
        let name_end = at + identifier_at(self.text, at, &name).unwrap_or(name.len());
        let (file, line) = node.presumed();
        let system = node.in_system_header();
        let Attributes { alias, section, .. } = self.attributes(&node.children());
        let alignments = self.alignments(node);
        let labels = node.initializer().is_some_and(has_labels);
        let nameless = node.initializer().is_some_and(has_nameless);
        let site = Site { start, after: after_semicolon(self.text, end).unwrap_or(end), function: self.inside };
        let definition = (!node.is_extern() || node.initializer().is_some()).then(|| VariableDefinition {
            start,
            end,
            declarator: after_declarator(self.text, name_end).unwrap_or(end),
            initializer: node.initializer().map(Node::range),
            file,
            line,
            system,
            value: Default::default(),
            closure: Default::default(),
        });
        let entry = &mut self.facts.variables[index];
        entry.alias = entry.alias.take().or(alias);
        entry.section = entry.section.take().or(section);
        entry.alignments.extend(alignments);
        entry.labels |= labels;
        entry.nameless |= nameless;
        entry.constant = ty.is_const() || innermost.is_const();
        entry.declarations.push(site);
        if entry.ty.is_empty() || ty.size().is_some() {
            entry.ty = printed;
            entry.size = ty.size().unwrap_or(0);
            entry.natural = ty.align().unwrap_or(0);
            entry.element = element;
        }
        let initialized = entry.definition.as_ref().is_some_and(|d| d.initializer.is_some());
        if let Some(definition) = definition.filter(|_| !initialized) {
            entry.definition = Some(definition);
        }
    }

    fn walk_children<'a>(&mut self, node: Node<'a>, path: &mut Vec<Node<'a>>) {
        for child in node.children() {
            self.walk(child, path);
        }
    }

    fn walk<'a>(&mut self, node: Node<'a>, path: &mut Vec<Node<'a>>) {
        if !self.in_system_function() {
            self.collector.visit(node, path, self.inside, &self.printer, self.text);
        }
        match node.kind() {
            clang::DECL_REF => self.reference(node, path),
            clang::CALL => {
                self.indirect_call(node);
                self.creation(node, path);
            }
            clang::MEMBER => {
                self.field_use(node, path);
                self.library_pointers(node);
            }
            clang::CAST | clang::UNEXPOSED_EXPR => {
                self.conversion(node, path);
                self.made_number(node);
            }
            clang::BINARY => self.comparison(node),
            clang::INIT_LIST => {
                self.initializer_list(node, path);
                self.library_pointers(node);
            }
            clang::FOR | clang::WHILE | clang::DO => self.loop_statement(node),
            clang::FUNCTION => return self.function(node),
            clang::VARIABLE if node.has_global_storage() && !node.is_register() => self.variable(node),
            clang::VARIABLE => self.local(node),
            clang::STRUCT | clang::UNION | clang::ENUM => self.type_definition(node),
            clang::TYPEDEF => self.printer.note_typedef(node),
            _ => {}
        }
        path.push(node);
        self.walk_children(node, path);
        path.pop();
    }

    fn reference<'a>(&mut self, node: Node<'a>, path: &mut Vec<Node<'a>>) {
        let Some(declaration) = node.referenced() else { return };
        let at = node.location();
        let (target, usage) = match declaration.kind() {
            clang::FUNCTION => {
                let index = self.function_index(declaration);
                self.facts.functions[index].inline |= declaration.is_inline();
                let usage = match function_pointers::usage(node, path) {
                    FunctionUse::Call(start, end) => {
                        let call = path.iter().rposition(|n| n.kind() == clang::CALL);
                        self.flow(Follow::Result(at), path.get(..=call.unwrap_or(0)).unwrap_or(path));
                        Usage::Call(start, end)
                    }
                    FunctionUse::Address => Usage::Address,
                    FunctionUse::Argument(callee) => Usage::Argument(self.function_index(callee)),
                };
                if let Some(to) = function_pointers::converted(node, path, &self.printer) {
                    self.facts.converted.push(Converted { at, to });
                }
                (Target::Function(index), usage)
            }
            clang::VARIABLE if declaration.has_global_storage() && !declaration.is_register() => {
                let usage = usage::of_object(node, path, self.text);
                path.push(node);
                self.flow(Follow::Variable, path);
                path.pop();
                let index = self.variable_index(declaration);
                self.facts.variables[index].addressed |= !matches!(usage, Usage::Read | Usage::Write);
                (Target::Variable(index), usage)
            }
            clang::VARIABLE | clang::PARAMETER => {
                path.push(node);
                self.flow(Follow::Local(declaration), path);
                path.pop();
                return;
            }
            _ => return,
        };
        self.facts.references.push(Reference { at, target, usage, inside: self.inside });
    }

    /// Follows a pointer from the expression on that the path ends with.
    fn flow<'a>(&mut self, from: Follow<'a>, path: &[Node<'a>]) {
        if self.in_system_function() {
            return;
        }
        let called: Vec<Node<'_>> =
            path.iter().filter(|n| n.kind() == clang::CALL).copied().filter_map(usage::callee).collect();
        let indices: Vec<(Node<'_>, usize)> = called.into_iter().map(|f| (f, self.function_index(f))).collect();
        let index = |callee: Node<'_>| indices.iter().find(|(f, _)| f.identity() == callee.identity()).map(|(_, i)| *i);
        match from {
            Follow::Local(declaration) => self.flows.local(declaration, path, self.text, &self.printer, &index),
            Follow::Variable => self.flows.reference(path, self.text, &self.printer, &index),
            Follow::Result(at) => self.flows.result(at, path, self.text, &self.printer, &index),
        }
    }

    /// A conversion to or from a pointer to a function.
    fn conversion<'a>(&mut self, node: Node<'a>, path: &[Node<'a>]) {
        if !self.in_system_function() {
            self.conversions.extend(function_pointers::conversions(node, path, &self.printer));
            self.looked_up.extend(function_pointers::looked_up(node, &self.printer));
        }
    }

    fn library_pointers(&mut self, node: Node<'_>) {
        if !self.in_system_function() {
            self.library_pointers.extend(function_pointers::of_library(node, &self.printer));
        }
    }

    /// A call through a pointer, and the pointers to functions that a call hands on.
    fn indirect_call(&mut self, node: Node<'_>) {
        let Some(inside) = self.inside else { return };
        let Some(called) = function_pointers::called(node, &self.printer) else { return };
        let receiver = match &called {
            Called::Function(callee) => Receiver::Function(self.function_index(*callee)),
            Called::Pointer(prototype) => {
                let prototype = prototype.clone();
                let at = node.range().0;
                self.facts.indirect_calls.push(IndirectCall { inside, prototype: prototype.clone(), at });
                let library = function_pointers::is_from_library(node);
                if library { Receiver::Library } else { Receiver::Pointer(prototype) }
            }
        };
        if !self.in_system_function() {
            self.conversions.extend(function_pointers::unagreed(node, &self.printer));
            self.conversions.extend(function_pointers::copied(node, &self.printer));
            for prototype in function_pointers::handed_on(node, &called, &self.printer) {
                let first = self.callbacks.entry((inside, receiver.clone(), prototype)).or_insert(usize::MAX);
                *first = node.range().0.min(*first);
            }
        }
    }

    fn field_use<'a>(&mut self, node: Node<'a>, path: &[Node<'a>]) {
        if let Some(inside) = self.inside {
            self.facts.field_uses.extend(access::of_member(node, path, inside, &self.printer, self.text));
        }
    }

    /// An initialiser list that is not part of another one.
    fn initializer_list<'a>(&mut self, node: Node<'a>, path: &[Node<'a>]) {
        if !initializer::is_nested(path) {
            let lists = initializer::lists(node, self.inside, &self.printer, self.text);
            self.facts.initializers.extend(lists);
        }
    }

    fn local(&mut self, node: Node<'_>) {
        if let Some(inside) = self.inside {
            let called = node.children().into_iter().filter(|c| c.is_attribute()).filter_map(|c| self.cleanup(c));
            let called: Vec<usize> = called.collect();
            self.facts.cleanups.extend(called.into_iter().map(|callee| Cleanup { inside, callee }));
            self.facts.unset_locals.extend(initializer::unset_local(node, inside, &self.printer, self.text));
        }
    }

    /// The function that an attribute `cleanup` names.
    fn cleanup(&self, attribute: Node<'_>) -> Option<usize> {
        let (start, end) = attribute.range();
        let text = attribute_text(self.text.get(start..end)?);
        let tokens = Lexer::new(text, 0).filter_map(|t| text.get(t.start..t.end));
        let words: Vec<&str> = tokens.collect();
        let ["cleanup" | "__cleanup__", "(", name, ..] = *words.as_slice() else { return None };
        self.facts.functions.iter().position(|f| f.name == name)
    }

    /// Notes what two pointers point to if which of several objects that is decides something.
    fn comparison(&mut self, node: Node<'_>) {
        let children = node.children();
        let null = |n: &Node<'_>| returned::bare(*n).kind() == clang::INTEGER;
        if self.in_system_function() || children.iter().any(null) {
            return;
        }
        let operator = usage::operator_text(node, self.text);
        if matches!(operator.as_deref(), Some("==" | "!=" | "<" | ">" | "<=" | ">=" | "-"))
            && children.iter().all(|n| n.ty().canonical().kind() == clang::T_POINTER)
        {
            children.into_iter().for_each(|n| self.compare(n));
        }
    }

    /// The same if a pointer becomes a number.
    fn made_number(&mut self, node: Node<'_>) {
        let number = node.ty().canonical();
        if number.is_number() && number.spelling() != "_Bool" && !self.in_system_function() {
            self.compare(node);
        }
    }

    fn compare(&mut self, node: Node<'_>) {
        for ty in [node.ty().canonical(), returned::bare(node).ty().canonical()] {
            if ty.kind() == clang::T_POINTER && ty.pointee().canonical().kind() != clang::T_FUNCTION {
                let pointee = self.printer.print(ty.pointee());
                self.compared.insert(innermost(&pointee).0.to_owned());
            }
        }
    }

    fn in_system_function(&self) -> bool {
        let definition = self.inside.and_then(|f| self.facts.functions[f].definition.as_ref());
        definition.is_some_and(|d| d.system)
    }

    fn creation<'a>(&mut self, node: Node<'a>, path: &[Node<'a>]) {
        let Some(inside) = self.inside.filter(|_| !self.in_system_function()) else { return };
        if let Some(made) = self.collector.made(node, path, &self.printer, self.text) {
            let (callee, line) = (self.function_index(made.callee), node.presumed().1);
            self.facts.creations.push(Creation {
                inside,
                ty: made.ty,
                callee,
                call: node.range(),
                arguments: made.arguments,
                starts: Vec::new(),
                cleared: false,
                line,
            });
        }
        for freed in self.collector.freed(node, &self.printer) {
            let callee = self.function_index(freed.callee);
            let Freed { ty, argument, position, .. } = freed;
            self.facts.releases.push(Release { inside, ty, argument, callee, position });
        }
    }

    fn loop_statement(&mut self, node: Node<'_>) {
        let (Some(function), children) = (self.inside, node.children()) else { return };
        let body = if node.kind() == clang::DO { children.first() } else { children.last() };
        let Some(&body) = body else { return };
        let (start, end) = node.range();
        let body_start = body.range().0;
        self.facts.loops.push(Loop {
            function,
            start,
            end,
            body: body_start,
            body_end: statement_end(body, self.text),
            compound: body.kind() == clang::COMPOUND,
            endless: self.is_endless(node, &children, start, body_start),
            until_told: self.is_until_told(node, &children),
            line: node.presumed().1,
        });
    }

    /// Whether a loop's condition only looks at a variable: nothing is counted or called.
    fn is_until_told(&self, node: Node<'_>, children: &[Node<'_>]) -> bool {
        let condition = match node.kind() {
            clang::DO => children.get(1),
            clang::WHILE => children.first(),
            _ => None,
        };
        let Some((start, end)) = condition.map(|c| c.range()) else { return false };
        let text = self.text.get(start..end).unwrap_or("");
        let plain = |t: Token| match t.kind {
            Kind::Identifier => true,
            Kind::Number => text.get(t.start..t.end) == Some("0"),
            _ => matches!(&text[t.start..t.end], "!" | "=" | "." | "->" | "(" | ")"),
        };
        let mut tokens = Lexer::new(text, 0).peekable();
        let mut named = false;
        while let Some(token) = tokens.next() {
            let call = token.kind == Kind::Identifier && tokens.peek().is_some_and(|n| &text[n.start..n.end] == "(");
            named |= token.kind == Kind::Identifier;
            if call || !plain(token) {
                return false;
            }
        }
        named
    }

    fn is_endless(&self, node: Node<'_>, children: &[Node<'_>], start: usize, body: usize) -> bool {
        let always = |text: &str| {
            let text = text.trim().trim_matches(['(', ')']).trim();
            text == "true" || text.parse::<u64>().is_ok_and(|n| n != 0)
        };
        match node.kind() {
            clang::FOR => {
                let head = self.text.get(start..body).unwrap_or("");
                let Some(first) = after_semicolon(head, head.find('(').map_or(0, |p| p + 1)) else { return false };
                let Some(second) = after_semicolon(head, first) else { return false };
                let condition = head.get(first..second - 1).unwrap_or("");
                Lexer::new(condition, 0).next().is_none() || always(condition)
            }
            _ => {
                let condition = if node.kind() == clang::DO { children.get(1) } else { children.first() };
                condition.is_some_and(|c| {
                    let (start, end) = c.range();
                    always(self.text.get(start..end).unwrap_or(""))
                })
            }
        }
    }
}

/// An expression that a pointer is followed from.
enum Follow<'a> {
    /// The name of a local variable or parameter.
    Local(Node<'a>),
    /// The name of a variable with static storage.
    Variable,
    /// A call of the function that is named at this offset.
    Result(usize),
}

/// Whether there is an object without a name in an initialiser that may be written.
fn has_nameless(node: Node<'_>) -> bool {
    let mut ty = node.ty().canonical();
    while matches!(ty.kind(), clang::T_ARRAY | clang::T_INCOMPLETE_ARRAY) && !ty.is_const() {
        ty = ty.element().canonical();
    }
    node.kind() == clang::COMPOUND_LITERAL && !ty.is_const() || node.children().into_iter().any(has_nameless)
}

fn has_labels(node: Node<'_>) -> bool {
    node.kind() == clang::LABEL_ADDRESS || node.children().into_iter().any(has_labels)
}

/// The offset behind a statement, its `;` included.
fn statement_end(node: Node<'_>, text: &str) -> usize {
    let end = node.range().1;
    match node.kind() {
        clang::COMPOUND | clang::NULL_STMT => end,
        clang::IF | clang::WHILE | clang::FOR | clang::SWITCH | clang::LABEL | clang::CASE | clang::DEFAULT => {
            node.children().last().map_or(end, |last| statement_end(*last, text))
        }
        _ => after_semicolon(text, end).unwrap_or(end),
    }
}

fn parameters(children: &[Node<'_>]) -> Vec<String> {
    let names: Vec<String> = children.iter().filter(|c| c.kind() == clang::PARAMETER).map(|c| c.name()).collect();
    if names.iter().any(String::is_empty) { Vec::new() } else { names }
}

/// The text of an attribute without what says whose it is: `gnu::`.
fn attribute_text(text: &str) -> &str {
    let text = text.trim_start();
    text.strip_prefix("gnu::").or_else(|| text.strip_prefix("__gnu__::")).unwrap_or(text)
}

fn merge(into: &mut Attributes, from: Attributes) {
    into.weak |= from.weak;
    into.ifunc |= from.ifunc;
    into.constructor |= from.constructor;
    into.always_inline |= from.always_inline;
    into.returns_twice |= from.returns_twice;
    into.used |= from.used;
    into.noreturn |= from.noreturn;
    into.alias = into.alias.take().or(from.alias);
}

fn presumed_line(text: &str, offset: usize) -> u32 {
    Lexer::new(text, 0).take_while(|t| t.start <= offset).last().map_or(0, |t| t.line)
}
