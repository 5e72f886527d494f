//! `dsu.toml`: where a program can be updated, which of its structs get room for later, and what is only looked at at start.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
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
    /// Which structs get room for later.
    #[serde(default)]
    pub types: Types,
    /// What is known of linker sets.
    #[serde(default)]
    pub sets: Sets,
}

/// `[sets]`: what is known of linker sets, the variables in one section that the program walks from `__start_NAME` to
/// `__stop_NAME`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sets {
    /// Sets that are only looked at while the program starts: what a patch adds to them need not be found.
    #[serde(default)]
    pub start_only: BTreeSet<String>,
}

/// `[types]`: which structs get room for later, and how much.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Types {
    /// Whether any struct gets room that is not named itself; by default, yes.
    pub wrap: Option<bool>,
    /// Structs smaller than this get none; by default 64 bytes.
    pub min_size: Option<u64>,
    /// The room in bytes; by default an eighth of the struct's size, between 8 and 64.
    pub slop: Option<u64>,
    /// Whether shared objects that the program loads with `dlopen` may know its structs, and use its variables by name; by
    /// default they may, if the program exports its symbols.
    pub plugins: Option<bool>,
    /// Functions that give fresh memory, besides those that `dsu-cc` finds itself.
    pub allocators: Vec<String>,
    /// What is said of single structs: `[types."struct foo"]`.
    pub each: BTreeMap<String, TypeConfig>,
}

/// What is said of one struct.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TypeConfig {
    /// Whether it gets room.
    pub wrap: Option<bool>,
    /// How much.
    #[serde(default, deserialize_with = "slop")]
    pub slop: Option<u64>,
}

/// The largest room that can be asked for.
const MAX_SLOP: i64 = 4096;

fn checked_slop<E: serde::de::Error>(bytes: i64) -> Result<u64, E> {
    let fits = (8..=MAX_SLOP).contains(&bytes) && bytes % 8 == 0;
    u64::try_from(bytes).ok().filter(|_| fits).ok_or_else(|| {
        E::custom(format!("slop = {bytes}: the room must be a multiple of 8 bytes, from 8 to {MAX_SLOP}"))
    })
}

fn slop<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    checked_slop(i64::deserialize(deserializer)?).map(Some)
}

impl<'de> Deserialize<'de> for Types {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Types;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Types, A::Error> {
                let mut types = Types::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "wrap" => types.wrap = Some(map.next_value()?),
                        "min-size" => types.min_size = Some(map.next_value()?),
                        "slop" => types.slop = Some(checked_slop(map.next_value()?)?),
                        "plugins" => types.plugins = Some(map.next_value()?),
                        "allocators" => types.allocators = map.next_value()?,
                        "" => return Err(A::Error::custom("a type without a name")),
                        _ => {
                            types.each.insert(key, map.next_value()?);
                        }
                    }
                }
                Ok(types)
            }
        }
        deserializer.deserialize_map(Reader)
    }
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
        let config: Self = toml::from_str(text).map_err(|e| {
            let single = e.message().contains("expected a sequence") && !text.contains("[[");
            let hint = if single { "; write [[update-point]], in two brackets each: there can be several" } else { "" };
            invalid(e.span().map_or(0, |s| s.start), e.message().replace('\n', " ") + hint)
        })?;
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
    fn types() {
        let config = parse(
            "[types]\nwrap = true\nmin-size = 32\nslop = 16\nallocators = [\"get\"]\n\n[types.\"struct foo\"]\nwrap = false\n\n\
             [types.bar]\nslop = 64\n",
        )
        .unwrap();
        let types = config.types;
        assert_eq!((types.wrap, types.min_size, types.slop, types.plugins), (Some(true), Some(32), Some(16), None));
        assert_eq!(types.allocators, ["get"]);
        assert_eq!(types.each["struct foo"], TypeConfig { wrap: Some(false), slop: None });
        assert_eq!(types.each["bar"], TypeConfig { wrap: None, slop: Some(64) });
    }

    #[test]
    fn sets() {
        let config = parse("[sets]\nstart-only = [\"commands\", \"tests\"]\n").unwrap();
        assert!(config.sets.start_only.iter().eq(["commands", "tests"]));
    }

    #[test]
    fn errors_name_the_line() {
        for (text, want) in [
            ("[[update-point]]\nfunction = \"f\"\nlop = 1\n", "dsu.toml:3: unknown field `lop`"),
            ("[update-point]\nfunction = \"f\"\n", "write [[update-point]], in two brackets each"),
            ("\n[typos]\n", "dsu.toml:2: unknown field `typos`"),
            ("[types]\nwrap = true\nmin_size = 3\n", "dsu.toml:3: invalid type: integer `3`"),
            ("[sets]\nstart_only = []\n", "dsu.toml:2: unknown field `start_only`"),
            ("[types]\nslop = 7\n", "slop = 7: the room must be a multiple of 8 bytes"),
            ("[types.\"struct foo\"]\nslip = 8\n", "dsu.toml:2: unknown field `slip`"),
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
