-- The ends of streams.

-- 1: its last event has been written. Of the streams of runs.
ALTER TABLE streams ADD COLUMN ended @int@ NOT NULL DEFAULT 0;
UPDATE streams SET ended = 1 WHERE name LIKE 'run:%' AND EXISTS
    (SELECT 1 FROM runs WHERE runs.run = substr(streams.name, 5) AND runs.ended_ms IS NOT NULL);
