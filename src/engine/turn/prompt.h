/* prompt.h: the prompt of a session, and summaries in place of its beginning. See turns.h.
 *
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_TURN_PROMPT_H
#define DROVER_ENGINE_TURN_PROMPT_H

#include "engine/memory/memory.h"
#include "engine/provider/learned.h"
#include "engine/turn/plan.h"
#include "engine/turn/submit.h"
#include "rules/turn/compaction.h"

enum prompt_role { PROMPT_USER, PROMPT_ASSISTANT, PROMPT_TOOL };
enum prompt_kind { PROMPT_TEXT, PROMPT_THINKING, PROMPT_CALL, PROMPT_RESULT, PROMPT_IMAGE };
struct prompt_part {
    enum prompt_role role;
    enum prompt_kind kind;
    int64_t message, step; /* message: id; 0: a summary of what is not shown. */
    int64_t answered;      /* Answers to this message that the summary before it stands for. */
    bool opens;            /* The first part of its message. */
    bool asks;             /* Part of the running turn's question. */
    bool failed;           /* RESULT. */
    bool open;             /* RESULT: there is none yet, the call has not ended. */
    /* As turn_item; CALL: signature is what its provider wants back, maker the connection of that;
     * RESULT: id of the call. IMAGE: name is its media type, text the SHA-256. THINKING: name is
     * the connection that alone is shown it; "": any. */
    struct bytes text, id, name, signature, maker;
};
/* All that a model is shown of the session, oldest first, to the running turn. `each` only
 * copies. */
MUST_CHECK struct err tx_prompt_each(struct tx *tx, const struct turn_key *key,
                                     struct err (*each)(void *ctx, const struct prompt_part *part),
                                     void *ctx);

/* --- Compaction (compaction.c) --------------------------------------------------------------- */

/* Position in a conversation, up to where a summary stands for it. `step` 0: the whole message. */
struct prompt_place {
    int64_t message, step;
    int64_t question; /* id of the running turn's question before it, which stays; 0: none. */
};

/* A round: the content of the next transcript. A history that is longer than what a model reads at
 * once takes several rounds; each begins with the summary of those before it. */
struct prompt_fold {
    struct fold_marks marks;
    size_t prompt_bytes;      /* Whole prompt; 0: not known, and everything is folded. */
    size_t most_bytes;        /* Limit of the transcript. */
    struct prompt_place from; /* Where the round before it ended; all 0: at the beginning. */
    struct bytes summary;     /* Summary of the part before `from`. */
};
struct prompt_folded {
    struct prompt_place place; /* message 0: there is nothing to fold. */
    struct fold_sizes sizes;
    size_t summary_max; /* Longest summary that is worth storing. */
    size_t bytes;       /* Sum of all that the summary stands for, in all rounds. */
    bool more;          /* Another round is needed. */
};
/* `transcript` becomes one JSON array of what is to be summarised, pieces cut at FOLD_PIECE_MAX. It
 * is longer than most_bytes only by the frames of its pieces. */
enum { FOLD_PIECE_MAX = 4000 };
MUST_CHECK struct err tx_prompt_fold(struct tx *tx, const struct turn_key *key,
                                     const struct prompt_fold *fold, struct text *transcript,
                                     struct prompt_folded *ret_folded);

enum { TURN_SUMMARY_MAX = 64 << 10 };
enum turn_fold_method { TURN_FOLD_SUMMARY, TURN_FOLD_EXCERPT };
struct turn_compacted {
    struct turn_key key;
    int64_t step; /* The call that waits for it. */
    struct prompt_folded folded;
    enum turn_fold_method method;
    struct bytes summary;
    struct id note;       /* Message that reports the fold; used if there is one. */
    int64_t calls, tries; /* Calls of models, in all rounds. */
    struct usage usage;   /* Sum of all calls. */
    struct usage_cost cost;
    struct learned_limit learned; /* window 0: none. */
    /* CAUSE_NONE: it succeeded; without a message, there was nothing to do. A failure stores what
     * was used, and ends a turn that only does this. */
    enum run_cause failure;
    struct bytes sentence;
};
/* The summary stands for those messages from this commit on. plan->late: the turn has moved on. A
 * turn that only does this gets its next step, or ends. */
MUST_CHECK struct err tx_turn_compacted(struct tx *tx, const struct turn_compacted *compacted,
                                        struct turn_plan *plan);

/* Compacts on demand, in a turn of its own that is never queued. `message` reports the result.
 * *ret_run: the turn that begins, or the one that compacts already. ERR_NOT_FOUND;
 * ERR_TURN_IN_PROGRESS, with the run in `why`; ERR_NO_MODEL; ERR_CONFLICT: a program answers. */
MUST_CHECK struct err tx_turn_compact(struct tx *tx, const struct turn_message *what,
                                      struct run_row *ret_run, struct why *why);

/* --- Memory ----------------------------------------------------------------------------------- */

/* Memories of the session's owner that have words of the turn's question; the best first,
 * at most `limit`. */
MUST_CHECK struct err tx_prompt_recall(struct tx *tx, struct bytes run, int64_t limit,
                                       resource_each each, void *ctx);

#endif
