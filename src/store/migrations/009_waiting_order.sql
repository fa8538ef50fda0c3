-- What waits for a person is read by its age, and results that nobody gets wait, too. Databases of
-- some builds have these indexes already.
DROP INDEX IF EXISTS tasks_asking;
CREATE INDEX tasks_asking ON tasks (owner, changed_ms, id)
    WHERE status IN ('review', 'blocked', 'failed') AND archived = 0;
CREATE INDEX IF NOT EXISTS inbox_stuck ON inbox (owner, id)
    WHERE state IN ('held', 'stalled') AND settled_ms IS NULL;
