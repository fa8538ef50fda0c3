/* test_model_parts.c: what the model's room is made of: events, waits, prices, connections, keys,
 * scripts from files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "model/connection.h"
#include "model/failure.h"
#include "model/model.h"
#include "model/scripted/script.h"
#include "model/wire/sse.h"

static struct bytes of(const char *text) {
    return (struct bytes){text, strlen(text)};
}

/* --- Events ----------------------------------------------------------------------------------- */

/* "name=data;" for each event, fed in pieces of `step` bytes. */
static void events_are(const char *input, size_t step, const char *wanted) {
    struct sse sse;
    sse_init(&sse);
    char told[200] = "";
    struct sse_event event;
    size_t len = strlen(input), at = 0;
    while (at < len) {
        struct bytes rest = {input + at, at + step < len ? step : len - at};
        at += rest.len;
        while (sse_pull(&sse, &rest, &event) == SSE_EVENT) {
            size_t used = strlen(told);
            (void)snprintf(told + used, sizeof told - used, "%.*s=%.*s;", (int)event.name.len,
                           event.name.data, (int)event.data.len, event.data.data);
        }
        assert_int_equal(rest.len, 0);
    }
    if (sse_end(&sse, &event) == SSE_EVENT) {
        size_t used = strlen(told);
        (void)snprintf(told + used, sizeof told - used, "end:%.*s", (int)event.data.len,
                       event.data.data);
    }
    assert_string_equal(told, wanted);
    sse_done(&sse);
}

static void events_come_out_however_the_bytes_are_cut(void **state) {
    static const struct {
        const char *input, *wanted;
    } rows[] = {
        {"data: a\n\n", "=a;"},
        {"data:a\r\n\r\ndata:  b\r\r", "=a;= b;"},
        {"event: e\ndata: 1\ndata: 2\ndata\n\n", "e=1\n2\n;"},
        {": c\n\nevent: lost\n\ndata: x\n\n", "=x;"},
        {"\xef\xbb\xbf"
         "data: x\n\n\n\n",
         "=x;"},
        {"data: x\n\ndata: y", "=x;end:y"},
        {"id: 1\nretry: 5\nfoo: bar\n\n", ""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (size_t step = 1; step < 40; step++) {
            events_are(rows[i].input, step, rows[i].wanted);
        }
    }
}

static void an_event_has_a_bound(void **state) {
    struct sse sse;
    sse_init(&sse);
    static char piece[1 << 20];
    memset(piece, 'x', sizeof piece);
    struct sse_event event;
    struct bytes rest = of("data: ");
    assert_int_equal(sse_pull(&sse, &rest, &event), SSE_NOTHING);
    enum sse_found found = SSE_NOTHING;
    for (int i = 0; i < 9 && found == SSE_NOTHING; i++) {
        piece[sizeof piece - 1] =
            i == 7 ? '\n' : 'x'; /* The line ends in the piece that is too much. */
        rest = (struct bytes){piece, sizeof piece};
        found = sse_pull(&sse, &rest, &event);
    }
    assert_int_equal(found, SSE_TOO_LARGE);
    rest = of("\ndata: x\n\n");
    assert_int_equal(sse_pull(&sse, &rest, &event), SSE_TOO_LARGE);
    sse_done(&sse);
}

static void the_data_of_an_event_can_be_taken(void **state) {
    struct sse sse;
    sse_init(&sse);
    struct sse_event event;
    struct bytes rest = of("data: a\ndata: b\n\ndata:c\n\n"), data = {0};
    assert_int_equal(sse_pull(&sse, &rest, &event), SSE_EVENT);
    AUTO(mem_release) char *taken = sse_take(&sse, &data);
    assert_true(bytes_is(data, "a\nb"));
    assert_int_equal(sse_pull(&sse, &rest, &event), SSE_EVENT);
    assert_true(bytes_is(event.data, "c"));
    assert_true(bytes_is(data, "a\nb"));
    assert_non_null(taken);
    sse_done(&sse);
}

/* --- Waits ------------------------------------------------------------------------------------ */

static void waits_grow_and_vary_and_end(void **state) {
    const struct model_failure failure = {.cause = MODEL_PROVIDER_ERROR};
    static const uint64_t least[] = {375, 1500, 6000}, most[] = {625, 2500, 10000};
    uint64_t wait_ms;
    for (unsigned tries = 1; tries <= 3; tries++) {
        struct retry_try attempt = {.failure = &failure, .tries = tries};
        assert_true(retry_again(&attempt, &wait_ms));
        assert_int_equal(wait_ms, least[tries - 1]);
        attempt.random = UINT32_MAX;
        assert_true(retry_again(&attempt, &wait_ms));
        assert_int_equal(wait_ms, most[tries - 1]);
    }
    assert_false(retry_again(&(struct retry_try){.failure = &failure, .tries = 4}, &wait_ms));
    /* A provider that names no pause, however often it is asked. */
    const struct retry_try at_once = {
        .failure = &failure, .hint = {.timed = true}, .patience = PATIENCE_AGENT};
    for (unsigned tries = 1; tries <= 1000; tries++) {
        struct retry_try attempt = at_once;
        attempt.tries = tries;
        assert_true(retry_again(&attempt, &wait_ms));
        assert_int_equal(wait_ms, tries <= 3 ? 0 : least[2]);
    }
    assert_int_equal(retry_quota_pause_ms(1), 60000);
    assert_int_equal(retry_quota_pause_ms(2), 120000);
    assert_int_equal(retry_quota_pause_ms(100), 3600000);
}

static void each_cause_has_a_name_and_words(void **state) {
    for (unsigned cause = 0; cause < MODEL_CAUSE_COUNT; cause++) {
        assert_true(strlen(model_cause_name((enum model_cause)cause)) > 0);
        assert_true(strlen(model_cause_text((enum model_cause)cause)) > 0);
    }
}

/* --- Prices ----------------------------------------------------------------------------------- */

static void the_file_wins_then_the_longest_key(void **state) {
    struct prices *prices = NULL;
    struct why why = {""};
    assert_false(err_failed(prices_open(
        of("{\"models\":{\"claude-*\":{\"input\":1,\"output\":2},\"my/claude-opus-4-5\":{\"input\":"
           "7,\"output\":8,\"window\":5},\"local/*\":{\"vision\":false}}}"),
        &prices, &why)));
    struct model_facts facts = prices_find(prices, of("my"), of("claude-opus-4-5"));
    assert_int_equal(facts.price.fresh, 7);
    assert_int_equal(facts.window, 5);
    assert_int_equal(facts.output_max, 64000); /* The built-in row fills what the file left out. */
    facts = prices_find(prices, of("other"), of("claude-opus-4-5"));
    assert_int_equal(facts.price.fresh, 1);
    assert_int_equal(facts.price.cache_read, PRICE_UNKNOWN);
    facts = prices_find(prices, of("local"), of("anything/at:all"));
    assert_int_equal(facts.vision, ABILITY_NO);
    assert_int_equal(facts.price.fresh, PRICE_UNKNOWN);
    assert_int_equal(facts.tools, ABILITY_UNKNOWN);
    facts = prices_find(prices, of("openai"), of("gpt-4o-mini-2024-07-18"));
    assert_int_equal(facts.price.fresh, 150000);
    facts = prices_find(prices, of("openai"), of("gpt-4.1-turbo")); /* Not "gpt-4.1". */
    assert_int_equal(facts.price.fresh, PRICE_UNKNOWN);
    prices_close(prices);
}

static void a_price_file_with_a_fault_says_where(void **state) {
    static const struct {
        const char *text, *part;
    } rows[] = {
        {"{", "line 1"},
        {"{\"model\":{}}", "\"model\" is unknown"},
        {"{\"models\":[]}", "must be an object"},
        {"{\"models\":{\"a\":{\"input\":-1}}}", "price of \"a\""},
        {"{\"models\":{\"a\":{\"input\":2000000000}}}", "price of \"a\""},
        {"{\"models\":{\"a\":{\"inputs\":1}}}", "\"inputs\" is unknown"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct prices *prices = NULL;
        struct why why = {""};
        assert_true(err_failed(prices_open(of(rows[i].text), &prices, &why)));
        assert_null(prices);
        if (strstr(why.text, rows[i].part) == NULL) {
            fail_msg("%s: %s", rows[i].text, why.text);
        }
    }
}

/* --- Connections ------------------------------------------------------------------------------ */

static void a_connection_with_a_fault_is_refused_by_its_field(void **state) {
    const struct connection_header bad_name = {"a b", "x"}, bad_value = {"a", "x\r\ny: z"};
    const struct connection_header ours = {"Content-Length", "3"};
    const char *blank = "a b";
    const struct {
        struct model_connection connection;
        const char *part;
    } rows[] = {
        {{.name = "Upper", .base_url = "http://a"}, "name"},
        {{.name = "", .base_url = "http://a"}, "name"},
        {{.name = "a/b", .base_url = "http://a"}, "name"},
        {{.name = "a"}, "base_url"},
        {{.name = "a", .base_url = "ftp://a"}, "http://"},
        {{.name = "a", .base_url = "http://"}, "valid URL"},
        {{.name = "a", .base_url = "http://a b/"}, "valid URL"},
        {{.name = "a", .base_url = "http://me:pw@a/"}, "name or password"},
        {{.name = "a", .base_url = "http://a/v1?x=1&Api-Key=1"}, "holds a secret"},
        {{.name = "a", .base_url = "http://a/v1#x"}, "without #"},
        {{.name = "a", .base_url = "http://a", .key = ""}, "key"},
        {{.name = "a", .base_url = "http://a", .key = "a\nb"}, "key"},
        {{.name = "a", .base_url = "http://a", .headers = &bad_name, .header_count = 1}, "name"},
        {{.name = "a", .base_url = "http://a", .headers = &bad_value, .header_count = 1}, "value"},
        {{.name = "a", .base_url = "http://a", .headers = &ours, .header_count = 1}, "itself"},
        {{.name = "a", .base_url = "http://a", .models = &blank, .model_count = 1}, "model"},
        {{.name = "a", .base_url = "http://a", .numbers.window = -1}, "window"},
        {{.name = "a", .base_url = "http://a", .numbers.max_concurrent = 5000}, "max_concurrent"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct why why = {""};
        assert_true(err_failed(connection_check(&rows[i].connection, &why)));
        if (strstr(why.text, rows[i].part) == NULL) {
            fail_msg("row %zu: %s", i, why.text);
        }
    }
}

/* --- Keys ------------------------------------------------------------------------------------- */

static void write_key(const char *path, const char *text, mode_t mode) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs(text, file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void a_key_comes_from_a_file_of_its_owner_alone(void **state) {
    char path[] = "/tmp/drover-key-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    char *key = NULL;
    struct why why = {""};
    write_key(path, " sk-1\n", 0600);
    assert_false(err_failed(key_load(world_real(), path, &key, &why)));
    assert_string_equal(key, "sk-1");
    mem_wipe(&key);
    key = NULL;
    write_key(path, "sk-1\n", 0640);
    assert_int_equal(key_load(world_real(), path, &key, &why).code, ERR_CONFIG);
    assert_non_null(strstr(why.text, "chmod 600"));
    write_key(path, "sk-1 sk-2\n", 0600);
    assert_int_equal(key_load(world_real(), path, &key, &why).code, ERR_CONFIG);
    assert_null(strstr(why.text, "sk-1"));
    write_key(path, "\n", 0600);
    assert_int_equal(key_load(world_real(), path, &key, &why).code, ERR_CONFIG);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(key_load(world_real(), path, &key, &why).code, ERR_NOT_FOUND);
    assert_null(key);
}

/* --- Scripts from files ----------------------------------------------------------------------- */

static const char *first_words(const struct script_file *file, const char *model, const char *words,
                               size_t answers) {
    static char told[200];
    struct model_request *request = model_request_new(of("scripted/x"));
    for (size_t i = 0; i < answers + 1; i++) {
        model_request_add_message(request, i == 0 ? MODEL_USER : MODEL_ASSISTANT);
        model_request_add_text(request, of(words));
    }
    struct script_plan plan;
    script_plan_make(file, of(model), request, &plan);
    (void)snprintf(told, sizeof told, "%s", plan.actions[0].text);
    script_plan_done(&plan);
    model_request_free(request);
    return told;
}

static void a_file_says_what_a_model_answers_to_what(void **state) {
    struct script_file *file = NULL;
    struct why why = {""};
    assert_false(err_failed(script_file_open(
        of("{\"models\":{\"a\":{\"turns\":[{\"steps\":[[\"say: one\"],[\"say: two\"]]},"
           "{\"when\":\"weather\",\"steps\":[[\"say: rain\"]]}]}}}"),
        &file, &why)));
    assert_string_equal(first_words(file, "a", "hello", 0), "one");
    assert_string_equal(first_words(file, "a", "hello", 1), "two");
    assert_string_equal(first_words(file, "a", "the weather?", 0), "rain");
    assert_non_null(strstr(first_words(file, "a", "hello", 2), "hello"));
    assert_string_equal(first_words(file, "b", "say: mine", 0), "mine");
    script_file_close(file);
}

static void a_script_file_with_a_fault_says_where(void **state) {
    static const struct {
        const char *text, *part;
    } rows[] = {
        {"{\"models\":{\"a\":{\"turns\":[{\"steps\":[[\"says: x\"]]}]}}}", "\"a\".\"turns\"[0]"},
        {"{\"models\":{\"a\":{\"turns\":[{\"steps\":[[\"fail: 200\"]]}]}}}", "fail:"},
        {"{\"models\":{\"a\":{\"turns\":[{\"steps\":[\"say: x\"]}]}}}", "array of at most"},
        {"{\"models\":{\"a\":{\"turns\":[{}]}}}", "\"steps\" is missing"},
        {"{\"models\":{\"a\":{}}}", "\"turns\" is missing"},
        {"[]", "object"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct script_file *file = NULL;
        struct why why = {""};
        assert_true(err_failed(script_file_open(of(rows[i].text), &file, &why)));
        assert_null(file);
        if (strstr(why.text, rows[i].part) == NULL) {
            fail_msg("%s: %s", rows[i].text, why.text);
        }
    }
}

/* --- Faults ----------------------------------------------------------------------------------- */

static void a_key_of_a_few_letters_leaves_words_as_they_are(void **state) {
    (void)state;
    static const struct {
        const char *key, *detail;
    } rows[] = {
        {"k", "mock 1234567 and 12345678"},
        {"1234567", "mock 1234567 and 12345678"},
        {"12345678", "mock 1234567 and ********"},
        {NULL, "mock 1234567 and 12345678"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct model_failure failure = {.cause = MODEL_NONE};
        fault_of_answer(400, BYTES("{\"error\":{\"message\":\"mock 1234567 and 12345678\"}}"),
                        rows[i].key, &failure);
        assert_string_equal(failure.detail, rows[i].detail);
    }
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_come_out_however_the_bytes_are_cut),
        cmocka_unit_test(an_event_has_a_bound),
        cmocka_unit_test(the_data_of_an_event_can_be_taken),
        cmocka_unit_test(a_key_of_a_few_letters_leaves_words_as_they_are),
        cmocka_unit_test(waits_grow_and_vary_and_end),
        cmocka_unit_test(each_cause_has_a_name_and_words),
        cmocka_unit_test(the_file_wins_then_the_longest_key),
        cmocka_unit_test(a_price_file_with_a_fault_says_where),
        cmocka_unit_test(a_connection_with_a_fault_is_refused_by_its_field),
        cmocka_unit_test(a_key_comes_from_a_file_of_its_owner_alone),
        cmocka_unit_test(a_file_says_what_a_model_answers_to_what),
        cmocka_unit_test(a_script_file_with_a_fault_says_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
