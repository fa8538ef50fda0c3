/* start_words.c: what the answer to a start, and a plan, say of its budget, and warn of. */
#include "base/memory.h"
#include "dispatch/workflow/check.h"
#include "dispatch/workflow/registry.h"
#include "dispatch/workflow/start.h"

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
