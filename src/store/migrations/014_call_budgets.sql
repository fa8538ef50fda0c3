-- What the call of the model that is out may spend, as it was granted.
-- One dialect for both databases, but for the three words that driver.h explains.

ALTER TABLE turns ADD COLUMN granted_output @int@ NOT NULL DEFAULT 0;
ALTER TABLE turns ADD COLUMN granted_tokens @int@ NOT NULL DEFAULT 0;
ALTER TABLE turns ADD COLUMN granted_cost @int@ NOT NULL DEFAULT 0;
