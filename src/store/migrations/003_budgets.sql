-- What may be spent, and what was.
-- One dialect for both databases, but for the three words that driver.h explains.

-- A node of the tree: its path is the chain of scopes down to it, each closed by '/':
-- 'project:web/run:run_…/'; '' with the owner '' is `global`, which stands above all owners.
-- A limit that is NULL is none. run 0: it is not the budget of one run.
CREATE TABLE budgets (
    id @int@ NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    scope TEXT NOT NULL,
    path TEXT NOT NULL,
    run @int@ NOT NULL,
    made_ms @int@ NOT NULL,
    output_tokens_max @int@,
    tokens_max @int@,
    cost_micros_max @int@,
    agents_max @int@,
    wall_ms_max @int@,
    output_tokens_spent @int@ NOT NULL DEFAULT 0,
    tokens_spent @int@ NOT NULL DEFAULT 0,
    cost_micros_spent @int@ NOT NULL DEFAULT 0,
    agents_spent @int@ NOT NULL DEFAULT 0,
    wall_ms_spent @int@ NOT NULL DEFAULT 0,
    UNIQUE (owner, path),
    UNIQUE (owner, scope)
) @strict@;
CREATE INDEX budgets_run ON budgets (run) WHERE run <> 0;

-- What attempts of one kind took of late under a budget: what the next one reserves.
CREATE TABLE budget_means (
    budget @int@ NOT NULL,
    what TEXT NOT NULL,
    count @int@ NOT NULL,
    output_tokens @int@ NOT NULL,
    tokens @int@ NOT NULL,
    cost_micros @int@ NOT NULL,
    agents @int@ NOT NULL,
    wall_ms @int@ NOT NULL,
    PRIMARY KEY (budget, what)
) @strict@;

-- Where a run stands in the tree: the path of the deepest node that can be above it or its own.
ALTER TABLE runs ADD COLUMN budget TEXT NOT NULL DEFAULT '';
-- Which limit of which budget it waits for: eight times the budget's id, and the amount; 0: none.
ALTER TABLE runs ADD COLUMN lane @int@ NOT NULL DEFAULT 0;
-- 1: its attempt was admitted by budgets, and will be charged to them. What it reserves until then:
ALTER TABLE runs ADD COLUMN charged @int@ NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN output_tokens_held @int@ NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN tokens_held @int@ NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN cost_micros_held @int@ NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN agents_held @int@ NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN wall_ms_held @int@ NOT NULL DEFAULT 0;

-- The sum of what is reserved, without a look at the rows.
CREATE INDEX runs_held ON runs (owner, budget, output_tokens_held, tokens_held, cost_micros_held,
    agents_held, wall_ms_held, charged, ended_ms) WHERE charged = 1 AND ended_ms IS NULL;
-- Who waits for a limit, in the order of admission.
CREATE INDEX runs_lane ON runs (lane, priority DESC, id) WHERE lane <> 0 AND ended_ms IS NULL;
