//! Installs what the tests need and the machine lacks.

use anyhow::{Context, Result, bail};

use crate::{cmd, ui};

/// Something needed: how to see that it is there, and the packages that bring it, best first.
struct Need {
    what: &'static str,
    there: fn() -> bool,
    packages: &'static [&'static str],
}

/// For the tools and the demo.
const BASIC: &[Need] = &[
    Need { what: "a C compiler", there: || has("cc"), packages: &["gcc"] },
    Need { what: "C library headers", there: || header("stdio.h"), packages: &["libc6-dev"] },
    Need { what: "make", there: || has("make"), packages: &["make"] },
    Need {
        what: "libclang",
        there: libclang,
        packages: &["libclang1-19", "libclang1-16", "libclang1-14", "libclang1"],
    },
];

/// For the tests, real servers and benchmarks.
const MORE: &[Need] = &[
    Need { what: "dpkg-source", there: || has("dpkg-source"), packages: &["dpkg-dev"] },
    Need { what: "patch", there: || has("patch"), packages: &["patch"] },
    Need { what: "xz", there: || has("xz"), packages: &["xz-utils"] },
    Need { what: "autoconf", there: || has("autoconf"), packages: &["autoconf"] },
    Need { what: "automake", there: || has("aclocal"), packages: &["automake"] },
    Need { what: "libtool", there: || has("libtoolize"), packages: &["libtool"] },
    Need { what: "cmake", there: || has("cmake"), packages: &["cmake"] },
    Need { what: "gdb", there: || has("gdb"), packages: &["gdb"] },
    Need { what: "valgrind", there: || has("valgrind"), packages: &["valgrind"] },
];

/// For libFuzzer.
const FUZZ: &[Need] = &[Need { what: "a C++ compiler", there: || has("c++"), packages: &["g++"] }];

/// Makes sure that what the tools and the demo need is installed.
pub fn basic() -> Result<()> {
    ensure(BASIC.iter())
}

/// Makes sure that what anything here needs is installed.
pub fn all() -> Result<()> {
    ensure(BASIC.iter().chain(MORE))
}

/// Makes sure that what the fuzzers need is installed.
pub fn fuzz() -> Result<()> {
    ensure(BASIC.iter().chain(FUZZ))
}

fn ensure(needs: impl Iterator<Item = &'static Need>) -> Result<()> {
    ui::stage("What this machine must have");
    let missing: Vec<&Need> = needs.filter(|need| !(need.there)()).collect();
    if missing.is_empty() {
        ui::note("all there");
        return Ok(());
    }
    let names = missing.iter().map(|need| need.what).collect::<Vec<_>>().join(", ");
    ui::note(&format!("missing: {names}"));
    let mut apt = Apt::open(&missing.iter().map(|need| need.packages[0]).collect::<Vec<_>>())?;
    for need in missing {
        apt.install_any(need.packages).with_context(|| format!("{} is missing", need.what))?;
        if !(need.there)() {
            bail!("{} is still missing after the installation of its package", need.what);
        }
    }
    Ok(())
}

/// Makes sure that the named packages are installed.
pub fn packages(names: &[String]) -> Result<()> {
    let missing: Vec<&str> = names.iter().map(String::as_str).filter(|name| !installed(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut apt = Apt::open(&missing)?;
    missing.iter().try_for_each(|name| apt.install_any(&[name]))
}

/// Permission to install packages.
struct Apt {
    updated: bool,
}

impl Apt {
    fn open(wanted: &[&str]) -> Result<Self> {
        let wanted = wanted.join(" ");
        if cmd::find("apt-get").is_none() {
            bail!("this machine has no apt-get; install what these Debian packages hold, then run again: {wanted}");
        }
        if !nix::unistd::geteuid().is_root() {
            bail!("installing packages needs root; run this, then run again: apt-get install {wanted}");
        }
        Ok(Self { updated: false })
    }

    /// Installs the first of the packages that can be installed.
    fn install_any(&mut self, packages: &[&str]) -> Result<()> {
        for attempt in 0..2 {
            for package in packages {
                if self.install(package)? {
                    return Ok(());
                }
            }
            if attempt == 0 && !self.update()? {
                break;
            }
        }
        bail!("none of these packages can be installed: {}", packages.join(", "))
    }

    fn install(&self, package: &str) -> Result<bool> {
        let known = cmd::ask(&mut cmd::command("apt-cache", ["show", "--no-all-versions", package]), cmd::SHORT)?;
        if known.code != 0 || known.out.trim().is_empty() {
            return Ok(false);
        }
        let step = ui::step(format!("apt-get install {package}"));
        let mut install = cmd::command(
            "apt-get",
            ["install", "-y", "-q", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"],
        );
        install.arg(package).env("DEBIAN_FRONTEND", "noninteractive");
        let said = cmd::ask(&mut install, cmd::LONG)?;
        if said.code == 0 {
            step.done("");
            return Ok(true);
        }
        step.done("failed");
        // Stale package lists are the usual reason: let the caller update them and come back.
        if self.updated {
            bail!("apt-get install {package}:\n{}", said.text());
        }
        Ok(false)
    }

    /// Updates the package lists; false if they were fresh already.
    fn update(&mut self) -> Result<bool> {
        if std::mem::replace(&mut self.updated, true) {
            return Ok(false);
        }
        let step = ui::step("apt-get update");
        let mut update = cmd::command("apt-get", ["update", "-q", "-o", "DPkg::Lock::Timeout=300"]);
        let said = cmd::ask(&mut update, cmd::LONG)?;
        step.done(if said.code == 0 { "" } else { "failed; going on with the lists there are" });
        Ok(true)
    }
}

fn has(program: &str) -> bool {
    cmd::find(program).is_some()
}

fn header(name: &str) -> bool {
    std::path::Path::new("/usr/include").join(name).exists()
}

fn installed(package: &str) -> bool {
    let mut query = cmd::command("dpkg-query", ["-W", "-f", "${Status}", package]);
    cmd::ask(&mut query, cmd::SHORT).is_ok_and(|said| said.code == 0 && said.out.contains("install ok installed"))
}

/// Version 14 or newer, anywhere the loader or Debian's packages put it.
fn libclang() -> bool {
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let versions = folders.filter_map(|entry| entry.file_name().to_str()?.strip_prefix("llvm-")?.parse::<u32>().ok());
    versions.filter(|&version| version >= 14).any(|version| {
        let folder = std::path::PathBuf::from(format!("/usr/lib/llvm-{version}/lib"));
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        files
            .filter_map(|entry| entry.file_name().into_string().ok())
            .any(|name| name.starts_with("libclang") && name.contains(".so") && !name.contains("cpp"))
    })
}
