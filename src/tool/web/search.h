/* search.h: web_search, as requests to one endpoint and as results. web.c sends them.
 *
 *   searxng   GET URL?q=…&format=json                          results: title, url, content
 *   brave     GET URL?q=…&count=N, X-Subscription-Token: KEY   web.results: title, url, description
 *   tavily    POST URL {"query","max_results"}, Bearer KEY     results: title, url, content
 *
 *   provider  none: models whose provider has a search tool of its own are offered that one
 *
 * Promise    no result has more than title, url and snippet, as plain text; only http and https
 *            URLs come out. The key is in no result and in no sentence.
 * Ownership  an engine's texts are borrowed, but those that search_engine_parse sets: static, or of
 *            its words. A request is the caller's (search_request_done).
 * Threads    any.
 */
#ifndef DROVER_TOOL_WEB_SEARCH_H
#define DROVER_TOOL_WEB_SEARCH_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"
#include "loop/fetch.h"
#include "tool/tool.h"

enum search_form {
    SEARCH_NONE,
    SEARCH_SEARXNG,
    SEARCH_BRAVE,
    SEARCH_TAVILY,
    SEARCH_PROVIDER,
    SEARCH_FORMS
};

enum { WEB_RESULTS_DEFAULT = 10, SEARCH_KEY_MAX = 512 };

struct search_engine {
    enum search_form form; /* SEARCH_NONE: none is configured. */
    const char *url;       /* NULL: none is asked. */
    const char *key;       /* NULL: none is sent. */
};
/* "searxng=URL", "brave", "brave=URL", "tavily", "tavily=URL", "provider". ERR_CONFIG with a
 * sentence. */
MUST_CHECK struct err search_engine_parse(const char *words, struct search_engine *ret_engine,
                                          struct why *why);
/* Variable of the environment that has the key of a form; NULL: it needs none. */
const char *search_key_variable(enum search_form form);

struct search_request {
    const char *method;                 /* Static. */
    struct text url, body, credentials; /* Owned. */
    struct fetch_header headers[4];
    size_t header_count;
};
/* ERR_TEXT_TOO_LONG: the query does not fit a URL. */
MUST_CHECK struct err search_request_write(const struct search_engine *engine,
                                           const struct tool_call *call,
                                           struct search_request *ret_request);
void search_request_done(struct search_request *request);

/* [{"title","url","snippet"}] of an answer; or why there is none. */
void search_result_write(enum search_form form, struct bytes body, int64_t limit,
                         struct tool_result *result);

#endif
