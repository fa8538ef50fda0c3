/* command_change.c: drover session new, rename, archive, rm, clear, fork, compact. */
#include <stdio.h>
#include <string.h>

#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/session/ask.h"

enum { BODY_MAX = 512 << 10 };

static void add_field(struct text *body, const char *name, const char *value) {
    if (value == NULL) {
        return;
    }
    text_addf(body, "%s\"%s\":", body->len > 1 ? "," : "", name);
    text_add_json(body, value, strlen(value));
}

static void body_begin(struct text *body) {
    text_init(body, BODY_MAX);
    text_add_char(body, '{');
}

static void answer_print(const struct invocation *invocation, const json_t *answer,
                         const char *done) {
    if (invocation->json) {
        talk_print(answer);
    } else {
        printf("%s%s\n", talk_text(answer, "id"), done);
    }
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
    const struct args *args = &invocation->args;
    AUTO(text_done) struct text body = {0};
    body_begin(&body);
    for (const struct flag *flag = new_flags; flag->name != NULL; flag++) {
        add_field(&body, flag->name, args_text(args, flag->name));
    }
    text_add_char(&body, '}');
    if (text_failed(&body)) {
        return err_make(ERR_BODY_TOO_LARGE, "session: body");
    }
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(json_release) json_t *answer = NULL;
    struct err err = talk_open(&talk, invocation);
    const struct client_request request = {
        .method = "POST", .target = "/api/v1/sessions", .body = {body.data, body.len}};
    if (!err_failed(err)) {
        err = talk_ask(&talk, &request, NULL /* parsed is enough */, &answer, &invocation->why);
    }
    if (!err_failed(err)) {
        answer_print(invocation, answer, "");
    }
    return err;
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

static struct err patch(struct invocation *invocation, const struct text *body, const char *done) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(json_release) json_t *answer = NULL;
    const struct session_request request = {.method = "PATCH", .body = body};
    struct err err = session_ask(&talk, invocation, &request, &answer);
    if (!err_failed(err)) {
        answer_print(invocation, answer, done);
    }
    return err;
}

static struct err rename_run(struct invocation *invocation) {
    AUTO(text_done) struct text body = {0};
    body_begin(&body);
    add_field(&body, "title", invocation->args.operands[1]);
    text_add_char(&body, '}');
    return patch(invocation, &body, " is renamed");
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
    return patch(invocation, &body, undo ? " is no longer archived" : " is archived");
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
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(json_release) json_t *answer = NULL;
    const char *jobs = args_on(&invocation->args, "stop-jobs") ? "?stop_jobs=1" : NULL;
    const struct session_request request = {.method = "DELETE", .rest = jobs};
    struct err err = session_ask(&talk, invocation, &request, &answer);
    if (!err_failed(err)) {
        answer_print(invocation, answer, " is removed");
    }
    return err;
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
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(json_release) json_t *answer = NULL;
    const struct session_request request = {.method = "POST", .rest = "/clear"};
    struct err err = session_ask(&talk, invocation, &request, &answer);
    if (!err_failed(err)) {
        answer_print(invocation, answer, " is empty");
    }
    return err;
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
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(json_release) json_t *answer = NULL;
    AUTO(text_done) struct text body = {0};
    body_begin(&body);
    add_field(&body, "message", args_text(&invocation->args, "at"));
    add_field(&body, "title", args_text(&invocation->args, "title"));
    text_add_char(&body, '}');
    const struct session_request request = {.method = "POST", .rest = "/fork", .body = &body};
    struct err err = session_ask(&talk, invocation, &request, &answer);
    if (!err_failed(err)) {
        answer_print(invocation, answer, "");
    }
    return err;
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
        session_print(talk_text(run, "note"));
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
