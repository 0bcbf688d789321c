//! Adapters: how the exchange speaks with each ministry in that ministry's own way.
//!
//! One module per ministry; ministry modules never import each other, and their wire structures
//! are private. What they share, the client for upstream calls, arrives with the first wire
//! protocol; so far Kemendagri's published table of regions is here.

pub mod kemendagri;
