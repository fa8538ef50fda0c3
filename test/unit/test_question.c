/* Questions that may be asked, and answers that fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json/json.h"
#include "rules/approval/question.h"

static void a_question_has_a_kind_or_is_refused(void **state) {
    static const struct {
        const char *question, *why; /* why NULL: it may be asked. */
        enum approval_kind kind;
    } rows[] = {
        {"{\"question\":\"q\"}", NULL, ASKS_CONFIRM},
        {"{\"question\":\"q\",\"options\":[\"a\",\"b\"]}", NULL, ASKS_CHOICE},
        {"{\"question\":\"q\",\"schema\":{\"type\":\"object\"}}", NULL, ASKS_FORM},
        {"{\"options\":[\"a\"]}", "options: 2 to 50 texts", 0},
        {"{\"options\":[\"a\",\"b\",\"a\"]}", "options[2]: the same as options[0]", 0},
        {"{\"options\":[\"a\",\"\"]}", "options[1]: a text of 1 to 200 bytes", 0},
        {"{\"options\":[\"a\",1]}", "options[1]: a text of 1 to 200 bytes", 0},
        {"{\"options\":[\"a\",\"b\"],\"schema\":{}}", "options and schema: one of them, or none",
         0},
        {"{\"schema\":{\"type\":\"array\"}}", "schema: its type must be \"object\"", 0},
        {"{\"schema\":{\"type\":\"object\",\"required\":1}}", "schema: ", 0},
        {"{\"schema\":{\"type\":\"object\",\"minProperties\":2,\"maxProperties\":1}}",
         "schema: ", 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(json_release) json_t *question = NULL;
        enum approval_kind kind = APPROVAL_KIND_COUNT;
        struct why why = {""};
        assert_int_equal(json_parse_wrapped(bytes_of(rows[i].question), &question, &why).code,
                         ERR_NONE);
        struct err err = question_check(question, &kind, &why);
        if (rows[i].why == NULL) {
            assert_int_equal(err.code, ERR_NONE);
            assert_int_equal(kind, rows[i].kind);
        } else {
            assert_int_equal(err.code, ERR_BAD_FIELD);
            assert_memory_equal(why.text, rows[i].why, strlen(rows[i].why));
        }
    }
}

static void each_kind_takes_its_own_answer_and_a_no(void **state) {
    static const enum approval_verb takes[] = {[ASKS_LEAVE] = APPROVAL_ALLOW,
                                               [ASKS_ANSWER] = APPROVAL_ANSWER,
                                               [ASKS_CONFIRM] = APPROVAL_ALLOW,
                                               [ASKS_CHOICE] = APPROVAL_CHOICE,
                                               [ASKS_FORM] = APPROVAL_FIELDS};
    (void)state;
    for (unsigned kind = 0; kind < APPROVAL_KIND_COUNT; kind++) {
        for (unsigned verb = 0; verb < APPROVAL_VERB_COUNT; verb++) {
            const struct question_answer answer = {
                .kind = kind,
                .question = BYTES("{\"options\":[\"a\",\"b\"],\"schema\":{\"type\":\"object\"}}"),
                .verb = verb,
                .text = BYTES("{\"answer\":1,\"choice\":\"b\",\"fields\":{}}")};
            struct why why = {""};
            const bool fits = verb == APPROVAL_DENY || verb == takes[kind];
            assert_int_equal(question_check_answer(&answer, &why).code,
                             fits ? ERR_NONE : ERR_BAD_FIELD);
            assert_true(fits || why.text[0] != '\0');
        }
    }
}

static void a_value_must_fit(void **state) {
    static const struct {
        enum approval_kind kind;
        enum approval_verb verb;
        const char *text, *why;
    } rows[] = {
        {ASKS_CHOICE, APPROVAL_CHOICE, "{\"choice\":\"c\"}", "choice: none of the options"},
        {ASKS_CHOICE, APPROVAL_CHOICE, "{\"choice\":1}", "choice: none of the options"},
        {ASKS_FORM, APPROVAL_FIELDS, "{\"fields\":{\"n\":\"1\"}}", "fields: /n: must be "},
        {ASKS_FORM, APPROVAL_FIELDS, "{\"fields\":[]}", "fields: "},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct question_answer answer = {
            .kind = rows[i].kind,
            .question = BYTES("{\"options\":[\"a\",\"b\"],\"schema\":{\"type\":\"object\","
                              "\"properties\":{\"n\":{\"type\":\"integer\"}}}}"),
            .verb = rows[i].verb,
            .text = bytes_of(rows[i].text)};
        struct why why = {""};
        assert_int_equal(question_check_answer(&answer, &why).code, ERR_BAD_FIELD);
        assert_memory_equal(why.text, rows[i].why, strlen(rows[i].why));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_has_a_kind_or_is_refused),
        cmocka_unit_test(each_kind_takes_its_own_answer_and_a_no),
        cmocka_unit_test(a_value_must_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
