#include "store/postgres/libpq.h"

#include <dlfcn.h>
#include <string.h>

static const char *const names[] = {
#define X(name) #name,
    LIBPQ_TABLE(X)
#undef X
};

/* The table's members after `library` stand in the order of `names`, each a pointer to a function.
 * memcpy moves the address because ISO C has no cast from an object pointer to a function's. */
static struct err find_functions(struct libpq *libpq, struct why *why) {
    void *found[COUNT_OF(names)];
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        found[i] = dlsym(libpq->library, names[i]);
        if (found[i] == NULL) {
            return err_why(
                why, ERR_CONFIG,
                "the PostgreSQL client library is too old: it has no %s; install version "
                "14 or later (package libpq5)",
                names[i]);
        }
    }
    static_assert(sizeof *libpq == sizeof found + sizeof(void *), "a table of pointers only");
    memcpy((char *)libpq + sizeof(void *), found, sizeof found);
    return ERR_OK;
}

struct err libpq_open(struct libpq *ret_libpq, struct why *why) {
    assert(ret_libpq != NULL);

    /* NODELETE: OpenSSL leaves exit handlers and thread keys after that point into itself. */
    struct libpq libpq = {.library = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)};
    if (libpq.library == NULL) {
        return err_why(why, ERR_CONFIG,
                       "the PostgreSQL client library is not installed: apt install libpq5 (%s)",
                       dlerror());
    }
    struct err err = find_functions(&libpq, why);
    if (err_failed(err)) {
        libpq_close(&libpq);
        return err;
    }
    *ret_libpq = libpq;
    return ERR_OK;
}

void libpq_close(struct libpq *libpq) {
    if (libpq->library != NULL) {
        (void)dlclose(libpq->library); /* Only lowers a count: see RTLD_NODELETE. */
    }
    *libpq = (struct libpq){.library = NULL};
}
