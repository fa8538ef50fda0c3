/* web.c: one request after the other until no redirect is left, then the pool, then `done`.
 *
 *   asking ──redirect──> due ──> asking ──end──> reading (pool) ──> told
 *      └─────────────── web_fetch_cancel: gone; a pool that still reads ends it ───┘
 *
 * The next hop is asked for in a task of its own, never inside the callback of the last one.
 */
#include "tool/web/web.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "tool/requests.h"
#include "tool/web/html.h"
#include "tool/web/search.h"
#include "tool/work.h"

enum { TYPE_MAX = 100, CONNECT_MS = 10 * 1000, STALL_MS = 15 * 1000, HEADER_ROOM = 3 << 10 };

/* --- One fetch -------------------------------------------------------------------------------- */

struct web_fetch {
    struct web_order order;
    struct url url;
    int64_t offset;               /* Offset in the text, or number of results of a search. */
    struct search_request search; /* Owned; method NULL: it is none. */
    unsigned hops;
    uint64_t due_ns;               /* The end of all hops. */
    struct fetch_request *request; /* NULL: none runs. */
    struct loop_task next;
    struct loop_work work;
    bool reading, cancelled;
    int status;
    char type[TYPE_MAX]; /* As the server wrote it, lower case. */
    struct text body;
    struct text page; /* What is read of it. */
    struct tool_result result;
};

static void free_fetch(struct web_fetch *fetch) {
    text_done(&fetch->body);
    text_done(&fetch->page);
    tool_result_done(&fetch->result);
    search_request_done(&fetch->search);
    mem_free(fetch);
}

static void fetch_end(struct web_fetch *fetch) {
    fetch->order.done(fetch->order.ctx, &fetch->result);
    free_fetch(fetch);
}

static void fetch_fail(struct web_fetch *fetch, const char *format, ...) PRINTF_LIKE(2, 3);
static void fetch_fail(struct web_fetch *fetch, const char *format, ...) {
    char words[400];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(words, sizeof words, format, args); /* Cut is fine. */
    va_end(args);
    utf8_make_plain(words, strlen(words));
    failure_result_write(CARD_FETCH_FAILED, words, &fetch->result);
    fetch_end(fetch);
}

/* --- Reading, in the pool --------------------------------------------------------------------- */

/* Whether one of the words stands in a text. */
static bool says(struct bytes text, const char *const *words) {
    for (; *words != NULL; words++) {
        if (text.len > 0 && memmem(text.data, text.len, *words, strlen(*words)) != NULL) {
            return true;
        }
    }
    return false;
}

static struct bytes bytes_first(struct bytes bytes, size_t len_max) {
    return (struct bytes){bytes.data, bytes.len < len_max ? bytes.len : len_max};
}

static bool is_text(struct bytes type) {
    static const char *const texts[] = {"json", "xml", "javascript", "yaml", "x-sh", NULL};
    return type.len == 0 || bytes_begin(type, BYTES("text/")) || says(type, texts);
}

/* Without a type, a body that begins like a page is one. */
static bool is_html(struct bytes type, struct bytes body) {
    static const char *const html[] = {"html", NULL}, *const begins[] = {"<html", "<!DOCTYPE",
                                                                         NULL};
    return says(type, html) || (type.len == 0 && says(bytes_first(body, 512), begins));
}

/* Valid UTF-8 that is not plain ASCII is hardly anything else, whatever type and body say. */
static bool is_latin1(struct bytes type, struct bytes body) {
    static const char *const types[] = {"iso-8859-1", "latin1", "windows-1252", NULL};
    static const char *const metas[] = {"iso-8859-1", "ISO-8859-1", "windows-1252", NULL};
    return !utf8_valid(body.data, body.len) &&
           (says(type, types) || says(bytes_first(body, 1024), metas));
}

static void write_result(struct web_fetch *fetch) {
    struct text *content = &fetch->result.content;
    size_t from =
        (uint64_t)fetch->offset < fetch->page.len ? (size_t)fetch->offset : fetch->page.len;
    while (from < fetch->page.len && ((unsigned char)fetch->page.data[from] & 0xC0) == 0x80) {
        from++; /* Not in the middle of a character. */
    }
    struct bytes rest = {fetch->page.data + from, fetch->page.len - from};
    struct bytes shown = {rest.data, utf8_cut(rest, TOOL_CONTENT_MAX - HEADER_ROOM)};
    fetch->result.cause = fetch->status >= 400 ? CARD_FETCH_FAILED : CARD_DONE;
    text_addf(content, "%s\nstatus %d%s%s; bytes %zu to %zu of %zu\n\n", fetch->url.text,
              fetch->status, fetch->type[0] == '\0' ? "" : ", ", fetch->type, from,
              from + shown.len, fetch->page.len);
    text_add(content, shown.data, shown.len);
    if (shown.len < rest.len) {
        text_addf(content, "\n[more: offset = %zu]\n", from + shown.len);
    }
}

static bool is_search(const struct web_fetch *fetch) {
    return fetch->search.method != NULL;
}

static void read_results(struct loop_work *work) {
    struct web_fetch *fetch = CONTAINER_OF(work, struct web_fetch, work);
    search_result_write(fetch->order.search->form, text_bytes(&fetch->body), fetch->offset,
                        &fetch->result);
}

static void read_body(struct loop_work *work) {
    struct web_fetch *fetch = CONTAINER_OF(work, struct web_fetch, work);
    const struct bytes type = bytes_of(fetch->type);
    struct bytes body = text_bytes(&fetch->body);
    bool html = is_html(type, body);
    AUTO(text_done) struct text utf8 = text_up_to(2 * body.len + 1);
    if (is_latin1(type, body)) {
        /* Latin 1, and what Windows put into its gap, as UTF-8. */
        for (size_t i = 0; i < body.len; i++) {
            unsigned char c = (unsigned char)body.data[i];
            if (c >= 0x80) {
                text_add_char(&utf8, (char)(0xC0 | c >> 6));
                c = (unsigned char)(0x80 | (c & 0x3F));
            }
            text_add_char(&utf8, (char)c);
        }
        body = text_bytes(&utf8);
    }
    AUTO(text_done) struct text text = text_up_to(3 * (size_t)WEB_BODY_MAX);
    if (html) {
        html_to_text(body, &text);
        body = text_bytes(&text);
    }
    work_add_text(&fetch->page, body);
    text_add_str(&fetch->page, "");
    if (text_failed(&utf8) || text_failed(&text) || text_failed(&fetch->page)) {
        failure_result_write(CARD_FETCH_FAILED, "there was no memory to read the page",
                             &fetch->result);
        return;
    }
    if (fetch->page.data == NULL) {
        text_add_char(&fetch->page, '\n');
    }
    write_result(fetch);
}

static void read_done(struct loop_work *work) {
    struct web_fetch *fetch = CONTAINER_OF(work, struct web_fetch, work);
    if (fetch->cancelled) {
        free_fetch(fetch);
    } else {
        fetch_end(fetch);
    }
}

/* --- Asking, on the loop ---------------------------------------------------------------------- */

static void on_piece(void *ctx, struct bytes piece) {
    struct web_fetch *fetch = ctx;
    text_add(&fetch->body, piece.data, piece.len);
}

/* True: it was a redirect, and it is settled what comes of it. */
static bool redirect(struct web_fetch *fetch, const struct fetch_answer *answer) {
    struct bytes location;
    bool asks = answer->status == 301 || answer->status == 302 || answer->status == 303 ||
                answer->status == 307 || answer->status == 308;
    if (!asks || !fetch_answer_header(answer, "location", &location)) {
        return false;
    }
    struct url next;
    if (!url_join(&fetch->url, location, &next)) {
        fetch_fail(fetch, "%s redirects to what is not fetched: %.*s", fetch->url.text,
                   (int)utf8_cut(location, 200), location.data);
    } else if (url_is_https(&fetch->url) && !url_is_https(&next)) {
        fetch_fail(fetch, "%.150s redirects from https to http: %.150s", fetch->url.text,
                   next.text);
    } else if (++fetch->hops > WEB_HOPS_MAX) {
        fetch_fail(fetch, "more than %d redirects; the last leads to %.200s", WEB_HOPS_MAX,
                   next.text);
    } else if (fetch->order.may != NULL && !fetch->order.may(fetch->order.ctx, next.text)) {
        fetch_fail(fetch, "a redirect leads to %.200s, which is not allowed", next.text);
    } else {
        fetch->url = next;
        text_clear(&fetch->body);
        loop_soon(fetch->order.loop, &fetch->next);
    }
    return true;
}

static void on_done(void *ctx, const struct fetch_result *result) {
    struct web_fetch *fetch = ctx;
    fetch->request = NULL;
    if (result->fault != FETCH_NONE) {
        fetch_fail(fetch, "%.200s: %s%s%s", fetch->url.text, fetch_fault_text(result->fault),
                   result->detail[0] == '\0' ? "" : ": ", result->detail);
        return;
    }
    fetch->status = result->answer.status;
    if (is_search(fetch) && fetch->status != 200) {
        fetch_fail(fetch, "the search endpoint answered %d%s", fetch->status,
                   fetch->status == 401 || fetch->status == 403 ? ": its key is not accepted"
                   : fetch->status == 429                       ? ": too many searches"
                                                                : "");
        return;
    }
    if (!is_search(fetch) && redirect(fetch, &result->answer)) {
        return;
    }
    struct bytes type;
    if (!fetch_answer_header(&result->answer, "content-type", &type)) {
        type = BYTES("");
    }
    type = bytes_first(type, TYPE_MAX - 1);
    for (size_t i = 0; i < type.len; i++) {
        char c = type.data[i];
        fetch->type[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    fetch->type[type.len] = '\0';
    utf8_make_plain(fetch->type, type.len);
    if (!is_search(fetch) && !is_text(bytes_of(fetch->type))) {
        fetch_fail(fetch, "%.200s is %s (%zu bytes), which is no text", fetch->url.text,
                   fetch->type, fetch->body.len);
        return;
    }
    fetch->reading = true;
    fetch->work.run = is_search(fetch) ? read_results : read_body;
    fetch->work.done = read_done;
    loop_work(fetch->order.loop, &fetch->work);
}

static struct err ask(struct web_fetch *fetch) {
    static const struct fetch_header headers[] = {
        {"accept", "text/html, text/*;q=0.9, application/json;q=0.9, */*;q=0.1"},
        {"user-agent", "drover/" DROVER_VERSION},
    };
    uint64_t now_ns = world_mono_ns(loop_world(fetch->order.loop));
    uint64_t left_ms = fetch->due_ns > now_ns ? (fetch->due_ns - now_ns) / 1000000U : 0;
    const struct search_request *search = &fetch->search;
    struct fetch_call call = {.method = is_search(fetch) ? search->method : "GET",
                              .url = is_search(fetch) ? search->url.data : fetch->url.text,
                              .headers = is_search(fetch) ? search->headers : headers,
                              .header_count =
                                  is_search(fetch) ? search->header_count : COUNT_OF(headers),
                              .body = text_bytes(&search->body),
                              .allow = fetch->order.allow,
                              .limits = {.connect_ms = CONNECT_MS,
                                         .stall_ms = STALL_MS,
                                         .total_ms = left_ms > 0 ? left_ms : 1,
                                         .size_max = WEB_BODY_MAX},
                              .piece = on_piece,
                              .done = on_done,
                              .ctx = fetch};
    return fetch_start(fetch->order.client, &call, &fetch->request);
}

static void ask_next(struct loop_task *task) {
    struct web_fetch *fetch = CONTAINER_OF(task, struct web_fetch, next);
    if (err_failed(ask(fetch))) {
        fetch_fail(fetch, "too many requests wait already; try again later");
    }
}

struct err web_fetch_start(const struct web_order *order, struct web_fetch **ret_fetch) {
    const bool searches = order->call->id == TOOL_WEB_SEARCH;
    assert(searches ? order->search != NULL : order->call->id == TOOL_WEB_FETCH);
    const json_t *input = order->call->input;
    struct web_fetch *fetch = mem_new(sizeof *fetch);
    fetch->order = *order;
    fetch->order.call = NULL; /* Borrowed for this call only. */
    fetch->next.run = ask_next;
    fetch->offset =
        searches ? input_int(input, "limit", WEB_RESULTS_DEFAULT) : input_int(input, "offset", 0);
    fetch->due_ns = world_mono_ns(loop_world(order->loop)) + WEB_TIME_MS * (uint64_t)1000000;
    text_init(&fetch->body, WEB_BODY_MAX);
    text_init(&fetch->page, 3 * (size_t)WEB_BODY_MAX);
    tool_result_init(&fetch->result);
    struct err err = ERR_OK;
    if (searches) {
        (void)snprintf(fetch->url.text, URL_SIZE, "%s", order->search->url); /* For sentences. */
        err = search_request_write(order->search, order->call, &fetch->search);
    } else if (!url_join(NULL, json_bytes(input, "url"), &fetch->url)) {
        err = err_make(ERR_BAD_FIELD, "web: URL");
    }
    err = err_failed(err) ? err : ask(fetch);
    if (err_failed(err)) {
        free_fetch(fetch);
        return err;
    }
    *ret_fetch = fetch;
    return ERR_OK;
}

void web_fetch_cancel(struct web_fetch *fetch) {
    if (fetch->reading) {
        fetch->cancelled = true; /* The pool has it; it ends when that gives it back. */
        return;
    }
    if (fetch->request != NULL) {
        fetch_cancel(fetch->request);
    }
    loop_task_cancel(fetch->order.loop, &fetch->next);
    free_fetch(fetch);
}
