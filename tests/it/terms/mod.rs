//! What has a price or a term, and what moves: through the broker and the daemon to the books and the events.

mod due;
mod moves;
mod prices;
mod upgrade;
