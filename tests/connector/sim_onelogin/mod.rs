//! The simulated OneLogin over real HTTP: what it answers, what it does without saying so, and its knobs.
mod access;
mod api;
mod control;
mod events;
mod habits;
mod people;
mod tenant;
