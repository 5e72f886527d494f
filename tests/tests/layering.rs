//! Which crate may depend on which: compiler, runtime and pusher share the contract, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// For each crate that is installed or linked into programs, the workspace's crates it depends on, for whatever purpose.
const ALLOWED: &[(&str, &[&str])] = &[
    ("dsu-abi", &[]),
    ("dsu-macros", &[]),
    ("dsu-compiler", &["dsu-abi"]),
    ("dsu-runtime", &["dsu-abi", "dsu-macros"]),
    ("dsu-push", &["dsu-abi"]),
];

/// The workspace's crates, each with those of them that it depends on.
fn dependencies() -> Result<BTreeMap<String, BTreeSet<String>>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["metadata", "--format-version=1", "--no-deps", "--offline"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.output().context("cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
    let of_workspace = |dependency: &Value| dependency["path"].is_string();
    let entry = |package: &Value| {
        let needed = list(&package["dependencies"]);
        (name(package), needed.iter().filter(|d| of_workspace(d)).map(name).collect())
    };
    Ok(list(&metadata["packages"]).iter().map(entry).collect())
}

#[test]
fn crates_share_only_the_contract() -> Result<()> {
    let found = dependencies()?;
    for (name, allowed) in ALLOWED {
        let needed = found.get(*name).with_context(|| format!("the workspace has no crate {name}"))?;
        let allowed: BTreeSet<String> = allowed.iter().map(|a| (*a).to_owned()).collect();
        ensure!(*needed == allowed, "{name} depends on {needed:?} of the workspace instead of {allowed:?}");
    }
    Ok(())
}
