/* view.c: the reply of a turn; as long as a call of its model is out, the output so far; and the
 * state of a session in one transaction.
 *
 * The output becomes part of the message when the call ends. Until then it stands in the events of
 * the session's stream alone, which are kept as long as the turn runs.
 *
 * The bound of a snapshot is kept by writing each piece into a text of its own first: what does not
 * fit is left out whole, and never cut in the middle of a value. */
#include "engine/turn/view.h"

#include "base/json/json.h"
#include "base/utf8.h"
#include "engine/budget/rows.h"
#include "engine/session/roots.h"
#include "engine/turn/cards.h"

enum { PAGES_MAX = 1024, SAID_MAX = 16 << 20 };

/* --- The reply -------------------------------------------------------------------------------- */

/* Words before a call of tools are not the answer. */
struct err turns__said(struct tx *tx, int64_t run, struct bytes *ret_text) {
    struct turn_row turn;
    *ret_text = BYTES("");
    if (!turns__find(tx, run, &turn)) {
        return tx_error(tx);
    }
    AUTO(text_done) struct text text = {.size_max = MESSAGE_TEXT_MAX};
    AUTO(rows_release)
    struct rows *rows = tx_rows(
        tx,
        "SELECT text FROM parts WHERE message = $1 AND kind = 'text' AND step ="
        " (SELECT MAX(step) FROM parts WHERE message = $1 AND kind = 'text') ORDER BY number",
        ARGS(arg_int(turn.answer)));
    while (rows_step(rows)) {
        const struct bytes piece = rows_text(rows, 0);
        text_add(&text, piece.data, piece.len);
    }
    if (text.no_memory) {
        return err_make(ERR_OUT_OF_MEMORY, "turns: reply");
    }
    *ret_text = tx_copy(tx, text_bytes(&text));
    return tx_error(tx);
}

struct err tx_turn_reply(struct tx *tx, const struct session_key *session, struct bytes run,
                         struct turn_reply *ret_reply) {
    const struct run_key key = {.owner = session->owner, .run = run};
    struct turn_reply reply = {.text = {NULL, 0}};
    struct session_row of;
    struct turn_row turn;
    struct stream_state state;
    bool found = sessions__find(tx, session, &of);
    if (found) {
        tx_fail(tx, tx_run_find(tx, &key, &found, &reply.run));
    }
    found = found && turns__find(tx, reply.run.id, &turn) && turn.session == of.id;
    if (!found) {
        return err_failed(tx_error(tx)) ? tx_error(tx) : err_make(ERR_NOT_FOUND, "turns: reply");
    }
    sessions__find_stream(tx, &of, &state);
    reply.seq = state.head;
    if (run_state_final(reply.run.state)) {
        tx_fail(tx, turns__said(tx, reply.run.id, &reply.text));
    }
    *ret_reply = reply;
    return tx_error(tx);
}

/* --- What the call that is out has said so far ------------------------------------------------ */

struct hearing {
    struct turn_said *said;
    int64_t last; /* seq of the last event that was read. */
};

/* Withdrawn pieces are forgotten; what came after them counts. */
static struct err event_hear(void *ctx, const struct event *event) {
    struct hearing *hearing = ctx;
    struct turn_said *said = hearing->said;
    bool text = bytes_is(event->type, "delta");
    hearing->last = event->seq;
    if (bytes_is(event->type, "output_discarded")) {
        text_clear(&said->text);
        text_clear(&said->thinking);
    }
    if (!text && !bytes_is(event->type, "thinking_delta")) {
        return ERR_OK;
    }
    AUTO(json_release) json_t *data = NULL;
    struct err err = json_parse_wrapped(event->data, &data, NULL);
    if (!err_failed(err)) {
        const struct bytes piece = json_bytes(data, "text");
        text_add(text ? &said->text : &said->thinking, piece.data, piece.len);
    }
    return err;
}

void turns__said_done(struct turn_said *said) {
    text_done(&said->text);
    text_done(&said->thinking);
}

struct err turns__hear(struct tx *tx, const struct session_row *session, const struct turn_row *row,
                       struct turn_said *said) {
    struct hearing hearing = {.said = said, .last = row->from_seq};
    struct stream_state state;
    *said = (struct turn_said){.text = {.size_max = SAID_MAX}, .thinking = {.size_max = SAID_MAX}};
    bool more = sessions__find_stream(tx, session, &state);
    struct err err = tx_error(tx);
    for (int i = 0; !err_failed(err) && more && i < PAGES_MAX; i++) {
        int64_t before = hearing.last;
        err = tx_events(tx, state.stream, before, JOURNAL_PAGE_EVENTS, event_hear, &hearing);
        more = hearing.last > before;
    }
    return err;
}

/* --- The state of a session ------------------------------------------------------------------- */

enum {
    MESSAGES = 50,
    TOOLS_MAX = 100,
    ASKED_MAX = 20,
    ASKED = 24 << 10,    /* Bytes of all that is asked, */
    ASKED_ONE = 8 << 10, /* and of one question with its arguments. */
    TAIL = 64 << 10,     /* Bytes kept for what follows the messages. */
    RUNNING = 48 << 10,  /* Bytes of texts and data of the running message, */
    OTHER = 4 << 10,     /* and each of any other; */
    LEAST = 256,         /* each of those for which there is little room. */
    PIECE_MAX = SNAPSHOT_MAX - TAIL,
    TOOL_ROOM = 4 << 10, /* Bytes of a card, however its words are escaped, and of the end. */
};

/* The output of the model's call is no part of the message yet. */
struct ongoing {
    struct bytes run;      /* Turn that runs, else the first that is queued; "": none. */
    int64_t number;        /* Number of the turn. */
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
    const struct message_row *first = live->count > 0 ? &live->rows[0] : NULL;
    struct turn_row turn;
    for (size_t i = 0; i < live->count; i++) {
        first = live->rows[i].status == MESSAGE_RUNNING ? &live->rows[i] : first;
    }
    if (first == NULL) {
        return;
    }
    ongoing->run = first->run_name;
    ongoing->message = first->status == MESSAGE_RUNNING ? first->id : 0;
    if (!turns__find(tx, first->run, &turn)) {
        return;
    }
    runs__load_id(tx, first->run, &ongoing->row);
    run_shown(&ongoing->row, tx_epoch(tx), of->held ? RUN_HELD : RUN_FREE);
    tx_fail(tx, tx_run_waits_mark(tx, &bounds, &ongoing->row));
    ongoing->number = turn.number;
    ongoing->step = turn.call;
    if (turn.call != 0) {
        tx_fail(tx, turns__hear(tx, session, &turn, &ongoing->said));
    }
}

/* --- Messages --------------------------------------------------------------------------------- */

/* The output of the call that is out follows what the message holds. */
static void running_write(struct tx *tx, const struct message_row *row, size_t budget,
                          const struct ongoing *ongoing, struct text *piece) {
    const struct turn_said *said = &ongoing->said;
    struct message_part parts[2];
    struct message_parts more = {.parts = parts};
    if (said->thinking.len > 0) {
        parts[more.count++] = (struct message_part){
            .kind = PART_THINKING, .step = ongoing->step, .text = text_bytes(&said->thinking)};
    }
    if (said->text.len > 0) {
        parts[more.count++] = (struct message_part){
            .kind = PART_TEXT, .step = ongoing->step, .text = text_bytes(&said->text)};
    }
    messages__write_parts(tx, row, budget, more, piece);
    text_add_char(piece, '}');
}

/* Into `piece`, with less and less of its texts until it takes no more than `room`. False: it does
 * not fit. */
static bool message_fit(struct tx *tx, const struct message_row *row, const struct ongoing *ongoing,
                        size_t room, struct text *piece) {
    const size_t budgets[] = {row->status == MESSAGE_RUNNING ? RUNNING : OTHER, LEAST};
    for (size_t i = 0; i <= COUNT_OF(budgets) && !err_failed(tx_error(tx)); i++) {
        text_clear(piece);
        if (i == COUNT_OF(budgets)) {
            message_write_head(row, piece);
        } else if (row->id == ongoing->message) {
            running_write(tx, row, budgets[i], ongoing, piece);
        } else {
            tx_fail(tx, tx_message_write_json(tx, row, budgets[i], piece));
        }
        if (piece->no_memory) {
            tx_fail(tx, err_make(ERR_OUT_OF_MEMORY, "sessions: snapshot"));
        }
        if (!text_failed(piece) && piece->len < room) {
            return true;
        }
    }
    return false;
}

/* The newest messages, as many as fit. */
static void messages_add(struct tx *tx, const struct session_row *session,
                         const struct ongoing *ongoing, struct text *text) {
    const struct message_page page = {
        .session = session->id, .order = MESSAGES_NEWEST, .limit = MESSAGES + 1};
    AUTO(text_done) struct text piece = text_up_to(PIECE_MAX);
    struct message_rows rows;
    size_t shown = 0;
    tx_fail(tx, tx_message_page(tx, &page, &rows));
    text_add_str(text, ",\"messages\":[");
    while (shown < rows.count && shown < MESSAGES &&
           message_fit(tx, &rows.rows[shown], ongoing,
                       text->len < PIECE_MAX ? PIECE_MAX - text->len : 0, &piece)) {
        text_add_str(text, shown == 0 ? "" : ",");
        text_add(text, piece.data, piece.len);
        shown++;
    }
    text_add_str(text, "],\"next\":");
    if (shown > 0 && shown < rows.count) {
        text_addf(text, "\"%lld\"", (long long)rows.rows[shown - 1].id);
    } else {
        text_add_str(text, "null");
    }
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
    bool grows = rows != NULL && bytes_find(rows_text(rows, 0), part_kind_names, &kind) &&
                 part_state_find(rows_text(rows, 1), &state) &&
                 (kind == PART_TEXT || kind == PART_THINKING ||
                  (kind == PART_TOOL && part_state_open(state)));
    return grows ? bytes_of(part_kind_name(kind)) : BYTES("");
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

/* Whole where there is room; otherwise the object itself has what it would do. */
static struct err asked_add(void *ctx, const struct approval_row *row) {
    struct asked *asked = ctx;
    struct approval_row light = *row;
    const size_t len = asked->text->len - asked->from;
    if (row->arguments.len + row->about.len + row->shown.len > ASKED_ONE ||
        len > ASKED - ASKED_ONE) {
        light.arguments = BYTES("null");
        light.about = light.shown = BYTES("");
    }
    if (len < ASKED) {
        text_add_str(asked->text, len == 0 ? "" : ",");
        fields_write(&approval_resource.fields, FIELD_LISTED, &light, asked->text);
    }
    return ERR_OK;
}

/* --- All of it -------------------------------------------------------------------------------- */

/* Instructions and settings may be long, and are asked for by clients that show them. */
static struct err state_write(struct tx *tx, const struct snapshot_of *of, bool *ret_found,
                              struct text *text) {
    const struct session_key key = {.owner = of->owner, .session = of->id};
    struct session_row session;
    AUTO(ongoing_done) struct ongoing ongoing = {.step = 0};
    *ret_found = sessions__find(tx, &key, &session);
    if (!*ret_found) {
        return tx_error(tx);
    }
    tx_fail(tx, tx_session_shown(tx, of->held ? RUN_HELD : RUN_FREE, &session));
    const struct message_rows live = messages__live(tx, session.id);
    TRY(tx_error(tx));
    ongoing_find(tx, &session, &live, of, &ongoing);
    text_add_str(text, "{\"session\":");
    fields_write(&session_shown_fields, FIELD_LISTED, &session, text);
    text_add_name(text, "turn");
    if (ongoing.run.len > 0) {
        text_add_char(text, '{');
        text_add_member(text, "run", ongoing.run);
        text_add_member_int(text, "number", ongoing.number);
        run_write_wait(&ongoing.row, text);
        text_add_char(text, '}');
    } else {
        text_add_str(text, "null");
    }
    text_add_member_or_null(text, "streaming", streaming_find(tx, &ongoing));
    messages_add(tx, &session, &ongoing, text);
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
