-- Connections to providers of models, and the daemon's settings: both belong to the daemon, to no
-- owner. One dialect for both databases, but for the three words that driver.h explains.

-- key_file: the name of the file of its key in the data directory (dispatch/provider/key_files.h);
-- '': it has no key. A key itself is never in the database. headers, models: JSON.
-- context_window, max_concurrent 0: not set.
CREATE TABLE providers (
    name TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    base_url TEXT NOT NULL,
    key_file TEXT NOT NULL,
    headers TEXT NOT NULL,
    models TEXT NOT NULL,
    context_window @int@ NOT NULL,
    max_concurrent @int@ NOT NULL,
    made_ms @int@ NOT NULL,
    changed_ms @int@ NOT NULL
) @strict@;

-- A setting that nobody made has no row.
CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    changed_ms @int@ NOT NULL
) @strict@;

-- How many tokens a provider was seen to take, where that is less than anybody said. model:
-- CONNECTION/MODEL.
CREATE TABLE learned_windows (
    model TEXT NOT NULL PRIMARY KEY,
    tokens @int@ NOT NULL,
    until_ms @int@ NOT NULL
) @strict@;
