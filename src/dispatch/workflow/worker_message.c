/* worker_message.c: members of what a worker gets (script/protocol.h). */
#include "dispatch/workflow/replay.h"

void flow__add_bytes(struct text *text, const char *before, struct bytes value) {
    text_add_str(text, before);
    text_add_json(text, value.data, value.len);
}

void flow__add_text(struct text *text, const char *before, const char *value) {
    text_add_str(text, before);
    if (value == NULL) {
        text_add_str(text, "null");
    } else {
        text_add_json(text, value, strlen(value));
    }
}

bool flow__message_is(const json_t *message, const char *type) {
    return strcmp(json_str(message, "t", ""), type) == 0;
}

bool flow__add_script(struct bytes source, struct bytes file, struct text *text, struct why *why) {
    const struct script_source script = {.text = source, .file = file};
    AUTO(script_prepared_done) struct script_prepared prepared = {.meta = NULL};
    struct script_fault fault = {.line = 0};
    if (err_failed(script_prepare(&script, &prepared, &fault))) {
        why_set(why, "%.*s:%u:%u: %s", (int)file.len, file.data, fault.line, fault.column,
                fault.message);
        return false;
    }
    flow__add_bytes(text, "\"script\":", (struct bytes){prepared.text, prepared.len});
    text_addf(text, ",\"form\":\"%s\"", script_form_name(prepared.form));
    flow__add_bytes(text, ",\"file\":", file);
    return true;
}

void flow__add_throw(struct text *text, struct bytes message) {
    flow__add_bytes(text, ",\"o\":\"throw\",\"name\":\"Error\",\"message\":", message);
}

void flow__add_result(const struct flow_result *result, struct text *text) {
    switch (workflow_step_outcome(result->state, result->cause)) {
    case STEP_VALUE:
        text_add_str(text, ",\"o\":\"value\",\"v\":");
        json_add_stored(text, result->result);
        text_add_str(text, result->cause == CAUSE_TRUNCATED ? ",\"cut\":true" : "");
        return;
    case STEP_NULL:
        text_add_str(text, ",\"o\":\"null\"");
        return;
    case STEP_THROW:
        flow__add_throw(text, workflow_step_words(result->cause, result->note));
        return;
    }
}

struct err flow__add_outcome(struct tx *tx, const struct step_row *row, struct text *text,
                             struct flow_fault *fault) {
    struct bytes source;
    bool found = false;
    if (!row->is_ref) {
        const struct flow_result result = {
            .state = row->state, .cause = row->cause, .result = row->result, .note = row->note};
        flow__add_result(&result, text);
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
    if (!flow__add_script(source, row->file, text, &fault->why)) {
        fault->cause = CAUSE_SYNTAX_ERROR;
    }
    return ERR_OK;
}

void flow__add_limits(const struct flows_limits *limits, int64_t total, struct text *text) {
    text_add_str(text, ",\"total\":");
    text_addf(text, total < 0 ? "null" : "%lld", (long long)total);
    text_addf(text,
              ",\"spent\":0,\"limits\":{\"agents\":%d,\"items\":%d,\"lines\":%d,"
              "\"line_bytes\":%d,\"unanswered\":%d,\"cpu_ms\":%lld,\"memory_mb\":%lld},"
              "\"history\":[",
              WORKFLOW_AGENTS_MAX, WORKFLOW_ITEMS_MAX, WORKFLOW_LINES_MAX, WORKFLOW_LINE_MAX,
              WORKFLOW_UNANSWERED_MAX, (long long)limits->cpu_ms, (long long)limits->memory_mb);
}
