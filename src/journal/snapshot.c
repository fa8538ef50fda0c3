/* snapshot.c: the state of a stream, from whoever keeps it. */
#include "journal/snapshot.h"

#include <string.h>

static const struct snapshot_kind *kind_of(const struct snapshot_kinds *kinds, struct bytes name) {
    for (size_t i = 0; i < kinds->count; i++) {
        struct bytes prefix = kinds->kinds[i]->prefix;
        if (name.len > prefix.len && memcmp(name.data, prefix.data, prefix.len) == 0) {
            return kinds->kinds[i];
        }
    }
    return NULL;
}

bool snapshots_held(const struct snapshot_kinds *kinds) {
    return kinds->held != NULL && kinds->held(kinds->ctx);
}

static struct err write_state(struct tx *tx, const struct snapshot_kinds *kinds,
                              const struct snapshot_kind *kind, const struct snapshot_ask *ask,
                              bool *ret_found, struct text *text) {
    const struct snapshot_of of = {
        .owner = ask->owner,
        .id = {ask->name.data + kind->prefix.len, ask->name.len - kind->prefix.len},
        .place = kinds->place == NULL ? (struct bytes){"", 0} : kinds->place(kinds->ctx),
        .held = ask->held};
    struct err err = kind->write(tx, &of, ret_found, text);
    if (!err_failed(err) && *ret_found && text_failed(text)) {
        return text_error(text, "journal: snapshot");
    }
    return err;
}

struct err tx_snapshot(struct tx *tx, const struct snapshot_kinds *kinds,
                       const struct snapshot_ask *ask, struct text *text, int64_t *ret_seq) {
    const struct snapshot_kind *kind = kind_of(kinds, ask->name);
    bool found = false;
    struct err err = ERR_OK;
    text_clear(text);
    if (kind != NULL) {
        err = write_state(tx, kinds, kind, ask, &found, text);
    }
    if (!err_failed(err) && !found) {
        text_clear(text);
        text_addf(text, "{\"floor\":%lld,\"head\":%lld}", (long long)ask->state.floor,
                  (long long)ask->state.head);
    }
    if (!err_failed(err)) {
        *ret_seq = found ? ask->state.head : ask->state.floor;
    }
    return err;
}
