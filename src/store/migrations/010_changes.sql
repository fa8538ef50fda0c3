-- Folders in which agents work, and what they held at a moment (rules/changes/point.h).
-- repository: name of the folder of its shadow repository in the data directory. left_out: JSON of
-- the names that the last point left out; '': none was.
CREATE TABLE worlds (
    id @id@,
    world TEXT NOT NULL UNIQUE,
    host TEXT NOT NULL,
    path TEXT NOT NULL,
    repository TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    detail TEXT NOT NULL DEFAULT '',
    files @int@ NOT NULL DEFAULT 0,
    bytes @int@ NOT NULL DEFAULT 0,
    left_out TEXT NOT NULL DEFAULT '',
    left_out_count @int@ NOT NULL DEFAULT 0,
    made_ms @int@ NOT NULL,
    changed_ms @int@ NOT NULL,
    UNIQUE (host, path)
) @strict@;
-- call: name of the call within its run; '': the point is of the run itself. path: the one path
-- that the call may write; '': any. late: 1: the call did not wait for this point. closed: of a
-- point before a call: id of the point after it, or the highest number while the call is open; of
-- any other point 0.
CREATE TABLE points (
    id @id@,
    point TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    world @int@ NOT NULL,
    tree TEXT NOT NULL,
    at_ms @int@ NOT NULL,
    session @int@ NOT NULL,
    run @int@ NOT NULL,
    call TEXT NOT NULL,
    phase TEXT NOT NULL,
    path TEXT NOT NULL DEFAULT '',
    late @int@ NOT NULL DEFAULT 0,
    closed @int@ NOT NULL DEFAULT 0
) @strict@;
CREATE INDEX points_world ON points (world, id);
CREATE INDEX points_session ON points (session, id) WHERE session <> 0;
CREATE INDEX points_run ON points (run, id) WHERE run <> 0;
-- Calls that are open, or were open at a point.
CREATE INDEX points_closed ON points (world, closed, id) WHERE closed <> 0;
-- Contents that an owner has marked as viewed: hash of the content, '' of a path that is gone.
CREATE TABLE viewed (
    id @id@,
    owner TEXT NOT NULL,
    world @int@ NOT NULL,
    path TEXT NOT NULL,
    hash TEXT NOT NULL,
    at_ms @int@ NOT NULL,
    UNIQUE (owner, world, path)
) @strict@;
-- Rewinds of sessions. files: JSON of what each file is to become (tool/changes). message, last:
-- the conversation goes back to before this message, and loses all up to that; 0: it stays.
CREATE TABLE rewinds (
    id @id@,
    rewind TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    session @int@ NOT NULL,
    world @int@ NOT NULL,
    state TEXT NOT NULL,
    files TEXT NOT NULL,
    message @int@ NOT NULL,
    last @int@ NOT NULL,
    note TEXT NOT NULL DEFAULT '',
    made_ms @int@ NOT NULL,
    ended_ms @int@
) @strict@;
CREATE INDEX rewinds_open ON rewinds (id) WHERE state = 'applying';
CREATE INDEX rewinds_session ON rewinds (session, id);
