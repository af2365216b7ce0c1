//! The actix side: our actors as actix actors over a context of our own. No other file knows actix's types.

use std::{
    fmt,
    marker::PhantomData,
    pin::Pin,
    task::{self, Poll},
};

use actix::{
    Actor as ActixActor, ActorContext, ActorState as ActixState, Addr, AsyncContext, SpawnHandle,
    dev::{AsyncContextParts, ContextFut, ContextParts, Mailbox, channel},
    fut::ActorFuture,
};

use crate::{Actor, seat::Seat};

/// The actix actor. Its state is in the [`HostContext`], since actix lends its owner the context but not the actor.
pub(crate) struct Host<A: Actor>(PhantomData<fn() -> A>);

impl<A: Actor> ActixActor for Host<A> {
    type Context = HostContext<A>;
}

pub(crate) struct HostContext<A: Actor> {
    parts: ContextParts<Host<A>>,
    seat: Seat<A>,
}

impl<A: Actor> ActorContext for HostContext<A> {
    fn stop(&mut self) {
        self.parts.stop();
    }

    fn terminate(&mut self) {
        self.parts.terminate();
    }

    fn state(&self) -> ActixState {
        self.parts.state()
    }
}

impl<A: Actor> AsyncContext<Host<A>> for HostContext<A> {
    fn address(&self) -> Addr<Host<A>> {
        self.parts.address()
    }

    fn spawn<F>(&mut self, future: F) -> SpawnHandle
    where
        F: ActorFuture<Host<A>, Output = ()> + 'static,
    {
        self.parts.spawn(future)
    }

    fn wait<F>(&mut self, future: F)
    where
        F: ActorFuture<Host<A>, Output = ()> + 'static,
    {
        self.parts.wait(future);
    }

    /// Asked before actix looks into its own mailbox, which nobody has the address of: messages come by [`Intake`].
    #[inline]
    fn waiting(&self) -> bool {
        true
    }

    fn cancel_future(&mut self, handle: SpawnHandle) -> bool {
        self.parts.cancel_future(handle)
    }
}

impl<A: Actor> AsyncContextParts<Host<A>> for HostContext<A> {
    #[inline]
    fn parts(&mut self) -> &mut ContextParts<Host<A>> {
        &mut self.parts
    }
}

/// The actor's one standing future: it takes the messages out of our own queue. It never ends.
struct Intake;

impl<A: Actor> ActorFuture<Host<A>> for Intake {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        _host: &mut Host<A>,
        ctx: &mut HostContext<A>,
        _cx: &mut task::Context<'_>,
    ) -> Poll<()> {
        ctx.seat.handle_queued();
        Poll::Pending
    }
}

/// The actix future of one cell, which it owns and polls. It lives as long as the cell, over all incarnations.
pub(crate) struct HostFuture<A: Actor>(ContextFut<Host<A>, HostContext<A>>);

impl<A: Actor> HostFuture<A> {
    pub(crate) fn new(seat: Seat<A>) -> HostFuture<A> {
        let (_, receiver) = channel::channel::<Host<A>>(0);
        let mailbox = Mailbox::new(receiver);
        let mut parts = ContextParts::new(mailbox.sender_producer());
        parts.spawn(Intake);
        HostFuture(ContextFut::new(HostContext { parts, seat }, Host(PhantomData), mailbox))
    }

    #[inline]
    pub(crate) fn seat(&mut self) -> &mut Seat<A> {
        &mut self.0.ctx().seat
    }

    /// Handles queued messages until the seat must pause or the queue is empty.
    pub(crate) fn poll_mailbox(&mut self, cx: &mut task::Context<'_>) {
        // Ready would mean that actix stopped the actor, which only `stop` and `terminate` of its context do; nobody calls them before the drop.
        let poll: Poll<()> = Future::poll(Pin::new(&mut self.0), cx);
        debug_assert!(poll.is_pending(), "actix never ends our actor");
    }
}

impl<A: Actor> Drop for HostFuture<A> {
    fn drop(&mut self) {
        // Else actix's own drop would poll the actor once more.
        self.0.ctx().parts.terminate();
    }
}

impl<A: Actor> fmt::Debug for HostFuture<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostFuture")
    }
}
