/* rows.h: what the files of workflows and their steps share. Only the engine includes it.
 *
 * Threads    inside a store function.
 */
#ifndef DROVER_ENGINE_WORKFLOW_ROWS_H
#define DROVER_ENGINE_WORKFLOW_ROWS_H

#include "base/text.h"
#include "engine/run/kinds.h"
#include "engine/workflow/steps.h"
#include "engine/workflow/workflows.h"

/* One more than the highest number of a settled step of the workflow whose id is the parameter
 * `id`. */
#define WORKFLOW_NEXT_DONE(id)                                                                     \
    "(SELECT COALESCE(max(n), 0) + 1 FROM (SELECT max(done_no) AS n FROM runs WHERE parent = " id  \
    " AND step_key <> '' UNION ALL SELECT max(done_no) FROM workflow_refs WHERE run = " id         \
    " UNION ALL SELECT max(done_no) FROM workflow_timers WHERE run = " id ") settled)"

/* The turn of a step has this for a key. So it is found below its step, and goes with the workflow,
 * not before: steps and their turns are its journal. */
#define STEP_TURN_KEY "turn"

/* --- Events, on the workflow's stream --------------------------------------------------------- */

enum { WORKFLOW_EVENT_MAX = 250 << 10 };
enum workflow_last { WORKFLOW_GOES_ON, WORKFLOW_ENDS };
/* `data` is a whole JSON object, which may have failed. */
MUST_CHECK struct err workflows__event(struct tx *tx, const struct workflow_place *place,
                                       const char *type, const struct text *data,
                                       enum workflow_last last);

/* Of a workflow whose end is refused (run/give_up.c): its agents are ended without events, and
 * those whose rows cannot be read without a look at them; its last event says no more than why. */
MUST_CHECK struct err workflows__close(struct tx *tx, const struct run_row *workflow,
                                       struct run_freed *freed);
MUST_CHECK struct err workflows__tell_closed(struct tx *tx, const struct run_row *workflow);

/* The result of one that has ended, as a text. */
MUST_CHECK struct err workflows__said(struct tx *tx, const struct run_row *row,
                                      struct bytes *ret_text);

/* Of a step that begins in the same transaction. */
MUST_CHECK struct err steps__event_started(struct tx *tx, const struct step_new *step);
/* The same, by its row: a budget has let it go. */
MUST_CHECK struct err steps__event_admitted(struct tx *tx, const struct run_row *row);
MUST_CHECK struct err steps__event_restarted(struct tx *tx, const struct run_row *row);
/* The step waits for a budget, before its start. */
MUST_CHECK struct err steps__event_queued(struct tx *tx, const struct step_new *step,
                                          const struct run_row *row);
/* The turn begins later than the row: its attempt is another one, or has a working tree. */
MUST_CHECK struct err steps__event_session(struct tx *tx, const struct step_new *step,
                                           int64_t attempt);
struct step_key steps__key_of(struct tx *tx, int64_t id); /* By the id of its row. */
/* A wait for its provider begins, or is over. */
MUST_CHECK struct err steps__event_provider(struct tx *tx, const struct run_row *row,
                                            const struct provider_wait *wait);
/* Somebody is asked by what an agent with tools does, or has answered: so who looks on needs to ask
 * nobody whether. Nothing where `turn` is below no step, or its workflow has ended. */
MUST_CHECK struct err steps__event_asks(struct tx *tx, const struct approval_row *row);
/* The same of a turn whose next call of its model waits for a budget, or goes on. */
MUST_CHECK struct err steps__event_budget(struct tx *tx, const struct run_row *turn,
                                          const struct run_budget_wait *wait);
struct step_told {
    struct workflow_place place;
    struct bytes run, label, phase, note;
    struct step_key key;
    struct bytes worktree; /* That was left; no data: none. */
    enum run_state state;
    enum run_cause cause;
    bool cached;
    struct bytes cached_from; /* As of its row; no data: of none. */
    int64_t output_tokens, took_ms;
    int64_t cost_micros;  /* Sum of the known costs; -1: nobody counted. */
    int64_t cost_unknown; /* Number of calls of unknown cost. */
};
/* Adds "line" and "column", and "file" where the call stands in a script within. */
void steps__add_place(struct text *text, const struct step_call_place *at);
struct step_call_place steps__place_of(const json_t *spec); /* By the spec of its row. */
/* Adds "cost_micros" and "cost_unknown", as above. A cost of which nothing is known is null, and
 * never 0. */
void steps__add_cost(struct text *text, int64_t cost_micros, int64_t cost_unknown);
MUST_CHECK struct err steps__event_finished(struct tx *tx, const struct step_told *told);
/* Both, of a step that began and ended in the same transaction, with nothing between. */
MUST_CHECK struct err steps__event_both(struct tx *tx, const struct step_new *step,
                                        const struct step_told *told);

/* A step as it is written first, and as lists read it. */
struct step_fresh {
    struct run_row run;
    struct bytes key, phase, agent, cached_from, reuse_key;
    int64_t occurrence, done_no, output_tokens, tokens, cost_micros;
    int64_t cache_read, cache_write, reasoning, cost_unknown, parked_ms;
    bool cached;
};
extern const struct resource steps__resource;

/* --- Ends ------------------------------------------------------------------------------------- */

/* A step that ended by a stop or a budget, without who performs it: it gets its number, and its
 * event. */
MUST_CHECK struct err steps__ended(struct tx *tx, const struct run_row *row,
                                   struct run_freed *freed);
/* As tx_step_open has it. */
void steps__spent(struct tx *tx, int64_t id, struct step_spent *ret_spent);
/* Before the end of a step that is cut off with its workflow: charges what it has used. */
void steps__cut_off(struct tx *tx, const struct step_took *took, struct bytes project,
                    struct run_row *row, struct run_freed *freed);
/* A workflow that ended before it began. */
MUST_CHECK struct err workflows__ended(struct tx *tx, const struct run_row *row,
                                       struct run_freed *freed);
/* Whether a turn below a step of it, or what such a turn began, has not ended. As SQL, of a row of
 * `runs`: for whoever looks through many. */
#define WORKFLOW_LIVES_BELOW                                                                       \
    "EXISTS (SELECT 1 FROM runs s JOIN runs t ON t.parent = s.id AND t.step_key <> ''"             \
    " WHERE s.parent = runs.id AND s.step_key <> '' AND (t.ended_ms IS NULL"                       \
    " OR EXISTS (SELECT 1 FROM runs c WHERE c.parent = t.id AND c.parent <> 0"                     \
    " AND c.ended_ms IS NULL AND c.stop = '')"                                                     \
    " OR EXISTS (SELECT 1 FROM runs c WHERE c.parent = t.id AND c.parent <> 0"                     \
    " AND c.ended_ms IS NULL AND c.stop <> '')))"

/* A page of the turns below steps of a workflow that is removed; how many. */
size_t workflows__talks(struct tx *tx, int64_t workflow, struct run_talk ret_talks[RUN_TALKS_PAGE]);

/* The run ends: its pending timers end with it, without events. */
void timers__cancel(struct tx *tx, int64_t workflow);
/* At most `limit`, the newest ones first; returns how many. */
int64_t timers__forget(struct tx *tx, int64_t workflow, int64_t limit);

/* Lists the scripts of a run that somebody deletes: their files go at once, while those of a run
 * that is kept no longer stay for a day after they were touched. */
void workflows__list_scripts(struct tx *tx, int64_t run);
/* Its agents go first, the newest ones first, so that the journal that is left begins as it did; at
 * most a page. How many; a full page: call again, in another transaction. */
enum { WORKFLOW_FORGET_PAGE = 100 };
MUST_CHECK int64_t workflows__forget_agents(struct tx *tx, int64_t run);
/* The rest; its script goes with the last run that has it. */
void workflows__forget(struct tx *tx, int64_t run);

#endif
