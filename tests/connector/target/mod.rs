//! Target systems, endpoints and sinks over HTTP, against a small scripted server.
mod endpoint;
mod peer;
mod scim;
mod sink;
