/* runs_sim.h: a world for the transactions of runs: what the outside holds, and what the rows say.
 *
 * The outside is a list of commands and of wakers, kept as the dispatcher keeps them: from notes
 * alone. The rows are read after every step, and sim_check holds the two against each other and
 * against the promises. It knows nothing of how the engine decides.
 */
#ifndef DROVER_TEST_RUNS_SIM_H
#define DROVER_TEST_RUNS_SIM_H

#include "runs_kit.h"

enum { SIM_RUNS = 64, SIM_PAGE = 3 };

/* An attempt in the hands of the outside. */
struct sim_command {
    char run[ID_SIZE];
    int64_t attempt;
    bool asked;  /* It was told to end. */
    bool absent; /* Nothing was ever begun: all that can come is a void start. */
};

struct sim_row {
    struct run_row row; /* Its texts are gone, but for these. */
    char run[ID_SIZE], owner[8], key[8], label[8];
};

struct sim_owed {
    char run[ID_SIZE], address[32];
    int64_t id;
    enum inbox_state state;
    int64_t not_before_ms, failures;
    bool settled;
};

struct sim {
    struct runs_kit *runs;
    uint64_t seed, random;
    unsigned step;
    const char *doing;
    bool same_max; /* Each key has one number for all. */
    enum run_hold hold;
    int64_t slots; /* Once released. */
    struct sim_command commands[SIM_RUNS];
    size_t command_count;
    char wakers[SIM_RUNS][ID_SIZE];
    size_t waker_count;
    size_t heard; /* Notes that were listened to. */
    /* As they were read last. */
    struct sim_row rows[SIM_RUNS];
    size_t row_count;
    struct sim_row before[SIM_RUNS]; /* As they were before this step. */
    size_t before_count;
    struct sim_owed owed[SIM_RUNS * 2];
    size_t owed_count;
    int64_t finished; /* Events that say so. */
};

/* Fails, and says how to see it again. */
_Noreturn void sim_fail(const struct sim *sim, const char *what, const char *run);

/* The outside hears of what was committed. */
void sim_listen(struct sim *sim);
struct sim_command *sim_command_find(struct sim *sim, const char *run);
void sim_command_drop(struct sim *sim, struct sim_command *command);
void sim_waker_drop(struct sim *sim, const char *run);

/* Reads all rows; then compares. */
void sim_read(struct sim *sim);
void sim_check(struct sim *sim);
const struct sim_row *sim_row_find(const struct sim *sim, int64_t id); /* NULL: there is none. */
/* Everything that can end has ended. */
void sim_check_end(struct sim *sim);

#endif
