/* part_servers.c: the simulated network as a part of the simulation. */
#include "ops.h"
#include "servers.h"
#include "sim.h"

static struct servers servers; /* Of the seed that runs: one at a time in a process. */

static void servers_begin(struct sim *sim) {
    servers_init(&servers, sim_seed(sim));
    servers_use(&servers);
}

static void servers_step(struct sim *sim) {
    if (servers.complaint[0] != '\0') {
        sim_fail(sim, "%s", servers.complaint);
    }
}

static void network_heal(struct sim *sim) {
    (void)sim;
    servers_heal(&servers);
}

static void servers_end(struct sim *sim) {
    const struct servers_stats *stats = &servers.stats;
    sim_trace(sim,
              "servers: %u requests, %u of models, %u faults, %u broken streams, %u calls of tools,"
              " %u badly written, %u truncated, %u overflows, %u hooks, %u pages, %u in outages",
              (unsigned)stats->requests, (unsigned)stats->models, (unsigned)stats->faults,
              (unsigned)stats->broken, (unsigned)stats->tool_calls, (unsigned)stats->bad_arguments,
              (unsigned)stats->truncated, (unsigned)stats->overflows, (unsigned)stats->hooks,
              (unsigned)stats->pages, (unsigned)stats->away);
}

const struct sim_part part_servers = {.name = "servers",
                                      .begin = servers_begin,
                                      .step = servers_step,
                                      .heal = network_heal,
                                      .end = servers_end};
