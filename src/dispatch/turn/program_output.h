/* program_output.h: the output of a program (program.c), read in the pool: whole lines become items
 * of the answer, and pieces of text for clients that watch.
 *
 * A read ends where a stretch is whole, that is at a good place to store it, or where nothing more
 * is there. The offset that is stored stands between two lines, beside the state of the reader
 * there: a line is read piece by piece (agent/line.h), and is begun again by the daemon that comes
 * after a crash. The offset moves within a line only where that is text, or endless: then the rest
 * is skipped.
 *
 * Threads    program_output_read: the pool, while the loop leaves the object alone. Others: loop.
 */
#ifndef DROVER_DISPATCH_TURN_PROGRAM_OUTPUT_H
#define DROVER_DISPATCH_TURN_PROGRAM_OUTPUT_H

#include "agent/line.h"
#include "base/id.h"
#include "engine/turn/answers.h"
#include "proc/spool/protocol.h"
#include "tool/tool.h"

struct talk;

/* Result of a read: nothing new; part of a stretch, or of a line; a whole stretch. */
enum program_found { FOUND_NOTHING, FOUND_MORE, FOUND_WHOLE };

struct program_piece {
    enum turn_item_kind kind;
    size_t at, len; /* In `said`. */
};

enum { PIECES_MAX = 4096, PROGRAM_TAIL = 8 << 10 };
struct program_output {
    struct talk *talk;
    struct program_reader *reader; /* Owned. NULL: it is not known what is read. */
    struct program_line line;      /* The line that is being read: it begins at read_to. */
    const json_t *permissions;     /* Borrowed: rules of the agent's definition; NULL: none. */
    char process[ID_SIZE];         /* Run of the process; "": not started. */
    int64_t attempt;               /* 0: not started. */
    int64_t read_to;               /* Offset after the last line, or part, that was read. */
    int64_t seen_to;               /* Offset after the last byte that was read. */
    bool ended;                    /* The process has ended: a last line needs no newline. */
    bool done;                     /* The result has come. */
    bool parked; /* The turn waits for people: all but a withdrawn question is passed over, and read
                  * again when the turn goes on. */
    bool discarded; /* The last read: text that was sent is void; what is valid is in `said` of the
                     * call, and in no piece. */
    size_t heard;   /* Bytes of words and tools of the model, of the last read. */
    struct uuid read; /* The last message that it read in this stretch; "": none. */
    struct err err;   /* Failure of the last read. */
    enum program_found found;
    char *buffer;          /* Owned. */
    size_t used;           /* Bytes of lines that the last read has ended. */
    struct text withdrawn; /* Owned. Parked: id of the question that the last read found; "". */
    struct text said;      /* Owned: texts of the pieces. */
    struct program_piece pieces[PIECES_MAX];
    size_t piece_count;
    char tail[PROGRAM_TAIL]; /* Last bytes of stderr, once the process has ended. */
    size_t tail_len;
};

/* The object must be zeroed. */
void program_output_init(struct program_output *output, struct talk *talk);
void program_output_done(struct program_output *output);
/* Names the program that is read. The definition is borrowed. */
void program_output_reads(struct program_output *output, const struct program *program,
                          const struct agent_definition *agent);
/* The output is read from there on. */
void program_output_from(struct program_output *output, int64_t offset);
void program_output_read(struct program_output *output);
/* In the pool: the file that a call of the program would change, as it is now. */
void program_output_look(const struct talk *talk, const char *path, struct tool_look *look);
/* RUN.ATTEMPT of its process: where its output is. */
void program_output_name(const struct program_output *output, char ret_name[PROTOCOL_NAME_MAX]);

#endif
