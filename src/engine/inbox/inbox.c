/* inbox.c: what is owed, written with the end of a run, and settled by how its delivery went. */
#include "engine/inbox/inbox.h"

#include <string.h>

#include "base/hash.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "engine/inbox/rows.h"

static struct arg name_arg(const char *name) {
    return arg_text(bytes_of(name));
}

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

static struct err insert(struct tx *tx, const struct inbox_row *row) {
    static const char sql[] =
        "INSERT INTO inbox (delivery, owner, run, receiver, address, state, cause, failures,"
        " made_ms, not_before_ms, settled_ms, payload)"
        " VALUES ($1, $2, $3, $4, $5, $6, '', 0, $7, $7, NULL, $8)";
    const struct arg args[] = {
        arg_text(row->delivery), arg_text(row->owner),
        arg_text(row->run),      name_arg(receiver_kind_name(row->kind)),
        arg_text(row->address),  name_arg(inbox_state_name(INBOX_PENDING)),
        arg_int(row->made_ms),   arg_text(row->payload),
    };
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
}

static struct err owe(struct tx *tx, const struct inbox_notice *notice, struct inbox_row *row,
                      size_t at) {
    const struct id id = delivery_id(notice->run, row, at);
    AUTO(text_done) struct text payload;
    text_init(&payload, INBOX_PAYLOAD_MAX);
    row->delivery = bytes_of(id.text);
    struct err err = inbox__write_notice(notice, row->delivery, &payload);
    if (err_failed(err)) {
        return err;
    }
    row->payload = (struct bytes){payload.data, payload.len};
    err = insert(tx, row);
    if (err_failed(err)) {
        return err;
    }
    const struct inbox_receiver receiver = {
        .owner = row->owner, .address = row->address, .kind = row->kind};
    return inbox__tell(tx, &receiver);
}

static bool find_address(const json_t *entry, struct inbox_row *row) {
    for (unsigned kind = 0; kind < RECEIVER_KIND_COUNT; kind++) {
        const json_t *address =
            json_object_get(entry, receiver_kind_name((enum receiver_kind)kind));
        if (json_is_string(address)) {
            row->kind = (enum receiver_kind)kind;
            row->address = (struct bytes){json_string_value(address), json_string_length(address)};
            return true;
        }
    }
    return false;
}

/* Most runs notify nobody, so the word is looked for before anything is parsed. It may well stand
 * in the text of a command, too: that costs the parsing, no more. */
struct err tx_inbox_notify(struct tx *tx, const struct inbox_notice *notice) {
    static const char word[] = "\"notify\"";
    const struct run_row *run = notice->run;
    if (run->spec.len == 0 ||
        memmem(run->spec.data, run->spec.len, word, sizeof word - 1) == NULL) {
        return ERR_OK;
    }
    AUTO(json_release) json_t *spec = NULL;
    struct err err = json_parse_wrapped(run->spec, &spec, NULL);
    if (err_failed(err)) { /* Damaged: an error here would keep the run from ever ending. */
        return err.code == ERR_BAD_JSON ? ERR_OK : err;
    }
    const json_t *list = json_object_get(spec, "notify");
    for (size_t i = 0; i < json_array_size(list) && !err_failed(err); i++) {
        struct inbox_row row = {.owner = run->owner, .run = run->run, .made_ms = tx_now_ms(tx)};
        if (find_address(json_array_get(list, i), &row)) {
            err = owe(tx, notice, &row, i);
        }
    }
    return err;
}

/* --- Settled ---------------------------------------------------------------------------------- */

static struct err find(struct tx *tx, struct bytes delivery, bool *ret_found,
                       struct inbox_row *ret_row) {
    static const char sql[] = "SELECT " INBOX_COLUMNS " FROM inbox WHERE delivery = $1";
    const struct arg args[] = {arg_text(delivery)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (!err_failed(err) && rows != NULL) {
        err = inbox__read(tx, rows, ret_row);
    }
    if (!err_failed(err)) {
        *ret_found = rows != NULL;
    }
    return err;
}

struct err inbox__write(struct tx *tx, const struct inbox_row *row) {
    static const char sql[] = "UPDATE inbox SET state = $2, cause = $3, failures = $4,"
                              " not_before_ms = $5, settled_ms = $6, turn = $7 WHERE id = $1";
    const struct arg args[] = {
        arg_int(row->id),
        name_arg(inbox_state_name(row->state)),
        arg_text(row->cause),
        arg_int(row->failures),
        arg_int(row->not_before_ms),
        row->settled_ms == 0 ? arg_null() : arg_int(row->settled_ms),
        arg_text(row->turn),
    };
    struct err err = tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
    if (!err_failed(err) && row->settled_ms != 0) {
        err = inbox__forget_orphan(tx, row);
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
    row->failures++;
    struct inbox_next next = inbox_after_failure(waits, row->failures, random);
    row->state = next.state;
    row->not_before_ms = tx_now_ms(tx) + next.wait_ms;
}

static void apply(struct tx *tx, const struct inbox_settle *settle, struct inbox_row *row) {
    row->cause = (struct bytes){settle->cause.data, utf8_cut(settle->cause, INBOX_CAUSE_MAX)};
    if (settle->outcome != INBOX_FAILED) {
        row->state = settle->outcome == INBOX_DELIVERED ? INBOX_ACKNOWLEDGED : INBOX_GONE;
        row->settled_ms = tx_now_ms(tx);
        return;
    }
    inbox__fail(tx, &settle->waits, settle->random, row);
}

struct err tx_inbox_settle(struct tx *tx, const struct inbox_settle *settle, bool *ret_late) {
    bool found = false;
    struct inbox_row row;
    struct err err = find(tx, settle->delivery, &found, &row);
    if (err_failed(err)) {
        return err;
    }
    bool late = !found || row.settled_ms != 0;
    if (!late) {
        apply(tx, settle, &row);
        err = inbox__write(tx, &row);
    }
    if (!err_failed(err)) {
        *ret_late = late;
    }
    return err;
}

struct err tx_inbox_find(struct tx *tx, const struct inbox_key *key, bool *ret_found,
                         struct inbox_row *ret_row) {
    bool found = false;
    struct inbox_row row;
    struct err err = find(tx, key->delivery, &found, &row);
    if (err_failed(err)) {
        return err;
    }
    if (found && key->owner.data != NULL) {
        found = bytes_equal(row.owner, key->owner);
    }
    if (found) {
        *ret_row = row;
    }
    *ret_found = found;
    return ERR_OK;
}

struct err tx_inbox_order(struct tx *tx, const struct inbox_key *key, enum inbox_order order,
                          struct inbox_row *ret_row) {
    bool found = false;
    struct inbox_row row;
    struct err err = tx_inbox_find(tx, key, &found, &row);
    if (err_failed(err)) {
        return err;
    }
    if (!found) {
        return err_make(ERR_NOT_FOUND, "inbox: delivery");
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
    err = inbox__write(tx, &row);
    if (!err_failed(err)) {
        *ret_row = row;
    }
    return err;
}
