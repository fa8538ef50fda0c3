/* What agents remember, over a store of our own: on both databases the same. */
/* runs-with: sqlite, postgres */
#include "journal_kit.h"

#include "engine/memory/memory.h"
#include "engine/memory/words.h"

static int kit_begin(void **state) {
    struct kit *kit = kit_new(STORE_INLINE, NULL);
    kit->clock_ms = 20000LL * 24 * 60 * 60 * 1000 + 5; /* 2024-10-04 */
    *state = kit;
    return 0;
}

static int kit_end(void **state) {
    kit_free(*state);
    return 0;
}

struct job {
    struct kit_call call;
    struct memory memory;
    struct resource_key key;
    struct resource_page page;
    struct memory_question question;
    struct memory_days days;
    bool found;
    char told[4096];
};

static struct err add_tx(struct tx *tx, void *ctx) {
    struct job *job = ctx;
    return tx_resource_insert(tx, &memory_resource, &job->memory);
}

static struct err change_tx(struct tx *tx, void *ctx) {
    struct job *job = ctx;
    bool found = false;
    struct memory memory;
    struct err err = tx_resource_find(tx, &memory_resource, &job->key, &found, &memory);
    if (err_failed(err) || !found) {
        return err_failed(err) ? err : err_make(ERR_NOT_FOUND, "test");
    }
    memory.content = job->memory.content;
    return tx_resource_update(tx, &memory_resource, FIELD_SET, &memory);
}

static struct err forget_tx(struct tx *tx, void *ctx) {
    struct job *job = ctx;
    return tx_resource_remove(tx, &memory_resource, &job->key, NULL /* why */);
}

static struct err find_tx(struct tx *tx, void *ctx) {
    struct job *job = ctx;
    struct memory memory = {0};
    job->told[0] = '\0';
    job->found = false;
    struct err err = tx_resource_find(tx, &memory_resource, &job->key, &job->found, &memory);
    if (!err_failed(err) && job->found) {
        AUTO(text_done) struct text text;
        text_init(&text, sizeof job->told);
        fields_write(&memory_resource.fields, FIELD_LISTED, &memory, &text);
        memcpy(job->told, text.data, text.len + 1);
    }
    return err;
}

static struct err tell(void *ctx, const void *row) {
    struct job *job = ctx;
    const struct memory *memory = row;
    size_t len = strlen(job->told);
    (void)snprintf(job->told + len, sizeof job->told - len, "%s ", memory->id.text);
    return ERR_OK;
}

static struct err list_tx(struct tx *tx, void *ctx) {
    struct job *job = ctx;
    job->told[0] = '\0';
    return tx_resource_list(tx, &memory_resource, &job->page, tell, job);
}

static struct err recall_tx(struct tx *tx, void *ctx) {
    struct job *job = ctx;
    job->told[0] = '\0';
    return tx_memory_recall(tx, &job->question, tell, job);
}

static struct err tell_day(void *ctx, const void *day) {
    struct job *job = ctx;
    AUTO(text_done) struct text text;
    text_init(&text, 100);
    fields_write(&memory_day_fields, FIELD_LISTED, day, &text);
    size_t len = strlen(job->told);
    (void)snprintf(job->told + len, sizeof job->told - len, "%s ", text.data);
    return ERR_OK;
}

static struct err days_tx(struct tx *tx, void *ctx) {
    struct job *job = ctx;
    job->told[0] = '\0';
    return tx_memory_days(tx, &job->days, tell_day, job);
}

static enum err_code put(struct kit *kit, const char *owner, const char *id, const char *project,
                         const char *topic, const char *title, const char *content) {
    struct job job = {.memory = {.owner = kit_bytes(owner),
                                 .id = id_copy(bytes_of(id)),
                                 .project = kit_bytes(project),
                                 .topic = kit_bytes(topic),
                                 .title = kit_bytes(title),
                                 .content = kit_bytes(content),
                                 .tags = {.kept = BYTES("[\"tagged\"]")}}};
    return kit_write(kit, add_tx, &job.call).code;
}

static const char *recall(struct kit *kit, struct job *job, const char *query) {
    job->question.query = kit_bytes(query);
    assert_int_equal(kit_read(kit, recall_tx, &job->call).code, ERR_NONE);
    return job->told;
}

static void a_memory_is_kept_changed_and_forgotten(void **state) {
    struct kit *kit = *state;
    assert_int_equal(put(kit, "ann", "mem_1", "p", "build", "How to build", "Run make."), ERR_NONE);
    struct job job = {.key = {BYTES("ann"), BYTES("mem_1")}};
    kit_check(kit_read(kit, find_tx, &job.call));
    assert_string_equal(job.told,
                        "{\"id\":\"mem_1\",\"scope\":\"project\",\"project\":\"p\",\"topic\":"
                        "\"build\",\"title\":\"How to build\",\"content\":\"Run make.\",\"tags\":["
                        "\"tagged\"],\"day\":\"2024-10-04\",\"made_ms\":1728000000005,"
                        "\"changed_ms\":1728000000005}");
    kit->clock_ms += 24LL * 60 * 60 * 1000;
    job.memory = (struct memory){.content = BYTES("Run ninja.")};
    kit_check(kit_write(kit, change_tx, &job.call));
    kit_check(kit_read(kit, find_tx, &job.call));
    assert_non_null(strstr(job.told, "\"title\":\"How to build\",\"content\":\"Run ninja.\""));
    assert_non_null(strstr(job.told, "\"day\":\"2024-10-05\",\"made_ms\":1728000000005,"));
    job.question = (struct memory_question){.scope = {.owner = BYTES("ann")}, .limit = 5};
    assert_string_equal(recall(kit, &job, "ninja"), "mem_1 ");
    assert_string_equal(recall(kit, &job, "make"), "");
    /* Another owner's does not exist. */
    job.key.owner = BYTES("bob");
    assert_int_equal(kit_write(kit, forget_tx, &job.call).code, ERR_NOT_FOUND);
    assert_int_equal(kit_write(kit, change_tx, &job.call).code, ERR_NOT_FOUND);
    job.key.owner = BYTES("ann");
    kit_check(kit_write(kit, forget_tx, &job.call));
    kit_check(kit_read(kit, find_tx, &job.call));
    assert_false(job.found);
}

static void the_best_answer_comes_first(void **state) {
    struct kit *kit = *state;
    assert_int_equal(put(kit, "ann", "mem_1", "p", "misc", "Notes", "the database is fast"),
                     ERR_NONE);
    assert_int_equal(put(kit, "ann", "mem_2", "p", "database", "Schema", "tables"), ERR_NONE);
    assert_int_equal(put(kit, "ann", "mem_3", "p", "misc", "Database", "x"), ERR_NONE);
    assert_int_equal(put(kit, "ann", "mem_4", "q", "misc", "Database", "x"), ERR_NONE);
    assert_int_equal(put(kit, "ann", "mem_5", "", "misc", "Databases", "x"), ERR_NONE);
    assert_int_equal(put(kit, "bob", "mem_6", "p", "misc", "Database", "x"), ERR_NONE);
    assert_int_equal(put(kit, "ann", "mem_7", "p", "misc", "M\xC3\x9CLL 100%_x", "a_b"), ERR_NONE);
    struct job job = {
        .question = {
            .scope = {.owner = BYTES("ann"), .about = MEMORY_ABOUT_PROJECT, .project = BYTES("p")},
            .limit = 5}};
    assert_string_equal(recall(kit, &job, "database"), "mem_3 mem_2 mem_5 mem_1 ");
    assert_string_equal(recall(kit, &job, "DATABASE fast"), "mem_3 mem_2 mem_5 mem_1 ");
    assert_string_equal(recall(kit, &job, "datab"), "mem_5 mem_3 mem_2 mem_1 ");
    assert_string_equal(recall(kit, &job, "data base"), "mem_5 mem_3 mem_2 mem_1 ");
    assert_string_equal(recall(kit, &job, "m\xC3\xBCll"), "mem_7 ");
    assert_string_equal(recall(kit, &job, "tagged"), "mem_7 mem_5 mem_3 mem_2 mem_1 ");
    assert_string_equal(recall(kit, &job, "% _ ' \" \\"), "");
    assert_string_equal(recall(kit, &job, "%"), "");
    assert_string_equal(recall(kit, &job, "ables"), ""); /* Beginnings, not middles. */
    job.question.limit = 2;
    assert_string_equal(recall(kit, &job, "tagged"), "mem_7 mem_5 ");
    job.question.scope.topic = BYTES("database");
    assert_string_equal(recall(kit, &job, "database"), "mem_2 ");
    job.question.scope = (struct memory_scope){.owner = BYTES("ann")};
    assert_string_equal(recall(kit, &job, "database"), "mem_4 mem_3 ");
    job.question.scope.about = MEMORY_ABOUT_PROJECT;
    assert_string_equal(recall(kit, &job, "database"), "mem_5 ");
}

static void lists_page_from_the_newest(void **state) {
    struct kit *kit = *state;
    for (int i = 1; i <= 5; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "mem_%d", i);
        assert_int_equal(put(kit, "ann", id, i == 2 ? "" : "p", "t", "x", "y"), ERR_NONE);
        kit->clock_ms += i % 2 == 0 ? 24LL * 60 * 60 * 1000 : 1;
    }
    struct job job = {.page = {.owner = BYTES("ann"), .limit = 2}};
    kit_check(kit_read(kit, list_tx, &job.call));
    assert_string_equal(job.told, "mem_5 mem_4 ");
    job.page.before = kit_count(kit, "SELECT id FROM memory WHERE memory = 'mem_4'");
    job.page.limit = 9;
    kit_check(kit_read(kit, list_tx, &job.call));
    assert_string_equal(job.told, "mem_3 mem_2 mem_1 ");
    job.days = (struct memory_days){.scope = {.owner = BYTES("ann")}, .limit = 9};
    kit_check(kit_read(kit, days_tx, &job.call));
    assert_string_equal(job.told, "{\"day\":\"2024-10-06\",\"count\":1} "
                                  "{\"day\":\"2024-10-05\",\"count\":2} "
                                  "{\"day\":\"2024-10-04\",\"count\":2} ");
    job.days.before = 20001;
    kit_check(kit_read(kit, days_tx, &job.call));
    assert_string_equal(job.told, "{\"day\":\"2024-10-04\",\"count\":2} ");
}

static void what_does_not_fit_is_refused(void **state) {
    (void)state;
    static char long_text[MEMORY_CONTENT_MAX + 1];
    memset(long_text, 'x', sizeof long_text);
    struct memory memory = {.project = BYTES(""),
                            .topic = BYTES("t"),
                            .title = BYTES("t"),
                            .content = {long_text, MEMORY_CONTENT_MAX}};
    struct why why = {.text = ""};
    assert_int_equal(fields_check(&memory_resource.fields, FIELD_GIVEN, &memory, &why).code,
                     ERR_NONE);
    memory.content.len++;
    assert_int_equal(fields_check(&memory_resource.fields, FIELD_GIVEN, &memory, &why).code,
                     ERR_BAD_FIELD);
    assert_non_null(strstr(why.text, "\"content\" must have a length"));
    memory.content = BYTES("a\0b");
    assert_int_equal(fields_check(&memory_resource.fields, FIELD_GIVEN, &memory, &why).code,
                     ERR_BAD_FIELD);
    memory.content = BYTES("c");
    memory.topic = BYTES("");
    assert_int_equal(fields_check(&memory_resource.fields, FIELD_GIVEN, &memory, &why).code,
                     ERR_BAD_FIELD);
}

static void words_are_cut_and_lowered(void **state) {
    (void)state;
    AUTO(text_done) struct text text;
    text_init(&text, 1000);
    memory_words_write(BYTES("Hello, WORLD! a b2 \xC3\x84rger x_y1 50%"), &text);
    assert_string_equal(text.data, " hello world b2 \xC3\xA4rger y1 50");
    char word[200];
    for (size_t i = 0; i < sizeof word; i += 2) {
        memcpy(word + i, "\xC3\xA4", 2);
    }
    struct memory_words words;
    memory_words_of((struct bytes){word + 1, sizeof word - 1}, &words);
    assert_int_equal(words.count, 1);
    assert_in_range(words.items[0].len, MEMORY_WORD_MAX - 1, MEMORY_WORD_MAX);
    memory_words_of(BYTES("aa bb aa cc dd ee ff gg hh ii jj"), &words);
    assert_int_equal(words.count, MEMORY_WORDS_ASKED);
    assert_string_equal(words.items[2].text, "cc");
}

#define MEMORY_TEST(name) cmocka_unit_test_setup_teardown(name, kit_begin, kit_end)

int main(void) {
    const struct CMUnitTest tests[] = {
        MEMORY_TEST(a_memory_is_kept_changed_and_forgotten),
        MEMORY_TEST(the_best_answer_comes_first),
        MEMORY_TEST(lists_page_from_the_newest),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(words_are_cut_and_lowered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
