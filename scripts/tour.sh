#!/usr/bin/env bash
# A month in the life of an organization with three accounts, run on private servers, and written down as it was
# printed: docs/tour.md. Without --write it goes to standard output. Everything that fails ends it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

case "${1-}" in
'') target=/dev/stdout ;;
--write) target=docs/tour.md ;;
*)
    complain "usage: scripts/tour.sh [--write]"
    exit 2
    ;;
esac

require_toolchain
require_servers
cargo build --locked --quiet
creditd=$(target_directory)/debug/creditd

make_work tour
start_servers >/dev/null
start_daemon

# Who gives the commands.
unset SUDO_USER
export USER=kim

page=$work/tour.md
# Writes lines.
tell() { printf '%s\n' "$@" >>"$page"; }

# Runs a command as the reader would, and writes both down. What it is to end with comes first, where that is
# not 0.
creditd() {
    local expected=0 status=0 output shown argument
    if [[ $1 =~ ^[0-9]$ ]]; then
        expected=$1
        shift
    fi
    output=$("$creditd" "$@" 2>&1) || status=$?
    shown=creditd
    for argument in "$@"; do
        if [[ $argument =~ [^A-Za-z0-9_.:=/@-] ]]; then argument=\"$argument\"; fi
        shown+=" $argument"
    done
    tell '' '```console'
    printf '$ %s\n%s\n```\n\n' "$shown" "$output" >>"$page"
    if ((status != expected)); then
        complain "$shown ended with $status and not $expected: $output"
        exit 1
    fi
}

# Publishes events as the project system would, and waits until the last one is decided. A line each:
# day of the month, id, type, data.
upstream() {
    local day id type data last lines=''
    while IFS='|' read -r day id type data; do
        printf -v day '%02d' "$day"
        lines+='{"specversion":"1.0","source":"/projects","id":"'$id'","type":"'$type'","time":"'$month-$day'T09:00:00Z","data":'$data$'}\n'
        last=$id
    done
    printf '%s' "$lines" >"$work/events.jsonl"
    "$creditd" sandbox publish --file "$work/events.jsonl" >/dev/null
    until "$creditd" explain message /projects "$last" >/dev/null 2>&1; do sleep 0.1; done
    tell '' '```json'
    sed 's/.*"type":"\([a-z_.]*\)\.v1".*"data":\(.*\)}$/\1  \2/' "$work/events.jsonl" >>"$page"
    tell '```' ''
}

status_of() {
    local more=${6-}
    printf '%s|%s-%s|project.status_changed.v1|{"project_id":"%s","account_id":"%s","revision":%s,"status":"%s"%s}\n' \
        "$1" "$2" "$4" "$2" "$3" "$4" "$5" "${more:+,$more}"
}

wait_for() {
    local tries=0
    until eval "$1"; do
        ((++tries < 600)) || { complain "it did not come to pass: $1"; exit 1; }
        sleep 0.1
    done
}

# Last month: a status of its third day is more than 30 days old from the third of this month on, and before that
# it is taken from the month before.
back=1
if (($(date --utc +%-d) < 5)); then back=2; fi
month=$(date --utc --date "$(date --utc +%Y-%m-15) -$back month" +%Y-%m)
soon=$(date --utc --date '+10 days' +%Y-%m-%dT00:00:00Z)

tell '# A month with creditd'
tell ''
tell 'Meridian is a studio house that sells work as credits. Its two teams, film and stills, share one pool; its print shop buys credits and uses them up. This page was written by `scripts/tour.sh`, which runs every command on it on a private PostgreSQL and RabbitMQ; what the project system says comes through RabbitMQ, and is shown as type and data.'
tell ''
tell '## The plan'
tell ''
tell 'Meridian has a pool of 200 credits. Each team may use a part of it, and together a little more than there is: not everybody is busy at once. creditd says so, once.'
creditd organization open meridian --name "Meridian House" --contact "Ada <ada@meridian.example>" --capacity 200
creditd account open film --kind integrated --organization meridian --name "Film" --allocation 130
creditd account open stills --kind integrated --organization meridian --name "Stills" --allocation 100
creditd account open prints --kind connected --organization meridian --name "Print shop" --mode consume --contact "Bo <bo@meridian.example>"
creditd alert list
tell 'What things cost:'
creditd price set video=30 photo=5 poster=4

tell '## Briefs'
tell ''
tell 'The project system tells what happens to projects. The launch film and a social clip tie up credits of the film team; a lookbook those of the stills.'
{
    status_of 1 launch film 1 started '"name":"Launch film","deliverables":[{"type":"video","quantity":3}]'
    status_of 2 clip film 1 started '"name":"Social clip","deliverables":[{"type":"video","quantity":1}]'
    status_of 3 lookbook stills 1 delivered '"name":"Autumn lookbook","deliverables":[{"type":"photo","quantity":12}]'
} | upstream
creditd account list
tell 'Before the next one is briefed, somebody asks what it would take:'
creditd quote --account stills --deliverable photo=8
tell 'It is briefed all the same, and so is a trailer. Both wait: the pool has 20 credits left.'
{
    status_of 5 campaign stills 1 started '"name":"Winter campaign","deliverables":[{"type":"photo","quantity":8}]'
    status_of 6 trailer film 1 started '"name":"Trailer","credits":10'
} | upstream
creditd queue list
tell 'The film team finalizes the launch film. Its credits come back, and what waited runs in the same moment, first come first served.'
status_of 12 launch film 2 finalized | upstream
creditd explain message /projects launch-2
creditd queue list

tell '## An amendment, and a transfer'
tell ''
tell 'The campaign grows. Only the difference moves.'
printf '14|campaign-amended|project.amended.v1|{"project_id":"campaign","account_id":"stills","revision":2,"deliverables":[{"type":"photo","quantity":10}]}\n' | upstream
creditd explain message /projects campaign-amended
tell 'That waits for the last 10 credits: the pool has them, but the allocation of the stills is used up. The film team gives some of its own. A command can be looked at first:'
creditd credits transfer film stills 15 --reason "a large campaign" --dry-run
creditd credits transfer film stills 15 --reason "a large campaign"
tell 'A team can only give what it has:'
creditd 1 credits transfer film stills 100 --reason "too much"
tell 'Nor can a plan be cut below what is in use by a command; what stands in the way is told.'
creditd 1 account set stills --allocation 40

tell '## A hold that nobody ends'
tell ''
tell 'The lookbook was delivered on the third of last month, and nobody has finalized it. After 30 days in that status (`lifecycle.statuses`) a hold is stale, and the account is told once.'
wait_for '"$creditd" alert list | grep -q hold_stale'
creditd alert list --account stills
tell 'Nothing is released by itself. Somebody decides:'
creditd hold release lookbook --reason "the client never signed; billed by hand"
tell 'When the upstream finalizes it after all, that does no harm: nothing is held, and nothing moves.'
status_of 28 lookbook stills 2 finalized | upstream
creditd explain project lookbook

tell '## The print shop pays as it goes'
tell ''
tell 'It buys credits, some of them for a campaign that ends soon, and uses them up: by posters that belong to no project, and by a project that is finalized.'
creditd credits grant prints 100 --reason "order 4711"
creditd credits grant prints 20 --expires "$soon" --reason "spring offer"
{
    printf '20|posters|asset.created.v1|{"account_id":"prints","asset_type":"poster","quantity":4}\n'
    status_of 21 banner prints 1 started '"name":"Trade fair banner","credits":40'
    status_of 25 banner prints 2 finalized '"final_credits":35'
} | upstream
creditd account show prints
tell 'What was used up was taken from the grant that expires first, so nothing of it will be lost:'
creditd credits grants prints --all

tell '## The end of the month'
tell ''
creditd organization show meridian
creditd explain account prints
tell 'The same as a statement, by the kinds of what moved, by project and by type of asset:'
creditd statement prints --month "$(date --utc +%Y-%m)"
tell 'Every balance on this page follows from the entries alone:'
creditd verify

cat "$page" >"$target"
