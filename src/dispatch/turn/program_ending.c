/* program_ending.c: see program_ending.h. */
#include "dispatch/turn/program_ending.h"

#include <string.h>

#include "base/utf8.h"

/* A holder that could not be asked was killed, and then nobody saw the end that was asked for. */
enum agent_watch_verdict program_ending_verdict(const struct program_child *child) {
    return agent_watch_of_cause(child->state == RUN_LOST ? child->stop : child->cause);
}

static enum agent_ender ender_of(enum agent_watch_verdict verdict) {
    static const enum agent_ender enders[AGENT_WATCH_VERDICTS] = {
        [AGENT_WATCH_ON] = AGENT_ITSELF,
        [AGENT_WATCH_GONE] = AGENT_GONE,
        [AGENT_WATCH_SILENT] = AGENT_NO_PROGRESS,
        [AGENT_WATCH_COMPACTING] = AGENT_COMPACTING,
        [AGENT_WATCH_MEMORY] = AGENT_OVER_LIMIT,
        [AGENT_WATCH_REQUESTS] = AGENT_OVER_LIMIT,
        [AGENT_WATCH_PROCESSES] = AGENT_OVER_LIMIT,
    };
    return enders[verdict];
}

void program_ending_fill(const struct program_ended *ended, struct agent_ending *ending) {
    const struct program_child *child = ended->child;
    *ending = (struct agent_ending){.exit = AGENT_VANISHED,
                                    .code = (int)child->exit_code,
                                    .signal = (int)child->signal,
                                    .ender = ender_of(program_ending_verdict(child)),
                                    .stderr_tail = {ended->output->tail, ended->output->tail_len}};
    switch (child->cause) {
    case CAUSE_NOT_STARTED:
    case CAUSE_NO_DESCRIPTORS:
    case CAUSE_BUDGET: /* Ends no process that has begun. */
        ending->exit = AGENT_NOT_STARTED;
        break;
    case CAUSE_COMPLETED:
    case CAUSE_EXIT_CODE:
        ending->exit = AGENT_EXITED;
        break;
    case CAUSE_SIGNAL:
        ending->exit = AGENT_SIGNALED;
        break;
    case CAUSE_DEADLINE:
        ending->ender = AGENT_DEADLINE;
        break;
    case CAUSE_STOPPED:
    case CAUSE_PARENT_ENDED:
    case CAUSE_CALLED_OFF:
        ending->ender = AGENT_STOPPED;
        break;
    default:
        break;
    }
}

void program_ending_tell(const struct program_ended *ended, enum agent_outcome outcome,
                         const struct agent_ending *ending, char *ret_sentence, size_t size) {
    AUTO(text_done) struct text text = text_up_to(size * 4);
    const struct agent_result *result = &ending->result;
    const enum agent_watch_verdict watched = program_ending_verdict(ended->child);
    struct bytes words = result->text.len > 0 ? result->text : ending->stderr_tail;
    if (watched != AGENT_WATCH_ON) { /* The last words of such a program are about its end. */
        agent_watch_tell(watched, ended->agent, ended->evidence, &text);
        words = BYTES("");
    } else {
        agent_outcome_tell(outcome, ended->agent->name, &text);
    }
    words = bytes_trim(words, " \t\r\n");
    const char *line = words.len == 0 ? NULL : memrchr(words.data, '\n', words.len);
    if (line != NULL) {
        words.len -= (size_t)(line + 1 - words.data);
        words.data = line + 1;
    }
    if (words.len > 0 && text.len > 0) {
        text_add_str(&text, ": ");
        text_add(&text, words.data, words.len);
    }
    const size_t len = utf8_cut(text_bytes(&text), size - 1);
    memcpy(ret_sentence, text_bytes(&text).data, len);
    ret_sentence[len] = '\0';
}
