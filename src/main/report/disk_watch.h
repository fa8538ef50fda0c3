/* disk_watch.h: how full the data directory is, measured again and again; and whether it has room
 * for a new run.
 *
 * Promise    when the level of disk_usage.h rises, there is one line of the log and one event
 *            `data_directory_filling` {"level","bytes","limit","free_bytes"} on the stream `system`
 *            of the local user; when the level falls, a line of the log. At the limit
 *            disk_watch_room refuses, and asks for a new measurement, so that freed space is
 *            noticed at once. Runs that were accepted before are not touched.
 * Cost       one walk over the directory in the pool at the start and each minute, less often
 *            where a walk takes long: at most 1 % of the time.
 * Ownership  embedded; loop, store, log and `data` live until the loop has ended.
 * Threads    the loop.
 * Failure    a walk that fails is logged when its cause is a new one, and the last result stays.
 */
#ifndef DROVER_MAIN_REPORT_DISK_WATCH_H
#define DROVER_MAIN_REPORT_DISK_WATCH_H

#include "base/log.h"
#include "base/log_change.h"
#include "base/text.h"
#include "loop/loop.h"
#include "store/disk_usage.h"
#include "store/store.h"

struct disk_watch {
    struct loop *loop;
    struct store *store;
    struct log *log;
    const char *data;
    int64_t limit; /* Bytes; 0: none. */
    struct timer timer;
    struct loop_work work;
    enum { DISK_WATCH_OFF, DISK_WATCH_WAITS, DISK_WATCH_READS, DISK_WATCH_STOPPED } state;
    uint64_t begun_ns;      /* Start of the walk. */
    struct disk_usage read; /* Result of the walk that runs. */
    struct err err;
    struct disk_usage usage; /* Last result; total 0: none yet. */
    enum disk_level level, sent;
    bool sending; /* An event is on its way. */
    struct log_change failures;
};

/* `with`: loop, store, log, data and limit. */
void disk_watch_start(struct disk_watch *watch, const struct disk_watch *with);
void disk_watch_stop(struct disk_watch *watch); /* Never started is fine. */
/* ERR_DATA_FULL: no new run is taken. */
MUST_CHECK struct err disk_watch_room(struct disk_watch *watch, struct why *why);
/* Member of /readyz: "disk":{"bytes":…,"limit":…,"free_bytes":…,"level":…}. */
void disk_watch_write(const struct disk_watch *watch, struct text *text);
void disk_watch_metrics(const struct disk_watch *watch, struct text *text);

#endif
