/* runs_kit.h: a store of its own for the tests of runs and inbox, and what they do with it.
 *
 * Each function is run twice: first it is made to fail behind its work, so that all of it is taken
 * back, then it counts. Who cares that it ran before is found out by every test.
 */
#ifndef DROVER_TEST_RUNS_KIT_H
#define DROVER_TEST_RUNS_KIT_H

#include "journal_kit.h"

#include "base/json/json.h"
#include "engine/base/follow.h"
#include "engine/base/resource.h"
#include "engine/inbox/inbox.h"
#include "engine/run/runs.h"
#include "engine/system/retention.h"

struct runs_note {
    unsigned kind;
    size_t len;
    char *bytes; /* Owned. */
};

struct runs_kit {
    struct kit kit; /* Without a hub and a loop. */
    struct runs_note *notes;
    size_t count, size;
    unsigned ids;
    struct run_bounds bounds; /* Used where a test names no other. */
};

static inline void runs_deliver(struct runs_kit *runs, unsigned kind, struct bytes note) {
    if (runs->count == runs->size) {
        runs->size = runs->size == 0 ? 64 : runs->size * 2;
        runs->notes = mem_grow(runs->notes, runs->size * sizeof *runs->notes);
    }
    runs->notes[runs->count++] = (struct runs_note){kind, note.len, mem_copy(note.data, note.len)};
}

static inline void runs_deliver_run(void *ctx, struct bytes note) {
    runs_deliver(ctx, RUN_NOTE, note);
}

static inline void runs_deliver_inbox(void *ctx, struct bytes note) {
    runs_deliver(ctx, INBOX_NOTE, note);
}

static inline void runs_deliver_event(void *ctx, struct bytes note) {
    runs_deliver(ctx, JOURNAL_NOTE, note);
}

static inline void runs_forget(struct runs_kit *runs) {
    for (size_t i = 0; i < runs->count; i++) {
        mem_free(runs->notes[i].bytes);
    }
    runs->count = 0;
}

static inline void runs_open(struct runs_kit *runs, const char *where) {
    struct store_options options = {.where = where,
                                    .executor = STORE_INLINE,
                                    .world = &runs->kit.world,
                                    .lost = kit_lost,
                                    .rows_changed = followed_rows,
                                    .ctx = runs};
    options.notes[JOURNAL_NOTE] =
        (struct store_note_kind){.deliver = runs_deliver_event, .ctx = runs};
    options.notes[RUN_NOTE] = (struct store_note_kind){.deliver = runs_deliver_run, .ctx = runs};
    options.notes[INBOX_NOTE] =
        (struct store_note_kind){.deliver = runs_deliver_inbox, .ctx = runs};
    struct why why;
    struct err err = store_open(&options, &runs->kit.store, &why);
    if (err_failed(err)) {
        fail_msg("%s: %s", err_name(err.code), why.text);
    }
}

/* Time passes as `clock_ms` grows; where it goes back somebody has set the wall clock. */
static inline uint64_t runs_mono_ns(void *ctx) {
    struct kit *kit = ctx;
    int64_t passed_ms = kit->counted_to_ms == 0 ? 0 : kit->clock_ms - kit->counted_to_ms;
    kit->counted_ms += passed_ms > 0 ? passed_ms : 0;
    kit->counted_to_ms = kit->clock_ms;
    return (uint64_t)kit->counted_ms * 1000000;
}

static inline int runs_begin_in(void **state, const char *parent) {
    struct runs_kit *runs = mem_new(sizeof *runs);
    struct kit *kit = &runs->kit;
    (void)snprintf(kit->folder, sizeof kit->folder, "%s/drover-runs-XXXXXX", parent);
    assert_non_null(mkdtemp(kit->folder));
    kit->world = *world_real();
    kit->world.ctx = kit;
    kit->world.wall_ms = kit_wall_ms;
    kit->world.mono_ns = runs_mono_ns;
    kit->world.random = kit_random;
    kit->clock_ms = 1000000000000;
    runs->bounds = (struct run_bounds){.slots = 100, .host = BYTES("here")};
    runs_open(runs, kit_where(kit));
    *state = runs;
    return 0;
}

static inline int runs_begin(void **state) {
    return runs_begin_in(state, "/tmp");
}

static inline int runs_end(void **state) {
    struct runs_kit *runs = *state;
    store_close(runs->kit.store);
    runs_forget(runs);
    mem_free(runs->notes);
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", runs->kit.folder);
    assert_int_equal(system(command), 0);
    mem_free(runs);
    return 0;
}

/* The daemon ends and starts: the epoch is another. */
static inline void runs_restart(struct runs_kit *runs) {
    store_close(runs->kit.store);
    runs_open(runs, runs->kit.url[0] != '\0' ? runs->kit.url : runs->kit.folder);
}

/* --- One function, twice ---------------------------------------------------------------------- */

struct runs_call {
    struct kit_call call;
    store_fn fn;
    void *ctx;
    bool spoil;
};

static inline struct err runs_call_tx(struct tx *tx, void *ctx) {
    struct runs_call *call = ctx;
    struct err err = call->fn(tx, call->ctx);
    return err_failed(err) || !call->spoil ? err : err_make(ERR_INTERRUPTED, "spoilt");
}

/* For what only prepares a test: the function runs once, and counts. */
static inline struct err runs_once(struct runs_kit *runs, store_fn fn, void *ctx) {
    struct runs_call call = {.fn = fn, .ctx = ctx};
    return kit_write(&runs->kit, runs_call_tx, &call.call);
}

static inline enum err_code runs_do(struct runs_kit *runs, store_fn fn, void *ctx) {
    struct runs_call call = {.fn = fn, .ctx = ctx, .spoil = true};
    size_t before = runs->count;
    struct err first = kit_write(&runs->kit, runs_call_tx, &call.call);
    assert_int_equal(runs->count, before); /* What was taken back told nobody. */
    call.spoil = false;
    struct err err = kit_write(&runs->kit, runs_call_tx, &call.call);
    assert_int_equal(first.code, err_failed(err) ? err.code : ERR_INTERRUPTED);
    return err.code;
}

/* --- Rows, copied out of the transaction ------------------------------------------------------ */

struct runs_row {
    struct run_row row; /* Its texts are gone, but for these. */
    char run[ID_SIZE], note[600], result[64], host[64];
};

static inline void runs_copy_text(struct bytes text, char *to, size_t size) {
    assert_true(text.len < size);
    if (text.len > 0) {
        memcpy(to, text.data, text.len);
    }
    to[text.len] = '\0';
}

static inline void runs_copy(const struct run_row *row, struct runs_row *ret_row) {
    struct runs_row copy = {.row = *row};
    const struct bytes none = {NULL, 0};
    runs_copy_text(row->run, copy.run, sizeof copy.run);
    runs_copy_text(row->note, copy.note, sizeof copy.note);
    runs_copy_text(row->result, copy.result, sizeof copy.result);
    runs_copy_text(row->host, copy.host, sizeof copy.host);
    copy.row.run = copy.row.owner = copy.row.key = copy.row.label = none;
    copy.row.host = copy.row.spec = copy.row.result = copy.row.note = none;
    *ret_row = copy;
}

struct runs_find {
    struct run_key key;
    bool found;
    struct runs_row row;
};

static inline struct err runs_find_tx(struct tx *tx, void *ctx) {
    struct runs_find *find = ctx;
    struct run_row row;
    struct err err = tx_run_find(tx, &find->key, &find->found, &row);
    if (!err_failed(err) && find->found) {
        runs_copy(&row, &find->row);
    }
    return err;
}

static inline struct runs_row runs_get(struct runs_kit *runs, const char *run) {
    struct runs_find find = {.key = {.owner = BYTES("ann"), .run = kit_bytes(run)}};
    kit_check((struct err){.code = runs_do(runs, runs_find_tx, &find), .step = "find"});
    assert_true(find.found);
    return find.row;
}

/* --- Submitting ------------------------------------------------------------------------------- */

struct runs_submit {
    struct run_new what;
    struct runs_row row;
};

static inline struct err runs_submit_tx(struct tx *tx, void *ctx) {
    struct runs_submit *submit = ctx;
    struct run_row row;
    struct err err = tx_run_submit(tx, &submit->what, &row);
    if (!err_failed(err)) {
        runs_copy(&row, &submit->row);
    }
    return err;
}

static inline struct id runs_id(struct runs_kit *runs) {
    uint8_t random[10] = {0};
    runs->ids++;
    memcpy(random, &runs->ids, sizeof runs->ids);
    return id_make("run", runs->kit.clock_ms, random);
}

/* Of "ann", a job, nothing else asked. */
static inline struct run_new runs_new(struct runs_kit *runs) {
    return (struct run_new){.run = runs_id(runs),
                            .owner = BYTES("ann"),
                            .parent = BYTES(""),
                            .key = BYTES(""),
                            .label = BYTES(""),
                            .spec = BYTES("{\"argv\":[\"true\"]}"),
                            .kind = KIND_JOB,
                            .bounds = runs->bounds};
}

static inline struct runs_row runs_submit(struct runs_kit *runs, const struct run_new *what) {
    struct runs_submit submit = {.what = *what};
    assert_int_equal(runs_do(runs, runs_submit_tx, &submit), ERR_NONE);
    return submit.row;
}

static inline struct runs_row runs_add(struct runs_kit *runs) {
    struct run_new what = runs_new(runs);
    return runs_submit(runs, &what);
}

struct runs_place {
    int64_t key_max, priority;
};

static inline struct runs_row runs_add_key(struct runs_kit *runs, struct runs_place place) {
    struct run_new what = runs_new(runs);
    what.key = BYTES("k");
    what.key_max = place.key_max;
    what.priority = place.priority;
    return runs_submit(runs, &what);
}

static inline struct runs_row runs_add_child(struct runs_kit *runs, const char *parent) {
    struct run_new what = runs_new(runs);
    what.parent = kit_bytes(parent);
    return runs_submit(runs, &what);
}

/* --- Settling --------------------------------------------------------------------------------- */

struct runs_settle {
    struct run_settle what;
    bool late;
    struct runs_row row;
};

static inline struct err runs_settle_tx(struct tx *tx, void *ctx) {
    struct runs_settle *settle = ctx;
    struct run_row row;
    struct err err = tx_run_settle(tx, &settle->what, &settle->late, &row);
    if (!err_failed(err) && !settle->late) {
        runs_copy(&row, &settle->row);
    }
    return err;
}

/* The first attempt exited with `code`. */
static inline struct run_settle runs_exit(struct runs_kit *runs, const char *run, int code) {
    return (struct run_settle){.run = kit_bytes(run),
                               .attempt = 1,
                               .end = {.end = ATTEMPT_EXITED, .code = code},
                               .result = BYTES("{}"),
                               .note = BYTES(""),
                               .output = BYTES("out"),
                               .bounds = runs->bounds};
}

static inline struct runs_settle runs_settle(struct runs_kit *runs, const struct run_settle *what) {
    struct runs_settle settle = {.what = *what};
    assert_int_equal(runs_do(runs, runs_settle_tx, &settle), ERR_NONE);
    return settle;
}

/* Its attempt ends well. */
static inline struct runs_row runs_finish(struct runs_kit *runs, const char *run) {
    struct runs_row row = runs_get(runs, run);
    struct run_settle what = runs_exit(runs, run, 0);
    what.attempt = row.row.attempt;
    struct runs_settle settle = runs_settle(runs, &what);
    assert_false(settle.late);
    return settle.row;
}

struct runs_wake {
    struct run_key key;
    struct run_bounds bounds;
};

static inline struct err runs_wake_tx(struct tx *tx, void *ctx) {
    struct runs_wake *wake = ctx;
    return tx_run_wake(tx, &wake->key, &wake->bounds);
}

static inline void runs_wake(struct runs_kit *runs, const char *run) {
    struct runs_wake wake = {.key = {.run = kit_bytes(run)}, .bounds = runs->bounds};
    assert_int_equal(runs_do(runs, runs_wake_tx, &wake), ERR_NONE);
}

/* --- Looking on ------------------------------------------------------------------------------- */

/* The newest note about a run. */
static inline bool runs_heard(const struct runs_kit *runs, const char *run,
                              struct run_row *ret_row) {
    for (size_t i = runs->count; i > 0; i--) {
        const struct runs_note *note = &runs->notes[i - 1];
        if (note->kind != RUN_NOTE) {
            continue;
        }
        assert_true(run_note_read((struct bytes){note->bytes, note->len}, ret_row));
        if (ret_row->run.len == strlen(run) && memcmp(ret_row->run.data, run, strlen(run)) == 0) {
            return true;
        }
    }
    return false;
}

/* The events of a run's stream: "run_queued {…};run_started {…};". */
struct runs_events {
    char text[16384];
    const char *run;
};

static inline struct err runs_event(void *ctx, const struct event *event) {
    struct runs_events *events = ctx;
    size_t len = strlen(events->text);
    (void)snprintf(events->text + len, sizeof events->text - len, "%.*s %.*s;",
                   (int)event->type.len, event->type.data, (int)event->data.len, event->data.data);
    return ERR_OK;
}

static inline struct err runs_events_tx(struct tx *tx, void *ctx) {
    struct runs_events *events = ctx;
    char name[64];
    (void)snprintf(name, sizeof name, "run:%s", events->run);
    events->text[0] = '\0';
    bool found = false;
    struct stream_state state;
    struct err err = tx_stream_find(tx, BYTES("ann"), kit_bytes(name), &found, &state);
    return err_failed(err) || !found ? err
                                     : tx_events(tx, state.stream, 0, 256, runs_event, events);
}

static inline struct runs_events runs_events(struct runs_kit *runs, const char *run) {
    struct runs_events events = {.run = run};
    assert_int_equal(runs_do(runs, runs_events_tx, &events), ERR_NONE);
    return events;
}

static inline int64_t runs_count(struct runs_kit *runs, const char *sql) {
    return kit_count(&runs->kit, sql);
}

/* A spec as large as specs may be; for the life of the program. */
static inline struct bytes runs_large_spec(void) {
    static char spec[RUN_SPEC_MAX];
    static const char head[] = "{\"argv\":[\"true\"],\"stdin\":\"";
    memset(spec, 'x', sizeof spec);
    memcpy(spec, head, sizeof head - 1);
    memcpy(spec + sizeof spec - 2, "\"}", 2);
    return (struct bytes){spec, sizeof spec};
}

/* One call of retention. */
struct runs_prune {
    struct run_prune what;
    int64_t gone; /* Number of runs that it removed. */
    bool more;
};

static inline struct err runs_prune_tx(struct tx *tx, void *ctx) {
    struct runs_prune *prune = ctx;
    return tx_run_prune(tx, &prune->what, &prune->more);
}

static inline void runs_prune(struct runs_kit *runs, struct runs_prune *prune) {
    static const char count[] = "SELECT count(*) FROM runs";
    int64_t before = runs_count(runs, count);
    assert_int_equal(runs_do(runs, runs_prune_tx, prune), ERR_NONE);
    prune->gone = before - runs_count(runs, count);
}

#define RUNS_TEST(name) cmocka_unit_test_setup_teardown(name, runs_begin, runs_end)

#endif
