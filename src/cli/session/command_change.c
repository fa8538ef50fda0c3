/* command_change.c: drover session new, rename, archive, rm, clear, fork, compact. */
#include <stdio.h>
#include <string.h>

#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/base/resource.h"
#include "cli/session/session.h"
#include "cli/terminal/plain.h"

enum { BODY_MAX = 512 << 10 };

static void body_begin(struct text *body) {
    text_init(body, BODY_MAX);
    text_add_char(body, '{');
}

/* --- New -------------------------------------------------------------------------------------- */

static const struct flag new_flags[] = {
    OPTION_TEXT("title", 't', "TEXT", "Its title."),
    OPTION_TEXT("project", 0, "NAME", "Its project [default]."),
    OPTION_TEXT("model", 'm', "NAME", "Its model."),
    OPTION_TEXT("agent", 0, "NAME", "Its agent."),
    OPTION_TEXT("root", 0, "DIR", "The folder it works in."),
    OPTION_TEXT("instructions", 0, "TEXT", "What it is told."),
    OPTION_END,
};

static struct err new_run(struct invocation *invocation) {
    AUTO(text_done) struct text body = {0};
    body_begin(&body);
    for (const struct flag *flag = new_flags; flag->name != NULL; flag++) {
        resource_member(&body, flag->name, args_text(&invocation->args, flag->name));
    }
    text_add_char(&body, '}');
    return resource_run(invocation, &(struct resource){.method = "POST",
                                                       .base = "/api/v1/sessions",
                                                       .body = &body,
                                                       .member = "id",
                                                       .done = ""});
}

const struct command command_session_new = {
    .group = "session",
    .name = "new",
    .summary = "Make a session, and print its id.",
    .flags = new_flags,
    .talks = true,
    .run = new_run,
};

/* --- Rename, archive -------------------------------------------------------------------------- */

static struct err session_patch(struct invocation *invocation, const struct text *body,
                                const char *done) {
    const struct resource session = {.method = "PATCH",
                                     SESSION_RESOURCE(invocation->args.operands[0]),
                                     .body = body,
                                     .member = "id",
                                     .done = done};
    return resource_run(invocation, &session);
}

static struct err rename_run(struct invocation *invocation) {
    AUTO(text_done) struct text body = {0};
    body_begin(&body);
    resource_member(&body, "title", invocation->args.operands[1]);
    text_add_char(&body, '}');
    return session_patch(invocation, &body, " is renamed");
}

const struct command command_session_rename = {
    .group = "session",
    .name = "rename",
    .summary = "Give a session another title.",
    .operands = "ID TITLE",
    .talks = true,
    .run = rename_run,
};

static const struct flag archive_flags[] = {
    OPTION_SWITCH("undo", 0, "Take it back out of the archive."),
    OPTION_END,
};

static struct err archive_run(struct invocation *invocation) {
    bool undo = args_on(&invocation->args, "undo");
    AUTO(text_done) struct text body = {0};
    text_init(&body, BODY_MAX);
    text_add_str(&body, undo ? "{\"archived\":false}" : "{\"archived\":true}");
    return session_patch(invocation, &body, undo ? " is no longer archived" : " is archived");
}

const struct command command_session_archive = {
    .group = "session",
    .name = "archive",
    .summary = "Put a session away; it stays readable.",
    .operands = "ID",
    .flags = archive_flags,
    .talks = true,
    .run = archive_run,
};

/* --- Remove, clear, fork ---------------------------------------------------------------------- */

static const struct flag rm_flags[] = {
    OPTION_SWITCH("stop-jobs", 0,
                  "Stop the jobs and workflows that its turns started, too: else they go on."),
    OPTION_END,
};

static struct err rm_run(struct invocation *invocation) {
    const struct resource session = {
        .method = "DELETE",
        SESSION_RESOURCE(invocation->args.operands[0]),
        .rest = args_on(&invocation->args, "stop-jobs") ? "?stop_jobs=1" : NULL,
        .member = "id",
        .done = " is removed"};
    return resource_run(invocation, &session);
}

const struct command command_session_rm = {
    .group = "session",
    .name = "rm",
    .summary = "Stop a session's turns, and remove it with its messages, runs and files.",
    .operands = "ID",
    .flags = rm_flags,
    .talks = true,
    .run = rm_run,
};

static struct err clear_run(struct invocation *invocation) {
    const struct resource clear = {.method = "POST",
                                   SESSION_RESOURCE(invocation->args.operands[0]),
                                   .rest = "/clear",
                                   .member = "id",
                                   .done = " is empty"};
    return resource_run(invocation, &clear);
}

const struct command command_session_clear = {
    .group = "session",
    .name = "clear",
    .summary = "Take all messages out of a session, and end its turns; jobs go on.",
    .operands = "ID",
    .talks = true,
    .run = clear_run,
};

static const struct flag fork_flags[] = {
    OPTION_TEXT("at", 0, "MESSAGE", "The last message that goes along [all of them]."),
    OPTION_TEXT("title", 't', "TEXT", "Its title [that of the old one]."),
    OPTION_END,
};

static struct err fork_run(struct invocation *invocation) {
    AUTO(text_done) struct text body = {0};
    body_begin(&body);
    resource_member(&body, "message", args_text(&invocation->args, "at"));
    resource_member(&body, "title", args_text(&invocation->args, "title"));
    text_add_char(&body, '}');
    const struct resource fork = {.method = "POST",
                                  SESSION_RESOURCE(invocation->args.operands[0]),
                                  .rest = "/fork",
                                  .body = &body,
                                  .member = "id",
                                  .done = ""};
    return resource_run(invocation, &fork);
}

const struct command command_session_fork = {
    .group = "session",
    .name = "fork",
    .summary = "Make a session from the beginning of another, and print its id.",
    .operands = "ID",
    .flags = fork_flags,
    .talks = true,
    .run = fork_run,
};

/* --- Compact ---------------------------------------------------------------------------------- */

static struct err compact_run(struct invocation *invocation) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(json_release) json_t *run = NULL;
    struct err err = talk_open(&talk, invocation);
    if (!err_failed(err)) {
        err = session_compact(&talk, invocation->args.operands[0], &run, &invocation->why);
    }
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
    .group = "session",
    .name = "compact",
    .summary = "Summarise what was said, for the model; the messages stay.",
    .operands = "ID",
    .talks = true,
    .about = "It waits until that is done. While a turn goes on it is refused.\n",
    .run = compact_run,
};
