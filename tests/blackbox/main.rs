//! Black-box suites: each starts the real binary and speaks to it over real mutual TLS.
