/* tree.c: a fold over events. Agents and phases are few (a run has at most a thousand),
 * and are looked for from the front. */
#include "cli/workflow/tree.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "cli/base/api.h"
#include "cli/terminal/cells.h"
#include "cli/terminal/plain.h"

enum { AGENTS_MAX = 10000, PHASES_MAX = 1000, NAME_BYTES = 200, PROMPT_CELLS = 48 };

/* One line, of a length that somebody reads. Owned by the caller. */
static char *plain_copy(const char *words) {
    AUTO(text_done) struct text line = {0};
    plain_line(&line, words);
    struct bytes bytes = {line.data != NULL ? line.data : "", line.len};
    return mem_copy(bytes.data, utf8_cut(bytes, NAME_BYTES));
}

static void replace(char **text, const char *words) {
    char *old = *text;
    *text = plain_copy(words);
    mem_free(old);
}

void workflow_tree_init(struct workflow_tree *tree) {
    *tree = (struct workflow_tree){.ms = -1, .cost_micros = -1};
    tree->name = plain_copy("");
    tree->state = plain_copy("queued");
    tree->cause = plain_copy("");
    tree->phases = mem_new(sizeof *tree->phases);
    tree->phases[0] = (struct workflow_phase){.title = plain_copy(""), .begun = true};
    tree->phase_count = 1;
}

void workflow_tree_done(struct workflow_tree *tree) {
    for (size_t i = 0; i < tree->agent_count; i++) {
        struct workflow_agent *agent = &tree->agents[i];
        mem_free(agent->run);
        mem_free(agent->name);
        mem_free(agent->cause);
        mem_free(agent->worktree);
        mem_free(agent->asks);
    }
    for (size_t i = 0; i < tree->phase_count; i++) {
        mem_free(tree->phases[i].title);
    }
    mem_free(tree->agents);
    mem_free(tree->phases);
    mem_free(tree->name);
    mem_free(tree->state);
    mem_free(tree->cause);
    json_release(&tree->result);
    json_release(&tree->error);
    json_release(&tree->census);
    *tree = (struct workflow_tree){.ms = -1};
}

const char *workflow_mark_word(enum workflow_mark mark) {
    static const char *const words[WORKFLOW_MARKS] = {
        [WORKFLOW_QUEUED] = "queued",   [WORKFLOW_HELD] = "held",     [WORKFLOW_WORKS] = "at work",
        [WORKFLOW_DONE] = "succeeded",  [WORKFLOW_CACHED] = "cached", [WORKFLOW_FAILED] = "failed",
        [WORKFLOW_SKIPPED] = "skipped",
    };
    return words[mark];
}

/* --- Phases ----------------------------------------------------------------------------------- */

/* Titles are compared as they are shown. */
static size_t phase_find(struct workflow_tree *tree, const char *title) {
    AUTO(mem_release) char *plain = plain_copy(title);
    for (size_t i = 0; i < tree->phase_count; i++) {
        if (strcmp(tree->phases[i].title, plain) == 0) {
            return i;
        }
    }
    if (tree->phase_count == PHASES_MAX) {
        return 0; /* More than anybody looks at: they stand together. */
    }
    tree->phases = mem_grow(tree->phases, (tree->phase_count + 1) * sizeof *tree->phases);
    tree->phases[tree->phase_count] = (struct workflow_phase){.title = plain};
    plain = NULL;
    return tree->phase_count++;
}

static void phase_begin(struct workflow_tree *tree, const char *title) {
    tree->current = phase_find(tree, title);
    tree->phases[tree->current].begun = true;
}

/* --- Agents ----------------------------------------------------------------------------------- */

static struct workflow_agent *agent_find(struct workflow_tree *tree, const char *run) {
    for (size_t i = tree->agent_count; i > 0; i--) {
        if (strcmp(tree->agents[i - 1].run, run) == 0) {
            return &tree->agents[i - 1];
        }
    }
    return NULL;
}

static char *name_of(const json_t *data, const char *run) {
    const char *label = talk_text(data, "label");
    if (label[0] != '\0') {
        return plain_copy(label);
    }
    AUTO(mem_release) char *prompt = plain_copy(talk_text(data, "prompt"));
    AUTO(text_done) struct text cut;
    text_init(&cut, 4 * NAME_BYTES);
    cells_add(&cut, bytes_of(prompt), PROMPT_CELLS);
    return plain_copy(cut.len > 0 ? cut.data : run);
}

/* The agent that `data` names by `key`, made where it is new; NULL: they are too many. */
static struct workflow_agent *agent_of(struct workflow_tree *tree, const json_t *data,
                                       const char *key) {
    const char *run = talk_text(data, key);
    struct workflow_agent *agent = agent_find(tree, run);
    if (agent != NULL || run[0] == '\0' || tree->agent_count == AGENTS_MAX) {
        return agent;
    }
    size_t phase = phase_find(tree, talk_text(data, "phase"));
    tree->phases[phase].begun = true;
    tree->agents = mem_grow(tree->agents, (tree->agent_count + 1) * sizeof *tree->agents);
    agent = &tree->agents[tree->agent_count++];
    *agent = (struct workflow_agent){
        .run = mem_copy(run, strlen(run)),
        .name = name_of(data, run),
        .cause = plain_copy(""),
        .worktree = plain_copy(""),
        .phase = phase,
        .mark = WORKFLOW_QUEUED,
        .cost_micros = -1,
        .ms = -1,
    };
    tree->marks[WORKFLOW_QUEUED]++;
    return agent;
}

static void agent_mark(struct workflow_tree *tree, struct workflow_agent *agent,
                       enum workflow_mark mark) {
    tree->marks[agent->mark]--;
    tree->marks[mark]++;
    agent->mark = mark;
}

static enum workflow_mark mark_of(const json_t *data) {
    static const struct {
        const char *state;
        enum workflow_mark mark;
    } marks[] = {
        {"queued", WORKFLOW_QUEUED},    {"running", WORKFLOW_WORKS},
        {"waiting", WORKFLOW_WORKS},    {"succeeded", WORKFLOW_DONE},
        {"degraded", WORKFLOW_DONE},    {"cancelled", WORKFLOW_SKIPPED},
        {"timed_out", WORKFLOW_FAILED}, {"failed", WORKFLOW_FAILED},
    };
    const char *state = talk_text(data, "state");
    if (json_is_true(json_object_get(data, "cached"))) {
        return WORKFLOW_CACHED;
    }
    if (strcmp(state, "waiting") == 0 && strcmp(talk_text(data, "gate"), "hold") == 0) {
        return WORKFLOW_HELD;
    }
    for (size_t i = 0; i < COUNT_OF(marks); i++) {
        if (strcmp(marks[i].state, state) == 0) {
            return marks[i].mark;
        }
    }
    return WORKFLOW_FAILED;
}

/* A cost that nobody knows is no zero, and does not hide what is known of the others. */
static void agent_spend(struct workflow_tree *tree, struct workflow_agent *agent,
                        const json_t *data) {
    const json_t *tokens = json_object_get(data, "output_tokens");
    const json_t *cost = json_object_get(data, "cost_micros");
    int64_t now = json_integer_value(tokens != NULL ? tokens : json_object_get(data, "tokens"));
    tree->tokens += now - agent->tokens;
    agent->tokens = now;
    if (json_is_integer(cost)) {
        int64_t before = agent->cost_micros < 0 ? 0 : agent->cost_micros;
        agent->cost_micros = json_integer_value(cost);
        tree->cost_micros =
            (tree->cost_micros < 0 ? 0 : tree->cost_micros) + agent->cost_micros - before;
    }
}

/* Why it came to nothing: the cause, or the state where that says more. */
static void agent_blame(struct workflow_agent *agent, const json_t *data) {
    const char *cause = talk_text(data, "cause");
    bool failed = agent->mark == WORKFLOW_FAILED;
    replace(&agent->cause, !failed ? "" : cause[0] != '\0' ? cause : talk_text(data, "state"));
}

static void agent_end(struct workflow_tree *tree, struct workflow_agent *agent, const json_t *data,
                      int64_t ms) {
    agent_mark(tree, agent, mark_of(data));
    agent_spend(tree, agent, data);
    agent_blame(agent, data);
    replace(&agent->worktree, talk_text(data, "worktree"));
    agent->ms = ms > 0 ? ms : 0;
    mem_free(agent->asks);
    agent->asks = NULL;
}

/* --- Events ----------------------------------------------------------------------------------- */

static void phases_expect(struct workflow_tree *tree, const json_t *phases) {
    size_t at = 0;
    json_t *phase = NULL;
    json_array_foreach(phases, at, phase) {
        const char *title =
            json_is_string(phase) ? json_string_value(phase) : talk_text(phase, "title");
        (void)phase_find(tree, title); /* It stands there from now on. */
    }
}

static const struct workflow_agent *on_started(struct workflow_tree *tree,
                                               const struct workflow_event *event) {
    replace(&tree->name, talk_text(event->data, "name"));
    phases_expect(tree, json_object_get(event->data, "phases"));
    if (!tree->finished) {
        replace(&tree->state, "running");
        tree->started_ms = tree->started_ms > 0 ? tree->started_ms : event->now_ms;
    }
    return NULL;
}

static const struct workflow_agent *state_set(struct workflow_tree *tree, const char *state) {
    if (!tree->finished) {
        replace(&tree->state, state);
    }
    return NULL;
}

static const struct workflow_agent *on_paused(struct workflow_tree *tree,
                                              const struct workflow_event *event) {
    (void)event; /* There is nothing in it. */
    return state_set(tree, "paused");
}

static const struct workflow_agent *on_resumed(struct workflow_tree *tree,
                                               const struct workflow_event *event) {
    (void)event; /* There is nothing in it. */
    return state_set(tree, "running");
}

static const struct workflow_agent *on_queued(struct workflow_tree *tree,
                                              const struct workflow_event *event) {
    (void)event; /* Its row says for what it waits. */
    return state_set(tree, "queued");
}

/* From here on its time counts. */
static const struct workflow_agent *on_run_started(struct workflow_tree *tree,
                                                   const struct workflow_event *event) {
    if (strcmp(tree->state, "queued") == 0) {
        tree->started_ms = event->now_ms;
    }
    return state_set(tree, "running");
}

static const struct workflow_agent *on_phase(struct workflow_tree *tree,
                                             const struct workflow_event *event) {
    phase_begin(tree, talk_text(event->data, "title"));
    return NULL;
}

static const struct workflow_agent *on_agent_started(struct workflow_tree *tree,
                                                     const struct workflow_event *event) {
    struct workflow_agent *agent = agent_of(tree, event->data, "run");
    if (agent != NULL && agent->ms < 0) {
        agent_mark(tree, agent, WORKFLOW_WORKS);
        agent->started_ms = agent->started_ms > 0 ? agent->started_ms : event->now_ms;
    }
    return agent;
}

static const struct workflow_agent *on_agent_restarted(struct workflow_tree *tree,
                                                       const struct workflow_event *event) {
    struct workflow_agent *agent = agent_of(tree, event->data, "run");
    if (agent != NULL && agent->ms < 0) {
        agent_mark(tree, agent, WORKFLOW_WORKS);
        agent->started_ms = event->now_ms;
        mem_free(agent->asks); /* Nobody asks that any more. */
        agent->asks = NULL;
    }
    return agent;
}

static const struct workflow_agent *on_agent_retrying(struct workflow_tree *tree,
                                                      const struct workflow_event *event) {
    return agent_of(tree, event->data,
                    "run"); /* An agent that waits for its provider is listed as running. */
}

static const struct workflow_agent *on_agent_finished(struct workflow_tree *tree,
                                                      const struct workflow_event *event) {
    struct workflow_agent *agent = agent_of(tree, event->data, "run");
    if (agent != NULL) {
        agent_end(tree, agent, event->data, talk_int(event->data, "ms"));
    }
    return agent;
}

static void keep(json_t **kept, const json_t *value) {
    json_release(kept);
    *kept = json_incref((json_t *)(uintptr_t)value); /* NULL is allowed, and stays NULL. */
}

static void finish(struct workflow_tree *tree, const json_t *data) {
    const json_t *error = json_object_get(data, "error");
    tree->finished = true;
    replace(&tree->state, talk_text(data, "state"));
    replace(&tree->cause, talk_text(data, "cause"));
    keep(&tree->result, json_object_get(data, "result"));
    keep(&tree->error, json_is_null(error) ? NULL : error);
    keep(&tree->census, json_object_get(data, "agents"));
}

static const struct workflow_agent *on_finished(struct workflow_tree *tree,
                                                const struct workflow_event *event) {
    const json_t *cost = json_object_get(event->data, "cost_micros");
    finish(tree, event->data);
    tree->cut = json_is_true(json_object_get(event->data, "result_cut"));
    tree->ms = talk_int(event->data, "ms");
    tree->tokens = talk_int(event->data, "tokens");
    tree->cost_micros = json_is_integer(cost) ? json_integer_value(cost) : -1;
    return NULL;
}

const struct workflow_agent *workflow_tree_hear(struct workflow_tree *tree,
                                                const struct workflow_event *event) {
    static const struct {
        const char *type;
        const struct workflow_agent *(*run)(struct workflow_tree *tree,
                                            const struct workflow_event *event);
    } handlers[] = {
        {"workflow_started", on_started},        {"phase", on_phase},
        {"agent_started", on_agent_started},     {"agent_finished", on_agent_finished},
        {"agent_restarted", on_agent_restarted}, {"run_queued", on_queued},
        {"run_started", on_run_started},         {"workflow_paused", on_paused},
        {"workflow_resumed", on_resumed},        {"workflow_finished", on_finished},
        {"agent_retrying", on_agent_retrying},
    };
    for (size_t i = 0; i < COUNT_OF(handlers); i++) {
        if (strlen(handlers[i].type) == event->type.len &&
            memcmp(handlers[i].type, event->type.data, event->type.len) == 0) {
            return handlers[i].run(tree, event);
        }
    }
    return NULL;
}

/* --- Rows ------------------------------------------------------------------------------------- */

void workflow_tree_run(struct workflow_tree *tree, const json_t *run) {
    int64_t started = talk_int(run, "started_ms"), ended = talk_int(run, "ended_ms");
    int64_t begin = started > 0 ? started : talk_int(run, "made_ms");
    const json_t *result = json_object_get(run, "result");
    if (tree->name[0] == '\0') {
        replace(&tree->name, talk_text(run, "label"));
    }
    tree->started_ms = begin > 0 ? begin : tree->started_ms;
    if (tree->finished && tree->cut) {
        keep(&tree->result, json_object_get(result, "result"));
        tree->cut = false;
    }
    if (tree->finished) {
        return;
    }
    bool paused = strcmp(talk_text(run, "cause"), "paused") == 0;
    replace(&tree->state, paused && ended == 0 ? "paused" : talk_text(run, "state"));
    if (ended > 0) {
        finish(tree, result);
        replace(&tree->state, talk_text(run, "state"));
        replace(&tree->cause, talk_text(run, "cause"));
        tree->ms = ended > begin ? ended - begin : 0;
    }
}

void workflow_tree_row(struct workflow_tree *tree, const json_t *row) {
    struct workflow_agent *agent = agent_of(tree, row, "id");
    int64_t started = talk_int(row, "started_ms"), ended = talk_int(row, "ended_ms");
    if (agent == NULL) {
        return;
    }
    if (strcmp(agent->name, agent->run) == 0) { /* Its event had neither label nor prompt. */
        mem_free(agent->name);
        agent->name = name_of(row, agent->run);
    }
    agent->started_ms = started > 0 ? started : agent->started_ms;
    if (ended > 0 && agent->ms < 0) {
        agent_end(tree, agent, row, started > 0 ? ended - started : 0);
    } else if (agent->ms < 0) {
        agent_mark(tree, agent, mark_of(row));
        agent_spend(tree, agent, row);
    }
}

/* --- Questions -------------------------------------------------------------------------------- */

const struct workflow_agent *workflow_tree_agent(struct workflow_tree *tree, const char *run) {
    return agent_find(tree, run);
}

const struct workflow_agent *workflow_tree_asks(struct workflow_tree *tree, const char *run,
                                                const char *approval) {
    struct workflow_agent *agent = agent_find(tree, run);
    if (agent == NULL || agent->ms >= 0 || agent->asks_still) {
        return NULL;
    }
    agent->asks_still = true;
    if (agent->asks != NULL && strcmp(agent->asks, approval) == 0) {
        return NULL;
    }
    mem_free(agent->asks);
    agent->asks = plain_copy(approval);
    return agent;
}

void workflow_tree_asked(struct workflow_tree *tree) {
    for (size_t i = 0; i < tree->agent_count; i++) {
        struct workflow_agent *agent = &tree->agents[i];
        if (!agent->asks_still) {
            mem_free(agent->asks);
            agent->asks = NULL;
        }
        agent->asks_still = false;
    }
}
