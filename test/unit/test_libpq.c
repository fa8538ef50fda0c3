/* The linker's --wrap puts this file in front of dlopen and dlsym. */
/* runs-with: sqlite, threads */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store/postgres/libpq.h"

struct fault {
    bool missing;        /* The library is not installed. */
    const char *unknown; /* The function that an older one does not have. */
};
static struct fault fault;

void *__real_dlopen(const char *path, int flags);
void *__wrap_dlopen(const char *path, int flags);
void *__real_dlsym(void *library, const char *name);
void *__wrap_dlsym(void *library, const char *name);
char *__wrap_dlerror(void);

void *__wrap_dlopen(const char *path, int flags) {
    return fault.missing ? NULL : __real_dlopen(path, flags);
}

void *__wrap_dlsym(void *library, const char *name) {
    bool unknown = fault.unknown != NULL && strcmp(fault.unknown, name) == 0;
    return unknown ? NULL : __real_dlsym(library, name);
}

char *__wrap_dlerror(void) {
    static char text[] = "libpq.so.5: cannot open shared object file";
    return text;
}

static int forget_fault(void **state) {
    (void)state;
    fault = (struct fault){.missing = false};
    return 0;
}

static bool is_mapped(const char *library) {
    char line[512];
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "re");
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps) != NULL) {
        found = found || strstr(line, library) != NULL;
    }
    assert_int_equal(fclose(maps), 0);
    return found;
}

static void the_library_is_in_memory_only_after_its_first_use(void **state) {
    (void)state;
    struct libpq libpq;
    assert_false(is_mapped("/libpq.so"));
    assert_int_equal(libpq_open(&libpq, NULL).code, ERR_NONE);
    assert_true(is_mapped("/libpq.so"));
    assert_non_null(libpq.PQgetisnull);
    libpq_close(&libpq);
    assert_null(libpq.PQgetisnull);
    libpq_close(&libpq); /* Twice is fine. */
}

static void a_missing_library_is_told_with_the_package_to_install(void **state) {
    (void)state;
    fault.missing = true;
    struct libpq libpq = {.library = state};
    struct why why = {.text = ""};
    assert_int_equal(libpq_open(&libpq, &why).code, ERR_CONFIG);
    assert_ptr_equal(libpq.library, state); /* Failure leaves ret_ parameters untouched. */
    assert_non_null(strstr(why.text, "apt install libpq5"));
}

static void an_older_library_is_told_with_the_function_that_it_lacks(void **state) {
    (void)state;
    fault.unknown = "PQenterPipelineMode";
    struct libpq libpq;
    struct why why = {.text = ""};
    assert_int_equal(libpq_open(&libpq, &why).code, ERR_CONFIG);
    assert_non_null(strstr(why.text, "PQenterPipelineMode"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_library_is_in_memory_only_after_its_first_use, forget_fault),
        cmocka_unit_test_setup(a_missing_library_is_told_with_the_package_to_install, forget_fault),
        cmocka_unit_test_setup(an_older_library_is_told_with_the_function_that_it_lacks,
                               forget_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
