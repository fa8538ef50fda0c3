/* mails.h: mail, in some seeds: what was asked of it, and what its rows say.
 *
 *   ops_mail.c     people, and agents that answer, ask, take back from inside of turns with mail
 *   check_mail.c   the model: the last status of each mail, what was acknowledged, what must hold
 *
 * Promise    a seed without mail does the same as before there was any.
 * Ownership  all of it survives a crash: it is what clients know.
 */
#ifndef DROVER_TEST_SIM_MAILS_H
#define DROVER_TEST_SIM_MAILS_H

#include "base/id.h"
#include "engine/mail/mail.h"
#include "sim.h"

enum { SIM_MAILS_MAX = 160, SIM_ADDRESS_MAX = 64 };

struct sim_options;
/* Whether the seed has mail. */
bool mails_play(const struct sim_options *options);

/* A request of a client. */
struct mail_asking {
    struct id id;                        /* Name of the mail that is sent, in this try. */
    char inside[ID_SIZE];                /* Run of a turn; "": a person. */
    char to[SIM_ADDRESS_MAX];            /* "": where the answered mail came from. */
    char answers[ID_SIZE], old[ID_SIZE]; /* "": none. old: what is superseded, or taken back. */
    char title[SIM_ADDRESS_MAX], key[SIM_ADDRESS_MAX];
    const char *type; /* A literal. */
    bool urgent;
    int64_t above; /* Depth of the mail that its sender reads; 0: it is a person. */
    bool looked, found, named;
    char agent[SIM_ADDRESS_MAX], model[SIM_ADDRESS_MAX]; /* Looked up, and found. */
};

/* check_mail.c: the request was acknowledged; `mail`: its answer. */
void mails_sent(struct sim *sim, const struct mail_asking *asking, const char *mail);
void mails_withdrawn(struct sim *sim, const char *mail);
int64_t mails_count(void); /* Rows that the model has seen. */

/* ops_mail.c: a turn reads mail that the model has not seen there: its agent will act. */
struct mail_read {
    const char *mail, *turn, *from_session;
    int64_t depth;
};
void mails_read(struct sim *sim, const struct mail_read *seen);

#endif
