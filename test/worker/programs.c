/* programs.c: the worker and the simulator's stand-in for it (test/sim/player.h) send the same.
 *
 * Generated programs are played by both against the same outcomes, which are hashes of what was
 * called. Calls of workflow() find programs, too, and run them. Each frame must be the same, byte
 * by byte; places of calls, and the place and the stack of a failed end are left out, since the
 * stand-in has no lines, and what is left must be the same JSON.
 *
 *     programs [ALONE]      the worker's program; without it, the one beside this one */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../sim/player.h"
#include "../sim/program.h"
#include "base/fd.h"
#include "base/hash.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "script/meta.h"

enum {
    PROGRAMS = 200,
    CALLS_MAX = 400,
    ORDER_MAX = 8 << 20,
    AT_ONCE_MAX = 3,
    WORKER_FD = 3,
    SMALL_CAP = 6,
    HEADER_SIZE = 4, /* Of script/protocol.h. */
    FRAME_MAX = 16 << 20,
};

/* --- The worker ------------------------------------------------------------------------------- */

static const char **program_path(void) {
    static const char *path;
    return &path;
}

struct worker_process {
    pid_t pid;
    int fd;
};

static struct worker_process worker_start(void) {
    int pair[2];
    struct worker_process worker;
    posix_spawn_file_actions_t actions;
    char name[] = "alone", *argv[] = {name, NULL}, *env[] = {NULL};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    if (pair[1] == WORKER_FD) { /* A copy onto itself would keep its flag. */
        pair[1] = fcntl(pair[1], F_DUPFD_CLOEXEC, WORKER_FD + 1);
    }
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, pair[1], WORKER_FD), 0);
    assert_int_equal(posix_spawn(&worker.pid, *program_path(), &actions, NULL, argv, env), 0);
    assert_int_equal(posix_spawn_file_actions_destroy(&actions), 0);
    (void)close(pair[1]);
    worker.fd = pair[0];
    return worker;
}

static void worker_end(struct worker_process *worker) {
    int status = 0;
    (void)close(worker->fd);
    assert_int_equal(waitpid(worker->pid, &status, 0), worker->pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void bytes_write(int fd, const void *bytes, size_t len) {
    for (const char *at = bytes; len > 0;) {
        ssize_t wrote = send(fd, at, len, MSG_NOSIGNAL);
        assert_true(wrote > 0);
        at += wrote;
        len -= (size_t)wrote;
    }
}

static void bytes_read(int fd, void *bytes, size_t len) {
    for (char *at = bytes; len > 0;) {
        ssize_t got = read(fd, at, len);
        assert_true(got > 0);
        at += got;
        len -= (size_t)got;
    }
}

static void worker_send(const struct worker_process *worker, const struct text *order) {
    uint8_t header[HEADER_SIZE];
    for (size_t i = 0; i < sizeof header; i++) {
        header[i] = (uint8_t)(order->len >> (8 * i));
    }
    bytes_write(worker->fd, header, sizeof header);
    bytes_write(worker->fd, order->data, order->len);
}

/* Owned by the caller; terminated. */
static char *worker_frame(const struct worker_process *worker) {
    uint8_t header[HEADER_SIZE];
    size_t len = 0;
    bytes_read(worker->fd, header, sizeof header);
    for (size_t i = 0; i < sizeof header; i++) {
        len |= (size_t)header[i] << (8 * i);
    }
    assert_true(len <= FRAME_MAX);
    char *frame = mem_new(len + 1);
    bytes_read(worker->fd, frame, len);
    return frame;
}

/* --- Outcomes --------------------------------------------------------------------------------- */

struct made_call {
    int64_t id, occurrence;
    char *key; /* Owned. */
    bool schema, settled, timer;
    unsigned child; /* Of workflow(): its number; 0: of agent(). */
    bool has_args;  /* Of workflow(). */
};

/* What was settled, as a history has it. */
struct play {
    uint64_t number;
    struct made_call calls[CALLS_MAX];
    size_t call_count;
    char *history[CALLS_MAX]; /* Owned: entries, in their order. */
    size_t history_count;
    int64_t spent;
    bool ended;
    bool threw;                        /* A function of parallel() or pipeline() failed. */
    size_t children, children_refused; /* Calls of workflow() that were settled. */
    size_t timers;                     /* The same. */
};

static uint64_t choose(const struct play *play, const char *purpose, uint64_t index) {
    struct sha256_stream hash;
    uint64_t value = 0;
    const uint64_t numbers[] = {play->number, index};
    sha256_start(&hash);
    sha256_add(&hash, numbers, sizeof numbers);
    sha256_add(&hash, purpose, strlen(purpose));
    const struct sha256 digest = sha256_finish(&hash);
    memcpy(&value, digest.bytes, sizeof value);
    return value;
}

static const char *const values[] = {
    "\"\"",
    "\"yes\"",
    "\"\xc3\xa4\xc3\xb6 \xf0\x9f\x90\x91 \\\"quoted\\\" back\\\\slash\"",
    "\"line\\nbreak\\ttab\\u0001\\u007f \xe2\x80\xa8\"",
    "[1,-2,0.5,1e21,true,null]",
    "{\"b\":{\"z\":[],\"a\":{}},\"a\":\"x\"}",
    "\"five!\"",
    "7",
};

static void script_write(const struct program_id id, struct text *order) {
    const struct program program = program_make(id);
    AUTO(text_done) struct text script;
    AUTO(script_prepared_done) struct script_prepared prepared = {.meta = NULL};
    struct script_fault fault = {.line = 0};
    text_init(&script, ORDER_MAX);
    program_print(&program, &script);
    const struct script_source source = {.text = {script.data, script.len}, .file = BYTES("p.js")};
    struct err err = script_prepare(&source, &prepared, &fault);
    if (err_failed(err)) {
        fail_msg("program %llu:%u: %s", (unsigned long long)id.number, fault.line, fault.message);
    }
    text_add_str(order, "\"script\":");
    text_add_json(order, prepared.text, prepared.len);
    text_addf(order, ",\"form\":\"%s\",\"file\":\"p.js\",\"timers\":%s",
              script_form_name(prepared.form), prepared.timers ? "true" : "false");
}

/* Children are others in each program, and always the same ones within it. */
static void child_add(struct play *play, const struct made_call *call, struct text *text) {
    uint64_t pick = choose(play, call->key, (uint64_t)call->occurrence);
    if (!call->has_args || call->child > PROGRAM_CHILDREN || pick % 5 == 0) {
        text_addf(text,
                  "\"o\":\"throw\",\"name\":\"Error\",\"message\":\"workflow: none \\\"%u\\\"\"",
                  call->child);
        play->children_refused++;
    } else {
        text_add_str(text, "\"o\":\"script\",");
        script_write((struct program_id){.number = play->number, .child = call->child}, text);
        play->children++;
    }
    text_addf(text, ",\"spent\":%lld", (long long)play->spent);
}

static void outcome_add(struct play *play, const struct made_call *call, struct text *text) {
    uint64_t pick = choose(play, call->key, (uint64_t)call->occurrence);
    if (call->child > 0) {
        child_add(play, call, text);
        return;
    }
    if (call->timer) {
        text_addf(text, "\"o\":\"value\",\"v\":null,\"spent\":%lld", (long long)play->spent);
        play->timers++;
        return;
    }
    play->spent += (int64_t)(pick >> 16) % 30;
    if (pick % 8 == 0) {
        text_add_str(text, "\"o\":\"null\"");
    } else if (pick % 8 == 1) {
        text_addf(text,
                  "\"o\":\"throw\",\"name\":\"Error\",\"message\":\"no \\\"%u\\\" \xc3\xa4\\n\"",
                  (unsigned)(pick >> 8) % 5);
    } else if (call->schema) {
        text_addf(text, "\"o\":\"value\",\"v\":{\"a\":\"value %u\",\"n\":%u}",
                  (unsigned)(pick >> 8) % 5, (unsigned)(pick >> 12) % 5);
    } else {
        text_addf(text, "\"o\":\"value\",\"v\":%s", values[(pick >> 8) % COUNT_OF(values)]);
        text_add_str(text, pick % 8 == 2 ? ",\"cut\":true" : "");
    }
    text_addf(text, ",\"spent\":%lld", (long long)play->spent);
}

static void call_settle(struct play *play, struct made_call *call, struct text *order) {
    AUTO(text_done) struct text outcome;
    AUTO(text_done) struct text entry;
    text_init(&outcome, ORDER_MAX);
    text_init(&entry, ORDER_MAX);
    outcome_add(play, call, &outcome);
    call->settled = true;
    text_addf(order, "%s{\"t\":\"settle\",\"id\":%lld,%s}", order->len > 1 ? "," : "",
              (long long)call->id, outcome.data);
    text_addf(&entry, "{\"k\":\"%s\",\"n\":%lld,%s}", call->key, (long long)call->occurrence,
              outcome.data);
    assert_true(play->history_count < CALLS_MAX);
    play->history[play->history_count++] = text_take(&entry, NULL);
}

/* Some of those that are open, in any order. */
static void settle_some(struct play *play, struct text *order) {
    uint64_t count = 1 + choose(play, "count", play->history_count) % AT_ONCE_MAX;
    text_add_char(order, '[');
    for (uint64_t i = 0; i < count; i++) {
        struct made_call *open[CALLS_MAX];
        size_t open_count = 0;
        for (size_t at = 0; at < play->call_count; at++) {
            if (!play->calls[at].settled) {
                open[open_count++] = &play->calls[at];
            }
        }
        if (open_count > 0) {
            call_settle(play, open[choose(play, "which", play->history_count) % open_count], order);
        }
    }
    text_add_char(order, ']');
}

static void play_done(struct play *play) {
    for (size_t i = 0; i < play->call_count; i++) {
        mem_free(play->calls[i].key);
    }
    for (size_t i = 0; i < play->history_count; i++) {
        mem_free(play->history[i]);
    }
}

/* --- Frames ----------------------------------------------------------------------------------- */

/* "child-2", ".drover/workflows/child-2.js"; 0: it is no call of workflow(). */
static unsigned child_of(const json_t *message) {
    const char *name = json_string_value(json_object_get(message, "name"));
    const char *path = json_string_value(json_object_get(message, "path"));
    const char *named = name != NULL ? name : path;
    const char *number = named == NULL ? NULL : strrchr(named, '-');
    return number == NULL ? 0 : (unsigned)strtoul(number + 1, NULL /* no end is wanted */, 10);
}

static void message_take(struct play *play, const json_t *message) {
    const char *type = json_string_value(json_object_get(message, "t"));
    const char *key = json_string_value(json_object_get(message, "k"));
    assert_non_null(type);
    play->ended = play->ended || strcmp(type, "end") == 0;
    const bool nested = strcmp(type, "workflow") == 0, timer = strcmp(type, "timer") == 0;
    if (nested || timer || strcmp(type, "call") == 0) {
        assert_true(play->call_count < CALLS_MAX);
        play->calls[play->call_count++] = (struct made_call){
            .id = json_integer_value(json_object_get(message, "id")),
            .occurrence = json_integer_value(json_object_get(message, "n")),
            .key = mem_copy(key, strlen(key)),
            .child = nested ? child_of(message) : 0,
            .timer = timer,
            .has_args = json_object_get(message, "args") != NULL,
            .schema = json_object_get(json_object_get(message, "opts"), "schema") != NULL};
    }
}

static json_t *parsed(const char *frame) {
    json_t *json = NULL;
    assert_int_equal(json_parse_wrapped((struct bytes){frame, strlen(frame)}, &json, NULL).code,
                     ERR_NONE);
    return json;
}

/* true: the worker waits for more, or has ended. */
static bool frame_take(struct play *play, const json_t *messages) {
    const json_t *last = json_array_get(messages, json_array_size(messages) - 1);
    const char *type = json_string_value(json_object_get(last, "t"));
    for (size_t i = 0; i < json_array_size(messages); i++) {
        message_take(play, json_array_get(messages, i));
    }
    return type != NULL && (strcmp(type, "quiet") == 0 || strcmp(type, "end") == 0);
}

/* Where it was called or thrown is beyond the stand-in. True: something was left out. */
static bool place_remove(json_t *messages) {
    static const char *const names[] = {"line", "column", "stack", "file"};
    bool removed = false;
    size_t at = 0;
    json_t *message = NULL;
    json_array_foreach(messages, at, message) {
        const char *type = json_string_value(json_object_get(message, "t"));
        const bool failed = json_is_false(json_object_get(message, "ok"));
        const bool placed =
            failed || (type != NULL && (strcmp(type, "call") == 0 || strcmp(type, "timer") == 0));
        for (size_t i = 0; placed && i < COUNT_OF(names); i++) {
            (void)json_object_del(message, names[i]); /* It may not be there. */
        }
        removed = removed || placed;
    }
    return removed;
}

/* Errors in parallel() and pipeline() have places, too, so that messages about them are left out,
 * and the numbers of lines in a play that has such. */
static void errors_remove(struct play *play, json_t *messages) {
    for (size_t i = json_array_size(messages); i-- > 0;) {
        const json_t *message = json_array_get(messages, i);
        const char *type = json_string_value(json_object_get(message, "t"));
        bool error = type != NULL && strcmp(type, "log") == 0 &&
                     json_is_true(json_object_get(message, "error"));
        if (error || (type != NULL && strcmp(type, "threw") == 0)) {
            play->threw = true;
            (void)json_array_remove(messages, i); /* Present. */
        }
    }
}

static void numbers_remove(json_t *messages) {
    size_t at = 0;
    json_t *message = NULL;
    json_array_foreach(messages, at, message) {
        (void)json_object_del(message, "no"); /* May be absent. */
    }
}

static void frames_compare(const struct play *play, const char *sent, const char *played,
                           json_t *messages) {
    if (place_remove(messages) || play->threw) {
        AUTO(json_release) json_t *others = parsed(played);
        if (play->threw) {
            numbers_remove(messages);
            numbers_remove(others);
        }
        if (json_equal(messages, others)) {
            return;
        }
    } else if (strcmp(sent, played) == 0) {
        return;
    }
    fail_msg("program %llu: the worker sends\n%.2000s\nand the stand-in\n%.2000s",
             (unsigned long long)play->number, sent, played);
}

/* Both are told the same, and say the same. */
static void exchange(struct play *play, const struct worker_process *worker, struct player *player,
                     const struct text *order) {
    bool over = false;
    assert_false(text_failed(order));
    worker_send(worker, order);
    assert_int_not_equal(player_take(player, (struct bytes){order->data, order->len}),
                         PLAYER_NONSENSE);
    while (!over) {
        AUTO(text_done) struct text played;
        text_init(&played, FRAME_MAX);
        AUTO(mem_release) char *sent = worker_frame(worker);
        AUTO(json_release) json_t *messages = parsed(sent);
        over = frame_take(play, messages);
        errors_remove(play, messages);
        if (json_array_size(messages) == 0) {
            continue;
        }
        bool said = player_say(player, &played);
        frames_compare(play, sent, said ? played.data : "nothing", messages);
    }
}

/* --- Plays ------------------------------------------------------------------------------------ */

static void start_write(const struct play *play, const struct play *before, size_t replayed,
                        struct text *order) {
    const struct program_id id = {.number = play->number, .change = play->number % 4 == 0};
    uint64_t pick = choose(play, "limits", 0);
    text_add_str(order, "[{\"t\":\"start\",");
    script_write(id, order);
    text_addf(order, ",\"args\":{\"op\":%llu}", (unsigned long long)play->number % 60);
    text_addf(order, pick % 2 == 0 ? ",\"total\":null" : ",\"total\":%u",
              (unsigned)(pick >> 8) % 150);
    text_addf(order,
              ",\"spent\":0,\"limits\":{\"agents\":%d,\"items\":4096,\"lines\":10000,"
              "\"line_bytes\":4096,\"unanswered\":8192,\"cpu_ms\":10000,\"memory_mb\":64},"
              "\"history\":[",
              pick % 5 == 0 ? SMALL_CAP : 1000);
    for (size_t i = 0; i < replayed; i++) {
        text_addf(order, "%s%s", i > 0 ? "," : "", before->history[i]);
    }
    text_add_str(order, "]}]");
}

/* `before`: whose first outcomes are its history; NULL: it has none. */
static void play_whole(struct play *play, const struct play *before, size_t replayed) {
    struct worker_process worker = worker_start();
    struct player *player = player_new(NULL);
    AUTO(text_done) struct text order;
    text_init(&order, ORDER_MAX);
    start_write(play, before, replayed, &order);
    exchange(play, &worker, player, &order);
    while (!play->ended) {
        text_clear(&order);
        settle_some(play, &order);
        exchange(play, &worker, player, &order);
    }
    player_free(player);
    worker_end(&worker);
}

static void stand_in_sends_what_a_worker_sends(void **state) {
    (void)state;
    size_t outcomes = 0, children = 0, refused = 0, timers = 0;
    for (uint64_t number = 1; number <= PROGRAMS; number++) {
        struct play live = {.number = number};
        play_whole(&live, NULL, 0);
        outcomes += live.history_count;
        children += live.children;
        refused += live.children_refused;
        timers += live.timers;
        play_done(&live);
    }
    assert_true(outcomes > PROGRAMS); /* They do something. */
    assert_true(children > PROGRAMS / 4 && refused > 0 && timers > PROGRAMS / 4);
}

static void stand_in_replays_as_a_worker_does(void **state) {
    (void)state;
    for (uint64_t number = 1; number <= PROGRAMS; number += 3) {
        struct play live = {.number = number}, again = {.number = number};
        play_whole(&live, NULL, 0);
        size_t replayed = choose(&live, "replayed", 0) % (live.history_count + 1);
        again.spent = 0;
        play_whole(&again, &live, replayed);
        play_done(&live);
        play_done(&again);
    }
}

/* An entry of the history is of a call that the program does not make. */
static void stand_in_diverges_where_a_worker_does(void **state) {
    (void)state;
    for (uint64_t number = 2; number <= PROGRAMS; number += 9) {
        struct play live = {.number = number}, again = {.number = number};
        play_whole(&live, NULL, 0);
        if (live.history_count > 0) {
            size_t at = choose(&live, "diverged", 0) % live.history_count;
            live.history[at][7] = live.history[at][7] == '0' ? '1' : '0'; /* Of its key. */
            play_whole(&again, &live, live.history_count);
        }
        play_done(&live);
        play_done(&again);
    }
}

int main(int argc, char **argv) {
    AUTO(text_done) struct text beside;
    text_init(&beside, 4096);
    text_add(&beside, argv[0], (size_t)(strrchr(argv[0], '/') - argv[0]));
    text_add_str(&beside, "/alone");
    *program_path() = argc > 1 ? argv[1] : beside.data;
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stand_in_sends_what_a_worker_sends),
        cmocka_unit_test(stand_in_replays_as_a_worker_does),
        cmocka_unit_test(stand_in_diverges_where_a_worker_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
