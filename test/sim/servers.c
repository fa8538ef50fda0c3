/* servers.c: choices, and which host answers a request. */
#include "servers.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "notices.h"
#include "outages.h"
#include "provider.h"
#include "sleeps.h"

enum { LINK_SLOW_MS = 400, WEATHER_MAX = 30 };

static struct servers *in_use;

void servers_use(struct servers *servers) {
    in_use = servers;
}

struct servers *servers_in_use(void) {
    return in_use;
}

/* --- Choices ---------------------------------------------------------------------------------- */

/* splitmix64: every bit of the input reaches every bit of the output. */
static uint64_t mixed(uint64_t value) {
    value += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

uint64_t servers_choose(const struct servers *servers, uint64_t key, const char *purpose) {
    uint64_t value = mixed(servers->seed ^ UINT64_C(0x5e12e5)) ^ mixed(key);
    for (const char *at = purpose; *at != '\0'; at++) {
        value = (value ^ (uint8_t)*at) * UINT64_C(0x100000001b3);
    }
    return mixed(value);
}

bool servers_fault(const struct servers *servers, uint64_t key, const char *purpose,
                   unsigned percent) {
    return !servers->healed && servers_choose(servers, key, purpose) % 100 < percent;
}

void servers_init(struct servers *servers, uint64_t seed) {
    *servers = (struct servers){.seed = seed};
    /* Half of the seeds are calm, so that long conversations come about. */
    uint64_t pick = servers_choose(servers, 0, "weather");
    servers->weather = pick % 2 == 0 ? 2 : (unsigned)(pick >> 8) % WEATHER_MAX;
}

void servers_heal(struct servers *servers) {
    servers->healed = true;
}

uint64_t servers_marker(struct bytes bytes) {
    static const char sign[] = "op#";
    const size_t len = sizeof sign - 1;
    uint64_t found = 0;
    const char *at = bytes.data, *end = bytes.len > 0 ? bytes.data + bytes.len : at;
    while (at < end && (at = memmem(at, (size_t)(end - at), sign, len)) != NULL) {
        uint64_t number = 0;
        for (at += len; at < end && *at >= '0' && *at <= '9' && number < SERVER_MARKERS_MAX; at++) {
            number = number * 10 + (uint64_t)(*at - '0');
        }
        found = at < end && *at == '.' ? number : found;
    }
    return found % SERVER_MARKERS_MAX;
}

unsigned servers_part_marker(unsigned operation, unsigned part) {
    assert(operation < SERVER_OPERATIONS_MAX && part <= SERVER_PARTS_MAX);
    return part * SERVER_OPERATIONS_MAX + operation;
}

unsigned servers_call_marker(const struct servers *servers, uint64_t key) {
    const unsigned first = SERVER_OPERATIONS_MAX * (SERVER_PARTS_MAX + 1);
    return first +
           (unsigned)(servers_choose(servers, key, "marker") % (SERVER_MARKERS_MAX - first));
}

void servers_complain(struct servers *servers, const char *format, ...) {
    if (servers->complaint[0] != '\0') {
        return;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(servers->complaint, sizeof servers->complaint, format,
                    args); /* Cut at worst. */
    va_end(args);
}

/* --- Replies ---------------------------------------------------------------------------------- */

void server_reply_init(struct server_reply *reply) {
    *reply = (struct server_reply){.address = "8.8.4.4", .sent_max = SIZE_MAX};
    text_init(&reply->head, (size_t)FETCH_HEAD_MAX * 2);
    text_init(&reply->body, (size_t)64 << 20);
}

void server_reply_done(struct server_reply *reply) {
    text_done(&reply->head);
    text_done(&reply->body);
}

static bool host_ends(struct bytes host, const char *ending) {
    size_t len = strlen(ending);
    return host.len >= len && memcmp(host.data + host.len - len, ending, len) == 0;
}

/* What may happen to any connection, whatever host it leads to. */
static bool link_fails(struct servers *servers, uint64_t key, struct server_reply *reply) {
    static const enum fetch_fault links[] = {
        FETCH_RESOLVE,        FETCH_CONNECT, FETCH_TLS,      FETCH_CONNECT_TIMEOUT,
        FETCH_ANSWER_TIMEOUT, FETCH_CUT_OFF, FETCH_NOT_HTTP, FETCH_FAILED};
    uint64_t pick = servers_choose(servers, key, "link");
    reply->connect_ms = pick % LINK_SLOW_MS;
    if (!servers_fault(servers, key, "link fails", servers->weather / 3)) {
        return false;
    }
    servers->stats.faults++;
    reply->link = links[(pick >> 16) % COUNT_OF(links)];
    if (pick >> 40 & 1) {
        reply->address = "10.1.2.3"; /* The name leads somewhere else now: the guard refuses. */
    }
    return true;
}

static void hook_answer(struct servers *servers, uint64_t key, struct server_reply *reply) {
    static const int statuses[] = {500, 503, 404, 410, 429, 301, 400};
    uint64_t pick = servers_choose(servers, key, "hook");
    /* In some seeds hardly any receiver is there, and waits become long. */
    bool away = servers_choose(servers, 0, "hooks are away") % 4 == 0;
    servers->stats.hooks++;
    reply->status = 200;
    if (servers_fault(servers, key, "hook fails", away ? 85 : servers->weather)) {
        servers->stats.faults++;
        reply->status = statuses[pick % COUNT_OF(statuses)];
    }
    text_add_str(&reply->body, "thanks");
}

static void page_answer(struct servers *servers, uint64_t key, struct server_reply *reply) {
    uint64_t pick = servers_choose(servers, key, "page");
    servers->stats.pages++;
    reply->status = pick % 8 == 0 ? 404 : 200;
    text_add_str(&reply->head, "Content-Type: text/html; charset=utf-8\r\n");
    text_add_str(&reply->body, "<html><head><title>A page</title></head><body>");
    for (uint64_t i = 0; i < pick % 200; i++) {
        text_addf(&reply->body, "<p>Paragraph %u &lt;of&gt; a page.</p>", (unsigned)i);
    }
    text_add_str(&reply->body, "</body></html>");
    if (servers_fault(servers, key, "page breaks", servers->weather)) {
        reply->sent_max = reply->body.len / 2;
        reply->end = pick >> 8 & 1 ? REPLY_CUT_OFF : REPLY_SILENT;
    }
}

static void hook_asked(const struct server_request *request) {
    const char *delivery = "", *attempt = "0";
    for (size_t i = 0; i < request->header_count; i++) {
        const struct fetch_header *header = &request->headers[i];
        delivery = strcmp(header->name, "Drover-Delivery") == 0 ? header->value : delivery;
        attempt = strcmp(header->name, "Drover-Attempt") == 0 ? header->value : attempt;
    }
    sleeps_hook_asked(request->url, delivery, strtol(attempt, NULL, 10));
}

void servers_answer(struct servers *servers, const struct server_request *request,
                    struct server_reply *reply) {
    uint64_t marker = servers_marker(request->body);
    marker = marker != 0 ? marker : servers_marker(request->url);
    uint64_t key = marker << 16 | servers->asked[marker]++;
    const bool hook = host_ends(request->host, "hook.test");
    servers->stats.requests++;
    reply->cut_key = key;
    if (hook) {
        hook_asked(request);
    }
    reply->first_ms = servers_choose(servers, key, "first") % LINK_SLOW_MS;
    if (link_fails(servers, key, reply)) {
        return;
    }
    if (host_ends(request->host, "model.test") && !bytes_equal(request->method, BYTES("GET")) &&
        outages_answer(servers, request->host, key, reply)) {
        return;
    }
    if (host_ends(request->host, "model.test")) {
        provider_answer(servers, request, key, reply);
    } else if (hook) {
        notices_arrive(sim_current(), request);
        hook_answer(servers, key, reply);
    } else {
        page_answer(servers, key, reply);
    }
}
