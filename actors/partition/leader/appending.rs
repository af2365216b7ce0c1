//! Appends: in the order in which they came, those behind one that is packed anew in line behind it.

use callboard_model::CompressionType;
use callboard_partition::{self as machine, wants_codec};
use callboard_runtime::{Context, Failure};

use super::{PartitionLeader, State};
use crate::partition::message::{Append, AppendInternal, PartitionMessage, Waiter};
use crate::partition::packing::{Ready, decompressed, pack};

impl PartitionLeader {
    pub(super) fn append(&mut self, append: Append, ctx: &mut Context<Self>) -> Result<(), Failure> {
        let State::Leading(leader) = &self.state else { return Ok(()) };
        let config = leader.config();
        if wants_codec(&append.batch, config).is_some() {
            let (to, number) = (config.compression_type, self.line.enter());
            self.pack(number, append, to, ctx);
            return Ok(());
        }
        let ready = Ready::as_it_came(append);
        if self.line.is_empty() {
            return self.append_now(ready, ctx);
        }
        self.line.queue(ready);
        Ok(())
    }

    pub(super) fn pack(&self, number: u64, append: Append, to: CompressionType, ctx: &mut Context<Self>) {
        let packing = self.shared.pool.run(move || Box::new(pack(append, to)));
        // A job that panics drops the append, which tells its producer.
        ctx.pipe(async move { PartitionMessage::Packed { number, ready: packing.await.ok() } });
    }

    /// Appends what stands at the head of the line and is ready.
    pub(super) fn append_ready(&mut self, ctx: &mut Context<Self>) -> Result<(), Failure> {
        while let State::Leading(leader) = &self.state
            && let Some(ready) = self.line.next()
        {
            let config = leader.config();
            let wanted = wants_codec(&ready.append.batch, config);
            if wanted.is_some() && wanted != ready.tried {
                // The topic was given another codec meanwhile.
                let (to, number) = (config.compression_type, self.line.enter_first());
                self.pack(number, ready.append, to, ctx);
                return Ok(());
            }
            self.append_now(ready, ctx)?;
        }
        Ok(())
    }

    pub(super) fn append_now(&mut self, ready: Ready, ctx: &mut Context<Self>) -> Result<(), Failure> {
        let Ready { append: Append { slot, acks, batch, deadline, zstd_allowed }, mut unpacked, .. } = ready;
        let waiter = slot.map(Waiter::Produce);
        self.lead(ctx, |leader, now, effects| {
            if unpacked.records.is_none() {
                unpacked.records = decompressed(&batch, leader.config(), now);
            }
            let (internal, expected_end) = (false, None);
            let append =
                machine::Append { waiter, acks, batch, deadline, zstd_allowed, internal, expected_end, unpacked };
            leader.append(append, now, effects);
        })
    }

    pub(super) fn append_internal(&mut self, append: AppendInternal, ctx: &mut Context<Self>) -> Result<(), Failure> {
        let AppendInternal { batch, expected_end, deadline, reply } = append;
        self.lead(ctx, |leader, now, effects| {
            let append = machine::Append {
                waiter: Some(Waiter::Internal(reply)),
                acks: machine::Acks::All,
                batch,
                unpacked: machine::Unpacked::default(),
                deadline,
                zstd_allowed: true,
                internal: true,
                expected_end,
            };
            leader.append(append, now, effects);
        })
    }
}
