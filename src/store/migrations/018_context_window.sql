-- How many tokens the model takes that was asked last, as it was known then; 0: none was asked.
-- One dialect for both databases, but for the three words that driver.h explains.

ALTER TABLE sessions ADD COLUMN context_window @int@ NOT NULL DEFAULT 0;
