/* memory.c: the best answers to a question, and the number of memories of each day and
 * each topic. */
#include "engine/memory/memory.h"

#include <string.h>

#include "base/memory.h"
#include "engine/memory/words.h"

enum { DAY_MS = 24 * 60 * 60 * 1000 };

struct err memory__write(struct tx *tx, void *row) {
    struct memory *memory = row;
    AUTO(text_done) struct text text = text_up_to(4 * (size_t)MEMORY_CONTENT_MAX);
    memory_words_write(memory->topic, &text);
    memory_words_write(memory->title, &text);
    memory_words_write(memory->tags.kept, &text);
    memory_words_write(memory->content, &text);
    text_add_char(&text, ' '); /* Each word ends with a blank. */
    memory->words = tx_copy_text(tx, &text, "memory: words");
    memory->day = tx_now_ms(tx) / DAY_MS;
    return tx_error(tx);
}

/* $1 owner, $2 about any (1) or not, $3 project, $4 topic ("": every one). */
#define SCOPE "owner = $1 AND ($2 = 1 OR project = $3 OR project = '') AND ($4 = '' OR topic = $4)"

enum { SCOPE_ARGS = 4 };
static void scope_args(const struct memory_scope *scope, struct arg args[SCOPE_ARGS]) {
    args[0] = arg_text(scope->owner);
    args[1] = arg_int(scope->about == MEMORY_ABOUT_ANY ? 1 : 0);
    args[2] = arg_text(scope->project.data == NULL ? BYTES("") : scope->project);
    args[3] = arg_text(scope->topic.data == NULL ? BYTES("") : scope->topic);
}

/* --- Days ------------------------------------------------------------------------------------- */

/* A number of rows for each day: the lists of the resource have rows, so this is its own. */
#define AT(type, member) .at = offsetof(struct type, member)
static const struct field day_rows[] = {
    {.name = "day", .kind = FIELD_DAY, AT(memory_day, day)},
    {.name = "count", .kind = FIELD_INT, AT(memory_day, count)},
};
const struct field_set memory_day_fields = {FIELD_ROWS(day_rows), .use = FIELD_LISTED};

struct err tx_memory_days(struct tx *tx, const struct memory_days *days, resource_each each,
                          void *ctx) {
    static const char sql[] = "SELECT day, count(*) FROM memory WHERE " SCOPE
                              " AND day < $5 GROUP BY day ORDER BY day DESC LIMIT $6";
    struct arg args[SCOPE_ARGS + 2];
    scope_args(&days->scope, args);
    args[SCOPE_ARGS] = arg_int(days->before > 0 ? days->before : INT64_MAX);
    args[SCOPE_ARGS + 1] = arg_int(days->limit);
    AUTO(rows_release) struct rows *rows = tx_rows(tx, sql, args, COUNT_OF(args));
    while (rows_step(rows)) {
        tx_fail(tx, each(ctx, &(struct memory_day){rows_int(rows, 0), rows_int(rows, 1)}));
    }
    return tx_error(tx);
}

/* --- Topics ----------------------------------------------------------------------------------- */

static const struct field topic_rows[] = {
    {.name = "topic", .kind = FIELD_TEXT, AT(memory_topic, topic)},
    {.name = "count", .kind = FIELD_INT, AT(memory_topic, count)},
};
const struct field_set memory_topic_fields = {FIELD_ROWS(topic_rows), .use = FIELD_LISTED};

struct err tx_memory_topics(struct tx *tx, const struct memory_topics *topics, resource_each each,
                            void *ctx) {
    static const char sql[] = "SELECT topic, count(*) FROM memory WHERE " SCOPE
                              " AND topic > $5 GROUP BY topic ORDER BY topic LIMIT $6";
    struct memory_scope scope = topics->scope;
    struct arg args[SCOPE_ARGS + 2];
    scope.topic = BYTES("");
    scope_args(&scope, args);
    args[SCOPE_ARGS] = arg_text(topics->after.data == NULL ? BYTES("") : topics->after);
    args[SCOPE_ARGS + 1] = arg_int(topics->limit);
    AUTO(rows_release) struct rows *rows = tx_rows(tx, sql, args, COUNT_OF(args));
    while (rows_step(rows)) {
        tx_fail(tx, each(ctx, &(struct memory_topic){rows_text(rows, 0), rows_int(rows, 1)}));
    }
    return tx_error(tx);
}

/* --- Recall ----------------------------------------------------------------------------------- */

/* The database only says which rows have one of the words, as a beginning of one of theirs: LIKE
 * on text that we cut and lowered ourselves means the same to both. Which of them is best, we say.
 */

struct ranked {
    unsigned score;
    struct memory memory; /* Texts live in the arena. */
};
struct ranking {
    struct tx *tx;
    const struct memory_words *words;
    size_t count, limit;
    struct ranked best[MEMORY_RECALLED_MAX];
};

enum { TITLE_WEIGHT = 8, TOPIC_WEIGHT = 6, TAGS_WEIGHT = 4 };

/* Rows come newest first, so that an equal one stays after those before it. */
static void ranking_add(struct ranking *ranking, const struct memory *memory) {
    const struct memory_words *words = ranking->words;
    struct ranked one = {.score = TITLE_WEIGHT * memory_words_score(words, memory->title) +
                                  TOPIC_WEIGHT * memory_words_score(words, memory->topic) +
                                  TAGS_WEIGHT * memory_words_score(words, memory->tags.kept) +
                                  memory_words_score(words, memory->content),
                         .memory = *memory};
    size_t at = ranking->count;
    while (at > 0 && ranking->best[at - 1].score < one.score) {
        at--;
    }
    if (one.score == 0 || at == ranking->limit) {
        return;
    }
    tx_resource_copy(ranking->tx, &memory_resource, &one.memory);
    ranking->count += ranking->count < ranking->limit ? 1 : 0;
    for (size_t i = ranking->count - 1; i > at; i--) {
        ranking->best[i] = ranking->best[i - 1];
    }
    ranking->best[at] = one;
}

/* "% word%": a word that begins so. */
static struct arg word_pattern(struct tx *tx, const struct memory_word *word) {
    char pattern[MEMORY_WORD_MAX + 4];
    int len = snprintf(pattern, sizeof pattern, "%% %s%%", word->text);
    assert(len > 0 && (size_t)len < sizeof pattern);
    return arg_text(tx_copy(tx, (struct bytes){pattern, (size_t)len}));
}

static void ranking_fill(struct ranking *ranking, const struct memory_question *question) {
    static const char where[] = SCOPE
        " AND (words LIKE $5 OR words LIKE $6 OR words LIKE $7 OR words LIKE $8 OR words LIKE $9"
        " OR words LIKE $10 OR words LIKE $11 OR words LIKE $12) ORDER BY id DESC LIMIT $13";
    struct arg args[SCOPE_ARGS + MEMORY_WORDS_ASKED + 1];
    scope_args(&question->scope, args);
    for (size_t i = 0; i < MEMORY_WORDS_ASKED; i++) {
        /* Fewer words: the first one again, which finds no other rows. */
        size_t word = i < ranking->words->count ? i : 0;
        args[SCOPE_ARGS + i] = word_pattern(ranking->tx, &ranking->words->items[word]);
    }
    args[SCOPE_ARGS + MEMORY_WORDS_ASKED] = arg_int(MEMORY_LOOKED_MAX);
    AUTO(rows_release)
    struct rows *rows =
        tx_resource_rows(ranking->tx, &memory_resource, where, args, COUNT_OF(args));
    struct memory memory;
    while (rows_step(rows)) {
        if (resource_row_read(&memory_resource, rows, &memory)) {
            ranking_add(ranking, &memory);
        }
    }
}

struct err tx_memory_recall(struct tx *tx, const struct memory_question *question,
                            resource_each each, void *ctx) {
    struct memory_words words;
    memory_words_of(question->query, &words);
    if (words.count == 0) {
        return ERR_OK;
    }
    AUTO(mem_release) struct ranking *ranking = mem_new(sizeof *ranking);
    ranking->tx = tx;
    ranking->words = &words;
    ranking->limit = question->limit < MEMORY_RECALLED_MAX ? (size_t)question->limit
                                                           : (size_t)MEMORY_RECALLED_MAX;
    ranking_fill(ranking, question);
    struct err err = tx_error(tx);
    for (size_t i = 0; i < ranking->count && !err_failed(err); i++) {
        tx_fail(tx, each(ctx, &ranking->best[i].memory));
    }
    return err;
}
