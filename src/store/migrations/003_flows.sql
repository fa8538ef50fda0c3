-- Flows (rules/flow/flow.h), by the run that is one. description, input: JSON; description: as the
-- worker described the file. stage: steps, report, over. rejected: words of the last rejection that
-- led back. failed: the step because of which it fails. due_ms 0: nothing passes by time.
-- timeout_ms: of the whole run, since it began; 0: none. artifact: name of the file that holds the
-- report; '': none; artifact_fault: why it was not written; ''. resumed_from: run_… that it began
-- from, or ''. begun_from: 1: a run has begun from this one, and may be gone since; else 0.
CREATE TABLE flows (
    run @int@ NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    file TEXT NOT NULL,
    source TEXT NOT NULL,
    description TEXT NOT NULL,
    input TEXT NOT NULL,
    model TEXT NOT NULL,
    root TEXT NOT NULL,
    stage TEXT NOT NULL,
    rewinds @int@ NOT NULL,
    rejected TEXT NOT NULL,
    failed TEXT NOT NULL,
    due_ms @int@ NOT NULL,
    report TEXT NOT NULL,
    step_timeout_ms @int@ NOT NULL,
    timeout_ms @int@ NOT NULL,
    artifact TEXT NOT NULL,
    artifact_fault TEXT NOT NULL,
    resumed_from TEXT NOT NULL,
    begun_from @int@ NOT NULL
) @strict@;
-- Steps, in the order of the file. child: id of the run that it waits for; 0: none. latest: run_…
-- that it began last, which clients see when it has ended, too, or ''; session: of that; ''.
-- approval: apr_…, or ''. cached: run_… in which it ran, where its result was taken over, or ''.
CREATE TABLE flow_steps (
    run @int@ NOT NULL,
    place @int@ NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    phase TEXT NOT NULL,
    cause TEXT NOT NULL,
    version @int@ NOT NULL,
    chosen @int@ NOT NULL,
    tries @int@ NOT NULL,
    rounds @int@ NOT NULL,
    began_ms @int@ NOT NULL,
    changed_ms @int@ NOT NULL,
    due_ms @int@ NOT NULL,
    child @int@ NOT NULL,
    latest TEXT NOT NULL,
    session TEXT NOT NULL,
    approval TEXT NOT NULL,
    note TEXT NOT NULL,
    prompt TEXT NOT NULL,
    result TEXT NOT NULL,
    cached TEXT NOT NULL,
    PRIMARY KEY (run, place)
) @strict@;
CREATE INDEX flow_steps_child ON flow_steps (child) WHERE child <> 0;
-- Agents that a code step asks for, at that version of it. state: '', done, failed.
CREATE TABLE flow_calls (
    run @int@ NOT NULL,
    place @int@ NOT NULL,
    version @int@ NOT NULL,
    number @int@ NOT NULL,
    agent TEXT NOT NULL,
    task TEXT NOT NULL,
    child @int@ NOT NULL,
    session TEXT NOT NULL,
    state TEXT NOT NULL,
    result TEXT NOT NULL,
    PRIMARY KEY (run, place, version, number)
) @strict@;
CREATE INDEX flow_calls_child ON flow_calls (child) WHERE child <> 0;
