/* pages_kit.c: see pages_kit.h. */
#include "pages_kit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

int pages_set_up(void **state) {
    struct pages *pages = mem_new(sizeof *pages);
    pages->suite.where = place_make(&pages->place);
    (void)place_file(&pages->place, "drover.db", pages->path);
    *state = pages;
    return 0;
}

int pages_tear_down(void **state) {
    struct pages *pages = *state;
    suite_close(&pages->suite);
    place_remove(&pages->place);
    mem_free(pages);
    return 0;
}

struct err pages_insert_rows(struct tx *tx, void *ctx) {
    struct err err = ERR_OK;
    char data[900]; /* Some rows need overflow pages together with others, most do not. */
    memset(data, 'x', sizeof data);
    for (int64_t i = 1; i <= ROWS && !err_failed(err); i++) {
        struct arg args[] = {arg_int(i), arg_text((struct bytes){data, sizeof data})};
        err = tx_exec(tx,
                      "INSERT INTO events (stream, seq, at_ms, type, data)"
                      " VALUES (1, $1, 0, 'note', $2)",
                      args, COUNT_OF(args), NULL);
    }
    (void)ctx;
    return err;
}

struct err pages_delete_rows(struct tx *tx, void *ctx) {
    (void)ctx;
    return tx_exec(tx, "DELETE FROM events WHERE seq > 20", NULL, 0, NULL);
}

/* number: rows that are not what was stored. */
struct err pages_read_rows(struct tx *tx, void *ctx) {
    struct suite_call *call = ctx;
    AUTO(rows_release) struct rows *rows = tx_rows(tx, "SELECT type, data FROM events", NO_ARGS);
    call->number = 0;
    while (rows_step(rows)) {
        struct bytes type = rows_text(rows, 0), data = rows_text(rows, 1);
        bool same = type.len == 4 && memcmp(type.data, "note", 4) == 0 && data.len == 900;
        for (size_t i = 0; same && i < data.len; i++) {
            same = data.data[i] == 'x';
        }
        call->number += same ? 0 : 1;
    }
    return tx_error(tx);
}

struct err pages_count_rows(struct tx *tx, void *ctx) {
    struct suite_call *call = ctx;
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, "SELECT count(*) FROM events", NULL, 0, &rows);
    call->number = err_failed(err) ? -1 : rows_int(rows, 0);
    return err;
}

void pages_fill(struct pages *pages) {
    suite_open(&pages->suite, STORE_INLINE);
    assert_int_equal(suite_do(&pages->suite, pages_insert_rows, NULL).code, ERR_NONE);
    suite_close(&pages->suite); /* The log is copied into the file. */
}

long pages_count(const char *path) {
    struct stat found;
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_size % PAGE_BYTES, 0);
    return found.st_size / PAGE_BYTES;
}

void pages_get(const char *path, long number, uint8_t *page) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, (number - 1) * PAGE_BYTES, SEEK_SET), 0);
    assert_int_equal(fread(page, 1, PAGE_BYTES, file), PAGE_BYTES);
    assert_int_equal(fclose(file), 0);
}

void pages_put(const char *path, long number, const uint8_t *page) {
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, (number - 1) * PAGE_BYTES, SEEK_SET), 0);
    assert_int_equal(fwrite(page, 1, PAGE_BYTES, file), PAGE_BYTES);
    assert_int_equal(fclose(file), 0);
}

void pages_have_checksums(const char *path) {
    uint8_t page[PAGE_BYTES];
    for (long number = 1; number <= pages_count(path); number++) {
        uint64_t stored;
        pages_get(path, number, page);
        memcpy(&stored, page + PAGE_BYTES - PAGE_SUM_BYTES, sizeof stored);
        assert_true(stored == page_sum(page, (uint32_t)number));
    }
}
