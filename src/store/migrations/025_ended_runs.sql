-- Retention looks for ended runs by themselves: agents of workflows go with these. Left out of its
-- index, they cost a page less each.
-- One dialect for both databases, but for the three words that driver.h explains.

DROP INDEX runs_ended;
CREATE INDEX runs_ended ON runs (ended_ms, id) WHERE ended_ms IS NOT NULL AND step_key = '';
