/* checkpoints.c: checkpoints are added, found and voided. Forks copy them (fork.c). */
#include "engine/session/checkpoints.h"

#include "engine/session/rows.h"
#include "rules/trace/usage.h"
#include "store/mapper.h"

static const char *const makers[] = {
    [CHECKPOINT_AUTO] = "auto", [CHECKPOINT_MANUAL] = "manual", NULL};
static const char *const *const checkpoint_words[] = {makers};

/* The id of a row is the database's. */
#define CHECKPOINT_MAP(X)                                                                          \
    X("message", message, MAP_INT, MAP_INSERT)                                                     \
    X("step", step, MAP_INT, MAP_INSERT)                                                           \
    X("question", question, MAP_INT, MAP_INSERT)                                                   \
    X("void", is_void, MAP_BOOL, MAP_INSERT)                                                       \
    X("tokens_before", tokens_before, MAP_INT, MAP_INSERT)                                         \
    X("tokens_after", tokens_after, MAP_INT, MAP_INSERT)                                           \
    X("made_ms", made_ms, MAP_INT, MAP_INSERT)                                                     \
    X("made_by", made_by, MAP_WORD, MAP_INSERT)                                                    \
    X("method", method, MAP_TEXT, MAP_INSERT)                                                      \
    X("summary", summary, MAP_TEXT, MAP_INSERT)
#define CHECKPOINT_COLUMN(name, member, kind, use)                                                 \
    {name, kind, use, offsetof(struct checkpoint, member)},
static const struct map_column checkpoint_columns[] = {CHECKPOINT_MAP(CHECKPOINT_COLUMN)};
static const struct map checkpoint_map = {
    MAP_OF("checkpoints", checkpoint_columns, "session", struct checkpoint, session),
    .names = checkpoint_words};

struct err tx_checkpoint_add(struct tx *tx, const struct checkpoint *checkpoint) {
    struct checkpoint row = *checkpoint;
    assert(row.summary.len <= CHECKPOINT_SUMMARY_MAX);
    row.made_ms = tx_now_ms(tx);
    map_insert(tx, &checkpoint_map, &row);
    return tx_error(tx);
}

bool tx_checkpoint_find(struct tx *tx, int64_t session, struct checkpoint *ret_checkpoint) {
    AUTO(rows_release)
    struct rows *rows = tx_row(tx,
                               "SELECT session" CHECKPOINT_MAP(
                                   MAP_NAMES) " FROM checkpoints WHERE session = $1 AND void = 0"
                                              " ORDER BY message DESC, id DESC LIMIT 1",
                               ARGS(arg_int(session)));
    if (rows != NULL) {
        *ret_checkpoint = (struct checkpoint){.made_by = CHECKPOINT_MANUAL};
        bool known = map_read(&checkpoint_map, rows, ret_checkpoint);
        (void)known; /* Nothing is decided by the maker. */
        tx_fail(tx, map_copy(tx, &checkpoint_map, ret_checkpoint));
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
