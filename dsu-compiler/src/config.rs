//! `dsu.toml`: where a program can be updated.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

/// The name looked for beside outputs and sources.
pub const FILE_NAME: &str = "dsu.toml";

/// The configuration of one program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// The file it was read from.
    #[serde(skip)]
    pub path: Option<PathBuf>,
    /// The update points.
    #[serde(default, rename = "update-point")]
    pub update_points: Vec<UpdatePoint>,
}

/// A place where threads may be updated.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct UpdatePoint {
    /// Its name; default `FUNCTION#LOOP`.
    pub name: Option<String>,
    /// The program it is for, by file name, where one configuration serves several programs. Default: every program
    /// that defines the function.
    pub program: Option<String>,
    /// The function it is in.
    pub function: String,
    /// The source file, by its last path components, where several units have a static function of that name.
    pub file: Option<String>,
    /// Ordinal of the loop in the function, in source order, from 1. Default: the only loop, or the only endless one.
    #[serde(rename = "loop")]
    pub loop_ordinal: Option<u32>,
    /// The point is the entry of the function instead of a loop: for callbacks of a library that owns the loop.
    #[serde(default)]
    pub entry: bool,
    /// Functions called in that loop (with `entry`: in that function) during which a sleeping thread counts as standing at the point.
    /// `"f > g"`: the call of `g` in `f`, in the activation of `f` that is called there.
    #[serde(default)]
    pub quiescent: Vec<String>,
}

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It is not valid: the message names line and column.
    #[error("{path}:{line}: {message}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// When it cannot be read or is not valid.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_path_buf(), source })?;
        let mut config = Self::parse(path, &text)?;
        config.path = Some(path.to_path_buf());
        Ok(config)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let invalid = |offset: usize, message: String| ConfigError::Invalid {
            path: path.to_path_buf(),
            line: text[..offset.min(text.len())].matches('\n').count() + 1,
            message,
        };
        let config: Self = toml::from_str(text)
            .map_err(|e| invalid(e.span().map_or(0, |s| s.start), e.message().replace('\n', " ")))?;
        for (point, offset) in config.update_points.iter().zip(headings(text)) {
            point.check().map_err(|message| invalid(offset, message))?;
        }
        for (i, point) in config.update_points.iter().enumerate() {
            if let Some(j) = config.update_points[..i].iter().position(|p| p.label() == point.label()) {
                let offset = headings(text).nth(i).unwrap_or(0);
                let message = format!(
                    "update point \"{}\" is there twice (number {} and {}); give each its own name",
                    point.label(),
                    j + 1,
                    i + 1
                );
                return Err(invalid(offset, message));
            }
        }
        Ok(config)
    }
}

/// Byte offsets of the `[[update-point]]` headings, for messages.
fn headings(text: &str) -> impl Iterator<Item = usize> {
    let mut offset = 0;
    text.split_inclusive('\n').filter_map(move |line| {
        let start = offset;
        offset += line.len();
        line.trim_start().starts_with("[[").then_some(start)
    })
}

impl UpdatePoint {
    /// The name given, or one made from function and loop.
    #[must_use]
    pub fn label(&self) -> String {
        match (&self.name, self.loop_ordinal) {
            (Some(name), _) => name.clone(),
            (None, Some(ordinal)) => format!("{}#{ordinal}", self.function),
            (None, None) if self.entry => self.function.clone(),
            (None, None) => format!("{}#1", self.function),
        }
    }

    fn check(&self) -> Result<(), String> {
        let label = self.label();
        if self.function.is_empty() {
            return Err("function must not be empty".into());
        }
        if label.is_empty() || label.contains(|c: char| c == '"' || c == '\\' || c.is_control()) {
            return Err(
                "the name of an update point must not be empty or contain quotes, backslashes or control characters"
                    .into(),
            );
        }
        if self.entry && self.loop_ordinal.is_some() {
            return Err(format!("update point \"{label}\" has both entry and loop: choose one"));
        }
        if self.loop_ordinal == Some(0) {
            return Err(format!("update point \"{label}\": loops are counted from 1"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(Path::new("dsu.toml"), text).map_err(|e| e.to_string())
    }

    #[test]
    fn full() {
        let config = parse(
            "[[update-point]]\nname = \"accept-loop\"\nfunction = \"main\"\nfile = \"a.c\"\nloop = 1\nquiescent = [\"accept\"]\n\n[[update-point]]\nfunction = \"on_read\"\nentry = true\n",
        )
        .unwrap();
        assert_eq!(config.update_points.len(), 2);
        assert_eq!(config.update_points[0].label(), "accept-loop");
        assert_eq!(config.update_points[0].loop_ordinal, Some(1));
        assert!(config.update_points[1].entry);
        assert_eq!(parse("").unwrap(), Config::default());
    }

    #[test]
    fn errors_name_the_line() {
        for (text, want) in [
            ("[[update-point]]\nfunction = \"f\"\nlop = 1\n", "dsu.toml:3: unknown field `lop`"),
            ("\n[types]\n", "dsu.toml:2: unknown field `types`"),
            ("[[update-point]]\nloop = 1\n", "dsu.toml:1: missing field `function`"),
            ("[[update-point]]\nfunction = \n", "dsu.toml:2:"),
            (
                "\n\n[[update-point]]\nfunction = \"f\"\nentry = true\nloop = 2\n",
                "dsu.toml:3: update point \"f#2\" has both",
            ),
            ("[[update-point]]\nfunction = \"f\"\nloop = 0\n", "dsu.toml:1: update point \"f#0\": loops are counted"),
            (
                "[[update-point]]\nfunction = \"f\"\n[[update-point]]\nfunction = \"f\"\n",
                "dsu.toml:3: update point \"f#1\" is there twice",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(want), "{error:?} does not contain {want:?}");
        }
    }
}
