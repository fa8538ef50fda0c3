/* checkpoints.c: checkpoints are added, found and voided. Forks copy them (fork.c). */
#include "engine/session/checkpoints.h"

#include "engine/base/resource.h"
#include "engine/session/rows.h"
#include "rules/trace/usage.h"

static const char *const makers[] = {
    [CHECKPOINT_AUTO] = "auto", [CHECKPOINT_MANUAL] = "manual", NULL};

#define AT(member) offsetof(struct checkpoint, member)
/* The id of a row is the database's. */
static const struct field checkpoint_rows[] = {
    {ROW_ONCE("session", FIELD_INT, AT(session))},
    {ROW_ONCE("message", FIELD_INT, AT(message))},
    {ROW_ONCE("step", FIELD_INT, AT(step))},
    {ROW_ONCE("question", FIELD_INT, AT(question))},
    {ROW_ONCE("void", FIELD_BOOL, AT(is_void))},
    {ROW_ONCE("tokens_before", FIELD_INT, AT(tokens_before))},
    {ROW_ONCE("tokens_after", FIELD_INT, AT(tokens_after))},
    {ROW_ONCE("made_ms", FIELD_INT, AT(made_ms))},
    {ROW_ONCE("made_by", FIELD_NAME, AT(made_by)), .names = makers},
    {ROW_ONCE("method", FIELD_TEXT, AT(method))},
    {ROW_ONCE("summary", FIELD_TEXT, AT(summary))},
};
const struct resource checkpoint_resource = {
    .table = "checkpoints",
    .of_daemon = true,
    .fields = {FIELD_ROWS(checkpoint_rows), .use = FIELD_KEPT},
    .size = sizeof(struct checkpoint)};

struct err tx_checkpoint_add(struct tx *tx, const struct checkpoint *checkpoint) {
    struct checkpoint row = *checkpoint;
    assert(row.summary.len <= CHECKPOINT_SUMMARY_MAX);
    row.made_ms = tx_now_ms(tx);
    tx_row_insert(tx, &checkpoint_resource, 0, &row);
    return tx_error(tx);
}

bool tx_checkpoint_find(struct tx *tx, int64_t session, struct checkpoint *ret_checkpoint) {
    static const char sql[] = "SELECT * FROM checkpoints WHERE session = $1 AND void = 0"
                              " ORDER BY message DESC, id DESC LIMIT 1";
    AUTO(rows_release)
    struct rows *rows = tx_row(tx, tx_resource_sql(tx, &checkpoint_resource, RESOURCE_WHOLE, sql),
                               ARGS(arg_int(session)));
    if (rows != NULL) {
        *ret_checkpoint = (struct checkpoint){.made_by = CHECKPOINT_MANUAL};
        bool known = resource_row_fill(&checkpoint_resource, RESOURCE_WHOLE, rows, ret_checkpoint);
        (void)known; /* Nothing is decided by the maker. */
        tx_resource_copy(tx, &checkpoint_resource, ret_checkpoint);
    }
    return rows != NULL && !err_failed(tx_error(tx));
}

void tx_checkpoint_void_from(struct tx *tx, const struct session_row *session, int64_t message) {
    tx_do(tx, "UPDATE checkpoints SET void = 1 WHERE session = $1 AND void = 0 AND message >= $2",
          ARGS(arg_int(session->id), arg_int(message)));
}

/* Messages are chosen as those of a prompt (engine/turn/prompt.c). */
void sessions__weigh_context(struct tx *tx, struct session_row *row) {
    static const char sql[] =
        "SELECT CAST(COALESCE(sum(p.bytes + p.data_bytes), 0) AS BIGINT) FROM messages m"
        " JOIN parts p ON p.message = m.id WHERE m.session = $1 AND m.active = 1"
        " AND m.status IN ('completed', 'interrupted', 'failed', 'running')"
        " AND m.role <> 'system' AND NOT (m.role = 'user' AND m.status = 'interrupted')"
        " AND (m.id > $2 OR m.id = $3 OR (m.id = $2 AND p.step > $4))";
    struct checkpoint checkpoint = {.step = 0};
    const bool folded = tx_checkpoint_find(tx, row->id, &checkpoint);
    const int64_t step = folded && checkpoint.step > 0 ? checkpoint.step : INT64_MAX;
    const int64_t bytes = tx_number(tx, sql,
                                    ARGS(arg_int(row->id), arg_int(checkpoint.message),
                                         arg_int(checkpoint.question), arg_int(step))) +
                          (int64_t)checkpoint.summary.len;
    const struct session_context context = {.used = (bytes + USAGE_BYTES_PER_TOKEN - 1) /
                                                    USAGE_BYTES_PER_TOKEN,
                                            .window = row->context_window};
    sessions__set_context(tx, &context, row);
}
