/* folders.h: the rooms that read and write folders of projects: points of worlds, rewinds, working
 * trees and their removals. They are opened, recovered and closed together; work.c has them stop
 * as performers.
 *
 * Ownership  embedded; options are borrowed for life.
 * Threads    the loop.
 */
#ifndef DROVER_MAIN_ROOMS_FOLDERS_H
#define DROVER_MAIN_ROOMS_FOLDERS_H

#include "api/changes/changes.h"
#include "api/tree/trees.h"
#include "dispatch/changes/points.h"
#include "dispatch/changes/rewinds.h"
#include "dispatch/tree/removals.h"
#include "dispatch/tree/trees.h"

struct folders {
    struct points *points; /* Folders that turns and jobs write. */
    struct rewinds *rewinds;
    struct trees *trees;
    struct removals *removals;
    struct bytes host; /* As home.h has it. */
};
struct folders_options {
    struct room_options room;
    struct dispatch *dispatch;
    struct run_waits *waits;
    const char *data_dir;
    struct bytes host;     /* As home.h has it. */
    const char *home;      /* Home of the user; NULL: none. */
    unsigned umask;        /* Umask of the person: base/process/umask.h. */
    int64_t trees_kept_ms; /* As of removals_options. */
};
void folders_open(struct folders *folders, const struct folders_options *options);
void folders_recover(struct folders *folders);
void folders_close(struct folders *folders); /* Zeroed is allowed. */

struct changes_api folders_changes_api(const struct folders *folders, struct request_host host);
struct trees_api folders_trees_api(const struct folders *folders, struct request_host host);

#endif
