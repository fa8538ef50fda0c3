-- Working trees of agents (rules/tree/tree.h). holder: the session, task or agent of a workflow
-- that works in it. path: where it stands; root: the folder of its holder in it; top, source and
-- git: of the repository. base: the commit at which the branch began; '': none is known yet.
-- used: the last one that began to work in it; '': nobody did. begin: what the branch is to begin
-- at. stage: how far it was made. setup, teardown: commands of the project, as they were when it
-- was planned. first: hash of the tree of its first point. ports: a block of ports, FIRST-LAST; '':
-- none. kept: 1: it was looked at after the end of its holder, and stays.
CREATE TABLE trees (
    id @id@,
    tree TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    host TEXT NOT NULL,
    kind TEXT NOT NULL,
    holder TEXT NOT NULL UNIQUE,
    project TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    detail TEXT NOT NULL DEFAULT '',
    path TEXT NOT NULL,
    root TEXT NOT NULL,
    base TEXT NOT NULL DEFAULT '',
    top TEXT NOT NULL,
    source TEXT NOT NULL,
    git TEXT NOT NULL DEFAULT '',
    branch TEXT NOT NULL DEFAULT '',
    used TEXT NOT NULL DEFAULT '',
    begin_at TEXT NOT NULL DEFAULT '',
    stage TEXT NOT NULL DEFAULT '',
    setup TEXT NOT NULL DEFAULT '',
    teardown TEXT NOT NULL DEFAULT '',
    setup_run TEXT NOT NULL DEFAULT '',
    first TEXT NOT NULL DEFAULT '',
    ports TEXT NOT NULL DEFAULT '',
    ports_from @int@ NOT NULL DEFAULT 0,
    ports_count @int@ NOT NULL DEFAULT 0,
    kept @int@ NOT NULL DEFAULT 0,
    made_ms @int@ NOT NULL,
    changed_ms @int@ NOT NULL,
    UNIQUE (path, host)
) @strict@;
CREATE INDEX trees_owner ON trees (owner, id);
CREATE INDEX trees_project ON trees (owner, project, id);
CREATE INDEX trees_ports ON trees (host, ports_from) WHERE ports_from <> 0;
-- tree: the tree that is applied onto its root in that way (trees.id); 0: a session takes back.
ALTER TABLE rewinds ADD COLUMN tree @int@ NOT NULL DEFAULT 0;
