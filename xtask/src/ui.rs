//! What the tasks print.

use std::{
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

/// Announces a stage of a task.
pub fn stage(text: &str) {
    println!("\n==> {text}");
}

/// One line of detail.
pub fn note(text: &str) {
    println!("    {text}");
}

/// A step that takes a while: announced at once on a terminal, completed with its duration.
pub struct Step {
    text: String,
    start: Instant,
    terminal: bool,
}

/// Starts a step.
pub fn step(text: impl Into<String>) -> Step {
    let step = Step { text: text.into(), start: Instant::now(), terminal: std::io::stdout().is_terminal() };
    if step.terminal {
        print!("    {} ...", step.text);
        let _ = std::io::stdout().flush();
    }
    step
}

impl Step {
    /// Ends the step with a word on the outcome.
    pub fn done(self, outcome: &str) {
        let outcome = if outcome.is_empty() { String::new() } else { format!(": {outcome}") };
        let seconds = seconds(self.start.elapsed());
        if self.terminal {
            print!("\r\x1b[K");
        }
        println!("    {}{outcome} ({seconds})", self.text);
    }
}

/// A duration for people.
pub fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// A number of things.
pub fn count(n: usize, what: &str) -> String {
    let ending = if n == 1 {
        ""
    } else if what.ends_with("ch") {
        "es"
    } else {
        "s"
    };
    format!("{n} {what}{ending}")
}

/// Nanoseconds for people, in microseconds.
pub fn micros(nanoseconds: u64) -> String {
    format!("{} us", nanoseconds.div_ceil(1000))
}
