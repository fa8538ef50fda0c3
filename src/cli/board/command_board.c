/* command_board.c: drover board: the tasks of a project on a terminal, as they change.
 *
 *      ┌── any key ── BOARD_PAGE <── Enter ──┐
 *      v                                     │      q, Ctrl-C, Ctrl-D: leave
 *   BOARD_KEYS ── r ──> BOARD_REASON ── Enter: rejected; an empty line, Ctrl-C: not ──> BOARD_KEYS
 *      └───────── x ──> BOARD_SURE ──── y: cancelled; any other key: not ─────────────> BOARD_KEYS
 *
 * Each event of the stream project:NAME has the lists read again, a few times in a second at most:
 * they are short, and the picture is then right whatever was missed. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/base/action.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/board/board.h"
#include "cli/board/page.h"
#include "cli/board/task.h"
#include "cli/stream/feed.h"
#include "cli/terminal/cells.h"
#include "cli/terminal/edit_line.h"
#include "cli/terminal/live_view.h"
#include "cli/terminal/plain.h"
#include "cli/terminal/raw_terminal.h"

enum {
    OPEN_MAX = 500, /* Tasks that are read, */
    OVER_MAX = 20,  /* and the newest of those that are over. */
    PAUSE_MS = 200, /* Between two reads of the lists. */
    KEYS_SIZE = 4096,
    FRAME_ROWS = 3, /* Lines that are no tasks: title, an empty one, and that of the cursor. */
    ROWS_MIN = 3,
};

enum board_mode { BOARD_KEYS, BOARD_REASON, BOARD_SURE, BOARD_PAGE, BOARD_LEFT };

struct screen {
    struct talk *talk;
    struct invocation *invocation;
    const char *project; /* Borrowed. */
    enum board_mode mode;
    struct board board;
    struct edit_line edit; /* The reason of a rejection. */
    json_t *judged;        /* Owned: the task, as the last key that acts on one saw it. */
    struct text said;      /* Owned: what the last key led to. */
    struct live_view view;
    struct raw_terminal terminal;
    struct feed feed; /* Owned: the stream of the project. */
    int64_t seq;      /* Number of the last event. */
    bool changed;     /* Events came since the lists were read. */
    uint64_t read_ns; /* When that was. */
    int signal_fd;    /* Owned: SIGWINCH, SIGCONT. */
};

/* --- Reading ---------------------------------------------------------------------------------- */

static void row_take(void *ctx, const json_t *task) {
    board_add(ctx, task);
}

static struct err rows_read(struct talk *talk, const char *path, const char *query, int64_t most,
                            struct board *board) {
    AUTO(text_done) struct text target = text_up_to(TASK_PATH_MAX * 2);
    text_addf(&target, "%s?status=%s", path, query);
    const struct talk_rows rows = {
        .path = text_bytes(&target).data, .most = most, .each = row_take, .ctx = board};
    return talk_rows(talk, &rows, &talk->invocation->why);
}

static struct err board_read(struct talk *talk, const char *project, struct board *ret_board) {
    AUTO(text_done) struct text path = text_up_to(TASK_PATH_MAX);
    text_add_str(&path, "/api/v1/projects/");
    client_add_escaped(&path, project);
    text_add_str(&path, "/tasks");
    board_init(ret_board);
    if (text_failed(&path)) {
        return err_why(&talk->invocation->why, ERR_USAGE, "the name of the project is too long");
    }
    TRY(rows_read(talk, path.data, "pending,claimed,working,review,blocked", OPEN_MAX, ret_board));
    return rows_read(talk, path.data, "done,failed,cancelled", OVER_MAX, ret_board);
}

/* The place stays with its task. */
static struct err lists_read(struct screen *screen) {
    AUTO(board_done) struct board board;
    TRY(board_read(screen->talk, screen->project, &board));
    const struct board before = screen->board;
    board.at = before.at;
    board_seek(&board, talk_text(board_at(&before), "id"));
    screen->board = board;
    board = before;
    screen->changed = false;
    screen->read_ns = world_mono_ns(screen->talk->world);
    return ERR_OK;
}

/* --- The picture ------------------------------------------------------------------------------ */

static void foot_add(const struct screen *screen, const struct paint *paint, struct text *out) {
    const json_t *task = board_at(&screen->board);
    AUTO(text_done) struct text line = text_up_to(EDIT_LINE_MAX * 2);
    if (screen->mode == BOARD_SURE) {
        text_addf(&line, "cancel %s? y/N", talk_text(task, "name"));
    } else if (feed_is_away(&screen->feed)) {
        text_add_str(&line, "the daemon is away; trying again");
    } else if (screen->said.len > 0) {
        plain_add(&line, text_bytes(&screen->said).data);
    } else {
        text_add_str(&line, "arrows: move  Enter: show  a: accept  r: reject  t: retry  x: cancel  "
                            "q: leave");
    }
    cells_wrap_words(&line, 0, paint->columns);
    struct bytes rest = text_bytes(&line), row;
    while (bytes_next(&rest, '\n', &row)) {
        text_addf(out, "%s%.*s%s\n", paint_begin(paint, COLOUR_GREY), (int)row.len, row.data,
                  paint_end(paint, COLOUR_GREY));
    }
}

static void screen_draw(struct screen *screen) {
    AUTO(text_done) struct text picture = text_up_to(LIVE_SCREEN_MAX);
    AUTO(text_done) struct text title = text_up_to(TASK_PATH_MAX), foot = text_up_to(EDIT_LINE_MAX);
    const struct terminal_size size = live_view_resize(&screen->view);
    struct board_room room = {.paint = paint_of(STDOUT_FILENO, &screen->invocation->env),
                              .marks = true};
    struct edit_place cursor = {0, 0};
    const bool typing = screen->mode == BOARD_REASON;
    if (screen->mode == BOARD_PAGE) {
        return; /* The text of the page stays. */
    }
    room.paint.columns = size.columns > 1 ? size.columns - 1 : 1;
    if (typing) {
        cursor =
            edit_line_draw(&screen->edit, BYTES("what is to be better? "), size.columns, &foot);
    } else {
        foot_add(screen, &room.paint, &foot);
    }
    const size_t frame_rows = FRAME_ROWS + (size_t)cells_lines(text_bytes(&foot)),
                 rows = (size_t)size.rows;
    room.rows = rows > frame_rows + ROWS_MIN ? rows - frame_rows : ROWS_MIN;
    text_addf(&title, "board of %s", screen->project);
    (void)cells_add(&picture, text_bytes(&title), room.paint.columns); /* The cut is enough. */
    text_add_str(&picture, "\n\n");
    board_draw(&screen->board, &room, &picture);
    const struct live_cursor at = {cells_lines(text_bytes(&picture)) + cursor.row, cursor.column};
    text_add(&picture, text_bytes(&foot).data, foot.len);
    live_view_show(&screen->view, &picture, typing ? &at : NULL);
}

/* --- The stream ------------------------------------------------------------------------------- */

static struct err on_frame(void *ctx, const struct sse_frame *frame, struct why *why) {
    struct screen *screen = ctx;
    if (sse_is(frame, "done") || sse_is(frame, "deleted")) {
        return err_why(why, ERR_CLOSING, "the daemon ended the stream");
    }
    screen->seq = frame->id > screen->seq ? frame->id : screen->seq;
    screen->changed = screen->changed || frame->data.len > 0;
    return ERR_OK;
}

/* The newest event; a stream without any does not exist yet. */
static struct err head_find(struct screen *screen) {
    AUTO(text_done) struct text target = text_up_to(TASK_PATH_MAX);
    AUTO(json_release) json_t *row = NULL;
    struct why *why = &screen->invocation->why;
    text_add_str(&target, "/api/v1/streams/project:");
    client_add_escaped(&target, screen->project);
    const struct err err = talk_get(screen->talk, text_bytes(&target).data, &row, why);
    screen->seq = talk_int(row, "head");
    if (err.code == ERR_NOT_FOUND) {
        why->text[0] = '\0';
        return ERR_OK;
    }
    return err;
}

static bool on_connect(void *ctx, struct text *target) {
    const struct screen *screen = ctx;
    char rest[48];
    (void)snprintf(rest, sizeof rest, "/events?after=%lld", (long long)screen->seq); /* Fits. */
    return talk_target(target, "/api/v1/streams/project:", screen->project, rest);
}

static void on_alive(void *ctx, bool was_away) {
    struct screen *screen = ctx;
    screen->changed = screen->changed || was_away;
}

/* --- Keys ------------------------------------------------------------------------------------- */

/* A refusal is shown below the picture. */
static void task_send(struct screen *screen, const json_t *task, const char *rest,
                      const struct text *body) {
    AUTO(json_release) json_t *answer = NULL;
    struct why *why = &screen->invocation->why;
    const struct task_request request = {
        .word = talk_text(task, "id"), .method = "POST", .rest = rest, .body = body};
    const struct err err = task_ask(screen->talk, &request, &answer);
    text_clear(&screen->said);
    if (err_failed(err)) {
        text_add_str(&screen->said, err_words(err, why));
        why->text[0] = '\0';
    } else {
        text_addf(&screen->said, "%s: %s", talk_text(answer, "name"), talk_text(answer, "status"));
    }
    screen->changed = true;
}

static void status_send(struct screen *screen, const char *status) {
    AUTO(text_done) struct text body = text_up_to(TASK_PATH_MAX);
    text_addf(&body, "{\"status\":\"%s\"}", status);
    task_send(screen, board_at(&screen->board), "/status", &body);
}

/* The verdict is about what the screen showed when its key was pressed. */
static void verdict_send(struct screen *screen, const char *words) {
    AUTO(text_done) struct text body = text_up_to(TASK_PATH_MAX + EDIT_LINE_MAX * 2);
    const char *attempt = talk_text(screen->judged, "attempt");
    if (attempt[0] == '\0') {
        text_clear(&screen->said);
        text_addf(&screen->said, "%s has no attempt yet: there is nothing to judge",
                  talk_text(screen->judged, "name"));
        screen->changed = true;
        return;
    }
    text_addf(&body, "{%s", words);
    text_add_member(&body, "attempt", bytes_of(attempt));
    text_add_char(&body, '}');
    task_send(screen, screen->judged, "/review", &body);
}

static void reason_send(struct screen *screen) {
    const struct bytes reason = bytes_trim(edit_line_text(&screen->edit), " \t\n");
    AUTO(text_done) struct text body = text_up_to(EDIT_LINE_MAX * 2);
    screen->mode = BOARD_KEYS;
    if (reason.len > 0) {
        text_add_str(&body, "\"accept\":false,\"reasons\":[");
        text_add_json(&body, reason.data, reason.len);
        text_add_char(&body, ']');
        verdict_send(screen, text_bytes(&body).data);
    }
    edit_line_set(&screen->edit, BYTES(""));
}

static void page_show(struct screen *screen) {
    AUTO(json_release) json_t *task = NULL;
    struct why *why = &screen->invocation->why;
    const struct task_request request = {.word = talk_text(board_at(&screen->board), "id"),
                                         .rest = "?expand=all"};
    const struct err err = task_ask(screen->talk, &request, &task);
    if (err_failed(err)) {
        text_add_str(&screen->said, err_words(err, why));
        why->text[0] = '\0';
        return;
    }
    screen->mode = BOARD_PAGE;
    live_view_clear(&screen->view);
    task_page_print(screen->invocation, task);
    fputs("\nAny key goes back to the board.\n", stdout);
    (void)fflush(stdout); /* A terminal that is gone shows when it is read. */
}

/* Stops the whole job, as the terminal does for other programs. */
static void screen_suspend(struct screen *screen) {
    raw_terminal_end(&screen->terminal);
    (void)kill(0, SIGTSTP);
    screen->mode = BOARD_KEYS;
    live_view_clear(&screen->view);
}

/* Keys that act on a task. */
static void task_key_take(struct screen *screen, char key) {
    if (board_at(&screen->board) == NULL) {
        return;
    }
    json_release(&screen->judged);
    screen->judged = json_incref((json_t *)(uintptr_t)board_at(&screen->board));
    switch (key) {
    case '\r':
    case '\n':
        page_show(screen);
        break;
    case 'a':
        verdict_send(screen, "\"accept\":true");
        break;
    case 't':
        status_send(screen, "pending");
        break;
    case 'r':
        screen->mode = BOARD_REASON;
        break;
    case 'x':
        screen->mode = BOARD_SURE;
        break;
    default:
        break;
    }
}

static void key_take(struct screen *screen, char key) {
    enum { CTRL_C = 3, CTRL_D = 4, CTRL_L = 12, CTRL_Z = 26 };
    static const struct {
        char keys[3]; /* A letter, and the last byte of an arrow. */
        struct board_step step;
    } steps[] = {{"hD", {0, -1}}, {"lC", {0, 1}}, {"kA", {-1, 0}}, {"jB", {1, 0}}};
    text_clear(&screen->said);
    if (key == 'q' || key == CTRL_C || key == CTRL_D) {
        screen->mode = BOARD_LEFT;
    } else if (key == CTRL_Z) {
        screen_suspend(screen);
    } else if (screen->mode == BOARD_PAGE) {
        screen->mode = BOARD_KEYS;
        live_view_clear(&screen->view);
    } else if (screen->mode == BOARD_SURE) {
        screen->mode = BOARD_KEYS;
        if (key == 'y') {
            status_send(screen, "cancelled");
        }
    } else if (key == CTRL_L) {
        live_view_clear(&screen->view);
    } else {
        for (size_t i = 0; i < COUNT_OF(steps); i++) {
            if (key == steps[i].keys[0] || key == steps[i].keys[1]) {
                board_move(&screen->board, steps[i].step);
            }
        }
        task_key_take(screen, key);
    }
}

/* Length of the key at the beginning: an escape sequence with its last byte, else a byte. */
static size_t key_len(struct bytes keys) {
    size_t len = 2;
    if (keys.len < 3 || keys.data[0] != '\033' || (keys.data[1] != '[' && keys.data[1] != 'O')) {
        return 1;
    }
    while (len < keys.len && (keys.data[len] < '@' || keys.data[len] > '~')) {
        len++;
    }
    return len < keys.len ? len + 1 : keys.len;
}

static size_t reason_feed(struct screen *screen, struct bytes keys) {
    enum edit_event event = EDIT_CHANGED;
    const size_t used = edit_line_feed(&screen->edit, keys, &event);
    if (event == EDIT_INTERRUPT || event == EDIT_END) {
        edit_line_set(&screen->edit, BYTES(""));
        screen->mode = BOARD_KEYS;
    } else if (event == EDIT_ENTER) {
        reason_send(screen);
    }
    return used;
}

static struct err keys_take(struct screen *screen) {
    char bytes[KEYS_SIZE];
    const ssize_t got = read(STDIN_FILENO, bytes, sizeof bytes);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
        return ERR_OK;
    }
    if (got <= 0) { /* The terminal is gone. */
        screen->mode = BOARD_LEFT;
    }
    struct bytes keys = {bytes, got > 0 ? (size_t)got : 0};
    while (keys.len > 0 && screen->mode != BOARD_LEFT) {
        size_t len = 0;
        if (screen->mode == BOARD_REASON) {
            len = reason_feed(screen, keys);
        } else {
            len = key_len(keys);
            const char last = keys.data[len - 1];
            /* Among escape sequences only arrows mean something, and no letter means an arrow. */
            const bool arrow = len == 3 && last >= 'A' && last <= 'D';
            if (arrow || (len == 1 && last != '\033' && !(last >= 'A' && last <= 'D'))) {
                key_take(screen, last);
            } else if (screen->mode == BOARD_PAGE || screen->mode == BOARD_SURE) {
                key_take(screen, ' ');
            }
        }
        keys = (struct bytes){keys.data + len, keys.len - len};
    }
    return ERR_OK;
}

/* --- The loop --------------------------------------------------------------------------------- */

/* Milliseconds until something is due by itself. */
static int timeout_of(const struct screen *screen) {
    const uint64_t now_ns = world_mono_ns(screen->talk->world);
    const uint64_t due_ns = screen->read_ns + PAUSE_MS * UINT64_C(1000000);
    if (screen->mode == BOARD_REASON && edit_line_is_partial(&screen->edit)) {
        return EDIT_ESCAPE_MS;
    }
    if (feed_is_away(&screen->feed) || !screen->changed) {
        return feed_wait_ms(&screen->feed);
    }
    return due_ns > now_ns ? (int)((due_ns - now_ns) / 1000000) + 1 : 0;
}

/* Others resized or stopped us. */
static void signals_take(struct screen *screen) {
    struct signalfd_siginfo info;
    while (read(screen->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCONT) {
            raw_terminal_end(&screen->terminal);
        }
    }
    if (screen->mode != BOARD_PAGE) {
        live_view_clear(&screen->view);
    }
}

/* Reads the lists, where it is time. */
static struct err lists_look(struct screen *screen) {
    const uint64_t due_ns = screen->read_ns + PAUSE_MS * UINT64_C(1000000);
    if (feed_is_away(&screen->feed) || !screen->changed ||
        world_mono_ns(screen->talk->world) < due_ns) {
        return ERR_OK;
    }
    const struct err err = lists_read(screen);
    return err_failed(err) ? feed_break(&screen->feed, err, &screen->invocation->why) : ERR_OK;
}

static struct err screen_wait(struct screen *screen) {
    enum { INPUT, STREAM, INTERRUPT, SIGNAL };
    struct pollfd polls[] = {
        [INPUT] = {.fd = screen->terminal.raw ? STDIN_FILENO : -1, .events = POLLIN},
        [STREAM] = {.fd = feed_fd(&screen->feed), .events = POLLIN},
        [INTERRUPT] = {.fd = screen->talk->interrupt_fd, .events = POLLIN},
        [SIGNAL] = {.fd = screen->signal_fd, .events = POLLIN},
    };
    const int ready = poll(polls, COUNT_OF(polls), timeout_of(screen));
    if (ready < 0) {
        return errno == EINTR ? ERR_OK : err_from_errno(errno, "board: poll");
    }
    if (polls[INTERRUPT].revents != 0) {
        return err_make(ERR_INTERRUPTED, "board: wait");
    }
    if (ready == 0 && edit_line_is_partial(&screen->edit)) {
        edit_line_settle(&screen->edit);
    }
    if (polls[SIGNAL].revents != 0) {
        signals_take(screen);
    }
    struct err err = feed_turn(&screen->feed, polls[STREAM].revents != 0, &screen->invocation->why);
    if (!err_failed(err) && polls[INPUT].revents != 0) {
        err = keys_take(screen);
    }
    return err_failed(err) ? err : lists_look(screen);
}

static void screen_done(struct screen *screen) {
    raw_terminal_end(&screen->terminal);
    feed_done(&screen->feed);
    board_done(&screen->board);
    edit_line_done(&screen->edit);
    json_release(&screen->judged);
    text_done(&screen->said);
    live_view_done(&screen->view);
    fd_release(&screen->signal_fd);
}

/* Changes during the first read are events that the stream brings. */
static struct err screen_run(struct screen *screen) {
    board_init(&screen->board);
    edit_line_init(&screen->edit);
    live_view_init(&screen->view, stdout);
    text_init(&screen->said, 4096);
    screen->feed = (struct feed){.talk = screen->talk,
                                 .retry_ms = OUTAGE_ANY,
                                 .on_connect = on_connect,
                                 .on_frame = on_frame,
                                 .on_alive = on_alive,
                                 .ctx = screen};
    TRY(head_find(screen));
    TRY(lists_read(screen));
    TRY(feed_open(&screen->feed, &screen->invocation->why));
    TRY(feed_turn(&screen->feed, false, &screen->invocation->why));
    talk_hear_all(screen->talk);
    screen->signal_fd = terminal_signals_open();
    struct err err = ERR_OK;
    while (!err_failed(err) && screen->mode != BOARD_LEFT) {
        /* In the background the terminal is the shell's: then the picture alone is kept. */
        if (!screen->terminal.raw && !raw_terminal_background() &&
            !raw_terminal_begin(&screen->terminal, RAW_KEYS_OF_LINE)) {
            return err_make(ERR_IO, "board: no terminal");
        }
        screen_draw(screen);
        err = screen_wait(screen);
    }
    return err;
}

/* --- Once ------------------------------------------------------------------------------------- */

static struct err board_print(struct talk *talk, const char *project) {
    const struct invocation *invocation = talk->invocation;
    AUTO(board_done) struct board board;
    AUTO(text_done) struct text out = text_up_to(LIVE_SCREEN_MAX);
    const struct board_room room = {.paint = paint_of(STDOUT_FILENO, &invocation->env)};
    TRY(board_read(talk, project, &board));
    size_t count = 0;
    for (unsigned column = 0; column < BOARD_COLUMNS; column++) {
        const json_t *task = NULL;
        size_t at = 0;
        json_array_foreach(board.columns[column], at, task) {
            count++;
            if (invocation->json) {
                talk_print(task);
            }
        }
    }
    if (count == 0 && !invocation->json) {
        plain_note("The project %s has no tasks. 'drover task add' adds one.\n", project);
    } else if (!invocation->json) {
        board_draw(&board, &room, &out);
        fputs(text_bytes(&out).data, stdout);
    }
    return ERR_OK;
}

static struct err board_run(struct invocation *invocation, struct talk *talk) {
    AUTO(text_done) struct text project = {0};
    const struct args *args = &invocation->args;
    const bool lives = !invocation->json && !args_on(args, "once") && raw_terminal_possible() &&
                       terminal_draws(STDOUT_FILENO, &invocation->env);
    struct err err = ERR_OK;
    if (args->operand_count > 0) {
        text_init(&project, TASK_PATH_MAX);
        text_add_str(&project, args->operands[0]);
    } else {
        err = task_project(talk, &project);
    }
    if (!err_failed(err) && !lives) {
        return board_print(talk, text_bytes(&project).data);
    }
    if (err_failed(err)) {
        return err;
    }
    AUTO(screen_done)
    struct screen screen = {.talk = talk,
                            .invocation = invocation,
                            .project = text_bytes(&project).data,
                            .signal_fd = -1};
    invocation->follows = true;
    return screen_run(&screen);
}

static const struct flag board_flags[] = {
    OPTION_SWITCH("once", 0, "Print it once, also on a terminal."),
    OPTION_END,
};

const struct command command_board = {
    COMMAND(NULL, "board", "[PROJECT]", "Show the tasks of a project by status, as they change."),
    HELP(TASKS, "drover board\n"
                "drover board web --once\n"),
    .flags = board_flags,
    .about = "Without PROJECT it is the project whose folder the current one is, else\n"
             "'default'. In a pipe, and with --json, it is printed once.\n"
             "\n"
             "Keys: arrows or h j k l move; Enter shows a task; a accepts, r rejects with a\n"
             "reason, t opens it again, x cancels it; q leaves.\n",
    .converse = board_run,
};
