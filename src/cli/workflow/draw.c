/* draw.c: one line for each thing, from the most that fits down to the least. */
#include "cli/workflow/draw.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/budget/limits.h"
#include "cli/run/view.h"
#include "cli/terminal/cells.h"

enum {
    COLUMNS_WHOLE = 100, /* How wide a picture without a bound is. */
    COLUMNS_MONEY = 64,  /* Narrower ones tell no cost, then no tokens, then no time. */
    COLUMNS_TOKENS = 48,
    COLUMNS_TIME = 30,
    TIME_WIDTH = 7,
    TOKENS_WIDTH = 10,
    MONEY_WIDTH = 10,
    NAME_MIN = 8,
    AT_WORK_LEAST = 3, /* Rather than the headings of what is over. */
};

/* What is left out, each with all before it. */
enum fold {
    FOLD_NOTHING,
    FOLD_GOOD_OF_OVER, /* Of phases that are over: who ended well. */
    FOLD_ALL_OF_OVER,
    FOLD_GOOD,
    FOLD_ENDED,
    FOLD_WORKING, /* Those that do not fit. */
};

struct sums {
    size_t all, ended, failed, working;
    int64_t tokens, cost_micros;
};

struct drawing {
    const struct workflow_draw *draw;
    const struct workflow_tree *tree;
    struct sums *sums; /* One for each phase. */
    struct text *out;
    enum fold fold;
    bool tight;     /* There is no room for the headings of what is over, or has not begun. */
    size_t left;    /* Lines that may still come. */
    size_t at_work; /* FOLD_WORKING: agents that may still come. */
    int columns;
    size_t hidden; /* Agents at work that did not fit. */
};

/* --- Words ------------------------------------------------------------------------------------ */

struct workflow_amount workflow_tokens(int64_t tokens) {
    struct workflow_amount amount;
    int64_t thousands = tokens / 100, millions = tokens / 100000;
    if (tokens < 1000) {
        (void)snprintf(amount.text, sizeof amount.text, "%lld", (long long)tokens); /* Fits. */
    } else if (tokens < 1000000) {
        (void)snprintf(amount.text, sizeof amount.text, "%lld.%lldk", (long long)thousands / 10,
                       (long long)thousands % 10);
    } else {
        (void)snprintf(amount.text, sizeof amount.text, "%lld.%lldM", (long long)millions / 10,
                       (long long)millions % 10);
    }
    return amount;
}

void workflow_counts_add(const struct workflow_tree *tree, struct text *text) {
    const char *before = ": ";
    text_addf(text, "%zu agent%s", tree->agent_count, tree->agent_count == 1 ? "" : "s");
    for (int at = 0; at < WORKFLOW_MARKS; at++) {
        enum workflow_mark mark = (enum workflow_mark)((at + WORKFLOW_DONE) % WORKFLOW_MARKS);
        if (tree->marks[mark] > 0) {
            text_addf(text, "%s%zu %s", before, tree->marks[mark], workflow_mark_word(mark));
            before = ", ";
        }
    }
}

/* --- One line --------------------------------------------------------------------------------- */

struct row {
    int indent;
    const char *mark;
    enum colour colour;
    const char *name, *words;        /* words: behind the name, in grey; "": none. */
    int64_t tokens, cost_micros, ms; /* Below zero, and no tokens: not told. */
};

static void amounts_add(const struct drawing *drawing, const struct row *row, struct text *text) {
    struct workflow_amount tokens = workflow_tokens(row->tokens);
    bool told = row->tokens > 0;
    if (drawing->columns >= COLUMNS_TOKENS) {
        text_addf(text, "%*s%s", TOKENS_WIDTH - 4, told ? tokens.text : "", told ? " tok" : "    ");
    }
    if (drawing->columns >= COLUMNS_MONEY) {
        text_addf(text, "%*s", MONEY_WIDTH,
                  row->cost_micros > 0 ? budget_show("cost_micros", row->cost_micros).text : "");
    }
    if (drawing->columns >= COLUMNS_TIME) {
        text_addf(text, "%*s", TIME_WIDTH, run_span(row->ms).text);
    }
}

static void trim(struct text *text) {
    while (text->len > 0 && text->data[text->len - 1] == ' ') {
        text->data[--text->len] = '\0';
    }
}

/* The name gives way to the words behind it, down to half of the room; both give way to the
 * amounts. */
static void row_add(struct drawing *drawing, const struct row *row) {
    const struct paint *paint = &drawing->draw->paint;
    AUTO(text_done) struct text amounts;
    text_init(&amounts, 256);
    amounts_add(drawing, row, &amounts);
    if (drawing->left == 0) {
        return;
    }
    drawing->left--;
    int room = drawing->columns - row->indent - 2 - (int)amounts.len;
    int words = cells_of(bytes_of(row->words));
    int name_room = words > 0 ? room - words - 2 : room;
    int least = room / 2 > NAME_MIN ? room / 2 : room < NAME_MIN ? room : NAME_MIN;
    int used = 0;
    text_addf(drawing->out, "%*s%s%s%s ", row->indent, "", paint_begin(paint, row->colour),
              row->mark, paint_end(paint, row->colour));
    used += cells_add(drawing->out, bytes_of(row->name), name_room > least ? name_room : least);
    if (words > 0 && room - used > 2) {
        text_addf(drawing->out, "  %s", paint_begin(paint, COLOUR_GREY));
        used += 2 + cells_add(drawing->out, bytes_of(row->words), room - used - 2);
        text_add_str(drawing->out, paint_end(paint, COLOUR_GREY));
    }
    trim(&amounts);
    if (amounts.len > 0) {
        text_addf(drawing->out, "%*s%s", room > used ? room - used : 0, "", amounts.data);
    }
    text_add_char(drawing->out, '\n');
}

static void line_add(struct drawing *drawing, enum colour colour, const char *words) {
    const struct paint *paint = &drawing->draw->paint;
    text_add_str(drawing->out, paint_begin(paint, colour));
    cells_add(drawing->out, bytes_of(words), drawing->columns);
    text_addf(drawing->out, "%s\n", paint_end(paint, colour));
}

/* --- What is shown ---------------------------------------------------------------------------- */

static bool is_good(const struct workflow_agent *agent) {
    return agent->mark == WORKFLOW_DONE || agent->mark == WORKFLOW_CACHED;
}

static bool is_over(const struct drawing *drawing, size_t phase) {
    const struct sums *sums = &drawing->sums[phase];
    bool last = phase == drawing->tree->current && !drawing->tree->finished;
    return sums->ended == sums->all && !last;
}

static bool is_shown(const struct drawing *drawing, const struct workflow_agent *agent) {
    bool ended = agent->ms >= 0, over = is_over(drawing, agent->phase);
    switch (drawing->fold) {
    case FOLD_NOTHING:
        return true;
    case FOLD_GOOD_OF_OVER:
        return !over || !is_good(agent);
    case FOLD_ALL_OF_OVER:
        return !over;
    case FOLD_GOOD:
        return !over && !is_good(agent);
    default:
        return !ended;
    }
}

static bool is_titled(const struct drawing *drawing, size_t phase) {
    return drawing->tree->phases[phase].title[0] != '\0';
}

static bool has_heading(const struct drawing *drawing, size_t phase) {
    bool lives = drawing->tree->phases[phase].begun && !is_over(drawing, phase);
    return is_titled(drawing, phase) && (lives || !drawing->tight);
}

static size_t headings(const struct drawing *drawing) {
    size_t count = 0;
    for (size_t i = 0; i < drawing->tree->phase_count; i++) {
        count += has_heading(drawing, i);
    }
    return count;
}

static size_t asking(const struct workflow_tree *tree, const struct workflow_agent **ret_first) {
    size_t count = 0;
    for (size_t i = 0; i < tree->agent_count; i++) {
        if (tree->agents[i].asks != NULL && count++ == 0) {
            *ret_first = &tree->agents[i];
        }
    }
    return count;
}

/* The lines below the agents: what is asked, and the note. */
static size_t lines_below(const struct drawing *drawing) {
    const struct workflow_agent *first = NULL;
    return (drawing->draw->note != NULL) + (size_t)(asking(drawing->tree, &first) > 0);
}

static size_t lines_needed(const struct drawing *drawing) {
    size_t lines = 1 + headings(drawing) + lines_below(drawing);
    for (size_t i = 0; i < drawing->tree->agent_count; i++) {
        lines += is_shown(drawing, &drawing->tree->agents[i]);
    }
    return lines;
}

/* The least folding that fits; where none does, as many at work as there is room for. */
static void fold_choose(struct drawing *drawing) {
    size_t rows = drawing->left;
    while (drawing->fold < FOLD_WORKING && lines_needed(drawing) > rows) {
        drawing->fold = (enum fold)(drawing->fold + 1);
    }
    size_t others = 1 + headings(drawing) + lines_below(drawing) + 1 /* "and 12 more" */;
    if (drawing->fold == FOLD_WORKING && others + AT_WORK_LEAST > rows) {
        drawing->tight = true;
        others = 1 + headings(drawing) + lines_below(drawing) + 1;
    }
    size_t tail = lines_below(drawing) + (drawing->fold == FOLD_WORKING);
    drawing->at_work = rows > others ? rows - others : 0;
    drawing->left = rows > tail ? rows - tail : 1;
}

static void sums_make(struct drawing *drawing) {
    const struct workflow_tree *tree = drawing->tree;
    for (size_t i = 0; i < tree->agent_count; i++) {
        const struct workflow_agent *agent = &tree->agents[i];
        struct sums *sums = &drawing->sums[agent->phase];
        sums->all++;
        sums->ended += agent->ms >= 0;
        sums->failed += agent->mark == WORKFLOW_FAILED;
        sums->working += agent->mark == WORKFLOW_WORKS;
        sums->tokens += agent->tokens;
        sums->cost_micros += agent->cost_micros > 0 ? agent->cost_micros : 0;
    }
}

/* --- Its parts -------------------------------------------------------------------------------- */

static void header_add(struct drawing *drawing) {
    static const struct {
        const char *state, *mark;
        enum colour colour;
    } marks[] = {
        {"queued", "○", COLOUR_GREY},      {"succeeded", "✓", COLOUR_GREEN},
        {"degraded", "✗", COLOUR_YELLOW},  {"failed", "✗", COLOUR_RED},
        {"timed_out", "✗", COLOUR_RED},    {"lost", "✗", COLOUR_RED},
        {"cancelled", "↷", COLOUR_YELLOW}, {"paused", "‖", COLOUR_YELLOW},
    };
    const struct workflow_tree *tree = drawing->tree;
    AUTO(text_done) struct text words;
    text_init(&words, 512);
    if (strcmp(tree->state, "running") != 0) {
        text_addf(&words, "%s, ", tree->state);
    }
    workflow_counts_add(tree, &words);
    int64_t ms = tree->ms >= 0 ? tree->ms : drawing->draw->now_ms - tree->started_ms;
    struct row row = {.mark = "●",
                      .colour = COLOUR_BLUE,
                      .name = tree->name,
                      .words = words.data,
                      .tokens = tree->tokens,
                      .cost_micros = tree->cost_micros,
                      .ms = tree->started_ms == 0 ? -1
                            : ms > 0              ? ms
                                                  : 0};
    for (size_t i = 0; i < COUNT_OF(marks); i++) {
        if (strcmp(marks[i].state, tree->state) == 0) {
            row.mark = marks[i].mark;
            row.colour = marks[i].colour;
        }
    }
    row_add(drawing, &row);
}

static void heading_add(struct drawing *drawing, size_t phase) {
    const struct sums *sums = &drawing->sums[phase];
    const struct workflow_phase *row_of = &drawing->tree->phases[phase];
    bool over = is_over(drawing, phase);
    AUTO(text_done) struct text words;
    text_init(&words, 128);
    if (sums->all > 0) {
        text_addf(&words, "%zu/%zu", sums->ended, sums->all);
    }
    if (sums->failed > 0) {
        text_addf(&words, ", %zu failed", sums->failed);
    }
    struct row row = {.indent = 2,
                      .mark = !row_of->begun      ? "○"
                              : !over             ? "●"
                              : sums->failed == 0 ? "✓"
                                                  : "✗",
                      .colour = !row_of->begun      ? COLOUR_GREY
                                : !over             ? COLOUR_BLUE
                                : sums->failed == 0 ? COLOUR_GREEN
                                                    : COLOUR_RED,
                      .name = row_of->title,
                      .words = words.len > 0 ? words.data : "",
                      .tokens = sums->tokens,
                      .cost_micros = sums->cost_micros,
                      .ms = -1};
    row_add(drawing, &row);
}

/* How long it worked, or works; an earlier run's result took no time. */
static int64_t agent_ms(const struct drawing *drawing, const struct workflow_agent *agent) {
    int64_t now_ms = drawing->draw->now_ms - agent->started_ms;
    if (agent->mark == WORKFLOW_CACHED) {
        return -1;
    }
    if (agent->mark == WORKFLOW_WORKS && agent->started_ms > 0) {
        return now_ms > 0 ? now_ms : 0;
    }
    return agent->ms;
}

struct look {
    const char *mark, *words;
    enum colour colour;
};

static struct look agent_look(const struct workflow_agent *agent) {
    static const struct look looks[WORKFLOW_MARKS] = {
        [WORKFLOW_QUEUED] = {"○", "queued", COLOUR_GREY},
        [WORKFLOW_HELD] = {"‖", "held", COLOUR_YELLOW},
        [WORKFLOW_WORKS] = {"●", "", COLOUR_BLUE},
        [WORKFLOW_DONE] = {"✓", "", COLOUR_GREEN},
        [WORKFLOW_CACHED] = {"↷", "cached", COLOUR_GREEN},
        [WORKFLOW_FAILED] = {"✗", "failed", COLOUR_RED},
        [WORKFLOW_SKIPPED] = {"↷", "skipped", COLOUR_YELLOW},
    };
    struct look look = looks[agent->mark];
    if (agent->asks != NULL) {
        return (struct look){"?", "asks", COLOUR_YELLOW};
    }
    look.words = agent->cause[0] != '\0' ? agent->cause : look.words;
    return look;
}

static void agent_add(struct drawing *drawing, const struct workflow_agent *agent) {
    struct look look = agent_look(agent);
    AUTO(text_done) struct text words;
    text_init(&words, 512);
    if (drawing->draw->ids) {
        text_addf(&words, "%s%s", agent->run, look.words[0] != '\0' ? "  " : "");
    }
    text_add_str(&words, look.words);
    const char *kept = strstr(agent->worktree, "/.drover/"); /* From the project on. */
    if (kept != NULL) {
        text_addf(&words, "%skept: %s", words.len > 0 ? ", " : "", kept + 1);
    }
    struct row row = {.indent = is_titled(drawing, agent->phase) ? 4 : 2,
                      .mark = look.mark,
                      .colour = look.colour,
                      .name = agent->name,
                      .words = words.len > 0 ? words.data : "",
                      .tokens = agent->mark == WORKFLOW_CACHED ? 0 : agent->tokens,
                      .cost_micros = agent->mark == WORKFLOW_CACHED ? -1 : agent->cost_micros,
                      .ms = agent_ms(drawing, agent)};
    row_add(drawing, &row);
}

static void agents_add(struct drawing *drawing, size_t phase) {
    const struct workflow_tree *tree = drawing->tree;
    for (size_t i = 0; i < tree->agent_count; i++) {
        const struct workflow_agent *agent = &tree->agents[i];
        if (agent->phase != phase || !is_shown(drawing, agent)) {
            continue;
        }
        if (drawing->fold == FOLD_WORKING && drawing->at_work == 0) {
            drawing->hidden++;
            continue;
        }
        drawing->at_work -= drawing->at_work > 0;
        agent_add(drawing, agent);
    }
}

static void questions_add(struct drawing *drawing) {
    const struct workflow_agent *first = NULL;
    size_t count = asking(drawing->tree, &first);
    AUTO(text_done) struct text words;
    text_init(&words, 1024);
    if (count == 1) {
        text_addf(&words, "? it waits for an answer: drover approve %s", first->asks);
    } else if (count > 1) {
        text_addf(&words, "? %zu wait for an answer: 'drover approve' lists them", count);
    }
    if (count > 0) {
        line_add(drawing, COLOUR_YELLOW, words.data);
    }
}

void workflow_draw(const struct workflow_draw *draw, const struct workflow_tree *tree,
                   struct text *text) {
    struct drawing drawing = {.draw = draw,
                              .tree = tree,
                              .sums = mem_new_array(tree->phase_count, sizeof *drawing.sums),
                              .out = text,
                              .left = draw->rows > 0 ? (size_t)draw->rows : SIZE_MAX,
                              .columns = draw->columns > 0 ? draw->columns : COLUMNS_WHOLE};
    sums_make(&drawing);
    fold_choose(&drawing);
    header_add(&drawing);
    for (size_t i = 0; i < tree->phase_count; i++) {
        if (has_heading(&drawing, i)) {
            heading_add(&drawing, i);
        }
        agents_add(&drawing, i);
    }
    if (drawing.hidden > 0) {
        AUTO(text_done) struct text more;
        text_init(&more, 64);
        text_addf(&more, "    and %zu more", drawing.hidden);
        line_add(&drawing, COLOUR_GREY, more.data);
    }
    questions_add(&drawing);
    if (draw->note != NULL) {
        line_add(&drawing, COLOUR_YELLOW, draw->note);
    }
    mem_free(drawing.sums);
}
