/* card.c: members that tools have in common (command, path, question; output, error) are looked
 * for by name, so that a tool which comes later is shown well enough. */
#include "cli/turn/card.h"

#include <string.h>

#include "base/utf8.h"
#include "cli/base/api.h"
#include "cli/run/view.h"
#include "cli/terminal/cells.h"
#include "cli/terminal/plain.h"
#include "rules/approval/shown.h"

enum { LINE_SHOWN = 160, RESULT_LINES = 3, CHANGE_LINES = 12, JSON_SHOWN = 64 << 10 };

/* Adds at most LINE_SHOWN bytes. */
static void short_add(struct bytes text, struct text *out) {
    size_t len = utf8_cut(text, LINE_SHOWN);
    plain_add_line((struct bytes){text.data, len}, out);
    text_add_str(out, len < text.len ? " …" : "");
}

void card_value_add(const json_t *value, struct text *out) {
    if (json_is_string(value)) {
        plain_add_line((struct bytes){json_string_value(value), json_string_length(value)}, out);
        return;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        text_add_str(out, i > 0 ? " " : "");
        card_value_add(json_array_get(value, i), out);
    }
    if (value != NULL && !json_is_array(value)) {
        AUTO(text_done) struct text text = text_up_to(JSON_SHOWN);
        if (!err_failed(json_write(value, &text))) {
            plain_add_line(text_bytes(&text), out);
        }
    }
}

/* --- What is called --------------------------------------------------------------------------- */

static void members_add(const json_t *object, struct text *out) {
    AUTO(text_done) struct text line = text_up_to(JSON_SHOWN);
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)object, name, value) {
        text_addf(&line, "%s%s: ", line.len > 0 ? ", " : "", name);
        card_value_add(value, &line);
    }
    short_add(text_bytes(&line), out);
}

/* Adds what a call is about, as one line. */
static void call_add(const json_t *arguments, struct text *out) {
    static const char *const members[] = {"path",    "paths", "url",    "question", "pattern",
                                          "query",   "task",  "prompt", "name",     "text",
                                          "message", "topic", "run"};
    AUTO(text_done) struct text line = text_up_to(JSON_SHOWN);
    for (size_t i = 0; i < COUNT_OF(members) && line.len == 0; i++) {
        card_value_add(json_object_get(arguments, members[i]), &line);
    }
    if (line.len == 0) {
        members_add(arguments, out);
    } else {
        short_add(text_bytes(&line), out);
    }
}

static bool is_change(struct bytes line) {
    return line.len > 0 && memchr("+-@", line.data[0], 3) != NULL;
}

/* Adds the lines that an edit takes away and adds, without those around them. */
static void change_add(const struct paint *paint, struct bytes shown, struct text *out) {
    struct bytes line;
    size_t count = 0, more = 0;
    while (bytes_next(&shown, '\n', &line)) {
        const bool fits = count < CHANGE_LINES;
        if (!is_change(line)) {
            continue;
        }
        more += !fits;
        if (fits) {
            const enum colour colour = line.data[0] == '+'   ? COLOUR_GREEN
                                       : line.data[0] == '-' ? COLOUR_RED
                                                             : COLOUR_GREY;
            text_addf(out, "    %s", paint_begin(paint, colour));
            short_add(line, out);
            text_addf(out, "%s\n", paint_end(paint, colour));
            count++;
        }
    }
    if (more > 0) {
        text_addf(out, "    … %zu more line%s\n", more, more > 1 ? "s" : "");
    }
}

/* An edit has the lines of its change below its path. */
static bool is_edit(struct bytes lines) {
    return is_change(lines) || bytes_begin(lines, BYTES(" "));
}

void card_begin_add(const struct paint *paint, const struct card_call *call, struct text *out) {
    AUTO(json_release) json_t *json = NULL;
    AUTO(text_done) struct text shown = text_up_to((size_t)2 * SHOWN_MAX);
    const struct shown_call what = {.tool = bytes_of(call->tool), .arguments = call->arguments};
    shown_write(&what, &shown);
    struct bytes rest = text_bytes(&shown), line = BYTES("");
    (void)bytes_next(&rest, '\n', &line); /* The text is never empty. */
    const size_t begin = out->len;
    text_add_str(out, paint_begin(paint, COLOUR_BLUE));
    text_add_str(out, "• ");
    plain_add(out, call->tool);
    text_addf(out, "%s ", paint_end(paint, COLOUR_BLUE));
    /* Arguments that are no JSON are shown as they came. */
    if (err_failed(json_parse_wrapped(call->arguments, &json, NULL /* no why */))) {
        short_add(call->arguments, out);
    } else if (is_edit(rest) || json_object_get(json, "command") != NULL) {
        short_add(line, out);
    } else {
        call_add(json, out);
    }
    text_add_char(out, '\n');
    if (is_edit(rest) && !call->seen) {
        change_add(paint, rest, out);
    }
    cells_wrap_words(out, begin, paint->columns);
}

/* --- Results ---------------------------------------------------------------------------------- */

/* Adds the first lines, each after the mark or as many blanks. */
static void lines_add(struct bytes text, size_t most, struct text *out) {
    struct bytes rest = bytes_trim(text, "\r\n"), line;
    size_t shown = 0, more = 0;
    while (bytes_next(&rest, '\n', &line)) {
        more += shown >= most;
        if (shown < most) {
            text_add_str(out, shown > 0 ? "\n    " : "");
            short_add(line, out);
            shown++;
        }
    }
    if (more > 0) {
        text_addf(out, "\n    … %zu more line%s", more, more > 1 ? "s" : "");
    }
}

/* Output of a command, after its exit code where that is not 0. */
static void command_result_add(const json_t *result, struct text *out) {
    const json_t *code = json_object_get(result, "exit_code");
    struct bytes output = json_bytes(result, "stdout"), wrong = json_bytes(result, "stderr");
    output = output.len > 0 ? output : json_bytes(result, "output");
    bool failed = json_is_integer(code) && json_integer_value(code) != 0;
    bool late = json_is_true(json_object_get(result, "timed_out"));
    struct bytes shown = (failed && wrong.len > 0) || output.len == 0 ? wrong : output;
    if (late) {
        text_add_str(out, "timed out: ");
    } else if (failed) {
        text_addf(out, "exit code %lld%s", (long long)json_integer_value(code),
                  shown.len > 0 ? ": " : "");
    }
    if (shown.len > 0) {
        lines_add(shown, RESULT_LINES, out);
    } else if (!late && !failed) {
        text_add_str(out, "done, without output");
    }
}

/* The beginning of a result up to the diff in it: the change stands below the call. */
static struct bytes before_diff(struct bytes result) {
    struct bytes rest = result, line;
    while (bytes_next(&rest, '\n', &line)) {
        if (bytes_begin(line, BYTES("--- ")) && bytes_begin(rest, BYTES("+++ "))) {
            return (struct bytes){result.data, (size_t)(line.data - result.data)};
        }
    }
    return result;
}

static void result_add(struct bytes result, size_t most, struct text *out) {
    AUTO(json_release) json_t *json = NULL;
    /* A result that is no JSON is a text. */
    if (err_failed(json_parse_wrapped(result, &json, NULL /* no why */)) || !json_is_object(json)) {
        lines_add(result, most, out);
    } else if (json_object_get(json, "exit_code") != NULL ||
               json_object_get(json, "stdout") != NULL) {
        command_result_add(json, out);
    } else if (json_object_get(json, "answer") != NULL) {
        card_value_add(json_object_get(json, "answer"), out);
    } else if (json_object_get(json, "error") != NULL) {
        card_value_add(json_object_get(json, "error"), out);
    } else if (strcmp(talk_text(json, "status"), "started") == 0) {
        text_add_str(out, "started ");
        card_value_add(json_object_get(json, "operation"), out);
    } else {
        members_add(json, out);
    }
}

void card_end_add(const struct paint *paint, const struct card *card, bool named,
                  struct text *out) {
    static const char *const under_way[] = {"pending", "running", "ready", "reviewing", NULL};
    unsigned at = 0;
    bool good = strcmp(card->state, "succeeded") == 0, asking = strcmp(card->state, "asking") == 0;
    bool open = asking || bytes_find(bytes_of(card->state), under_way, &at);
    enum colour colour = good ? COLOUR_GREY : open ? COLOUR_YELLOW : COLOUR_RED;
    const size_t begin = out->len;
    text_add_str(out, paint_begin(paint, colour));
    text_add_str(out, good ? "  → " : open ? "  … " : "  ✗ ");
    if (named) {
        plain_add(out, card->tool);
        text_add_str(out, ": ");
    }
    if (asking) {
        text_add_str(out, "waits for an answer");
    } else if (open) {
        text_add_str(out, strcmp(card->state, "pending") == 0 ? "goes on in the background"
                                                              : "under way");
    } else if (!good) {
        plain_add(out, card->state);
        text_addf(out, "%s%.60s%s", card->cause[0] != '\0' ? " (" : "", card->cause,
                  card->cause[0] != '\0' ? ")" : "");
        text_add_str(out, card->result.len > 0 ? ": " : "");
    }
    text_add_str(out, paint_end(paint, colour));
    if (!open) {
        /* Why a call failed is never cut. */
        result_add(good ? before_diff(card->result) : card->result, good ? RESULT_LINES : SIZE_MAX,
                   out);
    }
    text_add_char(out, '\n');
    cells_wrap_words(out, begin, paint->columns);
}

/* --- Messages --------------------------------------------------------------------------------- */

struct bytes card_text(const json_t *message) {
    return json_bytes(json_array_get(json_object_get(message, "parts"), 0), "text");
}

/* Adds a user's text as lines after "> ". */
static void said_add(const struct paint *paint, struct bytes text, struct text *out) {
    const size_t begin = out->len;
    struct bytes line;
    for (const char *mark = "> "; bytes_next(&text, '\n', &line); mark = "  ") {
        text_addf(out, "%s%s", paint_begin(paint, COLOUR_BOLD), mark);
        plain_add_line(line, out);
        text_addf(out, "%s\n", paint_end(paint, COLOUR_BOLD));
    }
    cells_wrap_words(out, begin, paint->columns);
}

static void text_part_add(const struct paint *paint, struct bytes text, struct text *out) {
    struct markdown markdown = {.paint = *paint};
    struct bytes line;
    while (bytes_next(&text, '\n', &line)) {
        markdown_line(&markdown, line, out);
        text_add_char(out, '\n');
    }
}

static void tool_part_add(const struct paint *paint, const json_t *part, struct text *out) {
    const json_t *data = json_object_get(part, "data");
    const json_t *arguments = json_object_get(data, "arguments");
    AUTO(text_done) struct text json = text_up_to(JSON_SHOWN);
    struct bytes given = json_bytes(data, "arguments_text");
    const struct card card = {.tool = talk_text(part, "name"),
                              .state = talk_text(part, "state"),
                              .cause = talk_text(part, "cause"),
                              .result = json_bytes(part, "text")};
    if (json_is_object(arguments) && !err_failed(json_write(arguments, &json))) {
        given = text_bytes(&json);
    }
    const bool asking = strcmp(card.state, "asking") == 0;
    card_begin_add(paint, &(struct card_call){card.tool, given, .seen = asking}, out);
    card_end_add(paint, &card, false, out);
}

void card_part_add(const struct paint *paint, const char *role, const json_t *part,
                   struct text *out) {
    const char *kind = talk_text(part, "kind");
    struct bytes text = json_bytes(part, "text");
    if (strcmp(kind, "tool") == 0) {
        tool_part_add(paint, part, out);
    } else if (strcmp(kind, "image") == 0) {
        text_add_str(out, "[image ");
        plain_add(out, talk_text(part, "name"));
        text_add_str(out, "]\n");
    } else if (strcmp(role, "user") == 0 || strcmp(kind, "steer") == 0) {
        said_add(paint, text, out);
    } else if (strcmp(kind, "text") == 0) {
        text_part_add(paint, text, out);
    } else if (strcmp(kind, "error") == 0) {
        text_add_str(out, "[");
        plain_add_line(text, out);
        text_add_str(out, "]\n");
    }
    text_add_str(out, json_is_true(json_object_get(part, "cut")) ? "…\n" : "");
}

void card_message_add(const struct paint *paint, const json_t *message, struct text *out) {
    const char *role = talk_text(message, "role");
    const json_t *part = NULL;
    size_t at = 0;
    if (strcmp(role, "notice") == 0) {
        card_notice_add(paint, message, out);
        return;
    }
    json_array_foreach(json_object_get(message, "parts"), at, part) {
        card_part_add(paint, role, part, out);
    }
}

/* A notice holds a line of JSON for each run that ended. */
void card_notice_add(const struct paint *paint, const json_t *message, struct text *out) {
    struct bytes rest = card_text(message), line;
    while (bytes_next(&rest, '\n', &line)) {
        AUTO(json_release) json_t *row = NULL;
        /* Other lines are for the model. */
        bool read = line.len > 0 && line.data[0] == '{' &&
                    !err_failed(json_parse_wrapped(line, &row, NULL /* no why */));
        if (!read || talk_text(row, "run")[0] == '\0') {
            continue;
        }
        const char *cause = talk_text(row, "cause");
        text_add_str(out, paint_begin(paint, COLOUR_YELLOW));
        text_add_str(out, "◆ ended in the background: ");
        text_add_str(out, paint_end(paint, COLOUR_YELLOW));
        short_add(json_bytes(row, "label"), out);
        text_addf(out, ": %.40s", talk_text(row, "state"));
        if (cause[0] != '\0' && strcmp(cause, "completed") != 0) {
            text_addf(out, " (%.90s)", run_view_why(cause));
        }
        text_add_char(out, '\n');
    }
}
