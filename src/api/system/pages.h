/* pages.h: the web pages, which are a client of the API like any other.
 *
 *   /assets/NAME-HASH   a file of the bundle, by gzip; the hash is of its content, so it never
 *                       changes. One that is not there is 404.
 *   anything else       index.html, whose script reads the path. What is below a first segment of
 *                       the API never comes here (http/target.h).
 *
 * Promise    pages hold no data of anybody, so they need no token. index.html has a policy under
 *            which a page runs no script but ours, and reaches no other host. GET and HEAD alone.
 * Ownership  struct pages is the daemon's, and outlives the server.
 * Threads    the loop. Files of a folder are read in the pool.
 */
#ifndef DROVER_API_SYSTEM_PAGES_H
#define DROVER_API_SYSTEM_PAGES_H

#include "http/http.h"
#include "loop/loop.h"

struct pages {
    struct loop *loop;
    int folder; /* Owned: a folder that is served instead of the pages in the binary; -1: none. */
};

/* `folder` NULL: the pages in the binary. ERR_CONFIG: it is no folder. */
MUST_CHECK struct err pages_open(struct pages *pages, struct loop *loop, const char *folder,
                                 struct why *why);
void pages_close(struct pages *pages);

extern const struct route pages_route; /* A fallback (http/server.h) with a struct pages. */

#endif
