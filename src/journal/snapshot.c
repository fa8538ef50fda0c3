/* snapshot.c: the state of a stream, from whoever keeps it. */
#include "journal/snapshot.h"

bool snapshots_held(const struct snapshot_kinds *kinds) {
    return kinds->held != NULL && kinds->held(kinds->ctx);
}

struct err tx_snapshot(struct tx *tx, const struct snapshot_kinds *kinds,
                       const struct snapshot_ask *ask, struct text *text, int64_t *ret_seq) {
    bool found = false;
    text_clear(text);
    for (size_t i = 0; i < kinds->count; i++) {
        const struct snapshot_kind *kind = kinds->kinds[i];
        size_t prefix = kind->prefix.len;
        if (ask->name.len > prefix && bytes_begin(ask->name, kind->prefix)) {
            const struct snapshot_of of = {.owner = ask->owner,
                                           .id = {ask->name.data + prefix, ask->name.len - prefix},
                                           .place = kinds->place == NULL ? BYTES("")
                                                                         : kinds->place(kinds->ctx),
                                           .held = ask->held};
            TRY(kind->write(tx, &of, &found, text));
            break;
        }
    }
    if (!found) {
        text_clear(text);
        text_addf(text, "{\"floor\":%lld,\"head\":%lld}", (long long)ask->state.floor,
                  (long long)ask->state.head);
    }
    if (text_failed(text)) {
        return text_error(text, "journal: snapshot");
    }
    *ret_seq = found ? ask->state.head : ask->state.floor;
    return ERR_OK;
}
