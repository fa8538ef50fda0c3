/* tree.c: see tree.h. */
#include "engine/trace/tree.h"

#include <stdio.h>

#include "base/id.h"
#include "base/json/json.h"
#include "base/text.h"
#include "base/utf8.h"

/* Depth of parents that are looked at: a subagent of a subagent is a tree of its own. */
enum { ANCESTORS_MAX = 64 };

/* --- The span of an agent that is one call ---------------------------------------------------- */

/* The answer of an agent is stored as JSON; one in words is shown as words. */
static struct bytes answer_text(struct tx *tx, struct bytes result) {
    AUTO(json_release) json_t *json = NULL;
    if (result.len == 0 || result.data[0] != '"' ||
        err_failed(json_parse_wrapped(result, &json, NULL))) {
        return result;
    }
    return tx_copy(tx, (struct bytes){json_string_value(json), json_string_length(json)});
}

/* A member: a text, or an object as JSON. */
static struct bytes member_text(struct tx *tx, struct bytes spec, const char *name) {
    AUTO(json_release) json_t *json = NULL;
    if (err_failed(json_parse_wrapped(spec, &json, NULL))) { /* A damaged spec says nothing. */
        return BYTES("");
    }
    const json_t *value = json_object_get(json, name);
    if (!json_is_object(value)) {
        return tx_copy(tx, json_bytes(json, name));
    }
    AUTO(text_done) struct text text = text_up_to((size_t)16 << 20);
    tx_fail(tx, json_write(value, &text));
    return tx_copy_text(tx, &text, "trace: member");
}

/* The row of an agent that was asked, and has no turn. */
#define AGENT_CALL                                                                                 \
    " FROM runs a WHERE a.id = $1 AND a.kind = 'agent' AND a.cached = 0 AND a.started_ms > 0"      \
    " AND NOT EXISTS (SELECT 1 FROM runs t WHERE (t.parent = a.id AND t.step_key <> '')"           \
    " OR (t.parent = a.id AND t.parent <> 0 AND t.step_key = ''))"

static int64_t known_or_none(int64_t number, bool is_known) {
    return is_known ? number : SPAN_UNKNOWN;
}

struct err tx_span_of_agent(struct tx *tx, const struct span_page *page,
                            struct err (*each)(void *ctx, const struct span_row *row), void *ctx) {
    static const char sql[] = "SELECT attempt, state, cause, note, started_ms, ended_ms, tokens,"
                              " output_tokens, cache_read, cache_write, reasoning, cost_micros,"
                              " cost_unknown, spec, result" AGENT_CALL;
    AUTO(rows_release) struct rows *rows = tx_row(tx, sql, ARGS(arg_int(page->run)));
    const int64_t attempt = rows == NULL ? 0 : rows_int(rows, 0);
    if (rows == NULL || page->attempt > attempt || (page->attempt == attempt && page->step >= 1) ||
        page->limit < 1) {
        return tx_error(tx);
    }
    const struct bytes state = rows_text(rows, 1);
    const int64_t tokens = rows_int(rows, 6), output = rows_int(rows, 7);
    const int64_t read = rows_int(rows, 8), written = rows_int(rows, 9);
    const bool ended = !rows_null(rows, 5), counted = ended && tokens > 0;
    const struct bytes spec = rows_text(rows, 13);
    const bool completed = bytes_is(rows_text(rows, 2), "completed");
    const struct span_row row = {
        .run_id = page->run,
        .run = page->name,
        .attempt = attempt,
        .step = 1,
        .kind = bytes_of(span_kind_name(SPAN_MODEL)),
        .name = member_text(tx, spec, "model"),
        .state = bytes_is(state, "waiting") ? BYTES("running") : state,
        .cause = rows_text(rows, 2),
        .error = completed ? BYTES("") : rows_text(rows, 3),
        .started_ms = rows_int(rows, 4),
        .ended_ms = ended ? rows_int(rows, 5) : 0,
        .tokens = {.fresh = known_or_none(tokens - output - read - written, counted),
                   .cache_read = known_or_none(read, counted),
                   .cache_write = known_or_none(written, counted),
                   .output = known_or_none(output, counted),
                   .reasoning = known_or_none(rows_int(rows, 10), counted)},
        .cost = known_or_none(rows_int(rows, 11), counted && rows_int(rows, 12) == 0),
        SPAN_NO_PROCESS,
        .prompt = {SPAN_UNKNOWN, SPAN_UNKNOWN, SPAN_UNKNOWN},
        .input = spans__quote(tx, member_text(tx, spec, "prompt")),
        .output = spans__quote(tx, answer_text(tx, rows_text(rows, 14)))};
    return err_failed(tx_error(tx)) ? tx_error(tx) : each(ctx, &row);
}

/* --- Timers ----------------------------------------------------------------------------------- */

struct err tx_span_of_timers(struct tx *tx, const struct span_page *page,
                             struct err (*each)(void *ctx, const struct span_row *row), void *ctx) {
    enum { ATTEMPT = 1 };
    static const char sql[] = "SELECT number, kind, state, made_ms, ended_ms, due_ms"
                              " FROM workflow_timers WHERE run = $1 AND number > $2"
                              " AND (ended_ms IS NULL OR ended_ms >= $4) ORDER BY number LIMIT $3";
    struct err err = ERR_OK;
    if (page->attempt > ATTEMPT) {
        return ERR_OK;
    }
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx, sql,
                ARGS(arg_int(page->run), arg_int(page->attempt == ATTEMPT ? page->step : 0),
                     arg_int(page->limit), arg_int(page->changed_since)));
    while (!err_failed(err) && rows_step(rows)) {
        const struct bytes state = rows_text(rows, 2);
        const struct span_row row = {.run_id = page->run,
                                     .run = page->name,
                                     .attempt = ATTEMPT,
                                     .step = rows_int(rows, 0),
                                     .kind = BYTES("timer"),
                                     .name = rows_text(rows, 1),
                                     .state = bytes_is(state, "pending") ? BYTES("waiting")
                                              : bytes_is(state, "fired") ? BYTES("succeeded")
                                                                         : BYTES("cancelled"),
                                     .cause = BYTES(""),
                                     .error = BYTES(""),
                                     .started_ms = rows_int(rows, 3),
                                     .ended_ms = rows_null(rows, 4) ? 0 : rows_int(rows, 4),
                                     .due_ms = rows_int(rows, 5),
                                     .tokens = SPAN_TOKENS_UNKNOWN,
                                     .cost = SPAN_UNKNOWN,
                                     SPAN_NO_PROCESS,
                                     .prompt = {SPAN_UNKNOWN, SPAN_UNKNOWN, SPAN_UNKNOWN},
                                     .input = BYTES(""),
                                     .output = BYTES("")};
        err = each(ctx, &row);
    }
    return err_failed(err) ? err : tx_error(tx);
}

/* --- Where a run stands ----------------------------------------------------------------------- */

/* A run of the tree. Texts are in the arena. */
struct node {
    int64_t id;
    struct bytes run, parent, label, phase; /* The last two: of the nearest agent. */
    int64_t depth;
    bool below;    /* The run was asked for, or is below the one that was. */
    bool of_agent; /* The turn of a workflow's agent: no row. */
    bool is_workflow;
};

struct step_up {
    struct bytes run, label, phase;
    int64_t parent;
    bool is_agent, of_agent, is_workflow;
};

static bool step_up_load(struct tx *tx, int64_t id, struct step_up *ret_step) {
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx, "SELECT run, label, phase, parent, kind, step_key FROM runs WHERE id = $1",
               ARGS(arg_int(id)));
    if (rows == NULL) {
        return false;
    }
    *ret_step = (struct step_up){.run = rows_copy(rows, 0),
                                 .label = rows_copy(rows, 1),
                                 .phase = rows_copy(rows, 2),
                                 .parent = rows_int(rows, 3),
                                 .is_agent = bytes_is(rows_text(rows, 4), "agent"),
                                 .is_workflow = bytes_is(rows_text(rows, 4), "workflow"),
                                 .of_agent = bytes_is(rows_text(rows, 4), "turn") &&
                                             rows_text(rows, 5).len > 0};
    return true;
}

/* Walks up to the run that was asked for. */
static struct node node_load(struct tx *tx, int64_t top, int64_t id) {
    struct node node = {.id = id, .parent = BYTES(""), .label = BYTES(""), .phase = BYTES("")};
    bool labelled = false;
    int64_t at = id;
    for (int i = 0; at != 0 && i < ANCESTORS_MAX; i++) {
        struct step_up step;
        if (!step_up_load(tx, at, &step)) {
            return node;
        }
        if (at == id) {
            node.run = step.run;
            node.label = step.label;
            node.of_agent = step.of_agent && at != top;
            node.is_workflow = step.is_workflow;
        } else if (!step.of_agent || at == top) {
            node.parent = node.parent.len == 0 ? step.run : node.parent;
            node.depth++;
        }
        if (step.is_agent && !labelled) {
            labelled = true;
            node.label = step.label;
            node.phase = step.phase;
        }
        node.below = at == top;
        if (node.below) {
            return node;
        }
        at = step.parent;
    }
    return node;
}

/* --- The list --------------------------------------------------------------------------------- */

struct walk {
    const struct node *node;
    struct err (*each)(void *ctx, const struct span_row *row);
    void *ctx;
    int64_t left;
};

static struct err span_place(void *ctx, const struct span_row *given) {
    struct walk *walk = ctx;
    const struct node *node = walk->node;
    struct span_row row = *given;
    row.in_tree = true;
    row.run = node->run;
    row.parent = node->of_agent ? node->parent : node->run;
    row.depth = node->of_agent ? node->depth : node->depth + 1;
    row.label = node->label;
    row.phase = node->phase;
    walk->left--;
    return walk->each(walk->ctx, &row);
}

static struct err run_place(struct tx *tx, struct walk *walk) {
    static const char sql[] = "SELECT kind, label, command, state, cause, note, attempt,"
                              " started_ms, ended_ms, made_ms FROM runs WHERE id = $1";
    const struct node *node = walk->node;
    AUTO(rows_release) struct rows *rows = tx_row(tx, sql, ARGS(arg_int(node->id)));
    if (rows == NULL) {
        return tx_error(tx);
    }
    const struct bytes label = rows_text(rows, 1), command = rows_text(rows, 2);
    const bool completed = bytes_is(rows_text(rows, 4), "completed");
    const struct span_row row = {.run_id = node->id,
                                 .in_tree = true,
                                 .is_run = true,
                                 .run = node->run,
                                 .parent = node->parent,
                                 .depth = node->depth,
                                 .label = node->label,
                                 .phase = node->phase,
                                 .attempt = rows_int(rows, 6),
                                 .kind = rows_text(rows, 0),
                                 .name = label.len > 0     ? label
                                         : command.len > 0 ? command
                                                           : rows_text(rows, 0),
                                 .state = rows_text(rows, 3),
                                 .cause = rows_text(rows, 4),
                                 .error = completed ? BYTES("") : rows_text(rows, 5),
                                 .started_ms =
                                     rows_int(rows, 7) > 0 ? rows_int(rows, 7) : rows_int(rows, 9),
                                 .ended_ms = rows_null(rows, 8) ? 0 : rows_int(rows, 8),
                                 .tokens = SPAN_TOKENS_UNKNOWN,
                                 .cost = SPAN_UNKNOWN,
                                 SPAN_NO_PROCESS,
                                 .prompt = {SPAN_UNKNOWN, SPAN_UNKNOWN, SPAN_UNKNOWN},
                                 .input = BYTES(""),
                                 .output = BYTES("")};
    walk->left--;
    return walk->each(walk->ctx, &row);
}

/* The row of a run, unless the page begins after it, and its spans. */
static struct err node_each(struct tx *tx, const struct trace_page *page, struct walk *walk) {
    const struct node *node = walk->node;
    const bool begun = page->id == node->id && page->step >= 0;
    struct span_page spans = {.run = node->id,
                              .name = node->run,
                              .attempt = begun ? page->attempt : 0,
                              .step = begun && page->attempt > 0 ? page->step : -1,
                              .changed_since = page->changed_since,
                              .limit = walk->left};
    struct err err = ERR_OK;
    if (!begun && !node->of_agent) {
        err = run_place(tx, walk);
        spans.limit = walk->left;
    }
    if (!err_failed(err) && walk->left > 0 && node->is_workflow) {
        return tx_span_of_timers(tx, &spans, span_place, walk);
    }
    if (!err_failed(err) && walk->left > 0) {
        err = tx_span_of_agent(tx, &spans, span_place, walk);
        spans.limit = walk->left;
    }
    if (!err_failed(err) && walk->left > 0) {
        err = tx_span_each(tx, &spans, span_place, walk);
    }
    return err;
}

/* Ids of the runs after that one, of all below the top of the tree. Steps are sorted by id, so that
 * one of them costs as much as a page. */
enum { NEXT_IDS = 64 };
static size_t runs_next(struct tx *tx, const struct run_row *top, int64_t after,
                        int64_t ret_ids[NEXT_IDS]) {
    static const char sql[] =
        "SELECT id FROM runs WHERE root = $1 AND root <> 0 AND (step_key = '' OR root <> parent)"
        " AND id > $2 UNION ALL SELECT id FROM runs WHERE parent = $1 AND step_key <> ''"
        " AND id > $2 ORDER BY id LIMIT $3";
    const int64_t root = top->root != 0 ? top->root : top->id;
    return tx_ids(tx, sql, ARGS(arg_int(root), arg_int(after), arg_int(NEXT_IDS)), NEXT_IDS,
                  ret_ids);
}

/* A run that ended before has no span that changed since: it is not looked at. */
static bool run_changed(struct tx *tx, int64_t id, int64_t since) {
    return since == 0 ||
           tx_number(tx,
                     "SELECT 1 FROM runs WHERE id = $1 AND (ended_ms IS NULL OR ended_ms >= $2)",
                     ARGS(arg_int(id), arg_int(since))) != 0;
}

struct err tx_trace_each(struct tx *tx, const struct trace_page *page,
                         struct err (*each)(void *ctx, const struct span_row *row), void *ctx,
                         int64_t *ret_id) {
    struct walk walk = {.each = each, .ctx = ctx, .left = page->limit};
    const int64_t top = page->top->id;
    int64_t id = page->id > top ? page->id : top, ids[NEXT_IDS];
    size_t at = 0, count = 0;
    struct err err = ERR_OK;
    *ret_id = 0;
    for (int looked = 0; !err_failed(err) && id != 0 && walk.left > 0; looked++) {
        if (run_changed(tx, id, page->changed_since)) {
            const struct node node = node_load(tx, top, id);
            walk.node = &node;
            err = node.below ? node_each(tx, page, &walk) : tx_error(tx);
        }
        if (!err_failed(err) && walk.left > 0 && (looked == TRACE_RUNS_MAX || tx_slice_over(tx))) {
            *ret_id = id;
            return ERR_OK;
        }
        if (at == count) {
            count = runs_next(tx, page->top, id, ids);
            at = 0;
        }
        id = count > 0 ? ids[at++] : 0;
    }
    return err_failed(err) ? err : tx_error(tx);
}

/* --- Whole texts ------------------------------------------------------------------------------ */

static struct err agent_text(struct tx *tx, const struct span_key *key, enum span_side side,
                             bool *ret_found, struct bytes *ret_text) {
    AUTO(rows_release)
    struct rows *rows = tx_row(tx, "SELECT spec, result" AGENT_CALL " AND a.attempt = $2",
                               ARGS(arg_int(key->run), arg_int(key->attempt)));
    *ret_found = rows != NULL && key->step == 1;
    if (*ret_found) {
        *ret_text = side == SPAN_INPUT ? member_text(tx, rows_text(rows, 0), "prompt")
                                       : tx_copy(tx, answer_text(tx, rows_text(rows, 1)));
    }
    return tx_error(tx);
}

/* Steps of an answer's cards follow the step of the call that made them (engine/turn/record.c). */
static struct bytes card_text(struct tx *tx, const struct span_key *key, enum span_side side) {
    static const char sql[] =
        "SELECT p.data, p.text FROM turns t JOIN parts p ON p.message = t.answer"
        " WHERE t.run = $1 AND p.kind = 'tool' AND p.step = (SELECT max(o.step) FROM parts o"
        " WHERE o.message = t.answer AND o.kind = 'tool' AND o.step < $2)"
        " AND (SELECT count(*) FROM parts b WHERE b.message = t.answer AND b.kind = 'tool'"
        " AND b.step = p.step AND b.number <= p.number) = $2 - p.step";
    AUTO(rows_release)
    struct rows *rows = tx_row(tx, sql, ARGS(arg_int(key->run), arg_int(key->step)));
    if (rows == NULL) {
        return BYTES("");
    }
    if (side == SPAN_OUTPUT) {
        return rows_copy(rows, 1);
    }
    const struct bytes data = rows_copy(rows, 0);
    const struct bytes arguments = member_text(tx, data, "arguments");
    return arguments.len > 0 ? arguments : member_text(tx, data, "arguments_text");
}

/* The words of an answer; several parts of it are one text. */
static struct bytes words_text(struct tx *tx, const struct span_key *key) {
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx,
                                "SELECT p.text FROM turns t JOIN parts p ON p.message = t.answer"
                                " WHERE t.run = $1 AND p.kind = 'text' AND p.step = $2"
                                " ORDER BY p.number",
                                ARGS(arg_int(key->run), arg_int(key->step)));
    AUTO(text_done) struct text text = text_up_to((size_t)16 << 20);
    while (rows_step(rows)) {
        const struct bytes part = rows_text(rows, 0);
        text_add(&text, part.data, part.len);
    }
    return text.len == 0 ? BYTES("") : tx_copy_text(tx, &text, "trace: answer");
}

static struct err stored_text(struct tx *tx, const struct span_key *key, enum span_side side,
                              bool *ret_found, struct bytes *ret_kind, struct bytes *ret_text) {
    AUTO(rows_release)
    struct rows *rows = tx_row(tx,
                               "SELECT kind, input, output FROM spans WHERE run = $1"
                               " AND attempt = $2 AND step = $3",
                               ARGS(arg_int(key->run), arg_int(key->attempt), arg_int(key->step)));
    *ret_found = rows != NULL;
    if (rows != NULL) {
        *ret_kind = rows_copy(rows, 0);
        *ret_text = answer_text(tx, rows_copy(rows, side == SPAN_INPUT ? 1 : 2));
    }
    return tx_error(tx);
}

struct err tx_span_text(struct tx *tx, const struct span_key *key, enum span_side side,
                        bool *ret_found, struct bytes *ret_text) {
    struct bytes kind = BYTES(""), whole = BYTES("");
    struct err err = stored_text(tx, key, side, ret_found, &kind, ret_text);
    if (err_failed(err) || !*ret_found) {
        return err_failed(err) ? err : agent_text(tx, key, side, ret_found, ret_text);
    }
    if (bytes_is(kind, span_kind_name(SPAN_TOOL))) {
        whole = card_text(tx, key, side);
    } else if (bytes_is(kind, span_kind_name(SPAN_MODEL)) && side == SPAN_OUTPUT) {
        whole = words_text(tx, key);
    }
    *ret_text = whole.len > 0 ? whole : *ret_text;
    return tx_error(tx);
}
