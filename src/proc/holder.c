/* holder.c: holders of a daemon: one from its start or adoption to its end, and what they share.
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
 *
 * Nothing that is said to a holder queues up: there is one write at a time, wishes that come
 * meanwhile are remembered by kind, and of input there is one piece, until it was accepted. A
 * holder that does not read costs us that much and no more.
 */
#include "proc/holder.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/link.h"
#include "base/memory.h"
#include "base/text.h"
#include "loop/loop_uv.h"
#include "proc/libexec.h"
#include "proc/link.h"
#include "proc/nursery.h"
#include "proc/reap.h"

enum {
    PATIENCE_MS = 2000,
    CLAIM_MS = 10000, /* A slow disk has its time; who is stopped by somebody has not. */
    BUFFER_SIZE = 64 << 10,
    SAID_MAX = PROTOCOL_INPUT_MAX + 8192, /* A piece, and all other wishes at once. */
    SAID_KEPT_MAX = 1024,                 /* A larger buffer is given back after its write. */
    UNCOLLECTED = -1,                     /* In place of a wait status. */
};

enum holder_state {
    HOLDER_STARTING,
    HOLDER_FOLLOWING,
    HOLDER_LOSING, /* The link broke before a claim: waits a moment for its exit code. */
    HOLDER_ENDED,  /* `ended` was called, or silenced. The memory goes with the pipe. */
    HOLDER_STATES
};

/* BROKEN: a write failed, or was not to be had; the reading side sees the end. */
enum holder_out { HOLDER_OUT_IDLE, HOLDER_OUT_WRITING, HOLDER_OUT_BROKEN };

/* Wishes that were not sent yet. Wishes of one kind replace each other, so this never grows, and
 * one write carries all there are. */
struct holder_wishes {
    bool keep, status, stop, resize, input, input_end;
    unsigned grace_ms, rows, columns;
    int64_t input_from, input_end_at;
};

/* Input that was handed over and not yet accepted; kept, since the holder may ask for it again. */
struct holder_piece {
    char *data; /* Owned; NULL: none. */
    int64_t offset;
    size_t len;
};

struct holder {
    struct link link;        /* In holders->live. */
    struct holders *holders; /* Borrowed: it outlives us. */
    enum holder_state state;
    const struct holder_news *news; /* Borrowed. */
    void *ctx;                      /* The caller's. */
    char name[PROTOCOL_NAME_MAX];   /* Empty where we started it: the link is private then. */
    int pid;                        /* Pid of our own child; else 0. */
    int nursery;                    /* The pid of that which made it; else 0. */
    bool silent;                    /* See holder_is_silent. */
    bool asked;                     /* For a status, and it has not come yet. */
    int status; /* Wait status, where the process ended before its link did; else UNCOLLECTED. */
    int64_t sizes[LOG_STREAMS]; /* As reported. */
    uv_pipe_t pipe;
    struct link_reader reader;
    struct timer patience; /* STARTING, LOSING. */

    enum holder_out out;
    uv_write_t write;
    struct text said; /* Bytes that `write` carries. */
    struct holder_wishes wishes;
    struct holder_piece piece;
};

/* A holder that is our own child, until it was collected. */
struct started {
    int pid;
    struct holder *holder; /* Borrowed; NULL when its link ended before it. */
};

struct holders {
    struct loop *loop;   /* Borrowed. */
    struct spool *spool; /* Borrowed. */
    char *program;       /* Owned: a path. */
    struct reap *reap;   /* Owned. */
    void (*child_ended)(void *ctx, int pid, int status);
    void *child_ctx;         /* Borrowed. */
    struct link live;        /* All that are not ended. */
    struct started *started; /* Owned. */
    size_t started_count, started_size;
    struct nursery nursery;
    char *buffer;      /* Owned: all pipes read into it, one after the other. */
    size_t pipes_open; /* The memory goes with the last one. */
    bool closing;
    struct holders_stats stats;
};

static void holder_set_state(struct holder *holder, enum holder_state state) {
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

static void holders_free_if_unused(struct holders *holders) {
    if (holders->closing && holders->pipes_open == 0) {
        mem_free(holders->program);
        mem_free(holders->started);
        mem_free(holders->buffer);
        mem_free(holders);
    }
}

static void on_closed(uv_handle_t *pipe) {
    struct holder *holder = pipe->data;
    struct holders *holders = holder->holders;
    loop_breathe(holders->loop);
    link_done(&holder->reader);
    text_done(&holder->said);
    mem_free(holder->piece.data);
    mem_free(holder);
    holders->pipes_open--;
    holders_free_if_unused(holders);
}

/* Silence from here on; the pipe's callback frees it all. */
static void holder_leave(struct holder *holder) {
    struct holders *holders = holder->holders;
    holder_set_state(holder, HOLDER_ENDED);
    timer_stop(holders->loop, &holder->patience);
    link_remove(&holder->link);
    holders->stats.live--;
    /* A child that is collected later finds nobody who wants to know. */
    for (size_t i = holders->started_count; holder->pid != 0 && i > 0; i--) {
        if (holders->started[i - 1].holder == holder) {
            holders->started[i - 1].holder = NULL;
            break;
        }
    }
    uv_close((uv_handle_t *)&holder->pipe, on_closed);
}

static void holder_finish(struct holder *holder, enum holder_end end,
                          const struct spool_exit *exit) {
    const struct holder_news *news = holder->news;
    void *ctx = holder->ctx;
    holder_leave(holder);
    news->ended(ctx, end, exit);
}

void holder_close(struct holder *holder) {
    if (holder != NULL && holder->state != HOLDER_ENDED) {
        holder_leave(holder);
    }
}

static void lose_without_code(struct timer *patience) {
    holder_finish(CONTAINER_OF(patience, struct holder, patience), HOLDER_LOST, NULL /* exit */);
}

static void holder_lose_with_errno(struct holder *holder, int os) {
    const struct spool_exit exit = {.end = EXIT_NOT_STARTED, .os = os, .step = "holder"};
    holder_finish(holder, HOLDER_LOST, os == 0 ? NULL : &exit);
}

static void holder_lose_with_code(struct holder *holder, int status) {
    holder_lose_with_errno(holder, WIFEXITED(status) ? WEXITSTATUS(status) : 0);
}

/* The link broke. */
static void holder_lose(struct holder *holder) {
    if (holder->status != UNCOLLECTED) {
        holder_lose_with_code(holder, holder->status);
    } else if (holder->state == HOLDER_STARTING && holder->pid != 0) {
        holder_set_state(holder, HOLDER_LOSING);
        (void)uv_read_stop((uv_stream_t *)&holder->pipe); /* Always succeeds. */
        timer_start(holder->holders->loop, &holder->patience, PATIENCE_MS, lose_without_code);
    } else {
        holder_finish(holder, HOLDER_LOST, NULL /* exit */);
    }
}

static void on_reaped(void *ctx, struct reap_ended ended) {
    struct holders *holders = ctx;
    size_t at = holders->started_count; /* From the newest: short commands end often. */
    while (at > 0 && holders->started[at - 1].pid != ended.pid) {
        at--;
    }
    if (at == 0) {
        const bool other = !nursery_reaped(&holders->nursery, ended.pid);
        holders->stats.reaped += other;
        if (other && holders->child_ended != NULL) {
            holders->child_ended(holders->child_ctx, ended.pid, ended.status);
        }
        return;
    }
    struct holder *holder = holders->started[at - 1].holder;
    holders->started[at - 1] = holders->started[--holders->started_count];
    if (holder != NULL && holder->state == HOLDER_LOSING) {
        holder_lose_with_code(holder, ended.status);
    } else if (holder != NULL && holder->state == HOLDER_STARTING) {
        holder->status = ended.status; /* Its last words may still be in the link. */
    }
}

/* --- To the holder ---------------------------------------------------------------------------- */

/* All wishes, as bytes; none is left. */
static void holder_write_wishes(struct holder *holder) {
    const struct holder_wishes wishes = holder->wishes;
    const struct holder_piece *piece = &holder->piece;
    struct text *said = &holder->said;
    holder->wishes = (struct holder_wishes){0};
    text_add_str(said, wishes.keep ? "keep\n" : "");
    text_add_str(said, wishes.status ? "status\n" : "");
    if (wishes.stop) {
        text_addf(said, "stop %u\n", wishes.grace_ms);
    }
    if (wishes.resize) {
        text_addf(said, "resize %u %u\n", wishes.rows, wishes.columns);
    }
    if (wishes.input && piece->data != NULL) {
        size_t skipped = (size_t)(wishes.input_from - piece->offset);
        text_addf(said, "input %lld %zu\n", (long long)wishes.input_from, piece->len - skipped);
        text_add(said, piece->data + skipped, piece->len - skipped);
    }
    if (wishes.input_end) {
        text_addf(said, "input_end %lld\n", (long long)wishes.input_end_at);
    }
}

static void on_written(uv_write_t *write, int status);

/* Sends what is wished, as soon as nothing else is being sent. */
static void holder_say(struct holder *holder) {
    bool linked = holder->state == HOLDER_STARTING || holder->state == HOLDER_FOLLOWING;
    if (holder->out != HOLDER_OUT_IDLE || !linked) {
        return;
    }
    holder_write_wishes(holder);
    bool failed = text_failed(&holder->said); /* What was wished is lost then. */
    if (!failed && holder->said.len == 0) {
        return;
    }
    if (!failed) {
        holder->write.data = holder;
        uv_buf_t buf = uv_buf_init(holder->said.data, (unsigned)holder->said.len);
        failed = uv_write(&holder->write, (uv_stream_t *)&holder->pipe, &buf, 1, on_written) != 0;
    }
    holder->out = failed ? HOLDER_OUT_BROKEN : HOLDER_OUT_WRITING;
    uv_os_fd_t fd = -1;
    if (failed && uv_fileno((const uv_handle_t *)&holder->pipe, &fd) == 0) {
        /* Not a callback out of the middle of a call: the reading side sees the end, soon. */
        (void)shutdown(fd, SHUT_RDWR); /* The link may be over already. */
    }
}

static void on_written(uv_write_t *write, int status) {
    struct holder *holder = write->data;
    loop_breathe(holder->holders->loop);
    holder->out = status < 0 ? HOLDER_OUT_BROKEN : HOLDER_OUT_IDLE;
    if (holder->said.size > SAID_KEPT_MAX) {
        text_done(&holder->said);
    }
    text_clear(&holder->said);
    holder_say(holder);
}

void holder_stop(struct holder *holder, unsigned grace_ms) {
    struct holder_wishes *wishes = &holder->wishes;
    if (!wishes->stop || grace_ms < wishes->grace_ms) {
        wishes->grace_ms = grace_ms;
    }
    wishes->stop = true;
    holder_say(holder);
}

void holder_ask(struct holder *holder) {
    holder->silent = true;
    holder->wishes.status = true;
    holder_say(holder);
}

bool holder_is_silent(const struct holder *holder) {
    return holder->silent;
}

void holder_resize(struct holder *holder, unsigned rows, unsigned columns) {
    holder->wishes.resize = true;
    holder->wishes.rows = rows;
    holder->wishes.columns = columns;
    holder_say(holder);
}

void holder_input(struct holder *holder, int64_t offset, struct bytes bytes) {
    assert(offset >= 0);
    if (holder->piece.data != NULL || bytes.len == 0) {
        return; /* One at a time: the caller sends again when that one was accepted. */
    }
    size_t len = bytes.len < PROTOCOL_INPUT_MAX ? bytes.len : PROTOCOL_INPUT_MAX;
    holder->piece = (struct holder_piece){mem_copy(bytes.data, len), offset, len};
    holder->wishes.input = true;
    holder->wishes.input_from = offset;
    holder_say(holder);
}

void holder_input_end(struct holder *holder, int64_t offset) {
    assert(offset >= 0);
    holder->wishes.input_end = true;
    holder->wishes.input_end_at = offset;
    holder_say(holder);
}

/* --- From the holder -------------------------------------------------------------------------- */

static void holder_drop_piece(struct holder *holder) {
    mem_free(holder->piece.data);
    holder->piece = (struct holder_piece){0};
    holder->wishes.input = false;
}

static bool holder_has_piece_behind(const struct holder *holder, int64_t size) {
    const struct holder_piece *piece = &holder->piece;
    return piece->data != NULL && size < piece->offset + (int64_t)piece->len;
}

static void take_accepted(struct holder *holder, int64_t size) {
    if (!holder_has_piece_behind(holder, size)) {
        holder_drop_piece(holder);
    }
    holder->news->accepted(holder->ctx, size);
}

/* The piece in flight is sent again; the caller sends what came before. */
static void take_gap(struct holder *holder, int64_t size) {
    if (!holder_has_piece_behind(holder, size)) {
        return; /* The holder has all that we sent. */
    }
    if (size < holder->piece.offset) {
        holder_drop_piece(holder);
        holder->news->accepted(holder->ctx, size);
        return;
    }
    holder->wishes.input = true;
    holder->wishes.input_from = size;
    holder_say(holder);
}

/* A status repeats what was just reported. */
static void take_grown(struct holder *holder, enum log_stream stream, int64_t size) {
    if (size > holder->sizes[stream]) {
        holder->sizes[stream] = size;
        holder->news->grown(holder->ctx, stream, size);
    }
}

/* Each piece of news may be answered by holder_close. */
static void take_status(struct holder *holder, const struct link_message *message) {
    if (!holder->asked) {
        return;
    }
    holder->asked = false;
    for (unsigned i = 0; i < LOG_STREAMS && holder->state == HOLDER_FOLLOWING; i++) {
        take_grown(holder, (enum log_stream)i, message->sizes[i]);
    }
    if (holder->state == HOLDER_FOLLOWING && message->disk_full) {
        holder->news->disk_full(holder->ctx, true);
    }
    if (holder->state == HOLDER_FOLLOWING) {
        take_accepted(holder, message->accepted);
    }
}

static void take_exited(struct holder *holder, struct bytes json) {
    struct spool_exit exit;
    if (!spool_exit_parse(json, holder->name[0] == '\0' ? NULL : holder->name, &exit)) {
        holder_finish(holder, HOLDER_LOST, NULL /* exit */);
        return;
    }
    if (holder->out == HOLDER_OUT_IDLE) {
        /* If it doesn't go through at once, the end of the link says the same. */
        char bye[] = "bye\n";
        uv_buf_t buf = uv_buf_init(bye, sizeof bye - 1);
        (void)uv_try_write((uv_stream_t *)&holder->pipe, &buf, 1);
    }
    holder_finish(holder, HOLDER_EXITED, &exit);
}

/* The first thing is `claimed`, `void` or `failed`, but for a holder that claimed and could not
 * make that durable: of that one the result comes at once. None of the three comes later. */
static bool message_take(void *ctx, const struct link_message *message) {
    struct holder *holder = ctx;
    bool first = holder->state == HOLDER_STARTING;
    switch (message->word) {
    case LINK_STATUS:
        take_status(holder, message);
        break;
    case LINK_GROWN:
        take_grown(holder, message->stream, message->size);
        break;
    case LINK_ACCEPTED:
        take_accepted(holder, message->size);
        break;
    case LINK_INPUT_GAP:
        take_gap(holder, message->size);
        break;
    case LINK_DISK_FULL:
        holder->news->disk_full(holder->ctx, message->size == 1);
        break;
    case LINK_EXITED:
        take_exited(holder, message->body);
        break;
    case LINK_FAILED:
        holder_lose_with_errno(holder, first ? (int)message->size : 0);
        break;
    case LINK_CLAIMED:
        if (first) {
            holder_set_state(holder, HOLDER_FOLLOWING);
            timer_stop(holder->holders->loop, &holder->patience);
            holder->news->claimed(holder->ctx);
            break;
        }
        holder_finish(holder, HOLDER_LOST, NULL /* exit */);
        break;
    case LINK_VOID:
    default:
        holder_finish(holder, first ? HOLDER_VOID : HOLDER_LOST, NULL /* exit */);
        break;
    }
    return holder->state == HOLDER_STARTING || holder->state == HOLDER_FOLLOWING;
}

static void on_room(uv_handle_t *pipe, size_t wanted, uv_buf_t *ret_buf) {
    (void)wanted; /* libuv's guess. */
    const struct holder *holder = pipe->data;
    *ret_buf = uv_buf_init(holder->holders->buffer, BUFFER_SIZE);
}

static void on_read(uv_stream_t *pipe, ssize_t got, const uv_buf_t *buf) {
    struct holder *holder = pipe->data;
    loop_breathe(holder->holders->loop);
    if (got < 0) {
        holder_lose(holder);
    }
    if (got <= 0) {
        return; /* 0: nothing there after all. */
    }
    holder->silent = false;
    struct bytes bytes = {buf->base, (size_t)got};
    if (link_feed(&holder->reader, bytes, message_take, holder) == LINK_NONSENSE) {
        holder_finish(holder, HOLDER_LOST, NULL /* exit */);
    }
}

/* --- Beginning -------------------------------------------------------------------------------- */

/* Takes `fd`, also on failure. */
static struct err open_pipe(struct holders *holders, int *fd, struct holder **ret_holder) {
    struct holder *holder = mem_new(sizeof *holder);
    holder->holders = holders;
    holder->status = UNCOLLECTED;
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

static void holder_begin(struct holder *holder, const struct holder_news *news, void *ctx) {
    struct holders *holders = holder->holders;
    holder->news = news;
    holder->ctx = ctx;
    link_add_first(&holders->live, &holder->link);
    holders->stats.live++;
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
    TRY(nursery_spawn(birth, &holder->pid));
    if (holders->started_count == holders->started_size) {
        holders->started_size = holders->started_size == 0 ? 64 : 2 * holders->started_size;
        holders->started =
            mem_grow(holders->started, holders->started_size * sizeof *holders->started);
    }
    holders->started[holders->started_count++] = (struct started){holder->pid, holder};
    return ERR_OK;
}

/* It hangs before its claim, or its nursery does. Whether it will run is for the spool to say; the
 * nursery's next order should not have to wait for the same. */
static void lose_unclaimed(struct timer *patience) {
    struct holder *holder = CONTAINER_OF(patience, struct holder, patience);
    struct nursery *nursery = &holder->holders->nursery;
    if (holder->nursery != 0 && holder->nursery == nursery->pid) {
        nursery_drop(nursery);
    }
    holder_finish(holder, HOLDER_LOST, NULL /* exit */);
}

struct err holder_start(struct holders *holders, int order_fd, const struct holder_news *news,
                        void *ctx, struct holder **ret_holder) {
    AUTO(fd_release) int order = order_fd;
    AUTO(fd_release) int ours = -1;
    AUTO(fd_release) int theirs = -1;
    TRY(nursery_make_link(&ours, &theirs));
    /* Said before it lives, so that the fastest command does not end before it is heard. */
    struct bytes keep = BYTES("keep\n");
    if (send(ours, keep.data, keep.len, MSG_NOSIGNAL) != (ssize_t)keep.len) {
        return err_from_errno(errno, "holder: make a link");
    }
    struct holder *holder = NULL;
    TRY(open_pipe(holders, &ours, &holder));
    /* Last, since from here on there is something that could not be taken back. */
    const struct nursery_birth birth = {holders->program, order, theirs};
    struct err err = bring_about(holder, &birth);
    if (err_failed(err)) {
        uv_close((uv_handle_t *)&holder->pipe, on_closed);
        return err;
    }
    holder_begin(holder, news, ctx);
    timer_start(holders->loop, &holder->patience, CLAIM_MS, lose_unclaimed);
    holders->stats.started++;
    *ret_holder = holder;
    return ERR_OK;
}

/* A socket's path has at most 107 bytes, and a data directory may lie deeper: hence /proc. And what
 * the command put in the socket's place is not spoken to: a link would lead to another's. */
static struct err connect_to(const struct spool *spool, const char *name, int *ret_fd) {
    AUTO(fd_release) int folder = -1;
    TRY(spool_folder(spool, name, &folder));
    if (folder < 0) {
        return err_make(ERR_NOT_FOUND, "holder: no folder");
    }
    AUTO(fd_release) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return err_from_errno(errno, "holder: make a socket");
    }
    AUTO(fd_release) int sock = openat(folder, "sock", O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat about;
    if (sock < 0 || fstat(sock, &about) < 0 || !S_ISSOCK(about.st_mode)) {
        return err_make(ERR_NOT_FOUND, "holder: no socket");
    }
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", sock);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
        return errno == ECONNREFUSED || errno == ENOENT
                   ? err_make(ERR_NOT_FOUND, "holder: nobody listens")
                   : err_from_errno(errno, "holder: connect");
    }
    *ret_fd = fd_take(&fd);
    return ERR_OK;
}

struct err holder_adopt(struct holders *holders, const char *name, const struct holder_news *news,
                        void *ctx, struct holder **ret_holder) {
    AUTO(fd_release) int fd = -1;
    TRY(connect_to(holders->spool, name, &fd));
    struct holder *holder = NULL;
    TRY(open_pipe(holders, &fd, &holder));
    memcpy(holder->name, name, strlen(name) + 1); /* spool checked its length. */
    holder_begin(holder, news, ctx);
    holder_set_state(holder, HOLDER_FOLLOWING);
    holder->silent = true;
    holder->asked = true;
    holder->wishes.keep = true;
    holder->wishes.status = true;
    holder_say(holder);
    holders->stats.adopted++;
    *ret_holder = holder;
    return ERR_OK;
}

/* --- All of them ------------------------------------------------------------------------------ */

struct err holders_open(const struct holders_options *options, struct holders **ret_holders) {
    const struct libexec_program program = {options->data_dir, "holder", holder_image(),
                                            holder_image_hash()};
    AUTO(mem_release) char *path = NULL;
    TRY(libexec_install(loop_world(options->loop), &program, &path));
    AUTO(mem_release) struct holders *holders = mem_new(sizeof *holders);
    links_init(&holders->live);
    /* Nobody of ours wants to die because a holder did while we spoke to it, and libuv does not
     * keep that signal away. It stays so: others in this process need it, too. */
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    if (sigaction(SIGPIPE, &ignore, NULL /* old */) < 0) {
        return err_from_errno(errno, "holders: ignore SIGPIPE");
    }
    TRY(reap_open(options->loop, on_reaped, holders, &holders->reap));
    holders->loop = options->loop;
    holders->spool = options->spool;
    holders->child_ended = options->child_ended;
    holders->child_ctx = options->ctx;
    holders->program = path;
    path = NULL; /* Handed over. */
    holders->buffer = mem_new(BUFFER_SIZE);
    nursery_init(&holders->nursery);
    *ret_holders = holders;
    holders = NULL; /* Handed over. */
    return ERR_OK;
}

void holders_close(struct holders *holders) {
    if (holders == NULL) {
        return;
    }
    while (!links_empty(&holders->live)) {
        holder_close(CONTAINER_OF(holders->live.next, struct holder, link));
    }
    nursery_done(&holders->nursery);
    reap_close(holders->reap);
    holders->closing = true;
    holders_free_if_unused(holders);
}

void holders_get_stats(const struct holders *holders, struct holders_stats *ret_stats) {
    *ret_stats = holders->stats;
}
