/* check_folds.c: what a summary must do to a long conversation.
 *
 *   look  the size that a new summary states covers all rounds, not the last one alone
 *         a summary leaves at most half of the window in use, so that several turns follow before
 *         the next one, unless a single unit is larger
 *   rest  a prompt is refused as too long only where its question may be the reason
 *         no summary is given up because it is not shorter than what it stands for
 *         an answer that succeeded has no error
 *
 * Long conversations come from message_burst (ops_turns.c), long results of tools from a file of
 * the project (ops_sessions.c). Sizes of prompts are not visible in rows, so each bound is computed
 * here from the parts of messages, in bytes, and leaves room for what it does not know.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "asks.h"
#include "known.h"
#include "ops.h"
#include "provider.h"
#include "rules/trace/usage.h"
#include "rules/turn/compaction.h"

enum {
    SESSIONS_MAX = 512,
    OUTPUT_TOKENS = 4096, /* Reserved for an answer. */
    UNITS_MIN = 3,        /* Number of units that are left, from which none is alone too large. */
    TOO_FULL_MAX = 2,     /* One is legal: later rounds of it failed, and the first is kept. */
};

struct folds {
    int64_t last;                    /* Highest id of the summaries that were checked. */
    unsigned too_full[SESSIONS_MAX]; /* Number of summaries that left too much, by session. */
};

static struct folds *folds_of(void) {
    static struct folds all;
    return &all;
}

/* --- New summaries ---------------------------------------------------------------------------- */

/* Columns: id of the summary, session, stated size in tokens, bytes of the questions that this
 * summary covers and no earlier one. */
static void stated_size_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    int64_t stated = (row->number[2] + 1) * BYTES_PER_TOKEN, covered = row->number[3];
    if (stated < covered && ask_wanted("sums")) {
        sim_fail(sim, "a summary states the size of %lld tokens and covers %lld bytes, in %s",
                 (long long)row->number[2], (long long)covered, row->text[1].data);
    }
    if (stated <= FOLD_LEAST / 2 && ask_wanted("few")) {
        sim_fail(sim, "a model summarised %lld tokens, in %s", (long long)row->number[2],
                 row->text[1].data);
    }
}

static int64_t larger(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* Bytes of half of the longest prompt, without tools and instructions, which no summary shortens.
 * A quarter of these is allowed for a change since they were measured. */
static int64_t half_of(int64_t window, int64_t fixed) {
    int64_t output = OUTPUT_TOKENS < window / 2 ? OUTPUT_TOKENS : window / 2;
    int64_t half = (window - output) * 8 / 10 * BYTES_PER_TOKEN / 2 - fixed * 3 / 4;
    return larger(half, 0);
}

/* Columns: id of the session, session, model, bytes of tools and instructions, number of units that
 * are left, their bytes, window of the connection, window of the settings. */
static void left_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    int64_t id = row->number[0], units = row->number[4], bytes = row->number[5];
    int64_t listed = provider_window(row->text[2].data);
    int64_t window = larger(larger(row->number[6], row->number[7]), listed);
    int64_t half = half_of(window, row->number[3]);
    sim_trace(sim, "a summary leaves %lld bytes in %lld units; half of the window: %lld",
              (long long)bytes, (long long)units, (long long)half);
    if (id < 0 || id >= SESSIONS_MAX || units < UNITS_MIN || bytes <= half) {
        return;
    }
    if (++folds_of()->too_full[id] >= TOO_FULL_MAX && ask_wanted("half")) {
        sim_fail(sim, "summaries leave %lld bytes in %lld units, more than half of a window, in %s",
                 (long long)bytes, (long long)units, row->text[1].data);
    }
}

/* Summaries that running turns made since the last look. $1: the last id that was checked. A fork
 * takes a copy of a summary along, but not the earlier ones that are part of it, so the copy says
 * nothing about its own session. */
#define NEW_SUMMARIES                                                                              \
    " FROM checkpoints c"                                                                          \
    " JOIN sessions s ON s.id = c.session"                                                         \
    " JOIN turns t ON t.session = c.session"                                                       \
    " JOIN runs r ON r.id = t.run"                                                                 \
    " WHERE c.id > $1 AND c.made_by = 'auto' AND c.void = 0"                                       \
    " AND r.ended_ms IS NULL AND r.state = 'running'"                                              \
    " AND NOT EXISTS (SELECT 1 FROM checkpoints o WHERE s.forked_from <> ''"                       \
    "  AND o.id < c.id AND o.session <> c.session AND o.made_ms = c.made_ms"                       \
    "  AND o.tokens_before = c.tokens_before AND o.summary = c.summary)"

/* Parts that a prompt of turn t shows whole. Parts that a prompt may shorten are left out, so the
 * sum is a lower bound. */
#define SHOWN_PARTS                                                                                \
    " FROM messages m"                                                                             \
    " JOIN parts p ON p.message = m.id"                                                            \
    " WHERE m.session = c.session AND m.active = 1 AND m.status IN ('completed', 'running')"       \
    " AND m.role IN ('user', 'assistant') AND m.id <= t.answer AND m.id <> t.question"             \
    " AND (p.kind IN ('text', 'steer') OR (p.kind = 'tool' AND p.run = 0))"

/* Of these, the ones that summary c does not cover. */
#define LEFT_PARTS                                                                                 \
    SHOWN_PARTS                                                                                    \
    " AND (m.id > c.message OR (m.id = c.message AND c.step > 0 AND p.step > c.step))"

/* Bytes of tools and instructions in the prompts of a session, whose column follows. */
#define FIXED_BYTES_OF                                                                             \
    " coalesce((SELECT max(x.tools_bytes + x.instructions_bytes) FROM spans x"                     \
    "  JOIN turns u ON u.run = x.run WHERE u.session = "

static void folds_look(struct sim *sim) {
    struct ask_number last = ask_number(folds_of()->last);
    int64_t newest =
        rows_number(sim, "SELECT coalesce(max(id), 0) FROM checkpoints", /* texts */ NULL, 0);
    if (newest <= folds_of()->last) {
        return;
    }
    ask_each(sim,
             "SELECT c.session, s.session, t.model," FIXED_BYTES_OF "c.session), 0),"
             " (SELECT count(DISTINCT m.id * 10000"
             "  + CASE WHEN m.id = t.answer THEN p.step ELSE 0 END)" LEFT_PARTS "),"
             " (SELECT coalesce(sum(p.bytes), 0)" LEFT_PARTS "),"
             " coalesce((SELECT v.context_window FROM providers v"
             "  WHERE substr(t.model, 1, length(v.name) + 1) = v.name || '/'), 0),"
             " coalesce((SELECT value FROM settings WHERE name = 'window'), 0)" NEW_SUMMARIES,
             TEXTS(last.text), left_take, NULL);
    ask_each(sim,
             "SELECT c.id, s.session, c.tokens_before,"
             " (SELECT coalesce(sum(p.bytes), 0)" SHOWN_PARTS " AND m.role = 'user'"
             "  AND m.id <= c.message"
             "  AND m.id > coalesce((SELECT max(o.message) FROM checkpoints o"
             "   WHERE o.session = c.session AND o.void = 0 AND o.id < c.id), 0))" NEW_SUMMARIES
             " ORDER BY c.id",
             TEXTS(last.text), stated_size_take, NULL);
    folds_of()->last = newest;
}

/* --- The end ---------------------------------------------------------------------------------- */

/* Bytes that edits took away from a question, and from the messages that may have joined its turn:
 * those that came later. */
static int64_t replaced_since(struct sim *sim, const struct known_message *question) {
    const struct known *known = known_of(sim);
    int64_t bytes = 0;
    for (size_t i = 0; question != NULL && i < known->message_count; i++) {
        const struct known_message *message = &known->messages[i];
        if (message->session == question->session && message->op >= question->op) {
            bytes += (int64_t)message->replaced;
        }
    }
    return bytes;
}

/* Columns: answer, bytes of what its turn was asked, images of that, bytes of tools and
 * instructions, the error, which states the room in the window, the question. Some windows that
 * operations set are nearly full with what no summary shortens. A failed answer stays beside
 * messages that were edited since, to shorter ones perhaps; of a copy in a fork that is not known,
 * so the copies are left out. */
static void too_long_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    static const char sign[] = "window leaves ";
    (void)ctx;
    const char *error = row->text[4].data, *room = strstr(error, sign);
    int64_t window = room == NULL ? 0 : strtoll(room + strlen(sign), NULL, 10) * BYTES_PER_TOKEN;
    const struct known_message *question = known_find_message(sim, row->text[5].data);
    int64_t asked =
        row->number[1] + replaced_since(sim, question) + row->number[2] * USAGE_IMAGE_BYTES;
    int64_t fixed = asked + row->number[3];
    if (row->number[3] > 0 && fixed < window / 4 * 3 && ask_wanted("too_long")) {
        sim_fail(sim, "a prompt was refused as too long, with %lld bytes that must stay, in %s: %s",
                 (long long)fixed, row->text[0].data, error);
    }
}

/* Columns: run, error of the fold. */
static void not_shorter_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    if (ask_wanted("shorter")) {
        sim_fail(sim, "a summary is given up, since it is not shorter, in %s: %s",
                 row->text[0].data, row->text[1].data);
    }
}

/* Columns: answer, its error. */
static void error_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    if (ask_wanted("error")) {
        sim_fail(sim, "an answer completed and has an error, in %s: %s", row->text[0].data,
                 row->text[1].data);
    }
}

/* The question of answer a, and the messages that may have joined its turn: those that came later
 * and have no answer of their own. */
#define ASKED_SUM " coalesce((SELECT sum("
#define ASKED_PARTS                                                                                \
    ") FROM messages q JOIN parts p ON p.message = q.id"                                           \
    " WHERE q.id = a.reply_to OR (q.session = a.session AND q.id > a.id AND q.role = 'user'"       \
    "  AND NOT EXISTS (SELECT 1 FROM messages b WHERE b.reply_to = q.id))), 0),"

static bool folds_rest(struct sim *sim, bool must) {
    (void)must;
    ask_each(sim,
             "SELECT a.message," ASKED_SUM "p.bytes" ASKED_PARTS ASKED_SUM
             "p.kind = 'image'" ASKED_PARTS FIXED_BYTES_OF "a.session), 0),"
             " a.error, (SELECT q.message FROM messages q WHERE q.id = a.reply_to)"
             " FROM messages a WHERE a.error LIKE 'The prompt has about%'"
             " AND a.status <> 'removed'" /* Its question is gone. */
             " AND NOT EXISTS (SELECT 1 FROM sessions s JOIN messages o ON o.id < a.id"
             "  AND o.session <> s.id AND o.error = a.error"
             "  WHERE s.id = a.session AND s.forked_from <> '')",
             NULL, too_long_take, NULL);
    ask_each(sim,
             "SELECT r.run, x.error FROM spans x JOIN runs r ON r.id = x.run"
             " WHERE x.kind = 'compaction' AND x.error LIKE '%is not shorter%'",
             NULL, not_shorter_take, NULL);
    ask_each(sim, "SELECT message, error FROM messages WHERE cause = 'completed' AND error <> ''",
             NULL, error_take, NULL);
    return true;
}

static void folds_begin(struct sim *sim) {
    (void)sim;
    *folds_of() = (struct folds){.last = 0};
}

/* A power cut may have removed rows; their ids are given again. */
static void folds_opened(struct sim *sim) {
    folds_of()->last =
        rows_number(sim, "SELECT coalesce(max(id), 0) FROM checkpoints", /* texts */ NULL, 0);
}

const struct sim_part part_folds = {.name = "folds",
                                    .begin = folds_begin,
                                    .opened = folds_opened,
                                    .look = folds_look,
                                    .rest = folds_rest};
