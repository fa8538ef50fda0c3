/* deliver_kit.h: the real store, inline, the real client, and a receiver of the test's own.
 *
 * The wall clock is the test's. By --wrap the store can refuse an outcome, and waits stand still.
 */
#ifndef DROVER_TEST_DELIVER_KIT_H
#define DROVER_TEST_DELIVER_KIT_H

#include "dispatch/inbox/deliver.h"
#include "engine/base/resource.h"
#include "http_server.h"
#include "loop/loop_uv.h"

static const char secret[] = "0123456789abcdef";

struct kit {
    char folder[64];
    struct world world;
    int64_t clock_ms;
    struct loop *loop;
    struct store *store;
    struct fetch *client;
    struct deliver *deliver;
    struct address_list *allow;
    struct server server;
    const char *answer;               /* NULL: none by itself. */
    const char *answer_once;          /* Before that, to one request. */
    struct served *asked;             /* The last one. */
    struct text request;              /* Of the last one. */
    char first[ID_SIZE], id[ID_SIZE]; /* Of the first and of the last delivery. */
    unsigned settle_failures;         /* How often the store still refuses. */
    char note[256];                   /* The last one. */
    size_t note_len;
    enum { STALE_NONE, STALE_NOTHING, STALE_LATER } stale; /* What the next reader sees. */
    int runs;
    bool flag, frozen; /* frozen: real time starts no wait. */
    bool hurry;        /* Rounds follow each other at once. */
};
static struct kit *current; /* For the call that stands in front of the engine's. */

struct err __real_tx_inbox_due(struct tx *tx, const struct inbox_receiver *receiver,
                               const struct inbox_waits *waits, struct inbox_due *ret_due);
struct err __wrap_tx_inbox_due(struct tx *tx, const struct inbox_receiver *receiver,
                               const struct inbox_waits *waits, struct inbox_due *ret_due);

/* A reader that saw the rows before a commit whose note comes while it is being answered. */
struct err __wrap_tx_inbox_due(struct tx *tx, const struct inbox_receiver *receiver,
                               const struct inbox_waits *waits, struct inbox_due *ret_due) {
    struct err err = __real_tx_inbox_due(tx, receiver, waits, ret_due);
    if (current->stale == STALE_NONE) {
        return err;
    }
    if (current->stale == STALE_NOTHING) {
        ret_due->found = false;
    } else {
        ret_due->wait_ms += INT64_C(3600) * 1000;
    }
    current->stale = STALE_NONE;
    deliver_note(current->deliver, (struct bytes){current->note, current->note_len});
    return err;
}

struct err __real_tx_inbox_settle(struct tx *tx, const struct inbox_settle *settle, bool *ret_late);
struct err __wrap_tx_inbox_settle(struct tx *tx, const struct inbox_settle *settle, bool *ret_late);

struct err __wrap_tx_inbox_settle(struct tx *tx, const struct inbox_settle *settle,
                                  bool *ret_late) {
    if (current->settle_failures > 0) {
        current->settle_failures--;
        return err_make(ERR_DISK_FULL, "test: settle");
    }
    return __real_tx_inbox_settle(tx, settle, ret_late);
}

void __real_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer));
void __wrap_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer));

/* What libcurl wants soon is still done. */
void __wrap_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer)) {
    if (current->frozen && after_ms > 100) {
        timer_stop(loop, timer);
    } else if (current->hurry && after_ms >= DELIVER_ROUND_MS && after_ms < 2 * DELIVER_ROUND_MS) {
        __real_timer_start(loop, timer, 1, fire);
    } else {
        __real_timer_start(loop, timer, after_ms, fire);
    }
}

static inline int64_t wall_ms(void *ctx) {
    return ((struct kit *)ctx)->clock_ms;
}

static inline uint64_t mono_ns(void *ctx) {
    return world_mono_ns(world_real());
}

static inline void random_bytes(void *ctx, void *bytes, size_t len) {
    world_random(world_real(), bytes, len);
}

static inline void note(void *ctx, struct bytes bytes) {
    struct kit *kit = ctx;
    assert_in_range(bytes.len, 1, sizeof kit->note);
    memcpy(kit->note, bytes.data, bytes.len);
    kit->note_len = bytes.len;
    if (kit->deliver != NULL) {
        deliver_note(kit->deliver, bytes);
    }
}

static inline void lost(void *ctx, struct err err) {
    fail_msg("the store was lost: %s", err.step);
}

static inline void drop(void *ctx, struct bytes bytes) {
}

/* The value of a header of the last request. */
static inline struct bytes header(const struct kit *kit, const char *name) {
    struct fetch_answer answer = {1, {kit->request.data, kit->request.len}};
    struct bytes value;
    if (!fetch_answer_header(&answer, name, &value)) {
        fail_msg("no %s in %s", name, kit->request.data);
    }
    return value;
}

static inline void serve(struct server *server, struct served *served) {
    struct kit *kit = server->ctx;
    text_clear(&kit->request);
    text_add(&kit->request, served->request.data, served->request.len);
    struct bytes id = header(kit, "drover-delivery");
    (void)snprintf(kit->id, sizeof kit->id, "%.*s", (int)id.len, id.data);
    if (server->requests == 1) {
        memcpy(kit->first, kit->id, sizeof kit->first);
    }
    kit->asked = served;
    if (memcmp(kit->request.data, "POST /mute", 10) == 0) {
        return; /* It never answers. */
    }
    const char *answer = kit->answer_once != NULL ? kit->answer_once : kit->answer;
    kit->answer_once = NULL;
    if (answer != NULL) {
        served_say(served, answer);
    }
}

static inline void open_deliver(struct kit *kit, struct deliver_options with) {
    with.loop = kit->loop;
    with.store = kit->store;
    with.client = kit->client;
    with.secret = (struct bytes){secret, strlen(secret)};
    with.waits = INBOX_WAITS_DEFAULT;
    with.bounds.slots = INT64_MAX;
    with.timeout_ms = with.timeout_ms != 0 ? with.timeout_ms : 60000;
    kit->deliver = deliver_open(&with);
}

static inline int open_kit(void **state) {
    struct kit *kit = mem_new(sizeof *kit);
    current = kit;
    (void)snprintf(kit->folder, sizeof kit->folder, "/tmp/drover-deliver-XXXXXX");
    assert_non_null(mkdtemp(kit->folder));
    kit->world = *world_real();
    kit->world.ctx = kit;
    kit->world.wall_ms = wall_ms;
    kit->world.mono_ns = mono_ns;
    kit->world.random = random_bytes;
    kit->clock_ms = INT64_C(1700000000000);
    assert_false(err_failed(loop_open(&(struct loop_options){.world = &kit->world}, &kit->loop)));
    struct store_options with = {.where = kit->folder,
                                 .executor = STORE_INLINE,
                                 .world = &kit->world,
                                 .lost = lost,
                                 .ctx = kit};
    for (unsigned i = 0; i < STORE_NOTE_KINDS_MAX; i++) {
        with.notes[i] = (struct store_note_kind){.deliver = drop};
    }
    with.notes[INBOX_NOTE] = (struct store_note_kind){.deliver = note, .ctx = kit};
    struct why why;
    if (err_failed(store_open(&with, &kit->store, &why))) {
        fail_msg("%s", why.text);
    }
    fetch_open(&(struct fetch_options){.loop = kit->loop}, &kit->client);
    assert_false(err_failed(address_list_parse("127.0.0.1", &kit->allow, NULL)));
    text_init(&kit->request, SERVED_BYTES_MAX);
    server_open(&kit->server, kit->loop, serve, kit);
    kit->answer = "HTTP/1.1 204 No Content\r\n\r\n";
    *state = kit;
    return 0;
}

static inline int open_free(void **state) {
    (void)open_kit(state);
    struct kit *kit = *state;
    open_deliver(kit, (struct deliver_options){.allow = kit->allow});
    return 0;
}

static inline void turn(struct kit *kit) {
    while (store_turn(kit->store)) {
    }
    (void)uv_run(loop_uv(kit->loop), UV_RUN_ONCE);
    while (store_turn(kit->store)) {
    }
}

/* What is to be seen not to happen had its chance: the loop has nothing else to do. */
static inline void settle_down(struct kit *kit) {
    for (int i = 0; i < 50; i++) {
        while (store_turn(kit->store)) {
        }
        (void)uv_run(loop_uv(kit->loop), UV_RUN_NOWAIT);
    }
}

static inline void raise_flag(void *ctx) {
    ((struct kit *)ctx)->flag = true;
}

static inline void stop_deliver(struct kit *kit) {
    kit->flag = false;
    deliver_stop(kit->deliver, raise_flag, kit);
    assert_false(kit->flag); /* Not inside the call. */
    while (!kit->flag) {
        turn(kit);
    }
    deliver_close(kit->deliver);
    kit->deliver = NULL;
}

static inline int close_kit(void **state) {
    struct kit *kit = *state;
    if (kit->deliver != NULL) {
        stop_deliver(kit);
    }
    kit->flag = false;
    fetch_close(kit->client, raise_flag, kit);
    while (!kit->flag) {
        turn(kit);
    }
    server_close(&kit->server);
    store_close(kit->store);
    loop_close(kit->loop);
    address_list_free(kit->allow);
    text_done(&kit->request);
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", kit->folder);
    assert_int_equal(system(command), 0);
    mem_free(kit);
    return 0;
}

/* --- What a test does ------------------------------------------------------------------------- */

struct owing {
    char run[ID_SIZE];
    char spec[400];
};

/* The run is there, too: what was told of it lives no longer. */
static inline struct err owe_tx(struct tx *tx, void *ctx) {
    struct owing *owing = ctx;
    struct run_new what = {.owner = BYTES("ann"),
                           .parent = BYTES(""),
                           .key = BYTES(""),
                           .label = BYTES(""),
                           .spec = {owing->spec, strlen(owing->spec)},
                           .bounds = {.slots = INT64_MAX, .host = BYTES("")}};
    struct run_row row;
    memcpy(what.run.text, owing->run, sizeof owing->run);
    struct err err = tx_run_submit(tx, &what, &row);
    if (err_failed(err)) {
        return err;
    }
    row.state = RUN_SUCCEEDED;
    row.exit_code = 0;
    return tx_inbox_notify(
        tx, &(struct inbox_notice){.run = &row, .output = BYTES("done\n"), .exit_code = 0});
}

static inline void owe_url(struct kit *kit, const char *url) {
    struct owing owing;
    (void)snprintf(owing.run, sizeof owing.run, "run_%026d", ++kit->runs);
    (void)snprintf(owing.spec, sizeof owing.spec,
                   "{\"argv\":[\"true\"],\"notify\":[{\"webhook\":\"%s\"}]}", url);
    store_write(kit->store, owe_tx, NULL, &owing);
    while (store_turn(kit->store)) {
    }
}

static inline void owe(struct kit *kit, const char *path) {
    char url[100];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/%s", kit->server.port, path);
    owe_url(kit, url);
}

struct census {
    int64_t open, delivered, gone, stalled, failures;
    char cause[INBOX_CAUSE_MAX * 2];
};

static inline struct err census_one(void *ctx, const void *read) {
    struct census *census = ctx;
    const struct inbox_row *row = read;
    census->open += row->settled_ms == 0;
    census->delivered += row->state == INBOX_ACKNOWLEDGED;
    census->gone += row->state == INBOX_GONE;
    census->stalled += row->state == INBOX_STALLED;
    census->failures = row->failures;
    (void)snprintf(census->cause, sizeof census->cause, "%.*s", (int)row->cause.len,
                   row->cause.data);
    return ERR_OK;
}

static inline struct err census_tx(struct tx *tx, void *ctx) {
    struct census *census = ctx;
    *census = (struct census){.open = 0};
    const struct resource_page page = {.owner = BYTES("ann"), .limit = 100};
    return tx_resource_list(tx, &delivery_resource, &page, census_one, ctx);
}

static inline struct census rows(struct kit *kit) {
    struct census census;
    store_read(kit->store, census_tx, NULL, &census);
    while (store_turn(kit->store)) {
    }
    return census;
}

static inline struct deliver_stats stats(const struct kit *kit) {
    struct deliver_stats stats;
    deliver_get_stats(kit->deliver, &stats);
    return stats;
}

static inline void until_requests(struct kit *kit, unsigned count) {
    while (kit->server.requests < count) {
        turn(kit);
    }
    assert_int_equal(kit->server.requests, count);
}

/* Until nothing is on its way and every receiver waits or is forgotten. */
static inline void until_outcomes(struct kit *kit, uint64_t count) {
    struct deliver_stats now = stats(kit);
    while (now.delivered + now.failed + now.gone < count) {
        turn(kit);
        now = stats(kit);
    }
    settle_down(kit);
}

#endif
