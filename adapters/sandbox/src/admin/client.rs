//! The admin endpoint's client, for the command line.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use desmigratif_core::access::AgencyKind;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{NewFault, Status, whole_milliseconds};
use crate::fault::Fault;

/// The longest that a call may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer that is read. A million keys with their counts fit.
const LONGEST: usize = 64 * 1024 * 1024;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers there.
    #[error("no sandbox answers at {0}")]
    Unreachable(SocketAddr),
    /// The sandbox refused; its own words.
    #[error("the sandbox refused: {0}")]
    Refused(String),
    /// What answers is no sandbox, or one of another version.
    #[error("what answers at {0} is not this version's sandbox")]
    NotASandbox(SocketAddr),
}

/// A client of the admin endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    address: SocketAddr,
}

impl Client {
    /// A client of the endpoint at an address. Connects for each call.
    #[must_use]
    pub const fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// How the sandbox stands.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn status(&self) -> Result<Status, Error> {
        self.read("/status").await
    }

    /// How often each delivery key had an effect at a ministry.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn effects(&self, ministry: AgencyKind) -> Result<BTreeMap<String, u64>, Error> {
        self.read(&format!("/effects/{}", ministry.as_str())).await
    }

    /// Puts a fault in force, for a time or for good.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn set(
        &self,
        ministry: AgencyKind,
        fault: Fault,
        time: Option<Duration>,
    ) -> Result<(), Error> {
        let wanted = NewFault {
            fault: fault.name().to_owned(),
            milliseconds: fault.duration().map(whole_milliseconds),
            seconds: time.map(|time| time.as_secs()),
        };
        let body = serde_json::to_vec(&wanted).map_err(|_| Error::NotASandbox(self.address))?;
        let path = format!("/faults/{}", ministry.as_str());
        self.call(Method::PUT, &path, body.into()).await.map(drop)
    }

    /// Lifts a ministry's fault, or every one.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn lift(&self, ministry: Option<AgencyKind>) -> Result<(), Error> {
        let path = ministry.map_or("/faults".to_owned(), |it| format!("/faults/{}", it.as_str()));
        self.call(Method::DELETE, &path, Bytes::new()).await.map(drop)
    }

    /// Expires every access token that was issued.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn expire_tokens(&self) -> Result<(), Error> {
        self.call(Method::DELETE, "/tokens", Bytes::new()).await.map(drop)
    }

    async fn read<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let body = self.call(Method::GET, path, Bytes::new()).await?;
        serde_json::from_slice(&body).map_err(|_| Error::NotASandbox(self.address))
    }

    async fn call(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes, Error> {
        let unreachable = || Error::Unreachable(self.address);
        timeout(PATIENCE, self.exchange(method, path, body)).await.map_err(|_| unreachable())?
    }

    async fn exchange(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes, Error> {
        #[derive(Deserialize)]
        struct Refusal {
            error: String,
        }
        let unreachable = || Error::Unreachable(self.address);
        let not_a_sandbox = || Error::NotASandbox(self.address);
        let stream = TcpStream::connect(self.address).await.map_err(|_| unreachable())?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|_| unreachable())?;
        // Ends with the call. Its errors are the call's too.
        let mut connections = JoinSet::new();
        connections.spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.address.to_string())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|_| not_a_sandbox())?;
        let response = sender.send_request(request).await.map_err(|_| not_a_sandbox())?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LONGEST);
        let body = body.collect().await.map_err(|_| not_a_sandbox())?.to_bytes();
        if status.is_success() {
            return Ok(body);
        }
        match serde_json::from_slice::<Refusal>(&body) {
            Ok(refusal) => Err(Error::Refused(refusal.error)),
            Err(_) => Err(not_a_sandbox()),
        }
    }
}
