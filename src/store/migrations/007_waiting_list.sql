-- What waits for a person (engine/system/waiting.c): tasks with a question, a plan, a result or a
-- failure, and mail that nobody has answered.
CREATE INDEX tasks_asking ON tasks (owner, id)
    WHERE status IN ('review', 'blocked', 'failed') AND archived = 0;
CREATE INDEX mail_asking ON mail (owner, id) WHERE status = 'pending' AND session = '';
