/* flow_plan.c: what a workflow would do, without running it.
 *
 * A script decides while it runs, from answers that nobody has yet. So what is said here is what
 * holds for every run of it: where it was found, what it says of itself, whether the args fit, who
 * its agents would be, and the limits. What nobody can know before is named as such. */
#include <string.h>

#include "dispatch/flow.h"
#include "dispatch/flow_start.h"

static const char *const unknown[] = {
    ("how many agents it asks for, in which order, and how often: its script decides that while it "
     "runs"),
    "what single calls of agent() ask for: model, effort, tools, schema, isolation",
    "which scripts workflow() names, and whether they are there",
    "what it costs, and how long it takes",
};

static void add_text(struct text *text, const char *before, const char *value) {
    text_add_str(text, before);
    if (value == NULL) {
        text_add_str(text, "null");
    } else {
        text_add_json(text, value, strlen(value));
    }
}

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
    add_text(text, ",\"fault\":", misfit);
    text_add_char(text, '}');
    return err;
}

struct err flow_start__plan(struct flow_start *start) {
    const struct script_prepared *prepared = &start->script.prepared;
    const json_t *meta = prepared->meta;
    struct text *text = &start->started;
    text_clear(text);
    add_text(text, ",\"name\":", script_meta_name(prepared));
    add_text(text, ",\"description\":", script_meta_description(prepared));
    struct err err = add_json(text, ",\"phases\":", json_object_get(meta, "phases"));
    if (!err_failed(err)) {
        err = add_json(text, ",\"meta\":", meta);
    }
    add_text(text, ",\"file\":", start->script.entry.file);
    add_text(text, ",\"origin\":", origin_of(start));
    add_text(text, ",\"form\":", script_form_name(prepared->form));
    if (!err_failed(err)) {
        err = add_args(start, text);
    }
    text_add_str(text, ",\"notes\":");
    script_notes_write(prepared, text);
    return err_failed(err) || !text_failed(text) ? err : err_make(ERR_OUT_OF_MEMORY, "flow: plan");
}

/* --- Its agents, on the loop ------------------------------------------------------------------ */

/* Of those that name none of ours: as flow_call.c chooses. */
static void add_model(const struct flow_start *start, struct text *text) {
    static const char *const from_names[] = {
        [MODEL_FROM_SETTING] = "setting",
        [MODEL_FROM_OPTION] = "option",
        [MODEL_FROM_CONNECTION] = "connection",
        [MODEL_FROM_NOWHERE] = "nowhere",
    };
    const struct connections *connections = start->flows->options.connections;
    const char *name = start->spec.model, *from = "asked";
    struct default_model otherwise;
    struct model_info info;
    if (name == NULL) {
        connections_default_model(connections, &otherwise);
        name = otherwise.name;
        from = from_names[otherwise.from];
    }
    const struct bytes whole = {name, strlen(name)};
    size_t len = strcspn(name, "/");
    add_text(text, ",\"model\":{\"name\":", name);
    add_text(text, ",\"from\":", from);
    text_add_str(text, ",\"connection\":");
    text_add_json(text, name, len);
    bool there = models_info(connections_models(connections), whole, &info);
    text_add_str(text, there ? ",\"connected\":true}" : ",\"connected\":false}");
}

/* Tools need a folder to work in; a call of a model has none. */
static struct err add_tools(const struct flow_start *start, struct text *text) {
    const struct workflow_spec *spec = &start->spec;
    AUTO(json_release) json_t *tools = NULL;
    add_text(text, ",\"root\":", spec->root);
    if (spec->root == NULL) {
        text_add_str(text, ",\"tools\":[]");
        return ERR_OK;
    }
    tools = flow__tools(NULL /* as many as it may */, json_object_get(spec->settings, "tools"),
                        TOOL_SET_ALL);
    return add_json(text, ",\"tools\":", tools);
}

static void add_limits(const struct flow_start *start, struct text *text) {
    const struct workflow_spec *spec = &start->spec;
    const struct flows_limits *limits = &start->flows->options.limits;
    int64_t wanted = spec->concurrency > 0 ? spec->concurrency : limits->at_once;
    int64_t agent_ms = spec->agent_timeout_ms > 0 ? spec->agent_timeout_ms : WORKFLOW_AGENT_MS;
    add_number(text, ",\"limits\":{\"at_once\":",
               workflow_at_once((int64_t)uv_available_parallelism(), wanted), -1);
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
    add_text(text, ",\"resumed_from\":", spec->resume);
    text_add_str(text, ",\"resume\":");
    if (spec->resume == NULL) {
        text_add_str(text, "null");
        return;
    }
    const char *fault = start->unfit.text[0] != '\0' ? start->unfit.text : NULL;
    add_text(text, fault == NULL ? "{\"fit\":true,\"fault\":" : "{\"fit\":false,\"fault\":", fault);
    text_add_char(text, '}');
}

static void add_unknown(struct text *text) {
    text_add_str(text, ",\"unknown\":[");
    for (size_t i = 0; i < COUNT_OF(unknown); i++) {
        add_text(text, i > 0 ? "," : "", unknown[i]);
    }
    text_add_char(text, ']');
}

void flow_start_write_plan(const struct flow_start *start, struct text *text) {
    text_add_str(text, start->invalid ? "{\"valid\":false" : "{\"valid\":true");
    add_text(text, ",\"error\":", start->invalid ? start->why.text : NULL);
    if (start->invalid) {
        add_text(text, ",\"file\":", start->script.entry.file);
    } else {
        text_add(text, start->started.data, start->started.len);
        add_model(start, text);
        text->failed = err_failed(add_tools(start, text)) || text->failed;
        add_limits(start, text);
        add_unknown(text);
    }
    text_add_char(text, '}');
}
