//! The scenarios on this repository's runtime.

use std::{
    future::Future,
    sync::mpsc,
    time::{Duration, Instant},
};

use callboard_runtime::{
    Actor, ActorRef, Backoff, ChildSpec, Context, Failure, Intensity, Limits, Message, Options, Path, Placement, Reply,
    Restart, SupervisorRef, SupervisorSpec, System,
};

use crate::Stopwatch;

const DEADLINE: Duration = Duration::from_secs(60);

fn system(data_arbiters: usize) -> System {
    let options = Options { data_arbiters, ..Options::default() };
    let root = SupervisorSpec::pool("root").intensity(Intensity::unlimited()).backoff(Backoff::none());
    System::start("bench", options, root).expect("an empty pool starts")
}

/// Runs `body` on a data arbiter and hands back its result.
fn on_arbiter<T: Send + 'static, F: Future<Output = T> + 'static>(
    system: &System,
    arbiter: usize,
    body: impl FnOnce(System) -> F + Send + 'static,
) -> T {
    let (done, result) = mpsc::channel();
    let inside = system.clone();
    system.spawn_on(Placement::Data(arbiter), move || async move {
        // A plain task, as the drivers of the other libraries are.
        let value = tokio::task::spawn_local(body(inside)).await.expect("no panic");
        done.send(value).expect("the caller waits");
    });
    result.recv().expect("the task ends by sending")
}

fn stop(system: System) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(system.stop(Duration::from_secs(20))).expect("stops");
}

enum Count {
    Add,
    Get(Reply<u64>),
    Panic,
    Work,
}

impl Message for Count {
    fn name(&self) -> &'static str {
        match self {
            Count::Add => "Add",
            Count::Get(_) => "Get",
            Count::Panic => "Panic",
            Count::Work => "Work",
        }
    }
}

#[derive(Default)]
struct Counter(u64);

impl Actor for Counter {
    type Message = Count;

    fn handle(&mut self, message: Count, _ctx: &mut Context<Self>) -> Result<(), Failure> {
        match message {
            Count::Add => self.0 += 1,
            Count::Get(reply) => reply.send(self.0),
            Count::Panic => panic!("asked to"),
            Count::Work => spin(Duration::from_micros(2)),
        }
        Ok(())
    }
}

fn spin(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

async fn counter(system: &System, name: &str, arbiter: usize) -> ActorRef<Count> {
    counter_in(&system.root().expect("has one"), name, arbiter).await
}

async fn counter_in(pool: &SupervisorRef, name: &str, arbiter: usize) -> ActorRef<Count> {
    let spec = ChildSpec::worker(name, |_| Ok(Counter::default()))
        .placement(Placement::Data(arbiter))
        .limits(Limits::new(4_000_000, 1 << 30))
        .poison_after(0);
    let child = pool.start_child(spec).await.expect("starts");
    child.reference().expect("takes Count")
}

/// Time for `n` tells and their handling, sender on the same arbiter or on another.
pub fn counting(n: u64, cross: bool) -> Duration {
    let system = system(2);
    let time = on_arbiter(&system, usize::from(cross), move |system| async move {
        let counter = counter(&system, "counter", 0).await;
        let start = Stopwatch::start(cross);
        for _ in 0..n {
            counter.tell(Count::Add).expect("within the limits");
        }
        let counted = counter.ask(DEADLINE, Count::Get).await.expect("answers");
        assert_eq!(counted, n);
        start.elapsed()
    });
    stop(system);
    time
}

pub fn ask(n: u64, cross: bool) -> Duration {
    let system = system(2);
    let time = on_arbiter(&system, usize::from(cross), move |system| async move {
        let counter = counter(&system, "counter", 0).await;
        let start = Stopwatch::start(cross);
        for _ in 0..n {
            counter.ask(DEADLINE, Count::Get).await.expect("answers");
        }
        start.elapsed()
    });
    stop(system);
    time
}

struct Ball {
    left: u64,
    from: ActorRef<Ball>,
    done: Option<Reply<()>>,
}

impl Message for Ball {}

struct Player;

impl Actor for Player {
    type Message = Ball;

    fn handle(&mut self, mut ball: Ball, ctx: &mut Context<Self>) -> Result<(), Failure> {
        if ball.left == 0 {
            if let Some(done) = ball.done.take() {
                done.send(());
            }
            return Ok(());
        }
        let to = std::mem::replace(&mut ball.from, ctx.myself());
        ball.left -= 1;
        to.tell(ball).map_err(|_| "the other player is full")?;
        Ok(())
    }
}

pub fn ping_pong(n: u64, cross: bool) -> Duration {
    let system = system(2);
    let time = on_arbiter(&system, 0, move |system| async move {
        let root = system.root().expect("has one");
        let mut players = Vec::new();
        for (name, arbiter) in [("a", 0), ("b", usize::from(cross))] {
            let spec = ChildSpec::worker(name, |_| Ok(Player)).placement(Placement::Data(arbiter));
            let child = root.start_child(spec).await.expect("starts");
            players.push(child.reference::<Ball>().expect("takes balls"));
        }
        let start = Stopwatch::start(cross);
        players[0]
            .ask(DEADLINE, |reply| Ball { left: n, from: players[1].clone(), done: Some(reply) })
            .await
            .expect("ends");
        start.elapsed()
    });
    stop(system);
    time
}

/// Time per panic and restart, with a message queued behind each that must be handled. The supervisor is on the same arbiter, or on another.
pub fn restart(n: u64, cross: bool) -> Duration {
    let system = system(2);
    let time = on_arbiter(&system, 0, move |system| async move {
        let pool = SupervisorSpec::pool("pool").intensity(Intensity::unlimited()).backoff(Backoff::none());
        let pool = ChildSpec::supervisor(pool).placement(Placement::Data(usize::from(cross)));
        let root = system.root().expect("has one");
        let pool = root.start_child(pool).await.expect("starts");
        let pool = system.supervisor(pool.path()).expect("is there");
        let counter = counter_in(&pool, "counter", 0).await;
        let start = Stopwatch::start(cross);
        for _ in 0..n {
            counter.tell(Count::Panic).expect("within the limits");
            counter.tell(Count::Add).expect("within the limits");
        }
        let counted = counter.ask(DEADLINE, Count::Get).await.expect("answers");
        let time = start.elapsed();
        assert_eq!(counted, 1, "a new value after each panic");
        let info = system.info(counter.path()).expect("is there");
        assert_eq!((info.restarts as u64, info.handled), (n, n + 1), "queue intact");
        time
    });
    stop(system);
    time
}

/// Time to start `n` actors in a pool and have each answer, and resident bytes for each.
pub fn many(n: u64) -> (Duration, u64) {
    let system = system(1);
    let before = crate::resident_bytes();
    let start = Instant::now();
    let references = on_arbiter(&system, 0, move |system| async move {
        let root = system.root().expect("has one");
        let mut references: Vec<ActorRef<Count>> = Vec::new();
        // In portions, so that the requests in flight do not count as the actors' memory.
        while (references.len() as u64) < n {
            let first = references.len() as u64;
            let starts: Vec<_> = (first..n.min(first + 1_000))
                .map(|number| {
                    root.start_child(
                        ChildSpec::worker(number.to_string(), |_| Ok(Counter::default())).placement(Placement::Data(0)),
                    )
                })
                .collect();
            for start in starts {
                let child = start.await.expect("starts");
                references.push(child.reference().expect("takes Count"));
            }
        }
        references
    });
    let time = start.elapsed();
    let bytes = crate::resident_bytes().saturating_sub(before) / n;
    assert_eq!(references.len() as u64, n);
    stop(system);
    (time, bytes)
}

struct Node {
    size: u64,
    number: u64,
    waiting: u32,
    sum: u64,
    up: Option<Reply<u64>>,
}

enum Sky {
    Begin(Reply<u64>),
    Sum(u64),
}

impl Message for Sky {}

impl Actor for Node {
    type Message = Sky;

    fn handle(&mut self, message: Sky, ctx: &mut Context<Self>) -> Result<(), Failure> {
        match message {
            Sky::Begin(up) if self.size == 1 => up.send(self.number),
            Sky::Begin(up) => {
                self.up = Some(up);
                self.waiting = 10;
                let size = self.size / 10;
                for child in 0..10 {
                    let (number, me) = (self.number + child * size, ctx.myself());
                    let pool = ctx.supervisor().expect("is in a pool").clone();
                    let spec = node(size, number);
                    ctx.spawn(async move {
                        let child = pool.start_child(spec).await.expect("starts");
                        let up = Reply::from_fn(Box::new(move |sum: Option<u64>| {
                            me.tell(Sky::Sum(sum.expect("is answered"))).expect("within the limits");
                        }));
                        child.reference::<Sky>().expect("takes Sky").tell(Sky::Begin(up)).expect("is empty");
                    });
                }
            }
            Sky::Sum(sum) => {
                self.sum += sum;
                self.waiting -= 1;
                if self.waiting == 0 {
                    self.up.take().expect("was begun").send(self.sum);
                }
            }
        }
        Ok(())
    }
}

fn node(size: u64, number: u64) -> ChildSpec {
    ChildSpec::worker(format!("{size}-{number}"), move |_| Ok(Node { size, number, waiting: 0, sum: 0, up: None }))
        .restart(Restart::Temporary)
        .placement(Placement::Data(0))
}

pub fn skynet(leaves: u64) -> Duration {
    let system = system(1);
    let start = Instant::now();
    let sum = on_arbiter(&system, 0, move |system| async move {
        let root = system.root().expect("has one");
        let child = root.start_child(node(leaves, 0)).await.expect("starts");
        let top = child.reference::<Sky>().expect("takes Sky");
        top.ask(DEADLINE, Sky::Begin).await.expect("answers")
    });
    let time = start.elapsed();
    assert_eq!(sum, leaves * (leaves - 1) / 2);
    stop(system);
    time
}

/// Worst round trip of up to 200 asks to an actor whose neighbour is flooded with 2 us messages from another thread.
pub fn flooded(messages: u64) -> Duration {
    let system = system(2);
    let (calm, busy) = on_arbiter(&system, 0, |system| async move {
        (counter(&system, "calm", 0).await, counter(&system, "busy", 0).await)
    });
    let flooded = busy.clone();
    let flood = std::thread::spawn(move || {
        for _ in 0..messages {
            busy.tell(Count::Work).expect("within the limits");
        }
    });
    while flooded.depth() < 1_000 {
        std::thread::yield_now();
    }
    let worst = on_arbiter(&system, 1, move |_| async move {
        let (mut worst, mut asked) = (Duration::ZERO, 0);
        while asked < 200 && (asked == 0 || flooded.depth() > 0) {
            let start = Instant::now();
            calm.ask(DEADLINE, Count::Get).await.expect("answers");
            worst = worst.max(start.elapsed());
            asked += 1;
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        assert!(asked > 20, "only {asked} asks while the flood lasted");
        worst
    });
    flood.join().expect("no panic");
    system.kill(&Path::root("root"));
    stop_flooded(system);
    worst
}

fn stop_flooded(system: System) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    // The tree was killed to spare the rest of the flood; only the threads are left to end.
    drop(runtime.block_on(system.stop(Duration::from_secs(20))));
}
