/* row_tools.c: calls of tools that are one transaction: memories are kept and found, another
 * session is read; another agent is started, looked at, called off. See work.h. */
#include "base/json/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/turn/tool_settings.h"
#include "dispatch/turn/work.h"
#include "engine/memory/memory.h"
#include "engine/session/messages.h"
#include "engine/session/sessions.h"

enum { MESSAGE_BYTES = 8 << 10 }; /* Limit for the texts and data of a message. */

static struct err answer_failure(const struct rows_call *call, enum card_cause cause,
                                 const char *words) {
    failure_result_write(cause, words, call->result);
    return ERR_OK;
}

/* --- Memories --------------------------------------------------------------------------------- */

static struct err answer_memory(struct err stored, const struct rows_call *call,
                                const struct memory *memory) {
    if (!err_failed(stored)) {
        fields_write(&memory_resource.fields, FIELD_LISTED, memory, &call->result->content);
    }
    return stored;
}

static struct err memory_create(struct tx *tx, const struct rows_call *call,
                                const struct remember_request *request) {
    const struct turn_seat *seat = call->seat;
    struct memory memory = {
        .id = call->fresh->memory,
        .owner = seat->session.owner,
        .project = request->global ? BYTES("") : seat->session.project,
        .topic = bytes_of(request->topic),
        .title = bytes_of(request->title),
        .content = bytes_of(request->content),
        .tags = {.given = request->tags},
    };
    struct why why = {.text = ""};
    if (err_failed(fields_check(&memory_resource.fields, FIELD_GIVEN, &memory, &why))) {
        return answer_failure(call, CARD_BAD_ARGUMENTS, why.text);
    }
    struct err err = tx_resource_insert(tx, &memory_resource, &memory);
    if (err.code == ERR_TOO_MANY) {
        return answer_failure(call, CARD_TOO_MANY,
                              "There is no room for more memories; forget some.");
    }
    return answer_memory(err, call, &memory);
}

/* An empty argument leaves the text as it was. */
static void argument_take(const char *given, struct bytes *text) {
    *text = given[0] == '\0' ? *text : bytes_of(given);
}

static struct err memory_alter(struct tx *tx, const struct rows_call *call,
                               const struct remember_request *request, struct memory *memory) {
    struct why why = {.text = ""};
    argument_take(request->topic, &memory->topic);
    argument_take(request->title, &memory->title);
    argument_take(request->content, &memory->content);
    memory->tags.given = request->tags;
    if (err_failed(fields_check(&memory_resource.fields, FIELD_GIVEN, memory, &why))) {
        return answer_failure(call, CARD_BAD_ARGUMENTS, why.text);
    }
    return answer_memory(tx_resource_update(tx, &memory_resource, FIELD_SET, memory), call, memory);
}

static struct err rows_remember(struct tx *tx, const struct rows_call *call) {
    const struct session_row *session = &call->seat->session;
    struct remember_request request;
    struct why why = {.text = ""};
    if (!remember_request_read(call->call, &request, &why)) {
        return answer_failure(call, CARD_BAD_ARGUMENTS, why.text);
    }
    if (request.action == REMEMBER_CREATE) {
        return memory_create(tx, call, &request);
    }
    /* Only what this project can see. */
    const struct resource_key key = {.owner = session->owner, .id = bytes_of(request.id)};
    struct memory memory;
    bool found = true;
    TRY(tx_resource_find(tx, &memory_resource, &key, &found, &memory));
    if (!found || (memory.project.len > 0 && !bytes_equal(memory.project, session->project))) {
        return answer_failure(call, CARD_NOT_FOUND,
                              "There is no memory with that id; recall finds them.");
    }
    if (request.action == REMEMBER_CHANGE) {
        return memory_alter(tx, call, &request, &memory);
    }
    struct err err = tx_resource_remove(tx, &memory_resource, &key, &why);
    if (!err_failed(err)) {
        struct text *text = &call->result->content;
        text_add_char(text, '{');
        text_add_member(text, "id", key.id);
        text_add_str(text, ",\"forgotten\":true}");
    }
    return err;
}

/* The best come first; of those after them, as many as there is room for. */
static struct err write_memory(void *ctx, const void *memory) {
    struct text *text = ctx;
    AUTO(text_done) struct text one = text_up_to(TOOL_CONTENT_MAX);
    fields_write(&memory_resource.fields, FIELD_LISTED, memory, &one);
    if (one.no_memory) {
        return err_make(ERR_OUT_OF_MEMORY, "turns: memory");
    }
    if (!text_failed(&one) && text->len + one.len + sizeof ",]" <= TOOL_CONTENT_MAX) {
        text_add_str(text, text->len > 1 ? "," : "");
        text_add(text, one.data, one.len);
    }
    return ERR_OK;
}

static struct err rows_recall(struct tx *tx, const struct rows_call *call) {
    struct recall_request request;
    recall_request_read(call->call, &request);
    const struct memory_question question = {
        .scope = {.owner = call->seat->session.owner,
                  .about = MEMORY_ABOUT_PROJECT,
                  .project = call->seat->session.project,
                  .topic = bytes_of(request.topic)},
        .query = bytes_of(request.query),
        .limit = request.limit,
    };
    struct text *text = &call->result->content;
    text_add_char(text, '[');
    struct err err = tx_memory_recall(tx, &question, write_memory, text);
    text_add_char(text, ']');
    return err;
}

/* --- Another session -------------------------------------------------------------------------- */

/* Number of the newest messages that there is room for. */
static struct err count_fitting(struct tx *tx, const struct message_rows *rows, size_t room,
                                size_t *ret_count) {
    AUTO(text_done) struct text text = text_up_to(room);
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

static struct err rows_read_session(struct tx *tx, const struct rows_call *call) {
    static const char end[] = "],\"cut\":false}";
    const struct session_row *own = &call->seat->session;
    struct text *text = &call->result->content;
    struct session_request request;
    session_request_read(call->call, &request);
    const struct session_key key = {.owner = own->owner, .session = bytes_of(request.session)};
    struct session_row session;
    bool found = false;
    TRY(tx_session_find(tx, &key, &found, &session));
    if (!found || !bytes_equal(session.project, own->project)) {
        return answer_failure(call, CARD_NOT_FOUND, "There is no such session in this project.");
    }
    text_add_char(text, '{');
    text_add_member(text, "session", session.session);
    text_add_member(text, "title", session.title);
    text_add_str(text, ",\"messages\":[");
    const struct message_page page = {
        .session = session.id, .order = MESSAGES_NEWEST, .limit = request.last};
    struct message_rows rows = {.count = 0};
    size_t count = 0;
    struct err err = tx_message_page(tx, &page, &rows);
    if (!err_failed(err)) {
        err = count_fitting(tx, &rows, TOOL_CONTENT_MAX - text->len - sizeof end, &count);
    }
    /* The oldest of them first, as one reads. */
    for (size_t i = count; i > 0 && !err_failed(err); i--) {
        text_add_str(text, i == count ? "" : ",");
        err = tx_message_write_json(tx, &rows.rows[i - 1], MESSAGE_BYTES, text);
    }
    text_add_str(text, count < rows.count ? "],\"cut\":true}" : end);
    return err;
}

/* --- Subagents -------------------------------------------------------------------------------- */

/* A subagent, with its names terminated: texts of rows are not; these are short, and ours. */
struct shown {
    struct subagent subagent;
    char id[ID_SIZE], session[ID_SIZE];
};

static void copy_name(struct bytes from, char name[ID_SIZE]) {
    size_t len = from.len < ID_SIZE - 1 ? from.len : ID_SIZE - 1;
    memcpy(name, from.data, len);
    name[len] = '\0';
}

static struct subagent_view view_of(struct tx *tx, struct shown *shown) {
    const struct run_row *run = &shown->subagent.run;
    int64_t until = run->ended_ms > 0 ? run->ended_ms : tx_now_ms(tx);
    copy_name(run->run, shown->id);
    copy_name(shown->subagent.session, shown->session);
    return (struct subagent_view){.id = shown->id,
                                  .session = shown->session,
                                  .status = run_state_name(run->state),
                                  .created_ms = run->made_ms,
                                  .ended_ms = run->ended_ms,
                                  .elapsed_s =
                                      until > run->made_ms ? (until - run->made_ms) / 1000 : 0,
                                  .summary = run->note};
}

static struct err rows_spawn(struct tx *tx, const struct rows_call *call) {
    const struct rows_fresh *fresh = call->fresh;
    struct spawn_request request;
    struct shown shown;
    struct why why = {.text = ""};
    spawn_request_read(call->call, &request);
    if (fresh->settings_wrong) {
        return answer_failure(call, CARD_BAD_ARGUMENTS,
                              "tools: names of tools that you have yourself");
    }
    const struct subagent_new what = {.seat = call->seat,
                                      .input = bytes_of(request.input),
                                      .model = fresh->program.len > 0 ? text_bytes(&fresh->model)
                                                                      : bytes_of(request.model),
                                      .program = text_bytes(&fresh->program),
                                      .agent = bytes_of(request.agent),
                                      .label = bytes_of(request.label),
                                      .settings = {fresh->settings.data, fresh->settings.len},
                                      .cost_micros = request.budget_micros,
                                      .session = fresh->session,
                                      .run = fresh->run,
                                      .message = fresh->message,
                                      .answer = fresh->answer,
                                      .bounds = *call->bounds};
    struct err err = tx_subagent_spawn(tx, &what, &shown.subagent, &why);
    if (err.code == ERR_CONFLICT) {
        return answer_failure(call, CARD_REFUSED, why.text); /* Nothing was written yet. */
    }
    if (!err_failed(err)) {
        struct subagent_view view = view_of(tx, &shown);
        spawn_result_write(&view, call->result);
    }
    return err;
}

/* *ret_found false: the result says so. */
static struct err subagent_find(struct tx *tx, const struct rows_call *call, bool *ret_found,
                                struct shown *ret_shown) {
    const char *id = subagent_id_read(call->call);
    struct err err =
        tx_subagent_find(tx, call->seat, bytes_of(id), ret_found, &ret_shown->subagent);
    if (err_failed(err) || *ret_found) {
        return err;
    }
    return answer_failure(call, CARD_NOT_FOUND,
                          "That is not the id of a subagent of this session.");
}

/* Shows a subagent, or calls it off. */
static struct err rows_subagent(struct tx *tx, const struct rows_call *call) {
    bool cancels = call->call->id == TOOL_SUBAGENT_CANCEL, found = false;
    struct shown shown;
    struct err err = subagent_find(tx, call, &found, &shown);
    if (!err_failed(err) && found && cancels) {
        err = tx_subagent_cancel(tx, &shown.subagent, call->bounds, &shown.subagent.run);
    }
    if (!err_failed(err) && found) {
        struct subagent_view view = view_of(tx, &shown);
        err = cancels ? ERR_OK : tx_subagent_progress(tx, &shown.subagent, &view.progress);
        (cancels ? subagent_cancel_write : subagent_status_write)(&view, call->result);
    }
    return err;
}

/* The beginning and the end of an output, together about `most` bytes. */
static struct err cut_output(struct tx *tx, struct bytes whole, size_t most,
                             struct bytes *ret_cut) {
    enum { HOLE_MAX = 64 };
    size_t head = utf8_cut(whole, most / 2), tail = whole.len - most / 2;
    while (tail < whole.len && ((unsigned char)whole.data[tail] & 0xC0) == 0x80) {
        tail++;
    }
    AUTO(text_done) struct text text = text_up_to(most + HOLE_MAX);
    text_add(&text, whole.data, head);
    text_addf(&text, "\n[%zu bytes are left out here]\n", tail - head);
    text_add(&text, whole.data + tail, whole.len - tail);
    *ret_cut = tx_copy_text(tx, &text, "turns: output");
    return tx_error(tx);
}

static struct err rows_result(struct tx *tx, const struct rows_call *call) {
    struct tool_result *result = call->result;
    struct shown shown;
    bool found = false;
    AUTO(text_done) struct text usage = text_up_to(1 << 10);
    AUTO(json_release) json_t *json = NULL;
    struct bytes output = BYTES("");
    struct err err = subagent_find(tx, call, &found, &shown);
    if (!err_failed(err) && found && run_state_final(shown.subagent.run.state)) {
        err = tx_subagent_fetch(tx, call->seat, &shown.subagent, &output);
        fields_write(&session_usage_fields, FIELD_LISTED, &shown.subagent.usage, &usage);
    }
    if (!err_failed(err) && usage.len > 0) {
        err = json_parse_wrapped(text_bytes(&usage), &json, NULL);
    }
    if (err_failed(err) || !found) {
        return err;
    }
    struct subagent_view view = view_of(tx, &shown);
    view.output = output;
    view.usage = json;
    subagent_result_write(&view, result);
    /* The room that the output takes as JSON shows when it is written. */
    for (size_t most = TOOL_CONTENT_MAX - (TOOL_CONTENT_MAX >> 3);
         !err_failed(err) && text_failed(&result->content) && !result->content.no_memory;
         most /= 2) {
        text_clear(&result->content);
        err = most < output.len ? cut_output(tx, output, most, &view.output) : ERR_OK;
        subagent_result_write(&view, result);
    }
    return err;
}

/* --- The transaction -------------------------------------------------------------------------- */

static struct err rows_perform(struct tx *tx, struct talk_errand *errand) {
    static const rows_fn functions[TOOL_COUNT] = {
        [TOOL_REMEMBER] = rows_remember,         [TOOL_RECALL] = rows_recall,
        [TOOL_READ_SESSION] = rows_read_session, [TOOL_SPAWN_SUBAGENT] = rows_spawn,
        [TOOL_SUBAGENT_STATUS] = rows_subagent,  [TOOL_SUBAGENT_RESULT] = rows_result,
        [TOOL_SUBAGENT_CANCEL] = rows_subagent,  [TOOL_TASK_ADD] = rows__task,
        [TOOL_TASK_COMMENT] = rows__task,        [TOOL_TASK_OUTPUT] = rows__task,
        [TOOL_TASK_SHOW] = rows__task,           [TOOL_TASK_STATUS] = rows__task,
    };
    struct talk_work *work = errand->work;
    struct tool_result *result = &work->result;
    const enum tool_id id = work->call.id;
    rows_fn fn =
        id == TOOL_RUN_WORKFLOW ? work->talk->turns->options.workflow_tool->commit : functions[id];
    struct turn_seat seat;
    int64_t child = 0;
    bool late = false;
    assert(fn != NULL);
    text_clear(&result->content);
    result->cause = CARD_DONE;
    work->fresh->checking.attempt = id_copy(BYTES(""));
    struct err err = tx_turn_seat(tx, &errand->key, work->card.part, &late, &seat);
    if (!err_failed(err) && !late) { /* Else the end of the card says the same. */
        const struct rows_call call = {
            .call = &work->call,
            .seat = &seat,
            .fresh = work->fresh,
            .checking = work->talk->turns->options.musts == NULL ? NULL : &work->fresh->checking,
            .bounds = &errand->key.bounds,
            .run = work->talk->name,
            .result = result,
            .ret_child = &child};
        err = fn(tx, &call);
    }
    if (!err_failed(err) && result->content.no_memory) {
        err = err_make(ERR_OUT_OF_MEMORY, "turns: result");
    }
    if (err_failed(err) || work->fresh->checking.attempt.text[0] != '\0') {
        return err;
    }
    if (text_failed(&result->content)) {
        /* An error is tried again, and the next try would find the same rows. */
        text_clear(&result->content);
        failure_result_write(CARD_TOO_LARGE,
                             "The call succeeded, but its result is too long to be shown.", result);
    }
    errand->card = (struct turn_card_result){.key = errand->key,
                                             .part = work->card.part,
                                             .cause = result->cause,
                                             .result = text_bytes(&result->content),
                                             .child = child};
    return tx_turn_card_end(tx, &errand->card, &errand->plan);
}

/* --- Before ----------------------------------------------------------------------------------- */

static void on_checked(struct must_wait *wait) {
    struct rows_fresh *fresh = CONTAINER_OF(wait, struct rows_fresh, wait);
    if (!work__is_over(fresh->work)) {
        rows__send(fresh->work);
    }
}

/* The call has its result, or waits for a check of must-haves and is sent again. */
static void on_rows_performed(struct talk_errand *errand) {
    struct talk_work *work = errand->work;
    if (work->fresh->checking.attempt.text[0] == '\0') {
        errand__perform(errand);
        return;
    }
    errand__free(errand);
    if (work__is_over(work)) {
        return;
    }
    if (atomic_load(&work->cancelled)) {
        text_clear(&work->result.content);
        failure_result_write(CARD_STOPPED, "It was stopped.", &work->result);
        work__settle(work);
    } else {
        work->fresh->work = work;
        work->fresh->wait.done = on_checked;
        must_wait_start(work->talk->turns->options.musts, &work->fresh->checking,
                        &work->fresh->wait);
    }
}

void rows__send(struct talk_work *work) {
    struct talk_errand *errand = work__errand(work, ERRAND_ROWS);
    errand->rows = rows_perform;
    errand->done = on_rows_performed;
    talk__send(errand);
}

/* The pool has looked for the program or file that the call names. */
static void on_rows_prepared(struct talk_work *work) {
    if (err_failed(work->err)) {
        failure_result_write(CARD_NO_MEMORY, "There was no memory to read this file; try it again.",
                             &work->result);
    }
    if (work->result.cause == CARD_DONE) {
        rows__send(work);
    } else {
        work__settle(work);
    }
}

void rows__begin(struct talk_work *work) {
    struct rows_fresh *fresh = mem_new(sizeof *fresh);
    *fresh = (struct rows_fresh){.session = talk__new_id(work->talk, "ses"),
                                 .run = talk__new_id(work->talk, "run"),
                                 .message = talk__new_id(work->talk, "msg"),
                                 .answer = talk__new_id(work->talk, "msg"),
                                 .memory = talk__new_id(work->talk, "mem")};
    const enum tool_id id = work->call.id;
    text_init(&fresh->settings, SESSION_SETTINGS_MAX);
    work->fresh = fresh;
    if (id == TOOL_SPAWN_SUBAGENT) {
        struct spawn_request request;
        spawn_request_read(&work->call, &request);
        fresh->settings_wrong = !toolplace_narrow(work->settings, request.tools, &fresh->settings);
    }
    if ((tool_get(id)->needs & TOOL_NEEDS_TASK) != 0) {
        fresh->record = talk__new_id(work->talk, id == TOOL_TASK_ADD      ? "tsk"
                                                 : id == TOOL_TASK_OUTPUT ? "out"
                                                                          : "cmt");
    }
    if (id == TOOL_RUN_WORKFLOW) {
        work->talk->turns->options.workflow_tool->begin(work, &fresh->launch);
    } else if (subagent__is_program(&work->call)) {
        work__pool(work, subagent__find, on_rows_prepared);
    } else if (id == TOOL_TASK_OUTPUT &&
               json_object_get(work->call.input, "content_path") != NULL) {
        work__pool(work, task__read_file, on_rows_prepared);
    } else {
        rows__send(work);
    }
}
