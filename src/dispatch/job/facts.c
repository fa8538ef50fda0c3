/* facts.c: parts of its spec that an attempt has to know. */
#include "base/limits.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/job/work.h"
#include "engine/job/spec.h"

struct err facts__read_spec(struct flight_work *work, json_t **ret_json, struct job_spec *ret_spec,
                            struct why *why) {
    AUTO(mem_release) char *text = work->spec;
    work->spec = NULL;
    work->facts = (struct flight_facts){.read = true};
    struct err err = json_parse_wrapped((struct bytes){text, work->spec_len}, ret_json, why);
    if (!err_failed(err)) {
        err = job_spec_read_stored(*ret_json, ret_spec, why);
    }
    if (!err_failed(err)) {
        work->facts = (struct flight_facts){
            .read = true,
            .notify = ret_spec->notify != NULL && json_array_size(ret_spec->notify) > 0,
            .pty = ret_spec->pty,
            .input_open = ret_spec->input_open,
            .retry = ret_spec->retry,
            .log_max = ret_spec->output != 0 ? ret_spec->output : JOB_LOG_DEFAULT,
            .timeout_ms = ret_spec->timeout_ms,
            .path_given = json_object_get(ret_spec->env, "PATH") != NULL};
        const char *program = ret_spec->argv == NULL
                                  ? ret_spec->shell
                                  : json_string_value(json_array_get(ret_spec->argv, 0));
        struct bytes begin = {program, utf8_cut(bytes_of(program), sizeof work->facts.program - 1)};
        memcpy(work->facts.program, begin.data, begin.len);
    }
    return err;
}

/* A spec that cannot be read (it was once) leaves the defaults: no further attempt. */
void facts__read(struct flight_work *work) {
    AUTO(json_release) json_t *json = NULL;
    struct job_spec spec = {0};
    (void)facts__read_spec(work, &json, &spec, NULL); /* As said above. */
}
