-- What waits for a person, by its age (engine/system/waiting.c): tasks with a question, a plan, a
-- result or a failure, mail that nobody has answered, and results that nobody gets.
CREATE INDEX tasks_asking ON tasks (owner, changed_ms, id)
    WHERE status IN ('review', 'blocked', 'failed') AND archived = 0;
CREATE INDEX mail_asking ON mail (owner, id) WHERE status = 'pending' AND session = '';
CREATE INDEX inbox_stuck ON inbox (owner, id)
    WHERE state IN ('held', 'stalled') AND settled_ms IS NULL;
