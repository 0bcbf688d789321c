//! Generates servers and clients, which differ in their codec.
//!
//! A server answers a malformed request with INVALID_ARGUMENT, for the caller is at fault. A
//! client that gets a malformed answer must not tell its user that the request was wrong, so it
//! keeps tonic's own codec.

use prost_build::{Service, ServiceGenerator};

/// The generator to hand to prost.
pub(crate) fn generator() -> Box<dyn ServiceGenerator> {
    // Without transport: the contract needs no sockets. Clients are made over a channel.
    let base = || tonic_prost_build::configure().build_transport(false);
    Box::new(Both {
        client: base().build_server(false).service_generator(),
        server: base()
            .build_client(false)
            .codec_path("crate::codec::StrictCodec")
            .service_generator(),
    })
}

struct Both {
    client: Box<dyn ServiceGenerator>,
    server: Box<dyn ServiceGenerator>,
}

impl ServiceGenerator for Both {
    fn generate(&mut self, service: Service, buf: &mut String) {
        self.client.generate(service.clone(), buf);
        self.server.generate(service, buf);
    }
}
