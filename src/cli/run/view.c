/* view.c: from the JSON of the API to lines. What is missing is left out, so that a newer or
 * older daemon can be looked at too. */
#include "cli/run/view.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "cli/base/api.h"
#include "cli/base/names.h"
#include "cli/base/quantity.h"
#include "cli/run/waits.h"
#include "cli/terminal/cells.h"
#include "cli/terminal/plain.h"
#include "rules/run/run.h"

enum { WHAT_MAX = 4096, KEY_WIDTH = 10, ARGS_SHOWN = 400 };

static bool is_state(const json_t *run, const char *state) {
    return strcmp(talk_text(run, "state"), state) == 0;
}

struct run_view run_view_of(const struct invocation *invocation) {
    return (struct run_view){.paint = paint_of(STDOUT_FILENO, &invocation->env),
                             .now_ms = world_wall_ms(invocation->world)};
}

struct run_view run_view_fitted(const struct invocation *invocation) {
    struct run_view view = run_view_of(invocation);
    view.columns = terminal_size_or(STDOUT_FILENO, (struct terminal_size){0}).columns;
    return view;
}

bool run_has_ended(const json_t *run) {
    return talk_int(run, "ended_ms") > 0;
}

const char *run_label(const json_t *run) {
    return talk_text(run, "parent")[0] != '\0' ? "" : talk_text(run, "label");
}

/* --- How it ended ----------------------------------------------------------------------------- */

int run_exit_code_of_state(const char *state) {
    static const struct {
        const char *state;
        int code;
    } codes[] = {
        {"succeeded", 0},
        {"failed", RUN_EXIT_FAILED},
        {"degraded", RUN_EXIT_FAILED},
        {"timed_out", RUN_EXIT_TIMED_OUT},
    };
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        if (strcmp(state, codes[i].state) == 0) {
            return codes[i].code;
        }
    }
    return RUN_EXIT_UNKNOWN;
}

int run_exit_code(const json_t *run) {
    const char *kind = talk_text(run, "kind"), *cause = talk_text(run, "cause");
    const json_t *result = json_object_get(run, "result");
    if (strcmp(kind, "workflow") == 0 || strcmp(kind, "agent") == 0 || strcmp(kind, "flow") == 0) {
        return run_exit_code_of_state(talk_text(run, "state"));
    }
    if (!is_state(run, "failed")) {
        return is_state(run, "degraded") ? 0 : run_exit_code_of_state(talk_text(run, "state"));
    }
    if (strcmp(cause, "not_started") == 0) {
        bool absent = strcmp(talk_text(result, "errno"), "ENOENT") == 0 &&
                      strcmp(talk_text(result, "step"), "exec") == 0; /* Not its folder. */
        return absent ? RUN_EXIT_NOT_FOUND : RUN_EXIT_NOT_STARTED;
    }
    int64_t signal = talk_int(result, "signal"), code = talk_int(run, "exit_code");
    if (strcmp(cause, "signal") == 0 && signal > 0 && signal < 128) {
        return RUN_EXIT_SIGNAL + (int)signal;
    }
    return code > 0 && code < 256 ? (int)code : RUN_EXIT_UNKNOWN;
}

bool run_waits_for_session(const json_t *run) {
    return is_state(run, "waiting") && strcmp(talk_text(run, "gate"), "provider") == 0 &&
           talk_text(run, "note")[0] != '\0';
}

struct run_words run_words(const json_t *run) {
    struct run_words words;
    const char *state = talk_text(run, "state");
    const char *cause = talk_text(run, "cause"), *gate = talk_text(run, "gate");
    const json_t *code = json_object_get(run, "exit_code");
    int64_t signal = talk_int(json_object_get(run, "result"), "signal");
    const char *asked = talk_text(run, "stop")[0] != '\0' ? ", asked to stop" : "";
    char detail[32] = "";
    if (strcmp(cause, "exit_code") == 0 && json_is_integer(code)) {
        (void)snprintf(detail, sizeof detail, " %lld", (long long)json_integer_value(code));
    } else if (strcmp(cause, "signal") == 0 && signal > 0) {
        (void)snprintf(detail, sizeof detail, " %lld", (long long)signal); /* 64 bits fit. */
    }
    if (json_is_true(json_object_get(run, "host_away"))) {
        (void)snprintf(words.text, sizeof words.text, "%.30s (host away%s)", state, asked);
    } else if (run_waits_for_session(run)) {
        (void)snprintf(words.text, sizeof words.text, "waiting (session in use%s)", asked);
    } else if (!run_has_ended(run) && gate[0] != '\0') {
        (void)snprintf(words.text, sizeof words.text, "%.30s (waits: %.40s%s)", state, gate, asked);
    } else if (cause[0] != '\0' && strcmp(cause, "completed") != 0 && !is_state(run, cause)) {
        (void)snprintf(words.text, sizeof words.text, "%.30s (%.40s%s)", state, cause,
                       detail); /* Cut to what fits. */
    } else {
        (void)snprintf(words.text, sizeof words.text, "%.30s", state);
    }
    utf8_make_plain(words.text, strlen(words.text));
    /* The state is a name by which lists are asked; behind it stands a code in words. */
    for (char *at = strchr(words.text, '('); at != NULL && *at != '\0'; at++) {
        *at = *at == '_' ? ' ' : *at;
    }
    return words;
}

enum colour run_colour(const json_t *run) {
    static const struct {
        const char *state;
        enum colour colour;
    } colours[] = {
        {"running", COLOUR_BLUE},    {"waiting", COLOUR_YELLOW},      {"succeeded", COLOUR_GREEN},
        {"degraded", COLOUR_YELLOW}, {"failed", COLOUR_RED},          {"lost", COLOUR_RED},
        {"timed_out", COLOUR_RED},   {"cancelled", COLOUR_YELLOW},    {"queued", COLOUR_GREY},
        {"denied", COLOUR_YELLOW},   {"outcome_unknown", COLOUR_RED},
    };
    for (size_t i = 0; i < COUNT_OF(colours); i++) {
        if (is_state(run, colours[i].state)) {
            return colours[i].colour;
        }
    }
    return COLOUR_NONE;
}

/* --- Times ------------------------------------------------------------------------------------ */

struct run_words run_span(int64_t ms) {
    static const struct {
        int64_t below_s, large_s, small_s;
        char large, small;
    } spans[] = {
        {3600, 60, 1, 'm', 's'}, {86400, 3600, 60, 'h', 'm'}, {INT64_MAX, 86400, 3600, 'd', 'h'}};
    struct run_words words = {.text = ""};
    int64_t s = ms / 1000;
    if (ms >= 0 && s < 60) {
        (void)snprintf(words.text, sizeof words.text, "%lld%s", (long long)(s > 0 ? s : ms),
                       s > 0 ? "s" : "ms"); /* Fits, as below. */
    }
    for (size_t i = 0; i < COUNT_OF(spans) && s >= 60 && words.text[0] == '\0'; i++) {
        if (s < spans[i].below_s) {
            (void)snprintf(words.text, sizeof words.text, "%lld%c%02lld%c",
                           (long long)(s / spans[i].large_s), spans[i].large,
                           (long long)(s % spans[i].large_s / spans[i].small_s), spans[i].small);
        }
    }
    return words;
}

struct run_words run_view_time(const struct run_view *view, const json_t *run) {
    int64_t started = talk_int(run, "started_ms"), ended = talk_int(run, "ended_ms");
    int64_t begin = started > 0 ? started : talk_int(run, "made_ms");
    int64_t end = ended > 0 ? ended : view->now_ms;
    return run_span(end > begin ? end - begin : 0);
}

/* --- What it does ----------------------------------------------------------------------------- */

/* Adds words as a shell would read them back. */
static void argv_add(struct text *text, const json_t *argv) {
    static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                               "_@%+=:,./-";
    size_t at = 0;
    json_t *item = NULL;
    json_array_foreach(argv, at, item) {
        const char *word = json_is_string(item) ? json_string_value(item) : "";
        text_add_str(text, at > 0 ? " " : "");
        if (word[0] != '\0' && word[strspn(word, safe)] == '\0') {
            text_add_str(text, word);
            continue;
        }
        text_add_char(text, '\'');
        for (; *word != '\0'; word++) {
            text_add(text, *word == '\'' ? "'\\''" : word, *word == '\'' ? 4 : 1);
        }
        text_add_char(text, '\'');
    }
}

/* The command, from wherever this form of the row has it; a list has its beginning. */
static void command_add(const json_t *run, struct text *text) {
    const json_t *spec = json_object_get(run, "spec");
    const json_t *from = spec != NULL ? spec : run;
    if (json_is_array(json_object_get(from, "argv"))) {
        argv_add(text, json_object_get(from, "argv"));
    } else if (json_is_string(json_object_get(from, "shell"))) {
        text_add_str(text, talk_text(from, "shell"));
    } else {
        text_add_str(text, talk_text(run, "command"));
    }
}

static void run_plain_add(struct text *text, struct bytes words) {
    size_t begin = text->len;
    text_add(text, words.data, words.len);
    if (text->len > begin) {
        utf8_make_plain(text->data + begin, text->len - begin);
    }
}

const char *run_view_why(const char *cause) {
    enum run_cause known;
    return run_cause_find(bytes_of(cause), &known) ? run_cause_about(known) : cause;
}

void run_view_plain(struct text *text, const char *words) {
    run_plain_add(text, bytes_of(words));
}

void run_view_what(const json_t *run, struct text *text) {
    AUTO(text_done) struct text what = text_up_to(2 << 20);
    const char *label = talk_text(run, "label");
    if (label[0] != '\0') {
        text_add_str(&what, label);
    } else {
        command_add(run, &what);
    }
    if (!text_failed(&what)) {
        run_plain_add(text, text_bytes(&what));
    }
}

struct run_words run_progress(const json_t *run) {
    const json_t *progress = json_object_get(run, "progress");
    const long long failed = talk_int(progress, "failed"), waiting = talk_int(progress, "waiting");
    struct run_words words = {.text = ""};
    char more[2][32] = {"", ""};
    if (talk_int(progress, "total") > 0) {
        (void)snprintf(more[0], sizeof more[0], ", %lld failed", failed); /* Fits, as below. */
        (void)snprintf(more[1], sizeof more[1], ", %lld waiting", waiting);
        (void)snprintf(words.text, sizeof words.text, "%lld/%lld%s%s",
                       (long long)talk_int(progress, "done"),
                       (long long)talk_int(progress, "total"), failed > 0 ? more[0] : "",
                       waiting > 0 ? more[1] : "");
    }
    return words;
}

/* --- One line --------------------------------------------------------------------------------- */

/* Columns that the line's beginning takes: all of it is ASCII. */
enum { RUN_WIDTH = 30, KIND_WIDTH = 8, STATE_WIDTH = 28, TRY_WIDTH = 3, TIME_WIDTH = 7 };

void run_view_head(const struct run_view *view, struct text *text) {
    (void)view;
    text_addf(text, "%-*s  %-*s  %-*s  %*s  %*s  %s\n", RUN_WIDTH, "RUN", KIND_WIDTH, "KIND",
              STATE_WIDTH, "STATE", TRY_WIDTH, "TRY", TIME_WIDTH, "TIME", "WHAT");
}

void run_view_row(const struct run_view *view, const json_t *run, struct text *text) {
    const enum colour colour = run_colour(run);
    AUTO(text_done) struct text plain = text_up_to(2 << 20), reason = text_up_to(8 << 10);
    text_addf(text, "%-*s  %-*s  %s%-*s%s  %*lld  %*s  ", RUN_WIDTH, talk_text(run, "id"),
              KIND_WIDTH, talk_text(run, "kind"), paint_begin(&view->paint, colour), STATE_WIDTH,
              run_has_ended(run) ? run_words(run).text : talk_text(run, "state"),
              paint_end(&view->paint, colour), TRY_WIDTH, (long long)talk_int(run, "attempts"),
              TIME_WIDTH, run_view_time(view, run).text);
    run_view_what(run, &plain);
    const struct bytes shown = text_bytes(&plain);
    text_add(text, shown.data, utf8_cut(shown, WHAT_MAX));
    const struct run_words progress = run_progress(run);
    text_addf(text, "%s%s", progress.text[0] != '\0' ? "  " : "", progress.text);
    run_reason_add(run, view->now_ms, &reason);
    text_addf(text, "%s%s", reason.len > 0 ? "  " : "", text_bytes(&reason).data);
    while (text->len > 0 && text->data[text->len - 1] == ' ') {
        text->data[--text->len] = '\0';
    }
    text_add_char(text, '\n');
}

/* --- All of it -------------------------------------------------------------------------------- */

static void key_add(struct text *text, const char *key) {
    text_addf(text, "%-*s  ", KEY_WIDTH, key);
}

static void line_add(struct text *text, const char *key, const char *value) {
    if (value[0] == '\0') {
        return;
    }
    key_add(text, key);
    run_view_plain(text, value);
    text_add_char(text, '\n');
}

static void when_add(const struct run_view *view, struct text *text, const char *key, int64_t ms) {
    if (ms > 0) {
        key_add(text, key);
        text_addf(text, "%s (%s)\n", talk_ago(ms, view->now_ms).text, talk_time(ms).text);
    }
}

void run_view_state(const struct run_view *view, const json_t *run, struct text *text) {
    enum colour colour = run_colour(run);
    text_addf(text, "%s%s%s", paint_begin(&view->paint, colour), run_words(run).text,
              paint_end(&view->paint, colour));
}

static void usage_add(const json_t *result, struct text *text) {
    int64_t cpu_us = talk_int(result, "cpu_us"), memory_kb = talk_int(result, "memory_kb");
    int64_t processes = talk_int(result, "processes");
    if (cpu_us > 0 || memory_kb > 0) {
        key_add(text, "used");
        text_addf(text, "%s of CPU, %lld kB of memory", run_span(cpu_us / 1000).text,
                  (long long)memory_kb);
        if (processes > 0) {
            text_addf(text, ", %lld process%s", (long long)processes, processes > 1 ? "es" : "");
        }
        text_add_char(text, '\n');
    }
    static const char *const streams[] = {"out", "err", "pty"};
    for (size_t i = 0; i < COUNT_OF(streams); i++) {
        if (talk_int(result, streams[i]) > 0) {
            key_add(text, streams[i]);
            const long long bytes = talk_int(result, streams[i]);
            text_addf(text, "%lld byte%s\n", bytes, plural(bytes));
        }
    }
}

/* The arguments of a workflow, and of its agents. */
static void workflow_add(const json_t *spec, struct text *text) {
    static const struct {
        const char *key, *member;
    } lines[] = {
        {"script", "file"},          {"root", "root"}, {"model", "model"}, {"phase", "phase"},
        {"resumes", "resumed_from"},
    };
    const json_t *args = json_object_get(spec, "args");
    AUTO(text_done) struct text words = text_up_to(2 << 20);
    line_add(text, "agent", talk_text(json_object_get(spec, "opts"), "agentType"));
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        line_add(text, lines[i].key, talk_text(spec, lines[i].member));
    }
    line_add(text, "worktree", talk_text(json_object_get(spec, "worktree"), "path"));
    if (args != NULL && !err_failed(json_write(args, &words))) {
        size_t len = utf8_cut(text_bytes(&words), ARGS_SHOWN);
        bool cut = len < words.len;
        text_cut(&words, len);
        text_add_str(&words, cut ? " …" : "");
        line_add(text, "args", words.data);
    }
}

/* The order that the run was given, in the words of its kind. */
static void spec_add(const json_t *run, struct text *text) {
    AUTO(text_done) struct text command = text_up_to(2 << 20);
    const char *kind = talk_text(run, "kind");
    const json_t *spec = json_object_get(run, "spec");
    command_add(run, &command);
    const char *words = text_bytes(&command).data;
    if (strcmp(kind, "turn") == 0) { /* Key and stream are those of the session. */
        line_add(text, "asked", words);
        line_add(text, "agent", talk_text(spec, "agent"));
        line_add(text, "model", talk_text(spec, "model"));
        line_add(text, "session", talk_text(spec, "session"));
        line_add(text, "stream", talk_text(run, "stream"));
    } else if (strcmp(kind, "workflow") == 0 || strcmp(kind, "agent") == 0) {
        workflow_add(spec, text);
    } else {
        line_add(text, "command", words);
        line_add(text, "in", talk_text(spec, "cwd"));
        line_add(text, "key", talk_text(run, "key"));
    }
}

void run_view_whole(const struct run_view *view, const json_t *run, struct text *text) {
    const json_t *code = json_object_get(run, "exit_code"),
                 *result = json_object_get(run, "result");
    const char *about = run_has_ended(run) ? talk_text(run, "about") : "";
    line_add(text, "run", talk_text(run, "id"));
    line_add(text, "kind", talk_text(run, "kind"));
    line_add(text, "parent", talk_text(run, "parent"));
    key_add(text, "state");
    run_view_state(view, run, text);
    text_addf(text, "%s%s\n", about[0] != '\0' ? ": " : "", about);
    line_add(text, "agents", run_progress(run).text);
    line_add(text, "note", talk_text(run, "note"));
    line_add(text, "host", talk_text(run, "host"));
    AUTO(text_done) struct text waits = text_up_to(8 << 10);
    run_waits_add(run, view->now_ms, &waits);
    line_add(text, "waits for", text_bytes(&waits).data);
    if (!run_waits_for_session(run)) {
        when_add(view, text, run_has_ended(run) ? "retry at" : "until",
                 talk_int(run, "resume_at_ms"));
    }
    if (json_is_integer(code)) {
        key_add(text, "exit code");
        text_addf(text, "%lld\n", (long long)json_integer_value(code));
    }
    key_add(text, "attempts");
    text_addf(text, "%lld\n", (long long)talk_int(run, "attempts"));
    line_add(text, "label", talk_text(run, "label"));
    spec_add(run, text);
    if (json_is_true(json_object_get(run, "once"))) {
        line_add(text, "once", "it is never run twice");
    }
    /* The sandbox that was asked for, and the one that held: known from the end on. */
    if (strcmp(talk_text(json_object_get(run, "spec"), "sandbox"), "on") == 0) {
        int64_t landlock = talk_int(result, "sandbox");
        key_add(text, "sandbox");
        text_add_str(text, "on");
        if (landlock > 0) {
            text_addf(text, " (landlock %lld)", (long long)landlock);
        }
        text_add_char(text, '\n');
    }
    when_add(view, text, "created", talk_int(run, "made_ms"));
    when_add(view, text, "started", talk_int(run, "started_ms"));
    when_add(view, text, "ended", talk_int(run, "ended_ms"));
    line_add(text, "time", run_view_time(view, run).text);
    if (talk_int(run, "attempts") > 1) { /* The time above is that of the last attempt. */
        int64_t end = talk_int(run, "ended_ms") > 0 ? talk_int(run, "ended_ms") : view->now_ms;
        line_add(text, "in all", run_span(end - talk_int(run, "made_ms")).text);
    }
    usage_add(result, text);
    cells_wrap_values(text, 0, &(struct cells_shape){RUN_KEY_CELLS, view->paint.columns});
}

/* --- For commands that show no more ----------------------------------------------------------- */

void run_begun_print(const struct invocation *invocation, const char *key, const char *run,
                     const char *label) {
    const struct short_name name = short_name_of(run, label);
    if (invocation->json) {
        printf("{\"%s\": \"%s\"}\n", key, run);
        return;
    }
    puts(run);
    if (isatty(STDERR_FILENO) == 1) {
        plain_note("'drover attach %s' follows it, 'drover show %s' shows its state.\n", name.text,
                   name.text);
    }
}

void run_line_print(const json_t *run) {
    printf("%s %s\n", talk_text(run, "id"), run_words(run).text);
}
