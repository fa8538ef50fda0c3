/* boards.c: a client that works through tasks of a large board: a chain, each of which waits for
 * the one before it, or all open at once. Beside the chain an agent of the board has a free slot,
 * so that it looks for a task after each move; beside the open ones it is busy with the first.
 */
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "base/memory.h"
#include "load.h"
#include "measure.h"

enum { MOVED = 100 /* Tasks that are worked through. */, MOVES = 4, ID_TEXT = 32 };

struct moves {
    const struct load *load;
    bool chain;
    int64_t asked; /* Questions so far: the project, its tasks, and the moves of some of them. */
    char attempt[ID_TEXT];
    uint64_t cpu_ns; /* The daemon's, before the first move. */
    struct histogram claims;
};

static void add_write(const struct moves *moves, int64_t number, struct question *ret_question) {
    char after[64] = "";
    if (moves->chain && number > 1) {
        (void)snprintf(after, sizeof after, ",\"depends_on\":[\"T-%lld\"]", (long long)number - 1);
    }
    (void)snprintf(ret_question->path, sizeof ret_question->path, "/api/v1/projects/%s/tasks",
                   moves->load->name);
    (void)snprintf(ret_question->body, sizeof ret_question->body,
                   "{\"title\":\"t\",\"description\":\"delay: 600s\\nsay: late\"%s%s}", after,
                   moves->chain ? ",\"assignee\":\"me\"" : "");
}

static void move_write(const struct moves *moves, int64_t move, struct question *ret_question) {
    static const char *const routes[MOVES] = {"claim", "outputs", "status", "review"};
    static const char *const bodies[MOVES] = {
        "{\"agent\":\"me\"}",
        "{\"agent\":\"me\",\"type\":\"code\",\"title\":\"t\",\"content\":\"c\"}",
        "{\"agent\":\"me\",\"status\":\"review\"}"};
    (void)snprintf(ret_question->path, sizeof ret_question->path,
                   "/api/v1/projects/%s/tasks/T-%lld/%s", moves->load->name,
                   (long long)(move / MOVES + (moves->chain ? 1 : 2)), routes[move % MOVES]);
    (void)snprintf(ret_question->body, sizeof ret_question->body, "%s", bodies[move % MOVES]);
    if (move % MOVES == MOVES - 1) {
        (void)snprintf(ret_question->body, sizeof ret_question->body,
                       "{\"accept\":true,\"attempt\":\"%s\"}", moves->attempt);
    }
}

static bool next_move(void *ctx, size_t at, struct question *ret_question) {
    struct moves *moves = ctx;
    int64_t asked = moves->asked++, move = asked - 1 - moves->load->count;
    (void)at; /* There is one. */
    ret_question->method = "POST";
    if (asked == 0) {
        (void)snprintf(ret_question->path, sizeof ret_question->path, "/api/v1/projects");
        (void)snprintf(ret_question->body, sizeof ret_question->body,
                       "{\"name\":\"%s\",\"root\":\"/\",\"model\":\"scripted/demo\",\"board\":"
                       "{\"agents\":[{\"name\":\"helper\"}]}}",
                       moves->load->name);
    } else if (move < 0) {
        add_write(moves, asked, ret_question);
    } else {
        moves->cpu_ns = move > 0 ? moves->cpu_ns : process_cpu_ns((pid_t)moves->load->pid);
        move_write(moves, move, ret_question);
    }
    return move < (int64_t)MOVED * MOVES;
}

static void take_move(void *ctx, size_t at, const struct answer *answer) {
    static const char member[] = "\"attempt\":\"";
    struct moves *moves = ctx;
    int64_t move = moves->asked - 2 - moves->load->count;
    (void)at;
    if (answer->status >= 300) {
        (void)fprintf(stderr, "%s\n", answer->body);
        die_saying("a task was refused");
    }
    const char *attempt = strstr(answer->body, member);
    if (move >= 0 && move % MOVES == 0 && attempt != NULL) {
        attempt += strlen(member);
        (void)snprintf(moves->attempt, sizeof moves->attempt, "%.*s", (int)strcspn(attempt, "\""),
                       attempt);
        histogram_add(&moves->claims, answer->answered_ns - answer->asked_ns);
    }
}

void load_board(const struct load *load) {
    AUTO(mem_release) struct moves *moves = mem_new(sizeof *moves);
    moves->load = load;
    moves->chain = strncmp(load->name, "chain", strlen("chain")) == 0;
    const struct ask ask = {.target = &load->target,
                            .connections = 1,
                            .ctx = moves,
                            .next = next_move,
                            .answered = take_move};
    ask_all(&ask);
    tell("server_us", (double)(process_cpu_ns((pid_t)load->pid) - moves->cpu_ns) / 1000.0 / MOVED);
    tell_latency(&moves->claims);
}
