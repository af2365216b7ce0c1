//! `callboard top`: nodes, groups by lag, the busiest actors, on one screen that follows what happens.

mod draw;
mod keys;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use callboard_client::Admin;
use ratatui::Terminal;
use ratatui::backend::{CrosstermBackend, TestBackend};

use super::cluster::{NodeFacts, picture};
use super::group::{GroupPicture, pictures};
use crate::admin_port::{ActorInfo, AdminPort};
use crate::arguments::Top;
use crate::connection::Place;
use crate::fault::{Exit, Fault};
use crate::run::{Outcome, emit};
use keys::{Keys, Order};

/// Groups whose lag is asked for at each look.
const GROUPS_MAX: usize = 50;

/// One look.
#[derive(Debug, Clone, Default)]
pub(super) struct View {
    pub(super) where_from: String,
    pub(super) health: String,
    pub(super) nodes: Vec<NodeFacts>,
    pub(super) topics: usize,
    pub(super) partitions: usize,
    pub(super) groups: Vec<GroupPicture>,
    /// The busiest first, each with the messages that it handles per second.
    pub(super) actors: Vec<(ActorInfo, u64)>,
    /// What could not be asked.
    pub(super) faults: Vec<String>,
}

pub(crate) async fn run(asked: Top) -> Result<Outcome, Fault> {
    let place = Place::find(&asked.link, asked.admin.admin.as_deref())?;
    let port = AdminPort::new(&place)?;
    let admin = place.admin().await?;
    let mut handled = Handled::default();
    if asked.once || !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        look(&place, &admin, &port, &mut handled).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let view = look(&place, &admin, &port, &mut handled).await;
        emit(&as_text(&view, 120, 60)?)?;
        return Ok(Outcome::default());
    }
    follow(&place, &admin, &port, &mut handled, asked.every.0).await
}

/// How many messages each actor had handled at the last look.
#[derive(Debug, Default)]
struct Handled {
    at: Option<Instant>,
    counts: BTreeMap<String, u64>,
}

impl Handled {
    /// The actors with their rates, the busiest first.
    fn rates(&mut self, actors: Vec<ActorInfo>, now: Instant) -> Vec<(ActorInfo, u64)> {
        let span = self.at.map_or(1.0, |at| now.duration_since(at).as_secs_f64()).max(0.001);
        let rate = |actor: &ActorInfo| {
            let before = self.counts.get(&actor.path)?;
            Some((actor.handled.saturating_sub(*before) as f64 / span) as u64)
        };
        let mut rated: Vec<(ActorInfo, u64)> = actors.iter().map(|it| (it.clone(), rate(it).unwrap_or(0))).collect();
        self.counts = actors.into_iter().map(|actor| (actor.path, actor.handled)).collect();
        self.at = Some(now);
        // Trouble first, then full mailboxes, then work.
        let weight = |(actor, rate): &(ActorInfo, u64)| {
            (actor.state != "running", actor.mailbox_messages, *rate, actor.restarts)
        };
        rated.sort_by(|a, b| weight(b).cmp(&weight(a)).then_with(|| a.0.path.cmp(&b.0.path)));
        rated
    }
}

/// Asks everything once; what cannot be asked is said, and hides nothing else.
async fn look(place: &Place, admin: &Admin, port: &AdminPort, handled: &mut Handled) -> View {
    let mut view = View { where_from: format!("{} ({})", place.brokers, place.brokers_from), ..View::default() };
    let groups = async {
        let listing = admin.list_groups().await.map_err(|error| place.fault(&error))?;
        let names: Vec<String> = listing.groups.into_iter().map(|group| group.group).take(GROUPS_MAX).collect();
        Ok::<_, Fault>(pictures(place, admin, &names).await)
    };
    let (cluster, groups, actors) = tokio::join!(picture(place, admin), groups, port.actors());
    let mut faults = Vec::new();
    match cluster {
        Ok((picture, failed)) => {
            view.health = super::cluster::health_word(&picture).to_owned();
            view.topics = picture.topics.len();
            view.partitions = picture.topics.iter().map(|topic| topic.partitions.len()).sum();
            view.nodes = picture.nodes;
            faults.extend(failed);
        }
        Err(fault) => {
            view.health = "unreachable".to_owned();
            faults.push(fault);
        }
    }
    match groups {
        Ok((pictures, failed)) => {
            view.groups = pictures;
            view.groups.sort_by_key(|group| std::cmp::Reverse(group.lag()));
            faults.extend(failed);
        }
        Err(fault) => faults.push(fault),
    }
    match actors {
        Ok(actors) => view.actors = handled.rates(actors, Instant::now()),
        Err(fault) => faults.push(fault),
    }
    view.faults = faults.into_iter().map(|fault| fault.message).collect();
    view.faults.dedup();
    view
}

/// The picture as lines of text.
fn as_text(view: &View, width: u16, height: u16) -> Result<String, Fault> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).map_err(broken)?;
    terminal.draw(|frame| draw::draw(frame, view, &Keys::default())).map_err(broken)?;
    let buffer = terminal.backend().buffer();
    let lines = buffer.content().chunks(usize::from(width)).map(|row| {
        let line: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
        format!("{}\n", line.trim_end())
    });
    let text: String = lines.collect();
    Ok(format!("{}\n", text.trim_end()))
}

fn broken(error: impl std::fmt::Display) -> Fault {
    Fault::failed("the terminal cannot be used").because(error.to_string())
}

/// The alternate screen in raw mode, left however this ends.
struct Raw;

impl Raw {
    fn enter() -> Result<Self, Fault> {
        crossterm::terminal::enable_raw_mode().map_err(broken)?;
        let entered = Raw;
        crossterm::execute!(std::io::stdout(), crossterm::terminal::EnterAlternateScreen).map_err(broken)?;
        Ok(entered)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        crossterm::execute!(std::io::stdout(), crossterm::terminal::LeaveAlternateScreen).ok();
        crossterm::terminal::disable_raw_mode().ok();
    }
}

async fn follow(
    place: &Place,
    admin: &Admin,
    port: &AdminPort,
    handled: &mut Handled,
    every: Duration,
) -> Result<Outcome, Fault> {
    let raw = Raw::enter()?;
    let mut terminal = Terminal::new(CrosstermBackend::new(std::io::stdout())).map_err(broken)?;
    let mut pressed = key_presses();
    let mut keys = Keys::default();
    let mut view = look(place, admin, port, handled).await;
    let mut next = tokio::time::Instant::now() + every;
    loop {
        terminal.draw(|frame| draw::draw(frame, &view, &keys)).map_err(broken)?;
        tokio::select! {
            key = pressed.recv() => {
                let Some(key) = key else { break };
                match keys.press(key, &view) {
                    Order::Nothing => {}
                    Order::Quit => break,
                    Order::Interrupt => {
                        drop(raw);
                        return Ok(Outcome { condition: Some(Exit::Interrupted), ..Outcome::default() });
                    }
                    Order::Kill(path) => {
                        let said = match port.touch(&path, "kill").await {
                            Ok(()) => format!("{path} is made to fail"),
                            Err(fault) => fault.message,
                        };
                        keys.say(said);
                    }
                }
            }
            () = tokio::time::sleep_until(next) => {
                view = look(place, admin, port, handled).await;
                next = tokio::time::Instant::now() + every;
            }
        }
    }
    Ok(Outcome::default())
}

/// Keys from the terminal, which can only be waited for by a thread. It ends with the process.
fn key_presses() -> tokio::sync::mpsc::UnboundedReceiver<crossterm::event::KeyEvent> {
    let (tell, pressed) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        while let Ok(event) = crossterm::event::read() {
            if let crossterm::event::Event::Key(key) = event
                && tell.send(key).is_err()
            {
                return;
            }
        }
    });
    pressed
}
