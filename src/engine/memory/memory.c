/* memory.c: the rows, and who may have which. */
#include "engine/memory/memory.h"

#include <string.h>

#include "base/json/json.h"
#include "engine/memory/rows.h"
#include "engine/memory/words.h"

enum { DAY_MS = 24 * 60 * 60 * 1000 };

static void add_text(struct text *text, const char *key, struct bytes value) {
    text_addf(text, ",\"%s\":", key);
    text_add_json(text, value.data, value.len);
}

void memory_write_json(const struct memory *memory, struct text *text) {
    text_add_str(text, "{\"id\":");
    text_add_json(text, memory->id.data, memory->id.len);
    text_addf(text, ",\"scope\":\"%s\"", memory->project.len == 0 ? "global" : "project");
    if (memory->project.len > 0) {
        add_text(text, "project", memory->project);
    }
    add_text(text, "topic", memory->topic);
    add_text(text, "title", memory->title);
    add_text(text, "content", memory->content);
    text_add_str(text, ",\"tags\":");
    json_add_stored(text, memory->tags);
    struct memory_date date = memory_date_of(memory->day);
    text_addf(text, ",\"day\":\"%s\",\"made_ms\":%lld,\"changed_ms\":%lld}", date.text,
              (long long)memory->made_ms, (long long)memory->changed_ms);
}

/* Howard Hinnant's days_from_civil, turned round: proleptic Gregorian, from 0000-03-01. */
struct memory_date memory_date_of(int64_t day) {
    int64_t shifted = day + 719468;
    int64_t era = shifted / 146097, of_era = shifted % 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * of_year + 2) / 153;
    int64_t day_of_month = of_year - (153 * month_from_march + 2) / 5 + 1;
    int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
    struct memory_date date;
    (void)snprintf(date.text, sizeof date.text, "%04u-%02u-%02u", (unsigned)(year % 10000),
                   (unsigned)(month % 100), (unsigned)(day_of_month % 100));
    return date;
}

void memory_day_write_json(const struct memory_day *day, struct text *text) {
    text_addf(text, "{\"day\":\"%s\",\"count\":%lld}", memory_date_of(day->day).text,
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
            continue; /* It stays as it is. */
        }
        if (bound->text.len < bound->min || bound->text.len > bound->max) {
            why_set(why, "\"%s\" must have a length in bytes from %zu to %zu, not %zu", bound->name,
                    bound->min, bound->max, bound->text.len);
            return err_make(ERR_BAD_FIELD, "memory: field");
        }
        if (memchr(bound->text.data, '\0', bound->text.len) != NULL) {
            why_set(why, "\"%s\" must not hold the character \\u0000", bound->name);
            return err_make(ERR_BAD_FIELD, "memory: field");
        }
    }
    return ERR_OK;
}

struct err memory_tags_write(const json_t *tags, struct text *text, struct why *why) {
    if (json_array_size(tags) > MEMORY_TAGS_MAX) {
        why_set(why, "\"tags\" must have a number of items from 0 to %d, not %zu", MEMORY_TAGS_MAX,
                json_array_size(tags));
        return err_make(ERR_BAD_FIELD, "memory: tags");
    }
    text_add_char(text, '[');
    for (size_t i = 0; i < json_array_size(tags); i++) {
        const json_t *tag = json_array_get(tags, i);
        size_t len = json_string_length(tag);
        if (len < 1 || len > MEMORY_TAG_MAX || memchr(json_string_value(tag), '\0', len) != NULL) {
            why_set(why, "\"tags\"[%zu] must be a text of 1 to %d bytes", i, MEMORY_TAG_MAX);
            return err_make(ERR_BAD_FIELD, "memory: tags");
        }
        text_add_str(text, i > 0 ? "," : "");
        text_add_json(text, json_string_value(tag), len);
    }
    text_add_char(text, ']');
    return text_failed(text) ? text_error(text, "memory: tags") : ERR_OK;
}

/* --- Rows ------------------------------------------------------------------------------------- */

void memory__read(const struct rows *rows, struct memory *ret_memory) {
    *ret_memory = (struct memory){.key = rows_int(rows, 0),
                                  .id = rows_text(rows, 1),
                                  .project = rows_text(rows, 2),
                                  .topic = rows_text(rows, 3),
                                  .title = rows_text(rows, 4),
                                  .content = rows_text(rows, 5),
                                  .tags = rows_text(rows, 6),
                                  .day = rows_int(rows, 7),
                                  .made_ms = rows_int(rows, 8),
                                  .changed_ms = rows_int(rows, 9)};
}

/* What a search looks through: the words of all its texts, ended by a blank. */
static struct err words_of(struct tx *tx, const struct memory *memory, struct bytes *ret_words) {
    AUTO(text_done) struct text text;
    text_init(&text, 4 * (size_t)MEMORY_CONTENT_MAX);
    memory_words_write(memory->topic, &text);
    memory_words_write(memory->title, &text);
    memory_words_write(memory->tags, &text);
    memory_words_write(memory->content, &text);
    text_add_char(&text, ' ');
    char *copy = text_failed(&text) ? NULL : arena_try_copy(tx_arena(tx), text.data, text.len);
    if (copy == NULL) {
        return text_error(&text, "memory: words");
    }
    *ret_words = (struct bytes){copy, text.len};
    return ERR_OK;
}

static struct err count_rows(struct tx *tx, struct bytes owner) {
    const struct arg args[] = {arg_text(owner)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err =
        tx_first(tx, "SELECT count(*) FROM memory WHERE owner = $1", args, COUNT_OF(args), &rows);
    if (err_failed(err)) {
        return err;
    }
    return rows != NULL && rows_int(rows, 0) >= MEMORY_ROWS_MAX
               ? err_make(ERR_TOO_MANY, "memory: rows")
               : ERR_OK;
}

struct err tx_memory_add(struct tx *tx, struct bytes owner, const struct memory *memory) {
    static const char sql[] =
        "INSERT INTO memory (memory, owner, project, topic, title, content, tags, words, day,"
        " made_ms, changed_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)";
    struct bytes words = {NULL, 0};
    struct err err = count_rows(tx, owner);
    if (!err_failed(err)) {
        err = words_of(tx, memory, &words);
    }
    if (err_failed(err)) {
        return err;
    }
    int64_t now_ms = tx_now_ms(tx);
    const struct arg args[] = {arg_text(memory->id),      arg_text(owner),
                               arg_text(memory->project), arg_text(memory->topic),
                               arg_text(memory->title),   arg_text(memory->content),
                               arg_text(memory->tags),    arg_text(words),
                               arg_int(now_ms / DAY_MS),  arg_int(now_ms)};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
}

static struct bytes or_old(struct bytes given, struct bytes old) {
    return given.data == NULL ? old : given;
}

struct err tx_memory_change(struct tx *tx, struct bytes owner, const struct memory *memory) {
    static const char sql[] = "UPDATE memory SET topic = $3, title = $4, content = $5, tags = $6,"
                              " words = $7, day = $8, changed_ms = $9"
                              " WHERE owner = $1 AND memory = $2";
    bool found = false;
    struct memory now = {0};
    struct memory_key key = {owner, memory->id};
    struct err err = tx_memory_find(tx, &key, &found, &now);
    if (!err_failed(err) && !found) {
        err = err_make(ERR_NOT_FOUND, "memory: change");
    }
    struct bytes words = {NULL, 0};
    now.topic = or_old(memory->topic, now.topic);
    now.title = or_old(memory->title, now.title);
    now.content = or_old(memory->content, now.content);
    now.tags = or_old(memory->tags, now.tags);
    if (!err_failed(err)) {
        err = words_of(tx, &now, &words);
    }
    if (err_failed(err)) {
        return err;
    }
    int64_t now_ms = tx_now_ms(tx);
    const struct arg args[] = {arg_text(owner),     arg_text(memory->id),     arg_text(now.topic),
                               arg_text(now.title), arg_text(now.content),    arg_text(now.tags),
                               arg_text(words),     arg_int(now_ms / DAY_MS), arg_int(now_ms)};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* it was found */);
}

struct err tx_memory_forget(struct tx *tx, const struct memory_key *key) {
    const struct arg args[] = {arg_text(key->owner), arg_text(key->id)};
    int64_t changed = 0;
    struct err err = tx_exec(tx, "DELETE FROM memory WHERE owner = $1 AND memory = $2", args,
                             COUNT_OF(args), &changed);
    return !err_failed(err) && changed == 0 ? err_make(ERR_NOT_FOUND, "memory: forget") : err;
}

/* The row's texts end with it. */
static bool keep(struct arena *arena, struct bytes *text) {
    char *copy = arena_try_copy(arena, text->data, text->len);
    text->data = copy;
    return copy != NULL;
}

struct err memory__keep(struct tx *tx, struct memory *memory) {
    struct arena *arena = tx_arena(tx);
    bool kept = keep(arena, &memory->id) && keep(arena, &memory->project) &&
                keep(arena, &memory->topic) && keep(arena, &memory->title) &&
                keep(arena, &memory->content) && keep(arena, &memory->tags);
    return kept ? ERR_OK : err_make(ERR_OUT_OF_MEMORY, "memory: row");
}

struct err tx_memory_find(struct tx *tx, const struct memory_key *key, bool *ret_found,
                          struct memory *ret_memory) {
    static const char sql[] =
        "SELECT " MEMORY_COLUMNS " FROM memory WHERE owner = $1 AND memory = $2";
    const struct arg args[] = {arg_text(key->owner), arg_text(key->id)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (!err_failed(err) && rows != NULL) {
        memory__read(rows, ret_memory);
        err = memory__keep(tx, ret_memory);
    }
    if (!err_failed(err)) {
        *ret_found = rows != NULL;
    }
    return err;
}
