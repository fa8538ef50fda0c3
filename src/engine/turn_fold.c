/* turn_fold.c: the beginning of a conversation becomes a summary.
 *
 * A model writes it, so it is made outside, from what tx_prompt_fold reads; tx_turn_compacted
 * stores it if the call that needs it still waits. A crash in between leaves nothing at all. */
#include "engine/checkpoints.h"
#include "engine/turn_cards.h"
#include "engine/usage_totals.h"

#include <string.h>

#include "base/utf8.h"

enum { KEY_BYTES = 24 }; /* Of what stands around a piece. */

struct folding {
    int64_t own; /* id of the first message that is the turn's own. */
    struct prompt_fold fold;
    size_t total, before, message_bytes; /* Of the messages before the one that is read. */
    int64_t message;                     /* The one that is read. */
    struct prompt_folded folded;
    bool full;
    struct text *transcript;
};

static size_t size_of(const struct prompt_part *part) {
    return part->kind == PROMPT_THINKING ? 0
           : part->kind == PROMPT_IMAGE  ? USAGE_IMAGE_BYTES
                                         : part->text.len + part->name.len + KEY_BYTES;
}

/* --- How much --------------------------------------------------------------------------------- */

static struct err weigh(void *ctx, const struct prompt_part *part) {
    struct folding *folding = ctx;
    if (part->message < folding->own) {
        folding->total += size_of(part);
    }
    return ERR_OK;
}

/* The message that was read last is taken, if it may be. */
static void close_message(struct folding *folding) {
    size_t with = folding->before + folding->message_bytes;
    bool fits = folding->folded.message == 0 || with <= folding->fold.most_bytes;
    bool leaves = folding->total - with >= folding->fold.keep_bytes;
    folding->full = folding->full || !fits || !leaves;
    if (folding->message != 0 && !folding->full) {
        folding->folded = (struct prompt_folded){.message = folding->message, .bytes = with};
    }
    folding->before = with;
    folding->message_bytes = 0;
}

static struct err choose(void *ctx, const struct prompt_part *part) {
    struct folding *folding = ctx;
    if (part->message >= folding->own) {
        return ERR_OK;
    }
    if (part->message != folding->message) {
        close_message(folding);
        folding->message = part->message;
    }
    folding->message_bytes += size_of(part);
    return ERR_OK;
}

/* --- What it says ----------------------------------------------------------------------------- */

static struct err write_piece(void *ctx, const struct prompt_part *part) {
    static const char *const who[] = {
        [PROMPT_USER] = "user", [PROMPT_ASSISTANT] = "agent", [PROMPT_TOOL] = "tool"};
    struct folding *folding = ctx;
    struct text *text = folding->transcript;
    if (part->message > folding->folded.message || part->kind == PROMPT_THINKING) {
        return ERR_OK;
    }
    text_addf(text, "%s{\"%s\":", text->len > 1 ? "," : "", who[part->role]);
    if (part->kind == PROMPT_IMAGE) {
        text_add_str(text, "\"[an image]\"}");
        return text_failed(text) ? err_make(ERR_OUT_OF_MEMORY, "turns: fold") : ERR_OK;
    }
    if (part->name.len > 0) {
        text_add_json(text, part->name.data, part->name.len);
        text_add_str(text, ",\"says\":");
    }
    text_add_json(text, part->text.data, utf8_cut(part->text, FOLD_PIECE_MAX));
    text_add_char(text, '}');
    return text_failed(text) ? err_make(ERR_OUT_OF_MEMORY, "turns: fold") : ERR_OK;
}

static struct err find_own(struct tx *tx, struct bytes run, int64_t *ret_own) {
    const struct arg args[] = {arg_text(run)};
    const struct run_ask ask = {
        .sql = "SELECT CASE WHEN t.question > 0 AND t.question < t.answer THEN t.question"
               " ELSE t.answer END FROM turns t JOIN runs r ON r.id = t.run WHERE r.run = $1",
        .args = args,
        .count = COUNT_OF(args)};
    return runs__int(tx, &ask, ret_own);
}

struct err tx_prompt_fold(struct tx *tx, const struct turn_key *key, const struct prompt_fold *fold,
                          struct text *transcript, struct prompt_folded *ret_folded) {
    struct folding folding = {.fold = *fold, .transcript = transcript};
    text_clear(transcript);
    struct err err = find_own(tx, key->run, &folding.own);
    if (!err_failed(err)) {
        err = tx_prompt_each(tx, key, weigh, &folding);
    }
    if (!err_failed(err)) {
        err = tx_prompt_each(tx, key, choose, &folding);
    }
    if (err_failed(err)) {
        return err;
    }
    close_message(&folding);
    text_add_char(transcript, '[');
    if (folding.folded.message != 0) {
        err = tx_prompt_each(tx, key, write_piece, &folding);
    }
    text_add_char(transcript, ']');
    folding.folded.more = folding.total - folding.folded.bytes > fold->keep_bytes;
    if (!err_failed(err)) {
        *ret_folded = folding.folded;
    }
    return err;
}

/* --- Stored ----------------------------------------------------------------------------------- */

static struct err add_usage(struct tx *tx, struct turn *turn,
                            const struct turn_compacted *compacted) {
    const struct usage *usage = &compacted->usage;
    const struct amounts took = turns__amounts(usage, &compacted->cost);
    bool held = turns__compacts(&turn->row);
    const struct usage_add add = {.session = &turn->session,
                                  .model = turn->row.model,
                                  .category = USAGE_COMPACTION,
                                  .usage = sessions__sums_of(usage, &compacted->cost)};
    struct err err = held ? turns__budget_spend(tx, turn, &compacted->key.bounds, &took)
                          : turns__budget_charge(tx, turn, &compacted->key.bounds, &took);
    if (!err_failed(err)) {
        err = sessions__add_usage(tx, &add.usage, &turn->session);
    }
    return err_failed(err) ? err : tx_usage_add(tx, &add);
}

static struct err store(struct tx *tx, struct turn *turn, const struct turn_compacted *compacted) {
    const struct checkpoint checkpoint = {
        .session = turn->session.id,
        .message = compacted->folded.message,
        .tokens_before = (int64_t)compacted->folded.bytes / USAGE_BYTES_PER_TOKEN,
        .tokens_after = (int64_t)compacted->summary.len / USAGE_BYTES_PER_TOKEN,
        .made_by = turns__compacts(&turn->row) ? CHECKPOINT_MANUAL : CHECKPOINT_AUTO,
        .method = BYTES("summary"),
        .summary = compacted->summary};
    bool cleared = turns__is_cleared(turn);
    struct err err = cleared ? ERR_OK : tx_checkpoint_add(tx, &checkpoint);
    if (!err_failed(err)) {
        err = turns__span_compaction(tx, turn, compacted);
    }
    if (!err_failed(err)) {
        err = turns__write(tx, &turn->row);
    }
    if (!err_failed(err)) {
        err = add_usage(tx, turn, compacted);
    }
    if (!err_failed(err) && !cleared) {
        err = turns__event_compacted(tx, turn, &checkpoint);
    }
    bool noted = cleared || turns__compacts(&turn->row);
    return err_failed(err) || noted ? err : turns__note_before(tx, turn, compacted);
}

/* --- A turn that only does this --------------------------------------------------------------- */

static struct err finish(struct tx *tx, struct turn *turn, const struct turn_compacted *compacted,
                         struct turn_plan *plan) {
    const struct run_bounds *bounds = &compacted->key.bounds;
    const struct amounts took = turns__amounts(&compacted->usage, &compacted->cost);
    enum run_cause cause = compacted->failure;
    struct bytes sentence = compacted->sentence;
    bool stored = cause == CAUSE_NONE && compacted->folded.message != 0;
    turn->row.call = 0;
    struct err err = stored ? ERR_OK : turns__budget_return(tx, turn, bounds, &took);
    if (err_failed(err) || turn->run.stop != CAUSE_NONE || (stored && compacted->more)) {
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
    if (err_failed(err) || plan->late) {
        return err;
    }
    if (compacted->failure == CAUSE_NONE && compacted->folded.message != 0) {
        err = store(tx, &turn, compacted);
    }
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
