-- A session that a person deleted is in the archive, in a list of its own, until it is removed.
ALTER TABLE sessions ADD COLUMN deleted_ms @int@;
CREATE INDEX sessions_deleted ON sessions (deleted_ms) WHERE deleted_ms IS NOT NULL;
