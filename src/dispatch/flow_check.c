/* flow_check.c: a worker for each script that was not read lately. */
#include "dispatch/flow_check.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "dispatch/flow.h"

enum { FAULT_TEXT_MAX = 400 };

struct flow_check {
    struct flows *flows;
    struct flow_check *next;
    struct script_worker *worker;
    struct loop_task task;
    struct sha256_hex hash;
    char fault[FAULT_TEXT_MAX];
    void (*done)(void *ctx, const char *fault);
    void *ctx;
};

static void tell(struct loop_task *task) {
    struct flow_check *check = CONTAINER_OF(task, struct flow_check, task);
    struct flow_check **at = &check->flows->checks;
    while (*at != check) {
        at = &(*at)->next;
    }
    *at = check->next;
    script_close(check->worker);
    check->done(check->ctx, check->fault[0] == '\0' ? NULL : check->fault);
    struct flows *flows = check->flows;
    mem_free(check);
    flows__maybe_stopped(flows);
}

static void finish(struct flow_check *check) {
    loop_soon(check->flows->options.loop, &check->task);
}

/* --- What was good ---------------------------------------------------------------------------- */

static bool is_known(const struct flows *flows, const struct sha256_hex *hash) {
    for (size_t i = 0; i < FLOW_CHECKED_MAX; i++) {
        if (strcmp(flows->checked[i].text, hash->text) == 0) {
            return true;
        }
    }
    return false;
}

static void remember(struct flows *flows, const struct sha256_hex *hash) {
    flows->checked[flows->checked_next] = *hash;
    flows->checked_next = (flows->checked_next + 1) % FLOW_CHECKED_MAX;
}

/* --- The worker ------------------------------------------------------------------------------- */

static void take_fault(struct flow_check *check, const json_t *end) {
    struct why why = {""};
    const char *message = json_string_value(json_object_get(end, "message"));
    const char *code = json_string_value(json_object_get(end, "code"));
    int64_t line = json_integer_value(json_object_get(end, "line"));
    int64_t column = json_integer_value(json_object_get(end, "column"));
    if (message == NULL || code == NULL || strcmp(code, "syntax_error") != 0) {
        return;
    }
    if (line > 0) {
        why_set(&why, "%lld:%lld: %.300s", (long long)line, (long long)column, message);
    } else {
        why_set(&why, "%.300s", message);
    }
    (void)snprintf(check->fault, sizeof check->fault, "%s", why.text);
}

static void on_heard(void *ctx, struct bytes frame) {
    struct flow_check *check = ctx;
    AUTO(json_release) json_t *messages = NULL;
    if (check->task.queued || frame.len > FLOW_INLINE ||
        err_failed(json_parse(frame.data, frame.len, JSON_DEPTH_MAX, &messages, NULL))) {
        return;
    }
    const json_t *end = json_array_get(messages, 0);
    if (json_is_true(json_object_get(end, "ok"))) {
        remember(check->flows, &check->hash);
    } else {
        take_fault(check, end);
    }
    finish(check);
}

static void on_ended(void *ctx, const struct script_end *end) {
    struct flow_check *check = ctx;
    (void)end; /* Its run will say the same. */
    check->worker = NULL;
    finish(check);
}

static const struct script_watch watch = {.heard = on_heard, .ended = on_ended};

static void ask_worker(struct flow_check *check, const struct flow_check_ask *ask) {
    const struct flows_options *options = &check->flows->options;
    const struct script_bounds bounds = {.cpu_ms = (uint32_t)options->limits.cpu_ms};
    AUTO(text_done) struct text order;
    size_t len = 0;
    text_init(&order, FLOW_ORDER_MAX);
    text_addf(&order, "[{\"t\":\"check\",\"form\":\"%s\",\"script\":", script_form_name(ask->form));
    text_add_json(&order, ask->text.data, ask->text.len);
    text_add_str(&order, ",\"file\":");
    text_add_json(&order, ask->file.data, ask->file.len);
    text_add_str(&order, "}]");
    if (text_failed(&order)) {
        finish(check);
        return;
    }
    check->worker = script_start(options->scripts, &bounds, &watch, check);
    script_busy(check->worker);
    char *frame = text_take(&order, &len);
    script_send(check->worker, frame, len);
}

void flows_check(struct flows *flows, const struct flow_check_ask *ask,
                 void (*done)(void *ctx, const char *fault), void *ctx) {
    struct flow_check *check = mem_new(sizeof *check);
    check->flows = flows;
    check->hash = ask->hash;
    check->done = done;
    check->ctx = ctx;
    check->task.run = tell;
    check->next = flows->checks;
    flows->checks = check;
    if (flows->stopping || is_known(flows, &ask->hash)) {
        finish(check);
    } else {
        ask_worker(check, ask);
    }
}

void flows__stop_checks(struct flows *flows) {
    for (struct flow_check *check = flows->checks; check != NULL; check = check->next) {
        script_close(check->worker);
        check->worker = NULL;
        finish(check);
    }
}
