/* lines.c: one function for each type of event. */
#include "cli/workflow/lines.h"

#include <string.h>

#include "cli/base/api.h"
#include "cli/budget/limits.h"
#include "cli/run/view.h"
#include "cli/terminal/plain.h"
#include "cli/workflow/draw.h"

static void words_add(struct text *text, const char *words) {
    AUTO(text_done) struct text line = {0};
    plain_line(&line, words);
    text_add(text, line.data != NULL ? line.data : "", line.len);
}

struct spent {
    int64_t tokens, cost_micros, ms;
};

static void spent_add(struct text *text, const struct spent *spent, const char *before) {
    if (spent->tokens > 0) {
        text_addf(text, "%s%s tokens", before, workflow_tokens(spent->tokens).text);
        before = ", ";
    }
    if (spent->cost_micros > 0) {
        text_addf(text, "%s%s", before, budget_show("cost_micros", spent->cost_micros).text);
        before = ", ";
    }
    if (spent->ms >= 0) {
        text_addf(text, "%s%s", before, run_span(spent->ms).text);
    }
}

static void agent_add(const struct workflow_told *told, struct text *text) {
    const char *phase = told->tree->phases[told->agent->phase].title;
    text_add_str(text, told->agent->name);
    if (phase[0] != '\0') {
        text_addf(text, " [%s]", phase);
    }
}

/* The unit shows in the amount. */
static int name_len(const char *name) {
    const char *unit = strstr(name, "_micros");
    unit = unit == NULL ? strstr(name, "_ms") : unit;
    return (int)(unit == NULL ? strlen(name) : (size_t)(unit - name));
}

void workflow_budget_add(const json_t *data, struct text *text) {
    json_t *budget = json_object_get(data, "budget"), *value = NULL;
    const char *name = NULL, *before = ", budget";
    if (!json_is_object(budget)) { /* An older daemon says nothing of it. */
        text_add_str(text, budget != NULL ? ", no budget" : "");
        return;
    }
    json_object_foreach(budget, name, value) {
        text_addf(text, "%s %.*s %s", before, name_len(name), name,
                  budget_show(name, json_integer_value(value)).text);
        before = ",";
    }
    bool is_default = json_is_true(json_object_get(data, "budget_default"));
    text_add_str(text, is_default ? " (the daemon's default)" : "");
}

static void add_limits(const json_t *data, struct text *text) {
    int64_t time_ms = talk_int(data, "timeout_ms"), agent_ms = talk_int(data, "agent_timeout_ms");
    int64_t at_once = talk_int(data, "concurrency");
    if (json_is_integer(json_object_get(data, "total"))) { /* 0 is one. */
        text_addf(text, ", budget.total %lld", (long long)talk_int(data, "total"));
    }
    if (time_ms > 0) {
        text_addf(text, ", timeout %s", run_span(time_ms).text);
    }
    if (agent_ms > 0) {
        text_addf(text, ", of each agent %s", run_span(agent_ms).text);
    }
    if (at_once > 0) {
        text_addf(text, ", at most %lld at once", (long long)at_once);
    }
}

/* --- By type ---------------------------------------------------------------------------------- */

static void add_started(const struct workflow_told *told, struct text *text) {
    const char *from = talk_text(told->event->data, "resumed_from");
    text_addf(text, "workflow started: %s (%s)", told->tree->name, told->run);
    if (from[0] != '\0') {
        text_add_str(text, ", resumed from ");
        words_add(text, from);
    }
    workflow_budget_add(told->event->data, text);
    add_limits(told->event->data, text);
}

/* The gate stands in the row, and changes. */
static void add_queued(const struct workflow_told *told, struct text *text) {
    (void)told; /* It is known which. */
    text_add_str(text, "workflow queued");
}

static void add_phase(const struct workflow_told *told, struct text *text) {
    text_add_str(text, "phase: ");
    words_add(text, talk_text(told->event->data, "title"));
}

static void add_log(const struct workflow_told *told, struct text *text) {
    text_add_str(text, "log: ");
    words_add(text, talk_text(told->event->data, "text"));
}

static void add_agent_started(const struct workflow_told *told, struct text *text) {
    text_add_str(text, "agent started: ");
    agent_add(told, text);
}

static void add_agent_restarted(const struct workflow_told *told, struct text *text) {
    text_add_str(text, "agent restarted: ");
    agent_add(told, text);
}

static void add_agent_retrying(const struct workflow_told *told, struct text *text) {
    const json_t *data = told->event->data;
    text_add_str(text, "agent waits for its provider: ");
    agent_add(told, text);
    text_addf(text, " until %s", talk_clock(talk_int(data, "resume_at_ms")).text);
    if (talk_text(data, "cause")[0] != '\0') {
        text_add_str(text, ", ");
        words_add(text, talk_text(data, "cause"));
    }
}

static void add_agent_finished(const struct workflow_told *told, struct text *text) {
    const struct workflow_agent *agent = told->agent;
    const char *note = talk_text(told->event->data, "note");
    const struct spent spent = {agent->tokens, agent->cost_micros, agent->ms};
    text_addf(text, "agent %s: ", workflow_mark_word(agent->mark));
    agent_add(told, text);
    if (agent->cause[0] != '\0') {
        text_addf(text, " %s", agent->cause);
    }
    if (agent->cause[0] != '\0' && note[0] != '\0') {
        text_add_str(text, ": ");
        words_add(text, note);
    }
    if (agent->mark != WORKFLOW_CACHED) {
        spent_add(text, &spent, agent->cause[0] != '\0' ? ", " : " ");
    }
    if (agent->worktree[0] != '\0') {
        text_add_str(text, ", kept: ");
        words_add(text, agent->worktree);
    }
}

static void add_finished(const struct workflow_told *told, struct text *text) {
    workflow_lines_end(told->tree, text);
}

static void add_stopping(const struct workflow_told *told, struct text *text) {
    text_add_str(text, "workflow stopping: ");
    words_add(text, talk_text(told->event->data, "cause"));
}

static void add_paused(const struct workflow_told *told, struct text *text) {
    text_addf(text, "workflow paused: 'drover resume %s' lets it go on", told->run);
}

static void add_resumed(const struct workflow_told *told, struct text *text) {
    (void)told; /* It is known which. */
    text_add_str(text, "workflow goes on");
}

void workflow_lines_end(const struct workflow_tree *tree, struct text *text) {
    const struct spent spent = {tree->tokens, tree->cost_micros, tree->ms};
    text_addf(text, "workflow %s: ", tree->state);
    if (tree->cause[0] != '\0' && strcmp(tree->cause, "completed") != 0) {
        text_addf(text, "%s, ", tree->cause);
    }
    workflow_counts_add(tree, text);
    spent_add(text, &spent, ", ");
}

void workflow_lines_add(const struct workflow_told *told, struct text *text) {
    static const struct {
        const char *type;
        bool of_agent;
        void (*add)(const struct workflow_told *told, struct text *text);
    } adders[] = {
        {"workflow_started", false, add_started},
        {"run_queued", false, add_queued},
        {"phase", false, add_phase},
        {"log", false, add_log},
        {"agent_started", true, add_agent_started},
        {"agent_restarted", true, add_agent_restarted},
        {"agent_retrying", true, add_agent_retrying},
        {"agent_finished", true, add_agent_finished},
        {"run_stopping", false, add_stopping},
        {"workflow_paused", false, add_paused},
        {"workflow_resumed", false, add_resumed},
        {"workflow_finished", false, add_finished},
    };
    const struct workflow_event *event = told->event;
    for (size_t i = 0; i < COUNT_OF(adders); i++) {
        if (strlen(adders[i].type) == event->type.len &&
            memcmp(adders[i].type, event->type.data, event->type.len) == 0 &&
            (!adders[i].of_agent || told->agent != NULL)) {
            adders[i].add(told, text);
            text_add_char(text, '\n');
        }
    }
}
