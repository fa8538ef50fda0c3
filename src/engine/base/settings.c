/* settings.c: the rows of settings, each a name and a JSON value. */
#include "engine/base/settings.h"

#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "engine/base/follow.h"
#include "journal/journal.h"
#include "rules/provider/provider.h"

/* The settings that are texts, in the order of the JSON; from PARTS_FROM on, lists and objects as
 * JSON. */
#define AT(member) offsetof(struct settings, member)
static const char *const text_names[] = {
    "default_model",  "instructions",   "effort",    "review_model",  "title_model", "public_url",
    "notify_webhook", "notify_command", "notify_on", "model_aliases", NULL};
static const size_t texts_at[] = {
    AT(default_model), AT(instructions),   AT(effort),         AT(review_model), AT(title_model),
    AT(public_url),    AT(notify_webhook), AT(notify_command), AT(notify_on),    AT(model_aliases)};
enum { TEXTS = COUNT_OF(texts_at), PARTS_FROM = TEXTS - 3 };

static struct bytes *text_at(struct settings *settings, size_t at) {
    return (struct bytes *)(void *)((char *)settings + texts_at[at]);
}

bool settings_effort_valid(struct bytes effort) {
    unsigned at = 0;
    return bytes_find(effort, effort_names, &at);
}

void settings_write_json(const struct settings *settings, struct text *text) {
    struct settings shown = *settings;
    text_add_char(text, '{');
    for (size_t i = 0; i < TEXTS; i++) {
        const struct bytes value = *text_at(&shown, i);
        if (i < PARTS_FROM || value.len == 0) {
            text_add_member_or_null(text, text_names[i], value);
        } else {
            text_add_name(text, text_names[i]);
            json_add_stored(text, value);
        }
    }
    text_add_member_int_or_null(text, "window", settings->window, settings->window > 0);
    text_add_member_int_or_null(text, "changed_ms", settings->changed_ms, settings->changed_ms > 0);
}

/* --- Aliases of models ------------------------------------------------------------------------ */

static bool begins_nocase(struct bytes text, struct bytes with) {
    return text.len >= with.len && bytes_equal_nocase((struct bytes){text.data, with.len}, with);
}

/* "sonnet" of "sonnet", "Sonnet[1m]" and "claude-sonnet-4-5"; empty: it is of no family. */
static struct bytes family_of(struct bytes name) {
    static const char *const families[] = {"haiku", "sonnet", "opus", "fable"};
    const bool claude = begins_nocase(name, BYTES("claude"));
    for (size_t i = 0; i < COUNT_OF(families); i++) {
        const struct bytes family = bytes_of(families[i]);
        for (size_t at = 0; at + family.len <= name.len && (claude || at == 0); at++) {
            if (begins_nocase((struct bytes){name.data + at, name.len - at}, family)) {
                return family;
            }
        }
    }
    return BYTES("");
}

bool model_is_of_claude(struct bytes name) {
    return begins_nocase(name, BYTES("claude")) || family_of(name).len > 0;
}

bool model_alias_find(struct bytes aliases, struct bytes name, struct model_name *ret_model) {
    AUTO(json_release) json_t *json = NULL;
    if (aliases.len == 0 || name.len == 0 || memchr(name.data, '/', name.len) != NULL ||
        err_failed(json_parse_wrapped(aliases, &json, NULL /* no why */))) {
        return false;
    }
    const struct bytes family = family_of(name);
    const json_t *model = json_object_getn(json, name.data, name.len);
    if (model == NULL && family.len > 0) {
        model = json_object_getn(json, family.data, family.len);
    }
    size_t len = json_string_length(model);
    if (len == 0 || len >= sizeof ret_model->text) {
        return false;
    }
    memcpy(ret_model->text, json_string_value(model), len + 1);
    return true;
}

/* --- In memory -------------------------------------------------------------------------------- */

struct settings_kept {
    struct settings settings;
    char *texts[TEXTS]; /* Owned. */
};

struct settings_kept *settings_kept_new(void) {
    return mem_new(sizeof(struct settings_kept));
}

void settings_kept_put(struct settings_kept *kept, const struct settings *settings) {
    struct settings copy = *settings;
    for (size_t i = 0; i < TEXTS; i++) {
        struct bytes *text = text_at(&copy, i);
        char *data = mem_copy(text->len > 0 ? text->data : "", text->len);
        mem_free(kept->texts[i]);
        text->data = kept->texts[i] = data;
    }
    kept->settings = copy;
}

const struct settings *settings_kept_get(const struct settings_kept *kept) {
    return &kept->settings;
}

void settings_kept_free(struct settings_kept *kept) {
    for (size_t i = 0; kept != NULL && i < TEXTS; i++) {
        mem_free(kept->texts[i]);
    }
    mem_free(kept);
}

/* --- Rows ------------------------------------------------------------------------------------- */

/* A damaged row counts as a setting that nobody made: no start may fail for one. */
struct err tx_settings_read(struct tx *tx, struct settings *ret_settings) {
    struct settings settings = {.window = 0};
    struct err err = ERR_OK;
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx, "SELECT name, value, changed_ms FROM settings ORDER BY name", NO_ARGS);
    while (err.code != ERR_OUT_OF_MEMORY && rows_step(rows)) {
        AUTO(json_release) json_t *json = NULL;
        int64_t changed_ms = rows_int(rows, 2);
        unsigned at = 0;
        settings.changed_ms = changed_ms > settings.changed_ms ? changed_ms : settings.changed_ms;
        err = json_parse_wrapped(rows_text(rows, 1), &json, NULL /* no why */);
        const bool known = bytes_find(rows_text(rows, 0), text_names, &at);
        if (known && at >= PARTS_FROM && (json_is_array(json) || json_is_object(json))) {
            *text_at(&settings, at) = tx_copy(tx, rows_text(rows, 1));
        } else if (known && at < PARTS_FROM && json_is_string(json)) {
            const struct bytes text = {json_string_value(json), json_string_length(json)};
            *text_at(&settings, at) = tx_copy(tx, text);
        } else if (json_is_integer(json) && bytes_is(rows_text(rows, 0), "window")) {
            settings.window = json_integer_value(json);
        }
    }
    *ret_settings = settings;
    return err.code == ERR_OUT_OF_MEMORY ? err : tx_error(tx);
}

/* An empty value: it is not set any more. */
static void row_tell(struct tx *tx, const char *name, const struct text *value) {
    AUTO(text_done) struct text data = text_up_to(EVENT_DATA_MAX);
    const struct follow change = {
        .name = "setting", .stream = "system", .key = "name", .id = bytes_of(name)};
    text_add_char(&data, '{');
    text_add_member(&data, "name", bytes_of(name));
    text_add_name(&data, "value");
    text_add(&data, value->data, value->len);
    text_add_char(&data, '}');
    follow_tell(tx, &change, value->len > 0 ? &data : NULL);
}

/* An empty value removes the row. A value that is the same keeps its time, and is no event. */
static struct err row_write(struct tx *tx, const char *name, const struct text *value) {
    if (text_failed(value)) {
        return text_error(value, "settings: value");
    }
    const int64_t changed =
        value->len == 0
            ? tx_change(tx, "DELETE FROM settings WHERE name = $1", ARGS(arg_str(name)))
            : tx_change(tx,
                        "INSERT INTO settings (name, value, changed_ms) VALUES ($1, $2, $3)"
                        " ON CONFLICT (name) DO UPDATE SET value = excluded.value,"
                        " changed_ms = excluded.changed_ms WHERE settings.value <> excluded.value",
                        ARGS(arg_str(name), arg_text(text_bytes(value)), arg_int(tx_now_ms(tx))));
    if (changed > 0) {
        row_tell(tx, name, value);
    }
    return tx_error(tx);
}

struct err tx_settings_write(struct tx *tx, const struct settings *settings) {
    struct settings given = *settings;
    struct err err = ERR_OK;
    for (size_t i = 0; i < TEXTS && !err_failed(err); i++) {
        const struct bytes value = *text_at(&given, i);
        AUTO(text_done) struct text json = text_up_to((size_t)SETTINGS_INSTRUCTIONS_MAX * 8);
        if (value.len > 0 && i >= PARTS_FROM) {
            text_add(&json, value.data, value.len);
        } else if (value.len > 0) {
            text_add_json(&json, value.data, value.len);
        }
        err = row_write(tx, text_names[i], &json);
    }
    AUTO(text_done) struct text number = text_up_to(32);
    if (given.window > 0) {
        text_add_int(&number, given.window);
    }
    return err_failed(err) ? err : row_write(tx, "window", &number);
}
