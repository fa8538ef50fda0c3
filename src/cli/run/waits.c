/* waits.c: a table from gates to sentences, and the words of a question. */
#include "cli/run/waits.h"

#include <string.h>

#include "base/utf8.h"
#include "cli/base/api.h"
#include "cli/base/names.h"
#include "cli/run/view.h"
#include "cli/terminal/plain.h"

enum { LINE_MAX_BYTES = 4000 };

/* Gate of the API; the sentence, to which the note of the run is added where there is one. */
static const struct {
    const char *gate, *words;
} gates[] = {
    {"key", "another run with the same key"},
    {"budget", "room in a budget"},
    {"slot", "a free place: others have to end first"},
    {"time", "the time of its next attempt"},
    {"hold", "the daemon, which holds: 'drover release' lets it go on"},
    {"provider", "the next try of its provider"},
    {"host", "a command on another host, or 'drover job abandon'"},
};

/* A run that is `waiting` at no gate. */
static void waiting_add(const json_t *run, struct text *text) {
    if (strcmp(talk_text(run, "cause"), "paused") == 0) {
        text_addf(text, "you: it is paused, and 'drover resume %s' lets it go on",
                  short_name_of(talk_text(run, "id"), run_label(run)).text);
    } else if (strcmp(talk_text(run, "kind"), "turn") == 0) {
        text_add_str(text, "your answer: 'drover approve' lists the open questions");
    } else {
        text_add_str(text, "something that it did not name");
    }
}

void run_waits_add(const json_t *run, int64_t now_ms, struct text *text) {
    const char *gate = talk_text(run, "gate"), *note = talk_text(run, "note");
    const char *state = talk_text(run, "state");
    const int64_t resume_ms = talk_int(run, "resume_at_ms");
    const size_t begin = text->len;
    size_t at = 0;
    while (at < COUNT_OF(gates) && strcmp(gates[at].gate, gate) != 0) {
        at++;
    }
    if (run_has_ended(run)) {
        return;
    }
    if (json_is_true(json_object_get(run, "host_away"))) {
        text_add_str(text, "its host, which is away: 'drover job abandon' gives it up");
    } else if (at < COUNT_OF(gates)) {
        text_add_str(text, gates[at].words);
        const char *holder = talk_text(run, "waits_for");
        text_addf(text, "%s%.40s", holder[0] != '\0' ? ": " : "", holder);
    } else if (strcmp(state, "waiting") == 0) {
        waiting_add(run, text);
    }
    if (run_waits_for_session(run)) {
        text_cut(text, begin);
        text_add_str(text, "its session");
    } else if (text->len > begin && resume_ms > 0 && now_ms > 0) {
        text_addf(text, ", %s", talk_in(resume_ms, now_ms).text);
    }
    if (at < COUNT_OF(gates) && note[0] != '\0') {
        text_add_str(text, text->len > begin ? ": " : "");
        run_view_plain(text, note);
    }
}

void run_reason_add(const json_t *run, int64_t now_ms, struct text *text) {
    const char *stop = talk_text(run, "stop");
    const size_t begin = text->len;
    if (run_has_ended(run)) {
        const int64_t retry_ms = talk_int(run, "resume_at_ms");
        text_addf(text, "%s%s", retry_ms > 0 ? "retry " : "",
                  retry_ms > 0 ? talk_in(retry_ms, now_ms).text : "");
        return;
    }
    text_add_str(text, "waits for ");
    const size_t reason = text->len;
    run_waits_add(run, now_ms, text);
    const bool waits = text->len > reason;
    if (!waits) {
        text_cut(text, begin);
    }
    if (stop[0] != '\0') {
        text_add_str(text, waits ? ", asked to stop" : "asked to stop");
    }
}

/* A wait for a person needs no line: its question is shown. */
const char *run_wait_event_add(const json_t *data, struct text *text) {
    const char *gate = talk_text(data, "gate"), *note = talk_text(data, "note");
    const int64_t resume_ms = talk_int(data, "resume_at_ms");
    const bool budget = strcmp(gate, "budget") == 0;
    if (budget) {
        text_add_str(text, "waiting for a budget");
    } else if (strcmp(gate, "provider") == 0 && note[0] != '\0') {
        text_add_str(text, "waiting: ");
        plain_add(text, note);
        return talk_text(data, "cause");
    } else if (strcmp(gate, "provider") == 0) {
        text_add_str(text, "waiting for provider ");
        plain_add(text, talk_text(data, "provider"));
    }
    if (gate[0] != '\0' && resume_ms > 0) { /* Midnight may be that of another date. */
        text_addf(text, " until %s",
                  budget ? talk_time(resume_ms).text : talk_clock(resume_ms).text);
    }
    return budget ? note : talk_text(data, "cause");
}

/* --- Questions -------------------------------------------------------------------------------- */

/* The text of a call stands after the name of its tool; that of a question stands for itself. */
static struct bytes question_begin(const json_t *approval, struct text *text) {
    if (strcmp(talk_text(approval, "kind"), "leave") == 0) {
        plain_add(text, talk_text(approval, "tool"));
        text_add_str(text, ": ");
    }
    return json_bytes(approval, "shown");
}

void run_question_add(const json_t *approval, struct text *text) {
    struct bytes rest = question_begin(approval, text), line = BYTES("");
    (void)bytes_next(&rest, '\n', &line); /* Nothing is shown without a line. */
    const size_t len = utf8_cut(line, LINE_MAX_BYTES);
    plain_add_line((struct bytes){line.data, len}, text);
    text_add_str(text, len < line.len || rest.len > 0 ? " …" : "");
}

void run_question_lines_add(const json_t *approval, const char *indent, struct text *text) {
    struct bytes rest = question_begin(approval, text), line;
    for (bool more = false; bytes_next(&rest, '\n', &line); more = true) {
        text_add_str(text, more ? "\n" : "");
        text_add_str(text, more ? indent : "");
        plain_add_line(line, text);
    }
}
