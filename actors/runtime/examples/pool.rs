//! A pool of workers with one poisoned job: the job is recognised and refused, the pool goes on.
//!
//! `cargo run -p callboard-runtime --example pool`

use std::time::Duration;

use callboard_runtime::{
    Actor, ActorRef, AskError, Backoff, ChildSpec, Context, Event, Failure, Message, Options, Placement, Reply,
    SupervisorSpec, System,
};

const DEADLINE: Duration = Duration::from_secs(5);
const WORKERS: u64 = 4;
const JOBS: u64 = 1_000;
const POISONED: u64 = 13;

struct Worker;

struct Job {
    number: u64,
    done: Reply<u64>,
}

impl Message for Job {
    fn name(&self) -> &'static str {
        "Job"
    }

    /// The same job, sent again, is the same suspect.
    fn fingerprint(&self) -> Option<u64> {
        Some(self.number)
    }
}

impl Actor for Worker {
    type Message = Job;

    fn handle(&mut self, job: Job, _: &mut Context<Self>) -> Result<(), Failure> {
        assert!(job.number != POISONED, "this job cannot be done");
        job.done.send(job.number * job.number);
        Ok(())
    }
}

fn main() {
    let root = SupervisorSpec::pool("workers").backoff(Backoff::none());
    let system = System::start("pool", Options::default(), root).expect("an empty pool starts");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be had");
    runtime.block_on(work(&system));
}

async fn work(system: &System) {
    let mut events = system.events();
    let pool = system.root().expect("has one");
    let mut workers: Vec<ActorRef<Job>> = Vec::new();
    for number in 0..WORKERS {
        let spec = ChildSpec::worker(number.to_string(), |_| Ok(Worker)).placement(Placement::Any);
        let child = pool.start_child(spec).await.expect("starts");
        workers.push(child.reference().expect("takes jobs"));
    }
    let (mut done, mut attempts, mut refused) = (0, 0, 0);
    for number in 0..JOBS {
        let worker = &workers[usize::try_from(number % WORKERS).expect("is small")];
        // A client that never gives up, as clients are.
        for _ in 0..10 {
            match worker.ask(DEADLINE, |done| Job { number, done }).await {
                Ok(square) => {
                    assert_eq!(square, number * number);
                    done += 1;
                    break;
                }
                Err(AskError::Unanswered { .. }) => attempts += 1,
                Err(AskError::Poison { .. }) => refused += 1,
                Err(error) => panic!("job {number}: {error}"),
            }
        }
    }
    let restarts: u32 = system.tree().iter().map(|info| info.restarts).sum();
    println!("{done} of {JOBS} jobs done by {WORKERS} workers, {restarts} restarts");
    println!("job {POISONED}: killed its worker {attempts} times, then was refused {refused} times");
    assert_eq!((done, attempts, refused, restarts), (JOBS - 1, 3, 7, 3));
    let poison = std::iter::from_fn(|| events.try_next().ok())
        .find(|event| matches!(event, Event::PoisonMessage { .. }))
        .expect("was announced");
    println!("announced as {poison:?}");
    system.stop(DEADLINE).await.expect("stops");
    println!("checked: all jobs but the poisoned one were done, and it cost three restarts, not thousands");
}
