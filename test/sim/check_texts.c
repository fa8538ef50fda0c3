/* check_texts.c: the text that followers of a session have is the text that its answers keep.
 *
 *   completed  each step of an answer has as many bytes of text as the events of its call carry
 *   stopped    a turn that was stopped or interrupted keeps at least the text that followers have
 *
 * Events are read when the turn ends: later ones may be pruned.
 */
#include <stdio.h>
#include <string.h>

#include "asks.h"
#include "base/json/json.h"
#include "ops.h"

enum { STEPS_MAX = 512 };

/* Of each step of a turn: bytes of text in its events, and whether the one that begins it is there.
 * Steps of a turn that lasted for long were pruned. */
struct heard {
    int64_t bytes[STEPS_MAX];
    bool whole[STEPS_MAX];
};

/* Columns: type and data of an event. A call that begins, or whose text is withdrawn, has none. */
static void piece_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct heard *heard = ctx;
    AUTO(json_release) json_t *data = NULL;
    (void)sim;
    if (err_failed(json_parse_wrapped(row->text[1], &data, /* why */ NULL))) {
        return;
    }
    int64_t step = json_integer_value(json_object_get(data, "step"));
    if (step <= 0 || step >= STEPS_MAX) {
        return;
    }
    bool text = strcmp(row->text[0].data, "delta") == 0;
    heard->whole[step] = heard->whole[step] || strcmp(row->text[0].data, "output_started") == 0;
    heard->bytes[step] =
        text ? heard->bytes[step] + (int64_t)json_string_length(json_object_get(data, "text")) : 0;
}

static void hear(struct sim *sim, const char *run, struct heard *ret_heard) {
    *ret_heard = (struct heard){.bytes = {0}};
    ask_each(
        sim,
        "SELECT e.type, e.data FROM runs r JOIN turns t ON t.run = r.id"
        " JOIN sessions s ON s.id = t.session JOIN streams x ON x.name = 'session:' || s.session"
        " JOIN events e ON e.stream = x.id WHERE r.run = $1 AND instr(e.data, $1) > 0"
        " AND e.type IN ('delta', 'output_started', 'output_discarded') ORDER BY e.seq",
        TEXTS(run), piece_take, ret_heard);
}

/* --- Stopped ---------------------------------------------------------------------------------- */

static void stopped_check(struct sim *sim, const char *run) {
    struct heard heard;
    int64_t last = 0;
    hear(sim, run, &heard);
    for (size_t step = 0; step < STEPS_MAX; step++) {
        last = heard.bytes[step] > 0 ? heard.bytes[step] : last;
    }
    int64_t kept = rows_number(sim,
                               "SELECT coalesce(sum(p.bytes), 0) FROM runs r"
                               " JOIN turns t ON t.run = r.id JOIN parts p ON p.message = t.answer"
                               " WHERE r.run = $1 AND p.kind = 'text'",
                               TEXTS(run), 0);
    bool cleared = rows_number(sim,
                               "SELECT count(*) FROM runs r JOIN turns t ON t.run = r.id"
                               " JOIN messages m ON m.id = t.answer"
                               " WHERE r.run = $1 AND m.status = 'interrupted'",
                               TEXTS(run), 0) == 0;
    sim_trace(sim, "the stopped turn %s had said %lld bytes, and keeps %lld", run, (long long)last,
              (long long)kept);
    if (!cleared && kept < last && ask_wanted("stopped_text")) {
        sim_fail(sim, "a turn that was stopped keeps %lld of %lld bytes that it had said, %s",
                 (long long)kept, (long long)last, run);
    }
}

/* --- Completed -------------------------------------------------------------------------------- */

struct completed {
    const char *run;
    struct heard heard;
};

/* Columns: step, bytes of its text. */
static void step_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    const struct completed *completed = ctx;
    int64_t step = row->number[0], kept = row->number[1];
    if (step > 0 && step < STEPS_MAX && completed->heard.whole[step] &&
        completed->heard.bytes[step] != kept && ask_wanted("completed_text")) {
        sim_fail(sim, "step %lld of the answer of %s has %lld bytes of text, and its events %lld",
                 (long long)step, completed->run, (long long)kept,
                 (long long)completed->heard.bytes[step]);
    }
}

static void completed_check(struct sim *sim, const char *run) {
    struct completed completed = {.run = run};
    hear(sim, run, &completed.heard);
    ask_each(sim,
             "SELECT p.step, sum(p.bytes) FROM runs r JOIN turns t ON t.run = r.id"
             " JOIN messages m ON m.id = t.answer JOIN parts p ON p.message = m.id"
             " WHERE r.run = $1 AND p.kind = 'text' AND m.status = 'completed'"
             " AND t.began_by <> 'compact' GROUP BY p.step",
             TEXTS(run), step_take, &completed);
}

static void texts_noted(struct sim *sim, const struct run_row *row) {
    bool stopped = row->cause == CAUSE_STOPPED || row->cause == CAUSE_INTERRUPTED;
    char run[ID_SIZE];
    (void)snprintf(run, sizeof run, "%.*s", (int)row->run.len, row->run.data); /* It fits. */
    if (row->kind == KIND_TURN && run_state_final(row->state) && stopped) {
        stopped_check(sim, run);
    } else if (row->kind == KIND_TURN && row->state == RUN_SUCCEEDED) {
        completed_check(sim, run);
    }
}

const struct sim_part part_texts = {.name = "texts", .noted = texts_noted};
