//! The contract as its users get it: descriptors for reflection, servers that decode strictly.

#![allow(clippy::unwrap_used)]

use bytes::{BufMut, Bytes, BytesMut};
use desmigratif_proto::codec::{MALFORMED, StrictCodec};
use desmigratif_proto::village::v1::{GetVillageRequest, GetVillageResponse, Village};
use desmigratif_proto::{FILE_DESCRIPTOR_SET, METHODS};
use http_body_util::{BodyExt, Full};
use prost::Message;
use prost_reflect::DescriptorPool;
use tonic::codec::{Codec, EncodeBody, SingleMessageCompressionOverride};
use tonic::server::{Grpc, UnaryService};
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;

#[test]
fn reflection_knows_every_method_and_the_options() {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    for method in METHODS {
        let service = pool.get_service_by_name(method.service).unwrap();
        let found = service.methods().find(|it| it.name() == method.name).unwrap();
        assert_eq!(found.input().full_name(), method.input);
        assert_eq!(found.output().full_name(), method.output);
        assert_eq!(found.is_client_streaming(), method.client_streaming);
        assert_eq!(found.is_server_streaming(), method.server_streaming);
        let access = pool.get_extension_by_name("desmigratif.options.v1.access").unwrap();
        assert!(found.options().has_extension(&access));
    }
}

/// Answers with the code it was asked for.
struct Echo;

impl UnaryService<GetVillageRequest> for Echo {
    type Response = GetVillageResponse;
    type Future = std::future::Ready<Result<Response<Self::Response>, Status>>;

    fn call(&mut self, request: Request<GetVillageRequest>) -> Self::Future {
        let village = Village { code: request.into_inner().code, ..Default::default() };
        std::future::ready(Ok(Response::new(GetVillageResponse { village: Some(village) })))
    }
}

/// Sends `message` as one gRPC message through tonic's server path.
async fn call(message: &[u8]) -> http::Response<tonic::body::Body> {
    let mut frame = BytesMut::new();
    frame.put_u8(0); // not compressed
    frame.put_u32(u32::try_from(message.len()).unwrap());
    frame.put_slice(message);
    let request = http::Request::builder()
        .header("content-type", "application/grpc")
        .body(Full::new(frame.freeze()))
        .unwrap();
    Grpc::new(StrictCodec::default()).unary(Echo, request).await
}

#[tokio::test]
async fn a_valid_request_is_served() {
    let request = GetVillageRequest { code: "32.12.15.2001".into() };
    let body = call(&request.encode_to_vec()).await.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
    let answer = GetVillageResponse::decode(&body.to_bytes()[5..]).unwrap();
    assert_eq!(answer.village.unwrap().code, request.code);
}

#[tokio::test]
async fn a_malformed_request_is_the_callers_fault_and_is_not_echoed() {
    // 101 groups within each other, deeper than prost follows.
    let too_deep = [vec![0x7b; 101], vec![0x7c; 101]].concat();
    for malformed in [
        &b"\x0a\x05ab"[..],  // shorter than it says
        b"\x0a\x02\xff\xfe", // not UTF-8
        b"\x08\x01",         // a number where a string must be
        b"\x07",             // no such wire type
        &too_deep,
    ] {
        let response = call(malformed).await;
        let status = Status::from_header_map(response.headers()).unwrap();
        assert_eq!(status.code(), Code::InvalidArgument, "{malformed:?}");
        assert_eq!(status.message(), MALFORMED);
        assert!(status.details().is_empty());
    }
}

/// The bytes that `codec` puts on the wire for `message`.
async fn encoded<C>(mut codec: C, message: GetVillageResponse) -> Bytes
where
    C: Codec<Encode = GetVillageResponse>,
    C::Encoder: tonic::codec::Encoder<Item = GetVillageResponse, Error = Status>,
{
    let source = tokio_stream::iter([Ok(message)]);
    let body = EncodeBody::new_server(
        codec.encoder(),
        source,
        None,
        SingleMessageCompressionOverride::default(),
        None,
    );
    body.collect().await.unwrap().to_bytes()
}

#[tokio::test]
async fn it_encodes_as_tonic_does() {
    let village = Village { code: "32.12.15.2001".into(), ..Default::default() };
    let message = GetVillageResponse { village: Some(village) };
    let ours =
        encoded(StrictCodec::<GetVillageResponse, GetVillageRequest>::default(), message.clone());
    let theirs = encoded(ProstCodec::<GetVillageResponse, GetVillageRequest>::default(), message);
    assert_eq!(ours.await, theirs.await);
}
