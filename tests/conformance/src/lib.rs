//! The public conformance suite of Connect and gRPC, run through the gateway's edge: what the edge
//! does to calls that are nothing of the exchange's own.
//!
//! [`Conformance`] is the suite's service, [`Server`] has it behind the edge, [`Front`] stands
//! before that for the suite's own runner, which has no certificate of an agency.
//! `examples/server_under_test.rs` is the server that the runner starts.

pub mod front;
pub mod server;
pub mod service;
mod trailers;

#[allow(missing_docs, unused_qualifications, clippy::all, reason = "generated")]
pub mod v1 {
    //! The suite's interface, generated.

    tonic::include_proto!("connectrpc.conformance.v1");
}

pub use front::Front;
pub use server::Server;
pub use service::Conformance;

/// The descriptors of the suite's interface, as an encoded `google.protobuf.FileDescriptorSet`.
pub const FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/descriptor_set.bin"));
