/* holder.c: one holder, from its start or adoption to its end. What is said to it is in
 * holder_out.c.
 *
 *                    claimed
 *   STARTING ───────────────────> FOLLOWING
 *    │    │ the link breaks           │ exited, or the link breaks
 *    │    └──────────> LOSING         │
 *    │ void, exited,     │ its exit   │
 *    │ failed, or it     │ code came  │
 *    │ takes too long    │            │
 *    └──────────────> ENDED <─────────┘      holder_close leads here from everywhere
 *
 * A holder that cannot claim (no space, no such folder) says `failed`, and ends with an errno as
 * its exit code. Of our own child (the rare one that no nursery made) the link's end and SIGCHLD
 * come in either order; so a link that broke before the claim waits for the code, but not for long.
 */
#include "proc/holder.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/memory.h"
#include "loop/loop_uv.h"
#include "proc/holder_inside.h"

enum {
    PATIENCE_MS = 2000,
    CLAIM_MS = 10000, /* A slow disk has its time; who is stopped by somebody has not. */
};

static void set_state(struct holder *holder, enum holder_state state) {
    static const bool legal[HOLDER_STATES][HOLDER_STATES] = {
        [HOLDER_STARTING] =
            {[HOLDER_FOLLOWING] = true, [HOLDER_LOSING] = true, [HOLDER_ENDED] = true},
        [HOLDER_FOLLOWING] = {[HOLDER_ENDED] = true},
        [HOLDER_LOSING] = {[HOLDER_ENDED] = true},
    };
    assert(legal[holder->state][state]);
    holder->state = state;
}

/* --- The end ---------------------------------------------------------------------------------- */

static void list_add(struct holder *holder) {
    struct holders *holders = holder->holders;
    holder->next = holders->live;
    if (holder->next != NULL) {
        holder->next->prev = holder;
    }
    holders->live = holder;
    holders->stats.live++;
}

static void list_remove(struct holder *holder) {
    struct holders *holders = holder->holders;
    if (holder->prev == NULL) {
        holders->live = holder->next;
    } else {
        holder->prev->next = holder->next;
    }
    if (holder->next != NULL) {
        holder->next->prev = holder->prev;
    }
    holders->stats.live--;
}

static void holder_free(struct holder *holder) {
    link_done(&holder->reader);
    text_done(&holder->said);
    mem_free(holder->piece.data);
    mem_free(holder);
}

static void on_closed(uv_handle_t *pipe) {
    struct holder *holder = pipe->data;
    struct holders *holders = holder->holders;
    loop_breathe(holders->loop);
    holder_free(holder);
    holders__pipe_closed(holders);
}

/* A child that is collected later finds nobody who wants to know. */
static void forget_started(struct holder *holder) {
    struct holders *holders = holder->holders;
    for (size_t i = holders->started_count; holder->pid != 0 && i > 0; i--) {
        if (holders->started[i - 1].holder == holder) {
            holders->started[i - 1].holder = NULL;
            return;
        }
    }
}

/* Silence from here on; the pipe's callback frees it all. */
static void leave(struct holder *holder) {
    set_state(holder, HOLDER_ENDED);
    timer_stop(holder->holders->loop, &holder->patience);
    list_remove(holder);
    forget_started(holder);
    uv_close((uv_handle_t *)&holder->pipe, on_closed);
}

static void finish(struct holder *holder, enum holder_end end, const struct spool_exit *exit) {
    void (*ended)(void *, enum holder_end, const struct spool_exit *) = holder->news.ended;
    void *ctx = holder->ctx;
    leave(holder);
    ended(ctx, end, exit);
}

void holder_close(struct holder *holder) {
    if (holder != NULL && holder->state != HOLDER_ENDED) {
        leave(holder);
    }
}

/* --- Losing it -------------------------------------------------------------------------------- */

static void lose_without_code(struct timer *patience) {
    finish(CONTAINER_OF(patience, struct holder, patience), HOLDER_LOST, NULL /* exit */);
}

static void lose(struct holder *holder) {
    if (holder->state == HOLDER_STARTING && holder->pid != 0) {
        set_state(holder, HOLDER_LOSING);
        (void)uv_read_stop((uv_stream_t *)&holder->pipe); /* It always succeeds. */
        timer_start(holder->holders->loop, &holder->patience, PATIENCE_MS, lose_without_code);
        return;
    }
    finish(holder, HOLDER_LOST, NULL /* exit */);
}

static void lose_with_errno(struct holder *holder, int os) {
    const struct spool_exit exit = {.end = EXIT_NOT_STARTED, .os = os, .step = "holder"};
    finish(holder, HOLDER_LOST, os == 0 ? NULL : &exit);
}

static void lose_with_code(struct holder *holder, int status) {
    lose_with_errno(holder, WIFEXITED(status) ? WEXITSTATUS(status) : 0);
}

void holder__reaped(struct holder *holder, int status) {
    if (holder->state == HOLDER_LOSING) {
        lose_with_code(holder, status);
    } else if (holder->state == HOLDER_STARTING) {
        /* What it said last may still be in the link. */
        holder->collected = true;
        holder->status = status;
    }
}

/* --- What it says ----------------------------------------------------------------------------- */

/* A status tells again what was just told. */
static void tell_grown(struct holder *holder, enum log_stream stream, int64_t size) {
    if (size <= holder->sizes[stream]) {
        return;
    }
    holder->sizes[stream] = size;
    if (holder->news.grown != NULL) {
        holder->news.grown(holder->ctx, stream, size);
    }
}

static void tell_accepted(struct holder *holder, int64_t size) {
    if (holder->news.accepted != NULL) {
        holder->news.accepted(holder->ctx, size);
    }
}

static void tell_disk_full(struct holder *holder, bool full) {
    if (holder->news.disk_full != NULL) {
        holder->news.disk_full(holder->ctx, full);
    }
}

/* Each piece of news may be answered by holder_close. */
static void take_status(struct holder *holder, const struct link_message *message) {
    if (!holder->asked) {
        return;
    }
    holder->asked = false;
    for (unsigned i = 0; i < LOG_STREAMS && holder->state == HOLDER_FOLLOWING; i++) {
        tell_grown(holder, (enum log_stream)i, message->sizes[i]);
    }
    if (holder->state == HOLDER_FOLLOWING && message->disk_full) {
        tell_disk_full(holder, true);
    }
    if (holder->state == HOLDER_FOLLOWING) {
        holder__accepted(holder, message->accepted);
        tell_accepted(holder, message->accepted);
    }
}

static void take_claimed(struct holder *holder) {
    set_state(holder, HOLDER_FOLLOWING);
    timer_stop(holder->holders->loop, &holder->patience);
    if (holder->news.claimed != NULL) {
        holder->news.claimed(holder->ctx);
    }
}

static void take_exited(struct holder *holder, struct bytes json) {
    const char *name = holder->name[0] == '\0' ? NULL : holder->name;
    struct spool_exit exit;
    if (!spool_exit_parse(json, name, &exit)) {
        finish(holder, HOLDER_LOST, NULL /* exit */);
        return;
    }
    holder__say_bye(holder);
    finish(holder, HOLDER_EXITED, &exit);
}

static void take_gap(struct holder *holder, int64_t size) {
    if (!holder__gap(holder, size)) {
        tell_accepted(holder, size);
    }
}

static void take_known(struct holder *holder, const struct link_message *message) {
    switch (message->word) {
    case LINK_STATUS:
        take_status(holder, message);
        return;
    case LINK_GROWN:
        tell_grown(holder, message->stream, message->size);
        return;
    case LINK_ACCEPTED:
        holder__accepted(holder, message->size);
        tell_accepted(holder, message->size);
        return;
    case LINK_INPUT_GAP:
        take_gap(holder, message->size);
        return;
    case LINK_DISK_FULL:
        tell_disk_full(holder, message->size == 1);
        return;
    case LINK_EXITED:
        take_exited(holder, message->body);
        return;
    case LINK_CLAIMED:
    case LINK_VOID:
    case LINK_FAILED:
    default:
        finish(holder, HOLDER_LOST, NULL /* exit */); /* It said the first thing twice. */
        return;
    }
}

/* The first thing is `claimed` or `void`, but for a holder that claimed and could not make that
 * durable: of that one the result comes at once. */
static bool take(void *ctx, const struct link_message *message) {
    struct holder *holder = ctx;
    bool first = holder->state == HOLDER_STARTING;
    if (first && message->word == LINK_CLAIMED) {
        take_claimed(holder);
    } else if (first && message->word == LINK_VOID) {
        finish(holder, HOLDER_VOID, NULL /* exit */);
    } else if (first && message->word == LINK_FAILED) {
        lose_with_errno(holder, (int)message->size);
    } else {
        take_known(holder, message);
    }
    return holder->state == HOLDER_STARTING || holder->state == HOLDER_FOLLOWING;
}

static void on_room(uv_handle_t *pipe, size_t wanted, uv_buf_t *ret_buf) {
    (void)wanted; /* libuv's guess. */
    const struct holder *holder = pipe->data;
    *ret_buf = uv_buf_init(holder->holders->buffer, HOLDERS_BUFFER_SIZE);
}

static void on_read(uv_stream_t *pipe, ssize_t got, const uv_buf_t *buf) {
    struct holder *holder = pipe->data;
    loop_breathe(holder->holders->loop);
    if (got == 0) {
        return; /* Nothing there after all. */
    }
    if (got < 0 && holder->collected) {
        lose_with_code(holder, holder->status);
        return;
    }
    if (got < 0) {
        lose(holder);
        return;
    }
    holder->silent = false;
    struct bytes bytes = {buf->base, (size_t)got};
    if (link_feed(&holder->reader, bytes, take, holder) == LINK_NONSENSE) {
        finish(holder, HOLDER_LOST, NULL /* exit */);
    }
}

/* --- Beginning -------------------------------------------------------------------------------- */

/* Takes `fd`, also on failure. */
static struct err open_pipe(struct holders *holders, int *fd, struct holder **ret_holder) {
    struct holder *holder = mem_new(sizeof *holder);
    holder->holders = holders;
    holder->pipe.data = holder;
    text_init(&holder->said, SAID_MAX);
    int rc = uv_pipe_init(loop_uv(holders->loop), &holder->pipe, /* ipc */ 0);
    assert(rc == 0); /* It only fills memory of ours. */
    holders->pipes_open++;
    rc = uv_pipe_open(&holder->pipe, *fd);
    if (rc == 0) {
        *fd = -1; /* The pipe's from here on. */
        rc = uv_read_start((uv_stream_t *)&holder->pipe, on_room, on_read);
    }
    if (rc != 0) {
        uv_close((uv_handle_t *)&holder->pipe, on_closed);
        return err_from_errno(-rc, "holder: open the link");
    }
    *ret_holder = holder;
    return ERR_OK;
}

static void begin(struct holder *holder, const struct holder_news *news, void *ctx) {
    assert(news->ended != NULL);
    holder->news = *news;
    holder->ctx = ctx;
    list_add(holder);
}

/* Where the nursery has too much to do, or cannot be had, a holder is started as its own program.
 */
static struct err bring_about(struct holder *holder, const struct nursery_birth *birth) {
    struct holders *holders = holder->holders;
    struct err err = nursery_bear(&holders->nursery, birth);
    if (!err_failed(err)) {
        holder->nursery = holders->nursery.pid;
        return ERR_OK;
    }
    const struct holder_spawn spawn = {birth->program, birth->order_fd, birth->link_fd};
    err = holder__spawn(&spawn, &holder->pid);
    if (!err_failed(err)) {
        holders__add_started(holders, holder);
    }
    return err;
}

/* It hangs before its claim, or its nursery does. Whether it will run is for the spool to say; the
 * nursery's next order should not have to wait for the same. */
static void lose_unclaimed(struct timer *patience) {
    struct holder *holder = CONTAINER_OF(patience, struct holder, patience);
    struct nursery *nursery = &holder->holders->nursery;
    if (holder->nursery != 0 && holder->nursery == nursery->pid) {
        nursery_drop(nursery);
    }
    finish(holder, HOLDER_LOST, NULL /* exit */);
}

/* Said before it lives, so that the fastest command does not end before it is heard. */
static struct err say_keep(int link_fd) {
    static const char keep[] = "keep\n";
    bool said = send(link_fd, keep, sizeof keep - 1, MSG_NOSIGNAL) == (ssize_t)sizeof keep - 1;
    return said ? ERR_OK : err_from_errno(errno, "holder: make a link");
}

struct err holder_start(struct holders *holders, int order_fd, const struct holder_news *news,
                        void *ctx, struct holder **ret_holder) {
    AUTO(fd_release) int order = order_fd;
    AUTO(fd_release) int ours = -1;
    AUTO(fd_release) int theirs = -1;
    struct err err = holder__make_link(&ours, &theirs);
    if (!err_failed(err)) {
        err = say_keep(ours);
    }
    if (err_failed(err)) {
        return err;
    }
    struct holder *holder = NULL;
    err = open_pipe(holders, &ours, &holder);
    if (err_failed(err)) {
        return err;
    }
    /* Last, since from here on there is something that could not be taken back. */
    const struct nursery_birth birth = {holders->program, order, theirs};
    err = bring_about(holder, &birth);
    if (err_failed(err)) {
        uv_close((uv_handle_t *)&holder->pipe, on_closed);
        return err;
    }
    begin(holder, news, ctx);
    timer_start(holders->loop, &holder->patience, CLAIM_MS, lose_unclaimed);
    holders->stats.started++;
    *ret_holder = holder;
    return ERR_OK;
}

struct err holder_adopt(struct holders *holders, const char *name, const struct holder_news *news,
                        void *ctx, struct holder **ret_holder) {
    AUTO(fd_release) int fd = -1;
    struct err err = holder__connect(holders->spool, name, &fd);
    if (err_failed(err)) {
        return err;
    }
    struct holder *holder = NULL;
    err = open_pipe(holders, &fd, &holder);
    if (err_failed(err)) {
        return err;
    }
    memcpy(holder->name, name, strlen(name) + 1); /* spool checked its length. */
    begin(holder, news, ctx);
    set_state(holder, HOLDER_FOLLOWING);
    holder->silent = true;
    holder->asked = true;
    holder->wishes.keep = true;
    holder->wishes.status = true;
    holder__say(holder);
    holders->stats.adopted++;
    *ret_holder = holder;
    return ERR_OK;
}
