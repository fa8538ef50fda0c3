/* A body for the worker's program that is no engine: it does what a frame tells it, so that tests
 * can see every way in which a worker may behave. The first byte is the verb:
 *
 *   e…      says the same frame again
 *   b N     says a frame of N bytes
 *   n N     says N frames of one byte each, in one write
 *   p…      says that many frames, one byte of the text at a time
 *   l N     says a header with the length N, and nothing behind it
 *   h N     says a header with the length N and one byte, and dies
 *   x N     exits with N
 *   a       breaks down (SIGSEGV)
 *   s       computes for ever
 *   m       takes memory until there is none, and says how many megabytes it got
 *   q       says "a" the first time, then "b", …
 *   c…      makes a system call: seven u64, the number and its arguments; says "done" if it lived
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/number.h"
#include "script/protocol.h"
#include "script/worker/worker.h"

enum { FRAME_MAX = 64 << 20, CALL_WORDS = 7, MEGABYTE = 1 << 20 };

struct worker {
    int fd;
    char *in, *out;
    unsigned asked;
};

static char *take(size_t size) {
    void *memory = mmap(/* address */ NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static void write_all(const struct worker *toy, const char *bytes, size_t len) {
    while (len > 0) {
        ssize_t done = write(toy->fd, bytes, len);
        if (done <= 0) {
            _exit(1);
        }
        bytes += done;
        len -= (size_t)done;
    }
}

static void put_header(char *at, size_t len) {
    for (unsigned i = 0; i < SCRIPT_HEADER_SIZE; i++) {
        at[i] = (char)(len >> (8 * i));
    }
}

static void say(const struct worker *toy, const char *bytes, size_t len) {
    memmove(toy->out + SCRIPT_HEADER_SIZE, bytes, len);
    put_header(toy->out, len);
    write_all(toy, toy->out, SCRIPT_HEADER_SIZE + len);
}

static void read_all(const struct worker *toy, char *bytes, size_t len) {
    while (len > 0) {
        ssize_t got = read(toy->fd, bytes, len);
        if (got <= 0) {
            _exit(0);
        }
        bytes += got;
        len -= (size_t)got;
    }
}

static size_t hear(const struct worker *toy) {
    unsigned char header[SCRIPT_HEADER_SIZE];
    read_all(toy, (char *)header, sizeof header);
    size_t len = 0;
    for (unsigned i = 0; i < sizeof header; i++) {
        len |= (size_t)header[i] << (8 * i);
    }
    if (len > FRAME_MAX) {
        _exit(1);
    }
    read_all(toy, toy->in, len);
    return len;
}

static size_t number_of(struct bytes text) {
    int64_t number = 0;
    bool read = number_parse(text, (struct number_bounds){0, UINT32_MAX}, &number);
    return read ? (size_t)number : 0;
}

static void say_many(const struct worker *toy, size_t count) {
    char *at = toy->out;
    for (size_t i = 0; i < count; i++) {
        put_header(at, 1);
        at[SCRIPT_HEADER_SIZE] = (char)('a' + i % 26);
        at += SCRIPT_HEADER_SIZE + 1;
    }
    write_all(toy, toy->out, (size_t)(at - toy->out));
}

static void say_in_pieces(const struct worker *toy, struct bytes text) {
    char frame[SCRIPT_HEADER_SIZE];
    put_header(frame, text.len);
    for (size_t i = 0; i < sizeof frame; i++) {
        write_all(toy, &frame[i], 1);
    }
    for (size_t i = 0; i < text.len; i++) {
        write_all(toy, &text.data[i], 1);
    }
}

static void say_header(const struct worker *toy, size_t len) {
    char frame[SCRIPT_HEADER_SIZE + 1] = {0};
    put_header(frame, len);
    write_all(toy, frame, SCRIPT_HEADER_SIZE);
}

static void take_memory(const struct worker *toy) {
    char digits[24];
    size_t at = sizeof digits, megabytes = 0;
    for (char *memory; (memory = take(MEGABYTE)) != NULL; megabytes++) {
        memory[0] = 1;
    }
    do {
        digits[--at] = (char)('0' + megabytes % 10);
        megabytes /= 10;
    } while (megabytes > 0);
    say(toy, digits + at, sizeof digits - at);
}

static void call_system(const struct worker *toy, struct bytes text) {
    uint64_t words[CALL_WORDS] = {0};
    memcpy(words, text.data, text.len < sizeof words ? text.len : sizeof words);
    (void)syscall((long)words[0], words[1], words[2], words[3], words[4], words[5], words[6]);
    say(toy, "done", 4);
}

static noreturn void break_down(void) {
    volatile char *volatile nowhere = NULL;
    *nowhere = 0;
    _exit(1);
}

static noreturn void compute(void) {
    for (volatile unsigned i = 0;; i++) {
    }
}

static void obey(struct worker *toy, size_t len) {
    struct bytes rest = {toy->in + 1, len - 1};
    switch (toy->in[0]) {
    case 'e':
        say(toy, toy->in, len);
        break;
    case 'b':
        memset(toy->out + SCRIPT_HEADER_SIZE, 'x', number_of(rest));
        say(toy, toy->out + SCRIPT_HEADER_SIZE, number_of(rest));
        break;
    case 'n':
        say_many(toy, number_of(rest));
        break;
    case 'p':
        say_in_pieces(toy, rest);
        break;
    case 'h':
        say_header(toy, number_of(rest));
        write_all(toy, "x", 1);
        break_down();
    case 'l':
        say_header(toy, number_of(rest));
        break;
    case 'x':
        _exit((int)number_of(rest));
    case 'a':
        break_down();
    case 's':
        compute();
    case 'm':
        take_memory(toy);
        break;
    case 'q':
        say(toy, &(char){(char)('a' + toy->asked++)}, 1);
        break;
    case 'c':
        call_system(toy, rest);
        break;
    default:
        _exit(1);
    }
}

static struct worker toy;

struct worker *worker_boot(void) {
    return &toy;
}

noreturn void worker_run(struct worker *worker, int fd) {
    *worker = (struct worker){fd, take(FRAME_MAX), take(FRAME_MAX), 0};
    if (worker->in == NULL || worker->out == NULL) {
        _exit(1);
    }
    for (;;) {
        obey(worker, hear(worker));
    }
}
