/* show.c: rows of a run and of its agents, printed. */
#include "cli/workflow/show.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "cli/run/view.h"
#include "cli/terminal/plain.h"
#include "cli/workflow/ask.h"
#include "cli/workflow/draw.h"
#include "cli/workflow/end.h"

enum { PICTURE_MAX = 4 << 20, RESULT_SHOWN = 4000, COLUMNS = 120 };

bool workflow_showable(const json_t *run) {
    const char *kind = talk_text(run, "kind");
    return strcmp(kind, "workflow") == 0 || strcmp(kind, "agent") == 0;
}

static void head_print(const struct invocation *invocation, const json_t *run) {
    struct run_view view = {.paint = paint_of(STDOUT_FILENO, &invocation->env),
                            .now_ms = world_wall_ms(invocation->world)};
    AUTO(text_done) struct text text = {0};
    text_init(&text, PICTURE_MAX);
    run_view_whole(&view, run, &text);
    fputs(text.data != NULL ? text.data : "", stdout);
}

/* How a text begins: a model may have written a book. */
static void piece_print(const char *title, const struct text *text) {
    if (text->len == 0 || text_failed(text)) {
        return;
    }
    size_t len = utf8_cut((struct bytes){text->data, text->len}, RESULT_SHOWN);
    printf("\n%s\n", title);
    plain_print((struct bytes){text->data, len});
    fputs(len < text->len ? " …\n" : text->data[len - 1] == '\n' ? "" : "\n", stdout);
}

static void value_print(const char *title, const json_t *value) {
    AUTO(text_done) struct text text;
    text_init(&text, PICTURE_MAX);
    workflow_result_add(value, &text);
    piece_print(title, &text);
}

static void agent_print(const json_t *run) {
    value_print("prompt:", json_object_get(json_object_get(run, "spec"), "prompt"));
    value_print("result:", json_object_get(run, "result"));
}

static void error_print(const json_t *error) {
    AUTO(text_done) struct text text;
    text_init(&text, PICTURE_MAX);
    workflow_error_add(error, &text);
    if (!json_is_null(error) && text.len > 0) {
        printf("%-10s  %s\n", "error", text.data);
    }
}

static void tree_print(const struct invocation *invocation, const struct workflow_tree *tree) {
    AUTO(text_done) struct text text;
    text_init(&text, PICTURE_MAX);
    struct workflow_draw draw = {.paint = paint_of(STDOUT_FILENO, &invocation->env),
                                 .now_ms = world_wall_ms(invocation->world),
                                 .columns = COLUMNS,
                                 .ids = true};
    workflow_draw(&draw, tree, &text);
    printf("\n%s", text.data);
}

static struct err workflow_print(struct invocation *invocation, struct talk *talk, json_t *run) {
    AUTO(workflow_tree_done) struct workflow_tree tree;
    const json_t *result = json_object_get(run, "result");
    json_t *rows = json_array();
    struct workflow_ask ask = {.run = talk_text(run, "id"), .tree = &tree, .rows = rows};
    workflow_tree_init(&tree);
    workflow_tree_run(&tree, run);
    (void)json_object_set_new(run, "agents", rows); /* It is the run's now. */
    struct err err = workflow_agents_ask(talk, &ask, &invocation->why);
    if (err_failed(err)) {
        return err;
    }
    if (invocation->json) {
        talk_print(run);
        return ERR_OK;
    }
    head_print(invocation, run);
    error_print(json_object_get(result, "error"));
    tree_print(invocation, &tree);
    value_print("result:", json_object_get(result, "result"));
    return ERR_OK;
}

struct err workflow_show(struct invocation *invocation, struct talk *talk, json_t *run) {
    if (strcmp(talk_text(run, "kind"), "workflow") == 0) {
        return workflow_print(invocation, talk, run);
    }
    if (invocation->json) {
        talk_print(run);
        return ERR_OK;
    }
    head_print(invocation, run);
    agent_print(run);
    return ERR_OK;
}
