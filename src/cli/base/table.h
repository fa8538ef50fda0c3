/* table.h: rows of JSON as a table, and one of them as lines of a key and its value.
 *
 *   BUDGET    WAITING  TITLE              session   ses_1
 *   global          2  -                  title     A second look
 *
 * Promise    the first line, the rows and the lines come from one list of columns. An optional
 *            value that is empty is "-" in a table, and its line is left out. Columns of a table
 *            are two blanks apart, and the last one is as long as its value.
 * Ownership  all borrowed during the call.
 * Threads    one.
 */
#ifndef DROVER_CLI_BASE_TABLE_H
#define DROVER_CLI_BASE_TABLE_H

#include "base/base.h"
#include "base/json/json.h"
#include "cli/base/cli.h"

enum column_kind {
    COLUMN_TEXT,
    COLUMN_OPTIONAL, /* A text. */
    COLUMN_INT,
    COLUMN_COUNT, /* A number above 0; optional. */
    COLUMN_TIME,  /* Milliseconds since 1970; optional. */
    COLUMN_YES,   /* "yes" where it is true; optional. */
    COLUMN_JSON,  /* As JSON on the line; optional. */
};

struct column {
    const char *title;  /* NULL ends the list. */
    int width;          /* As printf has it, so that below 0 the value stands left. */
    const char *member; /* Member of the row. */
    enum column_kind kind;
    /* Prints the value; in lines the whole line, where it has one. NULL: the member is printed. */
    void (*print)(const json_t *row);
};

#define COLUMN(title_, width_, member_, kind_)                                                     \
    { .title = (title_), .width = (width_), .member = (member_), .kind = (kind_) }
#define LINE(title_, member_, kind_) COLUMN(title_, 0, member_, kind_)
#define COLUMN_PRINT(title_, print_)                                                               \
    { .title = (title_), .print = (print_) }
#define COLUMN_END                                                                                 \
    { .title = NULL }

void table_head(const struct column *columns);
void table_row(const struct column *columns, const json_t *row);
/* The first line and an array of rows; with --json each row as JSON, without a first line. */
void table_print(const struct invocation *invocation, const struct column *columns,
                 const json_t *rows);
/* Lines of "%-*s VALUE"; widths of the columns are not read. */
void table_lines(const struct column *columns, int key_width, const json_t *row);

#endif
