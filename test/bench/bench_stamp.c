/* bench_stamp: says when it began. `bench_stamp FILE N` writes CLOCK_MONOTONIC in nanoseconds as
 * the Nth number of FILE. Static, so that no loader runs before it. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* It exists on every Linux. */
    uint64_t ns = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
    off_t at = 0;
    for (const char *digit = argc == 3 ? argv[2] : ""; *digit >= '0' && *digit <= '9'; digit++) {
        at = at * 10 + (*digit - '0');
    }
    int fd = argc == 3 ? open(argv[1], O_WRONLY | O_CLOEXEC) : -1;
    return fd >= 0 && pwrite(fd, &ns, sizeof ns, at * (off_t)sizeof ns) == sizeof ns ? 0 : 1;
}
