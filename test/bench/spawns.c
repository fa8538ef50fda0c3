#include "spawns.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"

enum { WARM_UP_MS = 100 };

static void spawn_one(char **argv) {
    char *env[] = {NULL};
    pid_t pid = 0;
    int rc = posix_spawn(&pid, argv[0], NULL /* actions */, NULL /* attributes */, argv, env);
    if (rc != 0) {
        errno = rc;
        die(argv[0]);
    }
}

static void reap_one(void) {
    int status = 0;
    if (waitpid(-1, &status, 0) < 0) {
        die("waitpid");
    }
    if (status != 0) {
        die_saying("the program failed");
    }
}

static uint64_t count_until(char **argv, uint64_t until_ns) {
    uint64_t count = 0;
    while (now_ns() < until_ns) {
        reap_one();
        spawn_one(argv);
        count++;
    }
    return count;
}

static void measure_rate(const struct spawns *spawns, char **argv) {
    for (int64_t i = 0; i < spawns->outstanding; i++) {
        spawn_one(argv);
    }
    (void)count_until(argv, now_ns() + WARM_UP_MS * 1000000ULL);
    uint64_t began_ns = now_ns();
    uint64_t count = count_until(argv, began_ns + (uint64_t)spawns->milliseconds * 1000000ULL);
    tell("rate", (double)count / ((double)(now_ns() - began_ns) / 1e9));
    for (int64_t i = 0; i < spawns->outstanding; i++) {
        reap_one();
    }
}

static void measure_start(const struct spawns *spawns, char **argv) {
    int fd = open(spawns->folder, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        die(spawns->folder);
    }
    struct histogram starts = {0};
    uint64_t until_ns = now_ns() + (uint64_t)spawns->milliseconds * 1000000ULL;
    for (uint64_t at_ns = now_ns(); at_ns < until_ns; at_ns = now_ns()) {
        spawn_one(argv);
        reap_one();
        uint64_t stamp = 0;
        if (pread(fd, &stamp, sizeof stamp, 0) != sizeof stamp || stamp < at_ns) {
            die_saying("the program left no stamp");
        }
        histogram_add(&starts, stamp - at_ns);
    }
    tell_latency(&starts);
    (void)close(fd);
}

void measure_spawns(const struct spawns *spawns) {
    if (spawns->program == NULL) {
        char *argv[] = {(char *)"/bin/true", NULL};
        measure_rate(spawns, argv);
    } else {
        char *argv[] = {(char *)spawns->program, (char *)spawns->folder, (char *)"0", NULL};
        measure_start(spawns, argv);
    }
}
