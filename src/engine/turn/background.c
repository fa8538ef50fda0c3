/* background.c: see background.h. */
#include "engine/turn/background.h"

#include "engine/run/rows.h"
#include "rules/inbox/inbox.h"

#define AT(member) offsetof(struct background_row, member)

static struct field_value delivery(const void *row) {
    const struct background_row *background = row;
    return (struct field_value){.null = background->delivery[0] == '\0',
                                .text = bytes_of(background->delivery)};
}

static const struct field rows[] = {
    {FIELD("subagent", FIELD_TEXT, AT(subagent)), .empty = FIELD_EMPTY_NULL},
    {FIELD("title", FIELD_TEXT, AT(title)), .empty = FIELD_EMPTY_NULL},
    {FIELD("delivery", FIELD_TEXT, 0), .get = delivery, .empty = FIELD_EMPTY_NULL,
     .schema = "{\"enum\":[null,\"pending\",\"delivered\",\"dropped\"]}"},
    {FIELD("notice", FIELD_TEXT, AT(notice)), .empty = FIELD_EMPTY_NULL},
};
const struct field_set background_fields = {FIELD_ROWS(rows), .use = FIELD_LISTED};

void background_write_json(const struct background_row *row, struct text *text) {
    run_write_json(&row->run, RUN_LIGHT, text);
    text_cut(text, text->len - 1);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        fields_add_one(&background_fields, rows[i].name, row, text);
    }
    text_add_char(text, '}');
}

/* --- Rows ------------------------------------------------------------------------------------- */

struct candidate {
    int64_t id, subagent; /* subagent: id of its session; 0: the run is none. */
    bool fits;
};

/* Runs of the session by its index, and turns with which subagents began, or began again: the
 * newest of both. Turns of the session itself are most of the former. */
static size_t candidates_read(struct tx *tx, const struct background_page *page,
                              struct candidate *candidates) {
    static const char sql[] =
        "SELECT id, subagent, kind FROM (SELECT * FROM (SELECT id, 0 AS subagent,"
        " CASE parent WHEN 0 THEN kind ELSE '' END AS kind FROM runs WHERE owner = $1"
        " AND session = $2 AND session <> '' AND id < $4 ORDER BY id DESC LIMIT $5) own"
        " UNION ALL SELECT * FROM (SELECT t.run AS id, s.id AS subagent, '' AS kind"
        " FROM sessions s JOIN turns t ON t.session = s.id WHERE s.parent = $3 AND s.parent <> 0"
        " AND s.hidden = 0 AND (t.number = 1 OR t.began_by = 'again') AND t.run < $4"
        " ORDER BY t.run DESC LIMIT $5) below) background ORDER BY id DESC LIMIT $5";
    size_t count = 0;
    AUTO(rows_release)
    struct rows *found =
        tx_rows(tx, sql,
                ARGS(arg_text(page->session->owner), arg_text(page->session->session),
                     arg_int(page->session->id),
                     arg_int(page->before > 0 ? page->before : INT64_MAX), arg_int(page->limit)));
    while ((int64_t)count < page->limit && rows_step(found)) {
        enum run_kind kind = RUN_KIND_COUNT;
        const bool works = run_kind_find(rows_text(found, 2), &kind) &&
                           run_kind_is(kind, RUN_HAS_PROCESS | RUN_HAS_STEPS);
        candidates[count++] = (struct candidate){.id = rows_int(found, 0),
                                                 .subagent = rows_int(found, 1),
                                                 .fits = rows_int(found, 1) != 0 || works};
    }
    return count;
}

/* The notice of an end is written with the end. A run that was called off has none. */
static void notice_find(struct tx *tx, const struct background_page *page,
                        struct background_row *row) {
    AUTO(rows_release)
    struct rows *found = tx_row(tx,
                                "SELECT delivery, state FROM inbox WHERE run = $1"
                                " AND receiver = 'session' AND address = $2 LIMIT 1",
                                ARGS(arg_text(row->run.run), arg_text(page->session->session)));
    enum inbox_state state = INBOX_PENDING;
    row->notice = found == NULL ? BYTES("") : rows_copy(found, 0);
    if (found == NULL) {
        row->delivery = run_state_final(row->run.state) ? "" : "pending";
        return;
    }
    const bool known = inbox_state_find(rows_text(found, 1), &state);
    row->delivery = known && state == INBOX_ACKNOWLEDGED                       ? "delivered"
                    : known && (state == INBOX_GONE || state == INBOX_DROPPED) ? "dropped"
                                                                               : "pending";
}

static struct err background_read(struct tx *tx, const struct background_page *page,
                                  const struct candidate *candidate, struct background_row *row) {
    AUTO(rows_release)
    struct rows *found = tx_row(tx, runs__sql(tx, RUN_LIGHT, "SELECT * FROM runs WHERE id = $1"),
                                ARGS(arg_int(candidate->id)));
    struct err err =
        found == NULL ? tx_error(tx) : runs__read_shown(tx, found, RUN_LIGHT, &row->run);
    rows_release(&found);
    if (err_failed(err) || row->run.run.len == 0) {
        return err;
    }
    run_shown(&row->run, tx_epoch(tx), run_bounds_hold(page->bounds));
    err = tx_run_waits_mark(tx, page->bounds, &row->run);
    row->subagent = tx_text(tx, "SELECT session FROM sessions WHERE id = $1",
                            ARGS(arg_int(candidate->subagent)));
    row->title =
        tx_text(tx, "SELECT title FROM sessions WHERE id = $1", ARGS(arg_int(candidate->subagent)));
    notice_find(tx, page, row);
    row->fits = true;
    return err_failed(err) ? err : tx_error(tx);
}

struct err tx_session_background(struct tx *tx, const struct background_page *page,
                                 struct err (*each)(void *ctx, const struct background_row *row),
                                 void *ctx) {
    assert(page->limit > 0);
    struct candidate *candidates = tx_memory(tx, (size_t)page->limit * sizeof *candidates);
    const size_t count = candidates == NULL ? 0 : candidates_read(tx, page, candidates);
    struct err err = tx_error(tx);
    for (size_t i = 0; i < count && !err_failed(err); i++) {
        struct background_row row = {.run = {.id = candidates[i].id, .run = BYTES("")},
                                     .delivery = ""};
        err = candidates[i].fits ? background_read(tx, page, &candidates[i], &row) : ERR_OK;
        err = err_failed(err) ? err : each(ctx, &row);
    }
    return err;
}
