/* followup.c: what a session started has ended, and its agent goes on with it.
 *
 * A session with notices that are due, and no turn, gets one: the commit that makes it binds the
 * notices to it (inbox/bind.h), and the commit that ends it settles them. So a notice is told as
 * often as it takes and acknowledged once, over any crash. A session that is busy is left alone:
 * the end of its turn offers what is left. */
#include "engine/turn/cards.h"

#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "engine/inbox/bind.h"

enum {
    NOTICE_MAX = MESSAGE_TEXT_MAX,
    KEPT_MAX = 256 << 10,
    FAILED_MAX = 64,      /* Messages that one commit removes. */
    KEPT_ROOM = 32 << 10, /* For the runs whose results are too much. */
};

static const char opening[] =
    "[drover: what you started in the background has ended. Continue the task with this; don't "
    "repeat finished work. If the task is complete, give the final result.]";

/* The text for the agent, and the metadata of its messages: of the notice {"runs": [ID, …]}, by
 * which prompts show each result once (prompt.c); of the answer {"follow_up": [{"run",
 * "state", "result"}]}. */
struct notices {
    struct text text, runs, kept; /* Owned. */
};

static void notices_init(struct notices *notices) {
    text_init(&notices->text, NOTICE_MAX);
    text_init(&notices->runs, KEPT_MAX);
    text_init(&notices->kept, KEPT_MAX);
    text_add_str(&notices->text, opening);
    text_add_str(&notices->runs, "{\"runs\":[");
    text_add_str(&notices->kept, "{\"follow_up\":[");
}

static void notices_done(struct notices *notices) {
    text_done(&notices->text);
    text_done(&notices->runs);
    text_done(&notices->kept);
}

static void add_member(struct text *text, const char *before, const json_t *value) {
    text_add_str(text, before);
    text_add_json(text, json_is_string(value) ? json_string_value(value) : "",
                  json_string_length(value));
}

/* Behind so many results the runs are named, no more. */
static struct err keep(const struct inbox_row *row, struct text *kept) {
    AUTO(json_release) json_t *notice = NULL;
    struct err err = json_parse_wrapped(row->payload, &notice, NULL /* ours */);
    if (err_failed(err)) { /* Damaged: nothing of the notice is kept beside its message. */
        return err.code == ERR_BAD_JSON ? ERR_OK : err;
    }
    bool first = kept->data[kept->len - 1] == '[';
    add_member(kept, first ? "{\"run\":" : ",{\"run\":", json_object_get(notice, "run"));
    add_member(kept, ",\"state\":", json_object_get(notice, "state"));
    if (kept->len + row->payload.len <= KEPT_MAX - KEPT_ROOM) {
        add_member(kept, ",\"result\":", json_object_get(notice, "output"));
    }
    text_add_char(kept, '}');
    return ERR_OK;
}

static struct err add_notice(void *ctx, const struct inbox_row *row) {
    struct notices *notices = ctx;
    text_add_str(&notices->text, "\n\n");
    if (json_is_valid(row->payload)) {
        text_add(&notices->text, row->payload.data, row->payload.len);
    } else {
        text_add_str(&notices->text, "[this notice is damaged, and cannot be read]");
    }
    bool first = notices->runs.data[notices->runs.len - 1] == '[';
    text_add_str(&notices->runs, first ? "" : ",");
    text_add_json(&notices->runs, row->run.data, row->run.len);
    struct err err = keep(row, &notices->kept);
    const struct text *const texts[] = {&notices->text, &notices->runs, &notices->kept};
    for (size_t i = 0; !err_failed(err) && i < COUNT_OF(texts); i++) {
        err = text_failed(texts[i]) ? text_error(texts[i], "turns: notices") : ERR_OK;
    }
    return err;
}

static struct err begin(struct tx *tx, struct session_row *session,
                        const struct turn_followup *followup, const struct notices *notices,
                        struct run_row *ret_run) {
    const struct turn_message message = {.session = followup->session,
                                         .text = {notices->text.data, notices->text.len},
                                         .told = {notices->runs.data, notices->runs.len},
                                         .kept = {notices->kept.data, notices->kept.len},
                                         .model = {"", 0},
                                         .model_default = followup->model_default,
                                         .run = followup->run,
                                         .message = followup->message,
                                         .answer = followup->answer,
                                         .bounds = followup->bounds};
    struct why unused = {""}; /* It has no images. */
    return turns__make(tx, session, &message, TRIGGER_NOTICE, ret_run, &unused);
}

/* Messages of earlier turns that got the same notices, and failed, are removed, so that a provider
 * that is away for an hour leaves one message and not one for each try. Their runs keep what went
 * wrong. */
static struct err remove_failed(struct tx *tx, const struct session_row *session) {
    static const char sql[] =
        "SELECT " MESSAGE_COLUMNS MESSAGE_FROM " WHERE m.session = $1 AND ("
        "(m.role = 'notice' AND m.status = 'rolled_back') OR (m.role = 'assistant'"
        " AND m.status IN ('failed', 'rolled_back') AND a.role = 'notice'"
        " AND a.status = 'rolled_back')) ORDER BY m.id LIMIT $2";
    const struct arg args[] = {arg_int(session->id), arg_int(FAILED_MAX)};
    struct message_rows rows = {.count = 0};
    struct err err = messages__many(tx, sql, args, COUNT_OF(args), FAILED_MAX, &rows);
    for (size_t i = 0; i < rows.count && !err_failed(err); i++) {
        err = messages__remove(tx, session, &rows.rows[i]);
    }
    return err;
}

static struct err follow_up(struct tx *tx, struct session_row *session,
                            const struct turn_followup *followup,
                            enum turn_followed *ret_followed) {
    AUTO(notices_done) struct notices notices;
    struct run_row run;
    size_t count = 0;
    notices_init(&notices);
    const struct inbox_bind bind = {
        .session = {.owner = session->owner, .address = session->session, .kind = RECEIVER_SESSION},
        .turn = {followup->run.text, strlen(followup->run.text)}};
    struct err err = tx_inbox_bind(tx, &bind, add_notice, &notices, &count);
    *ret_followed = count > 0 ? FOLLOW_UP_BEGUN : FOLLOW_UP_IDLE;
    if (err_failed(err) || count == 0) {
        return err;
    }
    text_add_str(&notices.runs, "]}");
    text_add_str(&notices.kept, "]}");
    err = remove_failed(tx, session);
    if (err_failed(err)) {
        return err;
    }
    if (text_failed(&notices.runs) || text_failed(&notices.kept)) {
        return text_error(text_failed(&notices.runs) ? &notices.runs : &notices.kept,
                          "turns: notices");
    }
    return begin(tx, session, followup, &notices, &run);
}

/* The latest turn in the session of a workflow's agent is its step's, unless a person has written
 * there since. Nobody reads what the model would say after it, and no budget of the workflow would
 * pay for that. */
static struct err look_whether_listens(struct tx *tx, int64_t session, bool *ret_listens) {
    static const char sql[] = "SELECT count(*) FROM (SELECT r.step_key AS word FROM turns t"
                              " JOIN runs r ON r.id = t.run WHERE t.session = $1"
                              " ORDER BY t.run DESC LIMIT 1) latest WHERE word <> ''";
    const struct arg args[] = {arg_int(session)};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    int64_t of_step = 0;
    struct err err = runs__int(tx, &ask, &of_step);
    *ret_listens = of_step == 0;
    return err;
}

struct err tx_turn_follow_up(struct tx *tx, const struct turn_followup *followup,
                             enum turn_followed *ret_followed) {
    const struct inbox_receiver receiver = {.owner = followup->session.owner,
                                            .address = followup->session.session,
                                            .kind = RECEIVER_SESSION};
    struct session_row session;
    bool found = false, busy = false, more = false, listens = false;
    struct err err = sessions__find(tx, &followup->session, &found, &session);
    if (!err_failed(err) && found) {
        err = look_whether_listens(tx, session.id, &listens);
    }
    if (!err_failed(err) && !listens) {
        err = tx_inbox_receiver_gone(tx, &receiver, &more);
        *ret_followed = more ? FOLLOW_UP_MORE : FOLLOW_UP_IDLE;
        return err;
    }
    if (!err_failed(err)) {
        err = turns__busy(tx, &session, &busy);
    }
    *ret_followed = FOLLOW_UP_BUSY;
    return err_failed(err) || busy ? err : follow_up(tx, &session, followup, ret_followed);
}
