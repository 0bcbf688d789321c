//! The suite's service: it does what each request says, and tells what it saw of the request.

#![allow(clippy::result_large_err, reason = "tonic's errors are what they are")]

use std::pin::Pin;
use std::str::FromStr as _;
use std::time::Duration;

use prost::Message;
use prost_types::Any;
use tokio_stream::{Stream, StreamExt as _};
use tonic::metadata::{Ascii, Binary, KeyAndValueRef, MetadataKey, MetadataMap, MetadataValue};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::pb;

use crate::trailers::Trailers;
use crate::v1::conformance_payload::RequestInfo;
use crate::v1::unary_response_definition::Response as Wanted;
use crate::v1::{
    self, BidiStreamRequest, BidiStreamResponse, ClientStreamRequest, ClientStreamResponse,
    ConformancePayload, Header, ServerStreamRequest, ServerStreamResponse,
    StreamResponseDefinition, UnaryRequest, UnaryResponse, UnaryResponseDefinition,
    UnimplementedRequest, UnimplementedResponse,
};

/// The service.
#[derive(Clone, Copy, Debug)]
pub struct Conformance;

/// Answers that are sent as they come.
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl v1::conformance_service_server::ConformanceService for Conformance {
    async fn unary(
        &self,
        request: Request<UnaryRequest>,
    ) -> Result<Response<UnaryResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        let seen = seen(&metadata, vec![any("UnaryRequest", &message)]);
        one(message.response_definition.unwrap_or_default(), seen)
            .await
            .map(|it| it.map(|payload| UnaryResponse { payload: Some(payload) }))
    }

    type ServerStreamStream = Answers<ServerStreamResponse>;

    async fn server_stream(
        &self,
        request: Request<ServerStreamRequest>,
    ) -> Result<Response<Self::ServerStreamStream>, Status> {
        let (metadata, _, message) = request.into_parts();
        let seen = seen(&metadata, vec![any("ServerStreamRequest", &message)]);
        several(message.response_definition.unwrap_or_default(), seen, |payload| {
            ServerStreamResponse { payload: Some(payload) }
        })
    }

    async fn client_stream(
        &self,
        request: Request<Streaming<ClientStreamRequest>>,
    ) -> Result<Response<ClientStreamResponse>, Status> {
        let (metadata, _, mut messages) = request.into_parts();
        let (mut wanted, mut requests) = (None, Vec::new());
        while let Some(message) = messages.message().await? {
            requests.push(any("ClientStreamRequest", &message));
            wanted = wanted.or(Some(message.response_definition.unwrap_or_default()));
        }
        one(wanted.unwrap_or_default(), seen(&metadata, requests))
            .await
            .map(|it| it.map(|payload| ClientStreamResponse { payload: Some(payload) }))
    }

    type BidiStreamStream = Answers<BidiStreamResponse>;

    async fn bidi_stream(
        &self,
        request: Request<Streaming<BidiStreamRequest>>,
    ) -> Result<Response<Self::BidiStreamStream>, Status> {
        let answer = |payload| BidiStreamResponse { payload: Some(payload) };
        let (metadata, _, mut messages) = request.into_parts();
        let Some(first) = messages.message().await? else {
            return several(StreamResponseDefinition::default(), seen(&metadata, vec![]), answer);
        };
        let wanted = first.response_definition.clone().unwrap_or_default();
        let mut requests = vec![any("BidiStreamRequest", &first)];
        if !first.full_duplex {
            while let Some(message) = messages.message().await? {
                requests.push(any("BidiStreamRequest", &message));
            }
            return several(wanted, seen(&metadata, requests), answer);
        }
        let headers = metadata_of(&wanted.response_headers)?;
        let trailers = metadata_of(&wanted.response_trailers)?;
        let trailers = wanted.error.is_none().then_some(trailers);
        let answers = in_turns(wanted, seen(&metadata, requests), messages);
        let answers = Box::pin(answers.map(move |it| it.map(answer))) as Answers<_>;
        Ok(with_metadata(answers, headers, trailers))
    }

    async fn unimplemented(
        &self,
        _: Request<UnimplementedRequest>,
    ) -> Result<Response<UnimplementedResponse>, Status> {
        Err(Status::unimplemented("not implemented, as the suite wants it"))
    }
}

/// The one answer that is wanted.
async fn one(
    wanted: UnaryResponseDefinition,
    seen: RequestInfo,
) -> Result<Response<ConformancePayload>, Status> {
    tokio::time::sleep(Duration::from_millis(wanted.response_delay_ms.into())).await;
    let headers = metadata_of(&wanted.response_headers)?;
    let data = match wanted.response {
        Some(Wanted::Error(error)) => {
            let mut all = headers;
            extend(&mut all, &wanted.response_trailers)?;
            return Err(status(error, Some(&seen), all));
        }
        Some(Wanted::ResponseData(data)) => data,
        None => Vec::new(),
    };
    let payload = ConformancePayload { data, request_info: Some(seen) };
    Ok(with_metadata(payload, headers, Some(metadata_of(&wanted.response_trailers)?)))
}

/// The answers that are wanted, one after another.
fn several<T: Send + 'static>(
    wanted: StreamResponseDefinition,
    seen: RequestInfo,
    answer: impl Fn(ConformancePayload) -> T + Send + 'static,
) -> Result<Response<Answers<T>>, Status> {
    let headers = metadata_of(&wanted.response_headers)?;
    let trailers = metadata_of(&wanted.response_trailers)?;
    let pause = Duration::from_millis(wanted.response_delay_ms.into());
    let none = wanted.response_data.is_empty();
    // An error brings its trailers itself.
    let (end, trailers) = match wanted.error {
        Some(error) => (Some(Err(status(error, none.then_some(&seen), trailers))), None),
        None => (None, Some(trailers)),
    };
    let mut seen = Some(seen);
    let payloads: Vec<_> = wanted
        .response_data
        .into_iter()
        .map(|data| ConformancePayload { data, request_info: seen.take() })
        .collect();
    let messages = tokio_stream::iter(payloads).then(move |payload| async move {
        tokio::time::sleep(pause).await;
        payload
    });
    let answers = messages.map(move |payload| Ok(answer(payload))).chain(tokio_stream::iter(end));
    Ok(with_metadata(Box::pin(answers) as Answers<T>, headers, trailers))
}

/// One answer for each request. The first request is among those seen; what answers are left when
/// there are no more requests follow.
fn in_turns(
    wanted: StreamResponseDefinition,
    first: RequestInfo,
    mut messages: Streaming<BidiStreamRequest>,
) -> impl Stream<Item = Result<ConformancePayload, Status>> + Send {
    let pause = Duration::from_millis(wanted.response_delay_ms.into());
    let (answers, stream) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        let (mut seen, mut sent, mut more) = (Some(first), false, true);
        for data in wanted.response_data {
            if seen.is_none() && more {
                match messages.message().await {
                    Ok(Some(message)) => {
                        let requests = vec![any("BidiStreamRequest", &message)];
                        seen = Some(RequestInfo { requests, ..RequestInfo::default() });
                    }
                    Ok(None) => more = false,
                    Err(status) => return drop(answers.send(Err(status)).await),
                }
            }
            tokio::time::sleep(pause).await;
            let payload = ConformancePayload { data, request_info: seen.take() };
            if answers.send(Ok(payload)).await.is_err() {
                return;
            }
            sent = true;
        }
        if let Some(error) = wanted.error {
            let trailers = metadata_of(&wanted.response_trailers).unwrap_or_default();
            let seen = seen.as_ref().filter(|_| !sent);
            let _ = answers.send(Err(status(error, seen, trailers))).await;
        }
    });
    tokio_stream::wrappers::ReceiverStream::new(stream)
}

/// A response with its headers and, unless it ends in an error, its trailers.
fn with_metadata<T>(answer: T, headers: MetadataMap, trailers: Option<MetadataMap>) -> Response<T> {
    let mut response = Response::new(answer);
    *response.metadata_mut() = headers;
    if let Some(trailers) = trailers {
        response.extensions_mut().insert(Trailers(trailers));
    }
    response
}

/// The error that is wanted, with what was seen if that is to be told.
fn status(error: v1::Error, seen: Option<&RequestInfo>, metadata: MetadataMap) -> Status {
    let message = error.message.unwrap_or_default();
    let mut details = error.details;
    details.extend(seen.map(|it| any("ConformancePayload.RequestInfo", it)));
    let all = pb::Status { code: error.code, message: message.clone(), details };
    let code = Code::from_i32(error.code);
    Status::with_details_and_metadata(code, message, all.encode_to_vec().into(), metadata)
}

/// What was seen of a request.
fn seen(metadata: &MetadataMap, requests: Vec<Any>) -> RequestInfo {
    let mut request_headers: Vec<Header> = Vec::new();
    for pair in metadata.iter() {
        let (name, value) = match pair {
            KeyAndValueRef::Ascii(name, value) => (name.as_str(), value.as_encoded_bytes()),
            KeyAndValueRef::Binary(name, value) => (name.as_str(), value.as_encoded_bytes()),
        };
        let value = String::from_utf8_lossy(value).into_owned();
        match request_headers.iter_mut().find(|it| it.name == name) {
            Some(header) => header.value.push(value),
            None => request_headers.push(Header { name: name.to_owned(), value: vec![value] }),
        }
    }
    let timeout_ms = metadata.get("grpc-timeout").and_then(|it| milliseconds(it.to_str().ok()?));
    RequestInfo { request_headers, timeout_ms, requests }
}

/// A `grpc-timeout`.
fn milliseconds(stated: &str) -> Option<i64> {
    let (amount, unit) = stated.split_at_checked(stated.len().checked_sub(1)?)?;
    let amount: i64 = amount.parse().ok()?;
    Some(match unit {
        "H" => amount * 3_600_000,
        "M" => amount * 60_000,
        "S" => amount * 1_000,
        "m" => amount,
        "u" => amount / 1_000,
        "n" => amount / 1_000_000,
        _ => return None,
    })
}

fn any(name: &str, message: &impl Message) -> Any {
    let type_url = format!("type.googleapis.com/connectrpc.conformance.v1.{name}");
    Any { type_url, value: message.encode_to_vec() }
}

fn metadata_of(headers: &[Header]) -> Result<MetadataMap, Status> {
    let mut metadata = MetadataMap::new();
    extend(&mut metadata, headers)?;
    Ok(metadata)
}

fn extend(metadata: &mut MetadataMap, headers: &[Header]) -> Result<(), Status> {
    let wrong = |_| Status::invalid_argument("a header that cannot be sent");
    for header in headers {
        for value in &header.value {
            if header.name.ends_with("-bin") {
                let key = MetadataKey::<Binary>::from_str(&header.name).map_err(|_| wrong(()))?;
                // As they come: encoded already.
                let http = http::HeaderValue::from_str(value).map_err(|_| wrong(()))?;
                let mut one = http::HeaderMap::new();
                one.insert(http::HeaderName::from_str(key.as_str()).map_err(|_| wrong(()))?, http);
                let one = MetadataMap::from_headers(one);
                if let Some(value) = one.get_bin(key.as_str()) {
                    metadata.append_bin(key, value.clone());
                }
            } else {
                let key = MetadataKey::<Ascii>::from_str(&header.name).map_err(|_| wrong(()))?;
                let value: MetadataValue<Ascii> = value.parse().map_err(|_| wrong(()))?;
                metadata.append(key, value);
            }
        }
    }
    Ok(())
}
