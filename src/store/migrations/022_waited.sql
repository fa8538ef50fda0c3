-- What a turn waits for a person is no time of its own: the sum of its waits, in milliseconds.
-- While it waits, the moment at which that began is taken off; it is added when it goes on. Moments
-- are those of a clock that nobody sets (tx_steady_ms), as is the one when a run's attempt began.
-- One dialect for both databases, but for the three words that driver.h explains.

ALTER TABLE turns ADD COLUMN waited_ms @int@ NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN steady_ms @int@ NOT NULL DEFAULT 0;
