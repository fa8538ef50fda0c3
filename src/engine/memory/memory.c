/* memory.c: the rows, lists of them, and what answers a question best. */
#include "engine/memory/memory.h"

#include <string.h>
#include <time.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "engine/memory/words.h"
#include "store/mapper.h"

enum { DAY_MS = 24 * 60 * 60 * 1000 };

/* "2026-11-20" */
struct memory_date {
    char text[16];
};

/* The day of a damaged row may be any number. */
static struct memory_date date_of(int64_t day) {
    struct memory_date date = {.text = ""};
    if (day < 0 || day > INT64_MAX / DAY_MS) {
        return date;
    }
    time_t seconds = (time_t)(day * (DAY_MS / 1000));
    struct tm parts;
    if (gmtime_r(&seconds, &parts) != NULL) {
        (void)strftime(date.text, sizeof date.text, "%Y-%m-%d", &parts); /* Fits. */
    }
    return date;
}

void memory_write_json(const struct memory *memory, struct text *text) {
    text_add_char(text, '{');
    text_add_member(text, "id", memory->id);
    text_add_member(text, "scope", bytes_of(memory->project.len == 0 ? "global" : "project"));
    if (memory->project.len > 0) {
        text_add_member(text, "project", memory->project);
    }
    text_add_member(text, "topic", memory->topic);
    text_add_member(text, "title", memory->title);
    text_add_member(text, "content", memory->content);
    text_add_name(text, "tags");
    json_add_stored(text, memory->tags);
    text_add_member(text, "day", bytes_of(date_of(memory->day).text));
    text_add_member_int(text, "made_ms", memory->made_ms);
    text_add_member_int(text, "changed_ms", memory->changed_ms);
    text_add_char(text, '}');
}

void memory_day_write_json(const struct memory_day *day, struct text *text) {
    text_addf(text, "{\"day\":\"%s\",\"count\":%lld}", date_of(day->day).text,
              (long long)day->count);
}

/* --- What may be kept ------------------------------------------------------------------------- */

struct bound {
    const char *name;
    struct bytes text;
    size_t min, max;
};

struct err memory_check(const struct memory *memory, struct why *why) {
    const struct bound bounds[] = {{"project", memory->project, 0, MEMORY_PROJECT_MAX},
                                   {"topic", memory->topic, 1, MEMORY_TOPIC_MAX},
                                   {"title", memory->title, 1, MEMORY_TITLE_MAX},
                                   {"content", memory->content, 1, MEMORY_CONTENT_MAX}};
    for (size_t i = 0; i < COUNT_OF(bounds); i++) {
        const struct bound *bound = &bounds[i];
        if (bound->text.data == NULL) {
            continue; /* Not given: the text stays as it is. */
        }
        if (bound->text.len < bound->min || bound->text.len > bound->max) {
            return err_why(why, ERR_BAD_FIELD,
                           "\"%s\" must have a length in bytes from %zu to %zu, not %zu",
                           bound->name, bound->min, bound->max, bound->text.len);
        }
        if (memchr(bound->text.data, '\0', bound->text.len) != NULL) {
            return err_why(why, ERR_BAD_FIELD, "\"%s\" must not contain the character \\u0000",
                           bound->name);
        }
    }
    return ERR_OK;
}

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

/* --- Rows ------------------------------------------------------------------------------------- */

/* Columns of struct memory, after `id`. */
enum { MEMORY_CHANGED = MAP_SET };
#define MEMORY_MAP(X)                                                                              \
    X("memory", id, MAP_TEXT, MAP_READ)                                                            \
    X("project", project, MAP_TEXT, MAP_READ)                                                      \
    X("topic", topic, MAP_TEXT, MEMORY_CHANGED)                                                    \
    X("title", title, MAP_TEXT, MEMORY_CHANGED)                                                    \
    X("content", content, MAP_TEXT, MEMORY_CHANGED)                                                \
    X("tags", tags, MAP_TEXT, MEMORY_CHANGED)                                                      \
    X("day", day, MAP_INT, MEMORY_CHANGED)                                                         \
    X("made_ms", made_ms, MAP_INT, MAP_READ)                                                       \
    X("changed_ms", changed_ms, MAP_INT, MEMORY_CHANGED)
#define MEMORY_SELECT "SELECT id" MEMORY_MAP(MAP_NAMES) " FROM memory WHERE"
#define MEMORY_COLUMN(name, member, kind, use) {name, kind, use, offsetof(struct memory, member)},
static const struct map_column columns[] = {MEMORY_MAP(MEMORY_COLUMN)};
static const struct map memory_map = {.table = "memory",
                                      .key = "id",
                                      .key_offset = offsetof(struct memory, key),
                                      .columns = columns,
                                      .count = COUNT_OF(columns)};

/* Borrowed until the next row. */
static struct memory row_borrow(const struct rows *rows) {
    struct memory memory;
    bool known = map_read(&memory_map, rows, &memory);
    assert(known); /* No column is a word. */
    return memory;
}

struct err tx_memory_find(struct tx *tx, const struct memory_key *key, bool *ret_found,
                          struct memory *ret_memory) {
    AUTO(rows_release)
    struct rows *rows = tx_row(tx, MEMORY_SELECT " owner = $1 AND memory = $2",
                               ARGS(arg_text(key->owner), arg_text(key->id)));
    *ret_found = rows != NULL;
    if (rows != NULL) {
        *ret_memory = row_borrow(rows);
        tx_fail(tx, map_copy(tx, &memory_map, ret_memory));
    }
    return tx_error(tx);
}

/* The words of all its texts, ended by a blank, for a search to look through. */
static struct bytes memory_words(struct tx *tx, const struct memory *memory) {
    AUTO(text_done) struct text text = text_up_to(4 * (size_t)MEMORY_CONTENT_MAX);
    memory_words_write(memory->topic, &text);
    memory_words_write(memory->title, &text);
    memory_words_write(memory->tags, &text);
    memory_words_write(memory->content, &text);
    text_add_char(&text, ' ');
    return tx_copy_text(tx, &text, "memory: words");
}

struct err tx_memory_add(struct tx *tx, struct bytes owner, const struct memory *memory) {
    if (tx_number(tx, "SELECT count(*) FROM memory WHERE owner = $1", ARGS(arg_text(owner)), 0) >=
        MEMORY_ROWS_MAX) {
        return err_make(ERR_TOO_MANY, "memory: rows");
    }
    int64_t now_ms = tx_now_ms(tx);
    tx_do(tx,
          "INSERT INTO memory (memory, owner, project, topic, title, content, tags, words, day,"
          " made_ms, changed_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)",
          ARGS(arg_text(memory->id), arg_text(owner), arg_text(memory->project),
               arg_text(memory->topic), arg_text(memory->title), arg_text(memory->content),
               arg_text(memory->tags), arg_text(memory_words(tx, memory)), arg_int(now_ms / DAY_MS),
               arg_int(now_ms)));
    return tx_error(tx);
}

static struct bytes text_or(struct bytes given, struct bytes old) {
    return given.data == NULL ? old : given;
}

struct err tx_memory_change(struct tx *tx, struct bytes owner, const struct memory *memory) {
    bool found = false;
    struct memory now = {0};
    const struct memory_key key = {owner, memory->id};
    struct err err = tx_memory_find(tx, &key, &found, &now);
    if (err_failed(err) || !found) {
        return err_failed(err) ? err : err_make(ERR_NOT_FOUND, "memory: change");
    }
    now.topic = text_or(memory->topic, now.topic);
    now.title = text_or(memory->title, now.title);
    now.content = text_or(memory->content, now.content);
    now.tags = text_or(memory->tags, now.tags);
    now.changed_ms = tx_now_ms(tx);
    now.day = now.changed_ms / DAY_MS;
    map_update(tx, &memory_map, MEMORY_CHANGED, &now);
    tx_do(tx, "UPDATE memory SET words = $2 WHERE id = $1",
          ARGS(arg_int(now.key), arg_text(memory_words(tx, &now))));
    return tx_error(tx);
}

struct err tx_memory_forget(struct tx *tx, const struct memory_key *key) {
    int64_t changed = tx_change(tx, "DELETE FROM memory WHERE owner = $1 AND memory = $2",
                                ARGS(arg_text(key->owner), arg_text(key->id)));
    return changed > 0 || err_failed(tx_error(tx)) ? tx_error(tx)
                                                   : err_make(ERR_NOT_FOUND, "memory: forget");
}

/* --- Lists ------------------------------------------------------------------------------------ */

/* $1 owner, $2 about any (1) or not, $3 project, $4 topic ("": every one). */
#define SCOPE " owner = $1 AND ($2 = 1 OR project = $3 OR project = '') AND ($4 = '' OR topic = $4)"

enum { SCOPE_ARGS = 4 };
static void scope_args(const struct memory_scope *scope, struct arg args[SCOPE_ARGS]) {
    args[0] = arg_text(scope->owner);
    args[1] = arg_int(scope->about == MEMORY_ABOUT_ANY ? 1 : 0);
    args[2] = arg_text(scope->project.data == NULL ? BYTES("") : scope->project);
    args[3] = arg_text(scope->topic.data == NULL ? BYTES("") : scope->topic);
}

struct err tx_memory_list(struct tx *tx, const struct memory_page *page, memory_each each,
                          void *ctx) {
    static const char sql[] = MEMORY_SELECT SCOPE " AND id < $5 ORDER BY id DESC LIMIT $6";
    struct arg args[SCOPE_ARGS + 2];
    scope_args(&page->scope, args);
    args[SCOPE_ARGS] = arg_int(page->before > 0 ? page->before : INT64_MAX);
    args[SCOPE_ARGS + 1] = arg_int(page->limit);
    AUTO(rows_release) struct rows *rows = tx_rows(tx, sql, args, COUNT_OF(args));
    while (rows_step(rows)) {
        const struct memory memory = row_borrow(rows);
        tx_fail(tx, each(ctx, &memory));
    }
    return tx_error(tx);
}

struct err tx_memory_days(struct tx *tx, const struct memory_days *days,
                          struct err (*each)(void *ctx, const struct memory_day *day), void *ctx) {
    static const char sql[] = "SELECT day, count(*) FROM memory WHERE" SCOPE
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
                                  TAGS_WEIGHT * memory_words_score(words, memory->tags) +
                                  memory_words_score(words, memory->content),
                         .memory = *memory};
    size_t at = ranking->count;
    while (at > 0 && ranking->best[at - 1].score < one.score) {
        at--;
    }
    if (one.score == 0 || at == ranking->limit) {
        return;
    }
    tx_fail(ranking->tx, map_copy(ranking->tx, &memory_map, &one.memory));
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
    static const char sql[] = MEMORY_SELECT SCOPE
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
    AUTO(rows_release) struct rows *rows = tx_rows(ranking->tx, sql, args, COUNT_OF(args));
    while (rows_step(rows)) {
        const struct memory memory = row_borrow(rows);
        ranking_add(ranking, &memory);
    }
}

struct err tx_memory_recall(struct tx *tx, const struct memory_question *question, memory_each each,
                            void *ctx) {
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
