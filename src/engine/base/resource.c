/* resource.c: statements, built from a descriptor once for each connection, and cached by the
 * descriptor and the kind of statement (tx_sql).
 *
 * In each of them $1 is a key, or the cursor of a list, and $2 the owner, where rows have one.
 */
#include "engine/base/resource.h"

#include <string.h>

#include "base/id.h"
#include "base/memory.h"
#include "engine/base/follow.h"
#include "engine/base/idempotency.h"
#include "journal/journal.h"

enum { CHAR_JSON_MAX = 6 }; /* Bytes of a character in a JSON text: \u0001. */

/* --- Columns ---------------------------------------------------------------------------------- */

static size_t field_count(const struct resource *resource) {
    return resource->fields.count + (resource->base != NULL ? resource->base->fields.count : 0);
}

static const struct field *field_at(const struct resource *resource, size_t i) {
    const size_t below = resource->base != NULL ? resource->base->fields.count : 0;
    return i < below ? &resource->base->fields.rows[i] : &resource->fields.rows[i - below];
}

static void *member_of(const struct field *field, const void *row) {
    const size_t inner = field->kind == FIELD_LIST ? offsetof(struct field_list, kept) : 0;
    return (char *)(uintptr_t)row + field->at + inner;
}

static bool is_text(const struct field *field) {
    return field->kind == FIELD_TEXT || field->kind == FIELD_STORED ||
           field->kind == FIELD_MEMBERS || field->kind == FIELD_LIST;
}

/* False: a word is not known, or an id is too long. An enum is as wide as an unsigned, and
 * compatible with it. */
static bool column_read(const struct field *field, const struct rows *rows, int at, void *row) {
    void *member = member_of(field, row);
    const struct bytes id = field->kind == FIELD_ID ? rows_text(rows, at) : BYTES("");
    switch (field->kind) {
    case FIELD_ID:
        *(struct id *)member = id.len < ID_SIZE ? id_copy(id) : (struct id){""};
        return id.len < ID_SIZE;
    case FIELD_INT:
    case FIELD_TIME:
    case FIELD_DAY:
        *(int64_t *)member = rows_null(rows, at) ? field->none : rows_int(rows, at);
        return true;
    case FIELD_BOOL:
        *(bool *)member = rows_int(rows, at) != 0;
        return true;
    case FIELD_NAMES:
        *(unsigned *)member = (unsigned)rows_int(rows, at);
        return true;
    case FIELD_NAME:
        return bytes_find(rows_text(rows, at), field->names, member);
    default:
        assert(is_text(field));
        *(struct bytes *)member = rows_text(rows, at);
        return true;
    }
}

static struct arg column_arg(const struct field *field, const void *row) {
    const void *member = member_of(field, row);
    const bool or_null = field->kind == FIELD_TIME || (field->or_null && field->none != 0);
    switch (field->kind) {
    case FIELD_ID:
        return arg_str(((const struct id *)member)->text);
    case FIELD_INT:
    case FIELD_TIME:
    case FIELD_DAY:
        return or_null && *(const int64_t *)member == field->none
                   ? arg_null()
                   : arg_int(*(const int64_t *)member);
    case FIELD_BOOL:
        return arg_int(*(const bool *)member ? 1 : 0);
    case FIELD_NAMES:
        return arg_int(*(const unsigned *)member);
    case FIELD_NAME:
        return arg_str(field->names[*(const unsigned *)member]);
    default:
        assert(is_text(field));
        return arg_text(*(const struct bytes *)member);
    }
}

/* --- Statements ------------------------------------------------------------------------------- */

enum statement { FIND, LIST, LIST_UNSETTLED, WHERE, INSERT, UPDATE, REMOVE, COUNT };
struct sql {
    const struct resource *resource;
    enum statement what;
    unsigned bits;     /* Lists: fields that are filters, counted. INSERT: groups besides
                        * FIELD_INSERTED. UPDATE: the group. */
    const char *where; /* WHERE; */
    const char *text;  /* or the whole statement, where `*` stands for the columns; NULL: none. */
};

static unsigned field_use(const struct resource *resource, const struct field *field) {
    return field->use != 0 ? field->use : resource->fields.use;
}

/* Lists leave out fields that are FIELD_WHOLE. */
static bool is_read(const struct resource *resource, enum statement what,
                    const struct field *field) {
    const unsigned use = field_use(resource, field);
    const unsigned listed = FIELD_LISTED | FIELD_KEPT | FIELD_TOLD;
    const bool list = what == LIST || what == LIST_UNSETTLED;
    return field->column != NULL &&
           (use & (list ? listed : listed | FIELD_WHOLE | FIELD_KEPT_WHOLE)) != 0;
}

static bool is_written(const struct sql *sql, const struct field *field) {
    const unsigned group = sql->bits | (sql->what == INSERT ? FIELD_INSERTED : 0U);
    return field->column != NULL && (field->group & group) != 0;
}

static const struct field *key_field(const struct resource *resource) {
    const struct field *key = resource_field(resource, resource->key);
    assert(key != NULL && key->column != NULL);
    return key;
}

/* `of`: the name of the table in the statement, with a dot; "": columns stand alone. A column that
 * is an expression has its names itself. */
static void columns_add(const struct sql *sql, struct bytes of, struct text *text) {
    const char *comma = "";
    for (size_t i = 0; i < field_count(sql->resource); i++) {
        const struct field *field = field_at(sql->resource, i);
        if (is_read(sql->resource, sql->what, field)) {
            const bool alone = of.len == 0 || resource_is_expression(field);
            text_addf(text, "%s%.*s%s", comma, alone ? 0 : (int)of.len, of.data, field->column);
            comma = ", ";
        }
    }
}

static void select_add(const struct sql *sql, struct text *text) {
    text_add_str(text, "SELECT ");
    columns_add(sql, BYTES(""), text);
    text_addf(text, " FROM %s WHERE ", sql->resource->table);
}

/* Each "SELECT *" and "SELECT t.*" gets the columns. */
static void text_fill(const struct sql *sql, struct text *text) {
    static const char select[] = "SELECT ";
    const char *from = sql->text;
    for (const char *at = strstr(from, select); at != NULL; at = strstr(at, select)) {
        at += sizeof select - 1;
        const char *star = at + strspn(at, "abcdefghijklmnopqrstuvwxyz_.");
        if (*star == '*') {
            text_add(text, from, (size_t)(at - from));
            columns_add(sql, (struct bytes){at, (size_t)(star - at)}, text);
            from = at = star + 1;
        }
    }
    text_add_str(text, from);
}

/* " = $1 AND owner = $2 AND revoked_ms IS NULL", after the column. */
static void key_add(const struct sql *sql, const char *compare, struct text *text) {
    text_addf(text, " %s $1%s", compare, resource_is_owned(sql->resource) ? " AND owner = $2" : "");
    if (sql->resource->removal != NULL) {
        text_addf(text, " AND %s IS NULL", sql->resource->removal);
    }
}

static int first_free(const struct resource *resource) {
    return resource_is_owned(resource) ? 3 : 2;
}

/* A filter that is a part of the statement; the bits of a list count these. */
static bool in_statement(const struct field *field) {
    return field->filter == FIELD_EQUAL || field->filter == FIELD_EQUAL_OR_NONE;
}

static void filter_add(const struct field *field, int number, struct text *text) {
    if (field->filter == FIELD_EQUAL_OR_NONE) {
        text_addf(text, " AND (%s = $%d OR %s = '')", field->column, number, field->column);
    } else {
        text_addf(text, " AND %s = $%d", field->column, number);
    }
}

static void list_add(const struct sql *sql, struct text *text) {
    const struct resource *resource = sql->resource;
    const bool numbered = resource_column(resource, "id") != NULL;
    int next = first_free(resource);
    select_add(sql, text);
    text_add_str(text, numbered ? "id" : key_field(resource)->column);
    key_add(sql, numbered ? "<" : ">", text);
    if (sql->what == LIST_UNSETTLED) {
        text_addf(text, " AND %s IS NULL", resource->settled);
    }
    for (size_t i = 0, filter = 0; i < resource->fields.count; i++) {
        const struct field *field = &resource->fields.rows[i];
        if (in_statement(field) && (sql->bits & 1U << filter++) != 0) {
            filter_add(field, next++, text);
        }
    }
    text_addf(text, " ORDER BY %s LIMIT $%d", numbered ? "id DESC" : key_field(resource)->column,
              next);
}

static void insert_add(const struct sql *sql, struct text *text) {
    int count = 0;
    text_addf(text, "INSERT INTO %s (", sql->resource->table);
    for (size_t i = 0; i < field_count(sql->resource); i++) {
        const struct field *field = field_at(sql->resource, i);
        if (is_written(sql, field)) {
            text_addf(text, "%s%s", count++ > 0 ? ", " : "", field->column);
        }
    }
    text_add_str(text, ") VALUES (");
    for (int i = 1; i <= count; i++) {
        text_addf(text, "%s$%d", i > 1 ? ", " : "", i);
    }
    text_add_char(text, ')');
}

static void update_add(const struct sql *sql, struct text *text) {
    int next = first_free(sql->resource);
    const char *before = " SET ";
    text_addf(text, "UPDATE %s", sql->resource->table);
    for (size_t i = 0; i < field_count(sql->resource); i++) {
        const struct field *field = field_at(sql->resource, i);
        if (is_written(sql, field)) {
            text_addf(text, "%s%s = $%d", before, field->column, next++);
            before = ", ";
        }
    }
    text_addf(text, " WHERE %s", key_field(sql->resource)->column);
    key_add(sql, "=", text);
    for (size_t i = 0; i < field_count(sql->resource); i++) {
        if ((field_at(sql->resource, i)->group & FIELD_KEY) != 0) {
            text_addf(text, " AND %s = $%d", field_at(sql->resource, i)->column, next++);
        }
    }
}

static void remove_add(const struct sql *sql, struct text *text) {
    const struct resource *resource = sql->resource;
    if (resource->removal == NULL) {
        text_addf(text, "DELETE FROM %s", resource->table);
    } else {
        text_addf(text, "UPDATE %s SET %s = $%d", resource->table, resource->removal,
                  first_free(resource));
    }
    text_addf(text, " WHERE %s", key_field(resource)->column);
    key_add(sql, "=", text);
}

static void count_add(const struct sql *sql, struct text *text) {
    const struct resource *resource = sql->resource;
    const bool owned = resource_is_owned(resource);
    text_addf(text, "SELECT count(*) FROM %s%s", resource->table, owned ? " WHERE owner = $1" : "");
    if (resource->removal != NULL) {
        text_addf(text, " %s %s IS NULL", owned ? "AND" : "WHERE", resource->removal);
    }
}

static void sql_write(const void *ctx, struct text *text) {
    const struct sql *sql = ctx;
    if (sql->text != NULL) {
        text_fill(sql, text);
        return;
    }
    switch (sql->what) {
    case FIND:
        select_add(sql, text);
        text_add_str(text, key_field(sql->resource)->column);
        key_add(sql, "=", text);
        break;
    case LIST:
    case LIST_UNSETTLED:
        list_add(sql, text);
        break;
    case WHERE:
        select_add(sql, text);
        text_add_str(text, sql->where);
        break;
    case INSERT:
        insert_add(sql, text);
        break;
    case UPDATE:
        update_add(sql, text);
        break;
    case REMOVE:
        remove_add(sql, text);
        break;
    case COUNT:
        count_add(sql, text);
        break;
    }
}

void resource__list_sql(const struct resource *resource, unsigned filters, struct text *text) {
    const struct sql sql = {.resource = resource, .what = LIST, .bits = filters};
    sql_write(&sql, text);
}

/* Equal literals may be one, so that of a condition names no statement without its resource: two
 * descriptors of one program lie apart by more than their smallest size, and by less than 8 GB. */
static const char *sql_of(struct tx *tx, const struct sql *sql) {
    enum { WHAT_BITS = 3, SIZE_BITS = 4 };
    const unsigned of = (unsigned)((uintptr_t)sql->resource >> SIZE_BITS) << WHAT_BITS;
    const char *own = sql->text != NULL ? sql->text : sql->where; /* A literal of its own. */
    static_assert(sizeof(struct resource) >= 1 << SIZE_BITS, "resources may share a number");
    return own != NULL
               ? tx_sql(tx, own, of + 1 + (unsigned)sql->what, sql_write, sql)
               : tx_sql(tx, sql->resource, sql->bits << WHAT_BITS | sql->what, sql_write, sql);
}

/* --- Reading ---------------------------------------------------------------------------------- */

static bool row_fill(const struct resource *resource, enum statement what, const struct rows *rows,
                     void *row) {
    bool known = true;
    int at = 0;
    for (size_t i = 0; i < field_count(resource); i++) {
        const struct field *field = field_at(resource, i);
        if (is_read(resource, what, field)) {
            known = column_read(field, rows, at++, row) && known;
        }
    }
    return known;
}

static bool row_read(const struct resource *resource, enum statement what, const struct rows *rows,
                     void *row) {
    memset(row, 0, resource->size);
    const bool known = row_fill(resource, what, rows, row);
    if (resource->correct != NULL) {
        resource->correct(row, known);
    }
    return known || resource->correct != NULL;
}

bool resource_row_read(const struct resource *resource, const struct rows *rows, void *row) {
    return row_read(resource, WHERE, rows, row);
}

static const enum statement forms[] = {[RESOURCE_WHOLE] = WHERE, [RESOURCE_LISTED] = LIST};

bool resource_row_fill(const struct resource *resource, enum resource_form form,
                       const struct rows *rows, void *row) {
    return row_fill(resource, forms[form], rows, row);
}

size_t resource_columns(const struct resource *resource, enum resource_form form) {
    size_t count = 0;
    for (size_t i = 0; i < field_count(resource); i++) {
        count += is_read(resource, forms[form], field_at(resource, i)) ? 1 : 0;
    }
    return count;
}

size_t resource_row_bytes(const struct resource *resource, const void *row) {
    size_t sum = 0;
    for (size_t i = 0; i < field_count(resource); i++) {
        const struct field *field = field_at(resource, i);
        if (is_text(field) && is_read(resource, WHERE, field)) {
            sum += ((const struct bytes *)member_of(field, row))->len;
        }
    }
    return sum;
}

void tx_resource_copy(struct tx *tx, const struct resource *resource, void *row) {
    bool copied = true;
    for (size_t i = 0; i < field_count(resource) && copied; i++) {
        const struct field *field = field_at(resource, i);
        if (is_text(field) && is_read(resource, WHERE, field)) {
            struct bytes *text = member_of(field, row);
            text->data = text->len == 0 ? "" : arena_try_copy(tx_arena(tx), text->data, text->len);
            copied = text->data != NULL;
        }
    }
    if (!copied) {
        tx_fail(tx, err_make(ERR_OUT_OF_MEMORY, "resources: row"));
    }
}

const char *tx_resource_sql(struct tx *tx, const struct resource *resource, enum resource_form form,
                            const char *text) {
    const struct sql sql = {.resource = resource, .what = forms[form], .text = text};
    return sql_of(tx, &sql);
}

struct rows *tx_resource_rows(struct tx *tx, const struct resource *resource, const char *where,
                              const struct arg *args, size_t count) {
    const struct sql sql = {.resource = resource, .what = WHERE, .where = where};
    return tx_rows(tx, sql_of(tx, &sql), args, count);
}

/* $1 and $2, as far as the resource has them. */
static size_t key_args(const struct resource *resource, const struct resource_key *key,
                       struct arg *args) {
    args[0] = arg_text(key->id);
    args[1] = arg_text(key->owner);
    return resource_is_owned(resource) ? 2 : 1;
}

struct err tx_resource_find(struct tx *tx, const struct resource *resource,
                            const struct resource_key *key, bool *ret_found, void *row) {
    const struct sql sql = {.resource = resource, .what = FIND};
    struct arg args[2];
    const size_t count = key_args(resource, key, args);
    AUTO(rows_release) struct rows *rows = tx_row(tx, sql_of(tx, &sql), args, count);
    *ret_found = rows != NULL;
    if (rows != NULL && !row_read(resource, FIND, rows, row)) {
        tx_fail(tx, err_make(ERR_STORE_CORRUPT, "resources: row"));
    } else if (rows != NULL) {
        tx_resource_copy(tx, resource, row);
    }
    return tx_error(tx);
}

struct err tx_resource_list(struct tx *tx, const struct resource *resource,
                            const struct resource_page *page, resource_each each, void *ctx) {
    struct sql sql = {.resource = resource, .what = page->unsettled ? LIST_UNSETTLED : LIST};
    struct arg args[3 + RESOURCE_FILTERS_MAX];
    const struct resource_key key = {.owner = page->owner, .id = page->after};
    size_t count = key_args(resource, &key, args);
    if (resource_column(resource, "id") != NULL) {
        args[0] = arg_int(page->before > 0 ? page->before : INT64_MAX);
    }
    for (size_t i = 0, bit = 0; i < resource->fields.count; i++) { /* In the statement's order. */
        const struct field *field = &resource->fields.rows[i];
        for (size_t j = 0; j < page->filter_count && in_statement(field); j++) {
            const struct resource_filter *filter = &page->filters[j];
            if (filter->field == field && filter->value.data != NULL) {
                sql.bits |= 1U << bit;
                args[count++] = arg_text(filter->value);
            }
        }
        bit += in_statement(field) ? 1 : 0;
    }
    args[count++] = arg_int(page->limit);
    AUTO(rows_release) struct rows *rows = tx_rows(tx, sql_of(tx, &sql), args, count);
    AUTO(mem_release) void *row = mem_new(resource->size);
    while (rows_step(rows)) {
        if (row_read(resource, sql.what, rows, row)) {
            tx_fail(tx, each(ctx, row));
        }
    }
    return tx_error(tx);
}

int64_t tx_resource_count(struct tx *tx, const struct resource *resource, struct bytes owner) {
    const struct sql sql = {.resource = resource, .what = COUNT};
    const struct arg args[] = {arg_text(owner)};
    return tx_number(tx, sql_of(tx, &sql), args, resource_is_owned(resource) ? 1 : 0);
}

/* --- Events ----------------------------------------------------------------------------------- */

/* `row` NULL: it was removed, and was of that project. */
static void changed_tell(struct tx *tx, const struct resource *resource,
                         const struct resource_key *key, const void *row, struct bytes project) {
    AUTO(text_done) struct text data = text_up_to(EVENT_DATA_MAX);
    const bool admin = resource->routes[RESOURCE_LIST].scope == SCOPE_ADMIN;
    const struct follow change = {.name = resource->name,
                                  .owner = key->owner,
                                  .project = resource->of_project && row != NULL
                                                 ? resource_text(resource, "project", row)
                                                 : project,
                                  .stream = resource_is_owned(resource) ? NULL
                                            : admin                     ? "system:admin"
                                                                        : "system",
                                  .key = resource->key,
                                  .id = key->id};
    if (row != NULL) {
        fields_write(&resource->fields, FIELD_TOLD, row, &data);
    }
    follow_tell(tx, &change, row != NULL ? &data : NULL);
}

/* --- Writing ---------------------------------------------------------------------------------- */

static const struct resource_hooks *hooks_of(const struct resource *resource) {
    static const struct resource_hooks none = {.resource = NULL};
    for (const struct resource_hooks *hooks = resource_hooks; hooks->resource != NULL; hooks++) {
        if (hooks->resource == resource) {
            return hooks;
        }
    }
    return &none;
}

static void time_set(const struct resource *resource, const char *column, int64_t now_ms,
                     void *row) {
    const struct field *field = resource_column(resource, column);
    if (field != NULL) {
        *(int64_t *)(void *)((char *)row + field->at) = now_ms;
    }
}

static struct resource_key row_key(const struct resource *resource, const void *row) {
    return (struct resource_key){.owner = resource_text(resource, "owner", row),
                                 .id = resource_text(resource, resource->key, row)};
}

/* Lists that were given, as they are kept; `given` stays, since the transaction may run again. */
static void lists_keep(struct tx *tx, const struct resource *resource, void *row) {
    for (size_t i = 0; i < resource->fields.count; i++) {
        const struct field *field = &resource->fields.rows[i];
        struct field_list *list = (void *)((char *)row + field->at);
        if (field->kind == FIELD_LIST && field->column != NULL && list->given != NULL) {
            AUTO(text_done)
            struct text text =
                text_up_to((size_t)(field->max * (field->each_max * CHAR_JSON_MAX + 3)) + 2);
            tx_fail(tx, json_write(list->given, &text));
            list->kept = tx_copy_text(tx, &text, "resources: list");
        } else if (field->kind == FIELD_LIST && list->kept.len == 0) {
            list->kept = BYTES("[]");
        }
    }
}

static void statement_do(struct tx *tx, const struct sql *sql, const void *row) {
    const struct resource *resource = sql->resource;
    struct arg args[2 + FIELD_ROWS_MAX];
    size_t count = 0;
    assert(field_count(resource) <= FIELD_ROWS_MAX);
    if (sql->what == UPDATE) {
        args[count++] = column_arg(key_field(resource), row);
    }
    if (sql->what == UPDATE && resource_is_owned(resource)) {
        args[count++] = arg_text(resource_text(resource, "owner", row));
    }
    for (size_t i = 0; i < field_count(resource); i++) {
        if (is_written(sql, field_at(resource, i))) {
            args[count++] = column_arg(field_at(resource, i), row);
        }
    }
    for (size_t i = 0; i < field_count(resource) && sql->what == UPDATE; i++) {
        if ((field_at(resource, i)->group & FIELD_KEY) != 0) {
            args[count++] = column_arg(field_at(resource, i), row);
        }
    }
    tx_do(tx, sql_of(tx, sql), args, count);
}

void tx_row_insert(struct tx *tx, const struct resource *resource, unsigned groups,
                   const void *row) {
    const struct sql sql = {.resource = resource, .what = INSERT, .bits = groups};
    statement_do(tx, &sql, row);
}

void tx_row_update(struct tx *tx, const struct resource *resource, unsigned group,
                   const void *row) {
    const struct sql sql = {.resource = resource, .what = UPDATE, .bits = group};
    statement_do(tx, &sql, row);
}

/* The statement, then the event. */
static struct err row_write(struct tx *tx, const struct sql *sql, void *row) {
    const struct resource *resource = sql->resource;
    const struct resource_key key = row_key(resource, row);
    const struct resource_hooks *hooks = hooks_of(resource);
    time_set(resource, "changed_ms", tx_now_ms(tx), row);
    lists_keep(tx, resource, row);
    if (hooks->write != NULL && err_failed(tx_fail(tx, hooks->write(tx, row)))) {
        return tx_error(tx);
    }
    statement_do(tx, sql, row);
    changed_tell(tx, resource, &key, row, BYTES(""));
    if (hooks->changed != NULL && !err_failed(tx_error(tx))) {
        tx_fail(tx, hooks->changed(tx, &key, row));
    }
    return tx_error(tx);
}

static struct err insert_check(struct tx *tx, const struct resource *resource, const void *row) {
    const struct resource_key key = row_key(resource, row);
    const struct sql sql = {.resource = resource, .what = FIND};
    struct arg args[2];
    const size_t count = key_args(resource, &key, args);
    if (resource->prefix == NULL) {
        AUTO(rows_release) struct rows *rows = tx_row(tx, sql_of(tx, &sql), args, count);
        if (rows != NULL) {
            return err_make(ERR_CONFLICT, "resources: name");
        }
    }
    if (resource->rows_max > 0 &&
        tx_resource_count(tx, resource, key.owner) >= resource->rows_max) {
        return err_make(ERR_TOO_MANY, "resources: rows");
    }
    return tx_error(tx);
}

struct err tx_resource_insert(struct tx *tx, const struct resource *resource, void *row) {
    const struct sql sql = {.resource = resource, .what = INSERT};
    struct err err = insert_check(tx, resource, row);
    time_set(resource, "made_ms", tx_now_ms(tx), row);
    return err_failed(err) ? err : row_write(tx, &sql, row);
}

struct err tx_resource_update(struct tx *tx, const struct resource *resource, unsigned group,
                              void *row) {
    const struct sql sql = {.resource = resource, .what = UPDATE, .bits = group};
    return row_write(tx, &sql, row);
}

/* Project of a row that is about to be removed; "": none. */
static struct bytes project_of(struct tx *tx, const struct resource *resource,
                               const struct resource_key *key) {
    AUTO(mem_release) void *row = mem_new(resource->size);
    bool found = false;
    if (resource->of_project) {
        const struct err damaged = tx_resource_find(tx, resource, key, &found, row);
        (void)damaged; /* The row goes nevertheless, and its project hears nothing. */
    }
    return found ? resource_text(resource, "project", row) : BYTES("");
}

struct err tx_resource_remove(struct tx *tx, const struct resource *resource,
                              const struct resource_key *key, struct why *why) {
    const struct sql sql = {.resource = resource, .what = REMOVE};
    const struct resource_hooks *hooks = hooks_of(resource);
    struct arg args[3];
    size_t count = key_args(resource, key, args);
    if (resource->removal != NULL) {
        args[count++] = arg_int(tx_now_ms(tx));
    }
    struct err refused = hooks->removing != NULL ? hooks->removing(tx, key, why) : ERR_OK;
    if (err_failed(refused)) {
        return refused;
    }
    const struct bytes project = project_of(tx, resource, key);
    const int64_t removed = tx_change(tx, sql_of(tx, &sql), args, count);
    if (removed == 0) {
        return err_failed(tx_error(tx)) ? tx_error(tx)
                                        : err_make(ERR_NOT_FOUND, "resources: remove");
    }
    if (resource->prefix != NULL) {
        (void)tx_idempotency_forget(tx, key->id); /* Perhaps there is none. */
    }
    changed_tell(tx, resource, key, NULL /* removed */, project);
    if (hooks->changed != NULL && !err_failed(tx_error(tx))) {
        tx_fail(tx, hooks->changed(tx, key, NULL /* removed */));
    }
    return tx_error(tx);
}
