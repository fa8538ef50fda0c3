/* playing.c: functions of a program under way, and the promises that they wait for.
 *
 * A call is an async function under way: what it does next is `at`. It runs until it waits for a
 * promise; when that is settled, a job goes on with it, behind the jobs that are there. Functions
 * of programs return no promises, so a `return` settles the function's own promise at once. */
#include "playing.h"

#include <stdio.h>
#include <string.h>

/* --- Promises and jobs ------------------------------------------------------------------------ */

struct promise *promise__new(struct player *player) {
    struct promise *promise = player__alloc(player, sizeof *promise);
    promise->last = &promise->waiting;
    return promise;
}

static void job_add(struct player *player, struct async *async) {
    async->next = NULL;
    *player->jobs_end = async;
    player->jobs_end = &async->next;
}

static void promise_settled(struct player *player, struct promise *promise) {
    struct async *async = promise->waiting;
    promise->waiting = NULL;
    while (async != NULL) {
        struct async *next = async->next;
        job_add(player, async);
        async = next;
    }
}

void promise__fulfil(struct player *player, struct promise *promise, json_t *value) {
    assert(promise->state == PROMISE_PENDING);
    promise->state = PROMISE_FULFILLED;
    promise->value = value;
    promise_settled(player, promise);
}

void promise__reject(struct player *player, struct promise *promise, const char *message) {
    assert(promise->state == PROMISE_PENDING);
    promise->state = PROMISE_REJECTED;
    promise->message = message;
    promise_settled(player, promise);
}

/* Goes on at `at` when it is settled. */
static void await(struct player *player, struct async *async, struct promise *promise,
                  unsigned at) {
    async->at = at;
    async->awaited = promise;
    async->next = NULL;
    if (promise->state != PROMISE_PENDING) {
        job_add(player, async);
        return;
    }
    *promise->last = async;
    promise->last = &async->next;
}

static void returns(struct player *player, struct async *async, json_t *value) {
    promise__fulfil(player, async->promise, value);
}

static void throws(struct player *player, struct async *async, const char *message) {
    promise__reject(player, async->promise, message);
}

/* --- Values ----------------------------------------------------------------------------------- */

static size_t utf16_units(const json_t *string) {
    const char *text = json_string_value(string);
    size_t units = 0;
    for (size_t i = 0; i < json_string_length(string); i++) {
        unsigned char c = (unsigned char)text[i];
        units += (c & 0xc0U) != 0x80U;
        units += c >= 0xf0U; /* A pair. */
    }
    return units;
}

const char *player__shape(struct player *player, const json_t *x) {
    static const char refusal[] = "caught: workflow: ";
    char words[64];
    if (json_is_null(x)) {
        return "nothing";
    }
    if (json_is_string(x) && strncmp(json_string_value(x), refusal, sizeof refusal - 1) == 0) {
        return "refused";
    }
    if (json_is_string(x)) {
        (void)snprintf(words, sizeof words, "text %zu", utf16_units(x) % 4);
    } else if (json_is_array(x)) {
        (void)snprintf(words, sizeof words, "list %zu", json_array_size(x));
    } else if (json_is_object(x)) {
        (void)snprintf(words, sizeof words, "object %zu", json_object_size(x));
    } else {
        (void)snprintf(words, sizeof words, "%lld", (long long)json_integer_value(x));
    }
    return player__copy(player, words, strlen(words));
}

static bool question(struct player *player, unsigned which, const json_t *v) {
    switch (which) {
    case 0:
        return json_is_null(v);
    case 1:
        return json_is_string(v);
    case 2:
        for (size_t i = 0; i < json_array_size(v); i++) {
            if (json_is_null(json_array_get(v, i))) {
                return true;
            }
        }
        return false;
    default:
        return strcmp(player__shape(player, v), "text 1") == 0;
    }
}

static json_t *string_new(struct player *player, const char *text) {
    return player__keep(player, json_string_nocheck(text));
}

static json_t *words_new(struct player *player, const char *word, int64_t number) {
    char words[100];
    (void)snprintf(words, sizeof words, "%s %lld", word, (long long)number);
    return string_new(player, words);
}

/* --- Functions under way ---------------------------------------------------------------------- */

static void async_run(struct player *player, struct async *async);

static struct async *async_new(struct player *player, enum async_kind kind, struct scope *scope) {
    struct async *async = player__alloc(player, sizeof *async);
    async->kind = kind;
    async->scope = scope;
    async->promise = promise__new(player);
    return async;
}

static struct promise *node_call(struct player *player, struct scope *scope, unsigned index,
                                 json_t *x) {
    struct async *async = async_new(player, ASYNC_NODE, scope);
    async->node = &scope->program.nodes[index];
    async->x = x;
    async_run(player, async);
    return async->promise;
}

/* What it waited for has thrown, and nobody catches it there. */
static bool was_rejected(struct player *player, struct async *async) {
    if (async->at > 0 && async->awaited->state == PROMISE_REJECTED) {
        throws(player, async, async->awaited->message);
        return true;
    }
    return false;
}

static struct promise *gather_call(struct player *player, struct scope *scope,
                                   const struct node *node, json_t *x) {
    struct gather *gather = player__alloc(player, sizeof *gather);
    size_t count = node->kind == NODE_PARALLEL ? node->part_count : PROGRAM_ITEMS;
    *gather = (struct gather){.scope = scope,
                              .node = node,
                              .x = x,
                              .left = count,
                              .results = player__keep(player, json_array()),
                              .promise = promise__new(player)};
    for (size_t i = 0; i < count; i++) {
        int rc = json_array_append_new(gather->results, json_null());
        assert(rc == 0);
    }
    for (unsigned i = 0; i < count; i++) {
        struct async *one = async_new(player, ASYNC_ONE, scope);
        one->gather = gather;
        one->index = i;
        async_run(player, one);
    }
    return gather->promise;
}

static void one_run(struct player *player, struct async *one) {
    struct gather *gather = one->gather;
    if (one->at == 0 && gather->node->kind == NODE_PARALLEL) {
        await(player, one,
              node_call(player, gather->scope, gather->node->parts[one->index], gather->x), 1);
        return;
    }
    if (one->at == 0) {
        struct async *stages = async_new(player, ASYNC_STAGES, one->scope);
        stages->gather = gather;
        stages->x = words_new(player, "item", one->index % 2);
        async_run(player, stages);
        await(player, one, stages->promise, 1);
        return;
    }
    if (one->awaited->state == PROMISE_FULFILLED) {
        int rc = json_array_set(gather->results, one->index, one->awaited->value);
        assert(rc == 0);
    }
    if (--gather->left == 0) {
        promise__fulfil(player, gather->promise, gather->results);
    }
    returns(player, one, json_null());
}

static void stages_run(struct player *player, struct async *stages) {
    const struct node *node = stages->gather->node;
    if (was_rejected(player, stages)) {
        return;
    }
    json_t *value = stages->at > 0 ? stages->awaited->value : stages->x;
    if (stages->at == node->part_count) {
        returns(player, stages, value);
    } else {
        unsigned stage = stages->at;
        await(player, stages, node_call(player, stages->scope, node->parts[stage], value),
              stage + 1);
    }
}

/* Each value goes into a list. */
static void parts_run(struct player *player, struct async *async) {
    const struct node *node = async->node;
    const unsigned count = node->kind == NODE_REPEAT ? node->count : node->part_count;
    if (async->at == 0) {
        async->all = player__keep(player, json_array());
    } else {
        int rc = json_array_append(async->all, async->awaited->value);
        assert(rc == 0);
    }
    if (async->at == count) {
        returns(player, async, async->all);
        return;
    }
    unsigned part = node->parts[node->kind == NODE_REPEAT ? 0 : async->at];
    await(player, async, node_call(player, async->scope, part, async->x), async->at + 1);
}

static void chain_run(struct player *player, struct async *async) {
    json_t *value = async->at > 0 ? async->awaited->value : async->x;
    if (async->at == async->node->part_count) {
        returns(player, async, value);
        return;
    }
    unsigned part = async->node->parts[async->at];
    await(player, async, node_call(player, async->scope, part, value), async->at + 1);
}

static void branch_run(struct player *player, struct async *async) {
    const struct node *node = async->node;
    if (async->at == 0) {
        await(player, async, node_call(player, async->scope, node->parts[0], async->x), 1);
    } else if (async->at == 1) {
        json_t *v = async->awaited->value;
        unsigned part = node->parts[question(player, node->test, v) ? 1 : 2];
        await(player, async, node_call(player, async->scope, part, v), 2);
    } else {
        returns(player, async, async->awaited->value);
    }
}

static void catch_run(struct player *player, struct async *async) {
    AUTO(text_done) struct text words;
    text_init(&words, 64 << 10);
    if (async->at == 0) {
        await(player, async, node_call(player, async->scope, async->node->parts[0], async->x), 1);
    } else if (async->awaited->state == PROMISE_FULFILLED) {
        returns(player, async, async->awaited->value);
    } else {
        text_addf(&words, "caught: %s", async->awaited->message);
        returns(player, async, string_new(player, words.data));
    }
}

static json_t *spent_value(struct player *player) {
    json_t *pair = player__keep(player, json_array());
    json_t *total = player->total < 0 ? json_null() : json_integer(player->total);
    int rc = json_array_append_new(pair, total);
    assert(rc == 0);
    rc = json_array_append_new(pair, json_integer(player->spent));
    assert(rc == 0);
    return pair;
}

static bool is_poor(const struct player *player, const struct node *node) {
    int64_t left = player->total - player->spent;
    return player->total >= 0 && (left > 0 ? left : 0) < (int64_t)node->count;
}

/* What is done before and after the one part that it calls. */
static void around_run(struct player *player, struct async *async) {
    const struct node *node = async->node;
    char words[100];
    if (async->at == 0) {
        if (node->kind == NODE_PHASE) {
            (void)snprintf(words, sizeof words, "part %u", node->number);
            async->scope->title = player__copy(player, words, strlen(words));
            player__line(player, "{\"t\":\"phase\",\"title\":", words);
        } else if (node->kind == NODE_POOR && is_poor(player, node)) {
            returns(player, async, words_new(player, "poor", player->spent));
            return;
        }
        await(player, async, node_call(player, async->scope, node->parts[0], async->x), 1);
        return;
    }
    if (node->kind == NODE_LOG) {
        (void)snprintf(words, sizeof words, "saw %s", player__shape(player, async->awaited->value));
        player__log(player, words);
    }
    returns(player, async, async->awaited->value);
}

static void asking_run(struct player *player, struct async *async) {
    if (async->at == 0) {
        struct promise *asked = async->node->kind == NODE_WORKFLOW
                                    ? player__workflow(player, async->scope, async->node, async->x)
                                    : player__agent(player, async->scope, async->node, async->x);
        await(player, async, asked, 1);
    } else {
        returns(player, async, async->awaited->value);
    }
}

static void gathering_run(struct player *player, struct async *async) {
    if (async->at == 0) {
        await(player, async, gather_call(player, async->scope, async->node, async->x), 1);
    } else {
        returns(player, async, async->awaited->value);
    }
}

static void sleep_run(struct player *player, struct async *async) {
    if (async->at == 0) {
        struct promise *over = promise__new(player);
        (void)player__timer(player, async->scope, async->node, "sleep", over, json_null());
        await(player, async, over, 1);
    } else if (async->at == 1) {
        await(player, async, node_call(player, async->scope, async->node->parts[0], async->x), 2);
    } else {
        returns(player, async, async->awaited->value);
    }
}

static void race_node_run(struct player *player, struct async *async) {
    if (async->at > 0) {
        returns(player, async, async->awaited->value);
        return;
    }
    struct promise *first = promise__new(player);
    struct async *race = async_new(player, ASYNC_RACE, async->scope);
    race->outcome = first;
    race->timer = player__timer(player, async->scope, async->node, "timeout", first,
                                words_new(player, "late", async->node->number));
    await(player, race, node_call(player, async->scope, async->node->parts[0], async->x), 1);
    await(player, async, first, 1);
}

/* The part has ended; the timer may have been first. */
static void race_run(struct player *player, struct async *race) {
    player__clear(player, race->timer);
    if (race->outcome->state != PROMISE_PENDING) {
        return;
    }
    if (race->awaited->state == PROMISE_REJECTED) {
        promise__reject(player, race->outcome, race->awaited->message);
    } else {
        promise__fulfil(player, race->outcome, race->awaited->value);
    }
}

static void const_run(struct player *player, struct async *async) {
    returns(player, async, words_new(player, "text", async->node->number));
}

static void throw_run(struct player *player, struct async *async) {
    char words[64];
    (void)snprintf(words, sizeof words, "thrown %u", async->node->number);
    throws(player, async, player__copy(player, words, strlen(words)));
}

static void spent_run(struct player *player, struct async *async) {
    returns(player, async, spent_value(player));
}

static void leave_run(struct player *player, struct async *async) {
    (void)node_call(player, async->scope, async->node->parts[0], async->x);
    returns(player, async, words_new(player, "left", async->node->number));
}

static void node_run(struct player *player, struct async *async) {
    static void (*const run[NODE_KINDS])(struct player *, struct async *) = {
        [NODE_AGENT] = asking_run,       [NODE_WORKFLOW] = asking_run,
        [NODE_CONST] = const_run,        [NODE_LIST] = parts_run,
        [NODE_REPEAT] = parts_run,       [NODE_CHAIN] = chain_run,
        [NODE_PARALLEL] = gathering_run, [NODE_PIPELINE] = gathering_run,
        [NODE_BRANCH] = branch_run,      [NODE_THROW] = throw_run,
        [NODE_CATCH] = catch_run,        [NODE_SPENT] = spent_run,
        [NODE_POOR] = around_run,        [NODE_PHASE] = around_run,
        [NODE_LOG] = around_run,         [NODE_SLEEP] = sleep_run,
        [NODE_RACE] = race_node_run,     [NODE_LEAVE] = leave_run,
    };
    if (async->node->kind == NODE_CATCH || !was_rejected(player, async)) {
        run[async->node->kind](player, async);
    }
}

static void body_run(struct player *player, struct async *async) {
    if (async->at == 0) {
        struct scope *scope = async->scope;
        json_t *x = scope->x != NULL ? scope->x : string_new(player, "begin");
        await(player, async, node_call(player, scope, scope->program.count - 1, x), 1);
    } else if (!was_rejected(player, async)) {
        returns(player, async, async->awaited->value);
    }
}

static struct promise *body_call(struct player *player, struct scope *scope) {
    struct async *body = async_new(player, ASYNC_BODY, scope);
    async_run(player, body);
    return body->promise;
}

/* The text of the file has run at once, and what it returns is the main function. */
static void module_run(struct player *player, struct async *module) {
    if (module->at == 0) {
        struct promise *loaded = promise__new(player);
        promise__fulfil(player, loaded, json_null());
        await(player, module, loaded, 1);
    } else if (module->at == 1) {
        await(player, module, body_call(player, module->scope), 2);
    } else if (!was_rejected(player, module)) {
        returns(player, module, module->awaited->value);
    }
}

static void child_run(struct player *player, struct async *child) {
    if (child->at == 0) {
        await(player, child, player__begin(player, child->scope), 1);
    } else if (child->awaited->state == PROMISE_REJECTED) {
        promise__reject(player, child->outcome, child->awaited->message);
    } else {
        promise__fulfil(player, child->outcome, child->awaited->value);
    }
}

static void async_run(struct player *player, struct async *async) {
    static void (*const run[])(struct player *, struct async *) = {
        [ASYNC_NODE] = node_run,   [ASYNC_BODY] = body_run, [ASYNC_MODULE] = module_run,
        [ASYNC_CHILD] = child_run, [ASYNC_ONE] = one_run,   [ASYNC_STAGES] = stages_run,
        [ASYNC_RACE] = race_run,
    };
    run[async->kind](player, async);
}

struct promise *player__begin(struct player *player, struct scope *scope) {
    if (!program_has_main(&scope->program)) {
        return body_call(player, scope);
    }
    struct async *module = async_new(player, ASYNC_MODULE, scope);
    async_run(player, module);
    return module->promise;
}

void player__begin_child(struct player *player, struct scope *scope, struct promise *outcome) {
    struct async *child = async_new(player, ASYNC_CHILD, scope);
    child->outcome = outcome;
    async_run(player, child);
}

bool player__job(struct player *player) {
    struct async *async = player->jobs;
    if (async == NULL) {
        return false;
    }
    player->jobs = async->next;
    player->jobs_end = player->jobs == NULL ? &player->jobs : player->jobs_end;
    async_run(player, async);
    return true;
}
