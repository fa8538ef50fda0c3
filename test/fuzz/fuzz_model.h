/* fuzz_model.h: any bytes as a provider's stream. However they are cut, the same is told; text is
 * UTF-8; a call is told begin, pieces, done, and its pieces are its arguments; a success said that
 * it was the end, and holds something. WIRE is one of the wires.
 */
#ifndef DROVER_FUZZ_MODEL_H
#define DROVER_FUZZ_MODEL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "model/wire/wire.h"

static void require(bool holds) {
    if (!holds) {
        abort();
    }
}

struct told {
    struct text all;
    struct text arguments[ANSWER_CALLS_MAX];
    unsigned begun, done;
};

static void tell(struct told *told, char what, struct bytes piece) {
    require(utf8_valid(piece.data, piece.len));
    if (told->all.len == 0 || told->all.data[0] != what) {
        text_add_char(&told->all, what);
    }
    text_add(&told->all, piece.data, piece.len);
}

static void on_text(void *ctx, struct bytes piece) {
    tell(ctx, 't', piece);
}

static void on_thinking(void *ctx, struct bytes piece) {
    tell(ctx, 'k', piece);
}

static void on_thinking_done(void *ctx, struct bytes signature) {
    tell(ctx, 's', signature);
}

static void on_begin(void *ctx, const struct model_tool_call *call) {
    struct told *told = ctx;
    require(call->index < ANSWER_CALLS_MAX && call->id.len > 0 && call->name.len > 0);
    require(call->arguments.len == 0);
    told->begun++;
    tell(told, 'b', call->name);
}

static void on_tool_piece(void *ctx, unsigned index, struct bytes piece) {
    struct told *told = ctx;
    require(index < ANSWER_CALLS_MAX);
    text_add(&told->arguments[index], piece.data, piece.len);
}

static void on_tool_done(void *ctx, const struct model_tool_call *call) {
    struct told *told = ctx;
    const struct text *pieces = &told->arguments[call->index];
    if (pieces->len > 0) {
        require(pieces->len == call->arguments.len &&
                memcmp(pieces->data, call->arguments.data, pieces->len) == 0);
    } else {
        require(call->arguments.len == 2);
    }
    told->done++;
    tell(told, 'd', call->id);
}

static void on_searched(void *ctx, const struct model_search *search) {
    tell(ctx, 'w', search->id);
    tell(ctx, 'i', search->input);
    tell(ctx, 'r', search->fault);
    require(json_is_valid(search->results));
}

static const struct model_watch fuzz_watch = {.text = on_text,
                                              .thinking = on_thinking,
                                              .thinking_done = on_thinking_done,
                                              .tool_begin = on_begin,
                                              .tool_piece = on_tool_piece,
                                              .tool_done = on_tool_done,
                                              .searched = on_searched};

/* What was told, and of the end the cause: *told is the caller's. */
static enum model_cause run(const uint8_t *bytes, size_t len, size_t step, struct told *told) {
    struct stream stream;
    stream_init(&stream, &WIRE, &fuzz_watch, told, 1);
    for (size_t at = 0; at < len; at += step) {
        struct bytes rest = {(const char *)bytes + at, at + step < len ? step : len - at};
        struct sse_event event;
        while (stream_pull(&stream, &rest, &event)) {
            stream_take(&stream, &event);
        }
        require(rest.len == 0);
    }
    stream_end(&stream);
    const struct answer *answer = &stream.answer;
    enum model_cause cause = answer->failure.cause;
    if (cause == MODEL_NONE) {
        require(answer->stopped && (answer->text_len > 0 || answer->call_count > 0 ||
                                    (answer->stop == MODEL_STOP_PAUSE && told->all.len > 0)));
        require(answer->stop == MODEL_STOP_LENGTH || told->done == told->begun);
    } else {
        require(strlen(answer->failure.detail) > 0);
    }
    const struct usage *usage = &answer->usage;
    require(usage->fresh >= 0 && usage->cache_read >= 0 && usage->cache_write >= 0 &&
            usage->reasoning >= 0 && usage->reasoning <= usage->output);
    stream_done(&stream);
    return cause;
}

static void told_init(struct told *told) {
    memset(told, 0, sizeof *told);
    text_init(&told->all, 32 << 20);
    for (size_t i = 0; i < ANSWER_CALLS_MAX; i++) {
        text_init(&told->arguments[i], ANSWER_ARGUMENTS_MAX);
    }
}

static void told_done(struct told *told) {
    text_done(&told->all);
    for (size_t i = 0; i < ANSWER_CALLS_MAX; i++) {
        text_done(&told->arguments[i]);
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    json_setup();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    static struct told whole, cut;
    told_init(&whole);
    told_init(&cut);
    enum model_cause cause = run(bytes, len, len > 0 ? len : 1, &whole);
    require(run(bytes, len, 1, &cut) == cause);
    require(whole.all.len == cut.all.len && whole.begun == cut.begun && whole.done == cut.done);
    require(whole.all.len == 0 || memcmp(whole.all.data, cut.all.data, whole.all.len) == 0);
    told_done(&whole);
    told_done(&cut);
    return 0;
}

#endif
