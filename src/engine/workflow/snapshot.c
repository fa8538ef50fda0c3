/* snapshot.c: see snapshot.h.
 *
 * Each piece is written into a text of its own first: what does not fit is left out whole. */
#include "engine/workflow/snapshot.h"

#include "base/json/json.h"
#include "engine/run/rows.h"
#include "engine/workflow/rows.h"

enum {
    AGENTS_MAX = 400, /* More than that rarely fit. */
    LINES_SHOWN = 20,
    LINES_BYTES = 32 << 10,
    LINES_LOOKED = 4000, /* Newest events among which lines are looked for. */
    AGENTS_ROOM = 128,   /* For the members after the agents. */
};

/* --- What is there ---------------------------------------------------------------------------- */

/* The script's meta may take most of a snapshot; then it is left to the event. */
static void started_add(struct tx *tx, int64_t stream, struct text *text) {
    static const char sql[] = "SELECT data FROM events WHERE stream = $1 AND seq = 1"
                              " AND type = 'workflow_started'";
    const struct bytes data = tx_text(tx, sql, ARGS(arg_int(stream)));
    text_add_name(text, "workflow");
    json_add_stored(text, data.len < SNAPSHOT_MAX / 2 ? data : BYTES(""));
}

/* An object that is not empty; a damaged one is left out. */
static bool line_fits(struct bytes data) {
    return data.len > 2 && data.data[0] == '{' && json_is_valid(data);
}

static void line_add(const struct rows *rows, struct text *text) {
    const struct bytes data = rows_text(rows, 2);
    text_addf(text, "{\"seq\":%lld", (long long)rows_int(rows, 0));
    text_add_member(text, "type", rows_text(rows, 1));
    text_add_char(text, ',');
    text_add(text, data.data + 1, data.len - 1);
}

/* Newest first, so that old ones are left out. The phase may be older than all of them. */
static void lines_add(struct tx *tx, const struct stream_state *state, struct text *text) {
    static const char lines[] = "SELECT seq, type, data FROM events WHERE stream = $1 AND seq > $2"
                                " AND type = 'log' ORDER BY seq DESC LIMIT $3";
    static const char phase[] = "SELECT seq, type, data FROM events WHERE stream = $1 AND seq > $2"
                                " AND type = 'phase' ORDER BY seq DESC LIMIT 1";
    const int64_t from = state->head > LINES_LOOKED ? state->head - LINES_LOOKED : 0;
    const size_t begin = text->len;
    text_add_str(text, ",\"lines\":[");
    AUTO(rows_release)
    struct rows *first = tx_row(tx, phase, ARGS(arg_int(state->stream), arg_int(from)));
    bool some = first != NULL && line_fits(rows_text(first, 2));
    if (some) {
        line_add(first, text);
    }
    rows_release(&first);
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx, lines, ARGS(arg_int(state->stream), arg_int(from), arg_int(LINES_SHOWN)));
    while (rows_step(rows) && text->len - begin + rows_text(rows, 2).len < LINES_BYTES) {
        if (!line_fits(rows_text(rows, 2))) {
            continue;
        }
        text_add_str(text, some ? "," : "");
        line_add(rows, text);
        some = true;
    }
    text_add_char(text, ']');
}

/* --- Agents ----------------------------------------------------------------------------------- */

struct agents {
    struct text *text;
    size_t count;
    bool more;
};

static struct err agent_add(void *ctx, const struct step_shown *step) {
    struct agents *agents = ctx;
    struct text *text = agents->text;
    agents->more = agents->more || agents->count == AGENTS_MAX ||
                   text->len + step->json.len + AGENTS_ROOM > SNAPSHOT_MAX;
    if (!agents->more) {
        text_add_str(text, agents->count++ > 0 ? "," : "");
        text_add(text, step->json.data, step->json.len);
    }
    return ERR_OK;
}

/* --- All of it -------------------------------------------------------------------------------- */

static struct err state_write(struct tx *tx, const struct snapshot_of *of, bool *ret_found,
                              struct text *text) {
    const struct run_bounds bounds = {.slots = of->held ? 0 : 1, /* A daemon that holds has none. */
                                      .host = of->place,
                                      .hosts = of->place.len > 0 ? RUN_HOSTS_SHARED : RUN_HOST_ONE};
    const struct run_key key = {.owner = of->owner, .run = of->id};
    struct agents agents = {.text = text};
    struct stream_state state;
    struct run_row row;
    AUTO(text_done) struct text name = text_up_to(ID_SIZE + 8);
    text_addf(&name, "run:%.*s", (int)(of->id.len < ID_SIZE ? of->id.len : ID_SIZE), of->id.data);
    *ret_found = false;
    struct err err = tx_run_find(tx, &key, ret_found, &row);
    *ret_found = *ret_found && row.kind == KIND_WORKFLOW;
    if (!err_failed(err) && *ret_found) {
        err = tx_stream_find(tx, of->owner, text_bytes(&name), ret_found, &state);
    }
    if (err_failed(err) || !*ret_found) {
        return err;
    }
    const int64_t workflow = row.id;
    run_shown(&row, tx_epoch(tx), of->held ? RUN_HELD : RUN_FREE);
    tx_fail(tx, tx_run_waits_mark(tx, &bounds, &row));
    text_add_str(text, "{\"run\":");
    run_write_json(&row, RUN_LIGHT, text);
    started_add(tx, state.stream, text);
    lines_add(tx, &state, text);
    text_add_str(text, ",\"agents\":[");
    const struct step_list list = {
        .workflow = workflow, .limit = AGENTS_MAX + 1, .bounds = &bounds};
    tx_fail(tx, tx_step_each(tx, &list, agent_add, &agents));
    text_add_char(text, ']');
    text_add_member_bool(text, "agents_more", agents.more);
    text_add_member_int(text, "floor", state.floor);
    text_add_member_int(text, "head", state.head);
    text_add_char(text, '}');
    return tx_error(tx);
}

const struct snapshot_kind workflow_snapshot = {.prefix = BYTES_INIT("run:"), .write = state_write};
