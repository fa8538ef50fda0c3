/* row_tools_sessions.c: another session is read; another agent is started, looked at, called
 * off. */
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/turn/row_tools.h"
#include "engine/session/messages.h"

enum { MESSAGE_BYTES = 8 << 10 }; /* Of texts and data of one message that is read. */

/* --- Reading ---------------------------------------------------------------------------------- */

/* How many of the newest there is room for. */
static struct err count_fitting(struct tx *tx, const struct message_rows *rows, size_t room,
                                size_t *ret_count) {
    AUTO(text_done) struct text text;
    text_init(&text, room);
    struct err err = ERR_OK;
    size_t count = 0;
    while (count < rows->count && !err_failed(err)) {
        err = tx_message_write_json(tx, &rows->rows[count], MESSAGE_BYTES, &text);
        text_add_char(&text, ',');
        if (text_failed(&text)) {
            break;
        }
        count++;
    }
    *ret_count = count;
    return !err_failed(err) && text.no_memory ? err_make(ERR_OUT_OF_MEMORY, "turns: messages")
                                              : err;
}

/* The oldest of them first, as one reads. */
static struct err write_messages(struct tx *tx, const struct session_row *session, int64_t last,
                                 struct text *text) {
    static const char beginning[] = ",\"messages\":[", end[] = "],\"cut\":false}";
    const struct message_page page = {
        .session = session->id, .order = MESSAGES_NEWEST, .limit = last};
    struct message_rows rows = {.count = 0};
    size_t count = 0;
    struct err err = tx_message_page(tx, &page, &rows);
    text_add_str(text, beginning);
    if (!err_failed(err)) {
        err = count_fitting(tx, &rows, TOOL_CONTENT_MAX - text->len - sizeof end, &count);
    }
    for (size_t i = count; i > 0 && !err_failed(err); i--) {
        text_add_str(text, i == count ? "" : ",");
        err = tx_message_write_json(tx, &rows.rows[i - 1], MESSAGE_BYTES, text);
    }
    text_add_str(text, count < rows.count ? "],\"cut\":true}" : end);
    return err;
}

struct err rows__read_session(struct tx *tx, const struct rows_call *call) {
    struct session_request request;
    session_request_read(call->call, &request);
    const struct session_row *own = &call->seat->session;
    const struct session_key key = {.owner = own->owner, .session = bytes_of(request.session)};
    struct session_row session;
    bool found = false;
    struct err err = tx_session_find(tx, &key, &found, &session);
    if (err_failed(err)) {
        return err;
    }
    if (!found || !bytes_equal(session.project, own->project)) {
        failure_result_write(CARD_NOT_FOUND, "There is no such session in this project.",
                             call->result);
        return ERR_OK;
    }
    struct text *text = &call->result->content;
    text_add_str(text, "{\"session\":");
    text_add_json(text, session.session.data, session.session.len);
    text_add_str(text, ",\"title\":");
    text_add_json(text, session.title.data, session.title.len);
    return write_messages(tx, &session, request.last, text);
}

/* --- Subagents -------------------------------------------------------------------------------- */

/* Texts of rows are not terminated; these are short, and ours. */
struct names {
    char id[ID_SIZE], session[ID_SIZE];
};

static void copy_name(struct bytes from, char name[ID_SIZE]) {
    size_t len = from.len < ID_SIZE - 1 ? from.len : ID_SIZE - 1;
    memcpy(name, from.data, len);
    name[len] = '\0';
}

static struct subagent_view view_of(struct tx *tx, const struct subagent *subagent,
                                    struct names *names) {
    const struct run_row *run = &subagent->run;
    int64_t until = run->ended_ms > 0 ? run->ended_ms : tx_now_ms(tx);
    copy_name(run->run, names->id);
    copy_name(subagent->session, names->session);
    return (struct subagent_view){.id = names->id,
                                  .session = names->session,
                                  .status = run_state_name(run->state),
                                  .created_ms = run->made_ms,
                                  .ended_ms = run->ended_ms,
                                  .elapsed_s =
                                      until > run->made_ms ? (until - run->made_ms) / 1000 : 0,
                                  .summary = run->note};
}

struct err rows__spawn(struct tx *tx, const struct rows_call *call) {
    struct spawn_request request;
    struct subagent subagent;
    struct names names;
    struct why why = {.text = ""};
    const struct rows_fresh *fresh = call->fresh;
    spawn_request_read(call->call, &request);
    if (fresh->settings_wrong) {
        failure_result_write(CARD_BAD_ARGUMENTS, "tools: names of tools that you have yourself",
                             call->result);
        return ERR_OK;
    }
    const struct subagent_new what = {.seat = call->seat,
                                      .input = bytes_of(request.input),
                                      .model = bytes_of(request.model),
                                      .agent = bytes_of(request.agent),
                                      .label = bytes_of(request.label),
                                      .settings = {fresh->settings.data, fresh->settings.len},
                                      .cost_micros = request.budget_micros,
                                      .session = fresh->session,
                                      .run = fresh->run,
                                      .message = fresh->message,
                                      .answer = fresh->answer,
                                      .bounds = *call->bounds};
    struct err err = tx_subagent_spawn(tx, &what, &subagent, &why);
    if (err.code == ERR_CONFLICT || err.code == ERR_BUDGET_TOO_DEEP) {
        failure_result_write(CARD_REFUSED, why.text[0] != '\0' ? why.text : "It would be too deep.",
                             call->result);
        return ERR_OK;
    }
    if (!err_failed(err)) {
        struct subagent_view view = view_of(tx, &subagent, &names);
        spawn_result_write(&view, call->result);
    }
    return err;
}

/* *ret_found false: the result says so. */
static struct err find(struct tx *tx, const struct rows_call *call, bool *ret_found,
                       struct subagent *ret_subagent) {
    const char *id = subagent_id_read(call->call);
    struct err err = tx_subagent_find(tx, call->seat, bytes_of(id), ret_found, ret_subagent);
    if (!err_failed(err) && !*ret_found) {
        failure_result_write(CARD_NOT_FOUND, "That is not the id of a subagent of this session.",
                             call->result);
    }
    return err;
}

struct err rows__status(struct tx *tx, const struct rows_call *call) {
    struct subagent subagent;
    struct names names;
    bool found = false;
    struct err err = find(tx, call, &found, &subagent);
    if (!err_failed(err) && found) {
        struct subagent_view view = view_of(tx, &subagent, &names);
        subagent_status_write(&view, call->result);
    }
    return err;
}

/* Its beginning and its end, together about `most` bytes. */
static struct err cut_output(struct tx *tx, struct bytes whole, size_t most,
                             struct bytes *ret_cut) {
    enum { HOLE_MAX = 64 };
    size_t head = utf8_cut(whole, most / 2), tail = whole.len - most / 2;
    while (tail < whole.len && ((unsigned char)whole.data[tail] & 0xC0) == 0x80) {
        tail++;
    }
    AUTO(text_done) struct text text;
    text_init(&text, most + HOLE_MAX);
    text_add(&text, whole.data, head);
    text_addf(&text, "\n[%zu bytes are left out here]\n", tail - head);
    text_add(&text, whole.data + tail, whole.len - tail);
    char *copy = text_failed(&text) ? NULL : arena_try_copy(tx_arena(tx), text.data, text.len);
    if (copy == NULL) {
        return text_error(&text, "turns: output");
    }
    *ret_cut = (struct bytes){copy, text.len};
    return ERR_OK;
}

/* How much room it takes as JSON shows when it is written. */
static struct err write_result(struct tx *tx, struct subagent_view *view,
                               struct tool_result *result) {
    const struct bytes whole = view->output;
    struct err err = ERR_OK;
    subagent_result_write(view, result);
    for (size_t most = TOOL_CONTENT_MAX - (TOOL_CONTENT_MAX >> 3);
         !err_failed(err) && text_failed(&result->content) && !result->content.no_memory;
         most /= 2) {
        text_clear(&result->content);
        err = most < whole.len ? cut_output(tx, whole, most, &view->output) : ERR_OK;
        subagent_result_write(view, result);
    }
    return err;
}

struct err rows__result(struct tx *tx, const struct rows_call *call) {
    struct subagent subagent;
    struct names names;
    bool found = false;
    struct bytes output = {"", 0};
    AUTO(text_done) struct text usage;
    AUTO(json_release) json_t *json = NULL;
    text_init(&usage, 1 << 10);
    struct err err = find(tx, call, &found, &subagent);
    if (err_failed(err) || !found) {
        return err;
    }
    if (run_state_final(subagent.run.state)) {
        err = tx_subagent_fetch(tx, call->seat, &subagent, &output);
        session_write_usage(&subagent.usage, &usage);
    }
    if (!err_failed(err) && usage.len > 0) {
        err = json_parse_wrapped((struct bytes){usage.data, usage.len}, &json, NULL);
    }
    if (!err_failed(err)) {
        struct subagent_view view = view_of(tx, &subagent, &names);
        view.output = output;
        view.usage = json;
        err = write_result(tx, &view, call->result);
    }
    return err;
}

struct err rows__cancel(struct tx *tx, const struct rows_call *call) {
    struct subagent subagent;
    struct names names;
    bool found = false;
    struct err err = find(tx, call, &found, &subagent);
    if (!err_failed(err) && found) {
        err = tx_subagent_cancel(tx, &subagent, call->bounds, &subagent.run);
    }
    if (!err_failed(err) && found) {
        struct subagent_view view = view_of(tx, &subagent, &names);
        subagent_cancel_write(&view, call->result);
    }
    return err;
}
