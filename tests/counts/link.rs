//! A socket with one request in flight.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::{Bytes, BytesMut};

/// How long an answer may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(60);
/// More than any answer here has.
const ANSWER_MAX: usize = 4 << 20;

/// A connection to a node.
#[derive(Debug)]
pub struct Link {
    stream: TcpStream,
}

impl Link {
    /// Connects.
    pub fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream })
    }

    /// Sends a whole frame and waits for the whole answer, which is given without its length. What this allocates is the
    /// client's, whose thread is left out.
    pub fn ask(&mut self, frame: &[u8]) -> std::io::Result<Bytes> {
        self.stream.write_all(frame)?;
        let mut len = [0; 4];
        self.stream.read_exact(&mut len)?;
        let len = u32::from_be_bytes(len) as usize;
        if len > ANSWER_MAX {
            return Err(std::io::Error::other(format!("an answer of {len} bytes")));
        }
        let mut answer = BytesMut::zeroed(len);
        self.stream.read_exact(&mut answer)?;
        Ok(answer.freeze())
    }
}
