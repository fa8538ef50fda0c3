/* turns_kit.h: sessions and turns for tests: what the dispatcher would do, by hand. */
#ifndef DROVER_TEST_TURNS_KIT_H
#define DROVER_TEST_TURNS_KIT_H

#include "runs_kit.h"

#include "engine/approval/approvals.h"
#include "engine/session/messages.h"
#include "engine/session/sessions.h"
#include "engine/turn/turns.h"

struct turns_kit {
    struct runs_kit *runs;
    struct turn_plan plan; /* Of the last step. */
    char session[ID_SIZE];
};

static inline struct id turns_id(struct runs_kit *runs, const char *prefix) {
    struct id id = runs_id(runs);
    char text[ID_SIZE];
    (void)snprintf(text, sizeof text, "%s%s", prefix, id.text + 3);
    memcpy(id.text, text, sizeof text);
    return id;
}

/* --- Sessions --------------------------------------------------------------------------------- */

struct turns_create {
    struct session_new what;
    char session[ID_SIZE];
};

static inline struct err turns_create_tx(struct tx *tx, void *ctx) {
    struct turns_create *create = ctx;
    struct session_row row;
    struct err err = tx_session_create(tx, &create->what, &row);
    if (!err_failed(err)) {
        runs_copy_text(row.session, create->session, sizeof create->session);
    }
    return err;
}

static inline int turns_begin(void **state) {
    int rc = runs_begin(state);
    struct turns_kit *kit = mem_new(sizeof *kit);
    kit->runs = *state;
    turn_plan_init(&kit->plan);
    struct turns_create create = {.what = {.session = turns_id(kit->runs, "ses"),
                                           .owner = BYTES("ann"),
                                           .parent = BYTES("")}};
    kit_check((struct err){.code = runs_do(kit->runs, turns_create_tx, &create), .step = "create"});
    memcpy(kit->session, create.session, sizeof kit->session);
    *state = kit;
    return rc;
}

static inline int turns_end(void **state) {
    struct turns_kit *kit = *state;
    void *runs = kit->runs;
    turn_plan_done(&kit->plan);
    mem_free(kit);
    return runs_end(&runs);
}

/* --- Messages --------------------------------------------------------------------------------- */

struct turns_say {
    struct turn_message what;
    char run[ID_SIZE], message[ID_SIZE], state[16], undone[512], why[200];
    enum turn_decision decision;
    bool repeated;
};

static inline struct err turns_say_tx(struct tx *tx, void *ctx) {
    struct turns_say *say = ctx;
    struct turn_accepted accepted;
    struct why why = {.text = ""};
    struct err err = tx_turn_submit(tx, &say->what, &accepted, &why);
    if (!err_failed(err) || err.code == ERR_TURN_IN_PROGRESS) {
        const char *name = run_state_name(accepted.run.state);
        runs_copy_text(accepted.run.run, say->run, sizeof say->run);
        runs_copy_text(accepted.message, say->message, sizeof say->message);
        runs_copy_text((struct bytes){name, strlen(name)}, say->state, sizeof say->state);
        runs_copy_text(accepted.undone, say->undone, sizeof say->undone);
        say->decision = accepted.decision;
        say->repeated = accepted.repeated;
    }
    (void)snprintf(say->why, sizeof say->why, "%s", why.text);
    return err;
}

static inline struct turns_say turns_saying(struct turns_kit *kit, const char *text) {
    return (struct turns_say){
        .what = {.session = {.owner = BYTES("ann"), .session = kit_bytes(kit->session)},
                 .client = BYTES(""),
                 .text = kit_bytes(text),
                 .model = BYTES(""),
                 .model_default = BYTES("scripted/test"),
                 .policy = TURN_ENQUEUE,
                 .run = turns_id(kit->runs, "run"),
                 .message = turns_id(kit->runs, "msg"),
                 .answer = turns_id(kit->runs, "msg"),
                 .bounds = kit->runs->bounds}};
}

static inline struct turns_say turns_say(struct turns_kit *kit, const char *text,
                                         enum turn_policy policy) {
    struct turns_say say = turns_saying(kit, text);
    say.what.policy = policy;
    assert_int_equal(runs_do(kit->runs, turns_say_tx, &say), ERR_NONE);
    return say;
}

/* --- Steps ------------------------------------------------------------------------------------ */

struct turns_step {
    struct turns_kit *kit;
    struct turn_key key;
    struct turn_answer answer;
    struct turn_card_result card;
};

static inline struct turn_key turns_key(struct turns_kit *kit, const char *run) {
    return (struct turn_key){.run = kit_bytes(run), .attempt = 1, .bounds = kit->runs->bounds};
}

static inline struct err turns_begin_tx(struct tx *tx, void *ctx) {
    struct turns_step *step = ctx;
    return tx_turn_begin(tx, &step->key, &step->kit->plan);
}

static inline enum turn_next turns_plan(struct turns_kit *kit, const char *run) {
    struct turns_step step = {.kit = kit, .key = turns_key(kit, run)};
    assert_int_equal(runs_do(kit->runs, turns_begin_tx, &step), ERR_NONE);
    return kit->plan.next;
}

static inline struct err turns_answer_tx(struct tx *tx, void *ctx) {
    struct turns_step *step = ctx;
    return tx_turn_answer(tx, &step->answer, &step->kit->plan);
}

/* The model's call that is out comes back with these items. */
static inline struct turn_answer turns_answering(struct turns_kit *kit, const char *run,
                                                 const struct turn_item *items, size_t count) {
    return (struct turn_answer){.key = turns_key(kit, run),
                                .step = kit->plan.step,
                                .items = items,
                                .item_count = count,
                                .usage = {.fresh = 10, .output = 5},
                                .cost = {.known = true, .micros = 7},
                                .tries = 1,
                                .sentence = BYTES("")};
}

static inline enum turn_next turns_answer_with(struct turns_kit *kit,
                                               const struct turn_answer *answer) {
    struct turns_step step = {.kit = kit, .answer = *answer};
    assert_int_equal(runs_do(kit->runs, turns_answer_tx, &step), ERR_NONE);
    return kit->plan.next;
}

static inline enum turn_next turns_answer(struct turns_kit *kit, const char *run,
                                          const char *text) {
    const struct turn_item item = {.kind = TURN_ITEM_TEXT, .text = kit_bytes(text)};
    struct turn_answer answer = turns_answering(kit, run, &item, 1);
    return turns_answer_with(kit, &answer);
}

static inline struct turn_item turns_call(const char *id, const char *tool,
                                          enum turn_verdict verdict, bool repeatable) {
    return (struct turn_item){.kind = TURN_ITEM_CALL,
                              .call = {.id = kit_bytes(id),
                                       .name = kit_bytes(tool),
                                       .arguments = BYTES("{\"path\":\"a\"}"),
                                       .digest = kit_bytes(id),
                                       .about = BYTES(""),
                                       .refusal = BYTES("no such tool"),
                                       .verdict = verdict,
                                       .cause = CARD_TOOL_UNKNOWN,
                                       .repeatable = repeatable}};
}

static inline enum turn_next turns_answer_calls(struct turns_kit *kit, const char *run,
                                                const struct turn_item *items, size_t count) {
    struct turn_answer answer = turns_answering(kit, run, items, count);
    return turns_answer_with(kit, &answer);
}

static inline struct err turns_card_tx(struct tx *tx, void *ctx) {
    struct turns_step *step = ctx;
    return tx_turn_card_end(tx, &step->card, &step->kit->plan);
}

static inline enum turn_next turns_card(struct turns_kit *kit, const char *run, int64_t part,
                                        enum card_cause end) {
    struct turns_step step = {
        .kit = kit,
        .card = {.key = turns_key(kit, run), .part = part, .cause = end, .result = BYTES("done")}};
    assert_int_equal(runs_do(kit->runs, turns_card_tx, &step), ERR_NONE);
    return kit->plan.next;
}

/* The call that is out waits until then, or is made again (0). */
struct turns_provider {
    const char *run;
    int64_t step;
    struct provider_wait wait;
};

static inline struct err turns_provider_tx(struct tx *tx, void *ctx) {
    const struct turns_provider *what = ctx;
    return tx_turn_provider(tx, kit_bytes(what->run), what->step, &what->wait);
}

static inline void turns_provider(struct turns_kit *kit, const char *run, int64_t resume_at_ms) {
    struct turns_provider what = {
        .run = run,
        .step = kit->plan.step,
        .wait = {.resume_at_ms = resume_at_ms, .cause = CAUSE_RATE_LIMITED}};
    assert_int_equal(runs_do(kit->runs, turns_provider_tx, &what), ERR_NONE);
}

/* --- Looking on ------------------------------------------------------------------------------- */

/* The prompt: "user: hello|assistant: hi|call: x {…}|result: done|". */
struct turns_prompt {
    struct turn_key key;
    char text[8192];
    size_t len;
};

static inline struct err turns_prompt_part(void *ctx, const struct prompt_part *part) {
    static const char *const roles[] = {"user", "assistant", "tool"};
    static const char *const kinds[] = {"", "~", "!", "=", "#"};
    struct turns_prompt *prompt = ctx;
    int len =
        snprintf(prompt->text + prompt->len, sizeof prompt->text - prompt->len,
                 "%s%s%s %.*s%s%.*s|", part->opens ? "/" : "", roles[part->role], kinds[part->kind],
                 (int)part->name.len, part->name.len > 0 ? part->name.data : "",
                 part->name.len > 0 ? ":" : "", (int)part->text.len, part->text.data);
    prompt->len += (size_t)len;
    assert_true(prompt->len < sizeof prompt->text);
    return ERR_OK;
}

static inline struct err turns_prompt_tx(struct tx *tx, void *ctx) {
    struct turns_prompt *prompt = ctx;
    prompt->len = 0;
    prompt->text[0] = '\0';
    return tx_prompt_each(tx, &prompt->key, turns_prompt_part, prompt);
}

static inline struct turns_prompt turns_prompt(struct turns_kit *kit, const char *run) {
    struct turns_prompt prompt = {.key = turns_key(kit, run)};
    kit_check((struct err){.code = runs_do(kit->runs, turns_prompt_tx, &prompt), .step = "prompt"});
    return prompt;
}

/* A column of one row, by SQL. */
struct turns_ask {
    const char *sql;
    char text[4096];
};

static inline struct err turns_ask_tx(struct tx *tx, void *ctx) {
    struct turns_ask *ask = ctx;
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, ask->sql, NULL, 0, &rows);
    ask->text[0] = '\0';
    if (!err_failed(err) && rows != NULL) {
        runs_copy_text(rows_text(rows, 0), ask->text, sizeof ask->text);
    }
    return err;
}

#define turns_text(kit, query) turns_text_of((kit), (struct turns_ask){.sql = (query)})
static inline struct turns_ask turns_text_of(struct turns_kit *kit, struct turns_ask ask) {
    kit_check((struct err){.code = runs_do(kit->runs, turns_ask_tx, &ask), .step = "ask"});
    return ask;
}

static inline void turns_assert_state(struct turns_kit *kit, const char *run, enum run_state state,
                                      enum run_cause cause) {
    struct runs_row row = runs_get(kit->runs, run);
    assert_string_equal(run_state_name(row.row.state), run_state_name(state));
    assert_string_equal(run_cause_name(row.row.cause), run_cause_name(cause));
}

/* --- Somebody is asked ------------------------------------------------------------------------ */

static inline struct err turns_approve_tx(struct tx *tx, void *ctx) {
    const struct approval_answer *answer = ctx;
    struct approval_row row;
    struct why why = {.text = ""};
    return tx_approval_answer(tx, answer, &row, &why);
}

/* Of the first one there ever was. */
static inline enum err_code turns_approve(struct turns_kit *kit, enum approval_verb verb,
                                          const char *text) {
    struct turns_ask id = turns_text(kit, "SELECT approval FROM approvals");
    struct approval_answer what = {.key = {.owner = BYTES("ann"), .approval = kit_bytes(id.text)},
                                   .verb = verb,
                                   .text = kit_bytes(text),
                                   .by = BYTES("bob")};
    return runs_do(kit->runs, turns_approve_tx, &what);
}

/* A turn that asks whether it may write. */
static inline struct turns_say turns_asked(struct turns_kit *kit) {
    struct turns_say say = turns_say(kit, "go", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    const struct turn_item item = turns_call("a", "write_file", TURN_ASK, false);
    assert_int_equal(turns_answer_calls(kit, say.run, &item, 1), TURN_NEXT_PARK);
    turns_assert_state(kit, say.run, RUN_WAITING, CAUSE_NONE);
    return say;
}

#endif
