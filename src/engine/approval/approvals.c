/* approvals.c: the rows of approvals: asked, answered, and no longer wanted. */
#include "engine/approval/rows.h"

#include "base/hash.h"
#include "base/json/json.h"
#include "engine/base/follow.h"
#include "engine/base/resource.h"
#include "engine/inbox/inbox.h"
#include "engine/project/projects.h"
#include "rules/approval/always.h"
#include "rules/approval/shown.h"

#define APPROVAL_OF(column, table, key)                                                            \
    "COALESCE((SELECT o." column " FROM " table " o WHERE o.id = approvals." key "), '')"
/* The run at the top of the tree in which the run is that asks, and how people know that: by the
 * title of its session, else by its own label or command. */
#define FROM_TOP                                                                                   \
    " FROM runs r JOIN runs t ON t.id = CASE WHEN r.root = 0 THEN r.id ELSE r.root END"            \
    " WHERE r.id = approvals.run"
#define TOP_TITLE                                                                                  \
    "COALESCE(NULLIF((SELECT s.title FROM sessions s WHERE s.session = t.session), ''),"           \
    " NULLIF(t.label, ''), t.command)"
/* Runs above it, to the top or to the first for which `more` does not hold: as many as a tree can
 * have, whatever a damaged row says. */
#define RUNS_ABOVE(more)                                                                           \
    "WITH RECURSIVE above (id, depth) AS (SELECT r.parent, 1 FROM runs r"                          \
    " WHERE r.id = approvals.run AND r.parent <> 0 UNION ALL SELECT r.parent, above.depth + 1"     \
    " FROM above JOIN runs r ON r.id = above.id WHERE r.parent <> 0 AND above.depth < 64" more     \
    ") "
/* The nearest step above it. */
#define STEP_ABOVE(column)                                                                         \
    RUNS_ABOVE(" AND r.step_key = ''")                                                             \
    "SELECT a." column " FROM above JOIN runs a ON a.id = above.id WHERE a.step_key <> '' LIMIT 1"
#define APPROVAL_COLUMNS "SELECT * FROM approvals WHERE "
/* Questions of a session that is being removed are out of sight. */
#define APPROVAL_SEEN                                                                              \
    "NOT EXISTS (SELECT 1 FROM sessions s WHERE s.id = approvals.session AND s.hidden <> 0)"
#define APPROVAL_SELECT APPROVAL_COLUMNS APPROVAL_SEEN
const char *const approval_state_names[] = {"open",     "allowed",   "denied",
                                            "answered", "cancelled", NULL};

const char *approval_state_name(enum approval_state state) {
    assert(state < APPROVAL_STATE_COUNT);
    return approval_state_names[state];
}

#define AT(member) offsetof(struct approval_row, member)
#define KEPT .use = FIELD_KEPT

/* The step of a turn is the tool that it calls. */
static struct field_value tool_value(const void *row) {
    const struct approval_row *approval = row;
    return (struct field_value){.text = approval->message_id != 0 ? approval->step : BYTES("")};
}

/* Clients offer a yes for the project that they read here. */
static struct field_value project_value(const void *row) {
    const struct approval_row *approval = row;
    const bool offered = approval->project.len > 0 && project_takes_rules(approval->project);
    return (struct field_value){.null = !offered, .text = approval->project};
}

static struct field_value part_value(const void *row) {
    const struct approval_row *approval = row;
    return (struct field_value){.null = approval->message_id == 0, .number = approval->part};
}

/* Fields that are shown, and those that only the row has: the numbers of the run, the session and
 * the message. */
static const struct field approval_rows[] = {
    {ROW_NUMBER(AT(id))},
    {ROW_ONCE("owner", FIELD_TEXT, AT(owner)), KEPT},
    {ROW_ONCE("session", FIELD_INT, AT(session_id)), KEPT},
    {ROW_ONCE("run", FIELD_INT, AT(run_id)), KEPT},
    {ROW_ONCE("message", FIELD_INT, AT(message_id)), KEPT},
    {FIELD("run_kind", FIELD_NAME, AT(run_kind)), KEPT, .names = run_kind_names,
     .column = APPROVAL_OF("kind", "runs", "run")},
    {FIELD("run_parent", FIELD_INT, AT(run_parent)), KEPT,
     .column = "COALESCE((SELECT r.parent FROM runs r WHERE r.id = approvals.run), 0)"},
    {FIELD("id", FIELD_TEXT, AT(approval)), .column = "approval", .group = FIELD_INSERTED,
     .required = true},
    {FIELD("session", FIELD_TEXT, AT(session)), .empty = FIELD_EMPTY_NULL,
     .column = APPROVAL_OF("session", "sessions", "session")},
    {FIELD("run", FIELD_TEXT, AT(run)), .column = APPROVAL_OF("run", "runs", "run")},
    {ROW_ONCE("step", FIELD_TEXT, AT(step))},
    {FIELD("message", FIELD_TEXT, AT(message)), .empty = FIELD_EMPTY_NULL,
     .column = APPROVAL_OF("message", "messages", "message")},
    {ROW_ONCE("kind", FIELD_NAME, AT(kind)), .required = true, .names = approval_kind_names},
    {FIELD("tool", FIELD_TEXT, 0), .get = tool_value, .required = true},
    {FIELD("title", FIELD_TEXT, AT(title)), .empty = FIELD_EMPTY_NULL,
     .column = "COALESCE((SELECT " TOP_TITLE FROM_TOP "), '')"},
    {FIELD("project", FIELD_TEXT, AT(project)), .get = project_value, .empty = FIELD_EMPTY_NULL,
     .column = APPROVAL_OF("project", "runs", "run")},
    {FIELD("root_run", FIELD_TEXT, AT(root_run)), .empty = FIELD_EMPTY_NULL,
     .column = "COALESCE((SELECT t.run" FROM_TOP "), '')"},
    {FIELD("agent", FIELD_TEXT, AT(agent)), .empty = FIELD_EMPTY_NULL,
     .column = "COALESCE((" STEP_ABOVE(
         "label") "), (SELECT CASE WHEN s.parent <> 0 THEN s.title"
                  " ELSE s.agent END FROM sessions s WHERE s.id = approvals.session), '')"},
    {FIELD("phase", FIELD_TEXT, AT(phase)), .empty = FIELD_EMPTY_NULL,
     .column = "COALESCE((" STEP_ABOVE("phase") "), '')"},
    {FIELD("root", FIELD_TEXT, AT(root)), .empty = FIELD_EMPTY_NULL,
     .column = APPROVAL_OF("root", "sessions", "session")},
    {FIELD("depth", FIELD_INT, AT(depth)),
     .column = "(" RUNS_ABOVE("") "SELECT count(*) FROM above)"},
    {ROW_ONCE("shown", FIELD_TEXT, AT(shown)), .required = true,
     .schema = "{\"type\":\"string\",\"description\":\"The whole question as text for people: of a "
               "call the command, the diff, the other arguments.\"}"},
    {ROW_ONCE("digest", FIELD_TEXT, AT(digest))},
    {FIELD("by", FIELD_TEXT, AT(by)), .column = "answered_by", .group = FIELD_INSERTED | FIELD_SET},
    {ROW_ONCE("part", FIELD_INT, AT(part)), .get = part_value,
     .schema = "{\"type\":[\"integer\",\"null\"]}"},
    {ROW_EACH("state", FIELD_NAME, AT(state)), .required = true, .names = approval_state_names},
    {ROW_ONCE("asked_ms", FIELD_INT, AT(asked_ms))},
    {ROW_EACH("answered_ms", FIELD_TIME, AT(answered_ms))},
    {ROW_ONCE("arguments", FIELD_STORED, AT(arguments)),
     .schema = "{\"type\":[\"object\",\"null\"],\"properties\":{\"question\":{\"type\":\"string\"},"
               "\"options\":{\"type\":\"array\"},\"schema\":{},\"multi\":{\"type\":\"boolean\"}}}"},
    {ROW_ONCE("about", FIELD_STORED, AT(about)),
     .schema = "{\"type\":[\"object\",\"null\"],\"properties\":{\"subjects\":{\"type\":\"array\","
               "\"items\":"
               "{\"type\":\"string\"}},\"exact\":{\"type\":\"boolean\"},"
               "\"rule\":{\"type\":\"string\"},\"old_rule\":{\"type\":"
               "\"string\"},\"diff\":{\"type\":\"string\"},\"diff_cut\":{\"type\":\"boolean\"},"
               "\"review\":{\"type\":\"string\"},\"text\":{\"type\":\"string\"}}}"},
    {ROW_EACH("answer", FIELD_TEXT, AT(answer))},
};
const struct resource approval_resource = {
    .table = "approvals",
    .key = "number",
    .of_daemon = true,
    .fields = {FIELD_ROWS(approval_rows), .use = FIELD_SHOWN},
    .size = sizeof(struct approval_row),
};

/* --- Rows ------------------------------------------------------------------------------------- */

/* Borrows the texts. A damaged state is judged by whether there is an answer. A question of a
 * damaged kind allows nothing. */
static struct approval_row row_borrow(const struct rows *rows) {
    struct approval_row row = {.state = APPROVAL_STATE_COUNT, .kind = ASKS_ANSWER};
    if (!resource_row_fill(&approval_resource, RESOURCE_WHOLE, rows, &row) &&
        row.state == APPROVAL_STATE_COUNT) {
        row.state = row.answered_ms == 0 ? APPROVAL_OPEN : APPROVAL_CANCELLED;
    }
    return row;
}

static const char *sql_of(struct tx *tx, const char *sql) {
    return tx_resource_sql(tx, &approval_resource, RESOURCE_WHOLE, sql);
}

static bool row_find(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                     struct approval_row *ret_row) {
    AUTO(rows_release) struct rows *rows = tx_row(tx, sql_of(tx, sql), args, count);
    if (rows != NULL) {
        *ret_row = row_borrow(rows);
        tx_resource_copy(tx, &approval_resource, ret_row);
    }
    return rows != NULL && !err_failed(tx_error(tx));
}

/* --- Approvers -------------------------------------------------------------------------------- */

/* Owners whom the question of a flow names; NULL: everybody who may answer it may approve. */
static json_t *approvers_of(const struct approval_row *row) {
    AUTO(json_release) json_t *question = NULL;
    if (!run_kinds[row->run_kind].approvers ||
        err_failed(json_parse_wrapped(row->arguments, &question, NULL /* no why */))) {
        return NULL;
    }
    json_t *approvers = json_object_get(question, "approvers");
    return json_array_size(approvers) > 0 ? json_incref(approvers) : NULL;
}

static bool approvers_have(const json_t *approvers, struct bytes owner) {
    const json_t *name = NULL;
    size_t at = 0;
    json_array_foreach(approvers, at, name) {
        if (bytes_equal(json_text(name), owner)) {
            return true;
        }
    }
    return false;
}

/* The owner of the run has begun it: their yes alone is no approval by somebody else. */
static struct err approver_check(const struct approval_row *row,
                                 const struct approval_answer *answer, struct why *why) {
    AUTO(json_release) json_t *approvers = approvers_of(row);
    const bool own = bytes_equal(answer->by, row->owner);
    if (approvers == NULL ||
        (own ? answer->verb == APPROVAL_DENY : approvers_have(approvers, answer->by))) {
        return ERR_OK;
    }
    return err_why(why, ERR_NOT_APPROVER,
                   own ? "the flow names its approvers, and %.*s, the owner of the run, may only "
                         "deny"
                       : "%.*s is not among the approvers that the flow names",
                   (int)answer->by.len, answer->by.data);
}

/* Each other owner, once: a name may stand twice. */
static void approvers_insert(struct tx *tx, const struct approval_row *row) {
    AUTO(json_release) json_t *approvers = approvers_of(row);
    const json_t *name = NULL;
    size_t at = 0;
    json_array_foreach(approvers, at, name) {
        if (!bytes_equal(json_text(name), row->owner)) {
            tx_do(tx,
                  "INSERT INTO approvers (approval, owner) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                  ARGS(arg_int(row->id), arg_text(json_text(name))));
        }
    }
}

/* A question stands with its owner, and with each approver whom it names. */
struct err tx_approval_find(struct tx *tx, const struct approval_key *key, bool *ret_found,
                            struct approval_row *ret_row) {
    struct approval_row row;
    *ret_found =
        row_find(tx, APPROVAL_SELECT " AND approval = $1", ARGS(arg_text(key->approval)), &row);
    if (*ret_found && !bytes_equal(row.owner, key->owner)) {
        AUTO(json_release) json_t *approvers = approvers_of(&row);
        *ret_found = approvers_have(approvers, key->owner);
    }
    if (*ret_found) {
        *ret_row = row;
    }
    return tx_error(tx);
}

struct err tx_approval_run_owner(struct tx *tx, struct bytes run, struct bytes approver,
                                 struct bytes *ret_owner) {
    *ret_owner = BYTES("");
    AUTO(rows_release)
    struct rows *rows = tx_rows(
        tx,
        sql_of(tx, APPROVAL_COLUMNS "run = (SELECT id FROM runs WHERE run = $1) AND message = 0"),
        ARGS(arg_text(run)));
    while (ret_owner->len == 0 && rows_step(rows)) {
        const struct approval_row row = row_borrow(rows);
        AUTO(json_release) json_t *approvers = approvers_of(&row);
        if (approvers_have(approvers, approver)) {
            *ret_owner = tx_copy(tx, row.owner);
        }
    }
    return tx_error(tx);
}

#define APPROVALS_WHERE(more)                                                                      \
    APPROVAL_SELECT " AND owner = $1 AND id < $2" more " ORDER BY id DESC LIMIT $3"
/* With the open questions of others that name the owner. */
#define APPROVALS_HERE(more)                                                                       \
    APPROVAL_COLUMNS                                                                               \
    "id IN (SELECT o.id FROM (SELECT id FROM approvals WHERE " APPROVAL_SEEN                       \
    " AND owner = $1 AND id < $2" more " ORDER BY id DESC LIMIT $3) o UNION ALL SELECT n.id"       \
    " FROM (SELECT approval AS id FROM approvers WHERE owner = $1 AND approval < $2"               \
    " ORDER BY approval DESC LIMIT $3) n) ORDER BY id DESC LIMIT $3"
struct err tx_approval_each(struct tx *tx, const struct approval_page *page,
                            struct err (*each)(void *ctx, const struct approval_row *row),
                            void *ctx) {
    const struct arg args[] = {arg_text(page->owner),
                               arg_int(page->before == 0 ? INT64_MAX : page->before),
                               arg_int(page->limit), arg_int(page->session)};
    const bool one = page->session != 0;
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx,
                sql_of(tx, one         ? APPROVALS_WHERE(" AND answered_ms IS NULL"
                                                                 " AND session = $4")
                           : page->all ? APPROVALS_HERE("")
                                       : APPROVALS_HERE(" AND answered_ms IS NULL")),
                args, one ? 4 : 3);
    while (rows_step(rows)) {
        const struct approval_row row = row_borrow(rows);
        tx_fail(tx, each(ctx, &row));
    }
    return tx_error(tx);
}

/* --- Lists that are followed ------------------------------------------------------------------ */

/* The row as lists have it, for an event. Where that is too long, the text for people still fits,
 * and the object has the rest. */
static void row_write(const struct approval_row *row, struct text *data) {
    fields_write(&approval_resource.fields, FIELD_TOLD, row, data);
    if (text_failed(data)) {
        struct approval_row light = *row;
        light.about = BYTES("");
        light.arguments = BYTES("null");
        text_clear(data);
        fields_write(&approval_resource.fields, FIELD_TOLD, &light, data);
    }
}

/* To its owner, and to those whom it names. */
static void row_tell(struct tx *tx, const struct approval_row *row, const struct text *data) {
    struct follow change = {.name = "approval", .owner = row->owner, .id = row->approval};
    AUTO(json_release) json_t *approvers = approvers_of(row);
    const json_t *name = NULL;
    size_t at = 0;
    follow_tell(tx, &change, data);
    json_array_foreach(approvers, at, name) {
        change.owner = json_text(name);
        if (!bytes_equal(change.owner, row->owner)) {
            follow_tell(tx, &change, data);
        }
    }
}

/* Each way in which a question stops waiting passes here, so notices are withdrawn here, too. */
void approvals__tell_changed(struct tx *tx, int64_t id) {
    AUTO(text_done) struct text data = text_up_to(EVENT_DATA_MAX);
    struct approval_row row;
    const bool found = row_find(tx, APPROVAL_SELECT " AND id = $1", ARGS(arg_int(id)), &row);
    if (!found || row.state != APPROVAL_OPEN) {
        tx_inbox_withdraw(tx, id);
        tx_do(tx, "DELETE FROM approvers WHERE approval = $1", ARGS(arg_int(id)));
    }
    if (found) {
        row_write(&row, &data);
        row_tell(tx, &row, &data);
    }
}

/* On the stream of its session, or else of its run: approval_… about a call, question_… about
 * anything else; and on that of the workflow above. */
static struct err event_append_asked(struct tx *tx, const struct approval_row *row) {
    const bool leave = row->kind == ASKS_LEAVE, answered = row->state != APPROVAL_OPEN;
    const char *type = leave      ? answered ? "approval_answered" : "approval_asked"
                       : answered ? "question_answered"
                                  : "question_asked";
    AUTO(text_done) struct text data = text_up_to(EVENT_DATA_MAX);
    row_write(row, &data);
    if (text_failed(&data)) {
        return text_error(&data, "approvals: event");
    }
    if (row->session_id != 0) {
        const struct session_row session = {.owner = row->owner, .session = row->session};
        sessions__event(tx, &session, bytes_of(type), text_bytes(&data));
    } else {
        const struct run_key key = {.owner = row->owner, .run = row->run};
        const struct append append = runs__event_of(tx, &key, type, &data);
        struct appended appended;
        tx_fail(tx, tx_append(tx, &append, &appended));
    }
    for (size_t i = 0; i < COUNT_OF(run_kinds); i++) {
        if (row->run_parent != 0 && run_kinds[i].child_asks != NULL) {
            tx_fail(tx, run_kinds[i].child_asks(tx, row));
        }
    }
    return tx_error(tx);
}

/* --- Asked ------------------------------------------------------------------------------------ */

/* The id is the same however often the function runs, and as hard to guess as the run's own. */
struct err approvals__ask(struct tx *tx, const struct approval_new *what,
                          struct approval_row *ret_row) {
    struct sha256_stream sha;
    sha256_start(&sha);
    sha256_add(&sha, "approval", 8);
    sha256_add(&sha, what->run->run.data, what->run->run.len);
    sha256_add(&sha, &what->part, sizeof what->part);
    sha256_add(&sha, what->step.data, what->step.len);
    sha256_add(&sha, what->digest.data, what->digest.len);
    const struct sha256 digest = sha256_finish(&sha);
    const struct id id = id_make("apr", tx_now_ms(tx), digest.bytes);
    const struct shown_call call = {.tool = what->message != NULL ? what->step : BYTES(""),
                                    .arguments = what->arguments,
                                    .about = what->about};
    AUTO(text_done) struct text shown = text_up_to((size_t)2 * SHOWN_MAX);
    shown_write(&call, &shown);
    if (text_failed(&shown)) {
        return text_error(&shown, "approvals: shown");
    }
    const struct approval_row fresh = {.approval = bytes_of(id.text),
                                       .owner = what->run->owner,
                                       .session_id = what->session != NULL ? what->session->id : 0,
                                       .run_id = what->run->id,
                                       .message_id = what->message != NULL ? what->message->id : 0,
                                       .part = what->part,
                                       .kind = what->kind,
                                       .step = what->step,
                                       .digest = what->digest,
                                       .arguments = what->arguments,
                                       .about = what->about,
                                       .shown = text_bytes(&shown),
                                       .answer = BYTES(""),
                                       .by = BYTES(""),
                                       .asked_ms = tx_now_ms(tx)};
    tx_row_insert(tx, &approval_resource, 0, &fresh);
    if (!row_find(tx, APPROVAL_COLUMNS "approval = $1", ARGS(arg_str(id.text)), ret_row)) {
        return tx_error(tx);
    }
    tx_row_changed(tx, FOLLOW_APPROVAL, ret_row->id);
    approvers_insert(tx, ret_row);
    const struct inbox_ask ask = {.run = what->run,
                                  .id = ret_row->id,
                                  .approval = ret_row->approval,
                                  .session = ret_row->session,
                                  .step = ret_row->step,
                                  .digest = ret_row->digest,
                                  .question = ret_row->shown,
                                  .leave = ret_row->kind == ASKS_LEAVE};
    struct err err = event_append_asked(tx, ret_row);
    return err_failed(err) ? err : tx_inbox_ask(tx, &ask);
}

/* --- Settled ---------------------------------------------------------------------------------- */

static struct err row_settle(struct tx *tx, struct approval_row *row) {
    row->answered_ms = tx_now_ms(tx);
    tx_row_update(tx, &approval_resource, FIELD_SET, row);
    tx_row_changed(tx, FOLLOW_APPROVAL, row->id);
    return err_failed(tx_error(tx)) ? tx_error(tx) : event_append_asked(tx, row);
}

static struct err row_withdraw(struct tx *tx, struct approval_row *row) {
    row->state = APPROVAL_CANCELLED;
    row->answer = BYTES(APPROVAL_WITHDRAWN);
    return row_settle(tx, row);
}

struct err approvals__withdraw(struct tx *tx, const struct run_row *run, int64_t part) {
    static const char open[] = APPROVAL_SELECT " AND run = $1 AND part = $2 AND message <> 0"
                                               " AND answered_ms IS NULL";
    struct approval_row row;
    return row_find(tx, open, ARGS(arg_int(run->id), arg_int(part)), &row) ? row_withdraw(tx, &row)
                                                                           : tx_error(tx);
}

struct err approvals__withdraw_step(struct tx *tx, const struct run_row *run, struct bytes step) {
    static const char open[] = APPROVAL_SELECT " AND run = $1 AND step = $2 AND message = 0"
                                               " AND answered_ms IS NULL";
    struct approval_row row;
    return row_find(tx, open, ARGS(arg_int(run->id), arg_text(step)), &row) ? row_withdraw(tx, &row)
                                                                            : tx_error(tx);
}

static void cancelled_mark(struct tx *tx, struct rows *cancelled) {
    AUTO(rows_release) struct rows *rows = cancelled;
    while (rows_step(rows)) {
        tx_row_changed(tx, FOLLOW_APPROVAL, rows_int(rows, 0));
    }
}

struct err approvals__cancel(struct tx *tx, const struct run_row *run) {
    cancelled_mark(tx, tx_rows(tx,
                               "UPDATE approvals SET state = 'cancelled', answered_ms = $2"
                               " WHERE run = $1 AND answered_ms IS NULL RETURNING id",
                               ARGS(arg_int(run->id), arg_int(tx_now_ms(tx)))));
    return tx_error(tx);
}

bool approvals__remove(struct tx *tx, const struct run_row *run) {
    int64_t ids[APPROVALS_REMOVE_PAGE];
    const size_t count =
        tx_ids(tx, "SELECT id FROM approvals WHERE run = $1 ORDER BY id LIMIT $2",
               ARGS(arg_int(run->id), arg_int(APPROVALS_REMOVE_PAGE)), APPROVALS_REMOVE_PAGE, ids);
    for (size_t i = 0; i < count; i++) {
        struct approval_row row;
        if (row_find(tx, APPROVAL_COLUMNS "id = $1", ARGS(arg_int(ids[i])), &row)) {
            tx_do(tx, "DELETE FROM approvals WHERE id = $1", ARGS(arg_int(ids[i])));
            row_tell(tx, &row, NULL /* removed */);
        }
    }
    return count < APPROVALS_REMOVE_PAGE;
}

struct err approvals__run_ended(struct tx *tx, const struct run_row *run, struct run_freed *freed) {
    (void)freed; /* A question holds nothing. */
    return approvals__cancel(tx, run);
}

void approvals__cancel_all(struct tx *tx, const struct session_row *session) {
    cancelled_mark(
        tx, tx_rows(tx,
                    "UPDATE approvals SET state = 'cancelled', answered_ms = $3"
                    " WHERE session = $1 AND owner = $2 AND answered_ms IS NULL RETURNING id",
                    ARGS(arg_int(session->id), arg_text(session->owner), arg_int(tx_now_ms(tx)))));
}

/* --- By a program ----------------------------------------------------------------------------- */

struct err tx_approval_ask(struct tx *tx, const struct approval_asking *asking,
                           struct approval_row *ret_row, struct why *why) {
    static const char last[] = APPROVAL_SELECT " AND run = $1 AND step = $2 AND message = 0"
                                               " AND state <> 'cancelled' ORDER BY id DESC LIMIT 1";
    const struct sha256 hash = sha256_of(asking->arguments.data, asking->arguments.len);
    const struct sha256_hex digest = sha256_hex(&hash);
    struct run_row run;
    struct approval_row row;
    TRY(runs__get(tx, &asking->run, &run));
    if (!run_kinds[run.kind].asks) {
        return err_why(why, ERR_CONFLICT, "a %s asks by its own means, and not so",
                       run_kind_name(run.kind));
    }
    const bool found = row_find(tx, last, ARGS(arg_int(run.id), arg_text(asking->step)), &row);
    if (found && bytes_is(row.digest, digest.text)) {
        *ret_row = row;
        return ERR_OK;
    }
    if (!run_lives(&run)) {
        return err_make(ERR_RUN_ENDED, "approvals: ask");
    }
    if (tx_number(tx, "SELECT count(*) FROM approvals WHERE run = $1", ARGS(arg_int(run.id))) >=
        APPROVALS_OF_RUN_MAX) {
        return err_why(why, ERR_TOO_MANY, "the run has asked %d questions, and may ask no more",
                       APPROVALS_OF_RUN_MAX);
    }
    if (found && row.state == APPROVAL_OPEN) {
        tx_fail(tx, row_withdraw(tx, &row));
    }
    const struct approval_new what = {.run = &run,
                                      .step = asking->step,
                                      .kind = asking->kind,
                                      .digest = tx_copy(tx, bytes_of(digest.text)),
                                      .arguments = asking->arguments,
                                      .about = BYTES("")};
    return err_failed(tx_error(tx)) ? tx_error(tx) : approvals__ask(tx, &what, ret_row);
}

/* --- Answered --------------------------------------------------------------------------------- */

/* The folder that the call asks for becomes one of the project. */
static struct err folder_add(const struct approval_row *row, struct bytes subject, json_t *settings,
                             struct why *why) {
    AUTO(json_release) json_t *about = NULL;
    if (subject.len > 0) {
        return err_why(why, ERR_BAD_FIELD, "subject: a folder is granted as it was asked for");
    }
    struct err err = json_parse_wrapped(row->about, &about, why);
    const json_t *grant = json_object_get(about, "grant");
    if (!err_failed(err) && (!json_is_string(json_object_get(grant, "path")) ||
                             !json_is_string(json_object_get(grant, "access")))) {
        return err_why(why, ERR_BAD_FIELD, "scope: the call names no folder");
    }
    return err_failed(err) ? err : project_folder_add(settings, grant, why);
}

static bool asks_for_folder(const struct approval_row *row) {
    return row->message_id != 0 && bytes_is(row->step, "request_access");
}

/* The settings with the rule that the answer leaves behind. */
static struct err rule_add(struct tx *tx, const struct approval_answer *answer,
                           const struct approval_row *row, struct bytes *io_settings,
                           struct why *why) {
    AUTO(json_release) json_t *settings = NULL;
    AUTO(text_done) struct text text = text_up_to(SESSION_SETTINGS_MAX);
    static_assert((int)PROJECT_SETTINGS_MAX == (int)SESSION_SETTINGS_MAX, "one limit for both");
    const struct always_call call = {
        .tool = row->step, .about = row->about, .digest = row->digest, .subject = answer->subject};
    struct err err =
        json_parse_wrapped(io_settings->len > 0 ? *io_settings : BYTES("{}"), &settings, why);
    if (!err_failed(err)) {
        err = asks_for_folder(row) ? folder_add(row, answer->subject, settings, why)
                                   : always_add(&call, settings, why);
    }
    if (err_failed(err)) {
        return err;
    }
    if (err_failed(json_write(settings, &text))) {
        return err_why(why, ERR_BAD_FIELD,
                       "scope: the settings of the %s would have more than %d bytes",
                       approval_scope_names[answer->scope], SESSION_SETTINGS_MAX);
    }
    *io_settings = tx_copy_text(tx, &text, "approvals: settings");
    return tx_error(tx);
}

/* Changes the settings of the session, or of its project, so that such a call is not asked about
 * again. A folder is granted to the session by the run's own part of the answer. */
static struct err rule_write(struct tx *tx, const struct approval_answer *answer,
                             const struct approval_row *row, struct why *why) {
    struct session_change change = {.key = {.owner = row->owner, .session = row->session}};
    struct session_row session;
    struct project project;
    struct err err = sessions__get(tx, &change.key, "approvals: session", &session);
    if (err_failed(err)) {
        return err;
    }
    if (answer->scope == APPROVAL_SESSION) {
        change.settings = session.settings;
        err = rule_add(tx, answer, row, &change.settings, why);
        return err_failed(err) ? err : tx_session_change(tx, &change, &session);
    }
    if (!project_takes_rules(session.project)) {
        return err_why(why, ERR_BAD_FIELD,
                       "scope: the project '%.*s' takes no rules, since its sessions share no "
                       "folder; allow it for the session",
                       (int)session.project.len, session.project.data);
    }
    tx_project_use(tx, session.owner, session.project, &project);
    if (project.name.len == 0) {
        return err_why(why, ERR_BAD_FIELD,
                       "scope: the session is of no project that can hold a rule");
    }
    err = rule_add(tx, answer, row, &project.settings, why);
    return err_failed(err) ? err : tx_resource_update(tx, &project_resource, FIELD_SET, &project);
}

/* The answer of a yes with a scope is the scope, so that another one differs. */
static struct bytes scope_write(struct tx *tx, const struct approval_answer *answer) {
    AUTO(text_done) struct text text = text_up_to(APPROVAL_ANSWER_MAX);
    text_add_char(&text, '{');
    text_add_member(&text, "scope", bytes_of(approval_scope_names[answer->scope]));
    if (answer->subject.len > 0) {
        text_add_member(&text, "subject", answer->subject);
    }
    text_add_char(&text, '}');
    return tx_copy_text(tx, &text, "approvals: scope");
}

static bool same_answer(const struct approval_row *row, const struct approval_row *other) {
    return row->state == other->state && bytes_equal(row->answer, other->answer) &&
           bytes_equal(row->by, other->by);
}

struct err tx_approval_answer(struct tx *tx, const struct approval_answer *answer,
                              struct approval_row *ret_row, struct why *why) {
    static const enum approval_state states[APPROVAL_VERB_COUNT] = {
        [APPROVAL_ALLOW] = APPROVAL_ALLOWED,
        [APPROVAL_DENY] = APPROVAL_DENIED,
        [APPROVAL_ANSWER] = APPROVAL_ANSWERED,
        [APPROVAL_CHOICE] = APPROVAL_ANSWERED,
        [APPROVAL_FIELDS] = APPROVAL_ANSWERED};
    struct approval_row row;
    bool found = false;
    struct err err = tx_approval_find(tx, &answer->key, &found, &row);
    if (err_failed(err) || !found) {
        return err_failed(err) ? err : err_make(ERR_NOT_FOUND, "approvals: answer");
    }
    TRY(approver_check(&row, answer, why));
    if (answer->digest.len > 0 && !bytes_equal(answer->digest, row.digest)) {
        return err_why(why, ERR_OTHER_QUESTION,
                       "digest: that of the question is %.*s; look at it again",
                       (int)row.digest.len, row.digest.data);
    }
    struct approval_row answered = row;
    answered.state = states[answer->verb];
    answered.answer = answer->scope >= APPROVAL_SESSION ? scope_write(tx, answer) : answer->text;
    answered.by = answer->by;
    answered.scope = answer->scope;
    if (row.state != APPROVAL_OPEN) {
        *ret_row = row;
        return same_answer(&row, &answered)
                   ? ERR_OK
                   : err_why(why, ERR_CONFLICT, "the question was %s already",
                             approval_state_name(row.state));
    }
    const struct question_answer given = {.kind = row.kind,
                                          .question = row.arguments,
                                          .verb = answer->verb,
                                          .text = answer->text,
                                          .scope = answer->scope,
                                          .folder = asks_for_folder(&row)};
    err = question_check_answer(&given, why);
    if (!err_failed(err) && answer->scope >= (given.folder ? APPROVAL_PROJECT : APPROVAL_SESSION)) {
        err = rule_write(tx, answer, &row, why);
    }
    if (!err_failed(err)) {
        err = row_settle(tx, &answered);
    }
    if (!err_failed(err) && run_kinds[row.run_kind].answered != NULL) {
        err = run_kinds[row.run_kind].answered(tx, &answered);
    }
    *ret_row = answered;
    return err_failed(err) ? err : tx_error(tx);
}
