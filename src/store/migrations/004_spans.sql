-- What a run did, step by step: its process, and each call of a model or a tool; and what it left.
-- One dialect for both databases, but for the three words that driver.h explains.

-- One row per step of an attempt, written when it starts and again when it ends. Step 0 is the
-- attempt's own process. Numbers that nobody knows are NULL, never 0: what a call cost is not
-- nothing because nobody said. `reserve_…`: what was set aside for it (budgets), to be charged if
-- its end is never seen; `estimated` 1 says that this was done. disk: bytes that the folder of an
-- ended process takes.
CREATE TABLE spans (
    run @int@ NOT NULL,
    attempt @int@ NOT NULL,
    step @int@ NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    cause TEXT NOT NULL,
    started_ms @int@ NOT NULL,
    ended_ms @int@,
    fresh @int@,
    cache_read @int@,
    cache_write @int@,
    output_tokens @int@,
    reasoning @int@,
    cost @int@,
    reserve_tokens @int@,
    reserve_cost @int@,
    estimated @int@ NOT NULL,
    tries @int@ NOT NULL,
    exit_code @int@,
    cpu_us @int@,
    memory_kb @int@,
    disk @int@ NOT NULL,
    error TEXT NOT NULL,
    input TEXT NOT NULL,
    output TEXT NOT NULL,
    PRIMARY KEY (run, attempt, step)
) @strict@;

-- Bytes that the folders of ended runs take: the sum of `disk` over their spans.
ALTER TABLE nodes ADD COLUMN disk @int@ NOT NULL DEFAULT 0;
-- By which clock ages of ended runs were judged last (rules/run/retention.h); 0: by none yet.
ALTER TABLE nodes ADD COLUMN judged_ms @int@ NOT NULL DEFAULT 0;
