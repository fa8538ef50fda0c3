/* answer.c: what every provider's answer has in common. */
#include "model/wire/answer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

void answer_init(struct answer *answer, const struct model_watch *watch, void *ctx, uint64_t salt) {
    *answer = (struct answer){
        .watch = watch, .ctx = ctx, .salt = salt, .signature = text_up_to(ANSWER_SIGNATURE_MAX)};
}

void answer_done(struct answer *answer) {
    for (size_t i = 0; i < answer->call_count; i++) {
        mem_free(answer->calls[i].id);
        mem_free(answer->calls[i].name);
        text_done(&answer->calls[i].arguments);
        text_done(&answer->calls[i].extra);
    }
    mem_free(answer->calls);
    answer->calls = NULL;
    answer->call_count = 0;
    text_done(&answer->signature);
}

void answer_clear(struct answer *answer) {
    answer_done(answer);
    bool muted = answer->muted;
    answer_init(answer, answer->watch, answer->ctx, answer->salt);
    answer->muted = muted;
}

void answer_fail(struct answer *answer, enum model_cause cause, const char *format, ...) {
    if (answer->failure.cause != MODEL_NONE) {
        return;
    }
    va_list args;
    va_start(args, format);
    model_failure_vset(&answer->failure, cause, format, args);
    va_end(args);
}

static void fail_large(struct answer *answer, const char *what, size_t max) {
    answer_fail(answer, MODEL_TOO_LARGE, "the answer's %s has more than %zu bytes", what, max);
}

/* --- Text and thinking ------------------------------------------------------------------------ */

/* Whether a piece is to be delivered: there is one, nothing has failed, and it fits. */
static bool piece_fits(struct answer *answer, struct bytes piece) {
    size_t room = ANSWER_TEXT_MAX - answer->text_len - answer->thinking_len;
    if (answer_goes_on(answer) && piece.len > room) {
        fail_large(answer, "text", ANSWER_TEXT_MAX);
    }
    return answer_goes_on(answer) && piece.len > 0;
}

void answer_text(struct answer *answer, struct bytes piece) {
    if (piece.len > 0) {
        answer_thinking_done(answer);
    }
    if (!piece_fits(answer, piece)) {
        return;
    }
    answer->text_len += piece.len;
    markup_tail_add(&answer->tail, piece);
    answer->begun = true;
    if (answer->watch->text != NULL) {
        answer->watch->text(answer->ctx, piece);
    }
}

void answer_thinking(struct answer *answer, struct bytes piece) {
    if (!piece_fits(answer, piece)) {
        return;
    }
    answer->thinking_len += piece.len;
    answer->begun = answer->thinking = true;
    if (answer->watch->thinking != NULL) {
        answer->watch->thinking(answer->ctx, piece);
    }
}

void answer_signature(struct answer *answer, struct bytes piece) {
    text_add(&answer->signature, piece.data, piece.len);
    if (text_failed(&answer->signature)) {
        fail_large(answer, "signature", ANSWER_SIGNATURE_MAX);
    }
}

void answer_thinking_done(struct answer *answer) {
    if (!answer_goes_on(answer) || (!answer->thinking && answer->signature.len == 0)) {
        return;
    }
    answer->thinking = false;
    answer->begun = true;
    size_t len = 0;
    AUTO(mem_release) char *signature = text_take(&answer->signature, &len);
    if (answer->watch->thinking_done != NULL) {
        answer->watch->thinking_done(answer->ctx, (struct bytes){signature, len});
    }
}

void answer_search(struct answer *answer, const struct model_search *search) {
    if (answer_goes_on(answer) && answer->search_count < ANSWER_SEARCHES_MAX) {
        answer->search_count++;
        answer->begun = true;
        if (answer->watch->searched != NULL) {
            answer->watch->searched(answer->ctx, search);
        }
    }
}

/* --- Calls ------------------------------------------------------------------------------------ */

struct answer_call *answer_call_find(const struct answer *answer, int64_t key) {
    for (size_t i = answer->call_count; i > 0; i--) {
        if (answer->calls[i - 1].key == key) {
            return &answer->calls[i - 1];
        }
    }
    return NULL;
}

static struct model_tool_call call_shown(const struct answer *answer,
                                         const struct answer_call *call) {
    return (struct model_tool_call){
        .index = (unsigned)(call - answer->calls),
        .id = bytes_of(call->id),
        .name = bytes_of(call->name),
        .arguments = text_bytes(&call->arguments),
        .extra = text_bytes(&call->extra),
    };
}

/* The name is known now: announces the call, and sends what came before the name. */
static void call_announce(struct answer *answer, struct answer_call *call) {
    call->told = answer->begun = true;
    if (call->id == NULL) {
        /* A server that gives no id gets one of ours: the call's result has to name it. */
        char id[48];
        int len = snprintf(id, sizeof id, "call_%016" PRIx64 "_%u", answer->salt,
                           (unsigned)(call - answer->calls));
        call->id = mem_copy(id, (size_t)len);
    }
    struct model_tool_call begun = call_shown(answer, call);
    struct bytes early = begun.arguments;
    begun.arguments = BYTES("");
    if (answer->watch->tool_begin != NULL) {
        answer->watch->tool_begin(answer->ctx, &begun);
    }
    if (answer_goes_on(answer) && early.len > 0 && answer->watch->tool_piece != NULL) {
        answer->watch->tool_piece(answer->ctx, begun.index, early);
    }
}

/* Two calls with one id would be one in the next request: the later one gets an id of ours. */
static bool id_is_taken(const struct answer *answer, struct bytes id) {
    for (size_t i = 0; i < answer->call_count; i++) {
        if (answer->calls[i].id != NULL && bytes_is(id, answer->calls[i].id)) {
            return true;
        }
    }
    return false;
}

void answer_call(struct answer *answer, int64_t key, struct bytes id, struct bytes name) {
    answer_thinking_done(answer);
    if (!answer_goes_on(answer)) {
        return;
    }
    struct answer_call *call = answer_call_find(answer, key);
    if (id.len > ANSWER_ID_MAX || name.len > ANSWER_ID_MAX) {
        answer_fail(answer, MODEL_BAD_RESPONSE, "a tool call's id or name is longer than %d bytes",
                    ANSWER_ID_MAX);
        return;
    }
    if (call == NULL && answer->call_count == ANSWER_CALLS_MAX) {
        answer_fail(answer, MODEL_TOO_LARGE, "the answer calls more than %d tools",
                    ANSWER_CALLS_MAX);
        return;
    }
    if (call == NULL) {
        answer->calls = mem_grow(answer->calls, (answer->call_count + 1) * sizeof *answer->calls);
        call = &answer->calls[answer->call_count++];
        *call = (struct answer_call){.key = key,
                                     .arguments = text_up_to(ANSWER_ARGUMENTS_MAX),
                                     .extra = text_up_to(ANSWER_EXTRA_MAX)};
    }
    if (call->id == NULL && id.len > 0 && !call->told && !id_is_taken(answer, id)) {
        call->id = mem_copy(id.data, id.len);
    }
    if (call->name == NULL && name.len > 0) {
        call->name = mem_copy(name.data, name.len);
        call_announce(answer, call);
    }
}

void answer_call_piece(struct answer *answer, int64_t key, struct bytes piece) {
    struct answer_call *call = answer_call_find(answer, key);
    if (!answer_goes_on(answer) || call == NULL || piece.len == 0) {
        return;
    }
    if (piece.len > ANSWER_ARGUMENTS_MAX - answer->arguments_len) {
        fail_large(answer, "tool calls", ANSWER_ARGUMENTS_MAX);
        return;
    }
    answer->arguments_len += piece.len;
    text_add(&call->arguments, piece.data, piece.len);
    if (call->told && answer->watch->tool_piece != NULL) {
        answer->watch->tool_piece(answer->ctx, (unsigned)(call - answer->calls), piece);
    }
}

void answer_call_extra(struct answer *answer, int64_t key, const json_t *extra) {
    struct answer_call *call = answer_call_find(answer, key);
    if (call == NULL || !json_is_object(extra)) {
        return;
    }
    text_clear(&call->extra);
    if (err_failed(json_write(extra, &call->extra))) {
        fail_large(answer, "extra content of a tool call", ANSWER_EXTRA_MAX);
    }
}

static void call_over(struct answer *answer, struct answer_call *call) {
    if (call->over || !answer_goes_on(answer)) {
        return;
    }
    call->over = true;
    if (call->name == NULL) {
        answer_fail(answer, MODEL_BAD_RESPONSE, "a tool call has no name");
        return;
    }
    if (call->arguments.len == 0) {
        text_add_str(&call->arguments, "{}");
    }
    struct model_tool_call whole = call_shown(answer, call);
    if (answer->watch->tool_done != NULL) {
        answer->watch->tool_done(answer->ctx, &whole);
    }
}

void answer_call_done(struct answer *answer, int64_t key) {
    struct answer_call *call = answer_call_find(answer, key);
    if (call != NULL) {
        call_over(answer, call);
    }
}

void answer_call_cut(struct answer *answer, int64_t key) {
    struct answer_call *call = answer_call_find(answer, key);
    if (call != NULL) {
        call->cut = true;
    }
}

/* --- The end ---------------------------------------------------------------------------------- */

void answer_stop(struct answer *answer, enum model_stop stop) {
    answer->stopped = true;
    answer->stop = stop;
}

/* Where the length ended it, the last call may be half of one, which nobody must run. Where the
 * provider does not say which call it cut, an object is whole, even if more would have followed. */
static bool call_is_cut(const struct answer *answer, const struct answer_call *call) {
    AUTO(json_release) json_t *json = NULL;
    if (call->over || call->cut || answer->stop != MODEL_STOP_LENGTH) {
        return !call->over && call->cut;
    }
    /* Half of a number is JSON as well: only an object shows its end. */
    return call->arguments.len == 0 ||
           err_failed(json_parse(call->arguments.data, call->arguments.len, JSON_DEPTH_MAX, &json,
                                 /* why */ NULL)) ||
           !json_is_object(json);
}

void answer_end(struct answer *answer) {
    if (!answer_goes_on(answer)) {
        return;
    }
    if (!answer->stopped) {
        answer_fail(answer, MODEL_STREAM_BROKEN, "the answer ended without its final marker");
        return;
    }
    answer_thinking_done(answer);
    if (answer->stop == MODEL_STOP_REFUSED) {
        answer_fail(answer, MODEL_REFUSED, "%s", model_cause_text(MODEL_REFUSED));
    }
    if (markup_tail_is_call(&answer->tail)) {
        answer_fail(answer, MODEL_BAD_RESPONSE,
                    "the model called a tool, and its server delivered the call as text");
    }
    for (size_t i = 0; i < answer->call_count && answer_goes_on(answer); i++) {
        struct answer_call *call = &answer->calls[i];
        if (!call_is_cut(answer, call)) {
            call_over(answer, call);
            continue;
        }
        /* Whatever reason the provider gives for its end, an answer with half a call has come to
         * its longest length. A call without a name was never announced. */
        call->over = true;
        answer->stop = MODEL_STOP_LENGTH;
        if (call->told && answer->watch->tool_cut != NULL) {
            struct model_tool_call cut = call_shown(answer, call);
            answer->watch->tool_cut(answer->ctx, &cut);
        }
    }
    if (answer_goes_on(answer) && answer->text_len == 0 && answer->call_count == 0 &&
        (answer->stop != MODEL_STOP_PAUSE || !answer->begun)) {
        answer_fail(answer, MODEL_EMPTY_RESPONSE, "%s",
                    answer->stop == MODEL_STOP_LENGTH
                        ? "the answer reached its longest length before it said anything"
                        : model_cause_text(MODEL_EMPTY_RESPONSE));
    } else if (answer->call_count > 0 && answer->stop == MODEL_STOP_END) {
        answer->stop = MODEL_STOP_TOOLS; /* Some say "stop" all the same. */
    }
}

size_t answer_size(const struct answer *answer) {
    return answer->text_len + answer->thinking_len + answer->arguments_len;
}
