//! Debian source packages, fetched with a private apt configuration.
//!
//! The package sources are the machine's own, with `deb` turned into `deb-src`; nothing of the
//! machine's configuration is changed, and trusted keys, proxies and credentials stay what they are.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::{cmd, ui};

/// What to fetch.
pub struct Wanted<'a> {
    /// Name of the source package.
    pub package: &'a str,
    /// Upstream version.
    pub version: &'a str,
    /// Debian revision to prefer, where several have that upstream version.
    pub revision: Option<&'a str>,
    /// Suites of the same archive to look in beside the machine's own.
    pub suites: &'a [String],
}

/// Fetches a source package into `folder`, unless it is there already, and returns its `.dsc` file.
pub fn source(wanted: &Wanted<'_>, folder: &Path) -> Result<PathBuf> {
    let stamp = folder.join("fetched");
    if let Ok(name) = fs::read_to_string(&stamp) {
        let dsc = folder.join(name.trim());
        if dsc.is_file() {
            return Ok(dsc);
        }
    }
    fs::create_dir_all(folder)?;
    let apt = Apt::configure(&folder.join("apt"), wanted.suites)?;
    let step = ui::step("package lists, with a private configuration");
    apt.update()?;
    step.done("");
    let candidates = candidates(&apt.show(wanted.package)?, wanted);
    if candidates.is_empty() {
        bail!(
            "this machine's package sources have no source package {} {}; the recipe also looked in: {}",
            wanted.package,
            wanted.version,
            wanted.suites.join(", ")
        );
    }
    let mut failures = String::new();
    for version in candidates {
        let step = ui::step(format!("apt-get source {}={version}", wanted.package));
        match apt.download(wanted.package, &version, folder) {
            Ok(dsc) => {
                step.done("");
                fs::write(&stamp, dsc.file_name().unwrap_or_default().to_string_lossy().as_bytes())?;
                return Ok(dsc);
            }
            Err(error) => {
                step.done("not available");
                failures.push_str(&format!("{error:#}\n"));
            }
        }
    }
    bail!("no version of {} could be downloaded:\n{failures}", wanted.package)
}

/// Unpacks the upstream state of a source package, and Debian's files beside it, into `folder`.
pub fn unpack(dsc: &Path, folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    let mut command = cmd::command("dpkg-source", ["--skip-patches", "-x"]);
    command.arg(dsc).arg(folder);
    cmd::output(&mut command, cmd::SHORT)?;
    Ok(())
}

struct Apt {
    options: Vec<String>,
}

impl Apt {
    fn configure(folder: &Path, suites: &[String]) -> Result<Self> {
        for part in ["sources.list.d", "state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(part))?;
        }
        let machine = Machine::read()?;
        for (name, text) in machine.source_lists(suites) {
            fs::write(folder.join("sources.list.d").join(name), text)?;
        }
        let path = |part: &str| folder.join(part).display().to_string();
        let mut options = vec![
            format!("Dir::Etc::sourcelist={}", path("sources.list")),
            format!("Dir::Etc::sourceparts={}", path("sources.list.d")),
            format!("Dir::State={}", path("state")),
            format!("Dir::State::status={}", "/var/lib/dpkg/status"),
            format!("Dir::Cache={}", path("cache")),
        ];
        if nix::unistd::geteuid().is_root() {
            // The private folders need not be open to apt's own user.
            options.push("APT::Sandbox::User=root".into());
        }
        Ok(Self { options })
    }

    fn command(&self, program: &str) -> std::process::Command {
        let mut command = cmd::command(program, ["-q"]);
        self.options.iter().for_each(|option| {
            command.arg("-o").arg(option);
        });
        command
    }

    fn update(&self) -> Result<()> {
        // A list that cannot be had is no reason to give up: another may have the package.
        cmd::ask(self.command("apt-get").arg("update"), cmd::LONG)?;
        Ok(())
    }

    fn show(&self, package: &str) -> Result<String> {
        Ok(cmd::ask(self.command("apt-cache").args(["showsrc", "--only-source", package]), cmd::SHORT)?.out)
    }

    fn download(&self, package: &str, version: &str, folder: &Path) -> Result<PathBuf> {
        let mut command = self.command("apt-get");
        command.args(["source", "--download-only"]).arg(format!("{package}={version}")).current_dir(folder);
        cmd::output(&mut command, cmd::LONG)?;
        // The epoch is not part of the file name.
        let file = format!("{package}_{}.dsc", version.split_once(':').map_or(version, |(_, rest)| rest));
        let path = folder.join(&file);
        if !path.is_file() {
            bail!("apt-get source left no {file}");
        }
        Ok(path)
    }
}

/// The versions that have the wanted upstream version, the preferred one first, then newest first.
fn candidates(showsrc: &str, wanted: &Wanted<'_>) -> Vec<String> {
    let all = showsrc.lines().filter_map(|line| line.strip_prefix("Version: ")).map(str::trim);
    let mut fitting: Vec<String> =
        all.filter(|version| upstream(version) == wanted.version).map(String::from).collect();
    fitting.sort_by_cached_key(|version| std::cmp::Reverse(natural(version)));
    fitting.dedup();
    fitting.sort_by_key(|version| {
        let revision = version.rsplit_once('-').map(|(_, revision)| revision);
        wanted.revision.is_none() || revision != wanted.revision
    });
    fitting
}

/// Sorts numbers in versions by value.
fn natural(version: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut rest = version;
    while !rest.is_empty() {
        let word = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let number = rest[word..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |n| word + n);
        parts.push((rest[..word].to_string(), rest[word..number].parse().unwrap_or(0)));
        rest = &rest[number..];
    }
    parts
}

/// `5:7.0.15-1~deb12u1` is upstream `7.0.15`.
fn upstream(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    version.rsplit_once('-').map_or(version, |(upstream, _)| upstream)
}

/// The machine's own package sources.
struct Machine {
    codename: String,
    /// File names and texts.
    files: Vec<(String, String)>,
}

impl Machine {
    fn read() -> Result<Self> {
        let etc = Path::new("/etc/apt");
        let mut files = Vec::new();
        let parts = fs::read_dir(etc.join("sources.list.d")).into_iter().flatten().flatten().map(|entry| entry.path());
        for path in std::iter::once(etc.join("sources.list")).chain(parts) {
            let known = path.extension().is_some_and(|e| e == "list" || e == "sources");
            if known && let Ok(text) = fs::read_to_string(&path) {
                files.push((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), text));
            }
        }
        if files.is_empty() {
            bail!("this machine has no apt sources in /etc/apt; source packages can be fetched on Debian only");
        }
        let release = fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
        let codename = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).unwrap_or_default();
        Ok(Self { codename: codename.trim_matches('"').to_string(), files })
    }

    /// The same sources as `deb-src`, and once more for other suites of the archive.
    fn source_lists(&self, suites: &[String]) -> Vec<(String, String)> {
        let mut lists = Vec::new();
        for (name, text) in &self.files {
            let (own, other) = if name.ends_with(".sources") {
                (stanzas(text, &|own| Some(own.to_vec())), stanzas(text, &|own| self.replace(own, suites)))
            } else {
                (lines(text, &|own| Some(own.to_vec())), lines(text, &|own| self.replace(own, suites)))
            };
            lists.push((name.clone(), own));
            lists.push((format!("other-{name}"), other));
        }
        lists
    }

    /// Suites to use in place of `own` where an entry is for this machine's release of the archive.
    fn replace(&self, own: &[String], suites: &[String]) -> Option<Vec<String>> {
        let security = format!("{}-security", self.codename);
        let (has_main, has_security) = (own.contains(&self.codename), own.contains(&security));
        let fits = |suite: &&String| {
            (if suite.ends_with("-security") { has_security } else { has_main }) && !own.contains(suite)
        };
        let other: Vec<String> = suites.iter().filter(fits).cloned().collect();
        (!self.codename.is_empty() && !other.is_empty()).then_some(other)
    }
}

type Replace<'a> = &'a dyn Fn(&[String]) -> Option<Vec<String>>;

/// The `deb` entries of a deb822 file as `deb-src`, their suites replaced.
fn stanzas(text: &str, replace: Replace<'_>) -> String {
    let text: String = text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    let mut result = String::new();
    for stanza in text.split("\n\n") {
        let field = |name: &str| {
            let prefix = format!("{name}:");
            stanza.lines().find_map(|line| line.strip_prefix(prefix.as_str())).unwrap_or_default().trim().to_string()
        };
        let own: Vec<String> = field("Suites").split_whitespace().map(String::from).collect();
        let (binary, disabled) = (field("Types").split_whitespace().any(|t| t == "deb"), field("Enabled") == "no");
        let Some(suites) = replace(&own).filter(|_| binary && !disabled && !own.is_empty()) else { continue };
        for line in stanza.lines() {
            match line.split_once(':').map_or("", |(name, _)| name) {
                "Types" => result.push_str("Types: deb-src"),
                "Suites" => result.push_str(&format!("Suites: {}", suites.join(" "))),
                _ => result.push_str(line),
            }
            result.push('\n');
        }
        result.push('\n');
    }
    result
}

/// The `deb` entries of a one-line-style file as `deb-src`, their suites replaced.
fn lines(text: &str, replace: Replace<'_>) -> String {
    let mut result = String::new();
    for line in text.lines() {
        let Some(rest) = line.trim().strip_prefix("deb ").map(str::trim) else { continue };
        let (options, rest) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((options, rest)) => (format!("[{options}] "), rest.trim()),
            None => (String::new(), rest),
        };
        let mut words = rest.split_whitespace();
        let (Some(uri), Some(suite)) = (words.next(), words.next()) else { continue };
        let components = words.collect::<Vec<_>>().join(" ");
        for suite in replace(&[suite.to_string()]).unwrap_or_default() {
            result.push_str(&format!("deb-src {options}{uri} {suite} {components}\n"));
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(name: &str, text: &str) -> Machine {
        Machine { codename: "bookworm".into(), files: vec![(name.into(), text.into())] }
    }

    #[test]
    fn deb822() {
        let text = "# a comment\nTypes: deb\nURIs: http://archive.test/debian\n# another\nSuites: bookworm bookworm-updates\nComponents: main\nSigned-By: /k.gpg\n\nTypes: deb\nURIs: http://archive.test/security\nSuites: bookworm-security\nComponents: main\n\nTypes: deb\nURIs: http://other.test\nSuites: ./\n";
        let lists = machine("debian.sources", text).source_lists(&["trixie".into()]);
        assert!(
            lists[0]
                .1
                .starts_with("Types: deb-src\nURIs: http://archive.test/debian\nSuites: bookworm bookworm-updates\n")
        );
        assert_eq!(lists[0].1.matches("deb-src").count(), 3);
        assert_eq!(
            lists[1].1,
            "Types: deb-src\nURIs: http://archive.test/debian\nSuites: trixie\nComponents: main\nSigned-By: /k.gpg\n\n"
        );
    }

    #[test]
    fn one_line_style() {
        let text = "deb [arch=amd64 signed-by=/k] http://archive.test/debian bookworm main\n# deb x y\ndeb-src http://archive.test/debian bookworm main\n";
        let lists = machine("sources.list", text).source_lists(&["trixie".into(), "trixie-security".into()]);
        assert_eq!(lists[0].1, "deb-src [arch=amd64 signed-by=/k] http://archive.test/debian bookworm main\n");
        assert_eq!(lists[1].1, "deb-src [arch=amd64 signed-by=/k] http://archive.test/debian trixie main\n");
    }

    #[test]
    fn versions() {
        let wanted = Wanted { package: "p", version: "3.0.5", revision: Some("0.2"), suites: &[] };
        let text = "Version: 3.0.3-13\nVersion: 3.0.5-1\nVersion: 3.0.5-0.2\n";
        assert_eq!(candidates(text, &wanted), ["3.0.5-0.2", "3.0.5-1"]);
        let wanted = Wanted { package: "p", version: "7.0", revision: None, suites: &[] };
        assert_eq!(candidates("Version: 5:7.0-1u7\nVersion: 5:7.0-1u10\n", &wanted), ["5:7.0-1u10", "5:7.0-1u7"]);
        assert_eq!(upstream("5:7.0.15-1~deb12u10"), "7.0.15");
    }
}
