//! Whether the request is a gRPC call of a known method at all.
//!
//! What is not gRPC is answered in HTTP: 405 for anything but POST, 415 for another content type,
//! as the gRPC protocol over HTTP/2 asks. What is gRPC but cannot be served is answered in gRPC.

use std::collections::HashMap;
use std::sync::Arc;

use http::{HeaderMap, Request, StatusCode, header};
use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

use super::Refusal;
use crate::fault::{ErrorReason, Fault, fault};

/// The most metadata a call may carry, in bytes, counted as HTTP/2 counts a header list
/// (RFC 9113 section 6.5.2: name, value and 32 bytes for each field).
pub(crate) const METADATA_LIMIT: usize = 16 * 1024;

/// The one encoding of messages that is taken.
const UNCOMPRESSED: &str = "identity";

/// A method of the contract, as far as the edge cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Method {
    /// Full name without a leading slash: "desmigratif.village.v1.VillageService/GetVillage".
    pub(crate) name: Arc<str>,
    /// Whether the caller may send more than one message.
    pub(crate) client_streaming: bool,
    /// Whether the answer goes on for as long as the caller likes.
    pub(crate) lasting: bool,
}

/// Every method that is served, by path.
#[derive(Clone, Debug, Default)]
pub struct Methods(HashMap<Box<str>, Method>);

impl Methods {
    /// Reads the methods out of encoded `google.protobuf.FileDescriptorSet`s: the contract's, and
    /// those of the standard services that are served.
    ///
    /// # Errors
    /// When a set cannot be decoded.
    pub fn of_descriptors<'a>(
        sets: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, prost::DecodeError> {
        let mut methods = HashMap::new();
        for set in sets {
            for file in FileDescriptorSet::decode(set)?.file {
                let package = file.package().to_owned();
                for service in &file.service {
                    for method in &service.method {
                        let name = format!("{package}.{}/{}", service.name(), method.name());
                        let method = Method {
                            name: name.trim_start_matches('.').into(),
                            client_streaming: method.client_streaming(),
                            lasting: false,
                        };
                        methods.insert(format!("/{}", method.name).into(), method);
                    }
                }
            }
        }
        Ok(Self(methods))
    }

    /// The same, of which those at these paths have answers that go on for as long as the caller
    /// likes: descriptors do not tell. They have a longer maximum deadline, take a place of their
    /// agency's feeds instead of one of its calls, and their services find a
    /// [`Renewal`](crate::renewal::Renewal) in the request's extensions.
    #[must_use]
    pub fn lasting<'a>(mut self, paths: impl IntoIterator<Item = &'a str>) -> Self {
        for path in paths {
            if let Some(method) = self.0.get_mut(path) {
                method.lasting = true;
            }
        }
        self
    }

    pub(crate) fn find(&self, path: &str) -> Option<&Method> {
        self.0.get(path)
    }
}

/// Refuses what is no gRPC call of a known method, or brings too much metadata.
pub(crate) fn check<'m, B>(
    request: &Request<B>,
    method: Option<&'m Method>,
) -> Result<&'m Method, Refusal> {
    if request.method() != http::Method::POST {
        return Err(Refusal::Http(StatusCode::METHOD_NOT_ALLOWED));
    }
    if !is_grpc(request.headers()) {
        return Err(Refusal::Http(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    if metadata_size(request.headers()) > METADATA_LIMIT {
        return Err(fault(
            Code::ResourceExhausted,
            ErrorReason::MetadataTooLarge,
            "the metadata is larger than 16 KiB",
            "metadata melebihi 16 KiB",
        )
        .into());
    }
    if !is_plain(request.headers()) {
        return Err(Refusal::Grpc(compressed()));
    }
    method.ok_or_else(|| unknown_method().into())
}

/// The answer for a method that is not served.
pub(crate) fn unknown_method() -> Fault {
    fault(
        Code::Unimplemented,
        ErrorReason::MethodUnknown,
        "the gateway has no such method",
        "gateway tidak memiliki metode tersebut",
    )
}

/// The answer to compressed messages. It names what is taken, as the gRPC protocol asks, and not
/// what was sent.
fn compressed() -> Status {
    let mut status = fault(
        Code::Unimplemented,
        ErrorReason::CompressionUnsupported,
        "the gateway takes no compressed messages",
        "gateway tidak menerima pesan terkompresi",
    )
    .into_status();
    status.metadata_mut().insert("grpc-accept-encoding", MetadataValue::from_static(UNCOMPRESSED));
    status
}

/// The messages are not compressed: what is small on the wire stays small in memory.
fn is_plain(headers: &HeaderMap) -> bool {
    headers.get_all("grpc-encoding").iter().all(|encoding| encoding == UNCOMPRESSED)
}

/// One content type, gRPC with protobuf messages.
fn is_grpc(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let Some(first) = types.next() else { return false };
    types.next().is_none()
        && matches!(first.as_bytes(), b"application/grpc" | b"application/grpc+proto")
}

fn metadata_size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::tests::reason_of;

    fn request(method: &str, content_type: Option<&str>) -> Request<()> {
        let mut request = Request::builder().method(method).uri("/a.B/C");
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        request.body(()).unwrap()
    }

    fn known() -> Method {
        Method { name: "a.B/C".into(), client_streaming: false, lasting: false }
    }

    fn http_status(result: Result<&Method, Refusal>) -> StatusCode {
        match result {
            Err(Refusal::Http(status)) => status,
            other => panic!("expected an HTTP refusal, got {other:?}"),
        }
    }

    fn reason(result: Result<&Method, Refusal>) -> (Code, String) {
        match result {
            Err(Refusal::Grpc(status)) => (status.code(), reason_of(&status)),
            other => panic!("expected a gRPC refusal, got {other:?}"),
        }
    }

    #[test]
    fn a_post_of_grpc_to_a_known_method_passes() {
        for content_type in ["application/grpc", "application/grpc+proto"] {
            assert!(check(&request("POST", Some(content_type)), Some(&known())).is_ok());
        }
    }

    #[test]
    fn what_is_not_grpc_is_answered_in_http() {
        let known = known();
        let get = check(&request("GET", Some("application/grpc")), Some(&known));
        assert_eq!(http_status(get), StatusCode::METHOD_NOT_ALLOWED);
        for odd in [
            None,
            Some("application/json"),
            Some("application/grpc+json"),
            Some("application/grpc-web"),
        ] {
            let refused = check(&request("POST", odd), Some(&known));
            assert_eq!(http_status(refused), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{odd:?}");
        }
    }

    #[test]
    fn compressed_messages_are_not_taken() {
        let known = known();
        let mut request = request("POST", Some("application/grpc"));
        request.headers_mut().insert("grpc-encoding", "identity".parse().unwrap());
        assert!(check(&request, Some(&known)).is_ok());
        request.headers_mut().append("grpc-encoding", "gzip".parse().unwrap());
        let refused = check(&request, Some(&known));
        let Err(Refusal::Grpc(status)) = &refused else { panic!("{refused:?}") };
        assert_eq!(status.metadata().get("grpc-accept-encoding").unwrap(), "identity");
        assert_eq!(reason(refused), (Code::Unimplemented, "COMPRESSION_UNSUPPORTED".into()));
    }

    #[test]
    fn an_unknown_method_is_unimplemented() {
        let refused = check(&request("POST", Some("application/grpc")), None);
        assert_eq!(reason(refused), (Code::Unimplemented, "METHOD_UNKNOWN".into()));
    }

    #[test]
    fn metadata_is_counted_as_http2_counts_it() {
        let mut request = request("POST", Some("application/grpc"));
        let used = metadata_size(request.headers());
        let fill = |n: usize| http::HeaderValue::from_str(&"x".repeat(n)).unwrap();
        request.headers_mut().insert("k", fill(METADATA_LIMIT - used - 33));
        assert!(check(&request, Some(&known())).is_ok(), "exactly the limit");
        request.headers_mut().insert("k", fill(METADATA_LIMIT - used - 32));
        assert_eq!(
            reason(check(&request, Some(&known()))),
            (Code::ResourceExhausted, "METADATA_TOO_LARGE".into())
        );
    }

    #[test]
    fn methods_are_read_from_descriptors() {
        let methods = Methods::of_descriptors([tonic_health::pb::FILE_DESCRIPTOR_SET]).unwrap();
        let check = methods.find("/grpc.health.v1.Health/Check").unwrap();
        assert_eq!((&*check.name, check.client_streaming), ("grpc.health.v1.Health/Check", false));
        let methods = methods.lasting(["/grpc.health.v1.Health/Watch", "/a.B/Unknown"]);
        let lasting =
            |name| methods.find(&format!("/grpc.health.v1.Health/{name}")).unwrap().lasting;
        assert!(lasting("Watch") && !lasting("Check"));
        assert!(methods.find("/grpc.health.v1.Health/Nothing").is_none());
        assert!(Methods::of_descriptors([b"noise".as_slice()]).is_err());
    }
}
