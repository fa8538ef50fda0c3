/* journal_kit.h: a store of its own in a private folder, a loop and a hub, for the journal's tests.
 *
 * With the executor inline, nothing happens until the test says so: kit_store runs what is queued
 * in the store, kit_loop one turn of the loop. Notes can be held back between commit and hub
 * (`holding`), which is where the thread executor has its races.
 */
#ifndef DROVER_TEST_JOURNAL_KIT_H
#define DROVER_TEST_JOURNAL_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "journal/hub.h"
#include "journal/journal.h"
#include "loop/loop_uv.h"

struct kit_note {
    struct kit_note *next;
    size_t len;
    char bytes[];
};

struct kit {
    char folder[64], url[512]; /* The URL is used where a server runs beside the test. */
    struct world world;
    int64_t clock_ms; /* 0: the real clock. */
    int64_t set_ms;   /* What somebody has set the wall clock forward by, beside `clock_ms`. */
    int64_t counted_to_ms, counted_ms; /* Of runs_mono_ns (runs_kit.h). */
    struct loop *loop;
    struct store *store;
    struct hub *hub;
    bool holding;
    struct kit_note *held, **held_end;
};

static inline void kit_check(struct err err) {
    if (err_failed(err)) {
        fail_msg("%s at %s", err_name(err.code), err.step);
    }
}

static inline int64_t kit_wall_ms(void *ctx) {
    const struct kit *kit = ctx;
    return kit->clock_ms != 0 ? kit->clock_ms + kit->set_ms : world_wall_ms(world_real());
}

static inline uint64_t kit_mono_ns(void *ctx) {
    (void)ctx;
    return world_mono_ns(world_real());
}

static inline void kit_random(void *ctx, void *bytes, size_t len) {
    (void)ctx;
    world_random(world_real(), bytes, len);
}

static inline void kit_note(void *ctx, struct bytes note) {
    struct kit *kit = ctx;
    if (!kit->holding) {
        hub_deliver(kit->hub, note);
        return;
    }
    struct kit_note *held = mem_new(sizeof *held + note.len);
    held->len = note.len;
    memcpy(held->bytes, note.data, note.len);
    *kit->held_end = held;
    kit->held_end = &held->next;
}

static inline void kit_flush(void *ctx) {
    struct kit *kit = ctx;
    if (!kit->holding) {
        hub_flush(kit->hub);
    }
}

/* Gives the hub the oldest `count` of the notes that were held back. */
static inline void kit_release(struct kit *kit, size_t count) {
    for (; count > 0 && kit->held != NULL; count--) {
        struct kit_note *held = kit->held;
        kit->held = held->next;
        if (kit->held == NULL) {
            kit->held_end = &kit->held;
        }
        hub_deliver(kit->hub, (struct bytes){held->bytes, held->len});
        mem_free(held);
    }
    hub_flush(kit->hub);
}

static inline void kit_lost(void *ctx, struct err err) {
    (void)ctx;
    fail_msg("the store was lost: %s", err.step);
}

/* SQLite in the folder, or a schema of its own on the server of test/postgres/with-server. */
static inline const char *kit_where(struct kit *kit) {
    const char *server = getenv("DROVER_TEST_POSTGRES_DIR");
    if (server == NULL) {
        return kit->folder;
    }
    uint64_t number;
    world_random(world_real(), &number, sizeof number);
    int len = snprintf(kit->url, sizeof kit->url,
                       "postgres:///drover?user=drover&host=%s&options=-csearch_path%%3Dj%llx",
                       server, (unsigned long long)number);
    assert_in_range(len, 1, sizeof kit->url - 1);
    return kit->url;
}

static inline struct kit *kit_new(enum store_executor executor, const struct hub_options *sizes) {
    struct kit *kit = mem_new(sizeof *kit);
    kit->held_end = &kit->held;
    (void)snprintf(kit->folder, sizeof kit->folder, "/tmp/drover-journal-XXXXXX");
    assert_non_null(mkdtemp(kit->folder));
    kit->world = *world_real();
    kit->world.ctx = kit;
    kit->world.wall_ms = kit_wall_ms;
    kit->world.mono_ns = kit_mono_ns;
    kit->world.random = kit_random;
    kit_check(loop_open(&(struct loop_options){.world = &kit->world}, &kit->loop));
    struct hub_options with = {.loop = kit->loop,
                               .ring_bytes_max = sizes == NULL ? 0 : sizes->ring_bytes_max,
                               .total_bytes_max = sizes == NULL ? 0 : sizes->total_bytes_max,
                               .idle_ms = sizes == NULL ? 0 : sizes->idle_ms};
    kit_check(hub_open(&with, &kit->hub));
    struct store_options options = {.where = kit_where(kit),
                                    .executor = executor,
                                    .loop = executor == STORE_THREAD ? kit->loop : NULL,
                                    .world = &kit->world,
                                    .lost = kit_lost,
                                    .ctx = kit};
    options.notes[JOURNAL_NOTE] =
        (struct store_note_kind){.deliver = kit_note, .flush = kit_flush, .ctx = kit};
    struct why why;
    struct err err = store_open(&options, &kit->store, &why);
    if (err_failed(err)) {
        fail_msg("%s: %s", err_name(err.code), why.text);
    }
    hub_attach(kit->hub, kit->store);
    return kit;
}

static inline void kit_free(struct kit *kit) {
    store_close(kit->store);
    kit->holding = false;
    kit_release(kit, SIZE_MAX);
    hub_close(kit->hub);
    loop_close(kit->loop);
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", kit->folder);
    assert_int_equal(system(command), 0);
    mem_free(kit);
}

static inline void kit_store(struct kit *kit) {
    while (store_turn(kit->store)) {
    }
}

static inline void kit_loop(struct kit *kit) {
    (void)uv_run(loop_uv(kit->loop), UV_RUN_NOWAIT);
}

/* Until nothing is left to do. On a busy machine a turn of the hub may come no further than one
 * follower: the loop then waits for nothing before its next turn. */
static inline void kit_settle(struct kit *kit) {
    for (int idle = 0; idle < 3; idle++) {
        if (store_turn(kit->store) || uv_backend_timeout(loop_uv(kit->loop)) == 0) {
            idle = -1;
        }
        kit_loop(kit);
    }
}

struct kit_result {
    bool done;
    struct err err;
};

static inline void kit_done(struct err err, void *ctx) {
    struct kit_result **slot = ctx;
    (*slot)->done = true;
    (*slot)->err = err;
}

/* A store function, run to its end. Inline only. The function's ctx begins with its result. */
struct kit_call {
    struct kit_result *result;
};

static inline struct err kit_write(struct kit *kit, store_fn fn, struct kit_call *call) {
    struct kit_result result = {0};
    call->result = &result;
    store_write(kit->store, fn, kit_done, call);
    kit_store(kit);
    assert_true(result.done);
    return result.err;
}

static inline struct err kit_read(struct kit *kit, store_fn fn, struct kit_call *call) {
    struct kit_result result = {0};
    call->result = &result;
    store_read(kit->store, fn, kit_done, call);
    kit_store(kit);
    assert_true(result.done);
    return result.err;
}

static inline struct bytes kit_bytes(const char *text) {
    return (struct bytes){text, strlen(text)};
}

/* --- What most tests do -------------------------------------------------------------------- */

struct kit_append {
    struct kit_call call;
    struct append append;
    struct appended appended;
    unsigned times; /* 0 is once. */
};

static inline struct err kit_append_tx(struct tx *tx, void *ctx) {
    struct kit_append *append = ctx;
    struct err err = ERR_OK;
    for (unsigned i = 0; i < (append->times == 0 ? 1 : append->times) && !err_failed(err); i++) {
        err = tx_append(tx, &append->append, &append->appended);
    }
    return err;
}

/* Appends {"n":1} of type "tick" to the stream of owner "ann"; the last seq. */
static inline int64_t kit_append(struct kit *kit, const char *stream, unsigned times) {
    struct kit_append append = {.append = {.owner = BYTES("ann"),
                                           .stream = kit_bytes(stream),
                                           .type = BYTES("tick"),
                                           .data = BYTES("{\"n\":1}")},
                                .times = times};
    kit_check(kit_write(kit, kit_append_tx, &append.call));
    return append.appended.seq;
}

struct kit_prune {
    struct kit_call call;
    int64_t stream, through, count_max;
    bool more;
};

static inline struct err kit_prune_tx(struct tx *tx, void *ctx) {
    struct kit_prune *prune = ctx;
    return tx_prune(tx, prune->stream, prune->through, prune->count_max, &prune->more);
}

struct kit_find {
    struct kit_call call;
    const char *stream;
    bool found;
    struct stream_state state;
};

static inline struct err kit_find_tx(struct tx *tx, void *ctx) {
    struct kit_find *find = ctx;
    return tx_stream_find(tx, BYTES("ann"), kit_bytes(find->stream), &find->found, &find->state);
}

static inline struct stream_state kit_state(struct kit *kit, const char *stream) {
    struct kit_find find = {.stream = stream};
    kit_check(kit_read(kit, kit_find_tx, &find.call));
    assert_true(find.found);
    return find.state;
}

static inline void kit_prune(struct kit *kit, const char *stream, int64_t through) {
    struct kit_prune prune = {.stream = kit_state(kit, stream).stream,
                              .through = through,
                              .count_max = JOURNAL_PRUNE_MAX};
    do {
        kit_check(kit_write(kit, kit_prune_tx, &prune.call));
    } while (prune.more);
}

/* One number, asked by SQL. */
struct kit_count {
    struct kit_call call;
    const char *sql;
    int64_t count;
};

static inline struct err kit_count_tx(struct tx *tx, void *ctx) {
    struct kit_count *count = ctx;
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, count->sql, NULL, 0, &rows);
    bool row = false;
    if (!err_failed(err)) {
        err = rows_next(rows, &row);
    }
    count->count = row ? rows_int(rows, 0) : -1;
    return err;
}

static inline int64_t kit_count(struct kit *kit, const char *sql) {
    struct kit_count count = {.sql = sql};
    kit_check(kit_read(kit, kit_count_tx, &count.call));
    return count.count;
}

#endif
