-- Stops of large trees, and what is owed to sessions.
-- One dialect for both databases, but for the three words that driver.h explains.

-- Who is below a run and was not asked to end, those that run before those that wait; and who was,
-- by the time that it was given.
DROP INDEX runs_parent;
CREATE INDEX runs_below ON runs (parent, gate, id)
    WHERE ended_ms IS NULL AND parent <> 0 AND stop = '';
CREATE INDEX runs_below_asked ON runs (parent, stop_grace_ms)
    WHERE ended_ms IS NULL AND parent <> 0 AND stop <> '';

-- What is due, by receiver; and the receivers.
DROP INDEX inbox_due;
CREATE INDEX inbox_due ON inbox (owner, receiver, address, state, not_before_ms, id)
    WHERE settled_ms IS NULL;

-- The turn that a session's row is bound to; ''.
ALTER TABLE inbox ADD COLUMN turn TEXT NOT NULL DEFAULT '';
CREATE INDEX inbox_turn ON inbox (turn, id) WHERE settled_ms IS NULL AND turn <> '';
