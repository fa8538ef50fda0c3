// texts.js: what becomes of texts and options on their way out: canonical JSON, and its limits.
//
// The rules of prelude.js hold here too: nothing that a script can reach is called later.
(function (native) {
  "use strict";
  const { sizeOf } = native;
  const { TypeError } = globalThis;
  const { parse, stringify } = JSON;
  const { isArray } = Array;
  const { apply } = Reflect;
  const { keys, hasOwn } = Object;
  const { sort } = Array.prototype;
  const { charCodeAt, slice } = String.prototype;
  const { isInteger } = Number;
  const CANONICAL_KEPT = 64;
  const own = (object, name) => (hasOwn(object, name) ? object[name] : undefined);

  const bytesWithin = (text, most) => text.length * 3 <= most || sizeOf(text) <= most;

  // At most so many bytes of UTF-8, and no half characters.
  const cutTo = (text, most) => {
    if (bytesWithin(text, most)) return text;
    let bytes = 0, at = 0;
    while (at < text.length) {
      const unit = apply(charCodeAt, text, [at]);
      const pair = unit >= 0xd800 && unit < 0xdc00 && at + 1 < text.length;
      const size = unit < 0x80 ? 1 : unit < 0x800 ? 2 : pair ? 4 : 3;
      if (bytes + size > most) break;
      bytes += size;
      at += pair ? 2 : 1;
    }
    return apply(slice, text, [0, at]);
  };

  const canonical = (value) => {
    if (value === null || typeof value !== "object") return stringify(value);
    let text = "";
    if (isArray(value)) {
      for (let i = 0; i < value.length; i++) text += (i > 0 ? "," : "") + canonical(value[i]);
      return "[" + text + "]";
    }
    const names = apply(sort, keys(value), []);
    for (let i = 0; i < names.length; i++) {
      text += (i > 0 ? "," : "") + stringify(names[i]) + ":" + canonical(value[names[i]]);
    }
    return "{" + text + "}";
  };

  let kept = { __proto__: null }, keptCount = 0;
  // The same schema comes with many calls: what it comes to is kept by its text.
  const canonicalText = (text) => {
    const known = kept[text];
    if (known !== undefined) return known;
    if (keptCount++ === CANONICAL_KEPT) {
      kept = { __proto__: null };
      keptCount = 1;
    }
    return (kept[text] = canonical(parse(text)));
  };

  // --- Options of agent() ------------------------------------------------------------------------

  const EFFORTS = { __proto__: null, low: 1, medium: 1, high: 1, xhigh: 1, max: 1 };
  const isRecord = (value) => typeof value === "object" && value !== null && !isArray(value);
  const expected = (name, what) => new TypeError("agent(): opts." + name + " must be " + what);
  const string = (name, value) => {
    if (typeof value !== "string") throw expected(name, "a string");
    return stringify(value);
  };
  const json = (name, value) => {
    const text = stringify(value);
    if (text === undefined) throw expected(name, "JSON");
    return canonicalText(text);
  };
  const strings = (name, value) => {
    let good = isArray(value);
    for (let i = 0; good && i < value.length; i++) good = typeof value[i] === "string";
    if (!good) throw expected(name, "an array of strings");
    return json(name, value);
  };
  const count = (name, value) => {
    if (!isInteger(value) || value < 0) throw expected(name, "a whole number, 0 or more");
    return stringify(value);
  };
  const LIMITS = {
    __proto__: null, agents: 1, cost_micros: 1, output_tokens: 1, tokens: 1, wall_ms: 1,
  };
  const isAmount = (value) => isInteger(value) && value >= 0 && value <= 1e15;
  const limits = (text) => {
    const all = parse(text);
    const names = keys(all);
    for (let i = 0; i < names.length; i++) {
      const name = names[i];
      if (LIMITS[name] === undefined) {
        throw new TypeError("agent(): opts.budget: unknown limit " + stringify(name));
      }
      const value = own(all, name);
      if (value !== null && !isAmount(value)) {
        throw expected("budget." + name, "a whole number, 0 or more, or null");
      }
    }
    return text;
  };
  // Ours, those of Claude Code that mean some of ours (tool/agent_types.c), and all.
  const TOOLS = { __proto__: null, "*": 1,
    ask_user: 1, delete_file: 1, edit_file: 1, list_files: 1, load_skill: 1, read_file: 1,
    read_session: 1, recall: 1, remember: 1, request_access: 1, run_command: 1, run_job: 1,
    run_workflow: 1, search_files: 1, spawn_subagent: 1, subagent_cancel: 1, subagent_result: 1,
    subagent_status: 1, web_fetch: 1, write_file: 1,
    Read: 1, Write: 1, Edit: 1, MultiEdit: 1, Glob: 1, LS: 1, Grep: 1, Bash: 1, WebFetch: 1,
    Skill: 1,
  };
  const tools = (name, value) => {
    const text = strings(name, value);
    for (let i = 0; i < value.length; i++) {
      if (TOOLS[value[i]] !== undefined) continue;
      throw new TypeError("agent(): opts.tools: there is no tool " + stringify(value[i]));
    }
    return text;
  };
  // In the order of their names, which is the canonical one.
  const OPTIONS = {
    __proto__: null,
    agentType: string,
    budget(name, value) {
      if (isAmount(value)) return stringify(value);
      if (!isRecord(value)) throw expected(name, "output tokens, or an object of limits");
      return limits(json(name, value));
    },
    capabilities: strings,
    effort(name, value) {
      if (typeof value !== "string" || EFFORTS[value] === undefined) {
        throw expected(name, "'low', 'medium', 'high', 'xhigh' or 'max'");
      }
      return stringify(value);
    },
    isolation(name, value) {
      if (value !== "worktree") throw expected(name, "'worktree'");
      return stringify(value);
    },
    max_tool_calls: count,
    max_tool_iters: count,
    model: string,
    schema(name, value) {
      if (!isRecord(value)) throw expected(name, "an object");
      const text = json(name, value);
      const root = parse(text);
      if (!isRecord(root) || own(root, "type") !== "object") {
        throw expected(name, "a schema whose root has type 'object'");
      }
      return text;
    },
    tools,
  };
  const OPTION_NAMES = keys(OPTIONS);

  const shown = (name, value) => {
    if (value !== undefined && typeof value !== "string") throw expected(name, "a string");
    return value;
  };

  // The members that count, as canonical JSON; label and phase are for show.
  const readOptions = (opts) => {
    if (opts === undefined || opts === null) return NO_OPTIONS;
    if (!isRecord(opts)) throw new TypeError("agent(): opts must be an object");
    const names = keys(opts);
    let label, phase, counting = 0;
    for (let i = 0; i < names.length; i++) {
      const name = names[i];
      if (name === "label") label = shown(name, opts[name]);
      else if (name === "phase") phase = shown(name, opts[name]);
      else if (OPTIONS[name] !== undefined) counting++;
      else throw new TypeError("agent(): unknown option " + stringify(name));
    }
    return { __proto__: null, text: counting > 0 ? counted(opts) : "{}", label, phase };
  };
  const counted = (opts) => {
    let text = "";
    for (let i = 0; i < OPTION_NAMES.length; i++) {
      const name = OPTION_NAMES[i];
      const value = own(opts, name);
      if (value === undefined) continue;
      text += (text === "" ? '"' : ',"') + name + '":' + OPTIONS[name](name, value);
    }
    return "{" + text + "}";
  };
  const NO_OPTIONS = { __proto__: null, text: "{}", label: undefined, phase: undefined };

  return { __proto__: null, own, bytesWithin, cutTo, canonical, readOptions };
})
