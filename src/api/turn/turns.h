/* turns.h: messages to sessions, and what their turns ask of people, over HTTP.
 *
 *   POST /api/v1/sessions/{id}/messages   say something: a turn answers it; ?wait=
 *   POST /api/v1/sessions/{id}/stop       the turn that runs ends; what it said stays
 *   POST /api/v1/sessions/{id}/compact    what was said becomes a summary for the model
 *   POST /api/v1/sessions/{id}/clear      all that was said goes, what is being said included
 *   POST /api/v1/messages/{id}/resend     a user's message once more; all behind it goes
 *   POST /api/v1/messages/{id}/regenerate the last answer once more
 *   POST /api/v1/messages/{id}/choose     an earlier answer is the one that counts
 *   GET  /api/v1/approvals                what waits for somebody's answer
 *   GET  /api/v1/approvals/{id}           one of them
 *   POST /api/v1/approvals/{id}           answer it
 *
 * Ownership  everything in struct turns_api is borrowed for the server's life.
 * Threads    the loop.
 */
#ifndef DROVER_API_TURN_TURNS_H
#define DROVER_API_TURN_TURNS_H

#include "api/base/once.h"
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
    struct loop *loop;
    struct store *store;
    struct hub *hub;
    struct dispatch *dispatch;
    const struct connections *connections; /* Which model is asked by sessions that name none. */
};

/* Shared by the files of turns. */
enum { TURNS_OWNER, TURNS_WAIT, TURNS_WAIT_MAX_S = 600 };
extern const struct one_kind turns__session;
/* {"message","run","state" of a turn whose answer will be `answer`; the rest is the caller's. */
void turns__write_begun(const struct run_row *run, const struct id *answer, struct text *text);
/* The answer kept under a key is about the session of that message, and goes with it. */
MUST_CHECK struct err turns__find_about(struct tx *tx, const struct message_key *key,
                                        struct once *once);
struct id turns__new_id(const struct turns_api *api, const char *prefix);
void turns__say(struct exchange *exchange, void *ctx);
void turns__again(struct exchange *exchange, void *ctx);
void turns__choose(struct exchange *exchange, void *ctx);
void turns__clear(struct exchange *exchange, void *ctx);
void turns__resend(struct exchange *exchange, void *ctx);
void turns__compact(struct exchange *exchange, void *ctx);

struct route_table turns_table(struct turns_api *api);
struct route_table approvals_table(struct turns_api *api);

#endif
