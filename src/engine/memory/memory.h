/* memory.h: what agents remember from one session to the next. (Of RAM speaks base/memory.h.)
 *
 * A memory is a short text with a topic and tags, about a project or about everything (project "").
 * `day` is the day it belongs to, in days since 1970 (UTC): the daily view groups by it.
 *
 * Promise    recall gives the same rows in the same order on both databases: words are cut and
 *            compared by us (words.h), never by a database's own full text. Its work is
 *            bounded: an owner has at most MEMORY_ROWS_MAX rows, whose words the database looks
 *            through, and of those with one of the words the newest MEMORY_LOOKED_MAX are ranked.
 * Ownership  texts in rows that are handed out are borrowed during the callback, or are the
 *            arena's.
 * Threads    inside a store function; memory_check: any.
 * Failure    ERR_NOT_FOUND, ERR_TOO_MANY (MEMORY_ROWS_MAX).
 */
#ifndef DROVER_ENGINE_MEMORY_MEMORY_H
#define DROVER_ENGINE_MEMORY_MEMORY_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "base/text.h"
#include "store/store.h"

enum {
    MEMORY_PROJECT_MAX = 64, /* Bytes, like all of these. */
    MEMORY_TOPIC_MAX = 64,
    MEMORY_TITLE_MAX = 200,
    MEMORY_CONTENT_MAX = 8 << 10,
    MEMORY_TAG_MAX = 64,
    MEMORY_TAGS_MAX = 16, /* Of them. */
    MEMORY_QUERY_MAX = 500,
    MEMORY_ROWS_MAX = 5000, /* Of one owner. */
    MEMORY_LOOKED_MAX = 500,
    MEMORY_RECALLED_MAX = 20,
};

struct memory {
    int64_t key; /* For pages. */
    struct bytes id, project, topic, title, content;
    struct bytes tags; /* As JSON: ["a","b"]. */
    int64_t day, made_ms, changed_ms;
};
void memory_write_json(const struct memory *memory, struct text *text);

/* What a client or a model gave; all texts are there. ERR_BAD_FIELD, and why. */
MUST_CHECK struct err memory_check(const struct memory *memory, struct why *why);
/* A JSON list of texts, or NULL, as it is kept. */
MUST_CHECK struct err memory_tags_write(const json_t *tags, struct text *text, struct why *why);

struct memory_key {
    struct bytes owner, id;
};
/* `memory->id` is given by the caller ("mem_…"); day and times are now. */
MUST_CHECK struct err tx_memory_add(struct tx *tx, struct bytes owner, const struct memory *memory);
/* Texts without data stay as they are; `project` always does. The day is that of the change. */
MUST_CHECK struct err tx_memory_change(struct tx *tx, struct bytes owner,
                                       const struct memory *memory);
MUST_CHECK struct err tx_memory_forget(struct tx *tx, const struct memory_key *key);
MUST_CHECK struct err tx_memory_find(struct tx *tx, const struct memory_key *key, bool *ret_found,
                                     struct memory *ret_memory);

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
typedef struct err (*memory_each)(void *ctx, const struct memory *memory);
/* The newest first, those below the key `before` (0: from the newest). */
struct memory_page {
    struct memory_scope scope;
    int64_t before, limit;
};
MUST_CHECK struct err tx_memory_list(struct tx *tx, const struct memory_page *page,
                                     memory_each each, void *ctx);

/* The best first; equal ones: the newest first. At most MEMORY_RECALLED_MAX. */
struct memory_question {
    struct memory_scope scope;
    struct bytes query;
    int64_t limit;
};
MUST_CHECK struct err tx_memory_recall(struct tx *tx, const struct memory_question *question,
                                       memory_each each, void *ctx);

/* How many there are of each day, the newest day first, those below `before` (0: from today). */
struct memory_day {
    int64_t day, count;
};
/* {"day":"2026-11-20","count":N} */
void memory_day_write_json(const struct memory_day *day, struct text *text);
struct memory_days {
    struct memory_scope scope;
    int64_t before, limit;
};
MUST_CHECK struct err tx_memory_days(struct tx *tx, const struct memory_days *days,
                                     struct err (*each)(void *ctx, const struct memory_day *day),
                                     void *ctx);

#endif
