/* input.c: one piece at a time. While it is on its way nothing is read, so keys that are
 * pressed meanwhile come as one piece, and a pipe stands still when the job does not read. */
#include "cli/job/input.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/hash.h"

enum {
    PIECE_BYTES = 48 << 10, /* As base64: 64 kB. */
    TYPED_MAX = 16 << 10,   /* Keys that wait for a daemon that is away; more are lost. */
    BODY_MAX = 128 << 10,
    PAUSE_FIRST_MS = 20,
    PAUSE_MAX_MS = 1000,
};
#define NS_PER_MS UINT64_C(1000000)

void job_input_init(struct job_input *input) {
    text_init(&input->piece, BODY_MAX);
    text_init(&input->typed, TYPED_MAX);
}

void job_input_done(struct job_input *input) {
    text_done(&input->piece);
    text_done(&input->typed);
}

/* --- Reading ---------------------------------------------------------------------------------- */

static struct err piece_make(struct job_input *input, struct bytes bytes) {
    uint8_t random[16];
    world_random(input->talk->world, random, sizeof random);
    hex_write(random, sizeof random, input->key);
    text_clear(&input->piece);
    text_add_str(&input->piece, "{\"base64\":\"");
    base64_add(&input->piece, bytes);
    text_add_str(&input->piece, input->ends ? "\",\"end\":true}" : "\"}");
    input->state = JOB_INPUT_SENDING;
    input->due_ns = 0;
    input->pause_ms = 0;
    return text_failed(&input->piece) ? err_make(ERR_OUT_OF_MEMORY, "job: input") : ERR_OK;
}

static struct err piece_take(struct job_input *input) {
    char bytes[PIECE_BYTES];
    ssize_t got = read(input->fd, bytes, sizeof bytes);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
        return ERR_OK;
    }
    bool keys = input->from == JOB_INPUT_KEYS;
    if (got < 0 && !keys) {
        input->state = JOB_INPUT_BROKEN;
        why_set(input->why, "the input cannot be read: %s", strerror(errno));
        return err_from_errno(errno, "job: input");
    }
    if (got <= 0 && keys) {
        return err_make(ERR_INTERRUPTED, "job: the terminal is gone");
    }
    input->ends = got == 0;
    /* Keys before the one that leaves are sent first. */
    const char *leave = keys ? memchr(bytes, JOB_INPUT_LEAVE, (size_t)got) : NULL;
    input->leaves = leave != NULL;
    size_t len = leave != NULL ? (size_t)(leave - bytes) : (size_t)got;
    return len == 0 && input->leaves ? err_make(ERR_INTERRUPTED, "job: leave")
                                     : piece_make(input, (struct bytes){bytes, len});
}

/* While a piece waits for a daemon that is away, keys are kept for the next one; the key that
 * leaves does so at once. */
static struct err keys_keep(struct job_input *input) {
    char bytes[256];
    ssize_t got = read(input->fd, bytes, sizeof bytes);
    if (got == 0 || (got > 0 && memchr(bytes, JOB_INPUT_LEAVE, (size_t)got) != NULL)) {
        return err_make(ERR_INTERRUPTED, "job: leave");
    }
    if (got > 0 && input->typed.len + (size_t)got <= TYPED_MAX) {
        text_add(&input->typed, bytes, (size_t)got);
    }
    return text_failed(&input->typed) ? err_make(ERR_OUT_OF_MEMORY, "job: keys") : ERR_OK;
}

/* --- Sending ---------------------------------------------------------------------------------- */

static struct err piece_send(struct job_input *input) {
    AUTO(text_done) struct text target = {0};
    struct err err = err_make(ERR_NOT_FOUND, "job: id");
    if (talk_target(&target, "/api/v1/jobs/", input->run, "/input")) {
        const struct client_request request = {.method = "POST",
                                               .target = target.data,
                                               .body = text_bytes(&input->piece),
                                               .key = input->key};
        input->why->text[0] = '\0';
        err = client_call(input->talk->client, &request, NULL /* it says nothing */, input->why);
    }
    if (client_may_pass(err)) {
        int64_t pause_ms = input->pause_ms == 0 ? PAUSE_FIRST_MS : input->pause_ms * 2;
        client_hang_up(input->talk->client);
        input->pause_ms = pause_ms < PAUSE_MAX_MS ? pause_ms : PAUSE_MAX_MS;
        input->due_ns = world_mono_ns(input->talk->world) + (uint64_t)input->pause_ms * NS_PER_MS;
        /* A job that does not read is not reported: its input waits, as in a pipe. */
        if (err.code != ERR_TOO_MANY && !input->troubled && input->from == JOB_INPUT_STREAM) {
            input->troubled = true;
            talk_trouble_of(err, input->why);
        }
        return ERR_OK;
    }
    if (err_failed(err) && err.code != ERR_INPUT_CLOSED) {
        input->state = err.code != ERR_INTERRUPTED ? JOB_INPUT_BROKEN : input->state;
        return err;
    }
    input->troubled = false;
    input->state = input->ends || err.code == ERR_INPUT_CLOSED ? JOB_INPUT_OVER : JOB_INPUT_WAITING;
    input->why->text[0] = '\0';
    if (input->leaves) {
        return err_make(ERR_INTERRUPTED, "job: leave");
    }
    if (input->typed.len == 0 || input->state == JOB_INPUT_OVER) {
        return ERR_OK;
    }
    err = piece_make(input, text_bytes(&input->typed));
    text_clear(&input->typed);
    return err;
}

/* --- Turns ------------------------------------------------------------------------------------ */

int job_input_fd(const struct job_input *input) {
    bool reads = input->state == JOB_INPUT_WAITING ||
                 (input->state == JOB_INPUT_SENDING && input->from == JOB_INPUT_KEYS);
    return reads ? input->fd : -1;
}

int64_t job_input_wait_ms(const struct job_input *input) {
    if (input->state != JOB_INPUT_SENDING) {
        return -1;
    }
    uint64_t now = world_mono_ns(input->talk->world);
    return input->due_ns <= now ? 0 : (int64_t)((input->due_ns - now) / NS_PER_MS) + 1;
}

struct err job_input_turn(struct job_input *input, bool ready) {
    struct err err = ERR_OK;
    if (ready && input->state == JOB_INPUT_WAITING) {
        err = piece_take(input);
    } else if (ready && input->state == JOB_INPUT_SENDING) {
        err = keys_keep(input);
    }
    return !err_failed(err) && job_input_wait_ms(input) == 0 ? piece_send(input) : err;
}

struct err job_input_pump(struct job_input *input) {
    struct err err = ERR_OK;
    while (!err_failed(err) && input->state != JOB_INPUT_OVER) {
        struct pollfd polls[] = {{.fd = job_input_fd(input), .events = POLLIN},
                                 {.fd = input->talk->options.interrupt_fd, .events = POLLIN}};
        if (poll(polls, COUNT_OF(polls), (int)job_input_wait_ms(input)) < 0 && errno != EINTR) {
            return err_from_errno(errno, "job: poll");
        }
        if ((polls[1].revents & POLLIN) != 0) {
            return err_make(ERR_INTERRUPTED, "job: input");
        }
        err = job_input_turn(input, polls[0].fd >= 0 && polls[0].revents != 0);
    }
    return err;
}

void job_input_close(struct job_input *input) {
    if (input->state == JOB_INPUT_OVER) {
        return;
    }
    input->ends = true;
    struct err err = piece_make(input, (struct bytes){"", 0});
    err = err_failed(err) ? err : piece_send(input);
    (void)err; /* A daemon that is away now leaves the job waiting, as after Ctrl-C. */
}
