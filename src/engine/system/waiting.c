/* waiting.c: see waiting.h. Each statement has an index, the same columns, and the order of the
 * time since which its rows wait: the list merges them. */
#include "engine/system/waiting.h"

#include "base/json/json.h"
#include "rules/board/board.h"
#include "rules/run/run.h"

enum {
    KIND,
    ID,
    PROJECT,
    NAME,
    TEXT,
    ABOUT,
    BY,
    RUN,
    SESSION,
    SINCE_MS,
    UNTIL_MS,
    SEQ,
    RUNS,
    COLUMNS,
    BOARD = COLUMNS, /* Tasks have these, too: settings of their board, and who judges. */
    REVIEW_RUN,
    REJECTIONS,
};
static const char *const columns[COLUMNS] = {"kind",     "id",  "project", "name",    "text",
                                             "about",    "by",  "run",     "session", "since_ms",
                                             "until_ms", "seq", "runs"};

/* $1: owner, $2: most rows. Texts are cut, as one line shows them. `||` keeps both databases from
 * the index by owner, in which rows stand that do not wait, too. */
static const char asks[] =
    "SELECT 'ask', a.approval, COALESCE(NULLIF(s.project, ''), r.project), a.step,"
    " substr(a.shown, 1, 240), a.kind, r.agent, r.run, COALESCE(s.session, ''), a.asked_ms, 0, 0, 0"
    " FROM approvals a JOIN runs r ON r.id = a.run LEFT JOIN sessions s ON s.id = a.session"
    " WHERE a.owner = $1 AND a.answered_ms IS NULL AND COALESCE(s.hidden, 0) = 0"
    " ORDER BY a.id LIMIT $2";
static const char tasks[] =
    "SELECT CASE WHEN t.status = 'review' THEN 'review' WHEN t.status = 'failed' THEN 'task_failed'"
    " WHEN t.plan_state = 'waiting' THEN 'plan' WHEN t.question <> '' THEN 'question'"
    " ELSE 'stopped' END, t.task, t.project, t.name, t.title,"
    " substr(CASE WHEN t.status = 'blocked' AND t.question <> '' THEN t.question"
    " WHEN t.detail <> '' THEN t.detail ELSE t.reason END, 1, 240), t.agent, t.run, t.session,"
    " t.changed_ms, 0, 0, 0, p.board, t.review_run, t.rejections FROM tasks t"
    " LEFT JOIN projects p ON p.owner = t.owner AND p.name = t.project WHERE t.owner = $1"
    " AND t.status IN ('review', 'blocked', 'failed') AND t.archived = 0"
    " ORDER BY t.changed_ms, t.id LIMIT $2";
static const char mail[] =
    "SELECT 'mail', mail, project, title, '', '', sender, '', from_session, made_ms, 0, 0, 0"
    " FROM mail WHERE owner = $1 AND status = 'pending' AND session = '' ORDER BY id LIMIT $2";
static const char deliveries[] =
    "SELECT 'delivery', i.delivery, COALESCE(r.project, ''),"
    " CASE WHEN i.address = '' THEN i.receiver ELSE i.address END, '', i.cause, i.state, i.run, '',"
    " i.made_ms, 0, 0, 0 FROM inbox i LEFT JOIN runs r ON r.run = i.run WHERE i.owner = $1"
    " AND i.settled_ms IS NULL AND i.state IN ('held', 'stalled') ORDER BY i.id LIMIT $2";
static const char budgets[] =
    "SELECT 'budget', b.scope, CASE WHEN b.scope LIKE 'project:%' THEN substr(b.scope, 9)"
    " ELSE '' END, b.scope, '', '', '', '', '', w.made_ms, 0, 0, w.runs FROM ("
    "SELECT lane / 8 AS budget, count(*) AS runs, min(made_ms) AS made_ms FROM (SELECT lane, "
    "made_ms"
    " FROM runs WHERE lane <> 0 AND ended_ms IS NULL AND owner || '' = $1"
    " ORDER BY lane, priority DESC, id LIMIT 10000) r GROUP BY lane / 8) w"
    " JOIN budgets b ON b.id = w.budget ORDER BY w.made_ms, b.id LIMIT $2";
/* A pause that is over sooner is none that a person would end. */
static const char agents[] =
    "SELECT 'agent', agent, '', agent, '', replace(outcome, '_', ' '), '', '', '', changed_ms, "
    "until_ms, 0, 0"
    " FROM agent_cools WHERE $1 <> '' AND until_ms > $3 AND until_ms - changed_ms >= 60000"
    " ORDER BY changed_ms, agent LIMIT $2";
/* The newest ones that nobody has seen. */
static const char runs[] =
    "SELECT 'run_failed', u.run, u.project, CASE WHEN u.label <> '' THEN u.label ELSE u.command"
    " END, u.cause, substr(u.note, 1, 240), u.kind, u.run, '', u.ended_ms, 0, COALESCE(e.head, 1), "
    "0"
    " FROM (SELECT run, kind, label, command, state, cause, note, project, ended_ms FROM runs"
    " WHERE owner = $1 AND seen_seq = 0 AND ended_ms IS NOT NULL AND parent = 0 AND session = ''"
    " ORDER BY id DESC LIMIT $2) u LEFT JOIN streams e ON e.owner = $1 AND e.name = 'run:' || u.run"
    " WHERE u.state IN ('failed', 'timed_out', 'lost') ORDER BY u.ended_ms, u.run";
/* Sessions as overview.c finds them, whose last answer failed. */
static const char sessions[] =
    "SELECT 'session_failed', n.session, n.project, n.title, '', '', n.agent, '', n.session,"
    " n.changed_ms, 0, n.head, 0 FROM (SELECT s.id, s.session, s.project, s.title, s.agent,"
    " s.changed_ms, e.head, (SELECT m.status FROM messages m WHERE m.session = s.id"
    " ORDER BY m.id DESC LIMIT 1) AS status FROM (SELECT id, session, project, title, agent,"
    " changed_ms, state, seen_seq FROM sessions WHERE owner = $1 AND parent = 0"
    " AND archived_ms IS NULL AND hidden = 0 ORDER BY changed_ms DESC, id DESC LIMIT 100) s"
    " JOIN streams e ON e.owner = $1 AND e.name = 'session:' || s.session"
    " WHERE s.state = 'idle' AND e.head > s.seen_seq) n WHERE n.status = 'failed'"
    " ORDER BY n.changed_ms, n.id LIMIT $2";
static const char *const lists[] = {asks, tasks, mail, deliveries, budgets, agents, runs, sessions};
static const char *const waiting_kinds[] = {
    "ask",      "question", "plan",  "review",      "stopped",    "mail",
    "delivery", "budget",   "agent", "task_failed", "run_failed", "session_failed"};

/* A cause of a run, or a reason of the daemon on a board, as the sentence that it stands for. */
static struct bytes said(const struct rows *row, int column) {
    const struct bytes word = rows_text(row, column), kind = rows_text(row, KIND);
    const bool of_run = column == TEXT ? bytes_is(kind, "run_failed")
                                       : column == ABOUT && bytes_is(kind, "delivery");
    const bool of_task = column == ABOUT && bytes_is(kind, "task_failed");
    enum run_cause cause;
    unsigned reason = 0;
    return of_run && run_cause_find(word, &cause) ? bytes_of(run_cause_about(cause))
           : of_task && bytes_find(word, board_reason_names, &reason)
               ? bytes_of(board_reason_abouts[reason])
               : word;
}

/* Numbers are those from SINCE_MS on; 0: none, but for the time. */
static void row_add(const struct rows *row, struct text *text) {
    text_add_char(text, '{');
    for (int i = 0; i < SINCE_MS; i++) {
        text_add_member_or_null(text, columns[i], said(row, i));
    }
    for (int i = SINCE_MS; i < COLUMNS; i++) {
        text_add_member_int_or_null(text, columns[i], rows_int(row, i),
                                    i == SINCE_MS || rows_int(row, i) != 0);
    }
    text_add_char(text, '}');
}

/* --- Who judges ------------------------------------------------------------------------------- */

/* Whether the row is about a result that an agent judges, or will. */
static bool is_for_agent(const struct rows *row) {
    AUTO(json_release) json_t *board = NULL;
    if (!bytes_is(rows_text(row, KIND), "review") ||
        err_failed(json_parse_wrapped(rows_text(row, BOARD), &board, NULL))) {
        return false;
    }
    const struct board_result result = {.agent = rows_text(row, BY),
                                        .review_run = rows_text(row, REVIEW_RUN),
                                        .rejections = rows_int(row, REJECTIONS)};
    return !board_person_judges(&result, json_bytes(board, "reviewer"));
}

/* --- The list --------------------------------------------------------------------------------- */

struct desk {
    struct rows *lists[COUNT_OF(lists)]; /* Each at a row that is due; NULL: it has ended. */
    int64_t read[COUNT_OF(lists)];
    int64_t counts[COUNT_OF(waiting_kinds)];
    int64_t count;
    bool more;
};

static void desk_done(struct desk *desk) {
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        rows_release(&desk->lists[i]);
    }
}

static void list_step(struct desk *desk, size_t at) {
    struct rows *const rows = desk->lists[at];
    while (rows_step(rows)) {
        desk->more = desk->more || ++desk->read[at] == WAITING_MAX;
        if (lists[at] != tasks || !is_for_agent(rows)) {
            return;
        }
    }
    rows_release(&desk->lists[at]);
}

/* The list whose row waits longest; COUNT_OF(lists): all have ended. */
static size_t list_next(const struct desk *desk) {
    size_t next = COUNT_OF(lists);
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        if (desk->lists[i] != NULL &&
            (next == COUNT_OF(lists) ||
             rows_int(desk->lists[i], SINCE_MS) < rows_int(desk->lists[next], SINCE_MS))) {
            next = i;
        }
    }
    return next;
}

static void row_count(struct desk *desk, struct bytes kind) {
    unsigned at = 0;
    desk->count++;
    if (bytes_find(kind, waiting_kinds, &at)) {
        desk->counts[at]++;
    }
}

struct err tx_waiting(struct tx *tx, struct bytes owner, int64_t limit, struct text *text) {
    AUTO(desk_done) struct desk desk = {.count = 0};
    const struct arg args[] = {arg_text(owner), arg_int(WAITING_MAX), arg_int(tx_now_ms(tx))};
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        desk.lists[i] = tx_rows(tx, lists[i], args, lists[i] == agents ? 3 : 2);
        list_step(&desk, i);
    }
    text_add_str(text, "{\"items\":[");
    for (size_t at; (at = list_next(&desk)) < COUNT_OF(lists); list_step(&desk, at)) {
        row_count(&desk, rows_text(desk.lists[at], KIND));
        if (desk.count <= limit) {
            text_add_str(text, desk.count > 1 ? "," : "");
            row_add(desk.lists[at], text);
        }
    }
    text_add_char(text, ']');
    text_add_member_int(text, "count", desk.count);
    text_add_member_bool(text, "more", desk.more || desk.count > limit);
    text_add_str(text, ",\"kinds\":{");
    for (size_t i = 0, added = 0; i < COUNT_OF(waiting_kinds); i++) {
        if (desk.counts[i] > 0) {
            text_addf(text, "%s\"%s\":%lld", added++ > 0 ? "," : "", waiting_kinds[i],
                      (long long)desk.counts[i]);
        }
    }
    text_add_str(text, "}}");
    return tx_error(tx);
}
