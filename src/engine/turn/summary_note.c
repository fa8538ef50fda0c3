/* summary_note.c: what a session shows of a summary, and no model is shown.
 *
 * One that was asked for is a turn of its own, and the note is its answer. One that a call of a
 * turn needed stands before the question when nothing was said to it yet, else before the answer.
 * Ids are the order of messages, so questions and answers leave the number before theirs free
 * (submit.c); what else is summarised for the same answer is told in the same note. */
#include "engine/turn/cards.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

enum { WORDS_MAX = 200 };

static struct err words_of(struct tx *tx, const struct turn_compacted *compacted,
                           struct bytes *ret_words) {
    static const char summarised[] = "What was said so far is summarised";
    static const char cut[] =
        "What was said so far could not be summarised, and excerpts stand for "
        "it";
    char words[WORDS_MAX] = "There is nothing to summarise.";
    int64_t before = (int64_t)compacted->folded.bytes / USAGE_BYTES_PER_TOKEN;
    int64_t after = (int64_t)compacted->summary.len / USAGE_BYTES_PER_TOKEN;
    if (compacted->folded.place.message != 0) {
        (void)snprintf(words, sizeof words, "%s: about %" PRId64 " tokens became %" PRId64 ".",
                       compacted->method == TURN_FOLD_SUMMARY ? summarised : cut, before, after);
    }
    *ret_words = (struct bytes){arena_try_copy(tx_arena(tx), words, strlen(words)), strlen(words)};
    return ret_words->data == NULL ? err_make(ERR_OUT_OF_MEMORY, "turns: note") : ERR_OK;
}

struct err turns__note(struct tx *tx, const struct turn *turn,
                       const struct turn_compacted *compacted, struct bytes *ret_words) {
    struct message_part part = {
        .message = turn->row.answer, .step = turn->row.step, .kind = PART_TEXT};
    struct err err = words_of(tx, compacted, &part.text);
    if (!err_failed(err)) {
        err = cards__add_plain(tx, &part);
    }
    *ret_words = err_failed(err) ? (struct bytes){"", 0} : part.text;
    return err;
}

static int64_t place_of(const struct turn_row *row) {
    bool first = row->calls <= 1 && row->question != 0 && row->trigger != TRIGGER_AGAIN;
    return (first ? row->question : row->answer) - 1;
}

static struct err begin(struct tx *tx, struct turn *turn, const struct turn_compacted *compacted,
                        struct message_part *part) {
    struct message_row row = {.message = {compacted->note.text, strlen(compacted->note.text)},
                              .role = ROLE_SYSTEM,
                              .status = MESSAGE_COMPLETED,
                              .run = turn->run.id,
                              .active = true};
    const struct message_insert what = {.session = &turn->session,
                                        .row = &row,
                                        .parts = part,
                                        .count = 1,
                                        .at = place_of(&turn->row)};
    return messages__insert(tx, &what);
}

struct err turns__note_before(struct tx *tx, struct turn *turn,
                              const struct turn_compacted *compacted) {
    struct message_part part = {.step = turn->row.step, .kind = PART_TEXT};
    struct message_row row;
    bool found = false;
    struct err err = words_of(tx, compacted, &part.text);
    if (!err_failed(err)) {
        err = messages__find_id(tx, place_of(&turn->row), &found, &row);
    }
    if (err_failed(err) || !found) {
        return err_failed(err) ? err : begin(tx, turn, compacted, &part);
    }
    if (row.role != ROLE_SYSTEM || row.run != turn->run.id) {
        return ERR_OK; /* A message of before there was room for notes; the event tells of it. */
    }
    part.message = row.id;
    err = cards__add_plain(tx, &part);
    return err_failed(err) ? err : messages__tell_edited(tx, &turn->session, &row);
}
