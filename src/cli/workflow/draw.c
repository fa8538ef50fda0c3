/* draw.c: a picture, with one line for each thing, from the most that fits down to the least; and
 * the lines of a pipe: how each type of event begins, and what follows. */
#include "cli/workflow/draw.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "cli/base/api.h"
#include "cli/base/names.h"
#include "cli/budget/limits.h"
#include "cli/run/view.h"
#include "cli/run/waits.h"
#include "cli/terminal/cells.h"
#include "cli/terminal/plain.h"

enum {
    COLUMNS_WHOLE = 100, /* Width of a picture without a bound. */
    COLUMNS_MONEY = 64,  /* Narrower ones show no cost, then no tokens, then no time. */
    COLUMNS_TOKENS = 48,
    COLUMNS_TIME = 30,
    TIME_WIDTH = 7,
    TOKENS_WIDTH = 10,
    MONEY_WIDTH = 10,
    NAME_MIN = 8,
    BELOW_MAX = 2 * RUN_QUESTION_MAX,
    AT_WORK_LEAST = 3, /* Rather than the headings of phases that are over. */
};

/* Looks of an agent, beside those of its mark. */
enum { LOOK_ASKS = WORKFLOW_MARKS, LOOK_WAITS };

/* Agents that are left out, each step with all before it. */
enum fold {
    FOLD_NOTHING,
    FOLD_GOOD_OF_OVER, /* Agents of phases that are over, where they succeeded. */
    FOLD_ALL_OF_OVER,
    FOLD_GOOD,
    FOLD_ENDED,
    FOLD_WORKING, /* Running agents that do not fit. */
};

struct sums {
    size_t all, ended, failed;
    int64_t tokens, cost_micros, cost_unknown;
};

struct drawing {
    const struct workflow_draw *draw;
    const struct workflow_tree *tree;
    struct sums *sums; /* One for each phase. */
    struct text *out;
    enum fold fold;
    bool tight;        /* No room for headings of phases that do not live. */
    size_t left;       /* Lines that may still come. */
    size_t at_work;    /* FOLD_WORKING: agents that may still come. */
    size_t hidden;     /* Running agents that did not fit. */
    size_t asking;     /* Agents that wait for an answer. */
    struct text below; /* Owned: lines below the agents. */
    size_t below_lines;
    bool question_cut; /* Not all lines of the question are among them. */
    int columns;
};

/* --- Words ------------------------------------------------------------------------------------ */

struct workflow_amount workflow_tokens(int64_t tokens) {
    struct workflow_amount amount;
    long long tenths = tokens < 1000000 ? tokens / 100 : tokens / 100000;
    if (tokens < 1000) {
        (void)snprintf(amount.text, sizeof amount.text, "%lld", (long long)tokens); /* Fits. */
    } else {
        (void)snprintf(amount.text, sizeof amount.text, "%lld.%lld%c", tenths / 10, tenths % 10,
                       tokens < 1000000 ? 'k' : 'M');
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
    if (tree->items_failed > 0) {
        text_addf(text, ", %lld item%s lost to an error", (long long)tree->items_failed,
                  tree->items_failed == 1 ? "" : "s");
    }
}

/* --- One line --------------------------------------------------------------------------------- */

struct row {
    int indent;
    const char *mark;
    enum colour colour;
    const char *name, *words;        /* words: after the name, in grey; "": none. */
    int64_t tokens, cost_micros, ms; /* Below zero, and no tokens: not shown. */
    int64_t cost_unknown;            /* Calls of unknown cost. */
};

/* Costs of nothing are left out. */
static struct amount_shown cost_words(int64_t cost_micros, int64_t cost_unknown) {
    return cost_micros > 0 || cost_unknown > 0 ? budget_show_cost(cost_micros, cost_unknown)
                                               : (struct amount_shown){""};
}

/* The name gives way to the words after it, down to half of the room; both give way to the
 * amounts. */
static void row_add(struct drawing *drawing, const struct row *row) {
    const struct paint *paint = &drawing->draw->paint;
    struct text *out = drawing->out;
    if (drawing->left == 0) {
        return;
    }
    drawing->left--;
    AUTO(text_done) struct text amounts = text_up_to(256);
    if (drawing->columns >= COLUMNS_TOKENS) {
        text_addf(&amounts, "%*s%s", TOKENS_WIDTH - 4,
                  row->tokens > 0 ? workflow_tokens(row->tokens).text : "",
                  row->tokens > 0 ? " tok" : "    ");
    }
    if (drawing->columns >= COLUMNS_MONEY) {
        text_addf(&amounts, "%*s", MONEY_WIDTH,
                  cost_words(row->cost_micros, row->cost_unknown).text);
    }
    if (drawing->columns >= COLUMNS_TIME) {
        text_addf(&amounts, "%*s", TIME_WIDTH, run_span(row->ms).text);
    }
    int room = drawing->columns - row->indent - 2 - (int)amounts.len;
    int words = cells_of(bytes_of(row->words));
    int name_room = words > 0 ? room - words - 2 : room;
    int least = room / 2 > NAME_MIN ? room / 2 : room < NAME_MIN ? room : NAME_MIN;
    text_addf(out, "%*s%s%s%s ", row->indent, "", paint_begin(paint, row->colour), row->mark,
              paint_end(paint, row->colour));
    int used = cells_add(out, bytes_of(row->name), name_room > least ? name_room : least);
    if (words > 0 && room - used > 2) {
        text_addf(out, "  %s", paint_begin(paint, COLOUR_GREY));
        used += 2 + cells_add(out, bytes_of(row->words), room - used - 2);
        text_add_str(out, paint_end(paint, COLOUR_GREY));
    }
    size_t len = amounts.len;
    while (len > 0 && amounts.data[len - 1] == ' ') {
        len--;
    }
    if (len > 0) {
        text_addf(out, "%*s%.*s", room > used ? room - used : 0, "", (int)len, amounts.data);
    }
    text_add_char(out, '\n');
}

static void line_add(struct drawing *drawing, enum colour colour, const char *words) {
    const struct paint *paint = &drawing->draw->paint;
    text_add_str(drawing->out, paint_begin(paint, colour));
    cells_add(drawing->out, bytes_of(words), drawing->columns);
    text_addf(drawing->out, "%s\n", paint_end(paint, colour));
}

/* --- Below the agents ------------------------------------------------------------------------- */

/* Adds at most `lines_max` lines of the screen; the last one is cut. */
static void wrapped_add(struct drawing *drawing, const char *words, size_t lines_max) {
    struct bytes rest = bytes_of(words);
    for (size_t i = 0; i < lines_max && rest.len > 0; i++) {
        struct bytes line = rest;
        if (i + 1 < lines_max) {
            line = cells_line_take(&rest, drawing->columns - (i > 0 ? 2 : 0));
        } else {
            rest.len = 0;
        }
        text_add_str(&drawing->below, i > 0 ? "  " : "");
        cells_add(&drawing->below, line, drawing->columns - (i > 0 ? 2 : 0));
        text_add_char(&drawing->below, '\n');
        drawing->below_lines++;
    }
}

/* Adds the question; where it takes more than `lines_max`, the last line says so. */
static void question_add(struct drawing *drawing, const char *words, size_t lines_max) {
    static const char more[] = "… and more: drover approve";
    struct bytes rest = bytes_of(words), line;
    const size_t begin = drawing->below_lines;
    while (bytes_next(&rest, '\n', &line)) {
        do {
            const size_t count = drawing->below_lines - begin;
            const int room = drawing->columns - (count > 0 ? 2 : 0);
            struct bytes piece = line.len > 0 ? cells_line_take(&line, room) : line;
            const bool cut = count + 1 == lines_max && (line.len > 0 || rest.len > 0);
            text_add_str(&drawing->below, count > 0 ? "  " : "");
            cells_add(&drawing->below, cut && count > 0 ? bytes_of(more) : piece,
                      cut ? room - 2 : room);
            text_add_str(&drawing->below, cut && count == 0 ? " …" : "");
            text_add_char(&drawing->below, '\n');
            drawing->below_lines++;
            if (cut) {
                drawing->question_cut = true;
                return;
            }
        } while (line.len > 0);
    }
}

/* The end of an answer that is being typed is what one looks at. */
static void typed_add(struct drawing *drawing, const char *typed) {
    struct bytes rest = bytes_of(typed);
    while (rest.len > 0 && cells_of(rest) > drawing->columns - 3) {
        struct bytes whole = rest;
        size_t len = 1;
        while (len < whole.len && utf8_cut(whole, len) == 0) {
            len++;
        }
        rest = (struct bytes){whole.data + len, whole.len - len};
    }
    text_add_str(&drawing->below, "> ");
    cells_add(&drawing->below, rest, drawing->columns - 2);
    text_add_char(&drawing->below, '\n');
    drawing->below_lines++;
}

/* The header and one line of agents have room in any case. */
static void below_make(struct drawing *drawing) {
    AUTO(text_done) struct text words = text_up_to(RUN_QUESTION_MAX);
    const struct workflow_draw *draw = drawing->draw;
    const struct workflow_agent *asker = workflow_tree_asker(drawing->tree);
    const bool types = asker != NULL && draw->typed != NULL;
    size_t others = (size_t)types + (draw->hint != NULL) + (draw->note != NULL);
    size_t rows = draw->rows > 0 ? (size_t)draw->rows : SIZE_MAX;
    size_t room = rows > others + 2 ? rows - others - 2 : 0;
    if (asker != NULL) {
        size_t most = rows / 3 < room ? rows / 3 : room;
        text_addf(&words, "? %s asks", asker->name);
        if (drawing->asking > 1) {
            text_addf(&words, " (1 of %zu)", drawing->asking);
        }
        text_addf(&words, ": %s", asker->question);
        question_add(drawing, words.data, most > 1 ? most : 1);
        text_clear(&words);
        text_addf(&words, "  %sdrover approve %s", types ? "y, n REASON, or: " : "",
                  short_name_of(asker->asks, NULL /* no label */).text);
        room = room > drawing->below_lines ? room - drawing->below_lines : 0;
        wrapped_add(drawing, words.data, room < 2 ? room : 2);
    }
    if (draw->hint != NULL) {
        wrapped_add(drawing, draw->hint, 1);
    }
    if (types) {
        typed_add(drawing, draw->typed);
    }
    if (draw->note != NULL) {
        wrapped_add(drawing, draw->note, 1);
    }
}

/* --- Folding ---------------------------------------------------------------------------------- */

static bool is_over(const struct drawing *drawing, size_t phase) {
    const struct sums *sums = &drawing->sums[phase];
    bool last = phase == drawing->tree->current && !drawing->tree->finished;
    return sums->ended == sums->all && !last;
}

static bool is_shown(const struct drawing *drawing, const struct workflow_agent *agent) {
    bool over = is_over(drawing, agent->phase);
    bool good = agent->mark == WORKFLOW_DONE || agent->mark == WORKFLOW_CACHED;
    switch (drawing->fold) {
    case FOLD_NOTHING:
        return true;
    case FOLD_GOOD_OF_OVER:
        return !over || !good;
    case FOLD_ALL_OF_OVER:
        return !over;
    case FOLD_GOOD:
        return !over && !good;
    default:
        return agent->ms < 0;
    }
}

static bool has_heading(const struct drawing *drawing, size_t phase) {
    const struct workflow_phase *of = &drawing->tree->phases[phase];
    bool lives = of->begun && !is_over(drawing, phase);
    return of->title[0] != '\0' && (lives || !drawing->tight);
}

/* Lines without those of agents: the header, the headings, the lines below. */
static size_t lines_around(const struct drawing *drawing) {
    size_t lines = 1 + drawing->below_lines;
    for (size_t i = 0; i < drawing->tree->phase_count; i++) {
        lines += has_heading(drawing, i);
    }
    return lines;
}

/* The least folding that fits; where none does, as many running agents as there is room for. */
static void fold_choose(struct drawing *drawing) {
    const struct workflow_tree *tree = drawing->tree;
    size_t rows = drawing->left, needed = SIZE_MAX;
    for (int fold = FOLD_NOTHING; fold <= FOLD_WORKING && needed > rows; fold++) {
        drawing->fold = (enum fold)fold;
        needed = lines_around(drawing);
        for (size_t i = 0; i < tree->agent_count; i++) {
            needed += is_shown(drawing, &tree->agents[i]);
        }
    }
    bool cut = drawing->fold == FOLD_WORKING; /* Then "and 12 more" is a line of its own. */
    drawing->tight = cut && lines_around(drawing) + 1 + AT_WORK_LEAST > rows;
    size_t others = lines_around(drawing) + 1, tail = drawing->below_lines + cut;
    drawing->at_work = rows > others ? rows - others : 0;
    drawing->left = rows > tail ? rows - tail : 1;
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
    int64_t ms = tree->ms >= 0 ? tree->ms : drawing->draw->now_ms - tree->started_ms;
    AUTO(text_done) struct text words = text_up_to(512);
    if (strcmp(tree->state, "running") != 0) {
        text_addf(&words, "%s, ", tree->state);
    }
    workflow_counts_add(tree, &words);
    struct row row = {.mark = "●",
                      .colour = COLOUR_BLUE,
                      .name = tree->name,
                      .words = words.data,
                      .tokens = tree->tokens,
                      .cost_micros = tree->cost_micros,
                      .cost_unknown = tree->cost_unknown,
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

static void heading_add(struct drawing *drawing, size_t at) {
    const struct sums *sums = &drawing->sums[at];
    const struct workflow_phase *phase = &drawing->tree->phases[at];
    AUTO(text_done) struct text words = text_up_to(128);
    if (sums->all > 0) {
        text_addf(&words, "%zu/%zu", sums->ended, sums->all);
    }
    if (sums->failed > 0) {
        text_addf(&words, ", %zu failed", sums->failed);
    }
    struct row row = {.indent = 2,
                      .mark = "●",
                      .colour = COLOUR_BLUE,
                      .name = phase->title,
                      .words = text_bytes(&words).data,
                      .tokens = sums->tokens,
                      .cost_micros = sums->cost_micros,
                      .cost_unknown = sums->cost_unknown,
                      .ms = -1};
    if (!phase->begun) {
        row.mark = "○";
        row.colour = COLOUR_GREY;
    } else if (is_over(drawing, at)) {
        row.mark = sums->failed == 0 ? "✓" : "✗";
        row.colour = sums->failed == 0 ? COLOUR_GREEN : COLOUR_RED;
    }
    row_add(drawing, &row);
}

static const struct look {
    const char *mark, *words;
    enum colour colour;
} looks[] = {
    [WORKFLOW_QUEUED] = {"○", "queued", COLOUR_GREY},
    [WORKFLOW_HELD] = {"‖", "held", COLOUR_YELLOW},
    [WORKFLOW_WORKS] = {"●", "", COLOUR_BLUE},
    [WORKFLOW_DONE] = {"✓", "", COLOUR_GREEN},
    [WORKFLOW_CACHED] = {"↷", "cached", COLOUR_GREEN},
    [WORKFLOW_FAILED] = {"✗", "failed", COLOUR_RED},
    [WORKFLOW_SKIPPED] = {"↷", "skipped", COLOUR_YELLOW},
    [LOOK_ASKS] = {"?", "asks", COLOUR_YELLOW},
    [LOOK_WAITS] = {"…", "waits for its provider", COLOUR_YELLOW},
};

static const struct look *look_of(const struct workflow_agent *agent) {
    const bool waits = agent->mark == WORKFLOW_WORKS && agent->resume_at_ms > 0;
    return &looks[agent->asks != NULL ? (size_t)LOOK_ASKS
                  : waits             ? (size_t)LOOK_WAITS
                                      : (size_t)agent->mark];
}

static void cached_from_add(const struct workflow_agent *agent, struct text *text) {
    if (agent->mark == WORKFLOW_CACHED && agent->cached_from[0] != '\0') {
        text_addf(text, " from %s", agent->cached_from);
    }
}

/* The words after an agent's name: its id, its question, or why it waits or failed. */
static void agent_words_add(const struct drawing *drawing, const struct workflow_agent *agent,
                            struct text *words) {
    const char *kept = strstr(agent->worktree, "/.drover/"); /* From the project on. */
    if (drawing->draw->ids == WORKFLOW_IDS_SHORT) {
        text_add_str(words, short_name_of(agent->run, NULL /* the label is shown */).text);
    } else if (drawing->draw->ids == WORKFLOW_IDS_WHOLE) {
        text_add_str(words, agent->run);
    }
    const size_t len = words->len;
    text_add_str(words, len > 0 ? "  " : "");
    const size_t begin = words->len;
    if (agent->asks != NULL) {
        const size_t len_line = strcspn(agent->question, "\n");
        text_addf(words, "asks: %.*s%s", (int)len_line, agent->question,
                  agent->question[len_line] != '\0' ? " …" : "");
    } else if (agent->cause[0] != '\0') {
        text_add_str(words, agent->cause);
    } else if (agent->waits[0] != '\0' && agent->ms < 0) {
        text_addf(words, "waits for %s", agent->waits);
        if (agent->resume_at_ms > 0) {
            text_addf(words, ", %s", talk_in(agent->resume_at_ms, drawing->draw->now_ms).text);
        }
    } else {
        text_add_str(words, look_of(agent)->words);
        cached_from_add(agent, words);
    }
    if (words->len == begin) {
        text_cut(words, len);
    }
    if (kept != NULL) {
        text_addf(words, "%skept: %s", words->len > 0 ? ", " : "", kept + 1);
    }
}

static void agent_add(struct drawing *drawing, const struct workflow_agent *agent) {
    AUTO(text_done) struct text words = text_up_to(RUN_QUESTION_MAX);
    const struct look *look = look_of(agent);
    agent_words_add(drawing, agent, &words);
    /* The result of an earlier run took neither time nor money. */
    bool cached = agent->mark == WORKFLOW_CACHED;
    int64_t ms = cached ? -1 : agent->ms;
    if (agent->mark == WORKFLOW_WORKS && agent->started_ms > 0) {
        ms = drawing->draw->now_ms - agent->started_ms;
        ms = ms > 0 ? ms : 0;
    }
    const struct row row = {
        .indent = drawing->tree->phases[agent->phase].title[0] != '\0' ? 4 : 2,
        .mark = look->mark,
        .colour = look->colour,
        .name = agent->name,
        .words = text_bytes(&words).data,
        .tokens = cached ? 0 : agent->tokens,
        .cost_micros = cached ? -1 : agent->cost_micros,
        .cost_unknown = cached ? 0 : agent->cost_unknown,
        .ms = ms,
    };
    row_add(drawing, &row);
}

bool workflow_draw(const struct workflow_draw *draw, const struct workflow_tree *tree,
                   struct text *text) {
    AUTO(text_done) struct text words = text_up_to(1024);
    struct drawing drawing = {.draw = draw,
                              .tree = tree,
                              .sums = mem_new_array(tree->phase_count, sizeof *drawing.sums),
                              .out = text,
                              .left = draw->rows > 0 ? (size_t)draw->rows : SIZE_MAX,
                              .columns = draw->columns > 0 ? draw->columns : COLUMNS_WHOLE};
    for (size_t i = 0; i < tree->agent_count; i++) {
        const struct workflow_agent *agent = &tree->agents[i];
        struct sums *sums = &drawing.sums[agent->phase];
        sums->all++;
        sums->ended += agent->ms >= 0;
        sums->failed += agent->mark == WORKFLOW_FAILED;
        sums->tokens += agent->tokens;
        sums->cost_micros += agent->cost_micros > 0 ? agent->cost_micros : 0;
        sums->cost_unknown += agent->cost_unknown;
        drawing.asking += agent->asks != NULL;
    }
    text_init(&drawing.below, BELOW_MAX);
    below_make(&drawing);
    fold_choose(&drawing);
    header_add(&drawing);
    for (size_t phase = 0; phase < tree->phase_count; phase++) {
        if (has_heading(&drawing, phase)) {
            heading_add(&drawing, phase);
        }
        for (size_t i = 0; i < tree->agent_count; i++) {
            const struct workflow_agent *agent = &tree->agents[i];
            bool shown = agent->phase == phase && is_shown(&drawing, agent);
            bool fits = drawing.fold != FOLD_WORKING || drawing.at_work > 0;
            drawing.hidden += shown && !fits;
            if (shown && fits) {
                drawing.at_work -= drawing.at_work > 0;
                agent_add(&drawing, agent);
            }
        }
    }
    if (drawing.hidden > 0) {
        text_addf(&words, "    and %zu more", drawing.hidden);
        line_add(&drawing, COLOUR_GREY, words.data);
        text_clear(&words);
    }
    struct bytes below = text_bytes(&drawing.below), line;
    while (bytes_next(&below, '\n', &line)) {
        text_add_str(text, paint_begin(&draw->paint, COLOUR_YELLOW));
        text_add(text, line.data, line.len);
        text_addf(text, "%s\n", paint_end(&draw->paint, COLOUR_YELLOW));
    }
    text_done(&drawing.below);
    mem_free(drawing.sums);
    return drawing.question_cut;
}

/* --- Lines of a pipe -------------------------------------------------------------------------- */

/* Tokens and times that are not known are left out. */
static void spent_add(struct text *text, const char *before, int64_t tokens,
                      const struct amount_shown *cost, int64_t ms) {
    const struct run_words span = run_span(ms);
    const struct workflow_amount amount = workflow_tokens(tokens);
    const struct {
        bool known;
        const char *shown, *unit;
    } amounts[] = {{tokens > 0, amount.text, " tokens"},
                   {cost->text[0] != '\0', cost->text, cost->text[0] == 'u' ? " cost" : ""},
                   {ms >= 0, span.text, ""}};
    for (size_t i = 0; i < COUNT_OF(amounts); i++) {
        if (amounts[i].known) {
            text_addf(text, "%s%s%s", before, amounts[i].shown, amounts[i].unit);
            before = ", ";
        }
    }
}

void workflow_budget_add(const json_t *data, struct text *text) {
    json_t *budget = json_object_get(data, "budget"), *value = NULL;
    const char *name = NULL, *before = ", budget";
    if (!json_is_object(budget)) { /* An older daemon says nothing of it. */
        text_add_str(text, budget != NULL ? ", no budget" : "");
        return;
    }
    json_object_foreach(budget, name, value) {
        const enum amount amount = amount_find(name);
        if (amount < AMOUNT_COUNT) { /* A newer daemon may know more. */
            text_addf(text, "%s %s %s", before, amount_title(amount),
                      amount_show(amount, json_integer_value(value)).text);
            before = ",";
        }
    }
    bool is_default = json_is_true(json_object_get(data, "budget_default"));
    text_add_str(text, is_default ? " (the daemon's default)" : "");
}

static void started_add(const struct workflow_told *told, struct text *text) {
    const json_t *data = told->event->data;
    const char *from = talk_text(data, "resumed_from");
    text_addf(text, "%s (%s)%s", told->tree->name, told->run,
              from[0] != '\0' ? ", resumed from " : "");
    plain_add(text, from);
    workflow_budget_add(data, text);
    if (json_is_integer(json_object_get(data, "total"))) { /* 0 is one. */
        text_addf(text, ", budget.total %lld", (long long)talk_int(data, "total"));
    }
    static const struct {
        const char *member, *before;
    } times[] = {{"timeout_ms", ", timeout "}, {"agent_timeout_ms", ", of each agent "}};
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        int64_t ms = talk_int(data, times[i].member);
        text_addf(text, "%s%s", ms > 0 ? times[i].before : "", ms > 0 ? run_span(ms).text : "");
    }
    if (talk_int(data, "concurrency") > 0) {
        text_addf(text, ", at most %lld at once", (long long)talk_int(data, "concurrency"));
    }
}

static void paused_add(const struct workflow_told *told, struct text *text) {
    text_addf(text, "'drover resume %s' lets it go on",
              short_name_of(told->run, NULL /* the tree's is shown */).text);
}

static void retrying_add(const struct workflow_told *told, struct text *text) {
    const json_t *data = told->event->data;
    const char *cause = talk_text(data, "cause");
    const int64_t resume_at_ms = talk_int(data, "resume_at_ms");
    if (strcmp(talk_text(data, "gate"), "budget") == 0) {
        text_add_str(text, " (its next call waits for a budget)");
    }
    if (resume_at_ms > 0) {
        text_addf(text, " until %s", talk_clock(resume_at_ms).text);
    }
    text_add_str(text, cause[0] != '\0' ? ", " : "");
    plain_add(text, cause);
}

static void agent_finished_add(const struct workflow_told *told, struct text *text) {
    const struct workflow_agent *agent = told->agent;
    const char *note = talk_text(told->event->data, "note");
    bool caused = agent->cause[0] != '\0';
    if (caused) {
        text_addf(text, " %s%s", agent->cause, note[0] != '\0' ? ": " : "");
        plain_add(text, note);
    }
    cached_from_add(agent, text);
    if (agent->mark != WORKFLOW_CACHED) {
        const struct amount_shown cost = cost_words(agent->cost_micros, agent->cost_unknown);
        spent_add(text, caused ? ", " : " ", agent->tokens, &cost, agent->ms);
    }
    if (agent->worktree[0] != '\0') {
        text_add_str(text, ", kept: ");
        plain_add(text, agent->worktree);
    }
    if (!caused && note[0] != '\0') {
        text_add_str(text, ", ");
        plain_add(text, note);
    }
}

/* How the run ended, as its last line says it. */
static void finished_add(const struct workflow_told *told, struct text *text) {
    const struct workflow_tree *tree = told->tree;
    text_addf(text, "workflow %s: ", tree->state);
    if (tree->cause[0] != '\0' && strcmp(tree->cause, "completed") != 0) {
        text_addf(text, "%s, ", tree->cause);
    }
    workflow_counts_add(tree, text);
    const struct amount_shown cost = cost_words(tree->cost_micros, tree->cost_unknown);
    spent_add(text, ", ", tree->tokens, &cost, tree->ms);
}

void workflow_lines_add(const struct workflow_told *told, struct text *text) {
    static const struct {
        const char *type, *before;
        bool of_agent;      /* The agent follows. */
        const char *member; /* Words of the event that follow; NULL: none do. */
        void (*add)(const struct workflow_told *told, struct text *text); /* The rest, or NULL. */
    } lines[] = {
        {"workflow_started", "workflow started: ", .add = started_add},
        {"run_queued", "workflow queued",
         .add = NULL}, /* The gate stands in the row, and changes. */
        {"phase", "phase: ", .member = "title"},
        {"log", "log: ", .member = "text"},
        {"agent_started", "agent started: ", .of_agent = true},
        {"agent_restarted", "agent restarted: ", .of_agent = true},
        {"agent_retrying", "agent waits before its next call: ", true, .add = retrying_add},
        {"agent_finished", NULL, true, .add = agent_finished_add},
        {"run_stopping", "workflow stopping: ", .member = "cause"},
        {"workflow_paused", "workflow paused: ", .add = paused_add},
        {"workflow_resumed", "workflow goes on", .add = NULL},
        {"workflow_finished", "", .add = finished_add},
    };
    size_t at = 0;
    while (at < COUNT_OF(lines) && !bytes_is(told->event->type, lines[at].type)) {
        at++;
    }
    if (at == COUNT_OF(lines) || (lines[at].of_agent && told->agent == NULL)) {
        return;
    }
    if (lines[at].before != NULL) {
        text_add_str(text, lines[at].before);
    } else {
        text_addf(text, "agent %s: ", workflow_mark_word(told->agent->mark));
    }
    if (lines[at].of_agent) {
        const char *phase = told->tree->phases[told->agent->phase].title;
        text_add_str(text, told->agent->name);
        if (phase[0] != '\0') {
            text_addf(text, " [%s]", phase);
        }
    }
    if (lines[at].member != NULL) {
        plain_add(text, talk_text(told->event->data, lines[at].member));
    }
    if (lines[at].add != NULL) {
        lines[at].add(told, text);
    }
    text_add_char(text, '\n');
}
