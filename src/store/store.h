/* store.h: the only way to rows. One writer, groups of functions, one durable commit each.
 *
 * Promise    `done` with success runs only after the commit that holds the function's work is on
 *            disk. An error rolls back that function alone. Commit order is the order of `done`.
 * Rules for  A store function may run more than once. It reads and writes only through `tx`, takes
 * functions  memory from the transaction's arena, touches no shared memory, assigns its outputs on
 *            every path, handles expected conflicts by ON CONFLICT, and after any SQL error only
 *            returns. At most 1,000 rows or 5 ms; larger work is a chain of small ones.
 * Ownership  `ctx` is the caller's and lives until `done`.
 * Threads    store_write, store_read: the loop (executor inline: the one thread). Functions run on
 *            store threads; `done` and note callbacks on the loop.
 * Failure    a commit that failed in an unknown way answers nobody: `lost` is called on the loop
 *            and the daemon must exit (ERR_STORE_LOST).
 */
#ifndef DROVER_STORE_STORE_H
#define DROVER_STORE_STORE_H

#include "base/base.h"
#include "base/err.h"
#include "base/memory.h"
#include "base/text.h"
#include "loop/loop.h"
#include "loop/world.h"

struct store;
struct tx;
struct rows;

typedef struct err (*store_fn)(struct tx *tx, void *ctx);
typedef void (*store_done)(struct err result, void *ctx);

enum store_executor {
    STORE_THREAD, /* Own threads; results are posted to the loop. */
    STORE_INLINE, /* No threads: store_turn() runs one group, then its callbacks. */
};

/* Opaque notes collected by functions, delivered after the commit in commit order, before any
 * `done` of the group. `flush` is called once per group after the last note of that kind. */
enum { STORE_NOTE_KINDS_MAX = 4 };
struct store_note_kind {
    void (*deliver)(void *ctx, struct bytes note);
    void (*flush)(void *ctx); /* May be NULL. */
    void *ctx;
};

/* Called before a function ends, once for each row that it has marked (tx_row_changed), kind by
 * kind in the order of their numbers, and in the order of the marks: one event then says what many
 * statements have changed. It writes like the function itself, and may mark rows of later kinds.
 * Not called for a function that failed. */
typedef void (*store_row_fn)(struct tx *tx, int64_t id);
enum { STORE_ROW_KINDS_MAX = 5 };

struct store_options {
    const char *where; /* A data directory, or a postgres:// URL. */
    enum store_executor executor;
    struct loop *loop;         /* THREAD: borrowed for life. INLINE: NULL. */
    const struct world *world; /* Borrowed for life. */
    unsigned readers;          /* Reader threads; 0: the default. */
    /* PostgreSQL: a store beside that of the daemon that leads. It takes no lock, migrates nothing,
     * has no epoch, and opens without a word to the server. While the server is away, or the schema
     * is not of our version, functions fail with an error that passes. Every write must do no harm
     * when it is done twice: a lost answer to COMMIT counts as a commit that did not happen. */
    bool guest;
    bool standby;               /* PostgreSQL: wait for the schema's lock instead of ERR_BUSY. */
    void (*waiting)(void *ctx); /* Called once when standing by; may be NULL. */
    /* The leader stood still: its session was ended, or may not be by this role. May be NULL. */
    void (*stalled)(void *ctx, bool ended);
    bool (*give_up)(void *ctx); /* Asked while standing by; true: ERR_INTERRUPTED. May be NULL. */
    void *waits;                /* Of the three above; they are called by the thread that opens. */
    void (*lost)(void *ctx, struct err err); /* On the loop. See Failure. */
    /* On the loop, before `done` of a function that failed with ERR_STORE_CORRUPT. May be NULL. */
    void (*damaged)(void *ctx);
    void *ctx;
    struct store_note_kind notes[STORE_NOTE_KINDS_MAX];
    /* By kind, STORE_ROW_KINDS_MAX of them; borrowed for life. NULL: nobody asks. */
    const store_row_fn *rows_changed;
};

/* Blocks: opens, checks, migrates, raises the epoch (one FULL commit). Call before the loop runs.
 */
MUST_CHECK struct err store_open(const struct store_options *options, struct store **ret_store,
                                 struct why *why);
/* Finishes and answers what is queued, refuses what those answers ask for (ERR_CLOSING), then
 * releases. Blocks; for a server that does not answer, some seconds only. On the loop's thread,
 * before loop_close, and never from a callback of this store. NULL is allowed. */
void store_close(struct store *store);

/* ERR_OVERLOADED comes through `done` like any other error, never from the call. `done` may be
 * NULL. A lazy function starts no group by itself: it goes, in order, with the next one that does,
 * at latest after 5 ms. A read sees at least what was answered before it was asked for; it may see
 * more, whose notes are still on their way. */
void store_write(struct store *store, store_fn fn, store_done done, void *ctx);
void store_write_lazy(struct store *store, store_fn fn, store_done done, void *ctx);
void store_read(struct store *store, store_fn fn, store_done done, void *ctx);
/* The rest of a read that was cut into slices: runs after all reads that are queued, whichever came
 * first, and never on the last reader that is free. So what a long list delays a short read by is
 * the first slices of lists, which are short therefore. */
enum { STORE_SLICE_NS = 3 * 1000 * 1000, STORE_FIRST_SLICE_NS = 1000 * 1000 };
void store_read_slice(struct store *store, store_fn fn, store_done done, void *ctx);

bool store_turn(struct store *store); /* INLINE: runs one group; false when nothing was queued. */

int64_t store_epoch(const struct store *store);
/* Version of the schema before this store was opened, where that was older; else 0. */
int64_t store_upgraded_from(const struct store *store);
/* After `lost`: another daemon serves this database now, as its rows say. False: the schema was
 * dropped, or nobody can tell what happened. */
MUST_CHECK bool store_is_replaced(const struct store *store);
int64_t store_steady_ms(const struct store *store); /* The clock of tx_steady_ms; any thread. */

/* From any thread: false while the database's server does not answer, as far as was last tried. A
 * full disk does not count: reads are answered. */
bool store_reachable(const struct store *store);

/* From any thread: about how many commits were acknowledged and were not there when this store, or
 * one before it, was opened (0: none): the log was damaged, cut or removed. The daemon has to hold:
 * nodes.home is no place then (engine/base/home.h), and the number is reported again at each start
 * until the place is written there. `at_ms`: wall clock of the start that first found so; 0: none
 * did. */
int64_t store_missing(const struct store *store);
int64_t store_missing_at_ms(const struct store *store);
void store_missing_accept(
    struct store *store); /* nodes.home was written: none is reported any more. */

/* From any thread: number of damaged pages of the database that were read since the store was
 * opened, up to 1,000. */
uint32_t store_damaged(const struct store *store);

/* From any thread: number of times since the store was opened that the number of the last commit
 * could not be written, or made durable, outside the database. Nothing else fails by it, but what
 * is lost now may not be missed at the next start. */
uint64_t store_mark_errors(const struct store *store);

/* Figures for /metrics; all monotonic but the last two: `queued`, the functions that are not yet
 * answered, and `log_bytes`, the length of the write-ahead log after the last commit. On the loop.
 */
struct store_stats {
    uint64_t groups, functions, reruns, errors, checkpoints, reads;
    uint64_t commits; /* Of groups, and of functions that ran alone. */
    uint64_t queued, log_bytes;
};
void store_get_stats(struct store *store, struct store_stats *ret_stats);

const char *store_library_version(void); /* SQLite's, as static text: "3.40.1". */

/* --- Inside a store function ------------------------------------------------------------------ */

enum arg_kind { ARG_NULL, ARG_INT, ARG_TEXT };
struct arg {
    enum arg_kind kind;
    int64_t number;
    struct bytes text;
};
static inline struct arg arg_null(void) {
    return (struct arg){.kind = ARG_NULL};
}
static inline struct arg arg_int(int64_t number) {
    return (struct arg){.kind = ARG_INT, .number = number};
}
static inline struct arg arg_text(struct bytes text) {
    return (struct arg){.kind = ARG_TEXT, .text = text};
}
static inline struct arg arg_str(const char *text) { /* NULL: the empty text. */
    return arg_text(bytes_of(text));
}

/* `sql` is a string literal of the one dialect with $1 … $n: statements are prepared once per
 * connection and found again by its address. After the first error every further call answers that
 * error and touches nothing, and the function has failed whatever it returns. ret_changed may be
 * NULL: a server then need not answer at once, and a failure may show in a later call only, or
 * after the function. */
MUST_CHECK struct err tx_exec(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                              int64_t *ret_changed);
MUST_CHECK struct err tx_query(
    struct tx *tx, const char *sql, const struct arg *args, size_t count,
    struct rows **ret_rows); /* End with rows_close, AUTO(rows_release). */
/* The same, standing on the first row already; *ret_rows NULL: there is none. */
MUST_CHECK struct err tx_first(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                               struct rows **ret_rows);
MUST_CHECK struct err rows_next(struct rows *rows, bool *ret_row);
/* The short forms. A transaction keeps its first error and does nothing after it, so a function
 * that only reads and writes rows goes straight on, and returns tx_error at its end:
 *
 *     AUTO(rows_release) struct rows *rows = tx_rows(tx, "SELECT … WHERE owner = $1", ARGS(owner));
 *     while (rows_step(rows)) {
 *         …
 *     }
 *     return tx_error(tx);
 *
 * What such a function decides must not hurt where a row is missing because of an error: the store
 * takes back everything that the function wrote, and its outputs count for nothing. */
#define ARGS(...)                                                                                  \
    (const struct arg[]){__VA_ARGS__},                                                             \
        sizeof((const struct arg[]){__VA_ARGS__}) / sizeof(struct arg)
#define NO_ARGS /* const struct arg *args */ NULL, /* size_t count */ 0
struct err tx_error(const struct tx *tx); /* The first error of the function; ERR_OK: none. */
/* Keeps an error that no caller can mend as if a statement had failed with it; ERR_OK: nothing. */
struct err tx_fail(struct tx *tx, struct err err);
/* NULL after an error: no rows. */
MUST_CHECK struct rows *tx_rows(struct tx *tx, const char *sql, const struct arg *args,
                                size_t count);
bool rows_step(struct rows *rows); /* On the next row; false: there is none, or an error. */
/* On the first row; NULL: there is none, or an error. */
MUST_CHECK struct rows *tx_row(struct tx *tx, const char *sql, const struct arg *args,
                               size_t count);
/* The first column of the first row; 0 where that is NULL, there is no row, or an error. */
int64_t tx_number(struct tx *tx, const char *sql, const struct arg *args, size_t count);
/* The same, for the first `columns` of them. False, and all are 0: there is no row, or an error. */
bool tx_numbers(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                int64_t *ret_numbers, size_t columns);
/* The same as a text, in the arena; "" where there is none. */
struct bytes tx_text(struct tx *tx, const char *sql, const struct arg *args, size_t count);
/* The first column of each row, up to `max` of them; their number. */
size_t tx_ids(struct tx *tx, const char *sql, const struct arg *args, size_t count, size_t max,
              int64_t *ret_ids);
/* The same as texts, in the arena. */
size_t tx_texts(struct tx *tx, const char *sql, const struct arg *args, size_t count, size_t max,
                struct bytes *ret_texts);
/* Number of rows that the statement changed; 0 after an error. */
MUST_CHECK int64_t tx_change(struct tx *tx, const char *sql, const struct arg *args, size_t count);
/* The same where nobody needs the number: a server need not answer at once. */
void tx_do(struct tx *tx, const char *sql, const struct arg *args, size_t count);

/* A statement that `write` makes once for each connection, found again by (address, use); "" after
 * an error, which the transaction keeps. Statements are known by the address of their text, so one
 * that is built lives as long as its connection. */
struct text;
MUST_CHECK const char *tx_sql(struct tx *tx, const void *address, unsigned use,
                              void (*write)(const void *ctx, struct text *sql), const void *ctx);

bool rows_null(const struct rows *rows, int column);
int64_t rows_int(const struct rows *rows, int column);
struct bytes rows_text(const struct rows *rows, int column); /* Until the next rows_next. */
struct bytes rows_copy(struct rows *rows, int column);       /* A copy of it: tx_copy. */
void rows_close(struct rows *rows);
void rows_release(struct rows **rows);

/* Runs `fn` as a part of this function that may fail alone: *ret_refused is the part's error then,
 * and nothing of the part happened. The part closes the cursors that it opens.
 *
 * Parts cost nothing as long as none fails: a function runs without savepoints at first. An error
 * of a part, which may show after the function only, then fails the whole function, whatever that
 * returns, and *ret_refused is ERR_OK. The store rolls back and runs the function again, alone and
 * with a savepoint for each part: only this second run sees a part refused.
 *
 * Savepoints are two deep. The error of a deeper part fails the part around it. An error that is
 * not the part's own fails the whole function, as that of any other statement does: one that passes
 * (store_error_passes), and want of memory, since all parts share one arena.
 *
 * Memory is not rolled back: what a refused part wrote into `ctx` stays. */
MUST_CHECK struct err tx_try(struct tx *tx, store_fn fn, void *ctx, struct err *ret_refused);
/* Errors by the state of the disk, of the server or of the machine, which every other row meets,
 * too: another try may go better. Want of memory is none of them: the arena of a transaction is
 * bounded, so what fills it alone fills it again at each try, and a process without memory ends. */
MUST_CHECK bool store_error_passes(struct err err);

/* Copies the bytes; dropped with the function's savepoint. */
MUST_CHECK struct err tx_note(struct tx *tx, unsigned kind, struct bytes note);
/* Marks a row of that kind: see store_row_fn. Dropped with the function's savepoint. */
void tx_row_changed(struct tx *tx, unsigned kind, int64_t id);
/* Ends with the function: what `done` needs lives in memory of the caller's. */
struct arena *tx_arena(struct tx *tx);
/* Memory of it; NULL, and the transaction keeps ERR_OUT_OF_MEMORY: it is full. */
void *tx_memory(struct tx *tx, size_t size);
/* Copies into the arena. Where that is full, the transaction keeps ERR_OUT_OF_MEMORY like the error
 * of a statement, and the copy is empty. */
struct bytes tx_copy(struct tx *tx, struct bytes text);
/* The same for a built text; the transaction also keeps the error of one that failed. */
struct bytes tx_copy_text(struct tx *tx, const struct text *text, const char *step);
int64_t tx_now_ms(const struct tx *tx); /* Wall clock, the same for a whole group. */
/* The same moment by a clock that nobody sets: the wall clock when the store was opened, and what
 * the monotonic one has counted since. What lies between two of these is a duration as long as the
 * daemon lives; between those of two daemons it is what the wall clock says. */
int64_t tx_steady_ms(const struct tx *tx);
/* In a write: the same for a time of the wall clock that a row has, whatever that clock was set to
 * since; -1: the time is still to come. */
int64_t tx_steady_of(const struct tx *tx, int64_t wall_ms);
/* Marks a deletion whose bytes must not stay in files: STORE_SCRUB_S after the commit the log is
 * copied into the database and emptied; while a reader is in the way, again each second. A start
 * does the same once. A server's log is its own affair. */
enum { STORE_SCRUB_S = 5 };
void tx_scrub(struct tx *tx);
/* `head` of a row of `streams` was raised, which never sinks as long as the row is there: a later
 * start tells by it whether this commit is in the database, and the commit writes no number of its
 * own (commit_mark.h). A migration that removes such rows raises nodes.batch by 8, too. */
void tx_stream_raised(struct tx *tx, int64_t stream, int64_t head);
void tx_stream_removed(struct tx *tx); /* A row of `streams` was deleted. */
/* Whether the function has run for STORE_SLICE_NS, or in the first slice STORE_FIRST_SLICE_NS: a
 * long read ends its slice then, since a short one may be waiting for this reader. */
bool tx_slice_over(const struct tx *tx);
int64_t tx_epoch(const struct tx *tx);

/* --- Whole databases -------------------------------------------------------------------------- */

/* Online copy of a live database into a new file; `to` must not exist. Blocks. */
MUST_CHECK struct err store_backup(const char *where, const char *to, struct why *why);
/* Puts a backup in place of an absent database. Blocks. */
MUST_CHECK struct err store_restore(const char *from, const char *where, struct why *why);
/* Path of the newest copy made before an upgrade that this drover can restore; NULL: there is none.
 * End: mem_free. Any thread. */
MUST_CHECK char *store_upgrade_copy(const char *where);

enum { STORE_DETAIL_SIZE = 2048 };
struct store_check {
    int64_t series, schema, schema_known, epoch;
    bool schema_other; /* Another series: an unreleased build made the database. */
    bool integrity_ok;
    bool sums;       /* Pages have checksums. */
    int64_t missing; /* Number of commits that are missing, and that no release has accepted. */
    int64_t missing_at_ms;          /* When a start first found so; 0: none did yet. */
    char detail[STORE_DETAIL_SIZE]; /* The first findings. */
};
MUST_CHECK struct err store_check(const char *where, struct store_check *ret_check,
                                  struct why *why);

/* All pages of the file, also those that no row needs; `pages` is 0 where there is nothing to read
 * or to compare: PostgreSQL, or a file without checksums. This process has no store open. Blocks,
 * for as long as the disk needs to read the file. */
enum { STORE_PAGES_SHOWN = 20 };
struct store_pages {
    bool sums;
    int64_t pages, damaged;
    int64_t free;                        /* Number of pages without content. */
    uint32_t numbers[STORE_PAGES_SHOWN]; /* Of the first damaged pages. */
};
MUST_CHECK struct err store_check_pages(const char *where, struct store_pages *ret_pages,
                                        struct why *why);
/* Gives each page the checksum of what it holds now, after SQLite's own check has found nothing:
 * for a file that another program wrote. `damaged`: pages that had another one. ERR_BUSY: a daemon
 * has the directory. ERR_CONFLICT: the database has no checksums. Blocks. */
MUST_CHECK struct err store_rewrite_sums(const char *where, struct store_pages *ret_pages,
                                         struct why *why);

#endif
