/* program_watch.c: see program_watch.h. */
#include "dispatch/turn/program_watch.h"

#include "proc/tree.h"

void program_watch_reset(struct program_watch *watch) {
    *watch = (struct program_watch){.rule = {.begun = false}};
}

/* Bytes that were written to a log so far. */
static struct err written_add(const struct spool *spool, const char *name, enum log_stream stream,
                              int64_t *io_bytes) {
    const struct log_place place = {name, stream, INT64_MAX};
    struct log_read got = {.len = 0};
    char none;
    const struct err err = spool_log_read(spool, &place, &none, 0, &got);
    *io_bytes += got.size;
    return err;
}

/* Processes of another machine, or of a time before the machine was restarted, are not seen here:
 * a tree without processes means something only where its holder lives. */
void program_watch_look(struct program_watch *watch, const struct spool *spool, const char *name) {
    const struct tree_mark mark = {.name = name, .nonce = ""};
    struct agent_sample *sample = &watch->evidence.sample;
    struct spool_state state = {.found = SPOOL_NONE};
    struct tree_use use = {.processes = 0};
    *sample = (struct agent_sample){.known = false};
    if (err_failed(written_add(spool, name, LOG_OUT, &sample->output)) ||
        err_failed(written_add(spool, name, LOG_ERR, &sample->output)) ||
        err_failed(tree_measure(&mark, &use)) ||
        err_failed(spool_decide(spool, name, SPOOL_LOOK, 0 /* epoch */, &state))) {
        return;
    }
    sample->known = state.found == SPOOL_ALIVE && !state.rebooted;
    sample->processes = use.processes;
    sample->cpu_us = use.cpu_us;
    sample->memory = use.memory;
}
