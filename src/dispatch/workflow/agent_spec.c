/* agent_spec.c: what the row of an agent says of it, for whoever goes on with it behind a crash. */
#include <string.h>

#include "dispatch/workflow/flow.h"

void call__write_asked(const json_t *message, struct text *text) {
    const json_t *opts = json_object_get(message, "opts");
    struct bytes prompt = json_bytes(message, "prompt");
    text_add_str(text, "\"prompt\":");
    text_add_json(text, prompt.data, prompt.len);
    text_add_str(text, ",\"opts\":");
    if (opts == NULL || err_failed(json_write(opts, text))) {
        text_add_str(text, "null");
    }
}

void call__write_spec(const struct call *call, struct text *spec) {
    struct bytes phase = call__name(call->message, "phase");
    struct bytes written = json_bytes(call->message, CALL_WRITTEN);
    struct bytes foreign = call__foreign_model(call);
    text_clear(spec);
    text_add_str(spec, "{\"turn\":");
    text_add_json(spec, call->turn.text, strlen(call->turn.text));
    call__write_place(call, spec);
    text_add_str(spec, ",\"phase\":");
    text_add_json(spec, phase.data, phase.len);
    text_add_str(spec, ",\"model\":");
    text_add_json(spec, call->model, strlen(call->model));
    if (foreign.len > 0) {
        text_add_str(spec, ",\"model_asked\":");
        text_add_json(spec, foreign.data, foreign.len);
    }
    text_add_char(spec, ',');
    if (written.len > 0) {
        text_add(spec, written.data, written.len);
    } else {
        call__write_asked(call->message, spec);
    }
    text_add_char(spec, '}');
    if (text_failed(spec)) { /* Its worker holds prompts and options to less. */
        text_done(spec);
        text_init(spec, STEP_SPEC_MAX);
        text_add_str(spec, "{}");
    }
}
