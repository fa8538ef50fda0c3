-- waits_for: id of a task that this one needs, and that is not done; 0: none is known. A board
-- looks for its next task among those with 0, and at the needs of these (engine/board/rows.h).
ALTER TABLE tasks ADD COLUMN waits_for @int@ NOT NULL DEFAULT 0;
CREATE INDEX tasks_waiting ON tasks (waits_for) WHERE waits_for <> 0;
DROP INDEX tasks_pending;
CREATE INDEX tasks_ready ON tasks (owner, project, priority DESC, id)
    WHERE status = 'pending' AND archived = 0 AND waits_for = 0;
