-- Checkpoints: what a model is shown in place of the beginning of a long session.
-- One dialect for both databases, but for the three words that driver.h explains.

-- message: id of the last message that the summary covers; step: of that message it covers the
-- parts up to this step, 0: all. question: id of a message before it that is shown nevertheless,
-- because its turn was running; 0: none. made_by: auto, manual. method: how the summary came about:
-- summary (a model wrote it), excerpt. void 1: a message that it covers was changed or removed.
CREATE TABLE checkpoints (
    id @id@,
    session @int@ NOT NULL,
    message @int@ NOT NULL,
    step @int@ NOT NULL,
    question @int@ NOT NULL,
    void @int@ NOT NULL,
    tokens_before @int@ NOT NULL,
    tokens_after @int@ NOT NULL,
    made_ms @int@ NOT NULL,
    made_by TEXT NOT NULL,
    method TEXT NOT NULL,
    summary TEXT NOT NULL
) @strict@;
CREATE INDEX checkpoints_session ON checkpoints (session, id);
CREATE INDEX checkpoints_active ON checkpoints (session, message) WHERE void = 0;
