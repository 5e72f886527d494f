//! The report of an updatable link, and the other things the driver says.

use std::fmt::{self, Write};

use super::args::ReportFormat;
use super::interface::{Report, Suggestion, TypesReport, UnprovenReport};

/// Lists longer than this are cut in the text report; the JSON one has everything.
const LIST: usize = 12;

/// Prints the report to standard error.
pub fn print(report: &Report, format: ReportFormat) {
    match format {
        ReportFormat::Text => eprint!("{report}"),
        ReportFormat::Json => match serde_json::to_string_pretty(report) {
            Ok(text) => eprintln!("{text}"),
            Err(error) => eprintln!("dsu-cc: warning: no report: {error}"),
        },
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.units.iter().filter(|u| u.kept.is_some()).count();
        let ability =
            if self.update_points.is_empty() { "can never be updated" } else { "can be updated while it runs" };
        writeln!(f, "dsu-cc: {} {ability}", self.output)?;
        writeln!(f, "  units         {} updatable, {kept} kept as they are", self.units.len() - kept)?;
        writeln!(f, "  functions     {} indirect, {} direct", self.functions_indirect, self.functions_direct)?;
        list(f, "stubs", &self.stubs)?;
        list(f, "by name", &self.by_name_stubs)?;
        for point in &self.update_points {
            write!(f, "  update point  {}, in {} ({}:{})", point.name, point.function, point.file, point.line)?;
            if !point.quiescent.is_empty() {
                write!(f, ", asleep in {}", point.quiescent.join(", "))?;
            }
            writeln!(f, "; {} on its update path", count(point.path_functions, "function"))?;
        }
        for unit in &self.units {
            if let Some(reason) = &unit.kept {
                writeln!(f, "  kept          {} ({}): {reason}", unit.source, unit.object)?;
            }
        }
        types(f, &self.types)?;
        self.warnings.iter().try_for_each(|warning| writeln!(f, "  warning       {warning}"))?;
        self.notes.iter().try_for_each(|note| writeln!(f, "  note          {note}"))
    }
}

fn types(f: &mut fmt::Formatter<'_>, types: &TypesReport) -> fmt::Result {
    let TypesReport { wrapped, small, unwrapped, unproven } = types;
    let names: Vec<String> = wrapped.keys().cloned().collect();
    list(f, "with room", &names)?;
    list(f, "too small", small)?;
    for t in unwrapped {
        writeln!(f, "  no room       {} ({}): {}", t.name, t.place, t.reason)?;
    }
    for call in unproven {
        let more = if call.calls > 1 { format!(" and {} more", call.calls - 1) } else { String::new() };
        let UnprovenReport { function, name, place, .. } = call;
        writeln!(
            f,
            "  unproven      {function} gives memory for {name} in {place}{more}: if it is fresh, name it in dsu.toml: [types] allocators = [\"{function}\"]"
        )?;
    }
    Ok(())
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn list(f: &mut fmt::Formatter<'_>, label: &str, names: &[String]) -> fmt::Result {
    write!(f, "  {label:<13} {}", names.len())?;
    if !names.is_empty() {
        write!(f, " ({}", names[..names.len().min(LIST)].join(", "))?;
        f.write_str(if names.len() > LIST { ", ...)" } else { ")" })?;
    }
    writeln!(f)
}

/// A `dsu.toml` with these update points.
#[must_use]
pub fn suggestions(output: &str, list: &[Suggestion]) -> String {
    if list.is_empty() {
        return format!(
            "# dsu-cc found no endless loop that reaches a blocking system call in {output}.\n\
             # If a library owns the main loop, name a callback:\n\
             # [[update-point]]\n# function = \"on_event\"\n# entry = true\n"
        );
    }
    let mut text = format!(
        "# Update points for {output}, suggested by dsu-cc. Save as dsu.toml beside the sources and link again.\n"
    );
    for suggestion in list.iter().filter(|s| !s.doubtful) {
        let _ = suggestion_entry(&mut text, suggestion);
    }
    let mut doubtful = String::new();
    for suggestion in list.iter().filter(|s| s.doubtful) {
        let _ = suggestion_entry(&mut doubtful, suggestion);
    }
    if !doubtful.is_empty() {
        text.push_str(
            "\n# These loops wait, too. Where a thread or process stays in one of them for long, as for a session, it needs the\n\
             # point: take off the outer `#`. Where the loop only finishes some work of another one, it should have none.\n",
        );
        doubtful
            .lines()
            .for_each(|line| text.push_str(&if line.is_empty() { "\n".into() } else { format!("#{line}\n") }));
    }
    text
}

fn suggestion_entry(text: &mut String, suggestion: &Suggestion) -> fmt::Result {
    writeln!(text, "\n# {}: {}", suggestion.place, suggestion.why.replace('\n', " "))?;
    writeln!(text, "[[update-point]]")?;
    writeln!(text, "name = {}", quoted(&suggestion.name))?;
    writeln!(text, "function = {}", quoted(&suggestion.function))?;
    if let Some(file) = &suggestion.file {
        writeln!(text, "file = {}", quoted(file))?;
    }
    if let Some(ordinal) = suggestion.loop_ordinal {
        writeln!(text, "loop = {ordinal}")?;
    }
    if suggestion.entry {
        writeln!(text, "entry = true")?;
    }
    if !suggestion.quiescent.is_empty() {
        let names: Vec<String> = suggestion.quiescent.iter().map(|q| quoted(q)).collect();
        writeln!(text, "quiescent = [{}]", names.join(", "))?;
    }
    Ok(())
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::interface::{UnitReport, UnwrappedReport, UpdatePointReport};
    use super::*;

    #[test]
    fn text_report() {
        let report = Report {
            output: "server".into(),
            units: vec![
                UnitReport { source: "a.c".into(), object: "a.o".into(), functions: 3, kept: None },
                UnitReport { source: "b.c".into(), object: "b.o".into(), functions: 1, kept: Some("asm".into()) },
            ],
            functions_indirect: 2,
            functions_direct: 1,
            stubs: vec!["f".into(), "g".into()],
            update_points: vec![UpdatePointReport {
                name: "loop".into(),
                function: "main".into(),
                file: "a.c".into(),
                line: 3,
                quiescent: vec!["accept".into()],
                path_functions: 1,
            }],
            types: TypesReport {
                wrapped: [("struct a".to_owned(), 8)].into(),
                small: Vec::new(),
                unwrapped: vec![UnwrappedReport {
                    name: "struct b".into(),
                    place: "b.c:4".into(),
                    reason: "packed".into(),
                }],
                unproven: vec![UnprovenReport {
                    function: "get".into(),
                    name: "struct a".into(),
                    place: "f (a.c:9)".into(),
                    calls: 2,
                }],
            },
            warnings: vec!["a warning".into()],
            notes: vec!["a note".into()],
            ..Report::default()
        };
        assert_eq!(
            report.to_string(),
            "dsu-cc: server can be updated while it runs
  units         1 updatable, 1 kept as they are
  functions     2 indirect, 1 direct
  stubs         2 (f, g)
  by name       0
  update point  loop, in main (a.c:3), asleep in accept; 1 function on its update path
  kept          b.c (b.o): asm
  with room     1 (struct a)
  too small     0
  no room       struct b (b.c:4): packed
  unproven      get gives memory for struct a in f (a.c:9) and 1 more: if it is fresh, name it in dsu.toml: [types] allocators = [\"get\"]
  warning       a warning
  note          a note
"
        );
    }

    #[test]
    fn suggestions_are_a_valid_configuration() {
        let list = [
            Suggestion {
                name: "main\"#1".replace('"', ""),
                function: "main".into(),
                file: Some("dir/a.c".into()),
                place: "dir/a.c:10".into(),
                loop_ordinal: Some(2),
                quiescent: vec!["accept".into(), "poll".into()],
                why: "endless loop that sleeps in accept".into(),
                ..Suggestion::default()
            },
            Suggestion { name: "cb".into(), function: "cb".into(), entry: true, ..Suggestion::default() },
            Suggestion { name: "perhaps".into(), function: "g".into(), doubtful: true, ..Suggestion::default() },
        ];
        let config: crate::config::Config = toml::from_str(&suggestions("server", &list)).unwrap();
        assert_eq!(config.update_points.len(), 2);
        assert_eq!(config.update_points[0].loop_ordinal, Some(2));
        assert_eq!(config.update_points[1].label(), "cb");
        assert!(config.update_points[1].entry);
        let empty: crate::config::Config = toml::from_str(&suggestions("server", &[])).unwrap();
        assert!(empty.update_points.is_empty());
    }
}
