#!/usr/bin/env bash
# Has the daemon's loop go through schedules of faults in a simulation: 10,000 of them, or as many as are asked for.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

usage() {
    complain "usage: scripts/simulate.sh [--schedules N] [--seed S] [--log]"
    exit 2
}

export CREDITD_TEST_SCHEDULES=10000
while (($# > 0)); do
    case "$1" in
    --schedules)
        [[ ${2-} =~ ^[1-9][0-9]*$ ]] || usage
        CREDITD_TEST_SCHEDULES=$2
        shift
        ;;
    --seed)
        [[ ${2-} =~ ^[0-9]+$ ]] || usage
        export CREDITD_TEST_SEED=$2
        shift
        ;;
    --log) export CREDITD_TEST_LOG=1 ;;
    *) usage ;;
    esac
    shift
done

require_toolchain
cargo test --locked --release --lib -- --nocapture daemon::simulation::whatever_befalls_it
