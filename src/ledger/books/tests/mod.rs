//! What must hold of the books, example by example and as properties over tiny spaces.

mod alerts;
mod claims;
mod properties;
mod rules;
mod world;
