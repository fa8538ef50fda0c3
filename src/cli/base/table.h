/* table.h: rows of JSON as a table, and one of them as lines of a key and its value.
 *
 *   BUDGET    WAITING  TITLE              session   ses_1
 *   global          2  -                  title     A second look
 *
 * Promise    the first line, the rows and the lines come from one list of columns. An optional
 *            value that is empty is "-" in a table, and its line is left out. Columns of a table
 *            are two blanks apart. At a terminal each row takes one line of it: ids are cut to a
 *            beginning that is a name (names.h), other texts with "…"; a column that LEAVES is not
 *            shown where there is no room for it, and a last one that WRAPS goes on below itself.
 *            Elsewhere nothing is cut, and the last column is as long as its value.
 *            Times are relative: "3 min ago".
 * Ownership  all borrowed during the call.
 * Threads    one.
 */
#ifndef DROVER_CLI_BASE_TABLE_H
#define DROVER_CLI_BASE_TABLE_H

#include "base/base.h"
#include "base/fields/fields.h"
#include "base/json/json.h"
#include "base/text.h"
#include "cli/base/cli.h"

enum column_kind {
    COLUMN_TEXT,
    COLUMN_OPTIONAL, /* A text. */
    COLUMN_ID,       /* Optional text; cut without a mark, at a terminal. */
    COLUMN_INT,
    COLUMN_COUNT,       /* A number above 0; optional. */
    COLUMN_TIME,        /* Milliseconds since 1970; optional. */
    COLUMN_YES,         /* "yes" where it is true; optional. */
    COLUMN_KNOWN_COUNT, /* A number above 0, or "?". */
    COLUMN_KNOWN_YES,   /* "yes", "no", or "?". */
    COLUMN_JSON,        /* As JSON on the line; optional. */
    COLUMN_WORDS,       /* An array of texts, with commas between them; anything else as JSON. */
};

struct column {
    const char *title;  /* NULL ends the list. */
    int width;          /* As printf has it, so that below 0 the value stands left. */
    const char *member; /* Member of the row. */
    enum field_fit fit; /* Where the terminal is too narrow for all columns. */
    enum column_kind kind;
    void (*add)(const json_t *row, struct text *value); /* Value in a table; NULL: the member. */
    void (*print)(const json_t *row);                   /* Whole line; NULL: key and member. */
};

#define COLUMN(title_, width_, member_, kind_)                                                     \
    { .title = (title_), .width = (width_), .member = (member_), .kind = (kind_) }
#define LINE(title_, member_, kind_) COLUMN(title_, 0, member_, kind_)
#define ID_COLUMN(title_, member_) COLUMN(title_, -FIELD_ID_WIDTH, member_, COLUMN_ID)
#define TIME_COLUMN(title_, member_) COLUMN(title_, -FIELD_TIME_WIDTH, member_, COLUMN_TIME)
#define COLUMN_ADD(title_, width_, add_)                                                           \
    { .title = (title_), .width = (width_), .add = (add_) }
#define COLUMN_LEAVING(title_, width_, member_, kind_)                                             \
    {                                                                                              \
        .title = (title_), .width = (width_), .member = (member_), .kind = (kind_),                \
        .fit = FIELD_LEAVES                                                                        \
    }
#define COLUMN_WRAPPED(title_, add_)                                                               \
    { .title = (title_), .fit = FIELD_WRAPS, .add = (add_) }
#define LINE_PRINT(title_, print_)                                                                 \
    { .title = (title_), .print = (print_) }
#define COLUMN_END                                                                                 \
    { .title = NULL }

enum { TABLE_COLUMNS_MAX = 12 };
/* The columns of fields, in their order, a FIELD_REST last; or the lines. */
struct table_columns {
    struct column rows[FIELD_ROWS_MAX + 1];
    int key_width; /* Width of the keys of lines: the longest heading, and a blank. */
};
enum table_shape { TABLE_COLUMNS, TABLE_LINES };
void table_columns_of(const struct field_set *fields, enum table_shape shape,
                      struct table_columns *ret_columns);
/* The columns of a table in the room that it has. */
struct table {
    const struct column *columns;
    const struct world *world;
    bool fits; /* Whether there is a terminal that rows must fit. */
    int widths[TABLE_COLUMNS_MAX];
};
struct table table_of(const struct invocation *invocation, const struct column *columns);
void table_head(const struct table *table);
void table_row(const struct table *table, const json_t *row);
/* The first line and an array of rows; with --json each row as JSON, without a first line. Of no
 * rows, `empty` alone, on stderr; NULL: the first line. */
void table_print(const struct invocation *invocation, const struct column *columns,
                 const json_t *rows, const char *empty);
/* Lines of "%-*s VALUE", with the title in lower case; widths of the columns are not read. */
void table_lines(const struct invocation *invocation, const struct column *columns, int key_width,
                 const json_t *row);

#endif
