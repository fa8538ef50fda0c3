/* json.c: the agents of a workflow as clients see them. */
#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "engine/workflow/rows.h"

enum { HEAD = 300 /* Bytes of a prompt. */, STEP_JSON_MAX = 8 << 20 };

static void add_text(struct text *text, const char *before, struct bytes value) {
    text_add_str(text, before);
    if (value.len > 0) {
        text_add_json(text, value.data, value.len);
    } else {
        text_add_str(text, "null");
    }
}

static void add_number(struct text *text, const char *before, int64_t number) {
    text_add_str(text, before);
    text_add_int(text, number);
}

static void add_moment(struct text *text, const char *before, int64_t at_ms) {
    text_add_str(text, before);
    if (at_ms > 0) {
        text_add_int(text, at_ms);
    } else {
        text_add_str(text, "null");
    }
}

static struct bytes member(const json_t *json, const char *name) {
    const json_t *text = json_object_get(json, name);
    return (struct bytes){json_string_value(text), json_string_length(text)};
}

static struct err add_spec(struct bytes spec, struct text *text) {
    AUTO(json_release) json_t *json = NULL;
    struct err err = json_parse_wrapped(spec, &json, NULL);
    if (err_failed(err) && err.code != ERR_BAD_JSON) { /* Of a damaged spec the members are "". */
        return err;
    }
    struct bytes prompt = member(json, "prompt");
    prompt.len = utf8_cut(prompt, HEAD);
    add_text(text, ",\"phase\":", member(json, "phase"));
    add_text(text, ",\"model\":", member(json, "model"));
    add_text(text, ",\"prompt\":", prompt);
    const json_t *worktree = json_object_get(json, "worktree");
    if (json_is_object(worktree)) {
        add_text(text, ",\"worktree\":", member(worktree, "path"));
    }
    return ERR_OK;
}

static struct err add_state(const struct rows *rows, int64_t epoch, enum run_hold hold,
                            struct text *text, struct bytes *ret_state) {
    struct run_row row = {.not_before_ms = rows_int(rows, 16), .epoch = rows_int(rows, 17)};
    bool known = run_state_find(rows_text(rows, 4), &row.state) &&
                 run_gate_find(rows_text(rows, 5), &row.gate) &&
                 run_cause_find(rows_text(rows, 6), &row.cause);
    if (!known) {
        return err_make(ERR_STORE_CORRUPT, "steps: a word of a row");
    }
    run_shown(&row, epoch, hold);
    const char *state = run_state_name(row.state), *gate = run_gate_name(run_gate_shown(&row));
    *ret_state = bytes_of(state);
    add_text(text, ",\"state\":", *ret_state);
    add_text(text, ",\"gate\":", bytes_of(gate));
    add_moment(text, ",\"resume_at_ms\":", run_resume_at_ms(&row));
    add_text(text, ",\"cause\":", rows_text(rows, 6));
    return ERR_OK;
}

/* The columns of tx_step_list. */
static struct err add_step(const struct rows *rows, const struct step_list *list, int64_t epoch,
                           struct text *text, struct bytes *ret_state) {
    add_text(text, "{\"id\":", rows_text(rows, 1));
    add_text(text, ",\"label\":", rows_text(rows, 2));
    struct err err = add_spec(rows_text(rows, 3), text);
    if (!err_failed(err)) {
        err = add_state(rows, epoch, list->hold, text, ret_state);
    }
    add_text(text, ",\"note\":", rows_text(rows, 7));
    text_add_str(text, rows_int(rows, 8) != 0 ? ",\"cached\":true" : ",\"cached\":false");
    add_number(text, ",\"done_no\":", rows_int(rows, 9));
    add_number(text, ",\"output_tokens\":", rows_int(rows, 10));
    add_number(text, ",\"tokens\":", rows_int(rows, 11));
    add_number(text, ",\"cost_micros\":", rows_int(rows, 12));
    add_moment(text, ",\"started_ms\":", rows_int(rows, 13));
    add_moment(text, ",\"ended_ms\":", rows_null(rows, 14) ? 0 : rows_int(rows, 14));
    struct bytes result = rows_text(rows, 15);
    if (list->whole) {
        text_add_str(text, ",\"result\":");
        json_add_stored(text, result);
    }
    text_add_char(text, '}');
    return err;
}

struct err tx_step_each(struct tx *tx, const struct step_list *list,
                        struct err (*each)(void *ctx, const struct step_shown *step), void *ctx) {
    static const char sql[] =
        "SELECT id, run, label, spec, state, gate, cause, note, cached, done_no, output_tokens,"
        " tokens, cost_micros, started_ms, ended_ms, result, not_before_ms, epoch FROM runs"
        " WHERE parent = $1 AND parent <> 0 AND step_key || '' <> '' AND kind = 'agent' AND id > $2"
        " ORDER BY id LIMIT $3"; /* `||` keeps the database from the index by step, and a sort. */
    const struct arg args[] = {arg_int(list->workflow), arg_int(list->after), arg_int(list->limit)};
    AUTO(rows_release) struct rows *rows = NULL;
    AUTO(text_done) struct text text;
    text_init(&text, STEP_JSON_MAX);
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    bool row = !err_failed(err);
    while (!err_failed(err) && row) {
        err = rows_next(rows, &row);
        if (err_failed(err) || !row) {
            break;
        }
        text_clear(&text);
        struct step_shown shown = {.state = rows_text(rows, 4)};
        err = add_step(rows, list, tx_epoch(tx), &text, &shown.state);
        if (!err_failed(err) && text_failed(&text) && !text.no_memory) { /* A damaged row. */
            text_clear(&text);
            add_text(&text, "{\"id\":", rows_text(rows, 1));
            add_text(&text, ",\"state\":", rows_text(rows, 4));
            text_add_str(&text, ",\"cause\":\"history_unreadable\"}");
        }
        if (!err_failed(err) && text_failed(&text)) {
            err = text_error(&text, "steps: list");
        }
        if (!err_failed(err)) {
            shown.id = rows_int(rows, 0);
            shown.label = rows_text(rows, 2);
            shown.json = (struct bytes){text.data, text.len};
            err = each(ctx, &shown);
        }
    }
    return err;
}
