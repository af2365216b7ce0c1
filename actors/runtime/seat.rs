//! Where an incarnation sits: its value, its context, the budget of this turn, and what is in its hands.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    task,
    time::Duration,
};

use crate::{
    Actor, Context, Limits, Message,
    arbiter::Pulse,
    event::{DeadLetterReason, Event},
    inbox::Inbox,
    poison::Poison,
    queue::Parcel,
    record::Entry,
    reply::{NoReply, drop_undelivered},
};

/// Messages handled in one turn before the others on the arbiter get theirs.
pub(crate) const BUDGET: u32 = 64;

/// How long a flooded actor's turn may last; its budget shrinks to fit.
///
/// A wake from another thread may have to wait for 31 turns (tokio's `LocalSet` looks at its remote queue that often), so this bounds a neighbour's delay to 2 ms or so.
pub(crate) const TURN: Duration = Duration::from_micros(50);

pub(crate) struct Seat<A: Actor> {
    pub(crate) value: Option<Box<A>>,
    pub(crate) ctx: Context<A>,
    pub(crate) budget: u32,
    pub(crate) poison: Poison,
    /// the next message shall panic (fault injection)
    pub(crate) inject_panic: bool,
    /// messages are not handled any more but buried as dead letters
    pub(crate) burying: bool,
    pub(crate) in_hand: InHand,
    inbox: Inbox<A::Message>,
    owed: Owed,
    pulse: Arc<Pulse>,
    last_name: &'static str,
}

/// What was being handled, to be settled if it fails.
#[derive(Default)]
pub(crate) struct InHand {
    /// of a message that holds credits
    pub(crate) weight: Option<u32>,
    /// name and fingerprint, while a message is handled
    pub(crate) message: Option<(&'static str, Option<u64>)>,
    /// its panic was asked for, so it says nothing about the message
    pub(crate) injected: bool,
    /// failures over it are never its own fault
    pub(crate) trusted: bool,
}

/// Credits of handled messages that are not given back yet: senders on other threads fight for that word, so it is touched once for many messages.
#[derive(Default)]
struct Owed {
    messages: u32,
    bytes: u64,
    /// both are given back at the end of a turn, or when there are this many messages
    most_messages: u32,
    most_bytes: u64,
}

impl Owed {
    /// At most a 64th of the mailbox is held back, so that a small one does not look full for a turn.
    fn of(limits: Limits) -> Owed {
        Owed {
            messages: 0,
            bytes: 0,
            most_messages: (limits.messages / 64).clamp(1, BUDGET as usize) as u32,
            most_bytes: (limits.bytes / 64) as u64,
        }
    }

    #[inline]
    fn add(&mut self, weight: u32) {
        self.messages += 1;
        self.bytes += u64::from(weight);
    }

    #[inline]
    fn is_due(&self) -> bool {
        self.messages >= self.most_messages || self.bytes > self.most_bytes
    }
}

// Nothing in it is pinned; the value is boxed.
impl<A: Actor> Unpin for Seat<A> {}

impl<A: Actor> Seat<A> {
    pub(crate) fn new(ctx: Context<A>, inbox: Inbox<A::Message>, poison: Poison, pulse: Arc<Pulse>) -> Seat<A> {
        let owed = Owed::of(ctx.door().record().credits.limits());
        Seat {
            value: None,
            ctx,
            budget: BUDGET,
            poison,
            inject_panic: false,
            burying: false,
            in_hand: InHand::default(),
            inbox,
            owed,
            pulse,
            last_name: "",
        }
    }

    /// Whether the next message must wait: for another turn, for a control order, or for ever.
    #[inline]
    pub(crate) fn must_pause(&self) -> bool {
        if self.burying {
            return self.budget == 0;
        }
        self.budget == 0 || self.ctx.has_verdict() || self.ctx.door().record().has_control()
    }

    /// Handles the timers that are due, ahead of the mailbox.
    pub(crate) fn fire_timers(&mut self, cx: &mut task::Context<'_>) {
        while !self.must_pause() {
            let Some(message) = self.ctx.poll_timers(cx) else {
                return;
            };
            self.run(message);
        }
    }

    /// Handles queued messages until it must pause or has seen all that were there.
    ///
    /// What comes after the queue was emptied wakes the cell anew: so one look per turn is enough.
    #[inline]
    pub(crate) fn handle_queued(&mut self) {
        let mut emptied = false;
        while !self.must_pause() {
            match self.inbox.next() {
                Some(parcel) => self.deliver(parcel),
                None if emptied => break,
                None => emptied = self.inbox.refill(),
            }
        }
        self.give_back();
    }

    /// Handles a message out of the mailbox and notes that its credits are to be given back.
    #[inline]
    fn deliver(&mut self, parcel: Parcel<A::Message>) {
        let Parcel { message, weight, at_ms } = parcel;
        if self.burying {
            self.budget -= 1;
            self.refuse(message, DeadLetterReason::Stopped, NoReply::Gone);
            self.settle(weight);
            return;
        }
        self.ctx.door().record().oldest_ms.store(at_ms, Relaxed);
        self.in_hand.weight = Some(weight);
        self.run(message);
        self.in_hand.weight = None;
        self.settle(weight);
    }

    #[inline]
    fn settle(&mut self, weight: u32) {
        self.owed.add(weight);
        if self.owed.is_due() {
            self.give_back();
        }
    }

    #[inline]
    fn give_back(&mut self) {
        if self.owed.messages > 0 {
            self.ctx.door().record().credits.release(self.owed.messages, self.owed.bytes);
            self.owed.messages = 0;
            self.owed.bytes = 0;
        }
    }

    #[inline]
    fn run(&mut self, message: A::Message) {
        self.budget = self.budget.saturating_sub(1);
        let name = message.name();
        let fingerprint = message.fingerprint();
        let trusted = !message.may_be_poison();
        let record = self.ctx.door().record();
        let now_ms = record.system.clock().coarse_ms();
        if self.poison.is_active() && !trusted && self.poison.refuses(name, fingerprint, now_ms) {
            self.refuse(message, DeadLetterReason::Poison, NoReply::Poison);
            return;
        }
        record.busy_ms.store(now_ms + 1, Relaxed);
        // Names are shared text: comparing where they lie spares a lock for each message.
        if !std::ptr::eq(self.last_name, name) {
            self.last_name = name;
            record.set_current(name);
        }
        self.pulse.beat();
        self.in_hand.message = Some((name, fingerprint));
        self.in_hand.trusted = trusted;
        if self.inject_panic {
            self.inject_panic = false;
            self.in_hand.injected = true;
            panic!("injected panic");
        }
        let value = self.value.as_mut().expect("a seat without a value is not polled");
        match value.handle(message, &mut self.ctx) {
            // It said "fail": settled like an error.
            Ok(()) if self.ctx.is_failing() => {}
            Ok(()) => {
                self.in_hand.message = None;
                let handled = &self.ctx.door().record().handled;
                // One writer: no need for an atomic addition.
                handled.store(handled.load(Relaxed) + 1, Relaxed);
                if self.poison.is_active() {
                    self.poison.succeeded(name, fingerprint);
                }
            }
            Err(failure) => self.ctx.fail_with(failure, name),
        }
    }

    #[cold]
    fn refuse(&mut self, message: A::Message, reason: DeadLetterReason, why: NoReply) {
        let record = self.ctx.door().record();
        record.system.note_dead_letter(record, message.name(), reason);
        drop_undelivered(message, why);
    }

    /// Gives back the credits of a message whose handling ended with its incarnation.
    pub(crate) fn settle_cut_off(&mut self) {
        if let Some(weight) = std::mem::take(&mut self.in_hand).weight {
            self.owed.add(weight);
        }
        // A panic has skipped the end of the turn.
        self.give_back();
    }

    /// Settles what was in hand after a failure: credits back, the message suspected. Names what failed, if it was a message.
    pub(crate) fn settle_failure(&mut self) -> Option<&'static str> {
        let in_hand = std::mem::take(&mut self.in_hand);
        if let Some(weight) = in_hand.weight {
            self.owed.add(weight);
        }
        self.give_back();
        let record = self.ctx.door().record();
        let (name, fingerprint) = in_hand.message?;
        if !in_hand.injected && !in_hand.trusted {
            let now_ms = record.system.clock().coarse_ms();
            if let Some(failures) = self.poison.failed(name, fingerprint, now_ms) {
                record.system.emit(|| Event::PoisonMessage {
                    path: record.path.clone(),
                    message: name,
                    fingerprint,
                    failures,
                });
            }
        }
        Some(name)
    }
}
