//! Target systems, endpoints and sinks over real HTTP, against a small server that answers what a row says.
mod endpoint;
mod peer;
mod scim;
mod sink;
