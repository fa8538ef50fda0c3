/* done.c: whether the work may be called done. */
#include "base/json/json.h"
#include "base/utf8.h"
#include "engine/board/must.h"
#include "engine/board/rows.h"

static int64_t outputs_count(struct tx *tx, const struct task *task) {
    return tx_number(tx, "SELECT count(*) FROM task_outputs WHERE attempt = $1",
                     ARGS(arg_text(task->attempt)));
}

struct err tasks__output_check(struct tx *tx, const struct task *task, struct why *why) {
    const int64_t count = outputs_count(tx, task);
    return err_failed(tx_error(tx)) ? tx_error(tx)
           : count > 0
               ? ERR_OK
               : err_why(why, ERR_NO_OUTPUT,
                         "%.*s has no output of this attempt: write one first, as 'drover task "
                         "output' does",
                         (int)task->name.len, task->name.data);
}

static bool words_found(struct tx *tx, const struct task *task, struct bytes words) {
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx, "SELECT content FROM task_outputs WHERE task = $1 ORDER BY id",
                                ARGS(arg_text(task->task)));
    bool found = false;
    while (!found && rows_step(rows)) {
        const struct bytes content = rows_text(rows, 0);
        found = memmem(content.data, content.len, words.data, words.len) != NULL;
    }
    return found;
}

void tasks__rows_check(struct tx *tx, const struct task *task, const json_t *must_haves,
                       struct text *unmet) {
    for (size_t i = 0; i < json_array_size(must_haves); i++) {
        const struct must must = must_read(json_array_get(must_haves, i));
        if (must.kind == MUST_OUTPUT &&
            tx_number(tx, "SELECT count(*) FROM task_outputs WHERE task = $1 AND type = $2",
                      ARGS(arg_text(task->task), arg_text(must.value))) == 0) {
            must_unmet_add(unmet, &must, "no output of the task has this type");
        } else if (must.kind == MUST_TEXT && !words_found(tx, task, must.value)) {
            must_unmet_add(unmet, &must, "no output of the task has these words");
        }
    }
}

/* The number of them, and as much of the first as there is room for. */
static struct err unmet_tell(const struct text *unmet, struct why *why) {
    enum { FIRST_MAX = 400 };
    AUTO(json_release) json_t *list = NULL;
    TRY(json_parse_wrapped(text_bytes(unmet), &list, NULL));
    const size_t count = json_array_size(list);
    const struct bytes first = json_text(json_array_get(list, 0));
    const size_t len = utf8_cut(first, FIRST_MAX);
    return err_why(why, ERR_MUST_HAVE, "not met: %.*s%s%s", (int)len, first.data,
                   len < first.len ? " …" : "", count > 1 ? " (and others: see \"unmet\")" : "");
}

struct err tasks__must_check(struct tx *tx, const struct task *task, const struct task_move *move,
                             struct why *why) {
    AUTO(json_release) json_t *list = NULL;
    AUTO(text_done) struct text own = text_up_to(MUST_UNMET_MAX);
    struct text *unmet = move->unmet == NULL ? &own : move->unmet;
    const struct task_checked *checked = move->checked;
    const struct err err = json_parse_wrapped(task->must_haves, &list, NULL);
    if (!err_failed(err) && must_has(task->must_haves, MUST_OUTSIDE) &&
        !(checked != NULL && bytes_equal(checked->attempt, task->attempt) &&
          bytes_equal(checked->must_haves, task->must_haves))) {
        return err_why(why, ERR_CONFLICT,
                       "%.*s was changed while its must-haves were checked: move it again",
                       (int)task->name.len, task->name.data);
    }
    AUTO(text_done) struct text items = text_up_to(MUST_UNMET_MAX);
    if (checked != NULL) { /* The check has looked at the rows as well. */
        text_add(&items, checked->unmet.data, checked->unmet.len);
    } else {
        tasks__rows_check(tx, task, list, &items);
    }
    if (err_failed(err) || err_failed(tx_error(tx))) {
        return err_failed(err) ? err : tx_error(tx);
    }
    text_clear(unmet);
    if (items.len == 0 && !text_failed(&items)) {
        return ERR_OK;
    }
    text_add_char(unmet, '[');
    text_add(unmet, text_bytes(&items).data, text_bytes(&items).len);
    text_add_char(unmet, ']');
    return text_failed(&items) || text_failed(unmet) ? text_error(unmet, "tasks: must-haves")
                                                     : unmet_tell(unmet, why);
}
