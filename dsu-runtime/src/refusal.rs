//! Why a request was not carried out: a code and a sentence for the person at the pusher.

use dsu_abi::status::Status;

/// The outcome of everything that can fail.
pub type Result<T> = core::result::Result<T, Refusal>;

/// A request that was not carried out. Nothing was changed.
///
/// Not an enum of cases: the code is the case, and the sentence is all that anyone does with the rest.
#[derive(Debug)]
pub struct Refusal {
    /// What kind of failure.
    pub status: Status,
    /// A sentence.
    pub message: String,
}

impl Refusal {
    /// A refusal whose sentence is `parts` joined. (Formatting machinery would cost size in every program.)
    pub fn new(status: Status, parts: &[&str]) -> Self {
        Self { status, message: parts.concat() }
    }

    /// The patch file is damaged.
    pub fn damaged(what: &str) -> Self {
        Self::new(Status::BadPatch, &["the patch file is damaged: ", what])
    }

    /// The patch does not fit the process.
    pub fn incompatible(parts: &[&str]) -> Self {
        Self::new(Status::Incompatible, parts)
    }

    /// A system call failed.
    pub fn system(what: &str) -> Self {
        let error = std::io::Error::last_os_error();
        Self::new(
            Status::NoMemory,
            &[what, " failed: error ", &decimal(error.raw_os_error().unwrap_or(0).unsigned_abs().into())],
        )
    }
}

/// A number in decimal.
pub fn decimal(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(b'0' + (number % 10) as u8);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    digits.iter().rev().map(|&digit| char::from(digit)).collect()
}

/// An identity in hexadecimal.
pub fn hexadecimal(id: &dsu_abi::Id) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    id.0.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|nibble| char::from(DIGITS[usize::from(nibble)])).collect()
}

/// The start of a text, at most `size` bytes, in whole characters.
pub fn clip(text: &str, size: usize) -> &[u8] {
    let end = (0..=size.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text.as_bytes().get(..end).unwrap_or_default()
}
