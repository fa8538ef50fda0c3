/* plan.c: a dry run of a workflow, without asking anybody.
 *
 * What holds for every run of it is said: where it was found, what it says of itself, whether the
 * args fit, who its agents would be, and the limits. What it asks for it decides while it runs,
 * from answers that nobody has yet: so it is played once with stand-ins for its agents, which shows
 * its shape. What nobody can know before is named as such.
 *
 * The rehearsal:
 *
 *   PLAYING ──a frame──> READ in the pool ──its answer──> PLAYING
 *      └──its end, its worker's, or no time left──────────────────> done
 *
 * Each agent is answered with a value that fits its schema (model/scripted/instance.h), or with a
 * short text; workflow() is found and run. Answers are given one at a time, in the order of the
 * requests, so what is requested after the answers of one WAVE is the next. Requests are counted,
 * and listed by their kind. The script runs in a worker as a run's would, with the same limits.
 * Where a run is resumed, its results answer before all others, in their old order, as in a run.
 *
 * Limits     REHEARSE_MS, and REHEARSE_MAX at once: what is above is reported as `cut`. At most
 *            REHEARSAL_STEPS kinds are listed, of REHEARSAL_MODELS models, and at most
 *            REHEARSAL_SCRIPTS scripts are searched; what is above is counted. */
#include "base/json/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/workflow/agent.h"
#include "dispatch/workflow/check.h"
#include "dispatch/workflow/history.h"
#include "dispatch/workflow/start.h"
#include "model/scripted/instance.h"

enum {
    REHEARSED_MAX = 1 << 20,
    REHEARSE_MS = 10000,
    REHEARSE_MAX = 8,
    REHEARSAL_STEPS = 200,
    REHEARSAL_MODELS = 32,
    REHEARSAL_SCRIPTS = 64,
    ANSWER_TOKENS = 1000,    /* Tokens that an agent is taken to say. */
    ANSWER_BYTES = 64 << 10, /* Bytes of an answer. */
    FAULT_MAX = 400,
    ERRORS_MAX = 20,         /* Errors that are named, of what they made null. */
    PRIORS_BYTES = 16 << 20, /* Results of the run that is resumed; others are stood in for. */
    PRIOR_NAME = 128,
};

enum rehearsal_end { REHEARSAL_GOING, REHEARSAL_FINISHED, REHEARSAL_FAILED };

/* A request that the script waits for. */
struct rehearsal_request {
    struct rehearsal_request *next;
    json_t *message;     /* Owned; without its prompt. */
    const json_t *prior; /* Borrowed: what answered it in the run that is resumed; NULL: none. */
    unsigned wave;
    enum call_kind kind;
};

/* Agents that differ in nothing that is shown. */
struct rehearsal_step {
    char *phase, *label, *model; /* Owned. */
    unsigned wave;
    int64_t agents;
    bool schema, cached;
};

struct rehearsal_model {
    char *name; /* Owned: as scripts name it; "": agents that name none. */
    int64_t agents, prompt_bytes;
};

struct rehearsal {
    struct workflows *workflows;
    struct workflow_start *start; /* Borrowed, until it is done. */
    void (*done)(struct workflow_start *start);
    struct link link;             /* In workflows->rehearsals. */
    struct script_worker *worker; /* Owned; NULL: it has ended. */
    struct loop_task task;
    struct timer deadline;
    struct pool_job job;
    struct bytes frame; /* Borrowed from the worker, which is paused. */
    bool in_pool, over;
    const char *cut; /* Static: why it was not played to its end; NULL: it was, well or not. */
    /* While a frame is read, all that follows belongs to the pool. */
    struct catalog_search search;
    struct rehearsal_request *first, **end;
    int64_t pending, most_pending, agents, cached, unlisted, spent;
    int64_t items_failed, calls_failed;
    char *errors[ERRORS_MAX]; /* Owned. */
    size_t error_count;
    unsigned wave, scripts, asked;
    struct rehearsal_step steps[REHEARSAL_STEPS];
    size_t step_count;
    struct rehearsal_model models[REHEARSAL_MODELS];
    size_t model_count;
    enum rehearsal_end ended;
    char *fault;       /* Owned: why it failed. */
    struct text reply; /* All that its worker gets next; empty: nothing. */
};

/* --- The script, in the pool ------------------------------------------------------------------ */

struct err workflow_start__plan(struct workflow_start *start) {
    const struct script_prepared *prepared = &start->script.prepared;
    const struct workflow_spec *spec = &start->spec;
    const json_t *schema = script_meta_args(prepared);
    const char *misfit = start->misfit.text[0] != '\0' ? start->misfit.text : NULL;
    const char *origin = spec->path != NULL     ? "path"
                         : spec->script != NULL ? "text"
                         : spec->name != NULL   ? catalog_origin_name(start->script.entry.origin)
                                                : "run";
    struct text *text = &start->started;
    text_clear(text);
    text_add_member_str(text, "name", script_meta_name(prepared));
    text_add_member_str(text, "description", script_meta_description(prepared));
    json_add_member(text, "phases", json_object_get(prepared->meta, "phases"));
    json_add_member(text, "meta", prepared->meta);
    text_add_member_str(text, "file", start->script.entry.file);
    text_add_member_str(text, "origin", origin);
    text_add_member_str(text, "form", script_form_name(prepared->form));
    text_add_name(text, "args");
    text_add_char(text, '{');
    text_add_member_bool(text, "given", spec->args != NULL);
    json_add_member(text, "schema", schema);
    text_add_name(text, "fit");
    text_add_str(text, schema == NULL ? "null" : misfit == NULL ? "true" : "false");
    text_add_member_str(text, "fault", misfit);
    text_add_char(text, '}');
    return text_failed(text) ? text_error(text, "workflow: plan") : ERR_OK;
}

void workflow_start__add_notes(struct workflow_start *start) {
    workflows_resolve_models(start->workflows, &start->script.notes);
    text_add_name(&start->started, "notes");
    script_notes_write(&start->script.notes, &start->started);
    start->err =
        text_failed(&start->started) ? text_error(&start->started, "workflow: plan") : ERR_OK;
}

/* --- Requests, in the pool -------------------------------------------------------------------- */

/* Owned by the caller; "" where there is none. A column would hold no more than up to a NUL. */
static char *request_name(const json_t *json, const char *member) {
    struct bytes text = call__name(json, member);
    return mem_copy(text.data, strnlen(text.data, text.len));
}

/* The result of an agent in the run that is resumed: by its key and occurrence. */
static void prior_name(struct bytes key, int64_t occurrence, char name[PRIOR_NAME]) {
    (void)snprintf(name, PRIOR_NAME, "%.*s %lld",
                   key.len > WORKFLOW_HASH ? WORKFLOW_HASH : (int)key.len, key.data,
                   (long long)occurrence); /* Fits. */
}

struct priors_reading {
    const struct workflow_start *start;
    bool bare;
};

static struct err prior_add(void *ctx, const struct step_row *row) {
    const struct priors_reading *reading = ctx;
    const struct workflow_reusable step = {.state = row->state,
                                           .cause = row->cause,
                                           .done_no = row->done_no,
                                           .named =
                                               json_has_text(reading->start->spec.rerun, row->run)};
    if (row->kind != STEP_SCRIPT && workflow_reuses(&step, reading->start->reuse_max)) {
        char name[PRIOR_NAME];
        prior_name(row->key, row->occurrence, name);
        json_t *result =
            reading->bare ? json_null() : json_stringn_nocheck(row->result.data, row->result.len);
        (void)json_object_set_new_nocheck(
            reading->start->priors, name,
            json_pack("{s:I,s:o}", "no", (json_int_t)row->done_no, "result", result));
    }
    return ERR_OK;
}

struct err workflow_start__read_priors(struct tx *tx, int64_t workflow,
                                       struct workflow_start *start) {
    struct priors_reading reading = {.start = start};
    struct step_page page = {.workflow = workflow,
                             .limit =
                                 WORKFLOW_AGENTS_MAX + WORKFLOW_NESTED_MAX + WORKFLOW_TIMERS_MAX,
                             .bytes_max = PRIORS_BYTES};
    bool whole = false;
    json_decref(start->priors); /* A read may run twice. */
    start->priors = json_object();
    TRY(tx_step_history(tx, &page, prior_add, &reading, &page.after, &whole));
    reading.bare = page.bare = true;
    page.bytes_max = SIZE_MAX;
    return whole ? ERR_OK : tx_step_history(tx, &page, prior_add, &reading, &page.after, &whole);
}

/* Agents are counted by what is shown of them, and by their model. */
static void rehearsal_count_agent(struct rehearsal *rehearsal, const json_t *message, unsigned wave,
                                  bool cached) {
    const json_t *opts = json_object_get(message, "opts");
    AUTO(mem_release) char *phase = request_name(message, "phase");
    AUTO(mem_release) char *label = request_name(message, "label");
    AUTO(mem_release) char *asked = request_name(opts, "model");
    const bool schema = json_object_get(opts, "schema") != NULL;
    struct rehearsal_model *model = rehearsal->models;
    struct rehearsal_step *step = rehearsal->steps;
    rehearsal->agents++;
    rehearsal->cached += cached;
    while (!cached && model < rehearsal->models + rehearsal->model_count &&
           strcmp(model->name, asked) != 0) {
        model++;
    }
    if (!cached && model < rehearsal->models + REHEARSAL_MODELS) {
        if (model->name == NULL) {
            model->name = mem_copy(asked, strlen(asked));
            rehearsal->model_count++;
        }
        model->agents++;
        model->prompt_bytes += (int64_t)json_string_length(json_object_get(message, "prompt"));
    }
    while (step < rehearsal->steps + rehearsal->step_count &&
           (step->wave != wave || step->schema != schema || step->cached != cached ||
            strcmp(step->phase, phase) != 0 || strcmp(step->label, label) != 0 ||
            strcmp(step->model, asked) != 0)) {
        step++;
    }
    if (step == rehearsal->steps + REHEARSAL_STEPS) {
        rehearsal->unlisted++;
        return;
    }
    if (step->phase == NULL) {
        *step = (struct rehearsal_step){.phase = phase,
                                        .label = label,
                                        .model = asked,
                                        .wave = wave,
                                        .schema = schema,
                                        .cached = cached};
        phase = label = asked = NULL;
        rehearsal->step_count++;
    }
    step->agents++;
}

/* --- Answers, in the pool --------------------------------------------------------------------- */

static void rehearsal_request_free(struct rehearsal_request *request) {
    json_decref(request->message);
    mem_free(request);
}

/* Takes the request that is answered next out of the line: as a run that resumes another settles
 * them. NULL: there is none. */
static struct rehearsal_request *rehearsal_next(struct rehearsal *rehearsal) {
    struct rehearsal_request **best = &rehearsal->first;
    for (struct rehearsal_request **at = &rehearsal->first; *at != NULL; at = &(*at)->next) {
        if ((*at)->prior != NULL &&
            ((*best)->prior == NULL ||
             json_int((*at)->prior, "no", 0) < json_int((*best)->prior, "no", 0))) {
            best = at;
        }
    }
    struct rehearsal_request *request = *best;
    if (request != NULL) {
        *best = request->next;
        rehearsal->end = request->next == NULL ? best : rehearsal->end;
    }
    return request;
}

/* The next answer. A request for what nobody has gets null, as dispatch gives it. A script that
 * asked for nothing waits for what never comes: it says so itself. */
static void rehearsal_on_quiet(struct rehearsal *rehearsal) {
    struct rehearsal_request *request = rehearsal_next(rehearsal);
    struct text *reply = &rehearsal->reply;
    if (request == NULL) {
        return;
    }
    const json_t *opts = json_object_get(request->message, "opts");
    text_addf(reply, "[{\"t\":\"settle\",\"id\":%lld",
              (long long)json_int(request->message, "id", 0));
    if (request->kind == CALL_OF_TIMER) { /* Nobody waits in a rehearsal. */
        text_add_str(reply, ",\"o\":\"null\"");
    } else if (request->kind == CALL_OF_WORKFLOW) {
        struct script_search search;
        script_search_init(&search, &rehearsal->search, request->message);
        if (rehearsal->scripts++ < REHEARSAL_SCRIPTS) {
            script_search_find(&search);
        } else {
            why_set(&search.why, "workflow: a plan reads at most %d scripts", REHEARSAL_SCRIPTS);
        }
        if (search.why.text[0] != '\0') {
            workflow__add_throw(reply, bytes_of(search.why.text));
        } else {
            text_add_str(reply, ",\"o\":\"script\",");
            text_add(reply, search.members.data, search.members.len);
        }
        script_search_done(&search);
        /* All that its script asks for at once is of its own wave. */
        rehearsal->wave = request->wave - 1;
    } else {
        AUTO(text_done)
        struct text value = text_up_to(request->prior == NULL ? ANSWER_BYTES : WORKFLOW_RESULT_MAX);
        const json_t *schema = json_object_get(opts, "schema");
        rehearsal->wave = request->wave;
        rehearsal->pending--;
        rehearsal->spent += request->prior == NULL ? ANSWER_TOKENS : 0;
        const struct bytes result = json_bytes(request->prior, "result");
        if (result.len > 0) {
            text_add(&value, result.data, result.len);
        } else if (schema != NULL) {
            script_instance_add_json(&value, schema, INSTANCE_WHOLE);
        } else {
            text_add_str(&value, "\"An answer that stands in for an agent's.\"");
        }
        const struct bytes answer = text_failed(&value) ? BYTES("null") : text_bytes(&value);
        if (json_array_size(json_object_get(opts, "capabilities")) > 0) {
            text_add_str(reply, ",\"o\":\"null\"");
        } else {
            text_add_str(reply, ",\"o\":\"value\",\"v\":");
            text_add(reply, answer.data, answer.len);
        }
    }
    text_addf(reply, ",\"spent\":%lld}]", (long long)rehearsal->spent);
    rehearsal_request_free(request);
}

static void rehearsal_take(struct rehearsal *rehearsal, json_t *message) {
    const enum call_kind kind = workflow__message_is(message, "workflow") ? CALL_OF_WORKFLOW
                                : workflow__message_is(message, "timer")  ? CALL_OF_TIMER
                                                                          : CALL_OF_AGENT;
    if (kind != CALL_OF_AGENT || workflow__message_is(message, "call")) {
        /* A worker that somebody took over asks for more than a script may. */
        if (rehearsal->asked++ >= WORKFLOW_AGENTS_MAX + WORKFLOW_NESTED_MAX + WORKFLOW_TIMERS_MAX) {
            return;
        }
        struct rehearsal_request *request = mem_new(sizeof *request);
        *request = (struct rehearsal_request){
            .message = json_incref(message), .wave = rehearsal->wave + 1, .kind = kind};
        *rehearsal->end = request;
        rehearsal->end = &request->next;
        if (kind != CALL_OF_WORKFLOW) {
            char name[PRIOR_NAME];
            prior_name(json_bytes(message, "k"), json_int(message, "n", 0), name);
            request->prior = json_object_get(rehearsal->start->priors, name);
        }
        if (kind == CALL_OF_AGENT) {
            rehearsal_count_agent(rehearsal, message, request->wave, request->prior != NULL);
            (void)json_object_del(message, "prompt"); /* Long, and not needed any more. */
            if (++rehearsal->pending > rehearsal->most_pending) {
                rehearsal->most_pending = rehearsal->pending;
            }
        }
    } else if (workflow__message_is(message, "quiet")) {
        rehearsal_on_quiet(rehearsal);
    } else if (workflow__message_is(message, "threw")) {
        rehearsal->items_failed = json_int(message, "items", 0);
        rehearsal->calls_failed = json_int(message, "calls", 0);
    } else if (workflow__message_is(message, "log") &&
               json_is_true(json_object_get(message, "error")) &&
               rehearsal->error_count < ERRORS_MAX) {
        rehearsal->errors[rehearsal->error_count++] = request_name(message, "text");
    } else if (workflow__message_is(message, "end") &&
               json_is_true(json_object_get(message, "ok"))) {
        rehearsal->ended = REHEARSAL_FINISHED;
    } else if (workflow__message_is(message, "end")) {
        const char *words = json_str(message, "message", "it gave no reason");
        int64_t line = json_int(message, "line", 0);
        AUTO(text_done) struct text fault = text_up_to(2 * (size_t)FAULT_MAX);
        rehearsal->ended = REHEARSAL_FAILED;
        if (line > 0) {
            text_addf(&fault, "line %lld: ", (long long)line);
        }
        text_add(&fault, words, utf8_cut(bytes_of(words), FAULT_MAX));
        rehearsal->fault = text_failed(&fault) ? NULL : text_take(&fault, NULL);
    }
}

static void rehearsal_read_frame(struct pool_job *job) {
    struct rehearsal *rehearsal = CONTAINER_OF(job, struct rehearsal, job);
    AUTO(json_release) json_t *messages = NULL;
    struct why why = {""};
    if (err_failed(json_parse_wide(rehearsal->frame.data, rehearsal->frame.len, JSON_DEPTH_MAX,
                                   &messages, &why))) {
        rehearsal->ended = REHEARSAL_FAILED;
        rehearsal->fault = mem_copy(why.text, strlen(why.text));
        return;
    }
    for (size_t i = 0; i < json_array_size(messages) && rehearsal->ended == REHEARSAL_GOING; i++) {
        rehearsal_take(rehearsal, json_array_get(messages, i));
    }
}

/* --- What it showed --------------------------------------------------------------------------- */

/* For agents that name none of ours: as agent_begin.c chooses. */
static const char *start_model(const struct workflow_start *start,
                               struct default_model *otherwise) {
    if (start->spec.model != NULL) {
        return start->spec.model;
    }
    connections_default_model(start->workflows->options.connections, otherwise);
    return otherwise->name;
}

static int64_t start_at_once(const struct workflow_start *start) {
    const struct workflows_limits *limits = &start->workflows->options.limits;
    int64_t wanted = start->spec.concurrency > 0 ? start->spec.concurrency : limits->at_once;
    return workflow_at_once(wanted);
}

/* Calls at once of the connection of the agents that name no model; 0: any number. */
static int64_t start_connection_at_once(const struct workflow_start *start) {
    struct default_model otherwise;
    struct model_load load;
    bool connected = models_get_load(connections_models(start->workflows->options.connections),
                                     bytes_of(start_model(start, &otherwise)), &load);
    return connected ? load.limit : 0;
}

/* Limit that agents wait for, if as many at once as the rehearsal saw are asked for; NULL: none. */
static const char *rehearsal_waits_for(const struct rehearsal *rehearsal) {
    const int64_t at_once = start_at_once(rehearsal->start);
    const int64_t of_connection = start_connection_at_once(rehearsal->start);
    const int64_t most = rehearsal->most_pending < at_once ? rehearsal->most_pending : at_once;
    if (of_connection > 0 && most > of_connection) {
        return "connection";
    }
    return rehearsal->most_pending > at_once ? "run" : NULL;
}

static void rehearsal_write(const struct rehearsal *rehearsal, struct text *text) {
    const struct workflow_start *start = rehearsal->start;
    const struct connections *connections = start->workflows->options.connections;
    const int64_t at_once = start_at_once(start);
    int64_t micros = 0, unpriced = rehearsal->agents - rehearsal->cached;
    text_addf(text, "{\"ended\":\"%s\"",
              rehearsal->cut != NULL                   ? "cut"
              : rehearsal->ended == REHEARSAL_FINISHED ? "finished"
                                                       : "failed");
    text_add_member_str(text, "fault", rehearsal->cut != NULL ? rehearsal->cut : rehearsal->fault);
    text_add_member_int(text, "agents", rehearsal->agents);
    text_add_member_int(text, "cached", rehearsal->cached);
    text_add_member_int(text, "items_failed", rehearsal->items_failed);
    text_add_member_int(text, "calls_failed", rehearsal->calls_failed);
    text_add_str(text, ",\"errors\":[");
    for (size_t i = 0; i < rehearsal->error_count; i++) {
        text_add_str(text, i > 0 ? "," : "");
        text_add_json(text, rehearsal->errors[i], strlen(rehearsal->errors[i]));
    }
    text_add_char(text, ']');
    text_add_member_int(text, "at_once",
                        rehearsal->most_pending < at_once ? rehearsal->most_pending : at_once);
    text_add_member_str(text, "waits_for", rehearsal_waits_for(rehearsal));
    text_add_str(text, ",\"steps\":[");
    for (size_t i = 0; i < rehearsal->step_count; i++) {
        const struct rehearsal_step *step = &rehearsal->steps[i];
        text_addf(text, "%s{\"wave\":%u", i > 0 ? "," : "", step->wave);
        text_add_member_or_null(text, "phase", bytes_of(step->phase));
        text_add_member_or_null(text, "label", bytes_of(step->label));
        text_add_member_or_null(text, "model", bytes_of(step->model));
        text_add_member_bool(text, "schema", step->schema);
        text_add_member_bool(text, "cached", step->cached);
        text_add_member_int(text, "agents", step->agents);
        text_add_char(text, '}');
    }
    text_addf(text, "],\"unlisted\":%lld", (long long)rehearsal->unlisted);
    /* Cost of agents, if each asks once and says as much as its model can. */
    for (size_t i = 0; i < rehearsal->model_count; i++) {
        const struct rehearsal_model *asked = &rehearsal->models[i];
        struct default_model otherwise;
        struct model_name alias;
        struct model_info info;
        const char *name = workflows__known_model(start->workflows, bytes_of(asked->name), &alias);
        name = name != NULL ? name : start_model(start, &otherwise);
        if (!models_info(connections_models(connections), bytes_of(name), &info) ||
            (info.facts.output_max == 0 && info.facts.price.output != 0)) {
            continue; /* Nobody knows. */
        }
        const struct usage usage = {.fresh = asked->prompt_bytes / USAGE_BYTES_PER_TOKEN,
                                    .output = asked->agents * info.facts.output_max};
        const struct usage_cost cost = usage_cost(&usage, &info.facts.price);
        micros += cost.known ? cost.micros : 0;
        unpriced -= cost.known ? asked->agents : 0;
    }
    text_addf(text, ",\"price\":{\"micros\":%lld,\"unpriced\":%lld}}", (long long)micros,
              (long long)unpriced);
}

/* --- Its worker ------------------------------------------------------------------------------- */

static void rehearsal_report(struct loop_task *task) {
    struct rehearsal *rehearsal = CONTAINER_OF(task, struct rehearsal, task);
    struct workflows *workflows = rehearsal->workflows;
    link_remove(&rehearsal->link);
    workflows->rehearsal_count--;
    timer_stop(workflows->options.loop, &rehearsal->deadline);
    script_close(rehearsal->worker);
    text_init(&rehearsal->start->rehearsed, REHEARSED_MAX);
    rehearsal_write(rehearsal, &rehearsal->start->rehearsed);
    rehearsal->done(rehearsal->start);
    while (rehearsal->first != NULL) {
        struct rehearsal_request *request = rehearsal->first;
        rehearsal->first = request->next;
        rehearsal_request_free(request);
    }
    for (size_t i = 0; i < rehearsal->step_count; i++) {
        mem_free(rehearsal->steps[i].phase);
        mem_free(rehearsal->steps[i].label);
        mem_free(rehearsal->steps[i].model);
    }
    for (size_t i = 0; i < rehearsal->model_count; i++) {
        mem_free(rehearsal->models[i].name);
    }
    for (size_t i = 0; i < rehearsal->error_count; i++) {
        mem_free(rehearsal->errors[i]);
    }
    mem_free(rehearsal->fault);
    text_done(&rehearsal->reply);
    mem_free(rehearsal);
    workflows__maybe_stopped(workflows);
}

/* The pool reads what is the worker's: then it is reported after that. */
static void rehearsal_finish(struct rehearsal *rehearsal, const char *cut) {
    if (!rehearsal->over) {
        rehearsal->over = true;
        rehearsal->cut = cut;
        if (!rehearsal->in_pool) {
            loop_soon(rehearsal->workflows->options.loop, &rehearsal->task);
        }
    }
}

static void rehearsal_frame_done(struct pool_job *job) {
    struct rehearsal *rehearsal = CONTAINER_OF(job, struct rehearsal, job);
    rehearsal->in_pool = false;
    if (rehearsal->over) {
        loop_soon(rehearsal->workflows->options.loop, &rehearsal->task);
        return;
    }
    script_resume(rehearsal->worker);
    if (rehearsal->ended != REHEARSAL_GOING) {
        rehearsal_finish(rehearsal, NULL);
    } else if (text_failed(&rehearsal->reply)) {
        rehearsal_finish(rehearsal, "a script that it names is too large");
    } else if (rehearsal->reply.len > 0) {
        workflows__send(rehearsal->worker, &rehearsal->reply);
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
    pool_begin(&rehearsal->workflows->pool, &rehearsal->job, POOL_QUICK, rehearsal_read_frame,
               rehearsal_frame_done);
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

void workflow_start__rehearse(struct workflow_start *start,
                              void (*done)(struct workflow_start *start)) {
    static const struct script_watch watch = {.heard = rehearsal_on_frame,
                                              .ended = rehearsal_on_worker_end};
    struct workflows *workflows = start->workflows;
    struct rehearsal *rehearsal = mem_new(sizeof *rehearsal);
    AUTO(text_done) struct text order = text_up_to(WORKFLOW_ORDER_MAX);
    rehearsal->workflows = workflows;
    rehearsal->start = start;
    rehearsal->done = done;
    rehearsal->task.run = rehearsal_report;
    rehearsal->search = workflows__search(workflows, start->spec.root, start->spec.config_dir);
    rehearsal->end = &rehearsal->first;
    text_init(&rehearsal->reply, WORKFLOW_ORDER_MAX);
    link_add_last(&workflows->rehearsals, &rehearsal->link);
    if (++workflows->rehearsal_count > REHEARSE_MAX) {
        rehearsal_finish(rehearsal, "others are being planned just now; ask again");
        return;
    }
    if (workflows->asker.stopping) {
        rehearsal_finish(rehearsal, "the daemon is stopping");
        return;
    }
    text_add_str(&order, "[{\"t\":\"start\",");
    workflow__add_script(&start->script.prepared, bytes_of(start->script.entry.file), &order);
    if (start->spec.args != NULL) {
        json_add_member(&order, "args", start->spec.args);
    }
    workflow__add_limits(&workflows->options.limits, start->spec.total, &order);
    text_add_str(&order, "]}]");
    if (text_failed(&order)) {
        rehearsal_finish(rehearsal, "its args are too large");
        return;
    }
    workflows_make_room(workflows, 1);
    rehearsal->worker = workflows__start_script(workflows, workflows->options.scripts, BYTES(""),
                                                &watch, rehearsal, &order);
    timer_start(workflows->options.loop, &rehearsal->deadline, REHEARSE_MS, rehearsal_on_deadline);
}

void workflows__stop_rehearsals(struct workflows *workflows) {
    for (struct link *link = workflows->rehearsals.next; link != &workflows->rehearsals;
         link = link->next) {
        rehearsal_finish(CONTAINER_OF(link, struct rehearsal, link), "the daemon is stopping");
    }
}

/* --- Budget and warnings, of any start -------------------------------------------------------- */

const struct amounts *workflow_start_budget(const struct workflow_start *start) {
    return start->spec.budgeted ? &start->spec.budget : start->workflows->options.budget;
}

void workflow_start_add_budget(const struct workflow_start *start, struct text *text) {
    const struct amounts *limits = workflow_start_budget(start);
    text_add_name(text, "budget");
    text_add_str(text, limits == NULL ? "null" : "{");
    for (unsigned i = 0; limits != NULL && i < AMOUNT_COUNT; i++) {
        if (limits->of[i] < AMOUNT_MAX) {
            text_add_member_int(text, amount_name((enum amount)i), limits->of[i]);
        }
    }
    text_add_str(text, limits == NULL ? "" : "}");
    text_add_member_bool(text, "budget_default", limits != NULL && !start->spec.budgeted);
}

/* Agents whose model is their own may search all the same. */
static bool start_model_searches(const struct workflow_start *start) {
    struct model_info info;
    return start->spec.model == NULL ||
           !models_info(start->workflows->options.models, bytes_of(start->spec.model), &info) ||
           ((info.kind == MODEL_KIND_RESPONSES || info.kind == MODEL_KIND_ANTHROPIC) &&
            (info.refused & PARAMETER_SET(WEB_SEARCH)) == 0);
}

/* A script that names the tool would search the web; its agents do without where none can. */
static bool start_would_search(const struct workflow_start *start) {
    static const char *const names[] = {"web_search", "WebSearch"};
    const struct catalog_script *script = &start->script;
    bool searches = false;
    for (size_t i = 0; i < COUNT_OF(names) && script->source != NULL; i++) {
        searches = searches || memmem(script->source, script->len, names[i], strlen(names[i]));
    }
    return searches;
}

/* A model that nobody knows, or the first mistake that throws where a run reaches it: the run
 * starts all the same. */
static void start_warn(const struct workflow_start *start, struct why *why) {
    const struct script_notes *notes = &start->script.notes;
    *why = start->model_warning;
    for (unsigned i = 0; i < notes->count && why->text[0] == '\0'; i++) {
        if (notes->list[i].grave) {
            workflow_fault_tell(&notes->list[i].fault, why);
        }
    }
}

void workflow_start_add_warning(const struct workflow_start *start, struct text *text) {
    AUTO(text_done) struct text words = text_up_to(4096);
    struct why why = {""};
    if (!start->plans) { /* A plan has a list of these. */
        start_warn(start, &why);
    }
    text_add_str(&words, why.text);
    const struct workflows_options *options = &start->workflows->options;
    const bool lacks =
        !options->searches || (options->provider_searches && !start_model_searches(start));
    const char *name = start->spec.name, *found = start->script.entry.name;
    const bool named = start->spec.path == NULL && start->spec.script == NULL && name != NULL;
    if (named && found != NULL && strcmp(name, found) != 0 && strchr(name, ':') != NULL) {
        workflow_fallback_tell("workflow", bytes_of(name), bytes_of(found), &why);
        text_addf(&words, "%s%s", words.len > 0 ? "; " : "", why.text);
    }
    if (start_would_search(start) && lacks) {
        text_add_str(&words, words.len > 0 ? "; " : "");
        text_addf(&words, "%s: agents search in the project and with web_fetch only",
                  options->searches
                      ? "the provider of the model has no web search of its own (drover serve "
                        "--search ENGINE)"
                      : "no web search is configured (drover serve --search ENGINE, or --search "
                        "provider for the search of the model's provider, which it bills)");
    }
    if (words.len > 0) {
        text_add_member(text, "warning", text_bytes(&words));
    }
}

/* --- The plan --------------------------------------------------------------------------------- */

void workflow_start_write_plan(const struct workflow_start *start, struct text *text) {
    static const char *const from_names[] = {
        [MODEL_FROM_SETTING] = "setting",
        [MODEL_FROM_OPTION] = "option",
        [MODEL_FROM_CONNECTION] = "connection",
        [MODEL_FROM_NOWHERE] = "nowhere",
    };
    const struct workflow_spec *spec = &start->spec;
    const struct workflows_options *options = &start->workflows->options;
    const bool rehearsed = start->rehearsed.len > 0 && !text_failed(&start->rehearsed);
    const char *unfit = start->unfit.text[0] != '\0' ? start->unfit.text : NULL;
    struct default_model otherwise;
    struct model_info info;
    const char *model = start_model(start, &otherwise);
    text_add_char(text, '{');
    text_add_member_bool(text, "valid", !start->invalid);
    text_add_member_str(text, "error", start->invalid ? start->why.text : NULL);
    if (start->invalid) {
        text_add_member_str(text, "file", start->script.entry.file);
        text_add_char(text, '}');
        return;
    }
    text_add_char(text, ',');
    text_add(text, start->started.data, start->started.len);
    text_add_str(text, ",\"model\":{");
    text_add_member_or_null(text, "name", bytes_of(model));
    text_add_member_str(text, "from", spec->model != NULL ? "asked" : from_names[otherwise.from]);
    text_add_member_or_null(text, "connection", (struct bytes){model, strcspn(model, "/")});
    text_add_member_bool(
        text, "connected",
        models_info(connections_models(options->connections), bytes_of(model), &info));
    text_add_char(text, '}');
    text_add_member_str(text, "root", spec->root);
    workflow_start_add_warning(start, text);
    /* Tools need a folder to work in; a call of a model has none. */
    AUTO(json_release)
    json_t *tools = spec->root == NULL ? json_array()
                                       : workflow__tools(json_object_get(spec->settings, "tools"),
                                                         workflows__tools(start->workflows));
    json_add_member(text, "tools", tools);
    text_add_str(text, ",\"limits\":{");
    text_add_member_int(text, "at_once", start_at_once(start));
    text_add_member_int_unless(text, "connection_at_once", start_connection_at_once(start), 0);
    text_add_member_int(text, "commands_at_once", options->limits.commands);
    text_add_member_int(text, "agents", WORKFLOW_AGENTS_MAX);
    text_add_member_int(text, "items", WORKFLOW_ITEMS_MAX);
    text_add_member_int_unless(text, "timeout_ms", spec->timeout_ms, 0);
    text_add_member_int(text, "agent_timeout_ms",
                        spec->agent_timeout_ms > 0 ? spec->agent_timeout_ms : WORKFLOW_AGENT_MS);
    text_add_member_int_unless(text, "agent_stuck_ms", options->limits.stuck_ms, -1);
    text_add_member_int_unless(text, "script_cpu_ms", options->limits.cpu_ms, -1);
    text_add_member_int_unless(text, "runs", options->bounds.workflows, 0);
    text_add_char(text, '}');
    workflow_start_add_budget(start, text);
    text_add_member_int_unless(text, "total", spec->total, -1);
    text_add_member_str(text, "resumed_from", spec->resume);
    text_add_member_int_unless(text, "from_seq", spec->from_seq, -1);
    text_add_name(text, "resume");
    if (spec->resume == NULL) {
        text_add_str(text, "null");
    } else {
        text_add_char(text, '{');
        text_add_member_bool(text, "fit", unfit == NULL);
        text_add_member_str(text, "fault", unfit);
        text_add_char(text, '}');
    }
    text_add_name(text, "rehearsal");
    text_add_str(text, rehearsed ? start->rehearsed.data : "null");
    text_add_str(text, ",\"unknown\":["
                       "\"how many agents it asks for, and which, where answers differ from those "
                       "of the rehearsal\","
                       "\"how often an agent with tools asks its model, and so what it costs\","
                       "\"how long it takes\"]}");
}
