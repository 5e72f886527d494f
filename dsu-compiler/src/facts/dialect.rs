//! What the parser is given to read: text that was preprocessed for another compiler, mostly GCC.

use crate::text::lexer::{Lexer, Token};

/// Arguments for the parser: it sees text that is preprocessed already, so nothing is predefined but
/// names of GCC's that clang spells otherwise.
pub fn arguments(flags: &[String]) -> Vec<String> {
    let mut arguments: Vec<String> = [
        "-xc",
        "-undef",
        "-w",
        "-ferror-limit=0",
        "-fbracket-depth=4096",
        "-D_Float32=float",
        "-D_Float64=double",
        "-D_Float32x=double",
        "-D_Float64x=long double",
        "-D_Float128=__float128",
        "-D_Atomic(T)=__typeof__(T)",
        "-Wno-implicit-function-declaration",
        "-Wno-implicit-int",
        "-Wno-int-conversion",
        "-Wno-incompatible-function-pointer-types",
        "-Wno-return-mismatch",
        "-Wno-error",
    ]
    .map(String::from)
    .into();
    let dialect = [
        "-std=",
        "-ansi",
        "-fsigned-char",
        "-funsigned-char",
        "-fshort-enums",
        "-fgnu89-inline",
        "-fpack-struct",
        "-fms-extensions",
        "-fplan9-extensions",
        "-m32",
        "-m64",
        "-mx32",
        "-fno-builtin",
        "-fwrapv",
        "-fcommon",
        "-fno-common",
        "-mavx",
        "-msse",
        "-maes",
        "-mpclmul",
        "-march=",
    ];
    arguments.extend(flags.iter().filter(|f| dialect.iter().any(|d| f.starts_with(d))).cloned());
    arguments
}

/// Blanks what GCC accepts and clang does not, keeping every offset: the arguments of `malloc` attributes,
/// and `_Atomic`, as GCC's `__atomic` functions take atomic objects (`_Atomic(T)` is left to a macro). Also blanks the
/// definitions that the C library's headers give other compilers of the types whose names are [`arguments`]' macros.
pub fn mask(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut previous: Option<Token> = None;
    let mut in_attribute = 0u32;
    let mut definition = None;
    let mut tokens = Lexer::new(text, 0).peekable();
    while let Some(token) = tokens.next() {
        let word = &text[token.start..token.end];
        let last = tokens.peek().is_some_and(|next| &text[next.start..next.end] == ";");
        match (word, definition) {
            ("typedef", _) => definition = Some(token.start),
            (";", _) => definition = None,
            ("_Float32" | "_Float64" | "_Float32x" | "_Float64x" | "_Float128", Some(start)) if last => {
                bytes[start..token.end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
            }
            _ => {}
        }
        if word == "_Atomic" && tokens.peek().is_some_and(|next| &text[next.start..next.end] != "(") {
            bytes[token.start..token.end].fill(b' ');
        } else if matches!(word, "__attribute__" | "__attribute") {
            in_attribute = 1;
        } else if in_attribute > 0 && word == "(" {
            let named_malloc =
                previous.is_some_and(|p: Token| matches!(&text[p.start..p.end], "malloc" | "__malloc__"));
            if named_malloc {
                let end = closing(text, &mut tokens).unwrap_or(token.end);
                bytes[token.start..end].fill(b' ');
                continue;
            }
            in_attribute += 1;
        } else if in_attribute > 0 && word == ")" {
            in_attribute -= 1;
            if in_attribute == 1 {
                in_attribute = 0;
            }
        }
        previous = Some(token);
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

fn closing(text: &str, tokens: &mut impl Iterator<Item = Token>) -> Option<usize> {
    let mut depth = 1;
    for token in tokens {
        match &text[token.start..token.end] {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(token.end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn offsets_stay() {
        for (text, masked) in [
            ("typedef float _Float32;\nint x;", "                      ;\nint x;"),
            ("typedef\nlong double _Float64x; _Float64x y;", "       \n                     ; _Float64x y;"),
            ("typedef _Float32 number;", "typedef _Float32 number;"),
            ("typedef struct { int n; _Float128 x; } t;", "typedef struct { int n; _Float128 x; } t;"),
            ("_Atomic int n; _Atomic(int) m;", "        int n; _Atomic(int) m;"),
            ("void f(int) __attribute__((malloc(free, 1)));", "void f(int) __attribute__((malloc         ));"),
        ] {
            assert_eq!(mask(text), masked);
        }
    }
}
