/* receivers.c: each URL of a list of receivers, held against the addresses that are allowed. */
#include "api/run/receivers.h"

#include <stdio.h>

#include "dispatch/job/dispatch.h"
#include "loop/address.h"

struct err receiver_check_url(const struct dispatch *dispatch, const char *where, const char *url,
                              struct why *why) {
    struct address_refused refused;
    if (address_url_allowed(dispatch_options(dispatch)->webhook_allow, url, &refused)) {
        return ERR_OK;
    }
    return err_why(why, ERR_BAD_FIELD,
                   "%s: the daemon sends nothing to %s, a %s address; start it with "
                   "--webhook-allow %s to allow that",
                   where, refused.where, address_kind_name(refused.kind), refused.where);
}

struct err receivers_check(const struct dispatch *dispatch, const json_t *notify, struct why *why) {
    struct err err = ERR_OK;
    for (size_t i = 0; i < json_array_size(notify) && !err_failed(err); i++) {
        char where[32];
        (void)snprintf(where, sizeof where, "notify[%zu]", i); /* Fits. */
        err = receiver_check_url(dispatch, where,
                                 json_str(json_array_get(notify, i), "webhook", ""), why);
    }
    return err;
}
