/* search.c: see search.h. */
#include "tool/web/search.h"

#include <string.h>
#include <strings.h>

#include "base/json/json.h"
#include "base/utf8.h"
#include "tool/requests.h"
#include "tool/web/html.h"
#include "tool/web/web.h"
#include "tool/work.h"

enum {
    TITLE_MAX = 300,
    SNIPPET_MAX = 1000,
    QUERY_BYTES_MAX = 4000,
    SOURCE_MAX = 16 << 10,
    RESULT_MAX = 12 << 10
};

struct form {
    const char *name, *url, *key_variable;
    const char *count;            /* Parameter of the number of results; NULL: there is none. */
    const char *within, *snippet; /* Member that holds `results`, or NULL; and of their text. */
};
static const struct form forms[SEARCH_FORMS] = {
    [SEARCH_SEARXNG] = {.name = "searxng", .snippet = "content"},
    [SEARCH_BRAVE] = {.name = "brave",
                      .url = "https://api.search.brave.com/res/v1/web/search",
                      .key_variable = "BRAVE_API_KEY",
                      .count = "count",
                      .within = "web",
                      .snippet = "description"},
    [SEARCH_TAVILY] = {.name = "tavily",
                       .url = "https://api.tavily.com/search",
                       .key_variable = "TAVILY_API_KEY",
                       .snippet = "content"},
    [SEARCH_PROVIDER] = {.name = "provider"},
};

/* --- The engine ------------------------------------------------------------------------------- */

struct err search_engine_parse(const char *words, struct search_engine *ret_engine,
                               struct why *why) {
    const size_t len = strcspn(words, "=");
    const char *given = words[len] == '=' ? words + len + 1 : NULL;
    struct url checked;
    unsigned form = SEARCH_SEARXNG;
    while (form < SEARCH_FORMS && !bytes_is((struct bytes){words, len}, forms[form].name)) {
        form++;
    }
    if (form == SEARCH_FORMS) {
        return err_why(why, ERR_CONFIG,
                       "search: '%.40s' is none of searxng=URL, brave, tavily (brave=URL, "
                       "tavily=URL), provider",
                       words);
    }
    if (form == SEARCH_PROVIDER && given != NULL) {
        return err_why(why, ERR_CONFIG, "search: provider has no address: --search provider");
    }
    if (form == SEARCH_PROVIDER) {
        *ret_engine = (struct search_engine){.form = SEARCH_PROVIDER};
        return ERR_OK;
    }
    const char *url = given != NULL ? given : forms[form].url;
    if (url == NULL) {
        return err_why(why, ERR_CONFIG,
                       "search: searxng needs its address: searxng=https://HOST/search");
    }
    if (!url_join(NULL, bytes_of(url), &checked) || strchr(url, '?') != NULL) {
        return err_why(why, ERR_CONFIG, "search: '%.200s' is no http(s) URL without a query", url);
    }
    *ret_engine = (struct search_engine){.form = (enum search_form)form, .url = url};
    return ERR_OK;
}

const char *search_key_variable(enum search_form form) {
    return forms[form].key_variable;
}

/* --- The request ------------------------------------------------------------------------------ */

static void query_add(struct text *text, struct bytes query) {
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < query.len; i++) {
        const unsigned char c = (unsigned char)query.data[i];
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || (c != '\0' && strchr("-._~", c) != NULL);
        if (plain) {
            text_add_char(text, (char)c);
        } else {
            text_add_char(text, '%');
            text_add_char(text, hex[c >> 4]);
            text_add_char(text, hex[c & 15]);
        }
    }
}

static void header_add(struct search_request *request, const char *name, const char *value) {
    assert(request->header_count < COUNT_OF(request->headers));
    request->headers[request->header_count++] = (struct fetch_header){name, value};
}

struct err search_request_write(const struct search_engine *engine, const struct tool_call *call,
                                struct search_request *ret_request) {
    const struct form *form = &forms[engine->form];
    const struct bytes query = json_bytes(call->input, "query");
    const int64_t limit = input_int(call->input, "limit", WEB_RESULTS_DEFAULT);
    struct search_request *request = ret_request;
    *request = (struct search_request){.method = "GET"};
    text_init(&request->url, WEB_URL_MAX);
    text_init(&request->body, (size_t)6 * QUERY_BYTES_MAX + 200);
    text_init(&request->credentials, SEARCH_KEY_MAX + 16);
    text_add_str(&request->url, engine->url);
    header_add(request, "accept", "application/json");
    header_add(request, "user-agent", "drover/" DROVER_VERSION);
    if (engine->form == SEARCH_TAVILY) {
        request->method = "POST";
        text_add_char(&request->body, '{');
        text_add_member(&request->body, "query", query);
        text_add_member_int(&request->body, "max_results", limit);
        text_add_char(&request->body, '}');
        header_add(request, "content-type", "application/json");
    } else {
        text_add_str(&request->url, "?q=");
        query_add(&request->url, query);
        text_add_str(&request->url, engine->form == SEARCH_SEARXNG ? "&format=json" : "");
        if (form->count != NULL) {
            text_addf(&request->url, "&%s=%lld", form->count, (long long)limit);
        }
    }
    if (engine->key != NULL) {
        const bool bearer = engine->form != SEARCH_BRAVE;
        text_add_str(&request->credentials, bearer ? "Bearer " : "");
        text_add_str(&request->credentials, engine->key);
    }
    if (text_failed(&request->url) || text_failed(&request->body) ||
        text_failed(&request->credentials)) {
        search_request_done(request);
        return err_make(ERR_TEXT_TOO_LONG, "search: query");
    }
    if (engine->key != NULL) {
        header_add(request, engine->form == SEARCH_BRAVE ? "x-subscription-token" : "authorization",
                   request->credentials.data);
    }
    return ERR_OK;
}

void search_request_done(struct search_request *request) {
    if (request->credentials.data != NULL) {
        explicit_bzero(request->credentials.data, request->credentials.len);
    }
    text_done(&request->url);
    text_done(&request->body);
    text_done(&request->credentials);
}

/* --- The results ------------------------------------------------------------------------------ */

/* Engines mark the words that were looked for with tags. */
static void plain_member_add(struct text *content, const char *name, const json_t *item,
                             const char *member, size_t len_max) {
    AUTO(text_done) struct text plain = text_up_to((size_t)4 * SOURCE_MAX);
    struct bytes source = json_bytes(item, member);
    source.len = utf8_cut(source, SOURCE_MAX);
    html_to_text(source, &plain);
    struct bytes shown = bytes_trim(text_bytes(&plain), " \t\r\n");
    shown.len = utf8_cut(shown, len_max);
    text_add_member(content, name, shown);
}

void search_result_write(enum search_form form, struct bytes body, int64_t limit,
                         struct tool_result *result) {
    AUTO(json_release) json_t *json = NULL;
    struct why why = {""};
    if (err_failed(json_parse(body.data, body.len, JSON_DEPTH_MAX, &json, &why)) ||
        !json_is_object(json)) {
        failure_result_write(CARD_FETCH_FAILED,
                             "the search endpoint did not answer with JSON; of searxng, its "
                             "settings may not allow the format json",
                             result);
        return;
    }
    const json_t *holder = json;
    if (forms[form].within != NULL) {
        holder = json_object_get(json, forms[form].within);
    }
    const json_t *results = json_object_get(holder, "results"), *item = NULL;
    size_t at = 0;
    int64_t shown = 0;
    text_add_char(&result->content, '[');
    json_array_foreach(results, at, item) {
        struct url url;
        if (shown == limit || result->content.len + RESULT_MAX > TOOL_CONTENT_MAX) {
            break;
        }
        if (!url_join(NULL, json_bytes(item, "url"), &url)) {
            continue;
        }
        text_add_str(&result->content, shown++ > 0 ? ",\n{" : "{");
        plain_member_add(&result->content, "title", item, "title", TITLE_MAX);
        text_add_member(&result->content, "url", bytes_of(url.text));
        plain_member_add(&result->content, "snippet", item, forms[form].snippet, SNIPPET_MAX);
        text_add_char(&result->content, '}');
    }
    text_add_char(&result->content, ']');
    result->cause = CARD_DONE;
}
