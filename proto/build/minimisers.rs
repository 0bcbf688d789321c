//! Generates `impl Minimise` for every message from the data classes of its fields.

use std::collections::{BTreeSet, HashSet};

use proc_macro2::{Ident, TokenStream};
use prost_reflect::{FieldDescriptor, MessageDescriptor, OneofDescriptor};
use quote::quote;

use crate::names;
use crate::schema::{self, Contract};

/// The minimisers of all messages.
pub(crate) fn generate(contract: &Contract) -> TokenStream {
    contract.messages().iter().map(|message| of_message(contract, message)).collect()
}

/// The variant of `DataClass` that `field` declares.
pub(crate) fn class(contract: &Contract, field: &FieldDescriptor) -> Ident {
    let class = contract.data_class(field).expect("checked before any code is generated");
    names::option_variant(&class, "DATA_CLASS_")
}

fn of_message(contract: &Contract, message: &MessageDescriptor) -> TokenStream {
    let name = names::message(message);
    let mut classes = BTreeSet::new();
    collect_classes(contract, message, &mut classes, &mut HashSet::new());
    let mut clearing = Vec::new();
    let mut seeing = Vec::new();
    for field in message.fields().filter(|field| schema::oneof_of(field).is_none()) {
        clearing.push(clear_field(contract, &field));
        seeing.push(see_field(contract, &field));
    }
    for oneof in schema::written_oneofs(message) {
        clearing.push(clear_oneof(contract, &oneof));
        seeing.push(see_oneof(contract, &oneof));
    }
    let mutable = (!seeing.is_empty()).then(|| quote!(mut));
    quote! {
        impl Minimise for #name {
            const CLASSES: ClassSet = ClassSet::of(&[#(DataClass::#classes),*]);

            fn minimise(&mut self, granted: ClassSet) {
                if granted.contains_all(Self::CLASSES) {
                    return;
                }
                #(#clearing)*
            }

            fn classes_present(&self) -> ClassSet {
                let #mutable present = ClassSet::NONE;
                #(#seeing)*
                present
            }
        }
    }
}

/// Every class of a message and of the messages inside it.
fn collect_classes(
    contract: &Contract,
    message: &MessageDescriptor,
    classes: &mut BTreeSet<Ident>,
    seen: &mut HashSet<String>,
) {
    if !seen.insert(message.full_name().to_owned()) {
        return;
    }
    for field in message.fields() {
        classes.insert(class(contract, &field));
        if let Some(held) = schema::held_message(&field) {
            collect_classes(contract, &held, classes, seen);
        }
    }
}

fn clear_field(contract: &Contract, field: &FieldDescriptor) -> TokenStream {
    let (ident, class) = (names::field(field), class(contract, field));
    let inside = schema::held_message(field).map(|_| match field.is_list() {
        true => quote!(else { minimise_list(&mut self.#ident, granted); }),
        false => quote!(else { minimise_held(&mut self.#ident, granted); }),
    });
    quote! {
        if !granted.contains(DataClass::#class) {
            self.#ident = Default::default();
        } #inside
    }
}

fn clear_oneof(contract: &Contract, oneof: &OneofDescriptor) -> TokenStream {
    let ident = names::oneof_field(oneof);
    let arms = oneof.fields().map(|field| {
        let (variant, class) = (names::oneof_variant(&field), class(contract, &field));
        match schema::held_message(&field) {
            Some(_) => quote! {
                Some(#variant(value)) => {
                    granted.contains(DataClass::#class) && keeps(value, granted)
                }
            },
            None => quote!(Some(#variant(_)) => granted.contains(DataClass::#class),),
        }
    });
    quote! {
        let kept = match &mut self.#ident {
            None => true,
            #(#arms)*
        };
        if !kept {
            self.#ident = None;
        }
    }
}

fn see_field(contract: &Contract, field: &FieldDescriptor) -> TokenStream {
    let (ident, class) = (names::field(field), class(contract, field));
    let with_class = quote!(present = present.with(DataClass::#class));
    match (schema::held_message(field).is_some(), field.is_list()) {
        (true, true) => quote! {
            for value in &self.#ident {
                #with_class.union(value.classes_present());
            }
        },
        (true, false) => quote! {
            if let Some(value) = &self.#ident {
                #with_class.union(value.classes_present());
            }
        },
        (false, _) if names::is_optional(field) => quote! {
            if self.#ident.is_some() {
                #with_class;
            }
        },
        (false, _) => {
            let zero = names::is_zero(field, &quote!(value));
            quote! {
                {
                    let value = &self.#ident;
                    if !(#zero) {
                        #with_class;
                    }
                }
            }
        }
    }
}

fn see_oneof(contract: &Contract, oneof: &OneofDescriptor) -> TokenStream {
    let ident = names::oneof_field(oneof);
    let arms = oneof.fields().map(|field| {
        let (variant, class) = (names::oneof_variant(&field), class(contract, &field));
        let with_class = quote!(present = present.with(DataClass::#class));
        match schema::held_message(&field) {
            Some(_) => {
                quote!(Some(#variant(value)) => #with_class.union(value.classes_present()),)
            }
            None => quote!(Some(#variant(_)) => #with_class,),
        }
    });
    quote! {
        match &self.#ident {
            None => {}
            #(#arms)*
        }
    }
}
