/* model_call.h: the call of a talk's model: its prompt, whether that fits, what the model says. For
 * the files of this folder.
 */
#ifndef DROVER_DISPATCH_TURN_MODEL_CALL_H
#define DROVER_DISPATCH_TURN_MODEL_CALL_H

#include "dispatch/turn/deltas.h"
#include "engine/provider/learned.h"
#include "engine/turn/turns.h"
#include "model/model.h"
#include "rules/turn/compaction.h"
#include "tool/tool.h"

enum { MISFIT_MAX = 4 << 10 };
/* Summaries that fail in one turn: its model is not asked for another. */
enum { FIT_FAILURES_MAX = 2 };

struct talk;
struct talk_compact;
struct talk_errand;

/* --- Output of one call so far: text, thinking, calls of tools -------------------------------- */

/* In order; neighbours of one kind are one item, and an empty one is none. Its texts belong to it,
 * until the next change. The room of models bounds an answer. One thread at a time: the pool may
 * fill in verdicts while the loop leaves it alone. */
enum said_text {
    SAID_TEXT,      /* TEXT, THINKING; CALL: its arguments. */
    SAID_SIGNATURE, /* THINKING */
    SAID_ID,        /* CALL, SEARCH. The next ones: what was found out about a call. */
    SAID_NAME,
    SAID_DIGEST,
    SAID_ABOUT,
    SAID_REFUSAL,   /* SEARCH: its result. */
    SAID_MALFORMED, /* Arguments that are no JSON object; the text is empty then. */
    SAID_QUESTION,  /* QUESTION: the program's id of it. */
    SAID_EXTRA,     /* CALL: what the provider wants back with it. */
    SAID_TEXTS
};
enum { SAID_ITEMS_MAX = TURN_ITEMS_MAX };
enum said_end { SAID_WHOLE, SAID_CUT };
struct said_item {
    enum turn_item_kind kind;
    struct text texts[SAID_TEXTS];
    struct turn_call call; /* CALL: the verdict; its texts are empty. */
    bool cut;              /* CALL: half of one, since the answer reached its longest length. */
    bool closed;           /* Nothing is added to it any more. */
};
struct said {                /* Zeroed at first. */
    struct said_item *items; /* Owned. */
    size_t count, size;
};
void said_done(struct said *said);  /* For AUTO. */
void said_clear(struct said *said); /* Withdraws all. */
void said_add(struct said *said, enum turn_item_kind kind, struct bytes piece);
/* The thinking that came last is whole, and signed. */
void said_sign(struct said *said, struct bytes signature);
/* A search that the provider has made. */
void said_add_search(struct said *said, const struct model_search *search);
/* TOOL, TOOL_END, QUESTION of a program; texts are copied. NULL: there is no room. */
struct said_item *said_add_tool(struct said *said, enum turn_item_kind kind);
/* READ of a program: before what is being said, which answers it. NULL: there is no room. */
struct said_item *said_add_read(struct said *said);
/* The next item becomes a copy of this one. */
void said_copy(struct said *said, const struct said_item *item);
/* `model`: "connection/model", that made the call. */
void said_add_call(struct said *said, const struct model_tool_call *call, struct bytes model,
                   enum said_end end);
MUST_CHECK bool said_has_calls(const struct said *said);
MUST_CHECK bool said_has_tools(const struct said *said); /* Used by a program. */
MUST_CHECK bool said_has_cut_call(const struct said *said);
/* Removes the text and thinking at the end. False: there was none. */
MUST_CHECK bool said_discard(struct said *said);
/* As the engine takes them; borrowed from `said`. The array is the caller's, of at least
 * said->count. */
struct said_maker { /* The provider of thinking: its kind, and the connection to it. */
    struct bytes kind, connection;
};
void said_items(const struct said *said, const struct said_maker *maker, struct turn_item *items);

/* --- Whether its prompt fits ------------------------------------------------------------------ */

/* Answer of the provider about the length of this call so far. */
enum fit_try {
    FIT_FIRST,   /* Nothing. */
    FIT_DOUBTED, /* Too long; but far longer prompts were taken: it is asked as it was. */
    FIT_REFUSED, /* Too long; it is asked with a shorter prompt. */
};
enum fit_fold {
    FIT_UNFOLDED,
    FIT_MAY_FOLD,  /* The last fold was begun for a prompt that might be sent as it is, */
    FIT_MUST_FOLD, /* or for one that can't be. */
    FIT_TOO_LONG,  /* No summary helps this call. */
};
struct talk_fit {
    enum fit_try asked;
    enum fit_fold fold;
    bool retry;                  /* FLUSHING: what was said is void, and the call is made again. */
    unsigned folds;              /* Summaries that were made for this call. */
    unsigned failures;           /* Summaries that failed in this turn. */
    int64_t refused_window;      /* Tokens that it seems to take; 0: it refused nothing. */
    int64_t learned_window;      /* Tokens to remember of that; 0: none. */
    struct model_result refused; /* Result of the try that was refused. */
};

struct talk_call {
    struct asking *asking; /* The models'; NULL: none is out. */
    struct delta_source deltas;
    const char *maker; /* Static: kind of the provider that the call goes to; "": unknown. */
    struct said said;
    struct model_sizes sizes; /* Sizes of the prompt. */
    size_t heard;             /* Bytes of output so far. */
    bool arguments;           /* The latest were arguments of a call of a tool. */
    uint64_t metered_ms;      /* When usage was last sent to clients. */
    uint64_t alive_ms;        /* When the model gave its last sign of life. */
    struct model_result result;
    struct text misfit; /* Owned: why its answer is not what the schema asks for; "": it is. */
    bool interrupted;   /* The call was cancelled by us. */
    /* A program adds the part that is not its items (program.c); NULL: a model answers. */
    void (*on_answer)(struct talk *talk, struct talk_errand *errand);
    struct text note; /* Owned: refused parameters, repairs of the answer. */
    /* Why what is kept is not what was sent: it holds calls that stood in the text, or no more than
     * the value that was meant. */
    enum talk_again { AGAIN_NOT, AGAIN_PRINTED, AGAIN_MENDED } again;
};

/* judge.c: followers are sent all text that the call has said now, instead of what they got. `why`:
 * members of the event `output_discarded`. */
void call__say_again(struct talk_call *call, struct bytes why);
/* prompt.c: makes the request, then talk__fit. */
void prompt__prepare(struct talk *talk);
void prompt__free(struct talk *talk);

/* compaction.c: calls, or makes the prompt shorter first. */
void talk__fit(struct talk *talk);
void talk__compact(struct talk *talk); /* For a turn that has no other purpose. */
MUST_CHECK bool compact__is_out(const struct talk_compact *compact);
void compact__cancel(struct talk *talk);
void compact__free(struct talk_compact *compact); /* NULL is allowed. */

/* fit.c */
/* False: nobody knows the model. */
MUST_CHECK bool fit__find_marks(const struct talk *talk, struct fold_marks *ret_marks);
int64_t talk__window(const struct talk *talk); /* 0: nobody knows the model. */
/* Whether the result of a call is a refusal of its length, after which it is made again. */
MUST_CHECK bool fit__is_refused(const struct talk *talk);
void fit__note_refusal(struct talk *talk); /* The window that it shows holds for the next try. */
/* Keeps the length of a prompt that was taken, or refused twice; *ret_learned: window to store. */
void fit__note_length(struct talk *talk, struct learned_limit *ret_learned);

/* model_call.c */
void talk__begin_call(struct talk *talk); /* With nothing said in it. */
void talk__call(struct talk *talk);
/* The call ends with this failure; its prompt is not sent. */
void talk__refuse(struct talk *talk, const struct model_result *result);
void talk__learn(const struct talk *talk,
                 const struct learned_limit *learned); /* After a commit. */
/* Stores and sends that a call of this turn, its own or of a summary, waits before its next try;
 * until deltas_resumed. */
void talk__report_wait(struct talk *talk, const struct model_failure *failure, uint64_t wait_ms);
void talk__judge(struct talk *talk);  /* JUDGING: the answer is read and judged in the pool. */
void talk__flush(struct talk *talk);  /* FLUSHING: what was said becomes durable, */
void talk__answer(struct talk *talk); /* and then the end of the call. */

/* judge.c. Needed: it calls a tool, may have printed a call, or has to fit a schema. */
MUST_CHECK bool judge__is_needed(const struct talk *talk);
void judge__run(struct talk *talk);       /* In the pool; */
void judge__tell(struct talk_call *call); /* then on the loop: for followers. */
/* Adds "before" to what an approval is about (JSON); and compares it when the call is made: a
 * sentence for the model, that the file is not as it was; NULL: it is. */
void judge__add_before(const struct tool_look *look, struct text *about);
MUST_CHECK const char *judge__conflict(const json_t *about, const struct tool_look *look);

#endif
