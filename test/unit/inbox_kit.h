/* inbox_kit.h: what the tests of the inbox do with it. */
#ifndef DROVER_TEST_INBOX_KIT_H
#define DROVER_TEST_INBOX_KIT_H

#include "runs_kit.h"

#define HOOK_A "http://a.test/x"
#define HOOK_B "http://b.test/y"

static inline struct runs_row add_with(struct runs_kit *runs, const char *spec) {
    struct run_new what = runs_new(runs);
    what.spec = kit_bytes(spec);
    return runs_submit(runs, &what);
}

/* A run that notifies A, ended; n of them. */
static inline void owe(struct runs_kit *runs, int count) {
    for (int i = 0; i < count; i++) {
        struct runs_row row =
            add_with(runs, "{\"argv\":[\"true\"],\"notify\":[{\"webhook\":\"" HOOK_A "\"}]}");
        (void)runs_finish(runs, row.run);
    }
}

struct due {
    struct inbox_receiver receiver;
    bool found;
    int64_t wait_ms;
    struct inbox_row row; /* Its texts are gone, but for these. */
    char delivery[ID_SIZE], cause[300], payload[INBOX_PAYLOAD_MAX + 1];
};

static inline void copy_row(const struct inbox_row *row, struct due *due) {
    due->row = *row;
    runs_copy_text(row->delivery, due->delivery, sizeof due->delivery);
    runs_copy_text(row->cause, due->cause, sizeof due->cause);
    runs_copy_text(row->payload, due->payload, sizeof due->payload);
}

static inline struct err due_tx(struct tx *tx, void *ctx) {
    struct due *due = ctx;
    const struct inbox_waits waits = INBOX_WAITS_DEFAULT;
    struct inbox_due found;
    struct err err = tx_inbox_due(tx, &due->receiver, &waits, &found);
    due->found = !err_failed(err) && found.found;
    if (due->found) {
        due->wait_ms = found.wait_ms;
        copy_row(&found.row, due);
    }
    return err;
}

static inline void due_at(struct runs_kit *runs, const char *address, struct due *ret_due) {
    *ret_due = (struct due){.receiver = {.owner = BYTES("ann"),
                                         .address = kit_bytes(address),
                                         .kind = RECEIVER_WEBHOOK}};
    assert_int_equal(runs_do(runs, due_tx, ret_due), ERR_NONE);
}

struct settle {
    struct inbox_settle what;
    bool late;
};

static inline struct err settle_tx(struct tx *tx, void *ctx) {
    struct settle *settle = ctx;
    return tx_inbox_settle(tx, &settle->what, &settle->late);
}

static inline bool settle(struct runs_kit *runs, const char *delivery, enum inbox_outcome outcome) {
    struct settle ask = {.what = {.delivery = kit_bytes(delivery),
                                  .cause = BYTES("the receiver said 500"),
                                  .outcome = outcome,
                                  .waits = INBOX_WAITS_DEFAULT}};
    assert_int_equal(runs_do(runs, settle_tx, &ask), ERR_NONE);
    return !ask.late;
}

static inline size_t notes_for(const struct runs_kit *runs, size_t from, const char *address) {
    size_t count = 0;
    for (size_t i = from; i < runs->count; i++) {
        struct inbox_receiver receiver;
        if (runs->notes[i].kind == INBOX_NOTE) {
            assert_true(inbox_note_read((struct bytes){runs->notes[i].bytes, runs->notes[i].len},
                                        &receiver));
            assert_int_equal(receiver.kind, RECEIVER_WEBHOOK);
            assert_memory_equal(receiver.owner.data, "ann", receiver.owner.len);
            count += receiver.address.len == strlen(address) &&
                     memcmp(receiver.address.data, address, receiver.address.len) == 0;
        }
    }
    return count;
}

#endif
