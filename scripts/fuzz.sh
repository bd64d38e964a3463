#!/usr/bin/env bash
# Fuzzes the decoding of messages, and what those that can be read do to the books. What breaks one of them is left in
# tests/fuzz, and so is, with --keep, what led to an outcome that nothing there had.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

usage() {
    complain "usage: scripts/fuzz.sh [--minutes N] [--keep]"
    exit 2
}

minutes=10
while (($# > 0)); do
    case "$1" in
    --minutes)
        [[ ${2-} =~ ^[1-9][0-9]*$ ]] || usage
        minutes=$2
        shift
        ;;
    --keep) export CREDITD_FUZZ_KEEP=1 ;;
    *) usage ;;
    esac
    shift
done

require_toolchain
export CREDITD_FUZZ_S=$((minutes * 60))
cargo test --locked --lib -- --nocapture fuzz::
