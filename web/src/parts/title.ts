/** The name of a session for people. Pure. */
import { words } from "../words.ts";
import { visible } from "./visible.ts";

export const titleOf = ({ title }: { title: string | null }): string =>
  (title === null || title === "" ? words.untitled : visible(title));
