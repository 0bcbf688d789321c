//! The connector: a ministry that runs the exchange's own contract, `ConnectorService`, on its side,
//! since it has no interface of its own.
//!
//! The gateway is the client, over gRPC and mutual TLS. A lost connection is made again by the next
//! call. What the ministry's answers mean is in [`fault`].
//!
//! Invariants:
//! - Every call of the contract is idempotent, so that the kit may repeat any.
//! - A call ends by its deadline, which the ministry is told too (`grpc-timeout`).
//! - Only what the ministry itself said counts as refused; see [`answered`].

mod answered;
mod fault;
#[cfg(test)]
mod fuzz;
mod link;
#[cfg(test)]
mod tests;
pub mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use desmigratif_core::access::AgencyKind;
use desmigratif_core::clearance::{ClearanceStatus, Validity, ValidityPolicy};
use desmigratif_core::ports::clock::Clock;
use desmigratif_core::ports::ministry::{
    Answer, ClearanceFile, Condition, Content, Fault, FaultKind, Ministry, Parcel, Question,
    Workforce,
};
use desmigratif_proto::connector::v1 as contract;
use desmigratif_proto::connector::v1::connector_service_client::ConnectorServiceClient;
use http::Uri;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use rustls::pki_types::ServerName;
use serde::{Deserialize, Serialize};
use tonic::transport::Endpoint;
use tonic::{Request, Response, Status};
use url::Url;

use self::answered::{Answered, Watch};
use self::link::{Files, Link};
use crate::config::{self, ConnectError};
use crate::upstream::{self, Upstream, trace};

/// The village that a probe asks about: Kenanga in Indramayu, one of the programme's pilots. The
/// answer is four numbers and concerns nobody.
const PROBED_VILLAGE: &str = "32.12.16.2004";

/// How long a connection may be silent while a call waits before it is tested by a ping.
const PING_AFTER: Duration = Duration::from_secs(10);
/// How long the ping's answer may take before the connection is given up.
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest time that a ministry is told it has, so that the header can always be written.
const LONGEST_CALL: Duration = Duration::from_secs(3600);

/// How a connector is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where: `https://host:port`, and nothing after it.
    pub url: Url,
    /// The name in the server's certificate; the URL's host unless it is set.
    pub server_name: Option<String>,
    /// The CA of the server's certificate, PEM. No other counts.
    pub ca: PathBuf,
    /// The exchange's certificate towards this ministry, with its chain, PEM. Renewed files count
    /// from the next connection on.
    pub certificate: PathBuf,
    /// The key of the certificate, PEM.
    pub key: PathBuf,
    /// How calls are limited and repeated.
    #[serde(default)]
    pub upstream: upstream::Settings,
}

impl Settings {
    /// Takes relative paths from `folder` on.
    pub fn resolve(&mut self, folder: &Path) {
        for path in [&mut self.ca, &mut self.certificate, &mut self.key] {
            config::resolve(path, folder);
        }
    }
}

/// The adapter of a ministry with a connector. Connects with the first call.
///
/// # Errors
/// Settings or certificate files that cannot be used.
pub fn connect(
    ministry: AgencyKind,
    settings: &Settings,
    clock: Arc<dyn Clock>,
) -> Result<impl Ministry + use<>, ConnectError> {
    let (link, endpoint) = way(settings)?;
    let link = Arc::new(link);
    let connecting = Arc::clone(&link);
    let channel = endpoint.connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
        let link = Arc::clone(&connecting);
        async move { link.connect().await.map(TokioIo::new) }
    }));
    let client = ConnectorServiceClient::new(Watch(channel))
        .max_decoding_message_size(settings.upstream.response_bytes);
    let upstream = Upstream::new(ministry, &settings.upstream, clock);
    Ok(Connector { client, link, upstream })
}

/// The way that settings describe.
fn way(settings: &Settings) -> Result<(Link, Endpoint), ConnectError> {
    let url_is_wrong =
        || ConnectError::Setting { name: "url", rule: "https://host:port, and nothing after it" };
    let Settings { url, server_name, ca, certificate, key, upstream } = settings;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let login = !url.username().is_empty() || url.password().is_some();
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return Err(url_is_wrong());
    };
    if url.scheme() != "https" || !bare || login {
        return Err(url_is_wrong());
    }
    // An IPv6 address stands in brackets in a URL and nowhere else.
    let bare_host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = server_name.clone().unwrap_or_else(|| bare_host.clone());
    let name = ServerName::try_from(name).map_err(|_| ConnectError::Setting {
        name: "server_name",
        rule: "a DNS name or an IP address",
    })?;
    // To tonic the connection is plain: TLS is the link's, and only the origin says https.
    let uri = |scheme| format!("{scheme}://{host}:{port}").parse::<Uri>();
    let (plain, origin) =
        uri("http").and_then(|plain| Ok((plain, uri("https")?))).map_err(|_| url_is_wrong())?;
    let endpoint = Endpoint::from(plain)
        .origin(origin)
        .connect_timeout(Duration::from_millis(upstream.connect_timeout_ms))
        .http2_keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PING_TIMEOUT);
    let files = Files { ca: ca.clone(), certificate: certificate.clone(), key: key.clone() };
    Ok((Link::new(files, bare_host, port, name)?, endpoint))
}

type Client = ConnectorServiceClient<Watch>;

struct Connector {
    client: Client,
    link: Arc<Link>,
    upstream: Upstream,
}

#[async_trait]
impl Ministry for Connector {
    async fn lookup(&self, question: &Question, deadline: Instant) -> Result<Answer, Fault> {
        match question {
            Question::Workforce { village } => {
                self.workforce(&village.to_string(), deadline).await.map(Answer::Workforce)
            }
            Question::Identity { .. }
            | Question::Facilities { .. }
            | Question::VillageIndex { .. } => {
                Err(Fault::unsupported("a connector is asked about the workforce only"))
            }
        }
    }

    async fn deliver(&self, parcel: &Parcel, deadline: Instant) -> Result<(), Fault> {
        let deliver = |mut client: Client, request| async move { client.deliver(request).await };
        self.call(&to_wire(parcel), deadline, deliver)
            .await
            .map(|contract::DeliverResponse { repeated_key: _ }| ())
    }

    async fn probe(&self, deadline: Instant) -> Result<(), Fault> {
        match self.workforce(PROBED_VILLAGE, deadline).await {
            // A ministry that keeps no such numbers has answered, and has accepted the exchange.
            Err(Fault { kind: FaultKind::Unsupported | FaultKind::Rejected, .. }) => Ok(()),
            answer => answer.map(drop),
        }
    }

    fn condition(&self) -> Condition {
        let certificate_expires = Some(self.link.expires());
        Condition { certificate_expires, ..self.upstream.condition() }
    }
}

impl Connector {
    /// Asks how many workers of a village are at each stage.
    async fn workforce(&self, village: &str, deadline: Instant) -> Result<Workforce, Fault> {
        let question = contract::WorkforceQuestion { village_code: village.to_owned() };
        let request = contract::LookupRequest {
            question: Some(contract::lookup_request::Question::Workforce(question)),
        };
        let lookup = |mut client: Client, request| async move { client.lookup(request).await };
        read_workforce(self.call(&request, deadline, lookup).await?)
    }

    /// Makes a call, as often as the kit lets it.
    async fn call<Q, A, F>(
        &self,
        message: &Q,
        deadline: Instant,
        rpc: impl Fn(Client, Request<Q>) -> F + Send + Sync,
    ) -> Result<A, Fault>
    where
        Q: Clone + Send + Sync,
        F: Future<Output = Result<Response<A>, Status>> + Send,
    {
        let attempt = |until| {
            let (request, answered) = prepare(message.clone(), until);
            let answer = rpc(self.client.clone(), request);
            async move {
                match answer.await {
                    Ok(response) => Ok(response.into_inner()),
                    Err(status) if answered.is_set() => Err(fault::answered(&status)),
                    Err(status) => Err(fault::unanswered(&status, self.link.refused())),
                }
            }
        };
        self.upstream.call(deadline, attempt).await
    }
}

/// Reads the answer to a question about the workforce.
fn read_workforce(response: contract::LookupResponse) -> Result<Workforce, Fault> {
    match response.answer {
        Some(contract::lookup_response::Answer::Workforce(answer)) => Ok(Workforce {
            prospective: answer.prospective,
            ready: answer.ready,
            abroad: answer.abroad,
            returned: answer.returned,
        }),
        None => Err(fault::malformed("the answer is not to the question")),
    }
}

/// A request that the ministry is to answer until then, and the note of whether it did.
fn prepare<Q>(message: Q, until: Instant) -> (Request<Q>, Answered) {
    let answered = Answered::default();
    let mut request = Request::new(message);
    let left = until.saturating_duration_since(tokio::time::Instant::now().into_std());
    request.set_timeout(left.min(LONGEST_CALL));
    request.extensions_mut().insert(answered.clone());
    request.metadata_mut().as_mut().extend(trace::headers());
    (request, answered)
}

/// A parcel, for the wire.
fn to_wire(parcel: &Parcel) -> contract::DeliverRequest {
    use contract::deliver_request::Content as Wire;
    let Parcel { key, entry, at, version, content } = parcel;
    let content = match content {
        Content::Worker(worker) => Wire::Worker(wire::worker(worker, *version, *at)),
        Content::FamilyMember(member) => Wire::FamilyMember(contract::FamilyMemberContent {
            worker_id: member.worker_id.to_string(),
            member: Some(wire::family_member(member)),
        }),
        Content::Clearance(file) => {
            let ClearanceFile { clearance, worker, facility, valid_until } = &**file;
            let status = status_on(file, jakarta_day(*at));
            Wire::Clearance(contract::ClearanceContent {
                nik: worker.nik.expose().to_owned(),
                facility_name: facility.name.clone(),
                clearance: Some(wire::clearance(clearance, *version, *at, status, *valid_until)),
            })
        }
    };
    contract::DeliverRequest {
        delivery_key: key.to_string(),
        entry_index: *entry,
        committed_at: Some(wire::timestamp(*at)),
        version: *version,
        content: Some(content),
    }
}

/// How a clearance stood on the day of its entry, so that every attempt says the same. The last
/// day of validity was decided by the exchange's policy, and is taken from the file.
fn status_on(file: &ClearanceFile, day: Date) -> ClearanceStatus {
    let clearance = &file.clearance;
    let days = file.valid_until.map_or(0, |until| (until - clearance.issued_on).get_days());
    let policy = ValidityPolicy {
        default_validity: Validity::Days(u16::try_from(days).unwrap_or(0)),
        by_destination: std::collections::BTreeMap::new(),
    };
    clearance.status_on(day, &policy)
}

/// The day in the capital's time (WIB, UTC+7), by which dates of validity are counted.
fn jakarta_day(at: Timestamp) -> Date {
    TimeZone::fixed(Offset::constant(7)).to_datetime(at).date()
}
