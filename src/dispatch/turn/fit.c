/* fit.c: the length of a prompt: the window that it has to fit, and refusals of providers. A
 * call that is too long: compaction.c. */
#include <stdio.h>

#include "dispatch/turn/talk.h"

/* --- Before the call -------------------------------------------------------------------------- */

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
    return talk__model(talk, &info) ? window_of(talk, &info).tokens : 0;
}

bool fit__find_marks(const struct talk *talk, struct fold_marks *ret_marks) {
    struct model_info info;
    bool found = talk__model(talk, &info);
    if (found) {
        const struct fold_window window = window_of(talk, &info);
        *ret_marks = fold_marks(&window);
    }
    return found;
}

/* --- After the call --------------------------------------------------------------------------- */

static struct fold_refusal refusal_of(const struct talk *talk) {
    struct model_info info;
    bool known = talk__model(talk, &info);
    const struct model_sizes *sizes = &talk->call.sizes;
    const int64_t fixed = (int64_t)(sizes->tools + sizes->instructions);
    return (struct fold_refusal){.prompt = (fixed + (int64_t)sizes->history) /
                                           USAGE_BYTES_PER_TOKEN, /* By our estimate. */
                                 .fixed = fixed / USAGE_BYTES_PER_TOKEN,
                                 .accepted = known ? info.accepted : 0,
                                 .window = known ? window_of(talk, &info).tokens : 0};
}

bool fit__is_refused(const struct talk *talk) {
    const struct fold_refusal refusal = refusal_of(talk);
    if (talk->call.result.failure.cause != MODEL_CONTEXT_OVERFLOW || talk->fit.asked != FIT_FIRST ||
        talk->stop) {
        return false;
    }
    return fold_refusal_is_doubtful(&refusal) ||
           (talk->fit.fold != FIT_TOO_LONG && fold_window_refused(refusal.prompt) > 0);
}

void fit__note_refusal(struct talk *talk) {
    struct talk_fit *fit = &talk->fit;
    const struct fold_refusal refusal = refusal_of(talk);
    fit->retry = false;
    if (fold_refusal_is_doubtful(&refusal)) {
        fit->asked = FIT_DOUBTED;
    } else {
        fit->asked = FIT_REFUSED;
        fit->learned_window = fold_window_learned(&refusal);
        fit->refused_window = fold_window_refused(refusal.prompt);
    }
    fit->refused = talk->call.result;
}

void fit__note_length(struct talk *talk, struct learned_limit *ret_learned) {
    struct models *models = talk->turns->options.models;
    struct model_failure *failure = &talk->call.result.failure;
    struct model_info info;
    struct model_learned accepted = {
        .name = talk->plan.model,
        .until_ms = world_wall_ms(loop_world(talk->turns->options.loop)) + LEARNED_WINDOW_MS};
    *ret_learned = (struct learned_limit){.window = 0};
    if (!talk__model(talk, &info)) {
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
            *ret_learned = (struct learned_limit){.model = talk->plan.model,
                                                  .window = fold_window_raised(accepted.window),
                                                  .until_ms = accepted.until_ms};
        }
    }
}
