/* compaction.c: the beginning of a conversation becomes a summary.
 *
 *   summary so far | message | message | answer: step 1 | 2 | … | question | answer: step 1 | …
 *                  '--------- units, oldest first ---------'   (stays)    '--- units ---'
 *
 * A unit is a message or one step of an answer: a step has its calls with their results, so no unit
 * separates them. The question of the running turn is no unit: it says what is to be done, and a
 * summary of it would be another question.
 *
 * A model writes the summary, so it is made outside, from what tx_prompt_fold reads;
 * tx_turn_compacted stores it if the call that needs it still waits. A crash in between leaves
 * nothing at all.
 *
 * The session shows a note of a summary, which no model is shown. The note of one that was asked
 * for is the answer of its turn. One that a call of a turn needed has its note before the question
 * when nothing was said to it yet, else before the answer. Ids are the order of messages, so
 * questions and answers leave the number before theirs free (submit.c); what else is summarised for
 * the same answer is added to the same note. */
#include "base/utf8.h"
#include "engine/session/checkpoints.h"
#include "engine/turn/record.h"

#include <inttypes.h>

enum {
    FOLD_PIECE_LEAST = 40, /* Of each piece, however many there are. */
    FOLD_REQUEST_MAX = 2000,
    WORDS_MAX = 200,
};

/* --- Units ------------------------------------------------------------------------------------ */

struct folding {
    const struct prompt_fold *fold;
    int64_t question, answer; /* ids of the running turn's; question 0: it has none. */
    int64_t former;           /* id of the question that the active summary leaves out; 0: none. */
    int64_t covered;          /* id of the last message that the active summary covers; 0: none. */
    struct fold_limits limits;
    struct prompt_place unit; /* Unit that is being read; message 0: none yet. */
    size_t unit_bytes;
    size_t unit_at;                  /* Offset of that unit in the transcript. */
    size_t units;                    /* Number of units that this round folds. */
    size_t passed;                   /* Bytes of the units before that one. */
    int64_t messages, unit_messages; /* The same in messages; messages of the unit. */
    bool full;
    struct fold_sizes joined; /* Messages that joined the running answer before its first step. */
    struct prompt_folded folded;
    struct text *transcript;
    struct text request; /* Owned: question of the running turn, cut. */
};

static size_t size_of(const struct prompt_part *part) {
    return part->kind == PROMPT_IMAGE ? USAGE_IMAGE_BYTES
                                      : part->text.len + part->name.len + part->signature.len;
}

/* A message that was accepted after the running answer is not folded before that has ended: a
 * summary that covers it would cover the steps to come. */
static bool is_foldable(const struct folding *folding, const struct prompt_part *part) {
    return part->message == 0 ||
           (part->message != folding->question && part->message <= folding->answer);
}

static struct err check_text(const struct text *text) {
    return text_failed(text) ? text_error(text, "turns: fold") : ERR_OK;
}

static void sizes_add(struct fold_sizes *sizes, const struct fold_sizes *more) {
    sizes->foldable += more->foldable;
    sizes->messages += more->messages;
}

/* How much is foldable. Messages that joined the running answer before its first step are folded
 * with that step (unit_close). Until then they are a fixed part of the prompt: counted as foldable,
 * they would have a model asked for a summary of the few units before them, which is no shorter
 * than these. */
static struct err part_weigh(void *ctx, const struct prompt_part *part) {
    struct folding *folding = ctx;
    const struct fold_sizes own = {.foldable = (int64_t)size_of(part), .messages = part->opens};
    const bool answer = part->message != 0 && part->message == folding->answer;
    if (!is_foldable(folding, part)) {
        if (part->message == folding->question && folding->request.len == 0) {
            text_add(&folding->request, part->text.data, utf8_cut(part->text, FOLD_REQUEST_MAX));
        }
        return check_text(&folding->request);
    }
    if (answer && part->step == 0) {
        sizes_add(&folding->joined, &own);
        return ERR_OK;
    }
    if (answer) {
        sizes_add(&folding->folded.sizes, &folding->joined);
        folding->joined = (struct fold_sizes){.foldable = 0};
    }
    sizes_add(&folding->folded.sizes, &own);
    return ERR_OK;
}

/* --- The transcript --------------------------------------------------------------------------- */

/* {WHO: TEXT}, or with a name {WHO: NAME, "says": TEXT} */
static void transcript_add(struct text *text, const char *who, struct bytes name,
                           struct bytes says) {
    text_add_str(text, text->len > 1 ? ",{" : "{");
    text_add_member(text, who, name.len > 0 ? name : says);
    if (name.len > 0) {
        text_add_member(text, "says", says);
    }
    text_add_char(text, '}');
}

/* A piece has at most half of the room that is left in the transcript, so that each of many long
 * pieces is there in part. A summary was cut already. */
static struct err part_write(const struct folding *folding, const struct prompt_part *part) {
    static const char *const who[] = {
        [PROMPT_USER] = "user", [PROMPT_ASSISTANT] = "agent", [PROMPT_TOOL] = "tool"};
    const size_t most = folding->fold->most_bytes, len = folding->transcript->len;
    const bool summary = part->message == 0, image = part->kind == PROMPT_IMAGE;
    size_t left = len < most ? (most - len) / 2 : 0;
    left = summary || left < FOLD_PIECE_MAX ? left : FOLD_PIECE_MAX;
    left = left < FOLD_PIECE_LEAST ? FOLD_PIECE_LEAST : left;
    const struct bytes says = {part->text.data, utf8_cut(part->text, left)};
    if (part->kind != PROMPT_THINKING) {
        transcript_add(folding->transcript, who[part->role], image ? BYTES("") : part->name,
                       image ? BYTES("[an image]") : says);
    }
    return check_text(folding->transcript);
}

/* --- Which units ------------------------------------------------------------------------------ */

static bool is_after(const struct prompt_place *place, const struct prompt_place *from) {
    return place->message > from->message ||
           (place->message == from->message && from->step != 0 && place->step > from->step);
}

/* The unit that was read is folded, if it may be; otherwise its text is taken out of the
 * transcript, and no later unit is folded. Units of earlier rounds are folded already. Each round
 * folds at least one unit, whose pieces were cut to fit.
 *
 * A place without a step is a whole message. Of the running answer that would cover the steps to
 * come: what joined before its first one is folded with that. */
static void unit_close(struct folding *folding) {
    const struct prompt_fold *fold = folding->fold;
    struct text *text = folding->transcript;
    const struct fold_at at = {.passed = (int64_t)folding->passed,
                               .messages = folding->messages,
                               .len = (int64_t)folding->unit_bytes};
    const bool earlier = !is_after(&folding->unit, &fold->from);
    const bool to_come = folding->unit.message == folding->answer && folding->unit.step == 0;
    const bool wanted =
        earlier || (!to_come && fold_takes(&folding->limits, &folding->folded.sizes, &at));
    const bool fits = earlier || folding->units == 0 || text->len <= fold->most_bytes;
    if (!wanted || !fits) {
        folding->full = true;
        folding->folded.more = wanted;
        text_cut(text, folding->unit_at);
        return;
    }
    folding->units += !earlier;
    folding->passed += folding->unit_bytes;
    folding->messages += folding->unit_messages;
    folding->folded.bytes = folding->passed;
    folding->folded.place = folding->unit;
    folding->unit_bytes = 0;
    folding->unit_messages = 0;
    folding->unit_at = text->len;
}

/* A part without a step of its own, and the question that the active summary leaves out, go with
 * what follows them: a place between the two would cover less than that summary does. */
static struct err part_choose(void *ctx, const struct prompt_part *part) {
    struct folding *folding = ctx;
    struct prompt_place *unit = &folding->unit;
    const struct prompt_place *from = &folding->fold->from;
    const bool before = part->message == 0 || part->message == folding->former;
    const bool other = part->message != unit->message;
    if (folding->full || !is_foldable(folding, part)) {
        return ERR_OK;
    }
    if (!before && unit->message != 0 && (other || (unit->step != 0 && part->step != unit->step))) {
        unit->step = other && unit->message != folding->answer ? 0 : unit->step;
        unit_close(folding);
    }
    if (!before) {
        *unit = (struct prompt_place){.message = part->message, .step = part->step};
    }
    if (folding->full) {
        return ERR_OK;
    }
    folding->unit_bytes += size_of(part);
    folding->unit_messages += part->opens;
    const bool covered = before ? from->message != 0 : !is_after(unit, from);
    return covered ? ERR_OK : part_write(folding, part);
}

/* --- A round ---------------------------------------------------------------------------------- */

static void round_end(struct folding *folding) {
    struct prompt_folded *folded = &folding->folded;
    const struct bytes request = text_bytes(&folding->request);
    /* Where the active summary covers all of the answer to the question that it leaves out, no unit
     * follows that question. It is a unit then, at the place that is covered already: else a long
     * one would stay in each prompt until another message comes between it and the question of a
     * turn. */
    if (folding->unit.message == 0 && folding->former != 0) {
        folding->unit = (struct prompt_place){.message = folding->covered};
    }
    if (!folding->full && folding->unit.message != 0) {
        unit_close(folding);
    }
    /* The question is left out where the summary covers messages after it. */
    const bool covered = folding->question != 0 && folded->place.message > folding->question;
    folded->place.question = covered ? folding->question : 0;
    /* The limits were computed from all units. The last round folds what is folded at all, which
     * may be less: of many short messages the first half, say. */
    if (!folded->more && folded->summary_max > folded->bytes / 2) {
        folded->summary_max = folded->bytes / 2;
    }
    /* The request stands at the end: it is not summarised, and says what matters in the summary. */
    if (request.len > 0) {
        transcript_add(folding->transcript, "request", BYTES(""), request);
    }
    text_add_char(folding->transcript, ']');
}

struct err tx_prompt_fold(struct tx *tx, const struct turn_key *key, const struct prompt_fold *fold,
                          struct text *transcript, struct prompt_folded *ret_folded) {
    struct folding folding = {
        .fold = fold, .transcript = transcript, .request = {.size_max = FOLD_REQUEST_MAX}};
    text_clear(transcript);
    struct checkpoint active = {.question = 0};
    int64_t turn[3];
    tx_numbers(tx,
               "SELECT t.session, t.answer, CASE WHEN t.question < t.answer"
               " THEN t.question ELSE 0 END FROM turns t JOIN runs r ON r.id = t.run"
               " WHERE r.run = $1",
               ARGS(arg_text(key->run)), turn, COUNT_OF(turn));
    folding.answer = turn[1];
    folding.question = turn[2];
    folding.covered = tx_checkpoint_find(tx, turn[0], &active) ? active.message : 0;
    folding.former = active.question == folding.question ? 0 : active.question;
    struct err err = tx_prompt_each(tx, key, part_weigh, &folding);
    /* The limits of the fold, and whether anything is to be folded. */
    struct fold_sizes *sizes = &folding.folded.sizes;
    const bool all = fold->prompt_bytes == 0;
    sizes->prompt = all ? sizes->foldable : (int64_t)fold->prompt_bytes;
    folding.limits = all ? fold_limits_all(&fold->marks, sizes) : fold_limits(&fold->marks, sizes);
    const bool worth = all ? sizes->foldable > FOLD_LEAST : fold_is_worth(&fold->marks, sizes);
    folding.folded.summary_max = (size_t)folding.limits.summary;
    if (!err_failed(err) && worth) {
        text_add_char(transcript, '[');
        if (fold->from.message != 0) {
            transcript_add(transcript, "user", BYTES(""), fold->summary);
        }
        folding.unit_at = transcript->len;
        err = tx_prompt_each(tx, key, part_choose, &folding);
        if (!err_failed(err)) {
            round_end(&folding);
            err = check_text(transcript);
        }
    }
    text_done(&folding.request);
    if (!err_failed(err)) {
        *ret_folded = folding.folded;
    }
    return err;
}

/* --- Notes of summaries ----------------------------------------------------------------------- */

static struct bytes note_words(struct tx *tx, const struct turn_compacted *compacted) {
    static const char summarised[] = "What was said so far is summarised";
    static const char cut[] =
        "What was said so far could not be summarised, and excerpts stand for it";
    char words[WORDS_MAX] = "There is nothing to summarise.";
    if (compacted->folded.place.message != 0) {
        (void)snprintf(words, sizeof words, "%s: about %" PRId64 " tokens became %" PRId64 ".",
                       compacted->method == TURN_FOLD_SUMMARY ? summarised : cut,
                       (int64_t)compacted->folded.bytes / USAGE_BYTES_PER_TOKEN,
                       (int64_t)compacted->summary.len / USAGE_BYTES_PER_TOKEN);
    }
    return tx_copy(tx, bytes_of(words));
}

static void note_before(struct tx *tx, struct turn *turn, const struct turn_compacted *compacted) {
    const struct turn_row *of = &turn->row;
    const bool first = of->facts.calls <= 1 && of->question != 0 && of->trigger != TRIGGER_AGAIN;
    const int64_t place = (first ? of->question : of->answer) - 1;
    struct message_part part = {
        .step = of->step, .kind = PART_TEXT, .text = note_words(tx, compacted)};
    struct message_row row;
    if (!messages__find_id(tx, place, &row)) {
        row = (struct message_row){.message = bytes_of(compacted->note.text),
                                   .role = ROLE_SYSTEM,
                                   .status = MESSAGE_COMPLETED,
                                   .run = turn->run.id,
                                   .active = true};
        const struct message_insert what = {
            .session = &turn->session, .row = &row, .parts = &part, .count = 1, .at = place};
        messages__insert(tx, &what);
        return;
    }
    if (row.role == ROLE_SYSTEM && row.run == turn->run.id) {
        part.message = row.id;
        cards__add_plain(tx, &part);
        messages__tell_edited(tx, &turn->session, &row);
    } /* Else a message of an older version, without room for notes; there is the event. */
}

/* --- A summary is stored ---------------------------------------------------------------------- */

static struct call_span span_of(struct turn *turn, const struct turn_compacted *compacted) {
    return (struct call_span){.run = &turn->run,
                              .kind = SPAN_COMPACTION,
                              .category = USAGE_COMPACTION,
                              .model = turn->row.model,
                              .usage = &compacted->usage,
                              .cost = &compacted->cost,
                              .calls = compacted->calls,
                              .cause = compacted->failure,
                              .sentence = compacted->sentence,
                              .output = compacted->summary,
                              .tries = compacted->tries};
}

static void checkpoint_add(struct tx *tx, struct turn *turn,
                           const struct turn_compacted *compacted) {
    const struct prompt_folded *folded = &compacted->folded;
    const bool alone = turns__compacts(&turn->row);
    const struct checkpoint checkpoint = {
        .session = turn->session.id,
        .message = folded->place.message,
        .step = folded->place.step,
        .question = folded->place.question,
        .tokens_before = (int64_t)folded->bytes / USAGE_BYTES_PER_TOKEN,
        .tokens_after = (int64_t)compacted->summary.len / USAGE_BYTES_PER_TOKEN,
        .made_by = alone ? CHECKPOINT_MANUAL : CHECKPOINT_AUTO,
        .method = compacted->method == TURN_FOLD_SUMMARY ? BYTES("summary") : BYTES("excerpt"),
        .summary = compacted->summary};
    tx_checkpoint_add(tx, &checkpoint);
    struct message_row covered = {.message = BYTES("")};
    const bool found = messages__find_id(tx, checkpoint.message, &covered);
    AUTO(text_done) struct text data = turns__event_open(turn);
    text_add_member(&data, "trigger", alone ? BYTES("manual") : BYTES("auto"));
    text_add_member(&data, "method", checkpoint.method);
    text_add_member(&data, "covers", found ? covered.message : BYTES(""));
    if (checkpoint.step > 0) {
        text_add_member_int(&data, "covers_step", checkpoint.step);
    }
    text_add_member_int(&data, "tokens_before", checkpoint.tokens_before);
    text_add_member_int(&data, "tokens_after", checkpoint.tokens_after);
    tx_fail(tx, turns__event_close(tx, &turn->session, "context_compacted", &data));
    if (!alone) {
        note_before(tx, turn, compacted);
    }
    sessions__weigh_context(tx, &turn->session);
}

/* The end of a turn that only does this. */
static struct err turn_finish(struct tx *tx, struct turn *turn,
                              const struct turn_compacted *compacted, struct turn_plan *plan) {
    const struct run_bounds *bounds = &compacted->key.bounds;
    const struct amounts none = amounts_none();
    enum run_cause cause = compacted->failure;
    struct bytes sentence = compacted->sentence;
    turn->row.call = 0;
    if (compacted->calls == 0) {
        turns__budget_settle(tx, turn, bounds, CALL_FAILED, &none);
    }
    if (turn->run.stop != CAUSE_NONE) {
        return turns__advance(tx, turn, bounds, plan);
    }
    if (cause == CAUSE_NONE) {
        cause = CAUSE_COMPLETED;
        sentence = note_words(tx, compacted);
        turns__add_text(tx, turn, PART_TEXT, sentence);
    }
    plan->next = TURN_NEXT_END;
    return turns__end(tx, turn, cause, sentence, bounds);
}

/* Where the turn has moved on, its end, or the next daemon, has charged to budgets what was
 * held for its call, which was not made; the session's sums get what was used in its place. Usage
 * is counted, also where the fold failed. */
struct err tx_turn_compacted(struct tx *tx, const struct turn_compacted *compacted,
                             struct turn_plan *plan) {
    const struct amounts took = turns__amounts(&compacted->usage, &compacted->cost);
    const struct run_bounds *bounds = &compacted->key.bounds;
    const bool called = compacted->calls > 0;
    struct turn turn;
    if (!turns__open(tx, &compacted->key, plan, &turn) || turn.row.call != compacted->step) {
        plan->late = true;
        if (called && turns__load_run(tx, compacted->key.run, &turn)) {
            const struct call_span late = span_of(&turn, compacted);
            calls__count(tx, &turn.session, &late);
        }
        return tx_error(tx);
    }
    const bool alone = turns__compacts(&turn.row);
    if (called) {
        struct call_span span = span_of(&turn, compacted);
        span.step = ++turn.row.step;
        calls__span(tx, &span);
        /* The sum of several rounds is not what one call takes. */
        turns__budget_settle(tx, &turn, bounds, alone ? CALL_FAILED : CALL_BESIDE, &took);
        calls__count(tx, &turn.session, &span);
    }
    turns__write(tx, &turn.row);
    const bool shorter = compacted->failure == CAUSE_NONE && compacted->folded.place.message != 0 &&
                         !turns__is_cleared(&turn);
    if (shorter) {
        checkpoint_add(tx, &turn, compacted);
    }
    if (called || shorter) { /* Excerpts, too, leave more of the window free. */
        AUTO(text_done) struct text data = turns__event_open(&turn);
        text_add_member_int(&data, "step", turn.row.step);
        turns__event_usage(tx, &turn.session, called ? &compacted->usage : NULL, &compacted->cost,
                           &data);
    }
    if (compacted->learned.window > 0) {
        tx_fail(tx, tx_learned_add(tx, LEARNED_WINDOW, &compacted->learned));
    }
    return err_failed(tx_error(tx)) || !alone ? tx_error(tx)
                                              : turn_finish(tx, &turn, compacted, plan);
}

struct err tx_turn_compact(struct tx *tx, const struct turn_message *what, struct run_row *ret_run,
                           struct why *why) {
    struct turn_message message = *what;
    struct session_row session;
    bool joined = false;
    struct err err = sessions__get(tx, &what->session, "turns: compact", &session);
    if (!err_failed(err)) {
        err = turns__compacting(tx, &session, &joined, ret_run);
    }
    if (err_failed(err) || joined) {
        return err;
    }
    if (session.program.len > 0) {
        return err_why(why, ERR_CONFLICT,
                       "a program answers in this session, and makes its own summaries: nothing is "
                       "to be done");
    }
    err = turns__idle(tx, &session, why);
    if (!err_failed(err)) {
        err = turns__need_model(&session, what->model_default, why);
    }
    message.trigger = TRIGGER_COMPACT;
    message.text = BYTES("compact");
    message.answer = what->message;
    return err_failed(err) ? err : turns__make(tx, &session, &message, ret_run, why);
}
