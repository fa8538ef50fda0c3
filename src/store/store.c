/* store.c: puts a store together: a database, its connections, an executor, the way back.
 *
 * A store is opened in this order, each step resting on those before: claim the database, connect
 * the writer (which may have to stand by), bring the schema up, raise the epoch by one durable
 * commit, connect the readers, start the threads. The epoch's commit also makes durable what a
 * killed process may have left in the log unsynced: nobody reads before it.
 *
 *     loop --store_write--> queue --> writer thread  --+
 *     loop --store_read---> queue --> reader threads --+--> delivery --> loop
 *
 * Functions leave a queue in the order they came. The writer never waits to fill a group; a lazy
 * function waits at most LAZY_NS for another one. Without threads, store_turn takes them out.
 */
#include "store/store.h"

#include "base/memory.h"
#include "store/checkpoint.h"
#include "store/delivery.h"
#include "store/driver.h"
#include "store/group.h"
#include "store/thread_queue.h"

enum {
    QUEUE_MAX = 65536, /* Functions on their way, of each direction. */
    READERS_DEFAULT = 2,
    READERS_MAX = 16,
    LAZY_NS = 5 * 1000 * 1000,
};

struct reader {
    struct store *store; /* Borrowed: the store that owns us. */
    struct conn *conn;   /* Owned. */
    struct tx tx;
    pthread_t thread;
};

struct store {
    const struct driver *driver;
    const struct world *world; /* Borrowed. */
    enum store_executor executor;
    struct database *database; /* Owned, like all connections. */
    struct conn *writer_conn, *checkpoint_conn;
    struct reader readers[READERS_MAX];
    size_t readers_count;
    struct group_writer writer;
    struct checkpoint checkpoint;
    struct delivery delivery;
    bool writer_ready, closing;
    int64_t epoch, upgraded_from;
    int64_t steady_base_ms; /* tx_steady_ms less the monotonic clock. */

    struct thread_queue writes, reads;
    struct calls taken; /* The writer's: out of the queue, not yet in a group. */
    atomic_uint_fast64_t reads_run;
    pthread_t writer_thread;
    size_t threads; /* Number of those that were started: the writer's, then the readers'. */
};

/* --- Running functions ------------------------------------------------------------------------ */

static struct call *next_write(void *ctx) {
    struct store *store = ctx;
    if (store->taken.first == NULL) {
        thread_queue_take_all(&store->writes, &store->taken);
    }
    return calls_pop(&store->taken);
}

/* False: the store is lost. */
static bool group_write(struct store *store) {
    struct group *group = delivery_group(&store->delivery);
    struct group_source source = {.next = next_write, .ctx = store};
    struct err err = group_run(&store->writer, source, group);
    if (err_failed(err)) {
        delivery_lost(&store->delivery, group, err);
        return false;
    }
    delivery_group_finished(&store->delivery, group);
    if (tx_scrub_take(&store->writer.tx)) {
        checkpoint_scrub(&store->checkpoint);
    }
    checkpoint_tend(&store->checkpoint);
    return true;
}

static void call_read(struct reader *reader, struct call *call) {
    bool slice = call->slice;
    tx_read(&reader->tx, call);
    if (slice) {
        thread_queue_slice_ended(&reader->store->reads);
    }
    atomic_fetch_add_explicit(&reader->store->reads_run, 1, memory_order_relaxed);
    delivery_read_finished(&reader->store->delivery, call);
}

static void *writer_main(void *arg) {
    struct store *store = arg;
    while (store->taken.first != NULL ||
           thread_queue_wait_all(&store->writes, store->world, LAZY_NS, &store->taken)) {
        if (!group_write(store)) {
            break;
        }
    }
    return NULL;
}

static void *reader_main(void *arg) {
    struct reader *reader = arg;
    struct call *call = NULL;
    while (thread_queue_wait_one(&reader->store->reads, &call)) {
        call_read(reader, call);
    }
    return NULL;
}

bool store_turn(struct store *store) {
    assert(store->executor == STORE_INLINE);
    if (!delivery_is_lost(&store->delivery)) {
        thread_queue_take_all(&store->writes, &store->taken);
        if (store->taken.first != NULL) {
            (void)group_write(store); /* The delivery knows whether the store is lost. */
        }
        /* The calls that are queued now; what their callbacks ask for is the next turn's. */
        struct calls reads = {.first = NULL};
        thread_queue_take_all(&store->reads, &reads);
        for (struct call *call = calls_pop(&reads); call != NULL; call = calls_pop(&reads)) {
            call_read(&store->readers[0], call);
        }
    }
    return delivery_all(&store->delivery);
}

/* --- Opening ---------------------------------------------------------------------------------- */

static struct err open_writer(struct store *store, const struct store_options *options,
                              struct why *why) {
    const struct driver *driver = store->driver;
    struct err err = driver->open(options, &store->database, why);
    if (!err_failed(err)) {
        err = driver->connect(store->database, CONN_WRITER, &store->writer_conn, why);
    }
    if (!err_failed(err) && !options->guest) {
        /* Without the schema and the row of the node nothing can be served. */
        int64_t from = 0;
        err = store__migrate(store->writer_conn, options->where, &from, why);
        store->upgraded_from = from < store__schema_known() ? from : 0;
        err = err_failed(err) ? err : driver->raise_epoch(store->writer_conn, &store->epoch);
        if (err.code == ERR_STORE_CORRUPT) {
            why_set(why, "The database is damaged in its schema or in the row of this node. %s",
                    driver->cure);
        }
    }
    if (err_failed(err)) {
        return err;
    }
    group_writer_init(&store->writer, store->writer_conn, options->world, store->epoch);
    store->steady_base_ms =
        world_wall_ms(options->world) - (int64_t)(world_mono_ns(options->world) / 1000000);
    store->writer.tx.rows_changed = options->rows_changed;
    store->writer.tx.steady_base_ms = store->steady_base_ms;
    store->writer_ready = true;
    return ERR_OK;
}

static struct err open_readers(struct store *store, size_t count, struct why *why) {
    for (size_t i = 0; i < count; i++) {
        struct reader *reader = &store->readers[i];
        TRY(store->driver->connect(store->database, CONN_READER, &reader->conn, why));
        reader->store = store;
        tx_init(&reader->tx, reader->conn, store->world, store->epoch);
        reader->tx.steady_base_ms = store->steady_base_ms;
        store->readers_count++;
    }
    return ERR_OK;
}

static struct err open_all(struct store *store, const struct store_options *options,
                           struct why *why) {
    bool threads = options->executor == STORE_THREAD;
    size_t readers = options->readers == 0 ? READERS_DEFAULT : options->readers;
    struct err err = open_writer(store, options, why);
    err = err_failed(err) ? err : open_readers(store, threads ? readers : 1, why);
    if (!err_failed(err) && threads && store->driver->checkpoint != NULL) {
        err =
            store->driver->connect(store->database, CONN_CHECKPOINT, &store->checkpoint_conn, why);
    }
    store->checkpoint.world = store->world;
    if (!err_failed(err)) { /* Without a connection of its own: no thread. */
        err = checkpoint_start(&store->checkpoint, store->writer_conn, store->checkpoint_conn);
    }
    if (err_failed(err) || !threads) {
        return err;
    }
    /* A reader is left to short reads, however many long ones there are. */
    thread_queue_bound_slices(&store->reads, readers > 1 ? (unsigned)readers - 1 : 0);
    err = store__thread_start(&store->writer_thread, "store-writer", writer_main, store);
    store->threads += err_failed(err) ? 0 : 1;
    for (size_t i = 0; i < readers && !err_failed(err); i++) {
        struct reader *reader = &store->readers[i];
        err = store__thread_start(&reader->thread, "store-reader", reader_main, reader);
        store->threads += err_failed(err) ? 0 : 1;
    }
    return err;
}

/* Functions that are queued run first. A writer that lost its store leaves the others behind. */
static void threads_stop(struct store *store) {
    thread_queue_end(&store->writes);
    thread_queue_end(&store->reads);
    for (size_t i = 0; i < store->threads; i++) {
        int rc = pthread_join(i == 0 ? store->writer_thread : store->readers[i - 1].thread,
                              NULL /* no result */);
        assert(rc == 0);
    }
    store->threads = 0;
}

/* Half-built is fine. */
static void store_free(struct store *store) {
    threads_stop(store);
    calls_free(&store->taken);
    thread_queue_done(&store->writes);
    thread_queue_done(&store->reads);
    checkpoint_stop(&store->checkpoint);
    for (size_t i = 0; i < store->readers_count; i++) {
        tx_done(&store->readers[i].tx);
        store->driver->disconnect(store->readers[i].conn);
    }
    if (store->writer_ready) {
        group_writer_done(&store->writer);
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
    store->executor = options->executor;
    thread_queue_init(&store->writes);
    thread_queue_init(&store->reads);
    delivery_init(&store->delivery, options);
    struct err err = open_all(store, options, why);
    if (err_failed(err)) {
        store_free(store);
        return err;
    }
    *ret_store = store;
    return ERR_OK;
}

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
    if (store->executor == STORE_THREAD) {
        threads_stop(store);
        (void)delivery_all(&store->delivery); /* Callbacks that ask for more are refused in it. */
    } else {
        while (store_turn(store)) {
        }
    }
    store_free(store);
}

/* --- Queueing --------------------------------------------------------------------------------- */

static struct call *call_make(struct store *store, store_fn fn, store_done done, void *ctx) {
    assert(fn != NULL);
    struct call *call = call_pool_take(&store->delivery.pool);
    call->fn = fn;
    call->done = done;
    call->ctx = ctx;
    return call;
}

enum queue { QUEUE_WRITE, QUEUE_READ, QUEUE_SLICE };

static void call_queue(struct store *store, enum queue queue, struct call *call) {
    struct delivery *delivery = &store->delivery;
    size_t *underway = queue == QUEUE_WRITE ? &delivery->writes : &delivery->reads;
    if (store->closing || *underway >= QUEUE_MAX) {
        /* Answered later, like everything: a callback never runs inside the call that asked. */
        call->result = err_make(store->closing ? ERR_CLOSING : ERR_OVERLOADED, "store: queue");
        delivery->reads++;
        delivery_read_finished(delivery, call);
        return;
    }
    (*underway)++;
    if (queue == QUEUE_SLICE && store->executor == STORE_THREAD) {
        thread_queue_push_slice(&store->reads, call);
    } else {
        thread_queue_push(queue == QUEUE_WRITE ? &store->writes : &store->reads, call);
    }
}

void store_write(struct store *store, store_fn fn, store_done done, void *ctx) {
    call_queue(store, QUEUE_WRITE, call_make(store, fn, done, ctx));
}

void store_write_lazy(struct store *store, store_fn fn, store_done done, void *ctx) {
    struct call *call = call_make(store, fn, done, ctx);
    call->lazy = true;
    call->queued_ns = world_mono_ns(store->world);
    call_queue(store, QUEUE_WRITE, call);
}

void store_read(struct store *store, store_fn fn, store_done done, void *ctx) {
    call_queue(store, QUEUE_READ, call_make(store, fn, done, ctx));
}

void store_read_slice(struct store *store, store_fn fn, store_done done, void *ctx) {
    call_queue(store, QUEUE_SLICE, call_make(store, fn, done, ctx));
}

/* --- Figures ---------------------------------------------------------------------------------- */

int64_t store_steady_ms(const struct store *store) {
    return store->steady_base_ms + (int64_t)(world_mono_ns(store->world) / 1000000);
}

int64_t store_epoch(const struct store *store) {
    return store->epoch;
}

int64_t store_upgraded_from(const struct store *store) {
    return store->upgraded_from;
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
    return store->driver->missing != NULL && store->driver->missing(store->writer_conn, &at_ms) > 0
               ? at_ms
               : 0;
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
        .reads = figure(&store->reads_run),
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
        return err_why(why, ERR_CONFLICT, "PostgreSQL has its own checksums: use pg_checksums.");
    }
    return driver->rewrite_sums(where, ret_pages, why);
}
