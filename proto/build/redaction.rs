//! Generates `impl Debug` for every message: public fields in clear, all others as `..`.
//!
//! A message that slips into a log, a panic or a failed assertion thus discloses nothing personal,
//! not even whether a field is set (of a oneof, which member).

use heck::ToUpperCamelCase;
use proc_macro2::TokenStream;
use prost_reflect::{FieldDescriptor, MessageDescriptor, OneofDescriptor};
use quote::quote;

use crate::minimisers::class;
use crate::names;
use crate::schema::{self, Contract};

/// The `Debug` of all messages, their oneofs and all enums.
pub(crate) fn generate(contract: &Contract) -> TokenStream {
    let messages = contract.messages();
    let oneofs = messages.iter().flat_map(schema::written_oneofs);
    let of_messages: TokenStream = messages.iter().map(|it| of_message(contract, it)).collect();
    let of_oneofs: TokenStream = oneofs.map(|it| of_oneof(contract, &it)).collect();
    let of_enums: TokenStream = contract
        .enums()
        .iter()
        .map(|of_enum| {
            let name = names::enumeration(of_enum);
            quote! {
                impl fmt::Debug for #name {
                    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(self.as_str_name())
                    }
                }
            }
        })
        .collect();
    quote!(#of_messages #of_oneofs #of_enums)
}

fn of_message(contract: &Contract, message: &MessageDescriptor) -> TokenStream {
    let (name, title) = (names::message(message), message.name());
    let fields = message.fields().filter(|field| schema::oneof_of(field).is_none()).map(|field| {
        let (ident, label) = (names::field(&field), field.name());
        let shown = shown(contract, &field, &quote!(&self.#ident));
        quote!(.field(#label, #shown))
    });
    let oneofs = schema::written_oneofs(message).into_iter().map(|oneof| {
        let (ident, label) = (names::oneof_field(&oneof), oneof.name());
        quote!(.field(#label, &self.#ident))
    });
    quote! {
        impl fmt::Debug for #name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(#title) #(#fields)* #(#oneofs)* .finish()
            }
        }
    }
}

fn of_oneof(contract: &Contract, oneof: &OneofDescriptor) -> TokenStream {
    let name = names::oneof(oneof);
    let arms = oneof.fields().map(|field| {
        let (variant, label) = (names::oneof_variant(&field), field.name().to_upper_camel_case());
        let shown = shown(contract, &field, &quote!(value));
        let value = if is_public(contract, &field) { quote!(value) } else { quote!(_) };
        quote!(#variant(#value) => f.debug_tuple(#label).field(#shown).finish(),)
    });
    quote! {
        impl fmt::Debug for #name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    #(#arms)*
                }
            }
        }
    }
}

/// What `Debug` is given to show for a field.
fn shown(contract: &Contract, field: &FieldDescriptor, value: &TokenStream) -> TokenStream {
    match is_public(contract, field) {
        true => value.clone(),
        false => quote!(&format_args!("..")),
    }
}

fn is_public(contract: &Contract, field: &FieldDescriptor) -> bool {
    class(contract, field) == "Public"
}
