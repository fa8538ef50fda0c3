/* mails.h: mail over HTTP.
 *
 *   GET    /api/v1/mail                 list it
 *   GET    /api/v1/mail/{id}            one of them, with its text
 *   DELETE /api/v1/mail/{id}            remove one that is over
 *   POST   /api/v1/mail                 send one; agents call /api/mail, as their prompts say
 *   POST   /api/v1/mail/{id}/retract    take one back that is not read
 *
 * Threads    the loop, and the store's and the pool's for bodies.
 */
#ifndef DROVER_API_MAIL_MAILS_H
#define DROVER_API_MAIL_MAILS_H

#include "api/base/resource.h"

extern const struct resource_handlers mail_handlers;
extern const struct route mail_routes[];

#endif
