//! A bank that survives its teller's panics: the ledger lives beside the teller, money is neither made nor lost, nobody's address changes.
//!
//! `cargo run -p callboard-runtime --example bank`

use std::{collections::BTreeMap, time::Duration};

use callboard_runtime::{
    Actor, ActorRef, AskError, Backoff, ChildSpec, Context, Failure, Intensity, Message, Options, Path, Reply,
    Strategy, SupervisorSpec, System,
};

const DEADLINE: Duration = Duration::from_secs(5);
const ACCOUNTS: u32 = 10;
const OPENING: i64 = 1_000;

/// Holds the balances. It stands for durable state: a database, a log.
struct Ledger(BTreeMap<u32, i64>);

enum Entry {
    /// Both sides at once, so that no failure can come between them.
    Move {
        from: u32,
        to: u32,
        amount: i64,
        done: Reply<bool>,
    },
    Total(Reply<i64>),
}

impl Message for Entry {}

impl Actor for Ledger {
    type Message = Entry;

    fn handle(&mut self, entry: Entry, _: &mut Context<Self>) -> Result<(), Failure> {
        match entry {
            Entry::Move { from, to, amount, done } => {
                let covered = self.0.get(&from).is_some_and(|balance| *balance >= amount);
                if covered {
                    *self.0.entry(from).or_default() -= amount;
                    *self.0.entry(to).or_default() += amount;
                }
                done.send(covered);
            }
            Entry::Total(reply) => reply.send(self.0.values().sum()),
        }
        Ok(())
    }
}

/// Serves customers, and panics at every hundredth.
struct Teller {
    ledger: ActorRef<Entry>,
    served: u32,
}

struct Transfer {
    from: u32,
    to: u32,
    amount: i64,
    done: Reply<bool>,
}

impl Message for Transfer {}

impl Actor for Teller {
    type Message = Transfer;

    fn handle(&mut self, transfer: Transfer, _: &mut Context<Self>) -> Result<(), Failure> {
        self.served += 1;
        assert!(self.served < 100, "the teller has fainted");
        let Transfer { from, to, amount, done } = transfer;
        self.ledger.tell(Entry::Move { from, to, amount, done })?;
        Ok(())
    }
}

fn main() {
    let ledger = ChildSpec::worker("ledger", |_| Ok(Ledger((0..ACCOUNTS).map(|account| (account, OPENING)).collect())));
    let teller = ChildSpec::worker("teller", |env| {
        let ledger = env.system().resolve(&Path::root("bank/ledger")).ok_or("the ledger is not there")?;
        Ok(Teller { ledger, served: 0 })
    });
    let bank = SupervisorSpec::new("bank", Strategy::RestForOne)
        .intensity(Intensity::new(1_000, Duration::from_secs(1)))
        .backoff(Backoff::none())
        .child(ledger)
        .child(teller);
    let system = System::start("bank", Options::default(), bank).expect("the bank opens");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be had");
    runtime.block_on(serve(&system));
}

async fn serve(system: &System) {
    let teller = system.resolve::<Transfer>(&Path::root("bank/teller")).expect("is there");
    let (mut made, mut refused, mut unanswered) = (0, 0, 0);
    for number in 0..10_000_u32 {
        let answer = teller.ask(DEADLINE, |done| Transfer {
            from: number % ACCOUNTS,
            to: number * 7 % ACCOUNTS,
            amount: i64::from(number % 300),
            done,
        });
        match answer.await {
            Ok(true) => made += 1,
            Ok(false) => refused += 1,
            Err(AskError::Unanswered { .. }) => unanswered += 1,
            Err(error) => panic!("a customer saw something else: {error}"),
        }
    }
    let ledger = system.resolve::<Entry>(&Path::root("bank/ledger")).expect("is there");
    let total = ledger.ask(DEADLINE, Entry::Total).await.expect("answers");
    for info in system.tree() {
        println!(
            "{:<12} {:?}, {} restarts, {} handled, last failure: {}",
            info.path.to_string(),
            info.state,
            info.restarts,
            info.handled,
            info.last_failure.map_or("none".to_owned(), |failure| failure.reason)
        );
    }
    println!("{made} transfers made, {refused} refused, {unanswered} customers saw the teller faint");
    println!("money in the bank: {total}");
    assert_eq!(unanswered, 100, "one customer in a hundred");
    assert_eq!(total, i64::from(ACCOUNTS) * OPENING, "money is neither made nor lost");
    assert_eq!(system.dead_letters().total(), 0);
    system.stop(DEADLINE).await.expect("the bank closes");
    println!("checked: every customer was answered or told, the money is all there, the ledger never failed");
}
