/* address.c: tables of nets, the first that holds the address decides. */
#include "loop/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "base/number.h"

enum { HOST_MAX = 253, MAPPED_BITS = 96 };

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

const char *address_kind_name(enum address_kind kind) {
    static const char *const names[] = {
#define X(kind, name) [ADDRESS_##kind] = (name),
        ADDRESS_KINDS(X)
#undef X
    };
    assert((unsigned)kind < COUNT_OF(names));
    return names[kind];
}

static void map_v4(const uint8_t v4[4], uint8_t ret_bytes[16]) {
    memcpy(ret_bytes, mapped_prefix, sizeof mapped_prefix);
    memcpy(ret_bytes + sizeof mapped_prefix, v4, 4);
}

bool address_from_socket(const struct sockaddr *from, size_t size, struct address *ret_address) {
    if (size >= sizeof(struct sockaddr_in) && from->sa_family == AF_INET) {
        struct sockaddr_in four;
        memcpy(&four, from, sizeof four);
        map_v4((const uint8_t *)&four.sin_addr, ret_address->bytes);
        ret_address->port = ntohs(four.sin_port);
        return true;
    }
    if (size >= sizeof(struct sockaddr_in6) && from->sa_family == AF_INET6) {
        struct sockaddr_in6 six;
        memcpy(&six, from, sizeof six);
        memcpy(ret_address->bytes, &six.sin6_addr, sizeof ret_address->bytes);
        ret_address->port = ntohs(six.sin6_port);
        return true;
    }
    return false;
}

bool address_parse(const char *ip, uint16_t port, struct address *ret_address) {
    uint8_t bytes[16];
    if (inet_pton(AF_INET, ip, bytes) == 1) {
        map_v4(bytes, ret_address->bytes);
    } else if (inet_pton(AF_INET6, ip, bytes) == 1) {
        memcpy(ret_address->bytes, bytes, sizeof bytes);
    } else {
        return false;
    }
    ret_address->port = port;
    return true;
}

/* --- Judging ---------------------------------------------------------------------------------- */

static bool in_net(const uint8_t *bytes, const uint8_t *net, unsigned bits) {
    unsigned whole = bits / 8, rest = bits % 8;
    return memcmp(bytes, net, whole) == 0 &&
           (rest == 0 || ((bytes[whole] ^ net[whole]) >> (8 - rest)) == 0);
}

/* IANA's special-purpose registry; what is not here is routed. */
static const struct {
    uint8_t net[4];
    uint8_t bits;
    enum address_kind kind;
} nets_four[] = {
    {{0}, 8, ADDRESS_UNSPECIFIED}, /* 0.0.0.0 reaches this machine. */
    {{10}, 8, ADDRESS_PRIVATE},
    {{100, 64}, 10, ADDRESS_CARRIER_NAT},
    {{127}, 8, ADDRESS_LOOPBACK},
    {{169, 254}, 16, ADDRESS_LINK_LOCAL}, /* Where clouds keep their keys. */
    {{172, 16}, 12, ADDRESS_PRIVATE},
    {{192, 0, 0}, 24, ADDRESS_RESERVED},
    {{192, 0, 2}, 24, ADDRESS_RESERVED},
    {{192, 88, 99}, 24, ADDRESS_RESERVED}, /* Relays of 6to4. */
    {{192, 168}, 16, ADDRESS_PRIVATE},
    {{198, 18}, 15, ADDRESS_RESERVED},
    {{198, 51, 100}, 24, ADDRESS_RESERVED},
    {{203, 0, 113}, 24, ADDRESS_RESERVED},
    {{224}, 4, ADDRESS_MULTICAST},
    {{240}, 4, ADDRESS_RESERVED}, /* 255.255.255.255 too. */
};

static enum address_kind judge_four(const uint8_t v4[4]) {
    for (size_t i = 0; i < COUNT_OF(nets_four); i++) {
        if (in_net(v4, nets_four[i].net, nets_four[i].bits)) {
            return nets_four[i].kind;
        }
    }
    return ADDRESS_PUBLIC;
}

/* In order: a net inside another stands before it. `inner` says where an IPv4 address begins that
 * decides instead of `kind`. */
enum { NO_INNER = 16 };
static const struct {
    uint8_t net[16];
    uint8_t bits, inner;
    enum address_kind kind;
} nets_six[] = {
    {{0}, 128, NO_INNER, ADDRESS_UNSPECIFIED},
    {{[15] = 1}, 128, NO_INNER, ADDRESS_LOOPBACK},
    {{[10] = 0xff, [11] = 0xff}, 96, 12, ADDRESS_RESERVED},          /* Mapped. */
    {{[8] = 0xff, [9] = 0xff}, 96, 12, ADDRESS_RESERVED},            /* Translated. */
    {{0}, 96, 12, ADDRESS_RESERVED},                                 /* Compatible. */
    {{0x00, 0x64, 0xff, 0x9b}, 96, 12, ADDRESS_RESERVED},            /* NAT64. */
    {{0x00, 0x64, 0xff, 0x9b, 0, 1}, 48, NO_INNER, ADDRESS_PRIVATE}, /* NAT64, of the site. */
    {{0x20, 0x02}, 16, 2, ADDRESS_RESERVED},                         /* 6to4. */
    {{0x20, 0x01, 0x0d, 0xb8}, 32, NO_INNER, ADDRESS_RESERVED},      /* For documents. */
    {{0x20, 0x01}, 23, NO_INNER, ADDRESS_RESERVED},                  /* Teredo and its kin. */
    {{0x3f, 0xff}, 20, NO_INNER, ADDRESS_RESERVED},                  /* For documents. */
    {{0xfc}, 7, NO_INNER, ADDRESS_PRIVATE},                          /* Unique local. */
    {{0xfe, 0x80}, 10, NO_INNER, ADDRESS_LINK_LOCAL},
    {{0xfe, 0xc0}, 10, NO_INNER, ADDRESS_PRIVATE}, /* Site-local, long deprecated. */
    {{0xff}, 8, NO_INNER, ADDRESS_MULTICAST},
};

enum address_kind address_judge(const struct address *address) {
    const uint8_t *bytes = address->bytes;
    for (size_t i = 0; i < COUNT_OF(nets_six); i++) {
        if (in_net(bytes, nets_six[i].net, nets_six[i].bits)) {
            return nets_six[i].inner == NO_INNER ? nets_six[i].kind
                                                 : judge_four(bytes + nets_six[i].inner);
        }
    }
    if ((bytes[0] & 0xe0) != 0x20) { /* Only 2000::/3 is given out. */
        return ADDRESS_RESERVED;
    }
    /* ISATAP: interface ids 0000:5efe:a.b.c.d and 0200:5efe:a.b.c.d; a tunnel delivers to that
     * address. */
    bool isatap =
        (bytes[8] & ~0x02) == 0 && bytes[9] == 0 && bytes[10] == 0x5e && bytes[11] == 0xfe;
    return isatap ? judge_four(bytes + 12) : ADDRESS_PUBLIC;
}

/* --- The list --------------------------------------------------------------------------------- */

struct entry {
    char host[HOST_MAX + 1]; /* "": a net. */
    uint8_t net[16];
    unsigned bits;
    uint16_t port; /* 0: any. */
};

struct address_list {
    size_t count;
    struct entry entries[ADDRESS_LIST_MAX];
};

/* Without the dot that may close a full name. */
static size_t host_len(const char *host) {
    size_t len = strlen(host);
    return len > 0 && host[len - 1] == '.' ? len - 1 : len;
}

static bool net_parse(const char *ip, const char *bits_text, struct entry *entry) {
    struct address address;
    int64_t bits = 128;
    if (!address_parse(ip, 0, &address)) {
        return false;
    }
    unsigned before = strchr(ip, ':') == NULL ? MAPPED_BITS : 0;
    if (bits_text != NULL) {
        if (!number_parse(bytes_of(bits_text), (struct number_bounds){0, 128 - before}, &bits)) {
            return false;
        }
        bits += before;
    }
    memcpy(entry->net, address.bytes, sizeof entry->net);
    entry->bits = (unsigned)bits;
    return true;
}

/* `text` is cut in place. */
static bool entry_parse(char *text, struct entry *entry) {
    char *slash = strchr(text, '/');
    if (slash != NULL) {
        *slash = '\0';
        return net_parse(text, slash + 1, entry);
    }
    if (net_parse(text, NULL, entry)) {
        return true;
    }
    char *colon = strrchr(text, ':');
    if (colon != NULL && strchr(colon, ']') == NULL) {
        int64_t port = 0;
        *colon = '\0';
        if (!number_parse(bytes_of(colon + 1), (struct number_bounds){1, UINT16_MAX}, &port)) {
            return false;
        }
        entry->port = (uint16_t)port;
    }
    size_t len = strlen(text);
    if (text[0] == '[' && text[len - 1] == ']') {
        text[len - 1] = '\0';
        return strchr(text, ':') != NULL && net_parse(text + 1, NULL, entry);
    }
    if (strchr(text, ':') != NULL) { /* IPv6 with a port needs brackets. */
        return false;
    }
    if (net_parse(text, NULL, entry)) {
        return true;
    }
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    len = host_len(text);
    if (len == 0 || len > HOST_MAX || text[strspn(text, letters)] != '\0') {
        return false;
    }
    memcpy(entry->host, text, len);
    return true;
}

struct err address_list_parse(const char *text, struct address_list **ret_list, struct why *why) {
    AUTO(mem_release) struct address_list *list = mem_new(sizeof *list);
    AUTO(mem_release) char *copy = mem_copy(text, strlen(text));
    char *next = copy;
    while (next != NULL) {
        char *item = next, *comma = strchr(next, ',');
        next = comma != NULL ? comma + 1 : NULL;
        if (comma != NULL) {
            *comma = '\0';
        }
        if (list->count == ADDRESS_LIST_MAX) {
            return err_why(why, ERR_CONFIG, "at most %d addresses, with commas between",
                           ADDRESS_LIST_MAX);
        }
        size_t at = (size_t)(item - copy);
        if (!entry_parse(item, &list->entries[list->count++])) {
            return err_why(
                why, ERR_CONFIG,
                "\"%.*s\" is none of NAME, NAME:PORT, IP, IP:PORT, [IPv6]:PORT and IP/BITS",
                (int)strcspn(text + at, ","), text + at);
        }
    }
    *ret_list = list;
    list = NULL; /* Handed over. */
    return ERR_OK;
}

void address_list_free(struct address_list *list) {
    mem_free(list);
}

bool address_allowed(const struct address_list *list, const struct address *address,
                     const char *host) {
    if (address_judge(address) == ADDRESS_PUBLIC) {
        return true;
    }
    struct bytes name = {host, host_len(host)};
    for (size_t i = 0; list != NULL && i < list->count; i++) {
        const struct entry *entry = &list->entries[i];
        if (entry->port != 0 && entry->port != address->port) {
            continue;
        }
        if (entry->host[0] == '\0' ? in_net(address->bytes, entry->net, entry->bits)
                                   : bytes_equal_nocase(bytes_of(entry->host), name)) {
            return true;
        }
    }
    return false;
}

static int hex_digit(char digit) {
    static const char digits[] = "0123456789abcdef";
    const char *at = digit == '\0' ? NULL : strchr(digits, digit >= 'A' ? digit | 0x20 : digit);
    return at == NULL ? -1 : (int)(at - digits);
}

/* Each byte may be written as %XX, and is read so by clients. False: no address is that long. */
static bool host_decode(struct bytes text, char *host, size_t size) {
    size_t len = 0, read = 0;
    for (size_t i = 0; i < text.len && len + 1 < size; i++) {
        const bool coded = text.data[i] == '%' && i + 2 < text.len;
        const int high = coded ? hex_digit(text.data[i + 1]) : -1;
        const int low = coded ? hex_digit(text.data[i + 2]) : -1;
        const bool byte = high >= 0 && low >= 0;
        host[len++] = (char)(byte ? high << 4 | low : text.data[i]);
        i += byte ? 2 : 0;
        read = i + 1;
    }
    host[len] = '\0';
    return read == text.len;
}

/* Every name below localhost means this machine, too. */
static bool is_localhost(const char *host) {
    static const struct bytes suffix = BYTES_INIT(".localhost");
    struct bytes name = {host, host_len(host)};
    return bytes_equal_nocase(name, BYTES("localhost")) ||
           (name.len > suffix.len &&
            bytes_equal_nocase((struct bytes){host + name.len - suffix.len, suffix.len}, suffix));
}

/* Resolvers take "0x7f000001", "0177.1" and "127.0.0.1." for addresses, too. */
static bool host_spells(const char *host, uint16_t port, struct address *ret_address) {
    char plain[INET6_ADDRSTRLEN + 16];
    struct in_addr old;
    if (address_parse(host, port, ret_address)) {
        return true;
    }
    (void)snprintf(plain, sizeof plain, "%.*s", (int)host_len(host), host); /* Fits. */
    return inet_aton(plain, &old) != 0 && inet_ntop(AF_INET, &old, plain, sizeof plain) != NULL &&
           address_parse(plain, port, ret_address);
}

bool address_url_allowed(const struct address_list *list, const char *url,
                         struct address_refused *ret_refused) {
    bool secure = strncmp(url, "https://", 8) == 0;
    const char *at = url + (secure ? 8 : strlen("http://"));
    if (!secure && strncmp(url, "http://", 7) != 0) {
        return true;
    }
    int64_t port = secure ? 443 : 80;
    char host[INET6_ADDRSTRLEN + 16];
    bool brackets = at[0] == '[';
    at += brackets;
    size_t len = strcspn(at, brackets ? "]" : ":/?#"), colon = len + brackets;
    if ((brackets && at[len] == '\0') || !host_decode((struct bytes){at, len}, host, sizeof host)) {
        return true;
    }
    if (at[colon] == ':') {
        struct bytes digits = {at + colon + 1, strcspn(at + colon + 1, "/?#")};
        if (digits.len > 0 && !number_parse(digits, (struct number_bounds){1, UINT16_MAX}, &port)) {
            return true;
        }
    }
    bool local = is_localhost(host);
    struct address address, other;
    if (!host_spells(local ? "127.0.0.1" : host, (uint16_t)port, &address) ||
        address_allowed(list, &address, host)) {
        return true;
    }
    /* A name may lead to either loopback address. */
    if (local && address_parse("::1", (uint16_t)port, &other) &&
        address_allowed(list, &other, host)) {
        return true;
    }
    (void)snprintf(ret_refused->where, sizeof ret_refused->where, "%s%s%s:%lld",
                   brackets ? "[" : "", host, brackets ? "]" : "", (long long)port); /* Fits. */
    ret_refused->kind = address_judge(&address);
    return false;
}
