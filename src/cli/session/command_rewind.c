/* command_rewind.c: drover session rewind: take back what a session did. */
#include <stdio.h>
#include <string.h>

#include "cli/base/action.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/session/rewind.h"
#include "cli/terminal/confirm.h"
#include "cli/terminal/plain.h"

enum { LINES_MAX = 8 << 20 };

static struct err what_read(struct invocation *invocation, enum rewind_what *ret_what) {
    const bool both = args_on(&invocation->args, "conversation");
    const bool alone = args_on(&invocation->args, "conversation-only");
    if (both && alone) {
        return err_why(&invocation->why, ERR_USAGE,
                       "--conversation and --conversation-only exclude each other");
    }
    if (alone && args_given(&invocation->args, "force")) {
        return err_why(&invocation->why, ERR_USAGE,
                       "--force is about files, and --conversation-only touches none");
    }
    *ret_what = alone ? REWIND_CONVERSATION : both ? REWIND_BOTH : REWIND_FILES;
    return ERR_OK;
}

static json_t *force_read(const struct args *args) {
    json_t *paths = json_array();
    unsigned cursor = 0;
    for (const char *path = NULL; (path = args_next(args, "force", &cursor)) != NULL;) {
        (void)json_array_append_new(paths, json_string(path)); /* Not UTF-8: no such path. */
    }
    return paths;
}

/* A rewind that would be refused is not offered. */
static struct err refused_tell(struct invocation *invocation, const json_t *preview) {
    const size_t count = rewind_refused_count(preview);
    return err_why(&invocation->why, ERR_CHANGED_SINCE,
                   "%zu file%s changed by somebody else, too; nothing was taken back. --force PATH "
                   "takes one back all the same",
                   count, count == 1 ? " was" : "s were");
}

static void done_print(const struct invocation *invocation, const json_t *answer) {
    AUTO(text_done) struct text sum = text_up_to(1024);
    const char *point = talk_text(answer, "point");
    rewind_sum_add(answer, &sum);
    printf("Took back %s.\n", sum.len > 0 ? sum.data : "nothing");
    if (point[0] != '\0' && json_array_size(json_object_get(answer, "files")) > 0) {
        printf("To undo it: drover session rewind %s --to %s\n", invocation->args.operands[0],
               point);
    }
}

/* Shows the preview. *ret_go: whether the rewind is to follow. */
static struct err preview_show(struct invocation *invocation, struct talk *talk,
                               const struct rewind_target *target, const struct rewind_wish *wish,
                               bool *ret_go) {
    AUTO(json_release) json_t *preview = NULL;
    AUTO(text_done) struct text lines = text_up_to(LINES_MAX), question = text_up_to(1024);
    struct rewind_wish look = *wish;
    look.way = REWIND_PREVIEW;
    TRY(rewind_ask(talk, &look, &preview, &invocation->why));
    if (invocation->json) {
        talk_print(preview);
        return ERR_OK;
    }
    rewind_preview_add(target, preview, &lines);
    plain_print(text_bytes(&lines));
    const bool only_look = args_on(&invocation->args, "preview");
    if (rewind_is_empty(preview)) {
        puts("The session changed no file since then.");
        return ERR_OK;
    }
    if (rewind_refused_count(preview) > 0) {
        return only_look ? ERR_OK : refused_tell(invocation, preview);
    }
    *ret_go = !only_look;
    if (only_look || args_on(&invocation->args, "yes") || !confirm_possible()) {
        return ERR_OK;
    }
    text_add_str(&question, "Take back ");
    rewind_sum_add(preview, &question);
    text_add_char(&question, '?');
    TRY(confirm_ask(question.data, talk->interrupt_fd, ret_go));
    if (!*ret_go) {
        puts("Nothing was taken back.");
    }
    return ERR_OK;
}

static struct err rewind_run(struct invocation *invocation, struct talk *talk) {
    const char *session = invocation->args.operands[0], *to = args_text(&invocation->args, "to");
    AUTO(rewind_target_done) struct rewind_target target = {.id = NULL};
    AUTO(json_release) json_t *force = force_read(&invocation->args), *answer = NULL;
    struct rewind_wish wish = {.session = session, .way = REWIND_APPLY, .force = force};
    bool go = invocation->json && !args_on(&invocation->args, "preview");
    TRY(what_read(invocation, &wish.what));
    TRY(to != NULL ? rewind_target_find(talk, to, &target, &invocation->why)
                   : rewind_target_back(talk, session, 1, &target, &invocation->why));
    wish.to = target.id;
    if (!go) {
        TRY(preview_show(invocation, talk, &target, &wish, &go));
    }
    if (!go) {
        return ERR_OK;
    }
    TRY(rewind_ask(talk, &wish, &answer, &invocation->why));
    if (invocation->json) {
        talk_print(answer);
    } else {
        done_print(invocation, answer);
    }
    return ERR_OK;
}

static const struct flag rewind_flags[] = {
    OPTION_TEXT("to", 0, "MESSAGE|POINT",
                "Go back to before this message, or to this point [before the last message of "
                "the user]."),
    OPTION_SWITCH("conversation", 0, "Take the conversation back to there, too."),
    OPTION_SWITCH("conversation-only", 0, "Take only the conversation back."),
    OPTION_SWITCH("preview", 0, "Show what would happen, without doing it."),
    OPTION_LIST("force", 0, "PATH",
                "Take this file back also where others changed it; may be repeated."),
    OPTION_SWITCH("yes", 'y', "Do it without asking."),
    OPTION_END,
};

const struct command command_session_rewind = {
    COMMAND("session", "rewind", "SESSION", "Take back what a session did in its folder."),
    HELP(SESSIONS, "drover session rewind last --preview\n"
                   "drover session rewind last --conversation\n"),
    .about = "Shows the change of each file, and asks at a terminal. Files that the session\n"
             "created are removed, deleted ones return; lines of others stay. Where others\n"
             "changed the same lines, nothing happens, and the files are listed. A rewind can\n"
             "be taken back. Refused while a turn is running.\n",
    .flags = rewind_flags,
    .converse = rewind_run,
};
