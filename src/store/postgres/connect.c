/* connect.c: see postgres_connect.h. */
#include "store/postgres/connect.h"

#include <string.h>

#include "base/number.h"

/* libpq takes 0 and less for a wait without end, and it cannot be cut short: not by a signal while
 * the daemon stands by, not by the store's end. */
struct err pg_connect_check(const struct libpq *pq, const char *url, struct why *why) {
    struct err err = ERR_OK;
    PQconninfoOption *options = pq->PQconninfoParse(url, /* errmsg */ NULL);
    for (const PQconninfoOption *at = options; at != NULL && at->keyword != NULL; at++) {
        int64_t seconds = 0;
        if (strcmp(at->keyword, "connect_timeout") == 0 && at->val != NULL &&
            !number_parse(bytes_of(at->val), (struct number_bounds){1, PG_CONNECT_MAX_S},
                          &seconds)) {
            why_set(why, "the database's URL: connect_timeout must be 1 to %d (seconds)",
                    PG_CONNECT_MAX_S);
            err = err_make(ERR_CONFIG, "postgres: url");
        }
    }
    pq->PQconninfoFree(options); /* NULL, for a URL that cannot be read: connecting says why. */
    return err;
}

PGconn *pg_connect(const struct libpq *pq, const char *url) {
    /* What stands before the URL is a default that the URL may override, what stands after it
     * holds. A peer that vanishes without a word is noticed within about 30 seconds. Of several
     * hosts the one is taken that can write. */
    static const char *const words[] = {
        "connect_timeout",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "tcp_user_timeout",
        "target_session_attrs",
        "dbname",
        "client_encoding",
        "application_name",
        NULL,
    };
    const char *const values[] = {"10",      "10", "5",    "4",      "30000",
                                  "primary", url,  "UTF8", "drover", NULL};
    static_assert(COUNT_OF(words) == COUNT_OF(values), "a value for each word");
    return pq->PQconnectdbParams(words, values, /* expand_dbname */ 1);
}
