-- Turns of a session are counted, from 1, and their spans are asked for by that number; a call of
-- a model says how its prompt was made up. One dialect for both databases, but for the three words
-- that driver.h explains.

ALTER TABLE turns ADD COLUMN number @int@ NOT NULL DEFAULT 0;
UPDATE turns SET number = (SELECT count(*) FROM turns earlier
    WHERE earlier.session = turns.session AND earlier.run <= turns.run);
CREATE UNIQUE INDEX turns_number ON turns (session, number);
-- Highest number of a turn of the session that was deleted, so that it is not given again; 0: none.
ALTER TABLE sessions ADD COLUMN turn_last @int@ NOT NULL DEFAULT 0;

-- Bytes of a prompt's parts, as they were measured; NULL: they were not.
ALTER TABLE spans ADD COLUMN tools_bytes @int@;
ALTER TABLE spans ADD COLUMN instructions_bytes @int@;
ALTER TABLE spans ADD COLUMN history_bytes @int@;
