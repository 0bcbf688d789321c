//! What is left of a message, and what `Debug` shows of it.

use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::fixture::v1::{Leaf, Marker, Shapes, shapes};
use crate::options::v1::DataClass;

fn leaf(value: &str) -> Leaf {
    Leaf { value: value.into() }
}

/// Leaves, now and then an empty one.
fn leaves() -> impl Strategy<Value = Leaf> {
    "[a-z]{0,2}".prop_map(|value| Leaf { value })
}

/// Messages of every shape, nested up to three deep.
fn messages() -> impl Strategy<Value = Shapes> {
    let flat = (
        ("[a-z]{0,3}", proptest::option::of("[a-z]{0,3}"), 0..3_u64, any::<bool>()),
        (proptest::collection::vec(any::<u8>(), 0..3), 0..3_i32),
        proptest::collection::vec("[a-z]{0,2}", 0..3),
        proptest::option::of(leaves()),
        proptest::collection::vec(leaves(), 0..3),
        proptest::option::of(prop_oneof![
            "[a-z]{0,3}".prop_map(shapes::Choice::Text),
            leaves().prop_map(shapes::Choice::Chosen),
            Just(shapes::Choice::Marker(Marker {})),
        ]),
        proptest::option::of((0..2_i32).prop_map(|kind| shapes::Nested { kind })),
    )
        .prop_map(
            |((name, note, count, flag), (digest, colour), tags, leaf, leaves, choice, nested)| {
                Shapes {
                    name,
                    note,
                    count,
                    score: if flag { 0.5 } else { 0.0 },
                    flag,
                    digest,
                    colour,
                    tags,
                    at: flag.then(prost_types::Timestamp::default),
                    leaf,
                    leaves,
                    inner: None,
                    r#type: String::new(),
                    nested,
                    choice,
                }
            },
        );
    flat.prop_recursive(3, 8, 2, |inner| {
        (inner.clone(), inner, any::<bool>()).prop_map(|(mut outer, inner, in_choice)| {
            if in_choice {
                outer.choice = Some(shapes::Choice::Again(Box::new(inner)));
            } else {
                outer.inner = Some(Box::new(inner));
            }
            outer
        })
    })
}

fn sets() -> impl Strategy<Value = ClassSet> {
    any::<u8>().prop_map(ClassSet::from_bits)
}

fn minimised(message: &Shapes, granted: ClassSet) -> Shapes {
    let mut message = message.clone();
    message.minimise(granted);
    message
}

proptest! {
    #[test]
    fn nothing_granted_leaves_no_byte(message in messages()) {
        prop_assert_eq!(minimised(&message, ClassSet::NONE).encode_to_vec(), Vec::<u8>::new());
    }

    #[test]
    fn everything_granted_changes_nothing(message in messages()) {
        prop_assert_eq!(minimised(&message, ClassSet::ALL), message);
    }

    #[test]
    fn only_granted_classes_are_left(message in messages(), granted in sets()) {
        let left = minimised(&message, granted).classes_present();
        prop_assert!(granted.contains_all(left));
        prop_assert!(message.classes_present().contains_all(left));
        prop_assert!(Shapes::CLASSES.contains_all(left));
    }

    #[test]
    fn what_is_granted_and_present_changes_nothing(message in messages()) {
        let present = message.classes_present();
        prop_assert_eq!(minimised(&message, present), message);
    }

    #[test]
    fn minimising_is_idempotent_and_only_ever_removes(
        message in messages(),
        first in sets(),
        second in sets(),
    ) {
        let both = ClassSet::from_bits(first.bits() & second.bits());
        let once = minimised(&message, first);
        prop_assert_eq!(&minimised(&once, first), &once);
        prop_assert_eq!(minimised(&once, second), minimised(&message, both));
    }
}

#[test]
fn a_withheld_message_leaves_neither_itself_nor_its_number() {
    let message = Shapes {
        leaf: Some(leaf("x")),
        leaves: vec![leaf("x"), leaf("y")],
        choice: Some(shapes::Choice::Chosen(leaf("x"))),
        ..Default::default()
    };
    let public = ClassSet::of(&[DataClass::Public]);
    assert_eq!(minimised(&message, public), Shapes::default());
}

#[test]
fn a_message_that_was_empty_before_keeps_its_meaning() {
    let message = Shapes { choice: Some(shapes::Choice::Marker(Marker {})), ..Default::default() };
    assert_eq!(minimised(&message, ClassSet::of(&[DataClass::Public])), message);
}

#[test]
fn a_message_knows_all_its_classes() {
    assert_eq!(Leaf::CLASSES, ClassSet::of(&[DataClass::HealthDetail]));
    assert_eq!(Marker::CLASSES, ClassSet::NONE);
    assert_eq!(Shapes::CLASSES, ClassSet::ALL);
}

#[test]
fn the_class_of_a_field_and_of_what_it_holds_are_both_present() {
    let inner = Shapes { name: "Siti".into(), ..Default::default() };
    let message =
        Shapes { choice: Some(shapes::Choice::Again(Box::new(inner))), ..Default::default() };
    let expected = ClassSet::of(&[DataClass::Family, DataClass::Identity]);
    assert_eq!(message.classes_present(), expected);
}

#[test]
fn debug_shows_public_fields_only() {
    let message = Shapes {
        name: "Siti".into(),
        note: Some("open".into()),
        colour: 1,
        tags: vec!["Budi".into()],
        leaf: Some(leaf("HBsAg")),
        choice: Some(shapes::Choice::Text("081234567890".into())),
        nested: Some(shapes::Nested { kind: shapes::nested::Kind::Only.into() }),
        ..Default::default()
    };
    let shown = format!("{message:?}");
    assert!(shown.contains(r#"note: Some("open")"#) && shown.contains("name: .."), "{shown}");
    assert!(shown.contains("leaf: Some(Leaf { value: .. })"), "{shown}");
    for personal in ["Siti", "Budi", "HBsAg", "0812"] {
        assert!(!shown.contains(personal), "{shown}");
    }
    assert_eq!(format!("{:?}", shapes::nested::Kind::Only), "KIND_ONLY");
}
