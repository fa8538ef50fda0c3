/* store_suite.h: what every store must do, whatever database lies under it.
 *
 * A test program for one driver says how to get an empty database, and runs the whole suite:
 *
 *     static const char *make(void *ctx) { … }     the `where` of a new empty database
 *     static void end(void *ctx) { … }             it is used no more
 *
 *     int main(void) {
 *         return store_suite_run("sqlite", &(struct suite_databases){make, end, &ctx});
 *     }
 */
#ifndef DROVER_TEST_STORE_SUITE_H
#define DROVER_TEST_STORE_SUITE_H

#include "base/base.h"
#include "loop/loop.h"
#include "store/store.h"

struct suite_databases {
    const char *(*make)(void *ctx); /* Lives until `end`. */
    void (*end)(void *ctx);
    void *ctx;
};
int store_suite_run(const char *name, const struct suite_databases *databases);

/* --- For the suite's own files ---------------------------------------------------------------- */

/* What a note callback saw, in order: 'a'… for notes, '|' for a flush, '!' for an answer. */
struct suite_trace {
    char text[4096];
    size_t len;
};

struct suite {
    const struct suite_databases *databases;
    const char *where;
    struct world still;  /* The inline executor's: a monotonic clock that stands, so that how many
                         * functions a group takes does not depend on how fast they run. */
    struct loop *loop;   /* NULL while inline. */
    struct store *store; /* NULL while closed. */
    struct suite_trace trace;
    unsigned answered;
    unsigned wanted; /* The loop stops when so many were answered. */
    struct err lost;
};

int suite_setup(void **state);
int suite_teardown(void **state);
void suite_open(struct suite *suite, enum store_executor executor);
void suite_close(struct suite *suite);
void suite_trace_add(struct suite *suite, char c);

/* One function on its way, with its answer. */
struct suite_call {
    struct suite *suite;
    store_fn fn;
    const void *input;
    struct err err;
    bool answered;
    unsigned order; /* 1 for the first answer of the suite. */
    unsigned runs;  /* Counted by functions that want to know. */
    int64_t number; /* An output, for functions that have one. */
};
void suite_write(struct suite *suite, struct suite_call *call);
void suite_write_lazy(struct suite *suite, struct suite_call *call);
void suite_read(struct suite *suite, struct suite_call *call);
/* Runs until everything that was queued is answered. */
void suite_wait(struct suite *suite);
/* Queues one, waits, and answers how it ended. */
struct err suite_do(struct suite *suite, store_fn fn, const void *input);
struct err suite_ask(struct suite *suite, store_fn fn, const void *input, int64_t *ret_number);

/* A row that any test may make: a stream of that name. `input`: the name. */
struct err suite_insert(struct tx *tx, void *ctx);
struct err suite_insert_name(struct tx *tx, const char *name);
/* Makes it, and then says ERR_CONFLICT. */
struct err suite_insert_and_refuse(struct tx *tx, void *ctx);
/* Makes it twice: the second one hits the unique index. */
struct err suite_insert_twice(struct tx *tx, void *ctx);
struct err suite_count(struct tx *tx, void *ctx);  /* number: how many streams there are. */
struct err suite_exists(struct tx *tx, void *ctx); /* number: how many of that name. */
int64_t suite_streams(struct suite *suite);
bool suite_has(struct suite *suite, const char *name);

struct CMUnitTest;
const struct CMUnitTest *suite_row_tests(size_t *ret_count);
const struct CMUnitTest *suite_group_tests(size_t *ret_count);
const struct CMUnitTest *suite_thread_tests(size_t *ret_count);

#endif
