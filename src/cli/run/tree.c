/* tree.c: rows are linked to their parents, ranked, sorted so that the children of each node are
 * neighbours, and walked depth first. Where lines are limited, the walk is repeated with less and
 * less unfolded, until it fits. */
#include "cli/run/tree.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "cli/base/api.h"
#include "cli/base/names.h"
#include "cli/run/waits.h"
#include "cli/terminal/cells.h"

enum {
    DEPTH_MAX = 16, /* Deeper runs stand beside their parent. */
    KIND_WIDTH = 8,
    STATE_WIDTH = 9,
    TIME_WIDTH = 7,
    GAP = 2,
    COLUMNS_KIND = 60, /* Narrower trees show no kind, then no time. */
    COLUMNS_TIME = 50,
    INDENT = 4, /* Indentation of lines below a row. */
    WORDS_LINES = 2,
    STATES_MAX = 12,
    TREE_BYTES = 8 << 20,
};

/* Order of siblings, and of the trees themselves. */
enum rank { RANK_ASKS, RANK_LIVES, RANK_ENDED };

struct node {
    const json_t *run;
    const json_t *turn; /* Turn of an agent; NULL: none. */
    size_t parent;      /* Index; that of the ground where it has none. */
    size_t owner;       /* Index of the line's node: of a turn with an agent, that of the agent. */
    unsigned depth;
    enum rank rank;
    size_t first, count; /* Children, in `order`. */
};

struct place {
    size_t parent, key, node;
    enum rank rank;
};

/* Limits of what is unfolded: children of a run beside those that ask, and trees. */
struct fold {
    size_t children, trees;
};

struct forest {
    const struct run_tree *tree;
    struct node *nodes; /* Owned; the last one is the ground, on which the trees stand. */
    size_t ground;
    struct place *order;   /* Owned. */
    size_t order_count;    /* Without turns that are shown with their agents. */
    size_t *askers;        /* Owned: node of each question; SIZE_MAX: it is not listed. */
    size_t question_count; /* Number of them. */
    size_t strangers;      /* Questions of runs that are not listed. */
    int run_len, question_len;
    int columns;
    struct fold fold;
    struct text out; /* Owned. */
    size_t lines, lines_max;
};

/* --- Linking ---------------------------------------------------------------------------------- */

static bool kind_is(const json_t *run, const char *kind) {
    return strcmp(talk_text(run, "kind"), kind) == 0;
}

static size_t place_of(const json_t *index, const char *id) {
    const json_t *at = json_object_get(index, id);
    return at != NULL ? (size_t)json_integer_value(at) : SIZE_MAX;
}

/* Older rows have higher indexes, so a link leads to a higher one, and never into a circle. */
static void node_link(struct forest *forest, const json_t *index, size_t at) {
    struct node *node = &forest->nodes[at];
    size_t parent = place_of(index, talk_text(node->run, "parent"));
    node->owner = at;
    node->parent = forest->ground;
    node->depth = 0;
    node->rank = run_has_ended(node->run) ? RANK_ENDED : RANK_LIVES;
    if (parent == SIZE_MAX || parent <= at) {
        return;
    }
    parent = forest->nodes[parent].owner;
    struct node *above = &forest->nodes[parent];
    if (kind_is(node->run, "turn") && kind_is(above->run, "agent")) {
        if (above->turn == NULL || run_has_ended(above->turn)) {
            above->turn = node->run;
        }
        node->owner = parent;
    } else if (above->depth + 1 < DEPTH_MAX) {
        node->parent = parent;
        node->depth = above->depth + 1;
    } else {
        node->parent = above->parent;
        node->depth = above->depth;
    }
}

static void questions_link(struct forest *forest, const json_t *index) {
    for (size_t i = 0; i < forest->question_count; i++) {
        const json_t *question = json_array_get(forest->tree->questions, i);
        size_t at = place_of(index, talk_text(question, "run"));
        forest->askers[i] = at == SIZE_MAX ? SIZE_MAX : forest->nodes[at].owner;
        forest->strangers += at == SIZE_MAX;
        if (at != SIZE_MAX) {
            forest->nodes[forest->askers[i]].rank = RANK_ASKS;
        }
    }
}

static int by_place(const void *a, const void *b) {
    const struct place *left = a, *right = b;
    if (left->parent != right->parent) {
        return left->parent < right->parent ? -1 : 1;
    }
    if (left->rank != right->rank) {
        return left->rank < right->rank ? -1 : 1;
    }
    return left->key < right->key ? -1 : left->key > right->key;
}

/* Trees: the newest first, as in a list. Children: the oldest first, as they were begun. */
static void places_sort(struct forest *forest) {
    const size_t ground = forest->ground;
    for (size_t at = 0; at < ground; at++) {
        struct node *node = &forest->nodes[at], *above = &forest->nodes[node->parent];
        if (node->owner == at) {
            above->rank = node->rank < above->rank ? node->rank : above->rank;
            forest->order[forest->order_count++] =
                (struct place){.parent = node->parent,
                               .key = node->parent == ground ? at : ground - at,
                               .node = at,
                               .rank = node->rank};
        }
    }
    qsort(forest->order, forest->order_count, sizeof *forest->order, by_place);
    for (size_t i = 0; i < forest->order_count; i++) {
        struct node *above = &forest->nodes[forest->order[i].parent];
        above->first = above->count++ == 0 ? i : above->first;
    }
}

static void forest_link(struct forest *forest) {
    AUTO(json_release) json_t *index = json_object();
    for (size_t at = 0; at < forest->ground; at++) {
        const json_t *run = json_array_get(forest->tree->runs, at);
        forest->nodes[at].run = run;
        /* Without memory for it, its children stand for themselves. */
        (void)json_object_set_new(index, talk_text(run, "id"), json_integer((json_int_t)at));
    }
    forest->nodes[forest->ground].rank = RANK_ENDED;
    for (size_t at = forest->ground; at > 0; at--) {
        node_link(forest, index, at - 1);
    }
    questions_link(forest, index);
    places_sort(forest);
}

/* --- Ids -------------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The length from which on the beginnings of all ids differ, at least that of names.h. */
static int ids_length(const json_t *rows) {
    const size_t count = json_array_size(rows);
    AUTO(mem_release) const char **ids = mem_new_array(count + 1, sizeof *ids);
    size_t length = NAME_ID_LEN;
    for (size_t i = 0; i < count; i++) {
        ids[i] = talk_text(json_array_get(rows, i), "id");
    }
    qsort(ids, count, sizeof *ids, by_text);
    for (size_t i = 1; i < count; i++) {
        size_t same = 0;
        while (ids[i][same] != '\0' && ids[i][same] == ids[i - 1][same]) {
            same++;
        }
        length = same + 1 > length && ids[i][same] != '\0' ? same + 1 : length;
    }
    return (int)length;
}

/* --- Lines ------------------------------------------------------------------------------------ */

static void tree_line_end(struct forest *forest) {
    while (forest->out.len > 0 && forest->out.data[forest->out.len - 1] == ' ') {
        text_cut(&forest->out, forest->out.len - 1);
    }
    text_add_char(&forest->out, '\n');
    forest->lines++;
}

/* Adds lines below a row, at most two; the second one is cut. */
static void below_add(struct forest *forest, enum colour colour, int indent, const char *words) {
    const struct paint *paint = &forest->tree->view.paint;
    const int room = forest->columns > indent + 1 ? forest->columns - indent : 1;
    struct bytes rest = bytes_of(words);
    for (size_t i = 0; i < WORDS_LINES && rest.len > 0; i++) {
        struct bytes line = rest;
        if (i + 1 < WORDS_LINES) {
            line = cells_line_take(&rest, room);
        } else {
            rest.len = 0;
        }
        text_addf(&forest->out, "%*s%s", indent, "", paint_begin(paint, colour));
        cells_add(&forest->out, line, room);
        text_add_str(&forest->out, paint_end(paint, colour));
        tree_line_end(forest);
    }
}

static void questions_add(struct forest *forest, size_t at) {
    for (size_t i = 0; i < forest->question_count; i++) {
        if (forest->askers[i] != at) {
            continue;
        }
        const json_t *row = json_array_get(forest->tree->questions, i);
        const char *kind = talk_text(row, "kind");
        const bool answers = strcmp(kind, "leave") != 0 && strcmp(kind, "confirm") != 0;
        AUTO(text_done) struct text words = text_up_to(TREE_BYTES);
        text_add_str(&words, "? ");
        run_question_add(row, &words);
        below_add(forest, COLOUR_YELLOW, INDENT, text_bytes(&words).data);
        text_clear(&words);
        text_addf(&words, "drover approve %.*s%s", forest->question_len, talk_text(row, "id"),
                  answers ? " --answer TEXT" : "");
        below_add(forest, COLOUR_YELLOW, INDENT + 2, text_bytes(&words).data);
    }
}

/* The row that says how the node fares: an agent that runs fares as its turn does. */
static const json_t *node_speaker(const struct node *node) {
    const bool runs = strcmp(talk_text(node->run, "state"), "running") == 0;
    return runs && node->turn != NULL && !run_has_ended(node->turn) ? node->turn : node->run;
}

/* Why it waits, or ended as it did; not what its questions say. */
static void words_make(const struct node *node, bool asks, int64_t now_ms, struct text *words) {
    const json_t *run = node_speaker(node);
    if (run_has_ended(run)) {
        const struct run_words all = run_words(run);
        const char *inside = strchr(all.text, '(');
        if (inside != NULL) {
            text_addf(words, "%.*s", (int)strcspn(inside + 1, ")"), inside + 1);
        }
        text_add_str(words, words->len > 0 && talk_int(run, "resume_at_ms") > 0 ? ", " : "");
        run_reason_add(run, now_ms, words);
        return;
    }
    AUTO(text_done) struct text reason = text_up_to(TREE_BYTES);
    if (!asks) {
        run_reason_add(run, now_ms, &reason);
    } else if (talk_text(run, "stop")[0] != '\0') {
        text_add_str(&reason, "asked to stop");
    }
    text_add_str(words, run_progress(run).text);
    text_addf(words, "%s%s", words->len > 0 && reason.len > 0 ? ", " : "",
              text_bytes(&reason).data);
}

static int label_at(const struct forest *forest) {
    return forest->run_len + GAP + (forest->columns >= COLUMNS_KIND ? KIND_WIDTH + GAP : 0) +
           STATE_WIDTH + GAP + (forest->columns >= COLUMNS_TIME ? TIME_WIDTH + GAP : 0);
}

/* Where there is room for it: `show` tells, too. */
static void attempts_add(const json_t *run, int room, struct text *words) {
    const size_t len = words->len;
    text_addf(words, "%sattempt %lld", len > 0 ? ", " : "", (long long)talk_int(run, "attempts"));
    if (cells_of(text_bytes(words)) > room) {
        text_cut(words, len);
    }
}

/* "│ ├ ": where the node hangs. `last`: for each depth, whether no sibling follows there. Labels
 * keep half of the room: of deeper trees the outer branches are left out. */
static void branches_add(const struct forest *forest, const bool *last, unsigned depth,
                         struct text *text) {
    const bool ascii = forest->tree->ascii;
    const int room = forest->columns - label_at(forest);
    const unsigned most = room > 4 ? (unsigned)room / 4 : 1;
    for (unsigned i = depth > most ? depth - most + 1 : 1; i <= depth; i++) {
        if (i < depth) {
            text_add_str(text, last[i] ? "  " : ascii ? "| " : "│ ");
        } else if (ascii) {
            text_add_str(text, last[i] ? "`-" : "|-");
        } else {
            text_add_str(text, last[i] ? "└ " : "├ ");
        }
    }
}

static void head_add(struct forest *forest) {
    struct text *out = &forest->out;
    text_addf(out, "%-*s  ", forest->run_len, "RUN");
    if (forest->columns >= COLUMNS_KIND) {
        text_addf(out, "%-*s  ", KIND_WIDTH, "KIND");
    }
    text_addf(out, "%-*s  ", STATE_WIDTH, "STATE");
    if (forest->columns >= COLUMNS_TIME) {
        text_addf(out, "%*s  ", TIME_WIDTH, "TIME");
    }
    cells_add(out, BYTES("LABEL"), forest->columns - label_at(forest));
    tree_line_end(forest);
}

static void columns_add(struct forest *forest, const struct node *node) {
    const struct run_tree *tree = forest->tree;
    const json_t *speaker = node_speaker(node);
    const enum colour colour = run_colour(speaker);
    struct text *out = &forest->out;
    text_addf(out, "%-*.*s  ", forest->run_len, forest->run_len, talk_text(node->run, "id"));
    if (forest->columns >= COLUMNS_KIND) {
        text_addf(out, "%-*.*s  ", KIND_WIDTH, KIND_WIDTH, talk_text(node->run, "kind"));
    }
    text_addf(out, "%s%-*.*s%s  ", paint_begin(&tree->view.paint, colour), STATE_WIDTH, STATE_WIDTH,
              talk_text(speaker, "state"), paint_end(&tree->view.paint, colour));
    if (forest->columns >= COLUMNS_TIME) {
        text_addf(out, "%*s  ", TIME_WIDTH, run_view_time(&tree->view, node->run).text);
    }
}

/* Words that fit stand after the label; others on lines of their own. */
static void node_add(struct forest *forest, size_t at, const bool *last) {
    const struct node *node = &forest->nodes[at];
    const struct paint *paint = &forest->tree->view.paint;
    struct text *out = &forest->out;
    AUTO(text_done) struct text label = text_up_to(TREE_BYTES), words = text_up_to(TREE_BYTES);
    bool asks = false;
    for (size_t i = 0; i < forest->question_count && !asks; i++) {
        asks = forest->askers[i] == at;
    }
    words_make(node, asks, forest->tree->view.now_ms, &words);
    branches_add(forest, last, node->depth, &label);
    const size_t branches = label.len;
    run_view_what(node->run, &label);
    if (label.len == branches && node->turn != NULL) {
        run_view_what(node->turn, &label);
    }
    columns_add(forest, node);
    const int room = forest->columns - label_at(forest);
    const int used = cells_add(out, text_bytes(&label), room);
    const bool fits = used + GAP + cells_of(text_bytes(&words)) <= room;
    if (fits && talk_int(node->run, "attempts") > 1) {
        attempts_add(node->run, room - used - GAP, &words);
    }
    if (words.len > 0 && fits) {
        text_addf(out, "  %s%s%s", paint_begin(paint, COLOUR_GREY), words.data,
                  paint_end(paint, COLOUR_GREY));
    }
    tree_line_end(forest);
    if (words.len > 0 && !fits) {
        below_add(forest, COLOUR_GREY, INDENT, words.data);
    }
    if (asks) {
        questions_add(forest, at);
    }
}

/* --- Folding ---------------------------------------------------------------------------------- */

/* Number of children that are shown. A single one more takes no more room than the words for it. */
static size_t shown_count(const struct forest *forest, const struct node *node) {
    const bool trees = node == &forest->nodes[forest->ground];
    const size_t most = trees ? forest->fold.trees : forest->fold.children;
    size_t asking = 0;
    while (asking < node->count && forest->order[node->first + asking].rank == RANK_ASKS) {
        asking++;
    }
    const size_t shown = most < node->count - asking ? asking + most : node->count;
    return most > 0 && shown + 1 == node->count ? node->count : shown;
}

/* "12 more agents: 9 succeeded, 3 running" */
static void folded_add(struct forest *forest, const struct node *node, const bool *last,
                       unsigned depth) {
    struct {
        const char *state;
        size_t count;
    } states[STATES_MAX] = {{"", 0}};
    const size_t shown = shown_count(forest, node), hidden = node->count - shown;
    const char *kind = NULL;
    for (size_t i = shown; i < node->count; i++) {
        const struct node *child = &forest->nodes[forest->order[node->first + i].node];
        const char *state = talk_text(node_speaker(child), "state");
        size_t at = 0;
        while (at + 1 < STATES_MAX && states[at].count > 0 &&
               strcmp(states[at].state, state) != 0) {
            at++;
        }
        states[at].state = state;
        states[at].count++;
        const char *of = talk_text(child->run, "kind");
        kind = kind == NULL || strcmp(kind, of) == 0 ? of : "run";
    }
    AUTO(text_done) struct text line = text_up_to(TREE_BYTES), words = text_up_to(TREE_BYTES);
    text_addf(&words, "%zu more ", hidden);
    run_view_plain(&words, kind);
    text_add_str(&words, hidden == 1 ? "" : "s");
    for (size_t at = 0; at < STATES_MAX && states[at].count > 0; at++) {
        text_addf(&words, "%s %zu ", at == 0 ? ":" : ",", states[at].count);
        run_view_plain(&words, states[at].state);
    }
    branches_add(forest, last, depth, &line);
    text_add(&line, words.data, words.len);
    if (label_at(forest) + cells_of(text_bytes(&line)) > forest->columns) {
        below_add(forest, COLOUR_GREY, INDENT, words.data);
        return;
    }
    text_addf(&forest->out, "%*s%s", label_at(forest), "", line.data);
    tree_line_end(forest);
}

/* --- The walk --------------------------------------------------------------------------------- */

static void forest_walk(struct forest *forest) {
    struct {
        const struct node *node;
        size_t next;
    } stack[DEPTH_MAX + 1];
    bool last[DEPTH_MAX + 1] = {false};
    unsigned depth = 0;
    forest->lines = 0;
    text_clear(&forest->out);
    head_add(forest);
    stack[0].node = &forest->nodes[forest->ground];
    stack[0].next = 0;
    for (bool more = true; more && forest->lines <= forest->lines_max;) {
        const struct node *node = stack[depth].node;
        const size_t next = stack[depth].next++, shown = shown_count(forest, node);
        last[depth] = next + 1 == node->count;
        if (next < shown) {
            const size_t at = forest->order[node->first + next].node;
            node_add(forest, at, last);
            stack[++depth].node = &forest->nodes[at];
            stack[depth].next = 0;
            continue;
        }
        if (shown < node->count) {
            last[depth] = true;
            folded_add(forest, node, last, depth);
        }
        more = depth > 0;
        depth -= more;
    }
}

/* Cuts the text before its line of that number. */
static void lines_cut(struct text *text, size_t lines) {
    size_t at = 0;
    for (size_t i = 0; i < lines && at < text->len; i++) {
        const char *end = memchr(text->data + at, '\n', text->len - at);
        at = end != NULL ? (size_t)(end - text->data) + 1 : text->len;
    }
    text_cut(text, at);
}

/* The least folding that fits; where none does, questions alone are too much for the screen, and
 * the last line says where all of them are. */
static void forest_fit(struct forest *forest) {
    static const struct fold folds[] = {{8, SIZE_MAX}, {4, SIZE_MAX}, {2, SIZE_MAX}, {1, SIZE_MAX},
                                        {0, SIZE_MAX}, {0, 16},       {0, 8},        {0, 4},
                                        {0, 2},        {0, 0}};
    const size_t rows = forest->tree->rows, tail = forest->strangers > 0;
    forest->lines_max = rows > tail ? rows - tail : SIZE_MAX;
    for (size_t i = 0; i < COUNT_OF(folds); i++) {
        forest->fold = folds[i];
        forest_walk(forest);
        if (forest->lines <= forest->lines_max) {
            return;
        }
    }
    lines_cut(&forest->out, forest->lines_max - 1);
    cells_add(&forest->out,
              forest->question_count > 0 ? BYTES("and more; all questions: drover approve")
                                         : BYTES("and more"),
              forest->columns);
    tree_line_end(forest);
}

/* A filter, or a limit, may leave out the run that asks. */
static void strangers_add(struct forest *forest) {
    const size_t count = forest->strangers;
    AUTO(text_done) struct text words = text_up_to(512);
    if (count > 0) {
        text_addf(&words, "? %zu question%s of other runs: drover approve", count,
                  count == 1 ? "" : "s");
        below_add(forest, COLOUR_YELLOW, 0, words.data);
    }
}

/* Another character becomes as many question marks as it has cells, as `ls` does it. */
static void ascii_add(struct text *text, struct bytes from) {
    for (size_t at = 0; at < from.len;) {
        size_t len = 1;
        while (at + len < from.len && ((unsigned char)from.data[at + len] & 0xC0) == 0x80) {
            len++;
        }
        const struct bytes character = {from.data + at, len};
        const int cells = cells_of(character);
        if ((unsigned char)from.data[at] < 0x80) {
            text_add_char(text, from.data[at]);
        } else if (bytes_is(character, "…")) {
            text_add_char(text, '~');
        } else {
            text_add(text, "??", cells < 2 ? (size_t)cells : 2);
        }
        at += len;
    }
}

void run_tree_draw(const struct run_tree *tree, struct text *text) {
    const size_t count = json_array_size(tree->runs);
    const size_t question_count = json_array_size(tree->questions);
    struct forest forest = {
        .tree = tree,
        .nodes = mem_new_array(count + 1, sizeof *forest.nodes),
        .ground = count,
        .order = mem_new_array(count + 1, sizeof *forest.order),
        .askers = mem_new_array(question_count + 1, sizeof *forest.askers),
        .question_count = question_count,
        .run_len = ids_length(tree->runs),
        .question_len = ids_length(tree->questions),
        .columns = tree->view.columns > 0 ? tree->view.columns : RUN_TREE_COLUMNS,
    };
    text_init(&forest.out, TREE_BYTES);
    forest_link(&forest);
    forest_fit(&forest);
    strangers_add(&forest);
    if (tree->ascii) {
        ascii_add(text, text_bytes(&forest.out));
    } else {
        text_add(text, forest.out.data, forest.out.len);
    }
    text_done(&forest.out);
    mem_free(forest.askers);
    mem_free(forest.order);
    mem_free(forest.nodes);
}

/* --- For a terminal --------------------------------------------------------------------------- */

/* The first of these variables that is set decides, as setlocale(3) has it. */
static bool locale_is_utf8(const struct config_env *env) {
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const char *value = env->get(env->ctx, names[i]);
        if (value != NULL && value[0] != '\0') {
            const char *set = strchr(value, '.');
            return set != NULL &&
                   (strncasecmp(set, ".UTF-8", 6) == 0 || strncasecmp(set, ".UTF8", 5) == 0);
        }
    }
    return false;
}

struct run_tree run_tree_of(const struct invocation *invocation) {
    return (struct run_tree){.view = run_view_fitted(invocation),
                             .ascii = !locale_is_utf8(&invocation->env)};
}
