/* waits.c: a table from gates to sentences. */
#include "cli/run/waits.h"

#include <string.h>

#include "cli/base/api.h"
#include "cli/run/view.h"

/* Gate of the API; the sentence, to which the note of the run is added where there is one. */
static const struct {
    const char *gate, *words;
} gates[] = {
    {"key", "the end of another run with the same key"},
    {"budget", "room in a budget"},
    {"slot", "a free place: others have to end first"},
    {"time", "the time of its next attempt"},
    {"hold", "the daemon, which holds: 'drover release' lets it go on"},
    {"provider", "the next try of its provider"},
    {"host", "a command on another host, or 'drover job abandon'"},
};

/* A run that is `waiting` at no gate. */
static void waiting_add(const json_t *run, struct text *text) {
    const char *id = talk_text(run, "id");
    if (strcmp(talk_text(run, "cause"), "paused") == 0) {
        text_addf(text, "you: it is paused, and 'drover resume %s' lets it go on", id);
    } else if (strcmp(talk_text(run, "kind"), "turn") == 0) {
        text_add_str(text, "your answer: 'drover approve' lists the open questions");
    } else {
        text_add_str(text, "something that it did not name");
    }
}

void run_waits_add(const json_t *run, struct text *text) {
    const char *gate = talk_text(run, "gate"), *note = talk_text(run, "note");
    const char *state = talk_text(run, "state");
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
        text_add_str(text, note[0] != '\0' ? ": " : "");
        run_view_plain(text, note);
    } else if (strcmp(state, "waiting") == 0) {
        waiting_add(run, text);
    }
    if (text->len > 0 && talk_int(run, "resume_at_ms") > 0) {
        text_addf(text, ", at %s", talk_clock(talk_int(run, "resume_at_ms")).text);
    }
}
