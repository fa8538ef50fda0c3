#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "http/target.h"

static struct bytes of(const char *text) {
    return (struct bytes){text, strlen(text)};
}

/* "seg|seg ? name=value;name=value @authority", to be compared with what is expected. */
static void show(const struct target *target, char *out, size_t size) {
    size_t at = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < target->segment_count; i++) {
        at += (size_t)snprintf(out + at, size - at, "%s%.*s", i == 0 ? "" : "|",
                               (int)target->segments[i].len, target->segments[i].data);
    }
    for (unsigned i = 0; i < target->pair_count; i++) {
        const struct target_pair *pair = &target->pairs[i];
        at += (size_t)snprintf(out + at, size - at, "%s%.*s=%.*s", i == 0 ? "?" : ";",
                               (int)pair->name.len, pair->name.data, (int)pair->value.len,
                               pair->value.data);
    }
    if (target->authority.data != NULL) {
        (void)snprintf(out + at, size - at, "@%.*s", (int)target->authority.len,
                       target->authority.data);
    }
}

static void good_targets_are_taken_apart(void **state) {
    static const char *const table[][2] = {
        {"/", ""},
        {"/a", "a"},
        {"/a/b", "a|b"},
        {"/a/", "a|"},
        {"/a%20b", "a b"},
        {"/%C3%A4", "\xc3\xa4"},
        {"/a+b", "a+b"},
        {"/a:b,c;d=e@f", "a:b,c;d=e@f"},
        {"/...", "..."},
        {"/.a", ".a"},
        {"/a?", "a"},
        {"/a?b", "a?b="},
        {"/a?b=", "a?b="},
        {"/a?b=c", "a?b=c"},
        {"/a?b=c&d=e", "a?b=c;d=e"},
        {"/a?b=c=d", "a?b=c=d"},
        {"/a?&&b=1&", "a?b=1"},
        {"/a?b=x+y%2B", "a?b=x y+"},
        {"/a?%62=%2F%3f", "a?b=/?"},
        {"/a?b=/../x?", "a?b=/../x?"},
        {"http://t/a", "a@t"},
        {"http://t:80/a?b=c", "a?b=c@t:80"},
        {"http://[::1]:9/", "@[::1]:9"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        char scratch[256], shown[256];
        struct target target;
        struct why why = {0};
        struct err err = target_parse(of(table[i][0]), scratch, &target, &why);
        if (err_failed(err)) {
            fail_msg("%s: %s", table[i][0], why.text);
        }
        show(&target, shown, sizeof shown);
        assert_string_equal(shown, table[i][1]);
    }
}

static void bad_targets_are_refused_with_a_reason(void **state) {
    static const struct {
        const char *raw;
        enum err_code code;
    } table[] = {
        {"", ERR_BAD_REQUEST},
        {"a", ERR_BAD_REQUEST},
        {"//", ERR_BAD_REQUEST},
        {"/a//b", ERR_BAD_REQUEST},
        {"/.", ERR_BAD_REQUEST},
        {"/..", ERR_BAD_REQUEST},
        {"/a/%2e%2e/b", ERR_BAD_REQUEST},
        {"/%2e", ERR_BAD_REQUEST},
        {"/a%2Fb", ERR_BAD_REQUEST},
        {"/a%5Cb", ERR_BAD_REQUEST},
        {"/a\\b", ERR_BAD_REQUEST},
        {"/%00", ERR_BAD_REQUEST},
        {"/%", ERR_BAD_REQUEST},
        {"/%1", ERR_BAD_REQUEST},
        {"/%gg", ERR_BAD_REQUEST},
        {"/%ff", ERR_BAD_REQUEST},
        {"/\xc3\xa4", ERR_BAD_REQUEST},
        {"/a b", ERR_BAD_REQUEST},
        {"/a#b", ERR_BAD_REQUEST},
        {"http://", ERR_BAD_REQUEST},
        {"http://t", ERR_BAD_REQUEST},
        {"http://t?a", ERR_BAD_REQUEST},
        {"http:///a", ERR_BAD_REQUEST},
        {"http://u@t/a", ERR_BAD_REQUEST},
        {"ftp://t/a", ERR_BAD_REQUEST},
        {"/a?=b", ERR_BAD_QUERY},
        {"/a?b=%", ERR_BAD_QUERY},
        {"/a?b=%00", ERR_BAD_QUERY},
        {"/a?%ff=1", ERR_BAD_QUERY},
        {"/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", ERR_NOT_FOUND},
        {"/a?1&2&3&4&5&6&7&8&9&10&11&12&13&14&15&16&17&18&19&20&21&22&23&24&25&26&27&28&29&30&31&32"
         "&33",
         ERR_BAD_QUERY},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        char scratch[256];
        struct target target;
        struct why why = {0};
        struct err err = target_parse(of(table[i].raw), scratch, &target, &why);
        if (err.code != table[i].code) {
            fail_msg("%s: %s", table[i].raw, err_name(err.code));
        }
        assert_true(why.text[0] != '\0');
    }
}

static const struct query_param table[] = {
    {.name = "n", .kind = QUERY_INT, .min = -5, .max = 5, .absent = 3},
    {.name = "text", .kind = QUERY_TEXT, .max = 4},
    {.name = "flag", .kind = QUERY_FLAG, .absent = 1},
    {.name = "free", .kind = QUERY_TEXT},
    {.name = NULL},
};

static struct err read_query(const char *raw, struct query_value *values, struct why *why) {
    static char scratch[512]; /* The values point into it. */
    static struct target target;
    struct err err = target_parse(of(raw), scratch, &target, why);
    return err_failed(err) ? err : query_read(table, &target, values, why);
}

static void a_query_is_read_by_its_table(void **state) {
    struct query_value values[QUERY_PARAMS_MAX];
    struct why why = {0};
    assert_int_equal(read_query("/", values, &why).code, ERR_NONE);
    assert_int_equal(values[0].number, 3);
    assert_false(values[0].given);
    assert_int_equal(values[2].number, 1);
    assert_int_equal(values[1].text.len, 0);
    assert_int_equal(read_query("/?n=-5&text=%C3%A4&flag=0&free=", values, &why).code, ERR_NONE);
    assert_int_equal(values[0].number, -5);
    assert_true(values[0].given);
    assert_int_equal(values[1].text.len, 2);
    assert_int_equal(values[2].number, 0);
    assert_true(values[3].given);
    assert_int_equal(read_query("/?flag=false", values, &why).code, ERR_NONE);
    assert_int_equal(values[2].number, 0);
    assert_int_equal(read_query("/?flag=true", values, &why).code, ERR_NONE);
    assert_int_equal(values[2].number, 1);
}

static void what_the_table_lacks_is_refused_by_name(void **state) {
    static const char *const bad[][2] = {
        {"/?m=1", "'m'"},         {"/?n=1&n=1", "'n'"},  {"/?n=6", "'n'"},
        {"/?n=-6", "'n'"},        {"/?n=", "'n'"},       {"/?n", "'n'"},
        {"/?n=+1", "'n'"},        {"/?n=1.0", "'n'"},    {"/?text=12345", "'text'"},
        {"/?flag=yes", "'flag'"}, {"/?flag=", "'flag'"}, {"/?N=1", "'N'"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct query_value values[QUERY_PARAMS_MAX];
        struct why why = {0};
        assert_int_equal(read_query(bad[i][0], values, &why).code, ERR_BAD_QUERY);
        assert_non_null(strstr(why.text, bad[i][1]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_targets_are_taken_apart),
        cmocka_unit_test(bad_targets_are_refused_with_a_reason),
        cmocka_unit_test(a_query_is_read_by_its_table),
        cmocka_unit_test(what_the_table_lacks_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
