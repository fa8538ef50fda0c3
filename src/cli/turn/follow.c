/* follow.c: one turn, from here to its end. */
#include "cli/turn/follow.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/run/view.h"
#include "cli/session/session.h"
#include "cli/turn/watch.h"

static void print_json(const struct turn_look *look, const struct turn_outcome *outcome) {
    AUTO(json_release)
    json_t *answer = json_pack("{s:s,s:s,s:s,s:s,s:s%,s:O}", "session", look->session, "run",
                               look->run, "state", outcome->state, "cause", outcome->cause, "text",
                               outcome->text.data == NULL ? "" : outcome->text.data,
                               outcome->text.len, "usage", outcome->usage);
    if (answer != NULL) {
        talk_print(answer);
    }
}

static void judge(struct invocation *invocation, const struct turn_outcome *outcome) {
    if (strcmp(outcome->state, "succeeded") == 0) {
        return;
    }
    invocation->exit_code = 1;
    if (!invocation->json && strcmp(outcome->cause, "truncated") == 0) {
        fputs("drover: the answer is incomplete: it was cut off at its longest length "
              "(truncated)\n",
              stderr);
    } else if (!invocation->json) {
        fprintf(stderr, "drover: the turn %s%s (%s)%s%s\n",
                strcmp(outcome->state, "cancelled") == 0 ? "was " : "",
                strcmp(outcome->state, "degraded") == 0 ? "ended early" : outcome->state,
                outcome->cause, outcome->note[0] != '\0' ? ": " : "", outcome->note);
    }
}

static void tell_left(const struct turn_look *look) {
    struct invocation *invocation = look->invocation;
    why_set(&invocation->why, "left; %s goes on", look->run);
    if (!invocation->json) {
        fprintf(
            stderr,
            "\ndrover: left; the turn goes on. 'drover attach %s' follows it again, 'drover stop "
            "%s' ends it.\n",
            look->run, look->run);
        invocation->told = true;
    }
}

/* Its session's events were pruned; its messages are kept. */
static struct err tell_gone(const struct turn_look *look) {
    why_set(&look->invocation->why,
            "the events of %s are no longer kept; 'drover session show -m %s' shows its messages",
            look->run, look->session);
    return err_make(ERR_NOT_FOUND, "turn: its events are gone");
}

struct err turn_look(const struct turn_look *look) {
    struct invocation *invocation = look->invocation;
    AUTO(turn_outcome_done) struct turn_outcome outcome = {0};
    bool seen = isatty(STDOUT_FILENO) == 1 && !invocation->json;
    const struct turn_watch watch = {.invocation = invocation,
                                     .talk = look->talk,
                                     .session = look->session,
                                     .run = look->run,
                                     .after = look->after,
                                     .until = look->until,
                                     .show = invocation->json ? TURN_SHOW_SILENT
                                             : seen           ? TURN_SHOW_LIVE
                                                              : TURN_SHOW_FINAL,
                                     .answers =
                                         seen && isatty(STDIN_FILENO) == 1 ? look->lines : NULL};
    struct err err = turn_watch(&watch, &outcome);
    if (err.code == ERR_INTERRUPTED) {
        tell_left(look);
    }
    if (!err_failed(err) && outcome.state == NULL) {
        return tell_gone(look);
    }
    if (!err_failed(err) && invocation->json) {
        print_json(look, &outcome);
    }
    if (!err_failed(err)) {
        judge(invocation, &outcome);
    }
    return err;
}

struct err turn_look_run(struct invocation *invocation, struct talk *talk, const json_t *run,
                         bool only_new) {
    struct lines lines;
    struct session_ends ends = {.head = 0};
    const char *session = talk_text(json_object_get(run, "spec"), "session");
    struct err err = session_ends(talk, session, &ends, &invocation->why);
    if (err_failed(err)) {
        return err;
    }
    bool ended = run_has_ended(run);
    const struct turn_look look = {.invocation = invocation,
                                   .talk = talk,
                                   .lines = &lines,
                                   .session = session,
                                   .run = talk_text(run, "id"),
                                   .after = only_new && !ended ? ends.head : ends.floor,
                                   .until = ended ? ends.head : 0};
    lines_init(&lines, STDIN_FILENO, talk->interrupt_fd);
    err = turn_look(&look);
    lines_done(&lines);
    return err;
}
