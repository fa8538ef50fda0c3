-- What the answers to a message must be: a JSON Schema, or ''; and how many answers of a turn were
-- not. One dialect for both databases, but for the three words that driver.h explains.

ALTER TABLE messages ADD COLUMN answer_schema TEXT NOT NULL DEFAULT '';
ALTER TABLE turns ADD COLUMN misfits @int@ NOT NULL DEFAULT 0;
