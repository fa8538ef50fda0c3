/* listen.c: reads an address, and says whether it stays on this machine. */
#include "cli/system/listen.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/number.h"

static bool is_loopback(const char *host) {
    struct in_addr four;
    struct in6_addr six;
    if (strcmp(host, "localhost") == 0) {
        return true;
    }
    if (inet_pton(AF_INET, host, &four) == 1) {
        return (ntohl(four.s_addr) >> 24) == 127;
    }
    return inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

static bool is_address(const char *host) {
    struct in6_addr any;
    return strcmp(host, "localhost") == 0 || inet_pton(AF_INET, host, &any) == 1 ||
           inet_pton(AF_INET6, host, &any) == 1;
}

struct err listen_parse(const char *text, struct listen_address *ret_address, struct why *why) {
    struct listen_address address = {0};
    if (strncmp(text, "unix:", 5) == 0) {
        if (text[5] == '\0') {
            return err_why(why, ERR_USAGE, "listen: 'unix:' needs a path after it");
        }
        *ret_address =
            (struct listen_address){.unix_socket = true, .path = text + 5, .loopback = true};
        return ERR_OK;
    }
    const char *colon = strrchr(text, ':');
    int64_t port = 0;
    if (colon == NULL || !number_parse((struct bytes){colon + 1, strlen(colon + 1)},
                                       (struct number_bounds){0, 65535}, &port)) {
        return err_why(why, ERR_USAGE,
                       "listen: '%s' is neither HOST:PORT (port 0 picks one) nor unix:PATH", text);
    }
    size_t len = (size_t)(colon - text);
    if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    }
    if (len == 0 || len >= sizeof address.host) {
        return err_why(why, ERR_USAGE, "listen: there is no host before the port");
    }
    memcpy(address.host, text, len);
    if (!is_address(address.host)) {
        return err_why(why, ERR_USAGE, "listen: '%s' is neither an IP address nor localhost",
                       address.host);
    }
    address.port = (uint16_t)port;
    address.loopback = is_loopback(address.host);
    *ret_address = address;
    return ERR_OK;
}
