# shellcheck shell=bash
# What the scripts share. Sourced after `set -euo pipefail`, with the working directory at the repository's root.

say() {
    if [[ -t 1 ]]; then printf '\n\033[1m== %s\033[0m\n' "$*"; else printf '\n== %s\n' "$*"; fi
}
complain() { printf '%s\n' "$*" >&2; }

# --- The toolchain -----------------------------------------------------------------------------------------

# The oldest rustc that builds this, as Cargo.toml says it.
rust_version_required() { sed -n 's/^rust-version *= *"\(.*\)"/\1/p' Cargo.toml; }

# Ends with 3 and what to do, unless a new enough Rust and a C compiler are here.
require_toolchain() {
    local required found
    required=$(rust_version_required)
    if ! command -v cargo >/dev/null || ! command -v rustc >/dev/null; then
        complain "no Rust toolchain found: creditd needs Rust $required or newer; install it from https://rustup.rs"
        exit 3
    fi
    found=$(rustc --version | cut -d ' ' -f 2)
    if [[ $(printf '%s\n' "$required" "${found%%-*}" | sort --version-sort | head -n 1) != "$required" ]]; then
        complain "rustc $found is too old: creditd needs $required or newer; run: rustup update stable"
        exit 3
    fi
    if ! command -v cc >/dev/null; then
        complain "no C compiler found, which the TLS library is built with; run: apt-get install gcc libc6-dev"
        exit 3
    fi
}

# --- Debian's packages -------------------------------------------------------------------------------------

POLICY=/usr/sbin/policy-rc.d
POLICY_SET_ASIDE=$POLICY.set-aside-by-creditd
PRESET=/etc/systemd/system-preset/00-creditd-setup.preset
NO_CLUSTER=/etc/postgresql-common/createcluster.d/creditd-setup.conf

rabbitmq_is_here() { [[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ]]; }
postgresql_is_here() { command -v postgres >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; }

# The servers that the sandbox runs.
require_servers() {
    local missing=()
    rabbitmq_is_here || missing+=(rabbitmq-server)
    postgresql_is_here || missing+=(postgresql)
    install_packages "${missing[@]}"
}

# The oldest Node that the contract's tools run on.
NODE_MAJOR_MIN=18

# Node and npm, for the contract's tools. A Node that is here already and too old is not replaced.
require_node() {
    local missing=() found
    command -v node >/dev/null || missing+=(nodejs)
    command -v npm >/dev/null || missing+=(npm)
    install_packages "${missing[@]}"
    found=$(node --version)
    if [[ ! $found =~ ^v([0-9]+) ]] || ((BASH_REMATCH[1] < NODE_MAJOR_MIN)); then
        complain "node $found is too old: the contract's tools need $NODE_MAJOR_MIN or newer; install a newer nodejs"
        exit 3
    fi
}

# What docs/api.md asks with.
require_curl() {
    local missing=()
    command -v curl >/dev/null || missing+=(curl)
    install_packages "${missing[@]}"
}

# Prometheus' own checker of what it scrapes and of its alert rules. It comes with the server, which isn't started.
require_promtool() {
    local missing=()
    command -v promtool >/dev/null || missing+=(prometheus)
    install_packages "${missing[@]}"
}

# Chromium and the program that drives it, for what people see of the dashboard.
require_browser() {
    local missing=()
    command -v chromium >/dev/null || missing+=(chromium)
    command -v chromedriver >/dev/null || missing+=(chromium-driver)
    install_packages "${missing[@]}"
    CHROMIUM=$(command -v chromium) CHROMEDRIVER=$(command -v chromedriver)
    export CHROMIUM CHROMEDRIVER
}

# Python that can make environments of its own, new enough for the tools of the web's tests.
require_python() {
    local missing=()
    command -v python3 >/dev/null || missing+=(python3)
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    install_packages "${missing[@]}"
    if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        complain "$(python3 --version) is too old: the web's tests need 3.11 or newer; install a newer python3"
        exit 3
    fi
}

# Installs what is missing of Debian's packages; nothing is started or enabled by it, no database cluster made.
# What the machine already runs stays as it is. Ends with 3 and the line to run where that takes rights.
install_packages() {
    local missing=("$@")
    if ((${#missing[@]} == 0)); then return; fi
    if ((EUID != 0)); then
        complain "missing packages: ${missing[*]}; run this line once, then this script again:"
        complain "    sudo $PWD/scripts/setup.sh"
        exit 3
    fi
    if ! command -v apt-get >/dev/null; then
        complain "missing: ${missing[*]}, and no apt-get to install them with; install them by this system's own means"
        exit 3
    fi
    say "installing ${missing[*]} (no service is started or enabled)"
    # A subshell, so that its trap undoes the precautions and replaces no trap of the caller.
    (
        trap lift_precautions EXIT
        trap 'exit 130' INT TERM HUP
        lift_precautions
        take_precautions
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq
        apt-get install -qq --yes --no-install-recommends -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 \
            "${missing[@]}" </dev/null
        # System V's links, which count where systemd doesn't run. Systemd's own were never made.
        for package in "${missing[@]}"; do
            if command -v update-rc.d >/dev/null; then update-rc.d "$package" disable >/dev/null || true; fi
        done
    )
}

# Three files for as long as apt-get runs: services may not be started, systemd's defaults enable none, and
# PostgreSQL makes no cluster of its own.
take_precautions() {
    if [[ -e $POLICY ]] && ! forbids_starting; then mv "$POLICY" "$POLICY_SET_ASIDE"; fi
    if [[ ! -e $POLICY ]]; then
        printf '#!/bin/sh\n# Written by creditd'\''s setup, and removed when it ends.\nexit 101\n' >"$POLICY"
        chmod 755 "$POLICY"
    fi
    mkdir -p "${PRESET%/*}" "${NO_CLUSTER%/*}"
    echo 'disable *' >"$PRESET"
    echo 'create_main_cluster = false' >"$NO_CLUSTER"
}

forbids_starting() {
    local answer=0
    "$POLICY" rabbitmq-server start >/dev/null 2>&1 </dev/null || answer=$?
    ((answer == 101))
}

# Also undoes what a killed earlier run has left.
lift_precautions() {
    rm -f "$PRESET" "$NO_CLUSTER"
    rmdir --ignore-fail-on-non-empty "${PRESET%/*}" "${NO_CLUSTER%/*}" 2>/dev/null || true
    if [[ -e $POLICY ]] && grep -q "Written by creditd's setup" "$POLICY"; then rm -f "$POLICY"; fi
    if [[ -e $POLICY_SET_ASIDE ]]; then mv "$POLICY_SET_ASIDE" "$POLICY"; fi
}

# --- Running things ----------------------------------------------------------------------------------------

# step NAME COMMAND...: runs it and remembers how long it took; a failure ends the script.
STEPS=()
step() {
    local name=$1 began=$SECONDS
    shift
    say "$name"
    if ! "$@"; then
        complain "failed: $name"
        exit 1
    fi
    STEPS+=("$(printf '%5d s  %s' $((SECONDS - began)) "$name")")
}

print_steps() {
    say "all passed"
    printf '%s\n' "${STEPS[@]}"
}

# Where cargo builds to.
target_directory() {
    cargo metadata --locked --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/'
}

# Asks a child of ours to end and waits until it has, which for the sandbox means its servers too. One that
# takes longer than 20 s is killed.
end_process() {
    local process=$1 tries=200
    if [[ -z $process ]] || ! kill -TERM "$process" 2>/dev/null; then return; fi
    while kill -0 "$process" 2>/dev/null && ((tries-- > 0)); do sleep 0.1; done
    kill -KILL "$process" 2>/dev/null || true
    wait "$process" 2>/dev/null || true
}

# --- A ledger of this script's own --------------------------------------------------------------------------

# Where its servers' files and all logs are.
work=''
# The program under test, which the script sets.
creditd=''
# What `in_background` started: process by name, and the names in their order.
declare -A background=()
background_names=()

# Makes the directory. When this script ends, so does all that it started, the last first.
make_work() {
    work=$(mktemp -d "${TMPDIR:-/tmp}/creditd-$1-XXXXXX")
    # Root's servers run as other users, who must get through to their own directories.
    chmod 711 "$work"
    trap end_work EXIT
    trap 'exit 130' INT TERM HUP
}

end_work() {
    local place
    if ((${#background_names[@]} > 0)); then complain "stopping what was started"; fi
    for ((place = ${#background_names[@]} - 1; place >= 0; place--)); do
        end_process "${background[${background_names[place]}]}"
    done
    rm -rf "$work"
}

# in_background NAME COMMAND...: what it prints goes to NAME.log. In a session of its own, so that Ctrl-C leaves the
# order of stopping to `end_work`; ended if this script is killed.
in_background() {
    local name=$1
    shift
    setsid setpriv --pdeathsig TERM -- "$@" >"$work/$name.log" 2>&1 </dev/null &
    background[$name]=$!
    background_names+=("$name")
}

# Ends this script unless what was started under that name still runs.
require_running() {
    if kill -0 "${background[$1]}" 2>/dev/null; then return; fi
    complain "the $1 ended; its last lines:"
    tail -n 20 "$work/$1.log" >&2
    exit 1
}

# wait_for_log NAME TEXT: until the process of that name has said so.
wait_for_log() {
    until grep -q -- "$2" "$work/$1.log"; do
        require_running "$1"
        sleep 0.1
    done
}

# Private servers, and how to reach them in the environment; then the ledger's schema.
start_servers() {
    in_background sandbox "$creditd" sandbox --directory "$work/sandbox" --env-file "$work/env"
    until [[ -e $work/env ]]; do
        require_running sandbox
        sleep 0.1
    done
    # shellcheck disable=SC1091 # it was written just now
    . "$work/env"
    "$creditd" migrate
}

# The daemon. Its queue exists once it consumes; before, messages would go nowhere.
start_daemon() {
    in_background daemon "$creditd" run
    wait_for_log daemon consuming
}

# publish ARGUMENT...: what `creditd sandbox publish` takes. Waits until all is decided and all events are out.
publish() {
    local before published waiting unpublished
    before=$(messages_decided)
    "$creditd" sandbox publish "$@" | tee "$work/published" || return
    published=$(sed -n 's/^published \([0-9]*\) messages$/\1/p' "$work/published")
    say "waiting until all is decided and all events are out"
    while true; do
        require_running daemon
        waiting=$((before + published - $(messages_decided)))
        unpublished=$(events_unpublished)
        printf '%s messages wait, %s events are to be published\n' "$waiting" "$unpublished"
        if ((waiting <= 0 && unpublished == 0)); then return; fi
        sleep 1
    done
}

# --- Looking into a ledger ---------------------------------------------------------------------------------

ask_ledger() { psql --no-psqlrc --quiet "$CREDITD__DATABASE__OWNER_URL" "$@"; }
ask_ledger_for() { ask_ledger --tuples-only --no-align --command "$1"; }

# How many deliveries of messages have an outcome. The ledger's own inputs are none; what could not be decoded is in
# no inbox row.
messages_decided() {
    ask_ledger_for "SELECT
        (SELECT coalesce(sum(deliveries + conflicts), 0) FROM creditd.inbox WHERE source NOT LIKE 'creditd/%')
      + (SELECT coalesce(sum(deliveries), 0) FROM creditd.parked
          WHERE NOT EXISTS (SELECT FROM creditd.inbox WHERE (inbox.source, id) = (parked.source, message_id)))"
}

# How many entries and notices the relay has yet to publish.
events_unpublished() { ask_ledger_for 'SELECT log_last - published FROM creditd.ledger, creditd.relay'; }

alerts_told() {
    ask_ledger --command "SELECT body->>'severity' AS severity, body->>'change' AS change, count(*) AS times,
        count(DISTINCT account_id) AS accounts
        FROM creditd.notice WHERE kind = 'alert' GROUP BY 1, 2 ORDER BY 1, 2"
}

# One parked message of each reason, and how many there are.
parked_by_reason() {
    ask_ledger --command "SELECT reason, count(*) AS messages, (array_agg(parked_id ORDER BY parked_id))[1] AS \"e.g.\",
        left((array_agg(detail ORDER BY parked_id))[1], 90) AS \"because\"
        FROM creditd.parked WHERE done_at IS NULL GROUP BY 1 ORDER BY 2 DESC, 1"
}
