/* approved.c: the subject of a yes of approvers, and whether it is still that. See rows.h.
 *
 * The question has it in `about` (rules/flow/about.h). The first step after the approval that acts
 * brings the files that it would begin with, and begins only if they are those of the question: in
 * the commit that begins it, so that nothing comes between.
 */
#include "rules/flow/about.h"

#include "base/json/json.h"
#include "engine/flow/rows.h"

/* The last question of the step, in this run or in the one that it begins from. */
static struct rows *question_of(struct tx *tx, const struct flow_state *state, size_t at) {
    return tx_row(tx,
                  "SELECT a.state, a.answered_by, a.answer, a.about FROM flow_steps s"
                  " JOIN approvals a ON a.approval = s.approval AND s.approval <> ''"
                  " WHERE s.run = $1 AND s.place = $2",
                  ARGS(arg_int(state->run.id), arg_int((int64_t)at)));
}

/* NULL: it is no JSON. */
static json_t *json_read(struct bytes text) {
    json_t *json = NULL;
    return err_failed(json_parse_wrapped(text, &json, NULL /* no why */)) ? NULL : json;
}

/* For people. Of a question that nobody answered: what that had from the one before. */
static void answer_write(const struct rows *rows, const json_t *old, struct text *text) {
    const bool yes =
        bytes_is(rows_text(rows, 0), "allowed") || bytes_is(rows_text(rows, 0), "answered");
    if (!yes && !bytes_is(rows_text(rows, 0), "denied")) {
        const struct bytes before = json_bytes(old, "before");
        text_add(text, before.data, before.len);
        return;
    }
    const struct bytes by = rows_text(rows, 1), words = rows_text(rows, 2);
    text_addf(text, "%s, by %.*s%s%.*s", yes ? "yes" : "no", (int)by.len, by.data,
              words.len > 0 ? ": " : "", (int)words.len, words.data);
}

struct bytes flows__about(struct tx *tx, const struct flow_state *state, size_t at) {
    AUTO(json_release) json_t *description = NULL;
    AUTO(json_release) json_t *files = json_read(state->had[at].files);
    AUTO(json_release) json_t *old = NULL;
    AUTO(text_done) struct text answer = text_up_to(2 * APPROVAL_ANSWER_MAX);
    AUTO(text_done) struct text text = text_up_to(FLOW_ABOUT_BYTES_MAX);
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx, "SELECT name, file, source, model, input, description FROM flows WHERE run = $1",
               ARGS(arg_int(state->run.id)));
    AUTO(rows_release) struct rows *before = question_of(tx, state, at);
    if (rows == NULL) {
        tx_fail(tx, err_make(ERR_STORE_CORRUPT, "flows: about"));
        return BYTES("");
    }
    description = json_read(rows_text(rows, 5));
    if (before != NULL) {
        old = json_read(rows_text(before, 3));
        answer_write(before, old, &answer);
    }
    const struct flow_about about = {.flow = &state->flow,
                                     .at = at,
                                     .texts = json_object_get(description, "texts"),
                                     .owner = state->run.owner,
                                     .name = rows_text(rows, 0),
                                     .file = rows_text(rows, 1),
                                     .source = rows_text(rows, 2),
                                     .model = rows_text(rows, 3),
                                     .input = rows_text(rows, 4),
                                     .files = files,
                                     .old = old,
                                     .answer = text_bytes(&answer)};
    tx_fail(tx, flow_about_write(&about, &text));
    return tx_copy_text(tx, &text, "flows: about");
}

bool flows__approved_differs(struct tx *tx, const struct flow_state *state, size_t at,
                             struct bytes files) {
    const struct flow *flow = &state->flow;
    AUTO(json_release) json_t *now = json_read(files);
    bool differs = false;
    for (size_t i = 0; i < flow->count && !differs; i++) {
        if (flow->steps[i].status != FLOW_COMPLETED || !flow_is_for_approvers(flow, at, i)) {
            continue;
        }
        AUTO(json_release) json_t *about = NULL;
        AUTO(text_done) struct text how = text_up_to(FLOW_ABOUT_BYTES_MAX);
        AUTO(rows_release) struct rows *question = question_of(tx, state, i);
        about = question != NULL ? json_read(rows_text(question, 3)) : NULL;
        differs = flow_about_differs(about, flow->steps[at].id, now, &how);
    }
    return differs;
}
