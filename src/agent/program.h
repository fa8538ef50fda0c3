/* program.h: knowledge of the programs that are agents: how each is started, how the lines that it
 * prints are read, how it is answered, and its own words about its end.
 *
 *   made ──line──> events … ──line──> its result ──its end──> program_finish
 *
 * Each program has an adapter, a row of a table and a few small functions; two of them are for all
 * others: `json_lines` by paths of the definition, and `plain`, for which each line is text.
 *
 * Promise    a reader can be saved after any line, and goes on from that in another daemon: what it
 *            makes of the following lines is the same. It holds at most READER_STATE_MAX. A line
 *            that it does not know is counted, and never an error: programs change.
 * Ownership  what is read is borrowed for the call, and so are texts of an event.
 * Threads    any; a reader belongs to one thread at a time.
 */
#ifndef DROVER_AGENT_PROGRAM_H
#define DROVER_AGENT_PROGRAM_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "rules/agent/classify.h"
#include "rules/agent/definition.h"
#include "rules/trace/usage.h"

enum {
    PROGRAM_LINE_MAX = 1 << 20,   /* Longer lines are made shorter (line.h). */
    PROGRAM_TEXT_MAX = 256 << 10, /* A tool's result; longer ones are cut with a mark. */
    PROGRAM_WORDS_MAX = 128,      /* Arguments of a command. */
    PROGRAM_NATIVE_MAX = 200,     /* Name of a native session. */
    PROGRAM_QUESTION_MAX = 1000,  /* Id of a question. */
    PROGRAM_STATE_MAX = 24 << 10, /* A saved reader, with words of control characters. */
};

enum program_can {
    PROGRAM_RESUMES = 1 << 0,        /* Sessions of all its definitions: program_resumes. */
    PROGRAM_NAMES_SESSION = 1 << 1,  /* We choose the name of a new one: a UUID. */
    PROGRAM_TAKES_MESSAGES = 1 << 2, /* More messages may come while it works. */
    PROGRAM_TAKES_MODEL = 1 << 3,
    PROGRAM_TAKES_ACCESS = 1 << 4, /* The access of the definition limits it. */
    PROGRAM_HAS_COMMANDS = 1 << 5, /* A message that begins with a slash is a command of its own. */
};

struct program;
const struct program *program_find(struct bytes name);      /* NULL: there is none. */
const char *program_command(const struct program *program); /* NULL: its definition names it. */
unsigned program_can(const struct program *program);        /* Bits of enum program_can. */
/* Whether a session of its own can be continued: by its adapter, or as the definition says. */
MUST_CHECK bool program_resumes(const struct program *program,
                                const struct agent_definition *agent);

/* --- Starting --------------------------------------------------------------------------------- */

struct program_start {
    const struct agent_definition *agent;
    struct bytes prompt;
    struct bytes native;  /* Session that is continued; "": a new one, */
    struct bytes session; /* with this name, where we may choose it. */
    bool blank;           /* Nothing shows that any prompt of the session was read. */
    struct bytes message; /* A UUID of this attempt's message. */
    bool own_tmp;         /* The process has its own folder for temporary files (TMPDIR). */
};
/* Texts are in the arena, but for those of the start. argv[0] is the definition's command. */
struct program_command {
    const char *argv[PROGRAM_WORDS_MAX];
    size_t argc;
    struct bytes input; /* First bytes of its input. */
    bool input_open;    /* More may follow; it is closed when the program is done. */
};
MUST_CHECK struct err program_start_make(const struct program *program,
                                         const struct program_start *start, struct arena *arena,
                                         struct program_command *ret_command);

/* Bytes for its input: the answer to a question. ERR_UNSUPPORTED: it asks none. */
struct program_reply {
    struct bytes question;  /* As the event named it. */
    struct bytes arguments; /* JSON object: what it asked for. */
    bool allowed;
    struct bytes reason; /* For a denial; "". */
};
void program_reply_write(const struct program *program, const struct program_reply *reply,
                         struct text *text);
/* A further message, with a UUID of its own, as a line for the input of the program that the
 * definition (JSON) names. False: it takes none. `line` NULL: only that is asked. */
bool program_message_line(struct bytes definition, struct bytes message, struct bytes words,
                          struct text *line);

/* --- Reading ---------------------------------------------------------------------------------- */

enum program_event_kind {
    PROGRAM_TEXT,          /* text: the next piece */
    PROGRAM_THINKING,      /* text */
    PROGRAM_TOOL_STARTED,  /* id, tool, arguments: a JSON object */
    PROGRAM_TOOL_FINISHED, /* id, text: its result, failed */
    PROGRAM_QUESTION,      /* id, tool, arguments, file: may it? `text`: id of the tool's call, or
                            * "" */
    PROGRAM_WITHDRAWN,     /* id: of a question that needs no answer any more */
    PROGRAM_READ,      /* id: UUID of a message that was read now, with all before it; "": one */
    PROGRAM_RETRYING,  /* status, wait_ms: it asks its provider again */
    PROGRAM_DISCARDED, /* All text and thinking since the last tool, or step, is void. */
    PROGRAM_STEP,      /* All events until here are whole: a good place to store them. */
    PROGRAM_DONE,      /* The result has come: that of the last message that it has read. */
};
struct program_event {
    enum program_event_kind kind;
    struct bytes text, id, tool, arguments;
    struct bytes file; /* QUESTION: path of the file that the call would change; "": none. */
    bool failed;
    int64_t status, wait_ms;
};
typedef void (*program_heard)(void *ctx, const struct program_event *event);

struct program_reader;
/* The definition is borrowed for its life. */
struct program_reader *program_reader_new(const struct program *program,
                                          const struct agent_definition *agent);
void program_reader_free(struct program_reader *reader); /* NULL is allowed. */
/* A saved reader; false: what was saved is damaged, and the reader is as new. */
MUST_CHECK bool program_reader_load(struct program_reader *reader, struct bytes saved);
void program_reader_save(const struct program_reader *reader, struct text *text);
/* A new attempt of the same session begins: what counts over the whole session is kept. */
void program_reader_begin(struct program_reader *reader);
/* The end of a program shows that it has read its prompt. What was saved before has
 * "unheard":true, which the engine looks for (engine/turn/steering.c). */
void program_reader_heard(struct program_reader *reader);

/* Leaves a session that is of no use any more: a new one begins, which knows nothing. */
void program_reader_leave(struct program_reader *reader);

/* Kind of the lines, which struct program_line reads (line.h). */
enum program_text_kind { PROGRAM_PRINTS_JSON, PROGRAM_PRINTS_TEXT };
enum program_text_kind program_prints(const struct program *program);
/* A line without its end, in UTF-8. CUT: some of it was left out. PART: more of it follows.
 * TORN: the program ended before the line did. */
enum program_line_form {
    PROGRAM_LINE_WHOLE,
    PROGRAM_LINE_CUT,
    PROGRAM_LINE_PART,
    PROGRAM_LINE_TORN
};
void program_read(struct program_reader *reader, struct bytes line, enum program_line_form form,
                  program_heard heard, void *ctx);
/* Output that was not read: lines, of which one may have been the result; bytes of others; and
 * bytes that the log had dropped before they were read, all of them in [gone_from, gone_to). */
struct program_dropped {
    int64_t lines, bytes;
    int64_t gone, gone_from, gone_to;
};
void program_drop(struct program_reader *reader, struct program_dropped what);
/* The rest of a line that was dropped is not read, also by a reader that was saved meanwhile. */
enum program_skip { PROGRAM_SKIP_BEGINS, PROGRAM_SKIP_ENDS };
void program_skip(struct program_reader *reader, enum program_skip what);
/* After the last line: fills ending->result. `exit`, `code` and the times of the ending are
 * known. */
void program_finish(struct program_reader *reader, struct agent_ending *io_ending);
/* Usage since this was asked last. */
void program_take_usage(struct program_reader *reader, struct usage *ret_usage,
                        struct usage_cost *ret_cost);
struct program_seen {
    struct bytes native, model; /* "": not reported yet. */
    int64_t lines, unknown;
    struct program_dropped dropped;
    int64_t requests; /* To its model, in this attempt; 0 where it doesn't show them. */
    bool skips;       /* The rest of a line that was dropped follows. */
    bool done;        /* The last message that it has read has its result. */
    bool names;       /* Messages are named when the program reads them. */
    bool heard;       /* The prompt was read: something came that shows it. */
    bool blank;       /* Nothing shows that any prompt of the session was read. */
    bool compacting;  /* The program says that it makes a summary. */
    bool retried;     /* The program has asked its provider again; nothing whole came since. */
    bool progress;    /* A whole message, or the result of a tool, came in this attempt. */
    /* After the end, and in a reader that was saved then: the wait that its provider named, and the
     * wall time of the end; 0: none. */
    int64_t retry_after_ms, ended_ms;
    struct bytes note; /* Sentence for the user, also of a turn that succeeds; "": none. */
};
struct program_seen program_seen(const struct program_reader *reader);

#endif
