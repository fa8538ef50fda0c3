/* memory.h: memories of agents, as clients see it. (Of RAM speaks base/memory.h.)
 *
 * A memory is a short text with a topic and tags, about a project or about everything (project "").
 * `day` is the day it belongs to: that of its last change.
 *
 * Ownership  texts are borrowed from the filler of the struct.
 * Threads    any; pure.
 */
#ifndef DROVER_RULES_MEMORY_MEMORY_H
#define DROVER_RULES_MEMORY_MEMORY_H

#include "base/base.h"
#include "base/id.h"
#include "base/resource/resource.h"

/* Bytes. These numbers are also digits in the schemas of tools (tool/catalogue.c). */
#define MEMORY_TOPIC_MAX 64
#define MEMORY_TITLE_MAX 200
#define MEMORY_CONTENT_MAX 8192
#define MEMORY_TAG_MAX 64
#define MEMORY_TAGS_MAX 16 /* Number of tags. */
enum {
    MEMORY_PROJECT_MAX = 64,
    MEMORY_ROWS_MAX = 5000, /* Rows of an owner. */
};

struct memory {
    int64_t number;
    struct id id;
    struct bytes owner, project, topic, title, content;
    struct field_list tags;
    struct bytes words; /* Words of all these texts; written only. */
    int64_t day, made_ms, changed_ms;
};

extern const struct resource memory_resource;

#endif
