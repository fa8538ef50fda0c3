/* run_wait.c: see run_wait.h.
 *
 * The answer of a read finds its waits by the name of the run, and only those that are READING: one
 * that was cancelled is not there any more, and one that was started again is UNREAD. So no answer
 * has a pointer to a wait, and a wait may go at any moment. */
#include "dispatch/base/run_wait.h"

#include <assert.h>

#include "engine/run/runs.h"

static void wait_enter(struct run_wait *wait, enum run_wait_state state) {
    static const unsigned edges[] = {
        [RUN_WAIT_IDLE] = 1U << RUN_WAIT_UNREAD | 1U << RUN_WAIT_FOLLOWING,
        [RUN_WAIT_UNREAD] = 1U << RUN_WAIT_READING | 1U << RUN_WAIT_FOLLOWING | 1U << RUN_WAIT_IDLE,
        [RUN_WAIT_READING] = 1U << RUN_WAIT_FOLLOWING | 1U << RUN_WAIT_IDLE,
        [RUN_WAIT_FOLLOWING] = 1U << RUN_WAIT_FOLLOWING | 1U << RUN_WAIT_IDLE,
    };
    assert((edges[wait->state] >> state & 1) != 0);
    wait->state = state;
}

void run_wait_cancel(struct run_wait *wait) {
    if (wait->state != RUN_WAIT_IDLE) {
        link_remove(&wait->unread);
        table_remove(&wait->waits->table, &wait->node);
        wait_enter(wait, RUN_WAIT_IDLE);
    }
}

static void wait_add(struct run_waits *waits, struct run_wait *wait, struct bytes run) {
    assert(wait->on_end != NULL);
    assert(run.len > 0);
    run_wait_cancel(wait);
    wait->waits = waits;
    wait->run = id_copy(run);
    wait->node.name = bytes_of(wait->run.text);
    wait->status = (struct run_status){.found = false};
    wait->notes = waits->notes;
    table_add(&waits->table, &wait->node);
}

void run_wait_expect(struct run_waits *waits, struct run_wait *wait, struct bytes run) {
    wait_add(waits, wait, run);
    wait_enter(wait, RUN_WAIT_FOLLOWING);
}

/* The owner may be gone after it. */
static void wait_report(struct run_wait *wait, const struct run_status *status) {
    wait->status = *status;
    if (!status->found || run_state_final(status->state)) {
        run_wait_cancel(wait);
        wait->on_end(wait);
        return;
    }
    link_remove(&wait->unread);
    wait_enter(wait, RUN_WAIT_FOLLOWING);
    if (wait->on_change != NULL) {
        wait->on_change(wait);
    }
}

/* --- Rows ------------------------------------------------------------------------------------- */

static struct run_status status_of(const struct run_row *row) {
    return (struct run_status){.found = true,
                               .state = row->state,
                               .cause = row->cause,
                               .attempt = row->attempt,
                               .not_before_ms = row->not_before_ms};
}

/* A damaged row is read as clients see it: a read that failed for it would keep the others. */
static struct err reads_tx(struct tx *tx, void *ctx) {
    struct run_waits *waits = ctx;
    for (size_t i = 0; i < waits->read_count; i++) {
        struct run_read *read = &waits->reads[i];
        const struct run_key key = {.owner = {NULL, 0}, .run = bytes_of(read->run.text)};
        struct run_row row;
        bool found = false;
        TRY(tx_run_find_shown(tx, &key, &found, &row));
        read->status = found ? status_of(&row) : (struct run_status){.found = false};
    }
    return ERR_OK;
}

/* A wait whose row is being read; NULL: there is none, or none any more. */
static struct run_wait *reading_find(const struct run_waits *waits, struct bytes run) {
    struct table_node *node = table_find(&waits->table, run);
    while (node != NULL && CONTAINER_OF(node, struct run_wait, node)->state != RUN_WAIT_READING) {
        node = table_find_next(node);
    }
    return node == NULL ? NULL : CONTAINER_OF(node, struct run_wait, node);
}

static void on_rows_read(void *ctx);

static void rows_read(struct run_waits *waits) {
    if (waits->read_count > 0 || links_empty(&waits->unread) || waits->asker.stopping) {
        return;
    }
    while (!links_empty(&waits->unread) && waits->read_count < RUN_WAIT_READS) {
        struct run_wait *wait = CONTAINER_OF(links_take(&waits->unread), struct run_wait, unread);
        waits->reads[waits->read_count++] = (struct run_read){.run = wait->run};
        wait_enter(wait, RUN_WAIT_READING);
    }
    ask_read(&waits->ask, reads_tx, on_rows_read);
}

static void on_rows_read(void *ctx) {
    struct run_waits *waits = ctx;
    for (size_t i = 0; i < waits->read_count; i++) {
        const struct run_read *read = &waits->reads[i];
        struct run_wait *wait = NULL;
        while ((wait = reading_find(waits, bytes_of(read->run.text))) != NULL) {
            wait_report(wait, &read->status);
        }
    }
    waits->read_count = 0;
    rows_read(waits);
}

void run_wait_start(struct run_waits *waits, struct run_wait *wait, struct bytes run) {
    wait_add(waits, wait, run);
    wait_enter(wait, RUN_WAIT_UNREAD);
    link_add_last(&waits->unread, &wait->unread);
    rows_read(waits);
}

/* --- Notes ------------------------------------------------------------------------------------ */

/* A wait for the run that has not had this note; a callback may add and remove others. */
static struct run_wait *unnoted_find(const struct run_waits *waits, struct bytes run) {
    struct table_node *node = table_find(&waits->table, run);
    while (node != NULL && CONTAINER_OF(node, struct run_wait, node)->notes == waits->notes) {
        node = table_find_next(node);
    }
    return node == NULL ? NULL : CONTAINER_OF(node, struct run_wait, node);
}

void run_waits_note(struct run_waits *waits, const struct run_row *row) {
    const struct run_status status = status_of(row);
    struct run_wait *wait = NULL;
    waits->notes++;
    while (!waits->asker.stopping && (wait = unnoted_find(waits, row->run)) != NULL) {
        wait->notes = waits->notes;
        wait_report(wait, &status);
    }
}

/* --- Life ------------------------------------------------------------------------------------- */

void run_waits_init(struct run_waits *waits, const struct asker *asker) {
    static const struct ask_rules rules = {
        .words = {.effect = "learn whether runs have ended",
                  .again = "runs that others wait for could not be read; it is tried again"}};
    waits->asker = *asker;
    links_init(&waits->unread);
    table_init(&waits->table);
    ask_init(&waits->ask, &waits->asker, &rules, waits);
}

void run_waits_stop(void *ctx) {
    struct run_waits *waits = ctx;
    waits->asker.stopping = true;
    ask_stop(&waits->ask);
}

void run_waits_done(struct run_waits *waits) {
    if (waits->table.buckets != NULL) {
        assert(waits->table.count == 0);
        assert(waits->asker.away == 0);
        table_done(&waits->table);
    }
}
