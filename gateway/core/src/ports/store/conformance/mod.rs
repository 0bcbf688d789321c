//! What every engine of the store port must do, as functions that panic where one does not.
//!
//! Each function is one behaviour. It gets an empty store and the clock that the store reads,
//! and needs no runtime of its own: the engine's tests bring theirs. Not here: what only a
//! particular engine can be asked, such as how it refuses a damaged file.

#![allow(clippy::unwrap_used, reason = "a suite panics where an engine breaks its word")]

mod commits;
mod credentials;
mod erasure;
mod expectations;
mod journal;
mod lists;
mod log;
mod model;
mod outbox;
mod repetitions;
mod samples;
mod trail;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use super::Store;
use crate::ports::clock::SetClock;

pub use model::agrees_with_a_model;

type Run<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
type Behaviour = for<'a> fn(&'a dyn Store, &'a SetClock) -> Run<'a>;

const BEHAVIOURS: [Behaviour; 66] = [
    |store, _| Box::pin(commits::a_commit_writes_all_its_parts(store)),
    |store, _| Box::pin(commits::a_record_comes_back_as_it_was_written(store)),
    |store, _| Box::pin(commits::a_commit_without_records_is_an_entry(store)),
    |store, _| Box::pin(commits::a_crowd_gets_dense_indices(store)),
    |store, _| Box::pin(commits::one_of_a_crowd_fails_alone(store)),
    |store, _| Box::pin(commits::one_of_many_changes_to_a_version_succeeds(store)),
    |store, _| Box::pin(expectations::an_absent_record_is_new(store)),
    |store, _| Box::pin(expectations::a_version_must_be_the_last(store)),
    |store, _| Box::pin(expectations::anything_may_be_expected(store)),
    |store, _| Box::pin(expectations::what_a_rule_was_judged_by_must_be_unchanged(store)),
    |store, _| Box::pin(expectations::an_alias_is_unique_within_its_kind(store)),
    |store, _| Box::pin(expectations::an_alias_follows_its_record(store)),
    |store, _| Box::pin(expectations::a_refused_commit_changes_nothing(store)),
    |store, _| Box::pin(expectations::a_commit_that_contradicts_itself_is_refused(store)),
    |store, _| Box::pin(repetitions::a_repetition_gets_the_first_answer(store)),
    |store, _| Box::pin(repetitions::a_crowd_of_repetitions_has_one_effect(store)),
    |store, _| Box::pin(repetitions::an_id_is_not_for_another_body(store)),
    |store, _| Box::pin(repetitions::ids_of_different_agencies_never_meet(store)),
    |store, _| Box::pin(repetitions::a_refused_request_may_come_again(store)),
    |store, clock| Box::pin(repetitions::an_answer_is_kept_for_thirty_days(store, clock)),
    |store, clock| Box::pin(repetitions::expired_answers_make_room(store, clock)),
    |store, _| Box::pin(journal::entries_come_in_pages_without_gap(store)),
    |store, _| Box::pin(journal::an_entry_keeps_every_part(store)),
    |store, _| Box::pin(journal::receipts_prove_entries(store)),
    |store, clock| Box::pin(journal::time_never_goes_back(store, clock)),
    |store, _| Box::pin(journal::deliveries_wait_for_their_ministry(store)),
    |store, _| Box::pin(journal::a_sound_store_verifies(store)),
    |store, _| Box::pin(credentials::an_entry_names_what_its_caller_was_admitted_with(store)),
    |store, _| Box::pin(credentials::chains_and_lists_are_kept_once_for_all_entries(store)),
    |store, _| Box::pin(credentials::a_signature_goes_with_the_person_whom_it_is_about(store)),
    |store, clock| Box::pin(outbox::what_is_due_is_leased_once(store, clock)),
    |store, clock| Box::pin(outbox::a_lease_runs_out(store, clock)),
    |store, clock| Box::pin(outbox::a_lease_that_was_lost_settles_nothing(store, clock)),
    |store, clock| Box::pin(outbox::a_person_s_deliveries_keep_their_order(store, clock)),
    |store, clock| Box::pin(outbox::a_failed_one_holds_back_its_own_line_alone(store, clock)),
    |store, clock| Box::pin(outbox::an_attempt_that_was_none_does_not_count(store, clock)),
    |store, clock| Box::pin(outbox::each_delivery_brings_its_own_version(store, clock)),
    |store, clock| Box::pin(outbox::a_newer_version_makes_older_ones_needless(store, clock)),
    |store, clock| Box::pin(outbox::the_dead_can_be_put_back(store, clock)),
    |store, clock| Box::pin(outbox::a_delivery_can_be_given_up(store, clock)),
    |store, clock| Box::pin(outbox::deliveries_are_listed_in_pages(store, clock)),
    |store, _| Box::pin(erasure::an_erased_person_is_gone(store)),
    |store, _| Box::pin(erasure::what_of_an_erased_person_still_waits_is_discarded(store)),
    |store, _| Box::pin(erasure::erasing_tells_nothing_and_may_be_repeated(store)),
    |store, _| Box::pin(erasure::an_erased_person_may_come_back_as_another(store)),
    |store, _| Box::pin(log::leaf_hashes_are_those_of_the_receipts(store)),
    |store, _| Box::pin(log::a_tile_grows_and_never_shrinks(store)),
    |store, _| Box::pin(log::checkpoints_are_found_by_what_they_cover(store)),
    |store, _| Box::pin(log::the_last_witnessed_checkpoint_is_found_behind_later_ones(store)),
    |store, _| Box::pin(log::of_old_checkpoints_one_an_hour_stays_and_the_last_witnessed(store)),
    |store, _| Box::pin(log::a_checkpoint_with_a_timestamp_is_found_and_stays(store)),
    |store, _| Box::pin(log::a_checkpoint_keeps_its_root(store)),
    |store, _| Box::pin(log::successions_are_kept_once_and_in_order(store)),
    |store, _| Box::pin(trail::entries_about_a_person_come_newest_first(store)),
    |store, _| Box::pin(trail::an_entry_about_several_is_found_by_each_of_them_once(store)),
    |store, _| Box::pin(trail::the_trail_of_an_erased_person_stays(store)),
    |store, clock| Box::pin(trail::an_agency_s_entries_tell_whom_they_exposed(store, clock)),
    |store, _| Box::pin(credentials::a_certificate_s_entries_tell_whom_they_exposed(store)),
    |store, _| Box::pin(lists::every_filter_finds_its_own(store)),
    |store, _| Box::pin(lists::filters_narrow_each_other(store)),
    |store, _| Box::pin(lists::pages_join_without_gap_or_double(store)),
    |store, _| Box::pin(lists::a_change_moves_a_record_between_lists(store)),
    |store, clock| Box::pin(lists::a_tally_counts_by_state(store, clock)),
    |store, _| Box::pin(lists::a_tally_counts_by_facet(store)),
    |store, _| Box::pin(lists::records_are_counted_place_by_place(store)),
    |store, _| Box::pin(lists::the_fullest_places_come_first(store)),
];

/// Runs the whole suite. `fresh` gives an empty store that reads the clock it is handed; the
/// store is dropped before the next one is asked for.
///
/// # Panics
/// At the first behaviour that the engine does not show.
pub async fn run_all<S: Store>(fresh: impl AsyncFn(Arc<SetClock>) -> S) {
    for behaviour in BEHAVIOURS {
        let clock = Arc::new(SetClock::at(samples::noon()));
        let store = fresh(Arc::clone(&clock)).await;
        behaviour(&store, &clock).await;
    }
}

/// Drives futures side by side, like callers who come at the same time.
async fn together<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut all: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    poll_fn(|context| {
        let mut waiting = false;
        for (future, output) in &mut all {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(done) => *output = Some(done),
                    Poll::Pending => waiting = true,
                }
            }
        }
        if waiting { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    all.into_iter().map(|(_, output)| output.expect("none is waiting any more")).collect()
}
