/* messages.c: members of what a worker gets (script/protocol.h). */
#include "dispatch/workflow/history.h"

void flow__add_member(struct text *text, const char *name, const char *value) {
    text_add_name(text, name);
    if (value == NULL) {
        text_add_str(text, "null");
    } else {
        text_add_json(text, value, strlen(value));
    }
}

void flow__add_limit(struct text *text, const char *name, int64_t number, int64_t none) {
    if (number == none) {
        flow__add_member(text, name, NULL);
    } else {
        text_add_member_int(text, name, number);
    }
}

struct err flow__add_json(struct text *text, const char *name, const json_t *json) {
    text_add_name(text, name);
    if (json == NULL) {
        text_add_str(text, "null");
        return ERR_OK;
    }
    return json_write(json, text);
}

void flows__send(struct script_worker *worker, struct text *message) {
    size_t len = 0;
    char *frame = text_take(message, &len);
    script_busy(worker);
    script_send(worker, frame, len);
}

struct script_worker *flows__start_script(struct flows *flows, struct scripts *scripts,
                                          const struct script_watch *watch, void *ctx,
                                          struct text *order) {
    const struct script_bounds bounds = {.cpu_ms = (uint32_t)flows->options.limits.cpu_ms};
    struct script_worker *worker = script_start(scripts, &bounds, watch, ctx);
    flows__send(worker, order);
    return worker;
}

bool flow__message_is(const json_t *message, const char *type) {
    return strcmp(json_str(message, "t", ""), type) == 0;
}

void flow__add_script(const struct script_prepared *prepared, struct bytes file,
                      struct text *text) {
    text_add_str(text, "\"script\":");
    text_add_json(text, prepared->text, prepared->len);
    text_add_member(text, "form", bytes_of(script_form_name(prepared->form)));
    text_add_member(text, "file", file);
}

bool flow__add_source(struct bytes source, struct bytes file, struct text *text, struct why *why) {
    const struct script_source script = {.text = source, .file = file};
    AUTO(script_prepared_done) struct script_prepared prepared = {.meta = NULL};
    struct script_fault fault = {.line = 0};
    if (err_failed(script_prepare(&script, &prepared, &fault))) {
        why_set(why, "%.*s:%u:%u: %s", (int)file.len, file.data, fault.line, fault.column,
                fault.message);
        return false;
    }
    flow__add_script(&prepared, file, text);
    return true;
}

void flow__add_throw(struct text *text, struct bytes message) {
    text_add_str(text, ",\"o\":\"throw\",\"name\":\"Error\"");
    text_add_member(text, "message", message);
}

void flow__add_result(const struct step_row *row, struct text *text) {
    switch (workflow_step_outcome(row->state, row->cause)) {
    case STEP_VALUE:
        text_add_str(text, ",\"o\":\"value\",\"v\":");
        json_add_stored(text, row->result);
        text_add_str(text, row->cause == CAUSE_TRUNCATED ? ",\"cut\":true" : "");
        return;
    case STEP_NULL:
        text_add_str(text, ",\"o\":\"null\"");
        return;
    case STEP_THROW:
        flow__add_throw(text, workflow_step_words(row->cause, row->note));
        return;
    }
}

struct err flow__add_outcome(struct tx *tx, const struct step_row *row, struct text *text,
                             struct why *fault) {
    struct bytes source;
    bool found = false;
    if (!row->is_ref) {
        flow__add_result(row, text);
        return ERR_OK;
    }
    if (row->script.len == 0) {
        flow__add_throw(text, row->note);
        return ERR_OK;
    }
    struct err err = tx_script_find(tx, row->script, &found, &source);
    if (err_failed(err) || !found) {
        return err_failed(err) ? err
                               : err_make(ERR_STORE_CORRUPT, "workflows: a script is missing");
    }
    text_add_str(text, ",\"o\":\"script\",");
    bool whole = flow__add_source(source, row->file, text, fault);
    (void)whole; /* Else `fault` is set. */
    return ERR_OK;
}

void flow__add_limits(const struct flows_limits *limits, int64_t total, struct text *text) {
    flow__add_limit(text, "total", total < 0 ? -1 : total, -1);
    text_addf(text,
              ",\"spent\":0,\"limits\":{\"agents\":%d,\"items\":%d,\"lines\":%d,"
              "\"line_bytes\":%d,\"unanswered\":%d,\"cpu_ms\":%lld,\"memory_mb\":%lld},"
              "\"history\":[",
              WORKFLOW_AGENTS_MAX, WORKFLOW_ITEMS_MAX, WORKFLOW_LINES_MAX, WORKFLOW_LINE_MAX,
              WORKFLOW_UNANSWERED_MAX, (long long)limits->cpu_ms, (long long)limits->memory_mb);
}
