/* flow_player.c: see flow_player.h. */
#include "flow_player.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "flows.h"
#include "script/protocol.h"
#include "speech.h"

enum { NESTED_FIRST = 1000, OPEN_MAX = WORLD_STEPS + 1, DEPTH_MAX = 32, SHOWN_MAX = 24 };

/* An evaluation that waits for its agents. */
struct open_evaluation {
    int64_t id; /* 0: this place is free. */
    size_t at;
    char letters[WORLD_CALLS + 1]; /* '.': no answer yet. */
};
struct flow_player {
    enum player_state state;
    struct flow_world world;
    int64_t op, taken, last_id; /* taken: orders after the first. */
    json_t *results, *asked;    /* Owned. asked: ids of all evaluations. */
    struct open_evaluation open[OPEN_MAX];
    struct speech speech;
};

/* --- Texts ------------------------------------------------------------------------------------ */

void flow_source_write(uint64_t seed, size_t steps_max, unsigned with, struct text *text) {
    text_addf(text, "// demo %" PRIu64 " %zu %u\nexport default {};\n", seed, steps_max, with);
}

bool flow_source_read(struct bytes text, struct flow_world *ret_world) {
    static const char sign[] = "// demo ";
    const char *at = text.data == NULL ? NULL : memmem(text.data, text.len, sign, sizeof sign - 1);
    uint64_t seed = 0;
    size_t steps_max = 0;
    unsigned with = 0;
    char words[64];
    if (at == NULL) {
        return false;
    }
    const size_t left = text.len - (size_t)(at - text.data);
    (void)snprintf(words, sizeof words, "%.*s", (int)(left < 63 ? left : 63), at);
    if (sscanf(words, "// demo %" SCNu64 " %zu %u", &seed, &steps_max, &with) != 3 ||
        steps_max == 0 || steps_max > WORLD_STEPS) {
        return false;
    }
    world_invent(ret_world, seed, steps_max, with);
    return true;
}

static void known_write(size_t at, struct bytes result, struct text *text) {
    uint64_t hash = 14695981039346656037U;
    for (size_t i = 0; i < result.len; i++) {
        hash = (hash ^ (unsigned char)result.data[i]) * 1099511628211U;
    }
    if (result.len == 0) {
        text_addf(text, " s%zu=-", at);
    } else {
        text_addf(text, " s%zu=%08x", at, (unsigned)(hash >> 32));
    }
}

int64_t flow_nested_op(int64_t op, size_t at) {
    return NESTED_FIRST + op * WORLD_STEPS + (int64_t)at;
}

int64_t flow_parent_op(int64_t op) {
    return op < NESTED_FIRST ? 0 : (op - NESTED_FIRST) / WORLD_STEPS;
}

/* Names the dependencies that have settled when the step begins. */
void flow_run_write(const struct flow_world *world, size_t at, const char *calls,
                    flow_result_fn results, const void *ctx, struct text *text) {
    const struct world_plan *plan = &world->plans[at];
    text_addf(text, "s%zu of %" PRIu64 ":", at, world->seed);
    for (size_t i = 0; i < at && plan->trigger != FLOW_ONE_SUCCESS; i++) {
        if (plan->deps[i]) {
            known_write(i, results(ctx, i), text);
        }
    }
    text_addf(text, " %s.", calls);
}

void flow_report_write(const struct flow_world *world, flow_result_fn results, const void *ctx,
                       struct text *text) {
    text_addf(text, "report of %" PRIu64 ":", world->seed);
    for (size_t i = 0; i < world->count; i++) {
        known_write(i, results(ctx, i), text);
    }
}

void flow_output_write(const struct flow_world *world, int64_t op, struct text *text) {
    text_addf(text, "%s/report-%lld.txt",
              world->output == WORLD_OUTPUT_OUTSIDE ? "../reports" : "reports", (long long)op);
}

static struct bytes result_of(const void *ctx, size_t at) {
    const struct flow_player *player = ctx;
    char name[SHOWN_MAX];
    (void)snprintf(name, sizeof name, "s%zu", at);
    return json_text(json_object_get(player->results, name));
}

/* --- Said ------------------------------------------------------------------------------------- */

static void value_say(struct flow_player *player, int64_t id, const char *value) {
    speech_open(&player->speech);
    text_addf(&player->speech.out, "{\"t\":\"value\",\"id\":%lld,\"v\":%s", (long long)id, value);
    speech_close(&player->speech);
}

static void text_say(struct flow_player *player, int64_t id, const struct text *value) {
    speech_open(&player->speech);
    text_addf(&player->speech.out, "{\"t\":\"value\",\"id\":%lld", (long long)id);
    speech_member(&player->speech, ",\"v\":", value->data);
    text_add_str(&player->speech.out, ",\"read\":true");
    speech_close(&player->speech);
}

static void failure_say(struct flow_player *player, int64_t id) {
    speech_open(&player->speech);
    text_addf(&player->speech.out,
              "{\"t\":\"failed\",\"id\":%lld,\"name\":\"Error\",\"message\":\"as planned\","
              "\"line\":3",
              (long long)id);
    speech_close(&player->speech);
}

static void agents_ask(struct flow_player *player, int64_t id, size_t at) {
    for (size_t call = 1; call <= player->world.plans[at].calls; call++) {
        speech_open(&player->speech);
        text_addf(&player->speech.out,
                  "{\"t\":\"dispatch\",\"id\":%lld,\"call\":%zu,\"agent\":\"%s\",\"task\":"
                  "\"op#%lld. Count %zu of s%zu.\"",
                  (long long)id, call, call == 2 ? "nobody" : "Explore", (long long)player->op,
                  call, at);
        speech_close(&player->speech);
    }
}

static void run_say(struct flow_player *player, int64_t id, size_t at, const char *letters) {
    const struct world_plan *plan = &player->world.plans[at];
    AUTO(text_done) struct text text = text_up_to(64 << 10);
    if (plan->kind == FLOW_KIND_AGENT) {
        text_addf(&text, "op#%lld. ", (long long)player->op);
    }
    if (world_has_file(plan)) {
        text_addf(&text, "{\"op\":%lld}", (long long)flow_nested_op(player->op, at));
    } else {
        flow_run_write(&player->world, at, letters, result_of, player, &text);
    }
    text_say(player, id, &text);
}

/* --- Evaluations ------------------------------------------------------------------------------ */

static struct open_evaluation *open_find(struct flow_player *player, int64_t id) {
    for (size_t i = 0; i < OPEN_MAX; i++) {
        if (player->open[i].id == id) {
            return &player->open[i];
        }
    }
    return NULL;
}

static bool run_begin(struct flow_player *player, int64_t id, size_t at) {
    const struct world_plan *plan = &player->world.plans[at];
    if (!plan->has_run) {
        return false;
    }
    if (plan->calls > 0) {
        struct open_evaluation *open = open_find(player, 0);
        if (open == NULL) {
            return false;
        }
        *open = (struct open_evaluation){.id = id, .at = at};
        memset(open->letters, '.', plan->calls);
        agents_ask(player, id, at);
    } else if (plan->fault == WORLD_THROWS) {
        failure_say(player, id);
    } else {
        run_say(player, id, at, "");
    }
    return true;
}

static bool case_say(struct flow_player *player, int64_t id, size_t at, int64_t number) {
    const struct world_plan *plan = &player->world.plans[at];
    if (number < 0 || (size_t)number >= plan->cases) {
        return false;
    }
    if (plan->fault == WORLD_THROWS) {
        failure_say(player, id);
    } else {
        value_say(player, id, (size_t)number == plan->chosen ? "true" : "false");
    }
    return true;
}

static bool when_say(struct flow_player *player, int64_t id, size_t at) {
    const struct world_plan *plan = &player->world.plans[at];
    if (plan->unwanted_first) {
        value_say(player, id, "false");
    } else {
        value_say(player, id, plan->unwanted ? "false,\"read\":true" : "true,\"read\":true");
    }
    return plan->has_when;
}

static bool report_say(struct flow_player *player, int64_t id) {
    AUTO(text_done) struct text text = text_up_to(64 << 10);
    if (player->world.render_throws) {
        failure_say(player, id);
    } else {
        flow_report_write(&player->world, result_of, player, &text);
        text_say(player, id, &text);
    }
    return player->world.renders;
}

static bool output_say(struct flow_player *player, int64_t id) {
    AUTO(text_done) struct text text = text_up_to(200);
    if (player->world.output == WORLD_OUTPUT_THROWS) {
        failure_say(player, id);
    } else if (player->world.output == WORLD_OUTPUT_NULL) {
        value_say(player, id, "null");
    } else {
        flow_output_write(&player->world, player->op, &text);
        text_say(player, id, &text);
    }
    return player->world.output != WORLD_NO_OUTPUT;
}

/* WORLD_STEPS: it is no step. */
static size_t step_find(const struct flow_player *player, const char *name) {
    char own[SHOWN_MAX];
    for (size_t i = 0; i < player->world.count; i++) {
        (void)snprintf(own, sizeof own, "s%zu", i);
        if (strcmp(own, name) == 0) {
            return i;
        }
    }
    return WORLD_STEPS;
}

static bool eval_take(struct flow_player *player, const json_t *order) {
    const int64_t id = json_int(order, "id", 0);
    const char *what = json_str(order, "what", "");
    const size_t at = step_find(player, json_str(order, "step", ""));
    if (id <= player->last_id) { /* Numbers only grow, though the protocol asks for less. */
        return false;
    }
    player->last_id = id;
    json_array_append_new(player->asked, json_integer(id));
    if (strcmp(what, "render") == 0) {
        return report_say(player, id);
    }
    if (strcmp(what, "output") == 0) {
        return output_say(player, id);
    }
    if (at == WORLD_STEPS) {
        return false;
    }
    if (strcmp(what, "until") == 0) {
        const int64_t rounds = flows_rounds(sim_current(), player->op, at);
        value_say(player, id,
                  rounds + 1 >= player->world.plans[at].good ? "true,\"read\":true"
                                                             : "false,\"read\":true");
        return player->world.plans[at].loop_max > 0;
    }
    return strcmp(what, "when") == 0   ? when_say(player, id, at)
           : strcmp(what, "case") == 0 ? case_say(player, id, at, json_int(order, "no", -1))
           : strcmp(what, "run") == 0  ? run_begin(player, id, at)
                                       : false;
}

static bool was_asked(const struct flow_player *player, int64_t id) {
    for (size_t i = 0; i < json_array_size(player->asked); i++) {
        if (json_integer_value(json_array_get(player->asked, i)) == id) {
            return true;
        }
    }
    return false;
}

static bool answer_take(struct flow_player *player, const json_t *order) {
    const int64_t id = json_int(order, "id", 0), call = json_int(order, "call", 0);
    const char *outcome = json_str(order, "o", "");
    const bool said = strcmp(outcome, "value") == 0;
    const json_t *words = json_object_get(order, said ? "v" : "message");
    struct open_evaluation *open = id > 0 ? open_find(player, id) : NULL;
    if (!was_asked(player, id) || !json_is_string(words) ||
        (!said && strcmp(outcome, "throw") != 0)) {
        return false;
    }
    if (open == NULL) {
        return true;
    }
    const struct world_plan *plan = &player->world.plans[open->at];
    if (call < 1 || (size_t)call > plan->calls || open->letters[call - 1] != '.') {
        return false;
    }
    open->letters[call - 1] = said ? 'v' : 't';
    if (strchr(open->letters, '.') == NULL) {
        open->id = 0;
        if (plan->fault == WORLD_THROWS) {
            failure_say(player, id);
        } else {
            run_say(player, id, open->at, open->letters);
        }
    }
    return true;
}

static bool drop_take(struct flow_player *player, const json_t *order) {
    const int64_t id = json_int(order, "id", 0);
    struct open_evaluation *open = id > 0 ? open_find(player, id) : NULL;
    if (open != NULL) {
        open->id = 0;
    }
    return was_asked(player, id);
}

static bool know_take(struct flow_player *player, const json_t *order) {
    json_t *results = json_object_get(order, "results"), *value = NULL;
    const char *name = NULL;
    if (results != NULL && !json_is_object(results)) {
        return false;
    }
    json_object_foreach(results, name, value) {
        if (step_find(player, name) == WORLD_STEPS ||
            (!json_is_string(value) && !json_is_null(value)) ||
            json_object_set(player->results, name, value) != 0) {
            return false;
        }
    }
    return true;
}

/* --- Orders ----------------------------------------------------------------------------------- */

static bool flow_take(struct flow_player *player, const json_t *order) {
    AUTO(text_done) struct text description = text_up_to(SCRIPT_FLOW_MAX);
    if (strcmp(json_str(order, "t", ""), "flow") != 0 ||
        strcmp(json_str(order, "form", ""), "flow") != 0 ||
        !json_is_string(json_object_get(order, "file")) ||
        !json_is_object(json_object_get(order, "limits")) ||
        !flow_source_read(json_bytes(order, "script"), &player->world)) {
        return false;
    }
    player->op = json_int(json_object_get(order, "input"), "op", 0);
    world_write(&player->world, &description);
    speech_open(&player->speech);
    text_add_str(&player->speech.out, "{\"t\":\"flow\",\"flow\":");
    text_add(&player->speech.out, description.data, description.len);
    speech_close(&player->speech);
    player->state = PLAYER_WAITING;
    return true;
}

static bool order_take(struct flow_player *player, const json_t *order) {
    const char *type = json_str(order, "t", "");
    player->taken++;
    return strcmp(type, "know") == 0     ? know_take(player, order)
           : strcmp(type, "eval") == 0   ? eval_take(player, order)
           : strcmp(type, "answer") == 0 ? answer_take(player, order)
           : strcmp(type, "drop") == 0   ? drop_take(player, order)
                                         : false;
}

static void quiet_say(struct flow_player *player) {
    speech_open(&player->speech);
    text_addf(&player->speech.out, "{\"t\":\"quiet\",\"settled\":%lld", (long long)player->taken);
    speech_close(&player->speech);
    speech_send(&player->speech);
}

enum player_state flow_player_take(struct flow_player *player, struct bytes frame) {
    AUTO(json_release) json_t *orders = NULL;
    bool fine = !err_failed(json_parse(frame.data, frame.len, DEPTH_MAX, &orders, NULL)) &&
                json_is_array(orders) && json_array_size(orders) > 0;
    if (fine && player->state == PLAYER_STARTING) {
        fine = json_array_size(orders) == 1 && flow_take(player, json_array_get(orders, 0));
    } else {
        for (size_t i = 0; i < json_array_size(orders) && fine; i++) {
            fine = order_take(player, json_array_get(orders, i));
        }
    }
    quiet_say(player);
    player->state = fine ? player->state : PLAYER_NONSENSE;
    return player->state;
}

bool flow_player_say(struct flow_player *player, struct text *frame) {
    return speech_take(&player->speech, frame);
}

/* --- Life ------------------------------------------------------------------------------------- */

bool flow_player_begins(struct bytes frame) {
    static const char sign[] = "[{\"t\":\"flow\"";
    return frame.len >= sizeof sign && memcmp(frame.data, sign, sizeof sign - 1) == 0;
}

int64_t flow_player_op_of(struct bytes frame) {
    AUTO(json_release) json_t *orders = NULL;
    if (!flow_player_begins(frame) ||
        err_failed(json_parse(frame.data, frame.len, DEPTH_MAX, &orders, NULL))) {
        return 0;
    }
    return json_int(json_object_get(json_array_get(orders, 0), "input"), "op", 0);
}

struct flow_player *flow_player_new(void) {
    struct flow_player *player = mem_new(sizeof *player);
    player->state = PLAYER_STARTING;
    player->results = json_object();
    player->asked = json_array();
    speech_init(&player->speech);
    return player;
}

void flow_player_free(struct flow_player *player) {
    if (player != NULL) {
        json_release(&player->results);
        json_release(&player->asked);
        speech_done(&player->speech);
        mem_free(player);
    }
}

int64_t flow_player_op(const struct flow_player *player) {
    return player->op;
}
