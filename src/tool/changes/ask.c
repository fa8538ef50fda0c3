/* ask.c: see ask.h. */
#include "tool/changes/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "base/process/spawn.h"
#include "loop/world.h"

enum { READ_BYTES = 64 << 10 };

struct err changes_begin(struct bytes order, struct changes_child *ret_child) {
    char daemon[16];
    (void)snprintf(daemon, sizeof daemon, "%d", (int)getpid()); /* Fits. */
    const char *const argv[] = {"drover-changes", daemon, NULL};
    int pipes[2];
    AUTO(fd_release) int input = fd_memory(order);
    if (input < 0 || pipe2(pipes, O_CLOEXEC) < 0) {
        return err_from_errno(errno, "changes: pipe");
    }
    AUTO(fd_release) int ours = pipes[0];
    AUTO(fd_release) int theirs = pipes[1];
    const struct spawn process = {.program = "/proc/self/exe",
                                  .argv = argv,
                                  .folder = "/",
                                  .fds = {input, theirs, SPAWN_NULL},
                                  .fd_count = 3,
                                  .session = SPAWN_SESSION};
    int pid = 0;
    TRY(spawn(&process, &pid));
    *ret_child = (struct changes_child){.pid = pid, .fd = fd_take(&ours)};
    return ERR_OK;
}

/* --- Waiting for it --------------------------------------------------------------------------- */

static int64_t mono_ms(const struct world *world) {
    return (int64_t)(world_mono_ns(world) / 1000000);
}

static struct err answer_hear(const struct world *world, int fd, int64_t until_ms,
                              struct text *answer) {
    AUTO(mem_release) char *bytes = mem_new(READ_BYTES);
    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        const int64_t left_ms = until_ms - mono_ms(world);
        if (left_ms <= 0) {
            return err_make(ERR_STALLED, "changes: deadline");
        }
        if (poll(&ready, 1, (int)left_ms) < 0 && errno != EINTR) {
            return err_from_errno(errno, "changes: poll");
        }
        if (ready.revents == 0) {
            continue;
        }
        const ssize_t got = read(fd, bytes, READ_BYTES);
        if (got <= 0) {
            return got == 0 ? ERR_OK : err_from_errno(errno, "changes: read");
        }
        text_add(answer, bytes, (size_t)got);
        if (text_failed(answer)) {
            return text_error(answer, "changes: answer");
        }
    }
}

struct err changes_ask(const struct world *world, struct bytes order, unsigned deadline_ms,
                       struct text *answer, struct why *why) {
    struct changes_child child;
    struct err err = changes_begin(order, &child);
    if (err_failed(err)) {
        return err;
    }
    AUTO(fd_release) int fd = child.fd;
    AUTO(fd_release) int pidfd = (int)syscall(SYS_pidfd_open, child.pid, 0);
    err = answer_hear(world, fd, mono_ms(world) + (int64_t)deadline_ms, answer);
    if (err_failed(err) && pidfd >= 0) {
        (void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0); /* Gone is fine. */
    }
    if (err.code == ERR_STALLED) {
        why_set(why, "the folder could not be read within %u s; try it again", deadline_ms / 1000);
    } else if (err.code == ERR_TEXT_TOO_LONG) {
        why_set(why, "the answer would be too long: ask for single paths");
    }
    return err;
}

/* --- Answers ---------------------------------------------------------------------------------- */

/* Failures that the asker can tell from others. */
static enum err_code error_code(const char *name) {
    static const enum err_code codes[] = {ERR_DISK_FULL, ERR_GONE, ERR_NOT_FOUND,
                                          ERR_TOO_EXPENSIVE};
    enum err_code code = ERR_IO;
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        code = strcmp(name, err_name(codes[i])) == 0 ? codes[i] : code;
    }
    return code;
}

struct err changes_answer_read(struct bytes answer, json_t **ret_line, struct bytes *ret_body,
                               struct why *why) {
    const char *end = answer.len == 0 ? NULL : memchr(answer.data, '\n', answer.len);
    AUTO(json_release) json_t *line = NULL;
    if (end == NULL ||
        err_failed(json_parse_wrapped((struct bytes){answer.data, (size_t)(end - answer.data)},
                                      &line, NULL /* no why */))) {
        return err_why(why, ERR_INTERNAL,
                       "the program that reads the folder ended without an answer");
    }
    const json_t *error = json_object_get(line, "error");
    if (error != NULL) {
        return err_why(why, error_code(json_str(error, "code", "")), "%s",
                       json_str(error, "detail", "the folder cannot be read"));
    }
    const size_t at = (size_t)(end - answer.data) + 1;
    *ret_body = (struct bytes){answer.data + at, answer.len - at};
    *ret_line = line;
    line = NULL;
    return ERR_OK;
}
