#!/usr/bin/env bash
# A steady load on private servers for a long time, with a fault each minute: what the daemon takes of the machine
# (memory, files, connections) is printed before each, and must not grow.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

usage() {
    complain "usage: scripts/soak.sh [--minutes N] [--rate MESSAGES_A_SECOND]"
    exit 2
}

minutes=30
rate=500
while (($# > 0)); do
    [[ ${2-} =~ ^[1-9][0-9]*$ ]] || usage
    case "$1" in
    --minutes) minutes=$2 ;;
    --rate) rate=$2 ;;
    *) usage ;;
    esac
    shift 2
done

require_toolchain
require_servers
export CREDITD_SOAK_PERIODS=$minutes CREDITD_SOAK_PERIOD_S=60 CREDITD_SOAK_RATE=$rate
cargo test --locked --test it -- --exact --nocapture \
    faults::rounds::soak::under_a_steady_load_with_faults_a_daemon_takes_no_more_of_the_machine_as_time_goes_by
