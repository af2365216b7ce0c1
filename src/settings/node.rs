//! Section `[node]`: who this node is.

use callboard_model::{BrokerId, ClusterId};

use crate::key::section;

section! {
    node:
    /// Who this node is.
    NodeSettings {
        /// The node's number in the cluster. It is written into the data folder at the first start; a folder that carries
        /// another number is refused.
        id: BrokerId = "1", from "0" to "2147483647", kafka "node.id";
        /// The cluster's id, 22 characters of URL-safe base64. Empty: one is made at the first start and kept with the data.
        /// When set, a data folder that belongs to another cluster is refused.
        cluster_id: Option<ClusterId> = "", kafka "cluster.id";
    }
}
