/* rerun.c: a run of a flow begins from an ended one, with the results of its steps. See flows.h.
 *
 * The ended run stays as it is. Rows of steps that are reused are copied in the commit that makes
 * the new run, so a kill finds either both or none of them. Which steps those are is a pure rule
 * (rules/flow/reuse.c). A function may have read the input, and a command anything below the root:
 * where one of the two is another one, nothing is reused.
 */
#include <string.h>

#include "base/json/json.h"
#include "engine/flow/rows.h"

/* --- The ended run ---------------------------------------------------------------------------- */

static struct err ended_find(struct tx *tx, const struct run_key *key, struct run_row *ret_row,
                             struct why *why) {
    const int len = (int)(key->run.len < 64 ? key->run.len : 64);
    bool found = false;
    TRY(tx_run_find(tx, key, &found, ret_row));
    if (!found) {
        return err_why(why, ERR_NOT_FOUND, "nothing to resume: there is no run '%.*s'", len,
                       key->run.data);
    }
    if (ret_row->kind != KIND_FLOW) {
        return err_why(why, ERR_CONFLICT, "nothing to resume: '%.*s' is not a flow, but a %s", len,
                       key->run.data, run_kind_name(ret_row->kind));
    }
    if (!run_state_final(ret_row->state)) {
        return err_why(why, ERR_RUN_ALIVE, "'%.*s' has not ended: it is %s; stop it first", len,
                       key->run.data, run_state_name(ret_row->state));
    }
    return ERR_OK;
}

struct bytes flows__path(struct tx *tx, struct bytes spec) {
    AUTO(json_release) json_t *json = NULL;
    const struct err err = json_parse_wrapped(spec, &json, NULL /* no why */);
    return err_failed(err) ? BYTES("") : tx_copy(tx, json_bytes(json, "path"));
}

/* As it stands in the spec of the run. */
static struct bytes spec_budget(struct tx *tx, struct bytes spec) {
    AUTO(json_release) json_t *json = NULL;
    AUTO(text_done) struct text budget = text_up_to(spec.len);
    const struct err err = json_parse_wrapped(spec, &json, NULL /* no why */);
    const json_t *limits = err_failed(err) ? NULL : json_object_get(json, "budget");
    if (limits == NULL) {
        return BYTES("");
    }
    tx_fail(tx, json_write(limits, &budget));
    return tx_copy_text(tx, &budget, "flows: budget");
}

struct err tx_flow_source(struct tx *tx, const struct run_key *key, struct flow_source *ret_source,
                          struct why *why) {
    struct run_row row;
    TRY(ended_find(tx, key, &row, why));
    AUTO(rows_release)
    struct rows *rows = tx_row(
        tx, "SELECT name, file, source, input, model, root, timeout_ms FROM flows WHERE run = $1",
        ARGS(arg_int(row.id)));
    if (rows == NULL) {
        return err_failed(tx_error(tx)) ? tx_error(tx)
                                        : err_make(ERR_STORE_CORRUPT, "flows: source");
    }
    *ret_source = (struct flow_source){.texts = {[FLOW_SOURCE_RUN] = row.run,
                                                 [FLOW_SOURCE_NAME] = rows_copy(rows, 0),
                                                 [FLOW_SOURCE_FILE] = rows_copy(rows, 1),
                                                 [FLOW_SOURCE_SCRIPT] = rows_copy(rows, 2),
                                                 [FLOW_SOURCE_INPUT] = rows_copy(rows, 3),
                                                 [FLOW_SOURCE_MODEL] = rows_copy(rows, 4),
                                                 [FLOW_SOURCE_ROOT] = rows_copy(rows, 5),
                                                 [FLOW_SOURCE_PATH] = flows__path(tx, row.spec),
                                                 [FLOW_SOURCE_PROJECT] = row.project,
                                                 [FLOW_SOURCE_BUDGET] = spec_budget(tx, row.spec)},
                                       .timeout_ms = rows_int(rows, 6)};
    return tx_error(tx);
}

static bool is_wanted(const struct flow_wanted *wanted, struct rows *rows) {
    return ((wanted->name == NULL && wanted->file == NULL) ||
            (wanted->name != NULL && bytes_is(rows_text(rows, 1), wanted->name)) ||
            (wanted->file != NULL && bytes_is(rows_text(rows, 2), wanted->file))) &&
           (wanted->root == NULL || bytes_is(rows_text(rows, 3), wanted->root));
}

struct err tx_flow_last(struct tx *tx, const struct flow_wanted *wanted, struct bytes *ret_run) {
    *ret_run = BYTES("");
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx,
                "SELECT r.run, f.name, f.file, f.root FROM (SELECT id, run FROM runs"
                " WHERE owner = $1 AND kind = 'flow' AND kind <> 'agent' AND parent = 0"
                " AND ended_ms IS NOT NULL ORDER BY id DESC LIMIT $2) r"
                " JOIN flows f ON f.run = r.id ORDER BY r.id DESC",
                ARGS(arg_text(wanted->owner), arg_int(FLOW_LAST_MAX)));
    while (ret_run->len == 0 && rows_step(rows)) {
        *ret_run = is_wanted(wanted, rows) ? rows_copy(rows, 0) : *ret_run;
    }
    return tx_error(tx);
}

/* --- Steps that are named --------------------------------------------------------------------- */

struct naming {
    const struct flow *before, *flow;
    const char *member; /* Name of the list in the request. */
    const json_t *ids;
    enum flow_again again;
};

static struct err step_name(const struct naming *naming, size_t number,
                            enum flow_again again[FLOW_STEPS_MAX], struct why *why) {
    const struct bytes id = json_text(json_array_get(naming->ids, number));
    const int len = (int)(id.len < FLOW_ID_MAX ? id.len : FLOW_ID_MAX);
    const size_t at = flow_find(naming->flow, id);
    if (at == FLOW_NONE) {
        const bool gone = flow_find(naming->before, id) != FLOW_NONE;
        return err_why(why, ERR_BAD_FIELD, "\"%s\"[%zu]: the flow has no step '%.*s'%s",
                       naming->member, number, len, id.data, gone ? " any more" : "");
    }
    if (naming->again == FLOW_ALONE_AGAIN && naming->flow->steps[at].kind == FLOW_KIND_SWITCH) {
        return err_why(why, ERR_BAD_FIELD,
                       "\"%s\"[%zu]: '%.*s' is a switch, whose branches cannot stay as they are: "
                       "name it in \"rerun_from\"",
                       naming->member, number, len, id.data);
    }
    again[at] = naming->again;
    return ERR_OK;
}

static struct err steps_name(const struct flow_new *what, const struct flow *flow,
                             struct flow_rerun *rerun, struct why *why) {
    const struct naming lists[] = {
        {rerun->before, flow, "rerun", what->rerun, FLOW_ALONE_AGAIN},
        {rerun->before, flow, "rerun_from", what->rerun_from, FLOW_AGAIN},
    };
    struct err err = ERR_OK;
    for (size_t l = 0; l < COUNT_OF(lists); l++) {
        for (size_t i = 0; i < json_array_size(lists[l].ids) && !err_failed(err); i++) {
            err = step_name(&lists[l], i, rerun->again, why);
        }
    }
    return err;
}

/* --- Results that are taken over -------------------------------------------------------------- */

static bool same_json(struct bytes one, struct bytes other) {
    AUTO(json_release) json_t *first = NULL;
    AUTO(json_release) json_t *second = NULL;
    return bytes_equal(one, other) || (!err_failed(json_parse_wrapped(one, &first, NULL)) &&
                                       !err_failed(json_parse_wrapped(other, &second, NULL)) &&
                                       json_equal(first, second) == 1);
}

static struct err surroundings_check(struct tx *tx, const struct flow_new *what, int64_t old,
                                     struct flow_rerun *rerun, bool *ret_same, struct why *why) {
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx, "SELECT input, root, source, model, begun_from FROM flows WHERE run = $1",
               ARGS(arg_int(old)));
    const bool same_input = rows != NULL && same_json(rows_text(rows, 0), what->input);
    *ret_same = same_input && bytes_equal(rows_text(rows, 1), what->root);
    rerun->edited = rows == NULL || !bytes_equal(rows_text(rows, 2), what->source) ||
                    !bytes_equal(rows_text(rows, 3), what->model) || rows_int(rows, 4) != 0;
    if (!*ret_same && json_array_size(what->rerun) + json_array_size(what->rerun_from) > 0) {
        return err_why(
            why, ERR_BAD_FIELD,
            "with another %s than that of '%.*s' every step runs: leave out \"rerun\" and "
            "\"rerun_from\"",
            same_input ? "\"root\"" : "\"input\"", (int)what->resume.len, what->resume.data);
    }
    return tx_error(tx);
}

static void steps_take_over(const struct flow_state *before, struct flow *flow,
                            const struct flow_reused *reused) {
    for (size_t i = 0; i < flow->count; i++) {
        const size_t from = reused->from[i];
        if (from != FLOW_NONE) {
            const struct bytes cached = before->had[from].cached;
            flow_take_over(flow, i, &before->flow.steps[from]);
            reused->cached[i] = cached.len > 0 ? cached : before->run.run;
        }
    }
}

struct err flows__reuse(struct tx *tx, const struct flow_new *what, struct flow *flow,
                        struct flow_reused *ret_reused, struct why *why) {
    AUTO(flows__done) struct flow_state before = {.description = NULL};
    struct flow_rerun rerun = {.before = &before.flow};
    struct run_row row;
    bool same = false;
    if (what->resume.len == 0) {
        return ERR_OK;
    }
    const struct run_key key = {.owner = what->run.owner, .run = what->resume};
    TRY(ended_find(tx, &key, &row, why));
    if (!flows__read(tx, &row, &before)) {
        return err_failed(tx_error(tx)) ? tx_error(tx)
                                        : err_make(ERR_STORE_CORRUPT, "flows: resume");
    }
    struct err err = steps_name(what, flow, &rerun, why);
    err = err_failed(err) ? err : surroundings_check(tx, what, row.id, &rerun, &same, why);
    if (err_failed(err) || !same) {
        return err;
    }
    struct flow_reused reused = {.run = row.id,
                                 .from = tx_memory(tx, FLOW_STEPS_MAX * sizeof(size_t)),
                                 .cached = tx_memory(tx, FLOW_STEPS_MAX * sizeof(struct bytes))};
    flow_reuse(flow, &rerun, reused.from);
    steps_take_over(&before, flow, &reused);
    *ret_reused = reused;
    return tx_error(tx);
}

void flows__reused_insert(struct tx *tx, int64_t run, const struct flow *flow, size_t at,
                          const struct flow_reused *reused) {
    const struct flow_step *step = &flow->steps[at];
    tx_do(
        tx,
        "INSERT INTO flow_steps (run, place, name, status, phase, cause, version, chosen, tries,"
        " rounds, began_ms, changed_ms, due_ms, child, latest, session, approval, note, prompt,"
        " result, cached) SELECT $1, $2, name, $5, $6, '', $7, chosen, tries, rounds, 0, $8, 0, 0,"
        " latest, session, approval, '', prompt, result, $9 FROM flow_steps WHERE run = $3 AND "
        "place = $4",
        ARGS(arg_int(run), arg_int((int64_t)at), arg_int(reused->run),
             arg_int((int64_t)reused->from[at]), arg_str(flow_status_names[step->status]),
             arg_str(flow_phase_names[step->phase]), arg_int(step->version),
             arg_int(tx_steady_ms(tx)), arg_text(reused->cached[at])));
}
