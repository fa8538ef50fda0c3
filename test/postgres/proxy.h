/* proxy.h: stands between libpq and a PostgreSQL server, and cuts the line at a chosen statement.
 *
 * Promise    bytes pass unchanged, whole messages at a time, until the armed statement comes by.
 *            The cut happens once; connections made after it pass unharmed until it is armed again.
 * Ownership  the caller owns the proxy; its socket lives in a directory beside the server's.
 * Threads    it runs on a thread of its own; the functions here are called from one other.
 */
#ifndef DROVER_TEST_POSTGRES_PROXY_H
#define DROVER_TEST_POSTGRES_PROXY_H

#include "base/base.h"

enum proxy_cut {
    PROXY_CUT_REQUEST, /* The server never sees the statement. */
    PROXY_CUT_ANSWER,  /* The server has done it; the client never hears. */
    PROXY_CUT_RACE,    /* The statement is delivered and the client cut while the server works. */
    PROXY_CUT_AFTER,   /* The client has its answer; then the line is cut. */
    PROXY_CUT_SILENT,  /* As ANSWER, but the line stays, and nothing comes any more. */
};

struct proxy;

struct proxy *proxy_open(const char *server_socket);
void proxy_close(struct proxy *proxy);
const char *proxy_dir(const struct proxy *proxy);

/* Cuts at the `skip`+1st execution of the statement with exactly this text. */
void proxy_arm(struct proxy *proxy, const char *sql, enum proxy_cut cut, unsigned skip);
bool proxy_has_cut(struct proxy *proxy);
unsigned proxy_connections(struct proxy *proxy); /* How many there have been. */
/* While true, new connections are closed at once: the server looks dead. */
void proxy_refuse(struct proxy *proxy, bool refuse);
/* While true, all lines stay, new ones come, and no byte passes: the server is frozen. */
void proxy_mute(struct proxy *proxy, bool mute);

#endif
