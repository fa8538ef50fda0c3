/* wire.h: the client's side of HTTP, just enough of it to measure a server.
 *
 * Promise    trusts the server it measures: a reply that is not understood ends the run.
 * Ownership  everything is embedded; replies and events are borrowed for the call.
 * Threads    one.
 */
#ifndef DROVER_BENCH_WIRE_H
#define DROVER_BENCH_WIRE_H

#include <sys/socket.h>

#include "base/base.h"

struct target {
    struct sockaddr_storage address;
    socklen_t address_len;
    char host[128]; /* For the Host header. */
};
void target_parse(const char *url, struct target *ret_target); /* http://IP:PORT or unix:PATH */
int target_connect(const struct target *target);               /* Connected, then non-blocking. */
void send_all(int fd, const char *bytes, size_t len);

/* Of a reply with a Content-Length: how many of the bytes it takes, 0 when it is not whole yet. */
size_t reply_measure(const char *bytes, size_t len, int *ret_status);

/* Asks once on a new connection; the body, terminated, is cut to `size`. Answers the status. */
int ask_once(const struct target *target, const char *path, char *ret_body, size_t size);

/* An event stream: chunked or raw, cut anywhere. */
struct event {
    uint64_t seq;
    uint64_t stamp; /* The number behind "t": in the data; 0 when there is none. */
};
enum sse_state { SSE_HEAD, SSE_RAW, SSE_CHUNK_SIZE, SSE_CHUNK_DATA };
enum { SSE_CARRY_SIZE = 1024 };
struct sse {
    enum sse_state state;
    size_t chunk_left; /* SSE_CHUNK_DATA: with its line end. */
    struct event event;
    bool has_seq;
    size_t carried; /* Bytes of a line that is not whole yet. */
    char carry[SSE_CARRY_SIZE];
};
void sse_feed(struct sse *sse, const char *bytes, size_t len,
              void (*take)(void *ctx, const struct event *event), void *ctx);

#endif
