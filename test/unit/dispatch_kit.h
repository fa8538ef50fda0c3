/* dispatch_kit.h: a whole daemon without its faces: loop, store, spool, holders, dispatch.
 *
 * kit_down and kit_up are a daemon that goes and one that comes: the next one has a higher epoch,
 * and the same folder. `deaf`: notes are dropped, so a run is admitted and nobody begins it, which
 * is what a daemon leaves that dies right after the commit.
 */
#ifndef DROVER_TEST_DISPATCH_KIT_H
#define DROVER_TEST_DISPATCH_KIT_H

#include <sys/types.h>

#include "base/base.h"
#include "base/id.h"
#include "dispatch/job/dispatch.h"
#include "proc_kit.h"

struct kit {
    struct place place; /* First: proc_kit's functions take it. */
    struct world world; /* The real one, but for the wall clock. */
    int64_t ahead_ms;   /* Lead of the wall clock: time that the machine slept. */
    struct loop *loop;
    struct store *store;
    struct holders *holders;
    struct dispatch *dispatch;
    struct bytes host; /* Of the daemons that come. */
    enum run_hosts hosts;
    bool guest; /* It does not lead: kit_open alone. */
    int64_t host_timeout_ms;
    int64_t slots;
    enum run_hold hold;
    bool deaf, recovered, stopped, releases;
    unsigned failures; /* That the dispatch told of. */
    unsigned notes;    /* Of runs. */
    struct run_keep keep;
};
struct kit *kit_new(void);
void kit_free(struct kit *kit);
/* The same, for cmocka. */
int kit_setup(void **state);
int kit_teardown(void **state);
void kit_open(struct kit *kit);
void kit_recover(struct kit *kit);
void kit_up(struct kit *kit); /* Both. */
void kit_down(struct kit *kit);

struct kit_job {
    const char *spec; /* JSON. */
    bool once;
    const char *key;
    bool input_open;
    int64_t input_from;
};
struct id kit_submit(struct kit *kit, const struct kit_job *job);
struct id kit_shell(struct kit *kit, const char *command); /* {"shell": …} */
/* A command that has begun, and goes on until the gate opens. What goes on is a child of it, since
 * the command itself dies with its holder. */
struct kit_begun {
    struct id run;
    int64_t attempt; /* On a busy machine one before it may not have begun. */
    pid_t pid;
};
struct kit_begun kit_begin_gated(struct kit *kit);
void kit_open_gate(struct kit *kit);
/* The tree is left. */
void kit_kill_holder(struct kit *kit, const struct kit_begun *begun);
/* For kit_until: `ctx` is the pid of a process that is not ours. */
bool kit_process_gone(struct kit *kit, void *ctx);
bool kit_no_removals(struct kit *kit, void *ctx); /* No folder of a removed run is listed. */
const char *kit_name(const struct id *run, int64_t attempt); /* Until the next call. */
/* As it stands; texts live until the next call. */
const struct run_row *kit_row(struct kit *kit, const struct id *run);
const struct run_row *kit_end(struct kit *kit, const struct id *run); /* Waits for its end. */
void kit_assert_ended(const struct run_row *row, enum run_state state, enum run_cause cause);
void kit_until_state(struct kit *kit, const struct id *run, enum run_state state);
void kit_stop(struct kit *kit, const struct id *run); /* With a grace of 1 s. */
/* Runs the loop until `is_so`; half a minute without it fails the test, which says its name. */
#define kit_until(kit, is_so, ctx) kit__until(kit, is_so, ctx, #is_so)
void kit__until(struct kit *kit, bool (*is_so)(struct kit *kit, void *ctx), void *ctx,
                const char *words);
void kit_until_file(struct kit *kit, const char *path);
/* A path in the kit's folder; until the next call. */
const char *kit_path(const struct kit *kit, const char *file);
/* A number that SQL gives. */
int64_t kit_number(struct kit *kit, const char *sql);
/* Changes, up to a NULL, in one commit. */
void kit_change(struct kit *kit, const char *const *sql);
struct dispatch_stats kit_stats(const struct kit *kit);

#endif
