//! The Rust names and shapes that prost gives to what the contract declares.
//!
//! The crate's modules follow the packages without their first part: `desmigratif.village.v1` is
//! `crate::village::v1`.

use heck::{ToSnakeCase, ToUpperCamelCase};
use proc_macro2::{Ident, Span, TokenStream};
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor};
use quote::quote;

/// An identifier, raw where `name` is a keyword of Rust.
pub(crate) fn ident(name: &str) -> Ident {
    match name {
        "self" | "Self" | "super" | "crate" | "extern" => {
            Ident::new(&format!("{name}_"), Span::call_site())
        }
        _ => syn::parse_str(name).unwrap_or_else(|_| Ident::new_raw(name, Span::call_site())),
    }
}

/// The field of the Rust struct.
pub(crate) fn field(field: &FieldDescriptor) -> Ident {
    ident(&field.name().to_snake_case())
}

/// The field of the Rust struct that holds a oneof.
pub(crate) fn oneof_field(oneof: &OneofDescriptor) -> Ident {
    ident(&oneof.name().to_snake_case())
}

/// The Rust struct of a message.
pub(crate) fn message(message: &MessageDescriptor) -> TokenStream {
    let scope = scope(message.package_name(), message.parent_message());
    let name = ident(&message.name().to_upper_camel_case());
    quote!(#scope::#name)
}

/// The Rust enum of an enum.
pub(crate) fn enumeration(of_enum: &EnumDescriptor) -> TokenStream {
    let scope = scope(of_enum.package_name(), of_enum.parent_message());
    let name = ident(&of_enum.name().to_upper_camel_case());
    quote!(#scope::#name)
}

/// The Rust enum of a oneof.
pub(crate) fn oneof(oneof: &OneofDescriptor) -> TokenStream {
    let message = oneof.parent_message();
    let scope = scope(message.package_name(), Some(message.clone()));
    let name = ident(&oneof.name().to_upper_camel_case());
    quote!(#scope::#name)
}

/// The variant of the Rust enum of a oneof.
pub(crate) fn oneof_variant(field: &FieldDescriptor) -> TokenStream {
    let oneof_enum = oneof(&field.containing_oneof().expect("only asked of members of a oneof"));
    let variant = ident(&field.name().to_upper_camel_case());
    quote!(#oneof_enum::#variant)
}

/// The variant of an option's enum: "DATA_CLASS_HEALTH_DETAIL" without "DATA_CLASS" is
/// `HealthDetail`.
pub(crate) fn option_variant(value: &str, prefix: &str) -> Ident {
    ident(&value.strip_prefix(prefix).unwrap_or(value).to_upper_camel_case())
}

/// Whether the Rust struct holds the field as `Option`.
pub(crate) fn is_optional(field: &FieldDescriptor) -> bool {
    field.supports_presence() && !field.is_list()
}

/// Whether `value`, a reference to a value that tracks no presence, is the one that proto3 leaves
/// off the wire.
pub(crate) fn is_zero(field: &FieldDescriptor, value: &TokenStream) -> TokenStream {
    if field.is_list() {
        return quote!(#value.is_empty());
    }
    match field.kind() {
        Kind::String | Kind::Bytes => quote!(#value.is_empty()),
        Kind::Bool => quote!(!*#value),
        Kind::Double | Kind::Float => quote!(*#value == 0.0),
        _ => quote!(*#value == 0),
    }
}

/// The module that holds the types of a package, or of a message inside it.
fn scope(package: &str, parent: Option<MessageDescriptor>) -> TokenStream {
    match parent {
        Some(parent) => {
            let outer = scope(package, parent.parent_message());
            let module = ident(&parent.name().to_snake_case());
            quote!(#outer::#module)
        }
        None => {
            let modules = package.split('.').skip(1).map(ident);
            quote!(crate #(::#modules)*)
        }
    }
}
