/* page_port.c: see page_port.h. */
#include "main/page_port.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/number.h"
#include "store/datadir.h"

#define PAGE_HOST "127.0.0.1"
#define PAGE_PORT_FILE "page-port"

/* Ports by chance lie below those that the kernel gives to connections (32768 unless set), since
 * one of these may be taken by any program before the next start. */
enum { PORT_MIN = 10000, PORT_MAX = 32767, TRIES_MAX = 32, FILE_SIZE = 16 };

/* Whether --listen names the address of pages: a port that is given, or a socket alone. */
static bool address_is_given(const struct serve_options *serve) {
    return serve->on_demand == NULL && serve->listen_given &&
           (serve->listen.unix_socket || serve->listen.port != 0);
}

/* The port of PAGE_HOST that --listen names; 0: none. */
static uint16_t port_named(const struct serve_options *serve) {
    const struct listen_address *listen = &serve->listen;
    return serve->on_demand == NULL && !listen->unix_socket && listen->loopback &&
                   strchr(listen->host, ':') == NULL
               ? listen->port
               : 0;
}

static uint16_t kept_read(const struct serve_options *serve) {
    AUTO(mem_release) char *path = datadir_path(serve->data, PAGE_PORT_FILE);
    AUTO(mem_release) char *content = NULL;
    int64_t port = 0;
    size_t len = 0;
    struct err err = serve->world->file_read(serve->world->ctx, path, FILE_SIZE, &content, &len);
    const bool known =
        !err_failed(err) && number_parse(bytes_trim((struct bytes){content, len}, "\n"),
                                         (struct number_bounds){1, UINT16_MAX}, &port);
    return known ? (uint16_t)port : 0;
}

static struct err kept_write(struct page_port *port, struct why *why) {
    const struct serve_options *serve = port->on.serve;
    AUTO(mem_release) char *path = datadir_path(serve->data, PAGE_PORT_FILE);
    char content[FILE_SIZE];
    int len = snprintf(content, sizeof content, "%u\n", port->port); /* 5 digits fit. */
    struct err err = serve->world->file_replace(serve->world->ctx, path,
                                                (struct bytes){content, (size_t)len}, 0600);
    if (err_failed(err)) {
        why_set(why, "the port of pages cannot be kept in %s", path);
        port->port = 0;
        port->state = PAGE_PORT_UNUSED;
    }
    return err;
}

static struct err port_listen(struct page_port *port, struct why *why) {
    uint16_t bound = 0;
    struct err err = http_listen_tcp(port->on.http, PAGE_HOST, port->port, &bound, why);
    port->state = err.code == ERR_ADDRESS_TAKEN ? PAGE_PORT_TAKEN
                  : err_failed(err)             ? PAGE_PORT_UNUSED
                                                : PAGE_PORT_LISTENS;
    return err;
}

/* Another port would be another origin, in which no page is signed in. */
static struct err taken_why(const struct page_port *port, struct why *why) {
    return err_why(why, ERR_ADDRESS_TAKEN,
                   "port %u of " PAGE_HOST ", which the pages of this daemon have, is taken by"
                   " another program; 'drover doctor' names it: end that program, or remove"
                   " %s/" PAGE_PORT_FILE " and restart the daemon for another port, where each"
                   " browser must be signed in again",
                   port->port, port->on.serve->data);
}

static struct err port_choose(struct page_port *port, struct why *why) {
    struct err err = err_make(ERR_ADDRESS_TAKEN, "page port: choose");
    if (port_named(port->on.serve) != 0) {
        port->port = port_named(port->on.serve);
        port->state = PAGE_PORT_LISTENS;
        return kept_write(port, why);
    }
    for (int i = 0; i < TRIES_MAX && err.code == ERR_ADDRESS_TAKEN; i++) {
        uint16_t random = 0;
        world_random(port->on.serve->world, &random, sizeof random);
        port->port = (uint16_t)(PORT_MIN + random % (PORT_MAX - PORT_MIN + 1));
        err = port_listen(port, why);
    }
    if (err_failed(err)) {
        port->port = 0;
        port->state = PAGE_PORT_UNUSED;
        return err;
    }
    return kept_write(port, why);
}

/* A page cannot name an address that means all of them. */
static void listen_origin(const struct page_port *port, struct origin_text *ret_origin) {
    const char *given = port->on.serve->listen.host;
    const char *host = strcmp(given, "localhost") == 0 || strcmp(given, "0.0.0.0") == 0 ? PAGE_HOST
                       : strcmp(given, "::") == 0                                       ? "::1"
                                                                                        : given;
    const bool six = strchr(host, ':') != NULL;
    char url[ORIGIN_SIZE];
    (void)snprintf(url, sizeof url, "http://%s%s%s:%u", six ? "[" : "", host, six ? "]" : "",
                   port->on.bound); /* A host is short. */
    bool is_origin = origin_parse(bytes_of(url), ret_origin);
    assert(is_origin); /* listen_parse has read an address. */
}

static void kept_origin(const struct page_port *port, struct origin_text *ret_origin) {
    (void)snprintf(ret_origin->text, sizeof ret_origin->text, "http://" PAGE_HOST ":%u",
                   port->port); /* Fits. */
}

static struct err local_origin(struct page_port *port, struct origin_text *ret_origin,
                               struct why *why) {
    const struct listen_address *listen = &port->on.serve->listen;
    if (address_is_given(port->on.serve) && listen->unix_socket) {
        return err_why(why, ERR_CONFLICT,
                       "this daemon listens on unix:%s alone (--listen), which no browser reaches;"
                       " restart it with --listen " PAGE_HOST ":7433, or without --listen",
                       listen->path);
    }
    if (address_is_given(port->on.serve)) {
        listen_origin(port, ret_origin);
        return ERR_OK;
    }
    struct err err = ERR_OK;
    const bool listened = port->state == PAGE_PORT_LISTENS;
    if (port->port == 0) {
        err = port_choose(port, why);
    } else if (!listened) {
        err = port_listen(port, why);
        err = err.code == ERR_ADDRESS_TAKEN ? taken_why(port, why) : err;
    }
    if (!err_failed(err)) {
        kept_origin(port, ret_origin);
        if (!listened) {
            port->on.listening(port->on.ctx);
        }
    }
    return err;
}

void page_port_link(const struct page_port *port, struct origin_text *ret_origin) {
    if (port->state == PAGE_PORT_LISTENS) {
        kept_origin(port, ret_origin);
    } else if (port->on.bound != 0) {
        listen_origin(port, ret_origin);
    } else {
        *ret_origin = (struct origin_text){.text = ""};
    }
}

struct err page_port_origin(struct page_port *port, enum page_place place,
                            struct origin_text *ret_origin, struct why *why) {
    const struct bytes public_url = connections_settings(port->on.connections)->public_url;
    struct origin_text local = {.text = ""};
    if (place == PAGE_PUBLIC && public_url.len == 0) {
        return err_why(why, ERR_CONFLICT,
                       "public_url is not set: 'drover config set public_url https://…' names the"
                       " address under which other machines reach this daemon");
    }
    struct err err = local_origin(port, &local, why); /* A proxy needs a port, too. */
    if (err_failed(err)) {
        return err;
    }
    *ret_origin = local;
    if (place == PAGE_PUBLIC) {
        bool is_origin = origin_parse(public_url, ret_origin);
        return is_origin ? ERR_OK : err_why(why, ERR_CONFLICT, "public_url is not valid");
    }
    return ERR_OK;
}

void page_port_start(struct page_port *port, const struct page_port_options *options) {
    const struct serve_options *serve = options->serve;
    struct why why = {.text = ""};
    *port = (struct page_port){.on = *options, .port = kept_read(serve)};
    if (port->port == 0 || address_is_given(serve)) {
        return;
    }
    if (port->port == port_named(serve)) {
        port->state = PAGE_PORT_LISTENS;
    } else if (token_table_has_page(options->tokens)) {
        struct err err = port_listen(port, &why);
        if (err.code == ERR_ADDRESS_TAKEN) {
            err = taken_why(port, &why);
        }
        if (err_failed(err)) {
            log_event(serve->log, LOG_WARN, "web pages of this daemon cannot reach it",
                      LOG_FIELDS(log_int("port", port->port), log_text("detail", why.text)));
        }
    }
}

void page_port_write(const struct page_port *port, struct text *text) {
    if (port->state != PAGE_PORT_UNUSED) {
        text_addf(text, ",\"pages\":{\"port\":%u,\"taken\":%s}", port->port,
                  port->state == PAGE_PORT_TAKEN ? "true" : "false");
    }
}
