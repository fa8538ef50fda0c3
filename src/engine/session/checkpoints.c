/* checkpoints.c: checkpoints are added, found, copied and voided. */
#include "engine/session/checkpoints.h"

static const char *const makers[] = {[CHECKPOINT_AUTO] = "auto", [CHECKPOINT_MANUAL] = "manual"};

struct err tx_checkpoint_add(struct tx *tx, const struct checkpoint *checkpoint) {
    assert(checkpoint->summary.len <= CHECKPOINT_SUMMARY_MAX);
    tx_do(tx,
          "INSERT INTO checkpoints (session, message, step, question, void, tokens_before,"
          " tokens_after, made_ms, made_by, method, summary)"
          " VALUES ($1, $2, $3, $4, 0, $5, $6, $7, $8, $9, $10)",
          ARGS(arg_int(checkpoint->session), arg_int(checkpoint->message),
               arg_int(checkpoint->step), arg_int(checkpoint->question),
               arg_int(checkpoint->tokens_before), arg_int(checkpoint->tokens_after),
               arg_int(tx_now_ms(tx)), arg_str(makers[checkpoint->made_by]),
               arg_text(checkpoint->method), arg_text(checkpoint->summary)));
    return tx_error(tx);
}

struct err tx_checkpoint_find(struct tx *tx, int64_t session, bool *ret_found,
                              struct checkpoint *ret_checkpoint) {
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx,
               "SELECT message, step, question, tokens_before, tokens_after, made_by, method,"
               " summary FROM checkpoints WHERE session = $1 AND void = 0"
               " ORDER BY message DESC, id DESC LIMIT 1",
               ARGS(arg_int(session)));
    *ret_found = rows != NULL;
    if (rows != NULL) {
        bool by_itself = bytes_is(rows_text(rows, 5), makers[CHECKPOINT_AUTO]);
        *ret_checkpoint =
            (struct checkpoint){.session = session,
                                .message = rows_int(rows, 0),
                                .step = rows_int(rows, 1),
                                .question = rows_int(rows, 2),
                                .tokens_before = rows_int(rows, 3),
                                .tokens_after = rows_int(rows, 4),
                                .made_by = by_itself ? CHECKPOINT_AUTO : CHECKPOINT_MANUAL,
                                .method = rows_copy(rows, 6),
                                .summary = rows_copy(rows, 7)};
    }
    return tx_error(tx);
}

struct err tx_checkpoint_find_before(struct tx *tx, const struct checkpoint_before *before,
                                     struct checkpoint_before *ret_before) {
    struct checkpoint_before found = {.session = before->session, .until = before->until};
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx,
               "SELECT c.id, c.message, c.question FROM checkpoints c"
               " JOIN messages m ON m.id = c.message WHERE c.session = $1 AND c.void = 0"
               " AND c.message <= $2 AND m.status <> 'running'"
               " ORDER BY c.message DESC, c.id DESC LIMIT 1",
               ARGS(arg_int(before->session), arg_int(before->until)));
    if (rows != NULL) {
        found.id = rows_int(rows, 0);
        found.message = rows_int(rows, 1);
        found.question = rows_int(rows, 2);
    }
    *ret_before = found;
    return tx_error(tx);
}

struct err tx_checkpoint_copy(struct tx *tx, const struct checkpoint_copy *copy) {
    tx_do(tx,
          "INSERT INTO checkpoints (session, message, step, question, void, tokens_before,"
          " tokens_after, made_ms, made_by, method, summary) SELECT $2, $3, step, $4, 0,"
          " tokens_before, tokens_after, made_ms, made_by, method, summary FROM checkpoints"
          " WHERE id = $1 AND void = 0",
          ARGS(arg_int(copy->id), arg_int(copy->session), arg_int(copy->message),
               arg_int(copy->question)));
    return tx_error(tx);
}

struct err tx_checkpoint_void_from(struct tx *tx, const struct checkpoint_void *what) {
    tx_do(tx,
          "UPDATE checkpoints SET void = 1"
          " WHERE session = $1 AND void = 0 AND message >= $2",
          ARGS(arg_int(what->session), arg_int(what->message)));
    return tx_error(tx);
}
