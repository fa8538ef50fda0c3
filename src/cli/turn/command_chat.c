/* command_chat.c: drover chat: a conversation at a terminal, or by lines in a pipe.
 *
 * A line is a message, or a command with a slash. On a terminal and with --json a loop follows the
 * session (chat_live.c); in a pipe each line is answered before the next one is read. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "cli/base/action.h"
#include "cli/base/api_request.h"
#include "cli/base/commands.h"
#include "cli/base/names.h"
#include "cli/base/options.h"
#include "cli/base/project.h"
#include "cli/budget/daily_limit.h"
#include "cli/run/ask.h"
#include "cli/session/session.h"
#include "cli/terminal/cells.h"
#include "cli/terminal/plain.h"
#include "cli/turn/chat.h"
#include "cli/turn/follow.h"
#include "rules/provider/no_model.h"

enum { NOTE_MAX = 64 << 10 };

static const struct flag chat_flags[] = {
    OPTION_TEXT("model", 'm', "NAME", "Use provider/model [the daemon's].", .env = "DROVER_MODEL"),
    OPTION_TEXT("agent", 0, "NAME", "Talk to a program: claude, codex, … ('drover agent ls')."),
    OPTION_TEXT("native", 0, "ID", "Continue this session that the program has; with --agent."),
    OPTION_TEXT("session", 's', "SESSION", "Continue this session [a new one]."),
    OPTION_SWITCH("continue", 'c', "Continue the session of this project that changed last."),
    OPTION_TEXT("root", 0, "DIR", "Work in this folder [the current project's]."),
    OPTION_SWITCH("no-root", 0, "Give it no tools for files."),
    SESSION_TREE_OPTIONS,
    OPTION_END,
};

static void chat_done(struct chat *chat) {
    lines_done(&chat->lines);
    json_decref(chat->images);
    mem_free(chat->session);
    mem_free(chat->model);
    mem_free(chat->draft);
}

/* --- A pipe ----------------------------------------------------------------------------------- */

static struct err line_do(struct chat *chat, const char *text) {
    AUTO(mem_release) char *run = NULL;
    if (text[strspn(text, " \t")] == '\0') {
        return ERR_OK;
    }
    if (text[0] == '/') {
        return chat_command(chat, text);
    }
    TRY(chat_send(chat, text, NULL /* policy */, NULL /* a new id */, &run));
    return chat_watch(chat, run);
}

/* A refusal of the daemon is printed, and the conversation goes on; without a daemon it ends. */
static struct err lines_converse(struct chat *chat) {
    struct err err = ERR_OK;
    while (!err_failed(err) && !chat->over) {
        struct bytes line = {0};
        err = lines_next(&chat->lines, &line);
        chat->over = line.data == NULL;
        if (err_failed(err) || chat->over) {
            break;
        }
        AUTO(mem_release) char *text = mem_copy(line.data, line.len);
        err = line_do(chat, text);
        if (err_failed(err) && err.code != ERR_UNREACHABLE && err.code != ERR_INTERRUPTED) {
            chat_complain(chat, err);
            err = ERR_OK;
        }
    }
    return err;
}

/* In a pipe nobody answers a question. */
static struct err lines_join(struct chat *chat) {
    AUTO(json_release) json_t *answer = NULL;
    const struct api_request request = {.base = "/api/v1/streams/session:",
                                        .id = chat->session,
                                        .rest = "/events?snapshot=1&limit=1"};
    struct err err = api_ask(chat->talk, &request, &answer, &chat->invocation->why);
    const json_t *snapshot = json_object_get(answer, "snapshot");
    if (!err_failed(err) && json_array_size(json_object_get(snapshot, "approvals")) > 0) {
        plain_note("[a turn waits for an answer; 'drover approve' lists the questions]\n");
    }
    return err;
}

/* --- The session ------------------------------------------------------------------------------ */

/* Looks for the newest session that is no subagent's and works in the folder or its project. */
struct newest {
    const char *folder, *project;
    char *session; /* Owned; NULL: not found yet. */
    bool found;
};

static void newest_take(void *ctx, const json_t *row) {
    struct newest *newest = ctx;
    struct bytes id = bytes_of(talk_text(row, "id"));
    const char *root = talk_text(row, "root");
    bool fits = strcmp(root, newest->folder) == 0 || strcmp(root, newest->project) == 0;
    if (!newest->found && fits && talk_text(row, "parent")[0] == '\0') {
        newest->session = mem_copy(id.data, id.len);
        newest->found = true;
    }
}

static struct err session_newest(struct chat *chat, const char *folder) {
    struct why *why = &chat->invocation->why;
    char root[PATH_MAX], project[PATH_MAX];
    struct err found = root_resolve(folder, root, why);
    found = err_failed(found) ? found : project_find(chat->invocation, root, project);
    if (err_failed(found)) {
        return found;
    }
    struct newest newest = {.folder = root, .project = project};
    const struct talk_rows rows = {
        .path = "/api/v1/sessions", .enough = &newest.found, .each = newest_take, .ctx = &newest};
    struct err err = talk_rows(chat->talk, &rows, why);
    if (err_failed(err)) {
        mem_free(newest.session);
        return err;
    }
    chat->session = newest.session;
    return chat->session != NULL
               ? ERR_OK
               : err_why(why, ERR_NOT_FOUND,
                         "no session works in %s; 'drover chat' without --continue starts one",
                         project);
}

static struct err session_new(struct chat *chat) {
    const struct args *args = &chat->invocation->args;
    AUTO(json_release) json_t *worktree = NULL;
    TRY(session_worktree_read(args, &worktree, &chat->invocation->why));
    const char *agent = args_text(args, "agent");
    const struct session_wish wish = {.model = agent != NULL ? session_model(args)
                                                             : args_text(args, "model"),
                                      .agent = agent,
                                      .native = args_text(args, "native"),
                                      .worktree = worktree,
                                      .root = chat->root};
    const struct daily_limit limit = {.model = wish.model};
    TRY(agent != NULL ? ERR_OK : daily_limit_ask(chat->talk, &limit, &chat->lines));
    return session_make(chat->talk, &wish, &chat->session, &chat->invocation->why);
}

/* Folder for a new session: of a session that the program has, as the program looks for it. */
static struct err root_find(struct chat *chat) {
    const struct args *args = &chat->invocation->args;
    const char *root = args_text(args, "root");
    struct err err = native_check(chat->invocation);
    if (args_text(args, "native") != NULL && args_on(args, "continue")) {
        return err_why(&chat->invocation->why, ERR_USAGE,
                       "--native and --continue exclude each other");
    }
    if (root == NULL && args_text(args, "native") != NULL) {
        root = ".";
    } else if (root == NULL && !err_failed(err)) {
        err = project_find(chat->invocation, ".", chat->project);
        root = chat->project;
    }
    chat->root = args_on(args, "no-root") ? NULL : root;
    return err;
}

/* Makes the session, or finds the one that was named. */
static struct err session_open(struct chat *chat, bool *ret_joins) {
    const struct args *args = &chat->invocation->args;
    const char *named = args_text(args, "session");
    struct session_ends ends = {.head = 0};
    struct err err = root_find(chat);
    *ret_joins = named != NULL || args_on(args, "continue");
    if (args_on(args, "continue") && (named != NULL || chat->root == NULL)) {
        return err_why(&chat->invocation->why, ERR_USAGE, "--continue and %s exclude each other",
                       named != NULL ? "--session" : "--no-root");
    }
    if (err_failed(err)) {
        return err;
    }
    if (*ret_joins && args_text(args, "agent") != NULL) {
        return err_why(&chat->invocation->why, ERR_USAGE,
                       "--agent is for a new session; one that goes on keeps its agent");
    }
    if (*ret_joins && args_on(args, "worktree")) {
        return err_why(&chat->invocation->why, ERR_USAGE,
                       "--worktree is for a new session; one that goes on works where it did");
    }
    if (!*ret_joins) {
        return session_new(chat);
    }
    const char *model = session_model(args);
    chat->model = model == NULL ? NULL : mem_copy(model, strlen(model));
    if (args_on(args, "continue")) {
        const char *folder = args_text(args, "root");
        err = session_newest(chat, folder == NULL ? "." : folder);
    } else {
        chat->session = mem_copy(named, strlen(named));
    }
    err = err_failed(err) ? err
                          : session_ends(chat->talk, chat->session, &ends, &chat->invocation->why);
    chat->seq = ends.head;
    const struct daily_limit limit = {.session = chat->session, .model = chat->model};
    return err_failed(err) ? err : daily_limit_ask(chat->talk, &limit, &chat->lines);
}

/* --- The header ------------------------------------------------------------------------------- */

enum { HEADER_KEY = 13 };

/* A program has tools of its own, and asks as far as it wants to. */
static void permissions_add(struct chat *chat, const json_t *row, struct text *out) {
    AUTO(json_release) json_t *agent = NULL;
    const json_t *settings = json_object_get(row, "settings");
    size_t rules = json_array_size(json_object_get(settings, "permissions"));
    text_addf(out, "%-*s", HEADER_KEY, "permissions");
    if (session_has_program(chat->talk, row, &agent)) {
        plain_add(out, talk_text(agent, "may"));
    } else if (talk_text(row, "root")[0] == '\0') {
        text_add_str(out, "no folder, so no tools for files");
    } else if (strcmp(talk_text(settings, "edits"), "allow") == 0) {
        text_add_str(out, "edits files of the folder; asks before commands");
    } else {
        text_add_str(out, "asks before it edits files or runs commands");
    }
    if (rules > 0) {
        text_addf(out, "; %zu rule%s", rules, rules > 1 ? "s" : "");
    }
    text_add_char(out, '\n');
}

static void header_add(const char *name, const char *value, struct text *out) {
    if (value[0] != '\0') {
        text_addf(out, "%-*s", HEADER_KEY, name);
        plain_add(out, value);
        text_add_char(out, '\n');
    }
}

/* A session that names no model has its messages answered by the daemon's. */
static void model_add(struct chat *chat, const char *named, struct text *out) {
    AUTO(json_release) json_t *settings = NULL;
    /* A client that may not read the settings is not stopped by that. */
    if (named[0] == '\0' &&
        !err_failed(talk_get(chat->talk, "/api/v1/settings", &settings, NULL /* no why */))) {
        named = talk_text(settings, "model");
    }
    header_add("model", named[0] != '\0' ? named : NO_MODEL_DETAIL, out);
}

static struct err header_print(struct chat *chat) {
    AUTO(json_release) json_t *row = NULL;
    AUTO(text_done) struct text out = text_up_to(NOTE_MAX);
    const struct paint paint = paint_of(STDOUT_FILENO, &chat->invocation->env);
    TRY(chat_ask(chat, "GET", "", NULL, &row));
    if (chat->form == CHAT_JSON) {
        AUTO(json_release) json_t *first = json_pack("{s:s,s:O}", "type", "session", "data", row);
        talk_print(first);
        return ERR_OK;
    }
    model_add(chat, chat->model != NULL ? chat->model : talk_text(row, "model"), &out);
    header_add("folder", talk_text(row, "root"), &out);
    permissions_add(chat, row, &out);
    const bool narrow =
        paint.columns > 0 && paint.columns < HEADER_KEY + (int)strlen(chat->session);
    header_add("session",
               narrow ? short_name_of(chat->session, NULL /* no label */).text : chat->session,
               &out);
    cells_wrap_values(&out, 0, &(struct cells_shape){HEADER_KEY, paint.columns});
    const size_t begin = out.len;
    text_add_str(&out, "/help lists commands; Ctrl-C stops an answer, Ctrl-D leaves\n\n");
    cells_wrap_words(&out, begin, paint.columns);
    fputs(text_bytes(&out).data, stdout);
    return ERR_OK;
}

static struct err chat_run(struct invocation *invocation, struct talk *talk) {
    AUTO(chat_done)
    struct chat chat = {.invocation = invocation, .talk = talk, .images = json_array()};
    bool seen = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1, joins = false;
    chat.form = invocation->json ? CHAT_JSON : seen ? CHAT_TERMINAL : CHAT_LINES;
    lines_init(&chat.lines, STDIN_FILENO, talk->interrupt_fd);
    struct err err = session_open(&chat, &joins);
    if (!err_failed(err) && chat.form != CHAT_LINES) {
        err = header_print(&chat);
        talk_warn_held(chat.talk);
        err = err_failed(err) ? err : chat_live(&chat, joins);
    } else if (!err_failed(err)) {
        err = joins ? lines_join(&chat) : ERR_OK;
        err = err_failed(err) ? err : lines_converse(&chat);
    }
    if (!err_failed(err) && chat.form == CHAT_TERMINAL) {
        plain_note("'drover chat --session %s' comes back to it.\n",
                   short_name_of(chat.session, NULL /* the title has blanks */).text);
    }
    return err;
}

const struct command command_chat = {
    COMMAND(NULL, "chat", NULL, "Talk with an agent in this folder."),
    HELP(AGENTS, "drover chat\n"
                 "drover chat --continue\n"
                 "drover chat --worktree --name fix-login\n"),
    .flags = chat_flags,
    .asks_models = true,
    .about =
        "Answers, follow-ups and questions appear above the line that you type. Enter\n"
        "sends the line; while an answer is written, the message is queued, and with\n"
        "/steer TEXT it joins that answer. \\ and Enter continues the line. Answer a\n"
        "question with the number of an option or a text, and a call with y, n and a\n"
        "reason, or a, which allows such calls for the rest of the session. Ctrl-C stops\n"
        "the turn; a second Ctrl-C at an empty prompt, or Ctrl-D, leaves. Ctrl-R searches\n"
        "earlier lines; Tab completes commands, models and files. In a pipe each line is\n"
        "a message, and each answer is printed whole.\n"
        "--json prints each event as a line {\"seq\",\"type\",\"data\"}, first the session and\n"
        "notes of commands as {\"type\",\"data\"}; 'drover approve' answers its questions.\n"
        "\n" DAILY_LIMIT_HELP,
    .converse = chat_run,
};
