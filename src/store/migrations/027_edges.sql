-- One dialect for both databases, but for the three words that driver.h explains.

-- Hosts: a data directory on a machine, whose daemon looks after the processes of its own spool,
-- whoever leads. `place` is that of engine/home.h, `name` is for people, `role` is `leader` or
-- `standby`, `seen_ms` the last sign of life.
CREATE TABLE hosts (
    id @id@,
    place TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    version TEXT NOT NULL,
    made_ms @int@ NOT NULL,
    seen_ms @int@ NOT NULL
) @strict@;

-- Ends of attempts that a standby has seen and the leader has not stored yet. `report` is JSON
-- (engine/host_reports.h).
CREATE TABLE host_reports (
    id @id@,
    place TEXT NOT NULL,
    run TEXT NOT NULL,
    attempt @int@ NOT NULL,
    made_ms @int@ NOT NULL,
    report TEXT NOT NULL,
    UNIQUE (run, attempt, place)
) @strict@;

-- Attempts of one host that have not ended: its own daemon looks for them each second while another
-- one leads.
CREATE INDEX runs_host ON runs (host, id) WHERE ended_ms IS NULL AND host <> '';
