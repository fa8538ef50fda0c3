/* resource.h: a resource, declared once: rows of one table that clients list, look at, make, change
 * and remove. The descriptor says all that there is to know of one:
 *
 *   static const struct field rows[] = {
 *       {ROW_ID(FIELD_ID, AT(id), "pet", "PET")},
 *       {ROW_OWNER(AT(owner))},
 *       {ROW_EACH("name", FIELD_TEXT, AT(name)), .use = EACH, .required = true, .max = 64,
 *        FIELD_HEAD("NAME", -20),
 *        FILTER_TEXT(FIELD_EQUAL, "name", 'n', "NAME", "those of this name.")},
 *   };
 *   const struct resource pet_resource = {
 *       .name = "pet", .plural = "pets", .table = "pets", .key = "id", .prefix = "pet",
 *       .fields = {FIELD_ROWS(rows), .use = FIELD_SHOWN}, .size = sizeof(struct pet),
 *       .path = "/api/v1/pets", .routes = {[RESOURCE_LIST] = {SCOPE_READ, "List pets"}, …},
 *   };
 *
 * Derived from it
 *   engine/base/resource.h   reads, writes and removes rows, with an event for each change
 *   api/base/resource.h      routes with their parameters and schemas
 *   cli/base/action.h        flags, columns and lines of commands
 *
 * Columns    made_ms and changed_ms, where a resource has them, are set by each insertion and
 *            change. `owner`: rows are somebody's; without it they belong to the daemon, as they do
 *            where the descriptor says so (of_daemon), and name an owner all the same. `id`: the
 *            number by which the newest row is first in a list, given by the database; without it
 *            rows are listed in the order of their key.
 * Ownership  descriptors are static. Texts of a row are borrowed from the function that filled it.
 * Threads    any; pure.
 */
#ifndef DROVER_BASE_RESOURCE_RESOURCE_H
#define DROVER_BASE_RESOURCE_RESOURCE_H

#include <string.h>

#include "base/base.h"
#include "base/fields/fields.h"
#include "base/scope.h"

/* Members of a row of fields whose column has the same name, and is written when the row of the
 * resource is made, with each change as well, or elsewhere. */
#define ROW_READ(name_, kind_, at_) FIELD(name_, kind_, at_), .column = (name_)
#define ROW_ONCE(name_, kind_, at_) ROW_READ(name_, kind_, at_), .group = FIELD_INSERTED
#define ROW_EACH(name_, kind_, at_) ROW_READ(name_, kind_, at_), .group = FIELD_INSERTED | FIELD_SET
/* The fields that most resources have. */
#define ROW_NUMBER(at_)                                                                            \
    .name = "number", .kind = FIELD_INT, .at = (at_), .use = FIELD_KEPT, .column = "id"
#define ROW_ID(kind_, at_, column_, head_)                                                         \
    .name = "id", .kind = (kind_), .at = (at_), .required = true, .column = (column_),             \
    .group = FIELD_INSERTED, FIELD_HEAD(head_, -FIELD_ID_WIDTH)
#define ROW_OWNER(at_) ROW_ONCE("owner", FIELD_TEXT, at_), .use = FIELD_KEPT
#define ROW_MADE(at_) ROW_ONCE("made_ms", FIELD_TIME, at_), .required = true, .head = "CREATED"
#define ROW_CHANGED(at_)                                                                           \
    ROW_EACH("changed_ms", FIELD_TIME, at_), .required = true, .head = "CHANGED"

/* The order of the routes of a resource in openapi.json. */
enum resource_route_kind {
    RESOURCE_LIST,   /* GET PATH */
    RESOURCE_ADD,    /* POST PATH */
    RESOURCE_SHOW,   /* GET PATH/{key} */
    RESOURCE_CHANGE, /* PATCH PATH/{key} */
    RESOURCE_REMOVE, /* DELETE PATH/{key} */
    RESOURCE_ROUTES,
};
struct resource_route {
    unsigned scope;      /* Bits of enum scope. */
    const char *summary; /* NULL: the resource has no such route here. */
    bool secret;         /* The answer has a secret: none is stored for an Idempotency-Key. */
};

struct resource {
    const char *name, *plural; /* "memory", "memories" */
    const char *path;          /* "/api/v1/memory" */
    const char *table;
    const char *key; /* Name of the field by which paths name a row: "id", "name". */
    /* Names of rows: ids with this prefix, or those for which `valid` holds. */
    const char *prefix;
    bool (*valid)(struct bytes name);
    const char *naming; /* The names for which it holds, in words. */
    bool of_project;    /* Events of changes go to project:NAME, too, by the field `project`. */
    bool of_daemon;     /* Column `owner` is a field like others. */
    struct field_set fields;
    /* Judges the fields of a row together, before it is stored; NULL: nothing to judge.
     * ERR_BAD_FIELD. */
    struct err (*check)(const void *row, struct why *why);
    size_t size; /* Size of the struct of a row. */
    /* Descriptor of the struct that is the first member of a row, and whose columns come first, in
     * the same table; its fields have the same `use`. NULL: there is none. */
    const struct resource *base;
    const char *removal; /* Column of the time of its removal, until which a row counts; NULL:
                          * removed rows are gone. */
    /* Column of the time at which a row is settled: lists leave such rows out, but where the query
     * has `all`, or asks for words (FIELD_ANY_OF). NULL: there is none. */
    const char *settled;
    /* Corrects a row that was read; `known` false: it has a word or an id that the fields do not
     * know. NULL: lists leave such a row out. */
    void (*correct)(void *row, bool known);
    int64_t rows_max; /* Rows of an owner, or of the daemon; 0: any number. */
    struct resource_route routes[RESOURCE_ROUTES];
};

/* The field of that name, or with that column; NULL: there is none. */
const struct field *resource_field(const struct resource *resource, const char *name);
const struct field *resource_column(const struct resource *resource, const char *column);
/* A column that is computed by the statement is no column of the table. */
static inline bool resource_is_expression(const struct field *field) {
    return strchr(field->column, '(') != NULL;
}
/* The member of a field that is a text: "" where the resource has no such field. */
struct bytes resource_text(const struct resource *resource, const char *name, const void *row);
static inline bool resource_is_owned(const struct resource *resource) {
    return !resource->of_daemon && resource_column(resource, "owner") != NULL;
}
MUST_CHECK bool resource_names(const struct resource *resource, struct bytes name);

#endif
