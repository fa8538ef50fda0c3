-- What was told of a run goes with the run, so its notices are found by it.
-- home_epoch: of the daemon that was released with a database that had been restored or copied;
-- what an older one began may have ended in a history that this database does not know.
-- messages.model: of an answer whose turn is removed, or is another session's.
-- stopped_epoch: of the newest daemon that was asked to stop; 0: none was.
-- stopped_since: the first epoch of the orderly stops in a row that end with stopped_epoch.
-- One dialect for both databases, but for the three words that driver.h explains.

CREATE INDEX inbox_run ON inbox (run);
ALTER TABLE messages ADD COLUMN model TEXT NOT NULL DEFAULT '';
ALTER TABLE nodes ADD COLUMN home_epoch @int@ NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN stopped_epoch @int@ NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN stopped_since @int@ NOT NULL DEFAULT 0;
