/* json.c: a notice as its receiver gets it, and a row of the inbox as clients see it.
 *
 * A notice has a bound: of the output 4,000 characters, head and tail; of the arguments as many as
 * 4,000 bytes of JSON hold; of a workflow's failures, none where they are more than that.
 */
#include <string.h>

#include "base/json/json.h"
#include "base/utf8.h"
#include "engine/inbox/rows.h"

enum { ARGV_JSON_MAX = 4000, LABEL_MAX = 1000 };

static void add_text(struct text *text, const char *before, struct bytes value) {
    text_add_str(text, before);
    text_add_json(text, value.data, value.len);
}

static void add_word(struct text *text, const char *before, const char *word) {
    add_text(text, before, bytes_of(word));
}

static void add_number(struct text *text, const char *before, int64_t number) {
    text_add_str(text, before);
    text_add_int(text, number);
}

/* Of the arguments, those that fit; a mark where some did not. */
static void add_argv(struct text *text, const json_t *argv) {
    AUTO(text_done) struct text list;
    text_init(&list, ARGV_JSON_MAX);
    text_add_char(&list, '[');
    for (size_t i = 0; i < json_array_size(argv); i++) {
        const json_t *word = json_array_get(argv, i);
        size_t kept = list.len;
        text_add_str(&list, i > 0 ? "," : "");
        text_add_json(&list, json_string_value(word), json_string_length(word));
        if (text_failed(&list)) {
            text_add(text, list.data, kept);
            text_add_str(text, kept > 1 ? ",\"…\"]" : "\"…\"]");
            return;
        }
    }
    text_add(text, list.data, list.len);
    text_add_char(text, ']');
}

/* What it is, in the words of whoever made it: the label, else the command. */
static void add_what(struct text *text, const struct run_row *run) {
    if (run->label.len > 0) {
        /* One of a damaged row has any length, and must not keep the run from its end. */
        struct bytes label = {run->label.data, utf8_cut(run->label, LABEL_MAX)};
        add_text(text, ",\"label\":", label);
        return;
    }
    AUTO(json_release) json_t *spec = NULL;
    struct err err = json_parse_wrapped(run->spec, &spec, NULL);
    const json_t *argv = err_failed(err) ? NULL : json_object_get(spec, "argv");
    const json_t *shell = err_failed(err) ? NULL : json_object_get(spec, "shell");
    if (json_is_array(argv)) {
        text_add_str(text, ",\"argv\":");
        add_argv(text, argv);
    } else if (json_is_string(shell)) {
        struct bytes line = {json_string_value(shell), json_string_length(shell)};
        line.len = utf8_cut(line, ARGV_JSON_MAX / 6);
        add_text(text, ",\"shell\":", line);
    }
}

/* --- Output ----------------------------------------------------------------------------------- */

/* Of the character at `at`, at least one byte. A byte that is no character counts as one, so that
 * no text of few characters is long: a character costs a notice at most six bytes, "\u0000". */
static size_t character_len(struct bytes text, size_t at) {
    unsigned char lead = (unsigned char)text.data[at];
    size_t len = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    return len <= text.len - at && utf8_valid(text.data + at, len) ? len : 1;
}

/* The length of the first `count` characters. */
static size_t skip_characters(struct bytes text, size_t count) {
    size_t at = 0;
    for (; count > 0 && at < text.len; count--) {
        at += character_len(text, at);
    }
    return at;
}

static size_t count_characters(struct bytes text) {
    size_t count = 0;
    for (size_t at = 0; at < text.len; count++) {
        at += character_len(text, at);
    }
    return count;
}

/* JSON is UTF-8, whatever a command wrote. */
static void add_clean(struct text *clean, struct bytes part) {
    while (part.len > 0) {
        size_t good = utf8_valid_len(part.data, part.len);
        text_add(clean, part.data, good);
        if (good < part.len) {
            text_add_str(clean, "\xef\xbf\xbd"); /* U+FFFD */
            good++;
        }
        part = (struct bytes){part.data + good, part.len - good};
    }
}

static void add_output(struct text *text, struct bytes output) {
    static const char hole[] = "\n…\n";
    enum { HALF = (INBOX_OUTPUT_MAX - 3) / 2, CLEAN_MAX = INBOX_OUTPUT_MAX * 4 + 16 };
    AUTO(text_done) struct text clean;
    text_init(&clean, CLEAN_MAX);
    size_t count = count_characters(output);
    if (count <= INBOX_OUTPUT_MAX) {
        add_clean(&clean, output);
    } else {
        size_t tail = skip_characters(output, count - HALF);
        add_clean(&clean, (struct bytes){output.data, skip_characters(output, HALF)});
        text_add_str(&clean, hole);
        add_clean(&clean, (struct bytes){output.data + tail, output.len - tail});
    }
    add_text(text, ",\"output\":", (struct bytes){clean.data, clean.len});
}

struct err inbox__write_notice(const struct inbox_notice *notice, struct bytes delivery,
                               struct text *text) {
    const struct run_row *run = notice->run;
    int64_t duration_ms = run->started_ms > 0 ? run->ended_ms - run->started_ms : 0;
    add_text(text, "{\"delivery\":", delivery);
    add_text(text, ",\"run\":", run->run);
    add_word(text, ",\"kind\":", run_kind_name(run->kind));
    add_what(text, run);
    add_word(text, ",\"state\":", run_state_name(run->state));
    add_word(text, ",\"cause\":", run_cause_name(run->cause));
    text_add_str(text, ",\"exit_code\":");
    if (notice->exit_code >= 0) {
        text_add_int(text, notice->exit_code);
    } else {
        text_add_str(text, "null");
    }
    if (run->note.len > 0) { /* Why it was not started, or what went wrong. */
        add_text(text, ",\"note\":", run->note);
    }
    add_number(text, ",\"duration_ms\":", duration_ms > 0 ? duration_ms : 0);
    add_output(text, notice->output);
    if (run->kind == KIND_WORKFLOW) { /* It has no log. */
        text_add_str(text, notice->members.len > 0 ? "," : "");
        text_add(text, notice->members.data, notice->members.len);
        text_add_char(text, '}');
    } else {
        text_add_str(text, ",\"log\":\"/api/v1/jobs/");
        text_add_json_piece(text, run->run);
        text_add_str(text, "/logs\"}");
    }
    return text_failed(text) ? text_error(text, "inbox: notice") : ERR_OK;
}

/* --- Rows ------------------------------------------------------------------------------------- */

static void add_moment(struct text *text, const char *before, int64_t at_ms) {
    text_add_str(text, before);
    if (at_ms == 0) {
        text_add_str(text, "null");
    } else {
        text_add_int(text, at_ms);
    }
}

void inbox_write_json(const struct inbox_row *row, enum inbox_form form, struct text *text) {
    add_text(text, "{\"id\":", row->delivery);
    add_text(text, ",\"run\":", row->run);
    add_word(text, ",\"receiver\":", receiver_kind_name(row->kind));
    add_text(text, ",\"address\":", row->address);
    add_word(text, ",\"state\":", inbox_state_name(row->state));
    text_add_str(text, ",\"cause\":");
    if (row->cause.len == 0) {
        text_add_str(text, "null");
    } else {
        text_add_json(text, row->cause.data, row->cause.len);
    }
    text_add_str(text, ",\"turn\":");
    if (row->turn.len == 0) {
        text_add_str(text, "null");
    } else {
        text_add_json(text, row->turn.data, row->turn.len);
    }
    add_number(text, ",\"failures\":", row->failures);
    add_number(text, ",\"made_ms\":", row->made_ms);
    add_moment(text, ",\"next_ms\":", row->settled_ms == 0 ? row->not_before_ms : 0);
    add_moment(text, ",\"settled_ms\":", row->settled_ms);
    if (form == INBOX_WHOLE) {
        text_add_str(text, ",\"payload\":");
        json_add_stored(text, row->payload);
    }
    text_add_char(text, '}');
}
