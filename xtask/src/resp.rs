//! A small client for the Redis protocol (RESP 2): commands in, replies out.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
};

use anyhow::{Context, Result, bail, ensure};

use crate::process::connect;

/// A connection.
pub struct Client {
    stream: BufReader<TcpStream>,
}

/// A reply.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// A status word, or a number as text.
    Simple(String),
    /// A string, or none.
    Bulk(Option<Vec<u8>>),
    /// Several replies.
    Array(Vec<Reply>),
}

impl Client {
    /// Connects.
    pub fn connect(port: u16) -> Result<Self> {
        Ok(Self { stream: BufReader::new(connect(port)?) })
    }

    /// Sends a command and waits for its reply; an error reply is an error.
    pub fn command(&mut self, words: &[&str]) -> Result<Reply> {
        let mut text = format!("*{}\r\n", words.len());
        for word in words {
            text.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.stream.get_mut().write_all(text.as_bytes())?;
        read_reply(&mut self.stream).with_context(|| words.join(" "))
    }
}

fn read_reply(stream: &mut impl BufRead) -> Result<Reply> {
    let mut line = String::new();
    ensure!(stream.read_line(&mut line)? > 0, "connection closed");
    let line = line.trim_end();
    let (kind, rest) = line.split_at_checked(1).context("empty reply")?;
    Ok(match kind {
        "+" | ":" => Reply::Simple(rest.into()),
        "-" => bail!("{rest}"),
        "$" => Reply::Bulk(match usize::try_from(rest.parse::<i64>()?) {
            Ok(length) => {
                let mut bytes = vec![0; length + 2];
                stream.read_exact(&mut bytes)?;
                bytes.truncate(length);
                Some(bytes)
            }
            Err(_) => None,
        }),
        "*" => Reply::Array((0..rest.parse::<i64>()?.max(0)).map(|_| read_reply(stream)).collect::<Result<_>>()?),
        _ => bail!("not a reply: {line}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies() {
        let mut text = &b"+OK\r\n:7\r\n$2\r\nhi\r\n$-1\r\n*2\r\n+a\r\n$1\r\nb\r\n-ERR no\r\n"[..];
        assert_eq!(read_reply(&mut text).unwrap(), Reply::Simple("OK".into()));
        assert_eq!(read_reply(&mut text).unwrap(), Reply::Simple("7".into()));
        assert_eq!(read_reply(&mut text).unwrap(), Reply::Bulk(Some(b"hi".to_vec())));
        assert_eq!(read_reply(&mut text).unwrap(), Reply::Bulk(None));
        let two = vec![Reply::Simple("a".into()), Reply::Bulk(Some(b"b".to_vec()))];
        assert_eq!(read_reply(&mut text).unwrap(), Reply::Array(two));
        assert_eq!(read_reply(&mut text).unwrap_err().to_string(), "ERR no");
    }
}
