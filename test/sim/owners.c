/* owners.c: agent/owner.h over persons who open a session of a program in a terminal, and close it
 * again. What must hold: a process goes on in a session only after a look that found nobody. */
#include <string.h>

#include "agent/owner.h"
#include "agents.h"
#include "inside.h"

enum { STAY_MAX_MS = 90000, PID = 4242, NEWEST = 3 };

static void person_leave(struct sim *sim, struct sim_event *event) {
    struct agent_session *session = CONTAINER_OF(event, struct agent_session, leave);
    session->owned = false;
    if (sim_chance(sim, "summary", 20)) {
        session->compacted_ms = sim_wall_ms(sim);
    }
    sim_trace(sim, "%s of a program is closed", session->known.id);
}

static void person_come(struct sim *sim, struct agent_session *session) {
    session->owned = true;
    sim_plan(sim, &session->leave, 1 + sim_choose(sim, "stay", STAY_MAX_MS), person_leave);
    sim_trace(sim, "%s of a program is opened", session->known.id);
}

void owners_come(struct sim *sim) {
    struct agents *agents = agents_of(sim);
    const size_t newest = agents->session_count < NEWEST ? agents->session_count : NEWEST;
    if (newest == 0) {
        return;
    }
    struct agent_session *session =
        &agents->sessions[agents->session_count - 1 - sim_choose(sim, "opened", newest)];
    if (session->adapter == ADAPTER_CLAUDE && session->native[0] != '\0' && !session->owned) {
        person_come(sim, session);
    }
}

/* Most persons come shortly before a look: there are few of those. */
void agent_owner_find(const struct native_wish *wish, const char *proc,
                      struct agent_found *ret_found) {
    struct sim *sim = sim_current();
    struct agents *agents = agents_of(sim);
    (void)proc;
    *ret_found = (struct agent_found){.owner = 0};
    for (size_t i = 0; i < agents->session_count && !sim_acting_is_dead(sim); i++) {
        struct agent_session *session = &agents->sessions[i];
        if (session->adapter == ADAPTER_CLAUDE && bytes_is(wish->id, session->native)) {
            if (!session->owned && !sim_healed(sim) && sim_chance(sim, "person", 25)) {
                person_come(sim, session);
            }
            const bool owned = session->owned && !sim_healed(sim);
            session->sought = owned ? OWNER_SEEN : OWNER_NOT_SEEN;
            *ret_found = (struct agent_found){.owner = owned ? PID : 0,
                                              .compacted_ms = session->compacted_ms};
        }
    }
}

void owners_check_begin(struct sim *sim, const struct agent_process *process) {
    struct agent_session *session = process->turn->session;
    if (session->sought != OWNER_NOT_SEEN) {
        sim_fail(sim, "%s goes on in %s, %s", process->command->name, session->native,
                 session->sought == OWNER_SEEN ? "which somebody else uses"
                                               : "and nobody has looked who uses it");
    }
    session->sought = OWNER_NOT_SOUGHT;
}
