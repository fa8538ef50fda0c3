/* list.c: pages of sessions. */
#include "engine/session/rows.h"

#include <string.h>

/* Each statement has an index in the order of the list. */
#define PAGE_SQL(project, archived)                                                                \
    "SELECT " SESSION_COLUMNS_LIGHT SESSION_FROM                                                   \
    " WHERE s.owner = $1 AND s.parent = $2 AND " project " AND s.changed_ms >= $6"                 \
    " AND (s.changed_ms, s.id) < ($4, $5) AND s.hidden = 0 AND s.archived_ms " archived            \
    " ORDER BY s.changed_ms DESC, s.id DESC LIMIT $7"

static const char *const page_sql[2][2] = {
    {PAGE_SQL("$3 = ''", "IS NULL"), PAGE_SQL("$3 = ''", "IS NOT NULL")},
    {PAGE_SQL("s.project = $3", "IS NULL"), PAGE_SQL("s.project = $3", "IS NOT NULL")}};

static struct err find_parent(struct tx *tx, const struct session_page *page, int64_t *ret_parent) {
    const struct session_key key = {.owner = page->owner, .session = page->parent};
    bool found = page->parent.len == 0;
    struct session_row parent = {.id = 0};
    struct err err = ERR_OK;
    if (!found) {
        err = sessions__find(tx, &key, &found, &parent);
    }
    if (!err_failed(err) && !found) {
        err = err_make(ERR_NOT_FOUND, "sessions: parent");
    }
    if (!err_failed(err)) {
        *ret_parent = parent.id;
    }
    return err;
}

struct err tx_session_each(struct tx *tx, const struct session_page *page, session_fn each,
                           void *ctx) {
    int64_t parent = 0;
    struct err err = find_parent(tx, page, &parent);
    if (err_failed(err)) {
        return err;
    }
    bool start = page->after.id == 0;
    const struct arg args[] = {
        arg_text(page->owner),
        arg_int(parent),
        arg_text(page->project),
        arg_int(start ? INT64_MAX : page->after.changed_ms),
        arg_int(start ? INT64_MAX : page->after.id),
        arg_int(page->since_ms),
        arg_int(page->limit),
    };
    const char *sql = page_sql[page->project.len > 0 ? 1 : 0][page->archived ? 1 : 0];
    AUTO(rows_release) struct rows *rows = NULL;
    err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    bool more = true;
    while (!err_failed(err)) {
        struct session_row row;
        err = rows_next(rows, &more);
        if (err_failed(err) || !more) {
            break;
        }
        sessions__borrow(rows, SESSION_LIGHT, &row);
        err = tx_session_shown(tx, page->hold, &row);
        if (!err_failed(err)) {
            err = each(ctx, &row);
        }
    }
    return err;
}
