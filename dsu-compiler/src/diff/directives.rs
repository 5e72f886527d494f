//! The file that a person writes for a patch: `dsu-diff --transform FILE.c`.
//!
//! Plain C, and lines that begin with `#pragma dsu`:
//!
//! | directive | meaning |
//! |---|---|
//! | `rename struct T OLD NEW` | the field keeps its value under its new name |
//! | `keep VAR` | the running value of the variable is kept, converted where its type changed |
//! | `new VAR` | the variable starts with its new initial value |
//! | `merge VAR` | what old and new variable have in common keeps its running value, the rest is as initialised |
//! | `unit "NAME.c"` | the text that follows is compiled at the end of this unit |

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::analyse::model::{Model, VariableRef};
use crate::diff::DiffError;
use crate::facts::TypeDefinition;
use crate::layout::place::{Renames, own_fields};
use crate::text::lexer::{Kind, Lexer};

/// What is to become of a variable's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The running value is kept.
    Keep,
    /// The new initial value is taken.
    New,
    /// The running value for what both have, the initial one for the rest.
    Merge,
}

/// Text that goes to the end of one unit.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// The unit's name as written; empty: that of the type that is transformed first.
    pub unit: String,
    /// The text, ready to be compiled.
    pub text: String,
    /// The functions that it defines.
    pub functions: Vec<String>,
}

/// The file, read.
#[derive(Clone, Debug, Default)]
pub struct Directives {
    /// New names of fields, by type.
    pub renames: BTreeMap<String, Renames>,
    /// What becomes of variables, by name.
    pub choices: BTreeMap<String, Choice>,
    /// The C text.
    pub sections: Vec<Section>,
    /// Lines that somebody wrote: neither blank nor comment.
    pub lines: usize,
}

impl Directives {
    /// Reads a file.
    ///
    /// # Errors
    /// [`DiffError::Io`], or [`DiffError::Build`] with the line of a directive that makes no sense.
    pub fn read(path: &Path) -> Result<Self, DiffError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|e| DiffError::Io(name.clone(), e))?;
        Self::parse(&name, &text)
    }

    /// What a person said about a variable of the new program.
    pub fn choice(&self, new: &Model, at: VariableRef) -> Option<Choice> {
        let v = new.variable(at);
        let names = [v.name.clone(), new.units[at.unit].facts.local_name(v)];
        names.iter().find_map(|n| self.choices.get(n)).copied()
    }

    /// Reads the text of a file of that name.
    ///
    /// # Errors
    /// As [`Directives::read`].
    pub fn parse(name: &str, text: &str) -> Result<Self, DiffError> {
        let mut directives = Self { lines: written_lines(text), ..Self::default() };
        let mut section = Section::default();
        let mut body = marker(1, name);
        for (index, line) in text.lines().enumerate() {
            let words: Vec<&str> = line.trim_start_matches([' ', '\t', '#']).split_whitespace().collect();
            let ours = line.trim_start().starts_with('#') && words.starts_with(&["pragma", "dsu"]);
            if !ours {
                body.push_str(line);
                body.push('\n');
                continue;
            }
            let place = format!("{name}:{}", index + 1);
            if let ["unit", unit @ ..] = &words[2..] {
                let unit = unit.join(" ");
                directives.finish(section, &body, name)?;
                section = Section { unit: unit.trim_matches('"').to_owned(), ..Section::default() };
                body = marker(index + 2, name);
            } else {
                directives.directive(&words[2..]).map_err(|e| DiffError::Build(format!("{place}: {e}")))?;
                body.push('\n');
            }
        }
        directives.finish(section, &body, name)?;
        Ok(directives)
    }

    fn directive(&mut self, words: &[&str]) -> Result<(), String> {
        match words {
            ["rename", ty @ .., old, new] if !ty.is_empty() => {
                self.renames.entry(ty.join(" ")).or_default().insert((*old).to_owned(), (*new).to_owned());
            }
            ["keep", variable] => drop(self.choices.insert((*variable).to_owned(), Choice::Keep)),
            ["new", variable] => drop(self.choices.insert((*variable).to_owned(), Choice::New)),
            ["merge", variable] => drop(self.choices.insert((*variable).to_owned(), Choice::Merge)),
            _ => {
                return Err(format!(
                    "#pragma dsu {}: known are `rename TYPE OLD NEW`, `keep VAR`, `new VAR`, `merge VAR` and `unit \"NAME.c\"`",
                    words.join(" ")
                ));
            }
        }
        Ok(())
    }

    fn finish(&mut self, mut section: Section, body: &str, name: &str) -> Result<(), DiffError> {
        section.functions = functions(body);
        let blank = Lexer::new(body, 0).all(|t| t.kind == Kind::Directive && is_marker(&body[t.start..t.end]));
        if blank {
            return Ok(());
        }
        section.text = preprocessed(body, name)?;
        self.sections.push(section);
        Ok(())
    }

    /// Whether the file defines a function.
    pub fn defines(&self, function: &str) -> bool {
        self.sections.iter().any(|s| s.functions.iter().any(|f| f == function))
    }

    /// Sentences about renamed fields that are not there.
    pub fn unknown_fields(
        &self,
        before: &BTreeMap<&str, Option<&TypeDefinition>>,
        after: &BTreeMap<&str, Option<&TypeDefinition>>,
    ) -> Vec<String> {
        let has = |types: &BTreeMap<&str, Option<&TypeDefinition>>, ty: &str, field: &str| {
            types.get(ty).copied().flatten().is_some_and(|t| own_fields(t).any(|f| f.name == field))
        };
        let mut found = Vec::new();
        for (ty, renames) in &self.renames {
            for (old, new) in renames {
                if !has(before, ty, old) {
                    found.push(format!("#pragma dsu rename {ty} {old} {new}: the old {ty} has no field {old}"));
                } else if !has(after, ty, new) {
                    found.push(format!("#pragma dsu rename {ty} {old} {new}: the new {ty} has no field {new}"));
                } else if has(after, ty, old) {
                    found.push(format!("#pragma dsu rename {ty} {old} {new}: the new {ty} still has a field {old}"));
                }
            }
        }
        found
    }

    /// Sentences about variables that are not there, by the names of all that the program has.
    pub fn unknown_variables(&self, known: &BTreeSet<String>) -> Vec<String> {
        let unknown = self.choices.keys().filter(|name| !known.contains(*name));
        unknown
            .map(|name| format!("#pragma dsu keep, new or merge {name}: no changed unit has such a variable"))
            .collect()
    }
}

fn marker(line: usize, name: &str) -> String {
    format!("\n# {line} \"{}\"\n", name.replace(['"', '\\', '\n'], "_"))
}

fn is_marker(line: &str) -> bool {
    line.trim_start().trim_start_matches('#').trim_start().starts_with(|c: char| c.is_ascii_digit())
}

/// Lines with tokens, directives among them.
fn written_lines(text: &str) -> usize {
    // In bytes: the last one of a token may be the last one of a character.
    let line_ends = |from: usize, to: usize| text.as_bytes()[from..to].iter().filter(|&&byte| byte == b'\n').count();
    let (mut lines, mut line, mut counted) = (BTreeSet::new(), 0, 0);
    for token in Lexer::new(text, 0) {
        line += line_ends(counted, token.start);
        counted = token.start;
        lines.extend(line..=line + line_ends(token.start, token.end - 1));
    }
    lines.len()
}

/// The functions that a text defines: a name, brackets, and a body, outside of everything.
fn functions(text: &str) -> Vec<String> {
    let (mut depth, mut brackets) = (0, 0);
    let (mut candidate, mut previous) = (None, "");
    let mut found = Vec::new();
    for token in Lexer::new(text, 0).filter(|t| t.kind != Kind::Directive) {
        let word = &text[token.start..token.end];
        match word {
            "{" => {
                found.extend(candidate.take().filter(|_| depth == 0 && brackets == 0));
                depth += 1;
            }
            "}" => depth -= 1,
            "(" => {
                if depth == 0 && brackets == 0 && previous.starts_with("dsu_transform_") {
                    candidate = Some(previous.to_owned());
                }
                brackets += 1;
            }
            ")" => brackets -= 1,
            ";" if depth == 0 => candidate = None,
            _ => {}
        }
        previous = word;
    }
    found
}

/// Text with macros replaced: its own, those of the compiler, and those of headers that it includes. Of headers only the macros
/// are taken: what they declare, the unit has.
fn preprocessed(text: &str, name: &str) -> Result<String, DiffError> {
    let failed = |e: std::io::Error| DiffError::Io("cc -E".to_owned(), e);
    let is_include = |l: &&str| l.trim_start().trim_start_matches('#').trim_start().starts_with("include");
    let includes: Vec<&str> = text.lines().filter(|l| l.trim_start().starts_with('#')).filter(is_include).collect();
    let body: Vec<&str> = text.lines().map(|l| if includes.contains(&l) { "" } else { l }).collect();
    let mut headers = tempfile::Builder::new().suffix(".h").tempfile().map_err(failed)?;
    writeln!(headers, "{}", includes.join("\n")).map_err(failed)?;
    let mut command = Command::new("cc");
    command.args(["-E", "-Ulinux", "-Uunix", "-imacros"]).arg(headers.path()).args(["-x", "c", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all((body.join("\n") + "\n").as_bytes()).map_err(failed)?;
    }
    let output = child.wait_with_output().map_err(failed)?;
    if !output.status.success() {
        return Err(DiffError::Build(format!("{name}:\n{}", String::from_utf8_lossy(&output.stderr))));
    }
    // Behind the last line, what follows is not the file's.
    Ok(format!("{}\n# 1 \"<dsu>\"\n", String::from_utf8_lossy(&output.stdout)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_markers_between_tokens_do_not_hide_a_function() {
        assert_eq!(functions("void dsu_transform_x\n# 3 \"t.c\"\n(int a)\n# 4 \"t.c\"\n{\n}\n"), ["dsu_transform_x"]);
    }

    #[test]
    fn directives_and_sections() {
        let text = "#pragma dsu rename struct conn old_name name\n#pragma dsu keep table\n\n/* comment */\n\
                    static void dsu_transform_struct_conn(struct conn *new, const struct conn_old *old)\n{\n    f(new);\n}\n\
                    # pragma dsu unit \"net/io.c\"\nint dsu_transform_state(void) { return 0; }\n";
        let d = Directives::parse("t.c", text).expect("is fine");
        assert_eq!(d.renames["struct conn"]["old_name"], "name");
        assert_eq!(d.choices["table"], Choice::Keep);
        assert_eq!(d.sections.len(), 2);
        assert_eq!(d.sections[0].functions, ["dsu_transform_struct_conn"]);
        assert_eq!((d.sections[1].unit.as_str(), d.lines), ("net/io.c", 8));
        assert!(d.sections[1].text.contains("# 10 \"t.c\"\nint dsu_transform_state"));
        assert!(d.defines("dsu_transform_state") && !d.defines("dsu_transform_x"));
    }

    #[test]
    fn tokens_may_end_with_a_letter_of_several_bytes() {
        let d = Directives::parse("t.c", "int f(void)\n{\n    return n\u{e9}\n}\n\u{e9}").expect("is fine");
        assert_eq!(d.lines, 5);
    }

    #[test]
    fn nonsense_is_refused_with_its_line() {
        let error = Directives::parse("t.c", "\n#pragma dsu frobnicate x\n").expect_err("nonsense");
        assert!(error.to_string().starts_with("t.c:2: #pragma dsu frobnicate x"));
    }

    #[test]
    fn macros_are_expanded() {
        let d = Directives::parse(
            "t.c",
            "#include <limits.h>\n#define N 3\nint dsu_transform_state(void) { return N + CHAR_BIT; }\n",
        )
        .expect("is fine");
        assert!(d.sections[0].text.contains("return 3 + 8;"));
    }
}
