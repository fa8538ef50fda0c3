/* command_session.c: drover session ls, search, show, export: which conversations there are, and
 * what was said in them; new, rename, move, archive, rm, clear, fork, compact; root ls, add, rm:
 * changes of a session, and of the folders beside its root that it may use. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "cli/base/action.h"
#include "cli/base/api_request.h"
#include "cli/base/commands.h"
#include "cli/base/listing.h"
#include "cli/base/options.h"
#include "cli/base/quantity.h"
#include "cli/run/download.h"
#include "cli/run/waits.h"
#include "cli/session/session.h"
#include "cli/terminal/confirm.h"
#include "cli/terminal/markdown.h"
#include "cli/terminal/plain.h"

/* --- List and search -------------------------------------------------------------------------- */

/* The place of a match stands in a line of its own. */
/* Title, and in a search the message that was found. */
static void title_add(const json_t *row, struct text *value) {
    const json_t *match = json_object_get(row, "match");
    const char *title = talk_text(row, "title"), *message = talk_text(match, "message");
    text_add_str(value, title[0] != '\0' ? title : "-");
    if (message[0] != '\0') {
        text_addf(value, "  %s  %s", message, talk_text(match, "text"));
    }
}

static const struct column columns[] = {
    ID_COLUMN("SESSION", "id"),
    COLUMN("STATE", -10, "state", COLUMN_TEXT),
    TIME_COLUMN("CHANGED", "changed_ms"),
    COLUMN_ADD("TITLE", 0, title_add),
    COLUMN_END,
};

#define LS_FLAGS                                                                                   \
    OPTION_SWITCH("archived", 'a', "List archived sessions instead of the others."),               \
        OPTION_SWITCH("deleted", 0, "List deleted ones, which 'archive --undo' restores."),        \
        LISTING_STATE("idle|running|waiting|compacting"),                                          \
        LISTING_WORD("project", "NAME", "List only rows of this project."),                        \
        LISTING_WORD("agent", "NAME", "List only sessions of this agent."),                        \
        LISTING_WORD("parent", "SESSION", "List only subagents of this session."),                 \
        LISTING_WORD("fork-of", "SESSION", "List only forks of this session."),                    \
        LISTING_SINCE("changed"), LISTING_FLAGS(NULL)

static const struct flag ls_flags[] = {LS_FLAGS, LISTING_SEARCH("title or messages"), OPTION_END};
static const struct flag search_flags[] = {LS_FLAGS, OPTION_END};

const struct command command_session_ls = {
    COMMAND("session", "ls", NULL, "List sessions, the most recently changed first."),
    HELP(SESSIONS, "drover session ls\n"
                   "drover session ls --search refactor\n"),
    .flags = ls_flags,
    ACTION("GET /api/v1/sessions",
           {{"archived", "archived"}, {"deleted", "deleted"}, {"fork-of", "fork_of"}},
           .columns = columns, .empty = "There is no session yet. 'drover chat' begins one."),
};

const struct command command_session_search = {
    COMMAND("session", "search", "TEXT", "Find sessions by a text in their title or messages."),
    HELP(SESSIONS, "drover session search \"flaky test\"\n"),
    .flags = search_flags,
    ACTION("GET /api/v1/sessions",
           {{"archived", "archived"}, {"deleted", "deleted"}, {"fork-of", "fork_of"}},
           .search = "q", .unknown = "the text to look for is too long", .columns = columns),
};

/* --- Show ------------------------------------------------------------------------------------- */

static void usage_print(const json_t *row) {
    const json_t *usage = json_object_get(row, "usage");
    const long long calls = talk_int(usage, "calls");
    if (calls > 0) {
        printf("%-9s %lld call%s, %lld tokens in, %lld out\n", "used", calls, plural(calls),
               (long long)(talk_int(usage, "fresh") + talk_int(usage, "cache_read") +
                           talk_int(usage, "cache_write")),
               (long long)talk_int(usage, "output"));
    }
}

static const struct column lines[] = {
    LINE("session", "id", COLUMN_OPTIONAL),
    LINE("title", "title", COLUMN_OPTIONAL),
    LINE("state", "state", COLUMN_OPTIONAL),
    LINE("project", "project", COLUMN_OPTIONAL),
    LINE("model", "model", COLUMN_OPTIONAL),
    LINE("agent", "agent", COLUMN_OPTIONAL),
    LINE("root", "root", COLUMN_OPTIONAL),
    LINE("parent", "parent", COLUMN_OPTIONAL),
    LINE("fork of", "forked_from", COLUMN_OPTIONAL),
    LINE("archived", "archived", COLUMN_YES),
    LINE("created", "made_ms", COLUMN_TIME),
    LINE("changed", "changed_ms", COLUMN_TIME),
    LINE_PRINT("used", usage_print),
    COLUMN_END,
};

/* Reason why the turn waits that runs, or else the first one that is queued. */
static struct err waits_print(struct talk *talk, struct invocation *invocation,
                              const json_t *session) {
    AUTO(json_release) json_t *runs = NULL;
    AUTO(text_done) struct text path = text_up_to(512), line = text_up_to(16 << 10);
    const json_t *run = NULL, *turn = NULL;
    size_t at = 0;
    text_addf(&path, "/api/v1/runs?kind=turn&live=1&session=%s", talk_text(session, "id"));
    struct err err = action_rows(talk, text_bytes(&path).data, &runs, &invocation->why);
    json_array_foreach(runs, at, run) { /* The newest first; those of subagents have a parent. */
        const bool first = turn == NULL || strcmp(talk_text(turn, "state"), "queued") == 0;
        turn = first && talk_text(run, "parent")[0] == '\0' ? run : turn;
    }
    if (turn != NULL) {
        run_reason_add(turn, world_wall_ms(invocation->world), &line);
    }
    if (line.len > 0) {
        puts(line.data);
    }
    return err;
}

static void part_print(const json_t *part) {
    const char *kind = talk_text(part, "kind"), *text = talk_text(part, "text");
    if (strcmp(kind, "tool") == 0) {
        const char *cause = talk_text(part, "cause");
        printf("[%s %s%s%s%s]\n", talk_text(part, "name"), talk_text(part, "state"),
               cause[0] != '\0' ? " (" : "", cause, cause[0] != '\0' ? ")" : "");
    } else if (strcmp(kind, "image") == 0) {
        printf("[%s]\n", talk_text(part, "name"));
    } else if (strcmp(kind, "thinking") != 0 && text[0] != '\0') {
        markdown_print(bytes_of(text));
        printf("%s\n", json_is_true(json_object_get(part, "cut")) ? " …" : "");
    }
}

static void message_print(void *ctx, const json_t *message) {
    const struct invocation *invocation = ctx;
    const json_t *match = json_object_get(message, "match"), *part = NULL;
    const char *status = talk_text(message, "status");
    bool completed = strcmp(status, "completed") == 0;
    size_t at = 0;
    if (invocation->json) {
        talk_print(message);
        return;
    }
    printf("\n%s  %s%s%s\n", talk_text(message, "id"), talk_text(message, "role"),
           completed ? "" : ", ", completed ? "" : status);
    if (match != NULL) {
        fputs("    ", stdout);
        plain_print_line(talk_text(match, "text"));
        putchar('\n');
        return;
    }
    json_array_foreach(json_object_get(message, "parts"), at, part) {
        part_print(part);
    }
}

static const struct flag show_flags[] = {
    OPTION_SWITCH("messages", 'm', "Show all messages, too."),
    LISTING_WORD("search", "TEXT", "Show messages that contain this text, too, with the place."),
    OPTION_END,
};

static struct err show_run(struct invocation *invocation, struct talk *talk) {
    AUTO(json_release) json_t *row = NULL;
    AUTO(text_done) struct text path = {0};
    const char *id = invocation->args.operands[0], *text = args_text(&invocation->args, "search");
    const struct api_request session = {SESSION_REQUEST(id)};
    TRY(api_ask(talk, &session, &row, &invocation->why));
    struct err err = ERR_OK;
    if (invocation->json) {
        talk_print(row);
    } else {
        table_lines(invocation, lines, 9, row);
        if (strcmp(talk_text(row, "state"), "waiting") == 0) {
            err = waits_print(talk, invocation, row);
        }
    }
    if (err_failed(err)) {
        return err;
    }
    if (!args_on(&invocation->args, "messages") && text == NULL) {
        return ERR_OK;
    }
    bool fits = talk_target(&path, "/api/v1/sessions/", id, "/messages?order=oldest");
    assert(fits); /* A longer one was asked for before. */
    if (text != NULL) {
        text_add_str(&path, "&q=");
        client_add_escaped(&path, text);
    }
    if (text_failed(&path)) {
        return err_why(&invocation->why, ERR_USAGE, "the text to look for is too long");
    }
    return talk_list(talk, path.data, message_print, invocation, &invocation->why);
}

const struct command command_session_show = {
    COMMAND("session", "show", "SESSION", "Show a session."),
    HELP(SESSIONS, "drover session show last\n"),
    .flags = show_flags,
    .converse = show_run,
};

/* --- Export ----------------------------------------------------------------------------------- */

static const struct flag export_flags[] = {
    OPTION_TEXT("format", 'f', "FORMAT", "Choose the format.", .choices = "markdown|json",
                .absent = "markdown"),
    OPTION_END,
};

static struct err export_run(struct invocation *invocation, struct talk *talk) {
    const char *format = invocation->json ? "json" : args_text(&invocation->args, "format");
    AUTO(text_done) struct text target = {0};
    bool markdown = strcmp(format, "markdown") == 0;
    if (!talk_target(&target, "/api/v1/sessions/", invocation->args.operands[0],
                     markdown ? "/export?format=markdown" : "/export")) {
        return err_make(ERR_NOT_FOUND, "session: id");
    }
    const struct download what = {.target = target.data,
                                  .media = markdown ? "text/markdown" : "application/json",
                                  .out = stdout};
    return download(talk, &what, &invocation->why);
}

const struct command command_session_export = {
    COMMAND("session", "export", "SESSION", "Print a session with all its messages."),
    HELP(SESSIONS, "drover session export last --format json\n"),
    .flags = export_flags,
    .converse = export_run,
};

/* --- The session ------------------------------------------------------------------------------ */

static const struct flag new_flags[] = {
    OPTION_TEXT("title", 't', "TEXT", "Set the title."),
    OPTION_TEXT("project", 0, "NAME", "Set the project [that of the folder]."),
    OPTION_TEXT("model", 'm', "NAME", "Set the model.", .env = "DROVER_MODEL"),
    OPTION_TEXT("agent", 0, "NAME", "Set the agent."),
    OPTION_TEXT("root", 0, "DIR", "Set its working folder."),
    OPTION_TEXT("instructions", 0, "TEXT", "Set its instructions."),
    SESSION_TREE_OPTIONS,
    OPTION_END,
};

static struct err new_body(struct invocation *invocation, struct text *body) {
    AUTO(json_release) json_t *worktree = NULL;
    TRY(session_worktree_read(&invocation->args, &worktree, &invocation->why));
    for (const struct flag *flag = new_flags; strcmp(flag->name, "worktree") != 0; flag++) {
        api_member(body, flag->name, args_text(&invocation->args, flag->name));
    }
    if (worktree != NULL) {
        json_add_member(body, "worktree", worktree);
    }
    return ERR_OK;
}

const struct command command_session_new = {
    COMMAND("session", "new", NULL, "Create a session, and print its id."),
    HELP(SESSIONS, "drover session new --title \"Release notes\"\n"),
    .flags = new_flags,
    ACTION("POST /api/v1/sessions", .body = new_body, .keyed = true, .done = "{id}"),
};

static struct err rename_body(struct invocation *invocation, struct text *body) {
    api_member(body, "title", invocation->args.operands[1]);
    return ERR_OK;
}

const struct command command_session_rename = {
    COMMAND("session", "rename", "SESSION TITLE", "Change the title of a session."),
    HELP(SESSIONS, "drover session rename last \"Release notes\"\n"),
    ACTION("PATCH /api/v1/sessions/{}", .unknown = SESSION_UNKNOWN, .body = rename_body,
           .done = "{id} is renamed"),
};

static struct err move_body(struct invocation *invocation, struct text *body) {
    api_member(body, "project", invocation->args.operands[1]);
    return ERR_OK;
}

const struct command command_session_move = {
    COMMAND("session", "move", "SESSION PROJECT", "Move a session to another project."),
    HELP(SESSIONS, "drover session move last shop\n"),
    ACTION("PATCH /api/v1/sessions/{}", .unknown = SESSION_UNKNOWN, .body = move_body,
           .done = "{id} is in {project}"),
};

static const struct flag archive_flags[] = {
    OPTION_SWITCH("undo", 0, "Restore it, also when the page has deleted it."),
    OPTION_END,
};

static struct err archive_body(struct invocation *invocation, struct text *body) {
    text_add_member_bool(body, "archived", !args_on(&invocation->args, "undo"));
    return ERR_OK;
}

static void archived_print(const json_t *row) {
    printf("%s is %s\n", talk_text(row, "id"),
           json_is_true(json_object_get(row, "archived")) ? "archived" : "no longer archived");
}

const struct command command_session_archive = {
    COMMAND("session", "archive", "SESSION…", "Archive a session. It stays readable."),
    HELP(SESSIONS, "drover session archive last\n"),
    .flags = archive_flags,
    ACTION("PATCH /api/v1/sessions/{}", .unknown = SESSION_UNKNOWN, .body = archive_body,
           .print = archived_print),
};

/* At a terminal somebody is asked first: what is deleted does not come back. */
static struct err rm_one(struct invocation *invocation, struct talk *talk) {
    (void)talk; /* None is open while a person is asked: Ctrl-C ends the command. */
    static const struct action look = {.request = "GET /api/v1/sessions/{}",
                                       .unknown = SESSION_UNKNOWN};
    bool yes = args_on(&invocation->args, "yes") || invocation->json || !confirm_possible();
    if (!yes) {
        AUTO(json_release) json_t *session = NULL;
        AUTO(text_done) struct text question = text_up_to(16 << 10);
        TRY(action_get(invocation, &look, &session));
        const char *title = talk_text(session, "title");
        text_addf(&question, "Delete %s%s%s%s with its messages, runs and files?",
                  talk_text(session, "id"), title[0] != '\0' ? " (" : "", title,
                  title[0] != '\0' ? ")" : "");
        utf8_make_plain(question.data, question.len);
        TRY(confirm_ask(text_bytes(&question).data, -1 /* Ctrl-C ends us */, &yes));
    }
    if (!yes) {
        puts("Nothing was deleted.");
        return ERR_OK;
    }
    return action_do(invocation, invocation->args.command->action);
}

static struct err rm_run(struct invocation *invocation) {
    return action_each(invocation, NULL, rm_one);
}

static const struct flag rm_flags[] = {
    OPTION_SWITCH("yes", 'y', "Delete without asking."),
    OPTION_SWITCH("stop-jobs", 0, "Stop jobs and workflows that its turns started, too."),
    OPTION_END,
};

const struct command command_session_rm = {
    COMMAND("session", "rm", "SESSION…", "Delete a session with its messages, runs and files."),
    HELP(SESSIONS, "drover session rm \"Release notes\"\n"),
    .flags = rm_flags,
    .talks = true,
    .run = rm_run,
    .action = &(const struct action){.request = "DELETE /api/v1/sessions/{}",
                                     .params = {{"stop-jobs", "stop_jobs"}},
                                     .unknown = SESSION_UNKNOWN,
                                     .done = "{id} is removed"},
};

const struct command command_session_clear = {
    COMMAND("session", "clear", "SESSION",
            "Remove all messages of a session, and stop its turns. Jobs go on."),
    HELP(SESSIONS, "drover session clear last\n"),
    ACTION("POST /api/v1/sessions/{}/clear", .unknown = SESSION_UNKNOWN, .done = "{id} is empty"),
};

static const struct flag fork_flags[] = {
    OPTION_TEXT("at", 0, "MESSAGE", "Copy up to this message [all]."),
    OPTION_TEXT("title", 't', "TEXT", "Set the title [same as the original]."),
    OPTION_END,
};

static struct err fork_body(struct invocation *invocation, struct text *body) {
    api_member(body, "message", args_text(&invocation->args, "at"));
    api_member(body, "title", args_text(&invocation->args, "title"));
    return ERR_OK;
}

const struct command command_session_fork = {
    COMMAND("session", "fork", "SESSION", "Copy the beginning of a session into a new one."),
    HELP(SESSIONS, "drover session fork last --title \"Another try\"\n"),
    .flags = fork_flags,
    ACTION("POST /api/v1/sessions/{}/fork", .unknown = SESSION_UNKNOWN, .body = fork_body,
           .done = "{id}"),
};

static struct err compact_run(struct invocation *invocation, struct talk *talk) {
    AUTO(json_release) json_t *run = NULL;
    TRY(session_compact(talk, invocation->args.operands[0], &run, &invocation->why));
    if (invocation->json) {
        talk_print(run);
    } else {
        plain_print(bytes_of(talk_text(run, "note")));
        (void)putchar('\n'); /* A failure shows again at the end. */
    }
    invocation->exit_code = strcmp(talk_text(run, "state"), "succeeded") == 0 ? 0 : 1;
    return ERR_OK;
}

const struct command command_session_compact = {
    COMMAND("session", "compact", "SESSION",
            "Summarize a session for the model. The messages stay."),
    HELP(SESSIONS, "drover session compact last\n"),
    .about = "Waits until the session is compacted. Refused while a turn is running.\n",
    .converse = compact_run,
};

/* --- Its folders ------------------------------------------------------------------------------ */

static const struct column root_columns[] = {
    COLUMN("ACCESS", -6, "access", COLUMN_TEXT),
    TIME_COLUMN("GRANTED", "granted_ms"),
    COLUMN("BY", -16, "granted_by", COLUMN_TEXT),
    COLUMN("FOLDER", 0, "path", COLUMN_TEXT),
    COLUMN_END,
};

const struct command command_root_ls = {
    COMMAND("root", "ls", "SESSION", "List the extra folders that a session may use."),
    HELP(SESSIONS, "drover root ls last\n"),
    ACTION("GET /api/v1/sessions/{}/roots", .unknown = SESSION_UNKNOWN, .columns = root_columns,
           .empty = "The session has no further folders. 'drover root add' grants one."),
};

static const struct flag add_flags[] = {
    OPTION_SWITCH("write", 'w', "Allow changes, too."),
    OPTION_END,
};

static struct err add_body(struct invocation *invocation, struct text *body) {
    api_member(body, "path", invocation->args.operands[1]);
    api_member(body, "access", args_given(&invocation->args, "write") ? "write" : "read");
    return ERR_OK;
}

const struct command command_root_add = {
    COMMAND("root", "add", "SESSION DIR",
            "Grant a folder to a session. Its files may be used by absolute paths."),
    HELP(SESSIONS, "drover root add last ~/notes\n"),
    .flags = add_flags,
    ACTION("POST /api/v1/sessions/{}/roots", .unknown = SESSION_UNKNOWN, .body = add_body,
           .done = "{path} is granted ({access})"),
};

const struct command command_root_rm = {
    COMMAND("root", "rm", "SESSION DIR", "Revoke a folder of a session."),
    HELP(SESSIONS, "drover root rm last ~/notes\n"),
    ACTION("DELETE /api/v1/sessions/{}/roots?path={}", .unknown = SESSION_UNKNOWN,
           .done = "{path} is revoked"),
};
