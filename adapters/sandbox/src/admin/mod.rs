//! The admin endpoint: switches faults and tells the counters of a sandbox that runs elsewhere.
//!
//! Plain HTTP without a login, so it listens on loopback only.
//!
//! | Request | Effect |
//! |---|---|
//! | `GET /status` | ministries, addresses, faults in force, counters ([`Status`]) |
//! | `GET /effects/{ministry}` | how often each delivery key had an effect |
//! | `PUT /faults/{ministry}` | puts a fault in force ([`NewFault`]) |
//! | `DELETE /faults/{ministry}` | lifts it |
//! | `DELETE /faults` | lifts all |
//! | `DELETE /tokens` | expires every access token that was issued |

mod client;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::{Path, State as Shared};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, put};
use axum::{Json, Router};
use bytes::Bytes;
use desmigratif_core::access::AgencyKind;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::fault::{Fault, Switch};
use crate::kemenkes::Tokens;
use crate::ledger::Ledger;
use crate::server::DRAIN;

pub use client::{Client, Error};

/// How the sandbox stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The ministries by name.
    pub ministries: BTreeMap<String, Ministry>,
    /// How many access tokens Kemenkes issued.
    pub tokens_issued: u64,
}

/// How a ministry stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ministry {
    /// Where it listens.
    pub address: SocketAddr,
    /// The fault in force.
    pub fault: Option<NewFault>,
    /// Requests received, those that a fault spoilt included.
    pub calls: u64,
    /// What deliveries had an effect.
    pub effects: Effects,
}

/// What deliveries had an effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effects {
    /// Keys that had one.
    pub keys: u64,
    /// Effects, of all keys together.
    pub total: u64,
    /// Effects of the key that had the most. More than one is a delivery that was doubled.
    pub most: u64,
}

/// A fault to put in force, or one in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewFault {
    /// Its name, of [`Fault::NAMES`].
    pub fault: String,
    /// The wait of a latency, or the time to come back of HTTP 429.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<u64>,
    /// After how many seconds it is lifted by itself, or how many are left; for good without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

/// What the endpoint works on.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) addresses: BTreeMap<&'static str, SocketAddr>,
    pub(crate) switch: Switch,
    pub(crate) ledger: Ledger,
    pub(crate) tokens: Tokens,
}

/// Serves until stopped.
pub(crate) async fn serve(listener: TcpListener, state: State, stop: CancellationToken) {
    let router = Router::new()
        .route("/status", get(status))
        .route("/effects/{ministry}", get(effects))
        .route("/faults/{ministry}", put(set).delete(lift))
        .route("/faults", delete(lift_all))
        .route("/tokens", delete(expire_tokens))
        .with_state(state);
    let drained = async {
        stop.cancelled().await;
        sleep(DRAIN).await;
    };
    let served =
        axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
    tokio::select! {
        ended = served.into_future() => {
            if let Err(error) = ended {
                tracing::error!(%error, "the admin endpoint ended");
            }
        }
        // A request that never comes whole must not hold the stop up.
        () = drained => {}
    }
}

async fn status(Shared(state): Shared<State>) -> Json<Status> {
    let standing = |ministry: AgencyKind| {
        let counts = state.ledger.effects(ministry);
        let effects = Effects {
            keys: counts.len() as u64,
            total: counts.values().sum(),
            most: counts.values().copied().max().unwrap_or_default(),
        };
        let fault = state.switch.with_rest(ministry).map(|(fault, rest)| NewFault {
            fault: fault.name().to_owned(),
            milliseconds: fault.duration().map(whole_milliseconds),
            seconds: rest.map(|rest| rest.as_secs()),
        });
        let calls = state.ledger.calls(ministry);
        let address = *state.addresses.get(ministry.as_str())?;
        Some((ministry.as_str().to_owned(), Ministry { address, fault, calls, effects }))
    };
    let ministries = AgencyKind::MINISTRIES.into_iter().filter_map(standing).collect();
    Json(Status { ministries, tokens_issued: state.ledger.tokens_issued() })
}

async fn effects(Shared(state): Shared<State>, Path(name): Path<String>) -> Response {
    match ministry(&name) {
        Ok(ministry) => Json(state.ledger.effects(ministry)).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn set(Shared(state): Shared<State>, Path(name): Path<String>, body: Bytes) -> Response {
    let put = || {
        let ministry = ministry(&name)?;
        let wanted: NewFault = serde_json::from_slice(&body)
            .map_err(|error| Refusal(StatusCode::BAD_REQUEST, error.to_string()))?;
        let duration = wanted.milliseconds.map(Duration::from_millis);
        let fault = Fault::parse(&wanted.fault, duration).ok_or_else(|| {
            let names = Fault::NAMES.join(", ");
            let text = format!(
                "not a fault with what it needs: the faults are {names}; latency needs \
                 milliseconds, http-429 may have them, the others have none"
            );
            Refusal(StatusCode::BAD_REQUEST, text)
        })?;
        match wanted.seconds {
            Some(seconds) => {
                state.switch.set_for(ministry, fault, Duration::from_secs(seconds));
            }
            None => state.switch.set(ministry, Some(fault)),
        }
        Ok::<_, Refusal>(StatusCode::NO_CONTENT)
    };
    put().into_response()
}

async fn lift(Shared(state): Shared<State>, Path(name): Path<String>) -> Response {
    ministry(&name)
        .map(|ministry| {
            state.switch.set(ministry, None);
            StatusCode::NO_CONTENT
        })
        .into_response()
}

async fn lift_all(Shared(state): Shared<State>) -> StatusCode {
    state.switch.clear();
    StatusCode::NO_CONTENT
}

async fn expire_tokens(Shared(state): Shared<State>) -> StatusCode {
    state.tokens.expire_all();
    StatusCode::NO_CONTENT
}

/// Why a request is refused, as `{"error": ...}`.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(serde_json::json!({ "error": self.1 }))).into_response()
    }
}

fn ministry(name: &str) -> Result<AgencyKind, Refusal> {
    AgencyKind::MINISTRIES.into_iter().find(|it| it.as_str() == name).ok_or_else(|| {
        let names = AgencyKind::MINISTRIES.map(AgencyKind::as_str).join(", ");
        Refusal(StatusCode::NOT_FOUND, format!("no such ministry: there are {names}"))
    })
}

fn whole_milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
