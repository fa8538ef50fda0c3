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
 * nothing at all. */
#include "engine/provider/learned_windows.h"
#include "engine/session/checkpoints.h"
#include "engine/trace/usage_totals.h"
#include "engine/turn/cards.h"

#include <string.h>

#include "base/utf8.h"

enum {
    FOLD_PIECE_LEAST = 40, /* Of each piece, however many there are. */
    FOLD_REQUEST_MAX = 2000,
};

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
    struct fold_sizes
        joined; /* Of messages that joined the running answer before its first step. */
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

/* --- How much --------------------------------------------------------------------------------- */

static void sizes_add(struct fold_sizes *sizes, const struct fold_sizes *more) {
    sizes->foldable += more->foldable;
    sizes->messages += more->messages;
}

/* Messages that joined the running answer before its first step are folded with that step
 * (close_unit). Until then they are a fixed part of the prompt: counted as foldable, they would
 * have a model asked for a summary of the few units before them, which is no shorter than these. */
static void weigh_foldable(struct folding *folding, const struct prompt_part *part) {
    const struct fold_sizes own = {.foldable = (int64_t)size_of(part), .messages = part->opens};
    bool answer = part->message != 0 && part->message == folding->answer;
    if (answer && part->step == 0) {
        sizes_add(&folding->joined, &own);
        return;
    }
    if (answer) {
        sizes_add(&folding->folded.sizes, &folding->joined);
        folding->joined = (struct fold_sizes){.foldable = 0};
    }
    sizes_add(&folding->folded.sizes, &own);
}

static struct err weigh(void *ctx, const struct prompt_part *part) {
    struct folding *folding = ctx;
    if (is_foldable(folding, part)) {
        weigh_foldable(folding, part);
    } else if (part->message == folding->question && folding->request.len == 0) {
        text_add(&folding->request, part->text.data, utf8_cut(part->text, FOLD_REQUEST_MAX));
    }
    return check_text(&folding->request);
}

/* Whether anything is to be folded. */
static bool find_limits(struct folding *folding) {
    const struct prompt_fold *fold = folding->fold;
    struct fold_sizes *sizes = &folding->folded.sizes;
    bool all = fold->prompt_bytes == 0;
    sizes->prompt = all ? sizes->foldable : (int64_t)fold->prompt_bytes;
    folding->limits = all ? fold_limits_all(&fold->marks, sizes) : fold_limits(&fold->marks, sizes);
    folding->folded.summary_max = (size_t)folding->limits.summary;
    return all ? sizes->foldable > FOLD_LEAST : fold_is_worth(&fold->marks, sizes);
}

/* --- What it says ----------------------------------------------------------------------------- */

/* Half of the room that is left in the transcript, so that each of many long pieces is there in
 * part. A summary was cut already. */
static size_t piece_max(const struct folding *folding, bool summary) {
    size_t most = folding->fold->most_bytes, len = folding->transcript->len;
    size_t left = len < most ? (most - len) / 2 : 0;
    left = summary || left < FOLD_PIECE_MAX ? left : FOLD_PIECE_MAX;
    return left < FOLD_PIECE_LEAST ? FOLD_PIECE_LEAST : left;
}

static void write_text(struct text *text, const char *who, struct bytes what) {
    text_addf(text, "%s{\"%s\":", text->len > 1 ? "," : "", who);
    text_add_json(text, what.data, what.len);
    text_add_char(text, '}');
}

static struct err write_part(struct folding *folding, const struct prompt_part *part) {
    static const char *const who[] = {
        [PROMPT_USER] = "user", [PROMPT_ASSISTANT] = "agent", [PROMPT_TOOL] = "tool"};
    struct text *text = folding->transcript;
    size_t len = utf8_cut(part->text, piece_max(folding, part->message == 0));
    if (part->kind == PROMPT_IMAGE) {
        write_text(text, who[part->role], BYTES("[an image]"));
    } else if (part->name.len == 0 && part->kind != PROMPT_THINKING) {
        write_text(text, who[part->role], (struct bytes){part->text.data, len});
    } else if (part->kind != PROMPT_THINKING) {
        text_addf(text, "%s{\"%s\":", text->len > 1 ? "," : "", who[part->role]);
        text_add_json(text, part->name.data, part->name.len);
        text_add_str(text, ",\"says\":");
        text_add_json(text, part->text.data, len);
        text_add_char(text, '}');
    }
    return check_text(text);
}

/* --- Which ------------------------------------------------------------------------------------ */

static bool is_after(const struct prompt_place *place, const struct prompt_place *from) {
    return place->message > from->message ||
           (place->message == from->message && from->step != 0 && place->step > from->step);
}

/* A place without a step is a whole message. Of the running answer that would cover the steps to
 * come: what joined before its first one is folded with that. */
static bool covers_what_comes(const struct folding *folding) {
    return folding->unit.message == folding->answer && folding->unit.step == 0;
}

/* The unit that was read is folded, if it may be; otherwise its text is taken out of the
 * transcript, and no later unit is folded. Units of earlier rounds are folded already. Each round
 * folds at least one unit, whose pieces were cut to fit. */
static void close_unit(struct folding *folding) {
    const struct prompt_fold *fold = folding->fold;
    struct text *text = folding->transcript;
    const struct fold_at at = {.passed = (int64_t)folding->passed,
                               .messages = folding->messages,
                               .len = (int64_t)folding->unit_bytes};
    bool earlier = !is_after(&folding->unit, &fold->from);
    bool wanted = earlier || (!covers_what_comes(folding) &&
                              fold_takes(&folding->limits, &folding->folded.sizes, &at));
    bool fits = earlier || folding->units == 0 || text->len <= fold->most_bytes;
    if (!wanted || !fits) {
        folding->full = true;
        folding->folded.more = wanted;
        text->len = folding->unit_at;
        text->data[text->len] = '\0';
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
static void enter_unit(struct folding *folding, const struct prompt_part *part) {
    struct prompt_place *unit = &folding->unit;
    bool other = part->message != unit->message;
    if (part->message == 0 || part->message == folding->former) {
        return;
    }
    if (unit->message != 0 && (other || (unit->step != 0 && part->step != unit->step))) {
        unit->step = other && unit->message != folding->answer ? 0 : unit->step;
        close_unit(folding);
    }
    *unit = (struct prompt_place){.message = part->message, .step = part->step};
}

static struct err choose(void *ctx, const struct prompt_part *part) {
    struct folding *folding = ctx;
    const struct prompt_fold *fold = folding->fold;
    if (folding->full || !is_foldable(folding, part)) {
        return ERR_OK;
    }
    enter_unit(folding, part);
    if (folding->full) {
        return ERR_OK;
    }
    folding->unit_bytes += size_of(part);
    folding->unit_messages += part->opens;
    bool before = part->message == 0 || part->message == folding->former;
    bool covered = before ? fold->from.message != 0 : !is_after(&folding->unit, &fold->from);
    return covered ? ERR_OK : write_part(folding, part);
}

/* --- A round ---------------------------------------------------------------------------------- */

static struct err find_own(struct tx *tx, struct bytes run, struct folding *folding) {
    static const char sql[] = "SELECT t.session, t.answer, CASE WHEN t.question < t.answer"
                              " THEN t.question ELSE 0 END FROM turns t JOIN runs r ON r.id = t.run"
                              " WHERE r.run = $1";
    const struct arg args[] = {arg_text(run)};
    struct checkpoint active = {.question = 0};
    int64_t session = 0;
    bool found = false;
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (!err_failed(err) && rows != NULL) {
        session = rows_int(rows, 0);
        folding->answer = rows_int(rows, 1);
        folding->question = rows_int(rows, 2);
    }
    if (!err_failed(err)) {
        err = tx_checkpoint_find(tx, session, &found, &active);
    }
    folding->former = active.question == folding->question ? 0 : active.question;
    folding->covered = found ? active.message : 0;
    return err;
}

static void begin_transcript(struct folding *folding) {
    const struct prompt_fold *fold = folding->fold;
    text_add_char(folding->transcript, '[');
    if (fold->from.message != 0) {
        write_text(folding->transcript, "user", fold->summary);
    }
    folding->unit_at = folding->transcript->len;
}

/* The request stands at the end: it is not summarised, and says what matters in the summary. */
static void end_transcript(struct folding *folding) {
    const struct text *request = &folding->request;
    if (request->len > 0) {
        write_text(folding->transcript, "request", (struct bytes){request->data, request->len});
    }
    text_add_char(folding->transcript, ']');
}

/* Where the active summary covers all of the answer to the question that it leaves out, no unit
 * follows that question. It is a unit then, at the place that is covered already: else a long one
 * would stay in each prompt until another message comes between it and the question of a turn. */
static void enter_former(struct folding *folding) {
    if (folding->unit.message == 0 && folding->former != 0) {
        folding->unit = (struct prompt_place){.message = folding->covered};
    }
}

/* The limits were computed from all units. The last round folds what is folded at all, which may be
 * less: of many short messages the first half, say. */
static void limit_summary(struct folding *folding) {
    struct prompt_folded *folded = &folding->folded;
    size_t half = folded->bytes / 2;
    if (!folded->more && folded->summary_max > half) {
        folded->summary_max = half;
    }
}

/* The question is left out where the summary covers messages after it. */
static void end_round(struct folding *folding) {
    struct prompt_place *place = &folding->folded.place;
    enter_former(folding);
    if (!folding->full && folding->unit.message != 0) {
        close_unit(folding);
    }
    bool covered = folding->question != 0 && place->message > folding->question;
    place->question = covered ? folding->question : 0;
    limit_summary(folding);
    end_transcript(folding);
}

static struct err fold_round(struct tx *tx, const struct turn_key *key, struct folding *folding) {
    struct err err = find_own(tx, key->run, folding);
    if (!err_failed(err)) {
        err = tx_prompt_each(tx, key, weigh, folding);
    }
    if (err_failed(err) || !find_limits(folding)) {
        return err;
    }
    begin_transcript(folding);
    err = tx_prompt_each(tx, key, choose, folding);
    if (!err_failed(err)) {
        end_round(folding);
        err = check_text(folding->transcript);
    }
    return err;
}

struct err tx_prompt_fold(struct tx *tx, const struct turn_key *key, const struct prompt_fold *fold,
                          struct text *transcript, struct prompt_folded *ret_folded) {
    struct folding folding = {.fold = fold, .transcript = transcript};
    text_init(&folding.request, FOLD_REQUEST_MAX);
    text_clear(transcript);
    struct err err = fold_round(tx, key, &folding);
    text_done(&folding.request);
    if (!err_failed(err)) {
        *ret_folded = folding.folded;
    }
    return err;
}

/* --- Stored ----------------------------------------------------------------------------------- */

static struct err count_usage(struct tx *tx, struct turn *turn,
                              const struct turn_compacted *compacted) {
    struct usage_add add = {.session = &turn->session,
                            .model = turn->row.model,
                            .category = USAGE_COMPACTION,
                            .usage = sessions__sums_of(&compacted->usage, &compacted->cost)};
    add.usage.calls = compacted->calls;
    struct err err = sessions__add_usage(tx, &add.usage, &turn->session);
    return err_failed(err) ? err : tx_usage_add(tx, &add);
}

/* The turn has moved on. Its end, or whoever took it over, has charged to budgets what was held for
 * its call, which was not made; who looks at the session sees what was used in its place. */
static struct err count_late(struct tx *tx, const struct turn_compacted *compacted) {
    const struct run_key key = {.run = compacted->key.run};
    struct turn turn = {.run = {.id = 0}};
    bool found = false;
    struct err err = tx_run_find(tx, &key, &found, &turn.run);
    found = found && turn.run.kind == KIND_TURN;
    if (!err_failed(err) && found) {
        err = turns__load_rest(tx, &turn, &found);
    }
    return err_failed(err) || !found ? err : count_usage(tx, &turn, compacted);
}

static struct err add_usage(struct tx *tx, struct turn *turn,
                            const struct turn_compacted *compacted) {
    const struct amounts took = turns__amounts(&compacted->usage, &compacted->cost);
    bool held = turns__compacts(&turn->row);
    /* The sum of several rounds is not what one call takes: nothing is learned from it. */
    struct err err = held ? turns__budget_return(tx, turn, &compacted->key.bounds, &took)
                          : turns__budget_charge(tx, turn, &compacted->key.bounds, &took);
    return err_failed(err) ? err : count_usage(tx, turn, compacted);
}

static const struct bytes method_names[] = {
    [TURN_FOLD_SUMMARY] = {"summary", 7}, [TURN_FOLD_EXCERPT] = {"excerpt", 7}};

static bool is_stored(const struct turn_compacted *compacted) {
    return compacted->failure == CAUSE_NONE && compacted->folded.place.message != 0;
}

static struct err add_checkpoint(struct tx *tx, struct turn *turn,
                                 const struct turn_compacted *compacted) {
    const struct prompt_folded *folded = &compacted->folded;
    bool alone = turns__compacts(&turn->row);
    const struct checkpoint checkpoint = {
        .session = turn->session.id,
        .message = folded->place.message,
        .step = folded->place.step,
        .question = folded->place.question,
        .tokens_before = (int64_t)folded->bytes / USAGE_BYTES_PER_TOKEN,
        .tokens_after = (int64_t)compacted->summary.len / USAGE_BYTES_PER_TOKEN,
        .made_by = alone ? CHECKPOINT_MANUAL : CHECKPOINT_AUTO,
        .method = method_names[compacted->method],
        .summary = compacted->summary};
    struct err err = tx_checkpoint_add(tx, &checkpoint);
    if (!err_failed(err)) {
        err = turns__event_compacted(tx, turn, &checkpoint);
    }
    return err_failed(err) || alone ? err : turns__note_before(tx, turn, compacted);
}

/* Usage is counted, also where the fold failed. */
static struct err store(struct tx *tx, struct turn *turn, const struct turn_compacted *compacted) {
    bool called = compacted->calls > 0;
    struct err err = called ? turns__span_compaction(tx, turn, compacted) : ERR_OK;
    if (!err_failed(err)) {
        turns__write(tx, &turn->row);
        err = tx_error(tx);
    }
    if (!err_failed(err) && called) {
        err = add_usage(tx, turn, compacted);
    }
    if (!err_failed(err) && is_stored(compacted) && !turns__is_cleared(turn)) {
        err = add_checkpoint(tx, turn, compacted);
    }
    if (!err_failed(err) && compacted->learned.window > 0) {
        err = tx_window_learn(tx, &compacted->learned);
    }
    return err;
}

/* --- A turn that only does this --------------------------------------------------------------- */

static struct err finish(struct tx *tx, struct turn *turn, const struct turn_compacted *compacted,
                         struct turn_plan *plan) {
    const struct run_bounds *bounds = &compacted->key.bounds;
    const struct amounts none = amounts_none();
    enum run_cause cause = compacted->failure;
    struct bytes sentence = compacted->sentence;
    turn->row.call = 0;
    struct err err = compacted->calls > 0 ? ERR_OK : turns__budget_return(tx, turn, bounds, &none);
    if (err_failed(err) || turn->run.stop != CAUSE_NONE) {
        return err_failed(err) ? err : turns__advance(tx, turn, bounds, plan);
    }
    if (cause == CAUSE_NONE) {
        cause = CAUSE_COMPLETED;
        err = turns__note(tx, turn, compacted, &sentence);
    }
    plan->next = TURN_NEXT_END;
    return err_failed(err) ? err : turns__end(tx, turn, cause, sentence, bounds);
}

struct err tx_turn_compacted(struct tx *tx, const struct turn_compacted *compacted,
                             struct turn_plan *plan) {
    struct turn turn;
    turns__plan_begin(plan);
    struct err err = turns__load(tx, &compacted->key, &plan->late, &turn);
    plan->late = plan->late || (!err_failed(err) && turn.row.call != compacted->step);
    if (!err_failed(err) && plan->late && compacted->calls > 0) {
        return count_late(tx, compacted);
    }
    if (err_failed(err) || plan->late) {
        return err;
    }
    err = store(tx, &turn, compacted);
    return err_failed(err) || !turns__compacts(&turn.row) ? err
                                                          : finish(tx, &turn, compacted, plan);
}

struct err tx_turn_compact(struct tx *tx, const struct turn_compact *what, struct run_row *ret_run,
                           struct why *why) {
    const struct turn_message message = {.session = what->session,
                                         .text = BYTES("compact"),
                                         .model = {"", 0},
                                         .model_default = what->model_default,
                                         .run = what->run,
                                         .message = what->message,
                                         .answer = what->message,
                                         .bounds = what->bounds};
    struct session_row session;
    bool found = false, joined = false;
    struct err err = sessions__find(tx, &what->session, &found, &session);
    if (!err_failed(err) && !found) {
        err = err_make(ERR_NOT_FOUND, "turns: compact");
    }
    if (!err_failed(err)) {
        err = turns__compacting(tx, &session, &joined, ret_run);
    }
    if (!err_failed(err) && !joined) {
        err = turns__idle(tx, &session, why);
    }
    if (!err_failed(err) && !joined && session.model.len == 0 && what->model_default.len == 0) {
        why_set(why, "model: the session names none, and there is no default");
        err = err_make(ERR_MODEL_UNKNOWN, "turns: model");
    }
    return err_failed(err) || joined ? err : turns__make_compact(tx, &session, &message, ret_run);
}
