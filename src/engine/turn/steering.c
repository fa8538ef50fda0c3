/* steering.c: messages that join an answer while a program gives it.
 *
 *   steering ──sent──> delivered ──the program has read it──> joined: a part of the answer
 *      ^                   │
 *      └─ its process is gone; the prompt of the next one has the words
 *
 * "Sent" is one commit that changes the row and adds a line to the input of the process. Input is
 * sent by offset (job/input.h), so the line arrives once, whatever is killed when. A program names
 * each message when it reads it, in the order in which they came. The program decides whether the
 * answer that it is working on covers the message, or another one after that: both belong to this
 * turn. So the input ends only after the result that follows the last message.
 *
 * A message that comes after that, or to a program that takes none, is a turn of its own.
 */
#include "base/hash.h"
#include "base/json/json.h"
#include "engine/job/input.h"
#include "engine/turn/program.h"
#include "engine/turn/record.h"

enum {
    LINE_SPARE = 4 << 10, /* A line without its words. */
    LINE_MAX = 6 * (TURN_TEXT_MAX + LINE_SPARE),
};

/* A process that takes none, or has ended, needs none: what it wanted to know is of no use. */
void programs__input(struct tx *tx, const struct run_row *process, struct bytes input,
                     enum run_input_end end) {
    while (input.len > 0 || end == RUN_INPUT_ENDS) {
        const size_t len = input.len < RUN_INPUT_PIECE_MAX ? input.len : RUN_INPUT_PIECE_MAX;
        const struct run_input piece = {.key = {.owner = process->owner, .run = process->run},
                                        .bytes = {input.data, len},
                                        .end = len == input.len ? end : RUN_INPUT_GOES_ON,
                                        .accepted = INT64_MAX};
        struct run_input_place place;
        struct why why;
        const struct err err = tx_run_input(tx, &piece, &place, &why);
        if (err_failed(err)) {
            tx_fail(tx, err.code == ERR_INPUT_CLOSED || err.code == ERR_NOT_FOUND ||
                                err.code == ERR_RUN_ENDED || err.code == ERR_INPUT_FULL
                            ? ERR_OK
                            : err);
            return;
        }
        input = (struct bytes){input.data + len, input.len - len};
        end = piece.end == end ? RUN_INPUT_GOES_ON : end;
    }
}

/* The end of a text, from a whole character on. */
struct bytes programs__end_of(struct bytes text, size_t len_max) {
    if (text.len > len_max) {
        text = (struct bytes){text.data + text.len - len_max, len_max};
        while (text.len > 0 && ((unsigned char)text.data[0] & 0xc0) == 0x80) {
            text = (struct bytes){text.data + 1, text.len - 1};
        }
    }
    return text;
}

void programs__shorten(struct text *history) {
    static const char left_out[] = "[...] ";
    const struct bytes end =
        programs__end_of(text_bytes(history), PROGRAM_HISTORY_MAX - strlen(left_out));
    AUTO(text_done) struct text newest = text_up_to(PROGRAM_HISTORY_MAX + 1);
    text_add_str(&newest, left_out);
    text_add(&newest, end.data, end.len);
    text_clear(history);
    text_add(history, text_bytes(&newest).data, newest.len);
}

json_t *programs__read_asked(const struct turn *turn) {
    json_t *asked = NULL;
    if (turn->row.program.asked.len == 0 ||
        err_failed(json_parse_wrapped(turn->row.program.asked, &asked, NULL)) ||
        !json_is_array(asked)) {
        json_decref(asked);
        asked = json_array();
    }
    return asked;
}

size_t programs__answered(struct tx *tx, const struct turn *turn, struct program_asked *ret_asked,
                          size_t max) {
    AUTO(json_release) json_t *asked = programs__read_asked(turn);
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(asked) && count < max; i++) {
        const json_t *one = json_array_get(asked, i);
        struct program_asked *into = &ret_asked[count];
        into->question = tx_copy(tx, json_bytes(one, "question"));
        if (cards__find(tx, turn->row.answer, json_int(one, "part", 0), &into->card) &&
            into->card.state != PART_STATE_ASKING && into->card.state != PART_STATE_REVIEWING) {
            count++;
        }
    }
    return count;
}

struct uuid program_message_name(struct bytes process, struct bytes message) {
    struct sha256_stream sha;
    sha256_start(&sha);
    sha256_add(&sha, process.data, process.len);
    sha256_add(&sha, " ", 1);
    sha256_add(&sha, message.data, message.len);
    const struct sha256 digest = sha256_finish(&sha);
    return uuid_make(digest.bytes);
}

void programs__add_words(struct tx *tx, int64_t message, struct text *words) {
    struct message_part part = {.number = 0};
    while (parts__next(tx, message, part.number, &part)) {
        text_add_str(words, words->len > 0 ? "\n\n" : "");
        if (part.kind == PART_IMAGE) {
            text_add_str(words, "[An image was attached here, which cannot be shown to you.]");
        } else {
            text_add(words, part.text.data, part.text.len);
        }
    }
}

/* --- Sending ---------------------------------------------------------------------------------- */

/* The input goes on, and has room for the longest line. */
static bool has_room(struct tx *tx, const struct run_row *process) {
    int64_t of[2];
    return tx_numbers(tx,
                      "SELECT COALESCE(max(ends), 1), max(from_offset + len) - min(from_offset)"
                      " FROM run_input WHERE run = $1",
                      ARGS(arg_int(process->id)), of, COUNT_OF(of)) &&
           of[0] == 0 && of[1] <= RUN_INPUT_MAX - LINE_MAX;
}

bool programs__take(struct tx *tx, const struct session_row *session, int64_t run, turn_line line,
                    struct run_row *ret_process) {
    struct turn_row turn;
    *ret_process = (struct run_row){.run = BYTES("")};
    if (line == NULL || !line(session->program, BYTES(""), BYTES(""), NULL) ||
        !turns__find(tx, run, &turn) || messages__delivered(tx, run).count >= MESSAGE_QUEUE_MAX ||
        messages__steering(tx, session->id, run).count >= MESSAGE_QUEUE_MAX) {
        return false;
    }
    if (turn.program.child == 0) {
        return true;
    }
    return runs__load_id(tx, turn.program.child, ret_process) &&
           !run_state_final(ret_process->state) && has_room(tx, ret_process);
}

void programs__send(struct tx *tx, const struct program_input *input, int64_t id,
                    struct bytes message) {
    const struct uuid name = program_message_name(input->process->run, message);
    AUTO(text_done) struct text words = text_up_to(TURN_TEXT_MAX + LINE_SPARE);
    AUTO(text_done) struct text line = text_up_to(LINE_MAX);
    programs__add_words(tx, id, &words);
    if (text_failed(&words) ||
        !input->line(input->definition, bytes_of(name.text), text_bytes(&words), &line) ||
        text_failed(&line)) {
        tx_fail(tx, err_make(ERR_OUT_OF_MEMORY, "turns: input of a program"));
        return;
    }
    programs__input(tx, input->process, text_bytes(&line), RUN_INPUT_GOES_ON);
}

void programs__send_waiting(struct tx *tx, const struct turn *turn,
                            const struct program_input *input, int64_t prompted) {
    struct message_rows rows = messages__steering(tx, turn->session.id, turn->run.id);
    for (size_t i = 0; i < rows.count; i++) {
        const bool is_prompted = rows.rows[i].id <= prompted;
        if (!is_prompted && !has_room(tx, input->process)) {
            return; /* The rest waits for another process. */
        }
        if (!is_prompted) {
            programs__send(tx, input, rows.rows[i].id, rows.rows[i].message);
        }
        messages__move(tx, &turn->session, MESSAGE_DELIVERED, &rows.rows[i]);
    }
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* Number of messages that the program has read with the one of that name: it and all before. */
static size_t count_read(struct tx *tx, const struct turn *turn, const struct message_rows *rows,
                         struct bytes name) {
    struct run_row process;
    size_t count = 0;
    const bool found =
        rows->count > 0 && name.len > 0 && runs__load_id(tx, turn->row.program.child, &process);
    for (size_t i = 0; found && i < rows->count; i++) {
        const struct uuid one = program_message_name(process.run, rows->rows[i].message);
        count = bytes_is(name, one.text) ? i + 1 : count;
    }
    return count;
}

void turns__join(struct tx *tx, const struct turn *turn, int64_t step, struct message_row *row) {
    const struct message_parts parts = parts__read(tx, row->id, MESSAGE_BYTES_WHOLE);
    for (size_t i = 0; i < parts.count; i++) {
        struct message_part part = parts.parts[i];
        part.message = turn->row.answer;
        part.step = step;
        part.kind = part.kind == PART_TEXT ? PART_STEER : part.kind;
        cards__add_plain(tx, &part);
    }
    messages__move(tx, &turn->session, MESSAGE_JOINED, row);
}

void programs__join(struct tx *tx, const struct turn *turn, struct bytes name, int64_t step) {
    struct message_rows rows = messages__delivered(tx, turn->run.id);
    const size_t count = name.len > 0 ? count_read(tx, turn, &rows, name) : 1;
    for (size_t i = 0; i < count && i < rows.count; i++) {
        turns__join(tx, turn, step, &rows.rows[i]);
    }
}

void programs__take_back(struct tx *tx, const struct turn *turn) {
    struct message_rows rows = messages__delivered(tx, turn->run.id);
    for (size_t i = 0; i < rows.count; i++) {
        messages__move(tx, &turn->session, MESSAGE_STEERING, &rows.rows[i]);
    }
}

struct err tx_program_close(struct tx *tx, const struct program_close *close, bool *ret_closed) {
    struct turn turn;
    struct run_row process;
    *ret_closed = true;
    if (!turns__load_run(tx, close->turn, &turn) || !runs__load(tx, close->process, &process)) {
        return tx_error(tx);
    }
    struct message_rows rows = messages__delivered(tx, turn.run.id);
    if (!close->anyhow && rows.count > count_read(tx, &turn, &rows, close->read)) {
        *ret_closed = false;
        return tx_error(tx);
    }
    programs__input(tx, &process, BYTES(""), RUN_INPUT_ENDS);
    return tx_error(tx);
}

/* --- Telling ---------------------------------------------------------------------------------- */

/* As many as fit; at least the first one does. */
void programs__tell_waiting(struct tx *tx, const struct turn *turn, struct program_task *task) {
    struct message_rows rows = messages__steering(tx, turn->session.id, turn->run.id);
    for (size_t i = 0; i < rows.count && task->joins->len <= PROGRAM_JOINS_MAX; i++) {
        programs__add_words(tx, rows.rows[i].id, task->joins);
        task->prompted = rows.rows[i].id;
        task->last = id_copy(rows.rows[i].message);
    }
}

/* Messages and notices since the last turn that the program has heard of: of turns that ended
 * before it read them, or before it began. */
void programs__tell_missed(struct tx *tx, const struct turn *turn, struct program_task *task) {
    struct message_row heard = {.id = 0};
    if (turn->session.native.heard != 0 &&
        !messages__find_id(tx, turn->session.native.heard, &heard)) {
        return;
    }
    struct message_rows rows = messages__many(
        tx,
        MESSAGE_SELECT "m.session = $1 AND m.id < $2 AND m.id <> $4 AND m.run >= $3 AND m.run > 0"
                       " AND m.role IN ('user', 'notice') AND m.status = 'completed'"
                       " AND m.active = 1 ORDER BY m.id LIMIT $5",
        ARGS(arg_int(turn->session.id), arg_int(turn->row.question), arg_int(heard.run),
             arg_int(heard.reply_to), arg_int(MESSAGE_LIVE_MAX)),
        MESSAGE_LIVE_MAX);
    for (size_t i = 0; i < rows.count; i++) {
        programs__add_words(tx, rows.rows[i].id, task->missed);
        if (task->missed->len > PROGRAM_HISTORY_MAX) { /* Else no prompt might ever fit again. */
            programs__shorten(task->missed);
        }
    }
}
