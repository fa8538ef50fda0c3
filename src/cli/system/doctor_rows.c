/* doctor_rows.c: damaged rows, and with --deep the folders of the spool that the database does
 * not know. The daemon is asked; where none runs, the database is read here, and the answers have
 * the form of those of the daemon (api/system/damage.c, api/system/damage_folders.c), so that the
 * same code shows them. */
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/number.h"
#include "base/utf8.h"
#include "cli/system/doctor.h"
#include "engine/run/runs.h"
#include "engine/system/damage.h"
#include "proc/spool/spool.h"
#include "store/datadir.h"
#include "store/offline.h"

enum {
    DAMAGE_SHOWN_MAX = 20,
    FOLDERS_ASKED = 50,
    FOLDERS_SHOWN_MAX = 20,
    FOLDERS_BYTES_MAX = 64 << 20,
    TARGET_MAX = 16 << 10,
    ANSWER_MS = 60000,
};

struct source {
    struct doctor *doctor;
    struct talk *talk;                 /* NULL: `look` is read. */
    struct store_look *look;           /* Owned. */
    struct damage_cursor cursor, next; /* next: written by the function, which may run again. */
    struct damage_page page;
    const char *names; /* Names of folders, with commas between. */
    json_t *items;     /* Owned, while a function runs. */
    struct why why;
};

/* --- Reading without a daemon ----------------------------------------------------------------- */

static void items_clear(struct source *source) {
    json_decref(source->items);
    source->items = json_array();
}

/* *ret_answer: owned. What found no memory is shown as an empty word. */
static struct err look_read(struct source *source, struct err (*run)(struct tx *tx, void *ctx),
                            json_t **ret_answer) {
    source->page.more = false;
    struct err err = store_look_read(source->look, run, source);
    json_t *answer = json_object();
    (void)json_object_set_new(answer, "items", source->items); /* Null is no array: no rows. */
    (void)json_object_set_new(answer, "next",
                              source->page.more ? json_string("more") : json_null());
    source->items = NULL;
    if (err_failed(err) || answer == NULL) {
        json_decref(answer);
        return err_failed(err) ? err : err_make(ERR_OUT_OF_MEMORY, "doctor: answer");
    }
    *ret_answer = answer;
    return ERR_OK;
}

static void item_set(json_t *item, const char *name, struct bytes value) {
    (void)json_object_set_new(item, name, json_stringn(value.data, value.len));
}

static void row_add(void *ctx, const struct damage *damage) {
    struct source *source = ctx;
    json_t *item = json_object();
    item_set(item, "table", bytes_of(damage->table));
    item_set(item, "row", damage->where);
    item_set(item, "column", bytes_of(damage->column));
    item_set(item, "what", bytes_of(damage->what));
    item_set(item, "remove", damage->remove);
    (void)json_array_append_new(source->items, item);
}

static struct err rows_page(struct tx *tx, void *ctx) {
    struct source *source = ctx;
    items_clear(source);
    source->next = source->cursor;
    return tx_damage_page(tx, DAMAGE_ALL, &source->next, row_add, source, &source->page);
}

static struct err folder_compare(struct tx *tx, struct source *source, struct bytes name) {
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
        item_set(item, "folder", name);
        item_set(item, "what", bytes_of(found ? "attempt_unknown" : "run_unknown"));
        (void)json_array_append_new(source->items, item);
    }
    return err;
}

static struct err folders_page(struct tx *tx, void *ctx) {
    struct source *source = ctx;
    struct err err = ERR_OK;
    items_clear(source);
    for (const char *at = source->names; *at != '\0' && !err_failed(err);) {
        size_t len = strcspn(at, ",");
        err = folder_compare(tx, source, (struct bytes){at, len});
        at += len + (at[len] == ',');
    }
    return err;
}

static struct err daemon_ask(struct source *source, const struct text *target,
                             json_t **ret_answer) {
    struct client_request request = {
        .method = "GET", .target = target->data, .timeout_ms = ANSWER_MS};
    return talk_ask(source->talk, &request, NULL /* parsed is enough */, ret_answer, &source->why);
}

/* --- Rows ------------------------------------------------------------------------------------- */

static void damage_print(struct doctor *doctor, const json_t *damage) {
    AUTO(text_done) struct text text = text_up_to(DOCTOR_TEXT_MAX);
    text_addf(&text, "table %s, row %s: %s %s; to remove the row, stop the daemon and run this in ",
              talk_text(damage, "table"), talk_text(damage, "row"), talk_text(damage, "column"),
              talk_text(damage, "what"));
    if (doctor->database != NULL) {
        text_add_str(&text, "psql: ");
    } else {
        /* Else it would copy the log into the file, without the checksums of pages. */
        text_addf(&text, "sqlite3 -cmd '.dbconfig no_ckpt_on_close on' %s/" DATADIR_DATABASE ": ",
                  doctor->data);
    }
    text_add_str(&text, talk_text(damage, "remove"));
    if (!text_failed(&text)) {
        utf8_make_plain(text.data, text.len); /* A key may hold anything. */
        doctor_fail_text(doctor, ERR_STORE_CORRUPT, "row", text.data);
    }
}

static void rows_check(struct source *source) {
    struct doctor *doctor = source->doctor;
    AUTO(json_release) json_t *answer = NULL;
    size_t found = 0;
    struct err err = ERR_OK;
    do {
        AUTO(text_done) struct text target = text_up_to(TARGET_MAX);
        const char *after = json_str(answer, "next", NULL);
        text_addf(&target, "/api/v1/damage%s%s",
                  after == NULL ? "" : "?after=", after == NULL ? "" : after);
        json_release(&answer);
        err = source->talk != NULL ? daemon_ask(source, &target, &answer)
                                   : look_read(source, rows_page, &answer);
        source->cursor = source->next;
        const json_t *items = json_object_get(answer, "items");
        for (size_t i = 0; i < json_array_size(items); i++) {
            if (found++ < DAMAGE_SHOWN_MAX) {
                damage_print(doctor, json_array_get(items, i));
            }
        }
    } while (!err_failed(err) && json_str(answer, "next", NULL) != NULL);
    if (err_failed(err)) {
        doctor_row(doctor, VERDICT_WARN, "rows", "%s", doctor_words(err, &source->why));
    } else if (found == 0) {
        doctor_row(doctor, VERDICT_OK, "rows", "all text and JSON can be read");
    } else if (found > DAMAGE_SHOWN_MAX) {
        doctor_row(doctor, VERDICT_WARN, "rows", "%zu columns are damaged; the first %d are shown",
                   found, DAMAGE_SHOWN_MAX);
    }
}

/* --- Folders ---------------------------------------------------------------------------------- */

static struct err folder_add(void *ctx, const char *name) {
    struct text *names = ctx;
    if (strchr(name, '.') != NULL && strchr(name, ',') == NULL) {
        text_add(names, name, strlen(name) + 1);
    }
    return ERR_OK;
}

/* A folder in which no command began says nothing, and may be gone by now with the row. */
static bool folder_ran(const struct spool *spool, const char *name) {
    struct spool_state state;
    struct err err = spool_decide(spool, name, SPOOL_LOOK, 0 /* not used */, &state);
    return !err_failed(err) &&
           (state.found == SPOOL_ALIVE || state.found == SPOOL_ENDED || state.found == SPOOL_GONE);
}

/* Compares the folders whose names are given, each terminated. */
static struct err folders_compare(struct source *source, const struct spool *spool,
                                  struct bytes names, int64_t *ret_count, int64_t *ret_unknown) {
    static const char path[] = "/api/v1/damage/folders?names=";
    struct err err = ERR_OK;
    for (size_t at = 0; at < names.len && !err_failed(err);) {
        AUTO(text_done) struct text target = text_up_to(TARGET_MAX);
        AUTO(json_release) json_t *answer = NULL;
        text_add_str(&target, path);
        for (int i = 0; i < FOLDERS_ASKED && at < names.len; i++) {
            text_addf(&target, "%s%s", i == 0 ? "" : ",", names.data + at);
            at += strlen(names.data + at) + 1;
            (*ret_count)++;
        }
        source->names = target.data + sizeof path - 1;
        err = source->talk != NULL ? daemon_ask(source, &target, &answer)
                                   : look_read(source, folders_page, &answer);
        const json_t *items = err_failed(err) ? NULL : json_object_get(answer, "items");
        for (size_t i = 0; i < json_array_size(items); i++) {
            const json_t *item = json_array_get(items, i);
            const char *folder = talk_text(item, "folder");
            bool attempt = strcmp(talk_text(item, "what"), "attempt_unknown") == 0;
            if (folder_ran(spool, folder) && (*ret_unknown)++ < FOLDERS_SHOWN_MAX) {
                doctor_fail(source->doctor, ERR_STORE_INCOMPLETE, "folder",
                            "%s/%s: the database does not know %s: it has lost it, or belongs to"
                            " another directory; copy what is of use out of it",
                            spool_path(spool), folder,
                            attempt ? "this attempt of its run" : "its run");
            }
        }
    }
    return err;
}

static void folders_check(struct source *source) {
    struct doctor *doctor = source->doctor;
    AUTO(mem_release) char *path = datadir_path(doctor->data, "spool");
    AUTO(text_done) struct text names = {0};
    struct spool *spool = NULL;
    int64_t count = 0, unknown = 0;
    if (access(path, F_OK) < 0) {
        return; /* spool_open would make it. */
    }
    struct err err = spool_open(doctor->data, &spool);
    text_init(&names, FOLDERS_BYTES_MAX);
    if (!err_failed(err)) {
        err = spool_each(spool, folder_add, &names);
    }
    if (!err_failed(err)) {
        err = folders_compare(source, spool, text_bytes(&names), &count, &unknown);
    }
    if (err_failed(err)) {
        doctor_row(doctor, VERDICT_WARN, "folders", "%s", doctor_words(err, &source->why));
    } else if (unknown > 0) {
        doctor_row(doctor, VERDICT_WARN, "folders",
                   "the database does not know %lld of %lld folders; %s", (long long)unknown,
                   (long long)count,
                   unknown > FOLDERS_SHOWN_MAX ? "the first 20 are shown" : "see above");
    } else {
        doctor_row(doctor, VERDICT_OK, "folders",
                   "the database knows the runs of all folders of the spool (%lld)",
                   (long long)count);
    }
    spool_close(spool);
}

void doctor_check_rows(struct doctor *doctor, struct talk *talk) {
    struct source source = {.doctor = doctor, .talk = talk};
    if (talk == NULL) {
        const char *where = doctor->database != NULL ? doctor->database : doctor->data;
        struct err err =
            store_look_open(where, doctor->invocation->world, &source.look, &source.why);
        if (err_failed(err)) {
            doctor_row(doctor, VERDICT_WARN, "rows", "%s", doctor_words(err, &source.why));
            return;
        }
    }
    rows_check(&source);
    source.why.text[0] = '\0';
    if (doctor->deep) {
        folders_check(&source);
    }
    if (talk == NULL) {
        store_look_close(source.look);
    }
}
