/* scans.h: two looks after a start: at folders of the spool whose runs the database does not know,
 * and at the newest rows, of which damaged ones are logged.
 *
 * Why        a run's row is durable before its folder is made, and a removed run leaves no folder.
 *            So such a folder means that the database has lost what it knew, or is another one.
 * Promise    one line of the log with the number of folders and the first names. Folders in which
 *            no command
 *            ever began are not counted. Nothing waits for it, and nothing is changed.
 * Ownership  embedded in what lives until the loop has ended; all else is borrowed as long.
 * Threads    the loop; folders are read in its pool, rows by the store's readers.
 */
#ifndef DROVER_MAIN_SCANS_H
#define DROVER_MAIN_SCANS_H

#include "base/log.h"
#include "base/text.h"
#include "loop/loop.h"
#include "proc/spool/spool.h"
#include "store/store.h"

struct spool_look {
    struct loop *loop;
    struct store *store;
    struct log *log;
    const struct spool *spool;
    struct loop_work work;
    struct text names;   /* Owned. Of folders, each terminated. */
    struct text unknown; /* Owned. Those whose runs have no row. */
    struct text page;    /* Owned. The same, of the rows that are being read. */
    size_t at, next;     /* Names before it were looked for; the same after this page. */
    int64_t count;       /* The result; 0 until then. */
    struct err err;      /* Of the folders. */
    bool stopping;       /* The daemon stops: nothing more is asked for. */
};

void spool_look_start(struct spool_look *look, struct loop *loop, struct store *store,
                      struct log *log, const struct spool *spool);
void spool_look_stop(struct spool_look *look); /* Never started is fine. */
void spool_look_done(struct spool_look *look); /* After the loop. Never started is fine. */

/* Ends by itself, or with the store: store and log are borrowed until then. */
void damage_look(struct store *store, struct log *log);

#endif
