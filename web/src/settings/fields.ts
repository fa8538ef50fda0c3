/** Settings as texts of a form, and back. Pure. */
import type { Settings } from "../state/system.ts";

export interface Field {
  name: keyof Settings;
  control: "line" | "area" | "effort" | "model";
  show(value: never): string;
  read(text: string): unknown;
}

const lines = (text: string): string[] =>
  text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
const plain = { show: (value: string) => value, read: (text: string): unknown => text };

/** What is no number, and a line without a name, goes to the daemon as it is: it says what is
 *  wrong. */
export const FIELDS: Record<"sessions" | "notices", Field[]> = {
  sessions: [
    { name: "default_model", control: "model", ...plain },
    { name: "effort", control: "effort", ...plain },
    { name: "instructions", control: "area", ...plain },
    { name: "window", control: "line", show: (value: number) => String(value),
      read: (text) => (/^\d+$/.test(text) ? Number(text) : text) },
    { name: "review_model", control: "model", ...plain },
    { name: "title_model", control: "model", ...plain },
    { name: "model_aliases", control: "area",
      show: (value: Record<string, string>) =>
        Object.entries(value).map(([name, model]) => `${name} = ${model}`).join("\n"),
      read: (text) => Object.fromEntries(lines(text).map((line) => {
        const [name = "", ...model] = line.split("=");
        return [name.trim(), model.join("=").trim()];
      })) },
  ],
  notices: [
    { name: "public_url", control: "line", ...plain },
    { name: "notify_webhook", control: "line", ...plain },
    { name: "notify_command", control: "area", show: (value: string[]) => value.join("\n"),
      read: lines },
    { name: "notify_on", control: "line", show: (value: string[]) => value.join(" "),
      read: (text) => text.split(/[\s,]+/).filter((word) => word !== "") },
  ],
};

export function shown(field: Field, settings: Settings): string {
  const value = settings[field.name];
  return value === null ? "" : field.show(value as never);
}

/** Empty: not set. */
export const given = (field: Field, text: string): unknown =>
  (text.trim() === "" ? null : field.read(text.trim()));
