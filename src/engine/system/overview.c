/* overview.c: see overview.h. Each statement has an index, and no more rows than its bound. */
#include "engine/system/overview.h"

#include "engine/base/follow.h"
#include "engine/system/waiting.h"
#include "rules/run/run.h"

/* --- Lists ------------------------------------------------------------------------------------ */

enum { LIST_COLUMNS_MAX = 8, DAY_MS = 24 * 3600 * 1000 };

/* Members of the objects, by column; those of `numbers` are integers. */
struct list {
    const char *name, *sql; /* $1: owner, $2: limit. */
    const char *columns[LIST_COLUMNS_MAX];
    unsigned numbers; /* Bits by column. */
};

static void list_add(struct tx *tx, const struct list *list, struct bytes owner, int64_t limit,
                     struct text *text) {
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx, list->sql, ARGS(arg_text(owner), arg_int(limit)));
    text_add_name(text, list->name);
    text_add_char(text, '[');
    for (const char *before = "{"; rows_step(rows); before = ",{") {
        text_add_str(text, before);
        for (int i = 0; i < LIST_COLUMNS_MAX && list->columns[i] != NULL; i++) {
            if ((list->numbers & 1U << i) != 0) {
                text_add_member_int(text, list->columns[i], rows_int(rows, i));
            } else {
                text_add_member_or_null(text, list->columns[i], rows_text(rows, i));
            }
            enum run_cause cause;
            if (strcmp(list->columns[i], "cause") == 0 &&
                run_cause_find(rows_text(rows, i), &cause)) {
                text_add_member_or_null(text, "about", bytes_of(run_cause_about(cause)));
            }
        }
        text_add_char(text, '}');
    }
    text_add_char(text, ']');
}

#define UNSEEN                                                                                     \
    " FROM runs WHERE owner = $1 AND seen_seq = 0 AND ended_ms IS NOT NULL AND parent = 0"         \
    " AND session = '' ORDER BY id DESC LIMIT $2"
static const struct list ended = {"ended",
                                  "SELECT u.run, u.kind, u.label, u.state, u.cause, u.ended_ms,"
                                  " COALESCE(e.head, 1) FROM (SELECT id, run, kind, label, state,"
                                  " cause, ended_ms" UNSEEN ") u LEFT JOIN streams e"
                                  " ON e.owner = $1 AND e.name = 'run:' || u.run"
                                  " ORDER BY u.id DESC",
                                  {"id", "kind", "label", "state", "cause", "ended_ms", "seq"},
                                  1U << 5 | 1U << 6};
/* A session is news by its last message, which an answer is that has ended. */
static const struct list sessions = {
    "sessions",
    "SELECT n.session, n.title, n.status, n.changed_ms, n.head FROM ("
    "SELECT s.id, s.session, s.title, s.changed_ms, e.head, (SELECT m.status FROM messages m"
    " WHERE m.session = s.id ORDER BY m.id DESC LIMIT 1) AS status FROM (SELECT id, session, title,"
    " changed_ms, state, seen_seq FROM sessions WHERE owner = $1 AND parent = 0"
    " AND archived_ms IS NULL AND hidden = 0 ORDER BY changed_ms DESC, id DESC LIMIT 100) s"
    " JOIN streams e ON e.owner = $1 AND e.name = 'session:' || s.session"
    " WHERE s.state = 'idle' AND e.head > s.seen_seq) n"
    " WHERE n.status IN ('completed', 'failed', 'interrupted')"
    " ORDER BY n.changed_ms DESC, n.id DESC LIMIT $2",
    {"id", "title", "status", "changed_ms", "seq"},
    1U << 3 | 1U << 4};
static_assert(OVERVIEW_SESSIONS == 100, "as in the statement");

/* --- Counts ----------------------------------------------------------------------------------- */

/* {KIND: {STATE: n}} of rows (kind, state, count) in the order of kinds. */
static void live_add(struct tx *tx, struct bytes owner, struct text *text) {
    struct bytes kind = BYTES("");
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx,
                "SELECT kind, state, count(*) FROM (SELECT kind, state FROM runs"
                " WHERE ended_ms IS NULL AND owner || '' = $1 AND parent = 0 ORDER BY id LIMIT $2)"
                " live GROUP BY kind, state ORDER BY kind, state",
                ARGS(arg_text(owner), arg_int(OVERVIEW_COUNT_MAX)));
    text_add_str(text, "\"runs\":{");
    while (rows_step(rows)) {
        const bool first = kind.len == 0;
        if (!bytes_equal(rows_text(rows, 0), kind)) {
            kind = rows_copy(rows, 0);
            text_add_str(text, first ? "\"" : "},\"");
            text_add_json_piece(text, kind);
            text_add_str(text, "\":{");
        } else {
            text_add_char(text, ',');
        }
        text_add_char(text, '"');
        text_add_json_piece(text, rows_text(rows, 1));
        text_addf(text, "\":%lld", (long long)rows_int(rows, 2));
    }
    text_add_str(text, kind.len == 0 ? "}" : "}}");
}

/* {"NAME":COUNT, …}, of rows with a name and a count. */
static void counts_add(struct rows *rows, struct text *text) {
    text_add_char(text, '{');
    for (const char *before = "\""; rows_step(rows); before = ",\"") {
        text_add_str(text, before);
        text_add_json_piece(text, rows_text(rows, 0));
        text_addf(text, "\":%lld", (long long)rows_int(rows, 1));
    }
    text_add_char(text, '}');
}

static void unseen_count(struct tx *tx, struct bytes owner, struct text *text) {
    AUTO(rows_release)
    struct rows *rows = tx_rows(
        tx, "SELECT state, count(*) FROM (SELECT state" UNSEEN ") u GROUP BY state ORDER BY state",
        ARGS(arg_text(owner), arg_int(OVERVIEW_COUNT_MAX)));
    text_add_str(text, "\"runs\":");
    counts_add(rows, text);
}

#define SUM(column) "CAST(COALESCE(sum(" column "), 0) AS BIGINT)"

/* Members of the rows of one statement. */
static void sums_add(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                     const char *const *names, struct text *text) {
    AUTO(rows_release) struct rows *rows = tx_row(tx, sql, args, count);
    for (int i = 0; rows != NULL && names[i] != NULL; i++) {
        text_add_member_int(text, names[i], rows_int(rows, i));
    }
}

/* The day of UTC, as usage is counted. */
static void today_add(struct tx *tx, struct bytes owner, struct text *text) {
    static const char *const spent[] = {"calls",       "output",       "tokens",
                                        "cost_micros", "cost_unknown", NULL};
    static const char *const held[] = {"reserved_tokens", "reserved_cost_micros", NULL};
    text_add_str(text, ",\"today\":{");
    sums_add(
        tx,
        "SELECT " SUM("calls") ", " SUM("output") ", " SUM(
            "fresh + cache_read + cache_write "
            "+ output") ", " SUM("cost_micros") ", " SUM("cost_unknown") " FROM usage_totals WHERE "
                                                                         "owner = $1 AND "
                                                                         "day = $2 AND tool = ''",
        ARGS(arg_text(owner), arg_int(tx_now_ms(tx) / DAY_MS)), spent, text);
    sums_add(tx,
             "SELECT " SUM("tokens_held") ", " SUM(
                 "cost_micros_held") " FROM runs"
                                     " WHERE owner = $1 AND charged = 1 AND ended_ms IS NULL",
             ARGS(arg_text(owner)), held, text);
    text_add_char(text, '}');
}

struct err tx_overview(struct tx *tx, struct bytes owner, struct text *text) {
    text_add_char(text, '{');
    live_add(tx, owner, text);
    text_add_str(text, ",\"waiting\":");
    TRY(tx_waiting(tx, owner, OVERVIEW_WAITING, text));
    text_add_str(text, ",\"unseen\":{");
    unseen_count(tx, owner, text);
    list_add(tx, &ended, owner, OVERVIEW_ITEMS, text);
    list_add(tx, &sessions, owner, OVERVIEW_ITEMS, text);
    text_add_char(text, '}');
    today_add(tx, owner, text);
    text_add_char(text, '}');
    return tx_error(tx);
}

static struct err snapshot_write(struct tx *tx, const struct snapshot_of *of, bool *ret_found,
                                 struct text *text) {
    *ret_found = bytes_equal(of->owner, of->id);
    return *ret_found ? tx_overview(tx, of->owner, text) : ERR_OK;
}

const struct snapshot_kind owner_snapshot = {.prefix = BYTES_INIT("owner:"),
                                             .write = snapshot_write};

/* --- Seen ------------------------------------------------------------------------------------- */

static void seen_tell(struct tx *tx, const struct seen *seen) {
    AUTO(text_done) struct text data = text_up_to(EVENT_DATA_MAX);
    const bool run = seen->run.len > 0;
    text_add_char(&data, '{');
    text_add_member(&data, run ? "run" : "session", run ? seen->run : seen->session);
    text_add_member_int(&data, "seq", seen->seq);
    text_add_char(&data, '}');
    follow_tell(tx, &(struct follow){.name = "seen", .owner = seen->owner}, &data);
}

/* Nobody has seen more than there is: what comes later is news. An ended run whose stream is gone,
 * or that has none, counts as one event. */
#define HEAD(prefix, name)                                                                         \
    "COALESCE((SELECT head FROM streams e WHERE e.owner = $2 AND e.name = '" prefix "' || " name   \
    "), 1)"

struct err tx_seen(struct tx *tx, const struct seen *seen, int64_t *ret_seq) {
    const bool run = seen->run.len > 0;
    enum { ID, SEEN, KEPT, HEAD_SEQ, NUMBERS };
    int64_t of[NUMBERS];
    const bool found = tx_numbers(
        tx,
        run ? "SELECT id, seen_seq, CASE WHEN ended_ms IS NULL THEN 0 ELSE 1 END, " HEAD(
                  "run:", "run") " FROM runs WHERE run = $1 AND owner = $2"
            : "SELECT id, seen_seq, 1, " HEAD(
                  "session:",
                  "session") " FROM sessions WHERE session = $1 AND owner = $2 AND hidden = 0",
        ARGS(arg_text(run ? seen->run : seen->session), arg_text(seen->owner)), of, NUMBERS);
    if (!found) {
        return err_failed(tx_error(tx)) ? tx_error(tx) : err_make(ERR_NOT_FOUND, "seen: row");
    }
    *ret_seq = of[SEEN];
    const struct seen now = {.owner = seen->owner,
                             .run = seen->run,
                             .session = seen->session,
                             .seq = seen->seq < of[HEAD_SEQ] ? seen->seq : of[HEAD_SEQ]};
    if (of[KEPT] != 0 && now.seq > of[SEEN]) {
        tx_do(tx,
              run ? "UPDATE runs SET seen_seq = $2 WHERE id = $1"
                  : "UPDATE sessions SET seen_seq = $2 WHERE id = $1",
              ARGS(arg_int(of[ID]), arg_int(now.seq)));
        *ret_seq = now.seq;
        seen_tell(tx, &now);
    }
    return tx_error(tx);
}
