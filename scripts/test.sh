#!/usr/bin/env bash
# Everything that must pass: formatting, lints, the committed queries, and all tests on real servers.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

require_toolchain
for component in fmt clippy; do
    if ! cargo "$component" --version >/dev/null 2>&1; then
        complain "cargo $component is missing; run: rustup component add ${component/fmt/rustfmt}"
        exit 3
    fi
done
require_servers

step "formatting" cargo fmt --check
step "clippy" cargo clippy --locked --all-targets -- -D warnings
step ".sqlx is current" scripts/sqlx-prepare.sh --check
# They wait more than they work: more at once than there are cores.
step "tests" env RUST_TEST_THREADS="${RUST_TEST_THREADS:-$(($(nproc) + 1))}" cargo test --locked
print_steps
