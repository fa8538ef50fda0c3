-- Agents of workflows are of no session, so that two projects of an owner would share a row: the
-- project tells rows apart, too. A constraint cannot be changed where it stands, so the table is
-- made anew. One dialect for both databases, but for the three words that driver.h explains.

-- day: since 1970, UTC. session: ses_…, or '' category: turn, follow_up, subagent, review, …
CREATE TABLE usage_by_project (
    id @id@,
    owner TEXT NOT NULL,
    day @int@ NOT NULL,
    session TEXT NOT NULL,
    model TEXT NOT NULL,
    category TEXT NOT NULL,
    project TEXT NOT NULL,
    agent TEXT NOT NULL,
    calls @int@ NOT NULL,
    fresh @int@ NOT NULL,
    cache_read @int@ NOT NULL,
    cache_write @int@ NOT NULL,
    output @int@ NOT NULL,
    reasoning @int@ NOT NULL,
    cost_micros @int@ NOT NULL,
    cost_unknown @int@ NOT NULL,
    UNIQUE (owner, day, session, model, category, project)
) @strict@;
INSERT INTO usage_by_project (owner, day, session, model, category, project, agent, calls, fresh,
    cache_read, cache_write, output, reasoning, cost_micros, cost_unknown)
    SELECT owner, day, session, model, category, project, agent, calls, fresh, cache_read,
    cache_write, output, reasoning, cost_micros, cost_unknown FROM usage_totals ORDER BY id;
DROP TABLE usage_totals;
ALTER TABLE usage_by_project RENAME TO usage_totals;
CREATE INDEX usage_session ON usage_totals (owner, session);
