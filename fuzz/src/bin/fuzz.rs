//! One of the targets, with libFuzzer: `cargo xtask fuzz` builds and runs it.
#![no_main]

use dsu_fuzz::{TARGET, Target, context, random::Random};
use std::sync::OnceLock;

/// The target that the environment names.
fn target() -> &'static Target {
    static CHOSEN: OnceLock<&Target> = OnceLock::new();
    CHOSEN.get_or_init(|| {
        let name = std::env::var(TARGET).unwrap_or_default();
        dsu_fuzz::target(&name).unwrap_or_else(|| panic!("no target {name:?}: set {TARGET}, or use `cargo xtask fuzz`"))
    })
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| (target().run)(context(), data));

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut random = Random::new(seed.into());
    // libFuzzer's own mutations know what the program compares inputs with, ours where the fields are.
    if random.once_in(3) {
        return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    }
    let mut changed = data[..size].to_vec();
    (target().mutate)(&mut changed, &mut random);
    let size = changed.len().min(max_size);
    data[..size].copy_from_slice(&changed[..size]);
    size
});
