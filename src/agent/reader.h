/* reader.h: the state of a reader between two lines; and the row of an adapter. For the files of
 * this room.
 */
#ifndef DROVER_AGENT_READER_H
#define DROVER_AGENT_READER_H

#include "agent/program.h"

enum {
    READER_WORD_MAX = 200,
    READER_NOTE_MAX = 300,
    READER_SENTENCE_MAX = 2000,
    READER_TOOLS_MAX = 400,
    READER_STDERR_MAX = 80,
};

/* Saved as JSON by program.c: a member here has a line there. */
struct reader_state {
    char native[PROGRAM_NATIVE_MAX + 1];
    char model[READER_WORD_MAX + 1];
    char message[READER_WORD_MAX + 1]; /* Name of the message whose pieces come. */
    bool pieces;                       /* The text came in pieces: the whole message repeats it. */
    bool midway;                       /* The message has begun, and its end has not come. */
    int64_t broken;                    /* Number of answers in a row that broke off. */
    int64_t said;                      /* Bytes of text of the message that came so far. */
    bool has_said;                     /* Any text came in this attempt, */
    bool progress;                     /* a whole message of it, or the result of a tool. */
    bool done, good;                   /* The result has come, and is good. */
    int64_t status;                    /* As struct agent_result, with the next ones. */
    char kind[READER_WORD_MAX + 1];
    char sentence[READER_SENTENCE_MAX + 1];
    char transport[READER_WORD_MAX + 1];
    char tools[READER_TOOLS_MAX + 1]; /* Ids of tools that run, with a line feed after each. */
    char note[READER_NOTE_MAX + 1];   /* For the user, also of a turn that succeeds; "": none. */
    bool asks;                        /* The request that is out is counted. */
    bool skips;                       /* The rest of a line that was dropped follows. */
    int64_t lines, unknown, lost_lines, lost_bytes;
    int64_t gone, gone_from, gone_to; /* As struct program_dropped. */
    int64_t requests;                 /* To its model, in this attempt. */
    int64_t retry_after_ms; /* Wait that its provider named; 0: none. After the end also where it is
                             * in a sentence, or a moment: */
    int64_t retry_at_ms;    /* wall time from which on it may be asked; 0: none. */
    int64_t ended_ms;       /* Wall time of the end; 0: it has not ended. */
    bool retried;           /* The provider was asked again, and no whole message came since. */
    bool names;             /* A message was named when the program read it. */
    bool unheard;           /* Nothing came that shows that it has read its prompt. */
    bool blank;             /* Nor any prompt before, in this session. */
    bool compacting;        /* The program makes a summary of its conversation. */
    struct usage ready;     /* To be taken, */
    int64_t cost;           /* with this cost, */
    bool priced;            /* where it is known. */
    int64_t billed;         /* Cost of this attempt, where the program reports the sum, */
    struct usage counted;   /* and its usage. */
    bool reported;          /* Any usage or cost came in this attempt. */
    struct usage open;      /* Usage of calls that no result has summed up yet. */
    struct usage total;     /* Usage of the whole session, where the program counts so. */
};

struct program_reader {
    const struct program *program;
    const struct agent_definition *agent;
    struct reader_state state;
    bool finished;                                       /* The last line has come. */
    struct agent_stderr stderr_words[READER_STDERR_MAX]; /* Once it has. */
    program_heard heard;                                 /* During a call. */
    void *ctx;
};

struct program_making {
    const struct program_start *start;
    struct arena *arena;
    struct program_command *command;
    bool failed; /* Too many words, or no memory. */
};

struct program {
    const char *name, *command;
    unsigned can;
    const struct agent_stderr *stderr_words; /* Ends with words NULL. NULL: it prints none. */
    void (*make)(struct program_making *making);
    /* A line that is a JSON object; false: it is not known. NULL: lines are text. */
    bool (*read)(struct program_reader *reader, const json_t *line);
    void (*read_text)(struct program_reader *reader, struct bytes line); /* NULL: JSON. */
    /* A line of which something was left out; false: it is read like any other. NULL: all are. */
    bool (*read_cut)(struct program_reader *reader, struct bytes line);
    /* Finds the result where no line has it; NULL: nothing is to be done. */
    void (*finish)(struct program_reader *reader, struct agent_ending *io_ending);
    void (*reply)(const struct program_reply *reply, struct text *text); /* NULL: it asks not. */
    void (*message)(struct bytes id, struct bytes words, struct text *text); /* NULL: none. */
};

#define X(id, name, can, about) extern const struct program program_##id;
AGENT_PROGRAMS(X)
#undef X

/* --- Making a command ------------------------------------------------------------------------- */

void making_add(struct program_making *making, const char *word); /* Borrowed. */
void making_add_bytes(struct program_making *making, struct bytes word);
/* NAME VALUE, where there is a value. */
void making_add_option(struct program_making *making, const char *name, struct bytes value);
void making_add_tools(struct program_making *making); /* --tools A,B, where there are any. */
void making_add_own(struct program_making *making);   /* The args of the definition. */
struct bytes making_keep(struct program_making *making, struct text *text);
/* Instructions, a blank line, and the prompt, for a program without a place for the first. */
struct bytes making_prompt(struct program_making *making);
/* A prompt that is the whole input. As an argument it could have no more than 128 kB, would show in
 * lists of processes, and be taken for an option where it begins with a dash. */
void making_set_input(struct program_making *making, struct bytes prompt);

/* --- Reading ---------------------------------------------------------------------------------- */

void reader_say(struct program_reader *reader, enum program_event_kind kind, struct bytes text);
void reader_tell(struct program_reader *reader, enum program_event_kind kind);
/* The message that has begun is void: its model is asked again. */
void reader_discard(struct program_reader *reader);
void reader_retry(struct program_reader *reader, int64_t status, int64_t wait_ms);
/* A message is whole; one that is midway, or tells of a failure, is none. */
void reader_message_end(struct program_reader *reader);
/* `input`: any JSON value; what is no object is reported as {"input": …}. */
void reader_start_tool(struct program_reader *reader, struct bytes id, struct bytes tool,
                       const json_t *input);
/* Remembers the tool of that id until it ends. False: no room, or no id. */
MUST_CHECK bool reader_tool_open(struct program_reader *reader, struct bytes id);
/* False: that tool was not remembered. */
MUST_CHECK bool reader_tool_close(struct program_reader *reader, struct bytes id);
enum reader_tool { READER_TOOL_DONE, READER_TOOL_FAILED };
void reader_finish_tool(struct program_reader *reader, struct bytes id, struct bytes result,
                        enum reader_tool how);
/* The text of a value: a string, or a list of {"text"}; else its JSON. Into `text`. */
void reader_text_of(const json_t *value, struct text *text);
void reader_set_native(struct program_reader *reader, struct bytes native);
void reader_set_model(struct program_reader *reader, struct bytes model);
void reader_set_transport(struct program_reader *reader, struct bytes transport);
void reader_set_note(struct program_reader *reader, struct bytes note); /* "": none any more. */
void reader_set_message(struct program_reader *reader, struct bytes id);
/* A failure, which is the result if nothing comes after it (reader_finish_fault). Empty words: it
 * has passed. */
void reader_set_fault(struct program_reader *reader, struct bytes kind, struct bytes sentence);
/* The program has read the message of that name. */
void reader_name(struct program_reader *reader, struct bytes id);
/* After the result another message is answered: the first one that was not read. */
void reader_go_on(struct program_reader *reader);
/* The program has asked its model: so it has read its prompt. */
void reader_count_request(struct program_reader *reader);
void reader_finish_fault(struct program_reader *reader, struct agent_ending *io_ending);
/* The result. Empty words are none. */
void reader_done(struct program_reader *reader);
void reader_failed(struct program_reader *reader, struct bytes kind, struct bytes sentence,
                   int64_t status);
void reader_use(struct program_reader *reader, const struct usage *usage);
/* The same for a sum: the difference to the one before is counted. */
void reader_use_sum(struct program_reader *reader, struct usage *io_before,
                    const struct usage *now);
void reader_price(struct program_reader *reader, const json_t *dollars);
/* The same for a sum over the attempt: the difference to the one before is counted. */
void reader_price_sum(struct program_reader *reader, const json_t *dollars);
int64_t reader_number(const json_t *object, const char *name); /* Not below 0; -1: it has none. */

#endif
