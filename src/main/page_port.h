/* page_port.h: where browsers reach the daemon. The origin of a web page has the port in it, so a
 * port that a page was opened with is kept, in DIR/page-port, and is listened on again.
 *
 * Promise    the port is chosen at the first link to a page: the one that the daemon listens on,
 *            else one of loopback by chance. Every later start listens on it while there is a key
 *            of a page. Where another program has it, the daemon says so, and takes no other one.
 *            An address of --listen that names a port is the one of pages, and this port is not
 *            listened on.
 * Ownership  embedded, zeroed; what the options point to is borrowed until the server has ended.
 * Threads    the loop.
 * Failure    ERR_ADDRESS_TAKEN: another program has the port. ERR_CONFLICT: --listen names a
 *            socket alone, or there is no public_url.
 */
#ifndef DROVER_MAIN_PAGE_PORT_H
#define DROVER_MAIN_PAGE_PORT_H

#include "api/token/tokens.h"
#include "base/base.h"
#include "base/text.h"
#include "cli/system/serve_options.h"
#include "dispatch/provider/connections.h"
#include "http/server.h"

struct page_port_options {
    const struct serve_options *serve;
    struct http_server *http;
    const struct token_table *tokens;
    const struct connections *connections; /* For the setting public_url. */
    uint16_t bound;                        /* Port of --listen, perhaps by chance; 0: none. */
    void (*listening)(void *ctx);          /* From now on pages are there, not at `bound`. */
    void *ctx;
};

enum page_port_state { PAGE_PORT_UNUSED, PAGE_PORT_LISTENS, PAGE_PORT_TAKEN };

struct page_port {
    struct page_port_options on;
    uint16_t port; /* The kept one; 0: none was chosen. */
    enum page_port_state state;
};

void page_port_start(struct page_port *port, const struct page_port_options *options);
MUST_CHECK struct err page_port_origin(struct page_port *port, enum page_place place,
                                       struct origin_text *ret_origin, struct why *why);
/* Where a link to this machine leads that signs nobody in: to the pages, where a port of theirs is
 * listened on, else to --listen. "": no browser reaches the daemon. */
void page_port_link(const struct page_port *port, struct origin_text *ret_origin);
/* A member of /readyz, where there is a port: ,"pages":{"port","taken"}. */
void page_port_write(const struct page_port *port, struct text *text);

#endif
