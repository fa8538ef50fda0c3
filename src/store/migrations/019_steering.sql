-- What waits to join a turn is found without a walk through the session's messages: each step of a
-- turn asks for it. One dialect for both databases, but for the three words that driver.h explains.

CREATE INDEX messages_steering ON messages (session, run) WHERE status = 'steering';
