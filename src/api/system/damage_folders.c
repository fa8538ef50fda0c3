/* damage_folders.c: names of folders of the spool, each compared with the row of its run. The
 * caller has listed them, so that the daemon reads no disk for it. */
#include "api/system/damage.h"

#include <string.h>

#include "api/base/op.h"
#include "base/memory.h"
#include "base/number.h"
#include "engine/run/runs.h"

enum { QUERY_NAMES, NAMES_MAX = 50, NAME_MAX_BYTES = 64 };
enum { NAMES_SIZE = NAMES_MAX * (NAME_MAX_BYTES + 1) };

struct folders_op {
    struct op op;  /* First, as op_done wants it. */
    int64_t count; /* Number of items. */
    size_t len;
    char names[NAMES_SIZE];
};

struct folder {
    struct bytes name, run;
    int64_t attempt;
};

/* Takes the next name off *io_at. False: it is no name of a folder of ours. */
static bool folder_next(const struct folders_op *op, size_t *io_at, struct folder *ret_folder) {
    static const struct number_bounds attempts = {1, INT64_MAX};
    struct bytes name = {op->names + *io_at, op->len - *io_at};
    const char *comma = memchr(name.data, ',', name.len);
    name.len = comma == NULL ? name.len : (size_t)(comma - name.data);
    *io_at += name.len + 1;
    const char *dot = memchr(name.data, '.', name.len);
    size_t run_len = dot == NULL ? 0 : (size_t)(dot - name.data);
    *ret_folder = (struct folder){.name = name, .run = {name.data, run_len}};
    return run_len > 0 && name.len <= NAME_MAX_BYTES &&
           number_parse((struct bytes){dot + 1, name.len - run_len - 1}, attempts,
                        &ret_folder->attempt);
}

static struct err folder_compare(struct tx *tx, struct folders_op *op,
                                 const struct folder *folder) {
    bool found = false;
    struct run_row row = {.attempt = 0};
    const struct run_key key = {.run = folder->run};
    struct err err = tx_run_find_shown(tx, &key, &found, &row); /* Also a damaged one. */
    if (err_failed(err) || (found && row.attempt >= folder->attempt)) {
        return err;
    }
    struct text *text = &op->op.answer;
    text_add_str(text, op->count++ > 0 ? ",{\"folder\":" : "{\"folder\":");
    text_add_json(text, folder->name.data, folder->name.len);
    text_add_str(text, found ? ",\"what\":\"attempt_unknown\"}" : ",\"what\":\"run_unknown\"}");
    return ERR_OK;
}

static struct err compare(struct tx *tx, void *ctx) {
    struct folders_op *op = ctx;
    struct err err = ERR_OK;
    op_restart(&op->op);
    op->count = 0;
    text_add_str(&op->op.answer, "{\"items\":[");
    for (size_t at = 0; at < op->len && !err_failed(err);) {
        struct folder folder;
        if (folder_next(op, &at, &folder)) {
            err = folder_compare(tx, op, &folder);
        }
    }
    text_add_str(&op->op.answer, "]}");
    return err_failed(err) ? err : op_written(&op->op);
}

void damage_folders_list(struct exchange *exchange, void *ctx) {
    const struct system_info *info = ctx;
    struct bytes names = exchange_query_text(exchange, QUERY_NAMES);
    struct folders_op *op = mem_new(sizeof *op);
    op_init(&op->op, exchange, 200);
    op->len = names.len < NAMES_SIZE ? names.len : NAMES_SIZE;
    memcpy(op->names, names.len == 0 ? "" : names.data, op->len);
    store_read_slice(info->store, compare, op_done, op);
}

const struct query_param damage_folders_query[] = {
    [QUERY_NAMES] = {.name = "names",
                     .about = "Names of folders in DIR/spool, with commas between them.",
                     .kind = QUERY_TEXT,
                     .max = NAMES_SIZE},
    {.name = NULL},
};

const char damage_folders_answer[] =
    "{\"type\":\"object\",\"required\":[\"items\"],\"properties\":{\"items\":{\"type\":"
    "\"array\",\"items\":{\"type\":\"object\",\"required\":[\"folder\",\"what\"],"
    "\"properties\":{\"folder\":{\"type\":\"string\"},"
    "\"what\":{\"enum\":[\"run_unknown\",\"attempt_unknown\"]}}}}}}";
