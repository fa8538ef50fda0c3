/* native.h: sessions that Claude Code and Codex keep on this machine, read once, so that a session
 * of drover can go on with one of them and show what was said in it.
 *
 * Files      Claude Code: $CLAUDE_CONFIG_DIR/projects/FOLDER/ID.jsonl (~/.claude), where FOLDER is
 *            the path of the session's folder with '-' for all but letters and digits. Codex:
 *            $CODEX_HOME/sessions/YYYY/MM/DD/rollout-TIME-ID.jsonl (~/.codex).
 * Promise    the id leads to no other file: it is letters, digits and '-', and only plain files
 *            beneath those folders are opened. Lines that are unknown, broken or longer than
 *            PROGRAM_LINE_MAX are left out. Of a long session the newest messages are kept
 *            (NATIVE_MESSAGES_MAX, NATIVE_BYTES_MAX), of a huge file its end is read
 *            (NATIVE_FILE_MAX): `cut` says so. Texts are UTF-8 without NUL.
 * Order      messages are those of the file, in its order; those of subagents are left out.
 * Ownership  what is read is the caller's: native_done.
 * Threads    the pool: it blocks on the disk.
 * Failure    `why` has the sentence. ERR_BAD_FIELD: no such id can be, or the program keeps no
 *            sessions that can be read. ERR_NOT_FOUND: there is none. ERR_CONFLICT: it is of
 *            another folder, or its file cannot be used.
 */
#ifndef DROVER_AGENT_NATIVE_H
#define DROVER_AGENT_NATIVE_H

#include "agent/program.h"
#include "rules/session/session.h"

enum {
    NATIVE_ID_MIN = 8,
    NATIVE_ID_MAX = 64,
    NATIVE_MESSAGES_MAX = 200,
    NATIVE_PARTS_MAX = 100, /* In one message. */
    NATIVE_BYTES_MAX = 1 << 20,
    NATIVE_TEXT_MAX = 64 << 10,
    NATIVE_RESULT_MAX = 4 << 10, /* Bytes of a tool's result. */
    NATIVE_ARGUMENTS_MAX = 8 << 10,
    NATIVE_FILE_MAX = 64 << 20,
};

struct native_message {
    enum message_role role;     /* ROLE_USER or ROLE_ASSISTANT. */
    struct message_part *parts; /* Owned, with text, name, call and data. */
    size_t count;
};

struct native_session {
    struct native_message *list; /* Owned. */
    size_t count;
    size_t bytes;
    bool cut;           /* There are earlier messages. */
    struct text reader; /* Owned: state of the reader by which a turn goes on with the session. */
};

struct native_wish {
    const struct agent_definition *what;
    const char *home; /* NULL: none. */
    const char *root; /* Folder that the session must be of, absolute; "": not known. */
    struct bytes id;
};

MUST_CHECK bool native_id_valid(struct bytes id);
MUST_CHECK struct err native_read(const struct native_wish *wish,
                                  struct native_session *ret_session, struct why *why);
/* The same from an open file. */
MUST_CHECK struct err native_read_file(const struct native_wish *wish, int fd,
                                       struct native_session *ret_session, struct why *why);
void native_done(struct native_session *session);

/* The file of a session, for reading; -1: there is none that can be opened. */
MUST_CHECK int native_open(const struct native_wish *wish);
/* Words that a program keeps as messages of the user: its own commands with their output, and what
 * it tells the model of the place and the instructions. */
MUST_CHECK bool native_is_of_program(struct bytes words);

#endif
