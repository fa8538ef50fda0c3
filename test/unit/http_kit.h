/* http_kit.h: a whole server for a test: loop thread, store, hub, a few routes, and blocking
 * clients.
 *
 * Promise    a client's call ends with the test's failure after KIT_WAIT_MS, so nothing hangs.
 * Threads    the kit's functions: the test's thread.
 */
#ifndef DROVER_TEST_HTTP_KIT_H
#define DROVER_TEST_HTTP_KIT_H

#include <pthread.h>

#include "base/base.h"
#include "http/server.h"

enum { KIT_WAIT_MS = 10000, KIT_WAITS_MAX = 64 };

struct kit_options {
    struct http_limits limits;
    bool insecure_loopback;
    const char *const *allowed_hosts, *const *allowed_origins;
    struct route_table more; /* Routes of the test's own; count 0: none. */
    enum http_inside (*inside)(void *ctx, int pid, struct id *ret_run); /* As of the server. */
};

struct kit {
    struct loop *loop;
    struct hub *hub;
    struct store *store;
    struct http_server *server;
    pthread_t thread;
    uint16_t port;
    char dir[64], path[96];
    struct exchange *waits[KIT_WAITS_MAX]; /* Of GET /wait; the loop's thread. */
    unsigned wait_count, gone_count, drain_count, failed_count;
};

struct kit *kit_start(const struct kit_options *options); /* NULL: defaults, insecure loopback. */
void kit_stop(struct kit *kit);
/* Drains, and returns when it is done. */
void kit_drain(struct kit *kit, unsigned limit_ms);
/* Reads a counter that the loop's thread writes, through that thread. */
unsigned kit_read(struct kit *kit, const unsigned *counter);
struct http_stats kit_stats(struct kit *kit);

int kit_connect(const struct kit *kit);      /* TCP. */
int kit_connect_unix(const struct kit *kit); /* The Unix socket. */
void kit_send(int fd, const char *bytes, size_t len);
void kit_send_text(int fd, const char *text);
/* Reads until `end` is in what was read (NULL: until the end of input). Owned, terminated. */
char *kit_receive_until(int fd, const char *end, size_t *ret_len);
/* Sends, shuts our side, returns all that came. */
char *kit_talk(const struct kit *kit, const char *bytes, size_t len);
int kit_status(const char *answer); /* 0: none. */
/* Makes an event of a stream; the host "t" must be allowed. */
void kit_append(const struct kit *kit, const char *stream, const char *data);

#endif
