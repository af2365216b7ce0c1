//! What keys do: values in, an order out.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::View;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order {
    Nothing,
    Quit,
    Interrupt,
    Kill(String),
}

/// Where the person is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Keys {
    /// The actor that is marked, from the top.
    pub(super) marked: usize,
    /// The actor that is to be killed once the person says yes.
    pub(super) asked: Option<String>,
    /// The last thing that happened.
    pub(super) said: Option<String>,
}

impl Keys {
    pub(super) fn say(&mut self, text: String) {
        self.said = Some(text);
    }

    pub(super) fn press(&mut self, key: KeyEvent, view: &View) -> Order {
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return Order::Interrupt;
        }
        if let Some(path) = self.asked.take() {
            return if key.code == KeyCode::Char('y') { Order::Kill(path) } else { Order::Nothing };
        }
        self.said = None;
        let last = view.actors.len().saturating_sub(1);
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Order::Quit,
            KeyCode::Down | KeyCode::Char('j') => self.marked = (self.marked + 1).min(last),
            KeyCode::Up | KeyCode::Char('k') => self.marked = self.marked.min(last).saturating_sub(1),
            KeyCode::Char('x') => {
                self.asked = view.actors.get(self.marked.min(last)).map(|(actor, _)| actor.path.clone())
            }
            _ => {}
        }
        Order::Nothing
    }
}
