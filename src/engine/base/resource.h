/* resource.h: the rows of resources (base/resource/resource.h): every statement that reads or
 * writes them, and the event by which a list can be followed.
 *
 * Promise    each change appends, in its own commit, NAME_changed (follow.h): of an owner's rows to
 *            owner:OWNER, of those of the daemon to `system`, or to `system:admin` where lists of
 *            them want the scope admin.
 *            No other code writes such a table (a lint sees to it).
 * Ownership  texts of rows that are handed out are borrowed during the call, or live in the arena.
 * Threads    inside a store function.
 * Failure    the transaction keeps the errors of statements. A word or an id that no descriptor
 *            knows, in a damaged row, leaves the row out of lists; alone it is ERR_STORE_CORRUPT.
 *            Descriptors may correct such rows.
 */
#ifndef DROVER_ENGINE_BASE_RESOURCE_H
#define DROVER_ENGINE_BASE_RESOURCE_H

#include "base/base.h"
#include "base/err.h"
#include "base/resource/resource.h"
#include "store/store.h"

enum { RESOURCE_FILTERS_MAX = 4 };

struct resource_key {
    struct bytes owner, id; /* owner: not read where rows belong to the daemon. */
};
MUST_CHECK struct err tx_resource_find(struct tx *tx, const struct resource *resource,
                                       const struct resource_key *key, bool *ret_found, void *row);

typedef struct err (*resource_each)(void *ctx, const void *row);
/* Rows after a cursor, with these values of fields that are FIELD_EQUAL; a value without data
 * admits every row. Fields that only a row alone shows are not read. */
struct resource_filter {
    const struct field *field;
    struct bytes value;
};
struct resource_page {
    struct bytes owner;
    struct bytes after; /* Cursor of rows in the order of their key, */
    int64_t before;     /* and of those by number, the newest first; 0: from the newest. */
    int64_t limit;
    struct resource_filter filters[RESOURCE_FILTERS_MAX];
    size_t filter_count;
    bool unsettled; /* Only rows that are not settled. */
};
MUST_CHECK struct err tx_resource_list(struct tx *tx, const struct resource *resource,
                                       const struct resource_page *page, resource_each each,
                                       void *ctx);

/* Rows by a condition of the feature's own, a literal ("owner = $1 ORDER BY id"); each is read by
 * resource_row_read, which says false of a damaged one. */
MUST_CHECK struct rows *tx_resource_rows(struct tx *tx, const struct resource *resource,
                                         const char *where, const struct arg *args, size_t count);
MUST_CHECK bool resource_row_read(const struct resource *resource, const struct rows *rows,
                                  void *row);
/* Copies all texts of the row into the arena. */
void tx_resource_copy(struct tx *tx, const struct resource *resource, void *row);

/* --- Rows whose feature has its own events ---------------------------------------------------- */

enum resource_form {
    RESOURCE_WHOLE,
    RESOURCE_LISTED, /* Without the fields that only a row alone shows. */
};
/* A literal in which each "SELECT *", or "SELECT t.*", has the columns of the rows in place of the
 * star; further columns may follow. It is written once for each connection. */
MUST_CHECK const char *tx_resource_sql(struct tx *tx, const struct resource *resource,
                                       enum resource_form form, const char *text);
/* Borrows the texts. False: a word or an id is not known, and its member stays as it was. */
MUST_CHECK bool resource_row_fill(const struct resource *resource, enum resource_form form,
                                  const struct rows *rows, void *row);
/* Number of the columns that a row of this form has; those that follow have the next positions. */
size_t resource_columns(const struct resource *resource, enum resource_form form);
/* Sum of the lengths of all texts. */
size_t resource_row_bytes(const struct resource *resource, const void *row);
/* Columns that are FIELD_INSERTED, or of one of these groups; 0: of no other. */
void tx_row_insert(struct tx *tx, const struct resource *resource, unsigned groups,
                   const void *row);
void tx_row_update(struct tx *tx, const struct resource *resource, unsigned group, const void *row);

/* --- Rows with the event of the mechanism ----------------------------------------------------- */

/* The times of the row are set. ERR_CONFLICT: there is one of that name. ERR_TOO_MANY: rows_max. */
MUST_CHECK struct err tx_resource_insert(struct tx *tx, const struct resource *resource, void *row);
/* Writes the columns of the group (enum field_group) into the row of that key, which is there; all
 * other members are what it has. */
MUST_CHECK struct err tx_resource_update(struct tx *tx, const struct resource *resource,
                                         unsigned group, void *row);
/* ERR_NOT_FOUND: there is none. Refusals of a hook: `why`. */
MUST_CHECK struct err tx_resource_remove(struct tx *tx, const struct resource *resource,
                                         const struct resource_key *key, struct why *why);
int64_t tx_resource_count(struct tx *tx, const struct resource *resource, struct bytes owner);

/* The statement of a list with these of its filters, counted, for tests of its plan. */
void resource__list_sql(const struct resource *resource, unsigned filters, struct text *text);

/* --- What a feature adds ---------------------------------------------------------------------- */

/* engine/system/resources.c is the table, which is constant. NULL: nothing. */
struct resource_hooks {
    const struct resource *resource;
    /* Before the row is written: columns that follow from others. */
    struct err (*write)(struct tx *tx, void *row);
    /* Before a removal: a refusal. */
    struct err (*removing)(struct tx *tx, const struct resource_key *key, struct why *why);
    /* After a change: what it means for other rows. `row` NULL: it was removed. */
    struct err (*changed)(struct tx *tx, const struct resource_key *key, const void *row);
};
extern const struct resource_hooks resource_hooks[]; /* Ends with .resource NULL. */

#endif
