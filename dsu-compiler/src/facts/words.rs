//! Names in text that the parser's tree has no references for: assembler, `weakref`, pragmas.

use std::collections::BTreeSet;

use crate::text::lexer::{Kind, Lexer};

/// Whether the text of something at the top level of a unit is assembler.
pub fn is_assembler(text: &str) -> bool {
    text.starts_with("asm") || text.starts_with("__asm")
}

/// Whether assembler seems to define symbols.
pub fn defines_symbols(assembler: &str) -> bool {
    assembler.contains(':') || assembler.contains(".globl") || assembler.contains(".set")
}

/// Words that may name functions and variables where the tree has no reference.
pub fn of_text(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    // Within the parentheses that follow such a word.
    let (mut inside, mut depth) = (false, 0u32);
    for token in Lexer::new(text, 0) {
        let word = &text[token.start..token.end];
        match (token.kind, word) {
            (Kind::Directive, _) if word.contains("weak") || word.contains("redefine_extname") => {
                note(word, &mut found)
            }
            (Kind::Identifier, "asm" | "__asm" | "__asm__" | "weakref" | "__weakref__") if !inside => inside = true,
            (Kind::Punctuation, "(") if inside => depth += 1,
            (Kind::Punctuation, ")" | ";") if inside && depth <= 1 => (inside, depth) = (false, 0),
            (Kind::Punctuation, ")") if inside => depth -= 1,
            (Kind::Literal, _) if inside => note(word, &mut found),
            _ => {}
        }
    }
    found
}

/// Names that `#pragma weak NAME = TARGET` makes, and what they stand for.
pub fn weak_names(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let directives = text.match_indices("#pragma").filter_map(|(at, _)| text[at..].lines().next());
    directives.filter_map(|line| {
        let (name, target) = line.strip_prefix("#pragma")?.trim_start().strip_prefix("weak ")?.split_once('=')?;
        Some((name.trim(), target.trim()))
    })
}

/// Notes the words of a text as it stands, and as they are if what follows a backslash belongs to an escape sequence (`\t`,
/// `\011`), and `$` is the mark of a constant operand.
fn note(text: &str, found: &mut BTreeSet<String>) {
    let escaped = text.split('\\').skip(1).map(|piece| {
        let mut rest = piece.chars();
        rest.next();
        rest.as_str().trim_start_matches(|c: char| c.is_ascii_digit())
    });
    for piece in std::iter::once(text).chain(escaped) {
        let words = piece.split(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '$'));
        let words = words.flat_map(|word| [word, word.trim_start_matches('$')]);
        found.extend(words.filter(|w| w.starts_with(|c: char| !c.is_ascii_digit())).map(str::to_owned));
    }
}

#[cfg(test)]
mod tests {
    use super::of_text;

    #[test]
    fn names_in_assembler_and_pragmas() {
        let text = "void f(void) { __asm__ volatile (\"\\tincl\\tcnt(%%rip)\\n\\011call\\tfind@PLT\\nmovl $there, %%eax\" : : : \"memory\"); g(\"not\"); }\n\
                    #pragma weak look = target\nint h(void) __attribute__((weakref(\"real\")));\n";
        let found = of_text(text);
        for name in ["cnt", "find", "there", "look", "target", "real"] {
            assert!(found.contains(name), "{name}: {found:?}");
        }
        assert!(!found.contains("not"), "{found:?}");
    }
}
