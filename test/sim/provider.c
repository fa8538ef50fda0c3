/* provider.c: a request of a model, from its path to its bytes, with all faults of docs/models.md.
 *
 *   connection  refused, silent, broken: servers.c, for every host
 *   status      429 in all forms of retry-after, 402, 401, 400, 404, 413, 301, 5xx, a proxy's page
 *   stream      cut within, a clean close without its final marker, silence, an error event, an
 *               event that is no JSON, one far too large
 *   answer      utterance.c: truncated, refused, empty, badly written calls
 */
#include "provider.h"

#include <string.h>

#include "prompts.h"
#include "sim.h"
#include "workflows.h"

enum { SLOW_GAP_MS = 3000, EVENT_TOO_LARGE = 9 << 20 };

struct exchange {
    struct servers *servers;
    uint64_t key;
    struct prompt prompt;
    struct server_reply *reply;
};

static uint64_t choose(const struct exchange *exchange, const char *purpose) {
    return servers_choose(exchange->servers, exchange->key, purpose);
}

/* --- Refusals by status ----------------------------------------------------------------------- */

static const struct status_fault {
    int status;
    const char *head, *body;
} status_faults[] = {
    {429, "Retry-After: 2\r\n",
     "{\"error\":{\"message\":\"slow down\",\"type\":\"rate_limit_error\"}}"},
    {429, "Retry-After-Ms: 250\r\n", "{\"error\":{\"message\":\"slow down\"}}"},
    {429, "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "{\"error\":{\"message\":\"slow\"}}"},
    {429, "Retry-After: 7200\r\n", "{\"error\":{\"message\":\"come tomorrow\"}}"},
    {429, "", "{\"error\":{\"message\":\"slow down\"}}"},
    {429, "x-should-retry: false\r\n", "{\"error\":{\"message\":\"no more\"}}"},
    {429, "",
     "{\"error\":{\"message\":\"You exceeded your current "
     "quota\",\"code\":\"insufficient_quota\"}}"},
    {402, "", "{\"error\":{\"message\":\"Insufficient Balance\"}}"},
    {401, "", "{\"error\":{\"message\":\"Incorrect API key provided: sk-abc***xyz\"}}"},
    {403, "", "{\"error\":{\"message\":\"no\"}}"},
    {400, "",
     "{\"error\":{\"message\":\"This model's maximum context length is 10 "
     "tokens\",\"code\":\"context_length_exceeded\"}}"},
    {400, "", "{\"error\":{\"message\":\"unknown parameter\"}}"},
    {404, "",
     "{\"error\":{\"message\":\"The model does not exist\",\"code\":\"model_not_found\"}}"},
    {404, "", "not found"},
    {408, "", ""},
    {409, "", "{\"error\":{\"message\":\"conflict\"}}"},
    {413, "", "{\"error\":{\"type\":\"request_too_large\",\"message\":\"too large\"}}"},
    {301, "Location: https://elsewhere.test/\r\n", ""},
    {500, "", "{\"error\":{\"message\":\"oops\"}}"},
    {504, "", "<html><head><title>Gateway Time-out</title></head></html>"},
    {503, "Retry-After: 1\r\n", ""},
    {529, "",
     "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}"},
    {200, "Content-Type: application/json\r\n",
     "{\"error\":{\"message\":\"oops\",\"type\":\"server_error\"}}"},
    {200, "Content-Type: text/html\r\n", "<html>hello</html>"},
    {200, "Content-Type: application/json\r\n", "{\"choices\":[]}"},
};

static void status_reply(struct exchange *exchange, const struct status_fault *fault) {
    exchange->servers->stats.faults++;
    exchange->reply->status = fault->status;
    text_add_str(&exchange->reply->head, fault->head);
    text_add_str(&exchange->reply->body, fault->body);
}

/* --- Faults of a stream ----------------------------------------------------------------------- */

static void stream_break(struct exchange *exchange) {
    struct server_reply *reply = exchange->reply;
    enum wire_kind wire = exchange->prompt.wire;
    uint64_t pick = choose(exchange, "break");
    size_t part = reply->body.len == 0 ? 0 : (size_t)(pick >> 16) % reply->body.len;
    exchange->servers->stats.broken++;
    switch (pick % (pick >> 40 & 7 ? 7 : 8)) {
    case 0:
        reply->sent_max = part; /* A clean close within. */
        break;
    case 1:
        reply->sent_max = part;
        reply->end = REPLY_CUT_OFF;
        break;
    case 2:
        reply->sent_max = part;
        reply->end = REPLY_SILENT;
        break;
    case 3:
        text_clear(&reply->body);
        wires_write_error(wire, "overloaded_error", "Overloaded", &reply->body);
        break;
    case 4:
        reply->end = REPLY_SILENT; /* All was said, and the connection stays open. */
        break;
    case 5:
        text_clear(&reply->body);
        text_add_str(&reply->body, "data: {\"choices\": [\n\n");
        break;
    case 6:
        reply->end = REPLY_CUT_OFF; /* After the final marker. */
        break;
    default:
        text_clear(&reply->body);
        wires_write_error(wire, "insufficient_quota", "You exceeded your current quota",
                          &reply->body);
        break;
    }
}

/* One event beyond every bound; rare, since it takes long. */
static void event_too_large(struct exchange *exchange) {
    struct text *body = &exchange->reply->body;
    text_clear(body);
    text_add_str(body, "data: {\"choices\":[{\"delta\":{\"content\":\"");
    static const char filler[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    while (body->len < EVENT_TOO_LARGE && !text_failed(body)) {
        text_add_str(body, filler);
    }
}

/* --- Answers ---------------------------------------------------------------------------------- */

static bool overflows(const struct exchange *exchange) {
    bool small = strstr(exchange->prompt.model, "small") != NULL;
    size_t window = small ? PROVIDER_WINDOW_TRUE : PROVIDER_WINDOW;
    return exchange->prompt.input_bytes / BYTES_PER_TOKEN > window;
}

static void speak(struct exchange *exchange) {
    struct utterance said;
    uint64_t pick = choose(exchange, "speed");
    utterance_make(exchange->servers, exchange->key, &exchange->prompt, &said);
    exchange->reply->status = 200;
    text_add_str(&exchange->reply->head, "Content-Type: text/event-stream\r\n");
    wires_write(exchange->prompt.wire, exchange->key, &said, &exchange->reply->body);
    utterance_done(&said);
    exchange->reply->gap_ms = pick % 4 == 0 ? SLOW_GAP_MS : 60;
    if (servers_fault(exchange->servers, exchange->key, "event too large", /* percent */ 0)) {
        event_too_large(exchange);
    } else if (servers_fault(exchange->servers, exchange->key, "stream breaks",
                             exchange->servers->weather / 2)) {
        stream_break(exchange);
    }
}

static void ask(struct exchange *exchange) {
    static const struct status_fault overflow = {
        400, "",
        "{\"error\":{\"message\":\"prompt is too long\",\"type\":\"invalid_request_error\"}}"};
    static const struct status_fault bad = {
        400, "",
        "{\"error\":{\"message\":\"messages: invalid\",\"type\":\"invalid_request_error\"}}"};
    /* The call is made again without a format: there is no such fault then. */
    static const struct status_fault no_schema = {
        400, "",
        "{\"error\":{\"message\":\"This response_format type is unavailable now\","
        "\"type\":\"invalid_request_error\"}}"};
    exchange->servers->stats.models++;
    if (exchange->prompt.json == NULL) {
        status_reply(exchange, &bad);
    } else if (overflows(exchange)) {
        exchange->servers->stats.overflows++;
        status_reply(exchange, &overflow);
    } else if (exchange->prompt.formatted &&
               servers_fault(exchange->servers, exchange->key, "no schema", /* percent */ 40)) {
        status_reply(exchange, &no_schema);
    } else if (servers_fault(exchange->servers, exchange->key, "status",
                             exchange->servers->weather / 2)) {
        status_reply(exchange,
                     &status_faults[choose(exchange, "which status") % COUNT_OF(status_faults)]);
    } else {
        speak(exchange);
    }
}

int64_t provider_window(const char *model) {
    static const char shortest[] = "responses";
    return strncmp(model, shortest, sizeof shortest - 1) == 0 ? PROVIDER_WINDOW_SHORT
                                                              : PROVIDER_WINDOW;
}

static void list(struct servers *servers, int64_t window, struct server_reply *reply) {
    static const char *const names[] = {"plain", "small-window", "think", "think-small"};
    servers->stats.lists++;
    reply->status = 200;
    text_add_str(&reply->head, "Content-Type: application/json\r\n");
    text_add_str(&reply->body, "{\"data\":[");
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        text_addf(&reply->body, "%s{\"id\":\"%s\",\"context_length\":%lld}", i > 0 ? "," : "",
                  names[i], (long long)window);
    }
    text_add_str(&reply->body, "]}");
}

static bool begins(struct bytes bytes, const char *with) {
    size_t len = strlen(with);
    return bytes.len >= len && memcmp(bytes.data, with, len) == 0;
}

void provider_answer(struct servers *servers, const struct server_request *request, uint64_t key,
                     struct server_reply *reply) {
    if (begins(request->method, "GET")) {
        list(servers, provider_window(begins(request->host, "responses") ? "responses" : ""),
             reply);
        return;
    }
    enum wire_kind wire = begins(request->host, "openai")      ? WIRE_OPENAI
                          : begins(request->host, "responses") ? WIRE_RESPONSES
                                                               : WIRE_ANTHROPIC;
    struct exchange exchange = {.servers = servers, .key = key, .reply = reply};
    if (!prompt_read(servers, wire, request->body, &exchange.prompt)) {
        prompt_done(&exchange.prompt); /* What was read borrows from it. */
        exchange.prompt =
            (struct prompt){.wire = wire, .model = "", .input_bytes = exchange.prompt.input_bytes};
    }
    prompts_check(sim_current(), &exchange.prompt);
    ask(&exchange);
    workflows_requested(sim_current(), (int64_t)(key >> 16), request->body);
    sim_trace(sim_current(), "%s is asked (%llu): %zu bytes, %zu tools; answers %d",
              exchange.prompt.model, (unsigned long long)key, request->body.len,
              exchange.prompt.tool_count, reply->status);
    prompt_done(&exchange.prompt);
}
