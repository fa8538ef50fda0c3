/* resource.h: the routes of resources, from their descriptors (base/resource/resource.h): list,
 * show, make, change and remove, with their parameters and schemas.
 *
 * A feature adds handlers of its own: checks of several fields together, rows of a list from
 * another source, updates of memory after a commit.
 *
 * Ownership  handlers are static, or live as long as the routes. Everything in a host is borrowed
 *            for the server's life.
 * Threads    the loop; `read`: any thread, one at a time; `rows`: inside the list's store function.
 */
#ifndef DROVER_API_BASE_RESOURCE_H
#define DROVER_API_BASE_RESOURCE_H

#include "api/base/page.h"
#include "api/base/request.h"
#include "base/resource/resource.h"
#include "engine/base/resource.h"
#include "http/http.h"
#include "http/server.h"

/* NULL: nothing is added. */
struct resource_handlers {
    const struct resource *resource;
    /* Checks a row before it is stored, and completes it: the members of the body, and the owner.
     * Texts that it makes are in the arena. */
    struct err (*read)(struct request *request, struct arena *arena, void *row);
    /* Completes a row that is made by values that only the loop has, as random numbers. */
    struct err (*start)(struct request *request, struct arena *arena, void *row);
    /* Rows of the list, in place of those of the table. */
    page_rows_fn rows;
    /* Further parameters of the list; .name NULL ends them. */
    const struct query_param *query;
    /* Further members of its rows. */
    const struct field_set *more;
    const char *absent; /* Words after "there is no NAME 'KEY'". */
    /* After the commit of a change; `row` NULL: it was removed. */
    void (*changed)(void *api, const struct resource_key *key, const void *row);
};
struct resource_served {
    const struct resource_handlers *handlers;
    struct request_host *host; /* `api` of its requests. */
};

struct resource_routes;
struct resource_routes *resource_routes_new(const struct resource_served *served, size_t count);
void resource_routes_free(struct resource_routes *routes); /* NULL is allowed. */
struct route_table resource_routes_table(const struct resource_routes *routes);

/* For a handler `rows`: whether the filters of the descriptor admit a row; adds one row where they
 * do; and the rows of the table. */
bool resource_row_fits(const struct page *page, const struct resource *resource, const void *row);
struct err resource_list_row(void *page, const void *row);
MUST_CHECK struct err resource_list_rows(struct tx *tx, struct page *page,
                                         const struct page_part *part);

#endif
