/* attach.c: see attach.h. */
#include "cli/turn/attach.h"

#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/base/names.h"
#include "cli/run/view.h"
#include "cli/session/session.h"
#include "cli/terminal/plain.h"
#include "cli/turn/chat.h"

static struct err turn_show(const struct turn_watch *watch, struct turn_outcome *outcome) {
    struct bytes session = bytes_of(watch->session);
    struct chat chat = {.invocation = watch->invocation,
                        .talk = watch->talk,
                        .form = CHAT_TERMINAL,
                        .session = mem_copy(session.data, session.len),
                        .seq = watch->after};
    struct chat_turn turn = {.run = watch->run, .until = watch->until};
    if (watch->until == 0) {
        talk_warn_held(watch->talk);
    }
    struct err err = chat_live_turn(&chat, &turn);
    if (!err_failed(err) && turn.end != NULL) {
        turn_outcome_set(outcome, turn.end);
    }
    json_decref(turn.end);
    mem_free(chat.session);
    return err;
}

/* A person looks at it, at a terminal whose cursor can be moved. */
static bool is_seen(const struct invocation *invocation) {
    return !invocation->json && terminal_draws(STDOUT_FILENO, &invocation->env);
}

/* `err`: of following it. */
static struct err end_check(const struct turn_watch *look, struct err err,
                            const struct turn_outcome *outcome) {
    const struct short_name name = short_name_of(look->run, NULL /* a turn has no label */);
    if (err.code == ERR_INTERRUPTED) {
        plain_note("\ndrover: detached; the turn goes on. 'drover attach %s' follows it again, "
                   "'drover stop %s' ends it.\n",
                   name.text, name.text);
        look->invocation->told = true;
    }
    if (!err_failed(err) && outcome->state == NULL) { /* Messages are kept longer than events. */
        return err_why(&look->invocation->why, ERR_NOT_FOUND,
                       "the events of %s are no longer kept; 'drover session show -m %s' shows its "
                       "messages",
                       name.text, short_name_of(look->session, NULL /* no label */).text);
    }
    return err;
}

struct err turn_end(const struct turn_watch *watch, struct turn_outcome *ret_outcome) {
    return end_check(watch, turn_watch(watch, ret_outcome), ret_outcome);
}

struct err turn_look(const struct turn_watch *look) {
    struct invocation *invocation = look->invocation;
    AUTO(turn_outcome_done) struct turn_outcome outcome = {0};
    AUTO(json_release) json_t *answer = NULL;
    struct turn_watch watch = *look;
    const bool events = invocation->json && look->json == TURN_JSON_EVENTS;
    watch.show = events ? TURN_SHOW_EVENTS : invocation->json ? TURN_SHOW_SILENT : TURN_SHOW_FINAL;
    struct err err =
        is_seen(invocation) ? turn_show(&watch, &outcome) : turn_watch(&watch, &outcome);
    err = end_check(look, err, &outcome);
    if (err_failed(err)) {
        return err;
    }
    if (invocation->json) {
        answer =
            json_pack("{s:s,s:s,s:s,s:s,s:s%,s:O}", events ? "event" : "session",
                      events ? "agent_finished" : look->session, "run", look->run, "state",
                      outcome.state, "cause", outcome.cause, "text", text_bytes(&outcome.text).data,
                      outcome.text.len, "usage", outcome.usage);
    }
    if (answer != NULL) {
        talk_print(answer);
    }
    const char *state = outcome.state;
    invocation->exit_code = strcmp(state, "succeeded") == 0 ? invocation->exit_code : 1;
    if (strcmp(state, "succeeded") == 0 || invocation->json) {
        return ERR_OK;
    }
    if (strcmp(outcome.cause, "truncated") == 0) {
        plain_note("drover: the answer is incomplete: it was cut off at its longest length "
                   "(truncated)\n");
    } else {
        plain_note("drover: the turn %s%s (%s)%s%s\n",
                   strcmp(state, "cancelled") == 0 ? "was " : "",
                   strcmp(state, "degraded") == 0 ? "ended early" : state, outcome.cause,
                   outcome.note[0] != '\0' ? ": " : "", outcome.note);
    }
    return ERR_OK;
}

struct err turn_look_run(struct invocation *invocation, struct talk *talk, const json_t *run,
                         bool only_new) {
    struct session_ends ends = {.head = 0};
    const char *session = talk_text(json_object_get(run, "spec"), "session");
    TRY(session_ends(talk, session, &ends, &invocation->why));
    bool ended = run_has_ended(run);
    const struct turn_watch look = {.invocation = invocation,
                                    .talk = talk,
                                    .session = session,
                                    .run = talk_text(run, "id"),
                                    .after = only_new && !ended ? ends.head : ends.floor,
                                    .until = ended ? ends.head : 0};
    return turn_look(&look);
}
