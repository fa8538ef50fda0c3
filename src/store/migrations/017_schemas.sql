-- What the answer of a turn must be: a JSON Schema, or ''; and how many answers were not.
-- One dialect for both databases, but for the three words that driver.h explains.

ALTER TABLE turns ADD COLUMN answer_schema TEXT NOT NULL DEFAULT '';
ALTER TABLE turns ADD COLUMN misfits @int@ NOT NULL DEFAULT 0;
