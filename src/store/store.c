/* store.c: puts a store together: a database, its connections, an executor, the way back.
 *
 * A store is opened in this order, each step resting on those before: claim the database, connect
 * the writer (which may have to stand by), bring the schema up, raise the epoch by one durable
 * commit, connect the readers, start the threads. The epoch's commit also makes durable what a
 * killed process may have left in the log unsynced: nobody reads before it.
 */
#include "store/store.h"

#include "base/memory.h"
#include "store/checkpoint.h"
#include "store/delivery.h"
#include "store/driver.h"
#include "store/group.h"
#include "store/reader.h"
#include "store/threads.h"

enum {
    QUEUE_MAX = 65536, /* Functions on their way, of each direction. */
    READERS_DEFAULT = 2,
    READERS_MAX = 16,
};

struct store {
    const struct driver *driver;
    const struct world *world; /* Borrowed. */
    struct database *database; /* Owned, like all connections. */
    struct conn *writer_conn, *checkpoint_conn;
    struct conn *reader_conns[READERS_MAX];
    struct reader readers[READERS_MAX];
    size_t readers_count;
    struct group_writer writer;
    struct checkpoint checkpoint;
    struct delivery delivery;
    struct threads *threads; /* Owned; NULL: inline. */
    bool writer_ready, closing;
    int64_t epoch;
    int64_t steady_base_ms; /* tx_steady_ms less the monotonic clock. */

    struct calls writes, reads; /* Inline: what is queued. */
    uint64_t reads_run;
};

/* --- Opening ---------------------------------------------------------------------------------- */

/* Reads the schema and writes the row of the node: without them nothing can be served. */
static struct err bring_up(struct store *store, struct why *why) {
    struct err err = store__migrate(store->writer_conn, why);
    if (!err_failed(err)) {
        err = store->driver->raise_epoch(store->writer_conn, &store->epoch);
    }
    if (err.code == ERR_STORE_CORRUPT) {
        why_set(why, "The database is damaged in its schema or in the row of this node. %s",
                store->driver->cure);
    }
    return err;
}

static struct err open_writer(struct store *store, const struct store_options *options,
                              struct why *why) {
    struct err err = store->driver->open(options, &store->database, why);
    if (!err_failed(err)) {
        err = store->driver->connect(store->database, CONN_WRITER, &store->writer_conn, why);
    }
    if (!err_failed(err) && !options->guest) {
        err = bring_up(store, why);
    }
    if (err_failed(err)) {
        return err;
    }
    group_writer_init(&store->writer, store->writer_conn, options->world, store->epoch);
    store->steady_base_ms =
        world_wall_ms(options->world) - (int64_t)(world_mono_ns(options->world) / 1000000);
    store->writer.tx.steady_base_ms = store->steady_base_ms;
    store->writer_ready = true;
    return ERR_OK;
}

static struct err open_readers(struct store *store, size_t count, struct why *why) {
    for (size_t i = 0; i < count; i++) {
        struct conn **conn = &store->reader_conns[i];
        struct err err = store->driver->connect(store->database, CONN_READER, conn, why);
        if (err_failed(err)) {
            return err;
        }
        reader_init(&store->readers[i], *conn, store->world, store->epoch);
        store->readers[i].tx.steady_base_ms = store->steady_base_ms;
        store->readers_count++;
    }
    return ERR_OK;
}

static struct err start_threads(struct store *store, struct why *why) {
    struct err err = ERR_OK;
    if (store->driver->checkpoint != NULL) {
        err =
            store->driver->connect(store->database, CONN_CHECKPOINT, &store->checkpoint_conn, why);
    }
    store->checkpoint.world = store->world;
    if (!err_failed(err)) {
        err = checkpoint_start(&store->checkpoint, store->writer_conn, store->checkpoint_conn);
    }
    if (err_failed(err)) {
        return err;
    }
    struct threads_options with = {.writer = &store->writer,
                                   .readers = store->readers,
                                   .readers_count = store->readers_count,
                                   .delivery = &store->delivery,
                                   .checkpoint = &store->checkpoint,
                                   .world = store->world};
    return threads_start(&with, &store->threads);
}

static struct err open_all(struct store *store, const struct store_options *options,
                           struct why *why) {
    struct err err = open_writer(store, options, why);
    if (err_failed(err)) {
        return err;
    }
    if (options->executor == STORE_INLINE) {
        err = open_readers(store, 1, why);
        return err_failed(err)
                   ? err
                   : checkpoint_start(&store->checkpoint, store->writer_conn, NULL /* no thread */);
    }
    size_t readers = options->readers == 0 ? READERS_DEFAULT : options->readers;
    err = open_readers(store, readers, why);
    return err_failed(err) ? err : start_threads(store, why);
}

/* Answers the calls that a lost store still gets. */
static void drop(struct calls *calls) {
    for (struct call *call = calls_pop(calls); call != NULL; call = calls_pop(calls)) {
        mem_free(call);
    }
}

/* Half-built is fine. */
static void store_free(struct store *store) {
    threads_stop(store->threads);
    drop(&store->writes);
    drop(&store->reads);
    checkpoint_stop(&store->checkpoint);
    for (size_t i = 0; i < store->readers_count; i++) {
        reader_done(&store->readers[i]);
    }
    if (store->writer_ready) {
        group_writer_done(&store->writer);
    }
    for (size_t i = 0; i < READERS_MAX; i++) {
        store->driver->disconnect(store->reader_conns[i]);
    }
    store->driver->disconnect(store->checkpoint_conn);
    store->driver->disconnect(store->writer_conn);
    store->driver->close(store->database);
    delivery_done(&store->delivery);
    mem_free(store);
}

struct err store_open(const struct store_options *options, struct store **ret_store,
                      struct why *why) {
    assert(options->where != NULL);
    assert(options->world != NULL);
    assert((options->executor == STORE_THREAD) == (options->loop != NULL));
    assert(options->readers <= READERS_MAX);
    assert(!options->guest || driver_for(options->where) == &driver_postgres);
    struct store *store = mem_new(sizeof *store);
    store->driver = driver_for(options->where);
    store->world = options->world;
    delivery_init(&store->delivery, options);
    struct err err = open_all(store, options, why);
    if (err_failed(err)) {
        store_free(store);
        return err;
    }
    *ret_store = store;
    return ERR_OK;
}

/* --- Closing ---------------------------------------------------------------------------------- */

void store_close(struct store *store) {
    if (store == NULL) {
        return;
    }
    assert(!store->delivery.telling); /* Not from a callback of this store. */
    delivery_quiet(&store->delivery);
    store->closing = true;
    if (store->driver->closing != NULL) {
        store->driver->closing(store->database);
    }
    if (store->threads != NULL) {
        threads_stop(store->threads);
        store->threads = NULL;
        (void)delivery_all(&store->delivery); /* Callbacks that ask for more are refused in it. */
    } else {
        while (store_turn(store)) {
        }
    }
    store_free(store);
}

/* --- Queueing --------------------------------------------------------------------------------- */

/* Answered later, like everything: a callback never runs inside the call that asked for it. */
static void refuse(struct store *store, struct call *call, enum err_code code) {
    call->result = err_make(code, "store: queue");
    store->delivery.reads++;
    delivery_read_finished(&store->delivery, call);
}

static struct call *call_make(struct store *store, store_fn fn, store_done done, void *ctx) {
    assert(fn != NULL);
    struct call *call = call_pool_take(&store->delivery.pool);
    call->fn = fn;
    call->done = done;
    call->ctx = ctx;
    return call;
}

static void queue_write(struct store *store, struct call *call) {
    if (store->closing) {
        refuse(store, call, ERR_CLOSING);
    } else if (store->delivery.writes >= QUEUE_MAX) {
        refuse(store, call, ERR_OVERLOADED);
    } else {
        store->delivery.writes++;
        if (store->threads != NULL) {
            threads_write(store->threads, call);
        } else {
            calls_push(&store->writes, call);
        }
    }
}

void store_write(struct store *store, store_fn fn, store_done done, void *ctx) {
    queue_write(store, call_make(store, fn, done, ctx));
}

void store_write_lazy(struct store *store, store_fn fn, store_done done, void *ctx) {
    struct call *call = call_make(store, fn, done, ctx);
    call->lazy = true;
    call->queued_ns = world_mono_ns(store->world);
    queue_write(store, call);
}

enum read_kind { READ_WHOLE, READ_SLICE };

static void queue_read(struct store *store, enum read_kind kind, struct call *call) {
    if (store->closing) {
        refuse(store, call, ERR_CLOSING);
    } else if (store->delivery.reads >= QUEUE_MAX) {
        refuse(store, call, ERR_OVERLOADED);
    } else {
        store->delivery.reads++;
        if (store->threads == NULL) {
            calls_push(&store->reads, call);
        } else if (kind == READ_SLICE) {
            threads_read_slice(store->threads, call);
        } else {
            threads_read(store->threads, call);
        }
    }
}

void store_read(struct store *store, store_fn fn, store_done done, void *ctx) {
    queue_read(store, READ_WHOLE, call_make(store, fn, done, ctx));
}

void store_read_slice(struct store *store, store_fn fn, store_done done, void *ctx) {
    queue_read(store, READ_SLICE, call_make(store, fn, done, ctx));
}

/* --- Inline ----------------------------------------------------------------------------------- */

static struct call *next_write(void *ctx) {
    struct store *store = ctx;
    return calls_pop(&store->writes);
}

static void turn_writes(struct store *store) {
    struct group *group = delivery_group(&store->delivery);
    struct group_source source = {.next = next_write, .ctx = store};
    struct err err = group_run(&store->writer, source, group);
    if (err_failed(err)) {
        delivery_lost(&store->delivery, group, err);
        return;
    }
    delivery_group_finished(&store->delivery, group);
    if (tx_scrub_take(&store->writer.tx)) {
        checkpoint_scrub(&store->checkpoint);
    }
    checkpoint_tend(&store->checkpoint);
}

/* Takes the calls that are queued now; what their callbacks ask for is the next turn's. */
static void turn_reads(struct store *store) {
    for (size_t left = store->reads.count; left > 0; left--) {
        struct call *call = calls_pop(&store->reads);
        reader_run(&store->readers[0], call);
        store->reads_run++;
        delivery_read_finished(&store->delivery, call);
    }
}

bool store_turn(struct store *store) {
    assert(store->threads == NULL);
    if (!delivery_is_lost(&store->delivery)) {
        if (store->writes.first != NULL) {
            turn_writes(store);
        }
        turn_reads(store);
    }
    return delivery_all(&store->delivery);
}

/* --- Figures ---------------------------------------------------------------------------------- */

int64_t store_steady_ms(const struct store *store) {
    return store->steady_base_ms + (int64_t)(world_mono_ns(store->world) / 1000000);
}

int64_t store_epoch(const struct store *store) {
    return store->epoch;
}

bool store_is_replaced(const struct store *store) {
    return store->driver->replaced != NULL && store->driver->replaced(store->writer_conn);
}

bool store_reachable(const struct store *store) {
    return store->driver->reachable == NULL || store->driver->reachable(store->database);
}

int64_t store_missing(const struct store *store) {
    int64_t at_ms = 0;
    return store->driver->missing == NULL ? 0 : store->driver->missing(store->writer_conn, &at_ms);
}

int64_t store_missing_at_ms(const struct store *store) {
    int64_t at_ms = 0;
    bool some =
        store->driver->missing != NULL && store->driver->missing(store->writer_conn, &at_ms) > 0;
    return some ? at_ms : 0;
}

void store_missing_accept(struct store *store) {
    if (store->driver->missing_accept != NULL) {
        store->driver->missing_accept(store->writer_conn);
    }
}

uint64_t store_mark_errors(const struct store *store) {
    return store->driver->keep_errors == NULL ? 0 : store->driver->keep_errors(store->database);
}

uint32_t store_damaged(const struct store *store) {
    return store->driver->damaged == NULL ? 0 : store->driver->damaged(store->database);
}

static uint64_t figure(const atomic_uint_fast64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void store_get_stats(struct store *store, struct store_stats *ret_stats) {
    const struct group_counters *counters = &store->writer.counters;
    *ret_stats = (struct store_stats){
        .groups = figure(&counters->groups),
        .functions = figure(&counters->functions),
        .reruns = figure(&counters->reruns),
        .errors = figure(&counters->errors),
        .commits = figure(&counters->commits),
        .checkpoints = figure(&store->checkpoint.done),
        .reads = store->threads != NULL ? threads_reads(store->threads) : store->reads_run,
        .queued = store->delivery.writes + store->delivery.reads,
        .log_bytes =
            (uint64_t)atomic_load_explicit(&store->checkpoint.log_bytes, memory_order_relaxed),
    };
}

/* --- Whole databases -------------------------------------------------------------------------- */

struct err store_backup(const char *where, const char *to, struct why *why) {
    return driver_for(where)->backup(where, to, why);
}

struct err store_restore(const char *from, const char *where, struct why *why) {
    return driver_for(where)->restore(from, where, why);
}

struct err store_check(const char *where, struct store_check *ret_check, struct why *why) {
    return driver_for(where)->check(where, ret_check, why);
}

struct err store_check_pages(const char *where, struct store_pages *ret_pages, struct why *why) {
    const struct driver *driver = driver_for(where);
    if (driver->check_pages != NULL) {
        return driver->check_pages(where, ret_pages, why);
    }
    *ret_pages = (struct store_pages){.pages = 0};
    return ERR_OK;
}

struct err store_rewrite_sums(const char *where, struct store_pages *ret_pages, struct why *why) {
    const struct driver *driver = driver_for(where);
    if (driver->rewrite_sums == NULL) {
        return err_why(why, ERR_CONFLICT, "PostgreSQL has checksums of its own: pg_checksums.");
    }
    return driver->rewrite_sums(where, ret_pages, why);
}
