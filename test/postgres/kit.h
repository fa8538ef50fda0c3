/* kit.h: what the tests of the PostgreSQL driver share: a store in a schema of its own, functions
 * that leave a countable trace, and a session to look on from outside.
 *
 * Threads    one. Stores are inline: kit_turn() runs what was written.
 */
#ifndef DROVER_TEST_POSTGRES_KIT_H
#define DROVER_TEST_POSTGRES_KIT_H

#include "base/base.h"
#include "base/err.h"
#include "store/store.h"

enum { KIT_URL_SIZE = 512, KIT_TEXT_SIZE = 256 };

/* The server's socket, from DROVER_TEST_POSTGRES_DIR. The test fails where there is none. */
const char *kit_server_dir(void);
/* A URL by way of a socket's directory, for a schema that is made when it is missing. */
void kit_url(const char *dir, const char *schema, char ret_url[KIT_URL_SIZE]);

struct kit_store {
    struct store *store;
    struct err lost; /* What `lost` was called with. */
    unsigned waits;
};
struct err kit_try_open(const char *url, struct kit_store *kit, struct why *why);
void kit_open(const char *url, struct kit_store *kit); /* And makes the table `tally (n)`. */
void kit_close(struct kit_store *kit);

/* A function that adds the row `n` to tally: by a query that asks first, then an INSERT. */
struct kit_add {
    int64_t n;
    bool blind;           /* Asks nothing first: its INSERT is all there is. */
    bool fail;            /* Refuses after its INSERT. */
    bool clash;           /* Its INSERT violates a constraint. */
    const char *raise;    /* Raises this SQLSTATE, where not NULL. */
    unsigned runs, dones; /* How often it ran, how often it was answered. */
    struct err result;    /* The answer. */
};
void kit_write(struct kit_store *kit, struct kit_add *add);
void kit_turn(struct kit_store *kit); /* Runs all that is queued. */
/* Writes one function and answers its result. */
struct err kit_add_one(struct kit_store *kit, int64_t n);

/* One value, by a session that has nothing to do with the store's: of the database as it is. */
void kit_look(const char *schema, const char *sql, char ret_text[KIT_TEXT_SIZE]);
void kit_wait_for_server(void); /* Until it answers again, at most a minute. */
int64_t kit_look_int(const char *schema, const char *sql);

#endif
