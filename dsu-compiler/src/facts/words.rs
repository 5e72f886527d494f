//! Names in text that the parser's tree has no references for: assembler, `weakref`, pragmas.

use std::collections::BTreeSet;

use crate::text::lexer::{Kind, Lexer};

/// Words that may name functions and variables where the tree has no reference.
pub fn of_text(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut note = |text: &str| {
        let words = text.split(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '$'));
        found.extend(words.filter(|w| w.starts_with(|c: char| !c.is_ascii_digit())).map(str::to_owned));
    };
    // Within the parentheses that follow such a word.
    let (mut inside, mut depth) = (false, 0u32);
    for token in Lexer::new(text, 0) {
        let word = &text[token.start..token.end];
        match (token.kind, word) {
            (Kind::Directive, _) if word.contains("weak") || word.contains("redefine_extname") => note(word),
            (Kind::Identifier, "asm" | "__asm" | "__asm__" | "weakref" | "__weakref__") if !inside => inside = true,
            (Kind::Punctuation, "(") if inside => depth += 1,
            (Kind::Punctuation, ")" | ";") if inside && depth <= 1 => (inside, depth) = (false, 0),
            (Kind::Punctuation, ")") if inside => depth -= 1,
            (Kind::Literal, _) if inside => note(word),
            _ => {}
        }
    }
    found
}
