/* The power fails at every sync of a small workload: what was acknowledged is there, once, in
 * order.
 *
 * The workload runs once, inline, in a watched folder (test/fault/vfs.h). Before each sync an image
 * is kept: what the disk has for sure, and what is only in the machine's memory. Afterwards each
 * image becomes a folder in several ways, and a store opens it:
 *
 *     nothing unsynced survived · everything did · some writes did · torn sectors did
 *     the process was killed, a new one started and was read from, and then the power failed
 *
 * Cuts are taken by stride from a random one for a quarter of a minute; DROVER_TEST_ALL takes all.
 *
 * Appends of one group are one commit, so a cut leaves whole groups: those that were acknowledged,
 * and at most the one that was on its way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../fault/vfs.h"
#include "base/memory.h"
#include "store_places.h"
#include "store_suite.h"

enum { CUTS_MAX = 512, DATA_MAX = 16 << 10, TAKEN_MS = 15000 };

struct cut {
    struct vfs_image *image; /* Owned. */
    int64_t acknowledged;    /* Appends, at that moment. */
    int64_t under_way;       /* More of them may be there. */
};

struct power {
    struct place place;
    struct vfs *vfs;
    struct suite suite;
    uint64_t seed;
    int64_t acknowledged, queued;
    size_t data_len; /* Of each event. */
    struct cut cuts[CUTS_MAX];
    size_t count;
    unsigned syncs, every; /* Only each so many-th sync of the log is kept. */
};

static int set_up(void **state) {
    struct power *power = mem_new(sizeof *power);
    power->vfs = vfs_install();
    power->suite.where = place_make(&power->place);
    power->every = 1;
    const char *seed = getenv("DROVER_SEED");
    power->seed = seed == NULL ? world_mono_ns(world_real()) : strtoull(seed, NULL, 10);
    print_message("  DROVER_SEED=%llu\n", (unsigned long long)power->seed);
    *state = power;
    return 0;
}

static int tear_down(void **state) {
    struct power *power = *state;
    vfs_at_sync(power->vfs, NULL, NULL);
    suite_close(&power->suite);
    for (size_t i = 0; i < power->count; i++) {
        vfs_image_free(power->cuts[i].image);
    }
    vfs_remove(power->vfs);
    place_remove(&power->place);
    mem_free(power);
    return 0;
}

/* --- The workload ----------------------------------------------------------------------------- */

static char letter_of(int64_t seq) {
    return (char)('a' + seq % 26);
}

/* Two statements, as an append is: the stream's head rises, and the event gets its number. */
static struct err append(struct tx *tx, void *ctx) {
    struct suite_call *call = ctx;
    const struct power *power = call->input;
    struct arg one[] = {arg_text(BYTES("local")), arg_text(BYTES("stream")),
                        arg_int(tx_now_ms(tx))};
    AUTO(rows_release) struct rows *rows = NULL;
    bool row = false;
    struct err err = tx_query(tx,
                              "INSERT INTO streams (owner, name, head, made_ms)"
                              " VALUES ($1, $2, 1, $3) ON CONFLICT (owner, name)"
                              " DO UPDATE SET head = streams.head + 1 RETURNING id, head",
                              one, COUNT_OF(one), &rows);
    if (!err_failed(err)) {
        err = rows_next(rows, &row);
    }
    if (err_failed(err)) {
        return err;
    }
    int64_t seq = rows_int(rows, 1);
    char *data = arena_try(tx_arena(tx), power->data_len);
    assert_non_null(data);
    memset(data, letter_of(seq), power->data_len);
    struct arg two[] = {arg_int(rows_int(rows, 0)), arg_int(seq), arg_int(tx_now_ms(tx)),
                        arg_text(BYTES("tick")), arg_text((struct bytes){data, power->data_len})};
    return tx_exec(tx,
                   "INSERT INTO events (stream, seq, at_ms, type, data)"
                   " VALUES ($1, $2, $3, $4, $5)",
                   two, COUNT_OF(two), NULL /* one row */);
}

static void on_append(struct err result, void *ctx) {
    struct suite_call *call = ctx;
    struct power *power = CONTAINER_OF(call->suite, struct power, suite);
    assert_int_equal(result.code, ERR_NONE);
    power->acknowledged++;
    mem_free(call);
}

static void on_sync(void *ctx, const char *name) {
    struct power *power = ctx;
    power->syncs++;
    bool log = strstr(name, "-wal") != NULL;
    if (power->count < CUTS_MAX && (!log || power->syncs % power->every == 0)) {
        power->cuts[power->count] = (struct cut){.image = vfs_capture(power->vfs),
                                                 .acknowledged = power->acknowledged,
                                                 .under_way = power->queued - power->acknowledged};
        power->count++;
    }
}

static void run_groups(struct power *power, const unsigned *sizes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        for (unsigned j = 0; j < sizes[i]; j++) {
            struct suite_call *call = mem_new(sizeof *call);
            call->suite = &power->suite;
            call->input = power;
            power->queued++;
            store_write(power->suite.store, append, on_append, call);
        }
        assert_true(store_turn(power->suite.store));
        assert_int_equal(power->acknowledged, power->queued);
    }
}

/* --- What is there afterwards ----------------------------------------------------------------- */

struct found {
    struct suite_call call;
    int64_t head, events;
    bool sound;
};

static struct err look(struct tx *tx, void *ctx) {
    struct found *found = CONTAINER_OF((struct suite_call *)ctx, struct found, call);
    AUTO(rows_release) struct rows *rows = NULL;
    bool row = true;
    found->events = 0;
    found->head = 0;
    found->sound = true;
    struct err err = tx_query(tx,
                              "SELECT e.seq, e.data, s.head FROM events e"
                              " JOIN streams s ON s.id = e.stream ORDER BY e.stream, e.seq",
                              NULL /* no arguments */, 0, &rows);
    while (!err_failed(err) && !err_failed(err = rows_next(rows, &row)) && row) {
        struct bytes data = rows_text(rows, 1);
        found->events++;
        found->head = rows_int(rows, 2);
        found->sound = found->sound && rows_int(rows, 0) == found->events && data.len > 0 &&
                       data.data[0] == letter_of(found->events) &&
                       data.data[data.len - 1] == letter_of(found->events);
    }
    return err;
}

/* Opens what a cut left. The store stays open. */
static struct found open_and_look(struct power *power, const struct place *place) {
    struct suite *suite = &power->suite;
    suite->where = place->path;
    suite_open(suite, STORE_INLINE);
    struct found found = {.call = {.fn = look}};
    suite_read(suite, &found.call);
    suite_wait(suite);
    assert_int_equal(found.call.err.code, ERR_NONE);
    return found;
}

static void check_found(const struct found *found, const struct cut *cut) {
    assert_true(found->sound);
    assert_int_equal(found->head, found->events);
    if (found->events != cut->acknowledged && found->events != cut->acknowledged + cut->under_way) {
        fail_msg("%lld events after %lld were acknowledged and %lld were under way",
                 (long long)found->events, (long long)cut->acknowledged, (long long)cut->under_way);
    }
}

static void check_integrity(struct power *power) {
    struct store_check check;
    struct why why = {""};
    assert_int_equal(store_check(power->suite.where, &check, &why).code, ERR_NONE);
    assert_true(check.integrity_ok);
}

static void check_cut(struct power *power, const struct cut *cut, enum vfs_cut kind) {
    struct place place;
    (void)place_make(&place);
    power->seed++;
    vfs_image_write(cut->image, place.path, kind, power->seed);
    struct found found = open_and_look(power, &place);
    check_found(&found, cut);
    check_integrity(power);
    suite_close(&power->suite);
    place_remove(&place);
}

/* What readers saw after the restart must not go away with a later power cut. */
static void check_kill_then_cut(struct power *power, const struct cut *cut, enum vfs_cut kind) {
    struct place killed, dark;
    (void)place_make(&killed);
    (void)place_make(&dark);
    vfs_image_adopt(power->vfs, cut->image, killed.path);
    struct found seen = open_and_look(power, &killed);
    check_found(&seen, cut);
    struct vfs_image *image = vfs_capture(power->vfs);
    vfs_watch(power->vfs, NULL);
    suite_close(&power->suite);
    power->seed++;
    vfs_image_write(image, dark.path, kind, power->seed);
    struct found left = open_and_look(power, &dark);
    assert_true(left.sound);
    assert_int_equal(left.events, seen.events);
    assert_true(store_epoch(power->suite.store) > 1);
    suite_close(&power->suite);
    vfs_image_free(image);
    place_remove(&killed);
    place_remove(&dark);
}

static void begin(struct power *power, size_t data_len) {
    power->data_len = data_len;
    vfs_watch(power->vfs, power->place.path);
    vfs_at_sync(power->vfs, on_sync, power);
    suite_open(&power->suite, STORE_INLINE);
}

static void end(struct power *power) {
    suite_close(&power->suite);
    vfs_at_sync(power->vfs, NULL, NULL);
    vfs_watch(power->vfs, NULL);
    /* The end of it all is a moment like any other. */
    print_message("  %zu cuts, %lld appends\n", power->count, (long long)power->acknowledged);
    assert_true(power->count > 10);
}

static size_t gcd(size_t a, size_t b) {
    return b == 0 ? a : gcd(b, a % b);
}

/* The stride is the golden section of the count, so that a short run looks everywhere. */
static void each_cut(struct power *power,
                     void (*check)(struct power *power, const struct cut *cut)) {
    const struct world *world = world_real();
    uint64_t end_ns = world_mono_ns(world) + (uint64_t)TAKEN_MS * 1000 * 1000;
    size_t stride = power->count * 618 / 1000, taken = 0;
    while (gcd(stride, power->count) != 1) {
        stride++;
    }
    size_t at = (size_t)(power->seed % power->count);
    bool all = getenv("DROVER_TEST_ALL") != NULL;
    while (taken < power->count && (all || taken == 0 || world_mono_ns(world) < end_ns)) {
        check(power, &power->cuts[at]);
        at = (at + stride) % power->count;
        taken++;
    }
    print_message("  %zu of %zu cuts taken\n", taken, power->count);
}

/* --- Tests ------------------------------------------------------------------------------------ */

static const unsigned small_groups[] = {1, 1, 3, 7, 1, 2, 16, 1};

/* Three starts, so that closing, which moves the log into the database, is cut as well. */
static void run_small(struct power *power) {
    begin(power, 100);
    for (unsigned start = 0; start < 3; start++) {
        if (start > 0) {
            suite_open(&power->suite, STORE_INLINE);
        }
        run_groups(power, small_groups, COUNT_OF(small_groups));
        if (start < 2) {
            suite_close(&power->suite);
        }
    }
    end(power);
}

static void every_loss(struct power *power, const struct cut *cut) {
    check_cut(power, cut, VFS_LOSE_ALL);
    check_cut(power, cut, VFS_KEEP_ALL);
    check_cut(power, cut, VFS_LOSE_SOME);
    check_cut(power, cut, VFS_TEAR);
    check_cut(power, cut, VFS_TEAR);
}

static void a_power_cut_at_any_sync_loses_nothing_acknowledged(void **state) {
    struct power *power = *state;
    run_small(power);
    each_cut(power, every_loss);
}

static void kill_first(struct power *power, const struct cut *cut) {
    check_kill_then_cut(power, cut, VFS_LOSE_ALL);
    check_kill_then_cut(power, cut, VFS_TEAR);
}

static void what_was_read_after_a_kill_survives_a_power_cut(void **state) {
    struct power *power = *state;
    run_small(power);
    each_cut(power, kill_first);
}

static void lose_or_tear(struct power *power, const struct cut *cut) {
    check_cut(power, cut, VFS_LOSE_ALL);
    check_cut(power, cut, VFS_TEAR);
    check_kill_then_cut(power, cut, VFS_LOSE_SOME);
}

/* Enough to fill the log, so that checkpoints run between groups and the log begins anew. */
static void a_power_cut_in_a_checkpoint_loses_nothing_acknowledged(void **state) {
    struct power *power = *state;
    unsigned sizes[110];
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        sizes[i] = 1 + (unsigned)i % 9;
    }
    power->every = 5;
    begin(power, DATA_MAX);
    run_groups(power, sizes, COUNT_OF(sizes));
    struct store_stats stats;
    store_get_stats(power->suite.store, &stats);
    assert_true(stats.checkpoints >= 1);
    end(power);
    each_cut(power, lose_or_tear);
}

#define POWER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        POWER(a_power_cut_at_any_sync_loses_nothing_acknowledged),
        POWER(what_was_read_after_a_kill_survives_a_power_cut),
        POWER(a_power_cut_in_a_checkpoint_loses_nothing_acknowledged),
    };
    return cmocka_run_group_tests_name("store power", tests, NULL /* no group fixture */, NULL);
}
