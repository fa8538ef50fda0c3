/* resource.c: rows of working trees. Order: that of the answer. */
#include "rules/tree/tree.h"

const char *const tree_kind_names[] = {
    [TREE_OF_SESSION] = "session", [TREE_OF_TASK] = "task", [TREE_OF_AGENT] = "agent", NULL};
const char *const tree_state_names[] = {[TREE_ROW_PLANNED] = "planned",
                                        [TREE_ROW_READY] = "ready",
                                        [TREE_ROW_FAILED] = "failed",
                                        [TREE_ROW_GONE] = "gone",
                                        NULL};

#define AT(member) offsetof(struct tree_row, member)
#define TEXT_AT(text) (AT(texts) + (text) * sizeof(struct bytes))

static const struct field rows[] = {
    {ROW_NUMBER(AT(number))},
    {ROW_ID(FIELD_ID, AT(id), "tree", "TREE"), .fit = FIELD_LEAVES},
    {ROW_OWNER(AT(owner))},
    {ROW_ONCE("host", FIELD_TEXT, AT(host)), .use = FIELD_KEPT},
    {ROW_EACH("name", FIELD_TEXT, AT(name)), .required = true, .plain = true,
     FILTER_SEARCH("name, branch or path"), FIELD_HEAD("NAME", -24)},
    {ROW_EACH("kind", FIELD_NAME, AT(kind)), .required = true, .names = tree_kind_names,
     .head = "KIND"},
    {ROW_ONCE("holder", FIELD_TEXT, AT(holder)), .required = true,
     FILTER_TEXT(FIELD_EQUAL, "holder", 0, "ID", "the one of this session, task or agent."),
     FIELD_HEAD("HOLDER", -FIELD_ID_WIDTH)},
    {ROW_EACH("project", FIELD_TEXT, AT(project)), .required = true,
     FILTER_TEXT(FIELD_EQUAL, "project", 'p', "PROJECT", "those of this project."),
     .head = "PROJECT"},
    {ROW_EACH("state", FIELD_NAME, AT(state)), .required = true, .names = tree_state_names,
     FILTER_STATE("planned|ready|failed|gone"), FIELD_HEAD("STATE", -8)},
    {ROW_EACH("detail", FIELD_TEXT, AT(detail)), .empty = FIELD_EMPTY_NULL, .head = "DETAIL"},
    {ROW_EACH("branch", FIELD_TEXT, TEXT_AT(TREE_BRANCH)), .empty = FIELD_EMPTY_NULL,
     .filter = FIELD_SEARCH, FIELD_HEAD("BRANCH", -28)},
    {ROW_EACH("base", FIELD_TEXT, TEXT_AT(TREE_BASE)), .empty = FIELD_EMPTY_NULL, .head = "BASE"},
    {ROW_EACH("begin_at", FIELD_TEXT, TEXT_AT(TREE_START)), .empty = FIELD_EMPTY_NULL,
     .head = "BEGAN AT"},
    {ROW_EACH("path", FIELD_TEXT, TEXT_AT(TREE_PATH)), .required = true, .filter = FIELD_SEARCH,
     .head = "PATH"},
    {ROW_EACH("root", FIELD_TEXT, TEXT_AT(TREE_ROOT)), .required = true, .head = "ROOT"},
    {ROW_EACH("top", FIELD_TEXT, TEXT_AT(TREE_TOP)), .required = true, .head = "REPOSITORY"},
    {ROW_EACH("source", FIELD_TEXT, TEXT_AT(TREE_FROM)), .required = true, .head = "SOURCE"},
    {ROW_EACH("git", FIELD_TEXT, TEXT_AT(TREE_GIT)), .use = FIELD_KEPT},
    {ROW_EACH("used", FIELD_TEXT, TEXT_AT(TREE_ATTEMPT)), .use = FIELD_KEPT},
    {ROW_EACH("stage", FIELD_TEXT, TEXT_AT(TREE_STAGE)), .use = FIELD_KEPT},
    {ROW_EACH("setup", FIELD_TEXT, TEXT_AT(TREE_SETUP)), .use = FIELD_WHOLE,
     .empty = FIELD_EMPTY_NULL, .head = "SETUP"},
    {ROW_EACH("teardown", FIELD_TEXT, TEXT_AT(TREE_TEARDOWN)), .use = FIELD_WHOLE,
     .empty = FIELD_EMPTY_NULL, .head = "TEARDOWN"},
    {ROW_EACH("setup_run", FIELD_TEXT, TEXT_AT(TREE_SETUP_RUN)), .empty = FIELD_EMPTY_NULL,
     .head = "SETUP RUN"},
    {ROW_EACH("first", FIELD_TEXT, AT(first)), .use = FIELD_KEPT},
    {ROW_EACH("ports", FIELD_TEXT, TEXT_AT(TREE_PORTS)), .empty = FIELD_EMPTY_NULL,
     .head = "PORTS"},
    {ROW_EACH("ports_from", FIELD_INT, AT(ports_from)), .use = FIELD_KEPT},
    {ROW_EACH("ports_count", FIELD_INT, AT(ports_count)), .use = FIELD_KEPT},
    {ROW_EACH("kept", FIELD_BOOL, AT(kept)), .use = FIELD_KEPT},
    {ROW_MADE(AT(made_ms)), .width = -FIELD_TIME_WIDTH, .fit = FIELD_LEAVES},
    {ROW_CHANGED(AT(changed_ms)), FILTER_SINCE("made or changed")},
};

const struct resource tree_resource = {
    .name = "tree",
    .plural = "working trees",
    .path = "/api/v1/worktrees",
    .table = "trees",
    .of_project = true,
    .key = "id",
    .prefix = "tre",
    .fields = {FIELD_ROWS(rows), .use = FIELD_SHOWN},
    .size = sizeof(struct tree_row),
};
