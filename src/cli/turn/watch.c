/* watch.c: events of a session's stream, shown as a conversation. */
#include "cli/turn/watch.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/id.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "cli/base/resource.h"
#include "cli/run/ask.h"
#include "cli/run/view.h"
#include "cli/stream/follow.h"
#include "cli/terminal/plain.h"
#include "cli/turn/stored.h"

enum { TEXT_MAX = 64 << 20, LINE_SHOWN = 160 };

struct watching {
    const struct turn_watch *watch;
    struct turn_outcome *outcome;
    struct paint paint;
    struct text step; /* What this step has said. */
    bool enough;      /* The turn has ended, something is asked, or all was seen. */
    bool pruned;      /* Events were pruned before they came: the run must be read. */
    bool missed;      /* Events were pruned at least once: `step` has not all that was said. */
    bool unseen;      /* The end of the turn was among the pruned events. */
    json_t *asked;    /* Owned: what somebody must answer before it goes on. */
    bool in_line;     /* Something stands in the last line. */
    bool thinking;    /* What stands there is thinking. */
};

void turn_outcome_done(struct turn_outcome *outcome) {
    mem_free(outcome->state);
    mem_free(outcome->cause);
    mem_free(outcome->note);
    text_done(&outcome->text);
    json_release(&outcome->usage);
    *outcome = (struct turn_outcome){0};
}

/* --- What is printed -------------------------------------------------------------------------- */

static void end_line(struct watching *watching) {
    if (watching->in_line) {
        fputs(paint_end(&watching->paint, COLOUR_GREY), stdout);
        fputc('\n', stdout);
    }
    watching->in_line = watching->thinking = false;
}

static bool is_live(const struct watching *watching) {
    return watching->watch->show == TURN_SHOW_LIVE;
}

static void show_text(struct watching *watching, const char *text, bool thinking) {
    size_t len = strlen(text);
    if (!is_live(watching) || len == 0) {
        return;
    }
    if (thinking != watching->thinking) {
        end_line(watching);
        fputs(thinking ? paint_begin(&watching->paint, COLOUR_GREY) : "", stdout);
    }
    watching->thinking = thinking;
    plain_print((struct bytes){text, len});
    watching->in_line = text[len - 1] != '\n';
    (void)fflush(stdout); /* A failure shows again at the end. */
}

static void show_line(struct watching *watching, enum colour colour, const char *mark,
                      const char *name, const char *detail) {
    if (!is_live(watching)) {
        return;
    }
    end_line(watching);
    printf("%s%s %s%s ", paint_begin(&watching->paint, colour), mark, name,
           paint_end(&watching->paint, colour));
    size_t len = strcspn(detail, "\n");
    plain_print((struct bytes){detail, utf8_cut((struct bytes){detail, len}, LINE_SHOWN)});
    fputs(detail[len] != '\0' || len > LINE_SHOWN ? " …\n" : "\n", stdout);
    (void)fflush(stdout); /* As above. */
}

/* --- Events ----------------------------------------------------------------------------------- */

static void on_delta(struct watching *watching, const json_t *data) {
    const char *text = talk_text(data, "text");
    text_add_str(&watching->step, text);
    show_text(watching, text, false);
}

static void on_thinking(struct watching *watching, const json_t *data) {
    show_text(watching, talk_text(data, "text"), true);
}

static void on_output(struct watching *watching, const json_t *data) {
    text_clear(&watching->step);
}

static void on_discarded(struct watching *watching, const json_t *data) {
    const char *cause = talk_text(data, "cause");
    bool printed = strcmp(cause, "printed_calls") == 0;
    text_clear(&watching->step);
    show_line(watching, COLOUR_YELLOW, "↻",
              printed ? "it wrote calls of tools into its text; without them:"
                      : "the answer broke off; again from its beginning:",
              printed ? "" : cause);
}

static void on_tool_started(struct watching *watching, const json_t *data) {
    bool malformed = json_object_get(data, "arguments_text") != NULL;
    show_line(watching, COLOUR_BLUE, "•", talk_text(data, "tool"),
              talk_text(data, malformed ? "arguments_text" : "arguments"));
}

static void on_tool_finished(struct watching *watching, const json_t *data) {
    const char *state = talk_text(data, "state"), *cause = talk_text(data, "cause");
    bool good = strcmp(state, "succeeded") == 0;
    char words[80];
    (void)snprintf(words, sizeof words, "%.30s%s%.40s%s", state, cause[0] == '\0' ? "" : " (",
                   cause, cause[0] == '\0' ? "" : ")"); /* Both are short words. */
    show_line(watching, good ? COLOUR_GREY : COLOUR_RED, good ? "  →" : "  ✗", good ? "" : words,
              talk_text(data, "result"));
}

static void on_reviewed(struct watching *watching, const json_t *data) {
    bool good = strcmp(talk_text(data, "decision"), "allow") == 0;
    AUTO(text_done) struct text words;
    text_init(&words, 256);
    text_addf(&words, "review of %s: %s", talk_text(data, "tool"), talk_text(data, "decision"));
    show_line(watching, good ? COLOUR_GREY : COLOUR_YELLOW, "?",
              text_failed(&words) ? "review" : words.data, talk_text(data, "reason"));
}

/* Prints a line about a wait for the provider, since the output would otherwise stand still without
 * a reason. A wait for a person needs none: the question itself is printed. */
static void on_waiting(struct watching *watching, const json_t *data) {
    AUTO(text_done) struct text words = {0};
    if (strcmp(talk_text(data, "gate"), "provider") != 0) {
        return;
    }
    text_init(&words, 512);
    text_addf(&words, "waiting for provider %s until %s", talk_text(data, "provider"),
              talk_clock(talk_int(data, "resume_at_ms")).text);
    if (text_failed(&words)) {
        return;
    }
    utf8_make_plain(words.data, words.len);
    show_line(watching, COLOUR_YELLOW, "…", words.data, talk_text(data, "cause"));
    if (watching->watch->show == TURN_SHOW_FINAL) {
        fprintf(stderr, "drover: %s\n", words.data);
    }
}

static void on_usage(struct watching *watching, const json_t *data) {
    if (json_is_true(json_object_get(data, "so_far"))) {
        return; /* The call's end tells it again, and better. */
    }
    json_t *sums = watching->outcome->usage;
    const json_t *call = json_object_get(data, "call");
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)call, key, value) {
        const json_t *sum = json_object_get(sums, key);
        bool unknown = json_is_null(value) || (sum != NULL && json_is_null(sum));
        json_t *now = json_is_boolean(value)
                          ? json_boolean(json_is_true(value) || json_is_true(sum))
                      : unknown ? json_null()
                                : json_integer(json_integer_value(value) + json_integer_value(sum));
        (void)json_object_set_new(sums, key, now); /* A sum that is missing is not shown. */
    }
}

static void on_asked(struct watching *watching, const json_t *data) {
    json_release(&watching->asked);
    watching->asked = json_incref((json_t *)(uintptr_t)data);
    watching->enough = true;
}

static char *copy(const char *text) {
    return mem_copy(text, strlen(text));
}

/* `data`: the event of its end, or the run. */
static void on_finished(struct watching *watching, const json_t *data) {
    struct turn_outcome *outcome = watching->outcome;
    end_line(watching);
    outcome->state = copy(talk_text(data, "state"));
    outcome->cause = copy(talk_text(data, "cause"));
    outcome->note = copy(talk_text(data, "note"));
    text_add(&outcome->text, watching->step.data == NULL ? "" : watching->step.data,
             watching->step.len);
    watching->enough = true;
}

static const struct {
    const char *type;
    void (*run)(struct watching *watching, const json_t *data);
} handlers[] = {
    {"delta", on_delta},
    {"thinking_delta", on_thinking},
    {"output_started", on_output},
    {"output_discarded", on_discarded},
    {"tool_started", on_tool_started},
    {"tool_finished", on_tool_finished},
    {"tool_reviewed", on_reviewed},
    {"turn_waiting", on_waiting},
    {"usage", on_usage},
    {"approval_asked", on_asked},
    {"question_asked", on_asked},
    {"turn_finished", on_finished},
};

/* A snapshot comes instead of events that are gone: the turn's end may have been among them, and so
 * may a question, of which the snapshot has those that are open. */
static void on_snapshot(struct watching *watching, const json_t *data) {
    size_t at = 0;
    json_t *asked = NULL;
    json_array_foreach(json_object_get(data, "approvals"), at, asked) {
        if (strcmp(talk_text(asked, "run"), watching->watch->run) == 0) {
            on_asked(watching, asked);
        }
    }
    watching->pruned = watching->missed = watching->enough = true;
}

static bool is_type(const struct follow_event *event, const char *type) {
    return event->type.len == strlen(type) && memcmp(event->type.data, type, event->type.len) == 0;
}

static void hear(struct watching *watching, const struct follow_event *event) {
    AUTO(json_release) json_t *data = NULL;
    struct why ignored;
    if (is_type(event, "snapshot")) {
        struct err err = json_parse_wrapped(event->data, &data, &ignored);
        (void)err; /* Without it no question is known; the run is read all the same. */
        on_snapshot(watching, data);
        return;
    }
    if (err_failed(json_parse_wrapped(event->data, &data, &ignored))) {
        return;
    }
    if (strcmp(talk_text(data, "run"), watching->watch->run) != 0) {
        return; /* Of another turn. */
    }
    for (size_t i = 0; i < COUNT_OF(handlers); i++) {
        if (is_type(event, handlers[i].type)) {
            handlers[i].run(watching, data);
        }
    }
}

/* What comes behind a question in one piece is read again, behind its answer. */
static void on_event(void *ctx, const struct follow_event *event) {
    struct watching *watching = ctx;
    if (watching->enough) {
        return;
    }
    watching->outcome->seq = event->seq;
    hear(watching, event);
    if (watching->watch->until > 0 && event->seq >= watching->watch->until) {
        watching->enough = true;
    }
}

/* --- What somebody must answer ---------------------------------------------------------------- */

/* A stream that is read from its beginning also shows questions that were answered since.
 * *ret_waits: the whole question, since a snapshot may leave its arguments out; it stays NULL where
 * nobody waits. */
static struct err question_get(struct talk *talk, const char *id, json_t **ret_waits,
                               struct why *why) {
    AUTO(json_release) json_t *row = NULL;
    const struct resource approval = {
        .base = "/api/v1/approvals/", .id = id, .retry_ms = RUN_RETRY_MS};
    struct err err = resource_ask(talk, &approval, &row, why);
    if (!err_failed(err) && strcmp(talk_text(row, "state"), "open") == 0) {
        *ret_waits = row;
        row = NULL;
    }
    return err.code == ERR_NOT_FOUND ? ERR_OK : err;
}

/* A text as it is, words with blanks between them, and anything else as JSON. */
static void put_value(const json_t *value) {
    size_t count = json_array_size(value);
    for (size_t i = 0; i < count; i++) {
        fputs(i > 0 ? " " : "", stdout);
        put_value(json_array_get(value, i));
    }
    if (json_is_string(value)) {
        plain_print((struct bytes){json_string_value(value), json_string_length(value)});
    } else if (value != NULL && !json_is_array(value)) {
        AUTO(text_done) struct text text;
        text_init(&text, TEXT_MAX);
        if (!err_failed(json_write(value, &text))) {
            plain_print(text_bytes(&text));
        }
    }
}

static void show_arguments(const json_t *arguments) {
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)arguments, name, value) {
        fputs("  ", stdout);
        plain_print(bytes_of(name));
        fputs(": ", stdout);
        put_value(value);
        fputc('\n', stdout);
    }
}

/* A change of a file is its path and its diff; any other call is what it was given. */
static void show_question(const json_t *asked) {
    const json_t *arguments = json_object_get(asked, "arguments");
    const json_t *about = json_object_get(asked, "about");
    const char *diff = talk_text(about, "diff");
    if (strcmp(talk_text(asked, "kind"), "answer") == 0) {
        plain_print(bytes_of(talk_text(arguments, "question")));
        fputc('\n', stdout);
        return;
    }
    fputs("May it call ", stdout);
    plain_print(bytes_of(talk_text(asked, "tool")));
    if (diff[0] == '\0') {
        fputs("?\n", stdout);
        show_arguments(arguments);
        return;
    }
    fputs(" on ", stdout);
    put_value(json_object_get(about, "subjects"));
    fputs("?\n", stdout);
    plain_print(bytes_of(diff));
}

static struct err read_answer(struct watching *watching, const json_t *asked, json_t **ret_body) {
    bool question = strcmp(talk_text(asked, "kind"), "answer") == 0;
    struct bytes line = {0};
    fputs(question ? "> " : "[y]es, or no and why: ", stdout);
    (void)fflush(stdout); /* As above. */
    struct err err = lines_next(watching->watch->answers, &line);
    if (err_failed(err)) {
        return err;
    }
    if (line.data == NULL) {
        return err_make(ERR_INTERRUPTED, "ask: the input is over");
    }
    bool yes = line.len > 0 && (line.data[0] == 'y' || line.data[0] == 'Y');
    json_t *text = json_stringn(line.data, line.len);
    *ret_body = question ? json_pack("{s:o}", "answer", text)
                : yes    ? json_pack("{s:s}", "decision", "allow")
                         : json_pack("{s:s,s:o}", "decision", "deny", "reason", text);
    if (!question && yes) {
        json_decref(text);
    }
    return *ret_body == NULL ? err_make(ERR_OUT_OF_MEMORY, "ask: answer") : ERR_OK;
}

static struct err settle_asked(struct watching *watching) {
    const struct turn_watch *watch = watching->watch;
    AUTO(json_release) json_t *body = NULL, *waits = NULL;
    AUTO(text_done) struct text text = {0};
    const char *id = talk_text(watching->asked, "id");
    struct err err = question_get(watch->talk, id, &waits, &watch->invocation->why);
    if (err_failed(err) || waits == NULL) {
        return err;
    }
    end_line(watching);
    if (watch->answers == NULL) {
        fprintf(stderr, "drover: it waits for an answer: drover approve %s\n", id);
        return ERR_OK;
    }
    show_question(waits);
    err = read_answer(watching, waits, &body);
    text_init(&text, 1 << 20);
    if (!err_failed(err)) {
        err = json_write(body, &text);
    }
    if (!err_failed(err)) {
        const struct resource approval = {
            .method = "POST", .base = "/api/v1/approvals/", .id = id, .body = &text};
        err = resource_ask(watch->talk, &approval, NULL /* not read */, &watch->invocation->why);
    }
    return err.code == ERR_CONFLICT ? ERR_OK : err; /* Somebody else was first. */
}

/* --- Looking on ------------------------------------------------------------------------------- */

/* After a snapshot. */
static struct err catch_up(struct watching *watching) {
    const struct turn_watch *watch = watching->watch;
    AUTO(json_release) json_t *run = NULL;
    struct err err = run_get(watch->talk, watch->run, RUN_RETRY_MS, &run, &watch->invocation->why);
    watching->pruned = watching->enough = false;
    if (err_failed(err)) {
        return err;
    }
    show_line(watching, COLOUR_YELLOW, "…", "a part of what it said is no longer kept", "");
    if (run_has_ended(run)) {
        json_release(&watching->asked);
        watching->unseen = true;
        on_finished(watching, run);
    }
    return ERR_OK;
}

/* What was missed of an answer is in its message. On a terminal the text of a turn that goes on was
 * printed as it came, and is not printed again. */
static struct err outcome_complete(struct watching *watching) {
    const struct turn_watch *watch = watching->watch;
    struct turn_outcome *outcome = watching->outcome;
    const struct turn_stored turn = {.session = watch->session, .run = watch->run};
    struct err err = turn_stored_read(watch->talk, &turn, &outcome->text, &outcome->usage,
                                      &watch->invocation->why);
    if (!err_failed(err) && watching->unseen && outcome->text.len > 0) {
        show_text(watching, outcome->text.data, false);
    }
    return err;
}

static struct err look_on(struct watching *watching, const char *name) {
    const struct turn_watch *watch = watching->watch;
    struct follow_options options = {
        .client = watch->talk->client,
        .talk = &watch->talk->options,
        .world = watch->talk->world,
        .name = name,
        .via = FOLLOW_SSE,
        .after = watching->outcome->seq,
        .retry_ms = RUN_RETRY_MS,
        .enough = &watching->enough,
        .event = on_event,
        .trouble = talk_trouble,
        .ctx = watching,
    };
    struct err err = follow_run(&options, &watch->invocation->why);
    /* The stream of a session ends with the session: no event can follow, not even of the turn's
     * end. */
    if (!err_failed(err) && !watching->enough) {
        why_set(&watch->invocation->why, "the session %s was deleted while its turn ran",
                watch->session);
        return err_make(ERR_NOT_FOUND, "turn: its session is gone");
    }
    if (!err_failed(err) && watching->pruned) {
        err = catch_up(watching);
    }
    if (!err_failed(err) && watching->asked != NULL) {
        err = settle_asked(watching);
        json_release(&watching->asked);
        watching->enough = false;
    }
    return err;
}

struct err turn_watch(const struct turn_watch *watch, struct turn_outcome *ret_outcome) {
    struct watching watching = {.watch = watch,
                                .outcome = ret_outcome,
                                .paint = paint_of(STDOUT_FILENO, &watch->invocation->env)};
    char name[128];
    *ret_outcome = (struct turn_outcome){.seq = watch->after, .usage = json_object()};
    text_init(&watching.step, TEXT_MAX);
    text_init(&ret_outcome->text, TEXT_MAX);
    (void)snprintf(name, sizeof name, "session:%s", watch->session); /* Ids are short. */
    struct err err = ERR_OK;
    if (watch->until == 0) {
        talk_warn_held(watch->talk);
    }
    while (!err_failed(err) && ret_outcome->state == NULL &&
           (watch->until == 0 || ret_outcome->seq < watch->until)) {
        err = look_on(&watching, name);
    }
    if (!err_failed(err) && ret_outcome->state != NULL && watching.missed) {
        err = outcome_complete(&watching);
    }
    end_line(&watching);
    text_done(&watching.step);
    json_release(&watching.asked);
    if (ret_outcome->state != NULL && watch->show == TURN_SHOW_FINAL) {
        plain_print(text_bytes(&ret_outcome->text));
        fputs(ret_outcome->text.len > 0 ? "\n" : "", stdout);
    }
    return err;
}
