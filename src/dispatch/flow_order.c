/* flow_order.c: members of a worker's first message (script/protocol.h). */
#include "base/memory.h"
#include "dispatch/flow.h"

static void add_member(struct text *text, const char *before, struct bytes value) {
    text_add_str(text, before);
    text_add_json(text, value.data, value.len);
}

bool flow__add_script(struct bytes source, struct bytes file, struct text *text, struct why *why) {
    const struct script_source script = {.text = source, .file = file};
    AUTO(script_prepared_done) struct script_prepared prepared = {.meta = NULL};
    struct script_fault fault = {.line = 0};
    struct err err = script_prepare(&script, &prepared, &fault);
    if (err_failed(err)) {
        why_set(why, "%.*s:%u:%u: %s", (int)file.len, file.data, fault.line, fault.column,
                fault.message);
        return false;
    }
    add_member(text, "\"script\":", (struct bytes){prepared.text, prepared.len});
    text_addf(text, ",\"form\":\"%s\"", script_form_name(prepared.form));
    add_member(text, ",\"file\":", file);
    return true;
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
