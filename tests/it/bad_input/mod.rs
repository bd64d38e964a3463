//! Bad input through RabbitMQ: parked with its reason, the good messages around it unharmed.

mod duplicates;
mod unusable;
mod waiting;
