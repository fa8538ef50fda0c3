/* playing.c: one try of the scripted model: its actions, one after the other, on the loop.
 *
 * Text goes out in small pieces, as a provider's would; without a rate all of them soon, some at a
 * time, so that nobody else waits for it.
 */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "model/calls/inside.h"

enum { PIECE_SIZE = 24, PIECES_AT_ONCE = 16, BEAT_MS = 20 };

struct playing {
    struct asking *asking; /* Borrowed. */
    struct loop_task soon;
    struct timer timer;
    struct script_plan plan; /* Owned. */
    size_t at;               /* The present action, and */
    size_t sent;             /* how much of its text, or of its tokens, is out. */
    uint64_t started_ns;     /* Of the present action; 0: it has not begun. */
    enum model_stop stop;
    struct usage usage;
    bool counted;
};

static void play(struct playing *playing);

static void play_soon(struct loop_task *task) {
    play(CONTAINER_OF(task, struct playing, soon));
}

static void play_timed(struct timer *timer) {
    play(CONTAINER_OF(timer, struct playing, timer));
}

static void next_action(struct playing *playing) {
    playing->at++;
    playing->sent = 0;
    playing->started_ns = 0;
}

/* --- Actions: true: go on at once; false: it is over, or goes on by itself -------------------- */

static void say(struct answer *answer, enum script_kind kind, struct bytes piece) {
    if (kind == SCRIPT_THINK) {
        answer_thinking(answer, piece);
    } else {
        answer_text(answer, piece);
    }
}

static bool play_text(struct playing *playing, const struct script_action *action) {
    struct answer *answer = &playing->asking->stream.answer;
    size_t len = strlen(action->text);
    for (unsigned i = 0; i < PIECES_AT_ONCE && playing->sent < len; i++) {
        struct bytes rest = {action->text + playing->sent, len - playing->sent};
        size_t size = utf8_cut(rest, PIECE_SIZE);
        say(answer, action->kind, (struct bytes){rest.data, size});
        playing->sent += size;
        if (!answer_goes_on(answer)) {
            return false;
        }
    }
    if (playing->sent < len) {
        loop_soon(playing->asking->models->loop, &playing->soon);
        return false;
    }
    next_action(playing);
    return true;
}

static bool play_call(struct playing *playing, const struct script_action *action) {
    struct answer *answer = &playing->asking->stream.answer;
    int64_t key = (int64_t)answer->call_count;
    struct bytes name = bytes_of(action->name);
    struct bytes rest = bytes_of(action->text);
    answer_call(answer, key, /* id */ BYTES(""), name);
    while (answer_goes_on(answer) && rest.len > 0) {
        size_t size = utf8_cut(rest, (size_t)PIECE_SIZE * 4);
        answer_call_piece(answer, key, (struct bytes){rest.data, size});
        rest = (struct bytes){rest.data + size, rest.len - size};
    }
    next_action(playing);
    return answer_goes_on(answer);
}

/* A token is four bytes, as usage_estimate has it. */
static bool play_tokens(struct playing *playing, const struct script_action *action) {
    static const char words[] = "and one two six ten all";
    struct models *models = playing->asking->models;
    struct answer *answer = &playing->asking->stream.answer;
    /* As many as should be out by now. */
    size_t all = (size_t)action->number, due = playing->sent + PIECES_AT_ONCE;
    if (action->rate > 0) {
        uint64_t now_ns = world_mono_ns(models->world);
        playing->started_ns = playing->started_ns != 0 ? playing->started_ns : now_ns;
        uint64_t passed_us = (now_ns - playing->started_ns) / 1000;
        due = (size_t)(1 + passed_us * (uint64_t)action->rate / 1000000);
    }
    for (; playing->sent < all && playing->sent < due && answer_goes_on(answer); playing->sent++) {
        say(answer, SCRIPT_SAY, (struct bytes){words + 4 * (playing->sent % 5), 4});
    }
    if (!answer_goes_on(answer)) {
        return false;
    }
    if (playing->sent == all) {
        next_action(playing);
        return true;
    }
    if (action->rate == 0) {
        loop_soon(models->loop, &playing->soon);
    } else {
        uint64_t each_ms = 1000 / (uint64_t)action->rate;
        timer_start(models->loop, &playing->timer, each_ms > BEAT_MS ? each_ms : BEAT_MS,
                    play_timed);
    }
    return false;
}

static bool play_fail(struct playing *playing, const struct script_action *action) {
    struct asking *asking = playing->asking;
    struct answer *answer = &asking->stream.answer;
    if (action->times > 0 && asking->tries > action->times) {
        next_action(playing);
        return true;
    }
    if (action->cause == MODEL_NONE) {
        fault_of_answer(action->status, BYTES("the script says so"), NULL, &answer->failure);
    } else {
        answer_fail(answer, action->cause, "%s",
                    action->text != NULL ? action->text : "the script says so");
        answer->failure.status = action->status;
    }
    asking->hint.timed = action->after_ms > 0;
    asking->hint.after_ms = action->after_ms;
    return false;
}

static bool play_action(struct playing *playing) {
    const struct script_action *action = &playing->plan.actions[playing->at];
    switch (action->kind) {
    case SCRIPT_SAY:
    case SCRIPT_THINK:
        return play_text(playing, action);
    case SCRIPT_CALL:
        return play_call(playing, action);
    case SCRIPT_DELAY:
        next_action(playing);
        timer_start(playing->asking->models->loop, &playing->timer, (uint64_t)action->number,
                    play_timed);
        return false;
    case SCRIPT_TOKENS:
        return play_tokens(playing, action);
    case SCRIPT_FAIL:
        return play_fail(playing, action);
    case SCRIPT_STOP:
        playing->stop = (enum model_stop)action->number;
        break;
    case SCRIPT_USAGE:
        playing->usage = action->usage;
        playing->counted = true;
        break;
    }
    next_action(playing);
    return true;
}

/* --- The end ---------------------------------------------------------------------------------- */

/* What a provider with a cache would report: what stood in the prompt of the call before is read
 * from it. */
static struct usage reported(const struct playing *playing) {
    const struct asking *asking = playing->asking;
    struct usage usage = usage_estimate(asking->prompt_size, answer_size(&asking->stream.answer));
    usage.estimated = false;
    size_t later = 0;
    bool any = false;
    for (const struct model_message *at = asking->request->first; at != NULL; at = at->next) {
        any = any || at->role == MODEL_ASSISTANT;
        later = at->role == MODEL_ASSISTANT ? 0 : later;
        for (const struct model_part *part = at->first; part != NULL; part = part->next) {
            later += part->kind == MODEL_PART_IMAGE ? USAGE_IMAGE_BYTES
                                                    : part->text.len + part->name.len;
        }
    }
    if (any && later < asking->prompt_size) {
        usage.cache_read = usage_estimate(asking->prompt_size - later, 0).fresh;
        usage.fresh = usage.fresh > usage.cache_read ? usage.fresh - usage.cache_read : 0;
    }
    return usage;
}

static void play(struct playing *playing) {
    struct asking *asking = playing->asking;
    struct answer *answer = &asking->stream.answer;
    asking__enter(asking);
    bool on = true;
    while (on && playing->at < playing->plan.count) {
        on = play_action(playing);
    }
    if (on) {
        answer->usage = playing->counted ? playing->usage : reported(playing);
        answer->counted = true;
        answer_stop(answer, playing->stop);
        answer_end(answer);
    }
    bool over = on || answer->failure.cause != MODEL_NONE;
    if (answer->begun && asking->first_ns == 0) {
        asking->first_ns = world_mono_ns(asking->models->world);
    }
    if (asking__leave(asking) && over) {
        asking__try_over(asking);
    }
}

void playing__start(struct asking *asking) {
    struct playing *playing = mem_new(sizeof *playing);
    playing->asking = asking;
    playing->soon.run = play_soon;
    playing->stop = MODEL_STOP_END;
    asking->playing = playing;
    /* The same request has the same ids: a script's runs can be compared. */
    asking->stream.answer.salt = asking->request->message_count;
    script_plan_make(asking->models->script, asking->model, asking->request, &playing->plan);
    loop_soon(asking->models->loop, &playing->soon);
}

void playing__stop(struct asking *asking) {
    struct playing *playing = asking->playing;
    if (playing == NULL) {
        return;
    }
    loop_task_cancel(asking->models->loop, &playing->soon);
    timer_stop(asking->models->loop, &playing->timer);
    if (asking->inside > 0) {
        return; /* Cancelled from within what it told: it goes with the call. */
    }
    script_plan_done(&playing->plan);
    mem_free(playing);
    asking->playing = NULL;
}
