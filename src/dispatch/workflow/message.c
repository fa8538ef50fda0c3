/* message.c: members of messages to workers (script/protocol.h): scripts, limits, and outcomes. */
#include "base/memory.h"
#include "dispatch/workflow/history.h"

void workflow__add_script(const struct script_prepared *prepared, struct bytes file,
                          struct text *text) {
    text_add_str(text, "\"script\":");
    text_add_json(text, prepared->text, prepared->len);
    text_add_member(text, "form", bytes_of(script_form_name(prepared->form)));
    text_add_member(text, "file", file);
    if (prepared->objects) {
        text_add_member(text, "results", BYTES("object"));
    }
    json_add_member(text, "meta", prepared->meta);
    text_add_str(text, prepared->timers ? ",\"timers\":true" : "");
}

void workflow__add_limits(const struct workflows_limits *limits, int64_t total, struct text *text) {
    text_add_member_int_or_null(text, "total", total, total >= 0);
    text_addf(text,
              ",\"spent\":0,\"limits\":{\"agents\":%d,\"items\":%d,\"lines\":%d,"
              "\"line_bytes\":%d,\"unanswered\":%d,\"cpu_ms\":%lld,\"memory_mb\":%lld,"
              "\"timers\":%d,\"timers_open\":%d,\"timer_ms\":%lld},\"history\":[",
              WORKFLOW_AGENTS_MAX, WORKFLOW_ITEMS_MAX, WORKFLOW_LINES_MAX, WORKFLOW_LINE_MAX,
              WORKFLOW_UNANSWERED_MAX, (long long)limits->cpu_ms, (long long)limits->memory_mb,
              WORKFLOW_TIMERS_MAX, WORKFLOW_TIMERS_OPEN_MAX, (long long)WORKFLOW_TIMER_MS_MAX);
}

bool workflow__message_is(const json_t *message, const char *type) {
    return strcmp(json_str(message, "t", ""), type) == 0;
}

void workflows__send(struct script_worker *worker, struct text *message) {
    struct script_piece frame;
    frame.data = text_take(message, &frame.len);
    script_busy(worker);
    script_send(worker, &frame, 1);
}

struct script_worker *workflows__start_script(struct workflows *workflows, struct scripts *scripts,
                                              struct bytes owner, const struct script_watch *watch,
                                              void *ctx, struct text *order) {
    const struct script_bounds bounds = {.cpu_ms = (uint32_t)workflows->options.limits.cpu_ms,
                                         .owner = owner};
    struct script_worker *worker = script_start(scripts, &bounds, watch, ctx);
    workflows__send(worker, order);
    return worker;
}

/* --- Outcomes --------------------------------------------------------------------------------- */

void workflow__add_throw(struct text *text, struct bytes message) {
    text_add_str(text, ",\"o\":\"throw\",\"name\":\"Error\"");
    text_add_member(text, "message", message);
}

/* All facts follow from the row, so a replay gives the script the same. */
bool workflow__add_result_head(const struct step_row *row, struct text *text) {
    if (row->tokens > 0) {
        text_addf(text, ",\"used\":{\"prompt\":%lld,\"completion\":%lld}",
                  (long long)(row->tokens - row->output_tokens), (long long)row->output_tokens);
    }
    text_add_str(text, row->cached ? ",\"cached\":true" : "");
    switch (workflow_step_outcome(row->state, row->cause)) {
    case STEP_VALUE:
        text_add_str(text, row->cause == CAUSE_TRUNCATED ? ",\"cut\":true" : "");
        text_add_str(text, ",\"o\":\"value\",\"v\":");
        return true;
    case STEP_NULL:
        text_add_str(text, ",\"o\":\"null\"");
        text_add_member(text, "why", workflow_step_words(row->cause, row->note));
        break;
    case STEP_THROW:
        workflow__add_throw(text, workflow_step_words(row->cause, row->note));
        break;
    }
    return false;
}

bool workflow__add_source(struct bytes source, struct bytes file, struct text *text,
                          struct why *why) {
    const struct script_source script = {.text = source, .file = file};
    AUTO(script_prepared_done) struct script_prepared prepared = {.meta = NULL};
    struct script_fault fault = {.line = 0};
    if (err_failed(script_prepare(&script, &prepared, &fault))) {
        why_set(why, "%.*s:%u:%u: %s", (int)file.len, file.data, fault.line, fault.column,
                fault.message);
        return false;
    }
    workflow__add_script(&prepared, file, text);
    return true;
}

struct err workflow__add_outcome(struct tx *tx, const struct step_row *row, struct text *text,
                                 struct why *fault) {
    struct bytes source;
    bool found = false;
    if (row->kind != STEP_SCRIPT) {
        if (workflow__add_result_head(row, text)) {
            json_add_stored(text, row->result);
        }
    } else if (row->script.len == 0) {
        workflow__add_throw(text, row->note);
    } else {
        TRY(tx_script_find(tx, row->script, &found, &source));
        if (!found) {
            return err_make(ERR_STORE_CORRUPT, "workflows: a script is missing");
        }
        text_add_str(text, ",\"o\":\"script\",");
        (void)workflow__add_source(source, row->file, text,
                                   fault); /* Where it is none, `fault` is set. */
    }
    return ERR_OK;
}
