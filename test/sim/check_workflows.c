/* check_workflows.c: the model of workflows, and the part of them.
 *
 *   always   a script hears of outcomes that are stored, in the order of done_no, live and in every
 *            replay, with the sum that is stored up to each as budget.spent()
 *            a step that has ended is not asked again, whatever crashed meanwhile
 *            where the script was told that its total is spent, nobody is asked who had not begun
 *            no step and no pending timer outlives its workflow
 *            a timer is made once, and does not fire before it is due
 *            what workflow() found is stored before the script hears of it (children.c)
 *   end      of each run: its program, played once more over its journal, returns or throws what
 *            the run has stored; no unchanged program diverges
 *            three equal calls have three answers: none counts twice
 *            a resume asks nothing again that the run before it had answered, and nothing at all
 *            where that run had all answers and neither its script nor a child was edited
 *            no timer fired while the run was paused
 *            the budget of a run was charged at least what its journal says that its steps took
 */
#include <stdio.h>
#include <string.h>

#include "asks.h"
#include "base/memory.h"
#include "base/text.h"
#include "children.h"
#include "flow_player.h"
#include "flows.h"
#include "inside.h"
#include "jobs.h"
#include "known.h"
#include "ops.h"
#include "provider.h"
#include "workflows.h"

enum { ORDER_MAX = 64 << 20, OVERDUE_MS = 15000 };

/* Sum of the steps by which the wall clock was set back: timers go by the time that passed. */
static int64_t workflows_set_back_ms;

struct workflows *workflows_of(struct sim *sim) {
    static struct workflows all;
    (void)sim; /* There is one. */
    return &all;
}

struct workflow *workflows_last(struct sim *sim, int64_t family) {
    struct workflows *all = workflows_of(sim);
    for (size_t i = all->count; i > 0; i--) {
        struct workflow *workflow = &all->list[i - 1];
        if (workflow->family == family && workflow->told != TOLD_REFUSED) {
            return workflow;
        }
    }
    return NULL;
}

struct workflow *workflows_find(struct sim *sim, struct bytes run) {
    struct workflows *all = workflows_of(sim);
    for (size_t i = 0; i < all->count; i++) {
        const char *name = all->list[i].run;
        if (strlen(name) == run.len && memcmp(name, run.data, run.len) == 0) {
            return &all->list[i];
        }
    }
    return NULL;
}

/* --- What scripts ask for --------------------------------------------------------------------- */

static struct workflow_key *key_of(struct workflow *workflow, const struct player_call *call) {
    for (size_t i = 0; i < workflow->key_count; i++) {
        if (strcmp(workflow->keys[i].key, call->key) == 0) {
            return &workflow->keys[i];
        }
    }
    assert(workflow->key_count < WORKFLOW_KEYS_MAX);
    struct workflow_key *key = &workflow->keys[workflow->key_count++];
    (void)snprintf(key->key, sizeof key->key, "%s", call->key);
    key->prompt = sim_copy(call->prompt);
    return key;
}

void workflows_called(struct sim *sim, int64_t family, const struct player_call *call) {
    struct workflow *workflow = workflows_last(sim, family);
    if (workflow == NULL && flow_parent_op(family) > 0) {
        return; /* A step of a flow began it. */
    }
    if (workflow == NULL) {
        sim_fail(sim, "a script of family %lld runs that nobody asked for", (long long)family);
    }
    if (call->prompt == NULL) { /* Of workflow(): no provider is asked for it. */
        return;
    }
    struct workflow_key *key = key_of(workflow, call);
    if (call->occurrence > key->occurrences) {
        key->occurrences = call->occurrence;
    }
}

/* --- What they are told ----------------------------------------------------------------------- */

struct telling {
    struct workflow *workflow;
    const struct player_call *call;
    int64_t number;
    const json_t *outcome;
    bool found;
};

/* What the script must see of a step that ended so. */
static const char *outcome_of(const char *state, const char *cause) {
    static const char *const throwing[] = {"schema_mismatch", "bad_schema", "agent_type_unknown",
                                           "budget", "total_spent"};
    if (strcmp(state, "succeeded") == 0 || strcmp(state, "degraded") == 0) {
        return "value";
    }
    for (size_t i = 0; i < COUNT_OF(throwing); i++) {
        if (strcmp(cause, throwing[i]) == 0) {
            return "throw";
        }
    }
    return "null";
}

static bool is_stored_value(struct bytes stored, const json_t *value) {
    AUTO(json_release) json_t *json = NULL;
    return !err_failed(json_parse_wrapped(stored, &json, NULL)) && json_equal(json, value);
}

/* Columns: key, occurrence, state, cause, result, sum of output tokens up to it. */
static void told_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct telling *telling = ctx;
    const json_t *outcome = telling->outcome;
    const char *told = json_string_value(json_object_get(outcome, "o"));
    const char *run = telling->workflow->run;
    telling->found = true;
    if (strcmp(row->text[0].data, telling->call->key) != 0 ||
        row->number[1] != telling->call->occurrence) {
        sim_fail(sim, "outcome %lld of %s is of another call than the one that is stored there",
                 (long long)telling->number, run);
    }
    const char *expected = outcome_of(row->text[2].data, row->text[3].data);
    if (told == NULL || strcmp(told, expected) != 0) {
        sim_fail(sim, "outcome %lld of %s is told as a %s, and stored as %s (%s)",
                 (long long)telling->number, run, told, row->text[2].data, row->text[3].data);
    }
    if (strcmp(expected, "value") == 0 &&
        !is_stored_value(row->text[4], json_object_get(outcome, "v"))) {
        sim_fail(sim, "outcome %lld of %s has another value than the one that is stored",
                 (long long)telling->number, run);
    }
    int64_t spent = json_integer_value(json_object_get(outcome, "spent"));
    if (spent != row->number[5] && ask_wanted("spent")) {
        sim_fail(sim, "%s was told with outcome %lld that %lld tokens are spent, and %lld are", run,
                 (long long)telling->number, (long long)spent, (long long)row->number[5]);
    }
}

static void timer_settled(struct sim *sim, const struct workflow *workflow,
                          const struct player_call *call, int64_t number) {
    const struct ask_number as = ask_number(number), occurrence = ask_number(call->occurrence);
    const bool gone = workflow->deleting || workflow->final; /* The rows may be removed. */
    const int64_t stored = rows_number(
        sim,
        "SELECT count(*) FROM workflow_timers t JOIN runs w ON w.id = t.run WHERE w.run = $1"
        " AND t.done_no = CAST($2 AS INTEGER) AND t.step_key = $3"
        " AND t.occurrence = CAST($4 AS INTEGER) AND t.state IN ('fired', 'cleared')",
        TEXTS(workflow->run, as.text, call->key, occurrence.text), 0);
    if (stored != 1 && !gone) {
        sim_fail(sim, "%s gets outcome %lld, a timer's, which is not stored", workflow->run,
                 (long long)number);
    }
}

void workflows_settled(struct sim *sim, int64_t family, const struct player_call *call,
                       int64_t number, const json_t *outcome) {
    struct workflow *workflow = workflows_last(sim, family);
    struct telling telling = {
        .workflow = workflow, .call = call, .number = number, .outcome = outcome};
    if (workflow == NULL || sim_life(sim)->db == NULL || !sim_life(sim)->ready) {
        return;
    }
    workflow->spent = json_integer_value(json_object_get(outcome, "spent"));
    const struct ask_number as = ask_number(number);
    if (call->prompt == NULL && call->name == NULL) {
        timer_settled(sim, workflow, call, number);
        return;
    }
    if (call->prompt == NULL) {
        children_settled(sim, workflow, call, number, outcome);
        return;
    }
    ask_each(sim,
             "SELECT a.step_key, a.occurrence, a.state, a.cause, a.result,"
             " (SELECT sum(b.output_tokens) FROM runs b WHERE b.parent = a.parent"
             " AND b.step_key <> '' AND b.done_no BETWEEN 1 AND a.done_no)"
             " FROM runs a JOIN runs w ON w.id = a.parent"
             " WHERE w.run = $1 AND a.step_key <> '' AND a.done_no = CAST($2 AS INTEGER)",
             TEXTS(workflow->run, as.text), told_take, &telling);
    bool gone = workflow->deleting || workflow->final; /* Its rows may be removed. */
    if (!telling.found && !gone) {
        sim_fail(sim, "%s is told outcome %lld, which is not stored", workflow->run,
                 (long long)number);
    }
}

/* --- What providers are asked ----------------------------------------------------------------- */

/* The whole prompt stands in the body, and its text ends there. */
static bool asks_for(struct bytes body, const char *prompt) {
    size_t len = strlen(prompt);
    const char *at = body.data, *end = body.data + body.len;
    while ((at = memmem(at, (size_t)(end - at), prompt, len)) != NULL) {
        at += len;
        if (at < end && (*at == '"' || *at == '\\')) {
            return true;
        }
    }
    return false;
}

/* The turn of an agent whose time is over may ask once more before it hears of that. */
static bool is_over(struct sim *sim, const struct workflow *workflow,
                    const struct workflow_key *key) {
    int64_t ended = rows_number(sim,
                                "SELECT count(*) FROM runs a JOIN runs w ON w.id = a.parent"
                                " WHERE w.run = $1 AND a.step_key = $2 AND a.done_no > 0"
                                " AND (a.state IN ('succeeded', 'degraded')"
                                " OR (a.state <> 'cancelled' AND a.spec NOT LIKE '{\"turn\"%'))",
                                TEXTS(workflow->run, key->key), 0);
    return ended >= key->occurrences;
}

/* An agent whose first try did not reach its provider has begun: it waits for its second try, and
 * no request was counted. An agent that waits for a budget is queued, and has not begun. */
static bool has_begun(struct sim *sim, const struct workflow *workflow,
                      const struct workflow_key *key) {
    return key->requests > 0 ||
           rows_number(sim,
                       "SELECT count(*) FROM runs a JOIN runs w ON w.id = a.parent"
                       " WHERE w.run = $1 AND a.step_key = $2 AND a.done_no = 0"
                       " AND (a.state = 'running' OR"
                       " (a.state = 'waiting' AND a.not_before_ms <> 0))",
                       TEXTS(workflow->run, key->key), 0) > 0;
}

void workflows_requested(struct sim *sim, int64_t marker, struct bytes body) {
    struct workflow *workflow = workflows_last(sim, marker);
    bool found = false, open = false, begun = false;
    if (workflow == NULL || workflow->final || !sim_life(sim)->ready) {
        return;
    }
    for (size_t i = 0; i < workflow->key_count; i++) {
        struct workflow_key *key = &workflow->keys[i];
        if (asks_for(body, key->prompt)) {
            found = true;
            open = open || !is_over(sim, workflow, key);
            begun = begun || has_begun(sim, workflow, key);
            key->requests++;
        }
    }
    if (found && !open) {
        sim_fail(sim, "a step of %s that has ended is asked again", workflow->run);
    }
    if (found && !begun && workflow->total >= 0 && workflow->spent >= workflow->total) {
        sim_fail(sim, "a step of %s begins, and %lld of %lld tokens are spent", workflow->run,
                 (long long)workflow->spent, (long long)workflow->total);
    }
}

/* --- The program over the journal ------------------------------------------------------------- */

struct replay {
    struct workflow *workflow;
    struct text order;
    int64_t spent, last;
    size_t count;
};

/* Columns: key, occurrence, state, cause, result, note, output tokens, number. */
static void history_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct replay *replay = ctx;
    struct text *text = &replay->order;
    const char *state = row->text[2].data;
    const bool is_script = strcmp(state, "script") == 0;
    const char *outcome = is_script                       ? state
                          : strcmp(state, "refused") == 0 ? "throw"
                                                          : outcome_of(state, row->text[3].data);
    if (row->number[7] != ++replay->last) {
        sim_fail(sim, "after outcome %lld of %s comes %lld", (long long)replay->last - 1,
                 replay->workflow->run, (long long)row->number[7]);
    }
    replay->spent += row->number[6];
    text_addf(text, "%s{\"k\":\"%s\",\"n\":%lld,\"o\":\"%s\",\"spent\":%lld",
              replay->count++ > 0 ? "," : "", row->text[0].data, (long long)row->number[1], outcome,
              (long long)replay->spent);
    if (strcmp(outcome, "value") == 0) {
        text_add_str(text, ",\"v\":");
        text_add(text, row->text[4].data, row->text[4].len);
        text_add_str(text, strcmp(row->text[3].data, "truncated") == 0 ? ",\"cut\":true" : "");
    } else if (strcmp(outcome, "throw") == 0) {
        enum run_cause cause = CAUSE_NONE;
        bool known = run_cause_find(row->text[3], &cause);
        bool noted = row->text[5].len > 0 && cause != CAUSE_BUDGET;
        const char *about = known ? run_cause_about(cause) : "";
        text_add_str(text, ",\"name\":\"Error\",\"message\":");
        text_add_json(text, noted ? row->text[5].data : about,
                      noted ? row->text[5].len : strlen(about));
    }
    if (is_script) {
        text_add_str(text, ",\"script\":");
        text_add_json(text, row->text[4].data, row->text[4].len);
    }
    text_add_char(text, '}');
}

static void order_write(struct sim *sim, struct replay *replay) {
    const struct program program = program_make(replay->workflow->program);
    AUTO(text_done) struct text script;
    text_init(&script, ORDER_MAX);
    program_print(&program, &script);
    text_add_str(&replay->order, "[{\"t\":\"start\",\"script\":");
    text_add_json(&replay->order, script.data, script.len);
    text_addf(&replay->order,
              ",\"args\":{\"op\":%lld},\"total\":", (long long)replay->workflow->family);
    text_addf(&replay->order, replay->workflow->total < 0 ? "null" : "%lld",
              (long long)replay->workflow->total);
    text_add_str(&replay->order, ",\"spent\":0,\"limits\":{},\"history\":[");
    ask_each(sim,
             "SELECT a.step_key, a.occurrence, a.state, a.cause, a.result, a.note,"
             " a.output_tokens, a.done_no FROM runs a JOIN runs w ON w.id = a.parent"
             " WHERE w.run = $1 AND a.step_key <> '' AND a.done_no > 0"
             " UNION ALL SELECT r.step_key, r.occurrence,"
             " CASE r.script WHEN '' THEN 'refused' ELSE 'script' END, '',"
             " coalesce(s.source, ''), r.note, 0, r.done_no FROM workflow_refs r"
             " JOIN runs w ON w.id = r.run LEFT JOIN scripts s ON s.hash = r.script"
             " WHERE w.run = $1 UNION ALL SELECT t.step_key, t.occurrence, 'succeeded', '', 'null',"
             " '', 0, t.done_no FROM workflow_timers t JOIN runs w ON w.id = t.run"
             " WHERE w.run = $1 AND t.done_no > 0 ORDER BY 8",
             TEXTS(replay->workflow->run), history_take, replay);
    text_add_str(&replay->order, "]}]");
}

/* The last message of all frames; NULL: there was none. Owned by the caller. */
static json_t *last_said(struct player *player) {
    json_t *last = NULL;
    AUTO(text_done) struct text frame;
    text_init(&frame, ORDER_MAX);
    while (player_say(player, &frame)) {
        AUTO(json_release) json_t *messages = NULL;
        struct err err = json_parse_wrapped((struct bytes){frame.data, frame.len}, &messages, NULL);
        assert(!err_failed(err));
        json_decref(last);
        last = json_incref(json_array_get(messages, json_array_size(messages) - 1));
        text_clear(&frame);
    }
    return last;
}

/* What its row says of the end. */
struct ending {
    struct workflow *workflow;
    char state[32], cause[48];
    json_t *result; /* Owned; NULL: none. */
    bool found;
};

static void ending_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct ending *ending = ctx;
    (void)sim;
    ending->found = true;
    (void)snprintf(ending->state, sizeof ending->state, "%s", row->text[0].data);
    (void)snprintf(ending->cause, sizeof ending->cause, "%s", row->text[1].data);
    if (err_failed(json_parse_wrapped(row->text[2], &ending->result, NULL))) {
        ending->result = NULL; /* There is none. */
    }
}

static bool is_among(const char *word, const char *const *list) {
    while (*list != NULL && strcmp(*list, word) != 0) {
        list++;
    }
    return *list != NULL;
}

static void returned_check(struct sim *sim, const struct ending *ending, const json_t *end) {
    json_t *value = json_object_get(end, "result");
    if (!json_is_true(json_object_get(end, "ok")) ||
        !json_equal(value, json_object_get(ending->result, "result"))) {
        sim_fail(sim, "%s is %s (%s) with another result than its program has: %.300s",
                 ending->workflow->run, ending->state, ending->cause,
                 json_dumps(end, JSON_ENCODE_ANY | JSON_COMPACT));
    }
}

static void threw_check(struct sim *sim, const struct ending *ending, const json_t *end) {
    const json_t *error = json_object_get(ending->result, "error");
    const char *stored = json_string_value(json_object_get(error, "message"));
    const char *said = json_string_value(json_object_get(end, "message"));
    const char *code = json_string_value(json_object_get(end, "code"));
    if (said == NULL || stored == NULL || strcmp(said, stored) != 0 ||
        strcmp(code, "script_error") != 0) {
        sim_fail(sim, "%s threw '%s', and its program throws '%s'", ending->workflow->run,
                 stored == NULL ? "" : stored, said == NULL ? "" : said);
    }
}

/* `end`: of the program over the journal; or what it waits for. */
static void ending_check(struct sim *sim, const struct ending *ending, const json_t *end) {
    static const char *const returned[] = {"completed", "agents_failed", "items_failed",
                                           "truncated", NULL};
    static const char *const cut[] = {"stopped",    "deadline", "worker_crashed", "script_stuck",
                                      "not_stored", "budget",   "parent_ended",   NULL};
    const char *type = json_string_value(json_object_get(end, "t"));
    const char *code = json_string_value(json_object_get(end, "code"));
    bool ended = type != NULL && strcmp(type, "end") == 0;
    if (code != NULL && strcmp(code, "replay_diverged") == 0) {
        sim_fail(sim, "the journal of %s (%s, %s) is not what its program does: %s",
                 ending->workflow->run, ending->state, ending->cause,
                 json_string_value(json_object_get(end, "message")));
    }
    if (is_among(ending->cause, returned) || strcmp(ending->cause, "script_error") == 0) {
        if (!ended) {
            sim_fail(sim, "%s is %s (%s), and by its journal its program has not ended",
                     ending->workflow->run, ending->state, ending->cause);
        }
        if (is_among(ending->cause, returned)) {
            returned_check(sim, ending, end);
        } else {
            threw_check(sim, ending, end);
        }
    } else if (!is_among(ending->cause, cut)) {
        sim_fail(sim, "%s is %s, of which nobody gave it a cause: %s", ending->workflow->run,
                 ending->state, ending->cause);
    }
}

static void replay_check(struct sim *sim, struct workflow *workflow) {
    struct ending ending = {.workflow = workflow};
    struct replay replay = {.workflow = workflow};
    ask_each(sim, "SELECT state, cause, result FROM runs WHERE run = $1", TEXTS(workflow->run),
             ending_take, &ending);
    if (ending.found) {
        struct player *player = player_new(NULL);
        text_init(&replay.order, ORDER_MAX);
        order_write(sim, &replay);
        (void)player_take(player, (struct bytes){replay.order.data, replay.order.len});
        AUTO(json_release) json_t *end = last_said(player);
        if (end == NULL) {
            sim_fail(sim, "the journal of %s cannot be played", workflow->run);
        }
        ending_check(sim, &ending, end);
        sim_trace(sim, "workflow %u ended: %s (%s), %lld outcomes, %lld tokens", workflow->op,
                  ending.state, ending.cause, (long long)replay.last, (long long)replay.spent);
        player_free(player);
        text_done(&replay.order);
    }
    json_decref(ending.result);
}

/* --- The rows of its steps -------------------------------------------------------------------- */

/* Columns: run, occurrence, result, cause, spec. */
static void answer_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    const struct workflow *workflow = ctx;
    unsigned long long key = 0;
    AUTO(json_release) json_t *json = NULL;
    const bool whole = !err_failed(json_parse_wrapped(row->text[2], &json, NULL));
    const char *words = json_string_value(json);
    if (!whole || words == NULL || sscanf(words, "said#%llu.", &key) != 1) {
        return;
    }
    /* What an agent with tools reads may name other operations. */
    bool talks = memmem(row->text[4].data, row->text[4].len, "\"turn\":", 7) != NULL;
    if (!talks && (int64_t)(key >> 16) != workflow->family) {
        sim_fail(sim, "the step %s has the answer to what another workflow asked",
                 row->text[0].data);
    }
    char begin[48];
    (void)snprintf(begin, sizeof begin, "\"said#%llu.%%", key);
    int64_t count = rows_number(sim,
                                "SELECT count(*) FROM runs WHERE kind = 'agent' AND cached = 0"
                                " AND result LIKE $1",
                                TEXTS(begin), 0);
    if (count > 1) {
        sim_fail(sim, "%lld steps have the one answer said#%llu", (long long)count, key);
    }
    AUTO(text_done) struct text said;
    text_init(&said, 1 << 20);
    utterance_words(servers_in_use(), key, &said);
    if (strcmp(row->text[3].data, "completed") == 0 && strcmp(words, said.data) != 0) {
        sim_fail(sim, "the answer of %s is not what was said", row->text[0].data);
    }
}

/* Columns: run, cause, tokens before it. */
static void total_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    const struct workflow *workflow = ctx;
    if (row->number[1] < workflow->total) {
        sim_fail(sim, "%s is refused since its total is spent, at %lld of %lld tokens",
                 row->text[0].data, (long long)row->number[1], (long long)workflow->total);
    }
}

/* Columns: run of the step, run of the one before. */
static void again_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    const struct workflow *workflow = ctx;
    if (!workflow->from->deleting) {
        sim_fail(sim, "%s asks again what %s had answered, which %s resumes", row->text[0].data,
                 row->text[1].data, workflow->run);
    }
}

/* Column: run of the step. */
static void anew_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    const struct workflow *workflow = ctx;
    if (!workflow->from->deleting) {
        sim_fail(sim, "%s is asked anew, and %s, which %s resumes, did all that its script does",
                 row->text[0].data, workflow->from->run, workflow->run);
    }
}

/* In the order of before each call of the script is one of before. */
static void anew_check(struct sim *sim, struct workflow *workflow) {
    const struct workflow *from = workflow->from;
    if (from->program.change != workflow->program.change || from->total >= 0 ||
        workflow->total >= 0) {
        return;
    }
    ask_each(sim,
             "SELECT a.run FROM runs w JOIN runs a ON a.parent = w.id JOIN runs v ON v.run = $2"
             " WHERE w.run = $1 AND a.step_key <> '' AND a.cached = 0"
             " AND v.state = 'succeeded' AND v.cause = 'completed' AND NOT EXISTS"
             " (SELECT 1 FROM runs o WHERE o.parent = v.id AND o.step_key <> ''"
             " AND o.state <> 'succeeded') AND NOT EXISTS"
             " (SELECT 1 FROM workflow_refs r WHERE r.run = v.id AND NOT EXISTS"
             " (SELECT 1 FROM workflow_refs q WHERE q.run = w.id AND q.step_key = r.step_key"
             " AND q.occurrence = r.occurrence AND q.script = r.script))",
             TEXTS(workflow->run, from->run), anew_take, workflow);
}

/* Columns: output tokens that its budget was charged, and those of steps whose turns have ended. */
static void charged_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    const struct workflow *workflow = ctx;
    if (row->number[0] < row->number[1] && ask_wanted("workflow charged")) {
        sim_fail(sim, "steps of %s took %lld output tokens, and its budget was charged %lld",
                 workflow->run, (long long)row->number[1], (long long)row->number[0]);
    }
}

/* Columns: run, number of the timer. */
static void paused_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    sim_fail(sim, "a timer of %s fired while that was paused: %s", row->text[0].data,
             row->text[1].data);
}

static void twice_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    sim_fail(sim, "%s made its timer %s several times", row->text[0].data, row->text[1].data);
}

static void timers_check_end(struct sim *sim, const struct workflow *workflow) {
    ask_each(sim,
             "SELECT w.run, t.step_key FROM workflow_timers t JOIN runs w ON w.id = t.run"
             " WHERE w.run = $1 GROUP BY w.run, t.step_key, t.occurrence HAVING count(*) > 1",
             TEXTS(workflow->run), twice_take, NULL);
    ask_each(sim,
             "SELECT w.run, e.data FROM runs w JOIN streams s ON s.name = 'run:' || w.run"
             " JOIN events e ON e.stream = s.id WHERE w.run = $1 AND e.type = 'timer_finished'"
             " AND e.data LIKE '%\"state\":\"fired\",\"cached\":false%' AND EXISTS (SELECT 1"
             " FROM events p WHERE p.stream = s.id AND p.type = 'workflow_paused' AND p.seq < e.seq"
             " AND NOT EXISTS (SELECT 1 FROM events r WHERE r.stream = s.id"
             " AND r.type = 'workflow_resumed' AND r.seq > p.seq AND r.seq < e.seq))",
             TEXTS(workflow->run), paused_take, NULL);
}

static void steps_check(struct sim *sim, struct workflow *workflow) {
    ask_each(sim,
             "SELECT b.output_tokens_spent, (SELECT coalesce(sum(a.output_tokens), 0) FROM runs a"
             " WHERE a.parent = w.id AND a.step_key <> '' AND a.cached = 0 AND a.id NOT IN"
             " (SELECT parent FROM runs WHERE ended_ms IS NULL))"
             " FROM runs w JOIN budgets b ON b.run = w.id WHERE w.run = $1",
             TEXTS(workflow->run), charged_take, workflow);
    ask_each(sim,
             "SELECT a.run, a.occurrence, a.result, a.cause, a.spec FROM runs a"
             " JOIN runs w ON w.id = a.parent WHERE w.run = $1 AND a.step_key <> ''"
             " AND a.done_no > 0 AND a.cached = 0 AND a.state IN ('succeeded', 'degraded')",
             TEXTS(workflow->run), answer_take, workflow);
    ask_each(sim,
             "SELECT a.run, (SELECT coalesce(sum(b.output_tokens), 0) FROM runs b"
             " WHERE b.parent = a.parent AND b.step_key <> '' AND b.done_no BETWEEN 1 AND"
             " a.done_no - 1) FROM runs a JOIN runs w ON w.id = a.parent"
             " WHERE w.run = $1 AND a.step_key <> '' AND a.cause = 'total_spent'",
             TEXTS(workflow->run), total_take, workflow);
    if (workflow->from != NULL) {
        anew_check(sim, workflow);
        ask_each(sim,
                 "SELECT a.run, o.run FROM runs w JOIN runs a ON a.parent = w.id"
                 " JOIN runs v ON v.run = $2 JOIN runs o ON o.parent = v.id"
                 " AND o.step_key = a.step_key AND o.occurrence = a.occurrence"
                 " WHERE w.run = $1 AND a.step_key <> '' AND a.cached = 0 AND a.done_no > 0"
                 " AND o.done_no > 0 AND o.state IN ('succeeded', 'degraded')"
                 " AND o.cause <> 'truncated'",
                 TEXTS(workflow->run, workflow->from->run), again_take, workflow);
    }
}

/* --- The part --------------------------------------------------------------------------------- */

static void outlived_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    sim_fail(sim, "the agent %s is %s, and its workflow %s has ended", row->text[0].data,
             row->text[1].data, row->text[2].data);
}

/* Columns: run, state, ms by which it fired too early. */
static void timer_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    if (strcmp(row->text[1].data, "pending") == 0) {
        sim_fail(sim, "a timer of %s is pending, and the run has ended", row->text[0].data);
    }
    if (row->number[2] > workflows_set_back_ms) {
        sim_fail(sim, "a timer of %s fired %lld ms before it was due", row->text[0].data,
                 (long long)row->number[2]);
    }
}

static void timers_check(struct sim *sim) {
    static int64_t offset_ms;
    if (sim->wall_offset_ms < offset_ms) {
        workflows_set_back_ms += offset_ms - sim->wall_offset_ms;
    }
    offset_ms = sim->wall_offset_ms;
    ask_each(sim,
             "SELECT w.run, t.state, t.due_ms - coalesce(t.ended_ms, t.due_ms)"
             " FROM workflow_timers t JOIN runs w ON w.id = t.run WHERE"
             " (t.state = 'pending' AND w.ended_ms IS NOT NULL)"
             " OR (t.state = 'fired' AND t.ended_ms < t.due_ms)",
             NULL, timer_take, NULL);
}

/* A run has its whole time at most: since it began, and again since the daemon did, because between
 * two lives the wall clock counts, which may be set. */
static void overdue_check(struct sim *sim, struct workflow *workflow, const struct row_state *row) {
    const unsigned life = sim_life(sim)->number;
    const uint64_t full_ns = disk_full_ns(), held_ns = jobs_of(sim)->held_ns;
    if (workflow->since_ns == 0 || workflow->life != life) {
        workflow->life = life;
        workflow->since_ns = sim_now_ns(sim);
    }
    uint64_t from_ns = workflow->since_ns > full_ns ? workflow->since_ns : full_ns;
    from_ns = from_ns > held_ns ? from_ns : held_ns;
    const int64_t passed_ms = (int64_t)((sim_now_ns(sim) - from_ns) / 1000000);
    if (workflow->timeout_ms > 0 && !row->asked && !jobs_held(sim) &&
        passed_ms > workflow->timeout_ms + OVERDUE_MS &&
        sim_life_age_ms(sim) > (uint64_t)(workflow->timeout_ms + OVERDUE_MS)) {
        sim_fail(sim, "%s has a time of %lld ms, and goes on after %lld ms", workflow->run,
                 (long long)workflow->timeout_ms, (long long)passed_ms);
    }
}

static void workflow_check(struct sim *sim, struct workflow *workflow) {
    struct row_state row;
    if (workflow->run[0] == '\0' || !row_state_read(sim, workflow->run, &row)) {
        return;
    }
    if (!row.found) {
        bool may_be = workflow->told != TOLD_ACCEPTED || workflow->deleting || workflow->final;
        if (!may_be) {
            sim_fail(sim, "%s was accepted, and is not stored", workflow->run);
        }
        return;
    }
    if (workflow->told == TOLD_DELETED || workflow->told == TOLD_REFUSED) {
        sim_fail(sim, "%s was %s, and is stored", workflow->run,
                 workflow->told == TOLD_DELETED ? "deleted" : "refused");
    }
    if (workflow->final && workflow->state != row.state) {
        sim_fail(sim, "%s was %s, and is %s", workflow->run, run_state_name(workflow->state),
                 run_state_name(row.state));
    }
    workflow->state = row.state;
    workflow->final = run_state_final(row.state);
    if (row.state == RUN_RUNNING || row.state == RUN_WAITING) {
        overdue_check(sim, workflow, &row);
    }
    if (workflow->final && !workflow->judged) {
        workflow->judged = true;
        if (!workflow->deleting) { /* Else its steps may be gone already: the run goes last. */
            replay_check(sim, workflow);
            steps_check(sim, workflow);
            workflows_check_reuse(sim, workflow);
            timers_check_end(sim, workflow);
        }
    }
}

static void workflows_check(struct sim *sim) {
    struct workflows *all = workflows_of(sim);
    for (size_t i = 0; i < all->count; i++) {
        if (!all->list[i].judged) {
            workflow_check(sim, &all->list[i]);
        }
    }
    ask_each(sim,
             "SELECT a.run, a.state, w.run FROM runs a JOIN runs w ON w.id = a.parent"
             " WHERE a.kind = 'agent' AND a.ended_ms IS NULL AND w.kind = 'workflow'"
             " AND w.ended_ms IS NOT NULL",
             NULL, outlived_take, NULL);
    timers_check(sim);
}

static void workflows_crashed(struct sim *sim) {
    struct workflows *all = workflows_of(sim);
    for (struct workflow *one = all->list; one < all->list + all->count; one++) {
        one->told = one->told == TOLD_ASKED ? TOLD_UNKNOWN : one->told;
    }
}

static void workflows_noted(struct sim *sim, const struct run_row *row) {
    struct workflow *workflow = workflows_find(sim, row->run);
    if (workflow != NULL && workflow->final && workflow->state != row->state) {
        sim_fail(sim, "%s ends as %s, and has ended as %s", workflow->run,
                 run_state_name(row->state), run_state_name(workflow->state));
    }
    if (workflow != NULL && run_state_final(row->state)) {
        workflow->final = true;
        workflow->state = row->state;
    }
}

static void workflows_opened(struct sim *sim) {
    workflows_check(sim);
    children_check(sim);
}

static bool workflows_rest(struct sim *sim, bool must) {
    (void)must;
    const bool any = workflows_unpause(sim);
    return !flows_unpause(sim) && !any;
}

const struct sim_part part_workflows = {
    .name = "workflows",
    .ops = workflows_ops,
    .begin = children_begin,
    .opened = workflows_opened,
    .crashed = workflows_crashed,
    .noted = workflows_noted,
    .look = workflows_check,
    .rest = workflows_rest,
    .end = workflows_opened,
};
