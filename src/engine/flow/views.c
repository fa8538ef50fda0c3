/* views.c: a flow is read: by the daemon that performs it, and by clients. See flows.h. */
#include <string.h>

#include "base/json/json.h"
#include "base/utf8.h"
#include "engine/flow/rows.h"

/* --- For the daemon --------------------------------------------------------------------------- */

struct err tx_flow_look(struct tx *tx, struct bytes run, bool *ret_found,
                        struct flow_look *ret_look) {
    struct run_row row;
    unsigned stage = 0;
    *ret_found = false;
    if (!runs__load(tx, run, &row) || row.kind != KIND_FLOW || run_state_final(row.state)) {
        return tx_error(tx);
    }
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx, "SELECT stage, failed, rejected, due_ms FROM flows WHERE run = $1",
               ARGS(arg_int(row.id)));
    if (rows == NULL) {
        return tx_error(tx);
    }
    if (!flows__name_read(rows_text(rows, 0), flow_stage_names, &stage)) {
        return tx_fail(tx, err_make(ERR_STORE_CORRUPT, "flows: stage"));
    }
    *ret_found = true;
    *ret_look = (struct flow_look){.run = row,
                                   .stage = (enum flow_stage)stage,
                                   .rejected = rows_copy(rows, 2),
                                   .due_ms = rows_int(rows, 3),
                                   .head = flows__head(tx, &row),
                                   .orphans = flows__has_orphans(tx, row.id),
                                   .how = flows__how((enum flow_stage)stage, rows_text(rows, 1))};
    return tx_error(tx);
}

struct err tx_flow_texts(struct tx *tx, const struct flow_look *look,
                         struct flow_texts *ret_texts) {
    AUTO(rows_release)
    struct rows *rows = tx_row(tx,
                               "SELECT name, file, source, description, input, model, root"
                               " FROM flows WHERE run = $1",
                               ARGS(arg_int(look->run.id)));
    if (rows != NULL) {
        *ret_texts = (struct flow_texts){.name = rows_copy(rows, 0),
                                         .file = rows_copy(rows, 1),
                                         .source = rows_copy(rows, 2),
                                         .description = rows_copy(rows, 3),
                                         .input = rows_copy(rows, 4),
                                         .model = rows_copy(rows, 5),
                                         .root = rows_copy(rows, 6),
                                         .path = flows__path(tx, look->run.spec)};
    }
    return rows != NULL ? tx_error(tx) : tx_fail(tx, err_make(ERR_STORE_CORRUPT, "flows: texts"));
}

#define LOOK_COLUMNS                                                                               \
    "s.place, s.status, s.phase, s.name, s.version, s.tries, s.child, CASE WHEN s.phase = 'run'"   \
    " THEN (SELECT count(*) FROM flow_calls c WHERE c.run = s.run AND c.place = s.place"           \
    " AND c.version = s.version AND c.child <> 0 AND c.state = '') ELSE 0 END"

static bool item_read(const struct rows *rows, struct flow_item *ret_item) {
    unsigned status = 0, phase = 0;
    const bool known = flows__name_read(rows_text(rows, 1), flow_status_names, &status) &&
                       flows__name_read(rows_text(rows, 2), flow_phase_names, &phase);
    *ret_item = (struct flow_item){.place = (size_t)rows_int(rows, 0),
                                   .status = (enum flow_status)status,
                                   .phase = (enum flow_phase)phase,
                                   .id = rows_text(rows, 3),
                                   .version = rows_int(rows, 4),
                                   .tries = rows_int(rows, 5),
                                   .has_child = rows_int(rows, 6) != 0,
                                   .calls = rows_int(rows, 7),
                                   .prompt = BYTES(""),
                                   .result = BYTES(""),
                                   .log = BYTES("")};
    return known;
}

/* Long texts of steps are most of what a flow has: only those that are new are read. */
static struct rows *item_texts(struct tx *tx, int64_t run, struct flow_item *item) {
    struct rows *rows =
        tx_row(tx,
               "SELECT s.prompt, s.result, CASE WHEN s.phase = 'output' THEN COALESCE((SELECT"
               " r.run || '.' || CAST(r.attempt AS TEXT) FROM runs r WHERE r.id = s.child), '')"
               " ELSE '' END FROM flow_steps s WHERE s.run = $1 AND s.place = $2",
               ARGS(arg_int(run), arg_int((int64_t)item->place)));
    if (rows != NULL) {
        item->prompt = rows_text(rows, 0);
        item->result = rows_text(rows, 1);
        item->log = rows_text(rows, 2);
    }
    return rows;
}

struct err tx_flow_steps(struct tx *tx, const struct flow_look *look, struct flow_known known,
                         void (*each)(void *ctx, const struct flow_item *item), void *ctx) {
    const bool fresh = known.head != 0 && known.head == look->head;
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx,
                "SELECT " LOOK_COLUMNS " FROM flow_steps s WHERE s.run = $1 AND s.place >= $2"
                " AND s.place <= $3 ORDER BY s.place",
                ARGS(arg_int(look->run.id), arg_int(fresh ? (int64_t)known.first : 0),
                     arg_int(fresh ? (int64_t)known.last : FLOW_STEPS_MAX)));
    while (rows_step(rows)) {
        struct flow_item item;
        if (!item_read(rows, &item)) {
            return tx_fail(tx, err_make(ERR_STORE_CORRUPT, "flows: steps"));
        }
        const bool has = item.place < known.count && known.versions[item.place] == item.version;
        AUTO(rows_release)
        struct rows *texts = has ? NULL : item_texts(tx, look->run.id, &item);
        each(ctx, &item);
    }
    return tx_error(tx);
}

/* --- For clients ------------------------------------------------------------------------------ */

static void deps_write(const struct flow *flow, const struct flow_step *step, struct text *text) {
    text_add_name(text, "deps");
    text_add_char(text, '[');
    for (size_t i = 0; i < step->dep_count; i++) {
        const struct flow_dep *dep = &step->deps[i];
        AUTO(text_done) struct text name = text_up_to(2 * FLOW_ID_MAX);
        const struct bytes of =
            dep->kind == FLOW_DEP_STEP ? flow->steps[dep->at].id : flow->batches[dep->at];
        text_addf(&name, "%s%.*s", dep->kind == FLOW_DEP_STEP ? "" : "batch:", (int)of.len,
                  of.data);
        text_add_str(text, i > 0 ? "," : "");
        text_add_json(text, text_bytes(&name).data, name.len);
    }
    text_add_char(text, ']');
}

/* The branch in which it stands: {"switch", "label"}; the label of the default is null. */
static void branch_write(const struct flow *flow, const struct flow_step *step, struct text *text) {
    text_add_name(text, "branch");
    if (step->switched == FLOW_NONE) {
        text_add_str(text, "null");
        return;
    }
    const struct flow_step *by = &flow->steps[step->switched];
    text_add_char(text, '{');
    text_add_member(text, "switch", by->id);
    text_add_member_or_null(text, "label", flow_branch_label(by, step->branch));
    text_add_char(text, '}');
}

/* Bytes of JSON: an answer as a whole has at most 8 MB. The report stands as it is, unless it is
 * mostly characters that JSON has to escape; texts of steps share what is left, and only begin. */
enum { REPORT_JSON_MAX = 3 << 20, STEPS_JSON_MAX = 2 << 20, TEXT_JSON_MAX = 32 << 10 };

/* With NAME_cut where it is only the beginning. */
static void text_write(struct text *text, const char *name, struct bytes value, size_t json_max) {
    const size_t mark = text->len;
    size_t len = value.len <= json_max ? value.len : utf8_cut(value, json_max);
    text_add_member(text, name, (struct bytes){value.data, len});
    while (len > 0 && text->len - mark > json_max + strlen(name) + 6 && !text_failed(text)) {
        text_cut(text, mark);
        len = utf8_cut(value, len / 2);
        text_add_member(text, name, (struct bytes){value.data, len});
    }
    if (len < value.len) {
        AUTO(text_done) struct text cut = text_up_to(100);
        text_addf(&cut, "%s_cut", name);
        text_add_member_bool(text, text_bytes(&cut).data, true);
    }
}

/* As its file has it. */
static void definition_write(const struct flow *flow, const struct flow_step *step,
                             struct text *text) {
    text_add_member(text, "step_id", step->id);
    text_add_member(text, "kind", bytes_of(flow_kind_names[step->kind]));
    deps_write(flow, step, text);
    text_add_member(text, "trigger_rule", bytes_of(flow_trigger_names[step->trigger]));
    text_add_member_or_null(text, "batch",
                            step->batch == FLOW_NONE ? BYTES("") : flow->batches[step->batch]);
    branch_write(flow, step, text);
}

static void step_write(const struct flow_state *state, size_t at, struct rows *rows,
                       struct bytes whole, struct text *text) {
    const struct flow_step *step = &state->flow.steps[at];
    const size_t share = STEPS_JSON_MAX / (2 * state->flow.count);
    const size_t text_max = bytes_equal(whole, step->id) ? REPORT_JSON_MAX / 2
                            : share < TEXT_JSON_MAX      ? share
                                                         : TEXT_JSON_MAX;
    char lack[FLOW_LACK_SIZE];
    text_add_str(text, at > 0 ? ",{" : "{");
    definition_write(&state->flow, step, text);
    text_add_member(text, "status",
                    rows_int(rows, 5) != 0 ? BYTES(FLOW_BLOCKED) : flows__status_shown(step));
    text_add_member(text, "phase", bytes_of(flow_phase_names[step->phase]));
    text_add_member_or_null(text, "cause", bytes_of(flow_cause_names[step->cause]));
    text_add_member_or_null(text, "note", flows__shown_note(state, at, lack));
    text_add_member_or_null(text, "cached", state->had[at].cached);
    text_add_member_int(text, "tries", step->tries);
    text_add_member_int(text, "rounds", step->rounds);
    text_add_member_int_or_null(text, "began_ms", step->began_ms, step->began_ms > 0);
    text_add_member_int(text, "changed_ms", step->changed_ms);
    text_add_member_or_null(text, "run", rows_text(rows, 0));
    text_add_member_or_null(text, "session", rows_text(rows, 1));
    text_add_member_or_null(text, "approval", rows_text(rows, 2));
    text_write(text, "prompt", rows_text(rows, 3), text_max);
    text_write(text, "result", rows_text(rows, 4), text_max);
    text_add_char(text, '}');
}

/* A child that is queued waits for a slot, or for its budget; one that asks, for a person. */
#define CHILD_IS_BLOCKED                                                                           \
    "CASE WHEN r.state = 'queued' OR EXISTS (SELECT 1 FROM approvals a WHERE "                     \
    "a.run = r.id AND"                                                                             \
    " a.answered_ms IS NULL) OR EXISTS (SELECT 1 FROM flow_calls c JOIN approvals a ON"            \
    " a.run = c.child WHERE c.run = s.run AND c.place = s.place AND c.version = s.version"         \
    " AND c.state = '' AND a.answered_ms IS NULL) THEN 1 ELSE 0 END"

struct err tx_flow_write(struct tx *tx, const struct run_row *run, struct bytes whole,
                         struct text *text) {
    AUTO(flows__done) struct flow_state state;
    if (!flows__read(tx, run, &state)) {
        return tx_error(tx);
    }
    struct rows *rows =
        tx_row(tx, "SELECT name, file, input, resumed_from, timeout_ms FROM flows WHERE run = $1",
               ARGS(arg_int(run->id)));
    if (rows == NULL) {
        return tx_error(tx);
    }
    const int64_t timeout_ms = rows_int(rows, 4);
    text_add_member(text, "flow", rows_text(rows, 0));
    text_add_member(text, "file", rows_text(rows, 1));
    text_add_name(text, "input");
    json_add_stored(text, rows_text(rows, 2));
    text_add_member_or_null(text, "resumed_from", rows_text(rows, 3));
    rows_release(&rows);
    text_add_member(text, "stage", bytes_of(flow_stage_names[state.stage]));
    text_add_member_or_null(text, "failed_step",
                            flow_find(&state.flow, state.failed) == FLOW_NONE ? BYTES("")
                                                                              : state.failed);
    text_add_member_int(text, "rewinds", state.flow.rewinds);
    text_add_member_int_or_null(text, "timeout_ms", timeout_ms, timeout_ms > 0);
    text_write(text, "report", state.report, REPORT_JSON_MAX);
    flows__artifact_write(&state, text);
    text_add_name(text, "steps");
    text_add_char(text, '[');
    rows = tx_rows(tx,
                   "SELECT s.latest, s.session, s.approval, s.prompt, s.result,"
                   " " CHILD_IS_BLOCKED " FROM flow_steps s LEFT JOIN runs r ON r.id = s.child"
                   " WHERE s.run = $1 ORDER BY s.place",
                   ARGS(arg_int(run->id)));
    for (size_t i = 0; i < state.flow.count && rows_step(rows); i++) {
        step_write(&state, i, rows, whole, text);
    }
    rows_release(&rows);
    text_add_char(text, ']');
    return tx_error(tx);
}

/* Longest way to the step: how many others must come before it. */
static size_t wave_of(const struct flow *flow, const struct flow_step *step, const size_t *waves) {
    size_t wave = step->switched != FLOW_NONE ? waves[step->switched] : 0;
    for (size_t d = 0; d < step->dep_count; d++) {
        const struct flow_dep *dep = &step->deps[d];
        for (size_t i = 0; i < flow->count; i++) {
            const bool waits =
                dep->kind == FLOW_DEP_STEP ? i == dep->at : flow->steps[i].batch == dep->at;
            wave = waits && waves[i] > wave ? waves[i] : wave;
        }
    }
    return wave + 1;
}

void flows__plan_write(const struct flow *flow, const struct flow_reused *reused,
                       struct text *text) {
    size_t waves[FLOW_STEPS_MAX] = {0};
    bool changed = true;
    while (changed) { /* No circle: flow_read has refused those. */
        changed = false;
        for (size_t i = 0; i < flow->count; i++) {
            const size_t wave = wave_of(flow, &flow->steps[i], waves);
            changed |= wave != waves[i];
            waves[i] = wave;
        }
    }
    text_add_name(text, "steps");
    text_add_char(text, '[');
    for (size_t i = 0; i < flow->count; i++) {
        text_add_str(text, i > 0 ? ",{" : "{");
        definition_write(flow, &flow->steps[i], text);
        text_add_member(text, "status", bytes_of(flow_status_names[flow->steps[i].status]));
        text_add_member_or_null(text, "cached",
                                flows__is_reused(reused, i) ? reused->cached[i] : BYTES(""));
        text_add_member_int(text, "wave", (int64_t)waves[i]);
        text_add_char(text, '}');
    }
    text_add_char(text, ']');
}

void flows__artifact_write(const struct flow_state *state, struct text *text) {
    text_add_name(text, "artifact");
    if (state->artifact.len == 0 && state->artifact_fault.len == 0) {
        text_add_str(text, "null");
        return;
    }
    text_add_char(text, '{');
    text_add_member(text, "path", state->artifact);
    text_add_member_or_null(text, "error", state->artifact_fault);
    text_add_char(text, '}');
}
