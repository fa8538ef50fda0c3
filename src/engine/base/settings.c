/* settings.c: the rows of settings, each a name and a JSON value. */
#include "engine/base/settings.h"

#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"

bool settings_effort_valid(struct bytes effort) {
    static const char *const words[] = {"low", "medium", "high"};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (strlen(words[i]) == effort.len && memcmp(words[i], effort.data, effort.len) == 0) {
            return true;
        }
    }
    return false;
}

static void write_text(struct text *text, struct bytes value) {
    if (value.len > 0) {
        text_add_json(text, value.data, value.len);
    } else {
        text_add_str(text, "null");
    }
}

void settings_write_json(const struct settings *settings, struct text *text) {
    text_add_str(text, "{\"default_model\":");
    write_text(text, settings->default_model);
    text_add_str(text, ",\"instructions\":");
    write_text(text, settings->instructions);
    text_add_str(text, ",\"effort\":");
    write_text(text, settings->effort);
    text_add_str(text, ",\"review_model\":");
    write_text(text, settings->review_model);
    text_add_str(text, ",\"title_model\":");
    write_text(text, settings->title_model);
    text_add_str(text, ",\"window\":");
    if (settings->window > 0) {
        text_add_int(text, settings->window);
    } else {
        text_add_str(text, "null");
    }
    text_add_str(text, ",\"changed_ms\":");
    if (settings->changed_ms > 0) {
        text_add_int(text, settings->changed_ms);
    } else {
        text_add_str(text, "null");
    }
}

/* --- In memory -------------------------------------------------------------------------------- */

enum { TEXTS = 5 };

struct settings_kept {
    struct settings settings;
    char *texts[TEXTS]; /* Owned. */
};

static void texts_of(struct settings *settings, struct bytes *ret_texts[TEXTS]) {
    ret_texts[0] = &settings->default_model;
    ret_texts[1] = &settings->instructions;
    ret_texts[2] = &settings->effort;
    ret_texts[3] = &settings->review_model;
    ret_texts[4] = &settings->title_model;
}

struct settings_kept *settings_kept_new(void) {
    return mem_new(sizeof(struct settings_kept));
}

void settings_kept_put(struct settings_kept *kept, const struct settings *settings) {
    struct settings copy = *settings;
    struct bytes *texts[TEXTS];
    texts_of(&copy, texts);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        char *text = mem_copy(texts[i]->len > 0 ? texts[i]->data : "", texts[i]->len);
        mem_free(kept->texts[i]);
        kept->texts[i] = text;
        texts[i]->data = text;
    }
    kept->settings = copy;
}

const struct settings *settings_kept_get(const struct settings_kept *kept) {
    return &kept->settings;
}

void settings_kept_free(struct settings_kept *kept) {
    if (kept != NULL) {
        for (size_t i = 0; i < COUNT_OF(kept->texts); i++) {
            mem_free(kept->texts[i]);
        }
        mem_free(kept);
    }
}

/* --- Rows ------------------------------------------------------------------------------------- */

static struct bytes *text_named(struct settings *settings, struct bytes name) {
    return bytes_is(name, "default_model")  ? &settings->default_model
           : bytes_is(name, "instructions") ? &settings->instructions
           : bytes_is(name, "effort")       ? &settings->effort
           : bytes_is(name, "review_model") ? &settings->review_model
           : bytes_is(name, "title_model")  ? &settings->title_model
                                            : NULL;
}

/* A damaged row counts as a setting that nobody made: no start may fail for one. */
static struct err value_read(struct tx *tx, struct bytes name, struct bytes value,
                             struct settings *settings) {
    AUTO(json_release) json_t *json = NULL;
    struct bytes *text = text_named(settings, name);
    struct err err = json_parse_wrapped(value, &json, NULL /* no why */);
    if (err_failed(err)) {
        return err.code == ERR_OUT_OF_MEMORY ? err : ERR_OK;
    }
    if (text != NULL && json_is_string(json)) {
        text->len = json_string_length(json);
        text->data = arena_try_copy(tx_arena(tx), json_string_value(json), text->len);
        return text->data != NULL ? ERR_OK : err_make(ERR_OUT_OF_MEMORY, "settings: value");
    }
    if (bytes_is(name, "window") && json_is_integer(json)) {
        settings->window = json_integer_value(json);
    }
    return ERR_OK;
}

struct err tx_settings_read(struct tx *tx, struct settings *ret_settings) {
    AUTO(rows_release) struct rows *rows = NULL;
    struct settings settings = {.window = 0};
    struct err err = tx_query(tx, "SELECT name, value, changed_ms FROM settings ORDER BY name",
                              NULL /* no argument */, 0, &rows);
    for (bool row = true; !err_failed(err) && row;) {
        err = rows_next(rows, &row);
        if (err_failed(err) || !row) {
            break;
        }
        int64_t changed_ms = rows_int(rows, 2);
        settings.changed_ms = changed_ms > settings.changed_ms ? changed_ms : settings.changed_ms;
        err = value_read(tx, rows_text(rows, 0), rows_text(rows, 1), &settings);
    }
    *ret_settings = settings;
    return err;
}

/* An empty value removes the row. A value that is the same keeps its time. */
static struct err row_write(struct tx *tx, const char *name, const struct text *value) {
    static const char put[] =
        "INSERT INTO settings (name, value, changed_ms) VALUES ($1, $2, $3)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value, changed_ms = excluded.changed_ms"
        " WHERE settings.value <> excluded.value";
    struct arg args[] = {arg_text(bytes_of(name)),
                         arg_text((struct bytes){value->data, value->len}), arg_int(tx_now_ms(tx))};
    if (text_failed(value)) {
        return text_error(value, "settings: value");
    }
    if (value->len == 0) {
        return tx_exec(tx, "DELETE FROM settings WHERE name = $1", args, 1, NULL /* or none */);
    }
    return tx_exec(tx, put, args, COUNT_OF(args), NULL /* one row or none */);
}

static struct err text_write(struct tx *tx, const char *name, struct bytes value) {
    AUTO(text_done) struct text json = text_up_to((size_t)SETTINGS_INSTRUCTIONS_MAX * 8);
    if (value.len > 0) {
        text_add_json(&json, value.data, value.len);
    }
    return row_write(tx, name, &json);
}

static struct err number_write(struct tx *tx, const char *name, int64_t value) {
    AUTO(text_done) struct text json = text_up_to(32);
    if (value > 0) {
        text_add_int(&json, value);
    }
    return row_write(tx, name, &json);
}

struct err tx_settings_write(struct tx *tx, const struct settings *settings) {
    struct err err = text_write(tx, "default_model", settings->default_model);
    err = err_failed(err) ? err : text_write(tx, "instructions", settings->instructions);
    err = err_failed(err) ? err : text_write(tx, "effort", settings->effort);
    err = err_failed(err) ? err : text_write(tx, "review_model", settings->review_model);
    err = err_failed(err) ? err : text_write(tx, "title_model", settings->title_model);
    return err_failed(err) ? err : number_write(tx, "window", settings->window);
}
