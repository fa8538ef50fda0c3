/* The holder's sandbox, seen by the command in it. Each way out is tried without the sandbox too:
 * what fails there as well shows nothing. */
/* links: base */
#include "holder_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SKIPPED = 77 }; /* As the runner counts it. */

static bool has_landlock(void) {
    return syscall(444 /* landlock_create_ruleset */, NULL, 0UL, 1) > 0;
}

/* The kit's folder has the spool; what is hidden; where the command runs; and what is outside. */
struct scene {
    struct kit *kit;
    char folder[128], hidden[144], work[144], outside[144];
};

static void make_folder(const char *path) {
    assert_int_equal(mkdir(path, 0700), 0);
}

static void put_file(const char *folder, const char *name, const char *content) {
    char path[KIT_PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(content, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int open_scene(void **state) {
    struct scene *scene = calloc(1, sizeof *scene);
    assert_non_null(scene);
    assert_int_equal(kit_open(state), 0);
    scene->kit = *state;
    char *folder = scene->folder;
    (void)snprintf(folder, sizeof scene->folder, "%s", scene->kit->spool);
    (void)snprintf(scene->hidden, sizeof scene->hidden, "%s/data", folder);
    (void)snprintf(scene->work, sizeof scene->work, "%s/work", folder);
    (void)snprintf(scene->outside, sizeof scene->outside, "%s/outside", folder);
    make_folder(scene->hidden);
    make_folder(scene->work);
    make_folder(scene->outside);
    put_file(scene->hidden, "secret", "a secret\n");
    put_file(scene->work, "mine", "mine\n");
    put_file(scene->outside, "theirs", "theirs\n");
    (void)snprintf(scene->kit->spool, sizeof scene->kit->spool, "%.110s/spool", scene->hidden);
    make_folder(scene->kit->spool);
    *state = scene;
    return 0;
}

static int close_scene(void **state) {
    struct scene *scene = *state;
    struct kit *kit = scene->kit;
    (void)snprintf(kit->spool, sizeof kit->spool, "%s", scene->folder);
    *state = kit;
    free(scene);
    return kit_close(state);
}
#define SCENE_TEST(test) cmocka_unit_test_setup_teardown(test, open_scene, close_scene)

/* --- Running in it ---------------------------------------------------------------------------- */

enum { VARIABLES_MAX = 8, VARIABLE_SIZE = 256 };
struct variables {
    char texts[VARIABLES_MAX][VARIABLE_SIZE];
    const char *list[VARIABLES_MAX + 1];
};

static void fill_variables(const struct scene *scene, struct variables *variables) {
    const char *const names[][2] = {{"PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"},
                                    {"OUTSIDE", scene->outside},
                                    {"HIDDEN", scene->hidden},
                                    {"WORK", scene->work}};
    size_t count = 0;
    for (; count < COUNT_OF(names); count++) {
        (void)snprintf(variables->texts[count], VARIABLE_SIZE, "%s=%s", names[count][0],
                       names[count][1]);
        variables->list[count] = variables->texts[count];
    }
    (void)snprintf(variables->texts[count], VARIABLE_SIZE, "TMPDIR=%s/%s/" PROTOCOL_TMP,
                   scene->kit->spool, KIT_NAME);
    variables->list[count] = variables->texts[count];
    count++;
    (void)snprintf(variables->texts[count], VARIABLE_SIZE, "HOLDER_OF=%d", (int)getpid());
    variables->list[count] = variables->texts[count];
    variables->list[count + 1] = NULL;
}

enum where { FREE, SANDBOX };

static const char *run_line(const struct scene *scene, enum where where, const char *line) {
    struct variables variables;
    fill_variables(scene, &variables);
    const char *const hide[] = {scene->hidden, NULL};
    struct kit_order order = {.shell = line,
                              .env = variables.list,
                              .cwd = scene->work,
                              .hide = where == SANDBOX ? hide : NULL,
                              .flags = where == SANDBOX ? ORDER_SANDBOX : 0};
    return kit_run(scene->kit, &order);
}

/* The attempt's folder goes, so that the next one can have its name. */
static void forget(const struct scene *scene) {
    char command[KIT_PATH_SIZE];
    (void)snprintf(command, sizeof command, "rm -rf %s/*", scene->kit->spool);
    assert_int_equal(system(command), 0);
}

static long code_of(const struct scene *scene, enum where where, const char *line) {
    const char *json = run_line(scene, where, line);
    kit_assert_text(json, "end", "exited");
    assert_int_equal(kit_number(json, "sandbox") > 0, where == SANDBOX);
    long code = kit_number(json, "code");
    forget(scene);
    return code;
}

static void assert_allowed(const struct scene *scene, const char *line) {
    if (code_of(scene, SANDBOX, line) != 0) {
        fail_msg("refused: %s", line);
    }
}

/* Works outside of it, and does not in it. */
static void assert_held(const struct scene *scene, const char *line, const char *again) {
    if (code_of(scene, SANDBOX, line) == 0) {
        fail_msg("got out: %s", line);
    }
    if (code_of(scene, FREE, line) != 0) {
        fail_msg("does not work without the sandbox either: %s", line);
    }
    if (again != NULL) {
        assert_int_equal(code_of(scene, FREE, again), 0);
    }
}

/* --- Files ------------------------------------------------------------------------------------ */

static void it_works_in_its_folder(void **state) {
    struct scene *scene = *state;
    assert_allowed(scene, "echo new >new && cat new mine >both && mkdir -p a/b && mv both a/b/ &&"
                          "ln a/b/both again && ln -s mine link && cat link && mkfifo p &&"
                          "chmod 700 a/b/both && rm -r a again link p new && : >mine");
}

static void it_has_a_folder_of_its_own_for_temporary_files(void **state) {
    struct scene *scene = *state;
    assert_allowed(scene, "[ $(stat -c %a $TMPDIR) = 700 ] && echo x >$TMPDIR/x &&"
                          "mkdir $TMPDIR/d && mv $TMPDIR/x $TMPDIR/d/ && cp /bin/true $TMPDIR/t &&"
                          "$TMPDIR/t && [ $(ls $TMPDIR | wc -l) = 2 ]");
}

static void it_reads_and_runs_what_the_system_has(void **state) {
    struct scene *scene = *state;
    assert_allowed(scene,
                   "cat /etc/passwd /proc/self/status >/dev/null && ls /usr/bin >/dev/null &&"
                   "cat $OUTSIDE/theirs && head -c 8 /dev/urandom >/dev/null &&"
                   "echo x 2>/dev/null >/dev/full; [ $? != 0 ] && : </dev/zero");
}

static void nothing_outside_is_written(void **state) {
    struct scene *scene = *state;
    assert_held(scene, "echo x >$OUTSIDE/new", "rm $OUTSIDE/new");
    assert_held(scene, "echo x >../outside/new", "rm $OUTSIDE/new");
    assert_held(scene, "echo x >>$OUTSIDE/theirs", NULL);
    assert_held(scene, "ln -s $OUTSIDE out && echo x >out/new", "rm out $OUTSIDE/new");
    assert_held(scene, "echo x >/proc/self/root$OUTSIDE/new", "rm $OUTSIDE/new");
    assert_held(scene, "mkdir $OUTSIDE/d", "rmdir $OUTSIDE/d");
    assert_held(scene, "mkfifo $OUTSIDE/p", "rm $OUTSIDE/p");
    assert_held(scene, "ln -s x $OUTSIDE/l", "rm $OUTSIDE/l");
    assert_held(scene, "truncate -s 0 $OUTSIDE/theirs", NULL);
    assert_held(scene, "perl -e 'truncate($ARGV[0], 1) or exit 1' $OUTSIDE/theirs", NULL);
    assert_held(scene, "rm $OUTSIDE/theirs", "echo theirs >$OUTSIDE/theirs");
}

static bool writes_in(const struct scene *scene, const char *below, const char *line) {
    char path[KIT_PATH_SIZE];
    struct variables variables;
    fill_variables(scene, &variables);
    (void)snprintf(path, sizeof path, "%s%s", scene->folder, below);
    const char *const write[] = {"/nowhere", path, NULL}, *const hide[] = {scene->hidden, NULL};
    struct kit_order order = {.shell = line,
                              .env = variables.list,
                              .cwd = scene->work,
                              .write = write,
                              .hide = hide,
                              .flags = ORDER_SANDBOX};
    const char *json = kit_run(scene->kit, &order);
    kit_assert_text(json, "end", "exited");
    bool wrote = kit_number(json, "code") == 0;
    forget(scene);
    return wrote;
}

static void it_writes_in_a_folder_that_was_opened_for_it_but_through_no_link(void **state) {
    struct scene *scene = *state;
    assert_int_equal(code_of(scene, FREE, "mkdir $OUTSIDE/d && ln -s $OUTSIDE ../to"), 0);
    assert_true(writes_in(scene, "/outside/d", "echo x >$OUTSIDE/d/new"));
    assert_false(writes_in(scene, "/outside/d", "echo x >$OUTSIDE/new"));
    assert_false(writes_in(scene, "/to/d", "echo x >$OUTSIDE/d/again"));
    assert_false(writes_in(scene, "/to", "echo x >$OUTSIDE/new"));
    assert_false(writes_in(scene, "/data", "echo x >$HIDDEN/new"));
    assert_false(writes_in(scene, "", "cat $HIDDEN/secret || echo x >$OUTSIDE/new"));
}

static void nothing_is_moved_or_linked_out_or_in(void **state) {
    struct scene *scene = *state;
    static const char rename_out[] = "perl -e 'rename(\"mine\", \"$ENV{OUTSIDE}/mine\") or exit 1'";
    static const char rename_in[] = "perl -e 'rename(\"$ENV{OUTSIDE}/theirs\", \"got\") or exit 1'";
    assert_held(scene, rename_out, "mv $OUTSIDE/mine .");
    assert_held(scene, rename_in, "mv got $OUTSIDE/theirs");
    assert_held(scene, "ln mine $OUTSIDE/mine", "rm $OUTSIDE/mine");
    /* Else it would be written to by its other name. */
    assert_held(scene, "ln $OUTSIDE/theirs got && echo x >>got", "rm got");
}

static void what_is_hidden_is_not_read_by_any_name(void **state) {
    struct scene *scene = *state;
    assert_held(scene, "cat $HIDDEN/secret", NULL);
    assert_held(scene, "ls $HIDDEN", NULL);
    assert_held(scene, "cat ../data/secret", NULL);
    assert_held(scene, "ln -s ../data d && cat d/secret", "rm d");
    assert_held(scene, "cat /proc/self/root$HIDDEN/secret", NULL);
    assert_held(scene, "cd $HIDDEN && cat secret", NULL);
    assert_held(scene, "ln $HIDDEN/secret got && cat got", "rm got");
    assert_held(scene, "ls $HIDDEN/spool/" KIT_NAME, NULL);
    assert_held(scene, "echo x >$HIDDEN/new", "rm $HIDDEN/new");
    assert_held(scene, "cp /bin/true $HIDDEN/t 2>/dev/null; $HIDDEN/t", "rm $HIDDEN/t");
}

static void devices_are_not_reached(void **state) {
    struct scene *scene = *state;
    assert_held(scene, "ls /dev", NULL);
    assert_held(scene, "echo x >/dev/shm/drover-test-$$ && rm /dev/shm/drover-test-$$", NULL);
    assert_held(scene, ": <>/dev/ptmx", NULL);
}

/* --- Processes and privileges ----------------------------------------------------------------- */

static void it_has_no_capability_and_gets_none(void **state) {
    struct scene *scene = *state;
    assert_allowed(scene, "set -- $(grep -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status);"
                          "[ $2$4$6$8 = $(printf '%064d' 0) ] &&"
                          "grep -q '^NoNewPrivs:\t1' /proc/self/status &&"
                          "grep -q '^Seccomp:\t2' /proc/self/status");
}

static void namespaces_and_mounts_are_refused(void **state) {
    struct scene *scene = *state;
    assert_int_not_equal(code_of(scene, SANDBOX, "unshare -Ur true"), 0);
    assert_int_not_equal(code_of(scene, SANDBOX, "unshare -m true"), 0);
    assert_int_not_equal(code_of(scene, SANDBOX, "mount --bind $OUTSIDE ."), 0);
}

static void other_processes_are_not_looked_into(void **state) {
    struct scene *scene = *state;
    assert_held(scene, "tr '\\0' '\\n' </proc/$HOLDER_OF/environ | grep -q PATH", NULL);
    assert_held(scene, "ls -l /proc/$HOLDER_OF/fd/", NULL);
    assert_held(scene, "readlink /proc/$HOLDER_OF/cwd", NULL);
    assert_held(scene, "readlink /proc/$PPID/exe", NULL); /* Its own holder. */
}

static void other_processes_get_no_signals(void **state) {
    struct scene *scene = *state;
    if (syscall(444, NULL, 0UL, 1) < 6) {
        print_message("skipped: this kernel's landlock does not judge signals (ABI 6 does)\n");
        skip();
    }
    assert_held(scene, "kill -0 $HOLDER_OF", NULL);
    assert_held(scene, "kill -0 $PPID", NULL);
    assert_allowed(scene, "sleep 60 & kill $! && wait $!; [ $? = 143 ]");
}

static void other_processes_keep_their_limits(void **state) {
    struct scene *scene = *state;
    static const char line[] = "prlimit --pid $HOLDER_OF --core=0:0";
    assert_int_not_equal(code_of(scene, SANDBOX, line), 0);
    assert_allowed(scene, "ulimit -n 64 && [ $(ulimit -n) = 64 ]");
}

static void unix_sockets_are_refused(void **state) {
    struct scene *scene = *state;
    static const char make[] = "perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0) or exit 1'";
    static const char pair[] =
        "perl -MSocket -e 'socketpair(A, B, AF_UNIX, SOCK_STREAM, 0) or exit 1'";
    static const char inet[] = "perl -MSocket -e 'socket(S, AF_INET, SOCK_STREAM, 0) or exit 1'";
    assert_held(scene, make, NULL);
    assert_allowed(scene, pair);
    assert_allowed(scene, inet);
}

static void files_do_not_run_as_their_owner(void **state) {
    struct scene *scene = *state;
    assert_held(scene, "cp /bin/true t && chmod u+s t", NULL);
    assert_held(scene, "chmod g+s mine", NULL);
    assert_held(scene, "perl -e 'use Fcntl; sysopen(F, \"s\", O_CREAT|O_RDWR, 04755) or exit 1'",
                "rm s");
    assert_allowed(scene, "chmod 1777 . && chmod 755 mine");
}

static void a_terminal_is_its_own_and_nobody_types_into_it(void **state) {
    struct scene *scene = *state;
    const char *const hide[] = {scene->hidden, NULL};
    static const char line[] =
        "test -t 0 && echo seen >/dev/tty && echo again >/dev/stderr && stty size >/dev/null &&"
        "perl -e 'my $c = \"x\"; exit(ioctl(STDIN, 0x5412, $c) ? 1 : 0)'";
    struct kit_order order = {.shell = line,
                              .cwd = scene->work,
                              .hide = hide,
                              .rows = 20,
                              .columns = 70,
                              .flags = ORDER_SANDBOX | ORDER_PTY};
    const char *json = kit_run(scene->kit, &order);
    assert_int_equal(kit_number(json, "code"), 0);
    kit_assert_file(scene->kit, "pty.head", "seen\r\nagain\r\n");
}

/* --- Beginning and end ------------------------------------------------------------------------ */

static void assert_not_started(const char *json, const char *step, int os) {
    kit_assert_text(json, "end", "not_started");
    kit_assert_text(json, "step", step);
    assert_int_equal(kit_number(json, "errno"), os);
    assert_int_equal(kit_number(json, "sandbox"), 0);
}

static const char *run_in(const struct scene *scene, const char *cwd) {
    const char *const hide[] = {scene->hidden, NULL};
    struct kit_order order = {.shell = "true", .cwd = cwd, .hide = hide, .flags = ORDER_SANDBOX};
    return kit_run(scene->kit, &order);
}

static void a_folder_around_what_is_hidden_is_refused(void **state) {
    struct scene *scene = *state;
    assert_not_started(run_in(scene, scene->folder), "sandbox_cwd", EACCES);
    forget(scene);
    assert_not_started(run_in(scene, "/"), "sandbox_cwd", EACCES);
}

static void a_folder_in_what_is_hidden_is_refused(void **state) {
    struct scene *scene = *state;
    char link[KIT_PATH_SIZE];
    (void)snprintf(link, sizeof link, "%s/link", scene->folder);
    assert_not_started(run_in(scene, scene->hidden), "sandbox_cwd", EACCES);
    forget(scene);
    assert_not_started(run_in(scene, scene->kit->spool), "sandbox_cwd", EACCES);
    forget(scene);
    assert_int_equal(symlink(scene->kit->spool, link), 0);
    assert_not_started(run_in(scene, link), "sandbox_cwd", EACCES);
    forget(scene);
    assert_not_started(run_in(scene, "/dev"), "sandbox_cwd", EACCES);
}

static void a_folder_that_is_gone_is_still_told_as_such(void **state) {
    struct scene *scene = *state;
    assert_not_started(run_in(scene, "/there/is/none"), "chdir", ENOENT);
}

static void a_program_that_is_hidden_is_not_found(void **state) {
    struct scene *scene = *state;
    char path[KIT_PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s/secret", scene->hidden);
    assert_int_equal(chmod(path, 0700), 0);
    const char *const argv[] = {path, NULL}, *const hide[] = {scene->hidden, NULL};
    struct kit_order order = {
        .argv = argv, .cwd = scene->work, .hide = hide, .flags = ORDER_SANDBOX};
    assert_not_started(kit_run(scene->kit, &order), "exec", EACCES);
}

static char *tmp_of(const struct scene *scene, char *path) {
    kit_path(scene->kit, PROTOCOL_TMP, path);
    return path;
}

/* kit_run waits for the holder's end, and there is a result by then. */
static void temporary_files_are_gone_at_the_end(void **state) {
    struct scene *scene = *state;
    const char *json = run_line(
        scene, SANDBOX,
        "cd $TMPDIR && mkdir -p a/b/c && touch a/b/c/f && chmod 0 a/b/c a/b a &&"
        "i=0; while [ $i -lt 300 ]; do mkdir d && cd d; i=$((i+1)); done; chmod 0 $TMPDIR");
    assert_int_equal(kit_number(json, "code"), 0);
    assert_false(kit_has(scene->kit, PROTOCOL_TMP));
}

static void a_killed_holder_leaves_them_and_its_command_ends(void **state) {
    struct scene *scene = *state;
    char path[KIT_PATH_SIZE];
    struct variables variables;
    fill_variables(scene, &variables);
    const char *const hide[] = {scene->hidden, NULL};
    struct kit_order order = {.shell = "echo $$ >$TMPDIR/pid && mv $TMPDIR/pid $TMPDIR/there;"
                                       "exec sleep 60",
                              .env = variables.list,
                              .cwd = scene->work,
                              .hide = hide,
                              .flags = ORDER_SANDBOX};
    struct held *held = kit_start(scene->kit, &order);
    (void)kit_wait_line(held, "claimed");
    strcat(tmp_of(scene, path), "/there");
    for (unsigned i = 0; access(path, F_OK) != 0; i++) {
        assert_true(i < 12000);
        (void)poll(NULL, 0, 5);
    }
    FILE *file = fopen(path, "r");
    int pid = 0;
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &pid), 1);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(kill(held->pid, SIGKILL), 0);
    (void)kit_wait_process(held);
    assert_true(kit_has(scene->kit, PROTOCOL_TMP));
    (void)snprintf(path, sizeof path, "/proc/%d/cwd", pid);
    char target[KIT_PATH_SIZE];
    for (unsigned i = 0; readlink(path, target, sizeof target) >= 0;
         i++) { /* The dead have none. */
        assert_true(i < 12000);
        (void)poll(NULL, 0, 5);
    }
}

/* --- Orders ----------------------------------------------------------------------------------- */

static void assert_refused(const struct scene *scene, const struct kit_order *order, int os) {
    struct held *held = kit_start(scene->kit, order);
    int status = kit_wait_process(held);
    assert_int_equal(status, os << 8);
    assert_false(kit_has(scene->kit, "claim"));
}

static void a_sandbox_that_hides_nothing_is_refused(void **state) {
    struct scene *scene = *state;
    const char *const nothing[] = {NULL};
    struct kit_order order = {
        .shell = "true", .cwd = scene->work, .hide = nothing, .flags = ORDER_SANDBOX};
    assert_refused(scene, &order, ENOTSUP);
}

/* Older holders would take it, and run the command without any. */
static void a_sandbox_in_an_order_of_the_old_kind_is_refused(void **state) {
    struct scene *scene = *state;
    struct kit_order order = {.shell = "true", .cwd = scene->work, .flags = ORDER_SANDBOX};
    assert_refused(scene, &order, ENOTSUP);
}

static void what_a_strict_order_wants_and_nobody_knows_is_refused(void **state) {
    struct scene *scene = *state;
    const char *const hide[] = {scene->hidden, NULL};
    struct kit_order order = {.shell = "true", .cwd = scene->work, .hide = hide, .flags = 1 << 20};
    assert_refused(scene, &order, ENOTSUP);
}

int main(void) {
    const struct CMUnitTest orders[] = {
        SCENE_TEST(a_sandbox_that_hides_nothing_is_refused),
        SCENE_TEST(a_sandbox_in_an_order_of_the_old_kind_is_refused),
        SCENE_TEST(what_a_strict_order_wants_and_nobody_knows_is_refused),
    };
    const struct CMUnitTest tests[] = {
        SCENE_TEST(it_works_in_its_folder),
        SCENE_TEST(it_has_a_folder_of_its_own_for_temporary_files),
        SCENE_TEST(it_reads_and_runs_what_the_system_has),
        SCENE_TEST(nothing_outside_is_written),
        SCENE_TEST(it_writes_in_a_folder_that_was_opened_for_it_but_through_no_link),
        SCENE_TEST(nothing_is_moved_or_linked_out_or_in),
        SCENE_TEST(what_is_hidden_is_not_read_by_any_name),
        SCENE_TEST(devices_are_not_reached),
        SCENE_TEST(it_has_no_capability_and_gets_none),
        SCENE_TEST(namespaces_and_mounts_are_refused),
        SCENE_TEST(other_processes_are_not_looked_into),
        SCENE_TEST(other_processes_get_no_signals),
        SCENE_TEST(other_processes_keep_their_limits),
        SCENE_TEST(unix_sockets_are_refused),
        SCENE_TEST(files_do_not_run_as_their_owner),
        SCENE_TEST(a_terminal_is_its_own_and_nobody_types_into_it),
        SCENE_TEST(a_folder_around_what_is_hidden_is_refused),
        SCENE_TEST(a_folder_in_what_is_hidden_is_refused),
        SCENE_TEST(a_folder_that_is_gone_is_still_told_as_such),
        SCENE_TEST(a_program_that_is_hidden_is_not_found),
        SCENE_TEST(temporary_files_are_gone_at_the_end),
        SCENE_TEST(a_killed_holder_leaves_them_and_its_command_ends),
    };
    int failed = cmocka_run_group_tests_name("holder_program_sandbox_orders", orders, NULL, NULL);
    if (!has_landlock()) {
        print_message("skipped: this kernel has no landlock, so there is no sandbox\n");
        return failed != 0 ? failed : SKIPPED;
    }
    return failed + cmocka_run_group_tests_name("holder_program_sandbox", tests, NULL, NULL);
}
