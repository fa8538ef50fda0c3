-- Turns: how far each is, and what somebody is asked in it.
-- One dialect for both databases, but for the three words that driver.h explains.

-- question 0: no message of a user began it. answer: the message that it writes. call: the step of
-- the model's call that is out, 0: none; from_seq: where the events of that call begin in
-- the stream.
CREATE TABLE turns (
    run @int@ NOT NULL PRIMARY KEY,
    session @int@ NOT NULL,
    began_by TEXT NOT NULL,
    question @int@ NOT NULL,
    answer @int@ NOT NULL,
    begun @int@ NOT NULL,
    calls @int@ NOT NULL,
    calls_max @int@ NOT NULL,
    step @int@ NOT NULL,
    call @int@ NOT NULL,
    from_seq @int@ NOT NULL,
    mistakes @int@ NOT NULL,
    repeats @int@ NOT NULL,
    answered @int@ NOT NULL,
    last_call @int@ NOT NULL,
    truncated @int@ NOT NULL,
    output_max @int@ NOT NULL,
    model TEXT NOT NULL,
    last TEXT NOT NULL
) @strict@;
CREATE INDEX turns_session ON turns (session, run);

-- What somebody is asked before a turn goes on. kind: leave (may it?) | answer (a question).
-- digest: of the exact call; part: its card in `message`. Open while answered_ms is NULL.
CREATE TABLE approvals (
    id @id@,
    approval TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    session @int@ NOT NULL,
    run @int@ NOT NULL,
    message @int@ NOT NULL,
    part @int@ NOT NULL,
    kind TEXT NOT NULL,
    tool TEXT NOT NULL,
    digest TEXT NOT NULL,
    arguments TEXT NOT NULL,
    about TEXT NOT NULL,
    state TEXT NOT NULL,
    answer TEXT NOT NULL,
    answered_by TEXT NOT NULL,
    asked_ms @int@ NOT NULL,
    answered_ms @int@
) @strict@;
CREATE INDEX approvals_owner ON approvals (owner, id);
CREATE INDEX approvals_open ON approvals (owner, id) WHERE answered_ms IS NULL;
CREATE INDEX approvals_run ON approvals (run, part);

-- The card whose child a run is.
CREATE INDEX parts_run ON parts (run) WHERE run <> 0;
