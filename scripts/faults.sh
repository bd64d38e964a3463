#!/usr/bin/env bash
# Rounds of faults: servers, daemons and networks that die, stall or lie while messages come, and the books held
# against a model after each. A round that failed is repeated with the seed that it printed. Rounds wait more than they
# work: with several workers so many are played at once, each worker on servers of its own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

usage() {
    complain "usage: scripts/faults.sh [--rounds N] [--seed S] [--workers N]"
    exit 2
}
is_number() { [[ ${1-} =~ ^[0-9]+$ ]]; }

rounds=20
workers=1
seed=
while (($# > 0)); do
    is_number "${2-}" || usage
    case "$1" in
    --rounds) rounds=$2 ;;
    --seed) seed=$2 ;;
    --workers) workers=$2 ;;
    *) usage ;;
    esac
    shift 2
done

require_toolchain
require_servers
export CREDITD_FAULT_ROUNDS=$rounds CREDITD_FAULT_WORKERS=$workers
if [[ -n $seed ]]; then export CREDITD_TEST_SEED=$seed; fi
cargo test --locked --test it -- --exact --nocapture \
    faults::rounds::whatever_happens_in_a_round_of_faults_the_books_are_what_the_model_says
