//! Fuzzing on stable Rust: inputs are made from the ones that are kept by changing them at random, and one whose
//! outcome looks new is changed further. What breaks a target is written beside the kept ones, which all tests run.
//!
//! `CREDITD_FUZZ_S` says for how long, `CREDITD_FUZZ_KEEP` that what looks new is kept, `CREDITD_TEST_SEED` repeats
//! a run; `scripts/fuzz.sh` sets them.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::panic::{RefUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::Value;

/// How long each target runs with all tests.
const SECONDS: u64 = 2;
/// Longer ones only take longer.
const BYTES_MAX: usize = 1 << 12;
/// How many changes are made to an input at most.
const CHANGES_MAX: usize = 4;

/// What JSON, CloudEvents and the ledger are likely to trip over.
const WORDS: [&str; 53] = [
    "0",
    "-0",
    "-1",
    "1",
    "1.0",
    "1e0",
    "1E400",
    "-1e400",
    "0.1",
    "1000000000000",
    "1000000000001",
    "-1000000000000",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551616",
    "null",
    "true",
    "false",
    "\"\"",
    "[]",
    "{}",
    "[[[[",
    "{\"a\":",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\udc00\\ud800\"",
    "\"\u{202e}\u{feff}\u{200b}\"",
    "\"\u{1f469}\u{200d}\u{1f680}\"",
    "\"e\u{301}\"",
    "\"\u{e9}\"",
    "\"\u{10ffff}\"",
    "\"\u{85}\u{2028}\"",
    "\"creditd/settings\"",
    "\"pool:group\"",
    "\"started\"",
    "\"finalized\"",
    "\"2026-03-01T12:00:00Z\"",
    "\"9999-12-31T23:59:60Z\"",
    "\"0000-01-01T00:00:00-23:59\"",
    "\"0000-01-01T00:00:00+23:59\"",
    "\"9999-12-31T23:59:59-23:59\"",
    "-62167219201",
    "253402300800",
    "\"consume\"",
    "\"integrated\"",
    "\"overdraw\"",
    "\"reject\"",
    "\"capacity\":",
    "\"revision\":",
    "\"data\":",
    ",",
    "\n",
];

/// Runs a target on what is kept in `tests/fuzz/NAME`, on `seeds`, and on what comes of them. The target says what the
/// outcome looks like: inputs whose outcomes look alike are as good as one.
pub(crate) fn fuzz(name: &str, seeds: Vec<Vec<u8>>, target: impl Fn(&[u8]) -> String + RefUnwindSafe) {
    let number = |variable: &str| std::env::var(variable).ok().map(|text| text.parse::<u64>().unwrap());
    let seconds = number("CREDITD_FUZZ_S").unwrap_or(SECONDS);
    let seed = number("CREDITD_TEST_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("to repeat this: CREDITD_TEST_SEED={seed}");
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(name);
    let mut fuzzed = Fuzzed { directory, seen: HashSet::new(), kept: Vec::new() };
    for file in fuzzed.files() {
        fuzzed.run(fs::read(&file).unwrap(), &target);
    }
    for seed in seeds {
        fuzzed.run(seed, &target);
    }
    assert!(!fuzzed.kept.is_empty(), "there is something to begin with");
    let (before, mut runs) = (fuzzed.kept.len(), 0_u64);
    let mut random = Rng::with_seed(seed);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(seconds) {
        runs += 1;
        let input = changed(&fuzzed.kept, &mut random);
        if fuzzed.run(input, &target) && std::env::var_os("CREDITD_FUZZ_KEEP").is_some() {
            fuzzed.write("kept", fuzzed.kept.last().unwrap());
        }
    }
    let new = fuzzed.kept.len() - before;
    println!("{name}: {runs} inputs in {seconds} s; {new} outcomes that none of the {before} before had");
}

/// The contract's examples, to begin with.
pub(crate) fn examples() -> Vec<Value> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples");
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| serde_json::from_slice(&fs::read(file).unwrap()).unwrap()).collect()
}

struct Fuzzed {
    directory: PathBuf,
    /// What outcomes looked like.
    seen: HashSet<u64>,
    /// An input for each.
    kept: Vec<Vec<u8>>,
}

impl Fuzzed {
    /// In the order of their names, so that a seed repeats a run.
    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.directory).unwrap();
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    /// Whether the outcome looks new.
    fn run(&mut self, input: Vec<u8>, target: &(impl Fn(&[u8]) -> String + RefUnwindSafe)) -> bool {
        let Ok(outcome) = catch_unwind(|| target(&input)) else {
            panic!("this input breaks it: {}", self.write("found", &input).display());
        };
        let is_new = self.seen.insert(hash(&without_values(&outcome)));
        if is_new {
            self.kept.push(input);
        }
        is_new
    }

    fn write(&self, what: &str, input: &[u8]) -> PathBuf {
        let file = self.directory.join(format!("{what}-{:016x}", hash(&input)));
        fs::write(&file, input).unwrap();
        file
    }
}

fn hash(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// A text without what is in quotes in it, quotes that are a part of that included, and without digits.
fn without_values(text: &str) -> String {
    let text = text.replace("\\\"", "");
    let mut parts = text.split('"').step_by(2).collect::<Vec<_>>().join("\"");
    parts.retain(|one| !one.is_ascii_digit());
    parts
}

/// One of the inputs, changed a little.
fn changed(kept: &[Vec<u8>], random: &mut Rng) -> Vec<u8> {
    let one = |random: &mut Rng| kept[random.usize(..kept.len())].clone();
    let mut input = one(random);
    for _ in 0..random.usize(1..=CHANGES_MAX) {
        let (from, to) = stretch(&input, random);
        match random.u8(..8) {
            0 => input[from..to].iter_mut().for_each(|byte| *byte = random.u8(..)),
            1 => drop(input.drain(from..to)),
            2 => {
                let again = input[from..to].repeat(random.usize(1..4));
                input.splice(to..to, again);
            }
            3 => {
                let other = one(random);
                let (other_from, other_to) = stretch(&other, random);
                input.splice(from..to, other[other_from..other_to].iter().copied());
            }
            4 => {
                let mut lines: Vec<_> = input.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
                random.shuffle(&mut lines);
                input = lines.join(&b'\n');
            }
            // A value for a value, most of the time.
            _ => {
                let (from, to) = value(&input, random).unwrap_or((from, to));
                let word = random.choice(WORDS).expect("there are some");
                input.splice(from..to, word.bytes());
            }
        }
        input.truncate(BYTES_MAX);
    }
    input
}

/// A short stretch of the input.
fn stretch(input: &[u8], random: &mut Rng) -> (usize, usize) {
    let from = random.usize(..=input.len());
    let longest = *random.choice(&[1, 8, 64]).expect("there are some");
    (from, (from + random.usize(..=longest)).min(input.len()))
}

/// Where one of the values after a colon stands.
fn value(input: &[u8], random: &mut Rng) -> Option<(usize, usize)> {
    let colons: Vec<_> = (0..input.len()).filter(|&at| input[at] == b':').collect();
    let from = *random.choice(&colons)? + 1;
    let end = input[from..].iter().position(|byte| b",}]\n".contains(byte))?;
    Some((from, from + end))
}
