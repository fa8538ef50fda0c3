/* custody_worker.c: a command whose every byte is known beforehand.
 *
 *   custody-worker STARTS JOB LINES EVERY_MS END [child]
 *
 * Appends `JOB ATTEMPT` to the file STARTS, in one write. Writes LINES lines to stdout, each tenth
 * to stderr as well, with a pause of EVERY_MS before each. END is an exit code, or -SIGNAL, by
 * which it ends itself. With `child` it leaves a grandchild in a session of its own, which is deaf
 * to SIGTERM and waits for ever.
 *
 * Line N of job J is `J:N:` and the first (J * 7 + N * 13) % 60 letters of the alphabet, repeated.
 * Exit code 120: the arguments or a system call were wrong.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"
#include "base/fd.h"
#include "base/number.h"

enum { BROKEN = 120, LINE_SIZE = 128, LETTERS = 26, LENGTHS = 60, ERR_EVERY = 10 };

static int64_t number_of(const char *text) {
    int64_t number = 0;
    struct bytes digits = {text, strlen(text)};
    if (!number_parse(digits, (struct number_bounds){-1000, 1000000}, &number)) {
        _exit(BROKEN);
    }
    return number;
}

static void put(int fd, struct bytes bytes) {
    if (write(fd, bytes.data, bytes.len) != (ssize_t)bytes.len) {
        _exit(BROKEN);
    }
}

static void note_start(const char *path, int64_t job) {
    const char *attempt = getenv("DROVER_ATTEMPT");
    char line[LINE_SIZE];
    int len = snprintf(line, sizeof line, "%lld %s\n", (long long)job, attempt ? attempt : "?");
    AUTO(fd_release) int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || len < 0 || (size_t)len >= sizeof line) {
        _exit(BROKEN);
    }
    put(fd, (struct bytes){line, (size_t)len});
}

static void wait_for_ever(void) {
    (void)setsid(); /* Refused to a leader only, and this is a child. */
    (void)signal(SIGTERM, SIG_IGN);
    for (;;) {
        (void)pause();
    }
}

static void leave_grandchild(void) {
    pid_t child = fork();
    if (child == 0 && fork() == 0) {
        wait_for_ever();
    }
    if (child == 0) {
        _exit(0);
    }
}

static void say(int64_t job, int64_t line) {
    char text[LINE_SIZE];
    int len = snprintf(text, sizeof text, "%lld:%lld:", (long long)job, (long long)line);
    if (len < 0) {
        _exit(BROKEN);
    }
    size_t used = (size_t)len;
    for (int64_t i = 0; i < (job * 7 + line * 13) % LENGTHS; i++) {
        text[used++] = (char)('a' + i % LETTERS);
    }
    text[used++] = '\n';
    put(STDOUT_FILENO, (struct bytes){text, used});
    if (line % ERR_EVERY == 0) {
        put(STDERR_FILENO, (struct bytes){text, used});
    }
}

int main(int argc, char **argv) {
    if (argc < 6) {
        return BROKEN;
    }
    int64_t job = number_of(argv[2]), lines = number_of(argv[3]), every_ms = number_of(argv[4]);
    int64_t end = number_of(argv[5]);
    note_start(argv[1], job);
    if (argc > 6) {
        leave_grandchild();
    }
    const struct timespec pause = {every_ms / 1000, every_ms % 1000 * 1000000};
    for (int64_t i = 0; i < lines; i++) {
        (void)nanosleep(&pause, /* rest */ NULL); /* No signal is handled here. */
        say(job, i);
    }
    if (end < 0) {
        (void)raise((int)-end);
    }
    return (int)end;
}
