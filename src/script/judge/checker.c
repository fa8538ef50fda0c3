/* checker.c: see checker.h. */
#include "script/judge/checker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "base/process/spawn.h"
#include "base/text.h"
#include "script/program.h"
#include "script/protocol.h"

enum {
    SILENCE_S = 60,  /* Without a question it ends. */
    PATIENCE_S = 10, /* Without an answer it is killed. */
    MEMORY_MB = 256, /* A text of 1 MB is a tree of 100. */
    TEXTS_MAX = 500, /* A worker remembers its calls. */
    DEPTH_MAX = 4,   /* A frame has the answer as a text. */
    QUESTION_MAX = 8 << 20,
    PID_SIZE = 16,
};

/* The script, in one file: build.mjs. */
extern const char checker_bytes[];
extern const size_t checker_bytes_size;
extern const uint8_t checker_bytes_sha256[sizeof(struct sha256)];

static struct {
    pthread_mutex_t lock;
    int fd, pidfd; /* -1: none runs. */
    unsigned asked;
    int64_t call; /* The one that waits for the next text. */
} checker = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1, .pidfd = -1};

struct sha256 checker_version(void) {
    struct sha256 version;
    memcpy(version.bytes, checker_bytes_sha256, sizeof version.bytes);
    return version;
}

static void checker_stop(void) {
    if (checker.pidfd >= 0) {
        (void)syscall(SYS_pidfd_send_signal, checker.pidfd, SIGKILL, NULL /* info */, 0U);
    }
    fd_release(&checker.fd);
    fd_release(&checker.pidfd);
}

/* --- Frames ----------------------------------------------------------------------------------- */

static struct err frame_send(const struct text *frame) {
    uint8_t header[SCRIPT_HEADER_SIZE];
    if (text_failed(frame)) {
        return text_error(frame, "checker: question");
    }
    for (unsigned i = 0; i < SCRIPT_HEADER_SIZE; i++) {
        header[i] = (uint8_t)(frame->len >> (8 * i));
    }
    struct iovec parts[] = {{.iov_base = header, .iov_len = sizeof header},
                            {.iov_base = frame->data, .iov_len = frame->len}};
    for (size_t at = 0; at < COUNT_OF(parts);) {
        const ssize_t sent = send(checker.fd, parts[at].iov_base, parts[at].iov_len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR) {
            return err_from_errno(errno, "checker: ask");
        }
        parts[at].iov_base = (char *)parts[at].iov_base + (sent > 0 ? sent : 0);
        parts[at].iov_len -= (size_t)(sent > 0 ? sent : 0);
        at += parts[at].iov_len == 0 ? 1 : 0;
    }
    return ERR_OK;
}

static struct err receive(char *data, size_t len) {
    while (len > 0) {
        const ssize_t got = recv(checker.fd, data, len, 0 /* flags */);
        if (got == 0) {
            return err_make(ERR_INTERNAL, "checker: it has ended");
        }
        if (got < 0 && errno != EINTR) {
            return err_from_errno(errno, "checker: hear");
        }
        data += got > 0 ? got : 0;
        len -= (size_t)(got > 0 ? got : 0);
    }
    return ERR_OK;
}

/* The next call of agent(): its prompt is what it says. Anything else is its end. */
static struct err call_hear(struct bytes *ret_said) {
    uint8_t header[SCRIPT_HEADER_SIZE];
    TRY(receive((char *)header, sizeof header));
    size_t len = 0;
    for (unsigned i = 0; i < SCRIPT_HEADER_SIZE; i++) {
        len |= (size_t)header[i] << (8 * i);
    }
    AUTO(mem_release) char *frame = len > SCRIPT_FRAME_MAX ? NULL : mem_try(len + 1);
    AUTO(json_release) json_t *messages = NULL;
    struct why why;
    if (frame == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "checker: hear");
    }
    TRY(receive(frame, len));
    TRY(json_parse_wide(frame, len, DEPTH_MAX, &messages, &why));
    const json_t *message = json_array_get(messages, 0);
    if (strcmp(json_str(message, "t", ""), "call") != 0) {
        return err_make(ERR_INTERNAL, "checker: it computed for too long, or broke");
    }
    const struct bytes said = json_bytes(message, "prompt");
    checker.call = json_int(message, "id", 0);
    *ret_said = (struct bytes){mem_copy(said.data, said.len), said.len};
    return ERR_OK;
}

/* --- The process ------------------------------------------------------------------------------ */

static struct err checker_spawn(int theirs) {
    static const char *const environment[] = {NULL};
    AUTO(fd_release) int program = -1;
    char self[PID_SIZE];
    (void)snprintf(self, sizeof self, "%d", (int)getpid());
    const char *const argv[] = {"drover-checker", self, SCRIPT_ALONE, NULL};
    TRY(script_program_in_memory(&program));
    const struct spawn process = {.program = "/proc/self/fd/1",
                                  .argv = argv,
                                  .environment = environment,
                                  .fds = {[SCRIPT_FD] = theirs, program},
                                  .fd_count = SCRIPT_FD + 2,
                                  .session = SPAWN_SESSION};
    int pid = 0;
    TRY(spawn(&process, &pid));
    checker.pidfd = (int)syscall(SYS_pidfd_open, pid, 0U);
    return checker.pidfd < 0 ? err_from_errno(errno, "checker: hold") : ERR_OK;
}

static struct err checker_start(void) {
    const struct timeval silence = {.tv_sec = SILENCE_S}, patience = {.tv_sec = PATIENCE_S};
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0 /* protocol */, pair) < 0) {
        return err_from_errno(errno, "checker: make a socket");
    }
    AUTO(fd_release) int theirs = pair[1];
    checker.fd = pair[0];
    checker.asked = 0;
    if (setsockopt(theirs, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence) < 0 ||
        setsockopt(checker.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0 ||
        setsockopt(checker.fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) < 0) {
        return err_from_errno(errno, "checker: limit a socket");
    }
    TRY(checker_spawn(theirs));
    fd_release(&theirs);
    AUTO(text_done) struct text order = text_up_to(QUESTION_MAX);
    struct bytes ready = BYTES("");
    text_add_str(&order, "[{\"t\":\"start\",\"form\":\"body\",\"file\":\"judge.js\",\"total\":null,"
                         "\"spent\":0,\"history\":[],\"script\":");
    text_add_json(&order, checker_bytes, checker_bytes_size);
    text_addf(&order, ",\"limits\":{\"cpu_ms\":%d,\"memory_mb\":%d}}]", CHECKER_CPU_MS, MEMORY_MB);
    TRY(frame_send(&order));
    TRY(call_hear(&ready));
    mem_free((char *)ready.data);
    return ERR_OK;
}

static struct err ask(struct bytes question, struct bytes *ret_answer) {
    AUTO(text_done) struct text order = text_up_to(QUESTION_MAX);
    text_addf(&order, "[{\"t\":\"settle\",\"id\":%lld,\"o\":\"value\",\"spent\":0,\"v\":",
              (long long)checker.call);
    text_add(&order, question.data, question.len);
    text_add_str(&order, "}]");
    TRY(frame_send(&order));
    return call_hear(ret_answer);
}

struct err checker_ask(struct bytes question, struct bytes *ret_answer) {
    (void)pthread_mutex_lock(&checker.lock); /* Cannot fail for this kind, nor does unlock. */
    char over;
    /* After its silence it has ended. */
    if (checker.fd >= 0 && recv(checker.fd, &over, 1, MSG_PEEK | MSG_DONTWAIT) == 0) {
        checker_stop();
    }
    struct err err = checker.fd < 0 ? checker_start() : ERR_OK;
    err = err_failed(err) ? err : ask(question, ret_answer);
    if (err_failed(err) || ++checker.asked == TEXTS_MAX) {
        checker_stop();
    }
    (void)pthread_mutex_unlock(&checker.lock);
    return err;
}
