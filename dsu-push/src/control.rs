//! The control block of a process, seen from outside.

use crate::{Error, Result, memory::MemoryError, process::Process};
use dsu_abi::{
    Id, PROTOCOL,
    control::{self, AppliedPatch, Control, Request, Response, TypeStatus, flags},
};
use std::{
    mem::{offset_of, size_of},
    sync::atomic::Ordering::Relaxed,
};

const REQUEST: u64 = offset_of!(Control, request) as u64;
const RESPONSE: u64 = offset_of!(Control, response) as u64;

/// The control block of a process.
#[derive(Clone, Copy, Debug)]
pub struct Remote<'p> {
    process: &'p Process,
}

/// What the first few words of a response say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// The request that was answered last.
    pub sequence: u64,
    /// How.
    pub status: u32,
    /// What goes on.
    pub phase: u32,
}

/// What is asked for; see [`Request`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask {
    /// [`control::op`].
    pub op: u32,
    /// Bytes.
    pub size: u64,
    /// The patch to undo.
    pub patch: Id,
    /// How long a rehearsal may take, in milliseconds.
    pub limit_ms: u32,
}

/// A patch in force.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The record.
    pub id: Id,
    /// State before.
    pub from: Id,
    /// State after.
    pub to: Id,
    /// Its name.
    pub name: String,
    /// Nanoseconds since the epoch.
    pub applied_at: u64,
    /// Its pause.
    pub pause_ns: u64,
    /// Address of its manifest.
    pub header: u64,
    /// The types it changed.
    pub types: Vec<ChangedType>,
    /// Values that did not fit into the new types of variables.
    pub out_of_range: u64,
}

/// A version of a type that a patch made.
#[derive(Clone, Debug)]
pub struct ChangedType {
    /// The type.
    pub name: String,
    /// The version.
    pub version: u32,
    /// Whether its objects are brought to it one by one; else there is nothing to be done to them.
    pub lazy: bool,
    /// How many objects were.
    pub migrated: u64,
    /// How many values did not fit into their new types.
    pub out_of_range: u64,
    /// How many blocks of the type's side table came into use.
    pub blocks: u32,
}

impl<'p> Remote<'p> {
    /// The block of `process`, after checking that it is one we understand.
    pub fn open(process: &'p Process) -> Result<Self> {
        let remote = Self { process };
        let block = remote.read()?;
        if block.magic != control::MAGIC {
            return Err(Error::DamagedControl("it does not begin as one".into()));
        }
        if block.protocol != PROTOCOL {
            return Err(Error::Protocol { what: process.executable.clone(), theirs: block.protocol, ours: PROTOCOL });
        }
        if block.size as usize != size_of::<Control>() {
            return Err(Error::DamagedControl(format!("its size is {}", block.size)));
        }
        Ok(remote)
    }

    /// Fails if the program can never be updated.
    pub fn require_updatable(&self) -> Result<()> {
        match self.read()?.flags & flags::UPDATABLE {
            0 => Err(Error::NoUpdatePoints { executable: self.process.executable.clone() }),
            _ => Ok(()),
        }
    }

    /// The whole block.
    pub fn read(&self) -> Result<Control> {
        self.process.memory.read(self.process.control).map_err(|error| self.process.explain(error))
    }

    /// Where the block is.
    pub fn address(&self) -> u64 {
        self.process.control
    }

    /// Address of `pending`.
    pub fn pending_address(&self) -> u64 {
        self.address() + offset_of!(Control, pending) as u64
    }

    /// Whether a request waits; `None` where there is no control block any more, because the
    /// process has become another program.
    pub fn pending(&self) -> Result<Option<u32>> {
        let bytes = match self.process.memory.read_bytes(self.address(), 20) {
            Err(MemoryError::Unmapped(_)) => return Ok(None),
            other => other?,
        };
        Ok((bytes[..8] == control::MAGIC).then(|| u32::from_le_bytes([bytes[16], bytes[17], bytes[18], bytes[19]])))
    }

    /// The beginning of the response.
    pub fn progress(&self) -> Result<Progress> {
        let bytes = self.process.memory.read_bytes(self.address() + RESPONSE, 16)?;
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Ok(Progress { sequence: u64::from(word(0)) | u64::from(word(4)) << 32, status: word(8), phase: word(12) })
    }

    /// The whole response.
    pub fn response(&self) -> Result<Response> {
        Ok(self.process.memory.read(self.address() + RESPONSE)?)
    }

    /// Fills the request in. It does not count before [`Self::raise`], and while it is half
    /// written it is addressed to nobody.
    pub fn write_request(&self, ask: &Ask, sequence: u64, timeout_ms: u32) -> Result<()> {
        self.address_to(0)?;
        let mut bytes = [0; size_of::<Request>()];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(offset_of!(Request, op), &ask.op.to_le_bytes());
        put(offset_of!(Request, pusher), &std::process::id().to_le_bytes());
        put(offset_of!(Request, timeout_ms), &timeout_ms.to_le_bytes());
        put(offset_of!(Request, limit_ms), &ask.limit_ms.to_le_bytes());
        put(offset_of!(Request, size), &ask.size.to_le_bytes());
        put(offset_of!(Request, patch), &ask.patch.0);
        let body = offset_of!(Request, op);
        let at = self.address() + REQUEST;
        self.process.memory.write(at + body as u64, &bytes[body..])?;
        self.process.memory.write_u64(at + offset_of!(Request, sequence) as u64, sequence)?;
        self.address_to(self.process.inner_pid as u32)
    }

    /// Sets whom the request is for; 0 for nobody.
    pub fn address_to(&self, target: u32) -> Result<()> {
        let field = self.address() + REQUEST + offset_of!(Request, target) as u64;
        Ok(self.process.memory.write_u32(field, target)?)
    }

    /// Sets `pending`.
    pub fn raise(&self, pending: u32) -> Result<()> {
        Ok(self.process.memory.write_u32(self.address() + offset_of!(Control, pending) as u64, pending)?)
    }

    /// Tells the leader whether it is the only thread, so that it need not wait for others.
    pub fn set_solo(&self, solo: bool) -> Result<()> {
        let field = self.address() + REQUEST + offset_of!(Request, solo) as u64;
        Ok(self.process.memory.write_u32(field, solo.into())?)
    }

    /// Changes how long the leader may wait for the other threads.
    pub fn set_timeout(&self, milliseconds: u32) -> Result<()> {
        let field = self.address() + REQUEST + offset_of!(Request, timeout_ms) as u64;
        Ok(self.process.memory.write_u32(field, milliseconds)?)
    }

    /// Tells the leader that every thread is at rest.
    pub fn set_go(&self, sequence: u64) -> Result<()> {
        Ok(self.process.memory.write_u64(self.address() + REQUEST + offset_of!(Request, go) as u64, sequence)?)
    }

    /// The patches in force, newest first.
    pub fn applied(&self) -> Result<Vec<Applied>> {
        let block = self.read()?;
        let memory = &self.process.memory;
        let (mut patches, mut most_types) = (Vec::new(), 1 << 16);
        let mut at = block.applied.load(Relaxed);
        let count = block.applied_count.load(Relaxed) as usize;
        // The count bounds the walk: the list may change while we read it.
        while at != 0 && patches.len() < count.min(1 << 16) {
            let record: AppliedPatch = memory.read(at).map_err(|error| self.process.explain(error))?;
            let name = memory.read_bytes(record.name, record.name_len.min(4096) as usize).unwrap_or_default();
            let types = self.changed_types(&record, most_types);
            most_types -= types.len() as u64;
            patches.push(Applied {
                id: record.patch,
                from: record.from,
                to: record.to,
                name: String::from_utf8_lossy(&name).into_owned(),
                applied_at: record.applied_at,
                pause_ns: record.pause_ns,
                header: record.header,
                types,
                out_of_range: record.out_of_range,
            });
            at = record.next;
        }
        Ok(patches)
    }
}

impl Remote<'_> {
    /// The types that a patch changed, `most` of them.
    fn changed_types(&self, patch: &AppliedPatch, most: u64) -> Vec<ChangedType> {
        let memory = &self.process.memory;
        let at = |index: u64| patch.types.wrapping_add(index * size_of::<TypeStatus>() as u64);
        let read = |index| {
            let status: TypeStatus = memory.read(at(index)).ok()?;
            Some(ChangedType {
                name: memory.read_string(status.name, 4096).ok()?,
                version: status.version,
                lazy: status.stamp != 0,
                migrated: status.migrated.load(Relaxed),
                out_of_range: status.out_of_range.load(Relaxed),
                blocks: status.blocks.load(Relaxed),
            })
        };
        (0..patch.type_count.min(most)).map_while(read).collect()
    }
}

/// The sentence in a response.
pub fn message(response: &Response) -> String {
    let length = (response.message_len.load(Relaxed) as usize).min(response.message.len());
    String::from_utf8_lossy(&response.message[..length]).into_owned()
}
