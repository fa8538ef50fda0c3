/* logs_pattern.c: PCRE2, told to give up in time.
 *
 * Three limits, since none alone is enough: PCRE2's own count of steps stops what explodes on one
 * line; a clock stops what is slow on many, or on one line in ways that are not counted; and the
 * stack of compiled code has a bound.
 *
 * Each pattern is compiled twice. SWIFT is as fast as it can be, and has few steps: on a short line
 * it is over soon, whatever the pattern is. Lines that are long, and those on which it ran out of
 * steps, are for CAREFUL, which asks the clock in callouts that the compiled code makes before each
 * item of the pattern: between two of them lies at most one run over the line. (With that alone, a
 * search of 64 MB took up to five times as long.) */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "api/logs_pattern.h"

#include <pcre2.h>
#include <string.h>

#include "base/memory.h"

enum {
    SWIFT_LINE_MAX = 4 << 10,
    SWIFT_STEPS_MAX = 50 * 1000,
    CAREFUL_STEPS_MAX = 5 * 1000 * 1000,
    DEPTH_MAX = 100 * 1000,
    HEAP_KB_MAX = 32 << 10,
    STACK_FIRST = 32 << 10,
    STACK_MAX = 8 << 20,
    CLOCK_EVERY = 1024, /* Callouts. */
    GAVE_UP = -1000,    /* Not a number of PCRE2's. */
};

enum form { SWIFT, CAREFUL, FORMS };

struct matcher {
    pcre2_code *code; /* Owned, as all of it. */
    pcre2_match_data *data;
    pcre2_match_context *limits;
    pcre2_jit_stack *stack; /* NULL: there is no compiler for this machine. */
};

struct log_pattern {
    struct matcher matchers[FORMS];
    struct pattern_limits bounds;
    unsigned callouts;
    enum err_code over; /* Why it gave up. */
};

/* True: enough. */
static bool is_over(struct log_pattern *pattern) {
    if (pattern->bounds.cancelled != NULL && atomic_load(pattern->bounds.cancelled)) {
        pattern->over = ERR_INTERRUPTED;
    } else if (world_mono_ns(pattern->bounds.world) >= pattern->bounds.deadline_ns) {
        pattern->over = ERR_TOO_EXPENSIVE;
    }
    return pattern->over != ERR_NONE;
}

static int on_callout(pcre2_callout_block *block, void *ctx) {
    struct log_pattern *pattern = ctx;
    return ++pattern->callouts % CLOCK_EVERY == 0 && is_over(pattern) ? GAVE_UP : 0;
}

/* What a user counts: characters, not bytes. */
static size_t characters(struct bytes source, size_t bytes) {
    size_t count = 0;
    for (size_t i = 0; i < bytes && i < source.len; i++) {
        count += ((unsigned char)source.data[i] & 0xC0) != 0x80 ? 1 : 0;
    }
    return count;
}

static struct err compile(struct matcher *matcher, struct bytes source, enum form form,
                          struct why *why) {
    int code = 0;
    PCRE2_SIZE at = 0;
    uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C;
    options |= form == CAREFUL ? PCRE2_AUTO_CALLOUT : 0;
    matcher->code = pcre2_compile((PCRE2_SPTR)source.data, source.len, options, &code, &at, NULL);
    if (matcher->code == NULL) {
        char words[160] = "";
        (void)pcre2_get_error_message(code, (PCRE2_UCHAR *)words, sizeof words); /* Cut is fine. */
        why_set(why, "pattern: %s (at position %zu)", words, characters(source, at));
        return err_make(ERR_BAD_PATTERN, "search: pattern");
    }
    matcher->data = pcre2_match_data_create(1, NULL);
    matcher->limits = pcre2_match_context_create(NULL);
    return matcher->data == NULL || matcher->limits == NULL
               ? err_make(ERR_OUT_OF_MEMORY, "search: pattern")
               : ERR_OK;
}

static void bound(struct matcher *matcher, enum form form, struct log_pattern *pattern) {
    uint32_t steps_max = form == SWIFT ? SWIFT_STEPS_MAX : CAREFUL_STEPS_MAX;
    (void)pcre2_set_match_limit(matcher->limits, steps_max); /* These always answer 0. */
    (void)pcre2_set_depth_limit(matcher->limits, DEPTH_MAX);
    (void)pcre2_set_heap_limit(matcher->limits, HEAP_KB_MAX);
    (void)pcre2_set_callout(matcher->limits, on_callout, pattern); /* Users can write some, too. */
    if (pcre2_jit_compile(matcher->code, PCRE2_JIT_COMPLETE) != 0) {
        return; /* It is interpreted: slower, and within the same bounds. */
    }
    matcher->stack = pcre2_jit_stack_create(STACK_FIRST, STACK_MAX, NULL);
    if (matcher->stack != NULL) {
        pcre2_jit_stack_assign(matcher->limits, NULL, matcher->stack);
    }
}

struct err log_pattern_new(struct bytes source, const struct pattern_limits *limits,
                           struct log_pattern **ret_pattern, struct why *why) {
    struct log_pattern *pattern = mem_new(sizeof *pattern);
    pattern->bounds = *limits;
    for (int form = 0; form < FORMS; form++) {
        struct matcher *matcher = &pattern->matchers[form];
        struct err err = compile(matcher, source, (enum form)form, why);
        if (err_failed(err)) {
            log_pattern_free(pattern);
            return err;
        }
        bound(matcher, (enum form)form, pattern);
    }
    *ret_pattern = pattern;
    return ERR_OK;
}

void log_pattern_free(struct log_pattern *pattern) {
    if (pattern == NULL) {
        return;
    }
    for (int form = 0; form < FORMS; form++) {
        struct matcher *matcher = &pattern->matchers[form];
        pcre2_jit_stack_free(matcher->stack);
        pcre2_match_context_free(matcher->limits);
        pcre2_match_data_free(matcher->data);
        pcre2_code_free(matcher->code);
    }
    mem_free(pattern);
}

void log_pattern_release(struct log_pattern **pattern) {
    log_pattern_free(*pattern);
    *pattern = NULL;
}

static int try_form(const struct log_pattern *pattern, enum form form, struct bytes subject) {
    const struct matcher *matcher = &pattern->matchers[form];
    return pcre2_match(matcher->code, (PCRE2_SPTR)subject.data, subject.len, 0, 0, matcher->data,
                       matcher->limits);
}

static bool is_answer(int result) {
    return result >= 0 || result == PCRE2_ERROR_NOMATCH;
}

struct err log_pattern_match(struct log_pattern *pattern, struct bytes subject, bool *ret_matches) {
    if (is_over(pattern)) {
        return err_make(pattern->over, "search: time");
    }
    int result = PCRE2_ERROR_MATCHLIMIT;
    if (subject.len <= SWIFT_LINE_MAX) {
        result = try_form(pattern, SWIFT, subject);
    }
    if (!is_answer(result)) {
        result = try_form(pattern, CAREFUL, subject);
    }
    if (is_answer(result)) {
        *ret_matches = result >= 0;
        return ERR_OK;
    }
    /* Steps, depth, heap, stack, or the clock. Whatever else PCRE2 may say, it is no answer. */
    return err_make(result == GAVE_UP ? pattern->over : ERR_TOO_EXPENSIVE, "search: match");
}
