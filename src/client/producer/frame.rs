//! The Produce request in pieces for a vectored write: fields in one allocation, records shared and never copied.
//!
//! ```text
//! header | transactional id | acks i16 | timeout ms i32 | topics: name | partitions: index i32, records
//! ```
//! From version 9 on with compact lengths, and with tagged fields after each of the structures.

use bytes::Bytes;
use callboard_model::HEADER_LEN;
use callboard_wire::ApiKey;

/// One batch in a request.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    pub(crate) header: [u8; HEADER_LEN],
    pub(crate) records: Vec<Bytes>,
}

/// Who asks, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) correlation: i32,
    pub(crate) client_id: &'a str,
    pub(crate) version: i16,
    pub(crate) acks: i16,
    pub(crate) timeout_ms: i32,
}

/// The whole frame. Parts of one topic stand beside each other. Names fit their length fields, as they have been checked.
pub(crate) fn write(request: Request<'_>, mut parts: Vec<Part<'_>>) -> Vec<Bytes> {
    let flexible = ApiKey::Produce.is_flexible(request.version);
    let mut out = Writer { fields: Vec::with_capacity(128 + parts.len() * 96), cuts: Vec::new(), flexible };
    out.raw(&[0; 4]);
    out.raw(&ApiKey::Produce.code().to_be_bytes());
    out.raw(&request.version.to_be_bytes());
    out.raw(&request.correlation.to_be_bytes());
    out.raw(&(request.client_id.len() as i16).to_be_bytes());
    out.raw(request.client_id.as_bytes());
    out.tags();
    // No transaction.
    out.raw(if flexible { &[0] } else { &[0xff, 0xff] });
    out.raw(&request.acks.to_be_bytes());
    out.raw(&request.timeout_ms.to_be_bytes());
    let count = parts.chunk_by(|one, next| one.topic == next.topic).count();
    out.length(count);
    for topic in parts.chunk_by_mut(|one, next| one.topic == next.topic) {
        out.text(topic[0].topic);
        out.length(topic.len());
        for part in topic {
            out.raw(&part.partition.to_be_bytes());
            out.length(HEADER_LEN + part.records.iter().map(Bytes::len).sum::<usize>());
            out.raw(&part.header);
            out.cuts.push((out.fields.len(), std::mem::take(&mut part.records)));
            out.tags();
        }
        out.tags();
    }
    out.tags();
    out.finish()
}

struct Writer {
    fields: Vec<u8>,
    /// Where records come between the fields.
    cuts: Vec<(usize, Vec<Bytes>)>,
    flexible: bool,
}

impl Writer {
    fn raw(&mut self, bytes: &[u8]) {
        self.fields.extend_from_slice(bytes);
    }

    fn tags(&mut self) {
        if self.flexible {
            self.fields.push(0);
        }
    }

    /// A count or a length of bytes: compact ones are one more, so that 0 is null.
    fn length(&mut self, length: usize) {
        if self.flexible {
            let mut rest = length as u64 + 1;
            while rest >= 0x80 {
                self.fields.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            self.fields.push(rest as u8);
        } else {
            self.raw(&(length as i32).to_be_bytes());
        }
    }

    fn text(&mut self, text: &str) {
        if self.flexible {
            self.length(text.len());
        } else {
            self.raw(&(text.len() as i16).to_be_bytes());
        }
        self.raw(text.as_bytes());
    }

    fn finish(mut self) -> Vec<Bytes> {
        let records: usize = self.cuts.iter().flat_map(|(_, records)| records).map(Bytes::len).sum();
        // Bounded by max.request.size, far below 2 GiB.
        let length = (self.fields.len() + records - 4) as i32;
        self.fields[..4].copy_from_slice(&length.to_be_bytes());
        let fields = Bytes::from(self.fields);
        let count = self.cuts.iter().map(|(_, records)| records.len() + 1).sum::<usize>();
        let mut pieces = Vec::with_capacity(count + 1);
        let mut from = 0;
        for (to, records) in self.cuts {
            pieces.push(fields.slice(from..to));
            pieces.extend(records);
            from = to;
        }
        pieces.push(fields.slice(from..));
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use callboard_wire::messages::client::{ProduceRequest, encode_produce, produce_request};

    #[test]
    fn every_version_has_the_bytes_of_the_codec() {
        let batch = |fill: u8, len| {
            ([fill; HEADER_LEN], vec![Bytes::from(vec![fill + 1; len]), Bytes::from(vec![fill; len / 2])])
        };
        let batches = [("a", 0, batch(1, 0)), ("a", 7, batch(2, 300)), ("topic-b", 1, batch(3, 20_000))];
        let parts = || {
            let part = |(topic, partition, (header, records)): &(&'static str, i32, ([u8; HEADER_LEN], Vec<Bytes>))| {
                Part { topic, partition: *partition, header: *header, records: records.clone() }
            };
            batches.iter().map(part).collect()
        };
        let mut request = ProduceRequest::default();
        (request.acks, request.timeout_ms) = (-1, 30_000);
        for (topic, partition, (header, records)) in &batches {
            if request.topic_data.last().is_none_or(|last| *last.name != **topic) {
                let mut data = produce_request::TopicProduceData::default();
                data.name = (*topic).into();
                request.topic_data.push(data);
            }
            let mut data = produce_request::PartitionProduceData::default();
            data.index = *partition;
            data.records = Some([&header[..], &records.concat()].concat().into());
            request.topic_data.last_mut().expect("just pushed").partition_data.push(data);
        }
        for version in 3..=11 {
            let ours = Request { correlation: 77, client_id: "me", version, acks: -1, timeout_ms: 30_000 };
            let theirs = encode_produce(77, Some("me"), version, &request).expect("legal");
            assert_eq!(write(ours, parts()).concat(), theirs, "version {version}");
        }
    }
}
