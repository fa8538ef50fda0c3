/* follow.c: events of a session's stream, of which the answer alone is printed. */
#include "cli/turn/follow.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "cli/base/api_request.h"
#include "cli/base/names.h"
#include "cli/run/ask.h"
#include "cli/run/view.h"
#include "cli/run/waits.h"
#include "cli/session/session.h"
#include "cli/stream/follow.h"
#include "cli/terminal/markdown.h"
#include "cli/terminal/plain.h"

enum {
    TEXT_MAX = 64 << 20,
    /* The newest answer of a session is on the first page, unless others were asked for since. */
    PAGES_MAX = 20,
};

struct watching {
    const struct turn_watch *watch;
    struct turn_outcome *outcome;
    struct text step; /* Text of the last step that has any: the answer. */
    bool fresh;       /* Another step has begun, and has no output yet. */
    bool enough;      /* The turn has ended, something is asked, or all was seen. */
    bool missed;      /* Events were pruned at least once: `step` is not all of the text. */
    json_t *asked;    /* Owned: the question that must be answered before it goes on. */
};

void turn_outcome_done(struct turn_outcome *outcome) {
    mem_free(outcome->state);
    mem_free(outcome->cause);
    mem_free(outcome->note);
    text_done(&outcome->text);
    json_release(&outcome->usage);
    *outcome = (struct turn_outcome){0};
}

/* --- Events ---------------------------------------------------------------------------------- */

/* Tells of a wait, since the command would otherwise stand still without a reason. */
static void wait_tell(const struct watching *watching, const json_t *data) {
    AUTO(text_done) struct text words = text_up_to(512);
    (void)run_wait_event_add(data, &words); /* The detail would need a line more. */
    if (words.len > 0 && !text_failed(&words) && watching->watch->show == TURN_SHOW_FINAL) {
        utf8_make_plain(words.data, words.len);
        plain_note("drover: %s\n", words.data);
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

void turn_outcome_set(struct turn_outcome *outcome, const json_t *data) {
    const struct {
        const char *member;
        char **text;
    } texts[] = {{"state", &outcome->state}, {"cause", &outcome->cause}, {"note", &outcome->note}};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct bytes value = bytes_of(talk_text(data, texts[i].member));
        *texts[i].text = mem_copy(value.data, value.len);
    }
}

static void turn_finish(struct watching *watching, const json_t *data) {
    turn_outcome_set(watching->outcome, data);
    text_add(&watching->outcome->text, text_bytes(&watching->step).data, watching->step.len);
    watching->enough = true;
}

static void event_hear(struct watching *watching, struct bytes type, const json_t *data) {
    if (bytes_is(type, "delta")) {
        if (watching->fresh) {
            text_clear(&watching->step);
            watching->fresh = false;
        }
        text_add_str(&watching->step, talk_text(data, "text"));
    } else if (bytes_is(type, "output_started")) {
        watching->fresh = true;
    } else if (bytes_is(type, "output_discarded") && !watching->fresh) {
        text_clear(&watching->step);
    } else if (bytes_is(type, "turn_waiting")) {
        wait_tell(watching, data);
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
    size_t at = 0;
    if (watching->enough) {
        return;
    }
    watching->outcome->seq = event->seq;
    bool read = !err_failed(json_parse_wrapped(event->data, &data, NULL /* no why */));
    if (bytes_is(event->type, "snapshot")) {
        /* A snapshot comes instead of events that are gone: the turn's end may have been among
         * them, and so may a question, of which the snapshot has those that are open. Where it
         * cannot be read no question is known; the run is read all the same. */
        json_array_foreach(json_object_get(data, "approvals"), at, asked) {
            if (strcmp(talk_text(asked, "run"), watch->run) == 0) {
                question_take(watching, asked);
            }
        }
        watching->missed = true;
    } else if (read && strcmp(talk_text(data, "run"), watch->run) == 0) {
        if (watch->show == TURN_SHOW_EVENTS) {
            follow_event_print(event, data);
        }
        event_hear(watching, event->type, data);
    }
    if (watch->until > 0 && event->seq >= watch->until) {
        watching->enough = true;
    }
}

static struct err on_gap(void *ctx, struct why *why) {
    struct watching *watching = ctx;
    AUTO(json_release) json_t *run = NULL;
    TRY(run_get(watching->watch->talk, watching->watch->run, RUN_RETRY_MS, &run, why));
    if (run_has_ended(run)) {
        json_release(&watching->asked);
        turn_finish(watching, run);
    }
    return ERR_OK;
}

/* --- Questions -------------------------------------------------------------------------------- */

/* Nobody sits here to answer. A stream that is read from its beginning also shows questions that
 * were answered since: so the row is read first. */
static struct err question_report(struct watching *watching) {
    const char *id = talk_text(watching->asked, "id");
    AUTO(json_release) json_t *row = NULL;
    const struct api_request approval = {
        .base = "/api/v1/approvals/", .id = id, .retry_ms = RUN_RETRY_MS};
    struct err err =
        api_ask(watching->watch->talk, &approval, &row, &watching->watch->invocation->why);
    if (!err_failed(err) && strcmp(talk_text(row, "state"), "open") == 0) {
        AUTO(text_done) struct text words = text_up_to(RUN_QUESTION_MAX);
        run_question_lines_add(row, "  ", &words);
        plain_note("drover: it waits for an answer: drover approve %s\n  %s\n",
                   short_name_of(id, NULL /* no label */).text, text_bytes(&words).data);
    }
    return err.code == ERR_NOT_FOUND ? ERR_OK : err;
}

/* --- The stored answer ------------------------------------------------------------------------ */

static struct err stored_get(const struct watching *watching, const char *base, const char *id,
                             const char *rest, json_t **ret_json) {
    const struct api_request request = {.base = base,
                                        .id = id,
                                        .rest = rest,
                                        .retry_ms = RUN_RETRY_MS,
                                        .unknown = "there is nothing with the id '{}'"};
    return api_ask(watching->watch->talk, &request, ret_json, &watching->watch->invocation->why);
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
 * the last step that has any, and the usage is the sum over its calls. Both are left as they are
 * where no stored message answers for the turn. */
static struct err outcome_complete(struct watching *watching) {
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
        bool said = strcmp(talk_text(part, "kind"), "text") == 0;
        last = said && talk_int(part, "step") > last ? talk_int(part, "step") : last;
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
    return err;
}

/* --- Following -------------------------------------------------------------------------------- */

/* Follows the stream up to the end of the turn, a question, or a snapshot; and tells of that. */
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
        .on_event = on_event,
        .on_gap = on_gap,
        .ctx = watching,
    };
    struct err err = follow_run(&options, why);
    /* The stream of a session ends with the session: no event can follow, not even of the turn's
     * end. */
    if (!err_failed(err) && !watching->enough) {
        return err_why(why, ERR_NOT_FOUND, "the session %s was deleted while its turn ran",
                       watch->session);
    }
    if (!err_failed(err) && watching->asked != NULL) {
        err = question_report(watching);
        json_release(&watching->asked);
        watching->enough = false;
    }
    return err;
}

struct err turn_watch(const struct turn_watch *watch, struct turn_outcome *ret_outcome) {
    struct watching watching = {.watch = watch, .outcome = ret_outcome};
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
    text_done(&watching.step);
    json_release(&watching.asked);
    if (ret_outcome->state != NULL && watch->show == TURN_SHOW_FINAL) {
        markdown_print(text_bytes(&ret_outcome->text));
        const struct bytes said = text_bytes(&ret_outcome->text);
        fputs(said.len > 0 && said.data[said.len - 1] != '\n' ? "\n" : "", stdout);
    }
    return err;
}
