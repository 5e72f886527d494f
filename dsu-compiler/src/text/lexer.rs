//! A lexer for preprocessed C.
//!
//! It knows only what is needed to walk over text safely: where tokens begin and end, and which
//! source line each one is presumed to stand on (GCC's line markers, `# LINE "FILE" FLAGS`).

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An identifier or keyword.
    Identifier,
    /// A number (any preprocessing number).
    Number,
    /// A string or character literal, with its prefix.
    Literal,
    /// One byte of punctuation, or `->`, `++`, `--`.
    Punctuation,
    /// A `#pragma` or `#ident` line, whole.
    Directive,
}

/// A token of the text.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Byte offset of its first byte.
    pub start: usize,
    /// Byte offset behind its last byte.
    pub end: usize,
    /// Presumed source line; relative to the start of lexing until the first line marker.
    pub line: u32,
}

/// An iterator over the tokens of a text, from an offset on.
pub struct Lexer<'a> {
    text: &'a [u8],
    position: usize,
    line: u32,
    line_start: bool,
}

impl<'a> Lexer<'a> {
    /// Lexes `text` from byte `start`, which must not lie within a token.
    pub fn new(text: &'a str, start: usize) -> Self {
        let bytes = text.as_bytes();
        let line_start =
            bytes[..start.min(bytes.len())].iter().rev().take_while(|b| **b != b'\n').all(|b| b.is_ascii_whitespace());
        Self { text: bytes, position: start, line: 1, line_start }
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.position + ahead).copied().unwrap_or(0)
    }

    fn end_of_line(&self) -> usize {
        self.text[self.position..].iter().position(|b| *b == b'\n').map_or(self.text.len(), |n| self.position + n)
    }

    fn skip_blank(&mut self) {
        while let Some(&byte) = self.text.get(self.position) {
            match byte {
                b'\n' => {
                    self.line = self.line.wrapping_add(1);
                    self.line_start = true;
                    self.position += 1;
                }
                b' ' | b'\t' | b'\r' | 0x0b | 0x0c => self.position += 1,
                b'\\' if matches!(self.peek(1), b'\n') => {
                    self.line = self.line.wrapping_add(1);
                    self.position += 2;
                }
                b'/' if self.peek(1) == b'/' => self.position = self.end_of_line(),
                b'/' if self.peek(1) == b'*' => self.skip_comment(),
                _ => return,
            }
        }
    }

    fn skip_comment(&mut self) {
        self.position += 2;
        while self.position < self.text.len() && !(self.peek(0) == b'*' && self.peek(1) == b'/') {
            self.line = self.line.wrapping_add(u32::from(self.peek(0) == b'\n'));
            self.position += 1;
        }
        self.position = (self.position + 2).min(self.text.len());
    }

    /// Reads a line marker; returns false if the `#` line is something else.
    fn line_marker(&mut self) -> bool {
        let end = self.end_of_line();
        let rest = self.text[self.position + 1..end].trim_ascii_start();
        let rest = rest.strip_prefix(b"line").map_or(rest, <[u8]>::trim_ascii_start);
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let Some(number) = std::str::from_utf8(&rest[..digits]).ok().and_then(|s| s.parse::<u32>().ok()) else {
            return false;
        };
        // The marker names the line that follows it; the newline at its own end will add one.
        self.line = number.wrapping_sub(1);
        self.position = end;
        true
    }

    fn quoted(&self, start: usize, quote: u8) -> usize {
        let mut at = start + 1;
        while let Some(&byte) = self.text.get(at) {
            match byte {
                b'\\' => at += 2,
                b'\n' => return at,
                b if b == quote => return at + 1,
                _ => at += 1,
            }
        }
        self.text.len()
    }
}

fn is_identifier(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// The length of the identifier at `at`, if it is `name`. Preprocessors write characters beyond ASCII as `\u00e9` or
/// `\U000000e9`.
pub fn identifier_at(text: &str, at: usize, name: &str) -> Option<usize> {
    let rest = text.get(at..)?;
    if rest.starts_with(name) {
        return Some(name.len());
    }
    let mut left = rest;
    for wanted in name.chars() {
        left = match left.strip_prefix(wanted) {
            Some(left) => left,
            None => {
                let (digits, left) = match left.strip_prefix("\\u") {
                    Some(escape) => escape.split_at_checked(4)?,
                    None => left.strip_prefix("\\U")?.split_at_checked(8)?,
                };
                (u32::from_str_radix(digits, 16) == Ok(u32::from(wanted))).then_some(left)?
            }
        };
    }
    Some(rest.len() - left.len())
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            self.skip_blank();
            if self.position >= self.text.len() {
                return None;
            }
            if self.line_start && self.peek(0) == b'#' && self.line_marker() {
                continue;
            }
            break;
        }
        let (start, line) = (self.position, self.line);
        let first = self.peek(0);
        let (kind, end) = if self.line_start && first == b'#' {
            (Kind::Directive, self.end_of_line())
        } else if first == b'"' || first == b'\'' {
            (Kind::Literal, self.quoted(start, first))
        } else if first.is_ascii_digit() || (first == b'.' && self.peek(1).is_ascii_digit()) {
            let mut at = start + 1;
            while let Some(&b) = self.text.get(at) {
                let exponent = matches!(b, b'+' | b'-') && matches!(self.text[at - 1], b'e' | b'E' | b'p' | b'P');
                if !(is_identifier(b) || b == b'.' || exponent) {
                    break;
                }
                at += 1;
            }
            (Kind::Number, at)
        } else if is_identifier(first) {
            let length = self.text[start..].iter().take_while(|b| is_identifier(**b)).count();
            let end = start + length;
            let prefix = matches!(&self.text[start..end], b"L" | b"u" | b"U" | b"u8");
            match self.text.get(end) {
                Some(&quote @ (b'"' | b'\'')) if prefix => (Kind::Literal, self.quoted(end, quote)),
                _ => (Kind::Identifier, end),
            }
        } else {
            let two = matches!((first, self.peek(1)), (b'-', b'>') | (b'+', b'+') | (b'-', b'-'));
            (Kind::Punctuation, start + 1 + usize::from(two))
        };
        self.line_start = false;
        self.position = end.min(self.text.len());
        Some(Token { kind, start, end: self.position, line })
    }
}

/// The offset behind the `;` that ends the declaration or statement whose text reaches up to `from`.
/// Brackets that open on the way are skipped whole. `None` if there is no such `;`.
pub fn after_semicolon(text: &str, from: usize) -> Option<usize> {
    let mut depth = 0i32;
    for token in Lexer::new(text, from) {
        if token.kind != Kind::Punctuation {
            continue;
        }
        match text.as_bytes()[token.start] {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            b';' if depth <= 0 => return Some(token.end),
            _ => {}
        }
    }
    None
}

/// Where an asm label goes: behind the declarator of the variable whose name ends at `name_end`,
/// before its attributes and initialiser.
pub fn after_declarator(text: &str, name_end: usize) -> Option<usize> {
    // `lowest` falls by one for each bracket around the name, as in `(*name)(int, int)`.
    let (mut depth, mut lowest, mut end) = (0i32, 0i32, name_end);
    for token in Lexer::new(text, name_end) {
        let first = text.as_bytes()[token.start];
        let attribute =
            matches!(&text[token.start..token.end], "__attribute__" | "__attribute" | "__asm__" | "asm" | "__asm");
        match (token.kind, first) {
            (Kind::Identifier, _) if depth == lowest && attribute => return Some(end),
            (Kind::Punctuation, b'(' | b'[' | b'{') => depth += 1,
            (Kind::Punctuation, b')' | b']' | b'}') => {
                depth -= 1;
                lowest = lowest.min(depth);
            }
            (Kind::Punctuation, b'=' | b',' | b';') if depth == lowest => return Some(end),
            _ => {}
        }
        end = token.end;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<(&str, u32)> {
        Lexer::new(text, 0).map(|t| (&text[t.start..t.end], t.line)).collect()
    }

    #[test]
    fn lines_follow_markers() {
        let text = "# 7 \"a.c\" 2\nint a = 1e+5;\n\n#pragma once\nchar *s = L\"x\\\"y\";";
        let found = words(text);
        assert_eq!(found[0], ("int", 7));
        assert_eq!(found[3], ("1e+5", 7));
        assert_eq!(found[5], ("#pragma once", 9));
        assert_eq!(found[10], ("L\"x\\\"y\"", 10));
    }

    #[test]
    fn line_zero_is_a_marker_of_gcc() {
        assert_eq!(words("# 0 \"a.c\"\n# 0 \"<built-in>\"\n\n\nint a;").first(), Some(&("int", 2)));
    }

    #[test]
    fn declarators_end_before_attributes_and_initialisers() {
        for (text, name, want) in [
            ("static int n = 0;", "n", "static int n"),
            ("static int n[3] __attribute__((unused)) = {0};", "n", "static int n[3]"),
            ("static int (*fp)(int, int) = 0, b;", "fp", "static int (*fp)(int, int)"),
            ("static int (*a[2])(int, int), b;", "a", "static int (*a[2])(int, int)"),
            ("static int a, b;", "a", "static int a"),
        ] {
            let at = text.find(name).unwrap_or(0) + name.len();
            assert_eq!(after_declarator(text, at).map(|end| &text[..end]), Some(want));
        }
    }

    #[test]
    fn identifiers_may_be_escaped() {
        assert_eq!(identifier_at("caf\\u00e9(1)", 0, "café"), Some(9));
        assert_eq!(identifier_at("int caf\\U000000e9;", 4, "café"), Some(13));
        assert_eq!(identifier_at("café", 0, "café"), Some(5));
        assert_eq!(identifier_at("cafe", 0, "café"), None);
        assert_eq!(identifier_at("caf\\u00", 0, "café"), None);
    }

    #[test]
    fn semicolons_in_brackets_and_strings_do_not_count() {
        let text = "int a = ({ 1; 2; }), b = sizeof \";\"; int c;";
        assert_eq!(after_semicolon(text, 5).map(|end| &text[..end]), Some("int a = ({ 1; 2; }), b = sizeof \";\";"));
    }
}
