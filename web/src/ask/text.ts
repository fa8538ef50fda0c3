/** What a question says, as text. Pure. */
import type { Ask } from "../api/types.ts";
import { visible } from "../parts/visible.ts";
import type { Reply } from "../state/asks.ts";
import { words } from "./words.ts";

/** All of the text: of a call as the daemon shows it, with what is invisible written out; of a
 *  question without its options and fields, which are drawn. */
export function bodyOf({ kind, shown, arguments: given, about }: Ask): string {
  const question = kind === "leave" ? undefined : given?.question;
  if (typeof question !== "string") return visible(shown ?? "");
  return visible(about?.text ? `${question}\n\n${about.text}` : question);
}

const firstLine = (text: string): string => text.split("\n", 1)[0] ?? "";

/** One line of it, without the name of the tool. */
export function headline(ask: Ask): string {
  return firstLine(bodyOf(ask)) || words.asks[ask.kind];
}

/** What a yes to the question is about: another text has another name. */
export const textOf = ({ id, digest }: Ask): string => `${id} ${digest ?? ""}`;

/** An event had no room for all of it: the object has it. */
export const isCut = (ask: Ask): boolean =>
  ask.shown === undefined || ask.arguments === undefined;

/** The change of a file, if the daemon has all of it: else the text shows what is changed. */
export const diffOf = ({ about }: Ask): string =>
  (about?.diff_cut === true ? "" : about?.diff ?? "");

const ROW_LINES = 6, ROW_LENGTH = 400;
/** Whether a row shows all of it: its text and its options. */
export function fitsRow(ask: Ask): boolean {
  const all = [bodyOf(ask), ...optionsOf(ask)].join("\n");
  return !isCut(ask) && all.length <= ROW_LENGTH && all.split("\n").length <= ROW_LINES;
}

/** A folder is granted to the session or to its project. */
export const isFolder = ({ tool }: Ask): boolean => tool === "request_access";

/** No rule can name such a call but by all of its arguments. */
export const isExact = ({ about }: Ask): boolean => about?.exact === true;

/** What a yes from now on allows, in the daemon's words, or as somebody narrows it. */
export function ruleOf(ask: Ask, subject: string): string {
  const { tool, about } = ask;
  if (subject !== "") return visible(`${tool} ${subject}`);
  return visible(isFolder(ask) ? headline(ask) : about?.rule ?? words.such(tool));
}

/** review › Fix › fix 4 */
export function origin({ title, phase, agent }: Ask): string {
  const parts = [title ?? words.unknown, phase, agent];
  return parts.filter((part) => part).map((part) => visible(part ?? "")).join(" › ");
}

export function optionsOf(ask: Ask): string[] {
  const options = ask.arguments?.options;
  return Array.isArray(options) ? options.map(String) : [];
}

/** Each option, and the answer that it is; none where several may be chosen. */
export function choicesOf(ask: Ask): { text: string; reply: Reply }[] {
  if (ask.arguments?.multi === true) return [];
  return optionsOf(ask).map((option) => ({
    text: visible(option),
    reply: ask.kind === "choice" ? { choice: option } : { answer: option },
  }));
}

/** A yes or a no is all of the answer. */
export const isYesNo = ({ kind }: Ask): boolean => kind === "leave" || kind === "confirm";

/** Questions of one shape are answered together: the same tool and program, or the same text but
 *  for its numbers. Those that take more than a yes stand alone. */
export function shapeOf(ask: Ask): string {
  if (!isYesNo(ask)) return ask.id;
  const line = headline(ask);
  const what = ask.kind === "confirm" ? line.replace(/\d+/g, "#")
    : ask.tool === "run_command" ? line.split(" ", 1)[0] : "";
  return [ask.kind, ask.kind === "confirm" ? "" : ask.step, what].join("\n");
}

/** What was answered: the reason of a no, or a text in JSON: {"choice":"blue"}. */
export function replyOf({ answer }: Ask): string {
  if (!answer) return "";
  try {
    const value: unknown = JSON.parse(answer);
    if (typeof value !== "object" || value === null) return visible(answer);
    const [first] = Object.values(value);
    return visible(typeof first === "string" ? first : JSON.stringify(first) ?? "");
  } catch {
    return visible(answer);
  }
}
