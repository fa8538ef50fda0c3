/* page_links.h: links that sign a web page in, each once.
 *
 * Promise    a link is valid for PAGE_LINK_MS and for one sign-in; its secret is kept as a hash, in
 *            memory alone: a restart ends all links. Wrong secrets are not counted: nobody guesses
 *            32 random bytes, and a count would let anybody refuse the right one.
 * Ownership  embedded, zeroed. A link that is found is borrowed until the next call.
 * Threads    one at a time. Times are of a clock that goes on while the machine sleeps.
 * Failure    ERR_TOO_MANY: PAGE_LINKS_MAX links are valid.
 *            ERR_UNAUTHORIZED: there is no such link any more.
 */
#ifndef DROVER_ENGINE_TOKEN_PAGE_LINKS_H
#define DROVER_ENGINE_TOKEN_PAGE_LINKS_H

#include "base/base.h"
#include "base/err.h"
#include "base/hash.h"
#include "rules/token/token.h"

enum {
    PAGE_LINK_MS = 60 * 1000,
    PAGE_LINKS_MAX = 16,
    PAGE_LINK_SECRET_LEN = 64, /* Digits of 32 random bytes. */
};

struct page_link {
    struct sha256 hash;
    uint64_t ends_ms; /* 0: the place is free. */
    char owner[TOKEN_OWNER_MAX + 1], origin[TOKEN_ORIGIN_SIZE];
    unsigned scopes;
};

struct page_links {
    struct page_link links[PAGE_LINKS_MAX];
};

/* `link` has owner, origin and scopes. */
MUST_CHECK struct err page_links_add(struct page_links *links, struct bytes secret,
                                     const struct page_link *link, uint64_t now_ms,
                                     struct why *why);
MUST_CHECK struct err page_links_find(struct page_links *links, struct bytes secret,
                                      uint64_t now_ms, struct page_link **ret_link,
                                      struct why *why);
void page_link_end(struct page_link *link);

#endif
