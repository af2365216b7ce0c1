//! Actors that the tests share.
#![allow(dead_code, unreachable_pub)]

use std::{future::Future, time::Duration};

use callboard_runtime::{Actor, ChildSpec, Context, Failure, Message, Reply, Stopping};

pub fn second() -> Duration {
    Duration::from_secs(1)
}

pub fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Runs a future on a runtime of its own, beside a system with threads.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be had").block_on(future)
}

/// What a [`Counter`] can be told.
#[derive(Debug)]
pub enum Say {
    Add(Reply<u32>),
    Incarnation(Reply<u64>),
    Panic(Reply<u32>),
    Fail,
    Stop,
    /// blocks the thread
    Block(Duration),
    Heavy(usize),
    /// panics when it is odd
    Job(u64),
}

impl Message for Say {
    fn weight(&self) -> usize {
        match self {
            Say::Heavy(bytes) => *bytes,
            _ => 0,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Say::Add(_) => "Add",
            Say::Incarnation(_) => "Incarnation",
            Say::Panic(_) => "Panic",
            Say::Fail => "Fail",
            Say::Stop => "Stop",
            Say::Block(_) => "Block",
            Say::Heavy(_) => "Heavy",
            Say::Job(_) => "Job",
        }
    }

    fn fingerprint(&self) -> Option<u64> {
        match self {
            Say::Job(number) => Some(*number),
            _ => None,
        }
    }
}

#[derive(Default)]
pub struct Counter {
    count: u32,
}

impl Actor for Counter {
    type Message = Say;

    fn handle(&mut self, message: Say, ctx: &mut Context<Self>) -> Result<(), Failure> {
        match message {
            Say::Add(reply) => {
                self.count += 1;
                reply.send(self.count);
            }
            Say::Incarnation(reply) => reply.send(ctx.incarnation()),
            Say::Panic(_) => panic!("told to"),
            Say::Fail => return Err("told to".into()),
            Say::Stop => ctx.stop(),
            Say::Block(time) => std::thread::sleep(time),
            Say::Heavy(_) => self.count += 1,
            Say::Job(number) => assert!(number % 2 == 0, "odd job {number}"),
        }
        Ok(())
    }

    fn stopping(&mut self, _ctx: &mut Context<Self>) -> Stopping {
        Stopping::Now
    }

    fn snapshot(&self) -> Vec<(&'static str, String)> {
        vec![("count", self.count.to_string())]
    }
}

pub fn counter(name: &str) -> ChildSpec {
    ChildSpec::worker(name, |_| Ok(Counter::default()))
}
