/* The linker's --wrap puts this file in front of dlopen and dlsym. */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "loop/curl_library.h"

struct fault {
    const char *missing; /* The library that is not installed. */
    const char *unknown; /* The function that an older one does not have. */
};
static struct fault fault;

void *__real_dlopen(const char *path, int flags);
void *__wrap_dlopen(const char *path, int flags);
void *__real_dlsym(void *library, const char *name);
void *__wrap_dlsym(void *library, const char *name);
char *__wrap_dlerror(void);

void *__wrap_dlopen(const char *path, int flags) {
    bool missing = fault.missing != NULL && strcmp(fault.missing, path) == 0;
    return missing ? NULL : __real_dlopen(path, flags);
}

void *__wrap_dlsym(void *library, const char *name) {
    bool unknown = fault.unknown != NULL && strcmp(fault.unknown, name) == 0;
    return unknown ? NULL : __real_dlsym(library, name);
}

char *__wrap_dlerror(void) {
    static char text[] = "libcurl.so.4: cannot open shared object file";
    return text;
}

static int forget_fault(void **state) {
    (void)state;
    fault = (struct fault){.missing = NULL};
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
    struct curl_library curl;
    struct curl_trust trust;
    assert_false(is_mapped("/libcurl.so"));
    assert_false(is_mapped("/libssl.so"));
    assert_int_equal(curl_library_open(NULL, &curl, &trust, NULL).code, ERR_NONE);
    assert_true(is_mapped("/libcurl.so"));
    assert_non_null(curl.curl_free);
    assert_non_null(trust.store);
    curl_library_close(&curl, &trust);
    assert_null(curl.curl_free);
    assert_null(trust.store);
    curl_library_close(&curl, &trust); /* Twice is fine. */
}

static void a_missing_library_is_told_with_the_package_to_install(void **state) {
    fault.missing = "libcurl.so.4";
    struct curl_library curl = {.library = state};
    struct curl_trust trust = {.library = state};
    struct why why = {.text = ""};
    assert_int_equal(curl_library_open(NULL, &curl, &trust, &why).code, ERR_CONFIG);
    assert_ptr_equal(curl.library, state); /* Failure leaves ret_ parameters untouched. */
    assert_ptr_equal(trust.library, state);
    assert_non_null(strstr(why.text, "apt install libcurl4"));
}

static void an_older_library_is_told_with_the_function_that_it_lacks(void **state) {
    (void)state;
    fault.unknown = "curl_url_set";
    struct curl_library curl;
    struct curl_trust trust;
    struct why why = {.text = ""};
    assert_int_equal(curl_library_open(NULL, &curl, &trust, &why).code, ERR_CONFIG);
    assert_non_null(strstr(why.text, "curl_url_set"));
}

static void certificates_that_are_not_there_are_told_and_are_no_failure(void **state) {
    (void)state;
    struct curl_library curl;
    struct curl_trust trust;
    assert_int_equal(curl_library_open("/nowhere/ca.crt", &curl, &trust, NULL).code, ERR_NONE);
    assert_non_null(strstr(trust.why, "/nowhere/ca.crt"));
    assert_non_null(strstr(trust.why, "ca-certificates"));
    curl_library_close(&curl, &trust);
}

static void without_openssl_libcurl_is_left_to_itself(void **state) {
    (void)state;
    fault.missing = "libssl.so.3";
    struct curl_library curl;
    struct curl_trust trust;
    assert_int_equal(curl_library_open(NULL, &curl, &trust, NULL).code, ERR_NONE);
    assert_null(trust.store);
    assert_string_equal(trust.why, "");
    curl_library_close(&curl, &trust);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_library_is_in_memory_only_after_its_first_use, forget_fault),
        cmocka_unit_test_setup(a_missing_library_is_told_with_the_package_to_install, forget_fault),
        cmocka_unit_test_setup(an_older_library_is_told_with_the_function_that_it_lacks,
                               forget_fault),
        cmocka_unit_test_setup(certificates_that_are_not_there_are_told_and_are_no_failure,
                               forget_fault),
        cmocka_unit_test_setup(without_openssl_libcurl_is_left_to_itself, forget_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
