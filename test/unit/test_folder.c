/* Removing a folder, whatever a command left in it. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "proc/spool/folder.h"

enum { NOBODY = 65534, DEPTH = 3000, MANY = 2000 };

struct place {
    char path[128];
    int fd;
};

static int open_place(void **state) {
    struct place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(place->path, sizeof place->path, "%s/folder.XXXXXX", tmp == NULL ? "/tmp" : tmp);
    assert_non_null(mkdtemp(place->path));
    place->fd = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(place->fd >= 0);
    assert_int_equal(mkdirat(place->fd, "it", 0700), 0);
    *state = place;
    return 0;
}

static int close_place(void **state) {
    struct place *place = *state;
    close(place->fd);
    assert_int_equal(rmdir(place->path), 0); /* Nothing was left, and nothing moved out. */
    free(place);
    return 0;
}

static void make(struct place *place, const char *line) {
    char command[4096];
    (void)snprintf(command, sizeof command, "cd %s/it && %s", place->path, line);
    assert_int_equal(system(command), 0);
}

static void assert_removed(struct place *place) {
    struct err err = folder_remove(place->fd, "it");
    if (err_failed(err)) {
        fail_msg("%s: %d", err.step, err.os);
    }
    assert_int_equal(faccessat(place->fd, "it", F_OK, 0), -1);
}

static void an_absent_folder_is_removed_already(void **state) {
    struct place *place = *state;
    assert_removed(place);
    assert_removed(place);
}

static void files_of_every_kind_are_removed(void **state) {
    make(*state, "mkdir -p a/b/c && echo x >a/b/c/f && mkfifo a/p && ln a/b/c/f a/h &&"
                 "printf x >\"$(printf 'a/line\\nfeed')\" && touch .hidden");
    assert_removed(*state);
}

static void a_link_is_removed_and_not_what_it_leads_to(void **state) {
    struct place *place = *state;
    assert_int_equal(mkdirat(place->fd, "other", 0700), 0);
    make(place,
         "echo kept >../other/file && ln -s ../other link && mkdir d && ln -s ../../other d/");
    assert_removed(place);
    assert_int_equal(faccessat(place->fd, "other/file", F_OK, 0), 0);
    assert_int_equal(unlinkat(place->fd, "other/file", 0), 0);
    assert_int_equal(unlinkat(place->fd, "other", AT_REMOVEDIR), 0);
}

static void one_that_is_a_link_itself_is_not_followed(void **state) {
    struct place *place = *state;
    assert_removed(place);
    assert_int_equal(mkdirat(place->fd, "other", 0700), 0);
    assert_int_equal(symlinkat("other", place->fd, "it"), 0);
    struct err err = folder_remove(place->fd, "it");
    assert_true(err_failed(err));
    assert_int_equal(faccessat(place->fd, "other", F_OK, 0), 0);
    assert_int_equal(unlinkat(place->fd, "it", 0), 0);
    assert_int_equal(unlinkat(place->fd, "other", AT_REMOVEDIR), 0);
}

static void depth_does_not_matter(void **state) {
    struct place *place = *state;
    int fd = openat(place->fd, "it", O_RDONLY | O_DIRECTORY);
    for (unsigned i = 0; i < DEPTH; i++) {
        assert_int_equal(mkdirat(fd, "inner", 0700), 0);
        int next = openat(fd, "inner", O_RDONLY | O_DIRECTORY);
        assert_true(next >= 0);
        close(fd);
        fd = next;
    }
    close(fd);
    assert_removed(place);
}

static void names_of_ours_are_in_nobodys_way(void **state) {
    make(*state, "mkdir -p .drover-0/x .drover-1/y .drover-3 d/1/2/3 d/4/5 && touch .drover-2 &&"
                 "touch .drover-0/x/f .drover-1/y/f d/1/2/3/f");
    assert_removed(*state);
}

static void many_are_removed(void **state) {
    struct place *place = *state;
    int fd = openat(place->fd, "it", O_RDONLY | O_DIRECTORY);
    for (unsigned i = 0; i < MANY; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "folder with a rather long name %u", i);
        assert_int_equal(mkdirat(fd, name, 0700), 0);
        int inner = openat(fd, name, O_RDONLY | O_DIRECTORY);
        assert_int_equal(mkdirat(inner, "a", 0700), 0);
        assert_int_equal(mkdirat(inner, "b", 0700), 0);
        close(inner);
    }
    close(fd);
    assert_removed(place);
}

static void two_at_once_are_not_in_each_others_way(void **state) {
    struct place *place = *state;
    make(place, "for i in $(seq 400); do mkdir -p $i/a/b $i/c && touch $i/a/b/f; done");
    pid_t pid = fork();
    if (pid == 0) {
        _exit(err_failed(folder_remove(place->fd, "it")) ? 1 : 0);
    }
    struct err err = folder_remove(place->fd, "it");
    int status = 0;
    assert_true(waitpid(pid, &status, 0) == pid);
    assert_int_equal(status, 0);
    assert_false(err_failed(err));
    assert_int_equal(faccessat(place->fd, "it", F_OK, 0), -1);
}

/* As a user whom permissions bind. */
static void permissions_do_not_matter(void **state) {
    struct place *place = *state;
    if (geteuid() == 0) {
        assert_int_equal(fchmod(place->fd, 0777), 0);
        assert_int_equal(fchownat(place->fd, "it", NOBODY, NOBODY, 0), 0);
    }
    pid_t pid = fork();
    if (pid == 0) {
        if (geteuid() == 0 && (setgid(NOBODY) < 0 || setuid(NOBODY) < 0)) {
            _exit(2);
        }
        make(place, "mkdir -p a/b/c/d e && touch a/b/c/d/f && chmod 0 a/b/c/d && chmod 0 a/b/c &&"
                    "chmod 500 a/b && chmod 100 a && chmod 0 e .");
        _exit(err_failed(folder_remove(place->fd, "it")) ? 1 : 0);
    }
    int status = 0;
    assert_true(waitpid(pid, &status, 0) == pid);
    assert_int_equal(status, 0);
}

#define PLACE_TEST(test) cmocka_unit_test_setup_teardown(test, open_place, close_place)

int main(void) {
    const struct CMUnitTest tests[] = {
        PLACE_TEST(an_absent_folder_is_removed_already),
        PLACE_TEST(files_of_every_kind_are_removed),
        PLACE_TEST(a_link_is_removed_and_not_what_it_leads_to),
        PLACE_TEST(one_that_is_a_link_itself_is_not_followed),
        PLACE_TEST(depth_does_not_matter),
        PLACE_TEST(names_of_ours_are_in_nobodys_way),
        PLACE_TEST(many_are_removed),
        PLACE_TEST(two_at_once_are_not_in_each_others_way),
        PLACE_TEST(permissions_do_not_matter),
    };
    return cmocka_run_group_tests_name("folder", tests, NULL, NULL);
}
