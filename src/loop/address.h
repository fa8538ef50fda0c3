/* address.h: which network addresses may be asked, whoever names them. Pure.
 *
 * A URL comes from a client or from a model, and what its host resolves to is decided by somebody
 * else's name server: so what is judged is the address of the socket that is being opened, never
 * the name. Whatever reaches this machine or its neighbours is refused, unless a list names it.
 *
 * Promise    address_judge says ADDRESS_PUBLIC only of addresses that are routed in the open
 *            internet. An IPv4 address inside an IPv6 one (mapped, compatible, translated, NAT64,
 *            6to4, ISATAP) is judged as what it is.
 * Ownership  a list is the caller's: address_list_parse, address_list_free.
 * Threads    any; a list does not change.
 */
#ifndef DROVER_LOOP_ADDRESS_H
#define DROVER_LOOP_ADDRESS_H

#include "base/base.h"
#include "base/err.h"

#define ADDRESS_KINDS(X)                                                                           \
    X(PUBLIC, "public")                                                                            \
    X(UNSPECIFIED, "unspecified")                                                                  \
    X(LOOPBACK, "loopback")                                                                        \
    X(PRIVATE, "private")                                                                          \
    X(LINK_LOCAL, "link-local")                                                                    \
    X(CARRIER_NAT, "carrier-NAT")                                                                  \
    X(MULTICAST, "multicast")                                                                      \
    X(RESERVED, "reserved")

enum address_kind {
#define X(kind, name) ADDRESS_##kind,
    ADDRESS_KINDS(X)
#undef X
};
const char *address_kind_name(enum address_kind kind);

/* IPv4 is kept in its mapped form, ::ffff:a.b.c.d, which is what it is on the wire. */
struct address {
    uint8_t bytes[16];
    uint16_t port;
};
struct sockaddr;
/* Of an IPv4 or IPv6 socket; false for any other family, or one that is too short. */
MUST_CHECK bool address_from_socket(const struct sockaddr *from, size_t size,
                                    struct address *ret_address);
MUST_CHECK bool address_parse(const char *ip, uint16_t port, struct address *ret_address);

enum address_kind address_judge(const struct address *address);

/* What is allowed nevertheless: "NAME", "NAME:PORT", "IP", "IP:PORT", "[IPv6]:PORT", "IP/BITS",
 * with commas between. A name stands for whatever a URL with exactly that host resolves to; an IP
 * or a net is compared with the address itself. */
enum { ADDRESS_LIST_MAX = 64 };
struct address_list;
MUST_CHECK struct err address_list_parse(const char *text, struct address_list **ret_list,
                                         struct why *why);
void address_list_free(struct address_list *list); /* NULL is allowed. */

/* Whether `address` may be connected to for a URL with this host. `list` may be NULL. */
MUST_CHECK bool address_allowed(const struct address_list *list, const struct address *address,
                                const char *host);

/* The same of a URL, as far as its text says: its host is an address, or localhost. A name that
 * must be resolved is allowed here and judged when it is; so is what is no http(s) URL. */
struct address_refused {
    char where[80]; /* "127.0.0.1:8080", as a list names it. */
    enum address_kind kind;
};
MUST_CHECK bool address_url_allowed(const struct address_list *list, const char *url,
                                    struct address_refused *ret_refused);

#endif
