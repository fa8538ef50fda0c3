/* model_kit.h: models over the real client, a provider of the test's own, and calls with all that
 * was told of them, written as one line of text so that a test can compare it at a glance:
 *
 *   t(…) text   k(…) thinking   s(…) its signature   <0 id name> call begins   a0(…) arguments
 *   <0/ id name {…}> call done   <0! {…> call cut off   D discarded   R(cause) retrying
 *
 * By --wrap of retry_again the waits between tries are counted and skipped, or never end.
 */
#ifndef DROVER_TEST_MODEL_KIT_H
#define DROVER_TEST_MODEL_KIT_H

#include "base/json/json.h"
#include "http_server.h"
#include "loop/fetch.h"
#include "model/failure.h"
#include "model/model.h"

enum kit_end { KIT_KEEP, KIT_CLOSE, KIT_RESET };

struct kit {
    struct world world;
    int64_t clock_ms;
    uint64_t ahead_ns; /* Of the real monotonic clock. */
    struct loop *loop;
    struct fetch *client;
    struct models *models;
    struct server server;
    /* Said to each request: the first `cut` bytes (0: all) of `answer`, `step` at a time (0: at
     * once); `answers` before it, one for each request, until one is NULL. */
    const char *answer, *answers[8];
    size_t cut, step;
    enum kit_end then, then_early; /* Behind `answer`, and behind each of `answers`. */
    struct served *asked;
    struct text request; /* The last one. */
    uint64_t waited_ms;  /* All waits that were skipped. */
    bool frozen;         /* Waits are not skipped: they end after the test. */
    bool flag;
};
static struct kit *current;

struct ask {
    struct kit *kit;
    struct asking *asking;
    struct text told, said; /* said: the text alone. */
    unsigned dones;
    struct model_result result;
    struct model_failure retried; /* The last cause of a retry. */
    bool cancel_at_text, cancel_at_call, cancel_at_resumed;
    unsigned resumed; /* Ends of waits. */
};

bool __real_retry_again(const struct retry_try *attempt, uint64_t *ret_wait_ms);
bool __wrap_retry_again(const struct retry_try *attempt, uint64_t *ret_wait_ms);

bool __wrap_retry_again(const struct retry_try *attempt, uint64_t *ret_wait_ms) {
    if (!__real_retry_again(attempt, ret_wait_ms)) {
        return false;
    }
    current->waited_ms += *ret_wait_ms;
    *ret_wait_ms = current->frozen ? 10000 : 0;
    return true;
}

static inline int64_t kit_wall_ms(void *ctx) {
    return ((struct kit *)ctx)->clock_ms;
}

static inline uint64_t kit_mono_ns(void *ctx) {
    return world_mono_ns(world_real()) + ((struct kit *)ctx)->ahead_ns;
}

static inline void kit_random(void *ctx, void *bytes, size_t len) {
    memset(bytes, 0, len); /* No jitter; ids of calls are the same. */
}

static inline struct err kit_file_read(void *ctx, const char *path, size_t size_max,
                                       char **ret_content, size_t *ret_len) {
    const struct world *real = world_real();
    return real->file_read(real->ctx, path, size_max, ret_content, ret_len);
}

static inline void kit_serve(struct server *server, struct served *served) {
    struct kit *kit = server->ctx;
    text_clear(&kit->request);
    text_add(&kit->request, served->request.data, served->request.len);
    kit->asked = served;
    size_t at = server->requests - 1;
    const char *answer =
        at < COUNT_OF(kit->answers) && kit->answers[at] != NULL ? kit->answers[at] : kit->answer;
    if (answer == NULL) {
        return;
    }
    bool last = answer == kit->answer;
    size_t len = last && kit->cut > 0 ? kit->cut : strlen(answer);
    size_t step = kit->step > 0 ? kit->step : len;
    for (size_t sent = 0; sent < len; sent += step) {
        served_send(served, answer + sent, sent + step < len ? step : len - sent);
        if (kit->step > 0) {
            server_turn(kit->loop);
        }
    }
    enum kit_end then = last ? kit->then : kit->then_early;
    if (then == KIT_CLOSE) {
        served_close(served);
    } else if (then == KIT_RESET) {
        served_reset(served);
    }
}

static inline void kit_connect(struct kit *kit, struct model_connection connection) {
    char url[80];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/v1", kit->server.port);
    connection.name = connection.name != NULL ? connection.name : "test";
    connection.base_url = connection.base_url != NULL ? connection.base_url : url;
    struct why why = {""};
    if (err_failed(models_connection_set(kit->models, &connection, &why))) {
        fail_msg("%s", why.text);
    }
}

static inline void kit_open_models(struct kit *kit, struct models_options with) {
    with.loop = kit->loop;
    with.client = kit->client;
    struct why why = {""};
    if (err_failed(models_open(&with, &kit->models, &why))) {
        fail_msg("%s", why.text);
    }
}

static inline struct kit *kit_open(void) {
    struct kit *kit = mem_new(sizeof *kit);
    current = kit;
    kit->world = *world_real();
    kit->world.ctx = kit;
    kit->world.wall_ms = kit_wall_ms;
    kit->world.mono_ns = kit_mono_ns;
    kit->world.random = kit_random;
    kit->world.file_read = kit_file_read;
    kit->clock_ms = INT64_C(1700000000000);
    assert_false(err_failed(loop_open(&(struct loop_options){.world = &kit->world}, &kit->loop)));
    fetch_open(&(struct fetch_options){.loop = kit->loop}, &kit->client);
    text_init(&kit->request, SERVED_BYTES_MAX);
    server_open(&kit->server, kit->loop, kit_serve, kit);
    kit->then = kit->then_early = KIT_CLOSE;
    return kit;
}

/* The test's server knows so many connections: for tests with more, a new one. */
static inline void kit_renew(struct kit *kit) {
    server_close(&kit->server);
    server_open(&kit->server, kit->loop, kit_serve, kit);
}

static inline void kit_flag(void *ctx) {
    ((struct kit *)ctx)->flag = true;
}

static inline void kit_close_models(struct kit *kit) {
    kit->flag = false;
    models_close(kit->models, kit_flag, kit);
    assert_false(kit->flag);
    while (!kit->flag) {
        server_turn(kit->loop);
    }
}

static inline void kit_close(struct kit *kit) {
    kit_close_models(kit);
    kit->flag = false;
    fetch_close(kit->client, kit_flag, kit);
    while (!kit->flag) {
        server_turn(kit->loop);
    }
    server_close(&kit->server);
    loop_close(kit->loop);
    text_done(&kit->request);
    mem_free(kit);
}

/* --- A call ----------------------------------------------------------------------------------- */

static inline void ask_text(void *ctx, struct bytes piece) {
    struct ask *ask = ctx;
    text_addf(&ask->told, "t(%.*s)", (int)piece.len, piece.data);
    text_add(&ask->said, piece.data, piece.len);
    if (ask->cancel_at_text) {
        model_cancel(ask->asking);
    }
}

static inline void ask_thinking(void *ctx, struct bytes piece) {
    text_addf(&((struct ask *)ctx)->told, "k(%.*s)", (int)piece.len, piece.data);
}

static inline void ask_thinking_done(void *ctx, struct bytes signature) {
    text_addf(&((struct ask *)ctx)->told, "s(%.*s)", (int)signature.len, signature.data);
}

static inline void ask_tool_begin(void *ctx, const struct model_tool_call *call) {
    struct ask *ask = ctx;
    text_addf(&ask->told, "<%u %.*s %.*s>", call->index, (int)call->id.len, call->id.data,
              (int)call->name.len, call->name.data);
    assert_int_equal(call->arguments.len, 0);
    if (ask->cancel_at_call) {
        model_cancel(ask->asking);
    }
}

static inline void ask_tool_piece(void *ctx, unsigned index, struct bytes piece) {
    text_addf(&((struct ask *)ctx)->told, "a%u(%.*s)", index, (int)piece.len, piece.data);
}

static inline void ask_tool_done(void *ctx, const struct model_tool_call *call) {
    text_addf(&((struct ask *)ctx)->told, "<%u/ %.*s %.*s %.*s>", call->index, (int)call->id.len,
              call->id.data, (int)call->name.len, call->name.data, (int)call->arguments.len,
              call->arguments.data);
}

static inline void ask_tool_cut(void *ctx, const struct model_tool_call *call) {
    text_addf(&((struct ask *)ctx)->told, "<%u! %.*s>", call->index, (int)call->arguments.len,
              call->arguments.data);
}

static inline void ask_discarded(void *ctx) {
    struct ask *ask = ctx;
    text_add_str(&ask->told, "D");
    text_clear(&ask->said);
}

static inline void ask_retrying(void *ctx, const struct model_failure *failure, uint64_t wait_ms) {
    struct ask *ask = ctx;
    ask->retried = *failure;
    text_addf(&ask->told, "R(%s)", model_cause_name(failure->cause));
}

static inline void ask_resumed(void *ctx) {
    struct ask *ask = ctx;
    ask->resumed++;
    if (ask->cancel_at_resumed) {
        model_cancel(ask->asking);
    }
}

static inline void ask_done(void *ctx, const struct model_result *result) {
    struct ask *ask = ctx;
    ask->dones++;
    ask->result = *result;
    model_cancel(ask->asking); /* Over already: nothing happens. */
}

static const struct model_watch ask_watch = {.text = ask_text,
                                             .thinking = ask_thinking,
                                             .thinking_done = ask_thinking_done,
                                             .tool_begin = ask_tool_begin,
                                             .tool_piece = ask_tool_piece,
                                             .tool_done = ask_tool_done,
                                             .tool_cut = ask_tool_cut,
                                             .discarded = ask_discarded,
                                             .retrying = ask_retrying,
                                             .resumed = ask_resumed,
                                             .done = ask_done};

static inline struct bytes kit_bytes(const char *text) {
    return (struct bytes){text, strlen(text)};
}

static inline struct model_request *kit_request(const char *model, const char *words) {
    struct model_request *request = model_request_new(kit_bytes(model));
    model_request_add_message(request, MODEL_USER);
    model_request_add_text(request, kit_bytes(words));
    return request;
}

static inline void ask_begin_with(struct ask *ask, struct kit *kit, struct model_request *request) {
    *ask = (struct ask){.kit = kit,
                        .cancel_at_text = ask->cancel_at_text,
                        .cancel_at_call = ask->cancel_at_call,
                        .cancel_at_resumed = ask->cancel_at_resumed};
    text_init(&ask->told, 8 << 20);
    text_init(&ask->said, 8 << 20);
    text_add_str(&ask->told, "");
    text_add_str(&ask->said, "");
    ask->asking = model_ask(kit->models, request, MODEL_FOREGROUND, &ask_watch, ask);
    assert_int_equal(ask->dones, 0);
}

static inline void ask_begin(struct ask *ask, struct kit *kit, const char *model,
                             const char *words) {
    ask_begin_with(ask, kit, kit_request(model, words));
}

static inline void ask_finish(struct ask *ask) {
    while (ask->dones == 0) {
        server_turn(ask->kit->loop);
    }
    assert_int_equal(ask->dones, 1);
}

static inline void ask_end(struct ask *ask) {
    text_done(&ask->told);
    text_done(&ask->said);
}

static inline void ask_cause(const struct ask *ask, enum model_cause cause) {
    if (ask->result.failure.cause != cause) {
        fail_msg("%s (%s), not %s", model_cause_name(ask->result.failure.cause),
                 ask->result.failure.detail, model_cause_name(cause));
    }
}

/* Asks once, and compares what was told and why it failed. */
static inline void ask_expect(struct kit *kit, const char *model, const char *words,
                              const char *told, enum model_cause cause) {
    struct ask ask = {.kit = kit};
    ask_begin(&ask, kit, model, words);
    ask_finish(&ask);
    ask_cause(&ask, cause);
    assert_string_equal(ask.told.data, told);
    ask_end(&ask);
}

#define KIT_STREAM "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"

#endif
