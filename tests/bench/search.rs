//! Misspelled names of villages, the same in every run.

use std::time::{Duration, Instant};

use anyhow::Result;
use desmigratif_proto::village::v1::SearchVillagesRequest;
use desmigratif_proto::village::v1::village_service_client::VillageServiceClient;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::clients::{KEMNAKER, Village};
use crate::closed_loop::quantile;
use crate::process::Gateway;
use crate::table::Table;

/// How many names are searched.
const SEARCHES: usize = 2000;

/// One caller searches one misspelled name after another.
pub(crate) async fn search_villages(
    gateway: &Gateway,
    villages: &[Village],
    table: &mut Table,
) -> Result<()> {
    let mut client = VillageServiceClient::new(gateway.connect(KEMNAKER).await?);
    let mut rng = StdRng::seed_from_u64(83_762);
    let mut latencies: Vec<Duration> = Vec::with_capacity(SEARCHES);
    let mut found = 0;
    while latencies.len() < SEARCHES {
        let name = villages[rng.random_range(0..villages.len())].name.as_str();
        let query = misspelled(name, &mut rng);
        if query.trim().chars().count() < 2 {
            continue;
        }
        let request = SearchVillagesRequest { query, ..Default::default() };
        let begun = Instant::now();
        let hits = client.search_villages(request).await?.into_inner().hits;
        latencies.push(begun.elapsed());
        found += usize::from(hits.iter().any(|hit| {
            hit.village.as_ref().is_some_and(|village| village.name.eq_ignore_ascii_case(name))
        }));
    }
    latencies.sort_unstable();
    let part = found as f64 / SEARCHES as f64;
    table.search_villages(quantile(&latencies, 0.5), quantile(&latencies, 0.99), part);
    Ok(())
}

/// A name with one or two slips of the finger: letters swapped, dropped or put in.
fn misspelled(name: &str, rng: &mut StdRng) -> String {
    let mut letters: Vec<char> = name.chars().collect();
    for _ in 0..rng.random_range(1..=2) {
        let at = rng.random_range(0..letters.len());
        match rng.random_range(0..3) {
            0 if at + 1 < letters.len() => letters.swap(at, at + 1),
            1 if letters.len() > 3 => drop(letters.remove(at)),
            _ => letters.insert(at, char::from(rng.random_range(b'a'..=b'z'))),
        }
    }
    letters.into_iter().collect()
}
