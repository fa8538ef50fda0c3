/* Ids of rows that others name by number: none is given twice. Runs, messages, sessions and budgets
 * are tested beside their deletions. */
/* runs-with: sqlite, postgres */
#include "sessions_kit.h"

#include "engine/session/attachments.h"
#include "engine/system/session_delete.h"

struct adding {
    struct attachment_new what;
    struct attachment_row row;
};

static struct err adding_tx(struct tx *tx, void *ctx) {
    struct adding *adding = ctx;
    return tx_attachment_add(tx, &adding->what, &adding->row);
}

static int64_t attachment_add(struct runs_kit *runs, const char *session, const char *hash) {
    struct adding adding = {
        .what = {.session = {.owner = BYTES("ann"), .session = kit_bytes(session)},
                 .attachment = sessions_id(runs, "att"),
                 .hash = kit_bytes(hash),
                 .media = BYTES("image/png"),
                 .bytes = 5}};
    assert_int_equal(runs_do(runs, adding_tx, &adding), ERR_NONE);
    return adding.row.id;
}

struct removal {
    struct session_delete what;
    bool more;
};

static struct err removal_tx(struct tx *tx, void *ctx) {
    struct removal *removal = ctx;
    return tx_session_delete(tx, &removal->what, &removal->more);
}

static struct err purge_tx(struct tx *tx, void *ctx) {
    bool *more = ctx;
    struct session_purge purge = {.after = 0};
    struct err err = tx_session_purge(tx, &purge);
    *more = purge.more && !purge.waits;
    return err;
}

/* Uses of an attachment go in a later transaction than its row. */
static void no_attachment_gets_the_id_of_one_that_is_still_used(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row first = sessions_add(runs, "one"), other = sessions_add(runs, "other");
    int64_t id = attachment_add(runs, first.session, "aa");
    struct removal removal = {
        .what = {.key = {.owner = BYTES("ann"), .session = kit_bytes(first.session)},
                 .bounds = runs->bounds}};
    assert_int_equal(runs_do(runs, removal_tx, &removal), ERR_NONE);
    assert_false(removal.more);
    bool more = true;
    while (runs_count(runs, "SELECT count(*) FROM attachments") > 0) {
        assert_true(more);
        assert_int_equal(runs_do(runs, purge_tx, &more), ERR_NONE);
    }
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM attachment_uses"), 1);
    int64_t next = attachment_add(runs, other.session, "bb");
    assert_true(next > id);
    runs_restart(runs);
    while (more) {
        assert_int_equal(runs_do(runs, purge_tx, &more), ERR_NONE);
    }
    assert_int_equal(runs_count(runs, "SELECT attachment FROM attachment_uses"), next);
    assert_int_equal(attachment_add(runs, other.session, "bb"), next);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RUNS_TEST(no_attachment_gets_the_id_of_one_that_is_still_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
