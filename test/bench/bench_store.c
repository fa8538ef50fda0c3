/* bench_store: what the guards of the store cost. Two stores of this process take turns, one with
 * the guard and one without, and the same work is timed on both: so a machine that is busy now and
 * then is busy for both. The product has no switch for any of it. A file that was made without
 * checksums stays so (store/sqlite/page_sums.h); the other two are left out by calls that this
 * program puts itself in front of (the linker's --wrap).
 *
 *     bench_store sums   --folder DIR --ms 3000 [--batch 64]   checksums of pages, while appending
 *     bench_store reads  --folder DIR --ms 3000                the same, while reading cold pages
 *     bench_store log    --folder DIR --ms 3000                the same, of the log
 *     bench_store mark   --folder DIR --ms 3000 [--batch 64]   nodes.batch and the mark outside
 *     bench_store pwrite --folder DIR --ms 3000 [--batch 64]   the mark written, and mapped instead
 *     bench_store delete --folder DIR --ms 3000 [--batch 64]   secure_delete, with events pruned
 *     bench_store follow --folder DIR --ms 3000 [--batch 64]   events session_changed, of titles
 */
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/follow.h"
#include "engine/session/sessions.h"
#include "journal/journal.h"
#include "measure.h"
#include "store/commit_mark.h"
#include "store/datadir.h"
#include "store/sqlite/conn.h"

enum {
    ROUND_MS = 100,
    PAIRS_MAX = 1000,
    BATCH_MAX = 256,
    STREAMS = 64,
    KEPT = 256,     /* Events of a stream that pruning leaves. */
    FILLED = 98304, /* Events that are read: some 40 MB, and a reader's cache has 0.5. */
    LOGGED = 8192,  /* The same, where no checkpoint has come by. */
};

enum guard {
    GUARD_SUMS,
    GUARD_READS,
    GUARD_LOG,
    GUARD_MARK,
    GUARD_PWRITE,
    GUARD_DELETE,
    GUARD_FOLLOW
};

static const char *const guard_names[] = {
    [GUARD_SUMS] = "sums",     [GUARD_READS] = "reads",   [GUARD_LOG] = "log",
    [GUARD_MARK] = "mark",     [GUARD_PWRITE] = "pwrite", [GUARD_DELETE] = "delete",
    [GUARD_FOLLOW] = "follow",
};

/* --- What is left out ------------------------------------------------------------------------- */

static bool without_mark, without_delete;
static uint64_t volatile *mapped; /* Not NULL: the mark is stored here, in a file. */

struct err __real_sqlite_exec(struct conn *conn, const char *sql, const struct arg *args,
                              size_t count, int64_t *ret_changed);
struct err __wrap_sqlite_exec(struct conn *conn, const char *sql, const struct arg *args,
                              size_t count, int64_t *ret_changed);
void __real_commit_mark_set(struct commit_mark *mark, const struct commit_point *point);
void __wrap_commit_mark_set(struct commit_mark *mark, const struct commit_point *point);
int __real_sqlite3_exec(sqlite3 *db, const char *sql, int (*each)(void *, int, char **, char **),
                        void *ctx, char **ret_message);
int __wrap_sqlite3_exec(sqlite3 *db, const char *sql, int (*each)(void *, int, char **, char **),
                        void *ctx, char **ret_message);

struct err __wrap_sqlite_exec(struct conn *conn, const char *sql, const struct arg *args,
                              size_t count, int64_t *ret_changed) {
    bool raises = strcmp(sql, "UPDATE nodes SET batch = $1") == 0;
    return raises && without_mark ? ERR_OK
                                  : __real_sqlite_exec(conn, sql, args, count, ret_changed);
}

void __wrap_commit_mark_set(struct commit_mark *mark, const struct commit_point *point) {
    if (mapped != NULL) {
        *mapped = (uint64_t)point->number;
    } else if (!without_mark) {
        __real_commit_mark_set(mark, point);
    }
}

/* Distributions compile another default in, so it is set off by name. */
int __wrap_sqlite3_exec(sqlite3 *db, const char *sql, int (*each)(void *, int, char **, char **),
                        void *ctx, char **ret_message) {
    int rc = __real_sqlite3_exec(db, sql, each, ctx, ret_message);
    if (rc == SQLITE_OK && without_delete && strstr(sql, "secure_delete=ON") != NULL) {
        rc = __real_sqlite3_exec(db, "PRAGMA secure_delete=OFF", NULL /* no rows */, NULL, NULL);
    }
    return rc;
}

/* --- A store and its work --------------------------------------------------------------------- */

struct side {
    char folder[512];
    struct store *store; /* Owned. */
    bool guarded;
    enum guard guard;
    int64_t batch, groups, answered, changes;
    uint64_t volatile *map; /* PWRITE, without: owned, until the process ends. */
    uint64_t seed;
    /* Of the round that was last. */
    double wall_us, cpu_us; /* For each group or read. */
    double bytes;           /* Handed to the system by write. */
    struct id session;      /* FOLLOW: its title is changed. */
};

static void on_note(void *ctx, struct bytes note) {
    (void)ctx;
    (void)note;
}

static void on_lost(void *ctx, struct err err) {
    (void)ctx;
    die_saying(err_title(err.code));
}

/* An empty database with no reserved bytes: nothing adds checksums to it later. */
static void plain_file_make(const char *folder) {
    char path[600];
    sqlite3 *db = NULL;
    (void)snprintf(path, sizeof path, "%s/%s", folder, DATADIR_DATABASE);
    if (sqlite3_open(path, &db) != SQLITE_OK ||
        sqlite3_exec(db, "PRAGMA page_size=4096; PRAGMA user_version=1; PRAGMA user_version=0",
                     NULL /* no rows */, NULL, NULL) != SQLITE_OK) {
        die_saying(sqlite3_errmsg(db));
    }
    (void)sqlite3_close(db);
}

static uint64_t volatile *mark_map(const char *folder) {
    enum { MARK_BYTES = 4096 };
    char path[600];
    static const char zeros[MARK_BYTES];
    (void)snprintf(path, sizeof path, "%s/mapped", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, zeros, MARK_BYTES) != MARK_BYTES || fsync(fd) < 0) {
        die(path);
    }
    void *memory = mmap(NULL, MARK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        die("mmap");
    }
    (void)close(fd);
    return memory;
}

static bool reads(const struct side *side) {
    return side->guard == GUARD_READS || side->guard == GUARD_LOG;
}

static void side_open(struct side *side, const char *folder) {
    bool plain = !side->guarded && (side->guard == GUARD_SUMS || reads(side));
    (void)snprintf(side->folder, sizeof side->folder, "%s/%s-%s", folder, guard_names[side->guard],
                   side->guarded ? "with" : "without");
    if (mkdir(side->folder, 0700) < 0) {
        die(side->folder);
    }
    if (plain) {
        plain_file_make(side->folder);
    }
    if (!side->guarded && side->guard == GUARD_PWRITE) {
        side->map = mark_map(side->folder);
    }
    without_delete = !side->guarded && side->guard == GUARD_DELETE;
    const struct store_options options = {.where = side->folder,
                                          .executor = STORE_INLINE,
                                          .world = world_real(),
                                          .lost = on_lost,
                                          .rows_changed = side->guarded ? followed_rows : NULL,
                                          .notes = {{.deliver = on_note}, {.deliver = on_note}}};
    struct why why = {""};
    if (err_failed(store_open(&options, &side->store, &why))) {
        die_saying(why.text);
    }
    without_delete = false;
}

static void on_done(struct err err, void *ctx) {
    struct side *side = ctx;
    if (err_failed(err)) {
        die_saying(err_title(err.code));
    }
    side->answered++;
}

/* One stream after the other, so that all have as many. */
static struct bytes stream_name(const struct side *side, int64_t number, char *name) {
    (void)side;
    int len = snprintf(name, 32, "bench-%d", (int)(number % STREAMS));
    return (struct bytes){name, (size_t)len};
}

static struct err append_one(struct tx *tx, void *ctx) {
    static const char data[] =
        "{\"text\":\"It is a truth universally acknowledged, that a single man in possession of a"
        " good fortune, must be in want of a wife. However little known the feelings or views of"
        " such a man may be on his first entering a neighbourhood, this truth is so well fixed in"
        " the minds of the surrounding families, that he is considered.\"}";
    struct side *side = ctx;
    char name[32];
    struct appended appended;
    const struct append append = {.owner = BYTES("local"),
                                  .stream = stream_name(side, side->groups, name),
                                  .type = BYTES("note"),
                                  .data = {data, sizeof data - 1}};
    return tx_append(tx, &append, &appended);
}

static struct err session_make(struct tx *tx, void *ctx) {
    struct side *side = ctx;
    static const uint8_t random[16];
    struct session_row row;
    side->session = id_make("ses", 1, random);
    const struct session_new what = {.session = side->session, .owner = BYTES("local")};
    return tx_session_create(tx, &what, &row);
}

static struct err title_change(struct tx *tx, void *ctx) {
    struct side *side = ctx;
    struct session_row row;
    char title[32];
    (void)snprintf(title, sizeof title, "Title %lld", (long long)++side->changes);
    const struct session_change change = {
        .key = {.owner = BYTES("local"), .session = bytes_of(side->session.text)},
        .title = bytes_of(title)};
    return tx_session_change(tx, &change, &row);
}

static struct err prune_old(struct tx *tx, void *ctx) {
    struct side *side = ctx;
    char name[32];
    bool found = false, more = false;
    struct stream_state state = {.head = 0};
    struct err err =
        tx_stream_find(tx, BYTES("local"), stream_name(side, side->groups, name), &found, &state);
    if (err_failed(err) || !found || state.head <= KEPT) {
        return err;
    }
    return tx_prune(tx, state.stream, state.head - KEPT, JOURNAL_PRUNE_MAX, &more);
}

static struct err see(void *ctx, const struct event *event) {
    (void)ctx;
    (void)event;
    return ERR_OK;
}

static struct err read_some(struct tx *tx, void *ctx) {
    struct side *side = ctx;
    char name[32];
    bool found = false;
    struct stream_state state = {.head = 0};
    struct err err = tx_stream_find(
        tx, BYTES("local"), stream_name(side, (int64_t)(side->seed >> 33), name), &found, &state);
    if (err_failed(err) || !found) {
        return err_failed(err) ? err : err_make(ERR_NOT_FOUND, "bench: stream");
    }
    int64_t room = state.head - JOURNAL_PAGE_EVENTS;
    int64_t after = room > 0 ? (int64_t)(side->seed >> 20) % room : 0;
    return tx_events(tx, state.stream, after, JOURNAL_PAGE_EVENTS, see, NULL);
}

static void side_answer(struct side *side, int64_t wanted) {
    side->answered = 0;
    while (side->answered < wanted) {
        (void)store_turn(side->store); /* False before the first of them is queued only. */
    }
}

static void group_do(struct side *side) {
    store_fn one = side->guard == GUARD_FOLLOW ? title_change : append_one;
    for (int64_t i = 0; i < side->batch; i++) {
        store_write(side->store, one, on_done, side);
    }
    bool prunes = side->guard == GUARD_DELETE;
    if (prunes) {
        store_write(side->store, prune_old, on_done, side);
    }
    side_answer(side, side->batch + prunes);
    side->groups++;
}

static void read_do(struct side *side) {
    side->seed = side->seed * 6364136223846793005U + 1442695040888963407U;
    store_read(side->store, read_some, on_done, side);
    side_answer(side, 1);
}

/* --- Rounds ----------------------------------------------------------------------------------- */

static uint64_t own_cpu_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now); /* It exists on every Linux. */
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* All that this process has written so far. */
static double bytes_written(void) {
    char text[512] = "";
    FILE *file = fopen("/proc/self/io", "re");
    size_t len = file == NULL ? 0 : fread(text, 1, sizeof text - 1, file);
    const char *at = strstr(text, "wchar: ");
    if (len == 0 || at == NULL || fclose(file) != 0) {
        die("/proc/self/io");
    }
    return strtod(at + strlen("wchar: "), NULL);
}

static void round_do(struct side *side) {
    without_mark = !side->guarded && side->guard == GUARD_MARK;
    mapped = side->map;
    uint64_t began_ns = now_ns(), began_cpu_ns = own_cpu_ns();
    uint64_t until_ns = began_ns + (uint64_t)ROUND_MS * 1000000U, end_ns = began_ns;
    double count = 0, wrote = bytes_written();
    for (; end_ns < until_ns; end_ns = now_ns()) {
        if (reads(side)) {
            read_do(side);
        } else {
            group_do(side);
        }
        count++;
    }
    side->bytes = (bytes_written() - wrote) / count;
    side->wall_us = (double)(end_ns - began_ns) / 1000.0 / count;
    side->cpu_us = (double)(own_cpu_ns() - began_cpu_ns) / 1000.0 / count;
    without_mark = false;
    mapped = NULL;
}

/* The log of a new database grows until it wraps; streams have what is kept of them. */
static void side_warm(struct side *side) {
    int64_t events = STREAMS * KEPT, batch = side->batch;
    if (reads(side)) {
        events = side->guard == GUARD_READS ? FILLED : LOGGED;
    }
    if (side->guard == GUARD_FOLLOW) {
        store_write(side->store, session_make, on_done, side);
        side_answer(side, 1);
    }
    side->batch = side->guard == GUARD_LOG ? LOGGED / STREAMS : BATCH_MAX;
    for (int64_t i = 0; i < events; i += side->batch) {
        group_do(side);
    }
    side->batch = batch;
    round_do(side);
}

static int by_size(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median(double *numbers, size_t count) {
    qsort(numbers, count, sizeof *numbers, by_size);
    return count % 2 == 1 ? numbers[count / 2] : (numbers[count / 2 - 1] + numbers[count / 2]) / 2;
}

struct rounds {
    double with[PAIRS_MAX], without[PAIRS_MAX], ratio[PAIRS_MAX], cpu_ratio[PAIRS_MAX];
    double bytes_with[PAIRS_MAX], bytes_without[PAIRS_MAX];
    size_t count;
};

static void compare(struct side *with, struct side *without, size_t pairs) {
    static struct rounds rounds;
    side_warm(with);
    side_warm(without);
    for (size_t i = 0; i < pairs; i++) {
        round_do(i % 2 == 0 ? with : without);
        round_do(i % 2 == 0 ? without : with);
        rounds.bytes_with[i] = with->bytes;
        rounds.bytes_without[i] = without->bytes;
        rounds.with[i] = with->wall_us;
        rounds.without[i] = without->wall_us;
        rounds.ratio[i] = with->wall_us / without->wall_us;
        rounds.cpu_ratio[i] = with->cpu_us / without->cpu_us;
    }
    tell("with_us", median(rounds.with, pairs));
    tell("without_us", median(rounds.without, pairs));
    tell("ratio", median(rounds.ratio, pairs));
    tell("cpu_ratio", median(rounds.cpu_ratio, pairs));
    tell("with_bytes", median(rounds.bytes_with, pairs));
    tell("without_bytes", median(rounds.bytes_without, pairs));
}

int main(int argc, char **argv) {
    size_t guard = 0;
    while (argc > 1 && guard < COUNT_OF(guard_names) && strcmp(argv[1], guard_names[guard]) != 0) {
        guard++;
    }
    if (argc < 2 || guard == COUNT_OF(guard_names)) {
        die_saying("see the first lines of bench_store.c for what it can do");
    }
    const char *folder = ".";
    int64_t milliseconds = 3000, batch = 64;
    const struct option_row rows[] = {
        {.name = "folder", .text = &folder},
        {.name = "ms", .number = &milliseconds},
        {.name = "batch", .number = &batch},
    };
    options_parse(argv + 2, rows, COUNT_OF(rows));
    size_t pairs = (size_t)milliseconds / ROUND_MS;
    if (pairs < 1 || pairs > PAIRS_MAX || batch < 1 || batch > BATCH_MAX) {
        die_saying("--ms from 100 to 100000, --batch from 1 to 256");
    }
    struct side with = {.guarded = true, .guard = (enum guard)guard, .batch = batch, .seed = 1};
    struct side without = {.guarded = false, .guard = (enum guard)guard, .batch = batch, .seed = 1};
    side_open(&with, folder);
    side_open(&without, folder);
    compare(&with, &without, pairs);
    store_close(with.store);
    store_close(without.store);
    return 0;
}
