/* holders.c: what all holders of a daemon share: the program, the spool, the collected children. */
#include <errno.h>
#include <signal.h>

#include "base/memory.h"
#include "proc/holder_image.h"
#include "proc/holder_inside.h"
#include "proc/libexec.h"
#include "proc/reap.h"

/* --- Children --------------------------------------------------------------------------------- */

void holders__add_started(struct holders *holders, struct holder *holder) {
    if (holders->started_count == holders->started_size) {
        holders->started_size = holders->started_size == 0 ? 64 : 2 * holders->started_size;
        holders->started =
            mem_grow(holders->started, holders->started_size * sizeof *holders->started);
    }
    holders->started[holders->started_count++] = (struct started){holder->pid, holder};
}

/* From the newest: short commands are the ones that end often. */
static struct started *find_started(const struct holders *holders, int pid) {
    for (size_t i = holders->started_count; i > 0; i--) {
        if (holders->started[i - 1].pid == pid) {
            return &holders->started[i - 1];
        }
    }
    return NULL;
}

static void on_reaped(void *ctx, struct reap_ended ended) {
    struct holders *holders = ctx;
    struct started *started = find_started(holders, ended.pid);
    if (started == NULL) {
        holders->stats.reaped += !nursery_reaped(&holders->nursery, ended.pid);
        return;
    }
    struct holder *holder = started->holder;
    *started = holders->started[--holders->started_count];
    if (holder != NULL) {
        holder__reaped(holder, ended.status);
    }
}

/* Nobody of ours wants to die because a holder did while we spoke to it, and libuv does not keep
 * that signal away. It stays so: others in this process need it, too. */
static struct err ignore_broken_pipes(void) {
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    if (sigaction(SIGPIPE, &ignore, NULL /* old */) < 0) {
        return err_from_errno(errno, "holders: ignore SIGPIPE");
    }
    return ERR_OK;
}

/* --- Life ------------------------------------------------------------------------------------- */

struct err holders_open(const struct holders_options *options, struct holders **ret_holders) {
    const struct libexec_program program = {options->data_dir, "holder", holder_image(),
                                            holder_image_hash()};
    AUTO(mem_release) char *path = NULL;
    struct err err = libexec_install(loop_world(options->loop), &program, &path);
    if (err_failed(err)) {
        return err;
    }
    AUTO(mem_release) struct holders *holders = mem_new(sizeof *holders);
    err = ignore_broken_pipes();
    if (err_failed(err)) {
        return err;
    }
    err = reap_open(options->loop, on_reaped, holders, &holders->reap);
    if (err_failed(err)) {
        return err;
    }
    holders->loop = options->loop;
    holders->spool = options->spool;
    holders->program = path;
    path = NULL; /* Handed over. */
    holders->buffer = mem_new(HOLDERS_BUFFER_SIZE);
    nursery_init(&holders->nursery);
    *ret_holders = holders;
    holders = NULL; /* Handed over. */
    return ERR_OK;
}

static void free_if_unused(struct holders *holders) {
    if (!holders->closing || holders->pipes_open > 0) {
        return;
    }
    mem_free(holders->program);
    mem_free(holders->started);
    mem_free(holders->buffer);
    mem_free(holders);
}

void holders__pipe_closed(struct holders *holders) {
    holders->pipes_open--;
    free_if_unused(holders);
}

void holders_close(struct holders *holders) {
    if (holders == NULL) {
        return;
    }
    while (holders->live != NULL) {
        holder_close(holders->live);
    }
    nursery_done(&holders->nursery);
    reap_close(holders->reap);
    holders->closing = true;
    free_if_unused(holders);
}

void holders_get_stats(const struct holders *holders, struct holders_stats *ret_stats) {
    *ret_stats = holders->stats;
}
