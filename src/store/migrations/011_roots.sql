-- Folders beside the project's root that the tools of a session may use.
-- One dialect for both databases, but for the three words that driver.h explains.

-- path: where the folder really is, without links. access: read | write. granted_by: the owner who
-- said yes.
CREATE TABLE session_roots (
    session @int@ NOT NULL,
    path TEXT NOT NULL,
    access TEXT NOT NULL,
    granted_by TEXT NOT NULL,
    granted_ms @int@ NOT NULL,
    PRIMARY KEY (session, path)
) @strict@;
