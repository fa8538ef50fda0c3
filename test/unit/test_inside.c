/* From a process to the run that it belongs to: by its holder, its mark, or its cgroup. /proc is a
 * folder of the test's own, in which processes are what each test says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "proc/inside.h"
#include "proc/tree.h"
#include "proc_kit.h"

#define RUN "run_00000000000000000000000001"
#define OTHER "run_00000000000000000000000002"
#define NONCE_OTHER "ffffffffffffffffffffffffffffffff"
enum { DAEMON = 100, HOLDER = 200, COMMAND = 201, CLIENT = 202, SHELL = 300, PATH_MAX_HERE = 512 };

struct world_of {
    struct place place;
    char proc[96];
    struct inside_place where;
};

static const char *proc_file(const struct world_of *world, int pid, const char *name) {
    static char path[PATH_MAX_HERE];
    (void)snprintf(path, sizeof path, "%s/%d", world->proc, pid);
    (void)mkdir(path, 0700); /* Mostly it is there. */
    (void)snprintf(path, sizeof path, "%s/%d/%s", world->proc, pid, name);
    return path;
}

/* A process with a parent, which began at the tick of its number. */
struct fake {
    int pid, parent;
    unsigned long long start; /* 0: its pid. */
    const char *title;        /* NULL: "sh". */
    const char *environment;  /* A variable; NULL: none. */
    const char *cgroup;       /* NULL: "0::/". */
    const char *lock;         /* Target of descriptor 7; NULL: none. */
};

static void fake_put(const struct world_of *world, struct fake fake) {
    char text[400], path[PATH_MAX_HERE];
    (void)snprintf(text, sizeof text,
                   "%d (a) b) S %d 1 1 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 %llu 0 0\n", fake.pid,
                   fake.parent, fake.start == 0 ? (unsigned long long)fake.pid : fake.start);
    put_text(proc_file(world, fake.pid, "stat"), text);
    put_text(proc_file(world, fake.pid, "cmdline"), fake.title == NULL ? "sh" : fake.title);
    (void)snprintf(text, sizeof text, "A=1%cDROVER_RUN_X=2%c%s%cZ=3%c", 0, 0,
                   fake.environment == NULL ? "B=" : fake.environment, 0, 0);
    size_t len = strlen("A=1") + strlen("DROVER_RUN_X=2") + strlen("Z=3") + 4 +
                 (fake.environment == NULL ? 2 : strlen(fake.environment));
    put_file(proc_file(world, fake.pid, "environ"), (struct bytes){text, len});
    put_text(proc_file(world, fake.pid, "cgroup"),
             fake.cgroup == NULL ? "0::/user.slice\n" : fake.cgroup);
    (void)snprintf(path, sizeof path, "%s", proc_file(world, fake.pid, "fd"));
    (void)mkdir(path, 0700);
    if (fake.lock != NULL) {
        (void)snprintf(path, sizeof path, "%s", proc_file(world, fake.pid, "fd/7"));
        (void)unlink(path);
        assert_int_equal(symlink(fake.lock, path), 0);
    }
}

static void claim_put(const struct world_of *world, const char *name, int pid, const char *mark) {
    char boot[64], line[256];
    read_text("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
    boot[strcspn(boot, "\n")] = '\0';
    (void)snprintf(line, sizeof line, "go %d %d %s %s\n", pid, pid, boot, mark);
    put_text(place_path(&world->place, name, "claim"), line);
}

/* The lock of an attempt, as a descriptor shows it. */
static const char *lock_of(const struct world_of *world, const char *name) {
    static char path[PATH_MAX_HERE];
    (void)snprintf(path, sizeof path, "%s/%s/lock", spool_path(world->place.spool), name);
    return path;
}

/* A daemon, and below it a holder with its command. */
static int setup(void **state) {
    struct world_of *world = calloc(1, sizeof *world);
    assert_non_null(world);
    place_init(&world->place);
    (void)snprintf(world->proc, sizeof world->proc, "%s/proc", world->place.dir);
    assert_int_equal(mkdir(world->proc, 0700), 0);
    world->where =
        (struct inside_place){.spool = world->place.spool, .proc = world->proc, .self = DAEMON};
    claim_put(world, RUN ".1", HOLDER, NONCE_LIKE);
    fake_put(world, (struct fake){.pid = 1, .parent = 0, .title = "init"});
    fake_put(world, (struct fake){.pid = DAEMON, .parent = 1, .title = "drover"});
    fake_put(world, (struct fake){.pid = HOLDER,
                                  .parent = DAEMON,
                                  .title = "drover-holder",
                                  .lock = lock_of(world, RUN ".1")});
    fake_put(world, (struct fake){.pid = COMMAND, .parent = HOLDER});
    fake_put(world, (struct fake){.pid = SHELL, .parent = 1});
    *state = world;
    return 0;
}

static int teardown(void **state) {
    struct world_of *world = *state;
    place_done(&world->place);
    free(world);
    return 0;
}

static void assert_inside(const struct world_of *world, int pid, const char *run) {
    struct id found = {"untouched"};
    assert_int_equal(inside_find(&world->where, pid, &found), INSIDE_RUN);
    assert_string_equal(found.text, run);
}

static void assert_found(const struct world_of *world, int pid, enum inside_found expected) {
    struct id found = {"untouched"};
    assert_int_equal(inside_find(&world->where, pid, &found), expected);
    assert_string_equal(found.text, "untouched");
}

/* --- Holders ---------------------------------------------------------------------------------- */

static void what_descends_from_a_holder_is_inside_its_run(void **state) {
    struct world_of *world = *state;
    fake_put(world, (struct fake){.pid = CLIENT, .parent = COMMAND});
    assert_inside(world, COMMAND, RUN);
    assert_inside(world, CLIENT, RUN);
    /* Forked twice: the holder adopts it. Its environment is another one, and its session too. */
    fake_put(world, (struct fake){.pid = 203, .parent = HOLDER, .environment = "X=y"});
    assert_inside(world, 203, RUN);
}

static void everybody_else_is_outside(void **state) {
    struct world_of *world = *state;
    fake_put(world, (struct fake){.pid = 301, .parent = SHELL});
    assert_found(world, 301, INSIDE_NO);
    /* Children of the daemon that are no holders, such as the command of notifications. */
    fake_put(world, (struct fake){.pid = 302, .parent = DAEMON, .environment = "DROVER_RUN=" RUN});
    assert_found(world, 302, INSIDE_NO);
    fake_put(world, (struct fake){.pid = 303, .parent = DAEMON, .title = "drover-holder nursery"});
    fake_put(world, (struct fake){.pid = 304, .parent = 303});
    assert_found(world, 304, INSIDE_NO);
    /* A process of another PID namespace. */
    assert_found(world, 0, INSIDE_NO);
}

static void the_nearest_holder_decides(void **state) {
    struct world_of *world = *state;
    claim_put(world, OTHER ".2", 210, NONCE_OTHER);
    fake_put(world, (struct fake){.pid = 210,
                                  .parent = COMMAND,
                                  .title = "drover-holder",
                                  .lock = lock_of(world, OTHER ".2")});
    fake_put(world, (struct fake){.pid = 211,
                                  .parent = 210,
                                  .environment = "DROVER_RUN=" RUN ".1." NONCE_LIKE});
    assert_inside(world, 211, OTHER);
    assert_inside(world, COMMAND, RUN);
}

static void ancestors_of_the_daemon_concern_nobody(void **state) {
    struct world_of *world = *state;
    /* A daemon that a run's command started: its clients are not inside. */
    world->where.self = 220;
    fake_put(world, (struct fake){.pid = 220, .parent = COMMAND, .title = "drover"});
    fake_put(world, (struct fake){.pid = 221, .parent = 220});
    assert_found(world, 221, INSIDE_NO);
    assert_inside(world, COMMAND, RUN);
}

static void a_name_alone_makes_no_holder(void **state) {
    struct world_of *world = *state;
    /* A lock of a folder that another process holds, of another spool, or of no attempt. */
    char elsewhere[PATH_MAX_HERE];
    (void)snprintf(elsewhere, sizeof elsewhere, "/elsewhere/spool/%s.1/lock", RUN);
    const char *const locks[] = {NULL, elsewhere, "/dev/null"};
    for (size_t i = 0; i < COUNT_OF(locks); i++) {
        int pid = 310 + 2 * (int)i;
        fake_put(world, (struct fake){.pid = pid,
                                      .parent = SHELL,
                                      .title = "drover-holder",
                                      .lock = i == 0 ? lock_of(world, RUN ".1") : locks[i]});
        fake_put(world, (struct fake){.pid = pid + 1, .parent = pid});
        assert_found(world, pid + 1, INSIDE_NO);
    }
}

static void a_holder_whose_folder_was_removed_is_unknown(void **state) {
    struct world_of *world = *state;
    char lock[PATH_MAX_HERE];
    (void)snprintf(lock, sizeof lock, "%s/%s.1/lock (deleted)", spool_path(world->place.spool),
                   OTHER);
    fake_put(world,
             (struct fake){.pid = 230, .parent = DAEMON, .title = "drover-holder", .lock = lock});
    fake_put(world, (struct fake){.pid = 231, .parent = 230});
    assert_found(world, 231, INSIDE_UNKNOWN);
    /* A program of a run that makes such a file, and has the title, is not of the other run. */
    fake_put(world,
             (struct fake){.pid = 232, .parent = COMMAND, .title = "drover-holder", .lock = lock});
    fake_put(world, (struct fake){.pid = 233, .parent = 232});
    assert_found(world, 233, INSIDE_UNKNOWN);
}

/* --- Marks ------------------------------------------------------------------------------------ */

static void without_a_holder_the_mark_decides(void **state) {
    struct world_of *world = *state;
    fake_put(
        world,
        (struct fake){.pid = 320, .parent = 1, .environment = "DROVER_RUN=" RUN ".1." NONCE_LIKE});
    assert_inside(world, 320, RUN);
    fake_put(world, (struct fake){.pid = 321, .parent = 320}); /* With a cleared environment. */
    assert_inside(world, 321, RUN);
}

static void a_mark_that_is_not_ours_is_nobodys(void **state) {
    struct world_of *world = *state;
    static const char *const marks[] = {"DROVER_RUN=" RUN ".1." NONCE_OTHER,
                                        "DROVER_RUN=" RUN ".2." NONCE_LIKE,
                                        "DROVER_RUN=" OTHER ".1." NONCE_LIKE,
                                        "DROVER_RUN=" RUN,
                                        "DROVER_RUN=" RUN ".1",
                                        "DROVER_RUN=" RUN ".x." NONCE_LIKE,
                                        "DROVER_RUN=",
                                        "DROVER_RUN=../../etc.1." NONCE_LIKE,
                                        "XDROVER_RUN=" RUN ".1." NONCE_LIKE,
                                        "DROVER_RUN=.",
                                        "DROVER_RUN=" RUN ".1." NONCE_LIKE
                                        "0" NONCE_LIKE NONCE_LIKE NONCE_LIKE NONCE_LIKE};
    for (size_t i = 0; i < COUNT_OF(marks); i++) {
        fake_put(world,
                 (struct fake){.pid = 330 + (int)i, .parent = SHELL, .environment = marks[i]});
        assert_found(world, 330 + (int)i, INSIDE_NO);
    }
}

static void a_mark_behind_a_large_environment_is_found(void **state) {
    struct world_of *world = *state;
    enum { LARGE = 300 * 1000 };
    static const char mark[] = "DROVER_RUN=" RUN ".1." NONCE_LIKE; /* Without a NUL behind it. */
    char *text = calloc(1, LARGE + sizeof mark);
    assert_non_null(text);
    memset(text, 'x', LARGE - 1);
    memcpy(text + LARGE, mark, sizeof mark - 1);
    fake_put(world, (struct fake){.pid = 350, .parent = SHELL});
    put_file(proc_file(world, 350, "environ"), (struct bytes){text, LARGE + sizeof mark - 1});
    free(text);
    assert_inside(world, 350, RUN);
}

/* --- Cgroups ---------------------------------------------------------------------------------- */

static void at_last_the_cgroup_decides(void **state) {
    struct world_of *world = *state;
    fake_put(world, (struct fake){.pid = 360,
                                  .parent = DAEMON,
                                  .cgroup = "4:memory:/drover-1/" OTHER ".1\n"
                                            "0::/user.slice/drover-0123/" RUN ".1\n"});
    assert_inside(world, 360, RUN);
    fake_put(world,
             (struct fake){.pid = 361, .parent = 1, .cgroup = "0::/drover-0123/" RUN ".1/inner\n"});
    assert_inside(world, 361, RUN);
}

static void a_cgroup_that_is_not_ours_is_nobodys(void **state) {
    struct world_of *world = *state;
    static const char *const cgroups[] = {
        "0::/drover-0123/" OTHER ".1\n",  "0::/" RUN ".1\n", "0::/drover-0123\n",
        "4:memory:/drover-1/" RUN ".1\n", "0::/\n",          ""};
    for (size_t i = 0; i < COUNT_OF(cgroups); i++) {
        fake_put(world, (struct fake){.pid = 370 + (int)i, .parent = 1, .cgroup = cgroups[i]});
        assert_found(world, 370 + (int)i, INSIDE_NO);
    }
    /* The cgroup of the daemon itself, which a run's command started. */
    fake_put(world,
             (struct fake){.pid = DAEMON, .parent = 1, .cgroup = "0::/drover-0/" RUN ".1\n"});
    fake_put(world,
             (struct fake){.pid = 380, .parent = DAEMON, .cgroup = "0::/drover-0/" RUN ".1\n"});
    assert_found(world, 380, INSIDE_NO);
}

/* --- What cannot be followed ------------------------------------------------------------------ */

static void who_is_gone_is_unknown(void **state) {
    struct world_of *world = *state;
    pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_found(world, (int)child, INSIDE_UNKNOWN);
}

static void a_parent_that_is_younger_than_its_child_is_not_believed(void **state) {
    struct world_of *world = *state;
    fake_put(world, (struct fake){.pid = 390, .parent = 391});
    fake_put(world, (struct fake){.pid = 391, .parent = 1, .start = 1000});
    assert_found(world, 390, INSIDE_UNKNOWN);
}

static void a_parent_that_hides_ends_the_chain(void **state) {
    struct world_of *world = *state;
    fake_put(world, (struct fake){.pid = 395, .parent = 99999});
    assert_found(world, 395, INSIDE_NO);
    fake_put(world, (struct fake){.pid = 396,
                                  .parent = 99999,
                                  .environment = "DROVER_RUN=" RUN ".1." NONCE_LIKE});
    assert_inside(world, 396, RUN);
}

static void a_chain_without_end_is_unknown(void **state) {
    struct world_of *world = *state;
    enum { FIRST = 1000, LENGTH = 300 };
    for (int i = 0; i < LENGTH; i++) {
        fake_put(world, (struct fake){.pid = FIRST + i, .parent = i == 0 ? 1 : FIRST + i - 1});
    }
    assert_found(world, FIRST + LENGTH - 1, INSIDE_UNKNOWN);
    assert_found(world, FIRST + LENGTH / 2, INSIDE_NO);
    /* A circle, which a real /proc has never. */
    fake_put(world, (struct fake){.pid = 2000, .parent = 2001, .start = 5});
    fake_put(world, (struct fake){.pid = 2001, .parent = 2000, .start = 5});
    assert_found(world, 2000, INSIDE_UNKNOWN);
}

static void what_proc_says_in_other_words_is_unknown(void **state) {
    struct world_of *world = *state;
    static const char *const texts[] = {"", "1 (a", "1 (a) S", "1 (a) S x 1 1"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        /* A pid that no process has. */
        put_text(proc_file(world, 4190000 + (int)i, "stat"), texts[i]);
        assert_found(world, 4190000 + (int)i, INSIDE_UNKNOWN);
    }
}

/* --- The real one ----------------------------------------------------------------------------- */

static void the_real_proc_is_read_the_same_way(void **state) {
    struct world_of *world = *state;
    world->where.proc = "/proc";
    char mark[200];
    put_claim(&world->place, OTHER ".3", getpid(), NULL /* this boot */);
    (void)snprintf(mark, sizeof mark, "DROVER_RUN=%s.3.%s", OTHER, nonce());
    const char *const argv[] = {"sleep", "100", NULL}, *const env[] = {mark, NULL};
    pid_t marked = start_process(argv, env);
    for (struct id found; inside_find(&world->where, (int)marked, &found) != INSIDE_RUN;) {
        assert_true(process_lives(marked)); /* In the middle of its execve it has no environment. */
    }
    assert_inside(world, (int)marked, OTHER);
    end_process(marked);
    assert_found(world, getpid(), INSIDE_NO);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_WORLD(what_descends_from_a_holder_is_inside_its_run),
        IN_WORLD(everybody_else_is_outside),
        IN_WORLD(the_nearest_holder_decides),
        IN_WORLD(ancestors_of_the_daemon_concern_nobody),
        IN_WORLD(a_name_alone_makes_no_holder),
        IN_WORLD(a_holder_whose_folder_was_removed_is_unknown),
        IN_WORLD(without_a_holder_the_mark_decides),
        IN_WORLD(a_mark_that_is_not_ours_is_nobodys),
        IN_WORLD(a_mark_behind_a_large_environment_is_found),
        IN_WORLD(at_last_the_cgroup_decides),
        IN_WORLD(a_cgroup_that_is_not_ours_is_nobodys),
        IN_WORLD(who_is_gone_is_unknown),
        IN_WORLD(a_parent_that_is_younger_than_its_child_is_not_believed),
        IN_WORLD(a_parent_that_hides_ends_the_chain),
        IN_WORLD(a_chain_without_end_is_unknown),
        IN_WORLD(what_proc_says_in_other_words_is_unknown),
        IN_WORLD(the_real_proc_is_read_the_same_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
