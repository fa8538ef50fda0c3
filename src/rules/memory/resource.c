/* resource.c: memories. Order: that of the answer. */
#include "rules/memory/memory.h"

#include <string.h>

#define AT(member) .at = offsetof(struct memory, member)
#define EACH .group = FIELD_INSERTED | FIELD_SET

/* Words that a removal takes away are in no event, which would outlive it. */
enum { TAKEN_AND_SHOWN = FIELD_GIVEN | FIELD_SHOWN, WORDS = FIELD_GIVEN | FIELD_LISTED };

static struct field_value scope_get(const void *row) {
    const struct memory *memory = row;
    return (struct field_value){.text =
                                    memory->project.len == 0 ? BYTES("global") : BYTES("project")};
}

static const char *const scopes[] = {"global", "project", NULL};

static const struct field rows[] = {
    {.name = "number", .kind = FIELD_INT, AT(number), .use = FIELD_KEPT, .column = "id"},
    {.name = "id",
     .kind = FIELD_ID,
     AT(id),
     .required = true,
     .column = "memory",
     .group = FIELD_INSERTED,
     .head = "MEMORY",
     .width = -FIELD_ID_WIDTH},
    {.name = "owner",
     .kind = FIELD_TEXT,
     AT(owner),
     .use = FIELD_KEPT,
     .column = "owner",
     .group = FIELD_INSERTED},
    {.name = "scope", .kind = FIELD_TEXT, .required = true, .names = scopes, .get = scope_get},
    {.name = "project",
     .kind = FIELD_TEXT,
     AT(project),
     .use = TAKEN_AND_SHOWN,
     .empty = FIELD_EMPTY_LEFT_OUT,
     .max = MEMORY_PROJECT_MAX,
     .column = "project",
     .group = FIELD_INSERTED,
     FILTER_TEXT(FIELD_EQUAL_OR_NONE, "project", 'p', "NAME",
                 "those of this project, and general ones; '': general ones alone."),
     .head = "PROJECT",
     .width = -12},
    {.name = "topic",
     .kind = FIELD_TEXT,
     AT(topic),
     .use = TAKEN_AND_SHOWN,
     .required = true,
     .min = 1,
     .max = MEMORY_TOPIC_MAX,
     .column = "topic",
     EACH,
     FILTER_TEXT(FIELD_EQUAL, "topic", 't', "NAME", "those of this topic."),
     .head = "TOPIC",
     .width = -16},
    {.name = "title",
     .kind = FIELD_TEXT,
     AT(title),
     .use = WORDS,
     .required = true,
     .min = 1,
     .max = MEMORY_TITLE_MAX,
     .column = "title",
     EACH,
     .head = "TITLE",
     .width = FIELD_REST},
    {.name = "content",
     .kind = FIELD_TEXT,
     AT(content),
     .use = WORDS,
     .required = true,
     .min = 1,
     .max = MEMORY_CONTENT_MAX,
     .column = "content",
     EACH,
     .fit = FIELD_BELOW},
    {.name = "tags",
     .kind = FIELD_TEXTS,
     AT(tags_given),
     .use = FIELD_GIVEN,
     .max = MEMORY_TAGS_MAX},
    {.name = "tags",
     .kind = FIELD_STORED,
     AT(tags),
     .use = FIELD_LISTED,
     .required = true,
     .column = "tags",
     EACH,
     .schema = "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"},
    {.name = "words", .kind = FIELD_TEXT, AT(words), .use = FIELD_WRITTEN, .column = "words", EACH},
    {.name = "day",
     .kind = FIELD_DAY,
     AT(day),
     .required = true,
     .column = "day",
     EACH,
     .head = "DAY",
     .width = -10,
     .fit = FIELD_LEAVES},
    {.name = "made_ms",
     .kind = FIELD_TIME,
     AT(made_ms),
     .required = true,
     .column = "made_ms",
     .group = FIELD_INSERTED,
     .head = "CREATED"},
    {.name = "changed_ms",
     .kind = FIELD_TIME,
     AT(changed_ms),
     .required = true,
     .column = "changed_ms",
     EACH,
     FILTER_SINCE("created or changed"),
     .head = "CHANGED"},
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

struct err memory_tags_write(const json_t *tags, struct text *text, struct why *why) {
    if (json_array_size(tags) > MEMORY_TAGS_MAX) {
        return err_why(why, ERR_BAD_FIELD,
                       "\"tags\" must have a number of items from 0 to %d, not %zu",
                       MEMORY_TAGS_MAX, json_array_size(tags));
    }
    text_add_char(text, '[');
    for (size_t i = 0; i < json_array_size(tags); i++) {
        const json_t *tag = json_array_get(tags, i);
        size_t len = json_string_length(tag);
        if (len < 1 || len > MEMORY_TAG_MAX || memchr(json_string_value(tag), '\0', len) != NULL) {
            return err_why(why, ERR_BAD_FIELD, "\"tags\"[%zu] must be a text of 1 to %d bytes", i,
                           MEMORY_TAG_MAX);
        }
        text_add_str(text, i > 0 ? "," : "");
        text_add_json(text, json_string_value(tag), len);
    }
    text_add_char(text, ']');
    return text_failed(text) ? text_error(text, "memory: tags") : ERR_OK;
}
