/* row_tools.c: calls of tools that are one transaction. See talk_rows.h. */
#include "dispatch/turn/row_tools.h"

#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "dispatch/turn/talk.h"
#include "engine/session/sessions.h"

static rows_fn function_of(const struct talk_work *work) {
    enum tool_id id = work->call.id;
    static const rows_fn functions[TOOL_COUNT] = {
        [TOOL_REMEMBER] = rows__remember,         [TOOL_RECALL] = rows__recall,
        [TOOL_READ_SESSION] = rows__read_session, [TOOL_SPAWN_SUBAGENT] = rows__spawn,
        [TOOL_SUBAGENT_STATUS] = rows__status,    [TOOL_SUBAGENT_RESULT] = rows__result,
        [TOOL_SUBAGENT_CANCEL] = rows__cancel,
    };
    assert(id == TOOL_RUN_WORKFLOW || functions[id] != NULL);
    return id == TOOL_RUN_WORKFLOW ? work->talk->turns->options.workflow_tool->commit
                                   : functions[id];
}

/* --- In the store ----------------------------------------------------------------------------- */

/* An error is tried again, and the next try would find the same rows. */
static struct err tell_too_large(struct tool_result *result) {
    if (result->content.no_memory) {
        return err_make(ERR_OUT_OF_MEMORY, "turns: result");
    }
    text_clear(&result->content);
    failure_result_write(CARD_TOO_LARGE,
                         "The call succeeded, but its result is too long to be shown.", result);
    return ERR_OK;
}

static struct err perform(struct tx *tx, struct talk_errand *errand, int64_t *ret_child) {
    struct talk_work *work = errand->work;
    struct turn_seat seat;
    bool late = false;
    *ret_child = 0;
    text_clear(&work->result.content);
    work->result.cause = CARD_DONE;
    struct err err = tx_turn_seat(tx, &errand->key, work->part, &late, &seat);
    if (err_failed(err) || late) {
        return err; /* The end of the card says the same. */
    }
    const struct rows_call call = {.call = &work->call,
                                   .seat = &seat,
                                   .fresh = work->fresh,
                                   .bounds = &errand->key.bounds,
                                   .result = &work->result,
                                   .ret_child = ret_child};
    err = function_of(work)(tx, &call);
    if (!err_failed(err) && text_failed(&work->result.content)) {
        err = tell_too_large(&work->result);
    }
    return err;
}

static struct err rows_tx(struct tx *tx, void *ctx) {
    struct talk_errand *errand = ctx;
    const struct tool_result *result = &errand->work->result;
    int64_t child = 0;
    struct err err = perform(tx, errand, &child);
    if (err_failed(err)) {
        return err;
    }
    errand->card = (struct turn_card_result){
        .key = errand->key,
        .part = errand->work->part,
        .cause = result->cause,
        .result = {result->content.len == 0 ? "" : result->content.data, result->content.len},
        .child = child};
    return tx_turn_card_end(tx, &errand->card, &errand->plan);
}

/* --- Before ----------------------------------------------------------------------------------- */

static bool is_named(const json_t *names, const char *name) {
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *one = json_string_value(json_array_get(names, i));
        if (one != NULL && strcmp(one, name) == 0) {
            return true;
        }
    }
    return false;
}

/* What a subagent may is at most what its parent may. */
static bool narrow(json_t *settings, json_t *tools) {
    const json_t *had = json_object_get(settings, "tools");
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const char *name = json_string_value(json_array_get(tools, i));
        enum tool_id id;
        bool known = name != NULL && tool_find(bytes_of(name), &id);
        if (!known || (had != NULL && !is_named(had, name))) {
            return false;
        }
    }
    return json_object_set(settings, "tools", tools) == 0;
}

static void write_settings(const struct talk_work *work, struct rows_fresh *fresh) {
    struct spawn_request request;
    AUTO(json_release) json_t *settings = NULL;
    spawn_request_read(&work->call, &request);
    const char *had = work->settings[0] == '\0' ? "{}" : work->settings;
    if (err_failed(json_parse_wrapped(bytes_of(had), &settings, NULL))) {
        fresh->settings_wrong = true;
        return;
    }
    if (request.tools != NULL) {
        fresh->settings_wrong = !narrow(settings, request.tools);
    }
    struct err err = json_write(settings, &fresh->settings);
    fresh->settings_wrong = fresh->settings_wrong || err_failed(err);
}

void rows__free(struct talk_work *work) {
    if (work->fresh != NULL) {
        text_done(&work->fresh->settings);
        work->talk->turns->options.workflow_tool->free(work->fresh->launch);
        mem_free(work->fresh);
    }
}

void rows__send(struct talk_work *work) {
    struct talk_errand *errand = talk__errand(work->talk, rows_tx, work__stored);
    errand->work = work;
    talk__send(errand);
}

void rows__begin(struct talk_work *work) {
    struct rows_fresh *fresh = mem_new(sizeof *fresh);
    *fresh = (struct rows_fresh){.session = talk__new_id(work->talk, "ses"),
                                 .run = talk__new_id(work->talk, "run"),
                                 .message = talk__new_id(work->talk, "msg"),
                                 .answer = talk__new_id(work->talk, "msg"),
                                 .memory = talk__new_id(work->talk, "mem")};
    text_init(&fresh->settings, SESSION_SETTINGS_MAX);
    work->fresh = fresh;
    if (work->call.id == TOOL_SPAWN_SUBAGENT) {
        write_settings(work, fresh);
    }
    if (work->call.id == TOOL_RUN_WORKFLOW) {
        work->talk->turns->options.workflow_tool->begin(work, &fresh->launch);
    } else {
        rows__send(work);
    }
}
