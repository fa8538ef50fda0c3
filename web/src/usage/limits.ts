/** What budgets say: which is nearest its limit, in sentences and bars. Pure. */
import type { Budget } from "../api/types.ts";
import { count, money, spanText, spentText, timeTo } from "../parts/text.ts";

export const AMOUNTS = ["cost_micros", "tokens", "output_tokens", "agents", "wall_ms"] as const;
export type Amount = (typeof AMOUNTS)[number];

/** One limit. `left` is never below 0; `share` is 1 where nothing is left. */
export interface Fill {
  amount: Amount; limit: number; spent: number; reserved: number; left: number; share: number;
}

export function fillsOf({ limits, spent, reserved }: Budget): Fill[] {
  return AMOUNTS.flatMap((amount) => {
    const limit = limits[amount];
    if (limit === null) return [];
    const used = spent[amount] ?? 0, held = reserved[amount] ?? 0;
    const share = limit === 0 ? 1 : Math.min(1, (used + held) / limit);
    return [{ amount, limit, spent: used, reserved: held, share,
      left: Math.max(0, limit - used - held) }];
  }).sort((a, b) => b.share - a.share);
}

const shareOf = (budget: Budget): number => fillsOf(budget)[0]?.share ?? -1;

/** Nearest its limit first; those that only count stand last. */
export const byNearness = (budgets: readonly Budget[]): Budget[] =>
  [...budgets].sort((a, b) => shareOf(b) - shareOf(a) || (a.scope < b.scope ? -1 : 1));

export const NAMES: Record<Amount, string> = {
  cost_micros: "Cost", tokens: "Tokens", output_tokens: "Output tokens", agents: "Agents",
  wall_ms: "Time of runs",
};

/** Of limits below a dollar the cents have parts. */
const cost = (micros: number): string =>
  (micros > 0 && micros < 1_000_000 ? `$${(micros / 1e6).toFixed(4)}` : money(micros));

export function amountText(amount: Amount, value: number): string {
  if (amount === "cost_micros") return cost(value);
  if (amount === "wall_ms") return spanText(value);
  return count(value);
}

/** `$3.12 + 4 calls of unknown cost of $10.00 spent, $0.40 reserved, $6.48 left` */
export function sentenceOf({ amount, limit, spent, reserved, left }: Fill, budget: Budget): string {
  const text = (value: number): string => amountText(amount, value);
  const used = amount !== "cost_micros" ? text(spent)
    : spentText(budget.spent.cost_micros, budget.spent.cost_unknown, cost);
  return [`${used} of ${text(limit)} spent`,
    ...(reserved > 0 ? [`${text(reserved)} reserved`] : []),
    left > 0 ? `${text(left)} left` : "nothing left"].join(", ");
}

/** What a budget has counted that has no limit. */
export function countedOf({ spent, limits }: Budget): string[] {
  return AMOUNTS.flatMap((amount) => {
    if (limits[amount] !== null) return [];
    if (amount === "cost_micros") {
      return spent.cost_micros || spent.cost_unknown > 0
        ? [`${NAMES[amount]}: ${spentText(spent.cost_micros, spent.cost_unknown, cost)}`] : [];
    }
    const value = spent[amount] ?? 0;
    return value === 0 ? [] : [`${NAMES[amount]}: ${amountText(amount, value)}`];
  });
}

/** When it ends, begins again, and what waits for it. */
export function outlookOf(budget: Budget, now_ms: number): string[] {
  const { forecast, resets_ms, waiting, per } = budget, said: string[] = [];
  const fills = fillsOf(budget), isUsedUp = fills[0]?.left === 0;
  if (isUsedUp) said.push("used up");
  else if (forecast != null && forecast.at_ms > now_ms) {
    const which = fills.length > 1 ? ` (${NAMES[forecast.limit as Amount].toLowerCase()})` : "";
    said.push(`at this rate used up at ${timeTo(forecast.at_ms, now_ms)}${which}`);
  }
  if (per === "day" && resets_ms !== null) {
    said.push(`begins again at ${timeTo(resets_ms, now_ms)}`);
  }
  if (waiting > 0) {
    said.push(waiting === 1 ? "1 run waits for it" : `${count(waiting)} runs wait for it`);
  }
  return said;
}

/** --- What a person writes into the form --- */

const UNITS: Record<string, number> = {
  s: 1_000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000,
};

function spanOf(text: string): number | null {
  const one = /(\d+(?:\.\d+)?)\s*(min|[smhd])\s*/g, pieces = [...text.matchAll(one)];
  if (pieces.length === 0 || text.replace(one, "") !== "") return null;
  return pieces.reduce((sum, [, value, unit]) => sum + Number(value) * (UNITS[unit ?? ""] ?? 0), 0);
}

/** null: it is no such amount. */
export function amountOf(amount: Amount, text: string): number | null {
  if (amount === "wall_ms") return spanOf(text.trim());
  const match = /^\$?\s*(\d+(?:\.\d+)?)\s*([kKmM]?)$/.exec(text.trim().replaceAll(",", ""));
  if (match === null) return null;
  const times = { "": 1, k: 1e3, m: 1e6 }[(match[2] ?? "").toLowerCase()] ?? 1;
  return Math.round(Number(match[1]) * times * (amount === "cost_micros" ? 1e6 : 1));
}

/** As somebody would write it into the form; it is read as the same amount. */
export function writtenOf(amount: Amount, value: number | null): string {
  if (value === null) return "";
  if (amount === "cost_micros") return String(value / 1e6);
  if (amount !== "wall_ms") return String(value);
  const parts: string[] = [];
  let left = value;
  for (const unit of ["d", "h", "m", "s"]) {
    const size = UNITS[unit] ?? 1, times = unit === "s" ? left / size : Math.floor(left / size);
    if (times > 0) parts.push(`${times}${unit}`);
    left -= times * size;
  }
  return parts.join(" ") || "0s";
}
