//! The actix side: our actors as actix actors over a context of our own. No other file knows actix's types.

use std::{
    fmt,
    marker::PhantomData,
    pin::Pin,
    task::{self, Poll},
};

use actix::{
    Actor as ActixActor, ActorContext, ActorState as ActixState, Addr, AsyncContext, Handler, Recipient, SpawnHandle,
    dev::{AsyncContextParts, ContextFut, ContextParts, Envelope, EnvelopeProxy, Mailbox, ToEnvelope, channel},
    fut::ActorFuture,
};

use crate::{Actor, Message, seat::Seat};

/// A message on its way, with the credits it holds.
pub(crate) struct Parcel<M> {
    pub(crate) message: M,
    pub(crate) weight: u32,
    /// coarse milliseconds, wrapping after 49 days
    pub(crate) at_ms: u32,
}

impl<M: Message> actix::Message for Parcel<M> {
    type Result = ();
}

/// Sending half of a mailbox, without the type of the actor behind it.
pub(crate) struct Lane<M: Message>(Recipient<Parcel<M>>);

impl<M: Message> Lane<M> {
    #[inline]
    pub(crate) fn post(&self, parcel: Parcel<M>) {
        // Actix's own bound is off (it is none, see the README); credits were taken before.
        self.0.do_send(parcel);
    }
}

/// Receiving half of a mailbox, on its way to its arbiter.
pub(crate) struct Inbox<A: Actor>(channel::AddressReceiver<Host<A>>);

pub(crate) fn mailbox<A: Actor>() -> (Lane<A::Message>, Inbox<A>) {
    let (sender, receiver) = channel::channel::<Host<A>>(0);
    (Lane(Addr::new(sender).recipient()), Inbox(receiver))
}

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

    /// Asked by the mailbox before each message: here the budget, a control order or the end of the incarnation interrupts the data.
    #[inline]
    fn waiting(&self) -> bool {
        self.parts.waiting() || self.seat.must_pause()
    }

    fn cancel_future(&mut self, handle: SpawnHandle) -> bool {
        self.parts.cancel_future(handle)
    }
}

impl<A: Actor> AsyncContextParts<Host<A>> for HostContext<A> {
    fn parts(&mut self) -> &mut ContextParts<Host<A>> {
        &mut self.parts
    }
}

impl<A: Actor> Handler<Parcel<A::Message>> for Host<A> {
    type Result = ();

    fn handle(&mut self, parcel: Parcel<A::Message>, ctx: &mut HostContext<A>) {
        ctx.seat.deliver(parcel);
    }
}

/// An envelope without a result channel: answers travel in the message, as a [`crate::Reply`].
struct Letter<M>(Option<Parcel<M>>);

impl<A: Actor> EnvelopeProxy<Host<A>> for Letter<A::Message> {
    fn handle(&mut self, _host: &mut Host<A>, ctx: &mut HostContext<A>) {
        if let Some(parcel) = self.0.take() {
            ctx.seat.deliver(parcel);
        }
    }
}

impl<A: Actor> ToEnvelope<Host<A>, Parcel<A::Message>> for HostContext<A> {
    fn pack(parcel: Parcel<A::Message>, _answer: Option<actix::dev::OneshotSender<()>>) -> Envelope<Host<A>> {
        Envelope::with_proxy(Box::new(Letter(Some(parcel))))
    }
}

/// The actix future of one cell, which it owns and polls. It lives as long as the cell, over all incarnations.
pub(crate) struct HostFuture<A: Actor>(ContextFut<Host<A>, HostContext<A>>);

impl<A: Actor> HostFuture<A> {
    pub(crate) fn new(inbox: Inbox<A>, seat: Seat<A>) -> HostFuture<A> {
        let mailbox = Mailbox::new(inbox.0);
        let parts = ContextParts::new(mailbox.sender_producer());
        let context = HostContext { parts, seat };
        HostFuture(ContextFut::new(context, Host(PhantomData), mailbox))
    }

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
