/** Texts of a sum of changes. */
import type { Changes } from "../../api/types.ts";
import { count } from "../../parts/text.ts";

const files = (number: number): string => `${count(number)} ${number === 1 ? "file" : "files"}`;
const added = (lines: number): string => `+${count(lines)}`;
const removed = (lines: number): string => `−${count(lines)}`;

export const words = {
  files, added, removed,
  about: (sum: Changes["totals"]) =>
    `Changes: ${files(sum.files)} ${added(sum.added)} ${removed(sum.removed)}`,
};
