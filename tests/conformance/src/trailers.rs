//! Trailers of an answer that is no error, which tonic sends for errors alone: a service leaves them
//! in its response's extensions, and [`send`] puts them beside the status.

use http::HeaderMap;
use http_body_util::BodyExt as _;
use tonic::body::Body;
use tonic::metadata::MetadataMap;

/// What a service leaves in the extensions of its response.
#[derive(Clone, Debug)]
pub(crate) struct Trailers(pub(crate) MetadataMap);

/// Adds what the service left to the trailers of its answer.
pub(crate) fn send(mut response: http::Response<Body>) -> http::Response<Body> {
    let Some(Trailers(metadata)) = response.extensions_mut().remove() else { return response };
    let left: HeaderMap = metadata.into_headers();
    response.map(|body| {
        Body::new(body.map_frame(move |mut frame| {
            if let Some(trailers) = frame.trailers_mut() {
                trailers.extend(left.clone());
            }
            frame
        }))
    })
}
