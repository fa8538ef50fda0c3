-- Workflows, and the calls of agents that are their steps.
-- One dialect for both databases, but for the three words that driver.h explains.

-- A run of kind `agent` is a step of its parent. step_key: what was asked, as a hash; occurrence:
-- the how manieth time; done_no: as the how manieth of its workflow it was settled, 0: it was not.
-- cached 1: another run's result was taken over. What it took: tokens that are not known are 0.
ALTER TABLE runs ADD COLUMN step_key TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN occurrence @int@ NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN done_no @int@ NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN cached @int@ NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN output_tokens @int@ NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN tokens @int@ NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN cost_micros @int@ NOT NULL DEFAULT 0;
CREATE INDEX runs_step ON runs (parent, done_no) WHERE step_key <> '';

-- What a workflow needs to go on behind a crash. script: hash of its text; resumed_from: the run
-- whose results it may take, 0: none; lines: the highest number of a phase or a log line that was
-- stored; crashes: of its worker, in all; deadline_ms 0: none.
CREATE TABLE workflows (
    run @int@ NOT NULL PRIMARY KEY,
    script TEXT NOT NULL,
    resumed_from @int@ NOT NULL,
    lines @int@ NOT NULL,
    crashes @int@ NOT NULL,
    deadline_ms @int@ NOT NULL
) @strict@;
CREATE INDEX workflows_script ON workflows (script);

-- Texts of scripts, by their SHA-256: a run goes on with the one that it began with.
CREATE TABLE scripts (
    hash TEXT NOT NULL PRIMARY KEY,
    source TEXT NOT NULL
) @strict@;

-- What workflow() found, in a run: a script, or a sentence why there was none (script '').
CREATE TABLE workflow_refs (
    run @int@ NOT NULL,
    step_key TEXT NOT NULL,
    occurrence @int@ NOT NULL,
    done_no @int@ NOT NULL,
    script TEXT NOT NULL,
    file TEXT NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (run, done_no)
) @strict@;
CREATE INDEX workflow_refs_script ON workflow_refs (script);
