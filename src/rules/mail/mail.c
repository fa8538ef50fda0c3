/* mail.c: see mail.h. */
#include "rules/mail/mail.h"

#include <string.h>

#include "base/id.h"
#include "rules/session/session.h"

bool mail_is_name(struct bytes name) {
    return resource_names(&mail_resource, name);
}

static bool agent_is_valid(struct bytes agent) {
    bool valid = agent.len > 0 && agent.len <= MAIL_NAME_MAX;
    for (size_t i = 0; valid && i < agent.len; i++) {
        const unsigned char c = (unsigned char)agent.data[i];
        valid = c > ' ' && c != 0x7f && c != '@' && c != '"' && c != '\\';
    }
    return valid;
}

bool mail_signs(struct bytes agent, struct bytes owner) {
    return agent_is_valid(agent) && !bytes_equal(agent, owner) && !bytes_is(agent, MAIL_DROVER) &&
           !id_valid(agent.data, agent.len, "ses");
}

struct err mail_address_read(struct bytes to, struct bytes owner, struct mail_address *ret_address,
                             struct why *why) {
    const char *at = to.len == 0 ? NULL : memrchr(to.data, '@', to.len);
    *ret_address = (struct mail_address){.place = MAIL_TO_AGENT, .name = to, .project = BYTES("")};
    if (id_valid(to.data, to.len, "ses")) {
        ret_address->place = MAIL_TO_SESSION;
        return ERR_OK;
    }
    if (bytes_equal(to, owner)) {
        ret_address->place = MAIL_TO_PERSON;
        return ERR_OK;
    }
    if (at != NULL) {
        ret_address->name.len = (size_t)(at - to.data);
        ret_address->project = (struct bytes){at + 1, to.len - ret_address->name.len - 1};
    }
    const bool valid = agent_is_valid(ret_address->name) &&
                       (at == NULL || session_project_valid(ret_address->project)) &&
                       !bytes_is(ret_address->name, MAIL_DROVER);
    return valid ? ERR_OK
                 : err_why(why, ERR_BAD_FIELD,
                           "\"to\": an agent of the project, agent@project, ses_…, or the owner "
                           "'%.*s', who is a person",
                           (int)owner.len, owner.data);
}

struct err mail_depth_check(const struct mail *mail, struct why *why) {
    const int64_t most = mail_is_request(mail) ? MAIL_DEPTH_MAX : MAIL_DEPTH_MAX + 1;
    return mail->depth <= most
               ? ERR_OK
               : err_why(why, ERR_MAIL_LOOP,
                         "this would be number %lld of a chain in which each mail or task follows "
                         "from the one before; a chain of requests has at most %d: end it here, or "
                         "write to "
                         "a person from a new turn",
                         (long long)mail->depth, MAIL_DEPTH_MAX);
}

enum mail_status mail_judge(enum inbox_state state, int64_t failures) {
    switch (state) {
    case INBOX_BOUND:
        return MAIL_WORKING;
    case INBOX_ACKNOWLEDGED:
        return MAIL_DONE;
    case INBOX_GONE:
    case INBOX_DROPPED:
        return MAIL_FAILED;
    default:
        return failures >= MAIL_FAILURES_MAX ? MAIL_FAILED : MAIL_PENDING;
    }
}
