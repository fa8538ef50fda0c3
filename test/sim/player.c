/* player.c: see player.h. Orders, calls, outcomes and ends; playing.c has the program. */
#include "player.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "playing.h"

enum { PLAYER_DEPTH_MAX = 4 * JSON_DEPTH_MAX };

void *player__alloc(struct player *player, size_t size) {
    struct block *block = mem_new(sizeof *block + size);
    block->next = player->blocks;
    player->blocks = block;
    return block + 1;
}

char *player__copy(struct player *player, const char *text, size_t len) {
    char *copy = player__alloc(player, len + 1);
    memcpy(copy, text, len);
    return copy;
}

/* Takes over a reference. */
json_t *player__keep(struct player *player, json_t *value) {
    int rc = json_array_append_new(player->kept, value);
    assert(rc == 0);
    return value;
}

/* --- Lines ------------------------------------------------------------------------------------ */

void player__line(struct player *player, const char *head, const char *words) {
    struct bytes whole = {words, strlen(words)};
    player->lines++;
    speech_open(&player->speech);
    text_add_str(&player->speech.out, head);
    speech_string(&player->speech.out, words, utf8_cut(whole, (size_t)player->line_bytes));
    text_addf(&player->speech.out, ",\"no\":%lld", (long long)player->lines);
    speech_close(&player->speech);
}

void player__log(struct player *player, const char *words) {
    player__line(player, "{\"t\":\"log\",\"text\":", words);
}

static void tell_unanswered(struct player *player) {
    int64_t left = player->made - player->settled - player->timers;
    char words[200];
    if (left == 0 || player->lines >= player->lines_max) {
        return;
    }
    (void)snprintf(words, sizeof words,
                   "%lld call%s of agent() or workflow() had no answer when the script returned,"
                   " and will have none: is an await missing?",
                   (long long)left, left == 1 ? "" : "s");
    player__log(player, words);
}

static void tell_cut(struct player *player, const struct open_call *call) {
    AUTO(text_done) struct text words;
    text_init(&words, 1000);
    if (player->lines >= player->lines_max) {
        return;
    }
    text_add_str(&words, "the answer of ");
    if (call->label == NULL) {
        text_add_str(&words, "an agent");
    } else {
        text_add_str(&words, "agent ");
        stringified_add(&words, call->label, strlen(call->label));
    }
    text_add_str(&words, " was cut off at its longest length");
    player__log(player, words.data);
}

/* --- Calls ------------------------------------------------------------------------------------ */

/* Of lines: kind, path, options, and the prompt if there is one. */
static const char *key_of(struct player *player, const char *const lines[4]) {
    struct sha256_stream hash;
    sha256_start(&hash);
    for (size_t i = 0; i < 4 && lines[i] != NULL; i++) {
        sha256_add(&hash, "\n", i > 0);
        sha256_add(&hash, lines[i], strlen(lines[i]));
    }
    const struct sha256 digest = sha256_finish(&hash);
    const struct sha256_hex hex = sha256_hex(&digest);
    return player__copy(player, hex.text, strlen(hex.text));
}

static int64_t occurrence_of(const struct player *player, const char *key) {
    int64_t count = 1;
    for (const struct open_call *call = player->open; call != NULL; call = call->next) {
        count += strcmp(call->call.key, key) == 0;
    }
    return count;
}

static struct recorded *recorded_find(const struct player *player, const struct player_call *call) {
    for (size_t i = player->repeated; i < player->history_count; i++) {
        struct recorded *recorded = &player->history[i];
        if (recorded->occurrence == call->occurrence && strcmp(recorded->key, call->key) == 0) {
            return recorded;
        }
    }
    return NULL;
}

/* `call` has all but its numbers. Whether the daemon must be asked. */
static bool call_note(struct player *player, struct open_call *call) {
    call->call.id = ++player->made;
    call->call.occurrence = occurrence_of(player, call->call.key);
    struct recorded *recorded = recorded_find(player, &call->call);
    call->next = player->open;
    player->open = call;
    if (player->watch.called != NULL) {
        player->watch.called(player->watch.ctx, &call->call, recorded != NULL);
    }
    if (recorded != NULL) {
        recorded->call = call;
    }
    return recorded == NULL;
}

static void call_say(struct player *player, const struct open_call *call,
                     const struct program_options *options, const char *title) {
    const char *phase = options->phase != NULL ? options->phase : title;
    speech_open(&player->speech);
    text_addf(&player->speech.out, "{\"t\":\"call\",\"id\":%lld", (long long)call->call.id);
    speech_member(&player->speech, ",\"k\":", call->call.key);
    text_addf(&player->speech.out, ",\"n\":%lld", (long long)call->call.occurrence);
    speech_member(&player->speech, ",\"prompt\":", call->call.prompt);
    text_add_str(&player->speech.out, ",\"opts\":");
    text_add_str(&player->speech.out, options->canonical);
    if (options->label != NULL) {
        speech_member(&player->speech, ",\"label\":", options->label);
    }
    if (phase != NULL) {
        speech_member(&player->speech, ",\"phase\":", phase);
    }
    speech_close(&player->speech);
}

/* NULL: it may be made. */
static const char *call_refused(struct player *player) {
    char words[120];
    if (player->agents >= player->agents_max) {
        (void)snprintf(words, sizeof words, "agent cap reached: at most %lld agents in one run",
                       (long long)player->agents_max);
    } else if (player->total >= 0 && player->spent >= player->total) {
        (void)snprintf(words, sizeof words, "budget exhausted: %lld of %lld tokens are spent",
                       (long long)player->spent, (long long)player->total);
    } else {
        return NULL;
    }
    return player__copy(player, words, strlen(words));
}

struct promise *player__agent(struct player *player, const struct scope *scope,
                              const struct node *node, const json_t *x) {
    const struct program_options options = program_options(node);
    struct promise *promise = promise__new(player);
    AUTO(text_done) struct text prompt;
    AUTO(text_done) struct text suffix;
    text_init(&prompt, 1 << 20);
    text_init(&suffix, 100);
    const char *refused = call_refused(player);
    if (refused != NULL) {
        promise__reject(player, promise, refused);
        return promise;
    }
    if (node->looks) {
        text_addf(&suffix, " of %s", player__shape(player, x));
    }
    program_prompt(node, scope->op, suffix.data == NULL ? "" : suffix.data, &prompt);
    player->agents++;
    struct open_call *call = player__alloc(player, sizeof *call);
    const char *const lines[] = {"agent", scope->path, options.canonical, prompt.data};
    *call = (struct open_call){.promise = promise,
                               .label = options.label,
                               .call = {.key = key_of(player, lines),
                                        .prompt = player__copy(player, prompt.data, prompt.len)}};
    if (call_note(player, call)) {
        call_say(player, call, &options, scope->title);
    }
    return promise;
}

/* args in canonical form, and the name. */
static void workflow_members(const struct program_call *what, const struct open_call *call,
                             struct text *text) {
    if (what->has_args) {
        text_addf(text, "\"args\":{\"op\":%lld", (long long)call->op);
        if (call->x != NULL) {
            text_add_str(text, ",\"x\":");
            stringified_add_value(text, call->x);
        }
        text_add_str(text, "},");
    }
    text_add_str(text, what->by_path ? "\"path\":" : "\"name\":");
    stringified_add(text, what->name, strlen(what->name));
}

struct promise *player__workflow(struct player *player, const struct scope *scope,
                                 const struct node *node, const json_t *x) {
    const struct program_call what = program_call(node);
    struct promise *promise = promise__new(player);
    if (scope->path[0] != '\0') {
        promise__reject(player, promise,
                        "workflow() is one level deep: a nested workflow cannot start another");
        return promise;
    }
    struct open_call *call = player__alloc(player, sizeof *call);
    *call = (struct open_call){.promise = promise,
                               .op = scope->op,
                               .call = {.name = player__copy(player, what.name, strlen(what.name)),
                                        .has_args = what.has_args}};
    if (node->looks && what.has_args) {
        call->x = player__keep(player, json_string(player__shape(player, x)));
    }
    AUTO(text_done) struct text members;
    AUTO(text_done) struct text object;
    text_init(&members, 1 << 10);
    text_init(&object, 1 << 10);
    workflow_members(&what, call, &members);
    text_addf(&object, "{%s}", members.data);
    const char *const lines[] = {"workflow", scope->path, object.data, NULL};
    call->call.key = key_of(player, lines);
    if (call_note(player, call)) {
        speech_open(&player->speech);
        text_addf(&player->speech.out, "{\"t\":\"workflow\",\"id\":%lld", (long long)call->call.id);
        speech_member(&player->speech, ",\"k\":", call->call.key);
        text_addf(&player->speech.out, ",\"n\":%lld,%s", (long long)call->call.occurrence,
                  members.data);
        speech_close(&player->speech);
    }
    return promise;
}

struct open_call *player__timer(struct player *player, const struct scope *scope,
                                const struct node *node, const char *kind, struct promise *promise,
                                json_t *late) {
    struct open_call *call = player__alloc(player, sizeof *call);
    char options[64];
    (void)snprintf(options, sizeof options, "{\"ms\":%lld}", (long long)program_delay(node));
    const char *const lines[] = {"timer", scope->path, options, NULL};
    *call = (struct open_call){
        .promise = promise, .is_timer = true, .late = late, .call = {.key = key_of(player, lines)}};
    player->timers++;
    call->recorded = !call_note(player, call);
    if (!call->recorded) {
        speech_open(&player->speech);
        text_addf(&player->speech.out, "{\"t\":\"timer\",\"id\":%lld", (long long)call->call.id);
        speech_member(&player->speech, ",\"k\":", call->call.key);
        text_addf(&player->speech.out, ",\"n\":%lld,\"ms\":%lld,\"kind\":\"%s\"",
                  (long long)call->call.occurrence, (long long)program_delay(node), kind);
        speech_close(&player->speech);
    }
    return call;
}

void player__clear(struct player *player, struct open_call *timer) {
    if (timer->settled || timer->cleared) {
        return;
    }
    timer->cleared = true;
    if (!timer->recorded) {
        speech_open(&player->speech);
        text_add_str(&player->speech.out, "{\"t\":\"clear\"");
        speech_member(&player->speech, ",\"k\":", timer->call.key);
        text_addf(&player->speech.out, ",\"n\":%lld", (long long)timer->call.occurrence);
        speech_close(&player->speech);
    }
}

/* --- Ends ------------------------------------------------------------------------------------- */

static void ends(struct player *player) {
    text_add_char(&player->speech.out, '}');
    speech_send(&player->speech);
    player->state = PLAYER_ENDED;
}

static void ends_failed(struct player *player, const char *code, const char *message) {
    speech_open(&player->speech);
    text_add_str(&player->speech.out, "{\"t\":\"end\",\"ok\":false");
    speech_member(&player->speech, ",\"code\":", code);
    speech_member(&player->speech, ",\"name\":", "Error");
    speech_member(&player->speech, ",\"message\":", message);
    ends(player);
}

static void ends_well(struct player *player, const json_t *result) {
    tell_unanswered(player);
    speech_open(&player->speech);
    text_add_str(&player->speech.out, "{\"t\":\"end\",\"ok\":true");
    if (result != NULL) {
        text_add_str(&player->speech.out, ",\"result\":");
        stringified_add_value(&player->speech.out, result);
    }
    ends(player);
}

static void body_ends(struct player *player) {
    if (player->body->state == PROMISE_FULFILLED) {
        ends_well(player, player->body->value);
    } else {
        ends_failed(player, "script_error", player->body->message);
    }
}

/* --- Outcomes, one by one --------------------------------------------------------------------- */

/* false: it is no program. */
static bool child_begin(struct player *player, const struct open_call *call, const json_t *answer) {
    const json_t *script = json_object_get(answer, "script");
    const struct bytes text = {json_string_value(script), json_string_length(script)};
    struct program_id id;
    if (text.data == NULL || !program_identify(text, &id)) {
        return false;
    }
    struct scope *scope = player__alloc(player, sizeof *scope);
    *scope = (struct scope){
        .program = program_make(id), .path = call->call.name, .op = call->op, .x = call->x};
    player__begin_child(player, scope, call->promise);
    return true;
}

static void settle(struct player *player, struct open_call *call, const json_t *answer) {
    const json_t *spent = json_object_get(answer, "spent");
    const char *kind = json_string_value(json_object_get(answer, "o"));
    call->settled = true;
    player->settled++;
    player->spent = json_is_integer(spent) ? json_integer_value(spent) : player->spent;
    if (player->watch.settled != NULL) {
        player->watch.settled(player->watch.ctx, &call->call, player->settled, answer);
    }
    if (call->is_timer) {
        player->timers--;
        if (!call->cleared) {
            promise__fulfil(player, call->promise, call->late);
        }
        return;
    }
    if (json_is_true(json_object_get(answer, "cut"))) {
        tell_cut(player, call);
    }
    if (kind != NULL && strcmp(kind, "value") == 0) {
        json_t *value = json_object_get(answer, "v");
        promise__fulfil(player, call->promise, value);
    } else if (kind != NULL && strcmp(kind, "null") == 0) {
        promise__fulfil(player, call->promise, json_null());
    } else if (kind != NULL && strcmp(kind, "throw") == 0) {
        promise__reject(player, call->promise,
                        json_string_value(json_object_get(answer, "message")));
    } else if (kind == NULL || strcmp(kind, "script") != 0 || call->call.name == NULL ||
               !child_begin(player, call, answer)) {
        player->state = PLAYER_NONSENSE;
    }
}

static void settle_recorded(struct player *player) {
    struct recorded *recorded = &player->history[player->repeated++];
    char words[100];
    if (recorded->call == NULL) {
        (void)snprintf(words, sizeof words, "the script did not make call %zu of its history again",
                       player->repeated);
        ends_failed(player, "replay_diverged", words);
        return;
    }
    settle(player, recorded->call, recorded->answer);
}

static void settle_taken(struct player *player) {
    const json_t *answer = json_array_get(player->inbox, player->taken++);
    const char *type = json_string_value(json_object_get(answer, "t"));
    int64_t id = json_integer_value(json_object_get(answer, "id"));
    struct open_call *call = player->open;
    while (call != NULL && (call->call.id != id || call->settled)) {
        call = call->next;
    }
    if (type == NULL || strcmp(type, "settle") != 0 || call == NULL) {
        player->state = PLAYER_NONSENSE;
        return;
    }
    settle(player, call, answer);
}

/* As the worker's loop: until it waits for the daemon. */
static void play_on(struct player *player) {
    while (player->state == PLAYER_WAITING) {
        if (player->body->state != PROMISE_PENDING) {
            body_ends(player);
        } else if (player__job(player)) {
            continue;
        } else if (player->repeated < player->history_count) {
            settle_recorded(player);
        } else if (player->taken < json_array_size(player->inbox)) {
            settle_taken(player);
        } else if (player->made == player->settled) {
            ends_failed(player, "never_settles",
                        "the script waits for what cannot come: no call is under way");
        } else {
            player->inbox = NULL;
            player->taken = 0;
            speech_open(&player->speech);
            text_addf(&player->speech.out, "{\"t\":\"quiet\",\"settled\":%lld",
                      (long long)player->settled);
            speech_close(&player->speech);
            speech_send(&player->speech);
            return;
        }
    }
}

/* --- Orders ----------------------------------------------------------------------------------- */

static int64_t number_of(const json_t *object, const char *name, int64_t otherwise) {
    const json_t *number = json_object_get(object, name);
    return json_is_integer(number) ? json_integer_value(number) : otherwise;
}

static void history_take(struct player *player, const json_t *history) {
    player->history_count = json_array_size(history);
    player->history = player__alloc(player, (player->history_count + 1) * sizeof *player->history);
    for (size_t i = 0; i < player->history_count; i++) {
        json_t *answer = json_array_get(history, i);
        player->history[i] =
            (struct recorded){.answer = answer,
                              .key = json_string_value(json_object_get(answer, "k")),
                              .occurrence = json_integer_value(json_object_get(answer, "n"))};
    }
}

static void start(struct player *player, const json_t *order) {
    const json_t *script = json_object_get(order, "script");
    const json_t *limits = json_object_get(order, "limits");
    struct program_id id;
    const struct bytes text = {json_string_value(script), json_string_length(script)};
    if (text.data == NULL || !program_identify(text, &id)) {
        player->state = PLAYER_NONSENSE;
        return;
    }
    player->scope = player__alloc(player, sizeof *player->scope);
    *player->scope = (struct scope){.program = program_make(id),
                                    .path = "",
                                    .op = number_of(json_object_get(order, "args"), "op", 0)};
    player->total = number_of(order, "total", -1);
    player->spent = number_of(order, "spent", 0);
    player->agents_max = number_of(limits, "agents", 1000);
    player->lines_max = number_of(limits, "lines", 10000);
    player->line_bytes = number_of(limits, "line_bytes", 4096);
    history_take(player, json_object_get(order, "history"));
    player->state = PLAYER_WAITING;
    player->body = player__begin(player, player->scope);
}

enum player_state player_take(struct player *player, struct bytes frame) {
    json_t *messages = NULL;
    assert(player->state <= PLAYER_WAITING);
    struct err err = json_parse(frame.data, frame.len, PLAYER_DEPTH_MAX, &messages, NULL);
    if (err_failed(err) || !json_is_array(messages)) {
        json_decref(messages);
        player->state = PLAYER_NONSENSE;
        return player->state;
    }
    (void)player__keep(player, messages);
    if (player->state == PLAYER_WAITING) {
        player->inbox = messages;
        play_on(player);
        return player->state;
    }
    const json_t *order = json_array_get(messages, 0);
    const char *type = json_string_value(json_object_get(order, "t"));
    if (type != NULL && strcmp(type, "check") == 0) {
        ends_well(player, NULL);
    } else if (type != NULL && strcmp(type, "start") == 0) {
        start(player, order);
        play_on(player);
    } else {
        player->state = PLAYER_NONSENSE;
    }
    return player->state;
}

bool player_say(struct player *player, struct text *frame) {
    return speech_take(&player->speech, frame);
}

/* --- Life ------------------------------------------------------------------------------------- */

struct player *player_new(const struct player_watch *watch) {
    struct player *player = mem_new(sizeof *player);
    player->watch = watch == NULL ? (struct player_watch){.called = NULL} : *watch;
    player->kept = json_array();
    player->jobs_end = &player->jobs;
    speech_init(&player->speech);
    return player;
}

void player_free(struct player *player) {
    if (player == NULL) {
        return;
    }
    for (struct block *block = player->blocks; block != NULL;) {
        struct block *next = block->next;
        mem_free(block);
        block = next;
    }
    json_decref(player->kept);
    speech_done(&player->speech);
    mem_free(player);
}

int64_t player_op(const struct player *player) {
    return player->scope == NULL ? 0 : player->scope->op;
}

int64_t player_spent(const struct player *player) {
    return player->spent;
}

int64_t player_unplayed(const struct player *player) {
    return (int64_t)(player->history_count - player->repeated);
}
