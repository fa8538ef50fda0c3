/* sim.c: choices, failure, trace. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inside.h"

static struct sim **current(void) {
    static struct sim *sim;
    return &sim;
}

struct sim *sim_current(void) {
    return *current();
}

void sim_use(struct sim *sim) {
    *current() = sim;
}

/* --- Choices ---------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t bits) {
    bits = (bits ^ (bits >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    bits = (bits ^ (bits >> 27)) * UINT64_C(0x94D049BB133111EB);
    return bits ^ (bits >> 31);
}

static uint64_t mix_text(uint64_t bits, const char *text) {
    for (; *text != '\0'; text++) {
        bits = (bits ^ (uint8_t)*text) * UINT64_C(0x100000001B3);
    }
    return bits;
}

uint64_t sim_hash(uint64_t seed, uint64_t number, const char *purpose, uint64_t index) {
    uint64_t bits = mix(seed + UINT64_C(0x9E3779B97F4A7C15));
    bits = mix(bits ^ (number * UINT64_C(0xD1342543DE82EF95)));
    return mix(mix_text(bits, purpose) + index * UINT64_C(0x9E3779B97F4A7C15));
}

uint64_t sim_choose(struct sim *sim, const char *purpose, uint64_t count) {
    assert(count > 0);
    uint64_t index = (sim->since << 20) + sim->draws++;
    return sim_hash(sim->options.seed, sim->operation, purpose, index) % count;
}

bool sim_chance(struct sim *sim, const char *purpose, unsigned percent) {
    return sim_choose(sim, purpose, 100) < percent;
}

uint64_t sim_seed(const struct sim *sim) {
    return sim->options.seed;
}

unsigned sim_operation(const struct sim *sim) {
    return sim->operation;
}

bool sim_healed(const struct sim *sim) {
    return sim->healed;
}

struct life *sim_life(struct sim *sim) {
    return &sim->life;
}

uint64_t sim_life_age_ms(const struct sim *sim) {
    uint64_t from_ns = sim->life.ready_ns > sim->still_ns ? sim->life.ready_ns : sim->still_ns;
    return sim->life.ready && sim->now_ns > from_ns ? (sim->now_ns - from_ns) / 1000000 : 0;
}

const char *sim_project_dir(const struct sim *sim) {
    return sim->project;
}

void sim_die(struct sim *sim, enum sim_death death) {
    if (!sim->life.dead) {
        sim->life.dead = true;
        sim->death = death;
    }
}

/* --- Failure and trace ------------------------------------------------------------------------ */

void sim_trace(struct sim *sim, const char *format, ...) {
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments); /* Cut at worst. */
    va_end(arguments);
    sim->hash = mix(mix_text(sim->hash, line));
    if (sim->options.trace) {
        (void)fprintf(stderr, "%8llu %10.3f %3u  %s\n", (unsigned long long)sim->steps,
                      (double)(sim->now_ns / 1000) / 1e6 - 3600, sim->operation, line);
    }
}

void sim_fail(struct sim *sim, const char *format, ...) {
    char line[2048];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments); /* Cut at worst. */
    va_end(arguments);
    (void)fprintf(stderr, "broken at step %llu, operation %u, life %u: %s\n",
                  (unsigned long long)sim->steps, sim->operation, sim->life.number, line);
    _exit(1);
}
