/* titles.h: has sessions named by models, in the background.
 *
 *   running ──reader──> what it is about ──model──> an answer | a failure | no time left
 *           ──store──> gone
 *
 * Promise    a run of kind `title` that runs is in the hands of exactly one daemon, once, until its
 *            end is stored; nothing of it is stored before, so a daemon that comes back asks again.
 * Bounds     one call of a model each, after all calls of turns; TITLE_MS for it; where
 *            the store refuses its end TITLE_TRIES times, the run fails alone; where it refuses
 *            that as often, the run is left to the next start.
 * Ownership  what the options point to is borrowed for life.
 * Threads    the loop.
 */
#ifndef DROVER_DISPATCH_SESSION_TITLES_H
#define DROVER_DISPATCH_SESSION_TITLES_H

#include "base/base.h"
#include "base/err.h"
#include "engine/run/runs.h"
#include "loop/loop.h"
#include "model/model.h"
#include "rules/run/run.h"
#include "store/store.h"

enum { TITLE_MS = 60000, TITLE_TRIES = 20, TITLE_RETRY_MS = 1000 };

struct titles;
struct titles_options {
    struct loop *loop;
    struct store *store;
    struct models *models;
    struct run_bounds bounds; /* Of what its end lets begin. */
    void *ctx;
    /* Somebody should know. */
    void (*failed)(void *ctx, const char *what, struct bytes run, struct err err);
};
struct titles *titles_open(const struct titles_options *options);
void titles_close(struct titles *titles); /* After titles_stop and store_close. NULL: fine. */

/* As a performer (dispatch/base/performer.h). A stop cancels what is with a model. */
void titles_run_note(void *titles, const struct run_row *row);
void titles_stop(void *titles);

#endif
