//! Maps and sets by id. Ids come from strangers, so each process seeds the hasher at random; it takes a fraction of
//! the standard library's time for keys as short as these.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

/// A map.
pub type Map<K, V> = HashMap<K, V, RandomState>;

/// A set.
pub type Set<T> = HashSet<T, RandomState>;
