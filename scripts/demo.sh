#!/usr/bin/env bash
# From a clone to a ledger: private servers, the daemon, half a year of agencies' projects, and what became of
# them. Touches nothing of the system's and leaves nothing behind, on Ctrl-C neither.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

usage() {
    cat <<'TEXT'
usage: scripts/demo.sh [--keep] [--seed N] [--projects N] [--release]
    --keep        leave everything running afterwards, until Ctrl-C
    --seed N      another half a year (default 1)
    --projects N  how many projects (default 500; each has about ten messages)
    --release     build with optimizations, which takes minutes the first time
TEXT
}

require_number() {
    if [[ ! ${2-} =~ ^[0-9]+$ ]]; then
        complain "$1 needs a whole number"
        exit 2
    fi
}

keep=false seed=1 projects=500 profile=debug
while (($# > 0)); do
    case $1 in
    --keep) keep=true ;;
    --release) profile=release ;;
    --seed)
        require_number "$@"
        seed=$2
        shift
        ;;
    --projects)
        require_number "$@"
        projects=$2
        shift
        ;;
    --help | -h)
        usage
        exit 0
        ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
    shift
done

require_toolchain
require_servers

say "building creditd"
if [[ $profile == release ]]; then cargo build --locked --release; else cargo build --locked; fi
creditd=$(target_directory)/$profile/creditd

make_work demo
say "starting a private PostgreSQL and RabbitMQ, and making the ledger"
start_servers
say "starting the daemon"
start_daemon
say "publishing the projects of several agencies (seed $seed, $projects projects)"
publish --seed "$seed" --projects "$projects"

say "organizations and their pools"
"$creditd" organization list
say "accounts: balances, and the alerts that are raised"
"$creditd" account list
say "alerts that were raised, changed and resolved on the way"
alerts_told
say "what waits for credits, and what would unblock it"
"$creditd" queue list
say "messages that were parked, and why (\`creditd parked list\` shows each)"
parked_by_reason
say "this month's statement of a pool, as its organization gets it"
"$creditd" statement pool:northlight --month "$(date -u +%Y-%m)"
say "the books, recomputed from the entries alone"
verified=0
"$creditd" verify || verified=$?

if $keep; then
    say "left running until Ctrl-C"
    cat <<TEXT
The dashboard: http://$CREDITD__HTTP__LISTEN/
In another shell:
    . $work/env
    alias creditd=$creditd
    creditd account show atelier-brandt
    creditd queue list
    creditd quote --account northlight-film --deliverable video=2
    creditd explain account kestrel-motion | less
    creditd parked list
    creditd usage report atelier-brandt --format csv
    curl http://$CREDITD__HTTP__LISTEN/v1/accounts/atelier-brandt     # /openapi.json says what else there is
    creditd explain account atelier-brandt
    creditd explain project P-00001
    creditd explain message /projects P-00001-2
    creditd sandbox publish --seed $seed --projects $projects     # all duplicates: nothing changes
The daemon's log is in $work/daemon.log
TEXT
    wait "${background[daemon]}" || require_running daemon
fi
exit "$verified"
