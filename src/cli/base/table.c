/* table.c: see table.h. */
#include "cli/base/table.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "cli/base/api.h"
#include "cli/base/names.h"
#include "cli/terminal/cells.h"
#include "cli/terminal/paint.h"
#include "cli/terminal/plain.h"

/* CELL_MAX: bytes of a value; a longer one is cut. LAST_MIN: cells that the last column keeps while
 * others can give way. */
enum { CELL_MAX = 16 << 10, LAST_MIN = 24, TEXT_MIN = 8 };

/* Adds the value of a member; nothing where an optional one is empty. */
static void member_add(const struct column *column, const struct world *world, const json_t *row,
                       struct text *value) {
    int64_t number = talk_int(row, column->member);
    const json_t *member = json_object_get(row, column->member);
    switch (column->kind) {
    case COLUMN_INT:
    case COLUMN_COUNT:
        if (number > 0 || (column->kind == COLUMN_INT && !json_is_null(member))) {
            text_addf(value, "%lld", (long long)number);
        }
        return;
    case COLUMN_TIME:
        if (number > 0) {
            text_add_str(value, talk_ago(number, world_wall_ms(world)).text);
        }
        return;
    case COLUMN_YES:
        text_add_str(value, json_is_true(member) ? "yes" : "");
        return;
    case COLUMN_KNOWN_COUNT:
        text_addf(value, number > 0 ? "%lld" : "?", (long long)number);
        return;
    case COLUMN_KNOWN_YES:
        text_add_str(value, json_is_true(member) ? "yes" : json_is_false(member) ? "no" : "?");
        return;
    case COLUMN_WORDS:
        for (size_t i = 0; i < json_array_size(member); i++) {
            const char *word = json_string_value(json_array_get(member, i));
            text_addf(value, "%s%s", i > 0 ? "," : "", word != NULL ? word : "");
        }
        return;
    default:
        text_add_str(value, talk_text(row, column->member));
    }
}

/* --- Tables ----------------------------------------------------------------------------------- */

static bool is_last(const struct column *column) {
    return column[1].title == NULL;
}

/* Narrows columns until the last one has room: those that may leave go first, then ids are cut,
 * then the widest text, a cell each time. Numbers and times stay whole. The last column gets the
 * rest. */
static void widths_fit(struct table *table, int room) {
    int used = 0, last = 0;
    for (; !is_last(&table->columns[last]); last++) {
        used += table->widths[last] + 2;
    }
    for (int i = last; i-- > 0 && used + LAST_MIN > room;) {
        if (table->columns[i].fit == FIELD_LEAVES) {
            used -= table->widths[i] + 2;
            table->widths[i] = 0;
        }
    }
    for (int i = 0; i < last; i++) {
        if (table->columns[i].kind == COLUMN_ID && used + LAST_MIN > room) {
            used -= table->widths[i] - NAME_ID_LEN;
            table->widths[i] = NAME_ID_LEN;
        }
    }
    for (int widest = 0; widest >= 0 && used + LAST_MIN > room;) {
        widest = -1;
        for (int i = 0; i < last; i++) {
            enum column_kind kind = table->columns[i].kind;
            bool text = kind == COLUMN_TEXT || kind == COLUMN_OPTIONAL;
            if (text && table->columns[i].width < 0 && table->widths[i] > TEXT_MIN &&
                (widest < 0 || table->widths[i] > table->widths[widest])) {
                widest = i;
            }
        }
        if (widest >= 0) {
            table->widths[widest]--;
            used--;
        }
    }
    table->widths[last] = room - used > 1 ? room - used : 1;
}

struct table table_of(const struct invocation *invocation, const struct column *columns) {
    struct table table = {.columns = columns, .world = invocation->world};
    struct terminal_size size = {0};
    for (int i = 0; columns[i].title != NULL; i++) {
        assert(i < TABLE_COLUMNS_MAX);
        table.widths[i] = abs(columns[i].width);
    }
    table.fits = terminal_size(STDOUT_FILENO, &size) && size.columns > 0;
    if (table.fits) {
        widths_fit(&table, size.columns);
    }
    return table;
}

static int left_of_last(const struct table *table) {
    int left = 0;
    for (int i = 0; !is_last(&table->columns[i]); i++) {
        left += table->widths[i] > 0 ? table->widths[i] + 2 : 0;
    }
    return left;
}

/* Prints one value with the blanks around it. */
static void cell_print(const struct table *table, int at, struct bytes value) {
    const struct column *column = &table->columns[at];
    AUTO(text_done) struct text cell = text_up_to(4 * CELL_MAX);
    int width = table->widths[at];
    if (table->fits && width == 0) {
        return;
    }
    if (!table->fits) {
        text_add(&cell, value.data, value.len);
    } else if (column->kind == COLUMN_ID) {
        text_add(&cell, value.data, value.len < (size_t)width ? value.len : (size_t)width);
    } else if (column->fit == FIELD_WRAPS) {
        while (cells_of(value) > width) {
            const struct bytes row = cells_line_take(&value, width);
            text_add(&cell, row.data, row.len);
            text_addf(&cell, "\n%*s", left_of_last(table), "");
        }
        text_add(&cell, value.data, value.len);
    } else {
        (void)cells_add(&cell, value, width);
    }
    int blanks = is_last(column) ? 0 : width - cells_of(text_bytes(&cell));
    blanks = blanks > 0 ? blanks : 0;
    printf("%*s%s%*s%s", column->width > 0 ? blanks : 0, "", text_bytes(&cell).data,
           column->width > 0 ? 0 : blanks, "", is_last(column) ? "\n" : "  ");
}

void table_head(const struct table *table) {
    for (int i = 0; table->columns[i].title != NULL; i++) {
        cell_print(table, i, bytes_of(table->columns[i].title));
    }
}

void table_row(const struct table *table, const json_t *row) {
    for (int i = 0; table->columns[i].title != NULL; i++) {
        const struct column *column = &table->columns[i];
        AUTO(text_done) struct text value = text_up_to(CELL_MAX);
        if (column->add != NULL) {
            column->add(row, &value);
        } else {
            member_add(column, table->world, row, &value);
        }
        if (value.len > 0) {
            utf8_make_plain(value.data, value.len); /* A line break would break the row. */
        }
        bool empty = value.len == 0 && column->add == NULL && column->kind != COLUMN_TEXT;
        cell_print(table, i, empty ? BYTES("-") : text_bytes(&value));
    }
}

void table_print(const struct invocation *invocation, const struct column *columns,
                 const json_t *rows, const char *empty) {
    for (size_t i = 0; invocation->json && i < json_array_size(rows); i++) {
        talk_print(json_array_get(rows, i));
    }
    if (invocation->json) {
        return;
    }
    const struct table table = table_of(invocation, columns);
    if (json_array_size(rows) > 0 || empty == NULL) {
        table_head(&table);
    } else {
        plain_note("%s\n", empty);
    }
    for (size_t i = 0; i < json_array_size(rows); i++) {
        table_row(&table, json_array_get(rows, i));
    }
}

/* --- Lines ------------------------------------------------------------------------------------ */

void table_lines(const struct invocation *invocation, const struct column *columns, int key_width,
                 const json_t *row) {
    const struct paint paint = paint_of(STDOUT_FILENO, &invocation->env);
    for (const struct column *column = columns; column->title != NULL; column++) {
        AUTO(text_done) struct text line = text_up_to(2 * CELL_MAX);
        const json_t *member = json_object_get(row, column->member);
        const int64_t ms = talk_int(row, column->member);
        const bool as_json =
            column->kind == COLUMN_JSON || (column->kind == COLUMN_WORDS && !json_is_array(member));
        text_addf(&line, "%-*s ", key_width, column->title);
        const size_t key_len = line.len;
        for (size_t i = 0; i < key_len; i++) {
            line.data[i] = (char)tolower((unsigned char)line.data[i]);
        }
        if (column->print != NULL) {
            column->print(row);
        } else if (column->fit == FIELD_BELOW) {
            putchar('\n');
            plain_print(bytes_of(talk_text(row, column->member)));
            putchar('\n');
        } else if (as_json && member != NULL && !json_is_null(member)) {
            fputs(text_bytes(&line).data, stdout);
            talk_print(member);
        } else if (column->kind == COLUMN_TIME && ms > 0) {
            printf("%s%s (%s)\n", text_bytes(&line).data,
                   talk_ago(ms, world_wall_ms(invocation->world)).text, talk_time(ms).text);
        } else {
            member_add(column, invocation->world, row, &line);
            cells_wrap_values(&line, 0, &(struct cells_shape){key_width + 1, paint.columns});
            if (line.len > key_len || column->kind == COLUMN_TEXT) {
                puts(text_bytes(&line).data);
            }
        }
    }
}

/* --- Fields ----------------------------------------------------------------------------------- */

static enum column_kind kind_of(const struct field *field) {
    static const enum column_kind kinds[] = {
        [FIELD_TEXT] = COLUMN_OPTIONAL, [FIELD_CHARS] = COLUMN_OPTIONAL,
        [FIELD_ID] = COLUMN_ID,         [FIELD_INT] = COLUMN_INT,
        [FIELD_TIME] = COLUMN_TIME,     [FIELD_DAY] = COLUMN_OPTIONAL,
        [FIELD_BOOL] = COLUMN_YES,      [FIELD_NAME] = COLUMN_OPTIONAL,
        [FIELD_NAMES] = COLUMN_WORDS,   [FIELD_TEXTS] = COLUMN_WORDS,
        [FIELD_LIST] = COLUMN_WORDS,    [FIELD_JSON] = COLUMN_WORDS,
        [FIELD_STORED] = COLUMN_WORDS,  [FIELD_OBJECT] = COLUMN_WORDS,
        [FIELD_MEMBERS] = COLUMN_WORDS,
    };
    if (field->width == -FIELD_ID_WIDTH) {
        return COLUMN_ID;
    }
    return field->kind == FIELD_INT && field->empty != FIELD_EMPTY_SHOWN ? COLUMN_COUNT
                                                                         : kinds[field->kind];
}

void table_columns_of(const struct field_set *fields, enum table_shape shape,
                      struct table_columns *ret_columns) {
    const unsigned use = FIELD_LISTED | (shape == TABLE_LINES ? (unsigned)FIELD_WHOLE : 0);
    struct column last = {.title = NULL};
    size_t count = 0, longest = 0;
    *ret_columns = (struct table_columns){.key_width = 0};
    for (size_t i = 0; i < fields->count; i++) {
        const struct field *field = &fields->rows[i];
        const struct column column = {.title = field->head != NULL ? field->head : field->name,
                                      .member = field->name,
                                      .width = field->width == FIELD_REST ? 0 : field->width,
                                      .fit = field->fit,
                                      .kind = kind_of(field)};
        if (!field_has(fields, field, use) || (shape == TABLE_COLUMNS && field->width == 0)) {
            continue;
        }
        if (shape == TABLE_COLUMNS ? field->width == FIELD_REST : field->fit == FIELD_BELOW) {
            last = column;
            continue;
        }
        longest = strlen(column.title) > longest ? strlen(column.title) : longest;
        ret_columns->rows[count++] = column;
    }
    ret_columns->rows[count] = last;
    ret_columns->key_width = (int)longest + 1;
}
