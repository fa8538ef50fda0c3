/* The child that looks at folders as a process: its ends, and the ends of its git. */
#include "changes_kit.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

enum { PART = 1 << 20 };

/* A pipe whose write end is inherited by programs, too: reading ends when all of them are gone. */
struct life {
    int read_fd, write_fd;
};

static struct life life_open(void) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    return (struct life){ends[0], ends[1]};
}

static void life_await_end(struct life *life) {
    char byte;
    assert_int_equal(read(life->read_fd, &byte, 1), 0);
    fd_release(&life->read_fd);
}

static void git_dies_with_a_child_that_is_killed(void **state) {
    struct scene *scene = *state;
    char script[256], order[1024];
    struct life life = life_open();
    (void)snprintf(
        script, sizeof script,
        "printf '#!/bin/sh\\necho >&%d\\nexec sleep 1000\\n' > ../git && chmod +x ../git",
        life.write_fd);
    shell(scene, script);
    (void)snprintf(order, sizeof order,
                   "{\"do\":\"point\",\"git\":\"%s/git\",\"shadow\":\"%s\",\"index\":\"w\","
                   "\"root\":\"%s\"}",
                   scene->folder, scene->shadow, scene->root);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        AUTO(text_done) struct text answer = text_up_to(CHANGES_ANSWER_MAX);
        changes_answer(bytes_of(order), &answer, &scene->body);
        _exit(0);
    }
    fd_release(&life.write_fd);
    char byte;
    assert_int_equal(read(life.read_fd, &byte, 1), 1); /* Git runs. */
    assert_int_equal(kill(child, SIGKILL), 0);
    life_await_end(&life);
    assert_int_equal(waitpid(child, NULL, 0), child);
    /* The next pass is not hindered by what is left. */
    put(scene, "a", "a");
    (void)snprintf(scene->world, sizeof scene->world, "w");
    assert_files(scene, "", point_tree(scene, "").hash, "create a,");
}

static void the_child_dies_with_the_daemon(void **state) {
    (void)state;
    static char part[PART];
    struct life life = life_open();
    int input[2];
    memset(part, ' ', sizeof part);
    assert_int_equal(pipe2(input, O_CLOEXEC), 0);
    const pid_t daemon = fork();
    assert_true(daemon >= 0);
    if (daemon == 0) {
        const pid_t child = fork();
        if (child == 0) {
            (void)dup2(input[0], STDIN_FILENO);
            _exit(changes_child_main(NULL));
        }
        (void)pause();
        _exit(child < 0);
    }
    fd_release(&life.write_fd);
    /* More than a pipe holds: once it is written, the child reads its order and waits for more. */
    assert_int_equal(write(input[1], part, sizeof part), sizeof part);
    assert_int_equal(kill(daemon, SIGKILL), 0);
    life_await_end(&life);
    assert_int_equal(waitpid(daemon, NULL, 0), daemon);
    fd_release(&input[0]);
    fd_release(&input[1]);
}

static void the_body_follows_the_line_of_the_answer(void **state) {
    struct scene *scene = *state;
    char order[1024], answer[4096];
    int input[2], output[2];
    put(scene, "a", "one\n");
    const struct tree tree = point_tree(scene, "");
    assert_int_equal(pipe2(input, O_CLOEXEC), 0);
    assert_int_equal(pipe2(output, O_CLOEXEC), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)dup2(input[0], STDIN_FILENO);
        (void)dup2(output[1], STDOUT_FILENO);
        (void)close(input[1]);
        _exit(changes_child_main(NULL));
    }
    const int len = snprintf(order, sizeof order,
                             "{\"do\":\"diff\",\"shadow\":\"%s\",\"from\":\"\",\"to\":\"%s\"}\n",
                             scene->shadow, tree.hash);
    assert_int_equal(write(input[1], order, (size_t)len), len);
    fd_release(&input[1]);
    fd_release(&output[1]);
    size_t got = 0;
    for (ssize_t more = 1; more > 0; got += (size_t)more) {
        more = read(output[0], answer + got, sizeof answer - 1 - got);
        assert_true(more >= 0);
    }
    answer[got] = '\0';
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    char *body = strchr(answer, '\n');
    assert_non_null(body);
    *body++ = '\0';
    AUTO(json_release) json_t *line = NULL;
    assert_int_equal(json_parse(answer, strlen(answer), JSON_DEPTH_MAX, &line, NULL).code,
                     ERR_NONE);
    assert_int_equal(json_int(line, "bytes", 0), strlen(body));
    assert_non_null(strstr(body, "+one\n"));
    fd_release(&input[0]);
    fd_release(&output[0]);
}

/* A git that kills the child at one of its calls, before or after the work is done. */
static void killer_write(const struct scene *scene, int call, const char *work) {
    char path[128], script[1024];
    (void)snprintf(path, sizeof path, "%s/git", scene->folder);
    (void)snprintf(script, sizeof script,
                   "#!/bin/sh\nN=$(cat %s/count)\necho $((N + 1)) > %s/count\n"
                   "if test $N = %d; then %s; kill -9 $PPID; fi\nexec /usr/bin/git \"$@\"\n",
                   scene->folder, scene->folder, call, work);
    AUTO(fd_release) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, script, strlen(script)), strlen(script));
    shell(scene, "echo 0 > ../count");
}

static void a_pass_killed_at_any_call_of_git_harms_no_later_one(void **state) {
    struct scene *scene = *state;
    static const char *const works[] = {"true", "/usr/bin/git \"$@\""};
    enum { CALLS = 3 }; /* List, store, write the tree. */
    char order[1024], text[32];
    unsigned killed = 0;
    (void)snprintf(order, sizeof order,
                   "{\"do\":\"point\",\"git\":\"%s/git\",\"shadow\":\"%s\",\"index\":\"wld_1\","
                   "\"root\":\"%s\"}",
                   scene->folder, scene->shadow, scene->root);
    put(scene, "kept", "kept\n");
    struct tree before = point_tree(scene, "");
    for (int i = 0; i < 2 * CALLS; i++) {
        (void)snprintf(text, sizeof text, "content %d\n", i);
        put(scene, "edit", text);
        put(scene, "folder/edit", text);
        killer_write(scene, i / 2, works[i % 2]);
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            AUTO(text_done) struct text answer = text_up_to(CHANGES_ANSWER_MAX);
            changes_answer(bytes_of(order), &answer, &scene->body);
            _exit(0);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        killed += WIFSIGNALED(status) ? 1 : 0;
        const struct tree after = point_tree(scene, "");
        const char *const wanted =
            i == 0 ? "create edit,create folder/edit," : "edit edit,edit folder/edit,";
        assert_files(scene, before.hash, after.hash, wanted);
        before = after;
    }
    assert_int_equal(killed, 2 * CALLS);
    shell(scene, "cd ../data/changes/repo.git && git --git-dir=. fsck --full > /dev/null 2>&1");
}

static void passes_of_one_world_at_once_wait_for_each_other(void **state) {
    struct scene *scene = *state;
    enum { CHILDREN = 6, FILES = 150 };
    pid_t children[CHILDREN];
    char order[1024];
    (void)snprintf(order, sizeof order,
                   "{\"do\":\"point\",\"shadow\":\"%s\",\"index\":\"wld_1\",\"root\":\"%s\"}",
                   scene->shadow, scene->root);
    for (int i = 0; i < FILES; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "f%d", i);
        put(scene, name, name);
    }
    for (int i = 0; i < CHILDREN; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            AUTO(text_done) struct text answer = text_up_to(CHANGES_ANSWER_MAX);
            changes_answer(bytes_of(order), &answer, &scene->body);
            _exit(strstr(answer.data, "\"files\":150,") != NULL ? 0 : 1);
        }
    }
    for (int i = 0; i < CHILDREN; i++) {
        int status = 0;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    AUTO(json_release) json_t *last = point_with(scene, "");
    assert_string_equal(json_str(last, "taken", ""), "same");
}

/* Whether a process waits for a lock. The kernel lists it as "1: -> FLOCK ADVISORY WRITE PID …". */
static bool waits_for_lock(pid_t pid) {
    char line[256], wanted[32];
    bool found = false;
    FILE *locks = fopen("/proc/locks", "re");
    assert_non_null(locks);
    (void)snprintf(wanted, sizeof wanted, " %d ", (int)pid);
    while (fgets(line, sizeof line, locks) != NULL) {
        found = found || (strstr(line, "-> FLOCK") != NULL && strstr(line, wanted) != NULL);
    }
    (void)fclose(locks);
    return found;
}

static void a_pass_waits_for_the_one_before_it(void **state) {
    struct scene *scene = *state;
    char path[256], order[1024];
    put(scene, "a", "a");
    (void)point_tree(scene, "");
    (void)snprintf(path, sizeof path, "%s/worlds/wld_1/lock", scene->shadow);
    /* Even a shared lock keeps a pass away. */
    AUTO(fd_release) int lock_fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(lock_fd, LOCK_SH), 0);
    (void)snprintf(order, sizeof order,
                   "{\"do\":\"point\",\"shadow\":\"%s\",\"index\":\"wld_1\",\"root\":\"%s\"}",
                   scene->shadow, scene->root);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        fd_release(&lock_fd);
        AUTO(text_done) struct text answer = text_up_to(CHANGES_ANSWER_MAX);
        changes_answer(bytes_of(order), &answer, &scene->body);
        _exit(strstr(answer.data, "\"files\":1,") != NULL ? 0 : 1);
    }
    int status = 0;
    pid_t ended = 0;
    while (ended == 0 && !waits_for_lock(child)) {
        ended = waitpid(child, &status, WNOHANG);
    }
    assert_int_equal(ended, 0);
    fd_release(&lock_fd);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void the_program_is_known_by_its_name(void **state) {
    (void)state;
    assert_true(changes_child_is("drover-changes"));
    assert_true(changes_child_is("/usr/bin/drover-changes"));
    assert_false(changes_child_is("drover"));
    assert_false(changes_child_is("drover-changes/drover"));
    assert_false(changes_child_is(NULL));
}

int main(void) {
    json_setup();
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_open, scene_close)
    const struct CMUnitTest tests[] = {
        TEST(git_dies_with_a_child_that_is_killed),
        TEST(the_child_dies_with_the_daemon),
        TEST(the_body_follows_the_line_of_the_answer),
        TEST(a_pass_killed_at_any_call_of_git_harms_no_later_one),
        TEST(passes_of_one_world_at_once_wait_for_each_other),
        TEST(a_pass_waits_for_the_one_before_it),
        TEST(the_program_is_known_by_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
