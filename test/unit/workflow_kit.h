/* workflow_kit.h: events of a workflow as JSON, for the tests of what is shown of it. */
#ifndef DROVER_TEST_WORKFLOW_KIT_H
#define DROVER_TEST_WORKFLOW_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json/json.h"
#include "cli/workflow/draw.h"
#include "cli/workflow/tree.h"

static inline json_t *parsed(const char *text) {
    json_t *json = NULL;
    struct why why = {""};
    struct err err = json_parse(text, strlen(text), JSON_DEPTH_MAX, &json, &why);
    if (err_failed(err)) {
        fail_msg("%s: %s", text, why.text);
    }
    return json;
}

/* The tree hears the event at that time; `lines` (NULL: none) gets what a pipe gets. */
static inline void hear_at(struct workflow_tree *tree, int64_t now_ms, const char *type,
                           const char *json, struct text *lines) {
    AUTO(json_release) json_t *data = parsed(json);
    struct workflow_event event = {{type, strlen(type)}, data, now_ms};
    struct workflow_told told = {
        .tree = tree, .agent = workflow_tree_hear(tree, &event), .event = &event, .run = "run_w"};
    if (lines != NULL) {
        workflow_lines_add(&told, lines);
    }
}

static inline void hear(struct workflow_tree *tree, const char *type, const char *json) {
    hear_at(tree, 1000, type, json, NULL);
}

static inline void begin_agent(struct workflow_tree *tree, int number, const char *phase) {
    char json[200];
    (void)snprintf(json, sizeof json,
                   "{\"run\":\"run_%d\",\"label\":\"agent %d\",\"phase\":\"%s\"}", number, number,
                   phase);
    hear(tree, "agent_started", json);
}

static inline void end_agent(struct workflow_tree *tree, int number, const char *members) {
    char json[300];
    (void)snprintf(json, sizeof json, "{\"run\":\"run_%d\",\"ms\":2000,%s}", number, members);
    hear(tree, "agent_finished", json);
}

#endif
