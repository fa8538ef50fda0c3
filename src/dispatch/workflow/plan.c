/* plan.c: what a workflow would do, without asking anybody.
 *
 * What holds for every run of it is said: where it was found, what it says of itself, whether the
 * args fit, who its agents would be, and the limits. What it asks for it decides while it runs,
 * from answers that nobody has yet: so it is played once with stand-ins for its agents, which shows
 * its shape. What nobody can know before is named as such. */
#include "dispatch/workflow/agent.h"
#include "dispatch/workflow/rehearsal.h"
#include "dispatch/workflow/replay.h"
#include "dispatch/workflow/start.h"

enum { REHEARSED_MAX = 1 << 20 };

static const char *const unknown[] = {
    "how many agents it asks for, and which, where answers differ from those of the rehearsal",
    "how often an agent with tools asks its model, and so what it costs",
    "how long it takes",
};

static struct err add_json(struct text *text, const char *before, const json_t *json) {
    text_add_str(text, before);
    if (json == NULL) {
        text_add_str(text, "null");
        return ERR_OK;
    }
    return json_write(json, text);
}

static void add_number(struct text *text, const char *before, int64_t number, int64_t none) {
    text_add_str(text, before);
    if (number == none) {
        text_add_str(text, "null");
    } else {
        text_add_int(text, number);
    }
}

/* --- Its script, in the pool ------------------------------------------------------------------ */

static const char *origin_of(const struct flow_start *start) {
    const struct workflow_spec *spec = &start->spec;
    return spec->path != NULL     ? "path"
           : spec->script != NULL ? "text"
           : spec->name != NULL   ? catalog_origin_name(start->script.entry.origin)
                                  : "run";
}

static struct err add_args(const struct flow_start *start, struct text *text) {
    const char *misfit = start->misfit.text[0] != '\0' ? start->misfit.text : NULL;
    const json_t *schema = script_meta_args(&start->script.prepared);
    text_add_str(text, start->spec.args != NULL ? ",\"args\":{\"given\":true"
                                                : ",\"args\":{\"given\":false");
    struct err err = add_json(text, ",\"schema\":", schema);
    text_add_str(text, schema == NULL   ? ",\"fit\":null"
                       : misfit == NULL ? ",\"fit\":true"
                                        : ",\"fit\":false");
    flow__add_text(text, ",\"fault\":", misfit);
    text_add_char(text, '}');
    return err;
}

struct err flow_start__plan(struct flow_start *start) {
    const struct script_prepared *prepared = &start->script.prepared;
    const json_t *meta = prepared->meta;
    struct text *text = &start->started;
    text_clear(text);
    flow__add_text(text, ",\"name\":", script_meta_name(prepared));
    flow__add_text(text, ",\"description\":", script_meta_description(prepared));
    struct err err = add_json(text, ",\"phases\":", json_object_get(meta, "phases"));
    if (!err_failed(err)) {
        err = add_json(text, ",\"meta\":", meta);
    }
    flow__add_text(text, ",\"file\":", start->script.entry.file);
    flow__add_text(text, ",\"origin\":", origin_of(start));
    flow__add_text(text, ",\"form\":", script_form_name(prepared->form));
    if (!err_failed(err)) {
        err = add_args(start, text);
    }
    text_add_str(text, ",\"notes\":");
    script_notes_write(prepared, text);
    return err_failed(err) || !text_failed(text) ? err : text_error(text, "flow: plan");
}

/* --- Its agents, on the loop ------------------------------------------------------------------ */

/* Of those that name none of ours: as call.c chooses. */
static const char *model_of(const struct flow_start *start, struct default_model *otherwise) {
    if (start->spec.model != NULL) {
        return start->spec.model;
    }
    connections_default_model(start->flows->options.connections, otherwise);
    return otherwise->name;
}

static void add_model(const struct flow_start *start, struct text *text) {
    static const char *const from_names[] = {
        [MODEL_FROM_SETTING] = "setting",
        [MODEL_FROM_OPTION] = "option",
        [MODEL_FROM_CONNECTION] = "connection",
        [MODEL_FROM_NOWHERE] = "nowhere",
    };
    const struct connections *connections = start->flows->options.connections;
    struct default_model otherwise;
    struct model_info info;
    const char *name = model_of(start, &otherwise);
    const char *from = start->spec.model != NULL ? "asked" : from_names[otherwise.from];
    const struct bytes whole = bytes_of(name);
    size_t len = strcspn(name, "/");
    flow__add_text(text, ",\"model\":{\"name\":", name);
    flow__add_text(text, ",\"from\":", from);
    text_add_str(text, ",\"connection\":");
    text_add_json(text, name, len);
    bool there = models_info(connections_models(connections), whole, &info);
    text_add_str(text, there ? ",\"connected\":true}" : ",\"connected\":false}");
}

/* Tools need a folder to work in; a call of a model has none. */
static struct err add_tools(const struct flow_start *start, struct text *text) {
    const struct workflow_spec *spec = &start->spec;
    AUTO(json_release) json_t *tools = NULL;
    flow__add_text(text, ",\"root\":", spec->root);
    if (spec->root == NULL) {
        text_add_str(text, ",\"tools\":[]");
        return ERR_OK;
    }
    tools = flow__tools(json_object_get(spec->settings, "tools"), TOOL_SET_ALL);
    return add_json(text, ",\"tools\":", tools);
}

static void add_limits(const struct flow_start *start, struct text *text) {
    const struct workflow_spec *spec = &start->spec;
    const struct flows_limits *limits = &start->flows->options.limits;
    int64_t wanted = spec->concurrency > 0 ? spec->concurrency : limits->at_once;
    int64_t agent_ms = spec->agent_timeout_ms > 0 ? spec->agent_timeout_ms : WORKFLOW_AGENT_MS;
    add_number(text, ",\"limits\":{\"at_once\":", workflow_at_once(limits->processors, wanted), -1);
    add_number(text, ",\"agents\":", WORKFLOW_AGENTS_MAX, -1);
    add_number(text, ",\"items\":", WORKFLOW_ITEMS_MAX, -1);
    add_number(text, ",\"timeout_ms\":", spec->timeout_ms, 0);
    add_number(text, ",\"agent_timeout_ms\":", agent_ms, -1);
    add_number(text, ",\"agent_stuck_ms\":", limits->stuck_ms, -1);
    add_number(text, ",\"script_cpu_ms\":", limits->cpu_ms, -1);
    add_number(text, ",\"runs\":", start->flows->options.bounds.workflows, 0);
    text_add_str(text, "},");
    flow_start_add_budget(start, text);
    add_number(text, ",\"total\":", spec->total, -1);
    flow__add_text(text, ",\"resumed_from\":", spec->resume);
    text_add_str(text, ",\"resume\":");
    if (spec->resume == NULL) {
        text_add_str(text, "null");
        return;
    }
    const char *fault = start->unfit.text[0] != '\0' ? start->unfit.text : NULL;
    flow__add_text(text,
                   fault == NULL ? "{\"fit\":true,\"fault\":" : "{\"fit\":false,\"fault\":", fault);
    text_add_char(text, '}');
}

/* --- Its rehearsal, on the loop --------------------------------------------------------------- */

/* What they cost if each asks once and says as much as its model can; false: nobody knows. */
static bool add_price(const struct flow_start *start, const struct stub_model *asked,
                      int64_t *micros) {
    const struct connections *connections = start->flows->options.connections;
    struct default_model otherwise;
    struct model_info info;
    const char *name = asked->name[0] != '\0' ? asked->name : model_of(start, &otherwise);
    if (!models_info(connections_models(connections), bytes_of(name), &info)) {
        return false;
    }
    const struct model_facts *facts = &info.facts;
    if (facts->output_max == 0 && facts->price.output != 0) {
        return false;
    }
    const struct usage usage = {.fresh = asked->prompt_bytes / USAGE_BYTES_PER_TOKEN,
                                .output = asked->agents * facts->output_max};
    const struct usage_cost cost = usage_cost(&usage, &facts->price);
    *micros += cost.known ? cost.micros : 0;
    return cost.known;
}

static void add_prices(const struct flow_start *start, const struct stubs *told,
                       struct text *text) {
    int64_t micros = 0, unpriced = told->agents;
    for (size_t i = 0; i < told->model_count; i++) {
        unpriced -= add_price(start, &told->models[i], &micros) ? told->models[i].agents : 0;
    }
    add_number(text, ",\"price\":{\"micros\":", micros, -1);
    add_number(text, ",\"unpriced\":", unpriced, -1);
    text_add_char(text, '}');
}

static void rehearsed(void *ctx, const struct stubs *told, const char *cut) {
    struct flow_start *start = ctx;
    struct text *text = &start->rehearsed;
    const struct flows_limits *limits = &start->flows->options.limits;
    int64_t wanted = start->spec.concurrency > 0 ? start->spec.concurrency : limits->at_once;
    int64_t at_once = workflow_at_once(limits->processors, wanted);
    text_init(text, REHEARSED_MAX);
    text_addf(text, "{\"ended\":\"%s\"",
              cut != NULL                    ? "cut"
              : told->ended == STUB_FINISHED ? "finished"
                                             : "failed");
    flow__add_text(text, ",\"fault\":", cut != NULL ? cut : told->fault);
    add_number(text, ",\"agents\":", told->agents, -1);
    add_number(text, ",\"at_once\":", told->most_pending < at_once ? told->most_pending : at_once,
               -1);
    text_add_char(text, ',');
    stubs_write(told, text);
    add_prices(start, told, text);
    text_add_char(text, '}');
    start->rehearsed_with(start);
}

void flow_start__rehearse(struct flow_start *start, void (*done)(struct flow_start *start)) {
    const struct script_prepared *prepared = &start->script.prepared;
    const char *file = start->script.entry.file;
    const struct rehearsal_ask ask = {.text = {prepared->text, prepared->len},
                                      .form = prepared->form,
                                      .file = {file, strlen(file)},
                                      .args = start->spec.args,
                                      .total = start->spec.total,
                                      .root = start->spec.root};
    start->rehearsed_with = done;
    flows_rehearse(start->flows, &ask, rehearsed, start);
}

static void add_rehearsal(const struct flow_start *start, struct text *text) {
    text_add_str(text, ",\"rehearsal\":");
    if (start->rehearsed.len == 0 || text_failed(&start->rehearsed)) {
        text_add_str(text, "null");
    } else {
        text_add(text, start->rehearsed.data, start->rehearsed.len);
    }
}

static void add_unknown(struct text *text) {
    text_add_str(text, ",\"unknown\":[");
    for (size_t i = 0; i < COUNT_OF(unknown); i++) {
        flow__add_text(text, i > 0 ? "," : "", unknown[i]);
    }
    text_add_char(text, ']');
}

void flow_start_write_plan(const struct flow_start *start, struct text *text) {
    text_add_str(text, start->invalid ? "{\"valid\":false" : "{\"valid\":true");
    flow__add_text(text, ",\"error\":", start->invalid ? start->why.text : NULL);
    if (start->invalid) {
        flow__add_text(text, ",\"file\":", start->script.entry.file);
    } else {
        text_add(text, start->started.data, start->started.len);
        add_model(start, text);
        text->failed = err_failed(add_tools(start, text)) || text->failed;
        add_limits(start, text);
        add_rehearsal(start, text);
        add_unknown(text);
    }
    text_add_char(text, '}');
}
