/* lines.c: how each type of event begins, and what follows. */
#include "cli/workflow/lines.h"

#include <string.h>

#include "cli/base/api.h"
#include "cli/budget/limits.h"
#include "cli/run/view.h"
#include "cli/terminal/plain.h"
#include "cli/workflow/draw.h"

/* Amounts that are not known are left out. */
static void spent_add(struct text *text, const char *before, int64_t tokens, int64_t cost_micros,
                      int64_t ms) {
    if (tokens > 0) {
        text_addf(text, "%s%s tokens", before, workflow_tokens(tokens).text);
        before = ", ";
    }
    if (cost_micros > 0) {
        text_addf(text, "%s%s", before, budget_show("cost_micros", cost_micros).text);
        before = ", ";
    }
    if (ms >= 0) {
        text_addf(text, "%s%s", before, run_span(ms).text);
    }
}

void workflow_budget_add(const json_t *data, struct text *text) {
    json_t *budget = json_object_get(data, "budget"), *value = NULL;
    const char *name = NULL, *before = ", budget";
    if (!json_is_object(budget)) { /* An older daemon says nothing of it. */
        text_add_str(text, budget != NULL ? ", no budget" : "");
        return;
    }
    json_object_foreach(budget, name, value) {
        const char *unit = strstr(name, "_micros"); /* The unit shows in the amount. */
        unit = unit == NULL ? strstr(name, "_ms") : unit;
        text_addf(text, "%s %.*s %s", before,
                  (int)(unit == NULL ? strlen(name) : (size_t)(unit - name)), name,
                  budget_show(name, json_integer_value(value)).text);
        before = ",";
    }
    bool is_default = json_is_true(json_object_get(data, "budget_default"));
    text_add_str(text, is_default ? " (the daemon's default)" : "");
}

static void started_add(const struct workflow_told *told, struct text *text) {
    const json_t *data = told->event->data;
    const char *from = talk_text(data, "resumed_from");
    int64_t time_ms = talk_int(data, "timeout_ms"), agent_ms = talk_int(data, "agent_timeout_ms");
    int64_t at_once = talk_int(data, "concurrency");
    text_addf(text, "%s (%s)", told->tree->name, told->run);
    text_add_str(text, from[0] != '\0' ? ", resumed from " : "");
    plain_add(text, from);
    workflow_budget_add(data, text);
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

static void paused_add(const struct workflow_told *told, struct text *text) {
    text_addf(text, "'drover resume %s' lets it go on", told->run);
}

static void retrying_add(const struct workflow_told *told, struct text *text) {
    const json_t *data = told->event->data;
    const char *cause = talk_text(data, "cause");
    text_addf(text, " until %s", talk_clock(talk_int(data, "resume_at_ms")).text);
    text_add_str(text, cause[0] != '\0' ? ", " : "");
    plain_add(text, cause);
}

static void agent_finished_add(const struct workflow_told *told, struct text *text) {
    const struct workflow_agent *agent = told->agent;
    const char *note = talk_text(told->event->data, "note");
    bool caused = agent->cause[0] != '\0';
    if (caused) {
        text_addf(text, " %s%s", agent->cause, note[0] != '\0' ? ": " : "");
        plain_add(text, note);
    }
    if (agent->mark != WORKFLOW_CACHED) {
        spent_add(text, caused ? ", " : " ", agent->tokens, agent->cost_micros, agent->ms);
    }
    if (agent->worktree[0] != '\0') {
        text_add_str(text, ", kept: ");
        plain_add(text, agent->worktree);
    }
}

/* How the run ended, as its last line says it. */
static void finished_add(const struct workflow_told *told, struct text *text) {
    const struct workflow_tree *tree = told->tree;
    text_addf(text, "workflow %s: ", tree->state);
    if (tree->cause[0] != '\0' && strcmp(tree->cause, "completed") != 0) {
        text_addf(text, "%s, ", tree->cause);
    }
    workflow_counts_add(tree, text);
    spent_add(text, ", ", tree->tokens, tree->cost_micros, tree->ms);
}

void workflow_lines_add(const struct workflow_told *told, struct text *text) {
    static const struct {
        const char *type, *before;
        bool of_agent;      /* The agent follows. */
        const char *member; /* Words of the event that follow; NULL: none do. */
        void (*add)(const struct workflow_told *told, struct text *text); /* The rest, or NULL. */
    } lines[] = {
        {"workflow_started", "workflow started: ", .add = started_add},
        {"run_queued", "workflow queued",
         .add = NULL}, /* Its gate stands in the row, and changes. */
        {"phase", "phase: ", .member = "title"},
        {"log", "log: ", .member = "text"},
        {"agent_started", "agent started: ", .of_agent = true},
        {"agent_restarted", "agent restarted: ", .of_agent = true},
        {"agent_retrying", "agent waits for its provider: ", true, .add = retrying_add},
        {"agent_finished", NULL, true, .add = agent_finished_add},
        {"run_stopping", "workflow stopping: ", .member = "cause"},
        {"workflow_paused", "workflow paused: ", .add = paused_add},
        {"workflow_resumed", "workflow goes on", .add = NULL},
        {"workflow_finished", "", .add = finished_add},
    };
    size_t at = 0;
    while (at < COUNT_OF(lines) && !bytes_is(told->event->type, lines[at].type)) {
        at++;
    }
    if (at == COUNT_OF(lines) || (lines[at].of_agent && told->agent == NULL)) {
        return;
    }
    if (lines[at].before != NULL) {
        text_add_str(text, lines[at].before);
    } else {
        text_addf(text, "agent %s: ", workflow_mark_word(told->agent->mark));
    }
    if (lines[at].of_agent) {
        const char *phase = told->tree->phases[told->agent->phase].title;
        text_add_str(text, told->agent->name);
        if (phase[0] != '\0') {
            text_addf(text, " [%s]", phase);
        }
    }
    if (lines[at].member != NULL) {
        plain_add(text, talk_text(told->event->data, lines[at].member));
    }
    if (lines[at].add != NULL) {
        lines[at].add(told, text);
    }
    text_add_char(text, '\n');
}
