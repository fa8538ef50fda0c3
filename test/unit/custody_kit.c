/* custody_kit.c: see custody_kit.h. */
#include "custody_kit.h"
#include "loop/loop_uv.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "proc/tree.h"
#include "scale.h"

enum { PATIENCE_MS = 60000, STEP_MS = 2 };

static void give_up(struct timer *timer) {
    fail_msg("nothing happened for a minute");
}

static void open_holders(struct yard *yard) {
    const struct holders_options options = {
        .loop = yard->loop, .spool = yard->place.spool, .data_dir = yard->place.dir};
    assert_false(err_failed(holders_open(&options, &yard->holders)));
}

int yard_open(void **state) {
    struct yard *yard = calloc(1, sizeof *yard);
    place_init(&yard->place);
    const struct loop_options options = {.world = world_real()};
    assert_false(err_failed(loop_open(&options, &yard->loop)));
    open_holders(yard);
    *state = yard;
    return 0;
}

/* Whatever a failed test left must not outlive it. */
int yard_close(void **state) {
    struct yard *yard = *state;
    struct spool_state found = look(yard);
    if (found.found == SPOOL_ALIVE) {
        (void)kill(found.pid, SIGKILL);
    }
    const struct tree_mark mark = {NAME, nonce()};
    struct tree_end end;
    assert_false(err_failed(tree_end(&mark, 1, (unsigned)scaled_ms(PATIENCE_MS), &end)));
    holders_close(yard->holders);
    loop_close(yard->loop);
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
    place_done(&yard->place);
    free(yard);
    return 0;
}

void yard_reopen(struct yard *yard) {
    holders_close(yard->holders);
    open_holders(yard);
}

static void patience_start(struct yard *yard) {
    uv_update_time(loop_uv(yard->loop));
    timer_start(yard->loop, &yard->patience, (uint64_t)scaled_ms(PATIENCE_MS), give_up);
}

void yard_turn(struct yard *yard) {
    patience_start(yard);
    (void)uv_run(loop_uv(yard->loop), UV_RUN_ONCE);
    timer_stop(yard->loop, &yard->patience);
}

void yard_run_until(struct yard *yard, const bool *flag) {
    patience_start(yard);
    while (!*flag) {
        (void)uv_run(loop_uv(yard->loop), UV_RUN_ONCE);
    }
    timer_stop(yard->loop, &yard->patience);
}

void yard_run_until_reaped(struct yard *yard, pid_t pid) {
    while (kill(pid, 0) == 0) {
        yard_turn(yard);
    }
}

/* --- Hearing ---------------------------------------------------------------------------------- */

static void on_claimed(void *ctx) {
    struct heard *heard = ctx;
    assert_false(heard->claimed || heard->grown || heard->ended);
    heard->claimed = true;
}

static void on_grown(void *ctx, enum log_stream stream, int64_t size) {
    struct heard *heard = ctx;
    assert_false(heard->ended);
    assert_true(size > heard->sizes[stream]);
    heard->sizes[stream] = size;
    heard->grown = true;
    if (heard->close_at_growth) {
        holder_close(heard->holder);
    }
}

static void send_input(struct heard *heard) {
    int64_t skipped = heard->accepted_size - heard->input_from;
    if (skipped >= 0 && skipped < (int64_t)heard->input.len) {
        struct bytes rest = {heard->input.data + skipped, heard->input.len - (size_t)skipped};
        holder_input(heard->holder, heard->accepted_size, rest);
    }
}

static void on_accepted(void *ctx, int64_t size) {
    struct heard *heard = ctx;
    assert_false(heard->ended);
    heard->accepted = true;
    heard->accepted_size = size;
    send_input(heard);
}

static void on_disk_full(void *ctx, bool full) {
    struct heard *heard = ctx;
    heard->full = full;
}

static void on_ended(void *ctx, enum holder_end end, const struct spool_exit *exit) {
    struct heard *heard = ctx;
    heard->ends++;
    heard->ended = true;
    heard->end = end;
    heard->has_exit = exit != NULL;
    heard->holder = NULL;
    if (exit != NULL) {
        heard->exit = *exit;
    }
}

const struct holder_news heard_news = {on_claimed, on_grown, on_accepted, on_disk_full, on_ended};

/* --- Starting --------------------------------------------------------------------------------- */

struct holder_order shell_order(const struct yard *yard, const char *const *argv) {
    static const char *const env[] = {"PATH=/usr/bin:/bin", "LC_ALL=C", NULL};
    return (struct holder_order){
        .name = NAME, .nonce = nonce(), .argv = argv, .env = env, .cwd = yard->place.dir};
}

void start_order(struct yard *yard, const struct holder_order *order, struct heard *heard) {
    int fd = -1;
    *heard = (struct heard){.yard = yard};
    assert_false(err_failed(holder_order_make(order, spool_path(yard->place.spool), &fd)));
    assert_false(err_failed(holder_start(yard->holders, fd, &heard_news, heard, &heard->holder)));
    assert_false(heard->claimed || heard->ended); /* Never inside the call. */
}

void start_shell_with(struct yard *yard, const char *script, unsigned flags, struct heard *heard) {
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    struct holder_order order = shell_order(yard, argv);
    order.flags = flags;
    start_order(yard, &order, heard);
}

void start_shell(struct yard *yard, const char *script, struct heard *heard) {
    start_shell_with(yard, script, 0 /* flags */, heard);
}

void adopt(struct yard *yard, struct heard *heard) {
    *heard = (struct heard){.yard = yard};
    assert_false(err_failed(holder_adopt(yard->holders, NAME, &heard_news, heard, &heard->holder)));
    assert_false(heard->grown || heard->ended);
}

/* --- Looking ---------------------------------------------------------------------------------- */

struct spool_state look(const struct yard *yard) {
    struct spool_state found;
    assert_false(
        err_failed(spool_decide(yard->place.spool, NAME, SPOOL_LOOK, 1 /* epoch */, &found)));
    return found;
}

struct spool_state look_until_gone(struct yard *yard) {
    for (int waited = 0; waited < scaled_ms(PATIENCE_MS); waited += STEP_MS) {
        struct spool_state found = look(yard);
        if (found.found != SPOOL_ALIVE) {
            return found;
        }
        (void)uv_run(loop_uv(yard->loop), UV_RUN_NOWAIT);
        (void)poll(NULL, 0, STEP_MS); /* A lock that is let go of tells nobody. */
    }
    fail_msg("the holder lives for ever");
    return look(yard);
}

size_t read_log(const struct yard *yard, enum log_stream stream, char *buffer, size_t size) {
    const struct log_place place = {NAME, stream, 0};
    struct log_read read;
    assert_false(err_failed(spool_log_read(yard->place.spool, &place, buffer, size, &read)));
    assert_int_equal(read.offset, 0);
    return read.len;
}

const char *yard_file(const struct yard *yard, const char *name) {
    static char path[160];
    (void)snprintf(path, sizeof path, "%s/%s", yard->place.dir, name);
    return path;
}

void put_yard_file(const struct yard *yard, const char *name) {
    put_text(yard_file(yard, name), "1\n");
}
