/* git_run.c: see git_run.h.
 *
 * Standard input is a socket and not a pipe: git may end before it has read everything, and a
 * socket can be written to without the signal SIGPIPE. Output is read while input is written, so
 * neither side waits for the other with a full buffer. */
#include "tool/changes/git_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

enum { PIECE = 64 << 10, EXIT_NOT_STARTED = 127 };

void git_words_add(struct git_words *words, const char *word) {
    words->full = words->full || words->count >= GIT_WORDS_MAX;
    if (!words->full) {
        words->words[words->count++] = word;
        words->words[words->count] = NULL;
    }
}

void git_words_add_all(struct git_words *words, const char *const *more, size_t count) {
    for (size_t i = 0; i < count; i++) {
        git_words_add(words, more[i]);
    }
}

void git_result_done(struct git_result *result) {
    text_done(&result->output);
    text_done(&result->complaints);
}

/* Ends of this process, and of git. */
struct lines {
    int input, output, complaints, start; /* Owned. start: errno of an exec that failed. */
};

static void lines_close(struct lines *lines) {
    fd_release(&lines->input);
    fd_release(&lines->output);
    fd_release(&lines->complaints);
    fd_release(&lines->start);
}

static bool pair_open(int *ret_read, int *ret_write) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return false;
    }
    *ret_read = ends[0];
    *ret_write = ends[1];
    return true;
}

static bool lines_open(struct lines *ours, struct lines *theirs) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        return false;
    }
    ours->input = ends[0];
    theirs->input = ends[1];
    return pair_open(&ours->output, &theirs->output) &&
           pair_open(&ours->complaints, &theirs->complaints) &&
           pair_open(&ours->start, &theirs->start) && fcntl(ours->input, F_SETFL, O_NONBLOCK) == 0;
}

/* Runs in the child, and does not return. */
static void child_become(const struct git_call *call, const struct lines *theirs, int parent) {
    sigset_t none;
    (void)sigemptyset(&none); /* Cannot fail. */
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    const struct sigaction usual = {.sa_handler = SIG_DFL};
    (void)sigaction(SIGPIPE, &usual, NULL /* old */); /* Cannot fail. */
    /* The parent may have died before the kernel knew that its death counts. */
    bool ready = prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent &&
                 dup2(theirs->input, 0) == 0 && dup2(theirs->output, 1) == 1 &&
                 dup2(theirs->complaints, 2) == 2 && chdir(call->folder) == 0;
    for (size_t i = 0; ready && i < GIT_KEEP_MAX; i++) {
        ready = call->keep_fds[i] < 0 || fcntl(call->keep_fds[i], F_SETFD, 0) == 0;
    }
    if (ready) {
        char *const *argv = (char *const *)(uintptr_t)call->words->words; /* exec takes these so, */
        char *const *env = (char *const *)(uintptr_t)call->environment;   /* and writes none. */
        (void)execve(call->program, argv, env); /* Returns only where it failed. */
    }
    const int os = errno;
    (void)!write(theirs->start, &os, sizeof os); /* Nobody is left to hear of a failure. */
    _exit(EXIT_NOT_STARTED);
}

/* The input of git, and how far it is written. */
struct supply {
    struct git_feed feed;
    struct bytes piece; /* Part of the current piece that is not written yet. */
};

/* Writes what fits. Closes the input after the last piece, or where git reads no more. */
static void supply_write(struct supply *supply, int *io_fd) {
    while (*io_fd >= 0) {
        if (supply->piece.len == 0 &&
            (supply->feed.next == NULL || !supply->feed.next(supply->feed.ctx, &supply->piece))) {
            fd_release(io_fd);
            return;
        }
        const ssize_t put = send(*io_fd, supply->piece.data, supply->piece.len, MSG_NOSIGNAL);
        if (put < 0) {
            if (errno != EAGAIN && errno != EINTR) {
                fd_release(io_fd);
            }
            return;
        }
        supply->piece = (struct bytes){supply->piece.data + put, supply->piece.len - (size_t)put};
    }
}

/* Reads once; at the end, or after a failure, the descriptor is closed. False: the text is full. */
static bool piece_read(int *io_fd, struct text *text) {
    char piece[PIECE];
    const ssize_t got = read(*io_fd, piece, sizeof piece);
    if (got < 0 && errno == EINTR) {
        return true;
    }
    if (got <= 0) {
        fd_release(io_fd);
        return true;
    }
    const size_t room = text->size_max - text->len;
    text_add(text, piece, (size_t)got < room ? (size_t)got : room);
    return (size_t)got <= room && !text_failed(text);
}

enum serve_end { SERVE_ALL, SERVE_CUT /* Or memory is short. */, SERVE_STALLED };

/* Serves git until it has closed both of its outputs. */
static enum serve_end lines_serve(struct lines *ours, const struct git_call *call,
                                  struct git_result *result) {
    struct supply supply = {.feed = call->feed};
    bool all = true;
    supply_write(&supply, &ours->input);
    while (all && (ours->output >= 0 || ours->complaints >= 0)) {
        struct pollfd polls[] = {{.fd = ours->output, .events = POLLIN},
                                 {.fd = ours->complaints, .events = POLLIN},
                                 {.fd = ours->input, .events = POLLOUT}};
        const int ready = poll(polls, COUNT_OF(polls), call->stall_ms);
        if (ready == 0) {
            return SERVE_STALLED;
        }
        if (ready < 0) {
            all = errno == EINTR;
            continue;
        }
        if (polls[0].revents != 0) {
            all = piece_read(&ours->output, &result->output);
        }
        if (polls[1].revents != 0 && !piece_read(&ours->complaints, &result->complaints)) {
            text_clear(&result->complaints); /* Later complaints matter more than the first ones. */
        }
        if (polls[2].revents != 0) {
            supply_write(&supply, &ours->input);
        }
    }
    return all ? SERVE_ALL : SERVE_CUT;
}

struct err git_run(const struct git_call *call, struct git_result *ret_result) {
    assert(!call->words->full);
    AUTO(lines_close) struct lines ours = {-1, -1, -1, -1};
    AUTO(lines_close) struct lines theirs = {-1, -1, -1, -1};
    AUTO(git_result_done)
    struct git_result result = {.output = text_up_to(call->output_max),
                                .complaints = text_up_to(GIT_COMPLAINTS_MAX)};
    if (!lines_open(&ours, &theirs)) {
        return err_from_errno(errno, "git: pipes");
    }
    const int parent = getpid();
    const pid_t pid = fork();
    if (pid < 0) {
        return err_from_errno(errno, "git: fork");
    }
    if (pid == 0) {
        child_become(call, &theirs, parent);
    }
    lines_close(&theirs);
    int os = 0;
    ssize_t failed = 0; /* Length of what the start says: nothing, once git runs. */
    do {
        failed = read(ours.start, &os, sizeof os);
    } while (failed < 0 && errno == EINTR);
    const enum serve_end end = failed != 0 ? SERVE_ALL : lines_serve(&ours, call, &result);
    if (end != SERVE_ALL) {
        (void)kill(pid, SIGKILL); /* Not collected yet, so the number is still its own. */
    }
    lines_close(&ours);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (failed != 0) {
        return (struct err){.code = ERR_UNREACHABLE, .os = os, .step = "git: start"};
    }
    if (end == SERVE_STALLED) {
        return err_make(ERR_STALLED, "git: no progress");
    }
    if (result.output.no_memory) {
        return err_make(ERR_OUT_OF_MEMORY, "git: output");
    }
    result.cut = end == SERVE_CUT;
    result.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    *ret_result = result;
    result = (struct git_result){.code = 0}; /* Handed over. */
    return ERR_OK;
}
