/* resource.c: memories. Order: that of the answer. */
#include "rules/memory/memory.h"

#include <string.h>

#define AT(member) offsetof(struct memory, member)

/* Words that a removal takes away are in no event, which would outlive it. */
enum { TAKEN_AND_SHOWN = FIELD_GIVEN | FIELD_SHOWN, WORDS = FIELD_GIVEN | FIELD_LISTED };

static struct field_value scope_get(const void *row) {
    const struct memory *memory = row;
    return (struct field_value){.text =
                                    memory->project.len == 0 ? BYTES("global") : BYTES("project")};
}

static const char *const scopes[] = {"global", "project", NULL};

static const struct field rows[] = {
    {ROW_NUMBER(AT(number))},
    {ROW_ID(FIELD_ID, AT(id), "memory", "MEMORY")},
    {ROW_OWNER(AT(owner))},
    {.name = "scope", .kind = FIELD_TEXT, .required = true, .names = scopes, .get = scope_get},
    {ROW_ONCE("project", FIELD_TEXT, AT(project)), .use = TAKEN_AND_SHOWN,
     .empty = FIELD_EMPTY_LEFT_OUT, .max = MEMORY_PROJECT_MAX,
     FILTER_TEXT(FIELD_EQUAL_OR_NONE, "project", 'p', "NAME",
                 "those of this project, and general ones; '': general ones alone."),
     FIELD_HEAD("PROJECT", -12)},
    {ROW_EACH("topic", FIELD_TEXT, AT(topic)), .use = TAKEN_AND_SHOWN, .required = true, .min = 1,
     .max = MEMORY_TOPIC_MAX,
     FILTER_TEXT(FIELD_EQUAL, "topic", 't', "NAME", "those of this topic."),
     FIELD_HEAD("TOPIC", -16)},
    {ROW_EACH("title", FIELD_TEXT, AT(title)), .use = WORDS, .required = true, .min = 1,
     .max = MEMORY_TITLE_MAX, FIELD_HEAD("TITLE", FIELD_REST)},
    {ROW_EACH("content", FIELD_TEXT, AT(content)), .use = WORDS, .required = true, .min = 1,
     .max = MEMORY_CONTENT_MAX, .fit = FIELD_BELOW},
    {ROW_EACH("tags", FIELD_LIST, AT(tags)), .use = FIELD_GIVEN | FIELD_LISTED,
     .max = MEMORY_TAGS_MAX, .each_max = MEMORY_TAG_MAX,
     FILTER_TEXT(FIELD_HAS, "tags", 0, "TAG", "those with this tag.")},
    {ROW_EACH("words", FIELD_TEXT, AT(words)), .use = FIELD_WRITTEN},
    {ROW_EACH("day", FIELD_DAY, AT(day)), .required = true, FIELD_HEAD("DAY", -10),
     .fit = FIELD_LEAVES},
    {ROW_MADE(AT(made_ms))},
    {ROW_CHANGED(AT(changed_ms)), FILTER_SINCE("created or changed")},
};

const struct resource memory_resource = {
    .name = "memory",
    .plural = "memories",
    .path = "/api/v1/memory",
    .table = "memory",
    .key = "id",
    .prefix = "mem",
    .fields = {FIELD_ROWS(rows), .use = FIELD_SHOWN},
    .size = sizeof(struct memory),
    .rows_max = MEMORY_ROWS_MAX,
    .routes = {[RESOURCE_LIST] = {.scope = SCOPE_READ,
                                  .summary =
                                      "List what agents remember, newest first; or search it"},
               [RESOURCE_ADD] = {.scope = SCOPE_RUN, .summary = "Store a memory for agents"},
               [RESOURCE_SHOW] = {.scope = SCOPE_READ, .summary = "Show a memory"},
               [RESOURCE_REMOVE] = {.scope = SCOPE_RUN, .summary = "Delete a memory"}},
};
