/* command_demo.c: drover demo. A chat, a workflow of models and programs, and a small board, on a
 * daemon that the reader may kill.
 *
 *   starting ──> serving ──> killed by the reader, or by this command at half time ─┐
 *                   ^  └──> finished                                               │
 *                   └───────────────────────────────────────────────────────────────┘
 *
 * The story begins with commands that its reader could type: each is shown before it is run
 * (private_daemon_do). Clients (`drover stream tail`) follow the streams of the run, the session
 * and the board across the death of the daemon, as any client does; the screen shows their lines.
 * When all three are over, the stored answers are compared with what was shown, each program must
 * have been asked once, and each task done once. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "base/number.h"
#include "cli/base/action.h"
#include "cli/base/api.h"
#include "cli/base/api_request.h"
#include "cli/base/commands.h"
#include "cli/base/names.h"
#include "cli/base/options.h"
#include "cli/demo/board.h"
#include "cli/demo/files.h"
#include "cli/demo/picture.h"
#include "cli/demo/private_daemon.h"
#include "cli/demo/stand_ins.h"
#include "cli/session/session.h"
#include "cli/terminal/live_view.h"
#include "cli/terminal/plain.h"
#include "cli/workflow/draw.h"

enum {
    TICK_MS = 100,
    KILL_MS = 4000, /* After the end of the first agent: the demo kills a daemon that nobody has
                     * killed, while the others are in the middle of their work. */
    AWAY_MS = 1000, /* Pause before a restart, so that the reader sees the dead daemon. */
    STUCK_MS = 120000,
    KILLS_MAX = 100,
    SPEED_MAX = 20,
    LINE_MAX = 1 << 20,
    EXIT_INTERRUPTED = 130,
};

/* Questions of the chat; answers.json has the answers. */
static const char *const questions[] = {
    "Who plans the release?", "What if somebody kills the daemon now?", "Did you lose anything?"};

enum show { SHOW_LIVE, SHOW_LINES, SHOW_JSON };
enum { TAIL_WORKFLOW, TAIL_CHAT, TAIL_BOARD, TAILS };

/* A client that follows one of the streams. */
struct tail {
    const char *of, *stream; /* As --json and the daemon name it. */
    const char *id;          /* The stream's id; borrowed. NULL: it has not begun. */
    int fd;                  /* Owned; -1: none. */
    int begun;               /* Number of followers so far; KILLS_MAX at most. */
    struct text text;        /* Owned: the line that has not ended. */
    int64_t seq;             /* Number of the last event. */
};

struct demo {
    struct invocation *invocation;
    struct private_daemon daemon; /* Owned, and so is all that follows. */
    struct stand_ins stand_ins;
    struct talk talk;
    char *script; /* Path of answers.json in the private directory. */
    char *session, *run;
    struct tail tails[TAILS];
    struct workflow_tree tree;
    struct chat chat;
    struct demo_board board;
    struct live_view view;
    /* Names of agents when the daemon was killed last: `cut` are of a model, `running` programs. */
    struct text finished, cut, running;
    size_t finished_count;
    struct text fault; /* Promises that did not hold; empty: all held. */
    json_t *result;
    enum show show;
    struct paint paint;
    int64_t speed;
    uint64_t ended_ms; /* When the first agent had ended. 0: not yet. */
    uint64_t moved_ms; /* Time of the last progress. */
    uint64_t started_ms, died_ms;
    int dead_pid, kills;
    bool ours;  /* The demo itself sent the last SIGKILL. */
    bool stays; /* Serves its page at the end, until the reader leaves. */
};

static uint64_t mono_ms(const struct demo *demo) {
    return world_mono_ns(demo->invocation->world) / 1000000;
}

/* --- Output ----------------------------------------------------------------------------- */

/* Prints a line of the demo itself: above the picture, in a pipe, or as {"event": …, "text": …}. */
static void PRINTF_LIKE(4, 5)
    demo_say(struct demo *demo, const char *event, enum colour colour, const char *format, ...) {
    AUTO(text_done) struct text line = text_up_to(4096);
    char words[2048];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(words, sizeof words, format, args); /* Cut where it is too long. */
    va_end(args);
    if (demo->show == SHOW_JSON) {
        text_add_str(&line, "{");
        text_add_member(&line, "event", bytes_of(event));
        text_add_member(&line, "text", bytes_of(words));
        if (demo->daemon.pid != 0) {
            text_add_member_int(&line, "pid", demo->daemon.pid);
        }
        text_add_str(&line, "}\n");
    } else {
        int columns = demo->show == SHOW_LIVE ? demo->view.size.columns : 0;
        const struct demo_words wrapped = {words, 0, columns};
        text_add_str(&line, paint_begin(&demo->paint, colour));
        demo_words_add(&line, &wrapped);
        text_cut(&line, line.len > 0 ? line.len - 1 : 0); /* The colour ends before the line. */
        text_addf(&line, "%s\n", paint_end(&demo->paint, colour));
    }
    if (demo->show == SHOW_LIVE) {
        text_add(&demo->view.above, text_bytes(&line).data, line.len);
    } else {
        fputs(text_bytes(&line).data, stdout);
        (void)fflush(stdout); /* A failure shows again at the end. */
    }
}

enum picture_end { GOES_ON, STAYS };
static void demo_draw(struct demo *demo, enum picture_end end) {
    AUTO(text_done) struct text picture = text_up_to(LIVE_SCREEN_MAX);
    char daemon[128];
    if (demo->show != SHOW_LIVE) {
        return;
    }
    bool serves = demo->daemon.state == PRIVATE_SERVING;
    if (serves || demo->kills == 0) {
        (void)snprintf(daemon, sizeof daemon, "daemon %s, pid %d", serves ? "serves" : "starts",
                       demo->daemon.pid);
    } else {
        (void)snprintf(daemon, sizeof daemon, "the daemon is dead (pid %d); it starts again",
                       demo->dead_pid);
    }
    const struct demo_picture shown = {
        .paint = demo->paint,
        .size = live_view_resize(&demo->view),
        .now_ms = world_wall_ms(demo->invocation->world),
        .tree = &demo->tree,
        .chat = &demo->chat,
        .board = &demo->board,
        .colour = serves            ? COLOUR_GREEN
                  : demo->kills > 0 ? COLOUR_RED
                                    : COLOUR_YELLOW,
        .daemon = daemon,
        .pid = serves && end == GOES_ON ? demo->daemon.pid : 0,
    };
    demo_picture_draw(&shown, &picture);
    live_view_show(&demo->view, &picture, NULL /* no cursor */);
}

/* --- Beginning ---------------------------------------------------------------------------- */

/* The model's script with its waits divided by the speed; the workflow, and the stand-in. */
static struct err files_write(struct demo *demo) {
    static const char wait[] = "\"delay: ";
    const struct world *world = demo->invocation->world;
    AUTO(text_done) struct text script = text_up_to(LINE_MAX);
    size_t count = 0;
    struct bytes rest = demo_files(&count)[DEMO_ANSWERS].source;
    assert(count == DEMO_FILES);
    for (size_t at = 0; at < rest.len; at++) {
        struct bytes here = {rest.data + at, rest.len - at}, digits = {NULL, 0};
        int64_t ms = 0;
        if (!bytes_begin(here, bytes_of(wait))) {
            text_add_char(&script, rest.data[at]);
            continue;
        }
        digits.data = here.data + strlen(wait);
        digits.len = strspn(digits.data, "0123456789");
        bool known = number_parse(digits, (struct number_bounds){0, STUCK_MS}, &ms);
        assert(known); /* The file is ours. */
        text_addf(&script, "%s%lld", wait, (long long)(ms / demo->speed));
        at += strlen(wait) + digits.len - 1;
    }
    const struct builtin *files = demo_files(&count);
    const struct {
        const char *name;
        struct bytes text;
    } written[] = {{"answers.json", text_bytes(&script)},
                   {"release.js", files[DEMO_WORKFLOW].source},
                   {"stand-in.sh", files[DEMO_STAND_IN].source}};
    for (size_t i = 0; i < COUNT_OF(written); i++) {
        AUTO(mem_release) char *path = private_daemon_path(&demo->daemon, written[i].name);
        TRY(world->file_replace(world->ctx, path, written[i].text, 0600 /* for the owner */));
    }
    demo->script = private_daemon_path(&demo->daemon, "answers.json");
    return ERR_OK;
}

/* Follows the stream from the last event that was heard. */
static struct err tail_begin(struct demo *demo, struct tail *tail, struct why *why) {
    char name[128], after[32];
    (void)snprintf(name, sizeof name, "%s:%s", tail->stream, tail->id); /* Ids are short. */
    (void)snprintf(after, sizeof after, "%lld", (long long)tail->seq);
    const char *const words[] = {"stream", "tail",     name,     "--after",
                                 after,    "--follow", "--json", NULL};
    tail->begun++;
    text_clear(&tail->text);
    struct err err = private_daemon_run(&demo->daemon, words, &tail->fd, why);
    return err_failed(err) || fcntl(tail->fd, F_SETFL, O_NONBLOCK) == 0
               ? err
               : err_from_errno(errno, "demo: pipe");
}

static bool tail_is_over(const struct demo *demo, const struct tail *tail) {
    return tail == &demo->tails[TAIL_WORKFLOW] ? demo->tree.finished
           : tail == &demo->tails[TAIL_CHAT]   ? chat_is_over(&demo->chat, COUNT_OF(questions))
                                               : demo_board_is_over(&demo->board);
}

/* Starts the followers that are not there: at first, and where the daemon was killed before one had
 * reached it, since such a follower gives up. */
static struct err tails_begin(struct demo *demo, struct why *why) {
    for (size_t i = 0; i < TAILS; i++) {
        struct tail *tail = &demo->tails[i];
        if (tail->id == NULL || tail->fd >= 0 || tail->begun == KILLS_MAX ||
            tail_is_over(demo, tail) || !private_daemon_has_room(&demo->daemon)) {
            continue;
        }
        TRY(tail_begin(demo, tail, why));
    }
    return ERR_OK;
}

/* A command that prints the id of what it made. */
static struct err id_make_by(struct demo *demo, const char *const *words, char **ret_id,
                             struct why *why) {
    AUTO(text_done) struct text said = text_up_to(LINE_MAX);
    TRY(private_daemon_do(&demo->daemon, words, &said, why));
    *ret_id = mem_copy(text_bytes(&said).data, said.len);
    return ERR_OK;
}

static void on_command(void *ctx, const char *line) {
    demo_say(ctx, "command", COLOUR_GREY, "$ %s", line);
}

/* Submits the workflow, the tasks and all questions, and starts the followers. */
static struct err story_begin(struct demo *demo, struct why *why) {
    static const char *const talk[] = {"session", "new", "--title", "About the release", NULL};
    static const char *const start[] = {"run", "./release.js", "--root", ".", "--detach", NULL};
    TRY(id_make_by(demo, talk, &demo->session, why));
    TRY(stand_ins_add(&demo->stand_ins, demo->speed, why));
    TRY(id_make_by(demo, start, &demo->run, why));
    TRY(demo_board_add(&demo->daemon, demo->speed, why));
    for (size_t i = 0; i < COUNT_OF(questions); i++) { /* A session answers them in turn. */
        AUTO(mem_release) char *turn = NULL;
        const struct session_say say = {.session = demo->session, .text = questions[i]};
        TRY(session_say(&demo->talk, &say, &turn, why));
    }
    demo->tails[TAIL_WORKFLOW].id = demo->run;
    demo->tails[TAIL_CHAT].id = demo->session;
    demo->tails[TAIL_BOARD].id = DEMO_BOARD_PROJECT;
    return tails_begin(demo, why);
}

/* --- Events -------------------------------------------------------------------- */

static int agents_compare(const void *left, const void *right) {
    return strcmp(((const struct workflow_agent *)left)->name,
                  ((const struct workflow_agent *)right)->name);
}

static void workflow_hear(struct demo *demo, const struct workflow_event *event) {
    AUTO(text_done) struct text line = text_up_to(16 << 10);
    const struct workflow_told told = {.tree = &demo->tree,
                                       .agent = workflow_tree_hear(&demo->tree, event),
                                       .event = event,
                                       .run = demo->run};
    if (demo->ended_ms == 0 && told.agent != NULL && told.agent->ms >= 0) {
        demo->ended_ms = mono_ms(demo);
    }
    bool logged = bytes_is(event->type, "log");
    if (logged) {
        stand_ins_hear(&demo->stand_ins, talk_text(event->data, "text"));
    }
    if (demo->show == SHOW_LIVE && logged) {
        AUTO(text_done) struct text plain = {0};
        plain_line(&plain, talk_text(event->data, "text"));
        demo_say(demo, "log", COLOUR_NONE, "%s", text_bytes(&plain).data);
    } else if (demo->show == SHOW_LINES) {
        workflow_lines_add(&told, &line);
        fputs(text_bytes(&line).data, stdout);
    }
    /* Agents begin in any order, and are shown by their names. */
    if (demo->tree.agent_count > 0) {
        qsort(demo->tree.agents, demo->tree.agent_count, sizeof *demo->tree.agents, agents_compare);
    }
}

static void chat_tell(struct demo *demo, struct bytes type, const json_t *data) {
    const struct chat *chat = &demo->chat;
    const struct chat_exchange *exchange =
        chat->current < chat->count ? &chat->exchanges[chat->current] : NULL;
    struct bytes line;
    if (bytes_is(type, "output_discarded")) {
        demo_say(demo, "answer_broken", COLOUR_YELLOW,
                 "chat: the answer broke off; the model says it again from its beginning.");
    }
    if (demo->show == SHOW_LINES && exchange != NULL && bytes_is(type, "turn_finished")) {
        printf("chat, you: %s\n", exchange->question);
        for (struct bytes rest = text_bytes(&exchange->answer); bytes_next(&rest, '\n', &line);) {
            fputs("chat, model: ", stdout);
            plain_print(line);
            fputs("\n", stdout);
        }
    }
    chat_hear(&demo->chat, type, data);
}

static void board_tell(struct demo *demo, struct bytes type, const json_t *data) {
    AUTO(text_done) struct text line = text_up_to(256);
    if (demo_board_hear(&demo->board, type, data, &line) && demo->show == SHOW_LINES) {
        puts(text_bytes(&line).data);
    }
}

/* A line of a tail: {"seq": N, "type": "…", "data": {…}}. */
static void event_hear(struct demo *demo, struct tail *tail, struct bytes line) {
    AUTO(json_release) json_t *event = NULL;
    if (err_failed(json_parse_wrapped(line, &event, NULL /* no why */))) {
        text_addf(&demo->fault, "a line of the %s is no event", tail->of);
        return;
    }
    int64_t seq = talk_int(event, "seq");
    const char *type = talk_text(event, "type");
    const json_t *data = json_object_get(event, "data");
    if (seq != tail->seq + 1) {
        text_addf(&demo->fault, "event %lld of the %s follows %lld", (long long)seq, tail->of,
                  (long long)tail->seq);
    }
    tail->seq = seq;
    demo->moved_ms = mono_ms(demo);
    if (demo->show == SHOW_JSON) {
        printf("{\"of\":\"%s\",%.*s\n", tail->of, (int)line.len - 1, line.data + 1);
    }
    if (tail == &demo->tails[TAIL_WORKFLOW]) {
        const struct workflow_event heard = {bytes_of(type), data,
                                             world_wall_ms(demo->invocation->world)};
        workflow_hear(demo, &heard);
    } else if (tail == &demo->tails[TAIL_BOARD]) {
        board_tell(demo, bytes_of(type), data);
    } else {
        chat_tell(demo, bytes_of(type), data);
    }
    (void)fflush(stdout); /* A failure shows again at the end. */
}

static void tail_read(struct demo *demo, struct tail *tail) {
    char bytes[16 << 10];
    ssize_t len = read(tail->fd, bytes, sizeof bytes);
    if (len == 0) {
        fd_release(&tail->fd); /* The stream has ended, or the client: that is found later. */
    }
    struct bytes rest = {bytes, len > 0 ? (size_t)len : 0}, piece;
    const char *end = rest.data + rest.len;
    while (bytes_next(&rest, '\n', &piece)) {
        text_add(&tail->text, piece.data, piece.len);
        if (piece.data + piece.len < end) { /* The line's end was there. */
            event_hear(demo, tail, text_bytes(&tail->text));
            text_clear(&tail->text);
        }
    }
}

/* --- The daemon's lives ----------------------------------------------------------------------- */

static void names_add(struct text *names, const char *name) {
    text_addf(names, "%s%s", names->len > 0 ? ", " : "", name);
}

static const char *names_or_none(const struct text *names) {
    return names->len > 0 ? names->data : "none";
}

static void daemon_died(struct demo *demo, int pid, int status) {
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    demo->dead_pid = pid;
    demo->died_ms = demo->moved_ms = mono_ms(demo);
    demo->kills++;
    client_hang_up(demo->talk.client);
    if (killed && demo->ours) {
        demo_say(demo, "killed", COLOUR_RED,
                 "Nobody dared: the demo itself has sent SIGKILL to the daemon (pid %d).", pid);
    } else if (killed) {
        demo_say(demo, "killed", COLOUR_RED, "You killed the daemon (pid %d) with SIGKILL.", pid);
    } else {
        demo_say(demo, "killed", COLOUR_RED, "The daemon (pid %d) ended, with %s %d.", pid,
                 WIFSIGNALED(status) ? "signal" : "exit code",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    }
    demo->ours = false;
}

/* Before the next start, when the clients have printed all that they got from the dead one. */
static struct err daemon_restart(struct demo *demo, struct why *why) {
    text_clear(&demo->finished);
    text_clear(&demo->cut);
    text_clear(&demo->running);
    demo->finished_count = 0;
    for (size_t i = 0; i < demo->tree.agent_count; i++) {
        const struct workflow_agent *agent = &demo->tree.agents[i];
        demo->finished_count += agent->ms >= 0;
        names_add(agent->ms >= 0             ? &demo->finished
                  : stand_in_is(agent->name) ? &demo->running
                                             : &demo->cut,
                  agent->name);
    }
    demo_say(demo, "agents", COLOUR_NONE,
             "Agents that had finished: %s. Cut off: %s. Programs still running: %s.",
             names_or_none(&demo->finished), names_or_none(&demo->cut),
             names_or_none(&demo->running));
    demo->started_ms = mono_ms(demo);
    return private_daemon_start(&demo->daemon, demo->script, why);
}

static struct err daemon_serves(struct demo *demo, struct why *why) {
    AUTO(text_done) struct text invite = text_up_to(128);
    demo->moved_ms = mono_ms(demo);
    if (demo->kills == 0) {
        TRY(story_begin(demo, why));
    } else {
        demo_say(demo, "serving", COLOUR_GREEN,
                 "The next daemon serves after %llu ms (pid %d), and goes on from its database.",
                 (unsigned long long)(demo->moved_ms - demo->started_ms), demo->daemon.pid);
    }
    if (demo->show != SHOW_LIVE) { /* There it stands in the picture. */
        demo_invite_add(&invite, demo->daemon.pid, 0 /* no bound */);
        demo_say(demo, "invitation", COLOUR_NONE, "%s", invite.data);
    }
    return ERR_OK;
}

/* A start that never served: the end of its log says why. */
static struct err start_failed(struct demo *demo, struct why *why) {
    const struct world *world = demo->invocation->world;
    AUTO(mem_release) char *path = private_daemon_path(&demo->daemon, "log");
    AUTO(mem_release) char *log = NULL;
    size_t len = 0;
    if (!err_failed(world->file_read(world->ctx, path, LINE_MAX, &log, &len))) {
        len -= len > 0 && log[len - 1] == '\n';
        log[len] = '\0';
        const char *last = strrchr(log, '\n');
        return err_why(why, ERR_INTERNAL, "the daemon of the demo did not start: %s",
                       last != NULL ? last + 1 : log);
    }
    return err_why(why, ERR_INTERNAL, "the daemon of the demo did not start");
}

/* Handles the end of a process, and everything that is due by the clock. */
static struct err demo_look(struct demo *demo, struct why *why) {
    struct private_daemon *daemon = &demo->daemon;
    uint64_t now_ms = mono_ms(demo);
    bool served = daemon->state == PRIVATE_SERVING;
    int before = daemon->pid, status = 0, pid = private_daemon_reap(daemon, &status);
    if (pid != 0 && pid == before) {
        bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        if (!served && !killed) {
            return start_failed(demo, why);
        }
        daemon_died(demo, pid, status);
    }
    if (daemon->state == PRIVATE_DEAD &&
        now_ms - demo->died_ms >= (uint64_t)(AWAY_MS / demo->speed)) {
        return demo->kills < KILLS_MAX
                   ? daemon_restart(demo, why)
                   : err_why(why, ERR_INTERNAL, "the daemon was killed %d times: that is enough",
                             KILLS_MAX);
    }
    if (daemon->state == PRIVATE_SERVING && demo->kills == 0 && demo->ended_ms != 0 &&
        now_ms - demo->ended_ms >= (uint64_t)(KILL_MS / demo->speed) && !demo->ours) {
        demo->ours = true;
        (void)kill(daemon->pid, SIGKILL); /* The daemon is our child, and was not waited for. */
    }
    if (now_ms - demo->moved_ms >= STUCK_MS) {
        return err_why(why, ERR_INTERNAL, "nothing has happened for %d s; please report this",
                       STUCK_MS / 1000);
    }
    return daemon->state == PRIVATE_SERVING ? tails_begin(demo, why) : ERR_OK;
}

/* --- End ---------------------------------------------------------------------------------- */

/* The stored answers are what was shown. */
static struct err chat_check(struct demo *demo, struct why *why) {
    AUTO(json_release) json_t *answer = NULL;
    const struct api_request messages = {
        .base = "/api/v1/sessions/", .id = demo->session, .rest = "/messages?order=oldest"};
    size_t at = 0, i = 0;
    json_t *message = NULL;
    struct err err = api_ask(&demo->talk, &messages, &answer, why);
    json_array_foreach(json_object_get(answer, "items"), i, message) {
        const json_t *part = json_array_get(json_object_get(message, "parts"), 0);
        if (strcmp(talk_text(message, "role"), "assistant") != 0 || at >= demo->chat.count) {
            continue;
        }
        struct bytes shown = text_bytes(&demo->chat.exchanges[at++].answer);
        if (!bytes_is(shown, talk_text(part, "text"))) {
            text_addf(&demo->fault, "answer %zu of the chat is stored otherwise than shown", at);
        }
    }
    if (!err_failed(err) && at != COUNT_OF(questions)) {
        text_addf(&demo->fault, "%zu answers are stored, not %zu", at, COUNT_OF(questions));
    }
    return err;
}

/* The daemon of the last life asked only those agents that had not finished before it. */
static struct err agents_check(struct demo *demo, struct why *why) {
    static const char name[] = "\ndrover_workflow_agents_total ";
    AUTO(text_done) struct text body = {0};
    const struct client_request request = {
        .method = "GET", .target = "/metrics", .accept = "text/plain"};
    TRY(talk_ask(&demo->talk, &request, &body, NULL /* no JSON */, why));
    const char *line = strstr(text_bytes(&body).data, name);
    int64_t asked = -1;
    struct bytes digits = bytes_of(line != NULL ? line + strlen(name) : "");
    digits.len = strspn(digits.data, "0123456789");
    bool known = number_parse(digits, (struct number_bounds){0, INT64_MAX}, &asked);
    if (!known || (size_t)asked + demo->finished_count > demo->tree.agent_count) {
        text_addf(&demo->fault, "%zu of %zu agents had finished, and %lld were asked after that",
                  demo->finished_count, demo->tree.agent_count, (long long)asked);
    }
    return ERR_OK;
}

static void end_json(const struct demo *demo) {
    AUTO(json_release)
    json_t *line =
        json_pack("{s:s,s:b,s:s,s:i,s:s,s:s,s:s,s:s,s:O?}", "event", "demo_finished", "as_promised",
                  demo->fault.len == 0, "fault", text_bytes(&demo->fault).data, "kills",
                  demo->kills, "not_asked_again", text_bytes(&demo->finished).data, "asked_again",
                  text_bytes(&demo->cut).data, "worked_on", text_bytes(&demo->running).data, "run",
                  demo->run, "answer", demo->tree.result);
    talk_print(line);
}

static void line_print(const struct demo *demo, const char *mark, enum colour colour,
                       const char *words) {
    AUTO(text_done) struct text line = text_up_to(8192);
    int columns = demo->show == SHOW_LIVE ? demo->view.size.columns : 0;
    const struct demo_words wrapped = {words, 2 + (int)strlen(mark) + (mark[0] != '\0'), columns};
    text_addf(&line, "  %s%s%s%s", paint_begin(&demo->paint, colour), mark,
              paint_end(&demo->paint, colour), mark[0] != '\0' ? " " : "");
    demo_words_add(&line, &wrapped);
    fputs(text_bytes(&line).data, stdout);
}

static void end_print(const struct demo *demo) {
    char words[2048];
    size_t broken = 0;
    for (size_t i = 0; i < demo->chat.count; i++) {
        broken += demo->chat.exchanges[i].broken;
    }
    puts("\nWhat happened");
    (void)snprintf(words, sizeof words,
                   "the daemon was killed %s; the next one went on from its database",
                   demo->kills == 1 ? "once" : "more than once");
    line_print(demo, "ok", COLOUR_GREEN, words);
    (void)snprintf(words, sizeof words,
                   "the workflow: finished before, and not asked again: %s; cut off, and asked "
                   "again: %s",
                   names_or_none(&demo->finished), names_or_none(&demo->cut));
    line_print(demo, "ok", COLOUR_GREEN, words);
    (void)snprintf(words, sizeof words,
                   "the programs: running while the daemon was dead: %s; each of the three was "
                   "asked once, and its answer is whole",
                   names_or_none(&demo->running));
    line_print(demo, "ok", COLOUR_GREEN, words);
    (void)snprintf(words, sizeof words,
                   "the chat: %zu answers, %zu of them cut off and said again; each stands there "
                   "once, and is stored as it was shown",
                   demo->chat.count, broken);
    line_print(demo, "ok", COLOUR_GREEN, words);
    (void)snprintf(words, sizeof words,
                   "the board: finn has done %d tasks, each once and after the one before; gus has "
                   "judged them",
                   DEMO_TASKS);
    line_print(demo, "ok", COLOUR_GREEN, words);
    (void)snprintf(words, sizeof words,
                   "their followers: %lld, %lld and %lld events, in order, no gap, no repeat",
                   (long long)demo->tails[TAIL_WORKFLOW].seq, (long long)demo->tails[TAIL_CHAT].seq,
                   (long long)demo->tails[TAIL_BOARD].seq);
    line_print(demo, "ok", COLOUR_GREEN, words);
    puts("\nThe answer of the workflow");
    AUTO(text_done) struct text answer = {0};
    plain_line(&answer,
               json_is_string(demo->tree.result) ? json_string_value(demo->tree.result) : "");
    line_print(demo, "", COLOUR_NONE, text_bytes(&answer).data);
    puts("\nWhere to go next");
    static const char *const next[] = {
        "drover ask 'What can you do?'  asks a model one thing",
        "drover chat  talks with it, about the files of this folder",
        "drover workflow ls  lists workflows; drover run NAME runs one",
        "drover job run -- make  runs a command that outlives the daemon",
    };
    for (size_t i = 0; i < COUNT_OF(next); i++) {
        line_print(demo, "$", COLOUR_GREY, next[i]);
    }
}

static void kept_print(const struct demo *demo) {
    printf("\nKept, for you to look at: %s\n"
           "  drover serve --data %s --listen 127.0.0.1:0 &\n"
           "  export DROVER_DATA=%s\n"
           "  drover open\n"
           "  drover show %s\n"
           "  drover session show -m %s\n",
           demo->daemon.dir, demo->daemon.data, demo->daemon.data,
           short_name_of(demo->run, NULL /* no label */).text,
           short_name_of(demo->session, NULL /* no label */).text);
}

/* --- The page --------------------------------------------------------------------------------- */

static struct err link_print(struct demo *demo, struct why *why) {
    AUTO(json_release) json_t *link = NULL;
    const struct api_request make = {.method = "POST", .base = "/api/v1/login/links"};
    TRY(api_ask(&demo->talk, &make, &link, why));
    puts("\nClick through all of it");
    printf("  %s\n", talk_text(link, "url")); /* In one line, to be copied. */
    char words[2048];
    (void)snprintf(words, sizeof words,
                   "The link signs one browser in, within %lld s; 'drover open --data %s' makes "
                   "another. Ctrl-C ends the daemon.",
                   (long long)talk_int(link, "valid_ms") / 1000, demo->daemon.data); /* Fits. */
    line_print(demo, "", COLOUR_NONE, words);
    (void)fflush(stdout); /* A failure shows again at the end. */
    return ERR_OK;
}

/* Serves the page until the reader leaves; a daemon that is killed meanwhile starts again. */
static struct err demo_stay(struct demo *demo, struct why *why) {
    struct private_daemon *daemon = &demo->daemon;
    struct err err = link_print(demo, why);
    for (size_t i = 0; i < TAILS; i++) {
        fd_release(&demo->tails[i].fd); /* Nothing more is shown of them. */
    }
    for (int kills = 0; !err_failed(err);) {
        struct pollfd fds[] = {{.fd = demo->talk.interrupt_fd, .events = POLLIN},
                               {.fd = daemon->ready_fd, .events = POLLIN}};
        (void)poll(fds, COUNT_OF(fds), TICK_MS); /* After a failure the next call reports it. */
        if (fds[0].revents != 0) {
            return ERR_OK;
        }
        bool serves =
            fds[1].revents != 0 ? private_daemon_hear(daemon) : daemon->state == PRIVATE_SERVING;
        int before = daemon->pid, status = 0, pid = private_daemon_reap(daemon, &status);
        if (pid != 0 && pid == before) {
            err = serves && ++kills < KILLS_MAX ? private_daemon_start(daemon, demo->script, why)
                                                : start_failed(demo, why);
        }
    }
    return err;
}

/* --- The whole of it -------------------------------------------------------------------------- */

static void demo_done(struct demo *demo) {
    for (size_t i = 0; i < TAILS; i++) {
        fd_release(&demo->tails[i].fd);
        text_done(&demo->tails[i].text);
    }
    talk_close(&demo->talk);
    mem_free(demo->script);
    mem_free(demo->session);
    mem_free(demo->run);
    workflow_tree_done(&demo->tree);
    chat_done(&demo->chat);
    live_view_done(&demo->view);
    text_done(&demo->finished);
    text_done(&demo->cut);
    text_done(&demo->running);
    text_done(&demo->fault);
}

static struct err demo_open(struct demo *demo, struct invocation *invocation) {
    struct why *why = &invocation->why;
    *demo = (struct demo){
        .invocation = invocation,
        .daemon = {.ready_fd = -1},
        .talk = {.interrupt_fd = -1, .world = invocation->world},
        .tails = {{"workflow", "run", .fd = -1, .text = text_up_to(LINE_MAX)},
                  {"chat", "session", .fd = -1, .text = text_up_to(LINE_MAX)},
                  {"board", "project", .fd = -1, .text = text_up_to(LINE_MAX)}},
        .finished = text_up_to(4096),
        .cut = text_up_to(4096),
        .running = text_up_to(4096),
        .fault = text_up_to(4096),
        .paint = paint_of(STDOUT_FILENO, &invocation->env),
        .speed = args_int(&invocation->args, "speed", 1),
    };
    live_view_init(&demo->view, stdout);
    demo->show = invocation->json ? SHOW_JSON
                 : terminal_size(STDOUT_FILENO, &demo->view.size) &&
                         terminal_draws(STDOUT_FILENO, &invocation->env)
                     ? SHOW_LIVE
                     : SHOW_LINES;
    demo->stays =
        demo->show != SHOW_JSON && args_on(&invocation->args, "keep") && isatty(STDOUT_FILENO) != 0;
    demo->stand_ins.daemon = &demo->daemon;
    workflow_tree_init(&demo->tree);
    TRY(private_daemon_open(&demo->daemon, invocation->world, &invocation->env, why));
    TRY(files_write(demo));
    demo->daemon.on_command = on_command;
    demo->daemon.ctx = demo;
    demo->daemon.reach = demo->stays ? PRIVATE_FOR_BROWSERS : PRIVATE_FOR_PROGRAMS;
    demo->talk.options = (struct client_options){.data = demo->daemon.data, .interrupt_fd = -1};
    talk_hear_all(&demo->talk); /* Each of these signals is an end in order. */
    demo->talk.options.interrupt_fd = demo->talk.interrupt_fd;
    struct err err = client_open(&demo->talk.options, &demo->talk.client, why);
    demo->started_ms = demo->moved_ms = mono_ms(demo);
    demo_say(demo, "begin", COLOUR_NONE,
             "Five agents plan a release; a chat and a board of three tasks go on beside them. "
             "Ada, Eve, the chat and the board are a model, which a script plays; Ben, Cleo and "
             "Dan are programs, stand-ins for Claude Code and the like: no key, no network. "
             "Directory: %s",
             demo->daemon.dir);
    return err_failed(err) ? err : private_daemon_start(&demo->daemon, demo->script, why);
}

/* Waits once, and handles what came. ERR_INTERRUPTED: the user wants to leave. */
static struct err demo_step(struct demo *demo, struct why *why) {
    struct pollfd fds[] = {{.fd = demo->talk.interrupt_fd, .events = POLLIN},
                           {.fd = demo->daemon.ready_fd, .events = POLLIN},
                           {.fd = demo->tails[TAIL_WORKFLOW].fd, .events = POLLIN},
                           {.fd = demo->tails[TAIL_CHAT].fd, .events = POLLIN},
                           {.fd = demo->tails[TAIL_BOARD].fd, .events = POLLIN}};
    (void)poll(fds, COUNT_OF(fds), TICK_MS); /* After a failure the next call reports the same. */
    if (fds[0].revents != 0) {
        return err_make(ERR_INTERRUPTED, "demo: signal");
    }
    for (size_t i = 0; i < TAILS; i++) {
        if (fds[2 + i].revents != 0) {
            tail_read(demo, &demo->tails[i]);
        }
    }
    if (fds[1].revents != 0 && private_daemon_hear(&demo->daemon)) {
        TRY(daemon_serves(demo, why));
    }
    return demo_look(demo, why);
}

/* All are over, and the daemon has said what it stored. A daemon that is killed meanwhile is asked
 * again in its next life. */
static struct err demo_play(struct demo *demo, struct why *why) {
    for (;;) {
        TRY(demo_step(demo, why));
        demo_draw(demo, GOES_ON);
        if (!demo->tree.finished || !chat_is_over(&demo->chat, COUNT_OF(questions)) ||
            !demo_board_is_over(&demo->board) || demo->daemon.state != PRIVATE_SERVING ||
            demo->kills == 0) {
            continue;
        }
        struct err err = chat_check(demo, why);
        err = err_failed(err) ? err : agents_check(demo, why);
        err = err_failed(err) ? err : demo_board_check(&demo->talk, &demo->fault, why);
        err = err_failed(err) ? err : stand_ins_check(&demo->stand_ins, &demo->fault);
        if (!err_failed(err) || !client_may_pass(err)) {
            return err;
        }
        text_clear(&demo->fault);
    }
}

static struct err demo_run(struct invocation *invocation) {
    AUTO(demo_done) struct demo demo;
    bool keep = args_on(&invocation->args, "keep");
    struct err err = demo_open(&demo, invocation);
    err = err_failed(err) ? err : demo_play(&demo, &invocation->why);
    bool interrupted = err.code == ERR_INTERRUPTED;
    if (!err_failed(err)) {
        demo_draw(&demo, STAYS);
        if (invocation->json) {
            end_json(&demo);
        } else if (demo.fault.len == 0) {
            end_print(&demo);
        }
        (void)fflush(stdout); /* A failure shows again at the end. */
    }
    if (!err_failed(err) && demo.fault.len > 0) {
        err = err_why(&invocation->why, ERR_INTERNAL, "not as promised: %s", demo.fault.data);
    }
    bool kept = keep && !err_failed(err);
    if (kept && demo.stays) {
        err = demo_stay(&demo, &invocation->why);
    }
    if (kept && !invocation->json) {
        kept_print(&demo);
    }
    private_daemon_close(&demo.daemon, kept ? PRIVATE_KEPT : PRIVATE_REMOVED);
    if (interrupted) {
        invocation->exit_code = EXIT_INTERRUPTED;
        return ERR_OK;
    }
    return err;
}

static const struct flag demo_flags[] = {
    OPTION_SWITCH("keep", 0, "Keep the directory, and serve it until Ctrl-C."),
    OPTION_INT("speed", 0, "N", 1, SPEED_MAX, "Play it N times as fast.", .absent = "1"),
    OPTION_END,
};

const struct command command_demo = {
    COMMAND(NULL, "demo", NULL, "Show a chat, agents and a board that survive kill -9."),
    HELP(AGENTS, "drover demo\n"),
    .flags = demo_flags,
    .about = "The demo uses a data directory of its own, which it removes at the end, a script\n"
             "in place of a model, and small programs in place of Claude Code and the like.\n"
             "Keys, models, programs and servers of your environment are not used. If you do\n"
             "not kill the daemon, the demo kills it, soon after the first agent has ended.\n"
             "In a pipe, or with --json, it prints a line for each event.\n"
             "\n"
             "With --keep it serves on at the end, until Ctrl-C, with a link that signs a\n"
             "browser in. In a pipe, or with --json, it ends by itself all the same.\n"
             "\n"
             "Exit code: 1 if something was lost or done twice, 130 after Ctrl-C.\n",
    .run = demo_run,
};
