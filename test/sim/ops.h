/* ops.h: the table of all parts, in the order in which their functions are called. A new part is a
 * line here and one in ops.c.
 */
#ifndef DROVER_TEST_SIM_OPS_H
#define DROVER_TEST_SIM_OPS_H

#include "sim.h"

struct sim_options;

extern const struct sim_part part_processes; /* processes.c: commands and their holders. */
extern const struct sim_part part_control;   /* ops_control.c: crashes, clock, full disks. */
extern const struct sim_part part_sleeps;    /* sleeps.c: suspends of the machine. */
extern const struct sim_part part_jobs;      /* ops_jobs.c, check_runs.c, check_inbox.c */
extern const struct sim_part part_streams;   /* check_streams.c */

extern const struct sim_part part_servers;        /* part_servers.c: the network. */
extern const struct sim_part part_known;          /* known.c: the model of conversations. */
extern const struct sim_part part_asked;          /* ops_asked.c: answers, budgets, connections. */
extern const struct sim_part part_sessions;       /* ops_sessions.c */
extern const struct sim_part part_turns;          /* ops_turns.c */
extern const struct sim_part part_late;           /* late.c */
extern const struct sim_part part_branches;       /* ops_branches.c */
extern const struct sim_part part_once;           /* ops_once.c */
extern const struct sim_part part_settings;       /* ops_settings.c */
extern const struct sim_part part_memory;         /* ops_memory.c */
extern const struct sim_part part_schemas;        /* ops_schemas.c */
extern const struct sim_part part_images;         /* ops_images.c */
extern const struct sim_part part_approvals;      /* ops_approvals.c */
extern const struct sim_part part_inbox;          /* ops_inbox.c */
extern const struct sim_part part_prompts;        /* check_prompts.c */
extern const struct sim_part part_check_sessions; /* check_sessions.c */
extern const struct sim_part part_budgets;        /* check_budgets.c */
extern const struct sim_part part_followed;       /* check_followed.c */
extern const struct sim_part part_progress;       /* check_progress.c */
extern const struct sim_part part_folds;          /* check_folds.c */
extern const struct sim_part part_policies;       /* check_policies.c */
extern const struct sim_part part_texts;          /* check_texts.c */
extern const struct sim_part part_outages;        /* outages.c */
extern const struct sim_part part_served;         /* served.c */
extern const struct sim_part part_agents;         /* ops_agents.c, check_agents.c */
extern const struct sim_part part_boards;         /* ops_boards.c: in some seeds. */
extern const struct sim_part part_check_boards;   /* check_boards.c */
extern const struct sim_part part_mail;           /* ops_mail.c: in some seeds. */
extern const struct sim_part part_check_mail;     /* check_mail.c */
extern const struct sim_part part_folder;         /* folder.c: in seeds that have git. */
extern const struct sim_part part_check_points;   /* check_points.c */
extern const struct sim_part part_hosts;          /* ops_hosts.c: only where there are several. */
extern const struct sim_part part_workflows;      /* ops_workflows.c, check_workflows.c */
extern const struct sim_part part_flows;          /* ops_flows.c, check_flows.c: in some seeds. */

extern const struct sim_part *const sim_parts[];
extern const size_t sim_parts_count;

/* Kind of the n-th operation (from 1), by the weights of all tables; those of hosts only
 * where there are several. */
const struct sim_op *ops_pick(const struct sim_options *options, unsigned number);

#endif
