/* tree.c: a fold over events. Agents and phases are few (a run has at most a thousand), and are
 * looked for from the front. */
#include "cli/workflow/tree.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "cli/base/api.h"
#include "cli/run/waits.h"
#include "cli/terminal/cells.h"
#include "cli/terminal/plain.h"

enum { AGENTS_MAX = 10000, PHASES_MAX = 1000, NAME_BYTES = 200, PROMPT_CELLS = 48 };

/* One line, of a length that somebody reads. Owned by the caller. */
static char *plain_copy(const char *words) {
    AUTO(text_done) struct text line = {0};
    plain_line(&line, words);
    struct bytes bytes = text_bytes(&line);
    return mem_copy(bytes.data, utf8_cut(bytes, NAME_BYTES));
}

/* `words` NULL: the text becomes NULL. */
static void words_set(char **text, const char *words) {
    char *old = *text;
    *text = words != NULL ? plain_copy(words) : NULL;
    mem_free(old);
}

static void json_set(json_t **kept, const json_t *value) {
    json_release(kept);
    *kept = json_incref((json_t *)(uintptr_t)value); /* NULL is allowed, and stays NULL. */
}

void workflow_tree_init(struct workflow_tree *tree) {
    *tree = (struct workflow_tree){.ms = -1, .cost_micros = -1, .phase_count = 1};
    tree->name = plain_copy("");
    tree->state = plain_copy("queued");
    tree->cause = plain_copy("");
    tree->phases = mem_new(sizeof *tree->phases);
    tree->phases[0] = (struct workflow_phase){.title = plain_copy(""), .begun = true};
}

void workflow_tree_done(struct workflow_tree *tree) {
    for (size_t i = 0; i < tree->agent_count; i++) {
        struct workflow_agent *agent = &tree->agents[i];
        mem_free(agent->run);
        mem_free(agent->name);
        mem_free(agent->cause);
        mem_free(agent->cached_from);
        mem_free(agent->worktree);
        mem_free(agent->asks);
        mem_free(agent->question);
        mem_free(agent->waits);
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

/* --- Agents ----------------------------------------------------------------------------------- */

static struct workflow_agent *agent_find(const struct workflow_tree *tree, const char *run) {
    for (size_t i = tree->agent_count; i > 0; i--) {
        if (strcmp(tree->agents[i - 1].run, run) == 0) {
            return &tree->agents[i - 1];
        }
    }
    return NULL;
}

static char *agent_name(const json_t *data, const char *run) {
    const char *label = talk_text(data, "label");
    if (label[0] != '\0') {
        return plain_copy(label);
    }
    AUTO(mem_release) char *prompt = plain_copy(talk_text(data, "prompt"));
    AUTO(text_done) struct text cut = text_up_to(4 * NAME_BYTES);
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
        .name = agent_name(data, run),
        .cause = plain_copy(""),
        .cached_from = plain_copy(""),
        .worktree = plain_copy(""),
        .waits = plain_copy(""),
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
    static const char *const states[] = {"queued",   "running",   "waiting", "succeeded",
                                         "degraded", "cancelled", NULL};
    static const enum workflow_mark marks[] = {WORKFLOW_QUEUED, WORKFLOW_WORKS, WORKFLOW_WORKS,
                                               WORKFLOW_DONE,   WORKFLOW_DONE,  WORKFLOW_SKIPPED};
    const char *state = talk_text(data, "state");
    unsigned at = 0;
    if (json_is_true(json_object_get(data, "cached"))) {
        return WORKFLOW_CACHED;
    }
    if (strcmp(state, "waiting") == 0 && strcmp(talk_text(data, "gate"), "hold") == 0) {
        return WORKFLOW_HELD;
    }
    return bytes_find(bytes_of(state), states, &at) ? marks[at] : WORKFLOW_FAILED;
}

/* Takes mark, tokens and cost. A cost that nobody knows is no zero, and does not hide what is known
 * of the others. */
static void agent_update(struct workflow_tree *tree, struct workflow_agent *agent,
                         const json_t *data) {
    int64_t tokens = json_int(data, "output_tokens", talk_int(data, "tokens"));
    int64_t cost = json_int(data, "cost_micros", -1);
    agent_mark(tree, agent, mark_of(data));
    tree->tokens += tokens - agent->tokens;
    agent->tokens = tokens;
    tree->cost_unknown += talk_int(data, "cost_unknown") - agent->cost_unknown;
    agent->cost_unknown = talk_int(data, "cost_unknown");
    if (cost >= 0) {
        int64_t before = agent->cost_micros < 0 ? 0 : agent->cost_micros;
        tree->cost_micros = (tree->cost_micros < 0 ? 0 : tree->cost_micros) + cost - before;
        agent->cost_micros = cost;
    }
}

static void agent_end(struct workflow_tree *tree, struct workflow_agent *agent, const json_t *data,
                      int64_t ms) {
    const char *cause = talk_text(data, "cause");
    agent_update(tree, agent, data);
    bool failed = agent->mark == WORKFLOW_FAILED; /* The state stands for a missing cause. */
    words_set(&agent->cause, !failed ? "" : cause[0] != '\0' ? cause : talk_text(data, "state"));
    words_set(&agent->cached_from, talk_text(data, "cached_from"));
    words_set(&agent->worktree, talk_text(data, "worktree"));
    words_set(&agent->asks, NULL);
    words_set(&agent->waits, "");
    agent->ms = ms > 0 ? ms : 0;
}

/* --- Events ----------------------------------------------------------------------------------- */

static void on_started(struct workflow_tree *tree, const struct workflow_event *event) {
    size_t at = 0;
    json_t *phase = NULL;
    words_set(&tree->name, talk_text(event->data, "name"));
    json_array_foreach(json_object_get(event->data, "phases"), at, phase) {
        const char *title =
            json_is_string(phase) ? json_string_value(phase) : talk_text(phase, "title");
        (void)phase_find(tree, title); /* It stands there from now on. */
    }
    if (!tree->finished) {
        words_set(&tree->state, "running");
        tree->started_ms = tree->started_ms > 0 ? tree->started_ms : event->now_ms;
    }
}

/* `data`: the event, or the result of the run's row. */
static void tree_finish(struct workflow_tree *tree, const json_t *data) {
    const json_t *error = json_object_get(data, "error");
    tree->finished = true;
    words_set(&tree->state, talk_text(data, "state"));
    words_set(&tree->cause, talk_text(data, "cause"));
    json_set(&tree->result, json_object_get(data, "result"));
    json_set(&tree->error, json_is_null(error) ? NULL : error);
    json_set(&tree->census, json_object_get(data, "agents"));
    tree->items_failed = talk_int(data, "items_failed");
}

/* Events that say no more than the state of the run. */
static void on_state(struct workflow_tree *tree, const struct workflow_event *event) {
    static const char *const types[] = {"run_queued", "run_started", "workflow_paused",
                                        "workflow_resumed", NULL};
    static const char *const states[] = {"queued", "running", "paused", "running"};
    unsigned at = 0;
    if (bytes_is(event->type, "run_started") && strcmp(tree->state, "queued") == 0) {
        tree->started_ms = event->now_ms; /* From here on its time counts. */
    }
    if (!tree->finished && bytes_find(event->type, types, &at)) {
        words_set(&tree->state, states[at]);
    }
}

const struct workflow_agent *workflow_tree_hear(struct workflow_tree *tree,
                                                const struct workflow_event *event) {
    const json_t *data = event->data;
    const struct bytes type = event->type;
    bool again = bytes_is(type, "agent_restarted"), begins = bytes_is(type, "agent_started");
    bool ends = bytes_is(type, "agent_finished");
    bool waits = bytes_is(type, "agent_retrying");
    if (again || begins || ends || waits || bytes_is(type, "agent_resumed")) {
        struct workflow_agent *agent = agent_of(tree, data, "run");
        if (agent != NULL) {
            agent->resume_at_ms = waits ? talk_int(data, "resume_at_ms") : 0;
            words_set(&agent->waits, "");
        }
        if (agent != NULL && ends) {
            agent_end(tree, agent, data, talk_int(data, "ms"));
        } else if (agent != NULL && (again || begins) && agent->ms < 0) {
            agent_mark(tree, agent, WORKFLOW_WORKS);
            agent->started_ms = again || agent->started_ms == 0 ? event->now_ms : agent->started_ms;
            if (again) {
                words_set(&agent->asks, NULL); /* Nobody asks that any more. */
            }
        }
        return agent;
    }
    if (bytes_is(type, "workflow_started")) {
        on_started(tree, event);
    } else if (bytes_is(type, "phase")) {
        tree->current = phase_find(tree, talk_text(data, "title"));
        tree->phases[tree->current].begun = true;
    } else if (bytes_is(type, "workflow_finished")) {
        tree_finish(tree, data);
        tree->cut = json_is_true(json_object_get(data, "result_cut"));
        tree->ms = talk_int(data, "ms");
        tree->tokens = talk_int(data, "output_tokens"); /* As the rows of agents. */
        tree->cost_micros = json_int(data, "cost_micros", -1);
        tree->cost_unknown = talk_int(data, "cost_unknown");
    } else {
        on_state(tree, event);
    }
    return NULL;
}

/* --- Rows ------------------------------------------------------------------------------------- */

void workflow_tree_run(struct workflow_tree *tree, const json_t *run) {
    int64_t started = talk_int(run, "started_ms"), ended = talk_int(run, "ended_ms");
    int64_t begin = started > 0 ? started : talk_int(run, "made_ms");
    const json_t *result = json_object_get(run, "result");
    if (tree->name[0] == '\0') {
        words_set(&tree->name, talk_text(run, "label"));
    }
    tree->started_ms = begin > 0 ? begin : tree->started_ms;
    if (tree->finished && tree->cut) {
        json_set(&tree->result, json_object_get(result, "result"));
        tree->cut = false;
    }
    if (tree->finished) {
        return;
    }
    if (ended > 0) {
        tree_finish(tree, result);
        words_set(&tree->cause, talk_text(run, "cause"));
        tree->ms = ended > begin ? ended - begin : 0;
    }
    bool paused = ended == 0 && strcmp(talk_text(run, "cause"), "paused") == 0;
    words_set(&tree->state, paused ? "paused" : talk_text(run, "state"));
}

void workflow_tree_row(struct workflow_tree *tree, const json_t *row) {
    struct workflow_agent *agent = agent_of(tree, row, "id");
    int64_t started = talk_int(row, "started_ms"), ended = talk_int(row, "ended_ms");
    if (agent == NULL) {
        return;
    }
    if (strcmp(agent->name, agent->run) == 0) { /* Its event had neither label nor prompt. */
        mem_free(agent->name);
        agent->name = agent_name(row, agent->run);
    }
    agent->started_ms = started > 0 ? started : agent->started_ms;
    if (ended > 0 && agent->ms < 0) {
        agent_end(tree, agent, row, started > 0 ? ended - started : 0);
    } else if (agent->ms < 0) {
        AUTO(text_done) struct text waits = text_up_to(4 << 10);
        run_waits_add(row, 0 /* the picture adds the time */, &waits);
        words_set(&agent->waits, text_bytes(&waits).data);
        agent_update(tree, agent, row);
        agent->resume_at_ms = talk_int(row, "resume_at_ms");
    }
}

/* --- Questions -------------------------------------------------------------------------------- */

const struct workflow_agent *workflow_tree_agent(const struct workflow_tree *tree,
                                                 const char *run) {
    return agent_find(tree, run);
}

const struct workflow_agent *workflow_tree_asker(const struct workflow_tree *tree) {
    for (size_t i = 0; i < tree->agent_count; i++) {
        if (tree->agents[i].asks != NULL) {
            return &tree->agents[i];
        }
    }
    return NULL;
}

const struct workflow_agent *workflow_tree_asks(struct workflow_tree *tree, const char *run,
                                                const char *approval, const char *question) {
    struct workflow_agent *agent = agent_find(tree, run);
    if (agent == NULL || agent->ms >= 0 || agent->asks_still) {
        return NULL;
    }
    agent->asks_still = true;
    if (agent->asks != NULL && strcmp(agent->asks, approval) == 0) {
        return NULL;
    }
    words_set(&agent->asks, approval);
    mem_free(agent->question);
    agent->question = mem_copy(question, strlen(question));
    return agent;
}

void workflow_tree_asked(struct workflow_tree *tree) {
    for (size_t i = 0; i < tree->agent_count; i++) {
        struct workflow_agent *agent = &tree->agents[i];
        if (!agent->asks_still) {
            words_set(&agent->asks, NULL);
        }
        agent->asks_still = false;
    }
}
