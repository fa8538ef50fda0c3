/* follow.c: events of a session's stream, shown as a conversation. */
#include "cli/turn/follow.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "cli/base/resource.h"
#include "cli/run/ask.h"
#include "cli/run/view.h"
#include "cli/run/waits.h"
#include "cli/session/session.h"
#include "cli/stream/follow.h"
#include "cli/terminal/plain.h"
#include "cli/turn/card.h"
#include "cli/turn/question.h"

enum {
    TEXT_MAX = 64 << 20,
    LINE_SHOWN = 160,
    /* The newest answer of a session is on the first page, unless others were asked for since. */
    PAGES_MAX = 20,
};

struct watching {
    const struct turn_watch *watch;
    struct turn_outcome *outcome;
    struct paint paint;
    struct text step; /* Text of this step. */
    bool enough;      /* The turn has ended, something is asked, or all was seen. */
    bool pruned;      /* Events were pruned before they came: the run must be read. */
    bool missed;      /* Events were pruned at least once: `step` is not all of the text. */
    bool unseen;      /* The end of the turn was among the pruned events. */
    json_t *asked;    /* Owned: the question that must be answered before it goes on. */
    bool in_line;     /* The last line has no end yet. */
    bool thinking;    /* The last line is thinking. */
};

void turn_outcome_done(struct turn_outcome *outcome) {
    mem_free(outcome->state);
    mem_free(outcome->cause);
    mem_free(outcome->note);
    text_done(&outcome->text);
    json_release(&outcome->usage);
    *outcome = (struct turn_outcome){0};
}

/* --- Output ----------------------------------------------------------------------------------- */

static void follow_line_end(struct watching *watching) {
    if (watching->in_line) {
        fputs(paint_end(&watching->paint, COLOUR_GREY), stdout);
        fputc('\n', stdout);
    }
    watching->in_line = watching->thinking = false;
}

static void text_show(struct watching *watching, const char *text, bool thinking) {
    size_t len = strlen(text);
    if (watching->watch->show != TURN_SHOW_LIVE || len == 0) {
        return;
    }
    if (thinking != watching->thinking) {
        follow_line_end(watching);
        fputs(thinking ? paint_begin(&watching->paint, COLOUR_GREY) : "", stdout);
    }
    watching->thinking = thinking;
    plain_print((struct bytes){text, len});
    watching->in_line = text[len - 1] != '\n';
    (void)fflush(stdout); /* A failure shows again at the end. */
}

static void line_show(struct watching *watching, enum colour colour, const char *mark,
                      const char *name, const char *detail) {
    if (watching->watch->show != TURN_SHOW_LIVE) {
        return;
    }
    follow_line_end(watching);
    printf("%s%s %s%s ", paint_begin(&watching->paint, colour), mark, name,
           paint_end(&watching->paint, colour));
    size_t len = strcspn(detail, "\n");
    plain_print((struct bytes){detail, utf8_cut((struct bytes){detail, len}, LINE_SHOWN)});
    fputs(detail[len] != '\0' || len > LINE_SHOWN ? " …\n" : "\n", stdout);
    (void)fflush(stdout); /* As above. */
}

/* Shows lines that are fit for a terminal already. */
static void card_show(struct watching *watching, const struct text *lines) {
    if (watching->watch->show == TURN_SHOW_LIVE) {
        follow_line_end(watching);
        fwrite(text_bytes(lines).data, 1, lines->len, stdout);
        (void)fflush(stdout); /* A failure shows again at the end. */
    }
}

/* --- Events ----------------------------------------------------------------------------------- */

static void tool_show(struct watching *watching, const json_t *data) {
    AUTO(text_done) struct text line = text_up_to(TEXT_MAX);
    const struct card card = {.tool = talk_text(data, "tool"),
                              .state = talk_text(data, "state"),
                              .cause = talk_text(data, "cause"),
                              .result = json_bytes(data, "result")};
    card_end_add(&watching->paint, &card, false, &line);
    card_show(watching, &line);
}

static void call_show(struct watching *watching, const json_t *data) {
    AUTO(text_done) struct text line = text_up_to(TEXT_MAX);
    struct bytes arguments = json_bytes(data, "arguments");
    card_begin_add(&watching->paint, talk_text(data, "tool"),
                   arguments.len > 0 ? arguments : json_bytes(data, "arguments_text"), &line);
    card_show(watching, &line);
}

/* Prints a line about a wait, since the output would otherwise stand still without a reason. */
static void wait_show(struct watching *watching, const json_t *data) {
    AUTO(text_done) struct text words = text_up_to(512);
    const char *detail = run_wait_event_add(data, &words);
    if (words.len == 0 || text_failed(&words)) {
        return;
    }
    line_show(watching, COLOUR_YELLOW, "…", words.data, detail);
    if (watching->watch->show == TURN_SHOW_FINAL) {
        fprintf(stderr, "drover: %s\n", words.data);
    }
}

/* Adds the usage of one call. Usage "so far" is reported again, and better, at the call's end. */
static void usage_add(json_t *sums, const json_t *data) {
    const json_t *call = json_object_get(data, "call");
    const char *key = NULL;
    json_t *value = NULL;
    if (json_is_true(json_object_get(data, "so_far"))) {
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)call, key, value) {
        const json_t *sum = json_object_get(sums, key);
        bool unknown = json_is_null(value) || json_is_null(sum);
        json_t *now = json_is_boolean(value)
                          ? json_boolean(json_is_true(value) || json_is_true(sum))
                      : unknown ? json_null()
                                : json_integer(json_integer_value(value) + json_integer_value(sum));
        (void)json_object_set_new(sums, key, now); /* A sum that is missing is not shown. */
    }
}

static void question_take(struct watching *watching, const json_t *asked) {
    json_release(&watching->asked);
    watching->asked = json_incref((json_t *)(uintptr_t)asked);
    watching->enough = true;
}

/* `data`: the event of its end, or the run. */
static void turn_finish(struct watching *watching, const json_t *data) {
    struct turn_outcome *outcome = watching->outcome;
    const struct {
        const char *member;
        char **text;
    } texts[] = {{"state", &outcome->state}, {"cause", &outcome->cause}, {"note", &outcome->note}};
    follow_line_end(watching);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct bytes value = bytes_of(talk_text(data, texts[i].member));
        *texts[i].text = mem_copy(value.data, value.len);
    }
    text_add(&outcome->text, text_bytes(&watching->step).data, watching->step.len);
    watching->enough = true;
}

static void event_hear(struct watching *watching, struct bytes type, const json_t *data) {
    if (bytes_is(type, "delta")) {
        text_add_str(&watching->step, talk_text(data, "text"));
        text_show(watching, talk_text(data, "text"), false);
    } else if (bytes_is(type, "thinking_delta")) {
        text_show(watching, talk_text(data, "text"), true);
    } else if (bytes_is(type, "output_started")) {
        text_clear(&watching->step);
    } else if (bytes_is(type, "output_discarded")) {
        const char *cause = talk_text(data, "cause");
        bool printed = strcmp(cause, "printed_calls") == 0;
        text_clear(&watching->step);
        line_show(watching, COLOUR_YELLOW, "↻",
                  printed ? "it wrote calls of tools into its text; without them:"
                          : "the answer broke off; again from its beginning:",
                  printed ? "" : cause);
    } else if (bytes_is(type, "tool_started")) {
        call_show(watching, data);
    } else if (bytes_is(type, "tool_finished")) {
        tool_show(watching, data);
    } else if (bytes_is(type, "tool_reviewed")) {
        bool good = strcmp(talk_text(data, "decision"), "allow") == 0;
        AUTO(text_done) struct text words = text_up_to(256);
        text_addf(&words, "review of %s: %s", talk_text(data, "tool"), talk_text(data, "decision"));
        line_show(watching, good ? COLOUR_GREY : COLOUR_YELLOW, "?",
                  text_failed(&words) ? "review" : words.data, talk_text(data, "reason"));
    } else if (bytes_is(type, "turn_waiting")) {
        wait_show(watching, data);
    } else if (bytes_is(type, "usage")) {
        usage_add(watching->outcome->usage, data);
    } else if (bytes_is(type, "approval_asked") || bytes_is(type, "question_asked")) {
        question_take(watching, data);
    } else if (bytes_is(type, "turn_finished")) {
        turn_finish(watching, data);
    }
}

/* Events after a question in one piece are read again, after its answer. */
static void on_event(void *ctx, const struct follow_event *event) {
    struct watching *watching = ctx;
    const struct turn_watch *watch = watching->watch;
    AUTO(json_release) json_t *data = NULL;
    const json_t *asked = NULL;
    struct why ignored;
    size_t at = 0;
    if (watching->enough) {
        return;
    }
    watching->outcome->seq = event->seq;
    bool read = !err_failed(json_parse_wrapped(event->data, &data, &ignored));
    if (bytes_is(event->type, "snapshot")) {
        /* A snapshot comes instead of events that are gone: the turn's end may have been among
         * them, and so may a question, of which the snapshot has those that are open. Where it
         * cannot be read no question is known; the run is read all the same. */
        json_array_foreach(json_object_get(data, "approvals"), at, asked) {
            if (strcmp(talk_text(asked, "run"), watch->run) == 0) {
                question_take(watching, asked);
            }
        }
        watching->pruned = watching->missed = watching->enough = true;
    } else if (read && strcmp(talk_text(data, "run"), watch->run) == 0) {
        event_hear(watching, event->type, data);
    }
    if (watch->until > 0 && event->seq >= watch->until) {
        watching->enough = true;
    }
}

/* --- Questions -------------------------------------------------------------------------------- */

/* Reads a line of the terminal as the answer. A session of one question has no "always". */
static struct err answer_read(struct watching *watching, const json_t *row, struct text *body,
                              enum question_choice *ret_choice) {
    struct bytes line = {0};
    bool question = strcmp(talk_text(row, "kind"), "answer") == 0;
    fputs(question ? question_prompt(row) : "y, or n and why> ", stdout);
    (void)fflush(stdout); /* As above. */
    struct err err = lines_next(watching->watch->answers, &line);
    if (!err_failed(err) && line.data == NULL) {
        return err_make(ERR_INTERRUPTED, "ask: the input is over");
    }
    if (!err_failed(err)) {
        text_clear(body);
        *ret_choice = question_read(row, line, body);
    }
    return err;
}

/* A stream that is read from its beginning also shows questions that were answered since; and a
 * snapshot may leave the arguments of a question out. So its row is read first. */
static struct err question_settle(struct watching *watching) {
    const struct turn_watch *watch = watching->watch;
    struct why *why = &watch->invocation->why;
    const char *id = talk_text(watching->asked, "id");
    AUTO(json_release) json_t *row = NULL;
    AUTO(text_done) struct text body = text_up_to(1 << 20), words = text_up_to(TEXT_MAX);
    struct resource approval = {.base = "/api/v1/approvals/", .id = id, .retry_ms = RUN_RETRY_MS};
    struct err err = resource_ask(watch->talk, &approval, &row, why);
    if (err.code == ERR_NOT_FOUND) {
        return ERR_OK;
    }
    if (err_failed(err) || strcmp(talk_text(row, "state"), "open") != 0) {
        return err;
    }
    follow_line_end(watching);
    if (watch->answers == NULL) {
        fprintf(stderr, "drover: it waits for an answer: drover approve %s\n", id);
        return ERR_OK;
    }
    enum question_choice choice = QUESTION_UNCLEAR;
    question_add(row, &watching->paint, &words);
    card_show(watching, &words);
    while (!err_failed(err) && choice != QUESTION_ANSWERED) {
        err = answer_read(watching, row, &body, &choice);
    }
    if (!err_failed(err)) {
        approval =
            (struct resource){.method = "POST", .base = approval.base, .id = id, .body = &body};
        err = resource_ask(watch->talk, &approval, NULL /* not read */, why);
    }
    return err.code == ERR_CONFLICT ? ERR_OK : err; /* Another client was first. */
}

/* --- The stored answer ------------------------------------------------------------------------ */

static struct err stored_get(const struct watching *watching, const char *base, const char *id,
                             const char *rest, json_t **ret_json) {
    const struct resource resource = {.base = base,
                                      .id = id,
                                      .rest = rest,
                                      .retry_ms = RUN_RETRY_MS,
                                      .unknown = "there is nothing with the id '{}'"};
    return resource_ask(watching->watch->talk, &resource, ret_json,
                        &watching->watch->invocation->why);
}

/* *ret_message stays NULL where no stored message answers for the turn. */
static struct err message_find(const struct watching *watching, json_t **ret_message) {
    char rest[80] = "/messages?limit=20";
    for (int pages = 0; pages < PAGES_MAX; pages++) {
        AUTO(json_release) json_t *page = NULL;
        json_t *message = NULL;
        size_t at = 0;
        struct err err =
            stored_get(watching, "/api/v1/sessions/", watching->watch->session, rest, &page);
        json_array_foreach(json_object_get(page, "items"), at, message) {
            if (strcmp(talk_text(message, "role"), "assistant") == 0 &&
                strcmp(talk_text(message, "run"), watching->watch->run) == 0) {
                *ret_message = json_incref(message);
                return ERR_OK;
            }
        }
        const char *next = talk_text(page, "next");
        if (err_failed(err) || next[0] == '\0') {
            return err;
        }
        (void)snprintf(rest, sizeof rest, "/messages?limit=20&after=%.40s", next); /* Fits. */
    }
    return ERR_OK;
}

/* Fills in what the events did not bring, because they were pruned: the text is the whole text of
 * the turn's last step, and the usage is the sum over its calls. Both are left as they are where no
 * stored message answers for the turn. On a terminal the text of a turn that goes on was printed as
 * it came, and is not printed again. */
static struct err outcome_complete(struct watching *watching) {
    static const char *const kinds[] = {"text", "thinking", "tool"};
    struct turn_outcome *outcome = watching->outcome;
    AUTO(json_release) json_t *message = NULL;
    struct err err = message_find(watching, &message);
    if (err_failed(err) || message == NULL) {
        return err;
    }
    const json_t *parts = json_object_get(message, "parts"), *part = NULL;
    const json_t *usage = json_object_get(message, "usage");
    int64_t last = 0;
    size_t at = 0;
    json_array_foreach(parts, at, part) {
        for (size_t i = 0; i < COUNT_OF(kinds); i++) {
            bool of_kind = strcmp(talk_text(part, "kind"), kinds[i]) == 0;
            last = of_kind && talk_int(part, "step") > last ? talk_int(part, "step") : last;
        }
    }
    text_clear(&outcome->text);
    json_array_foreach(parts, at, part) {
        bool said = strcmp(talk_text(part, "kind"), "text") == 0 && talk_int(part, "step") == last;
        AUTO(json_release) json_t *whole = NULL;
        if (said && !err_failed(err) && json_is_true(json_object_get(part, "cut"))) {
            char rest[80]; /* The list cut the text: it is asked for. */
            (void)snprintf(rest, sizeof rest, "/parts/%lld?limit=%d",
                           (long long)talk_int(part, "number"), 1 << 20); /* Fits. */
            err = stored_get(watching, "/api/v1/messages/", talk_text(message, "id"), rest, &whole);
        }
        if (said && !err_failed(err)) {
            struct bytes text = json_bytes(whole != NULL ? whole : part, "text");
            text_add(&outcome->text, text.data, text.len);
        }
    }
    if (json_is_object(usage)) {
        json_release(&outcome->usage);
        outcome->usage = json_copy((json_t *)(uintptr_t)usage); /* Shallow: only numbers. */
        (void)json_object_del(outcome->usage, "calls");         /* Events do not have these. */
        (void)json_object_del(outcome->usage, "cost_unknown");
    }
    if (!err_failed(err) && watching->unseen && outcome->text.len > 0) {
        text_show(watching, outcome->text.data, false);
    }
    return err;
}

/* --- Following -------------------------------------------------------------------------------- */

/* Follows the stream up to the end of the turn, a question, or a snapshot; and settles that. */
static struct err stream_follow(struct watching *watching) {
    const struct turn_watch *watch = watching->watch;
    struct why *why = &watch->invocation->why;
    char name[128];
    (void)snprintf(name, sizeof name, "session:%s", watch->session); /* Ids are short. */
    const struct follow_options options = {
        .talk = watch->talk,
        .name = name,
        .via = FOLLOW_SSE,
        .after = watching->outcome->seq,
        .retry_ms = RUN_RETRY_MS,
        .enough = &watching->enough,
        .event = on_event,
        .ctx = watching,
    };
    struct err err = follow_run(&options, why);
    /* The stream of a session ends with the session: no event can follow, not even of the turn's
     * end. */
    if (!err_failed(err) && !watching->enough) {
        return err_why(why, ERR_NOT_FOUND, "the session %s was deleted while its turn ran",
                       watch->session);
    }
    if (!err_failed(err) && watching->pruned) { /* A snapshot came: the run is read. */
        AUTO(json_release) json_t *run = NULL;
        err = run_get(watch->talk, watch->run, RUN_RETRY_MS, &run, why);
        watching->pruned = watching->enough = false;
        if (err_failed(err)) {
            return err;
        }
        line_show(watching, COLOUR_YELLOW, "…", "a part of what it said is no longer kept", "");
        if (run_has_ended(run)) {
            json_release(&watching->asked);
            watching->unseen = true;
            turn_finish(watching, run);
        }
    }
    if (!err_failed(err) && watching->asked != NULL) {
        err = question_settle(watching);
        json_release(&watching->asked);
        watching->enough = false;
    }
    return err;
}

struct err turn_watch(const struct turn_watch *watch, struct turn_outcome *ret_outcome) {
    struct watching watching = {.watch = watch,
                                .outcome = ret_outcome,
                                .paint = paint_of(STDOUT_FILENO, &watch->invocation->env)};
    *ret_outcome = (struct turn_outcome){.seq = watch->after, .usage = json_object()};
    text_init(&watching.step, TEXT_MAX);
    text_init(&ret_outcome->text, TEXT_MAX);
    struct err err = ERR_OK;
    if (watch->until == 0) {
        talk_warn_held(watch->talk);
    }
    while (!err_failed(err) && ret_outcome->state == NULL &&
           (watch->until == 0 || ret_outcome->seq < watch->until)) {
        err = stream_follow(&watching);
    }
    if (!err_failed(err) && ret_outcome->state != NULL && watching.missed) {
        err = outcome_complete(&watching);
    }
    follow_line_end(&watching);
    text_done(&watching.step);
    json_release(&watching.asked);
    if (ret_outcome->state != NULL && watch->show == TURN_SHOW_FINAL) {
        plain_print(text_bytes(&ret_outcome->text));
        fputs(ret_outcome->text.len > 0 ? "\n" : "", stdout);
    }
    return err;
}

/* --- For a command that then ends ------------------------------------------------------------- */

struct err turn_look(const struct turn_watch *look) {
    struct invocation *invocation = look->invocation;
    AUTO(turn_outcome_done) struct turn_outcome outcome = {0};
    AUTO(json_release) json_t *answer = NULL;
    bool seen = isatty(STDOUT_FILENO) == 1 && !invocation->json;
    struct turn_watch watch = *look;
    watch.show = invocation->json ? TURN_SHOW_SILENT : seen ? TURN_SHOW_LIVE : TURN_SHOW_FINAL;
    watch.answers = seen && isatty(STDIN_FILENO) == 1 ? look->answers : NULL;
    struct err err = turn_watch(&watch, &outcome);
    if (err.code == ERR_INTERRUPTED) {
        fprintf(stderr,
                "\ndrover: detached; the turn goes on. 'drover attach %s' follows it again, "
                "'drover stop %s' ends it.\n",
                look->run, look->run);
        invocation->told = true;
    }
    if (err_failed(err)) {
        return err;
    }
    if (outcome.state == NULL) { /* Messages are kept longer than events. */
        return err_why(&invocation->why, ERR_NOT_FOUND,
                       "the events of %s are no longer kept; 'drover session show -m %s' shows its "
                       "messages",
                       look->run, look->session);
    }
    if (invocation->json) {
        answer =
            json_pack("{s:s,s:s,s:s,s:s,s:s%,s:O}", "session", look->session, "run", look->run,
                      "state", outcome.state, "cause", outcome.cause, "text",
                      text_bytes(&outcome.text).data, outcome.text.len, "usage", outcome.usage);
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
        fputs("drover: the answer is incomplete: it was cut off at its longest length "
              "(truncated)\n",
              stderr);
    } else {
        fprintf(stderr, "drover: the turn %s%s (%s)%s%s\n",
                strcmp(state, "cancelled") == 0 ? "was " : "",
                strcmp(state, "degraded") == 0 ? "ended early" : state, outcome.cause,
                outcome.note[0] != '\0' ? ": " : "", outcome.note);
    }
    return ERR_OK;
}

struct err turn_look_run(struct invocation *invocation, struct talk *talk, const json_t *run,
                         bool only_new) {
    AUTO(lines_done) struct lines lines = {0};
    struct session_ends ends = {.head = 0};
    const char *session = talk_text(json_object_get(run, "spec"), "session");
    struct err err = session_ends(talk, session, &ends, &invocation->why);
    if (err_failed(err)) {
        return err;
    }
    bool ended = run_has_ended(run);
    const struct turn_watch look = {.invocation = invocation,
                                    .talk = talk,
                                    .answers = &lines,
                                    .session = session,
                                    .run = talk_text(run, "id"),
                                    .after = only_new && !ended ? ends.head : ends.floor,
                                    .until = ended ? ends.head : 0};
    lines_init(&lines, STDIN_FILENO, talk->interrupt_fd);
    return turn_look(&look);
}
