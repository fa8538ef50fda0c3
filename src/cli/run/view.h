/* view.h: a run as people read it, and the exit code that stands for it.
 *
 * Promise    what a client named (labels, commands, paths) is shown without control characters, so
 *            that no run can play with the terminal of whoever looks.
 * Threads    any; pure.
 *
 * EXIT CODES of `job run` and `wait`, as shells and timeout(1) have them
 *   the command's own          it ended by itself
 *   128 + N                    signal N ended it
 *   124                        timed out
 *   125                        cancelled, lost, or failed without an exit code
 *   127                        there is no such program
 *   126                        it could not be started for another reason: its folder, a permission
 *
 * A workflow, and an agent of one, have no code of their own: 0 succeeded, 1 failed or degraded,
 * 124 and 125 as above.
 */
#ifndef DROVER_CLI_RUN_VIEW_H
#define DROVER_CLI_RUN_VIEW_H

#include "base/base.h"
#include "base/json/json.h"
#include "cli/base/cli.h"
#include "cli/terminal/paint.h"

enum {
    RUN_EXIT_FAILED = 1,
    RUN_EXIT_TIMED_OUT = 124,
    RUN_EXIT_UNKNOWN = 125,
    RUN_EXIT_NOT_STARTED = 126,
    RUN_EXIT_NOT_FOUND = 127,
    RUN_EXIT_SIGNAL = 128,
};

struct run_view {
    struct paint paint;
    int64_t now_ms;
    int columns; /* Of the terminal, for trees. 0: not known. */
};

struct run_view run_view_of(const struct invocation *invocation);     /* As long as they are. */
struct run_view run_view_fitted(const struct invocation *invocation); /* To our terminal. */

/* "failed (exit code 3)": how it ended, or what it does. */
struct run_words {
    char text[120];
};

void run_view_head(const struct run_view *view, struct text *text);
/* A line, as long as it is: of an unfinished run the reason why it waits stands last. */
void run_view_row(const struct run_view *view, const json_t *run, struct text *text);
/* How it ended, or what it does, in its colour: of a run or of a step. */
void run_view_state(const struct run_view *view, const json_t *run, struct text *text);
/* The sentence of a cause of runs; another word is itself. */
const char *run_view_why(const char *cause);
void run_view_plain(struct text *text, const char *words); /* Without control characters. */
void run_view_what(const json_t *run, struct text *text);  /* Label, else command; plain. */
/* Time for which the run ran, runs, or has waited. */
struct run_words run_view_time(const struct run_view *view, const json_t *run);
enum colour run_colour(const json_t *run); /* For the state of a run, or of a step. */
/* Lines of a key, in RUN_KEY_CELLS, and a value: wrapped to `paint`. */
enum { RUN_KEY_CELLS = 12 };
void run_view_whole(const struct run_view *view, const json_t *run, struct text *text);

/* A run that is not followed: its id, or {KEY: ID}, which scripts read; a person learns how to
 * follow it later. `label` may be NULL. */
void run_begun_print(const struct invocation *invocation, const char *key, const char *run,
                     const char *label);
/* "ID succeeded" */
void run_line_print(const json_t *run);

bool run_has_ended(const json_t *run);
/* The label by which commands find the run (names.h); "": none, or the run stands in another. */
const char *run_label(const json_t *run);
/* The program of a turn waits for a session that others use; its note says by whom. */
bool run_waits_for_session(const json_t *run);
int run_exit_code(const json_t *run);
int run_exit_code_of_state(const char *state); /* Of a workflow. */

struct run_words run_words(const json_t *run);
/* "12/40, 1 failed, 3 waiting": agents of a workflow that has not ended; else empty. */
struct run_words run_progress(const json_t *run);
/* "350ms", "12s", "1m05s", "2h03m", "3d04h". */
struct run_words run_span(int64_t ms);

#endif
