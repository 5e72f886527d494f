//! Scripts of update tests: one step per line.

use std::path::Path;

use anyhow::{Context, Result};

/// A script.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// Its steps.
    pub steps: Vec<Step>,
    /// What it needs: `root`, `gdb`.
    pub needs: Vec<String>,
    /// Whether it also runs with programs that check their own use of memory.
    pub sanitized: bool,
}

/// A step.
#[derive(Clone, Debug)]
pub struct Step {
    /// The line, from 1.
    pub line: usize,
    /// The process it is about.
    pub process: String,
    /// The word that says what to do.
    pub verb: String,
    /// The rest of the line.
    pub rest: String,
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let mut script = Self::default();
        for (index, line) in text.lines().enumerate() {
            let mut line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut process = "program";
            // `b: send x` is about process b.
            if let Some((name, rest)) = line.split_once(": ") {
                if !name.contains(char::is_whitespace) {
                    (process, line) = (name, rest.trim());
                }
            }
            let (verb, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            if verb == "needs" {
                script.needs.extend(rest.split_whitespace().map(str::to_owned));
                continue;
            }
            if verb == "sanitized" {
                script.sanitized = true;
                continue;
            }
            script.steps.push(Step {
                line: index + 1,
                process: process.to_owned(),
                verb: verb.to_owned(),
                rest: rest.trim().to_owned(),
            });
        }
        Ok(script)
    }
}
