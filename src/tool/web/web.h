/* web.h: web_fetch and web_search, asynchronous on the loop.
 *
 * Promise    `done` comes once, from the loop, unless the fetch was cancelled. Each hop is judged
 *            by the address guard as if it had been asked for; at most WEB_HOPS_MAX redirects, only
 *            http and https, and never from https to http. HTML becomes text in the pool.
 *            A search asks its engine, and follows no redirect, which would get the key.
 * Bounds     WEB_BODY_MAX of body, WEB_TIME_MS in all; of the text, `offset` and TOOL_CONTENT_MAX.
 * Ownership  everything in the order is borrowed for the call, but client, loop and allow: until
 *            `done` or the cancel. The result is borrowed during `done`.
 * Threads    the loop.
 */
#ifndef DROVER_TOOL_WEB_WEB_H
#define DROVER_TOOL_WEB_WEB_H

#include "base/base.h"
#include "base/err.h"
#include "loop/fetch.h"
#include "loop/loop.h"
#include "tool/tool.h"

enum {
    WEB_HOPS_MAX = 5,
    WEB_BODY_MAX = 4 << 20,
    WEB_TIME_MS = 30 * 1000,
    WEB_URL_MAX = 2048,
    URL_SIZE = WEB_URL_MAX + 1,
};

/* Where a redirect leads: a reference, resolved against the URL it came from (RFC 3986). Only http
 * and https come out, with a host, without a name or a password, without a fragment. Whatever the
 * guard of addresses must know is left to it. Any thread. */
struct url {
    char text[URL_SIZE];
};
MUST_CHECK bool url_is_https(const struct url *url);
/* `base` NULL: the reference is whole. False: it is nothing that is fetched. */
MUST_CHECK bool url_join(const struct url *base, struct bytes reference, struct url *ret_url);

struct search_engine;
struct web_order {
    struct loop *loop;
    struct fetch *client;
    const struct address_list *allow;   /* NULL: public addresses only. */
    const struct tool_call *call;       /* Call of web_fetch or web_search. */
    const struct search_engine *search; /* Engine of web_search; borrowed until `done`. */
    /* Whether a hop's URL may be asked, too; NULL: any. The first one was judged already. */
    bool (*may)(void *ctx, const char *url);
    void (*done)(void *ctx, const struct tool_result *result);
    void *ctx;
};
struct web_fetch;
MUST_CHECK struct err web_fetch_start(const struct web_order *order, struct web_fetch **ret_fetch);
void web_fetch_cancel(struct web_fetch *fetch); /* Not after `done`. */

#endif
