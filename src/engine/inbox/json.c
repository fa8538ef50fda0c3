/* json.c: a notice as its receiver gets it.
 *
 * A notice has a bound: of the output 4,000 characters, head and tail; of the arguments as many as
 * 4,000 bytes of JSON hold; of a workflow's failures, none where they are more than that.
 */
#include "base/json/json.h"
#include "base/utf8.h"
#include "engine/inbox/rows.h"

enum { ARGV_JSON_MAX = 4000, LABEL_MAX = 1000 };

/* Of the arguments, those that fit; a mark where some did not. */
static void argv_add(struct text *text, const json_t *argv) {
    AUTO(text_done) struct text list = text_up_to(ARGV_JSON_MAX);
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

/* What it is, in the words of its submitter: the label, else the command. */
static void what_add(struct text *text, const struct run_row *run) {
    if (run->label.len > 0) {
        /* One of a damaged row has any length, and must not keep the run from its end. */
        text_add_member(text, "label",
                        (struct bytes){run->label.data, utf8_cut(run->label, LABEL_MAX)});
        return;
    }
    AUTO(json_release) json_t *spec = NULL;
    if (err_failed(json_parse_wrapped(run->spec, &spec, NULL))) {
        return;
    }
    const json_t *argv = json_object_get(spec, "argv");
    if (json_is_array(argv)) {
        text_add_name(text, "argv");
        argv_add(text, argv);
    } else if (json_is_string(json_object_get(spec, "shell"))) {
        struct bytes line = json_bytes(spec, "shell");
        line.len = utf8_cut(line, ARGV_JSON_MAX / 6);
        text_add_member(text, "shell", line);
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

/* Length of the first `count` characters. */
static size_t characters_len(struct bytes text, size_t count) {
    size_t at = 0;
    for (; count > 0 && at < text.len; count--) {
        at += character_len(text, at);
    }
    return at;
}

/* JSON is UTF-8, whatever a command wrote. */
static void clean_add(struct text *clean, struct bytes part) {
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

/* The whole output, or its head and tail around a mark. */
static void output_add(struct text *text, struct bytes output) {
    enum { HALF = (INBOX_OUTPUT_MAX - 3) / 2, CLEAN_MAX = INBOX_OUTPUT_MAX * 4 + 16 };
    AUTO(text_done) struct text clean = text_up_to(CLEAN_MAX);
    size_t count = 0;
    for (size_t at = 0; at < output.len; count++) {
        at += character_len(output, at);
    }
    if (count <= INBOX_OUTPUT_MAX) {
        clean_add(&clean, output);
    } else {
        size_t tail = characters_len(output, count - HALF);
        clean_add(&clean, (struct bytes){output.data, characters_len(output, HALF)});
        text_add_str(&clean, "\n…\n");
        clean_add(&clean, (struct bytes){output.data + tail, output.len - tail});
    }
    text_add_member(text, "output", text_bytes(&clean));
}

void inbox__write_head(const struct inbox__head *head, struct text *text) {
    const struct bytes title = {head->title.data, utf8_cut(head->title, INBOX_TITLE_MAX)};
    text_add_member(text, "delivery", head->delivery);
    text_add_member(text, "event", bytes_of(notice_event_names[head->event]));
    text_add_member(text, "title", title);
    text_add_member_or_null(text, "project", head->project);
    text_add_member_or_null(text, "session", head->session);
    if (head->origin.len > 0) {
        text_add_name(text, "link");
        text_add_char(text, '"');
        text_add_json_piece(text, head->origin);
        text_add_str(text, head->page);
        text_add_json_piece(text, head->name);
        text_add_char(text, '"');
    }
}

struct err inbox__write_notice(const struct inbox_notice *notice, struct bytes delivery,
                               const struct inbox__head *head, struct text *text) {
    const struct run_row *run = notice->run;
    int64_t duration_ms = run->started_ms > 0 ? run->ended_ms - run->started_ms : 0;
    text_add_char(text, '{');
    if (head != NULL) {
        inbox__write_head(head, text);
    } else {
        text_add_member(text, "delivery", delivery);
    }
    text_add_member(text, "run", run->run);
    text_add_member(text, "kind", bytes_of(run_kind_name(run->kind)));
    what_add(text, run);
    text_add_member(text, "state", bytes_of(run_state_name(run->state)));
    text_add_member(text, "cause", bytes_of(run_cause_name(run->cause)));
    text_add_member_int_or_null(text, "exit_code", notice->exit_code, notice->exit_code >= 0);
    if (run->note.len > 0) { /* Why it was not started, or what went wrong. */
        text_add_member(text, "note", run->note);
    }
    /* The whole lasted from made to ended, the last attempt from started to ended. */
    text_add_member_int(text, "made_ms", run->made_ms);
    text_add_member_int_or_null(text, "started_ms", run->started_ms, run->started_ms > 0);
    text_add_member_int(text, "ended_ms", run->ended_ms);
    text_add_member_int(text, "duration_ms", duration_ms > 0 ? duration_ms : 0);
    if (run->attempt > 1) { /* The duration above is that of the last attempt. */
        int64_t total_ms = run->ended_ms - run->made_ms;
        text_add_member_int(text, "attempt", run->attempt);
        text_add_member_int(text, "total_ms", total_ms > 0 ? total_ms : 0);
    }
    output_add(text, notice->output);
    if (run_kind_is(run->kind, RUN_HAS_STEPS)) {
        text_add_str(text, notice->members.len > 0 ? "," : "");
        text_add(text, notice->members.data, notice->members.len);
    } else if (run_kind_is(run->kind, RUN_HAS_PROCESS)) { /* No other kind has a log. */
        text_add_str(text, ",\"log\":\"/api/v1/jobs/");
        text_add_json_piece(text, run->run);
        text_add_str(text, "/logs\"");
    }
    text_add_char(text, '}');
    return text_failed(text) ? text_error(text, "inbox: notice") : ERR_OK;
}
