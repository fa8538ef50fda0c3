/* compaction.c: arithmetic of windows; the figures are those of the diagram in compaction.h. */
#include "rules/turn/compaction.h"

#include "base/utf8.h"
#include "rules/trace/usage.h"

enum {
    KEEP_TOKENS = 20000,
    OUTPUT_TOKENS = 4096, /* Of an answer, where nobody knows how long it may be. */
    SUMMARY_TOKENS = 8192,
    SUMMARY_SHARE = 8, /* A summary has at most this part of the longest prompt. */
    LEARNED_TOKENS = 1024,
};

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t not_negative(int64_t a) {
    return a > 0 ? a : 0;
}

/* Room for the answer is what the model may write, but at most half of the window: a model
 * with a small window could not be asked anything else. */
struct fold_marks fold_marks(const struct fold_window *window) {
    int64_t output = window->output_tokens > 0 ? window->output_tokens : OUTPUT_TOKENS;
    int64_t prompt_tokens = (window->tokens - smaller(output, window->tokens / 2)) * 8 / 10;
    int64_t summary_tokens = smaller(prompt_tokens / SUMMARY_SHARE, SUMMARY_TOKENS);
    return (struct fold_marks){
        .prompt_max = prompt_tokens * USAGE_BYTES_PER_TOKEN,
        .hard_max = window->guessed ? INT64_MAX : window->tokens * USAGE_BYTES_PER_TOKEN / 8 * 7,
        .keep_max = (int64_t)KEEP_TOKENS * USAGE_BYTES_PER_TOKEN,
        .summary_max = summary_tokens * USAGE_BYTES_PER_TOKEN,
    };
}

/* The estimate was too low by an unknown factor. A quarter less costs one more refusal where it was
 * low by more, and never half of the window where it was nearly right. */
int64_t fold_window_refused(int64_t prompt_tokens) {
    int64_t window_tokens = prompt_tokens * 3 / 4;
    return window_tokens >= LEARNED_TOKENS ? window_tokens : 0;
}

/* An estimate of one prompt may be twice too low, compared with that of another. */
bool fold_refusal_is_doubtful(const struct fold_refusal *refusal) {
    return refusal->accepted / 2 > refusal->prompt;
}

/* A learned window holds for a day, so a wrong refusal must not make a model useless for that long:
 * tools and instructions always fit (a prompt gets at least two fifths of a window, fold_marks). */
int64_t fold_window_learned(const struct fold_refusal *refusal) {
    int64_t window = fold_window_refused(refusal->prompt);
    int64_t least = refusal->fixed * 5 / 2 + LEARNED_TOKENS;
    if (window > 0 && window < least) {
        window = least;
    }
    return window < refusal->window ? window : 0;
}

/* Folds keep prompts well below the window, so a window that was raised by a little would never be
 * seen to be too small. */
int64_t fold_window_raised(int64_t prompt_tokens) {
    return prompt_tokens * 2;
}

/* A summary of more than half of what it replaces is not worth its call. */
static int64_t summary_of(const struct fold_marks *marks, const struct fold_sizes *sizes) {
    return smaller(marks->summary_max, sizes->foldable / 2);
}

struct fold_limits fold_limits(const struct fold_marks *marks, const struct fold_sizes *sizes) {
    int64_t summary = summary_of(marks, sizes);
    int64_t beside = sizes->prompt - sizes->foldable + summary;
    return (struct fold_limits){
        .leave = smaller(not_negative(marks->prompt_max / 2 - beside), marks->keep_max),
        .messages = sizes->messages > FOLD_MESSAGES_MAX ? FOLD_MESSAGES_MAX / 2 : INT64_MAX,
        .room = not_negative(marks->prompt_max - beside),
        .summary = summary,
    };
}

struct fold_limits fold_limits_all(const struct fold_marks *marks, const struct fold_sizes *sizes) {
    return (struct fold_limits){.summary = summary_of(marks, sizes)};
}

/* Below the hard mark a summary must save something. Above it whatever brings the prompt below is
 * worth a call, and nothing else is. */
bool fold_is_worth(const struct fold_marks *marks, const struct fold_sizes *sizes) {
    int64_t fixed = sizes->prompt - sizes->foldable;
    if (sizes->messages > FOLD_MESSAGES_MAX) {
        return sizes->foldable > FOLD_LEAST;
    }
    if (sizes->prompt > marks->hard_max) {
        return sizes->foldable > FOLD_LEAST && fixed < marks->hard_max;
    }
    return sizes->foldable > marks->summary_max && sizes->foldable > FOLD_LEAST;
}

/* The newest unit may be a result that the model has not seen: a summary of it would make the model
 * ask for it once more, for ever. */
bool fold_takes(const struct fold_limits *limits, const struct fold_sizes *sizes,
                const struct fold_at *at) {
    int64_t left = sizes->foldable - at->passed;
    bool newest = left <= at->len;
    bool wanted = left > limits->leave || sizes->messages - at->messages > limits->messages;
    return wanted && !(newest && left <= limits->room);
}

void fold_excerpt(struct bytes transcript, size_t max, struct text *text) {
    static const char gap[] = "\n[…]\n";
    const size_t gap_len = sizeof gap - 1;
    if (transcript.len <= max) {
        text_add(text, transcript.data, transcript.len);
        return;
    }
    if (max <= gap_len) {
        return;
    }
    size_t head = utf8_cut(transcript, (max - gap_len) / 3);
    size_t tail = max - gap_len - head, from = transcript.len - tail;
    while (from < transcript.len && ((unsigned char)transcript.data[from] & 0xc0) == 0x80) {
        from++; /* Never begins within a character. */
    }
    text_add(text, transcript.data, head);
    text_add(text, gap, gap_len);
    text_add(text, transcript.data + from, transcript.len - from);
}
