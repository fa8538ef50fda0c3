-- Checks of what a turn wrote, and whether it was told that its calls fail.
-- One dialect for both databases, but for the three words that driver.h explains.

-- wrote: a step wrote files, and no check has run since. check_run: id of the run that checks, or
-- whose result nobody has fetched yet; 0: none. failed_checks: how many the model was told of.
ALTER TABLE turns ADD COLUMN wrote @int@ NOT NULL DEFAULT 0;
ALTER TABLE turns ADD COLUMN check_run @int@ NOT NULL DEFAULT 0;
ALTER TABLE turns ADD COLUMN failed_checks @int@ NOT NULL DEFAULT 0;
-- Of `mistakes`, when the model was told of them; 0: it was not.
ALTER TABLE turns ADD COLUMN mistakes_told @int@ NOT NULL DEFAULT 0;
