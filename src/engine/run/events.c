/* events.c: what happens to a run: as events of its stream run:ID, and as notes to the dispatcher.
 *
 * A note:
 *
 *   numbers of 8 bytes   those of `numbers`, in that order
 *   8 bytes              kind, state, gate, cause, stop, once; then 2 bytes of 0
 *   lengths of 4 bytes   those of `texts`, in that order
 *   then those texts, one after the other
 *
 * Integers are in the byte order of the machine and not aligned: a note never leaves the process
 * and is never stored. It is valid if its length is exactly the sum of its parts and its words are
 * known. `spec` is empty unless the run runs, so that a long queue is cheap to tell of.
 */
#include "engine/run/kinds.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "engine/base/follow.h"
#include "journal/journal.h"

enum { DATA_MAX = 8 << 10 };

struct bytes runs__stream(struct tx *tx, struct bytes run) {
    return tx_stream_name(tx, "run:", run);
}

struct append runs__event_of(struct tx *tx, const struct run_key *run, const char *type,
                             const struct text *data) {
    if (text_failed(data)) {
        tx_fail(tx, text_error(data, "runs: event"));
    }
    return (struct append){.owner = run->owner,
                           .stream = runs__stream(tx, run->run),
                           .type = bytes_of(type),
                           .data = text_bytes(data)};
}

/* Closes the object. With the run's end its stream ends, too. Of some kinds the stream of a
 * session, or of the run above, tells in words of its own. */
static struct err event_append(struct tx *tx, const struct run_row *row, const char *type,
                               struct text *data) {
    const struct run_key key = {.owner = row->owner, .run = row->run};
    struct appended appended;
    if (run_kind_is(row->kind, RUN_IN_SESSION | RUN_IS_STEP)) {
        return ERR_OK;
    }
    text_add_char(data, '}');
    struct append append = runs__event_of(tx, &key, type, data);
    append.last = run_state_final(row->state);
    return tx_append(tx, &append, &appended);
}

static struct text event_begin(void) {
    struct text data = text_up_to(DATA_MAX);
    text_add_char(&data, '{');
    return data;
}

void runs__event_queued(struct tx *tx, const struct run_row *row) {
    AUTO(text_done) struct text data = event_begin();
    text_add_member(&data, "gate", bytes_of(run_gate_name(row->gate)));
    tx_fail(tx, event_append(tx, row, "run_queued", &data));
}

struct err runs__event_started(struct tx *tx, const struct run_row *row) {
    AUTO(text_done) struct text data = event_begin();
    if (run_kinds[row->kind].event_started != NULL) {
        return run_kinds[row->kind].event_started(tx, row);
    }
    text_add_member_int(&data, "attempt", row->attempt);
    return event_append(tx, row, "run_started", &data);
}

void runs__event_retrying(struct tx *tx, const struct run_row *row, int64_t wait_ms) {
    AUTO(text_done) struct text data = event_begin();
    text_add_member_int(&data, "attempt", row->attempt);
    text_add_member(&data, "cause", bytes_of(run_cause_name(row->cause)));
    text_add_member_int(&data, "wait_ms", wait_ms);
    text_add_member(&data, "note", row->note);
    tx_fail(tx, event_append(tx, row, "run_retrying", &data));
}

void runs__event_stopping(struct tx *tx, const struct run_row *row) {
    AUTO(text_done) struct text data = event_begin();
    text_add_member(&data, "cause", bytes_of(run_cause_name(row->stop)));
    text_add_member_int(&data, "grace_ms", row->stop_grace_ms);
    tx_fail(tx, event_append(tx, row, "run_stopping", &data));
}

/* The last event of a run with steps has more to say, and is written with its result. */
struct err runs__event_finished(struct tx *tx, const struct run_row *row) {
    AUTO(text_done) struct text data = event_begin();
    if (run_kind_is(row->kind, RUN_HAS_STEPS | RUN_TELLS_END)) {
        return ERR_OK;
    }
    text_add_member(&data, "state", bytes_of(run_state_name(row->state)));
    text_add_member(&data, "cause", bytes_of(run_cause_name(row->cause)));
    text_add_member_int_or_null(&data, "exit_code", row->exit_code, row->exit_code >= 0);
    text_add_member_int(&data, "attempts", run_attempts(row));
    text_add_member(&data, "note", row->note);
    return event_append(tx, row, "run_finished", &data);
}

/* --- Lists that are followed ------------------------------------------------------------------ */

/* The row of a turn has the sums of its calls; those of a workflow are made by its steps. Nothing
 * is known of the cost of a run that goes on, or of a workflow without calls. */
void runs__cost_mark(struct tx *tx, struct run_row *io_row) {
    const bool sums = run_kind_is(io_row->kind, RUN_HAS_STEPS);
    int64_t numbers[] = {-1, 0};
    if (io_row->ended_ms != 0 && (sums || run_kind_is(io_row->kind, RUN_RESERVES_CALLS))) {
        tx_numbers(tx,
                   sums ? "SELECT CAST(COALESCE(sum(cost_micros), -1) AS BIGINT),"
                          " CAST(COALESCE(sum(cost_unknown), 0) AS BIGINT) FROM usage_totals"
                          " WHERE run = $1 AND run <> 0"
                        : "SELECT cost_micros, cost_unknown FROM runs WHERE id = $1",
                   ARGS(arg_int(io_row->id)), numbers, COUNT_OF(numbers));
    }
    io_row->cost = (struct run_cost){.told = true,
                                     .micros = numbers[0] == 0 && numbers[1] > 0 ? -1 : numbers[0],
                                     .unknown = numbers[1]};
}

void runs__tell_changed(struct tx *tx, int64_t id) {
    struct run_row row;
    if (!runs__find_told(tx, id, &row)) { /* Gone, or inside another one. */
        return;
    }
    AUTO(text_done) struct text data = text_up_to(EVENT_DATA_MAX);
    runs__cost_mark(tx, &row);
    fields_write(&run_fields, FIELD_TOLD, &row, &data);
    const struct follow change = {
        .name = "run", .owner = row.owner, .project = row.project, .id = row.run};
    follow_tell(tx, &change, &data);
    if (run_kind_is(row.kind, RUN_IN_SESSION) &&
        row.session.len > 0) { /* Lists show by it whether it waits. */
        tx_row_changed(tx, FOLLOW_SESSION,
                       tx_number(tx, "SELECT id FROM sessions WHERE session = $1",
                                 ARGS(arg_text(row.session))));
    }
}

void runs__tell_removed(struct tx *tx, const struct run_row *row) {
    const struct follow change = {.name = "run",
                                  .owner = row->owner,
                                  .project = runs__place(row->budget).project,
                                  .id = row->run};
    if (row->parent == 0) {
        follow_tell(tx, &change, NULL /* removed */);
    }
}

/* --- Notes ------------------------------------------------------------------------------------ */

#define AT(member) offsetof(struct run_row, member)
static const size_t numbers[] = {
    AT(id),         AT(parent),    AT(stop_grace_ms), AT(attempt),
    AT(voids),      AT(failures),  AT(reboots),       AT(epoch),
    AT(priority),   AT(key_max),   AT(exit_code),     AT(made_ms),
    AT(started_ms), AT(steady_ms), AT(ended_ms),      AT(not_before_ms),
};
/* The spec is the last one. */
static const size_t texts[] = {AT(run), AT(owner), AT(key), AT(label), AT(host), AT(spec)};
enum { NUMBERS = COUNT_OF(numbers), WORDS = 8, TEXTS = COUNT_OF(texts) };

struct head {
    int64_t numbers[NUMBERS];
    uint8_t words[WORDS];
    uint32_t lengths[TEXTS];
};
static_assert(sizeof(struct head) == NUMBERS * 8 + WORDS + TEXTS * 4, "a head without holes");

struct err runs__tell(struct tx *tx, const struct run_row *row) {
    const char *base = (const char *)row;
    struct head head = {.words = {(uint8_t)row->kind, (uint8_t)row->state, (uint8_t)row->gate,
                                  (uint8_t)row->cause, (uint8_t)row->stop, row->once ? 1 : 0}};
    struct bytes all[TEXTS];
    size_t len = sizeof head;
    for (size_t i = 0; i < NUMBERS; i++) {
        memcpy(&head.numbers[i], base + numbers[i], sizeof head.numbers[i]);
    }
    for (size_t i = 0; i < TEXTS; i++) {
        memcpy(&all[i], base + texts[i], sizeof all[i]);
        all[i].len = i == TEXTS - 1 && !run_lives(row) ? 0 : all[i].len;
        assert(all[i].len <= UINT32_MAX);
        head.lengths[i] = (uint32_t)all[i].len;
        len += all[i].len;
    }
    char *bytes = arena_try(tx_arena(tx), len);
    if (bytes == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "runs: note");
    }
    memcpy(bytes, &head, sizeof head);
    char *at = bytes + sizeof head;
    for (size_t i = 0; i < TEXTS; i++) {
        if (all[i].len > 0) {
            memcpy(at, all[i].data, all[i].len);
            at += all[i].len;
        }
    }
    return tx_note(tx, RUN_NOTE, (struct bytes){bytes, len});
}

bool run_note_read(struct bytes note, struct run_row *ret_row) {
    struct head head;
    if (note.len < sizeof head) {
        return false;
    }
    memcpy(&head, note.data, sizeof head);
    size_t rest = note.len - sizeof head;
    for (size_t i = 0; i < TEXTS; i++) {
        if (head.lengths[i] > rest) {
            return false;
        }
        rest -= head.lengths[i];
    }
    if (rest != 0 || head.words[0] >= RUN_KIND_COUNT || head.words[1] >= RUN_STATE_COUNT ||
        head.words[2] >= RUN_GATE_COUNT || head.words[3] >= RUN_CAUSE_COUNT ||
        head.words[4] >= RUN_CAUSE_COUNT) {
        return false;
    }
    *ret_row = (struct run_row){.kind = (enum run_kind)head.words[0],
                                .state = (enum run_state)head.words[1],
                                .gate = (enum run_gate)head.words[2],
                                .cause = (enum run_cause)head.words[3],
                                .stop = (enum run_cause)head.words[4],
                                .once = head.words[5] != 0,
                                .command = {"", 0},
                                .shown = {"", 0},
                                .budget = {"", 0},
                                .note = {"", 0},
                                .result = {"", 0}};
    for (size_t i = 0; i < NUMBERS; i++) {
        memcpy((char *)ret_row + numbers[i], &head.numbers[i], sizeof head.numbers[i]);
    }
    const char *at = note.data + sizeof head;
    for (size_t i = 0; i < TEXTS; i++) {
        const struct bytes text = {at, head.lengths[i]};
        memcpy((char *)ret_row + texts[i], &text, sizeof text);
        at += text.len;
    }
    return true;
}
