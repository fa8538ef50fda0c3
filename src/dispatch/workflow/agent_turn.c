/* agent_turn.c: an agent with tools: a turn of a session of its own.
 *
 * Who performs turns performs it; here it is only waited for. A note of the turn's row says that it
 * has ended, and what it said is read then. A daemon that comes back finds the turn's name in the
 * row of the step, and looks once whether it has ended while nobody waited. */
#include <string.h>

#include "base/memory.h"
#include "dispatch/workflow/flow.h"
#include "tool/tool.h"

/* Not of an agent in a workflow: nobody sits before it, and the script is who starts others. */
static const enum tool_id left_out[] = {
    TOOL_ASK_USER,        TOOL_READ_SESSION,    TOOL_RUN_WORKFLOW,   TOOL_SPAWN_SUBAGENT,
    TOOL_SUBAGENT_CANCEL, TOOL_SUBAGENT_RESULT, TOOL_SUBAGENT_STATUS};

static const json_t *opts_of(const struct call *call) {
    return json_object_get(call->message, "opts");
}

/* A limit that the script has set; -1: it has not. What is no whole number for us is a huge one. */
static int64_t limit_of(const struct call *call, const char *name) {
    const json_t *limit = json_object_get(opts_of(call), name);
    return limit == NULL ? -1 : json_is_integer(limit) ? json_integer_value(limit) : INT32_MAX;
}

static bool is_typed(const struct call *call) {
    return call->type.instructions != NULL;
}

/* Its worker has refused names that nobody knows; one of before left them to us. */
static tool_set asked_tools(const struct call *call) {
    const json_t *names = json_object_get(opts_of(call), "tools");
    tool_set tools = names == NULL ? TOOL_SET_ALL : 0;
    for (size_t i = 0; i < json_array_size(names); i++) {
        const json_t *name = json_array_get(names, i);
        const char *text = json_string_value(name);
        tools |=
            text == NULL ? 0 : agent_tools_named((struct bytes){text, json_string_length(name)});
    }
    return tools;
}

bool call__has_tools(const struct call *call) {
    bool none = asked_tools(call) == 0 || limit_of(call, "max_tool_calls") == 0 ||
                limit_of(call, "max_tool_iters") == 0 || (is_typed(call) && call->type.tools == 0);
    return !call->nested && call->flow->root[0] != '\0' && !none;
}

/* --- Begun ------------------------------------------------------------------------------------ */

static bool is_left_out(enum tool_id id) {
    for (size_t i = 0; i < COUNT_OF(left_out); i++) {
        if (left_out[i] == id) {
            return true;
        }
    }
    return false;
}

static bool is_named(const json_t *names, const char *name) {
    bool found = names == NULL;
    for (size_t i = 0; i < json_array_size(names) && !found; i++) {
        const char *one = json_string_value(json_array_get(names, i));
        found = one != NULL && strcmp(one, name) == 0;
    }
    return found;
}

/* Of what the script asks for, and the agent's type may use, what the run may; NULL: all. */
json_t *flow__tools(const json_t *allowed, tool_set asked) {
    json_t *names = json_array();
    for (unsigned id = 0; id < TOOL_COUNT; id++) {
        const char *name = tool_get((enum tool_id)id)->name;
        bool fits = !is_left_out((enum tool_id)id) && (asked & tool_set_of((enum tool_id)id)) != 0;
        if (fits && is_named(allowed, name)) {
            (void)json_array_append_new(names, json_string(name));
        }
    }
    return names;
}

/* The run's own holds for each of its agents; who asks for less gets less. */
static void narrow_calls(const struct call *call, json_t *settings) {
    const json_t *of_run = json_object_get(settings, "max_tool_calls");
    int64_t limit = limit_of(call, "max_tool_calls");
    if (limit > 0 && (!json_is_integer(of_run) || json_integer_value(of_run) > limit)) {
        (void)json_object_set_new(settings, "max_tool_calls", json_integer(limit));
    }
}

/* The call behind the last round is the one that sums up. */
static int64_t calls_max(const struct call *call) {
    int64_t rounds = limit_of(call, "max_tool_iters");
    return rounds < 0 ? 0 : rounds < INT32_MAX ? rounds + 1 : INT32_MAX;
}

/* A script that edits files would stop at its first one, so nobody is asked (decisions/042). What a
 * model has started may what its session may, and no more. */
static void take_edits(const struct call *call, json_t *settings) {
    bool confined = json_is_true(json_object_get(call->flow->spec, "confined"));
    if (!confined && json_object_get(settings, "edits") == NULL) {
        (void)json_object_set_new(settings, "edits", json_string("allow")); /* NULL is refused. */
    }
}

static void write_settings(const struct call *call, struct text *text) {
    const json_t *of_run = json_object_get(call->flow->spec, "settings");
    const json_t *effort = json_object_get(opts_of(call), "effort");
    const json_t *allowed = json_object_get(of_run, "tools");
    AUTO(json_release)
    json_t *settings = of_run == NULL ? json_object() : json_copy((json_t *)of_run);
    const tool_set typed = is_typed(call) ? call->type.tools : TOOL_SET_ALL;
    (void)json_object_set_new(settings, "tools", flow__tools(allowed, asked_tools(call) & typed));
    narrow_calls(call, settings);
    take_edits(call, settings);
    if (effort != NULL) {
        const char *name = json_string_value(effort);
        bool more = name != NULL && (strcmp(name, "xhigh") == 0 || strcmp(name, "max") == 0);
        (void)json_object_set_new(settings, "effort",
                                  more ? json_string("high") : json_incref((json_t *)effort));
    }
    if (settings == NULL || err_failed(json_write(settings, text))) {
        text_clear(text);
        text_add_str(text, "{\"tools\":[]}");
    }
}

static struct id new_id(const struct flow *flow, const char *prefix) {
    const struct world *world = loop_world(flow->flows->options.loop);
    uint8_t random[10];
    world_random(world, random, sizeof random);
    return id_make(prefix, world_wall_ms(world), random);
}

/* The texts stay with the errand, which outlives the transaction. */
void call__prepare_talk(struct call *call, struct flow_errand *errand) {
    const struct flow *flow = call->flow;
    const json_t *schema = json_object_get(opts_of(call), "schema");
    const struct bytes label = call__name(call->message, "label");
    text_init(&errand->bytes, 2 * (size_t)RUN_SPEC_MAX);
    write_settings(call, &errand->bytes);
    size_t settings_len = errand->bytes.len;
    if (schema != NULL && err_failed(json_write(schema, &errand->bytes))) {
        errand->bytes.len = settings_len;
    }
    size_t schema_len = errand->bytes.len - settings_len;
    call__write_instructions(call, &errand->bytes);
    size_t words_len = errand->bytes.len - settings_len - schema_len;
    const char *root = call__root(call); /* Of its own: it may go before the errand does. */
    size_t root_at = errand->bytes.len, root_len = strlen(root);
    text_add(&errand->bytes, root, root_len);
    bool copied = errand->bytes.len == root_at + root_len;
    errand->talk = (struct step_talk){
        .session = new_id(flow, "ses"),
        .turn = call->turn,
        .message = new_id(flow, "msg"),
        .answer = new_id(flow, "msg"),
        .title = label.len == 0 ? BYTES("An agent of a workflow") : label,
        .project = flow__project(flow),
        .root = {copied ? errand->bytes.data + root_at : root, root_len},
        .settings = {errand->bytes.data, settings_len},
        .schema = {schema_len > 0 ? errand->bytes.data + settings_len : NULL, schema_len},
        .instructions = {words_len > 0 ? errand->bytes.data + settings_len + schema_len : NULL,
                         words_len},
        .calls_max = calls_max(call)};
    errand->begin.talk = &errand->talk;
}

static void enter(struct call *call) {
    struct flows *flows = call->flow->flows;
    call->turn_node.name = bytes_of(call->turn.text);
    if (!call->talks) {
        call->talks = true;
        table_add(&flows->turns, &call->turn_node);
        call__watch_silence(call);
    }
}

void call__leave_talk(struct call *call) {
    if (call->talks) {
        table_remove(&call->flow->flows->turns, &call->turn_node);
        call->talks = false;
    }
}

void call__new_talk(struct call *call) {
    call->turn = new_id(call->flow, "run");
    enter(call);
}

/* --- Its end ---------------------------------------------------------------------------------- */

static struct err look_tx(struct tx *tx, void *ctx) {
    struct flow_errand *errand = ctx;
    struct step_talked *talked = &errand->talked;
    text_clear(&errand->bytes);
    struct err err = tx_step_talked(tx, errand->run, talked);
    if (err_failed(err)) {
        return err;
    }
    text_add(&errand->bytes, talked->said.data, talked->said.len);
    text_add(&errand->bytes, talked->note.data, talked->note.len);
    return text_failed(&errand->bytes) ? text_error(&errand->bytes, "flow: talk") : ERR_OK;
}

/* With a schema it is JSON already, which its turn has checked. */
static bool take_said(struct call *call, struct bytes said) {
    AUTO(json_release) json_t *json = NULL;
    text_clear(&call->result);
    if (json_object_get(opts_of(call), "schema") == NULL) {
        text_add_json(&call->result, said.data, said.len);
        return !text_failed(&call->result);
    }
    return !err_failed(json_parse(said.data, said.len, JSON_DEPTH_MAX, &json, NULL)) &&
           !err_failed(json_write(json, &call->result));
}

static void ended(struct call *call, const struct flow_errand *errand) {
    const struct step_talked *talked = &errand->talked;
    const char *bytes = errand->bytes.data == NULL ? "" : errand->bytes.data;
    bool good = talked->state == RUN_SUCCEEDED || talked->state == RUN_DEGRADED;
    call->cause = talked->cause;
    call->resume_at_ms = talked->resume_at_ms;
    const struct bytes note = {bytes + talked->said.len, talked->note.len};
    if (call->cause == CAUSE_SCHEMA_MISMATCH) {
        call__note_misfit(call, note);
    } else {
        mem_free(call->note);
        call->note = mem_copy(note.data, note.len);
    }
    if (good && !take_said(call, (struct bytes){bytes, talked->said.len})) {
        bool owes_object = json_object_get(opts_of(call), "schema") != NULL;
        call->cause = owes_object ? CAUSE_SCHEMA_MISMATCH : CAUSE_TOO_LARGE;
    }
    call__ended(call);
}

/* While somebody is asked, its place is for others, and its clock stands still. */
static void set_waiting(struct call *call, bool waits) {
    struct flow *flow = call->flow;
    int64_t now_ms = flows__mono_ms(flow->flows);
    if (waits) {
        call->waits_since_ms = now_ms;
        timer_stop(flow->flows->options.loop, &call->deadline);
    } else {
        int64_t since_ms = call->waits_since_ms == 0 ? now_ms : call->waits_since_ms;
        call->waited_ms += now_ms > since_ms ? now_ms - since_ms : 0;
        call->waits_since_ms = 0;
        call__watch_deadline(call);
    }
    if (waits == call->counted) {
        call->counted = !waits;
        flow->working += waits ? -1 : 1;
        flow__pump(flow);
    }
}

static void look(struct call *call);

/* The agent's turn waits for its provider. The agent is shown as waiting, too, and keeps its slot
 * and its deadline. */
static void tell_wait(struct call *call, int64_t resume_at_ms) {
    const struct provider_wait wait = {.resume_at_ms = resume_at_ms};
    call__wait(call, &wait);
}

/* One of an earlier life goes on: what it waited until now is stored with its turn. */
static void take_wait(struct call *call, const struct step_talked *talked) {
    if (call->noted) {
        look(call); /* What was read may be older than what was heard. */
        return;
    }
    call->waited_ms = talked->waited_ms;
    call->waits_since_ms = 0;
    set_waiting(call, talked->state == RUN_WAITING && talked->resume_at_ms == 0);
    tell_wait(call, talked->resume_at_ms);
}

static void looked(struct flow_errand *errand) {
    struct call *call = errand->call;
    struct flow *flow = errand->flow;
    const struct step_talked talked = errand->talked; /* Its texts go with the errand. */
    bool of_before = strcmp(errand->talk.turn.text, call->turn.text) != 0; /* It was restarted. */
    if (flow->state == FLOW_ENDING || call->state != CALL_TALKING || of_before) {
        flow__errand_free(errand);
    } else if (!talked.found) {
        flow__errand_free(errand);
        call__fail(call, CAUSE_OUTCOME_UNKNOWN, "the turn of its agent was removed");
    } else if (talked.ended) {
        ended(call, errand);
        flow__errand_free(errand);
    } else {
        flow__errand_free(errand);
        take_wait(call, &talked); /* A note will tell of its end. */
    }
}

static void look(struct call *call) {
    struct flow_errand *errand = flow__errand(call->flow, look_tx, looked);
    call->noted = false;
    errand->call = call;
    errand->talk.turn = call->turn; /* The call may be gone before it was read. */
    errand->run = bytes_of(errand->talk.turn.text);
    errand->reads = true;
    text_init(&errand->bytes, 4 * (size_t)WORKFLOW_RESULT_MAX);
    flow__send(errand);
}

/* Of one that began in an earlier life. */
void call__talk_again(struct call *call) {
    enter(call);
    call->state = CALL_TALKING;
    look(call);
}

void flows__turn_note(struct flows *flows, const struct run_row *row) {
    struct table_node *node = table_find(&flows->turns, row->run);
    struct call *call = node == NULL ? NULL : CONTAINER_OF(node, struct call, turn_node);
    if (call == NULL || call->flow->freed || call->state != CALL_TALKING) {
        return; /* Nobody waits for it, or not any more. */
    }
    bool asks_provider = run_waits_for_provider(row);
    bool waits = row->state == RUN_WAITING && !asks_provider;
    call->noted = true;
    if (run_state_final(row->state)) {
        look(call);
        return;
    }
    if (waits != (call->waits_since_ms != 0)) {
        set_waiting(call, waits);
    }
    tell_wait(call, asks_provider ? row->not_before_ms : 0);
}
