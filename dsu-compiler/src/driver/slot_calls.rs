//! How calls through slots can be written for a compiler: a question that only the compiler itself can answer.

use std::collections::HashMap;
use std::process::Stdio;

use super::compile::feed;
use super::toolchain::Toolchain;
use crate::rewrite::SlotCalls;
use crate::unit::UnitImage;

/// A call and a tail call of a function whose assembler name is an operand.
const PROBE: &str = "int g(int); extern __typeof__(g) f __asm__(\"*dsu_slot_g(%rip)\") \
    __attribute__((visibility(\"hidden\"), copy(g))); int h(int x) { return f(x) + 1; } int i(int x) { return f(x); }\n";

/// Flags under which it cannot be done, though assembler text made with them may look as if: the link makes the code,
/// indirect calls are not to be made by that instruction, the operand is to be written differently.
const NEVER: &[&str] = &["-flto", "-mindirect-branch", "-masm=intel"];

/// Finds out for each unit, with its flags, how calls through slots are to be written.
pub fn for_units<'a>(tools: &Toolchain, images: impl Iterator<Item = &'a UnitImage>) -> Vec<SlotCalls> {
    let mut known: HashMap<Vec<&str>, SlotCalls> = HashMap::new();
    let of_unit = |image: &'a UnitImage| {
        let flags: Vec<&str> = image.flags.iter().map(String::as_str).filter(|f| generates_code(f)).collect();
        *known.entry(flags).or_insert_with_key(|flags| ask(tools, flags))
    };
    images.map(of_unit).collect()
}

/// Whether a flag may change what instructions are made of a call.
fn generates_code(flag: &str) -> bool {
    ["-f", "-m", "-O", "-p"].iter().any(|prefix| flag.starts_with(prefix))
}

fn ask(tools: &Toolchain, flags: &[&str]) -> SlotCalls {
    if flags.iter().any(|flag| NEVER.iter().any(|never| flag.starts_with(never))) {
        return SlotCalls::Pointer;
    }
    match assembler_text(tools, flags) {
        Some(text) if is_understood(&text) => SlotCalls::Operand,
        _ => SlotCalls::Pointer,
    }
}

/// What the compiler makes of the probe; `None` if it refuses.
fn assembler_text(tools: &Toolchain, flags: &[&str]) -> Option<String> {
    let mut command = tools.command();
    command.args(flags).args(["-w", "-x", "c", "-S", "-", "-o", "-"]);
    Toolchain::without_dependencies(&mut command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    // Shorter than what a pipe holds. A compiler that does not read it has its say in the exit code.
    feed(&mut child, Some(PROBE.as_bytes()));
    let output = child.wait_with_output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether the name stands where it should, and nowhere else but in debug information.
fn is_understood(text: &str) -> bool {
    let named: Vec<&str> = text.lines().map(str::trim).filter(|line| line.contains("dsu_slot_g")).collect();
    let is_call = |line: &&&str| {
        line.split_once(char::is_whitespace)
            .is_some_and(|(word, operand)| matches!(word, "call" | "jmp") && operand.trim() == "*dsu_slot_g(%rip)")
    };
    let calls = named.iter().filter(is_call).count();
    let strings = named.iter().filter(|line| line.starts_with(".string") || line.starts_with(".ascii")).count();
    calls >= 1 && calls + strings == named.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_calls_through_the_slot_count() {
        assert!(is_understood("\tcall\t*dsu_slot_g(%rip)\n\taddl $1, %eax\n\tjmp\t*dsu_slot_g(%rip)\n"));
        assert!(is_understood("\tcall\t*dsu_slot_g(%rip)\n.LASF0:\n\t.string\t\"*dsu_slot_g(%rip)\"\n"));
        assert!(!is_understood("\tmovl $1, %eax\n"));
        assert!(!is_understood("\tcallq\t\"*dsu_slot_g(%rip)\"\n"));
        assert!(!is_understood("\tcall\t*dsu_slot_g(%rip)@PLT\n"));
        assert!(!is_understood("\t.hidden\t*dsu_slot_g(%rip)\n\tcall\t*dsu_slot_g(%rip)\n"));
        assert!(!is_understood("\tleaq\t*dsu_slot_g(%rip)(%rip), %rax\n\tcall\t*%rax\n"));
    }
}
