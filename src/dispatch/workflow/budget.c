/* budget.c: what a workflow may spend: what was asked for, or what the daemon gives to those
 * that ask for nothing. It is the run's own from its start, so a daemon that is started with
 * another default changes nothing for it. */
#include "dispatch/workflow/flow.h"
#include "dispatch/workflow/start.h"

const struct amounts *flow_start_budget(const struct flow_start *start) {
    return start->spec.budgeted ? &start->spec.budget : start->flows->options.budget;
}

static void add_limits(const struct amounts *limits, struct text *text) {
    const char *before = "";
    text_add_char(text, '{');
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        if (limits->of[i] < AMOUNT_MAX) {
            text_addf(text, "%s\"%s\":%lld", before, amount_name((enum amount)i),
                      (long long)limits->of[i]);
            before = ",";
        }
    }
    text_add_char(text, '}');
}

void flow_start_add_budget(const struct flow_start *start, struct text *text) {
    const struct amounts *limits = flow_start_budget(start);
    bool is_default = limits != NULL && !start->spec.budgeted;
    text_add_str(text, "\"budget\":");
    if (limits != NULL) {
        add_limits(limits, text);
    } else {
        text_add_str(text, "null");
    }
    text_addf(text, ",\"budget_default\":%s", is_default ? "true" : "false");
}

static void add_number(struct text *text, const char *name, int64_t number, int64_t none) {
    text_addf(text, number == none ? ",\"%s\":null" : ",\"%s\":%lld", name, (long long)number);
}

void flow_start_add_limits(const struct flow_start *start, struct text *text) {
    const struct workflow_spec *spec = &start->spec;
    add_number(text, "total", spec->total, -1);
    add_number(text, "timeout_ms", spec->timeout_ms, 0);
    add_number(text, "agent_timeout_ms", spec->agent_timeout_ms, 0);
    add_number(text, "concurrency", spec->concurrency, 0);
}
