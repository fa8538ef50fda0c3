/* proc_kit.c: see proc_kit.h. */
#include "proc_kit.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "proc/tree.h"
#include "scale.h"

enum { PATIENCE_MS = 60000, STEP_MS = 5, NONCE_LEN = 32 };

const char *nonce(void) {
    static char text[NONCE_LEN + 1];
    (void)snprintf(text, sizeof text, "%0*x", NONCE_LEN, (unsigned)getpid());
    return text;
}

void place_init(struct place *place) {
    *place = (struct place){.dir = "/tmp/drover-proc-XXXXXX"};
    assert_non_null(mkdtemp(place->dir));
    assert_false(err_failed(spool_open(place->dir, &place->spool)));
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *where) {
    return remove(path);
}

void place_done(struct place *place) {
    spool_close(place->spool);
    assert_int_equal(nftw(place->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

const char *place_path(const struct place *place, const char *name, const char *file) {
    static char path[256];
    (void)snprintf(path, sizeof path, "%s/spool/%s", place->dir, name);
    (void)mkdir(path, 0700); /* It may be there. */
    (void)snprintf(path, sizeof path, "%s/spool/%s/%s", place->dir, name, file);
    return path;
}

void put_file(const char *path, struct bytes content) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content.data, content.len), content.len);
    (void)close(fd);
}

void put_text(const char *path, const char *text) {
    put_file(path, (struct bytes){text, strlen(text)});
}

bool file_exists(const char *path) {
    return access(path, F_OK) == 0;
}

void read_text(const char *path, char *ret_text, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t got = read(fd, ret_text, size - 1);
    assert_true(got >= 0);
    ret_text[got] = '\0';
    (void)close(fd);
}

void put_claim(const struct place *place, const char *name, pid_t pid, const char *boot_id) {
    char boot[64], line[256];
    struct process_stat stat;
    read_text("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
    boot[strcspn(boot, "\n")] = '\0';
    assert_true(process_stat(pid, &stat));
    (void)snprintf(line, sizeof line, "go %d %llu %s %s\n", (int)pid,
                   (unsigned long long)stat.start_time, boot_id == NULL ? boot : boot_id, nonce());
    put_text(place_path(place, name, "claim"), line);
}

int hold_lock(const struct place *place, const char *name) {
    int fd = open(place_path(place, name, "lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    return fd;
}

void put_exit(const struct place *place, const char *name, const char *json) {
    char padded[PROTOCOL_EXIT_SIZE];
    memset(padded, ' ', sizeof padded);
    memcpy(padded, json, strlen(json));
    padded[sizeof padded - 1] = '\n';
    put_file(place_path(place, name, "exit.json"), (struct bytes){padded, sizeof padded});
}

/* --- Processes -------------------------------------------------------------------------------- */

pid_t start_process(const char *const *argv, const char *const *env) {
    posix_spawn_file_actions_t actions;
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    for (int fd = 0; fd < 2; fd++) {
        assert_int_equal(
            posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0 /* mode */), 0);
    }
    pid_t pid = 0;
    int rc = posix_spawnp(&pid, argv[0], &actions, NULL /* attributes */, (char *const *)argv,
                          (char *const *)env);
    assert_int_equal(rc, 0);
    (void)posix_spawn_file_actions_destroy(&actions);
    return pid;
}

bool process_lives(pid_t pid) {
    struct process_stat stat;
    return process_stat(pid, &stat) && stat.alive;
}

void end_process(pid_t pid) {
    (void)kill(pid, SIGKILL); /* It may have ended. */
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
}

void wait_for_file(const char *path) {
    for (int waited = 0; waited < scaled_ms(PATIENCE_MS); waited += STEP_MS) {
        struct stat about;
        if (stat(path, &about) == 0 && about.st_size > 0) {
            return;
        }
        (void)poll(NULL, 0, STEP_MS); /* Nothing to wait for but the file. */
    }
    fail_msg("%s never came", path);
}

pid_t read_pid(const char *path) {
    char text[32];
    wait_for_file(path);
    read_text(path, text, sizeof text);
    return (pid_t)strtol(text, NULL, 10);
}
