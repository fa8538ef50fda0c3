-- path: PATH of the terminal in which the project was made or set last. Programs that work for it
-- are looked up there; '': in that of the daemon.
ALTER TABLE projects ADD COLUMN path TEXT NOT NULL DEFAULT '';
