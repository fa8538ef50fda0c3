/* holder_out.c: what a holder is told. Nothing queues up: there is one write at a time, wishes that
 * come meanwhile are remembered by kind, and of input there is one piece, until it was accepted. A
 * holder that does not read costs us that much and no more.
 */
#include <sys/socket.h>

#include "base/memory.h"
#include "proc/holder_inside.h"

enum {
    SAID_KEPT_MAX = 1024, /* A larger buffer is given back after its write. */
    SIGNAL_MAX = 64,
};

static bool is_linked(const struct holder *holder) {
    return holder->state == HOLDER_STARTING || holder->state == HOLDER_FOLLOWING;
}

static void write_signals(struct text *said, uint64_t signals) {
    for (unsigned number = 1; number <= SIGNAL_MAX; number++) {
        if ((signals >> (number - 1) & 1) != 0) {
            text_addf(said, "signal %u\n", number);
        }
    }
}

static void write_controls(struct text *said, const struct holder_wishes *wishes) {
    if (wishes->keep) {
        text_add_str(said, "keep\n");
    }
    if (wishes->status) {
        text_add_str(said, "status\n");
    }
    if (wishes->stop) {
        text_addf(said, "stop %u\n", wishes->grace_ms);
    }
    write_signals(said, wishes->signals);
    if (wishes->resize) {
        text_addf(said, "resize %u %u\n", wishes->rows, wishes->columns);
    }
}

static void write_input(struct text *said, const struct holder_piece *piece, int64_t from) {
    size_t skipped = (size_t)(from - piece->offset);
    text_addf(said, "input %lld %zu\n", (long long)from, piece->len - skipped);
    text_add(said, piece->data + skipped, piece->len - skipped);
}

/* All wishes, as bytes; none is left. */
static void write_wishes(struct holder *holder) {
    const struct holder_wishes wishes = holder->wishes;
    holder->wishes = (struct holder_wishes){0};
    write_controls(&holder->said, &wishes);
    if (wishes.input && holder->piece.data != NULL) {
        write_input(&holder->said, &holder->piece, wishes.input_from);
    }
    if (wishes.input_end) {
        text_addf(&holder->said, "input_end %lld\n", (long long)wishes.input_end_at);
    }
}

static void empty_said(struct holder *holder) {
    if (holder->said.size > SAID_KEPT_MAX) {
        text_done(&holder->said);
        text_init(&holder->said, SAID_MAX);
    }
    text_clear(&holder->said);
}

static void on_written(uv_write_t *write, int status) {
    struct holder *holder = write->data;
    loop_breathe(holder->holders->loop);
    holder->writing = false;
    holder->deaf = holder->deaf || status < 0;
    empty_said(holder);
    holder__say(holder);
}

/* Not a callback out of the middle of a call: the reading side sees the end, soon. */
static void break_link(struct holder *holder) {
    uv_os_fd_t fd = -1;
    holder->deaf = true;
    if (uv_fileno((const uv_handle_t *)&holder->pipe, &fd) == 0) {
        (void)shutdown(fd, SHUT_RDWR); /* It may be over already. */
    }
}

void holder__say(struct holder *holder) {
    if (holder->writing || holder->deaf || !is_linked(holder)) {
        return;
    }
    write_wishes(holder);
    if (text_failed(&holder->said)) {
        break_link(holder); /* No memory. What was wished is lost, and the caller must know. */
        return;
    }
    if (holder->said.len == 0) {
        return;
    }
    holder->write.data = holder;
    uv_buf_t buf = uv_buf_init(holder->said.data, (unsigned)holder->said.len);
    int rc = uv_write(&holder->write, (uv_stream_t *)&holder->pipe, &buf, 1, on_written);
    holder->writing = rc == 0;
    if (rc != 0) {
        break_link(holder);
    }
}

/* --- Public ----------------------------------------------------------------------------------- */

void holder_stop(struct holder *holder, unsigned grace_ms) {
    struct holder_wishes *wishes = &holder->wishes;
    if (!wishes->stop || grace_ms < wishes->grace_ms) {
        wishes->grace_ms = grace_ms;
    }
    wishes->stop = true;
    holder__say(holder);
}

void holder_signal(struct holder *holder, int number) {
    assert(number >= 1 && number <= SIGNAL_MAX);
    holder->wishes.signals |= (uint64_t)1 << (number - 1);
    holder__say(holder);
}

void holder_ask(struct holder *holder) {
    holder->silent = true;
    holder->wishes.status = true;
    holder__say(holder);
}

bool holder_is_silent(const struct holder *holder) {
    return holder->silent;
}

void holder_resize(struct holder *holder, unsigned rows, unsigned columns) {
    holder->wishes.resize = true;
    holder->wishes.rows = rows;
    holder->wishes.columns = columns;
    holder__say(holder);
}

void holder_input(struct holder *holder, int64_t offset, struct bytes bytes) {
    assert(offset >= 0);
    if (holder->piece.data != NULL || bytes.len == 0) {
        return; /* One at a time: the caller sends again when that one was accepted. */
    }
    size_t len = bytes.len < PROTOCOL_INPUT_MAX ? bytes.len : PROTOCOL_INPUT_MAX;
    holder->piece = (struct holder_piece){mem_copy(bytes.data, len), offset, len};
    holder->wishes.input = true;
    holder->wishes.input_from = offset;
    holder__say(holder);
}

void holder_input_end(struct holder *holder, int64_t offset) {
    assert(offset >= 0);
    holder->wishes.input_end = true;
    holder->wishes.input_end_at = offset;
    holder__say(holder);
}

/* --- What the holder says to it --------------------------------------------------------------- */

static int64_t piece_end(const struct holder_piece *piece) {
    return piece->offset + (int64_t)piece->len;
}

static void drop_piece(struct holder *holder) {
    mem_free(holder->piece.data);
    holder->piece = (struct holder_piece){0};
    holder->wishes.input = false;
}

void holder__accepted(struct holder *holder, int64_t size) {
    if (holder->piece.data != NULL && size >= piece_end(&holder->piece)) {
        drop_piece(holder);
    }
}

bool holder__gap(struct holder *holder, int64_t size) {
    const struct holder_piece *piece = &holder->piece;
    if (piece->data == NULL || size >= piece_end(piece)) {
        return true; /* It has all that we sent. */
    }
    if (size < piece->offset) {
        drop_piece(holder);
        return false;
    }
    holder->wishes.input = true;
    holder->wishes.input_from = size;
    holder__say(holder);
    return true;
}

/* If it doesn't go through at once, the end of the link says the same. */
void holder__say_bye(struct holder *holder) {
    char bye[] = "bye\n";
    if (!holder->writing && !holder->deaf) {
        uv_buf_t buf = uv_buf_init(bye, sizeof bye - 1);
        (void)uv_try_write((uv_stream_t *)&holder->pipe, &buf, 1);
    }
}
