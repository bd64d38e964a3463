//! Books of long ago, without waiting.

use super::World;

/// Moves all times of the ledger back. Entries are hashed with their times, so their chains are made anew, as
/// docs/ledger.md lays them out; `verify` would find it out if that were done wrong. No daemon sweeps by itself
/// in the hour that follows.
const AGE: &str = "
    set search_path = creditd;
    set session_replication_role = replica;
    create function pg_temp.t(text) returns bytea language sql immutable as
        $$ select int4send(octet_length(convert_to($1, 'UTF8'))) || convert_to($1, 'UTF8') $$;
    create function pg_temp.o(text) returns bytea language sql immutable as
        $$ select case when $1 is null then '\\x00'::bytea else '\\x01'::bytea || pg_temp.t($1) end $$;
    update ledger set last_at = last_at - AGE;
    update entry set at = at - AGE;
    update notice set at = at - AGE;
    update inbox set received_at = received_at - AGE;
    update retention set swept_at = now();
    update parked set received_at = received_at - AGE, done_at = done_at - AGE;
    do $$
    declare
        line record;
        previous bytea;
        owner text;
    begin
        for line in select * from entry order by account_id, sequence loop
            if owner is distinct from line.account_id then
                owner := line.account_id;
                previous := decode(repeat('00', 32), 'hex');
            end if;
            previous := sha256(
                previous || int8send(line.layout) || int8send(line.log_number) || pg_temp.t(line.account_id)
             || pg_temp.o(line.organization_id) || int8send(line.sequence)
             || int8send((extract(epoch from line.at) * 1000000)::bigint)
             || pg_temp.t(line.kind) || pg_temp.t(line.from_side) || pg_temp.t(line.to_side)
             || int8send(line.credits) || pg_temp.o(line.project_id) || int8send(line.total)
             || int8send(line.held) || int8send(line.consumed) || pg_temp.t(line.cause_source)
             || pg_temp.t(line.cause_id) || pg_temp.t(line.cause_type) || pg_temp.o(line.traceparent)
             || pg_temp.o(line.reason) || pg_temp.o(line.actor));
            update entry set digest = previous where log_number = line.log_number;
            update creditd.account set digest = previous where account_id = owner;
        end loop;
    end $$";

impl World {
    /// Makes all that happened so far happen so many days earlier. No daemon may run meanwhile.
    pub(crate) fn age(&self, days: u32) {
        self.as_superuser(&AGE.replace("AGE", &format!("interval '{days} days'")));
    }

    /// Changes the books behind the ledger's back, past all its triggers.
    pub(crate) fn tamper(&self, statement: &str) {
        self.as_superuser(&format!("set session_replication_role = replica; {statement}"));
    }
}
