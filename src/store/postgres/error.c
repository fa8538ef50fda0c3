#include "store/postgres/error.h"

#include <string.h>

/* The first row whose text begins the state wins, so a class (two characters) stands below the
 * states that are exceptions to it. */
static const struct {
    const char *begins;
    enum err_code code;
} meanings[] = {
    {"08", ERR_STORE_DOWN},       /* Connection exceptions. */
    {"57014", ERR_BUSY},          /* Somebody cancelled the statement, or a timeout did. */
    {"57", ERR_STORE_DOWN},       /* The server stops, crashed or is starting. */
    {"25P03", ERR_STORE_DOWN},    /* Idle in transaction timeout: the backend is gone. */
    {"53100", ERR_DISK_FULL},     /* Disk full on the server. */
    {"53300", ERR_STORE_DOWN},    /* Too many connections; there may be fewer soon. */
    {"53", ERR_OVERLOADED},       /* Memory and other resources of the server. */
    {"54", ERR_TEXT_TOO_LONG},    /* A limit of the program, as that of an index on its texts. */
    {"25006", ERR_READ_ONLY},     /* Read-only transaction: a standby server, or told to be. */
    {"58", ERR_STORE_IO},         /* System errors. */
    {"XX001", ERR_STORE_CORRUPT}, /* Data corrupted. */
    {"XX002", ERR_STORE_CORRUPT}, /* Index corrupted. */
    {"23", ERR_CONFLICT},         /* Constraints: a conflict that the function did not expect. */
    {"40", ERR_BUSY},             /* Somebody else's transaction was in the way of ours. */
    {"55P03", ERR_BUSY},          /* A lock is not available. */
    {"28", ERR_CONFIG},           /* User or password. */
    {"3D000", ERR_CONFIG},        /* No such database. */
    {"42501", ERR_CONFIG},        /* No privilege. */
};

struct err postgres_error(const char *sqlstate, const char *step) {
    assert(sqlstate != NULL);
    if (sqlstate[0] == '\0') {
        return err_make(ERR_STORE_DOWN, step); /* Told by libpq itself: the connection is gone. */
    }
    for (size_t i = 0; i < COUNT_OF(meanings); i++) {
        if (strncmp(sqlstate, meanings[i].begins, strlen(meanings[i].begins)) == 0) {
            return err_make(meanings[i].code, step);
        }
    }
    return err_make(ERR_INTERNAL, step);
}
