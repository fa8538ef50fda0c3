/* patience.c: see patience.h. */
#include "store/postgres/patience.h"

#include <poll.h>

enum {
    BEGIN_MS = 10 * 1000,
    COMMIT_MS = 60 * 1000,
    ENTER_MS = 10 * 1000,
    REPLY_MS = 60 * 1000,
    SCRIPT_MS = 10 * 60 * 1000,
    CLOSE_MS = 5 * 1000,
    QUIET_MS = 10 * 1000, /* A server that is silent for so long counts as unreachable. */
    LOOK_MS = 200,        /* How soon a waiting thread sees that the store closes. */
    NS_IN_MS = 1000 * 1000,
};

void pg_patience_init(struct pg_patience *patience, const struct world *world) {
    *patience = (struct pg_patience){
        .world = world,
        .begin_ms = BEGIN_MS,
        .commit_ms = COMMIT_MS,
        .enter_ms = ENTER_MS,
        .reply_ms = REPLY_MS,
        .script_ms = SCRIPT_MS,
        .close_ms = CLOSE_MS,
    };
    atomic_init(&patience->closing_ns, UINT64_MAX);
    atomic_init(&patience->unreachable, false);
}

static uint64_t after(uint64_t ns, unsigned ms) {
    return ns + (uint64_t)ms * NS_IN_MS;
}

void pg_patience_close(struct pg_patience *patience) {
    atomic_store(&patience->closing_ns, world_mono_ns(patience->world));
}

uint64_t pg_patience_until(const struct pg_patience *patience, unsigned ms) {
    return after(world_mono_ns(patience->world), ms);
}

bool pg_patience_over(const struct pg_patience *patience, uint64_t until_ns) {
    uint64_t now_ns = world_mono_ns(patience->world);
    uint64_t closing_ns = atomic_load(&patience->closing_ns);
    return now_ns >= until_ns ||
           (closing_ns != UINT64_MAX && now_ns >= after(closing_ns, patience->close_ms));
}

/* The silence counts from the close on, where that came later: a server that is only slow gets its
 * few seconds for each answer. */
static bool silent_too_long(const struct pg_patience *patience, uint64_t heard_ns,
                            unsigned silence_ms) {
    uint64_t now_ns = world_mono_ns(patience->world);
    uint64_t closing_ns = atomic_load(&patience->closing_ns);
    if (closing_ns != UINT64_MAX) {
        uint64_t from_ns = heard_ns > closing_ns ? heard_ns : closing_ns;
        if (now_ns >= after(from_ns, patience->close_ms)) {
            return true;
        }
    }
    return now_ns >= after(heard_ns, silence_ms) ||
           (patience->give_up != NULL && patience->give_up(patience->ctx));
}

/* A look at the socket that is not without end. `*ret_heard`: something came, or the end. */
static bool look(const struct libpq *pq, PGconn *conn, bool *ret_heard) {
    int unsent = pq->PQflush(conn);
    if (unsent < 0 || pq->PQsocket(conn) < 0) {
        return false;
    }
    struct pollfd socket = {.fd = pq->PQsocket(conn),
                            .events = (short)(unsent > 0 ? POLLIN | POLLOUT : POLLIN)};
    int count = poll(&socket, 1, LOOK_MS); /* A signal makes us look sooner. */
    *ret_heard = count > 0;
    return count <= 0 || pq->PQconsumeInput(conn) == 1;
}

bool pg_patience_wait(struct pg_patience *patience, const struct libpq *pq, PGconn *conn,
                      unsigned silence_ms) {
    if (!pq->PQisBusy(conn)) {
        return true;
    }
    uint64_t heard_ns = world_mono_ns(patience->world);
    bool quiet = false, heard = false, there = true;
    /* A failure is PQgetResult's to tell. */
    while (pq->PQisBusy(conn) && (there = look(pq, conn, &heard))) {
        if (heard) {
            heard_ns = world_mono_ns(patience->world);
            continue;
        }
        if (silent_too_long(patience, heard_ns, silence_ms)) {
            atomic_store(&patience->unreachable, true);
            return false;
        }
        if (!quiet && world_mono_ns(patience->world) >= after(heard_ns, QUIET_MS)) {
            quiet = true;
            atomic_store(&patience->unreachable, true);
        }
    }
    if (quiet && there) { /* A line that broke is no sign that the server is back. */
        atomic_store(&patience->unreachable, false);
    }
    return true;
}
