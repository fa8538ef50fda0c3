/* The last lines of a terminal, drawn anew in place: the text is played on a small terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/terminal/live_screen.h"

/* As much of a terminal as we speak to: it wraps, scrolls not, and knows CR, LF, ESC[nA/K/J. */
enum { ROWS = 32, COLUMNS_MAX = 32 };
struct terminal {
    char cells[ROWS][COLUMNS_MAX + 1];
    int row, column, columns;
};

static void clear_from(struct terminal *terminal, int row, int column) {
    memset(&terminal->cells[row][column], ' ', (size_t)(COLUMNS_MAX - column));
}

static const char *escape_play(struct terminal *terminal, const char *at) {
    int number = 0;
    for (at += 2; *at >= '0' && *at <= '9'; at++) {
        number = number * 10 + (*at - '0');
    }
    if (*at == 'A') {
        terminal->row = terminal->row > number ? terminal->row - number : 0;
    } else {
        assert_true(*at == 'K' || *at == 'J');
        clear_from(terminal, terminal->row, terminal->column);
        for (int row = terminal->row + 1; *at == 'J' && row < ROWS; row++) {
            clear_from(terminal, row, 0);
        }
    }
    return at;
}

static void play(struct terminal *terminal, const struct text *out) {
    for (const char *at = out->data; *at != '\0'; at++) {
        if (*at == '\033') {
            at = escape_play(terminal, at);
        } else if (*at == '\r') {
            terminal->column = 0;
        } else if (*at == '\n') {
            terminal->row++;
            terminal->column = 0;
        } else {
            if (terminal->column == terminal->columns) {
                terminal->row++;
                terminal->column = 0;
            }
            terminal->cells[terminal->row][terminal->column++] = *at;
        }
    }
}

static void terminal_is(const struct terminal *terminal, const char *expected) {
    char seen[ROWS * (COLUMNS_MAX + 2)] = "";
    size_t len = 0;
    for (int row = 0; row < ROWS; row++) {
        int width = COLUMNS_MAX;
        while (width > 0 && terminal->cells[row][width - 1] == ' ') {
            width--;
        }
        if (width > 0) {
            len += (size_t)snprintf(seen + len, sizeof seen - len, "%.*s|", width,
                                    terminal->cells[row]);
        }
    }
    assert_string_equal(seen, expected);
}

struct scene {
    struct terminal terminal;
    struct live_screen screen;
};

static void text_set(struct text *text, const char *words) {
    text_init(text, 4096);
    text_add_str(text, words);
}

static void draw(struct scene *scene, const char *above, const char *picture) {
    AUTO(text_done) struct text over = {0}, shown = {0}, out = {0};
    text_set(&over, above);
    text_set(&shown, picture);
    text_init(&out, 4096);
    struct live_frame frame = {&over, &shown, scene->terminal.columns};
    live_screen_draw(&scene->screen, &frame, NULL, &out);
    assert_false(text_failed(&out));
    play(&scene->terminal, &out);
}

static int begin(void **state) {
    struct scene *scene = calloc(1, sizeof *scene);
    memset(scene->terminal.cells, ' ', sizeof scene->terminal.cells);
    scene->terminal.columns = 20;
    live_screen_init(&scene->screen);
    *state = scene;
    return 0;
}

static int end(void **state) {
    struct scene *scene = *state;
    live_screen_done(&scene->screen);
    free(scene);
    return 0;
}

static void a_picture_stands_where_the_one_before_stood(void **state) {
    draw(*state, "", "one\ntwo\n");
    draw(*state, "", "three\nfour\nfive\n");
    terminal_is(&((struct scene *)*state)->terminal, "three|four|five|");
    draw(*state, "", "six\n");
    terminal_is(&((struct scene *)*state)->terminal, "six|");
}

static void what_is_said_stays_above_the_picture(void **state) {
    draw(*state, "", "picture\nof two\n");
    draw(*state, "a longer line\n", "picture\nof two\n");
    draw(*state, "b\nc\n", "small\n");
    terminal_is(&((struct scene *)*state)->terminal, "a longer line|b|c|small|");
}

static void a_terminal_that_became_narrower_keeps_no_rest_of_the_picture(void **state) {
    struct scene *scene = *state;
    draw(scene, "", "0123456789abcdef\nxy\n");
    /* The terminal breaks the long line in two. */
    memset(scene->terminal.cells, ' ', sizeof scene->terminal.cells);
    scene->terminal.columns = 10;
    scene->terminal.row = scene->terminal.column = 0;
    AUTO(text_done) struct text broken = {0};
    text_set(&broken, "0123456789abcdef\nxy\n");
    play(&scene->terminal, &broken);
    draw(scene, "", "012345678\nxy\n");
    terminal_is(&scene->terminal, "012345678|xy|");
}

static void nothing_at_all_can_be_drawn(void **state) {
    draw(*state, "", "");
    terminal_is(&((struct scene *)*state)->terminal, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_picture_stands_where_the_one_before_stood, begin, end),
        cmocka_unit_test_setup_teardown(what_is_said_stays_above_the_picture, begin, end),
        cmocka_unit_test_setup_teardown(
            a_terminal_that_became_narrower_keeps_no_rest_of_the_picture, begin, end),
        cmocka_unit_test_setup_teardown(nothing_at_all_can_be_drawn, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
