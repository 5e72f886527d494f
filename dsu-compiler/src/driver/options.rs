//! What the driver must know about a C compiler's options: which take a separate argument, and what each is for.
//! Anything not listed here is a code generation option without argument, and passes untouched.

/// What an option is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Names the output.
    Output,
    /// Stops after compiling: `-c`.
    CompileOnly,
    /// Asks for something that is neither an object nor an executable, or for information.
    Other,
    /// `-x`.
    Language,
    /// Read by the preprocessor only: macros, include directories.
    Preprocessor,
    /// Matters to the shape of preprocessed output only (`-P`, `-C`, `-dD`), which the unit's text must not follow.
    PreprocessorOutput,
    /// Makes or shapes dependency files.
    Dependency,
    /// `-shared`, `-r`: the output is not an executable.
    NotExecutable,
    /// Read by the linker only.
    Linker,
    /// Turns warnings on or off. Rewritten units are compiled without warnings.
    Warning,
    /// Link-time optimisation.
    Lto,
    /// Profiling and coverage: tied to the original text and object name.
    Profile,
    /// Writes further files or messages beside the output.
    SideOutput,
    /// Code generation and dialect.
    CodeGeneration,
}

/// How an option takes its argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// No argument.
    Flag,
    /// Always the next word.
    Separate,
    /// The rest of the word, or the next word if there is no rest.
    Either,
    /// The rest of the word.
    Joined,
}

use Class::{
    CodeGeneration, CompileOnly, Dependency, Language, Linker, Lto, NotExecutable, Other, Output, Preprocessor,
    PreprocessorOutput, Profile, SideOutput, Warning,
};
use Shape::{Either, Flag, Joined, Separate};

/// Options in order of precedence: the longest entry that fits a word wins, `Flag` and `Separate` fit whole words only.
#[rustfmt::skip]
const TABLE: &[(&str, Shape, Class)] = &[
    ("-o", Either, Output), ("--output", Separate, Output), ("--output=", Joined, Output),
    ("-c", Flag, CompileOnly), ("--compile", Flag, CompileOnly),
    ("-S", Flag, Other), ("--assemble", Flag, Other), ("-E", Flag, Other), ("--preprocess", Flag, Other),
    ("-M", Flag, Other), ("--dependencies", Flag, Other), ("-MM", Flag, Other), ("--user-dependencies", Flag, Other),
    ("-fsyntax-only", Flag, Other), ("-###", Flag, Other), ("--version", Flag, Other), ("--help", Flag, Other),
    ("--help=", Joined, Other), ("--target-help", Flag, Other), ("-dumpversion", Flag, Other),
    ("-dumpfullversion", Flag, Other), ("-dumpmachine", Flag, Other), ("-dumpspecs", Flag, Other),
    ("-print-", Joined, Other), ("--print-", Joined, Other), ("-emit-llvm", Flag, Other), ("-emit-ast", Flag, Other),
    ("--precompile", Flag, Other), ("--analyze", Flag, Other),
    ("-x", Either, Language), ("--language", Separate, Language), ("--language=", Joined, Language),

    ("-I", Either, Preprocessor), ("-D", Either, Preprocessor), ("-U", Either, Preprocessor),
    ("-A", Either, Preprocessor), ("-include", Either, Preprocessor), ("-imacros", Either, Preprocessor),
    ("-isystem", Either, Preprocessor), ("-iquote", Either, Preprocessor), ("-idirafter", Either, Preprocessor),
    ("-iprefix", Either, Preprocessor), ("-iwithprefix", Either, Preprocessor),
    ("-iwithprefixbefore", Either, Preprocessor), ("-isysroot", Either, Preprocessor),
    ("-imultilib", Either, Preprocessor), ("-imultiarch", Either, Preprocessor), ("-cxx-isystem", Either, Preprocessor),
    ("-iframework", Either, Preprocessor), ("-include-pch", Separate, Preprocessor),
    ("-F", Either, Preprocessor), ("--include", Separate, Preprocessor), ("--include=", Joined, Preprocessor),
    ("--imacros", Separate, Preprocessor), ("--imacros=", Joined, Preprocessor),
    ("--define-macro", Separate, Preprocessor), ("--define-macro=", Joined, Preprocessor),
    ("--undefine-macro", Separate, Preprocessor), ("--undefine-macro=", Joined, Preprocessor),
    ("--include-directory", Separate, Preprocessor), ("--include-directory=", Joined, Preprocessor),
    ("--include-directory-after", Separate, Preprocessor), ("--include-directory-after=", Joined, Preprocessor),
    ("--assert", Separate, Preprocessor), ("--assert=", Joined, Preprocessor),
    ("-Xpreprocessor", Separate, Preprocessor), ("-Wp,", Joined, Preprocessor), ("-nostdinc", Flag, Preprocessor),
    ("-undef", Flag, Preprocessor), ("-trigraphs", Flag, Preprocessor), ("-remap", Flag, Preprocessor),
    ("-ftabstop=", Joined, Preprocessor), ("-finput-charset=", Joined, Preprocessor), ("-fpch-deps", Flag, Preprocessor), ("-fpch-preprocess", Flag, PreprocessorOutput),
    ("-fextended-identifiers", Flag, Preprocessor),
    ("-P", Flag, PreprocessorOutput), ("-C", Flag, PreprocessorOutput), ("-CC", Flag, PreprocessorOutput),
    ("-H", Flag, PreprocessorOutput), ("-dD", Flag, PreprocessorOutput), ("-dI", Flag, PreprocessorOutput),
    ("-dM", Flag, PreprocessorOutput), ("-dN", Flag, PreprocessorOutput), ("-dU", Flag, PreprocessorOutput),
    ("-fdirectives-only", Flag, PreprocessorOutput),

    ("-MD", Flag, Dependency), ("-MMD", Flag, Dependency), ("-MP", Flag, Dependency), ("-MG", Flag, Dependency),
    ("-MF", Either, Dependency), ("-MT", Either, Dependency), ("-MQ", Either, Dependency), ("-MJ", Either, Dependency),
    ("--write-dependencies", Flag, Dependency), ("--write-user-dependencies", Flag, Dependency),

    ("-shared", Flag, NotExecutable), ("--shared", Flag, NotExecutable), ("-dynamiclib", Flag, NotExecutable),
    ("-r", Flag, NotExecutable),
    ("-l", Either, Linker), ("-L", Either, Linker), ("-T", Either, Linker), ("-Tbss", Either, Linker),
    ("-Tdata", Either, Linker), ("-Ttext", Either, Linker), ("-Ttext-segment", Either, Linker), ("-u", Either, Linker),
    ("-z", Either, Linker), ("-e", Either, Linker), ("-R", Either, Linker), ("--entry", Separate, Linker),
    ("--entry=", Joined, Linker), ("--force-link", Separate, Linker), ("--force-link=", Joined, Linker),
    ("--for-linker", Separate, Linker), ("--for-linker=", Joined, Linker), ("--library-directory", Separate, Linker),
    ("--library-directory=", Joined, Linker), ("-Xlinker", Separate, Linker), ("-Wl,", Joined, Linker),
    ("-rpath", Separate, Linker), ("-s", Flag, Linker), ("-t", Flag, Linker), ("-N", Flag, Linker), ("-n", Flag, Linker), ("-static", Flag, Linker), ("--static", Flag, Linker),
    ("-static-pie", Flag, Linker), ("-pie", Flag, Linker), ("--pie", Flag, Linker), ("-no-pie", Flag, Linker),
    ("-rdynamic", Flag, Linker), ("-symbolic", Flag, Linker), ("-nostdlib", Flag, Linker), ("--no-standard-libraries", Flag, Linker),
    ("-nostartfiles", Flag, Linker), ("-nodefaultlibs", Flag, Linker), ("-nolibc", Flag, Linker),
    ("-static-lib", Joined, Linker), ("-shared-lib", Joined, Linker), ("-fuse-ld=", Joined, Linker),
    ("--ld-path=", Joined, Linker), ("-rtlib=", Joined, Linker), ("--rtlib=", Joined, Linker), ("-nopie", Flag, Linker),

    // Warnings that were turned off stay off: newer compilers make errors of some.
    ("-W", Joined, Warning), ("-w", Flag, Warning), ("-pedantic", Flag, Warning), ("--pedantic", Flag, Warning),
    ("-pedantic-errors", Flag, Warning), ("--pedantic-errors", Flag, Warning), ("-Wno-", Joined, CodeGeneration),
    ("-Wa,", Joined, CodeGeneration), ("-fmax-errors=", Joined, Warning), ("-fdiagnostics-", Joined, Warning),
    ("-fno-diagnostics-", Joined, Warning), ("-fanalyzer", Joined, Warning),

    ("-flto", Flag, Lto), ("-flto=", Joined, Lto), ("-fno-lto", Flag, Lto), ("-flto-", Joined, Lto),
    ("-ffat-lto-objects", Flag, Lto), ("-fno-fat-lto-objects", Flag, Lto), ("-fuse-linker-plugin", Flag, Lto),
    ("-fno-use-linker-plugin", Flag, Lto), ("-fwhole-program", Flag, Lto), ("-fwhole-program-vtables", Flag, Lto),

    ("--coverage", Flag, Profile), ("-coverage", Flag, Profile), ("-ftest-coverage", Flag, Profile),
    ("-fprofile-", Joined, Profile), ("-fbranch-probabilities", Flag, Profile), ("-fauto-profile", Joined, Profile),
    ("-fcoverage-mapping", Flag, Profile),
    ("-fprofile-prefix-map=", Joined, CodeGeneration),

    ("-save-temps", Joined, SideOutput), ("--save-temps", Joined, SideOutput), ("-v", Flag, SideOutput),
    ("--verbose", Flag, SideOutput), ("-aux-info", Separate, SideOutput), ("-dumpbase", Separate, SideOutput),
    ("-dumpbase-ext", Separate, SideOutput), ("-dumpdir", Separate, SideOutput), ("-auxbase", Separate, SideOutput),
    ("-auxbase-strip", Separate, SideOutput), ("-fdump-", Joined, SideOutput), ("-fstack-usage", Flag, SideOutput),
    ("-fcallgraph-info", Joined, SideOutput), ("-fopt-info", Joined, SideOutput), ("-ftime-report", Joined, SideOutput),
    ("-fmem-report", Joined, SideOutput), ("-gsplit-dwarf", Joined, SideOutput), ("-Q", Flag, SideOutput),
    ("-time", Joined, SideOutput), ("-da", Flag, SideOutput), ("-dA", Flag, SideOutput), ("-pass-exit-codes", Flag, SideOutput),
    ("-fsave-optimization-record", Joined, SideOutput), ("-fstats", Flag, SideOutput),

    ("--param", Separate, CodeGeneration), ("--param=", Joined, CodeGeneration), ("-Xassembler", Separate, CodeGeneration),
    ("--for-assembler", Separate, CodeGeneration), ("--for-assembler=", Joined, CodeGeneration),
    ("-B", Either, CodeGeneration), ("--prefix", Separate, CodeGeneration), ("-wrapper", Separate, CodeGeneration),
    ("-specs", Separate, CodeGeneration), ("--specs", Separate, CodeGeneration), ("--sysroot", Separate, CodeGeneration),
    ("-target", Separate, CodeGeneration), ("--target", Separate, CodeGeneration), ("-Xclang", Separate, CodeGeneration),
    ("-mllvm", Separate, CodeGeneration), ("-arch", Separate, CodeGeneration),
    ("-iplugindir=", Joined, CodeGeneration), ("-imultilib=", Joined, Preprocessor),
    ("--config", Separate, CodeGeneration), ("-fplugin", Joined, CodeGeneration), ("-gcc-toolchain", Separate, CodeGeneration),
];

/// Shape and class of an option word (one that starts with `-` and is longer).
#[must_use]
pub fn classify(word: &str) -> (Shape, Class) {
    let mut best: Option<&(&str, Shape, Class)> = None;
    for entry in TABLE {
        let fits = match entry.1 {
            Flag | Separate => word == entry.0,
            Either | Joined => word.starts_with(entry.0),
        };
        if fits && best.is_none_or(|b| entry.0.len() > b.0.len()) {
            best = Some(entry);
        }
    }
    let Some(&(name, shape, class)) = best else { return (Flag, CodeGeneration) };
    match shape {
        Either if word == name => (Separate, class),
        Either => (Joined, class),
        shape => (shape, class),
    }
}

/// Whether a `-Wp,` argument or `-Xpreprocessor` word writes a dependency file.
#[must_use]
pub fn is_dependency_word(word: &str) -> bool {
    matches!(word, "-M" | "-MM" | "-MD" | "-MMD" | "-MP" | "-MG") || is_dependency_with_file(word)
}

/// Those of them whose next word is a file or target name.
#[must_use]
pub fn is_dependency_with_file(word: &str) -> bool {
    matches!(word, "-MD" | "-MMD" | "-MF" | "-MT" | "-MQ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_has_its_class() {
        for (word, want) in [
            ("-o", (Separate, Output)),
            ("-ofoo", (Joined, Output)),
            ("-c", (Flag, CompileOnly)),
            ("-E", (Flag, Other)),
            ("-print-prog-name=ld", (Joined, Other)),
            ("-xc", (Joined, Language)),
            ("-x", (Separate, Language)),
            ("-DX=1", (Joined, Preprocessor)),
            ("-include", (Separate, Preprocessor)),
            ("-iquote", (Separate, Preprocessor)),
            ("-iquotedir", (Joined, Preprocessor)),
            ("-idirafter", (Separate, Preprocessor)),
            ("-imultilib", (Separate, Preprocessor)),
            ("-iwithprefixbefore", (Separate, Preprocessor)),
            ("-Wp,-DX", (Joined, Preprocessor)),
            ("-MD", (Flag, Dependency)),
            ("-MFfoo.d", (Joined, Dependency)),
            ("-MT", (Separate, Dependency)),
            ("-MM", (Flag, Other)),
            ("-lm", (Joined, Linker)),
            ("-l", (Separate, Linker)),
            ("-Wl,-z,now", (Joined, Linker)),
            ("-z", (Separate, Linker)),
            ("-static", (Flag, Linker)),
            ("-static-libgcc", (Joined, Linker)),
            ("-shared", (Flag, NotExecutable)),
            ("-shared-libgcc", (Joined, Linker)),
            ("-rdynamic", (Flag, Linker)),
            ("-r", (Flag, NotExecutable)),
            ("-Tscript.ld", (Joined, Linker)),
            ("-Ttext=0x1", (Joined, Linker)),
            ("-Wall", (Joined, Warning)),
            ("-Wno-implicit", (Joined, CodeGeneration)),
            ("-Wa,-ahl", (Joined, CodeGeneration)),
            ("-pedantic-errors", (Flag, Warning)),
            ("-pthread", (Flag, CodeGeneration)),
            ("-pipe", (Flag, CodeGeneration)),
            ("-O2", (Flag, CodeGeneration)),
            ("-std=c99", (Flag, CodeGeneration)),
            ("-g", (Flag, CodeGeneration)),
            ("-gsplit-dwarf", (Joined, SideOutput)),
            ("-flto=auto", (Joined, Lto)),
            ("-fltofoo", (Flag, CodeGeneration)),
            ("-fprofile-generate", (Joined, Profile)),
            ("-ffile-prefix-map=a=b", (Flag, CodeGeneration)),
            ("--param", (Separate, CodeGeneration)),
            ("--param=x=1", (Joined, CodeGeneration)),
            ("-Xassembler", (Separate, CodeGeneration)),
            ("-specs=foo", (Flag, CodeGeneration)),
            ("-specs", (Separate, CodeGeneration)),
            ("-B", (Separate, CodeGeneration)),
            ("-aux-info", (Separate, SideOutput)),
            ("-save-temps=obj", (Joined, SideOutput)),
            ("-dumpbase", (Separate, SideOutput)),
            ("-dumpversion", (Flag, Other)),
            ("-mcpu=foo", (Flag, CodeGeneration)),
            ("-unknown-option", (Joined, Linker)),
            ("-funknown", (Flag, CodeGeneration)),
            ("-ansi", (Flag, CodeGeneration)),
        ] {
            assert_eq!(classify(word), want, "{word}");
        }
    }
}
