/* check_streams.c: streams are whole, for their followers and in the rows.
 *
 * A follower is slow or fast, by choice; now and then it hangs up and comes again. Checked:
 *   - numbers go on where its cursor is, without gap or repeat, over crashes and power cuts;
 *   - a number is the same event for ever: whoever reads the rows later finds what was handed out;
 *   - an event is handed out only when it is stored;
 *   - the stream of the operations here has what was acknowledged, once, in the order of the
 *     acknowledgements;
 *   - the rows of every stream, followed or not, are those from its floor to its head. */
#include <stdio.h>
#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "journal/hub.h"
#include "journal/journal.h"
#include "known.h"
#include "ops.h"
#include "rows.h"
#include "store/store.h"
#include "streams.h"

enum { FOLLOWERS_MAX = 64, EVENTS_MAX = 4096, NAME_MAX_LEN = 64, NOTES = 2, APPENDS_MAX = 3 };

#define OWNER BYTES(KNOWN_OWNER)

/* The life's. */
struct line {
    struct hub_subscriber subscriber;
    struct follower *follower;
    struct loop_task task;
};

struct follower {
    char name[NAME_MAX_LEN];
    int64_t cursor;    /* Number of the last event that it was handed. */
    uint64_t *digests; /* Owned: of each, from the first. */
    size_t digests_size;
    bool over, may_go, slow;
    struct line *line; /* NULL: not connected. */
    struct sim_event pull_event;
};

/* Appended by an operation. */
struct note {
    unsigned stream, operation, index;
    int64_t seq; /* 0: not acknowledged. */
};

struct streams {
    struct follower list[FOLLOWERS_MAX];
    size_t count;
    struct note notes[EVENTS_MAX];
    size_t notes_count;
    int64_t acknowledged[NOTES]; /* The highest number. */
};

static struct streams *streams_of(void) {
    static struct streams all;
    return &all;
}

static struct follower *follower_find(const char *name) {
    struct streams *streams = streams_of();
    for (size_t i = 0; i < streams->count; i++) {
        if (strcmp(streams->list[i].name, name) == 0) {
            return &streams->list[i];
        }
    }
    return NULL;
}

/* --- What it is handed ------------------------------------------------------------------------ */

static uint64_t digest_of(const char *type, const char *data, size_t data_len) {
    uint64_t bits = sim_hash(1, data_len, type, 0);
    for (size_t i = 0; i < data_len; i++) {
        bits = (bits ^ (uint8_t)data[i]) * UINT64_C(0x100000001B3);
    }
    return bits;
}

static void event_keep(struct sim *sim, struct follower *follower, int64_t seq, uint64_t digest) {
    if (seq != follower->cursor + 1) {
        sim_fail(sim, "a follower of %s is handed event %lld after %lld", follower->name,
                 (long long)seq, (long long)follower->cursor);
    }
    if ((size_t)seq > follower->digests_size) {
        follower->digests_size = (size_t)seq * 2 + 16;
        follower->digests =
            sim_grow(follower->digests, follower->digests_size * sizeof *follower->digests);
    }
    follower->digests[seq - 1] = digest;
    follower->cursor = seq;
}

/* Of a cursor below the floor: what was pruned is not handed out any more. */
static void snapshot_keep(struct sim *sim, struct follower *follower, int64_t seq) {
    if (seq < follower->cursor) {
        sim_fail(sim, "a follower of %s at %lld is handed a snapshot of %lld", follower->name,
                 (long long)follower->cursor, (long long)seq);
    }
    if ((size_t)seq >= follower->digests_size) {
        follower->digests_size = (size_t)seq * 2 + 16;
        follower->digests =
            sim_grow(follower->digests, follower->digests_size * sizeof *follower->digests);
    }
    for (int64_t i = follower->cursor; i < seq; i++) {
        follower->digests[i] = 0; /* Not known. */
    }
    follower->cursor = seq;
}

/* "id: 7\nevent: type\ndata: {...}\n\n" */
static void frames_read(struct sim *sim, struct follower *follower, struct bytes bytes) {
    const char *at = bytes.data, *end = bytes.data + bytes.len;
    while (at < end) {
        long long seq = 0;
        char type[EVENT_TYPE_MAX + 8] = "";
        int head = 0;
        const char *blank = memmem(at, (size_t)(end - at), "\n\n", 2);
        if (blank == NULL ||
            sscanf(at, "id: %lld\nevent: %71[^\n]\ndata: %n", &seq, type, &head) != 2 ||
            head == 0) {
            sim_fail(sim, "a follower of %s is handed no frame: %.*s", follower->name,
                     (int)(bytes.len < 200 ? bytes.len : 200), bytes.data);
        }
        if (strcmp(type, "snapshot") == 0) {
            snapshot_keep(sim, follower, seq);
        } else {
            event_keep(sim, follower, seq, digest_of(type, at + head, (size_t)(blank - at - head)));
        }
        at = blank + 2;
    }
}

/* What is handed out is stored. */
static void check_stored(struct sim *sim, const struct follower *follower) {
    int64_t head =
        rows_number(sim, "SELECT head FROM streams WHERE owner = '" KNOWN_OWNER "' AND name = $1",
                    TEXTS(follower->name), -1);
    if (sim_life(sim)->ready && !sim_life(sim)->dead && head < follower->cursor &&
        !follower->may_go) {
        sim_fail(sim, "a follower of %s has event %lld, and the stream ends with %lld",
                 follower->name, (long long)follower->cursor, (long long)head);
    }
}

/* --- Pulling ---------------------------------------------------------------------------------- */

static void line_close(struct follower *follower) {
    struct sim *sim = sim_current();
    sim_plan_stop(sim, &follower->pull_event);
    if (follower->line != NULL) {
        hub_unsubscribe(sim_life(sim)->hub, &follower->line->subscriber);
        mem_free(follower->line);
        follower->line = NULL;
    }
}

static void gone(struct sim *sim, struct follower *follower) {
    struct err err = follower->line->subscriber.err;
    if (err.code == ERR_CURSOR_AHEAD && !follower->may_go) {
        sim_fail(sim, "%s has lost events: a follower has %lld", follower->name,
                 (long long)follower->cursor);
    }
    line_close(follower); /* It comes again after the next crash, or at the end. */
}

static void pull(struct sim *sim, struct sim_event *event) {
    struct follower *follower = CONTAINER_OF(event, struct follower, pull_event);
    for (unsigned i = 0; follower->line != NULL; i++) {
        struct hub_piece piece;
        if (follower->slow && i > 0 && !sim_healed(sim)) {
            sim_plan(sim, event, sim_choose(sim, "pull", 500), pull);
            return;
        }
        switch (hub_pull(sim_life(sim)->hub, &follower->line->subscriber, &piece)) {
        case HUB_PIECE:
            frames_read(sim, follower, piece.bytes);
            hub_buffer_unref(piece.buffer);
            if (piece.last_seq != follower->cursor) {
                sim_fail(sim, "a piece of %s says that it ends with %lld, not %lld", follower->name,
                         (long long)piece.last_seq, (long long)follower->cursor);
            }
            check_stored(sim, follower);
            break;
        case HUB_WAIT:
            return;
        case HUB_DONE:
            follower->over = true;
            line_close(follower);
            return;
        case HUB_GONE:
            gone(sim, follower);
            return;
        }
    }
}

static void ready(struct hub_subscriber *subscriber) {
    struct line *line = CONTAINER_OF(subscriber, struct line, subscriber);
    struct sim *sim = sim_current();
    uint64_t most = line->follower->slow && !sim_healed(sim) ? 3000 : 1;
    sim_plan(sim, &line->follower->pull_event, sim_choose(sim, "ready", most), pull);
}

static void line_open(struct sim *sim, struct follower *follower) {
    if (follower->line != NULL || follower->over || !sim_life(sim)->ready) {
        return;
    }
    follower->line = mem_new(sizeof *follower->line);
    follower->line->follower = follower;
    follower->line->subscriber.ready = ready;
    follower->line->subscriber.format = HUB_SSE;
    const struct hub_subscribe what = {.owner = OWNER,
                                       .name = {follower->name, strlen(follower->name)},
                                       .after = follower->cursor};
    hub_subscribe(sim_life(sim)->hub, &what, &follower->line->subscriber);
}

void streams_follow(struct sim *sim, const char *name) {
    struct streams *streams = streams_of();
    if (follower_find(name) != NULL || streams->count == FOLLOWERS_MAX) {
        return;
    }
    struct follower *follower = &streams->list[streams->count++];
    (void)snprintf(follower->name, sizeof follower->name, "%s", name);
    follower->slow = sim_chance(sim, "slow", 30);
    line_open(sim, follower);
}

void streams_may_go(struct sim *sim, const char *name) {
    struct follower *follower = follower_find(name);
    (void)sim;
    if (follower != NULL) {
        follower->may_go = true;
    }
}

/* --- Appending -------------------------------------------------------------------------------- */

struct appending {
    struct sim *sim;
    unsigned stream, operation;
    size_t count, first; /* Of the model's notes. */
    struct appended last;
};

static void note_name(unsigned stream, char name[16]) {
    (void)snprintf(name, 16, "notes-%u", stream);
}

static struct err append_tx(struct tx *tx, void *ctx) {
    struct appending *appending = ctx;
    struct append appends[APPENDS_MAX];
    char name[16], data[APPENDS_MAX][48];
    note_name(appending->stream, name);
    for (size_t i = 0; i < appending->count; i++) {
        int len =
            snprintf(data[i], sizeof data[i], "{\"op\":%u,\"index\":%zu}", appending->operation, i);
        appends[i] = (struct append){.owner = OWNER,
                                     .stream = {name, strlen(name)},
                                     .type = {"note", 4},
                                     .data = {data[i], (size_t)len}};
    }
    return tx_append_all(tx, appends, appending->count, &appending->last);
}

static void append_done(struct err err, void *ctx) {
    struct appending *appending = ctx;
    struct sim *sim = appending->sim;
    struct streams *streams = streams_of();
    if (!err_failed(err) && !sim_life(sim)->dead) {
        int64_t first = appending->last.seq - (int64_t)appending->count + 1;
        if (first <= streams->acknowledged[appending->stream]) {
            sim_fail(sim, "notes-%u gives number %lld a second time", appending->stream,
                     (long long)first);
        }
        streams->acknowledged[appending->stream] = appending->last.seq;
        for (size_t i = 0; i < appending->count; i++) {
            streams->notes[appending->first + i].seq = first + (int64_t)i;
        }
    }
    mem_free(appending);
}

static void op_append(struct sim *sim) {
    struct streams *streams = streams_of();
    if (streams->notes_count + APPENDS_MAX > EVENTS_MAX) {
        return;
    }
    struct appending *appending = mem_new(sizeof *appending);
    appending->sim = sim;
    appending->operation = sim_operation(sim);
    appending->stream = (unsigned)sim_choose(sim, "stream", NOTES);
    appending->count = 1 + (size_t)sim_choose(sim, "events", APPENDS_MAX);
    appending->first = streams->notes_count;
    for (size_t i = 0; i < appending->count; i++) {
        streams->notes[streams->notes_count++] =
            (struct note){appending->stream, appending->operation, (unsigned)i, 0};
    }
    char name[16];
    note_name(appending->stream, name);
    streams_follow(sim, name);
    store_write(sim_life(sim)->store, append_tx, append_done, appending);
}

/* A client hangs up, and comes again from its cursor. */
static void op_reconnect(struct sim *sim) {
    struct streams *streams = streams_of();
    if (streams->count > 0) {
        struct follower *follower = &streams->list[sim_choose(sim, "follower", streams->count)];
        line_close(follower);
        line_open(sim, follower);
    }
}

/* --- The rows --------------------------------------------------------------------------------- */

static void check_rows(struct sim *sim, const struct follower *follower) {
    struct sqlite3_stmt *rows = rows_open(
        sim,
        "SELECT e.seq, e.type, e.data, s.floor, s.head FROM events e JOIN streams s"
        " ON s.id = e.stream WHERE s.owner = '" KNOWN_OWNER "' AND s.name = $1 ORDER BY e.seq",
        TEXTS(follower->name));
    int64_t last = 0, head = 0;
    while (rows != NULL && stmt_step(sim, rows)) {
        int64_t seq = row_int(rows, 0);
        last = last == 0 ? row_int(rows, 3) : last;
        head = row_int(rows, 4);
        if (seq != last + 1) {
            sim_fail(sim, "%s has event %lld behind %lld", follower->name, (long long)seq,
                     (long long)last);
        }
        last = seq;
        const char *data = row_text(rows, 2);
        uint64_t digest = digest_of(row_text(rows, 1), data, strlen(data));
        if (seq <= follower->cursor && follower->digests[seq - 1] != 0 &&
            follower->digests[seq - 1] != digest) {
            sim_fail(sim, "event %lld of %s is not the one that was handed out: %s %s",
                     (long long)seq, follower->name, row_text(rows, 1), data);
        }
    }
    if (last != head) {
        sim_fail(sim, "%s has events up to %lld, and its head is %lld", follower->name,
                 (long long)last, (long long)head);
    }
}

static void check_note(struct sim *sim, const struct note *note) {
    char name[16], data[48], seq[24];
    note_name(note->stream, name);
    (void)snprintf(data, sizeof data, "{\"op\":%u,\"index\":%u}", note->operation, note->index);
    (void)snprintf(seq, sizeof seq, "%lld", (long long)note->seq);
    int64_t stored = rows_number(
        sim,
        "SELECT count(*) FROM events e JOIN streams s ON s.id = e.stream WHERE s.name = $1"
        " AND e.data = $2 AND (e.seq = CAST($3 AS INTEGER) OR $3 = '0')",
        TEXTS(name, data, seq), 1);
    if (stored != 1 && (note->seq > 0 || stored > 1)) {
        sim_fail(sim, "event %s of %s is stored %lld times at %s", data, name, (long long)stored,
                 seq);
    }
}

static void check_whole(struct sim *sim) {
    struct sqlite3_stmt *rows =
        rows_open(sim,
                  "SELECT s.name, s.floor, s.head, count(e.seq), coalesce(min(e.seq), s.floor + 1)"
                  " FROM streams s LEFT JOIN events e ON e.stream = s.id GROUP BY s.id",
                  NULL);
    while (rows != NULL && stmt_step(sim, rows)) {
        int64_t floor = row_int(rows, 1), head = row_int(rows, 2), count = row_int(rows, 3);
        if (count != head - floor || row_int(rows, 4) != floor + 1) {
            sim_fail(sim, "%s has %lld events from %lld on, its floor is %lld and its head %lld",
                     row_text(rows, 0), (long long)count, (long long)row_int(rows, 4),
                     (long long)floor, (long long)head);
        }
    }
}

/* --- The part --------------------------------------------------------------------------------- */

static void opened(struct sim *sim) {
    struct streams *streams = streams_of();
    check_whole(sim);
    for (size_t i = 0; i < streams->count; i++) {
        line_open(sim, &streams->list[i]);
    }
}

static void stopping(struct sim *sim) {
    struct streams *streams = streams_of();
    (void)sim;
    for (size_t i = 0; i < streams->count; i++) {
        line_close(&streams->list[i]);
    }
}

static void crashed(struct sim *sim) {
    struct streams *streams = streams_of();
    for (size_t i = 0; i < streams->count; i++) {
        streams->list[i].line = NULL;
        sim_plan_stop(sim, &streams->list[i].pull_event);
    }
}

/* Every follower has all that is stored, in time. */
static bool rest(struct sim *sim, bool must) {
    struct streams *streams = streams_of();
    bool all = true;
    for (size_t i = 0; i < streams->count; i++) {
        struct follower *follower = &streams->list[i];
        int64_t head = rows_number(
            sim, "SELECT head FROM streams WHERE owner = '" KNOWN_OWNER "' AND name = $1",
            TEXTS(follower->name), 0);
        bool has_all = follower->over || follower->cursor >= head;
        if (!has_all && must) {
            sim_fail(sim, "a follower of %s waits at %lld, and the stream is at %lld",
                     follower->name, (long long)follower->cursor, (long long)head);
        }
        all = all && has_all;
    }
    return all;
}

static void end(struct sim *sim) {
    struct streams *streams = streams_of();
    check_whole(sim);
    for (size_t i = 0; i < streams->notes_count; i++) {
        check_note(sim, &streams->notes[i]);
    }
    for (size_t i = 0; i < streams->count; i++) {
        check_rows(sim, &streams->list[i]);
        sim_plan_stop(sim, &streams->list[i].pull_event);
        sim_free(streams->list[i].digests);
    }
}

static const struct sim_op ops[] = {
    {"append to a stream", 6, op_append},
    {"a follower comes again", 4, op_reconnect},
    {.name = NULL},
};

const struct sim_part part_streams = {
    .name = "streams",
    .ops = ops,
    .opened = opened,
    .stopping = stopping,
    .crashed = crashed,
    .rest = rest,
    .end = end,
};
