/* rehearsal.c: the worker of a rehearsal, and the stubs that answer it; frames are read in the
 * pool.
 */
#include "dispatch/workflow/rehearsal.h"

#include "base/json/wide.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/workflow/agent.h"
#include "dispatch/workflow/replay.h"
#include "dispatch/workflow/start.h"
#include "model/scripted/instance.h"

enum {
    ANSWER_MAX = 64 << 10, /* Bytes of one that stands in. */
    FAULT_MAX = 400,
};

/* All that its script waits for. */
struct stub_request {
    struct stub_request *next;
    json_t *message; /* Owned; without its prompt. */
    unsigned wave;
    bool nested;
};

static void stubs_init(struct stubs *stubs, const struct catalog_search *search, const char *root) {
    *stubs = (struct stubs){.search = *search};
    stubs->root = root == NULL ? NULL : mem_copy(root, strlen(root));
    stubs->search.root = stubs->root;
    stubs->end = &stubs->first;
    text_init(&stubs->reply, FLOW_ORDER_MAX);
}

static void request_free(struct stub_request *request) {
    json_decref(request->message);
    mem_free(request);
}

static void stubs_done(struct stubs *stubs) {
    while (stubs->first != NULL) {
        struct stub_request *request = stubs->first;
        stubs->first = request->next;
        request_free(request);
    }
    for (size_t i = 0; i < stubs->step_count; i++) {
        mem_free(stubs->steps[i].phase);
        mem_free(stubs->steps[i].label);
        mem_free(stubs->steps[i].model);
    }
    for (size_t i = 0; i < stubs->model_count; i++) {
        mem_free(stubs->models[i].name);
    }
    mem_free(stubs->root);
    mem_free(stubs->fault);
    text_done(&stubs->reply);
}

/* --- Counted ---------------------------------------------------------------------------------- */

static struct bytes request_name(const json_t *json, const char *member) {
    struct bytes text = call__name(json, member);
    size_t nul = strnlen(text.data, text.len); /* A column would hold no more of it, either. */
    return (struct bytes){text.data, nul};
}

static char *name_copy(struct bytes name) {
    return name.len == 0 ? NULL : mem_copy(name.data, name.len);
}

static bool name_is(const char *copied, struct bytes name) {
    return copied == NULL ? name.len == 0
                          : strlen(copied) == name.len && memcmp(copied, name.data, name.len) == 0;
}

static const json_t *request_option(const json_t *message, const char *name) {
    return json_object_get(json_object_get(message, "opts"), name);
}

static void stubs_count_step(struct stubs *stubs, const json_t *message, unsigned wave) {
    struct bytes phase = request_name(message, "phase"), label = request_name(message, "label");
    struct bytes model = request_name(json_object_get(message, "opts"), "model");
    bool schema = request_option(message, "schema") != NULL;
    for (size_t i = 0; i < stubs->step_count; i++) {
        struct stub_step *step = &stubs->steps[i];
        if (step->wave == wave && step->schema == schema && name_is(step->phase, phase) &&
            name_is(step->label, label) && name_is(step->model, model)) {
            step->agents++;
            return;
        }
    }
    if (stubs->step_count == STUB_STEPS) {
        stubs->unlisted++;
        return;
    }
    stubs->steps[stubs->step_count++] = (struct stub_step){.phase = name_copy(phase),
                                                           .label = name_copy(label),
                                                           .model = name_copy(model),
                                                           .wave = wave,
                                                           .schema = schema,
                                                           .agents = 1};
}

/* A name without a slash is none of ours (call.c). */
static void stubs_count_model(struct stubs *stubs, const json_t *message, size_t prompt_bytes) {
    struct bytes name = request_name(json_object_get(message, "opts"), "model");
    if (name.len == 0 || memchr(name.data, '/', name.len) == NULL) {
        name = BYTES("");
    }
    size_t at = 0;
    while (at < stubs->model_count && (strlen(stubs->models[at].name) != name.len ||
                                       memcmp(stubs->models[at].name, name.data, name.len) != 0)) {
        at++;
    }
    if (at == STUB_MODELS) {
        return;
    }
    if (at == stubs->model_count) {
        stubs->models[stubs->model_count++] =
            (struct stub_model){.name = mem_copy(name.data, name.len)};
    }
    stubs->models[at].agents++;
    stubs->models[at].prompt_bytes += (int64_t)prompt_bytes;
}

static void stubs_add(struct stubs *stubs, json_t *message, bool nested) {
    struct stub_request *request = mem_new(sizeof *request);
    *request = (struct stub_request){
        .message = json_incref(message), .wave = stubs->wave + 1, .nested = nested};
    if (!nested) {
        const json_t *prompt = json_object_get(message, "prompt");
        stubs->agents++;
        stubs->pending++;
        stubs_count_step(stubs, message, request->wave);
        stubs_count_model(stubs, message, json_string_length(prompt));
        (void)json_object_del(message, "prompt"); /* Long, and not needed any more. */
    }
    if (stubs->pending > stubs->most_pending) {
        stubs->most_pending = stubs->pending;
    }
    *stubs->end = request;
    stubs->end = &request->next;
}

/* --- Answered --------------------------------------------------------------------------------- */

/* As dispatch does: a request for what nobody has gets null. */
static void request_answer(const struct stub_request *request, struct text *reply) {
    AUTO(text_done) struct text value = {0};
    const json_t *schema = request_option(request->message, "schema");
    if (json_array_size(request_option(request->message, "capabilities")) > 0) {
        text_add_str(reply, ",\"o\":\"null\"");
        return;
    }
    text_init(&value, ANSWER_MAX);
    if (schema != NULL) {
        script_instance_add_json(&value, schema, INSTANCE_WHOLE);
    } else {
        flow__add_text(&value, "", "An answer that stands in for an agent's.");
    }
    text_add_str(reply, ",\"o\":\"value\",\"v\":");
    if (text_failed(&value)) {
        text_add_str(reply, "null");
    } else {
        text_add(reply, value.data, value.len);
    }
}

static struct err stubs_find_script(struct stubs *stubs, const json_t *message,
                                    struct catalog_script *ret_script, struct why *why) {
    const json_t *path = json_object_get(message, "path");
    const json_t *name = json_object_get(message, "name");
    if (stubs->scripts++ >= STUB_SCRIPTS) {
        why_set(why, "a plan looks for %d scripts, and not for more", STUB_SCRIPTS);
        return err_make(ERR_WORKFLOW_NOT_FOUND, "plan: scripts");
    }
    if (path != NULL) {
        return catalog_open(&stubs->search, json_string_value(path), ret_script, why);
    }
    const char *words = json_string_value(name);
    const struct bytes whole = {words == NULL ? "" : words, json_string_length(name)};
    return catalog_find(&stubs->search, whole, ret_script, why);
}

static void stubs_add_script(struct stubs *stubs, const json_t *message, struct text *reply) {
    AUTO(catalog_script_done) struct catalog_script script = {.source = NULL};
    AUTO(text_done) struct text members;
    struct why why = {""};
    struct err err = stubs_find_script(stubs, message, &script, &why);
    text_init(&members, FLOW_ORDER_MAX);
    if (err_failed(err) && why.text[0] == '\0') {
        why_set(&why, "%s", err_title(err.code));
    } else if (!err_failed(err)) {
        const struct bytes file = bytes_of(script.entry.file);
        const struct bytes source = {script.source, script.len};
        if (!flow__add_script(source, file, &members, &why)) {
            err = err_make(ERR_BAD_SCRIPT, "plan: script"); /* Has said why. */
        } else if (text_failed(&members)) {
            why_set(&why, "%s is too large", script.entry.file);
        } else {
            err = flow_args_check(&script.prepared, json_object_get(message, "args"), &why);
        }
    }
    if (why.text[0] != '\0') {
        struct why whole = {""};
        why_set(&whole, "workflow: %s", why.text);
        flow__add_text(reply, ",\"o\":\"throw\",\"name\":\"Error\",\"message\":", whole.text);
    } else {
        text_add_str(reply, ",\"o\":\"script\",");
        text_add(reply, members.data, members.len);
    }
}

static void stubs_answer_next(struct stubs *stubs) {
    struct stub_request *request = stubs->first;
    struct text *reply = &stubs->reply;
    if (request == NULL) {
        return; /* Waits for what never comes: it says so itself. */
    }
    stubs->first = request->next;
    if (stubs->first == NULL) {
        stubs->end = &stubs->first;
    }
    text_addf(reply, "[{\"t\":\"settle\",\"id\":%lld",
              (long long)json_integer_value(json_object_get(request->message, "id")));
    if (request->nested) {
        /* All that its script asks for at once is of its own wave. */
        stubs->wave = request->wave - 1;
        stubs_add_script(stubs, request->message, reply);
    } else {
        stubs->wave = request->wave;
        stubs->pending--;
        stubs->spent += STUB_OUTPUT;
        request_answer(request, reply);
    }
    text_addf(reply, ",\"spent\":%lld}]", (long long)stubs->spent);
    request_free(request);
}

/* --- Heard ------------------------------------------------------------------------------------ */

static void stubs_on_end(struct stubs *stubs, const json_t *message) {
    const char *words = json_string_value(json_object_get(message, "message"));
    long long line = json_integer_value(json_object_get(message, "line"));
    AUTO(text_done) struct text fault = {0};
    if (json_is_true(json_object_get(message, "ok"))) {
        stubs->ended = STUB_FINISHED;
        return;
    }
    stubs->ended = STUB_FAILED;
    words = words == NULL ? "it gave no reason" : words;
    text_init(&fault, 2 * (size_t)FAULT_MAX);
    if (line > 0) {
        text_addf(&fault, "line %lld: ", line);
    }
    text_add(&fault, words, utf8_cut(bytes_of(words), FAULT_MAX));
    mem_free(stubs->fault);
    stubs->fault = text_failed(&fault) ? NULL : text_take(&fault, NULL);
}

/* A worker that somebody took over asks for more than a script may. */
static bool may_ask(struct stubs *stubs) {
    return stubs->asked++ < WORKFLOW_AGENTS_MAX + WORKFLOW_NESTED_MAX;
}

static void stubs_take_message(struct stubs *stubs, json_t *message) {
    bool nested = flow__message_is(message, "workflow");
    if (nested || flow__message_is(message, "call")) {
        if (may_ask(stubs)) {
            stubs_add(stubs, message, nested);
        }
    } else if (flow__message_is(message, "quiet")) {
        stubs_answer_next(stubs);
    } else if (flow__message_is(message, "end")) {
        stubs_on_end(stubs, message);
    }
}

static void stubs_read(struct stubs *stubs, struct bytes frame) {
    AUTO(json_release) json_t *messages = NULL;
    struct why why = {""};
    struct err err = json_parse_wide(frame.data, frame.len, JSON_DEPTH_MAX, &messages, &why);
    if (err_failed(err)) {
        stubs->ended = STUB_FAILED;
        stubs->fault = mem_copy(why.text, strlen(why.text));
        return;
    }
    for (size_t i = 0; i < json_array_size(messages) && stubs->ended == STUB_GOING; i++) {
        stubs_take_message(stubs, json_array_get(messages, i));
    }
}

/* --- Told ------------------------------------------------------------------------------------- */

void stubs_write(const struct stubs *stubs, struct text *text) {
    text_add_str(text, "\"steps\":[");
    for (size_t i = 0; i < stubs->step_count; i++) {
        const struct stub_step *step = &stubs->steps[i];
        text_addf(text, "%s{\"wave\":%u", i > 0 ? "," : "", step->wave);
        flow__add_text(text, ",\"phase\":", step->phase);
        flow__add_text(text, ",\"label\":", step->label);
        flow__add_text(text, ",\"model\":", step->model);
        text_add_str(text, step->schema ? ",\"schema\":true" : ",\"schema\":false");
        text_addf(text, ",\"agents\":%lld}", (long long)step->agents);
    }
    text_addf(text, "],\"unlisted\":%lld", (long long)stubs->unlisted);
}

/* --- The rehearsal ---------------------------------------------------------------------------- */

struct rehearsal {
    struct flows *flows;
    struct rehearsal *next;
    struct script_worker *worker; /* Owned; NULL: it has ended. */
    struct loop_task task;
    struct timer deadline;
    struct pool_job job;
    struct bytes frame; /* Borrowed from the worker, which is paused. */
    bool in_pool, over;
    const char *cut; /* Static. */
    struct stubs stubs;
    void (*done)(void *ctx, const struct stubs *told, const char *cut);
    void *ctx;
};

static void rehearsal_report(struct loop_task *task) {
    struct rehearsal *rehearsal = CONTAINER_OF(task, struct rehearsal, task);
    struct flows *flows = rehearsal->flows;
    struct rehearsal **at = &flows->rehearsals;
    while (*at != rehearsal) {
        at = &(*at)->next;
    }
    *at = rehearsal->next;
    flows->rehearsal_count--;
    timer_stop(flows->options.loop, &rehearsal->deadline);
    script_close(rehearsal->worker);
    rehearsal->done(rehearsal->ctx, &rehearsal->stubs, rehearsal->cut);
    stubs_done(&rehearsal->stubs);
    mem_free(rehearsal);
    flows__maybe_stopped(flows);
}

/* The pool reads what is the worker's: then it is sent behind that. */
static void rehearsal_finish(struct rehearsal *rehearsal, const char *cut) {
    if (!rehearsal->over) {
        rehearsal->over = true;
        rehearsal->cut = cut;
        if (!rehearsal->in_pool) {
            loop_soon(rehearsal->flows->options.loop, &rehearsal->task);
        }
    }
}

/* --- Its worker ------------------------------------------------------------------------------- */

static void rehearsal_send(struct rehearsal *rehearsal, struct text *message) {
    size_t len = 0;
    char *frame = text_take(message, &len);
    script_busy(rehearsal->worker);
    script_send(rehearsal->worker, frame, len);
}

static void rehearsal_frame_run(struct pool_job *job) {
    struct rehearsal *rehearsal = CONTAINER_OF(job, struct rehearsal, job);
    stubs_read(&rehearsal->stubs, rehearsal->frame);
}

static void rehearsal_frame_done(struct pool_job *job) {
    struct rehearsal *rehearsal = CONTAINER_OF(job, struct rehearsal, job);
    struct stubs *stubs = &rehearsal->stubs;
    rehearsal->in_pool = false;
    if (rehearsal->over) {
        loop_soon(rehearsal->flows->options.loop, &rehearsal->task);
        return;
    }
    script_resume(rehearsal->worker);
    if (stubs->ended != STUB_GOING) {
        rehearsal_finish(rehearsal, NULL);
    } else if (text_failed(&stubs->reply)) {
        rehearsal_finish(rehearsal, "a script that it names is too large");
    } else if (stubs->reply.len > 0) {
        rehearsal_send(rehearsal, &stubs->reply);
    }
}

static void rehearsal_on_frame(void *ctx, struct bytes frame) {
    struct rehearsal *rehearsal = ctx;
    (void)frame; /* May move. */
    if (rehearsal->over) {
        return;
    }
    script_rest(rehearsal->worker);
    rehearsal->frame = script_pause(rehearsal->worker);
    rehearsal->in_pool = true;
    rehearsal->job = (struct pool_job){
        .kind = POOL_QUICK, .run = rehearsal_frame_run, .done = rehearsal_frame_done};
    pool_add(&rehearsal->flows->pool, &rehearsal->job);
}

/* Nothing is sent while it is paused, so nothing is in the pool. */
static void rehearsal_on_worker_end(void *ctx, const struct script_end *end) {
    struct rehearsal *rehearsal = ctx;
    rehearsal->worker = NULL;
    rehearsal_finish(rehearsal, end->kind == SCRIPT_STUCK
                                    ? "the script computed for too long between two answers"
                                    : "the script's process ended by itself");
}

static void rehearsal_on_deadline(struct timer *timer) {
    struct rehearsal *rehearsal = CONTAINER_OF(timer, struct rehearsal, deadline);
    rehearsal_finish(rehearsal, "the script went on for too long");
}

static const struct script_watch watch = {.heard = rehearsal_on_frame,
                                          .ended = rehearsal_on_worker_end};

static void rehearsal_begin(struct rehearsal *rehearsal, const struct rehearsal_ask *ask) {
    const struct flows_options *options = &rehearsal->flows->options;
    const struct script_bounds bounds = {.cpu_ms = (uint32_t)options->limits.cpu_ms};
    AUTO(text_done) struct text order;
    text_init(&order, FLOW_ORDER_MAX);
    text_addf(&order, "[{\"t\":\"start\",\"form\":\"%s\",\"script\":", script_form_name(ask->form));
    text_add_json(&order, ask->text.data, ask->text.len);
    text_add_str(&order, ",\"file\":");
    text_add_json(&order, ask->file.data, ask->file.len);
    if (ask->args != NULL) {
        text_add_str(&order, ",\"args\":");
        order.failed = err_failed(json_write(ask->args, &order)) || order.failed;
    }
    flow__add_limits(&options->limits, ask->total, &order);
    text_add_str(&order, "]}]");
    if (text_failed(&order)) {
        rehearsal_finish(rehearsal, "its args are too large");
        return;
    }
    flows__make_room(rehearsal->flows, 1);
    rehearsal->worker = script_start(options->scripts, &bounds, &watch, rehearsal);
    timer_start(options->loop, &rehearsal->deadline, REHEARSE_MS, rehearsal_on_deadline);
    rehearsal_send(rehearsal, &order);
}

void flows_rehearse(struct flows *flows, const struct rehearsal_ask *ask,
                    void (*done)(void *ctx, const struct stubs *told, const char *cut), void *ctx) {
    struct rehearsal *rehearsal = mem_new(sizeof *rehearsal);
    rehearsal->flows = flows;
    rehearsal->done = done;
    rehearsal->ctx = ctx;
    rehearsal->task.run = rehearsal_report;
    stubs_init(&rehearsal->stubs, &flows->options.search, ask->root);
    rehearsal->next = flows->rehearsals;
    flows->rehearsals = rehearsal;
    if (++flows->rehearsal_count > REHEARSE_MAX) {
        rehearsal_finish(rehearsal, "others are being planned just now; ask again");
    } else if (flows->stopping) {
        rehearsal_finish(rehearsal, "the daemon is stopping");
    } else {
        rehearsal_begin(rehearsal, ask);
    }
}

void flows__stop_rehearsals(struct flows *flows) {
    for (struct rehearsal *one = flows->rehearsals; one != NULL; one = one->next) {
        rehearsal_finish(one, "the daemon is stopping");
    }
}
