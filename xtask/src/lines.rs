//! A client of servers that speak in lines.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
};

use anyhow::{Context, Result, ensure};

use crate::{process, ui};

/// A client that speaks in lines.
pub struct Client {
    connection: BufReader<TcpStream>,
}

impl Client {
    /// Connects.
    pub fn connect(port: u16) -> Result<Self> {
        Ok(Self { connection: BufReader::new(process::connect(port)?) })
    }

    /// Sends a line.
    pub fn send(&mut self, line: &str) -> Result<()> {
        self.connection.get_mut().write_all(format!("{line}\n").as_bytes()).context("the connection is lost")
    }

    /// Waits for a line.
    pub fn receive(&mut self) -> Result<String> {
        let mut line = String::new();
        let n = self.connection.read_line(&mut line).context("no answer")?;
        ensure!(n > 0, "the server closed the connection");
        Ok(line.trim_end().to_string())
    }

    /// The next line must be this one.
    pub fn hear(&mut self, expected: &str) -> Result<()> {
        self.hear_like(expected, "")
    }

    /// The next line must begin and end like this.
    pub fn hear_like(&mut self, begin: &str, end: &str) -> Result<()> {
        let line = self.receive()?;
        ui::note(&format!("  < {line}"));
        let fits = if end.is_empty() { line == begin } else { line.starts_with(begin) && line.ends_with(end) };
        ensure!(fits, "expected: {begin}{end}");
        Ok(())
    }

    /// Sends a line and expects this answer.
    pub fn say(&mut self, line: &str, expected: &str) -> Result<()> {
        ui::note(&format!("  > {line}"));
        self.send(line)?;
        self.hear(expected)
    }

    /// Sends a line and expects this answer, without a word about it.
    pub fn quietly(&mut self, line: &str, expected: &str) -> Result<()> {
        self.send(line)?;
        let answer = self.receive()?;
        ensure!(answer == expected, "answer to {line}: {answer}; expected: {expected}");
        Ok(())
    }

    /// Sends a line whose answer must have this many lines before the dot.
    pub fn count(&mut self, line: &str, expected: usize, remark: &str) -> Result<()> {
        self.send(line)?;
        let mut lines = 0;
        while self.receive()? != "." {
            lines += 1;
        }
        ui::note(&format!("  > {line}"));
        ui::note(&format!("  < {lines} lines{remark}"));
        ensure!(lines == expected, "expected {expected} lines");
        Ok(())
    }
}
