-- checking_ms: since when the must-haves of an attempt are checked; null: they are not. check_run:
-- command of that check; '': none runs. checks: JSON object of the check, which stays after its end
-- with the findings (engine/board/checks.c); '': there was none.
ALTER TABLE task_attempts ADD COLUMN checking_ms @int@;
ALTER TABLE task_attempts ADD COLUMN check_run TEXT NOT NULL DEFAULT '';
ALTER TABLE task_attempts ADD COLUMN checks TEXT NOT NULL DEFAULT '';
CREATE INDEX task_attempts_checking ON task_attempts (id) WHERE checking_ms IS NOT NULL;
CREATE INDEX task_attempts_check_run ON task_attempts (check_run) WHERE check_run <> '';
