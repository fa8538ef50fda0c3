/* command_change.c: drover session new, rename, archive, rm, clear, fork, compact; root ls, add,
 * rm: changes of a session, and of the folders beside its root that it may use. */
#include <stdio.h>
#include <string.h>

#include "cli/base/action.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/base/resource.h"
#include "cli/session/session.h"
#include "cli/terminal/plain.h"

/* --- The session ------------------------------------------------------------------------------ */

static const struct flag new_flags[] = {
    OPTION_TEXT("title", 't', "TEXT", "Its title."),
    OPTION_TEXT("project", 0, "NAME", "Its project [default]."),
    OPTION_TEXT("model", 'm', "NAME", "Its model."),
    OPTION_TEXT("agent", 0, "NAME", "Its agent."),
    OPTION_TEXT("root", 0, "DIR", "The folder it works in."),
    OPTION_TEXT("instructions", 0, "TEXT", "What it is told."),
    OPTION_END,
};

static struct err new_body(struct invocation *invocation, struct text *body) {
    for (const struct flag *flag = new_flags; flag->name != NULL; flag++) {
        resource_member(body, flag->name, args_text(&invocation->args, flag->name));
    }
    return ERR_OK;
}

const struct command command_session_new = {
    COMMAND("session", "new", NULL, "Make a session, and print its id."),
    .flags = new_flags,
    ACTION("POST /api/v1/sessions", .body = new_body, .done = "{id}"),
};

static struct err rename_body(struct invocation *invocation, struct text *body) {
    resource_member(body, "title", invocation->args.operands[1]);
    return ERR_OK;
}

const struct command command_session_rename = {
    COMMAND("session", "rename", "ID TITLE", "Give a session another title."),
    ACTION("PATCH /api/v1/sessions/{}", .unknown = SESSION_UNKNOWN, .body = rename_body,
           .done = "{id} is renamed"),
};

static const struct flag archive_flags[] = {
    OPTION_SWITCH("undo", 0, "Take it back out of the archive."),
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
    COMMAND("session", "archive", "ID", "Put a session away; it stays readable."),
    .flags = archive_flags,
    ACTION("PATCH /api/v1/sessions/{}", .unknown = SESSION_UNKNOWN, .body = archive_body,
           .print = archived_print),
};

static const struct flag rm_flags[] = {
    OPTION_SWITCH("stop-jobs", 0,
                  "Stop the jobs and workflows that its turns started, too: else they go on."),
    OPTION_END,
};

const struct command command_session_rm = {
    COMMAND("session", "rm", "ID",
            "Stop a session's turns, and remove it with its messages, runs and files."),
    .flags = rm_flags,
    ACTION("DELETE /api/v1/sessions/{}", {{"stop-jobs", "stop_jobs"}}, .unknown = SESSION_UNKNOWN,
           .done = "{id} is removed"),
};

const struct command command_session_clear = {
    COMMAND("session", "clear", "ID",
            "Take all messages out of a session, and end its turns; jobs go on."),
    ACTION("POST /api/v1/sessions/{}/clear", .unknown = SESSION_UNKNOWN, .done = "{id} is empty"),
};

static const struct flag fork_flags[] = {
    OPTION_TEXT("at", 0, "MESSAGE", "The last message that goes along [all of them]."),
    OPTION_TEXT("title", 't', "TEXT", "Its title [that of the old one]."),
    OPTION_END,
};

static struct err fork_body(struct invocation *invocation, struct text *body) {
    resource_member(body, "message", args_text(&invocation->args, "at"));
    resource_member(body, "title", args_text(&invocation->args, "title"));
    return ERR_OK;
}

const struct command command_session_fork = {
    COMMAND("session", "fork", "ID",
            "Make a session from the beginning of another, and print its id."),
    .flags = fork_flags,
    ACTION("POST /api/v1/sessions/{}/fork", .unknown = SESSION_UNKNOWN, .body = fork_body,
           .done = "{id}"),
};

static struct err compact_run(struct invocation *invocation) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(json_release) json_t *run = NULL;
    struct err err = talk_open(&talk, invocation);
    err = err_failed(err)
              ? err
              : session_compact(&talk, invocation->args.operands[0], &run, &invocation->why);
    if (err_failed(err)) {
        return err;
    }
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
    COMMAND("session", "compact", "ID",
            "Summarise what was said, for the model; the messages stay."),
    .talks = true,
    .about = "It waits until that is done. While a turn goes on it is refused.\n",
    .run = compact_run,
};

/* --- Its folders ------------------------------------------------------------------------------ */

static const struct column root_columns[] = {
    COLUMN("ACCESS", -6, "access", COLUMN_TEXT),
    COLUMN("GRANTED", -20, "granted_ms", COLUMN_TIME),
    COLUMN("BY", -16, "granted_by", COLUMN_TEXT),
    COLUMN("FOLDER", 0, "path", COLUMN_TEXT),
    COLUMN_END,
};

const struct command command_root_ls = {
    COMMAND("root", "ls", "SESSION", "List the folders beside its root that a session may use."),
    ACTION("GET /api/v1/sessions/{}/roots", .unknown = SESSION_UNKNOWN, .columns = root_columns),
};

static const struct flag add_flags[] = {
    OPTION_SWITCH("write", 'w', "To change it, not only to read."),
    OPTION_END,
};

static struct err add_body(struct invocation *invocation, struct text *body) {
    resource_member(body, "path", invocation->args.operands[1]);
    resource_member(body, "access", args_given(&invocation->args, "write") ? "write" : "read");
    return ERR_OK;
}

const struct command command_root_add = {
    COMMAND("root", "add", "SESSION DIR",
            "Grant a folder to a session: its files may be used by absolute paths."),
    .flags = add_flags,
    ACTION("POST /api/v1/sessions/{}/roots", .unknown = SESSION_UNKNOWN, .body = add_body,
           .done = "{path} is granted ({access})"),
};

const struct command command_root_rm = {
    COMMAND("root", "rm", "SESSION DIR", "Take a folder back from a session."),
    ACTION("DELETE /api/v1/sessions/{}/roots?path={}", .unknown = SESSION_UNKNOWN,
           .done = "{path} is taken back"),
};
