/* receivers.c: each URL of a list of receivers, held against the addresses that are allowed. */
#include "api/run/receivers.h"

#include "dispatch/job/dispatch.h"
#include "loop/address.h"

struct err receivers_check(const struct dispatch *dispatch, const json_t *notify, struct why *why) {
    const struct address_list *allow = dispatch_options(dispatch)->webhook_allow;
    for (size_t i = 0; i < json_array_size(notify); i++) {
        const char *url = json_str(json_array_get(notify, i), "webhook", "");
        struct address_refused refused;
        if (!address_url_allowed(allow, url, &refused)) {
            return err_why(why, ERR_BAD_FIELD,
                           "notify[%zu]: the daemon sends nothing to %s, a %s address; start it "
                           "with --webhook-allow %s to allow that",
                           i, refused.where, address_kind_name(refused.kind), refused.where);
        }
    }
    return ERR_OK;
}
