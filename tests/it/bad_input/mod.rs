//! Bad input through RabbitMQ: parked with its reason, the good messages around it unharmed.

mod duplicates;
mod unsupported;
mod unusable;
mod waiting;
