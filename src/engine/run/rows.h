/* rows.h: the rows of runs, between the database and the rules. Only the engine includes it.
 *
 * Promise    runs__write is the one place where a state is written: it asserts the edge. It, and
 *            runs__insert, leave the note by which the dispatcher hears of it.
 * Ownership  texts of a row that was read live in the transaction's arena.
 * Threads    inside a store function.
 */
#ifndef DROVER_ENGINE_RUN_ROWS_H
#define DROVER_ENGINE_RUN_ROWS_H

#include "engine/base/resource.h"
#include "engine/run/runs.h"
#include "rules/run/resource.h"

enum {
    RUN_BYTES_TURN = 2 << 20, /* Of specs that one transaction handles, and a little more. */
    /* Of the transaction's arena, after which a page takes no further run. The end of one run may
     * take as much again, twice: its row, what it frees, and other forms of its end. */
    RUN_ARENA_TURN = 4 << 20,
    RUN_ADMIT_MAX = 64,    /* Runs that one transaction admits besides its own. */
    RUN_REFUSED_MAX = 500, /* Runs that one transaction ends because they are refused. */
};

/* Rows right below `id`, on the indexes of both: steps, and all others. `at`: "" or "r.". */
#define RUNS_BELOW(at, id)                                                                         \
    "((" at "parent = " id " AND " at "step_key <> '') OR (" at "parent = " id " AND " at          \
    "parent <> 0 AND " at "step_key = ''))"

/* A turn below a run that is removed, with its session. */
struct run_talk {
    int64_t turn, session; /* session 0: it was removed before. */
};
enum { RUN_TALKS_PAGE = 16 };

/* `text` ("SELECT * FROM runs …") with the columns of this form. */
const char *runs__sql(struct tx *tx, enum run_form form, const char *text);
/* The first columns, for a row that cannot be read as a whole. */
enum { RUN_COLUMN_ID, RUN_COLUMN_RUN, RUN_COLUMN_OWNER };

/* For lists: the project and the innermost session of a path of budgets; "" where it has none. */
struct run_place {
    struct bytes project, session; /* Borrowed from the path. */
};
struct run_place runs__place(struct bytes budget_path);
size_t runs__bytes(const struct run_row *row); /* Length of its texts. */
/* Whether a page of this transaction has used so much memory that it ends here. */
bool runs__page_full(struct tx *tx);
/* Borrows the texts from the row under the cursor. */
MUST_CHECK struct err runs__borrow(const struct rows *rows, enum run_form form,
                                   struct run_row *ret_row);
/* The same for a list: a damaged row is shown as such, and nothing is decided by it. */
void runs__borrow_shown(const struct rows *rows, enum run_form form, struct run_row *ret_row);
/* The same, with copies of the texts. */
MUST_CHECK struct err runs__read_shown(struct tx *tx, const struct rows *rows, enum run_form form,
                                       struct run_row *ret_row);
MUST_CHECK struct err runs__find_id(struct tx *tx, int64_t id, bool *ret_found,
                                    struct run_row *ret_row);
/* Without spec and result. */
MUST_CHECK struct err runs__find_light(struct tx *tx, struct bytes run, bool *ret_found,
                                       struct run_row *ret_row);
/* By its name. False, and no id: there is none, or the transaction has failed, also by a damaged
 * row. */
bool runs__load(struct tx *tx, struct bytes run, struct run_row *ret_row);
/* The same by its number; 0 is that of none. */
bool runs__load_id(struct tx *tx, int64_t id, struct run_row *ret_row);
/* One that has to be there: ERR_NOT_FOUND. */
MUST_CHECK struct err runs__get(struct tx *tx, const struct run_key *key, struct run_row *ret_row);
void runs__insert(struct tx *tx, const struct run_row *row);
/* A run whose turn does not pay for it is of the turn's session nevertheless: it is listed with it,
 * and goes with it. */
void runs__set_session(struct tx *tx, int64_t id, struct bytes session);
/* The run is a turn of that agent, or its process; "": of none. */
void runs__set_agent(struct tx *tx, int64_t id, struct bytes agent);
/* The run is another one, tried again; in the row, too. */
void runs__set_retry_of(struct tx *tx, const struct run_row *again, struct run_row *io_row);
/* Changes the place of a run in the lines of admission; nothing is admitted. */
void runs__set_priority(struct tx *tx, int64_t id, int64_t priority);
MUST_CHECK struct err runs__write(struct tx *tx, enum run_state from, const struct run_row *row);
/* Leaves the note of the row. The event of a written row is appended at the end of the function
 * (engine/base/follow.h). */
MUST_CHECK struct err runs__tell(struct tx *tx, const struct run_row *row);
/* Appends run_changed of a run that is inside no other (engine/base/follow.h). */
void runs__tell_changed(struct tx *tx, int64_t id);
/* Row of that event; false: there is none, or the transaction has failed. */
MUST_CHECK bool runs__find_told(struct tx *tx, int64_t id, struct run_row *ret_row);
void runs__tell_removed(struct tx *tx, const struct run_row *row);
/* The call of its model waits for its next try, which is made (attempt.c). */
MUST_CHECK struct err runs__provider_wait(struct tx *tx, const struct provider_wait *wait,
                                          struct run_row *row);
MUST_CHECK struct err runs__provider_ask(struct tx *tx, struct run_row *row);
/* Whether the wait is news: a run that was asked to end goes on with that, and waits for nobody. */
bool runs__may_wait(const struct run_row *row);

/* The first row of a line, whole, by such a text. Damaged ones before it leave the line, and are
 * asked to end. False: there is none, or the transaction has failed. */
MUST_CHECK bool runs__first(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                            struct run_row *ret_row);
/* Asks a run to end whose row cannot be read (rows.c). No cursor may be open. */
MUST_CHECK struct err runs__end_damaged(struct tx *tx, int64_t id);

/* Retry policy that the row's spec asks for; of a spec that cannot be read: no further attempt. */
struct retry_policy runs__retry_policy(const struct run_row *row);

/* --- Events, on the run's own stream ---------------------------------------------------------- */

/* "run:run_…", in the arena. */
struct bytes runs__stream(struct tx *tx, struct bytes run);
/* An event for the stream run:ID. `data`: a whole JSON object, which must outlive it; the
 * transaction keeps the error of one that failed. */
struct text;
struct append runs__event_of(struct tx *tx, const struct run_key *run, const char *type,
                             const struct text *data);
void runs__event_queued(struct tx *tx, const struct run_row *row);
MUST_CHECK struct err runs__event_started(struct tx *tx, const struct run_row *row);
void runs__event_retrying(struct tx *tx, const struct run_row *row, int64_t wait_ms);
void runs__event_stopping(struct tx *tx, const struct run_row *row);
MUST_CHECK struct err runs__event_finished(struct tx *tx, const struct run_row *row);

/* --- Admission -------------------------------------------------------------------------------- */

/* The process of the attempt that has begun: its span. Of a run without one: nothing. */
void runs__span_start(struct tx *tx, const struct run_bounds *bounds, const struct run_row *row);

struct run_lane { /* Who shares a key; empty: the run has none. */
    struct bytes owner, key;
};
/* What a transaction freed, to be handed on once, when all else is written: whoever began before
 * that could be ended, or begun a second time, by what the same transaction still does. Zeroed:
 * nothing. */
struct run_freed {
    struct run_lane *lanes; /* In the transaction's arena; each key once. */
    size_t count, size;
    unsigned kinds;   /* 1U << enum run_kind: their slots. */
    int64_t *budgets; /* As `lanes`: limits of budgets, each once. See budget_tree.h. */
    size_t budget_count, budget_size;
    unsigned refused; /* Runs that were refused while it was handed on (runs__try). */
};
/* The row is about to leave the queue of a gate, or its slot after the last gate. */
MUST_CHECK struct err runs__free(struct tx *tx, const struct run_row *row, struct run_freed *freed);
MUST_CHECK struct err runs__admit_freed(struct tx *tx, const struct run_freed *freed,
                                        const struct run_bounds *bounds);
/* The same bit by bit: keys now, the rest in transactions of their own. For who frees something in
 * the midst of handing on. */
MUST_CHECK struct err runs__admit_later(struct tx *tx, const struct run_freed *freed);
/* Room for one item more in an array of struct run_freed; NULL: the transaction has failed. */
void *runs__freed_room(struct tx *tx, void *items, size_t count, size_t *io_size, size_t item);
/* Performs `fn` for the run `id`, the first in its line, as a part (tx_try) of the transaction that
 * hands a place on. If the store refuses the part, that run alone fails, with not_stored (a turn:
 * history_unreadable), and what it leaves is added to `freed`. A run whose failure is refused, too,
 * is unwritable: the line is read past the first such run and waits at the second one.
 * (give_up.c) */
enum run_part_end {
    RUN_PART_DONE,
    RUN_PART_PASSED, /* Refused: the next run in the line is to be tried. */
    RUN_PART_WAITS,  /* Refused: a second run is unwritable; or the transaction has failed. */
};
enum run_part_end runs__try(struct tx *tx, store_fn fn, void *ctx, int64_t id,
                            int64_t *io_unwritable /* 0: none in this line */,
                            struct run_freed *freed);

/* In a row to be shown: what its calls of models cost; of one that waits for its key, the run that
 * holds it. */
void runs__cost_mark(struct tx *tx, struct run_row *io_row);
void runs__key_mark(struct tx *tx, struct run_row *io_row);

/* {"done","total","cached","waiting","failed","last_ms"} of the agents of a workflow. */
void runs__progress_view(struct tx *tx, struct run_row *io_row); /* View of a workflow. */

/* How many of this kind there may be at once; INT64_MAX: any number. */
int64_t runs__slots(enum run_kind kind, const struct run_bounds *bounds);
/* Whether it begins without a slot (RUN_NESTS), by its kind and parent. */
bool runs__is_nested(struct tx *tx, const struct run_row *row);

/* --- Input (job/input.c) ---------------------------------------------------------------------- */

/* From here on it takes input, whose first byte is at `from`. */
void runs__input_open(struct tx *tx, int64_t id, int64_t from);
/* It has ended: what was kept goes. */
void runs__input_close(struct tx *tx, const struct run_row *row);

/* --- Time (attempt.c) ------------------------------------------------------------------------- */

/* Since the attempt began, to be shown. */
int64_t runs__took_ms(const struct tx *tx, const struct run_row *row);
/* Time that is charged, and time that a turn waited for a person: of a run that is in `state`. */
struct run_time {
    int64_t took_ms, waited_ms;
};
struct run_time runs__time(struct tx *tx, const struct run_row *row, enum run_state state);
/* Time that a turn has waited for a person; while it waits, less the mark at which that began. */
void runs__write_waited(struct tx *tx, int64_t turn, int64_t waited_ms);
/* The attempt is this daemon's from here on: epoch, and time that is measured. One that is so
 * already is left as it is. */
MUST_CHECK struct err runs__adopt(struct tx *tx, struct run_row *row);

/* --- Steps that an end of the daemon cut off (attempt.c) -------------------------------------- */

/* Counts the end of the daemon of `epoch`, which had the run. True: the step must not be begun
 * again, and the caller ends the run, cause cut_off. */
MUST_CHECK bool runs__cut_off(struct tx *tx, int64_t epoch, struct run_row *row);
/* Sets the count to 0. */
void runs__step_finished(struct tx *tx, struct run_row *row);

/* --- Ends ------------------------------------------------------------------------------------- */

/* Writes the final state that `row` has already, and all that it owes: event, inbox. Nobody below
 * is asked to end. */
struct run_end {
    enum run_state from;
    struct bytes output;           /* For notices; */
    struct bytes members;          /* and of a workflow its census: as of struct inbox_notice. */
    bool alone;                    /* The rows of its kind are closed by the caller. */
    const struct run_usage *usage; /* Of a command that was seen to its end; NULL: none was. */
};
MUST_CHECK struct err runs__end(struct tx *tx, const struct run_end *end, struct run_row *row,
                                struct run_freed *freed);
/* Ends a run that has not begun, because of the stop in its row. */
MUST_CHECK struct err runs__end_queued(struct tx *tx, struct run_row *row, struct run_freed *freed);
/* Whether somebody right below it has not ended. */
MUST_CHECK bool runs__has_children(struct tx *tx, int64_t id);
/* Asks the children of a run that has ended to end, too, and goes on where an earlier page of its
 * own parent's children was left. */
MUST_CHECK struct err runs__ask_children(struct tx *tx, const struct run_row *ended,
                                         struct run_freed *freed);
/* As tx_run_stop, in the usual time; nothing where the run has ended, or is gone. True: call again.
 */
bool runs__stop_tree(struct tx *tx, struct bytes run, enum run_cause cause,
                     const struct run_bounds *bounds);
/* Asks one run. A queued one ends at once. */
struct run_ask_stop {
    enum run_cause cause;
    int64_t grace_ms;
};
MUST_CHECK struct err runs__ask(struct tx *tx, const struct run_ask_stop *stop, struct run_row *row,
                                struct run_freed *freed);

#endif
