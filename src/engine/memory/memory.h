/* memory.h: search of the memories of agents, the best match first, and their number of each day
 * and each topic.
 * Memories are a resource (rules/memory/memory.h): engine/base/resource.h has the rest.
 *
 * Promise    recall gives the same rows in the same order on both databases: words are cut and
 *            compared by us (words.h), never by a database's own full text. Its work is
 *            bounded: an owner has at most MEMORY_ROWS_MAX rows, whose words the database looks
 *            through, and of those with one of the words the newest MEMORY_LOOKED_MAX are ranked.
 * Ownership  texts in rows that are handed out are borrowed during the callback.
 * Threads    inside a store function.
 */
#ifndef DROVER_ENGINE_MEMORY_MEMORY_H
#define DROVER_ENGINE_MEMORY_MEMORY_H

#include "base/base.h"
#include "base/err.h"
#include "engine/base/resource.h"
#include "rules/memory/memory.h"
#include "store/store.h"

enum {
    MEMORY_QUERY_MAX = 500, /* Bytes. */
    MEMORY_LOOKED_MAX = 500,
    MEMORY_RECALLED_MAX = 20,
};

/* Hook of the resource: the day of the change, and the words that a search looks through. */
MUST_CHECK struct err memory__write(struct tx *tx, void *row);

enum memory_about {
    MEMORY_ABOUT_ANY,     /* Of every project, and about everything. */
    MEMORY_ABOUT_PROJECT, /* Of `project`, and about everything. */
};
struct memory_scope {
    struct bytes owner;
    enum memory_about about;
    struct bytes project; /* Empty with ABOUT_PROJECT: only what is about everything. */
    struct bytes topic;   /* Empty: every topic. */
};

/* The best first; equal ones: the newest first. At most MEMORY_RECALLED_MAX. */
struct memory_question {
    struct memory_scope scope;
    struct bytes query;
    int64_t limit;
};
MUST_CHECK struct err tx_memory_recall(struct tx *tx, const struct memory_question *question,
                                       resource_each each, void *ctx);

/* How many there are of each day, the newest day first, those below `before` (0: from today). */
struct memory_day {
    int64_t day, count;
};
extern const struct field_set memory_day_fields;
struct memory_days {
    struct memory_scope scope;
    int64_t before, limit;
};
MUST_CHECK struct err tx_memory_days(struct tx *tx, const struct memory_days *days,
                                     resource_each each, void *ctx);

/* The number of memories of each topic, by the bytes of the topics, of those above `after`. The
 * topic of the scope does not count. */
struct memory_topic {
    struct bytes topic;
    int64_t count;
};
extern const struct field_set memory_topic_fields;
struct memory_topics {
    struct memory_scope scope;
    struct bytes after;
    int64_t limit;
};
MUST_CHECK struct err tx_memory_topics(struct tx *tx, const struct memory_topics *topics,
                                       resource_each each, void *ctx);

#endif
