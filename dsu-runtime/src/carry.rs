//! State transformers: functions of a patch that run once, at the commit, before anything is published.

use crate::elf::segment_flags;
use crate::image::Image;
use crate::manifest::{Manifest, target, text};
use crate::refusal::{Refusal, Result, decimal};
use core::ffi::c_int;
use core::mem::offset_of;
use dsu_abi::{patch::PatchCarry, status::Status};

/// A state transformer.
pub struct Carry {
    /// Its name.
    pub name: &'static str,
    function: u64,
}

/// Reads and checks those of a patch, in the order in which they run.
pub fn read(image: &Image, manifest: &Manifest) -> Result<Vec<Carry>> {
    let mut carries = Vec::new();
    for index in 0..manifest.carries.len() {
        let (at, record) = manifest.carries.get(image, index)?;
        let name = text(image, at, offset_of!(PatchCarry, name), record.name)?;
        let function = target(image, at, offset_of!(PatchCarry, function), record.function, 1, segment_flags::X)?;
        let function = function.ok_or_else(|| Refusal::damaged("a state transformer has no code"))?;
        carries.push(Carry { name, function });
    }
    Ok(carries)
}

/// Runs them, until one refuses. `began` is told of each.
pub fn run(carries: &[Carry], patch: &str, mut began: impl FnMut(&str)) -> Result<()> {
    for carry in carries {
        began(carry.name);
        // SAFETY: an address in the code of the patch, which is bound and executable; the manifest says that it takes
        // nothing and returns an `int`.
        let answer = unsafe {
            let function: unsafe extern "C" fn() -> c_int = core::mem::transmute(carry.function);
            function()
        };
        if answer != 0 {
            let sign = if answer < 0 { "-" } else { "" };
            let number = decimal(answer.unsigned_abs().into());
            let text = [
                "the state transformer ",
                carry.name,
                " of patch ",
                patch,
                " returned ",
                sign,
                &number,
                "; nothing was changed",
            ];
            return Err(Refusal::new(Status::TransformerFailed, &text));
        }
    }
    Ok(())
}
