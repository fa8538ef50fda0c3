/* recall.c: what a turn's question brings to mind. */
#include "base/utf8.h"
#include "engine/turn/turns.h"

struct asked {
    bool found;
    struct bytes owner, project, text; /* The transaction's arena has them. */
};

static bool keep(struct tx *tx, struct bytes *text) {
    const char *copy = arena_try_copy(tx_arena(tx), text->len == 0 ? "" : text->data, text->len);
    text->data = copy;
    return copy != NULL;
}

/* A turn that a notice began has no question. */
static struct err find_question(struct tx *tx, struct bytes run, struct asked *asked) {
    static const char sql[] =
        "SELECT s.owner, s.project, p.text FROM runs r JOIN turns t ON t.run = r.id"
        " JOIN sessions s ON s.id = t.session JOIN parts p ON p.message = t.question"
        " WHERE r.run = $1 AND p.kind = 'text' ORDER BY p.number LIMIT 1";
    const struct arg args[] = {arg_text(run)};
    AUTO(rows_release) struct rows *rows = NULL;
    *asked = (struct asked){.found = false};
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    if (!err_failed(err)) {
        err = rows_next(rows, &asked->found);
    }
    if (err_failed(err) || !asked->found) {
        return err;
    }
    asked->owner = rows_text(rows, 0);
    asked->project = rows_text(rows, 1);
    asked->text = rows_text(rows, 2);
    asked->text.len = utf8_cut(asked->text, MEMORY_QUERY_MAX);
    bool kept = keep(tx, &asked->owner) && keep(tx, &asked->project) && keep(tx, &asked->text);
    return kept ? ERR_OK : err_make(ERR_OUT_OF_MEMORY, "turns: recall");
}

struct err tx_prompt_recall(struct tx *tx, struct bytes run, int64_t limit, memory_each each,
                            void *ctx) {
    struct asked asked;
    struct err err = find_question(tx, run, &asked);
    if (err_failed(err) || !asked.found) {
        return err;
    }
    const struct memory_question question = {.scope = {.owner = asked.owner,
                                                       .about = MEMORY_ABOUT_PROJECT,
                                                       .project = asked.project,
                                                       .topic = BYTES("")},
                                             .query = asked.text,
                                             .limit = limit};
    return tx_memory_recall(tx, &question, each, ctx);
}
