/* checkpoints.c: checkpoints are added, found, copied and voided. */
#include "engine/session/checkpoints.h"

#include <string.h>

#include "engine/session/rows.h"

static const char *const makers[] = {[CHECKPOINT_AUTO] = "auto", [CHECKPOINT_MANUAL] = "manual"};

struct err tx_checkpoint_add(struct tx *tx, const struct checkpoint *checkpoint) {
    static const char sql[] =
        "INSERT INTO checkpoints (session, message, step, question, void, tokens_before, "
        "tokens_after,"
        " made_ms, made_by, method, summary) VALUES ($1, $2, $3, $4, 0, $5, $6, $7, $8, $9, $10)";
    assert(checkpoint->summary.len <= CHECKPOINT_SUMMARY_MAX);
    const char *maker = makers[checkpoint->made_by];
    const struct arg args[] = {
        arg_int(checkpoint->session),
        arg_int(checkpoint->message),
        arg_int(checkpoint->step),
        arg_int(checkpoint->question),
        arg_int(checkpoint->tokens_before),
        arg_int(checkpoint->tokens_after),
        arg_int(tx_now_ms(tx)),
        arg_text(bytes_of(maker)),
        arg_text(checkpoint->method),
        arg_text(checkpoint->summary),
    };
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
}

static enum checkpoint_maker maker_of(struct bytes name) {
    const char *word = makers[CHECKPOINT_AUTO];
    bool by_itself = name.len == strlen(word) && memcmp(name.data, word, name.len) == 0;
    return by_itself ? CHECKPOINT_AUTO : CHECKPOINT_MANUAL;
}

struct err tx_checkpoint_find(struct tx *tx, int64_t session, bool *ret_found,
                              struct checkpoint *ret_checkpoint) {
    static const char sql[] =
        "SELECT message, step, question, tokens_before, tokens_after, made_by, method, summary"
        " FROM checkpoints WHERE session = $1 AND void = 0 ORDER BY message DESC, id DESC LIMIT 1";
    const struct arg args[] = {arg_int(session)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    bool found = !err_failed(err) && rows != NULL;
    if (found) {
        struct checkpoint row = {.session = session,
                                 .message = rows_int(rows, 0),
                                 .step = rows_int(rows, 1),
                                 .question = rows_int(rows, 2),
                                 .tokens_before = rows_int(rows, 3),
                                 .tokens_after = rows_int(rows, 4),
                                 .made_by = maker_of(rows_text(rows, 5)),
                                 .method = rows_text(rows, 6),
                                 .summary = rows_text(rows, 7)};
        struct bytes *const texts[] = {&row.method, &row.summary};
        err = sessions__keep(tx, texts, COUNT_OF(texts));
        if (!err_failed(err)) {
            *ret_checkpoint = row;
        }
    }
    if (!err_failed(err)) {
        *ret_found = found;
    }
    return err;
}

struct err tx_checkpoint_find_before(struct tx *tx, const struct checkpoint_before *before,
                                     struct checkpoint_before *ret_before) {
    static const char sql[] =
        "SELECT c.id, c.message, c.question FROM checkpoints c JOIN messages m ON m.id = c.message"
        " WHERE c.session = $1 AND c.void = 0 AND c.message <= $2 AND m.status <> 'running'"
        " ORDER BY c.message DESC, c.id DESC LIMIT 1";
    const struct arg args[] = {arg_int(before->session), arg_int(before->until)};
    struct checkpoint_before found = {.session = before->session, .until = before->until};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (!err_failed(err) && rows != NULL) {
        found.id = rows_int(rows, 0);
        found.message = rows_int(rows, 1);
        found.question = rows_int(rows, 2);
    }
    if (!err_failed(err)) {
        *ret_before = found;
    }
    return err;
}

struct err tx_checkpoint_copy(struct tx *tx, const struct checkpoint_copy *copy) {
    static const char sql[] =
        "INSERT INTO checkpoints (session, message, step, question, void, tokens_before,"
        " tokens_after, made_ms, made_by, method, summary) SELECT $2, $3, step, $4, 0,"
        " tokens_before, tokens_after, made_ms, made_by, method, summary FROM checkpoints"
        " WHERE id = $1 AND void = 0";
    const struct arg args[] = {arg_int(copy->id), arg_int(copy->session), arg_int(copy->message),
                               arg_int(copy->question)};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, or none */);
}

struct err tx_checkpoint_void_from(struct tx *tx, const struct checkpoint_void *what) {
    static const char sql[] = "UPDATE checkpoints SET void = 1"
                              " WHERE session = $1 AND void = 0 AND message >= $2";
    const struct arg args[] = {arg_int(what->session), arg_int(what->message)};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* as many as there are */);
}
