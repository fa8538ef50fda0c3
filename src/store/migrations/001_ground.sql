-- The ground floor: who writes, streams of events, tokens, answers kept for repeated requests.
-- One dialect for both databases, but for the three words that driver.h explains.

CREATE TABLE schema (
    version @int@ NOT NULL
) @strict@;
INSERT INTO schema (version) VALUES (0);

-- One row. `epoch` rises with each start; `batch` counts the groups of a writer that is fenced by
-- it.
CREATE TABLE nodes (
    id @int@ NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch @int@ NOT NULL,
    batch @int@ NOT NULL
) @strict@;
INSERT INTO nodes (id, epoch, batch) VALUES (1, 0, 0);

-- The highest id that rows of a table had when some of them were deleted: no id is given twice.
CREATE TABLE ids (
    name TEXT NOT NULL PRIMARY KEY,
    last @int@ NOT NULL
) @strict@;
INSERT INTO ids (name, last) VALUES ('runs', 0), ('messages', 0), ('sessions', 0), ('budgets', 0),
    ('attachments', 0);

-- Events with floor < seq <= head exist. keep_events and keep_ms are the retention, where one is
-- set.
CREATE TABLE streams (
    id @id@,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    head @int@ NOT NULL DEFAULT 0,
    floor @int@ NOT NULL DEFAULT 0,
    keep_events @int@,
    keep_ms @int@,
    made_ms @int@ NOT NULL,
    UNIQUE (owner, name)
) @strict@;

-- The few streams that a round of pruning must look at.
CREATE INDEX streams_kept ON streams (id) WHERE keep_events IS NOT NULL OR keep_ms IS NOT NULL;

-- Rows are appended by position; the index is the only order.
CREATE TABLE events (
    stream @int@ NOT NULL,
    seq @int@ NOT NULL,
    at_ms @int@ NOT NULL,
    type TEXT NOT NULL,
    data TEXT NOT NULL
) @strict@;
CREATE UNIQUE INDEX events_stream_seq ON events (stream, seq);

-- `token` is the id that users see; of the secret only the hash is kept.
CREATE TABLE tokens (
    id @id@,
    token TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    label TEXT NOT NULL,
    scopes @int@ NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    made_ms @int@ NOT NULL,
    revoked_ms @int@
) @strict@;

-- What a request with an Idempotency-Key was answered, to be told again.
CREATE TABLE idempotency (
    id @id@,
    owner TEXT NOT NULL,
    route TEXT NOT NULL,
    idem_key TEXT NOT NULL,
    digest TEXT NOT NULL,
    status @int@ NOT NULL,
    answer TEXT NOT NULL,
    made_ms @int@ NOT NULL,
    UNIQUE (owner, route, idem_key)
) @strict@;
CREATE INDEX idempotency_made ON idempotency (made_ms);
