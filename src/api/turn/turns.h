/* turns.h: messages to sessions, and what their turns ask of people, over HTTP.
 *
 *   POST /api/v1/sessions/{id}/messages   say something: a turn answers it; ?wait=
 *   POST /api/v1/sessions/{id}/stop       the turn that runs ends; what it said stays
 *   GET  /api/v1/sessions/{id}/timeline   its turns: times, calls, usage, files
 *   GET  /api/v1/sessions/{id}/background what it has in the background, and whether it heard of it
 *   POST /api/v1/sessions/{id}/compact    what was said becomes a summary for the model
 *   POST /api/v1/sessions/{id}/clear      all that was said goes, what is being said included
 *   POST /api/v1/messages/{id}/resend     a user's message once more; all after it goes
 *   POST /api/v1/messages/{id}/regenerate the last answer once more
 *   POST /api/v1/messages/{id}/send_now   a queued message goes before the others
 *   POST /api/v1/messages/{id}/choose     an earlier answer is the one that counts
 *   GET  /api/v1/approvals                what waits for somebody's answer
 *   POST /api/v1/approvals                a program asks about a step of its run
 *   GET  /api/v1/approvals/{id}           one of them
 *   POST /api/v1/approvals/{id}           answer it
 *   GET  /api/v1/tools                    what a model may call
 *
 * Ownership  everything in struct turns_api is borrowed for the server's life.
 * Threads    the loop.
 */
#ifndef DROVER_API_TURN_TURNS_H
#define DROVER_API_TURN_TURNS_H

#include "api/base/page.h"
#include "api/base/request.h"
#include "base/base.h"
#include "base/id.h"
#include "dispatch/job/dispatch.h"
#include "dispatch/provider/connections.h"
#include "engine/session/messages.h"
#include "http/http.h"
#include "http/server.h"
#include "journal/hub.h"
#include "loop/loop.h"
#include "store/store.h"

struct turns_api {
    struct request_host host; /* First. */
    struct hub *hub;
    struct connections *connections; /* Which model is asked by sessions that name none. */
};

/* Shared by the files of turns. */
enum { TURNS_WAIT_MAX_S = 600 };
extern const struct request_kind turns__say;
extern const struct page_kind turns__background;
extern const struct field_set turns__say_fields; /* Body of a message. */

extern const struct route turns_routes[], approvals_routes[], tools_routes[];

#endif
