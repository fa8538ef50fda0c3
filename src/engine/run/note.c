/* note.c: a run as the dispatcher hears of it.
 *
 *   16 numbers of 8 bytes   id, parent, stop_grace, attempt, voids, failures, reboots, epoch,
 *                           priority, key_max, exit_code, made, not_before, started, ended, once
 *    5 bytes                kind, state, gate, cause, stop; then 3 bytes of 0
 *    6 lengths of 4 bytes   run, owner, key, label, host, spec
 *    then those texts, one after the other
 *
 * Integers are in the byte order of the machine and not aligned: a note never leaves the process
 * and is never stored. It is valid if its length is exactly the sum of its parts and its words are
 * known. `spec` is empty unless the run runs, so that a long queue is cheap to tell of.
 */
#include "engine/run/rows.h"

#include <string.h>

#include "base/memory.h"

enum { NUMBERS = 17, WORDS = 8, TEXTS = 6 };
struct head {
    int64_t numbers[NUMBERS];
    uint8_t words[WORDS];
    uint32_t lengths[TEXTS];
};
static_assert(sizeof(struct head) == NUMBERS * 8 + WORDS + TEXTS * 4, "a head without holes");

static bool runs_now(const struct run_row *row) {
    return row->state == RUN_RUNNING || row->state == RUN_WAITING;
}

static void fill_head(const struct run_row *row, struct head *head) {
    *head = (struct head){
        .numbers = {row->id, row->parent, row->stop_grace_ms, row->attempt, row->voids,
                    row->failures, row->reboots, row->epoch, row->priority, row->key_max,
                    row->exit_code, row->made_ms, row->not_before_ms, row->started_ms,
                    row->ended_ms, row->once ? 1 : 0, row->steady_ms},
        .words = {(uint8_t)row->kind, (uint8_t)row->state, (uint8_t)row->gate, (uint8_t)row->cause,
                  (uint8_t)row->stop},
    };
}

struct err runs__tell(struct tx *tx, const struct run_row *row) {
    const struct bytes none = {"", 0};
    const struct bytes texts[TEXTS] = {row->run,   row->owner, row->key,
                                       row->label, row->host,  runs_now(row) ? row->spec : none};
    struct head head;
    fill_head(row, &head);
    size_t len = sizeof head;
    for (size_t i = 0; i < TEXTS; i++) {
        assert(texts[i].len <= UINT32_MAX);
        head.lengths[i] = (uint32_t)texts[i].len;
        len += texts[i].len;
    }
    char *bytes = arena_try(tx_arena(tx), len);
    if (bytes == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "runs: note");
    }
    memcpy(bytes, &head, sizeof head);
    char *at = bytes + sizeof head;
    for (size_t i = 0; i < TEXTS; i++) {
        if (texts[i].len > 0) {
            memcpy(at, texts[i].data, texts[i].len);
            at += texts[i].len;
        }
    }
    return tx_note(tx, RUN_NOTE, (struct bytes){bytes, len});
}

static bool words_known(const struct head *head) {
    return head->words[0] < RUN_KIND_COUNT && head->words[1] < RUN_STATE_COUNT &&
           head->words[2] < RUN_GATE_COUNT && head->words[3] < RUN_CAUSE_COUNT &&
           head->words[4] < RUN_CAUSE_COUNT;
}

static struct run_row row_of(const struct head *head) {
    const int64_t *numbers = head->numbers;
    return (struct run_row){.id = numbers[0],
                            .parent = numbers[1],
                            .stop_grace_ms = numbers[2],
                            .attempt = numbers[3],
                            .voids = numbers[4],
                            .failures = numbers[5],
                            .reboots = numbers[6],
                            .epoch = numbers[7],
                            .priority = numbers[8],
                            .key_max = numbers[9],
                            .exit_code = numbers[10],
                            .made_ms = numbers[11],
                            .not_before_ms = numbers[12],
                            .started_ms = numbers[13],
                            .ended_ms = numbers[14],
                            .once = numbers[15] != 0,
                            .steady_ms = numbers[16],
                            .kind = (enum run_kind)head->words[0],
                            .state = (enum run_state)head->words[1],
                            .gate = (enum run_gate)head->words[2],
                            .cause = (enum run_cause)head->words[3],
                            .stop = (enum run_cause)head->words[4],
                            .command = {"", 0},
                            .budget = {"", 0},
                            .note = {"", 0},
                            .result = {"", 0}};
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
    if (rest != 0 || !words_known(&head)) {
        return false;
    }
    struct run_row row = row_of(&head);
    struct bytes *const texts[TEXTS] = {&row.run,   &row.owner, &row.key,
                                        &row.label, &row.host,  &row.spec};
    const char *at = note.data + sizeof head;
    for (size_t i = 0; i < TEXTS; i++) {
        *texts[i] = (struct bytes){at, head.lengths[i]};
        at += head.lengths[i];
    }
    *ret_row = row;
    return true;
}
