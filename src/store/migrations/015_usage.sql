-- What calls of models took, by day. Runs and sessions are removed some day; this stays.
-- One dialect for both databases, but for the three words that driver.h explains.

-- day: since 1970, UTC. session: ses_… category: turn, follow_up, subagent, review.
CREATE TABLE usage_totals (
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
    UNIQUE (owner, day, session, model, category)
) @strict@;
CREATE INDEX usage_session ON usage_totals (owner, session);
