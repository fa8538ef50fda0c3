/* start.c: the begin of an attempt: a session, the prompt, and the turn that is the attempt. */
#include "engine/board/start.h"

#include "base/json/json.h"
#include "base/utf8.h"
#include "engine/board/rows.h"
#include "engine/project/projects.h"
#include "engine/tree/trees.h"
#include "rules/agent/definition.h"
#include "rules/board/must.h"
#include "rules/board/prompt.h"

enum {
    /* Bounds that the built-in templates need (rules/board/prompt.h). */
    PROMPT_MAX = 512 << 10,
    CONTEXT_MAX = 3 * BOARD_CONTEXT_MAX,
    CONTEXT_ROWS = BOARD_SHOWN_MAX,
    MUST_HAVES_MAX = 64 << 10,
};

/* --- What was before -------------------------------------------------------------------------- */

static void piece_add(struct text *text, const char *head, struct bytes value) {
    if (value.len > 0) {
        const size_t len = utf8_cut(value, BOARD_CONTEXT_MAX / 4);
        text_addf(text, "%s%s\n%.*s%s\n", text->len > 0 ? "\n" : "", head, (int)len, value.data,
                  len < value.len ? " …" : "");
    }
}

static void list_add(struct tx *tx, const struct task *task, const char *sql, const char *head,
                     struct text *text) {
    AUTO(text_done) struct text list = text_up_to(BOARD_CONTEXT_MAX);
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx, sql, ARGS(arg_text(task->task), arg_int(CONTEXT_ROWS)));
    while (rows_step(rows) && list.len < BOARD_CONTEXT_MAX / 2) {
        const struct bytes who = rows_text(rows, 0), what = rows_text(rows, 1);
        const size_t len = utf8_cut(what, BOARD_CONTEXT_MAX / 4);
        text_addf(&list, "- %.*s: %.*s%s\n", (int)who.len, who.data, (int)len, what.data,
                  len < what.len ? " …" : "");
    }
    piece_add(text, head, text_bytes(&list));
}

/* The approved plan, and the words of the person who approved it. */
static void plan_add(struct tx *tx, const struct task *task, struct text *text) {
    AUTO(rows_release)
    struct rows *rows =
        task->plan_state != TASK_PLAN_APPROVED
            ? NULL
            : tx_row(tx,
                     "SELECT o.content, COALESCE((SELECT r.reasons FROM task_reviews r WHERE"
                     " r.task = o.task AND r.attempt = o.attempt AND r.accept = 1"
                     " ORDER BY r.id DESC LIMIT 1), '[]') FROM task_outputs o WHERE o.task = $1"
                     " AND o.plan = 1 ORDER BY o.id DESC LIMIT 1",
                     ARGS(arg_text(task->task)));
    if (rows == NULL) {
        return;
    }
    const struct bytes plan = rows_text(rows, 0), words = rows_text(rows, 1);
    text_addf(text, "The plan, which a person approved:\n%.*s\n", (int)plan.len, plan.data);
    piece_add(text,
              "Words of the person who approved it:", bytes_is(words, "[]") ? BYTES("") : words);
}

/* A reviewer judges the content, never its author's words in its place. Of a content as much is
 * read as is shown. */
static void judged_read(struct tx *tx, const struct task *task, struct board_prompt_facts *facts) {
    AUTO(rows_release)
    struct rows *outputs =
        tx_rows(tx,
                "SELECT o.output, o.type, o.agent, o.title, o.summary, substr(o.content, 1,"
                " CAST($3 AS INTEGER)), o.bytes, COALESCE(a.attempt_number, 0), o.attempt FROM"
                " task_outputs o LEFT JOIN task_attempts a ON a.attempt = o.attempt AND"
                " o.attempt <> '' WHERE o.task = $1 ORDER BY o.id DESC LIMIT $2",
                ARGS(arg_text(task->task), arg_int(BOARD_SHOWN_MAX + 1),
                     arg_int(BOARD_CONTENT_OUTPUT_MAX)));
    while (!facts->more && rows_step(outputs)) {
        facts->more = facts->output_count == BOARD_SHOWN_MAX;
        if (!facts->more) {
            facts->outputs[facts->output_count++] = (struct board_prompt_output){
                .output = rows_copy(outputs, 0),
                .type = rows_copy(outputs, 1),
                .agent = rows_copy(outputs, 2),
                .title = rows_copy(outputs, 3),
                .summary = rows_copy(outputs, 4),
                .content = rows_copy(outputs, 5),
                .bytes = rows_int(outputs, 6),
                .attempt = rows_int(outputs, 7),
                .judged = bytes_equal(rows_text(outputs, 8), task->attempt)};
        }
    }
    AUTO(rows_release)
    struct rows *comments = tx_rows(
        tx, "SELECT author, body FROM task_comments WHERE task = $1 ORDER BY id DESC LIMIT $2",
        ARGS(arg_text(task->task), arg_int(BOARD_SHOWN_MAX + 1)));
    size_t len = 0;
    while (len < BOARD_CONTEXT_MAX / 2 && rows_step(comments)) {
        struct bytes body = rows_copy(comments, 1);
        if (facts->comment_count == BOARD_SHOWN_MAX) {
            facts->more = true;
            break;
        }
        body.len = utf8_cut(body, BOARD_CONTEXT_MAX / 4);
        len += body.len;
        facts->comments[facts->comment_count++] =
            (struct board_prompt_comment){rows_copy(comments, 0), body};
    }
}

/* Reasons of the last rejection, the answer of a person, what an earlier attempt wrote. */
static void context_write(struct tx *tx, const struct task *task, struct text *text) {
    static const char outputs[] =
        "SELECT type || ' \"' || title || '\"', CASE WHEN summary = '' THEN content ELSE summary"
        " END FROM task_outputs WHERE task = $1 ORDER BY id DESC LIMIT $2";
    static const char comments[] =
        "SELECT author, body FROM task_comments WHERE task = $1 ORDER BY id DESC LIMIT $2";
    static const char reviews[] =
        "SELECT reviewer, reasons FROM task_reviews WHERE task = $1 AND accept = 0"
        " ORDER BY id DESC LIMIT $2";
    plan_add(tx, task, text);
    list_add(tx, task, reviews,
             "Why the result, or the plan, was sent back, the newest first:", text);
    piece_add(text, "You, or an agent before you, asked:",
              task->answer.len > 0 ? task->question : BYTES(""));
    piece_add(text, "A person answered:", task->answer);
    list_add(tx, task, outputs, "Outputs, the newest first:", text);
    list_add(tx, task, comments, "Comments, the newest first:", text);
}

static void must_haves_write(const struct task *task, struct text *text) {
    AUTO(json_release) json_t *list = NULL;
    if (err_failed(json_parse_wrapped(task->must_haves, &list, NULL))) {
        return;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const struct must must = must_read(json_array_get(list, i));
        must_write(&must, text);
        text_add_char(text, '\n');
    }
}

/* --- The prompt ------------------------------------------------------------------------------- */

/* A result that was sent back is a task as at first; an attempt that broke off goes on. */
static enum board_prompt prompt_of(struct tx *tx, const struct task *task,
                                   const struct task_attempt *attempt, bool goes_on) {
    const int64_t before =
        tx_number(tx,
                  "SELECT count(*) FROM task_attempts WHERE task = $1 AND ended_ms IS NOT NULL"
                  " AND ended_ms >= COALESCE((SELECT max(made_ms) FROM task_reviews WHERE"
                  " task = $1), 0) AND task_status_at_exit IN ('claimed', 'working')",
                  ARGS(arg_text(task->task)));
    const bool broke_off = attempt->number > 1 && before > 0 && task->answer.len == 0;
    return !broke_off ? BOARD_PROMPT_TASK : goes_on ? BOARD_PROMPT_RETRY : BOARD_PROMPT_AGAIN;
}

void prompts__write(struct tx *tx, const struct prompt_ask *ask, struct text *prompt) {
    AUTO(text_done) struct text context = text_up_to(CONTEXT_MAX);
    AUTO(text_done) struct text must_haves = text_up_to(MUST_HAVES_MAX);
    AUTO(json_release) json_t *board = NULL;
    const struct task *task = ask->task;
    struct why why = {""};
    const struct bytes settings =
        tx_text(tx, "SELECT board FROM projects WHERE owner = $1 AND name = $2",
                ARGS(arg_text(task->owner), arg_text(task->project)));
    if (err_failed(json_parse_wrapped(settings, &board, NULL))) {
        json_release(&board);
    }
    if (ask->which != BOARD_PROMPT_REVIEW) {
        context_write(tx, task, &context);
    }
    must_haves_write(task, &must_haves);
    struct board_prompt_facts facts = {.project_id = task->project,
                                       .task_id = task->name,
                                       .title = task->title,
                                       .description = task->description,
                                       .task_type = task->type,
                                       .priority = task->priority,
                                       .must_haves = text_bytes(&must_haves),
                                       .retry_context = text_bytes(&context),
                                       .diff = ask->diff,
                                       .diff_since = ask->diff_since,
                                       .current_status = bytes_of(task_status_names[task->status]),
                                       .agent_id = ask->agent,
                                       .completion_status = BYTES("review"),
                                       .reach = ask->reach,
                                       .plan = task->plan_state,
                                       .attempt = ask->attempt,
                                       .attempts_max = task->attempts_max};
    if (ask->which == BOARD_PROMPT_REVIEW) {
        judged_read(tx, task, &facts);
    }
    board_prompt_write(ask->which, &facts, json_bytes(board, ask->setting), prompt, &why);
    if (why.text[0] != '\0') {
        AUTO(text_done) struct text detail = text_up_to(2 << 10);
        text_add_char(&detail, '{');
        text_add_member(&detail, "why", bytes_of(why.text));
        text_add_char(&detail, '}');
        const struct task_happened happened = {
            .type = "template_failed", .agent = BYTES(""), .detail = text_bytes(&detail)};
        tasks__tell(tx, task, &happened);
    }
}

enum board_reach prompts__reach(struct bytes program) {
    return program.len == 0              ? BOARD_REACH_TOOLS
           : agent_json_by_port(program) ? BOARD_REACH_PORT
                                         : BOARD_REACH_SOCKET;
}

static struct bytes prompt_make(struct tx *tx, const struct attempt_start *start,
                                struct bytes program, const struct task *task,
                                const struct task_attempt *attempt, bool goes_on) {
    AUTO(text_done) struct text prompt = text_up_to(PROMPT_MAX);
    const struct prompt_ask ask = {.which = prompt_of(tx, task, attempt, goes_on),
                                   .task = task,
                                   .agent = attempt->agent,
                                   .attempt = task->attempts - board_refusals(task->counters),
                                   .reach = prompts__reach(program),
                                   .setting = "executor",
                                   .diff = start->diff,
                                   .diff_since = start->diff_since};
    prompts__write(tx, &ask, &prompt);
    return tx_copy_text(tx, &prompt, "board: prompt");
}

/* --- The turn --------------------------------------------------------------------------------- */

struct err attempts__talk(struct tx *tx, const struct talk_new *talk, const struct task *task,
                          const char *title_before, struct why *why) {
    AUTO(text_done) struct text title = text_up_to(400);
    struct talk_new begins = *talk;
    struct talk_begun begun;
    text_addf(&title, "%s%.*s %.*s", title_before, (int)task->name.len, task->name.data,
              (int)task->title.len, task->title.data);
    begins.session.owner = task->owner;
    begins.session.project = task->project;
    begins.session.title = text_bytes(&title);
    begins.message.yields = true; /* A task, or its result, waits as a row. */
    return tx_talk_begin(tx, &begins, &begun, why);
}

struct attempt_talk {
    const struct attempt_start *start;
    struct task *task;
    struct task_attempt *attempt;
    bool goes_on;
};

static struct err on_attempt_session(struct tx *tx, const void *ctx,
                                     const struct session_row *session,
                                     struct turn_message *io_message) {
    const struct attempt_talk *talk = ctx;
    const struct attempt_start *start = talk->start;
    struct task *task = talk->task;
    io_message->text = prompt_make(tx, start, session->program, task, talk->attempt, talk->goes_on);
    talk->attempt->session = task->session = session->session;
    talk->attempt->run = task->run = bytes_of(start->talk.message.run.text);
    task->prints = start->prints.len > 0 ? start->prints : task->prints;
    task->worktree = start->worktree.len > 0 ? start->worktree : task->worktree;
    talk->attempt->began = true;
    task->question = task->answer = BYTES(""); /* The prompt has them. */
    tx_fail(tx, tx_resource_update(tx, &task_attempt_resource, FIELD_SET, talk->attempt));
    tasks__write(tx, task);
    struct tree_row tree;
    if (start->worktree.len > 0 && tx_tree_of(tx, task->task, &tree)) {
        struct bytes texts[TREE_TEXTS];
        tree_texts_borrow(start->tree_texts, texts);
        tx_fail(tx, tx_tree_texts(tx, &tree, texts));
        tx_fail(tx, tx_tree_enter(tx, &tree, TREE_ROW_READY, BYTES("")));
    }
    return tx_error(tx);
}

struct err tx_attempt_start(struct tx *tx, const struct attempt_start *start, struct why *why) {
    struct task task;
    struct task_attempt attempt;
    struct session_row session;
    struct attempt_talk of = {.start = start, .task = &task, .attempt = &attempt};
    struct talk_new talk = start->talk;
    if (!attempts__find(tx, start->attempt, &attempt, &task) || !task_is_held(task.status) ||
        attempt.began) {
        return tx_error(tx); /* The task was moved meanwhile. */
    }
    if (start->resumes && attempt.session.len > 0) {
        const struct session_key key = {task.owner, attempt.session};
        tx_fail(tx, tx_session_find(tx, &key, &of.goes_on, &session));
        /* A session that is older than the tree works elsewhere. */
        of.goes_on = of.goes_on && session.deleted_ms == 0 &&
                     (start->worktree.len == 0 || bytes_equal(session.root, talk.session.root));
    }
    talk.goes_on = of.goes_on ? &session : NULL;
    talk.session.agent = attempt.agent;
    talk.on_session = on_attempt_session;
    talk.ctx = &of;
    return err_failed(tx_error(tx)) ? tx_error(tx) : attempts__talk(tx, &talk, &task, "", why);
}
