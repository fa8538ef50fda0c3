/* The spool: who decided, what became of it, and cleaning up. Folders are made as holders and
 * daemons leave them, also those that were killed in the middle. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json/json.h"
#include "proc/tree.h"
#include "proc_kit.h"

static const char NAME[] = "run_a.1";

/* --- Seams ------------------------------------------------------------------------------------ */

struct seams {
    const struct place *claims_first; /* A holder's claim comes just before ours. */
    bool full, unsynced;
};
static struct seams seams; /* A test's own; each sets it anew. */

int __real_linkat(int from, const char *old, int to, const char *new, int flags);
int __wrap_linkat(int from, const char *old, int to, const char *new, int flags);
int __wrap_linkat(int from, const char *old, int to, const char *new, int flags) {
    if (seams.claims_first != NULL) {
        put_claim(seams.claims_first, NAME, getpid(), NULL /* this boot */);
    }
    return __real_linkat(from, old, to, new, flags);
}

ssize_t __real_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len) {
    if (seams.full) {
        errno = ENOSPC;
        return -1;
    }
    return __real_write(fd, bytes, len);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd) {
    if (seams.unsynced) {
        errno = EIO;
        return -1;
    }
    return __real_fsync(fd);
}

static int open_place(void **state) {
    struct place *place = calloc(1, sizeof *place);
    place_init(place);
    seams = (struct seams){0};
    *state = place;
    return 0;
}

static int close_place(void **state) {
    seams = (struct seams){0};
    place_done(*state);
    free(*state);
    return 0;
}

static struct spool_state decide(const struct place *place, enum spool_wish wish) {
    struct spool_state state;
    memset(&state, 0x5A, sizeof state);
    struct err err = spool_decide(place->spool, NAME, wish, 7 /* epoch */, &state);
    assert_int_equal(err.code, ERR_NONE);
    return state;
}

/* --- Deciding --------------------------------------------------------------------------------- */

static void looking_changes_nothing(void **state) {
    struct place *place = *state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/spool/%s", place->dir, NAME);
    assert_int_equal(decide(place, SPOOL_LOOK).found, SPOOL_NONE);
    assert_false(file_exists(path));
}

static void an_undecided_attempt_is_made_void_once_and_for_all(void **state) {
    struct place *place = *state;
    char claim[64];
    assert_int_equal(decide(place, SPOOL_DECIDE).found, SPOOL_VOID);
    read_text(place_path(place, NAME, "claim"), claim, sizeof claim);
    assert_string_equal(claim, "void 7\n");
    assert_int_equal(decide(place, SPOOL_LOOK).found, SPOOL_VOID);
    assert_int_equal(decide(place, SPOOL_DECIDE).found, SPOOL_VOID);
}

static void an_undecided_attempt_is_closed_once_and_for_all(void **state) {
    struct place *place = *state;
    char claim[64];
    assert_int_equal(decide(place, SPOOL_CLOSE).found, SPOOL_CLOSED);
    read_text(place_path(place, NAME, "claim"), claim, sizeof claim);
    assert_string_equal(claim, "closed 7\n");
    assert_int_equal(decide(place, SPOOL_DECIDE).found, SPOOL_CLOSED);
    /* A holder that is late finds it for a day. */
    assert_int_equal(spool_remove(place->spool, NAME).code, ERR_NONE);
    assert_int_equal(decide(place, SPOOL_LOOK).found, SPOOL_CLOSED);
}

static void closing_believes_what_was_decided(void **state) {
    struct place *place = *state;
    assert_int_equal(decide(place, SPOOL_DECIDE).found, SPOOL_VOID);
    assert_int_equal(decide(place, SPOOL_CLOSE).found, SPOOL_VOID);
}

static void deciding_leaves_no_temporary_file(void **state) {
    struct place *place = *state;
    assert_int_equal(decide(place, SPOOL_DECIDE).found, SPOOL_VOID);
    assert_int_equal(unlink(place_path(place, NAME, "claim")), 0);
    char folder[128];
    (void)snprintf(folder, sizeof folder, "%s/spool/%s", place->dir, NAME);
    assert_int_equal(rmdir(folder), 0); /* Nothing else was in it. */
}

static void a_holder_between_its_lock_and_its_claim_loses_and_nobody_waits(void **state) {
    struct place *place = *state;
    int lock = hold_lock(place, NAME);
    assert_int_equal(decide(place, SPOOL_LOOK).found, SPOOL_NONE);
    assert_int_equal(decide(place, SPOOL_DECIDE).found, SPOOL_VOID);
    (void)close(lock);
}

static void a_claim_that_comes_between_two_looks_is_believed(void **state) {
    struct place *place = *state;
    int lock = hold_lock(place, NAME);
    seams.claims_first = place;
    assert_int_equal(decide(place, SPOOL_DECIDE).found, SPOOL_ALIVE);
    (void)close(lock);
}

static void a_living_holder_is_told_by_its_lock(void **state) {
    struct place *place = *state;
    struct process_stat stat;
    assert_true(process_stat(getpid(), &stat));
    put_claim(place, NAME, getpid(), NULL /* this boot */);
    put_exit(place, NAME, EXIT_GOOD); /* It waits for somebody to read it. */
    int lock = hold_lock(place, NAME);
    struct spool_state found = decide(place, SPOOL_DECIDE);
    assert_int_equal(found.found, SPOOL_ALIVE);
    assert_int_equal(found.pid, getpid());
    assert_int_equal(found.start_time, stat.start_time);
    assert_string_equal(found.nonce, nonce());
    assert_false(found.rebooted);
    (void)close(lock);
    assert_int_equal(decide(place, SPOOL_DECIDE).found, SPOOL_ENDED);
}

static void a_result_is_read_when_its_holder_is_gone(void **state) {
    struct place *place = *state;
    put_claim(place, NAME, getpid(), NULL /* this boot */);
    put_exit(place, NAME, EXIT_GOOD);
    struct spool_state found = decide(place, SPOOL_LOOK);
    assert_int_equal(found.found, SPOOL_ENDED);
    assert_int_equal(found.exit.end, EXIT_EXITED);
    assert_int_equal(found.exit.code, 3);
    assert_int_equal(found.exit.err, 4);
}

static void a_result_that_is_cut_anywhere_counts_as_missing(void **state) {
    struct place *place = *state;
    char whole[PROTOCOL_EXIT_SIZE + 2];
    put_claim(place, NAME, getpid(), NULL /* this boot */);
    put_exit(place, NAME, EXIT_GOOD);
    read_text(place_path(place, NAME, "exit.json"), whole, sizeof whole);
    for (size_t len = 0; len < PROTOCOL_EXIT_SIZE; len += len < strlen(EXIT_GOOD) ? 1 : 97) {
        put_file(place_path(place, NAME, "exit.json"), (struct bytes){whole, len});
        assert_int_equal(decide(place, SPOOL_DECIDE).found, SPOOL_GONE);
    }
    put_file(place_path(place, NAME, "exit.json"), (struct bytes){whole, sizeof whole});
    assert_int_equal(decide(place, SPOOL_DECIDE).found, SPOOL_GONE); /* Longer than it can be. */
    assert_int_equal(unlink(place_path(place, NAME, "exit.json")), 0);
    assert_int_equal(decide(place, SPOOL_DECIDE).found, SPOOL_GONE);
}

static void a_claim_of_another_boot_says_so(void **state) {
    struct place *place = *state;
    put_claim(place, NAME, getpid(), "00000000-0000-0000-0000-000000000000");
    struct spool_state found = decide(place, SPOOL_DECIDE);
    assert_int_equal(found.found, SPOOL_GONE);
    assert_true(found.rebooted);
}

/* Only a holder's claim may lose its bytes, in a power cut: see spool.c. */
static void a_claim_without_its_bytes_is_a_holders_of_another_boot(void **state) {
    static const char *const texts[] = {
        "",
        "\n",
        "go",
        "go 12",
        "nonsense\n",
        "go 1 1 x y\n",
        "go 99999999999 1 00000000-0000-0000-0000-000000000000 " NONCE_LIKE "\n",
        ("go 12 1 00000000-0000-0000-0000-000000000000 " NONCE_LIKE), /* No line feed. */
    };
    struct place *place = *state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        put_text(place_path(place, NAME, "claim"), texts[i]);
        struct spool_state found = decide(place, SPOOL_DECIDE);
        assert_int_equal(found.found, SPOOL_GONE);
        assert_int_equal(found.pid, 0);
        assert_true(found.rebooted);
    }
}

static void what_stands_in_place_of_a_file_blocks_nobody(void **state) {
    struct place *place = *state;
    assert_int_equal(mkfifo(place_path(place, NAME, "claim"), 0600), 0);
    assert_int_equal(mkfifo(place_path(place, NAME, "exit.json"), 0600), 0);
    assert_int_equal(mkfifo(place_path(place, NAME, "lock"), 0600), 0);
    assert_int_equal(decide(place, SPOOL_DECIDE).found, SPOOL_GONE);
    assert_int_equal(unlink(place_path(place, NAME, "claim")), 0);
    assert_int_equal(symlink("/dev/zero", place_path(place, NAME, "claim")), 0);
    assert_int_equal(decide(place, SPOOL_DECIDE).found, SPOOL_GONE);
}

static void what_stands_in_place_of_the_folder_is_never_void(void **state) {
    struct place *place = *state;
    char path[256];
    (void)snprintf(path, sizeof path, "%s/spool/%s", place->dir, NAME);
    put_text(path, "a file");
    assert_int_equal(decide(place, SPOOL_DECIDE).found, SPOOL_STRANGE);
    assert_int_equal(spool_remove(place->spool, NAME).code, ERR_NONE);
    assert_int_equal(symlink(place->dir, path), 0);
    assert_int_equal(decide(place, SPOOL_DECIDE).found, SPOOL_STRANGE);
    struct log_read read = {.len = 7};
    char byte;
    const struct log_place log = {NAME, LOG_OUT, 0};
    assert_int_equal(spool_log_read(place->spool, &log, &byte, 1, &read).code, ERR_NONE);
    assert_int_equal(read.len, 0);
    assert_int_equal(spool_remove(place->spool, NAME).code, ERR_NONE);
    assert_true(file_exists(place->dir)); /* The link went, and not what it led to. */
    assert_int_equal(decide(place, SPOOL_LOOK).found, SPOOL_NONE);
}

/* Of whoever is root it can't be taken; what is tested then is that nothing is lost by the way. */
static void rights_that_a_command_took_are_taken_back(void **state) {
    struct place *place = *state;
    char path[256];
    (void)snprintf(path, sizeof path, "%s/spool/%s", place->dir, NAME);
    put_claim(place, NAME, getpid(), NULL /* this boot */);
    put_exit(place, NAME, EXIT_GOOD);
    assert_int_equal(chmod(place_path(place, NAME, "claim"), 0), 0);
    assert_int_equal(chmod(place_path(place, NAME, "exit.json"), 0), 0);
    assert_int_equal(chmod(path, 0), 0);
    assert_int_equal(decide(place, SPOOL_DECIDE).found, SPOOL_ENDED);
}

static void a_decision_that_is_not_durable_is_not_made(void **state) {
    struct place *place = *state;
    struct spool_state untouched = {.found = SPOOL_ENDED};
    (void)place_path(place, NAME, "");
    seams.full = true;
    struct err err = spool_decide(place->spool, NAME, SPOOL_DECIDE, 7, &untouched);
    seams.full = false;
    assert_int_equal(err.code, ERR_DISK_FULL);
    seams.unsynced = true;
    err = spool_decide(place->spool, NAME, SPOOL_DECIDE, 7, &untouched);
    seams.unsynced = false;
    assert_true(err_failed(err));
    assert_int_equal(untouched.found, SPOOL_ENDED);
    assert_int_equal(decide(place, SPOOL_LOOK).found, SPOOL_NONE);
}

static void names_that_are_paths_are_refused(void **state) {
    static const char *const names[] = {
        "",      ".",
        "..",    "../x",
        "a/b",   ".hidden",
        "run\n", "a23456789012345678901234567890123456789012345678901234567890123456"};
    struct place *place = *state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct spool_state found;
        assert_true(err_failed(spool_decide(place->spool, names[i], SPOOL_DECIDE, 7, &found)));
        assert_true(err_failed(spool_remove(place->spool, names[i])));
    }
}

/* --- Races ------------------------------------------------------------------------------------ */

enum { RACES = 200 };

struct racer {
    const struct place *place;
    pthread_barrier_t *barrier;
    bool holder;
    bool won[RACES];
};

static void race_name(char *name, size_t size, unsigned number) {
    (void)snprintf(name, size, "run_%u.1", number);
}

static bool link_go(const struct place *place, const char *name) {
    char from[256], to[256];
    (void)snprintf(from, sizeof from, "%s/go", place->dir);
    (void)snprintf(to, sizeof to, "%s/spool/%s", place->dir, name);
    (void)mkdir(to, 0700); /* Whoever comes first. */
    (void)snprintf(to, sizeof to, "%s/spool/%s/claim", place->dir, name);
    return link(from, to) == 0;
}

static void *race(void *arg) {
    struct racer *racer = arg;
    for (unsigned i = 0; i < RACES; i++) {
        char name[32];
        race_name(name, sizeof name, i);
        (void)pthread_barrier_wait(racer->barrier);
        if (racer->holder) {
            racer->won[i] = link_go(racer->place, name);
            continue;
        }
        struct spool_state found;
        struct err err = spool_decide(racer->place->spool, name, SPOOL_DECIDE, 7, &found);
        racer->won[i] = !err_failed(err) && found.found == SPOOL_VOID;
    }
    return NULL;
}

static void of_two_daemons_and_a_holder_one_decides_and_all_agree(void **state) {
    struct place *place = *state;
    char go[128];
    put_claim(place, NAME, getpid(), NULL /* this boot */);
    (void)snprintf(go, sizeof go, "%s/go", place->dir);
    assert_int_equal(rename(place_path(place, NAME, "claim"), go), 0);
    pthread_barrier_t barrier;
    assert_int_equal(pthread_barrier_init(&barrier, NULL, 3), 0);
    static struct racer racers[3];
    pthread_t threads[3];
    for (unsigned i = 0; i < 3; i++) {
        racers[i] = (struct racer){place, &barrier, i == 0, {0}};
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    (void)pthread_barrier_destroy(&barrier);
    for (unsigned i = 0; i < RACES; i++) {
        assert_true(racers[1].won[i] == racers[2].won[i]);
        assert_true(racers[0].won[i] != racers[1].won[i]);
    }
}

/* --- exit.json -------------------------------------------------------------------------------- */

static bool parses(const char *json, struct spool_exit *ret_exit) {
    char line[1024];
    (void)snprintf(line, sizeof line, "%s  \n", json);
    return spool_exit_parse((struct bytes){line, strlen(line)}, NAME, ret_exit);
}

static void results_of_each_kind_are_read(void **state) {
    struct spool_exit exit;
    assert_true(parses(EXIT_GOOD, &exit));
    assert_int_equal(exit.in, 5);
    assert_int_equal(exit.cpu_us, 6);
    assert_int_equal(exit.memory_kb, 7);
    assert_int_equal(exit.processes, 8);
    assert_int_equal(exit.started_ms, 9);
    assert_int_equal(exit.ended_ms, 10);
    assert_true(parses("{\"v\":2,\"name\":\"run_a.1\",\"end\":\"signaled\",\"signal\":9,"
                       "\"why\":\"timed_out\",\"out\":0,\"err\":0,\"pty\":1,\"in\":0,"
                       "\"news\":{\"of\":[\"a later version\"]}}",
                       &exit));
    assert_int_equal(exit.end, EXIT_SIGNALED);
    assert_int_equal(exit.processes, EXIT_UNCOUNTED);
    assert_int_equal(exit.signal, 9);
    assert_int_equal(exit.why, EXIT_TIMED_OUT);
    assert_true(parses("{\"v\":1,\"name\":\"run_a.1\",\"end\":\"not_started\",\"errno\":2,"
                       "\"step\":\"exec\",\"why\":\"a later one\",\"out\":0,\"err\":0,\"pty\":0,"
                       "\"in\":0}",
                       &exit));
    assert_int_equal(exit.end, EXIT_NOT_STARTED);
    assert_int_equal(exit.os, 2);
    assert_string_equal(exit.step, "exec");
    assert_int_equal(exit.why, EXIT_ITSELF);
}

static void results_that_are_not_whole_or_not_ours_are_refused(void **state) {
    static const char SIZES[] = "\"why\":\"itself\",\"out\":0,\"err\":0,\"pty\":0,\"in\":0}";
    static const char *const heads[] = {
        "",
        "{",
        "{\"v\":1,\"name\":\"run_a.1\",\"end\":\"exited\",\"code\":0,\"left\":9007199254740993,",
        "{\"v\":1,\"name\":\"run_a.1\",\"end\":\"exited\",", /* No code. */
        "{\"v\":1,\"name\":\"run_a.1\",\"end\":\"signaled\",\"code\":0,",
        "{\"v\":1,\"name\":\"run_a.1\",\"end\":\"not_started\",\"errno\":2,", /* No step. */
        "{\"v\":1,\"name\":\"run_a.1\",\"end\":\"vanished\",\"code\":0,",
        "{\"v\":1,\"name\":\"run_b.1\",\"end\":\"exited\",\"code\":0,",
        "{\"name\":\"run_a.1\",\"end\":\"exited\",\"code\":0,",
        "{\"v\":\"1\",\"name\":\"run_a.1\",\"end\":\"exited\",\"code\":0,",
        "{\"v\":1,\"name\":\"run_a.1\",\"end\":\"exited\",\"code\":\"0\",",
        "{\"v\":1,\"name\":\"run_a.1\",\"end\":\"exited\",\"code\":256,",
        "{\"v\":1,\"name\":\"run_a.1\",\"end\":\"exited\",\"code\":-1,",
        "{\"v\":1,\"name\":\"run_a.1\",\"end\":\"exited\",\"code\":0,\"cpu_us\":1.5,",
        "{\"v\":1,\"name\":\"run_a.1\",\"end\":\"exited\",\"code\":0,\"left\":null,",
    };
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        char json[512];
        (void)snprintf(json, sizeof json, "%s%s", heads[i], SIZES);
        struct spool_exit exit = {.code = 77};
        assert_false(parses(json, &exit));
        assert_int_equal(exit.code, 77);
    }
}

/* --- Cleaning --------------------------------------------------------------------------------- */

static void an_ended_attempt_is_removed_with_all_in_it(void **state) {
    struct place *place = *state;
    put_claim(place, NAME, getpid(), NULL /* this boot */);
    put_exit(place, NAME, EXIT_GOOD);
    put_text(place_path(place, NAME, "out.head"), "hi\n");
    assert_int_equal(mkdir(place_path(place, NAME, "inner"), 0700), 0);
    put_text(place_path(place, NAME, "inner/file"), "made by a command");
    assert_int_equal(symlink("/", place_path(place, NAME, "inner/link")), 0);
    assert_int_equal(spool_remove(place->spool, NAME).code, ERR_NONE);
    assert_int_equal(decide(place, SPOOL_LOOK).found, SPOOL_NONE);
    assert_int_equal(spool_remove(place->spool, NAME).code, ERR_NONE); /* Absent is fine. */
}

/* Found by the simulator: a holder that came 28 s late ran the command of a run that was gone. */
static void a_void_outlives_its_folder_for_a_day(void **state) {
    struct place *place = *state;
    assert_int_equal(decide(place, SPOOL_DECIDE).found, SPOOL_VOID);
    put_text(place_path(place, NAME, "out.head"), "hi\n");
    assert_int_equal(spool_remove(place->spool, NAME).code, ERR_NONE);
    assert_int_equal(decide(place, SPOOL_LOOK).found, SPOOL_VOID);
    assert_false(file_exists(place_path(place, NAME, "out.head")));
    const struct timespec old[] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    assert_int_equal(utimensat(AT_FDCWD, place_path(place, NAME, "claim"), old, 0), 0);
    assert_int_equal(spool_remove(place->spool, NAME).code, ERR_NONE);
    assert_int_equal(decide(place, SPOOL_LOOK).found, SPOOL_NONE);
}

static void what_a_holder_holds_is_not_removed(void **state) {
    struct place *place = *state;
    put_claim(place, NAME, getpid(), NULL /* this boot */);
    int lock = hold_lock(place, NAME);
    assert_int_equal(spool_remove(place->spool, NAME).code, ERR_BUSY);
    assert_int_equal(decide(place, SPOOL_LOOK).found, SPOOL_ALIVE);
    (void)close(lock);
}

struct visit {
    unsigned count, stop_at;
};

static struct err count_one(void *ctx, const char *name) {
    struct visit *visit = ctx;
    assert_true(strncmp(name, "run_", 4) == 0);
    visit->count++;
    return visit->count == visit->stop_at ? err_make(ERR_CONFLICT, "enough") : ERR_OK;
}

static void each_attempt_is_visited_and_nothing_else(void **state) {
    struct place *place = *state;
    char path[128];
    (void)place_path(place, "run_a.1", "");
    (void)place_path(place, "run_a.2", "");
    (void)place_path(place, "run_b.1", "");
    (void)place_path(place, ".hidden", "");
    (void)snprintf(path, sizeof path, "%s/spool/run_file", place->dir);
    put_text(path, "no folder");
    struct visit visit = {0};
    assert_int_equal(spool_each(place->spool, count_one, &visit).code, ERR_NONE);
    assert_int_equal(visit.count, 3);
    visit = (struct visit){.stop_at = 2};
    assert_int_equal(spool_each(place->spool, count_one, &visit).code, ERR_CONFLICT);
    assert_int_equal(visit.count, 2);
}

static void opening_again_finds_what_is_there_and_paths_are_absolute(void **state) {
    struct place *place = *state;
    struct spool *again = NULL;
    assert_int_equal(decide(place, SPOOL_DECIDE).found, SPOOL_VOID);
    assert_int_equal(chdir(place->dir), 0);
    assert_int_equal(spool_open(".", &again).code, ERR_NONE);
    assert_int_equal(spool_path(again)[0], '/');
    struct spool_state found;
    assert_int_equal(spool_decide(again, NAME, SPOOL_LOOK, 7, &found).code, ERR_NONE);
    assert_int_equal(found.found, SPOOL_VOID);
    spool_close(again);
    assert_int_equal(chdir("/"), 0);
    struct spool *none = NULL;
    assert_true(err_failed(spool_open("/nowhere/at/all", &none)));
    assert_null(none);
}

#define PLACED(test) cmocka_unit_test_setup_teardown(test, open_place, close_place)

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        PLACED(looking_changes_nothing),
        PLACED(an_undecided_attempt_is_made_void_once_and_for_all),
        PLACED(an_undecided_attempt_is_closed_once_and_for_all),
        PLACED(closing_believes_what_was_decided),
        PLACED(deciding_leaves_no_temporary_file),
        PLACED(a_holder_between_its_lock_and_its_claim_loses_and_nobody_waits),
        PLACED(a_claim_that_comes_between_two_looks_is_believed),
        PLACED(a_living_holder_is_told_by_its_lock),
        PLACED(a_result_is_read_when_its_holder_is_gone),
        PLACED(a_result_that_is_cut_anywhere_counts_as_missing),
        PLACED(a_claim_of_another_boot_says_so),
        PLACED(a_claim_without_its_bytes_is_a_holders_of_another_boot),
        PLACED(what_stands_in_place_of_a_file_blocks_nobody),
        PLACED(what_stands_in_place_of_the_folder_is_never_void),
        PLACED(rights_that_a_command_took_are_taken_back),
        PLACED(a_decision_that_is_not_durable_is_not_made),
        PLACED(names_that_are_paths_are_refused),
        PLACED(of_two_daemons_and_a_holder_one_decides_and_all_agree),
        cmocka_unit_test(results_of_each_kind_are_read),
        cmocka_unit_test(results_that_are_not_whole_or_not_ours_are_refused),
        PLACED(an_ended_attempt_is_removed_with_all_in_it),
        PLACED(a_void_outlives_its_folder_for_a_day),
        PLACED(what_a_holder_holds_is_not_removed),
        PLACED(each_attempt_is_visited_and_nothing_else),
        PLACED(opening_again_finds_what_is_there_and_paths_are_absolute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
