// providers.test.mjs: connections to providers, models, settings, and the commands for them.
//
// runs-with: release, san, postgres
import { Provider } from "../integration/providers.mjs";
import { golden } from "./golden.mjs";

golden("providers", async (record, t) => {
  const provider = await new Provider().start(t);
  record.names.add(provider.url, "<provider>");
  record.names.add(new URL(provider.url).host, "<provider address>");
  const daemon = await record.daemon();
  const ask = (...request) => record.ask(daemon, ...request);
  await ask("GET", "providers");
  await ask("GET", "environment-keys");
  await ask("GET", "environment-keys", undefined, { local: true });
  await ask("GET", "models");
  const body = {
    name: "mine", kind: "openai", base_url: provider.url, key: "sk-secret", headers: { "X-A": "b" },
    models: ["big"], window: 9000, max_concurrent: 3,
  };
  await ask("POST", "providers", body);
  await ask("POST", "providers", body);
  await ask("POST", "providers", { ...body, name: "Mine" });
  await ask("POST", "providers", { ...body, name: "b", base_url: "ftp://x" });
  await ask("POST", "providers", { name: "b", kind: "openai" });
  await ask("POST", "providers", { ...body, name: "b", kind: "scripted" });
  await ask("POST", "providers", { ...body, name: "b", headers: { Authorization: "Bearer x" } });
  await ask("POST", "providers", { ...body, name: "b", headers: { "X-Key": "sk-0123456789ab" } });
  await ask("POST", "providers", { name: "other", kind: "scripted" });
  await ask("GET", "providers/mine");
  await ask("GET", "providers?q=MIN&total=1");
  await ask("GET", "providers?limit=1");
  await ask("GET", "models");
  await ask("GET", "models?q=gpt&total=1");
  await ask("PATCH", "providers/mine", { window: null, key: null });
  await ask("PATCH", "providers/mine", { max_concurrent: 0 });
  await ask("PATCH", "providers/none", { window: null });
  await ask("POST", "providers/mine/test");
  await ask("POST", "providers/mine/test", { model: "small" });
  provider.status = 401;
  await ask("POST", "providers/mine/test");
  provider.status = 200;
  await ask("POST", "providers/none/test");
  await ask("DELETE", "providers/mine/windows");
  await ask("DELETE", "providers/none/windows");
  await ask("POST", "providers/mine/reset");
  await ask("POST", "providers/none/reset");
  record.say("settings");
  await ask("GET", "settings");
  const all = {
    default_model: "mine/big", review_model: "other/a", title_model: "other/b",
    instructions: "Be short.", effort: "low", window: 50000,
  };
  await ask("PATCH", "settings", all);
  await ask("PATCH", "settings", { effort: "extreme" });
  await ask("PATCH", "settings", { default_model: "nonsense" });
  await ask("PATCH", "settings", { default_model: "none/such" });
  await ask("PATCH", "settings", { window: 1 });
  await ask("DELETE", "providers/mine");
  await ask("PATCH", "settings", { default_model: null, effort: null });
  await ask("GET", "settings");
  record.say("tools");
  await ask("GET", "tools");
  await ask("DELETE", "providers/mine");
  await ask("DELETE", "providers/mine");
});

golden("provider-commands", async (record, t) => {
  const provider = await new Provider().start(t);
  record.names.add(provider.url, "<provider>");
  record.names.add(new URL(provider.url).host, "<provider address>");
  const daemon = await record.daemon();
  const cli = (...args) => record.cli(daemon, args);
  await cli("provider", "ls");
  await cli("provider", "ls", "--json");
  await cli("models");
  await cli("provider", "add", "mine", "--kind", "openai", "--url-base", provider.url);
  await cli("provider", "add", "mine", "openai", provider.url);
  const added = ["provider", "add", "mine", "--kind", "openai", "--base-url", provider.url];
  await cli(...added);
  await cli(...added);
  await cli("provider", "add", "demo", "--kind", "scripted", "--json");
  await cli("provider", "add", "demo");
  await cli("provider", "add", "demo", "--kind", "nonsense");
  await cli("provider", "ls");
  await cli("provider", "ls", "--json");
  await cli("models");
  await cli("models", "--json");
  await cli("models", "--search", "nothing");
  await cli("provider", "set", "mine", "--window", "9000");
  await cli("provider", "set", "mine", "--max-concurrent", "2", "--json");
  await cli("provider", "set", "none", "--window", "9000");
  const took = (text) => text.replace(/\d+ ?ms/g, "<took>");
  await record.cli(daemon, ["provider", "test", "mine"], { shown: took });
  await cli("provider", "test", "mine", "--json");
  provider.status = 500;
  await record.cli(daemon, ["provider", "test", "mine"], { shown: took });
  await cli("provider", "test", "none");
  await cli("provider", "forget", "mine");
  await cli("provider", "forget", "mine", "--json");
  await cli("provider", "forget", "none");
  await cli("provider", "reset", "mine");
  await cli("provider", "reset", "mine", "--json");
  await cli("provider", "reset", "none");
  await cli("config", "get");
  await cli("config", "get", "--json");
  await cli("config", "set", "effort", "low");
  await cli("config", "set", "effort", "extreme");
  await cli("config", "set", "nonsense", "1");
  await cli("config", "set", "window", "50000", "--json");
  await cli("config", "get", "effort");
  await cli("config", "get", "effort", "--json");
  await cli("config", "get", "nonsense");
  await cli("config", "get");
  await cli("provider", "rm", "mine");
  await cli("provider", "rm", "mine");
  await cli("provider", "rm", "demo", "--json");
});
