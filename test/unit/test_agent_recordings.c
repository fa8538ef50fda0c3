/* Output of real programs (test/agents/recordings) becomes events and an outcome: those of the
 * file .events beside each recording; also where a daemon ends after any of the lines.
 *
 *   AGENT_RECORDINGS=DIR    others, which `make test-agents` has just made, against the same events
 *   AGENT_EVENTS_WRITE=1    writes the events down instead: to be read before they are committed
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/program.h"
#include "base/json/json.h"

enum { FILE_MAX = 1 << 20 };

static bool file_read(const char *folder, const char *name, struct text *text) {
    char path[4096], piece[4096];
    assert_true((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) < sizeof path);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return false;
    }
    for (size_t len; (len = fread(piece, 1, sizeof piece, file)) > 0;) {
        text_add(text, piece, len);
    }
    (void)fclose(file); /* The content was read. */
    assert_false(text_failed(text));
    return true;
}

/* Events, a line each. Pieces of one text are joined, and equal lines in a row noted once: runs
 * differ in how often a program tries again, and in how its text was cut. */
struct heard {
    struct text text;
    enum program_event_kind last;
    size_t line; /* Where the last line begins. */
};

static void line_end(struct heard *heard, size_t from) {
    struct text *text = &heard->text;
    const size_t len = text->len - from;
    if (len == from - heard->line && len > 0 &&
        memcmp(text->data + from, text->data + heard->line, len) == 0) {
        text_cut(text, from);
        return;
    }
    heard->line = from;
}

static void note(void *ctx, const struct program_event *event) {
    static const char *const names[] = {
        [PROGRAM_TEXT] = "text",          [PROGRAM_THINKING] = "thinking",
        [PROGRAM_TOOL_STARTED] = "tool",  [PROGRAM_TOOL_FINISHED] = "result",
        [PROGRAM_QUESTION] = "question",  [PROGRAM_RETRYING] = "retrying",
        [PROGRAM_STEP] = "step",          [PROGRAM_DONE] = "done",
        [PROGRAM_READ] = "read",          [PROGRAM_DISCARDED] = "discarded",
        [PROGRAM_WITHDRAWN] = "withdrawn"};
    struct heard *heard = ctx;
    struct text *text = &heard->text;
    if (event->kind == PROGRAM_STEP) {
        return;
    }
    const bool piece = event->kind == PROGRAM_TEXT || event->kind == PROGRAM_THINKING;
    if (piece && event->kind == heard->last && text->len > 0) {
        text_cut(text, text->len - 2); /* The quote and the line feed. */
        text_add_json_piece(text, event->text);
        text_add_str(text, "\"\n");
        return;
    }
    const size_t from = text->len;
    heard->last = event->kind;
    text_add_str(text, names[event->kind]);
    const struct bytes words[] = {event->id, event->tool, event->arguments};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        text_add_str(text, words[i].len > 0 ? " " : "");
        text_add(text, words[i].data, words[i].len);
    }
    if (event->status > 0) {
        text_addf(text, " %lld", (long long)event->status);
    }
    if (event->text.len > 0 || piece) {
        text_add_char(text, ' ');
        text_add_json(text, event->text.data, event->text.len);
    }
    text_add_str(text, event->failed ? " failed\n" : "\n");
    line_end(heard, from);
}

enum reading { READ_THROUGH, READ_BY_ANOTHER };

static struct program_reader *reader_renewed(struct program_reader *old,
                                             const struct program *program,
                                             const struct agent_definition *agent) {
    AUTO(text_done) struct text saved = text_up_to(PROGRAM_STATE_MAX);
    program_reader_save(old, &saved);
    assert_false(text_failed(&saved));
    program_reader_free(old);
    struct program_reader *reader = program_reader_new(program, agent);
    assert_true(program_reader_load(reader, text_bytes(&saved)));
    return reader;
}

/* Reads the lines of a row of the index. A program that gets SIGTERM may end by it, with a code of
 * its own, or only by the SIGKILL that follows: it is a race within the program. In each
 * case another attempt goes on. */
static void hear(const json_t *row, struct bytes lines, enum reading how, struct heard *heard) {
    const struct program *program = program_find(json_bytes(row, "program"));
    const struct agent_definition agent = {.name = "a", .program = json_str(row, "program", "")};
    assert_non_null(program);
    struct program_reader *reader = program_reader_new(program, &agent);
    struct bytes line;
    while (bytes_next(&lines, '\n', &line)) {
        program_read(reader, line, PROGRAM_LINE_WHOLE, note, heard);
        if (how == READ_BY_ANOTHER) {
            reader = reader_renewed(reader, program, &agent);
        }
    }
    const bool exited = json_is_integer(json_object_get(row, "exit_code"));
    const bool late = json_is_true(json_object_get(row, "late"));
    const bool terminated = bytes_is(json_bytes(row, "signal"), "SIGTERM");
    struct agent_ending ending = {.exit = exited ? AGENT_EXITED : AGENT_SIGNALED,
                                  .code = (int)json_int(row, "exit_code", 0),
                                  .signal = exited       ? 0
                                            : terminated ? 15
                                                         : 9,
                                  .ender = late ? AGENT_DEADLINE : AGENT_ITSELF,
                                  .stderr_tail = json_bytes(row, "stderr")};
    program_finish(reader, &ending);
    const struct agent_verdict verdict = agent_classify(&ending);
    const struct program_seen seen = program_seen(reader);
    struct usage usage;
    struct usage_cost cost;
    program_take_usage(reader, &usage, &cost);
    struct text *text = &heard->text;
    text_addf(text, "usage %lld+%lld+%lld in, %lld out, cost %lld\n", (long long)usage.fresh,
              (long long)usage.cache_read, (long long)usage.cache_write, (long long)usage.output,
              cost.known ? (long long)cost.micros : -1LL);
    text_addf(text, "session %s\n", seen.native.len > 0 ? "named" : "unknown");
    text_addf(text, "unknown lines %lld\n", (long long)seen.unknown);
    if (ending.result.retry_after_ms > 0) {
        text_addf(text, "named wait %lld\n", (long long)ending.result.retry_after_ms);
    }
    const bool signaled = bytes_is(json_bytes(row, "case"), "terminated") && !ending.result.present;
    const bool resumes = agent_next(verdict.outcome, 1, 0).remedy == AGENT_RESUMES;
    text_addf(text, "outcome %s",
              signaled && resumes ? "that is resumed" : agent_outcome_name(verdict.outcome));
    text_add_str(text, ending.result.text.len > 0 ? ": " : "");
    text_add(text, ending.result.text.data, ending.result.text.len);
    text_add_char(text, '\n');
    program_reader_free(reader);
    assert_false(text_failed(text));
}

/* Folder in the source, where the events are. */
static const char *committed(void) {
    static char folder[4096];
    const char *source = getenv("DROVER_SOURCE");
    assert_non_null(source);
    (void)snprintf(folder, sizeof folder, "%s/test/agents/recordings", source);
    return folder;
}

static void events_write(const char *name, const struct text *text) {
    char path[4096];
    assert_true((size_t)snprintf(path, sizeof path, "%s/%s", committed(), name) < sizeof path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text->data, 1, text->len, file), text->len);
    assert_int_equal(fclose(file), 0);
}

/* False: the events differ, and were shown. */
static bool recording_check(const char *folder, const json_t *row) {
    bool same = true;
    char name[200];
    AUTO(text_done) struct text lines = text_up_to(FILE_MAX);
    AUTO(text_done) struct text expected = text_up_to(FILE_MAX);
    struct heard through = {.text = text_up_to(FILE_MAX)};
    struct heard renewed = {.text = text_up_to(FILE_MAX)};
    (void)snprintf(name, sizeof name, "%s-%s.jsonl", json_str(row, "program", ""),
                   json_str(row, "case", ""));
    assert_true(file_read(folder, name, &lines));
    hear(row, text_bytes(&lines), READ_THROUGH, &through);
    hear(row, text_bytes(&lines), READ_BY_ANOTHER, &renewed);
    assert_string_equal(renewed.text.data, through.text.data);
    (void)snprintf(name, sizeof name, "%s-%s.events", json_str(row, "program", ""),
                   json_str(row, "case", ""));
    if (getenv("AGENT_EVENTS_WRITE") != NULL) {
        events_write(name, &through.text);
    } else if (!file_read(committed(), name, &expected) ||
               !bytes_equal(text_bytes(&expected), text_bytes(&through.text))) {
        print_error("%s differs:\n%s", name, through.text.data);
        same = false;
    }
    text_done(&through.text);
    text_done(&renewed.text);
    return same;
}

static void recordings_become_their_events(void **state) {
    (void)state;
    const char *other = getenv("AGENT_RECORDINGS");
    const char *folder = other != NULL ? other : committed();
    AUTO(text_done) struct text text = text_up_to(FILE_MAX);
    AUTO(json_release) json_t *index = NULL;
    assert_true(file_read(folder, "index.json", &text));
    assert_int_equal(json_parse(text.data, text.len, JSON_DEPTH_MAX, &index, NULL).code, ERR_NONE);
    assert_true(json_array_size(index) > 0);
    size_t differ = 0;
    for (size_t i = 0; i < json_array_size(index); i++) {
        differ += !recording_check(folder, json_array_get(index, i));
    }
    assert_int_equal(differ, 0);
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {cmocka_unit_test(recordings_become_their_events)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
