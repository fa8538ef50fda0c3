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

#include "dispatch/turn/talk.h"

enum { FOLDS_MAX = 2 /* For one call. */ };
static_assert(FOLD_MESSAGES_MAX < (int)REQUEST_MESSAGES_MAX,
              "a prompt is folded before it is refused");

/* A window that somebody set holds, unless a provider has shown that it takes less. */
static struct fold_window window_of(const struct talk *talk, const struct model_info *info) {
    bool learned = info->window_from == WINDOW_LEARNED;
    int64_t refused = talk->fit.refused_window;
    struct fold_window window = {.tokens = info->facts.window,
                                 .output_tokens = info->facts.output_max,
                                 .guessed = learned || info->window_from == WINDOW_DEFAULT};
    if (talk->window > 0 && (!learned || talk->window < window.tokens)) {
        window.tokens = talk->window;
        window.guessed = false;
    }
    if (refused > 0) {
        window.tokens = refused < window.tokens ? refused : window.tokens;
        window.guessed = true;
    }
    return window;
}

int64_t talk__window(const struct talk *talk) {
    struct model_info info;
    bool found = models_info(talk->turns->options.models, talk->plan.model, &info);
    return found ? window_of(talk, &info).tokens : 0;
}

bool fit__find_marks(const struct talk *talk, struct fold_marks *ret_marks) {
    struct model_info info;
    bool found = models_info(talk->turns->options.models, talk->plan.model, &info);
    if (found) {
        const struct fold_window window = window_of(talk, &info);
        *ret_marks = fold_marks(&window);
    }
    return found;
}

/* --- Before the call -------------------------------------------------------------------------- */

void fit__go_without(struct talk *talk) {
    struct talk_fit *fit = &talk->fit;
    struct fold_marks marks;
    if (fit->asked == FIT_REFUSED && fit->folds == 0 && !talk->stop) {
        /* A prompt that was refused, and was not shortened since, would be refused again. */
        const struct model_result refused = fit->refused;
        fit->refused = (struct model_result){0};
        talk__refuse(talk, &refused);
        return;
    }
    size_t prompt = model_request_text_size(talk->request);
    bool over = !talk->stop && fit__find_marks(talk, &marks) && (int64_t)prompt > marks.hard_max;
    if (over && fit->fold < FIT_MUST_FOLD && fit->folds < FOLDS_MAX) {
        /* A fold that the call could do without has failed, and meanwhile somebody has set the
         * window to less than the prompt: now the call needs a fold, and an excerpt will do. */
        compact__begin(talk, &marks);
        return;
    }
    fit->fold = FIT_TOO_LONG;
    if (!over) {
        talk__call(talk);
        return;
    }
    struct model_result result = {.failure = {.cause = MODEL_CONTEXT_OVERFLOW}};
    (void)snprintf(
        result.failure.detail, sizeof result.failure.detail,
        "The prompt has about %zu tokens, and the window leaves %lld for it; what can be "
        "summarised is summarised. Send a shorter message, or take another model.",
        prompt / USAGE_BYTES_PER_TOKEN, (long long)(marks.hard_max / USAGE_BYTES_PER_TOKEN));
    talk__refuse(talk, &result);
}

void talk__fit(struct talk *talk) {
    const struct talk_fit *fit = &talk->fit;
    struct fold_marks marks;
    if (talk->stop || !fit__find_marks(talk, &marks)) {
        talk__call(talk);
        return;
    }
    int64_t prompt = (int64_t)model_request_text_size(talk->request);
    bool refused = fit->asked == FIT_REFUSED && fit->folds == 0;
    bool many = talk->request->message_count > FOLD_MESSAGES_MAX;
    bool must = refused || prompt > marks.hard_max || model_request_failed(talk->request);
    bool tired = fit->failures >= FIT_FAILURES_MAX && !must;
    if (prompt <= marks.prompt_max && !refused && !many) {
        talk__call(talk);
    } else if (fit->fold == FIT_TOO_LONG || tired || fit->folds >= FOLDS_MAX) {
        fit__go_without(talk);
    } else {
        compact__begin(talk, &marks);
    }
}

/* --- After the call --------------------------------------------------------------------------- */

static struct fold_refusal refusal_of(const struct talk *talk) {
    struct model_info info;
    bool known = models_info(talk->turns->options.models, talk->plan.model, &info);
    const struct model_sizes *sizes = &talk->call.sizes;
    const int64_t fixed = (int64_t)(sizes->tools + sizes->instructions);
    return (struct fold_refusal){.prompt = (fixed + (int64_t)sizes->history) /
                                           USAGE_BYTES_PER_TOKEN, /* By our estimate. */
                                 .fixed = fixed / USAGE_BYTES_PER_TOKEN,
                                 .accepted = known ? info.accepted : 0,
                                 .window = known ? window_of(talk, &info).tokens : 0};
}

enum fit_next fit__next(const struct talk *talk) {
    const struct fold_refusal refusal = refusal_of(talk);
    if (talk->call.result.failure.cause != MODEL_CONTEXT_OVERFLOW || talk->fit.asked != FIT_FIRST ||
        talk->stop || talk__is_over(talk)) {
        return FIT_TAKE;
    }
    if (fold_refusal_is_doubtful(&refusal)) {
        return FIT_ASK_AGAIN;
    }
    return talk->fit.fold != FIT_TOO_LONG && fold_window_refused(refusal.prompt) > 0 ? FIT_FOLD
                                                                                     : FIT_TAKE;
}

void fit__retry(struct talk *talk) {
    struct talk_fit *fit = &talk->fit;
    const struct fold_refusal refusal = refusal_of(talk);
    if (fold_refusal_is_doubtful(&refusal)) {
        fit->asked = FIT_DOUBTED;
    } else {
        fit->asked = FIT_REFUSED;
        fit->learned_window = fold_window_learned(&refusal);
        fit->refused_window = fold_window_refused(refusal.prompt);
    }
    fit->refused = talk->call.result;
    talk__enter(talk, TALK_PREPARING);
    talk__prepare(talk);
}

void fit__note_length(struct talk *talk, struct learned_window *ret_learned) {
    struct models *models = talk->turns->options.models;
    struct model_failure *failure = &talk->call.result.failure;
    struct model_info info;
    struct model_learned accepted = {
        .name = talk->plan.model,
        .until_ms = world_wall_ms(loop_world(talk->turns->options.loop)) + LEARNED_WINDOW_MS};
    *ret_learned = (struct learned_window){.window = 0};
    if (!models_info(models, talk->plan.model, &info)) {
        return;
    }
    if (failure->cause == MODEL_CONTEXT_OVERFLOW && talk->fit.asked == FIT_DOUBTED) {
        /* A refusal that was repeated may be right: the next one is believed. */
        size_t len = strlen(failure->detail);
        (void)snprintf(failure->detail + len, sizeof failure->detail - len,
                       " (refused twice; the model took a prompt of about %lld tokens before)",
                       (long long)info.accepted); /* Cut, where it is long. */
        models_accept(models, &accepted);
    } else if (failure->cause == MODEL_NONE && !talk->call.interrupted) {
        accepted.window = refusal_of(talk).prompt;
        models_accept(models, &accepted);
        if (info.window_from == WINDOW_LEARNED && accepted.window > info.facts.window) {
            *ret_learned = (struct learned_window){.model = talk->plan.model,
                                                   .window = fold_window_raised(accepted.window),
                                                   .until_ms = accepted.until_ms};
        }
    }
}
