/* end.c: a result, a sentence, an exit code. */
#include "cli/workflow/end.h"

#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "cli/base/api.h"
#include "cli/run/view.h"
#include "cli/terminal/plain.h"
#include "cli/workflow/draw.h"

enum { RESULT_MAX = 64 << 20 };

static json_t *or_null(json_t *value) {
    return value != NULL ? json_incref(value) : json_null();
}

/* Every member is there, also of a run of which nothing is known. */
static json_t *census_of(const struct workflow_tree *tree) {
    return json_pack("{s:I,s:I,s:I,s:I}", "succeeded",
                     (json_int_t)talk_int(tree->census, "succeeded"), "cached",
                     (json_int_t)talk_int(tree->census, "cached"), "failed",
                     (json_int_t)talk_int(tree->census, "failed"), "skipped",
                     (json_int_t)talk_int(tree->census, "skipped"));
}

json_t *workflow_end_json(const char *run, const struct workflow_tree *tree) {
    return json_pack("{s:s,s:s?,s:s,s:o,s:o,s:o}", "event", "workflow_finished", "run", run,
                     "state", tree->state, "result", or_null(tree->result), "error",
                     or_null(tree->error), "agents", census_of(tree));
}

void workflow_result_add(const json_t *result, struct text *text) {
    if (json_is_string(result)) {
        text_add(text, json_string_value(result), json_string_length(result));
    } else if (result != NULL && !json_is_null(result)) {
        struct err err = json_write_indented(result, text);
        assert(!err_failed(err) || text_failed(text)); /* The text is asked what did not fit. */
        (void)err;
    }
}

static void result_print(const json_t *result) {
    AUTO(text_done) struct text text;
    text_init(&text, RESULT_MAX);
    workflow_result_add(result, &text);
    if (text.len > 0) {
        plain_print(text_bytes(&text));
        fputs(text.data[text.len - 1] != '\n' ? "\n" : "", stdout);
    }
}

void workflow_error_add(const json_t *error, struct text *text) {
    const char *code = talk_text(error, "code"), *name = talk_text(error, "name");
    int64_t line = talk_int(error, "line"), column = talk_int(error, "column");
    AUTO(text_done) struct text message = {0};
    plain_line(&message, talk_text(error, "message"));
    text_add_str(text, code);
    if (line > 0) {
        AUTO(text_done) struct text file = {0};
        plain_line(&file, talk_text(error, "file"));
        text_addf(text, " at %s%s%lld:%lld", file.len > 0 ? file.data : "", file.len > 0 ? ":" : "",
                  (long long)line, (long long)column);
    }
    if (message.len > 0) {
        text_addf(text, ": %s%s%s", name, name[0] != '\0' ? ": " : "", message.data);
    }
}

static void failure_tell(const char *run, const struct workflow_tree *tree) {
    AUTO(text_done) struct text words;
    text_init(&words, 16 << 10);
    text_addf(&words, "drover: %s (%s) %s", tree->name, run, tree->state);
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
        fprintf(stderr, "%s\n", words.data);
    }
}

void workflow_end_tell(struct invocation *invocation, const char *run,
                       const struct workflow_tree *tree) {
    invocation->exit_code = run_exit_code_of_state(tree->state);
    if (invocation->json) {
        AUTO(json_release) json_t *line = workflow_end_json(run, tree);
        talk_print(line);
        return;
    }
    result_print(tree->result);
    (void)fflush(stdout); /* A failure shows again at the end. */
    if (invocation->exit_code != 0) {
        failure_tell(run, tree);
    }
}

/* "LINE:COL: " in front of it becomes numbers, where it is there. */
static json_t *refusal_json(const char *error) {
    struct number_bounds any = {1, INT32_MAX};
    size_t line_len = strspn(error, "0123456789"), column_len = 0;
    int64_t line = 0, column = 0;
    const char *rest = error;
    if (line_len > 0 && error[line_len] == ':') {
        const char *digits = error + line_len + 1;
        column_len = strspn(digits, "0123456789");
        bool fits = number_parse((struct bytes){error, line_len}, any, &line) &&
                    number_parse((struct bytes){digits, column_len}, any, &column);
        rest = fits ? digits + column_len + strspn(digits + column_len, ": ") : error;
    }
    return json_pack("{s:s,s:s,s:I,s:I}", "code", "syntax_error", "message", rest, "line",
                     (json_int_t)line, "column", (json_int_t)column);
}

void workflow_refusal_tell(struct invocation *invocation, const char *file, const char *error) {
    AUTO(workflow_tree_done) struct workflow_tree tree = {.ms = -1};
    invocation->exit_code = RUN_EXIT_FAILED;
    if (!invocation->json) {
        AUTO(text_done) struct text line = {0}, name = {0};
        plain_line(&line, error);
        plain_line(&name, file); /* Whoever named it may have meant a terminal. */
        fprintf(stderr, "drover: %s:%s%s\n", name.data != NULL ? name.data : "",
                error[strspn(error, "0123456789")] == ':' ? "" : " ",
                line.data != NULL ? line.data : "");
        return;
    }
    workflow_tree_init(&tree);
    AUTO(json_release)
    json_t *refused = json_pack("{s:s,s:o}", "state", "failed", "error", refusal_json(error));
    struct workflow_event event = {.type = BYTES("workflow_finished"), .data = refused};
    (void)workflow_tree_hear(&tree, &event); /* It is of no agent. */
    AUTO(json_release) json_t *last = workflow_end_json(NULL /* nothing ran */, &tree);
    talk_print(last);
}
