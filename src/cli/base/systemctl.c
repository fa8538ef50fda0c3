/* systemctl.c: runs systemctl and takes its output. */
#include "cli/base/systemctl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/process/spawn.h"

enum { OUTPUT_BYTES_MAX = 64 << 10 };

/* All that is printed is read, so that the program never waits; what is beyond the limit is
 * dropped. */
static void output_read(int fd, struct text *output) {
    char piece[4096];
    for (ssize_t got = 1; got > 0 || (got < 0 && errno == EINTR);) {
        got = read(fd, piece, sizeof piece);
        if (got > 0) {
            text_add(output, piece, (size_t)got);
        }
    }
}

static bool status_wait(pid_t pid, int *ret_status) {
    pid_t ended;
    do {
        ended = waitpid(pid, ret_status, 0);
    } while (ended < 0 && errno == EINTR);
    return ended == pid;
}

/* The last line, which is the one that says why. */
static const char *last_line(struct text *output) {
    while (output->len > 0 && output->data[output->len - 1] == '\n') {
        text_cut(output, output->len - 1);
    }
    const char *line = output->len > 0 ? memrchr(output->data, '\n', output->len) : NULL;
    return line != NULL ? line + 1 : output->len > 0 ? output->data : "it gave no reason";
}

struct err systemctl_run(const char *const *words, struct text *ret_output, struct why *why) {
    const char *argv[SYSTEMCTL_WORDS_MAX + 3] = {"systemctl", "--user"};
    for (size_t i = 0; words[i] != NULL; i++) {
        assert(i < SYSTEMCTL_WORDS_MAX);
        argv[i + 2] = words[i];
    }
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return err_from_errno(errno, "systemctl: pipe");
    }
    AUTO(fd_release) int in = ends[0];
    AUTO(fd_release) int out = ends[1];
    AUTO(text_done) struct text output = text_up_to(OUTPUT_BYTES_MAX);
    const struct spawn process = {
        .program = argv[0], .argv = argv, .fds = {SPAWN_NULL, out, out}, .fd_count = 3};
    int pid = 0;
    struct err err = spawn(&process, &pid);
    fd_release(&out);
    if (err_failed(err)) {
        return err_why(why, ERR_NOT_IMPLEMENTED,
                       "systemctl cannot be run (%s): without systemd, have the supervisor that you"
                       " use run 'drover serve'",
                       strerror(err.os));
    }
    output_read(in, &output);
    int status = 0;
    if (!status_wait(pid, &status) || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return err_why(why, ERR_INTERNAL, "systemctl --user %s failed: %s", words[0],
                       last_line(&output));
    }
    if (ret_output != NULL) {
        *ret_output = output;
        output = (struct text){0};
    }
    return ERR_OK;
}

struct err systemctl_check(struct why *why) {
    static const char *const words[] = {"show-environment", NULL};
    struct why inner = {.text = ""};
    struct err err = systemctl_run(words, NULL /* success is enough */, &inner);
    if (err.code == ERR_INTERNAL) {
        return err_why(why, ERR_NOT_IMPLEMENTED,
                       "there is no systemd that serves this user (%s): log in as the user, or have"
                       " the supervisor that you use run 'drover serve'",
                       inner.text);
    }
    *why = inner;
    return err;
}
