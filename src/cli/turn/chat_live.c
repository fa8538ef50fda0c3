/* chat_live.c: the loop over the keyboard, the session's stream and signals.
 *
 *     keyboard ── edit_line ──> chat_state ──> send, answer, stop, leave (requests of the talk)
 *     stream ──── feed ───────> conversation ─> chat_state, lines above
 *     signals ─── resize, fg after Ctrl-Z: draw again; Ctrl-C from outside, SIGTERM, SIGHUP: leave
 *                                  │
 *                                  v
 *     live_screen: the growing line, queued messages, the prompt with the line being typed
 *
 * The other parts are in live_picture.c, live_keyboard.c and live_stream.c (live.h).
 *
 * The stream has a connection of its own, since requests are made while it is open. A connection
 * that broke is made again after a pause, from the last event that was shown. With --json events
 * are printed as they come, and a line of the input is a message once nothing runs.
 *
 * A message whose answer was lost is in doubt: its line stays to be sent again, as the same
 * message. The stream tells where the daemon had accepted it; then the line is cleared. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "cli/terminal/history.h"
#include "cli/turn/live.h"
#include "cli/turn/question.h"

enum { KEYS_SIZE = 4096, BACKGROUND_LOOK_MS = 500 };

static void live_done(struct live *live) {
    raw_terminal_end(&live->terminal);
    feed_done(&live->feed);
    conversation_done(&live->conversation);
    edit_line_done(&live->edit);
    live_view_done(&live->view);
    answering_done(&live->answering);
    mem_free(live->doubt.text);
    json_decref(live->awaited);
    mem_free(live->history);
    fd_release(&live->signal_fd);
}

/* --- Lines ------------------------------------------------------------------------------------ */

/* A refusal is shown, and the chat goes on; on a terminal also without a daemon. */
static struct err live_survive(struct live *live, struct err err) {
    bool gone =
        err.code == ERR_INTERRUPTED || (!live_is_terminal(live) && err.code == ERR_UNREACHABLE);
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
    live_keyboard_end(live);
    struct err err = live_survive(live, chat_command(chat, line));
    if (!err_failed(err) && strcmp(session, chat->session) != 0) {
        (void)live_event(live, CHAT_TURN_ENDED); /* The new session has no turn. */
        json_array_clear(live->awaited);
        live_doubt_end(live);
        conversation_done(&live->conversation);
        conversation_init(&live->conversation, chat->paint);
        feed_restart(&live->feed);
    }
    if (chat->draft != NULL) {
        edit_line_set(&live->edit, bytes_of(chat->draft));
        mem_free(chat->draft);
        chat->draft = NULL;
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
        live_doubt_end(live);
        *doubt = (struct doubt){.text = mem_copy(text, strlen(text)),
                                .client = world_new_id(live->chat->talk->world, "cli")};
    }
    struct err err = chat_send(live->chat, text, NULL /* policy */, doubt->client.text, &run);
    if (!err_failed(err)) {
        live_doubt_end(live);
        (void)json_array_append_new(live->awaited, json_string(run));
    } else if (live_is_terminal(live)) {
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
        live_view_clear(&live->view);
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

static int timeout_of(const struct live *live) {
    const int wait_ms = feed_wait_ms(&live->feed);
    if (edit_line_is_partial(&live->edit)) {
        return EDIT_ESCAPE_MS;
    }
    /* No event reports that a running job comes to the foreground. */
    const bool away = live->state == CHAT_ASKING && live_turn_in_background(live);
    return away && wait_ms > BACKGROUND_LOOK_MS ? BACKGROUND_LOOK_MS : wait_ms;
}

/* With --json a message waits until what was sent before is answered. */
static bool input_is_wanted(const struct live *live) {
    return live_is_terminal(live)
               ? live->terminal.raw
               : (live->state == CHAT_IDLE && json_array_size(live->awaited) == 0 &&
                  !feed_is_away(&live->feed));
}

/* A line that was read with the one before it is there already. */
static bool line_is_there(const struct live *live) {
    const struct lines *lines = &live->chat->lines;
    size_t left = lines->text.len - lines->at;
    bool whole = left > 0 && memchr(lines->text.data + lines->at, '\n', left) != NULL;
    return !live_is_terminal(live) && (whole || lines->over);
}

static struct err live_wait(struct live *live) {
    enum { INPUT, STREAM, INTERRUPT, SIGNAL };
    bool wanted = input_is_wanted(live);
    if (wanted && line_is_there(live)) {
        return line_take(live);
    }
    struct pollfd polls[] = {
        [INPUT] = {.fd = wanted ? STDIN_FILENO : -1, .events = POLLIN},
        [STREAM] = {.fd = feed_fd(&live->feed), .events = POLLIN},
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
        live_signals_take(live);
    }
    struct err err =
        feed_turn(&live->feed, polls[STREAM].revents != 0, &live->chat->invocation->why);
    if (!err_failed(err) && polls[INPUT].revents != 0) {
        err = live_is_terminal(live) ? keys_take(live) : line_take(live);
    }
    return err;
}

/* The file stands in the daemon's data directory, or where that would be. */
static char *history_path(struct chat *chat) {
    AUTO(text_done) struct text path = text_up_to(4096);
    AUTO(mem_release) char *owned = NULL;
    const char *data = chat->talk->options.data;
    /* Without a place there is no history. */
    if (data == NULL && err_failed(config_data(&chat->invocation->args, &chat->invocation->env,
                                               &owned, &data, NULL /* no why */))) {
        return NULL;
    }
    text_addf(&path, "%s/chat_history", data);
    return text_failed(&path) ? NULL : text_take(&path, NULL /* terminated */);
}

static struct err live_open(struct live *live) {
    struct chat *chat = live->chat;
    if (live_is_terminal(live)) {
        live->history = live->turn == NULL ? history_path(chat) : NULL;
        live->signal_fd = terminal_signals_open();
        talk_hear_all(chat->talk);
        chat->above = &live->view.above;
        if (live->history != NULL) {
            history_load(live->history, &live->edit);
        }
    }
    return live_stream_open(live);
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
    live_view_init(&live->view, stdout);
    live->answering =
        (struct answering){.chat = chat, .conversation = &live->conversation, .edit = &live->edit};
    if (live->turn != NULL) {
        live->conversation.run = live->turn->run;
        live->state = CHAT_ANSWERING;
    }
    struct err err = live_open(live);
    while (!err_failed(err) && !live_is_over(live)) {
        err = live_keyboard_update(live);
        live_draw(live, true);
        err = err_failed(err) ? err : live_wait(live);
    }
    live_draw(live, false);
    live_keyboard_end(live);
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
