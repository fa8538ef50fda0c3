/* warm.c: see warm.h. */
#include "warm.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/mman.h>

#include "disk.h"

enum { BUCKETS = 256, TEXTS_BYTES = 1 << 20 };

struct kept {
    struct kept *next;
    sqlite3_stmt *stmt; /* Owned. */
    bool used;          /* By the life. */
};

struct warm {
    sqlite3 *db; /* Owned; NULL: none. */
    bool used;   /* By the life. */
    bool reopened;
    struct kept *buckets[BUCKETS];
};

/* Texts that seeds have prepared, one after the other: the number of the connection, then the text
 * with its NUL. Shared with the process from which seeds are forked. */
struct texts {
    size_t len;
    char bytes[TEXTS_BYTES];
};

struct warms {
    struct warm list[CONNECTIONS_MAX]; /* In the order in which a life opens them. */
    bool keep;
    struct texts *texts;
    size_t texts_read;
};

static struct warms *warms(void) {
    static struct warms all;
    return &all;
}

/* --- The library's own ------------------------------------------------------------------------ */

struct library {
    int (*open)(const char *, sqlite3 **, int, const char *);
    int (*close)(sqlite3 *);
    int (*prepare)(sqlite3 *, const char *, int, unsigned, sqlite3_stmt **, const char **);
    int (*finalize)(sqlite3_stmt *);
    int (*exec)(sqlite3 *, const char *, sqlite3_callback, void *, char **);
};

static void symbol_find(const char *name, void *ret_function) {
    void *found = dlsym(RTLD_NEXT, name);
    assert(found != NULL);
    memcpy(ret_function, &found, sizeof found);
}

static const struct library *library(void) {
    static struct library own;
    if (own.open == NULL) {
        symbol_find("sqlite3_close", &own.close);
        symbol_find("sqlite3_prepare_v3", &own.prepare);
        symbol_find("sqlite3_finalize", &own.finalize);
        symbol_find("sqlite3_exec", &own.exec);
        symbol_find("sqlite3_open_v2", &own.open);
    }
    return &own;
}

/* --- Statements ------------------------------------------------------------------------------- */

static struct warm *warm_of(const sqlite3 *db) {
    for (size_t i = 0; db != NULL && i < CONNECTIONS_MAX; i++) {
        if (warms()->list[i].db == db) {
            return &warms()->list[i];
        }
    }
    return NULL;
}

static struct kept **bucket_of(struct warm *warm, const char *sql) {
    return &warm->buckets[sim_hash(0, 0, sql, 0) % BUCKETS];
}

static struct kept *kept_find(struct warm *warm, const char *sql) {
    struct kept *kept = *bucket_of(warm, sql);
    while (kept != NULL && (kept->used || strcmp(sqlite3_sql(kept->stmt), sql) != 0)) {
        kept = kept->next;
    }
    return kept;
}

static void kept_add(struct warm *warm, const char *sql, sqlite3_stmt *stmt) {
    struct kept *kept = sim_new(sizeof *kept);
    struct kept **bucket = bucket_of(warm, sql);
    kept->stmt = stmt;
    kept->used = true;
    kept->next = *bucket;
    *bucket = kept;
}

static struct kept *kept_of(struct warm *warm, sqlite3_stmt *stmt) {
    const char *sql = sqlite3_sql(stmt);
    struct kept *kept = sql == NULL ? NULL : *bucket_of(warm, sql);
    while (kept != NULL && kept->stmt != stmt) {
        kept = kept->next;
    }
    return kept;
}

static int kept_release(struct kept *kept) {
    int rc = sqlite3_reset(kept->stmt);
    (void)sqlite3_clear_bindings(kept->stmt); /* Cannot fail. */
    kept->used = false;
    return rc;
}

static void text_note(const struct warm *warm, const char *sql) {
    struct texts *texts = warms()->texts;
    size_t size = strlen(sql) + 1;
    if (texts != NULL && texts->len + 1 + size <= TEXTS_BYTES) {
        texts->bytes[texts->len] = (char)(warm - warms()->list);
        memcpy(texts->bytes + texts->len + 1, sql, size);
        texts->len += 1 + size;
    }
}

void warm_learn(void) {
    struct warms *all = warms();
    if (all->texts == NULL) {
        all->texts = mmap(NULL, sizeof *all->texts, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert(all->texts != MAP_FAILED);
    }
    while (all->texts_read < all->texts->len) {
        const char *at = all->texts->bytes + all->texts_read;
        const char *sql = at + 1;
        struct warm *warm = &all->list[(size_t)*at];
        sqlite3_stmt *stmt = NULL;
        all->texts_read += 1 + strlen(sql) + 1;
        if (warm->db != NULL && kept_find(warm, sql) == NULL &&
            library()->prepare(warm->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) ==
                SQLITE_OK) {
            kept_add(warm, sql, stmt);
            (void)kept_release(kept_of(warm, stmt)); /* It was never stepped. */
        }
    }
}

/* A text of several statements, as sqlite3_exec reads them, is nobody's to keep. */
int sqlite3_prepare_v3(sqlite3 *db, const char *sql, int len, unsigned flags,
                       sqlite3_stmt **ret_stmt, const char **ret_tail) {
    struct warm *warm = ret_tail == NULL && len < 0 ? warm_of(db) : NULL;
    struct kept *kept = warm == NULL ? NULL : kept_find(warm, sql);
    if (kept != NULL) {
        kept->used = true;
        *ret_stmt = kept->stmt;
        return SQLITE_OK;
    }
    int rc = library()->prepare(db, sql, len, flags, ret_stmt, ret_tail);
    if (warm != NULL && rc == SQLITE_OK && *ret_stmt != NULL &&
        strcmp(sqlite3_sql(*ret_stmt), sql) == 0) {
        kept_add(warm, sql, *ret_stmt);
        text_note(warm, sql);
    }
    return rc;
}

int sqlite3_prepare_v2(sqlite3 *db, const char *sql, int len, sqlite3_stmt **ret_stmt,
                       const char **ret_tail) {
    return sqlite3_prepare_v3(db, sql, len, 0 /* no flags */, ret_stmt, ret_tail);
}

int sqlite3_finalize(sqlite3_stmt *stmt) {
    struct warm *warm = stmt == NULL ? NULL : warm_of(sqlite3_db_handle(stmt));
    struct kept *kept = warm == NULL ? NULL : kept_of(warm, stmt);
    return kept == NULL ? library()->finalize(stmt) : kept_release(kept);
}

/* --- Connections ------------------------------------------------------------------------------ */

int sqlite3_open_v2(const char *path, sqlite3 **ret_db, int flags, const char *vfs) {
    struct disk *self = disk();
    size_t index = self->connections_count;
    struct warm *warm = &warms()->list[index];
    assert(index < CONNECTIONS_MAX);
    if (warm->db != NULL) {
        assert(!warm->used);
        warm->used = warm->reopened = true;
        self->connections[self->connections_count++] = warm->db;
        *ret_db = warm->db;
        return SQLITE_OK;
    }
    int rc = library()->open(path, ret_db, flags, vfs);
    if (rc == SQLITE_OK) {
        warm->db = *ret_db;
        warm->used = true;
    }
    return rc;
}

static void warm_end(struct warm *warm) {
    for (size_t i = 0; i < BUCKETS; i++) {
        while (warm->buckets[i] != NULL) {
            struct kept *kept = warm->buckets[i];
            warm->buckets[i] = kept->next;
            assert(!kept->used);                   /* SQLite would refuse to close. */
            (void)library()->finalize(kept->stmt); /* Repeats the error of its last step. */
            sim_free(kept);
        }
    }
    int rc = library()->close(warm->db);
    assert(rc == SQLITE_OK);
    *warm = (struct warm){.db = NULL};
}

/* A connection that was opened before has its settings, and each that is made again would expire
 * all that is prepared. */
int sqlite3_exec(sqlite3 *db, const char *sql, sqlite3_callback row, void *ctx, char **ret_why) {
    struct warm *warm = warm_of(db);
    bool set = warm != NULL && warm->reopened && strncmp(sql, "PRAGMA ", 7) == 0;
    return set ? SQLITE_OK : library()->exec(db, sql, row, ctx, ret_why);
}

/* What stands open is ended as if nobody had begun it. True: the connection is as a new one. */
static bool warm_reset(struct warm *warm) {
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct kept *kept = warm->buckets[i]; kept != NULL; kept = kept->next) {
            if (kept->used) {
                (void)kept_release(kept); /* Repeats the error of its last step. */
            }
        }
    }
    if (sqlite3_get_autocommit(warm->db) == 0) {
        (void)sqlite3_exec(warm->db, "ROLLBACK", NULL, NULL, NULL); /* Whether it did is asked. */
    }
    (void)sqlite3_wal_hook(warm->db, NULL, NULL); /* Answers what the last one was called with. */
    warm->used = false;
    return sqlite3_get_autocommit(warm->db) != 0 &&
           sqlite3_txn_state(warm->db, NULL) == SQLITE_TXN_NONE;
}

int sqlite3_close(sqlite3 *db) {
    struct warm *warm = warm_of(db);
    struct disk *self = disk();
    for (size_t i = 0; warm != NULL && i < self->connections_count; i++) {
        if (self->connections[i] == db) {
            self->connections[i] = NULL;
        }
    }
    if (warm == NULL) {
        return library()->close(db);
    }
    if (!warms()->keep || !warm_reset(warm)) {
        warm_end(warm);
    }
    return SQLITE_OK;
}

static bool locks_are_free(void) {
    for (const struct handle *handle = disk()->open; handle != NULL; handle = handle->next) {
        if (handle->shared != 0 || handle->exclusive != 0 || handle->level > SQLITE_LOCK_SHARED) {
            return false;
        }
    }
    return true;
}

bool warm_park(void) {
    bool parked = true;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct warm *warm = &warms()->list[i];
        if (warm->db != NULL && warm->used) {
            parked = warm_reset(warm) && parked;
        }
    }
    parked = parked && locks_are_free();
    if (!parked) {
        warm_close();
    }
    return parked;
}

void warm_keep(bool keep) {
    warms()->keep = keep;
}

void warm_close(void) {
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (warms()->list[i].db != NULL) {
            warm_end(&warms()->list[i]);
        }
    }
}
