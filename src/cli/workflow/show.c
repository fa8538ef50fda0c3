/* show.c: rows of a run and of its agents, printed; a result, a sentence, an exit code. */
#include "cli/workflow/show.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/number.h"
#include "base/utf8.h"
#include "cli/base/action.h"
#include "cli/base/names.h"
#include "cli/run/ask.h"
#include "cli/run/view.h"
#include "cli/run/waits.h"
#include "cli/terminal/cells.h"
#include "cli/terminal/markdown.h"
#include "cli/terminal/plain.h"
#include "cli/workflow/draw.h"

enum {
    PICTURE_MAX = 4 << 20,
    RESULT_MAX = 64 << 20,
    RESULT_SHOWN = 4000,
    COLUMNS = 120,
    QUESTIONS_MAX = 50
};

/* Text of several lines, each after the first indented. */
static void lines_add(const json_t *value, int indent, struct text *text) {
    struct bytes rest = {json_string_value(value), json_string_length(value)}, line = BYTES("");
    for (bool first = true; bytes_next(&rest, '\n', &line); first = false) {
        text_addf(text, "%s%*s", first ? "" : "\n", first || line.len == 0 ? 0 : indent, "");
        text_add(text, line.data, line.len);
    }
}

static void outline_add(const json_t *value, int indent, struct text *text);

/* A value after "key:" or "-": on the same line where it is short. */
static void entry_add(const json_t *value, int indent, struct text *text) {
    bool many = json_is_object(value) ? json_object_size(value) > 0 : json_array_size(value) > 0;
    if (many) {
        text_add_char(text, '\n');
        outline_add(value, indent, text);
        return;
    }
    text_add_char(text, ' ');
    if (json_is_string(value)) {
        lines_add(value, indent, text);
    } else if (json_is_object(value) || json_is_array(value) || json_is_null(value)) {
        text_add_str(text, "none");
    } else if (err_failed(json_write(value, text))) {
        text_add_str(text, "…"); /* Only where memory lacks. */
    }
    text_add_char(text, '\n');
}

/* An object or a list for people: a line for each member or item. Depth is that of JSON. */
static void outline_add(const json_t *value, int indent, struct text *text) {
    json_t *item = NULL;
    size_t at = 0;
    json_array_foreach(value, at, item) {
        void *first = json_object_iter(item);
        text_addf(text, "%*s-", indent, "");
        if (first == NULL) {
            entry_add(item, indent + 2, text);
        }
        for (void *member = first; member != NULL; member = json_object_iter_next(item, member)) {
            text_addf(text, "%*s%s:", member == first ? 1 : indent + 2, "",
                      json_object_iter_key(member));
            entry_add(json_object_iter_value(member), indent + 4, text);
        }
    }
    for (void *member = json_object_iter((json_t *)(uintptr_t)value); member != NULL;
         member = json_object_iter_next((json_t *)(uintptr_t)value, member)) {
        text_addf(text, "%*s%s:", indent, "", json_object_iter_key(member));
        entry_add(json_object_iter_value(member), indent + 2, text);
    }
}

/* A text as it is; on a terminal an outline, elsewhere JSON on several lines; null is nothing. */
static void result_add(const json_t *result, struct text *text) {
    if (json_is_string(result)) {
        text_add(text, json_string_value(result), json_string_length(result));
    } else if (isatty(STDOUT_FILENO) == 1 &&
               (json_object_size(result) > 0 || json_array_size(result) > 0)) {
        outline_add(result, 0, text);
    } else if (result != NULL && !json_is_null(result)) {
        struct err err = json_write_indented(result, text);
        assert(!err_failed(err) || text_failed(text)); /* The text is asked what did not fit. */
        (void)err;
    }
}

void workflow_error_add(const json_t *error, struct text *text) {
    const char *file = talk_text(error, "file"), *name = talk_text(error, "name");
    const char *message = talk_text(error, "message");
    int64_t line = talk_int(error, "line");
    text_add_str(text, talk_text(error, "code"));
    if (line > 0) {
        text_add_str(text, " at ");
        plain_add(text, file);
        text_addf(text, "%s%lld:%lld", file[0] != '\0' ? ":" : "", (long long)line,
                  (long long)talk_int(error, "column"));
    }
    if (message[0] != '\0') {
        text_addf(text, ": %s%s", name, name[0] != '\0' ? ": " : "");
        plain_add(text, message);
    }
}

/* --- One look --------------------------------------------------------------------------------- */

/* Prints how a text or a value begins: a model may have written a book. */
static void value_print(const char *title, const json_t *value) {
    AUTO(text_done) struct text text = text_up_to(PICTURE_MAX);
    result_add(value, &text);
    if (text.len == 0 || text_failed(&text)) {
        return;
    }
    size_t len = utf8_cut(text_bytes(&text), RESULT_SHOWN);
    printf("\n%s\n", title);
    markdown_print((struct bytes){text.data, len});
    fputs(len < text.len ? " …\n" : text.data[len - 1] == '\n' ? "" : "\n", stdout);
}

struct err workflow_agents_ask(struct talk *talk, const char *run, struct workflow_tree *tree,
                               json_t **ret_rows, struct why *why) {
    AUTO(text_done) struct text target = {0};
    const json_t *row = NULL;
    size_t at = 0;
    if (!talk_target(&target, "/api/v1/runs/", run, "/agents")) {
        return err_make(ERR_NOT_FOUND, "workflow: agents");
    }
    struct err err = action_rows(talk, target.data, ret_rows, why);
    json_array_foreach(*ret_rows, at, row) {
        workflow_tree_row(tree, row);
    }
    return err;
}

/* Marks the agents that ask. The picture has less to say where the questions cannot be read. */
static void questions_mark(struct talk *talk, struct workflow_tree *tree) {
    AUTO(json_release) json_t *rows = NULL;
    const json_t *row = NULL;
    size_t at = 0;
    struct err err = action_rows(talk, "/api/v1/approvals", &rows, NULL /* no why */);
    json_array_foreach(err_failed(err) || tree->finished ? NULL : rows, at, row) {
        AUTO(json_release) json_t *turn = NULL;
        AUTO(text_done) struct text words = text_up_to(RUN_QUESTION_MAX);
        const char *run = talk_text(row, "run");
        /* An agent with tools asks in a turn of its own. */
        if (workflow_tree_agent(tree, run) == NULL && at < QUESTIONS_MAX &&
            !err_failed(run_get(talk, run, 0 /* no retry */, &turn, NULL /* no why */))) {
            run = talk_text(turn, "parent");
        }
        run_question_lines_add(row, "", &words);
        (void)workflow_tree_asks(tree, run, talk_text(row, "id"), text_bytes(&words).data);
    }
}

/* A line for each limit that agents wait for. The picture is whole without them, where they cannot
 * be read. */
static void limits_print(struct talk *talk, json_t *run) {
    AUTO(json_release) json_t *answer = NULL;
    AUTO(text_done) struct text target = {0};
    const json_t *limit = NULL;
    size_t at = 0;
    if (!talk_target(&target, "/api/v1/runs/", talk_text(run, "id"), "/limits") ||
        err_failed(talk_get(talk, target.data, &answer, NULL /* no why */))) {
        return;
    }
    json_array_foreach(json_object_get(answer, "items"), at, limit) {
        const char *kind = talk_text(limit, "limit"), *name = talk_text(limit, "name");
        int64_t waiting = talk_int(limit, "waiting"), at_once = talk_int(limit, "at_once");
        int64_t most = talk_int(limit, "most");
        if (waiting == 0) {
            continue;
        }
        AUTO(text_done) struct text words = text_up_to(1024);
        bool commands = strcmp(kind, "commands") == 0;
        text_addf(&words, "%lld %s%s for the limit of ", (long long)waiting,
                  commands ? "command" : "agent", waiting == 1 ? "" : "s");
        if (commands) {
            text_add_str(&words, "agents' commands");
        } else {
            text_addf(&words, "the %s", kind);
            text_add_str(&words, name[0] != '\0' ? " " : "");
            plain_add(&words, name);
        }
        if (at_once > 0) {
            text_addf(&words, ": %lld at once", (long long)at_once);
        }
        if (at_once < most) {
            text_addf(&words, ", lowered from %lld by answers of too many requests",
                      (long long)most);
        }
        printf("%-10s  %s\n", "waits", text_bytes(&words).data);
    }
}

/* A line for the timers that its script waits for. Left out where they cannot be read. */
static void timers_print(struct talk *talk, const json_t *run, int64_t now_ms) {
    AUTO(json_release) json_t *rows = NULL;
    AUTO(text_done) struct text target = {0};
    const json_t *row = NULL;
    int64_t next_ms = 0;
    size_t at = 0;
    if (!talk_target(&target, "/api/v1/runs/", talk_text(run, "id"), "/timers?state=pending") ||
        err_failed(action_rows(talk, target.data, &rows, NULL /* no why */))) {
        return;
    }
    json_array_foreach(rows, at, row) {
        const int64_t due_ms = talk_int(row, "due_ms");
        next_ms = next_ms == 0 || due_ms < next_ms ? due_ms : next_ms;
    }
    if (json_array_size(rows) > 0) {
        const size_t count = json_array_size(rows);
        printf("%-10s  %zu timer%s of the script; the next one is due in %s\n", "waits", count,
               count == 1 ? "" : "s", run_span(next_ms > now_ms ? next_ms - now_ms : 0).text);
    }
}

struct err workflow_show(struct invocation *invocation, struct talk *talk, json_t *run) {
    const json_t *result = json_object_get(run, "result");
    const json_t *error = json_object_get(result, "error");
    bool whole = strcmp(talk_text(run, "kind"), "workflow") == 0;
    AUTO(workflow_tree_done) struct workflow_tree tree;
    workflow_tree_init(&tree);
    if (whole) {
        json_t *rows = NULL;
        workflow_tree_run(&tree, run);
        TRY(workflow_agents_ask(talk, talk_text(run, "id"), &tree, &rows, &invocation->why));
        (void)json_object_set_new(run, "agents", rows); /* The run owns them now. */
        if (!invocation->json) {
            questions_mark(talk, &tree);
        }
    }
    if (invocation->json) {
        talk_print(run);
        return ERR_OK;
    }
    AUTO(text_done) struct text text = text_up_to(PICTURE_MAX);
    const struct run_view view = {.paint = paint_of(STDOUT_FILENO, &invocation->env),
                                  .now_ms = world_wall_ms(invocation->world)};
    run_view_whole(&view, run, &text);
    if (!whole) {
        const size_t whole_len = text.len;
        run_questions_add(talk, run, &text);
        cells_wrap_values(&text, whole_len,
                          &(struct cells_shape){RUN_KEY_CELLS, view.paint.columns});
    }
    fputs(text_bytes(&text).data, stdout);
    if (!whole) {
        value_print("prompt:", json_object_get(json_object_get(run, "spec"), "prompt"));
        value_print("result:", result);
        return ERR_OK;
    }
    if (!run_has_ended(run)) {
        limits_print(talk, run);
        timers_print(talk, run, view.now_ms);
    }
    text_clear(&text);
    workflow_error_add(error, &text);
    if (!json_is_null(error) && text.len > 0) {
        printf("%-10s  %s\n", "error", text.data);
    }
    text_clear(&text);
    const struct workflow_draw draw = {
        .paint = view.paint,
        .now_ms = view.now_ms,
        .columns = view.paint.columns > 0 ? view.paint.columns : COLUMNS,
        .ids = view.paint.columns > 0 ? WORKFLOW_IDS_SHORT : WORKFLOW_IDS_WHOLE};
    workflow_draw(&draw, &tree, &text);
    printf("\n%s", text.data);
    value_print("result:", json_object_get(result, "result"));
    return ERR_OK;
}

/* --- The end ---------------------------------------------------------------------------------- */

/* Every member is there, also of a run of which nothing is known. */
json_t *workflow_end_json(const char *run, const struct workflow_tree *tree) {
    static const char *const counts[] = {"succeeded", "cached", "failed", "skipped"};
    json_t *census = json_object();
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        (void)json_object_set_new(census, counts[i],
                                  json_integer(talk_int(tree->census, counts[i])));
    }
    return json_pack("{s:s,s:s?,s:s,s:O?,s:O?,s:o}", "event", "workflow_finished", "run", run,
                     "state", tree->state, "result", tree->result, "error", tree->error, "agents",
                     census);
}

void workflow_end_tell(struct invocation *invocation, const char *run,
                       const struct workflow_tree *tree) {
    AUTO(text_done) struct text result = text_up_to(RESULT_MAX);
    invocation->exit_code = run_exit_code_of_state(tree->state);
    if (invocation->json) {
        AUTO(json_release) json_t *line = workflow_end_json(run, tree);
        talk_print(line);
        return;
    }
    result_add(tree->result, &result);
    if (result.len > 0) {
        markdown_print(text_bytes(&result));
        fputs(result.data[result.len - 1] != '\n' ? "\n" : "", stdout);
    }
    (void)fflush(stdout); /* A failure shows again at the end. */
    if (invocation->exit_code == 0) {
        return;
    }
    AUTO(text_done) struct text words = text_up_to(16 << 10);
    text_addf(&words, "drover: %s (%s) %s", tree->name, short_name_of(run, NULL /* named */).text,
              tree->state);
    if (strcmp(tree->state, "degraded") == 0) {
        text_add_str(&words, ": ");
        workflow_counts_add(tree, &words);
    } else if (tree->error != NULL) {
        text_add_str(&words, ": ");
        workflow_error_add(tree->error, &words);
    } else if (tree->cause[0] != '\0' && strcmp(tree->cause, tree->state) != 0) {
        text_addf(&words, ": %s", tree->cause);
    }
    if (!text_failed(&words)) {
        plain_note("%s\n", words.data);
    }
}

/* --- The end of a task ------------------------------------------------------------------------ */

/* How the agent ended is how the task did, unless the run as a whole says more: it was stopped, or
 * its answer was cut off. */
struct task_end {
    const char *state, *cause, *note, *worktree; /* "": none. */
    struct bytes text;
};

static struct task_end task_end_of(const struct workflow_tree *tree, const json_t *agent) {
    const bool own = strcmp(tree->state, "failed") == 0 && agent != NULL &&
                     strcmp(talk_text(agent, "state"), "succeeded") != 0;
    return (struct task_end){
        .state = own ? talk_text(agent, "state") : tree->state,
        .cause = own ? talk_text(agent, "cause") : tree->cause,
        .note = talk_text(agent, "note"),
        .worktree = talk_text(agent, "worktree"),
        .text = {json_string_value(tree->result), json_string_length(tree->result)}};
}

struct err workflow_task_tell(struct invocation *invocation, struct talk *talk, const char *run,
                              struct workflow_tree *tree) {
    AUTO(json_release) json_t *rows = NULL;
    TRY(workflow_agents_ask(talk, run, tree, &rows, &invocation->why));
    const json_t *agent = json_array_get(rows, 0);
    const struct task_end end = task_end_of(tree, agent);
    const bool succeeded = strcmp(end.state, "succeeded") == 0;
    invocation->exit_code = succeeded ? 0 : RUN_EXIT_FAILED;
    if (invocation->json) {
        AUTO(json_release)
        json_t *usage = json_is_object(json_object_get(agent, "usage"))
                            ? json_deep_copy(json_object_get(agent, "usage"))
                            : json_object();
        json_t *cost = json_object_get(agent, "cost_micros");
        (void)json_object_set(usage, "cost_micros", cost); /* NULL is refused. */
        AUTO(json_release)
        json_t *line = json_pack("{s:s,s:s,s:s,s:s,s:s%,s:O,s:s*}", "event", "agent_finished",
                                 "run", run, "state", end.state, "cause", end.cause, "text",
                                 end.text.len == 0 ? "" : end.text.data, end.text.len, "usage",
                                 usage, "worktree", end.worktree[0] == '\0' ? NULL : end.worktree);
        talk_print(line);
        return ERR_OK;
    }
    markdown_print(end.text);
    fputs(end.text.len > 0 && end.text.data[end.text.len - 1] != '\n' ? "\n" : "", stdout);
    (void)fflush(stdout); /* A failure shows again at the end. */
    AUTO(text_done) struct text words = text_up_to(16 << 10);
    if (!succeeded) {
        text_addf(&words, "drover: the agent %s (%s)", end.state, end.cause);
        text_add_str(&words, end.note[0] != '\0' ? ": " : "");
        plain_add(&words, end.note);
        text_add_char(&words, '\n');
    }
    if (end.worktree[0] != '\0') {
        text_add_str(&words, "drover: what it changed is in ");
        plain_add(&words, end.worktree);
        text_add_char(&words, '\n');
    }
    plain_note("%s", text_bytes(&words).data);
    return ERR_OK;
}

/* --- A refusal -------------------------------------------------------------------------------- */

/* "LINE:COL: " in front of it becomes numbers, where it is there. */
static json_t *refusal_json(const char *error) {
    const struct number_bounds any = {1, INT32_MAX};
    size_t line_len = strspn(error, "0123456789");
    const char *digits = error[line_len] == ':' ? error + line_len + 1 : "", *rest = error;
    size_t column_len = strspn(digits, "0123456789");
    int64_t line = 0, column = 0;
    if (number_parse((struct bytes){error, line_len}, any, &line) &&
        number_parse((struct bytes){digits, column_len}, any, &column)) {
        rest = digits + column_len + strspn(digits + column_len, ": ");
    }
    return json_pack("{s:s,s:s,s:I,s:I}", "code", "syntax_error", "message", rest, "line",
                     (json_int_t)line, "column", (json_int_t)column);
}

void workflow_refusal_tell(struct invocation *invocation, const char *file, const char *error) {
    invocation->exit_code = RUN_EXIT_FAILED;
    if (invocation->json) {
        AUTO(workflow_tree_done) struct workflow_tree tree;
        workflow_tree_init(&tree);
        AUTO(json_release)
        json_t *refused = json_pack("{s:s,s:o}", "state", "failed", "error", refusal_json(error));
        const struct workflow_event event = {.type = BYTES("workflow_finished"), .data = refused};
        (void)workflow_tree_hear(&tree, &event); /* The event has no agent. */
        AUTO(json_release) json_t *last = workflow_end_json(NULL /* nothing ran */, &tree);
        talk_print(last);
        return;
    }
    AUTO(text_done) struct text words = text_up_to(16 << 10);
    text_add_str(&words, "drover: ");
    plain_add(&words, file); /* A file's name may aim at the terminal. */
    text_add_str(&words, error[strspn(error, "0123456789")] == ':' ? ":" : ": ");
    plain_add(&words, error);
    plain_note("%s\n", words.data);
}
