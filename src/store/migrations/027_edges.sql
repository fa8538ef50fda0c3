-- One dialect for both databases, but for the three words that driver.h explains.

-- Hosts: a data directory on a machine, whose daemon looks after the processes of its own spool,
-- whoever leads. `place` is that of engine/base/home.h, `name` is for people, `role` is `leader` or
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
-- (engine/host/reports.h).
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

-- Lists of runs. project, session: of the turn or the job at the top; '': none. root: id of the run
-- at the top of the tree; 0: the run is the top. All three are those of the submit.
ALTER TABLE runs ADD COLUMN project TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN session TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN root @int@ NOT NULL DEFAULT 0;
UPDATE runs SET root = COALESCE((WITH RECURSIVE above (id, parent) AS
    (SELECT p.id, p.parent FROM runs p WHERE p.id = runs.parent UNION ALL
    SELECT p.id, p.parent FROM above JOIN runs p ON p.id = above.parent)
    SELECT min(id) FROM above), parent) WHERE parent <> 0;
UPDATE runs SET
    session = (SELECT s.session FROM turns t JOIN sessions s ON s.id = t.session
    WHERE t.run = runs.id),
    project = (SELECT s.project FROM turns t JOIN sessions s ON s.id = t.session
    WHERE t.run = runs.id)
    WHERE id IN (SELECT t.run FROM turns t JOIN sessions s ON s.id = t.session);
UPDATE runs SET project = substr(budget, 9, length(budget) - 9)
    WHERE root = 0 AND session = '' AND budget LIKE 'project:%/' AND budget NOT LIKE '%/%/';
UPDATE runs SET
    session = (SELECT r.session FROM runs r WHERE r.id = runs.root),
    project = (SELECT r.project FROM runs r WHERE r.id = runs.root)
    WHERE session = '' AND root IN (SELECT id FROM runs);
-- Each filter has an index whose last order is that of the list. Filters beside the first one are
-- compared row by row, in slices (engine/run/list.c); the trailing columns save looks at rows.
CREATE INDEX runs_kind ON runs (owner, kind, id);
CREATE INDEX runs_final ON runs (owner, state, id, kind) WHERE ended_ms IS NOT NULL;
CREATE INDEX runs_project ON runs (owner, project, id, kind) WHERE project <> '';
CREATE INDEX runs_session ON runs (owner, session, id, kind) WHERE session <> '';
CREATE INDEX runs_children ON runs (parent, id, kind) WHERE parent <> 0;
CREATE INDEX runs_root ON runs (root, id, kind) WHERE root <> 0;
CREATE INDEX runs_made ON runs (owner, made_ms, id);

-- Lists of sessions of a project.
CREATE INDEX sessions_project ON sessions (owner, project, parent, changed_ms, id)
    WHERE archived_ms IS NULL;
CREATE INDEX sessions_put_away ON sessions (owner, project, parent, changed_ms, id)
    WHERE archived_ms IS NOT NULL;

-- The list of budgets, and deliveries that a change of a connection lets go on.
CREATE INDEX budgets_owner ON budgets (owner, id);
CREATE INDEX inbox_held ON inbox (id) WHERE state = 'held' AND settled_ms IS NULL;

-- Number of attempts of a run that ended before their command began.
ALTER TABLE runs ADD COLUMN unbegun @int@ NOT NULL DEFAULT 0;
