/* session_snapshot.c: the state of a session in one transaction.
 *
 * The bound is kept by writing each piece into a text of its own first: what does not fit is left
 * out whole, and never cut in the middle of a value.
 */
#include "engine/turn/session_snapshot.h"

#include "base/utf8.h"
#include "engine/approval/approvals.h"
#include "engine/budget/rows.h"
#include "engine/session/message_rows.h"
#include "engine/session/roots.h"
#include "engine/turn/rows.h"

enum {
    MESSAGES = 50,
    TOOLS_MAX = 100,
    ASKED_MAX = 20,
    ASKED = 24 << 10,    /* Bytes of all that is asked, */
    ASKED_ONE = 8 << 10, /* and of one question with its arguments. */
    TAIL = 64 << 10,     /* Bytes kept for what follows the messages. */
    RUNNING = 48 << 10,  /* Of texts and data of the running message, */
    OTHER = 4 << 10,     /* and of any other; */
    LEAST = 256,         /* of those for which there is little room. */
    PIECE_MAX = SNAPSHOT_MAX - TAIL,
    TOOL_ROOM = 4 << 10, /* One card, however its words are escaped, and the end. */
};

/* --- The running turn ------------------------------------------------------------------------- */

/* What the model's call says now is no part of the message yet. */
struct ongoing {
    struct bytes run;      /* "": no turn runs. */
    int64_t number;        /* Of the turn. */
    struct run_row row;    /* Row of the turn, as run_shown has it. */
    int64_t message, step; /* step 0: no call is out. */
    struct turn_said said;
};

static void ongoing_done(struct ongoing *ongoing) {
    turns__said_done(&ongoing->said);
}

static void ongoing_find(struct tx *tx, const struct session_row *session,
                         const struct message_rows *live, const struct snapshot_of *of,
                         struct ongoing *ongoing) {
    const struct run_bounds bounds = {.host = of->place,
                                      .hosts = of->place.len > 0 ? RUN_HOSTS_SHARED : RUN_HOST_ONE};
    const struct message_row *running = NULL;
    struct turn_row turn;
    bool found = false;
    for (size_t i = 0; i < live->count; i++) {
        running = live->rows[i].status == MESSAGE_RUNNING ? &live->rows[i] : running;
    }
    if (running == NULL) {
        return;
    }
    ongoing->run = running->run_name;
    ongoing->message = running->id;
    if (!turns__find(tx, running->run, &turn)) {
        return;
    }
    tx_fail(tx, runs__find_id(tx, running->run, &found, &ongoing->row));
    run_shown(&ongoing->row, tx_epoch(tx), of->held ? RUN_HELD : RUN_FREE);
    tx_fail(tx, tx_run_away_mark(tx, &bounds, &ongoing->row));
    ongoing->number = turn.number;
    ongoing->step = turn.call;
    if (turn.call != 0) {
        tx_fail(tx, turns__hear(tx, session, &turn, &ongoing->said));
    }
}

/* --- Messages --------------------------------------------------------------------------------- */

/* The output of the call that is out follows what the message holds. */
static struct err running_write(struct tx *tx, const struct message_row *row, size_t budget,
                                const struct ongoing *ongoing, struct text *piece) {
    static const enum part_kind kinds[] = {PART_THINKING, PART_TEXT};
    struct message_parts parts;
    int64_t number = 0;
    struct err err = parts__read(tx, row->id, budget, &parts);
    if (err_failed(err)) {
        return err;
    }
    err = tx_message_write_open(tx, row, piece);
    text_add_str(piece, ",\"parts\":[");
    for (size_t i = 0; i < parts.count; i++) {
        text_add_str(piece, i == 0 ? "" : ",");
        part_write_json(&parts.parts[i], piece);
        number = parts.parts[i].number;
        budget -= parts.parts[i].text.len;
    }
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        const bool text = kinds[i] == PART_TEXT;
        const struct bytes said = text_bytes(text ? &ongoing->said.text : &ongoing->said.thinking);
        if (said.len == 0) {
            continue;
        }
        const struct message_part part = {.message = ongoing->message,
                                          .number = ++number,
                                          .kind = kinds[i],
                                          .step = ongoing->step,
                                          .text = {said.data, utf8_cut(said, budget)},
                                          .data = BYTES("{}"),
                                          .bytes = (int64_t)said.len,
                                          .data_bytes = 2};
        budget -= part.text.len;
        text_add_str(piece, number == 1 ? "" : ",");
        part_write_json(&part, piece);
    }
    text_add_str(piece, "]}");
    return err;
}

/* Into `piece`, with less and less of its texts until it takes no more than `room`. */
static struct err message_fit(struct tx *tx, const struct message_row *row,
                              const struct ongoing *ongoing, size_t room, struct text *piece) {
    const size_t budgets[] = {row->status == MESSAGE_RUNNING ? RUNNING : OTHER, LEAST};
    for (size_t i = 0; i < COUNT_OF(budgets); i++) {
        text_clear(piece);
        struct err err = row->id == ongoing->message
                             ? running_write(tx, row, budgets[i], ongoing, piece)
                             : tx_message_write_json(tx, row, budgets[i], piece);
        if (!err_failed(err) && piece->no_memory) {
            err = err_make(ERR_OUT_OF_MEMORY, "sessions: snapshot");
        }
        if (err_failed(err) || (!text_failed(piece) && piece->len < room)) {
            return err;
        }
    }
    text_clear(piece);
    message_write_head(row, piece);
    return ERR_OK;
}

/* The newest messages, as many as fit. */
static struct err messages_add(struct tx *tx, const struct session_row *session,
                               const struct ongoing *ongoing, struct text *text) {
    const struct message_page page = {
        .session = session->id, .order = MESSAGES_NEWEST, .limit = MESSAGES + 1};
    AUTO(text_done) struct text piece = {.size_max = PIECE_MAX};
    struct message_rows rows;
    struct err err = tx_message_page(tx, &page, &rows);
    size_t shown = 0;
    bool fits = true;
    text_add_str(text, ",\"messages\":[");
    while (!err_failed(err) && fits && shown < rows.count && shown < MESSAGES) {
        size_t room = text->len < PIECE_MAX ? PIECE_MAX - text->len : 0;
        err = message_fit(tx, &rows.rows[shown], ongoing, room, &piece);
        fits = !err_failed(err) && !text_failed(&piece) && piece.len < room;
        if (fits) {
            text_add_str(text, shown == 0 ? "" : ",");
            text_add(text, piece.data, piece.len);
            shown++;
        }
    }
    if (err_failed(err)) {
        return err;
    }
    text_add_str(text, "],\"next\":");
    if (shown > 0 && shown < rows.count) {
        text_addf(text, "\"%lld\"", (long long)rows.rows[shown - 1].id);
    } else {
        text_add_str(text, "null");
    }
    return ERR_OK;
}

/* --- What is going on ------------------------------------------------------------------------- */

/* Kind of what grows now: the output of the call that is out, else the newest part of the running
 * message as long as it grows; else "". While the daemon holds, nothing grows. */
static struct bytes streaming_find(struct tx *tx, const struct ongoing *ongoing) {
    if (ongoing->row.gate == GATE_HOLD || ongoing->message == 0) {
        return BYTES("");
    }
    if (ongoing->said.text.len > 0 || ongoing->said.thinking.len > 0) {
        return bytes_of(part_kind_name(ongoing->said.text.len > 0 ? PART_TEXT : PART_THINKING));
    }
    AUTO(rows_release)
    struct rows *rows = tx_row(tx,
                               "SELECT kind, state FROM parts WHERE message = $1"
                               " ORDER BY number DESC LIMIT 1",
                               ARGS(arg_int(ongoing->message)));
    enum part_kind kind;
    enum part_state state;
    bool grows = rows != NULL && part_kind_find(rows_text(rows, 0), &kind) &&
                 part_state_find(rows_text(rows, 1), &state) &&
                 (kind == PART_TEXT || kind == PART_THINKING ||
                  (kind == PART_TOOL && part_state_open(state)));
    return grows ? bytes_of(part_kind_name(kind)) : BYTES("");
}

static void turn_add(struct tx *tx, const struct ongoing *ongoing, struct text *text) {
    text_add_name(text, "turn");
    if (ongoing->run.len > 0) {
        text_add_char(text, '{');
        text_add_member(text, "run", ongoing->run);
        text_add_member_int(text, "number", ongoing->number);
        run_write_wait(&ongoing->row, text);
        text_add_char(text, '}');
    } else {
        text_add_str(text, "null");
    }
    text_add_member_or_null(text, "streaming", streaming_find(tx, ongoing));
}

/* From the open parts of all sessions, which are few, not from this one's messages, which may be
 * many: CROSS JOIN tells SQLite so, and is like any join to PostgreSQL, which counts rows. */
static void tools_add(struct tx *tx, int64_t session, struct text *text) {
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx,
                "SELECT m.message, p.number, substr(p.name, 1, 100), p.state,"
                " substr(p.call, 1, 100), COALESCE(r.run, '') FROM parts p CROSS JOIN messages m"
                " LEFT JOIN runs r ON r.id = p.run"
                " WHERE m.id = p.message AND m.session = $1 AND m.status <> 'removed'"
                " AND p.state IN " PARTS_OPEN_STATES " ORDER BY m.id, p.number LIMIT $2",
                ARGS(arg_int(session), arg_int(TOOLS_MAX)));
    text_add_str(text, ",\"tools\":[");
    for (bool first = true; text->len < SNAPSHOT_MAX - TOOL_ROOM && rows_step(rows);
         first = false) {
        text_add_str(text, first ? "{" : ",{");
        text_add_member_or_null(text, "message", rows_text(rows, 0));
        text_add_member_int(text, "number", rows_int(rows, 1));
        text_add_member_or_null(text, "name", rows_text(rows, 2));
        text_add_member_or_null(text, "state", rows_text(rows, 3));
        text_add_member_or_null(text, "call", rows_text(rows, 4));
        if (rows_text(rows, 5).len > 0) {
            text_add_member(text, "run", rows_text(rows, 5));
        }
        text_add_char(text, '}');
    }
    text_add_char(text, ']');
}

/* --- What is asked ---------------------------------------------------------------------------- */

struct asked {
    struct text *text;
    size_t from; /* Where they begin. */
};

/* Whole where there is room; otherwise its card has what it would do. */
static struct err asked_add(void *ctx, const struct approval_row *row) {
    struct asked *asked = ctx;
    struct approval_row light = *row;
    const size_t len = asked->text->len - asked->from;
    if (row->arguments.len + row->about.len > ASKED_ONE || len > ASKED - ASKED_ONE) {
        light.arguments = BYTES("null");
        light.about = BYTES("");
    }
    if (len < ASKED) {
        text_add_str(asked->text, len == 0 ? "" : ",");
        approval_write_json(&light, asked->text);
    }
    return ERR_OK;
}

/* --- All of it -------------------------------------------------------------------------------- */

/* Instructions and settings may be long, and are asked for by whoever shows them. */
static struct err state_write(struct tx *tx, const struct snapshot_of *of, bool *ret_found,
                              struct text *text) {
    const struct session_key key = {.owner = of->owner, .session = of->id};
    struct session_row session;
    AUTO(ongoing_done) struct ongoing ongoing = {.step = 0};
    struct message_rows live;
    struct err err = sessions__find(tx, &key, ret_found, &session);
    if (!err_failed(err) && *ret_found) {
        err = tx_session_shown(tx, of->held ? RUN_HELD : RUN_FREE, &session);
    }
    if (err_failed(err) || !*ret_found) {
        return err;
    }
    tx_fail(tx, messages__live(tx, session.id, &live));
    if (err_failed(tx_error(tx))) {
        return tx_error(tx);
    }
    ongoing_find(tx, &session, &live, of, &ongoing);
    text_add_str(text, "{\"session\":");
    session_write_json(&session, SESSION_LIGHT, text);
    turn_add(tx, &ongoing, text);
    tx_fail(tx, messages_add(tx, &session, &ongoing, text));
    messages__write_queue(&live, text);
    text_add_name(text, "roots");
    tx_fail(tx, tx_roots_write_json(tx, session.id, text));
    text_add_name(text, "budgets");
    tx_fail(tx, budget__write_left(tx, &session, text));
    text_add_str(text, ",\"approvals\":[");
    struct asked asked = {.text = text, .from = text->len};
    const struct approval_page open = {
        .owner = session.owner, .session = session.id, .limit = ASKED_MAX};
    tx_fail(tx, tx_approval_each(tx, &open, asked_add, &asked));
    text_add_char(text, ']');
    tools_add(tx, session.id, text);
    text_add_char(text, '}');
    return tx_error(tx);
}

const struct snapshot_kind session_snapshot = {.prefix = BYTES_INIT("session:"),
                                               .write = state_write};
