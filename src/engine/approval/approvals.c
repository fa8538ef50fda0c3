/* approvals.c: the rows of approvals; asked, and no longer wanted. turn/answer.c answers. */
#include "engine/approval/rows.h"

#include "base/hash.h"
#include "base/json/json.h"
#include "engine/base/follow.h"
#include "rules/approval/shown.h"
#include "store/mapper.h"

/* Columns of struct approval_row, after `id`. */
enum { APPROVAL_WORD_STATE = MAP_WORD };
#define APPROVAL_MAP(X)                                                                            \
    X("a.approval", approval, MAP_TEXT, MAP_READ)                                                  \
    X("a.owner", owner, MAP_TEXT, MAP_READ)                                                        \
    X("a.part", part, MAP_INT, MAP_READ)                                                           \
    X("a.state", state, APPROVAL_WORD_STATE, MAP_READ)                                             \
    X("a.asked_ms", asked_ms, MAP_INT, MAP_READ)                                                   \
    X("a.answered_ms", answered_ms, MAP_INT_OR_NULL, MAP_READ)                                     \
    X("a.tool", tool, MAP_TEXT, MAP_READ)                                                          \
    X("a.kind", kind, MAP_TEXT, MAP_READ)                                                          \
    X("a.digest", digest, MAP_TEXT, MAP_READ)                                                      \
    X("a.answer", answer, MAP_TEXT, MAP_READ)                                                      \
    X("a.answered_by", by, MAP_TEXT, MAP_READ)                                                     \
    X("s.session", session, MAP_TEXT, MAP_READ)                                                    \
    X("r.run", run, MAP_TEXT, MAP_READ)                                                            \
    X("m.message", message, MAP_TEXT, MAP_READ)                                                    \
    X("a.arguments", arguments, MAP_TEXT, MAP_READ)                                                \
    X("a.about", about, MAP_TEXT, MAP_READ)                                                        \
    X("a.shown", shown, MAP_TEXT, MAP_READ)
#define APPROVAL_SELECT                                                                            \
    "SELECT a.id" APPROVAL_MAP(                                                                    \
        MAP_NAMES) " FROM approvals a JOIN sessions s ON s.id = a.session AND s.hidden = 0"        \
                   " JOIN runs r ON r.id = a.run JOIN messages m ON m.id = a.message"
#define APPROVAL_COLUMN(name, member, kind, use)                                                   \
    {name, kind, use, offsetof(struct approval_row, member)},
static const struct map_column columns[] = {APPROVAL_MAP(APPROVAL_COLUMN)};
const char *const approval_state_names[] = {"open",     "allowed",   "denied",
                                            "answered", "cancelled", NULL};

static const char *const *const words[] = {approval_state_names};
static const struct map approval_map = {.table = "approvals",
                                        .key = "id",
                                        .key_offset = offsetof(struct approval_row, id),
                                        .columns = columns,
                                        .count = COUNT_OF(columns),
                                        .names = words};

const char *approval_state_name(enum approval_state state) {
    assert(state < APPROVAL_STATE_COUNT);
    return approval_state_names[state];
}

/* --- Rows ------------------------------------------------------------------------------------- */

/* Borrows the texts. A damaged word of a state is judged by whether there is an answer. */
static struct approval_row row_borrow(const struct rows *rows) {
    struct approval_row row;
    if (!map_read(&approval_map, rows, &row)) {
        row.state = row.answered_ms == 0 ? APPROVAL_OPEN : APPROVAL_CANCELLED;
    }
    return row;
}

struct err tx_approval_find(struct tx *tx, const struct approval_key *key, bool *ret_found,
                            struct approval_row *ret_row) {
    AUTO(rows_release)
    struct rows *rows = tx_row(tx, APPROVAL_SELECT " WHERE a.approval = $1 AND a.owner = $2",
                               ARGS(arg_text(key->approval), arg_text(key->owner)));
    *ret_found = rows != NULL;
    if (rows != NULL) {
        *ret_row = row_borrow(rows);
        tx_fail(tx, map_copy(tx, &approval_map, ret_row));
    }
    return tx_error(tx);
}

#define APPROVALS_WHERE(more)                                                                      \
    APPROVAL_SELECT " WHERE a.owner = $1 AND a.id < $2" more " ORDER BY a.id DESC LIMIT $3"
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
                one         ? APPROVALS_WHERE(" AND a.answered_ms IS NULL AND a.session = $4")
                : page->all ? APPROVALS_WHERE("")
                            : APPROVALS_WHERE(" AND a.answered_ms IS NULL"),
                args, one ? 4 : 3);
    while (rows_step(rows)) {
        const struct approval_row row = row_borrow(rows);
        tx_fail(tx, each(ctx, &row));
    }
    return tx_error(tx);
}

#define TEXT(field_name, member) .name = field_name, .kind = FIELD_TEXT, AT(member)
#define AT(member) .at = offsetof(struct approval_row, member)
#define ANY_JSON .schema = "{}"

static const char *const kinds[] = {"leave", "answer", NULL};
static const struct field rows_shown[] = {
    {TEXT("id", approval), .required = true},
    {TEXT("session", session)},
    {TEXT("run", run)},
    {TEXT("message", message)},
    {TEXT("kind", kind), .required = true, .names = kinds},
    {TEXT("tool", tool), .required = true},
    {TEXT("shown", shown), .use = FIELD_LISTED, .required = true,
     .schema = "{\"type\":\"string\",\"description\":\"The whole call as text for people: the "
               "command, the diff, the other arguments.\"}"},
    {TEXT("digest", digest), .use = FIELD_LISTED},
    {TEXT("by", by)},
    {.name = "part", .kind = FIELD_INT, AT(part)},
    {.name = "state",
     .kind = FIELD_NAME,
     AT(state),
     .required = true,
     .names = approval_state_names},
    {.name = "asked_ms", .kind = FIELD_INT, AT(asked_ms)},
    {.name = "answered_ms", .kind = FIELD_TIME, AT(answered_ms)},
    {.name = "arguments", .kind = FIELD_STORED, AT(arguments), .use = FIELD_LISTED, ANY_JSON},
    {.name = "about", .kind = FIELD_STORED, AT(about), .use = FIELD_LISTED, ANY_JSON},
    {TEXT("answer", answer), .use = FIELD_LISTED},
};
const struct field_set approval_fields = {FIELD_ROWS(rows_shown), .use = FIELD_SHOWN};

/* --- Lists that are followed ------------------------------------------------------------------ */

/* The row without its texts, which a client asks for where it shows them. */
void approvals__tell_changed(struct tx *tx, int64_t id) {
    AUTO(text_done) struct text data = text_up_to(EVENT_DATA_MAX);
    AUTO(rows_release)
    struct rows *rows = tx_row(tx, APPROVAL_SELECT " WHERE a.id = $1", ARGS(arg_int(id)));
    if (rows == NULL) { /* The session is out of sight. */
        return;
    }
    struct approval_row row = row_borrow(rows);
    tx_fail(tx, map_copy(tx, &approval_map, &row));
    rows_release(&rows);
    fields_write(&approval_fields, FIELD_TOLD, &row, &data);
    const struct follow change = {.name = "approval", .owner = row.owner, .id = row.approval};
    follow_tell(tx, &change, &data);
}

/* --- Asked ------------------------------------------------------------------------------------ */

/* On the stream of its session, approval_… or question_…; and on that of the workflow above. */
struct err approvals__event(struct tx *tx, const struct approval_change *change) {
    const struct approval_row *row = change->row;
    const bool leave = bytes_is(row->kind, "leave"), answered = change->answered;
    const struct bytes type = leave
                                  ? answered ? BYTES("approval_answered") : BYTES("approval_asked")
                              : answered ? BYTES("question_answered")
                                         : BYTES("question_asked");
    AUTO(text_done) struct text data = {.size_max = (size_t)8 << 20};
    fields_write(&approval_fields, FIELD_LISTED, row, &data);
    if (text_failed(&data)) {
        return text_error(&data, "approvals: event");
    }
    if (data.len > EVENT_DATA_MAX) { /* The text for people fits; the object has the rest. */
        struct approval_row light = *row;
        light.about = BYTES("");
        light.arguments = BYTES("null");
        text_clear(&data);
        fields_write(&approval_fields, FIELD_LISTED, &light, &data);
    }
    sessions__event(tx, change->session, type, text_bytes(&data));
    const struct run_asks asks = {.run = change->run,
                                  .type = answered ? "agent_answered" : "agent_waiting",
                                  .approval = row->approval,
                                  .kind = row->kind,
                                  .tool = row->tool,
                                  .state = bytes_of(approval_state_name(row->state))};
    return err_failed(tx_error(tx)) ? tx_error(tx) : run_kinds[KIND_AGENT].child_asks(tx, &asks);
}

/* The id is the same however often the function runs, and as hard to guess as the run's own. */
struct err approvals__ask(struct tx *tx, const struct approval_new *what) {
    struct sha256_stream sha;
    sha256_start(&sha);
    sha256_add(&sha, "approval", 8);
    sha256_add(&sha, what->run->run.data, what->run->run.len);
    sha256_add(&sha, &what->part, sizeof what->part);
    const struct sha256 digest = sha256_finish(&sha);
    const struct id id = id_make("apr", tx_now_ms(tx), digest.bytes);
    const struct shown_call call = {what->tool, what->arguments, what->about};
    AUTO(text_done) struct text shown = text_up_to((size_t)2 * SHOWN_MAX);
    shown_write(&call, &shown);
    if (text_failed(&shown)) {
        return text_error(&shown, "approvals: shown");
    }
    const struct approval_row row = {.approval = bytes_of(id.text),
                                     .owner = what->session->owner,
                                     .session = what->session->session,
                                     .run = what->run->run,
                                     .message = what->message->message,
                                     .tool = what->tool,
                                     .kind = what->kind,
                                     .digest = what->digest,
                                     .part = what->part,
                                     .arguments = what->arguments,
                                     .about = what->about,
                                     .shown = text_bytes(&shown),
                                     .answer = BYTES(""),
                                     .by = BYTES(""),
                                     .asked_ms = tx_now_ms(tx)};
    const int64_t made = tx_number(
        tx,
        "INSERT INTO approvals (approval, owner, session, run, message, part, kind, tool, digest,"
        " arguments, about, shown, state, answer, answered_by, asked_ms, answered_ms)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'open', '', '', $13, NULL)"
        " RETURNING id",
        ARGS(arg_text(row.approval), arg_text(row.owner), arg_int(what->session->id),
             arg_int(what->run->id), arg_int(what->message->id), arg_int(row.part),
             arg_text(row.kind), arg_text(row.tool), arg_text(row.digest), arg_text(row.arguments),
             arg_text(row.about), arg_text(row.shown), arg_int(row.asked_ms)),
        /* absent */ 0);
    tx_row_changed(tx, FOLLOW_APPROVAL, made);
    const struct approval_change change = {
        .session = what->session, .run = what->run, .row = &row, .answered = false};
    return approvals__event(tx, &change);
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

struct err approvals__withdraw(struct tx *tx, const struct session_row *session,
                               const struct run_row *run, int64_t part) {
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx, APPROVAL_SELECT " WHERE a.run = $1 AND a.part = $2 AND a.answered_ms IS NULL",
               ARGS(arg_int(run->id), arg_int(part)));
    if (rows == NULL) {
        return tx_error(tx);
    }
    struct approval_row row = row_borrow(rows);
    tx_fail(tx, map_copy(tx, &approval_map, &row));
    row.state = APPROVAL_CANCELLED;
    row.answer = BYTES(APPROVAL_WITHDRAWN);
    row.answered_ms = tx_now_ms(tx);
    tx_do(tx, "UPDATE approvals SET state = $2, answer = $3, answered_ms = $4 WHERE id = $1",
          ARGS(arg_int(row.id), arg_str(approval_state_name(row.state)), arg_text(row.answer),
               arg_int(row.answered_ms)));
    tx_row_changed(tx, FOLLOW_APPROVAL, row.id);
    const struct approval_change change = {
        .session = session, .run = run, .row = &row, .answered = true};
    return err_failed(tx_error(tx)) ? tx_error(tx) : approvals__event(tx, &change);
}

struct err approvals__cancel_all(struct tx *tx, const struct session_row *session) {
    cancelled_mark(
        tx, tx_rows(tx,
                    "UPDATE approvals SET state = 'cancelled', answered_ms = $3"
                    " WHERE session = $1 AND owner = $2 AND answered_ms IS NULL RETURNING id",
                    ARGS(arg_int(session->id), arg_text(session->owner), arg_int(tx_now_ms(tx)))));
    return tx_error(tx);
}
