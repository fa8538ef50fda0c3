/* test_changes_apply.c: files of a plan come into the folder, all or none, over kills, failures of
 * the disk and writes of others, at each call that changes the disk. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "changes_kit.h"

/* --- Calls that change the disk --------------------------------------------------------------- */

/* Called before each such call, with its number from 1. True: the call fails with errno. */
static bool (*hook)(int number);
static int calls;

static bool call_fails(void) {
    bool (*const armed)(int) = hook;
    if (armed == NULL) {
        return false;
    }
    hook = NULL; /* The hook may change the disk itself. */
    const bool fails = armed(++calls);
    const int os = errno;
    hook = armed;
    errno = os;
    return fails;
}

int __real_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags) {
    return call_fails() ? -1 : __real_renameat2(from_fd, from, to_fd, to, flags);
}
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to) {
    return call_fails() ? -1 : __real_rename(from, to);
}
int __wrap_fsync(int fd);
int __wrap_fsync(int fd) { /* Processes are killed here, but not the machine. */
    (void)fd;
    return call_fails() ? -1 : 0;
}
int __wrap_syncfs(int fd);
int __wrap_syncfs(int fd) {
    (void)fd;
    return call_fails() ? -1 : 0;
}
int __real_unlinkat(int fd, const char *name, int flags);
int __wrap_unlinkat(int fd, const char *name, int flags);
int __wrap_unlinkat(int fd, const char *name, int flags) {
    return call_fails() ? -1 : __real_unlinkat(fd, name, flags);
}
int __real_unlink(const char *name);
int __wrap_unlink(const char *name);
int __wrap_unlink(const char *name) {
    return call_fails() ? -1 : __real_unlink(name);
}
int __real_mkdirat(int fd, const char *name, mode_t mode);
int __wrap_mkdirat(int fd, const char *name, mode_t mode);
int __wrap_mkdirat(int fd, const char *name, mode_t mode) {
    return call_fails() ? -1 : __real_mkdirat(fd, name, mode);
}
int __real_symlinkat(const char *target, int fd, const char *name);
int __wrap_symlinkat(const char *target, int fd, const char *name);
int __wrap_symlinkat(const char *target, int fd, const char *name) {
    return call_fails() ? -1 : __real_symlinkat(target, fd, name);
}
ssize_t __real_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len) {
    return call_fails() ? -1 : __real_write(fd, bytes, len);
}

/* --- A folder as text ------------------------------------------------------------------------- */

static void content_add(struct text *text, const char *path) {
    char bytes[4096];
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t len = read(fd, bytes, sizeof bytes);
    assert_true(len >= 0 && len < (ssize_t)sizeof bytes);
    text_add_json(text, bytes, (size_t)len);
}

static void folder_add(struct text *text, const char *folder, size_t root_len) {
    struct dirent **names = NULL;
    const int count = scandir(folder, &names, NULL, alphasort);
    assert_true(count >= 0);
    for (int i = 0; i < count; i++) {
        char path[1024];
        struct stat about;
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
        const bool self = strcmp(names[i]->d_name, ".") == 0 || strcmp(names[i]->d_name, "..") == 0;
        free(names[i]);
        if (self) {
            continue;
        }
        assert_int_equal(lstat(path, &about), 0);
        if (S_ISDIR(about.st_mode)) {
            folder_add(text, path, root_len);
            continue;
        }
        text_addf(text, "%s %o ", path + root_len + 1, about.st_mode);
        if (S_ISLNK(about.st_mode)) {
            char target[256];
            const ssize_t len = readlink(path, target, sizeof target);
            text_add(text, target, len > 0 ? (size_t)len : 0);
        } else {
            content_add(text, path);
        }
        text_add_char(text, '\n');
    }
    free(names);
}

/* Owned. Folders without files do not count. */
static char *folder_text(const struct scene *scene) {
    AUTO(text_done) struct text text = text_up_to(1 << 20);
    folder_add(&text, scene->root, strlen(scene->root));
    text_add_char(&text, '\n');
    assert_false(text_failed(&text));
    return text_take(&text, NULL);
}

static void assert_folder(const struct scene *scene, const char *wanted) {
    AUTO(mem_release) char *found = folder_text(scene);
    assert_string_equal(found, wanted);
}

/* --- A plan ----------------------------------------------------------------------------------- */

struct plan {
    struct scene *scene;
    char *order;          /* Owned; all but the way. */
    char *before, *after; /* Owned; texts of the folder. */
};

static void plan_done(struct plan *plan) {
    mem_free(plan->order);
    mem_free(plan->before);
    mem_free(plan->after);
}

/* The plan that takes back what `command` does to the folder as it is. */
static struct plan plan_make(struct scene *scene, const char *command) {
    struct plan plan = {.scene = scene};
    const struct tree first = point_tree(scene, "");
    plan.after = folder_text(scene);
    shell(scene, command);
    const struct tree last = point_tree(scene, "");
    plan.before = folder_text(scene);
    AUTO(text_done) struct text text = text_up_to(CHANGES_ORDER_MAX);
    text_addf(&text, ",\"mine\":1,\"steps\":[{\"tree\":\"%s\",\"by\":1}]", last.hash);
    AUTO(json_release) json_t *answer = between(scene, "rewind", first.hash, last.hash, text.data);
    text_clear(&text);
    text_addf(&text, ",\"root\":\"%s\",\"folder\":\"%s/data/staging\",\"name\":\"rw_1\"",
              scene->root, scene->folder);
    json_add_member(&text, "files", json_object_get(answer, "files"));
    assert_false(text_failed(&text));
    plan.order = text_take(&text, NULL);
    shell(scene, "rm -rf ../saved && cp -a . ../saved");
    return plan;
}

/* The folder as the plan found it, and no journal. */
static void plan_reset(const struct plan *plan) {
    shell(plan->scene,
          "rm -rf ../data/staging && find . -mindepth 1 -delete && cp -a ../saved/. .");
}

static json_t *apply(const struct plan *plan, const char *way) {
    AUTO(text_done) struct text more = text_up_to(CHANGES_ORDER_MAX);
    text_addf(&more, "%s,\"way\":\"%s\"", plan->order, way);
    return perform(plan->scene, "apply", more.data);
}

static const char *error_code(const json_t *answer) {
    return json_str(json_object_get(answer, "error"), "code", "");
}

static void assert_applied(const struct plan *plan, const char *way) {
    AUTO(json_release) json_t *answer = apply(plan, way);
    if (json_object_get(answer, "error") != NULL) {
        fail_msg("%s", json_str(json_object_get(answer, "error"), "detail", ""));
    }
    if (strcmp(json_str(answer, "state", ""), "applied") != 0) {
        const json_t *paths = json_object_get(answer, "paths");
        fail_msg("changed: %s", json_string_value(json_array_get(paths, 0)));
    }
    assert_folder(plan->scene, strcmp(way, "back") == 0 ? plan->before : plan->after);
}

/* All kinds of changes: of content, mode and kind, deletions, creations, folders for files. */
static const char all_kinds[] =
    "echo 2 > edit; chmod +x mode; ln -sfn there link; rm gone deep/er/gone; "
    "rmdir -p deep/er; mkdir -p new/er; echo n > new/er/n; echo n > new/n; rm file; mkdir file; "
    "echo x > file/x; rm -r folder; echo f > folder; rm become; ln -s edit become; echo t > turn; "
    "rm turn; echo t > turned; mkdir \"$(printf 'd\\n\\377')\"; "
    "echo o > \"$(printf 'd\\n\\377/q\"')\"; mv Case case";

static void all_kinds_begin(struct scene *scene) {
    shell(scene, "echo 1 > edit; echo m > mode; ln -s here link; echo g > gone; mkdir -p deep/er; "
                 "echo g > deep/er/gone; echo f > file; mkdir -p folder/in; echo 1 > folder/1; "
                 "echo 2 > folder/in/2; echo b > become; echo c > Case; echo stays > stays");
}

/* --- Tests ------------------------------------------------------------------------------------ */

static void all_kinds_of_changes_are_applied_and_taken_back(void **state) {
    struct scene *scene = *state;
    all_kinds_begin(scene);
    AUTO(plan_done) struct plan plan = plan_make(scene, all_kinds);
    struct stat about;
    char path[256];
    assert_applied(&plan, "forward");
    assert_applied(&plan, "forward");
    (void)snprintf(path, sizeof path, "%s/new", scene->root);
    assert_int_equal(lstat(path, &about), -1); /* Folders that became empty are gone. */
    assert_applied(&plan, "back");
    assert_applied(&plan, "back");
    assert_applied(&plan, "forward");
}

static void a_repeated_order_has_the_same_answer_whatever_happens_later(void **state) {
    struct scene *scene = *state;
    all_kinds_begin(scene);
    AUTO(plan_done) struct plan plan = plan_make(scene, all_kinds);
    assert_applied(&plan, "forward");
    put(scene, "edit", "later\n");
    AUTO(json_release) json_t *answer = apply(&plan, "forward");
    assert_string_equal(json_str(answer, "state", ""), "applied");
    shell(scene, "grep -q later edit");
}

static void a_file_that_was_changed_since_stops_all(void **state) {
    struct scene *scene = *state;
    static const char *const changes[][2] = {
        {"echo y > edit", "edit"},
        {"chmod -x mode; echo y > mode", "mode"},
        {"rm link", "link"},
        {"echo y > gone", "gone"},
        {"echo y > new/n", "new/n"},
        {"mkdir gone", "gone"},
        {"rm edit; mkdir edit", "edit"},
        {"mkdir deep; echo y > deep/er", ""},
        {"echo y > file/y", "file"},
        {"ln -sfn else become", "become"},
        {"ln -s edit gone", "gone"},
        {"echo y > new/er/n", "new/er/n"},
    };
    all_kinds_begin(scene);
    AUTO(plan_done) struct plan plan = plan_make(scene, all_kinds);
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        plan_reset(&plan);
        shell(scene, changes[i][0]);
        shell(scene, "rm -rf ../held && cp -a . ../held");
        AUTO(json_release) json_t *answer = apply(&plan, "forward");
        AUTO(text_done) struct text paths = text_up_to(1000);
        const json_t *list = json_object_get(answer, "paths");
        for (size_t j = 0; j < json_array_size(list); j++) {
            text_addf(&paths, "%s%s", j > 0 ? " " : "", json_string_value(json_array_get(list, j)));
        }
        assert_string_equal(json_str(answer, "state", ""), "changed");
        if (changes[i][1][0] != '\0') {
            assert_string_equal(paths.data, changes[i][1]);
        }
        shell(scene, "diff -r --no-dereference . ../held");
        shell(scene, "! find . -name '.drover-*' | grep . && ! ls ../data/staging | grep .");
    }
}

static int target;

static bool kill_hook(int number) {
    if (number == target) {
        (void)kill(getpid(), SIGKILL);
    }
    return false;
}

/* Runs the order in a process that is killed before call `number`. False: it ended before that. */
static bool apply_killed(const struct plan *plan, const char *way, int number) {
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        target = number;
        calls = 0;
        hook = kill_hook;
        AUTO(json_release) json_t *answer = apply(plan, way);
        _exit(strcmp(json_str(answer, "state", ""), "applied") == 0 ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

static void an_order_killed_at_any_call_is_finished_by_the_next(void **state) {
    struct scene *scene = *state;
    all_kinds_begin(scene);
    AUTO(plan_done) struct plan plan = plan_make(scene, all_kinds);
    bool killed = true;
    int count = 0;
    for (int n = 1; killed; n++, count++) {
        plan_reset(&plan);
        killed = apply_killed(&plan, "forward", n);
        assert_applied(&plan, "forward");
    }
    assert_true(count > 60);
}

static void an_order_killed_twice_is_finished_too(void **state) {
    struct scene *scene = *state;
    all_kinds_begin(scene);
    AUTO(plan_done) struct plan plan = plan_make(scene, all_kinds);
    bool killed = true;
    for (int n = 1; killed; n += 7) {
        plan_reset(&plan);
        killed = apply_killed(&plan, "forward", n);
        for (int m = 1; m < 40; m += 5) {
            (void)apply_killed(&plan, "forward", m);
        }
        assert_applied(&plan, "forward");
    }
}

static void an_order_killed_at_any_call_is_taken_back(void **state) {
    struct scene *scene = *state;
    all_kinds_begin(scene);
    AUTO(plan_done) struct plan plan = plan_make(scene, all_kinds);
    bool killed = true;
    for (int n = 1; killed; n += 2) {
        plan_reset(&plan);
        killed = apply_killed(&plan, "forward", n);
        (void)apply_killed(&plan, "back", n);
        assert_applied(&plan, "back");
        assert_applied(&plan, "forward");
    }
}

static void a_change_after_a_kill_brings_all_others_back(void **state) {
    struct scene *scene = *state;
    all_kinds_begin(scene);
    AUTO(plan_done) struct plan plan = plan_make(scene, all_kinds);
    bool killed = true;
    int changed = 0;
    for (int n = 1; killed; n += 2) {
        plan_reset(&plan);
        killed = apply_killed(&plan, "forward", n);
        put(scene, "edit", "mine\n");
        AUTO(json_release) json_t *answer = apply(&plan, "forward");
        shell(scene, "test \"$(cat edit)\" = mine && ! find . -name '.drover-*' | grep .");
        const bool is_applied = strcmp(json_str(answer, "state", ""), "applied") == 0;
        changed += !is_applied;
        put(scene, "edit", is_applied ? "1\n" : "2\n");
        AUTO(mem_release) char *found = folder_text(scene);
        AUTO(mem_release)
        char *wanted = mem_copy(is_applied ? plan.after : plan.before,
                                strlen(is_applied ? plan.after : plan.before));
        assert_string_equal(found, wanted);
    }
    assert_true(changed > 10);
}

/* --- Failures --------------------------------------------------------------------------------- */

static int failure;

static bool fail_hook(int number) {
    errno = failure;
    return number == target;
}

static void a_failure_at_any_call_leaves_all_as_it_was(void **state) {
    struct scene *scene = *state;
    static const int failures[] = {ENOSPC, EACCES};
    all_kinds_begin(scene);
    AUTO(plan_done) struct plan plan = plan_make(scene, all_kinds);
    for (size_t i = 0; i < COUNT_OF(failures); i++) {
        int refused = 0;
        for (int n = 1 + (int)i;; n += 2) {
            plan_reset(&plan);
            failure = failures[i];
            target = n;
            calls = 0;
            hook = fail_hook;
            AUTO(json_release) json_t *answer = apply(&plan, "forward");
            hook = NULL;
            const bool is_applied = strcmp(json_str(answer, "state", ""), "applied") == 0;
            if (!is_applied) {
                refused++;
                assert_string_equal(error_code(answer),
                                    failure == ENOSPC ? "disk_full" : "no_permission");
                assert_folder(scene, plan.before);
            }
            assert_applied(&plan, "forward");
            if (calls < n) {
                break;
            }
        }
        assert_true(refused > 20);
    }
}

static bool fail_on_hook(int number) {
    errno = failure;
    return number >= target;
}

static void a_disk_that_stays_full_is_finished_when_there_is_room(void **state) {
    struct scene *scene = *state;
    all_kinds_begin(scene);
    AUTO(plan_done) struct plan plan = plan_make(scene, all_kinds);
    for (int n = 1; n < 120; n += 3) {
        plan_reset(&plan);
        failure = ENOSPC;
        target = n;
        calls = 0;
        hook = fail_on_hook;
        AUTO(json_release) json_t *answer = apply(&plan, "forward");
        hook = NULL;
        const bool is_applied = strcmp(json_str(answer, "state", ""), "applied") == 0;
        assert_true(is_applied || strcmp(error_code(answer), "disk_full") == 0);
        assert_applied(&plan, "forward");
    }
}

/* --- Others who write ------------------------------------------------------------------------- */

static const struct scene *hook_scene;
static int hook_way, hook_fd = -1;
static const char *hook_name;

/* Ways in which a program writes a file. LATE: some calls after it has opened the file; LAST: after
 * the order has ended. */
enum { WRITE_OVER, WRITE_REPLACE, WRITE_APPEND, WRITE_LATE, WRITE_LAST, WRITES };

static bool write_hook(int number) {
    char path[512], beside[512];
    (void)snprintf(path, sizeof path, "%s/%s", hook_scene->root, hook_name);
    (void)snprintf(beside, sizeof beside, "%s/beside", hook_scene->folder);
    if (hook_way == WRITE_LATE && number == target + 9 && hook_fd >= 0) {
        assert_int_equal(pwrite(hook_fd, "others\n", 7, 0), 7);
        fd_release(&hook_fd);
    }
    if (number != target) {
        return false;
    }
    const int flags[] = {[WRITE_OVER] = O_TRUNC | O_CREAT,
                         [WRITE_REPLACE] = O_TRUNC | O_CREAT,
                         [WRITE_APPEND] = O_APPEND | O_CREAT,
                         [WRITE_LATE] = 0,
                         [WRITE_LAST] = 0};
    int fd = open(hook_way == WRITE_REPLACE ? beside : path,
                  O_WRONLY | O_NOFOLLOW | O_CLOEXEC | flags[hook_way], 0644);
    if (hook_way >= WRITE_LATE) {
        hook_fd = fd;
        return false;
    }
    if (fd >= 0) {
        assert_int_equal(write(fd, "others\n", 7), 7);
        fd_release(&fd);
        assert_true(hook_way != WRITE_REPLACE || rename(beside, path) == 0);
    }
    return false;
}

static bool has_others_bytes(struct scene *scene) {
    char command[256];
    (void)snprintf(command, sizeof command, "grep -rqs others '%s'", scene->root);
    return system(command) == 0;
}

static void bytes_of_others_are_never_lost(struct scene *scene, const char *name) {
    all_kinds_begin(scene);
    AUTO(plan_done) struct plan plan = plan_make(scene, all_kinds);
    int changed = 0, applied = 0;
    hook_scene = scene;
    hook_name = name;
    for (hook_way = 0; hook_way < WRITES; hook_way++) {
        for (int n = 1 + hook_way % 3;; n += 3) {
            plan_reset(&plan);
            target = n;
            calls = 0;
            hook = write_hook;
            AUTO(json_release) json_t *answer = apply(&plan, "forward");
            hook = NULL;
            bool wrote = calls >= n;
            if (hook_fd >= 0) {
                assert_int_equal(pwrite(hook_fd, "others\n", 7, 0), 7);
                fd_release(&hook_fd);
            } else if (hook_way >= WRITE_LATE) {
                wrote = false; /* The file was absent when it should be opened, or all was over. */
            }
            const char *result = json_str(answer, "state", "");
            assert_true(strcmp(result, "applied") == 0 || strcmp(result, "changed") == 0);
            changed += strcmp(result, "changed") == 0;
            applied += strcmp(result, "applied") == 0;
            if (wrote && !has_others_bytes(scene)) {
                fail_msg("way %d, call %d of %d: %s", hook_way, n, calls, result);
            }
            /* All others are of one side. */
            shell(scene, strcmp(result, "changed") == 0 ? "test -f folder -a -d file"
                                                        : "test -d folder -a -f file");
            if (calls < n) {
                break;
            }
        }
    }
    assert_true(changed > 10);
    assert_true(applied > 10);
}

static void bytes_of_others_in_an_edited_file_are_never_lost(void **state) {
    bytes_of_others_are_never_lost(*state, "edit");
}

static void bytes_of_others_in_a_deleted_file_are_never_lost(void **state) {
    bytes_of_others_are_never_lost(*state, "turned");
}

static void bytes_of_others_in_a_created_file_are_never_lost(void **state) {
    bytes_of_others_are_never_lost(*state, "gone");
}

/* --- Rights and orders ------------------------------------------------------------------------ */

static void a_folder_that_cannot_be_written_stops_all(void **state) {
    struct scene *scene = *state;
    shell(scene, "chmod 755 .. ../data; mkdir own; echo 1 > a; echo 1 > own/b; chmod 777 . own");
    AUTO(plan_done)
    struct plan plan =
        plan_make(scene, "echo 2 > a; echo 2 > own/b; chmod 555 own; chmod -R a+rwX ../data");
    const pid_t pid = fork();
    if (pid == 0) {
        if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0)) {
            _exit(2);
        }
        AUTO(json_release) json_t *answer = apply(&plan, "forward");
        const json_t *error = json_object_get(answer, "error");
        const bool good = strcmp(json_str(error, "code", ""), "no_permission") == 0 &&
                          strstr(json_str(error, "detail", ""), "cannot be written") != NULL;
        _exit(good ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    shell(scene, "grep -q 2 a && grep -q 2 own/b && ! find . -name '.drover-*' | grep .");
}

static void rights_and_masks_of_files_stay(void **state) {
    struct scene *scene = *state;
    shell(scene, "echo 1 > a; echo 1 > b; echo 1 > c; mkdir d; echo 1 > d/e; chmod 600 a; chmod "
                 "640 b");
    AUTO(plan_done) struct plan plan = plan_make(scene, "echo 2 > a; chmod 750 b; rm -r c d");
    AUTO(text_done) struct text order = text_up_to(CHANGES_ORDER_MAX);
    text_addf(&order, "%s,\"way\":\"forward\",\"umask\":%d", plan.order, 01000 | 027);
    const mode_t old = umask(077);
    AUTO(json_release) json_t *answer = perform(scene, "apply", order.data);
    (void)umask(old); /* Cannot fail. */
    assert_string_equal(json_str(answer, "state", ""), "applied");
    shell(scene, "test \"$(stat -c %a a b c d d/e | tr '\\n' ' ')\" = '600 640 640 750 640 '");
}

static void orders_that_are_wrong_change_nothing(void **state) {
    struct scene *scene = *state;
    put(scene, "a", "1\n");
    AUTO(plan_done) struct plan plan = plan_make(scene, "echo 2 > a");
    static const char blob[] = "d00491fd7e5bb6fa28c517a0bb32b8b506539d4d";
    static const struct {
        const char *files, *code;
    } rows[] = {
        {"{\"path\":\"../a\",\"before\":null,\"after\":\"%s\",\"mode_after\":\"100644\"}",
         "bad_field"},
        {"{\"path\":\".git/config\",\"before\":null,\"after\":\"%s\",\"mode_after\":\"100644\"}",
         "bad_field"},
        {"{\"path\":\"n\",\"before\":null,\"after\":\"%s\",\"mode_after\":\"160000\"}",
         "bad_field"},
        {"{\"path\":\"n\",\"before\":null,\"after\":null}", "bad_field"},
        {"{\"path\":\"n\",\"before\":null,\"after\":\"1111111111111111111111111111111111111111\","
         "\"mode_after\":\"100644\"}",
         "gone"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(text_done) struct text order = text_up_to(CHANGES_ORDER_MAX);
        text_addf(&order, ",\"root\":\"%s\",\"folder\":\"%s/data/staging\",\"name\":\"rw_2\",",
                  scene->root, scene->folder);
        text_add_str(&order, "\"way\":\"forward\",\"files\":[");
        const char *mark = strstr(rows[i].files, "%s");
        text_add(&order, rows[i].files,
                 mark == NULL ? strlen(rows[i].files) : (size_t)(mark - rows[i].files));
        text_add_str(&order, mark == NULL ? "" : blob);
        text_add_str(&order, mark == NULL ? "" : mark + 2);
        text_add_char(&order, ']');
        AUTO(json_release) json_t *answer = perform(scene, "apply", order.data);
        assert_string_equal(error_code(answer), rows[i].code);
    }
    assert_folder(scene, plan.before);
}

#define scene_test(test) cmocka_unit_test_setup_teardown(test, scene_open, scene_close)

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        scene_test(all_kinds_of_changes_are_applied_and_taken_back),
        scene_test(a_repeated_order_has_the_same_answer_whatever_happens_later),
        scene_test(a_file_that_was_changed_since_stops_all),
        scene_test(an_order_killed_at_any_call_is_finished_by_the_next),
        scene_test(an_order_killed_twice_is_finished_too),
        scene_test(an_order_killed_at_any_call_is_taken_back),
        scene_test(a_change_after_a_kill_brings_all_others_back),
        scene_test(a_failure_at_any_call_leaves_all_as_it_was),
        scene_test(a_disk_that_stays_full_is_finished_when_there_is_room),
        scene_test(bytes_of_others_in_an_edited_file_are_never_lost),
        scene_test(bytes_of_others_in_a_deleted_file_are_never_lost),
        scene_test(bytes_of_others_in_a_created_file_are_never_lost),
        scene_test(a_folder_that_cannot_be_written_stops_all),
        scene_test(rights_and_masks_of_files_stay),
        scene_test(orders_that_are_wrong_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
