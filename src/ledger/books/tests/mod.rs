//! What must hold of the books, example by example and as properties over tiny spaces.

mod alerts;
mod checks;
mod claims;
mod fuzz;
mod generated;
mod holds;
mod moves;
mod properties;
mod rules;
mod terms;
pub(crate) mod world;
