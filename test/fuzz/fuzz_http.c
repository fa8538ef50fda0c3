/* Bytes of a connection into the parser, three times: at once, one by one, and cut where the input
 * says. However they arrive they must be the same requests, or the same refusal. */
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "http/request.h"
#include "http/target.h"

enum { BODY_MAX = 4096, INPUT_MAX = 64 << 10 };

struct outcome {
    unsigned requests;
    uint64_t digest;
    enum err_code code;
};

static const struct request_limits limits = {
    .head_bytes_max = 2048, .url_bytes_max = 512, .headers_max = 20};

static void mix(struct outcome *outcome, struct bytes bytes) {
    for (size_t i = 0; i < bytes.len; i++) {
        outcome->digest = (outcome->digest ^ (unsigned char)bytes.data[i]) * 1099511628211U;
    }
    outcome->digest = (outcome->digest ^ bytes.len) * 1099511628211U;
}

/* What a whole request promises to those above. */
static void look_at(const struct request *request, struct outcome *outcome) {
    struct bytes host, raw = request_target(request);
    AUTO(mem_release) char *scratch = mem_new(raw.len);
    struct target target;
    struct why why = {0};
    assert(request_known(request, HEADER_HOST, &host));
    assert(!request->chunked || !request->has_length);
    assert(request->body_len <= BODY_MAX);
    assert(request->chunked || request->body_len == request->content_length);
    mix(outcome, request_method(request));
    mix(outcome, raw);
    for (unsigned i = 0; i < request->header_count; i++) {
        struct bytes name = request_header_name(request, i);
        struct bytes value = request_header_value(request, i);
        assert(name.len > 0);
        assert(memchr(value.data, '\0', value.len) == NULL);
        assert(memchr(value.data, '\r', value.len) == NULL);
        assert(memchr(value.data, '\n', value.len) == NULL);
        mix(outcome, name);
        mix(outcome, value);
        outcome->digest += header_list_has(value, BYTES("close"));
        outcome->digest += header_accepts(value, BYTES("text/event-stream"));
        outcome->digest += header_is_json(value);
    }
    mix(outcome, (struct bytes){request->body == NULL ? "" : request->body, request->body_len});
    if (!err_failed(target_parse(raw, scratch, &target, &why))) {
        for (unsigned i = 0; i < target.segment_count; i++) {
            struct bytes segment = target.segments[i];
            assert(memchr(segment.data, '/', segment.len) == NULL);
            assert(memchr(segment.data, '\0', segment.len) == NULL);
        }
    }
}

/* Feeds `data` in pieces of what `step` says; 0: as the bytes themselves say. */
static struct outcome feed(const uint8_t *data, size_t len, size_t step) {
    struct outcome outcome = {.code = ERR_NONE};
    struct parser parser;
    AUTO(mem_release) struct request *request = mem_new(sizeof *request);
    parser_init(&parser);
    request_init(request, BODY_MAX);
    size_t at = 0, piece_end = 0;
    while (at < len && outcome.code == ERR_NONE) {
        if (at >= piece_end) {
            size_t piece = step != 0 ? step : 1U + data[at] % 64U;
            piece_end = piece < len - at ? at + piece : len;
        }
        size_t used = 0;
        /* A copy of its own, so that the sanitizer sees every byte read beyond it. */
        AUTO(mem_release) char *copy = mem_copy((const char *)data + at, piece_end - at);
        enum parse_result result =
            parser_feed(&parser, request, &limits, (struct bytes){copy, piece_end - at}, &used);
        assert(used <= piece_end - at);
        at += used;
        if (result == PARSE_FAILED) {
            assert(err_failed(request->err));
            outcome.code = request->err.code;
        } else if (result == PARSE_WHOLE) {
            look_at(request, &outcome);
            outcome.requests++;
            request_done(request);
            request_init(request, BODY_MAX);
        } else {
            assert(result == PARSE_HEAD || at == piece_end);
        }
    }
    request_done(request);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    if (len > INPUT_MAX) {
        return 0;
    }
    struct outcome whole = feed(data, len, INPUT_MAX);
    struct outcome single = feed(data, len, 1);
    struct outcome cut = feed(data, len, 0);
    assert(whole.requests == single.requests);
    assert(whole.requests == cut.requests);
    assert(whole.digest == single.digest);
    assert(whole.digest == cut.digest);
    /* Which of two faults is met first may depend on the cuts, but not whether there is one. */
    assert((whole.code == ERR_NONE) == (single.code == ERR_NONE));
    assert((whole.code == ERR_NONE) == (cut.code == ERR_NONE));
    return 0;
}
