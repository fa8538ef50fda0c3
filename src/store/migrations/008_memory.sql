-- What agents remember. project '': it is about everything. tags: a JSON list. words: those of all
-- its texts, cut and lowered by us (engine/memory/words.h), each behind a blank. day: days since
-- 1970.
CREATE TABLE memory (
    id @id@,
    memory TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    project TEXT NOT NULL,
    topic TEXT NOT NULL,
    title TEXT NOT NULL,
    content TEXT NOT NULL,
    tags TEXT NOT NULL,
    words TEXT NOT NULL,
    day @int@ NOT NULL,
    made_ms @int@ NOT NULL,
    changed_ms @int@ NOT NULL
) @strict@;
CREATE INDEX memory_owner ON memory (owner, id);
CREATE INDEX memory_day ON memory (owner, day);
