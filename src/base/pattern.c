/* pattern.c: PCRE2, told to give up in time.
 *
 * Three limits, since none alone is enough: PCRE2's own count of steps stops what explodes on one
 * line; a watch stops what is slow on many, or on one line in ways that are not counted; and the
 * stack of compiled code has a bound.
 *
 * Each pattern is compiled twice. SWIFT is as fast as it can be, and has few steps: on a short line
 * it is over soon, whatever the pattern is. Lines that are long, and those on which it ran out of
 * steps, are for CAREFUL, which asks the watch in callouts that the compiled code makes before each
 * item of the pattern: between two of them lies at most one run over the line. (With that alone, a
 * search of 64 MB took up to five times as long.) */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "base/pattern.h"

#include <pcre2.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"

enum {
    SWIFT_LINE_MAX = 4 << 10,
    SWIFT_STEPS_MAX = 50 * 1000,
    CAREFUL_STEPS_MAX = 5 * 1000 * 1000,
    DEPTH_MAX = 100 * 1000,
    HEAP_KB_MAX = 32 << 10,
    STACK_FIRST = 32 << 10,
    STACK_MAX = 8 << 20,
    WATCH_EVERY = 1024, /* Callouts. */
    GAVE_UP = -1000,    /* Not a number of PCRE2's. */
};

enum form { SWIFT, CAREFUL, FORMS };

struct pattern {
    pcre2_code *forms[FORMS]; /* Owned. */
};

struct pattern_matcher {
    const struct pattern *pattern; /* Borrowed. */
    struct pattern_watch watch;
    struct machine {
        pcre2_match_data *data; /* Owned, as all of it. */
        pcre2_match_context *limits;
        pcre2_jit_stack *stack; /* NULL: there is no compiler for this machine. */
    } machines[FORMS];
    unsigned callouts;
    enum err_code over; /* Why it gave up. */
};

/* --- Compiling -------------------------------------------------------------------------------- */

static struct err compile(struct bytes source, enum form form, pcre2_code **ret_code,
                          struct why *why) {
    int code = 0;
    PCRE2_SIZE at = 0;
    uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C;
    options |= form == CAREFUL ? PCRE2_AUTO_CALLOUT : 0;
    pcre2_code *compiled =
        pcre2_compile((PCRE2_SPTR)source.data, source.len, options, &code, &at, NULL);
    if (compiled == NULL) {
        char words[160] = "";
        (void)pcre2_get_error_message(code, (PCRE2_UCHAR *)words, sizeof words); /* Cut is fine. */
        return err_why(why, ERR_BAD_PATTERN, "pattern: %s (at position %zu)", words,
                       utf8_count((struct bytes){source.data, at < source.len ? at : source.len}));
    }
    /* Where that fails it is interpreted: slower, and within the same bounds. */
    (void)pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE);
    *ret_code = compiled;
    return ERR_OK;
}

struct err pattern_compile(struct bytes source, struct pattern **ret_pattern, struct why *why) {
    AUTO(pattern_release) struct pattern *pattern = mem_new(sizeof *pattern);
    for (int form = 0; form < FORMS; form++) {
        TRY(compile(source, (enum form)form, &pattern->forms[form], why));
    }
    *ret_pattern = pattern;
    pattern = NULL;
    return ERR_OK;
}

void pattern_free(struct pattern *pattern) {
    if (pattern == NULL) {
        return;
    }
    for (int form = 0; form < FORMS; form++) {
        pcre2_code_free(pattern->forms[form]);
    }
    mem_free(pattern);
}

void pattern_release(struct pattern **pattern) {
    pattern_free(*pattern);
    *pattern = NULL;
}

/* --- Matching --------------------------------------------------------------------------------- */

/* True: enough. */
static bool is_over(struct pattern_matcher *matcher) {
    matcher->over = matcher->watch.over(matcher->watch.ctx);
    return matcher->over != ERR_NONE;
}

static int on_callout(pcre2_callout_block *block, void *ctx) {
    struct pattern_matcher *matcher = ctx;
    return ++matcher->callouts % WATCH_EVERY == 0 && is_over(matcher) ? GAVE_UP : 0;
}

struct err pattern_matcher_new(const struct pattern *pattern, const struct pattern_watch *watch,
                               struct pattern_matcher **ret_matcher) {
    static const uint32_t steps_max[] = {[SWIFT] = SWIFT_STEPS_MAX, [CAREFUL] = CAREFUL_STEPS_MAX};
    struct pattern_matcher *matcher = mem_new(sizeof *matcher);
    matcher->pattern = pattern;
    matcher->watch = *watch;
    for (int form = 0; form < FORMS; form++) {
        struct machine *machine = &matcher->machines[form];
        machine->data = pcre2_match_data_create(1, NULL);
        machine->limits = pcre2_match_context_create(NULL);
        machine->stack = pcre2_jit_stack_create(STACK_FIRST, STACK_MAX, NULL);
        if (machine->data == NULL || machine->limits == NULL) {
            pattern_matcher_free(matcher);
            return err_make(ERR_OUT_OF_MEMORY, "pattern: matcher");
        }
        (void)pcre2_set_match_limit(machine->limits, steps_max[form]); /* These always answer 0. */
        (void)pcre2_set_depth_limit(machine->limits, DEPTH_MAX);
        (void)pcre2_set_heap_limit(machine->limits, HEAP_KB_MAX);
        (void)pcre2_set_callout(machine->limits, on_callout, matcher); /* Users write some, too. */
        if (machine->stack != NULL) {
            pcre2_jit_stack_assign(machine->limits, NULL, machine->stack);
        }
    }
    *ret_matcher = matcher;
    return ERR_OK;
}

void pattern_matcher_free(struct pattern_matcher *matcher) {
    if (matcher == NULL) {
        return;
    }
    for (int form = 0; form < FORMS; form++) {
        struct machine *machine = &matcher->machines[form];
        pcre2_jit_stack_free(machine->stack);
        pcre2_match_context_free(machine->limits);
        pcre2_match_data_free(machine->data);
    }
    mem_free(matcher);
}

static int try_form(const struct pattern_matcher *matcher, enum form form, struct bytes subject) {
    const struct machine *machine = &matcher->machines[form];
    return pcre2_match(matcher->pattern->forms[form], (PCRE2_SPTR)subject.data, subject.len, 0, 0,
                       machine->data, machine->limits);
}

static bool is_answer(int result) {
    return result >= 0 || result == PCRE2_ERROR_NOMATCH;
}

struct err pattern_matches(struct pattern_matcher *matcher, struct bytes subject,
                           bool *ret_matches) {
    if (is_over(matcher)) {
        return err_make(matcher->over, "pattern: watch");
    }
    int result = PCRE2_ERROR_MATCHLIMIT;
    if (subject.len <= SWIFT_LINE_MAX) {
        result = try_form(matcher, SWIFT, subject);
    }
    if (!is_answer(result)) {
        result = try_form(matcher, CAREFUL, subject);
    }
    if (is_answer(result)) {
        *ret_matches = result >= 0;
        return ERR_OK;
    }
    /* Steps, depth, heap, stack, or the watch. Whatever else PCRE2 may say, it is no answer. */
    return err_make(result == GAVE_UP ? matcher->over : ERR_TOO_EXPENSIVE, "pattern: match");
}
