-- Nothing behind hold_after is cut, whatever the retention says: a turn that runs reads it again.
-- Of what is told of a session ten minutes are kept, and at most 1,000 events, since its messages
-- hold the whole; of a project's list 10,000.
-- One dialect for both databases, but for the three words that driver.h explains.

ALTER TABLE streams ADD COLUMN hold_after @int@;
UPDATE streams SET keep_ms = 600000, keep_events = 1000 WHERE name LIKE 'session:%';
UPDATE streams SET keep_events = 10000 WHERE name LIKE 'project:%';
UPDATE streams SET hold_after = floor
    WHERE name IN (SELECT 'session:' || session FROM sessions WHERE state <> 'idle');
