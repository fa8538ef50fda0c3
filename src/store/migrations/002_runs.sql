-- Runs, and what is owed to whoever waits for their results.
-- One dialect for both databases, but for the three words that driver.h explains.

-- Where the last daemon that was let free had this database (home.h); '' before the first.
ALTER TABLE nodes ADD COLUMN home TEXT NOT NULL DEFAULT '';

-- `id` is given by the writer (the highest and one): RETURNING costs SQLite a temporary table.
-- A run has ended when ended_ms is set; gate '' of one that has not ended: it runs.
-- parent 0: none. exit_code -1: none. command: what runs, cut short, for lists; '' beside a label.
CREATE TABLE runs (
    id @int@ NOT NULL PRIMARY KEY,
    run TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    kind TEXT NOT NULL,
    parent @int@ NOT NULL,
    state TEXT NOT NULL,
    gate TEXT NOT NULL,
    cause TEXT NOT NULL,
    stop TEXT NOT NULL,
    stop_grace_ms @int@ NOT NULL,
    attempt @int@ NOT NULL,
    voids @int@ NOT NULL,
    failures @int@ NOT NULL,
    reboots @int@ NOT NULL,
    epoch @int@ NOT NULL,
    priority @int@ NOT NULL,
    key_max @int@ NOT NULL,
    exit_code @int@ NOT NULL,
    once @int@ NOT NULL,
    made_ms @int@ NOT NULL,
    not_before_ms @int@ NOT NULL,
    started_ms @int@ NOT NULL,
    ended_ms @int@,
    run_key TEXT NOT NULL,
    label TEXT NOT NULL,
    command TEXT NOT NULL,
    host TEXT NOT NULL,
    note TEXT NOT NULL,
    result TEXT NOT NULL,
    spec TEXT NOT NULL
) @strict@;

-- Lists.
CREATE INDEX runs_owner ON runs (owner, id);
-- Recovery.
CREATE INDEX runs_live ON runs (id) WHERE ended_ms IS NULL;
-- Who runs (gate ''), and who waits for a slot, in the order of admission. ended_ms is in it, so
-- that those that run are counted without a look at their rows.
CREATE INDEX runs_gate ON runs (kind, gate, priority DESC, id, ended_ms) WHERE ended_ms IS NULL;
-- The same for one key.
CREATE INDEX runs_key ON runs (owner, run_key, gate, priority DESC, id)
    WHERE ended_ms IS NULL AND run_key <> '';
CREATE INDEX runs_parent ON runs (parent, gate, id) WHERE ended_ms IS NULL AND parent <> 0;
-- Retention.
CREATE INDEX runs_ended ON runs (ended_ms, id) WHERE ended_ms IS NOT NULL;

-- Input that came while a run lives, by offset from the first byte of all of its input: a row
-- begins where the one before it ends, the first behind the spec's stdin. A run that takes input
-- has at least one, from its submit to its end. ends 1: nothing follows. bytes: base64.
CREATE TABLE run_input (
    run @int@ NOT NULL,
    from_offset @int@ NOT NULL,
    len @int@ NOT NULL,
    ends @int@ NOT NULL,
    bytes TEXT NOT NULL,
    PRIMARY KEY (run, from_offset)
) @strict@;

-- What a receiver is owed. A row is settled when settled_ms is set.
CREATE TABLE inbox (
    id @id@,
    delivery TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    run TEXT NOT NULL,
    receiver TEXT NOT NULL,
    address TEXT NOT NULL,
    state TEXT NOT NULL,
    cause TEXT NOT NULL,
    failures @int@ NOT NULL,
    made_ms @int@ NOT NULL,
    not_before_ms @int@ NOT NULL,
    settled_ms @int@,
    payload TEXT NOT NULL
) @strict@;
CREATE INDEX inbox_owner ON inbox (owner, id);
CREATE INDEX inbox_open ON inbox (owner, id) WHERE settled_ms IS NULL;
-- What is due, by receiver.
CREATE INDEX inbox_due ON inbox (owner, receiver, address, not_before_ms, id)
    WHERE settled_ms IS NULL;
CREATE INDEX inbox_settled ON inbox (settled_ms) WHERE settled_ms IS NOT NULL;
