/* test_damage.c: the search for damaged rows: its limits, and the columns that it judges. */
/* runs-with: sqlite, postgres */
#include "runs_kit.h"

#include "engine/base/ids.h"
#include "engine/system/damage.h"

enum { EVENTS = 3 * DAMAGE_NEWEST_ROWS, TABLES_MAX = 57, LONG_ROW = 65536, LONG_ROWS = 100 };
enum { STATEMENTS = 2000, STATEMENT_MAX = 1024 };

struct search {
    enum damage_scope scope;
    struct damage_cursor at, next;
    struct damage_page page;
    int64_t pages, found, bytes_max;
    const char *table, *column; /* Of the damage that was found last. */
    char remove[STATEMENT_MAX];
};

static void count_damage(void *ctx, const struct damage *damage) {
    struct search *search = ctx;
    search->table = damage->table;
    search->column = damage->column;
    (void)snprintf(search->remove, sizeof search->remove, "%.*s", (int)damage->remove.len,
                   damage->remove.data);
    search->found++;
}

static struct err page_tx(struct tx *tx, void *ctx) {
    struct search *search = ctx;
    search->next = search->at;
    return tx_damage_page(tx, search->scope, &search->next, count_damage, search, &search->page);
}

/* Each page is read twice by runs_do, so each damaged row is found twice. */
static struct search search_all(struct runs_kit *kit, enum damage_scope scope) {
    struct search search = {.scope = scope, .page = {.more = true}};
    while (search.page.more) {
        assert_int_equal(runs_do(kit, page_tx, &search), ERR_NONE);
        assert_in_range(search.page.rows, 0, DAMAGE_PAGE);
        if (search.page.bytes > search.bytes_max) {
            search.bytes_max = search.page.bytes;
        }
        search.at = search.next;
        search.pages++;
    }
    search.found /= 2;
    return search;
}

static struct err exec_tx(struct tx *tx, void *ctx) {
    return tx_exec(tx, ctx, NULL /* no argument */, 0, NULL /* as many as there are */);
}

/* Statements, at addresses of their own: the store knows a statement by its address. */
static char statements[STATEMENTS][STATEMENT_MAX];
static size_t statements_used;

static void run_sql(struct runs_kit *kit, const char *sql, size_t len) {
    assert_in_range(statements_used, 0, STATEMENTS - 1);
    char *text = statements[statements_used++];
    (void)snprintf(text, STATEMENT_MAX, "%.*s", (int)len, sql);
    if (runs_do(kit, exec_tx, text) != ERR_NONE) {
        fail_msg("%s", text);
    }
}

/* --- Limits ----------------------------------------------------------------------------------- */

static struct err fill_tx(struct tx *tx, void *ctx) {
    static const char sql[] =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)"
        " INSERT INTO events (stream, seq, at_ms, type, data)"
        " SELECT 1000000, i, 1, 'note', CASE WHEN i = 2 OR i = $1 THEN '{\"a\":' ELSE '{}' END"
        " FROM n";
    const struct arg args[] = {arg_int(EVENTS)};
    (void)ctx; /* Nothing comes back. */
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL);
}

static void a_start_reads_a_part_of_a_long_stream_and_the_doctor_all(void **state) {
    struct runs_kit *kit = *state;
    assert_int_equal(runs_do(kit, fill_tx, NULL), ERR_NONE);
    struct search newest = search_all(kit, DAMAGE_NEWEST), all = search_all(kit, DAMAGE_ALL);
    assert_int_equal(newest.found, 1);
    assert_in_range(newest.pages, 1, DAMAGE_NEWEST_ROWS / DAMAGE_PAGE + TABLES_MAX);
    assert_int_equal(all.found, 2);
    assert_true(all.pages > EVENTS / DAMAGE_PAGE);
}

static struct err long_rows_tx(struct tx *tx, void *ctx) {
    static const char parts_sql[] =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)"
        " INSERT INTO parts (message, number, step, kind, state, cause, name, call, run, bytes,"
        " data_bytes, data, text) SELECT 1, i, 0, 'text', '', '', '', '', 0, 0, 0,"
        " CASE WHEN i = $1 THEN '[' ELSE '{}' END, CAST($2 AS TEXT) FROM n";
    static const char scripts_sql[] =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)"
        " INSERT INTO scripts (hash, source) SELECT CAST(1000 + i AS TEXT), CAST($2 AS TEXT)"
        " FROM n";
    const struct arg args[] = {arg_int(LONG_ROWS), arg_text((struct bytes){ctx, LONG_ROW})};
    struct err err = tx_exec(tx, parts_sql, args, COUNT_OF(args), NULL);
    return err_failed(err) ? err : tx_exec(tx, scripts_sql, args, COUNT_OF(args), NULL);
}

static void a_page_of_long_rows_is_limited_by_bytes(void **state) {
    struct runs_kit *kit = *state;
    AUTO(mem_release) char *text = mem_new(LONG_ROW);
    memset(text, 'x', LONG_ROW);
    assert_int_equal(runs_do(kit, long_rows_tx, text), ERR_NONE);
    struct search search = search_all(kit, DAMAGE_ALL);
    assert_int_equal(search.found, 1);
    assert_in_range(search.bytes_max, LONG_ROW, DAMAGE_PAGE_BYTES + 2 * LONG_ROW);
}

static struct err roots_tx(struct tx *tx, void *ctx) {
    static const char sql[] =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)"
        " INSERT INTO session_roots (session, path, access, granted_by, granted_ms)"
        " SELECT i / 50, $1 || CAST(i AS TEXT), CASE WHEN i = 1 OR i = 3000 OR i = 6000"
        " THEN 'nothing' ELSE 'read' END, 'ann', 1 FROM n";
    const struct arg args[] = {arg_text((struct bytes){ctx, strlen(ctx)})};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL);
}

/* Paths of 2 kB, which differ at their ends. */
static void tables_with_keys_of_text_are_searched_to_their_end(void **state) {
    struct runs_kit *kit = *state;
    char path[2001];
    memset(path, 'p', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    char short_path[] = "/it's a folder/";
    assert_int_equal(runs_do(kit, roots_tx, short_path), ERR_NONE);
    struct search search = search_all(kit, DAMAGE_ALL);
    assert_int_equal(search.found, 3);
    assert_string_equal(search.remove, "DELETE FROM session_roots WHERE session = 120 AND path ="
                                       " '/it''s a folder/6000';");
    run_sql(kit, search.remove, strlen(search.remove) - 1);
    assert_int_equal(search_all(kit, DAMAGE_ALL).found, 2);
    assert_int_equal(runs_do(kit, roots_tx, path), ERR_NONE);
    assert_int_equal(search_all(kit, DAMAGE_ALL).found, 5);
}

/* --- Columns ---------------------------------------------------------------------------------- */

#define ID "00000000000000000000000000"
#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* One row of each table, as drover writes it; the numbers are the highest of their tables. */
static const char *const well[] = {
    "INSERT INTO agent_cools (agent, until_ms, outcome, changed_ms) VALUES ('a', 2,"
    " 'rate_limited', 1)",
    "INSERT INTO approvals (id, approval, owner, session, run, message, part, kind, step, digest,"
    " arguments, about, shown, state, answer, answered_by, asked_ms) VALUES (70, 'apr_" ID "',"
    " 'ann', 70, 70, 70, 1, 'leave', 'edit_file', '" HASH "', '{}', '', 'a', 'open', '', '', 1)",
    "INSERT INTO attachments (id, attachment, owner, hash, media, bytes, made_ms) VALUES (70,"
    " 'att_" ID "', 'ann', '" HASH "', 'image/png', 1, 1)",
    "INSERT INTO budgets (id, owner, scope, path, run, made_ms) VALUES (70, 'ann', 'project:p',"
    " 'project:p/', 0, 1)",
    "INSERT INTO checkpoints (id, session, message, step, question, void, tokens_before,"
    " tokens_after, made_ms, made_by, method, summary) VALUES (70, 70, 70, 0, 0, 0, 2, 1, 1,"
    " 'auto', 'summary', 's')",
    "INSERT INTO host_reports (id, place, run, attempt, made_ms, report) VALUES (70, 'far',"
    " 'run_" ID "', 1, 1, '{}')",
    "INSERT INTO hosts (id, place, name, role, version, made_ms, seen_ms) VALUES (70, 'far', 'far',"
    " 'standby', '1', 1, 1)",
    "INSERT INTO idempotency (id, owner, route, idem_key, digest, status, answer, made_ms) VALUES"
    " (70, 'ann', '/jobs', 'k', '" HASH "', 201, '{}', 1)",
    "INSERT INTO flow_calls (run, place, version, number, agent, task, child, session, state,"
    " result) VALUES (70, 0, 1, 1, 'a', 't', 70, 'ses_" ID "', '', '')",
    "INSERT INTO flow_steps (run, place, name, status, phase, cause, version, chosen, tries,"
    " rounds, began_ms, changed_ms, due_ms, child, latest, session, approval, note, prompt,"
    " result, cached) VALUES (70, 0, 'build', 'running', 'child', '', 1, -1, 1, 0, 1, 1, 0, 70,"
    " 'run_" ID "', 'ses_" ID "', 'apr_" ID "', '', 'p', '{}', '')",
    "INSERT INTO flows (run, name, file, source, description, input, model, root, stage, rewinds,"
    " rejected, failed, due_ms, report, step_timeout_ms, timeout_ms, artifact, artifact_fault,"
    " resumed_from, begun_from) VALUES (70, 'f', '/f.js', 's', '{}', '{}', '', '/', 'steps', 0,"
    " '', '', 0, '', 0, 0, '', '', '', 0)",
    "INSERT INTO inbox (id, delivery, owner, run, receiver, address, state, cause, failures,"
    " made_ms, not_before_ms, payload) VALUES (70, 'dlv_" ID "', 'ann', 'run_" ID "', 'session',"
    " 'ses_" ID "', 'pending', '', 0, 1, 0, '{}')",
    "INSERT INTO learned_windows (model, tokens, until_ms) VALUES ('a/m', 1, 1)",
    "INSERT INTO mail (id, mail, owner, project, sender, receiver, type, status, cause,"
    " in_reply_to, about, urgent, depth, session, from_session, from_project, turn, message,"
    " delivery, attempts, made_ms, changed_ms, title, text) VALUES (70, 'mail_" ID "', 'ann', 'p',"
    " 'a', 'b', 'inform', 'pending', '', '', 'T-1', 0, 0, 'ses_" ID "', '', '', '', '',"
    " 'dlv_" ID "', 0, 1, 1, 't', 'x')",
    "INSERT INTO mail_attempts (turn, mail, depth) VALUES ('run_" ID "', 'mail_" ID "', 0)",
    "INSERT INTO memory (id, memory, owner, project, topic, title, content, tags, words, day,"
    " made_ms, changed_ms) VALUES (70, 'mem_" ID "', 'ann', '', 't', 't', 'c', '[]', ' t c', 1, 1,"
    " 1)",
    "INSERT INTO messages (id, message, session, role, status, run, reply_to, variant, active,"
    " made_ms, changed_ms, client_id, client_digest, cause, error, metadata) VALUES (70,"
    " 'msg_" ID "', 70, 'user', 'completed', 70, 0, 1, 1, 1, 1, '', '', '', '', '{}')",
    "INSERT INTO parts (id, message, number, step, kind, state, cause, name, call, run, bytes,"
    " data_bytes, data, text) VALUES (70, 70, 1, 1, 'tool', 'denied', 'rule',"
    " 'edit_file', 'c', 0, 0, 0, '{}', '')",
    "INSERT INTO providers (name, kind, base_url, key_file, headers, models, context_window,"
    " max_concurrent, made_ms, changed_ms) VALUES ('far', 'openai', 'http://a', '', '{}', '[]', 0,"
    " 0, 1, 1)",
    "INSERT INTO refused_parameters (model, parameters, until_ms) VALUES ('a/m', 'max_tokens', 1)",
    "INSERT INTO runs (id, run, owner, kind, parent, state, gate, cause, stop, stop_grace_ms,"
    " attempt, voids, failures, reboots, epoch, priority, key_max, exit_code, once, made_ms,"
    " not_before_ms, started_ms, ended_ms, run_key, label, command, host, note, result, spec,"
    " step_key) VALUES (70, 'run_" ID "', 'ann', 'agent', 69, 'failed', '', 'stopped', 'stopped',"
    " 0, 1, 0, 0, 0, 1, 0, 0, -1, 0, 1, 0, 1, 1, '', '', '', '', '', '', '{}', '" HASH "')",
    "INSERT INTO session_roots (session, path, access, granted_by, granted_ms) VALUES (70, '/a',"
    " 'read', 'ann', 1)",
    "INSERT INTO sessions (id, session, owner, project, parent, depth, hidden, version, state,"
    " made_ms, changed_ms, title, title_by, model, agent, root, forked_from, metadata, settings,"
    " instructions) VALUES (70, 'ses_" ID "', 'ann', '', 0, 0, 0, 1, 'idle', 1, 1, '', '', '', '',"
    " '', '', '{}', '', '')",
    "INSERT INTO spans (run, attempt, step, kind, name, state, cause, started_ms, ended_ms,"
    " estimated, tries, disk, error, input, output) VALUES (70, 1, 1, 'tool', 'edit_file',"
    " 'denied', 'rule', 1, 2, 0, 1, 0, '', '', '')",
    "INSERT INTO task_attempts (id, attempt, owner, project, task, attempt_number, agent, session,"
    " run, began, outcome, exit_code, task_status_at_exit, metadata, note, made_ms, ended_ms)"
    " VALUES (70, 'try_" ID "', 'ann', 'p', 'tsk_" ID "', 1, 'a', 'ses_" ID "', 'run_" ID "', 1,"
    " 'completed', 0, 'review', '{}', '', 1, 2)",
    "INSERT INTO task_comments (id, comment, owner, project, task, author, made_ms, body) VALUES"
    " (70, 'cmt_" ID "', 'ann', 'p', 'tsk_" ID "', 'ann', 1, 'b')",
    "INSERT INTO task_events (id, task, agent, type, made_ms, detail) VALUES (70, 'tsk_" ID "',"
    " 'ann', 'task_added', 1, '{}')",
    "INSERT INTO task_needs (task, needs) VALUES (70, 69)",
    "INSERT INTO task_outputs (id, output, owner, project, task, attempt, agent, type, title,"
    " summary, bytes, hash, plan, made_ms, content) VALUES (70, 'out_" ID "', 'ann', 'p',"
    " 'tsk_" ID "', 'try_" ID "', 'a', 'code', 't', '', 1, '" HASH "', 0, 1, 'c')",
    "INSERT INTO task_reviews (id, review, owner, project, task, attempt, reviewer, accept,"
    " made_ms, reasons) VALUES (70, 'rev_" ID "', 'ann', 'p', 'tsk_" ID "', 'try_" ID "', 'ann',"
    " 1, 1, '[]')",
    "INSERT INTO tasks (id, task, owner, project, name, place, title, type, priority, status,"
    " reason, detail, question, answer, agent, assignee, capability, lane, epic, source,"
    " depends_on, must_haves, links, prints, plan, plan_state, retry_count, attempt_count,"
    " connect_failures, api_failures, lock_failures, monitor_failures, max_attempts, rejections,"
    " depth, attempt, open_attempt, session, run, reviewer, review_run, not_before_ms, archived,"
    " made_ms, changed_ms, description) VALUES (70, 'tsk_" ID "', 'ann', 'p', 'T-1', 1, 't', '',"
    " 5, 'pending', '', '', '', '', '', '', '', '', '', '', '[]', '[]', '[]', '[]', 'none', '', 0,"
    " 0, 0, 0, 0, 0, 3, 0, 0, '', 0, '', '', '', '', 0, 0, 1, 1, 'd')",
    "INSERT INTO terminals (id, terminal, owner, name, command, cwd, columns, rows, run, env,"
    " path, made_ms, changed_ms) VALUES (70, 'trm_" ID "', 'ann', '', '', '', 80, 24,"
    " 'run_" ID "', '', '', 1, 1)",
    "INSERT INTO tokens (id, token, owner, label, scopes, hash, made_ms) VALUES (70, 'tok_" ID "',"
    " 'ann', '', 1, '" HASH "', 1)",
    "INSERT INTO turns (run, session, began_by, question, answer, begun, calls, calls_max, step,"
    " call, from_seq, mistakes, repeats, answered, last_call, truncated, output_max, model, last)"
    " VALUES (70, 70, 'message', 70, 70, 1, 1, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0, '', '')",
    "INSERT INTO usage_totals (id, owner, day, session, model, category, project, agent, calls,"
    " fresh, cache_read, cache_write, output, reasoning, cost_micros, cost_unknown) VALUES (70,"
    " 'ann', 1, 'ses_" ID "', 'a/m', 'turn', '', '', 1, 0, 0, 0, 0, 0, 0, 0)",
    "INSERT INTO workflows (run, script, resumed_from, lines, crashes, deadline_ms) VALUES (70,"
    " '" HASH "', 0, 0, 0, 0)",
    "INSERT INTO workflow_refs (run, step_key, occurrence, done_no, script, file, note) VALUES"
    " (70, '" HASH "', 1, 1, '" HASH "', 'a.js', '')",
};

static const struct {
    const char *table, *column;
} words[] = {
    {"agent_cools", "outcome"},
    {"approvals", "approval"},
    {"approvals", "kind"},
    {"approvals", "digest"},
    {"approvals", "state"},
    {"attachments", "attachment"},
    {"attachments", "hash"},
    {"checkpoints", "made_by"},
    {"checkpoints", "method"},
    {"flow_calls", "session"},
    {"flow_calls", "state"},
    {"flow_steps", "status"},
    {"flow_steps", "phase"},
    {"flow_steps", "cause"},
    {"flow_steps", "latest"},
    {"flows", "description"},
    {"flows", "stage"},
    {"flows", "resumed_from"},
    {"host_reports", "run"},
    {"host_reports", "report"},
    {"hosts", "role"},
    {"idempotency", "digest"},
    {"inbox", "delivery"},
    {"inbox", "run"},
    {"inbox", "receiver"},
    {"inbox", "state"},
    {"inbox", "turn"},
    {"mail", "mail"},
    {"mail", "status"},
    {"mail", "delivery"},
    {"mail_attempts", "mail"},
    {"memory", "memory"},
    {"messages", "message"},
    {"messages", "role"},
    {"messages", "status"},
    {"messages", "client_digest"},
    {"parts", "kind"},
    {"parts", "state"},
    {"parts", "cause"},
    {"providers", "kind"},
    {"runs", "run"},
    {"runs", "kind"},
    {"runs", "state"},
    {"runs", "gate"},
    {"runs", "cause"},
    {"runs", "stop"},
    {"runs", "step_key"},
    {"session_roots", "access"},
    {"sessions", "session"},
    {"sessions", "state"},
    {"sessions", "title_by"},
    {"sessions", "forked_from"},
    {"spans", "kind"},
    {"spans", "state"},
    {"spans", "cause"},
    {"task_attempts", "attempt"},
    {"task_attempts", "task"},
    {"task_attempts", "outcome"},
    {"task_attempts", "task_status_at_exit"},
    {"task_attempts", "metadata"},
    {"task_comments", "comment"},
    {"task_comments", "task"},
    {"task_events", "task"},
    {"task_events", "type"},
    {"task_events", "detail"},
    {"task_outputs", "output"},
    {"task_outputs", "hash"},
    {"task_reviews", "review"},
    {"task_reviews", "reasons"},
    {"tasks", "task"},
    {"tasks", "status"},
    {"tasks", "reason"},
    {"tasks", "depends_on"},
    {"tasks", "must_haves"},
    {"tasks", "links"},
    {"tasks", "plan_state"},
    {"tasks", "attempt"},
    {"tasks", "run"},
    {"terminals", "terminal"},
    {"terminals", "run"},
    {"tokens", "token"},
    {"tokens", "hash"},
    {"turns", "began_by"},
    {"usage_totals", "session"},
    {"usage_totals", "category"},
    {"workflows", "script"},
    {"workflow_refs", "step_key"},
    {"workflow_refs", "script"},
};

static void expect_none(struct runs_kit *kit) {
    struct search search = search_all(kit, DAMAGE_ALL);
    if (search.found > 0) {
        fail_msg("%s.%s of a row that is well", search.table, search.column);
    }
}

static void ids_and_words_are_searched_like_text(void **state) {
    struct runs_kit *kit = *state;
    static const char *const as_well[] = {
        "UPDATE runs SET step_key = 'turn'", /* Of an agent with tools. */
        "UPDATE sessions SET forked_from = 'ses_" ID "'",
        "UPDATE sessions SET forked_from = 'msg_" ID "'",
        "UPDATE approvals SET digest = ''",
        "UPDATE budgets SET scope = 'run:run_" ID "'",
        "UPDATE budgets SET scope = 'global'",
        "UPDATE messages SET client_digest = '" HASH "'",
        "UPDATE inbox SET turn = 'run_" ID "'",
        "UPDATE spans SET state = 'running', cause = ''",
    };
    char sql[STATEMENT_MAX];
    for (size_t i = 0; i < COUNT_OF(well); i++) {
        run_sql(kit, well[i], strlen(well[i]));
    }
    expect_none(kit);
    for (size_t i = 0; i < COUNT_OF(as_well); i++) {
        run_sql(kit, as_well[i], strlen(as_well[i]));
        expect_none(kit);
    }
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        int len = snprintf(sql, sizeof sql, "UPDATE %s SET %s = 'No such'", words[i].table,
                           words[i].column);
        run_sql(kit, sql, (size_t)len);
        if (search_all(kit, DAMAGE_ALL).found != (int64_t)i + 1) {
            fail_msg("%s.%s is damaged and was not found", words[i].table, words[i].column);
        }
    }
}

/* --- Removal ---------------------------------------------------------------------------------- */

struct next_ids {
    int64_t runs, messages, sessions, budgets, attachments;
};

static struct err next_ids_tx(struct tx *tx, void *ctx) {
    static const char sql[] = "SELECT " IDS_NEXT("runs") ", " IDS_NEXT("messages") ", " IDS_NEXT(
        "sessions") ", " IDS_NEXT("budgets") ", " IDS_NEXT("attachments");
    struct next_ids *next = ctx;
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, NULL /* no argument */, 0, &rows);
    if (!err_failed(err)) {
        assert_non_null(rows);
        *next = (struct next_ids){rows_int(rows, 0), rows_int(rows, 1), rows_int(rows, 2),
                                  rows_int(rows, 3), rows_int(rows, 4)};
    }
    return err;
}

struct by_hand {
    const char *texts[STATEMENTS];
    size_t count;
};

static struct err by_hand_tx(struct tx *tx, void *ctx) {
    const struct by_hand *hand = ctx;
    for (size_t i = 0; i < hand->count; i++) {
        tx_do(tx, hand->texts[i], NO_ARGS);
    }
    return tx_error(tx);
}

/* Each statement of `remove`, as a person would run them: beside no daemon. One that led meanwhile
 * would find on PostgreSQL that its row of `nodes` is another. */
static void run_statements(struct runs_kit *kit, const char *remove) {
    struct by_hand hand = {.count = 0};
    for (const char *at = remove, *end = strchr(at, ';'); end != NULL; end = strchr(at, ';')) {
        assert_in_range(statements_used, 0, STATEMENTS - 1);
        char *text = statements[statements_used++];
        (void)snprintf(text, STATEMENT_MAX, "%.*s", (int)(end - at), at);
        hand.texts[hand.count++] = text;
        at = end + 1;
    }
    assert_int_equal(runs_do(kit, by_hand_tx, &hand), ERR_NONE);
    runs_restart(kit);
}

static void the_id_of_a_row_that_was_removed_by_hand_is_not_given_again(void **state) {
    struct runs_kit *kit = *state;
    static const char *const damages[] = {
        "UPDATE runs SET spec = '['",         "UPDATE messages SET metadata = '['",
        "UPDATE sessions SET metadata = '['", "UPDATE budgets SET scope = 'no scope'",
        "UPDATE attachments SET hash = '?'",
    };
    struct next_ids next;
    for (size_t i = 0; i < COUNT_OF(well); i++) {
        run_sql(kit, well[i], strlen(well[i]));
    }
    for (size_t i = 0; i < COUNT_OF(damages); i++) {
        run_sql(kit, damages[i], strlen(damages[i]));
        struct search search = search_all(kit, DAMAGE_ALL);
        assert_int_equal(search.found, 1);
        run_statements(kit, search.remove);
        assert_int_equal(search_all(kit, DAMAGE_ALL).found, 0);
    }
    assert_int_equal(runs_do(kit, next_ids_tx, &next), ERR_NONE);
    assert_int_equal(next.runs, 71);
    assert_int_equal(next.messages, 71);
    assert_int_equal(next.sessions, 71);
    assert_int_equal(next.budgets, 71);
    assert_int_equal(next.attachments, 71);
}

static struct err append_tx(struct tx *tx, void *ctx) {
    const struct append append = {.owner = BYTES("ann"),
                                  .stream = kit_bytes(ctx),
                                  .type = BYTES("note"),
                                  .data = BYTES("{}")};
    struct appended appended;
    return tx_append(tx, &append, &appended);
}

/* The events of a stream go with its row: a later stream could get its number. */
static void a_stream_that_was_removed_by_hand_leaves_no_events(void **state) {
    struct runs_kit *kit = *state;
    char first[] = "first", second[] = "second";
    assert_int_equal(runs_do(kit, append_tx, first), ERR_NONE);
    static const char sql[] = "UPDATE streams SET name = 'no name'";
    run_sql(kit, sql, strlen(sql));
    struct search search = search_all(kit, DAMAGE_ALL);
    assert_int_equal(search.found, 1);
    run_statements(kit, search.remove);
    assert_int_equal(runs_do(kit, append_tx, second), ERR_NONE);
}

/* The need is gone, so nothing would ever take the mark of its task away. */
static void no_task_waits_for_what_was_removed_by_hand(void **state) {
    struct runs_kit *kit = *state;
    static const char waits[] = "UPDATE tasks SET waits_for = 69";
    static const char damages[] = "UPDATE task_needs SET waived_by = CAST(X'ff' AS TEXT)";
    if (getenv("DROVER_TEST_POSTGRES_DIR") != NULL) {
        skip(); /* PostgreSQL takes no such text. */
    }
    for (size_t i = 0; i < COUNT_OF(well); i++) {
        run_sql(kit, well[i], strlen(well[i]));
    }
    run_sql(kit, waits, strlen(waits));
    run_sql(kit, damages, strlen(damages));
    struct search search = search_all(kit, DAMAGE_ALL);
    assert_int_equal(search.found, 1);
    run_statements(kit, search.remove);
    assert_int_equal(runs_count(kit, "SELECT count(*) FROM task_needs"), 0);
    assert_int_equal(runs_count(kit, "SELECT waits_for FROM tasks"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_start_reads_a_part_of_a_long_stream_and_the_doctor_all,
                                        runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(a_page_of_long_rows_is_limited_by_bytes, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(tables_with_keys_of_text_are_searched_to_their_end,
                                        runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(ids_and_words_are_searched_like_text, runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(the_id_of_a_row_that_was_removed_by_hand_is_not_given_again,
                                        runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(a_stream_that_was_removed_by_hand_leaves_no_events,
                                        runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(no_task_waits_for_what_was_removed_by_hand, runs_begin,
                                        runs_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
