/* variables.c: see variables.h. */
#include "base/process/variables.h"

#include <string.h>
#include <strings.h>

/* A name that ends with '*' stands for all longer ones with that beginning. Keys and servers of
 * models are those that discovery reads (model/calls/models.c). TERM does not go to a daemon, which
 * has no terminal. */
static const struct row {
    const char *name;
    bool uses[VARIABLE_USES];
} rows[] = {
    /* Columns: daemon, command, notify, demo, report, agent. */
    {"PATH", {1, 1, 1, 1, 1, 1}},
    {"LANG", {1, 1, 1, 1, 1, 1}},
    {"LC_*", {1, 1, 1, 1, 1, 1}},
    {"TZ", {1, 1, 1, 1, 1, 1}},
    {"TMPDIR", {1, 1, 1, 1, 1, 1}},
    {"HOME", {1, 1, 1, 0, 1, 1}},
    {"USER", {1, 1, 1, 0, 1, 1}},
    {"LOGNAME", {1, 1, 1, 0, 1, 1}},
    {"SHELL", {1, 1, 0, 0, 1, 1}},
    {"TERM", {0, 1, 0, 0, 1, 1}},
    {"XDG_*", {1, 0, 1, 0, 1, 1}},
    {"SSL_*", {1, 0, 1, 0, 0, 1}},
    {"DISPLAY", {0, 0, 1, 0, 1, 0}},
    {"WAYLAND_DISPLAY", {0, 0, 1, 0, 0, 0}},
    {"XAUTHORITY", {0, 0, 1, 0, 0, 0}},
    {"DBUS_SESSION_BUS_ADDRESS", {0, 0, 1, 0, 0, 0}},
    {"CLAUDE_CONFIG_DIR", {1, 0, 0, 0, 0, 1}},
    {"OPENAI_*", {1, 0, 0, 0, 0, 1}},
    {"ANTHROPIC_*", {1, 0, 0, 0, 0, 1}},
    {"CLAUDE_CODE_*", {1, 0, 0, 0, 0, 1}},
    {"CODEX_*", {1, 0, 0, 0, 0, 1}},
    {"OPENCODE_*", {1, 0, 0, 0, 0, 1}},
    {"KILO_*", {1, 0, 0, 0, 0, 1}},
    {"PI_*", {1, 0, 0, 0, 0, 1}},
    {"GEMINI_*", {1, 0, 0, 0, 0, 1}},
    {"OPENROUTER_*", {1, 0, 0, 0, 0, 1}},
    {"DEEPSEEK_*", {1, 0, 0, 0, 0, 1}},
    {"OLLAMA_HOST", {1, 0, 0, 0, 1, 1}},
    {"LLAMACPP_HOST", {1, 0, 0, 0, 1, 0}},
    {"DROVER_TEST_*", {1, 0, 0, 0, 0, 0}},
    {"DROVER_DATA", {0, 0, 1, 0, 1, 0}},
    {"DROVER_LISTEN", {0, 0, 0, 0, 1, 0}},
    {"DROVER_LOG", {0, 0, 0, 0, 1, 0}},
    {"DROVER_MODEL", {0, 0, 0, 0, 1, 0}},
    {"DROVER_HOLD_AFTER", {0, 0, 0, 0, 1, 0}},
    {"PWD", {0, 0, 0, 0, 1, 0}},
    {"OLDPWD", {0, 0, 0, 0, 1, 0}},
    {"_", {0, 0, 0, 0, 1, 0}},
    {"SHLVL", {0, 0, 0, 0, 1, 0}},
    {"HOSTNAME", {0, 0, 0, 0, 1, 0}},
    {"EDITOR", {0, 0, 0, 0, 1, 0}},
    {"PAGER", {0, 0, 0, 0, 1, 0}},
    {"MAIL", {0, 0, 0, 0, 1, 0}},
    {"COLORTERM", {0, 0, 0, 0, 1, 0}},
    {"INVOCATION_ID", {0, 0, 0, 0, 1, 0}},
    {"GDM*", {0, 0, 0, 0, 1, 0}},
    {"GNOME_*", {0, 0, 0, 0, 1, 0}},
    {"npm_config_*", {0, 0, 0, 0, 1, 0}},
    {"NODE_*", {0, 0, 0, 0, 1, 1}},
};
/* In lower case, as curl reads them, and in upper case; for daemons and agents. */
static const char *const proxies[] = {"http_proxy", "https_proxy", "all_proxy", "no_proxy"};

bool variable_is_for(const char *variable, enum variable_use use) {
    const size_t len = strcspn(variable, "=");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const size_t wanted = strcspn(rows[i].name, "*");
        const bool prefix = rows[i].name[wanted] == '*';
        if ((prefix ? len > wanted : len == wanted) &&
            strncmp(variable, rows[i].name, wanted) == 0) {
            return rows[i].uses[use];
        }
    }
    for (size_t i = 0; i < COUNT_OF(proxies) && (use == VARIABLE_DAEMON || use == VARIABLE_AGENT);
         i++) {
        if (len == strlen(proxies[i]) && strncasecmp(variable, proxies[i], len) == 0) {
            return true;
        }
    }
    return false;
}
