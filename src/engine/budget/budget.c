/* budget.c: budgets are found, listed, set, removed, and asked step by step. */
#include "engine/budget/budget.h"

#include <inttypes.h>
#include <string.h>

#include "base/id.h"
#include "base/memory.h"
#include "base/text.h"
#include "engine/base/follow.h"
#include "engine/base/ids.h"
#include "engine/budget/rows.h"
#include "engine/inbox/bind.h"
#include "engine/project/projects.h"
#include "engine/run/budget_gate.h"
#include "journal/journal.h"
#include "loop/local_day.h"

/* --- Scopes ----------------------------------------------------------------------------------- */

/* What follows the prefix; no data: the text does not begin so. */
static struct bytes scope_rest(struct bytes scope, struct bytes prefix) {
    return scope.len > prefix.len && bytes_begin(scope, prefix)
               ? (struct bytes){scope.data + prefix.len, scope.len - prefix.len}
               : (struct bytes){NULL, 0};
}

bool budget_scope_global(struct bytes scope) {
    return bytes_is(scope, "global");
}

bool budget_scope_valid(struct bytes scope) {
    const struct bytes project = scope_rest(scope, BYTES("project:"));
    const struct bytes session = scope_rest(scope, BYTES("session:"));
    const struct bytes run = scope_rest(scope, BYTES("run:"));
    return (project.data != NULL && session_project_valid(project)) ||
           (session.data != NULL && id_valid(session.data, session.len, "ses")) ||
           (run.data != NULL && id_valid(run.data, run.len, "run")) || budget_scope_global(scope);
}

/* Whether `scope`, which ends with '/', is one of those in the path. */
static bool path_has(struct bytes path, struct bytes scope) {
    for (size_t i = 0; i + scope.len <= path.len; i++) {
        if ((i == 0 || path.data[i - 1] == '/') &&
            bytes_begin((struct bytes){path.data + i, path.len - i}, scope)) {
            return true;
        }
    }
    return false;
}

/* First where the run is charged inside of which the outermost was begun (inside.h). Then the
 * scopes of the session, of what it is a subagent of, and so on; the outermost comes first. Where
 * these are too many, scopes between are left out: a session always has its own. */
struct err budget__session_path(struct tx *tx, const struct session_row *session,
                                struct bytes *ret_path) {
    struct session_row chain[SESSION_DEPTH_MAX + 1] = {*session};
    size_t count = 1;
    while (chain[count - 1].parent != 0 && count <= SESSION_DEPTH_MAX &&
           sessions__find_id(tx, chain[count - 1].parent, &chain[count])) {
        count++;
    }
    AUTO(text_done) struct text path = text_up_to(BUDGET_PATH_MAX);
    AUTO(text_done) struct text project = text_up_to(BUDGET_PATH_MAX);
    const struct bytes above = tx_text(tx, "SELECT budget FROM sessions WHERE id = $1",
                                       ARGS(arg_int(chain[count - 1].id)));
    text_add(&path, above.data, above.len);
    if (budget__path_parts(text_bytes(&path)) >= BUDGET_PATH_PARTS) {
        text_clear(&path); /* The row is damaged. */
    }
    text_addf(&project, "project:%.*s/", (int)session->project.len, session->project.data);
    if (session->project.len > 0 && !path_has(text_bytes(&path), text_bytes(&project)) &&
        budget__path_parts(text_bytes(&path)) + 1 < BUDGET_PATH_PARTS) {
        text_add(&path, project.data, project.len);
    }
    for (size_t i = count; i > 0; i--) {
        const struct bytes name = chain[i - 1].session;
        if (i == 1 || budget__path_parts(text_bytes(&path)) + 1 < BUDGET_PATH_PARTS) {
            text_addf(&path, "session:%.*s/", (int)name.len, name.data);
        }
    }
    *ret_path = tx_copy_text(tx, &path, "budget: path");
    return tx_error(tx);
}

/* --- Finding ---------------------------------------------------------------------------------- */

static bool node_find(struct tx *tx, const struct budget_key *key, struct budget_row *ret_row) {
    const struct bytes owner = budget_scope_global(key->scope) ? BYTES("") : key->owner;
    return budget__rows(tx, "SELECT * FROM budgets WHERE owner = $1 AND scope = $2",
                        ARGS(arg_text(owner), arg_text(key->scope)), 1, ret_row) > 0;
}

/* A day began 24 hours before its end, or with its budget. */
static struct bytes forecast_of(struct tx *tx, const struct budget_row *row) {
    const int64_t day_ms = row->day_end_ms == 0 ? 0 : row->day_end_ms - BUDGET_DAY_MS;
    const struct budget_pace pace = {.limits = row->limits,
                                     .spent = row->spent,
                                     .since_ms = row->made_ms > day_ms ? row->made_ms : day_ms,
                                     .now_ms = tx_now_ms(tx),
                                     .day_end_ms = row->day_end_ms};
    const struct budget_forecast forecast = budget_forecast(&pace);
    AUTO(text_done) struct text text = text_up_to(200);
    if (forecast.amount == AMOUNT_COUNT) {
        return BYTES("");
    }
    text_add_char(&text, '{');
    text_add_member(&text, "limit", bytes_of(amount_name(forecast.amount)));
    text_add_member_int(&text, "at_ms", forecast.at_ms);
    text_add_char(&text, '}');
    return tx_copy_text(tx, &text, "budget: forecast");
}

static void node_fill(struct tx *tx, struct budget_row *row) {
    row->waiting =
        tx_number(tx,
                  "SELECT count(*) FROM runs WHERE lane >= $1 AND lane < $2"
                  " AND lane <> 0 AND ended_ms IS NULL",
                  ARGS(arg_int(row->id * BUDGET_LANES), arg_int((row->id + 1) * BUDGET_LANES)));
    row->reserved = budget__reserved(tx, row);
    row->forecast = forecast_of(tx, row);
}

struct err tx_budget_find(struct tx *tx, const struct budget_key *key, bool *ret_found,
                          struct budget_row *ret_row) {
    *ret_found = node_find(tx, key, ret_row);
    if (*ret_found) {
        node_fill(tx, ret_row);
    }
    return tx_error(tx);
}

/* The whole page is read before anything is asked about each: one cursor at a time. */
struct err tx_budget_each(struct tx *tx, const struct budget_page *page,
                          struct err (*each)(void *ctx, const struct budget_row *row), void *ctx) {
    /* Both halves come in the order of the index, so neither is sorted. */
    static const char sql[] = "SELECT * FROM budgets WHERE owner = '' AND id < $2 UNION ALL"
                              " SELECT * FROM budgets WHERE owner = $1 AND owner <> '' AND id < $2"
                              " ORDER BY id DESC LIMIT $3";
    struct budget_row *found = tx_memory(tx, (size_t)page->limit * sizeof *found);
    const size_t count = budget__rows(tx, sql,
                                      ARGS(arg_text(page->owner),
                                           arg_int(page->before > 0 ? page->before : INT64_MAX),
                                           arg_int(page->limit)),
                                      (size_t)page->limit, found);
    struct err err = tx_error(tx);
    for (size_t i = 0; i < count && !err_failed(err); i++) {
        node_fill(tx, &found[i]);
        err = err_failed(tx_error(tx)) ? tx_error(tx) : each(ctx, &found[i]);
    }
    return err;
}

/* --- Changing --------------------------------------------------------------------------------- */

static struct err path_find(struct tx *tx, const struct budget_key *key, struct bytes *ret_path) {
    const struct session_key session_key = {.owner = key->owner,
                                            .session = scope_rest(key->scope, BYTES("session:"))};
    struct session_row session;
    if (session_key.session.data == NULL) {
        *ret_path =
            budget_scope_global(key->scope) ? BYTES("") : budget__path(tx, BYTES(""), key->scope);
        return ERR_OK;
    }
    struct err err = sessions__get(tx, &session_key, "budget: of a session", &session);
    return err_failed(err) ? err : budget__session_path(tx, &session, ret_path);
}

/* Lets in the runs that wait for one of its limits, also of limits that are no more. What a session
 * is owed may have been held by it; the global one is everybody's. */
static void node_changed(struct tx *tx, const struct budget_key *key, int64_t id,
                         const struct run_bounds *bounds) {
    struct run_freed freed = {.kinds = 0};
    for (unsigned i = 0; id != 0 && i < AMOUNT_COUNT; i++) {
        budget__free_lane(tx, budget__lane(id, (enum amount)i), &freed);
    }
    tx_fail(tx, runs__admit_freed(tx, &freed, bounds));
    tx_fail(tx, tx_inbox_unhold_all(
                    tx, budget_scope_global(key->scope) ? (struct bytes){NULL, 0} : key->owner,
                    CAUSE_NONE));
}

/* Spending since the last midnight is not known, so the first day begins with nothing spent.
 * A day that goes on is left as it is: set twice, a limit is not lifted. */
static void per_set(struct tx *tx, enum budget_per per, struct budget_row *row) {
    if (per == BUDGET_PER_NONE) {
        row->day_end_ms = 0;
    } else if (per == BUDGET_PER_DAY && row->day_end_ms == 0) {
        row->day_end_ms = local_day_end_ms(tx_now_ms(tx));
        row->spent = amounts_none();
    }
}

struct err tx_budget_set(struct tx *tx, const struct budget_set *set, struct budget_row *ret_row) {
    assert(budget_scope_valid(set->key.scope));
    bool global = budget_scope_global(set->key.scope);
    struct budget_row row = {.owner = global ? BYTES("") : set->key.owner,
                             .scope = set->key.scope,
                             .made_ms = tx_now_ms(tx),
                             .limits = amounts_unlimited()};
    bool found = node_find(tx, &set->key, &row);
    TRY(tx_error(tx));
    if (found && set->only_new) {
        return err_make(ERR_CONFLICT, "budget: new");
    }
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        row.limits.of[i] = set->limits.named[i] ? set->limits.limits.of[i] : row.limits.of[i];
    }
    per_set(tx, set->limits.per, &row);
    if (found) {
        tx_row_update(tx, &budget_resource, BUDGET_SET_LIMITS | BUDGET_SET_SPENT, &row);
        tx_row_changed(tx, FOLLOW_BUDGET, row.id);
    } else {
        bool of_run = scope_rest(set->key.scope, BYTES("run:")).data != NULL;
        tx_project_use(tx, set->key.owner, scope_rest(set->key.scope, BYTES("project:")), NULL);
        TRY(of_run ? err_make(ERR_NOT_FOUND, "budget: of a run")
                   : path_find(tx, &set->key, &row.path));
        budget__insert(tx, &row);
    }
    node_changed(tx, &set->key, found ? row.id : 0, &set->bounds);
    node_fill(tx, &row);
    *ret_row = row;
    return tx_error(tx);
}

/* The global one is everybody's. `data` NULL: it was removed. */
static void node_tell(struct tx *tx, const struct budget_row *row, const struct text *data) {
    const struct follow change = {.name = "budget",
                                  .owner = row->owner,
                                  .stream = row->owner.len == 0 ? "system" : NULL,
                                  .key = "scope",
                                  .id = row->scope};
    follow_tell(tx, &change, data);
}

void budget__tell_changed(struct tx *tx, int64_t id) {
    AUTO(text_done) struct text data = text_up_to(EVENT_DATA_MAX);
    struct budget_row row;
    if (budget__find_id(tx, id, &row)) { /* Else it is gone. */
        node_fill(tx, &row);
        fields_write(&budget_resource.fields, FIELD_TOLD, &row, &data);
        node_tell(tx, &row, &data);
    }
}

static void node_remove(struct tx *tx, const struct budget_row *row) {
    tx_do(tx, "DELETE FROM budget_means WHERE budget = $1", ARGS(arg_int(row->id)));
    ids__keep(tx, IDS_BUDGETS);
    tx_do(tx, "DELETE FROM budgets WHERE id = $1", ARGS(arg_int(row->id)));
    node_tell(tx, row, NULL /* removed */);
}

struct err tx_budget_remove(struct tx *tx, const struct budget_key *key,
                            const struct run_bounds *bounds, struct budget_row *ret_row) {
    if (!node_find(tx, key, ret_row)) {
        return err_failed(tx_error(tx)) ? tx_error(tx) : err_make(ERR_NOT_FOUND, "budget: remove");
    }
    node_remove(tx, ret_row);
    node_changed(tx, key, ret_row->id, bounds);
    return tx_error(tx);
}

void budget__remove_run(struct tx *tx, int64_t run) {
    int64_t id =
        tx_number(tx, "SELECT id FROM budgets WHERE run = $1 AND run <> 0", ARGS(arg_int(run)));
    struct budget_row row;
    if (id != 0 && budget__find_id(tx, id, &row)) {
        node_remove(tx, &row);
    }
}

/* --- Steps of a run that has begun ------------------------------------------------------------ */

static void nodes_hand_on(struct tx *tx, const struct budget__places *places,
                          const struct run_bounds *bounds) {
    struct run_freed freed = {.kinds = 0};
    budget__free(tx, places, &freed);
    tx_fail(tx, runs__admit_freed(tx, &freed, bounds));
}

struct budget_answer tx_budget_reserve(struct tx *tx, const struct budget_ask *ask,
                                       const struct run_bounds *bounds, struct run_row *row) {
    assert(run_lives(row));
    struct budget__judgement judgement;
    const struct budget_hit *hit = &judgement.hit;
    budget__judge(tx, row, ask, &judgement);
    if (ask->begun && judgement.verdict == BUDGET_WAITS) {
        judgement.verdict = BUDGET_ADMITTED;
        judgement.grant = amounts_none();
    }
    struct budget_answer answer = {
        .verdict = judgement.verdict, .granted = judgement.grant, .why = {"", 0}};
    if (judgement.places.count > 0) {
        row->charged = true;
        row->lane = 0;
        if (judgement.verdict == BUDGET_ADMITTED) {
            amounts_add(&row->reserve, &judgement.grant);
        } else if (judgement.verdict == BUDGET_WAITS) {
            row->lane = budget__lane(judgement.places.rows[hit->node].id, hit->amount);
            answer.resume_at_ms = hit->today ? judgement.places.rows[hit->node].day_end_ms : 0;
        }
        budget__write_run(tx, row);
    }
    if (judgement.verdict != BUDGET_ADMITTED) {
        answer.granted = amounts_none();
        answer.why = budget__why(tx, &judgement);
    }
    /* The run may have left its lane to ask again; the runs queued behind it wait for that. */
    if (judgement.verdict != BUDGET_WAITS) {
        nodes_hand_on(tx, &judgement.places, bounds);
    }
    return answer;
}

struct err tx_budget_spend(struct tx *tx, const struct budget_spend *spend,
                           const struct run_bounds *bounds, struct run_row *row) {
    assert(run_lives(row));
    assert(spend->what.len <= BUDGET_WHAT_MAX);
    struct budget__places places;
    if (!row->charged) {
        return ERR_OK; /* There was no budget when it was asked for. */
    }
    amounts_subtract(&row->reserve, &spend->granted);
    budget__load(tx, row, &places);
    budget__charge(tx, &places, spend);
    budget__write_run(tx, row);
    nodes_hand_on(tx, &places, bounds);
    return tx_error(tx);
}

/* --- As JSON ---------------------------------------------------------------------------------- */

struct err budget__write_left(struct tx *tx, const struct session_row *session, struct text *text) {
    struct run_row run = {.owner = session->owner};
    struct budget__places places = {.count = 0};
    TRY(budget__session_path(tx, session, &run.budget));
    budget__load(tx, &run, &places);
    text_add_char(text, '[');
    const char *before = "{";
    for (size_t n = 0; n < places.count; n++) {
        const struct budget_row *row = &places.rows[n];
        if (!budget__limited(row)) {
            continue;
        }
        const struct amounts reserved = budget__reserved(tx, row);
        text_add_str(text, before);
        text_add_member(text, "scope", row->scope);
        text_add_str(text, ",\"left\":{");
        for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
            int64_t left = row->limits.of[i] - row->spent.of[i] - reserved.of[i];
            if (row->limits.of[i] < AMOUNT_MAX) {
                text_add_member_int(text, amount_name((enum amount)i), left > 0 ? left : 0);
            }
        }
        text_add_str(text, "}}");
        before = ",{";
    }
    text_add_char(text, ']');
    return tx_error(tx);
}
