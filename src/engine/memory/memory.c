/* memory.c: the rows, and who may have which. */
#include "engine/memory/memory.h"

#include <string.h>

#include "base/json/json.h"
#include "engine/memory/rows.h"
#include "engine/memory/words.h"

enum { DAY_MS = 24 * 60 * 60 * 1000 };

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
    text_add_member(text, "day", bytes_of(memory_date_of(memory->day).text));
    text_add_member_int(text, "made_ms", memory->made_ms);
    text_add_member_int(text, "changed_ms", memory->changed_ms);
    text_add_char(text, '}');
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
            return err_why(why, ERR_BAD_FIELD,
                           "\"%s\" must have a length in bytes from %zu to %zu, not %zu",
                           bound->name, bound->min, bound->max, bound->text.len);
        }
        if (memchr(bound->text.data, '\0', bound->text.len) != NULL) {
            return err_why(why, ERR_BAD_FIELD, "\"%s\" must not hold the character \\u0000",
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

void memory__copy(struct tx *tx, struct memory *memory) {
    struct bytes *const texts[] = {&memory->id,    &memory->project, &memory->topic,
                                   &memory->title, &memory->content, &memory->tags};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        *texts[i] = tx_copy(tx, *texts[i]);
    }
}

struct err tx_memory_find(struct tx *tx, const struct memory_key *key, bool *ret_found,
                          struct memory *ret_memory) {
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx, "SELECT " MEMORY_COLUMNS " FROM memory WHERE owner = $1 AND memory = $2",
               ARGS(arg_text(key->owner), arg_text(key->id)));
    *ret_found = rows != NULL;
    if (rows != NULL) {
        memory__read(rows, ret_memory);
        memory__copy(tx, ret_memory);
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
    int64_t now_ms = tx_now_ms(tx);
    tx_do(tx,
          "UPDATE memory SET topic = $3, title = $4, content = $5, tags = $6, words = $7, day = $8,"
          " changed_ms = $9 WHERE owner = $1 AND memory = $2",
          ARGS(arg_text(owner), arg_text(memory->id), arg_text(now.topic), arg_text(now.title),
               arg_text(now.content), arg_text(now.tags), arg_text(memory_words(tx, &now)),
               arg_int(now_ms / DAY_MS), arg_int(now_ms)));
    return tx_error(tx);
}

struct err tx_memory_forget(struct tx *tx, const struct memory_key *key) {
    int64_t changed = tx_change(tx, "DELETE FROM memory WHERE owner = $1 AND memory = $2",
                                ARGS(arg_text(key->owner), arg_text(key->id)));
    return changed > 0 || err_failed(tx_error(tx)) ? tx_error(tx)
                                                   : err_make(ERR_NOT_FOUND, "memory: forget");
}
