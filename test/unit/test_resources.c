/* Rules for every resource, by its descriptor: what is given is kept, shown and found again;
 * another owner has none of it; lists use an index; each change is an event with what lists show.
 * And descriptors with a mistake, which the same checks must find. */
#include "journal_kit.h"

#include "engine/base/resource.h"
#include "rules/memory/memory.h"
#include "rules/resources.h"

static int kit_begin(void **state) {
    struct kit *kit = kit_new(STORE_INLINE, NULL);
    kit->clock_ms = 1728000000005;
    *state = kit;
    return 0;
}

static int kit_end(void **state) {
    kit_free(*state);
    return 0;
}

/* Fields that are no part of a row stand behind it, in the view that a feature makes of it. */
enum { VIEW_MAX = 4096 };

struct check {
    struct kit_call call;
    struct kit *kit;
    const struct resource *resource;
    struct text complaints; /* Owned. */
    void *row, *found_row;  /* Owned. */
    struct resource_key key;
    bool found;
    size_t listed;
    struct resource_page page;
    struct text event; /* Owned: the newest, "TYPE DATA". */
};

static void complain(struct check *check, const char *words, const char *about) {
    text_addf(&check->complaints, "%s: %s %s\n", check->resource->name, words, about);
}

/* --- Rows of our own -------------------------------------------------------------------------- */

/* A column that is never written has the value of another table. */
static bool is_ours(const struct field *field) {
    return field->column != NULL && field->group != 0 && strcmp(field->column, "id") != 0 &&
           strcmp(field->column, "owner") != 0 && field->kind != FIELD_TIME &&
           field->kind != FIELD_DAY;
}

static int64_t number_within(const struct field *field, int variant) {
    const int64_t number = field->min + 1 + variant;
    return field->max > 0 && number > field->max ? field->max : number;
}

/* Lives as long as the test. */
static struct bytes text_kept(const char *text) {
    static char kept[1024][64];
    static size_t count;
    assert_true(count < COUNT_OF(kept));
    (void)snprintf(kept[count], sizeof kept[0], "%s", text);
    return bytes_of(kept[count++]);
}

/* Different for each field and each variant. */
static void value_set(struct check *check, const struct field *field, int variant) {
    void *at = (char *)check->row + field->at;
    char text[64];
    (void)snprintf(text, sizeof text, "%c%.20s", 'x' + variant, field->name);
    const struct id id = id_make(check->resource->prefix != NULL ? check->resource->prefix : "res",
                                 check->kit->clock_ms, (const uint8_t[10]){1});
    switch (field->kind) {
    case FIELD_TEXT:
        *(struct bytes *)at =
            field->names != NULL ? bytes_of(field->names[variant]) : text_kept(text);
        break;
    case FIELD_STORED:
        *(struct bytes *)at = variant == 0 ? BYTES("[\"x\"]") : BYTES("[\"y\"]");
        break;
    case FIELD_LIST:
        ((struct field_list *)at)->kept = variant == 0 ? BYTES("[\"x\"]") : BYTES("[\"y\"]");
        break;
    case FIELD_ID:
        *(struct id *)at = id;
        break;
    case FIELD_INT:
        *(int64_t *)at = number_within(field, variant);
        break;
    case FIELD_BOOL:
        *(bool *)at = variant == 0;
        break;
    case FIELD_NAME:
    case FIELD_NAMES:
        *(unsigned *)at = 1U + (unsigned)variant;
        break;
    default:
        break;
    }
}

static void row_set(struct check *check, unsigned groups, int variant) {
    const struct field_set *set = &check->resource->fields;
    for (size_t i = 0; i < set->count; i++) {
        const struct field *field = &set->rows[i];
        const bool changed = field_has(set, field, FIELD_CHANGED);
        if (is_ours(field) && (variant == 0 || changed || (field->group & groups) != 0)) {
            value_set(check, field, variant);
        }
    }
}

/* --- Transactions ----------------------------------------------------------------------------- */

static struct err insert_tx(struct tx *tx, void *ctx) {
    struct check *check = ctx;
    return tx_resource_insert(tx, check->resource, check->row);
}

static struct err update_tx(struct tx *tx, void *ctx) {
    struct check *check = ctx;
    return tx_resource_update(tx, check->resource, FIELD_SET, check->row);
}

static struct err remove_tx(struct tx *tx, void *ctx) {
    struct check *check = ctx;
    return tx_resource_remove(tx, check->resource, &check->key, NULL /* why */);
}

/* Keeps the JSON of the row in `event`, since its texts end with the transaction. */
static struct err find_tx(struct tx *tx, void *ctx) {
    struct check *check = ctx;
    struct err err =
        tx_resource_find(tx, check->resource, &check->key, &check->found, check->found_row);
    text_clear(&check->event);
    if (!err_failed(err) && check->found) {
        fields_write(&check->resource->fields, FIELD_LISTED | FIELD_WHOLE, check->found_row,
                     &check->event);
    }
    return err;
}

static struct err count_row(void *ctx, const void *row) {
    struct check *check = ctx;
    (void)row;
    check->listed++;
    return ERR_OK;
}

static struct err list_tx(struct tx *tx, void *ctx) {
    struct check *check = ctx;
    check->listed = 0;
    return tx_resource_list(tx, check->resource, &check->page, count_row, check);
}

static struct err keep_event(void *ctx, const struct event *event) {
    struct check *check = ctx;
    text_clear(&check->event);
    text_addf(&check->event, "%.*s %.*s", (int)event->type.len, event->type.data,
              (int)event->data.len, event->data.data);
    return ERR_OK;
}

static struct err event_tx(struct tx *tx, void *ctx) {
    struct check *check = ctx;
    struct stream_state state = {.stream = 0};
    bool found = false;
    const bool owned = resource_is_owned(check->resource);
    const bool admin = check->resource->routes[RESOURCE_LIST].scope == SCOPE_ADMIN;
    struct err err = tx_stream_find(tx, owned ? BYTES("ann") : BYTES("local"),
                                    owned   ? BYTES("owner:ann")
                                    : admin ? BYTES("system:admin")
                                            : BYTES("system"),
                                    &found, &state);
    text_clear(&check->event);
    return err_failed(err) || !found
               ? err
               : tx_events(tx, state.stream, state.head - 1, 1, keep_event, check);
}

static bool succeeds(struct check *check, store_fn fn, const char *what) {
    struct err err = kit_write(check->kit, fn, &check->call);
    if (err_failed(err)) {
        complain(check, what, err_name(err.code));
    }
    return !err_failed(err);
}

/* --- Checks ----------------------------------------------------------------------------------- */

/* A value that follows from others, as that of each member of an object does. */
static bool is_computed(const struct field *field) {
    bool all = field->kind == FIELD_OBJECT;
    for (size_t i = 0; all && i < field->fields->count; i++) {
        all = field->fields->rows[i].get != NULL;
    }
    return all || field->get != NULL;
}

static void fields_look(struct check *check) {
    const struct field_set *set = &check->resource->fields;
    for (size_t i = 0; i < set->count; i++) {
        const struct field *field = &set->rows[i];
        const bool given = field_has(set, field, FIELD_GIVEN | FIELD_CHANGED);
        if (given && field->kind == FIELD_TEXT && field->max == 0 && field->names == NULL) {
            complain(check, "a text has no bound:", field->name);
        }
        if (field_has(set, field, FIELD_TOLD) && field->column == NULL && !is_computed(field)) {
            complain(check, "is in events, and not kept:", field->name);
        }
        if (field_has(set, field, FIELD_CHANGED) && (field->group & FIELD_SET) == 0 &&
            field->column != NULL) {
            complain(check, "is changed, and not written:", field->name);
        }
    }
}

/* The row as it was written and as it is found. */
static void same_look(struct check *check, const char *what) {
    AUTO(text_done) struct text wanted = text_up_to(1 << 20);
    fields_write(&check->resource->fields, FIELD_LISTED | FIELD_WHOLE, check->row, &wanted);
    if (!succeeds(check, find_tx, "find:")) {
        return;
    }
    if (!check->found || !bytes_equal(text_bytes(&wanted), text_bytes(&check->event))) {
        complain(check, what, check->found ? "finds another row" : "finds nothing");
    }
}

static void event_look(struct check *check, bool removed) {
    AUTO(text_done) struct text wanted = text_up_to(1 << 20);
    text_addf(&wanted, "%s_changed ", check->resource->name);
    if (removed) {
        text_addf(&wanted, "{\"%s\":\"%.*s\",\"removed\":true}", check->resource->key,
                  (int)check->key.id.len, check->key.id.data);
    } else {
        fields_write(&check->resource->fields, FIELD_TOLD, check->row, &wanted);
    }
    if (succeeds(check, event_tx, "event:") &&
        !bytes_equal(text_bytes(&wanted), text_bytes(&check->event))) {
        complain(check, "the event is", check->event.len > 0 ? check->event.data : "absent");
    }
}

static void lists_look(struct check *check, size_t wanted, const char *what) {
    if (succeeds(check, list_tx, "list:") && check->listed != wanted) {
        complain(check, "the list is wrong:", what);
    }
}

static void filters_look(struct check *check) {
    const struct field_set *set = &check->resource->fields;
    for (size_t i = 0; i < set->count; i++) {
        const struct field *field = &set->rows[i];
        if (field->filter == FIELD_EQUAL || field->filter == FIELD_EQUAL_OR_NONE) {
            const struct bytes value = resource_text(check->resource, field->name, check->row);
            check->page.filter_count = 1;
            check->page.filters[0] = (struct resource_filter){field, value};
            lists_look(check, 1, field->name);
            check->page.filters[0].value = BYTES("another");
            lists_look(check, 0, field->name);
            check->page.filter_count = 0;
        }
    }
}

/* A plan that reads a whole table, or sorts. SQLite alone says so of an empty one. */
static struct err plan_tx(struct tx *tx, void *ctx) {
    static char plans[32][2048]; /* Statements are known by their address. */
    static size_t count;
    struct check *check = ctx;
    AUTO(text_done) struct text sql = text_up_to(sizeof plans[0] - 32);
    struct arg args[2 + RESOURCE_FILTERS_MAX];
    size_t given = resource_is_owned(check->resource) ? 3 : 2;
    assert_true(count < COUNT_OF(plans));
    resource__list_sql(check->resource, 0 /* filters */, &sql);
    (void)snprintf(plans[count], sizeof plans[0], "EXPLAIN QUERY PLAN %s", sql.data);
    for (size_t i = 0; i < given; i++) {
        args[i] = arg_int(1);
    }
    AUTO(rows_release) struct rows *rows = tx_rows(tx, plans[count++], args, given);
    while (rows_step(rows)) {
        const struct bytes step = rows_text(rows, 3);
        char text[256];
        (void)snprintf(text, sizeof text, "%.*s", (int)step.len, step.data);
        if (strstr(text, "SCAN") != NULL || strstr(text, "TEMP B-TREE") != NULL) {
            complain(check, "a list without an index:", text);
        }
    }
    return tx_error(tx);
}

static bool is_named(const struct resource *resource, const char *column) {
    return resource_column(resource, column) != NULL || strcmp(column, "id") == 0 ||
           (resource->removal != NULL && strcmp(column, resource->removal) == 0);
}

/* After all migrations. Only SQLite is asked: both databases have the same tables. */
static struct err columns_tx(struct tx *tx, void *ctx) {
    struct check *check = ctx;
    const struct arg args[] = {arg_text(bytes_of(check->resource->table))};
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx, "SELECT name FROM pragma_table_info($1)", args, COUNT_OF(args));
    while (rows_step(rows)) {
        const struct bytes column = rows_text(rows, 0);
        char name[128];
        (void)snprintf(name, sizeof name, "%.*s", (int)column.len, column.data);
        if (!is_named(check->resource, name)) {
            complain(check, "no field has the column", name);
        }
    }
    return tx_error(tx);
}

static void owners_look(struct check *check) {
    const struct bytes owner = check->key.owner;
    if (!resource_is_owned(check->resource)) {
        return;
    }
    check->key.owner = check->page.owner = BYTES("bob");
    if (succeeds(check, find_tx, "find:") && check->found) {
        complain(check, "another owner finds it", "");
    }
    if (kit_write(check->kit, remove_tx, &check->call).code != ERR_NOT_FOUND) {
        complain(check, "another owner removes it", "");
    }
    lists_look(check, 0, "of another owner");
    check->key.owner = check->page.owner = owner;
}

static bool is_changed(const struct resource *resource) {
    bool changed = false;
    for (size_t i = 0; i < resource->fields.count; i++) {
        changed = changed || (resource->fields.rows[i].group & FIELD_SET) != 0;
    }
    return changed;
}

static struct bytes row_name(const struct check *check) {
    return resource_text(check->resource, check->resource->key, check->row);
}

static void rows_look(struct check *check) {
    const struct field *owner = resource_column(check->resource, "owner");
    if (owner != NULL) {
        *(struct bytes *)(void *)((char *)check->row + owner->at) = BYTES("ann");
    }
    row_set(check, FIELD_INSERTED, 0);
    check->key = (struct resource_key){BYTES("ann"), row_name(check)};
    check->page = (struct resource_page){.owner = BYTES("ann"), .after = BYTES(""), .limit = 10};
    if (!succeeds(check, insert_tx, "insert:")) {
        return;
    }
    same_look(check, "what was inserted:");
    event_look(check, false);
    lists_look(check, 1, "of all");
    filters_look(check);
    owners_look(check);
    row_set(check, FIELD_SET, 1);
    if (is_changed(check->resource) && succeeds(check, update_tx, "update:")) {
        same_look(check, "what was changed:");
        event_look(check, false);
    }
    if (succeeds(check, remove_tx, "remove:")) {
        event_look(check, true);
        lists_look(check, 0, "after the removal");
    }
}

/* The complaints about a descriptor, of which the caller frees the text. */
static struct text complaints_of(struct kit *kit, const struct resource *resource) {
    struct check *check = mem_new(sizeof *check);
    check->kit = kit;
    check->resource = resource;
    check->row = mem_new(resource->size + VIEW_MAX);
    check->found_row = mem_new(resource->size + VIEW_MAX);
    text_init(&check->complaints, 1 << 20);
    text_init(&check->event, 1 << 20);
    text_add_str(&check->complaints, "");
    fields_look(check);
    rows_look(check);
    if (getenv("DROVER_TEST_POSTGRES_DIR") == NULL) {
        kit_check(kit_read(kit, plan_tx, &check->call));
        kit_check(kit_read(kit, columns_tx, &check->call));
    }
    struct text complaints = check->complaints;
    text_done(&check->event);
    mem_free(check->row);
    mem_free(check->found_row);
    mem_free(check);
    return complaints;
}

static void resources_keep_what_their_descriptors_say(void **state) {
    for (size_t i = 0; resources[i] != NULL; i++) {
        AUTO(text_done) struct text complaints = complaints_of(*state, resources[i]);
        if (complaints.len > 0) {
            fail_msg("%s", complaints.data);
        }
    }
}

/* --- Rows whose feature has its own events ---------------------------------------------------- */

/* A stream, whose name is a word here. */
struct color_row {
    unsigned color;
    struct bytes owner;
    int64_t id, head, keep_ms, made_ms, hold, twice;
    bool ended;
};
enum { STREAM_HEAD = FIELD_SET, STREAM_KEEP = FIELD_SET << 1 };
#define STREAM(member) offsetof(struct color_row, member)
static const char *const colors[] = {"red", "blue", NULL};
static const struct field stream_rows[] = {
    {ROW_ONCE("id", FIELD_INT, STREAM(id))},
    {ROW_READ("owner", FIELD_TEXT, STREAM(owner)), .group = FIELD_INSERTED | FIELD_KEY},
    {ROW_READ("name", FIELD_NAME, STREAM(color)), .names = colors,
     .group = FIELD_INSERTED | STREAM_KEEP},
    {ROW_READ("head", FIELD_INT, STREAM(head)), .group = FIELD_INSERTED | STREAM_HEAD},
    {FIELD("twice", FIELD_INT, STREAM(twice)), .column = "(2 * head)"},
    {ROW_ONCE("made_ms", FIELD_INT, STREAM(made_ms))},
    {ROW_READ("keep_ms", FIELD_TIME, STREAM(keep_ms)), .group = FIELD_INSERTED | STREAM_KEEP,
     .use = FIELD_KEPT_WHOLE},
    {ROW_ONCE("hold_after", FIELD_INT, STREAM(hold)), .or_null = true, .none = -1},
    {ROW_READ("ended", FIELD_BOOL, STREAM(ended)), .group = STREAM_HEAD | STREAM_KEEP},
};
static const struct resource stream_resource = {
    .table = "streams",
    .key = "id",
    .of_daemon = true,
    .fields = {FIELD_ROWS(stream_rows), .use = FIELD_KEPT},
    .size = sizeof(struct color_row)};

static struct color_row stream_get(struct tx *tx, enum resource_form form, bool known) {
    struct color_row row = {.color = COUNT_OF(colors)};
    const char *sql = tx_resource_sql(tx, &stream_resource, form,
                                      "SELECT s.*, s.head + 1 FROM streams s WHERE s.id = $1");
    AUTO(rows_release) struct rows *rows = tx_row(tx, sql, ARGS(arg_int(5)));
    assert_non_null(rows);
    assert_int_equal(resource_row_fill(&stream_resource, form, rows, &row), known);
    assert_int_equal(rows_int(rows, (int)resource_columns(&stream_resource, form)), row.head + 1);
    assert_int_equal(resource_row_bytes(&stream_resource, &row), row.owner.len);
    tx_resource_copy(tx, &stream_resource, &row);
    return row; /* The texts outlive the cursor. */
}

static struct err own_rows_tx(struct tx *tx, void *ctx) {
    struct color_row row = {.id = 5,
                            .owner = BYTES("o"),
                            .color = 1,
                            .head = 7,
                            .made_ms = 3,
                            .hold = -1,
                            .ended = true};
    tx_do(tx, "DELETE FROM streams", NO_ARGS);
    tx_row_insert(tx, &stream_resource, /* groups */ 0, &row);
    row = stream_get(tx, RESOURCE_WHOLE, /* known */ true);
    assert_true(bytes_is(row.owner, "o") && row.color == 1);
    assert_true(row.id == 5 && row.head == 7 && row.twice == 14 && row.made_ms == 3);
    assert_true(row.keep_ms == 0 && row.hold == -1 && !row.ended); /* `ended` is not inserted. */
    assert_int_equal(tx_number(tx,
                               "SELECT count(*) FROM streams WHERE keep_ms IS NULL"
                               " AND hold_after IS NULL",
                               NO_ARGS),
                     1);
    row = (struct color_row){.id = 5, .owner = BYTES("o"), .head = 8, .keep_ms = 9, .ended = true};
    tx_row_update(tx, &stream_resource, STREAM_HEAD, &row);
    row = stream_get(tx, RESOURCE_WHOLE, /* known */ true);
    assert_true(row.head == 8 && row.ended && row.keep_ms == 0 && row.color == 1);
    row.owner = BYTES("another");
    row.head = 9;
    tx_row_update(tx, &stream_resource, STREAM_HEAD, &row); /* The owner is a part of the key. */
    row.owner = BYTES("o");
    row.keep_ms = 9;
    row.color = 0;
    tx_row_update(tx, &stream_resource, STREAM_KEEP, &row);
    row = stream_get(tx, RESOURCE_WHOLE, /* known */ true);
    assert_true(row.head == 8 && row.keep_ms == 9 && row.color == 0 && row.made_ms == 3);
    tx_do(tx, "UPDATE streams SET name = 'green'", NO_ARGS);
    row = stream_get(tx, RESOURCE_LISTED, /* known */ false);
    assert_int_equal(row.color, COUNT_OF(colors)); /* The member stays as it was. */
    assert_true(row.keep_ms == 0);                 /* Lists leave it out. */
    (void)ctx;
    return tx_error(tx);
}

static void rows_without_an_event_are_written_and_read_by_their_columns(void **state) {
    struct kit_call call = {.result = NULL};
    for (int i = 0; i < 2; i++) { /* The texts of statements are built once. */
        kit_check(kit_write(*state, own_rows_tx, &call));
    }
}

/* --- Mistakes --------------------------------------------------------------------------------- */

struct mistake {
    const char *field; /* The first field of that name is changed, or left out where `with` is
                        * NULL. */
    void (*with)(struct field *field);
    const char *complaint; /* A part of it. */
};

static void without_insertion(struct field *field) {
    field->group = FIELD_SET;
}
static void without_set(struct field *field) {
    field->use |= FIELD_CHANGED;
    field->group = FIELD_INSERTED;
}
static void without_bound(struct field *field) {
    field->max = 0;
}
static void without_column(struct field *field) {
    field->column = NULL;
}
static void mistakes_are_found(void **state) {
    static const struct mistake mistakes[] = {
        {"content", without_insertion, "insert:"},
        {"title", without_set, "is changed, and not written: title"},
        {"owner", NULL, "insert:"},
        {"topic", without_bound, "a text has no bound: topic"},
        {"project", without_column, "is in events, and not kept: project"},
        {"made_ms", without_insertion, "insert:"},
        {"number", NULL, "a list without an index:"},
        {"topic", NULL, "no field has the column topic"},
    };
    for (size_t i = 0; i < COUNT_OF(mistakes); i++) {
        const struct mistake *mistake = &mistakes[i];
        struct field rows[FIELD_ROWS_MAX];
        size_t count = 0;
        bool made = false;
        for (size_t at = 0; at < memory_resource.fields.count; at++) {
            rows[count] = memory_resource.fields.rows[at];
            const bool here = !made && strcmp(rows[count].name, mistake->field) == 0;
            made = made || here;
            if (here && mistake->with != NULL) {
                mistake->with(&rows[count]);
            }
            count += here && mistake->with == NULL ? 0 : 1;
        }
        struct resource *resource = mem_new(sizeof *resource);
        *resource = memory_resource;
        resource->fields.rows = rows;
        resource->fields.count = count;
        struct kit *kit = NULL;
        (void)kit_begin((void **)&kit);
        AUTO(text_done) struct text complaints = complaints_of(kit, resource);
        kit_free(kit);
        mem_free(resource);
        const bool told = strstr(complaints.data, mistake->complaint) != NULL;
        if (!told && !(mistake->with == NULL && getenv("DROVER_TEST_POSTGRES_DIR") != NULL)) {
            fail_msg("%s: %s", mistake->field, complaints.data);
        }
    }
    (void)state;
}

#define RESOURCE_TEST(name) cmocka_unit_test_setup_teardown(name, kit_begin, kit_end)

int main(void) {
    const struct CMUnitTest tests[] = {
        RESOURCE_TEST(resources_keep_what_their_descriptors_say),
        RESOURCE_TEST(rows_without_an_event_are_written_and_read_by_their_columns),
        cmocka_unit_test(mistakes_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
