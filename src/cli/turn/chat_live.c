/* chat_live.c: the loop over the keyboard, the session's stream and signals.
 *
 *     keyboard ── edit_line ──> chat_state ──> send, answer, stop, leave (requests of the talk)
 *     stream ──── sse_reader ─> conversation ─> chat_state, lines above
 *     signals ─── resize, fg after Ctrl-Z: draw again; Ctrl-C from outside, SIGTERM, SIGHUP: leave
 *                                  │
 *                                  v
 *     live_screen: the growing line, queued messages, the prompt with the line being typed
 *
 * The stream has a connection of its own, since requests are made while it is open. A connection
 * that broke is made again after a pause, from the last event that was shown. With --json events
 * are printed as they come, and a line of the input is a message once nothing runs.
 *
 * A message whose answer was lost is in doubt: its line stays to be sent again, as the same
 * message. The stream tells where the daemon had accepted it; then the line is cleared. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "cli/run/ask.h"
#include "cli/run/view.h"
#include "cli/stream/sse_reader.h"
#include "cli/terminal/cells.h"
#include "cli/terminal/history.h"
#include "cli/terminal/live_screen.h"
#include "cli/terminal/raw_terminal.h"
#include "cli/turn/answering.h"
#include "cli/turn/card.h"
#include "cli/turn/chat.h"
#include "cli/turn/conversation.h"
#include "cli/turn/question.h"

enum { KEYS_SIZE = 4096, ABOVE_MAX = 4 << 20, COLUMNS = 80, ROWS = 24 };

/* A message that was sent, and whose answer was lost. */
struct doubt {
    char *text; /* Owned; NULL: none is in doubt. */
    struct id client;
};

struct live {
    struct chat *chat;
    struct chat_turn *turn; /* Borrowed: the one turn to show; NULL: the session. */
    enum chat_state state;
    struct conversation conversation;
    struct edit_line edit;
    struct answering answering;
    struct doubt doubt;
    struct text above; /* Owned: lines to show above the picture at the next drawing. */
    char *history;     /* Owned: path of the file; NULL: none. */
    json_t *awaited;   /* Owned: ids of runs whose messages were sent here, until they end. */
    struct live_screen screen;
    struct raw_terminal terminal;
    struct client *stream; /* Owned. */
    struct sse_reader reader;
    bool joins;        /* The stream is to begin with the session as it is. */
    int signal_fd;     /* Owned: SIGWINCH, SIGCONT. */
    uint64_t retry_ns; /* When to connect again; 0: the stream is open. */
    int64_t pause_ms;  /* The last pause between two tries. */
};

static void live_done(struct live *live) {
    raw_terminal_end(&live->terminal);
    client_close(live->stream);
    sse_reader_done(&live->reader);
    conversation_done(&live->conversation);
    edit_line_done(&live->edit);
    live_screen_done(&live->screen);
    answering_done(&live->answering);
    mem_free(live->doubt.text);
    text_done(&live->above);
    json_decref(live->awaited);
    mem_free(live->history);
    fd_release(&live->signal_fd);
}

static bool is_terminal(const struct live *live) {
    return live->chat->form == CHAT_TERMINAL;
}

/* --- The picture ------------------------------------------------------------------------------ */

static void queued_draw(const struct live *live, int columns, struct text *out) {
    const json_t *message = NULL;
    size_t at = 0;
    json_array_foreach(live->conversation.queued, at, message) {
        AUTO(text_done) struct text line = text_up_to(EDIT_LINE_MAX * 2);
        text_add_str(&line, "queued: ");
        card_plain_add(card_text(message), &line);
        text_add_str(out, paint_begin(&live->chat->paint, COLOUR_GREY));
        (void)cells_add(out, text_bytes(&line), columns - 1); /* The cut is enough. */
        text_addf(out, "%s\n", paint_end(&live->chat->paint, COLOUR_GREY));
    }
}

static void status_draw(const struct live *live, struct text *out) {
    const char *words = live->retry_ns != 0             ? "the daemon is away; trying again"
                        : live->state != CHAT_ANSWERING ? NULL
                        : live->turn != NULL            ? "answering; Ctrl-C detaches"
                                                        : "answering; Ctrl-C stops it";
    if (words != NULL) {
        text_addf(out, "%s%s%s\n", paint_begin(&live->chat->paint, COLOUR_GREY), words,
                  paint_end(&live->chat->paint, COLOUR_GREY));
    }
}

/* A picture that is taller than the terminal is cut to the rows about the cursor. */
static void picture_fit(struct text *picture, int rows, struct edit_place *cursor) {
    AUTO(text_done) struct text whole = text_up_to(LIVE_SCREEN_MAX);
    struct bytes rest, line;
    int count = 0;
    text_add(&whole, text_bytes(picture).data, picture->len);
    for (rest = text_bytes(&whole); bytes_next(&rest, '\n', &line);) {
        count++;
    }
    int skip = count - rows > cursor->row ? cursor->row : count - rows;
    if (skip <= 0) {
        return;
    }
    text_clear(picture);
    rest = text_bytes(&whole);
    for (int at = 0; bytes_next(&rest, '\n', &line) && at < skip + rows; at++) {
        if (at >= skip) {
            text_add(picture, line.data, line.len);
            text_add_char(picture, '\n');
        }
    }
    cursor->row -= skip;
}

static int rows_of(const struct text *picture) {
    struct bytes rest = text_bytes(picture), line;
    int rows = 0;
    while (bytes_next(&rest, '\n', &line)) {
        rows++;
    }
    return rows;
}

/* A single turn has no line to type in while nothing is asked. */
static bool has_line(const struct live *live) {
    return live->turn == NULL || (live->state == CHAT_ASKING && live->terminal.raw);
}

static struct edit_place picture_make(const struct live *live, const struct terminal_size *size,
                                      struct text *out) {
    AUTO(text_done) struct text line = text_up_to(LIVE_SCREEN_MAX / 2);
    const json_t *asked = conversation_asked(&live->conversation);
    const char *prompt =
        live->state == CHAT_ASKING && asked != NULL ? question_prompt(asked) : "> ";
    struct edit_place cursor = {0};
    conversation_line(&live->conversation, &line);
    if (line.len > 0) {
        cells_wrap(text_bytes(&line), size->columns - 1, out);
        text_add_char(out, '\n');
    }
    status_draw(live, out);
    queued_draw(live, size->columns, out);
    int before = rows_of(out);
    if (has_line(live)) {
        cursor = edit_line_draw(&live->edit, bytes_of(prompt), size->columns, out);
    }
    cursor.row += before;
    return cursor;
}

static void out_write(const struct text *out) {
    fwrite(text_bytes(out).data, 1, out->len, stdout);
    (void)fflush(stdout); /* A terminal that is gone shows when it is read. */
}

/* `picture` false: only what stands above, and the cursor below it. */
static void live_draw(struct live *live, bool picture) {
    AUTO(text_done) struct text shown = text_up_to(LIVE_SCREEN_MAX);
    AUTO(text_done) struct text out = text_up_to(LIVE_SCREEN_MAX * 2);
    struct terminal_size size = {ROWS, COLUMNS};
    struct edit_place cursor = {0};
    if (!is_terminal(live)) {
        return;
    }
    if (!terminal_size(STDOUT_FILENO, &size)) {
        size = (struct terminal_size){ROWS, COLUMNS};
    }
    if (picture) {
        cursor = picture_make(live, &size, &shown);
        picture_fit(&shown, size.rows - 1, &cursor);
    }
    const struct live_frame frame = {&live->above, &shown, size.columns};
    const struct live_cursor at = {cursor.row, cursor.column};
    live_screen_draw_at(&live->screen, &frame, picture && has_line(live) ? &at : NULL, &out);
    out_write(&out);
    text_clear(&live->above);
}

/* The screen holds what others wrote: the picture is drawn below it. */
static void picture_forget(struct live *live) {
    live->screen.cursor_row = 0;
    text_clear(&live->screen.picture);
}

static void screen_clear(struct live *live) {
    picture_forget(live);
    fputs("\033[H\033[2J", stdout);
}

/* --- The keyboard ----------------------------------------------------------------------------- */

/* Pastes come between two marks. */
static struct err keyboard_begin(struct live *live) {
    if (!raw_terminal_begin_keys(&live->terminal)) {
        return err_make(ERR_IO, "chat: no terminal");
    }
    fputs("\033[?2004h", stdout);
    return ERR_OK;
}

static void keyboard_end(struct live *live) {
    if (live->terminal.raw) {
        fputs("\033[?2004l", stdout);
        (void)fflush(stdout); /* As in out_write. */
        raw_terminal_end(&live->terminal);
    }
}

/* The line of a single turn has the keyboard while something is asked. What was typed before the
 * question came is no answer to it. */
static struct err keyboard_update(struct live *live) {
    bool wanted = is_terminal(live) && isatty(STDIN_FILENO) == 1 &&
                  (live->turn == NULL || live->state == CHAT_ASKING);
    if (!wanted) {
        keyboard_end(live);
    } else if (!live->terminal.raw) {
        if (live->turn != NULL) {
            (void)tcflush(STDIN_FILENO, TCIFLUSH); /* Fails only where nobody types. */
        }
        return keyboard_begin(live);
    }
    return ERR_OK;
}

/* Answers whether we go on after a stop. */
static bool signals_read(const struct live *live) {
    struct signalfd_siginfo info;
    bool continued = false;
    while (read(live->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        continued = continued || info.ssi_signo == SIGCONT;
    }
    return continued;
}

/* Stops the whole job, as the terminal does for other programs. A job that cannot be stopped goes
 * on at once. keyboard_update takes the keyboard again. */
static void live_suspend(struct live *live) {
    live_draw(live, false);
    keyboard_end(live);
    (void)kill(0, SIGTSTP);
    (void)signals_read(live); /* The stop is over, and seen to here. */
    picture_forget(live);
}

/* Others can stop us, too: then the shell had the terminal meanwhile. */
static void signals_take(struct live *live) {
    if (signals_read(live)) {
        keyboard_end(live);
        picture_forget(live);
    }
}

/* --- States ----------------------------------------------------------------------------------- */

static void question_show(struct live *live) {
    answering_show(&live->answering);
    if (isatty(STDIN_FILENO) == 0) {
        AUTO(text_done) struct text words = text_up_to(256);
        text_addf(&words, "it waits for an answer: drover approve %.60s",
                  talk_text(conversation_asked(&live->conversation), "id"));
        chat_note(live->chat, text_bytes(&words).data);
    }
}

static enum chat_effect live_event(struct live *live, enum chat_event event) {
    enum chat_state before = live->state;
    const json_t *asked = conversation_asked(&live->conversation);
    struct chat_step step = chat_state_event(before, event);
    live->state = step.state;
    if (step.state == CHAT_ASKING && before != CHAT_ASKING) {
        answering_begin(&live->answering);
    } else if (before == CHAT_ASKING && step.state != CHAT_ASKING) {
        answering_end(&live->answering);
    }
    if (event == CHAT_ASKED && asked != NULL && is_terminal(live)) {
        question_show(live);
    }
    return step.effect;
}

/* --- The stream ------------------------------------------------------------------------------- */

static void event_print(const struct sse_frame *frame) {
    AUTO(text_done) struct text line = text_up_to(SSE_LINE_MAX * 2);
    text_addf(&line, "{\"seq\":%lld,\"type\":", (long long)frame->id);
    text_add_json(&line, frame->type.data, frame->type.len);
    text_add_str(&line, ",\"data\":");
    text_add(&line, frame->data.data, frame->data.len);
    text_add_str(&line, "}\n");
    out_write(&line);
}

static void doubt_end(struct live *live) {
    mem_free(live->doubt.text);
    live->doubt.text = NULL;
}

static void awaited_forget(struct live *live, const char *run) {
    json_t *id = NULL;
    size_t at = 0;
    json_array_foreach(live->awaited, at, id) {
        if (strcmp(json_string_value(id), run) == 0) {
            (void)json_array_remove(live->awaited, at); /* The place is valid. */
            return;
        }
    }
}

/* The daemon has the message that was in doubt. */
static void doubt_settle(struct live *live, const json_t *message) {
    const struct doubt *doubt = &live->doubt;
    if (doubt->text == NULL || strcmp(talk_text(message, "client_id"), doubt->client.text) != 0) {
        return;
    }
    struct text *draft = &live->answering.draft;
    if (bytes_is(edit_line_text(&live->edit), doubt->text)) {
        edit_line_set(&live->edit, BYTES(""));
    } else if (bytes_is(text_bytes(draft), doubt->text)) {
        text_clear(draft);
    }
    (void)json_array_clear(live->chat->images); /* The message took them along. */
    doubt_end(live);
}

/* A single turn shows only events of its own. */
static bool event_fits(const struct live *live, const struct sse_frame *frame, const json_t *data) {
    return live->turn == NULL || sse_is(frame, "snapshot") ||
           strcmp(talk_text(data, "run"), live->turn->run) == 0;
}

/* Question that was known before this event, so that the next one is shown only once. */
static void data_take(struct live *live, const struct sse_frame *frame, const json_t *data) {
    enum chat_event event = CHAT_TYPED;
    struct conversation *conversation = &live->conversation;
    AUTO(mem_release) char *asked = NULL;
    const char *id = talk_text(conversation_asked(conversation), "id");
    asked = mem_copy(id, strlen(id));
    bool changes = sse_is(frame, "snapshot")
                       ? conversation_snapshot(conversation, data, &live->above, &event)
                       : conversation_event(conversation, frame->type, data, &live->above, &event);
    bool same = strcmp(asked, talk_text(conversation_asked(conversation), "id")) == 0;
    if (event == CHAT_TURN_ENDED) {
        awaited_forget(live, talk_text(data, "run"));
    } else if (sse_is(frame, "message_added")) {
        doubt_settle(live, json_object_get(data, "message"));
    } else if (sse_is(frame, "question_answered") || sse_is(frame, "approval_answered")) {
        answering_settle(&live->answering, talk_text(data, "id"));
    } else if (sse_is(frame, "message_removed") || sse_is(frame, "cleared")) {
        (void)json_array_clear(live->awaited); /* Such a message gets no answer. */
    }
    if (changes && (event != CHAT_ASKED || !same)) {
        (void)live_event(live, event); /* No effect belongs to what the daemon says. */
    }
}

/* Keeps the event of the turn's end. A snapshot comes instead of events that are gone, and the end
 * may have been among them: then the run has it. */
static struct err turn_take(struct live *live, const struct sse_frame *frame, const json_t *data) {
    struct chat_turn *turn = live->turn;
    if (sse_is(frame, "turn_finished")) {
        json_release(&turn->end);
        turn->end = json_incref((json_t *)(uintptr_t)data);
    } else if (sse_is(frame, "snapshot")) {
        AUTO(json_release) json_t *run = NULL;
        struct err err =
            run_get(live->chat->talk, turn->run, RUN_RETRY_MS, &run, &live->chat->invocation->why);
        if (err_failed(err)) {
            return err;
        }
        turn->end = run_has_ended(run) ? json_incref(run) : NULL;
    }
    return ERR_OK;
}

static struct err frame_take(void *ctx, const struct sse_frame *frame, struct why *why) {
    struct live *live = ctx;
    AUTO(json_release) json_t *data = NULL;
    struct why ignored;
    if (sse_is(frame, "closing")) {
        return err_why(why, ERR_CLOSING, "the daemon ended the stream");
    }
    if (sse_is(frame, "deleted") || sse_is(frame, "done")) {
        return err_why(why, ERR_NOT_FOUND, "the session %s was deleted", live->chat->session);
    }
    live->chat->seq = frame->id > live->chat->seq ? frame->id : live->chat->seq;
    if (live->chat->form == CHAT_JSON) {
        event_print(frame);
    }
    if (err_failed(json_parse_wrapped(frame->data, &data, &ignored)) ||
        !event_fits(live, frame, data)) {
        return ERR_OK;
    }
    data_take(live, frame, data);
    return live->turn == NULL ? ERR_OK : turn_take(live, frame, data);
}

static struct err stream_connect(struct live *live) {
    AUTO(text_done) struct text target = {0};
    char rest[80];
    (void)snprintf(rest, sizeof rest, "/events?after=%lld%s", (long long)live->chat->seq,
                   live->joins ? "&snapshot=1" : ""); /* Fits. */
    if (!talk_target(&target, "/api/v1/streams/session:", live->chat->session, rest)) {
        return err_make(ERR_NOT_FOUND, "chat: session");
    }
    const struct client_request request = {
        .method = "GET", .target = target.data, .accept = "text/event-stream"};
    sse_reader_clear(&live->reader);
    client_hang_up(live->stream);
    return client_ask(live->stream, &request, &live->chat->invocation->why);
}

/* An outage is waited out, with growing pauses; any other refusal ends the chat. */
static struct err stream_away(struct live *live, struct err err) {
    const struct world *world = live->chat->talk->world;
    struct why *why = &live->chat->invocation->why;
    client_hang_up(live->stream);
    if (!client_may_pass(err)) {
        return err;
    }
    why->text[0] = '\0';
    int64_t pause_ms = talk_pause_next(world, &live->pause_ms);
    live->retry_ns = world_mono_ns(world) + (uint64_t)pause_ms * UINT64_C(1000000);
    return ERR_OK;
}

static struct err stream_retry(struct live *live) {
    if (live->retry_ns == 0 || world_mono_ns(live->chat->talk->world) < live->retry_ns) {
        return ERR_OK;
    }
    struct err err = stream_connect(live);
    if (err_failed(err)) {
        return stream_away(live, err);
    }
    live->retry_ns = 0;
    return ERR_OK;
}

static struct err stream_read(struct live *live) {
    struct why *why = &live->chat->invocation->why;
    struct bytes piece = {0};
    enum client_more more = CLIENT_MORE;
    struct err err = client_read_now(live->stream, &piece, &more, why);
    if (!err_failed(err) && piece.len > 0) {
        live->pause_ms = 0;
        live->joins = false;
        err = sse_reader_feed(&live->reader, piece, why);
    }
    if (!err_failed(err) && more == CLIENT_OVER) {
        err = err_make(ERR_CLOSING, "chat: stream");
    }
    return err_failed(err) ? stream_away(live, err) : ERR_OK;
}

/* --- Lines ------------------------------------------------------------------------------------ */

/* A refusal is shown, and the chat goes on; on a terminal also without a daemon. */
static struct err live_survive(struct live *live, struct err err) {
    bool gone = err.code == ERR_INTERRUPTED || (!is_terminal(live) && err.code == ERR_UNREACHABLE);
    if (err_failed(err) && !gone) {
        chat_complain(live->chat, err);
        return ERR_OK;
    }
    return err;
}

/* A command may wait: the terminal is given back, so that Ctrl-C ends it. */
static struct err command_run(struct live *live, const char *line) {
    struct chat *chat = live->chat;
    AUTO(mem_release) char *session = mem_copy(chat->session, strlen(chat->session));
    live_draw(live, false);
    keyboard_end(live);
    struct err err = live_survive(live, chat_command(chat, line));
    if (!err_failed(err) && strcmp(session, chat->session) != 0) {
        (void)live_event(live, CHAT_TURN_ENDED); /* The new session has no turn. */
        json_array_clear(live->awaited);
        doubt_end(live);
        conversation_done(&live->conversation);
        conversation_init(&live->conversation, chat->paint);
        err = stream_connect(live);
        err = err_failed(err) ? stream_away(live, err) : ERR_OK;
    }
    if (chat->over) {
        live->state = CHAT_OVER;
    }
    return err;
}

/* Sends the line; one that could not be sent stays to be sent again. */
static struct err line_send(struct live *live, const char *text) {
    AUTO(mem_release) char *run = NULL;
    struct doubt *doubt = &live->doubt;
    if (text[0] == '/') {
        return command_run(live, text);
    }
    if (doubt->text == NULL || strcmp(doubt->text, text) != 0) {
        doubt_end(live);
        *doubt = (struct doubt){.text = mem_copy(text, strlen(text)),
                                .client = world_new_id(live->chat->talk->world, "cli")};
    }
    struct err err = chat_send(live->chat, text, doubt->client.text, &run);
    if (!err_failed(err)) {
        doubt_end(live);
        (void)json_array_append_new(live->awaited, json_string(run));
    } else if (is_terminal(live)) {
        edit_line_set(&live->edit, bytes_of(text));
    }
    return live_survive(live, err);
}

static struct err effect_do(struct live *live, enum chat_effect effect, const char *line) {
    switch (effect) {
    case CHAT_SEND:
        return line_send(live, line);
    case CHAT_ANSWER:
        return live_survive(live, answering_take(&live->answering, bytes_of(line)));
    case CHAT_STOP:
        return live_survive(live, chat_stop(live->chat));
    case CHAT_LEAVE_HINT:
        chat_note(live->chat, "[Ctrl-C again, or Ctrl-D, leaves; the session stays]");
        return ERR_OK;
    case CHAT_NOTHING:
        break;
    }
    return ERR_OK;
}

/* --- Keys ------------------------------------------------------------------------------------- */

static struct err enter_take(struct live *live) {
    struct bytes typed = edit_line_text(&live->edit);
    AUTO(mem_release) char *line = mem_copy(typed.data, typed.len);
    if (bytes_trim(typed, " \t\n").len == 0) {
        edit_line_set(&live->edit, BYTES(""));
        return ERR_OK;
    }
    if (live->state != CHAT_ASKING) {
        edit_line_remember(&live->edit, typed);
        if (live->history != NULL) {
            history_append(live->history, bytes_of(line));
        }
    }
    edit_line_set(&live->edit, BYTES(""));
    return effect_do(live, live_event(live, CHAT_ENTER), line);
}

/* Ctrl-C takes away what was typed first. While a turn runs it stops that, and the line stays. Who
 * looks at a single turn leaves it. */
static struct err interrupt_take(struct live *live) {
    if (live->turn != NULL) {
        return err_make(ERR_INTERRUPTED, "turn: key");
    }
    bool runs = live->state == CHAT_ANSWERING || live->state == CHAT_ASKING;
    if (!runs && edit_line_text(&live->edit).len > 0) {
        edit_line_set(&live->edit, BYTES(""));
        return effect_do(live, live_event(live, CHAT_TYPED), "");
    }
    return effect_do(live, live_event(live, CHAT_INTERRUPT), "");
}

static struct err end_take(struct live *live) {
    return live->turn != NULL ? err_make(ERR_INTERRUPTED, "turn: end")
                              : effect_do(live, live_event(live, CHAT_END), "");
}

static struct err key_take(struct live *live, enum edit_event event) {
    switch (event) {
    case EDIT_ENTER:
        return enter_take(live);
    case EDIT_INTERRUPT:
        return interrupt_take(live);
    case EDIT_END:
        return end_take(live);
    case EDIT_SUSPEND:
        live_suspend(live);
        break;
    case EDIT_COMPLETE:
        if (live->turn == NULL) {
            chat_complete(live->chat, &live->edit);
        }
        break;
    case EDIT_REDRAW:
        screen_clear(live);
        break;
    case EDIT_CHANGED:
        break;
    }
    return effect_do(live, live_event(live, CHAT_TYPED), "");
}

static struct err keys_take(struct live *live) {
    char keys[KEYS_SIZE];
    ssize_t len = read(STDIN_FILENO, keys, sizeof keys);
    struct err err = ERR_OK;
    if (len < 0 && (errno == EINTR || errno == EAGAIN)) {
        return ERR_OK;
    }
    if (len <= 0) { /* The terminal is gone. */
        return end_take(live);
    }
    struct bytes rest = {keys, (size_t)len};
    while (rest.len > 0 && !err_failed(err) && live->state != CHAT_OVER) {
        enum edit_event event = EDIT_CHANGED;
        size_t used = edit_line_feed(&live->edit, rest, &event);
        rest = (struct bytes){rest.data + used, rest.len - used};
        err = key_take(live, event);
    }
    return err;
}

/* Takes a line of the input as a message; the end of the input leaves. */
static struct err line_take(struct live *live) {
    struct bytes line = {0};
    struct err err = lines_next(&live->chat->lines, &line);
    if (err_failed(err) || line.data == NULL) {
        return err_failed(err) ? err : end_take(live);
    }
    AUTO(mem_release) char *text = mem_copy(line.data, line.len);
    bool empty = bytes_trim(line, " \t\r").len == 0;
    return empty ? ERR_OK : line_send(live, text);
}

/* --- The loop --------------------------------------------------------------------------------- */

/* A descriptor that is readable when the terminal's size changed, and when we go on after a stop;
 * -1: there is none. Owned. */
static int signals_open(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGWINCH);
    sigaddset(&set, SIGCONT);
    return sigprocmask(SIG_BLOCK, &set, NULL /* not restored: the process ends soon */) < 0
               ? -1
               : signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int timeout_of(const struct live *live) {
    uint64_t now_ns = world_mono_ns(live->chat->talk->world);
    if (edit_line_is_partial(&live->edit)) {
        return EDIT_ESCAPE_MS;
    }
    if (live->retry_ns == 0) {
        return -1; /* Until something comes. */
    }
    return live->retry_ns > now_ns ? (int)((live->retry_ns - now_ns) / 1000000) + 1 : 0;
}

/* With --json a message waits until what was sent before is answered. */
static bool input_is_wanted(const struct live *live) {
    return is_terminal(live) ? live->terminal.raw
                             : (live->state == CHAT_IDLE && json_array_size(live->awaited) == 0 &&
                                live->retry_ns == 0);
}

/* A line that was read with the one before it is there already. */
static bool line_is_there(const struct live *live) {
    const struct lines *lines = &live->chat->lines;
    size_t left = lines->text.len - lines->at;
    bool whole = left > 0 && memchr(lines->text.data + lines->at, '\n', left) != NULL;
    return !is_terminal(live) && (whole || lines->over);
}

static struct err live_wait(struct live *live) {
    enum { INPUT, STREAM, INTERRUPT, SIGNAL };
    bool wanted = input_is_wanted(live);
    if (wanted && line_is_there(live)) {
        return line_take(live);
    }
    struct pollfd polls[] = {
        [INPUT] = {.fd = wanted ? STDIN_FILENO : -1, .events = POLLIN},
        [STREAM] = {.fd = live->retry_ns == 0 ? client_fd(live->stream) : -1, .events = POLLIN},
        [INTERRUPT] = {.fd = live->chat->talk->interrupt_fd, .events = POLLIN},
        [SIGNAL] = {.fd = live->signal_fd, .events = POLLIN},
    };
    int ready = poll(polls, COUNT_OF(polls), timeout_of(live));
    if (ready < 0) {
        return errno == EINTR ? ERR_OK : err_from_errno(errno, "chat: poll");
    }
    if (polls[INTERRUPT].revents != 0) {
        return err_make(ERR_INTERRUPTED, "chat: wait");
    }
    if (ready == 0 && edit_line_is_partial(&live->edit)) {
        edit_line_settle(&live->edit);
    }
    if (polls[SIGNAL].revents != 0) {
        signals_take(live);
    }
    struct err err = stream_retry(live);
    if (!err_failed(err) && polls[STREAM].revents != 0) {
        err = stream_read(live);
    }
    if (!err_failed(err) && polls[INPUT].revents != 0) {
        err = is_terminal(live) ? keys_take(live) : line_take(live);
    }
    return err;
}

/* The file stands in the daemon's data directory, or where that would be. */
static char *history_path(struct chat *chat) {
    AUTO(text_done) struct text path = text_up_to(4096);
    AUTO(mem_release) char *owned = NULL;
    const char *data = chat->talk->options.data;
    struct why ignored; /* Without a place there is no history. */
    if (data == NULL && err_failed(config_data(&chat->invocation->args, &chat->invocation->env,
                                               &owned, &data, &ignored))) {
        return NULL;
    }
    text_addf(&path, "%s/chat_history", data);
    return text_failed(&path) ? NULL : text_take(&path, NULL /* terminated */);
}

static struct err live_open(struct live *live) {
    struct chat *chat = live->chat;
    if (is_terminal(live)) {
        live->history = live->turn == NULL ? history_path(chat) : NULL;
        live->signal_fd = signals_open();
        talk_hear_all(chat->talk);
        chat->above = &live->above;
        if (live->history != NULL) {
            history_load(live->history, &live->edit);
        }
    }
    struct err err = client_open(&chat->talk->options, &live->stream, &chat->invocation->why);
    if (!err_failed(err)) {
        err = stream_connect(live);
        err = err_failed(err) ? stream_away(live, err) : ERR_OK;
    }
    return err;
}

static bool live_is_over(const struct live *live) {
    const struct chat_turn *turn = live->turn;
    bool seen =
        turn != NULL && (turn->end != NULL || (turn->until > 0 && live->chat->seq >= turn->until));
    return seen || live->state == CHAT_OVER;
}

static struct err live_run(struct live *live) {
    struct chat *chat = live->chat;
    chat->paint = paint_of(STDOUT_FILENO, &chat->invocation->env);
    conversation_init(&live->conversation, chat->paint);
    edit_line_init(&live->edit);
    live_screen_init(&live->screen);
    text_init(&live->above, ABOVE_MAX);
    sse_reader_init(&live->reader);
    live->reader.frame = frame_take;
    live->reader.ctx = live;
    live->answering =
        (struct answering){.chat = chat, .conversation = &live->conversation, .edit = &live->edit};
    if (live->turn != NULL) {
        live->conversation.run = live->turn->run;
        live->state = CHAT_ANSWERING;
    }
    struct err err = live_open(live);
    while (!err_failed(err) && !live_is_over(live)) {
        err = keyboard_update(live);
        live_draw(live, true);
        err = err_failed(err) ? err : live_wait(live);
    }
    live_draw(live, false);
    keyboard_end(live);
    chat->above = NULL;
    return err;
}

struct err chat_live(struct chat *chat, bool joins) {
    AUTO(live_done)
    struct live live = {.chat = chat, .awaited = json_array(), .joins = joins, .signal_fd = -1};
    return live_run(&live);
}

struct err chat_live_turn(struct chat *chat, struct chat_turn *turn) {
    AUTO(live_done)
    struct live live = {.chat = chat, .turn = turn, .awaited = json_array(), .signal_fd = -1};
    return live_run(&live);
}
