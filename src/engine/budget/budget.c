/* budget.c: finding, listing, setting and removing budgets. */
#include "engine/budget/budget.h"

#include <string.h>

#include "base/id.h"
#include "base/memory.h"
#include "base/text.h"
#include "engine/budget/rows.h"
#include "engine/inbox/bind.h"
#include "engine/run/rows.h"
#include "engine/session/rows.h"

/* --- Scopes ----------------------------------------------------------------------------------- */

static const char global_name[] = "global", project_prefix[] = "project:",
                  session_prefix[] = "session:", run_prefix[] = "run:";

static bool begins(struct bytes text, const char *prefix) {
    size_t len = strlen(prefix);
    return text.len > len && memcmp(text.data, prefix, len) == 0;
}

bool budget_scope_global(struct bytes scope) {
    return scope.len == sizeof global_name - 1 && memcmp(scope.data, global_name, scope.len) == 0;
}

bool budget_scope_valid(struct bytes scope) {
    if (begins(scope, project_prefix)) {
        size_t at = sizeof project_prefix - 1;
        return session_project_valid((struct bytes){scope.data + at, scope.len - at});
    }
    if (begins(scope, session_prefix)) {
        size_t at = sizeof session_prefix - 1;
        return id_valid(scope.data + at, scope.len - at, "ses");
    }
    if (begins(scope, run_prefix)) {
        size_t at = sizeof run_prefix - 1;
        return id_valid(scope.data + at, scope.len - at, "run");
    }
    return budget_scope_global(scope);
}

static struct err add_slash(struct tx *tx, struct bytes before, struct bytes text,
                            struct bytes *ret_path) {
    char *path = arena_try(tx_arena(tx), before.len + text.len + 1);
    if (path == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "budget: path");
    }
    if (before.len > 0) {
        memcpy(path, before.data, before.len);
    }
    memcpy(path + before.len, text.data, text.len);
    path[before.len + text.len] = '/';
    *ret_path = (struct bytes){path, before.len + text.len + 1};
    return ERR_OK;
}

struct err budget__project_path(struct tx *tx, struct bytes project, struct bytes *ret_path) {
    const struct bytes prefix = {project_prefix, sizeof project_prefix - 1};
    return add_slash(tx, prefix, project, ret_path);
}

/* Of the session, then of what it is a subagent of, and so on; the outermost is the last. */
static struct err find_above(struct tx *tx, const struct session_row *session,
                             struct session_row chain[SESSION_DEPTH_MAX + 1], size_t *ret_count) {
    struct err err = ERR_OK;
    size_t count = 0;
    bool found = true;
    chain[count++] = *session;
    while (!err_failed(err) && found && chain[count - 1].parent != 0 &&
           count <= SESSION_DEPTH_MAX) {
        err = sessions__find_id(tx, chain[count - 1].parent, &found, &chain[count]);
        count += !err_failed(err) && found ? 1 : 0;
    }
    *ret_count = count;
    return err;
}

struct err budget__session_path(struct tx *tx, const struct session_row *session,
                                struct bytes *ret_path) {
    struct session_row chain[SESSION_DEPTH_MAX + 1];
    struct bytes path = {"", 0};
    AUTO(text_done) struct text text;
    size_t count = 0;
    text_init(&text, BUDGET_PATH_MAX);
    struct err err = find_above(tx, session, chain, &count);
    if (!err_failed(err) && session->project.len > 0) {
        err = budget__project_path(tx, session->project, &path);
    }
    if (err_failed(err)) {
        return err;
    }
    text_add(&text, path.data, path.len);
    for (size_t i = count; i > 0; i--) {
        text_add_str(&text, session_prefix);
        text_add(&text, chain[i - 1].session.data, chain[i - 1].session.len);
        text_add_char(&text, '/');
    }
    const char *copy =
        text_failed(&text) ? NULL : arena_try_copy(tx_arena(tx), text.data, text.len);
    if (copy == NULL) {
        return text_error(&text, "budget: path");
    }
    *ret_path = (struct bytes){copy, text.len};
    return ERR_OK;
}

/* --- Finding ---------------------------------------------------------------------------------- */

static struct err fill(struct tx *tx, struct budget_row *row) {
    static const char sql[] = "SELECT count(*) FROM runs WHERE lane >= $1 AND lane < $2"
                              " AND lane <> 0 AND ended_ms IS NULL";
    const struct arg args[] = {arg_int(row->id * BUDGET_LANES),
                               arg_int((row->id + 1) * BUDGET_LANES)};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    struct err err = runs__int(tx, &ask, &row->waiting);
    return err_failed(err) ? err : budget__reserved(tx, row, &row->reserved);
}

struct err tx_budget_find(struct tx *tx, const struct budget_key *key, bool *ret_found,
                          struct budget_row *ret_row) {
    bool found = false;
    struct budget_row row;
    struct err err = budget__find(tx, key, &found, &row);
    if (!err_failed(err) && found) {
        err = fill(tx, &row);
    }
    if (err_failed(err)) {
        return err;
    }
    *ret_found = found;
    if (found) {
        *ret_row = row;
    }
    return ERR_OK;
}

struct page_rows {
    struct budget_row *at; /* In the transaction's arena. */
    int64_t count;
};

/* All of the page before what is asked of each: one cursor at a time. */
static struct err read_page(struct tx *tx, const struct budget_page *page,
                            struct page_rows *ret_rows) {
    /* Both halves come in the order of the index, so neither is sorted. */
    static const char sql[] =
        "SELECT " BUDGET_COLUMNS " FROM budgets WHERE owner = '' AND id < $2 UNION ALL"
        " SELECT " BUDGET_COLUMNS " FROM budgets WHERE owner = $1 AND owner <> '' AND id < $2"
        " ORDER BY id DESC LIMIT $3";
    const struct arg args[] = {arg_text(page->owner),
                               arg_int(page->before > 0 ? page->before : INT64_MAX),
                               arg_int(page->limit)};
    struct page_rows found = {.at =
                                  arena_try(tx_arena(tx), (size_t)page->limit * sizeof *found.at)};
    if (found.at == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "budget: list");
    }
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    bool more = !err_failed(err);
    while (!err_failed(err) && more && found.count < page->limit) {
        err = rows_next(rows, &more);
        if (!err_failed(err) && more) {
            err = budget__read(tx, rows, &found.at[found.count++]);
        }
    }
    if (!err_failed(err)) {
        *ret_rows = found;
    }
    return err;
}

struct err tx_budget_each(struct tx *tx, const struct budget_page *page,
                          struct err (*each)(void *ctx, const struct budget_row *row), void *ctx) {
    struct page_rows rows = {.count = 0};
    struct err err = read_page(tx, page, &rows);
    for (int64_t i = 0; i < rows.count && !err_failed(err); i++) {
        err = fill(tx, &rows.at[i]);
        if (!err_failed(err)) {
            err = each(ctx, &rows.at[i]);
        }
    }
    return err;
}

/* --- Changing --------------------------------------------------------------------------------- */

static void take_limits(const struct budget_limits *limits, struct budget_row *row) {
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        row->limits.of[i] = limits->named[i] ? limits->limits.of[i] : row->limits.of[i];
    }
}

static struct err find_path(struct tx *tx, const struct budget_key *key, struct bytes *ret_path) {
    const struct bytes none = {"", 0};
    if (budget_scope_global(key->scope)) {
        *ret_path = none;
        return ERR_OK;
    }
    if (!begins(key->scope, session_prefix)) {
        return add_slash(tx, none, key->scope, ret_path);
    }
    size_t at = sizeof session_prefix - 1;
    const struct session_key session_key = {.owner = key->owner,
                                            .session = {key->scope.data + at, key->scope.len - at}};
    struct session_row session;
    bool found = false;
    struct err err = sessions__find(tx, &session_key, &found, &session);
    if (err_failed(err)) {
        return err;
    }
    return found ? budget__session_path(tx, &session, ret_path)
                 : err_make(ERR_NOT_FOUND, "budget: of a session");
}

static struct err make(struct tx *tx, const struct budget_set *set, struct budget_row *row) {
    const struct bytes none = {"", 0};
    bool global = budget_scope_global(set->key.scope);
    if (begins(set->key.scope, run_prefix)) {
        return err_make(ERR_NOT_FOUND, "budget: of a run");
    }
    *row = (struct budget_row){.owner = global ? none : set->key.owner,
                               .scope = set->key.scope,
                               .path = none,
                               .made_ms = tx_now_ms(tx),
                               .limits = amounts_unlimited()};
    take_limits(&set->limits, row);
    struct err err = find_path(tx, &set->key, &row->path);
    return err_failed(err) ? err : budget__insert(tx, row);
}

static struct arg limit_arg(const struct budget_row *row, enum amount amount) {
    int64_t limit = row->limits.of[amount];
    return limit >= AMOUNT_MAX ? arg_null() : arg_int(limit);
}

static struct err change(struct tx *tx, const struct budget_set *set, struct budget_row *row) {
    static const char sql[] =
        "UPDATE budgets SET output_tokens_max = $2, tokens_max = $3, cost_micros_max = $4,"
        " agents_max = $5, wall_ms_max = $6 WHERE id = $1";
    take_limits(&set->limits, row);
    const struct arg args[] = {arg_int(row->id),
                               limit_arg(row, AMOUNT_OUTPUT_TOKENS),
                               limit_arg(row, AMOUNT_TOKENS),
                               limit_arg(row, AMOUNT_COST),
                               limit_arg(row, AMOUNT_AGENTS),
                               limit_arg(row, AMOUNT_WALL)};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
}

/* Also of limits that are no more. */
static struct err open_all(struct tx *tx, int64_t id, const struct run_bounds *bounds) {
    struct run_freed freed = {.kinds = 0};
    struct err err = ERR_OK;
    for (unsigned i = 0; i < AMOUNT_COUNT && !err_failed(err); i++) {
        err = budget__free_lane(tx, budget__lane(id, (enum amount)i), &freed);
    }
    return err_failed(err) ? err : runs__admit_freed(tx, &freed, bounds);
}

/* What a session is owed may have been held by it. The global one is everybody's. */
static struct err unhold(struct tx *tx, const struct budget_key *key) {
    bool global = key->scope.len == 6 && memcmp(key->scope.data, "global", 6) == 0;
    return tx_inbox_unhold_all(tx, global ? (struct bytes){NULL, 0} : key->owner);
}

struct err tx_budget_set(struct tx *tx, const struct budget_set *set, struct budget_row *ret_row) {
    assert(budget_scope_valid(set->key.scope));
    bool found = false;
    struct budget_row row;
    struct err err = budget__find(tx, &set->key, &found, &row);
    if (!err_failed(err)) {
        err = found ? change(tx, set, &row) : make(tx, set, &row);
    }
    if (!err_failed(err) && found) {
        err = open_all(tx, row.id, &set->bounds);
    }
    if (!err_failed(err)) {
        err = unhold(tx, &set->key);
    }
    if (!err_failed(err)) {
        err = fill(tx, &row);
    }
    if (!err_failed(err)) {
        *ret_row = row;
    }
    return err;
}

struct err tx_budget_remove(struct tx *tx, const struct budget_key *key,
                            const struct run_bounds *bounds, struct budget_row *ret_row) {
    bool found = false;
    struct budget_row row;
    struct err err = budget__find(tx, key, &found, &row);
    if (err_failed(err)) {
        return err;
    }
    if (!found) {
        return err_make(ERR_NOT_FOUND, "budget: remove");
    }
    err = budget__remove(tx, row.id);
    if (!err_failed(err)) {
        err = open_all(tx, row.id, bounds);
    }
    if (!err_failed(err)) {
        err = unhold(tx, key);
    }
    if (!err_failed(err)) {
        *ret_row = row;
    }
    return err;
}
