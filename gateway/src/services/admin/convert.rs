//! Adapters and deliveries: wire value <-> domain value.

use std::time::Duration;

use desmigratif_core::access::AgencyKind;
use desmigratif_core::ports::ministry::Breaker;
use desmigratif_core::ports::store::outbox::{DeliveryState, Status};
use desmigratif_core::text::Rule;
use desmigratif_proto::Path;
use desmigratif_proto::admin::v1 as wire_v1;
use desmigratif_proto::common::v1 as common;

use super::super::reading::Reading;
use super::super::wire;
use crate::exchange::AdapterView;

/// A ministry from the wire; the inner is absent when none is stated.
#[allow(clippy::option_option, reason = "the outer is whether reading can go on")]
pub(super) fn read_ministry(
    reading: &mut Reading,
    kind: common::AgencyKind,
) -> Option<Option<AgencyKind>> {
    if kind == common::AgencyKind::Unspecified {
        return Some(None);
    }
    let known = AgencyKind::MINISTRIES.into_iter().find(|it| wire::agency_kind(*it) == kind);
    let rule = Rule::new(
        "MINISTRY_NOT_ONE",
        "must be one of the four ministries",
        "harus salah satu dari empat kementerian",
    );
    reading.take(Path::ROOT.field("ministry"), known.ok_or(rule)).map(Some)
}

/// A state from the wire; `None` when none is stated.
pub(super) const fn read_state(state: wire_v1::DeliveryState) -> Option<DeliveryState> {
    match state {
        wire_v1::DeliveryState::Unspecified => None,
        wire_v1::DeliveryState::Waiting => Some(DeliveryState::Waiting),
        wire_v1::DeliveryState::Delivered => Some(DeliveryState::Delivered),
        wire_v1::DeliveryState::Dead => Some(DeliveryState::Dead),
        wire_v1::DeliveryState::Discarded => Some(DeliveryState::Discarded),
    }
}

const fn state_to_wire(state: DeliveryState) -> wire_v1::DeliveryState {
    match state {
        DeliveryState::Waiting => wire_v1::DeliveryState::Waiting,
        DeliveryState::Delivered => wire_v1::DeliveryState::Delivered,
        DeliveryState::Dead => wire_v1::DeliveryState::Dead,
        DeliveryState::Discarded => wire_v1::DeliveryState::Discarded,
    }
}

/// A delivery, for the wire.
pub(super) fn delivery(status: &Status) -> wire_v1::Delivery {
    let waits = status.state == DeliveryState::Waiting;
    wire_v1::Delivery {
        delivery_id: status.id,
        ministry: wire::agency_kind(status.to).into(),
        record_kind: status.record.kind.as_str().to_owned(),
        record_id: status.record.id.clone(),
        version: status.version,
        entry_index: status.entry,
        state: state_to_wire(status.state).into(),
        attempts: status.attempts,
        reason: status.reason.clone().unwrap_or_default(),
        queued_at: Some(wire::timestamp(status.queued_at)),
        due_at: waits.then(|| wire::timestamp(status.due_at.max(status.queued_at))),
        settled_at: status.settled_at.map(wire::timestamp),
    }
}

/// The way to a ministry, for the wire.
pub(super) fn adapter(view: &AdapterView) -> wire_v1::Adapter {
    let mut adapter = wire_v1::Adapter {
        ministry: wire::agency_kind(view.ministry).into(),
        success_rate: 1.0,
        backlog: view.backlog.waiting,
        dead: view.backlog.dead,
        oldest: view.backlog.oldest.map(wire::timestamp),
        paused_reason: view.paused.clone().unwrap_or_default(),
        ..wire_v1::Adapter::default()
    };
    if let Some((protocol, condition)) = &view.connected {
        adapter.protocol = (*protocol).to_owned();
        adapter.breaker = breaker(condition.breaker).into();
        adapter.calls = condition.calls;
        if condition.calls > 0 {
            adapter.success_rate = 1.0 - condition.failures as f64 / condition.calls as f64;
        }
        adapter.p50 = condition.p50.map(duration);
        adapter.p95 = condition.p95.map(duration);
        adapter.calls_left_today = condition.calls_left_today;
        adapter.token_expires_at = condition.token_expires.map(wire::timestamp);
        adapter.certificate_expires_at = condition.certificate_expires.map(wire::timestamp);
    }
    adapter
}

const fn breaker(breaker: Breaker) -> wire_v1::Breaker {
    match breaker {
        Breaker::Closed => wire_v1::Breaker::Closed,
        Breaker::Open => wire_v1::Breaker::Open,
        Breaker::HalfOpen => wire_v1::Breaker::HalfOpen,
    }
}

/// A duration, for the wire. No call takes longer than the type can say.
fn duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration::try_from(duration).unwrap_or_default()
}
