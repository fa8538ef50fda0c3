/* marks_kit.h: two data directories: a store in one, and what is copied of it to the other. */
#ifndef DROVER_TEST_MARKS_KIT_H
#define DROVER_TEST_MARKS_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store_places.h"
#include "store_suite.h"

struct two_places {
    struct place place, other;
    struct suite suite, second;
};

static inline void places_make(struct two_places *two) {
    two->suite.where = place_make(&two->place);
    two->second.where = place_make(&two->other);
}

static inline void places_remove(struct two_places *two) {
    suite_close(&two->suite);
    suite_close(&two->second);
    place_remove(&two->place);
    place_remove(&two->other);
}

static inline void copy_file(const struct two_places *two, const char *name) {
    char from[256], to[256], bytes[4096];
    FILE *in = fopen(place_file(&two->place, name, from), "rb");
    FILE *out = fopen(place_file(&two->other, name, to), "wb");
    assert_non_null(in);
    assert_non_null(out);
    for (size_t len = fread(bytes, 1, sizeof bytes, in); len > 0;
         len = fread(bytes, 1, sizeof bytes, in)) {
        assert_int_equal(fwrite(bytes, 1, len, out), len);
    }
    assert_int_equal(fclose(in), 0);
    assert_int_equal(fclose(out), 0);
}

/* number: 1 where the daemon has to hold. */
static inline struct err read_home(struct tx *tx, void *ctx) {
    struct suite_call *call = ctx;
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, "SELECT home FROM nodes", NULL, 0, &rows);
    call->number = 0;
    if (!err_failed(err) && rows != NULL) {
        struct bytes home = rows_text(rows, 0);
        call->number = home.len > 8 && memcmp(home.data, "missing ", 8) == 0;
    }
    return err;
}

static inline bool holds(struct suite *suite) {
    int64_t number = -1;
    assert_int_equal(suite_ask(suite, read_home, NULL, &number).code, ERR_NONE);
    return number == 1;
}

static inline void make_rows(struct two_places *two, int count) {
    for (int i = 0; i < count; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "row-%d", i);
        assert_int_equal(suite_do(&two->suite, suite_insert, name).code, ERR_NONE);
    }
}

#endif
