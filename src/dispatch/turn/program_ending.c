/* program_ending.c: see program_ending.h. */
#include "dispatch/turn/program_ending.h"

#include "base/text.h"
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

struct agent_ending program_ending_of(const struct program_child *child, struct bytes stderr_tail) {
    struct agent_ending ending = {.exit = AGENT_VANISHED,
                                  .code = (int)child->exit_code,
                                  .signal = (int)child->signal,
                                  .ender = ender_of(program_ending_verdict(child)),
                                  .stderr_tail = stderr_tail};
    switch (child->cause) {
    case CAUSE_NOT_STARTED:
    case CAUSE_NO_DESCRIPTORS:
    case CAUSE_BUDGET: /* Ends no process that has begun. */
        ending.exit = AGENT_NOT_STARTED;
        break;
    case CAUSE_COMPLETED:
    case CAUSE_EXIT_CODE:
        ending.exit = AGENT_EXITED;
        break;
    case CAUSE_SIGNAL:
        ending.exit = AGENT_SIGNALED;
        break;
    case CAUSE_DEADLINE:
        ending.ender = AGENT_DEADLINE;
        break;
    case CAUSE_STOPPED:
    case CAUSE_PARENT_ENDED:
    case CAUSE_CALLED_OFF:
        ending.ender = AGENT_STOPPED;
        break;
    default:
        break;
    }
    return ending;
}

/* A sentence about output that was not read. Nothing: all of it was. */
static void dropped_tell(const struct program_ended *ended, struct text *text) {
    const struct program_dropped *dropped = &ended->dropped;
    if (dropped->lines > 0) {
        text_addf(text, "%lld line%s of its output could not be read", (long long)dropped->lines,
                  dropped->lines == 1 ? "" : "s");
    }
    if (dropped->bytes > 0) {
        text_addf(text, "%s%lld bytes of its output are left out here",
                  dropped->lines > 0 ? ", and " : "", (long long)dropped->bytes);
    }
    if (dropped->gone > 0) { /* The line that the gap cut is counted above. */
        text_addf(text,
                  "; %lld bytes of it (between byte %lld and byte %lld) were dropped from its log"
                  " before they were read ('drover logs' of its process has the rest)",
                  (long long)dropped->gone, (long long)dropped->gone_from,
                  (long long)dropped->gone_to);
    } else if (dropped->lines > 0 || dropped->bytes > 0) {
        text_add_str(text, " ('drover logs' of its process has all of it)");
    }
}

void program_ending_note(const struct program_ended *ended, struct bytes of_reader,
                         struct text *ret_note) {
    text_clear(ret_note);
    text_add(ret_note, of_reader.data, of_reader.len);
    if (of_reader.len > 0 && (ended->dropped.lines > 0 || ended->dropped.bytes > 0)) {
        text_add_str(ret_note, "; ");
    }
    dropped_tell(ended, ret_note);
}

void program_ending_tell(const struct program_ended *ended, char ret_text[PROGRAM_SENTENCE_MAX]) {
    AUTO(text_done) struct text text = text_up_to((size_t)PROGRAM_SENTENCE_MAX * 4);
    const struct agent_result *result = &ended->ending->result;
    struct bytes words = result->text.len > 0 ? result->text : ended->ending->stderr_tail;
    if (ended->watched !=
        AGENT_WATCH_ON) { /* The last words of such a program are about its end. */
        agent_watch_tell(ended->watched, ended->agent, ended->evidence, &text);
        words = BYTES("");
    } else if (ended->ending->exit == AGENT_NOT_STARTED && ended->note[0] != '\0') {
        text_addf(&text, "%s could not be started", ended->agent->name);
        words = bytes_of(ended->note);
    } else {
        agent_outcome_tell(ended->outcome, ended->agent->name, &text);
    }
    if (text.len > 0 && (ended->dropped.lines > 0 || ended->dropped.bytes > 0)) {
        text_add_str(&text, "; ");
        dropped_tell(ended, &text);
    }
    words = bytes_trim(words, " \t\r\n"); /* The last line: */
    const char *line = words.len == 0 ? NULL : memrchr(words.data, '\n', words.len);
    if (line != NULL) {
        words = (struct bytes){line + 1, words.len - (size_t)(line + 1 - words.data)};
    }
    if (words.len > 0 && text.len > 0) {
        text_add_str(&text, ": ");
        text_add(&text, words.data, words.len);
    }
    const size_t len = utf8_cut(text_bytes(&text), PROGRAM_SENTENCE_MAX - 1);
    memcpy(ret_text, text_bytes(&text).data, len);
    ret_text[len] = '\0';
}
