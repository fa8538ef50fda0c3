/* board.c: see board.h. A card of a wide board has two lines, so that a place is a line. */
#include "cli/board/board.h"

#include <string.h>

#include "cli/base/api.h"
#include "cli/terminal/cells.h"
#include "cli/terminal/plain.h"
#include "rules/board/task.h"

enum { WIDE_MIN = 100, GAP = 2, CARD_ROWS = 2, LINE_BYTES = 8 << 10, PICTURE_BYTES = 2 << 20 };

static const struct {
    const char *title;
    enum colour colour;
    unsigned statuses; /* Bits of enum task_status. */
} kinds[BOARD_COLUMNS] = {
    [BOARD_PENDING] = {"PENDING", COLOUR_BOLD, 1U << TASK_PENDING},
    [BOARD_WORKING] = {"WORKING", COLOUR_CYAN, 1U << TASK_CLAIMED | 1U << TASK_WORKING},
    [BOARD_REVIEW] = {"REVIEW", COLOUR_YELLOW, 1U << TASK_REVIEW},
    [BOARD_BLOCKED] = {"BLOCKED", COLOUR_RED, 1U << TASK_BLOCKED},
    [BOARD_OVER] = {"DONE, FAILED", COLOUR_GREEN,
                    1U << TASK_DONE | 1U << TASK_FAILED | 1U << TASK_CANCELLED},
};

/* --- Tasks ------------------------------------------------------------------------------------ */

void board_init(struct board *board) {
    *board = (struct board){.at = {0, 0}};
    for (size_t i = 0; i < BOARD_COLUMNS; i++) {
        board->columns[i] = json_array();
    }
}

void board_done(struct board *board) {
    for (size_t i = 0; i < BOARD_COLUMNS; i++) {
        json_decref(board->columns[i]);
    }
}

static size_t count_of(const struct board *board, unsigned column) {
    return json_array_size(board->columns[column]);
}

/* Place of a task that is older than all that are there: agents take the most urgent one first, of
 * those the oldest. What is over stays with the newest first. */
static size_t card_place(const struct board *board, unsigned column, const json_t *task) {
    const json_t *rows = board->columns[column];
    size_t at = column == BOARD_OVER ? json_array_size(rows) : 0;
    while (column == BOARD_PENDING && at < json_array_size(rows) &&
           talk_int(json_array_get(rows, at), "priority") > talk_int(task, "priority")) {
        at++;
    }
    return at;
}

void board_add(struct board *board, const json_t *task) {
    unsigned status = 0;
    if (!bytes_find(json_bytes(task, "status"), task_status_names, &status)) {
        return; /* A status of a newer daemon. */
    }
    for (unsigned i = 0; i < BOARD_COLUMNS; i++) {
        if ((kinds[i].statuses & 1U << status) != 0) {
            (void)json_array_insert(board->columns[i], card_place(board, i, task),
                                    (json_t *)(uintptr_t)task); /* Without memory: not shown. */
        }
    }
}

const json_t *board_at(const struct board *board) {
    return json_array_get(board->columns[board->at.column], board->at.row);
}

/* Into the bounds of the column. */
static void row_clamp(struct board *board) {
    const size_t count = count_of(board, board->at.column);
    board->at.row = board->at.row < count ? board->at.row : count > 0 ? count - 1 : 0;
}

void board_seek(struct board *board, const char *task) {
    for (unsigned i = 0; i < BOARD_COLUMNS; i++) {
        for (size_t row = 0; row < count_of(board, i); row++) {
            if (strcmp(talk_text(json_array_get(board->columns[i], row), "id"), task) == 0) {
                board->at = (struct board_place){i, row};
                return;
            }
        }
    }
    for (unsigned i = 0; i < BOARD_COLUMNS && count_of(board, board->at.column) == 0; i++) {
        board->at.column = (board->at.column + 1) % BOARD_COLUMNS;
    }
    row_clamp(board);
}

void board_move(struct board *board, struct board_step step) {
    struct board_place *at = &board->at;
    if (step.rows < 0) {
        at->row -= at->row > 0 ? 1 : 0;
    }
    at->row += step.rows > 0 ? 1 : 0;
    for (unsigned next = at->column; step.columns != 0;) {
        next += step.columns > 0 ? 1U : -1U; /* Below 0 is above the last one. */
        if (next >= BOARD_COLUMNS) {
            break;
        }
        if (count_of(board, next) > 0) {
            at->column = next;
            break;
        }
    }
    row_clamp(board);
}

/* --- Cards ------------------------------------------------------------------------------------ */

/* "p7 builder claimed": what the column does not say. */
static void facts_add(const json_t *task, struct text *text) {
    const char *agent = talk_text(task, "agent"), *status = talk_text(task, "status");
    const char *assignee = talk_text(task, "assignee");
    const long long priority = talk_int(task, "priority");
    static const char *const said[] = {"claimed", "failed", "cancelled", NULL};
    unsigned ignored = 0;
    const size_t begin = text->len;
    if (priority != TASK_PRIORITY_DEFAULT) {
        text_addf(text, "p%lld", priority);
    }
    agent = strcmp(status, "pending") == 0 ? assignee : agent;
    if (agent[0] != '\0') {
        text_add_str(text, text->len > begin ? " " : "");
        plain_add(text, agent);
    }
    if (bytes_find(bytes_of(status), said, &ignored)) {
        text_addf(text, "%s%s", text->len > begin ? " " : "", status);
    }
}

static void head_add(const struct board *board, const struct board_room *room, unsigned column,
                     struct text *text) {
    text_addf(text, "%s%s %zu%s", paint_begin(&room->paint, kinds[column].colour),
              kinds[column].title, count_of(board, column),
              paint_end(&room->paint, kinds[column].colour));
}

static void title_add(const json_t *task, struct text *text) {
    text_addf(text, "%s ", talk_text(task, "name"));
    plain_add(text, talk_text(task, "title"));
}

static bool is_at(const struct board *board, const struct board_room *room,
                  struct board_place place) {
    return room->marks && board->at.column == place.column && board->at.row == place.row;
}

/* --- Side by side ----------------------------------------------------------------------------- */

struct wide {
    const struct board *board;
    const struct board_room *room;
    int widths[BOARD_COLUMNS];
    size_t cards, first; /* Cards that have room; the first of the column with the place. */
};

/* Adds the first or the second line of a card, cut. */
static void card_add(const struct wide *wide, struct board_place place, size_t row,
                     struct text *cell) {
    const bool here = is_at(wide->board, wide->room, place);
    const json_t *task = json_array_get(wide->board->columns[place.column], place.row);
    const enum colour colour = row > 0 ? COLOUR_GREY : here ? COLOUR_BOLD : COLOUR_NONE;
    AUTO(text_done) struct text words = text_up_to(LINE_BYTES);
    if (task == NULL) { /* Below the last one. */
        return;
    }
    if (row == 0) {
        title_add(task, &words);
    } else {
        facts_add(task, &words);
    }
    text_add_str(cell, here && row == 0 ? "> " : "  ");
    text_add_str(cell, paint_begin(&wide->room->paint, colour));
    (void)cells_add(cell, text_bytes(&words),
                    wide->widths[place.column] - 2); /* The cut is enough. */
    text_add_str(cell, paint_end(&wide->room->paint, colour));
}

static void wide_row_add(const struct wide *wide, size_t row, struct text *out) {
    for (unsigned column = 0; column < BOARD_COLUMNS; column++) {
        AUTO(text_done) struct text cell = text_up_to(LINE_BYTES);
        const size_t first = column == wide->board->at.column ? wide->first : 0;
        if (row == 0) {
            head_add(wide->board, wide->room, column, &cell);
        } else {
            const size_t line = row - 1;
            card_add(wide, (struct board_place){column, first + line / CARD_ROWS}, line % CARD_ROWS,
                     &cell);
        }
        text_add(out, text_bytes(&cell).data, cell.len);
        if (column + 1 < BOARD_COLUMNS) {
            text_addf(out, "%*s", wide->widths[column] + GAP - cells_of(text_bytes(&cell)), "");
        }
    }
    text_add_char(out, '\n');
}

/* An empty column takes its heading alone; the others share the rest. */
static void widths_set(struct wide *wide) {
    int rest = wide->room->paint.columns - (BOARD_COLUMNS - 1) * GAP, full = 0;
    for (unsigned i = 0; i < BOARD_COLUMNS; i++) {
        AUTO(text_done) struct text head = text_up_to(LINE_BYTES);
        head_add(wide->board, wide->room, i, &head);
        wide->widths[i] = cells_of(text_bytes(&head));
        rest -= count_of(wide->board, i) == 0 ? wide->widths[i] : 0;
        full += count_of(wide->board, i) > 0;
    }
    for (unsigned i = 0; i < BOARD_COLUMNS; i++) {
        wide->widths[i] = count_of(wide->board, i) > 0 ? rest / full : wide->widths[i];
    }
}

static void wide_draw(const struct board *board, const struct board_room *room, struct text *out) {
    size_t most = 0;
    for (unsigned i = 0; i < BOARD_COLUMNS; i++) {
        most = count_of(board, i) > most ? count_of(board, i) : most;
    }
    const size_t fit = room->rows > CARD_ROWS ? (room->rows - 1) / CARD_ROWS : 1;
    struct wide wide = {
        .board = board, .room = room, .cards = room->rows == 0 || most < fit ? most : fit};
    widths_set(&wide);
    wide.first = board->at.row >= wide.cards ? board->at.row + 1 - wide.cards : 0;
    for (size_t row = 0; row <= wide.cards * CARD_ROWS; row++) {
        wide_row_add(&wide, row, out);
    }
}

/* --- Below each other ------------------------------------------------------------------------- */

static void line_add(const struct board *board, const struct board_room *room,
                     struct board_place place, struct text *out) {
    const json_t *task = json_array_get(board->columns[place.column], place.row);
    const bool here = is_at(board, room, place);
    AUTO(text_done) struct text words = text_up_to(LINE_BYTES), facts = text_up_to(LINE_BYTES);
    title_add(task, &words);
    facts_add(task, &facts);
    const int taken = facts.len > 0 ? cells_of(text_bytes(&facts)) + 4 : 0;
    const int left = room->paint.columns - 2 - taken;
    text_addf(out, "%s%s", here ? "> " : "  ",
              paint_begin(&room->paint, here ? COLOUR_BOLD : COLOUR_NONE));
    (void)cells_add(out, text_bytes(&words),
                    room->paint.columns == 0 ? LINE_BYTES : left); /* The cut is enough. */
    text_add_str(out, paint_end(&room->paint, here ? COLOUR_BOLD : COLOUR_NONE));
    if (facts.len > 0) {
        text_addf(out, "  %s(%s)%s", paint_begin(&room->paint, COLOUR_GREY),
                  text_bytes(&facts).data, paint_end(&room->paint, COLOUR_GREY));
    }
    text_add_char(out, '\n');
}

/* Adds the lines about `at`, as many as have room. */
static void window_add(const struct text *all, size_t at, size_t rows, struct text *out) {
    const size_t first = rows > 0 && at >= rows ? at + 1 - rows : 0;
    struct bytes rest = text_bytes(all), line;
    for (size_t row = 0; bytes_next(&rest, '\n', &line) && line.data != NULL; row++) {
        if (row >= first && (rows == 0 || row < first + rows)) {
            text_add(out, line.data, line.len);
            text_add_char(out, '\n');
        }
    }
}

static void narrow_draw(const struct board *board, const struct board_room *room,
                        struct text *out) {
    AUTO(text_done) struct text all = text_up_to(PICTURE_BYTES);
    size_t lines = 0, at = 0;
    for (unsigned column = 0; column < BOARD_COLUMNS; column++) {
        const size_t count = count_of(board, column);
        if (count == 0) {
            continue;
        }
        head_add(board, room, column, &all);
        text_add_char(&all, '\n');
        lines++;
        for (size_t row = 0; row < count; row++) {
            const struct board_place place = {column, row};
            at = is_at(board, room, place) ? lines : at;
            line_add(board, room, place, &all);
            lines++;
        }
    }
    window_add(&all, at, room->rows, out);
}

void board_draw(const struct board *board, const struct board_room *room, struct text *out) {
    if (room->paint.columns + 1 >= WIDE_MIN) {
        wide_draw(board, room, out);
    } else {
        narrow_draw(board, room, out);
    }
}
