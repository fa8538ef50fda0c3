/* doctor_down.c: rows and folders of a database whose daemon doesn't run, read by drover doctor
 * --deep itself. The answers have the form of those of the daemon (api/system/damage.c,
 * api/system/damage_folders.c), so that the same code shows them. */
#include <string.h>

#include "base/memory.h"
#include "base/number.h"
#include "cli/base/cli.h"
#include "cli/system/doctor.h"
#include "engine/run/runs.h"
#include "engine/system/damage.h"
#include "store/offline.h"

struct doctor_down {
    struct store_look *look;           /* Owned. */
    struct damage_cursor cursor, next; /* next: written by the function, which may run again. */
    struct damage_page page;
    json_t *items; /* Owned, while a function runs. */
    const char *names;
};

struct err doctor_down_open(const struct doctor *doctor, struct doctor_down **ret_down,
                            struct why *why) {
    const char *where = doctor->database != NULL ? doctor->database : doctor->data;
    struct store_look *look = NULL;
    struct err err = store_look_open(where, doctor->invocation->world, &look, why);
    if (!err_failed(err)) {
        struct doctor_down *down = mem_new(sizeof *down);
        down->look = look;
        *ret_down = down;
    }
    return err;
}

void doctor_down_close(struct doctor_down *down) {
    if (down == NULL) {
        return;
    }
    store_look_close(down->look);
    mem_free(down);
}

static void items_clear(struct doctor_down *down) {
    json_decref(down->items);
    down->items = json_array();
}

/* *ret_answer: owned. What found no memory is shown as an empty word. */
static struct err answer_take(struct doctor_down *down, struct err err, bool more,
                              json_t **ret_answer) {
    json_t *answer = json_object();
    (void)json_object_set_new(answer, "items", down->items); /* Null is no array: no rows. */
    (void)json_object_set_new(answer, "next", more ? json_string("more") : json_null());
    down->items = NULL;
    if (err_failed(err) || answer == NULL) {
        json_decref(answer);
        return err_failed(err) ? err : err_make(ERR_OUT_OF_MEMORY, "doctor: answer");
    }
    *ret_answer = answer;
    return ERR_OK;
}

/* --- Rows ------------------------------------------------------------------------------------- */

static void row_add(void *ctx, const struct damage *damage) {
    struct doctor_down *down = ctx;
    json_t *item = json_object();
    (void)json_object_set_new(item, "table", json_string(damage->table));
    (void)json_object_set_new(item, "row", json_stringn(damage->where.data, damage->where.len));
    (void)json_object_set_new(item, "column", json_string(damage->column));
    (void)json_object_set_new(item, "what", json_string(damage->what));
    (void)json_object_set_new(item, "remove",
                              json_stringn(damage->remove.data, damage->remove.len));
    (void)json_array_append_new(down->items, item);
}

static struct err rows_page(struct tx *tx, void *ctx) {
    struct doctor_down *down = ctx;
    items_clear(down);
    down->next = down->cursor;
    return tx_damage_page(tx, DAMAGE_ALL, &down->next, row_add, down, &down->page);
}

struct err doctor_down_rows(struct doctor_down *down, json_t **ret_answer) {
    struct err err = store_look_read(down->look, rows_page, down);
    down->cursor = down->next;
    return answer_take(down, err, down->page.more, ret_answer);
}

/* --- Folders ---------------------------------------------------------------------------------- */

static struct err folder_compare(struct tx *tx, struct doctor_down *down, struct bytes name) {
    static const struct number_bounds attempts = {1, INT64_MAX};
    const char *dot = memchr(name.data, '.', name.len);
    size_t run_len = dot == NULL ? 0 : (size_t)(dot - name.data);
    int64_t attempt = 0;
    if (run_len == 0 ||
        !number_parse((struct bytes){dot + 1, name.len - run_len - 1}, attempts, &attempt)) {
        return ERR_OK; /* No name of ours. */
    }
    bool found = false;
    struct run_row row = {.attempt = 0};
    const struct run_key key = {.run = {name.data, run_len}};
    struct err err = tx_run_find_shown(tx, &key, &found, &row); /* Also a damaged one. */
    if (!err_failed(err) && (!found || row.attempt < attempt)) {
        json_t *item = json_object();
        (void)json_object_set_new(item, "folder", json_stringn(name.data, name.len));
        (void)json_object_set_new(item, "what",
                                  json_string(found ? "attempt_unknown" : "run_unknown"));
        (void)json_array_append_new(down->items, item);
    }
    return err;
}

static struct err folders_compare(struct tx *tx, void *ctx) {
    struct doctor_down *down = ctx;
    struct err err = ERR_OK;
    items_clear(down);
    for (const char *at = down->names; *at != '\0' && !err_failed(err);) {
        size_t len = strcspn(at, ",");
        err = folder_compare(tx, down, (struct bytes){at, len});
        at += len + (at[len] == ',');
    }
    return err;
}

struct err doctor_down_folders(struct doctor_down *down, const char *names, json_t **ret_answer) {
    down->names = names;
    struct err err = store_look_read(down->look, folders_compare, down);
    return answer_take(down, err, false, ret_answer);
}
