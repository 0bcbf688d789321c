//! The client for ministries that speak HTTP.
//!
//! Invariants:
//! - An answer is read up to a size and a moment, whatever its headers say.
//! - No redirect is followed: elsewhere it would carry credentials and personal values away, and
//!   on the same host it may turn a POST into a GET. A 3xx is a [`Reply`] like any other.
//! - No fault holds a URL, a header or a text of the ministry.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use desmigratif_core::ports::ministry::{Fault, FaultKind, Retry};
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Certificate, Client, Method, RequestBuilder, StatusCode, Url, redirect};
use serde::de::DeserializeOwned;

use super::{Settings, late, trace};
use crate::config::ConnectError;

/// Connections that nobody uses are kept for so long.
const IDLE: Duration = Duration::from_secs(60);
/// The most characters of a redacted sample.
const SAMPLE: usize = 200;
/// No pause that a ministry asks for is taken to be longer than this.
const LONGEST_RETRY: Duration = Duration::from_secs(24 * 60 * 60);

/// A client of one ministry, with its pool of connections.
pub(crate) struct Http {
    client: Client,
    base: Url,
    response_bytes: usize,
}

/// A ministry's answer, read whole.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Http {
    /// A client of the service at `base`. With `ca`, only certificates that it signed are
    /// trusted; without, the system's.
    ///
    /// # Errors
    /// [`ConnectError`] when the URL is no HTTP URL, or the CA cannot be read.
    pub(crate) fn new(
        settings: &Settings,
        base: &Url,
        ca: Option<&Path>,
    ) -> Result<Self, ConnectError> {
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(ConnectError::Url);
        }
        let mut builder = Client::builder()
            .connect_timeout(Duration::from_millis(settings.connect_timeout_ms))
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(settings.concurrency as usize)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("desmigratif/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = ca {
            let pem = std::fs::read(path)
                .map_err(|error| ConnectError::File { path: path.to_owned(), error })?;
            let certificates = Certificate::from_pem_bundle(&pem)
                .ok()
                .filter(|certificates| !certificates.is_empty())
                .ok_or_else(|| ConnectError::Ca(path.to_owned()))?;
            builder = builder.tls_certs_only(certificates);
        }
        let client = builder.build().map_err(|error| ConnectError::Client(error.without_url()))?;
        Ok(Self { client, base: base.clone(), response_bytes: settings.response_bytes })
    }

    /// A request to the service's own URL when `path_and_query` is empty, else to one below it.
    pub(crate) fn request(&self, method: Method, path_and_query: &str) -> RequestBuilder {
        let mut url = self.base.clone();
        if !path_and_query.is_empty() {
            let (path, query) = match path_and_query.split_once('?') {
                Some((path, query)) => (path, Some(query)),
                None => (path_and_query, None),
            };
            let base = self.base.path().trim_end_matches('/');
            url.set_path(&format!("{base}/{}", path.trim_start_matches('/')));
            url.set_query(query);
        }
        self.client.request(method, url)
    }

    /// Sends a request and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// [`FaultKind::Timeout`] at the deadline, [`FaultKind::Unavailable`] without a connection or
    /// when it breaks, [`FaultKind::Malformed`] when the answer is no HTTP or too large.
    pub(crate) async fn send(
        &self,
        request: RequestBuilder,
        deadline: Instant,
    ) -> Result<Reply, Fault> {
        let exchange = async {
            let mut response =
                request.headers(trace::headers()).send().await.map_err(transport_fault)?;
            let mut body = BytesMut::new();
            while let Some(chunk) = response.chunk().await.map_err(transport_fault)? {
                if body.len() + chunk.len() > self.response_bytes {
                    return Err(Fault::new(
                        FaultKind::Malformed,
                        Retry::Safe,
                        "the answer is larger than allowed",
                    ));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Reply {
                status: response.status(),
                headers: std::mem::take(response.headers_mut()),
                body: body.freeze(),
            })
        };
        tokio::time::timeout_at(deadline.into(), exchange)
            .await
            .unwrap_or_else(|_| Err(late("no answer in time")))
    }
}

impl Reply {
    /// Reads the body as JSON.
    ///
    /// # Errors
    /// [`FaultKind::Malformed`]. The shape of what was read goes to the log, its content nowhere.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let what = if self.body.trim_ascii_start().starts_with(b"<") {
                "the answer is HTML or XML, not JSON"
            } else if error.is_data() {
                "the answer is JSON of another shape"
            } else {
                "the answer is not JSON"
            };
            tracing::debug!(status = self.status.as_u16(), sample = shape(&self.body), "{what}");
            Fault::new(FaultKind::Malformed, Retry::Safe, what)
        })
    }

    /// The fault of a status that says that the call failed.
    pub(crate) fn fault(&self) -> Fault {
        let after = self.retry_after();
        let later = after.map_or(Retry::Safe, Retry::After);
        let (kind, retry) = match self.status.as_u16() {
            429 => (FaultKind::Quota, Retry::After(after.unwrap_or(Duration::from_secs(1)))),
            401 | 403 => (FaultKind::Credentials, Retry::Never),
            408 | 500.. => (FaultKind::Unavailable, later),
            400..500 => (FaultKind::Rejected, Retry::Never),
            // Not a failure by its status, or a redirect: the protocol has neither here.
            _ => (FaultKind::Malformed, Retry::Safe),
        };
        Fault::new(kind, retry, format!("HTTP {}", self.status.as_u16()))
    }

    /// The pause that the ministry asks for. A date is taken by the ministry's own clock, where it
    /// shows that.
    fn retry_after(&self) -> Option<Duration> {
        let text = |name| self.headers.get(name).and_then(|value| value.to_str().ok());
        let value = text(RETRY_AFTER)?.trim();
        let pause = if let Ok(seconds) = value.parse() {
            Duration::from_secs(seconds)
        } else {
            let until = httpdate::parse_http_date(value).ok()?;
            let now = text(DATE)
                .and_then(|date| httpdate::parse_http_date(date).ok())
                .unwrap_or_else(SystemTime::now);
            until.duration_since(now).unwrap_or(Duration::ZERO)
        };
        Some(pause.min(LONGEST_RETRY))
    }
}

/// The fault of an exchange that broke off. The error's own text is left behind: it holds the URL.
fn transport_fault(error: reqwest::Error) -> Fault {
    let error = error.without_url();
    let untrusted = std::iter::successors(error.source(), |&error| cause(error))
        .any(|cause| matches!(cause.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))));
    let what = if untrusted {
        "the ministry's certificate is not trusted"
    } else if error.is_connect() {
        "no connection"
    } else if error.is_timeout() {
        return late("no answer in time");
    } else if error.is_builder() {
        return Fault::new(FaultKind::Rejected, Retry::Never, "no request can be made of it");
    } else {
        "the connection broke"
    };
    Fault::new(FaultKind::Unavailable, Retry::Safe, what)
}

/// What is behind an error. An `io::Error` shows its inner error's source as its own, and so hides
/// the inner error.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<std::io::Error>() {
        Some(error) => error.get_ref().map(|inner| inner as _),
        None => error.source(),
    }
}

/// The shape of a text, for a log: letters become `a`, digits `9`, and it is cut.
pub(super) fn shape(body: &[u8]) -> String {
    let head = &body[..body.len().min(4 * SAMPLE)];
    String::from_utf8_lossy(head)
        .chars()
        .take(SAMPLE)
        .map(|char| match char {
            _ if char.is_numeric() => '9',
            _ if char.is_ascii_punctuation() || char == ' ' => char,
            _ if char.is_whitespace() || char.is_control() => ' ',
            _ => 'a',
        })
        .collect()
}
