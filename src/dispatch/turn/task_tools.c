/* task_tools.c: tools of an attempt at a task: its status, outputs and comments, and tasks that are
 * found on the way. They write rows of the own task, which is found by the run of the turn
 * (engine/board/board.h). A refusal is the result of the call, so that the model can correct it.
 * See work.h. */
#include "base/json/json.h"
#include "base/utf8.h"
#include "dispatch/turn/tool_settings.h"
#include "dispatch/turn/work.h"
#include "engine/board/board.h"

/* --- Refusals --------------------------------------------------------------------------------- */

/* Only of functions that refuse before they write: the end of the card is in the same commit. */
static struct err answer_refusal(struct tx *tx, const struct rows_call *call, struct err err,
                                 const struct why *why) {
    if (!err_failed(err) || why->text[0] == '\0' || err_failed(tx_error(tx))) {
        return err;
    }
    const enum card_cause cause = card_cause_of_error(err.code);
    coded_result_write(cause == CARD_IO_ERROR ? CARD_REFUSED : cause, err_name(err.code), why->text,
                       call->result);
    return ERR_OK;
}

/* --- Calls ------------------------------------------------------------------------------------ */

struct task_call {
    const struct rows_call *call;
    const json_t *input;
    struct task_key key; /* The own task. */
    struct board_client client;
    struct bytes record; /* Name for what is written. */
};

/* All sentences, each in a paragraph. */
static struct err unmet_answer(const struct rows_call *call, const struct text *unmet) {
    enum { MESSAGE_MAX = 24 << 10 }; /* Bytes, of which each may become several as JSON. */
    AUTO(json_release) json_t *list = NULL;
    AUTO(text_done) struct text message = text_up_to(MUST_UNMET_MAX);
    const struct err err = json_parse_wrapped(text_bytes(unmet), &list, NULL);
    text_add_str(&message, "not met:");
    for (size_t i = 0; i < json_array_size(list) && message.len < MESSAGE_MAX; i++) {
        const struct bytes sentence = json_text(json_array_get(list, i));
        text_addf(&message, "\n\n- %.*s", (int)sentence.len, sentence.data);
    }
    if (!err_failed(err)) {
        coded_result_write(CARD_REFUSED, err_name(ERR_MUST_HAVE), text_bytes(&message).data,
                           call->result);
    }
    return err;
}

static void status_add(const struct task *task, struct text *text) {
    text_add_char(text, '{');
    text_add_member(text, "task", task->name);
    text_add_member(text, "status", bytes_of(task_status_names[task->status]));
    text_add_char(text, '}');
}

static struct err status_move(struct tx *tx, const struct task_call *own, struct why *why) {
    AUTO(text_done) struct text unmet = text_up_to(MUST_UNMET_MAX);
    const struct rows_call *call = own->call;
    struct text *text = &call->result->content;
    struct task_status_request request;
    struct task task;
    bool more = false; /* Only where a person stops an attempt. */
    task_status_request_read(call->call, &request);
    if (request.detail.len > TASK_TEXT_MAX || request.question.len > TASK_TEXT_MAX) {
        return err_why(why, ERR_BAD_FIELD, "detail and question have at most %d bytes",
                       TASK_TEXT_MAX);
    }
    const struct task_move move = {.key = own->key,
                                   .client = own->client,
                                   .to = request.to,
                                   .detail = request.detail,
                                   .question = request.question,
                                   .answer = BYTES(""),
                                   .bounds = *call->bounds,
                                   .checked = call->fresh->wait.checked,
                                   .checking = call->checking,
                                   .unmet = &unmet};
    const struct err err = tx_task_move(tx, &move, &task, &more, why);
    if (err.code == ERR_MUST_HAVE) {
        return unmet_answer(call, &unmet);
    }
    if (!err_failed(err)) {
        status_add(&task, text);
    }
    return err;
}

static struct err output_add(struct tx *tx, const struct task_call *own, struct why *why) {
    const struct rows_call *call = own->call;
    struct text *text = &call->result->content;
    struct task_output output = {.summary = BYTES("")};
    struct err err =
        fields_read(&task_output_resource.fields, FIELD_GIVEN, own->input, &output, why);
    if (err_failed(err)) {
        return err;
    }
    if (output.path.len > 0) {
        output.content = text_bytes(&call->fresh->content);
    }
    const struct sha256 hash = sha256_of(output.content.data, output.content.len);
    const struct sha256_hex hex = sha256_hex(&hash);
    output.output = own->record;
    output.bytes = (int64_t)output.content.len;
    output.hash = bytes_of(hex.text);
    err = tx_task_output_add(tx, &own->key, &own->client, &output, why);
    if (!err_failed(err)) {
        text_add_char(text, '{');
        text_add_member(text, "output", output.output);
        text_add_member(text, "type", output.type);
        text_add_member(text, "title", output.title);
        text_add_member_int(text, "bytes", output.bytes);
        if (output.plan) {
            text_add_member(text, "note", bytes_of(task_plan_note));
        }
        text_add_char(text, '}');
    }
    return err;
}

static struct err comment_add(struct tx *tx, const struct task_call *own, struct why *why) {
    struct text *text = &own->call->result->content;
    struct task_comment comment = {.comment = own->record};
    struct err err =
        fields_read(&task_comment_resource.fields, FIELD_GIVEN, own->input, &comment, why);
    err = err_failed(err) ? err : tx_task_comment_add(tx, &own->key, &own->client, &comment, why);
    if (!err_failed(err)) {
        text_add_char(text, '{');
        text_add_member(text, "comment", comment.comment);
        text_add_char(text, '}');
    }
    return err;
}

/* {"output", "title", "bytes", "offset", "content", "next_offset"}: as much of it as there is room
 * for. As JSON a byte may become six. */
static void piece_write(const struct task_output *output, size_t offset, struct text *text) {
    struct bytes rest = output->content;
    offset = utf8_cut(rest, offset < rest.len ? offset : rest.len);
    rest = (struct bytes){rest.data + offset, rest.len - offset};
    for (size_t most = TOOL_CONTENT_MAX; text->len == 0 || text_failed(text); most /= 2) {
        const size_t len = utf8_cut(rest, most);
        text_clear(text);
        text_add_char(text, '{');
        text_add_member(text, "output", output->output);
        text_add_member(text, "title", output->title);
        text_add_member_int(text, "bytes", output->bytes);
        text_add_member_int(text, "offset", (int64_t)offset);
        text_add_member(text, "content", (struct bytes){rest.data, len});
        if (len < rest.len) {
            text_add_member_int(text, "next_offset", (int64_t)(offset + len));
        }
        text_add_char(text, '}');
        if (text->no_memory) {
            return;
        }
    }
}

static struct err task_show(struct tx *tx, const struct task_call *own, struct why *why) {
    struct text *text = &own->call->result->content;
    const struct bytes id = json_bytes(own->input, "output");
    const json_t *offset = json_object_get(own->input, "offset");
    struct task task;
    struct task_output output;
    struct err err = tx_task_find(tx, &own->key, &own->client, &task, why);
    if (err_failed(err) || id.len == 0) {
        return err_failed(err) ? err : tx_task_brief(tx, &task, TOOL_CONTENT_MAX, text);
    }
    err = tx_task_output_find(tx, &task, id, &output, why);
    if (!err_failed(err)) {
        piece_write(&output, (size_t)json_integer_value(offset), text);
    }
    return err;
}

/* --- A task that was found -------------------------------------------------------------------- */

/* A task that does not exist is refused here: tx_task_add finds it when the row is written. */
static struct err needs_find(struct tx *tx, const struct task_call *own, const struct task *from,
                             const json_t *names, struct why *why) {
    struct err err = ERR_OK;
    for (size_t i = 0; i < json_array_size(names) && !err_failed(err); i++) {
        const struct task_key key = {.owner = from->owner,
                                     .project = from->project,
                                     .task = json_text(json_array_get(names, i))};
        struct task ignored;
        err = tx_task_find(tx, &key, &own->client, &ignored, why);
    }
    return err;
}

/* The links that were given, and one to the task on whose way it was found. */
static struct err links_write(const struct task *from, const json_t *given, struct text *text,
                              struct why *why) {
    AUTO(json_release) json_t *links = json_array();
    bool linked = false;
    for (size_t i = 0; i < json_array_size(given); i++) {
        json_t *link = json_array_get(given, i);
        linked = linked || (bytes_is(json_bytes(link, "kind"), "discovered_from") &&
                            bytes_equal(json_bytes(link, "task"), from->name));
        (void)json_array_append(links, link);
    }
    if (!linked) {
        json_t *link = json_object();
        (void)json_object_set_new(link, "kind", json_string("discovered_from"));
        (void)json_object_set_new(link, "task", json_stringn(from->name.data, from->name.len));
        (void)json_array_append_new(links, link);
    }
    return task_links_write(links, text, why);
}

static struct err task_add(struct tx *tx, const struct task_call *own, struct why *why) {
    AUTO(text_done) struct text links = text_up_to(TASK_LISTS_MAX);
    AUTO(text_done) struct text needs = text_up_to(TASK_LISTS_MAX);
    struct text *text = &own->call->result->content;
    struct task task = {.task = own->record}, from;
    struct err err = fields_read(&task_resource.fields, FIELD_GIVEN, own->input, &task, why);
    err = err_failed(err) ? err : tx_task_find(tx, &own->key, &own->client, &from, why);
    err = err_failed(err) ? err : links_write(&from, task.links_given, &links, why);
    if (!err_failed(err) && task.depends_given != NULL) {
        err = task_needs_write(task.depends_given, &needs, why);
        err = err_failed(err) ? err : needs_find(tx, own, &from, task.depends_given, why);
    }
    if (err_failed(err)) {
        return err;
    }
    struct board_who who;
    TRY(tx_board_who(tx, &own->key, &own->client, &from, &who, why));
    task.owner = from.owner;
    task.project = from.project;
    task.links = text_bytes(&links);
    task.depends_on = text_bytes(&needs);
    task_complete(&task);
    tx_task_from_agent(tx, &who, &task);
    err = tx_task_add(tx, &task, why);
    if (!err_failed(err)) {
        status_add(&task, text);
    }
    return err;
}

/* --- The transaction -------------------------------------------------------------------------- */

struct err rows__task(struct tx *tx, const struct rows_call *call) {
    const struct task_call own = {
        .call = call,
        .input = call->call->input,
        .key = {.owner = call->seat->session.owner, .project = BYTES("_"), .task = BYTES("_")},
        .client = {.inside = call->run, .label = BYTES("")},
        .record = bytes_of(call->fresh->record.text)};
    struct why why = {.text = ""};
    struct err err = ERR_OK;
    switch (call->call->id) {
    case TOOL_TASK_ADD:
        err = task_add(tx, &own, &why);
        break;
    case TOOL_TASK_COMMENT:
        err = comment_add(tx, &own, &why);
        break;
    case TOOL_TASK_OUTPUT:
        err = output_add(tx, &own, &why);
        break;
    case TOOL_TASK_SHOW:
        err = task_show(tx, &own, &why);
        break;
    default:
        err = status_move(tx, &own, &why);
        break;
    }
    return answer_refusal(tx, call, err, &why);
}

/* --- Before ----------------------------------------------------------------------------------- */

void task__read_file(struct talk_work *work) {
    AUTO(toolplace_close) struct toolplace place;
    AUTO(tool_look_done) struct tool_look look;
    AUTO(tool_result_done) struct tool_result file;
    work__open_place(work, &place);
    tool_look_init(&look);
    tool_result_init(&file);
    file.content.size_max = TASK_OUTPUT_MAX + 1;
    work->err = tool_look(&work->call, &place.place, &look);
    if (!err_failed(work->err)) {
        work->err = tool_perform(&work->call, &place.place, &look, &file);
    }
    if (err_failed(work->err)) {
        return;
    }
    if (file.cause != CARD_DONE) {
        failure_result_write(file.cause, file.content.data, &work->result);
        return;
    }
    work->fresh->content = file.content;
    file.content = (struct text){0}; /* Handed over. */
}
