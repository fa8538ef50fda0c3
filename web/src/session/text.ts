/** Times and names of a session for people. */
import type { Session, Usage } from "../api/types.ts";
import type { Message } from "../state/message.ts";
import { money } from "../parts/text.ts";
import { visible } from "../parts/visible.ts";
import { words } from "./words.ts";

/** 340 ms, 4.1 s, 2m 5s; "" when it is unknown. */
export function duration(ms: number | null): string {
  if (ms === null) return "";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  return seconds < 3600 ? `${Math.floor(seconds / 60)}m ${seconds % 60}s`
    : `${Math.floor(seconds / 3600)}h ${Math.floor(seconds / 60) % 60}m`;
}

/** The model without the name of its connection; of a program that names none, the program. */
export const modelName = (model: string): string => visible(model.endsWith("/default")
  ? model.slice(0, model.indexOf("/")) : model.slice(model.indexOf("/") + 1));

/** A program that answers; other names of agents only stand beside the usage of models. */
export const programOf = ({ agent, model }: Pick<Session, "agent" | "model">): string | null =>
  (agent !== null && model?.startsWith(`${agent}/`) ? agent : null);

/** Who answers in a session. */
export const answerer = ({ agent, model }: Pick<Session, "agent" | "model">): string =>
  (agent !== null ? visible(agent) : model !== null ? modelName(model) : words.drover);

/** Earlier answers may be those of another program, or of a model. */
export function whoOf(message: Message, now: Pick<Session, "agent" | "model">): string {
  if (message.role === "user") return words.you;
  const model = message.model ?? null, program = programOf(now);
  const was = program !== null && model !== null && !model.startsWith(`${program}/`);
  return answerer({ agent: was ? null : now.agent, model });
}

/** Never a figure without its unknown part. */
export function price({ cost_micros, cost_unknown }: Usage): string {
  const known = cost_micros === null ? "" : money(cost_micros);
  if (cost_unknown === 0) return known;
  return known === "" ? words.unknownCost(cost_unknown).slice(3)
    : known + words.unknownCost(cost_unknown);
}

export function tokensOf(usage: Usage): string {
  const { fresh, cache_read, cache_write, output } = usage;
  const input = fresh + cache_read + cache_write;
  const cached = input === 0 ? 0 : Math.round((100 * cache_read) / input);
  return input + output === 0 ? "" : words.tokens(input + output, cached);
}

export const plain = (message: Message): string =>
  message.parts.filter(({ kind }) => kind === "text").map(({ text }) => text).join("\n\n");
