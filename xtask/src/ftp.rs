//! A small FTP client: enough to keep a session, list, and transfer files intact.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::process::connect;

/// A control connection.
pub struct Session {
    control: BufReader<TcpStream>,
    /// The server's first reply.
    pub greeting: Reply,
}

/// A reply of the server.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The three digits.
    pub code: u16,
    /// All lines.
    pub text: String,
}

impl Session {
    /// Connects and reads the greeting, whatever it is.
    pub fn connect(port: u16) -> Result<Self> {
        let mut control = BufReader::new(connect(port)?);
        let greeting = read_reply(&mut control).context("no greeting")?;
        Ok(Self { control, greeting })
    }

    /// Connects and logs in.
    pub fn login(port: u16, user: &str, password: &str) -> Result<Self> {
        let mut session = Self::connect(port)?;
        if session.greeting.code != 220 {
            bail!("greeting: {}", session.greeting.text);
        }
        session.log_in(user, password)?;
        Ok(session)
    }

    /// Logs in.
    pub fn log_in(&mut self, user: &str, password: &str) -> Result<()> {
        self.expect(&format!("USER {user}"), 331)?;
        self.expect(&format!("PASS {password}"), 230)?;
        self.expect("TYPE I", 200)?;
        Ok(())
    }

    /// Sends a command and returns the reply.
    pub fn command(&mut self, command: &str) -> Result<Reply> {
        write!(self.control.get_mut(), "{command}\r\n").with_context(|| format!("sending {command}"))?;
        read_reply(&mut self.control).with_context(|| format!("no reply to {command}"))
    }

    /// Sends a command that must have this reply.
    pub fn expect(&mut self, command: &str, code: u16) -> Result<Reply> {
        let reply = self.command(command)?;
        if reply.code != code {
            bail!("{command}: {}", reply.text.trim_end());
        }
        Ok(reply)
    }

    /// Lists files; `what` is `LIST` with its argument. The text is the listing, or the reply if it is refused.
    pub fn list(&mut self, what: &str) -> Result<String> {
        match self.transfer(what)? {
            Ok(mut data) => {
                let mut text = Vec::new();
                data.read_to_end(&mut text)?;
                drop(data);
                self.transferred(what)?;
                Ok(String::from_utf8_lossy(&text).into_owned())
            }
            Err(reply) => Ok(reply.text),
        }
    }

    /// Fetches a file. Calls `started` once the first bytes are there, then for `slow` reads no faster than a few MB/s.
    pub fn fetch(&mut self, name: &str, slow: Duration, started: impl FnOnce()) -> Result<Vec<u8>> {
        let command = format!("RETR {name}");
        let mut data = self.transfer(&command)?.map_err(|reply| anyhow::anyhow!("{command}: {}", reply.text))?;
        let mut file = Vec::new();
        let mut part = vec![0; 64 << 10];
        let mut started = Some(started);
        let begin = Instant::now();
        loop {
            let n = data.read(&mut part).with_context(|| format!("{command}: after {} bytes", file.len()))?;
            if n == 0 {
                break;
            }
            file.extend_from_slice(&part[..n]);
            if let Some(started) = started.take() {
                started();
            }
            if begin.elapsed() < slow {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        drop(data);
        self.transferred(&command)?;
        Ok(file)
    }

    /// Stores a file; the reply is the final one, or the refusal.
    pub fn store(&mut self, name: &str, contents: &[u8]) -> Result<Reply> {
        let command = format!("STOR {name}");
        match self.transfer(&command)? {
            Ok(mut data) => {
                data.write_all(contents)?;
                drop(data);
                self.transferred(&command)
            }
            Err(reply) => Ok(reply),
        }
    }

    /// Does whatever the command needs and returns what the server said or sent.
    pub fn ask(&mut self, command: &str) -> Result<String> {
        match command.split(' ').next().unwrap_or_default() {
            "LIST" | "NLST" => self.list(command),
            "RETR" => match self.transfer(command)? {
                Ok(mut data) => {
                    std::io::copy(&mut data, &mut std::io::sink())?;
                    drop(data);
                    Ok(self.transferred(command)?.text)
                }
                Err(reply) => Ok(reply.text),
            },
            "STOR" => Ok(self.store(command.split_once(' ').map_or("", |(_, name)| name), b"probe\n")?.text),
            _ => Ok(self.command(command)?.text),
        }
    }

    /// Says good-bye.
    pub fn quit(mut self) -> Result<()> {
        self.expect("QUIT", 221)?;
        Ok(())
    }

    /// Opens a passive data connection for a command; `Err` is the server's refusal.
    fn transfer(&mut self, command: &str) -> Result<Result<TcpStream, Reply>> {
        let reply = self.expect("PASV", 227)?;
        let port = passive_port(&reply.text).with_context(|| format!("PASV: {}", reply.text))?;
        let data = connect(port)?;
        let reply = self.command(command)?;
        Ok(if reply.code == 150 { Ok(data) } else { Err(reply) })
    }

    fn transferred(&mut self, command: &str) -> Result<Reply> {
        let reply = read_reply(&mut self.control).with_context(|| format!("no final reply to {command}"))?;
        if reply.code != 226 {
            bail!("{command}: {}", reply.text.trim_end());
        }
        Ok(reply)
    }
}

/// Reads one reply of one or more lines.
fn read_reply(control: &mut impl BufRead) -> Result<Reply> {
    let mut text = String::new();
    loop {
        let mut line = Vec::new();
        if control.read_until(b'\n', &mut line)? == 0 {
            bail!("connection closed{}", if text.is_empty() { String::new() } else { format!(" after: {text}") });
        }
        let line = String::from_utf8_lossy(&line).into_owned();
        text.push_str(&line);
        let last = line.len() > 3 && line.as_bytes()[3] == b' ' && line.as_bytes()[..3].iter().all(u8::is_ascii_digit);
        if last {
            return Ok(Reply { code: line[..3].parse()?, text });
        }
    }
}

/// The port in `227 Entering Passive Mode (h1,h2,h3,h4,p1,p2).`
fn passive_port(text: &str) -> Option<u16> {
    let list = text.split_once('(')?.1.split_once(')')?.0;
    let numbers: Vec<u8> = list.split(',').map_while(|n| n.trim().parse().ok()).collect();
    (numbers.len() == 6).then(|| u16::from_be_bytes([numbers[4], numbers[5]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies() {
        let mut text = &b"211-Features:\r\n EPRT\r\n211 End\r\n220 next\r\n"[..];
        let reply = read_reply(&mut text).unwrap();
        assert_eq!((reply.code, reply.text.as_str()), (211, "211-Features:\r\n EPRT\r\n211 End\r\n"));
        assert_eq!(read_reply(&mut text).unwrap().code, 220);
        assert!(read_reply(&mut text).is_err());
        assert_eq!(passive_port("227 Entering Passive Mode (127,0,0,1,4,210)."), Some(1234));
    }
}
