//! The simulated OneLogin over HTTP: its answers, its silent effects, and its knobs.
mod access;
mod api;
mod control;
mod events;
mod habits;
mod people;
mod tenant;
