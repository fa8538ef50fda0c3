/* page_links.c: see page_links.h. */
#include "engine/token/page_links.h"

#include <string.h>

void page_link_end(struct page_link *link) {
    explicit_bzero(link, sizeof *link);
}

static void expired_end(struct page_links *links, uint64_t now_ms) {
    for (size_t i = 0; i < PAGE_LINKS_MAX; i++) {
        if (links->links[i].ends_ms <= now_ms) {
            page_link_end(&links->links[i]);
        }
    }
}

struct err page_links_add(struct page_links *links, struct bytes secret,
                          const struct page_link *link, uint64_t now_ms, struct why *why) {
    size_t at = 0;
    expired_end(links, now_ms);
    while (at < PAGE_LINKS_MAX && links->links[at].ends_ms != 0) {
        at++;
    }
    if (at == PAGE_LINKS_MAX) {
        return err_why(why, ERR_TOO_MANY,
                       "%d links wait to be opened already; each ends after %d seconds",
                       PAGE_LINKS_MAX, PAGE_LINK_MS / 1000);
    }
    links->links[at] = *link;
    links->links[at].hash = sha256_of(secret.data, secret.len);
    links->links[at].ends_ms = now_ms + PAGE_LINK_MS;
    return ERR_OK;
}

struct err page_links_find(struct page_links *links, struct bytes secret, uint64_t now_ms,
                           struct page_link **ret_link, struct why *why) {
    const struct sha256 hash = sha256_of(secret.data, secret.len);
    expired_end(links, now_ms);
    for (size_t i = 0; i < PAGE_LINKS_MAX; i++) {
        if (links->links[i].ends_ms != 0 && sha256_equal(&links->links[i].hash, &hash)) {
            *ret_link = &links->links[i];
            return ERR_OK;
        }
    }
    return err_why(why, ERR_UNAUTHORIZED,
                   "the link was used, is older than %d seconds, or is of another start of the"
                   " daemon; 'drover open' makes a new one",
                   PAGE_LINK_MS / 1000);
}
