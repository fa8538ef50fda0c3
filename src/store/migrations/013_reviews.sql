-- Cards that a model looks at before they may begin: they are open like those that ask.
-- One dialect for both databases, but for the three words that driver.h explains.

DROP INDEX parts_open;
CREATE INDEX parts_open ON parts (message, number)
    WHERE state IN ('ready', 'asking', 'reviewing', 'running', 'pending');
