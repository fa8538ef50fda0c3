/* One timer for each connection, armed as seldom as possible: a deadline that moves into the future
 * is only written down, and looked at when the timer fires. A request that arrives whole, in one
 * read, never touches the timer. */
#include "http/inside.h"
#include "loop/loop_uv.h"

enum { BODY_PROGRESS_MIN = 4096 };

static void look(struct timer *timer);

static uint64_t now_ms(const struct conn *conn) {
    return uv_now(loop_uv(conn->server->loop));
}

static void arm(struct conn *conn, uint64_t due_ms) {
    uint64_t now = now_ms(conn);
    conn->timer_due_ms = due_ms;
    timer_start(conn->server->loop, &conn->timer, due_ms > now ? due_ms - now : 0, look);
}

static void refuse_slow(struct conn *conn, const char *detail) {
    struct why why;
    why_set(&why, "%s", detail);
    conn_refuse(conn, err_make(ERR_REQUEST_TIMEOUT, "http: read"), &why);
}

static void expired(struct conn *conn) {
    conn->deadline_ms = 0;
    switch (conn->state) {
    case CONN_HEAD:
        conn->server->stats.timeouts++;
        refuse_slow(conn, "the head of the request was not complete in time");
        return;
    case CONN_BODY: {
        uint64_t came = conn->parser.wire;
        if (came - conn->progress >= BODY_PROGRESS_MIN) {
            conn->progress = came;
            conn_deadline(conn, conn->server->limits.body_ms);
            return;
        }
        conn->server->stats.timeouts++;
        refuse_slow(conn, "the body of the request came too slowly");
        return;
    }
    case CONN_IDLE:
        if (conn->first == NULL) {
            conn_close(conn);
        }
        return;
    case CONN_LINGER:
        conn_close(conn);
        return;
    default:
        return;
    }
}

static void look(struct timer *timer) {
    struct conn *conn = CONTAINER_OF(timer, struct conn, timer);
    conn->timer_due_ms = 0;
    if (conn->deadline_ms == 0) {
        return;
    }
    if (now_ms(conn) >= conn->deadline_ms) {
        expired(conn);
    } else {
        arm(conn, conn->deadline_ms);
    }
}

void conn_deadline(struct conn *conn, unsigned after_ms) {
    if (after_ms == 0) {
        conn->deadline_ms = 0;
        return;
    }
    conn->deadline_ms = now_ms(conn) + after_ms;
    if (conn->timer_due_ms == 0 || conn->timer_due_ms > conn->deadline_ms) {
        arm(conn, conn->deadline_ms);
    }
}
