/* table.c: see table.h. */
#include "cli/base/table.h"

#include <stdio.h>

#include "cli/base/api.h"

/* "" where an optional value is empty. The text lies in the row, or in `made`. */
static const char *value_text(const struct column *column, const json_t *row,
                              struct talk_time *made) {
    int64_t number = talk_int(row, column->member);
    switch (column->kind) {
    case COLUMN_INT:
    case COLUMN_COUNT:
        (void)snprintf(made->text, sizeof made->text, "%lld", (long long)number); /* Fits. */
        return number > 0 || column->kind == COLUMN_INT ? made->text : "";
    case COLUMN_TIME:
        *made = talk_time(number);
        return number > 0 ? made->text : "";
    case COLUMN_YES:
        return json_is_true(json_object_get(row, column->member)) ? "yes" : "";
    default:
        return talk_text(row, column->member);
    }
}

void table_head(const struct column *columns) {
    for (const struct column *column = columns; column->title != NULL; column++) {
        bool last = column[1].title == NULL;
        printf(last ? "%*s\n" : "%*s  ", last ? 0 : column->width, column->title);
    }
}

void table_row(const struct column *columns, const json_t *row) {
    for (const struct column *column = columns; column->title != NULL; column++) {
        struct talk_time made;
        bool last = column[1].title == NULL;
        if (column->print != NULL) {
            column->print(row);
        } else {
            const char *text = value_text(column, row, &made);
            bool empty = text[0] == '\0' && column->kind != COLUMN_TEXT;
            printf("%*s", last ? 0 : column->width, empty ? "-" : text);
        }
        fputs(last ? "\n" : "  ", stdout);
    }
}

void table_print(const struct invocation *invocation, const struct column *columns,
                 const json_t *rows) {
    if (!invocation->json) {
        table_head(columns);
    }
    for (size_t i = 0; i < json_array_size(rows); i++) {
        if (invocation->json) {
            talk_print(json_array_get(rows, i));
        } else {
            table_row(columns, json_array_get(rows, i));
        }
    }
}

void table_lines(const struct column *columns, int key_width, const json_t *row) {
    for (const struct column *column = columns; column->title != NULL; column++) {
        struct talk_time made;
        const json_t *value = json_object_get(row, column->member);
        if (column->print != NULL) {
            column->print(row);
        } else if (column->kind == COLUMN_JSON) {
            if (value != NULL) {
                printf("%-*s ", key_width, column->title);
                talk_print(value);
            }
        } else {
            const char *text = value_text(column, row, &made);
            if (text[0] != '\0' || column->kind == COLUMN_TEXT) {
                printf("%-*s %s\n", key_width, column->title, text);
            }
        }
    }
}
