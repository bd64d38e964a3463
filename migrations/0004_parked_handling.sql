-- What people do about parked messages, and the reading of a project's history.

alter table parked
    -- When a person said that the message is to have no effect, who, and why. Kept when it is brought back.
    add column discarded_at timestamptz,
    add column actor        text,
    add column note         text,
    add check ((discarded_at is null) = (actor is null)),
    add check ((discarded_at is null) = (note is null)),
    add check (done_outcome is distinct from 'discarded' or discarded_at is not null);

-- A message that comes again is held against these before it is decided; there are few.
create index parked_discarded on parked (source, message_id) where done_outcome = 'discarded';
-- Those that a version which knows or can do more may apply.
create index parked_for_another_version on parked (parked_id)
    where done_at is null and reason in ('unknown_type', 'unsupported');

-- All that a project moved, and was told, in order. An account's entries are found by their sequence, also by
-- time: the time of an entry never goes back.
create index entry_by_project on entry (project_id, log_number) where project_id is not null;
create index notice_by_project on notice ((body ->> 'project_id'), log_number) where kind = 'hold';
