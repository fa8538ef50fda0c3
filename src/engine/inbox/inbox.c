/* inbox.c: notices, written with the end of a run, and settled by the outcome of their delivery. */
#include "engine/inbox/inbox.h"

#include <string.h>

#include "base/hash.h"
#include "base/json/json.h"
#include "base/utf8.h"
#include "engine/inbox/rows.h"

/* --- Written ---------------------------------------------------------------------------------- */

/* As hard to guess as the run's own id, and the same however often that end is settled: a restored
 * backup may not know that it has been, and the receiver shall. Another attempt is another end. */
static struct id delivery_id(const struct run_row *run, const struct inbox_row *row, size_t at) {
    struct sha256_stream sha;
    const int64_t numbers[] = {run->attempt, (int64_t)row->kind, (int64_t)at};
    sha256_start(&sha);
    sha256_add(&sha, run->run.data, run->run.len);
    sha256_add(&sha, numbers, sizeof numbers);
    sha256_add(&sha, row->address.data, row->address.len);
    struct sha256 digest = sha256_finish(&sha);
    return id_make("dlv", run->made_ms, digest.bytes);
}

struct err inbox__insert(struct tx *tx, struct inbox_row *row) {
    row->cause = row->turn = BYTES("");
    row->state = INBOX_PENDING;
    row->not_before_ms = tx_now_ms(tx);
    if (err_failed(tx_resource_insert(tx, &delivery_resource, row))) {
        return tx_error(tx);
    }
    const struct inbox_receiver receiver = {
        .owner = row->owner, .address = row->address, .kind = row->kind};
    return inbox__tell(tx, &receiver);
}

/* The name of the session that the run is a turn of, else what its submitter calls it. */
static struct bytes title_of(struct tx *tx, const struct run_row *run) {
    struct bytes title = {"", 0};
    if (run_kind_is(run->kind, RUN_IN_SESSION) && run->session.len > 0) {
        AUTO(rows_release)
        struct rows *rows = tx_row(tx, "SELECT title FROM sessions WHERE session = $1",
                                   ARGS(arg_text(run->session)));
        title = rows != NULL ? rows_copy(rows, 0) : title;
    }
    return title.len > 0 ? title : run->label.len > 0 ? run->label : run->command;
}

/* `at`: number of the receiver in the spec; SIZE_MAX: the owner's webhook. */
static struct err notice_insert(struct tx *tx, const struct inbox_notice *notice,
                                const struct inbox__wishes *wishes, struct inbox_row *row,
                                size_t at) {
    const struct run_row *run = notice->run;
    const struct id id = delivery_id(run, row, at);
    AUTO(text_done) struct text payload = text_up_to(INBOX_PAYLOAD_MAX);
    row->delivery = bytes_of(id.text);
    const bool hook = row->kind == RECEIVER_WEBHOOK;
    const struct inbox__head head = {.delivery = row->delivery,
                                     .event = row->event,
                                     .title = hook ? title_of(tx, run) : BYTES(""),
                                     .project = run->project,
                                     .session = run->session,
                                     .origin = wishes->origin,
                                     .page = "/r/",
                                     .name = run->run};
    struct err err = inbox__write_notice(notice, row->delivery, hook ? &head : NULL, &payload);
    row->payload = text_bytes(&payload);
    return err_failed(err) ? err : inbox__insert(tx, row);
}

bool inbox__address(const json_t *entry, struct inbox_row *row) {
    for (unsigned kind = 0; kind < RECEIVER_KIND_COUNT; kind++) {
        const char *name = receiver_kind_names[kind];
        if (json_is_string(json_object_get(entry, name))) {
            row->kind = (enum receiver_kind)kind;
            row->address = json_bytes(entry, name);
            return true;
        }
    }
    return false;
}

static struct err receivers_notify(struct tx *tx, const struct inbox_notice *notice,
                                   struct inbox__wishes *wishes) {
    const struct run_row *run = notice->run;
    AUTO(json_release) json_t *spec = NULL;
    struct err err = json_parse_wrapped(run->spec, &spec, NULL);
    if (err_failed(err)) { /* Damaged: an error here would keep the run from ever ending. */
        return err.code == ERR_BAD_JSON ? ERR_OK : err;
    }
    enum notice_event event;
    (void)notice_event_of(run, 0, &event); /* The receivers of a run hear of every end. */
    const json_t *list = json_object_get(spec, "notify");
    for (size_t i = 0; i < json_array_size(list) && !err_failed(err); i++) {
        struct inbox_row row = {.owner = run->owner, .run = run->run, .event = event};
        if (inbox__address(json_array_get(list, i), &row)) {
            err = notice_insert(tx, notice, wishes, &row, i);
            if (bytes_equal(row.address, wishes->webhook)) {
                wishes->webhook = BYTES(""); /* The owner has this notice already. */
            }
        }
    }
    return err;
}

/* Most runs notify nobody, so the word is looked for before anything is parsed. It may well stand
 * in the text of a command, too: that costs the parsing, no more. */
struct err tx_inbox_notify(struct tx *tx, const struct inbox_notice *notice) {
    static const char word[] = "\"notify\"";
    const struct run_row *run = notice->run;
    struct inbox__wishes wishes;
    struct inbox_row row = {.owner = run->owner, .run = run->run, .kind = RECEIVER_WEBHOOK};
    const bool named =
        run->spec.len > 0 && memmem(run->spec.data, run->spec.len, word, sizeof word - 1) != NULL;
    if (!named && !(bytes_is(run->owner, "local") && notice_event_of(run, 0, &row.event))) {
        return ERR_OK;
    }
    inbox__wishes_read(tx, run->owner, &wishes);
    struct err err = err_failed(tx_error(tx)) ? tx_error(tx)
                     : named                  ? receivers_notify(tx, notice, &wishes)
                                              : ERR_OK;
    if (err_failed(err) || wishes.webhook.len == 0 ||
        !notice_event_of(run, wishes.after_ms, &row.event) ||
        (wishes.events & 1U << row.event) == 0) {
        return err;
    }
    row.address = wishes.webhook;
    return notice_insert(tx, notice, &wishes, &row, SIZE_MAX);
}

/* --- Settled ---------------------------------------------------------------------------------- */

bool inbox__find(struct tx *tx, const char *where, struct arg arg, struct inbox_row *ret_row) {
    AUTO(rows_release)
    struct rows *rows = tx_resource_rows(tx, &delivery_resource, where, &arg, 1);
    bool found = rows_step(rows);
    if (found) {
        inbox__read(tx, rows, ret_row);
    }
    return found;
}

struct err inbox__write(struct tx *tx, struct inbox_row *row) {
    const struct resource_key key = {.owner = row->owner, .id = row->delivery};
    struct err err = tx_resource_update(tx, &delivery_resource, FIELD_SET, row);
    if (!err_failed(err) && row->settled_ms != 0 &&
        tx_number(tx, "SELECT count(*) FROM runs WHERE run = $1", ARGS(arg_text(row->run))) == 0) {
        err = tx_resource_remove(tx, &delivery_resource, &key, NULL /* why */);
    }
    if (err_failed(err)) {
        return err;
    }
    const struct inbox_receiver receiver = {
        .owner = row->owner, .address = row->address, .kind = row->kind};
    return inbox__tell(tx, &receiver);
}

void inbox__fail(struct tx *tx, const struct inbox_waits *waits, uint32_t random,
                 struct inbox_row *row) {
    const bool stalled = row->state == INBOX_STALLED;
    row->failures++;
    struct inbox_next next = inbox_after_failure(waits, row->failures, random);
    row->state = next.state;
    row->not_before_ms = tx_now_ms(tx) + next.wait_ms;
    if (row->state == INBOX_STALLED && !stalled) {
        inbox__tell_stalled(tx, row);
    }
}

struct err tx_inbox_settle(struct tx *tx, const struct inbox_settle *settle, bool *ret_late) {
    struct inbox_row row;
    bool found = inbox__find(tx, "delivery = $1", arg_text(settle->delivery), &row);
    *ret_late = !found || row.settled_ms != 0;
    if (*ret_late) {
        return tx_error(tx);
    }
    row.cause = (struct bytes){settle->cause.data, utf8_cut(settle->cause, INBOX_CAUSE_MAX)};
    if (settle->outcome == INBOX_FAILED) {
        inbox__fail(tx, &settle->waits, settle->random, &row);
    } else {
        row.state = settle->outcome == INBOX_DELIVERED ? INBOX_ACKNOWLEDGED : INBOX_GONE;
        row.settled_ms = tx_now_ms(tx);
    }
    return inbox__write(tx, &row);
}

struct err tx_inbox_order(struct tx *tx, const struct inbox_key *key, enum inbox_order order,
                          struct inbox_row *ret_row) {
    struct inbox_row row;
    if (!inbox__find(tx, "delivery = $1", arg_text(key->delivery), &row) ||
        (key->owner.data != NULL && !bytes_equal(row.owner, key->owner))) {
        return err_failed(tx_error(tx)) ? tx_error(tx) : err_make(ERR_NOT_FOUND, "inbox: delivery");
    }
    if (row.settled_ms != 0) {
        return err_make(ERR_CONFLICT, "inbox: it is settled");
    }
    if (order == INBOX_RETRY) {
        row.not_before_ms = tx_now_ms(tx); /* What a turn has already is as soon as can be. */
        row.state = row.state == INBOX_HELD ? INBOX_PENDING : row.state;
    } else {
        row.state = INBOX_DROPPED;
        row.settled_ms = tx_now_ms(tx);
    }
    struct err err = inbox__write(tx, &row);
    *ret_row = row;
    return err;
}
