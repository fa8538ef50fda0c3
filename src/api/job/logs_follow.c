/* logs_follow.c: a job's output as it grows, until its attempt has ended.
 *
 *    begin ──> LOOKING ──> READING ──> WRITING ──> OVER (told `done`, or `closing`)
 *                 ^         ^  ^  └──────┘ │
 *                 │         │  the client took it
 *                 │ the run │ grown        │ nothing was there, and more may come
 *                 └──────── WAITING <──────┘
 *
 * A follower whose way has no room for another round (logs_feed.c) is FULL instead of READING.
 *
 * LOOKING reads the row, READING the folder (in the pool). The row is looked at before the bytes:
 * if it says that the attempt has ended, and nothing is there to be read, then nothing will be.
 *
 * Two things wake it: the holder's word that the log has grown, and the run's own stream, on which
 * every change of the row is an event. Who follows an attempt that nobody holds (it waits for a
 * slot, or its end is being stored) is told so at once by the dispatcher; asking again at once
 * would be a busy loop, so then the stream alone is waited for, and in between, seldom, the folder
 * is read; and so is one that could not be opened for lack of a descriptor.
 */
#include <stdio.h>
#include <string.h>

#include "api/job/logs_follow.h"
#include "base/memory.h"
#include "http/stream/pour.h"
#include "loop/shortage.h"

enum {
    READ_MAX = LOG_PIECE_MAX, /* As JSON at most six times as much. */
    FRAMES_ENOUGH = 48 << 10, /* Then it is written; the next round reads on. */
    FRAMES_MAX = FOLLOW_FRAMES_MAX,
    AGAIN_FIRST_MS = 100, /* Until a log that nobody holds is looked at again; doubled, */
    AGAIN_MAX_MS = 5000,  /* up to this. */
};
static_assert(FRAMES_ENOUGH + 6 * READ_MAX + 1024 <= FRAMES_MAX, "a round fits into one write");
static_assert((int)FRAMES_MAX <= (int)POUR_PIECE_MAX, "of an answer, too");
static_assert(FRAMES_ENOUGH + READ_MAX <= FOLLOW_ROUND_MAX, "frames are longer than their bytes");

static const unsigned follow_edges[FOLLOW_STATES] = {
    [FOLLOW_NEW] = 1U << FOLLOW_LOOKING,
    [FOLLOW_FULL] = 1U << FOLLOW_READING,
    [FOLLOW_LOOKING] =
        1U << FOLLOW_FULL | 1U << FOLLOW_READING | 1U << FOLLOW_WRITING | 1U << FOLLOW_GONE,
    [FOLLOW_READING] =
        1U << FOLLOW_WRITING | 1U << FOLLOW_WAITING | 1U << FOLLOW_LOOKING | 1U << FOLLOW_GONE,
    [FOLLOW_WRITING] = 1U << FOLLOW_WRITING | 1U << FOLLOW_READING | 1U << FOLLOW_WAITING |
                       1U << FOLLOW_OVER | 1U << FOLLOW_FULL,
    [FOLLOW_WAITING] =
        1U << FOLLOW_FULL | 1U << FOLLOW_LOOKING | 1U << FOLLOW_READING | 1U << FOLLOW_WRITING,
};

static void follow_go(struct follow *follow, enum follow_state to) {
    assert((follow_edges[follow->state] & 1U << to) != 0);
    follow->state = to;
}

static void look(struct follow *follow);
static void read_on(struct follow *follow);
static void write_out(struct follow *follow);

static void wait_end(struct follow *follow) {
    hub_watch_stop(&follow->changes);
    dispatch_watch_stop(&follow->grown);
    timer_stop(follow->api->host.loop, &follow->again);
}

static void follow_free(struct follow *follow) {
    wait_end(follow);
    text_done(&follow->frames);
    log_target_done(&follow->target);
    mem_free(follow); /* The first member of its object. */
}

void follow_frames_clear(struct follow *follow) {
    text_done(&follow->frames); /* Who waits for long costs little. */
    text_init(&follow->frames, FRAMES_MAX);
}

/* Before the head is out a failure is a problem, after it a last frame. */
static void fail(struct follow *follow, struct err err) {
    if (!follow->begun) {
        follow->way->refuse(follow, err);
        return;
    }
    follow_frames_clear(follow);
    follow->closing = err.code;
    write_out(follow);
}

/* --- Waiting ---------------------------------------------------------------------------------- */

static void on_change(struct hub_watch *watch, struct err result) {
    struct follow *follow = CONTAINER_OF(watch, struct follow, changes);
    wait_end(follow);
    if (err_failed(result)) {
        fail(follow, result);
        return;
    }
    follow->fruitless = 0;
    look(follow);
}

static void on_grown(struct dispatch_watch *watch) {
    struct follow *follow = CONTAINER_OF(watch, struct follow, grown);
    wait_end(follow);
    follow->fruitless++; /* Until something was read. */
    read_on(follow);
}

static void on_again(struct timer *timer) {
    struct follow *follow = CONTAINER_OF(timer, struct follow, again);
    wait_end(follow);
    look(follow);
}

static unsigned again_ms(unsigned fruitless) {
    unsigned wait_ms = AGAIN_FIRST_MS;
    for (unsigned i = 1; i < fruitless && wait_ms < AGAIN_MAX_MS; i++) {
        wait_ms *= 2;
    }
    return wait_ms < AGAIN_MAX_MS ? wait_ms : AGAIN_MAX_MS;
}

static void wait_begin(struct follow *follow) {
    const struct log_target *target = &follow->target;
    char name[ID_SIZE + 4] = "run:";
    memcpy(name + 4, target->run, strlen(target->run) + 1);
    const struct hub_subscribe what = {.owner = {target->owner, strlen(target->owner)},
                                       .name = {name, strlen(name)},
                                       .after = target->head};
    follow_go(follow, FOLLOW_WAITING);
    hub_watch_start(follow->api->hub, &what, &follow->changes, on_change);
    if (target->state != RUN_RUNNING || target->attempt != target->latest) {
        return; /* Nobody holds it yet. */
    }
    if (follow->fruitless > 0) {
        timer_start(follow->api->host.loop, &follow->again, again_ms(follow->fruitless), on_again);
        follow->fruitless++;
        return;
    }
    char place_name[PROTOCOL_NAME_MAX];
    log_name(target, place_name);
    const struct log_place place = {
        .name = place_name, .stream = target->stream, .offset = follow->seen};
    dispatch_watch_start(follow->api->host.dispatch, &place, &follow->grown, on_grown);
}

/* --- Looking at the row ----------------------------------------------------------------------- */

static struct err look_run(struct tx *tx, void *ctx) {
    struct follow *follow = ctx;
    follow->why.text[0] = '\0';
    return log_look(tx, &follow->target, &follow->why);
}

/* Whoever named no attempt and has seen nothing yet follows the first that says something: of a
 * start that was void there is no word. */
static void take_attempt(struct follow *follow) {
    struct log_target *target = &follow->target;
    log_target_resolve(target);
    bool moves =
        !target->named && !follow->sent && (follow->next == 0 || follow->next == LOG_FROM_SCREEN);
    if (moves && target->latest > target->attempt) {
        target->attempt = target->latest;
        follow->seen = 0;
    }
    follow->ended = log_ended(target) && !(moves && !run_state_final(target->state));
}

static void looked(struct err result, void *ctx) {
    struct follow *follow = ctx;
    if (follow->state == FOLLOW_GONE) {
        follow_free(follow);
    } else if (err_failed(result)) {
        fail(follow, result);
    } else {
        read_on(follow);
    }
}

static void look(struct follow *follow) {
    follow_go(follow, FOLLOW_LOOKING);
    store_read(follow->api->host.store, look_run, looked, follow);
}

/* --- Reading the folder, in the pool ---------------------------------------------------------- */

/* As the ids of frames have it. */
static struct log_spot spot_of(const struct follow *follow, int64_t offset) {
    const struct log_target *target = &follow->target;
    bool implied = target->named && follow->socket.len == 0;
    return (struct log_spot){implied ? LOG_ATTEMPT_LATEST : target->attempt, offset};
}

/* Writes the frames of one stretch. False: for now that was all. */
static bool stretch_write(struct follow *follow, const struct log_stretch *stretch,
                          const char *buffer) {
    if (stretch->hole_from < stretch->offset) {
        log_frame_dropped(&follow->frames, follow->socket, spot_of(follow, stretch->hole_from),
                          stretch->offset);
    }
    follow->next = stretch->offset;
    follow->size = stretch->size;
    follow->seen = stretch->offset + (int64_t)stretch->len;
    bool full = stretch->len == READ_MAX;
    bool last = stretch->hole_after || (follow->ended && !full);
    struct log_piece piece = {
        .bytes = {buffer, stretch->len},
        .at = spot_of(follow, stretch->offset),
        .encoding = follow->encoding,
    };
    if (follow->encoding == LOG_AUTO) {
        piece.bytes.len = log_piece_len(piece.bytes, last ? LOG_REST_LAST : LOG_GOES_ON);
    }
    if (piece.bytes.len == 0) {
        return false;
    }
    log_frame_output(&follow->frames, follow->socket, &piece);
    follow->next += (int64_t)piece.bytes.len;
    return full || stretch->hole_after;
}

/* Opens the log, and finds where the first round begins. */
static struct err first_place(struct follow *follow, char name[PROTOCOL_NAME_MAX],
                              struct log_place *place) {
    struct log_target *target = &follow->target;
    struct err err = log_open(target, follow->api->spool, name, place, &follow->why);
    if (!err_failed(err) && target->offset == LOG_FROM_SCREEN && target->stream == LOG_PTY) {
        err = log_screen_begin(follow->api->spool, place, &place->offset);
    }
    if (!err_failed(err)) {
        follow->next = follow->from = place->offset;
    }
    return err;
}

/* A client may begin with an offset that lies ahead of the log. */
static struct err frames_fill(struct follow *follow) {
    const struct spool *spool = follow->api->spool;
    struct log_target *target = &follow->target;
    const bool first = !follow->begun;
    char name[PROTOCOL_NAME_MAX];
    struct log_place place = {.name = name, .stream = target->stream, .offset = follow->next};
    struct err err = ERR_OK;
    if (first) {
        err = first_place(follow, name, &place);
    }
    log_name(target, name);
    AUTO(mem_release) char *buffer = mem_try(READ_MAX);
    if (!err_failed(err) && buffer == NULL) {
        err = err_make(ERR_OUT_OF_MEMORY, "logs: buffer");
    }
    bool more = true;
    int64_t from = follow->next;
    while (!err_failed(err) && more && follow->frames.len < FRAMES_ENOUGH) {
        struct log_stretch stretch = {0};
        place.offset = follow->next;
        err = log_read_stretch(spool, &place, buffer, READ_MAX, &stretch);
        if (!err_failed(err) && first) {
            const struct log_spot spot = {target->attempt, follow->next};
            err = log_spot_check(spot, stretch.size, &follow->why);
        }
        more = !err_failed(err) && stretch_write(follow, &stretch, buffer);
    }
    follow->round = follow->frames.len > 0 ? ROUND_FRAMES : ROUND_NOTHING;
    if (!err_failed(err) && follow->ended && follow->round == ROUND_NOTHING) {
        log_frame_done(&follow->frames, follow->socket, target, follow->size);
        follow->round = ROUND_LAST;
    }
    if (!err_failed(err) && text_failed(&follow->frames)) {
        err = text_error(&follow->frames, "logs: frames");
    }
    if (err_failed(err) && from >= 0) {
        follow->next = from; /* Frames of this round are dropped. */
    }
    return err;
}

static void read_in_pool(struct loop_work *work) {
    struct follow *follow = CONTAINER_OF(work, struct follow, work);
    follow->err = frames_fill(follow);
}

/* --- Writing ---------------------------------------------------------------------------------- */

/* False: the client must take it first. */
static bool give(struct follow *follow) {
    struct bytes bytes = text_bytes(&follow->frames);
    bool more = bytes.len == 0 || follow->way->write(follow, bytes);
    follow_frames_clear(follow);
    return more;
}

/* Frames that were read before a drain are sent first, so that the cursor it ends with is right. */
static void write_out(struct follow *follow) {
    follow_go(follow, FOLLOW_WRITING);
    if (!follow->way->open(follow)) {
        return; /* `ready` is called later. */
    }
    if (give(follow) || follow->round == ROUND_LAST) {
        follow_written(follow);
    }
}

void follow_written(struct follow *follow) {
    if (follow->round != ROUND_LAST && follow->closing != ERR_NONE) {
        const char *code = follow->closing == ERR_CLOSING ? NULL : err_name(follow->closing);
        const struct log_spot after = {follow->target.attempt, follow->next};
        log_frame_closing(&follow->frames, follow->socket, after, code);
        follow->round = ROUND_LAST;
        write_out(follow);
        return;
    }
    if (follow->round == ROUND_LAST) {
        follow_go(follow, FOLLOW_OVER);
        follow->way->end(follow);
    } else if (follow->round == ROUND_FRAMES) {
        read_on(follow);
    } else {
        wait_begin(follow);
    }
}

void follow_go_on(struct follow *follow) {
    assert(follow->state == FOLLOW_FULL);
    read_on(follow);
}

void follow_leave(struct follow *follow) {
    if (follow->state == FOLLOW_LOOKING || follow->state == FOLLOW_READING) {
        follow_go(follow, FOLLOW_GONE);
    } else {
        follow_free(follow);
    }
}

static void was_read(struct loop_work *work) {
    struct follow *follow = CONTAINER_OF(work, struct follow, work);
    if (follow->state == FOLLOW_GONE) {
        follow_free(follow);
        return;
    }
    if (shortage_is(follow->err) && follow->begun && follow->closing == ERR_NONE) {
        /* Without a descriptor the folder is read again later: the log is there. */
        follow_frames_clear(follow);
        follow->fruitless++;
        follow_go(follow, FOLLOW_WAITING);
        timer_start(follow->api->host.loop, &follow->again, again_ms(follow->fruitless), on_again);
        return;
    }
    if (err_failed(follow->err)) {
        fail(follow, follow->err);
        return;
    }
    if (follow->round != ROUND_NOTHING) {
        follow->sent = true;
        follow->fruitless = 0;
    }
    if (!follow->begun) {
        follow->begun = true;
        follow_go(follow, FOLLOW_WRITING);
        if (!follow->way->begin(follow)) {
            follow_free(follow);
        }
    } else if (follow->round == ROUND_NOTHING && follow->fruitless == 1 &&
               follow->closing == ERR_NONE) {
        follow->fruitless++;
        look(follow); /* Nobody holds it any more, or not yet: the row knows. */
    } else {
        write_out(follow);
    }
}

static void read_on(struct follow *follow) {
    take_attempt(follow);
    if (follow->begun && follow->way->room != NULL && !follow->way->room(follow)) {
        follow_go(follow, FOLLOW_FULL);
        return;
    }
    follow_go(follow, FOLLOW_READING);
    follow->work.run = read_in_pool;
    follow->work.done = was_read;
    loop_work(follow->api->host.loop, &follow->work);
}

void follow_start(struct follow *follow) {
    text_init(&follow->frames, FRAMES_MAX);
    look(follow);
}

/* --- As the answer to a request --------------------------------------------------------------- */

struct followed {
    struct follow follow;
    struct pour pour;
    struct exchange *exchange; /* Until the answer begins. */
};

static struct followed *followed_of(const struct follow *follow) {
    return CONTAINER_OF(follow, struct followed, follow);
}

static void ready(struct pour *pour) {
    struct follow *follow = &CONTAINER_OF(pour, struct followed, pour)->follow;
    if (follow->state == FOLLOW_WRITING) {
        write_out(follow);
    }
}

static void drain(struct pour *pour, enum err_code why) {
    struct follow *follow = &CONTAINER_OF(pour, struct followed, pour)->follow;
    follow->closing = why;
    if (follow->state == FOLLOW_WAITING) {
        wait_end(follow);
        write_out(follow);
    }
}

static void gone(struct pour *pour) {
    follow_leave(&CONTAINER_OF(pour, struct followed, pour)->follow);
}

static const struct pour_ops ops = {.ready = ready, .drain = drain, .gone = gone};

static bool answer_begin(struct follow *follow) {
    struct followed *followed = followed_of(follow);
    struct exchange *exchange = followed->exchange;
    const struct pour_options options = {
        .ops = &ops, .media = "text/event-stream", .beat = BYTES(":\n\n")};
    char attempt[24];
    (void)snprintf(attempt, sizeof attempt, "%lld", (long long)follow->target.attempt); /* Fits. */
    exchange_add_header(exchange, "Drover-Attempt", attempt);
    exchange_add_header(exchange, "Drover-Stream", log_stream_name(follow->target.stream));
    return exchange_pour_begin(exchange, &options, &followed->pour);
}

static void answer_refuse(struct follow *follow, struct err err) {
    op_refuse(followed_of(follow)->exchange, err, &follow->why);
    follow_free(follow);
}

static bool answer_open(const struct follow *follow) {
    return pour_open(&followed_of(follow)->pour);
}

static bool answer_write(struct follow *follow, struct bytes frames) {
    return pour_write(&followed_of(follow)->pour, frames) == POUR_MORE;
}

static void answer_end(struct follow *follow) {
    pour_end(&followed_of(follow)->pour);
}

static const struct follow_way answer_way = {.begin = answer_begin,
                                             .refuse = answer_refuse,
                                             .open = answer_open,
                                             .write = answer_write,
                                             .end = answer_end};

void logs__follow(struct exchange *exchange, struct runs_api *api,
                  const struct log_target *target) {
    struct followed *followed = mem_new(sizeof *followed);
    struct follow *follow = &followed->follow;
    followed->exchange = exchange;
    follow->way = &answer_way;
    follow->api = api;
    follow->target = *target;
    follow->next = target->offset;
    follow->encoding = param_given(exchange, "encoding") ? LOG_BASE64 : LOG_AUTO;
    follow_start(follow);
}
