/* one.c: one object by its id. */
#include "api/base/one.h"

struct err one_absent(const struct one_kind *kind, struct why *why) {
    why_set(why, "%s", kind->absent);
    return err_make(kind->code == ERR_NONE ? ERR_NOT_FOUND : kind->code, "api: find");
}

bool one_read(struct exchange *exchange, const struct one_kind *kind, unsigned owner_at,
              struct one_key *ret_key) {
    struct why why = {.text = ""};
    struct one_key key = {.id = exchange_param(exchange, 0)};
    struct err err = op_owner(exchange, owner_at, &key.owner, &why);
    if (!err_failed(err) && !id_valid(key.id.data, key.id.len, kind->prefix)) {
        err = one_absent(kind, &why);
    }
    if (err_failed(err)) {
        op_refuse(exchange, err, &why);
        return false;
    }
    *ret_key = key;
    return true;
}
