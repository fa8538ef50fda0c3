/* window.c: whether a prompt fits the window of its model, and what is done where it does not.
 *
 *   PREPARING ──it fits──> CALLING ──the provider refuses its length──> PREPARING, once, and once
 *      ^ │                                                     more where that cannot be the reason
 *      │ │  └─ nothing helps ──> CALLING, or the turn fails
 *      │ └──too long──┐
 *      └── a fold <───┘  (compaction.c)
 *
 * A refusal of a prompt that should have fitted shows a smaller window. It holds for the next try
 * at once, and is learned by the commit of the fold that it asks for. */
#include <stdio.h>

#include <string.h>

#include "dispatch/turn/talk.h"

enum { FOLDS_MAX = 2 /* For one call. */ };
static_assert(FOLD_MESSAGES_MAX < (int)REQUEST_MESSAGES_MAX,
              "a prompt is folded before it is refused");

bool talk__is_over(const struct talk *talk) {
    return talk->ended || talk->turns->stopping;
}

/* --- Windows ---------------------------------------------------------------------------------- */

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* A window that somebody set holds, unless a provider has shown that it takes less. */
static struct fold_window find_window(const struct talk *talk, const struct model_info *info) {
    bool learned = info->window_from == WINDOW_LEARNED;
    struct fold_window window = {.tokens = info->facts.window,
                                 .output_tokens = info->facts.output_max,
                                 .guessed = learned || info->window_from == WINDOW_DEFAULT};
    if (talk->window > 0 && (!learned || talk->window < window.tokens)) {
        window.tokens = talk->window;
        window.guessed = false;
    }
    if (talk->refused_window > 0) {
        window.tokens = smaller(window.tokens, talk->refused_window);
        window.guessed = true;
    }
    return window;
}

int64_t talk__window(const struct talk *talk) {
    struct model_info info;
    bool found = models_info(talk->turns->options.models, talk->plan.model, &info);
    return found ? find_window(talk, &info).tokens : 0;
}

bool fit__find_marks(const struct talk *talk, struct fold_marks *ret_marks) {
    struct model_info info;
    bool found = models_info(talk->turns->options.models, talk->plan.model, &info);
    if (found) {
        const struct fold_window window = find_window(talk, &info);
        *ret_marks = fold_marks(&window);
    }
    return found;
}

/* --- The call, without a fold ----------------------------------------------------------------- */

static void refuse_length(struct talk *talk, const struct fold_marks *marks, size_t prompt) {
    struct model_result result = {.failure = {.cause = MODEL_CONTEXT_OVERFLOW}};
    (void)snprintf(
        result.failure.detail, sizeof result.failure.detail,
        "The prompt has about %zu tokens, and the window leaves %lld for it; what can be "
        "summarised is summarised. Send a shorter message, or take another model.",
        prompt / USAGE_BYTES_PER_TOKEN, (long long)(marks->hard_max / USAGE_BYTES_PER_TOKEN));
    talk->too_long = true;
    talk__refuse(talk, &result);
}

static void send_call(struct talk *talk) {
    struct fold_marks marks;
    size_t prompt = model_request_text_size(talk->request);
    if (!talk->stop && fit__find_marks(talk, &marks) && (int64_t)prompt > marks.hard_max) {
        refuse_length(talk, &marks, prompt);
    } else {
        talk__call(talk);
    }
}

/* A fold that the call could do without has failed, and meanwhile somebody has set the window to
 * less than the prompt: now the call needs a fold, and an excerpt will do. */
static bool needs_fold_now(const struct talk *talk, struct fold_marks *ret_marks) {
    bool tried = talk->stop || talk->must_fold || talk->too_long || talk->folds >= FOLDS_MAX;
    return !tried && fit__find_marks(talk, ret_marks) &&
           (int64_t)model_request_text_size(talk->request) > ret_marks->hard_max;
}

/* A prompt that was refused, and was not shortened since, would be refused again. */
void fit__go_without(struct talk *talk) {
    if (talk->refused && talk->folds == 0 && !talk->stop) {
        const struct model_result result = talk->refused_result;
        talk->refused_result = (struct model_result){0};
        talk__refuse(talk, &result);
        return;
    }
    struct fold_marks marks;
    if (needs_fold_now(talk, &marks)) {
        compact__begin(talk, &marks);
        return;
    }
    talk->too_long = true;
    send_call(talk);
}

/* --- Whether ---------------------------------------------------------------------------------- */

void talk__fit(struct talk *talk) {
    struct fold_marks marks;
    if (talk->stop || !fit__find_marks(talk, &marks)) {
        talk__call(talk);
        return;
    }
    int64_t prompt = (int64_t)model_request_text_size(talk->request);
    bool refused = talk->refused && talk->folds == 0;
    bool many = talk->request->message_count > FOLD_MESSAGES_MAX;
    bool must = refused || prompt > marks.hard_max || model_request_failed(talk->request);
    bool tired = talk->fold_failures >= TALK_FOLD_FAILURES_MAX && !must;
    if (prompt <= marks.prompt_max && !refused && !many) {
        talk__call(talk);
    } else if (talk->too_long || tired || talk->folds >= FOLDS_MAX) {
        fit__go_without(talk);
    } else {
        compact__begin(talk, &marks);
    }
}

/* As our estimate has it. */
static int64_t asked_tokens(const struct talk *talk) {
    const struct model_sizes *sizes = &talk->sizes;
    return (int64_t)(sizes->tools + sizes->instructions + sizes->history) / USAGE_BYTES_PER_TOKEN;
}

bool talk__is_refused_once(const struct talk *talk) {
    return talk->result.failure.cause == MODEL_CONTEXT_OVERFLOW && !talk->refused &&
           !talk->too_long && !talk->stop && !talk__is_over(talk) &&
           fold_window_refused(asked_tokens(talk)) > 0;
}

static struct fold_refusal refusal_of(const struct talk *talk) {
    struct model_info info;
    bool known = models_info(talk->turns->options.models, talk->plan.model, &info);
    const struct model_sizes *sizes = &talk->sizes;
    return (struct fold_refusal){.prompt = asked_tokens(talk),
                                 .fixed = (int64_t)(sizes->tools + sizes->instructions) /
                                          USAGE_BYTES_PER_TOKEN,
                                 .accepted = known ? info.accepted : 0,
                                 .window = known ? find_window(talk, &info).tokens : 0};
}

bool talk__doubts_refusal(const struct talk *talk) {
    const struct fold_refusal refusal = refusal_of(talk);
    return talk->result.failure.cause == MODEL_CONTEXT_OVERFLOW && !talk->doubted &&
           !talk->refused && !talk->stop && !talk__is_over(talk) &&
           fold_refusal_is_doubtful(&refusal);
}

void talk__ask_again(struct talk *talk) {
    talk->doubted = true;
    talk->refused_result = talk->result;
    talk__enter(talk, TALK_PREPARING);
    talk__prepare(talk);
}

/* A refusal that was repeated may be right: the next one is believed. */
static void keep_accepted(const struct talk *talk, int64_t tokens) {
    int64_t now_ms = world_wall_ms(loop_world(talk->turns->options.loop));
    const struct model_learned accepted = {
        .name = talk->plan.model, .window = tokens, .until_ms = now_ms + LEARNED_WINDOW_MS};
    models_accept(talk->turns->options.models, &accepted);
}

void talk__note_length(struct talk *talk, struct learned_window *ret_learned) {
    struct model_failure *failure = &talk->result.failure;
    struct model_info info;
    *ret_learned = (struct learned_window){.window = 0};
    if (!models_info(talk->turns->options.models, talk->plan.model, &info)) {
        return;
    }
    if (failure->cause == MODEL_CONTEXT_OVERFLOW && talk->doubted && !talk->refused) {
        size_t len = strlen(failure->detail);
        (void)snprintf(failure->detail + len, sizeof failure->detail - len,
                       " (refused twice; the model took a prompt of about %lld tokens before)",
                       (long long)info.accepted); /* Cut, where it is long. */
        keep_accepted(talk, 0);
    } else if (failure->cause == MODEL_NONE && !talk->interrupted) {
        int64_t asked = asked_tokens(talk), now_ms = 0;
        keep_accepted(talk, asked);
        now_ms = world_wall_ms(loop_world(talk->turns->options.loop));
        if (info.window_from == WINDOW_LEARNED && asked > info.facts.window) {
            *ret_learned = (struct learned_window){.model = talk->plan.model,
                                                   .window = fold_window_raised(asked),
                                                   .until_ms = now_ms + LEARNED_WINDOW_MS};
        }
    }
}

void talk__fold_refused(struct talk *talk) {
    const struct fold_refusal refusal = refusal_of(talk);
    talk->refused = true;
    talk->learned_window = fold_window_learned(&refusal);
    talk->refused_window = fold_window_refused(asked_tokens(talk));
    talk->refused_result = talk->result;
    talk__enter(talk, TALK_PREPARING);
    talk__prepare(talk);
}
