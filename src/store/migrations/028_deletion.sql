-- Deletion: what names a session or a run is found by it, and folders of removed runs are listed
-- until they are gone. One dialect for both databases, but for the three words that driver.h
-- explains.

-- Place of the host on which the process of an attempt ran (step 0), where hosts share the
-- database; '': it is that of the run's row, or nobody knows.
ALTER TABLE spans ADD COLUMN host TEXT NOT NULL DEFAULT '';

-- about: id of the session or the run that the answer shows; '': of none. An answer is emptied when
-- that is deleted, and its key stays used.
ALTER TABLE idempotency ADD COLUMN about TEXT NOT NULL DEFAULT '';
CREATE INDEX idempotency_about ON idempotency (about) WHERE about <> '';

-- Notices by the session that they were for.
CREATE INDEX inbox_session ON inbox (owner, address, id) WHERE receiver = 'session';

-- Number of the last event of the project's stream that the removal of the session has looked at.
ALTER TABLE sessions ADD COLUMN purged_seq @int@ NOT NULL DEFAULT 0;

-- Spool folders of removed runs: those of attempts 1 to `attempts`. place: the host that looks for
-- them; '': whoever leads.
CREATE TABLE folder_removals (
    run TEXT NOT NULL,
    place TEXT NOT NULL,
    attempts @int@ NOT NULL,
    PRIMARY KEY (place, run)
) @strict@;

-- Scripts of runs that somebody deleted: the copies in files go, too, where nobody has touched them
-- since.
CREATE TABLE script_removals (
    hash TEXT NOT NULL PRIMARY KEY,
    made_ms @int@ NOT NULL
) @strict@;

-- A job that a turn started in the background, and what is below it, is of the turn's session, too.
UPDATE runs SET session = COALESCE((SELECT s.session FROM parts p JOIN messages m
    ON m.id = p.message JOIN sessions s ON s.id = m.session WHERE p.run = runs.id AND p.run <> 0
    ORDER BY m.id LIMIT 1), '')
    WHERE session = '' AND id IN (SELECT p.run FROM parts p WHERE p.run <> 0);
UPDATE runs SET session = (SELECT r.session FROM runs r WHERE r.id = runs.root)
    WHERE session = '' AND root IN (SELECT r.id FROM runs r WHERE r.session <> '');

-- Rows of one session in the order of their ids, from any id on.
DROP INDEX usage_session;
CREATE INDEX usage_session ON usage_totals (owner, session, id);

-- Revoked tokens are kept for a day.
CREATE INDEX tokens_revoked ON tokens (revoked_ms) WHERE revoked_ms IS NOT NULL;
