/* meta_kit.h: one script, prepared, and the result of that. */
#ifndef DROVER_TEST_META_KIT_H
#define DROVER_TEST_META_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "script/judge.h"
#include "script/meta.h"

#define META "export const meta = {name: \"x\", description: \"d\"};"

struct tried {
    struct err err;
    struct script_prepared prepared;
    struct script_notes notes;
    struct script_fault fault;
};

static inline struct tried try_source(enum script_kind kind, const char *text, const char *file) {
    struct script_source source = {bytes_of(text), bytes_of(file), kind};
    struct tried tried = {.prepared = {.meta = NULL}};
    tried.err = script_prepare(&source, &tried.prepared, &tried.fault);
    if (!err_failed(tried.err)) {
        assert_int_equal(script_judge(&source, &tried.prepared, &tried.notes).code, ERR_NONE);
    }
    return tried;
}

static inline void tried_done(struct tried *tried) {
    script_prepared_done(&tried->prepared);
}

static inline struct tried try_script(const char *text, const char *file) {
    return try_source(SCRIPT_WORKFLOW, text, file);
}

/* A script that must be valid. */
static inline struct tried prepare_script(const char *text, const char *file) {
    struct tried tried = try_script(text, file);
    if (err_failed(tried.err)) {
        print_error("%s: %s\n", text, tried.fault.message);
    }
    assert_int_equal(tried.err.code, ERR_NONE);
    return tried;
}

/* The same, of a body below META, which takes the first line. */
static inline struct tried prepare_body(const char *body) {
    AUTO(text_done) struct text script = text_up_to(1 << 20);
    text_addf(&script, META "\n%s", body);
    return prepare_script(text_bytes(&script).data, "f.js");
}

/* "2:5 code: message" of a fault, or "". */
static inline void assert_fault(const char *script, const char *wanted) {
    AUTO(tried_done) struct tried tried = try_script(script, "file.js");
    AUTO(text_done) struct text told;
    text_init(&told, 1000);
    if (err_failed(tried.err)) {
        text_addf(&told, "%u:%u %s: %s", tried.fault.line, tried.fault.column, tried.fault.code,
                  tried.fault.message);
    }
    const char *got = told.data == NULL ? "" : told.data;
    if (strncmp(got, wanted, strlen(wanted)) != 0 || (wanted[0] == '\0' && got[0] != '\0')) {
        print_error("script: %s\nwanted: %s\ngot:    %s\n", script, wanted, got);
    }
    assert_memory_equal(got, wanted, strlen(wanted) + (wanted[0] == '\0' ? 1 : 0));
}

#endif
