//! Attacks on the door at the level of bytes: what a stranger, a careless caller or a hostile
//! agency may do to the real binary, and that it costs others nothing.
//!
//! Every test names the row of the table of edge cases that it closes. Not here but in
//! [`crate::edge`]: who is let in at all, no ALPN, and `grpc-timeout`; in [`crate::startup`]: a
//! stream under way when the gateway is told to stop.

mod bystander;
mod certificates;
mod descriptors;
mod drain;
mod floods;
mod messages;
mod stalls;
mod strangers;
mod streams;
mod wire;
mod writes;

/// A read that every agency may make, and that writes nothing.
const GET_VILLAGE: &str = "/desmigratif.village.v1.VillageService/GetVillage";
/// A change.
const REGISTER_WORKER: &str = "/desmigratif.worker.v1.WorkerService/RegisterWorker";
