/* curl_library.h: libcurl, opened when the first request is made, and the authorities it trusts.
 *
 * Promise    nothing of libcurl (nor of OpenSSL, which comes with it) is in memory before
 *            curl_library_open. It takes some 30 ms, and reading the certificates of the system's
 *            authorities 20 ms more: call it in the pool. All connections share what was read.
 * Ownership  the caller owns the table and ends it with curl_library_close. The library itself
 *            stays in memory until the process ends.
 * Threads    the table is read-only after curl_library_open; what it makes belongs to one thread.
 * Failure    ERR_CONFIG: the library is missing or too old; `why` names the package to install.
 *            That there are no certificates is no failure yet: plain http works, and `trust` tells
 *            why nothing else does.
 */
#ifndef DROVER_LOOP_CURL_LIBRARY_H
#define DROVER_LOOP_CURL_LIBRARY_H

/* The macros that check types would stand in front of the table's members. */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#include "base/base.h"
#include "base/err.h"

/* Every function that we call, once. */
#define CURL_TABLE(X)                                                                              \
    X(curl_global_init)                                                                            \
    X(curl_global_cleanup)                                                                         \
    X(curl_version_info)                                                                           \
    X(curl_easy_init)                                                                              \
    X(curl_easy_setopt)                                                                            \
    X(curl_easy_getinfo)                                                                           \
    X(curl_easy_pause)                                                                             \
    X(curl_easy_strerror)                                                                          \
    X(curl_easy_cleanup)                                                                           \
    X(curl_multi_init)                                                                             \
    X(curl_multi_setopt)                                                                           \
    X(curl_multi_assign)                                                                           \
    X(curl_multi_add_handle)                                                                       \
    X(curl_multi_remove_handle)                                                                    \
    X(curl_multi_socket_action)                                                                    \
    X(curl_multi_info_read)                                                                        \
    X(curl_multi_cleanup)                                                                          \
    X(curl_slist_append)                                                                           \
    X(curl_slist_free_all)                                                                         \
    X(curl_url)                                                                                    \
    X(curl_url_set)                                                                                \
    X(curl_url_get)                                                                                \
    X(curl_url_cleanup)                                                                            \
    X(curl_free)

struct curl_library {
    void *library; /* From dlopen; owned. */
#define X(name) __typeof__(name) *name;
    CURL_TABLE(X)
#undef X
};

/* Of OpenSSL we need four functions, and no header: its objects stay closed to us. */
struct curl_trust {
    void *library; /* Owned. */
    void *store;   /* Owned: what the authorities' certificates were read into. */
    void (*store_free)(void *store);
    void (*context_set)(void *context, void *store);
    char why[200]; /* "", or why it holds no certificate. */
};

/* `ca_file`: PEM; NULL: the one that libcurl was built for. */
MUST_CHECK struct err curl_library_open(const char *ca_file, struct curl_library *ret_library,
                                        struct curl_trust *ret_trust, struct why *why);
void curl_library_close(struct curl_library *library, struct curl_trust *trust); /* Zeroed: fine. */

#endif
