/* point.c: the rows of worlds and points. Order: that of the answer. */
#include "rules/changes/point.h"

const char *const world_kind_names[] = {[WORLD_GIT] = "git", [WORLD_PLAIN] = "plain", NULL};
const char *const world_state_names[] = {
    [WORLD_READY] = "ready", [WORLD_LARGE] = "large", [WORLD_OFF] = "off", NULL};
const char *const point_phase_names[] = {
    [POINT_BEGIN] = "begin", [POINT_BEFORE] = "before", [POINT_AFTER] = "after",
    [POINT_END] = "end",     [POINT_HAND] = "hand",     NULL};

const char *const rewind_state_names[] = {[REWIND_APPLYING] = "applying",
                                          [REWIND_APPLIED] = "applied",
                                          [REWIND_REFUSED] = "refused",
                                          NULL};

#define AT(member) offsetof(struct changes_world, member)
static const struct field world_rows[] = {
    {ROW_NUMBER(AT(number))},
    {ROW_ID(FIELD_ID, AT(id), "world", "WORLD")},
    {ROW_ONCE("host", FIELD_TEXT, AT(host)), .use = FIELD_KEPT},
    {ROW_ONCE("path", FIELD_TEXT, AT(path)), .required = true},
    {ROW_ONCE("repository", FIELD_TEXT, AT(repository)), .use = FIELD_KEPT},
    {ROW_ONCE("kind", FIELD_NAME, AT(kind)), .required = true, .names = world_kind_names},
    {ROW_EACH("state", FIELD_NAME, AT(state)), .required = true, .names = world_state_names},
    {ROW_EACH("detail", FIELD_TEXT, AT(detail)), .empty = FIELD_EMPTY_NULL},
    {ROW_EACH("files", FIELD_INT, AT(files))},
    {ROW_EACH("bytes", FIELD_INT, AT(bytes))},
    {ROW_EACH("left_out_count", FIELD_INT, AT(left_out_count)), .use = FIELD_KEPT},
    {ROW_EACH("left_out", FIELD_TEXT, AT(left_out)), .use = FIELD_KEPT},
    {ROW_ONCE("made_ms", FIELD_TIME, AT(made_ms)), .use = FIELD_KEPT},
    {ROW_EACH("changed_ms", FIELD_TIME, AT(changed_ms)), .use = FIELD_KEPT},
};
#undef AT
const struct resource world_resource = {.name = "world",
                                        .table = "worlds",
                                        .key = "id",
                                        .prefix = "wld",
                                        .of_daemon = true,
                                        .fields = {FIELD_ROWS(world_rows), .use = FIELD_SHOWN},
                                        .size = sizeof(struct changes_world),
                                        .rows_max = WORLDS_MAX};

#define AT(member) offsetof(struct point, member)
static const struct field point_rows[] = {
    {ROW_NUMBER(AT(number))},
    {ROW_ID(FIELD_ID, AT(id), "point", "POINT")},
    {ROW_OWNER(AT(owner))},
    {ROW_ONCE("world", FIELD_INT, AT(world)), .use = FIELD_KEPT},
    {ROW_ONCE("tree", FIELD_TEXT, AT(tree)), .use = FIELD_KEPT},
    {ROW_ONCE("at_ms", FIELD_TIME, AT(at_ms)), .required = true},
    {ROW_ONCE("session", FIELD_INT, AT(session)), .use = FIELD_KEPT},
    {ROW_ONCE("run", FIELD_INT, AT(run)), .use = FIELD_KEPT},
    {ROW_ONCE("call", FIELD_TEXT, AT(call)), .use = FIELD_KEPT},
    {ROW_ONCE("phase", FIELD_NAME, AT(phase)), .required = true, .names = point_phase_names},
    {ROW_ONCE("path", FIELD_TEXT, AT(path)), .use = FIELD_KEPT},
    {ROW_ONCE("late", FIELD_BOOL, AT(late)), .use = FIELD_KEPT},
    {ROW_ONCE("closed", FIELD_INT, AT(closed)), .use = FIELD_KEPT},
};
#undef AT
const struct resource point_resource = {.name = "point",
                                        .table = "points",
                                        .key = "id",
                                        .prefix = "pnt",
                                        .fields = {FIELD_ROWS(point_rows), .use = FIELD_SHOWN},
                                        .size = sizeof(struct point)};

#define AT(member) offsetof(struct viewed, member)
static const struct field viewed_rows[] = {
    {ROW_NUMBER(AT(number))},
    {ROW_OWNER(AT(owner))},
    {ROW_ONCE("world", FIELD_INT, AT(world)), .use = FIELD_KEPT},
    {ROW_ONCE("path", FIELD_TEXT, AT(path))},
    {ROW_ONCE("hash", FIELD_TEXT, AT(hash))},
    {ROW_ONCE("at_ms", FIELD_TIME, AT(at_ms))},
};
#undef AT
const struct resource viewed_resource = {.name = "viewed",
                                         .table = "viewed",
                                         .key = "number",
                                         .fields = {FIELD_ROWS(viewed_rows), .use = FIELD_SHOWN},
                                         .size = sizeof(struct viewed)};

#define AT(member) offsetof(struct rewind_row, member)
static const struct field rewind_rows[] = {
    {ROW_NUMBER(AT(number))},
    {ROW_ID(FIELD_ID, AT(id), "rewind", "REWIND")},
    {ROW_OWNER(AT(owner))},
    {ROW_ONCE("session", FIELD_INT, AT(session)), .use = FIELD_KEPT},
    {ROW_ONCE("world", FIELD_INT, AT(world)), .use = FIELD_KEPT},
    {ROW_EACH("state", FIELD_NAME, AT(state)), .required = true, .names = rewind_state_names},
    {ROW_ONCE("files", FIELD_TEXT, AT(files)), .use = FIELD_KEPT},
    {ROW_ONCE("message", FIELD_INT, AT(message)), .use = FIELD_KEPT},
    {ROW_ONCE("last", FIELD_INT, AT(last)), .use = FIELD_KEPT},
    {ROW_ONCE("tree", FIELD_INT, AT(tree)), .use = FIELD_KEPT},
    {ROW_EACH("note", FIELD_TEXT, AT(note)), .empty = FIELD_EMPTY_NULL},
    {ROW_MADE(AT(made_ms))},
    {ROW_EACH("ended_ms", FIELD_TIME, AT(ended_ms))},
};
#undef AT
const struct resource rewind_resource = {.name = "rewind",
                                         .table = "rewinds",
                                         .key = "id",
                                         .prefix = "rwd",
                                         .fields = {FIELD_ROWS(rewind_rows), .use = FIELD_SHOWN},
                                         .size = sizeof(struct rewind_row)};
