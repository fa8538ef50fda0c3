/** The projects of the owner, read again after each change of one. */
import { useRef } from "preact/hooks";

import { get, type Answer } from "../api/api.ts";
import type { Page, Project } from "../api/types.ts";
import { useRead, type Read } from "./read.ts";

const PAGE = 200;

/** Of as many pages as were asked for. */
export function useProjects<T extends Project>(): Read<Page<T>> & { more(): void } {
  const pages = useRef(1);
  const read = useRead<Page<T>>("", { after: ({ type }) => type === "project_changed",
    from: async () => {
      const all: Page<T> = { items: [], next: "" };
      for (let left = pages.current; left > 0 && all.next !== null; left--) {
        const from = all.next === "" ? "" : `&after=${encodeURIComponent(all.next)}`;
        const answer: Answer<Page<T>> = await get<Page<T>>(`/projects?limit=${PAGE}${from}`);
        if (!answer.ok) return answer;
        all.items.push(...answer.value.items);
        all.next = answer.value.next;
      }
      return { ok: true, value: all };
    } });
  return { ...read, more: () => {
    pages.current++;
    void read.again();
  } };
}
