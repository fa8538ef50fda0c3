// programs.mjs: settings by which each real program asks provider.mjs, and no other host: files of
// a home of its own, and its environment. Its own retries are few, where it has a setting for that.
// `sessions`: folders of the home where its own sessions are. `begun`: mark of the last line that
// it prints of an answer whose beginning alone has come (provider.mjs, hang).
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

const chatModels = (url) => ({ baseUrl: url, api: "openai-completions", apiKey: "key",
                               models: [{ id: "mock-model" }] });

/** OpenCode, and Kilo, which is OpenCode with names of its own. */
const openCode = (name, prefix) => ({
  begun: '"step_start"',
  sessions: [`.local/share/${name}`],
  prepare: (home, port) => {
    const folder = path.join(home, ".config", name);
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, `${name}.json`), JSON.stringify({
      provider: { mock: { npm: "@ai-sdk/openai-compatible", name: "mock",
        options: { baseURL: `http://127.0.0.1:${port}/v1`, apiKey: "key" },
        models: { "mock-model": { name: "mock-model" } } } },
      model: "mock/mock-model", small_model: "mock/mock-model", enabled_providers: ["mock"],
      autoupdate: false, share: "disabled", permission: { bash: "allow", edit: "allow" } }));
  },
  env: () => Object.fromEntries(
    ["MODELS_FETCH", "AUTOUPDATE", "LSP_DOWNLOAD", "DEFAULT_PLUGINS"]
      .map((what) => [`${prefix}_DISABLE_${what}`, "1"])),
});

export const programs = {
  claude: {
    begun: '"text_delta"',
    sessions: [".claude/projects"],
    prepare: () => {}, // Its environment says all.
    env: (port) => ({ ANTHROPIC_BASE_URL: `http://127.0.0.1:${port}`, ANTHROPIC_API_KEY: "key",
                      CLAUDE_CODE_MAX_RETRIES: "1", DISABLE_TELEMETRY: "1",
                      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1" }),
  },
  codex: {
    begun: '"A greeting."',
    sessions: [".codex/sessions"],
    prepare: (home, port) => {
      mkdirSync(path.join(home, ".codex"), { recursive: true });
      writeFileSync(path.join(home, ".codex/config.toml"), `model = "mock-model"
model_provider = "mock"
approval_policy = "never"
sandbox_mode = "danger-full-access"
check_for_update_on_startup = false
[model_providers.mock]
name = "mock"
base_url = "http://127.0.0.1:${port}/v1"
env_key = "MOCK_KEY"
wire_api = "responses"
request_max_retries = 1
stream_max_retries = 1
[analytics]
enabled = false
`);
    },
    env: () => ({ MOCK_KEY: "key" }),
  },
  opencode: openCode("opencode", "OPENCODE"),
  kilo: openCode("kilo", "KILO"),
  pi: {
    begun: '"text_delta"',
    sessions: [".pi/agent/sessions"],
    prepare: (home, port) => {
      mkdirSync(path.join(home, ".pi/agent"), { recursive: true });
      writeFileSync(path.join(home, ".pi/agent/models.json"), JSON.stringify({
        providers: { mock: chatModels(`http://127.0.0.1:${port}/v1`) } }));
      writeFileSync(path.join(home, ".pi/agent/settings.json"),
        JSON.stringify({ defaultProvider: "mock", defaultModel: "mock-model" }));
    },
    env: () => ({ PI_OFFLINE: "1", PI_TELEMETRY: "0" }),
  },
};

/** Whether that line is in its output, to the end. */
export function hasBegun(name, output) {
  const at = output.indexOf(programs[name].begun);
  return at >= 0 && output.includes("\n", at);
}
