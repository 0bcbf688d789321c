//! What operators do with the ways to the ministries, and with what is on its way.

use desmigratif_core::access::{AgencyKind, Classes};
use desmigratif_core::adapter::Adapter;
use desmigratif_core::ports::ministry::Condition;
use desmigratif_core::ports::store::Expect;
use desmigratif_core::ports::store::outbox::{Backlog, DeliveryState, Filter, Order, Status};
use desmigratif_core::record::{Key, Kind, Record};

use super::{Change, Error, Exchange};

/// At most so many deliveries are put back by one call.
const MOST_REPLAYED: u32 = 1_000;

/// How the way to a ministry is doing.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterView {
    /// The ministry.
    pub ministry: AgencyKind,
    /// Protocol and condition; `None` when the ministry is not connected.
    pub connected: Option<(&'static str, Condition)>,
    /// What has not reached it.
    pub backlog: Backlog,
    /// Why deliveries are paused, if they are.
    pub paused: Option<String>,
}

/// Which dead deliveries are put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those with these ids, as far as they are dead.
    Ids(Vec<u64>),
    /// Those to this ministry.
    To(AgencyKind),
}

/// What is put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// How many.
    pub count: u32,
    /// Whether more are left than one call takes.
    pub remaining: bool,
}

impl Exchange {
    /// The ways to all ministries that are connected or have something to get.
    ///
    /// # Errors
    /// [`Error::JournalUnavailable`].
    pub async fn adapters(&self) -> Result<Vec<AdapterView>, Error> {
        let backlogs = self.store.backlogs().await?;
        let mut views = Vec::new();
        for ministry in AgencyKind::ALL {
            let backlog = backlogs.iter().find(|backlog| backlog.to == ministry).copied();
            let connected = self.ministries.get(ministry);
            let paused = self.paused(ministry).await?;
            if backlog.is_none() && connected.is_none() && paused.is_none() {
                continue;
            }
            let none = Backlog { to: ministry, waiting: 0, dead: 0, oldest: None };
            views.push(AdapterView {
                ministry,
                connected: connected.map(|it| (it.protocol, it.ministry.condition())),
                backlog: backlog.unwrap_or(none),
                paused,
            });
        }
        Ok(views)
    }

    /// Why deliveries to a ministry are paused, if they are.
    ///
    /// # Errors
    /// [`Error::JournalUnavailable`].
    pub async fn paused(&self, ministry: AgencyKind) -> Result<Option<String>, Error> {
        let key = Key { kind: Kind::Adapter, id: ministry.as_str().to_owned() };
        Ok(match self.store.get(&key).await?.map(|stored| stored.record) {
            Some(Record::Adapter(adapter)) => adapter.paused,
            _ => None,
        })
    }

    /// Decides on pausing deliveries to a ministry, or on letting them go on.
    #[must_use]
    pub fn pause(&self, ministry: AgencyKind, paused: Option<String>) -> Change {
        let record = Record::Adapter(Adapter { ministry, paused });
        Change { writes: vec![(record, Expect::Any)], ..operators(Vec::new()) }
    }

    /// The deliveries that meet a filter.
    ///
    /// # Errors
    /// [`Error::JournalUnavailable`].
    pub async fn deliveries(&self, filter: &Filter) -> Result<Vec<Status>, Error> {
        Ok(self.store.deliveries(filter).await?)
    }

    /// Decides on putting dead deliveries back.
    ///
    /// # Errors
    /// [`Error::JournalUnavailable`].
    pub async fn replay(&self, which: &Which) -> Result<(Change, Replayed), Error> {
        let dead = |to, after, limit| Filter { to, state: Some(DeliveryState::Dead), after, limit };
        let mut found = Vec::new();
        match which {
            Which::To(ministry) => {
                let filter = dead(Some(*ministry), None, MOST_REPLAYED + 1);
                found.extend(self.store.deliveries(&filter).await?);
            }
            Which::Ids(ids) => {
                for id in ids {
                    let filter = dead(None, id.checked_sub(1), 1);
                    let status = self.store.deliveries(&filter).await?;
                    found.extend(status.into_iter().filter(|status| status.id == *id));
                }
                found.dedup_by_key(|status| status.id);
            }
        }
        let remaining = found.len() > MOST_REPLAYED as usize;
        found.truncate(MOST_REPLAYED as usize);
        let orders: Vec<_> = found.iter().map(|status| Order::Replay { id: status.id }).collect();
        let count = u32::try_from(orders.len()).unwrap_or(MOST_REPLAYED);
        Ok((operators(orders), Replayed { count, remaining }))
    }

    /// Decides on giving a delivery up. That it exists and is not settled shows at the commit.
    #[must_use]
    pub fn discard(&self, id: u64, reason: String) -> Change {
        operators(vec![Order::Discard { id, reason }])
    }
}

/// A change of an operator's: it concerns nobody's data.
pub(super) const fn operators(orders: Vec<Order>) -> Change {
    Change {
        writes: Vec::new(),
        unchanged: Vec::new(),
        orders,
        erase: None,
        subjects: Vec::new(),
        classes: Classes::NONE,
    }
}
