-- Sessions, their messages, and what these are made of. History is stored once: here.
-- One dialect for both databases, but for the three words that driver.h explains.

-- `id` is given by the writer. hidden 0: it is there for its owner. -1: deleted, its rows are being
-- removed. Else the epoch of the daemon that is making it (a fork): one that a crash left behind is
-- removed like a deleted one. parent: the session whose subagent this is; 0: none.
-- title_by: '' (nobody gave it one), user, auto. settings, metadata: JSON objects.
-- forked_from: the message at which it was forked; '': none. cost_unknown: calls whose cost nobody
-- knows.
CREATE TABLE sessions (
    id @int@ NOT NULL PRIMARY KEY,
    session TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    project TEXT NOT NULL,
    parent @int@ NOT NULL,
    depth @int@ NOT NULL,
    hidden @int@ NOT NULL,
    version @int@ NOT NULL,
    state TEXT NOT NULL,
    archived_ms @int@,
    made_ms @int@ NOT NULL,
    changed_ms @int@ NOT NULL,
    calls @int@ NOT NULL DEFAULT 0,
    fresh @int@ NOT NULL DEFAULT 0,
    cache_read @int@ NOT NULL DEFAULT 0,
    cache_write @int@ NOT NULL DEFAULT 0,
    output @int@ NOT NULL DEFAULT 0,
    reasoning @int@ NOT NULL DEFAULT 0,
    cost_micros @int@ NOT NULL DEFAULT 0,
    cost_unknown @int@ NOT NULL DEFAULT 0,
    context_used @int@ NOT NULL DEFAULT 0,
    title TEXT NOT NULL,
    title_by TEXT NOT NULL,
    model TEXT NOT NULL,
    agent TEXT NOT NULL,
    root TEXT NOT NULL,
    forked_from TEXT NOT NULL,
    metadata TEXT NOT NULL,
    settings TEXT NOT NULL,
    instructions TEXT NOT NULL
) @strict@;
-- Lists: of the owner's own (parent 0), or of one's subagents; the last one changed first.
CREATE INDEX sessions_open ON sessions (owner, parent, changed_ms, id)
    WHERE archived_ms IS NULL AND hidden = 0;
CREATE INDEX sessions_archived ON sessions (owner, parent, changed_ms, id)
    WHERE archived_ms IS NOT NULL AND hidden = 0;
CREATE INDEX sessions_parent ON sessions (parent) WHERE parent <> 0;
CREATE INDEX sessions_hidden ON sessions (id) WHERE hidden <> 0;

-- `id` is given by the writer, and is the order. run: the turn; 0: none. reply_to: id of the
-- message that it answers; 0: none. active 0: another variant of the answer goes into prompts.
-- client_id: the client's own id of what it sent; '': none. digest: of what it sent under it.
CREATE TABLE messages (
    id @int@ NOT NULL PRIMARY KEY,
    message TEXT NOT NULL UNIQUE,
    session @int@ NOT NULL,
    role TEXT NOT NULL,
    status TEXT NOT NULL,
    run @int@ NOT NULL,
    reply_to @int@ NOT NULL,
    variant @int@ NOT NULL,
    active @int@ NOT NULL,
    made_ms @int@ NOT NULL,
    changed_ms @int@ NOT NULL,
    client_id TEXT NOT NULL,
    client_digest TEXT NOT NULL,
    cause TEXT NOT NULL,
    error TEXT NOT NULL,
    metadata TEXT NOT NULL
) @strict@;
CREATE INDEX messages_session ON messages (session, id);
CREATE INDEX messages_live ON messages (session, id) WHERE status IN ('queued', 'running');
CREATE INDEX messages_run ON messages (run, id) WHERE run <> 0;
CREATE UNIQUE INDEX messages_client ON messages (session, client_id) WHERE client_id <> '';

-- What a message is made of, in the order of numbers from 1. step: of the turn; 0: a user's.
-- call: the model's id of a tool call. run: id of the run that the part started; 0: none.
-- bytes, data_bytes: of `text` and `data`, so that nobody has to read one to know how long it is;
-- the long columns come last for the same reason.
CREATE TABLE parts (
    id @id@,
    message @int@ NOT NULL,
    number @int@ NOT NULL,
    step @int@ NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    cause TEXT NOT NULL,
    name TEXT NOT NULL,
    call TEXT NOT NULL,
    run @int@ NOT NULL,
    bytes @int@ NOT NULL,
    data_bytes @int@ NOT NULL,
    data TEXT NOT NULL,
    text TEXT NOT NULL,
    UNIQUE (message, number)
) @strict@;
-- Cards of tools that are not closed; few. Made anew in 013, with all open states.
CREATE INDEX parts_open ON parts (message)
    WHERE state IN ('ready', 'asking', 'running', 'pending');

-- Files that were given to sessions, each stored once for an owner, under the SHA-256 of its bytes.
-- One that no session uses any more is removed.
CREATE TABLE attachments (
    id @int@ NOT NULL PRIMARY KEY,
    attachment TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    hash TEXT NOT NULL,
    media TEXT NOT NULL,
    bytes @int@ NOT NULL,
    made_ms @int@ NOT NULL,
    UNIQUE (owner, hash)
) @strict@;
CREATE INDEX attachments_hash ON attachments (hash);
CREATE TABLE attachment_uses (
    attachment @int@ NOT NULL,
    session @int@ NOT NULL,
    PRIMARY KEY (attachment, session)
) @strict@;
CREATE INDEX attachment_uses_session ON attachment_uses (session);
