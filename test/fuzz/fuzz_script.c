/* fuzz_script.c: what users write, and who sends them files: a workflow or a flow. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "script/meta.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void require(bool holds) {
    if (!holds) {
        abort();
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    json_setup();
    return 0;
}

static unsigned lines_of(const char *text, size_t len) {
    unsigned lines = 0;
    for (size_t i = 0; i < len; i++) {
        lines += text[i] == '\n' ? 1 : 0;
    }
    return lines;
}

static void read_as(enum script_kind kind, const uint8_t *bytes, size_t len) {
    struct script_source source = {{(const char *)bytes, len}, BYTES("fuzz.js"), kind};
    struct script_prepared prepared = {.meta = NULL};
    struct script_fault fault = {.line = 0};
    struct err err = script_prepare(&source, &prepared, &fault);
    if (err_failed(err)) {
        require(err.code == ERR_BAD_SCRIPT && fault.message[0] != '\0' && fault.code != NULL);
        require(prepared.meta == NULL && prepared.text == NULL);
        require(len > SCRIPT_SOURCE_MAX || (fault.line > 0 && fault.column > 0));
    } else {
        require(script_meta_name(&prepared)[0] != '\0');
        require(script_meta_description(&prepared) != NULL);
        require((prepared.form == SCRIPT_FORM_FLOW) == (kind == SCRIPT_FLOW));
        /* Each line is where it was; what returns an export is one more. */
        unsigned added = prepared.form == SCRIPT_FORM_BODY ? 0 : 1;
        require(lines_of(prepared.text, prepared.len) ==
                lines_of((const char *)bytes, len) + added);
    }
    script_prepared_done(&prepared);
    script_fault_place(source.text, &(struct script_fault){.line = 2}); /* It comes back. */
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    for (unsigned kind = 0; kind < SCRIPT_KINDS; kind++) {
        read_as((enum script_kind)kind, bytes, len);
    }
    return 0;
}
